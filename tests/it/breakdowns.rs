//! What can break under an operation that changes a database: the tool itself, its Python, the server, pg_dump and pg_restore,
//! the disk. After each, at each point, files and database are as before, or as the operation makes them, or a journal
//! leads there; nothing is left behind, and no half backup counts as one.
//! A few cases by turns, all with `XTASK_TEST_BREAKDOWNS=all`.

use std::cell::{Cell, RefCell};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;

use rustix::process::{Pid, Signal, kill_process};
use xtask::sys::backup::{check_digest, shelf};

use crate::interrupts::runs_in;
use crate::support::branches::{Branches, Everything, script};
use crate::support::crashes::{Moment, put_in_place};
use crate::support::made::{FOR_REAL, fails_for_real};
use crate::support::not_run;
use crate::support::pg::{SUPERUSER, cluster};
use crate::support::process;
use crate::support::project::path;
use crate::support::scene::{Streams, wait_until};
use crate::support::xtask::{Folder, Output, Xtask};

/// An operation in a scene that is ready for it.
struct Operation {
    case: Branches,
    words: &'static str,
    /// What ends it where its journal has stayed.
    way_on: &'static str,
    begin: Moment,
    before: Everything,
    after: Everything,
    /// How many Pythons were killed.
    pythons: Cell<usize>,
    /// What went wrong: one of many is no reason to look at no other.
    wrong: RefCell<Vec<String>>,
}

/// Each operation with what ends it: its name, how its scene is made, its words, the way on.
type Made = (&'static str, fn() -> Branches, &'static str, &'static str);

const OPERATIONS: [Made; 7] = [
    ("backup", at_head, "db-backup", ""),
    ("downgrade", at_head, "db-migrate --direction=downgrade --target=a --yes", ""),
    ("undo", downgraded, "db-undo --yes", "db-undo --yes"),
    ("restore", emptied, "db-restore --yes", ""),
    ("in-place", at_head, "db-roundtrip --in-place --yes", "db-undo --yes"),
    ("rebase", moved, "db-rebase --yes", "db-rebase --resume"),
    ("abort", stopped_rebase, "db-rebase --abort", "db-rebase --abort"),
];

/// What is hit while the tool stands still.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Hit {
    Tool,
    Python,
    Server,
}

fn is_all() -> bool {
    std::env::var("XTASK_TEST_BREAKDOWNS").is_ok_and(|value| value == "all")
}

/// Another one in each run of the suite would be no test; `XTASK_TEST_SEED` chooses.
fn seed() -> usize {
    std::env::var("XTASK_TEST_SEED").map_or(0, |seed| seed.parse().unwrap())
}

fn at_head() -> Branches {
    let case = Branches::new("p; a < p; b < a").at("b");
    case.sql(0, "insert into t_b select generate_series(1, 500); insert into t_p select generate_series(1, 50)");
    case
}

fn downgraded() -> Branches {
    let case = at_head();
    drop(case.run("db-migrate --direction=downgrade --target=a --yes -q").code(0));
    case.sql(0, "insert into t_p values (4711)");
    case
}

fn emptied() -> Branches {
    let case = at_head();
    drop(case.run("db-backup -q").code(0));
    case.sql(0, "delete from t_b; insert into t_p values (4711)");
    case
}

/// A rebase that has to go down and up, with rows in what goes.
fn moved() -> Branches {
    let case = Branches::diverged("p", "r < p; s < r", "a < p; b < a").merged().at("b");
    let mended = script("b", "a").replace("(v int)", "(like t_p)");
    case.repo.commit("like", &[(&path("b"), &mended)]);
    let s = script("s", "r").replace("create table t_s (v int)", "alter table t_p add w int");
    case.repo.commit("add", &[(&path("s"), &s.replace("drop table t_s", "alter table t_p drop w"))]);
    case.sql(0, "insert into t_b select generate_series(1, 500)");
    case
}

/// The same, which fails on its way up, on the database itself alone.
pub fn stuck_rebase() -> Branches {
    let case = moved();
    let s = script("s", "r").replace("create table t_s (v int)", "alter table t_p add w int");
    let s = fails_for_real(
        &s.replace("drop table t_s", "alter table t_p drop w"),
        "alter table t_p add w int",
        "select 1 / 0",
    );
    case.repo.commit("stuck", &[(&path("s"), &s)]);
    case
}

/// The same, killed when the database is on its way.
fn stopped_rebase() -> Branches {
    let case = moved();
    killed_when(&case, "db-rebase --yes -q", 15, || case.heads() == "p");
    case
}

/// Kills a command at its first point, from this one on, where something is so that stays so for long: goes ahead in strides
/// that double, then halves the last one, since each point is a run.
fn killed_when(case: &Branches, words: &str, first: usize, is_so: impl Fn() -> bool) {
    let (begin, is_killed) = (case.moment(), Cell::new(false));
    // Behind its last point it runs to its end.
    let is_so_at = |at: usize| {
        begin.again();
        let killed = case.xtask(words).env("XTASK_CRASH_AT", at.to_string()).run();
        assert!(killed.code == -1 || killed.code == 0, "{at}: {killed}");
        is_killed.set(killed.code == -1);
        !is_killed.get() || is_so()
    };
    let (mut before, mut there, mut last) = (first - 1, first, first);
    while !is_so_at(there) {
        (before, there) = (there, there + (there - before) * 2);
        last = there;
    }
    while there - before > 1 {
        last = before.midpoint(there);
        *(if is_so_at(last) { &mut there } else { &mut before }) = last;
    }
    assert!((last == there || is_so_at(there)) && is_killed.get(), "it is never so");
}

/// A rebase that was killed between its backup and the way down may lie there for a day.
#[test]
fn a_row_that_is_written_before_a_rebase_goes_on_comes_along() {
    let case = moved();
    let done = || {
        let journal = fs::read_to_string(case.path(".xtask/journals/db-rebase/journal.json")).unwrap_or_default();
        journal.matches("\"progress\": \"done\"").count()
    };
    killed_when(&case, "db-rebase --yes -q", 1, || done() >= 1);
    assert_eq!(done(), 1);
    assert_eq!(case.heads(), "b", "nothing has gone down");
    case.sql(0, "insert into t_b values (7777)");
    let _ = case.run("db-rebase --resume --yes").code(0);
    assert!(case.rows(0).contains("7777"), "{}", case.rows(0));
}

/// Killed behind its way down, gone on with, killed again when it has carried the rows over: what is written then is newer
/// than all that, and no `--abort` loses it.
#[test]
fn a_row_that_is_written_behind_the_rows_that_were_carried_over_stays() {
    let case = stopped_rebase();
    let is_put_back = "select to_regclass('xtask_since.put_back') is not null";
    killed_when(&case, "db-rebase --resume --yes -q", 1, || case.client().query_one(is_put_back, &[]).unwrap().get(0));
    case.sql(0, "insert into t_b values (7777)");
    let aborted = case.run("db-rebase --abort --yes").code(0);
    assert!(case.rows(0).contains("7777"), "{aborted}\n{}", case.rows(0));
}

/// A downgrade that commits by itself and fails then has taken rows away: that is no 'as they were', and the backup of before
/// stays the one that counts.
#[test]
fn what_a_downgrade_took_away_before_it_failed_comes_back() {
    let case = moved();
    let b = script("b", "a").replace("(v int)", "(like t_p)");
    let way = "    with op.get_context().autocommit_block():\n        op.execute('delete from t_b')\n    \
               if __import__('os').path.exists('fails') and FOR_REAL: raise RuntimeError('no way')\n    op.execute('drop table t_b')";
    let careless = b.replace("    op.execute('drop table t_b')", &way.replace("FOR_REAL", FOR_REAL));
    assert_ne!(b, careless, "{b}");
    case.repo.commit("careless", &[(&path("b"), &careless)]);
    for way_on in ["--resume", "--abort"] {
        fs::write(case.path("fails"), "").unwrap();
        let begin = case.moment();
        let failed = case.run("db-rebase --yes --json").code(1);
        assert_eq!(failed.kind(), "half-done", "{failed}");
        assert!(!failed.stdout.contains("as they were") && !case.rows(0).contains("(500"), "{failed}");
        fs::remove_file(case.path("fails")).unwrap();
        let ended = case.run(&format!("db-rebase {way_on} --yes")).code(0);
        assert!(case.rows(0).contains("(500"), "{way_on}: {ended}\n{}", case.rows(0));
        begin.again();
    }
}

impl Operation {
    fn new((_, make, words, way_on): Made) -> Operation {
        let case = make();
        let begin = case.moment();
        let before = case.everything();
        let done = case.run(words);
        assert!(done.code == 0 || words.contains("in-place") && done.code == 4, "{words}: {done}");
        let after = case.everything();
        case.drop_kept();
        Operation { case, words, way_on, begin, before, after, pythons: Cell::default(), wrong: RefCell::default() }
    }

    fn again(&self) {
        self.case.drop_kept();
        self.begin.again();
        // What was done last is known by the number of the database, and this is another one.
        let sql = "select oid from pg_database where datname = current_database()";
        let number: u32 = self.case.client().query_one(sql, &[]).unwrap().get(0);
        for change in fs::read_dir(self.case.path(".xtask/changes")).into_iter().flatten().flatten() {
            if change.path().extension().is_some_and(|extension| extension == "json") {
                fs::rename(change.path(), change.path().with_file_name(format!("manager-{number}.json"))).unwrap();
            }
        }
    }

    /// Whether a journal says that something has not ended.
    fn is_pending(&self) -> bool {
        let folders = fs::read_dir(self.case.path(".xtask/journals")).into_iter().flatten().flatten();
        folders.map(|entry| entry.path().join("journal.json")).any(|journal| journal.exists())
    }

    /// Everything works again: what is there now, what is said, what is left. `why` names the case.
    fn judge(&self, done: &Output, pid: u32, why: &str) {
        let why = format!("{}, {why}", self.words);
        let judged = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| self.must_be_right(done, pid, &why)));
        if let Err(panic) = judged {
            let text = panic.downcast_ref::<String>().cloned().unwrap_or_else(|| why.clone());
            self.wrong.borrow_mut().push(text);
        }
    }

    fn must_be_right(&self, done: &Output, pid: u32, why: &str) {
        self.nobody_is_left(pid, why);
        self.backups_are_whole(why);
        let was_pending = self.is_pending();
        if was_pending {
            assert!(done.code != 0 && done.code != 3, "{why}: it says that it is done, or has changed nothing\n{done}");
            let ended = self.case.run(self.way_on);
            assert_eq!(ended.code, 0, "{why}\n{done}\n{}\n{ended}", self.way_on);
            assert!(!self.is_pending(), "{why}");
        }
        let now = self.case.everything();
        let (is_before, is_after) = (now == self.before, now == self.after);
        assert!(is_before || is_after, "{why}: neither as before nor as after\n{done}\n{}", self.case.rows(0));
        assert!(done.code != 3 || is_before, "{why}: refused, and something was changed\n{done}");
        let is_done = done.code == 0 || self.words.contains("in-place") && done.code == 4;
        assert!(!is_done || is_after, "{why}: it says that it is done\n{done}");
        // The next command takes away what a killed run has left.
        drop(self.case.run("db-backup -q").code(0));
        let parts = shelf::parts(self.case.root());
        assert_eq!(parts.0, 0, "{why}");
        assert_eq!(self.case.scratch_of(pid), Vec::<String>::new(), "{why}");
        self.backups_are_whole(why);
    }

    fn nobody_is_left(&self, pid: u32, why: &str) {
        let mut client = cluster().client("postgres");
        let sessions = "select count(*) from pg_stat_activity where application_name like $1";
        let ours = format!("xtask%{pid}");
        wait_until(&format!("{why}: its sessions end"), || {
            client.query_one(sessions, &[&ours]).unwrap().get::<_, i64>(0) == 0
        });
        wait_until(&format!("{why}: its processes end"), || !runs_in(self.case.root()));
    }

    /// What is listed as proven is the file that was, and can be read.
    #[expect(clippy::disallowed_methods)]
    fn backups_are_whole(&self, why: &str) {
        for entry in shelf::list(self.case.root()).unwrap().iter().filter(|entry| entry.record.is_some()) {
            let record = entry.record.as_ref().unwrap();
            assert!(check_digest(&entry.path, record).is_ok(), "{why}: {}", entry.path.display());
            let mut read = Command::new(cluster().bin.join("pg_restore"));
            let done = read.args(["-f", "/dev/null"]).arg(&entry.path).output().unwrap();
            assert!(done.status.success(), "{why}: {}", entry.path.display());
        }
    }

    /// Starts it so that it stands still at a point; `None` where it ends before.
    fn stopped(&self, at: usize) -> (std::process::Child, Streams, bool) {
        // A forked Python is the warm one's child: it would not be found below ours.
        let xtask = self.case.xtask(self.words).env("XTASK_WARM", "0");
        let mut child = xtask.env("XTASK_STOP_AT", at.to_string()).spawn();
        let (streams, pid) = (Streams::of(&mut child), child.id());
        let mut stands = false;
        wait_until("it stands still, or ends", || {
            stands = state_of(pid) == Some('T');
            stands || state_of(pid).is_none_or(|state| state == 'Z')
        });
        (child, streams, stands)
    }

    /// Hits something at a point; whether the operation came so far.
    fn hit(&self, hit: Hit, at: usize) -> bool {
        self.again();
        let (child, streams, stands) = self.stopped(at);
        let pid = child.id();
        match hit {
            Hit::Tool if stands => kill_process(Pid::from_child(&child), Signal::KILL).unwrap(),
            Hit::Python if stands => {
                let killed = pythons_of(pid).into_iter().map(kill).count();
                self.pythons.set(self.pythons.get() + killed);
            }
            Hit::Server if stands => crash_the_server(),
            _ => {}
        }
        let _ = kill_process(Pid::from_child(&child), Signal::CONT);
        let done = streams.end(child);
        wait_for_the_server();
        self.judge(&done, pid, &format!("{hit:?} at {at}"));
        stands
    }
}

fn kill(pid: u32) {
    let _ = kill_process(Pid::from_raw(i32::try_from(pid).unwrap()).unwrap(), Signal::KILL);
}

/// Kills one of its processes: it ends all sessions and begins anew.
fn crash_the_server() {
    let (mut client, mut witness) = (cluster().client("postgres"), cluster().client("postgres"));
    let pid: i32 = client.query_one("select pg_backend_pid()", &[]).unwrap().get(0);
    kill(pid.cast_unsigned());
    wait_until("the server notices", || witness.query_one("select 1", &[]).is_err());
    wait_for_the_server();
}

fn wait_for_the_server() {
    let place = format!("host={} user={SUPERUSER} dbname=postgres", cluster().socket_dir.display());
    wait_until("the server is back", || postgres::Client::connect(&place, postgres::NoTls).is_ok());
}

fn run(xtask: Xtask) -> (Output, u32) {
    let mut child = xtask.spawn();
    let (streams, pid) = (Streams::of(&mut child), child.id());
    (streams.end(child), pid)
}

/// `T` stands still, `Z` has ended.
fn state_of(pid: u32) -> Option<char> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    text.rsplit_once(") ")?.1.chars().next()
}

/// The Pythons below a process, however deep.
fn pythons_of(pid: u32) -> Vec<u32> {
    let entries = fs::read_dir("/proc").unwrap().flatten();
    let pids: Vec<u32> = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
    let parent = |pid: &u32| -> Option<u32> {
        let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        text.rsplit_once(") ")?.1.split(' ').nth(1)?.parse().ok()
    };
    let is_below =
        |it: &u32| std::iter::successors(Some(*it), |it| parent(it).filter(|it| *it > 1)).any(|it| it == pid);
    let is_python = |it: &u32| {
        fs::read_link(format!("/proc/{it}/exe")).is_ok_and(|exe| exe.display().to_string().contains("python"))
    };
    pids.into_iter().filter(|it| *it != pid && is_below(it) && is_python(it)).collect()
}

/// Every operation, or the one whose turn it is, each with what breaks at so many places; all that went wrong is told.
fn each(turn: usize, mut break_down: impl FnMut(&Operation) -> usize) {
    let chosen = match is_all() {
        true => OPERATIONS.to_vec(),
        false => vec![OPERATIONS[(seed() + turn) % OPERATIONS.len()]],
    };
    let mut wrong = Vec::new();
    for made in chosen {
        let operation = Operation::new(made);
        let passed = break_down(&operation);
        assert!(passed > 0, "{}: nothing was hit", made.0);
        wrong.append(&mut operation.wrong.take());
    }
    assert!(wrong.is_empty(), "{} went wrong:\n{}", wrong.len(), wrong.join("\n\n"));
}

/// Places in an operation: each, or a few.
fn places() -> impl Iterator<Item = usize> {
    (1 + seed() % 11..).step_by(if is_all() { 1 } else { 11 })
}

/// The tool and its Python, killed at each point.
#[test]
fn the_tool_and_its_python() {
    each(0, |operation| {
        let hits = [Hit::Tool, Hit::Python];
        let hits = if is_all() { &hits[..] } else { &hits[seed() % 2..][..1] };
        let passed = hits.iter().map(|hit| places().take_while(|at| operation.hit(*hit, *at)).count()).sum();
        let has_python = !["db-backup", "db-restore"].iter().any(|it| operation.words.starts_with(it));
        let is_hit = !hits.contains(&Hit::Python) || !has_python || operation.pythons.get() > 0;
        assert!(is_hit, "{}: no Python was hit", operation.words);
        passed
    });
}

/// The server crashes at each point, and is back when the tool goes on: all its sessions have ended.
#[test]
fn the_server() {
    if process::wanted().is_none() {
        let mut part = process::part("breakdowns::the_server", "its own server");
        assert!(part.status().unwrap().success());
        return;
    }
    // That a server which is thrown away forgets what it has just committed is no fault of the tool's.
    let waits = format!("alter role {SUPERUSER} set synchronous_commit = on");
    cluster().client("postgres").batch_execute(&waits).unwrap();
    each(1, |operation| places().take_while(|at| operation.hit(Hit::Server, *at)).count());
}

/// Each call of pg_dump and pg_restore, killed in its middle; others of their name may be there.
#[test]
fn the_programs_of_postgresql() {
    each(2, |operation| {
        let called = |at: &usize| {
            let tools = Folder::new();
            for name in ["pg_dump", "pg_restore"] {
                killed_program(tools.path(), name, *at);
            }
            operation.again();
            let path = format!("{}:{}", tools.path().display(), cluster().path().into_string().unwrap());
            let (done, pid) = run(operation.case.xtask(operation.words).env("PATH", path));
            operation.judge(&done, pid, &format!("call {at} of a program"));
            let calls = fs::read_to_string(tools.path().join("calls")).unwrap_or_default();
            calls.lines().count() >= *at
        };
        let steps = if is_all() { 1 } else { 3 };
        (1 + seed() % 3..).step_by(steps).take_while(called).count()
    });
}

/// A program that does what it should but for the so-manieth call, which is killed in its middle.
fn killed_program(folder: &Path, name: &str, at: usize) {
    let (real, calls) = (cluster().bin.join(name), folder.join("calls"));
    let (real, calls) = (real.display(), calls.display());
    let script = format!(
        "#!/bin/sh\ncase \"$*\" in *--version*) exec {real} \"$@\" ;; esac\n\
         echo \"{name} $*\" >>{calls}\n[ $(wc -l <{calls}) -eq {at} ] || exec {real} \"$@\"\n\
         case \"$*\" in\n-Fc*) {real} \"$@\" | head -c 700 ;;\n\
         *'-f -'* | -l*) {real} \"$@\" | head -c 300 ;;\n\
         *) {real} \"$@\" & kill -9 $! ;;\nesac\nkill -9 $$\n"
    );
    fs::write(folder.join(name), script).unwrap();
    fs::set_permissions(folder.join(name), fs::Permissions::from_mode(0o755)).unwrap();
}

/// The project lies on a disk that has room for so much more and no more.
#[test]
fn the_disk() {
    each(1, |operation| {
        let (mut fits, mut full) = (0, 0);
        let step = if is_all() { 4 } else { 64 };
        for room in (0..4000).step_by(step) {
            operation.again();
            let done = on_a_small_disk(operation, room);
            full += 1;
            fits = if done.code == 0 || done.code == 4 { fits + 1 } else { 0 };
            // What is written on the side may fail without harm, so it has to go well three times. A restore writes nothing here.
            if fits == 3 {
                let is_full_at_times = full > fits || operation.words.starts_with("db-restore");
                assert!(is_full_at_times, "{}: it always had room enough", operation.words);
                return full;
            }
        }
        panic!("{}: it never had room enough", operation.words)
    });
}

/// How one gets a disk of one's own; where the kernel lets nobody, a limit for each file takes its place.
pub fn own_disk() -> Option<&'static [&'static str]> {
    static FOUND: OnceLock<Option<&[&str]>> = OnceLock::new();
    const WAYS: [&[&str]; 2] = [&["unshare", "-m"], &["unshare", "-Urm"]];
    let works = |way: &&[&str]| {
        let folder = Folder::new();
        let script = format!("mount -t tmpfs -o size=64k tmpfs {}", folder.path().display());
        let mut words = way.to_vec();
        words.extend(["sh", "-c", &script]);
        #[expect(clippy::disallowed_methods)]
        let done = Command::new(words[0]).args(&words[1..]).output();
        done.is_ok_and(|done| done.status.success())
    };
    *FOUND.get_or_init(|| {
        let found = WAYS.into_iter().find(works);
        if found.is_none() {
            not_run("the kernel gives nobody a disk of his own: a limit for each file takes its place");
        }
        found
    })
}

/// Runs it with so many KiB to spare.
fn on_a_small_disk(operation: &Operation, room: usize) -> Output {
    let (out, root) = (Folder::new(), operation.case.root());
    let own = "echo $$ >OUT/pid; exec \"$@\"";
    let script = match own_disk() {
        Some(_) => format!(
            "set -e; cd /; cp -a ROOT OUT/was; mount -t tmpfs -o size=64m,mode=755 tmpfs ROOT; cp -a OUT/was/. ROOT/; \
             used=$(df -k ROOT | tail -1 | awk '{{print $3}}'); mount -o remount,size=$((used + {room}))k ROOT; set +e; \
             cd ROOT; sh -c '{own}' sh \"$@\"; code=$?; cp -a ROOT OUT/now; exit $code"
        ),
        None => format!("trap '' XFSZ; ulimit -f {}; sh -c '{own}' sh \"$@\"", room.max(1)),
    };
    let script = script.replace("ROOT", &root.display().to_string()).replace("OUT", &out.path().display().to_string());
    let words = own_disk().unwrap_or(&["env"]);
    let mut xtask = Xtask::program(Path::new(words[0]), root, &words[1..].join(" "));
    xtask = xtask.env("XTASK_PYTHON", crate::support::python::python());
    for word in ["sh", "-c", &script, "sh", env!("CARGO_BIN_EXE_xtask")] {
        xtask = xtask.arg(word);
    }
    let xtask = operation.words.split(' ').fold(xtask, Xtask::arg);
    let done = xtask.run();
    if out.path().join("now").exists() {
        put_in_place(&out.path().join("now"), root);
    }
    let pid = fs::read_to_string(out.path().join("pid")).unwrap().trim().parse().unwrap();
    operation.judge(&done, pid, &format!("with {room} KiB of room"));
    done
}
