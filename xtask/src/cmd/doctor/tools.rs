//! Checks the programs that the commands run: git, Python with its packages, PostgreSQL's programs, Docker.

use anyhow::{Context, Result};
use serde_json::Value;

use super::line;
use crate::ctx::Ctx;
use crate::model::action::{Action, program};
use crate::model::check::{Check, State};
use crate::model::url::{DbUrl, Driver};
use crate::sys::python::Origin;
use crate::sys::run::Cmd;
use crate::sys::server;
use crate::sys::settings::Server;
use crate::sys::warm;
use crate::work::services;

/// Versions as the packages say them themselves: importing them would take ten times as long.
const VERSIONS: &str = "import json, sys\n\
    from importlib import metadata\n\
    def version(name):\n    \
        try: return metadata.version(name)\n    \
        except metadata.PackageNotFoundError: return None\n\
    names = ['alembic', 'SQLAlchemy', 'asyncpg', 'psycopg', 'psycopg2', 'psycopg2-binary', 'pg8000']\n\
    print(json.dumps({'python': sys.version.split()[0], **{name: version(name) for name in names}}))";

const NOT_MADE: &str = "none yet: the first command that needs one makes an environment";

pub fn git(ctx: &Ctx) -> Vec<Check> {
    let said = || -> Result<Check> {
        let said = Cmd::new("git", "/").arg("--version").read(&ctx.ui)?;
        let place = which::which("git").map(|path| format!(", {}", path.display())).unwrap_or_default();
        Ok(Check::ok("git", format!("{}{place}", said.trim())))
    };
    line("git", said())
}

pub fn project(ctx: &Ctx) -> Vec<Check> {
    line("project", ctx.project().map(|project| Check::ok("project", project.root.display().to_string())))
}

pub fn python(ctx: &Ctx) -> Vec<Check> {
    line("python", versions(ctx))
}

fn versions(ctx: &Ctx) -> Result<Check> {
    const NAME: &str = "python";
    let project = ctx.project()?;
    let is_made_for_it = project.requirements.is_some() || ctx.server()? == Server::Embedded;
    let python = match ctx.look_for_python(project) {
        Err(_) if is_made_for_it => return Ok(Check::ok(NAME, NOT_MADE)),
        Ok(python)
            if python.origin == Origin::Project && project.requirements.is_some() && python.managed.is_none() =>
        {
            return Ok(Check::ok(NAME, NOT_MADE));
        }
        found => found?,
    };
    python.require_alembic(&ctx.ui, project)?;
    let said = python.cmd(project).args(["-c", VERSIONS]).read(&ctx.ui)?;
    let said: Value =
        serde_json::from_str(said.trim()).with_context(|| format!("{} answered {said:?}", python.path.display()))?;
    let place = format!("{} (from {})", python.path.display(), python.origin.words());
    Ok(match told(&said, &drivers(ctx)) {
        (text, None) => Check::ok(NAME, format!("{place}: {text}")),
        (text, Some(package)) => {
            let why = format!("{place}: {text}\nThe driver of the database's URL is not there: {package}");
            let install = program([python.path.display().to_string()]).words(["-m", "pip", "install", package]);
            Check::failed(NAME, why).fix(Action::run("Install it", install))
        }
    })
}

/// The versions, and the package of the first driver that is not there.
fn told(said: &Value, wanted: &[Driver]) -> (String, Option<&'static str>) {
    let of = |name: &str| said[name].as_str();
    let has = |driver: &Driver| names(*driver).iter().find_map(|name| Some(format!("{name} {}", of(name)?)));
    let known = [("Python", "python"), ("Alembic", "alembic"), ("SQLAlchemy", "SQLAlchemy")];
    let known = known.map(|(shown, name)| format!("{shown} {}", of(name).unwrap_or("?")));
    let all: Vec<String> = known.into_iter().chain(wanted.iter().filter_map(has)).collect();
    let missing = wanted.iter().find(|driver| has(driver).is_none());
    (all.join(", "), missing.map(|driver| names(*driver)[0]))
}

fn names(driver: Driver) -> &'static [&'static str] {
    match driver {
        Driver::Asyncpg => &["asyncpg"],
        Driver::Psycopg => &["psycopg"],
        Driver::Psycopg2 => &["psycopg2", "psycopg2-binary"],
        Driver::Pg8000 => &["pg8000"],
    }
}

/// The drivers that the components' URLs name, as far as they are known without starting anything.
fn drivers(ctx: &Ctx) -> Vec<Driver> {
    let mut all = Vec::new();
    let components = ctx.project().map(|project| project.components.as_slice()).unwrap_or_default();
    for component in components {
        let config = ctx.config(component).ok();
        let url = config.and_then(|config| config.url().ok()).and_then(|url| DbUrl::parse(&url).ok());
        if let Some(driver) = url.map(|url| url.driver()).filter(|driver| !all.contains(driver)) {
            all.push(driver);
        }
    }
    all
}

/// The warm Pythons of the project; no line where there are none.
pub fn warm_python(ctx: &Ctx) -> Vec<Check> {
    let words = |parent: warm::Parent| {
        let state = parent.changed.map(|path| format!(", no longer used: {path} has changed")).unwrap_or_default();
        let (pid, seconds, looks) = (parent.pid, parent.seconds, parent.looks);
        format!("process {pid}, {seconds:.0} s old, by {looks} files and folders{state}")
    };
    let all = ctx.project().map(|project| warm::of_project(&project.root)).unwrap_or_default();
    let all: Vec<String> = all.into_iter().map(words).collect();
    if all.is_empty() { Vec::new() } else { vec![Check::ok("warm python", all.join("; "))] }
}

pub fn postgresql(ctx: &Ctx) -> Vec<Check> {
    let found = || -> Result<Check> {
        if ctx.server()? == Server::Configured {
            return Ok(Check::ok("postgresql", "the one that each component's URL names"));
        }
        let states = server::states(&ctx.ui, &ctx.home()?)?;
        let words = states.iter().map(|state| {
            let up = if state.running.is_some() { "running" } else { "not running" };
            format!("{}, {up}", state.binaries.summary())
        });
        let words: Vec<String> = words.collect();
        let text = if words.is_empty() { "not started yet".to_owned() } else { words.join("; ") };
        Ok(Check::ok("postgresql", format!("embedded: {text}")))
    };
    line("postgresql", found())
}

/// Docker, where a compose file says that servers run in it. The server may be elsewhere all the same.
pub fn docker(ctx: &Ctx) -> Vec<Check> {
    let Ok(project) = ctx.project() else { return Vec::new() };
    let Some(compose) = services::any_compose_file(&project.root) else { return Vec::new() };
    let check = services::docker_daemon(&ctx.ui, &project.root, "docker");
    let state = if check.state == State::Failed { State::Warning } else { check.state };
    vec![Check { detail: format!("{}; {compose} is here", check.detail), state, ..check }]
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn versions_and_a_driver_that_is_not_there() {
        let said = json!({"python": "3.13.1", "alembic": "1.13.2", "SQLAlchemy": "2.0", "psycopg2-binary": "2.9"});
        let (text, missing) = told(&said, &[Driver::Psycopg2]);
        assert_eq!(
            (text.as_str(), missing),
            ("Python 3.13.1, Alembic 1.13.2, SQLAlchemy 2.0, psycopg2-binary 2.9", None)
        );
        assert_eq!(told(&said, &[Driver::Psycopg2, Driver::Asyncpg]).1, Some("asyncpg"));
    }
}
