//! What the review of a new revision says: renames, what autogenerate does not see, what db-check finds, a script that
//! does not run.

use serde_json::{Value, json};

use super::{EMAIL, add_column, change, create, created, scene, scripts, texts};
use crate::support::scene::Scene;

/// `kind object`, sorted as it is told.
fn unseen(made: &Value) -> Vec<String> {
    let list = made["unseen"].as_array().unwrap();
    list.iter().map(|one| format!("{} {}", one["kind"].as_str().unwrap(), one["object"].as_str().unwrap())).collect()
}

#[test]
fn what_looks_like_a_rename() {
    let scene = scene("psycopg");
    change(&scene, "sa.Column('name', sa.Text", "sa.Column('full_name', sa.Text");
    let output = create(&scene, "--json");
    let made = output.json();
    let help = "op.alter_column(\"users\", \"name\", new_column_name=\"full_name\")";
    assert_eq!(
        made["renames"],
        json!([{"table": "users", "from": "name", "to": "full_name", "help": help}]),
        "{output}"
    );
    // The new column is NOT NULL, on the way down the old one, and the table may have rows: db-check says so.
    assert_eq!(texts(&made["findings"], "code"), ["DB408", "DB408"], "{output}");
    assert_eq!((output.code, &made["outcome"]), (4, &json!("findings")));
    assert_eq!(scripts(&scene).len(), 2, "the file stays, to be corrected");
}

#[test]
fn what_autogenerate_does_not_see() {
    let scene = scene("psycopg");
    change(&scene, "server_default='1'", "server_default='50'");
    change(&scene, "'ok', 'bad'", "'ok', 'bad', 'sad'");
    change(&scene, "level > 0", "level > 1 and name not like '%x'".replace('\'', "\\'").as_str());
    let made = created(&scene, "");
    assert_eq!((&made["operations"], &made["revision"]), (&json!([]), &Value::Null), "{made}");
    let expected = ["server-default users.level", "check level_positive of users", "enum mood"];
    assert_eq!(unseen(&made), expected, "{made}");
    let [default, check, labels] = [0, 1, 2].map(|at| &made["unseen"][at]);
    assert_eq!((&default["models"], &default["database"]), (&json!("50"), &json!("1")));
    assert_eq!(check["models"], "CHECK (((level > 1) AND (name !~~ '%x'::text)))");
    assert_eq!(labels["help"], "op.execute(\"ALTER TYPE mood ADD VALUE 'sad'\")");
    let _ = create(&scene, "").code(0).says("  - enum type mood: sad only in the models").says("--empty -m");
    // Written by hand as it was advised, nothing is left.
    let body = format!(
        "{}\n{}\nop.drop_constraint('level_positive', 'users')\n{}",
        default["help"].as_str().unwrap(),
        labels["help"].as_str().unwrap(),
        "op.create_check_constraint('level_positive', 'users', \"level > 1 and name not like '%x'\")"
    );
    let scene = scene.revision("b2", "a1", &body, "pass").at("head");
    assert_eq!(unseen(&created(&scene, "")), Vec::<String>::new());
}

#[test]
fn what_hangs_on_a_table_and_on_events() {
    let scene = scene("asyncpg");
    let more = "
jobs = sa.Sequence('jobs_seq', metadata=metadata)
body = sa.DDL(\"create or replace function touch() returns trigger language plpgsql as $$ begin return new; end $$\")
hook = sa.DDL('create trigger touched before update on users for each row execute procedure touch()')
sa.event.listen(metadata, 'before_create', body)
sa.event.listen(users, 'after_create', hook)
sa.event.listen(users, 'after_create', sa.DDL('drop table somebody_elses'))
sa.Index('ix_users_level', users.c.level, postgresql_where=users.c.level > 5)
";
    change(&scene, "metadata = sa.MetaData()\n", "metadata = sa.MetaData()\n\n");
    let text = std::fs::read_to_string(scene.project.path("models.py")).unwrap();
    scene.project.write("models.py", &(text + more));
    let up = "op.execute('create index ix_users_level on users (level)')";
    let scene = scene.revision("b2", "a1", up, "op.execute('drop index ix_users_level')").at("head");
    let made = created(&scene, "");
    let expected = ["index ix_users_level of users", "sequence jobs_seq", "function touch", "trigger touched of users"];
    assert_eq!(unseen(&made), expected, "{made}");
    assert_eq!((&made["operations"], &made["not_compared"]), (&json!([]), &json!([])), "{made}");
    let up = "op.execute('create sequence jobs_seq')
op.execute('drop index ix_users_level')
op.execute('create index ix_users_level on users (level) where level > 5')
op.execute('create function touch() returns trigger language plpgsql as $$ begin return new; end $$')
op.execute('create trigger touched before update on users for each row execute procedure touch()')";
    let scene = scene.revision("c3", "b2", up, "pass").at("head");
    assert_eq!(unseen(&created(&scene, "")), Vec::<String>::new());
}

/// Whatever env.py has autogenerate compare is in the new revision and so no difference any more.
#[test]
fn what_autogenerate_is_told_to_compare_is_seen() {
    let scene = scene("psycopg");
    let env = std::fs::read_to_string(scene.project.path("migrations/env.py")).unwrap();
    let compares = env.replace("connection=connection,", "connection=connection, compare_server_default=True,");
    assert_ne!(env, compares);
    let scene = scene.env(&compares);
    change(&scene, "server_default='1'", "server_default='50'");
    let made = created(&scene, "");
    let alter = json!([{"operation": "alter_column", "object": "users.level", "detail": "server default"}]);
    assert_eq!((&made["operations"], &made["unseen"]), (&alter, &json!([])), "{made}");
}

#[test]
fn a_long_list_is_cut_to_the_tables_in_question() {
    let scene = scene("psycopg");
    let columns: Vec<String> =
        (0..12).map(|at| format!("sa.Column('c{at}', sa.Integer, server_default='1')")).collect();
    let text = std::fs::read_to_string(scene.project.path("models.py")).unwrap();
    let table = format!("sa.Table('others', metadata, {})\n", columns.join(", "));
    scene.project.write("models.py", &format!("{text}{table}"));
    let made: Vec<String> = (0..12).map(|at| format!("c{at} integer")).collect();
    let up = format!("op.execute('create table others ({})')", made.join(", "));
    let scene = scene.revision("b2", "a1", &up, "op.execute('drop table others')").at("head");
    add_column(&scene, EMAIL);
    change(&scene, "server_default='1'", "server_default='50'");
    let output = create(&scene, "").code(0).says("server default of users.level");
    assert!(!output.stdout.contains("others.c1"), "{output}");
    assert!(output.stdout.contains("  - 12 more on other tables"), "{output}");
}

/// A type of the project's own, whose import the script lacks: Alembic's most usual stumbling block.
#[test]
fn a_script_that_does_not_run_is_told_and_stays() {
    let scene = scene("psycopg");
    change(
        &scene,
        "metadata = sa.MetaData()",
        "class Point(sa.types.UserDefinedType):\n    def get_col_spec(self):\n        return 'point'\n\nmetadata = sa.MetaData()",
    );
    add_column(&scene, "sa.Column('place', Point())");
    let output = create(&scene, "--json").code(4);
    let made = output.json();
    assert_eq!((&made["problem"]["kind"], &made["error"]), (&json!("migration-raised"), &Value::Null), "{output}");
    let details = made["problem"]["details"].as_str().unwrap();
    assert!(details.contains("name 'models' is not defined"), "{details}");
    let path = made["revision"]["path"].as_str().unwrap();
    assert!(scene.project.path(path).is_file());
    std::fs::remove_file(scene.project.path(path)).unwrap();
    let _ = create(&scene, "").code(4).says("❌ The new script does not run yet:").says("its review found something");
}

/// The project's env.py, its filters and its hooks are Alembic's, as ever.
#[test]
fn the_hooks_and_filters_of_the_project_run() {
    let scene = hooked();
    add_column(&scene, EMAIL);
    let text = std::fs::read_to_string(scene.project.path("models.py")).unwrap();
    scene.project.write("models.py", &(text + "sa.Table('secret', metadata, sa.Column('n', sa.Integer))\n"));
    let made = created(&scene, "");
    assert_eq!(made["revision"]["revision"], "0002", "the hook numbers them");
    assert_eq!(texts(&made["operations"], "operation"), ["add_column", "execute"], "{made}");
    assert_eq!(made["operations"][1]["detail"], "select 1");
}

fn hooked() -> Scene {
    let scene = scene("psycopg");
    let env = std::fs::read_to_string(scene.project.path("migrations/env.py")).unwrap();
    let hooks = "
def number(context, revision, directives):
    from alembic.operations import ops
    if config.cmd_opts.autogenerate and directives[0].upgrade_ops.is_empty():
        directives[:] = []
        return
    directives[0].rev_id = '0002'
    directives[0].upgrade_ops.ops.append(ops.ExecuteSQLOp('select 1'))

def wanted(object, name, kind, reflected, compare_to):
    return name != 'secret'

def online():";
    let env = env.replacen("\ndef online():", hooks, 1).replace(
        "connection=connection,",
        "connection=connection, process_revision_directives=number, include_object=wanted,",
    );
    scene.env(&env)
}

#[test]
fn a_hook_that_drops_an_empty_revision_is_no_trouble() {
    assert_eq!(created(&hooked(), "")["revision"], Value::Null);
}

/// Models that nothing imports look like models that somebody deleted.
#[test]
fn models_that_are_not_there_are_no_reason_to_drop_everything() {
    let scene = scene("psycopg").sql("insert into users (name) values ('Ann')");
    scene.project.write("models.py", "import sqlalchemy as sa\nmetadata = sa.MetaData()\n");
    let refused = create(&scene, "--json").code(3);
    assert_eq!(refused.kind(), "config-invalid");
    let error = &refused.json()["error"];
    assert_eq!(
        (&error["summary"], &error["file"]),
        (&json!("The models that env.py loads have no tables"), &json!("migrations/env.py"))
    );
    assert_eq!(scripts(&scene).len(), 1, "nothing was written");
    // One table that is really gone is a change like any other, but its rows are said.
    let keep = "import sqlalchemy as sa\nmetadata = sa.MetaData()\nsa.Table('others', metadata, sa.Column('id', sa.Integer, primary_key=True))\n";
    scene.project.write("models.py", keep);
    let made = create(&scene, "--json").json();
    assert_eq!(made["drops"], json!([{"object": "table users", "holds": "1 row"}]), "{made:#}");
}

#[test]
fn parts_of_another_table_and_tables_of_an_extension_are_never_dropped() {
    let parts = "op.execute('create table log (at date) partition by range (at)')
op.execute(\"create table log_2026 partition of log for values from ('2026-01-01') to ('2027-01-01')\")
op.execute('create extension if not exists plpgsql')";
    let scene = scene("psycopg").revision("b2", "a1", parts, "op.execute('drop table log')").at("head");
    let text = std::fs::read_to_string(scene.project.path("models.py")).unwrap();
    scene.project.write("models.py", &format!("{text}\nsa.Table('log', metadata, sa.Column('at', sa.Date))\n"));
    assert_eq!(created(&scene, "")["operations"], json!([]));
}

/// `drop_constraint(None)` is what Alembic writes for a key without a name.
#[test]
fn the_way_down_is_run_too() {
    let scene = scene("psycopg");
    change(&scene, "sa.CheckConstraint", "sa.Column('boss', sa.ForeignKey('users.id')),\n    sa.CheckConstraint");
    let output =
        create(&scene, "").code(4).says("❌ The way down of the new script, its downgrade(), does not run yet:");
    assert!(output.stdout.contains("1. Mend the file: ") && !output.stdout.contains("db-migrate"), "{output}");
}
