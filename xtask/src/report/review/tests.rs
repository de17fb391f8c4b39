//! What a script may hold is text in a comment and on a page, and a comment has its bound.

use super::{Review, Reviewed};
use crate::model::action::Around;
use crate::model::graph::Graph;
use crate::model::harmless::on_a_line;
use crate::model::roundtrip::Verdict;
use crate::model::statement::{Effect, Lock, Mode, Statement, Touched};
use crate::model::status::Revision;
use crate::report::drawing::{Drawing, Node};
use crate::report::roundtrip::RevisionResult;

/// A statement with this text, on a table of this name.
fn statement(message: &str) -> Statement {
    let rows = vec![Touched { table: message.to_owned(), updated: 2, ..Touched::default() }];
    let locks = vec![Lock { table: message.to_owned(), mode: Mode::AccessExclusive, held: 0.034 }];
    let effect = Some(Effect { rows, locks, rewritten: vec![message.to_owned()] });
    Statement { sql: message.to_owned(), count: 1, seconds: Some(0.03), effect }
}

/// A review of revisions with this message, which stands in the SQL too.
fn review(count: usize, message: &str) -> Review {
    let one = |at: usize| {
        let graph = Graph::build(Vec::new()).unwrap();
        let revision = Revision { id: format!("r{at}"), message: message.to_owned(), path: Some("r.py".into()) };
        let result = RevisionResult {
            revision: revision.clone(),
            ran_up: Some(vec![statement(message)]),
            ..RevisionResult::new(&graph, "r", Verdict::Reversible)
        };
        Reviewed { revision, parents: vec![message.to_owned()], result: Some(result) }
    };
    let node = Node { id: "r".to_owned(), message: on_a_line(message).into_owned(), ..Node::default() };
    Review {
        component: "manager".to_owned(),
        from_checkout: "services/api".into(),
        base: "main".to_owned(),
        about: vec![("Branch", message.to_owned())],
        revisions: (0..count).map(one).collect(),
        report: None,
        findings: Vec::new(),
        histories: vec![(
            "As it is".to_owned(),
            Drawing { title: message.to_owned(), nodes: vec![node], revisions: 1 },
        )],
        after_merge: Some(message.to_owned()),
        diverges: false,
        repeat: Vec::new(),
    }
}

#[test]
fn hostile_text_is_only_text() {
    let hostile =
        "x</pre><script>alert(1)</script> | `a` **b** [c](d) @all #1 GH-26\u{1b}[31m\u{202e}\n```\n## head\n</details>";
    let review = review(1, hostile);
    let markdown = review.markdown(&Around::default());
    assert!(!markdown.contains("<script") && !markdown.contains("\n## head\n```"), "{markdown}");
    assert_eq!(markdown.matches("</pre>").count(), markdown.matches("<pre>").count(), "{markdown}");
    assert_eq!(markdown.matches("</details>").count(), 1, "{markdown}");
    let row = markdown.lines().find(|line| line.starts_with("| r0 ")).unwrap();
    assert_eq!(row.matches('|').count(), 7, "{row}");
    assert!(!row.contains(['`', '*', '[', '@', '<']) && !row.contains("GH-26"), "{row}");
    let html = review.html(&Around::default());
    assert!(html.contains("services/api/r.py"), "files are named from the root of the checkout: {html}");
    for text in [&markdown, &html] {
        assert!(!text.contains(['\u{1b}', '\u{202e}']) && text.contains("&lt;script&gt;"), "{text}");
    }
    assert!(!html.contains("<script") && html.matches("</details>").count() == 1, "{html}");
}

#[test]
fn a_comment_is_never_too_long_and_says_what_is_missing() {
    for (count, message) in [(1, "<".repeat(1_000_000)), (5_000, "한".repeat(300)), (300, "plain words".to_owned())] {
        let markdown = review(count, &message).markdown(&Around::default());
        assert!(markdown.len() < 60_000, "{count}: {}", markdown.len());
        let words = if count == 1 { "more characters are not shown here" } else { "**Left out here**" };
        assert!(markdown.contains(words), "{count}: {markdown}");
    }
    assert!(!review(2, "short").markdown(&Around::default()).contains("Left out"));
}
