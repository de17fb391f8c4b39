//! Runs the component's baseline command, which makes a fresh database where the history does not run from empty. The
//! command gets a config of its own that names the database to fill.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::ctx::Ctx;
use crate::fail::{Fail, Kind};
use crate::model::action::own;
use crate::model::url::DbUrl;
use crate::sys::alembic_ini::AlembicConfig;
use crate::sys::files;
use crate::sys::python::MANAGED_VARIABLE;
use crate::sys::run::Cmd;

/// Runs it on the database of `url`; in `tree`, where an older state of the project lies, else in the project itself. A
/// password goes by environment.
///
/// # Errors
/// `config-invalid` with the command's last words where it fails.
pub fn run(ctx: &Ctx, config: &AlembicConfig, command: &[String], url: &DbUrl, tree: Option<&Path>) -> Result<()> {
    let project = ctx.project()?;
    let root = tree.unwrap_or(&project.root);
    let config = TemporaryConfig::write(config, &project.root, root, &project.state_dir, url)?;
    let path = config.path.display().to_string();
    let words: Vec<String> = command.iter().map(|word| word.replace("{config}", &path)).collect();
    let (program, args) = words.split_first().context("an empty baseline command")?;
    let program = if program.contains('/') { root.join(program) } else { PathBuf::from(program) };
    let mut cmd = Cmd::new(program, root).args(args);
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
        .action("Put right what the command complains about, or name another one: `baseline` of the component in Cargo.toml")
        .related(own("doctor"))
        .into())
}

/// A copy of the component's config with another URL, gone when the value goes.
struct TemporaryConfig {
    path: PathBuf,
}

impl TemporaryConfig {
    /// `%(here)s` becomes the folder in `tree` that the config has in the project at `root`.
    fn write(config: &AlembicConfig, root: &Path, tree: &Path, folder: &Path, url: &DbUrl) -> Result<TemporaryConfig> {
        let (original, line) = config.place("sqlalchemy.url");
        let text = files::read_text(original)?;
        let here = original.parent().unwrap_or(Path::new("."));
        let here = here.strip_prefix(root).map_or_else(|_| here.to_owned(), |inside| tree.join(inside));
        let text = with_url(&text, line, url.without_password().to_sqlalchemy().expose());
        let text = text.replace("%(here)s", &here.display().to_string().replace('%', "%%"));
        let config = TemporaryConfig { path: folder.join(format!("baseline-{}.ini", std::process::id())) };
        files::write_private(&config.path, text.as_bytes())?;
        Ok(config)
    }
}

impl Drop for TemporaryConfig {
    fn drop(&mut self) {
        files::remove(&self.path);
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
