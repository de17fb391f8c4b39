//! The gate before a look: it is shut only where the whole look finds nothing, on every kind of change that is known here,
//! and then nothing is read.

use xtask::model::url::DbUrl;
use xtask::sys::pg::catalog::Options;
use xtask::sys::pg::{Db, Look};

use super::set_up_every;
use crate::support::pg::cluster;

/// Beside the cases: what no schema of a case holds, what the server writes in place, what is over later than it began.
const MORE: &[&str] = &[
    "alter database @ set work_mem = '5MB'",
    "alter database @ reset all",
    "create index concurrently on more (a)",
    "reindex table more",
    "cluster more using more_pkey",
    "vacuum analyze more",
    "vacuum full more",
    "truncate more",
    "create temp table passing (a int)",
    "begin; alter table more add b int; savepoint s; alter table more add c int; rollback to s; commit",
    "begin; alter table more drop b; rollback",
    "comment on column more.b is 'a comment'",
    "create role r_@; grant select on more to r_@",
    "alter role r_@ rename to s_@",
    "create table brief (a int); drop table brief",
];

fn session(database: &str) -> Db {
    Db::connect(&DbUrl::parse(&cluster().url("asyncpg", database)).unwrap(), "xtask test").unwrap()
}

fn same(look: &mut Look, db: &mut Db, after: &str) {
    let looked = look.schema(db).unwrap();
    let mut whole = Look::new(Options::default());
    assert!(looked == whole.schema(db).unwrap(), "after: {after}");
}

/// How often the session has run the first query of a look.
fn reads(db: &mut Db) -> i64 {
    let sql = "select generic_plans + custom_plans from pg_prepared_statements where name = 'xtask_catalog_0'";
    db.client().query_one(sql, &[]).unwrap().get(0)
}

/// A sixth of the cases, another one for each `XTASK_TEST_SEED`; `XTASK_TEST_GATE=all` for every one.
#[test]
fn open_wherever_something_differs() {
    let seed: usize = std::env::var("XTASK_TEST_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(0);
    let is_all = std::env::var("XTASK_TEST_GATE").is_ok_and(|value| value == "all");
    let (every, first) = if is_all { (1, 0) } else { (6, seed % 6) };
    let (database, _, tagged) = set_up_every(every, first);
    let (mut db, mut look) = (session(&database), Look::new(Options::default()));
    let mut other = cluster().client(&database);
    look.schema(&mut db).unwrap();
    for (tag, case) in &tagged {
        for sql in [&case.change, &case.undo].into_iter().filter(|sql| !sql.is_empty()) {
            other.batch_execute(&sql.replace('@', tag)).unwrap();
            same(&mut look, &mut db, &format!("{} ({sql})", case.name));
        }
    }
}

#[test]
fn whatever_else_happens_and_shut_where_nothing_did() {
    let database = cluster().database();
    let (mut db, mut look) = (session(&database), Look::new(Options::default()));
    let mut other = cluster().client(&database);
    other.batch_execute("create table more (a int primary key)").unwrap();
    look.schema(&mut db).unwrap();
    for change in MORE {
        change.split("; ").for_each(|sql| other.batch_execute(&sql.replace('@', &database)).unwrap());
        same(&mut look, &mut db, change);
    }
    // Begun before a look and over after it, while others get newer numbers.
    let mut slow = cluster().client(&database);
    slow.batch_execute("begin; create function late() returns int language sql as 'select 1'").unwrap();
    other.batch_execute("create table newer (a int)").unwrap();
    same(&mut look, &mut db, "a transaction that is under way");
    slow.batch_execute("commit").unwrap();
    same(&mut look, &mut db, "its end");
    if cluster().major >= 14 {
        let before = reads(&mut db);
        other.batch_execute("insert into newer values (1)").unwrap();
        look.schema(&mut db).unwrap();
        assert_eq!(reads(&mut db), before);
        other.batch_execute("alter table newer add b int").unwrap();
        look.schema(&mut db).unwrap();
        assert_eq!(reads(&mut db), before + 1);
    }
}
