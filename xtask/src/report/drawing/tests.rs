//! Drawings of histories of every shape, as they look on a terminal, and what none of the forms lets through.

use expect_test::{Expect, expect};

use super::{Drawing, Known, Look, Node};
use crate::model::fixture::graph;
use crate::model::graph::Graph;
use crate::model::revision::{self, Script};

fn drawing(graph: &Graph, known: &Known) -> Drawing {
    let ids: Vec<&str> = graph.scripts().map(|script| script.id.as_str()).collect();
    Drawing::new(graph, &ids, "manager", known)
}

fn unpainted(_: &Node, id: &str) -> String {
    id.to_owned()
}

/// The signs' meaning is left out.
#[track_caller]
fn drawn(history: &str, expected: &Expect) {
    looks(&drawing(&graph(history), &Known::default()), expected);
}

#[track_caller]
fn looks(drawing: &Drawing, expected: &Expect) {
    let text = drawing.graph(Look::default(), &unpainted);
    expected.assert_eq(&format!("{}\n", text.rsplit_once("\n\n").map_or(text.as_str(), |(drawn, _)| drawn)));
}

#[test]
fn linear() {
    drawn(
        "a1; b2 < a1; c3 < b2",
        &expect![[r#"
        ●  c3 (head)
        ○  b2
        ■  a1
    "#]],
    );
}

#[test]
fn two_heads() {
    drawn(
        "a1; b2 < a1; c3 < b2; d4 < b2; e5 < d4",
        &expect![[r#"
        ●  c3 (head)
        │ ●  e5 (head)
        │ ○  d4
        ├─╯
        ◇  b2 (branchpoint)
        ■  a1
    "#]],
    );
}

#[test]
fn branch_and_merge() {
    drawn(
        "a1; b2 < a1; c3 < a1; d4 < c3; e5 < b2 d4; f6 < e5",
        &expect![[r#"
        ●  f6 (head)
        ◆    e5 (mergepoint)
        ├─╮
        ○ │  b2
        │ ○  d4
        │ ○  c3
        ├─╯
        ◇  a1 (branchpoint)
    "#]],
    );
}

#[test]
fn octopus_merge() {
    drawn(
        "a1; b2 < a1; c3 < a1; d4 < a1; e5 < b2 c3 d4",
        &expect![[r#"
        ●      e5 (head) (mergepoint)
        ├─┬─╮
        ○ │ │  b2
        │ ○ │  c3
        ├─╯ │
        │   ○  d4
        ├───╯
        ◇  a1 (branchpoint)
    "#]],
    );
}

#[test]
fn criss_cross() {
    drawn(
        "a1; b2 < a1; c3 < a1; d4 < b2 c3; e5 < b2 c3; f6 < d4 e5",
        &expect![[r#"
        ●    f6 (head) (mergepoint)
        ├─╮
        ◆ │    d4 (mergepoint)
        ├───╮
        │ ◆ │  e5 (mergepoint)
        ╭─┴─╮
        ◇   │  b2 (branchpoint)
        │   ◇  c3 (branchpoint)
        ├───╯
        ◇  a1 (branchpoint)
    "#]],
    );
}

#[test]
fn labelled_bases() {
    drawn(
        "a1 [shop]; b2 < a1; c3 [mail]; d4 < c3; e5 < d4",
        &expect![[r#"
        ●  b2 (head)
        ■  a1 (shop)

        ●  e5 (head)
        ○  d4
        ■  c3 (mail)
    "#]],
    );
}

#[test]
fn a_branch_that_depends_on_another() {
    drawn(
        "a1 [shop]; b2 < a1; c3 | b2 [mail]; d4 < c3",
        &expect![[r#"
        ●  d4 (head)
        ■  c3 (mail)
        ╷
        ●  b2 (head)
        ■  a1 (shop)
    "#]],
    );
}

#[test]
fn a_ladder() {
    drawn(
        "a1; b2 < a1; c3 < a1; d4 < b2 c3; e5 < d4; f6 < d4; g7 < e5 f6",
        &expect![[r#"
        ●    g7 (head) (mergepoint)
        ├─╮
        ○ │  e5
        │ ○  f6
        ├─╯
        ◆    d4 (branchpoint) (mergepoint)
        ├─╮
        ○ │  b2
        │ ○  c3
        ├─╯
        ◇  a1 (branchpoint)
    "#]],
    );
}

#[test]
fn a_merge_of_merges() {
    drawn(
        "a1; b2 < a1; c3 < a1; d4 < a1; e5 < a1; f6 < b2 c3; g7 < d4 e5; h8 < f6 g7",
        &expect![[r#"
        ●    h8 (head) (mergepoint)
        ├─╮
        ◆ │    f6 (mergepoint)
        ├───╮
        ○ │ │  b2
        │ ◆ │    g7 (mergepoint)
        │ ├───╮
        │ ○ │ │  d4
        ├─╯ │ │
        │   ○ │  c3
        ├───╯ │
        │     ○  e5
        ├─────╯
        ◇  a1 (branchpoint)
    "#]],
    );
}

#[test]
fn many_heads_on_one_revision() {
    drawn(
        "a1; b2 < a1; c3 < a1; d4 < a1; e5 < a1",
        &expect![[r#"
        ●  b2 (head)
        │ ●  c3 (head)
        ├─╯
        │ ●  d4 (head)
        ├─╯
        │ ●  e5 (head)
        ├─╯
        ◇  a1 (branchpoint)
    "#]],
    );
}

#[test]
fn a_part_goes_on_below() {
    let graph = graph("a1; b2 < a1; c3 < b2; d4 < b2; e5 < c3 d4");
    let part = Drawing::new(&graph, &["e5", "d4", "c3"], "manager", &Known::default());
    looks(
        &part,
        &expect![[r#"
        ●    e5 (head) (mergepoint)
        ├─╮
        │ ○  d4
        │ │
        │ ~
        │
        ○  c3
        │
        ~
    "#]],
    );
}

#[test]
fn plain_letters_and_what_is_known() {
    let graph = graph("a1; b2 < a1; c3 < b2; d4 < b2; e5 < c3 d4");
    let mut known = Known { current: Some(vec!["d4".to_owned()]), ..Known::default() };
    known.own = Some(["e5".to_owned()].into());
    known.added.insert("d4".to_owned(), ("Ada".to_owned(), "2026-11-22".to_owned()));
    let drawing = drawing(&graph, &known);
    let look = Look { plain: true, width: Some(38) };
    expect![[r#"
        #    e5 (head) (mergepoint) (own)
        |\
        o |  c3
        | @  d4 (current) -- Ada, 2026-11-22
        |/
        Y  b2 (branchpoint)
        =  a1

        @ current   # head   Y branch point  …
    "#]]
    .assert_eq(&(drawing.graph(look, &unpainted) + "\n"));
    expect![[r#"
        ● c3, d4 -> e5 (head) (mergepoint) (own)
        ○ b2 -> c3
        ◉ b2 -> d4 (current) — Ada, 2026-11-22
        ◇ a1 -> b2 (branchpoint)
        ■ <base> -> a1

        ◉ current   ● head   ◇ branch point   ■ base
    "#]]
    .assert_eq(&(drawing.list(Look::default(), &unpainted) + "\n"));
}

/// A line of revisions as it grows between two merges.
fn long(count: usize) -> String {
    let chain = (1..count).map(|n| format!("r{n} < r{}", n - 1));
    std::iter::once("r0".to_owned()).chain(chain).collect::<Vec<_>>().join("; ")
}

#[test]
fn long_runs_are_folded_and_what_is_marked_is_not() {
    let graph = graph(&long(40));
    let known = Known { current: Some(vec!["r20".to_owned()]), ..Known::default() };
    let folded = drawing(&graph, &known).folded();
    looks(
        &folded,
        &expect![[r#"
        ●  r39 (head)
        ○  r38, 18 revisions, r21 to r38
        ◉  r20 (current)
        ○  r19, 19 revisions, r1 to r19
        ■  r0
    "#]],
    );
    // Three in a row are not worth it.
    assert_eq!(drawing(&crate::model::fixture::graph(&long(5)), &Known::default()).folded().nodes.len(), 5);
}

/// What scripts hold stays text in every form, and what is too long is cut.
#[test]
fn nothing_that_scripts_hold_acts() {
    let hostile = "<script>alert(1)</script> \"]; a -> b; x[\" \u{1b}[2J \u{202e}evil\n::error::x";
    let text = format!("'''{}\n\n'''\nrevision = 'a1'\ndown_revision = None\n", hostile.replace('\n', " "));
    let script = revision::read(std::path::Path::new("v/a.py"), &text).unwrap();
    let million =
        Script { id: "b2".to_owned(), down: vec!["a1".to_owned()], message: "w".repeat(1_000_000), ..script.clone() };
    let nothing = Script {
        id: "c3".to_owned(),
        down: vec!["b2".to_owned()],
        message: "\u{200b}".repeat(300_000),
        ..script.clone()
    };
    let graph = Graph::build(vec![script, million, nothing]).unwrap();
    let drawing = drawing(&graph, &Known::default());
    let look = Look { plain: false, width: Some(80) };
    let forms = [
        drawing.graph(look, &unpainted),
        drawing.list(look, &unpainted),
        drawing.svg(),
        drawing.mermaid(),
        drawing.dot(),
    ];
    for form in &forms {
        assert!(form.len() < 20_000 && !form.contains('\u{1b}') && !form.contains('\u{202e}'), "{} bytes", form.len());
    }
    let [_, _, svg, mermaid, dot] = &forms;
    assert!(!svg.contains("<script") && svg.contains("&lt;script&gt;"));
    assert!(!mermaid.contains("<script") && !mermaid.contains("\"]; a") && mermaid.contains("#60;script#62;"));
    assert!(dot.contains("\\\"]; a -> b; x[\\\""));
}

/// Every text of a picture can be read, light and dark: a contrast of 4.5, as WCAG asks. (No checker tells it of texts in an SVG.)
#[test]
fn contrast() {
    let svg = drawing(&graph("a1"), &Known::default()).svg();
    let (light, dark) = svg.split_once("prefers-color-scheme: dark").unwrap();
    for style in [light, dark] {
        let luminance = |name: &str| {
            let value = style.split_once(&format!("--{name}: #")).unwrap().1;
            let hex: String = value.chars().take_while(char::is_ascii_hexdigit).collect();
            let hex = if hex.len() == 3 { hex.chars().flat_map(|c| [c, c]).collect() } else { hex };
            let one = |at: usize, weight: f64| {
                let part = f64::from(u8::from_str_radix(&hex[at..at + 2], 16).unwrap()) / 255.0;
                weight * if part <= 0.039_28 { part / 12.92 } else { ((part + 0.055) / 1.055).powf(2.4) }
            };
            one(0, 0.2126) + one(2, 0.7152) + one(4, 0.0722)
        };
        for (ink, behind) in
            [("ink", "paper"), ("soft", "paper"), ("ink", "mark"), ("good", "mark"), ("bad", "mark"), ("warn", "mark")]
        {
            let (one, other) = (luminance(ink) + 0.05, luminance(behind) + 0.05);
            let contrast = if one > other { one / other } else { other / one };
            assert!(contrast >= 4.5, "{ink} on {behind}: {contrast}");
        }
    }
}
