//! `db-status` through the binary: every state, its text and its JSON, `--check`, `--all`, and that Python is never
//! started.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use expect_test::expect;
use serde_json::json;
use xtask::fail::Kind;

use crate::support::pg::cluster;
use crate::support::project::Project;
use crate::support::scene::{Scene, config, url};
use crate::support::xtask::Xtask;

/// The database is put somewhere without Alembic: the tests of a reading command stay quick.
fn stamped(scene: Scene, ids: &[&str]) -> Scene {
    let values: Vec<String> = ids.iter().map(|id| format!("('{id}')")).collect();
    let rows = if values.is_empty() {
        String::new()
    } else {
        format!("insert into alembic_version values {}", values.join(", "))
    };
    scene.sql(&format!("create table alembic_version (version_num varchar(32) primary key); {rows}"))
}

/// The state, the exit code of `--check`, and the text with the server's line left out.
#[track_caller]
fn status(scene: &Scene, state: &str, check: i32, text: &expect_test::Expect) {
    let plain = scene.run("db-status");
    let lines: Vec<&str> = plain.stdout.lines().filter(|line| !line.starts_with("Database: ")).collect();
    text.assert_eq(&(lines.join("\n") + "\n"));
    let plain = plain.code(if state == "unreachable" { 1 } else { 0 });
    assert_eq!(plain.stderr.is_empty(), state != "unreachable", "{plain}");
    let output = scene.run("db-status --json --check").code(check);
    let json = output.json();
    assert_eq!(json["components"][0]["state"], state, "{output}");
    assert_eq!(json["outcome"], if check == 0 { "ok" } else { "findings" }, "{output}");
}

#[test]
fn up_to_date() {
    let scene = stamped(Scene::three(), &["c3"]);
    let text = expect![[r#"
        ✅ Database is up-to-date

        Component: manager
        Current Revision: c3 (revision c3)
        Head Revision: c3 (revision c3)

        Status: no migrations pending.
    "#]];
    status(&scene, "up-to-date", 0, &text);
}

#[test]
fn behind() {
    let scene = stamped(Scene::three(), &["a1"]);
    let text = expect![[r#"
        ⚠️  Database is behind

        Component: manager
        Current Revision: a1 (revision a1)
        Head Revision: c3 (revision c3)

        Status: 2 migrations pending.
          - b2 (revision b2)
          - c3 (revision c3)

        Recommended action: cargo xtask db-migrate
    "#]];
    status(&scene, "behind", 4, &text);
}

#[test]
fn one_pending_is_one_migration() {
    let _ = stamped(Scene::three(), &["b2"]).run("db-status").code(0).says("Status: 1 migration pending.");
}

#[test]
fn no_revision_without_a_version_table_and_with_an_empty_one() {
    let text = expect![[r#"
        ⚠️  Database has no revision yet

        Component: manager
        Current Revision: (none)
        Head Revision: c3 (revision c3)

        Status: 3 migrations pending.
          - a1 (revision a1)
          - b2 (revision b2)
          - c3 (revision c3)

        Recommended action: cargo xtask db-migrate
    "#]];
    status(&Scene::three(), "no-revision", 4, &text);
    status(&stamped(Scene::three(), &[]), "no-revision", 4, &text);
}

#[test]
fn diverged() {
    let scene = stamped(Scene::three().table("d4", "b2"), &["b2"]);
    let text = expect![[r#"
        ❌ Diverged heads

        Component: manager
        Current Revision: b2 (revision b2)
        Head Revisions:
          - c3 (revision c3)
          - d4 (revision d4)

        Status: 2 migrations pending.
          - d4 (revision d4)
          - c3 (revision c3)

        Recommended action: cargo xtask db-rebase
    "#]];
    status(&scene, "diverged", 4, &text);
}

#[test]
fn a_revision_that_no_file_has() {
    let scene = stamped(Scene::three(), &["f9"]);
    let text = expect![[r#"
        ❌ Database is at a revision that no file has

        Component: manager
        Current Revision: f9
        Head Revision: c3 (revision c3)

        Status: unknown to this checkout: f9.

        Recommended action: Put it in line with these files: cargo xtask db-sync
    "#]];
    status(&scene, "unknown-revision", 4, &text);
    let json = scene.json("db-status");
    assert_eq!(json["components"][0]["unknown"], json!(["f9"]));
    assert_eq!(json["components"][0]["current"], json!([{"revision": "f9", "message": "", "path": null}]));
    assert_eq!(json["components"][0]["pending"], json!([]));
}

#[test]
fn a_database_that_cannot_be_asked() {
    let scene = Scene::three();
    let scene = scene.url("postgresql://postgres@localhost:1/nothing");
    let text = expect![[r#"
        ❌ Database cannot be asked

        Component: manager
        Head Revision: c3 (revision c3)
    "#]];
    status(&scene, "unreachable", 4, &text);
    let json = scene.run("db-status --json").code(1).json();
    assert_eq!(json["error"]["kind"], "connection-refused");
    assert_eq!(json["components"][0]["error"]["kind"], "connection-refused");
    assert_eq!(json["components"][0]["heads"][0]["revision"], "c3");
}

#[test]
fn json_as_the_contract_has_it() {
    let scene = stamped(Scene::three(), &["a1"]);
    let mut json = scene.json("db-status");
    let server = json["components"][0].as_object_mut().unwrap().remove("server").unwrap();
    assert!(server.as_str().unwrap().contains(&scene.database), "{server}");
    let revision = |id: &str| json!({"revision": id, "message": format!("revision {id}"), "path": format!("migrations/versions/{id}.py")});
    let expected = json!({
        "version": 1, "command": "db-status", "outcome": "ok",
        "components": [{
            "component": "manager", "state": "behind", "current": [revision("a1")], "heads": [revision("c3")],
            "pending": [revision("b2"), revision("c3")], "unknown": [], "overlapping": [], "undone": [],
            "implied": [], "healed": [], "put_right": [], "edited": [], "error": null,
        }],
    });
    assert_eq!(json, expected);
}

#[test]
fn all_components_in_one_table() {
    let scene = stamped(Scene::three(), &["b2"]);
    let other = cluster().database();
    scene.project.write("alembic-appproxy.ini", &config(&url("psycopg", &other)));
    scene.project.write("alembic-accountmgr.ini", &config("postgresql://postgres@localhost:1/nothing"));
    let output = scene.run("db-status --all").code(1);
    expect![[r#"
        Component   State        Current  Head  Pending
        manager     behind       b2       c3    1
        accountmgr  unreachable  ?        c3    ?
        appproxy    no-revision  -        c3    3
    "#]]
    .assert_eq(&output.stdout);
    let output = output.complains("Connection refused to localhost:1");
    assert_eq!(output.stderr.matches("Error:").count(), 1, "{output}");
    let json = scene.run("db-status --all --json").code(1).json();
    let states: Vec<&str> =
        json["components"].as_array().unwrap().iter().map(|it| it["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["behind", "unreachable", "no-revision"]);
    let _ = scene.run("db-status --all --check").code(4);
}

/// Backend.AI's account manager, which nobody sets up on his own machine: no database, or no revision in it.
#[test]
fn a_component_that_is_often_not_set_up_is_no_alarm() {
    let scene = stamped(Scene::three(), &["c3"]);
    for database in ["no_such_database".to_owned(), cluster().database()] {
        scene.project.write("alembic-accountmgr.ini", &config(&url("psycopg", &database)));
        let output = scene.run("db-status --all --check").code(0);
        assert!(output.stdout.contains("accountmgr  not set up  -        c3    -"), "{output}");
        assert_eq!(output.stderr, "", "{output}");
        let json = scene.run("db-status --all --check --json").code(0).json();
        assert_eq!((&json["components"][1]["state"], &json["error"]), (&json!("not-set-up"), &json!(null)), "{json}");
        let _ = scene.run("db-status -c accountmgr --check").code(0).says("⏹ Database is not set up");
    }
}

#[test]
fn a_long_list_of_pending_migrations_is_folded() {
    let ids: Vec<String> = (1..=12).map(|number| format!("r{number}")).collect();
    let below = |at: usize| at.checked_sub(1).map_or("", |at| ids[at].as_str());
    let scene = ids.iter().enumerate().fold(Scene::new(), |scene, (at, id)| scene.table(id, below(at)));
    let text = scene
        .run("db-status")
        .code(0)
        .says("Status: 12 migrations pending.")
        .says("- … 10 more (--verbose lists them)");
    assert!(
        text.stdout.contains("- r1 (") && text.stdout.contains("- r12 (") && !text.stdout.contains("- r2 ("),
        "{text}"
    );
    let _ = scene.run("db-status --verbose").code(0).says("- r2 (revision r2)");
    assert_eq!(scene.json("db-status")["components"][0]["pending"].as_array().unwrap().len(), 12);
}

/// A row too many: Alembic cannot go on, so nobody may be sent in a circle.
#[test]
fn overlapping_rows_are_named_with_what_puts_them_right() {
    let scene = stamped(Scene::three(), &["a1", "b2"]).sql("create table a1 (n int); create table b2 (n int)");
    let said = ["It holds a1 and also b2, which is above it", "stamp --purge b2"];
    let output = scene.run("db-status --check").code(4).says("❌ Version table has overlapping rows");
    let migrate = scene.run("db-migrate").code(3);
    for said in said {
        assert!(output.stdout.contains(said) && migrate.stderr.contains(said), "{said}\n{output}\n{migrate}");
    }
    let json = scene.run("db-status --json").code(0).json();
    assert_eq!(json["components"][0]["overlapping"], json!([{"revision": "a1", "below": "b2"}]));
    let words = "-m alembic -c alembic.ini stamp --purge b2";
    drop(Xtask::program(crate::support::python::python(), scene.root(), words).run().code(0));
    assert_eq!(scene.versions(), ["b2"]);
    drop(scene.run("db-migrate").code(0));
    // The same once more, where nothing keeps the rows apart.
    let twice = "alter table alembic_version drop constraint if exists alembic_version_pkc, drop constraint if exists \
                 alembic_version_pkey; insert into alembic_version select * from alembic_version";
    let _ = scene.sql(twice).run("db-migrate").code(3).complains("It holds c3 twice").complains("stamp --purge c3");
}

/// Alembic fails wherever it first reads such a row, and env.py has nothing to do with it.
#[test]
fn a_row_that_holds_no_revision_is_named_with_what_mends_it() {
    let mut scene = stamped(Scene::three(), &["c3"]).sql(
        "alter table alembic_version drop constraint if exists alembic_version_pkc, drop constraint if exists \
         alembic_version_pkey, alter version_num drop not null",
    );
    let rows = [
        (
            "null",
            "version_num is NULL; its other rows: c3",
            "DELETE FROM \"alembic_version\" WHERE version_num IS NULL",
        ),
        ("''", "version_num is an empty text; its other rows: c3", "DELETE FROM"),
        ("' c3 '", "' c3 ', with blanks round it", "DELETE FROM"),
    ];
    for (row, details, mend) in rows {
        scene = scene.sql(&format!("insert into alembic_version values ({row})"));
        for command in ["db-status", "db-migrate", "db-roundtrip"] {
            let code = if command == "db-status" { 1 } else { 3 };
            let output = scene.run(command).code(code);
            for said in ["A row of the version table holds no revision", details, mend] {
                assert!(format!("{}{}", output.stdout, output.stderr).contains(said), "{said}\n{output}");
            }
            assert!(!output.stderr.contains("throwaway"), "{output}");
        }
        scene = scene.sql("delete from alembic_version where version_num is distinct from 'c3'");
    }
    let scene = scene.sql("update alembic_version set version_num = ' c3'");
    let mend = "UPDATE \"alembic_version\" SET version_num = '\\''c3'\\'' WHERE version_num = '\\'' c3'\\''";
    let _ = scene.run("db-migrate").code(3).complains(mend);
}

#[test]
fn all_up_to_date_passes_the_check() {
    let scene = stamped(Scene::three(), &["c3"]);
    scene.project.write("alembic-appproxy.ini", &config(&url("psycopg", &scene.database)));
    let _ = scene.run("db-status --all --check").code(0);
    let _ = scene.run("db-status -c appproxy --check").code(0).says("Component: appproxy");
}

#[test]
fn commands_that_are_recommended_name_the_component() {
    let scene = stamped(Scene::three(), &["a1"]);
    scene.project.write("alembic-appproxy.ini", &config(&url("psycopg", &scene.database)));
    let _ = scene.run("db-status").code(0).says("Recommended action: cargo xtask db-migrate\n");
    let _ =
        scene.run("db-status -c appproxy").says("Recommended action: cargo xtask db-migrate --component=appproxy\n");
}

#[test]
fn a_broken_history_fails_whatever_is_checked() {
    let scene = stamped(Scene::three(), &["c3"]).table("d4", "gone");
    let json = scene.run("db-status --check --json").code(1).json();
    assert_eq!(json["error"]["kind"], "migration-file-missing");
}

/// Puts programs on PATH and into the project that write down that they were started.
fn traps(project: &Project) -> (std::ffi::OsString, std::path::PathBuf) {
    let log = project.path("started");
    let trap = format!("#!/bin/sh\necho \"$0 $*\" >>{}\nexit 1\n", log.display());
    for name in ["py", "bin/python", "bin/python3", ".venv/bin/python", "bin/alembic"] {
        project.write(name, &trap);
        std::fs::set_permissions(project.path(name), std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    let mut path = project.path("bin").into_os_string();
    path.push(":");
    path.push(std::env::var_os("PATH").unwrap());
    (path, log)
}

#[test]
fn python_is_never_started() {
    let scene = stamped(Scene::three(), &["b2"]);
    let (path, log) = traps(&scene.project);
    for words in
        ["db-status", "db-status --all --check", "db-status --json", "db-migrate --target b2", "db-migrate --dry-run"]
    {
        let output = Xtask::new(scene.root(), words).env("PATH", &path).run();
        assert!(output.code == 0 || output.code == 4, "{output}");
        assert!(!log.exists(), "{words} started {}", std::fs::read_to_string(&log).unwrap());
    }
    // The traps do spring: a command that needs Python trips them.
    let _ = Xtask::new(scene.root(), "db-migrate").env("PATH", &path).run().code(3);
    assert!(log.exists());
}

/// What to do with a database that Alembic does not know: tables that are older than it, or none where the component
/// makes a fresh database by a command of its own.
#[test]
fn a_database_without_a_revision_is_told_what_it_is() {
    let older = Scene::three().sql("create table a1 (n int); create table b2 (n int)");
    let _ =
        older.run("db-status").code(0).says("Its tables are those of b2").says("-m alembic -c alembic.ini stamp b2");
    let fresh = Scene::three();
    let _ = fresh.run("db-status").code(0).says("Recommended action: cargo xtask db-migrate");
    let settings = "[workspace]\n[workspace.metadata.db.components.manager]\nconfig = \"alembic.ini\"\n\
                    baseline = [\"./make it\", \"-f\", \"{config}\"]\n";
    fresh.project.write("Cargo.toml", settings);
    let _ = fresh.run("db-status").code(0).says("the component's own command: './make it' -f alembic.ini");
}

/// Ids that this branch itself deleted are a squash, and nobody else has migrated anything.
#[test]
fn a_squashed_history_is_recognised() {
    let scene = Scene::new().table("s1", "").table("s2", "s1").at("s2");
    let git = "git -c user.name=a -c user.email=a@example.org";
    let squash = format!(
        "git init -q && git add -A migrations && {git} commit -qm one && git rm -q 'migrations/versions/*.py' && \
         {git} commit -qm squash"
    );
    let shell = |words: &str| drop(Xtask::program(Path::new("/bin/sh"), scene.root(), "-c").arg(words).run().code(0));
    // One script alone was deleted: the one below is there, and the database can go down to it.
    shell(
        "git init -q && git add -A migrations && git -c user.name=a -c user.email=a@e.org commit -qm one && rm migrations/versions/*s2* && git -c user.name=a -c user.email=a@e.org commit -qam less",
    );
    let _ =
        scene.run("db-status").code(0).says("Recommended action: Put it in line with these files: cargo xtask db-sync");
    shell("git reset -q --hard HEAD~1 && rm -rf .git");
    shell(&squash);
    let scene = scene.table("base9", "");
    let _ = scene.run("db-status").code(0).says("deleted its script").says("stamp --purge heads");
    let failure = scene.fails("db-migrate", Kind::UnknownRevision, 3, &["'s2'", "of this branch deleted its script"]);
    assert!(!failure.output.stderr.contains("another branch"), "{}", failure.output);
}
