//! How the throwaway database comes to be: a clone of the component's, one made by the component's baseline command, or
//! an empty one that is upgraded. The way matters for what is found, so every report names it.

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::Facts;
use crate::cmd::advice;
use crate::ctx::{Ctx, version_table};
use crate::fail::{Fail, Kind, refuse};
use crate::model::url::DbUrl;
use crate::sys::pg::{Db, Making, Scratch, application_name};
use crate::sys::python::MANAGED_VARIABLE;
use crate::sys::run::Cmd;

/// The database and how it came to be.
pub struct Baseline {
    pub scratch: Scratch,
    /// For the report: `clone of backend`, `empty, upgraded`, `made by ./backend.ai mgr schema …`.
    pub words: String,
    /// Whether it can be made again at any revision: only what began empty can.
    pub from_empty: bool,
    /// Whether its rows are the component's own.
    pub is_clone: bool,
}

/// Makes the database.
pub fn make(ctx: &Ctx, facts: &Facts) -> Result<Baseline> {
    let making = making(ctx, facts);
    if let Some(baseline) = clone(ctx, facts, &making)? {
        return Ok(baseline);
    }
    let admin = &facts.database.url;
    let scratch = Scratch::empty(admin, &making)?;
    let Some(command) = &facts.component.baseline else {
        return Ok(Baseline { scratch, words: "empty, upgraded".to_owned(), from_empty: true, is_clone: false });
    };
    let _task = ctx.ui.task(format!("Making a database: {}", command.join(" ")));
    run_command(ctx, facts, command, scratch.url())?;
    let mut db = Db::connect(scratch.url(), &application_name("db-roundtrip"))?;
    if db.applied(&version_table(facts.component))?.revisions.is_empty() {
        return Err(Fail::new(Kind::ConfigInvalid, "The baseline command left the database without a revision")
            .details(command.join(" "))
            .action("Run it by hand and look at what it says; it must end with a stamped database")
            .action("Or leave it out of Cargo.toml: the database is then made from empty by upgrade")
            .into());
    }
    Ok(Baseline { scratch, words: format!("made by `{}`", command.join(" ")), from_empty: false, is_clone: false })
}

/// Another database just like this one, which nobody has worked on yet.
pub fn again(ctx: &Ctx, facts: &Facts, first: &Baseline) -> Result<Baseline> {
    let making = making(ctx, facts);
    let scratch = if first.from_empty {
        Scratch::empty(&facts.database.url, &making)?
    } else {
        Scratch::clone_of(&facts.database.url, first.scratch.name(), &making)?
    };
    Ok(Baseline { scratch, words: first.words.clone(), ..*first })
}

/// An empty database on the same server, for starting again at a lower revision.
pub fn empty(ctx: &Ctx, facts: &Facts) -> Result<Scratch> {
    Scratch::empty(&facts.database.url, &making(ctx, facts))
}

fn making<'a>(ctx: &'a Ctx, facts: &'a Facts) -> Making<'a> {
    Making { ui: &ctx.ui, why: "round trip", file_copy: facts.database.embedded, tools: &facts.database.tools }
}

/// The component's database, if it is there and at a revision that this checkout knows.
fn clone(ctx: &Ctx, facts: &Facts, making: &Making) -> Result<Option<Baseline>> {
    let url = &facts.database.url;
    let applied = match Db::connect(url, &application_name("db-roundtrip")) {
        Err(error) if advice::is_database_missing(&error) => return Ok(None),
        Err(error) => return Err(refuse(error)),
        Ok(mut db) => db.applied(&version_table(facts.component)).map_err(refuse)?.revisions,
    };
    if applied.is_empty() {
        return Ok(None);
    }
    let unknown = facts.graph.unknown(&applied);
    if !unknown.is_empty() {
        ctx.ui.warn(format!(
            "{} holds {}, which no file has; it is not cloned",
            facts.database.place(),
            unknown.join(", ")
        ));
        return Ok(None);
    }
    let _task = ctx.ui.task(format!("Cloning {}", facts.database.place()));
    let name = &url.target().database;
    let scratch = Scratch::clone_of(url, name, making)?;
    let words = format!("clone of {} at {}", facts.database.place(), applied.join(", "));
    Ok(Some(Baseline { scratch, words, from_empty: false, is_clone: true }))
}

/// Runs the baseline command with a config of its own that names the scratch database. A password goes by environment.
fn run_command(ctx: &Ctx, facts: &Facts, command: &[String], url: &DbUrl) -> Result<()> {
    let project = ctx.project()?;
    let config = TemporaryConfig::write(facts, &project.state_dir, url)?;
    let path = config.path.display().to_string();
    let words: Vec<String> = command.iter().map(|word| word.replace("{config}", &path)).collect();
    let (program, args) = words.split_first().context("an empty baseline command")?;
    let program = if program.contains('/') { project.root.join(program) } else { PathBuf::from(program) };
    let mut cmd = Cmd::new(program, &project.root).args(args);
    if let Some(python) = &ctx.python()?.managed {
        cmd = cmd.env(MANAGED_VARIABLE, python);
    }
    if let Some(password) = url.target().endpoints.first().and_then(|endpoint| endpoint.password.as_ref()) {
        cmd = cmd.secret_env("PGPASSWORD", password.expose());
    }
    let done = cmd.capture(&ctx.ui)?;
    if done.status.success() {
        return Ok(());
    }
    Err(Fail::new(Kind::ConfigInvalid, "The baseline command failed")
        .details(format!("`{}` ended with {}", cmd.line(), done.status))
        .details(done.last_lines())
        .action("Correct `baseline` in Cargo.toml, or what the command complains about")
        .related("cargo xtask doctor")
        .into())
}

/// A copy of the component's config with another URL, gone when the value goes.
struct TemporaryConfig {
    path: PathBuf,
}

impl TemporaryConfig {
    fn write(facts: &Facts, folder: &Path, url: &DbUrl) -> Result<TemporaryConfig> {
        let (original, line) = facts.config.place("sqlalchemy.url");
        let text = std::fs::read_to_string(original).with_context(|| format!("reading {}", original.display()))?;
        let here = original.parent().unwrap_or(Path::new("."));
        let text = with_url(&text, line, url.without_password().to_sqlalchemy().expose());
        let text = text.replace("%(here)s", &here.display().to_string().replace('%', "%%"));
        std::fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
        let config = TemporaryConfig { path: folder.join(format!("baseline-{}.ini", std::process::id())) };
        let mut file = std::fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&config.path)
            .with_context(|| format!("writing {}", config.path.display()))?;
        file.write_all(text.as_bytes())?;
        Ok(config)
    }
}

impl Drop for TemporaryConfig {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

/// The text with the option in `line` (from 1), and the lines that continue it, replaced.
fn with_url(text: &str, line: Option<usize>, url: &str) -> String {
    let at = line.map_or(usize::MAX, |line| line - 1);
    let mut out = Vec::new();
    let mut inside = false;
    for (number, old) in text.lines().enumerate() {
        inside = number == at || (inside && old.starts_with([' ', '\t']) && !old.trim().is_empty());
        if number == at {
            out.push(format!("sqlalchemy.url = {}", url.replace('%', "%%")));
        } else if !inside {
            out.push(old.to_owned());
        }
    }
    out.join("\n") + "\n"
}

#[cfg(test)]
mod tests {
    #[test]
    fn only_the_url_is_replaced() {
        let text =
            "[alembic]\nscript_location = x\nsqlalchemy.url = postgresql://a\n  more\n\n[loggers]\nkeys = root\n";
        let new = super::with_url(text, Some(3), "postgresql://b/%41");
        assert_eq!(
            new,
            "[alembic]\nscript_location = x\nsqlalchemy.url = postgresql://b/%%41\n\n[loggers]\nkeys = root\n"
        );
    }
}
