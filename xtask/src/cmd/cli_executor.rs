//! `cli-executor`: checks what a Backend.AI service needs, then replaces itself by that service's own command.
//! `words.rs` translates the words of the command line, including those of older documents; the checks are in
//! `work/services.rs`.

mod show;
mod words;

use std::path::Path;

use anyhow::Result;
use serde_json::json;

use crate::ctx::Ctx;
use crate::fail::{Exit, Fail, Kind};
use crate::flags::CliExecutor;
use crate::model::action::own;
use crate::model::check::{Check, State};
use crate::report::checks;
use crate::sys::backend_ai::{SERVICES, Service, service};
use crate::sys::interrupt;
use crate::sys::project::Project;
use crate::work::services::{Asking, CommandLine, executor, preflight};
use words::Words;

const COMMAND: &str = "cli-executor";

/// Runs it. It comes back only where the command was not run, or ran beside us (`--json`).
///
/// # Errors
/// A refusal before anything was started.
pub fn run(ctx: &Ctx, flags: &CliExecutor) -> Result<Exit> {
    let service = chosen(ctx, flags)?;
    let project = ctx.project()?;
    let Some(text) = &flags.subcommand else {
        return if flags.check { check(ctx, project, service, None) } else { offer(ctx, &project.root, service) };
    };
    let words = words::read(service, text)?;
    if let Some(note) = &words.note {
        ctx.ui.status(note);
    }
    if flags.check { check(ctx, project, service, Some(&words)) } else { execute(ctx, project, service, &words) }
}

/// The service that is meant; on a terminal it is asked for.
fn chosen(ctx: &Ctx, flags: &CliExecutor) -> Result<&'static Service> {
    let list = show::numbered();
    let typed = match flags.component {
        Some(name) => Some(name.to_owned()),
        None => ctx.ui.ask(&format!("{list}\nWhich one, by number or name? ")),
    };
    let numbered = |typed: &String| typed.parse::<usize>().ok().and_then(|number| SERVICES.get(number.checked_sub(1)?));
    let found = typed.as_ref().and_then(|typed| service(typed).or_else(|| numbered(typed)));
    found.ok_or_else(|| {
        let summary = match typed {
            Some(typed) => format!("there is no component `{typed}`"),
            None => "`cli-executor` needs a component".to_owned(),
        };
        let example = own(COMMAND).flag("--component", "mgr").of_no_component();
        Fail::new(Kind::Usage, summary).details(list).run("See what one of them can do", example).into()
    })
}

/// What the service's own command line offers.
fn offer(ctx: &Ctx, root: &Path, service: &Service) -> Result<Exit> {
    let line = CommandLine::find(ctx, root)?;
    let offered = line.offered(ctx, service.name)?;
    let commands: Vec<_> = offered.iter().map(|it| json!({"name": it.name, "help": it.help})).collect();
    ctx.ui.json(COMMAND, Exit::Done, json!({"component": service.name, "commands": commands}), None);
    ctx.ui.answer(show::offered(ctx, &line, service, &offered));
    Ok(Exit::Done)
}

fn look(ctx: &Ctx, project: &Project, service: &'static Service, words: Option<&Words>) -> Result<Vec<Check>> {
    let _task = ctx.ui.task(format!("Looking at what {} needs", service.name));
    let (named, is_start) = words.map_or((None, false), |words| (words.config(), words.is_start()));
    let asking = Asking::new(ctx.for_step(ctx.ui.clone(), None), &project.root, service, named, is_start);
    let found = preflight(asking);
    interrupt::check()?;
    Ok(found)
}

fn check(ctx: &Ctx, project: &Project, service: &'static Service, words: Option<&Words>) -> Result<Exit> {
    let found = look(ctx, project, service, words)?;
    let has = |state| found.iter().any(|check| check.state == state);
    let is_bad = has(State::Failed) || ctx.strict() && has(State::Skipped);
    let exit = if is_bad { Exit::Findings } else { Exit::Done };
    ctx.ui.json(
        COMMAND,
        exit,
        json!({"component": service.name, "checks": checks::json(&found, ctx.ui.around())}),
        None,
    );
    ctx.ui.answer(show::preflight(ctx, service, &found));
    Ok(exit)
}

fn execute(ctx: &Ctx, project: &Project, service: &'static Service, words: &Words) -> Result<Exit> {
    let line = CommandLine::find(ctx, &project.root)?;
    let found = if words.is_help() { Vec::new() } else { look(ctx, project, service, Some(words))? };
    if !found.is_empty() {
        ctx.ui.status(show::preflight(ctx, service, &found));
    }
    let mut fields = json!({
        "component": service.name,
        "subcommand": words.shown(),
        "checks": checks::json(&found, ctx.ui.around()),
    });
    if let Err(fail) = agree(ctx, service, words, &found) {
        ctx.ui.json(COMMAND, fail.exit, fields, Some(&fail));
        return Err(fail.into());
    }
    let command = line.command(service.name, &words.words);
    ctx.ui.status(show::announcement(ctx, &line, service, words));
    if !ctx.common.output.json {
        return Err(command.replace(&ctx.ui));
    }
    let code = command.aside(&ctx.ui)?;
    fields["exit_code"] = json!(code);
    ctx.ui.json(COMMAND, Exit::Of(code), fields, None);
    Ok(Exit::Of(code))
}

/// A server is not started where something that it needs is missing, unless somebody says so. Other commands may be what
/// puts it right.
fn agree(ctx: &Ctx, service: &Service, words: &Words, found: &[Check]) -> Result<(), Fail> {
    let failed: Vec<&Check> = found.iter().filter(|check| check.state == State::Failed).collect();
    let Some(first) = failed.first().filter(|_| words.is_start()) else { return Ok(()) };
    if ctx.common.yes || ctx.ui.confirm("Something that it needs is missing. Start it all the same?") == Some(true) {
        return Ok(());
    }
    let names: Vec<&str> = failed.iter().map(|check| check.name.as_str()).collect();
    let fail = Fail::new(kind(first), format!("{} was not started: {}", service.name, names.join(", ")));
    let fail = failed.iter().fold(fail, |fail, check| fail.details(format!("{}: {}", check.name, check.detail)));
    let fail = failed.iter().filter_map(|check| check.fix.clone()).fold(fail, Fail::action);
    let again = executor(service.name, &words.shown());
    Err(fail.run("Or start it all the same", again.word("--yes")).related(own("doctor")).refused())
}

/// The contract's kind of a check that failed.
fn kind(check: &Check) -> Kind {
    match check.name.as_str() {
        "config" if check.detail.starts_with("there is none") => Kind::ConfigMissing,
        "command line" => Kind::ToolMissing,
        "postgresql" | "valkey" | "etcd" | "manager" | "coordinator" | "docker" => Kind::ConnectionRefused,
        "folders" | "volumes" => Kind::PermissionDenied,
        name if name.starts_with("port") => Kind::AlreadyRunning,
        _ => Kind::ConfigInvalid,
    }
}
