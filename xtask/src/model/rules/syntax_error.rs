//! DB201: a script that Python cannot parse.

use super::{Check, Context, Level, Rule, Scope, Sink, Source};
use crate::model::action::{Action, program};

pub(super) const RULE: Rule = Rule {
    code: "DB201",
    name: "syntax-error",
    level: Level::Error,
    scope: Scope::All,
    page: include_str!("../../../rules/DB201.md"),
    check: Check::Each(check),
};

fn check(source: &Source, _: &Context, sink: &mut Sink<'_>) {
    // What a conflict marker or a wrong encoding leaves behind is said by those rules.
    if source.broken_line.is_some() || super::conflict_marker::first(&source.text).is_some() {
        return;
    }
    let Err(problem) = source.body() else { return };
    let what = problem.what.strip_prefix("syntax error: ").unwrap_or(&problem.what);
    let message = format!("Python cannot read this script ({what}), and Alembic loads all scripts or none");
    let (why, look) = match &source.io_error {
        Some(_) => {
            ("Mend it, or move it out of the folder of the versions; to see what it is", program(["ls", "-l", "--"]))
        }
        None => ("Mend it; to see what Python says", program(["python3", "-m", "py_compile"])),
    };
    let help = Action::run(why, look.word(&source.path).at_root());
    sink.at(&source.path, problem.line.unwrap_or(1), message, help);
}
