//! git's answers on real repositories: what is where, in which state, in every kind of checkout and under every kind of
//! name. The questions of history are in `git/history.rs`, the acts in `git/verbs.rs`, other programs in git's place in
//! `git/programs.rs`.

mod history;
mod programs;
mod verbs;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use xtask::fail::{self, Fail};
use xtask::sys::git::{HookEnv, Oid, Repo, State};
use xtask::ui::{Options, Ui};

use crate::support::repo::{self, Repo as Made};

fn ui() -> Ui {
    Ui::new(Options { quiet: true, ..Options::default() })
}

/// The checkout at a folder, seen without the variables of a hook that the tests may run in.
fn find(dir: &Path) -> Repo {
    Repo::find_in(&ui(), dir, &HookEnv::default()).unwrap().unwrap_or_else(|| panic!("no checkout: {}", dir.display()))
}

fn names(paths: impl IntoIterator<Item = PathBuf>) -> BTreeSet<String> {
    paths.into_iter().map(|path| path.to_string_lossy().into_owned()).collect()
}

fn set(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn failure<T>(result: anyhow::Result<T>) -> Fail {
    fail::from_anyhow(&result.err().expect("this was to fail"))
}

/// A blob's bytes.
fn content(repo: &Repo, blob: &Oid) -> Vec<u8> {
    repo.blobs(std::slice::from_ref(blob)).unwrap().remove(blob).unwrap().expect("the blob is there")
}

const NONE: &[&str] = &[];

#[test]
fn a_folder_without_a_checkout_is_none_and_no_error() {
    let made = Made::new();
    let none = |dir: &Path| Repo::find_in(&ui(), dir, &HookEnv::default()).unwrap().is_none();
    let plain = made.beside("plain");
    fs::create_dir(&plain).unwrap();
    assert!(none(&plain));
    let bare = made.beside("bare.git");
    made.git(&["clone", "--quiet", "--bare", ".", bare.to_str().unwrap()]);
    assert!(none(&bare));
    assert!(none(&made.root().join(".git")));
}

#[test]
fn a_broken_repository_is_an_error_with_gits_words() {
    let made = Made::new();
    let broken = made.beside("broken");
    fs::create_dir(&broken).unwrap();
    fs::write(broken.join(".git"), "gitdir: /nowhere/at/all\n").unwrap();
    let error = Repo::find_in(&ui(), &broken, &HookEnv::default()).err().unwrap();
    assert!(error.to_string().contains("not a git repository: "), "{error}");
    assert!(error.to_string().contains("exit status 128"), "{error}");
}

#[test]
fn folders_of_a_checkout_seen_from_within() {
    let made = Made::new();
    made.commit("one", &[("v/deep/a.py", "1")]);
    let repo = find(&made.root().join("v/deep"));
    assert_eq!(repo.root(), made.root());
    assert_eq!(repo.git_dir(), made.root().join(".git"));
    assert_eq!(repo.hooks(), made.root().join(".git/hooks"));
    made.git(&["config", "core.hooksPath", "tools/hooks"]);
    assert_eq!(find(made.root()).hooks(), made.root().join("tools/hooks"));
}

#[test]
fn a_linked_work_tree_shares_the_hooks_and_has_its_own_head() {
    let made = Made::new();
    made.commit("one", &[("v/a.py", "1")]);
    let linked = made.beside("linked");
    made.git(&["worktree", "add", "--quiet", "-b", "other", linked.to_str().unwrap()]);
    let repo = find(&linked.join("v"));
    assert_eq!(repo.root(), linked);
    assert_eq!(repo.git_dir(), made.root().join(".git/worktrees/linked"));
    assert_eq!(repo.common_dir(), made.root().join(".git"));
    assert_eq!(repo.hooks(), made.root().join(".git/hooks"));
    assert_eq!(repo.head().unwrap().branch.as_deref(), Some("other"));
}

#[test]
fn a_submodule_is_a_checkout_of_its_own_and_no_file_of_the_outer_one() {
    let (inner, outer) = (Made::new(), Made::new());
    inner.commit("inner", &[("v/i.py", "1")]);
    outer.commit("outer", &[("v/o.py", "1")]);
    let url = inner.root().to_str().unwrap();
    outer.git(&["-c", "protocol.file.allow=always", "submodule", "add", "--quiet", url, "sub"]);
    outer.commit("sub", &[]);
    let repo = find(&outer.root().join("sub/v"));
    assert_eq!(repo.root(), outer.root().join("sub"));
    assert_eq!(repo.git_dir(), outer.root().join(".git/modules/sub"));
    let repo = find(outer.root());
    let head = repo.commit("HEAD").unwrap();
    let expected = set(&[".gitmodules", "v/o.py"]);
    assert_eq!(names(repo.files_at(&head, NONE).unwrap().into_iter().map(|file| file.path)), expected);
    assert_eq!(names(repo.index(NONE).unwrap().files.into_iter().map(|file| file.path)), expected);
}

#[test]
fn heads_on_a_branch_detached_and_before_the_first_commit() {
    let made = Made::new();
    let head = find(made.root()).head().unwrap();
    assert_eq!((head.branch.as_deref(), head.commit), (Some("main"), None));
    made.commit("one", &[("a", "1")]);
    let head = find(made.root()).head().unwrap();
    assert_eq!(head.commit.unwrap().as_str(), made.id("HEAD"));
    made.git(&["switch", "--quiet", "--detach"]);
    let head = find(made.root()).head().unwrap();
    assert_eq!((head.branch, head.commit.unwrap().as_str()), (None, made.id("HEAD").as_str()));
}

/// Letters that git quotes, that separate its records, that are wildcards and options, and no text at all.
fn odd_names() -> Vec<PathBuf> {
    let names: [&[u8]; 9] = [
        b"v/a b.py",
        b"v/\"c\".py",
        b"v/d\te.py",
        b"v/f\ng.py",
        b"v/h\xff.py",
        b"v/*.py",
        b"v/:(top)i.py",
        b"v/-j.py",
        "v/ünï ☂.py".as_bytes(),
    ];
    names.iter().map(|name| repo::path(name)).collect()
}

#[test]
fn every_name_comes_through_every_question() {
    let made = Made::new();
    made.commit("base", &[("v/plain.py", "0")]);
    let base = find(made.root()).commit("HEAD").unwrap();
    let odd = odd_names();
    for path in &odd {
        made.write(path, "1");
    }
    let repo = find(made.root());
    let status = repo.status(&odd).unwrap();
    assert_eq!(status.files.len(), odd.len());
    assert!(odd.iter().all(|path| status.of(path) == State::Untracked));
    repo.add(&odd).unwrap();
    let staged = repo.index(&odd).unwrap();
    assert_eq!(staged.files.iter().map(|file| &file.path).collect::<BTreeSet<_>>(), odd.iter().collect());
    made.commit("odd", &[]);
    let head = repo.commit("HEAD").unwrap();
    let at_head: BTreeSet<PathBuf> = repo.files_at(&head, &odd).unwrap().into_iter().map(|file| file.path).collect();
    assert_eq!(at_head, odd.iter().cloned().collect());
    let to = xtask::sys::git::To::Commit(&head);
    let changed: BTreeSet<PathBuf> =
        repo.changed(&base, to, NONE).unwrap().iter().map(|change| change.path().to_owned()).collect();
    assert_eq!(changed, at_head);
}

#[test]
fn only_what_was_asked_for_and_a_star_is_a_letter() {
    let made = Made::new();
    made.commit("one", &[("v/*.py", "star"), ("v/a.py", "a"), ("w/b.py", "b"), ("v/sub/c.py", "c")]);
    let repo = find(made.root());
    let head = repo.commit("HEAD").unwrap();
    let at = |paths: &[&str]| names(repo.files_at(&head, paths).unwrap().into_iter().map(|file| file.path));
    let staged = |paths: &[&str]| names(repo.index(paths).unwrap().files.into_iter().map(|file| file.path));
    for (asked, expected) in [
        (&["v/*.py"][..], &["v/*.py"][..]),
        (&["v"], &["v/*.py", "v/a.py", "v/sub/c.py"]),
        (&["v/sub", "w"], &["v/sub/c.py", "w/b.py"]),
        (&["nowhere"], &[]),
        (&[""], &["v/*.py", "v/a.py", "v/sub/c.py", "w/b.py"]),
    ] {
        assert_eq!(at(asked), set(expected), "{asked:?}");
        assert_eq!(staged(asked), set(expected), "{asked:?}");
    }
}

#[test]
fn contents_of_many_blobs_by_one_process() {
    let made = Made::new();
    let many: Vec<(String, String)> =
        (0..300).map(|n| (format!("v/{n}.py"), format!("{n}\n\0\r\n").repeat(n))).collect();
    let files: Vec<(&str, &str)> = many.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    made.commit("many", &files);
    fs::write(made.root().join("v/latin.py"), b"\xe4\xff").unwrap();
    made.commit("latin", &[]);
    let repo = find(made.root());
    let listed = repo.files_at(&repo.commit("HEAD").unwrap(), &["v"]).unwrap();
    let mut ids: Vec<Oid> = listed.iter().map(|file| file.blob.clone()).collect();
    let missing = Oid::parse(&"1".repeat(40)).unwrap();
    ids.push(missing.clone());
    let contents = repo.blobs(&ids).unwrap();
    for file in &listed {
        assert_eq!(contents[&file.blob].as_deref().unwrap(), fs::read(made.root().join(&file.path)).unwrap());
    }
    assert_eq!(contents[&missing], None);
    assert!(repo.blobs(&[]).unwrap().is_empty());
}

#[test]
fn states_of_files() {
    let made = Made::new();
    made.commit("one", &[("v/clean.py", "1"), ("v/edited.py", "1"), ("v/both.py", "1"), ("v/gone.py", "1")]);
    made.write(".gitignore", "ignored/\n*.pyc\n");
    made.write("v/edited.py", "2").write("v/both.py", "2").write("v/new.py", "1").write("v/staged.py", "1");
    made.write("v/a.pyc", "1").write("ignored/b.py", "1");
    made.git(&["add", "v/both.py", "v/staged.py"]);
    made.write("v/both.py", "3");
    fs::remove_file(made.root().join("v/gone.py")).unwrap();
    let repo = find(made.root());
    let folder = made.root().join("ignored");
    assert_eq!(repo.ignored(&folder).unwrap(), std::slice::from_ref(&folder), "git itself breaks off there");
    let status = repo.status(&["v", "ignored"]).unwrap();
    let changed = |staged, unstaged| State::Changed { staged, unstaged };
    for (path, state) in [
        ("v/clean.py", State::Clean),
        ("v/edited.py", changed(false, true)),
        ("v/both.py", changed(true, true)),
        ("v/gone.py", changed(false, true)),
        ("v/staged.py", changed(true, false)),
        ("v/new.py", State::Untracked),
        ("v/a.pyc", State::Ignored),
        ("ignored/b.py", State::Ignored),
    ] {
        assert_eq!(status.of(Path::new(path)), state, "{path}");
    }
    assert!(!status.files.contains_key(Path::new(".gitignore")), "it was not asked for");
    let absolute = repo.status(&[made.root().join("v/new.py")]).unwrap();
    assert_eq!(absolute.of(Path::new("v/new.py")), State::Untracked);
}

#[test]
fn the_index_is_what_will_be_committed_and_not_what_lies_there() {
    let made = Made::new();
    made.commit("one", &[("v/a.py", "committed")]);
    made.write("v/a.py", "staged").write("v/announced.py", "x").write("v/untracked.py", "x");
    made.git(&["add", "v/a.py"]);
    made.git(&["add", "--intent-to-add", "v/announced.py"]);
    made.write("v/a.py", "in the work tree");
    let repo = find(made.root());
    let index = repo.index(&["v"]).unwrap();
    assert_eq!(names(index.files.iter().map(|file| file.path.clone())), set(&["v/a.py"]));
    let blob = &index.files[0].blob;
    assert_eq!(content(&repo, blob), b"staged");
}

#[test]
fn a_path_outside_is_refused_and_one_through_a_link_is_found() {
    let made = Made::new();
    made.commit("one", &[("v/a.py", "1")]);
    let link = made.beside("link");
    std::os::unix::fs::symlink(made.root(), &link).unwrap();
    let repo = find(&link);
    assert_eq!(repo.relative(&link.join("v/a.py")).unwrap(), Path::new("v/a.py"));
    assert_eq!(repo.relative(&link.join("v/not-yet.py")).unwrap(), Path::new("v/not-yet.py"));
    assert!(repo.relative(&made.beside("elsewhere.py")).unwrap_err().to_string().contains("not in the work tree"));
}

#[test]
fn a_repository_with_sha256_answers_the_same() {
    let made = Made::with(&["--object-format=sha256"]);
    made.commit("one", &[("v/a.py", "1")]);
    let repo = find(made.root());
    let head = repo.commit("HEAD").unwrap();
    assert_eq!(head.as_str().len(), 64);
    let file = &repo.files_at(&head, &["v"]).unwrap()[0];
    assert_eq!(&repo.index(&["v"]).unwrap().files[0], file);
    assert_eq!(content(&repo, &file.blob), b"1");
    assert_eq!(repo.merge_base("main").unwrap(), head);
}

#[test]
fn a_root_with_a_line_break_in_its_name() {
    let made = Made::new();
    let odd = made.beside("line\nbreak");
    made.git(&["init", "--quiet", odd.to_str().unwrap()]);
    assert_eq!(find(&odd).root(), odd);
}

#[test]
fn the_version_is_one_that_will_do() {
    assert!(xtask::sys::git::version(&ui()).unwrap().starts_with("2."));
}

/// What a pre-commit hook was given, as git set it.
fn in_pre_commit(made: &Made, commit: &[&str]) -> (Vec<(String, String)>, PathBuf) {
    let seen = made.beside("seen");
    made.hook(
        "pre-commit",
        &format!("env | grep ^GIT_ > {0}; pwd > {0}.pwd; cp \"$GIT_INDEX_FILE\" {0}.index; exit 1", seen.display()),
    );
    let output = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| made.git(commit)));
    assert!(output.is_err(), "the hook refuses");
    let pwd = PathBuf::from(fs::read_to_string(made.beside("seen.pwd")).unwrap().trim_end());
    let vars = fs::read_to_string(seen).unwrap();
    let vars = vars.lines().filter_map(|line| line.split_once('=')).map(|(key, value)| (key.into(), value.into()));
    (vars.collect(), pwd)
}

#[test]
fn in_a_hook_the_index_of_that_commit_counts() {
    let made = Made::new();
    made.commit("one", &[("v/a.py", "1"), ("v/b.py", "1")]);
    made.write("v/a.py", "2").write("v/b.py", "2");
    // Only one of two changed files: git makes an index of its own for that and names it in GIT_INDEX_FILE.
    let (vars, cwd) = in_pre_commit(&made, &["commit", "--quiet", "-m", "x", "v/a.py"]);
    let index = vars.iter().find(|(key, _)| key == "GIT_INDEX_FILE").unwrap().1.clone();
    fs::copy(made.beside("seen.index"), cwd.join(&index)).unwrap();
    // What git itself says there: the index and, in a plain checkout, not the repository.
    assert!(!vars.iter().any(|(key, _)| key == "GIT_DIR"), "{vars:?}");
    let vars: Vec<(&str, &str)> = vars.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    let hook = HookEnv::new(&cwd, &vars);
    let staged = |hook: &HookEnv, dir: &Path, path: &str| {
        let repo = Repo::find_in(&ui(), dir, hook).unwrap().unwrap();
        String::from_utf8(content(&repo, &repo.index(&[path]).unwrap().files[0].blob)).unwrap()
    };
    assert_eq!(staged(&hook, made.root(), "v/a.py"), "2", "what is being committed");
    assert_eq!(staged(&HookEnv::default(), made.root(), "v/a.py"), "1", "what is staged");
    // Another checkout has nothing to do with it.
    let other = Made::new();
    other.commit("other", &[("v/a.py", "other")]);
    assert_eq!(staged(&hook, other.root(), "v/a.py"), "other");
    // Nor has a linked work tree of the same repository.
    let linked = made.beside("linked");
    made.git(&["worktree", "add", "--quiet", "--detach", linked.to_str().unwrap()]);
    assert_eq!(staged(&hook, &linked, "v/a.py"), "1");
}

#[test]
fn a_git_dir_counted_from_the_hooks_folder_is_recognised() {
    let made = Made::new();
    made.commit("one", &[("v/a.py", "1")]);
    made.write("v/a.py", "2");
    let hook = |dir: &str| HookEnv::new(made.root(), &[("GIT_DIR", dir), ("GIT_INDEX_FILE", ".git/none-yet")]);
    let staged = |hook: &HookEnv| {
        let repo = Repo::find_in(&ui(), &made.root().join("v"), hook).unwrap().unwrap();
        repo.index(NONE).unwrap().files.len()
    };
    assert_eq!(staged(&hook(".git")), 0, "an index that is not there is an empty one");
    assert_eq!(staged(&hook("elsewhere/.git")), 1);
}

#[test]
fn a_work_tree_that_only_the_variables_know() {
    let made = Made::new();
    let (tree, dir) = (made.beside("tree"), made.beside("store.git"));
    fs::create_dir(&tree).unwrap();
    made.git(&["init", "--quiet", "--bare", dir.to_str().unwrap()]);
    made.git(&["--git-dir", dir.to_str().unwrap(), "config", "core.bare", "false"]);
    let vars = [("GIT_DIR", dir.to_str().unwrap()), ("GIT_WORK_TREE", tree.to_str().unwrap())];
    let hook = HookEnv::new(&tree, &vars);
    let repo = Repo::find_in(&ui(), &tree, &hook).unwrap().unwrap();
    assert_eq!((repo.root(), repo.git_dir()), (&*tree, &*dir));
    assert_eq!(repo.head().unwrap().commit, None);
    let elsewhere = made.beside("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    assert!(Repo::find_in(&ui(), &elsewhere, &hook).unwrap().is_none());
}

#[test]
fn a_name_that_git_does_not_know_is_a_usage_error() {
    let made = Made::new();
    made.commit("one", &[]);
    let fail = failure(find(made.root()).commit("no such"));
    assert_eq!((fail.kind.name(), fail.summary.as_str()), ("usage", "git knows no commit `no such`"));
}
