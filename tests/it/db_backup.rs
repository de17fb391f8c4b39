//! `db-backup` and `db-restore` as a user runs them: what is listed, what is put in whose place, and what is kept.

use std::fs;
use std::path::Path;

use serde_json::json;
use xtask::fail::Kind;

use crate::breakdowns::{own_disk, stuck_rebase};
use crate::support::branches::{Branches, script};
use crate::support::pg::cluster;
use crate::support::project::path;
use crate::support::python::python;
use crate::support::scene::Scene;
use crate::support::xtask::{Output, Xtask};

fn rows(scene: &Scene, sql: &str) -> i64 {
    scene.client().query_one(sql, &[]).unwrap().get(0)
}

/// Databases that were put aside.
fn aside(scene: &Scene) -> Vec<String> {
    let sql = "select datname::text from pg_database where shobj_description(oid, 'pg_database') = $1 order by 1";
    let mark = format!("xtask: put aside by db-restore; it was {}", scene.database);
    cluster().client("postgres").query(sql, &[&mark]).unwrap().iter().map(|row| row.get(0)).collect()
}

#[test]
fn taken_listed_restored_and_swapped_back() {
    let scene = Scene::three().at("b2").sql("insert into b2 select generate_series(1, 40)");
    let database = scene.database.clone();
    let role = format!("reader_{database}");
    cluster()
        .client("postgres")
        .batch_execute(&format!(
            "create role {role}; grant connect on database {database} to {role}; \
             alter database {database} set work_mem = '7MB'; comment on database {database} is 'mine'"
        ))
        .unwrap();
    let taken = scene.json("db-backup");
    assert_eq!(
        (&taken["proven"], &taken["proof"], &taken["revision"]),
        (&json!(true), &json!("restored"), &json!(["b2"]))
    );
    let read = scene.json("db-backup --no-verify");
    assert_eq!((&read["proven"], &read["proof"]), (&json!(false), &json!("read")));
    fs::remove_file(read["backup"].as_str().unwrap()).unwrap();
    let listed = scene.json("db-backup --list");
    let listed = listed["backups"].as_array().unwrap();
    assert_eq!(listed.len(), 1);
    for key in ["path", "component", "time", "revision", "bytes", "proven"] {
        assert!(!listed[0][key].is_null(), "{key}");
    }
    let _ = scene.run("db-backup --list").code(0).says("restored and compared");
    // What happens afterwards is not in the backup, and is kept.
    let scene = scene.sql("delete from b2; create table later (n int); insert into later values (1)");
    let _ = scene.fails("db-restore", Kind::Usage, 3, &["has to be confirmed"]);
    let guest = scene.client();
    let _ = scene.fails("db-restore --yes", Kind::ActiveConnections, 3, &["process ", "put in its place under them"]);
    drop(guest);
    let answer = scene.json("db-restore --yes");
    assert_eq!((&answer["verified"], &answer["differs"]), (&json!(true), &json!([])));
    assert_eq!((rows(&scene, "select count(*) from b2"), scene.tables().as_str()), (40, "a1 b2"));
    assert_eq!(aside(&scene), [answer["kept"].as_str().unwrap()]);
    // What no dump holds: grants on the database, its settings, its comment.
    let sql = format!(
        "select has_database_privilege('{role}', d.oid, 'connect')::text || ' ' || (s.setconfig)[1] || ' ' || \
         shobj_description(d.oid, 'pg_database') from pg_database d join pg_db_role_setting s on s.setdatabase = d.oid \
         where datname = '{database}'"
    );
    let about: String = cluster().client("postgres").query_one(&sql, &[]).unwrap().get(0);
    assert_eq!(about, "true work_mem=7MB mine");
    // And back again.
    let back = scene.json("db-restore --swap-back --yes");
    assert_eq!(back["swapped_back"], answer["kept"]);
    assert_eq!((rows(&scene, "select count(*) from b2"), scene.tables().as_str()), (0, "a1 b2 later"));
    for name in aside(&scene) {
        cluster().client("postgres").batch_execute(&format!("drop database \"{name}\"")).unwrap();
    }
    let _ = scene.fails("db-restore --swap-back --yes", Kind::BackupMissing, 3, &[&database]);
    cluster().client("postgres").batch_execute(&format!("drop owned by {role}; drop role {role}")).unwrap();
}

/// Runs where no `pg_dump` is a file any more, nor `pg_restore`; `None` where the kernel does not let us hide them.
fn without_programs(scene: &Scene, words: &str) -> Option<Output> {
    by_without_programs(scene, "env", words)
}

/// The same by another program.
fn by_without_programs(scene: &Scene, by: &str, words: &str) -> Option<Output> {
    let way = own_disk()?;
    let script = "for d in $(echo \"$PATH\" | tr : ' ') /usr/lib/postgresql/*/bin /usr/pgsql*/bin $(pg_config --bindir); do \
        for p in pg_dump pg_restore; do test -e $d/$p && mount --bind /dev/null $(realpath $d/$p) 2>/dev/null; done; done; \
        exec \"$@\"";
    let xtask = Xtask::program(Path::new(way[0]), scene.root(), &way[1..].join(" ")).env("XTASK_PYTHON", python());
    let xtask = ["sh", "-c", script, "sh"].into_iter().chain(by.split(' ')).fold(xtask, Xtask::arg);
    let xtask = xtask.arg(env!("CARGO_BIN_EXE_xtask"));
    Some(words.split(' ').fold(xtask, Xtask::arg).run())
}

#[test]
fn where_no_program_is_the_server_copies() {
    let scene = Scene::three().at("b2").sql("insert into b2 select generate_series(1, 40); create table gone (n int)");
    let Some(taken) = without_programs(&scene, "db-backup --json") else { return };
    assert!(taken.stderr.contains("the server copies the database instead"), "{taken}");
    let taken = taken.code(0).json();
    let copy = taken["copy"].as_str().unwrap().to_owned();
    assert_eq!((&taken["proven"], &taken["proof"]), (&json!(true), &json!("copied")));
    let listed = scene.json("db-backup --list");
    assert_eq!((&listed["backups"][0]["copy"], &listed["kept"]), (&json!(copy), &json!([])));
    // Rows that a downgrade takes come back out of a copy, with what was written since.
    let run = |words: &str| without_programs(&scene, words).unwrap();
    let _ = run("db-migrate --direction=downgrade --target=-1 --yes").code(0);
    assert!(!scene.tables().contains("b2"));
    let scene = scene.sql("insert into a1 values (4711)");
    // Not out of one that somebody has written to.
    let latest = scene.json("db-backup --list")["backups"][0]["copy"].as_str().unwrap().to_owned();
    let written = |sql: &str| cluster().client(&latest).batch_execute(sql).unwrap();
    written("update b2 set n = -n");
    let refused = without_programs(&scene, "db-undo --yes --json").unwrap().code(3).says("was written to since");
    assert_eq!(refused.kind(), "backup-failed");
    assert!(!scene.tables().contains("b2"));
    written("update b2 set n = -n");
    let run = |words: &str| without_programs(&scene, words).unwrap();
    let _ = run("db-undo --yes").code(0).says("40 rows put back");
    assert_eq!(
        (rows(&scene, "select count(*) from b2"), rows(&scene, "select count(*) from a1 where n = 4711")),
        (40, 1)
    );
    // As a whole, in the database's place, and back.
    scene.client().batch_execute("delete from b2; drop table gone").unwrap();
    let answer = run(&format!("db-restore {} --yes --json", taken["backup"].as_str().unwrap())).code(0).json();
    assert_eq!((&answer["verified"], &answer["differs"]), (&json!(true), &json!([])));
    assert_eq!((rows(&scene, "select count(*) from b2"), scene.tables().contains("gone")), (40, true));
    let _ = run("db-restore --swap-back --yes").code(0);
    assert_eq!(rows(&scene, "select count(*) from b2"), 0);
    // Nothing is copied under somebody; a copy that is gone is no backup.
    let guest = scene.client();
    let refused = run("db-backup --json").code(3).says("copies no database that somebody is connected to");
    assert_eq!(refused.kind(), "active-connections");
    drop(guest);
    cluster().client("postgres").batch_execute(&format!("drop database \"{copy}\"")).unwrap();
    let missing = run(&format!("db-restore {} --yes --json", taken["backup"].as_str().unwrap())).code(3);
    assert_eq!(missing.kind(), "backup-missing");
    doctor_drops_a_killed_copy(&scene);
    // A copy goes with its file, and one that no file names is shown.
    for entry in fs::read_dir(scene.root().join(".xtask/backups")).unwrap().flatten() {
        fs::remove_file(entry.path()).unwrap();
    }
    let left = scene.json("db-backup --list")["kept"].as_array().unwrap().clone();
    assert!(left.len() > 2, "{left:?}");
    for it in left {
        cluster().client("postgres").batch_execute(&format!("drop database {}", it["database"])).unwrap();
    }
}

/// One whose making was killed is shown and dropped by doctor, whatever makes the next backup.
fn doctor_drops_a_killed_copy(scene: &Scene) {
    let name = format!("{}_backup@killed", scene.database);
    let file = scene.root().canonicalize().unwrap().join(".xtask/backups/manager-20261127T103000Z-b2.dump");
    let comment = format!("xtask: backup of {}, in the making: {}", scene.database, file.display());
    let mut admin = cluster().client("postgres");
    admin.batch_execute(&format!("create database \"{name}\"")).unwrap();
    admin.batch_execute(&format!("comment on database \"{name}\" is '{comment}'")).unwrap();
    let shown = scene.xtask("doctor").run();
    assert!(shown.stdout.contains(&name), "{shown}");
    let mended = scene.xtask("doctor --fix").run();
    assert!(mended.to_string().contains(&format!("{name} is dropped")), "{mended}");
    assert!(admin.query("select from pg_database where datname = $1", &[&name]).unwrap().is_empty());
}

/// What a rebase, and a merge without one, took back out of a copy: rows of then, and those written since.
#[test]
fn taken_back_out_of_a_copy() {
    let stuck = stuck_rebase();
    let case = &stuck;
    let Some(failed) = without_programs(case, "db-rebase --yes") else { return };
    drop(failed.code(1).complains("the server copies the database instead"));
    case.sql(0, "insert into t_p values (4711)");
    let aborted = without_programs(case, "db-rebase --abort").unwrap().code(0);
    let state = case.rows(0);
    assert!(state.contains("(500)") && state.contains("t_a: (7)") && state.contains("(4711)"), "{state}\n{aborted}");
    assert_eq!(case.heads(), "b");
    // Its own backup, where there is nothing to rebase.
    let deletes =
        script("r", "p").replace("drop table t_r", "select 1").replace("create table t_r (v int)", "delete from t_p");
    let case = Branches::diverged("p", "r < p", "").at("p");
    case.repo.switch("main").commit("deletes", &[(&path("r"), &deletes)]).switch("feature");
    let done = without_programs(&case, "db-merge main --json").unwrap().code(0);
    assert!(done.stderr.contains("the server copies the database instead") && !case.rows(0).contains("(7)"), "{done}");
    let undone = without_programs(&case, "db-undo --yes").unwrap().code(0);
    assert!(case.rows(0).contains("t_p: (7)"), "{}\n{undone}", case.rows(0));
    drop_copies(&case.database);
    drop_copies(&stuck.database);
}

fn copies(database: &str) -> Vec<String> {
    let sql = "select datname::text from pg_database where starts_with(datname, $1) order by 1";
    let rows = cluster().client("postgres").query(sql, &[&format!("{database}_backup@")]).unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

fn drop_copies(database: &str) {
    for name in copies(database) {
        cluster().client("postgres").batch_execute(&format!("drop database \"{name}\"")).unwrap();
    }
}

/// Leaves the newest copy alone, with ten older ones, of which a journal names the oldest; these, the oldest first.
fn older_copies(scene: &Scene) -> Vec<String> {
    let all = scene.json("db-backup --list")["backups"].as_array().unwrap().clone();
    let [path, newest] = ["path", "copy"].map(|key| all[0][key].as_str().unwrap().to_owned());
    let postgres = |sql: &str| cluster().client("postgres").batch_execute(sql).unwrap();
    for other in &all[1..] {
        let [path, copy] = ["path", "copy"].map(|key| other[key].as_str().unwrap());
        postgres(&format!("drop database \"{copy}\""));
        [path, &format!("{path}.json")].iter().for_each(|path| fs::remove_file(path).unwrap());
    }
    let time = Path::new(&path).file_name().unwrap().to_str().unwrap().split('-').nth(1).unwrap().to_owned();
    // The copy got its name after the file got its, maybe in the next second.
    let (database, name) = newest.split_once('@').unwrap();
    let older = |day: u32| {
        let stamp = format!("202001{day}T103000Z");
        let copy = format!("{database}@{stamp}{}", &name[time.len()..]);
        postgres(&format!("create database \"{copy}\" template template0"));
        postgres(&format!("comment on database \"{copy}\" is 'xtask: backup of {}'", scene.database));
        for end in ["", ".json"] {
            let text = fs::read_to_string(format!("{path}{end}")).unwrap();
            let text = text.replace(&newest, &copy).replace(&time, &stamp);
            fs::write(format!("{}{end}", path.replace(&time, &stamp)), text).unwrap();
        }
        copy
    };
    let made = (10..20).map(older).collect();
    let name = Path::new(&path).file_name().unwrap().to_str().unwrap().replace(&time, "20200110T103000Z");
    scene.write(".xtask/journals/other/journal.json", &format!("{{\"backup\": \"{name}\"}}"));
    made
}

/// The newest ten stay, and one that a journal needs; what a killed run has copied goes, and is never listed.
#[test]
fn copies_are_trimmed_and_swept() {
    let scene = Scene::three().at("b2").sql("insert into b2 select generate_series(1, 40)");
    let listed = || -> Vec<String> {
        let all = scene.json("db-backup --list")["backups"].as_array().unwrap().clone();
        let mut all: Vec<String> = all.iter().map(|it| it["copy"].as_str().unwrap().to_owned()).collect();
        all.sort();
        all
    };
    for at in 1.. {
        let crash = format!("env XTASK_CRASH_AT={at}");
        let Some(run) = by_without_programs(&scene, &crash, "db-backup") else { return };
        assert!(listed().iter().all(|copy| copies(&scene.database).contains(copy)), "{at}: {run}");
        if run.code == 0 {
            assert!(at > 4, "only {at} points");
            break;
        }
        assert_eq!(run.code, -1, "{at}: {run}");
    }
    drop(without_programs(&scene, "db-backup").unwrap().code(0));
    assert_eq!(copies(&scene.database), listed(), "what was killed has left copies");
    let made = older_copies(&scene);
    drop(without_programs(&scene, "db-backup").unwrap().code(0));
    let left = listed();
    // Eight of those, what was the newest and what is now; and the one that is needed.
    assert_eq!((left.len(), &left[0], left.contains(&made[1])), (11, &made[0], false), "{left:?}");
    assert_eq!(copies(&scene.database), left);
    drop_copies(&scene.database);
}

/// What is no proven backup is refused, and the database is not touched.
#[test]
fn what_cannot_be_restored_changes_nothing() {
    let scene = Scene::three().at("a1").sql("insert into a1 values (5)");
    let _ = scene.fails("db-restore --yes", Kind::BackupMissing, 3, &["No proven one of manager"]);
    let path = scene.json("db-backup")["backup"].as_str().unwrap().to_owned();
    let mut bytes = fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x55;
    fs::write(&path, &bytes).unwrap();
    let _ = scene.fails("db-restore --yes", Kind::BackupFailed, 3, &["was changed since"]);
    fs::write(&path, &bytes[..middle]).unwrap();
    let listed = scene.json("db-backup --list");
    assert_eq!(listed["backups"][0]["proven"], false);
    let _ = scene.fails(&format!("db-restore {path} --yes"), Kind::BackupFailed, 3, &["cannot be"]);
    assert_eq!(rows(&scene, "select n::int8 from a1"), 5);
    assert!(aside(&scene).is_empty());
}

/// Names that mean something to a shell, to libpq, to COPY or to a regular expression: all in one database, taken,
/// proven and restored.
#[test]
fn two_hundred_hostile_names() {
    let odd = [
        "'",
        "\"",
        "\\",
        "\n",
        "\t",
        " ",
        ";",
        "=",
        "$",
        "%",
        "é",
        "한",
        "--",
        "/*",
        "\\.",
        "(",
        ",",
        ".",
        "FROM stdin;",
    ];
    let scene = Scene::new();
    let ident = |name: &str| format!("\"{}\"", name.replace('"', "\"\""));
    let mut sql = String::new();
    for number in 0..50 {
        let (one, two) = (odd[number % odd.len()], odd[(number * 7 + 3) % odd.len()]);
        let schema = ident(&format!("s{one}{number}"));
        let table = ident(&format!("{two}t{number}{one}"));
        let column = ident(&format!("{one}{two}"));
        let kind = ident(&format!("e{two}{number}"));
        sql += &format!(
            "create schema {schema}; create type {schema}.{kind} as enum ('a{number}'); \
             create table {schema}.{table} ({column} text primary key, kind {schema}.{kind}); \
             insert into {schema}.{table} values (E'\\\\.', 'a{number}'), (E'x\\n\\\\.\\n\\ty', null), ('', null);"
        );
    }
    let scene = scene.sql(&sql);
    let taken = scene.json("db-backup");
    assert_eq!((&taken["proof"], &taken["differs"]), (&json!("restored"), &json!([])));
    // The other way to prove it reads the same names and rows out of the file.
    assert_eq!(scene.json("db-backup --no-verify")["proof"], "read");
    let path = taken["backup"].as_str().unwrap();
    let answer = scene.run("db-restore --json --yes").code(0).json();
    assert_eq!((&answer["verified"], &answer["differs"]), (&json!(true), &json!([])), "{path}");
    cluster().client("postgres").batch_execute(&format!("drop database {}", ident(&aside(&scene)[0]))).unwrap();
}
