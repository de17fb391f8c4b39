//! A git repository made step by step, the same on every machine: fixed names and dates, nobody's configuration.

use std::cell::Cell;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use super::xtask::{Folder, hermetic};

/// The first commit's date in seconds since 1970; each further act of git is a minute later.
const FIRST: u64 = 1_700_000_000;

/// A repository with a work tree in a folder of its own.
pub struct Repo {
    folder: Folder,
    root: PathBuf,
    acts: Cell<u64>,
}

/// What came of a merge, a rebase or a cherry-pick.
#[derive(Debug, PartialEq, Eq)]
pub enum Outcome {
    Clean,
    Conflict(Vec<String>),
}

impl Repo {
    /// An empty repository on branch `main`.
    pub fn new() -> Repo {
        Repo::with(&[])
    }

    /// One made with more options for `git init`.
    pub fn with(options: &[&str]) -> Repo {
        let folder = Folder::new();
        let root = folder.path().join("repo");
        fs::create_dir(&root).unwrap();
        super::xtask::as_backend_ai(&root);
        Repo { folder, root, acts: Cell::new(0) }.begun(options)
    }

    /// One in a folder that there is.
    pub fn at(root: &Path) -> Repo {
        Repo { folder: Folder::new(), root: root.to_owned(), acts: Cell::new(0) }.begun(&[])
    }

    fn begun(self, options: &[&str]) -> Repo {
        self.git(&[&["init", "--quiet", "--initial-branch=main"], options].concat());
        self.settle(&self.root);
        self
    }

    /// The work tree's top folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// A path beside the repository, for clones and further work trees.
    pub fn beside(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes files and commits them and whatever else there is.
    pub fn commit(&self, message: &str, files: &[(&str, &str)]) -> &Repo {
        for (path, text) in files {
            self.write(path, text);
        }
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "--allow-empty", "-m", message]);
        self
    }

    /// Writes a file and leaves it at that.
    pub fn write(&self, path: impl AsRef<Path>, text: &str) -> &Repo {
        let path = self.root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
        self
    }

    /// Makes a branch here and stays where it is.
    pub fn branch(&self, name: &str) -> &Repo {
        self.git(&["branch", name]);
        self
    }

    pub fn switch(&self, name: &str) -> &Repo {
        self.git(&["switch", "--quiet", name]);
        self
    }

    pub fn merge(&self, name: &str) -> Outcome {
        self.attempt(&["merge", "--no-edit", name])
    }

    pub fn rebase(&self, name: &str) -> Outcome {
        self.attempt(&["rebase", name])
    }

    pub fn cherry_pick(&self, name: &str) -> Outcome {
        self.attempt(&["cherry-pick", name])
    }

    /// The full id of a revision.
    pub fn id(&self, name: &str) -> String {
        self.git(&["rev-parse", "--verify", name]).trim().to_owned()
    }

    /// Runs git here; it has to succeed. Gives its stdout.
    #[track_caller]
    pub fn git(&self, args: &[&str]) -> String {
        self.git_in(&self.root, args)
    }

    /// Runs git in another folder.
    #[track_caller]
    pub fn git_in(&self, folder: &Path, args: &[&str]) -> String {
        let output = self.run(folder, args.iter().map(OsStr::new));
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "git {args:?}: {}\n{stderr}", output.status);
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// What a clone needs to be nobody's but ours. Nothing here has to outlive a loss of power.
    pub fn settle(&self, root: &Path) {
        const SETTINGS: &str = "[user]\n\tname = Ada\n\temail = ada@example.com\n[commit]\n\tgpgSign = false\n\
            [core]\n\tautocrlf = false\n\tfsync = none\n[rerere]\n\tenabled = false\n\
            [merge]\n\tconflictStyle = merge\n[gc]\n\tauto = 0\n[maintenance]\n\tauto = false\n";
        let config = self.git_in(root, &["rev-parse", "--git-path", "config"]);
        let path = root.join(config.trim());
        fs::write(&path, fs::read_to_string(&path).unwrap() + SETTINGS).unwrap();
    }

    /// An executable hook with this body.
    pub fn hook(&self, name: &str, body: &str) -> &Repo {
        use std::os::unix::fs::PermissionsExt;
        let path = self.root.join(".git/hooks").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, format!("#!/bin/sh\n{body}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        self
    }

    fn attempt(&self, args: &[&str]) -> Outcome {
        let output = self.run(&self.root, args.iter().map(OsStr::new));
        if output.status.success() {
            return Outcome::Clean;
        }
        let conflicts = self.git(&["diff", "--name-only", "--diff-filter=U", "-z"]);
        let conflicts: Vec<String> = conflicts.split_terminator('\0').map(str::to_owned).collect();
        assert!(!conflicts.is_empty(), "git {args:?}: {}", String::from_utf8_lossy(&output.stderr));
        Outcome::Conflict(conflicts)
    }

    fn run<'a>(&self, folder: &Path, args: impl Iterator<Item = &'a OsStr>) -> Output {
        self.acts.set(self.acts.get() + 1);
        let date = format!("{} +0000", FIRST + 60 * self.acts.get());
        #[expect(clippy::disallowed_methods)]
        let mut git = Command::new("git");
        git.args(args).current_dir(folder).env_clear().envs(hermetic(self.folder.path()));
        git.env("GIT_AUTHOR_DATE", &date).env("GIT_COMMITTER_DATE", &date).env("GIT_EDITOR", ":");
        git.output().unwrap()
    }
}

/// Runs git in any folder; it has to succeed. What it said.
#[track_caller]
pub fn git(folder: &Path, words: &str) -> String {
    #[expect(clippy::disallowed_methods)]
    let mut command = Command::new("git");
    command.args(["-c", "user.name=T", "-c", "user.email=t@example.org", "-c", "init.defaultBranch=main"]);
    command.args(words.split_whitespace()).current_dir(folder).env_clear().envs(hermetic(folder));
    let done = command.output().unwrap();
    assert!(done.status.success(), "git {words}: {}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8(done.stdout).unwrap()
}

/// A path of bytes that need not be text.
pub fn path(bytes: &[u8]) -> PathBuf {
    PathBuf::from(OsStr::from_bytes(bytes))
}
