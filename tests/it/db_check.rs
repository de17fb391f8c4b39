//! `db-check` as a whole: real files, real git histories, every format. What each rule takes for right or wrong is tested
//! beside the rules.

mod formats;
mod history;
mod odd;
mod past;
mod silence;

use std::path::Path;

use serde_json::json;

use crate::support::project::{Project, path};
use crate::support::python::{python, workspace};
pub use crate::support::repo::git;
use crate::support::xtask::{Output, Xtask};

/// A project that needs no database: nothing connects.
fn project() -> Project {
    Project::new("postgresql+asyncpg://nobody@127.0.0.1:1/nowhere")
}

fn check(project: &Project, flags: &str) -> Output {
    Xtask::new(project.root(), &format!("db-check {flags}")).run()
}

/// `DB101 migrations/versions/b1.py:5` for each finding.
fn found(output: &Output) -> Vec<String> {
    let text = |value: &serde_json::Value| value.as_str().unwrap().replace("migrations/versions/", "");
    let json = output.json();
    let findings = json["findings"].as_array().unwrap_or_else(|| panic!("no findings\n{output}"));
    findings.iter().map(|it| format!("{} {}:{}", text(&it["code"]), text(&it["path"]), it["line"])).collect()
}

fn codes(project: &Project, flags: &str) -> Vec<String> {
    found(&check(project, &format!("{flags} --json")))
}

const NONE: [&str; 0] = [];

#[test]
fn text_names_rule_place_and_fix_and_the_exit_code_says_whether_it_failed() {
    let project = project().revision("a1", "", "pass", "pass");
    check(&project, "").code(0).says("✅ Nothing found in 1 script of manager");
    project.write_revision("b1", "a1", "op.drop_table('t')", "pass");
    let output = check(&project, "--color=never").code(4);
    let expected =
        "error[DB401] downgrade-missing: downgrade() does nothing while upgrade() changes the structure: the \
                    database is then recorded as older than it is, and the next upgrade meets what is there already
  --> migrations/versions/b1.py:8
   | def downgrade():
  help: Write the way back, or say that there is none: raise NotImplementedError(\"why\")

Found 1 error in 2 scripts of manager
More about one: cargo xtask db-check --explain DB401
";
    assert_eq!(output.stdout, expected);
    let gap = "⚠️  Warning: Not looked at: what is released: this is no git checkout; every script counts as new\n";
    assert_eq!(output.stderr, gap);
    project.write_revision("b1", "a1", "op.execute(f'DROP TABLE {name()}')", "raise NotImplementedError");
    check(&project, "").code(0).says("warning[DB411]").says("Found 1 warning in 2 scripts");
}

#[test]
fn json_is_the_contracts() {
    let project = project().revision("b1", "a1", "pass", "pass");
    let output = check(&project, "--json").code(4);
    let expected = json!({
        "version": 1,
        "command": "db-check",
        "outcome": "findings",
        "findings": [{
            "code": "DB103",
            "name": "missing-parent",
            "severity": "error",
            "path": "migrations/versions/b1.py",
            "line": 5,
            "message": "Revision b1 follows 'a1', which no script holds: every Alembic command fails (KeyError: 'a1')",
            "help": "Correct the id, or pull what is missing: git pull",
        }],
        "not_looked_at": ["what is released: this is no git checkout; every script counts as new"],
    });
    assert_eq!(output.json(), expected);
    assert_eq!(check(&project, "--format json").stdout, output.stdout);
}

#[test]
fn a_project_weighs_rules_by_code_or_name() {
    let project = project().revision("a1", "", "op.drop_table('t')", "pass");
    let rules = |text: &str| {
        project.write("Cargo.toml", &format!("[workspace]\n[workspace.metadata.db.rules]\n{text}\n"));
        check(&project, "--json")
    };
    assert_eq!(found(&rules("").code(4)), ["DB401 a1.py:8"]);
    assert_eq!(found(&rules("DB401 = 'off'").code(0)), NONE);
    assert_eq!(found(&rules("downgrade-missing = 'warning'").code(0)), ["DB401 a1.py:8"]);
    let wrong = rules("downgrade-mising = 'off'").code(1);
    assert_eq!(wrong.kind(), "config-invalid");
    assert!(wrong.stdout.contains("did you mean `downgrade-missing`?"), "{wrong}");
    assert_eq!(rules("DB401 = 'loud'").code(1).kind(), "config-invalid");
}

#[test]
fn explain_prints_the_page_or_the_nearest_code() {
    let project = project();
    check(&project, "--explain db101").code(0).says("# DB101: several-heads").says("## Why it bites");
    check(&project, "--explain several-heads").code(0).says("# DB101: several-heads");
    check(&project, "--explain DB1001").code(2).complains("There is no rule `DB1001`").complains("--explain DB101");
    assert_eq!(check(&project, "--explain DB301 --json").code(0).json()["name"], "released-edited");
}

#[test]
fn the_command_line_is_checked() {
    let project = project();
    check(&project, "--staged --base main").code(2).complains("exclude each other");
    check(&project, "--format xml").code(2).complains("text, json, github, junit, sarif");
    check(&project, "--json --format sarif").code(2).complains("exclude each other");
    check(&project, "--staged").code(2).complains("`--staged` needs a git checkout");
}

/// What only shows in a real checkout: env.py, and tags that say what is released.
#[test]
fn env_py_and_release_tags_are_looked_at() {
    let env = "from logging.config import fileConfig\nfrom alembic import context\nfileConfig('x')\n";
    let project = project().revision("a1", "", "op.drop_table('t')", "raise NotImplementedError").env(env);
    assert_eq!(codes(&project, ""), ["DB701 migrations/env.py:3"]);
    git(project.root(), "init -q");
    git(project.root(), "add -A");
    git(project.root(), "commit -q -m released");
    git(project.root(), "tag v1");
    project.write_revision("b1", "a1", "op.drop_table('u')", "raise NotImplementedError");
    git(project.root(), "add -A");
    git(project.root(), "commit -q -m merged");
    for id in ["a1", "b1"] {
        let path = project.path(&path(id));
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(path, text.replace("op.drop_table(", "op.drop_table('more', ")).unwrap();
    }
    let output = check(&project, "--json").code(4);
    let json = output.json();
    let of = |it: &serde_json::Value| format!("{} {}", it["code"].as_str().unwrap(), it["severity"].as_str().unwrap());
    let found: Vec<String> = json["findings"].as_array().unwrap().iter().map(of).collect();
    assert_eq!(found, ["DB701 warning", "DB301 error", "DB301 warning"], "{output}");
    for id in ["a1", "b1"] {
        std::fs::remove_file(project.path(&path(id))).unwrap();
    }
    // A released script is one that a tag has; the other one is only merged.
    let output = check(&project, "").code(4).says("Script a1 (revision a1) is released in v1, and is gone here");
    let _ = output.says("), though in no release yet, and is gone here");
}

/// A FIFO, a link to nowhere, a folder: Alembic would wait for ever, fail, or pass it over.
#[test]
fn what_is_no_file_is_named_at_once() {
    let project = project().revision("a1", "", "pass", "pass");
    let versions = project.path("migrations/versions");
    std::fs::create_dir(versions.join("folder.py")).unwrap();
    check(&project, "").code(0);
    std::os::unix::fs::symlink("/nowhere", versions.join("gone.py")).unwrap();
    fifo(&versions.join("pipe.py"));
    assert_eq!(codes(&project, ""), ["DB201 gone.py:1", "DB201 pipe.py:1"]);
    let status = || Xtask::new(project.root(), "db-status --json").run();
    assert!(status().stdout.contains("gone.py"));
    std::fs::remove_file(versions.join("gone.py")).unwrap();
    let status = status();
    assert_eq!(status.json()["components"][0]["error"]["kind"], "migration-file-invalid", "{status}");
    assert!(status.stdout.contains("FIFO"), "{status}");
    // A config may be none, too.
    std::fs::remove_file(project.path("alembic.ini")).unwrap();
    fifo(&project.path("alembic.ini"));
    let config = check(&project, "--json");
    assert!(config.code != 0 && config.stdout.contains("alembic.ini"), "{config}");
    // So may all else that is read on the way: each of these hung.
    for name in ["Cargo.toml", "pyproject.toml", "migrations/env.py"] {
        let project = self::project().revision("a1", "", "pass", "pass");
        let _ = std::fs::remove_file(project.path(name));
        fifo(&project.path(name));
        let by_python = format!("db-status --python={}", python().display());
        for words in ["db-check", "db-history", "db-status", &by_python] {
            let output = Xtask::new(project.root(), words).run();
            assert!((0..=4).contains(&output.code), "{name}, {words}: {output}");
        }
    }
}

fn fifo(path: &Path) {
    #[expect(clippy::disallowed_methods)]
    let made = std::process::Command::new("mkfifo").arg(path).status().unwrap();
    assert!(made.success());
}

#[test]
fn what_cannot_be_read_is_a_finding_and_not_an_error() {
    let project = project().revision("a1", "", "pass", "pass").file(&path("b1"), "revision = 'b1'\ndown_revision = (");
    assert_eq!(codes(&project, ""), ["DB201 b1.py:2"]);
    std::fs::write(project.path(&path("b1")), b"revision = '\xff'").unwrap();
    assert_eq!(codes(&project, ""), ["DB203 b1.py:1"]);
}

#[test]
fn nothing_is_found_in_the_bundled_example() {
    for component in ["manager", "accountmgr", "appproxy"] {
        let project = workspace().join("tests/halfstack");
        let flags = format!("db-check --released --component {component} --project {}", project.display());
        Xtask::new(&workspace(), &flags).run().code(0).says("✅ Nothing found in");
    }
}
