//! What scripts do to the process that runs them, and that the script which runs is the one on disk.

use std::fs::File;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use xtask::model::target::Step;
use xtask::sys::alembic::{Driver, Fault, Launch, TroubleKind};
use xtask::sys::warm::Warmth;

use super::{DROP, Driven, LIMIT, TABLE, trouble, ui};
use crate::support::pg::cluster;
use crate::support::project::path;
use crate::support::scene::Scene;

#[test]
fn scripts_that_misbehave_disturb_nobody() {
    let flood = "
import sys, os, subprocess
print('x' * 1_000_000)
sys.stdout.write('y\\n' * 100_000)
sys.stderr.write('z' * 1_000_000)
os.write(1, b'{\"event\": \"done\", \"revision\": \"a\", \"direction\": \"up\", \"seconds\": 0}\\n')
subprocess.run(['echo', 'from a child'], check=True)
";
    let world = "
import os, signal, threading, time, logging, atexit, sys
os.chdir('/')
signal.signal(signal.SIGTERM, signal.SIG_IGN)
threading.Thread(target=lambda: time.sleep(1000)).start()
atexit.register(lambda: time.sleep(1000))
logging.disable(logging.CRITICAL)
logging.shutdown()
sys.stdout.close()
";
    let last = "
import os
assert os.path.exists('alembic.ini'), os.getcwd()
";
    for name in ["asyncpg", "psycopg2"] {
        let bench = Scene::on(name)
            .revision("a", "", flood, "pass")
            .revision("b", "a", world, "pass")
            .revision("c", "b", last, "pass");
        let mut driver = bench.driver();
        for id in ["a", "b", "c"] {
            assert_eq!(driver.step(&Step::up(id), LIMIT).unwrap().heads, [id], "{name}");
        }
        assert!(driver.stop(), "{name}: what the scripts have left keeps the process alive");
        assert_eq!(bench.versions(), ["c"]);
    }
}

#[test]
fn what_a_script_prints_last_is_kept() {
    let bench = Scene::on("psycopg").revision("a", "", "for i in range(100): print('line', i)", "raise ValueError");
    let mut driver = bench.driver();
    driver.step(&Step::up("a"), LIMIT).unwrap();
    let until = Instant::now() + Duration::from_secs(30);
    while !driver.last_lines().ends_with("line 99") && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(driver.last_lines().lines().next(), Some("line 80"));
}

#[test]
fn what_scripts_start_ends_with_the_driver() {
    let body = "import subprocess; open('pid', 'w').write(str(subprocess.Popen(['sleep', '1000']).pid))";
    let bench = Scene::on("psycopg").revision("a", "", body, "pass");
    let mut driver = bench.driver();
    driver.step(&Step::up("a"), LIMIT).unwrap();
    let pid = std::fs::read_to_string(bench.path("pid")).unwrap();
    let alive =
        || rustix::process::test_kill_process(rustix::process::Pid::from_raw(pid.parse().unwrap()).unwrap()).is_ok();
    assert!(alive());
    drop(driver);
    // The killed child is an orphan until init has noticed.
    let until = Instant::now() + Duration::from_secs(30);
    while alive() && !is_zombie(&pid) {
        assert!(Instant::now() < until, "the child of a script has survived");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn is_zombie(pid: &str) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| stat.contains(") Z "))
}

#[test]
fn a_module_is_loaded_anew_for_each_step() {
    let body = "
if not METADATA.tables:
    table = sa.Table('t', METADATA, sa.Column('id', sa.Integer))
else:
    raise AssertionError('an old module')
table.create(op.get_bind())
";
    let bench = Scene::on("asyncpg").revision("a", "", body, "op.drop_table('t')");
    let path = bench.path(&path("a"));
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replace("revision = 'a'", "revision = 'a'; METADATA = sa.MetaData()")).unwrap();
    let mut driver = bench.driver();
    for step in [Step::up("a"), Step::down("a"), Step::up("a"), Step::down("a")] {
        driver.step(&step, LIMIT).unwrap();
    }
}

#[test]
fn a_module_that_can_be_loaded_only_once_is_not_accused() {
    let bench = Scene::on("psycopg")
        .revision("a", "", "table.create(op.get_bind())", "op.drop_table('t')")
        .file("models.py", "import sqlalchemy as sa\nmetadata = sa.MetaData()\n");
    let path = bench.path(&path("a"));
    let text = std::fs::read_to_string(&path).unwrap();
    let table = "revision = 'a'; import models; table = sa.Table('t', models.metadata, sa.Column('id', sa.Integer))";
    std::fs::write(&path, text.replacen("revision = 'a'", table, 1)).unwrap();
    let mut driver = bench.driver();
    for step in [Step::up("a"), Step::down("a"), Step::up("a")] {
        driver.step(&step, LIMIT).unwrap();
    }
}

/// Rewrites a file with a text of the same length and gives it the same time, as a quick editor or git may.
fn edit_unnoticed(path: &Path, from: &str, to: &str) {
    assert_eq!(from.len(), to.len());
    let time = std::fs::metadata(path).unwrap().modified().unwrap();
    let text = std::fs::read_to_string(path).unwrap();
    assert!(text.contains(from));
    std::fs::write(path, text.replace(from, to)).unwrap();
    File::options().write(true).open(path).unwrap().set_modified(time).unwrap();
}

#[test]
fn stale_bytecode_is_not_run() {
    let bench = Scene::on("psycopg").revision("a", "", "op.execute('create table t_1 ()')", "pass");
    let path = bench.path(&path("a"));
    // An old file, so that Python would write bytecode for it and trust it.
    let old = SystemTime::now() - Duration::from_secs(3600);
    File::options().write(true).open(&path).unwrap().set_modified(old).unwrap();
    run_alembic(&bench, "heads");
    bench.driver().ready().unwrap();

    edit_unnoticed(&path, "t_1", "t_2");
    bench.driver().step(&Step::up("a"), LIMIT).unwrap();
    assert!(bench.has_table("t_2"), "the new driver has run the script as it was");

    let mut driver = bench.driver();
    driver.step(&Step::down("a"), LIMIT).unwrap();
    edit_unnoticed(&path, "t_2", "t_3");
    driver.step(&Step::up("a"), LIMIT).unwrap();
    assert!(bench.has_table("t_3"), "the driver has run the script as it was when it started");
}

/// Alembic's own command line; it leaves bytecode beside the scripts.
#[expect(clippy::disallowed_methods)]
fn run_alembic(bench: &Scene, command: &str) {
    let python = bench.launch().python;
    let mut alembic = std::process::Command::new(python);
    alembic.args(["-m", "alembic", command]).current_dir(bench.root()).env_remove("PYTHONDONTWRITEBYTECODE");
    assert!(alembic.output().unwrap().status.success());
    assert!(bench.path("migrations/versions/__pycache__").exists(), "there is no bytecode to be stale");
}

#[test]
fn the_applications_modules_keep_pythons_own_cache() {
    let bench = Scene::on("psycopg").revision("a", "", "import app", "pass").file("app.py", "x = 1\n");
    let mut launch = bench.launch();
    launch.env.push(("PYTHONDONTWRITEBYTECODE".to_owned(), String::new()));
    Driver::start(&ui(), &launch).unwrap().step(&Step::up("a"), LIMIT).unwrap();
    assert!(bench.path("__pycache__").exists());
    assert!(!bench.path("migrations/versions/__pycache__").exists());
}

#[test]
fn a_script_in_a_fork_does_not_speak_for_the_driver() {
    let body = "
import os
if os.fork() == 0:
    import time
    time.sleep(1000)
op.execute('create table t ()')
";
    let bench = Scene::on("psycopg").revision("a", "", body, DROP).revision("b", "a", "import os; os._exit(1)", TABLE);
    let mut driver = bench.driver();
    driver.step(&Step::up("a"), LIMIT).unwrap();
    assert!(driver.step(&Step::up("b"), LIMIT).is_err());
    assert_eq!(cluster().client(&bench.database).query("select 1 from t", &[]).unwrap().len(), 0);
}

/// A child that comes out of the script would close the session of its parent: it ends there, and the step has failed for it.
#[test]
fn a_child_that_comes_out_of_its_script() {
    for (what, said) in [("raise RuntimeError('no')", "RuntimeError: no"), ("pass", "it ended without os._exit()")] {
        let body = format!(
            "import os\npid = os.fork()\nif pid == 0:\n    {what}\nelse:\n    os.waitpid(pid, 0)\n    op.execute('create table t ()')"
        );
        let bench = Scene::on("psycopg").revision("a", "", &body, DROP).revision("b", "", TABLE, DROP);
        let mut driver = bench.driver();
        let trouble = trouble(driver.step(&Step::up("a"), LIMIT));
        assert_eq!((trouble.kind, trouble.message.as_str()), (TroubleKind::Child, said));
        driver.step(&Step::up("b"), LIMIT).unwrap();
    }
}

/// The driver's own files must run on every Python that a project may have; 3.8 is the oldest.
#[test]
#[expect(clippy::disallowed_methods)]
fn the_driver_is_written_in_the_python_of_3_8() {
    let check = "
import ast, pathlib, sys
files = list(pathlib.Path(sys.argv[1]).rglob('*.py'))
assert len(files) > 5
for file in files:
    ast.parse(file.read_text(), str(file), feature_version=(3, 8))
";
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/sys/driver");
    let python = std::process::Command::new(crate::support::python::python()).args(["-c", check, folder]).output();
    let python = python.unwrap();
    assert!(python.status.success(), "{}", String::from_utf8_lossy(&python.stderr));
}

/// What is in the cache of bytecode is run; nobody else may have been able to write it.
#[test]
#[expect(clippy::disallowed_methods)]
fn a_cache_that_others_can_write_is_not_trusted() {
    let bench = Scene::on("psycopg").revision("a", "", TABLE, DROP);
    bench.driver().ready().unwrap();
    let state = bench.path("state");
    let plant = "
import marshal, os, pathlib, sys
[path] = pathlib.Path(sys.argv[1]).glob('bytecode-*')
planted = marshal.dumps(compile(\"open('planted', 'w').close(); revision = 'a'; down_revision = None\", 'x', 'exec'))
path.write_bytes(marshal.dumps({key: planted for key in marshal.loads(path.read_bytes())}))
path.chmod(int(sys.argv[2], 8))
";
    for (mode, trusted) in [("600", true), ("666", false)] {
        let python = std::process::Command::new(crate::support::python::python())
            .args(["-c", plant, state.to_str().unwrap(), mode])
            .status();
        assert!(python.unwrap().success());
        bench.driver().ready().unwrap();
        let planted = std::fs::remove_file(bench.path("planted"));
        assert_eq!(planted.is_ok(), trusted, "{mode}");
    }
    // Nor is a folder of the driver's that others could have put a module into; a fresh Python's is the test's own.
    let fresh = || Driver::start(&ui(), &Launch { warmth: Warmth::Cold, ..bench.launch() }).unwrap().ready().unwrap();
    fresh();
    let folder = std::fs::read_dir(&state).unwrap().map(|entry| entry.unwrap().path());
    let folder = folder.into_iter().find(|path| path.is_dir()).unwrap();
    std::fs::set_permissions(&folder, std::os::unix::fs::PermissionsExt::from_mode(0o777)).unwrap();
    std::fs::write(folder.join("json.py"), "open('planted', 'w').close()").unwrap();
    fresh();
    assert!(!bench.path("planted").exists());
}

/// A script that cannot be loaded is told each time; what was loaded before does not run instead.
#[test]
fn only_what_was_read_last_is_run() {
    let bench = Scene::on("psycopg").revision("a", "", TABLE, DROP);
    let path = bench.path(&path("a"));
    let text = std::fs::read_to_string(&path).unwrap();
    let mut driver = bench.driver();
    driver.step(&Step::up("a"), LIMIT).unwrap();
    driver.step(&Step::down("a"), LIMIT).unwrap();
    let broken = [
        ("def broken(:\n", TroubleKind::Syntax),
        ("import gone\n", TroubleKind::Import),
        ("1 / 0\n", TroubleKind::Raised),
    ];
    for (line, kind) in broken {
        std::fs::write(&path, format!("{text}{line}")).unwrap();
        for _ in 0..2 {
            let found = trouble(driver.step(&Step::up("a"), LIMIT));
            assert_eq!((found.kind, found.fault(), found.file), (kind, Fault::Revision, Some(path.clone())), "{line}");
            assert_eq!(found.line, Some(text.lines().count() + 1));
        }
        std::fs::write(&path, &text).unwrap();
        driver.step(&Step::up("a"), LIMIT).unwrap();
        driver.step(&Step::down("a"), LIMIT).unwrap();
    }
}
