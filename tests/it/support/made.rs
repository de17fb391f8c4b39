//! Databases as db-migrate would leave them, made without starting Alembic, which would take minutes in all; and what
//! stands in them.

use xtask::model::graph::{Graph, Links};

use super::pg::cluster;
use super::project::text;

/// A script as Alembic's template has it, with a table of its own.
pub fn script(id: &str, down: &str) -> String {
    let parents = down.split_whitespace().collect::<Vec<_>>().join(", ");
    let docstring = format!("Add {id}\n\nRevision ID: {id}\nRevises: {parents}\n\n");
    let rest = format!(
        "depends_on = None\n\n\n\
         def upgrade():\n    op.execute('create table t_{id} (v int)')\n\n\n\
         def downgrade():\n    op.execute('drop table t_{id}')\n"
    );
    text(&docstring, id, down, &rest)
}

/// In a script: whether it runs on the component's own database, and not on a copy where it is tried.
pub const FOR_REAL: &str = "op.get_bind().exec_driver_sql('select current_database()').scalar()[:6] != 'xtask_'";

/// A script that says something else on the component's own database than on a copy, where all goes well.
pub fn fails_for_real(script: &str, usual: &str, wrong: &str) -> String {
    let broken = script.replace(&format!("'{usual}'"), &format!("'{wrong}' if {FOR_REAL} else '{usual}'"));
    assert_ne!(broken, script);
    broken
}

/// Puts a database at these revisions, with a row in the table of each.
pub fn put_at(database: &str, graph: &Graph, place: &str) {
    let heads: Vec<&str> = place.split_whitespace().collect();
    let mut sql = "create table alembic_version (version_num varchar(32) not null, \
                   constraint alembic_version_pkc primary key (version_num));"
        .to_owned();
    for id in graph.ancestors(&heads, Links::WithDependencies) {
        sql += &format!("create table t_{id} (v int); insert into t_{id} values (7);");
    }
    sql.extend(heads.iter().map(|id| format!("insert into alembic_version values ('{id}');")));
    cluster().client(database).batch_execute(&sql).unwrap();
}

/// What the version table holds; nothing where there is none.
pub fn heads(database: &str) -> String {
    let rows = cluster().client(database).query("select version_num::text from alembic_version order by 1", &[]);
    rows.unwrap_or_default().iter().map(|row| row.get(0)).collect::<Vec<String>>().join(" ")
}

/// The rows of every table.
pub fn rows(database: &str) -> String {
    let mut client = cluster().client(database);
    let tables =
        client.query("select tablename::text from pg_tables where schemaname = 'public' order by 1", &[]).unwrap();
    let mut lines = Vec::new();
    for table in tables.iter().map(|row| row.get::<_, String>(0)) {
        let sql = format!("select coalesce(string_agg(x::text, ' ' order by x::text), '') from {table} x");
        lines.push(format!("{table}: {}", client.query_one(&sql, &[]).unwrap().get::<_, String>(0)));
    }
    lines.join("; ")
}
