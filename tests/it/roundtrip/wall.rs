//! The wall round the throwaway database, seen from db-roundtrip (`driver::wall` has the ways one by one): a script that
//! turns to the component's own database ends the run, what gets past the wall is noticed, a clone leads nowhere else.

use super::ways::{notes, result, roundtrip, told};
use crate::support::pg::{SUPERUSER, cluster};
use crate::support::scene::Scene;

fn with_canary() -> Scene {
    Scene::new().sql("create table canary (t int)")
}

fn rows(scene: &Scene) -> i64 {
    scene.client().query_one("select count(*) from canary", &[]).unwrap().get(0)
}

#[test]
fn a_script_that_turns_there_ends_the_run_whatever_it_does_with_the_refusal() {
    let scene = with_canary();
    let own = scene.database.clone();
    let script = format!(
        "import os, psycopg\ntry:\n    psycopg.connect(host=os.environ['PGHOST'], dbname='{own}', autocommit=True).execute('insert into canary values (1)')\nexcept BaseException:\n    pass"
    );
    let scene = scene.revision("a", "", &script, "pass");
    let report = roundtrip(&scene, "--all --server=configured", 1);
    let error = &report["error"];
    assert_eq!((&error["kind"], &error["revision"]), (&"wrong-database".into(), &"a".into()), "{report:#}");
    assert_eq!(rows(&scene), 0);
}

/// The scripts are loaded while the throwaway database is made: one that connects then is loaded again.
#[test]
fn a_script_that_connects_when_it_is_loaded() {
    let scene = with_canary();
    let url = crate::support::scene::url("psycopg", &scene.database);
    let script = format!(
        "import sqlalchemy as sa\nfrom alembic import op\nrevision = 'a'\ndown_revision = None\n\
         with sa.create_engine('{url}').connect() as early:\n    \
         open('early', 'w').write(early.execute(sa.text('select current_database()')).scalar())\n\
         def upgrade():\n    op.execute('create table t ()')\ndef downgrade():\n    op.execute('drop table t')\n"
    );
    scene.project.write("migrations/versions/early.py", &script);
    let report = roundtrip(&scene, "--all --cold", 0);
    assert_eq!(told(&report), ["a reversible"], "{report:#}");
    let early = std::fs::read_to_string(scene.project.path("early")).unwrap();
    assert!(early.starts_with("xtask_scratch"), "{early}");
}

#[test]
fn what_gets_past_it_is_noticed() {
    let scene = with_canary();
    let own = scene.database.clone();
    let dir = cluster().socket_dir.display();
    // The shell reads the address from a file; nobody sees it there.
    let by_shell = |database: &str, sql: &str| {
        format!(
            "import subprocess\nopen('go.sh', 'w').write('{}/psql -h {dir} -U {SUPERUSER} -d {database} -Xqc \"{sql}\"')\nsubprocess.run(['sh', 'go.sh'], check=True)",
            cluster().bin.display()
        )
    };
    let script = by_shell(&own, "insert into canary values (1)");
    let scene = scene.revision("a", "", &script, "pass");
    let report = roundtrip(&scene, "--all", 0);
    assert_eq!(told(&report), ["a unproven"], "{report:#}");
    let reason = result(&report, "a")["reason"].as_str().unwrap();
    assert!(reason.contains("rows inserted into public.canary") && reason.contains("a script may have"), "{reason}");
    assert!(report["notes"].to_string().contains("public.canary"), "{report:#}");
    // Where others are at work, it may have been them.
    let mut other = scene.client();
    other.batch_execute("begin; select 1").unwrap();
    let report = roundtrip(&scene, "--all", 0);
    assert_eq!(told(&report), ["a reversible"], "{report:#}");
    assert!(report["notes"].to_string().contains("it may have been theirs"), "{report:#}");
    drop(other);
    // In place, too, where what is walked is not the config's database.
    let walked = format!("--url={}", cluster().url("psycopg", &cluster().database()));
    let _ = scene.run(&format!("db-migrate -q {walked}")).code(0);
    assert_eq!(told(&roundtrip(&scene, &format!("--in-place --yes {walked}"), 0)), ["a unproven"]);
    // A run that changes nothing there says nothing of it.
    scene.project.write_revision("a", "", "op.execute('create table t ()')", "op.execute('drop table t')");
    let report = roundtrip(&scene, "--all", 0);
    assert_eq!((told(&report), report["notes"].to_string()), (vec!["a reversible".to_owned()], "[]".to_owned()));
    // One that is not there any more was not found unchanged; on the same server the objects that it shares tell, too.
    scene.project.write_revision("a", "", &by_shell("postgres", &format!("drop database if exists {own}")), "pass");
    let report = roundtrip(&scene, "--all", 4);
    assert_eq!(told(&report), ["a schema-differs upgrade"], "{report:#}");
    assert!(report["notes"].to_string().contains("it cannot be looked at any more"), "{report:#}");
}

#[test]
fn a_clone_leads_nowhere_else() {
    let scene = with_canary();
    let own = scene.database.clone();
    let dir = cluster().socket_dir.display();
    let address = format!("host={dir} user={SUPERUSER} dbname={own}");
    let sql = format!(
        "create extension dblink; create extension postgres_fdw;
         create function by_dblink() returns text language sql as $$ select dblink_exec('{address}', 'insert into canary values (1)') $$;
         create function on_ddl() returns event_trigger language plpgsql as $$ begin if tg_tag = 'CREATE VIEW' then perform by_dblink(); end if; end $$;
         create event trigger tells on ddl_command_end execute function on_ddl();
         create server s foreign data wrapper postgres_fdw options (host '{dir}', dbname '{own}');
         create user mapping for current_user server s options (user '{SUPERUSER}');
         create foreign table far (t int) server s options (table_name 'canary');"
    );
    scene.client().batch_execute(&sql).unwrap();
    let table = ("op.execute('create table t ()')", "op.execute('drop table t')");
    let scene = scene.revision("a", "", table.0, table.1);
    let _ = scene.run("db-migrate -q").code(0);
    let scene = scene
        .revision("b", "a", "op.execute('select by_dblink()')", "pass")
        .revision("c", "a", "op.execute('insert into far values (1)')", "pass")
        .revision("d", "a", "op.execute('create view v as select 1')", "op.execute('drop view v')")
        .revision(
            "e",
            "a",
            "op.execute('alter foreign table far add n int')",
            "op.execute('alter foreign table far drop n')",
        );
    let report = roundtrip(&scene, "--all", 0);
    let mut verdicts = told(&report);
    verdicts.sort();
    assert_eq!(verdicts, ["a reversible", "b skipped", "c skipped", "d skipped", "e reversible"], "{report:#}");
    assert!(result(&report, "c")["reason"].as_str().unwrap().contains("has no handler"), "{report:#}");
    assert_eq!((rows(&scene), notes(&report, "e").as_str()), (0, "[]"));
}
