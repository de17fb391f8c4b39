//! What went wrong, as data: a `Fail` has a kind from the contract, a summary, details that name the real object,
//! numbered actions that can be pasted, and the related command. Made where the knowledge is, printed in one place
//! (`ui.rs`), carried inside `anyhow::Error` between the two.
//!
//! The kind never decides the exit code alone: the same `connection-refused` is a refusal before a migration (exit 3)
//! and a failure in the middle of one (exit 1). The place that knows says so with `refused()`.

use std::fmt;
use std::path::Path;

use serde_json::{Value, json};

use crate::model::action::{Action, Around, Call, own, program};

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident = $text:literal,)*) => {
        /// The error kinds of the contract. Their names are fixed: scripts match on them.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Kind { $($(#[$doc])* $name,)* }

        impl Kind {
            /// Every kind, so that a test can ask whether each has been made to happen.
            pub const ALL: &[Kind] = &[$(Kind::$name,)*];

            /// The name as it stands in JSON.
            pub fn name(self) -> &'static str {
                match self { $(Kind::$name => $text,)* }
            }

            /// The kind that is called so in JSON.
            pub fn parse(name: &str) -> Option<Kind> {
                Kind::ALL.iter().copied().find(|kind| kind.name() == name)
            }
        }
    };
}

kinds! {
    /// The command line is wrong (the one kind that the contract's list lacks).
    Usage = "usage",
    /// The scripts have several heads where one is needed.
    MultipleHeads = "multiple-heads",
    /// No script has this revision.
    UnknownRevision = "unknown-revision",
    /// A shortened revision id fits several revisions.
    AmbiguousRevision = "ambiguous-revision",
    /// A script names a parent that no file holds.
    MigrationFileMissing = "migration-file-missing",
    /// A script cannot be read: syntax, duplicate id, cycle, a value that is not static.
    MigrationFileInvalid = "migration-file-invalid",
    /// Python cannot import a script or what it imports.
    MigrationImportFailed = "migration-import-failed",
    /// A script asks for input where nobody can answer.
    MigrationNeedsInput = "migration-needs-input",
    /// SQLSTATE 23503.
    ForeignKeyViolation = "foreign-key-violation",
    /// SQLSTATE 23505.
    UniqueViolation = "unique-violation",
    /// SQLSTATE 23502.
    NotNullViolation = "not-null-violation",
    /// SQLSTATE 23514.
    CheckViolation = "check-violation",
    /// SQLSTATE 42P01, 42703, 42704, 42883, 3F000.
    UndefinedObject = "undefined-object",
    /// SQLSTATE 42P07, 42701, 42710, 42723, 42P06.
    DuplicateObject = "duplicate-object",
    /// SQLSTATE 2BP01.
    DependentObjects = "dependent-objects",
    /// SQLSTATE 42804.
    TypeChangeBlocked = "type-change-blocked",
    /// SQLSTATE 25P02: an earlier error was swallowed.
    TransactionAborted = "transaction-aborted",
    /// Any other SQLSTATE.
    SqlError = "sql-error",
    /// env.py, not a revision: it raises, cannot be imported, runs no migration, does not commit.
    EnvFailed = "env-failed",
    /// Any other Python exception in a script.
    MigrationRaised = "migration-raised",
    /// A step did not end in its time.
    StepTimeout = "step-timeout",
    /// SQLSTATE 55P03: a lock was not to be had in time.
    LockTimeout = "lock-timeout",
    /// Nobody listens at the address.
    ConnectionRefused = "connection-refused",
    /// The connection broke in the middle.
    ConnectionLost = "connection-lost",
    /// The server does not take the user or the password.
    AuthenticationFailed = "authentication-failed",
    /// The server has no such database.
    DatabaseMissing = "database-missing",
    /// SQLSTATE 42501.
    PermissionDenied = "permission-denied",
    /// Others are connected to a database that is about to be taken down a revision.
    ActiveConnections = "active-connections",
    /// The database is on another machine.
    RemoteDatabase = "remote-database",
    /// env.py turned to another database than the announced one.
    WrongDatabase = "wrong-database",
    /// No backup could be taken.
    BackupFailed = "backup-failed",
    /// There is no such backup.
    BackupMissing = "backup-missing",
    /// No Alembic config, or no project, where one was looked for.
    ConfigMissing = "config-missing",
    /// A config that cannot be used as it stands.
    ConfigInvalid = "config-invalid",
    /// No Python interpreter.
    PythonMissing = "python-missing",
    /// A Python without Alembic.
    AlembicMissing = "alembic-missing",
    /// A program that is needed is not there.
    ToolMissing = "tool-missing",
    /// git stopped at a conflict.
    GitConflict = "git-conflict",
    /// The work tree has changes that would be in the way.
    DirtyWorkTree = "dirty-work-tree",
    /// Another xtask works on the same database.
    AlreadyRunning = "already-running",
    /// Ctrl-C, SIGTERM or SIGHUP.
    Interrupted = "interrupted",
    /// Rows would go, and nobody has agreed.
    RowsAtStake = "rows-at-stake",
    /// A failed revision had committed a part.
    HalfDone = "half-done",
    /// A connection pooler stands between us and the server.
    PooledConnection = "pooled-connection",
    /// The server takes no writes: a standby, or set so.
    ReadOnlyServer = "read-only-server",
    /// A flow stopped at what a round trip found.
    RoundtripFound = "roundtrip-found",
    /// SQLSTATE 53100, or no room for a file of this tool.
    DiskFull = "disk-full",
    /// A defect of this tool.
    Internal = "internal",
}

/// The exit codes of the contract. `main` alone turns them into a process status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// 0: done, or nothing to do.
    Done,
    /// 1: the operation failed; what was changed is said.
    Failed,
    /// 2: the command line is wrong; nothing was changed.
    Usage,
    /// 3: a pre-flight check refused; nothing was changed.
    Refused,
    /// 4: a check found something, or there was nothing to test.
    Findings,
    /// 130: interrupted.
    Interrupted,
    /// What another program ended with that was run in our place.
    Of(u8),
}

impl Exit {
    /// The process status.
    pub fn code(self) -> u8 {
        match self {
            Exit::Done => 0,
            Exit::Failed => 1,
            Exit::Usage => 2,
            Exit::Refused => 3,
            Exit::Findings => 4,
            Exit::Interrupted => 130,
            Exit::Of(code) => code,
        }
    }

    /// The `outcome` of the contract's JSON.
    pub fn outcome(self) -> &'static str {
        match self {
            Exit::Done | Exit::Of(0) => "ok",
            Exit::Findings => "findings",
            Exit::Usage | Exit::Refused => "refused",
            Exit::Failed | Exit::Interrupted | Exit::Of(_) => "failed",
        }
    }
}

/// An expected failure. Build it with [`Fail::new`] and the chained setters; it travels inside `anyhow::Error`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fail {
    /// Which of the contract's kinds.
    pub kind: Kind,
    /// One line, no full stop.
    pub summary: String,
    /// What exactly: host and port, revision, file and line, constraint, table. One line or several.
    pub details: String,
    /// What to do, in order; each can be pasted or followed as it stands.
    pub actions: Vec<Action>,
    /// The command that helps next.
    pub related: Option<Box<Action>>,
    /// PostgreSQL's five characters, where it was PostgreSQL that complained.
    pub sqlstate: Option<String>,
    /// The revision it happened in.
    pub revision: Option<String>,
    /// The file it happened in, relative to the project where possible.
    pub file: Option<String>,
    /// The line in `file`, from 1.
    pub line: Option<usize>,
    /// How the process ends.
    pub exit: Exit,
}

impl Fail {
    /// A failure of `kind`; the summary is one line.
    pub fn new(kind: Kind, summary: impl Into<String>) -> Fail {
        let exit = match kind {
            Kind::Usage => Exit::Usage,
            Kind::Interrupted => Exit::Interrupted,
            _ => Exit::Failed,
        };
        Fail {
            kind,
            summary: summary.into(),
            details: String::new(),
            actions: Vec::new(),
            related: None,
            sqlstate: None,
            revision: None,
            file: None,
            line: None,
            exit,
        }
    }

    /// Adds a line to the details.
    pub fn details(mut self, text: impl AsRef<str>) -> Fail {
        if !self.details.is_empty() {
            self.details.push('\n');
        }
        self.details.push_str(text.as_ref().trim_end());
        self
    }

    /// Adds a numbered action: words, or a command that needs no reason. What is there already is not said twice.
    pub fn action(mut self, action: impl Into<Action>) -> Fail {
        let action = action.into();
        if !self.actions.contains(&action) {
            self.actions.push(action);
        }
        self
    }

    /// Adds a numbered action: a command and what it is for.
    pub fn run(self, why: impl Into<String>, call: impl Into<Call>) -> Fail {
        self.action(Action::run(why, call))
    }

    /// The same failure about a component: its commands name it, unless they say themselves which one is meant.
    pub fn about(mut self, component: &str) -> Fail {
        self.actions = self.actions.into_iter().map(|action| action.or_of(component)).collect();
        self.related = self.related.map(|action| Box::new(action.or_of(component)));
        self
    }

    /// Names the related command, for example `own("db-status")`.
    pub fn related(mut self, command: impl Into<Action>) -> Fail {
        self.related = Some(Box::new(command.into()));
        self
    }

    /// Names the SQLSTATE.
    pub fn sqlstate(mut self, code: impl Into<String>) -> Fail {
        self.sqlstate = Some(code.into());
        self
    }

    /// Names the revision.
    pub fn revision(mut self, id: impl Into<String>) -> Fail {
        self.revision = Some(id.into());
        self
    }

    /// Names the file and, where known, the line (from 1).
    pub fn at(mut self, file: &Path, line: Option<usize>) -> Fail {
        self.file = Some(file.display().to_string());
        self.line = line;
        self
    }

    /// Nothing was changed yet: a pre-flight check refused. Usage errors and interrupts keep their own code.
    pub fn refused(mut self) -> Fail {
        if self.exit == Exit::Failed {
            self.exit = Exit::Refused;
        }
        self
    }

    /// The actions as they are printed.
    pub fn shown_actions(&self, around: &Around) -> Vec<String> {
        self.actions.iter().map(|action| action.text(around)).collect()
    }

    /// The related command as it is printed.
    pub fn shown_related(&self, around: &Around) -> Option<String> {
        self.related.as_ref().map(|action| action.text(around))
    }

    /// The `error` object of the contract's JSON.
    pub fn to_json(&self, around: &Around) -> Value {
        json!({
            "kind": self.kind.name(),
            "summary": self.summary,
            "details": self.details,
            "actions": self.shown_actions(around),
            "related": self.shown_related(around),
            "sqlstate": self.sqlstate,
            "revision": self.revision,
            "file": self.file,
            "line": self.line,
        })
    }
}

impl fmt::Display for Fail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.summary)
    }
}

impl std::error::Error for Fail {}

/// The `Fail` in an error chain, with the contexts that were put around it added to its details; anything else becomes
/// an `internal` failure that shows its whole chain.
pub fn from_anyhow(error: &anyhow::Error) -> Fail {
    if let Some(fail) = error.chain().find_map(|cause| cause.downcast_ref::<Fail>()) {
        return fail.clone();
    }
    if let Some(full) = error.chain().find(|cause| is_disk_full(*cause)) {
        return Fail::new(Kind::DiskFull, "There is no room on the disk")
            .details(format!("{error}: {full}"))
            .run("Look for free space", program(["df", "-h"]))
            .action("Make room, then repeat this command")
            .related(own("doctor"));
    }
    let mut chain = error.chain();
    let summary = chain.next().map(ToString::to_string).unwrap_or_default();
    let mut fail = Fail::new(Kind::Internal, summary);
    for cause in chain {
        fail = fail.details(format!("caused by: {cause}"));
    }
    fail.action("Run the same command with --verbose and look at the last command it ran")
        .action("If it is a defect of this tool, report it with that output")
        .related(own("doctor"))
}

fn is_disk_full(cause: &(dyn std::error::Error + 'static)) -> bool {
    cause.downcast_ref::<std::io::Error>().is_some_and(|error| error.kind() == std::io::ErrorKind::StorageFull)
}

/// Marks whatever comes out of a pre-flight as refused (exit 3): nothing was changed.
pub fn refuse(error: anyhow::Error) -> anyhow::Error {
    from_anyhow(&error).refused().into()
}
