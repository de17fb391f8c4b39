//! What is remembered of a table is what a full reading gives, whatever happened in between; and it is used.

use postgres::Client;
use xtask::sys::pg::catalog::Options;
use xtask::sys::pg::rows::{Memory, take, take_again};

use crate::support::pg::cluster;
use crate::support::scene::wait_until;

/// Two tables of plain types that are large enough, one whose values can change without it, and a small one.
const SETUP: &str = "
    create table big (id int primary key, name text, at timestamptz);
    insert into big select n, 'name ' || n, '2026-01-01' from generate_series(1, 10000) n;
    create table other as select n::int as id, md5(n::text) as name from generate_series(1, 10000) n;
    create type mood as enum ('glad', 'sad');
    create table moods as select n::int as id, case when n % 2 = 0 then 'glad' else 'sad' end::mood as mood
        from generate_series(1, 10000) n;
    create table small (id int); insert into small values (1);";

/// One after the other on the same database, each followed by a reading.
const CHANGES: &[&str] = &[
    "select 1",
    "update big set name = 'x' where id = 5000",
    "delete from big where id = 7; insert into big values (7, 'back', now())",
    "begin; update big set name = 'never'; rollback",
    "begin; savepoint a; insert into big values (20001, 'a'); release a; delete from big where id = 20001; commit",
    "begin; insert into big values (20002, 'b'); savepoint a; delete from big; rollback to a; delete from big where id = 1; commit",
    "alter table big add n int default 5",
    "alter table big drop n; alter table big add n int default 6",
    "alter table big rename name to title",
    "alter table big rename title to name",
    "alter table big alter at type date",
    "alter table big alter at type timestamptz",
    "alter type mood rename value 'glad' to 'happy'",
    // Known by one reading, not looked at as such by the next, known again: what changed in between must not be missed.
    "alter table big add m mood; update big set name = 'while it had a mood' where id = 9",
    "alter table big drop m",
    "update other set name = upper(name); alter table other add m mood",
    "alter table other drop m",
    "truncate other",
    "insert into other select n, 'again' from generate_series(1, 10000) n",
    "begin; truncate other; insert into other select n, 'aGain' from generate_series(1, 10000) n; commit",
    "drop table other; create table other as select n::int as id, 'anew' as name from generate_series(1, 10000) n",
    "vacuum freeze big",
    "vacuum full big",
    "cluster big using big_pkey",
    "update big set name = name",
    "create rule r as on update to big do instead nothing; update big set name = 'ruled out'",
    "alter table big rename to bigger; alter table other rename to big; alter table bigger rename to other",
    "create table child () inherits (big); insert into child select * from big",
];

fn setup() -> (String, Client) {
    let database = cluster().database();
    let mut client = cluster().client(&database);
    client.batch_execute(SETUP).unwrap();
    (database, client)
}

fn same(client: &mut Client, memory: &mut Memory, after: &str) {
    let again = take_again(client, &Options::default(), memory).unwrap();
    assert_eq!(again, take(client, &Options::default(), None).unwrap(), "after: {after}");
}

#[test]
fn whatever_happened_in_between() {
    let (_, mut client) = setup();
    let mut memory = Memory::default();
    same(&mut client, &mut memory, "nothing");
    for change in CHANGES {
        // Not as one statement list: VACUUM wants to be alone, and a list would be one transaction.
        change.split("; ").for_each(|statement| client.batch_execute(statement).unwrap());
        same(&mut client, &mut memory, change);
    }
}

#[test]
fn a_transaction_that_began_before_the_last_reading_and_ends_after_it() {
    let (database, mut client) = setup();
    let mut slow = cluster().client(&database);
    let mut memory = Memory::default();
    slow.batch_execute("begin; update big set name = 'slow' where id = 3").unwrap();
    // Others get newer xids, and end.
    client.batch_execute("insert into small values (2)").unwrap();
    same(&mut client, &mut memory, "a first reading");
    client.batch_execute("insert into small values (3)").unwrap();
    same(&mut client, &mut memory, "a second one, while it is open");
    slow.batch_execute("commit").unwrap();
    same(&mut client, &mut memory, "its end");
    slow.batch_execute("begin; update other set name = 'slow' where id = 3; prepare transaction 'p'")
        .unwrap_or_default();
    same(&mut client, &mut memory, "a prepared one");
    slow.batch_execute("commit prepared 'p'").unwrap_or_default();
    same(&mut client, &mut memory, "its end");
}

#[test]
fn another_database_begins_anew() {
    let (database, mut client) = setup();
    let mut memory = Memory::default();
    same(&mut client, &mut memory, "a reading");
    drop(client);
    // A copy of before, put in the place of a database that has moved on: rows of old under the same name.
    let copy = cluster().clone_of(&database);
    cluster().client(&database).batch_execute("update big set name = 'later'").unwrap();
    same(&mut cluster().client(&database), &mut memory, "an update");
    let mut admin = cluster().client("postgres");
    admin.batch_execute(&format!("drop database {database} with (force)")).unwrap();
    admin.batch_execute(&format!("alter database {copy} rename to {database}")).unwrap();
    same(&mut cluster().client(&database), &mut memory, "the copy in its place");
}

#[test]
fn it_is_used() {
    let (database, mut client) = setup();
    let mut other = cluster().client(&database);
    let mut count = |what: &str| -> i64 {
        let sql = format!("select {what} from pg_stat_user_tables where relname = 'big'");
        other.query_one(&sql, &[]).unwrap().get(0)
    };
    tell_the_counts(&mut client);
    wait_until("the rows are counted", || count("n_tup_ins") == 10_000);
    let before = count("seq_scan");
    let (mut memory, options) = (Memory::default(), Options::default());
    for change in ["select 1", "select 1", "update big set name = 'y' where id = 1"] {
        client.batch_execute(change).unwrap();
        take_again(&mut client, &options, &mut memory).unwrap();
    }
    tell_the_counts(&mut client);
    // Digested, looked through, then looked through (and found changed) and digested; the update goes by the index.
    wait_until("four scans of the table are counted", || count("seq_scan") - before == 4);
}

/// A session tells what it has done at its own leisure, up to a minute later; since PostgreSQL 15 it can be told to hurry.
fn tell_the_counts(client: &mut Client) {
    if cluster().major >= 15 {
        client.batch_execute("select pg_stat_force_next_flush()").unwrap();
    }
}
