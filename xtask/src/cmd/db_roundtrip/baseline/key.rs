//! The key of a cached baseline, with everything that the baseline depends on: how it is made, the scripts that it
//! runs, the files of the project and of its packages, the interpreter, the environment, and the server.

use std::collections::HashSet;
use std::path::PathBuf;

use anyhow::{Context, Result};
use serde_json::json;

use super::how::How;
use super::seed;
use crate::cmd::db_roundtrip::facts::Facts;
use crate::ctx::Ctx;
use crate::model::url::DbUrl;
use crate::sys::fingerprint::{Fingerprint, Tree, digest, digest_of_contents};
use crate::sys::git::Repo;
use crate::sys::packages::SearchPath;
use crate::sys::pg::Key;
use crate::sys::{alembic, python};

/// Variables of the terminal, the shell and the tool itself. What else is in the environment may shape a schema.
const HARMLESS: &[&str] = &[
    "_",
    "PWD",
    "OLDPWD",
    "SHLVL",
    "COLUMNS",
    "LINES",
    "TERM",
    "COLORTERM",
    "LS_COLORS",
    "NO_COLOR",
    "DISPLAY",
    "WINDOWID",
    "STY",
    "EDITOR",
    "VISUAL",
    "PAGER",
    "LESS",
    "PS1",
    "XTASK_PYTHON",
];
/// What libpq hands to the server with each connection.
const OF_THE_SESSION: &[&str] = &["PGOPTIONS", "PGTZ", "PGDATESTYLE", "PGCLIENTENCODING"];
const HARMLESS_STARTS: &[&str] =
    &["CARGO", "RUST", "SSH_", "XDG_", "DBUS_", "WAYLAND_", "TMUX", "VSCODE_", "TERM_", "GIT_", "LLVM_", "HIST", "PG"];
/// No secret is digested: a short one could be guessed from its digest. No secret shapes a schema.
const SECRET: &[&str] = &["PASS", "SECRET", "TOKEN", "KEY", "CREDENTIAL", "URL", "URI", "DSN"];

/// The files that a baseline may depend on, without those scripts whose text is looked at instead.
pub fn tree(ctx: &Ctx, facts: &Facts, how: &How) -> Result<Tree> {
    match how {
        How::Dump(_) => Ok(Tree::default()),
        How::Past { .. } => {
            // Of a project at a commit, the commit counts, and its config, which git may ignore.
            let mut tree = whole_tree(ctx, facts)?;
            let (root, config) = (&ctx.project()?.root, &facts.config.path);
            tree.roots.retain(|place| !place.starts_with(root) || place == config);
            Ok(tree)
        }
        _ if scripts_count_apart(how) => without_scripts(ctx, facts),
        _ => whole_tree(ctx, facts),
    }
}

/// All files that something which runs in the project may depend on, without the migration scripts.
pub fn without_scripts(ctx: &Ctx, facts: &Facts) -> Result<Tree> {
    let root = &ctx.project()?.root;
    let mut tree = whole_tree(ctx, facts)?;
    tree.without.extend(facts.graph.scripts().map(|script| root.join(&script.path)));
    Ok(tree)
}

/// The scripts that [`tree`] leaves out and that count all the same: an edit of one of them spoils a baseline that is
/// being made.
pub fn scripts_apart(ctx: &Ctx, facts: &Facts, how: &How) -> Result<Tree> {
    let counts = |id: &String| match how {
        How::Empty(prefix) => prefix.contains(id),
        _ => scripts_count_apart(how),
    };
    let root = &ctx.project()?.root;
    let scripts = facts.graph.scripts().filter(|script| counts(&script.id));
    Ok(Tree { roots: scripts.map(|script| root.join(&script.path)).collect(), ..Tree::default() })
}

fn whole_tree(ctx: &Ctx, facts: &Facts) -> Result<Tree> {
    let project = ctx.project()?;
    let mut packages = SearchPath::default();
    packages.add_site_packages(python::site_packages(&ctx.ui, project, ctx.python()?)?);
    let config = &facts.config;
    let mut roots =
        vec![project.root.clone(), config.path.clone(), config.script_location.clone(), ctx.python()?.path.clone()];
    roots.extend(ctx.python()?.managed.clone());
    roots.extend(config.version_locations.iter().chain(&config.prepend_sys_path).cloned());
    roots
        .extend(std::env::var_os("PYTHONPATH").iter().flat_map(|path| std::env::split_paths(path).collect::<Vec<_>>()));
    roots.extend(packages.places().cloned());
    let mut without: HashSet<PathBuf> = facts.outputs.iter().cloned().chain([project.state_dir.clone()]).collect();
    // The folder of backups, and of the verdicts of this very run.
    without.insert(project.root.join(".xtask"));
    Ok(Tree { roots, without, only_code: ignored(ctx)? })
}

/// The key, with the state of those files and of the server.
pub fn key(ctx: &Ctx, facts: &Facts, how: &How, files: &Fingerprint, server: String) -> Result<Key> {
    let mut key = Key::default();
    key.add("tool", digest(format!("{} {}", env!("CARGO_PKG_VERSION"), alembic::driver_digest()).as_bytes()));
    key.add("server", server);
    key.add("project", digest(ctx.project()?.root.as_os_str().as_encoded_bytes()));
    match how {
        How::Dump(file) => {
            key.add("dump", digest_of_contents(file)?);
            return Ok(key);
        }
        How::Command { words, .. } => key.add("baseline command", digest(json!(words).to_string().as_bytes())),
        How::Past { words, base } => {
            key.add("baseline command", digest(json!([words, base.commit.as_str()]).to_string().as_bytes()));
        }
        How::Empty(prefix) => {
            key.add("revisions", digest(json!(prefix).to_string().as_bytes()));
            key.add("seed", seeds(ctx, facts, prefix)?);
        }
    }
    let component = facts.component;
    key.add("component", digest(format!("{:?} {:?}", component.config, component.version_table).as_bytes()));
    if scripts_count_apart(how) {
        key.add("scripts", scripts(ctx, facts, how)?);
    }
    key.add("code", files.digest());
    key.add("interpreter", digest(format!("{:?}", ctx.python()?).as_bytes()));
    key.add("environment", digest(json!(environment(std::env::vars_os())).to_string().as_bytes()));
    key.add("url options", url_options(&facts.database.url));
    Ok(key)
}

/// Whether only the scripts count that the baseline runs, so that the others may be edited.
fn scripts_count_apart(how: &How) -> bool {
    matches!(how, How::Empty(_) | How::Command { from_models: true, .. })
}

/// The text of the scripts that are run; where none is run, the shape of the history, since the heads are written into
/// the database.
fn scripts(ctx: &Ctx, facts: &Facts, how: &How) -> Result<String> {
    let root = &ctx.project()?.root;
    let mut parts = Vec::new();
    match how {
        How::Empty(prefix) => {
            for id in prefix {
                let script = facts.graph.get(id).with_context(|| format!("no script of {id}"))?;
                parts.push(digest_of_contents(&root.join(&script.path))?);
            }
        }
        _ => {
            parts = facts
                .graph
                .scripts()
                .map(|script| format!("{} {:?}", script.id, facts.graph.parents(&script.id)))
                .collect();
            parts.sort_unstable();
        }
    }
    Ok(digest(parts.join("\n").as_bytes()))
}

/// The seed's rows that are put in while these revisions are applied.
fn seeds(ctx: &Ctx, facts: &Facts, prefix: &[String]) -> Result<String> {
    let seeds = seed::read(ctx, facts)?;
    let moments = [None].into_iter().chain(prefix.iter().map(|id| Some(id.as_str())));
    let texts: Vec<Vec<String>> = moments.map(|at| seeds.at(at)).collect();
    Ok(digest(json!(texts).to_string().as_bytes()))
}

/// Folders that git ignores hold what programs have made; only code in them counts.
fn ignored(ctx: &Ctx) -> Result<HashSet<PathBuf>> {
    let root = &ctx.project()?.root;
    let Ok(Some(repo)) = Repo::find(&ctx.ui, root) else { return Ok(HashSet::new()) };
    Ok(repo.ignored_folders(root)?.into_iter().filter(|folder| folder != root).collect())
}

/// The variables of the environment that count.
fn environment(all: impl Iterator<Item = (std::ffi::OsString, std::ffi::OsString)>) -> Vec<(String, String)> {
    let text = |word: std::ffi::OsString| word.to_string_lossy().into_owned();
    let counts = |name: &str| {
        let harmless = HARMLESS.contains(&name) || HARMLESS_STARTS.iter().any(|start| name.starts_with(start));
        (!harmless || OF_THE_SESSION.contains(&name))
            && !SECRET.iter().any(|word| name.to_ascii_uppercase().contains(word))
    };
    let mut left: Vec<_> =
        all.map(|(name, value)| (text(name), text(value))).filter(|(name, _)| counts(name)).collect();
    left.sort_unstable();
    left
}

/// The part of the URL that changes the session and not where it connects: `options=-csearch_path=app` decides where
/// tables land.
fn url_options(url: &DbUrl) -> String {
    let target = url.target();
    digest(format!("{:?} {}", target.options, target.user).as_bytes())
}

#[cfg(test)]
mod tests {
    use super::environment;

    #[test]
    fn of_the_environment_counts_what_may_matter() {
        let all = [
            ("BACKEND_MODE", "dev"),
            ("PWD", "/x"),
            ("DB_PASSWORD", "x"),
            ("CARGO_PKG_NAME", "x"),
            ("LANG", "C"),
            ("PGHOST", "x"),
            ("PGOPTIONS", "-csearch_path=app"),
            ("api_token", "x"),
        ];
        let left = environment(all.iter().map(|(name, value)| ((*name).into(), (*value).into())));
        let names: Vec<&str> = left.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["BACKEND_MODE", "LANG", "PGOPTIONS"]);
    }
}
