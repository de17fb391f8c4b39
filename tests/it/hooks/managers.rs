//! Beside other managers of hooks: the real pre-commit from PyPI, with our hook from `.pre-commit-hooks.yaml` and as a
//! local one, and our own hooks installed before it and after it.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use xtask::sys::python::managed;

use super::commit::{bad, is_blocked};
use super::{Checkout, git, init};
use crate::support::project::path;
use crate::support::python::{quiet, workspace};
use crate::support::scene::sql;
use crate::support::xtask::{Folder, Output, Xtask, copy_program};

/// pre-commit's program, in an environment made once.
fn program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let state = workspace().join("target/xtask-test/pre-commit");
        let search = std::env::var_os("PATH").unwrap_or_default();
        let python = managed(&quiet(), &state, &workspace().join("tests/pre-commit.txt"), &search).unwrap();
        python.with_file_name("pre-commit")
    })
}

fn pre_commit(checkout: &Checkout, words: &str) -> Output {
    Xtask::program(program(), checkout.root(), words).run()
}

/// A repository to point `repo:` at: our hook as it is, and the binary where the hook builds it, so that no test waits
/// for an optimised build. With its commit.
fn hook_repository() -> (Folder, String) {
    let folder = Folder::new();
    let copy = |name: &str| {
        let to = folder.path().join(name);
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::copy(workspace().join(name), to).unwrap();
    };
    copy(".pre-commit-hooks.yaml");
    copy("xtask/pre-commit.sh");
    let built = folder.path().join("target/release/xtask");
    fs::create_dir_all(built.parent().unwrap()).unwrap();
    copy_program(env!("CARGO_BIN_EXE_xtask"), &built);
    init(folder.path());
    let commit = git(folder.path(), "rev-parse HEAD").code(0).stdout;
    (folder, commit.trim().to_owned())
}

fn mended(checkout: &Checkout) {
    checkout.scene.project.write_revision("d4", "c3", &sql("create table x (n int)"), &sql("drop table x"));
    drop(checkout.git("add --all").code(0));
    drop(checkout.git("commit --quiet --message x").code(0));
}

#[test]
fn pre_commit_runs_our_hook_from_this_repository() {
    let checkout = Checkout::new();
    let (hooks, commit) = hook_repository();
    let repo = format!("- repo: file://{}\n  rev: {commit}", hooks.path().display());
    let config = format!("repos:\n{repo}\n  hooks:\n  - id: db-check\n");
    checkout.write(".pre-commit-config.yaml", &config);
    drop(checkout.git("add --all").code(0));
    drop(pre_commit(&checkout, "validate-config").code(0));
    drop(Xtask::program(program(), hooks.path(), "validate-manifest").run().code(0));
    drop(pre_commit(&checkout, "install").code(0));
    drop(is_blocked(&checkout).complains("db-check (migration scripts)"));
    mended(&checkout);
    // What is not staged is put aside by pre-commit and is not judged by us.
    bad(&checkout, "c3");
    checkout.write("words", "one");
    drop(checkout.git("add words").code(0));
    drop(checkout.git("commit --quiet --message words").code(0));
    assert_eq!(checkout.git("status --porcelain").stdout, format!(" M {}\n", path("c3")));
    drop(checkout.git("checkout --quiet -- migrations").code(0));
    // A commit that only deletes: there is no file that pre-commit could name.
    drop(checkout.git("rm --quiet migrations/versions/c3.py").code(0));
    drop(checkout.git("commit --quiet --message x").code(1).complains("error[DB"));
}

#[test]
fn pre_commit_runs_a_binary_of_the_checkout_as_a_local_hook() {
    let checkout = Checkout::new();
    let page = fs::read_to_string(workspace().join("docs/guides/hooks.md")).unwrap();
    let snippet = page.split("```yaml\n").nth(1).unwrap().split("```").next().unwrap();
    assert!(snippet.contains("repo: local"), "{snippet}");
    // cargo would build the checkout's own xtask; here it has only the binary.
    let config = snippet.replace("cargo xtask", "target/debug/xtask");
    assert_ne!(config, snippet);
    checkout.write(".pre-commit-config.yaml", &config);
    drop(checkout.git("add --all").code(0));
    drop(pre_commit(&checkout, "install").code(0));
    drop(is_blocked(&checkout).complains("- exit code: 4"));
    mended(&checkout);
}

#[test]
fn our_hooks_and_pre_commits_run_each_other() {
    let config = "repos:\n- repo: local\n  hooks:\n  - {id: words, name: words, entry: 'false', language: system, files: words}\n";
    let is_whole = |checkout: &Checkout| {
        checkout.write("words", "one");
        drop(checkout.git("add --all").code(0));
        drop(checkout.git("commit --quiet --message x").code(1).complains("words"));
        drop(checkout.git("rm --quiet --force words").code(0));
        drop(is_blocked(checkout));
    };
    let before = || {
        let checkout = Checkout::new();
        checkout.write(".pre-commit-config.yaml", config);
        drop(checkout.git("add --all").code(0));
        drop(checkout.git("commit --quiet --message config").code(0));
        checkout
    };
    let first = before();
    drop(pre_commit(&first, "install").code(0));
    let theirs = fs::read(first.hook("pre-commit")).unwrap();
    is_whole(first.install());
    drop(first.xtask("hooks uninstall").code(0));
    assert_eq!(fs::read(first.hook("pre-commit")).unwrap(), theirs);
    // The other way round, pre-commit keeps ours as pre-commit.legacy and runs it first.
    let second = before();
    second.install();
    drop(pre_commit(&second, "install").code(0));
    is_whole(&second);
}
