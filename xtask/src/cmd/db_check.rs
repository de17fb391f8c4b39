//! `db-check`: judges the migration scripts by the rules of `model/rules`, from files and git alone.

mod gather;
mod history;
mod models;

use std::path::PathBuf;

use anyhow::Result;
use serde_json::json;

use crate::ctx::Ctx;
use crate::fail::{Exit, Fail, Kind};
use crate::flags::{DbCheck, Format, Look};
use crate::model::action::{Action, own};
use crate::model::rules::{self, Finding, Level, Rule};
use crate::report::{findings as report, github, junit, sarif};
use crate::sys::project::Component;
use crate::ui::Paint;
use gather::Judged;

/// # Errors
/// A usage error for a rule or a commit that does not exist, or for `--staged` and `--base` without git; otherwise what
/// keeps the project from being read.
pub fn run(ctx: &Ctx, flags: &DbCheck) -> Result<Exit> {
    if let Some(word) = &flags.explain {
        return explain(ctx, word);
    }
    if flags.models {
        return models::run(ctx, flags, &components(ctx, flags)?);
    }
    if let Some(span) = &flags.history {
        return history::run(ctx, flags, span, &components(ctx, flags)?);
    }
    let judged = gather::judge(ctx, flags, &components(ctx, flags)?)?;
    let findings: Vec<Finding> = judged.iter().flat_map(|judged| judged.findings.iter().cloned()).collect();
    let rules = rules::of_scripts();
    Ok(print(ctx, flags, &rules, &findings, || judged.iter().for_each(|judged| show(ctx, flags, judged))))
}

/// Where a service that reads the report expects the files.
fn in_checkout(ctx: &Ctx, findings: &[Finding]) -> Vec<Finding> {
    let prefix = ctx.from_checkout();
    findings.iter().map(|finding| Finding { path: prefix.join(&finding.path), ..finding.clone() }).collect()
}

/// Prints findings in the form that was asked for, and says how to end; `rules` are those that were asked, `as_text` prints
/// for people.
fn print(ctx: &Ctx, flags: &DbCheck, rules: &[&Rule], findings: &[Finding], as_text: impl FnOnce()) -> Exit {
    let is_failed = findings.iter().any(|finding| finding.severity == Level::Error);
    let exit = if is_failed { Exit::Findings } else { Exit::Done };
    match flags.format {
        Format::Json => {
            ctx.ui.json("db-check", exit, json!({"findings": report::to_json(findings, ctx.ui.around())}), None)
        }
        Format::Github => ctx.ui.exact_answer(github::annotations(&in_checkout(ctx, findings), ctx.ui.around())),
        Format::Junit => ctx.ui.exact_answer(junit::report(&in_checkout(ctx, findings), rules, ctx.ui.around())),
        Format::Sarif => ctx.ui.exact_answer(sarif::log(&in_checkout(ctx, findings), rules, ctx.ui.around())),
        Format::Text => as_text(),
    }
    exit
}

/// What there is to say of these scripts alone (absolute paths), each finding with its line of text.
///
/// # Errors
/// What keeps the project from being read.
pub fn review(ctx: &Ctx, component: &Component, scripts: &[PathBuf]) -> Result<Vec<(Finding, String)>> {
    let root = &ctx.project()?.root;
    let is_one = |finding: &Finding| {
        let path = root.join(&finding.path);
        scripts.contains(&path.canonicalize().unwrap_or(path))
    };
    let judged = gather::judge(ctx, &DbCheck::default(), &[component])?;
    let findings = judged.iter().flat_map(|judged| judged.findings.iter().map(move |finding| (finding, judged)));
    Ok(findings
        .filter(|(finding, _)| is_one(finding))
        .map(|(finding, judged)| (finding.clone(), judged.line(finding).to_owned()))
        .collect())
}

/// What `db-check --base` finds in a component, each finding with its line of text.
///
/// # Errors
/// As [`run`].
pub fn since(ctx: &Ctx, component: &Component, base: &str) -> Result<Vec<(Finding, String)>> {
    let flags = DbCheck { look: Look::Since(base.to_owned()), ..DbCheck::default() };
    let judged = gather::judge(ctx, &flags, &[component])?;
    let findings = judged.iter().flat_map(|judged| judged.findings.iter().map(move |finding| (finding, judged)));
    Ok(findings.map(|(finding, judged)| (finding.clone(), judged.line(finding).to_owned())).collect())
}

/// The component that is named, or the default one; every one for `--staged` and `--base`, since a change may be anywhere.
fn components<'a>(ctx: &'a Ctx, flags: &DbCheck) -> Result<Vec<&'a Component>> {
    let everywhere = flags.all || (flags.look != Look::WorkTree && ctx.common.component.is_none());
    if everywhere { ctx.every_component() } else { Ok(vec![ctx.component()?]) }
}

fn explain(ctx: &Ctx, word: &str) -> Result<Exit> {
    let Some(rule) = rules::find(word) else {
        let fail = Fail::new(Kind::Usage, format!("There is no rule `{word}`"));
        let fail = match rules::nearest(word) {
            Some(meant) => fail.run("Perhaps you mean", own("db-check").word("--explain").word(meant).plain()),
            None => fail,
        };
        let first = rules::RULES.first().map_or("DB101", |rule| rule.code);
        let last = rules::RULES.last().map_or(first, |rule| rule.code);
        return Err(fail.details(format!("Rules have codes from {first} to {last}; xtask/rules/ has them all")).into());
    };
    let fields = json!({"code": rule.code, "name": rule.name, "severity": rule.level.name(), "page": rule.page});
    ctx.ui.json("db-check", Exit::Done, fields, None);
    ctx.ui.answer(rule.page.trim_end());
    Ok(Exit::Done)
}

fn show(ctx: &Ctx, flags: &DbCheck, judged: &Judged) {
    let paint =
        |level: Level, text: &str| ctx.ui.paint(if level == Level::Error { Paint::Bad } else { Paint::Warn }, text);
    let here = ctx.to_project().unwrap_or_default();
    for finding in &judged.findings {
        let line = judged.line(finding);
        let shown = Finding { path: here.join(&finding.path), ..finding.clone() };
        ctx.ui.answer(report::to_text(&shown, line, ctx.ui.around(), paint));
        ctx.ui.answer("");
    }
    let of = match judged.checked {
        1 => "1 script".to_owned(),
        count => format!("{count} scripts"),
    };
    let what = match &flags.look {
        Look::WorkTree => format!("{of} of {}", judged.component),
        Look::Staged => format!("{of} of {} to be committed", judged.component),
        Look::Since(reference) => format!("{of} of {} changed since {reference}", judged.component),
    };
    // A hook that found nothing has nothing to say.
    if judged.findings.is_empty() {
        if flags.look != Look::Staged {
            let is_failed = ctx.ui.settled(Exit::Done) != Exit::Done;
            let is_empty = judged.checked == 0 && !ctx.ui.gaps().is_empty();
            let (paint, sign) = if is_empty || is_failed { (Paint::Warn, "⚠️  ") } else { (Paint::Good, "✅ ") };
            let why = if is_failed { "; with --strict, what was not looked at fails" } else { "" };
            ctx.ui.answer(format!("{} in {what}{why}", ctx.ui.paint(paint, &format!("{sign}Nothing found"))));
        }
        return;
    }
    ctx.ui.answer(format!("Found {} in {what}", report::count(&judged.findings)));
    if let Some(finding) = judged.findings.first() {
        let page = own("db-check").words(["--explain", finding.code]).plain();
        ctx.ui.answer(ctx.ui.shown(Action::run("More about one", page)));
    }
}
