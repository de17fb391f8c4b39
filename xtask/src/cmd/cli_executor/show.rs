//! What `cli-executor` prints.

use super::words::Words;
use crate::ctx::Ctx;
use crate::model::action::own;
use crate::model::check::Check;
use crate::report::checks;
use crate::sys::backend_ai::{SERVICES, Service};
use crate::work::services::{CommandLine, Offered, executor};

/// The services, in the order in which they are started.
pub fn numbered() -> String {
    let width = SERVICES.iter().map(|it| it.name.len()).max().unwrap_or_default();
    let line = |(at, it): (usize, &Service)| format!("{}. {:width$}  {}", at + 1, it.name, it.about);
    SERVICES.iter().enumerate().map(line).collect::<Vec<_>>().join("\n")
}

pub fn preflight(ctx: &Ctx, service: &Service, found: &[Check]) -> String {
    let mut lines = vec![format!("Pre-flight of {}, {}:", service.name, service.about)];
    lines.extend(found.iter().map(|check| checks::text(check, ctx.ui.around())));
    lines.join("\n")
}

pub fn offered(ctx: &Ctx, line: &CommandLine, service: &Service, offered: &[Offered]) -> String {
    let width = offered.iter().map(|it| it.name.len()).max().unwrap_or_default();
    let mut lines = vec![format!("`{} {}` offers:", line.shown(), service.name)];
    lines.extend(offered.iter().map(|it| format!("  {:width$}  {}", it.name, it.help)));
    lines.push(String::new());
    lines.push("Next:".to_owned());
    let start = offered.iter().find(|it| it.name == "start-server").or(offered.first());
    let check = own("cli-executor").flag("--component", service.name).word("--check").of_no_component();
    let commands = start.map(|it| executor(service.name, &it.name)).into_iter().chain([check]);
    lines.extend(commands.enumerate().map(|(at, it)| format!("  {}. {}", at + 1, ctx.ui.shown(it))));
    lines.join("\n")
}

/// What is about to run, and what to do after it.
pub fn announcement(ctx: &Ctx, line: &CommandLine, service: &Service, words: &Words) -> String {
    let shown = format!("$ {} {} {}", line.shown(), service.name, words.shown());
    if words.is_start() {
        return format!("{shown}\nIt runs in the foreground: its log appears here, Ctrl+C stops it.");
    }
    let changes_schema = words.words.first().is_some_and(|word| word == "schema") && !words.is_help();
    match service.migrations.filter(|_| changes_schema) {
        Some(component) => {
            let look = ctx.ui.shown(own("db-status").of(component));
            format!("{shown}\nAfterwards, see where the database stands: {look}")
        }
        None => shown,
    }
}
