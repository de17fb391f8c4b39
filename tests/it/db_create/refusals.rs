//! What is refused before anything is made, and what fails without leaving a file.

use serde_json::json;
use xtask::fail::Kind;

use super::{EMAIL, add_column, change, create, create_command, project, scene, scripts};
use crate::support::pg::cluster;
use crate::support::scene::{Failure, Scene};

/// Runs it, which must fail that way, and no file may be left.
#[track_caller]
fn fails(scene: &Scene, flags: &str, kind: Kind, exit: i32, names: &[&str]) -> Failure {
    let before = scripts(scene);
    let failure = Failure::of(create_command(scene, &format!("--json {flags}")), scene.root(), kind, exit, names);
    assert_eq!(scripts(scene), before, "a file was left\n{}", failure.output);
    failure
}

#[track_caller]
fn recommends(failure: &Failure, command: &str) {
    let actions = failure.json["error"]["actions"].as_array().unwrap();
    let has = actions.iter().any(|action| action.as_str().unwrap().contains(command));
    assert!(has, "no {command}\n{}", failure.output);
}

#[test]
fn without_a_message() {
    for words in ["db-create-migration", "db-create-migration --empty", "db-create-migration --message= --json"] {
        let output = scene_free(words);
        assert!(output.contains("needs a"), "{output}");
    }
}

/// The command line is judged before anything is looked at.
fn scene_free(words: &str) -> String {
    let folder = crate::support::xtask::Folder::new();
    crate::support::xtask::Xtask::new(folder.path(), words).run().code(2).stderr
}

#[test]
fn several_heads() {
    let scene = scene("psycopg").table("b2", "a1").table("c3", "a1");
    let failure = fails(&scene, "", Kind::MultipleHeads, 3, &["b2", "c3"]);
    recommends(&failure, "cargo xtask db-rebase");
    let _ = fails(&scene, "--empty", Kind::MultipleHeads, 3, &["2 heads"]);
}

#[test]
fn a_database_that_is_not_at_the_head() {
    let behind = scene("psycopg").table("b2", "a1");
    let failure = fails(&behind, "", Kind::WrongDatabase, 3, &["is at a1", "1 pending", &behind.database]);
    recommends(&failure, "cargo xtask db-migrate");
    // By hand is by hand.
    let _ = create(&behind, "--empty").code(0);
    let unknown = scene("psycopg").sql("update alembic_version set version_num = 'zz'");
    let failure = fails(&unknown, "", Kind::UnknownRevision, 3, &["zz"]);
    recommends(&failure, "cargo xtask db-migrate");
}

#[test]
fn a_server_that_does_not_answer() {
    let scene = project("psycopg").url("postgresql+psycopg://somebody@localhost:1/backend");
    let _ = fails(&scene, "", Kind::ConnectionRefused, 3, &["localhost:1"]);
    let _ = create(&scene, "--empty").code(0);
}

#[test]
fn ids_that_cannot_be() {
    let scene = scene("psycopg");
    let _ = fails(&scene, "--rev-id a1", Kind::MigrationFileInvalid, 3, &["'a1' is used already", "versions/a1.py"]);
    for (id, why) in [("b-2", "It has: -"), ("a@b", "It has: @"), ("head", "for a target"), ("x/y", "It has: /")] {
        let output = create(&scene, &format!("--empty --rev-id={id}")).code(2).complains(why);
        assert!(output.stderr.contains(&format!("`--rev-id` does not take `{id}`")), "{output}");
    }
    assert_eq!(scripts(&scene), ["a1.py"]);
}

#[test]
fn a_project_without_a_template() {
    let scene = scene("psycopg");
    std::fs::remove_file(scene.project.path("migrations/script.py.mako")).unwrap();
    let _ = fails(&scene, "", Kind::ConfigMissing, 3, &["migrations/script.py.mako"]);
}

#[test]
fn models_that_cannot_be_imported() {
    let scene = scene("asyncpg");
    change(&scene, "import sqlalchemy as sa", "import sqlalchemy as sa\nimport no_such_package");
    let _ = fails(&scene, "", Kind::EnvFailed, 1, &["no_such_package", "models.py:3"]);
    change(&scene, "import no_such_package", "sa.no_such_name");
    let failure = fails(&scene, "", Kind::EnvFailed, 1, &["no_such_name", "models.py:3"]);
    recommends(&failure, "models.py:3");
    let failure = scene.fails("db-check --models", Kind::EnvFailed, 1, &["no_such_name", "models.py:3"]);
    assert_eq!(failure.json["command"], "db-check");
}

#[test]
fn env_py_without_models() {
    let scene = Scene::three().at("head");
    scene.project.write("migrations/script.py.mako", super::TEMPLATE);
    let failure = fails(&scene, "", Kind::ConfigInvalid, 1, &["no models to compare with"]);
    recommends(&failure, "--empty");
}

/// The wall round the throwaway database stands here as well.
#[test]
fn an_env_py_that_goes_to_another_database() {
    let scene = scene("psycopg");
    let env = std::fs::read_to_string(scene.project.path("migrations/env.py")).unwrap();
    let database = cluster().database();
    let url = cluster().url("psycopg", &database);
    let other = env.replace(
        "engine_from_config(config.get_section(config.config_ini_section), prefix='sqlalchemy.', poolclass=pool.NullPool)",
        &format!("__import__('sqlalchemy').create_engine('{url}', poolclass=pool.NullPool)"),
    );
    assert_ne!(env, other);
    let scene = scene.env(&other);
    add_column(&scene, EMAIL);
    let own = format!("--url={}", cluster().url("psycopg", &scene.database));
    let _ = fails(&scene, &own, Kind::WrongDatabase, 1, &[&database]);
}

#[test]
fn a_template_or_a_hook_that_fails_leaves_no_file() {
    let scene = scene("psycopg");
    add_column(&scene, EMAIL);
    scene.project.write("migrations/script.py.mako", "${no_such_name}");
    let failure =
        fails(&scene, "", Kind::MigrationRaised, 1, &["could not write the script", "Nothing was left behind"]);
    recommends(&failure, "script.py.mako");
    let _ = fails(&scene, "--empty", Kind::MigrationRaised, 1, &["could not write the script"]);
    // Alembic has written the file by the time that its hooks run.
    scene.project.write("migrations/script.py.mako", super::TEMPLATE);
    let ini = std::fs::read_to_string(scene.project.path("alembic.ini")).unwrap();
    let hooks = "\n[post_write_hooks]\nhooks = fmt\nfmt.type = console_scripts\nfmt.entrypoint = no_such_formatter\n";
    scene.project.write("alembic.ini", &(ini + hooks));
    let _ = fails(&scene, "", Kind::MigrationRaised, 1, &["no_such_formatter"]);
}

#[test]
fn to_be_added_to_git_without_git() {
    let scene = scene("psycopg");
    let output = create(&scene, "--add --empty --json").code(2);
    assert_eq!((output.kind(), scripts(&scene).len()), ("usage".to_owned(), 1));
    assert_eq!(output.json()["outcome"], json!("refused"));
}
