//! A Python expression as a value, as far as it stands in the text.

/// What an expression is.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A string, whole or with holes.
    Str(Text),
    /// `True` or `False`.
    Bool(bool),
    None,
    /// A number; its value, if it is a whole one that is no more than a length or a count.
    Number(Option<usize>),
    /// A tuple, list or set.
    List(Vec<Value>),
    /// A dictionary; whether nothing but literals is in it.
    Dict(bool),
    /// A list whose length only shows when the script runs.
    Rows,
    /// A list of unknown length with nothing but constants and numbers in it: placeholders.
    Counted,
    /// A call: `sa.Column("a", sa.Integer())`.
    Call(Box<Call>),
    /// A name that is not bound to anything known in the file: `sa.Integer`.
    Name(String),
    /// The name of the kind of database that runs the script: `op.get_bind().dialect.name`.
    Dialect,
    /// A truth that hangs on the kind of database alone, and what it is on PostgreSQL.
    OnPostgres(bool),
    /// Only known when the script runs.
    Unknown,
}

/// A string with the parts that are not known left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text {
    /// The text; what is not known stands in braces, as it is written in the script.
    pub text: String,
    /// How many parts are not known.
    pub holes: usize,
    /// How many parts are one of several that stand in the file: the variable of a loop over literals, a constant that
    /// is imported.
    pub picks: usize,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    /// The function as it is written: `op.create_table`, `sa.Column`; `?.execute` where the front is no plain name.
    pub name: String,
    /// The positional arguments.
    pub args: Vec<Value>,
    /// The named arguments.
    pub named: Vec<(String, Value)>,
    /// What a method is called on: `sa.Enum(…)` of `sa.Enum(…).drop(bind)`.
    pub receiver: Option<Value>,
    /// Whether `*args` or `**kwargs` hide some.
    pub is_open: bool,
}

impl Text {
    /// A text without holes.
    pub fn whole(text: impl Into<String>) -> Text {
        Text { text: text.into(), holes: 0, picks: 0 }
    }

    /// A hole, shown as what stands in the script.
    pub fn hole(shown: &str) -> Text {
        Text { text: format!("{{{shown}}}"), holes: 1, picks: 0 }
    }

    /// One of several texts that stand in the file.
    pub fn pick(shown: &str) -> Text {
        Text { holes: 0, picks: 1, ..Text::hole(shown) }
    }

    /// Whether nothing is missing.
    pub fn is_whole(&self) -> bool {
        self.holes == 0 && self.picks == 0
    }

    pub(super) fn push(&mut self, other: &Text) {
        self.text.push_str(&other.text);
        self.holes += other.holes;
        self.picks += other.picks;
    }
}

impl Value {
    /// The text, if it is a string.
    pub fn text(&self) -> Option<&Text> {
        match self {
            Value::Str(text) => Some(text),
            _ => None,
        }
    }

    /// The string, if it is one without holes.
    pub fn str(&self) -> Option<&str> {
        self.text().filter(|text| text.is_whole()).map(|text| text.text.as_str())
    }

    /// About how many bytes it takes.
    pub(super) fn size(&self) -> usize {
        let sum = |values: &[Value]| values.iter().map(Value::size).sum::<usize>();
        // A level costs more than it holds, so that depth is bounded as well.
        100 + match self {
            Value::Str(text) => text.text.len(),
            Value::Name(name) => name.len(),
            Value::List(list) => sum(list),
            Value::Call(call) => {
                let named = call.named.iter().map(|(_, value)| value);
                sum(&call.args) + named.chain(&call.receiver).map(Value::size).sum::<usize>()
            }
            _ => 0,
        }
    }

    /// The number, if it is a whole one.
    pub fn int(&self) -> Option<usize> {
        match self {
            Value::Number(number) => *number,
            _ => None,
        }
    }

    /// Whether all of it stands in the file.
    pub fn is_constant(&self) -> bool {
        match self {
            Value::Str(text) => text.holes == 0,
            Value::List(list) => list.iter().all(Value::is_constant),
            Value::Dict(is_constant) => *is_constant,
            Value::Bool(_) | Value::None | Value::Number(_) | Value::Dialect | Value::OnPostgres(_) => true,
            Value::Name(name) => is_constant_name(name),
            Value::Call(call) => call.is_pure() && call.args.iter().all(Value::is_constant),
            Value::Rows | Value::Counted | Value::Unknown => false,
        }
    }

    /// Every text in it, at any depth.
    pub fn texts<'v>(&'v self, take: &mut dyn FnMut(&'v Text)) {
        match self {
            Value::Str(text) => take(text),
            Value::List(list) => list.iter().for_each(|value| value.texts(take)),
            Value::Call(call) => call.texts(take),
            _ => {}
        }
    }

    /// The call, if it is one.
    pub fn call(&self) -> Option<&Call> {
        match self {
            Value::Call(call) => Some(call),
            _ => None,
        }
    }
}

/// Functions whose result depends on their arguments alone.
const PURE: &[&str] = &[
    "dumps",
    "replace",
    "strip",
    "lower",
    "upper",
    "str",
    "repr",
    "int",
    "len",
    "sorted",
    "join",
    "format",
    "dict",
    "list",
    "tuple",
    "set",
    "frozenset",
    "reversed",
    "enumerate",
    "zip",
    "range",
    "dedent",
    "items",
    "keys",
    "values",
    "Decimal",
];

impl Call {
    /// Whether it gives the same each time, as far as its arguments do.
    fn is_pure(&self) -> bool {
        let is_module =
            |value: &Value| matches!(value, Value::Name(name) if matches!(name.as_str(), "json" | "textwrap"));
        let on_constant = |value: &Value| is_module(value) || value.is_constant();
        PURE.contains(&self.last()) && self.receiver.as_ref().is_none_or(on_constant)
    }

    /// The name's last part: `Column` of `sa.Column`.
    pub fn last(&self) -> &str {
        self.name.rsplit('.').next().unwrap_or(&self.name)
    }

    /// Every text in its arguments, at any depth.
    pub fn texts<'v>(&'v self, take: &mut dyn FnMut(&'v Text)) {
        let named = self.named.iter().map(|(_, value)| value);
        self.args.iter().chain(named).chain(&self.receiver).for_each(|value| value.texts(take));
    }

    /// Every call in its arguments, at any depth.
    pub fn calls<'v>(&'v self, take: &mut dyn FnMut(&'v Call)) {
        fn inside<'v>(value: &'v Value, take: &mut dyn FnMut(&'v Call)) {
            match value {
                Value::Call(call) => {
                    take(call);
                    call.calls(take);
                }
                Value::List(list) => list.iter().for_each(|value| inside(value, take)),
                _ => {}
            }
        }
        let named = self.named.iter().map(|(_, value)| value);
        self.args.iter().chain(named).chain(&self.receiver).for_each(|value| inside(value, take));
    }

    /// A named argument.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.named.iter().find(|(key, _)| key == name).map(|(_, value)| value)
    }

    /// An argument by its position or its name.
    pub fn arg(&self, at: usize, name: &str) -> Option<&Value> {
        self.args.get(at).or_else(|| self.get(name))
    }
}

/// `TABLE`, `Status.ACTIVE.value`: what a person writes in capitals does not change.
pub(super) fn is_constant_name(name: &str) -> bool {
    let last = name.split('.').rev().find(|part| !matches!(*part, "value" | "name"));
    last.is_some_and(|part| part.contains(char::is_uppercase) && !part.contains(char::is_lowercase))
}
