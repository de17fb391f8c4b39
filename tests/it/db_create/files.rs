//! How the file comes to be: empty ones, the project's names and folders, git, and an interrupt in the middle.

use rustix::process::Signal;
use serde_json::{Value, json};
use xtask::fail::Kind;

use super::{EMAIL, TEMPLATE, add_column, create, create_command, created, project, scene, scripts};
use crate::interrupts::signal;
use crate::support::python::python;
use crate::support::scene::{Failure, Scene, Streams, wait_until};
use crate::support::xtask::Xtask;

fn configure(scene: &Scene, lines: &str) {
    let path = scene.project.path("alembic.ini");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(path, text + lines).unwrap();
}

#[test]
fn an_empty_one_needs_no_database_and_no_env_py() {
    let scene = project("psycopg").url("postgresql://nobody@localhost:1/none").env("raise SystemExit(5)");
    let made = created(&scene, "--empty --rev-id=b2");
    let path = "migrations/versions/b2_add_email_to_users.py";
    assert_eq!((&made["revision"]["path"], &made["compared_with"]), (&json!(path), &Value::Null), "{made}");
    let text = std::fs::read_to_string(scene.project.path(path)).unwrap();
    assert!(text.contains("def upgrade():\n    pass") && text.contains("down_revision = 'a1'"), "{text}");
    // And the next one follows it.
    let made = created(&scene, "--empty --rev-id=c3");
    assert_eq!(made["findings"], json!([]), "{made}");
    assert_eq!(scripts(&scene).len(), 3);
    // Where the newest scripts say which release they come with, so does the new one.
    for (id, down) in [("d4", "c3"), ("d5", "d4"), ("d6", "d5"), ("d7", "d6")] {
        scene.project.write_revision(id, down, "pass", "pass");
        let path = scene.project.path(&format!("migrations/versions/{id}.py"));
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, format!("# Part of: NEXT_RELEASE_VERSION\n{text}")).unwrap();
    }
    let made = created(&scene, "--empty --rev-id=e8");
    let text = std::fs::read_to_string(scene.project.path(made["revision"]["path"].as_str().unwrap())).unwrap();
    assert!(text.contains("\n# Part of: NEXT_RELEASE_VERSION\nrevision = "), "{text}");
}

/// Alembic writes a message into the script's docstring as it was typed.
#[test]
fn a_message_with_quotes_and_backslashes_is_read_as_it_was_typed() {
    let scene = project("psycopg").url("postgresql://nobody@localhost:1/none");
    let messages = [r#"say """hello""""#, r"ends with \", r"c:\users \x", r#"a quote ""#];
    for (number, message) in messages.into_iter().enumerate() {
        let words = format!("db-create-migration --empty --json --rev-id=b{number} -m");
        let made = scene.xtask(&words).arg(message).run().code(0).json();
        assert_eq!(made["revision"]["message"], message, "{made}");
        let read = "import ast, sys; print(ast.get_docstring(ast.parse(open(sys.argv[1]).read())))";
        let path = scene.project.path(made["revision"]["path"].as_str().unwrap());
        let read = Xtask::program(python(), scene.root(), "-c").arg(read).arg(path.to_str().unwrap()).run().code(0);
        assert!(read.stdout.starts_with(message), "{read}");
    }
}

#[test]
fn the_first_revision_of_all() {
    let scene = project("psycopg");
    std::fs::remove_file(scene.project.path("migrations/versions/a1.py")).unwrap();
    // The review is right: Alembic's script leaves the enum type behind on the way down.
    let made = create(&scene, "--json").code(4).json();
    assert_eq!(made["findings"][0]["code"], "DB402", "{made}");
    assert_eq!(made["operations"][0]["operation"], "create_table", "{made}");
    let text = std::fs::read_to_string(scene.project.path(made["revision"]["path"].as_str().unwrap())).unwrap();
    assert!(text.contains("down_revision = None"), "{text}");
}

/// `revision_environment`: the project's env.py wants a say in empty revisions, too.
#[test]
fn an_empty_one_of_a_project_whose_env_py_is_asked() {
    let scene = scene("psycopg");
    configure(&scene, "revision_environment = true\n");
    let env = std::fs::read_to_string(scene.project.path("migrations/env.py")).unwrap();
    let env = env.replacen("\ndef online():", "\ndef hook(context, revision, directives):\n    directives[0].rev_id = 'from_' + '_'.join(revision)\n\ndef online():", 1);
    let scene =
        scene.env(&env.replace("connection=connection,", "connection=connection, process_revision_directives=hook,"));
    assert_eq!(created(&scene, "--empty")["revision"]["revision"], "from_a1");
}

#[test]
fn names_and_folders_are_the_projects() {
    let scene = scene("psycopg");
    configure(
        &scene,
        "file_template = later/%%(month).2d_%%(slug)s_%%(rev)s\nrecursive_version_locations = true\n\
         truncate_slug_length = 10\ntimezone = UTC\n",
    );
    // Alembic makes the folder by itself only since 1.17.
    std::fs::create_dir(scene.project.path("migrations/versions/later")).unwrap();
    add_column(&scene, EMAIL);
    let made = created(&scene, "--rev-id=b2");
    let path = made["revision"]["path"].as_str().unwrap();
    let parts: Vec<&str> = path.split('/').collect();
    assert!(parts[..3] == ["migrations", "versions", "later"], "{path}");
    assert!(parts[3][2..] == *"_add_email__b2.py", "{path}");
    assert!(scene.project.path(path).is_file());
    let _ = scene.run("db-migrate").code(0);
    assert_eq!(scene.versions(), ["b2"]);
}

#[test]
fn several_folders_of_scripts() {
    let scene = scene("psycopg");
    configure(&scene, "version_locations = migrations/versions migrations/more\n");
    let script = std::fs::read_to_string(scene.project.path("migrations/versions/a1.py")).unwrap();
    let next = script.replace("'a1'", "'b2'").replace("down_revision = None", "down_revision = 'a1'");
    let next = next.split("def upgrade").next().unwrap().to_owned() + "def upgrade(): pass\ndef downgrade(): pass\n";
    scene.project.write("migrations/more/b2.py", &next);
    let scene = scene.at("head");
    add_column(&scene, EMAIL);
    let made = created(&scene, "--rev-id=c3");
    assert_eq!(made["revision"]["path"], "migrations/more/c3_add_email_to_users.py", "beside the head\n{made}");
}

#[test]
fn git_gets_it_only_when_asked() {
    let scene = scene("psycopg");
    let git = |words: &str| crate::support::repo::git(scene.root(), words);
    git("init --quiet");
    scene.project.write(".gitignore", "state\n__pycache__\n");
    git("add --all");
    git("commit --quiet --message x");
    add_column(&scene, EMAIL);
    let made = created(&scene, "--rev-id=b2");
    let path = made["revision"]["path"].as_str().unwrap();
    assert_eq!(
        (&made["added"], git(&format!("status --porcelain -- {path}"))),
        (&json!(false), format!("?? {path}\n"))
    );
    assert_eq!(made["findings"], json!([]), "that it is not in git yet is among the next steps\n{made}");
    let _ = create(&scene, "--empty").code(0).says("Add it to git: git add -- migrations/versions/");
    let made = created(&scene, "--add --empty --rev-id=z9");
    let path = made["revision"]["path"].as_str().unwrap();
    assert_eq!((&made["added"], git(&format!("status --porcelain -- {path}"))), (&json!(true), format!("A  {path}\n")));
}

/// The script is there and being tried when the user thinks better of it.
#[test]
fn an_interrupt_takes_the_file_away_again() {
    let scene = scene("psycopg");
    add_column(&scene, EMAIL);
    let sleeping = TEMPLATE.replace("def upgrade():\n", "def upgrade():\n    op.execute('select pg_sleep(600)')\n");
    assert_ne!(sleeping, TEMPLATE);
    scene.project.write("migrations/script.py.mako", &sleeping);
    let mut child = create_command(&scene, "--json").spawn();
    let pid = child.id();
    let streams = Streams::of(&mut child);
    let mut client = crate::support::pg::cluster().client("postgres");
    let sql = "select count(*) from pg_stat_activity where query like '%pg_sleep%' and state = 'active' \
               and datname like 'xtask\\_scratch\\_' || $1 || '\\_%'";
    wait_until("the new script runs", || client.query_one(sql, &[&pid.to_string()]).unwrap().get::<_, i64>(0) > 0);
    assert_eq!(scripts(&scene).len(), 2);
    signal(&child, Signal::INT);
    let failure = Failure::from(streams.end(child).code(130), pid, Kind::Interrupted);
    let _ = failure.says("The script was taken away again");
    assert_eq!(scripts(&scene), ["a1.py"]);
    assert!(scene.scratch_of(pid).is_empty());
}
