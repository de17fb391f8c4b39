//! `db-create-migration` and `db-check --models` on real Alembic projects with models: here what goes well, in the
//! sub-modules what the review says, what is refused, and how the file comes to be.

mod files;
mod models_check;
mod refusals;
mod review;

use serde_json::{Value, json};

use crate::support::pg::cluster;
use crate::support::project::{ASYNC, SYNC};
use crate::support::scene::Scene;
use crate::support::xtask::{Output, Xtask};

/// The models that the first revision is true to.
const MODELS: &str = "
import sqlalchemy as sa

metadata = sa.MetaData()
users = sa.Table(
    'users', metadata,
    sa.Column('id', sa.Integer, primary_key=True),
    sa.Column('name', sa.Text, nullable=False),
    sa.Column('level', sa.Integer, server_default='1'),
    sa.Column('mood', sa.Enum('ok', 'bad', name='mood')),
    sa.CheckConstraint('level > 0', name='level_positive'),
)
";

const TABLES: &str = "op.execute(\"create type mood as enum ('ok', 'bad')\")
op.execute('''create table users (id serial primary key, name text not null, level integer default 1, mood mood,
              constraint level_positive check (level > 0))''')";

const NO_TABLES: &str = "op.execute('drop table users')\nop.execute('drop type mood')";

const TEMPLATE: &str = r#""""${message}"""
import sqlalchemy as sa
from alembic import op
${imports if imports else ""}
revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}


def upgrade():
    ${upgrades if upgrades else "pass"}


def downgrade():
    ${downgrades if downgrades else "pass"}
"#;

/// A project with models, whose database is at the head `a1`.
fn scene(driver: &str) -> Scene {
    project(driver).at("head")
}

/// The same with an empty database.
fn project(driver: &str) -> Scene {
    let scene = Scene::on(driver).revision("a1", "", TABLES, NO_TABLES);
    let env = if driver == "asyncpg" { ASYNC } else { SYNC };
    let env =
        env.replace("target_metadata = None", "").replace("target_metadata=None", "target_metadata=target_metadata");
    let scene = scene.env(&env.replacen("config =", "from models import metadata as target_metadata\nconfig =", 1));
    scene.project.write("models.py", MODELS);
    scene.project.write("migrations/script.py.mako", TEMPLATE);
    scene
}

/// Changes the models. Text of the same length within a second of the last import would leave Python with the bytecode of
/// what was there before: that is Python's own rule, and not what is tested here.
#[track_caller]
fn change(scene: &Scene, from: &str, to: &str) {
    assert_ne!(from.len(), to.len(), "Python would not see it");
    let path = scene.project.path("models.py");
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.contains(from), "{text}");
    std::fs::write(path, text.replacen(from, to, 1)).unwrap();
}

/// Adds a column after the name.
fn add_column(scene: &Scene, column: &str) {
    change(scene, "sa.Column('level'", &format!("{column},\n    sa.Column('level'"));
}

const EMAIL: &str = "sa.Column('email', sa.String(64))";

fn create_command(scene: &Scene, flags: &str) -> Xtask {
    scene.xtask(&format!("db-create-migration {flags}")).arg("-m").arg("add email to users")
}

fn create(scene: &Scene, flags: &str) -> Output {
    create_command(scene, flags).run()
}

#[track_caller]
fn created(scene: &Scene, flags: &str) -> Value {
    create(scene, &format!("--json {flags}")).code(0).json()
}

/// The names of the scripts, sorted.
fn scripts(scene: &Scene) -> Vec<String> {
    let folder = scene.project.path("migrations/versions");
    let names = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.filter(|name| name.ends_with(".py")).collect();
    names.sort();
    names
}

fn texts(list: &Value, key: &str) -> Vec<String> {
    list.as_array().unwrap().iter().map(|one| one[key].as_str().unwrap_or_default().to_owned()).collect()
}

#[test]
fn a_new_column_becomes_a_revision_on_both_kinds_of_driver() {
    for driver in ["psycopg", "asyncpg"] {
        let scene = scene(driver);
        add_column(&scene, EMAIL);
        let made = created(&scene, "--rev-id b2");
        let path = "migrations/versions/b2_add_email_to_users.py";
        assert_eq!(made["revision"], json!({"revision": "b2", "message": "add email to users", "path": path}));
        let email = json!([{"operation": "add_column", "object": "users.email", "detail": "VARCHAR(64)"}]);
        assert_eq!((&made["operations"], &made["outcome"]), (&email, &json!("ok")), "{made}");
        assert_eq!((&made["unseen"], &made["findings"], &made["problem"]), (&json!([]), &json!([]), &Value::Null));
        let text = std::fs::read_to_string(scene.project.path(path)).unwrap();
        for part in
            ["revision = 'b2'", "down_revision = 'a1'", "op.add_column('users'", "op.drop_column('users', 'email')"]
        {
            assert!(text.contains(part), "no {part}\n{text}");
        }
        assert_eq!(scene.versions(), ["a1"], "the component's own database was touched");
        let _ = scene.run("db-migrate").code(0);
        assert_eq!(created(&scene, "")["revision"], Value::Null, "it does all that the models say");
    }
}

#[test]
fn without_a_change_no_file_is_made() {
    let scene = scene("psycopg");
    let output = create(&scene, "").code(0).says("✅ No model changes: no migration was made").says("Head: a1");
    assert!(output.stdout.contains("a database made from empty by the migrations"), "{output}");
    assert_eq!(scripts(&scene), ["a1.py"]);
    let made = created(&scene, "");
    assert_eq!((&made["operations"], &made["revision"], &made["revisions"]), (&json!([]), &Value::Null, &json!([])));
}

/// What is done by hand to the developer's database is no change of the models; and it need not be there at all.
#[test]
fn the_measure_is_what_the_migrations_make() {
    let scene = scene("psycopg").sql("create table by_hand (n int); alter table users add by_hand int");
    assert_eq!(created(&scene, "")["operations"], json!([]));
    let scene = project("psycopg");
    add_column(&scene, EMAIL);
    let made = created(&scene, "");
    assert_eq!(texts(&made["operations"], "object"), ["users.email"]);
    assert_eq!((scene.versions().len(), scene.tables()), (0, String::new()), "the component's database was touched");
    let gone = format!("postgresql+psycopg://postgres@/no_such_database?host={}", cluster().socket_dir.display());
    let made = created(&project("psycopg").url(&gone), "");
    assert_eq!(made["operations"], json!([]));
}

#[test]
fn a_history_that_does_not_run_from_empty_is_measured_on_a_clone() {
    // It asks for something that only a database of old times has.
    let old = format!("op.execute('select * from from_old_times')\n{TABLES}");
    let scene = project("psycopg").sql("create table from_old_times ()").revision("a1", "", &old, NO_TABLES).at("head");
    add_column(&scene, EMAIL);
    change(&scene, "metadata = sa.MetaData()", "metadata = sa.MetaData()\nold = sa.Table('from_old_times', metadata)");
    let output = create(&scene, "--json").code(0).complains("does not run from empty");
    let made = output.json();
    let words = format!("a clone of {} on", scene.database);
    assert!(made["compared_with"].as_str().unwrap().starts_with(&words), "{made}");
    assert_eq!(texts(&made["operations"], "operation"), ["add_column"]);
    // Without a database to clone there is nothing to compare with.
    let project = project("psycopg").revision("a1", "", &old, NO_TABLES);
    let failed = project.xtask("db-check --models --json").run().code(1);
    assert_eq!(failed.kind(), "undefined-object");
    let error = failed.json()["error"].clone();
    assert!(error["details"].as_str().unwrap().contains("no database of the component to clone"), "{error}");
    assert!(
        error["actions"].as_array().unwrap().iter().any(|it| it.as_str().unwrap().contains("db-migrate")),
        "{error}"
    );
}

#[test]
fn the_proof_comes_with_it() {
    let scene = scene("psycopg").sql("insert into users (name) values ('a')");
    add_column(&scene, EMAIL);
    let made = created(&scene, "--roundtrip");
    let trip = &made["roundtrip"];
    assert_eq!((&trip["tested"], &trip["failed"]), (&json!(1), &json!(0)), "{made}");
    assert_eq!(trip["results"][0]["revision"], made["revision"]["revision"]);
    assert_eq!(scene.versions(), ["a1"]);
}

#[test]
fn nothing_stays_behind() {
    let scene = scene("asyncpg");
    add_column(&scene, EMAIL);
    let child = create_command(&scene, "-q").spawn();
    let pid = child.id();
    assert!(child.wait_with_output().unwrap().status.success());
    assert!(scene.scratch_of(pid).is_empty());
    assert_eq!(scene.sessions(), 0);
}
