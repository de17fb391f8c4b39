//! What stops the flow: each time with what was changed, the way on and, in a twin, the way back.

use crate::support::branches::{Branches, script, steps};
use crate::support::pg::cluster;
use crate::support::project::path;
use crate::support::scene::NOWHERE;

/// Both branches changed `note`.
fn in_conflict() -> Branches {
    let scene = Branches::new("p");
    scene.repo.git(&["switch", "--quiet", "--create", "feature"]);
    scene.commit("a < p").repo.commit("note", &[("note", "feature")]);
    scene.repo.switch("main").commit("note", &[("note", "main")]);
    scene.commit("r < p").repo.switch("feature");
    scene.at("a")
}

#[test]
fn a_conflict_and_on() {
    // Resolved, in the index or committed.
    for is_committed in [false, true] {
        let scene = in_conflict();
        let stopped = scene.run("db-merge main --json").code(1);
        assert_eq!(stopped.kind(), "git-conflict");
        assert_eq!(stopped.json()["conflicts"], serde_json::json!(["note"]));
        let stopped =
            stopped.complains("conflict: note").complains("db-merge --continue").complains("db-merge --abort");
        assert_eq!(steps(&stopped.json()), "git merge:failed");
        assert_eq!(scene.run("db-merge --continue --json").code(3).kind(), "git-conflict");
        scene.repo.write("note", "both").git(&["add", "note"]);
        if is_committed {
            scene.repo.git(&["commit", "--quiet", "--no-edit"]);
        }
        let answer = scene.run("db-merge --continue --json").code(0);
        assert_eq!((scene.history().as_str(), scene.heads().as_str()), ("a<r p< r<p", "a"), "{answer}");
        assert!(steps(&answer.json()).starts_with("git merge:ok db-status:ok db-rebase:ok"), "{answer}");
        scene.nothing_left();
    }
}

#[test]
fn a_conflict_and_back() {
    let scene = in_conflict();
    let before = scene.everything();
    let _ = scene.run("db-merge main").code(1);
    let _ = scene.run("db-merge --abort").code(0).says("Taken back");
    assert_eq!(scene.everything(), before);
    // A person's own edits and new files, staged meanwhile, are not the merge's.
    let _ = scene.run("db-merge main").code(1);
    scene.repo.write("own", "new").write(".gitignore", "__pycache__\n.xtask\nstate\nmore\n");
    scene.repo.git(&["add", "own", ".gitignore"]);
    let _ = scene.run("db-merge --abort").code(0);
    assert_eq!(scene.repo.git(&["diff", "--cached", "--name-only"]).trim(), ".gitignore\nown");
    assert_eq!(std::fs::read_to_string(scene.root().join("own")).unwrap(), "new");
    scene.repo.git(&["reset", "--quiet", "--hard"]);
    // Every way out.
    let _ = scene.run("db-merge main").code(1);
    let status = scene.run("db-status").complains("db-merge --abort --keep-database").complains("db-merge --forget");
    drop(status);
    let _ = scene.run("db-merge --forget").code(0).says("Forgotten");
    assert_eq!(scene.repo.git(&["diff", "--name-only", "--diff-filter=U"]).trim(), "note");
    scene.repo.git(&["merge", "--abort"]);
    let _ = scene.run("db-merge main").code(1);
    let kept = scene.run("db-merge --abort --keep-database").code(0);
    let _ = kept.says("Taken back: the merge and the files; the databases stay as they are");
    assert_eq!(scene.everything(), before);
    scene.nothing_left();
}

#[test]
fn somebodys_commits_are_not_thrown_away() {
    let scene = in_conflict();
    let _ = scene.run("db-merge main").code(1);
    scene.repo.write("note", "both").git(&["add", "note"]);
    scene.repo.git(&["commit", "--quiet", "--no-edit"]);
    let before = scene.everything();
    assert_eq!(scene.run("db-merge --abort --json").code(3).kind(), "dirty-work-tree");
    assert_eq!(scene.everything(), before);
    let _ = scene.run("db-merge --abort").code(3).complains("git reset --keep").complains("db-merge --continue");
    scene.repo.git(&["reset", "--quiet", "--keep", "HEAD~"]);
    let _ = scene.run("db-merge --abort").code(0);
}

#[test]
fn on_another_branch_it_does_nothing() {
    let scene = forgetful();
    let _ = scene.run("db-merge main").code(4);
    scene.repo.git(&["commit", "--quiet", "--no-edit"]);
    scene.repo.switch("main");
    let before = scene.everything();
    for words in ["db-merge --continue", "db-merge --abort"] {
        let _ = scene.run(words).code(3).complains("then feature, now main").complains("git switch feature");
    }
    assert_eq!(scene.everything(), before);
}

#[test]
fn a_dirty_tree_is_refused_with_nothing_changed() {
    let scene = Branches::diverged("p", "r < p", "a < p").at("a");
    scene.repo.write(path("a"), &format!("{}# mine\n", script("a", "p")));
    let before = scene.everything();
    for words in ["db-merge main", "db-merge", "db-merge main --dry-run"] {
        let refused = scene.run(&format!("{words} --json")).code(3);
        assert_eq!(refused.kind(), "dirty-work-tree", "{words}");
        assert!(refused.stdout.contains("migrations/versions/a.py"), "{refused}");
    }
    assert_eq!(scene.everything(), before);
    scene.nothing_left();
}

#[test]
fn a_file_in_the_way_of_the_merge_is_refused_with_nothing_changed() {
    let scene = Branches::diverged("p", "r < p", "a < p").at("a");
    scene.repo.write(path("r"), "not in git\n");
    let before = scene.repo.git(&["status", "--porcelain"]);
    assert_eq!(scene.run("db-merge main --json").code(3).kind(), "dirty-work-tree");
    assert_eq!(scene.repo.git(&["status", "--porcelain"]), before);
    scene.nothing_left();
}

/// `a` goes down and up again, but leaves a table behind.
fn forgetful() -> Branches {
    let scene = Branches::new("p");
    scene.repo.git(&["switch", "--quiet", "--create", "feature"]);
    let text = script("a", "p").replace(
        "op.execute('drop table t_a')",
        "op.execute('drop table t_a; create table if not exists left_behind (v int)')",
    );
    scene.repo.commit("a", &[(&path("a"), &text)]);
    scene.repo.switch("main");
    scene.commit("r < p").repo.switch("feature");
    scene.at("r")
}

#[test]
fn a_finding_of_the_round_trip_and_on() {
    let scene = forgetful();
    let stopped = scene.run("db-merge main --json").code(4);
    let json = stopped.json();
    assert_eq!((json["outcome"].as_str(), json["error"]["kind"].as_str()), (Some("findings"), Some("roundtrip-found")));
    assert_eq!(steps(&json), "git merge:ok db-status:ok db-rebase:ok db-roundtrip:failed");
    let results = &json["steps"][3]["components"][0]["results"];
    assert_eq!(results[0]["schema_changes"][0]["object"], "table public.left_behind", "{stopped}");
    assert_eq!(scene.heads(), "r", "it stops before the database is migrated");
    // As it is.
    let stopped = scene.run("db-merge --continue").code(4).says("left_behind").complains("--continue --no-roundtrip");
    drop(stopped.complains("The merge of main is in progress").complains("manager: a moved"));
    let answer = scene.run("db-merge --continue --no-roundtrip --json").code(0);
    assert!(steps(&answer.json()).contains("db-roundtrip:skipped db-migrate:ok"), "{answer}");
    assert_eq!(scene.heads(), "a");

    // Or corrected.
    let scene = forgetful();
    let _ = scene.run("db-merge main").code(4);
    scene.repo.write(path("a"), &script("a", "r"));
    let _ = scene.run("db-merge --continue").code(0);
    assert_eq!((scene.history().as_str(), scene.heads().as_str()), ("a<r p< r<p", "a"));
}

#[test]
fn a_finding_of_the_round_trip_and_back() {
    let scene = forgetful();
    let before = scene.everything();
    let _ = scene.run("db-merge main").code(4);
    let _ = scene.run("db-merge --abort").code(0);
    assert_eq!(scene.everything(), before);
    scene.nothing_left();
}

/// With the first component's database at a revision; the second one's migration fails, after the first one's database
/// has gone up. The second has not diverged, so no round trip sees it coming.
pub fn second_fails(first: &str) -> Branches {
    let scene = Branches::diverged("p @ p2", "r < p @ r2 < p2", "a < p; b < a @").at(&format!("{first} @ p2"));
    scene.repo.switch("main");
    let text = script("r2", "p2").replace("create table t_r2 (v int)", "create table t_p2 (v int)");
    scene.repo.commit("broken", &[("appproxy/versions/r2.py", &text)]);
    scene.repo.switch("feature");
    scene
}

#[test]
fn a_migration_that_fails_and_back() {
    // At `a` and at `p` it is taken back by others here and in `crash`.
    for place in ["b", "r", ""] {
        let scene = second_fails(place);
        let before = scene.everything();
        let stopped = scene.run("db-merge main --json").code(1);
        assert_eq!(stopped.kind(), "duplicate-object", "{place}");
        assert!(steps(&stopped.json()).ends_with("db-migrate:failed"), "{stopped}");
        assert_eq!(scene.heads(), "b @ p2", "{place}");
        assert_ne!(scene.everything(), before, "{place}");
        let _ = scene.run("db-merge --abort").code(0);
        assert_eq!(scene.everything(), before, "{place}");
        scene.nothing_left();
    }
}

#[test]
fn a_migration_that_fails_and_on() {
    let scene = second_fails("b");
    let _ = scene.run("db-merge main").code(1);
    // Nobody else may touch the databases meanwhile, and whoever looks is told.
    for words in ["db-migrate", "db-rebase", "db-merge main", "db-merge"] {
        let _ = scene.run(words).code(3).complains("An earlier db-merge did not end").complains("db-merge --continue");
    }
    let _ = scene.run("db-status").complains("An earlier db-merge did not end");
    scene.repo.write("appproxy/versions/r2.py", &script("r2", "p2"));
    let answer = scene.run("db-merge --continue --json").code(0);
    assert_eq!(steps(&answer.json()).matches(":ok").count(), 6, "{answer}");
    assert_eq!(scene.heads(), "b @ r2");
    assert!(answer.json()["steps"][2]["seconds"].as_f64().unwrap() > 0.0, "the times of the first run are kept");
}

/// The way back is walked as the way there was, so the ledger knows to the end what has really run.
#[test]
fn taken_back_the_ledger_is_still_right_and_accuses_nobody() {
    let scene = Branches::diverged("p @ p2", "r < p @ r2 < p2", "a < p; b < a @").at("@ p2");
    scene.repo.switch("main");
    let text = script("r2", "p2").replace("create table t_r2 (v int)", "create table t_p2 (v int)");
    scene.repo.commit("broken", &[("appproxy/versions/r2.py", &text)]);
    scene.repo.switch("feature");
    let _ = scene.run("db-migrate").code(0);
    let before = scene.everything();
    let _ = scene.run("db-merge main").code(1);
    let _ = scene.run("db-merge --abort").code(0);
    assert_eq!(scene.everything(), before);
    let implied = || scene.run("db-status --json").code(0).json()["components"][0]["implied"].clone();
    assert_eq!(implied(), serde_json::json!([]), "nothing was skipped");
    // What a certain ledger would call skipped: a newer revision below one that the database holds.
    scene.repo.git(&["merge", "--quiet", "--no-edit", "main"]);
    let _ = scene.run("db-rebase --no-db").code(0);
    assert_eq!(implied()[0]["told_by"], "ledger", "{}", implied());
}

/// main has put a revision on another one that the database holds already: the merge brings the silent skip.
#[test]
fn skipped_migrations_stop_it_with_commands_that_work() {
    let scene = Branches::diverged("p; a < p", "r < p", "b < a");
    let _ = scene.run("db-migrate").code(0);
    scene.repo.switch("main").commit("a on r", &[(&path("a"), &script("a", "r"))]);
    scene.repo.switch("feature");
    let before = scene.everything();
    let stopped = scene.run("db-merge main --json").code(1);
    assert_eq!(stopped.kind(), "wrong-database", "{stopped}");
    assert_eq!(steps(&stopped.json()), "git merge:ok db-status:failed");
    let actions = stopped.json()["error"]["actions"].clone();
    let actions: Vec<&str> = actions.as_array().unwrap().iter().map(|it| it.as_str().unwrap()).collect();
    for action in &actions {
        let command = action.rsplit(": ").next().unwrap();
        match command.strip_prefix("cargo xtask ") {
            Some(words) => drop(scene.run(words).code(0)),
            None => drop(scene.repo.git(&command.split(' ').skip(1).collect::<Vec<_>>())),
        }
        if command.ends_with("--abort") {
            assert_eq!(scene.everything(), before);
        }
    }
    assert_eq!(actions.len(), 5, "{actions:?}");
    assert_eq!((scene.history().as_str(), scene.heads().as_str()), ("a<r b<a p< r<p", "b"));
    assert!(scene.rows(0).contains("t_r"), "{}", scene.rows(0));
    // Where nothing but the database's own skip is in the way, nothing was changed, and the commands are all there is.
    let scene = Branches::diverged("p; a < p", "r < p", "b < a");
    let _ = scene.run("db-migrate").code(0);
    scene.repo.merge("main");
    scene.repo.commit("a on r", &[(&path("a"), &script("a", "r"))]);
    let refused = scene.run("db-merge --json").code(3);
    assert_eq!(refused.json()["error"]["actions"].as_array().unwrap().len(), 2, "{refused}");
    scene.nothing_left();
}

#[test]
fn a_rebase_that_cannot_begin_leaves_the_merge_and_both_ways() {
    for then in ["--continue", "--abort"] {
        let scene = Branches::diverged("p", "r < p", "a < p").at("a");
        let before = scene.everything();
        let guest = cluster().client(&scene.databases[0]);
        let stopped = scene.run("db-merge main --json").code(1);
        assert_eq!(stopped.kind(), "active-connections");
        assert!(stopped.stdout.contains("The merge of main is in progress"), "{stopped}");
        drop(guest);
        let _ = scene.run(&format!("db-merge {then}")).code(0);
        match then {
            "--abort" => assert_eq!(scene.everything(), before),
            _ => assert_eq!((scene.history().as_str(), scene.heads().as_str()), ("a<r p< r<p", "a")),
        }
    }
}

#[test]
fn what_cannot_begin_changes_nothing() {
    // Merged already, so the rebase is the first thing that could change anything.
    let scene = Branches::diverged("p", "r < p", "a < p").at("a");
    scene.repo.merge("main");
    let before = scene.everything();
    let guest = cluster().client(&scene.databases[0]);
    let refused = scene.run("db-merge --json").code(3);
    assert_eq!(refused.kind(), "active-connections");
    drop(guest);
    assert_eq!(scene.everything(), before);
    scene.nothing_left();
}

#[test]
fn a_database_that_is_down_is_refused_before_the_merge() {
    let scene = Branches::diverged("p", "r < p", "a < p").at("a");
    let ini = format!("[alembic]\nscript_location = migrations\nsqlalchemy.url = {NOWHERE}\n");
    scene.repo.commit("elsewhere", &[("alembic.ini", &ini)]);
    let before = scene.everything();
    let refused = scene.run("db-merge main --json").code(3);
    assert_eq!(refused.kind(), "connection-refused");
    assert!(refused.stdout.contains("db-merge main --no-db"), "{refused}");
    assert_eq!(scene.everything(), before);
}

#[test]
fn a_fast_forward_that_fails_is_taken_back() {
    let scene = second_fails("p");
    scene.repo.git(&["reset", "--quiet", "--hard", "HEAD~2"]);
    let before = scene.everything();
    let stopped = scene.run("db-merge main").code(1).complains("The branch was moved to main (fast-forward)");
    assert_eq!(scene.repo.id("HEAD"), scene.repo.id("main"), "{stopped}");
    // Work that nobody has committed stays.
    scene.repo.write(".gitignore", "__pycache__\n.xtask\nstate\nmine\n");
    let _ = scene.run("db-merge --abort").code(0);
    assert!(scene.repo.git(&["diff"]).contains("+mine"));
    scene.repo.git(&["checkout", "--quiet", ".gitignore"]);
    assert_eq!(scene.everything(), before);
}

#[test]
fn a_merge_of_the_users_own_is_never_taken_back() {
    let scene = second_fails("a");
    scene.repo.git(&["merge", "--quiet", "--no-commit", "main"]);
    let before = scene.everything();
    let _ = scene.run("db-merge").code(1);
    let _ = scene.run("db-merge --abort").code(0).says("The merge that was in progress before is still so");
    assert_eq!(scene.everything(), before);
}

#[test]
fn edits_made_meanwhile_are_not_overwritten() {
    let scene = second_fails("a");
    let _ = scene.run("db-merge main").code(1);
    let edited = format!("{}# mine\n", script("a", "r"));
    scene.repo.write(path("a"), &edited);
    let before = scene.everything();
    let _ = scene.run("db-merge --abort").code(3).complains("changed by somebody else");
    assert_eq!(scene.everything(), before);
    // There still are both ways.
    scene.repo.git(&["checkout", "--quiet", "--", &path("a")]);
    let _ = scene.run("db-merge --abort").code(0);
}

#[test]
fn the_command_line() {
    let scene = Branches::new("p");
    let _ = scene.run("db-merge --continue --abort").code(2).complains("exclude each other");
    let _ = scene.run("db-merge main --continue").code(2).complains("`--continue` and `BRANCH` exclude each other");
    let _ = scene.run("db-merge --forget --commit").code(2).complains("stands alone");
    let _ = scene.run("db-merge --abort --commit").code(2).complains("exclude each other");
    let _ = scene.run("db-merge --continue").code(2).complains("no db-merge that stopped");
    let _ = scene.run("db-merge --abort").code(2).complains("no db-merge that stopped");
    let _ = scene.run("db-merge nosuch").code(2).complains("git knows no commit `nosuch`");
    std::fs::remove_dir_all(scene.root().join(".git")).unwrap();
    let _ = scene.run("db-merge").code(3).complains("needs a git checkout");
}
