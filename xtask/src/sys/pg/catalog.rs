//! Reads a database's schema into a [`Snapshot`], in two round trips: one asks which server this is and which kinds of
//! object there are at all, the other carries the queries for those, inside a read-only transaction with an empty
//! search path so that every name comes qualified.
//!
//! The queries are in `catalog/*.sql`. Each gives rows of text: `kind`, `name` and `at` (the catalog address) say what
//! the object is, `parent kind` and `parent` what it belongs to (`child` is then the last part of its name), `position`
//! where a column stands, and every other column is an attribute under its own name; NULL leaves it out. `more` is a JSON object of further attributes, and a
//! row with `more of` adds to the object at that address. A line that ends in `-- since 14` or `-- before 14`
//! is only sent where that holds; a query under `-- when …` only where that catalog has such a row, since
//! planning a query costs more than it takes to find nothing. On the session they stay prepared for the next snapshot,
//! for the same reason: a third of the time would go into planning.

mod gate;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use anyhow::{Context, Result};
use postgres::{Client, GenericClient, SimpleQueryMessage, Transaction};

use super::batch::{Answer, Reading};
use super::literal;
use crate::model::catalog::{Key, Object, Snapshot};

pub(super) use gate::Gate;

/// The queries, in the order in which they are sent; rows with `more of` come after what they add to.
const QUERIES: &[&str] =
    &[include_str!("catalog/relations.sql"), include_str!("catalog/types.sql"), include_str!("catalog/others.sql")];

/// How the names of the prepared queries begin.
const PREPARED: &str = "xtask_catalog_";

/// How many bytes the catalog of columns has in a small schema. An empty database has 450,000, and 100 tables of ten columns
/// bring 250,000.
const SMALL: u64 = 2 << 20;

/// What to leave out of a snapshot, of the schema as of the rows.
#[derive(Clone, Debug)]
pub struct Options {
    /// Alembic's version tables, with or without their schema: no migration makes them.
    pub version_tables: Vec<String>,
}

impl Options {
    /// Whether a table, by its schema-qualified name, is Alembic's or this tool's own.
    pub fn leaves_out(&self, table: &str) -> bool {
        let (schema, bare) = table.split_once('.').unwrap_or(("", table));
        schema == super::SCHEMA || self.version_tables.iter().any(|own| own == table || own == bare)
    }
}

impl Default for Options {
    fn default() -> Options {
        Options { version_tables: vec!["alembic_version".to_owned()] }
    }
}

/// The schema of the database as it is now.
///
/// # Errors
/// When the connection is lost, or a catalog is not readable for this user.
pub fn take(client: &mut Client, options: &Options) -> Result<Snapshot> {
    read(Reading::new(client), options)
}

/// The same inside a transaction that is already open, its own uncommitted work included. Leaves the transaction's
/// settings as they were.
///
/// # Errors
/// As [`take`].
pub fn take_within(transaction: &mut Transaction<'_>, options: &Options) -> Result<Snapshot> {
    read(Reading::within(transaction), options)
}

fn read<C: GenericClient>(mut reading: Reading<'_, C>, options: &Options) -> Result<Snapshot> {
    let answers = reading.ask(&Server::question()).context("asking the server's version")?;
    let answer = answers.first().context("asking the server's version: no answer")?;
    let mut server = Server::read(&values(answer))?;
    let answers = reading.end(&server.script()).context("reading the schema")?;
    snapshot(&answers, options)
}

/// The first row of an answer.
fn values(answer: &Answer) -> Vec<Option<String>> {
    let row = answer.rows.first();
    row.map(|row| (0..row.len()).map(|index| row.get(index).map(str::to_owned)).collect()).unwrap_or_default()
}

fn snapshot(answers: &[Answer], options: &Options) -> Result<Snapshot> {
    let mut rows = Rows::default();
    for answer in answers {
        rows.fields = answer.columns.iter().map(|column| Field::of(column)).collect();
        answer.rows.iter().try_for_each(|row| rows.row(|index| row.get(index)))?;
    }
    Ok(rows.finish(options))
}

/// What gives the rows of some queries, each row as the text of a record; nothing where it cannot.
pub type Ask<'q> = &'q mut dyn FnMut(&[String]) -> Option<Vec<Vec<String>>>;

/// The same through another program's session, in the middle of its transaction, so that uncommitted changes are seen,
/// too. `client` only names the columns. `None` where the other session could not be asked.
///
/// # Errors
/// As [`take`].
pub fn take_through(client: &mut Client, ask: Ask<'_>, options: &Options) -> Result<Option<Snapshot>> {
    let Some(server) = ask(&[whole(&Server::question())]) else { return Ok(None) };
    let first = server.into_iter().flatten().next().context("asking the server's version: no answer")?;
    let server = Server::read(&fields(&first))?;
    let texts: Vec<String> = server.open().map(|(_, query)| query.text(server.major)).collect();
    let Some(answers) = ask(&texts.iter().map(|text| whole(text)).collect::<Vec<_>>()) else { return Ok(None) };
    let empty = |text: &String| format!("select * from ({}) q limit 0;", text.trim().trim_end_matches(';'));
    let names = client.simple_query(&texts.iter().map(empty).collect::<String>()).context("reading the schema")?;
    let mut answers = answers.into_iter();
    let mut reading = Rows::default();
    for message in names {
        let SimpleQueryMessage::RowDescription(columns) = message else { continue };
        reading.fields = columns.iter().map(|column| Field::of(column.name())).collect();
        for row in answers.next().context("reading the schema: an answer is missing")? {
            let row = fields(&row);
            reading.row(|index| row.get(index).and_then(Option::as_deref))?;
        }
    }
    Ok(Some(reading.finish(options)))
}

/// A query whose rows are one text each.
pub(super) fn whole(sql: &str) -> String {
    format!("select q::text from ({}) q", sql.trim().trim_end_matches(';'))
}

/// The fields of a record as PostgreSQL writes one: `(a,"b, ""c""",)`.
pub(super) fn fields(record: &str) -> Vec<Option<String>> {
    let inside = record.strip_prefix('(').and_then(|rest| rest.strip_suffix(')')).unwrap_or_default();
    let (mut fields, mut field) = (Vec::new(), None::<String>);
    let (mut chars, mut is_quoted) = (inside.chars().peekable(), false);
    while let Some(c) = chars.next() {
        match c {
            ',' if !is_quoted => fields.push(field.take()),
            '"' if is_quoted && chars.peek() == Some(&'"') => field.get_or_insert_default().extend(chars.next()),
            '"' => {
                is_quoted = !is_quoted;
                field.get_or_insert_default();
            }
            '\\' => field.get_or_insert_default().extend(chars.next()),
            c => field.get_or_insert_default().push(c),
        }
    }
    fields.push(field);
    fields
}

/// One query as it stands in the files.
struct Query {
    /// What must be in the catalogs for it to have any row.
    when: &'static str,
    lines: Vec<&'static str>,
}

fn queries() -> Vec<Query> {
    let mut queries = Vec::new();
    let mut query = Query { when: "", lines: Vec::new() };
    for line in QUERIES.iter().flat_map(|text| text.lines()) {
        if let Some(when) = line.strip_prefix("-- when ") {
            query.when = when;
        } else if !line.starts_with("--") && !line.is_empty() {
            query.lines.push(line);
            if line.ends_with(';') {
                queries.push(std::mem::replace(&mut query, Query { when: "", lines: Vec::new() }));
            }
        }
    }
    queries
}

/// What the first round trip tells: for what server the queries are to be written, and which are worth asking.
struct Server {
    major: i32,
    queries: Vec<Query>,
    /// Which of them have any row.
    is_open: Vec<bool>,
    /// The names of what is prepared on this session.
    prepared: HashSet<String>,
    /// The catalogs in which a change of the schema shows (`catalog/gate.rs`).
    catalogs: Vec<String>,
    /// Whether there are thousands of columns.
    is_large: bool,
}

impl Server {
    fn question() -> String {
        let left_out = gate::LEFT_OUT.map(literal).join(", ");
        let among = gate::SHARED.map(literal).join(", ");
        format!(
            "select pg_catalog.current_setting('server_version_num'), \
             (select pg_catalog.string_agg(name, ' ') from pg_catalog.pg_prepared_statements \
              where name like '{PREPARED}%'), \
             (select pg_catalog.string_agg(relname, ' ') from pg_catalog.pg_class \
              where relnamespace = 11 and relkind = 'r' and relname not in ({left_out}) \
              and (not relisshared or relname in ({among})) and pg_catalog.has_table_privilege(oid, 'select')), \
             pg_catalog.pg_relation_size('pg_catalog.pg_attribute') > {SMALL}{};",
            Server::which().map(|exists| format!(", {exists}")).collect::<String>()
        )
    }

    /// For each query that not every database has rows for, whether this one has.
    fn which() -> impl Iterator<Item = String> {
        let gated = queries().into_iter().filter(|query| !query.when.is_empty());
        gated.map(|query| format!("exists (select from pg_catalog.{})", query.when))
    }

    fn read(answer: &[Option<String>]) -> Result<Server> {
        let value = |index: usize| answer.get(index).and_then(Option::as_deref).unwrap_or_default();
        let words = |index: usize| value(index).split(' ').filter(|word| !word.is_empty()).map(str::to_owned);
        let version: i32 = value(0).parse().context("reading the server's version")?;
        let mut server = Server {
            major: version / 10_000,
            queries: queries(),
            is_open: Vec::new(),
            prepared: words(1).collect(),
            catalogs: words(2).collect(),
            is_large: value(3) == "t",
        };
        server.know_which(answer.get(4..).unwrap_or_default());
        Ok(server)
    }

    fn know_which(&mut self, answer: &[Option<String>]) {
        let mut flags = answer.iter();
        let mut is_open = |query: &Query| query.when.is_empty() || flags.next() == Some(&Some("t".to_owned()));
        self.is_open = self.queries.iter().map(&mut is_open).collect();
    }

    /// The queries that are worth asking, by their number, which is also in the name under which they are prepared.
    fn open(&self) -> impl Iterator<Item = (usize, &Query)> {
        self.queries.iter().enumerate().filter(|(number, _)| self.is_open[*number])
    }

    fn script(&mut self) -> String {
        let mut script = String::from("set local search_path = ''; set local jit = off;\n");
        let numbered = self.open().map(|(number, query)| (number.to_string(), query.text(self.major)));
        for (number, text) in numbered.collect::<Vec<_>>() {
            script.push_str(&self.execute(&number, &text));
        }
        script
    }

    /// Executes what stays prepared on the session under a name, from its first time on.
    fn execute(&mut self, name: &str, text: &str) -> String {
        let name = format!("{PREPARED}{name}");
        let prepare =
            if self.prepared.insert(name.clone()) { format!("prepare {name} as {text}") } else { String::new() };
        format!("{prepare}execute {name};\n")
    }
}

impl Query {
    /// The text for a server of this major version.
    fn text(&self, major: i32) -> String {
        let mut text = String::new();
        for line in &self.lines {
            let (sql, condition) = line.split_once(" --").unwrap_or((line, ""));
            let wanted = match condition.trim().split_once(' ') {
                Some(("since", version)) => version.parse().is_ok_and(|version: i32| major >= version),
                Some(("before", version)) => version.parse().is_ok_and(|version: i32| major < version),
                _ => true,
            };
            if wanted {
                text.push_str(sql);
                text.push('\n');
            }
        }
        expand(&text)
    }
}

/// Puts the texts that many queries share in place of their names in braces.
fn expand(script: &str) -> String {
    const SCHEMAS: &str = "(select oid, quote_ident(nspname) as nsp from pg_namespace \
                           where nspname not like 'pg\\_%' and nspname <> 'information_schema')";
    const RELATIONS: &str = "(select c.oid, n.nsp || '.' || quote_ident(c.relname) as full_name, \
                             case c.relkind when 'f' then 'foreign table' when 'v' then 'view' \
                             when 'm' then 'materialized view' else 'table' end as kind \
                             from pg_class c join {schemas} n on n.oid = c.relnamespace)";
    let script = script.replace("{relations}", RELATIONS).replace("{schemas}", SCHEMAS);
    let mut parts = script.split("{members of ");
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (class, rest) = part.split_once('}').unwrap_or((part, ""));
        text.push_str(&format!(
            "(select objid from pg_depend where refclassid = 'pg_extension'::regclass \
             and classid = '{class}'::regclass and deptype = 'e')"
        ));
        text.push_str(rest);
    }
    text
}

/// What a column of an answer is.
enum Field {
    Kind,
    Name,
    Child,
    At,
    MoreOf,
    ParentKind,
    Parent,
    Position,
    More,
    Attribute(Arc<str>),
}

impl Field {
    fn of(name: &str) -> Field {
        match name {
            "kind" => Field::Kind,
            "name" => Field::Name,
            "child" => Field::Child,
            "at" => Field::At,
            "more of" => Field::MoreOf,
            "parent kind" => Field::ParentKind,
            "parent" => Field::Parent,
            "position" => Field::Position,
            "more" => Field::More,
            attribute => Field::Attribute(attribute.into()),
        }
    }
}

/// A snapshot while its rows come in.
#[derive(Default)]
struct Rows {
    /// What the columns of the present answer are.
    fields: Vec<Field>,
    objects: Vec<(Key, Object)>,
    /// Where in `objects` the object at an address is.
    at: HashMap<String, usize>,
    snapshot: Snapshot,
}

impl Rows {
    fn row<'v>(&mut self, value: impl Fn(usize) -> Option<&'v str>) -> Result<()> {
        let mut object = Object::default();
        let (mut kind, mut name, mut child, mut at, mut more_of) = ("", "", None, "", None);
        let (mut parent_kind, mut parent, mut position) = (None, "", None);
        for (index, field) in self.fields.iter().enumerate() {
            let Some(value) = value(index) else { continue };
            match field {
                Field::Kind => kind = value,
                Field::Name => name = value,
                Field::Child => child = Some(value),
                Field::At => at = value,
                Field::MoreOf => more_of = Some(value),
                Field::ParentKind => parent_kind = Some(value),
                Field::Parent => parent = value,
                Field::Position => position = value.parse().ok(),
                Field::More => flatten(value, &mut object.attributes)?,
                Field::Attribute(attribute) => object.attributes.push((attribute.clone(), value.to_owned())),
            }
        }
        if let Some(address) = more_of {
            self.add(address, object.attributes);
            return Ok(());
        }
        object.parent = parent_kind.map(|kind| Key::new(kind, parent));
        if let (Some(position), Some(child), "column", Some(table)) = (position, child, kind, &object.parent) {
            self.snapshot.place(table, position, child);
        }
        let key =
            Key { kind: kind.to_owned(), name: child.map_or(name.to_owned(), |child| format!("{parent}.{child}")) };
        self.at.insert(at.to_owned(), self.objects.len());
        self.objects.push((key, object));
        Ok(())
    }

    /// Adds attributes to the object at an address; one that is not in the snapshot has none to be told.
    fn add(&mut self, address: &str, attributes: Vec<(Arc<str>, String)>) {
        if let Some((_, object)) = self.at.get(address).and_then(|index| self.objects.get_mut(*index)) {
            object.attributes.extend(attributes);
        }
    }

    fn finish(mut self, options: &Options) -> Snapshot {
        let keys: Vec<Key> = self
            .objects
            .iter()
            .map(|(key, _)| key)
            .filter(|key| match key.kind.as_str() {
                "table" => options.leaves_out(&key.name),
                "schema" => key.name == super::SCHEMA,
                _ => false,
            })
            .cloned()
            .collect();
        for (key, object) in self.objects {
            self.snapshot.insert(key, object);
        }
        for key in keys {
            self.snapshot.remove(&key);
        }
        self.snapshot
    }
}

/// The members of a JSON object as attributes.
fn flatten(json: &str, attributes: &mut Vec<(Arc<str>, String)>) -> Result<()> {
    let value: serde_json::Value = serde_json::from_str(json).context("reading the schema: a JSON column")?;
    for (name, value) in value.as_object().into_iter().flatten() {
        match value {
            serde_json::Value::Null => {}
            serde_json::Value::String(text) => attributes.push((name.as_str().into(), text.clone())),
            other => attributes.push((name.as_str().into(), other.to_string())),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{fields, queries};

    #[test]
    fn a_record_is_read_as_it_is_written() {
        let read = |text: &str| fields(text).into_iter().map(|it| it.unwrap_or("NULL".to_owned())).collect::<Vec<_>>();
        assert_eq!(read(r#"(a,"b, ""c""","",,"x\\y",é)"#), ["a", r#"b, "c""#, "", "NULL", r"x\y", "é"]);
        assert_eq!(read("(,)"), ["NULL", "NULL"]);
    }

    fn script(major: i32) -> String {
        queries().iter().map(|query| query.text(major)).collect()
    }

    #[test]
    fn lines_follow_the_servers_version() {
        assert!(!script(12).contains("attcompression"));
        assert!(script(14).contains("attcompression"));
        assert!(script(12).contains("where not t.tgisinternal\n"));
        assert!(!script(13).contains("where not t.tgisinternal\n"));
    }

    #[test]
    fn no_version_leaves_a_comma_before_from() {
        for major in 12..=18 {
            let words: Vec<String> = script(major).split_whitespace().map(str::to_owned).collect();
            let dangling = words.windows(2).find(|pair| pair[0].ends_with(',') && pair[1] == "from");
            assert_eq!(dangling, None, "on {major}");
        }
    }

    #[test]
    fn no_placeholder_is_left() {
        for major in 12..=18 {
            let text = script(major);
            let left: Vec<_> = text.match_indices('{').map(|(at, _)| &text[at..(at + 12).min(text.len())]).collect();
            // Array literals such as '{oid,…}' are SQL; names in braces are not.
            assert!(left.iter().all(|part| part.starts_with("{oid")), "{left:?}");
        }
    }
}
