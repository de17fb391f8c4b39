//! Which branch is the main one, and how a merge revision looks: as `alembic merge` would have written it.

use std::fs;

use crate::support::branches::{Branches, moves};
use crate::support::scene::Scene;

/// On `feature` with a, into which main with r was merged.
fn diverged() -> Branches {
    Branches::of(Scene::nowhere(), "p").diverge("r < p", "a < p").merged()
}

#[test]
fn the_main_branch_may_be_configured() {
    // As released on `develop`, of which `main` knows nothing.
    let bench = Branches::of(Scene::nowhere(), "p");
    bench.branch("develop", "r < p").switch("main").branch("feature", "a < p").repo.merge("develop");
    let configured = |name: &str| {
        bench.repo.write("Cargo.toml", &format!("[workspace]\n[workspace.metadata.db]\nmain = \"{name}\"\n"));
    };
    configured("develop");
    assert_eq!(moves(&bench.run("db-rebase --no-db --dry-run --json").code(0).json()), ["a: p → r"]);
    configured("feature");
    let answer = bench.run("db-rebase --no-db --dry-run --json").code(0).json();
    assert!(answer["merge"].is_string(), "both are released: {answer}");
    configured("develp");
    for command in ["db-rebase --no-db --json", "db-check --json"] {
        let output = bench.run(command).code(3);
        assert_eq!(output.kind(), "config-invalid");
        let _ = output.complains("The main branch 'develp' does not exist").complains("Cargo.toml");
    }
}

/// A template as projects have it, with a line of their own.
const MAKO: &str = r#""""${message}

Revision ID: ${up_revision}
Revises: ${down_revision | comma,n}
Create Date: ${create_date}

"""
# Part of: NEXT_RELEASE_VERSION
from alembic import op
${imports if imports else ""}
revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}
branch_labels = ${repr(branch_labels)}
depends_on = ${repr(depends_on)}


def upgrade() -> None:
    ${upgrades if upgrades else "pass"}


def downgrade() -> None:
    ${downgrades if downgrades else "pass"}
"#;

#[test]
fn a_merge_revision_is_the_projects_own_template() {
    let bench = diverged();
    let ini = fs::read_to_string(bench.root().join("alembic.ini")).unwrap();
    bench.repo.write("alembic.ini", &format!("{ini}file_template = %%(year)d_%%(rev)s_%%(slug)s\n"));
    bench.repo.write("migrations/script.py.mako", MAKO);
    let before = bench.files();
    let dry = bench.run("db-rebase --merge --dry-run --svg plan.svg").code(0);
    let plan = fs::read_to_string(bench.root().join("plan.svg")).unwrap();
    let (now, later) = plan.split_once("as it will be").unwrap();
    assert!(!now.contains("mergepoint") && later.contains("mergepoint"), "{plan}");
    fs::remove_file(bench.root().join("plan.svg")).unwrap();
    assert!(dry.stdout.contains("# Part of: NEXT_RELEASE_VERSION"), "{dry}");
    assert_eq!(bench.files(), before, "a dry run writes nothing");
    let id = bench.run("db-rebase --merge --json").code(0).json()["merge"].as_str().unwrap().to_owned();
    let (name, bytes) = bench.files().into_iter().find(|(name, _)| name.contains(&id)).unwrap();
    assert!(
        name.starts_with("migrations/versions/20") && name.ends_with(&format!("_{id}_merge_heads_a_and_r.py")),
        "{name}"
    );
    let text = String::from_utf8(bytes).unwrap();
    assert!(text.contains("Revises: a, r\n") && text.contains("down_revision = ('a', 'r')"), "{text}");
    assert!(text.contains("# Part of: NEXT_RELEASE_VERSION\n") && text.contains("def downgrade() -> None:\n    pass"));
    assert_eq!(bench.graph().heads(), [id]);
}

#[test]
fn a_template_that_cannot_be_used_is_said_and_nothing_is_written() {
    let bench = diverged();
    let before = bench.files();
    for (template, says) in [("${nosuch}", "cannot be rendered"), ("revision = 'x'\n", "makes no merge revision")] {
        bench.repo.write("migrations/script.py.mako", template);
        let output = bench.run("db-rebase --merge --json").code(3);
        assert_eq!(output.kind(), "migration-file-invalid");
        let _ = output.complains(says);
        assert_eq!(bench.files(), before);
    }
    // Without a Python it is Alembic's usual text, and that is said.
    bench.repo.write("migrations/script.py.mako", MAKO);
    let output = bench.xtask("db-rebase --merge").env("XTASK_PYTHON", "/nonexistent/python").run().code(0);
    let _ = output.complains("is not made by the project's script.py.mako");
    assert_eq!(bench.graph().heads().len(), 1);
}
