//! What is missing round the migrations: Python, Alembic, the config, a program, a place for the backup. Nothing is
//! changed in any of these.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use xtask::fail::Kind;

use crate::support::pg::cluster;
use crate::support::scene::{Failure, PASSWORD_IN_URL, Scene, config};
use crate::support::xtask::{Folder, Xtask};

const MIGRATE: &str = "db-migrate --json";

#[test]
fn python_missing() {
    let scene = Scene::three();
    let flagged = scene.xtask(MIGRATE).arg("--python=/nonexistent/python");
    let names = ["No Python at /nonexistent/python", "--python"];
    Failure::of(flagged, scene.root(), Kind::PythonMissing, 3, &names);
    let named = scene.xtask(MIGRATE).env("XTASK_PYTHON", "/nonexistent/python");
    Failure::of(named, scene.root(), Kind::PythonMissing, 3, &["XTASK_PYTHON"]);
    let none = scene.xtask(MIGRATE).env_remove("XTASK_PYTHON").env("PATH", "/nonexistent");
    Failure::of(none, scene.root(), Kind::PythonMissing, 3, &["No Python found", "./py"]);
    assert_eq!(scene.tables(), "");
}

#[test]
fn python_missing_for_a_program_that_is_no_python() {
    let scene = Scene::three();
    scene.project.write("py", "#!/bin/sh\necho 'no such venv' >&2\nexit 7\n");
    std::fs::set_permissions(scene.project.path("py"), std::fs::Permissions::from_mode(0o755)).unwrap();
    let project = scene.xtask(MIGRATE).env_remove("XTASK_PYTHON");
    Failure::of(project, scene.root(), Kind::PythonMissing, 3, &["no such venv", "./py"]);
    assert_eq!(scene.tables(), "");
}

#[test]
fn alembic_missing() {
    let scene = Scene::three();
    // A virtual environment with nothing in it.
    let python = crate::support::python::python().canonicalize().unwrap();
    let version = python.file_name().unwrap().to_str().unwrap().trim_start_matches("python").to_owned();
    scene
        .project
        .write("bare/pyvenv.cfg", &format!("home = {}\nversion = {version}.0\n", python.parent().unwrap().display()));
    scene.project.write(&format!("bare/lib/python{version}/site-packages/README"), "");
    std::fs::create_dir_all(scene.project.path("bare/bin")).unwrap();
    std::os::unix::fs::symlink(&python, scene.project.path("bare/bin/python")).unwrap();
    let bare = scene.xtask(MIGRATE).env("XTASK_PYTHON", scene.project.path("bare/bin/python"));
    let names = ["bare/bin/python", "has no package `alembic`"];
    let failure = Failure::of(bare, scene.root(), Kind::AlembicMissing, 3, &names);
    assert!(failure.output.stderr.contains("-m pip install alembic"), "{}", failure.output);
    assert_eq!(scene.tables(), "");
    // An overlay of another environment, as `uv run --with` makes it.
    let packages = crate::support::python::python().parent().unwrap().parent().unwrap();
    let overlay = packages.join(format!("lib/python{version}/site-packages")).display().to_string();
    scene.project.write(&format!("bare/lib/python{version}/site-packages/overlay.pth"), &overlay);
    let _ = scene.xtask(MIGRATE).env("XTASK_PYTHON", scene.project.path("bare/bin/python")).run().code(0);
}

#[test]
fn alembic_missing_for_a_driver_that_is_not_installed() {
    let scene = Scene::three();
    let scene = scene.url(&cluster().url("aiopg", "postgres"));
    let out = scene.run("db-migrate --json");
    assert!([1, 3].contains(&out.code), "{out}");
    assert!(["alembic-missing", "config-invalid"].contains(&out.kind().as_str()), "{out}");
}

#[test]
fn config_missing() {
    let folder = Folder::new();
    for words in ["db-status --json", MIGRATE, "db-roundtrip --json"] {
        let exit = if words.starts_with("db-status") { 1 } else { 3 };
        let names = ["No Alembic project found", "alembic.ini"];
        Failure::of(Xtask::new(folder.path(), words), folder.path(), Kind::ConfigMissing, exit, &names);
    }
    let scene = Scene::three();
    scene.fails("db-migrate -c appproxy", Kind::ConfigMissing, 3, &["alembic-appproxy.ini", "appproxy"]);
    scene.fails("db-migrate --project=nowhere", Kind::ConfigMissing, 3, &["nowhere does not exist"]);
}

/// Whoever named a server or a project must not be sent to another one by pasting what is recommended.
#[test]
fn commands_lead_back_to_what_was_named() {
    let scene = Scene::three();
    let failure = scene.fails("db-migrate --target=nosuch --server=configured", Kind::UnknownRevision, 3, &["nosuch"]);
    assert_eq!(failure.json["error"]["related"], "cargo xtask db-status --server=configured", "{}", failure.output);
    let (elsewhere, root) = (Folder::new(), scene.root().display().to_string());
    let words = format!("db-migrate --target=nosuch --project={root} --json");
    let output = Xtask::new(elsewhere.path(), &words).run().code(3);
    let by_hand = format!("cd {root} && python -m alembic -c alembic.ini history");
    for command in [by_hand, format!("cargo xtask db-status --project={root}")] {
        assert!(output.stderr.contains(&command), "no {command}\n{output}");
    }
}

#[test]
fn config_invalid() {
    let scene = Scene::three();
    scene.project.write("alembic.ini", "[alembic]\nscript_location = migrations\nthis is no option\n");
    scene.fails("db-migrate", Kind::ConfigInvalid, 3, &["alembic.ini:3"]);
    scene.project.write("alembic.ini", "script_location = migrations\n");
    scene.fails("db-migrate", Kind::ConfigInvalid, 3, &["alembic.ini:1"]);
    let text = config(&format!("mysql://root:{PASSWORD_IN_URL}@localhost/x"));
    scene.project.write("alembic.ini", &text);
    scene.fails("db-migrate", Kind::ConfigInvalid, 3, &["alembic.ini:4"]);
    let text = config(&format!("postgresql://root:{PASSWORD_IN_URL}@localhost:port/x"));
    scene.project.write("alembic.ini", &text);
    scene.fails("db-migrate", Kind::ConfigInvalid, 3, &["alembic.ini:4"]);
    assert_eq!(scene.tables(), "");
}

#[test]
fn config_invalid_without_a_url() {
    let scene = Scene::three();
    scene.project.write("alembic.ini", "[alembic]\nscript_location = migrations\n");
    scene.fails("db-migrate", Kind::ConfigInvalid, 3, &["sqlalchemy.url", "alembic.ini"]);
    scene.fails("db-status", Kind::ConfigInvalid, 1, &["sqlalchemy.url", "alembic.ini"]);
}

#[test]
fn config_invalid_for_scripts_that_are_not_where_it_says() {
    let scene = Scene::three();
    let text = config(&cluster().url("psycopg", &scene.database)).replace("= migrations", "= elsewhere");
    scene.project.write("alembic.ini", &text);
    scene.fails("db-migrate", Kind::ConfigInvalid, 3, &["elsewhere"]);
}

/// env.py asks for what it was not given, or for a file that never ends.
#[test]
fn env_failed_for_what_it_was_not_told() {
    let scene = Scene::three();
    let env = std::fs::read_to_string(scene.path("migrations/env.py")).unwrap();
    let asks = [
        ("import os; os.environ['NO_SUCH_SETTING']", "environment variable NO_SUCH_SETTING"),
        ("context.get_x_argument(as_dictionary=True)['tenant']", "by -x tenant=VALUE"),
        ("import settings", "Raised in settings.py:1"),
    ];
    scene.write("settings.py", "{}['key']\n");
    for (line, hint) in asks {
        scene.write("migrations/env.py", &format!("from alembic import context\n{line}\n{env}"));
        let _ = scene.fails("db-migrate", Kind::EnvFailed, 1, &["KeyError"]).says(hint);
    }
    std::fs::remove_file(scene.path("migrations/env.py")).unwrap();
    rustix::fs::mkfifoat(rustix::fs::CWD, scene.path("migrations/env.py"), rustix::fs::Mode::RWXU).unwrap();
    for (command, exit) in [("db-migrate", 3), ("db-roundtrip", 1)] {
        let _ = scene.fails(command, Kind::EnvFailed, exit, &["FIFO"]);
    }
    assert_eq!(scene.tables(), "");
}

#[test]
fn tool_missing() {
    let scene = Scene::three();
    let manifest = "[workspace]\n[workspace.metadata.db.components.manager]\nbaseline = [\"no-such-program\", \"-f\", \"{config}\"]\n";
    scene.project.write("Cargo.toml", manifest);
    let failure = scene.fails("db-roundtrip", Kind::ToolMissing, 1, &["no-such-program", "your own was not touched"]);
    assert!(scene.scratch_of(failure.pid).is_empty(), "{}", failure.output);
    // The config with the scratch database's URL is gone, too.
    let left: Vec<_> =
        std::fs::read_dir(scene.project.path("state")).unwrap().flatten().map(|it| it.file_name()).collect();
    assert!(left.iter().all(|name| !name.to_string_lossy().ends_with(".ini")), "{left:?}");
}

#[test]
fn backup_failed() {
    let scene = Scene::three().at("head");
    // Where this scene is the first to come there, it has been migrated here.
    let _ = std::fs::remove_dir_all(scene.project.path(".xtask"));
    scene.project.write(".xtask", "a file where a folder should be");
    let failure =
        scene.fails("db-migrate --direction=downgrade --target=-1", Kind::BackupFailed, 3, &["manager", ".xtask"]);
    assert!(failure.output.stderr.contains("--no-backup"), "{}", failure.output);
    assert_eq!((scene.versions(), scene.tables().as_str()), (vec!["c3".to_owned()], "a1 b2 c3"));
}

#[test]
fn backup_failed_because_pg_dump_may_not_read() {
    let scene = Scene::three().at("head");
    let role = format!("r_{}", scene.database);
    let mut client = scene.client();
    client
        .batch_execute(&format!(
            "create role {role} login; alter table c3 owner to {role}; grant all on alembic_version to {role}"
        ))
        .unwrap();
    let database = scene.database.clone();
    let url = cluster().url("psycopg", &database).replace("postgres@", &format!("{role}:{PASSWORD_IN_URL}@"));
    let scene = scene.url(&url);
    let names = ["pg_dump", "permission denied for table"];
    scene.fails("db-migrate --direction=downgrade --target=-1", Kind::BackupFailed, 3, &names);
    assert_eq!(scene.tables(), "a1 b2 c3");
    let left: Vec<_> =
        std::fs::read_dir(scene.project.path(".xtask/backups")).unwrap().flatten().map(|it| it.file_name()).collect();
    assert_eq!(left, [".gitignore"], "no half of a backup is left");
}

#[test]
fn backup_missing() {
    let output = Scene::three().run("db-roundtrip --baseline=missing.dump --json");
    assert_eq!(output.kind(), Kind::BackupMissing.name(), "{output}");
}

/// A repository with the scene's project, in which both branches have changed `notes.txt`.
fn two_branches(scene: &Scene) {
    let change = |text: &str| format!("echo {text} > notes.txt && git commit -qam {text}");
    let line = format!(
        "git init -q -b main && git config user.name a && git config user.email a@example.org && printf 'state/\\n.xtask/\\n__pycache__/\\n' > .gitignore && echo one > notes.txt && \
         git add -A && git commit -qm one && git switch -qc other && {} && git switch -q main && {}",
        change("theirs"),
        change("ours")
    );
    let _ = Xtask::program(Path::new("/bin/sh"), scene.root(), "-c").arg(&line).run().code(0);
}

#[test]
fn git_conflict() {
    let scene = Scene::three().at("c3");
    two_branches(&scene);
    let output = scene.run("db-merge other --json");
    assert_eq!(output.kind(), Kind::GitConflict.name(), "{output}");
    assert!(output.stderr.contains("notes.txt"), "{output}");
}

#[test]
fn dirty_work_tree() {
    let scene = Scene::three().at("c3");
    two_branches(&scene);
    scene.project.write("notes.txt", "not committed");
    let output = scene.run("db-merge other --json").code(3);
    assert_eq!(output.kind(), Kind::DirtyWorkTree.name(), "{output}");
    assert!(output.stderr.contains("notes.txt"), "{output}");
}
