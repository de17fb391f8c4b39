//! `doctor`: each tool, version, config and connection: a line and a fix each. Changes nothing, starts no server.

use std::path::Path;

use anyhow::Result;
use serde_json::{Value, json};

use crate::ctx::{Ctx, Database};
use crate::fail::{Exit, Fail, from_anyhow};
use crate::flags::Doctor;
use crate::model::action::own;
use crate::sys::backup::shelf;
use crate::sys::pg::{Db, Templates, application_name, swap};
use crate::sys::project::Component;
use crate::sys::run::Cmd;
use crate::sys::server;
use crate::sys::settings::Server;
use crate::sys::warm;
use crate::ui::Paint;
use crate::work::advice;

/// One line of the report.
struct Line {
    name: String,
    result: Result<String, Box<Fail>>,
    /// Whether the work stops without it.
    needed: bool,
}

/// Runs it.
///
/// # Errors
/// None of its own: what is missing is its answer (exit 4 when something that is needed is).
pub fn run(ctx: &Ctx, _flags: Doctor) -> Result<Exit> {
    let lines = gather(ctx);
    let missing = lines.iter().any(|line| line.needed && line.result.is_err());
    let exit = if missing { Exit::Findings } else { Exit::Done };
    ctx.ui.json(
        "doctor",
        exit,
        json!({"checks": lines.iter().map(|line| to_json(ctx, line)).collect::<Vec<_>>()}),
        None,
    );
    for line in &lines {
        ctx.ui.answer(text(ctx, line));
    }
    Ok(exit)
}

fn gather(ctx: &Ctx) -> Vec<Line> {
    let mut lines = vec![Line { name: "git".into(), result: git(ctx), needed: false }];
    let project = ctx.project().map_err(boxed);
    lines.push(Line {
        name: "project".into(),
        result: project.as_ref().map(|project| project.root.display().to_string()).map_err(Clone::clone),
        needed: true,
    });
    let Ok(project) = project else { return lines };
    lines.push(Line { name: "python".into(), result: python(ctx).map_err(boxed), needed: true });
    lines.extend(warm_python(&project.root));
    lines.push(Line { name: "postgresql".into(), result: postgresql(ctx).map_err(boxed), needed: true });
    for component in &project.components {
        let name = |part: &str| format!("{} {part}", component.name);
        lines.push(Line { name: name("config"), result: config(ctx, component).map_err(boxed), needed: true });
        lines.push(Line { name: name("scripts"), result: scripts(ctx, component).map_err(boxed), needed: true });
        lines.push(Line { name: name("database"), result: database(ctx, component).map_err(boxed), needed: true });
    }
    lines.push(Line { name: "backups".into(), result: backups(ctx).map_err(boxed), needed: false });
    lines
}

/// The warm Pythons of the project; no line where there are none.
fn warm_python(root: &Path) -> Option<Line> {
    let words = |parent: warm::Parent| {
        let state = parent.changed.map(|path| format!(", no longer used: {path} has changed"));
        format!(
            "process {}, {:.0} s old, by {} files and folders{}",
            parent.pid,
            parent.seconds,
            parent.looks,
            state.unwrap_or_default()
        )
    };
    let all: Vec<String> = warm::of_project(root).into_iter().map(words).collect();
    (!all.is_empty()).then(|| Line { name: "warm python".into(), result: Ok(all.join("; ")), needed: false })
}

/// How many there are and what they take, and what killed runs have left.
fn backups(ctx: &Ctx) -> Result<String> {
    let root = &ctx.project()?.root;
    let all = shelf::list(root)?;
    let bytes: u64 = all.iter().map(|entry| entry.bytes).sum();
    let mut text = format!("{}, {} MB, in {}", all.len(), bytes >> 20, shelf::folder(root).display());
    let (count, bytes) = shelf::parts(root);
    if count > 0 {
        text.push_str(&format!(
            "; half-written: {count}, {} MB (the next backup removes what a killed run left)",
            bytes >> 20
        ));
    }
    Ok(text)
}

fn boxed(error: anyhow::Error) -> Box<Fail> {
    Box::new(from_anyhow(&error))
}

fn git(ctx: &Ctx) -> Result<String, Box<Fail>> {
    let said = Cmd::new("git", "/").arg("--version").read(&ctx.ui).map_err(boxed)?;
    Ok(said.trim().to_owned())
}

fn python(ctx: &Ctx) -> Result<String> {
    let python = ctx.python()?;
    python.require_alembic(&ctx.ui, ctx.project()?)?;
    let code = "import sys, alembic, sqlalchemy; \
                print(sys.version.split()[0], alembic.__version__, sqlalchemy.__version__)";
    let said = python.cmd(ctx.project()?).args(["-c", code]).read(&ctx.ui)?;
    let versions: Vec<&str> = said.split_whitespace().collect();
    let [python_version, alembic, sqlalchemy] = versions.as_slice() else {
        anyhow::bail!("{} answered {:?}", python.path.display(), said.trim());
    };
    let origin = python.origin.words();
    let path = python.path.display();
    Ok(format!("{path} (from {origin}): Python {python_version}, Alembic {alembic}, SQLAlchemy {sqlalchemy}"))
}

fn postgresql(ctx: &Ctx) -> Result<String> {
    if ctx.server()? == Server::Configured {
        return Ok("the one in each config's sqlalchemy.url".to_owned());
    }
    let states = server::states(&ctx.ui, &ctx.home()?)?;
    let words: Vec<String> = states
        .iter()
        .map(|state| {
            let up = if state.running.is_some() { "running" } else { "not running" };
            format!("{}, {up}", state.binaries.summary())
        })
        .collect();
    Ok(if words.is_empty() {
        "embedded, not started yet".to_owned()
    } else {
        format!("embedded: {}", words.join("; "))
    })
}

fn config(ctx: &Ctx, component: &Component) -> Result<String> {
    let config = ctx.config(component)?;
    Ok(config.path.display().to_string())
}

fn scripts(ctx: &Ctx, component: &Component) -> Result<String> {
    let config = ctx.config(component)?;
    let graph = ctx.history(&config)?;
    let heads = graph.heads().join(", ");
    let (count, plural) = (graph.len(), if graph.len() == 1 { "" } else { "s" });
    Ok(format!("{count} revision{plural}, head {heads}, in {}", config.script_location.display()))
}

fn database(ctx: &Ctx, component: &Component) -> Result<String> {
    if ctx.server()? == Server::Embedded && server::states(&ctx.ui, &ctx.home()?)?.iter().all(|it| it.running.is_none())
    {
        return Ok("on the embedded server, which is started when it is needed".to_owned());
    }
    let database = ctx.database(&ctx.config(component)?)?;
    match Db::connect(&database.url, &application_name("doctor")) {
        Err(error) if database.embedded && advice::is_database_missing(&error) => {
            Ok(format!("{}: made by the first db-migrate", database.place()))
        }
        Err(error) => Err(error),
        Ok(db) => {
            let cached = cached(ctx, &database, component);
            let kept = put_aside(ctx, &database);
            Ok(format!("{} (PostgreSQL {}){cached}{kept}", database.place(), db.server_version().text))
        }
    }
}

/// What round trips have left there for the next one.
fn cached(ctx: &Ctx, database: &Database, component: &Component) -> String {
    let all = Templates::open(database.maker()).and_then(|mut templates| templates.list()).unwrap_or_default();
    let sizes: Vec<u64> =
        all.iter().filter(|one| one.component == component.name).map(|template| template.bytes).collect();
    if sizes.is_empty() {
        return String::new();
    }
    let drop = ctx.ui.shown(own("db-roundtrip").of(&component.name).word("--clear-cache"));
    format!("; cached baselines: {}, {} MB; drop them: {drop}", sizes.len(), sizes.iter().sum::<u64>() >> 20)
}

/// What restores have put aside, and nothing drops by itself.
fn put_aside(ctx: &Ctx, database: &Database) -> String {
    let all = swap::kept(&database.url).unwrap_or_default();
    if all.is_empty() {
        return String::new();
    }
    let bytes: u64 = all.iter().filter_map(|it| it.bytes).sum();
    let list = ctx.ui.shown(own("db-backup").word("--list"));
    format!("; put aside by restores: {}, {} MB (which, and how to drop them: {list})", all.len(), bytes >> 20)
}

fn text(ctx: &Ctx, line: &Line) -> String {
    match &line.result {
        Ok(text) => format!("{} {}: {text}", ctx.ui.paint(Paint::Good, "✅"), line.name),
        Err(fail) => {
            let mut text = format!("{} {}: {}", ctx.ui.paint(Paint::Bad, "❌"), line.name, fail.summary);
            for more in fail.details.lines() {
                text.push_str(&format!("\n     {more}"));
            }
            if let Some(action) = fail.shown_actions(ctx.ui.around()).first() {
                text.push_str(&format!("\n     fix: {action}"));
            }
            text
        }
    }
}

fn to_json(ctx: &Ctx, line: &Line) -> Value {
    json!({
        "name": line.name,
        "ok": line.result.is_ok(),
        "needed": line.needed,
        "text": line.result.as_ref().ok(),
        "error": line.result.as_ref().err().map(|fail| ctx.ui.error_json(fail)),
    })
}
