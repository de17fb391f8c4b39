//! What a clone cannot show, since it held the revision already: found on a database made from empty, and nobody accused
//! wrongly.

use super::ways::{notes, project, result, roundtrip, run, told};
use crate::support::pg::cluster;
use crate::support::project::Project;

const A: (&str, &str) = ("op.execute('create table t (id int)')", "op.execute('drop table t')");

/// `a`, then a `b` with these bodies; the database is at `b`.
fn at_b(upgrade: &str, downgrade: &str) -> (Project, String) {
    let (project, database) = project();
    let project = project.revision("a", "", A.0, A.1).revision("b", "a", upgrade, downgrade);
    let _ = run(&project, "db-migrate -q").code(0);
    (project, database)
}

#[test]
fn a_downgrade_that_leaves_what_the_upgrade_tolerates() {
    let tolerant = [
        "op.execute('create table if not exists u (n int)')",
        "sa.Table('u', sa.MetaData(), sa.Column('n', sa.Integer)).create(op.get_bind(), checkfirst=True)",
        "if not sa.inspect(op.get_bind()).has_table('u'):\n    op.create_table('u', sa.Column('n', sa.Integer))",
        "op.create_table('u', sa.Column('n', sa.Integer), if_not_exists=True)",
    ];
    for upgrade in tolerant {
        let (project, _) = at_b(upgrade, "pass");
        let report = roundtrip(&project, "--all", 4);
        assert!(report["baseline"].as_str().unwrap().starts_with("clone of"), "{report}");
        assert_eq!(told(&report), ["b schema-differs downgrade", "a reversible"], "{upgrade}: {report:#}");
        assert_eq!(result(&report, "b")["schema_changes"][0]["object"], "table public.u", "{report:#}");
        assert!(notes(&report, "b").contains("made from empty"), "{}", notes(&report, "b"));
    }
}

#[test]
fn a_downgrade_that_leaves_a_part() {
    let upgrade = "op.execute('alter table t add n int')\nop.execute('create index if not exists i on t (id)')";
    let (project, database) = at_b(upgrade, "op.execute('alter table t drop n')");
    cluster().client(&database).batch_execute("insert into t values (1, null)").unwrap();
    let report = roundtrip(&project, "", 4);
    assert_eq!(told(&report), ["b schema-differs downgrade"], "{report:#}");
    assert_eq!(result(&report, "b")["schema_changes"].as_array().unwrap().len(), 1, "{report:#}");
}

#[test]
fn who_leaves_nothing_is_not_accused() {
    // There before; changes rows that are not there; does nothing at all.
    for upgrade in ["op.execute('create table if not exists t (id int)')", "op.execute('update t set id = 0')", "pass"]
    {
        let (project, _) = at_b(upgrade, "pass");
        let report = roundtrip(&project, "--all", 0);
        assert_eq!(told(&report), ["b reversible", "a reversible"], "{upgrade}");
        assert_eq!(notes(&report, "b"), "[]", "{upgrade}");
    }
}

#[test]
fn what_the_clone_has_seen_stays_where_nothing_more_can_be_seen() {
    let (project, _) = at_b("op.execute('create table if not exists u (n int)')", "pass");
    // It went up once.
    let project = project.revision("a", "", "raise ValueError('only once upon a time')", A.1);
    let report = roundtrip(&project, "", 0);
    assert_eq!(told(&report), ["b reversible"], "{report:#}");
    assert!(notes(&report, "b").contains("could not be seen: a, below it, does not go up"), "{}", notes(&report, "b"));
}
