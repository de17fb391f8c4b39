//! What a walk would take away of what is in the database now: each table and column that the scripts drop, with the
//! rows and values in it, and what they delete. Read off the scripts; what only shows when they run is named as that.

use std::collections::BTreeMap;

use anyhow::Result;
use serde_json::{Value, json};

use crate::ctx::Ctx;
use crate::fail::{Fail, Kind};
use crate::model::action::{Own, own};
use crate::model::graph::Graph;
use crate::model::rows::counted;
use crate::model::script_body::{self, Dropped, Fate, Function, Heavy, dropped, heavy};
use crate::model::sql::{self, leading_words};
use crate::model::target::Direction;
use crate::sys::files::read_script;
use crate::sys::pg::{Count, Counted, Db, MOST_COUNTED};
use crate::sys::saved::{number, text};

/// One thing that goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AtStake {
    /// The revision that takes it away.
    pub revision: String,
    /// The script, relative to the project.
    pub path: String,
    pub line: usize,
    /// `table users`, `column users.email`, `rows of users`, `values of users.email` (they are overwritten), or what could
    /// not be read.
    pub what: String,
    /// How many rows, or values that are not null, are in it now; `None` where that cannot be told.
    pub rows: Option<u64>,
    /// Whether rows or values may go with it at all.
    pub may_hold_rows: bool,
}

/// As many rows make a table large.
const LARGE: u64 = 100_000;

/// Work on a whole large table under a lock.
#[derive(Clone, Debug)]
pub struct LargeWork {
    /// The revision that does it.
    pub revision: String,
    work: Heavy,
    rows: u64,
}

/// What the revisions do to tables that are large now.
///
/// # Errors
/// When a script cannot be read or the connection is lost.
pub fn on_large_tables(
    ctx: &Ctx,
    graph: &Graph,
    db: &mut Db,
    direction: Direction,
    ids: &[String],
) -> Result<Vec<LargeWork>> {
    let mut found = Vec::new();
    for id in ids {
        let Some((_, function)) = function(ctx, graph, id, direction)? else { continue };
        for work in heavy(&function) {
            if let Some(rows) = db.about_rows(&work.table)?.filter(|rows| *rows > LARGE) {
                found.push(LargeWork { revision: id.clone(), work, rows });
            }
        }
    }
    Ok(found)
}

impl LargeWork {
    /// `users has about 200000 rows: index ix_users is built; … (b2, line 12)`.
    pub fn line(&self) -> String {
        let Heavy { table, what, line } = &self.work;
        format!("{table} has about {} rows: {what} ({}, line {line})", self.rows, self.revision)
    }

    /// For JSON.
    pub fn json(&self) -> Value {
        let Heavy { table, what, line } = &self.work;
        json!({"revision": self.revision, "table": table, "rows": self.rows, "what": what, "line": line})
    }
}

/// What a revision does on its way, and its script's path.
fn function(ctx: &Ctx, graph: &Graph, id: &str, direction: Direction) -> Result<Option<(String, Function)>> {
    let Some(script) = graph.get(id) else { return Ok(None) };
    let text = read_script(&ctx.project()?.root.join(&script.path))?;
    // A syntax error is Alembic's to report when it comes to it; here it only means that nothing can be said.
    let body = script_body::read(&script.path, &text).unwrap_or_default();
    let function = match direction {
        Direction::Up => body.upgrade,
        Direction::Down => body.downgrade,
    };
    Ok(function.map(|function| (script.path.display().to_string(), function)))
}

/// Which revision changes what the whole server shares, and so cannot be tried on a copy: `s says CREATE ROLE`.
///
/// # Errors
/// When a script cannot be read.
pub fn server_wide(ctx: &Ctx, graph: &Graph, direction: Direction, ids: &[String]) -> Result<Option<String>> {
    for id in ids {
        let Some((_, function)) = function(ctx, graph, id, direction)? else { continue };
        let texts = function.calls.iter().filter_map(|call| call.sql.as_ref());
        if let Some(what) = texts.filter_map(|text| sql::server_wide_in(&text.text)).next() {
            return Ok(Some(format!("{id} says {what}")));
        }
    }
    Ok(None)
}

/// Looks through the revisions in the order of the way; `ids` leave out what never ran.
///
/// # Errors
/// When a script cannot be read or the connection is lost.
pub fn find(ctx: &Ctx, graph: &Graph, db: &mut Db, direction: Direction, ids: &[String]) -> Result<Vec<AtStake>> {
    let mut looking = Looking { db, names: Renamed::default(), found: Vec::new() };
    for id in ids {
        let Some((path, function)) = function(ctx, graph, id, direction)? else { continue };
        for dropped in taken_away(&function) {
            // On the way up that is what a type change is for.
            if dropped.fate != Fate::Converted || direction == Direction::Down {
                looking.at(id, &path, dropped)?;
            }
        }
    }
    Ok(looking.found)
}

/// What was found up to a place of the way.
struct Looking<'d> {
    db: &'d mut Db,
    names: Renamed,
    found: Vec<AtStake>,
}

impl Looking<'_> {
    fn at(&mut self, id: &str, path: &str, dropped: Dropped) -> Result<()> {
        let Dropped { what, line, fate } = dropped;
        if let Fate::Renamed(to) = fate {
            self.names.rename(&what, &to);
            return Ok(());
        }
        let what = self.names.as_it_is_now(&what);
        let depends = match fate {
            Fate::Cascades => self.db.rows_that_go_with(&what)?,
            _ => self.db.tables_of_extension(&what)?,
        };
        for what in std::iter::once(what).chain(depends) {
            self.add(AtStake {
                revision: id.to_owned(),
                path: path.to_owned(),
                line,
                what,
                rows: None,
                may_hold_rows: false,
            })?;
        }
        Ok(())
    }

    fn add(&mut self, mut it: AtStake) -> Result<()> {
        let is_known = self.found.iter().any(|known| known.what == it.what);
        if !is_known {
            let counted = count(&it.what);
            let found = counted.as_ref().map_or(Ok(None), |counted| self.db.count(counted))?;
            it.rows = found.and_then(Count::rows);
            // A table that is not there, or a column of one that goes further up, takes nothing with it.
            it.may_hold_rows = match counted {
                Some(_) => found.is_some(),
                None => it.what.starts_with(UNREAD) || is_of_a_name_that_is_not_known(&it.what),
            };
        }
        self.found.push(it);
        Ok(())
    }
}

/// What things are called in the database now that the way has renamed by then.
#[derive(Default)]
struct Renamed(BTreeMap<String, String>);

impl Renamed {
    fn rename(&mut self, what: &str, to: &str) {
        let now = self.as_it_is_now(what);
        let then = match what.strip_prefix("column ").and_then(|column| column.rsplit_once('.')) {
            Some((table, _)) => format!("column {table}.{to}"),
            None => format!("table {to}"),
        };
        // By its name alone, too: the search path may lead there.
        if let (false, Some((_, bare))) = (what.starts_with("column "), to.rsplit_once('.')) {
            self.0.insert(format!("table {bare}").to_lowercase(), now.clone());
        }
        self.0.insert(then.to_lowercase(), now);
    }

    /// A table by its name, a column by its own or its table's.
    fn as_it_is_now(&self, what: &str) -> String {
        let Some((kind, name)) = KINDS.iter().find_map(|kind| Some((*kind, what.strip_prefix(kind)?))) else {
            return what.to_owned();
        };
        if let Some(now) =
            self.0.get(&format!("column {name}").to_lowercase()).and_then(|now| now.strip_prefix("column "))
        {
            return format!("{kind}{now}");
        }
        let table =
            |name: &str| self.0.get(&format!("table {name}").to_lowercase())?.strip_prefix("table ").map(str::to_owned);
        match (table(name), name.rsplit_once('.')) {
            (Some(now), _) => format!("{kind}{now}"),
            (None, Some((_, bare))) if matches!(kind, "table " | "rows of ") => {
                table(bare).map_or_else(|| what.to_owned(), |now| format!("{kind}{now}"))
            }
            (None, Some((of, column))) => {
                table(of).map_or_else(|| what.to_owned(), |now| format!("{kind}{now}.{column}"))
            }
            (None, None) => what.to_owned(),
        }
    }
}

/// Asks before something is taken back that rows go with. `kept` says where they are then, `again` is the command.
///
/// # Errors
/// `rows-at-stake` where nobody agrees: no terminal and no `--yes`, or another answer.
pub fn agree_to_take_back(ctx: &Ctx, at_stake: &[AtStake], kept: &str, again: Own) -> Result<()> {
    let lost: Vec<String> = at_stake.iter().filter(|it| it.is_loss()).map(AtStake::line).collect();
    let lost = lost.join("\n");
    if lost.is_empty() || ctx.common.yes || ctx.ui.confirm(&format!("{lost}\n{kept} Go on?")) == Some(true) {
        return Ok(());
    }
    let fail = Fail::new(Kind::RowsAtStake, "Rows go with what would be taken back").details(lost);
    let fail = fail.run("If they may go (a backup is taken first)", again.clone().word("--yes"));
    Err(fail.run("See all of it first", again.word("--dry-run")).related(own("db-status")).refused().into())
}

const VALUES: &str = "values of ";
/// How what is about a table or column begins.
const KINDS: [&str; 4] = ["table ", "column ", "rows of ", VALUES];
const UNREAD: &str = "SQL that only shows when it runs";

fn taken_away(function: &Function) -> Vec<Dropped> {
    let mut found = dropped(function);
    for call in &function.calls {
        let executes = call.call.last() == "execute" || call.call.last() == "exec_driver_sql";
        // What `table.delete()` and its like take away is read from the call.
        let is_read = match &call.sql {
            Some(text) => !hides_something(&text.text),
            None => found.iter().any(|known| known.line == call.line),
        };
        if executes && !is_read && call.operation.as_ref().is_none_or(|it| it.name == "execute") {
            found.push(Dropped { what: UNREAD.to_owned(), line: call.line, fate: Fate::Goes });
        }
    }
    found.sort_by_key(|dropped| dropped.line);
    found
}

/// Whether it runs a program of the server's that may take something away: a `DO` block that says so, a procedure.
fn hides_something(sql: &str) -> bool {
    let takes = ["drop", "delete", "truncate", "update", "execute", "call", "perform"];
    let lower = sql.to_lowercase();
    let mut words = lower.split(|c: char| !c.is_alphanumeric() && c != '_');
    let first = leading_words(sql);
    let is_program =
        |names: &[&str]| first.iter().any(|words| words.first().is_some_and(|it| names.contains(&it.as_str())));
    is_program(&["call", "execute"]) || is_program(&["do"]) && words.any(|word| takes.contains(&word))
}

/// What is to be counted for `table users`, `column users.email`, `rows of users`.
fn count(what: &str) -> Option<Counted> {
    let (kind, name) = KINDS.iter().find_map(|kind| Some((*kind, what.strip_prefix(kind)?)))?;
    // A schema that is only known when the script runs: it is looked for in all.
    let name = name.strip_prefix('{').and_then(|rest| rest.split_once("}.")).map_or(name, |(_, rest)| rest);
    if !is_plain(name) {
        return None;
    }
    if matches!(kind, "table " | "rows of ") {
        return Some(Counted { table: name.to_owned(), column: None });
    }
    match name.rsplit_once('.') {
        Some((table, column)) => Some(Counted { table: table.to_owned(), column: Some(column.to_owned()) }),
        None => Some(Counted { table: name.to_owned(), column: None }),
    }
}

fn is_plain(name: &str) -> bool {
    !name.contains(['{', '}', '…'])
}

/// `table {name}`: any table may be meant.
fn is_of_a_name_that_is_not_known(what: &str) -> bool {
    KINDS.iter().any(|kind| what.starts_with(kind)) && !is_plain(what)
}

impl AtStake {
    /// Whether something goes that cannot be made again, as far as it shows.
    pub fn is_loss(&self) -> bool {
        self.changes_rows() && !self.what.starts_with(VALUES)
    }

    /// Whether a rebase brings it back: what goes with a table or column that is made again. Rows that a script deletes are not.
    pub fn comes_back(&self) -> bool {
        self.what.starts_with("table ") || self.what.starts_with("column ")
    }

    /// The same, or values are written over.
    pub fn changes_rows(&self) -> bool {
        self.may_hold_rows && self.rows.is_none_or(|rows| rows > 0)
    }

    /// The table that rows or values go with, without its schema; `None` where the text does not tell.
    pub fn table(&self) -> Option<String> {
        let counted = count(&self.what)?;
        Some(counted.table.rsplit('.').next()?.trim_matches('"').to_owned())
    }

    /// `500 rows of mine go (m1, migrations/versions/m1.py:12)`.
    pub fn line(&self) -> String {
        let place = format!("({}, {}:{})", self.revision, self.path, self.line);
        if let Some(of) = self.what.strip_prefix(VALUES) {
            return match self.rows {
                Some(rows) => format!("values of {of} are overwritten ({rows} at most) {place}", rows = told(rows)),
                None => format!("values of {of} are overwritten {place}"),
            };
        }
        let what = match (self.rows, self.what.strip_prefix("column "), &self.what) {
            (Some(rows), Some(column), _) => format!("{} of {column} {}", plural(rows, "value"), go(rows)),
            (Some(rows), None, what) => {
                let table = what.trim_start_matches("table ").trim_start_matches("rows of ");
                format!("{} of {table} {}", plural(rows, "row"), go(rows))
            }
            (None, _, what) if what.starts_with("rows of ") => format!("{what} go"),
            (None, _, what) => format!("{what} goes"),
        };
        match &self.what {
            unread if unread == UNREAD => format!("{UNREAD}: what it takes away is not known {place}"),
            hole if is_of_a_name_that_is_not_known(hole) => format!("{what}, whichever that is when it runs {place}"),
            _ if self.rows.is_none() && self.may_hold_rows => format!("{what}: a policy hides how many {place}"),
            _ => format!("{what} {place}"),
        }
    }

    /// `drops table users (line 12): 500 rows`, below the revision in a plan.
    pub fn in_plan(&self) -> String {
        let line = self.line;
        if self.what == UNREAD {
            return format!("{UNREAD} (line {line}): what it takes away is not known");
        }
        let verb = match () {
            () if self.what.starts_with("rows of ") => "deletes",
            () if self.what.starts_with(VALUES) => "overwrites",
            () => "drops",
        };
        let unit = if self.what.starts_with("column ") { "value" } else { "row" };
        let held = match self.rows {
            Some(rows) if verb == "overwrites" => format!(": {} at most", told(rows)),
            Some(rows) if self.may_hold_rows => format!(": {}", plural(rows, unit)),
            None if is_of_a_name_that_is_not_known(&self.what) => ": which one only shows when it runs".to_owned(),
            None if self.may_hold_rows => ": a policy hides how many".to_owned(),
            _ => String::new(),
        };
        format!("{verb} {} (line {line}){held}", self.what)
    }

    /// For JSON.
    pub fn json(&self) -> Value {
        json!({"revision": self.revision, "path": self.path, "line": self.line, "what": self.what, "rows": self.rows})
    }

    /// For a journal.
    pub fn note(&self) -> Value {
        let mut note = self.json();
        note["may_hold_rows"] = json!(self.may_hold_rows);
        note
    }

    /// From a journal.
    ///
    /// # Errors
    /// When it is not understood.
    pub fn from_note(note: &Value) -> Result<AtStake> {
        Ok(AtStake {
            revision: text(&note["revision"])?,
            path: text(&note["path"])?,
            line: usize::try_from(number(&note["line"])?)?,
            what: text(&note["what"])?,
            rows: note["rows"].as_u64(),
            may_hold_rows: note["may_hold_rows"].as_bool().unwrap_or(true),
        })
    }
}

fn plural(count: u64, one: &str) -> String {
    if count > MOST_COUNTED { format!("{} {one}s", told(count)) } else { counted(count, one) }
}

fn go(count: u64) -> &'static str {
    if count == 1 { "goes" } else { "go" }
}

fn told(count: u64) -> String {
    if count > MOST_COUNTED { format!("more than {MOST_COUNTED}") } else { count.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_call_deletes_is_told_once() {
        let text = "import sqlalchemy as sa\nfrom alembic import op\nusers = sa.table('users')\n\
            def downgrade():\n    op.execute(users.delete().where(users.c.id == 1))\n    op.execute(text())\n";
        let body = script_body::read("x.py".as_ref(), text).unwrap();
        let found = taken_away(&body.downgrade.unwrap());
        let shown: Vec<(&str, usize)> = found.iter().map(|it| (it.what.as_str(), it.line)).collect();
        assert_eq!(shown, [("rows of users", 5), (UNREAD, 6)]);
        let text = text.replace("users.delete().where(users.c.id == 1)", "users.update().values(id=1)");
        let body = script_body::read("x.py".as_ref(), &text).unwrap();
        assert_eq!(taken_away(&body.downgrade.unwrap())[0].what, "values of users");
    }

    #[test]
    fn names_on_the_way_are_those_of_now() {
        let mut names = Renamed::default();
        names.rename("table accounts", "users");
        names.rename("column users.mail", "email");
        names.rename("table Users", "app.users");
        for (then, now) in [
            ("table users", "table accounts"),
            ("table app.users", "table accounts"),
            ("column users.email", "column accounts.mail"),
            ("values of users.name", "values of accounts.name"),
            ("rows of other", "rows of other"),
            ("type users", "type users"),
        ] {
            assert_eq!(names.as_it_is_now(then), now);
        }
    }

    #[test]
    fn programs_of_the_server_hide_something() {
        assert!(hides_something("DO $$ BEGIN DELETE FROM a; END $$") && hides_something("select 1; CALL f()"));
        assert!(
            !hides_something("do $$ begin create type a as enum ('x'); end $$") && !hides_something("drop table a")
        );
    }
}
