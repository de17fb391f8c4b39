//! Backups: whole, private, unseen by git, without a password anywhere; or not there at all, with the reason.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use xtask::fail::{Kind, from_anyhow};
use xtask::model::url::DbUrl;
use xtask::sys::backup::record::Proof;
use xtask::sys::backup::{FOLDER, Request, restore, shelf, take};
use xtask::sys::pg::Db;
use xtask::sys::run::Cmd;

use crate::breakdowns::own_disk;
use crate::support::pasted::actions;
use crate::support::pg::cluster;
use crate::support::private::private_cluster;
use crate::support::process;
use crate::support::python::quiet;
use crate::support::scene::wait_until;

/// What the command at hand can do without a backup.
const INSTEAD: &str = "Or do without, with --no-backup";

/// A folder of the test's own, which goes at its end.
struct Root(PathBuf);

impl Root {
    fn new() -> Root {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("xtb-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let path = crate::support::temporary().join(name);
        fs::create_dir_all(&path).unwrap();
        Root(path)
    }

    /// What is in the backup folder.
    fn files(&self) -> Vec<String> {
        let entries = fs::read_dir(self.0.join(FOLDER)).into_iter().flatten().flatten();
        let mut names: Vec<String> = entries.map(|entry| entry.file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

impl Drop for Root {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

/// A backup of a database in a folder, with these programs first.
fn request<'a>(root: &'a Root, url: &str, tools: &'a [PathBuf]) -> Request<'a> {
    Request {
        project_root: &root.0,
        component: "manager",
        url: DbUrl::parse(url).unwrap(),
        expected: None,
        revision: &[],
        commit: None,
        tools,
        verify: true,
        lock_wait: Duration::from_secs(30),
        instead: INSTEAD.into(),
    }
}

/// A `pg_dump` of our own making in a folder; `PG_DUMP` in the script is the real one.
fn fake(root: &Root, script: &str) -> Vec<PathBuf> {
    let fake = root.0.join("pg_dump");
    let real = cluster().bin.join("pg_dump");
    let script = script.replace("PG_DUMP", &real.display().to_string());
    let version =
        "if [ \"$1\" = --version ]; then exec PG_DUMP --version; fi".replace("PG_DUMP", &real.display().to_string());
    fs::write(&fake, format!("#!/bin/sh\n{version}\n{script}\n")).unwrap();
    fs::set_permissions(&fake, fs::Permissions::from_mode(0o755)).unwrap();
    fs::write(root.0.join("pg_restore"), format!("#!/bin/sh\nexec {}/pg_restore \"$@\"\n", cluster().bin.display()))
        .unwrap();
    fs::set_permissions(root.0.join("pg_restore"), fs::Permissions::from_mode(0o755)).unwrap();
    vec![root.0.clone(), cluster().bin.clone()]
}

#[test]
fn a_backup_is_whole_private_and_proven() {
    let server = private_cluster("", "host all all all scram-sha-256", &[]);
    let sql = "create role owner login superuser password 'se:cr@t'; create table t as select 42 as answer; \
        create role reader; grant select on t to reader; create sequence s; select nextval('s'); \
        create sequence never; create sequence \"To Come\" increment 5; select setval('\"To Come\"', 26, false); \
        create table of_kinds (kind varchar(9) check (kind in ('a', 'b')))";
    server.client("postgres").batch_execute(sql).unwrap();
    let text = format!("postgresql+asyncpg://owner:se%3Acr%40t@localhost:{}/postgres?ssl=prefer", server.port);
    let root = Root::new();
    let tools = [cluster().bin.clone()];
    let wanted =
        Request { revision: &["a1/b2".to_owned()], commit: Some("c0ffee".into()), ..request(&root, &text, &tools) };
    let mut backup = take(&quiet(), &wanted).unwrap();
    let path = backup.path.clone();
    let name = path.file_name().unwrap().to_str().unwrap();
    assert!(name.starts_with("manager-20") && name.ends_with("Z-a1_b2.dump"), "{name}");
    assert_eq!((mode(&path), mode(path.parent().unwrap()), mode(&shelf::record_path(&path))), (0o600, 0o700, 0o600));
    assert_eq!(root.files(), [".gitignore", name, &format!("{name}.json")]);
    assert_eq!(fs::read_to_string(root.0.join(FOLDER).join(".gitignore")).unwrap(), "*\n");
    let sql = Cmd::new(cluster().bin.join("pg_restore"), &root.0).args(["-f", "-"]).arg(&path).read(&quiet()).unwrap();
    assert!(sql.contains("CREATE TABLE public.t") && sql.contains("\n42\n"), "{sql}");
    // What is written beside it is what it was taken of.
    let entry = shelf::list(&root.0).unwrap().remove(0);
    let record = entry.record.unwrap();
    assert_eq!(record, backup.record);
    assert_eq!((record.proof, record.differs), (Proof::Restored, Vec::new()));
    assert_eq!((record.bytes, record.contents.rows.tables["public.t"].rows), (entry.bytes, 1));
    let positions = [("public.\"To Come\"", Some(21)), ("public.never", None), ("public.s", Some(1))];
    assert_eq!(record.contents.sequences, positions.map(|(name, at)| (name.to_owned(), at)).into());
    assert_eq!((record.identity.database.as_str(), record.identity.system.is_empty()), ("postgres", false));
    assert_eq!((record.revision, record.commit.as_deref()), (vec!["a1/b2".to_owned()], Some("c0ffee")));
    let text = fs::read_to_string(shelf::record_path(&path)).unwrap();
    assert!(!text.contains("se:cr@t") && !text.contains("cr%40t"), "{text}");
    // Whoever writes meanwhile is noticed.
    assert_eq!(backup.written_since().unwrap(), Vec::<String>::new());
    server.client("postgres").batch_execute("update t set answer = 43; revoke select on t from reader").unwrap();
    let since = backup.written_since().unwrap().join("\n");
    assert!(
        since.contains("public.t: answer (1 value, others than before)") && since.contains("privileges"),
        "{since}"
    );
    // A file that is not the one of the record is not proven.
    fs::OpenOptions::new().append(true).open(&path).unwrap().set_len(100).unwrap();
    assert!(shelf::list(&root.0).unwrap()[0].record.is_none());
}

/// Each program says that it is done; the one behind it is asked where it lies.
#[test]
fn what_is_no_backup_is_not_taken_for_one() {
    let database = cluster().database();
    let other = cluster().database();
    let url = cluster().url("asyncpg", &database);
    let sql = "create table t as select generate_series(1, 50) as x; create table \"U u\" as select 1 as y";
    for name in [&database, &other] {
        cluster().client(name).batch_execute(sql).unwrap();
    }
    let without_snapshot = "for a; do shift; case $a in --snapshot*) ;; *) set -- \"$@\" \"$a\" ;; esac; done;";
    for (script, reason) in [
        ("exit 0".to_owned(), "the file is empty"),
        // It only ends well where the program did, which may refuse a way to compress.
        ("PG_DUMP \"$@\" >$0.whole || exit; head -c 1200 $0.whole".to_owned(), "pg_restore"),
        ("exec PG_DUMP -s \"$@\"".to_owned(), "it lacks the"),
        ("exec PG_DUMP -T t \"$@\"".to_owned(), "it lacks the table public.t"),
        (format!("{without_snapshot} exec PG_DUMP \"$@\" -d {other}"), "it is of the database"),
        (format!("exec PG_DUMP \"$@\" -d {other}"), "cannot import a snapshot from a different database"),
    ] {
        let root = Root::new();
        let tools = fake(&root, &script);
        let backup = take(&quiet(), &request(&root, &url, &tools)).unwrap();
        assert!(backup.passed_over.concat().contains(reason), "{script}: {:?}", backup.passed_over);
        assert_eq!((backup.record.proof, root.files().len()), (Proof::Restored, 3), "{script}");
    }
}

fn failing(request: &Request<'_>) -> xtask::fail::Fail {
    from_anyhow(&take(&quiet(), request).map(|backup| backup.path).unwrap_err())
}

#[test]
fn a_failure_leaves_nothing_behind() {
    let root = Root::new();
    let tools = [cluster().bin.clone()];
    let fail = failing(&request(&root, &cluster().url("asyncpg", "gone_database"), &tools));
    assert_eq!(fail.kind, Kind::BackupFailed);
    assert!(fail.details.contains("\"gone_database\" does not exist"), "{}", fail.details);
    assert!(actions(&fail).last().unwrap().contains(INSTEAD));
    // Another server than the one that is to be migrated.
    let database = cluster().database();
    let url = cluster().url("asyncpg", &database);
    let mut expected = Db::connect(&DbUrl::parse(&url).unwrap(), "xtask test").unwrap().identity().unwrap();
    expected.system.push('1');
    let fail = failing(&Request { expected: Some(expected), ..request(&root, &url, &tools) });
    assert!(fail.details.contains("another server answers"), "{}", fail.details);
    // A lock that nobody gives back is not waited for in silence, and its holder is named.
    let mut holder = cluster().client(&database);
    holder.batch_execute("create table held (x int)").unwrap();
    holder.batch_execute("set application_name = 'the holder'; begin; lock table held").unwrap();
    let fail = failing(&Request { lock_wait: Duration::from_millis(200), ..request(&root, &url, &tools) });
    assert!(fail.details.contains("the holder") && fail.details.contains("holds held"), "{}", fail.details);
    assert_eq!(root.files(), [".gitignore"]);
    // A link that a repository brought is not followed.
    let (linked, elsewhere) = (Root::new(), Root::new());
    fs::create_dir_all(linked.0.join(".xtask")).unwrap();
    std::os::unix::fs::symlink(&elsewhere.0, linked.0.join(FOLDER)).unwrap();
    let fail = failing(&request(&linked, &url, &tools));
    assert!(fail.details.contains("symbolic link"), "{}", fail.details);
    assert_eq!(fs::read_dir(&elsewhere.0).unwrap().count(), 0);
}

/// A role that may create no database cannot have it restored: then every row is read and counted, and that is said.
#[test]
fn without_the_right_to_restore_it_is_read() {
    let database = cluster().database();
    let role = format!("plain_{database}");
    let sql = format!(
        "create role {role} login password 'x'; grant all on schema public to {role}; set role {role}; \
        create table t as select generate_series(1, 70) as x; create table \"a\nb\" as select 1 as y"
    );
    cluster().client(&database).batch_execute(&sql).unwrap();
    let root = Root::new();
    let tools = [cluster().bin.clone()];
    let url = cluster().url("asyncpg", &database);
    let url = url.replacen(&format!("//{}", crate::support::pg::SUPERUSER), &format!("//{role}"), 1);
    let backup = take(&quiet(), &request(&root, &url, &tools)).unwrap();
    assert!(
        matches!(&backup.record.proof, Proof::Read(why) if why.contains("create no database")),
        "{:?}",
        backup.record.proof
    );
    let backup = take(&quiet(), &Request { verify: false, ..request(&root, &url, &tools) }).unwrap();
    assert_eq!(backup.record.proof, Proof::Read("--no-verify".to_owned()));
    cluster().client(&database).batch_execute(&format!("drop owned by {role} cascade; drop role {role}")).unwrap();
}

/// The usual wrapper, `docker exec -i CONTAINER pg_dump "$@"`: it passes no environment on, sees none of our files, and is at
/// home with its own server. What it makes is proven as anything else is; one without stdin makes no proof.
#[test]
fn a_wrapper_that_runs_elsewhere_is_a_program_as_any_other() {
    let database = cluster().database();
    let sql =
        "create table t as select generate_series(1, 50) as x, repeat('é', 3000) as y; select lo_from_bytea(0, 'x')";
    cluster().client(&database).batch_execute(sql).unwrap();
    let url = cluster().url("asyncpg", &database);
    for (reads, proven) in [("", true), ("</dev/null", false)] {
        let root = Root::new();
        let tools = fake(&root, "");
        for name in ["pg_dump", "pg_restore"] {
            let real = cluster().bin.join(name).display().to_string();
            let home = format!("env -i PATH=/usr/bin:/bin PGHOST={}", cluster().socket_dir.display());
            // Its own /tmp, as a container has it.
            let elsewhere = match own_disk() {
                Some(way) => {
                    format!("{} sh -c 'mount -t tmpfs none \"$0\"; exec \"$@\"' {}", way.join(" "), root.0.display())
                }
                None => String::new(),
            };
            let script = format!("#!/bin/sh\nexec {home} {elsewhere} {real} \"$@\" {reads}\n");
            fs::write(root.0.join(name), script).unwrap();
            fs::set_permissions(root.0.join(name), fs::Permissions::from_mode(0o755)).unwrap();
        }
        let backup = take(&quiet(), &request(&root, &url, &tools)).unwrap();
        assert_eq!(
            (backup.record.proof, backup.passed_over.is_empty()),
            (Proof::Restored, proven),
            "{:?}",
            backup.passed_over
        );
        if proven {
            let entry = shelf::list(&root.0).unwrap().remove(0);
            let made = restore::into_new(&quiet(), &DbUrl::parse(&url).unwrap(), &tools[..1], &entry, true).unwrap();
            assert_eq!(made.differs, Vec::<String>::new());
        }
    }
}

/// What pg_dump is told is looked at from inside it: the password is in the environment and in no argument, names cannot
/// be read as anything else, and the file is there for our eyes only before the first byte.
#[test]
fn the_password_is_in_no_argument() {
    let root = Root::new();
    let script = "{ echo \"args $*\"; echo \"password $PGPASSWORD\"; echo \"$PGPORT $PGUSER $PGDATABASE\"; \
        ls -l FOLDER | grep part; } >SEEN; exec PG_DUMP \"$@\"";
    let seen = root.0.join("seen");
    let folder = root.0.join(FOLDER).display().to_string();
    let tools = fake(&root, &script.replace("SEEN", &seen.display().to_string()).replace("FOLDER", &folder));
    let server = private_cluster("", "host all all all scram-sha-256", &[]);
    let sql = "create role u superuser login password 'hidden'";
    server.client("postgres").batch_execute(sql).unwrap();
    server.client("postgres").batch_execute("create database \"dbname=postgres host=x\"").unwrap();
    let url = format!("postgresql://u:hidden@localhost:{}/dbname=postgres host=x?sslmode=disable", server.port);
    let backup = take(&quiet(), &request(&root, &url, &tools)).unwrap();
    assert!(backup.passed_over.is_empty(), "{:?}", backup.passed_over);
    let seen = fs::read_to_string(seen).unwrap();
    let lines: Vec<&str> = seen.lines().collect();
    assert!(lines[0].starts_with("args -Fc --no-password -Z1 ") && !lines[0].contains("hidden"), "{seen}");
    assert_eq!(lines[1], "password hidden");
    assert_eq!(lines[2], format!("{} u dbname=postgres host=x", server.port));
    assert!(lines[3].starts_with("-rw-------"), "{seen}");
}

/// Takes a backup with a `pg_dump` that never ends.
fn endless() {
    let (root, url) = (std::env::var_os("XTASK_TEST_ROOT").unwrap(), std::env::var("XTASK_TEST_URL").unwrap());
    xtask::sys::interrupt::listen().unwrap();
    let root = Root(PathBuf::from(root));
    let fail = failing(&request(&root, &url, std::slice::from_ref(&root.0)));
    std::mem::forget(root);
    assert_eq!(fail.kind, Kind::Interrupted);
}

/// Ctrl-C leaves nothing; after `kill -9` the program ends with its parent, and the next backup sweeps what it wrote.
#[test]
fn a_backup_that_is_broken_off_leaves_nothing_behind() {
    if process::wanted().is_some() {
        return endless();
    }
    let url = cluster().url("asyncpg", &cluster().database());
    for signal in [rustix::process::Signal::TERM, rustix::process::Signal::KILL] {
        let root = Root::new();
        fake(
            &root,
            "echo half; echo $$ >PID; exec sleep 600"
                .replace("PID", &root.0.join("pid").display().to_string())
                .as_str(),
        );
        let mut command = process::part("backup::a_backup_that_is_broken_off_leaves_nothing_behind", "endless");
        command.env("XTASK_TEST_ROOT", &root.0).env("XTASK_TEST_URL", &url);
        let mut child = command.stdout(std::process::Stdio::null()).spawn().unwrap();
        wait_until("pg_dump has begun", || fs::read_to_string(root.0.join("pid")).is_ok_and(|pid| pid.ends_with('\n')));
        let pid: i32 = fs::read_to_string(root.0.join("pid")).unwrap().trim().parse().unwrap();
        rustix::process::kill_process(rustix::process::Pid::from_child(&child), signal).unwrap();
        assert_eq!(child.wait().unwrap().success(), signal == rustix::process::Signal::TERM);
        let pid = rustix::process::Pid::from_raw(pid).unwrap();
        wait_until("pg_dump ends", || rustix::process::test_kill_process(pid).is_err());
        assert_eq!(root.files().len(), if signal == rustix::process::Signal::TERM { 1 } else { 2 });
        assert!(shelf::list(&root.0).unwrap().is_empty());
        take(&quiet(), &request(&root, &url, std::slice::from_ref(&cluster().bin))).unwrap();
        assert!(!root.files().iter().any(|name| name.contains("part")), "{:?}", root.files());
    }
}

/// The newest ten stay, and the last proven one, and what a journal needs.
#[test]
fn old_backups_go() {
    let root = Root::new();
    let folder = root.0.join(FOLDER);
    fs::create_dir_all(&folder).unwrap();
    for day in 10..30 {
        for component in ["manager", "app-proxy"] {
            fs::write(folder.join(format!("{component}-202611{day}T103000Z-a1.dump")), "x").unwrap();
        }
    }
    let needed = folder.join("manager-20261112T103000Z-a1.dump");
    shelf::trim(&root.0, "manager", |path| path == needed).unwrap();
    let left =
        |component: &str| root.files().iter().filter(|name| name.starts_with(component)).cloned().collect::<Vec<_>>();
    assert_eq!((left("manager").len(), left("app-proxy").len()), (11, 20));
    assert_eq!(left("manager")[0], "manager-20261112T103000Z-a1.dump");
    assert_eq!(left("manager")[1], "manager-20261120T103000Z-a1.dump");
}
