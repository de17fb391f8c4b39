//! Baselines that stay on the server: used when nothing has changed, made anew when anything has, never half made, gone
//! in time. Each test has a server of its own, since what is on the server is part of the key.

mod dumps;
mod example;

use std::os::unix::process::ExitStatusExt;

use postgres::Client;
use serde_json::{Value, json};

use crate::support::private::{Private, private_cluster};
use crate::support::project::path;
use crate::support::scene::{Scene, Streams, sql, wait_until};

/// A project on a server of its own, without a database of the component.
pub struct House {
    pub server: Private,
    pub scene: Scene,
}

/// What every house has in its Cargo.toml: whatever was made is kept.
const KEEP_ALL: &str = "[workspace]\n[workspace.metadata.db.cache]\nmilliseconds = 0\n";

impl House {
    /// `a1 -> b2 -> c3`, and an env.py that imports the application.
    pub fn new() -> House {
        let server = private_cluster("", "", &[]);
        let url = format!("postgresql+psycopg://postgres@/none?host={}&port={}", server.dir.display(), server.port);
        let scene = Scene::three().url(&url);
        let env = scene.project.path("migrations/env.py");
        let text = format!("import app.models\n{}", std::fs::read_to_string(&env).unwrap());
        scene.project.write("app/models.py", "tables = 1\n");
        scene.project.write("Cargo.toml", KEEP_ALL);
        House { server, scene: scene.env(&text) }
    }

    pub fn manifest(&self, more: &str) {
        self.scene.project.write("Cargo.toml", &format!("{KEEP_ALL}{more}\n"));
    }

    #[track_caller]
    pub fn trip(&self, words: &str) -> Value {
        self.scene.run(&format!("db-roundtrip -q {words} --json")).code(0).json()
    }

    /// `hit`, `stored` or `none`, and why.
    #[track_caller]
    fn used(&self, words: &str) -> (String, String) {
        used(&self.trip(words))
    }

    /// Asserts that the baseline is made anew since one part of the key differs and no other, and is kept.
    #[track_caller]
    fn misses(&self, part: &str) {
        let json = self.trip("");
        assert_eq!(used(&json).0, "stored", "{part}: {json}");
        assert_eq!(json["cache"]["changed"], json!([part]), "{json}");
    }

    pub fn client(&self, database: &str) -> Client {
        self.server.client(database)
    }

    /// The databases of ours that are there.
    pub fn ours(&self) -> Vec<String> {
        let sql = "select datname::text from pg_database where datname like 'xtask%' order by 1";
        self.client("postgres").query(sql, &[]).unwrap().iter().map(|row| row.get(0)).collect()
    }

    /// Opens a template for a moment and changes what is in it.
    fn tamper(&self, template: &str, sql: &str) {
        let mut admin = self.client("postgres");
        admin.batch_execute(&format!("alter database {template} allow_connections true")).unwrap();
        self.client(template).batch_execute(sql).unwrap();
        admin.batch_execute(&format!("alter database {template} allow_connections false")).unwrap();
    }

    /// Whether the database that a run worked on has the table `planted`.
    #[track_caller]
    fn works_on_planted(&self, words: &str) -> bool {
        let json = self.trip(&format!("--keep {words}"));
        let kept = json["kept"]["database"].as_str().unwrap().to_owned();
        let planted = self.client(&kept).query_one("select to_regclass('planted') is not null", &[]).unwrap().get(0);
        self.client("postgres").batch_execute(&format!("drop database {kept} with (force)")).unwrap();
        planted
    }
}

pub fn used(json: &Value) -> (String, String) {
    let text = |key: &str| json["cache"][key].as_str().unwrap_or_default().to_owned();
    (text("use"), text("why"))
}

#[test]
fn a_baseline_is_made_once_and_the_second_run_stands_on_it() {
    let house = House::new();
    let first = house.trip("");
    assert_eq!((used(&first).0.as_str(), &first["baseline"]), ("stored", &json!("empty, upgraded")), "{first}");
    let template = first["cache"]["database"].as_str().unwrap().to_owned();
    assert!(template.starts_with("xtask_baseline_manager_"), "{template}");
    assert_eq!(house.ours(), [template.as_str()]);
    let marks =
        "select datistemplate, datallowconn, shobj_description(oid, 'pg_database') from pg_database where datname = $1";
    let row = house.client("postgres").query_one(marks, &[&template]).unwrap();
    assert_eq!((row.get(0), row.get(1)), (true, false));
    assert!(row.get::<_, String>(2).starts_with("xtask cached baseline v1; safe to drop"));
    // What is in the template is what the run works on: that is the proof that it is used.
    house.tamper(&template, "create table planted (n int)");
    let second = house.trip("");
    assert_eq!(used(&second).0, "hit", "{second}");
    let words = second["baseline"].as_str().unwrap();
    assert!(
        words.starts_with("cached ") && words.ends_with(&format!(" ago: empty, upgraded to b2 ({template})")),
        "{words}"
    );
    assert_eq!(second["results"][0]["verdict"], first["results"][0]["verdict"]);
    assert!(house.works_on_planted(""));
    assert!(!house.works_on_planted("--no-cache"));
    assert_eq!(house.ours(), [template], "neither keeps anything more");
    let text = house.scene.run("db-roundtrip").code(0).says("Baseline: cached ");
    assert!(text.stdout.contains("upgraded to b2"), "{text}");
}

#[test]
fn whatever_it_was_made_of_counts() {
    let house = House::new();
    assert_eq!(house.used("").0, "stored");
    let project = &house.scene.project;
    let edit = |name: &str, from: &str, to: &str| {
        let text = std::fs::read_to_string(project.path(name)).unwrap();
        assert!(text.contains(from), "{name}: {text}");
        project.write(name, &text.replace(from, to));
    };
    edit(&path("c3"), "c3 (n int)", "c3 (n text)");
    assert_eq!(house.used("").0, "hit", "the script that is tested is no part of the baseline");
    edit(&path("a1"), "a1 (n int)", "a1 (n oid)");
    house.misses("scripts");
    edit("app/models.py", "1", "2");
    house.misses("code");
    edit("migrations/env.py", "import app.models", "import app.models ");
    house.misses("code");
    project.write("app/data.csv", "1\n");
    house.misses("code");
    house.client("postgres").batch_execute("create role newcomer").unwrap();
    house.misses("server");
    house.client("postgres").batch_execute("alter role postgres set search_path = public").unwrap();
    house.misses("server");
    assert_eq!(house.used("").0, "hit", "none of this is another one each time");
    project.write("rows.sql", "insert into a1 values (1)");
    let with_seed = "[workspace.metadata.db.components.manager]\nseed = {b2 = \"rows.sql\"}";
    house.manifest(with_seed);
    assert_eq!(house.trip("")["cache"]["changed"], json!(["seed", "code"]));
    let kept = house.trip("--keep");
    assert_eq!(used(&kept).0, "hit", "{kept}");
    let mut inside = house.client(kept["kept"]["database"].as_str().unwrap());
    assert_eq!(inside.query_one("select count(*) from a1", &[]).unwrap().get::<_, i64>(0), 1, "seeded once");
    let elsewhere = house.scene.xtask("db-roundtrip -q --json").env("BACKEND_MODE", "odd").run().code(0).json();
    assert_eq!(elsewhere["cache"]["changed"], json!(["environment"]), "{elsewhere}");
    // One more that is tested, another stretch of the history below it; and the environment is the old one again.
    assert_eq!(house.trip("--steps=2")["cache"]["changed"], json!(["revisions", "seed", "scripts", "environment"]));
}

#[test]
fn a_command_s_baseline_and_its_script() {
    let house = House::new();
    let manifest = |target: &str| {
        house.manifest(&format!(
            "[workspace.metadata.db.components.manager]\nbaseline = [\"sh\", \"make.sh\", \"{{config}}\", \"{target}\"]"
        ));
    };
    manifest("b2");
    house.scene.project.write("make.sh", "exec \"$XTASK_PYTHON\" -m alembic -c \"$1\" upgrade $2\n");
    let json = house.trip("--all");
    assert_eq!((used(&json).0.as_str(), &json["tested"]), ("stored", &json!(3)), "{json}");
    let again = house.trip("--all");
    assert_eq!((used(&again).0.as_str(), &again["tested"]), ("hit", &json!(3)), "{again}");
    assert!(again["baseline"].as_str().unwrap().contains("made by `sh make.sh {config} b2` at b2"), "{again}");
    house.scene.project.write("make.sh", "exec \"$XTASK_PYTHON\" -m alembic -c \"$1\" upgrade \"$2\"\n");
    assert_eq!(house.trip("--all")["cache"]["changed"], json!(["code"]));
    manifest("a1");
    let json = house.trip("--all");
    assert_eq!(json["cache"]["changed"], json!(["baseline command", "code"]), "{json}");
    // Any script may be one that the command runs.
    house.scene.project.write_revision("c3", "b2", &sql("create table c3 (n oid)"), &sql("drop table c3"));
    assert_eq!(house.trip("--all")["cache"]["changed"], json!(["code"]));
    // A database that came from the cache is put back from it, too.
    house.scene.project.write_revision("b2", "a1", &sql("create table b2 (n int)"), "pass");
    let json = house.scene.run("db-roundtrip -q --all --json").code(4).json();
    let cached = house.scene.run("db-roundtrip -q --all --json").code(4).json();
    assert_eq!((used(&json).0.as_str(), used(&cached).0.as_str()), ("stored", "hit"));
    let verdicts = |json: &Value| {
        json["results"].as_array().unwrap().iter().map(|result| result["verdict"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(verdicts(&json), verdicts(&cached));
}

#[test]
fn a_killed_build_is_never_used() {
    let house = House::new();
    house.manifest("[workspace.metadata.db.components.manager]\nbaseline = [\"sh\", \"make.sh\", \"{config}\"]");
    house.scene.project.write("make.sh", "\"$XTASK_PYTHON\" -m alembic -c \"$1\" upgrade b2 && sleep 600\n");
    let mut child = house.scene.xtask("db-roundtrip -q --json").spawn();
    let half_made = || {
        let scratch = house.ours();
        scratch.first().is_some_and(|name| {
            let there = house.client(name).query_one("select to_regclass('b2') is not null", &[]);
            there.is_ok_and(|row| row.get(0))
        })
    };
    wait_until("a baseline that is half made", half_made);
    child.kill().unwrap();
    assert_eq!(child.wait().unwrap().signal(), Some(9));
    let [left] = house.ours().try_into().unwrap();
    assert!(left.starts_with("xtask_scratch_"), "{left}");
    house.scene.project.write("make.sh", "exec \"$XTASK_PYTHON\" -m alembic -c \"$1\" upgrade head\n");
    let json = house.trip("");
    assert_eq!(used(&json).0, "stored", "{json}");
    // Beside it stands what it was compared with, made from empty.
    let ours = house.ours();
    assert!(ours.iter().any(|name| *name == json["cache"]["database"]), "{ours:?} {json}");
    assert!(ours.iter().all(|name| name.starts_with("xtask_baseline_")), "what the killed run left is swept: {ours:?}");
}

#[test]
fn runs_at_the_same_time_do_not_harm_each_other() {
    let house = House::new();
    let mut running: Vec<_> = (0..3).map(|_| house.scene.xtask("db-roundtrip -q --json").spawn()).collect();
    let streams: Vec<_> = running.iter_mut().map(Streams::of).collect();
    for (child, streams) in running.into_iter().zip(streams) {
        let json = streams.end(child).code(0).json();
        assert!(["stored", "hit"].contains(&used(&json).0.as_str()), "{json}");
        assert_eq!(json["results"][0]["verdict"], "reversible");
    }
    assert_eq!(house.ours().len(), 1, "{:?}", house.ours());
}

#[test]
fn old_ones_go_by_age_and_by_size() {
    let house = House::new();
    let first = house.trip("")["cache"]["database"].as_str().unwrap().to_owned();
    let comment = "select shobj_description(oid, 'pg_database') from pg_database where datname = $1";
    let comment: String = house.client("postgres").query_one(comment, &[&first]).unwrap().get(0);
    let (before, rest) = comment.split_once("\"made\":").unwrap();
    let rest = rest.trim_start_matches(|c: char| c.is_ascii_digit());
    let eight_days: i64 = house
        .client("postgres")
        .query_one("select extract(epoch from now() - interval '8 days')::int8", &[])
        .unwrap()
        .get(0);
    let old = format!("{before}\"made\":{eight_days}{rest}").replace('\'', "''");
    house.tamper(&first, "create table planted (n int)");
    house.client("postgres").batch_execute(&format!("comment on database {first} is '{old}'")).unwrap();
    // The same key, and the same name; but another database.
    let json = house.trip("");
    assert_eq!((used(&json).0.as_str(), &json["cache"]["database"]), ("stored", &json!(first)), "{json}");
    assert!(!house.works_on_planted(""));
    // An empty database has some 7 MB, so one fits and two do not: the older one goes.
    house.manifest("megabytes = 12");
    let second = house.trip("")["cache"]["database"].as_str().unwrap().to_owned();
    assert_ne!(second, first);
    assert_eq!(house.ours(), [second.as_str()]);
    // Somebody else's that looks like ours stays.
    house.client("postgres").batch_execute("create database xtask_baseline_x_0123456789abcdef").unwrap();
    let cleared = house.scene.json("db-roundtrip --clear-cache");
    assert_eq!((&cleared["dropped"], &cleared["left"]), (&json!([second]), &json!(0)));
    assert_eq!(house.ours(), ["xtask_baseline_x_0123456789abcdef"]);
    house.manifest("where = \"nowhere\"");
    let json = house.trip("");
    assert_eq!(used(&json), ("none".to_owned(), "`cache.where` is \"nowhere\"".to_owned()));
}

#[test]
fn what_is_in_use_is_not_dropped() {
    let house = House::new();
    let template = house.trip("")["cache"]["database"].as_str().unwrap().to_owned();
    let slow = "import time; time.sleep(600)";
    house.scene.project.write_revision("c3", "b2", slow, "pass");
    let mut child = house.scene.xtask("db-roundtrip -q --json").spawn();
    let streams = Streams::of(&mut child);
    wait_until("a copy of the baseline", || house.ours().len() == 2);
    let cleared = house.scene.json("db-roundtrip --clear-cache");
    assert_eq!((&cleared["dropped"], &cleared["left"]), (&json!([]), &json!(1)));
    rustix::process::kill_process(rustix::process::Pid::from_child(&child), rustix::process::Signal::INT).unwrap();
    let _ = streams.end(child).code(130);
    assert_eq!(house.ours(), [template]);
}

#[test]
fn a_role_that_may_not_keep_it_goes_on_without() {
    let house = House::new();
    house.client("postgres").batch_execute("create role ann login createdb").unwrap();
    let (dir, port) = (house.server.dir.display().to_string(), house.server.port);
    std::fs::write(house.server.dir.join("hba"), "local all all trust\n").unwrap();
    house.client("postgres").batch_execute("select pg_reload_conf()").unwrap();
    let house =
        House { scene: house.scene.url(&format!("postgresql+psycopg://ann@/none?host={dir}&port={port}")), ..house };
    let psql = format!("psql -X -q -h {dir} -p {port} -U postgres -d postgres -c 'alter role ann nocreatedb'");
    house.scene.project.write("make.sh", &format!("\"$XTASK_PYTHON\" -m alembic -c \"$1\" upgrade head && {psql}\n"));
    house.manifest("[workspace.metadata.db.components.manager]\nbaseline = [\"sh\", \"make.sh\", \"{config}\"]");
    let output = house.scene.run("db-roundtrip --json").code(0).complains("The baseline is not kept for the next run");
    assert_eq!(used(&output.json()).0, "none", "{output}");
    assert_eq!(house.ours(), [""; 0]);
}

#[test]
fn what_changes_while_it_is_made_is_not_kept() {
    let house = House::new();
    house.manifest("[workspace.metadata.db.components.manager]\nbaseline = [\"sh\", \"make.sh\", \"{config}\"]");
    let script = "\"$XTASK_PYTHON\" -m alembic -c \"$1\" upgrade b2 && date >>app/models.txt\n";
    house.scene.project.write("make.sh", script);
    for _ in 0..2 {
        let (state, why) = house.used("");
        assert_eq!(state, "none");
        assert!(why.ends_with("app/models.txt changed while it was made"), "{why}");
    }
    assert_eq!(house.ours(), [""; 0]);
}

#[test]
fn a_script_that_changes_while_it_is_made_spoils_it() {
    let house = House::new();
    let edits = "import pathlib\npath = pathlib.Path(__file__)\n\
                 text = path.read_text().replace('a1 (n i' 'nt)', 'a1 (n oid)')\n\
                 if text != path.read_text(): path.write_text(text)";
    let up = format!("{}\n{edits}", sql("create table a1 (n int)"));
    house.scene.project.write_revision("a1", "", &up, &sql("drop table a1"));
    // Kept, it would be found by whoever has the script as it was, say after a `git checkout`.
    let (state, why) = house.used("");
    assert_eq!(state, "none", "{why}");
    assert!(why.ends_with("migrations/versions/a1.py changed while it was made"), "{why}");
    assert_eq!(house.used("").0, "stored", "it edits nothing the second time");
}

#[test]
fn the_first_rows_go_in_once_whatever_is_passed_by() {
    let house = House::new();
    house.scene.project.write("make.sh", "exec \"$XTASK_PYTHON\" -m alembic -c \"$1\" upgrade a1\n");
    house.scene.project.write("rows.sql", "insert into a1 values (1)");
    let seed = "baseline = [\"sh\", \"make.sh\", \"{config}\"]\nseed = \"rows.sql\"";
    house.manifest(&format!("[workspace.metadata.db.components.manager]\n{seed}"));
    // `b2` is applied without a test.
    let kept = house.trip("--keep")["kept"]["database"].as_str().unwrap().to_owned();
    let count = house.client(&kept).query_one("select count(*) from a1", &[]).unwrap();
    assert_eq!(count.get::<_, i64>(0), 1);
    house.client("postgres").batch_execute(&format!("drop database {kept} with (force)")).unwrap();
    // The database is made again for the way down, and its rows are lost there.
    let json = house.scene.run("db-roundtrip -q --all --json").code(4).json();
    let lost = &json["results"][2];
    assert_eq!((&lost["revision"], &lost["verdict"]), (&json!("a1"), &json!("data-lost")), "{json}");
}

/// As MLflow does it: the command makes the tables that no revision makes, and stamps nothing.
#[test]
fn initial_tables_that_no_revision_makes() {
    let house = House::new();
    let make = "import configparser, sys, sqlalchemy\nconfig = configparser.RawConfigParser()\nconfig.read(sys.argv[1])\n\
                engine = sqlalchemy.create_engine(config['alembic']['sqlalchemy.url'].replace('%%', '%'))\n\
                with engine.begin() as connection:\n    connection.execute(sqlalchemy.text('create table begun (n int)'))\n";
    house.scene.project.write("make.py", make);
    house.scene.project.write("make.sh", "exec \"$XTASK_PYTHON\" make.py \"$1\"\n");
    house.scene.project.write_revision("a1", "", &sql("alter table begun add a int"), &sql("alter table begun drop a"));
    house.manifest("[workspace.metadata.db.components.manager]\nbaseline = [\"sh\", \"make.sh\", \"{config}\"]\n");
    let json = house.trip("--all");
    let verdicts: Vec<&Value> = json["results"].as_array().unwrap().iter().map(|it| &it["verdict"]).collect();
    assert_eq!((verdicts, &json["tested"]), (vec![&json!("reversible"); 3], &json!(3)), "{json}");
    house.scene.project.write("make.py", "");
    let empty = house.scene.run("db-roundtrip -q --all --no-cache --json");
    assert_eq!(empty.kind(), "config-invalid", "{empty}");
    drop(empty.complains("there is no revision, and no table"));
}
