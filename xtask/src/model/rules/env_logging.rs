//! DB701: an env.py whose `fileConfig` switches off every logger that exists.

use super::{Check, Context, Level, Rule, Scope, Sink};
use crate::model::script_body::Value;

pub(super) const RULE: Rule = Rule {
    code: "DB701",
    name: "env-silences-logging",
    level: Level::Warning,
    scope: Scope::All,
    page: include_str!("../../../rules/DB701.md"),
    check: Check::Together(check),
};

fn check(context: &Context, sink: &mut Sink<'_>) {
    let Some(env) = &context.env else { return };
    for found in env.calls.iter().filter(|found| found.call.last() == "fileConfig") {
        let keeps = found.call.arg(2, "disable_existing_loggers") == Some(&Value::Bool(false));
        if keeps || found.call.is_open {
            continue;
        }
        let message = "fileConfig() switches off every logger that exists by then: an application that migrates when it starts, \
                       and every test that does, logs nothing any more";
        let help = "Write: fileConfig(config.config_file_name, disable_existing_loggers=False)";
        sink.at(&env.path, found.line, message, help);
    }
}
