//! The entry point.

use std::process::ExitCode;

fn main() -> ExitCode {
    let mut args = std::env::args_os().skip(1);
    if args.next().is_some_and(|word| word == xtask::sys::server::WATCH_COMMAND) {
        return xtask::sys::server::watch(args);
    }
    ExitCode::SUCCESS
}
