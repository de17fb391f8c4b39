//! `db-check` on Backend.AI's 556 scripts, against the short Python program that a project writes for the one question
//! whether there are several heads. Both as whole processes.

use xtask::model::rules::RULES;
use xtask::sys::run::Cmd;

use crate::backendai::Manager;
use crate::measure::{Goal, Row, Rows, in_turns};
use crate::support::python::quiet;

const ROUNDS: usize = 11;

/// What such a program does: parses every script, looks at every assignment in it, counts the heads.
const HEADS: &str = "
import ast, pathlib, sys

def values(tree):
    found = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            if node.targets[0].id in ('revision', 'down_revision'):
                found[node.targets[0].id] = ast.literal_eval(node.value)
    return found

revisions, parents = set(), set()
for path in pathlib.Path(sys.argv[1]).glob('*.py'):
    found = values(ast.parse(path.read_text(encoding='utf-8')))
    if 'revision' in found:
        revisions.add(found['revision'])
        down = found.get('down_revision')
        parents.update(down if isinstance(down, (tuple, list)) else [down])
print(len(revisions), len(revisions - parents))
sys.exit(len(revisions - parents) > 1)
";

pub fn rows() -> Rows {
    let (one_rule, every_rule) = (Manager::new()?, Manager::new()?);
    weigh(&one_rule, &|code| if code == "DB101" { "error" } else { "off" });
    weigh(&every_rule, &|_| "warning");
    let scripts = one_rule.scripts();
    let [heads, all, theirs] = in_turns(
        ROUNDS,
        [&mut || one_rule.xtask("db-check"), &mut || every_rule.xtask("db-check"), &mut || {
            let python = Cmd::new(one_rule.root().join(".venv/bin/python"), one_rule.root());
            let said = python.args(["-c", HEADS]).arg(&scripts).read(&quiet()).unwrap();
            assert_eq!(said.trim(), "556 1");
        }],
    );
    let python = "Python's `ast` on the same scripts";
    Ok(vec![
        Row::new("db-check, the rule about heads", heads, python, theirs, Goal::Faster(20.0)),
        Row::new("db-check, every rule", all, python, theirs, Goal::Known),
    ])
}

/// Says in the project's `Cargo.toml` what each rule weighs. There is no error among warnings, so that all exit 0.
fn weigh(manager: &Manager, weight: &dyn Fn(&str) -> &'static str) {
    let rules: Vec<String> = RULES.iter().map(|rule| format!("{} = \"{}\"\n", rule.code, weight(rule.code))).collect();
    let text = format!("[workspace.metadata.db.rules]\n{}", rules.concat());
    std::fs::write(manager.root().join("Cargo.toml"), text).unwrap();
}
