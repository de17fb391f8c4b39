//! Scripts by what they do.

use std::path::Path;

use super::{Body, Function, Kind, dropped, heavy, read};

fn body(text: &str) -> Body {
    read(Path::new("a.py"), text).unwrap()
}

fn downgrade(text: &str) -> Function {
    body(&format!("import sqlalchemy as sa\nfrom alembic import op\n{text}")).downgrade.unwrap()
}

fn drops(text: &str) -> Vec<String> {
    dropped(&downgrade(text)).into_iter().map(|dropped| format!("{}: {}", dropped.line, dropped.what)).collect()
}

#[test]
fn drops_by_operation_and_by_sql() {
    let text = "
def downgrade() -> None:
    op.drop_table('users')
    op.drop_column('projects', 'name')
    op.drop_index(op.f('ix_a'), table_name='a')
    op.drop_constraint('fk_a_b', 'a', type_='foreignkey')
    op.execute(sa.text('DROP TYPE color; DELETE FROM a WHERE b'))
    op.get_bind().execute(sa.text('ALTER TABLE a DROP COLUMN c'))
    op.add_column('a', sa.Column('d'))
    sa.Enum(name='mood').drop(op.get_bind())
    mood.drop(op.get_bind())
    conn.execute(sa.delete(users).where(users.c.a == 1))
";
    let expected = [
        "5: table users",
        "6: column projects.name",
        "7: index ix_a",
        "8: constraint fk_a_b of a",
        "9: type color",
        "9: rows of a",
        "10: column a.c",
        "12: type mood",
        "13: {mood}",
        "14: rows of {users}",
    ];
    assert_eq!(drops(text), expected);
}

#[test]
fn helpers_constants_batches_and_holes() {
    let text = "
TABLE = 'users'
INDEX = f'ix_{TABLE}_name'
def forget(table, column='name'):
    op.drop_column(table, column)
def again(): again()
def downgrade():
    query = f'DROP INDEX {INDEX}'
    op.execute(query)
    forget(TABLE)
    forget('projects', column='title')
    forget(pick())
    again()
    with op.batch_alter_table('a') as batch_op:
        batch_op.drop_column('b')
        batch_op.drop_index('ix_b')
    for name in ('x', 'y'):
        op.drop_table(name)
        op.execute(f'TRUNCATE {name}')
";
    let expected = [
        "11: index ix_users_name",
        "7: column users.name",
        "7: column projects.title",
        "7: column ….name",
        "17: column a.b",
        "18: index ix_b",
        "20: table {name}",
        "21: rows of {name}",
    ];
    assert_eq!(drops(text), expected);
    assert!(downgrade(text).is_cut, "a helper that calls itself");
}

#[test]
fn kinds_of_functions() {
    for (text, kind) in [
        ("pass", Kind::Empty),
        ("'docstring'\n    ...\n    return None", Kind::Empty),
        ("'''no way back'''\n    raise NotImplementedError('no')", Kind::Raises),
        ("x = 1", Kind::Works),
    ] {
        let script = body(&format!("def upgrade():\n    {text}\n"));
        assert_eq!(script.upgrade.unwrap().kind, kind, "{text}");
        assert!(script.downgrade.is_none());
    }
}

#[test]
fn where_a_call_happens() {
    let text = "
def downgrade():
    with op.get_context().autocommit_block():
        op.create_index('ix', 't', ['a'], postgresql_concurrently=True)
    if op.get_context().as_sql:
        op.drop_table('t')
    [op.drop_table(t) for t in TABLES]
";
    let function = downgrade(text);
    let found: Vec<_> = function
        .operations()
        .map(|(operation, found)| (operation.name.as_str(), found.in_autocommit, found.is_conditional, found.in_loop))
        .collect();
    let expected =
        [("create_index", true, false, false), ("drop_table", false, true, false), ("drop_table", false, false, true)];
    assert_eq!(found, expected);
}

#[test]
fn growth_is_bounded() {
    let mut text = "a = 'x'\nb = ('x',)\n".to_owned();
    for _ in 0..200 {
        text.push_str("a = f'{a}{a}'\nb = (b, b)\n");
    }
    text.push_str("def f(x): g(x); g(x)\ndef g(x): h(x); h(x)\ndef h(x):\n");
    text.push_str(&"    f(x); g(x); op.execute(a)\n".repeat(100));
    text.push_str("def upgrade(): f(b)\n");
    let upgrade = body(&text).upgrade.unwrap();
    assert!(upgrade.is_cut);
}

#[test]
fn work_on_whole_tables() {
    let text = r#"
import sqlalchemy as sa
from alembic import op
def upgrade():
    op.create_table("new", sa.Column("id", sa.Integer))
    op.create_index("ix_new", "new", ["id"])
    op.alter_column("users", "age", type_=sa.BigInteger())
    op.alter_column("users", "name", nullable=False)
    op.alter_column("users", "name", server_default="x")
    op.create_index("ix_users", "users", ["age"])
    op.create_index("ix_later", "users", ["age"], postgresql_concurrently=True)
    op.create_foreign_key("fk_users", "users", "other", ["a"], ["id"])
    op.create_foreign_key("fk_later", "users", "other", ["b"], ["id"], postgresql_not_valid=True)
    op.execute("create index ix_sql on users (age); alter table users alter age type text")
    op.execute("alter table users alter name set not null, add u uuid default gen_random_uuid(), add w timestamptz default now()")
    op.execute("vacuum (full) users; cluster verbose users using ix")
    op.add_column("users", sa.Column("k", sa.Uuid(), server_default=sa.text("gen_random_uuid()")))
    op.add_column("users", sa.Column("n", sa.Integer(), sa.Identity()))
    op.add_column("users", sa.Column("m", sa.Integer(), server_default=sa.text("7")))
"#;
    let found: Vec<String> = heavy(&body(text).upgrade.unwrap())
        .into_iter()
        .map(|it| format!("{} {}: {}", it.line, it.table, it.what.split(';').next().unwrap()))
        .collect();
    assert_eq!(
        found,
        [
            "7 users: a new type for age may write the whole table anew",
            "8 users: NOT NULL on name reads every row",
            "10 users: index ix_users is built",
            "12 users: constraint fk_users is checked on every row",
            "14 users: index ix_sql is built",
            "14 users: a new type for age may write the whole table anew",
            "15 users: NOT NULL on name reads every row",
            "15 users: column u gets a value of its own in every row, which writes the whole table anew",
            "16 users: VACUUM FULL writes the whole table anew",
            "16 users: CLUSTER writes the whole table anew",
            "17 users: column k gets a value of its own in every row, which writes the whole table anew",
            "18 users: column n gets a value of its own in every row, which writes the whole table anew",
        ]
    );
}
