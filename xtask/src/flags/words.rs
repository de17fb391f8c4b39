//! Every word against the table, before pico-args sees it; values that are more than text; what is said of a wrong command
//! line.

use std::ffi::OsString;
use std::time::Duration;

use pico_args::Arguments;

use super::table::{COMMANDS, COMMON, CommandRow, FlagRow};
use super::{Command, Common, overview};
use crate::fail::{Fail, Kind};

/// Where the command's name stands: the first word that is neither a flag nor a common flag's value.
pub(super) fn command_position(words: &[String]) -> Result<Option<usize>, Fail> {
    let mut at = 0;
    while at < words.len() {
        let word = &words[at];
        if !word.starts_with('-') {
            return Ok(Some(at));
        }
        let takes_next = find_flag(COMMON, word).is_some_and(|flag| flag.value.is_some()) && !word.contains('=');
        at += if takes_next { 2 } else { 1 };
    }
    Ok(None)
}

pub(super) fn no_command(words: Vec<String>) -> Result<(Common, Command), Fail> {
    match words.iter().find(|word| !matches!(word.as_str(), "-h" | "--help")) {
        None if !words.is_empty() => Ok((Common::default(), Command::Help(overview()))),
        None => Err(usage("no command given").action("See what there is: cargo xtask help")),
        Some(word) if word == "--version" || word == "-V" => {
            Ok((Common::default(), Command::Help(format!("xtask {}", env!("CARGO_PKG_VERSION")))))
        }
        Some(word) => {
            Err(usage(format!("`{word}` stands alone, without a command"))
                .action("See what there is: cargo xtask help"))
        }
    }
}

/// Checks every word against the table before pico-args sees it: unknown flags, missing values, repeated flags, values
/// that are not among the allowed ones, leftover words.
pub(super) fn check_words(row: &CommandRow, words: &[String]) -> Result<(), Fail> {
    let mut seen: Vec<&str> = Vec::new();
    let mut positionals = 0;
    let mut at = 0;
    while at < words.len() {
        let word = &words[at];
        at += 1;
        if !word.starts_with('-') {
            positionals += 1;
            if positionals > row.positional.len() {
                return Err(leftover(row, word));
            }
            continue;
        }
        let flag = find_flag(row.flags, word)
            .or_else(|| find_flag(COMMON, word).filter(|flag| row.takes(flag)))
            .ok_or_else(|| unknown_flag(row, word))?;
        if seen.contains(&flag.long) {
            return Err(usage(format!("`{}` is given twice", flag.long)));
        }
        seen.push(flag.long);
        let inline = word.split_once('=').map(|(_, value)| value);
        match (flag.value, inline) {
            (None, Some(_)) => return Err(usage(format!("`{}` takes no value", flag.long))),
            (None, None) => {}
            (Some(_), Some(value)) => check_value(flag, value)?,
            (Some(metavar), None) => {
                let value = words.get(at).ok_or_else(|| missing_value(flag, metavar, None))?;
                if looks_like_flag(value) {
                    return Err(missing_value(flag, metavar, Some(value)));
                }
                check_value(flag, value)?;
                at += 1;
            }
        }
    }
    Ok(())
}

pub(super) fn check_value(flag: &FlagRow, value: &str) -> Result<(), Fail> {
    if value.is_empty() {
        return Err(missing_value(flag, flag.value.unwrap_or("VALUE"), None));
    }
    if flag.allowed.is_empty() || flag.allowed.contains(&value) {
        return Ok(());
    }
    Err(usage(format!("`{}` does not take `{value}`", flag.long))
        .details(format!("It takes: {}", flag.allowed.join(", ")))
        .action(nearest_action(value, flag.allowed.iter().copied(), &format!("{}=", flag.long))))
}

/// `-1` and `-12` are targets, everything else with a dash is a flag.
pub(super) fn looks_like_flag(word: &str) -> bool {
    word.strip_prefix('-').is_some_and(|rest| !rest.starts_with(|c: char| c.is_ascii_digit()))
}

pub(super) fn find_flag<'a>(flags: &'a [FlagRow], word: &str) -> Option<&'a FlagRow> {
    let name = word.split('=').next().unwrap_or(word);
    flags.iter().find(|flag| flag.long == name || flag.short == Some(name))
}

pub(super) fn as_text(words: Vec<OsString>) -> Result<Vec<String>, Fail> {
    words
        .into_iter()
        .map(|word| word.into_string().map_err(|word| usage(format!("{} is not UTF-8", word.display()))))
        .collect()
}

pub(super) fn value(args: &mut Arguments, flag: &'static str) -> Result<Option<String>, Fail> {
    args.opt_value_from_str(flag).map_err(from_pico)
}

pub(super) fn duration(args: &mut Arguments, flag: &'static str) -> Result<Option<Duration>, Fail> {
    value(args, flag)?.map(|text| parse_duration(flag, &text)).transpose()
}

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

/// `--watch` is the newest revision, again and again: what chooses revisions, or is written or kept at the end of a run,
/// does not go with it; and JSON is one object.
pub(super) fn check_watch(row: &CommandRow, words: &[String]) -> Result<(), Fail> {
    let given = |flag: &&str| words.iter().any(|word| word.split('=').next() == Some(*flag));
    let flags = row.flags.iter().map(|flag| flag.long).chain(["--json"]);
    const TOGETHER: [&str; 4] = ["--watch", "--step-timeout", "--baseline", "--no-cache"];
    match flags.filter(|flag| !TOGETHER.contains(flag)).find(given) {
        Some(other) if given(&"--watch") => Err(conflict("--watch", other)),
        _ => Ok(()),
    }
}

pub(super) fn conflict(one: &str, other: &str) -> Fail {
    usage(format!("`{one}` and `{other}` exclude each other"))
        .action(format!("Leave one of them out: {one} or {other}"))
}

pub(super) fn missing_value(flag: &FlagRow, metavar: &str, next: Option<&str>) -> Fail {
    let fail = usage(format!("`{}` needs a value: {} {metavar}", flag.long, flag.long));
    match next {
        Some(next) => fail.details(format!("The next word is `{next}`, a flag")),
        None => fail,
    }
}

pub(super) fn leftover(row: &CommandRow, word: &str) -> Fail {
    usage(format!("`{word}` is one word too many for `{}`", row.name))
        .action(format!("See what it takes: cargo xtask help {}", row.name))
}

pub(super) fn unknown_command(name: &str) -> Fail {
    usage(format!("unknown command `{name}`"))
        .action(nearest_action(name, COMMANDS.iter().map(|row| row.name), "cargo xtask "))
        .action("See what there is: cargo xtask help")
}

pub(super) fn unknown_flag(row: &CommandRow, word: &str) -> Fail {
    let name = word.split('=').next().unwrap_or(word);
    let known = row.flags.iter().chain(COMMON.iter().filter(|flag| row.takes(flag))).map(|flag| flag.long);
    usage(format!("unknown flag `{name}` for `{}`", row.name))
        .action(nearest_action(name, known, ""))
        .action(format!("See what it takes: cargo xtask help {}", row.name))
}

pub(super) fn nearest_action<'a>(word: &str, known: impl Iterator<Item = &'a str>, before: &str) -> String {
    let nearest = known.max_by(|a, b| strsim::jaro_winkler(word, a).total_cmp(&strsim::jaro_winkler(word, b)));
    format!("Perhaps you mean: {before}{}", nearest.unwrap_or_default())
}
