//! One HTML page: what was tested, when and how; the verdicts in a table that can be filtered; what was found, side by
//! side; the history with the verdicts. It has no script and loads nothing, is light or dark as the reader's system is,
//! and can be printed.

use super::{Report, RevisionResult};
use crate::model::action::Around;
use crate::model::catalog::Change;
use crate::model::roundtrip::{Proof, Verdict};
use crate::model::rows::DataChange;
use crate::report::drawing::Drawing;
use crate::report::table::cut;
use crate::report::xml::escaped;

/// How much of a message is shown; the JSON has all of it.
const MESSAGE: usize = 300;
/// How much of anything else.
const TEXT: usize = 20_000;

/// How the pages look.
pub const STYLE: &str = "
:root { color-scheme: light dark; --paper: #fff; --ink: #1f2328; --line: #d1d9e0; --good: #1a7f37; --bad: #cf222e; --warn: #9a6700;
  --soft: #f6f8fa; --dim: #59636e; --down: #8250df; --up: #0969da }
@media (prefers-color-scheme: dark) { :root { --paper: #0d1117; --ink: #e6edf3; --line: #3d444d; --good: #3fb950; --bad: #ff7b72;
  --warn: #d29922; --soft: #151b23; --dim: #9198a1; --down: #a371f7; --up: #58a6ff } }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 72rem; margin: 2rem auto; padding: 0 1rem; background: var(--paper);
  color: var(--ink); overflow-wrap: anywhere }
h1 { font-size: 1.5rem; margin: 0 0 .2rem } h2 { font-size: 1.1rem; margin: 2rem 0 .5rem }
dl { display: grid; grid-template-columns: max-content minmax(0, 1fr); gap: .1rem 1rem; margin: 1rem 0 }
dt { color: var(--dim) } dd { margin: 0 }
code, pre { font: 13px/1.5 ui-monospace, monospace }
pre { background: var(--soft); padding: .6rem .8rem; border-radius: .4rem; margin: .4rem 0; white-space: pre-wrap }
.filter { position: absolute; opacity: 0 }
.filter + label { display: inline-block; padding: .15rem .7rem; margin: 0 .4rem .5rem 0; border: 1px solid var(--line); border-radius: 1rem;
  cursor: pointer }
.filter:checked + label { background: var(--ink); color: var(--paper) }
.filter:focus-visible + label, summary:focus-visible { outline: 3px solid var(--up); outline-offset: 2px }
table { width: 100%; border-collapse: collapse; table-layout: fixed }
th { text-align: left; color: var(--dim); font-weight: 500 }
th, td { padding: .4rem .6rem; border-top: 1px solid var(--line); vertical-align: top }
.c-id { width: 7rem } .c-verdict { width: 8rem } .c-proof { width: 6rem } .c-time { width: 11rem }
summary { cursor: pointer; text-decoration: underline dotted; text-underline-offset: 4px }
td details > table { margin: .4rem 0; font-size: 13px } .side pre { margin: 0 } .side caption { text-align: left; font-weight: 600 }
.side tbody th { color: var(--ink) } .side tbody th + td, .side tbody tr:has(th) + tr > td { border-top: 0; padding-top: 0 }
.good { color: var(--good) } .bad { color: var(--bad) } .warn { color: var(--warn) }
tr.bad > td:first-child { box-shadow: inset 4px 0 var(--bad) } tr.good, tr.warn, tr.bad { color: inherit }
.bar { display: block; height: 6px; margin-top: 3px; white-space: nowrap; font-size: 0 }
.bar i { display: inline-block; height: 6px; min-width: 1px } .down { background: var(--down) } .up { background: var(--up) }
.time { color: var(--dim); font-variant-numeric: tabular-nums }
.graph { overflow-x: auto } .graph svg { max-width: none }
@media (max-width: 50rem) {
  main > table, main > table > tbody, main > table > tbody > tr, main > table > tbody > tr > td { display: block; width: auto }
  main > table > thead { position: absolute; left: -999rem }
  main > table > tbody > tr { border-top: 1px solid var(--line); padding: .4rem 0 }
  main > table > tbody > tr > td { border: 0; padding: .1rem .6rem }
  td[data-column]:not(:empty)::before { content: attr(data-column) \": \"; color: var(--dim) }
}
@media print {
  body { max-width: none; margin: 0 } .filter + label { display: none } tr { break-inside: avoid }
  details::details-content { content-visibility: visible; block-size: auto }
}
";

/// What is said of a run besides what it found.
#[derive(Clone, Debug, Default)]
pub struct Page {
    /// Name and value, in their order: date, project, branch, commit, versions, command.
    pub about: Vec<(&'static str, String)>,
    /// The history with the verdicts on it.
    pub history: Option<Drawing>,
}

impl Report {
    /// The whole page.
    pub fn html(&self, around: &Around, page: &Page) -> String {
        let longest = self.results.iter().map(|result| result.seconds()).fold(0.0, f64::max);
        let rows: String = self.results.iter().map(|result| row(around, result, longest)).collect();
        let notes: String =
            self.notes.iter().map(|note| format!("<p class=\"warn\">{}</p>\n", escaped(note))).collect();
        let (filters, hiding) = self.filters();
        format!(
            "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width\">\n<title>Round trip of {component}: {summary}</title>\n\
             <style>{STYLE}{hiding}</style>\n<main>\n<h1>Round trip of {component}</h1>\n<p><b>{summary}</b></p>\n\
             <p>Each revision was taken down and up again on a throwaway database; schema and rows were compared.</p>\n\
             {}{notes}<h2 id=\"results\">Revisions</h2>\n{filters}\n<table aria-labelledby=\"results\">\n\
             <thead><tr><th class=\"c-id\" scope=\"col\">Revision</th><th class=\"c-verdict\" scope=\"col\">Verdict</th>\
             <th class=\"c-proof\" scope=\"col\">Proven by</th><th class=\"c-time\" scope=\"col\">Time</th>\
             <th scope=\"col\">What</th></tr></thead>\n<tbody>\n{rows}</tbody>\n</table>\n{}{}</main>\n</html>\n",
            self.about(page),
            self.legend(),
            history(page),
            component = escaped(&self.component),
            summary = escaped(&self.summary()),
        )
    }

    fn about(&self, page: &Page) -> String {
        let of_run = [("Revisions", &self.revisions), ("Baseline", &self.baseline), ("Server", &self.server)];
        let all = page.about.iter().map(|(name, value)| (*name, value)).chain(of_run);
        let lines = all.map(|(name, value)| format!("<dt>{name}</dt><dd>{}</dd>", escaped(value)));
        format!("<dl>{}</dl>\n", lines.collect::<String>())
    }

    /// A button for each verdict there is, and what each hides: no script is needed for it.
    fn filters(&self) -> (String, String) {
        let button = |id: &str, words: &str, checked: &str| {
            format!(
                "<input class=\"filter\" type=\"radio\" name=\"show\" id=\"f-{id}\"{checked}><label for=\"f-{id}\">{words}</label>"
            )
        };
        let mut buttons = vec![button("all", &format!("all {}", self.results.len()), " checked")];
        let mut hiding = String::new();
        for verdict in Verdict::ALL.into_iter().filter(|verdict| self.count(*verdict) > 0) {
            let name = verdict.name();
            buttons.push(button(name, &format!("<b>{}</b> {name}", self.count(verdict)), ""));
            hiding.push_str(&format!("#f-{name}:checked ~ table > tbody > tr:not(.v-{name}) {{ display: none }}\n"));
        }
        (buttons.join("\n"), hiding)
    }

    /// What the proofs on the page mean.
    fn legend(&self) -> String {
        let used = |proof: &&Proof| self.results.iter().any(|result| result.proof == Some(**proof));
        let line = |proof: &Proof| format!("<dt>{}</dt><dd>{}</dd>", proof.name(), escaped(proof.meaning()));
        let lines: String = Proof::ALL.iter().filter(used).map(line).collect();
        if lines.is_empty() { String::new() } else { format!("<h2>How it was proven</h2>\n<dl>{lines}</dl>\n") }
    }
}

fn history(page: &Page) -> String {
    let drawing = page.history.as_ref();
    drawing.map(|drawing| format!("<h2>The history</h2>\n{}", drawing.figure("history"))).unwrap_or_default()
}

fn row(around: &Around, result: &RevisionResult, longest: f64) -> String {
    let (class, verdict) = (result.verdict.tone(), result.verdict.name());
    let message = cut(&result.revision.title(), Some(MESSAGE));
    let message = if message.is_empty() { "(no message)".to_owned() } else { escaped(&message) };
    let more = details(around, result);
    let open = if result.verdict.is_finding() { " open" } else { "" };
    let what = match more.is_empty() {
        true => message,
        false => format!("<details{open}><summary>{message}</summary>{more}</details>"),
    };
    format!(
        "<tr class=\"v-{verdict} {class}\"><td class=\"c-id\"><code>{}</code></td><td><b class=\"{class}\">{}</b></td><td>{}</td>\
         <td>{}</td><td>{what}</td></tr>\n",
        escaped(&cut(&result.revision.id, Some(MESSAGE))),
        escaped(&result.verdict_words()),
        result.proof.map(Proof::name).unwrap_or_default(),
        result.bar(longest),
    )
}

/// What was found: lines, then what differs, side by side.
fn details(around: &Around, result: &RevisionResult) -> String {
    let bare = RevisionResult { schema_changes: Vec::new(), data_changes: Vec::new(), ..result.clone() };
    let mut lines = bare.lines(around);
    if result.without_rows {
        lines.push("no rows in the tables it touches".to_owned());
    }
    let text = cut_lines(&lines.join("\n"));
    let text = if text.is_empty() { text } else { format!("<pre>{}</pre>", escaped(&text)) };
    let schema: String = result.schema_changes.iter().map(schema_row).collect();
    let data: String = result.data_changes.iter().flat_map(data_rows).collect();
    let side = |what: &str, of: &str, rows: String| match rows.is_empty() {
        true => String::new(),
        false => format!(
            "<table class=\"side\"><caption>{what}</caption><thead><tr>{of}<th scope=\"col\">Before</th>\
             <th scope=\"col\">After</th></tr></thead><tbody>{rows}</tbody></table>"
        ),
    };
    let of = "<th scope=\"col\">Of</th>";
    text + &side("What differs in the schema", "", schema) + &side("What differs in the rows", of, data)
}

fn cut_lines(text: &str) -> String {
    match text.char_indices().nth(TEXT) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}

fn schema_row(change: &Change) -> String {
    let side = |side: &Option<String>| match side {
        Some(text) => format!("<td><pre>{}</pre></td>", escaped(&cut_lines(text))),
        None => "<td class=\"time\">not there</td>".to_owned(),
    };
    let cause = change.cause.as_ref().map(|cause| format!("<br>cause: {}", escaped(cause))).unwrap_or_default();
    format!(
        "<tr><th scope=\"rowgroup\" colspan=\"2\">{}{cause}</th></tr><tr>{}{}</tr>",
        escaped(&change.object),
        side(&change.before),
        side(&change.after)
    )
}

fn data_rows(change: &DataChange) -> Vec<String> {
    let count = |rows: Option<u64>| rows.map_or_else(|| "no table".to_owned(), |rows| format!("{rows} rows"));
    let row = |of: String, before: String, after: String| {
        format!("<tr><td>{}</td><td>{}</td><td>{}</td></tr>", escaped(&of), escaped(&before), escaped(&after))
    };
    let mut rows = Vec::new();
    if change.before_rows != change.after_rows {
        rows.push(row(change.table.clone(), count(change.before_rows), count(change.after_rows)));
    }
    for column in &change.columns_lost {
        let after = match column.same_count_but_different {
            true => "as many, other values".to_owned(),
            false => format!("{} values", column.after_values),
        };
        rows.push(row(
            format!("{}.{}", change.table, column.column),
            format!("{} values", column.before_values),
            after,
        ));
    }
    if change.is_its_own && change.is_loss() {
        let why = "the revision itself makes what they stood in: every downgrade takes them along";
        rows.push(format!("<tr><td colspan=\"3\">{why}</td></tr>"));
    }
    rows
}

impl RevisionResult {
    fn seconds(&self) -> f64 {
        self.down.unwrap_or_default() + self.up.unwrap_or_default()
    }

    /// The two ways as a bar, against the longest of all.
    fn bar(&self, longest: f64) -> String {
        let (Some(down), Some(up)) = (self.down, self.up) else { return String::new() };
        let part = |class: &str, seconds: f64| {
            let wide = if longest > 0.0 { 100.0 * seconds / longest } else { 0.0 };
            format!("<i class=\"{class}\" style=\"width:{wide:.1}%\"></i>")
        };
        format!(
            "<span class=\"time\">down {:.0} ms, up {:.0} ms</span><span class=\"bar\" aria-hidden=\"true\">{}{}</span>",
            down * 1000.0,
            up * 1000.0,
            part("down", down),
            part("up", up)
        )
    }
}
