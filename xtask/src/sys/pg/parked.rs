//! A database per branch: the one in use has the component's name, the others are parked beside it (`backend@feature-x`). A
//! line at the end of a database's comment says which branch it belongs to; a swap changes names and lines in one
//! transaction, so whatever ends it, there is always one under the name.

use anyhow::Result;
use serde_json::{Value, json};

use super::ask::Ask;
use super::swap::{LIKE, in_one};
use super::sweep::{drop_database, maintenance, new_name};
use super::{Db, ident, literal, sql_fail};
use crate::model::url::DbUrl;
use crate::sys::clock::utc_stamp;

/// How the line begins.
const MARK: &str = "xtask db-switch: ";
/// The server keeps 63 bytes of a name.
const LONGEST: usize = 63;

/// A database of a component.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// Its name.
    pub database: String,
    /// The branch that it belongs to, as far as it says.
    pub branch: Option<String>,
    /// The name that this branch had when the database was parked, where it was renamed since.
    pub was: Option<String>,
    /// Whether it has the component's name.
    pub active: bool,
    /// When it was parked, UTC.
    pub parked_at: Option<String>,
    /// Its comment, but for our line.
    comment: String,
}

/// What the role that connects may do with the databases of a component.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rights {
    /// It may create databases.
    pub creates: bool,
    /// It owns the database.
    pub owns: bool,
}

impl Rights {
    /// Whether it may rename the database.
    pub fn renames(self) -> bool {
        self.creates && self.owns
    }
}

/// The databases of a component, through a session beside them.
pub struct Databases {
    db: Db,
    /// The component's database.
    name: String,
}

impl Databases {
    /// Connects to the server of `admin`, whose role has to be one that may create databases and rename them.
    ///
    /// # Errors
    /// What connecting may meet.
    pub fn open(admin: &DbUrl, name: &str) -> Result<Databases> {
        Ok(Databases { db: maintenance(admin)?, name: name.to_owned() })
    }

    /// What this role may do.
    ///
    /// # Errors
    /// When the connection is lost.
    pub fn rights(&mut self) -> Result<Rights> {
        let sql = "select rolcreatedb or rolsuper, coalesce((select pg_has_role(datdba, 'usage') from pg_database \
            where datname = $1), false) from pg_roles where rolname = current_user";
        let row = self.db.client().ask_one(sql, &[&self.name]);
        let row = row.map_err(|error| sql_fail(&error, "asking what this role may do"))?;
        Ok(Rights { creates: row.get(0), owns: row.get(1) })
    }

    /// The one in use and those that are parked, by name.
    ///
    /// # Errors
    /// When the connection is lost.
    pub fn list(&mut self) -> Result<Vec<Named>> {
        list(&mut self.db, &self.name)
    }

    /// What a database takes on disk.
    ///
    /// # Errors
    /// When the connection is lost, or this role may not ask.
    pub fn bytes(&mut self, database: &str) -> Result<i64> {
        let row = self.db.client().ask_one("select pg_database_size($1::text::name)", &[&database]);
        Ok(row.map_err(|error| sql_fail(&error, "asking for the size of a database"))?.get(0))
    }

    /// A free name for a database of a branch that is to be parked.
    ///
    /// # Errors
    /// When the connection is lost.
    pub fn parking_name(&mut self, branch: &str) -> Result<String> {
        for number in 1..1000 {
            let free = name_for(&self.name, branch, number);
            let taken = self.db.client().ask_opt("select 1 from pg_database where datname = $1", &[&free]);
            if taken.map_err(|error| sql_fail(&error, "looking for a free name"))?.is_none() {
                return Ok(free);
            }
        }
        anyhow::bail!("no free name for the database of {branch}")
    }

    /// Parks the database in use as one of `leaving`, and puts `other` in its place as one of `coming`. A new one gets the
    /// owner and the rights of the one that it stands for. Gives the name under which it was parked.
    ///
    /// # Errors
    /// `active-connections`, `permission-denied`; nothing was changed then.
    pub fn swap(&mut self, leaving: &str, other: &str, coming: &str) -> Result<String> {
        let parked = self.parking_name(leaving)?;
        self.swap_as(&parked, leaving, other, coming)?;
        Ok(parked)
    }

    /// As [`Databases::swap`], under a name that was asked for before.
    ///
    /// # Errors
    /// As there.
    pub fn swap_as(&mut self, parked: &str, leaving: &str, other: &str, coming: &str) -> Result<()> {
        let all = self.list()?;
        let comment = |database: &str| all.iter().find(|it| it.database == database).map_or("", |it| &it.comment);
        let now = utc_stamp(std::time::SystemTime::now());
        let at_rest = json!({"branch": leaving, "parked": self.name, "at": now});
        let in_use = json!({"branch": coming});
        let (was, will) = (comment(&self.name), comment(other));
        let row = self.db.client().ask_one(LIKE, &[&self.name, &ident(&self.name)]);
        let like: Vec<String> = row.map_err(|error| sql_fail(&error, "looking at the database"))?.get(0);
        let mut sql = vec![
            format!("alter database {} rename to {}", ident(&self.name), ident(parked)),
            format!("comment on database {} is {}", ident(parked), literal(&with(was, &at_rest))),
            format!("alter database {} rename to {}", ident(other), ident(&self.name)),
            format!("comment on database {} is {}", ident(&self.name), literal(&with(will, &in_use))),
        ];
        if !all.iter().any(|it| it.database == other) {
            sql.extend(like);
        }
        in_one(&mut self.db, &[&self.name.clone(), other], &sql)
    }

    /// Puts a parked database back in its place; the one in use, which was made for nothing, goes.
    ///
    /// # Errors
    /// As [`Databases::swap`].
    pub fn swap_back_and_drop(&mut self, parked: &str, branch: &str) -> Result<()> {
        let gone = new_name();
        let all = self.list()?;
        let comment = all.iter().find(|it| it.database == parked).map_or("", |it| &it.comment);
        let sql = [
            format!("alter database {} rename to {}", ident(&self.name), ident(&gone)),
            format!("comment on database {} is null", ident(&gone)),
            format!("alter database {} rename to {}", ident(parked), ident(&self.name)),
            format!(
                "comment on database {} is {}",
                ident(&self.name),
                literal(&with(comment, &json!({"branch": branch})))
            ),
        ];
        in_one(&mut self.db, &[&self.name.clone(), parked], &sql)?;
        drop_database(&mut self.db, &gone)
    }

    /// Drops a parked database; never the one in use.
    ///
    /// # Errors
    /// `active-connections` where somebody is connected to it.
    pub fn drop_parked(&mut self, database: &str) -> Result<()> {
        anyhow::ensure!(database != self.name, "{database} is in use");
        let sql = format!("drop database {}", ident(database));
        self.db.client().batch_execute(&sql).map_err(|error| sql_fail(&error, "dropping a parked database").into())
    }

    /// Ends whatever is connected to the database in use.
    ///
    /// # Errors
    /// `permission-denied`.
    pub fn end_connections(&mut self) -> Result<()> {
        let sql = "select count(pg_terminate_backend(pid)) from pg_stat_activity where datname = $1 \
            and pid <> pg_backend_pid()";
        let done = self.db.client().ask_one(sql, &[&self.name]);
        done.map(drop).map_err(|error| sql_fail(&error, "ending the other sessions").into())
    }
}

/// The database of a component that is in use and those that are parked, by name; any session on the server will do.
///
/// # Errors
/// When the connection is lost.
pub fn list(db: &mut Db, name: &str) -> Result<Vec<Named>> {
    let sql = "select datname::text, coalesce(shobj_description(oid, 'pg_database'), '') from pg_database where datname = $1 or starts_with(datname::text, $2) order by datname <> $1, 1";
    let rows = db.client().ask(sql, &[&name, &format!("{}@", short(name))]);
    let rows = rows.map_err(|error| sql_fail(&error, "listing the databases"))?;
    Ok(rows.iter().filter_map(|row| named(name, row.get(0), row.get(1))).collect())
}

fn named(name: &str, database: String, comment: &str) -> Option<Named> {
    let (comment, facts) = split(comment);
    let active = database == name;
    let text = |key: &str| facts[key].as_str().map(str::to_owned);
    let is_ours = active || facts["parked"].as_str() == Some(name);
    let comment = comment.to_owned();
    is_ours.then(|| Named { branch: text("branch"), was: None, parked_at: text("at"), database, active, comment })
}

/// The database that was parked last for a branch.
pub fn newest<'a>(list: &'a [Named], branch: &str) -> Option<&'a Named> {
    let parked = list.iter().filter(|it| !it.active && it.branch.as_deref() == Some(branch));
    parked.max_by(|a, b| a.parked_at.cmp(&b.parked_at))
}

/// A database's comment without our line, and what that line says.
fn split(comment: &str) -> (&str, Value) {
    let Some(at) = comment.rfind(MARK) else { return (comment, Value::Null) };
    let facts = serde_json::from_str(&comment[at + MARK.len()..]).unwrap_or_default();
    (comment[..at].trim_end_matches('\n'), facts)
}

fn with(comment: &str, facts: &Value) -> String {
    let line = format!("{MARK}{facts}");
    if comment.is_empty() { line } else { format!("{comment}\n{line}") }
}

/// What is left of the component's name in the names of parked databases.
fn short(name: &str) -> &str {
    let mut end = name.len().min(LONGEST - 23);
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    &name[..end]
}

/// `backend@feature-x`, `backend@feature-x-2`.
fn name_for(name: &str, branch: &str, number: usize) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '-' };
    let tail = if number == 1 { String::new() } else { format!("-{number}") };
    let name = short(name);
    let room = LONGEST - name.len() - 1 - tail.len();
    let branch: String = branch.chars().map(plain).take(room).collect();
    format!("{name}@{branch}{tail}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_fit_and_say_the_branch() {
        assert_eq!(name_for("backend", "feature/x", 1), "backend@feature-x");
        assert_eq!(name_for("backend", "feature/x", 2), "backend@feature-x-2");
        let long = name_for(&"ü".repeat(40), &"b".repeat(80), 17);
        assert!(long.len() <= LONGEST && long.ends_with("-17"), "{long}");
        assert!(long.starts_with(&format!("{}@", short(&"ü".repeat(40)))));
    }

    #[test]
    fn a_comment_keeps_what_others_wrote() {
        let first = with("mine", &json!({"branch": "a"}));
        assert_eq!(split(&first), ("mine", json!({"branch": "a"})));
        let (comment, _) = split(&first);
        assert_eq!(split(&with(comment, &json!({"branch": "b"}))), ("mine", json!({"branch": "b"})));
        assert_eq!(split("theirs"), ("theirs", Value::Null));
        assert_eq!(split(&with("", &json!({"branch": "a"}))).0, "");
    }
}
