//! Every kind of error, made to happen for real: what the driver reads from it, and what a person is told.

use std::time::Duration;

use xtask::fail::{self, Fail, Kind};
use xtask::model::target::Step;
use xtask::model::url::Secret;
use xtask::sys::alembic::{Driver, Fault, Names, Phase, Trouble, TroubleKind};

use super::{DROP, Driven, LIMIT, TABLE, trouble, ui};
use crate::support::pasted::actions;
use crate::support::pg::cluster;
use crate::support::project::{ASYNC, SYNC, path};
use crate::support::scene::Scene;

const DRIVERS: [&str; 4] = ["asyncpg", "psycopg", "psycopg2", "pg8000"];

pub fn fail(bench: &Scene, trouble: &Trouble) -> Fail {
    let names = Names {
        component: "manager",
        config: "alembic.ini",
        python: "./py",
        rows: None,
        verbose: false,
        project: bench.root(),
    };
    let fail = trouble.to_fail(&names);
    assert!((3..=5).contains(&actions(&fail).len()), "{fail:?}");
    assert!(fail.related.is_some());
    fail
}

/// What a statement must come to: revision, statement, kind, SQLSTATE, and what PostgreSQL names.
struct Case(&'static str, &'static str, Kind, &'static str, &'static str);

const CASES: &[Case] = &[
    Case("fk", "insert into child values (7)", Kind::ForeignKeyViolation, "23503", "child child_parent_fkey"),
    Case("uq", "insert into parent values (1, 1), (1, 1)", Kind::UniqueViolation, "23505", "parent parent_pkey"),
    Case("nn", "insert into parent values (2, null)", Kind::NotNullViolation, "23502", "parent n"),
    Case("ck", "insert into parent values (3, -1)", Kind::CheckViolation, "23514", "parent parent_n_check"),
    Case("nt", "select * from nowhere", Kind::UndefinedObject, "42P01", ""),
    Case("nc", "select nothing from parent", Kind::UndefinedObject, "42703", ""),
    Case("no", "drop type nothing", Kind::UndefinedObject, "42704", ""),
    Case("nf", "select nothing()", Kind::UndefinedObject, "42883", ""),
    Case("ns", "create table nowhere.t ()", Kind::UndefinedObject, "3F000", ""),
    Case("dt", "create table parent ()", Kind::DuplicateObject, "42P07", ""),
    Case("dc", "alter table parent add column n int", Kind::DuplicateObject, "42701", ""),
    Case("do", "create type mood as enum ()", Kind::DuplicateObject, "42710", ""),
    Case("df", "create function f() returns int language sql as 'select 1'", Kind::DuplicateObject, "42723", ""),
    Case("ds", "create schema public", Kind::DuplicateObject, "42P06", ""),
    Case("dep", "drop table parent", Kind::DependentObjects, "2BP01", ""),
    Case("ty", "alter table parent alter column n type date", Kind::TypeChangeBlocked, "42804", ""),
    Case("dz", "select 1 / 0", Kind::SqlError, "22012", ""),
    Case("pg", "select pg_terminate_backend(pg_backend_pid())", Kind::ConnectionLost, "57P01", ""),
];

const SCHEMA: &str = "
    create table parent (id int primary key, n int not null check (n >= 0));
    create table child (parent int constraint child_parent_fkey references parent);
    create type mood as enum ();
    create function f() returns int language sql as 'select 1';
";

#[test]
fn postgres_is_understood_on_every_driver() {
    for name in DRIVERS {
        let mut bench = Scene::on(name);
        cluster().client(&bench.database).batch_execute(SCHEMA).unwrap();
        for Case(id, statement, ..) in CASES {
            bench = bench.revision(id, "", &format!("x = 1\nop.execute(\"{statement}\")"), "pass");
        }
        let mut driver = bench.driver();
        for Case(id, _, kind, sqlstate, objects) in CASES {
            let found = trouble(driver.step(&Step::up(*id), LIMIT));
            let at = format!("{name}, {id}: {found:?}");
            let fail = fail(&bench, &found);
            assert_eq!(fail.kind, *kind, "{at}");
            if *kind != Kind::ConnectionLost {
                assert_eq!(found.sqlstate.as_deref(), Some(*sqlstate), "{at}");
                assert!(found.statement.is_some(), "{at}");
                assert!(!found.message.is_empty() && !found.message.contains("[SQL"), "{at}");
            }
            let named = [found.table, found.column, found.constraint].map(Option::unwrap_or_default).join(" ");
            assert_eq!(named.split_whitespace().collect::<Vec<_>>().join(" "), *objects, "{at}");
            assert_eq!((found.phase, found.line), (Phase::Step, Some(8)), "{at}");
            assert_eq!(fail.file.as_deref(), Some(format!("migrations/versions/{id}.py").as_str()), "{at}");
            assert_eq!(fail.revision.as_deref(), Some(*id), "{at}");
        }
    }
}

#[test]
fn a_foreign_key_violation_as_a_person_reads_it() {
    let bench = Scene::on("asyncpg").revision("a", "", "op.execute('insert into child values (7)')", "pass");
    cluster().client(&bench.database).batch_execute(SCHEMA).unwrap();
    let fail = fail(&bench, &bench.trouble());
    assert_eq!(fail.summary, "Foreign key constraint violation");
    expect_test::expect![[r#"
        Revision a, upgrade()
        migrations/versions/a.py:7
        PostgreSQL: insert or update on table "child" violates foreign key constraint "child_parent_fkey"
        Detail: Key (parent) is not present in table "parent" (its values: --verbose)
        Concerns constraint child_parent_fkey of table public.child
        Statement: insert into child values (7)"#]]
    .assert_eq(&fail.details);
}

#[test]
fn a_constraint_that_is_checked_at_commit() {
    for name in DRIVERS {
        let body = "
op.execute('create table p (id int primary key)')
op.execute('create table c (p int references p deferrable initially deferred)')
op.execute('insert into c values (1)')
";
        let bench = Scene::on(name).revision("a", "", body, "pass");
        let found = trouble(bench.driver().step(&Step::up("a"), LIMIT));
        assert_eq!(found.sqlstate.as_deref(), Some("23503"), "{name}: {found:?}");
        assert_eq!((found.step, found.line), (Some(Step::up("a")), None), "{name}");
        assert!(found.file.unwrap().ends_with("a.py"));
    }
}

#[test]
fn an_error_that_was_swallowed_is_found_behind_25p02() {
    for name in DRIVERS {
        let body = "
try:
    op.execute('drop table nowhere')
except Exception:
    pass
op.execute('select 1')
";
        let bench = Scene::on(name).revision("a", "", body, "pass");
        let found = bench.trouble();
        assert_eq!((found.sqlstate.as_deref(), found.line), (Some("25P02"), Some(11)), "{name}");
        let first = found.swallowed.clone().unwrap();
        assert_eq!((first.sqlstate.as_deref(), first.line), (Some("42P01"), Some(8)), "{name}");
        assert!(fail(&bench, &found).details.contains("Swallowed before in line 8: table \"nowhere\" does not exist"));
    }
}

#[test]
fn a_lock_that_another_session_holds() {
    for name in DRIVERS {
        let bench = Scene::on(name).revision("a", "", "op.execute('alter table parent add column x int')", "pass");
        let mut holder = cluster().client(&bench.database);
        holder.batch_execute(SCHEMA).unwrap();
        holder.batch_execute("begin; lock table parent").unwrap();
        let mut launch = bench.launch();
        launch.lock_timeout = Some(Duration::from_millis(100));
        let found = trouble(Driver::start(&ui(), &launch).unwrap().step(&Step::up("a"), LIMIT));
        assert_eq!(fail(&bench, &found).kind, Kind::LockTimeout, "{name}: {found:?}");
    }
}

#[test]
fn nobody_listens_or_no_such_database_or_no_such_user() {
    for name in DRIVERS {
        let bench = Scene::on(name).revision("a", "", TABLE, DROP);
        let url = cluster().url(name, "not_there");
        let mut launch = bench.launch();
        launch.database.expect.database = "not_there".to_owned();
        launch.database.url = Some(Secret::new(&url));
        let missing = trouble(Driver::start(&ui(), &launch).unwrap().step(&Step::up("a"), LIMIT));
        assert_eq!(fail(&bench, &missing).kind, Kind::DatabaseMissing, "{name}: {missing:?}");

        let socket = cluster().socket_dir.display().to_string();
        launch.database.expect.servers[0].0 = "/nonexistent".to_owned();
        launch.database.url = Some(Secret::new(url.replace(&socket, "/nonexistent")));
        let refused = trouble(Driver::start(&ui(), &launch).unwrap().step(&Step::up("a"), LIMIT));
        assert_eq!(fail(&bench, &refused).kind, Kind::ConnectionRefused, "{name}: {refused:?}");

        let mut launch = bench.launch();
        launch.database.url = Some(Secret::new(cluster().url(name, &bench.database).replace("postgres@", "nobody@")));
        let user = trouble(Driver::start(&ui(), &launch).unwrap().step(&Step::up("a"), LIMIT));
        assert_eq!(fail(&bench, &user).kind, Kind::AuthenticationFailed, "{name}: {user:?}");
    }
}

#[test]
fn a_script_that_asks() {
    let asks = ["input('Really? ')", "import getpass; getpass.getpass('Really? ')", "breakpoint()"];
    let mut bench = Scene::on("psycopg");
    for (number, body) in asks.iter().enumerate() {
        bench = bench.revision(&format!("r{number}"), "", body, "pass");
    }
    let mut driver = bench.driver();
    for (number, prompt) in ["Really? ", "Really? ", "breakpoint()"].iter().enumerate() {
        let found = trouble(driver.step(&Step::up(format!("r{number}")), LIMIT));
        assert_eq!((found.kind, found.prompt.as_deref()), (TroubleKind::NeedsInput, Some(*prompt)));
        assert_eq!(found.line, Some(7));
        assert_eq!(fail(&bench, &found).kind, Kind::MigrationNeedsInput);
    }
}

#[test]
fn a_script_that_copes_without_an_answer_goes_through() {
    let body = "
import sys
assert sys.stdin.readline() == ''
try:
    input()
except EOFError:
    pass
";
    Scene::on("psycopg").revision("a", "", body, "pass").migrate(&[Step::up("a")]).unwrap();
}

#[test]
fn python_exceptions() {
    let bench = Scene::on("asyncpg")
        .revision("a", "", "raise NotImplementedError('one way')", "pass")
        .revision("b", "", "def inner():\n    return {}['key']\ninner()", "pass")
        .revision("c", "", "import app.gone", "pass")
        .revision("d", "", "raise SystemExit(3)", "pass")
        .revision("e", "", "raise KeyboardInterrupt", "pass")
        .revision(
            "f",
            "",
            "try:\n    op.execute('select 1 / 0')\nexcept Exception as e:\n    raise ValueError('rows!') from e",
            "pass",
        )
        .revision("g", "", "op.drop_constraint(None, 't')", "pass")
        .revision("h", "", "open('missing.csv')", "pass");
    let mut driver = bench.driver();
    let mut run = |id: &str| {
        let found = trouble(driver.step(&Step::up(id), LIMIT));
        let fail = fail(&bench, &found);
        (found, fail)
    };
    let (found, fail) = run("a");
    assert!(found.is_declared(), "{found:?}");
    assert_eq!(fail.summary, "The migration raised NotImplementedError");
    let (found, fail) = run("b");
    assert_eq!((found.kind, found.line, fail.kind), (TroubleKind::Raised, Some(8), Kind::MigrationRaised));
    assert!(found.traceback.last().unwrap().ends_with("a.py:8 in inner".replace('a', "b").as_str()), "{found:?}");
    let (found, fail) = run("c");
    assert_eq!((found.line, found.module.as_deref()), (Some(7), Some("app")));
    assert_eq!(fail.kind, Kind::MigrationImportFailed);
    let (found, _) = run("d");
    assert_eq!((found.kind, found.status), (TroubleKind::Exit, Some(3)));
    assert_eq!(run("e").0.exception.as_deref(), Some("KeyboardInterrupt"));
    let (found, fail) = run("f");
    assert_eq!(
        (found.sqlstate.as_deref(), found.raised.as_deref(), found.line),
        (Some("22012"), Some("rows!"), Some(10))
    );
    assert!(fail.details.contains("The script says: rows!"));
    assert_eq!(run("g").0.kind, TroubleKind::Raised);
    assert_eq!(run("h").1.kind, Kind::MigrationRaised);
}

#[test]
fn a_script_without_a_downgrade() {
    let bench = Scene::on("psycopg").revision("a", "", TABLE, DROP);
    let path = bench.path(&path("a"));
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.split("def downgrade").next().unwrap()).unwrap();
    let mut driver = bench.driver();
    driver.step(&Step::up("a"), LIMIT).unwrap();
    let found = trouble(driver.step(&Step::down("a"), LIMIT));
    assert!(found.is_declared(), "{found:?}");
    let fail = fail(&bench, &found);
    assert_eq!((fail.kind, fail.summary.as_str()), (Kind::MigrationFileInvalid, "The migration has no downgrade()"));
    assert_eq!(bench.versions(), ["a"]);
}

#[test]
fn a_process_that_goes_away() {
    let bench = Scene::on("psycopg").revision("a", "", "import os; print('last words'); os._exit(7)", "pass");
    let found = bench.trouble();
    assert_eq!((found.kind, found.step.clone()), (TroubleKind::Ended, Some(Step::up("a"))));
    let fail = fail(&bench, &found);
    assert!(fail.details.contains("exit status: 7") && fail.details.contains("last words"), "{fail:?}");
    assert!(!bench.has_table("alembic_version"));
}

#[test]
fn scripts_that_cannot_be_loaded() {
    let load = |text: &str| {
        let bench = Scene::on("psycopg").revision("a", "", "pass", "pass").file("migrations/versions/b.py", text);
        let found = trouble(bench.driver().ready());
        let fail = fail(&bench, &found);
        assert_eq!(fail.file.as_deref(), Some("migrations/versions/b.py"), "{found:?}");
        (found, fail)
    };
    let (found, fail) = load("\nrevision = 'b'\nimport gone.away\n");
    assert_eq!((fail.kind, found.line, found.module.as_deref()), (Kind::MigrationImportFailed, Some(3), Some("gone")));
    let (found, fail) = load("\nrevision = 'b'\ndef upgrade(:\n    pass\n");
    assert_eq!((fail.kind, found.line), (Kind::MigrationFileInvalid, Some(3)));
    let (found, fail) = load("revision = 'b'\n\n\n1 / 0\n");
    assert_eq!((fail.kind, found.line), (Kind::MigrationFileInvalid, Some(4)));
}

#[test]
fn an_env_py_that_fails() {
    let with_env = |env: &str| {
        let bench = Scene::on("asyncpg").env(env).revision("a", "", TABLE, DROP);
        let found = bench.trouble();
        let fail = fail(&bench, &found);
        (found, fail)
    };
    let (found, fail) = with_env(&format!("import app.models\n{ASYNC}"));
    assert_eq!((fail.kind, fail.file.as_deref()), (Kind::EnvFailed, Some("migrations/env.py")));
    assert_eq!(fail.summary, "env.py cannot import app");
    assert_eq!((found.phase, found.line, found.step), (Phase::Env, Some(1), None));
    let (found, fail) = with_env(&format!("{}raise ValueError('after')\n", ASYNC));
    assert_eq!((fail.kind, fail.summary.as_str()), (Kind::EnvFailed, "env.py raised ValueError"));
    assert_eq!(found.phase, Phase::Env);
    for env in ["x = 1\n", "def f(:\n", "input('Which database?')", "raise SystemExit(0)", "import os; os._exit(0)"] {
        let (found, fail) = with_env(env);
        assert_eq!((found.fault(), fail.kind), (Fault::Env, Kind::EnvFailed), "{env}: {found:?}");
    }
    let (found, fail) = with_env("import sqlalchemy; sqlalchemy.create_engine('postgresql+nothing://')");
    assert_eq!((found.fault(), fail.kind), (Fault::Env, Kind::ConfigInvalid), "{found:?}");
}

#[test]
fn an_env_py_that_fails_behind_a_walk_spoils_no_answer() {
    let bench = Scene::on("asyncpg").env(&format!("{ASYNC}raise ValueError('after')\n")).revision("a", "", TABLE, DROP);
    let mut driver = bench.driver();
    driver.step(&Step::up("a"), LIMIT).unwrap();
    assert_eq!(trouble(driver.release()).exception.as_deref(), Some("ValueError"));
    assert_eq!(driver.heads().unwrap(), ["a"]);
    assert_eq!(driver.step(&Step::down("a"), LIMIT).unwrap().heads, [""; 0]);
}

#[test]
fn configs_that_cannot_be_used() {
    for ini in
        ["[alembic]\nscript_location = nowhere\n", "[other]\n", "[alembic]\nscript_location = %(no)s\n", "no section\n"]
    {
        let bench = Scene::on("psycopg").file("alembic.ini", ini);
        let found = trouble(bench.driver().ready());
        assert_eq!(fail(&bench, &found).kind, Kind::ConfigInvalid, "{ini}: {found:?}");
    }
}

#[test]
fn packages_that_are_not_installed() {
    let bench = Scene::on("asyncpg").revision("a", "", TABLE, DROP);
    let without = |package: &str| {
        let folder = bench.path(&format!("without-{package}"));
        let text = format!("raise ModuleNotFoundError(\"No module named '{package}'\", name='{package}')\n");
        bench.write(&format!("without-{package}/{package}/__init__.py"), &text);
        let mut launch = bench.launch();
        launch.env.push(("PYTHONPATH".to_owned(), folder.display().to_string()));
        let found = trouble(Driver::start(&ui(), &launch).unwrap().step(&Step::up("a"), LIMIT));
        let fail = fail(&bench, &found);
        assert_eq!(fail.kind, Kind::AlembicMissing, "{found:?}");
        assert_eq!(fail.summary, format!("Python package missing: {package}"));
    };
    without("alembic");
    without("sqlalchemy");
    without("asyncpg");
}

#[test]
fn a_python_that_is_none() {
    let bench = Scene::on("psycopg");
    let mut launch = bench.launch();
    launch.python = "/nonexistent/python".into();
    let error = Driver::start(&ui(), &launch).err().unwrap();
    assert_eq!(fail::from_anyhow(&error).kind, Kind::PythonMissing);
    launch.python = "/bin/false".into();
    let found = trouble(Driver::start(&ui(), &launch).unwrap().ready());
    assert_eq!((found.kind, fail(&bench, &found).kind), (TroubleKind::Ended, Kind::PythonMissing));
}

#[test]
fn no_password_anywhere() {
    let url = "postgresql+psycopg://app:hidden%40word@localhost/db";
    let body = format!("print('{url}', flush=True)\nraise ValueError('{url} and hidden@word, password=hidden@word')");
    let bench = Scene::on("psycopg").env(&SYNC.replace(
        "config.get_section(config.config_ini_section)",
        &format!("{{'sqlalchemy.url': '{}'}}", cluster().url("psycopg", "X")),
    ));
    let bench = bench.revision("a", "", &body, "pass");
    let env = std::fs::read_to_string(bench.path("migrations/env.py")).unwrap();
    bench.write("migrations/env.py", &env.replace("/X?", &format!("/{}?", bench.database)));
    let mut launch = bench.launch();
    launch.database.url = Some(Secret::new(url));
    let mut driver = Driver::start(&ui(), &launch).unwrap();
    let found = trouble(driver.step(&Step::up("a"), LIMIT));
    assert_eq!(found.kind, TroubleKind::Raised, "{found:?}");
    driver.release().unwrap();
    let texts = format!("{found:?} {:?} {} {launch:?}", fail(&bench, &found), driver.last_lines());
    assert!(driver.last_lines().contains("app:***@localhost"), "{texts}");
    assert!(!texts.contains("hidden"), "{texts}");
    let files =
        std::fs::read_dir(bench.path("state")).unwrap().filter_map(|entry| std::fs::read(entry.unwrap().path()).ok());
    // The bytecode of a script is the script; of the launch nothing may be on disk.
    assert!(files.into_iter().all(|bytes| !bytes.windows(20).any(|part| part == &url.as_bytes()[..20])
        || bytes.windows(8).any(|part| part == b"password")));
}
