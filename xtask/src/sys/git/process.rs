//! Runs git, for every question in the same way: quiet, without locale, not interactive, with the answer in bytes
//! (paths and blobs need not be UTF-8). git's exit statuses keep their meaning: 1 is a no, 128 is an error.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::sys::interrupt;
use crate::sys::run::{self, Cmd};
use crate::ui::Ui;

/// How long a question may take; the slowest one walks the whole history of a large repository.
const QUESTION_LIMIT: Duration = Duration::from_secs(120);
/// How long an act may take: it runs the project's hooks.
const ACT_LIMIT: Duration = Duration::from_secs(3600);
/// How often a wait looks whether somebody pressed Ctrl-C.
const LOOK_UP: Duration = Duration::from_millis(50);

/// The variables that tie git to one repository. `git rev-parse --local-env-vars` lists them; those that carry the
/// person's own settings (`git -c`, `GIT_CONFIG_COUNT`) stay, since they say nothing about where the repository is.
pub(super) const LOCAL: &[&str] = &[
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_IMPLICIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_COMMON_DIR",
    "GIT_OBJECT_DIRECTORY",
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_QUARANTINE_PATH",
    "GIT_GRAFT_FILE",
    "GIT_SHALLOW_FILE",
    "GIT_NAMESPACE",
    "GIT_PREFIX",
];

/// git, in a folder, with the variables that tie it to a repository.
#[derive(Clone)]
pub(super) struct Git {
    ui: Ui,
    cwd: PathBuf,
    local: Vec<(OsString, OsString)>,
    memory: Option<Memory>,
}

/// What questions were answered, by the command and its input.
type Memory = Arc<Mutex<HashMap<(String, Vec<u8>), Answer>>>;

impl Git {
    /// git in `cwd`; of [`LOCAL`] it sees what is given here and nothing else.
    pub(super) fn new(ui: &Ui, cwd: &Path, local: Vec<(OsString, OsString)>) -> Git {
        Git { ui: ui.clone(), cwd: cwd.to_owned(), local, memory: None }
    }

    /// The same for a command that changes nothing: what was asked is not asked again.
    pub(super) fn remembering(self) -> Git {
        Git { memory: Some(Memory::default()), ..self }
    }

    /// Where its commands are shown.
    pub(super) fn ui(&self) -> &Ui {
        &self.ui
    }

    /// A question: changes nothing, takes no lock, reads paths as they stand (`*` is a letter).
    pub(super) fn ask<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>) -> Call<'_> {
        let cmd = self.cmd(&["--no-optional-locks", "--literal-pathspecs"]).args(args);
        Call { git: self, cmd, stdin: Vec::new(), limit: QUESTION_LIMIT, memory: self.memory.as_ref() }
    }

    /// An act: may write, take locks and run hooks.
    pub(super) fn act<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>) -> Call<'_> {
        Call { git: self, cmd: self.cmd(&[]).args(args), stdin: Vec::new(), limit: ACT_LIMIT, memory: None }
    }

    fn cmd(&self, options: &[&str]) -> Cmd {
        let mut cmd = Cmd::new("git", &self.cwd).arg("--no-pager").args(options);
        for key in LOCAL {
            cmd = cmd.env_remove(key);
        }
        for (key, value) in &self.local {
            cmd = cmd.env(key, value);
        }
        // `LC_ALL` would win over `LC_MESSAGES`; what it says about characters is kept for the hooks that git runs.
        if let Some(all) = std::env::var_os("LC_ALL") {
            cmd = cmd.env_remove("LC_ALL").secret_env("LC_CTYPE", all);
        }
        // Not secret, but the same in every call: the echo leaves them out.
        cmd.secret_env("LC_MESSAGES", "C").secret_env("GIT_TERMINAL_PROMPT", "0").secret_env("GIT_EDITOR", ":")
    }
}

/// A git command that is being put together.
pub(super) struct Call<'a> {
    git: &'a Git,
    cmd: Cmd,
    stdin: Vec<u8>,
    limit: Duration,
    memory: Option<&'a Memory>,
}

impl Call<'_> {
    pub(super) fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.cmd = self.cmd.arg(arg);
        self
    }

    pub(super) fn args<A: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = A>) -> Self {
        self.cmd = self.cmd.args(args);
        self
    }

    /// A variable for git and the hooks that it runs.
    pub(super) fn env(mut self, key: &str, value: &str) -> Self {
        self.cmd = self.cmd.env(key, value);
        self
    }

    /// `-- PATHS…`; nothing for no paths.
    pub(super) fn paths<P: AsRef<Path>>(mut self, paths: &[P]) -> Self {
        if !paths.is_empty() {
            self.cmd = self.cmd.arg("--").args(paths.iter().map(|path| path.as_ref().as_os_str()));
        }
        self
    }

    pub(super) fn stdin(mut self, bytes: Vec<u8>) -> Self {
        self.stdin = bytes;
        self
    }

    /// Runs it to its end.
    pub(super) fn run(self) -> Result<Answer> {
        let Some(memory) = self.memory else { return self.run_now() };
        let key = (self.cmd.line(), self.stdin.clone());
        let known = || memory.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(answer) = known().get(&key) {
            return Ok(answer.clone());
        }
        let answer = self.run_now()?;
        known().insert(key, answer.clone());
        Ok(answer)
    }

    fn run_now(self) -> Result<Answer> {
        let ui = &self.git.ui;
        let mut child = self.cmd.spawn(ui, Stdio::piped(), Stdio::piped(), Stdio::piped())?;
        let input = child.stdin.take();
        // Written from a thread: git answers the first of a thousand questions before it has read the last one.
        let feeder = std::thread::spawn(move || {
            if let Some(mut pipe) = input {
                let _ = pipe.write_all(&self.stdin);
            }
        });
        let (stdout, stderr) = (reader(child.stdout.take()), reader(child.stderr.take()));
        let until = Instant::now() + self.limit;
        let streams = wait_for(&stdout, until).and_then(|out| Ok((out, wait_for(&stderr, until)?)));
        let (stdout, stderr) = match streams {
            Ok(streams) => streams,
            Err(error) => {
                run::kill_group(&mut child);
                return Err(error.context(format!("`{}` was stopped", self.cmd.line())));
            }
        };
        let status = child.wait().context("waiting for git")?;
        let _ = feeder.join();
        let stderr = String::from_utf8_lossy(&stderr).into_owned();
        if !stderr.trim().is_empty() {
            ui.verbose(stderr.trim_end());
        }
        Ok(Answer { line: self.cmd.line(), code: status.code(), stdout, stderr })
    }
}

/// Waits for the end of a stream and not for the process: git closes its streams when it ends, and a sleeping wait would
/// cost more than most questions do.
fn wait_for(stream: &Receiver<std::io::Result<Vec<u8>>>, until: Instant) -> Result<Vec<u8>> {
    loop {
        match stream.recv_timeout(LOOK_UP) {
            Ok(bytes) => return bytes.context("reading what git says"),
            Err(RecvTimeoutError::Disconnected) => return Ok(Vec::new()),
            Err(RecvTimeoutError::Timeout) => interrupt::check()?,
        }
        anyhow::ensure!(Instant::now() < until, "git did not end in its time");
    }
}

fn reader(stream: Option<impl Read + Send + 'static>) -> Receiver<std::io::Result<Vec<u8>>> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let read = stream.map_or(Ok(0), |mut stream| stream.read_to_end(&mut bytes));
        // The receiver is gone when the wait was given up; then nobody wants the bytes.
        let _ = sender.send(read.map(|_| bytes));
    });
    receiver
}

/// How git ended and what it said.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    line: String,
    code: Option<i32>,
    pub(super) stdout: Vec<u8>,
    pub(super) stderr: String,
}

impl Answer {
    /// The exit status; `None` when a signal ended it.
    pub(super) fn code(&self) -> Option<i32> {
        self.code
    }

    /// stdout, if git is content.
    pub(super) fn ok(self) -> Result<Vec<u8>> {
        match self.code {
            Some(0) => Ok(self.stdout),
            _ => Err(self.error().into()),
        }
    }

    /// The answer to a yes/no question: 0 says yes, 1 says no, all else is an error and no answer.
    pub(super) fn yes(&self) -> Result<bool> {
        match self.code {
            Some(0) => Ok(true),
            Some(1) => Ok(false),
            _ => Err(self.error().into()),
        }
    }

    /// What to say when this was not to be expected.
    pub(super) fn error(&self) -> GitError {
        let said =
            if self.stderr.trim().is_empty() { String::from_utf8_lossy(&self.stdout) } else { (&*self.stderr).into() };
        GitError { command: self.line.clone(), code: self.code, said: run::last_lines(&said) }
    }
}

/// git ended in a way that is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GitError {
    /// The command, as it can be pasted.
    pub command: String,
    /// The exit status: 1 is usually a refusal, 128 a breakdown; `None` when a signal ended it.
    pub code: Option<i32>,
    /// git's own words, the last lines of them.
    pub said: String,
}

impl fmt::Display for GitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.code {
            Some(code) => write!(f, "`{}` ended with exit status {code}", self.command)?,
            None => write!(f, "`{}` was ended by a signal", self.command)?,
        }
        if self.said.is_empty() { Ok(()) } else { write!(f, "\n{}", self.said) }
    }
}

impl std::error::Error for GitError {}
