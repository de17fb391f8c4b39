//! Each rule on scripts that it finds something in, and on scripts that look alike and are right.

use std::path::Path;

use crate::model::action::Around;

use super::{Check, Context, Finding, Level, Levels, RULES, Release, Scope, Source, Tracking, check};

/// Scripts by name and text; `Context` then takes what git knows.
fn gathered(scripts: &[(&str, &str)]) -> Context {
    let source = |(name, text): &(&str, &str)| Source::new(Path::new(name), text.as_bytes().to_vec());
    Context::new(scripts.iter().map(source).collect(), "manager")
}

fn all(context: &Context) -> Vec<Finding> {
    // Rules that are off unless asked for are asked for.
    let levels: Levels =
        RULES.iter().filter(|rule| rule.level == Level::Off).map(|it| (it.code, Level::Error)).collect();
    check(context, &levels)
}

fn codes(findings: &[Finding]) -> Vec<String> {
    findings.iter().map(|finding| format!("{} {}:{}", finding.code, finding.path.display(), finding.line)).collect()
}

fn found(scripts: &[(&str, &str)]) -> Vec<String> {
    codes(&all(&gathered(scripts)))
}

/// A script that nothing can be said against: id, parents, the two bodies.
fn script(id: &str, down: &str, upgrade: &str, downgrade: &str) -> String {
    format!(
        "import sqlalchemy as sa\nfrom alembic import op\nrevision = '{id}'\ndown_revision = {down}\n\
         def upgrade():\n    {upgrade}\ndef downgrade():\n    {downgrade}\n"
    )
}

/// What is found in one script with these bodies. `upgrade()` begins in line 6.
fn body(upgrade: &str, downgrade: &str) -> Vec<String> {
    found(&[("a.py", &script("a", "None", upgrade, downgrade))])
}

const NONE: [&str; 0] = [];

#[test]
fn codes_and_names_are_unique_and_in_order() {
    assert!(RULES.windows(2).all(|pair| pair[0].code < pair[1].code), "codes in order, each once");
    let names: std::collections::BTreeSet<_> = RULES.iter().map(|rule| rule.name).collect();
    assert_eq!(names.len(), RULES.len());
}

#[test]
fn each_page_says_what_why_and_how() {
    for rule in RULES {
        assert!(rule.page.starts_with(&format!("# {}: {}\n", rule.code, rule.name)), "heading of {}", rule.code);
        for part in ["## Why it bites", "## What to do"] {
            assert!(rule.page.contains(part), "{} lacks {part}", rule.code);
        }
    }
}

#[test]
fn the_pages_say_what_the_table_says() {
    let index = include_str!("../../../rules/README.md");
    for rule in RULES {
        let level = match rule.level {
            Level::Off => "Off unless the project asks for it",
            Level::Warning => "Warning",
            Level::Error => "Error",
        };
        let rest = match (rule.check, rule.scope) {
            (Check::Models, _) => "; found by `--models` alone",
            (_, Scope::Unreleased) => "; says nothing about released scripts",
            (_, Scope::All) => "",
        };
        let weight = format!("**{level}{rest}.**");
        assert!(rule.page.contains(&weight), "the page of {} lacks {weight}", rule.code);
        let (start, end) = (format!("| [{0}]({0}.md) | {1} | ", rule.code, rule.name), format!(" | {level}{rest} |"));
        let is_row = |line: &str| line.starts_with(&start) && line.ends_with(&end);
        assert!(index.lines().any(is_row), "xtask/rules/README.md lacks: {start}…{end}");
    }
}

#[test]
fn graph() {
    let of = |id: &str, down: &str| script(id, down, "pass", "pass");
    let (base, left, right) = (of("a", "None"), of("b", "'a'"), of("c", "'a'"));
    assert_eq!(found(&[("a.py", &base), ("b.py", &left)]), NONE);
    assert_eq!(found(&[("a.py", &base), ("b.py", &left), ("c.py", &right)]), ["DB101 c.py:4"]);
    let joined = of("d", "('b', 'c')");
    assert_eq!(found(&[("a.py", &base), ("b.py", &left), ("c.py", &right), ("d.py", &joined)]), NONE);
    let labelled = right.replace("'a'", "None").replace("def upgrade", "branch_labels = 'own'\ndef upgrade");
    assert_eq!(found(&[("a.py", &base), ("c.py", &labelled)]), NONE, "a branch with a name is meant");

    assert_eq!(found(&[("a.py", &base), ("x.py", &base)]), ["DB102 x.py:3"]);
    assert_eq!(found(&[("b.py", &left)]), ["DB103 b.py:4"]);
    let computed = base.replacen("'a'", "FIRST + ''", 1);
    assert_eq!(found(&[("a.py", &computed), ("b.py", &left)]), ["DB204 a.py:3"], "it may be the parent");
    assert_eq!(found(&[("a.py", &of("a", "'b'")), ("b.py", &left)]), ["DB104 a.py:4"]);
    assert_eq!(found(&[("a.py", &of("a", "'a'"))]), ["DB104 a.py:4"]);
    assert_eq!(found(&[("a.py", &base), ("b.py", &left), ("d.py", &of("d", "('a', 'b')"))]), ["DB105 d.py:4"]);
    assert_eq!(found(&[("notes.py", "x = 1\n")]), ["DB106 notes.py:1"]);
    assert_eq!(found(&[("a.py", "revision = 'a'\n")]), ["DB106 a.py:1"]);
    let wrong = of("0679ff1f5482", "None");
    assert_eq!(found(&[("0679ff1f5482_a.py", &wrong)]), NONE);
    assert_eq!(found(&[("b8bfe5847085_a.py", &wrong)]), ["DB107 b8bfe5847085_a.py:3"]);
    assert_eq!(found(&[("2024_01_01_a.py", &wrong)]), NONE, "a template may leave the id out");
    let chain = [("a.py", base.as_str()), ("b.py", &left)];
    assert_eq!(found(&[chain[0], chain[1], ("z.py", &of("z", "None"))]), ["DB101 z.py:4", "DB108 z.py:4"]);
    let depends = of("b", "'a'").replace("def upgrade", "depends_on = 'nowhere'\ndef upgrade");
    assert_eq!(found(&[("a.py", &base), ("b.py", &depends)]), ["DB109 b.py:3"]);
    assert_eq!(found(&[("a.py", &of("a-b", "None"))]), ["DB110 a.py:3"]);
}

#[test]
fn file() {
    let good = script("a", "None", "pass", "pass");
    assert_eq!(found(&[("a.py", &good.replace("pass\n", "pass )\n"))]), ["DB201 a.py:6"]);
    let conflict =
        good.replace("revision = 'a'\n", "<<<<<<< HEAD\nrevision = 'a'\n=======\nrevision = 'b'\n>>>>>>> x\n");
    assert_eq!(found(&[("a.py", &conflict)]), ["DB202 a.py:3"]);
    assert_eq!(found(&[("a.py", &format!("'''Title\n=======\n'''\n{good}"))]), NONE, "an underline is no marker");
    let latin = [b"# caf\xe9\n", good.as_bytes()].concat();
    let broken = Context::new(vec![Source::new(Path::new("a.py"), latin)], "manager");
    assert_eq!(codes(&all(&broken)), ["DB203 a.py:1"]);
    assert_eq!(found(&[("a.py", &good.replace("pass", "pass  # \u{202e}"))]), ["DB203 a.py:6"]);
    let level =
        |unseen: &str| all(&gathered(&[("a.py", &good.replace("pass", &format!("pass  # {unseen}")))]))[0].severity;
    assert_eq!((level("\u{202e}"), level("\u{200b}")), (Level::Error, Level::Warning));
    // The harmless one first does not hide the other.
    let both = good.replacen("from alembic", "# a\u{200b}b\nfrom alembic", 1).replace("pass", "pass  # \u{202e}");
    let mut levels: Vec<_> =
        all(&gathered(&[("a.py", &both)])).iter().map(|it| (it.code, it.line, it.severity)).collect();
    levels.sort_by_key(|it| it.1);
    assert_eq!(levels, [("DB203", 2, Level::Warning), ("DB203", 7, Level::Error)]);
    assert_eq!(found(&[("a.py", &good.replace("= None", "= parent()"))]), ["DB204 a.py:4"]);
    let docstring = |text: &str| found(&[("a.py", &format!("\"\"\"x\n\n{text}\n\"\"\"\n{good}"))]);
    assert_eq!(docstring("Revision ID: a\nRevises: "), NONE);
    assert_eq!(docstring("Revision ID: b\nRevises: c"), ["DB205 a.py:3", "DB205 a.py:4"]);
    let revises = |line: &str, down: &str| {
        let text = format!("\"\"\"x\n\nRevises: {line}\n\"\"\"\n{}", script("m", down, "pass", "pass"));
        let parents = ["a1b2", "c3d4"].map(|id| (format!("{id}.py"), script(id, "None", "pass", "pass")));
        let mut all: Vec<(&str, &str)> = parents.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
        all.push(("m.py", &text));
        found(&all).iter().filter(|it| it.starts_with("DB205")).count()
    };
    for right in [
        "a1b2, c3d4",
        "('a1b2', 'c3d4')",
        "(u'c3d4', u'a1b2')",
        "[\"a1b2\", \"c3d4\"]",
        "a1b2 c3d4",
        "a1b2 (x), c3d4 (y)",
        "migrations/versions/a1b2_left.py, c3d4",
    ] {
        assert_eq!(revises(right, "('a1b2', 'c3d4')"), 0, "{right}");
    }
    for wrong in ["a1b2", "('a1b2', 'c3d5')", "a1b2, c3d4, e5f6", "None"] {
        assert_eq!(revises(wrong, "('a1b2', 'c3d4')"), 1, "{wrong}");
    }
    for (tracking, expected) in
        [(Tracking::Known, &[][..]), (Tracking::Untracked, &["DB206 a.py:1"]), (Tracking::Ignored, &["DB207 a.py:1"])]
    {
        let mut context = gathered(&[("a.py", &good)]);
        context.sources[0].tracking = tracking;
        assert_eq!(codes(&all(&context)), expected, "{tracking:?}");
    }
}

#[test]
fn a_comment_with_a_reason_switches_a_rule_off() {
    let script = script("a", "None", "op.drop_table('t')", "pass");
    assert_eq!(found(&[("a.py", &script)]), ["DB401 a.py:7"]);
    let with = |comment: &str| found(&[("a.py", &format!("{comment}\n{script}"))]);
    assert_eq!(with("# xtask: allow DB401: nobody uses it"), NONE);
    assert_eq!(with("# xtask: allow db402, downgrade-missing: nobody uses it"), NONE);
    assert_eq!(with("# xtask: allow DB401"), ["DB208 a.py:1", "DB401 a.py:8"]);
    assert_eq!(with("# xtask: allow DB999: why not"), ["DB208 a.py:1", "DB401 a.py:8"]);
}

#[test]
fn what_is_released_is_spared_by_rules_of_taste() {
    let mut context = gathered(&[("a.py", &script("a", "'gone'", "op.drop_table('t')", "pass"))]);
    context.sources[0].is_released = true;
    assert_eq!(codes(&all(&context)), ["DB103 a.py:4"], "what breaks today is said all the same");
    context.spares_released = false;
    assert_eq!(codes(&all(&context)), ["DB103 a.py:4", "DB401 a.py:7"]);
}

#[test]
fn a_project_weighs_rules() {
    let context = gathered(&[("a.py", &script("a", "None", "op.drop_table('t')", "pass"))]);
    let level = |level| check(&context, &Levels::from([("DB401", level)])).first().map(|finding| finding.severity);
    assert_eq!(level(Level::Off), None);
    assert_eq!(level(Level::Warning), Some(Level::Warning));
}

#[test]
fn downgrades() {
    assert_eq!(body("op.drop_table('t')", "pass"), ["DB401 a.py:7"]);
    assert_eq!(body("op.drop_table('t')", "raise NotImplementedError('gone')"), NONE);
    assert_eq!(body("op.execute('UPDATE t SET a = 1')", "pass"), ["DB401 a.py:7"]);
    assert_eq!(body("op.execute('UPDATE t SET a = 1')", "'''the rows stay as they are'''"), NONE);
    assert_eq!(body("op.drop_table('t')", "'''the rows stay as they are'''"), ["DB401 a.py:7"]);
    assert_eq!(body("op.execute('ALTER TABLE t ADD COLUMN IF NOT EXISTS a int')", "pass  # the parent drops it"), NONE);
    let no_downgrade = "revision = 'a'\ndown_revision = None\ndef upgrade():\n    op.drop_table('t')\n";
    assert_eq!(found(&[("a.py", no_downgrade)]), ["DB401 a.py:3"]);

    let create = "op.create_table('t', sa.Column('a')); op.create_index('ix', 't', ['a'])";
    assert_eq!(body(create, "op.drop_table('t')"), NONE, "the index goes with its table");
    assert_eq!(body(create, "op.drop_table('u')"), ["DB402 a.py:6", "DB402 a.py:6"]);
    assert_eq!(body(create, "op.execute('TRUNCATE t')"), ["DB402 a.py:6"], "an index does not go with a mention");
    assert_eq!(body(create, "op.execute('DO $$ BEGIN DROP TABLE t; END $$')"), NONE);
    let with_enum = "op.create_table('t', sa.Column('a', sa.Enum('x', 'y', name='color')))";
    assert_eq!(body(with_enum, "op.drop_table('t')"), ["DB402 a.py:6"], "the type stays");
    assert_eq!(body(with_enum, "op.drop_table('t'); op.execute('DROP TYPE color')"), NONE);
    assert_eq!(body(with_enum, "op.drop_table('t'); color.drop(op.get_bind())"), NONE, "color may be the type");
    assert_eq!(body("op.create_check_constraint('p', 't', 'a > 0')", "op.drop_constraint('ck_t_p', 't')"), NONE);
    assert_eq!(
        body("op.create_check_constraint('p', 't', 'a > 0')", "op.drop_constraint('ck_t_pp', 't')"),
        ["DB402 a.py:6"]
    );
    assert_eq!(body("op.add_column('t', sa.Column('a')); op.drop_column('t', 'a')", "op.execute('SELECT 1')"), NONE);
    assert_eq!(body("op.execute('CREATE VIEW v AS SELECT 1')", "op.execute('DROP VIEW v')"), NONE);
    assert_eq!(body("op.execute('CREATE VIEW v AS SELECT 1')", "op.execute('DROP VIEW w')"), ["DB402 a.py:6"]);
    let indexed = "op.create_index('ix', 'mv', ['a'], schema='s')";
    assert_eq!(body(indexed, "op.execute('DROP MATERIALIZED VIEW s.mv')"), NONE, "it goes with what it is of");
    let partition = "op.execute('CREATE TABLE p PARTITION OF t FOR VALUES IN (1)'); \
                     op.execute('CREATE TRIGGER tg BEFORE INSERT ON p FOR EACH ROW EXECUTE FUNCTION f()')";
    assert_eq!(body(partition, "op.drop_table('t')"), NONE, "a partition goes with its table, and what it has with it");
    let anew = "op.rename_table('t', 'old'); op.create_table('t', sa.Column('b')); op.drop_table('old')";
    assert_eq!(body("op.add_column('t', sa.Column('a', nullable=True))", anew), NONE, "the new one never had it");
}

#[test]
fn what_a_script_takes_from_outside() {
    let import = |line: &str, path: &str| {
        let mut context = gathered(&[(path, &format!("{line}\n{}", script("a", "None", "pass", "pass")))]);
        context.packages = vec!["shop".to_owned()];
        codes(&all(&context)).len()
    };
    assert_eq!(import("from shop.models import User", "migrations/versions/a.py"), 1);
    assert_eq!(import("import sqlalchemy.orm", "migrations/versions/a.py"), 0);
    assert_eq!(import("from ai.backend.common import x", "src/ai/backend/manager/models/alembic/versions/a.py"), 1);
    assert_eq!(import("from ai.other import x", "src/ai/backend/manager/models/alembic/versions/a.py"), 0);
    assert_eq!(import("from shop.migrations.helpers import x", "migrations/versions/a.py"), 0);
    for steady in ["models.base import GUID, IDColumn, convention", "db.types import MoneyType", "utils import chunks"]
    {
        assert_eq!(import(&format!("from shop.{steady}"), "migrations/versions/a.py"), 0, "{steady}");
    }
    for drifting in ["models.base import GUID, metadata", "models.user import UserRole", "db.types import Role"] {
        assert_eq!(import(&format!("from shop.{drifting}"), "migrations/versions/a.py"), 1, "{drifting}");
    }
    let used = |upgrade: &str| {
        let text =
            format!("from shop.fields import Money\n{}", script("a", "None", upgrade, "raise NotImplementedError"));
        let mut context = gathered(&[("a.py", &text)]);
        context.packages = vec!["shop".to_owned()];
        codes(&all(&context))
    };
    assert_eq!(used("op.create_table('t', sa.Column('a', Money()), sa.Column('b', Money))"), NONE, "only a type");
    assert_eq!(used("op.add_column('t', sa.Column('a', Money())); print(Money.all())"), ["DB403 a.py:1"]);

    let raises = "raise NotImplementedError";
    assert_eq!(body("x = input('sure?')", raises), ["DB404 a.py:6"]);
    assert_eq!(body("x = os.environ['INPUT']", raises), NONE);
    assert_eq!(body("print(f'{user.name}: {user.password}')", raises), ["DB405 a.py:6"]);
    assert_eq!(body("print('passwords are hashed now'); print(f'{count} passwords')", raises), NONE);
    assert_eq!(body("log.info('key', secret_key)", raises), ["DB405 a.py:6"]);
}

#[test]
fn statements_that_fail_on_a_real_database() {
    let raises = "raise NotImplementedError";
    let insert = |rows: &str| body(&format!("conn.execute(sa.insert(t).values({rows}))"), raises);
    assert_eq!(insert("[{'a': x} for x in xs]"), ["DB406 a.py:6"]);
    assert_eq!(insert("[{'a': 1}, {'a': 2}]"), NONE);
    assert_eq!(insert("a=1"), NONE);
    assert_eq!(body("conn.execute(sa.insert(t), [{'a': x} for x in xs])", raises), NONE, "one execution for each");

    let index = "op.create_index('ix', 't', ['a'], postgresql_concurrently=True)";
    assert_eq!(body(index, "op.drop_index('ix')"), ["DB407 a.py:6"]);
    assert_eq!(body(&format!("with op.get_context().autocommit_block(): {index}"), "op.drop_index('ix')"), NONE);
    assert_eq!(body("op.execute('CREATE INDEX CONCURRENTLY ix ON t (a)')", "op.drop_index('ix')"), ["DB407 a.py:6"]);
    let own = "with op.get_bind().engine.connect().execution_options(isolation_level='AUTOCOMMIT') as own: \
               own.exec_driver_sql('CREATE INDEX CONCURRENTLY ix ON t (a)')";
    assert_eq!(body(own, "op.drop_index('ix')"), NONE, "a connection that is in no transaction");
    let with_own =
        "with op.get_bind().engine.connect().execution_options(isolation_level='AUTOCOMMIT') as own:\n        ";
    let others = format!("{with_own}op.execute('CREATE INDEX CONCURRENTLY ix ON t (a)')");
    assert_eq!(body(&others, "op.drop_index('ix')"), ["DB407 a.py:7"], "it is on Alembic's connection");
    let ended = "op.execute('COMMIT'); op.execute('CREATE INDEX CONCURRENTLY ix ON t (a)')";
    assert_eq!(body(ended, "op.drop_index('ix')"), ["DB414 a.py:6"], "what begins a new transaction is the driver");

    let column = |options: &str| {
        body(&format!("op.add_column('t', sa.Column('a', sa.Integer(), {options}))"), "op.drop_column('t', 'a')")
    };
    assert_eq!(column("nullable=False"), ["DB408 a.py:6"]);
    assert_eq!(column("nullable=False, server_default='1'"), NONE);
    assert_eq!(column("sa.Identity(), nullable=False"), NONE);
    assert_eq!(column("nullable=True"), NONE);
    assert_eq!(column("nullable=False)); op.execute(sa.text('TRUNCATE t'"), NONE);
    let sql = |sql: &str| body(&format!("op.execute('{sql}')"), "op.drop_column('t', 'a')");
    assert_eq!(sql("ALTER TABLE t ADD COLUMN a int NOT NULL"), ["DB408 a.py:6"]);
    assert_eq!(sql("ALTER TABLE t ADD COLUMN a int NOT NULL DEFAULT 1"), NONE);
    let batch = "with op.batch_alter_table('t') as b: b.add_column(sa.Column('a', sa.Integer, nullable=False))";
    assert_eq!(body(batch, "op.drop_column('t', 'a')"), ["DB408 a.py:6"]);

    let alter = |from: &str, to: &str| {
        body(&format!("op.alter_column('t', 'a', existing_type={from}, type_={to})"), "op.alter_column('t', 'a')").len()
    };
    assert_eq!(alter("sa.Integer()", "sa.BigInteger()"), 1);
    assert_eq!(alter("sa.String(length=10)", "sa.String(length=20)"), 0);
    assert_eq!(alter("sa.String(20)", "sa.String(10)"), 1);
    assert_eq!(alter("sa.String(20)", "sa.Text()"), 0);
    assert_eq!(alter("sa.Text()", "sa.String(20)"), 1, "each value is looked at, and written");
    assert_eq!(alter("sa.String()", "sa.String(LONGEST)"), 0);
    assert_eq!(alter("GUID()", "sa.Integer()"), 0, "nothing is said of a type that is not known");
    let sql = |action: &str| body(&format!("op.execute('ALTER TABLE t {action}')"), raises);
    assert_eq!(sql("ALTER COLUMN a TYPE bigint"), ["DB409 a.py:6"]);
    assert_eq!(sql("ALTER a SET DATA TYPE mood USING a::text::mood, ALTER b TYPE jsonb"), ["DB409 a.py:6"; 2]);
    assert_eq!(sql("ALTER COLUMN a TYPE timestamp(3) with time zone"), ["DB409 a.py:6"]);
    assert_eq!(sql("ALTER COLUMN a TYPE varchar(64), ALTER COLUMN b TYPE text"), NONE, "they may only grow");
    assert_eq!(sql("ALTER COLUMN a TYPE numeric(12, 2)"), NONE);
    assert_eq!(sql("ALTER COLUMN a SET DEFAULT 1, ADD COLUMN b bigint"), NONE);
}

#[test]
fn what_looks_alike_and_is_right() {
    let raises = "raise NotImplementedError";
    let column = |column: &str| body(&format!("op.add_column('t', {column})"), raises);
    assert_eq!(column("sa.Column('a', sa.Integer(), nullable=False, primary_key=True)"), NONE);
    assert_eq!(column("sa.Column('a', sa.Integer(), nullable=False, **more)"), NONE);
    assert_eq!(column("IDColumn('a', nullable=False)"), NONE, "an application's own may bring a default");
    let required = "op.add_column('t', sa.Column('a', sa.Integer(), nullable=False))";
    assert_eq!(body(&format!("op.create_table('t'); {required}"), raises), NONE);
    assert_eq!(body(&format!("op.execute('DELETE FROM t'); {required}"), raises), NONE);
    assert_eq!(body(&format!("op.execute('DELETE FROM t WHERE b'); {required}"), raises), ["DB408 a.py:6"]);

    let batches = "for xs in batches:\n        conn.execute(sa.insert(t).values([{'a': x} for x in xs]))";
    assert_eq!(body(batches, raises), NONE);
    assert_eq!(body("rows = []; conn.execute(sa.insert(t).values(rows))", raises), ["DB406 a.py:6"]);
    assert_eq!(body("sys.stdout.write(password)", raises), ["DB405 a.py:6"]);
    assert_eq!(body("print('{password}')", raises), NONE, "a text that says just that");
    let same = "op.alter_column('t', 'a', existing_type=sa.String(20), type_=sa.String(20))";
    assert_eq!(body(same, raises), NONE);
    assert_eq!(body("op.execute('UPDATE u SET b = a'); op.drop_column('t', 'a')", raises), NONE, "another table's");
    let marker = format!("'''\n<<<<<<< HEAD\n'''\n{}", script("a", "None", "pass", "pass"));
    assert_eq!(found(&[("a.py", &marker)]), NONE, "a conflict has an end");
}

#[test]
fn what_a_downgrade_need_not_mention() {
    let forgets = |upgrade: &str| body(upgrade, "op.drop_table('u')");
    assert_eq!(forgets("op.create_table('t')"), ["DB402 a.py:6"]);
    assert_eq!(forgets("if x:\n        op.create_table('t')"), NONE, "it may have been there");
    assert_eq!(forgets("op.create_table('t', if_not_exists=True)"), NONE);
    assert_eq!(forgets("op.execute(f'CREATE VIEW {TABLE} AS SELECT 1')"), NONE);
    for off in ["create_type=False", "native_enum=False"] {
        assert_eq!(forgets(&format!("op.create_table('u', sa.Column('a', sa.Enum('x', name='color', {off})))")), NONE);
    }
    let recursive = script("a", "None", "op.create_table('t')", "again()") + "def again():\n    again()\n";
    assert_eq!(found(&[("a.py", &recursive)]), NONE, "nobody knows what else it does");

    // A column that is renamed into place, a partition of a table that goes.
    let into_place = "op.add_column('t', sa.Column('new')); op.drop_column('t', 'a'); op.alter_column('t', 'new', new_column_name='a')";
    assert_eq!(body(into_place, "op.alter_column('t', 'a', type_=sa.Text())"), NONE);
    let by_sql = "op.execute('ALTER TABLE t ADD COLUMN b int'); op.execute('ALTER TABLE t RENAME COLUMN b TO a')";
    assert_eq!(body(by_sql, "op.execute('SELECT 1')"), NONE);
    assert_eq!(forgets("op.execute('CREATE TABLE p PARTITION OF u FOR VALUES IN (1)')"), NONE);
    assert_eq!(forgets("op.execute('CREATE TABLE p PARTITION OF v FOR VALUES IN (1)')"), ["DB402 a.py:6"]);
    assert_eq!(body("op.execute('CREATE VIEW v AS SELECT 1')", "op.execute('DROP TABLE t CASCADE')"), NONE);

    let explained = |upgrade: &str| body(upgrade, "'''nothing to take back'''");
    assert_eq!(explained("op.create_table('t')"), ["DB401 a.py:7"]);
    assert_eq!(explained("op.create_table_comment('t', 'words')"), NONE);
    assert_eq!(explained("if x:\n        op.execute('CREATE TABLE t (a int)')"), NONE);
}

#[test]
fn what_is_for_another_database_is_not_done_here() {
    let raises = "raise NotImplementedError";
    let required = "op.add_column('t', sa.Column('a', sa.Integer(), nullable=False))";
    for test in [
        "if op.get_bind().dialect.name == 'sqlite'",
        "bind = op.get_bind()\n    if bind.engine.name != 'postgresql'",
        "dialect = op.get_bind().dialect.name\n    if dialect in ('sqlite', 'mysql')",
        "is_lite = op.get_context().dialect.name == 'sqlite'\n    if is_lite and x",
        "if not op.get_bind().dialect.name.startswith('postgres')",
    ] {
        assert_eq!(body(&format!("{test}:\n        {required}"), raises), NONE, "{test}");
        assert_eq!(body(&format!("{test}:\n        op.drop_table('t')"), "pass"), NONE, "{test}");
    }
    let here = "if op.get_bind().dialect.name == 'postgresql'";
    assert_eq!(body(&format!("{here}:\n        {required}"), raises), ["DB408 a.py:7"]);
    assert_eq!(body(&format!("{here}:\n        op.drop_table('t')"), "pass"), ["DB401 a.py:8"], "it is sure");
    assert_eq!(body(&format!("{here}:\n        return\n    {required}"), raises), NONE);
    let either = format!("{here}:\n        op.drop_table('u')\n    else:\n        {required}");
    assert_eq!(body(&either, raises), NONE);
    assert_eq!(body(&format!("if x:\n        pass\n    {required}"), raises), ["DB408 a.py:8"]);
    let helper = script("a", "None", &format!("if lite():\n        {required}"), raises)
        + "def lite():\n    return op.get_bind().dialect.name == 'sqlite'\n";
    assert_eq!(found(&[("a.py", &helper)]), NONE);
}

#[test]
fn sql_that_is_put_together() {
    let raises = "raise NotImplementedError";
    assert_eq!(body("op.execute(f'DROP TABLE {name}')", raises), ["DB411 a.py:6"]);
    assert_eq!(body("table = 't'; op.execute(f'DROP TABLE {table}')", raises), NONE);
    assert_eq!(body("[op.execute(f'DROP TABLE {TABLE}') for x in y]", raises), NONE);
    assert_eq!(body("op.execute('DELETE FROM t WHERE a = %s' % a)", raises), ["DB411 a.py:6"]);
    assert_eq!(body("op.execute('SELECT {}'.format(', '.join(f\"'{v}'\" for v in ('a', 'b'))))", raises), NONE);
    assert_eq!(body("op.execute(f\"SELECT left(a, {LONGEST - 1}) {'x' if y else 'z'}\")", raises), NONE);
    let in_loop = "for t in ('a', 'b'):\n        op.execute(f'TRUNCATE {t}')";
    assert_eq!(body(in_loop, raises), NONE);
}

#[test]
fn rules_that_are_off_unless_asked_for() {
    let raises = "raise NotImplementedError";
    let moved = "op.execute('UPDATE t SET b = a'); op.drop_column('t', 'a')";
    assert_eq!(body(moved, raises), ["DB410 a.py:6"]);
    assert_eq!(body("op.drop_column('t', 'a')", raises), NONE);
    assert_eq!(body("op.drop_column('t', 'a'); op.drop_column('u', 'a')", raises), ["DB412 a.py:5"]);
    let linked =
        "op.drop_column('t', 'a'); op.create_foreign_key('fk', 't', 'u', ['b'], ['c']); op.drop_column('u', 'a')";
    assert_eq!(body(linked, raises), NONE);
    let quiet = check(&gathered(&[("a.py", &script("a", "None", moved, raises))]), &Levels::new());
    assert_eq!(codes(&quiet), NONE);
}

#[test]
fn the_release_marker_is_asked_for_where_it_is_a_habit() {
    let of = |id: usize, marker: &str| {
        let down = if id == 0 { "None".to_owned() } else { format!("'r{}'", id - 1) };
        format!("{marker}\n{}", script(&format!("r{id}"), &down, "pass", "pass"))
    };
    let history = |marker: &str| {
        let scripts: Vec<(String, String)> =
            (0..8).map(|id| (format!("{id}.py"), of(id, if id < 7 { marker } else { "" }))).collect();
        let scripts: Vec<(&str, &str)> = scripts.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
        let mut context = gathered(&scripts);
        context.sources.iter_mut().take(7).for_each(|source| source.is_released = true);
        context
    };
    assert_eq!(codes(&check(&history("# Part of: 1.0"), &Levels::new())), ["DB501 7.py:4"]);
    assert_eq!(codes(&check(&history(""), &Levels::new())), NONE);
    let configured = check(&history(""), &Levels::from([("DB501", Level::Error)]));
    assert!(configured.iter().any(|finding| finding.path == Path::new("7.py")), "{configured:?}");
}

#[test]
fn a_backport_has_a_guarded_twin_whichever_was_first() {
    let add = "op.execute('ALTER TABLE t ADD COLUMN IF NOT EXISTS note text')";
    let drop = "op.execute('ALTER TABLE t DROP COLUMN IF EXISTS note')";
    let backport = |on_top: (&str, &str), released: &[usize]| {
        let texts = [
            script("base", "None", "op.drop_table('u')", "op.create_table('u')"),
            script("fix1", "'base'", add, drop),
            script("next", "'fix1'", "op.drop_table('v')", "op.create_table('v')"),
            script("twin", "'next'", on_top.0, on_top.1),
        ];
        let names = ["a.py", "b.py", "c.py", "d.py"];
        let scripts: Vec<(&str, &str)> = names.into_iter().zip(texts.iter().map(String::as_str)).collect();
        let mut context = gathered(&scripts);
        released.iter().for_each(|&at| context.sources[at].is_released = true);
        let (main, base) = ("main".to_owned(), "0000".to_owned());
        context.past = Some(super::Past { main, base, changes: Vec::new(), merged: None });
        codes(&all(&context))
    };
    let (new, old) = (&[0, 2][..], &[0, 2, 3][..]);
    assert_eq!(backport((add, drop), new), NONE);
    assert_eq!(backport((add, "pass"), old), NONE, "the twin was released first, and the one below goes back");
    assert_eq!(backport((add, "pass"), new), NONE, "the twin need not take back what the one below does");
    let bare = "op.add_column('t', sa.Column('note'))";
    assert_eq!(backport((bare, "op.drop_column('t', 'note')"), new), ["DB303 b.py:4"], "it fails where both run");
    assert_eq!(backport(("op.drop_table('w')", "op.create_table('w')"), new), ["DB303 b.py:4"]);
}

#[test]
fn a_second_history_is_one_that_nothing_joins() {
    let of = |id: &str, down: &str| script(id, down, "pass", "pass");
    let (a, b, c) = (of("a", "None"), of("b", "None"), of("c", "('a', 'b')"));
    assert_eq!(found(&[("a.py", &a), ("b.py", &b), ("c.py", &c)]), NONE, "a merge joins them");
    let long = [("a.py", a.as_str()), ("b.py", &b), ("c.py", &of("c", "'b'"))];
    let context = gathered(&long);
    let findings = all(&context);
    let second = findings.iter().find(|finding| finding.code == "DB108").unwrap();
    // The longer one is the history proper, and its head is no descendant of the other.
    assert_eq!(
        (second.path.to_str(), second.help[0].text(&Around::default()).ends_with("down_revision = \"c\"")),
        (Some("a.py"), true),
        "{second:?}"
    );
    let depends = of("a", "None").replace("def upgrade", "depends_on = 'b'\ndef upgrade");
    assert_eq!(found(&[("a.py", &depends), ("b.py", &b)]), ["DB101 b.py:4"]);
}

#[test]
fn what_an_empty_downgrade_is_said_to_forget() {
    let said = |upgrade: &str| {
        let context = gathered(&[("a.py", &script("a", "None", upgrade, "pass"))]);
        all(&context).into_iter().map(|finding| finding.message).collect::<String>()
    };
    assert!(said("op.execute('ALTER TABLE t ALTER COLUMN a TYPE int USING a::int')").contains("changes the structure"));
    assert!(said("op.execute('UPDATE t SET a = 1')").contains("changes rows"));
    assert!(said("do_it(op.get_bind())").contains("does something"));
    assert_eq!(said("op.execute(\"ALTER TYPE mood ADD VALUE 'glad'\")"), "", "a value stays in any case");
    assert_eq!(said("op.execute('ALTER TABLE t ADD COLUMN IF NOT EXISTS a int')"), "", "a repair");
    // Only where the column is not there yet: nobody can say that there is something to take back.
    assert_eq!(said("if missing(op, 't', 'a'):\n        op.add_column('t', sa.Column('a'))"), "", "a repair");
    assert!(said("op.add_column('t', sa.Column('a'))").contains("changes the structure"));
}

#[test]
fn ids_that_do_not_fit_or_are_made_up() {
    let id = |id: &str| found(&[("a.py", &script(id, "None", "pass", "pass"))]);
    let long = "0002_agent_ownership_public_channel_model";
    assert_eq!(id(long), ["DB111 a.py:3"]);
    assert_eq!(id(&long[..32]), NONE);
    let widened =
        script(long, "None", "op.alter_column('alembic_version', 'version_num', type_=sa.String(64))", "raise E");
    assert_eq!(found(&[("a.py", &widened)]), NONE);
    let mut context = gathered(&[("a.py", &script(long, "None", "pass", "pass"))]);
    context.env = Some(super::Env::new(Path::new("env.py"), "# version_num is varchar(64)".to_owned()));
    assert_eq!(codes(&all(&context)), NONE);

    for typed in ["a1b2c3d4e5f6", "123456789abc", "deaddeaddead", "000000000001", "fedcba980042"] {
        assert_eq!(id(typed), ["DB112 a.py:3"], "{typed}");
    }
    for made in ["0b1efbb2db84", "1cc9b47e0a8e", "45d3064b95c9", "c2d9a3e2b1c5", "20240101_add", "abc", "v3.1.0"] {
        assert_eq!(id(made), NONE, "{made}");
    }
}

#[test]
fn transactions_that_a_script_cuts() {
    let raises = "raise NotImplementedError";
    let block = "with op.get_context().autocommit_block():\n        op.execute(\"ALTER TYPE m ADD VALUE 'x'\")";
    assert_eq!(body(&format!("op.drop_column('t', 'a')\n    {block}"), raises), ["DB413 a.py:8"]);
    assert_eq!(body(&format!("op.execute('SELECT 1')\n    {block}"), raises), NONE);
    assert_eq!(body(&format!("{block}\n    op.drop_column('t', 'a')"), raises), NONE);

    let own = "with engine.connect().execution_options(isolation_level='AUTOCOMMIT') as own:\n        ";
    let on_own = format!("op.drop_column('t', 'a')\n    {own}own.execute(sa.text('VACUUM t'))");
    assert_eq!(body(&on_own, raises), NONE, "nothing of Alembic's is committed");
    assert_eq!(body(&format!("{own}own.commit(); own.execute(sa.text('COMMIT'))"), raises), NONE);
    assert_eq!(body(&format!("{own}op.execute('COMMIT')"), raises), ["DB414 a.py:7"]);

    for ending in [
        "op.execute('COMMIT')",
        "conn = op.get_bind(); conn.connection.commit()",
        "op.get_bind().execute(sa.text('commit'))",
        "conn = op.get_bind(); conn.execute(sa.text('UPDATE t SET a = 1 WHERE b; ROLLBACK'))",
        "bind = op.get_bind(); bind.commit()",
        "op.get_bind().commit()",
        "op.get_bind().connection.commit()",
    ] {
        assert_eq!(body(ending, raises), ["DB414 a.py:6"], "{ending}");
    }
    for quiet in [
        "op.execute('ROLLBACK TO SAVEPOINT a')",
        "own = op.get_bind().engine.connect(); own.connection.commit()",
        "op.get_bind().engine.raw_connection().connection.commit()",
        "session = Session(bind=op.get_bind()); session.commit()",
        "op.execute(\"UPDATE t SET a = 'commit' WHERE b\")",
        "with op.get_context().autocommit_block():\n        op.execute('COMMIT')",
    ] {
        assert_eq!(body(quiet, raises), NONE, "{quiet}");
    }
}

#[test]
fn what_is_left_broken_or_fails_later() {
    let raises = "raise NotImplementedError";
    let block = |inside: &str| body(&format!("with op.get_context().autocommit_block():\n        {inside}"), raises);
    let sql = "op.execute('create unique index concurrently if not exists ux on t (v)')";
    assert_eq!(block(sql), ["DB415 a.py:7"]);
    let by_operation = "op.create_index('ux', 't', ['v'], postgresql_concurrently=True, if_not_exists=True)";
    assert_eq!(block(by_operation), ["DB415 a.py:7"]);
    assert_eq!(block(&format!("op.execute('drop index concurrently if exists ux'); {sql}")), NONE);
    assert_eq!(block("op.execute('create index concurrently ux on t (v)')"), NONE);
    assert_eq!(body("op.execute('create index if not exists ux on t (v)')", raises), NONE);

    let unnamed = "op.drop_constraint(None, 't', type_='foreignkey')";
    assert_eq!(body("op.create_foreign_key(None, 't', 'u', ['a'], ['b'])", unnamed), ["DB416 a.py:8"]);
    assert_eq!(body("op.drop_constraint(None, 't', type_='primary')", raises), NONE);
    assert_eq!(body("op.drop_constraint('fk', 't')", raises), NONE);
}

#[test]
fn a_value_that_is_added_and_used_in_one_transaction() {
    let raises = "raise NotImplementedError";
    let block = |inside: &str| body(&format!("with op.get_context().autocommit_block():\n        {inside}"), raises);
    let add = "op.execute(\"ALTER TYPE mood ADD VALUE IF NOT EXISTS 'glad'\")";
    let used = |more: &str| body(&format!("{add}; {more}"), raises);
    assert_eq!(used("op.execute(\"UPDATE t SET a = 'glad' WHERE a = 'sad'\")"), ["DB417 a.py:6"]);
    assert_eq!(used("op.alter_column('t', 'a', server_default='glad')"), ["DB417 a.py:6"]);
    let text = "op.add_column('t', sa.Column('b', sa.String(9), server_default='glad', nullable=True))";
    assert_eq!(used(text), NONE, "a text that reads like the value");
    let later = "op.execute('COMMIT'); op.execute(\"UPDATE t SET a = 'glad'\")";
    assert_eq!(used(later), ["DB414 a.py:6"], "it is used in another transaction");
    let vacuum = "with op.get_context().autocommit_block():\n        op.execute('VACUUM t')";
    let after_block = format!("{add}\n    {vacuum}\n    op.execute(\"UPDATE t SET a = 'glad'\")");
    assert_eq!(body(&after_block, raises), ["DB413 a.py:8"], "the block has committed the value");
    let perhaps =
        format!("{add}\n    if x:\n        op.execute('COMMIT')\n    op.execute(\"UPDATE t SET a = 'glad'\")");
    assert_eq!(body(&perhaps, raises), ["DB414 a.py:8", "DB417 a.py:9"]);
    let first = "op.execute(\"COMMIT; ALTER TYPE mood ADD VALUE 'glad'; UPDATE t SET a = 'glad'\")";
    assert_eq!(body(first, raises), ["DB414 a.py:6", "DB417 a.py:6"]);
    let between = "op.execute(\"ALTER TYPE mood ADD VALUE 'glad'; COMMIT; UPDATE t SET a = 'glad'\")";
    assert_eq!(body(between, raises), ["DB414 a.py:6"]);
    assert_eq!(used("op.execute(t.update().values(a='glad'))"), ["DB417 a.py:6"]);
    for parameter in [
        "op.get_bind().execute(sa.text('UPDATE t SET a = :m').bindparams(m='glad'))",
        "op.execute(sa.text('UPDATE t SET a = :m').bindparams(sa.bindparam('m', 'glad')))",
        "op.get_bind().execute(sa.text('UPDATE t SET a = :m'), {'m': 'glad'})",
        "op.get_bind().exec_driver_sql('UPDATE t SET a = %s', (\"glad\",))",
        "op.get_bind().execute(t.update().where(t.c.a == 'glad').values(b=1))",
        "op.bulk_insert(t, [{'a': 'glad'}])",
        "op.add_column('t', sa.Column('b', sa.Enum('sad', 'glad', name='mood'), server_default='glad'))",
    ] {
        assert_eq!(used(parameter), ["DB417 a.py:6"], "{parameter}");
    }
    assert_eq!(used("new = 'glad'; op.execute(t.update().values(a=new))"), ["DB417 a.py:6"]);
    // Names of columns.
    assert_eq!(used("op.alter_column('t', 'glad', nullable=False)"), NONE);
    assert_eq!(used("op.bulk_insert(sa.table('t', sa.column('glad')), [{'glad': True}])"), NONE);
    assert_eq!(used("op.bulk_insert(t, [{'glad': True, 'a': 'sad'}])"), NONE);
    assert_eq!(used("op.add_column('t', sa.Column('glad', sa.Boolean))"), NONE);
    assert_eq!(used("op.execute(\"UPDATE t SET a = 'sad' WHERE b\")"), NONE);
    assert_eq!(used("op.execute(\"ALTER TYPE mood ADD VALUE 'merry' AFTER 'glad'\")"), NONE);
    assert_eq!(
        used("op.alter_column('t', 'a', existing_type=sa.Enum('sad', 'glad', name='mood'), nullable=False)"),
        NONE
    );
    assert_eq!(
        body(
            &format!("op.execute(\"CREATE TYPE mood AS ENUM ('sad')\"); {add}; op.execute(\"SELECT 'glad'\")"),
            raises
        ),
        NONE
    );
    assert_eq!(block(&format!("{add}\n    op.execute(\"UPDATE t SET a = 'glad' WHERE b\")")), NONE);
}

#[test]
fn what_the_whole_server_shares() {
    let raises = "raise NotImplementedError";
    for shared in [
        "DROP ROLE app",
        "create user app",
        "ALTER SYSTEM SET x = 1",
        "DROP DATABASE d",
        "DROP OWNED BY app",
        "GRANT readers TO app",
        "grant a, \"b c\" to app with admin option",
        "REVOKE ADMIN OPTION FOR readers FROM app",
    ] {
        assert_eq!(body(&format!("op.execute('{shared}')"), raises), ["DB418 a.py:6"], "{shared}");
    }
    for own in [
        "CREATE USER MAPPING FOR a SERVER s",
        "GRANT SELECT (a, b), UPDATE (a) ON t TO app",
        "REVOKE ALL ON t FROM app",
        "ALTER TABLE t OWNER TO app",
        "SELECT 1",
    ] {
        assert_eq!(body(&format!("op.execute('{own}')"), raises), NONE, "{own}");
    }
}

#[test]
fn what_env_py_does_to_others() {
    let env = |text: &str| {
        let mut context = gathered(&[]);
        context.env = Some(super::Env::new(Path::new("env.py"), text.to_owned()));
        codes(&all(&context))
    };
    assert_eq!(env("fileConfig(config.config_file_name)"), ["DB701 env.py:1"]);
    assert_eq!(env("if x:\n    logging.config.fileConfig(f)"), ["DB701 env.py:2"]);
    assert_eq!(env("fileConfig(config.config_file_name, disable_existing_loggers=False)"), NONE);
    let online = |before: &str| {
        env(&format!(
            "def offline():\n    context.configure(url=url)\ndef online():\n    with engine.connect() as connection:\n        \
             {before}\n        context.configure(connection=connection)\n        with context.begin_transaction():\n            \
             context.run_migrations()\nif context.is_offline_mode():\n    offline()\nelse:\n    online()\n"
        ))
    };
    assert_eq!(online("connection.execute(text('SET search_path = a'))"), ["DB702 env.py:5"]);
    assert_eq!(online("connection.execute(text('SET search_path = a')); connection.commit()"), NONE);
    assert_eq!(online("pass"), NONE);
    let begins = "def online():\n    with engine.begin() as connection:\n        connection.execute(x)\n        \
                  context.configure(connection=connection)\nonline()\n";
    assert_eq!(env(begins), NONE, "whoever begins a transaction ends it");
    let run_sync = "def run(connection):\n    connection.execute(x)\n    context.configure(connection=connection)\n\
                    async def online():\n    async with engine.connect() as connection:\n        \
                    await connection.run_sync(run)\nasyncio.run(online())\n";
    assert_eq!(env(run_sync), ["DB702 env.py:2"]);
}

#[test]
fn an_edit_of_what_is_in_no_release_is_a_warning() {
    let edited = |text: &str, release: Release| {
        let now = text.replace("drop_table('t')", "drop_table('u')");
        let mut context = gathered(&[("a.py", &now)]);
        context.sources[0].is_released = true;
        let before = text.as_bytes().to_vec();
        let change = super::Change { from: "a.py".into(), to: Some("a.py".into()), before, release };
        let (main, base) = ("main".to_owned(), "0000".to_owned());
        context.past = Some(super::Past { main, base, changes: vec![change], merged: None });
        check(&context, &Levels::new()).first().map(|finding| (finding.code, finding.severity))
    };
    let text = script("a", "None", "op.drop_table('t')", "raise NotImplementedError");
    assert_eq!(edited(&text, Release::In("v1".to_owned())), Some(("DB301", Level::Error)));
    assert_eq!(edited(&text, Release::None), Some(("DB301", Level::Warning)));
    assert_eq!(
        edited(&text, Release::Unknown),
        Some(("DB301", Level::Error)),
        "without tags the main branch is the release"
    );
    let marked = format!("# Part of: NEXT_RELEASE_VERSION\n{text}");
    assert_eq!(edited(&marked, Release::Unknown), Some(("DB301", Level::Warning)));
}
