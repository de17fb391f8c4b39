//! `[tool.alembic]` of a `pyproject.toml`, which Alembic reads since 1.16 for what an ini does not say, or alone.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use toml::de::{DeTable, DeValue};

use crate::fail::{Fail, Kind};
use crate::model::action::own;

/// The section's options; paths in them are interpolated.
#[derive(Clone, Debug)]
pub struct AlembicToml {
    pub path: PathBuf,
    options: Vec<(String, usize, Value)>,
}

#[derive(Clone, Debug)]
enum Value {
    Text(String),
    List(Vec<String>),
    Flag(bool),
}

impl AlembicToml {
    /// `None` where there is no such file or section.
    ///
    /// # Errors
    /// `config-invalid` when the file is no TOML.
    pub fn read(path: &Path) -> Result<Option<AlembicToml>> {
        let text = match super::regular::read_text(path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error).with_context(|| format!("reading {}", path.display())),
        };
        let root = DeTable::parse(&text).map_err(|error| not_toml(path, &text, &error))?;
        let tool = root.get_ref().get("tool").and_then(|value| value.get_ref().as_table());
        let section = tool.and_then(|tool| tool.get("alembic")).and_then(|value| value.get_ref().as_table());
        let Some(section) = section else { return Ok(None) };
        let here = path.parent().unwrap_or(Path::new("")).display().to_string();
        let line = |at: usize| text[..at].matches('\n').count() + 1;
        let options = section.iter().filter_map(|(name, value)| {
            let name_text: &str = name.get_ref();
            Some((name_text.to_owned(), line(name.span().start), Value::of(value.get_ref(), &here)?))
        });
        Ok(Some(AlembicToml { path: path.to_owned(), options: options.collect() }))
    }

    /// An option that is a text or a number.
    pub fn text(&self, name: &str) -> Option<String> {
        match self.find(name)? {
            Value::Text(text) => Some(text.clone()),
            Value::List(_) => None,
            Value::Flag(flag) => Some(flag.to_string()),
        }
    }

    /// An option that is a list; Alembic takes nothing else for folders.
    pub fn list(&self, name: &str) -> Option<Vec<String>> {
        match self.find(name)? {
            Value::List(list) => Some(list.clone()),
            Value::Text(text) => Some(vec![text.clone()]),
            Value::Flag(_) => None,
        }
    }

    pub fn line(&self, name: &str) -> Option<usize> {
        self.options.iter().find(|(known, ..)| known == name).map(|(_, line, _)| *line)
    }

    fn find(&self, name: &str) -> Option<&Value> {
        self.options.iter().find(|(known, ..)| known == name).map(|(.., option)| option)
    }
}

impl Value {
    /// What is neither of these (`post_write_hooks`) is not asked for.
    fn of(value: &DeValue<'_>, here: &str) -> Option<Value> {
        Some(match value {
            DeValue::String(text) => Value::Text(interpolated(text, here)),
            DeValue::Integer(number) => Value::Text(number.as_str().to_owned()),
            DeValue::Boolean(flag) => Value::Flag(*flag),
            DeValue::Array(items) => {
                let texts = items.iter().map(|item| item.get_ref().as_str().map(|text| interpolated(text, here)));
                Value::List(texts.collect::<Option<_>>()?)
            }
            _ => return None,
        })
    }
}

/// Python's `%`: the only name that Alembic gives is `here`.
fn interpolated(text: &str, here: &str) -> String {
    text.replace("%(here)s", here).replace("%%", "%")
}

fn not_toml(path: &Path, text: &str, error: &toml::de::Error) -> Fail {
    let line = error.span().map(|span| text[..span.start].matches('\n').count() + 1);
    let place = line.map_or(path.display().to_string(), |line| format!("{}:{line}", path.display()));
    Fail::new(Kind::ConfigInvalid, "Cannot read pyproject.toml")
        .details(format!("{place}: {}", error.message()))
        .at(path, line)
        .action(format!("Correct {place}"))
        .related(own("doctor"))
}
