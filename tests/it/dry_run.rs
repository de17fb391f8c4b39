//! `db-migrate --dry-run` downwards says what each script drops, and changes nothing.

use serde_json::json;
use xtask::fail::Kind;

use crate::support::pg::cluster;
use crate::support::project::Project;
use crate::support::scene::Scene;
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

/// Rows go also where the search path leads to no such table, behind other words than DROP and DELETE, and after a rename.
#[test]
fn what_goes_is_found_wherever_it_is() {
    let tables = ["s2.a", "s2.b", "s3.c", "e", "f", "g", "\"H.h\"", "i", "j"];
    let made = tables.map(|table| format!("create table {table} (n int)")).join("; ");
    let up = format!(
        "op.execute('create schema s2; create schema s3; create type mood as enum (\\'x\\'); create table d (n int, m mood); {made}')"
    );
    let down = "def drop(name): op.execute(f'drop table {name}')\nop.execute('drop table s2.a')\nop.drop_table('b', schema='s2')\n\
        op.execute('drop schema s3 cascade')\nop.execute('drop type mood cascade')\n\
        op.execute('with x as (delete from e returning n) select n from x')\n\
        op.execute('merge into f using g on true when matched then delete')\nop.drop_table('H.h')\n\
        op.execute('alter table d alter n type text using null')\nfor name in tables(): op.drop_table(name)\n\
        op.execute('do $$ begin delete from g; end $$')\ndrop('i')";
    let scene = Scene::new().revision("a1", "", &up, down);
    let scene = scene.revision("b2", "a1", "op.rename_table('g', 'k')", "op.drop_table('k')");
    let scene = scene.revision("c3", "b2", "pass", "op.execute('alter table j rename to l; drop table l')").at("c3");
    let filled = tables.map(|table| format!("insert into {table} values (1)")).join("; ").replace("into g ", "into k ");
    let scene = scene.sql(&format!("{filled}; insert into d values (1, 'x')"));
    let plan = scene.json("db-migrate --dry-run --direction=downgrade --target=base")["drops"].clone();
    let shown = |it: &serde_json::Value| format!("{}: {}", it["what"].as_str().unwrap(), it["rows"]);
    let found = |id: &str| plan[id].as_array().unwrap().iter().map(shown).collect::<Vec<_>>();
    assert_eq!((found("c3"), found("b2")), (vec!["table j: 1".to_owned()], vec!["table k: 1".to_owned()]));
    let mut expected = [
        "table s2.a: 1",
        "table s2.b: 1",
        "schema s3: null",
        "table s3.c: 1",
        "type mood: null",
        "column public.d.m: 1",
        "rows of e: 1",
        "rows of f: 1",
        "table H.h: 1",
        "values of d.n: 1",
        "table …: null",
        "SQL that only shows when it runs: null",
        "table i: 1",
    ];
    let mut all = found("a1");
    all.sort();
    expected.sort_unstable();
    assert_eq!(all, expected);
}

#[test]
fn an_upgrade_tells_what_it_does_to_large_tables_and_a_copy_shows_the_difference() {
    let steps = "op.execute('alter table a1 add more int')\nop.execute('alter table a1 alter n type text')\n\
                 op.execute('delete from small')";
    let scene = Scene::new().table("a1", "").table("small", "a1").at("head");
    let scene = scene.sql("insert into a1 select generate_series(1, 100001); insert into small values (1), (2)");
    let scene = scene.revision("c3", "small", steps, "op.execute('alter table a1 drop more')");
    let planned = scene.json("db-migrate --dry-run");
    let large = &planned["large_tables"][0];
    assert_eq!((&large["table"], &large["revision"], &large["rows"]), (&json!("a1"), &json!("c3"), &json!(100_001)));
    assert_eq!(
        planned["drops"]["c3"][0],
        json!({"what": "rows of small", "line": large["line"].as_i64().unwrap() + 1, "rows": 2})
    );
    let exact = scene.json("db-migrate --dry-run=exact")["exact"].clone();
    let objects: Vec<&str> =
        exact["schema_changes"].as_array().unwrap().iter().map(|it| it["object"].as_str().unwrap()).collect();
    assert_eq!(objects, ["column public.a1.more", "column public.a1.n"], "{exact}");
    assert_eq!(exact["rewritten"], json!(["a1"]), "{exact}");
    assert_eq!(exact["data_changes"].as_array().unwrap().last().unwrap()["table"], "public.small", "{exact}");
    let _ = scene
        .run("db-migrate --dry-run=exact")
        .code(0)
        .says("rows of public.small: 2 rows -> 0 rows")
        .says("a1 is written anew");
    assert_eq!((scene.versions(), scene.tables().as_str()), (vec!["small".to_owned()], "a1 small"));
    // What would fail fails on the copy, and that is said.
    let scene = scene.revision("d4", "c3", "op.execute('select 1/0')", "pass");
    let names = ["division by zero", "This was on a copy: the database itself is as it was"];
    scene.fails("db-migrate --dry-run=exact", Kind::SqlError, 1, &names);
    assert_eq!(scene.versions(), ["small"]);
}
