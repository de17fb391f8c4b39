//! Signals in the middle of things: Ctrl-C, SIGTERM, two at once, `kill -9`. What was changed is said and true, and
//! nothing is left running.

use std::process::Child;

use rustix::process::{Pid, Signal, kill_process};

/// Sends a signal to a running xtask, and to it alone.
pub fn signal(child: &Child, signal: Signal) {
    kill_process(Pid::from_child(child), signal).unwrap();
}
