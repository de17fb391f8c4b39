//! `pg_dump --schema-only` as a judge: a dump cut into its entries, those entries by case, and what the comparison of
//! two says.

use std::collections::BTreeMap;
use std::process::Command;
use std::sync::Once;

use crate::support::pg::{Cluster, SUPERUSER};

/// What `pg_dump` says of one case at two moments.
pub enum Verdict {
    Equal,
    /// The same lines in another order: columns, privileges.
    OrderOnly(String),
    Differs(String),
}

impl Verdict {
    pub fn index(&self) -> usize {
        match self {
            Verdict::Equal => 0,
            Verdict::OrderOnly(_) => 1,
            Verdict::Differs(_) => 2,
        }
    }
}

/// The entries of a dump, by case.
pub struct Dump {
    entries: BTreeMap<String, String>,
}

impl Dump {
    pub fn against(&self, other: &Dump, tag: &str) -> Verdict {
        let text = |dump: &Dump| dump.entries.get(tag).cloned().unwrap_or_default();
        let (a, b) = (text(self), text(other));
        if a == b {
            return Verdict::Equal;
        }
        let told = difference(&a, &b);
        if told.is_empty() { Verdict::OrderOnly(format!("{a}\n--- and\n{b}")) } else { Verdict::Differs(told) }
    }
}

/// The lines that are not in both, a line's last comma aside.
fn difference(a: &str, b: &str) -> String {
    let mut lines: BTreeMap<String, i32> = BTreeMap::new();
    for line in a.lines() {
        *lines.entry(plain(line)).or_default() -= 1;
    }
    for line in b.lines() {
        *lines.entry(plain(line)).or_default() += 1;
    }
    let told = lines.into_iter().filter(|(_, count)| *count != 0);
    told.map(|(line, count)| format!("  {} {line}", if count < 0 { '-' } else { '+' })).collect::<Vec<_>>().join("\n")
}

/// A line as it counts. Statistics and publications list their columns in the order of the table, whatever was written.
fn plain(line: &str) -> String {
    let line = line.trim_end_matches(',');
    if !line.starts_with("CREATE STATISTICS") && !line.starts_with("ALTER PUBLICATION") {
        return line.to_owned();
    }
    let mut words: Vec<&str> = line.split([' ', ',', '(', ')']).collect();
    words.sort_unstable();
    words.join(" ")
}

/// The case that a text speaks of.
pub fn tag(text: &str) -> Option<String> {
    let found = |word: &str| {
        text.match_indices(word).find_map(|(at, _)| {
            let digits = text.get(at + 4..at + 7)?;
            digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| format!("{word}{digits}"))
        })
    };
    found("case").or_else(|| found("walk"))
}

/// What the cases need that belongs to the cluster and not to a database.
pub fn prepare(cluster: &Cluster) {
    static DONE: Once = Once::new();
    DONE.call_once(|| make(cluster));
}

fn make(cluster: &Cluster) {
    let mut client = cluster.client("postgres");
    client.batch_execute("create role cat_reader; create role cat_writer superuser").unwrap();
    client.batch_execute("set allow_in_place_tablespaces = on").unwrap();
    client.batch_execute("create tablespace cat_space location ''").unwrap();
}

/// Dumps a database's schema.
pub fn dump(cluster: &Cluster, database: &str) -> Dump {
    #[expect(clippy::disallowed_methods, reason = "the tests' own process, not the tool's")]
    let output = Command::new(cluster.bin.join("pg_dump"))
        .args(["--schema-only", "-U", SUPERUSER, "-h"])
        .arg(&cluster.socket_dir)
        .arg(database)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    cut(&String::from_utf8(output.stdout).unwrap())
}

/// Cuts the text at the entries' headers. The default tablespace and access method are written once for all the entries
/// that follow, so each entry that they concern is given its own.
fn cut(text: &str) -> Dump {
    let mut entries: BTreeMap<String, String> = BTreeMap::new();
    let (mut tablespace, mut method) = (String::new(), String::new());
    for part in text.split("--\n-- Name: ").skip(1) {
        let (header, body) = part.split_once("\n--\n").unwrap();
        let kind = header.split("; ").find_map(|field| field.strip_prefix("Type: ")).unwrap();
        let mut entry = header.to_owned();
        if matches!(kind, "TABLE" | "INDEX" | "CONSTRAINT" | "MATERIALIZED VIEW") {
            entry.push_str(&tablespace);
        }
        if matches!(kind, "TABLE" | "MATERIALIZED VIEW") && !body.contains("\nPARTITION BY ") {
            entry.push_str(&method);
        }
        for line in body.lines() {
            if line.starts_with("SET default_tablespace") {
                tablespace = line.to_owned();
            } else if line.starts_with("SET default_table_access_method") {
                method = line.to_owned();
            } else if !line.starts_with("\\unrestrict") && !line.starts_with("-- PostgreSQL database dump complete") {
                entry.push('\n');
                entry.push_str(line.trim_end());
            }
        }
        if kind == "ACL" {
            // Who was granted first says nothing.
            let mut lines: Vec<&str> = entry.lines().collect();
            lines[1..].sort_unstable();
            entry = lines.join("\n");
        }
        let tag = tag(&entry).unwrap_or_else(|| "none".to_owned());
        let all = entries.entry(tag).or_default();
        all.push_str(entry.trim_end_matches(['\n', '-']));
        all.push('\n');
    }
    Dump { entries }
}
