//! The grammar: `[LABEL@](head|heads|base|ID)`, `[LABEL@][POINT](+|-)N`, `current`.

use super::{Point, Target, TargetError};

pub(super) fn parse(text: &str) -> Result<Target, TargetError> {
    let invalid = |why: &'static str| TargetError::Invalid { text: text.to_owned(), why };
    if text == "current" {
        return Ok(Target::Current);
    }
    if text.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Err(invalid("it holds a space or a control character"));
    }
    let (branch, place) = match text.split_once('@') {
        Some(("", _)) => return Err(invalid("nothing stands before the '@'")),
        Some((_, rest)) if rest.contains('@') => return Err(invalid("it has more than one '@'")),
        Some((label, rest)) => (Some(label.to_owned()), rest),
        None => (None, text),
    };
    if place.is_empty() {
        return Err(invalid(if branch.is_some() { "nothing stands behind the '@'" } else { "it is empty" }));
    }
    // A revision id holds neither sign, so the last one that digits follow is the one that counts. A label may hold one.
    let Some((at, number)) = place.rfind(['+', '-']).map(|at| (at, &place[at + 1..])).filter(|(_, n)| is_number(n))
    else {
        return Ok(Target::Absolute { branch, point: point(place) });
    };
    let number: i64 = number.parse().map_err(|_| invalid("the number is too large"))?;
    let steps = if place[at..].starts_with('-') { -number } else { number };
    let from = (at > 0).then(|| point(&place[..at]));
    Ok(Target::Relative { branch, from, steps })
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn point(text: &str) -> Point {
    match text {
        "head" => Point::Head,
        "heads" => Point::Heads,
        "base" => Point::Base,
        id => Point::Id(id.to_owned()),
    }
}
