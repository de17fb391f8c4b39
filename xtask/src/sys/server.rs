//! The embedded PostgreSQL: found or fetched, started when the first command needs it, shared by all that run at the
//! same time, stopped when the last of them is gone, even when that was killed.
//!
//! Three file locks (`lock.rs`) in the server's folder say who lives; nothing else is trusted:
//! * `users.lock` is held, shared, by every command with a [`Lease`]. Who has it alone knows that nobody uses the server.
//! * `watchdog.lock` is held by the one process that watches the server (`watch.rs`), handed over by the command that
//!   starts it; so two commands that begin at once cannot both start one.
//! * `postmaster.lock` is inherited by the server's processes; free, it proves that none of them lives.
//!
//! The data is a developer's throwaway: it outlives commands and restarts of the server, but it is written without
//! fsync, so a crash of the whole machine may damage it. Backups are what is safe.

mod binaries;
mod data;
mod lock;
mod memory;
mod place;
mod postmaster;
mod process;
mod state;
mod users;
mod watchdog;
mod wheel;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use anyhow::Result;

pub use binaries::{Binaries, Choice};
pub use state::{Running, State, keep, states, stop};
pub use watchdog::{WATCH_COMMAND, watch};

use crate::fail::{Fail, Kind};
use crate::model::action::{own, program};
use crate::sys::{interrupt, pg};
use crate::ui::Ui;
use place::Account;
use postmaster::{Files, PidFile, Worth};
use watchdog::Watch;

/// The superuser of every embedded server. It has no password: only the server's account and root reach the socket.
pub const SUPERUSER: &str = "postgres";
/// How long a start may take; the recovery after a crash is part of it.
const START_LIMIT: Duration = Duration::from_secs(180);
/// How long between two looks at a server that is starting.
const PAUSE: Duration = Duration::from_millis(4);
/// A watchdog may fail without fault of its own when it takes over a server that is just ending; twice it may not.
const ATTEMPTS: u32 = 2;

/// Where a server's files are to be, and with what it is run.
#[derive(Clone, Debug)]
pub struct Home {
    base: PathBuf,
    exe: PathBuf,
    python: Option<PathBuf>,
    choice: Choice,
    throwaway: Option<String>,
    data_base: Option<PathBuf>,
}

impl Home {
    /// The server of a project: `<state_dir>/postgres/<major>`. `exe` is this program, which watches the server.
    pub fn new(state_dir: &Path, exe: &Path) -> Home {
        Home::at(&state_dir.join("postgres"), exe)
    }

    /// A server whose files lie in the folder `base` itself, a sub-folder for each major version.
    pub fn at(base: &Path, exe: &Path) -> Home {
        let (base, exe) = (base.to_owned(), exe.to_owned());
        Home { base, exe, python: None, choice: Choice::from_env(), throwaway: None, data_base: None }
    }

    /// The Python whose pip fetches PostgreSQL if the machine has none; otherwise `python3` on PATH.
    pub fn python(mut self, python: &Path) -> Home {
        self.python = Some(python.to_owned());
        self
    }

    /// Which PostgreSQL, whatever `XTASK_PG_BIN` says.
    pub fn choice(mut self, choice: Choice) -> Home {
        self.choice = choice;
        self
    }

    /// A server of this process alone, whose data goes with it. What is cached (programs, template) is shared.
    pub fn throwaway(mut self) -> Home {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        self.throwaway = Some(format!("{}{}-{number}", state::THROWAWAY, std::process::id()));
        self
    }

    /// The same, with its data below another folder than what is cached: in memory, for a server that lives minutes.
    pub fn throwaway_in(mut self, data_base: &Path) -> Home {
        self.data_base = Some(data_base.to_owned());
        self.throwaway()
    }

    fn worth(&self) -> Worth {
        if self.throwaway.is_some() { Worth::Throwaway } else { Worth::Kept }
    }

    /// The programs of a server that is up and will do: nothing needs to be looked for then.
    fn running(&self, base: &Path) -> Option<Binaries> {
        let will_do = |binaries: &Binaries| match &self.choice {
            Choice::Auto => true,
            Choice::Dir(bin) => binaries.bin == *bin,
            Choice::Wheel => binaries.origin == wheel::ORIGIN,
        };
        if self.throwaway.is_some() { None } else { state::running(base).into_iter().find(will_do) }
    }

    fn binaries(&self, ui: &Ui, base: &Path, account: Account) -> Result<Binaries> {
        let wheel = || wheel::binaries(ui, base, self.python.as_deref(), account);
        match &self.choice {
            Choice::Dir(bin) => Binaries::named(ui, bin, account),
            Choice::Wheel => wheel(),
            Choice::Auto => Binaries::installed(ui, account).map_or_else(wheel, Ok),
        }
    }
}

/// The right to use a server, and how to reach it. The server lives at least as long as this.
#[derive(Debug)]
pub struct Lease {
    /// The folder of the Unix socket; what `host=` takes.
    pub socket_dir: PathBuf,
    /// The port that names the socket.
    pub port: u16,
    /// The superuser; it needs no password.
    pub superuser: &'static str,
    /// What runs: version, folder of the programs, what is imitated.
    pub binaries: Binaries,
    /// Where the data is.
    pub data: PathBuf,
    /// A folder in memory for throwaway databases, where there is one.
    pub memory: Option<PathBuf>,
    /// Where what servers share is cached: programs that were fetched, what `initdb` made.
    pub base: PathBuf,
    files: Files,
    // The order counts: who is listed as a user holds the lock as well.
    _listed: users::Listed,
    _users: File,
}

impl Lease {
    /// Uses the server of a home; starts it when it is not up. Waits for one that is just being stopped.
    ///
    /// # Errors
    /// `tool-missing` without a PostgreSQL, `connection-refused` when it does not start (with the last lines of its log),
    /// `permission-denied` on folders that are not ours, `interrupted` on Ctrl-C.
    pub fn acquire(ui: &Ui, home: &Home) -> Result<Lease> {
        let account = Account::of_server()?;
        let base = place::base(ui, &home.base, account)?;
        let binaries = match home.running(&base) {
            Some(binaries) => binaries,
            None => home.binaries(ui, &base, account)?,
        };
        let data_base = match &home.data_base {
            Some(folder) => place::base(ui, folder, account)?,
            None => base.clone(),
        };
        if home.throwaway.is_some() {
            state::sweep(&data_base, account);
        }
        let name = home.throwaway.clone().unwrap_or_else(|| binaries.folder());
        let files = Files { dir: place::run_dir(&data_base, &name)? };
        // Held before the server is looked at: from here on no watchdog stops it.
        let users = lock::shared(&files.users_lock())?;
        let listed = users::Listed::enter(&files)?;
        let start = Start { ui, home, base: &base, binaries: &binaries, account, files: &files };
        let socket_dir = start.server().map_err(|error| start.explained(error))?;
        // What runs may have been started from other programs than those that we have found.
        let binaries = state::about(&files).unwrap_or(binaries);
        let (data, memory) = (files.data(), memory::folder(&files.dir));
        let superuser = SUPERUSER;
        let port = place::PORT;
        Ok(Lease { socket_dir, port, superuser, binaries, data, memory, base, files, _listed: listed, _users: users })
    }

    /// Makes a role of that name (a superuser, as the official image's `POSTGRES_USER` is) unless there is one.
    pub fn ensure_role(&self, name: &str) -> Result<()> {
        pg::ensure_role(&self.socket_dir, self.port, self.superuser, name)
    }

    /// Makes a database of that name unless there is one, and its owner with it. Says whether it was made.
    pub fn ensure_database(&self, name: &str, owner: &str) -> Result<bool> {
        pg::ensure_database(&self.socket_dir, self.port, self.superuser, name, owner)
    }

    /// The URL of a database here in libpq's form, for a person to paste.
    pub fn url(&self, database: &str) -> String {
        state::url(&self.socket_dir, database)
    }
}

/// All that starting a server takes.
struct Start<'a> {
    ui: &'a Ui,
    home: &'a Home,
    base: &'a Path,
    binaries: &'a Binaries,
    account: Account,
    files: &'a Files,
}

impl Start<'_> {
    /// The socket's folder of a server that is up and watched.
    fn server(&self) -> Result<PathBuf> {
        let started = Instant::now();
        let mut task = None;
        let mut watchdog: Option<Child> = None;
        let mut attempts = 0;
        loop {
            if let Some(held) = lock::try_exclusive(&self.files.watchdog_lock())? {
                // Nobody watches. If we had started a watchdog, it has ended, and the server never became ready.
                if attempts == ATTEMPTS {
                    return Err(self.did_not_start().into());
                }
                attempts += 1;
                reap(&mut watchdog);
                watchdog = Some(self.watchdog(held)?);
            } else if let Some(dir) = PidFile::read(self.files).and_then(|pid_file| pid_file.answers()) {
                return Ok(dir);
            }
            if started.elapsed() > START_LIMIT {
                return Err(self.did_not_start().into());
            }
            interrupt::check()?;
            task.get_or_insert_with(|| self.ui.task(format!("starting PostgreSQL {}", self.binaries.version)));
            std::thread::sleep(PAUSE);
        }
    }

    fn watchdog(&self, held: File) -> Result<Child> {
        let up = PidFile::read(self.files).is_some_and(|pid_file| pid_file.answers().is_some());
        // A server that lost its watchdog is taken over as it is.
        if !up {
            data::prepare(self.ui, self.base, self.files, self.binaries, self.account)?;
            state::write_about(self.files, self.binaries)?;
        }
        let watch = Watch {
            dir: self.files.dir.clone(),
            bin: self.binaries.bin.clone(),
            account: self.account,
            worth: self.home.worth(),
        };
        watch.spawn(self.ui, &self.home.exe, held)
    }

    fn did_not_start(&self) -> Fail {
        self.fail(&watchdog::last_words(self.files))
    }

    /// A full disk is no defect of this tool.
    fn explained(&self, error: anyhow::Error) -> anyhow::Error {
        let full = |cause: &(dyn std::error::Error + 'static)| {
            cause.downcast_ref::<std::io::Error>().is_some_and(|io| io.kind() == std::io::ErrorKind::StorageFull)
        };
        if error.chain().any(full) { self.fail(&format!("{error:#}")).into() } else { error }
    }

    fn fail(&self, why: &str) -> Fail {
        let dir = &self.files.dir;
        Fail::new(Kind::ConnectionRefused, "The embedded PostgreSQL did not start")
            .details(format!("PostgreSQL {} ({}) in {}", self.binaries.version, self.binaries.origin, dir.display()))
            .details(why)
            .run("Look for free space", program(["df", "-h"]).word(dir))
            .run(
                "If its data is damaged (it is written without fsync), give it up",
                program(["rm", "-rf"]).word(self.files.data()),
            )
            .action("Or take another PostgreSQL: let XTASK_PG_BIN name the folder of its programs")
            .related(own("db-server").word("status"))
    }
}

/// A watchdog of this tool that has ended; it must not stay in the process table.
fn reap(watchdog: &mut Option<Child>) {
    if let Some(mut child) = watchdog.take() {
        let _ = child.wait();
    }
}
