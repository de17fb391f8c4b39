//! Snapshots written by hand, differences compared as text.

use expect_test::{Expect, expect};

use super::{Key, Object, Snapshot, diff, order_notes, without};

/// `kind name [in kind parent] { attribute=value … }`, one object a line; columns are placed in the order written.
fn snapshot(text: &str) -> Snapshot {
    let mut snapshot = Snapshot::default();
    let mut position = 0;
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (head, attributes) = line.split_once(" | ").unwrap_or((line, ""));
        let (head, parent) = head.split_once(" in ").map_or((head, None), |(head, parent)| (head, Some(parent)));
        let key = |text: &str| {
            let (kind, name) = text.rsplit_once(' ').unwrap();
            Key::new(kind, name)
        };
        let attributes = attributes
            .split("; ")
            .filter_map(|part| part.split_once('='))
            .map(|(name, value)| (name.into(), value.to_owned()))
            .collect();
        if let (Some(table), "column") = (parent, key(head).kind.as_str()) {
            position += 1;
            snapshot.place(&key(table), position, key(head).name.rsplit_once('.').unwrap().1);
        }
        snapshot.insert(key(head), Object { parent: parent.map(key), attributes });
    }
    snapshot
}

fn check(before: &str, after: &str, expected: Expect) {
    let lines: Vec<String> = diff(&snapshot(before), &snapshot(after)).iter().map(ToString::to_string).collect();
    expected.assert_eq(&lines.join("\n"));
}

const USERS: &str = "table s.users | owner=me
    column s.users.id in table s.users | type=integer; nullable=no
    column s.users.mail in table s.users | type=text; nullable=yes
    index s.ix_mail in table s.users | definition=on mail";

#[test]
fn nothing_differs_from_itself() {
    check(USERS, USERS, expect![""]);
}

#[test]
fn only_the_attributes_that_differ_are_told() {
    let after = USERS.replace("type=text; nullable=yes", "type=text; nullable=no; default='x'");
    check(
        USERS,
        &after,
        expect![[r#"
            ~ column s.users.mail
                nullable: yes -> no
                default: (none) -> 'x'"#]],
    );
}

#[test]
fn what_goes_with_a_table_is_told_with_it() {
    check(USERS, "", expect!["- table s.users"]);
    let told = diff(&snapshot(""), &snapshot(USERS));
    expect![[r#"
        columns: id, mail
        owner: me
        index: ix_mail"#]]
    .assert_eq(told[0].after.as_deref().unwrap());
    assert_eq!(told[0].before, None);
}

#[test]
fn changes_are_grouped_by_table() {
    let after = USERS.replace("    index s.ix_mail in table s.users | definition=on mail", "").replace("text", "char");
    check(
        &format!("{USERS}\ntype s.a | labels=x"),
        &format!("{after}\ntype s.z | labels=y"),
        expect![[r#"
            - type s.a
            ~ column s.users.mail
                type: text -> char
            - index s.ix_mail
            + type s.z"#]],
    );
}

#[test]
fn the_same_under_another_name_is_said() {
    check(
        USERS,
        &USERS.replace("ix_mail", "users_mail_idx"),
        expect![[r#"
            - index s.ix_mail
                (came back under another name: s.users_mail_idx)
            + index s.users_mail_idx
                (came back under another name: was s.ix_mail)"#]],
    );
}

#[test]
fn two_that_could_be_it_are_not_guessed() {
    let twice = format!(
        "{}\nindex s.b in table s.users | definition=on mail\nindex s.c in table s.users | definition=on mail",
        USERS.replace("index s.ix_mail in table s.users | definition=on mail", "")
    );
    let changes = diff(&snapshot(USERS), &snapshot(&twice));
    assert_eq!(changes.len(), 3);
    assert!(changes.iter().all(|change| change.cause.is_none()));
}

#[test]
fn column_order_is_a_note() {
    let swapped = "table s.t | owner=me
        column s.t.b in table s.t | type=text
        column s.t.a in table s.t | type=text";
    let straight = "table s.t | owner=me
        column s.t.a in table s.t | type=text
        column s.t.b in table s.t | type=text";
    check(straight, swapped, expect![""]);
    assert_eq!(snapshot(straight), snapshot(swapped));
    assert_eq!(order_notes(&snapshot(straight), &snapshot(swapped)), ["column order of table s.t: a, b -> b, a"]);
    assert!(order_notes(&snapshot(straight), &snapshot(straight)).is_empty());
}

#[test]
fn a_column_that_is_new_does_not_spoil_the_order() {
    let more = USERS.replace(
        "    column s.users.mail",
        "    column s.users.age in table s.users | type=int\n    column s.users.mail",
    );
    assert!(order_notes(&snapshot(USERS), &snapshot(&more)).is_empty());
}

#[test]
fn what_was_known_before_is_taken_away_attribute_by_attribute() {
    let base = "column s.t.a in table s.t | type=text; nullable=no\ntype s.e | labels=x\ntable s.t | owner=me";
    let first = "column s.t.a in table s.t | type=text; nullable=yes\ntable s.t | owner=me";
    let second = "column s.t.a in table s.t | type=int; nullable=yes\ntable s.t | owner=me";
    let known = diff(&snapshot(base), &snapshot(first));
    let left = without(diff(&snapshot(base), &snapshot(second)), &known);
    let lines: Vec<String> = left.iter().map(ToString::to_string).collect();
    expect![[r#"
        ~ column s.t.a
            type: text -> int"#]]
    .assert_eq(&lines.join("\n"));
    assert_eq!(left[0].before.as_deref(), Some("type: text"));
}

#[test]
fn removing_takes_along_what_belongs_to_it() {
    let mut left = snapshot(USERS);
    left.remove(&Key::new("table", "s.users"));
    assert!(left.is_empty());
}
