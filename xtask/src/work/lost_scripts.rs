//! Finds the text of a script that a database ran and that no file here has, and where it is. The ledger keeps the text
//! of every script that this tool ran; git has what can still be reached: branches and tags, the stash, the reflog,
//! other work trees.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::ctx::Ctx;
use crate::model::revision::{self, Script};
use crate::sys::alembic_ini::AlembicConfig;
use crate::sys::files;
use crate::sys::git::{Oid, ReachedBy, Repo};
use crate::sys::pg::{Db, LastText, VersionTable};

/// A script that was found.
#[derive(Clone, Debug)]
pub struct LostScript {
    /// Its header; the path is the one that it had.
    pub script: Script,
    /// Its text: as it ran where the ledger has it.
    pub text: String,
    /// Who has it besides the ledger.
    pub holder: Option<Holder>,
    /// When this tool applied it, UTC.
    pub applied: Option<String>,
}

/// Who has a script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Holder {
    /// A commit.
    Commit {
        /// Its id.
        commit: Oid,
        /// Who wrote it.
        author: String,
        /// By what it can be reached.
        reached: ReachedBy,
    },
    /// A file in another work tree that was never committed.
    WorkTree {
        /// The work tree's folder.
        root: PathBuf,
        /// The branch that is checked out there.
        branch: Option<String>,
    },
}

/// Looks for scripts of one component.
pub struct Search<'a> {
    ctx: &'a Ctx,
    repo: Option<Repo>,
    /// The version folders that are part of the checkout.
    folders: Vec<PathBuf>,
    recursive: bool,
    /// What the ledger says of each revision's last run.
    ran: BTreeMap<String, LastText>,
    known: RefCell<BTreeMap<String, Option<LostScript>>>,
}

/// A text and who has it.
struct Version {
    script: Script,
    text: String,
    holder: Holder,
}

impl<'a> Search<'a> {
    /// Asks the ledger what it has. A missing ledger, and a missing git, only mean that there is less to look in.
    pub fn new(ctx: &'a Ctx, config: &AlembicConfig, db: &mut Db, table: &VersionTable) -> Result<Search<'a>> {
        let texts = db.last_texts(table).unwrap_or_default();
        let repo = Repo::find(&ctx.ui, &ctx.project()?.root).unwrap_or_else(|error| {
            ctx.ui.verbose(format!("git was not asked: {error:#}"));
            None
        });
        let is_inside = |repo: &Repo, folder: &PathBuf| repo.relative(folder).ok();
        let folders = repo.iter().flat_map(|repo| config.version_locations.iter().filter_map(|it| is_inside(repo, it)));
        let (folders, recursive) = (folders.collect(), config.recursive);
        let ran = texts.into_iter().map(|text| (text.revision.clone(), text)).collect();
        Ok(Search { ctx, repo, folders, recursive, ran, known: RefCell::default() })
    }

    /// The script of a revision, if it is anywhere.
    ///
    /// # Errors
    /// What the database or git may meet.
    pub fn find(&self, db: &mut Db, id: &str) -> Result<Option<LostScript>> {
        if let Some(known) = self.known.borrow().get(id) {
            return Ok(known.clone());
        }
        let found = self.look_for(db, id)?;
        self.known.borrow_mut().insert(id.to_owned(), found.clone());
        Ok(found)
    }

    fn look_for(&self, db: &mut Db, id: &str) -> Result<Option<LostScript>> {
        let _task = self.ctx.ui.task(format!("Looking for the script of {id}"));
        let version = self.in_git(id)?;
        let ran = self.ran.get(id);
        let kept = match ran {
            Some(ran) => db.script(&ran.digest)?,
            None => None,
        };
        let kept = kept.and_then(|kept| Some((header(Path::new(&kept.path), &kept.body, id)?, kept.body)));
        let applied = ran.map(|ran| ran.when.clone());
        Ok(match (kept, version) {
            (Some((script, text)), version) => {
                Some(LostScript { script, text, holder: version.map(|version| version.holder), applied })
            }
            (None, Some(Version { script, text, holder })) => {
                Some(LostScript { script, text, holder: Some(holder), applied })
            }
            (None, None) => None,
        })
    }

    /// What git can still reach: a branch comes before a stash, and the reflog last.
    fn in_git(&self, id: &str) -> Result<Option<Version>> {
        let Some(repo) = &self.repo else { return Ok(None) };
        let mut found = committed(repo, id, &self.folders)?;
        if !is_on_a_branch(&found) {
            found = self.in_work_trees(repo, id)?.or(found);
        }
        if found.is_none() {
            // It may have been in another folder by then; that takes longer.
            found = committed(repo, id, &[PathBuf::new()])?;
        }
        Ok(found)
    }

    /// A file that lies in another work tree.
    fn in_work_trees(&self, repo: &Repo, id: &str) -> Result<Option<Version>> {
        for tree in repo.other_work_trees()? {
            let folders: Vec<PathBuf> = self.folders.iter().map(|folder| tree.root.join(folder)).collect();
            for path in files::scripts_in(&folders, self.recursive)? {
                let Ok(text) = files::script_text(&path) else { continue };
                if let Some(script) = header(&path, &text, id) {
                    let holder = Holder::WorkTree { root: tree.root, branch: tree.branch };
                    return Ok(Some(Version { script, text, holder }));
                }
            }
        }
        Ok(None)
    }
}

fn is_on_a_branch(found: &Option<Version>) -> bool {
    matches!(found, Some(Version { holder: Holder::Commit { reached: ReachedBy::Refs(_), .. }, .. }))
}

/// The newest commit that has the script and is on a branch; else one in a stash, else any.
fn committed(repo: &Repo, id: &str, folders: &[PathBuf]) -> Result<Option<Version>> {
    if folders.is_empty() {
        return Ok(None);
    }
    let mentions = repo.mentions(id, folders)?;
    let blobs: Vec<Oid> = mentions.iter().flat_map(|it| it.files.iter().map(|(_, blob)| blob.clone())).collect();
    let texts = repo.blobs(&blobs)?;
    let mut best: Option<(usize, Version)> = None;
    for mention in mentions {
        for (path, blob) in &mention.files {
            let Some(bytes) = texts.get(blob).cloned().flatten() else { continue };
            let text = revision::decode(bytes).text;
            let Some(script) = header(path, &text, id) else { continue };
            let reached = repo.reached_by(&mention.commit)?;
            let rank = match reached {
                ReachedBy::Refs(_) => 0,
                ReachedBy::Stash(_) => 1,
                ReachedBy::Reflog => 2,
            };
            if best.as_ref().is_none_or(|(other, _)| rank < *other) {
                let (commit, author) = (mention.commit.clone(), mention.author.clone());
                best = Some((rank, Version { script, text, holder: Holder::Commit { commit, author, reached } }));
            }
        }
    }
    Ok(best.map(|(_, version)| version))
}

/// The header of a text, if it is that revision's.
fn header(path: &Path, text: &str, id: &str) -> Option<Script> {
    revision::read(path, text).ok().filter(|script| script.id == id)
}

impl LostScript {
    /// Whose it is: `branch feature (commit 0123456789 by Ada)`, `stash@{1} (…)`, `nobody but the ledger`.
    pub fn whose(&self) -> String {
        match &self.holder {
            None => "in the ledger of the database alone".to_owned(),
            Some(Holder::WorkTree { root, branch }) => {
                let branch = branch.as_ref().map(|branch| format!(" (branch {branch})")).unwrap_or_default();
                format!("in the work tree {}{branch}, not committed", root.display())
            }
            Some(Holder::Commit { commit, author, reached }) => {
                let by = format!("(commit {} by {author})", commit.short());
                match reached {
                    ReachedBy::Refs(names) => format!("on {} {by}", some_of(names)),
                    ReachedBy::Stash(name) => format!("in {name} {by}"),
                    ReachedBy::Reflog => format!("in git's reflog alone, on no branch any more {by}"),
                }
            }
        }
    }

    /// The branches that have it; none where it is on none.
    pub fn branches(&self) -> Vec<String> {
        match &self.holder {
            Some(Holder::Commit { reached: ReachedBy::Refs(names), .. }) => names.clone(),
            Some(Holder::WorkTree { branch, .. }) => branch.iter().cloned().collect(),
            _ => Vec::new(),
        }
    }
}

/// The first names, and that there are more.
fn some_of(names: &[String]) -> String {
    let shown = names.iter().take(3).cloned().collect::<Vec<_>>().join(", ");
    if names.len() > 3 { format!("{shown} and {} more", names.len() - 3) } else { shown }
}
