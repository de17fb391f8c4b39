//! The record beside a backup: which database it was taken of, what it has to hold, and how far that was proven.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use serde_json::{Map, Value, json};

use crate::model::catalog::{Key, Object, Snapshot};
use crate::model::contents::{Contents, OfExtension, TableIdentity};
use crate::model::rows::{Column, Rows, Table};
use crate::sys::pg::Identity;
use crate::sys::saved::{number, text, texts};

/// The number of the format; a file of another one is not read.
const FORMAT: u64 = 1;

/// How far a backup was proven to hold what it should.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Proof {
    /// It was restored into a scratch database, and what that held was compared.
    Restored,
    /// It is a database beside the one that it was copied of, by this name; what it held was compared.
    Copied(String),
    /// Every row was read from the file and counted; the text says why no more was done.
    Read(String),
}

/// The file beside a backup.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// Whose database it is.
    pub component: String,
    /// When the database was as the backup has it: `20261127T103000Z`.
    pub time: String,
    /// The revisions that it was at.
    pub revision: Vec<String>,
    /// The commit that was checked out.
    pub commit: Option<String>,
    /// Where the server is, in words.
    pub server: String,
    /// `server_version_num`: 150018 for 15.18.
    pub server_version: u32,
    /// Which server and database it was.
    pub identity: Identity,
    /// Of the file.
    pub bytes: u64,
    /// Of the file: SHA-256.
    pub digest: String,
    /// How far it was proven.
    pub proof: Proof,
    /// What was not the same after it was restored, and is no row.
    pub differs: Vec<String>,
    /// What the database held, and the backup has to hold.
    pub contents: Contents,
}

impl Record {
    /// The database that it is, where it is no file.
    pub fn copy(&self) -> Option<&str> {
        match &self.proof {
            Proof::Copied(database) => Some(database),
            _ => None,
        }
    }

    /// What it takes: on this disk, or on the server's.
    pub fn size(&self) -> u64 {
        if self.copy().is_some() { self.identity.bytes } else { self.bytes }
    }

    /// Whether all that it holds was compared.
    pub fn is_proven(&self) -> bool {
        !matches!(self.proof, Proof::Read(_))
    }

    pub fn to_json(&self) -> Value {
        let (proof, why) = match &self.proof {
            Proof::Restored => ("restored", None),
            Proof::Copied(database) => ("copied", Some(database)),
            Proof::Read(why) => ("read", Some(why)),
        };
        json!({
            "format": FORMAT,
            "component": self.component,
            "time": self.time,
            "revision": self.revision,
            "commit": self.commit,
            "server": {"place": self.server, "version": self.server_version, "system": self.identity.system},
            "database": {"name": self.identity.database, "oid": self.identity.oid, "bytes": self.identity.bytes},
            "bytes": self.bytes,
            "sha256": self.digest,
            "proof": {"kind": proof, "why": why, "differs": self.differs},
            "rows": rows_json(&self.contents),
            "sequences": self.contents.sequences,
            "relations": self.contents.relations,
            "of_extensions": of_extensions_json(&self.contents),
            "large_objects": self.contents.large_objects,
            "large_objects_digest": self.contents.large_object_digest,
            "schema": schema_json(&self.contents.schema),
        })
    }

    /// From text.
    ///
    /// # Errors
    /// When it is not such a file, or of another format.
    pub fn from_json(value: &Value) -> Result<Record> {
        ensure!(value["format"] == FORMAT, "it is of the format {}, not {FORMAT}", value["format"]);
        let server = &value["server"];
        let proof = match value["proof"]["kind"].as_str() {
            Some("restored") => Proof::Restored,
            Some("copied") => Proof::Copied(text(&value["proof"]["why"])?),
            _ => Proof::Read(text(&value["proof"]["why"])?),
        };
        Ok(Record {
            component: text(&value["component"])?,
            time: text(&value["time"])?,
            revision: texts(&value["revision"])?,
            commit: value["commit"].as_str().map(str::to_owned),
            server: text(&server["place"])?,
            server_version: u32::try_from(number(&server["version"])?)?,
            identity: Identity {
                system: text(&server["system"])?,
                database: text(&value["database"]["name"])?,
                oid: u32::try_from(number(&value["database"]["oid"])?)?,
                bytes: number(&value["database"]["bytes"])?,
                in_recovery: false,
            },
            bytes: number(&value["bytes"])?,
            digest: text(&value["sha256"])?,
            proof,
            differs: texts(&value["proof"]["differs"])?,
            contents: contents(value)?,
        })
    }
}

fn of_extensions_json(contents: &Contents) -> Value {
    let one = |(name, table): (&String, &OfExtension)| (name.clone(), json!([table.oid, table.rows, table.is_dumped]));
    contents.of_extensions.iter().map(one).collect::<Map<_, _>>().into()
}

/// Per table its rows, the values of each column with their digest, and which table it is.
fn rows_json(contents: &Contents) -> Value {
    let mut all = Map::new();
    for (name, identity) in &contents.tables {
        let table = contents.rows.tables.get(name).cloned().unwrap_or_default();
        let column = |(column, number): (&String, &i16)| {
            let (values, digest) = table.columns.get(column).map_or((0, ""), |it| (it.values, it.digest.as_str()));
            (column.clone(), json!([number, values, digest]))
        };
        let columns: Map<String, Value> = identity.columns.iter().map(column).collect();
        all.insert(name.clone(), json!({"rows": table.rows, "oid": identity.oid, "columns": columns}));
    }
    all.into()
}

fn schema_json(schema: &Snapshot) -> Value {
    let object = |(key, object): (&Key, &Object)| {
        let parent = object.parent.as_ref().map(|parent| json!([parent.kind, parent.name]));
        let attributes: Vec<Value> = object.attributes.iter().map(|(name, value)| json!([**name, value])).collect();
        json!([key.kind, key.name, parent, attributes])
    };
    schema.objects().map(object).collect()
}

fn contents(value: &Value) -> Result<Contents> {
    let mut contents = Contents {
        large_objects: number(&value["large_objects"])?,
        large_object_digest: value["large_objects_digest"].as_str().map(str::to_owned),
        ..Contents::default()
    };
    for (name, at) in value["sequences"].as_object().context("the sequences are missing")? {
        contents.sequences.insert(name.clone(), at.as_i64());
    }
    for (name, oid) in value["relations"].as_object().context("the relations are missing")? {
        contents.relations.insert(name.clone(), u32::try_from(number(oid)?)?);
    }
    for (name, it) in value["of_extensions"].as_object().into_iter().flatten() {
        let (oid, rows) = (u32::try_from(number(&it[0])?)?, number(&it[1])?);
        let is_dumped = it[2].as_bool().unwrap_or_default();
        contents.of_extensions.insert(name.clone(), OfExtension { oid, rows, is_dumped });
    }
    let mut rows = Rows::default();
    for (name, entry) in value["rows"].as_object().context("the rows are missing")? {
        let (mut table, mut numbers) =
            (Table { rows: number(&entry["rows"])?, columns: BTreeMap::new() }, BTreeMap::new());
        for (column, parts) in entry["columns"].as_object().context("the columns are missing")? {
            numbers.insert(column.clone(), i16::try_from(number(&parts[0])?)?);
            if table.rows > 0 {
                table.columns.insert(column.clone(), Column { values: number(&parts[1])?, digest: text(&parts[2])? });
            }
        }
        rows.tables.insert(name.clone(), table);
        let identity = TableIdentity { oid: u32::try_from(number(&entry["oid"])?)?, columns: numbers };
        contents.tables.insert(name.clone(), identity);
    }
    contents.rows = rows;
    for entry in value["schema"].as_array().context("the schema is missing")? {
        let parent =
            entry[2].as_array().map(|_| Ok::<_, anyhow::Error>(Key::new(text(&entry[2][0])?, text(&entry[2][1])?)));
        let mut object = Object { parent: parent.transpose()?, attributes: Vec::new() };
        for pair in entry[3].as_array().context("the attributes are missing")? {
            object.attributes.push((text(&pair[0])?.into(), text(&pair[1])?));
        }
        contents.schema.insert(Key::new(text(&entry[0])?, text(&entry[1])?), object);
    }
    Ok(contents)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let mut contents = Contents { large_objects: 2, large_object_digest: Some("12".into()), ..Contents::default() };
        let table = Key::new("table", "public.\"T t\"");
        contents
            .schema
            .insert(table.clone(), Object { parent: None, attributes: vec![("owner".into(), "ann".into())] });
        let column = Object { parent: Some(table), attributes: Vec::new() };
        contents.schema.insert(Key::new("column", "public.\"T t\".x"), column);
        let columns = BTreeMap::from([("x".to_owned(), Column { values: 3, digest: "-17".to_owned() })]);
        contents.rows.tables.insert("public.\"T t\"".to_owned(), Table { rows: 4, columns });
        let identity = TableIdentity { oid: 7, columns: BTreeMap::from([("x".to_owned(), 2)]) };
        contents.tables.insert("public.\"T t\"".to_owned(), identity);
        contents.sequences.extend([("public.s".to_owned(), Some(-4)), ("public.never".to_owned(), None)]);
        contents.relations.insert("public.v".to_owned(), 8);
        contents.of_extensions.insert("public.e".to_owned(), OfExtension { oid: 9, rows: 3, is_dumped: true });
        let identity = Identity { system: "1".into(), database: "d b".into(), oid: 5, bytes: 9, in_recovery: false };
        let record = Record {
            component: "manager".into(),
            time: "20261127T103000Z".into(),
            revision: vec!["a".into(), "b".into()],
            commit: None,
            server: "localhost:5432".into(),
            server_version: 150_018,
            identity,
            bytes: 12,
            digest: "ab".into(),
            proof: Proof::Copied("d b@backup".into()),
            differs: vec!["~ view v".into()],
            contents,
        };
        assert_eq!(Record::from_json(&record.to_json()).unwrap(), record);
        assert!(Record::from_json(&json!({"format": 2})).unwrap_err().to_string().contains("format 2"));
    }
}
