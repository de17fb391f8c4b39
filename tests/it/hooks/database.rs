//! The hooks that look at a real database: the line after a switch, a merge, a rebase; the round trip before a push.

use std::fs;

use super::Checkout;
use crate::support::scene::{PASSWORD, PASSWORD_IN_URL, Scene, config, sql};
use crate::support::xtask::Output;

const BEHIND: &str = "xtask: the manager database is behind by 1 migration: cargo xtask db-migrate\n";
const ELSEWHERE: &str = "xtask: the manager database is at d4, which no script here has; another branch may have migrated it: \
                         cargo xtask db-status\n";

/// The database at `c3`, branch `work` with `d4` on top, hooks in, `main` checked out.
fn branched() -> Checkout {
    let checkout = Checkout::of(Scene::three().at("head"));
    drop(checkout.git("switch --quiet --create work").code(0));
    revision(&checkout, "d4", "c3", "drop table d4");
    drop(checkout.git("switch --quiet main").code(0));
    checkout.install();
    checkout
}

fn revision(checkout: &Checkout, id: &str, down: &str, back: &str) {
    checkout.scene.project.write_revision(id, down, &sql(&format!("create table {id} (n int)")), &sql(back));
    drop(checkout.git("add --all").code(0));
    drop(checkout.git(&format!("commit --quiet --no-verify --message {id}")).code(0));
}

#[track_caller]
fn says(checkout: &Checkout, words: &str, line: &str) {
    let output = checkout.git(words).code(0);
    assert_eq!((output.stderr.as_str(), output.stdout.as_str()), (line, ""), "git {words}");
}

#[test]
fn a_switch_of_branches_says_where_the_database_stands() {
    let checkout = branched();
    says(&checkout, "switch --quiet work", BEHIND);
    drop(checkout.scene.run("db-migrate -q").code(0));
    says(&checkout, "switch --quiet main", ELSEWHERE);
    says(&checkout, "switch --quiet work", "");
    // Nothing was checked out, or single files.
    says(&checkout, "switch --quiet main", ELSEWHERE);
    says(&checkout, "switch --quiet --create more", "");
    says(&checkout, "checkout --quiet work -- alembic.ini", "");
}

#[test]
fn two_heads_are_said_by_their_names() {
    let checkout = branched();
    revision(&checkout, "e4", "c3", "drop table e4");
    let line = "xtask: the manager scripts have diverged, heads d4, e4: cargo xtask db-rebase\n";
    says(&checkout, "merge --quiet --no-edit work", line);
}

#[test]
fn a_merge_and_a_rebase_say_it_once() {
    let checkout = branched();
    says(&checkout, "merge --quiet --no-edit work", BEHIND);
    drop(checkout.git("reset --quiet --hard HEAD~1").code(0));
    for name in ["one", "two"] {
        checkout.write(name, name);
        drop(checkout.git("add --all").code(0));
        drop(checkout.git(&format!("commit --quiet --message {name}")).code(0));
    }
    // On its way git checks out what is rebased onto; said is what comes of it, at the end.
    says(&checkout, "rebase --quiet work", BEHIND);
    drop(checkout.git("commit --quiet --amend --message other").code(0));
    says(&checkout, "commit --quiet --amend --message other", "");
}

/// Whatever keeps it from looking is said in that one line, and stops nobody.
#[test]
fn what_was_not_looked_at_is_said() {
    let checkout = branched();
    let ini = |url: &str| fs::write(checkout.root().join("alembic.ini"), config(url)).unwrap();
    let not_known = |why: &str| {
        format!("xtask: where the manager database stands is not known: {why}; see: cargo xtask db-status\n")
    };
    // Nobody listens there; and somebody listens who never answers.
    ini("postgresql+psycopg://nobody@127.0.0.1:1/nowhere");
    says(&checkout, "switch --quiet work", &not_known("Cannot connect to database"));
    let mute = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    ini(&format!("postgresql+psycopg://nobody@{}/nowhere", mute.local_addr().unwrap()));
    let switch = |limit: &str| {
        let branch = if checkout.git("branch --show-current").stdout.trim() == "work" { "main" } else { "work" };
        let git = crate::support::xtask::Xtask::program("git".as_ref(), checkout.root(), "switch --quiet");
        git.arg(branch).env("XTASK_HOOK_LIMIT", limit).run().code(0).stderr
    };
    let late = |limit: u32| {
        format!(
            "xtask: where the databases stand is not known: it takes longer than {limit} ms (XTASK_HOOK_LIMIT); \
             see: cargo xtask db-status --all\n"
        )
    };
    assert_eq!(switch("300ms"), late(300));
    ini("no url at all");
    says(&checkout, "switch --quiet work", &not_known("Cannot use `sqlalchemy.url` of the Alembic config"));
    drop(checkout.git("checkout --quiet -- alembic.ini").code(0));
    // It is behind, but time is up before that is known.
    drop(checkout.git("switch --quiet main").code(0));
    assert_eq!(switch("1ms"), late(1));
    drop(checkout.git("switch --quiet main").code(0));
    assert_eq!(switch("1m"), BEHIND);
    // No project at all.
    fs::remove_file(checkout.root().join("alembic.ini")).unwrap();
    let nothing = checkout.git("switch --quiet main").code(0);
    assert!(nothing.stderr.contains("there is no Alembic config in this checkout"), "{nothing}");
}

/// `branched` with pre-push, a bare repository as `origin` that has `main`, and `work` checked out.
fn with_origin(back: &str) -> Checkout {
    let checkout = branched();
    drop(checkout.git("init --quiet --bare state/origin.git").code(0));
    drop(checkout.git("remote add origin state/origin.git").code(0));
    drop(checkout.git("push --quiet origin main").code(0));
    drop(checkout.git("fetch --quiet").code(0));
    drop(checkout.git("switch --quiet work").code(0));
    revision(&checkout, "e5", "d4", back);
    drop(checkout.xtask("hooks install --pre-push").code(0));
    checkout
}

fn push(checkout: &Checkout, words: &str) -> Output {
    checkout.git(&format!("push --quiet {words}")).never_says(PASSWORD).never_says(PASSWORD_IN_URL)
}

fn there(checkout: &Checkout) -> String {
    checkout.git("ls-remote origin refs/heads/work").stdout
}

#[test]
fn a_push_takes_its_revisions_round_and_is_stopped_by_what_is_found() {
    let checkout = with_origin("select 1");
    let output = push(&checkout, "origin work").code(1);
    let all = format!("{}{}", output.stdout, output.stderr);
    for said in ["Revisions: pushed with work", "e5", "Tested 2 revisions", "git push --no-verify"] {
        assert!(all.contains(said), "no {said:?}\n{output}");
    }
    assert_eq!(there(&checkout), "");
    revision(&checkout, "e5", "d4", "drop table e5");
    let output = push(&checkout, "origin work").code(0);
    assert!(format!("{}{}", output.stdout, output.stderr).contains("Tested 2 revisions: 2 reversible"), "{output}");
    assert!(!there(&checkout).is_empty());
    // What the server has is not tested again.
    revision(&checkout, "f6", "e5", "drop table f6");
    let output = push(&checkout, "origin work").code(0);
    assert!(format!("{}{}", output.stdout, output.stderr).contains("Tested 1 revision: 1 reversible"), "{output}");
    assert_eq!(checkout.scene.versions(), ["c3"], "the database itself was not walked");
}

#[test]
fn a_push_without_revisions_is_silent_and_one_of_another_branch_is_mentioned() {
    let checkout = with_origin("select 1");
    drop(checkout.git("switch --quiet main").code(0));
    let output = push(&checkout, "origin work").code(0);
    drop(output.complains("new manager revisions on work were not tested: it is not checked out"));
    checkout.write("words", "one");
    drop(checkout.git("add --all").code(0));
    drop(checkout.git("commit --quiet --message words").code(0));
    let output = push(&checkout, "origin main").code(0);
    assert_eq!((output.stdout.as_str(), output.stderr.as_str()), ("", ""));
    let output = push(&checkout, "--delete origin work").code(0);
    assert_eq!((output.stdout.as_str(), output.stderr.as_str()), ("", ""));
}

#[test]
fn a_push_says_that_the_scripts_that_lie_there_are_others() {
    let checkout = with_origin("select 1");
    let (up, back) = (sql("create table e5 (n int)"), sql("drop table e5"));
    checkout.scene.project.write_revision("e5", "d4", &up, &back);
    let output = push(&checkout, "origin work").code(0);
    drop(output.complains("manager scripts have changes that are not pushed; they are tested as they lie there"));
}

#[test]
fn both_hooks_get_what_git_says_on_stdin() {
    let checkout = with_origin("drop table e5");
    drop(checkout.xtask("hooks uninstall").code(0));
    let own = "#!/bin/sh\necho \"$*\" > state/args\ncat > state/stdin\nexit $(cat state/status)\n";
    checkout.write("state/status", "5").own("pre-push", own, 0o755);
    drop(checkout.xtask("hooks install --pre-push").code(0));
    let output = push(&checkout, "origin work").code(1);
    assert!(!output.stderr.contains("Tested"), "{output}");
    let tip = checkout.git("rev-parse HEAD").stdout.trim().to_owned();
    let line = format!("refs/heads/work {tip} refs/heads/work {}\n", "0".repeat(40));
    assert_eq!(fs::read_to_string(checkout.root().join("state/stdin")).unwrap(), line);
    assert_eq!(fs::read_to_string(checkout.root().join("state/args")).unwrap(), "origin state/origin.git\n");
    checkout.write("state/status", "0");
    let output = push(&checkout, "origin work").code(0);
    assert!(format!("{}{}", output.stdout, output.stderr).contains("Tested 2 revisions: 2 reversible"), "{output}");
}

#[test]
fn a_push_is_not_stopped_by_what_this_machine_lacks() {
    let checkout = with_origin("select 1");
    checkout.write("alembic.ini", &config("postgresql+psycopg://nobody@127.0.0.1:1/nowhere"));
    let output = push(&checkout, "origin work").code(0);
    drop(output.complains("the pushed manager revisions were not tested: Cannot connect to database"));
    // In CI nobody reads that, so there it stops.
    let git = crate::support::xtask::Xtask::program("git".as_ref(), checkout.root(), "push --quiet origin HEAD:again");
    drop(git.env("CI", "true").run().code(1));
    // What cannot be compared is no reason for silence.
    drop(checkout.git("branch --quiet --move main trunk").code(0));
    drop(checkout.git("update-ref -d refs/remotes/origin/main").code(0));
    drop(push(&checkout, "origin work:new").code(0).complains("no main branch is known to compare it with"));
}
