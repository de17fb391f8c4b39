//! Generated histories of 1,000 and of 10,000 revisions: time must be in proportion.

use crate::measure::{Goal, Row, Rows, in_turns};
use crate::support::pg::cluster;
use crate::support::project::Project;
use crate::support::xtask::Xtask;

pub fn rows() -> Rows {
    let (thousand, ten) = (history(1_000), history(10_000));
    let status = |project: &Project| drop(Xtask::new(project.root(), "db-status").run().code(0));
    let [small, large] = in_turns(7, [&mut || status(&thousand), &mut || status(&ten)]);
    Ok(vec![Row::new("db-status, 10,000 revisions", large, "1,000 revisions", small, Goal::AtMost(10.0))])
}

/// A line with a fork and a merge point in every ten, in a database that is at the head.
pub fn history(count: usize) -> Project {
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
