//! The rules about released scripts, the index, and what is new since a commit: in real repositories.

use super::{NONE, check, codes, git, project};
use crate::support::project::{Project, path};

/// Revisions a1 and b1 on `main`, and a branch `work` on which we are.
fn branched() -> Project {
    let project = project()
        .revision("a1", "", "op.create_table('t', sa.Column('id', sa.Integer()))", "op.drop_table('t')")
        .revision("b1", "a1", "op.add_column('t', sa.Column('x'))", "op.drop_column('t', 'x')")
        .file(".gitignore", "state\nCargo.toml\n");
    git(project.root(), "init --quiet");
    commit(&project);
    git(project.root(), "switch --quiet --create work");
    project
}

fn commit(project: &Project) {
    git(project.root(), "add --all");
    git(project.root(), "commit --quiet --allow-empty --message x");
}

fn edit(project: &Project, id: &str, from: &str, to: &str) {
    let path = project.path(&path(id));
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.contains(from), "{text}");
    std::fs::write(path, text.replace(from, to)).unwrap();
}

#[test]
fn a_released_script_is_not_edited() {
    let project = branched();
    assert_eq!(codes(&project, ""), NONE);
    edit(&project, "b1", "revision b1", "Revision b1, in other words");
    edit(&project, "b1", "import sqlalchemy as sa", "import sqlalchemy as sa  # the usual name");
    edit(&project, "b1", "op.drop_column('t', 'x')", "op.drop_column('t', \"x\", if_exists=True)");
    assert_eq!(codes(&project, ""), NONE, "words, and a way back that is mended");
    edit(&project, "b1", "Column('x')", "Column('y')");
    let output = check(&project, "").code(4).says("error[DB301]").says("is edited: upgrade()");
    assert!(output.stdout.contains(" -- migrations/versions/b1.py"), "the way back\n{output}");
    commit(&project);
    assert_eq!(codes(&project, ""), ["DB301 b1.py:6"], "also when it is committed");
    git(project.root(), "checkout --quiet main -- migrations");
    assert_eq!(codes(&project, ""), NONE);
}

#[test]
fn a_released_script_stays_where_it_is() {
    let project = branched();
    let (old, new) = (project.path(&path("b1")), project.path("migrations/versions/b1_renamed.py"));
    std::fs::rename(&old, &new).unwrap();
    git(project.root(), "add --all");
    assert_eq!(codes(&project, ""), ["DB302 b1_renamed.py:1"]);
    std::fs::remove_file(new).unwrap();
    assert_eq!(codes(&project, ""), ["DB302 b1.py:1"]);
    check(&project, "").code(4).says("Script b1 (revision b1) is on main (").says("), and is gone here");
}

#[test]
fn a_revision_below_a_released_one_needs_a_twin_on_top() {
    let project = branched();
    project.write_revision("n1", "a1", "op.add_column('t', sa.Column('n'))", "op.drop_column('t', 'n')");
    edit(&project, "b1", "down_revision = 'a1'", "down_revision = 'n1'");
    git(project.root(), "add --all");
    assert_eq!(codes(&project, ""), ["DB303 n1.py:5"]);
    check(&project, "").code(4).says("databases that are at b1 or later never run it").says("down_revision = \"b1\"");
    let twin = |upgrade: &str| {
        project.write_revision("m1", "b1", &format!("# The same as n1.\n{upgrade}"), "pass  # n1 takes it back");
        git(project.root(), "add --all");
        codes(&project, "")
    };
    assert_eq!(twin("op.execute('ALTER TABLE t ADD COLUMN IF NOT EXISTS n int')"), NONE);
    assert_eq!(twin("op.execute('UPDATE t SET n = n + 1')"), ["DB303 n1.py:5"], "it does not look first");
}

#[test]
fn a_merge_with_main_is_thought_through() {
    let project = branched();
    git(project.root(), "switch --quiet main");
    project.write_revision("c1", "b1", "op.drop_column('t', 'x')", "op.add_column('t', sa.Column('x'))");
    commit(&project);
    git(project.root(), "switch --quiet work");
    assert_eq!(codes(&project, ""), NONE, "nothing of our own yet");
    project.write_revision("d1", "b1", "op.add_column('u', sa.Column('y'))", "op.drop_column('u', 'y')");
    commit(&project);
    assert_eq!(codes(&project, ""), ["DB304 d1.py:5"]);
    check(&project, "")
        .code(4)
        .says("main has moved on to c1")
        .says("  help: Merge it: git merge main\n  help: Then make the heads one again: cargo xtask db-rebase\n");
    git(project.root(), "branch --move work 26.4");
    assert_eq!(codes(&project, ""), NONE, "main is never merged into a maintained line");
    git(project.root(), "branch --move 26.4 work");
    edit(&project, "d1", "'u'", "'t'");
    assert_eq!(codes(&project, ""), ["DB304 d1.py:5", "DB305 d1.py:7"]);
    git(project.root(), "stash --quiet");
    git(project.root(), "merge --quiet --no-edit main");
    assert_eq!(codes(&project, ""), ["DB101 d1.py:5"], "what DB304 spoke of has come");
}

#[test]
fn rules_of_taste_leave_released_scripts_alone() {
    let project = project().revision("a1", "", "op.drop_table('t')", "pass").file(".gitignore", "state\n");
    assert_eq!(codes(&project, ""), ["DB401 a1.py:8"], "without git everything counts");
    git(project.root(), "init --quiet");
    assert_eq!(codes(&project, ""), ["DB206 a1.py:1", "DB401 a1.py:8"]);
    commit(&project);
    assert_eq!(codes(&project, ""), NONE);
    assert_eq!(codes(&project, "--released"), ["DB401 a1.py:8"]);
}

#[test]
fn a_missing_parent_is_looked_for_on_other_branches_and_in_stashes() {
    let project = branched();
    project.write_revision("c1", "b1", "pass", "pass");
    commit(&project);
    git(project.root(), "switch --quiet --create more main");
    project.write_revision("d1", "c1", "pass", "pass");
    check(&project, "").code(4).says("error[DB103]").says("It is on branch work").says("git merge work");
    git(project.root(), "branch --quiet --delete --force work");
    project.write_revision("c1", "b1", "pass", "pass");
    git(project.root(), "add migrations/versions/c1.py");
    git(project.root(), "stash --quiet -- migrations/versions/c1.py");
    check(&project, "").code(4).says("It is on stash@{0}");
}

#[test]
fn staged_reads_the_index_and_not_the_work_tree() {
    let project = branched();
    project.write_revision("c1", "b1", "op.drop_table('u')", "pass");
    let staged = |expected: &[&str]| assert_eq!(codes(&project, "--staged"), expected);
    staged(&[]);
    git(project.root(), "add --all");
    staged(&["DB401 c1.py:8"]);
    project.write_revision("c1", "b1", "op.drop_table('u')", "raise NotImplementedError");
    staged(&["DB401 c1.py:8"]);
    git(project.root(), "add --all");
    staged(&[]);
    check(&project, "--staged").code(0);
    assert_eq!(check(&project, "--staged").stdout, "", "a hook that found nothing is silent");
}

#[test]
fn staged_says_only_what_this_commit_brings() {
    let project = branched();
    project.write_revision("c1", "b1", "pass", "pass");
    project.write_revision("d1", "b1", "op.drop_table('u')", "pass");
    commit(&project);
    assert_eq!(codes(&project, "").len(), 2, "two heads, and an empty downgrade");
    project.write_revision("e1", "d1", "pass", "pass");
    git(project.root(), "add --all");
    assert_eq!(codes(&project, "--staged"), ["DB101 e1.py:5"], "the heads are others now");
    project.write_revision("e1", "d1", "op.drop_table('v')", "pass");
    commit(&project);
    project.write("README", "words");
    git(project.root(), "add --all");
    assert_eq!(codes(&project, "--staged"), NONE, "no script is part of this commit");
    git(project.root(), "rm --quiet --cached migrations/versions/a1.py");
    assert_eq!(codes(&project, "--staged"), ["DB302 a1.py:1", "DB103 b1.py:5"]);
}

#[test]
fn staged_says_only_once_what_was_committed_all_the_same() {
    let project = branched();
    // Below a released revision, and an import of the application.
    project.write("shop/__init__.py", "");
    project.write_revision("c1", "a1", "pass", "pass");
    edit(&project, "c1", "import sqlalchemy", "import shop\nimport sqlalchemy");
    edit(&project, "b1", "down_revision = 'a1'", "down_revision = 'c1'");
    git(project.root(), "add --all");
    let before = codes(&project, "--staged");
    assert!(before.iter().any(|it| it.starts_with("DB303 c1.py")), "{before:?}");
    assert!(before.iter().any(|it| it.starts_with("DB403 c1.py")), "{before:?}");
    commit(&project);
    edit(&project, "c1", "def downgrade", "# more\ndef downgrade");
    git(project.root(), "add --all");
    assert_eq!(codes(&project, "--staged"), NONE);
}

#[test]
fn a_merge_is_not_stopped_by_what_the_other_side_had() {
    let project = branched();
    project.write("words", "ours");
    commit(&project);
    git(project.root(), "switch --quiet main");
    project.write("words", "theirs");
    project.write_revision("c1", "b1", "pass", "pass");
    project.write_revision("c2", "b1", "pass", "pass");
    commit(&project);
    git(project.root(), "switch --quiet work");
    git(project.root(), "merge --quiet --no-commit --strategy-option=ours main");
    assert_eq!(codes(&project, "--staged"), NONE, "main has two heads, and this merge does not make them");
    project.write_revision("d1", "b1", "pass", "pass");
    git(project.root(), "add --all");
    assert_eq!(codes(&project, "--staged"), ["DB101 d1.py:5"]);
}

#[test]
fn base_says_only_what_is_new_since() {
    let project = branched();
    project.write_revision("c1", "b1", "op.drop_table('u')", "pass");
    commit(&project);
    git(project.root(), "tag before");
    project.write_revision("d1", "c1", "op.drop_table('v')", "pass");
    commit(&project);
    assert_eq!(codes(&project, ""), ["DB401 c1.py:8", "DB401 d1.py:8"]);
    assert_eq!(codes(&project, "--base before"), ["DB401 d1.py:8"]);
    assert_eq!(codes(&project, "--base HEAD"), NONE);
    check(&project, "--base nowhere").code(2).complains("git knows no commit `nowhere`");
}

#[test]
fn a_script_that_git_does_not_have() {
    let project = branched();
    project.write_revision("c1", "b1", "pass", "pass");
    assert_eq!(codes(&project, ""), ["DB206 c1.py:1"]);
    assert_eq!(codes(&project, "--base main"), ["DB206 c1.py:1"]);
    project.write(".gitignore", "state\nc1.py\n");
    assert_eq!(codes(&project, ""), ["DB207 c1.py:1"]);
    // What comes with an installed package is not git's to have.
    let installed = ".venv/lib/python3.13/site-packages/app/migrations";
    project.write(&format!("{installed}/versions/a1.py"), "\"\"\"a\"\"\"\nrevision = 'a1'\ndown_revision = None\n");
    project.write(&format!("{installed}/env.py"), "");
    project.write(".gitignore", "state\n.venv\n");
    project.write("alembic.ini", &format!("[alembic]\nscript_location = {installed}\n"));
    assert_eq!(codes(&project, ""), NONE);
}
