//! Checks every word against the definitions, before pico-args sees it, and makes the error of a wrong command line.

use std::ffi::OsString;

use super::common::EXCLUSIVE;
use super::spec::{CommandRow, FlagRow};
use super::values::{PERHAPS, conflict, usage};
use super::{Command, Common, command_names, common_rows, overview};
use crate::fail::Fail;
use crate::model::action::own;
use crate::model::nearest::closest;

/// Where the command's name stands: the first word that is neither a flag nor a common flag's value.
pub(super) fn command_position(words: &[String]) -> Option<usize> {
    let common = common_rows();
    let mut at = 0;
    while let Some(word) = words.get(at) {
        if !word.starts_with('-') {
            return Some(at);
        }
        let takes_next = find_flag(&common, word).is_some_and(|flag| flag.value.is_some()) && !word.contains('=');
        at += if takes_next { 2 } else { 1 };
    }
    None
}

pub(super) fn no_command(words: Vec<String>) -> Result<(Common, Command), Fail> {
    match words.iter().find(|word| !matches!(word.as_str(), "-h" | "--help")) {
        None if !words.is_empty() => Ok((Common::default(), Command::Help(overview()))),
        None => Err(usage("no command given").run("See what there is", own("help").plain())),
        Some(word) if word == "--version" || word == "-V" => {
            Ok((Common::default(), Command::Help(format!("xtask {}", env!("CARGO_PKG_VERSION")))))
        }
        Some(word) => {
            Err(usage(format!("`{word}` stands alone, without a command"))
                .run("See what there is", own("help").plain()))
        }
    }
}

/// Checks every word against the definitions before pico-args sees it: unknown flags, missing values, repeated flags,
/// leftover words, and flags that do not go together.
pub(super) fn check_words(row: &CommandRow, words: &[String]) -> Result<(), Fail> {
    let common = common_rows();
    let mut seen: Vec<&str> = Vec::new();
    let mut slots = row.words_beside(words).iter().peekable();
    let mut rest = words.iter().peekable();
    while let Some(word) = rest.next() {
        if !looks_like_flag(word) && (word == "-" || !word.starts_with('-') || slots.peek().is_some()) {
            let slot = slots.next_if(|slot| !slot.many).or_else(|| slots.peek().copied());
            seen.push(slot.ok_or_else(|| leftover(row, word))?.name);
            continue;
        }
        let flag = find_flag(&row.flags, word)
            .or_else(|| find_flag(&common, word).filter(|flag| row.takes(flag)))
            .ok_or_else(|| unknown_flag(row, word))?;
        if seen.contains(&flag.long) && !flag.many {
            return Err(usage(format!("`{}` is given twice", flag.long)));
        }
        seen.push(flag.long);
        if takes_next_word(flag, word, rest.peek().copied())? {
            rest.next();
        }
    }
    check_together(row, &seen)
}

/// Whether the flag's value is the next word; an error where a value lacks or is one too many.
fn takes_next_word(flag: &FlagRow, word: &str, next: Option<&String>) -> Result<bool, Fail> {
    let inline = word.split_once('=').map(|(_, value)| value);
    match (flag.value, inline) {
        (None, Some(_)) => Err(usage(format!("`{}` takes no value", flag.long))),
        (Some(metavar), Some("")) => Err(missing_value(flag, metavar, None)),
        (None, None) | (Some(_), Some(_)) => Ok(false),
        (Some(_), None) if flag.optional => Ok(false),
        (Some(metavar), None) => match next {
            Some(value) if looks_like_flag(value) => Err(missing_value(flag, metavar, Some(value))),
            Some(value) if value.is_empty() => Err(missing_value(flag, metavar, None)),
            Some(_) => Ok(true),
            None => Err(missing_value(flag, metavar, None)),
        },
    }
}

fn check_together(row: &CommandRow, seen: &[&str]) -> Result<(), Fail> {
    for group in row.exclusive.iter().chain(EXCLUSIVE) {
        let mut given = group.iter().filter(|name| seen.contains(name));
        if let (Some(one), Some(other)) = (given.next(), given.next()) {
            return Err(conflict(one, other));
        }
    }
    let is_own =
        |name: &str| row.flags.iter().any(|flag| flag.long == name) || row.words.iter().any(|word| word.name == name);
    for (flag, beside) in row.alone.iter().filter(|(flag, _)| seen.contains(flag)) {
        let other = seen.iter().find(|name| is_own(name) && *name != flag && !beside.contains(name));
        match other {
            Some(other) if beside.is_empty() => {
                return Err(usage(format!("`{flag}` stands alone, without `{other}`"))
                    .action(own(row.name).word(*flag).plain()));
            }
            Some(other) => return Err(conflict(flag, other)),
            None => {}
        }
    }
    Ok(())
}

/// `-1` and `-3:current` are places in the history, `-` is the branch before; everything else with a dash is a flag.
pub(super) fn looks_like_flag(word: &str) -> bool {
    word.strip_prefix('-').is_some_and(|rest| !rest.is_empty() && !rest.starts_with(|c: char| c.is_ascii_digit()))
}

/// The flag that a word names, with or without a value behind `=`.
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

pub(super) fn missing_value(flag: &FlagRow, metavar: &str, next: Option<&str>) -> Fail {
    let fail = usage(format!("`{}` needs a value: {} {metavar}", flag.long, flag.long));
    match next {
        Some(next) => fail.details(format!("The next word is `{next}`, a flag")),
        None => fail,
    }
}

pub(super) fn leftover(row: &CommandRow, word: &str) -> Fail {
    usage(format!("`{word}` is one word too many for `{}`", row.name))
        .run("See what it takes", own("help").word(row.name).plain())
}

pub(super) fn unknown_command(name: &str) -> Fail {
    let fail = usage(format!("unknown command `{name}`"));
    let fail =
        closest(name, command_names()).into_iter().fold(fail, |fail, meant| fail.run(PERHAPS, own(meant).plain()));
    fail.run("See what there is", own("help").plain())
}

pub(super) fn unknown_flag(row: &CommandRow, word: &str) -> Fail {
    let name = word.split('=').next().unwrap_or(word);
    let common = common_rows();
    let known = row.flags.iter().chain(common.iter().filter(|flag| row.takes(flag))).map(|flag| flag.long);
    let fail = usage(format!("unknown flag `{name}` for `{}`", row.name));
    let fail = closest(name, known).into_iter().fold(fail, |fail, meant| fail.action(format!("{PERHAPS}: {meant}")));
    fail.run("See what it takes", own("help").word(row.name).plain())
}
