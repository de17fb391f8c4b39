//! DB112: a revision id that looks as if somebody had typed it.

use super::{Check, Context, Level, Rule, Scope, Sink, Source};
use crate::model::action::{Action, Program, own, program};

pub(super) const RULE: Rule = Rule {
    code: "DB112",
    name: "typed-revision-id",
    level: Level::Warning,
    scope: Scope::Unreleased,
    page: include_str!("../../../rules/DB112.md"),
    check: Check::Each(check),
};

fn check(source: &Source, context: &Context, sink: &mut Sink<'_>) {
    let Ok(script) = &source.header else { return };
    let Some(why) = pattern(&script.id) else { return };
    let message = format!(
        "Revision id {} looks typed by hand ({why}): two people come upon the same one sooner or later, and Alembic then \
         runs only one of the two",
        script.id
    );
    let make = own("db-create-migration").of(&context.component).words(["-m", "what it does"]);
    let help = Action::run("Let the next one be made", make);
    sink.at(&source.path, script.line, message, help).run("Or give this one another id, say", random_id());
}

/// Prints an id that nobody else will have.
pub(super) fn random_id() -> Program {
    program(["python3", "-c", "import uuid; print(uuid.uuid4().hex[-12:])"])
}

/// What twelve hexadecimal digits have that random ones hardly ever have. Ids of another form are a project's own way.
fn pattern(id: &str) -> Option<&'static str> {
    let digits: Vec<u32> = id.chars().map(|c| c.to_digit(16)).collect::<Option<_>>()?;
    if digits.len() != 12 || id.contains(char::is_uppercase) {
        return None;
    }
    let is_letter: Vec<bool> = digits.iter().map(|digit| *digit > 9).collect();
    let mut kinds = digits.clone();
    kinds.sort_unstable();
    kinds.dedup();
    if kinds.len() <= 3 {
        Some("hardly any two characters differ")
    } else if [2, 3, 4, 6].into_iter().any(|period| digits.chunks(period).all(|chunk| *chunk == digits[..period])) {
        Some("it repeats itself")
    } else if run(&digits) {
        Some("its digits go up or down by one")
    } else if is_letter.windows(2).all(|pair| pair[0] != pair[1]) && counts(&digits) {
        Some("letters and digits take turns and go up by one")
    } else {
        None
    }
}

/// Whether every other digit goes up by one: `a1b2c3…`.
fn counts(digits: &[u32]) -> bool {
    let every_other = |first: usize| digits.iter().skip(first).step_by(2).copied().collect::<Vec<_>>();
    [0, 1].into_iter().any(|first| every_other(first).windows(2).all(|pair| pair[1] == pair[0] + 1))
}

/// Whether six digits in a row go up, or down, by one.
fn run(digits: &[u32]) -> bool {
    let up = |pair: &[u32]| pair[1] == pair[0] + 1;
    let down = |pair: &[u32]| pair[0] == pair[1] + 1;
    digits.windows(6).any(|six| six.windows(2).all(up) || six.windows(2).all(down))
}
