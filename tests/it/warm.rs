//! The warm Python: a command that gets a forked child finds everything as in a fresh process, is refused one where a fresh
//! process would be another, and takes with it what worked for it, however it ends.

mod edits;

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use serde_json::Value;

use crate::support::scene::{Scene, sql, wait_until};
use crate::support::xtask::{Folder, Output, Xtask};

/// What a migration script sees of the process and the world that it runs in.
const FACTS: &str = r#"
import builtins, gc, getpass, json, locale, os, resource, signal, sys, threading, time, warnings
def kind(fd):
    try:
        return os.readlink('/proc/self/fd/%s' % fd).partition(':')[0]
    except OSError:
        return None
facts = {
    'environment': dict(os.environ), 'folder': os.getcwd(), 'argv': sys.argv, 'path': sys.path, 'flags': repr(sys.flags),
    'python': [sys.executable, sys.prefix, sys.version], 'mask': os.umask(0o022), 'asks': repr(builtins.input)[:30],
    'stdin': sys.stdin.read(), 'encodings': [sys.stdout.encoding, sys.stderr.encoding, locale.getpreferredencoding()],
    'signals': [str(signal.getsignal(n)) for n in range(1, 32)], 'mask of signals': repr(signal.pthread_sigmask(0, [])),
    'limits': [resource.getrlimit(n) for n in range(16)], 'zone': [time.tzname, time.timezone],
    'group': os.getpgid(0) == os.getppid(), 'threads': [t.name for t in threading.enumerate()],
    'open': [kind(fd) for fd in range(3)], 'sockets': [kind(fd) for fd in range(3, 64)].count('socket'),
    'gc': gc.isenabled(), 'finders': [str(type(f)) for f in sys.meta_path], 'hash': sys.flags.hash_randomization,
    'modules': sorted(n for n in sys.modules if not n.startswith(('xtask_driver', '_'))),
    'children': open('/proc/self/task/%d/children' % os.getpid()).read(), 'warnings': len(warnings.filters),
}
json.dump(facts, open('facts.json', 'w'))
"#;

/// A command that may be forked from what earlier ones have left in this folder.
fn warm(scene: &Scene, folder: &Folder, words: &str) -> Xtask {
    // What was written a moment before a Python starts keeps it from staying: the clock of a file system is coarse.
    std::thread::sleep(std::time::Duration::from_millis(60));
    scene.xtask(&format!("{words} -v")).env("XTASK_WARM", "packages").env("XDG_RUNTIME_DIR", folder.path())
}

/// With what the warm process was that its Python was forked from.
fn forked_from(output: &Output) -> Option<&str> {
    output.stderr.lines().find_map(|line| line.split_once("forked from the warm one with ")).map(|(_, what)| what)
}

fn was_forked(output: &Output) -> bool {
    forked_from(output).is_some()
}

#[track_caller]
fn is_fresh(command: Xtask, why: &str) {
    let output = command.run().code(0);
    assert!(!was_forked(&output) && output.stderr.contains(why), "{output}");
}

/// Waits until what an earlier command has left listens: it gets ready while that command goes on.
pub fn wait_for_packages(folder: &Path) {
    let place = folder.join(format!("xtask-warm-{}", rustix::process::geteuid().as_raw()));
    wait_until("a warm process listens", || {
        let mut names = std::fs::read_dir(&place).into_iter().flatten().flatten().map(|entry| entry.file_name());
        names.any(|name| name.to_string_lossy().ends_with(".packages"))
    });
}

#[track_caller]
fn is_forked(folder: &Folder, command: Xtask) {
    wait_for_packages(folder.path());
    let output = command.run().code(0);
    assert!(was_forked(&output), "{output}");
}

const UP: &str = "db-migrate";
const DOWN: &str = "db-migrate --direction downgrade --target base --no-backup";

#[test]
fn a_forked_child_is_as_a_fresh_process() {
    let (scene, folder) = (Scene::new().revision("a1", "", FACTS, "pass"), Folder::new());
    let facts = |command: Xtask, forked: bool| -> Value {
        let output = command.env("TZ", "Asia/Seoul").env("GREETING", "hä\nllo").run().code(0);
        assert_eq!(was_forked(&output), forked, "{output}");
        let text = std::fs::read_to_string(scene.project.path("facts.json")).unwrap();
        let _ = scene.run(DOWN).code(0);
        serde_json::from_str(&text).unwrap()
    };
    let cold = facts(warm(&scene, &folder, "db-migrate --cold"), false);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "--cold leaves something behind");
    let first = facts(warm(&scene, &folder, UP), false);
    wait_for_packages(folder.path());
    let second = facts(warm(&scene, &folder, UP), true);
    for (name, value) in cold.as_object().unwrap() {
        assert_eq!(&first[name], value, "{name}, in the command that leaves a warm process");
        assert_eq!(&second[name], value, "{name}, in a forked child");
    }
    let socket = folder.path().join(format!("xtask-warm-{}", rustix::process::geteuid().as_raw()));
    let mode = |path: &std::path::Path| std::fs::symlink_metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&socket), 0o700);
    for entry in std::fs::read_dir(&socket).unwrap() {
        let path = entry.unwrap().path();
        assert_eq!(mode(&path), if path.is_dir() { 0o700 } else { 0o600 });
    }
}

#[test]
fn what_would_be_another_python_is_a_fresh_one() {
    let (scene, folder, packages) = (Scene::new().table("a1", ""), Folder::new(), Folder::new());
    let run = |words: &str| warm(&scene, &folder, words).env("PYTHONPATH", packages.path());
    is_fresh(run(UP), "");
    is_forked(&folder, run(DOWN));
    // Read while Alembic is imported.
    is_fresh(run(UP).env("DISABLE_SQLALCHEMY_CEXT_RUNTIME", "1"), "DISABLE_SQLALCHEMY_CEXT_RUNTIME has another value");
    // For those who have the value of then, it stays.
    is_forked(&folder, run(DOWN));
    is_forked(&folder, run(UP));
    // A file in a folder that was searched: it may hide a module.
    std::fs::write(packages.path().join("hidden.py"), "").unwrap();
    is_fresh(run(DOWN), "has changed");
    is_forked(&folder, run(UP));
    is_fresh(run(DOWN).env("PYTHONOPTIMIZE", "1"), "");
    is_fresh(run(UP).env("XTASK_WARM", "0"), "");
    is_fresh(run(DOWN).env("XTASK_WARM", "").env("CI", "true"), "");
    is_forked(&folder, run(UP));
    let limited = Xtask::program(std::path::Path::new("/bin/sh"), scene.root(), "-c")
        .arg(&format!("ulimit -n 200; exec {} {DOWN} -v", env!("CARGO_BIN_EXE_xtask")))
        .env("XTASK_WARM", "packages")
        .env("XTASK_PYTHON", crate::support::python::python())
        .env("XDG_RUNTIME_DIR", folder.path())
        .env("PYTHONPATH", packages.path());
    is_fresh(limited, "");
}

#[test]
fn a_folder_that_others_can_reach_is_not_used() {
    let (scene, folder, elsewhere) = (Scene::new().table("a1", ""), Folder::new(), Folder::new());
    let place = folder.path().join(format!("xtask-warm-{}", rustix::process::geteuid().as_raw()));
    symlink(elsewhere.path(), &place).unwrap();
    is_fresh(warm(&scene, &folder, UP), "");
    is_fresh(warm(&scene, &folder, DOWN), "");
    assert_eq!(std::fs::read_dir(elsewhere.path()).unwrap().count(), 0);
    std::fs::remove_file(&place).unwrap();
    std::fs::create_dir(&place).unwrap();
    std::fs::set_permissions(&place, PermissionsExt::from_mode(0o755)).unwrap();
    is_fresh(warm(&scene, &folder, UP), "");
    is_fresh(warm(&scene, &folder, DOWN), "");
    assert_eq!(std::fs::read_dir(&place).unwrap().count(), 0);
}

#[test]
fn a_command_that_is_killed_takes_its_child_along() {
    // The second holds Python's own lock, so that no thread of the process can end it.
    let holds = "import ctypes, os\nopen('pid', 'w').write(str(os.getpid()))\nctypes.PyDLL(None).sleep(600)";
    let sleeps = "import os, time\nopen('pid', 'w').write(str(os.getpid()))\ntime.sleep(600)";
    let (scene, folder) =
        (Scene::new().revision("a1", "", &sql("create table a1 ()"), &sql("drop table a1")), Folder::new());
    is_fresh(warm(&scene, &folder, UP), "");
    wait_for_packages(folder.path());
    for (signal, body) in [(Signal::KILL, sleeps), (Signal::KILL, holds), (Signal::INT, holds)] {
        scene.project.write_revision("b2", "a1", body, "pass");
        let mut child = warm(&scene, &folder, UP).spawn();
        let file = scene.project.path("pid");
        let text = || std::fs::read_to_string(&file).unwrap_or_default();
        wait_until("the step runs", || !text().is_empty());
        let worker = Pid::from_raw(text().parse().unwrap()).unwrap();
        kill_process(Pid::from_child(&child), signal).unwrap();
        child.wait().unwrap();
        wait_until("its worker is gone", || is_gone(worker));
        let mut said = String::new();
        std::io::Read::read_to_string(child.stderr.as_mut().unwrap(), &mut said).unwrap();
        assert!(said.contains("forked from the warm one with"), "{said}");
        std::fs::remove_file(&file).unwrap();
    }
    scene.project.write_revision("b2", "a1", "pass", "pass");
    is_forked(&folder, warm(&scene, &folder, UP));
}

/// Whether a process has ended, though perhaps nobody has asked how.
fn is_gone(pid: Pid) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())).unwrap_or_default();
    test_kill_process(pid).is_err() || stat.rsplit_once(')').is_none_or(|(_, rest)| rest.trim_start().starts_with('Z'))
}
