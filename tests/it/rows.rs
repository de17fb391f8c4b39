//! The row comparison on real tables: what is lost is named, what only moved is not.

mod memory;

use std::collections::BTreeSet;

use postgres::Client;
use xtask::model::rows::{DataChange, Rows, diff, sequence_notes};
use xtask::sys::pg::catalog::Options;
use xtask::sys::pg::rows::{sequence_positions, take};

use crate::support::pg::cluster;
use crate::support::python::say;

const SETUP: &str = "
    create table users (id serial primary key, mail text not null, age int, extra jsonb);
    insert into users (mail, age, extra) select 'u' || n, n % 3, '{\"a\": 1}' from generate_series(1, 100) n;
    update users set age = null where id > 90;
    create table empty (a int);
    create table alembic_version (version_num text); insert into alembic_version values ('a');
    create table parts (a int, b text) partition by list (a);
    create table parts_1 partition of parts for values in (1);
    create table parts_2 partition of parts for values in (2);
    insert into parts values (1, 'x'), (2, 'y'), (2, 'y');
    create table \"Odd.Name\" (\"a b\" int); insert into \"Odd.Name\" values (1);
    create table types (a float8, b bytea, c timestamptz, d interval, e numeric, f uuid, g int[], h bool, i xml, j date,
                        k timestamp, l money, m varchar(3), n \"char\", o name, p smallint, q bigint);
    insert into types values (0.1, 'x', 'infinity', '1 day', 1.00, gen_random_uuid(), '{1,2}', true, '<a/>', '-infinity',
                              '-infinity', 3, 'abc', 'x', 'n', 1, 2);";

/// The tables. A server without libxml (the one that is fetched where none is installed) has no xml values; there, and
/// that is said, the column holds text.
fn setup(client: &mut postgres::Client) {
    if client.batch_execute("select xml '<a/>'").is_ok() {
        return client.batch_execute(SETUP).unwrap();
    }
    say("rows: this server has no xml, so the column of that type is tested as text");
    client.batch_execute(&SETUP.replace(" i xml,", " i text,")).unwrap();
}

fn compare(change: &str) -> Vec<DataChange> {
    let database = cluster().database();
    let mut client = cluster().client(&database);
    setup(&mut client);
    let before = take(&mut client, &Options::default(), None).unwrap();
    client.batch_execute(change).unwrap();
    diff(&before, &take(&mut client, &Options::default(), None).unwrap())
}

fn told(changes: &[DataChange]) -> Vec<String> {
    let rows = |rows: Option<u64>| rows.map_or_else(|| "-".to_owned(), |rows| rows.to_string());
    let mut lines = Vec::new();
    for change in changes {
        lines.push(format!("{} {} -> {}", change.table, rows(change.before_rows), rows(change.after_rows)));
        for lost in &change.columns_lost {
            let other = if lost.same_count_but_different { " other values" } else { "" };
            lines.push(format!("  {} {} -> {}{other}", lost.column, lost.before_values, lost.after_values));
        }
    }
    lines
}

fn counts(rows: &Rows) -> Vec<(&str, u64)> {
    rows.tables.iter().map(|(name, table)| (name.as_str(), table.rows)).collect()
}

#[test]
fn every_table_that_holds_rows_is_counted_once() {
    let database = cluster().database();
    let mut client = cluster().client(&database);
    setup(&mut client);
    let rows = take(&mut client, &Options::default(), None).unwrap();
    assert_eq!(
        counts(&rows),
        [
            ("public.\"Odd.Name\"", 1),
            ("public.empty", 0),
            ("public.parts_1", 1),
            ("public.parts_2", 2),
            ("public.types", 1),
            ("public.users", 100)
        ]
    );
    let only = BTreeSet::from(["public.parts_2".to_owned()]);
    assert_eq!(counts(&take(&mut client, &Options::default(), Some(&only)).unwrap()), [("public.parts_2", 2)]);
}

#[test]
fn neither_the_order_of_rows_nor_of_columns_nor_the_session_counts() {
    let changes = compare(
        "create table u2 as select * from users order by id desc; truncate users; insert into users select * from u2;
         drop table u2; alter table users add column mail2 text; update users set mail2 = mail;
         alter table users drop column mail; alter table users rename column mail2 to mail;
         set datestyle = 'German'; set timezone = 'Asia/Seoul'; set bytea_output = 'escape';
         set extra_float_digits = 0; set intervalstyle = 'postgres_verbose'; set search_path = '';",
    );
    assert_eq!(told(&changes), Vec::<String>::new());
}

#[test]
fn a_column_that_came_back_empty_is_named() {
    let changes = compare("alter table users drop column age; alter table users add column age int");
    assert_eq!(told(&changes), ["public.users 100 -> 100", "  age 90 -> 0"]);
    assert!(changes[0].is_loss());
}

#[test]
fn a_column_that_is_gone_is_named() {
    let changes = compare("alter table users drop column extra");
    assert_eq!(told(&changes), ["public.users 100 -> 100", "  extra 100 -> 0"]);
}

#[test]
fn other_values_in_the_same_number_are_named() {
    let changes = compare("update users set mail = 'x'; update types set e = 1.0");
    assert_eq!(
        told(&changes),
        ["public.types 1 -> 1", "  e 1 -> 1 other values", "public.users 100 -> 100", "  mail 100 -> 100 other values"]
    );
}

#[test]
fn equal_values_do_not_cancel_each_other_out() {
    let changes = compare("update parts_2 set b = 'z'");
    assert_eq!(told(&changes), ["public.parts_2 2 -> 2", "  b 2 -> 2 other values"]);
}

#[test]
fn rows_that_went_are_counted_and_the_columns_not_repeated() {
    let changes = compare("delete from users where id <= 10; drop table parts_1; truncate types");
    assert_eq!(told(&changes), ["public.parts_1 1 -> -", "public.types 1 -> 0", "public.users 100 -> 90"]);
    assert!(changes.iter().all(DataChange::is_loss));
}

#[test]
fn rows_on_top_are_no_loss() {
    let changes = compare("insert into users (mail) values ('new'); create table n (a int); insert into n values (1)");
    assert_eq!(told(&changes), ["public.n - -> 1", "public.users 100 -> 101"]);
    assert!(!changes.iter().any(DataChange::is_loss));
}

#[test]
fn values_are_read_past_row_security_or_not_at_all() {
    let database = cluster().database();
    let mut client = cluster().client(&database);
    setup(&mut client);
    client.batch_execute("alter table users enable row level security").unwrap();
    assert_eq!(take(&mut client, &Options::default(), None).unwrap().tables["public.users"].rows, 100);
    let role = format!("reader_{database}");
    client
        .batch_execute(&format!(
            "create role {role}; grant select on all tables in schema public to {role}; set role {role}"
        ))
        .unwrap();
    let error = take(&mut client, &Options::default(), None).unwrap_err();
    let fail = xtask::fail::from_anyhow(&error);
    assert!(fail.details.contains("row-level security"), "{fail:?}");
}

#[test]
fn a_sequence_that_went_back_is_a_note() {
    let database = cluster().database();
    let mut client: Client = cluster().client(&database);
    let made =
        "create sequence a; create sequence b; create sequence c increment -1; select nextval('a'), nextval('c')";
    client.batch_execute(made).unwrap();
    let before = sequence_positions(&mut client).unwrap();
    client.batch_execute("select nextval('a'), nextval('b')").unwrap();
    let after = sequence_positions(&mut client).unwrap();
    assert_eq!(sequence_notes(&before, &after), [""; 0], "they ran on");
    let back = "what it gives next may be in the table already";
    assert_eq!(
        sequence_notes(&after, &before),
        [
            format!("sequence public.a went back from 2 to 1: {back}"),
            format!("sequence public.b went back from 1 to its start: {back}"),
        ]
    );
    client.batch_execute("drop sequence a, b").unwrap();
    let gone = sequence_positions(&mut client).unwrap();
    assert_eq!(sequence_notes(&after, &gone), [""; 0], "that is a matter of the schema");
}
