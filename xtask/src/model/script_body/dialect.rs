//! What a script asks about the kind of database: `if op.get_bind().dialect.name == "sqlite"`. This tool is for
//! PostgreSQL, so the answer is known, and code for another database counts as not there.

use ruff_python_ast::{BoolOp, CmpOp, Expr, UnaryOp};

use super::value::{Call, Value};

const POSTGRES: &str = "postgresql";

/// Whether a dotted name is that of the kind of database.
pub(super) fn is_name(dotted: &str) -> bool {
    ["dialect.name", "engine.name"]
        .iter()
        .any(|end| dotted.strip_suffix(end).is_some_and(|front| front.is_empty() || front.ends_with('.')))
}

/// `url.get_backend_name()`, `dialect.name.startswith("postgres")`.
pub(super) fn of_call(call: &Call) -> Option<Value> {
    let start = call.args.first().and_then(Value::str);
    match (call.last(), &call.receiver, start) {
        ("get_backend_name", ..) => Some(Value::Dialect),
        ("startswith", Some(Value::Dialect), Some(start)) => Some(Value::OnPostgres(POSTGRES.starts_with(start))),
        ("lower", Some(Value::Dialect), _) => Some(Value::Dialect),
        _ => None,
    }
}

/// A comparison with the kind of database, and what is made of such; `evaluate` tells what an expression is there.
pub(super) fn truth<'a>(expr: &'a Expr, evaluate: impl Fn(&'a Expr) -> Value) -> Value {
    let truth = match expr {
        Expr::Compare(compare) => match (&compare.ops[..], &compare.comparators[..]) {
            ([op], [right]) => compared(*op, &evaluate(&compare.left), &evaluate(right)),
            _ => None,
        },
        Expr::UnaryOp(not) if not.op == UnaryOp::Not => on_postgres(&evaluate(&not.operand)).map(|truth| !truth),
        Expr::BoolOp(all) => {
            let truths: Vec<Option<bool>> = all.values.iter().map(|value| on_postgres(&evaluate(value))).collect();
            let deciding = all.op == BoolOp::Or;
            match truths.contains(&Some(deciding)) {
                true => Some(deciding),
                false => truths.iter().all(Option::is_some).then_some(!deciding),
            }
        }
        _ => None,
    };
    truth.map_or(Value::Unknown, Value::OnPostgres)
}

/// The truth, where it hangs on the kind of database alone.
pub(super) fn on_postgres(value: &Value) -> Option<bool> {
    match value {
        Value::OnPostgres(truth) => Some(*truth),
        _ => None,
    }
}

fn compared(op: CmpOp, left: &Value, right: &Value) -> Option<bool> {
    let other = match (left, right) {
        (Value::Dialect, other) | (other, Value::Dialect) => other,
        _ => return None,
    };
    let is_postgres = match (op, other) {
        (CmpOp::Eq | CmpOp::NotEq, other) => other.str()? == POSTGRES,
        (CmpOp::In | CmpOp::NotIn, Value::List(names)) => {
            let names: Option<Vec<&str>> = names.iter().map(Value::str).collect();
            names?.contains(&POSTGRES)
        }
        // `"postgres" in dialect.name`
        (CmpOp::In | CmpOp::NotIn, Value::Str(_)) => POSTGRES.contains(other.str()?),
        _ => return None,
    };
    Some(is_postgres == matches!(op, CmpOp::Eq | CmpOp::In))
}
