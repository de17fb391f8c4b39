//! Renames and what autogenerate does not see, on values.

use super::{Fact, FactKind, Operation, renames, unseen};

fn column(operation: &str, table: &str, name: &str, kind: &str) -> Operation {
    Operation {
        operation: operation.into(),
        table: Some(table.into()),
        name: Some(name.into()),
        detail: Some(kind.into()),
        column_type: Some(kind.into()),
        ..Operation::default()
    }
}

fn table(operation: &str, name: &str, columns: &[(&str, &str)]) -> Operation {
    let columns = columns.iter().map(|(name, kind)| ((*name).to_owned(), (*kind).to_owned())).collect();
    Operation { operation: operation.into(), table: Some(name.into()), columns, ..Operation::default() }
}

fn renamed(operations: &[Operation]) -> Vec<String> {
    renames(operations).iter().map(|rename| format!("{rename}: {}", rename.instead())).collect()
}

#[test]
fn a_column_that_goes_and_one_that_comes() {
    let drop = column("drop_column", "users", "mail", "TEXT");
    let add = column("add_column", "users", "email", "TEXT");
    let said = "column users.mail -> email: op.alter_column(\"users\", \"mail\", new_column_name=\"email\")";
    assert_eq!(renamed(&[add.clone(), drop.clone()]), [said]);
    let elsewhere = column("add_column", "accounts", "email", "TEXT");
    let otherwise = column("add_column", "users", "email", "INTEGER");
    assert!(renamed(&[elsewhere, otherwise, drop.clone()]).is_empty());
    // Two candidates: nobody can say which.
    assert!(renamed(&[drop, add, column("add_column", "users", "address", "TEXT")]).is_empty());
}

#[test]
fn a_table_that_goes_and_one_that_comes() {
    let columns = [("id", "INTEGER"), ("name", "TEXT")];
    let (gone, came) = (table("drop_table", "groups", &columns), table("create_table", "projects", &columns));
    assert_eq!(renamed(&[came, gone.clone()]), ["table groups -> projects: op.rename_table(\"groups\", \"projects\")"]);
    assert!(renamed(&[gone, table("create_table", "projects", &columns[..1])]).is_empty());
}

#[test]
fn what_has_a_schema() {
    let of = |operation: Operation| Operation { schema: Some("app".into()), ..operation };
    let (gone, came) =
        (column("drop_column", "users", "mail", "TEXT"), column("add_column", "users", "e\"mail", "TEXT"));
    assert_eq!(
        renamed(&[of(gone), of(came)]),
        ["column app.users.mail -> e\"mail: \
          op.alter_column(\"users\", \"mail\", new_column_name=\"e\\\"mail\", schema=\"app\")"]
    );
    let columns = [("id", "INTEGER")];
    let (gone, came) = (table("drop_table", "groups", &columns), table("create_table", "projects", &columns));
    assert_eq!(
        renamed(&[of(gone.clone()), of(came.clone())]),
        ["table app.groups -> app.projects: op.rename_table(\"groups\", \"projects\", schema=\"app\")"]
    );
    assert!(renamed(&[of(gone), came]).is_empty(), "into another schema is no rename");
    assert_eq!(
        said(&[], &[fact(FactKind::Check, "app.t", "positive", "CHECK ((n > 0))")]),
        ["check constraint positive of app.t: only in the database: CHECK ((n > 0)) | \
          op.drop_constraint(op.f(\"positive\"), \"t\", type_=\"check\", schema=\"app\")"]
    );
    let labels = |text: &str| [fact(FactKind::Enum, "", "app.Mood", text)];
    assert_eq!(
        said(&labels("ok\nso \"so\""), &labels("ok")),
        ["enum type app.Mood: so \"so\" only in the models | \
          op.execute(\"ALTER TYPE app.\\\"Mood\\\" ADD VALUE 'so \\\"so\\\"'\")"]
    );
}

#[test]
fn an_operation_in_a_line() {
    assert_eq!(column("add_column", "users", "email", "TEXT").to_string(), "add_column users.email: TEXT");
    assert_eq!(table("drop_table", "users", &[]).to_string(), "drop_table users");
}

fn fact(kind: FactKind, table: &str, name: &str, text: &str) -> Fact {
    Fact { kind, table: table.into(), name: name.into(), text: text.into() }
}

#[track_caller]
fn said(models: &[Fact], database: &[Fact]) -> Vec<String> {
    let found = unseen(models, database);
    let line = |one: &super::Unseen| one.help().map_or_else(|| one.to_string(), |help| format!("{one} | {help}"));
    found.iter().map(line).collect()
}

#[test]
fn defaults_count_where_the_type_is_the_same() {
    let side =
        |kind: &str, default: &str| [fact(FactKind::Type, "t", "n", kind), fact(FactKind::Default, "t", "n", default)];
    assert_eq!(
        said(&side("integer", "5"), &side("integer", "3")),
        ["server default of t.n: the models say 5, the database has 3 | \
          op.alter_column(\"t\", \"n\", server_default=sa.text(\"5\"))"]
    );
    let retyped = said(&side("integer", "5"), &side("text", "'5'::text"));
    assert_eq!(retyped, ["type of t.n: the models say integer, the database has text"]);
    assert!(said(&side("integer", "nextval('a'::regclass)"), &side("integer", "nextval('b'::regclass)")).is_empty());
    assert_eq!(
        said(&side("integer", "5")[..1], &side("integer", "3")),
        ["server default of t.n: only in the database: 3 | op.alter_column(\"t\", \"n\", server_default=None)"]
    );
}

#[test]
fn a_constraint_under_another_name_is_the_same() {
    let check = |name: &str, text: &str| [fact(FactKind::Check, "t", name, text)];
    assert!(said(&check("ck_t_n", "CHECK ((n > 0))"), &check("t_n_check", "CHECK ((n > 0))")).is_empty());
    assert_eq!(
        said(&check("positive", "CHECK ((n > 0))"), &[]),
        ["check constraint positive of t: only in the models: CHECK ((n > 0)) | \
          op.create_check_constraint(op.f(\"positive\"), \"t\", \"(n > 0)\")"]
    );
    assert_eq!(
        said(&check("positive", "CHECK ((n > 1))"), &check("positive", "CHECK ((n > 0))")),
        ["check constraint positive of t: the models say CHECK ((n > 1)), the database has CHECK ((n > 0))"]
    );
}

#[test]
fn labels_of_an_enum_type() {
    let labels = |text: &str| [fact(FactKind::Enum, "", "mood", text)];
    assert_eq!(
        said(&labels("ok\nsad"), &labels("ok\nbad")),
        ["enum type mood: sad only in the models; bad only in the database | \
          op.execute(\"ALTER TYPE mood ADD VALUE 'sad'\")"]
    );
    assert_eq!(said(&labels("a\nb"), &labels("b\na")), ["enum type mood: the labels have another order"]);
}

#[test]
fn an_index_is_told_where_both_have_it() {
    let index = |text: &str| [fact(FactKind::Index, "t", "ix", text)];
    assert!(said(&index("USING btree (n)"), &[]).is_empty(), "that it is missing is seen");
    assert_eq!(said(&index("USING btree (n) WHERE (n > 0)"), &index("USING btree (n)")).len(), 1);
}
