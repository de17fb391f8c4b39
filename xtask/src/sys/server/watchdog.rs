//! The watchdog: a process of its own that starts a server, waits, without using any time, until the last user is gone
//! however it went, and then stops the server and cleans up. It is this program with a hidden first argument, in a
//! process group of its own, so neither Ctrl-C nor the killing of the command reaches it. When it is killed itself, the
//! next command starts another, which takes the running server over.

use std::ffi::OsString;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, ExitCode, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use anyhow::{Context, Result};
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};

use super::lock;
use super::place::Account;
use super::postmaster::{self, Files, PidFile, Worth};
use crate::fail;
use crate::sys::run::Cmd;
use crate::ui::{Options, Ui};

/// The hidden first argument.
pub const WATCH_COMMAND: &str = "__watch-server";

/// How often the server's lock is tried for before another process is believed to hold it: between its fork and its
/// exec a child of any command holds a copy of every open file.
const TRIES: u32 = 20;

/// What a watchdog has to know; travels as its arguments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Watch {
    pub(super) dir: PathBuf,
    pub(super) bin: PathBuf,
    pub(super) account: Account,
    pub(super) worth: Worth,
}

impl Watch {
    /// Starts the watchdog; `held` is `watchdog.lock`, which it inherits, so that there is no moment in between.
    pub(super) fn spawn(&self, ui: &Ui, exe: &Path, held: File) -> Result<Child> {
        let log = postmaster::log_file(&Files { dir: self.dir.clone() }.watchdog_log())?;
        let streams = (Stdio::from(log.try_clone().context("sharing the watchdog's log")?), Stdio::from(log));
        Cmd::new(exe, &self.dir)
            .arg(WATCH_COMMAND)
            .args([&self.dir, &self.bin])
            .args([self.account.uid.to_string(), self.account.gid.to_string()])
            .arg(if self.worth == Worth::Throwaway { "throwaway" } else { "kept" })
            .spawn(ui, Stdio::from(held), streams.0, streams.1)
    }

    fn parse(args: &[OsString]) -> Option<Watch> {
        let [dir, bin, uid, gid, worth] = args else { return None };
        let account = Account { uid: uid.to_str()?.parse().ok()?, gid: gid.to_str()?.parse().ok()? };
        let worth = match worth.to_str()? {
            "throwaway" => Worth::Throwaway,
            "kept" => Worth::Kept,
            _ => return None,
        };
        Some(Watch { dir: dir.into(), bin: bin.into(), account, worth })
    }
}

enum Event {
    /// No command uses the server, and while the file lives none can begin to.
    NoUsers(File),
    /// No process of the server is left.
    Gone,
    /// Somebody asked us to end.
    Terminate,
}

/// The body of the hidden command; `args` are those after [`WATCH_COMMAND`]. What goes wrong is said on stderr, which
/// is the watchdog's log.
pub fn watch(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let ui = Ui::new(Options::default());
    // Its folder may be removed while it runs, and a process in a folder that is gone cannot start another.
    let _ = std::env::set_current_dir("/");
    let args: Vec<OsString> = args.into_iter().collect();
    let Some(watch) = Watch::parse(&args) else {
        ui.warn(format!("`{WATCH_COMMAND}` is for xtask itself"));
        return ExitCode::from(2);
    };
    match guard(&ui, &watch) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            ui.error(&fail::from_anyhow(&error));
            ExitCode::FAILURE
        }
    }
}

fn guard(ui: &Ui, watch: &Watch) -> Result<()> {
    let files = Files { dir: watch.dir.clone() };
    let (sender, events) = channel();
    listen(sender.clone())?;
    let mut server = start_or_take_over(ui, watch, &files)?;
    report(sender.clone(), files.postmaster_lock(), |_| Event::Gone);
    report(sender, files.users_lock(), Event::NoUsers);
    // Kept to the end of this function: nobody begins to use a server that is being put away.
    let _no_users = wait(&events, &files, watch.worth)?;
    if let Some(server) = &mut server {
        server.wait().context("waiting for the server's process")?;
    }
    postmaster::put_away(&files, watch.account, watch.worth)
}

/// Waits for the end of the server, and brings it about when nobody uses it any more.
fn wait(events: &Receiver<Event>, files: &Files, worth: Worth) -> Result<Option<File>> {
    let no_users = loop {
        match events.recv().context("the watchdog's own threads ended")? {
            Event::Gone => return Ok(None),
            // `db-server start` wants it left up; `db-server stop` will end it.
            Event::NoUsers(_) if files.keep().exists() => {}
            Event::NoUsers(held) => break Some(held),
            Event::Terminate => break None,
        }
    };
    let gone = |patience: Duration| {
        let mut left = std::iter::from_fn(|| events.recv_timeout(patience).ok());
        left.any(|event| matches!(event, Event::Gone))
    };
    postmaster::stop(files, worth, gone)?;
    Ok(no_users)
}

/// Our child when we started it; `None` when a former watchdog did and was killed.
fn start_or_take_over(ui: &Ui, watch: &Watch, files: &Files) -> Result<Option<Child>> {
    for _ in 0..TRIES {
        if let Some(held) = lock::try_exclusive(&files.postmaster_lock())? {
            let child = postmaster::start(ui, files, &watch.bin, watch.account, watch.worth, held)?;
            return Ok(Some(child));
        }
        if PidFile::read(files).is_some_and(|pid_file| pid_file.answers().is_some()) {
            break;
        }
        std::thread::sleep(Duration::from_millis(25));
    }
    Ok(None)
}

/// Sends an event as soon as a lock can be had; waits in the kernel.
fn report(sender: Sender<Event>, path: PathBuf, event: impl FnOnce(File) -> Event + Send + 'static) {
    std::thread::spawn(move || {
        // A lock that cannot be waited for leaves the event out; the other events still come.
        if let Ok(held) = lock::block(&path) {
            let _ = sender.send(event(held));
        }
    });
}

/// SIGTERM ends us and the server. What a terminal sends to its processes does not concern us.
fn listen(sender: Sender<Event>) -> Result<()> {
    let mut signals =
        signal_hook::iterator::Signals::new([SIGTERM, SIGINT, SIGHUP, SIGQUIT]).context("listening for signals")?;
    std::thread::spawn(move || {
        if signals.forever().any(|signal| signal == SIGTERM) {
            let _ = sender.send(Event::Terminate);
        }
    });
    Ok(())
}

/// What the watchdog and the server wrote last, for the error of a start that failed.
pub(super) fn last_words(files: &Files) -> String {
    let mut words = Vec::new();
    for log in [files.watchdog_log(), files.log()] {
        let text = fs::read(&log).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        if !text.trim().is_empty() {
            words.push(format!("{}:\n{}", log.display(), crate::sys::run::last_lines(&text)));
        }
    }
    words.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_that_are_not_ours_are_refused() {
        let good = ["/run", "/bin", "101", "104", "kept"];
        assert!(Watch::parse(&good.map(OsString::from)).is_some());
        for bad in [&good[..4], &["/run", "/bin", "x", "104", "kept"], &["/run", "/bin", "101", "104", "maybe"]] {
            let bad: Vec<OsString> = bad.iter().map(OsString::from).collect();
            assert_eq!(Watch::parse(&bad), None);
        }
    }
}
