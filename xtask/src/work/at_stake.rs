//! What a walk would take away of what is in the database now: each table and column that the scripts drop, with the
//! rows and values in it, and what they delete. Read off the scripts; what only shows when they run is named as that.

use anyhow::Result;
use serde_json::{Value, json};

use crate::ctx::Ctx;
use crate::fail::{Fail, Kind};
use crate::model::action::{Own, own};
use crate::model::graph::Graph;
use crate::model::script_body::{self, Function, Heavy, dropped, heavy};
use crate::model::target::Direction;
use crate::sys::files::read_script;
use crate::sys::pg::{Counted, Db, MOST_COUNTED};
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

/// Looks through the revisions in the order of the way; `ids` leave out what never ran.
///
/// # Errors
/// When a script cannot be read or the connection is lost.
pub fn find(ctx: &Ctx, graph: &Graph, db: &mut Db, direction: Direction, ids: &[String]) -> Result<Vec<AtStake>> {
    let mut found: Vec<AtStake> = Vec::new();
    for id in ids {
        let Some((path, function)) = function(ctx, graph, id, direction)? else { continue };
        for (what, line) in taken_away(&function) {
            let is_known = found.iter().any(|known| known.what == what);
            let counted = count(&what);
            let rows = match &counted {
                Some(counted) if !is_known => db.count(counted)?,
                _ => None,
            };
            let may_hold_rows = !is_known && (counted.is_some() || what.starts_with(UNREAD));
            // A table that is not there, or a column of one that goes further up, takes nothing with it.
            let is_there = counted.is_none() || rows.is_some();
            let (revision, path, may_hold_rows) = (id.clone(), path.clone(), may_hold_rows && is_there);
            found.push(AtStake { revision, path, line, what, rows, may_hold_rows });
        }
    }
    Ok(found)
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
const UNREAD: &str = "SQL that only shows when it runs";

fn taken_away(function: &Function) -> Vec<(String, usize)> {
    let mut found: Vec<(String, usize)> = dropped(function).into_iter().map(|it| (it.what, it.line)).collect();
    for call in &function.calls {
        let executes = call.call.last() == "execute" || call.call.last() == "exec_driver_sql";
        // What `table.delete()` and its like take away is read from the call.
        let is_read = call.sql.is_some() || found.iter().any(|(_, line)| *line == call.line);
        if executes && !is_read && call.operation.as_ref().is_none_or(|it| it.name == "execute") {
            found.push((UNREAD.to_owned(), call.line));
        }
    }
    found.sort_by_key(|(_, line)| *line);
    found
}

/// What is to be counted for `table users`, `column users.email`, `rows of users`.
fn count(what: &str) -> Option<Counted> {
    let is_plain = |name: &str| !name.contains(['{', '}']);
    if let Some(table) = what.strip_prefix("table ").or_else(|| what.strip_prefix("rows of ")) {
        return is_plain(table).then(|| Counted { table: table.to_owned(), column: None });
    }
    let named = what.strip_prefix("column ").or_else(|| what.strip_prefix(VALUES)).filter(|name| is_plain(name))?;
    match named.rsplit_once('.') {
        Some((table, column)) => Some(Counted { table: table.to_owned(), column: Some(column.to_owned()) }),
        None => Some(Counted { table: named.to_owned(), column: None }),
    }
}

impl AtStake {
    /// Whether something goes that cannot be made again, as far as it shows.
    pub fn is_loss(&self) -> bool {
        self.changes_rows() && !self.what.starts_with(VALUES)
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
            (Some(rows), Some(column), _) => format!("{} of {column} go", plural(rows, "value")),
            (Some(rows), None, what) => {
                let table = what.trim_start_matches("table ").trim_start_matches("rows of ");
                format!("{} of {table} go", plural(rows, "row"))
            }
            (None, _, what) if what.starts_with("rows of ") => format!("{what} go"),
            (None, _, what) => format!("{what} goes"),
        };
        let unread = self.what == UNREAD;
        if unread { format!("{UNREAD}: what it takes away is not known {place}") } else { format!("{what} {place}") }
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
    if count == 1 { format!("1 {one}") } else { format!("{} {one}s", told(count)) }
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
        assert_eq!(found, [("rows of users".to_owned(), 5), (UNREAD.to_owned(), 6)]);
        let text = text.replace("users.delete().where(users.c.id == 1)", "users.update().values(id=1)");
        let body = script_body::read("x.py".as_ref(), &text).unwrap();
        assert_eq!(taken_away(&body.downgrade.unwrap())[0], ("values of users".to_owned(), 5));
    }
}
