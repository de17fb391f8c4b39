//! Large objects: how many there are with a digest of what they hold, and those that an operation has taken away, made again
//! out of the statements of a backup.

use std::collections::{BTreeMap, BTreeSet};

use postgres::Transaction;

use super::ask::Ask;
use super::{Db, sql_fail};
use crate::model::values::{LEFT_OUT, message_without};

/// So much is read of one at a time.
const PIECE: i64 = 1 << 20;

/// How many there are, and a digest of all; none where this role may not read each of them.
pub(super) fn counted(transaction: &mut Transaction<'_>) -> Result<(u64, Option<String>), postgres::Error> {
    let sql = "select count(*), coalesce(bool_and(pg_has_role(lomowner, 'usage')), true) from pg_largeobject_metadata";
    let row = transaction.ask_one(sql, &[])?;
    let (count, may_read): (i64, bool) = (row.get(0), row.get(1));
    let count = count.unsigned_abs();
    if !may_read || count == 0 {
        return Ok((count, None));
    }
    // A digest for each piece, whatever their order.
    let sql = format!(
        "select coalesce(sum(('x' || substr(md5(concat_ws(':', o.oid, at, md5(lo_get(o.oid, at, {PIECE})))), 1, 15))::bit(60)::bigint), 0)::text \
         from (select oid, lo_lseek64(opened, 0, 2) as size \
               from (select oid, lo_open(oid, 262144) as opened from pg_largeobject_metadata offset 0) f offset 0) o \
         cross join lateral generate_series(0, greatest(o.size - 1, 0), {PIECE}) at"
    );
    Ok((count, Some(transaction.ask_one(&sql, &[])?.get(0))))
}

/// What makes the missing ones again.
#[derive(Default)]
pub(super) struct Missing {
    there: BTreeSet<u32>,
    made: BTreeSet<u32>,
    /// A statement whose end was not read yet.
    begun: String,
    /// The one that is being written, and how far.
    open: Option<(u32, u64)>,
    /// Those whose contents are in.
    written: BTreeSet<u32>,
    /// What is said about the others: a new owner may be one for whom this role cannot write any more.
    waiting: BTreeMap<u32, Vec<String>>,
    refused: Vec<String>,
}

impl Missing {
    pub(super) fn look(transaction: &mut Transaction<'_>) -> Result<Missing, postgres::Error> {
        let there = transaction.ask("select oid from pg_largeobject_metadata", &[])?;
        let there = there.iter().map(|row| row.get(0)).collect();
        Ok(Missing { there, ..Missing::default() })
    }

    /// Takes in a line of the backup, which may be one about anything.
    pub(super) fn line(&mut self, transaction: &mut Transaction<'_>, line: &str) -> Result<(), postgres::Error> {
        if self.begun.is_empty() {
            if !is_about_them(line) {
                return Ok(());
            }
        } else {
            self.begun.push('\n');
        }
        self.begun.push_str(line);
        if !is_whole(&self.begun) {
            return Ok(());
        }
        let statement = std::mem::take(&mut self.begun);
        self.statement(transaction, &statement)
    }

    fn statement(&mut self, transaction: &mut Transaction<'_>, statement: &str) -> Result<(), postgres::Error> {
        if let Some(number) = between(statement, "SELECT pg_catalog.lo_create('", "'") {
            if !self.there.contains(&number) && self.made.insert(number) {
                transaction.tell("select pg_catalog.lo_create($1::oid)", &[&number])?;
            }
        } else if let Some(number) = between(statement, "SELECT pg_catalog.lo_open('", "'") {
            self.open = self.made.contains(&number).then_some((number, 0));
        } else if let Some(piece) = piece(statement) {
            return self.write(transaction, piece);
        } else if statement.starts_with("SELECT pg_catalog.lo_close(") {
            let Some((number, _)) = self.open.take() else { return Ok(()) };
            self.written.insert(number);
            for statement in self.waiting.remove(&number).unwrap_or_default() {
                self.say(transaction, &statement)?;
            }
        } else if let Some(number) = about(statement).filter(|number| self.made.contains(number)) {
            if self.written.contains(&number) {
                return self.say(transaction, statement);
            }
            self.waiting.entry(number).or_default().push(statement.to_owned());
        }
        Ok(())
    }

    /// A statement about one that is made again; that it is refused is told.
    fn say(&mut self, transaction: &mut Transaction<'_>, statement: &str) -> Result<(), postgres::Error> {
        let mut inner = transaction.transaction()?;
        match inner.batch_execute(statement) {
            Ok(()) => inner.commit(),
            Err(error) => {
                inner.rollback()?;
                let Some(said) = error.as_db_error() else { return Err(error) };
                self.refused.push(message_without(said.code().code(), said.message(), LEFT_OUT));
                Ok(())
            }
        }
    }

    fn write(&mut self, transaction: &mut Transaction<'_>, piece: &str) -> Result<(), postgres::Error> {
        let Some((number, at)) = &mut self.open else { return Ok(()) };
        let place = i64::try_from(*at).unwrap_or(i64::MAX);
        transaction.tell(
            "select pg_catalog.lo_put($1::oid, $2::bigint, decode($3::text, 'hex'))",
            &[number, &place, &piece],
        )?;
        *at += piece.len() as u64 / 2;
        Ok(())
    }

    /// How many were made again, and what was refused about them.
    pub(super) fn told(self) -> (u64, Vec<String>) {
        let mut refused = self.refused;
        refused.extend(self.waiting.keys().map(|number| format!("the backup has no contents of {number}")));
        refused.dedup();
        (self.made.len() as u64, refused.into_iter().map(|why| format!("a large object: {why}")).collect())
    }
}

fn is_about_them(line: &str) -> bool {
    line.starts_with("SELECT pg_catalog.lo") || about(line).is_some()
}

/// A comment and a label may have several lines. No other statement has, and in those a quote may be part of a role's name.
fn is_whole(begun: &str) -> bool {
    let has_text = begun.starts_with("COMMENT ") || begun.starts_with("SECURITY LABEL ");
    !has_text || begun.ends_with(';') && begun.matches('\'').count().is_multiple_of(2)
}

/// The bytes that are written, in hexadecimal digits. A database in which a backslash escapes has two of them.
fn piece(statement: &str) -> Option<&str> {
    let text = statement.strip_prefix("SELECT pg_catalog.lowrite(0, '\\")?.strip_suffix("');")?;
    text.strip_prefix('\\').unwrap_or(text).strip_prefix('x')
}

/// The number in `ALTER LARGE OBJECT 16449 OWNER TO ann;`, `GRANT SELECT ON LARGE OBJECT 16449 TO ann;`, `COMMENT ON …`.
fn about(statement: &str) -> Option<u32> {
    let verbs = ["ALTER ", "GRANT ", "REVOKE ", "COMMENT ON ", "SECURITY LABEL "];
    verbs.iter().any(|verb| statement.starts_with(verb)).then_some(())?;
    let (before, rest) = statement.split_once("LARGE OBJECT ")?;
    // In a comment's words it may stand, too.
    (!before.contains('\'')).then_some(())?;
    rest.split(' ').next()?.parse().ok()
}

fn between(text: &str, begin: &str, end: &str) -> Option<u32> {
    text.strip_prefix(begin)?.split_once(end)?.0.parse().ok()
}

impl Db {
    /// All that this role may read, as the statements with which a backup's file makes them.
    ///
    /// # Errors
    /// When the connection is lost; what `visit` says.
    pub fn large_objects(&mut self, visit: &mut dyn FnMut(&str) -> anyhow::Result<()>) -> anyhow::Result<()> {
        let doing = "reading the large objects of a backup";
        let refused = |error: postgres::Error| sql_fail(&error, doing);
        let mut transaction = self.client().transaction().map_err(refused)?;
        let sql = "select oid, quote_ident(pg_get_userbyid(lomowner)), array(select format('GRANT %s ON LARGE OBJECT %s TO %s%s', \
              privilege_type, oid, case grantee when 0 then 'PUBLIC' else quote_ident(pg_get_userbyid(grantee)) end, \
              case when is_grantable then ' WITH GRANT OPTION' else '' end) from aclexplode(lomacl)), \
            lo_lseek64(lo_open(oid, 262144), 0, 2) from pg_largeobject_metadata \
            where pg_has_role(lomowner, 'usage') order by oid";
        for row in transaction.ask(sql, &[]).map_err(refused)? {
            let (number, owner, grants, size): (u32, String, Vec<String>, i64) =
                (row.get(0), row.get(1), row.get(2), row.get(3));
            visit(&format!("SELECT pg_catalog.lo_create('{number}');"))?;
            visit(&format!("ALTER LARGE OBJECT {number} OWNER TO {owner};"))?;
            grants.iter().try_for_each(|grant| visit(&format!("{grant};")))?;
            visit(&format!("SELECT pg_catalog.lo_open('{number}', 131072);"))?;
            let mut at = 0;
            while at < size {
                let sql = format!("select encode(lo_get($1::oid, $2::bigint, {PIECE}), 'hex')");
                let piece: String = transaction.ask_one(&sql, &[&number, &at]).map_err(refused)?.get(0);
                visit(&format!("SELECT pg_catalog.lowrite(0, '\\x{piece}');"))?;
                at += PIECE;
            }
            visit("SELECT pg_catalog.lo_close(0);")?;
        }
        Ok(transaction.rollback().map_err(refused)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_about_a_large_object() {
        assert_eq!(about("ALTER LARGE OBJECT 16449 OWNER TO ann;"), Some(16449));
        assert_eq!(about("GRANT SELECT ON LARGE OBJECT 7 TO ann;"), Some(7));
        assert_eq!(about("COMMENT ON LARGE OBJECT 7 IS 'x"), Some(7));
        for other in ["COMMENT ON TABLE t IS 'LARGE OBJECT 7 ';", "DROP TABLE t; -- LARGE OBJECT 7 ", "LARGE OBJECT 7"]
        {
            assert_eq!(about(other), None, "{other}");
        }
        assert!(
            is_about_them("SELECT pg_catalog.lo_open('1', 131072);")
                && !is_about_them("SELECT pg_catalog.setval('s', 1);")
        );
        assert!(
            ["ALTER LARGE OBJECT 7 OWNER TO \"o'brien\";", "COMMENT ON LARGE OBJECT 7 IS 'it''s';"]
                .iter()
                .all(|it| is_whole(it))
        );
        assert!(
            !is_whole("COMMENT ON LARGE OBJECT 7 IS 'one;") && is_whole("COMMENT ON LARGE OBJECT 7 IS 'one;\ntwo';")
        );
        assert!(!is_whole("SECURITY LABEL FOR p ON LARGE OBJECT 7 IS 'one"));
        for (written, bytes) in
            [("\\x6162", Some("6162")), ("\\\\x6162", Some("6162")), ("\\x", Some("")), ("6162", None)]
        {
            assert_eq!(piece(&format!("SELECT pg_catalog.lowrite(0, '{written}');")), bytes, "{written}");
        }
        assert_eq!(between("SELECT pg_catalog.lo_create('12');", "SELECT pg_catalog.lo_create('", "'"), Some(12));
    }
}
