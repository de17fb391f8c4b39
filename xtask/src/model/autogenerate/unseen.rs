//! What autogenerate does not compare, or only in part: labels of enum types, check and exclusion constraints, primary
//! keys, server defaults (unless env.py asks for them), what a generated column computes, predicates of indexes,
//! sequences, and objects that DDL events make. PostgreSQL has written both sides in its own words, so that every
//! difference between the texts is a difference.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::{arguments, quoted};

/// What a fact is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FactKind {
    /// A column's type, as far as autogenerate takes two for the same (or is told not to look).
    Type,
    /// A column's default.
    Default,
    /// What a generated column computes.
    Computed,
    /// A check constraint.
    Check,
    /// An exclusion constraint.
    Exclusion,
    PrimaryKey,
    /// An index, without its name and table.
    Index,
    /// The labels of an enum type, one a line.
    Enum,
    Sequence,
    Function,
    Trigger,
}

impl FactKind {
    /// As it stands in JSON.
    pub fn name(self) -> &'static str {
        match self {
            FactKind::Type => "type",
            FactKind::Default => "server-default",
            FactKind::Computed => "computed",
            FactKind::Check => "check",
            FactKind::Exclusion => "exclusion",
            FactKind::PrimaryKey => "primary-key",
            FactKind::Index => "index",
            FactKind::Enum => "enum",
            FactKind::Sequence => "sequence",
            FactKind::Function => "function",
            FactKind::Trigger => "trigger",
        }
    }

    fn words(self) -> &'static str {
        match self {
            FactKind::Type => "type of",
            FactKind::Default => "server default of",
            FactKind::Computed => "expression of generated column",
            FactKind::Check => "check constraint",
            FactKind::Exclusion => "exclusion constraint",
            FactKind::PrimaryKey => "primary key of",
            FactKind::Index => "index",
            FactKind::Enum => "enum type",
            FactKind::Sequence => "sequence",
            FactKind::Function => "function",
            FactKind::Trigger => "trigger",
        }
    }
}

/// One thing on one side, in PostgreSQL's words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fact {
    /// Which sort of thing.
    pub kind: FactKind,
    /// The table (`app.users`, or `users` in the default schema); empty for what belongs to none.
    pub table: String,
    /// The column, constraint, index or type.
    pub name: String,
    pub text: String,
}

/// Something that the models and the migrated database do not agree on and autogenerate does not see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unseen {
    /// Which sort of thing.
    pub kind: FactKind,
    /// Its table; empty for what belongs to none.
    pub table: String,
    pub name: String,
    /// What the models say; `None` when they have no such thing.
    pub models: Option<String>,
    /// What the migrated database has; `None` when it has no such thing.
    pub database: Option<String>,
}

impl Unseen {
    /// `users.email`, or the name alone.
    pub fn object(&self) -> String {
        match (self.table.as_str(), self.kind) {
            ("", _) => self.name.clone(),
            (table, FactKind::PrimaryKey) => table.to_owned(),
            (table, FactKind::Default | FactKind::Computed | FactKind::Type) => format!("{table}.{}", self.name),
            (table, _) => format!("{} of {table}", self.name),
        }
    }

    /// What to write into the script, where that is a matter of form.
    pub fn help(&self) -> Option<String> {
        let (name, [table, schema]) = (quoted(&self.name), arguments(&self.table));
        match (self.kind, &self.models, &self.database) {
            (FactKind::Enum, Some(models), Some(database)) => {
                let add = |label: &&str| {
                    let label = label.replace('\'', "''");
                    format!("op.execute({})", quoted(&format!("ALTER TYPE {} ADD VALUE '{label}'", in_sql(&self.name))))
                };
                let adds: Vec<String> = only_in(models, database).iter().map(add).collect();
                (!adds.is_empty()).then(|| adds.join("; "))
            }
            (FactKind::Default, Some(text), _) => {
                Some(format!("op.alter_column({table}, {name}, server_default=sa.text({}){schema})", quoted(text)))
            }
            (FactKind::Default, None, _) => {
                Some(format!("op.alter_column({table}, {name}, server_default=None{schema})"))
            }
            (FactKind::Check, Some(text), None) => {
                let inner = text.strip_prefix("CHECK (").and_then(|text| text.strip_suffix(')')).unwrap_or(text);
                // `op.f`: the name is whole as it is, whatever the naming convention would make of it.
                Some(format!("op.create_check_constraint(op.f({name}), {table}, {}{schema})", quoted(inner)))
            }
            (FactKind::Check, None, Some(_)) => {
                Some(format!("op.drop_constraint(op.f({name}), {table}, type_=\"check\"{schema})"))
            }
            (FactKind::Sequence, Some(_), None) => {
                let [name, schema] = arguments(&self.name);
                Some(format!("op.execute(sa.schema.CreateSequence(sa.Sequence({name}{schema})))"))
            }
            _ => None,
        }
    }
}

/// `server default of users.level: the models say 5, the database has 3`
impl fmt::Display for Unseen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: ", self.kind.words(), self.object())?;
        match (&self.models, &self.database) {
            (Some(models), Some(database)) if self.kind == FactKind::Enum => {
                let (more, less) = (only_in(models, database), only_in(database, models));
                let part = |labels: &[&str], who: &str| {
                    (!labels.is_empty()).then(|| format!("{} only in the {who}", labels.join(", ")))
                };
                let parts: Vec<String> =
                    [part(&more, "models"), part(&less, "database")].into_iter().flatten().collect();
                f.write_str(if parts.is_empty() { "the labels have another order" } else { "" })?;
                f.write_str(&parts.join("; "))
            }
            (Some(models), Some(database)) => {
                write!(f, "the models say {}, the database has {}", short(models), short(database))
            }
            (Some(models), None) if models.is_empty() => write!(f, "only in the models"),
            (Some(models), None) => write!(f, "only in the models: {}", short(models)),
            (None, Some(database)) => write!(f, "only in the database: {}", short(database)),
            (None, None) => Ok(()),
        }
    }
}

fn only_in<'a>(one: &'a str, other: &str) -> Vec<&'a str> {
    let other: BTreeSet<&str> = other.lines().collect();
    one.lines().filter(|label| !other.contains(label)).collect()
}

/// In one line, and not too long a one: a function's body, say.
fn short(text: &str) -> String {
    const LONGEST: usize = 120;
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

/// A name with its schema, each in quotes where SQL would not read it as it is.
fn in_sql(name: &str) -> String {
    let is_plain = |part: &str| {
        part.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
            && !part.starts_with(|first: char| first.is_ascii_digit())
    };
    let one = |part: &str| if is_plain(part) { part.to_owned() } else { format!("\"{}\"", part.replace('"', "\"\"")) };
    name.split('.').map(one).collect::<Vec<_>>().join(".")
}

/// What differs between the models' side and the database's, for the tables that are on both. By name, and for
/// constraints without regard to it: the same check under another name is no difference that matters here.
pub fn unseen(models: &[Fact], database: &[Fact]) -> Vec<Unseen> {
    let (ours, theirs) = (Side::new(models), Side::new(database));
    let mut found = Vec::new();
    let keys: BTreeSet<&Key> = ours.facts.keys().chain(theirs.facts.keys()).collect();
    for key in keys {
        let (kind, table, name) = *key;
        let (one, other) = (ours.facts.get(key).copied(), theirs.facts.get(key).copied());
        if one == other || ours.says_elsewhere(key, &theirs) {
            continue;
        }
        let is_told = match kind {
            // Which indexes there are is seen; what one of that name is like, only in part.
            FactKind::Index => one.is_some() && other.is_some(),
            FactKind::Default | FactKind::Computed => ours.same_type(&theirs, table, name) && !both_count(one, other),
            FactKind::Type => one.is_some() && other.is_some(),
            _ => true,
        };
        if is_told {
            let own = |text: Option<&str>| text.map(str::to_owned);
            let (table, name) = (table.to_owned(), name.to_owned());
            found.push(Unseen { kind, table, name, models: own(one), database: own(other) });
        }
    }
    // What the models lack is mostly old (a default for the rows of that day) and waits.
    found.sort_by_key(|one| one.models.is_none());
    found
}

/// Both take their number from a sequence: the copy's has another name.
fn both_count(one: Option<&str>, other: Option<&str>) -> bool {
    [one, other].iter().all(|text| text.is_some_and(|text| text.starts_with("nextval(")))
}

type Key<'a> = (FactKind, &'a str, &'a str);

struct Side<'a> {
    facts: BTreeMap<Key<'a>, &'a str>,
    /// The texts of constraints, whatever they are called.
    constraints: BTreeSet<(FactKind, &'a str, &'a str)>,
}

impl<'a> Side<'a> {
    fn new(facts: &'a [Fact]) -> Side<'a> {
        let text = |fact: &'a Fact| (fact.kind, fact.table.as_str(), fact.text.as_str());
        let key = |fact: &'a Fact| ((fact.kind, fact.table.as_str(), fact.name.as_str()), fact.text.as_str());
        Side { facts: facts.iter().map(key).collect(), constraints: facts.iter().map(text).collect() }
    }

    /// Whether each side that has this constraint finds it, under whatever name, on the other side too.
    fn says_elsewhere(&self, key: &Key<'_>, other: &Side<'_>) -> bool {
        let (kind, table, _) = *key;
        if !matches!(kind, FactKind::Check | FactKind::Exclusion | FactKind::PrimaryKey) {
            return false;
        }
        let has = |side: &Side<'_>, text: Option<&&str>| {
            text.is_none_or(|text| side.constraints.contains(&(kind, table, *text)))
        };
        has(other, self.facts.get(key)) && has(self, other.facts.get(key))
    }

    /// A default is written with its type: where that differs, which is seen, so does the text.
    fn same_type(&self, other: &Side<'_>, table: &str, column: &str) -> bool {
        let of = |side: &Side<'_>| side.facts.get(&(FactKind::Type, table, column)).map(|text| (*text).to_owned());
        of(self).is_some() && of(self) == of(other)
    }
}
