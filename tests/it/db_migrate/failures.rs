//! A migration that breaks off: what stays is Alembic's transaction mode's decision, and what is said of it is held
//! against the database, in text and in JSON.

use serde_json::json;
use xtask::fail::Kind;

use super::ids;
use crate::support::project::SYNC;
use crate::support::scene::{Scene, sql};

/// `a1`, `b2` go through, `c3` makes a table and then violates a constraint; `d4` would follow.
fn broken(env: &str) -> Scene {
    let body = format!("{}\n{}", sql("create table c3 (n int check (n > 0))"), sql("insert into c3 values (0)"));
    Scene::new().env(env).table("a1", "").table("b2", "a1").revision("c3", "b2", &body, "pass").table("d4", "c3")
}

fn mode(line: &str) -> String {
    let env = SYNC.replace("target_metadata=target_metadata)", line);
    assert_ne!(env, SYNC);
    env
}

#[test]
fn all_in_one_transaction_nothing_stays() {
    let scene = broken(SYNC);
    let failure = scene.fails("db-migrate", Kind::CheckViolation, 1, &["Revision c3"]);
    let failure = failure.has("applied", json!([])).has("before", json!([])).has("after", json!([]));
    failure.says("Nothing of this run was kept: the database is still at no revision");
    assert_eq!((scene.versions(), scene.tables().as_str()), (vec![], ""));
}

#[test]
fn one_transaction_per_migration_what_went_through_stays() {
    let scene = broken(&mode("target_metadata=None, transaction_per_migration=True)"));
    let failure = scene.fails("db-migrate", Kind::CheckViolation, 1, &["Revision c3"]);
    assert_eq!(ids(&failure.json["applied"]), ["a1", "b2"]);
    let failure = failure.has("before", json!([])).has("after", json!(["b2"]));
    failure.says("2 of 4 revisions were applied and stay: the database is at b2 (revision b2)");
    assert_eq!((scene.versions(), scene.tables().as_str()), (vec!["b2".to_owned()], "a1 b2"));
    // The next run goes on from there.
    let failure = scene.fails("db-migrate", Kind::CheckViolation, 1, &["Revision c3"]);
    failure.has("before", json!(["b2"])).says("Nothing of this run was kept: the database is still at b2");
}

#[test]
fn without_transactions_half_a_script_stays_and_that_is_said() {
    let env = SYNC.replace(
        "engine.connect() as connection:",
        "engine.connect().execution_options(isolation_level='AUTOCOMMIT') as connection:",
    );
    assert_ne!(env, SYNC);
    let scene = broken(&env);
    let names = ["c3 failed half-way", "Check constraint violation", "table public.c3 was added"];
    let failure = scene.fails("db-migrate", Kind::HalfDone, 1, &names);
    assert_eq!(ids(&failure.json["applied"]), ["a1", "b2"]);
    failure.has("after", json!(["b2"])).says("2 of 4 revisions were applied and stay: the database is at b2");
    assert_eq!((scene.versions(), scene.tables().as_str()), (vec!["b2".to_owned()], "a1 b2 c3"));
}

#[test]
fn rows_that_a_script_committed_by_itself_may_have_stayed() {
    let fail = sql("select 1 / 0");
    let insert = sql("insert into a1 values (1)");
    let block = format!("with op.get_context().autocommit_block():\n    {insert}\n{fail}");
    let scene = Scene::new().table("a1", "").revision("b2", "a1", &block, "pass").at("a1");
    // Rows, by a commit that stands in the script and by one that nobody can read there.
    let elsewhere = format!(
        "import sqlalchemy\nwith op.get_bind().engine.begin() as other:\n    \
         other.execute(sqlalchemy.text('insert into a1 values (2)'))\n{fail}"
    );
    let mut scene = scene;
    for (body, words) in [(&block, "b2 commits by itself (line"), (&elsewhere, "nobody else is at work there")] {
        scene = scene.revision("b2", "a1", body, "pass");
        let failure = scene.fails("db-migrate", Kind::SqlError, 1, &[words, "stay written: public.a1 (1 row)"]);
        assert!(!failure.output.stderr.contains("Nothing of this run was kept"), "{}", failure.output);
        assert_eq!(failure.json.get("half_done"), None);
        let _ = failure.has("rows_stay", json!(["public.a1 (1 row)"]));
    }
    // A commit with nothing in it leaves nothing, which was looked at; a sequence goes on.
    let empty = format!("{}\nop.get_bind().commit()\n{fail}", sql("select 1"));
    let scene = scene.revision("b2", "a1", &empty, "pass");
    let _ =
        scene.fails("db-migrate", Kind::SqlError, 1, &["Nothing of this run was kept: the database is still at a1"]);
    let next = format!("{}\n{fail}", sql("select nextval('s')"));
    let scene = scene.revision("b2", "a1", &next, "pass").sql("create sequence s");
    let _ = scene.fails("db-migrate", Kind::SqlError, 1, &["kept but where sequences stand", "(public.s)"]);
}

/// A downgrade that deletes, commits and fails: the version table says that nothing was done, and the rows come back all the
/// same.
#[test]
fn rows_that_a_failed_downgrade_committed_come_back() {
    let down = format!("{}\n{}\n{}", sql("delete from a1 where n < 4"), sql("commit"), sql("select 1 / 0"));
    let scene = Scene::new().table("a1", "").revision("b2", "a1", &sql("create table b2 (n int)"), &down).at("b2");
    let scene = scene.sql("alter table a1 add primary key (n); insert into a1 select generate_series(1, 5)");
    let words = "db-migrate --direction=downgrade --target=a1 --yes";
    let failure = scene.fails(words, Kind::SqlError, 1, &["stay written: public.a1 (3 rows)"]);
    assert!(failure.json["error"]["actions"].to_string().contains("Put back the rows that went: cargo xtask db-undo"));
    let scene = scene.sql("insert into a1 values (1)");
    let undone = scene.json("db-undo --yes");
    assert_eq!(undone["put_back"]["left"], json!([]));
    let rows: i64 = scene.client().query_one("select count(*) from a1", &[]).unwrap().get(0);
    assert_eq!((scene.versions(), rows), (vec!["b2".to_owned()], 5), "{undone}");
}

#[test]
fn the_walk_stops_where_the_session_of_its_lock_is_ended() {
    let end = "select pg_terminate_backend(l.pid) from pg_locks l where l.locktype = 'advisory' and l.classid = 7894123 \
               and l.database = (select oid from pg_database where datname = current_database())";
    let scene = Scene::new().revision("a1", "", &sql(end), "pass").table("b2", "a1").at("base");
    let failure = scene.fails("db-migrate", Kind::ConnectionLost, 1, &["keeps other migrations out was ended"]);
    failure.says("Nothing of this run was kept");
    assert_eq!((scene.versions(), scene.tables().as_str()), (vec![], ""));
}

#[test]
fn a_downgrade_that_fails_names_its_backup() {
    let scene =
        Scene::new().table("a1", "").revision("b2", "a1", &sql("create table b2 (n int)"), "raise ValueError('no')");
    let scene = scene.table("c3", "b2").at("head");
    let words = "db-migrate --direction=downgrade --target=base";
    let failure =
        scene.fails(words, Kind::MigrationRaised, 1, &["Revision b2, downgrade()", "The migration raised ValueError"]);
    let path = failure.json["backup"].as_str().unwrap().to_owned();
    assert!(std::path::Path::new(&path).is_file());
    failure.says(&format!("The backup taken before: {path}")).has("reverted", json!([])).has("after", json!(["c3"]));
    assert_eq!((scene.versions(), scene.tables().as_str()), (vec!["c3".to_owned()], "a1 b2 c3"));
}

#[test]
fn a_downgrade_one_by_one_says_what_was_taken_back() {
    let scene =
        Scene::new().table("a1", "").revision("b2", "a1", &sql("create table b2 (n int)"), &sql("drop table nowhere"));
    let scene = scene.table("c3", "b2").env(&mode("target_metadata=None, transaction_per_migration=True)")).at("head");
    let words = "db-migrate --direction=downgrade --target=base --no-backup";
    let failure = scene.fails(words, Kind::UndefinedObject, 1, &["Revision b2, downgrade()", "nowhere"]);
    assert_eq!(ids(&failure.json["reverted"]), ["c3"]);
    failure.has("after", json!(["b2"])).says("1 of 3 revisions were reverted and stay: the database is at b2");
    assert_eq!((scene.versions(), scene.tables().as_str()), (vec!["b2".to_owned()], "a1 b2"));
}

#[test]
fn a_script_without_the_function() {
    let scene = Scene::three().at("head");
    let path = scene.project.path("migrations/versions/c3.py");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.split("def downgrade").next().unwrap()).unwrap();
    let words = "db-migrate --direction=downgrade --target=-1 --no-backup";
    let failure =
        scene.fails(words, Kind::MigrationFileInvalid, 1, &["has no downgrade()", "migrations/versions/c3.py"]);
    failure.has("after", json!(["c3"])).says("Nothing of this run was kept");
}
