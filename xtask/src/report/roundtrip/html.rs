//! One HTML page, complete in itself: the counts, then every revision, those with findings opened. No script, nothing
//! from elsewhere; light and dark as the reader's system is.

use super::{Report, RevisionResult};
use crate::model::action::Around;
use crate::model::roundtrip::{Proof, Verdict};
use crate::report::xml::escaped;

const STYLE: &str = "
:root { color-scheme: light dark; --line: #8884; --good: #1a7f37; --bad: #cf222e; --warn: #9a6700; --soft: #8882 }
@media (prefers-color-scheme: dark) { :root { --good: #3fb950; --bad: #ff7b72; --warn: #d29922 } }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem }
h1 { font-size: 1.4rem; margin: 0 0 .2rem }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .1rem 1rem; margin: 1rem 0 }
dt { opacity: .7 } dd { margin: 0 }
.counts { display: flex; flex-wrap: wrap; gap: .5rem; margin: 1rem 0 1.5rem; padding: 0; list-style: none }
.counts li { padding: .2rem .7rem; border: 1px solid var(--line); border-radius: 1rem }
.row { border-top: 1px solid var(--line); padding: .45rem 0 }
.row > summary, .row > p { display: grid; grid-template-columns: 12rem 9rem 6rem 1fr max-content; gap: .8rem; margin: 0; cursor: default }
.row > summary { cursor: pointer }
.row > * > * { overflow-wrap: anywhere }
.row[open] { background: var(--soft) }
code, pre { font: 13px/1.5 ui-monospace, monospace }
pre { background: var(--soft); padding: .7rem 1rem; border-radius: .4rem; overflow-x: auto; white-space: pre-wrap }
.good { color: var(--good) } .bad { color: var(--bad) } .warn { color: var(--warn) }
.time { opacity: .6; font-variant-numeric: tabular-nums }
@media (max-width: 45rem) { .row > summary, .row > p { grid-template-columns: 1fr } }
";

impl Report {
    /// The whole page.
    pub fn html(&self, around: &Around) -> String {
        let rows: String = self.results.iter().map(|result| row(around, result)).collect();
        let notes: String =
            self.notes.iter().map(|note| format!("<p class=\"warn\">{}</p>\n", escaped(note))).collect();
        format!(
            "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width\">\n<title>Round trip of {component}</title>\n\
             <style>{STYLE}</style>\n<h1>Round trip of {component}</h1>\n\
             <p>Each revision was taken down and up again on a throwaway database; schema and rows were compared.</p>\n\
             <dl><dt>Revisions</dt><dd>{}</dd><dt>Baseline</dt><dd>{}</dd><dt>Server</dt><dd>{}</dd></dl>\n{notes}\
             <ul class=\"counts\">{}</ul>\n{rows}{}</html>\n",
            escaped(&self.revisions),
            escaped(&self.baseline),
            escaped(&self.server),
            self.counts(),
            self.legend(),
            component = escaped(&self.component),
        )
    }

    fn counts(&self) -> String {
        let counted = Verdict::ALL.iter().map(|verdict| (self.count(*verdict), *verdict));
        let item = |(number, verdict): (usize, Verdict)| {
            format!("<li class=\"{}\"><b>{number}</b> {}</li>", class(verdict), verdict.name())
        };
        counted.filter(|(number, _)| *number > 0).map(item).collect()
    }

    /// What the proofs on the page mean.
    fn legend(&self) -> String {
        let used = |proof: &&Proof| self.results.iter().any(|result| result.proof == Some(**proof));
        let line = |proof: &Proof| format!("<dt>{}</dt><dd>{}</dd>", proof.name(), escaped(proof.meaning()));
        let lines: String = Proof::ALL.iter().filter(used).map(line).collect();
        if lines.is_empty() { String::new() } else { format!("<h2>How it was proven</h2>\n<dl>{lines}</dl>\n") }
    }
}

fn class(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Reversible => "good",
        verdict if verdict.is_finding() => "bad",
        _ => "warn",
    }
}

fn row(around: &Around, result: &RevisionResult) -> String {
    let time = match (result.down, result.up) {
        (Some(down), Some(up)) => format!("down {:.0} ms, up {:.0} ms", down * 1000.0, up * 1000.0),
        _ => String::new(),
    };
    let head = format!(
        "<code>{}</code><b class=\"{}\">{}</b><span>{}</span><span>{}</span><span class=\"time\">{time}</span>",
        escaped(&result.revision.id),
        class(result.verdict),
        escaped(&result.verdict_words()),
        result.proof.map(Proof::name).unwrap_or_default(),
        escaped(&result.revision.message)
    );
    let mut more = result.lines(around);
    if result.without_rows {
        more.push("no rows in the tables it touches".to_owned());
    }
    if more.is_empty() {
        return format!("<div class=\"row\"><p>{head}</p></div>\n");
    }
    let open = if result.verdict.is_finding() { " open" } else { "" };
    format!(
        "<details class=\"row\"{open}><summary>{head}</summary><pre>{}</pre></details>\n",
        escaped(&more.join("\n"))
    )
}
