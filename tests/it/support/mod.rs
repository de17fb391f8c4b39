//! What tests stand on: the cluster, the Python environment, the hermetic command environment.

pub mod backendai;
pub mod branches;
pub mod browser;
pub mod crashes;
pub mod door;
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

use std::path::PathBuf;
use std::sync::OnceLock;

/// Where tests have their folders: in memory, where there is room and a program may be run from it, since ext4 looks for inodes
/// that were not just freed at each file that is made, a twentieth of all that the tests do. Without symlinks in its path.
pub fn temporary() -> PathBuf {
    use rustix::fs::{StatVfsMountFlags, statvfs};
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    let runs = |folder: &PathBuf| statvfs(folder).is_ok_and(|it| !it.f_flag.contains(StatVfsMountFlags::NOEXEC));
    let found = || pg::memory().filter(runs).unwrap_or_else(std::env::temp_dir).canonicalize().unwrap();
    FOLDER.get_or_init(found).clone()
}

/// A port of this machine at which nobody listens.
pub fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Says on the terminal that this test, or a part of it, looks at nothing on this machine, and why; libtest can neither skip
/// one while it runs nor show what a passing one prints, so this writes to stderr by itself.
pub fn not_run(why: &str) {
    use std::io::Write;
    let name = std::thread::current().name().unwrap_or("a test").to_owned();
    let _ = writeln!(std::io::stderr(), "\nNOT RUN: {name}: {why}");
}
