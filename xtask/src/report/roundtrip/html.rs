//! One HTML page, complete in itself: the counts, then every revision, those with findings opened. No script, nothing
//! from elsewhere; light and dark as the reader's system is.

use serde_json::Value;

use super::{is_finding, lines};
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
.row > summary, .row > p { display: grid; grid-template-columns: 12rem 9rem 1fr max-content; gap: .8rem; margin: 0; cursor: default }
.row > summary { cursor: pointer }
code, pre { font: 13px/1.5 ui-monospace, monospace }
pre { background: var(--soft); padding: .7rem 1rem; border-radius: .4rem; overflow-x: auto; white-space: pre-wrap }
.good { color: var(--good) } .bad { color: var(--bad) } .warn { color: var(--warn) }
.time { opacity: .6; font-variant-numeric: tabular-nums }
@media (max-width: 45rem) { .row > summary, .row > p { grid-template-columns: 1fr } }
";

/// The whole page.
pub fn page(report: &Value) -> String {
    let text = |name: &str| escaped(report[name].as_str().unwrap_or_default());
    let results = report["results"].as_array().map(Vec::as_slice).unwrap_or_default();
    let rows: String = results.iter().map(row).collect();
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n<title>Round trip of {component}</title>\n\
         <style>{STYLE}</style>\n<h1>Round trip of {component}</h1>\n\
         <p>Each revision was taken down and up again on a throwaway database; schema and rows were compared.</p>\n\
         <dl><dt>Revisions</dt><dd>{}</dd><dt>Baseline</dt><dd>{}</dd><dt>Server</dt><dd>{}</dd></dl>\n\
         <ul class=\"counts\">{}</ul>\n{rows}</html>\n",
        text("revisions"),
        text("baseline"),
        text("server"),
        counts(results),
        component = text("component"),
    )
}

fn counts(results: &[Value]) -> String {
    let all = ["reversible", "schema-differs", "data-lost", "failed", "irreversible", "skipped"];
    let counted = all.iter().filter_map(|verdict| {
        let number = results.iter().filter(|result| result["verdict"] == *verdict).count();
        (number > 0).then(|| format!("<li class=\"{}\"><b>{number}</b> {verdict}</li>", class(verdict)))
    });
    counted.collect()
}

fn class(verdict: &str) -> &'static str {
    match verdict {
        "reversible" => "good",
        "skipped" | "irreversible" => "warn",
        _ => "bad",
    }
}

fn row(result: &Value) -> String {
    let text = |name: &str| escaped(result[name].as_str().unwrap_or_default());
    let seconds = |name: &str| result["seconds"][name].as_f64().map(|seconds| format!("{:.0} ms", seconds * 1000.0));
    let time = match (seconds("down"), seconds("up")) {
        (Some(down), Some(up)) => format!("down {down}, up {up}"),
        _ => String::new(),
    };
    let verdict = result["verdict"].as_str().unwrap_or_default();
    let word = match (verdict, result["step"].as_str()) {
        ("failed", Some(step)) => format!("failed in the {step}"),
        (_, Some(step)) => format!("{verdict} after the {step}"),
        (_, None) => verdict.to_owned(),
    };
    let head = format!(
        "<code>{}</code><b class=\"{}\">{word}</b><span>{}</span><span class=\"time\">{time}</span>",
        text("revision"),
        class(verdict),
        text("message")
    );
    let mut more = lines(result);
    if result["without_rows"] == true {
        more.push("no rows in the tables it touches".to_owned());
    }
    if more.is_empty() {
        return format!("<div class=\"row\"><p>{head}</p></div>\n");
    }
    if is_finding(result) {
        more.insert(0, result["path"].as_str().unwrap_or_default().to_owned());
    }
    let open = if is_finding(result) { " open" } else { "" };
    format!(
        "<details class=\"row\"{open}><summary>{head}</summary><pre>{}</pre></details>\n",
        escaped(&more.join("\n"))
    )
}
