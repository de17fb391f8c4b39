//! `db-status`: current revision, head, pending migrations, state. Reads the scripts, asks the database one question,
//! starts no Python and changes nothing.

use anyhow::{Result, anyhow};
use serde_json::{Value, json};

use crate::cmd::advice;
use crate::ctx::{Ctx, Database, version_table};
use crate::fail::{Exit, Fail, from_anyhow};
use crate::flags;
use crate::model::graph::Graph;
use crate::model::status::{Revision, Standing, State};
use crate::report::json::revisions;
use crate::report::table::table;
use crate::sys::pg::{Db, application_name};
use crate::sys::project::Component;
use crate::ui::Paint;

/// What is known of one component; `standing` is missing only where its files cannot be read.
struct Report<'a> {
    component: &'a Component,
    standing: Option<Standing>,
    server: Option<String>,
    error: Option<Fail>,
}

/// The version table's rows, and where they were asked for.
type Said = (Vec<String>, String);

/// Runs it.
///
/// # Errors
/// Whatever keeps a component from being looked at; with several, the first one's.
pub fn run(ctx: &Ctx, flags: &flags::DbStatus) -> Result<Exit> {
    let reports = gather(ctx, flags)?;
    let exit = exit(flags, &reports);
    let error = reports.iter().find_map(|report| report.error.clone());
    let fields = json!({"components": reports.iter().map(component_json).collect::<Vec<_>>()});
    ctx.ui.json("db-status", exit, fields, error.as_ref());
    if flags.all {
        ctx.ui.answer(overview(&reports));
    }
    for report in &reports {
        if let (Some(standing), false) = (&report.standing, flags.all) {
            ctx.ui.answer(one(ctx, report, standing));
        }
        if let Some(fail) = &report.error {
            ctx.ui.error(fail);
        }
    }
    Ok(exit)
}

fn gather<'a>(ctx: &'a Ctx, flags: &flags::DbStatus) -> Result<Vec<Report<'a>>> {
    let components: Vec<&Component> =
        if flags.all { ctx.project()?.components.iter().collect() } else { vec![ctx.component()?] };
    let reports = std::thread::scope(|scope| {
        let looks: Vec<_> = components.iter().map(|component| scope.spawn(|| look(ctx, component))).collect();
        looks
            .into_iter()
            .zip(&components)
            .map(|(look, component)| look.join().map_err(|_| component.name.clone()))
            .collect()
    });
    let reports: Result<Vec<Report>, String> = reports;
    reports.map_err(|name| anyhow!("looking at {name} broke off"))
}

fn look<'a>(ctx: &'a Ctx, component: &'a Component) -> Report<'a> {
    let mut report = Report { component, standing: None, server: None, error: None };
    match read_and_ask(ctx, component) {
        Err(error) => report.error = Some(from_anyhow(&error)),
        Ok((graph, Ok((applied, server)))) => {
            report.standing = Some(Standing::new(&graph, &applied));
            report.server = Some(server);
        }
        Ok((graph, Err(error))) => {
            report.standing = Some(Standing::unreachable(&graph));
            report.error = Some(from_anyhow(&error));
        }
    }
    report
}

/// Where a component's database stands.
///
/// # Errors
/// Whatever keeps its files from being read or its database from being asked.
pub fn standing(ctx: &Ctx, component: &Component) -> Result<Standing> {
    let (graph, said) = read_and_ask(ctx, component)?;
    Ok(Standing::new(&graph, &said?.0))
}

/// The history, and what the database says. The server is asked while the scripts are read: letting somebody in takes
/// it nearly as long.
fn read_and_ask(ctx: &Ctx, component: &Component) -> Result<(Graph, Result<Said>)> {
    let config = ctx.config(component)?;
    std::thread::scope(|scope| {
        let asking = scope.spawn(|| ctx.database(&config).map(|database| ask(&database, component)));
        let graph = ctx.history(&config);
        let said = asking.join().map_err(|_| anyhow!("asking the database broke off"))?;
        Ok((graph?, said?))
    })
}

/// The version table's rows, and the server's version for the report. On the embedded server a database that is not
/// there yet is one without a revision: the first migrate makes it.
fn ask(database: &Database, component: &Component) -> Result<Said> {
    let connected = Db::connect(&database.url, &application_name("db-status"));
    let mut db = match connected {
        Err(error) if database.embedded && advice::is_database_missing(&error) => {
            return Ok((Vec::new(), "not made yet".to_owned()));
        }
        connected => connected?,
    };
    let applied = db.applied(&version_table(component))?;
    let server = database.remark.clone().unwrap_or_else(|| format!("PostgreSQL {}", db.server_version().text));
    Ok((applied.revisions, format!("{}, {server}", database.place())))
}

fn exit(flags: &flags::DbStatus, reports: &[Report]) -> Exit {
    let unreadable = reports.iter().any(|report| report.standing.is_none());
    let all_good = reports.iter().all(|report| report.standing.as_ref().is_some_and(|it| it.state == State::UpToDate));
    let failed = reports.iter().any(|report| report.error.is_some());
    match () {
        () if unreadable => Exit::Failed,
        () if flags.check && !all_good => Exit::Findings,
        () if failed => Exit::Failed,
        () => Exit::Done,
    }
}

fn component_json(report: &Report) -> Value {
    let standing = report.standing.as_ref();
    let list = |pick: fn(&Standing) -> Value| standing.map_or_else(|| json!([]), pick);
    json!({
        "component": report.component.name,
        "state": standing.map(|standing| standing.state.name()),
        "current": list(|standing| revisions(&standing.current)),
        "heads": list(|standing| revisions(&standing.heads)),
        "pending": list(|standing| revisions(&standing.pending)),
        "unknown": list(|standing| json!(standing.unknown)),
        "server": report.server,
        "error": report.error.as_ref().map(Fail::to_json),
    })
}

fn one(ctx: &Ctx, report: &Report, standing: &Standing) -> String {
    let (paint, headline) = headline(standing);
    let mut lines = vec![ctx.ui.paint(paint, &headline), String::new()];
    lines.push(format!("Component: {}", report.component.name));
    if standing.state != State::Unreachable {
        lines.push(named("Current Revision", &standing.current));
    }
    lines.push(named("Head Revision", &standing.heads));
    if let Some(server) = &report.server {
        lines.push(format!("Database: {server}"));
    }
    lines.push(String::new());
    lines.extend(status(standing));
    let flag = ctx.component_flag(report.component);
    if let Some(action) = action(standing, &flag) {
        lines.push(String::new());
        lines.push(format!("Recommended action: {action}"));
    }
    lines.join("\n").trim_end().to_owned()
}

fn headline(standing: &Standing) -> (Paint, String) {
    let (paint, text) = match standing.state {
        State::UpToDate => (Paint::Good, "✅ Database is up-to-date"),
        State::Behind => (Paint::Warn, "⚠️  Database is behind"),
        State::NoRevision => (Paint::Warn, "⚠️  Database has no revision yet"),
        State::Diverged => (Paint::Bad, "❌ Diverged heads"),
        State::UnknownRevision => (Paint::Bad, "❌ Database is at a revision that no file has"),
        State::Unreachable => (Paint::Bad, "❌ Database cannot be asked"),
    };
    (paint, text.to_owned())
}

fn named(label: &str, revisions: &[Revision]) -> String {
    match revisions {
        [] => format!("{label}: (none)"),
        [one] => format!("{label}: {}", one.with_message()),
        several => {
            let lines = several.iter().map(|revision| format!("\n  - {}", revision.with_message()));
            format!("{label}s:{}", lines.collect::<String>())
        }
    }
}

fn status(standing: &Standing) -> Vec<String> {
    if standing.state == State::Unreachable {
        return Vec::new();
    }
    if !standing.unknown.is_empty() {
        return vec![format!("Status: unknown to this checkout: {}.", standing.unknown.join(", "))];
    }
    let pending = standing.pending.len();
    let mut lines = vec![match pending {
        0 => "Status: no migrations pending.".to_owned(),
        1 => "Status: 1 migration pending.".to_owned(),
        _ => format!("Status: {pending} migrations pending."),
    }];
    lines.extend(standing.pending.iter().map(|revision| format!("  - {}", revision.with_message())));
    lines
}

fn action(standing: &Standing, flag: &str) -> Option<String> {
    match standing.state {
        State::UpToDate | State::Unreachable => None,
        State::Behind | State::NoRevision if standing.pending.is_empty() => None,
        State::Behind | State::NoRevision => Some(format!("cargo xtask db-migrate{flag}")),
        State::Diverged => Some(advice::one_head_again(flag)),
        State::UnknownRevision => Some(advice::find_revision(&standing.unknown)),
    }
}

fn overview(reports: &[Report]) -> String {
    let rows: Vec<Vec<String>> = reports.iter().map(overview_row).collect();
    table(&["Component", "State", "Current", "Head", "Pending"], &rows)
}

/// `?` stands for what could not be asked, `-` for what is not there.
fn overview_row(report: &Report) -> Vec<String> {
    let name = report.component.name.clone();
    let unknown = || "?".to_owned();
    let Some(standing) = &report.standing else {
        return vec![name, "unreadable".to_owned(), unknown(), unknown(), unknown()];
    };
    let asked = standing.state != State::Unreachable;
    vec![
        name,
        standing.state.name().to_owned(),
        if asked { ids(&standing.current) } else { unknown() },
        ids(&standing.heads),
        if asked { standing.pending.len().to_string() } else { unknown() },
    ]
}

fn ids(revisions: &[Revision]) -> String {
    let ids: Vec<&str> = revisions.iter().map(|revision| revision.id.as_str()).collect();
    if ids.is_empty() { "-".to_owned() } else { ids.join(", ") }
}
