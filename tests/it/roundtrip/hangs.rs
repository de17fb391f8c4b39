//! Steps that wait for themselves, found without `--step-timeout`; and steps that wait, and are right to.

use serde_json::Value;

use super::ways::{result, told};
use crate::support::scene::Scene;

const LOCK: &str = "op.execute('lock table t')\n";

/// A second connection beside SQLAlchemy's back, which wants what the first one has.
const RAW: &str = "
import psycopg2
url = op.get_bind().engine.url
second = psycopg2.connect(host=url.query['host'], dbname=url.database, user=url.username)
second.cursor().execute('alter table t drop n')
";

/// The same through a loop of its own, in a thread, as an asyncpg project would.
const LOOP: &str = "
import asyncio, asyncpg, threading
url = op.get_bind().engine.url
async def second():
    connection = await asyncpg.connect(host=url.query['host'], database=url.database, user=url.username)
    await connection.execute('alter table t drop n')
thread = threading.Thread(target=lambda: asyncio.run(second()))
thread.start()
thread.join()
";

/// Holds a lock for a while that the step waits for, and lets it go.
const BUSY_THREAD: &str = "
import threading, time
engine = sa.create_engine(op.get_bind().engine.url, poolclass=sa.pool.NullPool)
taken = threading.Event()
def hold():
    with engine.begin() as second:
        second.execute(sa.text('lock table t'))
        taken.set()
        time.sleep(0.5)
thread = threading.Thread(target=hold)
thread.start()
taken.wait()
op.execute('lock table t')
thread.join()
";

/// A thread waits for the step, which is at work for longer than a waiting session has patience.
const BUSY_STEP: &str = "
import threading, time
url = op.get_bind().engine.url
op.execute('lock table t')
def wait():
    engine = sa.create_engine(url, poolclass=sa.pool.NullPool)
    with engine.connect() as second:
        second.execute(sa.text('lock table t'))
threading.Thread(target=wait).start()
op.execute('select pg_sleep(2.5)')
";

fn scene(driver: &str) -> Scene {
    Scene::on(driver).revision("a", "", "op.execute('create table t (id int)')", "op.execute('drop table t')")
}

/// All revisions, where a step may wait for itself for so many milliseconds.
fn patient(scene: &Scene, patience: u32, code: i32) -> Value {
    let xtask = scene.xtask("db-roundtrip --json -q --all").env("XTASK_TEST_PATIENCE", patience.to_string());
    xtask.run().code(code).json()
}

/// `b` hangs on its way down and is found; what is below is tested all the same.
#[track_caller]
fn hangs(driver: &str, body: &str) -> Value {
    let up = "op.execute('alter table t add n int')";
    let report = patient(&scene(driver).revision("b", "a", up, &format!("{LOCK}{body}")), 500, 4);
    assert_eq!(told(&report), ["b failed downgrade", "a reversible"], "{driver}: {report:#}");
    let result = result(&report, "b").clone();
    assert_eq!(result["error"]["kind"], "step-timeout", "{result:#}");
    let details = result["error"]["details"].as_str().unwrap();
    assert!(details.contains("Blocked by process ") && details.contains("idle in transaction"), "{details}");
    assert!(result["cause"].as_str().unwrap().contains("second connection"), "{result:#}");
    result
}

#[test]
fn a_second_connection_waits_for_the_first() {
    let result = hangs("psycopg2", RAW);
    assert!(result["error"]["details"].as_str().unwrap().contains("`lock table t`"), "{result:#}");
}

#[test]
fn the_same_with_asyncpg() {
    hangs("asyncpg", LOOP);
}

#[test]
fn who_waits_and_is_right_to_is_not_accused() {
    let scene = scene("psycopg2")
        .revision("b", "a", "pass", BUSY_THREAD)
        .revision("c", "b", "pass", BUSY_STEP)
        .revision("d", "c", "op.execute('select pg_sleep(2)')", "import time\ntime.sleep(2)");
    let report = patient(&scene, 1500, 0);
    assert_eq!(told(&report), ["d reversible", "c reversible", "b reversible", "a reversible"], "{report:#}");
}
