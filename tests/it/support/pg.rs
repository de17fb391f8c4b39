//! One PostgreSQL cluster for the whole test run, on a Unix socket, and a fresh database for each test that asks. It is
//! a throwaway server of the product's own making (`sys/server.rs`): it goes when the test process ends, however it ends.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use postgres::{Client, NoTls};
use xtask::sys::server::{Home, Lease};
use xtask::ui::{Options, Ui};

/// The superuser of the test cluster; it has no password (trust, on a private socket).
pub const SUPERUSER: &str = xtask::sys::server::SUPERUSER;

pub struct Cluster {
    /// The folder of the socket; also what `?host=` takes.
    pub socket_dir: PathBuf,
    /// Where `postgres`, `pg_dump` and the others are.
    pub bin: PathBuf,
    // Never dropped, being static: the kernel lets its locks go with the process, and the watchdog does the rest.
    _lease: Lease,
}

/// The cluster of this test process, started by the first test that asks.
pub fn cluster() -> &'static Cluster {
    static CLUSTER: OnceLock<Cluster> = OnceLock::new();
    CLUSTER.get_or_init(|| {
        let ui = Ui::new(Options { quiet: true, ..Options::default() });
        let lease = Lease::acquire(&ui, &home().throwaway()).unwrap_or_else(|error| panic!("{}", whole(&error)));
        Cluster { socket_dir: lease.socket_dir.clone(), bin: lease.binaries.bin.clone(), _lease: lease }
    })
}

/// A home whose programs and templates all test runs share.
pub fn home() -> Home {
    Home::at(&base(), Path::new(env!("CARGO_BIN_EXE_xtask")))
}

/// The folder of that home.
pub fn base() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("pg")
}

/// An error as a person sees it: a test that cannot have its server says what to do.
pub fn whole(error: &anyhow::Error) -> String {
    let fail = xtask::fail::from_anyhow(error);
    format!("{}\n{}\n{}", fail.summary, fail.details, super::pasted::actions(&fail).join("\n"))
}

impl Cluster {
    /// `PATH` with this cluster's client programs last: a machine without PostgreSQL has psql and pg_dump by that.
    pub fn path(&self) -> std::ffi::OsString {
        let mut path = std::env::var_os("PATH").unwrap_or_default();
        path.push(":");
        path.push(&self.bin);
        path
    }

    /// The server's major version.
    pub fn major(&self) -> u32 {
        let number: String = self.client("postgres").query_one("show server_version_num", &[]).unwrap().get(0);
        number.parse::<u32>().unwrap() / 10_000
    }

    /// A fresh empty database with a name of its own.
    pub fn database(&self) -> String {
        self.clone_of("template1")
    }

    /// A copy of a database that nobody is connected to, with a name of its own.
    pub fn clone_of(&self, template: &str) -> String {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("t_{}_{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        self.client("postgres").batch_execute(&format!("create database {name} template {template}")).unwrap();
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

#[test]
fn the_cluster_answers() {
    let name = cluster().database();
    let row = cluster().client(&name).query_one("select current_database()", &[]).unwrap();
    assert_eq!(row.get::<_, String>(0), name);
}
