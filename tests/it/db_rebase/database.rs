//! The database's part on real PostgreSQL with real Alembic: at every place that it may be in, and what keeps it from
//! being touched.

use std::fs;

use serde_json::Value;

use crate::support::branches::{Branches, script};
use crate::support::made::{FOR_REAL, fails_for_real};
use crate::support::project::path;

/// `main`: p, r, s. `feature`, which is here and has main in it: a, b on p.
fn feature() -> Branches {
    Branches::diverged("p", "r < p; s < r", "a < p; b < a").merged()
}

/// With the database at these revisions, and a row in each table.
pub fn feature_at(place: &str) -> Branches {
    feature().at(place)
}

fn steps(answer: &Value) -> String {
    let names = answer["steps"].as_array().unwrap().iter().map(|step| step["name"].as_str().unwrap());
    names.collect::<Vec<_>>().join(" ")
}

/// Where the database ends when it began at `place`; then everything that is pending is applied.
#[track_caller]
fn from(place: &str, expected_steps: &str, expected_heads: &str) -> Branches {
    let case = feature_at(place);
    let answer = case.run("db-rebase --json").code(0).json();
    assert_eq!(steps(&answer), expected_steps, "from {place}");
    assert_eq!(case.heads(), expected_heads, "from {place}");
    assert_eq!(case.history(), "a<s b<a p< r<p s<r");
    let _ = case.run("db-migrate").code(0);
    assert_eq!(case.heads(), "b");
    for id in ["a", "b", "p", "r", "s"] {
        assert!(case.rows(0).contains(&format!("t_{id}:")), "t_{id} was never made: {}", case.rows(0));
    }
    let _ = case.run("db-status --check").code(0);
    case
}

const TRIP: &str = "backup downgrade edit upgrade";

#[test]
fn at_the_own_head() {
    let case = from("b", TRIP, "b");
    // Nothing went down: not a row is touched.
    assert!(["a", "b", "p"].iter().all(|id| case.rows(0).contains(&format!("t_{id}: (7)"))), "{}", case.rows(0));
}

#[test]
fn on_the_way_to_the_own_head() {
    let _ = from("a", TRIP, "a");
}

#[test]
fn at_both_heads() {
    let case = from("b s", TRIP, "b");
    assert!(case.rows(0).contains("t_s: (7)"), "{}", case.rows(0));
}

#[test]
fn at_the_released_head_behind_and_at_nothing() {
    let case = from("s", "edit", "s");
    assert!(case.rows(0).contains("t_s: (7)"), "{}", case.rows(0));
    let _ = from("r", "edit", "r");
    let _ = from("p", "edit", "p");
    let _ = from("", "edit", "");
}

#[test]
fn not_up_at_all() {
    let case = feature();
    let ini = fs::read_to_string(case.root().join("alembic.ini")).unwrap();
    let down = ini.lines().map(|line| match line.starts_with("sqlalchemy.url") {
        true => "sqlalchemy.url = postgresql+psycopg2://nobody@127.0.0.1:9/nothing".to_owned(),
        false => line.to_owned(),
    });
    case.repo.write("alembic.ini", &(down.collect::<Vec<_>>().join("\n") + "\n"));
    let output = case.run("db-rebase").code(0).complains("would never run what is below now");
    assert!(output.stderr.contains("--direction=downgrade --target=p"), "{output}");
    assert_eq!(case.history(), "a<s b<a p< r<p s<r");
}

#[test]
fn left_alone_it_stays_and_the_commands_put_it_right() {
    let case = feature_at("b");
    let before = case.rows(0);
    let output = case.run("db-rebase --no-db").code(0).complains("git stash");
    assert_eq!(case.rows(0), before);
    assert!(output.stderr.contains("db-migrate --direction=downgrade --target=p"), "{output}");
    // As it says.
    case.repo.git(&["stash", "--quiet"]);
    let _ = case.run("db-migrate --direction=downgrade --target=p").code(0);
    case.repo.git(&["stash", "pop", "--quiet"]);
    let _ = case.run("db-migrate").code(0);
    assert!(["t_r", "t_s", "t_a", "t_b"].iter().all(|table| case.rows(0).contains(table)), "{}", case.rows(0));
}

#[test]
fn where_the_order_decides_it_goes_down_and_rows_go_only_when_that_is_meant() {
    let case = feature_at("b");
    // What b makes depends on what ran before it: main's s changes the table that b is like.
    let like = script("b", "a").replace("(v int)", "(like t_p)");
    case.repo.commit("like", &[(&path("b"), &like)]);
    let s = script("s", "r").replace("create table t_s (v int)", "alter table t_p add w int");
    let s = s.replace("drop table t_s", "alter table t_p drop w");
    case.repo.commit("add", &[(&path("s"), &s)]);
    case.sql(0, "insert into t_b select generate_series(1, 499)");
    let (files, whole) = (case.files(), case.whole(0));
    let dry = case.run("db-rebase --dry-run").code(0);
    let dry = dry.says("it cannot stay as it is: staying as it is comes to another schema: column public.t_b.w");
    let dry = dry.says("  they are carried over");
    let _ = dry.says("  500 rows of t_b go (b, migrations/versions/b.py:19)\n  1 row of t_a goes");
    let refused = case.run("db-rebase --json").code(3);
    assert_eq!(refused.kind(), "rows-at-stake");
    assert_eq!((case.files(), case.whole(0)), (files, whole));
    let answer = case.run("db-rebase --json --yes").code(0).json();
    assert_eq!((&answer["rows"]["kept"], &answer["rows"]["at_stake"][0]["rows"]), (&false.into(), &500.into()));
    // They were put back as far as they fit.
    let count: i64 = case.client().query_one("select count(v) from t_b", &[]).unwrap().get(0);
    assert_eq!(count, 500, "{answer}");
    assert!(answer["put_back"]["done"].to_string().contains("t_b: 500 rows put back"), "{answer}");
    assert_eq!(case.heads(), "b");
}

/// While a rebase lies half-way, its column is not there: whoever changes a row then cannot mean its value.
#[test]
fn a_row_that_was_changed_without_the_column_gets_its_value_back() {
    let case = feature_at("b");
    let up = format!(
        "create table t_b (like t_p)')\n    op.execute('alter table t_p add mine int')\n    \
        if __import__('os').path.exists('fails') and {FOR_REAL}: raise RuntimeError('no way')\n    op.execute('select 1"
    );
    let b = script("b", "a").replace("create table t_b (v int)", &up);
    let b = b.replace("drop table t_b", "drop table t_b; alter table t_p drop mine");
    case.repo.commit("like", &[(&path("b"), &b)]);
    let s = script("s", "r").replace("create table t_s (v int)", "alter table t_p add w int");
    case.repo.commit("add", &[(&path("s"), &s.replace("drop table t_s", "alter table t_p drop w"))]);
    case.sql(0, "alter table t_p add primary key (v); alter table t_p add mine int; update t_p set mine = 4711");
    fs::write(case.path("fails"), "").unwrap();
    let _ = case.run("db-rebase --yes").code(1);
    fs::remove_file(case.path("fails")).unwrap();
    case.sql(0, "update t_p set v = v");
    let _ = case.run("db-rebase --abort").code(0);
    let kept: i64 = case.client().query_one("select count(*) from t_p where mine = 4711", &[]).unwrap().get(0);
    assert_eq!(kept, 1);
}

#[test]
fn what_stands_in_the_way_is_refused_with_nothing_changed() {
    let case = feature_at("b");
    let (files, whole) = (case.files(), case.whole(0));
    let guest = case.client();
    assert_eq!(case.run("db-rebase --json").code(3).kind(), "active-connections");
    drop(guest);
    case.sql(0, "update alembic_version set version_num = 'zzz'");
    assert_eq!(case.run("db-rebase --json").code(3).kind(), "unknown-revision");
    case.sql(0, "update alembic_version set version_num = 'b'");
    assert_eq!((case.files(), case.whole(0)), (files, whole));
}

#[test]
fn a_downgrade_that_fails_leaves_everything_as_it_was() {
    let case = feature_at("b");
    let broken = fails_for_real(&script("a", "p"), "drop table t_a", "drop table nosuch");
    case.repo
        .commit("broken", &[(&path("a"), &broken.replace("create table t_a (v int)", "create table t_a (like t_p)"))]);
    let s = script("s", "r").replace("create table t_s (v int)", "alter table t_p add w int");
    case.repo.commit("add", &[(&path("s"), &s.replace("drop table t_s", "alter table t_p drop w"))]);
    let (files, whole) = (case.files(), case.whole(0));
    let output = case.run("db-rebase --json --yes").code(1);
    assert_eq!(output.kind(), "undefined-object");
    assert_eq!((case.files(), case.whole(0)), (files, whole));
    let _ = case.run("db-rebase --resume").code(2);
}

/// What has shown on a copy that it fails is not begun, also where somebody has said yes.
#[test]
fn a_way_that_fails_on_a_copy_is_not_begun() {
    let case = feature_at("b");
    let down = script("a", "p").replace("drop table t_a", "drop table nosuch");
    let up = script("s", "r").replace("create table t_s (v int)", "create table t_p (v int)");
    for (id, good, broken, kind, way) in [
        ("a", script("a", "p"), down, "undefined-object", "way down"),
        ("s", script("s", "r"), up.clone(), "duplicate-object", "way up"),
    ] {
        case.repo.commit("broken", &[(&path(id), &broken)]);
        let before = case.everything();
        for words in ["db-rebase --yes --json", "db-rebase --dry-run --json"] {
            let refused = case.run(words).code(3);
            let error = &refused.json()["error"];
            assert_eq!(
                (refused.kind().as_str(), &error["revision"], &error["file"]),
                (kind, &id.into(), &path(id).into())
            );
            let said = format!("tried on a copy of the database, where its {way} fails");
            drop(refused.complains(&said).complains("are as they were").complains("db-rebase --no-db"));
            assert_eq!(case.everything(), before, "{id}");
        }
        assert!(!case.path(".xtask/backups").exists() && !case.path(".xtask/journals/db-rebase").exists());
        case.repo.commit("mended", &[(&path(id), &good)]);
    }
    // The same where a merge comes to it; what it leaves is the merge.
    let case = Branches::diverged("p", "r < p; s < r", "a < p; b < a").at("b");
    case.repo.switch("main").commit("broken", &[(&path("s"), &up)]).switch("feature");
    let before = case.everything();
    let stopped = case.run("db-merge main --yes --json").code(1).complains("way up fails");
    assert_eq!(stopped.kind(), "duplicate-object");
    assert_eq!(case.everything().databases, before.databases);
    let _ = case.run("db-merge --abort").code(0);
    assert_eq!(case.everything(), before);
    // A role is not there twice, and a copy would make the real one: that is not tried.
    let case = feature_at("b");
    let role = format!("role_{}", case.database);
    let text = script("s", "r").replace("create table t_s (v int)", &format!("create role {role}"));
    case.repo.commit("role", &[(&path("s"), &text.replace("drop table t_s", &format!("drop role {role}")))]);
    let done = case.run("db-rebase --yes --json").code(0).json();
    assert!(done["rows"]["why"].as_str().unwrap().contains("s says CREATE ROLE, which is"), "{done}");
    assert_eq!(case.heads(), "b");
    case.sql(0, &format!("drop role {role}"));
}

#[test]
fn taking_back_keeps_what_others_wrote_since() {
    let case = feature_at("b");
    let broken = fails_for_real(&script("s", "r"), "create table t_s (v int)", "create table t_p (v int)");
    case.repo.commit("broken", &[(&path("s"), &broken)]);
    // A column that goes and comes back on a table that stays, with a row that is gone by then.
    let column = |id: &str, text: &str| {
        text.replace(&format!("create table t_{id} (v int)"), "alter table kept add c text")
            .replace(&format!("drop table t_{id}"), "alter table kept drop c")
    };
    case.repo.commit("column", &[(&path("b"), &column("b", &script("b", "a")))]);
    case.sql(
        0,
        "drop table t_b; create table kept (id serial primary key, c text); insert into kept (c) values ('x'), ('y')",
    );
    let _ = case.run("db-rebase --yes").code(1);
    case.sql(0, "insert into t_p values (8); insert into kept default values; delete from kept where id = 1");
    let answer = case.run("db-rebase --abort --json").code(0).json();
    assert!(answer["put_back"]["left"].to_string().contains("1 row of the backup was deleted since"), "{answer}");
    let state = case.rows(0);
    for table in ["t_a: (7)", "t_p: (7) (8)", "kept: (2,y) (3,)"] {
        assert!(state.contains(table), "{table}: {state}");
    }
    let _ = case.run("db-migrate --direction=downgrade --target=p").code(0);
}

#[test]
fn an_upgrade_that_fails_has_every_way_out() {
    let case = feature_at("b");
    let broken = fails_for_real(&script("s", "r"), "create table t_s (v int)", "create table t_p (v int)");
    case.repo.commit("broken", &[(&path("s"), &broken)]);
    let before = (case.files(), case.whole(0));
    let output = case.run("db-rebase --json --yes").code(1);
    assert_eq!(output.kind(), "duplicate-object");
    assert!(output.stdout.contains("--resume") && output.stdout.contains("--abort"), "{output}");
    let _ = case.run("db-rebase").code(3).complains("did not end");
    let (stopped, edited, half) = (case.moment(), case.files(), case.whole(0));
    let _ = case.run("db-rebase --abort").code(0);
    assert_eq!((case.files(), case.whole(0)), before);
    // Without the database: it stays where it is.
    for (way, files) in [("--abort --keep-database", &before.0), ("--forget", &edited)] {
        stopped.again();
        let _ = case.run(&format!("db-rebase {way}")).code(0).says("db-status");
        assert_eq!((&case.files(), &case.whole(0)), (files, &half), "{way}");
        let _ = case.run("db-rebase --resume").code(2);
    }
    stopped.again();
    case.repo.write(path("s"), &script("s", "r"));
    let _ = case.run("db-rebase --resume").code(0);
    assert_eq!(case.heads(), "b");
}

/// A rebase that stopped on its way up is taken back later, when people have gone on: rows of what was dropped come back,
/// rows written since stay wherever they are, grants are those of then, and a view made since is in nobody's way.
#[test]
fn taken_back_it_keeps_what_was_written_since() {
    let case = feature_at("b");
    let role = format!("reader_{}", case.database);
    case.sql(
        0,
        &format!(
            "create role {role}; alter table t_b add id serial primary key, add note text default 'new'; \
         insert into t_b (v, note) select g, 'own ' || g from generate_series(1, 50) g; \
         alter table t_p add id int generated always as identity primary key; create table apart (x int)"
        ),
    );
    let two = |id: &str, up: &str, down: &str| {
        let text = script(id, "a").replace(&format!("create table t_{id} (v int)"), up);
        text.replace(&format!("drop table t_{id}"), down)
    };
    let up = "create table t_b (v int, id serial primary key, note text default \\'new\\'); update t_p set v = v + 1";
    case.repo.commit("b", &[(&path("b"), &two("b", up, "drop table t_b; update t_p set v = v - 1"))]);
    let broken = fails_for_real(&script("s", "r"), "create table t_s (v int)", "create table t_p (v int)");
    case.repo.commit("broken", &[(&path("s"), &broken)]);
    let _ = case.run("db-rebase --yes").code(1);
    // Afterwards the developer goes on, and grants to come are given to somebody.
    case.sql(
        0,
        &format!(
            "insert into t_p (v) select 100 + g from generate_series(1, 70) g; update t_p set v = 77 where id = 1; \
         insert into apart values (1); create view over_p as select v from t_p; \
         alter default privileges grant select on tables to {role}"
        ),
    );
    let output = case.run("db-rebase --abort --json").code(0);
    let report = &output.json()["put_back"];
    assert_eq!((&report["as_it_was"], report["left"].as_array().unwrap().len()), (&Value::Bool(false), 0), "{output}");
    let mut client = case.client();
    let mut one = |sql: &str| client.query_one(sql, &[]).unwrap().get::<_, String>(0);
    assert_eq!(one("select count(*) || ' ' || string_agg(distinct left(note, 3), ',') from t_b"), "51 new,own");
    assert_eq!(one("select count(*) || ' ' || count(*) filter (where v > 100) from t_p"), "71 70");
    assert_eq!(one("select v::text from t_p where id = 1"), "77", "{output}");
    assert_eq!(one("select count(*) || ' ' || (select count(*) from over_p) from apart"), "1 71");
    assert_eq!(one("insert into t_b (v) values (0) returning id::text"), "52");
    let reads = format!("select has_table_privilege('{role}', 't_b', 'select')::text");
    assert_eq!(
        (one(&reads), one("select to_regclass('xtask_since.tables')::text is null || ''")),
        ("false".into(), "true".into())
    );
    case.sql(0, &format!("drop owned by {role}; drop role {role}"));
}

#[test]
fn a_finished_rebase_is_taken_back_by_db_undo() {
    let case = feature_at("b");
    case.sql(0, "alter table t_p add primary key (v)");
    let before = (case.files(), case.whole(0));
    let _ = case.run("db-rebase").code(0);
    let plan = case.run("db-undo --dry-run").code(0).says("Last: db-rebase, which moved a");
    assert_eq!(case.heads(), "b", "{plan}");
    // Rows of a table that goes are kept, and named; all others stay where they are.
    case.sql(0, "insert into t_s values (5); insert into t_p values (8)");
    assert_eq!(case.run("db-undo --json").code(3).kind(), "rows-at-stake");
    let answer = case.run("db-undo --yes --json").code(0).json();
    assert_eq!(answer["undone"]["kind"], "rebase", "{answer}");
    assert!(answer["put_back"]["left"][0].as_str().unwrap().contains("t_s is not there: 1 row "), "{answer}");
    case.sql(0, "delete from t_p where v = 8; drop schema xtask_since cascade");
    assert_eq!((case.files(), case.whole(0)), before);
    let again = case.run("db-undo --json").code(3);
    assert_eq!(again.kind(), "backup-missing");
    drop(again.complains("To do it again: cargo xtask db-rebase"));
}
