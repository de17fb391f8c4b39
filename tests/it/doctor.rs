//! `doctor`: each line red and green for real, what it says to do, and what `--fix` does by itself.

use std::os::unix::fs::PermissionsExt;

use serde_json::Value;

use crate::support::pg::cluster;
use crate::support::private::private_cluster;
use crate::support::project::Project;
use crate::support::python::python;
use crate::support::repo::Repo;
use crate::support::scene::Scene;
use crate::support::xtask::{Output, Xtask, copy_program};

struct Found(Output);

impl Found {
    /// State, detail and fix of each line of that name.
    #[track_caller]
    fn of(&self, name: &str) -> String {
        let json = self.0.json();
        let lines = json["checks"].as_array().unwrap().iter().filter(|it| it["name"] == name);
        let text = |it: &Value| {
            let part = |key: &str| it[key].as_str().unwrap_or("-").to_owned();
            format!("{} | {} | {}", part("state"), part("detail"), part("fix"))
        };
        let lines: Vec<String> = lines.map(text).collect();
        assert!(!lines.is_empty(), "no line {name}\n{}", self.0);
        lines.join("\n")
    }

    #[track_caller]
    fn has(&self, name: &str, parts: &[&str]) -> &Found {
        let found = self.of(name);
        for part in parts {
            assert!(found.contains(part), "{name} lacks {part:?}: {found}\n{}", self.0);
        }
        self
    }

    fn not_ok(&self) -> Vec<String> {
        let json = self.0.json();
        let bad = json["checks"].as_array().unwrap().iter().filter(|it| it["state"] != "ok");
        bad.map(|it| format!("{}: {}", it["name"].as_str().unwrap(), it["detail"].as_str().unwrap())).collect()
    }
}

#[test]
fn each_line_red_and_mended() {
    let server = private_cluster("", "host all all all trust", &[]);
    server.client("postgres").batch_execute("create database app").unwrap();
    let project = Project::new(&format!("postgresql+asyncpg://postgres@127.0.0.1:{}/app", server.port)).revision(
        "a1",
        "",
        "op.execute('create table t (v int)')",
        "op.execute('drop table t')",
    );
    let doctor = |words: &str| {
        Found(Xtask::new(project.root(), &format!("doctor {words} --json")).env("XTASK_PYTHON", python()).run())
    };
    let good = doctor("");
    assert_eq!((good.not_ok(), good.0.code), (Vec::new(), 0), "{}", good.0);
    good.has("python", &["Alembic ", "SQLAlchemy ", "asyncpg "]).has("manager database", &["app on 127.0.0.1"]);
    good.has("manager pg_dump", &["pg_dump"]).has("manager env.py", &["its database is the config's", "takes no lock"]);

    // An INVALID index, a scratch database of a dead run, a trap in env.py, half a backup, a second head.
    let mut app = server.client("app");
    app.batch_execute("create table d (v int); insert into d values (1), (1)").unwrap();
    app.batch_execute("create unique index concurrently d_v on d (v)").unwrap_err();
    app.batch_execute("create table alembic_version (version_num text); insert into alembic_version values ('zz9')")
        .unwrap();
    let scratch = "xtask_scratch_1_0badcafe";
    let mark = format!("create database {scratch}; comment on database {scratch} is 'xtask scratch database'");
    for statement in mark.split("; ") {
        app.batch_execute(statement).unwrap();
    }
    let env = std::fs::read_to_string(project.path("migrations/env.py")).unwrap();
    project.write(
        "migrations/env.py",
        &format!("from logging.config import fileConfig\nfileConfig('alembic.ini')\n{env}"),
    );
    project.write(".xtask/backups/manager-20260101T000000Z-1.dump.part-1", "half");
    project.write_revision("b1", "", "pass", "pass");
    let bad = doctor("");
    assert_eq!(bad.0.code, 4, "{}", bad.0);
    bad.has(
        "manager indexes",
        &["failed | public.d_v of public.d is INVALID", "is unique", "REINDEX INDEX CONCURRENTLY public.d_v"],
    );
    bad.has("manager revision", &["warning | It holds zz9, which no script here has", "cargo xtask db-status"]);
    bad.has("manager scratch", &["warning", scratch, "cargo xtask doctor --fix"]);
    bad.has("manager env.py", &["warning | migrations/env.py:2: fileConfig()", "disable_existing_loggers=False"]);
    bad.has("backups", &["warning", "half-written: 1", "cargo xtask doctor --fix"]);
    bad.has("manager scripts", &["warning", "several heads", "cargo xtask db-rebase"]);

    // What is safe is mended, and nothing else.
    let mended = doctor("--fix");
    let said = mended.0.json()["mended"].to_string();
    assert!(said.contains(scratch) && said.contains("dump.part-1") && !said.contains("d_v"), "{}", mended.0);
    mended.has("manager indexes", &["failed"]).has("backups", &["ok"]);
    assert!(!mended.0.stdout.contains("\"manager scratch\""), "{}", mended.0);
    assert_eq!(doctor("--fix").0.json()["mended"], serde_json::json!([]));
    drop((server, app));
    project.write("migrations/env.py", "def run(:\n");
    let down = doctor("");
    down.has("manager database", &["failed | Cannot connect to database", "docker ps"]);
    down.has("manager env.py", &["failed | it is no Python", "migrations/env.py:1"]);
}

/// Hooks that are outdated, an operation that did not end, a config that is not made yet, a server that is down.
#[test]
fn hooks_operations_and_configs() {
    let repo = Repo::new();
    let ini = "[alembic]\nscript_location = migrations\nsqlalchemy.url = postgresql+asyncpg://u@127.0.0.1:1/d\n";
    repo.write("migrations/env.py", "").write("migrations/versions/a.py", "revision = 'a'\ndown_revision = None\n");
    repo.write("src/ai/backend/manager/x.py", "");
    let nothing = Xtask::new(repo.root(), "doctor --json").run().code(4);
    Found(nothing).has("components", &["failed | no Alembic config was found"]);
    repo.write("configs/manager/halfstack.alembic.ini", ini);
    let xtask = |words: &str| Xtask::new(repo.root(), words).env("XTASK_PYTHON", python());
    let doctor = |words: &str| Found(xtask(&format!("doctor {words} --json")).run());
    let found = doctor("");
    found.has(
        "manager config",
        &["warning | alembic.ini is not there", "cp configs/manager/halfstack.alembic.ini alembic.ini"],
    );
    found
        .has("manager scripts", &["ok | 1 revision, head a"])
        .has("hooks", &["ok | ours are not installed", "hooks install"]);
    drop(xtask("hooks install").run().code(0));
    doctor("").has("hooks", &["ok | pre-commit, post-checkout"]);
    let elsewhere = repo.beside("other-xtask");
    copy_program(env!("CARGO_BIN_EXE_xtask"), &elsewhere);
    drop(Xtask::program(&elsewhere, repo.root(), "hooks install").run().code(0));
    doctor("").has("hooks", &["warning | outdated", "pre-commit", "cargo xtask hooks install"]);
    assert!(doctor("--fix").0.json()["mended"].to_string().contains("the hook pre-commit is written anew"));
    doctor("").has("hooks", &["ok | pre-commit"]);

    // An environment that a command makes when it needs it is not made to be looked at.
    repo.write("Cargo.toml", "[workspace]\n[workspace.metadata.db]\nrequirements = \"requirements.txt\"\n");
    repo.write("requirements.txt", "no-such-package-anywhere==1\n").write("py", "#!/bin/sh\nexit 9\n");
    std::fs::set_permissions(repo.root().join("py"), std::fs::Permissions::from_mode(0o755)).unwrap();
    Found(Xtask::new(repo.root(), "doctor --json").run()).has("python", &["ok | none yet"]);

    repo.write(".xtask/journals/db-merge/journal.json", "{}");
    doctor("").has("operations", &["failed | The journal of an operation that did not end cannot be read"]);
}

#[test]
fn a_version_table_that_the_role_may_not_read() {
    let scene = Scene::three().at("head");
    let role = format!("reader_of_{}", scene.database);
    cluster().client(&scene.database).batch_execute(&format!("create role {role} login")).unwrap();
    let config = std::fs::read_to_string(scene.project.path("alembic.ini")).unwrap();
    scene.project.write("alembic.ini", &config.replace("://postgres:", &format!("://{role}:")));
    let found = Found(scene.run("doctor --json").code(4));
    found.has("manager revision", &["failed", "alembic_version"]);
    cluster().client("postgres").batch_execute(&format!("drop role {role}")).unwrap();
}
