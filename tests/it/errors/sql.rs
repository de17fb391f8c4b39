//! What PostgreSQL says in the middle of a migration. The scripts run in one transaction, so after each failure the
//! database must be what it was, and the error must say so.

use std::path::Path;

use serde_json::json;
use xtask::fail::Kind;

use crate::support::python::python;
use crate::support::scene::{Failure, Scene, sql, wait_for_line};
use crate::support::xtask::Xtask;

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
    let names = ["child_parent_fkey", "Key (parent)", "public.child", "Revision b2, upgrade()", "b2.py:7"];
    let failure = fails("insert into child values (7)", Kind::ForeignKeyViolation, "23503", &names);
    expect_test::expect![[r#"
        Starting Alembic
        [1/1] a1 → b2: revision b2
        ❌ Error: Foreign key constraint violation

        Details:
          Revision b2, upgrade()
          migrations/versions/b2.py:7
          PostgreSQL: insert or update on table "child" violates foreign key constraint "child_parent_fkey"
          Detail: Key (parent) is not present in table "parent" (its values: --verbose)
          Concerns constraint child_parent_fkey of table public.child
          Statement: insert into child values (7)
          Nothing of this run was kept: the database is still at a1 (revision a1)
          SQLSTATE 23503

        Recommended actions:
          1. No such row is in the database now: the migration writes it itself
          2. Correct the rows, or let upgrade() in migrations/versions/b2.py:7 correct them before the constraint
          3. Prove the change on a throwaway database: cargo xtask db-roundtrip
          4. Try again: cargo xtask db-migrate

        Related command: cargo xtask db-status
    "#]]
    .assert_eq(&failure.output.stderr);
}

#[test]
fn unique_violation() {
    let statement = "insert into parent values (1, 1, 'two')";
    fails(statement, Kind::UniqueViolation, "23505", &["parent_pkey", "Key (id)", "public.parent"]);
}

#[test]
fn not_null_violation() {
    fails("insert into parent values (2, 1)", Kind::NotNullViolation, "23502", &["word", "public.parent"]);
}

#[test]
fn check_violation() {
    fails("insert into parent values (2, 0, '')", Kind::CheckViolation, "23514", &["positive", "public.parent"]);
}

/// The query of the first action is run as it stands: it lists what is in the way, whatever the names are.
#[test]
fn the_rows_in_the_way_can_be_listed() {
    let schema = r#"
        create schema "Shop";
        create table "Shop"."Item" ("Key" int primary key);
        create table "Shop"."Order" ("Id" int, n int);
        insert into "Shop"."Order" values (1, 1), (1, -1), (null, 2);
    "#;
    let table = r#"alter table "Shop"."Order""#;
    let broken = [
        (format!(r#"{table} alter "Id" set not null"#), Kind::NotNullViolation, 1),
        (r#"create unique index twice on "Shop"."Order" ("Id")"#.to_owned(), Kind::UniqueViolation, 1),
        (format!("{table} add constraint positive check (n > 0)"), Kind::CheckViolation, 1),
        (
            format!(r#"{table} add constraint known foreign key ("Id") references "Shop"."Item" ("Key")"#),
            Kind::ForeignKeyViolation,
            2,
        ),
    ];
    let mut scene = Scene::new().revision("a1", "", &sql(schema), "pass").at("a1");
    for (statement, kind, rows) in broken {
        scene = scene.revision("b2", "a1", &sql(&statement), "pass");
        let failure = scene.fails("db-migrate", kind, 1, &["Shop.Order", "Revision b2"]);
        let action = failure.json["error"]["actions"][0].as_str().unwrap();
        let query = action.strip_prefix("Find the rows in the way, in SQL: ").unwrap_or_else(|| panic!("{action}"));
        assert_eq!(scene.client().query(query, &[]).unwrap().len(), rows, "{query}");
    }
    // What rows hold is shown to whoever asks for it.
    let verbose = scene.run("db-migrate --verbose").code(1);
    let quiet = scene.run("db-migrate").code(1);
    assert!(verbose.stderr.contains("Key (Id)=(1)") && !quiet.stderr.contains("(1)"), "{quiet}");
}

/// A unique index of some rows lists those alone; an exclusion names no values; what is checked at the end of the transaction
/// is no fault of env.py.
#[test]
fn constraints_of_some_rows_and_at_the_end() {
    let schema = "create table p (id int primary key); create table c (p int, w int, during int4range default '[1,5)'); \
                  insert into c (w) values (1), (1), (3), (3), (null), (null)";
    let mut scene = Scene::new().revision("a1", "", &sql(schema), "pass").at("a1");
    let late = format!(
        "{}\n{}",
        sql("alter table c add constraint late foreign key (p) references p deferrable initially deferred not valid"),
        sql("insert into c (p) values (5)")
    );
    let (few, apart) =
        ("create unique index few on c (w) where w < 2", "alter table c add exclude using gist (during with &&)");
    for (body, kind, words) in [
        (sql(few), Kind::UniqueViolation, "Key (w) is duplicated"),
        (sql(apart), Kind::SqlError, "Detail: Key (during) (its values"),
        (late, Kind::ForeignKeyViolation, "checked at the end of the transaction"),
    ] {
        scene = scene.revision("b2", "a1", &body, "pass");
        let failure = scene.fails("db-migrate", kind, 1, &[words]);
        assert!(
            !failure.output.stderr.contains("[1,5)") && !failure.output.stderr.contains("env.py"),
            "{}",
            failure.output
        );
        let action = failure.json["error"]["actions"][0].as_str().unwrap();
        let query = action.strip_prefix("Find the rows in the way, in SQL: ");
        assert_eq!(query.is_some(), kind == Kind::UniqueViolation, "{action}");
        if let Some(query) = query {
            assert_eq!(scene.client().query(query, &[]).unwrap().len(), 1, "{query}");
        }
    }
}

/// Errors that have words of their own, though the contract has no kind for them.
#[test]
fn some_refusals_have_their_own_words() {
    let raised = |code: &str| format!("do $$ begin raise exception 'it is so' using errcode = '{code}'; end $$");
    let used = format!("{}\n{}", sql("alter type mood add value 'sad'"), sql("select 'sad'::mood"));
    let slow = format!("{}\n{}", sql("set local statement_timeout = 1"), sql("select pg_sleep(9)"));
    let long = "b".repeat(40);
    let mut scene = Scene::new().revision("a1", "", &sql("create type mood as enum ('glad')"), "pass").at("a1");
    for (id, body, code, words, help) in [
        ("b2", used.as_str(), "55P04", "new enum value", "autocommit_block"),
        ("b2", slow.as_str(), "57014", "ended before it was done", "statement_timeout = 0"),
        ("b2", &sql(&raised("40001")), "40001", "Another transaction", "Stop what else writes"),
        (long.as_str(), "pass", "22001", "id is too long for the version table", "at most 32 characters"),
    ] {
        scene =
            scene.revision("b2", "a1", "pass", "pass").revision(id, if id == "b2" { "a1" } else { "b2" }, body, "pass");
        let failure = scene.fails("db-migrate", Kind::SqlError, 1, &[words]);
        assert_eq!(failure.json["error"]["sqlstate"], code, "{}", failure.output);
        assert!(failure.output.stderr.contains(help), "{}", failure.output);
    }
}

/// What the script leaves in the session is met by Alembic's own statement: neither env.py nor a missing table is to blame.
#[test]
fn what_a_script_leaves_behind_for_alembic_itself() {
    let leaves = |statement: &str| Scene::new().revision("a1", "", &sql(statement), "pass");
    for (statement, kind) in [
        ("create schema s; set search_path = s", Kind::UndefinedObject),
        ("set transaction read only", Kind::ReadOnlyServer),
    ] {
        let failure = leaves(statement).fails("db-migrate", kind, 1, &["It is Alembic's own statement", "Revision a1"]);
        let said = failure.output.stderr;
        assert!(!said.contains("env.py raised") && said.contains("put back at its end what it sets"), "{said}");
    }
    // What env.py hangs on the bookkeeping is env.py's, and so is the schema of the version table.
    let env = |from: &str, to: &str| {
        let scene = leaves("select 1");
        let text = std::fs::read_to_string(scene.project.path("migrations/env.py")).unwrap();
        assert!(text.contains(from), "{text}");
        scene.project.write("migrations/env.py", &text.replace(from, to));
        scene.run("db-migrate --json").code(1).json()["error"].clone()
    };
    let apply = "context.configure(on_version_apply=lambda **kw: 1 / 0, ";
    let schema = "context.configure(version_table_schema='meta', ";
    for (to, words) in [(apply, "migrations/env.py:"), (schema, "cannot make or read its version table")] {
        let error = env("context.configure(", to);
        assert_eq!((&error["kind"], &error["revision"]), (&json!("env-failed"), &json!(null)), "{error:#}");
        assert!(error.to_string().contains(words) && !error.to_string().contains("versions/a1.py"), "{error:#}");
    }
}

#[test]
fn disk_full() {
    let fill = "create function fill() returns void language plpgsql as $f$ \
                begin raise exception 'could not extend file' using errcode = '53100'; end $f$";
    let scene = Scene::new().revision("a1", "", &sql(fill), "pass").revision("b2", "a1", &sql("select fill()"), "pass");
    let failure = scene.at("a1").fails("db-migrate", Kind::DiskFull, 1, &["could not extend file", "database server"]);
    assert_eq!(failure.json["error"]["sqlstate"], "53100", "{}", failure.output);
    // A disk of ours: what is printed does not get out, and that is no success.
    let scene = Scene::three();
    for words in ["help", "db-migrate --sql", "db-status --json", "db-check --format sarif"] {
        let line = format!("{} {words} > /dev/full", env!("CARGO_BIN_EXE_xtask"));
        let _ = Xtask::program(Path::new("/bin/sh"), scene.root(), "-c")
            .arg(&line)
            .env("XTASK_PYTHON", python())
            .run()
            .code(1)
            .complains("The answer could not be written");
    }
}

/// Tables that were made before Alembic came hold somebody's rows: nobody is told to drop them.
#[test]
fn tables_from_before_alembic() {
    let scene = Scene::three().sql("create table a1 (n int); insert into a1 values (1)");
    let failure = scene.fails("db-migrate", Kind::DuplicateObject, 1, &["\"a1\" already exists"]);
    let actions = failure.json["error"]["actions"].to_string();
    assert!(actions.contains("alembic -c alembic.ini stamp a1") && !actions.contains("drop it"), "{actions}");
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
    let failure = failure.has("after", json!(["a1"])).says("Nothing of this run was kept").says("It was tried 4 times");
    let failure = failure.says("Locks are held on parent by process ");
    assert!(failure.output.stderr.contains("again in 400ms"), "{}", failure.output);
    assert_eq!(scene.versions(), ["a1"]);
    // While it waits, the holder is named; nothing of the failed run is in the way of the next one.
    let mut child = scene.xtask("db-migrate --lock-timeout=1m").spawn();
    wait_for_line(&mut child, "Revision b2: upgrade() waits for a lock; process ");
    holder.batch_execute("rollback").unwrap();
    assert!(child.wait().unwrap().success());
    assert_eq!(scene.versions(), ["b2"]);
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
