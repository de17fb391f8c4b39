//! The rules, one history each: what is there, what is released, what comes of it.

use std::collections::HashSet;

use super::*;
use crate::model::fixture;

fn released(ids: &str) -> HashSet<String> {
    ids.split_whitespace().map(str::to_owned).collect()
}

/// The plan in words; a refusal in its own.
fn words(history: &str, ids: &str, wish: &Wish) -> String {
    let graph = fixture::graph(history);
    match plan(&graph, &released(ids), wish) {
        Err(refusal) => refusal.to_string(),
        Ok(plan) => match &plan.change {
            Change::Nothing => "nothing".to_owned(),
            Change::Merge { parents, why } => format!("merge {} ({why:?})", parents.join(" ")),
            Change::Move(moved) => {
                let after = applied(&graph, &plan.change).unwrap();
                let again = super::plan(&after, &released(ids), wish).unwrap();
                assert_eq!(again.change, Change::Nothing, "a second run has something to do\n{history}");
                moved.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
            }
        },
    }
}

fn usual(history: &str, ids: &str) -> String {
    words(history, ids, &Wish::Usual)
}

#[test]
fn one_head_needs_nothing() {
    assert_eq!(usual("p; a < p", "p"), "nothing");
    assert_eq!(words("p; a < p", "p", &Wish::Merge), "nothing");
    assert_eq!(words("p; a < p", "p", &Wish::Onto("a".into())), "nothing");
}

#[test]
fn own_revisions_move_on_top_of_the_released_head() {
    assert_eq!(usual("p; r < p; a < p", "p r"), "a: p → r");
    assert_eq!(usual("p; r < p; s < r; a < p; b < a; c < b", "p r s"), "a: p → s");
    assert_eq!(usual("p; q < p; r < q; a < p; b < a", "r"), "a: p → r");
}

#[test]
fn several_own_heads_come_one_after_the_other() {
    assert_eq!(usual("p; r < p; a < p; b < p", "p r"), "a: p → r; b: p → a");
    assert_eq!(usual("p; r < p; a < p; b < r", "p r"), "a: p → b");
    assert_eq!(usual("p; r < p; x < p; a < x; b < x", "p r"), "x: p → r; b: x → a");
    assert_eq!(usual("p; a < p; b < p", "p"), "b: p → a");
}

#[test]
fn own_merges_keep_their_shape_and_lose_what_is_below_anyway() {
    assert_eq!(usual("p; r < p; a < p; b < p; m < a b", "p r"), "b: p → r; a: p → r");
    assert_eq!(usual("p; r < p; s < r; a < p; m < a r; b < m", "p r s"), "a: p → s; m: a + r → a");
    assert_eq!(usual("p; r < p; s < p; t < r s; u < t; m < r s", "p r s t u"), "m: r + s → u");
}

#[test]
fn released_revisions_are_never_edited() {
    assert_eq!(usual("p; r < p; s < p", "p r s"), "merge r s (ReleasedDiverged)");
    assert_eq!(usual("p; r < p; s < p; a < r", "p r s"), "merge s a (ReleasedDiverged)");
    assert_eq!(words("p; r < p; a < p", "p r", &Wish::Merge), "merge r a (Asked)");
    let onto = Wish::Onto("a".into());
    let refused = "to put everything on a, released revisions would be edited: r";
    assert_eq!(words("p; r < p; a < p", "p r", &onto), refused);
    assert_eq!(words("p; r < p; a < p", "", &onto), "r: p → a");
    assert_eq!(words("p; a < p", "", &Wish::Onto("x".into())), "no file holds revision x");
}

#[test]
fn dependencies_decide_the_order_of_own_heads() {
    assert_eq!(usual("p; r < p; a < p | b; b < p", "p r"), "b: p → r; a: p → b");
    // Both ways: one line is the only way out.
    let crossed = "p; r < p; a1 < p; a2 < a1 | b1; b1 < p; b2 < b1 | a1";
    let moved = usual(crossed, "p r");
    assert!(moved.contains("→ r") && moved.split("; ").count() >= 3, "{moved}");
    // What a released revision depends on is released.
    assert_eq!(usual("p; d < p; r < p | d; a < p", "p r"), "merge d r a (ReleasedDiverged)");
}

#[test]
fn a_branch_that_is_meant_is_left_alone() {
    let refused = "w begins a branch of its own: it has a branch label and no parent";
    assert_eq!(usual("p; r < p; w [web]", "p r"), "nothing", "two heads on purpose");
    assert_eq!(usual("p; r < p; a < p; w [web]", "p r"), refused);
    assert_eq!(usual("p; r < p; w", "p r"), "w: <base> → r");
}

#[test]
fn the_common_ancestor() {
    let graph = fixture::graph("o; p < o; r < p; s < r; a < p");
    let plan = plan(&graph, &released("s"), &Wish::Usual).unwrap();
    assert_eq!((plan.ancestors, plan.onto), (vec!["p".to_owned()], Some("s".to_owned())));
}

/// The way of a database at `at`: down, between, up, after.
fn way(at: &str) -> String {
    let old = fixture::graph("p; r < p; s < r; a < p; b < a");
    let plan = plan(&old, &released("p r s"), &Wish::Usual).unwrap();
    let Change::Move(moved) = &plan.change else { panic!("{plan:?}") };
    let new = applied(&old, &plan.change).unwrap();
    let at: Vec<String> = at.split_whitespace().map(str::to_owned).collect();
    let trip = trip(&old, &new, moved, &at).unwrap();
    let line = |ids: &[String]| ids.join(" ");
    format!("{} | {} | {} | {}", line(&trip.down), line(&trip.between), line(&trip.up), line(&trip.after))
}

#[test]
fn the_database_at_every_place() {
    assert_eq!(way("b"), "b a | p | r s a b | b");
    assert_eq!(way("a"), "a | p | r s a | a");
    assert_eq!(way("b s"), "b a | s | a b | b");
    assert_eq!(way("a r"), "a | r | s a | a");
    assert_eq!(way("s"), " | s |  | s");
    assert_eq!(way("r"), " | r |  | r");
    assert_eq!(way("p"), " | p |  | p");
    assert_eq!(way(""), " |  |  | ");
}
