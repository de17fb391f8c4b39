//! The installed hooks as git runs them, shell and all, in a checkout with the real Backend.AI manager's 556 scripts.

use std::path::{Path, PathBuf};

use crate::backendai::{BELOW, Manager, QUICK};
use crate::measure::{Goal, Row, Rows, in_turns};
use crate::start::users_binary;
use crate::support::pg::cluster;
use crate::support::repo::Repo;
use crate::support::scene::config;
use crate::support::xtask::Xtask;

/// What is about to be committed: a revision on top of the released ones.
const NEW: &str = "\"\"\"add things\"\"\"\nimport sqlalchemy as sa\nfrom alembic import op\n\n# Part of: 26.10.0\n\
    revision = '3f9c27b1d0e4'\ndown_revision = 'd1117da8d8bd'\n\n\
    def upgrade() -> None:\n    op.create_table('things', sa.Column('id', sa.Integer(), nullable=False))\n\n\n\
    def downgrade() -> None:\n    op.drop_table('things')\n";

/// The database is a revision behind while the hooks look at it.
pub fn rows() -> Rows {
    let subject = Manager::new()?;
    let scripts = subject.scripts();
    let (release, users) = (PathBuf::from(env!("CARGO_BIN_EXE_xtask")), users_binary());
    let checkout = |binary: &Path| checkout(&scripts, &subject.database, binary);
    let (one, one_users, none) = (checkout(&release), checkout(&users), checkout(&release));
    for staged in [&one, &one_users] {
        staged.write("migrations/versions/3f9c27b1d0e4_add_things.py", NEW).git(&["add", "--all"]);
    }
    none.write("words", "one").git(&["add", "--all"]);
    subject.stamp(BELOW);
    let hook = |repo: &Repo, words: &'static str| {
        let (name, words) = words.split_once(' ').unwrap_or((words, ""));
        let program = Xtask::program(&repo.root().join(".git/hooks").join(name), repo.root(), words);
        // A busy machine must not make the hook give up and look quick.
        let output = program.env("XTASK_HOOK_LIMIT", "60s").run().code(0);
        assert_eq!(output.stderr.contains("database is behind by "), name == "post-checkout", "{output}");
    };
    let [staged, staged_users, nothing, line, line_users] = in_turns(
        QUICK,
        [
            &mut || hook(&one, "pre-commit"),
            &mut || hook(&one_users, "pre-commit"),
            &mut || hook(&none, "pre-commit"),
            &mut || hook(&none, "post-checkout a b 1"),
            &mut || hook(&one_users, "post-checkout a b 1"),
        ],
    );
    Ok(vec![
        Row::alone("pre-commit hook, one script staged", staged, "ms", Goal::Under(50.0)),
        Row::alone("pre-commit hook, one script staged, as users get it", staged_users, "ms", Goal::Under(50.0)),
        Row::alone("pre-commit hook, no script staged", nothing, "ms", Goal::Known),
        Row::alone("post-checkout hook, database behind", line, "ms", Goal::Under(150.0)),
        Row::alone("post-checkout hook, database behind, as users get it", line_users, "ms", Goal::Under(150.0)),
    ])
}

/// A packed repository with the scripts on `main`, another branch checked out, and the hooks of a binary.
fn checkout(scripts: &Path, database: &str, binary: &Path) -> Repo {
    let repo = Repo::new();
    for entry in std::fs::read_dir(scripts).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "py") {
            let name = path.file_name().unwrap().to_str().unwrap();
            repo.write(format!("migrations/versions/{name}"), &std::fs::read_to_string(&path).unwrap());
        }
    }
    repo.commit("all", &[("alembic.ini", &config(&cluster().url("asyncpg", database)))]);
    repo.git(&["gc", "--quiet"]);
    repo.git(&["switch", "--quiet", "--create", "work"]);
    drop(Xtask::program(binary, repo.root(), "hooks install").run().code(0));
    repo
}
