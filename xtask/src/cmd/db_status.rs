//! `db-status`: current revision, head, pending migrations, state. Reads the scripts, asks the database one question,
//! starts no Python and changes nothing.

use anyhow::{Result, anyhow};
use serde_json::{Value, json};

use crate::ctx::{Ctx, Database, version_table};
use crate::fail::{Exit, Fail, from_anyhow};
use crate::flags;
use crate::model::action::{Action, own};
use crate::model::graph::Graph;
use crate::model::ledger::Ledger;
use crate::model::status::{Revision, Standing, State};
use crate::report::json::revisions;
use crate::report::table::table;
use crate::sys::pg::{Db, application_name};
use crate::sys::project::Component;
use crate::ui::Paint;
use crate::work::advice;
use crate::work::ledger::{self, Edited};
use crate::work::skipped::{self, AllSkipped};

/// What is known of one component; `standing` is missing only where its files cannot be read.
pub struct Report<'a> {
    /// Which one.
    pub component: &'a Component,
    /// Where files and database are.
    pub standing: Option<Standing>,
    implied: Told,
    /// What else than to migrate is the next thing to do.
    first: Option<Action>,
    /// Where the database is, and the server's version.
    pub server: Option<String>,
    /// Why one of the two could not be looked at.
    pub error: Option<Fail>,
}

impl Report<'_> {
    /// The revisions that the database counts as having run and never ran, as lines, and the commands that put it right;
    /// `None` where there are none.
    pub fn never_ran(&self) -> Option<(&[String], &[String])> {
        (!self.implied.implied.is_empty()).then_some((&self.implied.lines, &self.implied.commands))
    }
}

/// What there is to say about revisions that never ran, in words that need no history any more.
#[derive(Default)]
struct Told {
    implied: AllSkipped,
    edited: Vec<Edited>,
    lines: Vec<String>,
    json: Vec<Value>,
    commands: Vec<String>,
}

/// What the database said, and the session for further questions.
struct Said {
    applied: Vec<String>,
    ledger: Option<Ledger>,
    server: String,
    db: Option<Db>,
}

/// Runs it.
///
/// # Errors
/// Whatever keeps a component from being looked at; with several, the first one's.
pub fn run(ctx: &Ctx, flags: &flags::DbStatus) -> Result<Exit> {
    let reports = gather(ctx, flags)?;
    let exit = exit(flags, &reports);
    let error = reports.iter().find_map(|report| report.error.clone());
    let fields = json!({"components": reports.iter().map(|report| component_json(ctx, report)).collect::<Vec<_>>()});
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
    let components: Vec<&Component> = if flags.all { ctx.every_component()? } else { vec![ctx.component()?] };
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

/// Looks at one component.
pub fn look<'a>(ctx: &'a Ctx, component: &'a Component) -> Report<'a> {
    let mut report =
        Report { component, standing: None, implied: Told::default(), first: None, server: None, error: None };
    match read_and_ask(ctx, component) {
        Err(error) => report.error = Some(from_anyhow(&error).about(&component.name)),
        Ok((graph, Ok(said))) => {
            let standing = Standing::new(&graph, &said.applied);
            let mut said = said;
            report.first = said.db.as_mut().and_then(|db| first(ctx, component, &graph, &standing, db));
            report.standing = Some(standing);
            report.implied = told(ctx, component, &graph, said.db, said.ledger.as_ref(), &said.applied);
            report.server = Some(said.server);
        }
        Ok((graph, Err(error))) => {
            report.standing = Some(Standing::unreachable(&graph));
            report.error = Some(from_anyhow(&error).about(&component.name));
        }
    }
    report
}

fn first(ctx: &Ctx, component: &Component, graph: &Graph, standing: &Standing, db: &mut Db) -> Option<Action> {
    match standing.state {
        State::NoRevision => advice::first_step(ctx, component, graph, db),
        State::UnknownRevision => advice::deleted_here(ctx, &standing.unknown, component).map(|commit| {
            let why = format!(
                "Commit {} of this branch deleted its script: was the history squashed? If the database is as the new \
                 scripts make it, say so to Alembic",
                commit.short()
            );
            Action::run(why, advice::stamp_anew(ctx, component))
        }),
        _ => None,
    }
}

/// Where a component's database stands.
///
/// # Errors
/// Whatever keeps its files from being read or its database from being asked.
pub fn standing(ctx: &Ctx, component: &Component) -> Result<Standing> {
    let (graph, said) = read_and_ask(ctx, component)?;
    Ok(Standing::new(&graph, &said?.applied))
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
            return Ok(Said { applied: Vec::new(), ledger: None, server: "not made yet".to_owned(), db: None });
        }
        connected => connected?,
    };
    let table = version_table(component);
    let applied = db.applied(&table)?;
    let ledger = db.ledger(&table.found(&applied));
    let server = database.remark.clone().unwrap_or_else(|| format!("PostgreSQL {}", db.server_version().text));
    Ok(Said { applied: applied.revisions, ledger, server: format!("{}, {server}", database.place()), db: Some(db) })
}

fn told(
    ctx: &Ctx,
    component: &Component,
    graph: &Graph,
    db: Option<Db>,
    ledger: Option<&Ledger>,
    applied: &[String],
) -> Told {
    let Some(mut db) = db else { return Told::default() };
    let implied = skipped::find(ctx, graph, &mut db, ledger, applied);
    let edited =
        ledger.map_or_else(Vec::new, |_| ledger::edited(ctx, graph, &mut db, &version_table(component), applied));
    let (json, commands) = implied.json(graph, &ctx.component_flag(component));
    Told { lines: implied.lines(graph), implied, edited, json, commands }
}

fn exit(flags: &flags::DbStatus, reports: &[Report]) -> Exit {
    let unreadable = reports.iter().any(|report| report.standing.is_none());
    let good = |report: &Report| {
        report.standing.as_ref().is_some_and(|it| it.state == State::UpToDate) && report.implied.implied.is_empty()
    };
    let all_good = !reports.is_empty() && reports.iter().all(good);
    let failed = reports.iter().any(|report| report.error.is_some());
    match () {
        () if unreadable => Exit::Failed,
        () if flags.check && !all_good => Exit::Findings,
        () if failed => Exit::Failed,
        () => Exit::Done,
    }
}

/// The contract's JSON of one component.
pub fn component_json(ctx: &Ctx, report: &Report) -> Value {
    let standing = report.standing.as_ref();
    let list = |pick: fn(&Standing) -> Value| standing.map_or_else(|| json!([]), pick);
    json!({
        "component": report.component.name,
        "state": standing.map(|standing| standing.state.name()),
        "current": list(|standing| revisions(&standing.current)),
        "heads": list(|standing| revisions(&standing.heads)),
        "pending": list(|standing| revisions(&standing.pending)),
        "unknown": list(|standing| json!(standing.unknown)),
        "implied": report.implied.json,
        "put_right": report.implied.commands,
        "edited": report.implied.edited.iter().map(Edited::json).collect::<Vec<_>>(),
        "server": report.server,
        "error": report.error.as_ref().map(|fail| ctx.ui.error_json(fail)),
    })
}

fn one(ctx: &Ctx, report: &Report, standing: &Standing) -> String {
    let (paint, headline) = headline(standing, &report.implied.implied);
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
    lines.extend(ledger::edited_lines(&report.implied.edited));
    let flag = ctx.component_flag(report.component);
    if !report.implied.implied.is_empty() {
        lines.extend(never_ran(ctx, report, &flag));
        return lines.join("\n");
    }
    if let Some(action) = report.first.clone().or_else(|| action(standing)) {
        let action = action.or_of(&report.component.name);
        lines.push(String::new());
        lines.push(format!("Recommended action: {}", ctx.ui.shown(action)));
    }
    lines.join("\n").trim_end().to_owned()
}

/// What never ran, and what puts it right.
fn never_ran(ctx: &Ctx, report: &Report, flag: &str) -> Vec<String> {
    let mut lines = vec![String::new(), "Skipped, never ran: the database counts as holding these".to_owned()];
    lines.extend(report.implied.lines.iter().map(|line| format!("  - {line}")));
    lines.push(String::new());
    lines.extend(report.implied.implied.advice(&ctx.alembic(report.component), flag));
    lines
}

fn headline(standing: &Standing, implied: &AllSkipped) -> (Paint, String) {
    if !implied.is_empty() {
        return (Paint::Bad, "❌ Database has skipped migrations".to_owned());
    }
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

fn action(standing: &Standing) -> Option<Action> {
    match standing.state {
        State::UpToDate | State::Unreachable => None,
        State::Behind | State::NoRevision if standing.pending.is_empty() => None,
        State::Behind | State::NoRevision => Some(own("db-migrate").into()),
        State::Diverged => Some(advice::one_head_again().into()),
        State::UnknownRevision => Some(advice::find_revision(&standing.unknown).into()),
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
    let never_ran = report.implied.implied.skipped.len();
    let state = match never_ran {
        0 => standing.state.name().to_owned(),
        _ => format!("{}, {never_ran} never ran", standing.state.name()),
    };
    vec![
        name,
        state,
        if asked { ids(&standing.current) } else { unknown() },
        ids(&standing.heads),
        if asked { standing.pending.len().to_string() } else { unknown() },
    ]
}

fn ids(revisions: &[Revision]) -> String {
    let ids: Vec<&str> = revisions.iter().map(|revision| revision.id.as_str()).collect();
    if ids.is_empty() { "-".to_owned() } else { ids.join(", ") }
}
