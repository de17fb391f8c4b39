//! Runs the built binary the way a user would, in an environment of its own: nothing of the developer's shell, git
//! configuration or PostgreSQL variables gets in.

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use super::pasted::{parse_all, parse_answer};
use super::pg::cluster;

/// A command line of the tool, to be run in a folder.
pub struct Xtask {
    command: Command,
}

/// How it ended and what it said, separately.
pub struct Output {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Xtask {
    /// `xtask WORDS…` (split at white space) in `folder`.
    pub fn new(folder: &Path, words: &str) -> Xtask {
        Xtask::program(Path::new(env!("CARGO_BIN_EXE_xtask")), folder, words)
    }

    /// The same of another program: a copy of the tool, git.
    pub fn program(program: &Path, folder: &Path, words: &str) -> Xtask {
        #[expect(clippy::disallowed_methods)]
        let mut command = Command::new(program);
        command.args(words.split_whitespace()).current_dir(folder).env_clear();
        for (key, value) in hermetic(folder) {
            command.env(key, value);
        }
        Xtask { command }
    }

    /// An argument that may hold white space.
    pub fn arg(mut self, word: &str) -> Xtask {
        self.command.arg(word);
        self
    }

    pub fn env(mut self, key: &str, value: impl AsRef<std::ffi::OsStr>) -> Xtask {
        self.command.env(key, value);
        self
    }

    pub fn env_remove(mut self, key: &str) -> Xtask {
        self.command.env_remove(key);
        self
    }

    /// Runs it to its end, with nothing on stdin.
    #[must_use = "look at the output or assert how it ended"]
    pub fn run(mut self) -> Output {
        Output::of(self.command.stdin(Stdio::null()).output().unwrap())
    }

    /// Runs it to its end, with this text on stdin.
    #[must_use = "look at the output or assert how it ended"]
    pub fn run_with(mut self, text: &str) -> Output {
        use std::io::Write;
        self.command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = self.command.spawn().unwrap();
        let (mut stdin, text) = (child.stdin.take().unwrap(), text.to_owned());
        let feeder = std::thread::spawn(move || drop(stdin.write_all(text.as_bytes())));
        let done = child.wait_with_output().unwrap();
        feeder.join().unwrap();
        Output::of(done)
    }

    /// Starts it and leaves it running.
    pub fn spawn(mut self) -> Child {
        self.command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    /// Runs it where nobody reads its stdout: `| head -0`, closed before the first byte. Gives the exit code and stderr.
    pub fn run_unread(mut self) -> (Option<i32>, String) {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        self.command.stdin(Stdio::null()).stdout(writer).stderr(Stdio::piped());
        let done = self.command.spawn().unwrap().wait_with_output().unwrap();
        (done.status.code(), String::from_utf8(done.stderr).unwrap())
    }
}

/// Makes a folder a Backend.AI checkout as far as the tool can tell, so that its components need not be declared.
pub fn as_backend_ai(root: &Path) {
    std::fs::create_dir_all(root.join("src/ai/backend/manager")).unwrap();
}

/// What tests say of a warm Python: they share a process that has imported Alembic, which is most of what a Python's start
/// costs. Tests of the fresh way say `--cold`; with `XTASK_WARM=0 cargo test` each Python is a fresh one.
pub fn warm_by_default() -> std::ffi::OsString {
    std::env::var_os("XTASK_WARM").unwrap_or("packages".into())
}

/// The home of all tests, with nothing in it but what shells and rustup put there: SQLAlchemy's import asks for it, so a warm Python is for one home.
fn home() -> std::ffi::OsString {
    let home = Path::new(env!("CARGO_TARGET_TMPDIR")).join("home");
    std::fs::create_dir_all(&home).unwrap();
    home.into()
}

/// What every command run by a test sees. `XTASK_STATE_DIR` is the test's own, so tests don't meet there.
pub fn hermetic(folder: &Path) -> Vec<(String, std::ffi::OsString)> {
    let set = |key: &str, value: &str| (key.to_owned(), value.into());
    let mut env: Vec<(String, std::ffi::OsString)> = vec![
        set("LC_ALL", "C.UTF-8"),
        set("TZ", "UTC"),
        set("COLUMNS", "100"),
        set("GIT_CONFIG_SYSTEM", "/dev/null"),
        set("GIT_CONFIG_GLOBAL", "/dev/null"),
        set("GIT_TERMINAL_PROMPT", "0"),
        set("PYTHONNOUSERSITE", "1"),
        // How long a step may wait for itself: half of what it is for users, since tests wait for it.
        set("XTASK_TEST_PATIENCE", "2500"),
        set("PGPASSFILE", "/dev/null"),
    ];
    env.push(("XTASK_WARM".into(), warm_by_default()));
    env.push(("HOME".into(), home()));
    env.push(("XTASK_STATE_DIR".into(), folder.join("state").into()));
    // What reaches package registries on this machine stays, or pip could not be used at all.
    let kept = |key: &str| {
        ["TMPDIR", "LLVM_PROFILE_FILE"].contains(&key)
            || ["PIP_", "SSL_", "PYENV_"].iter().any(|start| key.starts_with(start))
            || key.ends_with("_CA_BUNDLE")
            || key.to_ascii_lowercase().ends_with("_proxy")
    };
    env.extend(std::env::vars().filter(|(key, _)| kept(key)).map(|(key, value)| (key, value.into())));
    env.push(("PATH".into(), cluster().path()));
    env
}

impl Output {
    fn of(done: std::process::Output) -> Output {
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Output::new(done.status.code().unwrap_or(-1), text(done.stdout), text(done.stderr))
    }

    /// Whatever a run prints to be pasted is what the parser takes.
    pub fn new(code: i32, stdout: String, stderr: String) -> Output {
        parse_all(&stderr);
        parse_answer(&stdout);
        Output { code, stdout, stderr }
    }

    /// Asserts the exit code; the whole output is in the message.
    #[track_caller]
    pub fn code(self, expected: i32) -> Output {
        assert_eq!(self.code, expected, "exit code\n{self}");
        self
    }

    /// Asserts that stdout has a text.
    #[track_caller]
    pub fn says(self, text: &str) -> Output {
        assert!(self.stdout.contains(text), "stdout lacks {text:?}\n{self}");
        self
    }

    /// Asserts that stderr has a text.
    #[track_caller]
    pub fn complains(self, text: &str) -> Output {
        assert!(self.stderr.contains(text), "stderr lacks {text:?}\n{self}");
        self
    }

    /// Asserts that a text is in neither stream (a password, say).
    #[track_caller]
    pub fn never_says(self, text: &str) -> Output {
        assert!(!self.stdout.contains(text) && !self.stderr.contains(text), "{text:?} is in the output\n{self}");
        self
    }

    /// The one JSON object on stdout.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}\n{self}"))
    }

    /// The kind in the JSON error.
    #[track_caller]
    pub fn kind(&self) -> String {
        self.json()["error"]["kind"].as_str().unwrap_or_else(|| panic!("no error kind\n{self}")).to_owned()
    }
}

impl fmt::Display for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}------- stderr -------\n{}[exit status: {}]", self.stdout, self.stderr, self.code)
    }
}

/// Copies a program, by a process of its own: what one of our threads has open for writing, a child that another one starts
/// may hold a moment longer, and nobody can run it then.
pub fn copy_program(from: &str, to: &Path) {
    let folder = to.parent().unwrap();
    drop(Xtask::program(Path::new("cp"), folder, from).arg(to.to_str().unwrap()).run().code(0));
}

/// A folder that goes when the value does; kept and named when the test fails.
pub struct Folder(PathBuf);

impl Folder {
    pub fn new() -> Folder {
        use std::sync::atomic::{AtomicU32, Ordering};
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("xt-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let path = super::temporary().join(name);
        std::fs::create_dir_all(&path).unwrap();
        Folder(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }
}
