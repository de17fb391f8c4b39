//! What tests stand on: the cluster, the Python environment, the hermetic command environment.

pub mod pg;
pub mod repo;
pub mod xtask;
