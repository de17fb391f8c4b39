//! The wall round the throwaway database: what scripts open past SQLAlchemy leads to it or nowhere, and the component's own
//! database is as it was.

use super::ways::{roundtrip, told};
use crate::support::pg::cluster;
use crate::support::project::Project;

/// Tries every driver with the address of the own database, and libpq's defaults without any; says where it got.
const TRIES: &str = "
import asyncio, os, asyncpg, pg8000.dbapi, psycopg, psycopg2, subprocess
own, folder, user = 'OWN', os.environ['PGHOST'], os.environ['PGUSER']
async def by_asyncpg(connect):
    await (await connect()).close()
def pooled():
    async def one():
        async with asyncpg.create_pool(host=folder, database=own, user=user, min_size=1, max_size=1) as pool:
            await pool.fetchval('select 1')
    return one
tries = {
    'psycopg': lambda: psycopg.connect(host=folder, dbname=own, user=user),
    'Connection': lambda: psycopg.Connection.connect(f'postgresql://{user}@/{own}?host={folder}', autocommit=True),
    'psycopg2': lambda: psycopg2.connect(host=folder, dbname=own, user=user),
    'pg8000': lambda: pg8000.dbapi.connect(user, unix_sock=folder + '/.s.PGSQL.' + os.environ.get('PGPORT', '5432'), database=own),
    'asyncpg': lambda: asyncio.run(by_asyncpg(lambda: asyncpg.connect(host=folder, database=own, user=user))),
    'pool': lambda: asyncio.run(pooled()()),
}
reached = []
for name, go in tries.items():
    try:
        go()
        reached.append(name)
    except Exception as error:
        assert 'refused to connect to database ' + own in str(error), (name, error)
assert not reached, reached
assert psycopg.connect('').info.dbname.startswith('xtask_scratch_')
asked = subprocess.run(['psql', '-XAtc', 'select current_database()'], capture_output=True, text=True).stdout
assert asked.startswith('xtask_scratch_'), asked
";

#[test]
fn no_driver_leads_a_script_to_the_components_own_database() {
    let own = cluster().database();
    let project = Project::new(&cluster().url("psycopg", &own));
    let project = project.revision("a", "", &TRIES.replace("OWN", &own), "pass");
    let report = roundtrip(&project, "--all", 0);
    assert_eq!(told(&report), ["a reversible"], "{report:#}");
}

#[test]
fn a_script_that_turns_there_ends_the_run() {
    let own = cluster().database();
    cluster().client(&own).batch_execute("create table canary (t int)").unwrap();
    let script = format!(
        "import os, psycopg\nc = psycopg.connect(host=os.environ['PGHOST'], dbname='{own}', autocommit=True)\nc.execute('insert into canary values (1)')"
    );
    let project = Project::new(&cluster().url("psycopg", &own)).revision("a", "", &script, "pass");
    let report = roundtrip(&project, "--all --server=configured", 1);
    assert_eq!(report["error"]["kind"], "wrong-database", "{report:#}");
    let rows: i64 = cluster().client(&own).query_one("select count(*) from canary", &[]).unwrap().get(0);
    assert_eq!(rows, 0);
}
