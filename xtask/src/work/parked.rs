//! Finds the parked databases of branches (`db-switch`), by the names that the branches have today.

use anyhow::Result;

use crate::sys::git::Repo;
use crate::sys::pg::parked::Named;

/// The same databases, each with the name that its branch has today: a line in a comment keeps the one that it had.
/// Of branches that are `known` to be there git is not asked.
pub fn of_today(repo: &Repo, mut list: Vec<Named>, known: &[&str]) -> Result<Vec<Named>> {
    let names = list.iter().filter_map(|it| it.branch.as_deref()).filter(|name| !known.contains(name));
    let names: Vec<&str> = names.collect();
    if names.is_empty() {
        return Ok(list);
    }
    let tips = repo.commits_of_places(&names)?;
    let gone: Vec<String> =
        names.into_iter().zip(tips).filter(|(_, tip)| tip.is_none()).map(|(it, _)| it.to_owned()).collect();
    if gone.is_empty() {
        return Ok(list);
    }
    let renamed = repo.renamed()?;
    for named in &mut list {
        let Some(old) = named.branch.clone().filter(|branch| gone.contains(branch)) else { continue };
        if let Some((_, new)) = renamed.iter().find(|(was, _)| *was == old) {
            (named.branch, named.was) = (Some(new.clone()), Some(old));
        }
    }
    Ok(list)
}
