//! The pre-commit hook as git calls it: which index, which binary, what stops a commit and what does not; and the hook
//! that was there before.

use std::fs;
use std::path::Path;

use super::{Checkout, build, git, init, program, xtask};
use crate::support::project::path;
use crate::support::scene::{Scene, sql};
use crate::support::xtask::{Folder, Output};

/// A revision on top of `c3` that db-check objects to: no way back.
pub fn bad(checkout: &Checkout, id: &str) {
    checkout.scene.project.write_revision(id, "c3", &sql("create table x (n int)"), "pass");
}

fn good(checkout: &Checkout, id: &str) {
    checkout.scene.project.write_revision(id, "c3", &sql("create table x (n int)"), &sql("drop table x"));
}

/// The hook works here.
#[track_caller]
pub fn is_blocked(checkout: &Checkout) -> Output {
    bad(checkout, "d4");
    drop(checkout.git("add migrations").code(0));
    checkout.git("commit --quiet --message x").code(1).complains("error[DB401]")
}

/// The hook is silent here, though there is a finding.
#[track_caller]
pub fn passes_unchecked(checkout: &Checkout) {
    bad(checkout, "d4");
    drop(checkout.git("add migrations").code(0));
    assert_eq!(checkout.git("commit --quiet --message x").code(0).stderr, "");
}

fn commits(checkout: &Checkout) -> usize {
    checkout.git("rev-list --count HEAD").code(0).stdout.trim().parse().unwrap()
}

#[test]
fn a_finding_stops_the_commit_until_it_is_mended() {
    let checkout = Checkout::new();
    checkout.install();
    drop(is_blocked(&checkout).complains("To commit all the same: git commit --no-verify"));
    assert_eq!(commits(&checkout), 1);
    good(&checkout, "d4");
    drop(checkout.git("commit --quiet --message x").code(1).complains("DB401"));
    drop(checkout.git("add migrations").code(0));
    assert_eq!(checkout.git("commit --quiet --message x").code(0).stderr, "", "a hook that found nothing is silent");
    assert_eq!(commits(&checkout), 2);
    bad(&checkout, "e5");
    drop(checkout.git("add migrations").code(0));
    drop(checkout.git("commit --quiet --no-verify --message x").code(0));
    assert_eq!(commits(&checkout), 3);
}

#[test]
fn a_partial_commit_is_judged_by_its_own_index() {
    let checkout = Checkout::new();
    checkout.install();
    bad(&checkout, "d4");
    checkout.write("words", "one");
    drop(checkout.git("add --all").code(0));
    drop(checkout.git("commit --quiet --message words words").code(0));
    assert_eq!(checkout.git("status --porcelain").stdout, format!("A  {}\n", path("d4")));
    let path = path("d4");
    drop(checkout.git(&format!("commit --quiet --message x {path}")).code(1).complains("DB401"));
    // The index of this commit only: the good text is in the work tree, the bad one in the usual index.
    good(&checkout, "d4");
    drop(checkout.git(&format!("commit --quiet --message x {path}")).code(0));
    assert_eq!(commits(&checkout), 3);
}

#[test]
fn commit_all_is_judged_by_what_it_takes_along() {
    let checkout = Checkout::new();
    checkout.install();
    good(&checkout, "d4");
    drop(checkout.git("add --all").code(0));
    bad(&checkout, "d4");
    drop(checkout.git("commit --quiet --all --message x").code(1).complains("DB401"));
    drop(checkout.git("commit --quiet --message x").code(0));
    // From a folder below, where git gives paths of its own.
    good(&checkout, "e5");
    drop(checkout.git("add --all").code(0));
    bad(&checkout, "e5");
    let below = checkout.root().join("migrations/versions");
    drop(git(&below, "commit --quiet --all --message x").code(1).complains("DB401"));
}

#[test]
fn a_repository_that_only_the_command_line_names() {
    let checkout = Checkout::new();
    checkout.install();
    bad(&checkout, "d4");
    let words = format!("--git-dir={0}/.git --work-tree={0}", checkout.root().display());
    let elsewhere = Folder::new();
    drop(git(elsewhere.path(), &format!("{words} add --all")).code(0));
    drop(git(elsewhere.path(), &format!("{words} commit --quiet --message x")).code(1).complains("DB401"));
    good(&checkout, "d4");
    drop(git(elsewhere.path(), &format!("{words} add --all")).code(0));
    drop(git(elsewhere.path(), &format!("{words} commit --quiet --message x")).code(0));
}

#[test]
fn a_binary_that_is_not_built_is_one_line_and_stops_nothing() {
    let checkout = Checkout::new();
    checkout.install();
    fs::remove_file(checkout.root().join("target/debug/xtask")).unwrap();
    bad(&checkout, "d4");
    drop(checkout.git("add --all").code(0));
    let output = checkout.git("commit --quiet --message x").code(0);
    let expected = "xtask is not built, so migration scripts are not checked here. Build it: ";
    assert!(output.stderr.starts_with(expected) && output.stderr.lines().count() == 1, "{output}");
    assert!(output.stderr.trim_end().ends_with("--package xtask"), "{output}");
    // Single files are none of the hook's business, built or not.
    assert_eq!(checkout.git("checkout --quiet HEAD -- alembic.ini").code(0).stderr, "");
    build(checkout.root());
    assert_eq!(commits(&checkout), 2);
}

#[test]
fn a_linked_work_tree_has_a_binary_of_its_own() {
    let checkout = Checkout::new();
    checkout.install();
    let folder = Folder::new();
    let linked = folder.path().join("linked");
    let output = checkout.git(&format!("worktree add --quiet -b work {}", linked.display())).code(0);
    drop(output.complains("xtask is not built, so nobody says where the database stands here."));
    let text = fs::read_to_string(checkout.root().join(path("c3"))).unwrap();
    let text = text
        .replace("'b2'", "'c3'")
        .replace("revision = 'c3'\nd", "revision = 'd4'\nd")
        .replace("drop table c3", "select 1");
    fs::write(linked.join(path("d4")), text).unwrap();
    drop(git(&linked, "add --all").code(0));
    build(&linked);
    drop(git(&linked, "commit --quiet --message x").code(1).complains("DB4"));
    // One hook for both: installed from here it is the same.
    assert!(xtask(&linked, "hooks install --json").code(0).json()["hooks"][0]["change"].is_null());
    fs::remove_dir_all(linked.join("target")).unwrap();
    drop(git(&linked, "commit --quiet --message x").code(0).complains("is not built"));
}

#[test]
fn what_keeps_the_check_from_running_stops_nothing() {
    let checkout = Checkout::new();
    checkout.install();
    checkout.write("Cargo.toml", "[workspace]\n[workspace.metadata.db]\nservr = 1\n");
    drop(checkout.git("add --all").code(0));
    let output = checkout.git("commit --quiet --message x").code(0);
    drop(output.complains("the migration scripts were not checked: "));
    // A branch from before there was a project is checked by nobody, which is said.
    drop(checkout.git("rm --quiet -r Cargo.toml migrations alembic.ini").code(0));
    std::fs::remove_dir_all(checkout.root().join("src")).unwrap();
    assert_eq!(checkout.git("commit --quiet --message y").code(0).stderr, "");
}

#[test]
fn a_project_below_the_root_of_the_repository() {
    let folder = Folder::new();
    let (root, scene) = (folder.path().join("it's \"all\" $HOME"), Scene::three());
    fs::create_dir_all(&root).unwrap();
    fs::rename(scene.root(), root.join("back end")).unwrap();
    fs::write(root.join(".gitignore"), "target\nstate\n").unwrap();
    build(&root);
    init(&root);
    let installed = crate::support::xtask::Xtask::program(
        &root.join("target/debug/xtask"),
        &root.join("back end"),
        "hooks install",
    );
    drop(installed.run().code(0));
    let c3 = root.join("back end").join(path("c3"));
    let text = fs::read_to_string(&c3).unwrap();
    fs::write(&c3, text.replace("drop table c3", "drop table")).unwrap();
    fs::write(root.join("back end").join(path("d4")), "revision = 'd4'\ndown_revision = 'none'\n").unwrap();
    drop(git(&root, "add --all").code(0));
    drop(git(&root, "commit --quiet --message x").code(1).complains("error[DB103]"));
}

#[test]
fn the_hook_that_was_there_runs_first_and_its_word_counts() {
    let checkout = Checkout::new();
    let seen = "#!/bin/sh\necho \"own $*\" >> state/seen\nexit $(cat state/status)\n";
    checkout.write("state/status", "7").own("pre-commit", seen, 0o755).own("post-checkout", seen, 0o755).install();
    bad(&checkout, "d4");
    drop(checkout.git("add --all").code(0));
    let output = checkout.git("commit --quiet --message x").code(1);
    assert!(!output.stderr.contains("DB401"), "what it refused is not looked at any more\n{output}");
    checkout.write("state/status", "0");
    drop(checkout.git("commit --quiet --message x").code(1).complains("DB401"));
    drop(checkout.git("checkout --quiet -b work").code(0));
    // post-checkout cannot stop anything; what it says is how `git checkout` ends.
    checkout.write("state/status", "9");
    drop(checkout.git("checkout --quiet main").code(1));
    let seen = fs::read_to_string(checkout.root().join("state/seen")).unwrap();
    let id = checkout.git("rev-parse HEAD").stdout.trim().to_owned();
    assert_eq!(seen, format!("own \nown \nown {id} {id} 1\nown {id} {id} 1\n"));
}

#[test]
fn a_hook_that_git_would_not_run_is_not_run() {
    let checkout = Checkout::new();
    checkout.own("pre-commit", "#!/bin/sh\nexit 1\n", 0o644).install();
    checkout.write("words", "one");
    drop(checkout.git("add --all").code(0));
    drop(checkout.git("commit --quiet --message x").code(0));
}

#[test]
fn what_the_hook_before_it_stages_is_judged() {
    let checkout = Checkout::new();
    let formatter = "#!/bin/sh\nsed -i.bak \"s/    pass/    op.execute('drop table x')/\" migrations/versions/d4.py\n\
                     rm migrations/versions/*.bak\ngit add migrations\n";
    program(&checkout.hook("pre-commit"), formatter, 0o755);
    checkout.install();
    bad(&checkout, "d4");
    drop(checkout.git("add --all").code(0));
    drop(checkout.git("commit --quiet --message x").code(0));
    assert!(Path::new(&checkout.root().join(path("d4"))).is_file());
}
