//! How a snapshot is taken: by whom, inside which transaction, of what not.

use postgres::Client;
use xtask::model::catalog::{Snapshot, diff};
use xtask::sys::pg::catalog::{Options, take, take_within};

use crate::support::pg::cluster;

fn names(snapshot: &Snapshot) -> Vec<String> {
    snapshot.objects().map(|(key, _)| key.to_string()).filter(|name| name.contains("public.")).collect()
}

fn fresh(sql: &str) -> (String, Client) {
    let database = cluster().database();
    let mut client = cluster().client(&database);
    client.batch_execute(sql).unwrap();
    (database, client)
}

#[test]
fn uncommitted_work_is_seen_and_the_transaction_left_as_it_was() {
    let (_, mut client) = fresh("create table t (a int)");
    let before = take(&mut client, &Options::default()).unwrap();
    let mut transaction = client.transaction().unwrap();
    transaction.batch_execute("alter table t add column b int; set local search_path = public, pg_temp").unwrap();
    let within = take_within(&mut transaction, &Options::default()).unwrap();
    assert_eq!(diff(&before, &within)[0].object, "column public.t.b");
    let path: String = transaction.query_one("show search_path", &[]).unwrap().get(0);
    assert_eq!(path, "public, pg_temp");
    transaction.batch_execute("alter table t add column c int").unwrap();
    transaction.rollback().unwrap();
    assert_eq!(take(&mut client, &Options::default()).unwrap(), before);
}

#[test]
fn what_alembic_and_this_tool_own_is_left_out_with_what_belongs_to_it() {
    let (_, mut client) = fresh(
        "create table alembic_version (version_num varchar(32) constraint alembic_version_pkc primary key);
         create schema xtask; create table xtask.ledger (id int primary key, a int); create index on xtask.ledger (a);
         create table kept (a int); create temp table gone (a int)",
    );
    let snapshot = take(&mut client, &Options::default()).unwrap();
    assert_eq!(names(&snapshot), ["column public.kept.a", "table public.kept"]);
    let other = Options { version_tables: vec!["public.kept".to_owned()] };
    let snapshot = take(&mut client, &other).unwrap();
    assert!(names(&snapshot).contains(&"constraint public.alembic_version.alembic_version_pkc".to_owned()));
    assert!(!names(&snapshot).contains(&"table public.kept".to_owned()));
}

#[test]
fn a_role_without_rights_takes_the_same_snapshot() {
    let (database, mut client) = fresh(
        "create table t (a int primary key); create function f() returns int language sql as 'select 1';
         create foreign data wrapper w; create server s foreign data wrapper w;
         create user mapping for public server s options (password 'secret')",
    );
    let whole = take(&mut client, &Options::default()).unwrap();
    client.batch_execute(&format!("create role r_{database}; set role r_{database}")).unwrap();
    let seen = take(&mut client, &Options::default()).unwrap();
    // Only the options of a user mapping, which hold passwords, are hidden from it.
    let hidden: Vec<String> = diff(&whole, &seen).into_iter().map(|change| change.object).collect();
    assert_eq!(hidden, ["user mapping for public server s"]);
    assert!(!format!("{whole:?}").contains("secret"));
}

#[test]
fn the_second_snapshot_of_a_session_is_the_first_again() {
    let (database, mut client) = fresh("create table t (a int)");
    let first = take(&mut client, &Options::default()).unwrap();
    assert_eq!(take(&mut client, &Options::default()).unwrap(), first);
    client.batch_execute("create schema other; deallocate all").unwrap();
    assert_eq!(take(&mut client, &Options::default()).unwrap().len(), first.len() + 1);
    assert_eq!(take(&mut cluster().client(&database), &Options::default()).unwrap().len(), first.len() + 1);
}
