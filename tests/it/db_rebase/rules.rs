//! Whose revisions move: every case as a merge and as a rebase, from both sides.

use std::fs;

use crate::support::branches::{Branches, moves, script};
use crate::support::project::path;
use crate::support::repo::Outcome;
use crate::support::scene::{NOWHERE, Scene};

const FILES: &str = "db-rebase --no-db --json";

/// `main` has gone on with `theirs`, `feature` has `mine`; both began at `p`.
fn diverged(theirs: &str, mine: &str) -> Branches {
    let bench = Branches::of(Scene::nowhere(), "p").diverge(theirs, mine);
    bench.switch("main");
    bench
}

/// Feature takes main in by a merge, by a rebase; main takes feature in by a merge that is not committed yet. The answer
/// is the same each time.
#[track_caller]
fn in_every_way(theirs: &str, mine: &str, expected: &[&str], history: &str) {
    for way in ["merge", "rebase", "into main"] {
        let bench = diverged(theirs, mine);
        match way {
            "merge" => assert_eq!(bench.switch("feature").repo.merge("main"), Outcome::Clean),
            "rebase" => assert_eq!(bench.switch("feature").repo.rebase("main"), Outcome::Clean),
            _ => drop(bench.repo.git(&["merge", "--no-commit", "--no-ff", "feature"])),
        }
        let before = bench.files();
        let answer = bench.run(FILES).code(0);
        assert_eq!(moves(&answer.json()), expected, "{way}\n{answer}");
        assert_eq!(bench.history(), history, "{way}");
        for (name, bytes) in bench.files() {
            let id = name.rsplit('/').next().unwrap().trim_end_matches(".py");
            let moved = expected.iter().any(|line| line.starts_with(&format!("{id}:")));
            assert_eq!(moved, bytes != before[&name], "{way}: {name}");
        }
        assert_eq!(moves(&bench.run(FILES).code(0).json()), Vec::<String>::new(), "{way}: a second run");
    }
}

#[test]
fn one_against_one() {
    in_every_way("r < p", "a < p", &["a: p → r"], "a<r p< r<p");
}

#[test]
fn three_against_two() {
    let history = "a<s b<a c<b p< r<p s<r";
    in_every_way("r < p; s < r", "a < p; b < a; c < b", &["a: p → s"], history);
}

#[test]
fn an_own_merge_inside() {
    let history = "a<r b<r m<a,b n<m p< r<p";
    in_every_way("r < p", "a < p; b < p; m < a b; n < m", &["b: p → r", "a: p → r"], history);
}

#[test]
fn two_own_heads_and_a_released_one() {
    in_every_way("r < p", "a < p; b < p", &["a: p → r", "b: p → a"], "a<r b<a p< r<p");
}

#[test]
fn nothing_but_the_parents_changes() {
    let bench = Branches::of(Scene::nowhere(), "p");
    let odd = "\u{feff}'''Add ä\r\n\r\nRevision ID: a\r\nRevises: p\r\n'''\r\nfrom typing import Union\r\n\
               revision: str = \"a\"\r\ndown_revision: Union[str, None] = (\t'p'\t)  # 'p' stays\r\n\
               branch_labels = depends_on = None\r\n\r\ndef upgrade():\r\n\tpass";
    bench.repo.git(&["switch", "--quiet", "--create", "feature"]);
    bench.repo.commit("odd", &[(&path("a"), odd)]);
    bench.switch("main").commit("r < p").switch("feature");
    bench.repo.merge("main");
    let dry = bench.run("db-rebase --no-db --dry-run").code(0).says("- Revises: p").says("+ Revises: r");
    assert!(dry.stdout.contains("a: p → r: Add ä"), "{dry}");
    assert_eq!(fs::read_to_string(bench.root().join(path("a"))).unwrap(), odd);
    let _ = bench.run(FILES).code(0);
    let expected = odd.replace("Revises: p", "Revises: r").replace("\t'p'\t", "\t'r'\t");
    assert_eq!(fs::read_to_string(bench.root().join(path("a"))).unwrap(), expected);
}

#[test]
fn stale_bytecode_goes_with_the_old_file() {
    let bench = diverged("r < p", "a < p");
    bench.switch("feature").repo.merge("main");
    let cache = bench.root().join("migrations/versions/__pycache__");
    fs::create_dir_all(&cache).unwrap();
    for name in ["a.cpython-313.pyc", "ab.cpython-313.pyc", "p.cpython-313.pyc"] {
        fs::write(cache.join(name), "old").unwrap();
    }
    let _ = bench.run(FILES).code(0);
    assert!(!cache.join("a.cpython-313.pyc").exists());
    assert!(cache.join("ab.cpython-313.pyc").exists() && cache.join("p.cpython-313.pyc").exists());
}

#[test]
fn released_on_both_sides_gets_a_merge_revision() {
    let bench = diverged("r < p", "a < p");
    bench.repo.merge("feature");
    let before = bench.files();
    let answer = bench.run(FILES).code(0).json();
    assert_eq!(moves(&answer), Vec::<String>::new());
    let id = answer["merge"].as_str().unwrap().to_owned();
    assert_eq!(bench.graph().heads(), [id.as_str()]);
    assert_eq!(bench.graph().parents(&id), ["a", "r"]);
    let after = bench.files();
    assert_eq!(after.len(), before.len() + 1);
    assert!(before.iter().all(|(name, bytes)| after[name] == *bytes));
    let _ = bench.run(FILES).code(0).says("\"merge\":null");
    // The same id again: two people who do the same do not diverge once more.
    let twin = diverged("r < p", "a < p");
    twin.switch("feature").repo.merge("main");
    assert_eq!(twin.run("db-rebase --merge --json").code(0).json()["merge"], id.as_str());
}

#[test]
fn tags_release_a_revision_and_its_own_comment_does_not() {
    let bench = diverged("r < p", "a < p");
    bench.repo.git(&["tag", "25.1.0", "feature"]);
    bench.switch("feature").repo.merge("main");
    assert!(bench.run(FILES).code(0).json()["merge"].is_string());

    // Many write the version that is to come there; git knows better.
    let bench = diverged("r < p", "");
    bench.switch("feature").repo.commit("a", &[(&path("a"), &format!("{}# Part of: 25.1.0\n", script("a", "p")))]);
    bench.repo.merge("main");
    assert_eq!(moves(&bench.run(FILES).code(0).json()), ["a: p → r"]);
}

/// What is on a maintained line is published, also where main never had it: it stays, whichever way it is merged.
#[test]
fn what_a_maintained_line_has_stays() {
    let made = |line: &str| {
        let bench = diverged("m < p", "o < p");
        bench.repo.git(&["switch", "--quiet", "--create", line, "main~1"]);
        bench.commit("q < p");
        bench
    };
    // Taken into one's own branch, committed or not; a branch that is merged need not be called a line.
    for (line, merge) in [("release/1", &["--no-edit"][..]), ("26.4", &["--no-commit"]), ("next", &["--no-edit"])] {
        let bench = made(line);
        bench.switch("feature").repo.git(&[&["merge", "--quiet"], merge, &[line]].concat());
        let answer = bench.run(FILES).code(0).json();
        assert_eq!(moves(&answer), ["o: p → q"], "{line}\n{answer}");
    }
    // One's own branch taken into the line.
    let bench = made("release/1");
    bench.repo.merge("feature");
    assert_eq!(moves(&bench.run(FILES).code(0).json()), ["o: p → q"]);
    // The line taken into main: nobody's revision may move.
    let bench = made("release/1");
    bench.switch("main").repo.merge("release/1");
    assert!(bench.run(FILES).code(0).json()["merge"].is_string());
}

#[test]
fn onto_says_what_stays() {
    let bench = diverged("r < p", "a < p");
    bench.switch("feature").repo.merge("main");
    let refused = bench.run("db-rebase --no-db --onto a --json").code(3);
    assert_eq!(refused.kind(), "multiple-heads");
    let _ = bench.run("db-rebase --no-db --onto nosuch").code(3).complains("nosuch");
    assert_eq!(moves(&bench.run("db-rebase --no-db --onto r --json").code(0).json()), ["a: p → r"]);
    // A git branch in its place: the one that released work is on.
    let bench = diverged("r < p", "a < p");
    bench.switch("feature").repo.merge("main");
    bench.repo.branch("release").switch("feature");
    assert!(bench.run("db-rebase --no-db --onto release --json").code(0).json()["merge"].is_string());
}

#[test]
fn where_git_has_no_sure_answer() {
    let bench = diverged("r < p", "a < p");
    bench.switch("feature").repo.merge("main");
    let clone = bench.repo.beside("clone");
    let url = format!("file://{}", bench.root().display());
    bench.repo.git_in(bench.root(), &["clone", "--quiet", "--depth", "1", &url, clone.to_str().unwrap()]);
    let run = |words: &str| crate::support::xtask::Xtask::new(&clone, words).run();
    let _ = run(FILES).code(3).complains("shallow").complains("--onto=REV");
    assert_eq!(moves(&run("db-rebase --no-db --onto r --json").code(0).json()), ["a: p → r"]);

    let bench = diverged("r < p", "a < p");
    bench.switch("feature").repo.merge("main");
    fs::remove_dir_all(bench.root().join(".git")).unwrap();
    let _ = bench.run("db-rebase --no-db").code(3).complains("no git checkout").complains("--onto=REV");
    assert_eq!(moves(&bench.run("db-rebase --no-db --onto r --json").code(0).json()), ["a: p → r"]);
}

#[test]
fn criss_cross_merges_are_not_guessed_through() {
    let bench = diverged("r < p", "a < p");
    let (main, feature) = (bench.repo.id("main"), bench.repo.id("feature"));
    bench.repo.git(&["merge", "--quiet", "--no-edit", &feature]);
    bench.switch("feature");
    bench.repo.git(&["merge", "--quiet", "--no-edit", &main]);
    let _ = bench.run(FILES).code(3).complains("several merge bases").complains("--onto=REV");
}

#[test]
fn dirty_and_conflicted_files_are_refused() {
    let bench = diverged("r < p", "a < p");
    bench.switch("feature").repo.merge("main");
    bench.repo.write(path("a"), &format!("{}# mine\n", script("a", "p")));
    let before = bench.files();
    assert_eq!(bench.run(FILES).code(3).kind(), "dirty-work-tree");
    assert_eq!(bench.files(), before);
    assert_eq!(moves(&bench.run(&format!("{FILES} --allow-dirty")).code(0).json()), ["a: p → r"]);
    assert!(String::from_utf8_lossy(&bench.files()[&path("a")]).ends_with("# mine\n"));
}

#[test]
fn a_cherry_pick_and_a_rebase_that_stopped() {
    // Both stop at a file beside the scripts; what they bring is one's own.
    for way in ["cherry-pick", "rebase"] {
        let bench = Branches::of(Scene::nowhere(), "p");
        bench.repo.git(&["switch", "--quiet", "--create", "feature"]);
        bench.repo.commit("both", &[("note", "feature"), (&path("a"), &script("a", "p"))]);
        bench.switch("main").commit("r < p").repo.commit("note", &[("note", "main")]);
        let outcome = match way {
            "rebase" => bench.switch("feature").repo.rebase("main"),
            _ => bench.repo.cherry_pick("feature"),
        };
        assert_eq!(outcome, Outcome::Conflict(vec!["note".to_owned()]), "{way}");
        assert_eq!(moves(&bench.run(FILES).code(0).json()), ["a: p → r"], "{way}");
        assert_eq!(bench.history(), "a<r p< r<p", "{way}");
    }
}

#[test]
fn both_sides_touched_the_same_table() {
    let bench = Branches::of(Scene::nowhere(), "p");
    let touching =
        |id: &str| script(id, "p").replace(&format!("create table t_{id} (v int)"), "alter table t_p add x int");
    bench.repo.git(&["switch", "--quiet", "--create", "feature"]);
    bench.repo.commit("a", &[(&path("a"), &touching("a"))]);
    bench.switch("main").repo.commit("r", &[(&path("r"), &touching("r"))]);
    bench.switch("feature").repo.merge("main");
    let line = "table t_p: a (migrations/versions/a.py:15) will run after r (migrations/versions/r.py:15)";
    let _ = bench.run("db-rebase --no-db --dry-run").code(0).says(line);
    let answer = bench.run(FILES).code(0).complains(line).json();
    assert_eq!(answer["both_sides"][0]["what"], "table t_p");
    assert_eq!(answer["both_sides"][0]["below"]["line"], 15);
}

#[test]
fn several_components_one_after_the_other() {
    let bench = diverged("r < p", "a < p");
    let second = |id: &str| format!("second/versions/{id}.py");
    bench.switch("main");
    let ini = format!("[alembic]\nscript_location = second\nsqlalchemy.url = {NOWHERE}\n");
    bench.repo.commit("second", &[("alembic-appproxy.ini", &ini), (&second("p2"), &script("p2", ""))]);
    bench.switch("feature").repo.merge("main");
    bench.repo.commit("a2", &[(&second("a2"), &script("a2", "p2"))]);
    bench.switch("main").repo.commit("r2", &[(&second("r2"), &script("r2", "p2"))]);
    bench.switch("feature").repo.merge("main");
    let both = ["", " --component=appproxy"].map(|flag| moves(&bench.run(&format!("{FILES}{flag}")).code(0).json()));
    assert_eq!(both, [["a: p → r"], ["a2: p2 → r2"]]);
}

#[test]
fn the_command_line() {
    let bench = Branches::of(Scene::nowhere(), "p");
    let _ = bench.run("db-rebase --merge --onto p").code(2).complains("exclude each other");
    let _ = bench.run("db-rebase --resume --abort").code(2).complains("exclude each other");
    let _ = bench.run("db-rebase --resume --no-db").code(2).complains("stands alone");
    let _ = bench.run("db-rebase --resume").code(2).complains("no rebase that did not end");
    let _ = bench.run("db-rebase --abort").code(2).complains("no rebase that did not end");
    let _ = bench.run("db-rebase").code(0).says("Nothing to do");
}
