//! What helps against a driver's trouble, in the order in which to try it.

use super::Names;
use super::words::raised_elsewhere;
use crate::fail::Kind;
use crate::model::action::{Action, own};
use crate::model::sql;
use crate::model::target::Direction;
use crate::sys::alembic::trouble::{Fault, Phase, Trouble, TroubleKind};
use crate::sys::pg::Rows;

/// What to do, in order. `Words` holds what most of the sentences need.
pub(super) fn actions(kind: Kind, trouble: &Trouble, names: &Names) -> Vec<Action> {
    let words = Words::new(trouble, names);
    if trouble.is_left_over() {
        let (function, file) = (words.function, &words.file);
        let back =
            format!("Let {function}() in {file} put back at its end what it sets (SET search_path, SET ROLE, …)");
        return vec![back.into(), words.prove, words.retry];
    }
    if trouble.is_lacking_on_server() {
        let put = format!("Have it put on the server, if it belongs there: {}", trouble.message);
        let name = format!("Or correct its name in {}", words.place);
        return vec![put.into(), name.into(), words.prove, words.retry];
    }
    match kind {
        Kind::ForeignKeyViolation | Kind::UniqueViolation | Kind::NotNullViolation | Kind::CheckViolation => {
            violation_actions(trouble, names, words)
        }
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
            "Look for another migration that is running, by hand or in a deployment, and let it end".into(),
            words.status,
            words.retry,
        ],
        Kind::EnvFailed => env_actions(trouble, names, words),
        Kind::WrongDatabase | Kind::PermissionDenied => access_actions(kind, trouble, names, words),
        Kind::ConnectionRefused | Kind::AuthenticationFailed | Kind::DatabaseMissing | Kind::ConnectionLost => vec![
            "Check PostgreSQL is running: docker ps | grep postgres".into(),
            format!("Verify sqlalchemy.url in {}", names.config).into(),
            words.status,
            words.retry,
        ],
        Kind::DiskFull => vec![
            "Make room on the disk of the database server; what was begun is undone by PostgreSQL".into(),
            "Or, where a throwaway database on the embedded server has filled the memory: set XTASK_MEMORY=0, and it lies on the disk".into(),
            words.status,
            words.retry,
        ],
        Kind::SqlError => sql_actions(trouble, names, words),
        _ if trouble.kind == TroubleKind::Child => vec![
            format!(
                "Let the child process that {}() in {} forks end itself: os._exit(0), in a `finally`, and open a \
                 session of its own: on that of its parent it takes the parent's answers, or closes it",
                words.function, words.file
            )
            .into(),
            words.prove,
            words.retry,
        ],
        _ => other_actions(trouble, names, words),
    }
}

/// Sentences and names that several kinds share.
struct Words {
    function: &'static str,
    file: String,
    place: String,
    status: Action,
    retry: Action,
    prove: Action,
}

impl Words {
    fn new(trouble: &Trouble, names: &Names) -> Words {
        let file = trouble.file.as_deref().map_or_else(|| "the script".to_owned(), |file| names.relative(file));
        let is_down = trouble.step.as_ref().is_some_and(|step| step.direction == Direction::Down);
        Words {
            function: trouble.function(),
            place: trouble.line.map_or_else(|| file.clone(), |line| format!("{file}:{line}")),
            file,
            status: Action::run("See where the database stands", names.own("db-status")),
            // How far down was asked for is not known here.
            retry: match is_down {
                true => "Then repeat this command".into(),
                false => Action::run("Try again", names.own("db-migrate")),
            },
            prove: Action::run("Prove the change on a throwaway database", names.own("db-roundtrip")),
        }
    }
}

fn violation_actions(trouble: &Trouble, names: &Names, words: Words) -> Vec<Action> {
    let Words { function, place, prove, retry, status, .. } = words;
    if trouble.is_bookkeeping() {
        return vec!["Look for another migration that runs at the same moment".into(), status, retry];
    }
    if trouble.is_about_catalog() {
        let twice = "Another session made the same object at the same moment: let one migration run at a time";
        return vec![twice.into(), status, retry];
    }
    let found = match names.rows {
        Some(Rows::Listed(query)) => Some(format!("Find the rows in the way, in SQL: {query}")),
        Some(Rows::None) => Some("No such row is in the database now: the migration writes it itself".to_owned()),
        None => None,
    };
    let adds = trouble.statement.as_ref().is_some_and(|statement| {
        let adds = |it: &sql::Statement| it.actions.iter().any(|action| action.is_required);
        sql::statements(statement).iter().any(adds)
    });
    let correct = match trouble.is_at_commit() {
        _ if adds && trouble.sqlstate.as_deref() == Some("23502") => format!(
            "Give the rows that are there a value in {place}: server_default=…, or add the column nullable, fill it, and \
             then nullable=False by op.alter_column"
        ),
        true => "Correct the rows, or let the revision that writes them correct them".to_owned(),
        false => format!("Correct the rows, or let {function}() in {place} correct them before the constraint"),
    };
    found.into_iter().map(Action::from).chain([correct.into(), prove, retry]).collect()
}

fn sql_actions(trouble: &Trouble, names: &Names, words: Words) -> Vec<Action> {
    let Words { function, place, status, retry, prove, .. } = words;
    match trouble.sqlstate.as_deref().unwrap_or_default() {
        "22001" if trouble.is_bookkeeping() => vec![
            "Give the revision an id of at most 32 characters, in its script and where others name it".into(),
            "Or let env.py widen the column version_num before the migration".into(),
            retry,
        ],
        "55006" if trouble.message.contains("pending trigger events") => vec![
            format!(
                "Let {function}() in {place} begin with op.execute(\"SET CONSTRAINTS ALL IMMEDIATE\"): rows that were \
                 written before it in the same transaction wait for a deferred check"
            )
            .into(),
            "Or run each revision in a transaction of its own: transaction_per_migration=True in env.py".into(),
            prove,
            retry,
        ],
        "40001" | "40P01" => vec!["Stop what else writes to these tables".into(), status, retry],
        "55P04" => vec![
            "Where the value is added (ALTER TYPE … ADD VALUE), do it in `with op.get_context().autocommit_block():`"
                .into(),
            "Or let a later revision use it, with transaction_per_migration=True in env.py".into(),
            prove,
            retry,
        ],
        "57014" if trouble.message.contains("statement timeout") => vec![
            "env.py or the script sets a statement_timeout (those of the role and the database do not reach it)".into(),
            match trouble.phase {
                Phase::Step => {
                    format!("Let {function}() in {place} begin with op.execute(\"set local statement_timeout = 0\")")
                        .into()
                }
                _ => "Let env.py set it to 0 before the migrations, or not at all".into(),
            },
            retry,
        ],
        "57014" => vec!["Ask who cancelled it: an administrator, or a program that watches".into(), status, retry],
        _ => vec![
            format!("Look at {function}() in {place}").into(),
            status,
            Action::run("See everything that it printed", names.own("db-migrate").word("--verbose")),
        ],
    }
}

fn other_actions(trouble: &Trouble, names: &Names, words: Words) -> Vec<Action> {
    let look = match trouble.message.contains("A value is required for bind parameter") {
        true => format!(
            "In {}, a colon before a word is a parameter to SQLAlchemy: where it is none, as in JSON, write it with two \
             backslashes before it (\\\\:), or execute by op.get_bind().exec_driver_sql(…)",
            words.place
        ),
        false => format!("Look at {}() in {}", words.function, words.place),
    };
    vec![
        look.into(),
        words.status,
        Action::run("See everything that it printed", names.own("db-migrate").word("--verbose")),
    ]
}

fn object_actions(kind: Kind, trouble: &Trouble, names: &Names, words: Words) -> Vec<Action> {
    let Words { file, place, retry, prove, .. } = words;
    match kind {
        Kind::UndefinedObject => {
            let is_first =
                trouble.heads.is_empty() && trouble.step.as_ref().is_some_and(|it| it.direction == Direction::Up);
            let second = match is_first {
                true => Action::run(
                    "Perhaps the history begins with tables that were made otherwise (create_all): make them, and say to \
                     Alembic where they stand",
                    names.alembic(["stamp", "REVISION"]),
                ),
                false => Action::run(
                    "If an earlier downgrade() removed it, let its upgrade() bring it back; the order of the revisions",
                    names.alembic(["history"]),
                ),
            };
            vec![
                format!("Compare the name in {place} with the database: {}", trouble.message).into(),
                second,
                prove,
                retry,
            ]
        }
        Kind::DuplicateObject => duplicate_actions(trouble, names, &file, prove, retry),
        Kind::DependentObjects => {
            let first = format!("Drop the dependent objects first in {place}; the detail above names them");
            vec![first.into(), prove, retry]
        }
        _ => {
            let default = "drop the column's default before the type changes and set it anew after it";
            let using = "say how values are turned over: postgresql_using='column::new_type' in op.alter_column";
            let what = if trouble.message.starts_with("default ") { default } else { using };
            vec![format!("In {place} {what}").into(), prove, retry]
        }
    }
}

/// What is there already was left behind by a downgrade, or was made by something else than Alembic: then it holds what
/// somebody needs, and Alembic has only to be told of it.
fn duplicate_actions(trouble: &Trouble, names: &Names, file: &str, prove: Action, retry: Action) -> Vec<Action> {
    let forgets = format!(
        "If downgrade() in {file} left it behind, let it drop what upgrade() makes (a type outlives its table)"
    );
    let mut actions: Vec<Action> = vec![forgets.into()];
    if let Some(step) = trouble.step.as_ref().filter(|step| step.direction == Direction::Up) {
        let why = "If the database had all that this revision makes before Alembic came, say so to Alembic";
        actions.push(Action::run(why, names.alembic(["stamp", step.revision.as_str()])));
        actions.push("Or migrate a fresh database, and take the rows over".into());
    }
    actions.extend([prove, retry]);
    actions
}

fn waiting_actions(kind: Kind, names: &Names, words: Words) -> Vec<Action> {
    let Words { function, file, place, retry, .. } = words;
    match kind {
        Kind::TransactionAborted => vec![
            format!("Look for `except` round a statement before {place}: PostgreSQL refuses all after the first error")
                .into(),
            "Ask before you act (`if_exists=True`, an inspector), or put a savepoint round the statement: \
             `with op.get_bind().begin_nested():`"
                .into(),
            retry,
        ],
        Kind::LockTimeout => vec![
            "See in SQL who holds a lock: select pid, application_name, state, query from pg_stat_activity \
             where state like 'idle in transaction%' or state = 'active'"
                .into(),
            "Stop the services that use the database".into(),
            Action::run("Wait longer", names.own("db-migrate").flag("--lock-timeout", "60s")),
        ],
        _ => vec![
            format!(
                "See in SQL what {function}() in {file} waits for: select pid, pg_blocking_pids(pid), wait_event, \
                 query from pg_stat_activity where application_name like '%xtask%'"
            )
            .into(),
            "If it opens a second connection, let it use op.get_bind(): it waits for its own lock".into(),
            Action::run("If it only takes long", names.own("db-migrate").flag("--step-timeout", "30m")),
        ],
    }
}

fn script_actions(kind: Kind, trouble: &Trouble, names: &Names, words: Words) -> Vec<Action> {
    let Words { file, place, status, retry, .. } = words;
    match kind {
        Kind::MigrationNeedsInput => vec![
            format!("Give the answer beforehand, if {file} offers a way (an environment variable, say)").into(),
            Action::run("Or run it where somebody can answer", names.alembic(["upgrade", "head"])),
            status,
        ],
        Kind::MigrationImportFailed => import_actions(&place, trouble, names),
        _ => vec![format!("Correct {place}").into(), Action::run("Check all scripts", names.own("db-check")), retry],
    }
}

/// A module that is in no package's list is the project's own, or is called otherwise in the index: which package has
/// it is not known here, so none is proposed.
fn import_actions(place: &str, trouble: &Trouble, names: &Names) -> Vec<Action> {
    let mut actions = vec![format!("Look at {place}: the code may have moved since the script was written").into()];
    let Some(module) = trouble.module.as_deref() else { return actions };
    if GONE.contains(&module.split('.').next().unwrap_or(module)) {
        let gone = format!("`{module}` is no longer a part of Python: write it without, or use an older Python");
        actions.push(gone.into());
    } else if module == "greenlet" {
        actions.push(Action::run("Install it: SQLAlchemy's asyncio is made with it", names.pip("greenlet")));
    } else {
        actions.push(format!("If {module} is in a package that is missing, install that package").into());
    }
    actions.push(Action::run("Try the import alone", names.python().words(["-c", &format!("import {module}")])));
    actions
}

/// What was once in the standard library: no package of the index is meant by these names.
const GONE: &[&str] = &["asynchat", "asyncore", "cgi", "cgitb", "crypt", "distutils", "imp", "pipes", "telnetlib"];

fn python_actions(kind: Kind, trouble: &Trouble, names: &Names) -> Vec<Action> {
    let first = match kind {
        Kind::AlembicMissing => Action::run("Install it", names.pip(trouble.module.as_deref().unwrap_or("alembic"))),
        _ => Action::run("See what it says itself", names.python().word("--version")),
    };
    vec![
        first,
        "Or name the interpreter that has it: --python PATH or XTASK_PYTHON".into(),
        Action::run("See which one is used and why", own("doctor")),
    ]
}

fn access_actions(kind: Kind, trouble: &Trouble, names: &Names, words: Words) -> Vec<Action> {
    if kind == Kind::PermissionDenied {
        return vec![
            format!("Grant what PostgreSQL names, as its owner: {}", trouble.message).into(),
            format!("Or set sqlalchemy.url in {} to a user that may", names.config).into(),
            words.retry,
        ];
    }
    if trouble.phase == Phase::Step {
        return vec![
            format!("Let {} work on op.get_bind(), the connection that the migration is given", words.place).into(),
            "Or take what it needs from there into the migration, and copy rows between databases by other means"
                .into(),
            Action::run("See which database the component has", own("doctor")),
        ];
    }
    if trouble.is_of_module() {
        return vec![
            format!("Let {} connect to nothing while it is loaded; a migration works on op.get_bind()", words.place)
                .into(),
            "Where env.py needs it: let it take its URL from config.get_main_option(\"sqlalchemy.url\")".into(),
            Action::run("See which database the component has", own("doctor")),
        ];
    }
    let file = if trouble.file.is_some() { words.place } else { "env.py".to_owned() };
    vec![
        "Let env.py take its URL from config.get_main_option(\"sqlalchemy.url\")".into(),
        format!("Look at {file}, and at the environment variables that env.py reads").into(),
        Action::run("See which database the component has", own("doctor")),
    ]
}

/// What helps where env.py is at fault.
fn env_actions(trouble: &Trouble, names: &Names, words: Words) -> Vec<Action> {
    let alembic = Action::run("See what Alembic itself says", names.alembic(["current"]));
    let doctor = Action::run("Check the whole set-up", own("doctor"));
    let place = if trouble.file.is_some() { words.place } else { "env.py".to_owned() };
    match trouble.kind {
        TroubleKind::SeveralRuns => vec![
            "Give each database a config of its own and declare it as a component (workspace.metadata.db.components)"
                .into(),
            Action::run("Until then use Alembic itself", names.alembic(["upgrade", "head"])),
            Action::run("See what the first run has left", names.own("db-status")),
        ],
        TroubleKind::NotRun => vec![
            "Let env.py call context.run_migrations() whenever it is run, not only under some condition".into(),
            alembic,
            doctor,
        ],
        TroubleKind::NotKept => vec![
            format!("Let env.py commit what it does before context.configure(): connection.commit() after {place}")
                .into(),
            "Or let it begin the transaction itself: with engine.begin() as connection".into(),
            words.status,
        ],
        TroubleKind::NoNetwork => vec![
            format!("Look at {place}: what it asks for over the network has no place in a migration").into(),
            "Or let the driver have the network: set XTASK_NETWORK=on and repeat the command".into(),
            doctor,
        ],
        TroubleKind::Bytes => vec![
            format!("Say the encoding in the URL of {}: ?client_encoding=utf8", names.config).into(),
            alembic,
            words.retry,
        ],
        TroubleKind::Sql if trouble.fault() == Fault::Table => vec![
            format!("Make what it lacks before the first migration, by hand or in env.py: {}", trouble.message).into(),
            alembic,
            doctor,
        ],
        TroubleKind::Import => import_actions(&place, trouble, names).into_iter().chain([doctor]).collect(),
        _ => {
            let place = raised_elsewhere(trouble, names).unwrap_or(place);
            vec![format!("Look at {place}").into(), alembic, doctor]
        }
    }
}

fn config_actions(trouble: &Trouble, names: &Names) -> Vec<Action> {
    let look = format!("Look at {}: script_location, version_locations, sqlalchemy.url", names.config);
    let alembic = Action::run("See what Alembic itself says", names.alembic(["heads"]));
    let doctor = Action::run("Check the whole set-up", own("doctor"));
    match trouble.kind {
        TroubleKind::NoModels => vec![
            "In env.py import the models and pass them on: context.configure(…, target_metadata=Base.metadata)".into(),
            Action::run(
                "Or write the migration by hand",
                names.own("db-create-migration").words(["--empty", "-m", "what it does"]),
            ),
        ],
        _ => vec![look.into(), alembic, doctor],
    }
}
