//! What helps against a driver's trouble: numbered lines that can be pasted, in the order in which to try them.

use super::Names;
use crate::fail::Kind;
use crate::sys::alembic::trouble::{Trouble, TroubleKind};

/// What to do, in order. `Words` holds what most of the sentences need.
pub(super) fn actions(kind: Kind, trouble: &Trouble, names: &Names) -> Vec<String> {
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
            "Look for another migration that is running, by hand or in a deployment, and let it end".to_owned(),
            words.status,
            words.retry,
        ],
        Kind::EnvFailed => env_actions(trouble, names, words),
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

fn env_actions(trouble: &Trouble, names: &Names, words: Words) -> Vec<String> {
    let alembic = format!("See what Alembic itself says: {} -m alembic -c {} current", names.python, names.config);
    let doctor = "Check the whole set-up: cargo xtask doctor".to_owned();
    let place = if trouble.file.is_some() { words.place } else { "env.py".to_owned() };
    match trouble.kind {
        TroubleKind::SeveralRuns => vec![
            "Give each database a config of its own and declare it as a component (workspace.metadata.db.components)"
                .into(),
            format!("Until then use Alembic itself: {} -m alembic -c {} upgrade head", names.python, names.config),
            format!("See what the first run has left: {}", names.command("db-status")),
        ],
        TroubleKind::NotRun => vec![
            "Let env.py call context.run_migrations() whenever it is run, not only under some condition".into(),
            alembic,
            doctor,
        ],
        TroubleKind::NotKept => vec![
            format!("Let env.py commit what it does before context.configure(): connection.commit() after {place}"),
            "Or begin the transaction there, so that it is committed in the end: with engine.begin() as connection"
                .into(),
            words.status,
        ],
        TroubleKind::Bytes => vec![
            format!("Say the encoding in the URL of {}: ?client_encoding=utf8", names.config),
            alembic,
            words.retry,
        ],
        TroubleKind::Import => {
            let module = trouble.module.as_deref().unwrap_or("MODULE");
            vec![
                format!("If a package is missing: {}", names.pip(module.split('.').next().unwrap_or(module))),
                format!("If it is the project's own, try it alone: {} -c 'import {module}'", names.python),
                doctor,
            ]
        }
        _ => vec![format!("Look at {place}"), alembic, doctor],
    }
}

fn config_actions(trouble: &Trouble, names: &Names) -> Vec<String> {
    let look = format!("Look at {}: script_location, version_locations, sqlalchemy.url", names.config);
    let alembic = format!("See what Alembic itself says: {} -m alembic -c {} heads", names.python, names.config);
    match trouble.kind {
        TroubleKind::NoModels => vec![
            "In env.py import the models and pass them on: context.configure(…, target_metadata=Base.metadata)".into(),
            format!(
                "Or write the migration by hand: {} --empty -m \"what it does\"",
                names.command("db-create-migration")
            ),
        ],
        _ => vec![look, alembic, "Check the whole set-up: cargo xtask doctor".into()],
    }
}
