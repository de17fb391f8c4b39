//! A Python expression as a value, as far as it stands in the text.

/// What an expression is.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A string, whole or with holes.
    Str(Text),
    /// `True` or `False`.
    Bool(bool),
    /// `None`.
    None,
    /// A number.
    Number,
    /// A tuple, list or set.
    List(Vec<Value>),
    /// A call: `sa.Column("a", sa.Integer())`.
    Call(Box<Call>),
    /// A name that is not bound to anything known in the file: `sa.Integer`.
    Name(String),
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
}

/// A call.
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
        Text { text: text.into(), holes: 0 }
    }

    /// A hole, shown as what stands in the script.
    pub fn hole(shown: &str) -> Text {
        Text { text: format!("{{{shown}}}"), holes: 1 }
    }

    /// Whether nothing is missing.
    pub fn is_whole(&self) -> bool {
        self.holes == 0
    }

    pub(super) fn push(&mut self, other: &Text) {
        self.text.push_str(&other.text);
        self.holes += other.holes;
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
            Value::Bool(_) | Value::None | Value::Number | Value::Unknown => 0,
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

impl Call {
    /// The name's last part: `Column` of `sa.Column`.
    pub fn last(&self) -> &str {
        self.name.rsplit('.').next().unwrap_or(&self.name)
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
