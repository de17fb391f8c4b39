//! Reads the words behind `--subcommand` as a shell does, and replaces those of an old document by today's.

use std::path::Path;

use crate::fail::{Fail, Kind};
use crate::model::action::{own, quoted};
use crate::sys::backend_ai::Service;
use crate::work::services::executor;

/// A command of a service.
pub struct Words {
    pub words: Vec<String>,
    /// That another word was typed.
    pub note: Option<String>,
}

impl Words {
    pub fn is_start(&self) -> bool {
        self.words.first().is_some_and(|word| word == "start-server") && !self.is_help()
    }

    pub fn is_help(&self) -> bool {
        self.words.iter().any(|word| word == "--help" || word == "-h")
    }

    /// The config file that it names.
    pub fn config(&self) -> Option<&Path> {
        const FLAGS: [&str; 3] = ["-f", "--config", "--config-path"];
        let mut words = self.words.iter();
        while let Some(word) = words.next() {
            if FLAGS.contains(&word.as_str()) {
                return words.next().map(Path::new);
            }
            if let Some((flag, value)) = word.split_once('=')
                && FLAGS.contains(&flag)
            {
                return Some(Path::new(value));
            }
        }
        None
    }

    pub fn shown(&self) -> String {
        self.words.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" ")
    }
}

/// Reads them.
///
/// # Errors
/// A quote that nothing ends; a word of old that no command stands for any more.
pub fn read(service: &Service, text: &str) -> Result<Words, Fail> {
    let words = split(text).filter(|words| !words.is_empty()).ok_or_else(|| {
        let fail = Fail::new(Kind::Usage, "`--subcommand` cannot be read").details(format!("{text:?}"));
        fail.run("See what there is", listed(service))
    })?;
    let typed: Vec<&str> = words.iter().map(String::as_str).collect();
    let real: Vec<&str> = match (typed.as_slice(), service.migrations) {
        (["dbschema", "migrate" | "upgrade", ..], Some(component)) => {
            let fail = gone(service, "dbschema migrate", "Alembic migrates the database");
            return Err(fail.run("Migrate it", own("db-migrate").of(component)));
        }
        (["dbschema", "history", ..], Some(component)) => {
            let fail = gone(service, "dbschema history", "Alembic tells the history");
            let fail = fail.run("See it", own("db-history").of(component));
            return Err(fail.run("See where the database stands", own("db-status").of(component)));
        }
        (["dbschema", rest @ ..], Some(_)) => [&["schema"], rest].concat(),
        (["health" | "status"], _) => vec!["health", "check"],
        (["vacuum-sessions", ..], _) if service.name == "mgr" => {
            let fail = gone(service, "vacuum-sessions", "clear-history removes old records");
            return Err(fail.run("See what it takes", executor("mgr", "clear-history --help")));
        }
        (["list-slots" | "volume" | "dbschema", ..], _) => {
            return Err(gone(service, typed[0], "nothing took its place").run("See what there is", listed(service)));
        }
        _ => return Ok(Words { words, note: None }),
    };
    let real: Vec<String> = real.into_iter().map(str::to_owned).collect();
    let note = format!("`{}` is called `{}` now.", typed.join(" "), real.join(" "));
    Ok(Words { words: real, note: Some(note) })
}

fn listed(service: &Service) -> crate::model::action::Own {
    own("cli-executor").flag("--component", service.name).of_no_component()
}

fn gone(service: &Service, word: &str, instead: &str) -> Fail {
    Fail::new(Kind::Usage, format!("`{}` has no command `{word}`", service.name)).details(format!("{instead}."))
}

/// As a shell reads words: quotes, and backslashes outside of single ones. `None` where a quote does not end.
fn split(text: &str) -> Option<Vec<String>> {
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        match (letter, quote) {
            (_, Some(open)) if letter == open => quote = None,
            ('\\', None) => word.get_or_insert_default().push(letters.next()?),
            ('\\', Some('"')) => {
                let (next, word) = (letters.next()?, word.get_or_insert_default());
                // Between these quotes it only means something before some.
                word.extend((!"\"\\$`".contains(next)).then_some('\\'));
                word.push(next);
            }
            (_, Some(_)) => word.get_or_insert_default().push(letter),
            ('\'' | '"', None) => {
                quote = Some(letter);
                word.get_or_insert_default();
            }
            (letter, None) if letter.is_whitespace() => words.extend(word.take()),
            (letter, None) => word.get_or_insert_default().push(letter),
        }
    }
    words.extend(word);
    quote.is_none().then_some(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_the_config_that_they_name() {
        let shown = |text| split(text).map(|words| Words { words, note: None }.shown());
        assert_eq!(shown("etcd put a 'b c'  \"d\\\"e\"").as_deref(), Some("etcd put a 'b c' 'd\"e'"));
        assert_eq!((shown("a 'b"), shown("''").as_deref()), (None, Some("''")));
        assert_eq!(shown("a \"C:\\d\"").as_deref(), Some("a 'C:\\d'"));
        for text in ["start-server -f x.toml", "start-server --config=x.toml --debug"] {
            let words = Words { words: split(text).unwrap(), note: None };
            assert_eq!((words.config(), words.is_start()), (Some(Path::new("x.toml")), true), "{text}");
        }
        assert!(!Words { words: split("start-server --help").unwrap(), note: None }.is_start());
    }
}
