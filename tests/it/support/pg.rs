//! One PostgreSQL cluster for the whole test run, on a Unix socket, and a fresh database for each test that asks.
//! The cluster goes when the test process ends, however it ends: a watchdog holds the read end of a pipe.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use postgres::{Client, NoTls};

/// The superuser of the test cluster; it has no password (trust, on a private socket).
pub const SUPERUSER: &str = "postgres";

pub struct Cluster {
    /// The folder of the socket; also what `?host=` takes.
    pub socket_dir: PathBuf,
    /// Where `postgres`, `pg_dump` and the others are.
    pub bin: PathBuf,
}

/// The cluster of this test process, started by the first test that asks.
pub fn cluster() -> &'static Cluster {
    static CLUSTER: OnceLock<Cluster> = OnceLock::new();
    CLUSTER.get_or_init(start)
}

impl Cluster {
    /// A fresh empty database with a name of its own.
    pub fn database(&self) -> String {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("t_{}_{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        self.client("postgres").batch_execute(&format!("create database {name}")).unwrap();
        name
    }

    /// A connection to a database as superuser.
    pub fn client(&self, database: &str) -> Client {
        let dir = self.socket_dir.display();
        Client::connect(&format!("host={dir} user={SUPERUSER} dbname={database}"), NoTls).unwrap()
    }

    /// The SQLAlchemy URL of a database here, for a driver such as `asyncpg`.
    pub fn url(&self, driver: &str, database: &str) -> String {
        format!("postgresql+{driver}://{SUPERUSER}@/{database}?host={}", self.socket_dir.display())
    }
}

fn start() -> Cluster {
    let bin = Path::new("/usr/lib/postgresql/15/bin").to_owned();
    let root = std::env::temp_dir().join(format!("xtt-{}", std::process::id()));
    std::fs::create_dir_all(&root).unwrap();
    let uid =
        if rustix::process::geteuid().is_root() { "setpriv --reuid=65534 --regid=65534 --clear-groups" } else { "" };
    std::os::unix::fs::chown(&root, uid.split('=').nth(1).and(Some(65534)), None).unwrap();
    let script = format!(
        "set -e; {uid} {bin}/initdb -D {root}/data --no-sync -A trust -E UTF8 --locale=C -U {SUPERUSER} >{root}/log 2>&1; \
         {uid} {bin}/postgres -D {root}/data -F -c listen_addresses= -c unix_socket_directories={root} \
         -c full_page_writes=off -c synchronous_commit=off -c autovacuum=off -c max_connections=200 >>{root}/log 2>&1 & \
         pid=$!; cat >/dev/null; pkill -QUIT -P $pid; kill -QUIT $pid; sleep 0.3; rm -rf {root}",
        bin = bin.display(),
        root = root.display(),
    );
    use std::os::unix::process::CommandExt;
    #[expect(clippy::disallowed_methods)]
    let mut watchdog = Command::new("sh").arg("-c").arg(script).stdin(Stdio::piped()).process_group(0).spawn().unwrap();
    // The pipe stays open as long as this process lives; its end is the watchdog's signal.
    std::mem::forget(watchdog.stdin.take());
    let cluster = Cluster { socket_dir: root.clone(), bin };
    let until = Instant::now() + Duration::from_secs(60);
    let url = format!("host={} user={SUPERUSER} dbname=postgres", root.display());
    while Client::connect(&url, NoTls).is_err() {
        assert!(Instant::now() < until, "the test cluster did not start; see {}/log", root.display());
        std::thread::sleep(Duration::from_millis(20));
    }
    cluster
}

#[test]
fn the_cluster_answers() {
    let name = cluster().database();
    let row = cluster().client(&name).query_one("select current_database()", &[]).unwrap();
    assert_eq!(row.get::<_, String>(0), name);
}
