//! The git hooks on disk: finds them, tells this tool's own from others, puts its own in and takes it out, so that a
//! hook that was there before is back byte for byte. What a hook does when git calls it is in `cmd/hooks/run.rs`.

mod script;

use std::ffi::OsString;
use std::fs;
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::fail::{Fail, Kind};
use crate::model::action::{Action, Around, git, own, program};
use crate::sys::git::Repo;
pub use script::{Author, HOOK_COMMAND, Wiring};

/// The hooks that are ours to have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hook {
    /// Judges what is about to be committed.
    PreCommit,
    /// Says where the database stands after a switch of branches.
    PostCheckout,
    /// The same after a merge, and so after most pulls.
    PostMerge,
    /// The same after a rebase, and so after `git pull --rebase`.
    PostRewrite,
    /// A round trip of the revisions that are about to be pushed.
    PrePush,
}

impl Hook {
    /// All of them, in the order in which they are shown.
    pub const ALL: [Hook; 5] = [Hook::PreCommit, Hook::PostCheckout, Hook::PostMerge, Hook::PostRewrite, Hook::PrePush];

    /// As git calls it.
    pub fn name(self) -> &'static str {
        match self {
            Hook::PreCommit => "pre-commit",
            Hook::PostCheckout => "post-checkout",
            Hook::PostMerge => "post-merge",
            Hook::PostRewrite => "post-rewrite",
            Hook::PrePush => "pre-push",
        }
    }

    pub fn parse(name: &str) -> Option<Hook> {
        Hook::ALL.into_iter().find(|hook| hook.name() == name)
    }

    /// Whether git tells it something on stdin that is of use to us.
    fn reads_stdin(self) -> bool {
        self == Hook::PrePush
    }

    /// Whether other commits are checked out now, by git's arguments: post-checkout's third is 1 when it was a branch and
    /// not single files, and `git commit --amend` rewrites, too. Other managers of hooks ask only here.
    pub fn has_moved(self, args: &[OsString]) -> bool {
        match (self, args) {
            (Hook::PostCheckout, [before, after, flag, ..]) => flag == "1" && before != after,
            (Hook::PostRewrite, [command, ..]) => command == "rebase",
            (Hook::PostMerge, _) => true,
            _ => false,
        }
    }

    /// The same as a shell's condition, so that our own scripts start no process for nothing.
    fn condition(self) -> Option<&'static str> {
        match self {
            Hook::PostCheckout => Some("[ \"$3\" = 1 ] && [ \"$1\" != \"$2\" ]"),
            Hook::PostRewrite => Some("[ \"$1\" = rebase ]"),
            _ => None,
        }
    }

    /// What there will not be while the binary is not built.
    fn loss(self) -> &'static str {
        match self {
            Hook::PreCommit => "migration scripts are not checked",
            Hook::PrePush => "pushed revisions are not tested",
            _ => "nobody says where the database stands",
        }
    }
}

/// Whose hooks are in a folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// This repository's, with its linked work trees.
    Repository,
    /// The folder is part of the work tree (a relative `core.hooksPath`), so git sees what is written there.
    WorkTree,
    /// Every repository's that has the same `core.hooksPath`.
    Shared,
}

/// Where a repository's hooks are, and what ours are to say.
#[derive(Debug)]
pub struct HooksFolder {
    /// The folder. It need not exist yet.
    pub path: PathBuf,
    /// Whom it serves.
    pub reach: Reach,
    root: PathBuf,
    wiring: Wiring,
}

/// How a hook stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// There is none.
    Absent,
    /// Ours, as it would be written now.
    Installed,
    /// Ours, as it would not be written any more.
    Outdated,
    /// Ours, and changed by somebody.
    Edited,
    /// Ours, in a shared folder, for another repository: its git folder.
    Elsewhere(PathBuf),
    /// Somebody else's.
    Foreign,
}

/// One hook as it was found.
#[derive(Clone, Debug)]
pub struct Found {
    pub hook: Hook,
    /// Where it is, or would be.
    pub path: PathBuf,
    /// How it stands.
    pub state: State,
    /// The hook that was there before, if one is kept.
    pub kept: Option<PathBuf>,
}

impl Found {
    /// Whether it is ours and calls us here, as it was written or edited since.
    pub fn is_ours(&self) -> bool {
        matches!(self.state, State::Installed | State::Outdated | State::Edited)
    }
}

impl HooksFolder {
    /// Where the hooks of a checkout are. `project` is inside of it; `binary` is the program that the hooks are to run,
    /// `source` the workspace it is built from, where that is still there.
    pub fn new(repo: &Repo, project: &Path, binary: &Path, source: Option<&Path>) -> HooksFolder {
        let folder = resolved(repo.hooks());
        let reach = if folder.starts_with(resolved(repo.common_dir())) {
            Reach::Repository
        } else if folder.starts_with(repo.root()) {
            Reach::WorkTree
        } else {
            Reach::Shared
        };
        let inside = |path: &Path| path.strip_prefix(repo.root()).unwrap_or(path).to_owned();
        let project = Some(inside(project)).filter(|path| !path.as_os_str().is_empty());
        let wiring = Wiring {
            binary: inside(binary),
            project: project.unwrap_or_else(|| PathBuf::from(".")),
            build: build(binary, source, repo.root()),
            only_for: (reach == Reach::Shared).then(|| repo.common_dir().to_owned()),
        };
        HooksFolder { path: folder, reach, root: repo.root().to_owned(), wiring }
    }

    /// Where the hooks of a checkout are that run this very program.
    ///
    /// # Errors
    /// Where the system does not tell the path of this program.
    pub fn of_this_program(repo: &Repo, project: &Path) -> Result<HooksFolder> {
        let exe = std::env::current_exe().context("asking for the path of this program")?;
        let exe = exe.canonicalize().unwrap_or(exe);
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).parent().and_then(|folder| folder.canonicalize().ok());
        Ok(HooksFolder::new(repo, project, &exe, source.as_deref()))
    }

    /// Whether hooks can be put here.
    ///
    /// # Errors
    /// `config-invalid`, a refusal, where `core.hooksPath` leads to no folder, or to the one that husky writes.
    pub fn check(&self) -> Result<()> {
        if self.path.exists() && !self.path.is_dir() {
            return Err(no_folder(&self.path).into());
        }
        if self.path.ends_with(".husky/_") { Err(husky(&self.path).into()) } else { Ok(()) }
    }

    /// The binary that a hook of this tool runs in this work tree; for one that is not installed, the one that it would run.
    pub fn binary(&self, found: &Found) -> PathBuf {
        let text = if found.is_ours() { fs::read(&found.path).unwrap_or_default() } else { Vec::new() };
        self.root.join(script::binary(&text).unwrap_or_else(|| self.wiring.binary.clone()))
    }

    /// How a hook stands.
    pub fn look(&self, hook: Hook) -> Result<Found> {
        let path = self.path.join(hook.name());
        let kept = self.path.join(script::kept_name(hook));
        let only_for = self.wiring.only_for.as_deref();
        // A link that leads nowhere is somebody's as well.
        let state = match fs::symlink_metadata(&path).map(|data| data.is_file()) {
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => State::Absent,
            Err(error) => return Err(error).with_context(|| format!("looking at {}", path.display())),
            Ok(false) => State::Foreign,
            Ok(true) => {
                let text = fs::read(&path).with_context(|| format!("reading {}", path.display()))?;
                match script::author(&text, only_for) {
                    Author::Ours if text == script::text(hook, &self.wiring) && is_executable(&path) => {
                        State::Installed
                    }
                    Author::Ours => State::Outdated,
                    Author::OursFor(repository) => State::Elsewhere(repository),
                    Author::Edited => State::Edited,
                    Author::Foreign => State::Foreign,
                }
            }
        };
        let kept = fs::symlink_metadata(&kept).is_ok().then_some(kept);
        Ok(Found { hook, path, state, kept })
    }

    /// Puts ours in the place of what was found, which is kept beside if it is somebody else's.
    pub fn install(&self, found: &Found) -> Result<()> {
        fs::create_dir_all(&self.path).with_context(|| format!("making {}", self.path.display()))?;
        let new = self.path.join(format!(".{}.xtask-{}", found.hook.name(), std::process::id()));
        let kept = self.path.join(script::kept_name(found.hook));
        let written = write_program(&new, &script::text(found.hook, &self.wiring)).and_then(|()| {
            if found.state != State::Foreign {
                return fs::rename(&new, &found.path);
            }
            fs::rename(&found.path, &kept)?;
            // What goes wrong now must not leave the repository without the hook that it had.
            fs::rename(&new, &found.path).inspect_err(|_| drop(fs::rename(&kept, &found.path)))
        });
        written.with_context(|| {
            let _ = fs::remove_file(&new);
            format!("writing {}", found.path.display())
        })
    }

    /// Takes ours out and puts back what was there before.
    pub fn uninstall(&self, found: &Found) -> Result<()> {
        let done = match (&found.kept, &found.state) {
            (Some(kept), _) => fs::rename(kept, &found.path),
            (None, State::Absent) => Ok(()),
            (None, _) => fs::remove_file(&found.path),
        };
        done.with_context(|| format!("removing {}", found.path.display()))
    }
}

/// How to get the binary again, at the root of the work tree.
fn build(binary: &Path, source: Option<&Path>, root: &Path) -> String {
    let Some(source) = source else {
        let install = own("hooks").word("install").plain();
        return Action::run("Go to where xtask is now, and there", install).text(&Around::default());
    };
    let manifest = source.strip_prefix(root).unwrap_or(source).join("Cargo.toml");
    let is_in = |profile: &str| binary.parent().is_some_and(|folder| folder.ends_with(profile));
    // What the launcher keeps up to date, it builds.
    let [verb, package] = if is_in("tool") { ["run", "xtask-launcher"] } else { ["build", "xtask"] };
    let mut build = program(["cargo", verb]);
    if manifest != Path::new("Cargo.toml") {
        build = build.word("--manifest-path").word(manifest);
    }
    build = build.words(["--package", package]);
    if is_in("release") {
        build = build.word("--release");
    }
    Action::run("Build it", build).text(&Around::default())
}

/// Symlinks resolved, as far as there is anything.
fn resolved(path: &Path) -> PathBuf {
    let there = path.ancestors().find_map(|folder| Some((folder, folder.canonicalize().ok()?)));
    match there.map(|(folder, real)| (path.strip_prefix(folder), real)) {
        Some((Ok(rest), real)) if !rest.as_os_str().is_empty() => real.join(rest),
        Some((_, real)) => real,
        None => path.to_owned(),
    }
}

/// The umask decides who may run it, as for git's own samples.
fn write_program(path: &Path, content: &[u8]) -> std::io::Result<()> {
    let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o777).open(path)?;
    file.write_all(content)?;
    file.sync_all()
}

/// Whether a program can be started, by its mode.
pub fn is_executable(path: &Path) -> bool {
    path.metadata().is_ok_and(|data| data.is_file() && data.permissions().mode() & 0o111 != 0)
}

fn no_folder(folder: &Path) -> Fail {
    Fail::new(Kind::ConfigInvalid, "`core.hooksPath` leads to no folder")
        .details(format!("{} is none", folder.display()))
        .run("See who set it", git(["config", "--show-origin", "core.hooksPath"]))
        .run("If hooks need not be off", git(["config", "--unset", "core.hooksPath"]))
        .related(own("hooks").word("status"))
        .refused()
}

fn husky(folder: &Path) -> Fail {
    Fail::new(Kind::ConfigInvalid, "The hooks of this checkout are husky's")
        .details(format!("husky writes {} anew at each install", folder.display()))
        .run("Put this line into .husky/pre-commit", own("db-check").word("--staged"))
        .action("More in docs/guides/hooks.md")
        .related(own("hooks").word("status"))
        .refused()
}
