//! No database but the announced one.

use xtask::model::target::Step;
use xtask::model::url::Secret;
use xtask::sys::alembic::{Database, Driver, Outcome, Trouble, TroubleKind};

use super::{DROP, Driven, LIMIT, TABLE, expect, trouble, ui};
use crate::support::pg::cluster;
use crate::support::project::{ASYNC, SYNC};
use crate::support::scene::Scene;

/// The trouble when env.py goes to `other` by `replace`; nothing may have happened there.
fn refused(driver: &str, env: &str, other: &str) -> Trouble {
    let bench = Scene::on(driver).env(env).revision("a", "", TABLE, DROP);
    for in_walk in [false, true] {
        let outcome: Outcome<()> = match in_walk {
            true => bench.driver().step(&Step::up("a"), LIMIT).map(|_| ()),
            false => bench.migrate(&[Step::up("a")]).map(|_| ()),
        };
        let found = trouble(outcome);
        assert_eq!(found.kind, TroubleKind::WrongDatabase, "{found:?}");
    }
    let touched =
        cluster().client(other).query("select 1 from pg_class where relname in ('t', 'alembic_version')", &[]);
    assert!(touched.unwrap().is_empty());
    trouble(bench.migrate(&[Step::up("a")]))
}

#[test]
fn a_url_of_env_pys_own() {
    let other = cluster().database();
    for name in ["psycopg", "psycopg2", "pg8000"] {
        let own = format!("__import__('sqlalchemy').create_engine('{}')", cluster().url(name, &other));
        let env = SYNC.replace("engine_from_config(config.get_section(config.config_ini_section), prefix='sqlalchemy.', poolclass=pool.NullPool)", &own);
        assert!(env.contains(&other));
        let found = refused(name, &env, &other);
        let wanted = format!("{}:5432/{other}", cluster().socket_dir.display());
        assert_eq!(found.wanted, Some(wanted), "{name}");
    }
    let own =
        format!("__import__('sqlalchemy').ext.asyncio.create_async_engine('{}')", cluster().url("asyncpg", &other));
    let env = ASYNC.replace("async_engine_from_config(config.get_section(config.config_ini_section), prefix='sqlalchemy.', poolclass=pool.NullPool)", &own);
    assert!(env.contains(&other));
    refused("asyncpg", &env, &other);
}

#[test]
fn a_creator_that_goes_round_the_url() {
    let other = cluster().database();
    let dir = cluster().socket_dir.display();
    let creator = format!(
        "poolclass=pool.NullPool, creator=lambda: __import__('psycopg2').connect('host={dir} user=postgres dbname={other}')"
    );
    let found = refused("psycopg2", &SYNC.replace("poolclass=pool.NullPool", &creator), &other);
    assert_eq!(found.wanted, Some(format!("database {other}")));
}

/// It is in a transaction when it is handed over, which two drivers refuse to leave, and the third one keeps open.
#[test]
fn a_creator_that_has_run_a_statement() {
    let dir = cluster().socket_dir.display();
    for name in ["psycopg", "psycopg2", "pg8000"] {
        let bench = Scene::on(name);
        let database = &bench.database;
        let place = match name {
            "pg8000" => format!("user='postgres', unix_sock='{dir}/.s.PGSQL.5432', database='{database}'"),
            _ => format!("'host={dir} user=postgres dbname={database}'"),
        };
        let connect = format!("c = __import__('{name}').connect({place})");
        let opened = format!("def opened():\n    {connect}\n    c.cursor().execute('select 1')\n    return c\n\n\n");
        let env = SYNC.replace("poolclass=pool.NullPool", "poolclass=pool.NullPool, creator=opened");
        let bench = bench.env(&env.replacen("target_metadata", &format!("{opened}target_metadata"), 1));
        let bench = bench.revision("a", "", TABLE, DROP);
        bench.migrate(&[Step::up("a")]).unwrap();
        assert!(bench.has_table("t"), "{name}");
    }
}

#[test]
fn a_database_of_the_same_name_on_another_server() {
    let bench = Scene::on("asyncpg").revision("a", "", TABLE, DROP);
    let mut launch = bench.launch();
    launch.database.expect.servers.clear();
    launch.database.expect.identity = Some("1/2".to_owned());
    let found = trouble(Driver::start(&ui(), &launch).unwrap().step(&Step::up("a"), LIMIT));
    assert_eq!(found.kind, TroubleKind::WrongDatabase);
    assert!(!bench.has_table("alembic_version"));
}

#[test]
fn another_host_is_not_even_called() {
    let bench = Scene::on("psycopg").revision("a", "", TABLE, DROP);
    let mut launch = bench.launch();
    // Nobody answers there; a connection attempt would be another kind of trouble, after a long wait.
    let elsewhere = format!("postgresql+psycopg://app:hidden-word@prod.invalid:6543/{}", bench.database);
    launch.database.url = Some(Secret::new(elsewhere));
    let found = trouble(Driver::start(&ui(), &launch).unwrap().step(&Step::up("a"), LIMIT));
    assert_eq!(found.kind, TroubleKind::WrongDatabase);
    assert_eq!(found.wanted, Some(format!("prod.invalid:6543/{}", bench.database)));
    assert!(!format!("{found:?}").contains("hidden-word"));
}

#[test]
fn another_kind_of_database() {
    let bench = Scene::on("psycopg").revision("a", "", TABLE, DROP);
    let mut launch = bench.launch();
    launch.database.url = Some(Secret::new("sqlite://"));
    let found = trouble(Driver::start(&ui(), &launch).unwrap().step(&Step::up("a"), LIMIT));
    assert_eq!((found.kind, found.wanted.as_deref()), (TroubleKind::WrongDatabase, Some("a sqlite database")));
}

#[test]
fn a_script_that_opens_a_second_connection_elsewhere() {
    let other = cluster().database();
    let body =
        format!("sa.create_engine('{}').connect().execute(sa.text('select 1'))", cluster().url("psycopg", &other));
    let bench = Scene::on("psycopg").revision("a", "", &body, "pass");
    let found = bench.trouble();
    assert_eq!((found.kind, found.line), (TroubleKind::WrongDatabase, Some(7)));
    assert_eq!(found.file, Some(bench.path("migrations/versions/a.py")));
}

#[test]
fn an_env_py_for_several_databases() {
    let twice = "        with context.begin_transaction():\n            context.run_migrations()\n";
    let schemas = format!(
        "        for schema in ('public', 'other'):\n            context.configure(connection=connection, version_table_schema=schema)\n    {}",
        twice.replace("\n    ", "\n        ")
    );
    let env = SYNC.replace(twice, &schemas);
    assert_ne!(env, SYNC);
    let bench = Scene::on("psycopg").env(&env).revision("a", "", TABLE, DROP);
    cluster().client(&bench.database).batch_execute("create schema other").unwrap();
    assert_eq!(bench.trouble().kind, TroubleKind::SeveralRuns);
}

#[test]
fn the_url_of_the_launch_wins_over_the_configs() {
    let bench = Scene::on("asyncpg").revision("a", "", TABLE, DROP);
    let other = cluster().database();
    let mut launch = bench.launch();
    // A percent sign must survive the config's interpolation.
    let escaped = cluster().url("asyncpg", &other).replace("postgres@", "postgres:p%25w@");
    launch.database = Database { url: Some(Secret::new(escaped)), expect: expect(&other) };
    Driver::start(&ui(), &launch).unwrap().step(&Step::up("a"), LIMIT).unwrap();
    assert!(!bench.has_table("t"));
    assert_eq!(cluster().client(&other).query("select 1 from t", &[]).unwrap().len(), 0);
}
