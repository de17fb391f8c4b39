//! What tests stand on: the cluster, the Python environment, the hermetic command environment.

pub mod backendai;
pub mod crashes;
pub mod made;
pub mod pasted;
pub mod pg;
pub mod private;
pub mod process;
pub mod project;
pub mod python;
pub mod random;
pub mod repo;
pub mod scene;
pub mod xtask;
