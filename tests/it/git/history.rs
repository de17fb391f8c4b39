//! Questions of history on real repositories. What is whose is asked in every situation that git can be in: each has a
//! merge, a rebase and a cherry-pick twin, from both sides.

use std::path::Path;

use xtask::sys::git::{Changed, Needle, Operation, Ours, To, Unclear};

use super::*;
use crate::support::pasted::actions;
use crate::support::repo::Outcome;

/// Something that git stops in the middle of.
type Act = fn(&Made) -> Outcome;

/// `main` and `mine` grew apart: each has a script of its own, and both changed one file.
fn apart() -> Made {
    let made = Made::new();
    made.commit("base", &[("v/base.py", "0"), ("both", "base\n")]).branch("mine");
    made.commit("main's", &[("v/theirs.py", "1"), ("both", "main\n")]);
    made.switch("mine").commit("mine", &[("v/mine.py", "2"), ("both", "mine\n")]);
    made
}

/// The scripts in the work tree that are in a merge base with main: what db-rebase takes for released.
fn released(repo: &Repo) -> BTreeSet<String> {
    let main = repo.main_branch(None).unwrap();
    let bases = repo.merge_bases(&main.name).unwrap();
    let at = |base: &Oid| repo.files_at(base, &["v"]).unwrap().into_iter().map(|file| file.path);
    let is_here = |path: &PathBuf| repo.root().join(path).exists();
    names(bases.iter().flat_map(at).filter(is_here))
}

#[test]
fn before_anything_only_what_is_common_is_released() {
    let made = apart();
    assert_eq!(released(&find(made.root())), set(&["v/base.py"]));
    assert_eq!(find(made.root()).operation().unwrap(), None);
}

#[test]
fn in_the_middle_of_it_main_is_released_and_mine_is_not() {
    let twins: [(&str, &str, Act); 6] = [
        ("merge main into mine", "mine", |made| made.merge("main")),
        ("merge mine into main", "main", |made| made.merge("mine")),
        ("rebase mine onto main", "mine", |made| made.rebase("main")),
        ("rebase main onto mine", "main", |made| made.rebase("mine")),
        ("cherry-pick main's onto mine", "mine", |made| made.cherry_pick("main")),
        ("cherry-pick mine onto main", "main", |made| made.cherry_pick("mine")),
    ];
    for (name, on, act) in twins {
        let made = apart();
        made.switch(on);
        assert_eq!(act(&made), Outcome::Conflict(vec!["both".to_owned()]), "{name}");
        let repo = find(made.root());
        assert_eq!(released(&repo), set(&["v/base.py", "v/theirs.py"]), "{name}");
        let operation = repo.operation().unwrap().unwrap_or_else(|| panic!("{name}: nothing in progress"));
        assert_eq!(Some(operation.name()), name.split(' ').next());
    }
}

#[test]
fn after_it_too() {
    for (name, act) in [
        ("merge", (|made: &Made| made.merge("main")) as Act),
        ("rebase", |made: &Made| made.rebase("main")),
        ("pick", |made: &Made| made.cherry_pick("main")),
    ] {
        let made = apart();
        assert!(matches!(act(&made), Outcome::Conflict(_)));
        made.write("both", "resolved\n").git(&["add", "both"]);
        let verb = if name == "pick" { "cherry-pick" } else { name };
        made.git(&[verb, "--continue"]);
        let repo = find(made.root());
        assert_eq!(repo.operation().unwrap(), None, "{name}");
        // A picked commit is a copy: git does not know that main has it.
        let expected: &[&str] = if name == "pick" { &["v/base.py"] } else { &["v/base.py", "v/theirs.py"] };
        assert_eq!(released(&repo), set(expected), "{name}");
    }
}

#[test]
fn whose_side_is_ours() {
    for (act, side, text) in [
        ((|made: &Made| made.merge("main")) as Act, Ours::CurrentBranch, "mine\n"),
        (|made: &Made| made.rebase("main"), Ours::RebasedOnto, "main\n"),
        (|made: &Made| made.cherry_pick("main"), Ours::CurrentBranch, "mine\n"),
    ] {
        let made = apart();
        act(&made);
        let repo = find(made.root());
        assert_eq!(repo.operation().unwrap().unwrap().ours(), side);
        let conflict = repo.conflicts().unwrap().remove(0);
        assert_eq!(conflict.path, Path::new("both"));
        let ours = conflict.ours.unwrap();
        assert_eq!(content(&repo, &ours), text.as_bytes());
        assert_eq!(repo.status(&["both"]).unwrap().of(Path::new("both")), State::Conflicted);
        assert_eq!(repo.index(NONE).unwrap().unmerged, [Path::new("both")]);
    }
}

#[test]
fn operations_say_what_they_are_about() {
    let made = apart();
    made.merge("main");
    let id = |made: &Made, name: &str| Oid::parse(&made.id(name)).unwrap();
    assert_eq!(find(made.root()).operation().unwrap(), Some(Operation::Merge { heads: vec![id(&made, "main")] }));

    for options in [&["rebase", "main"][..], &["rebase", "--apply", "main"]] {
        let made = apart();
        let mine = id(&made, "mine");
        let stopped = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| made.git(options)));
        assert!(stopped.is_err());
        let rebase =
            Operation::Rebase { branch: Some("mine".into()), onto: Some(id(&made, "main")), stopped_at: Some(mine) };
        assert_eq!(find(made.root()).operation().unwrap(), Some(rebase), "{options:?}");
        assert_eq!(find(made.root()).head().unwrap().branch, None);
    }

    let made = apart();
    made.commit("again", &[("both", "again\n")]);
    let reverted = id(&made, "HEAD~1");
    let stopped =
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| made.git(&["revert", "--no-edit", "HEAD~1"])));
    assert!(stopped.is_err());
    assert_eq!(find(made.root()).operation().unwrap(), Some(Operation::Revert { commit: Some(reverted) }));
}

#[test]
fn a_series_of_patches_is_no_rebase() {
    let made = apart();
    let patch = made.git(&["format-patch", "-1", "--stdout", "main"]);
    let file = made.beside("p.patch");
    fs::write(&file, patch).unwrap();
    let stopped = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| made.git(&["am", file.to_str().unwrap()])));
    assert!(stopped.is_err());
    assert_eq!(find(made.root()).operation().unwrap(), Some(Operation::Am));
}

#[test]
fn between_two_picks_of_a_series() {
    let made = apart();
    made.switch("main").commit("more", &[("v/more.py", "3"), ("both", "more\n")]).switch("mine");
    assert!(matches!(made.cherry_pick("mine..main"), Outcome::Conflict(_)));
    made.write("both", "resolved\n").git(&["add", "both"]);
    made.git(&["commit", "--quiet", "--no-edit"]);
    assert_eq!(find(made.root()).operation().unwrap(), Some(Operation::CherryPick { commit: None }));
}

#[test]
fn an_octopus_has_all_its_heads() {
    let made = Made::new();
    made.commit("base", &[("v/base.py", "0")]);
    for name in ["one", "two"] {
        made.switch("main").branch(name).switch(name).commit(name, &[(&format!("v/{name}.py"), name)]);
    }
    made.switch("main").branch("mine").switch("mine").commit("mine", &[("v/mine.py", "0")]);
    made.git(&["merge", "--no-commit", "one", "two"]);
    let repo = find(made.root());
    let Some(Operation::Merge { heads }) = repo.operation().unwrap() else { panic!("a merge is in progress") };
    assert_eq!(heads.len(), 2);
    // Whichever of the two is asked about, the second head as well as the first.
    for name in ["one", "two"] {
        assert_eq!(repo.merge_base(name).unwrap().as_str(), made.id(name));
    }
}

#[test]
fn an_operation_in_a_linked_work_tree_is_its_own() {
    let made = apart();
    made.git(&["switch", "--quiet", "--detach"]);
    let linked = made.beside("linked");
    made.git(&["worktree", "add", "--quiet", linked.to_str().unwrap(), "mine"]);
    let merged = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| made.git_in(&linked, &["merge", "main"])));
    assert!(merged.is_err());
    assert!(matches!(find(&linked).operation().unwrap(), Some(Operation::Merge { .. })));
    assert_eq!(released(&find(&linked)), set(&["v/base.py", "v/theirs.py"]));
    assert_eq!(find(made.root()).operation().unwrap(), None);
    assert_eq!(released(&find(made.root())), set(&["v/base.py"]));
}

#[test]
fn the_main_branch_in_the_order_of_trust() {
    let made = apart();
    let main = |made: &Made, configured: Option<&str>| find(made.root()).main_branch(configured).map(|main| main.name);
    assert_eq!(main(&made, None).unwrap(), "main");
    made.git(&["branch", "-m", "main", "master"]);
    assert_eq!(main(&made, None).unwrap(), "master");
    made.git(&["update-ref", "refs/remotes/origin/main", "mine"]);
    assert_eq!(main(&made, None).unwrap(), "origin/main");
    made.git(&["update-ref", "refs/remotes/origin/trunk", "mine"]);
    made.git(&["symbolic-ref", "refs/remotes/origin/HEAD", "refs/remotes/origin/trunk"]);
    assert_eq!(main(&made, None).unwrap(), "origin/HEAD");
    assert_eq!(main(&made, Some("master")).unwrap(), "master");
    // A configured name is meant: nothing else is tried in its place.
    let error = main(&made, Some("release")).unwrap_err();
    assert_eq!(error.downcast_ref(), Some(&Unclear::NoMain { tried: vec!["release".to_owned()] }));
}

#[test]
fn a_shallow_clone_has_no_sure_answer() {
    let made = apart();
    let clone = made.beside("shallow");
    let url = format!("file://{}", made.root().display());
    made.git(&["clone", "--quiet", "--depth=1", "--no-single-branch", &url, clone.to_str().unwrap()]);
    let repo = find(&clone);
    assert!(repo.is_shallow());
    let error = repo.merge_base("origin/main").unwrap_err();
    assert_eq!(error.downcast_ref(), Some(&Unclear::Shallow));
    let fail = fail::from_anyhow(&error);
    assert_eq!((fail.exit.code(), actions(&fail)[0].as_str()), (3, "git fetch --unshallow"));
    made.git_in(&clone, &["fetch", "--quiet", "--unshallow"]);
    assert_eq!(find(&clone).merge_base("origin/main").unwrap().as_str(), made.id("mine~1"));
}

#[test]
fn several_merge_bases_are_named_and_none_is_chosen() {
    let made = Made::new();
    made.commit("base", &[("v/base.py", "0")]).branch("mine");
    made.commit("main's", &[("v/theirs.py", "1")]).branch("main1");
    made.switch("mine").commit("mine", &[("v/mine.py", "2")]).branch("mine1");
    assert_eq!(made.merge("main1"), Outcome::Clean);
    assert_eq!(made.switch("main").merge("mine1"), Outcome::Clean);
    let repo = find(made.switch("mine").root());
    let mut bases = repo.merge_bases("main").unwrap();
    bases.sort();
    let mut expected = vec![Oid::parse(&made.id("main1")).unwrap(), Oid::parse(&made.id("mine1")).unwrap()];
    expected.sort();
    assert_eq!(bases, expected);
    let error = repo.merge_base("main").unwrap_err();
    let Some(Unclear::Several { bases, .. }) = error.downcast_ref() else { panic!("{error}") };
    assert_eq!(bases.len(), 2);
}

#[test]
fn histories_without_a_common_commit_and_without_any() {
    let made = Made::new();
    let error = find(made.root()).merge_base("main").unwrap_err();
    assert_eq!(error.downcast_ref(), Some(&Unclear::NoCommit));
    made.commit("one", &[("a", "1")]);
    made.git(&["switch", "--quiet", "--orphan", "other"]);
    made.commit("two", &[("b", "1")]);
    let error = find(made.root()).merge_base("main").unwrap_err();
    assert_eq!(error.downcast_ref(), Some(&Unclear::Unrelated { with: "main".to_owned() }));
    // A name that is none is no "nothing in common".
    let error = find(made.root()).merge_base("nosuch").unwrap_err();
    assert!(error.to_string().contains("exit status 128") && error.to_string().contains("nosuch"), "{error}");
}

#[test]
fn ancestors_yes_no_and_no_answer() {
    let made = apart();
    let repo = find(made.root());
    assert!(repo.is_ancestor("mine~1", "main").unwrap());
    assert!(!repo.is_ancestor("mine", "main").unwrap());
    assert!(repo.is_ancestor("nosuch", "main").unwrap_err().to_string().contains("exit status 128"));
}

#[test]
fn what_changed_between_two_states() {
    let made = Made::new();
    let long = "a line\n".repeat(50);
    made.commit("base", &[("v/a.py", "1"), ("v/gone.py", "2"), ("v/old.py", &long), ("w/x.py", "1")]);
    let base = Oid::parse(&made.id("HEAD")).unwrap();
    made.git(&["rm", "--quiet", "v/gone.py"]);
    made.git(&["mv", "v/old.py", "v/new.py"]);
    made.commit(
        "change",
        &[("v/a.py", "2"), ("v/added.py", "3"), ("w/x.py", "2"), ("v/new.py", &format!("{long}more\n"))],
    );
    let repo = find(made.root());
    let head = repo.commit("HEAD").unwrap();
    let words = |to: To<'_>| -> Vec<String> {
        let word = |change: &Changed| match change {
            Changed::Added { .. } => "added",
            Changed::Deleted { .. } => "deleted",
            Changed::Modified { .. } => "modified",
            Changed::Renamed { from, .. } if from == Path::new("v/old.py") => "renamed",
            _ => "?",
        };
        let changes = repo.changed(&base, to, &["v"]).unwrap();
        changes.iter().map(|change| format!("{} {}", word(change), change.path().display())).collect()
    };
    let expected = ["modified v/a.py", "added v/added.py", "deleted v/gone.py", "renamed v/new.py"];
    assert_eq!(words(To::Commit(&head)), expected);
    assert_eq!(words(To::Index), expected);
    assert_eq!(words(To::WorkTree), expected);
    made.write("v/added.py", "4").write("v/untracked.py", "5");
    fs::remove_file(made.root().join("v/a.py")).unwrap();
    assert_eq!(words(To::Index), expected);
    assert_eq!(words(To::WorkTree), ["deleted v/a.py", "added v/added.py", "deleted v/gone.py", "renamed v/new.py"]);
}

#[test]
fn a_file_in_conflict_is_unmerged_in_the_index_and_modified_in_the_work_tree() {
    let made = apart();
    made.merge("main");
    let repo = find(made.root());
    let head = repo.commit("HEAD").unwrap();
    let both = |to: To<'_>| -> Vec<Changed> {
        let changes = repo.changed(&head, to, NONE).unwrap();
        changes.into_iter().filter(|change| change.path() == Path::new("both")).collect()
    };
    assert_eq!(both(To::Index), [Changed::Unmerged { path: "both".into() }]);
    assert!(matches!(&both(To::WorkTree)[..], [Changed::Modified { after: None, .. }]));
}

#[test]
fn which_branch_or_stash_has_it() {
    let made = apart();
    made.switch("main");
    made.write("v/old stash.py", "revision = 'ssss'").git(&["add", "v"]);
    made.git(&["stash", "push", "--quiet", "-m", "first"]);
    made.write("v/untracked.py", "revision = 'uuuu'").git(&["stash", "push", "--quiet", "--include-untracked"]);
    made.switch("mine").commit("far", &[("v/far.py", "revision = 'ffff'")]).branch("copy");
    made.git(&["tag", "v1"]);
    made.switch("main");
    let repo = find(made.root());
    let one = |needle| {
        let mut found = repo.sightings(needle).unwrap();
        assert_eq!(found.len(), 1, "{found:?}");
        found.remove(0)
    };
    for needle in [Needle::Path(Path::new("v/far.py")), Needle::Text("revision = 'ffff'", Path::new("v"))] {
        let found = one(needle);
        assert_eq!((found.subject.as_str(), &found.stash), ("far", &None));
        assert_eq!(found.refs, ["copy", "mine", "v1"]);
        assert_eq!(found.paths, [Path::new("v/far.py")]);
    }
    let stashed = one(Needle::Text("revision = 'ssss'", Path::new("v")));
    assert_eq!((stashed.stash.as_deref(), &stashed.refs[..]), (Some("stash@{1}"), &[][..]));
    assert_eq!(stashed.paths, [Path::new("v/old stash.py")]);
    let untracked = one(Needle::Path(Path::new("v/untracked.py")));
    assert_eq!(untracked.stash.as_deref(), Some("stash@{0}"));
    assert_eq!(repo.sightings(Needle::Text("nowhere at all", Path::new(""))).unwrap(), []);
}

#[test]
fn release_tags_that_have_a_file() {
    let made = Made::new();
    made.commit("one", &[("v/a b.py", "1")]);
    made.git(&["tag", "v1"]);
    made.commit("two", &[("v/a b.py", "2"), ("v/c.py", "1")]);
    made.git(&["tag", "-a", "-m", "two", "v2"]);
    made.git(&["tag", "other"]);
    let repo = find(made.root());
    let tags = |path: &str, pattern| -> Vec<String> {
        repo.tags_with(&[path], pattern).unwrap().into_iter().map(|tagged| tagged.tag).collect()
    };
    assert_eq!(tags("v/a b.py", Some("v*")), ["v1", "v2"]);
    assert_eq!(tags("v/c.py", None), ["other", "v2"]);
    assert_eq!(tags("v/never.py", None), [""; 0]);
    let blobs = repo.tags_with(&["v/a b.py"], Some("v*")).unwrap();
    assert_ne!(blobs[0].blob, blobs[1].blob);
    assert!(repo.tags_with(&["v/line\nbreak.py"], None).unwrap_err().to_string().contains("line break"));
}
