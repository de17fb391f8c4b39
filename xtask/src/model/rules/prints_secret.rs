//! DB405: a password or key that is printed or logged.

use super::body::functions;
use super::{Check, Context, Level, Rule, Scope, Sink, Source};
use crate::model::script_body::{Call, Value};

pub(super) const RULE: Rule = Rule {
    code: "DB405",
    name: "prints-secret",
    level: Level::Warning,
    scope: Scope::Unreleased,
    page: include_str!("../../../rules/DB405.md"),
    check: Check::Each(check),
};

const PRINTS: &[&str] =
    &["print", "debug", "info", "warning", "warn", "error", "exception", "critical", "log", "write"];
const SECRETS: &[&str] =
    &["password", "passwd", "secret", "api_key", "apikey", "private_key", "access_token", "auth_token"];

fn check(source: &Source, _: &Context, sink: &mut Sink<'_>) {
    for (_, function) in functions(source) {
        for call in function.calls.iter().filter(|call| is_printing(&call.call)) {
            let named = call.call.named.iter().map(|(_, value)| value);
            if let Some(secret) = call.call.args.iter().chain(named).find_map(secret) {
                let message =
                    format!("`{secret}` is printed: it ends in the log of every deployment, for all who read that");
                sink.at(&source.path, call.line, message, "Leave it out, or print whose it is: an id, a name");
            }
        }
    }
}

fn is_printing(call: &Call) -> bool {
    let is_logger = call.name.split('.').next().is_some_and(|front| front.contains("log") || front == "sys");
    call.name == "print" || (is_logger && PRINTS.contains(&call.last()))
}

/// The name of a secret, as a value or put into a text. What a text only says about passwords is no secret.
fn secret(value: &Value) -> Option<String> {
    let is_secret = |name: &&str| {
        let last = name.rsplit('.').next().unwrap_or(name).to_lowercase();
        SECRETS.iter().any(|secret| last.contains(secret))
    };
    match value {
        Value::Name(name) => Some(name.as_str()).filter(is_secret).map(str::to_owned),
        Value::Str(text) => text
            .text
            .split('{')
            .skip(1)
            .filter_map(|part| part.split_once('}').map(|(name, _)| name))
            .find(|name| text.holes > 0 && is_secret(name))
            .map(str::to_owned),
        _ => None,
    }
}
