//! One PostgreSQL cluster for the whole test run, on a Unix socket, and a fresh database for each test that asks. It is
//! a throwaway server of the product's own making (`sys/server.rs`): it goes when the test process ends, however it ends.
//! Its data is in memory where there is room: a copy of a database costs 11 ms of CPU there, and up to 90 on ext4, which
//! looks for inodes that were not just freed. So that it stays small there, a test's databases go when the test ends.

use std::cell::RefCell;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Mutex, OnceLock, PoisonError};

use postgres::{Client, NoTls};
use xtask::sys::server::{Home, Lease};
use xtask::ui::{Options, Ui};

/// The superuser of the test cluster; it has no password (trust, on a private socket).
pub const SUPERUSER: &str = xtask::sys::server::SUPERUSER;

/// Where Linux keeps files in memory, and how much of it has to be free.
const MEMORY: &str = "/dev/shm";
const ENOUGH: u64 = 2 << 30;

pub struct Cluster {
    /// The folder of the socket; also what `?host=` takes.
    pub socket_dir: PathBuf,
    /// Where `postgres`, `pg_dump` and the others are.
    pub bin: PathBuf,
    /// The server's major version.
    pub major: u32,
    data: PathBuf,
    /// Where what `initdb` made and what was fetched is kept for the next run.
    pub base: PathBuf,
    // Never dropped, being static: the kernel lets its locks go with the process, and the watchdog does the rest.
    _lease: Lease,
}

/// The cluster of this test process, started by the first test that asks.
pub fn cluster() -> &'static Cluster {
    static CLUSTER: OnceLock<Cluster> = OnceLock::new();
    CLUSTER.get_or_init(|| {
        let ui = Ui::new(Options { quiet: true, ..Options::default() });
        let home = match memory() {
            Some(folder) => home().throwaway_in(&folder),
            None => home().throwaway(),
        };
        let lease = Lease::acquire(&ui, &home).unwrap_or_else(|error| panic!("{}", whole(&error)));
        Cluster {
            socket_dir: lease.socket_dir.clone(),
            bin: lease.binaries.bin.clone(),
            major: lease.binaries.major,
            data: lease.data.clone(),
            base: lease.base.clone(),
            _lease: lease,
        }
    })
}

/// What `initdb` made for the cluster, to be copied for another one.
pub fn template() -> PathBuf {
    let entries = std::fs::read_dir(&cluster().base).unwrap().map(|entry| entry.unwrap().path());
    let is_template = |path: &PathBuf| {
        let name = path.file_name().unwrap().to_string_lossy();
        path.is_dir() && name.starts_with(&format!("template-{}-", cluster().major))
    };
    let newest = |path: &PathBuf| std::fs::metadata(path).unwrap().modified().unwrap();
    entries.filter(is_template).max_by_key(newest).expect("the cluster has been made from a template")
}

/// A folder of this user's in memory, if the machine has one with enough room.
pub fn memory() -> Option<PathBuf> {
    let room = rustix::fs::statvfs(MEMORY).ok()?;
    let folder = Path::new(MEMORY).join(format!("xtask-test-{}", rustix::process::geteuid().as_raw()));
    let is_there = room.f_bavail * room.f_frsize >= ENOUGH && std::fs::create_dir_all(&folder).is_ok();
    // As `/tmp`: where we are root, servers of another user make and remove their own folders in it.
    let is_open = is_there && std::fs::set_permissions(&folder, Permissions::from_mode(0o1777)).is_ok();
    is_open.then_some(folder)
}

/// The databases that a test has made: each test has a thread of its own.
struct Made(Vec<String>);

thread_local! {
    static MADE: RefCell<Made> = const { RefCell::new(Made(Vec::new())) };
}

impl Drop for Made {
    fn drop(&mut self) {
        let sweeper = sweeper().lock().unwrap_or_else(PoisonError::into_inner);
        self.0.drain(..).for_each(|name| drop(sweeper.send(name)));
    }
}

/// Drops a database, whoever is connected to it.
fn remove(client: &mut Client, name: &str) -> Result<(), postgres::Error> {
    client.execute("select pg_terminate_backend(pid) from pg_stat_activity where datname = $1", &[&name])?;
    client.batch_execute(&format!("drop database if exists {name}"))
}

/// Drops what it is sent, in a thread of its own: one that ends can no longer talk to PostgreSQL.
fn sweeper() -> &'static Mutex<Sender<String>> {
    static SWEEPER: OnceLock<Mutex<Sender<String>>> = OnceLock::new();
    SWEEPER.get_or_init(|| {
        let (sender, names) = channel::<String>();
        std::thread::spawn(move || {
            let mut client = cluster().client("postgres");
            for name in names {
                // A test that has failed may have left anything; at worst the database stays until the server goes.
                let _ = remove(&mut client, &name);
            }
        });
        Mutex::new(sender)
    })
}

/// A home whose programs and templates all test runs share.
pub fn home() -> Home {
    Home::at(&Path::new(env!("CARGO_TARGET_TMPDIR")).join("pg"), Path::new(env!("CARGO_BIN_EXE_xtask")))
}

/// An error as a person sees it: a test that cannot have its server says what to do.
pub fn whole(error: &anyhow::Error) -> String {
    let fail = xtask::fail::from_anyhow(error);
    format!("{}\n{}\n{}", fail.summary, fail.details, super::pasted::actions(&fail).join("\n"))
}

impl Cluster {
    /// `PATH` with this cluster's client programs first: a machine without PostgreSQL has psql and pg_dump by that, and
    /// those of Debian are Perl scripts that look for these.
    pub fn path(&self) -> std::ffi::OsString {
        let mut path = self.bin.clone().into_os_string();
        path.push(":");
        path.push(std::env::var_os("PATH").unwrap_or_default());
        path
    }

    /// A fresh empty database with a name of its own.
    pub fn database(&self) -> String {
        self.clone_of("template1")
    }

    /// A copy of a database that nobody is connected to, with a name of its own. It goes when the test ends.
    pub fn clone_of(&self, template: &str) -> String {
        let name = self.shared_clone_of(template);
        MADE.with_borrow_mut(|made| made.0.push(name.clone()));
        name
    }

    /// One that several tests are to use.
    pub fn shared_clone_of(&self, template: &str) -> String {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("t_{}_{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        self.create(&name, template);
        name
    }

    /// A copy of a database in the place of another one, whoever is connected to that.
    pub fn put_in_place(&self, name: &str, template: &str) {
        remove(&mut self.client("postgres"), name).unwrap();
        self.create(name, template);
    }

    fn create(&self, name: &str, template: &str) {
        let in_memory = self.data.starts_with(MEMORY) && self.major >= 15;
        let strategy = if in_memory { "strategy file_copy" } else { "" };
        let sql = format!("create database {name} template {template} {strategy}");
        self.client("postgres").batch_execute(&sql).unwrap();
    }

    /// A connection to a database as superuser.
    pub fn client(&self, database: &str) -> Client {
        let dir = self.socket_dir.display();
        Client::connect(&format!("host={dir} user={SUPERUSER} dbname={database}"), NoTls).unwrap()
    }

    /// The SQLAlchemy URL of a database here, for a driver such as `asyncpg`.
    pub fn url(&self, driver: &str, database: &str) -> String {
        let socket = self.socket_dir.display();
        let place = match driver {
            "pg8000" => format!("unix_sock={socket}/.s.PGSQL.5432"),
            _ => format!("host={socket}"),
        };
        format!("postgresql+{driver}://{SUPERUSER}@/{database}?{place}")
    }
}

#[test]
fn the_cluster_answers() {
    let name = cluster().database();
    let row = cluster().client(&name).query_one("select current_database()", &[]).unwrap();
    assert_eq!(row.get::<_, String>(0), name);
}
