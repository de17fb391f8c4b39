//! A check that looked at less than its user would think says so, and with CI or --strict it is no success. What `--base`
//! names is what is released.

use std::fs;
use std::path::Path;

use super::{NONE, codes, git, project};
use crate::support::project::{Project, path};
use crate::support::xtask::{Output, Xtask};

fn in_ci(project: &Project, words: &str) -> Output {
    Xtask::new(project.root(), words).env("CI", "true").run()
}

/// `words` say what is missing, with exit 0 for a person and 4 in CI.
#[track_caller]
fn is_said(project: &Project, words: &str, missing: &str) {
    let person = Xtask::new(project.root(), words).run().code(0).complains("Not looked at: ").complains(missing);
    assert_eq!(person.stderr.matches(missing).count(), 1, "said once\n{person}");
    let _ = in_ci(project, words).code(4).complains(missing);
    let report = in_ci(project, &format!("{words} --json")).code(4).json();
    assert_eq!(report["outcome"], "findings", "{report:#}");
    assert!(report["not_looked_at"][0].as_str().unwrap().contains(missing), "{report:#}");
}

fn committed(project: Project, branch: &str) -> Project {
    let project = project.file(".gitignore", "state\nCargo.toml\n");
    git(project.root(), &format!("init --quiet --initial-branch={branch}"));
    commit(&project);
    project
}

fn commit(project: &Project) {
    git(project.root(), "add --all");
    git(project.root(), "commit --quiet --allow-empty --message x");
}

fn edit(project: &Project, id: &str) {
    let path = project.path(&path(id));
    fs::write(&path, fs::read_to_string(&path).unwrap().replace("'t'", "'t9'")).unwrap();
}

fn two() -> Project {
    let table = |name: &str| format!("op.create_table('{name}', sa.Column('id', sa.Integer()))");
    project().revision("a1", "", &table("t"), "op.drop_table('t')").revision(
        "b1",
        "a1",
        &table("u"),
        "op.drop_table('u')",
    )
}

fn set(project: &Project, line: &str) {
    let path = project.path("alembic.ini");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(path, format!("{text}{line}\n")).unwrap();
}

#[test]
fn a_version_folder_that_is_not_there() {
    let project = two();
    set(&project, "version_locations = %(here)s/migrations/versions %(here)s/migrations/versionz");
    is_said(
        &committed(project, "main"),
        "db-check",
        "migrations/versionz is not there (a version folder of alembic.ini)",
    );
}

/// ✅ on no script at all, on a part of them, and where git cannot say what is released.
#[test]
fn what_lies_elsewhere_or_nowhere() {
    let none = committed(project(), "main");
    is_said(&none, "db-check", "any script of manager: there is none in its version folders");
    let below = two();
    let folder = below.path("migrations/versions/2024");
    fs::create_dir(&folder).unwrap();
    fs::rename(below.path("migrations/versions/b1.py"), folder.join("b1.py")).unwrap();
    fs::write(folder.join("helper.py"), "revision_of = None\n").unwrap();
    let below = committed(below, "main");
    let missing = "migrations/versions/2024/b1.py, in a subfolder: Alembic does not look there either";
    is_said(&below, "db-check", missing);
    set(&below, "recursive_version_locations = true");
    let _ = in_ci(&below, "db-check").code(4).says("Found 1 error in 3 scripts");
    is_said(&two(), "db-check", "what is released: this is no git checkout");
}

#[test]
fn compiled_scripts_without_their_source_are_refused() {
    let project = two().file("migrations/versions/__pycache__/c1_gone.cpython-311.pyc", "");
    assert_eq!(codes(&project, ""), NONE, "what Python left there is no script");
    set(&project, "sourceless = true");
    let refused = Xtask::new(project.root(), "db-check --json").run().code(3);
    assert_eq!(refused.kind(), "migration-file-invalid");
    assert!(refused.json()["error"]["details"].as_str().unwrap().contains("c1_gone.cpython-311.pyc"), "{refused}");
    fs::remove_dir_all(project.path("migrations/versions/__pycache__")).unwrap();
    assert_eq!(codes(&project, ""), NONE, "with every source there, there is nothing to refuse");
}

#[test]
fn no_config_at_all() {
    let project = committed(two(), "main");
    fs::remove_file(project.path("alembic.ini")).unwrap();
    fs::write(project.path("Cargo.toml"), "[workspace]\n[workspace.metadata.db]\nproject = '.'\n").unwrap();
    for words in ["db-check --staged", "db-check --base main", "db-status --all"] {
        is_said(&project, words, "any component: no Alembic config was found in ");
    }
    let _ = Xtask::new(project.root(), "db-status --all --check").run().code(4);
}

#[test]
fn a_repository_without_a_main_branch_or_without_its_history() {
    let project = committed(two(), "develop");
    git(project.root(), "switch --quiet --create work");
    is_said(&project, "db-check", "whether released scripts were edited: No main branch was found");
    edit(&project, "a1");
    git(project.root(), "add --all");
    is_said(&project, "db-check --staged", "whether released scripts were edited");
    fs::write(project.path("Cargo.toml"), "[workspace]\n[workspace.metadata.db]\nmain = 'develop'\n").unwrap();
    assert_eq!(codes(&project, "--staged"), ["DB301 a1.py:6"], "the branch was named");

    let origin = committed(two(), "main");
    commit(&origin);
    let clone = Project::new("postgresql+asyncpg://nobody@127.0.0.1:1/nowhere");
    let from = format!("clone --quiet --depth 1 file://{} cut", origin.root().display());
    git(clone.root(), &from);
    let root = clone.path("cut");
    git(&root, "switch --quiet --create work");
    git(&root, "commit --quiet --allow-empty --message x");
    fs::write(root.join("alembic.ini"), fs::read_to_string(clone.path("alembic.ini")).unwrap()).unwrap();
    let shallow = Xtask::new(&root, "db-check").env("CI", "true").run();
    let shallow = shallow.code(4).complains("The clone is shallow").complains("git fetch --unshallow");
    assert!(shallow.stdout.contains("⚠️  Nothing found") && !shallow.stdout.contains('✅'), "{shallow}");
    // A clone of one branch has no other, whatever `--all` is fetched.
    let unknown = Xtask::new(&root, "db-check --base origin/other").run();
    let _ = unknown.code(2).complains("git fetch origin other:refs/remotes/origin/other");
}

#[test]
fn what_base_has_is_released_on_main_itself_too() {
    let project = committed(two(), "main");
    git(project.root(), "tag v1.0");
    edit(&project, "a1");
    commit(&project);
    assert_eq!(codes(&project, ""), NONE, "compared with itself");
    let itself = Xtask::new(project.root(), "db-check --base main").env("CI", "true").run().code(4);
    let _ = itself.complains("Not looked at: any change since main").complains("cargo xtask db-check --base='HEAD~1'");
    for base in ["v1.0", "HEAD~1"] {
        assert_eq!(codes(&project, &format!("--base {base}")), ["DB301 a1.py:6"], "{base}");
    }
    // A maintained line that main knows nothing of: nobody is told to merge main into it.
    git(project.root(), "switch --quiet --create release/1 v1.0");
    git(project.root(), "switch --quiet --create fix");
    project.write_revision("f1", "b1", "pass", "pass");
    commit(&project);
    git(project.root(), "switch --quiet main");
    project.write_revision("m1", "b1", "pass", "pass");
    commit(&project);
    git(project.root(), "switch --quiet fix");
    assert_eq!(codes(&project, "--base release/1"), NONE);
    assert_eq!(codes(&project, ""), ["DB304 f1.py:5"], "against main, there are two heads");
}

#[test]
fn paths_lead_to_the_files_from_where_they_are_read() {
    let project = two();
    for name in ["migrations", "alembic.ini"] {
        fs::create_dir_all(project.path("services/api")).unwrap();
        fs::rename(project.path(name), project.path(&format!("services/api/{name}"))).unwrap();
    }
    let project = committed(project, "main");
    git(project.root(), "switch --quiet --create work");
    let script = project.path(&format!("services/api/{}", path("a1")));
    fs::write(&script, fs::read_to_string(&script).unwrap().replace("'t'", "'t9'")).unwrap();
    let file = format!("services/api/{}", path("a1"));
    for (folder, shown) in
        [("", file.as_str()), ("services", &file[9..]), ("services/api/migrations", "../migrations/versions/a1.py")]
    {
        let words =
            if folder.len() > 9 { "db-check --base main" } else { "db-check --base main --project services/api" };
        let words = if folder == "services" { words.replace("services/", "") } else { words.to_owned() };
        let text = Xtask::new(&project.path(folder), &words).run().code(4).says(&format!("--> {shown}:6\n"));
        let back = text.stdout.lines().find_map(|line| line.split_once("Take the edit back: ")).unwrap().1;
        let _ = Xtask::program(Path::new("/bin/sh"), &project.path(folder), "-c").arg(back).run().code(0);
        assert!(!fs::read_to_string(&script).unwrap().contains("t9"), "{back}");
        fs::write(&script, fs::read_to_string(&script).unwrap().replace("'t'", "'t9'")).unwrap();
        for format in ["github", "sarif", "junit"] {
            let report = Xtask::new(&project.path(folder), &format!("{words} --format {format}")).run();
            assert!(report.stdout.contains(&file), "{format} from {folder}\n{report}");
        }
    }
}
