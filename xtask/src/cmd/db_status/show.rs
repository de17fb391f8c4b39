//! What `db-status` prints: text, a table of all components, the contract's JSON.

use serde_json::{Value, json};

use super::look::Report;
use crate::ctx::Ctx;
use crate::fail::Kind;
use crate::model::action::{Action, own};
use crate::model::ledger::Undone;
use crate::model::rebase::ids as parents;
use crate::model::status::{Overlap, Revision, Standing, State};
use crate::report::json::revisions;
use crate::report::table::table;
use crate::ui::Paint;
use crate::work::advice;
use crate::work::ledger::{self, Edited};
use crate::work::skipped::Healed;

/// As many pending migrations are listed; of more only the first and the last, or all with `--verbose`.
const LISTED: usize = 10;
/// Of more tenants only those are listed that need something.
const MOST_TENANTS: usize = 20;

/// The contract's JSON of one component.
pub fn component_json(ctx: &Ctx, report: &Report) -> Value {
    let standing = report.standing.as_ref();
    let list = |pick: fn(&Standing) -> Value| standing.map_or_else(|| json!([]), pick);
    let overlap = |it: &Overlap| json!({"revision": it.revision, "below": it.below});
    let put_right = report.skipped.found.commands(&report.component.name);
    let mut fields = json!({
        "component": report.component.name,
        "state": standing.map(|standing| standing.state.name()),
        "current": list(|standing| revisions(&standing.current)),
        "heads": list(|standing| revisions(&standing.heads)),
        "pending": list(|standing| revisions(&standing.pending)),
        "unknown": list(|standing| json!(standing.unknown)),
        "overlapping": standing.map(|it| it.overlaps.iter().map(overlap).collect::<Value>()).unwrap_or_else(|| json!([])),
        "undone": report.undone.revisions,
        "implied": report.skipped.found.json(&report.skipped.revisions),
        "healed": report.skipped.found.healed.iter().map(healed_json).collect::<Value>(),
        "put_right": put_right.into_iter().map(|command| ctx.ui.shown(command)).collect::<Vec<_>>(),
        "edited": report.skipped.edited.iter().map(Edited::json).collect::<Vec<_>>(),
        "server": report.server,
        "error": report.error.as_ref().map(|fail| ctx.ui.error_json(fail)),
    });
    if let Some(tenant) = &report.component.tenant {
        fields["tenant"] = json!(tenant);
    }
    if let Some(kind) = report.takes_no_writes {
        fields["refuses"] = json!(kind.name());
    }
    fields
}

/// One component, as text.
pub fn one(ctx: &Ctx, report: &Report, standing: &Standing) -> String {
    let (paint, headline) = headline(report, standing);
    let mut lines = vec![ctx.ui.paint(paint, headline), String::new()];
    lines.push(format!("Component: {}", report.component.name));
    if !matches!(standing.state, State::Unreachable | State::NotSetUp) {
        lines.push(named("Current Revision", &standing.current));
    }
    lines.push(named("Head Revision", &standing.heads));
    if let Some(server) = &report.server {
        lines.push(format!("Database: {server}"));
    }
    lines.extend(report.takes_no_writes.map(refuses));
    lines.push(String::new());
    lines.extend(status(ctx, report, standing));
    lines.extend(ledger::edited_lines(&report.skipped.edited));
    lines.extend(what_to_do(ctx, report, standing));
    lines.join("\n").trim_end().to_owned()
}

fn refuses(kind: Kind) -> String {
    let what = match kind {
        Kind::PooledConnection => "reached through a connection pooler: name the server's own port to migrate it",
        _ => "read-only (a standby, or set so): it cannot be migrated here",
    };
    format!("Note: {what} ({})", kind.name())
}

fn headline(report: &Report, standing: &Standing) -> (Paint, &'static str) {
    if !standing.overlaps.is_empty() {
        return (Paint::Bad, "❌ Version table has overlapping rows");
    }
    if !report.undone.is_empty() {
        return (Paint::Bad, "❌ Database holds revisions that these files do not give it");
    }
    if !report.skipped.found.is_empty() {
        return (Paint::Bad, "❌ Database has skipped migrations");
    }
    match standing.state {
        State::UpToDate => (Paint::Good, "✅ Database is up-to-date"),
        State::Behind => (Paint::Warn, "⚠️  Database is behind"),
        State::NoRevision => (Paint::Warn, "⚠️  Database has no revision yet"),
        State::Diverged => (Paint::Bad, "❌ Diverged heads"),
        State::UnknownRevision => (Paint::Bad, "❌ Database is at a revision that no file has"),
        State::Unreachable => (Paint::Bad, "❌ Database cannot be asked"),
        State::NotSetUp => (Paint::Dim, "⏹ Database is not set up"),
    }
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

fn status(ctx: &Ctx, report: &Report, standing: &Standing) -> Vec<String> {
    match standing.state {
        State::Unreachable => return Vec::new(),
        State::NotSetUp => {
            return vec!["Status: nobody has set it up here, as in most checkouts; nothing else needs it.".to_owned()];
        }
        _ => {}
    }
    if !standing.overlaps.is_empty() {
        return advice::overlap_lines(standing);
    }
    if !report.undone.is_empty() {
        return undone(&report.undone);
    }
    if !standing.unknown.is_empty() {
        return vec![format!("Status: unknown to this checkout: {}.", standing.unknown.join(", "))];
    }
    let pending = standing.pending.len();
    let mut lines = vec![match pending {
        0 if standing.heads.is_empty() => "Status: there is no migration script in the version folders.".to_owned(),
        0 => "Status: no migrations pending.".to_owned(),
        1 => "Status: 1 migration pending.".to_owned(),
        _ => format!("Status: {pending} migrations pending."),
    }];
    lines.extend(pending_lines(&standing.pending, ctx.common.output.verbose));
    lines.extend(report.skipped.found.healed.iter().map(|healed| format!("Note: {}.", healed.line())));
    lines
}

fn pending_lines(pending: &[Revision], all: bool) -> Vec<String> {
    let line = |revision: &Revision| format!("  - {}", revision.with_message());
    match pending {
        [first, between @ .., last] if pending.len() > LISTED && !all => {
            let fold = format!("  - … {} more (--verbose lists them) …", between.len());
            vec![line(first), fold, line(last)]
        }
        _ => pending.iter().map(line).collect(),
    }
}

fn undone(undone: &Undone) -> Vec<String> {
    let mut lines = vec![format!("Status: ran here, and these files do not say so: {}.", undone.revisions.join(", "))];
    let moved = undone.moved.iter();
    lines.extend(
        moved.map(|it| {
            format!("  - {} ran on {}; the files put it on {}", it.revision, parents(&it.was), parents(&it.is))
        }),
    );
    lines.push(
        "Perhaps the files were taken back and the database was not (git merge --abort, git reset, git rebase --abort), or \
         another branch was checked out."
            .to_owned(),
    );
    lines
}

fn what_to_do(ctx: &Ctx, report: &Report, standing: &Standing) -> Vec<String> {
    let mut lines = vec![String::new()];
    if !standing.overlaps.is_empty() {
        let command = ctx.ui.shown(advice::without_overlap(ctx, standing, &report.component));
        lines.extend([
            format!("Recommended action: {command}"),
            "It changes the version table and nothing else.".to_owned(),
        ]);
    } else if !report.undone.is_empty() {
        lines.push("Recommended action: put files and database in line again".to_owned());
        let actions = advice::bring_back(&report.undone).into_iter().map(|action| action.or_of(&report.component.name));
        let numbered = actions.enumerate().map(|(at, action)| format!("  {}. {}", at + 1, ctx.ui.shown(action)));
        lines.extend(numbered);
    } else if !report.skipped.found.is_empty() {
        lines.push("Skipped, never ran: the database counts as holding these".to_owned());
        lines.extend(report.skipped.lines.iter().map(|line| format!("  - {line}")));
        lines.push(String::new());
        lines.extend(report.skipped.found.advice(ctx, &report.component));
    } else if let Some(action) = report.first.clone().or_else(|| action(standing)) {
        lines.push(format!("Recommended action: {}", ctx.ui.shown(action.or_of(&report.component.name))));
    }
    lines
}

fn healed_json(healed: &Healed) -> Value {
    let Healed { revision, twin, is_pending, is_tried } = healed;
    json!({"revision": revision, "twin": twin, "is_pending": is_pending, "is_tried": is_tried})
}

fn action(standing: &Standing) -> Option<Action> {
    match standing.state {
        State::UpToDate | State::Unreachable | State::NotSetUp => None,
        State::Behind | State::NoRevision if standing.pending.is_empty() => None,
        State::Behind | State::NoRevision => Some(own("db-migrate").into()),
        State::Diverged => Some(advice::one_head_again().into()),
        State::UnknownRevision => Some(Action::run("Put it in line with these files", own("db-sync"))),
    }
}

/// All components in a table. `?` stands for what could not be asked, `-` for what is not there. Of many tenants those that
/// need nothing are counted.
pub fn overview(ctx: &Ctx, reports: &[Report]) -> String {
    let are_many = reports.iter().filter(|report| report.is_one_of_several).count() > MOST_TENANTS;
    let folds = are_many && !ctx.common.output.verbose;
    let (folded, shown): (Vec<&Report>, Vec<&Report>) =
        reports.iter().partition(|report| folds && report.is_one_of_several && report.is_good());
    let rows: Vec<Vec<String>> = shown.into_iter().map(row).collect();
    let mut lines = Vec::new();
    if !rows.is_empty() {
        lines.push(table(&["Component", "State", "Current", "Head", "Pending"], &rows).trim_end().to_owned());
    }
    if !folded.is_empty() {
        lines.push(format!("up-to-date besides: {} tenants (--verbose lists them)", folded.len()));
    }
    let mut behind: Vec<&str> = Vec::new();
    for report in reports
        .iter()
        .filter(|it| it.is_one_of_several && it.standing.as_ref().is_some_and(|standing| !standing.pending.is_empty()))
    {
        if !behind.contains(&report.component.name.as_str()) {
            behind.push(&report.component.name);
        }
    }
    for name in behind {
        lines.push(format!("\nMigrate all of {name}'s tenants: {}", ctx.ui.shown(own("db-migrate").of(name))));
    }
    lines.join("\n")
}

fn row(report: &Report) -> Vec<String> {
    let name = match &report.component.tenant {
        Some(tenant) => format!("{} {tenant}", report.component.name),
        None => report.component.name.clone(),
    };
    let unknown = || "?".to_owned();
    let Some(standing) = &report.standing else {
        return vec![name, "unreadable".to_owned(), unknown(), unknown(), unknown()];
    };
    let (current, pending) = match standing.state {
        State::Unreachable => (unknown(), unknown()),
        State::NotSetUp => ("-".to_owned(), "-".to_owned()),
        _ => (ids(&standing.current), standing.pending.len().to_string()),
    };
    vec![name, state(report, standing), current, ids(&standing.heads), pending]
}

fn state(report: &Report, standing: &Standing) -> String {
    let counted = [
        (report.skipped.found.skipped.len(), "never ran"),
        (report.undone.revisions.len(), "not in the files"),
        (standing.overlaps.len(), "overlapping"),
    ];
    let counted = counted.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}"));
    let name = standing.state.name().replace("not-set-up", "not set up");
    std::iter::once(name).chain(counted).collect::<Vec<_>>().join(", ")
}

fn ids(revisions: &[Revision]) -> String {
    let ids: Vec<&str> = revisions.iter().map(|revision| revision.id.as_str()).collect();
    if ids.is_empty() { "-".to_owned() } else { ids.join(", ") }
}
