//! Finds the words that a shell offers at a Tab, from those before the cursor. Flags, their values and commands are
//! known here; what is on the disk (components, revisions, branches) is a [`Source`] that `sys/offers.rs` looks up.

use std::ffi::OsString;

use pico_args::Arguments;

use super::common::{COMMON, Common};
use super::spec::{CommandRow, FlagRow, pull_what_is_right};
use super::words::{command_position, find_flag};
use super::{command_row, command_rows, common_rows};

/// The hidden first word of the command line by which the scripts of `completions` ask.
pub const COMPLETE_COMMAND: &str = "__complete";

/// What fits at the cursor.
#[derive(Debug)]
pub struct Offer {
    pub source: Source,
    /// What stands before each offered word: `--target=`.
    pub before: String,
    /// What the word at the cursor begins with, without `before`.
    pub typed: String,
    /// The common flags that stand on the line already: components are those of `--project`.
    pub common: Common,
}

/// Where the offered words come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// Each with a line of help, which may be empty.
    Words(Vec<(String, String)>),
    Files,
    Folders,
    Components,
    /// Branches, tags, and branches of remotes.
    Branches,
    Revisions,
    Rules,
    Nothing,
}

/// What a value may be, by what it is called in the help; `None` for a name that nobody has thought about yet.
pub fn source_of(value: &str) -> Option<Source> {
    Some(match value.trim_end_matches('…') {
        "FILE" | "PATH" => Source::Files,
        "DIR" => Source::Folders,
        "NAME" => Source::Components,
        "BRANCH" | "GITREF" => Source::Branches,
        "REV" | "T" | "RANGE" => Source::Revisions,
        "CODE" => Source::Rules,
        "COMMAND" => commands(),
        "HOW" => plain(&["exact"]),
        "LOOK" => plain(&["plain"]),
        "CMD" | "DUR" | "HOST" | "ID" | "K/N" | "KEY=VALUE" | "N" | "PROJECT" | "TEXT" | "URL" => Source::Nothing,
        _ => return None,
    })
}

/// What fits behind `words`; the last of them is the one that is being typed, and may be empty.
pub fn offer(words: &[String]) -> Offer {
    let (typed, before) = words.split_last().map_or(("", &[][..]), |(last, before)| (last.as_str(), before));
    let given = Given::new(before);
    let (prefix, source) = match typed.split_once('=') {
        Some((name, _)) if typed.starts_with('-') => (format!("{name}="), given.value_of(name)),
        _ => (String::new(), given.next(typed.starts_with('-'))),
    };
    Offer { typed: typed[prefix.len()..].to_owned(), before: prefix, source, common: common_flags(before) }
}

/// What stands before the cursor.
struct Given<'a> {
    words: &'a [String],
    command: Option<CommandRow>,
    /// The flags that may stand here.
    flags: Vec<FlagRow>,
}

impl Given<'_> {
    fn new(words: &[String]) -> Given<'_> {
        let command = command_position(words).and_then(|at| command_row(&words[at]));
        let mut flags = common_rows();
        if let Some(row) = &command {
            flags.retain(|flag| row.takes(flag));
            flags.splice(0..0, row.flags.iter().cloned());
        }
        Given { words, command, flags }
    }

    fn next(&self, dash: bool) -> Source {
        let last = self.words.last().and_then(|word| find_flag(&self.flags, word).map(|flag| (word, flag)));
        match (last, &self.command) {
            (Some((word, flag)), _) if flag.value.is_some() && !flag.optional && !word.contains('=') => values(flag),
            _ if dash => self.flags_left(),
            (_, None) => commands(),
            (_, Some(row)) => self.word(row),
        }
    }

    fn value_of(&self, name: &str) -> Source {
        find_flag(&self.flags, name).map_or(Source::Nothing, values)
    }

    /// The word that is no flag, if the command takes one more; else flags.
    fn word(&self, row: &CommandRow) -> Source {
        let taken = self.plain_words();
        let words = row.words_beside(self.words);
        match words.get(taken).or_else(|| words.last().filter(|word| word.many)) {
            Some(word) if !word.allowed.is_empty() => plain(&word.allowed),
            Some(word) => source_of(word.name).unwrap_or(Source::Nothing),
            None => self.flags_left(),
        }
    }

    /// How many words stand there that are neither a flag nor its value, without the command.
    fn plain_words(&self) -> usize {
        let mut count: usize = 0;
        let mut words = self.words.iter();
        while let Some(word) = words.next() {
            match find_flag(&self.flags, word) {
                Some(flag) if flag.value.is_some() && !flag.optional && !word.contains('=') => drop(words.next()),
                _ if word.starts_with('-') => {}
                _ => count += 1,
            }
        }
        count.saturating_sub(1)
    }

    /// The flags that may still be given: each once, and none that the others exclude.
    fn flags_left(&self) -> Source {
        let given: Vec<&str> =
            self.words.iter().filter_map(|word| find_flag(&self.flags, word)).map(|flag| flag.long).collect();
        let groups = self.command.as_ref().map_or(&[][..], |row| row.exclusive);
        let excluded = |long: &str| {
            groups.iter().any(|group| group.contains(&long) && group.iter().any(|one| given.contains(one)))
        };
        let left = self.flags.iter().filter(|flag| flag.many || !(given.contains(&flag.long) || excluded(flag.long)));
        Source::Words(left.map(|flag| (flag.long.to_owned(), flag.help.to_owned())).collect())
    }
}

fn values(flag: &FlagRow) -> Source {
    if !flag.allowed.is_empty() {
        return plain(&flag.allowed);
    }
    flag.value.and_then(source_of).unwrap_or(Source::Nothing)
}

fn plain(words: &[&str]) -> Source {
    Source::Words(words.iter().map(|word| ((*word).to_owned(), String::new())).collect())
}

fn commands() -> Source {
    Source::Words(command_rows().map(|row| (row.name.to_owned(), row.summary.to_owned())).collect())
}

fn common_flags(words: &[String]) -> Common {
    let mut common = Common::default();
    let mut args = Arguments::from_vec(words.iter().map(OsString::from).collect());
    pull_what_is_right(COMMON, &mut common, &mut args);
    common
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(line: &str) -> Offer {
        offer(&line.split(' ').map(str::to_owned).collect::<Vec<_>>())
    }

    fn words(line: &str) -> Vec<String> {
        match at(line).source {
            Source::Words(words) => words.into_iter().map(|(word, _)| word).collect(),
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn each_place_has_its_words() {
        assert!(words("").contains(&"db-status".to_owned()) && words("-c x db-").contains(&"db-merge".to_owned()));
        assert_eq!(words("db-migrate --direction "), ["upgrade", "downgrade"]);
        assert_eq!(words("db-migrate --direction=down"), ["upgrade", "downgrade"]);
        assert_eq!(
            (at("db-migrate --direction=down").before, at("db-migrate --direction=down").typed),
            ("--direction=".into(), "down".into())
        );
        let left = words("db-migrate --dry-run --component x --");
        assert!(left.contains(&"--target".to_owned()) && left.contains(&"-x".to_owned()));
        for gone in ["--dry-run", "--sql", "--component", "--check"] {
            assert!(!left.contains(&gone.to_owned()), "{gone}");
        }
        assert_eq!(words("hooks --pre-push "), ["install", "uninstall", "status"]);
        assert_eq!(words("completions "), ["bash", "zsh", "fish"]);
        for (line, source) in [
            ("db-migrate --target ", Source::Revisions),
            ("db-status -c ", Source::Components),
            ("db-merge ", Source::Branches),
            ("db-check --base=", Source::Branches),
            ("--project ", Source::Folders),
            ("db-roundtrip --jobs ", Source::Nothing),
        ] {
            assert_eq!(at(line).source, source, "{line}");
        }
        assert_eq!(at("--project /p db-status -c ").common.project.unwrap().to_str(), Some("/p"));
    }

    #[test]
    fn every_value_says_what_is_offered_for_it() {
        let unknown =
            |flag: &FlagRow| flag.allowed.is_empty() && flag.value.is_some_and(|value| source_of(value).is_none());
        for row in command_rows() {
            let wrong: Vec<&str> = row.flags.iter().filter(|flag| unknown(flag)).map(|flag| flag.long).collect();
            assert!(wrong.is_empty(), "{}: {wrong:?}: say in source_of what their values are", row.name);
            let wrong = row.words.iter().find(|word| word.allowed.is_empty() && source_of(word.name).is_none());
            assert!(wrong.is_none(), "{}: {:?}", row.name, wrong.map(|word| word.name));
        }
        assert!(!common_rows().iter().any(unknown));
    }
}
