//! Migration scripts and histories that are not as they should be, and targets that do not exist. What can be seen in the
//! files is refused before anything is changed (exit 3); what only shows when Python runs the script is a failure.

use serde_json::json;
use xtask::fail::Kind;

use crate::support::scene::{Failure, Scene};

/// A database at `a1`, and a `b2` with this body.
fn with_body(body: &str) -> Scene {
    Scene::new().table("a1", "").at("a1").revision("b2", "a1", body, "pass")
}

/// The same refusal from all commands that read the history; db-status cannot refuse, it fails.
#[track_caller]
fn refused(scene: &Scene, kind: Kind, names: &[&str]) -> Failure {
    scene.fails("db-status", kind, 1, names);
    scene.fails("db-roundtrip", kind, 3, names);
    let failure = scene.fails("db-migrate", kind, 3, names);
    assert_eq!(scene.versions(), ["a1"]);
    failure
}

#[test]
fn multiple_heads() {
    let scene = Scene::three().table("d4", "b2").at("b2");
    let names = ["Multiple heads detected", "c3, d4", "Cannot proceed with migration when heads are diverged"];
    let failure = scene.fails("db-migrate", Kind::MultipleHeads, 3, &names);
    expect_test::expect![[r#"
        ❌ Error: Multiple heads detected

        Details:
          'head' asks for one head, and there are 2: c3, d4
          Cannot proceed with migration when heads are diverged

        Recommended actions:
          1. Check diverged heads: cargo xtask db-status
          2. Resolve heads: cargo xtask db-rebase
          3. Retry migration: cargo xtask db-migrate
          4. Or go to all of them: cargo xtask db-migrate --target=heads

        Related command: cargo xtask db-status
    "#]]
    .assert_eq(&failure.output.stderr);
    assert_eq!(scene.versions(), ["b2"]);
    // Named, a way is open.
    assert_eq!(scene.json("db-migrate --target=heads")["after"], json!(["c3", "d4"]));
}

#[test]
fn unknown_revision() {
    let scene = Scene::three().at("a1");
    let names = ["Cannot locate revision 'f00d'", "Revision not found in migration history"];
    let failure = scene.fails("db-migrate --target=f00d", Kind::UnknownRevision, 3, &names);
    assert!(failure.output.stderr.contains("alembic.ini history"), "{}", failure.output);
    scene.fails("db-migrate --target=nobody@head", Kind::UnknownRevision, 3, &["no branch 'nobody'"]);
    scene.fails("db-migrate --target=+9", Kind::UnknownRevision, 3, &["goes beyond the history: 2 revisions"]);
    scene.fails("db-roundtrip --from=f00d", Kind::UnknownRevision, 3, &names);
    scene.fails("db-migrate --direction=downgrade --target=c3", Kind::UnknownRevision, 3, &["is not an ancestor"]);
    assert_eq!(scene.versions(), ["a1"]);
}

#[test]
fn unknown_revision_in_the_database() {
    let scene = Scene::three().at("head");
    std::fs::remove_file(scene.project.path("migrations/versions/c3.py")).unwrap();
    let names = ["Cannot locate revision 'c3'", "The database holds it, but no migration file of this checkout does"];
    let failure = scene.fails("db-migrate", Kind::UnknownRevision, 3, &names);
    assert_eq!(failure.json["error"]["revision"], "c3");
    assert!(failure.output.stderr.contains("git log --all --oneline -S c3"), "{}", failure.output);
    scene.fails("db-migrate --direction=downgrade --target=-1", Kind::UnknownRevision, 3, &names);
    assert_eq!((scene.versions(), scene.tables().as_str()), (vec!["c3".to_owned()], "a1 b2 c3"));
}

#[test]
fn ambiguous_revision() {
    let scene = Scene::new().table("abc123", "").table("abc456", "abc123");
    let names = ["Ambiguous target 'abc'", "fits several revisions", "abc123", "abc456"];
    scene.fails("db-migrate --target=abc", Kind::AmbiguousRevision, 3, &names);
    assert_eq!(scene.tables(), "");
}

#[test]
fn migration_file_missing() {
    let scene = Scene::new().table("a1", "").at("a1").table("c3", "b2");
    let names = ["Migration file not found", "revision c3 has the parent 'b2'", "migrations/versions/c3.py:5"];
    let failure = refused(&scene, Kind::MigrationFileMissing, &names);
    assert_eq!(failure.json["error"]["revision"], "c3");
    assert!(failure.output.stderr.contains("git pull"), "{}", failure.output);
}

#[test]
fn migration_file_invalid_for_a_syntax_error() {
    let scene = Scene::three().at("a1").header("c3", "down_revision = (");
    refused(&scene, Kind::MigrationFileInvalid, &["migrations/versions/c3.py:"]);
    // Below what is read without Python, it shows when Python loads the script; still before anything is changed.
    let scene = with_body("op.execute('");
    scene.fails("db-migrate", Kind::MigrationFileInvalid, 3, &["migrations/versions/b2.py:7", "unterminated string"]);
    assert_eq!(scene.versions(), ["a1"]);
}

#[test]
fn migration_file_invalid_for_an_id_in_two_files() {
    let scene = Scene::three().at("a1");
    let text = std::fs::read_to_string(scene.project.path("migrations/versions/c3.py")).unwrap();
    scene.project.write("migrations/versions/copy.py", &text);
    let names = ["revision c3 is in several files", "migrations/versions/c3.py", "migrations/versions/copy.py"];
    refused(&scene, Kind::MigrationFileInvalid, &names);
}

#[test]
fn migration_file_invalid_for_a_circle() {
    let scene = Scene::new().table("a1", "").at("a1").table("b2", "c3").table("c3", "b2");
    let names = ["revisions follow one another in a circle", "b2", "c3", "migrations/versions/"];
    refused(&scene, Kind::MigrationFileInvalid, &names);
}

#[test]
fn migration_file_invalid_for_a_value_that_is_computed() {
    let scene = Scene::three().at("a1").header("c3", "down_revision = open('/dev/null').read()");
    refused(&scene, Kind::MigrationFileInvalid, &["migrations/versions/c3.py"]);
}

#[test]
fn migration_import_failed() {
    let scene = Scene::three().at("a1").header("c3", "import no_such_package.inside");
    let names = ["no_such_package", "migrations/versions/c3.py:6"];
    scene.fails("db-migrate", Kind::MigrationImportFailed, 3, &names);
    assert_eq!((scene.versions(), scene.tables().as_str()), (vec!["a1".to_owned()], "a1"));
}

#[test]
fn migration_import_failed_in_the_middle() {
    let scene = with_body("from sqlalchemy import no_such_name");
    let failure = scene.fails("db-migrate", Kind::MigrationImportFailed, 1, &["migrations/versions/b2.py:7"]);
    failure.says("Nothing of this run was kept").has("after", json!(["a1"]));
    assert_eq!(scene.versions(), ["a1"]);
}

#[test]
fn migration_needs_input() {
    for body in ["input('Really? ')", "import getpass; getpass.getpass('Really? ')"] {
        let scene = with_body(body);
        let names = ["It asks: Really?", "migrations/versions/b2.py:7"];
        let failure = scene.fails("db-migrate", Kind::MigrationNeedsInput, 1, &names);
        failure.says("Nothing of this run was kept").has("after", json!(["a1"]));
        assert_eq!(scene.versions(), ["a1"]);
    }
}

#[test]
fn migration_raised() {
    let scene = with_body("raise ValueError('three rows have no owner')");
    let names = ["The migration raised ValueError", "three rows have no owner", "migrations/versions/b2.py:7"];
    let failure = scene.fails("db-migrate", Kind::MigrationRaised, 1, &names);
    failure.says("Nothing of this run was kept").has("after", json!(["a1"]));
    assert_eq!(scene.versions(), ["a1"]);
}

#[test]
fn migration_raised_though_sqlalchemy_names_it_as_it_names_a_wrong_url() {
    let scene = with_body("from sqlalchemy.engine import make_url; make_url('no url')");
    let names = ["The migration raised ArgumentError", "migrations/versions/b2.py:7"];
    scene.fails("db-migrate", Kind::MigrationRaised, 1, &names).says("Nothing of this run was kept");
}

#[test]
fn migration_raised_for_a_process_that_is_gone() {
    let scene = with_body("import os; print('last words', flush=True); os._exit(3)");
    let names = ["exit status: 3", "last words", "Revision b2"];
    let failure = scene.fails("db-migrate", Kind::MigrationRaised, 1, &names);
    failure.says("Nothing of this run was kept").has("after", json!(["a1"]));
    assert_eq!(scene.versions(), ["a1"]);
}

#[test]
fn env_failed() {
    let ways = [
        ("import os; os._exit(3)", "The Python process is gone"),
        ("raise ValueError('which tenant?')", "env.py raised ValueError"),
        ("import no_such_package", "env.py cannot import no_such_package"),
        ("from alembic import context; context.get_x_argument(as_dictionary=True)['tenant']", "env.py raised KeyError"),
        ("pass", "env.py does not run the migrations"),
    ];
    for (env, summary) in ways {
        let scene = Scene::three().env(env);
        let failure = scene.fails("db-migrate", Kind::EnvFailed, 1, &[summary]);
        failure.says("Nothing of this run was kept: the database is still at no revision").has("applied", json!([]));
        assert_eq!(scene.tables(), "");
    }
}

#[test]
fn migration_raised_with_the_password_in_its_words() {
    // A script that shows the URL it works on must not bring the password out.
    let body = "url = op.get_bind().engine.url\nprint(url.render_as_string(hide_password=False), flush=True)\n\
                raise ValueError(url.render_as_string(hide_password=False))";
    let scene = with_body(body);
    scene.fails("db-migrate", Kind::MigrationRaised, 1, &["The migration raised ValueError", "postgres"]);
    scene.fails("db-migrate --verbose", Kind::MigrationRaised, 1, &["The migration raised ValueError"]);
}
