//! Pairs that are twins, and pairs that only look alike.

use std::path::Path;

use super::*;
use crate::model::{revision, script_body};

struct Text(Script, String, Body);

impl Text {
    fn new(id: &str, message: &str, upgrade: &str) -> Text {
        let text = format!(
            "\"\"\"{message}\n\nRevises: pppp\n\"\"\"\nimport sqlalchemy as sa\nfrom alembic import op\n\
             revision = '{id}'\ndown_revision = 'pppp'\ndef upgrade():\n    {upgrade}\n"
        );
        let path = Path::new("x.py");
        let script = revision::read(path, &text).unwrap();
        let body = script_body::read(path, &text).unwrap_or_else(|error| panic!("{error}\n{text}"));
        Text(script, text, body)
    }

    fn revision(&self) -> Revision<'_> {
        Revision { script: &self.0, text: &self.1, body: &self.2 }
    }
}

fn told(one: (&str, &str), other: (&str, &str)) -> Option<Likeness> {
    let (one, other) = (Text::new("aaaa", one.0, one.1), Text::new("bbbb", other.0, other.1));
    let there = likeness(&one.revision(), &other.revision());
    assert_eq!(there, likeness(&other.revision(), &one.revision()), "the same in both directions");
    there
}

fn by_code(one: &str, other: &str) -> Option<Likeness> {
    told(("one", one), ("other", other))
}

#[test]
fn the_same_change_is_known_whatever_guards_it() {
    let same = Some(Likeness::Same);
    let column = "op.add_column('t', sa.Column('note', sa.Text()))";
    assert_eq!(by_code(column, "op.execute('ALTER TABLE t ADD COLUMN IF NOT EXISTS note TEXT')"), same);
    assert_eq!(by_code(column, "if x:\n        op.add_column('t', sa.Column('note', sa.Text()))"), same);
    assert_eq!(by_code(column, "op.add_column('t', sa.Column('notes', sa.Text()))"), None);
    assert_eq!(
        by_code("op.create_index('ix', 't', ['a'])", "op.execute('create index if not exists ix on t (a)')"),
        same
    );
    let two = "op.execute('ALTER TABLE t ADD COLUMN IF NOT EXISTS note TEXT, ADD COLUMN IF NOT EXISTS more TEXT')";
    assert_eq!(by_code(column, two), same, "one does all that the other does");
    assert_eq!(
        by_code(
            "op.execute(\"ALTER TYPE m ADD VALUE 'x'\")",
            "op.execute(\"ALTER TYPE m ADD VALUE IF NOT EXISTS 'x'\")"
        ),
        same
    );
    assert_eq!(
        by_code(
            "op.execute(\"ALTER TYPE m ADD VALUE 'x'\")",
            "op.execute(\"ALTER TYPE m ADD VALUE IF NOT EXISTS 'y'\")"
        ),
        None
    );
}

#[test]
fn rows_are_the_same_only_by_the_words_of_the_statement() {
    let same = Some(Likeness::Same);
    let update = "op.execute('UPDATE roles SET auto = false')";
    assert_eq!(by_code(update, "op.execute('update roles set auto = false where auto = true')"), same);
    assert_eq!(by_code(update, "op.execute('UPDATE roles SET auto = true')"), None);
    let insert = "op.execute(\"INSERT INTO p (a) VALUES ('x')\")";
    assert_eq!(by_code(insert, "op.execute(\"INSERT INTO p (a) VALUES ('x') ON CONFLICT DO NOTHING\")"), same);
    assert_eq!(by_code(insert, "op.execute(\"INSERT INTO p (a) VALUES ('y') ON CONFLICT DO NOTHING\")"), None);
}

#[test]
fn words_are_a_hint_that_the_code_may_contradict() {
    let loose = "op.execute(f'UPDATE t SET {x}')";
    assert_eq!(told(("fix the odd rows", loose), ("Fix the odd rows (backport)", loose)), Some(Likeness::Alike));
    assert_eq!(told(("one", loose), ("duplicate of aaaa", loose)), Some(Likeness::Alike));
    assert_eq!(told(("one", loose), ("other", loose)), None);
    assert_eq!(told(("fix", loose), ("fix", loose)), None, "a word is no message");
    let other = "op.drop_table('u')";
    assert_eq!(told(("one", "op.drop_table('t')"), ("duplicate of aaaa", other)), None, "they have nothing in common");
    assert_eq!(told(("one", "pass"), ("duplicate of aaaa", other)), None);
}

#[test]
fn a_parent_in_the_header_is_no_mention() {
    let parent = Text::new("pppp", "one", "op.execute(f'{x}')");
    let child = Text::new("bbbb", "other", "op.execute(f'{x}')");
    assert_eq!(likeness(&parent.revision(), &child.revision()), None);
}

#[test]
fn the_surest_twin_is_taken() {
    let of = Text::new("aaaa", "add the note column", "op.add_column('t', sa.Column('note', sa.Text()))");
    let bare = Text::new("bbbb", "x", "op.add_column('t', sa.Column('note', sa.Text()))");
    let guarded = Text::new("cccc", "x", "op.add_column('t', sa.Column('note', sa.Text()), if_not_exists=True)");
    let words = Text::new("dddd", "add the note column", "op.execute(f'{x}')");
    let found = |among: &[&Text]| {
        twin(&of.revision(), among.iter().map(|text| text.revision())).map(|it| it.revision.script.id.clone())
    };
    assert_eq!(found(&[&bare, &guarded, &words]).as_deref(), Some("cccc"));
    assert_eq!(found(&[&words, &bare]).as_deref(), Some("bbbb"));
    assert_eq!(found(&[&words]).as_deref(), Some("dddd"));
    assert_eq!(found(&[&of]), None, "nothing is its own twin");
}

#[test]
fn what_can_run_where_it_has_run_already() {
    let open = |upgrade: &str| unguarded(&Text::new("aaaa", "x", upgrade).2).map(|it| it.what);
    for guarded in [
        "op.execute('ALTER TABLE t ADD COLUMN IF NOT EXISTS a int')",
        "op.add_column('t', sa.Column('a'), if_not_exists=True)",
        "if 'a' not in columns:\n        op.add_column('t', sa.Column('a'))",
        "there = sa.inspect(op.get_bind()).get_columns('t'); op.add_column('t', sa.Column('a'))",
        "op.execute('UPDATE t SET a = false WHERE a')",
        "op.execute('UPDATE t SET a = false')",
        "op.execute('INSERT INTO t VALUES (1) ON CONFLICT DO NOTHING')",
        "op.execute('INSERT INTO t SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM t)')",
        "op.execute('CREATE OR REPLACE VIEW v AS SELECT 1')",
        "op.alter_column('t', 'a', nullable=False)",
    ] {
        assert_eq!(open(guarded), None, "{guarded}");
    }
    for (bare, what) in [
        ("op.add_column('t', sa.Column('a'))", "column t.a"),
        ("op.execute('INSERT INTO t VALUES (1)')", "insert t"),
        ("op.execute('UPDATE t SET n = n + 1')", "update t"),
        ("op.execute('CREATE INDEX ix ON t (a)')", "create ix"),
        ("op.alter_column('t', 'a', new_column_name='b')", "column t.a"),
    ] {
        assert_eq!(open(bare).as_deref(), Some(what), "{bare}");
    }
}

/// However long a history is, few come into question for one: what many do alike is no sign of a pair.
#[test]
fn few_of_many_come_into_question() {
    let note = "op.execute('ALTER TABLE t ADD COLUMN IF NOT EXISTS note TEXT')";
    let many =
        (0..200).map(|n| Text::new(&format!("m{n:03}"), "one message for all", "op.execute('UPDATE t SET a = 1')"));
    let pair = [Text::new("aaaa", "add notes", note), Text::new("bbbb", "heals what m007 left", note)];
    let all: Vec<Text> = many.chain(pair).collect();
    let mut index = Index::new(all.iter().enumerate().map(|(at, text)| (text.0.id.clone(), at)));
    all.iter().enumerate().for_each(|(at, text)| index.add(at, &text.revision()));
    let like = |at: usize| index.like(&all[at].revision()).into_iter().collect::<Vec<_>>();
    assert_eq!((like(0), like(7)), (vec![], vec![201]), "named by another one");
    assert_eq!((like(200), like(201)), (vec![200, 201], vec![7, 200, 201]));
}
