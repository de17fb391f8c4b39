//! What went wrong in the driver, as a value. Only the messages of database drivers before there is a connection are
//! read as English text, since there is no SQLSTATE then.

use std::path::PathBuf;

use serde_json::Value;

use super::fields::{line, paths, step, text, texts};
use crate::model::target::{Direction, Step};
use crate::sys::pg::Violation;

/// The result of anything that the driver is asked to do.
pub type Outcome<T> = Result<T, Stop>;

/// Why an operation of the driver ended early.
#[derive(Debug)]
pub enum Stop {
    /// Something about the project, its database or its Python.
    Trouble(Box<Trouble>),
    /// Ctrl-C, or a defect of this tool.
    Error(anyhow::Error),
}

impl From<anyhow::Error> for Stop {
    fn from(error: anyhow::Error) -> Stop {
        Stop::Error(error)
    }
}

/// Which sort of trouble.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TroubleKind {
    /// PostgreSQL said no: see `sqlstate`.
    Sql,
    /// No connection could be made.
    Connect,
    /// The connection broke.
    Lost,
    /// env.py turned to another database: see `wanted`.
    WrongDatabase,
    /// A script asked for input: see `prompt`.
    NeedsInput,
    /// An import failed: see `module`.
    Import,
    /// A file has a syntax error.
    Syntax,
    /// The scripts cannot be made into a history.
    Load,
    /// The Alembic config, or what it names, cannot be used.
    Config,
    /// Alembic or SQLAlchemy cannot be imported.
    AlembicMissing,
    /// The package of the database driver cannot be imported.
    PackageMissing,
    /// Any other Python exception.
    Raised,
    /// `sys.exit()` in a script or env.py: see `status`.
    Exit,
    /// The script has no function for the direction.
    NoFunction,
    /// The database is not where it was said to be.
    Moved,
    /// env.py runs the migrations several times (databases, schemas).
    SeveralRuns,
    /// env.py did not run the migrations at all.
    NotRun,
    /// env.py ran the migrations and did not commit them.
    NotKept,
    /// The database driver gives bytes instead of text: psycopg 3 on a SQL_ASCII database.
    Bytes,
    /// env.py gives Alembic no models to compare with.
    NoModels,
    /// A process that the script has forked came out of the script.
    Child,
    /// Something wants the network, which a driver on the embedded server has not.
    NoNetwork,
    /// A step took too long; it is still running.
    Timeout,
    /// The process has gone: `os._exit`, a signal, a Python that is none.
    Ended,
}

impl TroubleKind {
    fn parse(word: &str) -> TroubleKind {
        match word {
            "sql" => TroubleKind::Sql,
            "connect" => TroubleKind::Connect,
            "lost" => TroubleKind::Lost,
            "wrong-database" => TroubleKind::WrongDatabase,
            "needs-input" => TroubleKind::NeedsInput,
            "import" => TroubleKind::Import,
            "syntax" => TroubleKind::Syntax,
            "load" => TroubleKind::Load,
            "config" => TroubleKind::Config,
            "alembic-missing" => TroubleKind::AlembicMissing,
            "missing-package" => TroubleKind::PackageMissing,
            "exit" => TroubleKind::Exit,
            "no-function" => TroubleKind::NoFunction,
            "moved" => TroubleKind::Moved,
            "several-runs" => TroubleKind::SeveralRuns,
            "no-models" => TroubleKind::NoModels,
            "not-run" => TroubleKind::NotRun,
            "not-kept" => TroubleKind::NotKept,
            "bytes" => TroubleKind::Bytes,
            "no-network" => TroubleKind::NoNetwork,
            "child" => TroubleKind::Child,
            "ended" => TroubleKind::Ended,
            _ => TroubleKind::Raised,
        }
    }
}

/// Where the driver stood.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Phase {
    /// Before or while the project was imported.
    #[default]
    Start,
    /// In env.py, before and after all that Alembic does.
    Env,
    /// In Alembic, which reads and writes its version table and commits.
    Table,
    /// In the script of a step.
    Step,
}

/// Whose fault a trouble is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The script of the step: the only one that is a verdict on a revision.
    Revision,
    /// A script that keeps the whole history from being loaded, whichever revision is at hand.
    Script,
    /// env.py, the config, or what is installed.
    Env,
    /// Alembic's version table, or another migration that writes to it at the same moment.
    Table,
    /// The database server: no connection, no room, an extension that it lacks.
    Server,
}

/// The first database error of a step, which the script has swallowed and PostgreSQL has not forgotten.
#[derive(Clone, Debug, Default)]
pub struct Swallowed {
    pub sqlstate: Option<String>,
    /// PostgreSQL's message.
    pub message: String,
    /// The statement, shortened.
    pub statement: Option<String>,
    /// The line in the script.
    pub line: Option<usize>,
}

/// What went wrong. Passwords are masked in every text.
#[derive(Clone, Debug)]
pub struct Trouble {
    /// Which sort.
    pub kind: TroubleKind,
    /// Where the driver stood.
    pub phase: Phase,
    /// The step that was being run.
    pub step: Option<Step>,
    /// The script (or env.py, or a file with a syntax error) that it happened in; absolute.
    pub file: Option<PathBuf>,
    /// The line in `file`, from 1.
    pub line: Option<usize>,
    /// PostgreSQL's five characters.
    pub sqlstate: Option<String>,
    /// PostgreSQL's message, or the exception's.
    pub message: String,
    /// PostgreSQL's detail.
    pub detail: Option<String>,
    /// PostgreSQL's hint.
    pub hint: Option<String>,
    /// The schema that PostgreSQL named.
    pub schema: Option<String>,
    /// The table that PostgreSQL named.
    pub table: Option<String>,
    /// The column that PostgreSQL named.
    pub column: Option<String>,
    /// The constraint that PostgreSQL named.
    pub constraint: Option<String>,
    /// The statement, shortened, without its parameters.
    pub statement: Option<String>,
    /// The class of the Python exception.
    pub exception: Option<String>,
    /// The script's own words, where it raised them from a database error.
    pub raised: Option<String>,
    /// The last frames, `file:line in function`, innermost last.
    pub traceback: Vec<String>,
    /// The module that could not be imported.
    pub module: Option<String>,
    /// The question that a script asked.
    pub prompt: Option<String>,
    /// The `host:port/database` that env.py wanted.
    pub wanted: Option<String>,
    /// The status of `sys.exit()`.
    pub status: Option<i64>,
    /// Before 25P02: the error that the script swallowed.
    pub swallowed: Option<Swallowed>,
    /// How many steps had run in the same process before this one.
    pub ran_before: u64,
    /// The heads that Alembic last saw; what is committed of them the transaction mode decides.
    pub heads: Vec<String>,
    /// The project's files that it came through; while the project was imported, also those that were loaded by then.
    pub files: Vec<PathBuf>,
    /// The last lines that the process printed, where it has ended.
    pub printed: String,
    /// The server processes that wait for a lock of the step's own, where whoever looked on has found that out.
    pub waits: Vec<i32>,
}

impl Trouble {
    /// A trouble of which only the kind is known.
    pub fn new(kind: TroubleKind) -> Trouble {
        Trouble { kind, ..Trouble::parse(&Value::Null) }
    }

    /// Reads the driver's `error` event.
    pub fn parse(value: &Value) -> Trouble {
        let phase = match value["phase"].as_str() {
            Some("env") => Phase::Env,
            Some("table") => Phase::Table,
            Some("step") => Phase::Step,
            _ => Phase::Start,
        };
        Trouble {
            kind: TroubleKind::parse(value["kind"].as_str().unwrap_or_default()),
            phase,
            step: step(value),
            file: text(value, "file").map(PathBuf::from),
            line: line(value),
            sqlstate: text(value, "sqlstate"),
            message: text(value, "message").unwrap_or_default(),
            detail: text(value, "detail"),
            hint: text(value, "hint"),
            schema: text(value, "schema"),
            table: text(value, "table"),
            column: text(value, "column"),
            constraint: text(value, "constraint"),
            statement: text(value, "statement"),
            exception: text(value, "exception"),
            raised: text(value, "raised"),
            traceback: texts(value, "traceback"),
            module: text(value, "module"),
            prompt: text(value, "prompt"),
            wanted: text(value, "wanted"),
            status: value["status"].as_i64(),
            swallowed: swallowed(&value["swallowed"]),
            ran_before: value["ran_before"].as_u64().unwrap_or_default(),
            heads: texts(value, "heads"),
            files: paths(value, "files"),
            printed: String::new(),
            waits: Vec::new(),
        }
        .at_env_py()
    }

    /// What env.py's own code raises while Alembic writes its version table (`on_version_apply`) is not in the script.
    fn at_env_py(mut self) -> Trouble {
        let is_there = self.phase == Phase::Table && self.kind == TroubleKind::Raised && self.line.is_none();
        if let Some((file, line)) = self.traceback.last().filter(|_| is_there).and_then(|frame| place_of(frame)) {
            (self.file, self.line) = (Some(file), Some(line));
        }
        self
    }

    /// The same, happened during `step` if it does not know better.
    pub fn during(mut self, step: Option<&Step>) -> Trouble {
        if self.step.is_none() && step.is_some() {
            self.step = step.cloned();
            self.phase = Phase::Step;
        }
        self
    }

    pub fn fault(&self) -> Fault {
        let is_in_script = self.phase == Phase::Step;
        match self.kind {
            TroubleKind::Connect | TroubleKind::Lost if !is_in_script => Fault::Server,
            TroubleKind::Sql => self.fault_of_statement(),
            TroubleKind::Import | TroubleKind::Syntax | TroubleKind::Load if self.phase == Phase::Start => {
                Fault::Script
            }
            TroubleKind::Moved => Fault::Table,
            TroubleKind::NoNetwork => Fault::Env,
            _ if is_in_script => Fault::Revision,
            // Alembic itself, about rows of the version table that are not what it has read.
            TroubleKind::Raised
                if self.phase == Phase::Table && self.message.starts_with("Online migration expected") =>
            {
                Fault::Table
            }
            _ => Fault::Env,
        }
    }

    fn fault_of_statement(&self) -> Fault {
        let code = self.sqlstate.as_deref().unwrap_or_default();
        let no_room = code.starts_with("53") || code == "58030";
        let no_connection = ["08", "28", "57P"].iter().any(|class| code.starts_with(class)) || code == "3D000";
        if no_room || no_connection && self.phase != Phase::Step {
            return Fault::Server;
        }
        match (self.phase, &self.step) {
            (Phase::Step, _) => Fault::Revision,
            (Phase::Table, None) => Fault::Table,
            // With a statement it is Alembic's own, without one the commit of what the script has done.
            (Phase::Table, Some(_)) if self.statement.is_some() && is_about_others(code) => Fault::Table,
            (Phase::Table, Some(_)) => Fault::Revision,
            (Phase::Start | Phase::Env, _) => Fault::Env,
        }
    }

    /// Whether it happened in a script or module that is loaded, and not in env.py's own lines.
    pub fn is_of_module(&self) -> bool {
        self.phase != Phase::Step && self.file.as_ref().is_some_and(|file| !file.ends_with("env.py"))
    }

    /// Whether the script itself says that it does not go this way: `raise NotImplementedError`, or no such function.
    pub fn is_declared(&self) -> bool {
        let raised = self.kind == TroubleKind::Raised && self.exception.as_deref() == Some("NotImplementedError");
        self.kind == TroubleKind::NoFunction || raised && self.phase == Phase::Step
    }

    /// Whether a constraint was checked where env.py ends the transaction of all revisions: that is no statement of env.py's.
    pub fn is_at_commit(&self) -> bool {
        let is_constraint = self.sqlstate.as_deref().is_some_and(|code| code.starts_with("23"));
        is_constraint && self.kind == TroubleKind::Sql && self.phase == Phase::Env && self.statement.is_none()
    }

    /// What PostgreSQL said of a broken constraint; not of its own catalog's, nor of the version table's.
    pub fn violation(&self) -> Option<Violation<'_>> {
        let is_ours = self.kind == TroubleKind::Sql && !self.is_bookkeeping() && !self.is_about_catalog();
        is_ours.then(|| Violation {
            sqlstate: self.sqlstate.as_deref().unwrap_or_default(),
            schema: self.schema.as_deref(),
            table: self.table.as_deref(),
            column: self.column.as_deref(),
            constraint: self.constraint.as_deref(),
            detail: self.detail.as_deref(),
            statement: self.statement.as_deref(),
        })
    }

    /// An extension whose files the server has not, or a role that is not on it: no revision brings the one, and the other
    /// belongs to all databases there.
    pub fn is_lacking_on_server(&self) -> bool {
        match self.sqlstate.as_deref() {
            Some("0A000" | "58P01" | "58000") => self.message.contains("extension"),
            // Whole kinds of things that no migration makes, and what only well-known extensions make.
            Some("42704") => {
                ["role ", "tablespace ", "access method "].iter().any(|kind| self.message.starts_with(kind))
                    || is_of_extension(&self.message)
            }
            Some("42883") => is_of_extension(&self.message),
            _ => false,
        }
    }

    /// Whether it was a statement of Alembic's own, about the version table.
    pub fn is_bookkeeping(&self) -> bool {
        self.statement.as_deref().is_some_and(|statement| statement.contains("version_num"))
    }

    /// Whether PostgreSQL complains about a table of its own catalog.
    pub fn is_about_catalog(&self) -> bool {
        let schema = self.schema.as_deref();
        schema.is_some_and(|schema| schema == "information_schema" || schema.starts_with("pg_"))
    }

    /// Whether Alembic's own statement fails for what the script of the step has left behind it: `SET search_path`, a
    /// read-only transaction. That its id is too long is the revision's own affair.
    pub fn is_left_over(&self) -> bool {
        let is_its_own = self.sqlstate.as_deref() == Some("22001");
        self.phase == Phase::Table
            && self.is_bookkeeping()
            && self.step.is_some()
            && self.fault() == Fault::Revision
            && !is_its_own
    }

    /// The function of the script that was running.
    pub fn function(&self) -> &'static str {
        self.step.as_ref().map_or(Direction::Up, |step| step.direction).function()
    }
}

/// File and line of `file:line in function`.
pub fn place_of(frame: &str) -> Option<(PathBuf, usize)> {
    let (file, line) = frame.rsplit_once(" in ")?.0.rsplit_once(':')?;
    Some((PathBuf::from(file), line.parse().ok()?))
}

/// Whether a statement on the version table fails for what somebody else does, not for what the script did before it.
fn is_about_others(code: &str) -> bool {
    matches!(code, "23505" | "42P07" | "40001" | "40P01" | "55P03" | "42501")
}

fn swallowed(value: &Value) -> Option<Swallowed> {
    value.is_object().then(|| Swallowed {
        sqlstate: text(value, "sqlstate"),
        message: text(value, "message").unwrap_or_default(),
        statement: text(value, "statement"),
        line: line(value),
    })
}

/// Types, operator classes and functions of extensions that somebody puts on a server, once for all.
const OF_EXTENSIONS: [&str; 21] = [
    "vector",
    "halfvec",
    "sparsevec",
    "vector_cosine_ops",
    "vector_l2_ops",
    "geometry",
    "geography",
    "raster",
    "citext",
    "hstore",
    "ltree",
    "cube",
    "gin_trgm_ops",
    "gist_trgm_ops",
    "uuid_generate_v4",
    "uuid_generate_v1",
    "gen_salt",
    "crypt",
    "unaccent",
    "similarity",
    "create_hypertable",
];

/// Whether PostgreSQL misses what an extension would have made: `type "vector" does not exist`.
fn is_of_extension(message: &str) -> bool {
    let words = message.split(|c: char| !c.is_alphanumeric() && c != '_');
    let mut words = words.skip_while(|word| !["type", "class", "function"].contains(word)).skip(1);
    let named = words.find(|word| !word.is_empty() && *word != "public");
    named.is_some_and(|name| OF_EXTENSIONS.contains(&name))
}
