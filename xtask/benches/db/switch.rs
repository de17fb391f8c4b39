//! `db-switch` between two branches that have a database each, small and large: two databases change names, whatever is in
//! them. Whole processes, git's included.

use crate::measure::{Goal, Row, Rows, in_turns};
use crate::support::pg::cluster;
use crate::support::project::SYNC;
use crate::support::python::python;
use crate::support::repo::Repo;
use crate::support::xtask::{Xtask, as_backend_ai};

const ROUNDS: usize = 10;
/// Rows of about a kilobyte.
const SMALL: usize = 9_000;
const LARGE: usize = 900_000;

pub fn rows() -> Rows {
    let (small, large) = (Switching::new(SMALL), Switching::new(LARGE));
    let [ours, theirs] = in_turns(ROUNDS, [&mut || small.switch(), &mut || large.switch()]);
    Ok(vec![
        Row::alone("db-switch, databases of 10 MB", ours, "ms", Goal::Under(200.0)),
        Row::new("db-switch, databases of 1 GB", theirs, "10 MB", ours, Goal::AtMost(1.2)),
    ])
}

/// A checkout whose branches `main` and `feature` have been visited.
struct Switching {
    repo: Repo,
}

impl Switching {
    fn new(rows: usize) -> Switching {
        let repo = Repo::new();
        let database = cluster().database();
        let url = cluster().url("psycopg2", &database);
        as_backend_ai(repo.root());
        repo.write("alembic.ini", &format!("[alembic]\nscript_location = migrations\nsqlalchemy.url = {url}\n"));
        repo.write("migrations/env.py", SYNC).write(".gitignore", "state\n.xtask\n__pycache__\n");
        let add = |id: &str, down: &str| {
            let text = format!(
                "revision = {id:?}\ndown_revision = {down}\n\n\ndef upgrade():\n    pass\n\n\ndef downgrade():\n    pass\n"
            );
            repo.write(format!("migrations/versions/{id}.py"), &text);
            repo.git(&["add", "--all"]);
            repo.git(&["commit", "--quiet", "--message", id]);
        };
        add("a1", "None");
        repo.git(&["branch", "feature"]);
        add("b1", "'a1'");
        repo.switch("feature");
        add("c1", "'a1'");
        let fill = format!(
            "create table alembic_version (version_num text primary key); insert into alembic_version values ('c1'); \
             create table big as select g, repeat(md5(g::text), 30) as t from generate_series(1, {rows}) g"
        );
        cluster().client(&database).batch_execute(&fill).unwrap();
        let switching = Switching { repo };
        switching.switch();
        switching
    }

    fn switch(&self) {
        let now = self.repo.git(&["branch", "--show-current"]);
        let to = if now.trim() == "main" { "feature" } else { "main" };
        drop(Xtask::new(self.repo.root(), &format!("db-switch {to} -q")).env("XTASK_PYTHON", python()).run().code(0));
    }
}
