//! Scratch databases: made, copied, put back, kept; gone whatever happens; and nobody else's touched.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use postgres::Client;
use postgres::error::SqlState;
use xtask::fail::{Fail, Kind, from_anyhow};
use xtask::model::url::DbUrl;
use xtask::sys::pg::{Db, Making, Scratch, sweep};
use xtask::ui::Ui;

use crate::support::not_run;
use crate::support::pasted::actions;
use crate::support::pg::{SUPERUSER, cluster};
use crate::support::private::{Private, private_cluster};
use crate::support::process;
use crate::support::python::quiet;

fn making(ui: &Ui) -> Making<'_> {
    Making { file_copy: true, ..Making::plain(ui, "a test", std::slice::from_ref(&cluster().bin)) }
}

fn admin() -> DbUrl {
    DbUrl::parse(&cluster().url("asyncpg", "postgres")).unwrap()
}

fn there(name: &str) -> bool {
    let sql = "select 1 from pg_database where datname = $1";
    cluster().client("postgres").query_opt(sql, &[&name]).unwrap().is_some()
}

fn comment(name: &str) -> String {
    let sql = "select shobj_description(oid, 'pg_database') from pg_database where datname = $1";
    cluster().client("postgres").query_one(sql, &[&name]).unwrap().get(0)
}

fn open(url: &DbUrl) -> Db {
    Db::connect(url, "xtask test").unwrap()
}

fn fail<T>(result: anyhow::Result<T>) -> Fail {
    from_anyhow(&result.err().expect("it should have failed"))
}

/// A database with a table of three rows, and settings of its own.
fn source() -> String {
    let name = cluster().database();
    fill(&mut cluster().client(&name));
    for setting in ["search_path = app, \"Odd\", public", "work_mem = '7MB'", "app.note = 'it''s'"] {
        cluster().client("postgres").batch_execute(&format!("alter database {name} set {setting}")).unwrap();
    }
    name
}

fn fill(client: &mut Client) {
    client.batch_execute("create schema app; create table app.t as select generate_series(1, 3) i").unwrap();
}

fn rows(url: &DbUrl) -> i64 {
    open(url).client().query_one("select count(*) from t", &[]).unwrap().get(0)
}

#[test]
fn an_empty_one_goes_with_its_value() {
    let ui = quiet();
    let scratch = Scratch::empty(&admin(), &making(&ui)).unwrap();
    let name = scratch.name().to_owned();
    assert!(name.starts_with(&format!("xtask_scratch_{}_", std::process::id())), "{name}");
    assert!(
        comment(&name).starts_with("xtask scratch database (a test), made by xtask scratch "),
        "{}",
        comment(&name)
    );
    let mut inside = open(scratch.url());
    assert_eq!(inside.database(), name);
    // It goes although somebody is connected to it.
    drop(scratch);
    assert!(!there(&name));
    assert!(inside.client().batch_execute("select 1").is_err());
    let scratch = Scratch::empty(&admin(), &making(&ui)).unwrap();
    let name = scratch.name().to_owned();
    scratch.remove().unwrap();
    assert!(!there(&name));
}

#[test]
fn a_clone_has_the_rows_and_the_settings() {
    let ui = quiet();
    let source = source();
    let scratch = Scratch::clone_of(&admin(), &source, &making(&ui)).unwrap();
    let mut db = open(scratch.url());
    let row = db.client().query_one(
        "select count(*), current_setting('search_path'), current_setting('work_mem'), current_setting('app.note') from t",
        &[],
    );
    let row = row.unwrap();
    assert_eq!(row.get::<_, i64>(0), 3);
    assert_eq!(row.get::<_, String>(1), "app, \"Odd\", public");
    assert_eq!((row.get::<_, String>(2), row.get::<_, String>(3)), ("7MB".to_owned(), "it's".to_owned()));
}

/// Somebody is connected to the source: the copy is made all the same, and nobody is disconnected.
#[test]
fn a_source_in_use_is_copied_by_a_dump() {
    let ui = quiet();
    let source = source();
    let mut user = cluster().client(&source);
    user.batch_execute("begin; insert into t values (4)").unwrap();
    let scratch = Scratch::clone_of(&admin(), &source, &making(&ui)).unwrap();
    assert_eq!(rows(scratch.url()), 3);
    user.batch_execute("commit").unwrap();
    assert_eq!(rows(scratch.url()), 3);
    let leftovers = std::fs::read_dir(std::env::temp_dir()).unwrap().flatten();
    let name = scratch.name().to_owned();
    assert!(!leftovers.into_iter().any(|entry| entry.file_name().to_string_lossy() == name));
}

/// Locale and tablespace come along, also by a dump; what does not is said, and nobody else may connect.
#[test]
fn a_clone_is_like_its_source_and_closed_to_others() {
    if cluster().major < 15 {
        return not_run("PostgreSQL has a locale provider since 15");
    }
    let ui = quiet();
    let (source, role) = (cluster().database(), format!("guest_{}", std::process::id()));
    let mut admin_client = cluster().client("postgres");
    admin_client.batch_execute(&format!("drop database {source}")).unwrap();
    let create = "encoding 'UTF8' locale 'C.UTF-8' locale_provider icu icu_locale 'de'";
    match admin_client.batch_execute(&format!("create database {source} template template0 {create}")) {
        Err(error) if error.code() == Some(&SqlState::FEATURE_NOT_SUPPORTED) => {
            return not_run("this PostgreSQL is built without ICU; with one of the system's packages it runs");
        }
        made => made.unwrap(),
    }
    admin_client
        .batch_execute(&format!("create role {role} login; grant create on database {source} to {role}"))
        .unwrap();
    let mut user = cluster().client(&source);
    // A dump leaves out an index that was not finished, and knows nothing of what is set for a role.
    let given = format!("alter role {SUPERUSER} in database {source} set search_path = \"S\", public");
    user.batch_execute(&format!("create table d as select 1 as n from generate_series(1, 2); {given}")).unwrap();
    let _ = user.batch_execute("create unique index concurrently broken on d (n)").unwrap_err();
    let dumped = Scratch::clone_of(&admin(), &source, &making(&ui)).unwrap();
    drop(user);
    let copied = Scratch::clone_of(&admin(), &source, &making(&ui)).unwrap();
    assert!(dumped.lacks().unwrap().contains("another session is connected"), "{:?}", dumped.lacks());
    assert!(dumped.lacks().unwrap().ends_with("in it index public.broken is missing"), "{:?}", dumped.lacks());
    assert_eq!(copied.lacks(), None);
    for scratch in [&dumped, &copied] {
        let path: String = cluster().client(scratch.name()).query_one("show search_path", &[]).unwrap().get(0);
        assert_eq!(path, "\"S\", public");
        let sql = format!(
            "select datlocprovider::text, coalesce(to_jsonb(d) ->> 'datlocale', to_jsonb(d) ->> 'daticulocale'), \
             has_database_privilege('{role}', oid, 'create'), has_database_privilege('{role}', oid, 'connect') \
             from pg_database d where datname = $1"
        );
        let row = admin_client.query_one(&sql, &[&scratch.name()]).unwrap();
        assert_eq!((row.get(0), row.get(1)), ("i".to_owned(), "de".to_owned()));
        assert_eq!(
            (row.get(2), row.get(3)),
            (true, false),
            "what others may do in it is carried, and they may not connect"
        );
    }
    drop((dumped, copied));
    admin_client.batch_execute(&format!("drop database {source}; drop role {role}")).unwrap_or_default();
}

#[test]
fn a_missing_source_is_said_and_nothing_stays() {
    let ui = quiet();
    let why = "a test of what is missing";
    let said = fail(Scratch::clone_of(&admin(), "no such", &Making { why, ..making(&ui) }));
    assert_eq!(said.kind, Kind::DatabaseMissing);
    assert!(said.details.contains("no such"), "{}", said.details);
    let sql = "select count(*) from pg_database where strpos(shobj_description(oid, 'pg_database'), $1) > 0";
    let left: i64 = cluster().client("postgres").query_one(sql, &[&why]).unwrap().get(0);
    assert_eq!(left, 0);
}

#[test]
fn save_points_bring_a_moment_back() {
    let ui = quiet();
    let mut scratch = Scratch::clone_of(&admin(), &source(), &making(&ui)).unwrap();
    let first = scratch.save().unwrap();
    open(scratch.url()).client().batch_execute("delete from t where i = 1").unwrap();
    let second = scratch.save().unwrap();
    open(scratch.url()).client().batch_execute("drop table t").unwrap();
    let mut left_open = open(scratch.url());
    scratch.restore(&second).unwrap();
    assert!(left_open.client().batch_execute("select 1").is_err());
    assert_eq!(rows(scratch.url()), 2);
    scratch.restore(&first).unwrap();
    assert_eq!(rows(scratch.url()), 3);
    scratch.forget(second).unwrap();
    let name = scratch.name().to_owned();
    assert!(there(&format!("{name}_s1")) && !there(&format!("{name}_s2")));
    drop(scratch);
    assert!(!there(&name) && !there(&format!("{name}_s1")));
}

#[test]
fn a_save_point_waits_for_nobody_for_ever() {
    let ui = quiet();
    let mut scratch = Scratch::empty(&admin(), &making(&ui)).unwrap();
    let _inside = open(scratch.url());
    let said = fail(scratch.save());
    assert_eq!(said.kind, Kind::ActiveConnections, "{said:?}");
}

#[test]
fn a_kept_one_stays_and_can_be_reached() {
    let ui = quiet();
    let scratch = Scratch::empty(&admin(), &making(&ui)).unwrap();
    let kept = scratch.keep().unwrap();
    assert!(there(&kept.database));
    assert!(!sweep(&admin()).unwrap().contains(&kept.database));
    assert!(there(&kept.database));
    assert_eq!(shell(&format!("{} -XAtc 'select current_database()'", kept.psql)), kept.database);
    shell(&kept.drop);
    assert!(!there(&kept.database));
}

#[expect(clippy::disallowed_methods)]
fn shell(line: &str) -> String {
    let output = Command::new("sh").args(["-c", line]).env("PATH", cluster().path()).output().unwrap();
    assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// Holds a scratch database until it is killed.
fn hold() {
    let (ui, url) = (quiet(), std::env::var("XTASK_TEST_HOLD").unwrap());
    let mut scratch = Scratch::empty(&DbUrl::parse(&url).unwrap(), &making_alone(&ui)).unwrap();
    scratch.save().unwrap();
    let _inside = open(scratch.url());
    say(scratch.name());
    std::thread::sleep(std::time::Duration::from_secs(600));
}

/// Without the shared cluster: the child has no need of one.
fn making_alone(ui: &Ui) -> Making<'_> {
    Making::plain(ui, "a test", &[])
}

fn say(name: &str) {
    use std::io::Write;
    std::io::stderr().write_all(format!("scratch: {name}\n").as_bytes()).unwrap();
}

#[test]
fn a_killed_run_is_swept_and_a_live_one_is_not() {
    if process::wanted().is_some() {
        return hold();
    }
    // A server of its own: on the shared one, another test's sweep could be first.
    let server = private_cluster("", "", &[]);
    let url = format!("postgresql://postgres@/postgres?host={}&port={}", server.dir.display(), server.port);
    let admin = DbUrl::parse(&url).unwrap();
    let ui = quiet();
    let live = Scratch::empty(&admin, &making(&ui)).unwrap();
    let names = |server: &Private| -> Vec<String> {
        let sql = "select datname::text from pg_database where not datistemplate and datname <> 'postgres' order by 1";
        server.client("postgres").query(sql, &[]).unwrap().iter().map(|row| row.get(0)).collect()
    };
    for database in ["xtask_scratch_1_mine", "xtask_scratch_1_0123abcd", "xtask_scratch_2_0123abcd"] {
        server.client("postgres").batch_execute(&format!("create database {database}")).unwrap();
    }
    // Somebody else's database that only has such a name says so in its comment.
    server.client("postgres").batch_execute("comment on database xtask_scratch_2_0123abcd is 'my own'").unwrap();

    let mut child = process::part("scratch::a_killed_run_is_swept_and_a_live_one_is_not", "hold")
        .env("XTASK_TEST_HOLD", &url)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let dead = lines.map_while(Result::ok).find_map(|line| line.strip_prefix("scratch: ").map(str::to_owned)).unwrap();
    let dump = std::env::temp_dir().join("xtask_scratch_1_0123abcd");
    std::fs::create_dir_all(&dump).unwrap();
    std::fs::write(dump.join("dump"), "somebody's rows").unwrap();
    assert_eq!(sweep(&admin).unwrap(), ["xtask_scratch_1_0123abcd"], "a live one was swept");
    assert!(!dump.exists(), "the dump that it was being copied by is left");

    child.kill().unwrap();
    child.wait().unwrap();
    let save_point = format!("{dead}_s1");
    let mut swept = Vec::new();
    // The server notices the death of a client when it next talks to it.
    for _ in 0..200 {
        swept.extend(sweep(&admin).unwrap());
        if swept.len() == 2 {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    assert_eq!(swept, [dead, save_point]);
    let mut left =
        vec![live.name().to_owned(), "xtask_scratch_1_mine".to_owned(), "xtask_scratch_2_0123abcd".to_owned()];
    left.sort();
    assert_eq!(names(&server), left);
    drop(live);
    assert!(sweep(&admin).unwrap().is_empty());
}

/// An ordinary role: without CREATEDB it is told what to do; with it, it may copy what it may read but does not own.
#[test]
fn an_ordinary_role() {
    let ui = quiet();
    let role = format!("ordinary_{}", std::process::id());
    let source = cluster().database();
    fill(&mut cluster().client(&source));
    let mut superuser = cluster().client(&source);
    superuser.batch_execute(&format!("create role {role} login; grant usage on schema app to {role}")).unwrap();
    superuser.batch_execute(&format!("grant select on app.t to {role}")).unwrap();
    drop(superuser);
    let text = cluster().url("psycopg", "postgres").replace(&format!("{SUPERUSER}@"), &format!("{role}@"));
    let admin = DbUrl::parse(&text).unwrap();
    let said = fail(Scratch::empty(&admin, &making(&ui)));
    assert_eq!((said.kind, said.sqlstate.as_deref()), (Kind::PermissionDenied, Some("42501")), "{said:?}");
    assert!(said.details.contains(&role) && actions(&said)[0].contains("--server=embedded"), "{said:?}");
    cluster().client("postgres").batch_execute(&format!("alter role {role} createdb")).unwrap();
    let scratch = Scratch::clone_of(&admin, &source, &making(&ui)).unwrap();
    let count: i64 = open(scratch.url()).client().query_one("select count(*) from app.t", &[]).unwrap().get(0);
    assert_eq!(count, 3);
}

/// The owner's session was ended (a server restart does that): the end of the value still drops the database.
#[test]
fn a_lost_owner_session_is_opened_again() {
    let ui = quiet();
    let scratch = Scratch::empty(&admin(), &making(&ui)).unwrap();
    let name = scratch.name().to_owned();
    let end = "select pg_terminate_backend(pid) from pg_stat_activity where datname = 'postgres' and pid = $1";
    let sql = "select pid from pg_locks where locktype = 'advisory' and pid in (select pid from pg_stat_activity \
        where application_name like 'xtask scratch%') and objid = ('x' || encode(substr(sha256($1::text::bytea), 1, 4), 'hex'))::bit(32)::int8::oid";
    let mut client = cluster().client("postgres");
    let pid: i32 = client.query_one(sql, &[&name]).unwrap().get(0);
    client.query_one(end, &[&pid]).unwrap();
    let mut db = Db::connect(&admin(), "xtask test").unwrap();
    assert!(db.wait_gone(pid, std::time::Duration::from_secs(60)).unwrap());
    scratch.remove().unwrap();
    assert!(!there(&name));
}
