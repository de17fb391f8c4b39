//! Several lines on purpose: each with a label, and heads of their own. No command takes them for diverged, and a new
//! revision goes on the one that is named.

use std::fs;

use serde_json::{Value, json};

use crate::support::repo::git;
use crate::support::scene::Scene;

const TEMPLATE: &str = r#""""${message}"""
from alembic import op
revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}
depends_on = ${repr(depends_on)}


def upgrade():
    pass


def downgrade():
    pass
"#;

/// `a1 -> a2` without a name, `b1 -> b2` of the line `billing`; the database is at `a2` and `b1`.
fn scene() -> Scene {
    let scene = Scene::new().table("a1", "").table("a2", "a1").table("b1", "").table("b2", "b1");
    scene.header("b1", "branch_labels = 'billing'").file("migrations/script.py.mako", TEMPLATE).at("heads")
}

fn text_of(scene: &Scene, id: &str) -> String {
    let folder = scene.root().join("migrations/versions");
    let file = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.to_string_lossy().contains(id));
    fs::read_to_string(file.unwrap()).unwrap()
}

fn component(answer: &Value, key: &str) -> Value {
    answer["components"][0][key].clone()
}

#[test]
fn no_command_takes_them_for_diverged() {
    let scene = scene();
    let _ = scene.run("db-migrate -q --direction=downgrade --target=billing@b1 -y").code(0);
    assert_eq!(component(&scene.run("db-status --json").code(0).json(), "state"), "behind");
    assert!(scene.run("db-status").code(0).stdout.contains("db-migrate\n"), "what it advises has no target");
    // Without a target, an upgrade goes to all of them; so it does in db-sync.
    assert_eq!(scene.run("db-sync --json").code(0).json()["applied"][0]["revisions"][0]["revision"], "b2");
    assert!(scene.run("db-migrate").code(0).stdout.contains("Nothing to do"));
    assert_eq!(component(&scene.run("db-status --check --json").code(0).json(), "state"), "up-to-date");
    let _ = scene.run("db-check").code(0);
    let nothing = scene.run("db-rebase --json").code(0).json();
    assert_eq!(nothing["moved"], json!([]), "{nothing:#}");

    let git = |words: &str| drop(git(scene.root(), words));
    scene.write(".gitignore", "/state\n/.xtask\n__pycache__\n");
    let who = ["config user.name T", "config user.email t@example.org"];
    for words in ["init -q -b main"].into_iter().chain(who).chain(["add .", "commit -qm begin", "switch -qc mine"]) {
        git(words);
    }
    scene.write("notes.txt", "mine\n");
    for words in ["add .", "commit -qm mine", "switch -q main"] {
        git(words);
    }
    scene.project.write_revision("b3", "b2", "op.execute('create table b3 (n int)')", "op.execute('drop table b3')");
    for words in ["add .", "commit -qm theirs", "switch -q mine"] {
        git(words);
    }
    let preview = scene.run("db-merge main --dry-run --json").code(0).json();
    assert_eq!(component(&preview, "is_diverged"), false, "{preview:#}");
    let merged = scene.run("db-merge main --no-roundtrip --json").code(0).json();
    assert_eq!(merged["moved"], json!([]), "{merged:#}");
    assert_eq!(scene.versions(), ["a2", "b3"]);

    // Two heads without a name are what nobody means, beside the named line too.
    let scene = scene.table("x2", "a1");
    assert_eq!(component(&scene.run("db-status --json").code(0).json(), "state"), "diverged");
}

#[test]
fn a_new_revision_goes_where_it_is_told() {
    let scene = scene();
    let refused = scene.run("db-create-migration --empty -m more").code(3);
    assert!(refused.stderr.contains("--head=LABEL@head"), "{}", refused.stderr);
    let _ = scene.run("db-create-migration --empty -m more --rev-id=b3 --head=billing@head --depends-on=a2").code(0);
    let text = text_of(&scene, "b3");
    assert!(text.contains("down_revision = 'b2'") && text.contains("depends_on = 'a2'"), "{text}");
    for (words, says) in [
        ("--head=a1", "--splice"),
        ("--head=nowhere", "Cannot locate revision 'nowhere'"),
        ("--head=a2 --depends-on=nobody", "Cannot locate revision 'nobody'"),
    ] {
        let refused = scene.run(&format!("db-create-migration --empty -m x {words}")).code(3);
        assert!(refused.stderr.contains(says), "{words}: {}", refused.stderr);
    }
    // It is made, and its review says what has come of it.
    let spliced = scene.run("db-create-migration --empty -m side --rev-id=s1 --head=a1 --splice").code(4);
    assert!(spliced.stdout.contains("DB101"), "{}", spliced.stdout);
    assert!(text_of(&scene, "s1").contains("down_revision = 'a1'"));
}
