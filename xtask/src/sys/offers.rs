//! Finds the completions that only the disk knows: revisions and git's branches. Somebody has pressed Tab and waits, so
//! the scripts are not parsed: their ids are picked out of the text.

use std::fs;
use std::path::Path;

use anyhow::Result;

use crate::sys::alembic_ini::AlembicConfig;
use crate::sys::files;
use crate::sys::run::Cmd;
use crate::ui::Ui;

/// Each revision that a script names, with the first line of its docstring.
pub fn revisions(config: &AlembicConfig) -> Result<Vec<(String, String)>> {
    let read = |path: &Path| fs::read_to_string(path).ok().and_then(|text| named_in(&text));
    Ok(files::side_by_side(&files::scripts(config)?, read)?.into_iter().flatten().collect())
}

fn named_in(text: &str) -> Option<(String, String)> {
    let value = text.lines().find_map(|line| {
        let (name, value) = line.strip_prefix("revision")?.split_once('=')?;
        (name.is_empty() || name.starts_with([' ', ':'])).then_some(value.trim())
    })?;
    let quote = value.chars().next().filter(|quote| "'\"".contains(*quote))?;
    let id = value[1..].split(quote).next()?;
    let message = text.trim_start().trim_start_matches(['"', '\'']).lines().next().unwrap_or_default().trim();
    Some((id.to_owned(), message.to_owned()))
}

/// Branches, branches of remotes, and tags.
pub fn branches(ui: &Ui, folder: &Path) -> Result<Vec<String>> {
    let git = Cmd::new("git", folder).args(["for-each-ref", "--format=%(refname:short)"]);
    let names = git.args(["refs/heads", "refs/remotes", "refs/tags"]).read(ui)?;
    Ok(names.lines().map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use super::named_in;

    #[test]
    fn ids_as_scripts_write_them() {
        let id = |text: &str| named_in(text).map(|(id, _)| id);
        assert_eq!(id("\"\"\"add a\n\"\"\"\nrevision = \"a1\"\n"), Some("a1".into()));
        assert_eq!(id("revision: str = 'a1'  # mine"), Some("a1".into()));
        assert_eq!(id("revision_of = 'a1'"), None);
        assert_eq!(id("revision = make()"), None);
        assert_eq!(named_in("\"\"\"add a\n\nRevision ID: a1\n\"\"\"\nrevision='a1'").unwrap().1, "add a");
    }
}
