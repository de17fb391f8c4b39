//! Headers that no text tells: labels out of an application's module, dependencies that are computed. What is asked must
//! not be stopped by them, Python says them once, and Alembic has the same heads.

use serde_json::Value;

use crate::support::project::{Project, path, text};
use crate::support::python::python;
use crate::support::xtask::{Output, Xtask};

/// Two labelled branches, as Neutron has them, and a revision that depends on one by its label.
fn project() -> Project {
    let project = Project::new("postgresql+psycopg://nobody@127.0.0.1:1/nowhere")
        .file("cli.py", "EXPAND_BRANCH = 'expand'\nCONTRACT_BRANCH = 'contract'\n")
        .revision("a1", "", "pass", "pass")
        .revision("b1", "e1", "pass", "pass");
    let with = |id: &str, down: &str, more: &str| {
        let rest = format!("{more}\ndef upgrade(): pass\ndef downgrade(): pass\n");
        project.write(&path(id), &text(id, id, down, &rest));
    };
    with("e1", "a1", "import cli\nbranch_labels = (cli.EXPAND_BRANCH,)");
    with("c1", "a1", "from cli import CONTRACT_BRANCH\nbranch_labels = (CONTRACT_BRANCH,)");
    with(
        "c2",
        "c1",
        "try:\n    from cli import EXPAND_BRANCH as depends_on\nexcept ImportError:\n    depends_on = None",
    );
    project
}

fn history(output: &Output) -> Vec<Value> {
    output.json()["components"][0]["heads"].as_array().unwrap_or_else(|| panic!("{output}")).clone()
}

#[test]
fn what_only_python_can_tell_is_asked_of_it_once() {
    let project = project();
    let status = |python: &str| {
        Xtask::new(project.root(), "db-status --json").env("XTASK_PYTHON", python).env("PATH", "/nowhere").run()
    };
    let heads = |output: &Output| {
        history(output).iter().map(|it| it["revision"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    // Without a Python it goes on without, and says so.
    let without = status("/nowhere/python");
    assert_eq!(heads(&without), ["b1", "c2"]);
    let without = without.complains("`branch_labels`").complains("Python could not be asked");
    assert!(without.stderr.contains("(and 2 more)"), "{without}");
    // With one it is asked, and not again.
    let with = status(python().to_str().unwrap());
    assert_eq!(heads(&with), ["b1", "c2"]);
    let is_quiet = |output: Output| assert!(!output.stderr.contains("branch_labels"), "{output}");
    is_quiet(with);
    is_quiet(status("/nowhere/python"));
    let kept = std::fs::read_to_string(project.path("state/headers.json")).unwrap();
    assert!(kept.contains("\"expand\"") && kept.contains("\"contract\""), "{kept}");
    // What a module says may change with the module.
    project.write("cli.py", "EXPAND_BRANCH = 'expanded'\nCONTRACT_BRANCH = 'contract'\n");
    let _ = status("/nowhere/python").complains("Python could not be asked");
    is_quiet(status(python().to_str().unwrap()));
    assert!(std::fs::read_to_string(project.path("state/headers.json")).unwrap().contains("\"expanded\""));
}

#[test]
fn db_check_accuses_nobody_of_what_it_could_not_read() {
    let project = project();
    let check = || Xtask::new(project.root(), "db-check --json").run();
    let codes = |output: &Output| {
        let json = output.json();
        let one = |it: &Value| format!("{} {}", it["code"].as_str().unwrap(), it["severity"].as_str().unwrap());
        json["findings"].as_array().unwrap().iter().map(one).collect::<Vec<_>>()
    };
    let found = codes(&check().code(0));
    assert_eq!(found, ["DB204 warning", "DB204 warning", "DB204 warning"], "two heads may be labelled");
    // A parent whose script cannot be read is not missing.
    project.write(&path("e1"), "revision = 'e1'\ndown_revision = parent()\n");
    let found = codes(&check().code(4));
    assert_eq!(found, ["DB204 warning", "DB204 warning", "DB204 error"]);
}
