//! A driver's trouble in words for a person: which of the contract's kinds, what exactly, and what to do now.

use std::path::Path;

use super::trouble::{Phase, Trouble, TroubleKind};
use crate::fail::{Fail, Kind};
use crate::sys::pg::kind_of;

/// The names that stand in commands which can be pasted.
#[derive(Clone, Copy, Debug)]
pub struct Names<'a> {
    /// The component, as `--component` takes it.
    pub component: &'a str,
    /// The Alembic config, as `alembic -c` takes it in the project's root.
    pub config: &'a str,
    /// The interpreter, as it is called in the project's root.
    pub python: &'a str,
    /// The project's root; files are named relative to it.
    pub project: &'a Path,
}

impl Names<'_> {
    fn command(&self, command: &str) -> String {
        format!("cargo xtask {command} --component={}", self.component)
    }

    fn pip(&self, package: &str) -> String {
        format!("{} -m pip install {package}", self.python)
    }

    fn relative(&self, file: &Path) -> String {
        let root = self.project.canonicalize();
        let root = root.as_deref().unwrap_or(self.project);
        file.strip_prefix(root).unwrap_or(file).display().to_string()
    }
}

/// The failure to show for a trouble.
pub fn fail(trouble: &Trouble, names: &Names) -> Fail {
    let kind = kind(trouble);
    let mut fail = Fail::new(kind, summary(kind, trouble));
    for line in details(trouble, names) {
        fail = fail.details(line);
    }
    for action in actions(kind, trouble, names) {
        fail = fail.action(action);
    }
    if let Some(code) = &trouble.sqlstate {
        fail = fail.sqlstate(code);
    }
    if let Some(step) = &trouble.step {
        fail = fail.revision(&step.revision);
    }
    if let Some(file) = &trouble.file {
        fail = fail.at(Path::new(&names.relative(file)), trouble.line);
    }
    fail.related(related(kind, names))
}

fn kind(trouble: &Trouble) -> Kind {
    match trouble.kind {
        TroubleKind::Sql => kind_of(trouble.sqlstate.as_deref().unwrap_or_default()),
        TroubleKind::Connect => connect_kind(&trouble.message),
        TroubleKind::Lost => Kind::ConnectionLost,
        TroubleKind::WrongDatabase => Kind::WrongDatabase,
        TroubleKind::NeedsInput => Kind::MigrationNeedsInput,
        TroubleKind::Import => Kind::MigrationImportFailed,
        TroubleKind::Syntax | TroubleKind::Load => Kind::MigrationFileInvalid,
        TroubleKind::Config | TroubleKind::SeveralRuns | TroubleKind::NotRun | TroubleKind::NoModels => {
            Kind::ConfigInvalid
        }
        TroubleKind::AlembicMissing | TroubleKind::PackageMissing => Kind::AlembicMissing,
        TroubleKind::Moved => Kind::AlreadyRunning,
        TroubleKind::Timeout => Kind::StepTimeout,
        // Before the first sign of life: whatever was started, it is no Python that can do this.
        TroubleKind::Ended if trouble.phase == Phase::Start => Kind::PythonMissing,
        TroubleKind::NoFunction => Kind::MigrationFileInvalid,
        TroubleKind::Raised | TroubleKind::Exit | TroubleKind::Ended => Kind::MigrationRaised,
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

fn summary(kind: Kind, trouble: &Trouble) -> String {
    let module = trouble.module.as_deref().unwrap_or("a module");
    match kind {
        Kind::ForeignKeyViolation => "Foreign key constraint violation".into(),
        Kind::UniqueViolation => "Unique constraint violation".into(),
        Kind::NotNullViolation => "Not-null constraint violation".into(),
        Kind::CheckViolation => "Check constraint violation".into(),
        Kind::UndefinedObject => "The migration needs an object that is not there".into(),
        Kind::DuplicateObject => "The migration creates an object that is there already".into(),
        Kind::DependentObjects => "Other objects depend on what the migration drops".into(),
        Kind::TypeChangeBlocked => "PostgreSQL refuses the change of type".into(),
        Kind::TransactionAborted => "The migration went on after a database error that it had swallowed".into(),
        Kind::LockTimeout => "A lock could not be had in time".into(),
        Kind::PermissionDenied => "The database user may not do that".into(),
        Kind::DatabaseMissing => "Database does not exist".into(),
        Kind::ConnectionLost => "The connection to the database broke".into(),
        Kind::ConnectionRefused => "Cannot connect to database".into(),
        Kind::AuthenticationFailed => "The server refuses the user or the password".into(),
        Kind::WrongDatabase => "env.py turned to another database".into(),
        Kind::MigrationNeedsInput => "The migration asks a question and nobody can answer".into(),
        Kind::MigrationImportFailed => format!("Cannot import {module}"),
        Kind::MigrationFileInvalid if trouble.kind == TroubleKind::NoFunction => {
            format!("The migration has no {}()", trouble.function())
        }
        Kind::MigrationFileInvalid => "Migration file cannot be loaded".into(),
        Kind::PythonMissing => "Python did not start as it should".into(),
        Kind::AlembicMissing => format!("Python package missing: {module}"),
        Kind::AlreadyRunning => "The database has moved in the meantime".into(),
        Kind::StepTimeout => "A migration does not end".into(),
        Kind::SqlError => {
            format!("PostgreSQL refuses a statement (SQLSTATE {})", trouble.sqlstate.as_deref().unwrap_or("?"))
        }
        Kind::ConfigInvalid => match trouble.kind {
            TroubleKind::SeveralRuns => "env.py runs the migrations more than once".into(),
            TroubleKind::NotRun => "env.py does not run the migrations".into(),
            TroubleKind::NoModels => "env.py gives Alembic no models to compare with".into(),
            _ => "The Alembic config cannot be used".into(),
        },
        _ => raised_summary(trouble),
    }
}

fn raised_summary(trouble: &Trouble) -> String {
    let place = if trouble.phase == Phase::Step { "The migration" } else { "env.py" };
    match trouble.kind {
        TroubleKind::Exit => format!("{place} ended Python (status {})", trouble.status.unwrap_or(1)),
        TroubleKind::Ended => "The Python process is gone".into(),
        _ => format!("{place} raised {}", trouble.exception.as_deref().unwrap_or("an exception")),
    }
}

fn details(trouble: &Trouble, names: &Names) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(step) = &trouble.step {
        lines.push(format!("Revision {}, {}()", step.revision, step.direction.function()));
    }
    if let Some(file) = &trouble.file {
        let file = names.relative(file);
        lines.push(trouble.line.map_or_else(|| file.clone(), |line| format!("{file}:{line}")));
    }
    if let Some(wanted) = &trouble.wanted {
        lines.push(format!("It wanted {wanted}; nothing was done there"));
    } else if trouble.sqlstate.is_some() {
        lines.push(format!("PostgreSQL: {}", trouble.message));
    } else if !trouble.message.is_empty() {
        lines.push(trouble.message.clone());
    }
    lines.extend(trouble.detail.iter().map(|detail| format!("Detail: {detail}")));
    lines.extend(trouble.hint.iter().map(|hint| format!("Hint: {hint}")));
    lines.extend(object(trouble));
    lines.extend(trouble.raised.iter().map(|raised| format!("The script says: {raised}")));
    lines.extend(trouble.prompt.iter().filter(|prompt| !prompt.is_empty()).map(|prompt| format!("It asks: {prompt}")));
    if let Some(first) = &trouble.swallowed {
        let place = first.line.map_or_else(String::new, |line| format!(" in line {line}"));
        lines.push(format!("Swallowed before{place}: {}", first.message));
    }
    lines.extend(trouble.statement.iter().map(|statement| format!("Statement: {}", one_line(statement))));
    if trouble.kind == TroubleKind::Ended && !trouble.printed.is_empty() {
        lines.push(format!("It printed last:\n{}", trouble.printed));
    }
    lines
}

/// `Constraint fk_a_b on table public.a`, as far as PostgreSQL names them.
fn object(trouble: &Trouble) -> Option<String> {
    let table = trouble.table.as_ref().map(|table| match &trouble.schema {
        Some(schema) => format!("table {schema}.{table}"),
        None => format!("table {table}"),
    });
    let column = trouble.column.as_ref().map(|column| format!("column {column}"));
    let constraint = trouble.constraint.as_ref().map(|constraint| format!("constraint {constraint}"));
    let parts: Vec<String> = [constraint, column, table].into_iter().flatten().collect();
    (!parts.is_empty()).then(|| format!("Concerns {}", parts.join(" of ")))
}

fn one_line(statement: &str) -> String {
    const LONGEST: usize = 300;
    let words = statement.split_whitespace().collect::<Vec<_>>().join(" ");
    match words.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &words[..end]),
        None => words,
    }
}

/// What to do, in order. `Words` holds what most of the sentences need.
fn actions(kind: Kind, trouble: &Trouble, names: &Names) -> Vec<String> {
    let words = Words::new(trouble, names);
    match kind {
        Kind::ForeignKeyViolation | Kind::UniqueViolation | Kind::NotNullViolation | Kind::CheckViolation => vec![
            format!("Find the rows in the way: {}", rows_query(kind, trouble)),
            format!(
                "Correct those rows, or let {}() in {} correct them before the constraint",
                words.function, words.place
            ),
            words.prove,
            words.retry,
        ],
        Kind::UndefinedObject | Kind::DuplicateObject | Kind::DependentObjects | Kind::TypeChangeBlocked => {
            object_actions(kind, trouble, names, words)
        }
        Kind::TransactionAborted | Kind::LockTimeout | Kind::StepTimeout => waiting_actions(kind, names, words),
        Kind::MigrationNeedsInput | Kind::MigrationImportFailed | Kind::MigrationFileInvalid => {
            script_actions(kind, trouble, names, words)
        }
        Kind::AlembicMissing | Kind::PythonMissing => python_actions(kind, trouble, names),
        Kind::ConfigInvalid => config_actions(trouble, names),
        Kind::AlreadyRunning => vec![
            words.status,
            "Look for another migration that is running, by hand or in a deployment".to_owned(),
            words.retry,
        ],
        Kind::WrongDatabase | Kind::PermissionDenied => access_actions(kind, trouble, names, words),
        Kind::ConnectionRefused | Kind::AuthenticationFailed | Kind::DatabaseMissing | Kind::ConnectionLost => vec![
            "Check that PostgreSQL is running: docker ps | grep postgres".to_owned(),
            format!("Verify sqlalchemy.url in {}", names.config),
            words.status,
            words.retry,
        ],
        _ => vec![
            format!("Look at {}() in {}", words.function, words.place),
            words.status,
            format!("See everything that it printed: {} --verbose", names.command("db-migrate")),
        ],
    }
}

/// Sentences and names that several kinds share.
struct Words {
    function: &'static str,
    file: String,
    place: String,
    status: String,
    retry: String,
    prove: String,
}

impl Words {
    fn new(trouble: &Trouble, names: &Names) -> Words {
        let file = trouble.file.as_deref().map_or_else(|| "the script".to_owned(), |file| names.relative(file));
        Words {
            function: trouble.function(),
            place: trouble.line.map_or_else(|| file.clone(), |line| format!("{file}:{line}")),
            file,
            status: format!("See where the database stands: {}", names.command("db-status")),
            retry: format!("Try again: {}", names.command("db-migrate")),
            prove: format!("Prove the change on a throwaway database: {}", names.command("db-roundtrip")),
        }
    }
}

fn object_actions(kind: Kind, trouble: &Trouble, names: &Names, words: Words) -> Vec<String> {
    let Words { file, place, retry, prove, .. } = words;
    match kind {
        Kind::UndefinedObject => vec![
            format!("Compare the name in {place} with the database: {}", trouble.message),
            format!(
                "If an earlier downgrade() removed it, let its upgrade() bring it back: {} -m alembic -c {} history",
                names.python, names.config
            ),
            prove,
            retry,
        ],
        Kind::DuplicateObject => vec![
            format!("Let the downgrade() in {file} drop what its upgrade() creates (an enum type outlives its table)"),
            format!("If the object was made by hand, drop it: {}", trouble.message),
            prove,
            retry,
        ],
        Kind::DependentObjects => {
            vec![format!("Drop the dependent objects first in {place}; the detail above names them"), prove, retry]
        }
        _ => vec![
            format!("In {place} drop the column's default before the type changes and set it anew after it"),
            "Say how values are turned over: postgresql_using='column::new_type' in op.alter_column".to_owned(),
            prove,
            retry,
        ],
    }
}

fn waiting_actions(kind: Kind, names: &Names, words: Words) -> Vec<String> {
    let Words { function, file, place, retry, .. } = words;
    match kind {
        Kind::TransactionAborted => vec![
            format!("Look for `except` round a statement before {place}: PostgreSQL refuses all after the first error"),
            "Ask before you act (`if_exists=True`, an inspector), or put a savepoint round the statement: \
             `with op.get_bind().begin_nested():`"
                .to_owned(),
            retry,
        ],
        Kind::LockTimeout => vec![
            "See who holds a lock: select pid, application_name, state, query from pg_stat_activity \
             where state like 'idle in transaction%' or state = 'active'"
                .to_owned(),
            "Stop the services that use the database".to_owned(),
            format!("Wait longer: {} --lock-timeout=60s", names.command("db-migrate")),
        ],
        _ => vec![
            format!(
                "See what {function}() in {file} waits for: select pid, pg_blocking_pids(pid), wait_event, query \
                 from pg_stat_activity where application_name like '%xtask%'"
            ),
            "If it opens a second connection, let it use op.get_bind(): it waits for its own lock".to_owned(),
            format!("If it only takes long: {} --step-timeout=30m", names.command("db-migrate")),
        ],
    }
}

fn script_actions(kind: Kind, trouble: &Trouble, names: &Names, words: Words) -> Vec<String> {
    let Words { file, place, status, retry, .. } = words;
    let module = trouble.module.as_deref().unwrap_or("MODULE");
    match kind {
        Kind::MigrationNeedsInput => vec![
            format!("Give the answer beforehand, if {file} offers a way (an environment variable, say)"),
            format!(
                "Or run it where somebody can answer: {} -m alembic -c {} upgrade head",
                names.python, names.config
            ),
            status,
        ],
        Kind::MigrationImportFailed => vec![
            format!("Look at {place}: the code may have moved since the script was written"),
            format!("If a package is missing: {}", names.pip(module.split('.').next().unwrap_or(module))),
            format!("If it is the project's own, try it alone: {} -c 'import {module}'", names.python),
        ],
        _ => vec![format!("Correct {place}"), format!("Check all scripts: {}", names.command("db-check")), retry],
    }
}

fn python_actions(kind: Kind, trouble: &Trouble, names: &Names) -> Vec<String> {
    let first = match kind {
        Kind::AlembicMissing => format!("Install it: {}", names.pip(trouble.module.as_deref().unwrap_or("alembic"))),
        _ => format!("See what it says itself: {} --version", names.python),
    };
    vec![
        first,
        "Or name the interpreter that has it: --python PATH or XTASK_PYTHON".to_owned(),
        "See which one is used and why: cargo xtask doctor".to_owned(),
    ]
}

fn access_actions(kind: Kind, trouble: &Trouble, names: &Names, words: Words) -> Vec<String> {
    if kind == Kind::PermissionDenied {
        return vec![
            format!("Grant what PostgreSQL names, as its owner: {}", trouble.message),
            format!("Or set sqlalchemy.url in {} to a user that may", names.config),
            words.retry,
        ];
    }
    let file = if trouble.file.is_some() { words.place } else { "env.py".to_owned() };
    vec![
        "Let env.py take its URL from config.get_main_option(\"sqlalchemy.url\")".to_owned(),
        format!("Look at {file}, and at the environment variables that env.py reads"),
        format!("See which database the component has: {}", names.command("doctor")),
    ]
}

/// The query that shows the rows which break the constraint, as far as PostgreSQL's detail tells the columns.
fn rows_query(kind: Kind, trouble: &Trouble) -> String {
    let table = trouble.table.as_deref().unwrap_or("TABLE");
    let columns = trouble.detail.as_deref().and_then(|detail| detail.split_once("Key (")?.1.split_once(")=("));
    match (kind, columns, trouble.column.as_deref()) {
        (Kind::NotNullViolation, _, Some(column)) => format!("select * from {table} where {column} is null"),
        (Kind::UniqueViolation, Some((columns, _)), _) => {
            format!("select {columns}, count(*) from {table} group by {columns} having count(*) > 1")
        }
        (Kind::ForeignKeyViolation, Some((columns, _)), _) => {
            format!("select {columns} from {table} (the detail above names the first)")
        }
        _ => format!("select * from {table}"),
    }
}

fn config_actions(trouble: &Trouble, names: &Names) -> Vec<String> {
    let look = format!("Look at {}: script_location, version_locations, sqlalchemy.url", names.config);
    let alembic = format!("See what Alembic itself says: {} -m alembic -c {} heads", names.python, names.config);
    match trouble.kind {
        TroubleKind::SeveralRuns => vec![
            "Give each database a config of its own and declare it as a component (workspace.metadata.db.components)"
                .into(),
            format!("Until then use Alembic itself: {} -m alembic -c {} upgrade head", names.python, names.config),
            format!("See what the first run has left: {}", names.command("db-status")),
        ],
        TroubleKind::NoModels => vec![
            "In env.py import the models and pass them on: context.configure(…, target_metadata=Base.metadata)".into(),
            format!(
                "Or write the migration by hand: {} --empty -m \"what it does\"",
                names.command("db-create-migration")
            ),
        ],
        TroubleKind::NotRun => vec![
            "Let env.py call context.run_migrations() whenever it is run, not only under some condition".into(),
            alembic,
            "Check the whole set-up: cargo xtask doctor".into(),
        ],
        _ => vec![look, alembic, "Check the whole set-up: cargo xtask doctor".into()],
    }
}

fn related(kind: Kind, names: &Names) -> String {
    match kind {
        Kind::AlembicMissing
        | Kind::PythonMissing
        | Kind::ConfigInvalid
        | Kind::WrongDatabase
        | Kind::ConnectionRefused => "cargo xtask doctor".to_owned(),
        Kind::MigrationFileInvalid => names.command("db-check"),
        _ => names.command("db-status"),
    }
}
