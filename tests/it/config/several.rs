//! Several databases in one project: Alembic's own template `multidb`, and tenants with a schema and a version table each.

use serde_json::Value;
use xtask::sys::run::Cmd;

use crate::support::pg::cluster;
use crate::support::python::{python, quiet};
use crate::support::scene::{Scene, url};
use crate::support::xtask::Output;

/// A script as `multidb` has them: two functions for each database.
const SCRIPT: &str = "\"\"\"Add tables\"\"\"
from alembic import op
revision = 'a1'
down_revision = None

def upgrade(engine_name):
    globals()['upgrade_%s' % engine_name]()

def downgrade(engine_name):
    globals()['downgrade_%s' % engine_name]()

def upgrade_engine1():
    op.execute('create table one (v int)')

def downgrade_engine1():
    op.execute('drop table one')

def upgrade_engine2():
    op.execute('create table two (v int)')

def downgrade_engine2():
    op.execute('drop table two')
";

fn template(name: &str) -> String {
    let program = format!(
        "import alembic, os; print(open(os.path.join(os.path.dirname(alembic.__file__), 'templates/{name}/env.py')).read())"
    );
    Cmd::new(python(), "/").args(["-c", &program]).read(&quiet()).unwrap()
}

fn tables(database: &str) -> String {
    let sql =
        "select coalesce(string_agg(tablename, ' ' order by tablename), '') from pg_tables where schemaname = 'public'";
    cluster().client(database).query_one(sql, &[]).unwrap().get(0)
}

#[test]
fn databases_of_one_env_py_are_told_apart() {
    let scene = Scene::new();
    let (first, second) = (scene.database.clone(), cluster().database());
    let section = |database: &str| format!("sqlalchemy.url = {}\n", url("psycopg", database).replace('%', "%%"));
    let logging = "[loggers]\nkeys = root\n[handlers]\nkeys =\n[formatters]\nkeys =\n[logger_root]\nhandlers =\n";
    let ini = format!(
        "[alembic]\nscript_location = migrations\ndatabases = engine1, engine2\n[engine1]\n{}[engine2]\n{}{logging}",
        section(&first),
        section(&second)
    );
    let scene = scene.file("alembic.ini", &ini).env(&template("multidb")).file("migrations/versions/a1.py", SCRIPT);
    for command in ["db-migrate", "db-roundtrip --all"] {
        let refused = scene.run(&format!("{command} --json")).code(3);
        assert_eq!(refused.kind(), "config-invalid", "{refused}");
        drop(refused.complains("databases = engine1, engine2").complains("database = \"engine2\""));
    }
    drop(scene.run("db-status").code(1).complains("[workspace.metadata.db.components.engine1]"));
    drop(scene.run("db-check --all"));
    assert_eq!((tables(&first), tables(&second)), (String::new(), String::new()));

    let one = |name: &str| {
        format!("[workspace.metadata.db.components.{name}]\nconfig = \"alembic.ini\"\ndatabase = \"{name}\"\n")
    };
    scene.write("Cargo.toml", &format!("[workspace]\n{}{}", one("engine1"), one("engine2")));
    let status = scene.json("db-status --all");
    assert_eq!(
        (&status["components"][0]["state"], &status["components"][1]["state"]),
        (&"no-revision".into(), &"no-revision".into())
    );
    drop(scene.run("db-migrate -c engine2").code(0));
    assert_eq!((tables(&first), tables(&second)), (String::new(), "alembic_version two".to_owned()));
    drop(scene.run("db-migrate -c engine1").code(0));
    assert_eq!(tables(&first), "alembic_version one");
    let trip = scene.json("db-roundtrip -c engine1 --all");
    assert_eq!((&trip["results"][0]["verdict"], &trip["tested"]), (&"reversible".into(), &1.into()), "{trip}");
    drop(scene.run("db-migrate -c engine2 --direction=downgrade --target=-1").code(0));
    assert_eq!((tables(&first), tables(&second)), ("alembic_version one".to_owned(), "alembic_version".to_owned()));
    let draft = scene.run("db-create-migration -c engine1 -m more --json").code(2);
    drop(draft.complains("one run of env.py writes it for all of them"));

    scene.write("Cargo.toml", &format!("[workspace]\n{}", one("engine3")));
    drop(scene.run("db-migrate").complains("it does not name `engine3`"));
    // Flask-Migrate's has the engines in the application.
    scene.write("Cargo.toml", "");
    scene.write("alembic.ini", &ini.replace("databases = engine1, engine2\n", &section(&first)));
    drop(scene.run("db-migrate").code(3).complains("env.py migrates several databases in one run"));
}

/// env.py as Alembic's cookbook has it for tenants.
const TENANTS: &str = "
from alembic import context
from sqlalchemy import engine_from_config, pool, text

config = context.config
tenant = context.get_x_argument(as_dictionary=True)['tenant']
engine = engine_from_config(config.get_section(config.config_ini_section), prefix='sqlalchemy.', poolclass=pool.NullPool)
with engine.connect() as connection:
    connection.execute(text('set search_path to \"%s\"' % tenant))
    connection.commit()
    connection.dialect.default_schema_name = tenant
    context.configure(connection=connection, version_table_schema=tenant)
    with context.begin_transaction():
        context.run_migrations()
";

fn settings(tenants: &str, x: &str) -> String {
    format!(
        "[workspace]\n[workspace.metadata.db.components.app]\nconfig = \"alembic.ini\"\ntenants = {tenants}\nx = [\"{x}\"]\n\
         version_table = \"{{tenant}}.alembic_version\"\n"
    )
}

/// `t1 up-to-date, t2 no-revision`.
fn states(output: &Output) -> String {
    let json = output.json();
    let one = |it: &Value| format!("{} {}", it["tenant"].as_str().unwrap_or("?"), it["state"].as_str().unwrap_or("?"));
    json["components"].as_array().unwrap().iter().map(one).collect::<Vec<_>>().join(", ")
}

#[test]
fn tenants_each_with_a_schema_and_a_version_table() {
    let scene = Scene::new().table("a1", "").env(TENANTS).sql("create schema t1; create schema t2; create schema t3");
    scene.write("Cargo.toml", &settings("[\"t1\", \"t2\", \"t3\"]", "tenant={tenant}"));
    assert_eq!(states(&scene.run("db-status --json").code(0)), "t1 no-revision, t2 no-revision, t3 no-revision");
    drop(scene.run("db-migrate -x tenant=t1").code(0));
    let some = scene.run("db-status --check --json").code(4);
    assert_eq!(states(&some), "t1 up-to-date, t2 no-revision, t3 no-revision");
    drop(scene.run("db-status").code(0).says("app t2").says("Migrate all of app's tenants: cargo xtask db-migrate"));
    drop(scene.run("doctor").never_says("has several tenants"));
    let which = scene.run("db-roundtrip --json").complains("Name one: -x tenant=NAME");
    assert_eq!(which.kind(), "usage", "{which}");
    let trip = scene.json("db-roundtrip -x tenant=t1 --all");
    assert_eq!((&trip["results"][0]["verdict"], &trip["tested"]), (&"reversible".into(), &1.into()), "{trip}");

    let query = "select nspname from pg_namespace where nspname like 't_' order by 1;";
    scene.write("Cargo.toml", &settings(&format!("\"{query}\""), "tenant={tenant}"));
    drop(scene.run("db-migrate").code(0).says("All 3 tenants of app").says("t1      nothing to do").says("1 applied"));
    drop(scene.run("db-status --check").code(0));

    // The second of them fails: the first stays migrated, the third is not begun.
    let scene = scene.table("b2", "a1").sql("create table t2.b2 (other int)");
    let failed = scene.run("db-migrate --json").code(1).complains("That is tenant t2: 1 came before it, 1 after it");
    assert_eq!((failed.kind().as_str(), &failed.json()["tenants"][0]["after"][0]), ("duplicate-object", &"b2".into()));
    assert_eq!(states(&scene.run("db-status --json").code(0)), "t1 up-to-date, t2 behind, t3 behind");
    // The last thing done here was another tenant's.
    drop(scene.run("db-undo --yes").complains("has several tenants"));
    drop(scene.run("db-undo -x tenant=t3 --yes"));
    assert_eq!(states(&scene.run("db-status --json").code(0)), "t1 up-to-date, t2 behind, t3 behind");

    let many: Vec<String> = (10..40).map(|number| format!("\"m{number}\"")).collect();
    let made = many.iter().map(|name| {
        format!("create schema {name}; create table {name}.alembic_version (version_num text); insert into {name}.alembic_version values ('b2');")
    });
    let scene = scene.sql(&made.collect::<String>()).sql("update m17.alembic_version set version_num = 'a1'");
    scene.write("Cargo.toml", &settings(&format!("[{}]", many.join(", ")), "tenant={tenant}"));
    drop(scene.run("db-status").code(0).says("app m17").says("up-to-date besides: 29 tenants").never_says("app m18"));

    for (tenants, x, why) in [
        ("[\"t1\"]", "tenant=t1", "needs {tenant} in `x`"),
        ("[]", "tenant={tenant}", "it names none"),
        ("\"drop schema t1\"", "tenant={tenant}", "Cannot use `tenants`"),
        ("7", "tenant={tenant}", "an array of names, or a query"),
    ] {
        scene.write("Cargo.toml", &settings(tenants, x));
        drop(scene.run("db-status").complains(why));
    }
}
