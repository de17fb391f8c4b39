<<<<<<< HEAD
//! The entry point: the command line goes to the library, its answer to the process status. The one hidden first word
//! is how the program watches over its own embedded server.
=======
//! The entry point.
>>>>>>> server

use std::process::ExitCode;

fn main() -> ExitCode {
<<<<<<< HEAD
    let mut words = std::env::args_os().skip(1).peekable();
    if words.next_if(|word| word == xtask::sys::server::WATCH_COMMAND).is_some() {
        return xtask::sys::server::watch(words);
    }
    ExitCode::from(xtask::run(words.collect()).code())
=======
    let mut args = std::env::args_os().skip(1);
    if args.next().is_some_and(|word| word == xtask::sys::server::WATCH_COMMAND) {
        return xtask::sys::server::watch(args);
    }
    ExitCode::SUCCESS
>>>>>>> server
}
