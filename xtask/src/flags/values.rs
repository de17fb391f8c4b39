//! Parses values that are more than text, and makes the error for one that is wrong.

use std::time::Duration;

use crate::fail::{Fail, Kind};

pub(super) fn parse_duration(flag: &str, text: &str) -> Result<Duration, Fail> {
    duration_of(text).ok_or_else(|| {
        usage(format!("`{flag}` does not take `{text}`"))
            .details("A duration is a whole number over 0 with ms, s, m or h: 500ms, 30s, 2m")
    })
}

/// `500ms`, `30s`, `2m`, `1h`; a plain number is seconds. `None` for anything else, and for no time at all.
pub fn duration_of(text: &str) -> Option<Duration> {
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, unit) = text.split_at(digits);
    let scale = match unit {
        "ms" => Some(1),
        "" | "s" => Some(1_000),
        "m" => Some(60_000),
        "h" => Some(3_600_000),
        _ => None,
    };
    let millis = number.parse::<u64>().ok().zip(scale).and_then(|(number, scale)| number.checked_mul(scale));
    millis.filter(|millis| *millis > 0).map(Duration::from_millis)
}

/// As [`duration_of`] reads it.
pub(super) fn duration_text(duration: Duration) -> String {
    let millis = duration.as_millis();
    let units = [(3_600_000, "h"), (60_000, "m"), (1_000, "s")];
    let unit = units.into_iter().find(|(scale, _)| millis.is_multiple_of(*scale));
    unit.map_or_else(|| format!("{millis}ms"), |(scale, unit)| format!("{}{unit}", millis / scale))
}

pub(super) fn whole_number(flag: &str, text: &str) -> Result<usize, Fail> {
    text.parse()
        .ok()
        .filter(|count| *count > 0)
        .ok_or_else(|| usage(format!("`{flag}` does not take `{text}`")).details("It takes a whole number, 1 or more"))
}

pub(super) fn from_pico(error: pico_args::Error) -> Fail {
    usage(error.to_string())
}

pub(super) fn usage(summary: impl Into<String>) -> Fail {
    Fail::new(Kind::Usage, summary)
}

pub(super) fn conflict(one: &str, other: &str) -> Fail {
    usage(format!("`{one}` and `{other}` exclude each other"))
        .action(format!("Leave one of them out: {one} or {other}"))
}

/// What goes before the nearest known word.
pub(super) const PERHAPS: &str = "Perhaps you mean";

/// Of a few words the one that may be meant: the beginning or a part of the word, its abbreviation, or a slip away from it.
pub(super) fn like<'a>(word: &str, allowed: &[&'a str]) -> Option<&'a str> {
    let near = crate::model::nearest::nearest(word, allowed.iter().copied());
    let is_near = |known: &&&str| near.first().is_some_and(|name| name == **known);
    let contains = |known: &&&str| word.len() > 2 && known.contains(word);
    let abbreviates = |known: &&&str| {
        let mut letters = word.chars();
        known.chars().all(|letter| letters.any(|other| other == letter))
            && known.chars().next() == word.chars().next()
            && known.chars().next_back() == word.chars().next_back()
    };
    let find = |fits: &dyn Fn(&&&'a str) -> bool| allowed.iter().find(|known| fits(known)).copied();
    find(&is_near).or_else(|| find(&contains)).or_else(|| find(&abbreviates))
}
