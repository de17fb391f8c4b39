//! Makes a failure of a driver's trouble: which of the contract's kinds, what exactly, and what to do now. `words.rs`
//! says it, `actions.rs` says what helps.

mod actions;
mod words;

use std::path::Path;

use super::trouble::{Fault, Phase, Stop, Trouble, TroubleKind};
use crate::fail::{Fail, Kind};
use crate::model::action::{Own, Program, own, program};
use crate::sys::pg::{Rows, kind_of};

/// The names that stand in commands which can be pasted.
#[derive(Clone, Copy, Debug)]
pub struct Names<'a> {
    /// The component that it happened to.
    pub component: &'a str,
    /// The Alembic config, as `alembic -c` takes it in the project's root.
    pub config: &'a str,
    /// The interpreter, as it is called in the project's root.
    pub python: &'a str,
    /// The rows that break a constraint, where they were looked for.
    pub rows: Option<&'a Rows>,
    /// Whether values of rows may be shown.
    pub verbose: bool,
    /// The project's root; files are named relative to it.
    pub project: &'a Path,
}

impl Names<'_> {
    fn own(&self, command: &str) -> Own {
        own(command).of(self.component)
    }

    fn python(&self) -> Program {
        program([self.python]).at_root()
    }

    fn pip(&self, package: &str) -> Program {
        self.python().words(["-m", "pip", "install", package])
    }

    fn alembic<'w>(&self, words: impl IntoIterator<Item = &'w str>) -> Program {
        self.python().words(["-m", "alembic", "-c", self.config]).words(words)
    }

    fn relative(&self, file: &Path) -> String {
        let root = self.project.canonicalize();
        let root = root.as_deref().unwrap_or(self.project);
        file.strip_prefix(root).unwrap_or(file).display().to_string()
    }
}

impl Stop {
    /// The error to end a command with.
    pub fn into_error(self, names: &Names) -> anyhow::Error {
        match self {
            Stop::Trouble(trouble) => trouble.to_fail(names).into(),
            Stop::Error(error) => error,
        }
    }
}

impl Trouble {
    /// The failure to show to a person.
    pub fn to_fail(&self, names: &Names) -> Fail {
        let kind = kind(self);
        let mut fail = Fail::new(kind, words::summary(kind, self));
        for line in words::details(self, names) {
            fail = fail.details(line);
        }
        for action in actions::actions(kind, self, names) {
            fail = fail.action(action);
        }
        if let Some(code) = &self.sqlstate {
            fail = fail.sqlstate(code);
        }
        if let Some(step) = self.step.as_ref().filter(|_| !self.is_beside_the_script()) {
            fail = fail.revision(&step.revision);
        }
        if let Some(file) = self.file.as_ref().filter(|_| self.fault() != Fault::Table && !self.is_at_commit()) {
            fail = fail.at(Path::new(&names.relative(file)), self.line);
        }
        fail.related(related(kind, names))
    }
}

impl Trouble {
    /// Whether it happened when the script of the step was done: in Alembic's bookkeeping, or in what env.py hangs on it.
    fn is_beside_the_script(&self) -> bool {
        self.fault() == Fault::Table || self.phase == Phase::Table && self.fault() == Fault::Env
    }
}

fn kind(trouble: &Trouble) -> Kind {
    match trouble.kind {
        TroubleKind::Sql => sql_kind(trouble),
        TroubleKind::Connect => connect_kind(&trouble.message),
        TroubleKind::Lost => Kind::ConnectionLost,
        TroubleKind::WrongDatabase => Kind::WrongDatabase,
        TroubleKind::AlembicMissing | TroubleKind::PackageMissing => Kind::AlembicMissing,
        TroubleKind::Config | TroubleKind::NoModels => Kind::ConfigInvalid,
        TroubleKind::Timeout => Kind::StepTimeout,
        // Before the first sign of life: whatever was started, it is no Python that can do this.
        TroubleKind::Ended if trouble.phase == Phase::Start => Kind::PythonMissing,
        _ => match trouble.fault() {
            Fault::Env => Kind::EnvFailed,
            Fault::Table => Kind::AlreadyRunning,
            Fault::Server => Kind::ConnectionLost,
            Fault::Revision | Fault::Script => script_kind(trouble.kind),
        },
    }
}

fn sql_kind(trouble: &Trouble) -> Kind {
    let code = trouble.sqlstate.as_deref().unwrap_or_default();
    match (kind_of(code), trouble.fault()) {
        (Kind::UniqueViolation | Kind::DuplicateObject, Fault::Table) => Kind::AlreadyRunning,
        // Its schema, say.
        (Kind::UndefinedObject, Fault::Table) => Kind::EnvFailed,
        // The server refuses this in the same way, whichever program asks.
        (kind @ (Kind::PermissionDenied | Kind::LockTimeout), Fault::Env) => kind,
        (_, Fault::Env) if !trouble.is_at_commit() => Kind::EnvFailed,
        (kind, _) => kind,
    }
}

fn script_kind(kind: TroubleKind) -> Kind {
    match kind {
        TroubleKind::NeedsInput => Kind::MigrationNeedsInput,
        TroubleKind::Import => Kind::MigrationImportFailed,
        TroubleKind::Syntax | TroubleKind::Load | TroubleKind::NoFunction => Kind::MigrationFileInvalid,
        _ => Kind::MigrationRaised,
    }
}

/// Before there is a connection libpq gives no SQLSTATE, only text.
fn connect_kind(message: &str) -> Kind {
    let role_missing = message.contains("role \"") && message.contains("does not exist");
    let refused = ["authentication failed", "no password supplied", "no pg_hba.conf entry"];
    if role_missing || refused.iter().any(|text| message.contains(text)) {
        Kind::AuthenticationFailed
    } else if message.contains("database \"") && message.contains("does not exist") {
        Kind::DatabaseMissing
    } else {
        Kind::ConnectionRefused
    }
}

fn related(kind: Kind, names: &Names) -> Own {
    match kind {
        Kind::AlembicMissing
        | Kind::PythonMissing
        | Kind::ConfigInvalid
        | Kind::EnvFailed
        | Kind::WrongDatabase
        | Kind::ConnectionRefused => own("doctor"),
        Kind::MigrationFileInvalid => names.own("db-check"),
        _ => names.own("db-status"),
    }
}
