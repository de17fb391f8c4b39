//! Puts one database in the place of another: both get their new names in one transaction, so that there is always a
//! database of that name, and nothing has to be remembered. The old database gets a comment that says what it was.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use anyhow::Result;
use postgres::error::SqlState;

use super::ask::Ask;
use super::sweep::{drop_database, maintenance};
use super::{Db, ident, literal, sql_fail};
use crate::fail::{Fail, Kind};
use crate::model::action::{own, program};
use crate::model::url::DbUrl;
use crate::sys::clock::utc_stamp;
use crate::sys::interrupt;
use crate::sys::journal::crash_point;

/// How the comment on a database begins that was put aside.
const MARK: &str = "xtask: put aside by db-restore; it was ";
/// How long sessions that are just closing are waited for.
const LEAVING: Duration = Duration::from_secs(3);

/// What a new database has to get of the old one that no dump holds: its owner, who may use it, the settings of roles in it,
/// its limit of connections.
pub(super) const LIKE: &str = "select array( \
    select format('alter database %s owner to %I', $2::text, pg_get_userbyid(datdba)) from pg_database where datname = $1 and \
        datdba <> (select oid from pg_roles where rolname = current_user) \
    union all select format('alter database %s connection limit %s', $2::text, datconnlimit) from pg_database where datname = $1 \
    union all select format('revoke all on database %s from public', $2::text) from pg_database where datname = $1 \
    union all select format('grant %s on database %s to %s%s', a.privilege_type, $2::text, \
        case a.grantee when 0 then 'public' else quote_ident(pg_get_userbyid(a.grantee)) end, \
        case when a.is_grantable then ' with grant option' else '' end) \
      from pg_database d, aclexplode(coalesce(d.datacl, acldefault('d', d.datdba))) a \
      where d.datname = $1 and a.grantee <> d.datdba \
    union all select format('alter role %I in database %s set %s to %L', pg_get_userbyid(s.setrole), $2::text, \
        split_part(c, '=', 1), substr(c, strpos(c, '=') + 1)) \
      from pg_db_role_setting s join pg_database d on d.oid = s.setdatabase, unnest(s.setconfig) c \
      where d.datname = $1 and s.setrole <> 0)";

/// Gives the database `new` the name of the one that `url` leads to, which is kept under another name; that name is given.
///
/// # Errors
/// `active-connections` where somebody is connected to either; `permission-denied`. Nothing was changed then.
pub fn swap_in(url: &DbUrl, new: &str) -> Result<String> {
    let name = url.target().database.clone();
    let mut db = maintenance(url)?;
    let doing = "looking at the database that is to be replaced";
    let aside = free_name(&mut db, &name)?;
    let row = db.client().ask_one(LIKE, &[&name, &ident(&name)]).map_err(|error| sql_fail(&error, doing))?;
    let like: Vec<String> = row.get(0);
    let comment =
        "select coalesce((select shobj_description(oid, 'pg_database') from pg_database where datname = $1), '')";
    let comment: String = db.client().ask_one(comment, &[&name]).map_err(|error| sql_fail(&error, doing))?.get(0);
    let words = if comment.is_empty() { "null".to_owned() } else { literal(&comment) };
    let mut sql = vec![
        format!("alter database {} rename to {}", ident(&name), ident(&aside)),
        format!("comment on database {} is {}", ident(&aside), literal(&format!("{MARK}{name}"))),
        format!("alter database {} rename to {}", ident(new), ident(&name)),
        format!("comment on database {} is {words}", ident(&name)),
    ];
    sql.extend(like);
    in_one(&mut db, &[&name, new], &sql)?;
    crash_point();
    Ok(aside)
}

/// A database that was put aside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PutAside {
    /// Its name: `app@20261127T103000Z`.
    pub name: String,
    /// What it was called.
    pub was: String,
    /// What it takes on the server's disk; `None` where we may not ask.
    pub bytes: Option<u64>,
}

impl PutAside {
    /// Since when, by its name.
    pub fn since(&self) -> &str {
        self.name.rsplit('@').next().and_then(|stamp| stamp.get(..16)).unwrap_or_default()
    }
}

/// The databases that were put aside of the one that `url` leads to, the last one first.
///
/// # Errors
/// What connecting may meet.
pub fn kept(url: &DbUrl) -> Result<Vec<PutAside>> {
    with_comment(url, &format!("{MARK}{}", url.target().database))
}

fn with_comment(url: &DbUrl, comment: &str) -> Result<Vec<PutAside>> {
    let was = url.target().database.clone();
    let mut db = maintenance(url)?;
    let sql = "select datname::text, case when has_database_privilege(oid, 'connect') then pg_database_size(oid) end \
        from pg_database where shobj_description(oid, 'pg_database') = $1 order by datname desc";
    let rows = db.client().ask(sql, &[&comment]);
    let rows = rows.map_err(|error| sql_fail(&error, "looking for databases that were put aside"))?;
    let one = |row: &postgres::Row| PutAside {
        name: row.get(0),
        was: was.clone(),
        bytes: row.get::<_, Option<i64>>(1).and_then(|bytes| u64::try_from(bytes).ok()),
    };
    Ok(rows.iter().map(one).collect())
}

/// Puts a database back that was put aside, the last one unless one is named; gives its name of until now, and the one
/// under which what was there is kept.
///
/// # Errors
/// `backup-missing` where there is none; else as [`swap_in`].
pub fn swap_back(url: &DbUrl, named: Option<&str>) -> Result<(String, String)> {
    let name = url.target().database.clone();
    let found = kept(url)?.into_iter().map(|it| it.name).find(|it| named.is_none_or(|named| named == it));
    let mut db = maintenance(url)?;
    let Some(found) = found else {
        return Err(Fail::new(Kind::BackupMissing, "There is no database that could be put back")
            .details(format!("No database on the server says that it was {name}"))
            .run("See which databases there are", program(["psql", "-l"]))
            .related(own("db-backup").word("--list"))
            .refused()
            .into());
    };
    let aside = free_name(&mut db, &name)?;
    let sql = [
        format!("alter database {} rename to {}", ident(&name), ident(&aside)),
        format!("comment on database {} is {}", ident(&aside), literal(&format!("{MARK}{name}"))),
        format!("alter database {} rename to {}", ident(&found), ident(&name)),
        format!("comment on database {} is null", ident(&name)),
    ];
    in_one(&mut db, &[&name, &found], &sql)?;
    crash_point();
    Ok((found, aside))
}

/// Drops a database that was copied as a backup, where it still says that it is one.
///
/// # Errors
/// What connecting may meet; `permission-denied`.
pub fn drop_copy(url: &DbUrl, copy: &str) -> Result<()> {
    let mut db = maintenance(url)?;
    let sql = "select 1 from pg_database where datname = $1 and starts_with(shobj_description(oid, 'pg_database'), $2)";
    let is_ours = db.client().ask_opt(sql, &[&copy, &COPY]);
    match is_ours.map_err(|error| sql_fail(&error, "looking for a copy"))? {
        Some(_) => drop_database(&mut db, copy),
        None => anyhow::bail!("{copy} is not on this server, or does not say any more that it is a backup"),
    }
}

/// The databases that were copied as backups of the one that `url` leads to, the last one first.
///
/// # Errors
/// What connecting may meet.
pub fn copies(url: &DbUrl) -> Result<Vec<PutAside>> {
    with_comment(url, &copy_comment(&url.target().database))
}

/// Copies whose file was not written yet, with where it would be.
///
/// # Errors
/// What connecting may meet.
pub fn unfinished_copies(url: &DbUrl) -> Result<Vec<(String, PathBuf)>> {
    let begin = unfinished_comment(&url.target().database, Path::new(""));
    let sql = "select datname::text, substr(shobj_description(oid, 'pg_database'), length($1) + 1) \
        from pg_database where starts_with(shobj_description(oid, 'pg_database'), $1) and pg_has_role(datdba, 'member')";
    let rows = maintenance(url)?.client().ask(sql, &[&begin]);
    let rows = rows.map_err(|error| sql_fail(&error, "looking for copies that were not finished"))?;
    Ok(rows.iter().map(|row| (row.get(0), PathBuf::from(row.get::<_, String>(1)))).collect())
}

/// What a copy says of itself until its file lies there.
pub fn unfinished_comment(database: &str, file: &Path) -> String {
    format!("{}, in the making: {}", copy_comment(database), file.display())
}

/// The file that names a copy lies there.
///
/// # Errors
/// What connecting may meet.
pub fn finish_copy(url: &DbUrl, copy: &str) -> Result<()> {
    let words = literal(&copy_comment(&url.target().database));
    let sql = format!("comment on database {} is {words}", ident(copy));
    let done = maintenance(url)?.client().batch_execute(&sql);
    done.map_err(|error| sql_fail(&error, "saying of a copy what it is").into())
}

/// How the comment on a copy begins.
const COPY: &str = "xtask: backup of ";

/// What a copy of the database says of itself.
pub fn copy_comment(database: &str) -> String {
    format!("{COPY}{database}")
}

/// A name for a copy: `app_backup@20261127T103000Z`.
///
/// # Errors
/// What connecting may meet.
pub fn copy_name(url: &DbUrl) -> Result<String> {
    let name = format!("{}_backup", url.target().database);
    free_name(&mut maintenance(url)?, &name)
}

/// `app@20261127T103000Z`; the server keeps 63 bytes of a name.
fn free_name(db: &mut Db, name: &str) -> Result<String> {
    let mut short = name.to_owned();
    while short.len() > 42 {
        short.pop();
    }
    let stamp = utc_stamp(SystemTime::now());
    for number in 1..100 {
        let tail = if number == 1 { String::new() } else { format!("-{number}") };
        let free = format!("{short}@{stamp}{tail}");
        let taken = db.client().ask_opt("select 1 from pg_database where datname = $1", &[&free]);
        if taken.map_err(|error| sql_fail(&error, "looking for a free name"))?.is_none() {
            return Ok(free);
        }
    }
    anyhow::bail!("no free name for {name}")
}

/// Runs statements as one transaction, waiting a moment for sessions that are just closing.
pub(super) fn in_one(db: &mut Db, names: &[&str], sql: &[String]) -> Result<()> {
    let script = format!("begin; {}; commit", sql.join("; "));
    let until = Instant::now() + LEAVING;
    loop {
        let error = match db.client().batch_execute(&script) {
            Ok(()) => return Ok(()),
            Err(error) => error,
        };
        db.client().batch_execute("rollback").map_err(|error| sql_fail(&error, "giving up the swap"))?;
        if error.code() != Some(&SqlState::OBJECT_IN_USE) {
            return Err(sql_fail(&error, "swapping the databases").refused().into());
        }
        if Instant::now() > until {
            return Err(connected(db, names)?.into());
        }
        interrupt::check()?;
        std::thread::sleep(Duration::from_millis(50));
    }
}

pub(super) fn connected(db: &mut Db, names: &[&str]) -> Result<Fail> {
    let sql = "select format('process %s, user %s, %s, from %s, in %s', pid, usename, application_name, \
        coalesce(host(client_addr), 'local'), datname) from pg_stat_activity where datname = any($1) order by pid limit 5";
    let rows = db.client().ask(sql, &[&names]).map_err(|error| sql_fail(&error, "listing the sessions"))?;
    let fail = Fail::new(Kind::ActiveConnections, "Other sessions are connected to the database");
    let fail = rows.iter().fold(fail, |fail, row| fail.details(row.get::<_, String>(0)));
    Ok(fail
        .action("Stop what uses it, then repeat the command")
        .related(crate::model::action::own("db-status"))
        .refused())
}
