//! `db-rebase` on a history as long as Backend.AI's: the plan alone, and all of it for five revisions of one's own, without
//! a database. Whole processes, git's included.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use crate::measure::{Goal, Row, Rows, median};
use crate::start::users_binary;
use crate::support::repo::Repo;
use crate::support::xtask::hermetic;

/// What everybody has, what main has added, and the heads that one's own branch has added to that.
const SHARED: usize = 550;
const THEIRS: usize = 2;
const OWN: usize = 5;
const ROUNDS: usize = 9;

pub fn rows() -> Rows {
    let repo = diverged();
    let users = users_binary();
    let mut rows = Vec::new();
    for (profile, program) in [("", Path::new(env!("CARGO_BIN_EXE_xtask"))), (", as users get it", &users)] {
        let goal = |limit| if profile.is_empty() { Goal::Under(limit) } else { Goal::Known };
        let times = |words: &[&str]| {
            let once = |_| {
                repo.git(&["checkout", "--quiet", "--", "migrations"]);
                time(program, repo.root(), words)
            };
            // The first one warms up.
            median((0..=ROUNDS).map(once).skip(1).collect())
        };
        let plan = times(&["db-rebase", "--no-db", "--dry-run"]);
        let files = times(&["db-rebase", "--no-db"]);
        rows.push(Row::alone(&format!("db-rebase --dry-run, 557 scripts{profile}"), plan, "ms", goal(100.0)));
        rows.push(Row::alone(&format!("db-rebase of 5 revisions, files only{profile}"), files, "ms", goal(150.0)));
    }
    Ok(rows)
}

fn diverged() -> Repo {
    let repo = Repo::new();
    let id = |number: usize| format!("{number:012x}");
    repo.write("alembic.ini", "[alembic]\nscript_location = migrations\nsqlalchemy.url = postgresql://localhost:9/x\n");
    repo.write(".gitignore", "state\n.xtask\n");
    let add = |number: usize, down: usize| {
        let (id, parent) = (id(number), if down == 0 { "None".to_owned() } else { format!("\"{}\"", id(down)) });
        let body = format!("op.add_column(\"items\", sa.Column(\"c{number}\", sa.Integer(), nullable=True))");
        let text = format!(
            "\"\"\"Add c{number}\n\nRevision ID: {id}\nRevises: {parent}\n\n\"\"\"\nimport sqlalchemy as sa\n\
             from alembic import op\n\nrevision = \"{id}\"\ndown_revision = {parent}\n\n\n\
             def upgrade():\n    {body}\n\n\ndef downgrade():\n    op.drop_column(\"items\", \"c{number}\")\n"
        );
        repo.write(format!("migrations/versions/{id}.py"), &text);
    };
    let commit = || {
        repo.git(&["add", "--all"]);
        repo.git(&["commit", "--quiet", "--message", "more"]);
    };
    (1..=SHARED).for_each(|number| add(number, number - 1));
    commit();
    repo.git(&["branch", "feature"]);
    (SHARED + 1..=SHARED + THEIRS).for_each(|number| add(number, number - 1));
    commit();
    repo.switch("feature");
    (1..=OWN).for_each(|number| add(SHARED + THEIRS + number, SHARED));
    commit();
    repo.merge("main");
    repo
}

#[expect(clippy::disallowed_methods, reason = "nothing but the command itself is to be measured")]
fn time(program: &Path, folder: &Path, words: &[&str]) -> f64 {
    let mut command = Command::new(program);
    command.args(words).current_dir(folder).env_clear().envs(hermetic(folder)).stdin(Stdio::null());
    let started = Instant::now();
    let output = command.output().unwrap();
    let took = started.elapsed().as_secs_f64() * 1000.0;
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}\n{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(text.matches(" → ").count(), OWN, "{text}");
    took
}
