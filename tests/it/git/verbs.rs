//! What git is told to do, and how its refusals come through: the kind, the files, its own words, nothing changed.

use xtask::sys::git::{Merged, Operation, Place, TrialMerge, WithCommit};

use super::*;

/// `main` and `mine`, one commit each, in files of their own or in the same one.
fn pair(mine: (&str, &str), theirs: (&str, &str)) -> Made {
    let made = Made::new();
    made.commit("base", &[("both", "base\n"), ("v/a.py", "1\n")]).branch("mine");
    made.commit("theirs", &[theirs]);
    made.switch("mine").commit("mine", &[mine]);
    made
}

#[test]
fn a_merge_that_fits() {
    let made = pair(("v/mine.py", "1"), ("v/theirs.py", "1"));
    let repo = find(made.root());
    let Merged::Moved(head) = repo.merge("main", WithCommit::Yes).unwrap() else { panic!("the branch moves") };
    assert_eq!(head.as_str(), made.id("HEAD"));
    assert!(made.root().join("v/theirs.py").exists());
    assert_eq!(repo.merge("main", WithCommit::Yes).unwrap(), Merged::UpToDate);
    assert_eq!(find(made.switch("main").root()).merge("mine", WithCommit::Yes).unwrap(), Merged::Moved(head));
}

#[test]
fn a_merge_that_waits_for_its_commit_and_is_taken_back() {
    let made = pair(("v/mine.py", "1"), ("v/theirs.py", "1"));
    let (repo, before) = (find(made.root()), made.id("HEAD"));
    assert_eq!(repo.merge("main", WithCommit::No).unwrap(), Merged::Uncommitted);
    assert!(matches!(repo.operation().unwrap(), Some(Operation::Merge { .. })));
    repo.merge_abort().unwrap();
    assert_eq!((made.id("HEAD"), repo.operation().unwrap()), (before, None));
    assert!(!made.root().join("v/theirs.py").exists());
    let error = repo.merge_abort().unwrap_err().to_string();
    assert!(error.contains("There is no merge to abort"), "{error}");
}

#[test]
fn a_conflict_names_the_files_and_can_be_taken_back() {
    let made = pair(("both", "mine\n"), ("both", "theirs\n"));
    let repo = find(made.root());
    let fail = failure(repo.merge("main", WithCommit::Yes));
    assert_eq!(fail.kind.name(), "git-conflict");
    assert_eq!(fail.summary, "git cannot merge main by itself: 1 file in conflict");
    assert!(fail.details.contains("conflict: both\n"), "{}", fail.details);
    assert!(fail.details.contains("CONFLICT (content): Merge conflict in both"), "{}", fail.details);
    // Trying once more, or going elsewhere, says the same and changes nothing.
    assert_eq!(failure(repo.merge("main", WithCommit::Yes)).kind.name(), "git-conflict");
    assert_eq!(failure(repo.switch(&Place::Branch("main".to_owned()))).kind.name(), "git-conflict");
    repo.merge_abort().unwrap();
    assert_eq!(fs::read_to_string(made.root().join("both")).unwrap(), "mine\n");
}

#[test]
fn files_in_the_way_are_named_and_nothing_is_changed() {
    for (theirs, written) in [(("both", "theirs\n"), "both"), (("v/new.py", "theirs\n"), "v/new.py")] {
        let made = pair(("v/mine.py", "1"), theirs);
        made.write(written, "not committed\n");
        let (repo, before) = (find(made.root()), made.git(&["status", "--porcelain"]));
        for fail in
            [failure(repo.merge("main", WithCommit::Yes)), failure(repo.switch(&Place::Branch("main".to_owned())))]
        {
            assert_eq!(fail.kind.name(), "dirty-work-tree");
            assert!(fail.details.contains(&format!("in the way: {written}\n")), "{}", fail.details);
            assert!(fail.details.contains("would be overwritten by"), "{}", fail.details);
        }
        assert_eq!(made.git(&["status", "--porcelain"]), before);
        assert_eq!(fs::read_to_string(made.root().join(written)).unwrap(), "not committed\n");
    }
}

#[test]
fn switching() {
    let made = pair(("v/mine.py", "1"), ("v/theirs.py", "1"));
    let repo = find(made.root());
    repo.switch(&Place::Branch("main".to_owned())).unwrap();
    assert_eq!(repo.head().unwrap().branch.as_deref(), Some("main"));
    let fail = failure(repo.switch(&Place::Branch("nosuch".to_owned())));
    assert_eq!((fail.kind.name(), fail.summary.as_str()), ("usage", "git knows no branch `nosuch`"));
    for fail in
        [failure(repo.switch(&Place::Branch("--detach".to_owned()))), failure(repo.merge("--abort", WithCommit::Yes))]
    {
        assert_eq!(fail.kind.name(), "usage", "a name is never an option");
    }
    made.git(&["update-ref", "refs/remotes/origin/remote", "mine"]);
    made.git(&["config", "remote.origin.url", "."]);
    made.git(&["config", "remote.origin.fetch", "+refs/heads/*:refs/remotes/origin/*"]);
    repo.switch(&Place::Branch("remote".to_owned())).unwrap();
    assert_eq!(repo.head().unwrap().branch.as_deref(), Some("remote"));
}

#[test]
fn switching_in_the_middle_of_a_rebase_is_refused() {
    let made = pair(("both", "mine\n"), ("both", "theirs\n"));
    made.rebase("main");
    made.write("both", "resolved\n").git(&["add", "both"]);
    let fail = failure(find(made.root()).switch(&Place::Branch("main".to_owned())));
    assert_eq!(fail.kind.name(), "dirty-work-tree");
    assert!(fail.details.contains("cannot switch branch while rebasing"), "{}", fail.details);
}

#[test]
fn merging_what_is_not_there_keeps_gits_words() {
    let made = pair(("v/mine.py", "1"), ("v/theirs.py", "1"));
    let error = find(made.root()).merge("nosuch", WithCommit::Yes).unwrap_err().to_string();
    assert!(error.contains("nosuch - not something we can merge"), "{error}");
}

#[test]
fn a_hook_that_refuses_is_heard() {
    let made = pair(("v/mine.py", "1"), ("v/theirs.py", "1"));
    made.hook("pre-merge-commit", "echo 'not on a Friday' >&2; exit 1");
    let error = find(made.root()).merge("main", WithCommit::Yes).unwrap_err().to_string();
    assert!(error.contains("not on a Friday"), "{error}");
}

#[test]
fn adding_takes_names_as_they_stand() {
    let made = Made::new();
    made.write("v/*.py", "star").write("v/a.py", "a").write(":(top)b.py", "b");
    let repo = find(made.root());
    repo.add(&["v/*.py", ":(top)b.py"]).unwrap();
    let added = names(repo.index(NONE).unwrap().files.into_iter().map(|file| file.path));
    assert_eq!(added, set(&["v/*.py", ":(top)b.py"]));
    assert!(repo.add(&["v/[a].py"]).is_err(), "there is no such file");
    assert!(repo.add(&["nowhere.py"]).unwrap_err().to_string().contains("nowhere.py"));
}

#[test]
fn a_merge_is_foretold() {
    let made = pair(("v/mine.py", "1"), ("v/theirs.py", "2"));
    let repo = find(made.root());
    let TrialMerge::Tree { tree, conflicts } = repo.trial_merge(&repo.commit("main").unwrap()).unwrap() else {
        panic!("this git can tell");
    };
    assert_eq!(conflicts, Vec::<PathBuf>::new());
    let files = names(repo.files_at(&tree, NONE).unwrap().into_iter().map(|file| file.path));
    assert_eq!(files, set(&["both", "v/a.py", "v/mine.py", "v/theirs.py"]));

    let made = pair(("both", "mine\n"), ("both", "theirs\n"));
    let (repo, before) = (find(made.root()), made.git(&["status", "--porcelain"]));
    let TrialMerge::Tree { conflicts, .. } = repo.trial_merge(&repo.commit("main").unwrap()).unwrap() else {
        panic!("this git can tell");
    };
    assert_eq!(conflicts, [PathBuf::from("both")]);
    assert_eq!((made.git(&["status", "--porcelain"]), repo.operation().unwrap()), (before, None));
}

#[test]
fn as_if_merging_counts_what_is_to_come() {
    let made = pair(("v/mine.py", "1"), ("v/theirs.py", "2"));
    let repo = find(made.root());
    let main = repo.commit("main").unwrap();
    assert_ne!(repo.merge_base("main").unwrap(), main);
    assert_eq!(repo.as_if_merging(main.clone()).merge_base("main").unwrap(), main);
}

#[test]
fn the_index_is_made_to_hold_what_lies_there() {
    let made = Made::new();
    made.commit("base", &[("v/a.py", "1"), ("v/gone.py", "1")]);
    made.write("v/a.py", "2").write("v/new.py", "1").write("v/other.py", "1");
    fs::remove_file(made.root().join("v/gone.py")).unwrap();
    let repo = find(made.root());
    repo.record(&["v/a.py", "v/new.py", "v/gone.py", "v/nowhere.py"]).unwrap();
    assert_eq!(
        made.git(&["status", "--porcelain", "--no-renames"]),
        "M  v/a.py\nD  v/gone.py\nA  v/new.py\n?? v/other.py\n"
    );
}

#[test]
fn a_branch_is_taken_back_without_losing_anybodys_work() {
    let made = Made::new();
    made.commit("base", &[("both", "1\n"), ("mine", "1\n")]);
    let repo = find(made.root());
    let before = repo.commit("HEAD").unwrap();
    made.commit("next", &[("both", "2\n")]).write("mine", "2\n");
    repo.reset_keep(&before).unwrap();
    assert_eq!(
        (made.id("HEAD"), fs::read_to_string(made.root().join("mine")).unwrap()),
        (before.to_string(), "2\n".into())
    );
    made.commit("next", &[("both", "2\n")]).write("both", "3\n");
    assert!(repo.reset_keep(&before).is_err());
    assert_eq!(fs::read_to_string(made.root().join("both")).unwrap(), "3\n");
}
