//! The cases of the catalogue as they stand in `cases/*.py`, and the Alembic project that they become. A case is a
//! migration with a head of comments:
//!
//! ```text
//! # case an enum type outlives its table          what is wrong with it (or that nothing is)
//! # given create table @t (id int)                what is there before
//! # undo drop table @t                            how that goes again, where `drop … cascade` is not enough
//! # expect failed re-upgrade: type "@kind"        the verdict, the step, and the objects or words of the error
//! # cause DROP TYPE @kind                         a part of the cause that is named
//! # note column order                             a part of a note
//! # branch                                        its upgrade fails, so nothing may stand on it
//! # process                                       it does something to the process that it runs in
//! ```
//!
//! `@` becomes a prefix of the case's own, so that all of them can stand on each other in one history.

use crate::support::project;
use crate::support::scene::Scene;

/// One case, its prefix put in.
pub struct Case {
    /// The revision id.
    pub id: String,
    /// What is wrong with it.
    pub name: String,
    /// The file that it stands in.
    pub file: &'static str,
    given: Option<String>,
    undo: Option<String>,
    /// `reversible`, `failed`, …
    pub verdict: String,
    /// The step, where the verdict has one.
    pub step: Option<String>,
    /// For a difference all objects, for an error some words of it.
    pub seen: Vec<String>,
    /// See the file's head.
    pub cause: Option<String>,
    /// See the file's head.
    pub note: Option<String>,
    /// See the file's head.
    pub branch: bool,
    /// See the file's head.
    pub process: bool,
    body: String,
}

const FILES: &[(&str, &str)] = &[
    ("types.py", include_str!("cases/types.py")),
    ("tables.py", include_str!("cases/tables.py")),
    ("columns.py", include_str!("cases/columns.py")),
    ("constraints.py", include_str!("cases/constraints.py")),
    ("indexes.py", include_str!("cases/indexes.py")),
    ("objects.py", include_str!("cases/objects.py")),
    ("data.py", include_str!("cases/data.py")),
    ("python.py", include_str!("cases/python.py")),
    ("rare.py", include_str!("cases/rare.py")),
    ("hangs.py", include_str!("cases/hangs.py")),
];

/// All of them.
pub fn all() -> Vec<Case> {
    let texts = FILES.iter().flat_map(|(file, text)| {
        let text: &'static str = text;
        ("\n".to_owned() + text).split("\n# case ").skip(1).map(|case| (*file, case.to_owned())).collect::<Vec<_>>()
    });
    texts.enumerate().map(|(number, (file, text))| read(number + 1, file, &text)).collect()
}

fn read(number: usize, file: &'static str, text: &str) -> Case {
    let id = format!("c{number:03}");
    let text = text.replace('@', &format!("{id}_"));
    let (name, rest) = text.split_once('\n').unwrap();
    let head: Vec<&str> = rest.lines().take_while(|line| line.starts_with("# ")).collect();
    let line = |word: &str| head.iter().find_map(|line| line.strip_prefix(&format!("# {word} "))).map(str::to_owned);
    let expect = line("expect").unwrap_or_else(|| panic!("{file}: {name}: no `# expect`"));
    let (outcome, seen) = expect.split_once(": ").unwrap_or((&expect, ""));
    let (verdict, step) = outcome.split_once(' ').map_or((outcome, None), |(verdict, step)| (verdict, Some(step)));
    Case {
        name: name.to_owned(),
        file,
        given: line("given"),
        undo: line("undo"),
        verdict: verdict.to_owned(),
        step: step.map(str::to_owned),
        seen: seen.split(" + ").filter(|word| !word.is_empty()).map(str::to_owned).collect(),
        cause: line("cause"),
        note: line("note"),
        branch: head.contains(&"# branch"),
        process: head.contains(&"# process"),
        body: rest.lines().skip(head.len()).map(|line| format!("{line}\n")).collect(),
        id,
    }
}

/// What all cases find there before is made by this one revision: one for each of them would be half of the walk.
pub const GIVEN: &str = "given";

/// One history of every case: each stands on the one before, those that bar the way beside them.
pub fn scene(cases: &[Case]) -> Scene {
    let given: Vec<(&str, Option<&str>)> =
        cases.iter().filter_map(|case| Some((case.given.as_deref()?, case.undo.as_deref()))).collect();
    let up: Vec<String> = given.iter().map(|(given, _)| execute(given)).collect();
    let down: Vec<String> = given.iter().rev().map(|(given, own)| execute(&undo(given, *own))).collect();
    let body = |lines: Vec<String>| if lines.is_empty() { "pass".to_owned() } else { lines.join("\n") };
    let scene = Scene::new().revision("root", "", "pass", "pass").revision(GIVEN, "root", &body(up), &body(down));
    let mut top = GIVEN;
    for case in cases {
        let parent = if case.branch { GIVEN } else { top };
        scene.write(&project::path(&case.id), &project::text(&case.name, &case.id, parent, &case.body));
        if !case.branch {
            top = &case.id;
        }
    }
    scene
}

fn execute(sql: &str) -> String {
    format!("op.execute(r\"\"\"{sql}\"\"\")")
}

/// What drops what was created, the last first; indexes, triggers and policies go with their table.
fn undo(given: &str, own: Option<&str>) -> String {
    let drop = |statement: &str| {
        let words: Vec<&str> = statement.split_whitespace().collect();
        let (kind, name) = match words.as_slice() {
            ["create", kind @ ("table" | "type" | "domain" | "sequence" | "view" | "schema"), name, ..] => {
                (*kind, *name)
            }
            ["create", "function", name, ..] => ("function", name.split('(').next().unwrap_or(name)),
            _ => return None,
        };
        Some(format!("drop {kind} if exists {name} cascade"))
    };
    let mut drops: Vec<String> = given.split("; ").filter_map(drop).collect();
    drops.extend(own.map(str::to_owned));
    drops.reverse();
    drops.join("; ")
}
