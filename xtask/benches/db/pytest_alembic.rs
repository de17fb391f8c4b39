//! Against pytest-alembic's `test_up_down_consistency`: from an empty database up, down and up again, revision by
//! revision, in one process, through the project's own env.py and the same interpreter. It asserts that no step raises;
//! ours compares schema and rows on top. Both take as many steps, and nothing of a database is there beforehand.
//!
//! pytest-alembic runs a script twice without loading it anew, and so fails on scripts that describe a table at module
//! level ('Table is already defined'). Both application proxies have one; the histories are cut below it for both sides.

use std::path::Path;

use xtask::sys::run::Cmd;

use crate::example::{Example, lender};
use crate::measure::{Goal, Row, Rows, in_turns};
use crate::support::pg::cluster;
use crate::support::python::quiet;

const ROUNDS: usize = 3;

/// The newest revision that pytest-alembic gets through, of the example's application proxy and of Backend.AI's.
const LAST: [&str; 2] = ["89118641a945", "66f87e010f90"];

/// The revision of Backend.AI's application proxy above its oldest, which cannot be taken down.
const SECOND: &str = "e81f833e28fa";

/// What pytest-alembic asks a project for. Without an engine of its own it leaves connecting to env.py.
const CONFTEST: &str = "
import os
import pytest

@pytest.fixture
def alembic_config():
    return {
        'file': os.environ['BENCH_CONFIG'],
        'sqlalchemy.url': os.environ['BENCH_URL'],
        'minimum_downgrade_revision': os.environ.get('BENCH_LOWEST'),
    }

@pytest.fixture
def alembic_engine():
    return None
";

/// Runs pytest with packages that this interpreter may lack, behind its own.
const PYTEST: &str = "import sys; sys.path.append(sys.argv.pop(1)); import pytest; sys.exit(pytest.main(sys.argv[1:]))";

pub fn rows() -> Rows {
    let (appproxy, coordinator) = (Example::appproxy(), Example::coordinator()?);
    appproxy.end_at(LAST[0]);
    coordinator.end_at(LAST[1]);
    Ok(vec![row(&Example::manager(), None), row(&appproxy, None), row(&coordinator, Some(SECOND))])
}

/// All revisions, or those from one upwards; what is below it is only applied.
fn row(example: &Example, from: Option<&str>) -> Row {
    std::fs::write(example.root().join("conftest.py"), CONFTEST).unwrap();
    let test = "from pytest_alembic.tests import test_up_down_consistency  # noqa: F401\n";
    std::fs::write(example.root().join("test_walk.py"), test).unwrap();
    let revisions = example.pending();
    let count = from.map_or(revisions.len(), |from| revisions.iter().rev().take_while(|id| *id != from).count() + 1);
    // Its databases are not made again by the test, so there is one for each run.
    let mut databases: Vec<String> = (0..=ROUNDS).map(|_| cluster().database()).collect();
    let lent = site_packages();
    let range = from.map_or_else(|| "--all".to_owned(), |from| format!("--from={from}"));
    let [ours, theirs] = in_turns(
        ROUNDS,
        [&mut || walk(example, &range, count), &mut || {
            pytest(example, &lent, &databases.pop().unwrap(), from.is_some());
        }],
    );
    let what = format!("db-roundtrip of {}, {count} revisions", example.name);
    Row::new(&what, ours, "pytest-alembic", theirs, Goal::Faster(1.0))
}

fn walk(example: &Example, range: &str, count: usize) {
    let json = example.xtask("db-roundtrip --json").arg(range).run().code(0).json();
    assert_eq!((&json["tested"], &json["failed"]), (&count.into(), &0.into()), "{json}");
}

fn pytest(example: &Example, lent: &str, database: &str, is_oldest_left_out: bool) {
    let mut cmd = Cmd::new(&example.python, example.root())
        .args(["-c", PYTEST, lent, "-q", "-p", "no:cacheprovider", "test_walk.py"])
        .env("BENCH_CONFIG", example.config)
        .env("BENCH_URL", cluster().url("asyncpg", database));
    if is_oldest_left_out {
        cmd = cmd.env("BENCH_LOWEST", "base");
    }
    let said = cmd.read(&quiet()).unwrap();
    assert!(said.contains("1 passed"), "{said}");
}

/// Where the environment that has pytest-alembic keeps its packages.
fn site_packages() -> String {
    let program = "import sysconfig; print(sysconfig.get_path('purelib'), end='')";
    Cmd::new(lender(), Path::new("/")).args(["-c", program]).read(&quiet()).unwrap()
}
