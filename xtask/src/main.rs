//! The entry point: the command line goes to the library, its answer to the process status. The one hidden first word
//! is how the program watches over its own embedded server.

use std::process::ExitCode;

fn main() -> ExitCode {
    let mut words = std::env::args_os().skip(1).peekable();
    if words.next_if(|word| word == xtask::sys::server::WATCH_COMMAND).is_some() {
        return xtask::sys::server::watch(words);
    }
    ExitCode::from(xtask::run(words.collect()).code())
}
