//! The driver's process: two threads read its events and the output of the scripts, while the caller waits and looks at
//! the clock and for Ctrl-C.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde_json::Value;

use super::isolation::without_network;
use super::launch::{Database, Launch};
use super::mask::Mask;
use super::protocol::Event;
use super::trouble::{Trouble, TroubleKind};
use crate::fail::{self, Kind};
use crate::model::action::{Action, own};
use crate::sys::interrupt;
use crate::sys::run::{Cmd, kill_group};
use crate::sys::warm::{self, Forked, Streams, Warmth, Wish};
use crate::ui::Ui;

/// How often a wait looks at the clock, at Ctrl-C and at the process.
const GLANCE: Duration = Duration::from_millis(50);
/// How long the last events of a process that has gone may take to reach us, on a busy machine.
const LAST_WORDS: Duration = Duration::from_secs(1);
/// How many lines of what scripts print are kept.
const KEPT_LINES: usize = 20;
/// How much of one printed line is kept; a script may print a megabyte without a line end.
const KEPT_BYTES: u64 = 8 * 1024;

/// One that we have started, or one that was forked from a warm one for us.
enum Python {
    Started(Child),
    Forked(Forked),
}

/// The process and the pipes to it.
pub struct Process {
    python: Python,
    stdin: Option<ChildStdin>,
    lines: Receiver<Value>,
    printed: Arc<Mutex<VecDeque<String>>>,
    mask: Arc<Mutex<Mask>>,
    migrating: bool,
}

impl Process {
    /// Starts Python on the driver in `folder`, or has a warm one forked.
    pub fn spawn(ui: &Ui, launch: &Launch, folder: &Path) -> Result<Process> {
        let wish = wish(ui, launch, folder);
        let mut first = launch.to_json();
        let (python, streams, first) = match wish.as_ref().and_then(|wish| warm::fork(ui, wish, &first)) {
            Some((forked, streams)) => (Python::Forked(forked), streams, None),
            None => {
                first["warm"] = wish.map(|wish| wish.to_leave()).into();
                let (child, streams) = start(ui, launch, folder)?;
                (Python::Started(child), streams, Some(first))
            }
        };
        let Streams { stdin, stdout, stderr } = streams;
        let mask = Arc::new(Mutex::new(Mask::default()));
        let printed = Arc::new(Mutex::new(VecDeque::new()));
        let (sender, lines) = channel();
        std::thread::spawn(move || read_events(stdout, &sender));
        let (kept, masked, ui) = (Arc::clone(&printed), Arc::clone(&mask), ui.clone());
        std::thread::spawn(move || read_printed(stderr, &kept, &masked, &ui));
        let mut process = Process { python, stdin: Some(stdin), lines, printed, mask, migrating: false };
        process.hide(&launch.database);
        if let Some(first) = first {
            process.send(&first);
        }
        Ok(process)
    }

    /// From now on the password of this database is masked.
    pub fn hide(&mut self, database: &Database) {
        if let Some(url) = &database.url {
            self.mask.lock().unwrap_or_else(PoisonError::into_inner).learn(url.expose());
        }
    }

    /// Sends a command. That the process is gone shows when its answer is waited for.
    pub fn send(&mut self, command: &Value) {
        // `look` and `go` are about the steps under way.
        let is_part = command["do"] == "look" || command["do"] == "go";
        self.migrating = command["do"] == "migrate" || (self.migrating && is_part);
        if let Some(stdin) = &mut self.stdin {
            let _ = writeln!(stdin, "{command}").and_then(|()| stdin.flush());
        }
    }

    /// Whether the process has not ended.
    pub fn is_alive(&mut self) -> bool {
        matches!(self.python.try_wait(), Ok(None))
    }

    /// Whether the last command was one of several steps.
    pub fn is_migrating(&self) -> bool {
        self.migrating
    }

    /// The next event. `Ok(Err(…))` is the process's trouble: it took until `until`, or it has ended.
    ///
    /// # Errors
    /// `interrupted`; the process is killed then.
    pub fn next_event(&mut self, until: Option<Instant>) -> Result<Result<Event, Trouble>> {
        loop {
            let left = until.map_or(GLANCE, |until| until.saturating_duration_since(Instant::now()).min(GLANCE));
            match self.lines.recv_timeout(left) {
                Ok(value) => {
                    if let Some(event) = Event::parse(&self.masked(value)) {
                        return Ok(Ok(event));
                    }
                }
                Err(RecvTimeoutError::Disconnected) => return Ok(Err(self.ended())),
                Err(RecvTimeoutError::Timeout) => {
                    if interrupt::requested() {
                        self.kill();
                        interrupt::check()?;
                    }
                    if self.python.try_wait().context("waiting for the driver")?.is_some() {
                        let last = self.last_event();
                        return Ok(last.ok_or_else(|| self.ended()));
                    }
                    if until.is_some_and(|until| Instant::now() >= until) {
                        return Ok(Err(Trouble::new(TroubleKind::Timeout)));
                    }
                }
            }
        }
    }

    /// After the process has gone: what it said last may still be on its way through the reading thread. A child that a
    /// script has forked may hold the pipe open, so the end of the pipe is not waited for.
    fn last_event(&mut self) -> Option<Event> {
        while let Ok(value) = self.lines.recv_timeout(LAST_WORDS) {
            if let Some(event) = Event::parse(&self.masked(value)) {
                return Some(event);
            }
        }
        None
    }

    /// The last lines that scripts printed.
    pub fn last_lines(&self) -> String {
        let lines = self.printed.lock().unwrap_or_else(PoisonError::into_inner);
        lines.iter().map(String::as_str).collect::<Vec<_>>().join("\n")
    }

    /// Waits for the process to end by itself, then kills it and whatever it has left behind. Whether it ended by itself.
    pub fn end(&mut self, limit: Duration) -> bool {
        let until = Instant::now() + limit;
        let mut ended = false;
        while !ended && Instant::now() < until {
            ended = !self.is_alive();
            std::thread::sleep(Duration::from_millis(1));
        }
        self.kill();
        ended
    }

    /// Kills the process and everything that it has started.
    fn kill(&mut self) {
        self.stdin = None;
        self.python.kill();
    }

    /// The process has gone without an answer.
    fn ended(&mut self) -> Trouble {
        let status = self.python.wait();
        let mut trouble = Trouble::new(TroubleKind::Ended);
        trouble.message = match status {
            Ok(status) => format!("the Python process ended with {status}"),
            Err(error) => format!("the Python process is lost: {error}"),
        };
        trouble.printed = self.last_words();
        trouble
    }

    /// What a process that has ended printed last, which is on its way through the other thread.
    pub fn last_words(&self) -> String {
        std::thread::sleep(GLANCE);
        self.last_lines()
    }

    fn masked(&self, mut value: Value) -> Value {
        let mask = self.mask.lock().unwrap_or_else(PoisonError::into_inner);
        if value["event"] == "error" {
            mask_texts(&mask, &mut value);
        }
        // What a script sends may hold the password: CREATE USER MAPPING, dblink.
        if value["event"] == "done" {
            mask_texts(&mask, &mut value["statements"]);
        }
        value
    }
}

impl Python {
    fn try_wait(&mut self) -> std::io::Result<Option<ExitStatus>> {
        match self {
            Python::Started(child) => child.try_wait(),
            Python::Forked(forked) => Ok(forked.try_wait()),
        }
    }

    fn wait(&mut self) -> std::io::Result<ExitStatus> {
        match self {
            Python::Started(child) => child.wait(),
            Python::Forked(forked) => Ok(forked.wait()),
        }
    }

    /// With everything that it has started.
    fn kill(&mut self) {
        match self {
            Python::Started(child) => kill_group(child),
            Python::Forked(forked) => forked.kill(),
        }
    }
}

/// The warm Python that would do; `None` where it is to be a fresh one.
fn wish(ui: &Ui, launch: &Launch, folder: &Path) -> Option<Wish> {
    let project = match launch.warmth {
        Warmth::Cold => return None,
        Warmth::Packages => None,
        Warmth::Project => Some(launch.imports()),
    };
    let start = warm::Start {
        python: &launch.python,
        driver: folder,
        folder: &launch.project,
        env: &launch.env,
        network: launch.network,
        drivername: launch.database.drivername(),
        project,
        state_dir: &launch.state_dir,
    };
    Wish::new(ui, &start)
}

/// Starts a fresh Python on the driver in `folder`.
fn start(ui: &Ui, launch: &Launch, folder: &Path) -> Result<(Child, Streams)> {
    let isolated = if launch.network { None } else { without_network(ui) };
    let mut cmd = match isolated {
        Some((program, words)) => Cmd::new(program, &launch.project).args(*words).arg("--").arg(&launch.python),
        None => Cmd::new(&launch.python, &launch.project),
    }
    .arg(folder);
    for (key, value) in &launch.env {
        cmd = cmd.env(key, value);
    }
    let mut child =
        cmd.spawn(ui, Stdio::piped(), Stdio::piped(), Stdio::piped()).map_err(|error| no_python(error, launch))?;
    let stdin = child.stdin.take().context("the driver has no stdin")?;
    let stdout = child.stdout.take().context("the driver has no stdout")?;
    let stderr = child.stderr.take().context("the driver has no stderr")?;
    Ok((child, Streams { stdin, stdout, stderr }))
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

fn mask_texts(mask: &Mask, value: &mut Value) {
    match value {
        Value::String(text) => *text = mask.apply(text),
        Value::Array(list) => list.iter_mut().for_each(|value| mask_texts(mask, value)),
        Value::Object(fields) => fields.values_mut().for_each(|value| mask_texts(mask, value)),
        _ => {}
    }
}

fn read_events(stdout: impl Read, sender: &Sender<Value>) {
    for line in BufReader::new(stdout).lines() {
        let Ok(line) = line else { return };
        // What is not JSON is not ours (a `./py` that greets, say) and is passed over.
        if let Ok(value) = serde_json::from_str(&line)
            && sender.send(value).is_err()
        {
            return;
        }
    }
}

fn read_printed(stderr: impl Read, kept: &Mutex<VecDeque<String>>, mask: &Mutex<Mask>, ui: &Ui) {
    let mut reader = BufReader::new(stderr);
    let mut line = Vec::new();
    while matches!((&mut reader).take(KEPT_BYTES).read_until(b'\n', &mut line), Ok(1..)) {
        let text = String::from_utf8_lossy(&line);
        let text = mask.lock().unwrap_or_else(PoisonError::into_inner).apply(text.trim_end());
        ui.verbose(&text);
        let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() == KEPT_LINES {
            kept.pop_front();
        }
        kept.push_back(text);
        line.clear();
    }
}

/// An interpreter that cannot be started is `python-missing`, whatever the general rule calls it.
fn no_python(error: anyhow::Error, launch: &Launch) -> anyhow::Error {
    let mut found = fail::from_anyhow(&error);
    if found.kind != Kind::ToolMissing {
        return error;
    }
    found.kind = Kind::PythonMissing;
    found.summary = format!("Cannot start Python: {}", launch.python.display());
    found.actions = vec![
        "Name the project's interpreter: --python PATH or XTASK_PYTHON".into(),
        Action::run("See which one is used and why", own("doctor")),
    ];
    found.into()
}
