//! `db-migrate --dry-run` downwards says what each script drops, and changes nothing.

use serde_json::json;

use crate::support::pg::cluster;
use crate::support::project::Project;
use crate::support::xtask::Xtask;

#[test]
fn a_downgrade_lists_what_each_script_drops() {
    let database = cluster().database();
    let project = Project::new(&cluster().url("asyncpg", &database))
        .revision("a1", "", "op.create_table('t', sa.Column('id', sa.Integer()))", "op.drop_table('t')")
        .revision(
            "b1",
            "a1",
            "op.add_column('t', sa.Column('x'))",
            "op.drop_column('t', 'x')\nop.execute('DELETE FROM t')",
        )
        .revision("c1", "b1", "pass", "pass");
    let setup = "create table alembic_version (version_num text); insert into alembic_version values ('c1')";
    cluster().client(&database).batch_execute(setup).unwrap();

    let command = "db-migrate --dry-run --direction=downgrade --target=base";
    let text = Xtask::new(project.root(), command).run().code(0);
    let expected = "  - c1 → b1: revision c1
  - b1 → a1: revision b1
      drops column t.x (line 9)
      deletes rows of t (line 10)
  - a1 → <base>: revision a1
      drops table t (line 9)
";
    assert!(text.stdout.contains(expected), "{text}");

    let drops = Xtask::new(project.root(), &format!("{command} --json")).run().code(0).json()["drops"].clone();
    let expected = json!({
        // The table is not there, so nothing can be counted.
        "b1": [{"what": "column t.x", "line": 9, "rows": null}, {"what": "rows of t", "line": 10, "rows": null}],
        "a1": [{"what": "table t", "line": 9, "rows": null}],
    });
    assert_eq!(drops, expected);
    let upwards = Xtask::new(project.root(), "db-migrate --dry-run --json").run().code(0).json();
    assert!(upwards.get("drops").is_none(), "{upwards}");
}
