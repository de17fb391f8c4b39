//! A child of a warm process that works for this command: asked for through the parent's socket, and watched through
//! the same connection. When the connection ends, however this process ended, the parent ends the child.

use std::io::{IoSlice, Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{ChildStderr, ChildStdin, ChildStdout, ExitStatus};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
use rustix::process::{Pid, Signal, kill_process_group, test_kill_process};
use serde_json::Value;

use super::{Wish, is_ours};
use crate::ui::Ui;

/// How long the parent may take to give us a child, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long a child that was killed may take to be gone.
const KILLED: Duration = Duration::from_secs(3);

/// The sockets by which we have had a child, the parent's process, and until when it lives.
static USED: Mutex<Vec<(PathBuf, i64, Instant)>> = Mutex::new(Vec::new());

/// The child.
pub struct Forked {
    connection: UnixStream,
    pid: Pid,
    said: Vec<u8>,
    status: Option<ExitStatus>,
}

/// Our ends of its streams.
pub struct Streams {
    pub stdin: ChildStdin,
    pub stdout: ChildStdout,
    pub stderr: ChildStderr,
}

/// A child for this wish, which is given this launch; `None` where there is no warm process for it, or none that is as a
/// fresh one would be.
pub fn fork(ui: &Ui, wish: &Wish, launch: &Value) -> Option<(Forked, Streams)> {
    let mut request = wish.request.clone();
    request["launch"] = launch.clone();
    let in_project = wish.project.as_deref().and_then(|socket| fork_at(ui, socket, &request));
    in_project.or_else(|| {
        request["launch"]["warm"] = wish.to_leave();
        fork_at(ui, &wish.packages, &request)
    })
}

fn fork_at(ui: &Ui, socket: &Path, request: &Value) -> Option<(Forked, Streams)> {
    let mut connection = UnixStream::connect(socket).ok().filter(is_ours)?;
    connection.set_read_timeout(Some(PATIENCE)).ok()?;
    connection.set_write_timeout(Some(PATIENCE)).ok()?;
    let (their_stdin, stdin) = std::io::pipe().ok()?;
    let (stdout, their_stdout) = std::io::pipe().ok()?;
    let (stderr, their_stderr) = std::io::pipe().ok()?;
    let theirs = [their_stdin.as_fd(), their_stdout.as_fd(), their_stderr.as_fd()];
    send(&mut connection, &format!("{request}\n"), &theirs)?;
    let answer = line(&mut connection)?;
    if let Some(why) = answer["no"].as_str() {
        ui.verbose(format!("# not the warm Python: {why}"));
    }
    let pid = Pid::from_raw(i32::try_from(answer["pid"].as_i64()?).ok()?)?;
    let of =
        if socket.extension().is_some_and(|kind| kind == "project") { "with this project" } else { "with Alembic" };
    ui.verbose(format!("# Python: process {}, forked from the warm one {of}", pid.as_raw_nonzero()));
    connection.set_nonblocking(true).ok()?;
    let left = Duration::from_secs_f64(answer["left"].as_f64().unwrap_or_default().max(0.0));
    USED.lock().unwrap_or_else(PoisonError::into_inner).push((
        socket.to_owned(),
        answer["parent"].as_i64().unwrap_or_default(),
        Instant::now() + left,
    ));
    let streams = Streams {
        stdin: OwnedFd::from(stdin).into(),
        stdout: OwnedFd::from(stdout).into(),
        stderr: OwnedFd::from(stderr).into(),
    };
    Some((Forked { connection, pid, said: Vec::new(), status: None }, streams))
}

/// The sockets by which this run has had a child, the parent's process, and until when it lives.
pub(super) fn used() -> Vec<(PathBuf, i64, Instant)> {
    USED.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

/// Sends a text, and with its first byte the files.
fn send(connection: &mut UnixStream, text: &str, files: &[std::os::fd::BorrowedFd<'_>]) -> Option<()> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(3))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    control.push(SendAncillaryMessage::ScmRights(files)).then_some(())?;
    let sent = sendmsg(&*connection, &[IoSlice::new(text.as_bytes())], &mut control, SendFlags::NOSIGNAL).ok()?;
    connection.write_all(&text.as_bytes()[sent..]).ok()
}

/// The one line of an answer, and not a byte more.
pub(super) fn line(connection: &mut UnixStream) -> Option<Value> {
    let (mut said, mut byte) = (Vec::new(), [0]);
    while !said.ends_with(b"\n") {
        connection.read_exact(&mut byte).ok()?;
        said.push(byte[0]);
    }
    serde_json::from_slice(&said).ok()
}

impl Forked {
    /// How it has ended; `None` as long as it has not.
    pub fn try_wait(&mut self) -> Option<ExitStatus> {
        let mut more = [0; 256];
        while self.status.is_none() {
            match self.connection.read(&mut more) {
                // The parent is gone, and nobody can tell us how its child has ended.
                Ok(0) if test_kill_process(self.pid).is_err() => self.status = Some(ExitStatus::from_raw(9)),
                Ok(0) | Err(_) => return None,
                Ok(count) => self.said.extend_from_slice(&more[..count]),
            }
            if self.said.ends_with(b"\n") {
                let said: Value = serde_json::from_slice(&self.said).unwrap_or_default();
                let raw = said["status"].as_i64().and_then(|raw| i32::try_from(raw).ok());
                self.status = Some(ExitStatus::from_raw(raw.unwrap_or(9)));
            }
        }
        self.status
    }

    /// How it ends; waits for it.
    pub fn wait(&mut self) -> ExitStatus {
        loop {
            if let Some(status) = self.try_wait() {
                return status;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Ends it and everything that it has started.
    pub fn kill(&mut self) {
        let until = Instant::now() + KILLED;
        while self.try_wait().is_none() && Instant::now() < until {
            // Its own session, and so its own group, from the moment that it has answered.
            let _ = kill_process_group(self.pid, Signal::KILL);
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}
