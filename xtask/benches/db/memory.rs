//! What a round trip over many tables with rows takes of memory: our own process alone, not Python's and not the
//! server's. Linux tells the peak while the process lives; elsewhere the row is left out.

use std::time::Duration;

use crate::measure::{Reach, Row};
use crate::support::pg::cluster;
use crate::support::project::Project;
use crate::support::python::python;
use crate::support::scene::Streams;
use crate::support::xtask::Xtask;

const TABLES: usize = 200;
const ROWS: usize = 1_000;

pub fn rows() -> Vec<Row> {
    let what = format!("db-roundtrip, {TABLES} tables of {ROWS} rows: peak memory");
    let peak = peak(&project()).filter(|kib| *kib > 0.0);
    peak.map(|kib| Row::alone(&what, kib / 1024.0, "MiB", Reach::Under(100.0))).into_iter().collect()
}

/// A database at the head with everything in it, and a newest revision that touches every table.
fn project() -> Project {
    let database = cluster().database();
    let columns = "id int primary key, name text not null default '', note varchar(64), at timestamptz default now(), \
        kind int not null default 0, weight numeric(8, 2), tags text[], data jsonb, parent int, flag boolean default false";
    let each = |sql: &str| format!("for n in range({TABLES}):\n    op.execute(f\"\"\"{sql}\"\"\")");
    let make = format!("create table t{{n}} ({columns}); create index on t{{n}} (name, kind)");
    let project = Project::new(&cluster().url("psycopg", &database))
        .revision("a1", "", &each(&make), &each("drop table t{n}"))
        .revision("b2", "a1", &each("alter table t{n} add extra int"), &each("alter table t{n} drop extra"));
    drop(xtask(&project, "db-migrate -q").run().code(0));
    let fill = format!(
        "do $$ begin for n in 0..{} loop execute format('insert into t%s (id, name, note, kind, data) \
         select i, md5(i::text), ''note '' || i, i %% 7, ''{{\"a\": 1}}'' from generate_series(1, {ROWS}) i', n); \
         end loop; end $$",
        TABLES - 1
    );
    cluster().client(&database).batch_execute(&fill).unwrap();
    project
}

fn xtask(project: &Project, words: &str) -> Xtask {
    Xtask::new(project.root(), words).env("XTASK_PYTHON", python())
}

/// In KiB; the highest that was seen, which the kernel never takes back.
fn peak(project: &Project) -> Option<f64> {
    let mut child = xtask(project, "db-roundtrip --json").spawn();
    let status = format!("/proc/{}/status", child.id());
    let streams = Streams::of(&mut child);
    let mut peak = None;
    while child.try_wait().unwrap().is_none() {
        let text = std::fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let seen = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<f64>().ok());
        peak = seen.or(peak);
        std::thread::sleep(Duration::from_millis(2));
    }
    let json = streams.end(child).code(0).json();
    assert_eq!(json["results"][0]["verdict"], "reversible");
    assert_eq!(json["results"][0]["without_rows"], false);
    peak
}
