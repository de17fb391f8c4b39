//! The peak memory of our own process. That of the Python which it starts is the application's.

use std::path::Path;
use std::process::Child;
use std::time::Duration;

use serde_json::{Value, json};
use xtask::sys::run::Cmd;

use crate::generated::history;
use crate::measure::{Goal, Row, Rows, median};
use crate::support::python::{python, quiet};
use crate::support::scene::{Scene, sql};

const ROUNDS: usize = 3;
const TABLES: usize = 200;

/// A table of each kind of column that is common, with 1,000 rows; `%s` is its number.
const TABLE: &str = "
create table t%s (
    id int primary key, name text not null default '', body jsonb, price numeric(12, 2), is_on bool, made timestamptz,
    key uuid, size bigint, note varchar(64), parts text[], unique (name), check (price >= 0));
create index on t%s (made);
insert into t%s select n, 'name ' || n, jsonb_build_object('n', n), n, n % 2 = 0, now(), gen_random_uuid(), n,
    repeat('x', n % 64), array['a', 'b'] from generate_series(1, 1000) n;";

/// Starts a program and tells the peak of its memory: the kernel's own figure, which only the parent can ask for.
const PEAK: &str = "
import json, os, sys
pid = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ, file_actions=[(os.POSIX_SPAWN_OPEN, 1, '/dev/null', os.O_WRONLY, 0)])
_, status, usage = os.wait4(pid, 0)
json.dump({'code': os.waitstatus_to_exitcode(status), 'kib': usage.ru_maxrss / (1024 if sys.platform == 'darwin' else 1)}, sys.stdout)
";

/// `db-status` on a long history.
pub fn status() -> Rows {
    let project = history(10_000);
    let run = || {
        let program = Cmd::new(python(), project.root()).args(["-c", PEAK, env!("CARGO_BIN_EXE_xtask"), "db-status"]);
        let answer: Value = serde_json::from_str(&program.read(&quiet()).unwrap()).unwrap();
        assert_eq!(answer["code"], json!(0));
        answer["kib"].as_f64().unwrap() / 1024.0
    };
    let peak = median((0..ROUNDS).map(|_| run()).collect());
    Ok(vec![Row::alone("db-status, 10,000 revisions: peak memory", peak, "MiB", Goal::Under(64.0))])
}

/// `db-roundtrip` in a database with many tables and rows, all of which are read.
pub fn roundtrip() -> Rows {
    let tables: String = (0..TABLES).map(|number| TABLE.replace("%s", &number.to_string())).collect();
    let change = sql("alter table t0 add extra int; update t0 set extra = id");
    let scene = Scene::new().revision("a1", "", &sql(&tables), "pass").revision(
        "b2",
        "a1",
        &change,
        &sql("alter table t0 drop extra"),
    );
    let scene = scene.at("head");
    let peak = median((0..ROUNDS).map(|_| watched(scene.xtask("db-roundtrip --json").spawn())).collect());
    let what = format!("db-roundtrip, {TABLES} tables of 1,000 rows: peak memory");
    Ok(vec![Row::alone(&what, peak, "MiB", Goal::Under(100.0))])
}

/// Looks at a process until its end, since what the kernel tells a parent counts the children in. In MiB.
pub fn watched(mut child: Child) -> f64 {
    let mut peak: f64 = 0.0;
    let ended = loop {
        peak = peak.max(resident_kib(child.id()).unwrap_or(0.0) / 1024.0);
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        std::thread::sleep(Duration::from_millis(2));
    };
    // It finds that the column comes back with other values: that is its answer, and so it has read the rows.
    assert!([Some(0), Some(4)].contains(&ended.code()), "{ended}");
    peak
}

/// The peak so far where the kernel keeps it (Linux), else what it is now.
fn resident_kib(pid: u32) -> Option<f64> {
    if let Ok(status) = std::fs::read_to_string(format!("/proc/{pid}/status")) {
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
        return line.trim().split(' ').next()?.parse().ok();
    }
    let ps = Cmd::new("ps", Path::new("/")).args(["-o", "rss=", "-p"]).arg(pid.to_string());
    ps.read(&quiet()).ok()?.trim().parse().ok()
}
