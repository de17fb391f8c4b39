//! DB402: an object that upgrade creates and downgrade does not mention.

use super::{Check, Context, Level, Rule, Scope, Sink, Source};
use crate::model::script_body::{Body, Call, Found, Function, Kind, Subject, Text, Value};
use crate::model::sql::{Object, Verb, bare, mentions};

pub(super) const RULE: Rule = Rule {
    code: "DB402",
    name: "downgrade-forgets",
    level: Level::Error,
    scope: Scope::Unreleased,
    page: include_str!("../../../rules/DB402.md"),
    check: Check::Each(check),
};

fn check(source: &Source, _: &Context, sink: &mut Sink<'_>) {
    let Ok(Body { upgrade: Some(upgrade), downgrade: Some(downgrade), .. }) = source.body() else { return };
    if downgrade.kind != Kind::Works || downgrade.is_cut {
        return;
    }
    let back = Mentioned::of(downgrade);
    let again = Mentioned::of_drops(upgrade);
    let all = created(upgrade);
    for created in &all {
        // A trigger of a partition goes with the table that has the partition.
        let is_its_table = |it: &&Created| it.subject == "table" && created.table.as_ref() == Some(&it.name);
        let with_its_table = all.iter().filter(is_its_table).any(|table| back.drops(table));
        let is_gone =
            with_its_table || back.has(created) || again.has(created) || back.may_be_anything(created.subject);
        if !is_gone {
            let message = format!(
                "upgrade() creates {}, and downgrade() does not mention it: going down and up again fails, since it is \
                 there already",
                created.label()
            );
            sink.at(&source.path, created.line, message, format!("In downgrade(): {}", created.undo()));
        }
    }
}

/// Something that is there afterwards.
struct Created {
    subject: &'static str,
    name: String,
    table: Option<String>,
    line: usize,
}

impl Created {
    fn label(&self) -> String {
        match (&self.table, self.subject) {
            (Some(table), "column") => format!("column {table}.{}", self.name),
            _ => format!("{} {}", self.subject, self.name),
        }
    }

    fn undo(&self) -> String {
        let (name, table) = (&self.name, self.table.as_deref().unwrap_or("TABLE"));
        match self.subject {
            "table" => format!("op.drop_table(\"{name}\")"),
            "column" => format!("op.drop_column(\"{table}\", \"{name}\")"),
            "index" => format!("op.drop_index(\"{name}\", table_name=\"{table}\")"),
            "constraint" => format!("op.drop_constraint(\"{name}\", \"{table}\")"),
            kind => format!("op.execute(\"DROP {} {name}\")", kind.to_uppercase()),
        }
    }
}

fn created(function: &Function) -> Vec<Created> {
    let mut found = Vec::new();
    for (operation, call) in function.operations().filter(|(_, call)| !is_existing(call)) {
        let is_making = operation.name.starts_with("create_") && operation.subject != Subject::Rows
            || operation.name == "add_column";
        let table = operation.table().map(str::to_owned);
        if let (true, Some(name)) = (is_making && !operation.name.ends_with("_comment"), operation.object()) {
            let subject = operation.subject.name();
            found.push(Created { subject, name: name.to_owned(), table, line: call.line });
        }
        if operation.name == "create_table" {
            found.extend(types(&call.call).into_iter().map(|name| made("type", name, call.line)));
        }
    }
    for (statement, call) in function.statements() {
        let is_kept = matches!(statement.object, Object::Other | Object::Extension) || statement.name.contains('{');
        if statement.verb == Verb::Create && !is_kept && !statement.name.is_empty() {
            let created = made(statement.object.name(), statement.name.clone(), call.line);
            found.push(Created { table: statement.on.clone(), ..created });
        }
    }
    found
}

fn made(subject: &'static str, name: String, line: usize) -> Created {
    Created { subject, name, table: None, line }
}

/// `if_not_exists=True`, or under an `if`: it may have been there before, and then it has to stay.
fn is_existing(call: &Found) -> bool {
    call.is_conditional || call.call.get("if_not_exists").is_some()
}

/// The enumerated types that a `create_table` makes by the way. Dropping the table leaves them.
fn types(create_table: &Call) -> Vec<String> {
    let mut names = Vec::new();
    create_table.calls(&mut |call| {
        let is_enum = matches!(call.name.as_str(), "sa.Enum" | "sqlalchemy.Enum" | "Enum")
            || matches!(call.name.as_str(), "postgresql.ENUM" | "pgsql.ENUM" | "pg.ENUM" | "ENUM");
        let is_off = |name: &str| call.get(name) == Some(&Value::Bool(false));
        if let (true, Some(name)) = (is_enum && !is_off("create_type") && !is_off("native_enum"), call.get("name")) {
            names.extend(name.str().map(str::to_owned));
        }
    });
    names
}

/// Every text of a function, with what it drops in whole.
struct Mentioned {
    texts: Vec<String>,
    tables: Vec<String>,
    columns: Vec<(String, String)>,
    open: Vec<&'static str>,
}

impl Mentioned {
    fn of(function: &Function) -> Mentioned {
        Mentioned::from(function, |_| true)
    }

    /// What is only made for the time of the migration, or gets another name: a column that is renamed into place.
    fn of_drops(function: &Function) -> Mentioned {
        Mentioned::from(function, |call| {
            let drops = |text: &Text| ["drop", "rename"].iter().any(|word| mentions(&text.text, word));
            let renames = call.call.get("new_column_name").is_some() || call.call.last() == "rename_table";
            renames || call.call.last().starts_with("drop") || call.sql.as_ref().is_some_and(drops)
        })
    }

    fn from(function: &Function, is_wanted: impl Fn(&Found) -> bool) -> Mentioned {
        let mut all = Mentioned { texts: Vec::new(), tables: Vec::new(), columns: Vec::new(), open: Vec::new() };
        for call in function.calls.iter().filter(|call| is_wanted(call)) {
            call.call.texts(&mut |text| all.texts.push(text.text.clone()));
            if let Some(sql) = &call.sql {
                all.texts.push(sql.text.clone());
                if !sql.is_whole() {
                    all.open.push("");
                }
            }
            match &call.operation {
                Some(operation) if operation.object().is_none() => all.open.push(operation.subject.name()),
                // One that is made anew has nothing of what the old one had.
                Some(operation) if matches!(operation.name.as_str(), "drop_table" | "create_table") => {
                    all.tables.extend(operation.object().map(str::to_owned))
                }
                Some(operation) if operation.name == "drop_column" => {
                    let column = operation.table().zip(operation.object());
                    all.columns.extend(column.map(|(table, column)| (table.to_owned(), column.to_owned())));
                }
                None if call.call.last() == "drop" => all.receiver(call.call.receiver.as_ref()),
                _ => {}
            }
        }
        for (statement, call) in function.statements().filter(|(statement, _)| statement.verb == Verb::Drop) {
            match statement.object {
                Object::Table | Object::View => all.tables.extend(statement.names().map(str::to_owned)),
                // With a schema goes what is in it.
                Object::Schema => all.open.push(""),
                _ => {}
            }
            // And with CASCADE whatever depends on what is dropped.
            if call.sql.as_ref().is_some_and(|sql| mentions(&sql.text, "cascade")) {
                all.open.extend(["view", "constraint", "index", "trigger", "sequence", "function"]);
            }
        }
        all
    }

    /// `something.drop(bind)`: where it is no call that stands here, it may be any type or table.
    fn receiver(&mut self, receiver: Option<&Value>) {
        if !matches!(receiver, Some(Value::Call(_))) {
            self.open.extend(["type", "table"]);
        }
    }

    fn has(&self, created: &Created) -> bool {
        let with_table =
            created.table.as_ref().is_some_and(|table| self.tables.iter().any(|gone| bare(gone) == bare(table)));
        // An index or a constraint goes with the last of its columns, and which those are is not always said.
        let table = created.table.as_deref().unwrap_or_default();
        let with_column = matches!(created.subject, "index" | "constraint" | "trigger")
            && self.columns.iter().any(|(of, _)| of == table);
        with_table || with_column || self.texts.iter().any(|text| has_word(text, created))
    }

    /// Whether a table goes, or the one that it is a partition of. That it is mentioned is not enough.
    fn drops(&self, created: &Created) -> bool {
        let of = [Some(&created.name), created.table.as_ref()];
        let is_gone = of.into_iter().flatten().any(|name| self.tables.iter().any(|gone| bare(gone) == bare(name)));
        // In a `DO` block, say.
        let by_sql = |text: &String| text.to_lowercase().contains("drop table") && has_word(text, created);
        is_gone || self.texts.iter().any(by_sql)
    }

    fn may_be_anything(&self, subject: &str) -> bool {
        self.open.iter().any(|open| open.is_empty() || *open == subject)
    }
}

/// Whether a name stands in a text, not as a part of a longer one; whatever the case, as unquoted names have none. A
/// naming convention puts something in front of a constraint's name: `ck_users_positive` of `positive`.
fn has_word(text: &str, created: &Created) -> bool {
    let (text, name) = (text.to_lowercase(), created.name.to_lowercase());
    let is_word = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
    text.match_indices(&name).any(|(at, found)| {
        let before = text[..at].chars().next_back();
        let is_prefixed = created.subject == "constraint" && before == Some('_');
        (is_prefixed || !is_word(before)) && !is_word(text[at + found.len()..].chars().next())
    })
}
