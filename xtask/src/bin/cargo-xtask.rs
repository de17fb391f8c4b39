//! Makes `cargo xtask` a command where the program is installed: cargo calls `cargo-xtask xtask WORDS…`, and this
//! replaces itself by the program `xtask` that lies beside it. It uses nothing of the library, so that it builds at
//! once.

use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

#[expect(clippy::disallowed_methods, clippy::print_stderr, reason = "it becomes the program, and has no other voice")]
fn main() -> ExitCode {
    let mut words = std::env::args_os().skip(1).peekable();
    words.next_if(|word| word == "xtask");
    let beside = std::env::current_exe().map(|own| own.with_file_name("xtask"));
    let error = match beside {
        Ok(program) => Command::new(program).args(words).exec(),
        Err(error) => error,
    };
    eprintln!("cargo-xtask: the program xtask that belongs beside it cannot be started: {error}");
    ExitCode::FAILURE
}
