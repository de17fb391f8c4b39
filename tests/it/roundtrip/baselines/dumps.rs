//! A dump as the baseline: every format, at whatever revision it was taken, and what is said of one that will not do.

use std::path::PathBuf;

use serde_json::json;
use xtask::fail::Kind;

use super::{House, used};
use crate::support::scene::Scene;

impl House {
    /// A database at `b2` with rows; every object in it belongs to a role that is gone when the dump is restored.
    fn source(&self) {
        let mut admin = self.client("postgres");
        for sql in ["create role gone", "create role reader", "create database source"] {
            admin.batch_execute(sql).unwrap();
        }
        let rows = "create table a1 (n int); create table b2 (n int); insert into a1 values (1), (2); \
            alter table a1 owner to gone; grant select on b2 to reader; \
            create table alembic_version (version_num varchar(32) primary key); insert into alembic_version values ('b2'); \
            comment on table alembic_version is '\\connect'";
        self.client("source").batch_execute(rows).unwrap();
    }

    /// A dump of it, in the project's folder.
    fn dump(&self, name: &str, words: &[&str]) -> PathBuf {
        let path = self.scene.project.path(name);
        #[expect(clippy::disallowed_methods)]
        let mut pg_dump = std::process::Command::new(Scene::tool("pg_dump"));
        pg_dump.arg("-h").arg(&self.server.dir).args(["-p", &self.server.port.to_string(), "-U", "postgres", "-f"]);
        let done = pg_dump.arg(&path).args(words).arg("source").output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        path
    }

    /// The source and the roles that its dump names go.
    fn forget_source(&self) {
        for sql in ["drop database source", "drop role gone", "drop role reader"] {
            self.client("postgres").batch_execute(sql).unwrap();
        }
    }

    /// Runs with a baseline that must be refused.
    #[track_caller]
    fn refuses(&self, file: &str, kind: Kind, names: &[&str]) {
        let said = self.scene.fails(&format!("db-roundtrip --baseline={file}"), kind, 1, names);
        assert_eq!(said.json["results"], serde_json::Value::Null);
        assert_eq!(self.ours(), [""; 0], "{file}: nothing stays");
    }
}

#[test]
fn every_format_is_restored_and_upgraded_by_the_walk() {
    let house = House::new();
    house.source();
    let formats: [(&str, &[&str]); 4] =
        [("p.sql", &["-Fp"]), ("c.dump", &["-Fc"]), ("d.dir", &["-Fd"]), ("t.tar", &["-Ft"])];
    for (name, words) in formats {
        house.dump(name, words);
    }
    house.forget_source();
    for (name, _) in formats {
        // All: what the dump holds is tested downwards with its rows, what it lacks upwards.
        let json = house.scene.run(&format!("db-roundtrip -q --all --json --baseline={name}")).code(4).json();
        let baseline = json["baseline"].as_str().unwrap();
        assert!(baseline.starts_with("restored from ") && baseline.ends_with(&format!("{name} at b2")), "{baseline}");
        assert_eq!(used(&json).0, "stored", "{json}");
        let verdicts: Vec<_> = json["results"].as_array().unwrap().iter().map(|result| &result["verdict"]).collect();
        // Dropping a1 loses its two rows: what only rows can show.
        assert_eq!(verdicts, ["reversible", "reversible", "data-lost"], "{name}: {json}");
    }
    assert_eq!(house.ours().len(), formats.len());
}

#[test]
fn a_dump_from_the_settings_is_cached_by_what_is_in_it() {
    let house = House::new();
    house.source();
    let path = house.dump("c.dump", &["-Fp"]);
    house.manifest("[workspace.metadata.db.components.manager]\ndump = \"c.dump\"");
    let json = house.trip("");
    assert_eq!((used(&json).0.as_str(), &json["tested"]), ("stored", &json!(1)), "{json}");
    assert_eq!(used(&house.trip("")).0, "hit");
    // The project's files have no part in it, the dump's bytes have, also at the same length.
    house.scene.project.write("app/models.py", "tables = 2\n");
    assert_eq!(used(&house.trip("")).0, "hit");
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.contains("1\n2\n"), "{text}");
    std::fs::write(&path, text.replace("1\n2\n", "1\n3\n")).unwrap();
    let json = house.trip("");
    assert_eq!((used(&json).0.as_str(), &json["cache"]["changed"]), ("stored", &json!(["dump"])), "{json}");
    // The command line's goes before the component's own database, and that before the settings'.
    house.client("postgres").batch_execute("create database none template source").unwrap();
    assert!(house.trip("")["baseline"].as_str().unwrap().starts_with("clone of none "));
    assert!(house.trip("--baseline c.dump")["baseline"].as_str().unwrap().starts_with("cached "));
}

#[test]
fn a_dump_that_will_not_do_is_said_to_be_so() {
    let house = House::new();
    house.source();
    let custom = std::fs::read(house.dump("c.dump", &["-Fc"])).unwrap();
    let write = |name: &str, bytes: &[u8]| std::fs::write(house.scene.project.path(name), bytes).unwrap();
    house.refuses("missing.dump", Kind::BackupMissing, &["missing.dump", "No such file"]);
    write("empty.sql", b"");
    house.refuses("empty.sql", Kind::ConfigInvalid, &["empty.sql", "The file is empty"]);
    write("packed.sql.gz", b"\x1f\x8b\x08\0\0\0\0\0");
    house.refuses("packed.sql.gz", Kind::ConfigInvalid, &["gzip"]);
    write("cut.dump", &custom[..custom.len() / 2]);
    house.refuses("cut.dump", Kind::BackupFailed, &["cut.dump", "pg_restore: error"]);
    let mut newer = custom.clone();
    newer[6] = 99;
    write("newer.dump", &newer);
    house.refuses("newer.dump", Kind::ToolMissing, &["pg_restore is older than the dump", "unsupported version"]);
    write("odd.sql", b"create table a1 (n int);\nselect nonsense;\n");
    house.refuses("odd.sql", Kind::BackupFailed, &["odd.sql", "column \"nonsense\" does not exist"]);
    write("bare.sql", b"create table a1 (n int);\n");
    house.refuses("bare.sql", Kind::ConfigInvalid, &["does not say at which revision", "alembic_version"]);
    let stamped = "create table alembic_version (version_num text); insert into alembic_version values ('f00');\n";
    write("other.sql", stamped.as_bytes());
    house.refuses("other.sql", Kind::UnknownRevision, &["f00"]);
    house.dump("whole.sql", &["-Fp", "--create"]);
    house.refuses("whole.sql", Kind::ConfigInvalid, &["whole.sql", "CREATE DATABASE source"]);
    let newer = "-- Dumped from database version 99.1\nset no_such_setting = on;\n";
    write("from99.sql", newer.as_bytes());
    house.refuses("from99.sql", Kind::BackupFailed, &["taken from PostgreSQL 99", "no_such_setting"]);
}

/// Ways in which the text of somebody else's dump could reach this machine through psql; none is run.
#[test]
fn a_hostile_dump_runs_nothing_here() {
    let house = House::new();
    let touched = house.scene.project.path("touched");
    let touch = format!("touch {}", touched.display());
    let head = "create table a1 (n int); create table b2 (n int); create table alembic_version (version_num text);\n\
                insert into alembic_version values ('b2');\n";
    for way in [
        format!("\\! {touch}\n"),
        format!("select 1; \\! {touch}\n"),
        format!("select 'x' \\g |{touch}\n"),
        format!("select '{touch}' \\gexec\n"),
        format!("\\set x `{touch}`\n"),
        format!("\\o |{touch}\nselect 1;\n\\o\n"),
        format!("\\copy a1 to program '{touch}'\n"),
        format!("/* a */ \\! {touch}\n"),
        format!("copy a1 (n) from program '{touch}';\n"),
        "create role planted;\n".to_owned(),
        "\\c postgres\ncreate table planted (n int);\n".to_owned(),
        "select 1;   \\connect postgres\n".to_owned(),
    ] {
        house.scene.project.write("hostile.sql", &format!("{head}{way}"));
        let output = house.scene.run("db-roundtrip --baseline=hostile.sql").code(1);
        assert!(output.stderr.contains("hostile.sql"), "{way}: {output}");
        assert!(!touched.exists(), "{way}");
    }
    // The rows of a table that is not there are no commands either.
    let rows = format!("{head}copy nowhere (n) from stdin;\n\\! {touch}\n\\c postgres\n\\.\n");
    house.scene.project.write("hostile.sql", &rows);
    house.refuses("hostile.sql", Kind::BackupFailed, &["\"nowhere\" does not exist"]);
    assert!(!touched.exists());
    let planted = "select to_regclass('planted') is null";
    assert!(house.client("postgres").query_one(planted, &[]).unwrap().get::<_, bool>(0));
}

#[test]
fn a_command_and_a_dump_exclude_each_other() {
    let house = House::new();
    house.manifest("[workspace.metadata.db.components.manager]\nbaseline = [\"x\"]\ndump = \"c.dump\"");
    house.scene.fails("db-roundtrip", Kind::ConfigInvalid, 3, &["exclude each other"]);
}
