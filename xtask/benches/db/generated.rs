//! Generated histories of 1,000 and of 10,000 revisions: time must be in proportion, and memory stay small.

use serde_json::{Value, json};
use xtask::sys::run::Cmd;

use crate::measure::{Reach, Row, in_turns};
use crate::support::pg::cluster;
use crate::support::project::Project;
use crate::support::python::{python, quiet};
use crate::support::xtask::Xtask;

/// Starts a program and tells the peak of its memory: the kernel's own figure, which only the parent can ask for.
const PEAK: &str = "
import json, os, sys
pid = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ, file_actions=[(os.POSIX_SPAWN_OPEN, 1, '/dev/null', os.O_WRONLY, 0)])
_, status, usage = os.wait4(pid, 0)
json.dump({'code': os.waitstatus_to_exitcode(status), 'kib': usage.ru_maxrss / (1024 if sys.platform == 'darwin' else 1)}, sys.stdout)
";

pub fn rows() -> Vec<Row> {
    let (thousand, ten) = (history(1_000), history(10_000));
    let status = |project: &Project| drop(Xtask::new(project.root(), "db-status").run().code(0));
    let [small, large] = in_turns(7, [&mut || status(&thousand), &mut || status(&ten)]);
    let mib = peak(&ten) / 1024.0;
    vec![
        Row::new("db-status, 10,000 revisions", large, "1,000 revisions", small, Reach::AtMost(10.0)),
        Row::alone("db-status, 10,000 revisions: peak memory", mib, "MiB", Reach::Under(64.0)),
    ]
}

/// A line with a fork and a merge point in every ten, in a database that is at the head.
fn history(count: usize) -> Project {
    let database = cluster().database();
    let mut project = Project::new(&cluster().url("asyncpg", &database));
    let id = |number: usize| format!("{number:012x}");
    for number in 1..=count {
        let down = match (number, number % 10) {
            (1, _) => String::new(),
            (_, 5) => id(number - 2),
            (_, 6) => format!("{},{}", id(number - 2), id(number - 1)),
            _ => id(number - 1),
        };
        let body = format!("op.add_column('items', sa.Column('c{number}', sa.Integer(), nullable=True))");
        project = project.revision(&id(number), &down, &body, &format!("op.drop_column('items', 'c{number}')"));
    }
    let sql = "create table alembic_version (version_num varchar(32) primary key); insert into alembic_version values";
    cluster().client(&database).batch_execute(&format!("{sql} ('{}')", id(count))).unwrap();
    project
}

fn peak(project: &Project) -> f64 {
    let program = Cmd::new(python(), project.root()).args(["-c", PEAK, env!("CARGO_BIN_EXE_xtask"), "db-status"]);
    let answer: Value = serde_json::from_str(&program.read(&quiet()).unwrap()).unwrap();
    assert_eq!(answer["code"], json!(0));
    answer["kib"].as_f64().unwrap()
}
