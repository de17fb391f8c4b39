//! What leads out of a database is closed in a copy of it: foreign servers and dblink go on leading to where the original's
//! lead, with its passwords. It is done to members of extensions alone, which no schema comparison and no dump looks at:
//! both sides of every comparison are the same. Event triggers go on firing; they lead nowhere either.

use anyhow::Result;

use super::ask::Ask;
use super::{Db, sql_fail, surroundings};
use crate::model::url::DbUrl;

/// How what is closed says so.
const DBLINK: &str = "dblink is closed in a throwaway database";
const WRAPPER: (&str, &str) = ("foreign-data wrapper", "has no handler");

/// A foreign table cannot be used without the handler of its wrapper; made, altered and dropped it can be.
const DOORS: &str = "
select format('alter foreign data wrapper %I no handler', w.fdwname), 'foreign servers'
  from pg_foreign_data_wrapper w
  join pg_depend d on d.classid = 'pg_foreign_data_wrapper'::regclass and d.objid = w.oid and d.deptype = 'e'
 where w.fdwhandler <> 0 and exists (select from pg_foreign_server where srvfdw = w.oid)
union all
select format('create or replace function %I.%I(%s) returns %s language plpgsql as %L', n.nspname, p.proname,
              pg_get_function_arguments(p.oid), pg_get_function_result(p.oid),
              format('begin raise exception using message = %L; end', $1::text)), 'dblink'
  from pg_extension e
  join pg_depend d on d.refclassid = 'pg_extension'::regclass and d.refobjid = e.oid and d.classid = 'pg_proc'::regclass
                  and d.deptype = 'e'
  join pg_proc p on p.oid = d.objid
  join pg_namespace n on n.oid = p.pronamespace
 where e.extname = 'dblink' and p.proname in ('dblink', 'dblink_exec', 'dblink_connect', 'dblink_connect_u')";

/// Closes what leads out of a copy. What only a superuser may close, and stays open, in words.
///
/// # Errors
/// What connecting may meet.
pub(super) fn close(copy: &DbUrl) -> Result<Option<String>> {
    let mut db = Db::connect(copy, &surroundings::application_name("scratch"))?;
    let doors = db.client().ask(DOORS, &[&DBLINK]).map_err(|error| sql_fail(&error, "looking at the copy"))?;
    let mut open: Vec<&str> = Vec::new();
    for door in &doors {
        if db.run(door.get(0))?.is_err() {
            open.push(door.get(1));
        }
    }
    open.dedup();
    Ok((!open.is_empty()).then(|| {
        format!("{} of the clone lead where they led, since only a superuser may close them", open.join(" and "))
    }))
}

/// Whether a statement failed for what is closed here.
pub fn is_closed(message: &str) -> bool {
    message == DBLINK || message.starts_with(WRAPPER.0) && message.ends_with(WRAPPER.1)
}
