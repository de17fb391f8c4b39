//! Statements by what they are about.

use super::{Object, Verb, statements};

fn shown(sql: &str) -> Vec<String> {
    let line = |statement: &super::Statement| {
        let names: Vec<&str> = statement.names().collect();
        let mut text = format!("{} {} {}", statement.verb.name(), statement.object.name(), names.join(" "));
        for action in &statement.actions {
            text.push_str(&format!(" / {} {} {}", action.verb.name(), action.object.name(), action.name));
        }
        text.trim_end().to_owned()
    };
    statements(sql).iter().map(line).collect()
}

#[test]
fn what_statements_are_about() {
    for (sql, expected) in [
        ("DROP TABLE IF EXISTS public.users, \"Odd Name\" CASCADE", &["drop table users Odd Name"][..]),
        ("drop function f(int, text), g()", &["drop function f g"]),
        ("CREATE OR REPLACE FUNCTION f() RETURNS int AS $$ DROP TABLE x; $$", &["create function f"]),
        ("create unique index concurrently if not exists ix on t (a)", &["create index ix"]),
        ("DROP MATERIALIZED VIEW v", &["drop view v"]),
        (
            "ALTER TABLE ONLY t ADD a numeric(3, 2), DROP CONSTRAINT IF EXISTS c, DROP b, RENAME TO u",
            &["alter table t / create column a / drop constraint c / drop column b / rename table u"],
        ),
        ("DELETE FROM a; -- ; DROP TABLE b\n TRUNCATE b, c", &["delete table a", "truncate table b c"]),
        ("SELECT 'DROP TABLE x; --'", &["select object"]),
        ("DROP INDEX {name}; DROP INDEX ix_{table}_a", &["drop index {name}", "drop index ix_{table}_a"]),
        ("UPDATE t SET a = 1", &["update table t"]),
        ("  ", &[]),
        ("drop", &["drop object"]),
        ("ALTER TYPE color ADD VALUE 'red'", &["alter type color"]),
    ] {
        assert_eq!(shown(sql), expected, "{sql}");
    }
}

#[test]
fn what_an_update_sets() {
    for (sql, expected) in [
        ("UPDATE app.t SET a = 1, \"B b\" = f(x, y) FROM u WHERE u.id = t.id, c = 2", &["a", "B b"][..]),
        ("update t as x set (a, b) = (1, 2), c = (select d from e where f = g) returning h", &["a", "b", "c"]),
        ("update t set a = (select max(x) from y), b = extract(year from c) where d", &["a", "b"]),
        ("update t set {columns}", &["{columns}"]),
        ("delete from t", &[]),
    ] {
        assert_eq!(statements(sql)[0].sets, expected, "{sql}");
    }
}

#[test]
fn an_index_knows_its_table_and_whether_it_locks() {
    let [statement] = &statements("CREATE INDEX CONCURRENTLY ix ON ONLY app.t (a)")[..] else { panic!() };
    assert_eq!((statement.verb, statement.object), (Verb::Create, Object::Index));
    assert_eq!(statement.on.as_deref(), Some("t"));
    assert!(statement.is_concurrent);
    let [nameless] = &statements("create index on t (a)")[..] else { panic!() };
    assert_eq!((nameless.name.as_str(), nameless.on.as_deref()), ("", Some("t")));
}

#[test]
fn a_column_gets_another_type() {
    let retyped = |sql: &str| {
        let actions: Vec<_> = statements(sql).into_iter().flat_map(|statement| statement.actions).collect();
        let [action] = &actions[..] else { panic!("{actions:?}") };
        action
            .retyped
            .as_ref()
            .map(|it| format!("{} {}{}", action.name, it.to, if it.is_computed { " using" } else { "" }))
    };
    for (action, expected) in [
        ("ALTER COLUMN a TYPE bigint", Some("a bigint")),
        ("alter a set data type NUMERIC(10, 2) using a::numeric", Some("a numeric using")),
        ("ALTER COLUMN type TYPE timestamp(3) with time zone", Some("type timestamp with time zone")),
        ("ALTER COLUMN a TYPE app.\"Mood\" USING a::text::app.\"Mood\"", Some("a Mood using")),
        ("ALTER COLUMN a TYPE int[]", Some("a int[]")),
        ("ALTER COLUMN a TYPE {kind} COLLATE \"C\"", Some("a {kind}")),
        ("ALTER COLUMN a SET DEFAULT 1", None),
        ("ALTER COLUMN a DROP NOT NULL", None),
        ("ADD COLUMN type text", None),
    ] {
        assert_eq!(retyped(&format!("ALTER TABLE t {action}")).as_deref(), expected, "{action}");
    }
}

#[test]
fn no_text_is_too_odd() {
    for sql in [
        "'",
        "\"",
        "$",
        "$$",
        "$a$",
        "{",
        "/*",
        "--",
        "(((",
        "DROP FUNCTION f(",
        "ALTER TABLE",
        "é$é$",
        "''''",
        "ALTER TABLE t ALTER a TYPE",
    ] {
        statements(sql);
    }
}
