//! A tablespace in memory for throwaway databases, on our own server only: a copy takes a tenth of the time there. What is
//! to stay never lies in it.

use std::fs::{self, DirBuilder};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, lchown};
use std::path::Path;

use anyhow::{Context, Result};

use super::ask::Ask;
use super::{Db, ident, literal, sql_fail};

const TABLESPACE: &str = "xtask_memory";
/// For `create database` and `alter database … set`.
pub(super) const IN_MEMORY: &str = "tablespace xtask_memory";
/// The same for what stays, on our own server.
pub(super) const ON_DISK: &str = "tablespace pg_default";
/// How often what is copied must fit into the free memory: the copy, its save points, and what migrations add.
const TIMES: u64 = 8;
/// What must be free beyond that, in bytes: the server and Python need memory as well.
const RESERVE: u64 = 1 << 30;

/// Whether the tablespace in `folder` is there (made if need be), with room for copies of `source`.
///
/// # Errors
/// When the server cannot be asked. What stands in the way of the tablespace itself is no error: the disk does as well.
pub(super) fn is_ready(owner: &mut Db, folder: &Path, source: Option<&str>) -> Result<bool> {
    let sql = "select (select pg_tablespace_location(oid) from pg_tablespace where spcname = $1 \
           and has_tablespace_privilege(oid, 'create')), \
        (select format('PG_%s_%s', current_setting('server_version_num')::int / 10000, catalog_version_no) \
           from pg_control_system()), \
        coalesce((select pg_database_size(oid) from pg_database where datname = $2), 0)";
    let row = owner.client().ask_one(sql, &[&TABLESPACE, &source]);
    let row = row.map_err(|error| sql_fail(&error, "asking for the tablespace in memory"))?;
    let (place, version, size): (Option<String>, String, i64) = (row.get(0), row.get(1), row.get(2));
    if free(folder).is_none_or(|free| free < TIMES * size.unsigned_abs() + RESERVE) {
        return Ok(false);
    }
    match place {
        Some(place) => Ok(Path::new(&place) == folder && ensure_folder(folder, &version).is_ok()),
        None => Ok(create(owner, folder).is_ok()),
    }
}

/// Whether a database lies in memory.
///
/// # Errors
/// When the server cannot be asked.
pub(super) fn holds(owner: &mut Db, database: &str) -> Result<bool> {
    let sql = "select exists (select from pg_database d join pg_tablespace t on t.oid = d.dattablespace \
        where datname = $1 and spcname = $2)";
    let row = owner.client().ask_one(sql, &[&database, &TABLESPACE]);
    Ok(row.map_err(|error| sql_fail(&error, "asking where a database lies"))?.get(0))
}

fn create(owner: &mut Db, folder: &Path) -> Result<()> {
    let sql = format!("create tablespace {} location {}", ident(TABLESPACE), literal(&folder.display().to_string()));
    owner.client().batch_execute(&sql).map_err(|error| sql_fail(&error, "making the tablespace in memory").into())
}

/// The folder is new each time the server starts, and the tablespace is not: what the server once made in it is made again.
fn ensure_folder(folder: &Path, version: &str) -> Result<()> {
    let own = folder.join(version);
    if own.is_dir() {
        return Ok(());
    }
    let owner = fs::metadata(folder).with_context(|| format!("looking at {}", folder.display()))?;
    DirBuilder::new().mode(0o700).create(&own).with_context(|| format!("making {}", own.display()))?;
    lchown(&own, Some(owner.uid()), Some(owner.gid())).with_context(|| format!("giving {}", own.display()))
}

/// How much may be put there: what the file system has, and what the machine, or the container, has.
fn free(folder: &Path) -> Option<u64> {
    let there = rustix::fs::statvfs(folder).ok()?;
    let known = fs::read_to_string("/proc/meminfo").ok()?;
    let line = known.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kilobytes: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    let of_container = |name: &str| -> Option<u64> {
        fs::read_to_string(Path::new("/sys/fs/cgroup").join(name)).ok()?.trim().parse().ok()
    };
    let container =
        of_container("memory.max").map(|most| most.saturating_sub(of_container("memory.current").unwrap_or(0)));
    Some((there.f_bavail * there.f_frsize).min(kilobytes * 1024).min(container.unwrap_or(u64::MAX)))
}
