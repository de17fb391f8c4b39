//! What PostgreSQL says in the middle of a migration. The scripts run in one transaction, so after each failure the
//! database must be what it was, and the error must say so.

use serde_json::json;
use xtask::fail::Kind;

use crate::support::scene::{Failure, Scene, sql};

/// A database at `a1` with two tables and some rows; `b2` runs a statement that PostgreSQL refuses.
fn refused(statement: &str) -> Scene {
    let schema = "
        create table parent (id int primary key, n int constraint positive check (n > 0), word text not null);
        create table child (parent int constraint child_parent_fkey references parent);
        create view seen as select word from parent;
        insert into parent values (1, 1, 'one');
    ";
    Scene::new().revision("a1", "", &sql(schema), "pass").revision("b2", "a1", &sql(statement), "pass").at("a1")
}

#[track_caller]
fn fails(statement: &str, kind: Kind, sqlstate: &str, names: &[&str]) -> Failure {
    let scene = refused(statement);
    let failure = scene.fails("db-migrate", kind, 1, names);
    let error = &failure.json["error"];
    assert_eq!(error["sqlstate"], sqlstate, "{}", failure.output);
    assert_eq!(error["revision"], "b2", "{}", failure.output);
    assert_eq!(error["file"], "migrations/versions/b2.py", "{}", failure.output);
    assert_eq!(error["line"], 7, "{}", failure.output);
    assert_eq!(scene.versions(), ["a1"]);
    assert_eq!(scene.tables(), "child parent", "what the error says is true");
    failure
        .has("before", json!(["a1"]))
        .has("after", json!(["a1"]))
        .has("applied", json!([]))
        .says("Nothing of this run was kept: the database is still at a1 (revision a1)")
}

#[test]
fn foreign_key_violation() {
    let names = ["child_parent_fkey", "Key (parent)=(7)", "public.child", "Revision b2, upgrade()", "b2.py:7"];
    let failure = fails("insert into child values (7)", Kind::ForeignKeyViolation, "23503", &names);
    expect_test::expect![[r#"
        Starting Alembic
        [1/1] a1 → b2: revision b2
        ❌ Error: Foreign key constraint violation

        Details:
          Revision b2, upgrade()
          migrations/versions/b2.py:7
          PostgreSQL: insert or update on table "child" violates foreign key constraint "child_parent_fkey"
          Detail: Key (parent)=(7) is not present in table "parent".
          Concerns constraint child_parent_fkey of table public.child
          Statement: insert into child values (7)
          Nothing of this run was kept: the database is still at a1 (revision a1)
          SQLSTATE 23503

        Recommended actions:
          1. Correct the rows, or let upgrade() in migrations/versions/b2.py:7 correct them before the constraint
          2. Prove the change on a throwaway database: cargo xtask db-roundtrip
          3. Try again: cargo xtask db-migrate

        Related command: cargo xtask db-status
    "#]]
    .assert_eq(&failure.output.stderr);
}

#[test]
fn unique_violation() {
    let statement = "insert into parent values (1, 1, 'two')";
    fails(statement, Kind::UniqueViolation, "23505", &["parent_pkey", "Key (id)=(1)", "public.parent"]);
}

#[test]
fn not_null_violation() {
    fails("insert into parent values (2, 1)", Kind::NotNullViolation, "23502", &["word", "public.parent"]);
}

#[test]
fn check_violation() {
    fails("insert into parent values (2, 0, '')", Kind::CheckViolation, "23514", &["positive", "public.parent"]);
}

#[test]
fn undefined_object() {
    fails("alter table nowhere add n int", Kind::UndefinedObject, "42P01", &["\"nowhere\" does not exist"]);
}

#[test]
fn duplicate_object() {
    fails("create table child (n int)", Kind::DuplicateObject, "42P07", &["\"child\" already exists"]);
}

#[test]
fn dependent_objects() {
    fails("alter table parent drop word", Kind::DependentObjects, "2BP01", &["view seen depends on column word"]);
}

#[test]
fn type_change_blocked() {
    let statement = "alter table parent alter n type date";
    fails(statement, Kind::TypeChangeBlocked, "42804", &["column \"n\" cannot be cast"]);
}

#[test]
fn sql_error() {
    fails("select 1 / 0", Kind::SqlError, "22012", &["division by zero", "SQLSTATE 22012", "select 1 / 0"]);
}

#[test]
fn transaction_aborted() {
    let body = "try:\n    op.execute('drop table nowhere')\nexcept Exception:\n    pass\nop.execute('select 1')";
    let scene = Scene::new().table("a1", "").revision("b2", "a1", body, "pass").at("a1");
    let names = ["Swallowed before in line 8", "table \"nowhere\" does not exist", "b2.py:11"];
    scene
        .fails("db-migrate", Kind::TransactionAborted, 1, &names)
        .has("after", json!(["a1"]))
        .says("Nothing of this run was kept");
    assert_eq!(scene.versions(), ["a1"]);
}

#[test]
fn lock_timeout() {
    let scene = refused("alter table parent add more int");
    let mut holder = scene.client();
    holder.batch_execute("begin; lock table parent in share mode").unwrap();
    let failure =
        scene.fails("db-migrate --lock-timeout=200ms", Kind::LockTimeout, 1, &["alter table parent", "b2.py:7"]);
    failure.has("after", json!(["a1"])).says("Nothing of this run was kept");
    holder.batch_execute("rollback").unwrap();
    assert_eq!(scene.versions(), ["a1"]);
    // Nothing of the failed run is in the way of the next one.
    let _ = scene.run("db-migrate").code(0);
}

#[test]
fn step_timeout_names_the_session_that_blocks() {
    let scene = refused("alter table parent add more int");
    let mut holder = scene.client();
    holder.batch_execute("set application_name = 'the holder'; begin; lock table parent in share mode").unwrap();
    let pid: i32 = holder.query_one("select pg_backend_pid()", &[]).unwrap().get(0);
    let names = ["Revision b2, upgrade()", &format!("Blocked by process {pid}"), "the holder"];
    let failure = scene.fails("db-migrate --step-timeout=1s", Kind::StepTimeout, 1, &names);
    failure.has("after", json!(["a1"])).says("Nothing of this run was kept");
    assert_eq!(scene.versions(), ["a1"]);
    assert_eq!(scene.sessions(), 1, "only the holder's session is left");
    holder.batch_execute("rollback").unwrap();
    let _ = scene.run("db-migrate").code(0);
}

#[test]
fn step_timeout_without_a_blocker() {
    let scene = Scene::new().table("a1", "").revision("b2", "a1", &sql("select pg_sleep(600)"), "pass").at("a1");
    scene.fails("db-migrate --step-timeout 1s", Kind::StepTimeout, 1, &["No session blocks it"]);
    assert_eq!((scene.versions(), scene.sessions()), (vec!["a1".to_owned()], 0));
}

#[test]
fn half_done() {
    let body = format!(
        "op.add_column('a1', __import__('sqlalchemy').Column('w', __import__('sqlalchemy').Integer))\n\
         with op.get_context().autocommit_block():\n    {}",
        sql("create unique index concurrently if not exists ux on a1 (n)")
    );
    let scene = Scene::new().table("a1", "").revision("b2", "a1", &body, "pass").table("c3", "b2").at("a1");
    let scene = scene.sql("insert into a1 values (1), (1)");
    let names = ["Revision b2 failed half-way", "Unique constraint violation", "column public.a1.w was added"];
    let failure = scene.fails("db-migrate", Kind::HalfDone, 1, &names);
    let failure = failure.says("index public.ux was added (INVALID").says("The version table is as it was");
    let failure = failure.has("after", json!(["a1"])).has("applied", json!([]));
    assert_eq!(failure.json["half_done"]["revision"], "b2");
    assert_eq!(failure.json["half_done"]["stays"].as_array().unwrap().len(), 2, "{}", failure.output);
    // Until it is taken away, the next run says so; the printed SQL takes it away, and then it goes on.
    let again = scene.run("db-migrate").code(1).complains("The index public.ux on public.a1 is INVALID");
    assert!(!again.stderr.contains("half-way"), "this time nothing was added: {again}");
    let action = failure.json["error"]["actions"].as_array().unwrap().last().unwrap().as_str().unwrap().to_owned();
    let undo = action.split("psql -c '").nth(1).unwrap().trim_end_matches('\'').to_owned();
    let scene = scene.sql("delete from a1").sql(&undo);
    let _ = scene.run("db-migrate").code(0);
    assert_eq!(scene.versions(), ["c3"]);
}
