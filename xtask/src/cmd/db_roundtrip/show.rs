//! The report of a run, the files that were asked for, and the text in the terminal's colours.

use anyhow::Result;

use super::facts::Facts;
use super::findings::Findings;
use super::resume::Log;
use crate::ctx::Ctx;
use crate::flags::DbRoundtrip;
use crate::report::roundtrip::{Kept, Report, Tone};
use crate::sys::files;
use crate::ui::Paint;

/// The report, and the log that ends when it is out.
pub fn report(ctx: &Ctx, facts: &Facts, findings: Findings) -> (Report, Option<Log>) {
    let server = facts.database.remark.clone().unwrap_or_else(|| format!("PostgreSQL {}", findings.server));
    let kept = findings.kept.map(|kept| Kept { database: kept.database, psql: kept.psql, drop: kept.drop });
    let report = Report {
        component: facts.component.name.clone(),
        revisions: facts.chosen.clone(),
        baseline: findings.baseline,
        cache: findings.cache,
        server,
        notes: findings.notes,
        results: findings.results,
        kept,
        strict: ctx.strict(),
    };
    (report, findings.log)
}

/// The files that were asked for besides.
pub fn write_files(ctx: &Ctx, flags: &DbRoundtrip, report: &Report) -> Result<()> {
    if let Some(path) = &flags.junit {
        files::write_atomic(path, report.junit(ctx.ui.around(), &ctx.from_checkout()).as_bytes())?;
    }
    if let Some(path) = &flags.html {
        files::write_atomic(path, report.html(ctx.ui.around()).as_bytes())?;
    }
    Ok(())
}

/// The report as text.
pub fn text(ctx: &Ctx, report: &Report) -> String {
    report.text(ctx.ui.around(), &painter(ctx))
}

/// Colours words as the terminal has them.
pub fn painter(ctx: &Ctx) -> impl Fn(Tone, &str) -> String {
    |tone, word| {
        let paint = match tone {
            Tone::Good => Paint::Good,
            Tone::Bad => Paint::Bad,
            Tone::Warn => Paint::Warn,
            Tone::Headline => Paint::Bold,
        };
        ctx.ui.paint(paint, word)
    }
}
