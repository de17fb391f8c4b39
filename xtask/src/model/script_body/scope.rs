//! What names are bound to while a script is read, and expressions as values.

use std::collections::{BTreeMap, HashMap, HashSet};

use ruff_python_ast::{
    Comprehension, Expr, ExprFString, FStringPart, InterpolatedStringElement, Number, Operator, Stmt, StmtFunctionDef,
};

use super::dialect;
use super::value::{Call, Text, Value, is_constant_name};

/// Calls that give back their argument, as far as SQL is concerned.
const TRANSPARENT: &[&str] =
    &["dedent", "strip", "text", "f", "quoted_name", "cleandoc", "lstrip", "rstrip", "DDL", "str", "bindparams"];

/// How many helpers deep a text is looked for.
const DEEPEST: usize = 3;

/// A value larger than this is not put together: a name that holds itself twice, line after line, would grow without end.
const LONGEST: usize = 100_000;

/// The names that are known at some place.
#[derive(Clone, Debug, Default)]
pub(super) struct Scope<'a> {
    values: HashMap<&'a str, Value>,
    /// The file's own functions.
    pub(super) functions: BTreeMap<&'a str, &'a StmtFunctionDef>,
    /// How many helpers deep a text is put together.
    depth: usize,
    /// The file's own classes.
    classes: HashSet<&'a str>,
    /// What Alembic's operations are called here: `op`.
    pub(super) operations: HashSet<&'a str>,
}

impl<'a> Scope<'a> {
    /// The names at the top level of a file.
    pub(super) fn of_module(body: &'a [Stmt]) -> Scope<'a> {
        let mut scope = Scope { operations: HashSet::from(["op"]), ..Scope::default() };
        for stmt in body {
            match stmt {
                Stmt::FunctionDef(function) => {
                    scope.functions.insert(function.name.as_str(), function);
                }
                Stmt::ClassDef(class) => {
                    scope.classes.insert(class.name.as_str());
                }
                Stmt::ImportFrom(import) if import.module.as_ref().is_some_and(|it| it.as_str() == "alembic") => {
                    for alias in import.names.iter().filter(|alias| alias.name.as_str() == "op") {
                        scope.operations.insert(alias.asname.as_ref().map_or("op", |name| name.as_str()));
                    }
                }
                _ => scope.assign(stmt),
            }
        }
        scope
    }

    /// Takes an assignment to account; other statements change nothing here.
    pub(super) fn assign(&mut self, stmt: &'a Stmt) {
        match stmt {
            Stmt::Assign(assign) => {
                let value = self.evaluate(&assign.value);
                for target in &assign.targets {
                    self.bind(target, value.clone());
                }
            }
            Stmt::AnnAssign(assign) => {
                let value = assign.value.as_deref().map_or(Value::Unknown, |expr| self.evaluate(expr));
                self.bind(&assign.target, value);
            }
            Stmt::AugAssign(assign) => self.bind(&assign.target, Value::Unknown),
            Stmt::For(stmt) => {
                self.bind_loop(&stmt.target, &stmt.iter);
            }
            _ => {}
        }
    }

    pub(super) fn bind(&mut self, target: &'a Expr, value: Value) {
        match target {
            Expr::Name(name) => self.bind_name(name.id.as_str(), value),
            Expr::Tuple(tuple) => tuple.elts.iter().for_each(|target| self.bind(target, Value::Unknown)),
            _ => {}
        }
    }

    /// The variables of a loop.
    fn bind_each(&mut self, target: &'a Expr, is_constant: bool) {
        match target {
            Expr::Name(name) if is_constant => self.bind(target, Value::Str(Text::pick(name.id.as_str()))),
            Expr::Tuple(tuple) => tuple.elts.iter().for_each(|target| self.bind_each(target, is_constant)),
            _ => self.bind(target, Value::Unknown),
        }
    }

    /// `for table in TABLES`, `for at, row in enumerate(rows)`: the variables are known as far as what they go through.
    fn bind_loop(&mut self, target: &'a Expr, iter: &'a Expr) {
        let value = self.evaluate(iter);
        // A class in the file, or an enumeration by its name: its members are constants.
        let is_class = |name: &str| name.starts_with(|c: char| c.is_uppercase()) || self.classes.contains(name);
        let is_constant = value.is_constant() || matches!(&value, Value::Name(name) if is_class(name));
        self.bind_each(target, is_constant);
        // Numbers are harmless whatever is counted.
        let counts = value.call().map(Call::last).filter(|name| matches!(*name, "enumerate" | "range"));
        match (counts, target) {
            (Some("enumerate"), Expr::Tuple(tuple)) => {
                if let Some(first) = tuple.elts.first() {
                    self.bind_each(first, true);
                }
            }
            (Some("range"), _) => self.bind_each(target, true),
            _ => {}
        }
    }

    /// A list made out of constants is as good as one that stands there; of any other the length is not known.
    fn comprehension(&self, element: &'a Expr, generators: &'a [Comprehension]) -> Value {
        // In a scope of its own: its variables end with it.
        let mut scope = self.clone();
        for generator in generators {
            scope.bind_loop(&generator.target, &generator.iter);
        }
        let element = scope.evaluate(element);
        let goes_on = |generator: &Comprehension| {
            let value = self.evaluate(&generator.iter);
            value.is_constant() || matches!(value, Value::Name(_))
        };
        match element.is_constant() && generators.iter().all(goes_on) {
            true => Value::List(vec![element]),
            false if element.is_constant() => Value::Counted,
            false => Value::Rows,
        }
    }

    /// Binds a name. What `x = (x, x)`, line after line, would make of it is not worth knowing.
    pub(super) fn bind_name(&mut self, name: &'a str, value: Value) {
        let value = if value.size() > LONGEST { Value::Unknown } else { value };
        self.values.insert(name, value);
    }

    /// An expression as a value.
    pub(super) fn evaluate(&self, expr: &'a Expr) -> Value {
        match expr {
            Expr::StringLiteral(literal) => Value::Str(Text::whole(literal.value.to_str())),
            Expr::FString(string) => Value::Str(self.f_string(string)),
            Expr::NoneLiteral(_) => Value::None,
            Expr::BooleanLiteral(literal) => Value::Bool(literal.value),
            Expr::NumberLiteral(literal) => Value::Number(match &literal.value {
                Number::Int(int) => int.as_usize(),
                _ => None,
            }),
            Expr::Tuple(list) => self.list(&list.elts),
            Expr::List(list) => self.list(&list.elts),
            Expr::Set(list) => self.list(&list.elts),
            Expr::Name(name) => {
                let known = self.values.get(name.id.as_str()).cloned();
                known.unwrap_or_else(|| Value::Name(name.id.to_string()))
            }
            Expr::Attribute(attribute) => match &*attribute.value {
                // `choice.value` of `for choice in Choices`.
                Expr::Name(name) if self.is_pick(name.id.as_str()) => Value::Str(Text::pick(name.id.as_str())),
                _ => match dotted(expr) {
                    Some(name) if dialect::is_name(&name) => Value::Dialect,
                    Some(name) => Value::Name(name),
                    None => Value::Unknown,
                },
            },
            Expr::Compare(_) | Expr::UnaryOp(_) | Expr::BoolOp(_) => dialect::truth(expr, |expr| self.evaluate(expr)),
            Expr::BinOp(sum) if sum.op == Operator::Add => self.sum(&sum.left, &sum.right),
            Expr::BinOp(format) if format.op == Operator::Mod => match self.evaluate(&format.left) {
                Value::Str(text) => Value::Str(self.filled(text, [&*format.right])),
                _ => Value::Unknown,
            },
            Expr::BinOp(sum) => match self.evaluate(&sum.left).is_constant() && self.evaluate(&sum.right).is_constant()
            {
                true => Value::Number(None),
                false => Value::Unknown,
            },
            Expr::If(either) if matches!(self.evaluate(&either.test), Value::OnPostgres(_)) => {
                let is_body = self.evaluate(&either.test) == Value::OnPostgres(true);
                self.evaluate(if is_body { &either.body } else { &either.orelse })
            }
            Expr::If(either) => match (self.evaluate(&either.body), self.evaluate(&either.orelse)) {
                (Value::Str(one), Value::Str(other)) if one.holes + other.holes == 0 => Value::Str(Text::pick("…")),
                _ => Value::Unknown,
            },
            Expr::Call(call) => self.call_value(call),
            Expr::Dict(dict) => {
                let is_constant = |value: &Expr| self.evaluate(value).is_constant();
                Value::Dict(dict.items.iter().all(|item| is_constant(&item.value)))
            }
            Expr::DictComp(dict) => match self.comprehension(&dict.value, &dict.generators) {
                Value::List(_) => Value::Dict(true),
                _ => Value::Dict(false),
            },
            Expr::ListComp(list) => self.comprehension(&list.elt, &list.generators),
            Expr::Generator(list) => self.comprehension(&list.elt, &list.generators),
            Expr::SetComp(list) => self.comprehension(&list.elt, &list.generators),
            _ => Value::Unknown,
        }
    }

    /// A call with its arguments.
    pub(super) fn call(&self, call: &'a ruff_python_ast::ExprCall) -> Call {
        let arguments = &call.arguments;
        let is_open = arguments.args.iter().any(Expr::is_starred_expr)
            || arguments.keywords.iter().any(|keyword| keyword.arg.is_none());
        let named = arguments
            .keywords
            .iter()
            .filter_map(|keyword| Some((keyword.arg.as_ref()?.to_string(), self.evaluate(&keyword.value))));
        Call {
            name: dotted(&call.func).unwrap_or_else(|| "?".to_owned()),
            args: arguments.args.iter().map(|arg| self.evaluate(arg)).collect(),
            named: named.collect(),
            receiver: match &*call.func {
                Expr::Attribute(attribute) => Some(self.evaluate(&attribute.value)),
                _ => None,
            },
            is_open,
        }
    }

    fn call_value(&self, expr: &'a ruff_python_ast::ExprCall) -> Value {
        let call = self.call(expr);
        if let Some(value) = self.returned(&call).or_else(|| dialect::of_call(&call)) {
            return value;
        }
        if TRANSPARENT.contains(&call.last()) {
            if let Some(text @ Value::Str(_)) = call.args.first() {
                return text.clone();
            }
            // `"…".strip()`, `QUERY.strip()`
            if let Some(Value::Str(text)) = call.receiver {
                return Value::Str(text);
            }
        }
        if call.last() == "join"
            && let Some(Value::Str(_)) = &call.receiver
        {
            let is_constant = |value: &Value| value.is_constant() || *value == Value::Counted;
            let shown = call.args.first().map(shown).unwrap_or_default();
            let is_constant = call.args.first().is_some_and(is_constant);
            return Value::Str(if is_constant { Text::pick(&shown) } else { Text::hole(&shown) });
        }
        if call.last() == "format"
            && let Some(Value::Str(text)) = &call.receiver
        {
            let arguments = expr.arguments.args.iter();
            let arguments = arguments.chain(expr.arguments.keywords.iter().map(|keyword| &keyword.value));
            return Value::Str(self.filled(text.clone(), arguments));
        }
        Value::Call(Box::new(call))
    }

    /// A template with something put in: known as far as what is put in is.
    fn filled(&self, text: Text, with: impl IntoIterator<Item = &'a Expr>) -> Text {
        let is_constant = with.into_iter().all(|expr| self.evaluate(expr).is_constant());
        match is_constant {
            true => Text { picks: text.picks + 1, ..text },
            false => Text { holes: text.holes + 1, ..text },
        }
    }

    /// The text that a helper of the file puts together, or what it says of the kind of database: what its last statement
    /// returns.
    fn returned(&self, call: &Call) -> Option<Value> {
        let function = *self.functions.get(call.name.as_str()).filter(|_| self.depth < DEEPEST)?;
        let Some(Stmt::Return(last)) = function.body.last() else { return None };
        let mut scope = Scope { depth: self.depth + 1, ..self.clone() };
        scope.bind_parameters(function, call);
        function.body.iter().for_each(|stmt| scope.assign(stmt));
        let value = scope.evaluate(last.value.as_deref()?);
        let is_known = value.text().is_some() || matches!(value, Value::Dialect | Value::OnPostgres(_));
        is_known.then_some(value)
    }

    /// The parameters of a helper, as far as they are given by position or by name.
    pub(super) fn bind_parameters(&mut self, function: &'a StmtFunctionDef, call: &Call) {
        let parameters = &function.parameters;
        let by_position = parameters.posonlyargs.iter().chain(&parameters.args).enumerate();
        let by_position = by_position.map(|(at, parameter)| (Some(at), parameter));
        for (at, parameter) in by_position.chain(parameters.kwonlyargs.iter().map(|parameter| (None, parameter))) {
            let name = parameter.parameter.name.as_str();
            let given = at.and_then(|at| call.args.get(at)).or_else(|| call.get(name)).cloned();
            let default = || parameter.default.as_deref().filter(|_| !call.is_open).map(|expr| self.evaluate(expr));
            let value = given.or_else(default).unwrap_or(Value::Unknown);
            self.bind_name(name, value);
        }
    }

    fn is_pick(&self, name: &str) -> bool {
        self.values.get(name).and_then(Value::text).is_some_and(|text| text.holes == 0 && text.picks > 0)
    }

    fn list(&self, elements: &'a [Expr]) -> Value {
        Value::List(elements.iter().map(|element| self.evaluate(element)).collect())
    }

    fn sum(&self, left: &'a Expr, right: &'a Expr) -> Value {
        let (left, right) = (self.evaluate(left), self.evaluate(right));
        let (text, other) = match (left, right) {
            (Value::Str(mut left), Value::Str(right)) if left.text.len() + right.text.len() < LONGEST => {
                left.push(&right);
                return Value::Str(left);
            }
            (Value::Str(text), _) => (Some(text), Text::hole("…")),
            (_, Value::Str(text)) => (None, text),
            _ => return Value::Unknown,
        };
        let mut sum = text.unwrap_or_else(|| Text::hole("…"));
        sum.push(&other);
        Value::Str(sum)
    }

    fn f_string(&self, string: &'a ExprFString) -> Text {
        let mut text = Text::whole("");
        for part in &string.value {
            if text.text.len() > LONGEST {
                return Text::hole("…");
            }
            match part {
                FStringPart::Literal(literal) => text.text.push_str(literal),
                FStringPart::FString(string) => {
                    for element in &string.elements {
                        text.push(&self.element(element));
                    }
                }
            }
        }
        text
    }

    fn element(&self, element: &'a InterpolatedStringElement) -> Text {
        let expr = match element {
            InterpolatedStringElement::Literal(literal) => return Text::whole(&*literal.value),
            InterpolatedStringElement::Interpolation(interpolation) => &interpolation.expression,
        };
        match self.evaluate(expr) {
            // The name in the script says more than that there is something.
            Value::Str(text) if text.text == "{…}" => {
                let named = dotted(expr).map(|name| format!("{{{name}}}"));
                Text { text: named.unwrap_or(text.text), ..text }
            }
            Value::Str(text) if text.text.len() < LONGEST / 100 => text,
            Value::Number(Some(number)) => Text::whole(number.to_string()),
            Value::Name(name) if is_constant_name(&name) => Text::pick(&name),
            value if value.is_constant() => Text::pick(&dotted(expr).unwrap_or_else(|| "…".to_owned())),
            _ => Text::hole(&dotted(expr).unwrap_or_else(|| "…".to_owned())),
        }
    }
}

/// A value as it is shown in a hole.
fn shown(value: &Value) -> String {
    match value {
        Value::Name(name) => name.clone(),
        _ => "…".to_owned(),
    }
}

/// `op.get_bind` of the expression; `?` for what stands in front where it is no name.
pub(super) fn dotted(expr: &Expr) -> Option<String> {
    let mut parts = Vec::new();
    let mut at = expr;
    loop {
        match at {
            Expr::Name(name) => parts.push(name.id.as_str()),
            Expr::Attribute(attribute) => {
                parts.push(attribute.attr.as_str());
                at = &attribute.value;
                continue;
            }
            _ if parts.is_empty() => return None,
            _ => parts.push("?"),
        }
        break;
    }
    parts.reverse();
    Some(parts.join("."))
}
