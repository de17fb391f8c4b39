//! The summary and the details of a driver's trouble.

use std::path::Path;

use super::Names;
use crate::fail::Kind;
use crate::model::values::{FOR_VERBOSE, detail_without, message_without};
use crate::sys::alembic::trouble::{Fault, Phase, Trouble, TroubleKind, place_of};

/// What happened, in a line.
pub(super) fn summary(kind: Kind, trouble: &Trouble) -> String {
    let module = trouble.module.as_deref().unwrap_or("a module");
    match kind {
        Kind::ForeignKeyViolation => "Foreign key constraint violation".into(),
        Kind::UniqueViolation => "Unique constraint violation".into(),
        Kind::NotNullViolation => "Not-null constraint violation".into(),
        Kind::CheckViolation => "Check constraint violation".into(),
        _ if trouble.is_lacking_on_server() => "The server lacks what the migration needs".into(),
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
        Kind::WrongDatabase if trouble.phase == Phase::Step => "The migration turned to another database".into(),
        Kind::WrongDatabase if trouble.is_of_module() => {
            "A module turned to another database while it was loaded".into()
        }
        Kind::WrongDatabase => "env.py turned to another database".into(),
        Kind::MigrationNeedsInput => "The migration asks a question and nobody can answer".into(),
        Kind::MigrationImportFailed => format!("Cannot import {module}"),
        Kind::MigrationFileInvalid if trouble.kind == TroubleKind::NoFunction => {
            format!("The migration has no {}()", trouble.function())
        }
        Kind::MigrationFileInvalid => "Migration file cannot be loaded".into(),
        Kind::PythonMissing => "Python did not start as it should".into(),
        Kind::AlembicMissing => format!("Python package missing: {module}"),
        Kind::AlreadyRunning if trouble.kind == TroubleKind::Moved => "The database has moved in the meantime".into(),
        Kind::AlreadyRunning => "Another migration is at work on the same database".into(),
        Kind::EnvFailed => env_summary(trouble),
        Kind::StepTimeout => "A migration does not end".into(),
        Kind::DiskFull => "The disk of the database server is full".into(),
        Kind::ReadOnlyServer => "PostgreSQL lets nothing be written here".into(),
        Kind::SqlError => sql_summary(trouble),
        Kind::ConfigInvalid => match trouble.kind {
            TroubleKind::NoModels => "env.py gives Alembic no models to compare with".into(),
            _ => "The Alembic config cannot be used".into(),
        },
        _ => raised_summary(trouble),
    }
}

/// What env.py did, or did not do.
fn env_summary(trouble: &Trouble) -> String {
    match trouble.kind {
        TroubleKind::SeveralRuns => "env.py runs the migrations more than once".into(),
        TroubleKind::NotRun => "env.py does not run the migrations".into(),
        TroubleKind::NotKept => "env.py does not commit the migrations".into(),
        TroubleKind::NoNetwork => "The network is wanted, and on the embedded server there is none".into(),
        TroubleKind::Bytes => "env.py cannot work with this database: psycopg gives it bytes instead of text".into(),
        TroubleKind::Import => format!("env.py cannot import {}", trouble.module.as_deref().unwrap_or("a module")),
        TroubleKind::Syntax => "env.py, or a module that it imports, has a syntax error".into(),
        TroubleKind::NeedsInput => "env.py asks a question and nobody can answer".into(),
        TroubleKind::Sql if trouble.fault() == Fault::Table => "Alembic cannot make or read its version table".into(),
        TroubleKind::Sql => {
            format!("A statement of env.py fails (SQLSTATE {})", trouble.sqlstate.as_deref().unwrap_or("?"))
        }
        _ => raised_summary(trouble),
    }
}

fn sql_summary(trouble: &Trouble) -> String {
    let code = trouble.sqlstate.as_deref().unwrap_or("?");
    match code {
        "22001" if trouble.is_bookkeeping() => "The revision id is too long for the version table".into(),
        "40001" | "40P01" => "Another transaction came in between".into(),
        "55P04" => "A new enum value is used in the transaction that adds it".into(),
        "57014" => "A statement was ended before it was done".into(),
        _ => format!("PostgreSQL refuses a statement (SQLSTATE {code})"),
    }
}

fn raised_summary(trouble: &Trouble) -> String {
    let place = if trouble.phase == Phase::Step { "The migration" } else { "env.py" };
    match trouble.kind {
        TroubleKind::Exit => format!("{place} ended Python (status {})", trouble.status.unwrap_or(1)),
        TroubleKind::Child => "A process that the migration forked shares its session".into(),
        TroubleKind::Ended => "The Python process is gone".into(),
        _ => format!("{place} raised {}", trouble.exception.as_deref().unwrap_or("an exception")),
    }
}

/// What exactly: revision, place, PostgreSQL's words, the object, the statement.
pub(super) fn details(trouble: &Trouble, names: &Names) -> Vec<String> {
    let mut lines = Vec::new();
    let is_of_table = trouble.fault() == Fault::Table;
    if let Some(step) = &trouble.step {
        let (revision, function) = (&step.revision, step.direction.function());
        lines.push(match trouble.phase {
            Phase::Table if trouble.is_beside_the_script() => {
                format!("Alembic was noting down that {function}() of {revision} has run")
            }
            _ => format!("Revision {revision}, {function}()"),
        });
    }
    if let Some(file) = trouble.file.as_ref().filter(|_| !is_of_table && !trouble.is_at_commit()) {
        let file = names.relative(file);
        lines.push(trouble.line.map_or_else(|| file.clone(), |line| format!("{file}:{line}")));
    }
    if let Some(wanted) = &trouble.wanted {
        lines.push(format!("It wanted {wanted}; nothing was done there"));
    } else if trouble.sqlstate.is_some() {
        lines.push(format!("PostgreSQL: {}", said(&trouble.message, trouble.sqlstate.as_deref(), names)));
    } else if !trouble.message.is_empty() {
        lines.push(trouble.message.clone());
    }
    if trouble.is_at_commit() {
        lines.push("It was checked at the end of the transaction: one of the revisions that ran in it broke it".into());
    }
    if trouble.is_left_over() {
        lines.push(
            "It is Alembic's own statement: the script has left the session or the transaction otherwise than it was \
             (search_path, role, read-only)"
                .to_owned(),
        );
    }
    lines.extend(raised_elsewhere(trouble, names).map(|place| format!("Raised in {place}")));
    let state = trouble.sqlstate.as_deref().unwrap_or_default();
    let shown =
        |detail: &String| if names.verbose { detail.clone() } else { detail_without(state, detail, FOR_VERBOSE) };
    lines.extend(trouble.detail.iter().map(|detail| format!("Detail: {}", shown(detail))));
    lines.extend(trouble.hint.iter().map(|hint| format!("Hint: {hint}")));
    lines.extend(object(trouble));
    lines.extend(trouble.raised.iter().map(|raised| format!("The script says: {raised}")));
    lines.extend(trouble.prompt.iter().filter(|prompt| !prompt.is_empty()).map(|prompt| format!("It asks: {prompt}")));
    if let Some(first) = &trouble.swallowed {
        let place = first.line.map_or_else(String::new, |line| format!(" in line {line}"));
        lines.push(format!("Swallowed before{place}: {}", said(&first.message, first.sqlstate.as_deref(), names)));
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

/// Where it was raised, if that is another file of the project than the script: a helper, a listener of env.py.
pub(super) fn raised_elsewhere(trouble: &Trouble, names: &Names) -> Option<String> {
    let root = names.project.canonicalize().ok()?;
    let is_package = |file: &Path| file.components().any(|part| part.as_os_str() == "site-packages");
    let is_own = |file: &Path| file.starts_with(&root) && !is_package(file);
    let (file, line) =
        trouble.traceback.iter().rev().filter_map(|frame| place_of(frame)).find(|(file, _)| is_own(file))?;
    let is_raised = !matches!(trouble.kind, TroubleKind::Child | TroubleKind::Moved);
    let is_elsewhere = is_raised
        && matches!(trouble.phase, Phase::Step | Phase::Env)
        && trouble.sqlstate.is_none()
        && trouble.file.as_ref() != Some(&file);
    (is_elsewhere && trouble.file.is_some()).then(|| format!("{}:{line}", names.relative(&file)))
}

fn said(message: &str, sqlstate: Option<&str>, names: &Names) -> String {
    if names.verbose { message.to_owned() } else { message_without(sqlstate.unwrap_or_default(), message, FOR_VERBOSE) }
}

fn one_line(statement: &str) -> String {
    const LONGEST: usize = 300;
    let words = statement.split_whitespace().collect::<Vec<_>>().join(" ");
    match words.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &words[..end]),
        None => words,
    }
}
