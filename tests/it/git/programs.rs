//! Another program in git's place: one that counts, so that the budgets are held; none at all; one that is too old; one
//! that talks nonsense. Each runs the questions in a process of its own, since PATH belongs to a process.

use std::os::unix::fs::PermissionsExt;

use xtask::sys::git::{Needle, Place, To, WithCommit};

use super::*;
use crate::support::process;

const ROOT: &str = "XTASK_TEST_ROOT";
const LOG: &str = "XTASK_TEST_LOG";
/// What is asked: every question with its budget, or only whether there is a checkout.
const EVERYTHING: &str = "everything";
const FIND: &str = "find";

/// Asks all questions or one in a checkout, with a `git` of this body first on PATH, or none at all.
fn with_git(made: &Made, body: Option<&str>, what: &str) -> String {
    let bin = made.beside("bin");
    fs::create_dir_all(&bin).unwrap();
    if let Some(body) = body {
        fs::write(bin.join("git"), format!("#!/bin/sh\n{body}\n")).unwrap();
        fs::set_permissions(bin.join("git"), fs::Permissions::from_mode(0o755)).unwrap();
    }
    let log = made.beside("log");
    fs::write(&log, "").unwrap();
    let mut child = process::part("git::programs::questions_cost_what_their_documentation_says", what);
    child.env("PATH", &bin).env(ROOT, made.root()).env(LOG, &log);
    let output = child.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    fs::read_to_string(log).unwrap()
}

fn env(key: &str) -> PathBuf {
    std::env::var_os(key).expect("the tests that run this one say where").into()
}

fn write_log(text: &str) {
    use std::io::Write;
    writeln!(fs::File::options().append(true).open(env(LOG)).unwrap(), "{text}").unwrap();
}

fn every_question() {
    write_log("= find 1");
    let repo = find(&env(ROOT));
    let none: &[&str] = &[];
    let question = |budget: &str, ask: &dyn Fn(&Repo)| {
        write_log(&format!("= {budget}"));
        ask(&repo);
    };
    write_log("= commit 1");
    let head = repo.commit("HEAD").unwrap();
    question("known 0", &|repo| assert!(repo.hooks().starts_with(repo.common_dir()) && !repo.is_shallow()));
    question("head 1", &|repo| drop(repo.head().unwrap()));
    question("operation 1", &|repo| drop(repo.operation().unwrap()));
    question("main_branch 1", &|repo| drop(repo.main_branch(None).unwrap()));
    question("merge_bases 2", &|repo| drop(repo.merge_bases("main").unwrap()));
    question("is_ancestor 1", &|repo| assert!(repo.is_ancestor("HEAD", "HEAD").unwrap()));
    question("files_at 1", &|repo| drop(repo.files_at(&head, none).unwrap()));
    question("index 1", &|repo| drop(repo.index(none).unwrap()));
    question("status 1", &|repo| drop(repo.status(none).unwrap()));
    question("conflicts 1", &|repo| drop(repo.conflicts().unwrap()));
    question("changed 1", &|repo| drop(repo.changed(&head, To::WorkTree, none).unwrap()));
    let ids: Vec<Oid> = repo.files_at(&head, none).unwrap().into_iter().map(|file| file.blob).collect();
    question("blobs 1", &|repo| drop(repo.blobs(&ids).unwrap()));
    question("tags_with 2", &|repo| drop(repo.tags_with(&["a", "b", "c"], None).unwrap()));
    question("sightings 3", &|repo| drop(repo.sightings(Needle::Path(Path::new("a"))).unwrap()));
    question("merge 3", &|repo| drop(repo.merge("main", WithCommit::Yes).unwrap()));
    question("add 1", &|repo| repo.add(&["a", "b"]).unwrap());
    question("switch 1", &|repo| repo.switch(&Place::Branch("main".to_owned())).unwrap());
}

#[test]
fn questions_cost_what_their_documentation_says() {
    match process::wanted().as_deref() {
        None => {}
        Some(FIND) => return only_find(),
        Some(_) => return every_question(),
    }
    let made = Made::new();
    made.commit("one", &[("a", "1"), ("b", "2"), ("c", "3")]);
    for tag in ["v1", "v2", "v3"] {
        made.git(&["tag", tag]);
    }
    let real = which::which("git").unwrap();
    let body = format!("echo git \"$@\" >> \"${LOG}\"\nexec {} \"$@\"", real.display());
    let log = with_git(&made, Some(&body), EVERYTHING);
    for question in log.split("= ").skip(1) {
        let (budget, calls) = question.split_once('\n').unwrap();
        let (name, wanted) = budget.split_once(' ').unwrap();
        // Blobs are asked for after a listing that belongs to nobody's budget.
        let calls: Vec<&str> = calls.lines().filter(|call| name != "changed" || !call.contains("ls-tree")).collect();
        assert_eq!(calls.len().to_string(), wanted, "{name}: {calls:#?}");
    }
    assert_eq!(log.matches("= ").count(), 19);
}

fn only_find() {
    let fail = failure(Repo::find_in(&ui(), &env(ROOT), &HookEnv::default()).map(|found| found.map(drop)));
    write_log(&format!("{}|{}|{}", fail.kind.name(), fail.summary, fail.details));
}

#[test]
fn no_git_at_all() {
    let log = with_git(&Made::new(), None, FIND);
    assert!(log.starts_with("tool-missing|Cannot start git|"), "{log}");
}

#[test]
fn a_git_that_is_too_old_repeats_the_option_it_does_not_know() {
    let log = with_git(&Made::new(), Some("echo --path-format=absolute; echo true"), FIND);
    assert_eq!(log.trim(), "tool-missing|git is too old|git is older than 2.31; 2.31 (March 2021) or newer is needed");
}

#[test]
fn a_git_that_talks_nonsense_is_quoted() {
    let log = with_git(&Made::new(), Some("echo hello"), FIND);
    assert!(log.contains("cannot read what `git rev-parse` says: `hello\\n`"), "{log}");
    let log = with_git(&Made::new(), Some("kill -9 $$"), FIND);
    assert!(log.contains("was ended by a signal"), "{log}");
}
