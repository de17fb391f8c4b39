//! Histories in a line each: heads, order, reach, bookkeeping, and every way to be broken.

use super::*;
use crate::model::fixture::{graph, scripts};
use crate::model::target::{Direction, Step};

const FORKED: &str = "a; b < a; c < a; d < b c; e < d; x [side]; y < x | c";

fn words(ids: &[&str]) -> String {
    ids.join(" ")
}

fn owned(ids: &str) -> Vec<String> {
    ids.split_whitespace().map(str::to_owned).collect()
}

fn problems(text: &str) -> Vec<String> {
    match Graph::build(scripts(text)) {
        Ok(_) => Vec::new(),
        Err(problems) => problems.iter().map(ToString::to_string).collect(),
    }
}

#[test]
fn what_each_revision_is() {
    let graph = graph(FORKED);
    assert_eq!((graph.len(), graph.is_empty()), (7, false));
    assert_eq!(words(&graph.heads()), "e y");
    assert_eq!(words(&graph.bases()), "a x");
    assert_eq!(words(&graph.parents("d")), "b c");
    assert_eq!(words(&graph.children("a")), "b c");
    assert_eq!(words(&graph.dependencies("y")), "c");
    assert_eq!(graph.labels("y"), ["side"]);
    assert!(graph.is_head("e") && !graph.is_head("d") && graph.is_base("x") && !graph.is_base("y"));
    assert!(graph.is_branch_point("a") && !graph.is_branch_point("c"), "a dependency makes no branch");
    assert!(graph.is_merge_point("d") && !graph.is_merge_point("y"), "a dependency makes no merge");
    assert_eq!(graph.get("d").map(|script| script.id.as_str()), Some("d"));
    for nothing in [graph.get("no").is_none(), graph.parents("no").is_empty(), !graph.is_head("no")] {
        assert!(nothing);
    }
}

#[test]
fn effective_heads_leave_out_what_others_depend_on() {
    let graph = graph("a; b < a; x; y < x | b");
    assert_eq!((words(&graph.heads()), words(&graph.effective_heads())), ("b y".to_owned(), "y".to_owned()));
}

#[test]
fn history_and_pending() {
    let graph = graph(FORKED);
    let order: Vec<&str> = graph.scripts().map(|script| script.id.as_str()).collect();
    assert_eq!(words(&order), "e d b y x c a");
    for (current, pending) in
        [("", "a c x y b d e"), ("a", "c x y b d e"), ("y", "b d e"), ("e y", ""), ("nowhere e", "x y")]
    {
        assert_eq!(words(&graph.pending(&owned(current))), pending, "at {current}");
    }
    assert_eq!(graph.unknown(&owned("a nowhere")), ["nowhere"]);
}

#[test]
fn ancestors_and_descendants() {
    let graph = graph(FORKED);
    assert_eq!(words(&graph.ancestors(&["y"], Links::Parents)), "y x");
    assert_eq!(words(&graph.ancestors(&["y"], Links::WithDependencies)), "y x c a");
    assert_eq!(words(&graph.descendants(&["c"], Links::Parents)), "e d c");
    assert_eq!(words(&graph.descendants(&["c"], Links::WithDependencies)), "e d y c");
    assert_eq!(words(&graph.ancestors(&["no"], Links::Parents)), "");
}

#[test]
fn problems_name_who_and_where() {
    for (text, expected) in [
        ("a; a < b; b", vec!["revision a is in several files: v/a.py, v/a.py"]),
        ("a; b < ab12", vec!["revision b has the parent 'ab12', which no file holds (did you mean a?)"]),
        // What stands on it is not meant: that would be a circle.
        ("a1 < c4; b2 < a1; c3 < b2", vec!["revision a1 has the parent 'c4', which no file holds"]),
        ("ab12cd; b < ab12", vec!["revision b has the parent 'ab12', which no file holds (did you mean ab12cd?)"]),
        ("a [lab]; b < lab", vec!["revision b has the parent 'lab', which no file holds"]),
        ("a | zzzz", vec!["revision a depends on 'zzzz', which no file holds"]),
        ("a < a", vec!["revision a follows itself"]),
        ("a | a", vec!["revision a follows itself"]),
        ("a | lab [lab]", vec!["revision a follows itself"]),
        ("a < c; b < a; c < b; d < c", vec!["revisions follow one another in a circle (a -> c -> b -> a)"]),
        ("z; a < z b; b < a; h < b", vec!["revisions follow one another in a circle (a -> b -> a)"]),
        (
            "a < b; b < a; c < d; d < c",
            vec![
                "revisions follow one another in a circle (a -> b -> a)",
                "revisions follow one another in a circle (c -> d -> c)",
            ],
        ),
        (
            "a | d; b < a; c; d < c | b",
            vec!["revisions follow one another in a circle through `depends_on` (a -> d -> b -> a)"],
        ),
        ("a-1@", vec!["revision id a-1@ holds `@` and `-`, which alembic does not allow"]),
        ("a [l]; b < a [l]", vec!["branch label 'l' of revision b is already that of revision a"]),
        ("a; b < a [a]", vec!["branch label 'a' of revision b is also a revision id"]),
        (
            "b < nil1; c < nil2",
            vec![
                "revision b has the parent 'nil1', which no file holds",
                "revision c has the parent 'nil2', which no file holds",
            ],
        ),
    ] {
        assert_eq!(problems(text), expected, "{text}");
    }
}

#[test]
fn problems_have_a_place() {
    let problems = Graph::build(scripts("a; b < nowhere")).unwrap_err();
    let place = problems[0].place().unwrap();
    assert_eq!((place.id.as_str(), place.path.to_str(), place.line), ("b", Some("v/b.py"), 2));
}

#[test]
fn labels_spread_over_their_branch() {
    let labels = |text: &str, ids: &str| {
        let graph = graph(text);
        ids.split_whitespace().map(|id| graph.labels(id).join("+")).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(labels("a; b < a [l]; c < b", "a b c"), "l l l", "a plain line: up and down");
    assert_eq!(labels("a; b < a [l]; c < a", "a b c"), " l ", "stops at the branch point below");
    assert_eq!(labels("a; b < a [l]; c < b; d < b", "a b c d"), " l l l", "a fork above keeps it up there");
    assert_eq!(labels("a; b < a [l]; c; d < b c", "a b c d"), " l  l", "so does a merge");
    assert_eq!(labels("a [k]; b < a [l]", "a b"), "k+l k+l");
}

#[test]
fn the_version_table_after_a_step() {
    let text = "a; b < a; c < a; d < b c; x; y < x | c; z < y | c";
    let graph = graph(text);
    for (current, step, expected) in [
        ("", "+a", Ok("a")),
        ("a", "+b", Ok("b")),
        ("b", "+c", Ok("b c")),
        ("b c", "+d", Ok("d")),
        ("d", "-d", Ok("b c")),
        ("b c", "-c", Ok("b")),
        ("b", "-b", Ok("a")),
        ("a", "-a", Ok("")),
        ("b c", "+x", Ok("b c x")),
        ("b c x", "+y", Ok("b y")),
        // c has no row of its own: y implies it, and when d goes, it still does
        ("b y", "+d", Ok("d y")),
        ("d y", "-d", Ok("b y")),
        ("d y", "-y", Ok("d x")),
        ("y", "+z", Ok("z")),
        ("z", "-z", Ok("y")),
        ("a", "-b", Err("revision b is not one of the database's current heads")),
        ("b", "+b", Err("the database is at revision b already")),
        ("nope", "+a", Err("no file holds revision nope")),
        ("a", "+nope", Err("no file holds revision nope")),
    ] {
        let direction = if step.starts_with('+') { Direction::Up } else { Direction::Down };
        let after = graph.heads_after(&owned(current), &Step { direction, revision: step[1..].to_owned() });
        let after = after.map(|ids| ids.join(" ")).map_err(|error| error.to_string());
        assert_eq!(after, expected.map(str::to_owned).map_err(str::to_owned), "{step} from {current}");
    }
}

#[test]
fn a_merge_that_alembic_cannot_record() {
    // b is an ancestor of c, so it has no row of its own, and alembic wants to replace one.
    let graph = graph("a; b < a; c < b; x < a; m < b c x");
    let step = Step { direction: Direction::Up, revision: "m".to_owned() };
    let error = graph.heads_after(&owned("c x"), &step).unwrap_err();
    assert_eq!(error, HeadError::MissingRow { revision: "m".to_owned(), row: "b".to_owned() });
}

/// Long lines, wide fans and ladders of merges: none may recurse, and none may cost the square of its size. The second
/// half cannot be asserted without a clock, but a quadratic walk of these would be noticed as a hang.
#[test]
fn long_histories() {
    let count = 10_000;
    let line = (1..count).map(|n| format!("r{n} < r{}", n - 1));
    let fan = (1..count).map(|n| format!("r{n} < r0"));
    let ladder = (1..count).map(|n| match n % 3 {
        0 => format!("r{n} < r{} r{}", n - 1, n - 2),
        1 => format!("r{n} < r{}", n - 1),
        _ => format!("r{n} < r{}", n - 2),
    });
    let fence = (1..count).map(|n| if n % 2 == 1 { format!("r{n} < r0") } else { format!("r{n} < r{}", n - 1) });
    for lines in [line.collect::<Vec<_>>(), fan.collect(), ladder.collect(), fence.collect()] {
        let graph = graph(&format!("r0 [trunk];{}", lines.join(";")));
        assert_eq!(graph.scripts().len(), count);
        let pending = graph.pending(&[]);
        assert_eq!((pending.len(), pending[0]), (count, "r0"));
        assert_eq!(graph.ancestors(&graph.heads(), Links::WithDependencies).len(), count);
        assert_eq!(graph.labels("r9999"), ["trunk"]);
    }
    let circle = (0..count).map(|n| format!("r{n} < r{}", (n + 1) % count)).collect::<Vec<_>>().join(";");
    let problems = Graph::build(scripts(&circle)).unwrap_err();
    assert!(matches!(&problems[..], [Problem::Cycle { places, .. }] if places.len() == count));
}
