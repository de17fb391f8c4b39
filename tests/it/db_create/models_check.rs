//! `db-check --models`: is there a change of the models without a migration?

use serde_json::json;

use super::{EMAIL, add_column, project, scene, texts};
use crate::support::scene::Scene;

#[test]
fn found_and_not_found() {
    for driver in ["psycopg", "asyncpg"] {
        let scene = scene(driver);
        let _ = scene.run("db-check --models").code(0).says("✅ No model changes");
        assert_eq!(scene.json("db-check --models")["findings"], json!([]));
        add_column(&scene, EMAIL);
        let output = scene.run("db-check --models").code(4).says("  - add_column users.email: VARCHAR(64)");
        assert!(output.stdout.contains("Make the migration: cargo xtask db-create-migration -m"), "{output}");
        let found = scene.run("db-check --models --json").code(4).json();
        assert_eq!(
            (&found["outcome"], texts(&found["findings"], "code")),
            (&json!("findings"), vec!["DB601".to_owned()])
        );
        assert_eq!((&found["findings"][0]["path"], &found["findings"][0]["line"]), (&json!("alembic.ini"), &json!(2)));
        let _ = scene.run("db-check --models --format github").code(4).says("::error file=alembic.ini,line=2");
        // No rule is reported as passed that was not asked.
        let _ = scene.run("db-check --models --format junit").code(4).says("<testsuites tests=\"2\" failures=\"1\"");
    }
}

/// What autogenerate passes over is compared, too: told, and an error where the project says so.
#[test]
fn what_autogenerate_does_not_compare() {
    let scene = scene("psycopg");
    add_column(
        &scene,
        "sa.Column('score', sa.Integer, server_default='1'), sa.Column('kind', sa.Enum('a', 'b', name='kind')), sa.CheckConstraint('score > 0', name='ck')",
    );
    let up = "op.execute(\"create type kind as enum ('a')\")\nop.execute('alter table users add score int default 2, add kind kind')";
    let down = "op.execute('alter table users drop score, drop kind; drop type kind')";
    let scene = scene.revision("b2", "a1", up, down);
    let text =
        scene.run("db-check --models").code(0).says("⚠️  Model changes without a migration in manager: 3, none of");
    let text = text.says("server default of users.score: the models say 1, the database has 2");
    let _ = text.says("enum type kind: b only in the models").says("check constraint ck of users: only in the models");
    let found = scene.json("db-check --models");
    assert_eq!(texts(&found["findings"], "code"), ["DB602", "DB602", "DB602"], "{found:#}");
    let rules = "[workspace]\n[workspace.metadata.db.rules]\nunseen-model-change = \"error\"\n";
    scene.project.write("Cargo.toml", rules);
    let _ = scene.run("db-check --models").code(4);
}

/// In CI there is a server and nothing on it yet; and a database that is behind is no measure either.
#[test]
fn the_components_database_does_not_matter() {
    let _ = project("psycopg").run("db-check --models").code(0);
    let scene = scene("psycopg").table("b2", "a1");
    let text = std::fs::read_to_string(scene.project.path("models.py")).unwrap();
    scene.project.write("models.py", &(text + "sa.Table('b2', metadata, sa.Column('n', sa.Integer))\n"));
    let _ = scene.run("db-check --models").code(0);
    assert_eq!(scene.versions(), ["a1"]);
}

#[test]
fn every_component_that_there_is() {
    let scene = scene("psycopg");
    let ini = std::fs::read_to_string(scene.project.path("alembic.ini")).unwrap();
    scene.project.write("alembic-appproxy.ini", &ini);
    add_column(&scene, EMAIL);
    let found = scene.run("db-check --models --all --json").code(4).json();
    assert_eq!(texts(&found["findings"], "path"), ["alembic.ini", "alembic-appproxy.ini"]);
    let help = found["findings"][1]["help"].as_str().unwrap();
    assert!(help.starts_with("cargo xtask db-create-migration --component=appproxy -m"), "{help}");
}

#[test]
fn its_weight_is_the_projects() {
    let scene = scene("psycopg");
    add_column(&scene, EMAIL);
    scene.project.write("Cargo.toml", "[workspace]\n[workspace.metadata.db.rules]\nmodel-change = \"warning\"\n");
    let found = scene.json("db-check --models");
    assert_eq!((&found["findings"][0]["severity"], &found["outcome"]), (&json!("warning"), &json!("ok")));
}

#[test]
fn it_stands_alone() {
    let folder = crate::support::xtask::Folder::new();
    for other in ["--staged", "--released", "--explain DB101"] {
        let words = format!("db-check --models {other}");
        let output = crate::support::xtask::Xtask::new(folder.path(), &words).run().code(2);
        assert!(output.stderr.contains("exclude each other"), "{output}");
    }
    // Two heads are no history to compare with.
    let scene: Scene = scene("psycopg").table("b2", "a1").table("c3", "a1");
    assert_eq!(scene.run("db-check --models --json").code(3).kind(), "multiple-heads");
}

/// Databases of this project are made from the models, so what is compared with has to know nothing of the new ones.
#[test]
fn a_baseline_from_the_models_is_made_as_it_was_before_they_changed() {
    let scene = scene("psycopg");
    let make = "import sys\nfrom alembic import command\nfrom alembic.config import Config\nimport sqlalchemy as sa\n\
        from models import metadata\nconfig = Config(sys.argv[1])\n\
        metadata.create_all(sa.create_engine(config.get_main_option('sqlalchemy.url')))\ncommand.stamp(config, 'head')\n";
    scene.project.write("make.py", make);
    let python = crate::support::python::python().display().to_string();
    let settings = format!(
        "[workspace]\n[workspace.metadata.db.components.manager]\nconfig = 'alembic.ini'\nbaseline = ['{python}', 'make.py', '{{config}}']\n"
    );
    scene.project.write("Cargo.toml", &settings);
    scene.project.write(".gitignore", "state\n__pycache__\n");
    let git = |words: &str| crate::support::repo::git(scene.root(), words);
    git("init --quiet --initial-branch=main");
    git("add --all");
    git("commit --quiet --message x");
    let nothing = scene.run("db-check --models").code(0).says("⚠️  Not proven");
    assert!(nothing.stderr.contains("nothing differs from main"), "{nothing}");
    git("switch --quiet --create work");
    add_column(&scene, EMAIL);
    for words in ["db-check --models", "db-check --models --base main"] {
        let _ = scene.run(words).code(4).says("add_column users.email").says(", where this parted from main, upgraded");
    }
    let scene = scene.revision(
        "b2",
        "a1",
        "op.add_column('users', sa.Column('email', sa.String(64)))",
        "op.drop_column('users', 'email')",
    );
    let _ = scene.run("db-check --models").code(0).says("✅ No model changes in manager: models and migrations agree");
    assert!(!scene.project.path("state/past").exists(), "the folder of the past is taken away");
}
