//! `db-migrate` through the binary: every target, the seed's reports, what is looked at beforehand and what stays after a
//! failure. After each run the database itself is compared with what the report claims.

mod failures;
mod others;

use std::os::unix::fs::PermissionsExt;

use expect_test::expect;
use serde_json::{Value, json};

use crate::support::pg::cluster;
use crate::support::scene::{Scene, no_password_in, url};

/// `a1 -> b2, c3 -> d4`: a branch point and a merge point.
fn diamond() -> Scene {
    Scene::new().table("a1", "").table("b2", "a1").table("c3", "a1").table("d4", "b2,c3")
}

/// Runs it with `--json` and holds what it says against the database; gives what was applied or reverted.
#[track_caller]
fn migrate(scene: &Scene, words: &str) -> Vec<String> {
    let before = scene.versions();
    let json = scene.json(&format!("db-migrate {words}"));
    let verb = if words.contains("downgrade") { "reverted" } else { "applied" };
    assert_eq!(json["before"], json!(before), "{json}");
    assert_eq!(json["after"], json!(scene.versions()), "{json}");
    assert!(json["seconds"].is_number() && json["outcome"] == "ok", "{json}");
    ids(&json[verb])
}

fn ids(revisions: &Value) -> Vec<String> {
    revisions.as_array().unwrap().iter().map(|it| it["revision"].as_str().unwrap().to_owned()).collect()
}

const DOWN: &str = "--direction=downgrade --no-backup --target";

#[test]
fn every_form_of_a_target() {
    let scene = Scene::three();
    let none: [&str; 0] = [];
    assert_eq!(migrate(&scene, "--target +1"), ["a1"]);
    assert_eq!(migrate(&scene, "--target b2"), ["b2"]);
    assert_eq!(migrate(&scene, ""), ["c3"]);
    assert_eq!(scene.tables(), "a1 b2 c3");
    assert_eq!(migrate(&scene, "--target heads"), none);
    assert_eq!(migrate(&scene, &format!("{DOWN} -1")), ["c3"]);
    assert_eq!(migrate(&scene, "--target c3"), ["c3"]);
    assert_eq!(migrate(&scene, &format!("{DOWN}=c3-2")), ["c3", "b2"]);
    assert_eq!(scene.tables(), "a1");
    assert_eq!(migrate(&scene, "--target=a1+1"), ["b2"]);
    assert_eq!(migrate(&scene, &format!("{DOWN} a1")), ["b2"]);
    assert_eq!(migrate(&scene, &format!("{DOWN} base")), ["a1"]);
    assert_eq!((scene.tables().as_str(), scene.versions()), ("", vec![]));
}

#[test]
fn a_shortened_revision() {
    let scene = Scene::new().table("ab12cd", "").table("cd34ef", "ab12cd");
    assert_eq!(migrate(&scene, "--target cd3"), ["ab12cd", "cd34ef"]);
    assert_eq!(migrate(&scene, &format!("{DOWN} ab1")), ["cd34ef"]);
}

#[test]
fn down_by_number_through_a_merge_point() {
    let scene = diamond().at("head");
    assert_eq!(migrate(&scene, &format!("{DOWN} -1")), ["d4"]);
    assert_eq!(scene.versions(), ["b2", "c3"]);
    let _ = scene.run("db-migrate").code(0);
    let reverted = migrate(&scene, &format!("{DOWN} -2"));
    assert_eq!((reverted.len(), reverted[0].as_str()), (2, "d4"));
    assert_eq!(scene.versions().len(), 1);
    let _ = scene.run("db-migrate").code(0);
    let reverted = migrate(&scene, &format!("{DOWN} -4"));
    assert_eq!((reverted.len(), reverted[3].as_str()), (4, "a1"));
    assert_eq!(scene.tables(), "");
}

#[test]
fn one_branch_by_its_label() {
    let scene = Scene::new().table("a1", "").table("b2", "a1").table("c3", "a1");
    let scene = scene.header("b2", "branch_labels = ('left',)").header("c3", "branch_labels = ('right',)");
    assert_eq!(migrate(&scene, "--target left@head"), ["a1", "b2"]);
    assert_eq!(migrate(&scene, "--target heads"), ["c3"]);
    assert_eq!(scene.versions(), ["b2", "c3"]);
    assert_eq!(migrate(&scene, &format!("{DOWN} right@-1")), ["c3"]);
    assert_eq!(scene.tables(), "a1 b2");
}

#[test]
fn the_report_of_an_upgrade() {
    let scene = Scene::three().at("a1");
    let output = scene.run("db-migrate").code(0);
    expect![[r#"
        ✅ Migration successful

        Component: manager
        Direction: upgrade
        Target: head

        Applied migrations:
          - a1 → b2: revision b2
          - b2 → c3: revision c3

        New status: Database is up-to-date

        Next steps:
          - Verify application functionality
          - Restart affected services if needed: backend.ai mgr
    "#]]
    .assert_eq(&output.stdout);
}

#[test]
fn the_report_of_a_downgrade() {
    let scene = diamond().at("head");
    let output = scene.run(&format!("db-migrate {DOWN} -1")).code(0);
    expect![[r#"
        ✅ Migration successful

        Component: manager
        Direction: downgrade
        Target: -1

        Reverted migrations:
          - d4 → b2 + c3: revision d4 (reverted)

        New status: Database at revision b2 (revision b2), c3 (revision c3), 1 pending

        Warning: Downgrade may have removed data or features.
        Verify application compatibility.
    "#]]
    .assert_eq(&output.stdout);
}

#[test]
fn services_to_restart_are_named() {
    let scene = Scene::three();
    let manifest =
        "[workspace]\n[workspace.metadata.db.components.manager]\nservices = [\"backend.ai mgr\", \"nginx\"]\n";
    scene.project.write("Cargo.toml", manifest);
    let _ = scene.run("db-migrate").code(0).says("Restart affected services if needed: backend.ai mgr, nginx");
}

#[test]
fn nothing_to_do_says_so() {
    let scene = Scene::three().at("head");
    let output = scene.run("db-migrate").code(0);
    expect![[r#"
        ✅ Nothing to do

        Component: manager
        Direction: upgrade
        Target: head

        Status: Database is up-to-date
    "#]]
    .assert_eq(&output.stdout);
    assert_eq!(output.stderr, "", "no progress where nothing is done");
    let json = scene.json("db-migrate");
    assert_eq!((&json["applied"], &json["before"], &json["after"]), (&json!([]), &json!(["c3"]), &json!(["c3"])));
    assert_eq!(json["backup"], Value::Null);
}

#[test]
fn a_dry_run_lists_and_changes_nothing() {
    let scene = Scene::three().at("b2");
    let output = scene.run("db-migrate --dry-run").code(0);
    expect![[r#"
        Dry run: nothing was changed

        Component: manager
        Direction: upgrade
        Target: head

        Would be applied:
          - b2 → c3: revision c3

        Then: Database is up-to-date

        Run it: cargo xtask db-migrate
    "#]]
    .assert_eq(&output.stdout);
    let down = "db-migrate --direction downgrade --target base --dry-run";
    let json = scene.json(down);
    assert_eq!(ids(&json["planned"]), ["b2", "a1"]);
    assert_eq!(json["drops"]["b2"][0]["what"], json!("table b2"));
    let _ = scene.run(down).code(0).says("  - b2 → a1: revision b2\n      drops table b2 (line ");
    assert_eq!((&json["reverted"], &json["after"]), (&json!([]), &json!(["b2"])));
    assert_eq!((scene.tables().as_str(), scene.versions()), ("a1 b2", vec!["b2".to_owned()]));
    assert!(!scene.root().join(".xtask/backups").exists(), "a dry run takes no backup");
}

#[test]
fn offline_sql_is_alembics_and_changes_nothing() {
    let scene = Scene::three().at("a1");
    let output = scene.run("db-migrate --sql --target b2").code(0).says("create table b2 (n int)");
    assert!(!output.stdout.contains("create table a1") && !output.stdout.contains("create table c3"), "{output}");
    let output = output.says("UPDATE alembic_version SET version_num='b2' WHERE alembic_version.version_num = 'a1'");
    // The whole of stdout is SQL: PostgreSQL takes it.
    let client = scene.client().batch_execute(&output.stdout);
    client.unwrap();
    assert_eq!((scene.tables().as_str(), scene.versions()), ("a1 b2", vec!["b2".to_owned()]));
    let down = scene.run("db-migrate --sql --direction downgrade --target a1").code(0).says("drop table b2");
    assert!(!down.stdout.contains("create"), "{down}");
    let json = scene.json("db-migrate --sql");
    assert!(json["sql"].as_str().unwrap().contains("create table c3"), "{json}");
    assert_eq!(scene.tables(), "a1 b2");
}

#[test]
fn a_backup_before_a_downgrade() {
    let scene = Scene::three().at("head").sql("insert into c3 values (1), (2)");
    let json = scene.json("db-migrate --direction downgrade --target -1");
    let path = std::path::PathBuf::from(json["backup"].as_str().unwrap());
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(scene.tables(), "a1 b2");
    no_password_in(scene.root());
    let copy = cluster().database();
    let restored = tool("pg_restore").args(["-h", &cluster().socket_dir.display().to_string()]);
    let done = restored.args(["-U", "postgres", "-d", &copy]).arg(&path).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let copy = Scene { database: copy, ..Scene::new() };
    assert_eq!((copy.tables().as_str(), copy.versions()), ("a1 b2 c3", vec!["c3".to_owned()]));
    assert_eq!(copy.client().query_one("select sum(n)::int from c3", &[]).unwrap().get::<_, i32>(0), 3);
    assert!(unseen_by_git(&scene), "git sees the backup");
}

#[test]
fn no_backup_when_there_is_nothing_to_lose_or_it_is_not_wanted() {
    let scene = Scene::three();
    assert_eq!(scene.json("db-migrate")["backup"], Value::Null);
    assert_eq!(scene.json(&format!("db-migrate {DOWN} -1"))["backup"], Value::Null);
    assert!(!scene.root().join(".xtask/backups").exists());
    let output = scene.run("db-migrate --direction downgrade --target -1").code(0);
    assert!(output.stdout.contains("Backup: ") && output.stderr.contains("Backup: "), "{output}");
    assert!(scene.json("db-migrate --target=head")["backup"].is_null());
    let output = scene.run("db-migrate --direction downgrade --target -1 --no-verify").code(0);
    assert!(output.stderr.contains("it was not restored: --no-verify"), "{output}");
    let proven: Vec<Value> =
        scene.json("db-backup --list")["backups"].as_array().unwrap().iter().map(|it| it["proven"].clone()).collect();
    assert_eq!(proven, [json!(false), json!(true)]);
}

fn tool(name: &str) -> Words {
    #[expect(clippy::disallowed_methods)]
    Words(std::process::Command::new(Scene::tool(name)))
}

/// A command that is built in one expression.
struct Words(std::process::Command);

impl Words {
    fn args<S: AsRef<std::ffi::OsStr>>(mut self, words: impl IntoIterator<Item = S>) -> Words {
        self.0.args(words);
        self
    }

    fn arg(self, word: impl AsRef<std::ffi::OsStr>) -> Words {
        self.args([word])
    }

    fn output(mut self) -> std::io::Result<std::process::Output> {
        self.0.output()
    }
}

/// Whether git, asked for all that it would add, leaves `.xtask/` out.
fn unseen_by_git(scene: &Scene) -> bool {
    let git = |words: &str| {
        #[expect(clippy::disallowed_methods)]
        let mut git = std::process::Command::new("git");
        let done = git.current_dir(scene.root()).args(words.split(' ')).output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        String::from_utf8(done.stdout).unwrap()
    };
    git("init -q");
    let seen = git("status --porcelain --untracked-files=all");
    assert!(seen.contains("migrations/env.py"), "{seen}");
    !seen.contains(".xtask")
}

#[test]
fn one_python_process_for_a_migration() {
    let scene = Scene::three();
    let log = scene.project.path("started");
    let python = crate::support::python::python().display().to_string();
    scene.project.write("counted", &format!("#!/bin/sh\necho \"$*\" >>{}\nexec {python} \"$@\"\n", log.display()));
    let counted = scene.project.path("counted");
    std::fs::set_permissions(&counted, std::fs::Permissions::from_mode(0o755)).unwrap();
    let _ = scene.xtask("db-migrate --cold").env("XTASK_PYTHON", &counted).run().code(0);
    let started = std::fs::read_to_string(&log).unwrap();
    let drivers: Vec<&str> = started.lines().filter(|line| line.contains("driver")).collect();
    assert_eq!(drivers.len(), 1, "{started}");
    // A script in Python's place has to be asked once where its packages are; a program has not.
    assert!(started.lines().count() <= 2, "{started}");
}

#[test]
fn the_driver_of_the_url_is_used() {
    for driver in ["asyncpg", "psycopg2"] {
        let scene = Scene::on(driver).table("a1", "").table("b2", "a1");
        assert_eq!(migrate(&scene, ""), ["a1", "b2"], "{driver}");
        assert_eq!(migrate(&scene, &format!("{DOWN} base")), ["b2", "a1"], "{driver}");
    }
}

#[test]
fn each_component_has_its_own_database() {
    let scene = Scene::three();
    let other = Scene { database: cluster().database(), ..Scene::new() };
    scene.project.write("alembic-appproxy.ini", &crate::support::scene::config(&url("psycopg", &other.database)));
    let output = scene.run("db-migrate --component=appproxy --target=a1").code(0).says("Component: appproxy");
    assert_eq!((scene.tables().as_str(), other.tables().as_str()), ("", "a1"), "{output}");
    let again = scene.run("db-migrate -c appproxy --dry-run").code(0);
    let _ = again.says("Run it: cargo xtask db-migrate --component=appproxy");
}
