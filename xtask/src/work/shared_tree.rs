//! Finds linked work trees whose files name the same database: a change made from one of them affects the others.

use std::path::PathBuf;

use crate::ctx::{Ctx, Database};
use crate::model::url::DbUrl;
use crate::sys::env_url::leads_to_the_same;
use crate::sys::git::Repo;
use crate::sys::project::{AlembicConfig, Component, Project};

/// Another work tree that uses a component's database.
pub struct Sharer {
    pub root: PathBuf,
    pub branch: Option<String>,
}

/// As far as the files of the other work trees tell; one whose config cannot be read shares nothing.
pub fn sharers(ctx: &Ctx, repo: &Repo, component: &Component, database: &Database) -> Vec<Sharer> {
    let Ok(project) = ctx.project() else { return Vec::new() };
    let Ok(inside) = repo.relative(&project.root) else { return Vec::new() };
    let trees = repo.other_work_trees().unwrap_or_default().into_iter();
    let is_sharing = |root: &PathBuf| {
        let there = root.join(&inside);
        let url = named(&there, &component.name)?;
        leads_to_the_same(&url, &database.url).then_some(())
    };
    let sharing = trees.filter(|tree| is_sharing(&tree.root).is_some());
    sharing.map(|tree| Sharer { root: tree.root, branch: tree.branch }).collect()
}

/// The database that a component of another checkout names.
fn named(root: &std::path::Path, component: &str) -> Option<DbUrl> {
    let project = Project::find(root, Some(root)).ok()?;
    let component = project.component(Some(component)).ok()?;
    let text = match component.url.as_deref().map(|url| (url, url.strip_prefix("env:"))) {
        Some((_, Some(variable))) => std::env::var(variable).ok()?,
        Some((url, None)) => url.to_owned(),
        None => AlembicConfig::read(&project, component, || Ok(Vec::new())).ok()?.url().ok()?,
    };
    DbUrl::parse(&text).ok()
}

impl Sharer {
    /// `the work tree /home/ada/two (branch feature)`.
    pub fn words(&self) -> String {
        let branch = self.branch.as_ref().map(|branch| format!(" (branch {branch})")).unwrap_or_default();
        format!("the work tree {}{branch}", self.root.display())
    }
}
