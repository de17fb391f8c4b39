//! `--watch`: an answer after each change, and each answer about the files as they are then. Every test reads what the
//! running program says, line by line; none waits for a time to pass.

use std::cell::RefCell;
use std::io::{BufRead, BufReader, Read};
use std::process::Child;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use rustix::process::Signal;

use crate::interrupts::signal;
use crate::support::pg::{SUPERUSER, cluster};
use crate::support::project::path;
use crate::support::scene::{Scene, sql, wait_until};

/// Long enough for a loaded machine; no test waits for it to pass.
const PATIENCE: Duration = Duration::from_secs(120);
/// A downgrade that forgets what the upgrade has made.
const FORGETS: &str = "pass";

/// A running `--watch` and what it says, answers and everything else in one order of arrival each.
struct Watch {
    child: Child,
    answers: Receiver<String>,
    rest: Receiver<String>,
    /// Every line that was read, for the message of a failure.
    heard: RefCell<Vec<String>>,
}

impl Watch {
    fn start(scene: &Scene) -> Watch {
        // A file that is hardly older than the process counts as changed after it, since the clock of a file system is
        // coarse: said, but about another file than a test waits for.
        std::thread::sleep(Duration::from_millis(40));
        let mut child = scene.xtask("db-roundtrip --watch").spawn();
        let (answers, rest) = (lines(child.stdout.take().unwrap()), lines(child.stderr.take().unwrap()));
        Watch { child, answers, rest, heard: RefCell::default() }
    }

    /// The first line of the next answer, without its time and seconds; what is left of the last one is passed over.
    #[track_caller]
    fn answer(&self) -> String {
        let mut line = self.next(&self.answers, "an answer");
        while line.starts_with("     ") {
            line = self.next(&self.answers, "an answer");
        }
        let (time, rest) = line.split_once(' ').unwrap_or_default();
        assert!(time.len() == 9 && time.ends_with('Z') && line.ends_with(" s"), "no time, no seconds: {line}");
        // A sign that is two columns wide has two blanks behind it.
        rest.replacen("⚠️  ", "⚠️ ", 1).split("  ").next().unwrap_or_default().to_owned()
    }

    /// Reads the lines that belong to the answer until one has the text.
    #[track_caller]
    fn with(&self, text: &str) {
        loop {
            let line = self.next(&self.answers, text);
            assert!(line.starts_with("     "), "the next answer instead of {text:?}: {line}");
            if line.contains(text) {
                return;
            }
        }
    }

    /// Reads progress until a line has the text.
    #[track_caller]
    fn says(&self, text: &str) {
        while !self.next(&self.rest, text).contains(text) {}
    }

    #[track_caller]
    fn next(&self, lines: &Receiver<String>, what: &str) -> String {
        let line = lines.recv_timeout(PATIENCE).unwrap_or_else(|error| {
            let unread: Vec<String> = self.answers.try_iter().chain(self.rest.try_iter()).collect();
            let heard = self.heard.borrow().join("\n");
            panic!("no {what} ({error}); read before:\n{heard}\nunread:\n{}", unread.join("\n"))
        });
        self.heard.borrow_mut().push(line.clone());
        line
    }

    /// Sends a signal, waits for the end, and gives the exit code (-1 for a death by signal) and the process id.
    fn end(mut self, by: Signal) -> (i32, u32) {
        let pid = self.child.id();
        signal(&self.child, by);
        let code = self.child.wait().unwrap().code().unwrap_or(-1);
        if by != Signal::KILL && code != 130 {
            let last: Vec<String> =
                std::iter::from_fn(|| self.rest.recv_timeout(Duration::from_secs(1)).ok()).collect();
            panic!("{by:?} ended it with {code}; it heard {:?} and then {last:#?}", self.heard.borrow());
        }
        (code, pid)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        if self.child.try_wait().is_ok_and(|status| status.is_none()) {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

fn lines(stream: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver): (Sender<String>, _) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            // Nobody listens any more: the test is over.
            let _ = sender.send(line);
        }
    });
    receiver
}

/// `create table NAME`, said by the process that has imported the project (its children run the scripts): its id is
/// appended to a file.
fn told_by(scene: &Scene, statement: &str) -> String {
    let file = scene.project.path("pids");
    format!("import os; open({file:?}, 'a').write('%s ' % os.getppid())\n{}", sql(statement))
}

/// The different processes that have run scripts since the last time.
fn processes(scene: &Scene) -> Vec<String> {
    let file = scene.project.path("pids");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::remove_file(file).unwrap();
    let mut pids: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
    pids.dedup();
    pids
}

fn save_by_rename(scene: &Scene, id: &str, change: impl Fn(&str) -> String) {
    let path = scene.project.path(&path(id));
    let text = change(&std::fs::read_to_string(&path).unwrap());
    let beside = path.with_extension("py.new");
    std::fs::write(&beside, text).unwrap();
    std::fs::rename(beside, path).unwrap();
}

#[test]
fn every_edit_of_the_newest_revision_is_answered_by_the_same_process() {
    let scene = Scene::new().table("a1", "");
    let up = told_by(&scene, "create table b2 (n int)");
    let scene = scene.revision("b2", "a1", &up, &sql("drop table b2"));
    let watch = Watch::start(&scene);
    watch.says("Baseline: empty, upgraded");
    assert_eq!(watch.answer(), "✅ b2 (revision b2): reversible");
    watch.says("Watching the scripts, env.py and 0 modules;");
    scene.project.write_revision("b2", "a1", &up, FORGETS);
    assert_eq!(watch.answer(), "❌ b2 (revision b2): failed in the re-upgrade");
    watch.with("relation \"b2\" already exists");
    // The same length, at once: Python's own bytecode would be taken for current.
    scene.project.write_revision("b2", "a1", &up, &sql("drop table b2"));
    assert_eq!(watch.answer(), "✅ b2 (revision b2): reversible");
    save_by_rename(&scene, "b2", |text| text.replace("drop table b2", "drop table b3"));
    assert_eq!(watch.answer(), "❌ b2 (revision b2): failed in the downgrade");
    save_by_rename(&scene, "b2", |text| text.replace("drop table b3", "drop table b2"));
    assert_eq!(watch.answer(), "✅ b2 (revision b2): reversible");
    assert_eq!(processes(&scene).len(), 1, "one process answers them all");
    // What gets past the wall is noticed here, too.
    let psql = format!("{}/psql -h {} -U {SUPERUSER}", cluster().bin.display(), cluster().socket_dir.display());
    let line = format!("{psql} -d {} -Xqc \"create table canary ()\"", scene.database);
    let go = format!("import subprocess\nopen('go.sh', 'w').write('{line}')\nsubprocess.run(['sh', 'go.sh'])");
    scene.project.write_revision("b2", "a1", &go, "pass");
    assert_eq!(watch.answer(), "⚠️ b2 (revision b2): unproven");
    scene.client().batch_execute("drop table canary").unwrap();
    assert!(scene.tables().is_empty(), "the component's own database is not touched");
    assert_eq!(watch.end(Signal::INT).0, 130);
}

#[test]
fn a_changed_module_or_environment_starts_python_anew() {
    let scene = Scene::new();
    scene.project.write("app/__init__.py", "");
    scene.project.write("app/names.py", "TABLE = 'one'\n");
    let body = "import app.names\nop.execute('create table ' + app.names.TABLE + ' (n int)')";
    let up = format!("{body}\n{}", told_by(&scene, "select 1"));
    let scene = scene.revision("a1", "", &up, &sql("drop table one"));
    let watch = Watch::start(&scene);
    assert_eq!(watch.answer(), "✅ a1 (revision a1): reversible");
    watch.says("env.py and 2 modules;");
    let first = processes(&scene);
    scene.project.write("app/names.py", "TABLE = 'two'\n");
    watch.says("app/names.py has changed: Python is started anew");
    assert_eq!(watch.answer(), "❌ a1 (revision a1): failed in the downgrade");
    watch.with("table \"one\" does not exist");
    let second = processes(&scene);
    assert_ne!(first, second);
    // A module that cannot be imported is said, and its repair noticed though no process has it loaded.
    scene.project.write("app/names.py", "TABLE = \n");
    watch.says("app/names.py has changed");
    assert_eq!(watch.answer(), "❌ a1 (revision a1): failed in the upgrade");
    scene.project.write("app/names.py", "TABLE = 'one'\n");
    watch.says("app/names.py has changed");
    assert_eq!(watch.answer(), "✅ a1 (revision a1): reversible");
    let env = std::fs::read_to_string(scene.project.path("migrations/env.py")).unwrap();
    scene.project.write("migrations/env.py", &format!("raise RuntimeError('not now')\n{env}"));
    assert_eq!(watch.answer(), "❌ env.py raised RuntimeError (env-failed)");
    watch.with("not now");
    // When the migrations are done, it fails every upgrade just as well.
    scene.project.write("migrations/env.py", &format!("{env}\nraise ValueError('not then')\n"));
    assert_eq!(watch.answer(), "❌ env.py raised ValueError (env-failed)");
    scene.project.write("migrations/env.py", &env);
    // Everything begins anew after it, so it may be said twice.
    while watch.answer() != "✅ a1 (revision a1): reversible" {}
}

#[test]
fn what_scripts_import_at_once_may_break_and_come_back() {
    let scene = Scene::new().table("a1", "").header("a1", "import app.names");
    scene.project.write("app/__init__.py", "");
    scene.project.write("app/names.py", "");
    let watch = Watch::start(&scene);
    assert_eq!(watch.answer(), "✅ a1 (revision a1): reversible");
    scene.project.write("app/names.py", "import app.gone\n");
    assert!(watch.answer().contains("(migration-import-failed)"));
    watch.with("app.gone");
    scene.project.write("app/gone.py", "");
    assert_eq!(watch.answer(), "✅ a1 (revision a1): reversible");
}

#[test]
fn a_module_that_is_broken_from_the_beginning_is_waited_for() {
    for at_once in [true, false] {
        let scene = Scene::new().revision("a1", "", if at_once { "pass" } else { "import app.names" }, "pass");
        let scene = if at_once { scene.header("a1", "import app.names") } else { scene };
        scene.project.write("app/__init__.py", "");
        scene.project.write("app/names.py", "raise KeyError('first')\n");
        let watch = Watch::start(&scene);
        let _ = watch.answer();
        watch.with("first");
        scene.project.write("app/names.py", "raise KeyError('second')\n");
        let _ = watch.answer();
        watch.with("second");
        scene.project.write("app/names.py", "");
        assert_eq!(watch.answer(), "✅ a1 (revision a1): reversible");
    }
}

#[test]
fn revisions_come_and_go() {
    let scene = Scene::new().table("a1", "");
    let watch = Watch::start(&scene);
    assert_eq!(watch.answer(), "✅ a1 (revision a1): reversible");
    let up = told_by(&scene, "create table b2 (n int)");
    scene.project.write_revision("b2", "a1", &up, &sql("drop table b2"));
    assert_eq!(watch.answer(), "✅ b2 (revision b2): reversible");
    scene.project.write_revision("c3", "a1", "pass", "pass");
    assert_eq!(watch.answer(), "❌ Multiple heads detected (multiple-heads)");
    watch.with("db-status");
    scene.project.write_revision("c3", "b2", &told_by(&scene, "create table c3 (n int)"), &sql("drop table c3"));
    assert_eq!(watch.answer(), "✅ c3 (revision c3): reversible");
    scene.project.write_revision("b2", "a1", &up, FORGETS);
    assert_eq!(watch.answer(), "✅ c3 (revision c3): reversible", "what is below is not put to the test");
    std::fs::remove_file(scene.project.path(&path("c3"))).unwrap();
    assert_eq!(watch.answer(), "❌ b2 (revision b2): failed in the re-upgrade");
    let whole = std::fs::read_to_string(scene.project.path(&path("b2"))).unwrap();
    scene.project.write(&path("b2"), "revision = (\n");
    assert!(watch.answer().contains("(migration-file-invalid)"));
    scene.project.write(&path("b2"), &whole.replace("    pass", "    op.execute('drop table b2')"));
    assert_eq!(watch.answer(), "✅ b2 (revision b2): reversible");
    for id in ["b2", "a1"] {
        std::fs::remove_file(scene.project.path(&path(id))).unwrap();
    }
    assert_eq!(watch.answer(), "❌ There is nothing to test (migration-file-missing)");
    scene.project.write_revision("z1", "", "pass", "pass");
    assert_eq!(watch.answer(), "✅ z1 (revision z1): reversible");
    assert_eq!(processes(&scene).len(), 1, "one process answers them all");
}

#[test]
fn a_script_that_is_broken_at_the_start_is_waited_for() {
    let scene = Scene::new();
    scene.project.write(&path("a1"), "revision = (\n");
    let watch = Watch::start(&scene);
    assert!(watch.answer().contains("(migration-file-invalid)"));
    scene.project.write_revision("a1", "", "pass", "pass");
    assert_eq!(watch.answer(), "✅ a1 (revision a1): reversible");
}

#[test]
fn a_clone_that_has_the_revision_already() {
    let scene = Scene::new().table("a1", "").table("b2", "a1").at("head");
    scene.client().batch_execute("insert into a1 values (7)").unwrap();
    let watch = Watch::start(&scene);
    watch.says("Baseline: clone of");
    // The state below was looked at when it was applied.
    assert_eq!(watch.answer(), "✅ b2 (revision b2): reversible");
    // The clone lacks the second table: it got the revision from the script as it was before.
    let (up, down) = (sql("create table b2 (n int); create table more (n int)"), sql("drop table more; drop table b2"));
    scene.project.write_revision("b2", "a1", &up, &down);
    assert_eq!(watch.answer(), "✅ b2 (revision b2): reversible");
    watch.with("an earlier version of the script");
    // The rows are gone before the run begins.
    let down = sql("drop table if exists more; drop table b2; delete from a1");
    scene.project.write_revision("b2", "a1", &up, &down);
    assert_eq!(watch.answer(), "⚠️ b2 (revision b2): unproven");
    watch.with("rows or values of public.a1 that were there with this revision are gone");
    let loses = format!("{}\n{down}", sql("alter table a1 drop n; alter table a1 add n int"));
    scene.project.write_revision("b2", "a1", &up, &loses);
    let _ = watch.answer();
    assert_eq!(scene.tables(), "a1 b2", "the component's own database is not touched");
}

/// Nobody has looked at it when it was applied, so it is compared with a database made from empty.
#[test]
fn a_clone_whose_revision_nobody_has_seen_applied() {
    let scene = Scene::new().table("a1", "").table("b2", "a1").at("head");
    scene.client().batch_execute("drop schema xtask cascade").unwrap();
    let watch = Watch::start(&scene);
    assert_eq!(watch.answer(), "✅ b2 (revision b2): reversible");
    let tolerant = sql("create table if not exists b2 (n int)");
    scene.project.write_revision("b2", "a1", &tolerant, "pass");
    assert_eq!(watch.answer(), "❌ b2 (revision b2): schema-differs after the downgrade");
    watch.with("seen on a database made from empty");
    // A module that cannot be imported is waited for, also one that was not there before.
    scene.project.write("fresh.py", "raise ValueError('not yet')\n");
    let env = std::fs::read_to_string(scene.project.path("migrations/env.py")).unwrap();
    scene.project.write("migrations/env.py", &format!("import fresh\n{env}"));
    assert!(watch.answer().contains("(env-failed)"));
    scene.project.write("fresh.py", "ready = True\n");
    assert_eq!(watch.answer(), "❌ b2 (revision b2): schema-differs after the downgrade");
}

#[test]
fn the_config_may_change() {
    let scene = Scene::three();
    let watch = Watch::start(&scene);
    assert_eq!(watch.answer(), "✅ c3 (revision c3): reversible");
    let config = std::fs::read_to_string(scene.project.path("alembic.ini")).unwrap();
    scene
        .project
        .write("other/a9.py", "revision = 'a9'\ndown_revision = None\ndef upgrade(): pass\ndef downgrade(): pass\n");
    scene.project.write("alembic.ini", &format!("{config}version_locations = other\n"));
    watch.says("alembic.ini has changed: everything begins anew");
    assert_eq!(watch.answer(), "✅ a9: reversible");
    scene.project.write("alembic.ini", "[alembic]\n");
    assert!(watch.answer().contains("(config-invalid)"));
    scene.project.write("alembic.ini", &config);
    assert_eq!(watch.answer(), "✅ c3 (revision c3): reversible");
}

#[test]
fn a_cached_baseline_is_left_when_a_script_below_changes() {
    let scene = Scene::new().table("a1", "").table("b2", "a1");
    let (up, down) = ("alter table b2 rename n to m", "alter table b2 rename m to n");
    let scene = scene.revision("c3", "b2", &sql(up), &sql(down));
    scene.project.write("Cargo.toml", "[workspace]\n[workspace.metadata.db.cache]\nmilliseconds = 0\n");
    let stored = scene.json("db-roundtrip");
    assert_eq!(stored["cache"]["use"], "stored", "{stored}");
    let watch = Watch::start(&scene);
    watch.says("Baseline: cached ");
    assert_eq!(watch.answer(), "✅ c3 (revision c3): reversible");
    scene.project.write_revision("b2", "a1", &sql("create table b2 (k int)"), &sql("drop table b2"));
    watch.says("Baseline: empty, upgraded");
    assert_eq!(watch.answer(), "❌ c3 (revision c3): failed in the upgrade");
    scene.project.write_revision("c3", "b2", &sql(&up.replace(" n ", " k ")), &sql(&down.replace("to n", "to k")));
    assert_eq!(watch.answer(), "✅ c3 (revision c3): reversible");
    assert_eq!(watch.end(Signal::INT).0, 130);
    let template = stored["cache"]["database"].as_str().unwrap();
    let drop = [format!("alter database {template} is_template false"), format!("drop database {template}")];
    drop.iter().for_each(|statement| cluster().client("postgres").batch_execute(statement).unwrap());
}

#[test]
fn nothing_survives_the_end() {
    for by in [Signal::INT, Signal::TERM, Signal::KILL] {
        let scene = Scene::three();
        let watch = Watch::start(&scene);
        let _ = watch.answer();
        let (code, pid) = watch.end(by);
        assert_eq!(code, if by == Signal::KILL { -1 } else { 130 }, "{by:?}");
        if by == Signal::KILL {
            wait_until("the dead one's sessions", || lock_is_free(pid));
            // A killed process cannot tidy up: the next command does, be it this one or another test's on the same server.
            let _ = scene.run("db-roundtrip").code(0);
            wait_until("what the dead one left is gone", || scene.scratch_of(pid).is_empty());
        }
        assert_eq!(scene.scratch_of(pid), [""; 0], "{by:?}");
    }
}

#[test]
fn an_end_in_the_middle_of_a_run() {
    let scene = Scene::new().table("a1", "");
    let watch = Watch::start(&scene);
    let _ = watch.answer();
    scene.project.write_revision("a1", "", &sql("select pg_sleep(600)"), "pass");
    let pid = watch.child.id().to_string();
    let asleep = "select count(*) from pg_stat_activity where query = 'select pg_sleep(600)' and state = 'active' \
                  and datname like 'xtask\\_scratch\\_' || $1 || '\\_%'";
    let mut client = cluster().client("postgres");
    wait_until("the step", || client.query_one(asleep, &[&pid]).unwrap().get::<_, i64>(0) > 0);
    let (code, pid) = watch.end(Signal::INT);
    assert_eq!((code, scene.scratch_of(pid)), (130, Vec::new()));
}

#[test]
fn it_goes_with_nothing_that_belongs_to_one_run() {
    let scene = Scene::new();
    for flag in ["--all", "--steps=2", "--from a1", "--since main", "--partition 1/2", "--in-place", "--keep", "--json"]
    {
        let name = flag.split(['=', ' ']).next().unwrap();
        let _ =
            scene.run(&format!("db-roundtrip --watch {flag}")).code(2).complains(&format!("`--watch` and `{name}`"));
    }
    for flag in ["--junit", "--html"] {
        let _ = scene.run(&format!("db-roundtrip --watch {flag} report")).code(2);
        assert!(!scene.project.path("report").exists());
    }
}

/// Whether the server has noticed that a process is gone.
fn lock_is_free(pid: u32) -> bool {
    let sql = "select count(*) from pg_stat_activity where application_name like '%' || $1 || '%'";
    cluster().client("postgres").query_one(sql, &[&pid.to_string()]).unwrap().get::<_, i64>(0) == 0
}
