//! Recognises scratch databases and drops those whose run is dead: by their names, by the lock that a living run holds,
//! and by the comment that marks them as this tool's.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant, SystemTime};

use anyhow::Result;
use postgres::error::SqlState;
use sha2::{Digest, Sha256};

use super::ask::Ask;
use super::copy::remove_dump_of;
use super::session::{LOCK_CLASS, try_lock};
use super::{Db, ident, literal, sql_fail, surroundings};
use crate::fail::{Fail, Kind};
use crate::model::url::DbUrl;
use crate::sys::interrupt;

/// Apart from the migration lock's class, since both may be taken in one database.
pub(super) const SCRATCH_CLASS: i32 = LOCK_CLASS + 1;
/// How the comment on a scratch database begins.
pub(super) const MARK: &str = "xtask scratch database";
/// The comment on one that is to stay.
pub(super) const KEPT: &str = "xtask scratch database, kept on purpose";

/// Drops what dead runs left behind on the server of `admin`, and nothing else; gives the names.
///
/// # Errors
/// What connecting may meet. A database that cannot be dropped (another user's) is left where it is.
pub fn sweep(admin: &DbUrl) -> Result<Vec<String>> {
    each_abandoned(admin, |db, name| {
        let is_dropped = drop_database(db, name).is_ok();
        if is_dropped {
            remove_dump_of(name);
        }
        is_dropped
    })
}

/// What [`sweep`] would drop.
///
/// # Errors
/// What connecting may meet.
pub fn abandoned(admin: &DbUrl) -> Result<Vec<String>> {
    each_abandoned(admin, |_, _| true)
}

/// The names of those of dead runs with which `work` has done what it does.
fn each_abandoned(admin: &DbUrl, work: impl Fn(&mut Db, &str) -> bool) -> Result<Vec<String>> {
    let mut db = maintenance(admin)?;
    let sql = "select datname::text from pg_database where datname ~ '^xtask_scratch_[0-9]+_[0-9a-f]{8}(_s[0-9]+)?$' \
        and pg_has_role(datdba, 'member') \
        and coalesce(shobj_description(oid, 'pg_database'), $1) ~ ('^' || $1 || '($| \\()') order by 1";
    let rows = db.client().ask(sql, &[&MARK]).map_err(|error| sql_fail(&error, "looking for scratch databases"))?;
    let mut done = Vec::new();
    for name in rows.iter().map(|row| row.get::<_, String>(0)) {
        interrupt::check()?;
        if is_abandoned(&mut db, &name)? && work(&mut db, &name) {
            done.push(name);
        }
    }
    Ok(done)
}

/// Whether the owner's lock is free, in whatever database it was taken. Having taken it ourselves, nobody else sweeps
/// the same database; it goes with this session.
fn is_abandoned(db: &mut Db, name: &str) -> Result<bool> {
    let base = name.split("_s").take(2).collect::<Vec<_>>().join("_s");
    let key = key(&base);
    let sql = "select exists (select from pg_locks where locktype = 'advisory' and granted and objsubid = 2 \
        and classid::bigint = $1 and objid::bigint = $2 and pid <> pg_backend_pid())";
    let (class, id) = (i64::from(SCRATCH_CLASS), i64::from(key.cast_unsigned()));
    let row = db.client().ask_one(sql, &[&class, &id]).map_err(|error| sql_fail(&error, "looking for an owner"))?;
    Ok(!row.get::<_, bool>(0) && try_lock(db.client(), SCRATCH_CLASS, key)?)
}

/// A session in the maintenance database: `postgres`, or `template1` where that one is missing or closed to us.
pub(super) fn maintenance(admin: &DbUrl) -> Result<Db> {
    let name = surroundings::application_name("scratch");
    let admin = surroundings::complete(admin)?;
    let error = match Db::connect(&admin.with_database("postgres"), &name) {
        Ok(db) => return Ok(db),
        Err(error) => error,
    };
    let closed = [Kind::DatabaseMissing, Kind::PermissionDenied];
    let closed = error
        .downcast_ref::<Fail>()
        .is_some_and(|fail| closed.contains(&fail.kind) || fail.sqlstate.as_deref() == Some("28000"));
    if closed { Db::connect(&admin.with_database("template1"), &name).or(Err(error)) } else { Err(error) }
}

impl Db {
    /// Leaves its database for the maintenance database, so that the server can copy it.
    ///
    /// # Errors
    /// What connecting may meet; it stays where it is then.
    pub fn step_aside(&mut self) -> Result<()> {
        *self = maintenance(&self.url().clone())?;
        Ok(())
    }
}

/// Drops a scratch database and everybody who is connected to it.
pub(super) fn drop_database(db: &mut Db, name: &str) -> Result<()> {
    if db.server_version().major() >= 13 {
        let sql = format!("drop database if exists {} with (force)", ident(name));
        return db.client().batch_execute(&sql).map_err(|error| sql_fail(&error, "dropping a scratch database").into());
    }
    let until = Instant::now() + Duration::from_secs(5);
    loop {
        let end = format!("select pg_terminate_backend(pid) from pg_stat_activity where datname = {}", literal(name));
        let _ = db.client().batch_execute(&end);
        match db.client().batch_execute(&format!("drop database if exists {}", ident(name))) {
            Ok(()) => return Ok(()),
            Err(error) if error.code() == Some(&SqlState::OBJECT_IN_USE) && Instant::now() < until => {}
            Err(error) => return Err(sql_fail(&error, "dropping a scratch database").into()),
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// A name that no scratch database has.
pub fn new_name() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    // The standard library's hasher is seeded by the system's random numbers: no crate is needed for a name.
    let random = RandomState::new().hash_one((SystemTime::now(), COUNT.fetch_add(1, Ordering::Relaxed)));
    format!("xtask_scratch_{}_{:08x}", std::process::id(), random >> 32)
}

/// The lock's key: from the name alone, so that every machine comes to the same.
pub(super) fn key(name: &str) -> i32 {
    let digest = Sha256::digest(name.as_bytes());
    digest.iter().take(4).fold(0_i32, |key, byte| (key << 8) | i32::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_differ_and_keys_do_not() {
        let name = new_name();
        assert_ne!(name, new_name());
        assert_eq!(key(&name), key(&name));
        assert_eq!(key("xtask_scratch_1_00000000"), key("xtask_scratch_1_00000000"));
    }
}
