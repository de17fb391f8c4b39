//! Where it was measured, in the words that stand above the table.

use xtask::sys::run::Cmd;

use crate::support::pg::cluster;
use crate::support::python::{python, quiet, workspace};

/// Prints what Python and its packages are.
const PYTHON: &str = "
import platform, alembic, sqlalchemy
print(f'CPython {platform.python_version()}, alembic {alembic.__version__}, SQLAlchemy {sqlalchemy.__version__}')
";

/// The paragraph; `before` is the load before the first measurement.
pub fn words(before: &str) -> String {
    let said = |cmd: Cmd| cmd.read(&quiet()).unwrap().trim().to_owned();
    let run = |program: &str, word: &str| said(Cmd::new(program, workspace()).arg(word));
    let rust = run("rustc", "--version");
    let rust = rust.split(' ').nth(1).unwrap_or("of an unknown version").to_owned();
    let python = said(Cmd::new(python(), workspace()).args(["-c", PYTHON]));
    let server: String = cluster().client("postgres").query_one("show server_version", &[]).unwrap().get(0);
    let server = server.split(' ').next().unwrap_or_default();
    format!(
        "{} UTC, {} {}, {} cores, load average {before} before and {} after; Rust {rust};\n\
         {python} (Backend.AI: its own CPython 3.13);\n\
         PostgreSQL {server} on a Unix socket. `xtask` in the bench profile (which is release); where it says\n\
         \"as users get it\", it is the binary that `cargo xtask` builds.",
        said(Cmd::new("date", workspace()).args(["-u", "+%Y-%m-%d %H:%M"])),
        run("uname", "-s"),
        run("uname", "-m"),
        cores(),
        load(),
    )
}

/// What the machine has to do beside us, where that can be known.
pub fn load() -> String {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().filter(|word| !word.is_empty()).unwrap_or("unknown").to_owned()
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}
