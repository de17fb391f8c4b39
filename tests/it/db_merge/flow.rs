//! The flow that goes through: what each way of bringing two branches together leaves in git, files and databases.

use crate::support::branches::{Branches, moves, script, steps};
use crate::support::project::path;
use crate::support::repo::Outcome;
use crate::support::xtask::Output;

const ALL: &str = "git merge:ok db-status:ok db-rebase:ok db-roundtrip:ok db-migrate:ok db-status:ok";

/// Feature takes main in, main takes feature in, feature is put on main by a rebase: the same history, databases at its
/// one head, and a second run that finds nothing to do.
/// Each way with each history, in files alone, is `db_rebase::rules`.
#[track_caller]
fn in_one_way(way: &str, scene: &Branches, expected: &[&str], history: &str, heads: &str) {
    // Where the database is at the branch's own head, the rebase has taken it up again already.
    let migrate = if scene.heads() == heads { "skipped" } else { "ok" };
    let answer = match way {
        "merge" => scene.run("db-merge main --json"),
        "into main" => {
            scene.repo.switch("main");
            scene.run("db-merge feature --json")
        }
        _ => {
            assert_eq!(scene.repo.rebase("main"), Outcome::Clean);
            scene.run("db-merge --json")
        }
    };
    let answer = answer.code(0);
    let json = answer.json();
    assert_eq!(moves(&json), expected, "{way}\n{answer}");
    let merge = if way == "rebase" { "skipped" } else { "ok" };
    let all = ALL.replace("git merge:ok", &format!("git merge:{merge}"));
    assert_eq!(steps(&json), all.replace("migrate:ok", &format!("migrate:{migrate}")), "{way}\n{answer}");
    assert_eq!((scene.history().as_str(), scene.heads().as_str()), (history, heads), "{way}");
    assert!(json["components"].as_array().unwrap().iter().all(|it| it["state"] == "up-to-date"), "{way}\n{answer}");
    committed(scene, way == "rebase");
    let again = scene.run("db-merge --json").code(0);
    assert_eq!(moves(&again.json()), Vec::<String>::new(), "{way}\n{again}");
    scene.nothing_left();
}

/// In a merge the edited scripts are in the index, and `git commit` takes them along; beside one they wait for `git add`.
#[track_caller]
fn committed(scene: &Branches, needs_add: bool) {
    let is_merging = scene.root().join(".git/MERGE_HEAD").exists();
    assert_eq!(is_merging, !needs_add);
    if needs_add {
        scene.repo.git(&["add", "--all"]);
    }
    scene.repo.git(&["commit", "--quiet", "--no-edit", "--allow-empty-message"]);
    assert_eq!(scene.repo.git(&["status", "--porcelain"]), "");
}

#[test]
fn one_against_one() {
    let scene = Branches::diverged("p", "r < p", "a < p").at("a");
    in_one_way("rebase", &scene, &["a: p → r"], "a<r p< r<p", "a");
}

#[test]
fn three_against_two_with_the_database_at_the_released_head() {
    let scene = Branches::diverged("p", "r < p; s < r", "a < p; b < a; c < b").at("s");
    in_one_way("into main", &scene, &["a: p → s"], "a<s b<a c<b p< r<p s<r", "c");
}

#[test]
fn two_components_diverged_at_once() {
    let scene = Branches::diverged("p @ p2", "r < p @ r2 < p2", "a < p @ a2 < p2").at("a @ p2");
    let expected = ["a: p → r", "a2: p2 → r2"];
    in_one_way("merge", &scene, &expected, "a<r p< r<p @ a2<r2 p2< r2<p2", "a @ a2");
}

/// From every place that the database may be at, the same end; what is common keeps its rows.
#[test]
fn with_the_database_at_different_places() {
    for (place, database) in [("", "behind"), ("p", "behind"), ("r", "known to main only"), ("a r", "at both")] {
        let scene = Branches::diverged("p", "r < p", "a < p").at(place);
        let answer = scene.run("db-merge main --json --no-roundtrip").code(0);
        assert_eq!(scene.heads(), "a", "{database}\n{answer}");
        let kept = if place.is_empty() { "t_p: " } else { "t_p: (7)" };
        assert!(scene.rows(0).contains(kept), "{database}: {}", scene.rows(0));
        assert!(["t_a", "t_r"].iter().all(|table| scene.rows(0).contains(table)), "{database}: {}", scene.rows(0));
    }
}

#[test]
fn only_the_component_that_is_named() {
    let scene = Branches::diverged("p @ p2", "r < p @ r2 < p2", "a < p @ a2 < p2").at("a @ a2");
    let answer = scene.run("db-merge main --component=appproxy --json").code(0);
    assert_eq!(moves(&answer.json()), ["a2: p2 → r2"]);
    assert_eq!((scene.history().as_str(), scene.heads().as_str()), ("a<p p< r<p @ a2<r2 p2< r2<p2", "a @ a2"));
}

#[test]
fn the_report_says_what_is_left_to_do() {
    let scene = Branches::diverged("p", "r < p", "a < p").at("a");
    let output = scene.run("db-merge main").code(0).says("✅ Merge resolved").says("a (manager): p → r");
    let output = output.says("git diff --cached migrations/versions/a.py").says("Commit the merge: git commit");
    let times = output.stdout.lines().filter(|line| line.contains(" s  ")).count();
    assert_eq!(times, 6, "{output}");
    assert_eq!(scene.repo.git(&["diff", "--name-only"]), "", "what was edited is in the index");
}

#[test]
fn nothing_own_is_a_fast_forward() {
    let scene = Branches::diverged("p", "r < p", "").at("p");
    let main = scene.repo.id("main");
    let answer = scene.run("db-merge main --json").code(0);
    let expected = "git merge:ok db-status:ok db-rebase:skipped db-roundtrip:skipped db-migrate:ok db-status:ok";
    assert_eq!(steps(&answer.json()), expected, "{answer}");
    assert_eq!((scene.repo.id("HEAD"), scene.heads()), (main, "r".to_owned()));
    assert_eq!(answer.json()["operation"], serde_json::Value::Null);
}

#[test]
fn nothing_to_do() {
    let scene = Branches::diverged("p", "", "a < p").at("a");
    let before = scene.everything();
    let answer = scene.run("db-merge main").code(0).says("✅ Nothing to do").says("everything of main is here already");
    assert!(!answer.stdout.contains("Next steps"), "{answer}");
    let _ = scene.run("db-merge").code(0).says("✅ Nothing to do").says("no branch was named");
    assert_eq!(scene.everything(), before);
    scene.nothing_left();
}

#[test]
fn merged_by_the_user_already() {
    // Committed; in progress; in progress, and named once more.
    for (merge, words) in [
        (&["--no-edit"][..], "db-merge"),
        (&["--no-commit"], "db-merge --no-roundtrip"),
        (&["--no-commit"], "db-merge main --no-roundtrip"),
    ] {
        let scene = Branches::diverged("p", "r < p", "a < p").at("a");
        scene.repo.git(&[&["merge", "--quiet"], merge, &["main"]].concat());
        let answer = scene.run(&format!("{words} --json")).code(0);
        assert!(steps(&answer.json()).starts_with("git merge:skipped db-status:ok db-rebase:ok"), "{answer}");
        assert_eq!((scene.history().as_str(), scene.heads().as_str()), ("a<r p< r<p", "a"));
        committed(&scene, merge == ["--no-edit"]);
    }
}

#[test]
fn released_on_both_sides_gets_a_merge_revision() {
    let scene = Branches::diverged("p", "r < p", "a < p").at("a");
    scene.repo.git(&["tag", "25.1.0"]);
    let answer = scene.run("db-merge main --json").code(0);
    let id = answer.json()["merges"][0]["revision"].as_str().unwrap().to_owned();
    assert_eq!(scene.heads(), id);
    committed(&scene, false);
    assert!(scene.repo.git(&["show", "--stat", "--format=", "HEAD", "-m"]).contains(&id), "{answer}");
}

/// Stopped at a file beside the scripts, which was then resolved.
fn stopped(way: &str) -> (Branches, Outcome) {
    let scene = Branches::new("p");
    scene.repo.git(&["switch", "--quiet", "--create", "feature"]);
    scene.repo.commit("both", &[("note", "feature"), (&path("a"), &script("a", "p"))]);
    scene.repo.switch("main").commit("note", &[("note", "main")]);
    scene.commit("r < p");
    scene.repo.switch("feature");
    let scene = scene.at("a");
    let outcome = match way {
        "rebase" => scene.repo.rebase("main"),
        _ => scene.repo.switch("main").cherry_pick("feature"),
    };
    (scene, outcome)
}

#[test]
fn in_the_middle_of_a_rebase_and_of_a_cherry_pick() {
    for way in ["rebase", "cherry-pick"] {
        let (scene, outcome) = stopped(way);
        assert_eq!(outcome, Outcome::Conflict(vec!["note".to_owned()]), "{way}");
        assert_eq!(scene.run("db-merge --json").code(3).kind(), "git-conflict", "{way}");
        scene.repo.write("note", "both").git(&["add", "note"]);
        let answer = scene.run("db-merge --json --no-roundtrip").code(0);
        assert_eq!(moves(&answer.json()), ["a: p → r"], "{way}\n{answer}");
        assert_eq!(answer.json()["operation"], way);
        assert_eq!((scene.history().as_str(), scene.heads().as_str()), ("a<r p< r<p", "a"), "{way}");
        let told: Output = scene.run("db-merge").code(0).says(&format!("git {way} --continue"));
        drop(told);
        scene.repo.git(&[way, "--continue"]);
        assert_eq!(scene.repo.git(&["status", "--porcelain"]), "", "{way}");
        assert_eq!(scene.history(), "a<r p< r<p", "{way}: the edit is part of the commit");
    }
}

#[test]
fn it_commits_when_told() {
    let scene = Branches::diverged("p", "r < p", "a < p").at("p");
    let answer = scene.run("db-merge main --commit --json").code(0);
    assert_eq!(steps(&answer.json()), format!("{ALL} git commit:ok"), "{answer}");
    assert_eq!(scene.repo.git(&["status", "--porcelain"]), "");
    assert_eq!(scene.repo.git(&["rev-list", "--count", "--merges", "HEAD"]).trim(), "1");
    // Behind a merge that was committed without it, the edit is a commit of its own.
    let scene = Branches::diverged("p", "r < p", "a < p").at("p");
    scene.repo.merge("main");
    let _ = scene.run("db-merge --commit --no-roundtrip").code(0);
    assert_eq!(scene.repo.git(&["status", "--porcelain"]), "");
    assert_eq!(scene.repo.git(&["show", "--name-only", "--format=", "HEAD"]).trim(), path("a"));
}

#[test]
fn without_databases() {
    let scene = Branches::diverged("p", "r < p", "a < p").at("a");
    let before = scene.everything();
    let answer = scene.run("db-merge main --no-db --json").code(0).complains("would never run what is below now");
    let expected =
        "git merge:ok db-status:skipped db-rebase:ok db-roundtrip:skipped db-migrate:skipped db-status:skipped";
    assert_eq!(steps(&answer.json()), expected, "{answer}");
    assert_eq!(scene.history(), "a<r p< r<p");
    assert_eq!(scene.everything().databases, before.databases);
}

/// Most checkouts of Backend.AI have no config for the account manager. Its files are merged all the same.
#[test]
fn a_component_that_nobody_has_set_up() {
    let scene = Branches::new("p");
    let template = "[alembic]\nscript_location = %(here)s/accounts\nsqlalchemy.url = postgresql://somewhere/else\n";
    let accounts = |id: &str, down: &str| {
        let text = format!(
            "revision = '{id}'\ndown_revision = {down}\ndef upgrade():\n    pass\ndef downgrade():\n    pass\n"
        );
        scene.repo.commit(&format!("Add {id}"), &[(&format!("accounts/versions/{id}.py"), &text)]);
    };
    scene
        .repo
        .commit("A template", &[("configs/account-manager/halfstack.alembic.ini", template), ("accounts/env.py", "")]);
    accounts("k", "None");
    scene.branch("feature", "a < p");
    accounts("k1", "'k'");
    scene.switch("main").commit("r < p");
    accounts("k2", "'k'");
    scene.switch("feature");
    let scene = scene.at("a");
    let dry = scene.run("db-merge main --dry-run --json").code(0).json();
    assert_eq!(moves(&dry), ["a: p → r", "k1: k → k2"], "{dry}");
    let answer = scene.run("db-merge main --json").code(0).json();
    assert_eq!(moves(&answer), ["a: p → r", "k1: k → k2"], "{answer}");
    assert_eq!((scene.heads().as_str(), scene.is_pending()), ("a", false));
    let told = |step: usize| answer["steps"][step]["components"][1]["remark"].clone();
    assert_eq!([told(1), told(3), told(4), told(5)], ["it is not set up here"; 4], "{answer}");
}

/// git takes the files back behind a finished db-merge, with main's revision or without: the database holds more than they
/// say. It is said, nothing is built on it, and what is advised brings the two together again.
#[test]
fn a_merge_that_git_has_taken_back_is_noticed() {
    let scene = Branches::diverged("p", "r < p", "a < p");
    drop(scene.run("db-migrate -q").code(0));
    drop(scene.run("db-merge main").code(0));
    scene.repo.git(&["merge", "--abort"]);
    let status = scene.run("db-status --check --json").code(4);
    let component = &status.json()["components"][0];
    assert_eq!((&component["state"], &component["undone"]), (&"unknown-revision".into(), &serde_json::json!(["r"])));
    let status = scene.run("db-status").code(0).says("a ran on r; the files put it on p");
    drop(status.says("git log --all --oneline -S r").says("cargo xtask db-rebase --no-db"));
    // Merged again, and still in two lines.
    let stopped = scene.run("db-merge main --json").code(1);
    assert_eq!(stopped.kind(), "wrong-database", "{stopped}");
    drop(scene.run("db-merge --abort").code(0));
    scene.repo.git(&["merge", "--quiet", "--no-commit", "main"]);
    drop(scene.run("db-status --check").code(4).says("ran here, and these files do not say so: r"));
    drop(scene.run("db-rebase --no-db").code(0));
    drop(scene.run("db-status --check").code(0).says("up-to-date"));
    assert!(scene.rows(0).contains("t_r"), "{}", scene.rows(0));
    // On main no file has a: nothing is said of where files put it.
    scene.repo.git(&["commit", "--quiet", "--all", "--no-edit"]);
    scene.repo.switch("main");
    let sync = scene.run("db-sync --dry-run").code(0).says("no file here has it; it is on feature");
    assert!(!sync.stdout.contains("the files put it on"), "{sync}");
}
