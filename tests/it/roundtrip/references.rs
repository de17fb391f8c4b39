//! Where the state below a revision is known from, when the database under test held it already: each way of walking has
//! one where there can be one, and what has none says how to prove it.

use serde_json::Value;

use super::doubts::forget;
use super::ways::{notes, result, roundtrip, told};
use crate::support::pg::cluster;
use crate::support::python::python;
use crate::support::scene::Scene;

const INDEX: &str = "op.execute('create index i on t (id)')";
const DROP: &str = "op.execute('drop index i')";
const OTHER: &str = "op.execute('drop index i; create index j on t (id)')";

/// `a`, `b`, the second with this downgrade; the database is at `b`, and nobody has written down how it came there.
fn at_b(downgrade: &str) -> Scene {
    let scene = Scene::new();
    let up = "op.execute('create index if not exists i on t (id); drop index if exists j')";
    let scene = scene
        .revision("a", "", "op.execute('create table t (id int)')", "op.execute('drop table t')")
        .revision("b", "a", up, downgrade);
    let _ = scene.run("db-migrate -q").code(0);
    forget(&scene);
    scene
}

#[test]
fn in_place_is_held_against_another_database() {
    for (downgrade, verdict) in [(DROP, "b reversible"), (OTHER, "b schema-differs downgrade")] {
        let scene = at_b(downgrade);
        let report = roundtrip(&scene, "--in-place --yes", if downgrade == DROP { 0 } else { 4 });
        assert_eq!((told(&report), &result(&report, "b")["proof"]), (vec![verdict.to_owned()], &"from-empty".into()));
    }
}

/// A project whose databases are made from the models: before this branch by the models of then.
fn made_by_command(downgrade: &str) -> Scene {
    let scene = Scene::new();
    let make = "import sys\nfrom alembic import command\nfrom alembic.config import Config\nimport sqlalchemy as sa\n\
        from models import TABLES\nconfig = Config(sys.argv[1])\n\
        engine = sa.create_engine(config.get_main_option('sqlalchemy.url'))\n\
        with engine.begin() as connection:\n    connection.execute(sa.text(TABLES))\ncommand.stamp(config, 'head')\n";
    let command = format!(
        "[workspace]\n[workspace.metadata.db.components.manager]\nconfig = 'alembic.ini'\nbaseline = ['{}', 'make.py', '{{config}}']\n",
        python().display()
    );
    // The first revision was never meant to run on an empty database.
    let scene = scene
        .file("make.py", make)
        .file("models.py", "TABLES = 'create table t (id int, a int)'\n")
        .file("Cargo.toml", &command)
        .file(".gitignore", "state\n__pycache__\n.xtask\n")
        .revision("a", "", "op.execute('alter table t add a int')", "op.execute('alter table t drop a')");
    let git = |words: &str| crate::support::repo::git(scene.root(), words);
    git("init --quiet --initial-branch=main");
    git("add --all");
    git("commit --quiet --message x");
    git("switch --quiet --create work");
    scene.write("models.py", "TABLES = 'create table t (id int, a int); create index i on t (id)'\n");
    let scene = scene.revision("b", "a", INDEX, downgrade);
    let sql = "create table t (id int, a int); create index i on t (id); \
               create table alembic_version (version_num varchar(32) primary key); insert into alembic_version values ('b')";
    scene.client().batch_execute(sql).unwrap();
    scene
}

#[test]
fn a_baseline_command_is_run_as_it_was_before_the_revision() {
    let scene = made_by_command(DROP);
    let b = |report: &Value, verdict: &str, proof: &str| {
        assert_eq!((told(report)[0].as_str(), &result(report, "b")["proof"]), (verdict, &proof.into()), "{report:#}");
    };
    let report = roundtrip(&scene, "", 0);
    b(&report, "b reversible", "climbed");
    assert!(notes(&report, "b").contains("where this parted from main"), "{report:#}");
    // Committed, also on main: the commit before the one that brought the script.
    let git = |words: &str| crate::support::repo::git(scene.root(), words);
    git("add --all");
    git("commit --quiet --message b");
    git("branch --quiet --force main");
    let scene = scene.revision("b", "a", INDEX, OTHER);
    let report = roundtrip(&scene, "", 4);
    b(&report, "b schema-differs downgrade", "climbed");
    assert!(notes(&report, "b").contains("before b came"), "{report:#}");
    // `a` can be shown nowhere, and nobody is accused. Nor is the way from empty gone again.
    let all = roundtrip(&scene, "--all", 4);
    assert_eq!(told(&all), ["b schema-differs downgrade", "a unproven"], "{all:#}");
    // The database is of models that are newer than the script: that is no fault of the script's.
    scene.client().batch_execute("drop index i; create index i on t (id desc)").unwrap();
    let scene = scene.revision("b", "a", INDEX, DROP);
    let report = roundtrip(&scene, "", 0);
    b(&report, "b reversible", "climbed");
    assert!(notes(&report, "b").contains("models that are newer than this script"), "{report:#}");
    let scene = scene.revision("b", "a", INDEX, OTHER);
    // The database under test is one that the command has made.
    scene.client().batch_execute("drop table t, alembic_version").unwrap();
    b(&roundtrip(&scene, "", 4), "b schema-differs downgrade", "climbed");
}

#[test]
fn a_way_that_leads_nowhere_is_gone_once() {
    let scene = at_b(DROP);
    let count = scene.path("state/count");
    let count = count.display();
    let fails = format!("open('{count}', 'a').write('x')\nraise ValueError('once upon a time')");
    let scene = scene.revision("a", "", &fails, "pass");
    let tries = || std::fs::read_to_string(scene.path("state/count")).unwrap_or_default().len();
    let reason = |report: &Value| result(report, "b")["reason"].as_str().unwrap_or_default().to_owned();
    let first = roundtrip(&scene, "", 0);
    assert!(reason(&first).contains("a, below it, does not go up"), "{first:#}");
    let after_one = tries();
    let second = roundtrip(&scene, "", 0);
    assert_eq!((told(&second), tries()), (vec!["b unproven".to_owned()], after_one), "{second:#}");
    assert!(reason(&second).contains("on a database made from empty a, below it, does not go up"), "{second:#}");
    assert!(second["notes"].to_string().contains("to try it again: --no-cache"), "{second:#}");
    let _ = roundtrip(&scene, "--no-cache", 0);
    assert!(tries() > after_one);
    // Who mends the script tries it again.
    let scene = scene.revision("a", "", "op.execute('create table t (id int)')", "pass");
    assert_eq!(told(&roundtrip(&scene, "", 0)), ["b reversible"]);
    // What is said to prove it does: a dump from below.
    let scene = scene.revision("a", "", "raise ValueError('no more')", "pass");
    let to_prove = result(&roundtrip(&scene, "", 0), "b")["to_prove"].as_str().unwrap().to_owned();
    let (dump, command) =
        to_prove.split_once("pg_dump -Fc -f ").and_then(|(_, rest)| rest.split_once(" DATABASE")).unwrap();
    let below = "drop index i; update alembic_version set version_num = 'a'";
    scene.client().batch_execute(below).unwrap();
    pg_dump(&scene, dump);
    let above = "create index i on t (id); update alembic_version set version_num = 'b'";
    scene.client().batch_execute(above).unwrap();
    let command = command.split_once("cargo xtask ").unwrap().1;
    let report = scene.run(&format!("{command} --json -q")).code(0).json();
    assert_eq!((told(&report), &result(&report, "b")["proof"]), (vec!["b reversible".to_owned()], &"climbed".into()));
}

fn pg_dump(scene: &Scene, file: &str) {
    #[expect(clippy::disallowed_methods)]
    let mut pg_dump = std::process::Command::new("pg_dump");
    pg_dump.env("PATH", cluster().path()).arg("-h").arg(&cluster().socket_dir);
    let done =
        pg_dump.args(["-U", "postgres", "-Fc", "-f"]).arg(scene.path(file)).arg(&scene.database).status().unwrap();
    assert!(done.success());
}

/// In one transaction nobody but the migration's own session sees what is between two revisions; what was seen is what a
/// session of one's own sees after each of them.
#[test]
fn each_of_several_that_are_applied_together_is_recorded() {
    let many = "for part in r'''create type mood as enum ('a,b', 'c\"d');; create table \"T t\" (id serial primary key, m mood default 'a,b', \
                n numeric(9,2) not null default 1.5);; comment on table \"T t\" is E'a \\'quote\\', a \"quote\", a \\\\ and\\na line';;\n\
                create function f() returns int language sql as $$ select 1 $$;; create view v as select id, m from \"T t\"'''.split(';;'):\n    op.execute(part)";
    let change = "op.execute('alter table \"T t\" add x text collate \"C\", alter n drop not null')\nop.execute('create index i on \"T t\" (x desc)')";
    let unharmed = "bind = op.get_bind()\n\
                    ask = lambda what: bind.exec_driver_sql('show ' + what).scalar()\n\
                    assert (ask('search_path') != '\"\"' and ask('statement_timeout') != '5s' and ask('lock_timeout') != '200ms')\n\
                    op.execute(\"alter type mood add value 'e'\")";
    let mut recorded: Vec<Vec<String>> = Vec::new();
    for (driver, targets) in [("psycopg2", "a b c"), ("psycopg2", "c"), ("psycopg", "c"), ("asyncpg", "c")] {
        let scene = Scene::on(driver).revision("a", "", many, "pass");
        let scene = scene.revision("b", "a", change, "pass").revision("c", "b", unharmed, "pass");
        for target in targets.split(' ') {
            let _ = scene.run(&format!("db-migrate -q --target={target}")).code(0);
        }
        let sql = "select concat_ws(' ', revision, below, above, changes) from xtask.run order by revision";
        let rows = scene.client().query(sql, &[]).unwrap();
        recorded.push(rows.iter().map(|row| row.get(0)).collect());
    }
    assert!(recorded[0].len() == 3 && recorded[0].iter().all(|row| row.len() > 200), "{:?}", recorded[0]);
    recorded[1..].iter().for_each(|other| assert_eq!(*other, recorded[0]));
}
