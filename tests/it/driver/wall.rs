//! The ways by which a migration script can reach the component's own database while it runs on a throwaway one, and what
//! becomes of each: `docs/reliability.md` has the same list.

use std::fmt::Write;

use xtask::model::target::Step;
use xtask::model::url::Secret;
use xtask::sys::alembic::{Database, Driver, Launch, Outcome, OwnDatabase, Stop, TroubleKind};
use xtask::sys::warm::Warmth;

use super::{Driven, LIMIT, expect, trouble, ui};
use crate::support::pg::{SUPERUSER, cluster};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// The step fails as one that turns to another database, and nothing was written there.
    Stopped,
    /// It goes through, and what it wrote is in the throwaway database.
    Led,
    /// It goes through, and the row is in the component's own database, where only a look at that shows it.
    Past,
}
use crate::support::process;
use crate::support::scene::Scene;
use crate::support::xtask::Folder;
use crate::warm::wait_for_packages;
use End::{Led, Past, Stopped};

const WRITE: &str = "insert into canary values (1)";

/// OWN is the own database, DIR the folder of the socket, USER the user, WRITE the statement.
const WAYS: &[(&str, End, &str)] = &[
    ("psycopg", Stopped, "import psycopg; psycopg.connect(host='DIR', dbname='OWN', user='USER', autocommit=True).execute('WRITE')"),
    (
        "psycopg_ini",
        Stopped,
        "import configparser, psycopg
p = configparser.ConfigParser(interpolation=None); p.read('alembic.ini')
psycopg.connect(p['alembic']['sqlalchemy.url'].replace('+psycopg', ''), autocommit=True).execute('WRITE')",
    ),
    (
        "psycopg_class",
        Stopped,
        "import psycopg
class Mine(psycopg.Connection): pass
Mine.connect('host=DIR user=USER dbname=OWN', autocommit=True).execute('WRITE')",
    ),
    (
        "psycopg_async",
        Stopped,
        "import asyncio, psycopg
async def go(): await (await psycopg.AsyncConnection.connect('host=DIR user=USER dbname=OWN', autocommit=True)).execute('WRITE')
asyncio.run(go())",
    ),
    (
        "service",
        Stopped,
        "import os, psycopg
open('services', 'w').write('[own]\\nhost=DIR\\nuser=USER\\ndbname=OWN\\n')
os.environ['PGSERVICEFILE'] = 'services'
psycopg.connect('service=own', autocommit=True).execute('WRITE')",
    ),
    ("psycopg2", Stopped, "import psycopg2; c = psycopg2.connect('host=DIR user=USER dbname=OWN'); c.cursor().execute('WRITE'); c.commit()"),
    (
        "asyncpg",
        Stopped,
        "import asyncio, asyncpg
async def go(): await (await asyncpg.connect(host='DIR', database='OWN', user='USER')).execute('WRITE')
asyncio.run(go())",
    ),
    (
        "asyncpg_pool",
        Stopped,
        "import asyncio, asyncpg
async def go():
    async with asyncpg.create_pool(host='DIR', database='OWN', user='USER', min_size=1, max_size=1) as pool: await pool.execute('WRITE')
asyncio.run(go())",
    ),
    ("pg8000", Stopped, "import pg8000.dbapi as p; c = p.connect('USER', unix_sock='DIR/.s.PGSQL.5432', database='OWN'); c.cursor().execute('WRITE'); c.commit()"),
    ("pg8000_native", Stopped, "import pg8000.native as p; p.Connection('USER', unix_sock='DIR/.s.PGSQL.5432', database='OWN').run('WRITE')"),
    ("pg8000_legacy", Stopped, "import pg8000; c = pg8000.connect('USER', unix_sock='DIR/.s.PGSQL.5432', database='OWN'); c.cursor().execute('WRITE'); c.commit()"),
    ("dialect", Stopped, "c = op.get_bind().dialect.connect(host='DIR', dbname='OWN', user='USER'); c.cursor().execute('WRITE'); c.commit()"),
    ("engine", Stopped, "e = sa.create_engine('postgresql+psycopg2://USER@/OWN?host=DIR')\nwith e.begin() as c: c.execute(sa.text('WRITE'))"),
    (
        "engine_from_config",
        Stopped,
        "import configparser
p = configparser.ConfigParser(interpolation=None); p.read('alembic.ini')
with sa.engine_from_config(dict(p['alembic'])).begin() as c: c.execute(sa.text('WRITE'))",
    ),
    ("creator", Stopped, "import psycopg2\nwith sa.create_engine('postgresql+psycopg2://', creator=lambda: psycopg2.connect('host=DIR user=USER dbname=OWN')).begin() as c: c.execute(sa.text('WRITE'))"),
    (
        "swallowed",
        Stopped,
        "import psycopg
try: psycopg.connect('host=DIR user=USER dbname=OWN', autocommit=True).execute('WRITE')
except BaseException: pass",
    ),
    (
        "thread",
        Stopped,
        "import threading, psycopg
t = threading.Thread(target=lambda: psycopg.connect('host=DIR user=USER dbname=OWN', autocommit=True).execute('WRITE'))
t.start(); t.join()",
    ),
    ("variables", Led, "import psycopg; psycopg.connect('', autocommit=True).execute('WRITE')"),
    ("database_url", Led, "import os, psycopg; psycopg.connect(os.environ['DATABASE_URL'], autocommit=True).execute('WRITE')"),
    ("dsn_variable", Led, "import os, psycopg2; c = psycopg2.connect(os.environ['APP_DSN']); c.cursor().execute('WRITE'); c.commit()"),
    ("name_variable", Led, "import os, psycopg; psycopg.connect(host='DIR', user='USER', dbname=os.environ['DB_NAME'], autocommit=True).execute('WRITE')"),
    ("psql_default", Led, "import subprocess; subprocess.run(['psql', '-Xqc', 'WRITE'], check=True)"),
    ("psql", Stopped, "import subprocess; subprocess.run(['psql', '-Xqh', 'DIR', '-U', 'USER', '-c', 'WRITE', 'OWN'])"),
    ("psql_url", Stopped, "import subprocess; subprocess.run(['psql', 'postgresql://USER@/OWN?host=DIR', '-c', 'WRITE'])"),
    ("psql_connects", Stopped, "import subprocess; subprocess.run(['psql', '-Xq', '-c', '\\\\c OWN', '-c', 'WRITE'])"),
    ("psql_environment", Stopped, "import os, subprocess; subprocess.run(['psql', '-Xqc', 'WRITE'], env=dict(os.environ, PGDATABASE='OWN'))"),
    ("shell", Stopped, "import subprocess; subprocess.run('cd / && psql -h DIR -U USER -d OWN -c \"WRITE\"', shell=True)"),
    ("system", Stopped, "import os; os.system('psql -h DIR -U USER -d OWN -c \"WRITE\"')"),
    ("popen", Stopped, "import os; os.popen('psql -h DIR -U USER -d OWN -c \"WRITE\"').read()"),
    ("posix_spawn", Stopped, "import os; os.waitpid(os.posix_spawn('PSQL', ['psql', '-h', 'DIR', '-U', 'USER', '-d', 'OWN', '-c', 'WRITE'], os.environ), 0)"),
    (
        "exec_in_a_fork",
        Stopped,
        "import os
pid = os.fork()
if pid == 0: os.execv('PSQL', ['psql', '-h', 'DIR', '-U', 'USER', '-d', 'OWN', '-c', 'WRITE'])
os.waitpid(pid, 0)",
    ),
    (
        "python",
        Stopped,
        "import subprocess, sys
subprocess.run([sys.executable, '-c', 'import configparser, psycopg; p = configparser.ConfigParser(interpolation=None); p.read(\"alembic.ini\"); psycopg.connect(p[\"alembic\"][\"sqlalchemy.url\"].replace(\"+psycopg\", \"\"), autocommit=True).execute(\"WRITE\")'])",
    ),
    ("python_default", Led, "import subprocess, sys; subprocess.run([sys.executable, '-c', 'import psycopg; psycopg.connect(\"\", autocommit=True).execute(\"WRITE\")'], check=True)"),
    (
        "multiprocessing",
        Stopped,
        "import multiprocessing, psycopg
def go(): psycopg.connect('host=DIR user=USER dbname=OWN', autocommit=True).execute('WRITE')
p = multiprocessing.get_context('fork').Process(target=go); p.start(); p.join()",
    ),
    ("ctypes", Stopped, "import ctypes; ctypes.CDLL('libpq.so.5')"),
    ("dblink", Stopped, "op.execute('create extension dblink'); op.execute(\"select dblink_exec('host=DIR user=USER dbname=OWN', 'WRITE')\")"),
    (
        "foreign_server",
        Stopped,
        "op.execute('create extension postgres_fdw'); op.execute(\"create server s foreign data wrapper postgres_fdw options (host 'DIR', dbname 'OWN')\")",
    ),
    ("to_program", Stopped, "op.execute(\"copy (select 1) to program 'psql -h DIR -U USER -d OWN -c \\\"WRITE\\\"'\")"),
    ("subscription", Stopped, "op.execute(\"create subscription s connection 'host=DIR dbname=OWN' publication p with (connect = false)\")"),
    (
        "drop_database",
        Stopped,
        "with op.get_context().autocommit_block(): op.execute('drop database if exists \"OWN\"')",
    ),
    ("alter_system", Stopped, "op.execute('alter system set work_mem = 64')"),
    (
        "raw_socket",
        Past,
        "import socket, struct
s = socket.socket(socket.AF_UNIX); s.connect('DIR/.s.PGSQL.5432')
start = b'user\\0USER\\0database\\0' + b'OWN' + b'\\0\\0'
s.sendall(struct.pack('!ii', len(start) + 8, 196608) + start)
text = b'WRITE\\0'
s.sendall(b'Q' + struct.pack('!i', len(text) + 4) + text)
seen = b''
while b'INSERT 0 1' not in seen: seen += s.recv(4096)
s.sendall(b'X' + struct.pack('!i', 4)); s.close()",
    ),
    (
        "shell_script",
        Past,
        "import subprocess
open('go.sh', 'w').write('psql -h DIR -U USER -d OWN -Xqc \"WRITE\"')
subprocess.run(['sh', 'go.sh'], check=True)",
    ),
    (
        "isolated_python",
        Past,
        "import subprocess, sys
subprocess.run([sys.executable, '-I', '-c', 'import configparser, psycopg; p = configparser.ConfigParser(interpolation=None); p.read(\"alembic.ini\"); psycopg.connect(p[\"alembic\"][\"sqlalchemy.url\"].replace(\"+psycopg\", \"\"), autocommit=True).execute(\"WRITE\")'], check=True)",
    ),
];

fn rows(database: &str) -> i64 {
    cluster().client(database).query_one("select count(*) from canary", &[]).unwrap().get(0)
}

/// A project whose config names `own`, and a driver on `throwaway`, which knows that it is one.
fn walled(own: &str, throwaway: &str) -> (Scene, Launch) {
    let bench = Scene::new().url(&cluster().url("psycopg", own));
    let socket = cluster().socket_dir.display().to_string();
    let mut launch = bench.launch();
    launch.database =
        Database { url: Some(Secret::new(cluster().url("psycopg", throwaway))), expect: expect(throwaway) };
    launch.throwaway = Some(vec![OwnDatabase {
        database: own.to_owned(),
        servers: vec![(socket.clone(), 5432)],
        user: SUPERUSER.to_owned(),
        password: None,
    }]);
    for (name, value) in [
        ("DATABASE_URL", format!("postgresql://{SUPERUSER}@/{own}?host={socket}")),
        ("APP_DSN", format!("host={socket} user={SUPERUSER} dbname={own}")),
        ("DB_NAME", own.to_owned()),
        ("PGDATABASE", own.to_owned()),
        ("PGHOST", socket),
        ("PGUSER", SUPERUSER.to_owned()),
        ("PATH", cluster().path().into_string().unwrap()),
    ] {
        launch.env.push((name.to_owned(), value));
    }
    (bench, launch)
}

/// Also where the driver's files lie elsewhere, and its state folder is not there yet.
#[test]
fn what_processes_of_a_script_are_refused_is_told_by_a_forked_driver_too() {
    // The folder of warm processes is found by the environment.
    let name = "driver::wall::what_processes_of_a_script_are_refused_is_told_by_a_forked_driver_too";
    if process::wanted().is_none() {
        let folder = Folder::new();
        let done = process::part(name, "forked").env("XDG_RUNTIME_DIR", folder.path()).status();
        return assert!(done.unwrap().success());
    }
    let place = std::path::PathBuf::from(std::env::var_os("XDG_RUNTIME_DIR").unwrap());
    let (_, _, body) = WAYS.iter().find(|(id, ..)| *id == "multiprocessing").unwrap();
    let socket = cluster().socket_dir.display().to_string();
    // Whatever the first one finds, it leaves the warm process that the second one is forked from.
    for _ in 0..2 {
        let (own, throwaway) = (cluster().database(), cluster().database());
        let body = body.replace("OWN", &own).replace("DIR", &socket).replace("USER", SUPERUSER).replace("WRITE", WRITE);
        let (bench, launch) = walled(&own, &throwaway);
        let bench = bench.revision("a", "", &body, "pass");
        let mut driver = Driver::start(&ui(), &Launch { warmth: Warmth::Packages, ..launch }).unwrap();
        let found = trouble(driver.step(&Step::up("a"), LIMIT));
        assert_eq!(found.kind, TroubleKind::WrongDatabase, "{found:?}");
        drop((driver, bench));
        wait_for_packages(&place);
    }
}

#[test]
fn every_way_out_of_a_script() {
    let (own, throwaway) = (cluster().database(), cluster().database());
    for database in [&own, &throwaway] {
        cluster().client(database).batch_execute("create table canary (t int)").unwrap();
    }
    let (mut bench, launch) = walled(&own, &throwaway);
    let psql = cluster().bin.join("psql").display().to_string();
    let socket = cluster().socket_dir.display().to_string();
    for (id, _, body) in WAYS {
        let body = body.replace("OWN", &own).replace("DIR", &socket).replace("USER", SUPERUSER).replace("WRITE", WRITE);
        bench = bench.revision(id, "", &body.replace("PSQL", &psql), "pass");
    }
    let mut driver = Driver::start(&ui(), &launch).unwrap();
    let mut wrong = String::new();
    for (id, expected, _) in WAYS {
        let before = (rows(&own), rows(&throwaway));
        let outcome = driver.step(&Step::up(*id), LIMIT);
        let (in_own, in_throwaway) = (rows(&own) - before.0, rows(&throwaway) - before.1);
        let end = match &outcome {
            Err(Stop::Trouble(trouble)) if trouble.kind == TroubleKind::WrongDatabase && in_own == 0 => Some(Stopped),
            Ok(_) if in_own == 0 && in_throwaway == 1 => Some(Led),
            Ok(_) if in_own == 1 => Some(Past),
            _ => None,
        };
        if end != Some(*expected) {
            writeln!(wrong, "{id}: {in_own} {in_throwaway} {}", said(&outcome)).unwrap();
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

fn said<T>(outcome: &Outcome<T>) -> String {
    match outcome {
        Ok(_) => "went through".to_owned(),
        Err(Stop::Trouble(trouble)) => format!("{:?}: {} {:?}", trouble.kind, trouble.message, trouble.traceback),
        Err(Stop::Error(error)) => format!("{error:?}"),
    }
}
