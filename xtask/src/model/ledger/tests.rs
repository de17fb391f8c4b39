//! When the ledger accuses, and above all when it does not.

use super::*;
use crate::model::fixture::graph;

/// `p a<p`, every revision as this tool ran it, and the version table as it left it.
fn ran(entries: &str, heads: &str) -> Ledger {
    let entry = |word: &str| {
        let (id, parents) = word.split_once('<').unwrap_or((word, ""));
        let parents = parents.split(',').filter(|id| !id.is_empty()).map(str::to_owned).collect();
        (id.to_owned(), Entry { parents, how: How::Ran })
    };
    let marks: Vec<Mark> = ids(heads).into_iter().map(|revision| Mark { revision, writer: "7".to_owned() }).collect();
    Ledger { entries: entries.split_whitespace().map(entry).collect(), left: marks.clone(), now: marks }
}

fn ids(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

fn named(skipped: &[Skipped]) -> String {
    skipped.iter().map(|it| it.revision.as_str()).collect::<Vec<_>>().join(" ")
}

fn skips(ledger: &Ledger, history: &str, heads: &str) -> String {
    named(&ledger.skipped(&graph(history), &ids(heads)))
}

#[test]
fn what_a_new_parent_implies_never_ran() {
    let ledger = ran("p a<p b<a", "b");
    assert_eq!(skips(&ledger, "p; r < p; s < r; a < s; b < a", "b"), "s r");
    let found = ledger.skipped(&graph("p; r < p; a < r; b < a"), &ids("b"));
    let because = found[0].because.as_ref().unwrap();
    assert_eq!((because.revision.as_str(), because.was.join(","), because.is.join(",")), ("a", "p".into(), "r".into()));
    // Below the base, and through a dependency.
    assert_eq!(skips(&ran("p a<p", "a"), "z; p < z; a < p", "a"), "z");
}

#[test]
fn what_ran_is_not_accused() {
    // On both sides, then put in a line.
    let ledger = ran("p a<p r<p s<r", "a s");
    assert_eq!(skips(&ledger, "p; r < p; s < r; a < s", "a s"), "");
    // Nothing changed; what is pending; another branch's scripts.
    assert_eq!(skips(&ran("p a<p", "a"), "p; a < p; b < a", "a"), "");
    assert_eq!(skips(&ran("p r<p a<r", "a"), "p; a < p", "a"), "");
    // A merge revision that was run.
    assert_eq!(skips(&ran("p a<p r<p m<a,r", "m"), "p; a < p; r < p; m < a r", "m"), "");
}

#[test]
fn a_revision_that_was_renamed_or_joined_with_others_is_not_accused() {
    assert_eq!(skips(&ran("p q<p a<q", "a"), "p; qq < p; a < qq", "a"), "");
    assert_eq!(skips(&ran("p q<p a<q b<a", "b"), "all; b < all", "b"), "");
}

#[test]
fn a_chain_that_somebody_else_has_broken_only_suspects() {
    let mut ledger = ran("p a<p", "a");
    let history = graph("p; r < p; a < r; b < a");
    assert!(ledger.is_unbroken(&ids("a")) && !ledger.is_unbroken(&ids("b")) && !ledger.is_unbroken(&[]));
    ledger.now[0].writer = "8".to_owned();
    assert!(!ledger.is_unbroken(&ids("a")));
    assert_eq!(named(&ledger.suspects(&history, &ids("a"), &[])), "r");
    // What it has seen run is above suspicion.
    ledger.entries.insert("r".to_owned(), Entry { parents: ids("p"), how: How::Ran });
    assert_eq!(named(&ledger.suspects(&history, &ids("a"), &[])), "");
    // Without any ledger the past is somebody else's word.
    let none = Ledger::default();
    assert_eq!(named(&none.suspects(&history, &ids("b"), &[("a".to_owned(), ids("p"))])), "r");
    assert_eq!(named(&none.suspects(&history, &ids("b"), &[("a".to_owned(), ids("r"))])), "");
}

#[test]
fn what_is_known_stays_known_when_the_walk_goes_on() {
    let history = graph("p; r < p; a < r; b < a");
    let ledger = ran("p a<p", "a");
    let begun = ledger.begun(&history, &ids("a"));
    assert_eq!(begun["r"].how, How::Skipped);
    assert_eq!(begun["a"], Entry { parents: ids("p"), how: How::Ran });
    // Now it is a row, and holds without the one that was re-parented.
    let later = Ledger { entries: begun, ..ran("", "r") };
    assert_eq!(skips(&later, "p; r < p; a < r", "r"), "r");
    assert_eq!(later.begun(&history, &ids("r"))["r"].how, How::Skipped);
}

#[test]
fn a_ledger_that_begins_anew_finds_and_doubts() {
    let history = graph("p; r < p; a < r; b < a; c < b");
    let mut ledger = ran("p a<p z", "a");
    ledger.now = vec![Mark { revision: "b".to_owned(), writer: "9".to_owned() }];
    let begun = ledger.begun(&history, &ids("b"));
    let all: Vec<String> = begun.iter().map(|(id, entry)| format!("{id}:{}", entry.how.word())).collect();
    assert_eq!(all, ["a:ran", "b:found", "p:ran", "r:doubted"]);
    let after = Ledger { entries: begun, left: ledger.now.clone(), now: ledger.now };
    assert_eq!(skips(&after, "p; r < p; a < r; b < a", "b"), "");
    assert_eq!(named(&after.suspects(&history, &ids("b"), &[])), "r");
}

#[test]
fn the_way_back_goes_below_everything_that_was_skipped() {
    let back = |history: &str, heads: &str, never: &str| {
        let skipped: Vec<Skipped> = ids(never).iter().map(|id| skipped(id, None)).collect();
        remedy(&graph(history), &ids(heads), &skipped)
    };
    assert_eq!(back("p; r < p; s < r; a < s; b < a", "b", "s r").as_deref(), Some("p"));
    assert_eq!(back("z; p < z; a < p", "a", "z").as_deref(), Some("base"));
    assert_eq!(back("p; r < p; a < r; x < p", "a x", "r").as_deref(), Some("p"));
    let stretch = |target: &str, never: &str| {
        let skipped: Vec<Skipped> = ids(never).iter().map(|id| skipped(id, None)).collect();
        by_hand(&graph("z; p < z; r < p; s < r; a < s"), target, &skipped)
    };
    assert_eq!(stretch("p", "s r").as_deref(), Some("p:s"));
    assert_eq!(stretch("base", "z").as_deref(), Some("base:z"));
    assert_eq!(stretch("p", "s"), None, "r ran, and its SQL must not run again");
}

#[test]
fn what_ran_and_the_files_no_longer_say() {
    let undone = |ledger: &Ledger, history: &str, heads: &str| ledger.undone(&graph(history), &ids(heads));
    // A rebase put `m` from `a` on `t`; git has taken the files back, with `t` or without.
    let ledger = ran("a t<a m<t", "m");
    let found = undone(&ledger, "a; m < a", "m");
    assert_eq!((found.revisions, found.gone), (ids("t"), ids("t")));
    assert_eq!(found.moved[0].was, ["t"]);
    let found = undone(&ledger, "a; t < a; m < a", "m");
    assert_eq!((found.revisions, found.gone), (ids("t"), Vec::new()));
    assert!(undone(&ledger, "a; t < a; m < t", "m").is_empty(), "the files are as they were");
    // A new revision in the place of the old ones, or a base that holds them: made one, not taken back.
    assert!(undone(&ran("p q<p a<q", "a"), "p; qq < p; a < qq", "a").is_empty());
    assert!(undone(&ran("p q<p a<q", "a"), "a", "a").is_empty());
    // Somebody else has written the version table.
    let broken = Ledger { now: vec![Mark { revision: "m".to_owned(), writer: "8".to_owned() }], ..ledger };
    assert!(undone(&broken, "a; m < a", "m").is_empty());
}
