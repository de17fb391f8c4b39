//! How a command is defined: its name, its help, its words and its flags, each with the field that it fills. Parsing, help,
//! `docs/commands.md`, the manual page, completions and the nearest known word are all made from this one definition.
//!
//! [`Spec`] knows the type of a command's flags; [`CommandRow`] and [`FlagRow`] are the same without the type, to be shown
//! and checked.

use std::path::PathBuf;
use std::time::Duration;

use pico_args::Arguments;

use super::Command;
use super::values::{PERHAPS, from_pico, like, parse_duration, usage};
use crate::fail::Fail;
use crate::model::action::own;

/// A command, with `T` to hold its flags.
pub struct Spec<T: 'static> {
    pub name: &'static str,
    /// One line for the overview.
    pub summary: &'static str,
    /// A paragraph or two.
    pub about: &'static str,
    /// The words that it takes besides flags, in order.
    pub words: &'static [Word<T>],
    /// The flag without which it takes no words.
    pub words_with: Option<&'static str>,
    pub flags: &'static [Flag<T>],
    /// Common flags that make no sense here.
    pub without: &'static [&'static str],
    /// Of each list at most one may be given.
    pub exclusive: &'static [&'static [&'static str]],
    /// A flag, and the only others of this command's own that may stand beside it.
    pub alone: &'static [(&'static str, &'static [&'static str])],
    /// Why, and the line.
    pub examples: &'static [(&'static str, &'static str)],
    /// From the filled flags to the command; what no list can say is checked here.
    pub finish: fn(T) -> Result<Command, Fail>,
}

/// A word that is no flag: `main` in `db-merge main`.
pub struct Word<T: 'static> {
    /// In capitals, as help shows it. An ending `…` means: any number of them.
    pub name: &'static str,
    pub set: Set<T>,
}

pub struct Flag<T: 'static> {
    /// With its dashes.
    pub long: &'static str,
    /// With its dash.
    pub short: Option<&'static str>,
    /// What the value is called; `None` for a switch. It also says what completions offer (`complete.rs`).
    pub value: Option<&'static str>,
    /// `--flag` alone is right as well as `--flag=VALUE`.
    pub optional: bool,
    /// One or two lines, no full stop.
    pub help: &'static str,
    pub set: Set<T>,
}

/// The field that is filled, by its type.
pub enum Set<T: 'static> {
    Switch(fn(&mut T) -> &mut bool),
    Text(fn(&mut T) -> &mut Option<String>),
    Path(fn(&mut T) -> &mut Option<PathBuf>),
    Time(fn(&mut T) -> &mut Option<Duration>),
    /// May be given several times.
    Texts(fn(&mut T) -> &mut Vec<String>),
    /// One of these words, and what each means.
    OneOf(Meanings<T>),
    /// Whatever else; a switch, and a flag whose value is left out, give an empty text.
    By(fn(&mut T, &str) -> Result<(), Fail>),
}

/// Words, and what each does to the fields.
type Meanings<T> = &'static [(&'static str, fn(&mut T))];

pub const fn switch<T>(long: &'static str, help: &'static str, field: fn(&mut T) -> &mut bool) -> Flag<T> {
    Flag { long, short: None, value: None, optional: false, help, set: Set::Switch(field) }
}

pub const fn option<T>(long: &'static str, value: &'static str, help: &'static str, set: Set<T>) -> Flag<T> {
    Flag { long, short: None, value: Some(value), optional: false, help, set }
}

/// A switch that does more than to fill a field with `true`.
pub const fn switch_by<T>(
    long: &'static str,
    help: &'static str,
    set: fn(&mut T, &str) -> Result<(), Fail>,
) -> Flag<T> {
    Flag { long, short: None, value: None, optional: false, help, set: Set::By(set) }
}

pub const fn step_timeout<T>(field: fn(&mut T) -> &mut Option<Duration>) -> Flag<T> {
    let help = "how long one revision may take: 500ms, 30s, 2m (no limit unless given)";
    option("--step-timeout", "DUR", help, Set::Time(field))
}

pub const fn with_short<T>(short: &'static str, flag: Flag<T>) -> Flag<T> {
    Flag { short: Some(short), ..flag }
}

/// The flag is right without its value as well.
pub const fn optional<T>(flag: Flag<T>) -> Flag<T> {
    Flag { optional: true, ..flag }
}

impl<T> Flag<T> {
    fn row(&self) -> FlagRow {
        FlagRow {
            long: self.long,
            short: self.short,
            value: self.value,
            optional: self.optional,
            many: matches!(self.set, Set::Texts(_)),
            allowed: self.set.allowed(),
            help: self.help,
        }
    }

    /// Takes the flag and its values out of the words.
    fn pull(&self, into: &mut T, args: &mut Arguments) -> Result<(), Fail> {
        while let Some(text) = self.next(args)? {
            self.set.fill(self.long, into, &text)?;
        }
        Ok(())
    }

    fn next(&self, args: &mut Arguments) -> Result<Option<String>, Fail> {
        if self.value.is_none() || self.optional {
            let given = match self.short {
                Some(short) => args.contains([short, self.long]),
                None => args.contains(self.long),
            };
            if given || self.value.is_none() {
                return Ok(given.then(String::new));
            }
        }
        let value = match self.short {
            Some(short) => args.opt_value_from_str([short, self.long]),
            None => args.opt_value_from_str(self.long),
        };
        value.map_err(from_pico)
    }
}

impl<T> Set<T> {
    fn allowed(&self) -> Vec<&'static str> {
        match self {
            Set::OneOf(words) => words.iter().map(|(word, _)| *word).collect(),
            _ => Vec::new(),
        }
    }

    fn fill(&self, name: &str, into: &mut T, text: &str) -> Result<(), Fail> {
        match self {
            Set::Switch(field) => *field(into) = true,
            Set::Text(field) => *field(into) = Some(text.to_owned()),
            Set::Path(field) => *field(into) = Some(PathBuf::from(text)),
            Set::Time(field) => *field(into) = Some(parse_duration(name, text)?),
            Set::Texts(field) => field(into).push(text.to_owned()),
            Set::OneOf(words) => match words.iter().find(|(word, _)| *word == text) {
                Some((_, set)) => set(into),
                None => return Err(not_one_of(name, text, &self.allowed())),
            },
            Set::By(set) => return set(into, text),
        }
        Ok(())
    }
}

fn not_one_of(name: &str, text: &str, allowed: &[&str]) -> Fail {
    let fail = usage(format!("`{name}` does not take `{text}`")).details(format!("It takes: {}", allowed.join(", ")));
    match like(text, allowed) {
        Some(meant) if name.starts_with('-') => fail.action(format!("{PERHAPS}: {name}={meant}")),
        Some(meant) => fail.run(PERHAPS, own(name).word(meant).plain()),
        None => fail,
    }
}

/// Fills as many of a list's flags as can be filled: a line that is still being typed need not be right.
pub fn pull_what_is_right<T>(flags: &[Flag<T>], into: &mut T, args: &mut Arguments) {
    for flag in flags {
        let _ = flag.pull(into, args);
    }
}

/// Fills all of a list's flags from what stands on the command line.
pub fn pull_all<'a, T: 'static>(
    mut flags: impl Iterator<Item = &'a Flag<T>>,
    into: &mut T,
    args: &mut Arguments,
) -> Result<(), Fail> {
    flags.try_for_each(|flag| flag.pull(into, args))
}

/// A flag as it is shown and checked.
#[derive(Clone)]
pub struct FlagRow {
    pub long: &'static str,
    pub short: Option<&'static str>,
    pub value: Option<&'static str>,
    pub optional: bool,
    pub many: bool,
    /// The values that it takes, where they can be listed.
    pub allowed: Vec<&'static str>,
    pub help: &'static str,
}

/// A word as it is shown and checked.
pub struct WordRow {
    pub name: &'static str,
    pub many: bool,
    pub allowed: Vec<&'static str>,
}

/// A command as it is shown and checked.
pub struct CommandRow {
    pub name: &'static str,
    pub summary: &'static str,
    pub about: &'static str,
    pub words: Vec<WordRow>,
    pub words_with: Option<&'static str>,
    pub flags: Vec<FlagRow>,
    pub without: &'static [&'static str],
    pub exclusive: &'static [&'static [&'static str]],
    pub alone: &'static [(&'static str, &'static [&'static str])],
    pub examples: &'static [(&'static str, &'static str)],
    pub spec: &'static dyn Parse,
}

impl CommandRow {
    /// Whether a common flag makes sense here.
    pub fn takes(&self, common: &FlagRow) -> bool {
        self.takes_named(common.long)
    }

    /// The same by the flag's long name. A command may have a flag of its own that is called like a common one.
    pub fn takes_named(&self, common: &str) -> bool {
        !self.without.contains(&common)
    }

    /// The words that it takes on this command line.
    pub fn words_beside(&self, line: &[String]) -> &[WordRow] {
        let is_there = |flag: &str| line.iter().any(|word| word == flag);
        if self.words_with.is_none_or(is_there) { &self.words } else { &[] }
    }
}

/// What all specs can do, whatever holds their flags.
pub trait Parse: Sync {
    fn row(&'static self) -> CommandRow;
    /// From checked words to the command.
    fn parse(&self, args: &mut Arguments) -> Result<Command, Fail>;
}

impl<T: Default> Parse for Spec<T> {
    fn row(&'static self) -> CommandRow {
        let word =
            |word: &Word<T>| WordRow { name: word.name, many: word.name.ends_with('…'), allowed: word.set.allowed() };
        CommandRow {
            name: self.name,
            summary: self.summary,
            about: self.about,
            words: self.words.iter().map(word).collect(),
            words_with: self.words_with,
            flags: flag_rows(self.flags),
            without: self.without,
            exclusive: self.exclusive,
            alone: self.alone,
            examples: self.examples,
            spec: self,
        }
    }

    fn parse(&self, args: &mut Arguments) -> Result<Command, Fail> {
        let mut filled = T::default();
        pull_all(self.flags.iter(), &mut filled, args)?;
        for word in self.words {
            while let Some(text) = args.opt_free_from_str::<String>().map_err(from_pico)? {
                word.set.fill(self.name, &mut filled, &text)?;
                if !word.name.ends_with('…') {
                    break;
                }
            }
        }
        (self.finish)(filled)
    }
}

pub fn flag_rows<T>(flags: &[Flag<T>]) -> Vec<FlagRow> {
    flags.iter().map(Flag::row).collect()
}

impl<T> Spec<T> {
    /// What every command has; the rest is empty unless it is said.
    pub const fn new(
        name: &'static str,
        summary: &'static str,
        about: &'static str,
        finish: fn(T) -> Result<Command, Fail>,
    ) -> Spec<T> {
        Spec {
            name,
            summary,
            about,
            words: &[],
            words_with: None,
            flags: &[],
            without: &[],
            exclusive: &[],
            alone: &[],
            examples: &[],
            finish,
        }
    }
}
