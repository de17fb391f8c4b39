//! Backups: whole, private, unseen by git, without a password anywhere; or not there at all, with the reason.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use xtask::fail::{Kind, from_anyhow};
use xtask::model::url::DbUrl;
use xtask::sys::backup::{FOLDER, Request, take};
use xtask::sys::pg::{Db, ServerVersion};
use xtask::sys::run::Cmd;

use crate::support::pasted::actions;
use crate::support::pg::cluster;
use crate::support::private::private_cluster;
use crate::support::python::quiet;

/// What the command at hand can do without a backup.
const INSTEAD: &str = "Or do without, with --no-backup";

/// A folder of the test's own, which goes at its end.
struct Root(PathBuf);

impl Root {
    fn new() -> Root {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("xtb-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
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

fn version(url: &DbUrl) -> ServerVersion {
    Db::connect(url, "xtask test").unwrap().server_version().clone()
}

#[test]
fn a_backup_is_whole_and_private() {
    let server = private_cluster("", "host all all all scram-sha-256", &[]);
    let sql = "create role owner login superuser password 'se:cr@t'; create table t as select 42 as answer";
    server.client("postgres").batch_execute(sql).unwrap();
    let text = format!("postgresql+asyncpg://owner:se%3Acr%40t@localhost:{}/postgres?ssl=prefer", server.port);
    let url = DbUrl::parse(&text).unwrap();
    let root = Root::new();
    let request = Request {
        project_root: &root.0,
        component: "manager",
        url: &url,
        server: &version(&url),
        revision: "a1/b2",
        tools: std::slice::from_ref(&cluster().bin),
        instead: INSTEAD,
    };
    let path = take(&quiet(), &request).unwrap();
    let name = path.file_name().unwrap().to_str().unwrap();
    assert!(name.starts_with("manager-20") && name.ends_with("Z-a1_b2.dump"), "{name}");
    assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
    assert_eq!(root.files(), [".gitignore", name]);
    assert_eq!(fs::read_to_string(root.0.join(FOLDER).join(".gitignore")).unwrap(), "*\n");
    let sql = Cmd::new(cluster().bin.join("pg_restore"), &root.0).args(["-f", "-"]).arg(&path).read(&quiet()).unwrap();
    assert!(sql.contains("CREATE TABLE public.t") && sql.contains("\n42\n"), "{sql}");
}

fn failing(url: &str, server: &ServerVersion, tools: &[PathBuf]) -> (xtask::fail::Fail, Root) {
    let root = Root::new();
    let url = DbUrl::parse(url).unwrap();
    let request = Request {
        project_root: &root.0,
        component: "manager",
        url: &url,
        server,
        revision: "base",
        tools,
        instead: INSTEAD,
    };
    (from_anyhow(&take(&quiet(), &request).unwrap_err()), root)
}

#[test]
fn a_failure_leaves_nothing_behind() {
    let server = ServerVersion { number: 150_000, text: "15.0".to_owned() };
    let url = cluster().url("asyncpg", "gone_database");
    let (fail, root) = failing(&url, &server, std::slice::from_ref(&cluster().bin));
    assert_eq!(fail.kind, Kind::BackupFailed);
    assert!(fail.details.contains("\"gone_database\" does not exist"), "{}", fail.details);
    assert!(actions(&fail).last().unwrap().contains(INSTEAD));
    assert_eq!(root.files(), [".gitignore"]);

    let newer = ServerVersion { number: 990_000, text: "99.0".to_owned() };
    let (fail, root) = failing(&url, &newer, std::slice::from_ref(&cluster().bin));
    assert_eq!(fail.kind, Kind::BackupFailed);
    assert!(fail.details.contains("PostgreSQL 99") && fail.details.contains("pg_dump is version"), "{}", fail.details);
    assert!(actions(&fail)[0].contains("postgresql-client-99"), "{:?}", actions(&fail));
    assert_eq!(root.files(), [".gitignore"]);
}

/// What pg_dump is told is looked at from inside it: the password is in the environment and in no argument, and the
/// file is there for our eyes only before the first byte.
#[test]
fn the_password_is_in_no_argument() {
    let tools = Root::new();
    let seen = tools.0.join("seen");
    let script = format!(
        "#!/bin/sh\nif [ \"$1\" = --version ]; then echo 'pg_dump (PostgreSQL) 99.0'; exit; fi\n\
         {{ echo \"args $*\"; echo \"password $PGPASSWORD\"; echo \"host $PGHOST:$PGPORT $PGUSER $PGDATABASE $PGSSLMODE\"; \
         for f; do :; done; ls -l \"$f\"; }} >{}\n",
        seen.display()
    );
    let fake = tools.0.join("pg_dump");
    fs::write(&fake, script).unwrap();
    fs::set_permissions(&fake, fs::Permissions::from_mode(0o755)).unwrap();
    let root = Root::new();
    let url = DbUrl::parse("postgresql://u:hidden@/d?host=a:1&host=b:2&sslmode=require").unwrap();
    let request = Request {
        project_root: &root.0,
        component: "appproxy",
        url: &url,
        server: &ServerVersion { number: 150_000, text: "15.0".to_owned() },
        revision: "x",
        tools: std::slice::from_ref(&tools.0),
        instead: INSTEAD,
    };
    take(&quiet(), &request).unwrap();
    let seen = fs::read_to_string(seen).unwrap();
    let lines: Vec<&str> = seen.lines().collect();
    assert!(lines[0].starts_with("args -Fc --no-password -f ") && !lines[0].contains("hidden"), "{seen}");
    assert_eq!(lines[1], "password hidden");
    assert_eq!(lines[2], "host a,b:1,2 u d require");
    assert!(lines[3].starts_with("-rw-------"), "{seen}");
}

/// Takes a backup with a `pg_dump` that never ends; run by the test below in a process of its own.
#[test]
fn endless() {
    let Some(root) = std::env::var_os("XTASK_TEST_ENDLESS") else {
        return;
    };
    xtask::sys::interrupt::listen().unwrap();
    let root = PathBuf::from(root);
    let request = Request {
        project_root: &root,
        component: "manager",
        url: &DbUrl::parse("postgresql://u@h/d").unwrap(),
        server: &ServerVersion { number: 150_000, text: "15.0".to_owned() },
        revision: "x",
        tools: std::slice::from_ref(&root),
        instead: INSTEAD,
    };
    let fail = from_anyhow(&take(&quiet(), &request).unwrap_err());
    assert_eq!(fail.kind, Kind::Interrupted);
}

#[test]
fn an_interrupted_backup_leaves_nothing_behind() {
    let root = Root::new();
    let fake = root.0.join("pg_dump");
    let script = "#!/bin/sh\nif [ \"$1\" = --version ]; then echo 'pg_dump (PostgreSQL) 99.0'; exit; fi\n\
        for f; do :; done; echo half >\"$f\"; sleep 600\n";
    fs::write(&fake, script).unwrap();
    fs::set_permissions(&fake, fs::Permissions::from_mode(0o755)).unwrap();
    #[expect(clippy::disallowed_methods)]
    let mut command = std::process::Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "backup::endless"]).env("XTASK_TEST_ENDLESS", &root.0);
    let mut child = command.stdout(std::process::Stdio::null()).spawn().unwrap();
    let half = || root.files().iter().any(|name| name.contains(".dump.part-"));
    while !half() {
        assert!(child.try_wait().unwrap().is_none(), "it ended by itself");
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    assert!(child.wait().unwrap().success());
    assert_eq!(root.files(), [".gitignore"]);
}
