//! The only place that starts a process. Every command is xshell's: its program, arguments, folder and environment are put
//! together by [`Shell`] and `cmd!`. xshell 0.2 runs it too where nothing more is needed (`cargo xtask ci`). What a workflow
//! needs more than that is added here: a time limit, Ctrl-C, a process group of its own, the last lines of stderr in an
//! error, a terminal to read from, another user, and a line of `--verbose` that can be pasted (xshell's cannot).
//!
//! Secrets never go into arguments: pass them with [`Cmd::secret_env`], which the echo leaves out.

use std::ffi::{OsStr, OsString};
use std::fs::OpenOptions;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use xshell::{Shell, cmd};

use crate::fail::{Fail, Kind};
use crate::model::action::own;
pub use crate::model::action::quoted;
use crate::sys::interrupt;
use crate::ui::Ui;

/// How many of a child's last stderr lines an error shows.
const LAST_LINES: usize = 20;
/// How long a command may take unless told otherwise.
const DEFAULT_LIMIT: Duration = Duration::from_secs(600);

/// Runs its arguments but the first, which is what they read, and ends them and the whole process group as soon as its stdin ends. Its stdin is a pipe that
/// this process holds open, and that the system closes when this process is gone. There is no portable signal for that
/// without unsafe code.
const GUARD: &str = "exec 3<&0; from=$1; shift; \"$@\" 3<&- <\"$from\" & child=$!; \
    (read -r end <&3; trap '' TERM; kill -KILL \"$child\"; exit 7) >/dev/null 2>&1 & watch=$!; \
    wait \"$child\"; status=$?; { kill \"$watch\"; wait \"$watch\"; } 2>/dev/null; \
    [ $? = 7 ] && kill -KILL 0; exit \"$status\"";

/// A command to be run: program, arguments, folder, environment.
#[derive(Clone, Debug)]
pub struct Cmd {
    program: PathBuf,
    args: Vec<OsString>,
    cwd: PathBuf,
    env: Vec<(OsString, OsString)>,
    secret_env: Vec<(OsString, OsString)>,
    env_remove: Vec<OsString>,
    stdin: Vec<u8>,
    limit: Duration,
    user: Option<(u32, u32)>,
    with_us: bool,
    reads: Option<PathBuf>,
    writes: Option<PathBuf>,
}

/// How a command ended and what it said.
#[derive(Debug)]
pub struct Done {
    pub status: ExitStatus,
    /// All of stdout, undecodable bytes replaced.
    pub stdout: String,
    /// All of stderr, undecodable bytes replaced.
    pub stderr: String,
}

impl Done {
    /// The last lines of stderr, for a person.
    pub fn last_lines(&self) -> String {
        last_lines(&self.stderr)
    }
}

/// The last lines of a text, for a person.
pub fn last_lines(text: &str) -> String {
    let lines: Vec<&str> = text.trim_end().lines().collect();
    lines[lines.len().saturating_sub(LAST_LINES)..].join("\n")
}

impl Cmd {
    /// A command in the folder `cwd`; the folder is never the accident of where the tool was started.
    pub fn new(program: impl AsRef<Path>, cwd: impl AsRef<Path>) -> Cmd {
        Cmd {
            program: program.as_ref().to_owned(),
            args: Vec::new(),
            cwd: cwd.as_ref().to_owned(),
            env: Vec::new(),
            secret_env: Vec::new(),
            env_remove: Vec::new(),
            stdin: Vec::new(),
            limit: DEFAULT_LIMIT,
            user: None,
            with_us: false,
            reads: None,
            writes: None,
        }
    }

    /// Adds an argument.
    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Cmd {
        self.args.push(arg.as_ref().to_owned());
        self
    }

    /// Adds arguments.
    pub fn args<A: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = A>) -> Cmd {
        self.args.extend(args.into_iter().map(|arg| arg.as_ref().to_owned()));
        self
    }

    /// Sets an environment variable; the echo shows it.
    pub fn env(mut self, key: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Cmd {
        self.env.push((key.as_ref().to_owned(), value.as_ref().to_owned()));
        self
    }

    /// Sets an environment variable that nobody may see.
    pub fn secret_env(mut self, key: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Cmd {
        self.secret_env.push((key.as_ref().to_owned(), value.as_ref().to_owned()));
        self
    }

    /// Removes an environment variable.
    pub fn env_remove(mut self, key: impl AsRef<OsStr>) -> Cmd {
        self.env_remove.push(key.as_ref().to_owned());
        self
    }

    /// What the command reads; without it, nothing.
    pub fn stdin(mut self, bytes: impl Into<Vec<u8>>) -> Cmd {
        self.stdin = bytes.into();
        self
    }

    /// How long it may take; ten minutes unless told otherwise.
    pub fn limit(mut self, limit: Duration) -> Cmd {
        self.limit = limit;
        self
    }

    /// Runs it as another user (uid, gid); needs root.
    pub fn user(mut self, user: Option<(u32, u32)>) -> Cmd {
        self.user = user;
        self
    }

    /// Ends it with this process, however that ends (`kill -9` too). [`Cmd::stdin`] has no use then, [`Cmd::reads`] has.
    pub fn ends_with_us(mut self) -> Cmd {
        self.with_us = true;
        self
    }

    /// Its stdin is this file. A program that runs elsewhere (a wrapper round `docker exec`) cannot open one of ours by name.
    /// It has to end with us.
    pub fn reads(mut self, file: &Path) -> Cmd {
        self.reads = Some(file.to_owned());
        self
    }

    /// Its stdout goes to this file, which is there.
    pub fn writes(mut self, file: &Path) -> Cmd {
        self.writes = Some(file.to_owned());
        self
    }

    /// The command as one line that can be pasted into a shell, secrets left out.
    pub fn line(&self) -> String {
        let mut text = String::new();
        for (key, value) in &self.env {
            text.push_str(&format!("{}={} ", key.to_string_lossy(), quoted(&value.to_string_lossy())));
        }
        text.push_str(&quoted(&self.program.to_string_lossy()));
        for arg in &self.args {
            text.push(' ');
            text.push_str(&quoted(&arg.to_string_lossy()));
        }
        for (sign, file) in [(" <", &self.reads), (" >", &self.writes)] {
            if let Some(file) = file {
                text.push_str(&format!("{sign} {}", quoted(&file.to_string_lossy())));
            }
        }
        text
    }

    /// Runs it to its end and takes what it says; a bad exit status is the caller's to judge.
    ///
    /// # Errors
    /// `tool-missing` when the program cannot be started, `interrupted` on Ctrl-C, and an error on the time limit.
    pub fn capture(&self, ui: &Ui) -> Result<Done> {
        let stdout =
            self.writes.as_ref().map(|path| OpenOptions::new().write(true).truncate(true).open(path)).transpose();
        let stdout = stdout.with_context(|| format!("opening what `{}` writes", self.line()))?;
        let mut child =
            self.spawn(ui, Stdio::piped(), stdout.map_or_else(Stdio::piped, Stdio::from), Stdio::piped())?;
        let mut stdin = child.stdin.take();
        // Open as long as we live: its end is what tells the guard that we are gone.
        let _lifeline = if self.with_us { stdin.take() } else { None };
        let input = self.stdin.clone();
        // Fed from a thread: a child that answers before it has read everything would otherwise block us both.
        let feeder = std::thread::spawn(move || {
            if let Some(mut stdin) = stdin {
                let _ = stdin.write_all(&input);
            }
        });
        let stdout = reader(child.stdout.take());
        let stderr = reader(child.stderr.take());
        let status = self.wait(&mut child);
        let _ = feeder.join();
        let done = Done {
            status: status?,
            stdout: stdout.join().unwrap_or_default(),
            stderr: stderr.join().unwrap_or_default(),
        };
        if !done.stderr.trim().is_empty() {
            ui.verbose(done.stderr.trim_end());
        }
        Ok(done)
    }

    /// Runs it and hands its stdout to `take` as it comes; what `take` refuses ends it. The text of [`Done::stdout`] stays
    /// empty.
    ///
    /// # Errors
    /// What `take` says, else as [`Cmd::capture`].
    pub fn stream<T>(&self, ui: &Ui, take: impl FnOnce(&mut dyn BufRead) -> Result<T>) -> Result<(Done, T)> {
        let mut child = self.spawn(ui, Stdio::piped(), Stdio::piped(), Stdio::piped())?;
        let _lifeline = child.stdin.take();
        let stderr = reader(child.stderr.take());
        let mut stdout = BufReader::with_capacity(1 << 16, child.stdout.take().context("a child without stdout")?);
        let taken = take(&mut stdout);
        drop(stdout);
        if taken.is_err() {
            kill_group(&mut child);
        }
        let status = self.wait(&mut child)?;
        let done = Done { status, stdout: String::new(), stderr: stderr.join().unwrap_or_default() };
        Ok((done, taken?))
    }

    /// Runs it and gives its stdout, or an error with the command and the last lines of its stderr.
    pub fn read(&self, ui: &Ui) -> Result<String> {
        let done = self.capture(ui)?;
        if done.status.success() {
            return Ok(done.stdout);
        }
        anyhow::bail!("`{}` ended with {}\n{}", self.line(), done.status, done.last_lines())
    }

    /// Runs it on the person's own terminal (an editor, psql) and gives its status.
    pub fn interactive(&self, ui: &Ui) -> Result<ExitStatus> {
        ui.verbose(format!("$ {}", self.line()));
        let mut command = self.command()?;
        command.stdin(Stdio::inherit()).stdout(Stdio::inherit()).stderr(Stdio::inherit());
        let mut child = command.spawn().map_err(|error| self.cannot_start(&error))?;
        Ok(child.wait()?)
    }

    /// Becomes it: its signals, its terminal and its exit code are ours from then on. Comes back only where it cannot be
    /// started.
    pub fn replace(&self, ui: &Ui) -> anyhow::Error {
        ui.verbose(format!("$ {}", self.line()));
        match self.command() {
            Ok(mut command) => self.cannot_start(&command.exec()),
            Err(error) => error,
        }
    }

    /// Runs it to its end with its stdout on our stderr, and gives the exit code as a shell does. What asks us to stop is
    /// passed on.
    pub fn aside(&self, ui: &Ui) -> Result<u8> {
        let mut child = self.spawn(ui, Stdio::null(), Stdio::from(std::io::stderr()), Stdio::inherit())?;
        let mut is_told = false;
        loop {
            if let Some(status) = child.try_wait().context("waiting for a child process")? {
                let by_signal = status.signal().map(|signal| 128 + signal);
                return Ok(status.code().or(by_signal).and_then(|code| u8::try_from(code).ok()).unwrap_or(1));
            }
            if interrupt::requested() && !is_told {
                signal_group(&child, rustix::process::Signal::TERM);
                is_told = true;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Starts it with the given streams, in a process group of its own so that Ctrl-C reaches us first.
    pub fn spawn(&self, ui: &Ui, stdin: Stdio, stdout: Stdio, stderr: Stdio) -> Result<Child> {
        ui.verbose(format!("$ {}", self.line()));
        let mut command = self.command()?;
        command.stdin(stdin).stdout(stdout).stderr(stderr).process_group(0);
        command.spawn().map_err(|error| self.cannot_start(&error))
    }

    fn command(&self) -> Result<Command> {
        let (shell, (program, args)) = (shell(&self.cwd)?, self.words());
        let mut cmd = cmd!(shell, "{program} {args...}");
        for key in &self.env_remove {
            cmd = cmd.env_remove(key);
        }
        let variables = self.env.iter().chain(&self.secret_env).map(|(key, value)| (key, value));
        let mut command = Command::from(cmd.envs(variables));
        if let Some((uid, gid)) = self.user {
            command.uid(uid).gid(gid);
        }
        Ok(command)
    }

    /// What is really started: the program, or the shell that guards it.
    fn words(&self) -> (PathBuf, Vec<OsString>) {
        if !self.with_us {
            return (self.program.clone(), self.args.clone());
        }
        let mut args: Vec<OsString> = ["-c", GUARD, "guard"].map(OsString::from).to_vec();
        args.push(self.reads.clone().unwrap_or_else(|| PathBuf::from("/dev/null")).into());
        args.push(self.program.clone().into());
        args.extend(self.args.iter().cloned());
        (PathBuf::from("/bin/sh"), args)
    }

    fn wait(&self, child: &mut Child) -> Result<ExitStatus> {
        let started = Instant::now();
        let mut pause = Duration::from_millis(1);
        loop {
            if let Some(status) = child.try_wait().context("waiting for a child process")? {
                return Ok(status);
            }
            let over = started.elapsed() > self.limit;
            if over || interrupt::requested() {
                kill_group(child);
                interrupt::check()?;
                anyhow::bail!("`{}` did not end within {} s", self.line(), self.limit.as_secs());
            }
            std::thread::sleep(pause);
            pause = (pause * 2).min(Duration::from_millis(20));
        }
    }

    fn cannot_start(&self, error: &std::io::Error) -> anyhow::Error {
        if !self.cwd.is_dir() {
            return anyhow::anyhow!("cannot start `{}`: no folder {}", self.line(), self.cwd.display());
        }
        Fail::new(Kind::ToolMissing, format!("Cannot start {}", self.program.display()))
            .details(format!("`{}`: {error}", self.line()))
            .action(format!("Install {} or correct PATH", self.program.display()))
            .related(own("doctor"))
            .into()
    }
}

/// xshell's shell, in a folder.
pub fn shell(folder: &Path) -> Result<Shell> {
    let shell = Shell::new().context("the working directory is gone")?;
    shell.change_dir(folder);
    Ok(shell)
}

/// Ends a child and everything in its process group, and waits for the child itself.
pub fn kill_group(child: &mut Child) {
    signal_group(child, rustix::process::Signal::KILL);
    let _ = child.kill();
    let _ = child.wait();
}

fn signal_group(child: &Child, signal: rustix::process::Signal) {
    if let Some(group) = i32::try_from(child.id()).ok().and_then(rustix::process::Pid::from_raw) {
        let _ = rustix::process::kill_process_group(group, signal);
    }
}

fn reader(stream: Option<impl Read + Send + 'static>) -> std::thread::JoinHandle<String> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut stream) = stream {
            let _ = stream.read_to_end(&mut bytes);
        }
        String::from_utf8_lossy(&bytes).into_owned()
    })
}
