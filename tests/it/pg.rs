//! Connections and sessions: every way in which connecting fails, made to happen; the version table; locks; who
//! blocks whom.

use std::net::TcpListener;
use std::path::Path;
use std::time::Duration;

use postgres::Client;
use xtask::fail::{Fail, Kind, from_anyhow};
use xtask::model::action::Around;
use xtask::model::url::DbUrl;
use xtask::sys::pg::{Applied, Db, Making, MigrationLock, Scratch, VersionTable, application_name, sql_fail};
use xtask::ui::{Options, Ui};

use crate::support::door::Door;
use crate::support::free_port;
use crate::support::pasted::actions;
use crate::support::pg::{SUPERUSER, cluster};
use crate::support::private::{Private, private_cluster};
use crate::support::process;

fn parse(text: &str) -> DbUrl {
    DbUrl::parse(text).unwrap()
}

/// A session in a database of the shared cluster.
fn open(database: &str) -> Db {
    Db::connect(&parse(&cluster().url("asyncpg", database)), "xtask test").unwrap()
}

fn fail<T>(result: anyhow::Result<T>) -> Fail {
    from_anyhow(&result.err().expect("it should have failed"))
}

fn refusal(url: &str) -> Fail {
    fail(Db::connect(&parse(url), "xtask test"))
}

#[test]
fn a_session_knows_where_it_is_and_how_it_speaks() {
    let database = cluster().database();
    let alter = format!(
        "alter database {database} set datestyle = 'German'; alter database {database} set timezone = 'Asia/Seoul'"
    );
    for sql in alter.split("; ") {
        cluster().client("postgres").batch_execute(sql).unwrap();
    }
    let mut db = open(&database);
    assert_eq!(db.database(), database);
    let row = db.client().query_one(
        "select pg_backend_pid(), current_setting('server_version_num')::int4, '2026-11-22 12:00+00'::timestamptz::text, \
         current_setting('application_name'), current_setting('lc_messages')",
        &[],
    );
    let row = row.unwrap();
    assert_eq!(row.get::<_, i32>(0), db.backend_pid());
    assert_eq!(row.get::<_, i32>(1).cast_unsigned(), db.server_version().number);
    assert_eq!(db.server_version().text.split('.').next(), Some(db.server_version().major().to_string().as_str()));
    assert_eq!(row.get::<_, String>(2), "2026-11-22 12:00:00+00");
    assert_eq!(row.get::<_, String>(3), "xtask test");
    assert_eq!(row.get::<_, String>(4), "C");
}

#[test]
fn nobody_listens() {
    let port = free_port();
    let fail = refusal(&format!("postgresql+asyncpg://u:hidden@localhost:{port}/d"));
    assert_eq!((fail.kind, fail.summary.as_str()), (Kind::ConnectionRefused, "Cannot connect to database"));
    assert_eq!(fail.details, format!("Connection refused to localhost:{port}"));
    assert_eq!(actions(&fail)[0], "Check PostgreSQL is running: docker ps | grep postgres");
    assert!(actions(&fail).iter().any(|action| action.contains("--server=embedded")), "{fail:?}");
    assert_eq!(fail.shown_related(&Around::default()).as_deref(), Some("cargo xtask doctor"));
    assert!(!format!("{fail:?}").contains("hidden"));
}

#[test]
fn nobody_is_there() {
    let fail = refusal("postgresql://u@nowhere.invalid/d");
    assert_eq!(fail.kind, Kind::ConnectionRefused);
    assert!(fail.details.starts_with("Cannot find the host nowhere.invalid"), "{}", fail.details);
    let fail = refusal("postgresql://u@/d?host=/nonexistent");
    assert_eq!(fail.kind, Kind::ConnectionRefused);
    assert_eq!(fail.details, "No socket /nonexistent/.s.PGSQL.5432");
}

/// A server that takes the connection and says nothing: the limit holds for the whole attempt.
#[test]
fn nobody_answers() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let fail = refusal(&format!("postgresql+psycopg://u@127.0.0.1:{port}/d?connect_timeout=1"));
    assert_eq!(fail.kind, Kind::ConnectionRefused);
    assert_eq!(fail.details, format!("No answer from 127.0.0.1:{port} within 1 s"));
}

/// A server that lets in by password only, with one role.
fn with_password() -> (Private, String) {
    let server =
        private_cluster("", "host all,postgres owner all scram-sha-256\nhost all other all scram-sha-256", &[]);
    for sql in ["create role owner login password 'right'", "create role other login password 'right'"] {
        server.client("postgres").batch_execute(sql).unwrap();
    }
    let place = format!("localhost:{}", server.port);
    (server, place)
}

#[test]
fn the_server_does_not_take_us() {
    let (server, place) = with_password();
    let wrong = refusal(&format!("postgresql://owner:wr0ng@{place}/postgres"));
    assert_eq!((wrong.kind, wrong.sqlstate.as_deref()), (Kind::AuthenticationFailed, Some("28P01")));
    assert!(!format!("{wrong:?}").contains("wr0ng"), "{wrong:?}");
    let unknown = refusal(&format!("postgresql://stranger:x@{place}/postgres"));
    assert_eq!((unknown.kind, unknown.sqlstate.as_deref()), (Kind::AuthenticationFailed, Some("28000")));
    assert!(unknown.details.contains("pg_hba.conf"), "{}", unknown.details);
    let none = refusal(&format!("postgresql+pg8000://owner@{place}/postgres"));
    assert_eq!(none.kind, Kind::AuthenticationFailed, "{none:?}");
    let missing = refusal(&format!("postgresql+asyncpg://owner:right@{place}/no%20such"));
    // SQLAlchemy does not decode the database's name, and neither do we.
    assert_eq!((missing.kind, missing.sqlstate.as_deref()), (Kind::DatabaseMissing, Some("3D000")));
    assert_eq!(actions(&missing)[0], format!("Create it: createdb -h localhost -p {} -U owner no%20such", server.port));
    server.client("postgres").batch_execute("create database closed").unwrap();
    server.client("postgres").batch_execute("revoke connect on database closed from public").unwrap();
    let closed = refusal(&format!("postgresql+asyncpg://owner:right@{place}/closed"));
    assert_eq!((closed.kind, closed.sqlstate.as_deref()), (Kind::PermissionDenied, Some("42501")));
    assert!(actions(&closed)[0].contains("GRANT CONNECT ON DATABASE \"closed\" TO \"owner\""), "{closed:?}");
}

/// A wrong password at the first host is not tried at the second one.
#[test]
fn a_refusal_ends_the_list_of_hosts() {
    let (server, _) = with_password();
    let fail =
        refusal(&format!("postgresql://owner:wrong@/postgres?host=localhost:{}&host=nowhere.invalid:1", server.port));
    assert_eq!(fail.kind, Kind::AuthenticationFailed);
}

/// A server in recovery says that it does not take connections yet; once promoted it does.
#[test]
fn a_server_that_starts_up_is_waited_for() {
    let server = Private::launch("hot_standby = off", "host all all all trust", &[("standby", "")]);
    server.wait_for(|error| error.is_some_and(|error| error.code().is_some_and(|code| code.code() == "57P03")));
    let url = parse(&format!("postgresql://postgres@localhost:{}/postgres", server.port));
    let waiting = std::thread::spawn(move || Db::connect(&url, "xtask test").map(|_| ()));
    std::thread::sleep(Duration::from_millis(300));
    assert!(!waiting.is_finished(), "it gave up at once");
    assert!(server.tool("pg_ctl").args(["promote", "-D", "data"]).status().unwrap().success());
    waiting.join().unwrap().unwrap();
}

/// It says so itself, and with several hosts whoever wants to write is led past it.
#[test]
fn a_standby_takes_no_writes() {
    let standby = Private::launch("hot_standby = on", "host all all all trust", &[("standby", "")]);
    standby.wait_for(|error| error.is_none());
    let primary = private_cluster("", "host all all all trust", &[]);
    let to =
        |hosts: &str| Db::connect(&parse(&format!("postgresql+psycopg://postgres@/postgres?{hosts}")), "xtask test");
    let (first, second) = (format!("host=localhost:{}", standby.port), format!("host=localhost:{}", primary.port));
    let db = to(&first).unwrap();
    assert_eq!((db.here().is_standby, db.takes_no_writes()), (true, Some(Kind::ReadOnlyServer)));
    let both = format!("{first}&{second}");
    assert_eq!(to(&both).unwrap().takes_no_writes(), Some(Kind::ReadOnlyServer));
    let db = to(&format!("{both}&target_session_attrs=read-write")).unwrap();
    assert_eq!((db.takes_no_writes(), db.endpoint().port), (None, primary.port));
    // What is made there is looked for there alone.
    let ui = Ui::new(Options::default());
    let making = Making { ui: &ui, why: "a test", name: None, file_copy: false, tools: &[], admin: None, memory: None };
    let scratch = Scratch::empty(db.url(), &making).unwrap();
    assert_eq!(Db::connect(scratch.url(), "xtask test").unwrap().endpoint().port, primary.port);
    assert!(!scratch.url().to_sqlalchemy().expose().contains(&standby.port.to_string()));
}

#[test]
fn a_connection_is_lost_in_the_middle() {
    let database = cluster().database();
    let mut db = open(&database);
    let mut other = open(&database);
    assert!(other.terminate(db.backend_pid()).unwrap());
    assert!(other.wait_gone(db.backend_pid(), Duration::from_secs(60)).unwrap());
    assert!(!other.terminate(db.backend_pid()).unwrap());
    for _ in 0..2 {
        // First the server's farewell, then the closed socket.
        let error = db.client().batch_execute("select 1").unwrap_err();
        assert_eq!(sql_fail(&error, "counting").kind, Kind::ConnectionLost, "{error:?}");
    }
    assert_eq!(fail(db.applied(&VersionTable::default())).kind, Kind::ConnectionLost);
}

#[test]
fn statements_fail_by_kind() {
    let database = cluster().database();
    let mut client = cluster().client(&database);
    let tables = "create table a (id int primary key, n int not null, c int check (c > 0)); \
        create table b (a int references a); insert into a values (1, 1, 1); create view v as select n from a";
    client.batch_execute(tables).unwrap();
    let mut other = cluster().client(&database);
    other.batch_execute("begin; lock table b").unwrap();
    for (sql, kind) in [
        ("insert into b values (9)", Kind::ForeignKeyViolation),
        ("insert into a values (1, 1, 1)", Kind::UniqueViolation),
        ("insert into a values (2, null, 1)", Kind::NotNullViolation),
        ("insert into a values (2, 1, 0)", Kind::CheckViolation),
        ("select * from gone", Kind::UndefinedObject),
        ("select gone from a", Kind::UndefinedObject),
        ("select 1::gone", Kind::UndefinedObject),
        ("select gone()", Kind::UndefinedObject),
        ("create table a (id int)", Kind::DuplicateObject),
        ("alter table a drop column n", Kind::DependentObjects),
        ("alter table b alter a type bool", Kind::LockTimeout),
        ("alter table a alter c type bool", Kind::TypeChangeBlocked),
        ("begin; select gone(); ", Kind::UndefinedObject),
        ("select 1", Kind::TransactionAborted),
        ("rollback; set role pg_monitor; insert into a values (7, 7, 7)", Kind::PermissionDenied),
        ("select 1/0", Kind::SqlError),
    ] {
        client.batch_execute("set lock_timeout = 50").ok();
        if kind == Kind::ForeignKeyViolation {
            other.batch_execute("rollback").unwrap();
        }
        let error = client.batch_execute(sql).unwrap_err();
        let fail = sql_fail(&error, "testing");
        assert_eq!(fail.kind, kind, "{sql}: {error:?}");
        assert!(fail.sqlstate.is_some() && fail.details.starts_with("While testing: "), "{fail:?}");
        if kind == Kind::DependentObjects {
            assert!(fail.details.contains("view v"), "{}", fail.details);
            other.batch_execute("begin; lock table b").unwrap();
        }
    }
}

#[test]
fn the_version_table_is_found() {
    let database = cluster().database();
    let mut client = cluster().client(&database);
    let mut db = open(&database);
    let table = VersionTable::default();
    assert_eq!(db.applied(&table).unwrap(), Applied::default());

    client.batch_execute("create schema app; create table app.alembic_version (version_num varchar(32))").unwrap();
    client.batch_execute("insert into app.alembic_version values ('b2'), ('a1')").unwrap();
    let elsewhere = db.applied(&table).unwrap();
    assert_eq!(elsewhere.revisions, ["a1", "b2"]);
    assert_eq!(elsewhere.elsewhere.as_deref(), Some("app"));

    let named = VersionTable { schema: Some("app".to_owned()), ..VersionTable::default() };
    assert_eq!(db.applied(&named).unwrap().revisions, ["a1", "b2"]);
    assert_eq!(db.applied(&named).unwrap().elsewhere, None);
    let missing = VersionTable { schema: Some("no such".to_owned()), ..VersionTable::default() };
    assert!(!db.applied(&missing).unwrap().table);

    // A table that only has the name is not Alembic's.
    client.batch_execute("create schema odd; create table odd.alembic_version (other int)").unwrap();
    assert_eq!(db.applied(&table).unwrap().elsewhere.as_deref(), Some("app"));

    client.batch_execute("create schema app2; create table app2.alembic_version (version_num text)").unwrap();
    let several = fail(db.applied(&table));
    assert_eq!(several.kind, Kind::ConfigInvalid);
    assert!(several.details.contains("app, app2"), "{}", several.details);
    assert!(actions(&several)[0].contains("\"app.alembic_version\""), "{several:?}");

    client.batch_execute("create table public.alembic_version (version_num text)").unwrap();
    assert_eq!(db.applied(&table).unwrap(), Applied { table: true, ..Applied::default() });

    let odd = VersionTable { schema: None, name: "Odd \"name".to_owned() };
    client.batch_execute("create table \"Odd \"\"name\" as select 'c3' as version_num").unwrap();
    assert_eq!(db.applied(&odd).unwrap().revisions, ["c3"]);

    db.client().batch_execute("set role pg_monitor").unwrap();
    assert_eq!(fail(db.applied(&table)).kind, Kind::PermissionDenied);
}

#[test]
fn one_migration_at_a_time() {
    let database = cluster().database();
    let url = parse(&cluster().url("asyncpg", &database));
    let mut first = MigrationLock::take(&url, "db-migrate").unwrap();
    first.check().unwrap();
    let second = fail(MigrationLock::take(&url, "db-migrate"));
    assert_eq!((second.kind, second.exit.code()), (Kind::AlreadyRunning, 3));
    for part in ["xtask db-migrate ", &format!("pid {}", first.backend_pid()), &std::process::id().to_string(), " UTC"]
    {
        assert!(second.details.contains(part), "{part} is not in {}", second.details);
    }
    // Another database has a lock of its own.
    let other = parse(&cluster().url("asyncpg", &cluster().database()));
    drop(MigrationLock::take(&other, "db-migrate").unwrap());
    let pid = first.backend_pid();
    drop(first);
    assert!(open(&database).wait_gone(pid, Duration::from_secs(60)).unwrap());
    let mut third = MigrationLock::take(&url, "db-migrate").unwrap();
    open(&database).terminate(third.backend_pid()).unwrap();
    open(&database).wait_gone(third.backend_pid(), Duration::from_secs(60)).unwrap();
    assert_eq!(fail(third.check()).kind, Kind::ConnectionLost);
}

/// Waits until `blocked` waits for somebody.
fn wait_blocked(watcher: &mut Db, blocked: i32) {
    for _ in 0..500 {
        if !watcher.blockers(blocked).unwrap().is_empty() {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("{blocked} never waited");
}

fn pid(client: &mut Client) -> i32 {
    client.query_one("select pg_backend_pid()", &[]).unwrap().get(0)
}

#[test]
fn others_are_seen_and_blockers_named() {
    let database = cluster().database();
    let mut db = open(&database);
    assert!(db.other_sessions(&[], &[]).unwrap().is_empty());
    let (mut holder, mut middle, mut last) =
        (cluster().client(&database), cluster().client(&database), cluster().client(&database));
    let pids = [pid(&mut holder), pid(&mut middle), pid(&mut last)];
    holder
        .batch_execute("set application_name = 'web server'; create table t (i int); create table u (i int)")
        .unwrap();
    let seen = db.other_sessions(&pids[1..], &[]).unwrap();
    assert_eq!(seen.len(), 1);
    assert_eq!((seen[0].pid, seen[0].user.as_deref()), (pids[0], Some(SUPERUSER)));
    assert_eq!((seen[0].application.as_deref(), seen[0].client.as_str()), (Some("web server"), "local"));
    assert!(seen[0].to_string().contains("web server, from local, idle, since 20"), "{}", seen[0]);
    assert!(db.other_sessions(&pids[1..], &["web"]).unwrap().is_empty());

    holder.batch_execute("begin; lock table t").unwrap();
    assert!(db.blockers(pids[0]).unwrap().is_empty());
    let middle = std::thread::spawn(move || {
        middle.batch_execute("begin; lock table u; lock table t; commit").unwrap();
    });
    wait_blocked(&mut db, pids[1]);
    let last = std::thread::spawn(move || last.batch_execute("lock table u; select 1").is_ok());
    wait_blocked(&mut db, pids[2]);
    let chain = db.blockers(pids[2]).unwrap();
    let mut blockers: Vec<i32> = chain.iter().map(|session| session.pid).collect();
    blockers.sort_unstable();
    let mut expected = vec![pids[0], pids[1]];
    expected.sort_unstable();
    assert_eq!(blockers, expected);
    let root = chain.iter().find(|session| session.pid == pids[0]).unwrap();
    assert_eq!(root.state.as_deref(), Some("idle in transaction"));
    assert_eq!(root.statement.as_deref(), Some("begin; lock table t"));
    holder.batch_execute("rollback").unwrap();
    middle.join().unwrap();
    last.join().unwrap();
}

#[test]
fn the_application_name_fits() {
    let name = application_name(&"x".repeat(100));
    assert_eq!(name.len(), 63);
    assert!(name.ends_with(&format!(" {}", std::process::id())));
    let name = application_name("db-migrate");
    assert!(name.starts_with("xtask db-migrate ") && name.contains('@'), "{name}");
}

/// Where a part in a process of its own connects to.
const TARGET: &str = "XTASK_TEST_TARGET";

fn connects_as_owner() {
    let mut db = Db::connect(&parse(&std::env::var(TARGET).unwrap()), "xtask test").unwrap();
    let row = db.client().query_one("select current_user::text", &[]).unwrap();
    assert_eq!(row.get::<_, String>(0), "owner");
}

/// The password file and the `PG*` variables of the real environment, in a process of its own.
#[test]
fn the_environment_is_used() {
    if process::wanted().is_some() {
        return connects_as_owner();
    }
    let (server, place) = with_password();
    let pgpass = server.dir.join("pgpass");
    std::fs::write(&pgpass, "*:*:*:owner:right\n").unwrap();
    let run = |vars: &[(&str, &str)], mode: u32| {
        set_mode(&pgpass, mode);
        let mut command = process::part("pg::the_environment_is_used", "connect");
        command.env(TARGET, format!("postgresql://{place}/postgres"));
        command.env("PGUSER", "owner").env_remove("PGPASSWORD").envs(vars.iter().copied());
        command.output().unwrap().status.success()
    };
    let file = pgpass.to_str().unwrap();
    assert!(run(&[("PGPASSFILE", file)], 0o600));
    assert!(!run(&[("PGPASSFILE", file)], 0o644), "a password file that others can read must be passed over");
    assert!(run(&[("PGPASSFILE", "/nonexistent"), ("PGPASSWORD", "right")], 0o600));
    assert!(!run(&[("PGPASSFILE", "/nonexistent"), ("PGPASSWORD", "wrong")], 0o600));
}

fn set_mode(path: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

/// Runs a long statement until it is told to stop.
fn long_statement() {
    xtask::sys::interrupt::listen().unwrap();
    let mut db = Db::connect(&parse(&std::env::var(TARGET).unwrap()), "xtask long").unwrap();
    assert_eq!(fail(db.run("select pg_sleep(600)")).kind, Kind::Interrupted);
    // The session is still good: what was made can be put away through it.
    db.client().batch_execute("select 1").unwrap();
    // Each of these ends about when it is cancelled. A request that comes too late for it is no failure of the next one's.
    for tenths in 198..=208 {
        let _ = db.run(&format!("select pg_sleep({})", f64::from(tenths) / 10_000.0));
        if let Err(error) = db.client().batch_execute("select pg_sleep(0.005)") {
            assert_eq!(sql_fail(&error, "waiting").kind, Kind::Interrupted, "{error:?}");
        }
    }
}

#[test]
fn a_long_statement_is_cancelled_on_the_server() {
    if process::wanted().is_some() {
        return long_statement();
    }
    let (database, door) = (cluster().database(), Door::open("127.0.0.1", false));
    cancels(&database, &cluster().url("asyncpg", &database));
    cancels(&database, &format!("postgresql://postgres@127.0.0.1:{}/{database}", door.port));
}

/// Ends a statement in a process of its own, which connects by this URL.
fn cancels(database: &str, url: &str) {
    let mut command = process::part("pg::a_long_statement_is_cancelled_on_the_server", "long");
    command.env(TARGET, url);
    let mut child = command.stdout(std::process::Stdio::null()).spawn().unwrap();
    let mut db = open(database);
    let sleeping = |db: &mut Db| {
        let sessions = db.other_sessions(&[], &[]).unwrap();
        sessions.iter().any(|session| session.statement.as_deref() == Some("select pg_sleep(600)"))
    };
    while !sleeping(&mut db) {
        assert!(child.try_wait().unwrap().is_none(), "it ended by itself");
        std::thread::sleep(Duration::from_millis(10));
    }
    rustix::process::kill_process(rustix::process::Pid::from_child(&child), rustix::process::Signal::INT).unwrap();
    assert!(child.wait().unwrap().success());
    assert!(!sleeping(&mut db));
}
