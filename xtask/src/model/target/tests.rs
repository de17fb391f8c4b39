//! Every form of a target on small histories; the big comparison with Alembic itself is in `tests/it/history.rs`.

use super::*;
use crate::model::fixture::graph;

const LINE: &str = "aaaa1; bbbb2 < aaaa1; cccc3 < bbbb2; cccd4 < cccc3";
/// A fork with a merge, and a branch of its own that depends on one arm.
const FORKED: &str = "base1; left2 < base1; right3 < base1; merge4 < left2 right3; top5 < merge4; \
                      other1 [side]; other2 < other1 | right3";
/// Two heads on one line, and a labelled one.
const HEADS: &str = "root; one1 < root; one2 < one1; two1 < root [two]; two2 < two1";

fn way(history: &str, direction: Direction, current: &str, target: &str) -> Result<String, String> {
    let current: Vec<String> = current.split_whitespace().map(str::to_owned).collect();
    let route = Target::parse(target).and_then(|target| resolve(&graph(history), direction, &current, &target));
    let route = route.map_err(|error| error.to_string())?;
    assert!(route.steps.iter().all(|step| step.direction == direction));
    let steps: Vec<String> = route.steps.into_iter().map(|step| step.revision).collect();
    Ok(format!("{} => {}", steps.join(" "), route.destination.join(" ")).trim().to_owned())
}

fn check(history: &str, direction: Direction, cases: &[(&str, &str, Result<&str, &str>)]) {
    for (current, target, expected) in cases {
        let got = way(history, direction, current, target);
        let expected = expected.map(str::to_owned).map_err(str::to_owned);
        assert_eq!(got, expected, "{direction} {target} from '{current}' in {history}");
    }
}

#[test]
fn every_form_is_parsed_and_shown_as_written() {
    let id = |text: &str| Point::Id(text.to_owned());
    let (none, lab) = (None, Some("lab".to_owned()));
    let absolute = |branch: &Option<String>, point| Target::Absolute { branch: branch.clone(), point };
    let relative = |branch: &Option<String>, from, steps| Target::Relative { branch: branch.clone(), from, steps };
    for (text, expected) in [
        ("head", absolute(&none, Point::Head)),
        ("heads", absolute(&none, Point::Heads)),
        ("base", absolute(&none, Point::Base)),
        ("current", Target::Current),
        ("4b7b650bc30e", absolute(&none, id("4b7b650bc30e"))),
        ("v3.0.0.a", absolute(&none, id("v3.0.0.a"))),
        ("my-label", absolute(&none, id("my-label"))),
        ("+1", relative(&none, None, 1)),
        ("-12", relative(&none, None, -12)),
        ("ab12+2", relative(&none, Some(id("ab12")), 2)),
        ("v3.0-1", relative(&none, Some(id("v3.0")), -1)),
        ("head-1", relative(&none, Some(Point::Head), -1)),
        ("lab@head", absolute(&lab, Point::Head)),
        ("lab@heads", absolute(&lab, Point::Heads)),
        ("lab@base", absolute(&lab, Point::Base)),
        ("lab@ab12", absolute(&lab, id("ab12"))),
        ("lab@+1", relative(&lab, None, 1)),
        ("lab@ab12-3", relative(&lab, Some(id("ab12")), -3)),
    ] {
        let target = Target::parse(text).unwrap();
        assert_eq!(target, expected, "{text}");
        assert_eq!(target.to_string(), text);
    }
}

#[test]
fn what_is_no_target_is_said() {
    for (text, why) in [
        ("", "'' is no target: it is empty"),
        ("@head", "'@head' is no target: nothing stands before the '@'"),
        ("lab@", "'lab@' is no target: nothing stands behind the '@'"),
        ("a@b@c", "'a@b@c' is no target: it has more than one '@'"),
        ("a b", "'a b' is no target: it holds a space or a control character"),
        ("+99999999999999999999", "'+99999999999999999999' is no target: the number is too large"),
    ] {
        assert_eq!(Target::parse(text).unwrap_err().to_string(), why);
    }
}

#[test]
fn up_a_line() {
    check(
        LINE,
        Direction::Up,
        &[
            ("", "head", Ok("aaaa1 bbbb2 cccc3 cccd4 => cccd4")),
            ("bbbb2", "heads", Ok("cccc3 cccd4 => cccd4")),
            ("bbbb2", "cccc3", Ok("cccc3 => cccc3")),
            ("bbbb2", "cccd", Ok("cccc3 cccd4 => cccd4")),
            ("cccd4", "head", Ok("=> cccd4")),
            ("cccd4", "aaaa1", Ok("=> aaaa1")),
            ("", "base", Ok("=>")),
            ("", "+1", Ok("aaaa1 => aaaa1")),
            ("bbbb2", "+2", Ok("cccc3 cccd4 => cccd4")),
            ("", "bbbb2+1", Ok("aaaa1 bbbb2 cccc3 => cccc3")),
            ("", "head-1", Ok("aaaa1 bbbb2 cccc3 => cccc3")),
            ("", "base+2", Ok("aaaa1 bbbb2 => bbbb2")),
            ("bbbb2", "current", Ok("=> bbbb2")),
            ("bbbb2", "+3", Err("'+3' goes beyond the history: 2 revisions lie that way")),
            ("bbbb2", "-1", Err("'-1' is no target for upgrade")),
            ("bbbb2", "+0", Err("'+0' is no target for upgrade")),
            ("", "ccc", Err("'ccc' fits several revisions: cccc3, cccd4")),
            ("", "aaaa2", Err("no revision 'aaaa2' (did you mean aaaa1?)")),
            ("nope", "head", Err("the database is at nope, which no file holds")),
            ("aaaa1 bbbb2", "head", Err("aaaa1 is an ancestor of another one of bbbb2, aaaa1")),
            ("", "lab@head", Err("no branch 'lab'")),
        ],
    );
}

#[test]
fn down_a_line() {
    check(
        LINE,
        Direction::Down,
        &[
            ("cccd4", "base", Ok("cccd4 cccc3 bbbb2 aaaa1 =>")),
            ("cccd4", "bbbb2", Ok("cccd4 cccc3 => bbbb2")),
            ("cccd4", "-1", Ok("cccd4 => cccc3")),
            ("cccd4", "-4", Ok("cccd4 cccc3 bbbb2 aaaa1 =>")),
            ("cccd4", "head-2", Ok("cccd4 cccc3 => bbbb2")),
            ("cccd4", "aaaa1+1", Ok("cccd4 cccc3 => bbbb2")),
            ("cccc3", "cccc3", Ok("=> cccc3")),
            ("cccc3", "current", Ok("=> cccc3")),
            ("", "base", Ok("=>")),
            ("cccd4", "-5", Err("'-5' goes beyond the history: 4 revisions lie that way")),
            ("cccc3", "cccd4", Err("'cccd4' is not an ancestor of where the database is (cccc3)")),
            ("", "aaaa1", Err("'aaaa1' is not applied: the database is at no revision")),
            ("", "-1", Err("'-1' starts where the database is, and it is at no revision there")),
            ("cccc3", "+1", Err("'+1' is no target for downgrade")),
            ("cccc3", "base-1", Err("'base-1' goes beyond the history: 0 revisions lie that way")),
        ],
    );
}

#[test]
fn minus_through_a_merge_undoes_one_after_the_other() {
    check(
        FORKED,
        Direction::Down,
        &[
            ("top5", "-1", Ok("top5 => merge4")),
            ("top5", "-2", Ok("top5 merge4 => left2 right3")),
            ("merge4", "-1", Ok("merge4 => left2 right3")),
            ("merge4", "-2", Ok("merge4 left2 => right3")),
            ("left2 right3", "-1", Ok("left2 => right3")),
            ("merge4", "-4", Ok("merge4 left2 right3 base1 =>")),
            ("merge4", "-5", Err("'-5' goes beyond the history: 4 revisions lie that way")),
            // Where other2 needs right3, that has no row of its own and cannot go before.
            ("top5 other2", "-3", Ok("top5 merge4 left2 => other2")),
            ("left2 other2", "-3", Ok("left2 other2 other1 => right3")),
            ("top5", "top5-2", Err("'top5-2' is ambiguous at merge4: the way goes on to left2 or right3")),
        ],
    );
}

#[test]
fn branches_and_dependencies() {
    check(
        FORKED,
        Direction::Up,
        &[
            ("", "side@head", Ok("base1 right3 other1 other2 => other2")),
            ("", "side@+1", Ok("other1 => other1")),
            ("other1", "side@other2", Ok("base1 right3 other2 => other2")),
            ("other1", "+1", Ok("base1 right3 other2 => other2")),
            ("", "+1", Err("'+1' is ambiguous: the way goes on to other1 or base1")),
            ("base1", "+1", Err("'+1' is ambiguous at base1: the way goes on to left2 or right3")),
            ("base1", "right3@+1", Ok("right3 => right3")),
            ("left2 right3", "+1", Err("'+1' is ambiguous: the way goes on to left2 or right3")),
            ("", "side@left2", Err("revision left2 is not on the branch 'side'")),
            ("", "head", Err("'head' asks for one head, and there are 2: top5, other2")),
            ("", "sid@head", Ok("base1 right3 other1 other2 => other2")),
            ("", "sied@head", Err("no branch 'sied' (did you mean side?)")),
        ],
    );
    check(
        FORKED,
        Direction::Down,
        &[
            ("other2 left2", "side@base", Ok("other2 other1 =>")),
            ("other2 left2", "side@-1", Ok("other2 => other1")),
            ("left2", "side@-1", Err("'side@-1' starts where the database is, and it is at no revision there")),
            ("merge4", "left2@base1", Ok("merge4 left2 => base1")),
            ("left2 right3", "left2", Ok("=> left2")),
            ("left2 right3", "right3@base1", Ok("right3 => base1")),
        ],
    );
}

#[test]
fn several_heads() {
    check(
        HEADS,
        Direction::Up,
        &[
            ("", "head", Err("'head' asks for one head, and there are 2: one2, two2")),
            ("", "two@head", Ok("root two1 two2 => two2")),
            ("one2", "heads", Ok("two1 two2 => one2 two2")),
            ("one1 two1", "two@+1", Ok("two2 => two2")),
            ("one2", "two@+1", Ok("two1 => two1")),
        ],
    );
    check(
        HEADS,
        Direction::Down,
        &[
            ("one2 two2", "heads", Err("'heads' asks for one head, and there are 2: one2, two2")),
            ("one2 two2", "two@-1", Ok("two2 => two1")),
            ("one2 two2", "two@root", Ok("two2 two1 => root")),
            ("one2 two2", "root", Ok("one2 one1 two2 two1 => root")),
            ("one2 two2", "-3", Ok("one2 one1 two2 => two1")),
        ],
    );
}

#[test]
fn an_empty_history_has_no_surprises() {
    check(
        "",
        Direction::Up,
        &[
            ("", "head", Ok("=>")),
            ("", "heads", Ok("=>")),
            ("", "+1", Err("'+1' goes beyond the history: 0 revisions lie that way")),
        ],
    );
    check("", Direction::Down, &[("", "base", Ok("=>")), ("", "head", Ok("=>"))]);
}
