//! The entry point: gives the command line to the library, and makes its answer the process status. One hidden first
//! word starts the watchdog of the embedded server.

use std::process::ExitCode;

fn main() -> ExitCode {
    let mut words = std::env::args_os().skip(1).peekable();
    if words.next_if(|word| word == xtask::sys::server::WATCH_COMMAND).is_some() {
        return xtask::sys::server::watch(words);
    }
    ExitCode::from(xtask::run(words.collect()).code())
}
