//! Finds the checkout that a folder belongs to, also inside a hook, where git sets variables of its own.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::parse::{self, Found};
use super::process::{Git, LOCAL};
use super::{Oid, Repo};
use crate::fail::{Fail, Kind};
use crate::model::action::own;
use crate::ui::Ui;

/// The oldest git that will do: 2.31 (March 2021) brought `rev-parse --path-format=absolute`. Everything else that is
/// used is older: `diff-index --ita-invisible-in-index` 2.12, `status --porcelain=v2` 2.11, `switch` 2.23,
/// `add --pathspec-from-file` 2.25.
const MINIMUM: (u32, u32) = (2, 31);

/// Variables that, honoured, say where objects are; they come with `GIT_DIR` in hooks that receive a push.
const OBJECTS: &[&str] = &["GIT_OBJECT_DIRECTORY", "GIT_ALTERNATE_OBJECT_DIRECTORIES", "GIT_QUARANTINE_PATH"];

/// The variables by which git tells a hook which repository and which index it is called for, and the folder that
/// relative paths in them count from.
#[derive(Clone, Debug, Default)]
pub struct HookEnv {
    vars: Vec<(OsString, OsString)>,
    cwd: PathBuf,
}

impl HookEnv {
    /// As this process was given them.
    pub fn of_process() -> HookEnv {
        let vars = LOCAL.iter().filter_map(|key| Some((OsString::from(key), std::env::var_os(key)?))).collect();
        HookEnv { vars, cwd: std::env::current_dir().unwrap_or_default() }
    }

    /// As given; `cwd` is where the hook runs.
    pub fn new(cwd: &Path, vars: &[(&str, &str)]) -> HookEnv {
        HookEnv { vars: vars.iter().map(|(key, value)| (key.into(), value.into())).collect(), cwd: cwd.to_owned() }
    }

    fn get(&self, key: &str) -> Option<&OsString> {
        self.vars.iter().find(|(name, _)| name == key).map(|(_, value)| value)
    }

    /// Whether it is this repository that they speak of.
    fn names(&self, found: &Found) -> bool {
        let resolved = |path: &Path| path.canonicalize().ok();
        match self.get("GIT_DIR") {
            Some(named) => {
                let named = resolved(&self.cwd.join(named));
                named.is_some() && named == resolved(&found.git_dir)
            }
            // `git commit` in a plain checkout names the index and no repository: it is the one round the hook's folder.
            None => resolved(&self.cwd).is_some_and(|cwd| nearest_checkout(&cwd) == Some(&found.root)),
        }
    }

    /// What git in the tree at `root` is to see: the index (git counts its path from the root) and the objects.
    fn honoured(&self, root: &Path) -> Vec<(OsString, OsString)> {
        let index = self.get("GIT_INDEX_FILE").map(|path| ("GIT_INDEX_FILE".into(), root.join(path).into()));
        let absolute = |key: &&str| Some((OsString::from(key), self.cwd.join(self.get(key)?).into()));
        index.into_iter().chain(OBJECTS.iter().filter_map(absolute)).collect()
    }

    /// All of it with the folders made absolute, for a work tree that only the variables know.
    fn everything(&self) -> Vec<(OsString, OsString)> {
        let absolute = |key: &OsString| ["GIT_DIR", "GIT_WORK_TREE"].iter().any(|folder| key == folder);
        let value = |key: &OsString, value: &OsString| match absolute(key) {
            true => self.cwd.join(value).into(),
            false => value.clone(),
        };
        self.vars.iter().map(|(key, old)| (key.clone(), value(key, old))).collect()
    }
}

impl Repo {
    /// The checkout that a folder belongs to; `None` when it belongs to none (no repository, a bare one, a git folder).
    ///
    /// Inside a hook, git's variables are honoured for the repository they name and dropped for any other: a submodule,
    /// a linked work tree, a checkout elsewhere.
    ///
    /// # Errors
    /// `tool-missing` without git or with one that is too old; git's own words where a repository is broken or somebody
    /// else's (`safe.directory`).
    pub fn find(ui: &Ui, dir: &Path) -> Result<Option<Repo>> {
        Repo::find_in(ui, dir, &HookEnv::of_process())
    }

    /// As [`Repo::find`], with git's variables given and not read from the process.
    pub fn find_in(ui: &Ui, dir: &Path, hook: &HookEnv) -> Result<Option<Repo>> {
        let dir = dir.canonicalize().with_context(|| format!("resolving {}", dir.display()))?;
        if let Some(found) = discover(&Git::new(ui, &dir, Vec::new()))? {
            let local = if hook.names(&found) { hook.honoured(&found.root) } else { Vec::new() };
            return Ok(Some(Repo::from(ui, found, local)?));
        }
        if hook.get("GIT_DIR").is_none() {
            return Ok(None);
        }
        // A work tree that does not know its repository (`git --git-dir=… --work-tree=…`).
        let local = hook.everything();
        match discover(&Git::new(ui, &dir, local.clone()))? {
            Some(found) if dir.starts_with(&found.root) => Ok(Some(Repo::from(ui, found, local)?)),
            _ => Ok(None),
        }
    }

    fn from(ui: &Ui, found: Found, local: Vec<(OsString, OsString)>) -> Result<Repo> {
        let git = Git::new(ui, &found.root, local);
        let empty_tree = empty_tree(&found.object_format)?;
        let Found { root, git_dir, common_dir, hooks, is_shallow, .. } = found;
        Ok(Repo { git, root, git_dir, common_dir, hooks, is_shallow, empty_tree, to_merge: None })
    }
}

/// The nearest folder upwards with a `.git` in it.
fn nearest_checkout(folder: &Path) -> Option<&Path> {
    folder.ancestors().find(|folder| folder.join(".git").exists())
}

fn discover(git: &Git) -> Result<Option<Found>> {
    let mut args = vec!["rev-parse", "--path-format=absolute", "--is-inside-work-tree"];
    args.extend([parse::FIELD, "--show-object-format", "--is-shallow-repository"]);
    args.extend([parse::FIELD, "--git-dir", parse::FIELD, "--git-common-dir", parse::FIELD, "--git-path", "hooks"]);
    // Last, since it fails in a bare repository.
    args.extend([parse::FIELD, "--show-toplevel"]);
    let answer = git.ask(args).run()?;
    if answer.stdout.starts_with(b"--path-format") {
        return Err(too_old(&format!("older than {}.{}", MINIMUM.0, MINIMUM.1)));
    }
    // A broken `.git` file reads `fatal: not a git repository: …` and is an error.
    let nowhere = answer.stderr.starts_with("fatal: not a git repository (or any ");
    if answer.code() == Some(128) && (nowhere || answer.stdout.starts_with(b"false\n")) {
        return Ok(None);
    }
    let output = answer.ok()?;
    if output.starts_with(b"false\n") { Ok(None) } else { parse::found(&output).map(Some) }
}

/// git's version, for instance `2.47.3`.
///
/// # Errors
/// `tool-missing` without git or with one that is too old.
pub fn version(ui: &Ui) -> Result<String> {
    let output = Git::new(ui, Path::new("/"), Vec::new()).ask(["version"]).run()?.ok()?;
    let (text, number) = parse::version(&output)?;
    if number < MINIMUM { Err(too_old(&text)) } else { Ok(text) }
}

fn too_old(version: &str) -> anyhow::Error {
    Fail::new(Kind::ToolMissing, "git is too old")
        .details(format!("git is {version}; {}.{} (March 2021) or newer is needed", MINIMUM.0, MINIMUM.1))
        .action(format!("Install git {}.{} or newer, or put it first on PATH", MINIMUM.0, MINIMUM.1))
        .related(own("doctor"))
        .into()
}

/// The tree without files. git knows it without storing it.
fn empty_tree(object_format: &str) -> Result<Oid> {
    let digits = match object_format {
        "sha1" => "4b825dc642cb6eb9a060e54bf8d69288fbee4904",
        "sha256" => "6ef19b41225c5369f1c104d45d8d85efa9b057b53b14b4b9b939dd74decc5321",
        other => anyhow::bail!("the repository's object format is `{other}`, which is not known here"),
    };
    Oid::parse(digits).context("the constants above are ids")
}
