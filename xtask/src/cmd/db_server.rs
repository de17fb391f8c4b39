//! `db-server start|stop|status|psql`: handles the embedded PostgreSQL by hand. Other commands start and stop it by
//! themselves; this one keeps it running, shows its state, or opens psql on it.

use std::ffi::OsString;
use std::path::Path;

use anyhow::Result;
use serde_json::{Value, json};

use crate::ctx::Ctx;
use crate::fail::{Exit, Fail, Kind};
use crate::flags::DbServer;
use crate::model::action::{Action, own, program};
use crate::sys::run::Cmd;
use crate::sys::server::{self, Home, Lease, State};
use crate::sys::warm;
use crate::ui::{Paint, Ui};

const COMMAND: &str = "db-server";

pub fn run(ctx: &Ctx, action: DbServer) -> Result<Exit> {
    let home = ctx.home()?;
    match action {
        DbServer::Start => start(&ctx.ui, &home),
        DbServer::Stop => {
            warm::end(&ctx.project()?.root);
            stop(&ctx.ui, &home)
        }
        DbServer::Status => status(&ctx.ui, &home),
        DbServer::Psql => {
            let config = ctx.config(ctx.component()?)?;
            let database = ctx.embedded(&config)?;
            ctx.ensure_database(&database)?;
            psql(&ctx.ui, &home, &database.url.target().database, &[], &ctx.project()?.root)
        }
    }
}

/// Starts the server and leaves it up until [`stop`], a restart of the machine, or its crash.
///
/// # Errors
/// Those of [`Lease::acquire`].
pub fn start(ui: &Ui, home: &Home) -> Result<Exit> {
    let lease = Lease::acquire(ui, home)?;
    server::keep(&lease)?;
    let socket_dir = lease.socket_dir.clone();
    drop(lease);
    let states = server::states(ui, home)?;
    let ours = |state: &&State| state.running.as_ref().is_some_and(|running| running.socket_dir == socket_dir);
    if let Some(state) = states.iter().find(ours) {
        ui.answer(format!("{} PostgreSQL is running", ui.paint(Paint::Good, "✅")));
        ui.answer(lines(state));
        let steps = [("Talk to it", "psql"), ("Stop it", "stop")];
        let steps = steps.map(|(why, word)| ui.shown(Action::run(why, own("db-server").word(word))));
        ui.answer(format!("\nNext steps:\n  - {}", steps.join("\n  - ")));
    }
    ui.json(COMMAND, Exit::Done, fields("start", &states), None);
    Ok(Exit::Done)
}

/// Stops the server, whether it was kept up or left behind. The data stays.
///
/// # Errors
/// `already-running`, a refusal, when other commands use it: they are named, and it is left as it is.
pub fn stop(ui: &Ui, home: &Home) -> Result<Exit> {
    let stopped = server::stop(ui, home)?;
    if stopped.is_empty() {
        ui.answer("PostgreSQL is not running; nothing to stop.");
    }
    for state in &stopped {
        ui.answer(format!("{} PostgreSQL {} stopped", ui.paint(Paint::Good, "✅"), state.binaries.version));
        ui.answer(format!("\nData: {} (kept)", state.data.display()));
    }
    ui.json(COMMAND, Exit::Done, fields("stop", &server::states(ui, home)?), None);
    Ok(Exit::Done)
}

/// Says what runs, where, with which data, and who uses it. Starts nothing.
///
/// # Errors
/// When the server's folder cannot be read.
pub fn status(ui: &Ui, home: &Home) -> Result<Exit> {
    let states = server::states(ui, home)?;
    if states.is_empty() {
        ui.answer("PostgreSQL is not running, and has never been started here.");
    }
    for state in &states {
        let (sign, word) = match &state.running {
            Some(running) if running.kept => (ui.paint(Paint::Good, "✅"), "running, kept up"),
            Some(_) => (ui.paint(Paint::Good, "✅"), "running until its last user is gone"),
            None => (ui.paint(Paint::Dim, "⏹"), "not running"),
        };
        ui.answer(format!("{sign} PostgreSQL is {word}"));
        ui.answer(lines(state));
    }
    if states.iter().all(|state| state.running.is_none()) {
        ui.answer(format!("\nRecommended action:\n  {}", ui.shown(own("db-server").word("start"))));
    }
    ui.json(COMMAND, Exit::Done, fields("status", &states), None);
    Ok(Exit::Done)
}

/// Runs psql on a database of the server, on the person's terminal; the server is up at least as long.
///
/// # Errors
/// Those of [`Lease::acquire`]; `tool-missing` when there is no psql.
pub fn psql(ui: &Ui, home: &Home, database: &str, args: &[OsString], cwd: &Path) -> Result<Exit> {
    let lease = Lease::acquire(ui, home)?;
    let beside = lease.binaries.bin.join("psql");
    let program = if beside.is_file() { beside } else { which::which("psql").map_err(|_| no_psql(&lease))? };
    let cmd = Cmd::new(program, cwd)
        .arg("-h")
        .arg(&lease.socket_dir)
        .args(["-p", &lease.port.to_string(), "-U", lease.superuser, "-d", database])
        .args(args);
    let status = cmd.interactive(ui)?;
    Ok(if status.success() { Exit::Done } else { Exit::Failed })
}

fn no_psql(lease: &Lease) -> Fail {
    Fail::new(Kind::ToolMissing, "psql is not installed")
        .details(format!("neither in {} nor on PATH", lease.binaries.bin.display()))
        .run("Install it, for example", program(["apt-get", "install", "postgresql-client"]))
        .related(own("db-server").word("status"))
}

/// What there is to say about one server, a line each.
fn lines(state: &State) -> String {
    let mut lines = vec![format!("\nServer: {}", state.binaries.summary()), format!("Data: {}", state.data.display())];
    if let Some(running) = &state.running {
        lines.push(format!("Socket: {}", running.socket_dir.display()));
    }
    lines.extend(state.url("postgres").map(|url| format!("Connect: {url}")));
    if !state.users.is_empty() {
        lines.push(format!("Used by: {}", state.users.join(", ")));
    }
    lines.join("\n")
}

fn fields(action: &str, states: &[State]) -> Value {
    let servers: Vec<Value> = states.iter().map(server_fields).collect();
    json!({ "action": action, "servers": servers })
}

fn server_fields(state: &State) -> Value {
    let running = state.running.as_ref();
    json!({
        "state": if running.is_some() { "running" } else { "stopped" },
        "kept": running.is_some_and(|running| running.kept),
        "postgres": state.binaries.version,
        "origin": state.binaries.origin,
        "bin": state.binaries.bin.display().to_string(),
        "imitated": state.binaries.imitated,
        "lacking": state.binaries.lacking,
        "data": state.data.display().to_string(),
        "socket_dir": running.map(|running| running.socket_dir.display().to_string()),
        "url": state.url("postgres"),
        "users": state.users,
    })
}
