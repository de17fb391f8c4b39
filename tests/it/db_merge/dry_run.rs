//! `--dry-run`: what a merge would bring, told from git's virtual merge, with nothing touched; the real thing then does
//! just that.

use std::path::Path;

use crate::support::branches::{Branches, moves, script};
use crate::support::project::path;

#[test]
fn what_would_move_is_what_then_moves() {
    let scene = Branches::diverged("p @ p2", "r < p @ r2 < p2", "a < p; b < a @").at("b @ p2");
    let before = scene.everything();
    let told = scene.run("db-merge main --dry-run --json").code(0).json();
    assert_eq!(told["conflicts"], serde_json::json!([]));
    assert_eq!(moves(&told), ["a: p → r"]);
    let first = &told["components"][0];
    assert_eq!((first["is_diverged"].as_bool(), first["heads"].as_array().unwrap().len()), (Some(true), 2));
    assert_eq!(first["database"]["reverted"], serde_json::json!(["b", "a"]));
    assert_eq!(told["components"][1]["is_diverged"], false);
    let text = scene.run("db-merge main --dry-run --svg .git/plan.svg").code(0);
    let drawn = std::fs::read_to_string(scene.path(".git/plan.svg")).unwrap();
    let (now, later) = drawn.split_once(">manager, as it will be: 4 revisions, 1 head<").unwrap();
    assert!(now.contains(">manager, as it is: 4 revisions, 2 heads<"), "{drawn}");
    assert_eq!((now.matches("<g><title>").count(), later.matches("<g><title>").count()), (4, 4), "{drawn}");
    let _ = scene.run("db-merge main --svg plan.svg").code(2).complains("It goes with --dry-run");
    let text = text.says("Merge of main: no conflict").says("- a: p → r");
    let text = text.says("the database would go to b: as it is where copies show").says("1 row of t_b goes (b, ");
    let _ = text.says("  3. db-rebase");
    assert_eq!(scene.everything(), before);
    scene.nothing_left();
    assert_eq!(moves(&scene.run("db-merge main --json").code(0).json()), moves(&told));
}

#[test]
fn without_the_databases_none_is_asked() {
    let scene = Branches::diverged("p", "r < p", "a < p").at("a");
    let told = scene.run("db-merge main --dry-run --no-db --json").code(0).json();
    assert_eq!((moves(&told), &told["components"][0]["database"]), (vec!["a: p → r".into()], &serde_json::Value::Null));
}

#[test]
fn from_the_other_side() {
    let scene = Branches::diverged("p", "r < p", "a < p").at("p");
    scene.repo.switch("main");
    assert_eq!(moves(&scene.run("db-merge feature --dry-run --json").code(0).json()), ["a: p → r"]);
    // What a release has stays, in the virtual merge, too.
    scene.repo.git(&["tag", "25.1.0", "feature"]);
    let told = scene.run("db-merge feature --dry-run --json").code(0).json();
    assert_eq!((moves(&told), &told["components"][0]["needs_merge_revision"]), (Vec::new(), &true.into()));
    // A maintained line taken into one's own branch: one's own revision moves.
    scene.repo.git(&["tag", "--delete", "25.1.0"]);
    scene.repo.git(&["switch", "--quiet", "--create", "release/1", "main~1"]);
    scene.commit("q < p").repo.switch("feature");
    let told = scene.run("db-merge release/1 --dry-run --json").code(0).json();
    assert_eq!(moves(&told), ["a: p → q"]);
}

#[test]
fn conflicts_are_foretold() {
    let scene = Branches::diverged("p", "r < p", "a < p").at("p");
    let other = |depends_on: &str| script("p", "").replace("depends_on = None", depends_on);
    scene.repo.commit("note", &[("note", "feature"), (&path("p"), &other("depends_on = []"))]);
    scene.repo.switch("main").commit("note", &[("note", "main"), (&path("p"), &other("depends_on = ()"))]);
    scene.repo.switch("feature");
    let before = scene.everything();
    let told = scene.run("db-merge main --dry-run --json").code(0).json();
    assert_eq!(told["conflicts"], serde_json::json!(["migrations/versions/p.py", "note"]));
    assert_eq!(told["components"][0]["error"]["kind"], "migration-file-invalid");
    let _ = scene.run("db-merge main --dry-run").code(0).says("2 in conflict").says("- note").says("not known yet");
    assert_eq!(scene.everything(), before);
}

#[test]
fn in_the_middle_of_a_merge() {
    let scene = Branches::diverged("p", "r < p", "a < p").at("a");
    scene.repo.git(&["merge", "--quiet", "--no-commit", "main"]);
    let before = scene.everything();
    let told = scene.run("db-merge --dry-run --json").code(0).json();
    assert_eq!(moves(&told), ["a: p → r"]);
    let _ = scene.run("db-merge --dry-run").code(0).says("+ down_revision = 'r'");
    assert_eq!(scene.everything(), before);
}

/// An older git cannot tell, and it is said.
#[test]
fn with_a_git_that_cannot_tell() {
    let scene = Branches::diverged("p", "r < p", "a < p").at("a");
    let bin = scene.repo.beside("bin");
    let fake = format!(
        "#!/bin/sh\nfor word in \"$@\"; do\n  test \"$word\" = version && echo 'git version 2.31.0' && exit\ndone\nexec {} \"$@\"\n",
        git().display()
    );
    std::fs::create_dir_all(&bin).unwrap();
    std::fs::write(bin.join("git"), fake).unwrap();
    let mode = <std::fs::Permissions as std::os::unix::fs::PermissionsExt>::from_mode(0o755);
    std::fs::set_permissions(bin.join("git"), mode).unwrap();
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
    let told = scene.xtask("db-merge main --dry-run --json").env("PATH", &path).run().code(0).json();
    assert_eq!((&told["conflicts"], moves(&told)), (&serde_json::Value::Null, Vec::new()));
    let _ = scene.xtask("db-merge main --dry-run").env("PATH", &path).run().code(0).says("is not known (git 2.31.0");
}

fn git() -> std::path::PathBuf {
    let path = std::env::var_os("PATH").unwrap();
    std::env::split_paths(&path)
        .map(|folder| folder.join("git"))
        .find(|path: &std::path::PathBuf| Path::exists(path))
        .unwrap()
}
