//! The forms of one report, and a result that is written down and read again.

use std::path::Path;

use super::*;
use crate::fail::Kind;
use crate::model::action::{Around, own};
use crate::model::catalog::{Key, Object, Snapshot, diff};
use crate::model::rows::ColumnLoss;
use crate::report::drawing::Drawing;

fn result(id: &str, message: &str, verdict: Verdict) -> RevisionResult {
    let graph = Graph::build(Vec::new()).unwrap();
    let revision = Revision { id: id.to_owned(), message: message.to_owned(), path: None };
    RevisionResult { revision, ..RevisionResult::new(&graph, id, verdict) }
}

fn report() -> Report {
    let failed = RevisionResult {
        revision: Revision {
            id: "b2".to_owned(),
            message: "a <b> & \"c\" \u{7}".to_owned(),
            path: Some("b2.py".into()),
        },
        step: Some(Leg::Downgrade),
        error: Some(Fail::new(Kind::SqlError, "no").details("x < y").sqlstate("42P01")),
        ..result("b2", "", Verdict::Failed)
    };
    let declared = RevisionResult {
        reason: Some("the keys are gone".to_owned()),
        without_rows: true,
        down: Some(0.5),
        up: Some(0.25),
        ..result("a1", "", Verdict::Irreversible)
    };
    let unproven = RevisionResult {
        reason: Some("what stood below it before is not known here".to_owned()),
        to_prove: Some(own("db-roundtrip").into()),
        ..result("a0", "", Verdict::Unproven)
    };
    let good = RevisionResult { proof: Some(Proof::FromEmpty), ..result("a00", "", Verdict::Reversible) };
    Report {
        component: "manager".to_owned(),
        revisions: "all".to_owned(),
        baseline: "empty".to_owned(),
        cache: None,
        server: "PostgreSQL 15".to_owned(),
        notes: Vec::new(),
        results: vec![failed, declared, unproven, good],
        kept: None,
        strict: false,
        run: Run::default(),
    }
}

#[test]
fn every_revision_is_a_case() {
    let xml = report().junit(&Around::default(), Path::new("services/api"));
    assert!(xml.contains("tests=\"4\" failures=\"1\" errors=\"0\" skipped=\"2\""), "{xml}");
    assert!(xml.contains("name=\"b2 a &lt;b&gt; &amp; &quot;c&quot; \\u{7}\""), "{xml}");
    assert!(xml.contains("<failure type=\"failed\" message=\"failed in the downgrade\">"), "{xml}");
    assert!(xml.contains("<skipped message=\"irreversible: the keys are gone\"/>"), "{xml}");
    assert!(xml.contains("<skipped message=\"unproven: what stood below it"), "{xml}");
    assert!(xml.contains("<system-out>proof: from-empty</system-out>"), "{xml}");
    assert!(xml.contains("time=\"0.750\"") && xml.contains("file=\"services/api/b2.py\""), "{xml}");
    let strict = Report { strict: true, ..report() }.junit(&Around::default(), Path::new(""));
    assert!(strict.contains("failures=\"2\"") && strict.contains("<failure type=\"unproven\""), "{strict}");
}

#[test]
fn the_page_hides_nothing_and_executes_nothing() {
    let about = vec![("Branch", "a<b>".to_owned()), ("Command", "cargo xtask db-roundtrip".to_owned())];
    let mut report = report();
    report.results[1].revision.message = "w".repeat(1_000_000);
    report.results[3].revision.message = "\u{202e}gnp\u{1b}[31m".to_owned();
    let page = report.html(&Around::default(), &Page { about, history: Some(Drawing::default()) });
    assert!(page.len() < 30_000 && page.contains("<dt>Branch</dt><dd>a&lt;b&gt;</dd>"), "{}", page.len());
    assert!(
        page.contains("#f-failed:checked ~ table > tbody > tr:not(.v-failed)")
            && page.contains("<tr class=\"v-failed bad\">")
    );
    let seen = ["a &lt;b&gt; &amp;", "x &lt; y", "the keys are gone", "b2.py", "failed in the downgrade", "from-empty"];
    for text in seen.iter().chain(&[Proof::FromEmpty.meaning()]) {
        assert!(page.contains(text), "{text} is not in {page}");
    }
    assert!(!page.contains("<script") && !page.contains("http"), "{page}");
    assert!(!page.contains(['\u{202e}', '\u{1b}']) && page.contains("\\u{202e}gnp\\u{1b}[31m"), "{page}");
}

#[test]
fn what_is_unproven_is_no_pass() {
    let only = |verdict| Report { results: vec![result("a", "", verdict)], ..report() };
    for (verdict, plain, strict) in [
        (Verdict::Reversible, Exit::Done, Exit::Done),
        (Verdict::Unproven, Exit::Done, Exit::Findings),
        (Verdict::DataDiffers, Exit::Findings, Exit::Findings),
        (Verdict::Irreversible, Exit::Done, Exit::Done),
        (Verdict::Skipped, Exit::Findings, Exit::Findings),
    ] {
        assert_eq!(only(verdict).exit(), plain, "{verdict:?}");
        assert_eq!(Report { strict: true, ..only(verdict) }.exit(), strict, "{verdict:?}");
    }
    let around = Around::default();
    let text = report().text(&around, &|_, word| word.to_owned());
    assert!(text.ends_with("Tested 4 revisions: 1 reversible, 1 failed, 1 irreversible, 1 unproven."), "{text}");
    assert!(text.contains("to prove it: cargo xtask db-roundtrip"), "{text}");
}

#[test]
fn what_is_saved_is_read_back() {
    let table = Key::new("table", "public.t");
    let (mut before, mut after) = (Snapshot::default(), Snapshot::default());
    let column =
        |kind: &str| Object { parent: Some(table.clone()), attributes: vec![("type".into(), kind.to_owned())] };
    before.insert(Key::new("column", "public.t.x"), column("a\nb"));
    after.insert(Key::new("column", "public.t.x"), column("c"));
    let lost = ColumnLoss { column: "x".to_owned(), before_values: 3, after_values: 3, same_count_but_different: true };
    let data = DataChange {
        table: "public.t".to_owned(),
        before_rows: None,
        after_rows: Some(3),
        columns_lost: vec![lost],
        is_its_own: true,
    };
    let full = RevisionResult {
        schema_changes: diff(&before, &after),
        data_changes: vec![data],
        cause: Some("so".to_owned()),
        proof: Some(Proof::Recorded),
        notes: vec!["n".to_owned()],
        ..report().results.remove(0)
    };
    let around = Around::default();
    let read = RevisionResult::saved(&full.to_json(&around)).unwrap();
    assert_eq!(read.to_json(&around), full.to_json(&around));
    let plain = |_: Tone, word: &str| word.to_owned();
    assert_eq!(read.text(&around, &plain)[1..], full.text(&around, &plain)[1..]);
    assert!(RevisionResult::saved(&serde_json::json!({"revision": "a"})).is_none());
}
