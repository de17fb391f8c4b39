//! What SQL statements are about, read off their first words: what they create, drop, alter, fill or empty. No SQL
//! parser: a text may have holes (`{name}`) where a script puts something in, and this reads round them.

mod name;
mod token;

pub use name::{bare, first_name, ident, literal};
use token::Token;

/// A statement, as far as its first words tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// What it does.
    pub verb: Verb,
    /// To what kind of thing.
    pub object: Object,
    /// The first thing's name, without its schema and quotes; `""` where none can be told.
    pub name: String,
    /// The table that an index or a trigger is on, or that a table is a partition of.
    pub on: Option<String>,
    /// The other things of the same `DROP` or `TRUNCATE`.
    pub others: Vec<String>,
    /// All names with their schemas, as far as they are written with one; a part that holds a dot is in quotes.
    pub full_names: Vec<String>,
    /// Whether it says `CASCADE`.
    pub is_cascade: bool,
    /// What an `ALTER TABLE` does.
    pub actions: Vec<Action>,
    /// The columns that an `UPDATE` sets.
    pub sets: Vec<String>,
    /// Whether it says `CONCURRENTLY`.
    pub is_concurrent: bool,
    /// Whether an `UPDATE` or `DELETE` says which rows.
    pub has_where: bool,
    /// Whether it says `IF NOT EXISTS`.
    pub is_if_missing: bool,
}

/// One action of an `ALTER TABLE`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Action {
    /// `Create` for `ADD`, `Drop`, `Alter`, or `Rename`.
    pub verb: Verb,
    /// A column or a constraint, mostly.
    pub object: Object,
    pub name: String,
    /// What a `RENAME` or `SET SCHEMA` makes of it; `""` otherwise.
    pub to: String,
    /// `ADD COLUMN … NOT NULL` without a value for the rows that are there.
    pub is_required: bool,
    /// `ALTER COLUMN … TYPE`.
    pub retyped: Option<Retyped>,
    /// `ALTER COLUMN … SET NOT NULL`.
    pub becomes_required: bool,
    /// Whether each row that is there gets a value of its own: a volatile default, an identity, a generated column.
    pub fills_rows: bool,
}

/// A new type for a column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retyped {
    /// Its words in lower case, without length and schema: `timestamp with time zone`. An array ends in `[]`.
    pub to: String,
    /// Whether `USING` says how the values are computed.
    pub is_computed: bool,
}

macro_rules! words {
    ($(#[$doc:meta])* $type:ident { $($(#[$variant_doc:meta])* $name:ident = $word:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $type {
            $($(#[$variant_doc])* $name,)*
            /// Anything else.
            Other,
        }

        impl $type {
            /// As it is said.
            pub fn name(self) -> &'static str {
                match self { $($type::$name => $word,)* $type::Other => "object" }
            }

            fn of(token: &Token) -> $type {
                match token {
                    $(Token::Word(word) if word.eq_ignore_ascii_case($word) => $type::$name,)*
                    _ => $type::Other,
                }
            }
        }
    };
}

words! {
    /// What a statement does.
    Verb {
        /// `CREATE`, or `ADD` in an `ALTER TABLE`.
        Create = "create",
        Drop = "drop",
        Alter = "alter",
        /// `RENAME`, in an `ALTER`.
        Rename = "rename",
        Insert = "insert",
        Update = "update",
        Delete = "delete",
        Truncate = "truncate",
        Select = "select",
    }
}

words! {
    /// What kind of thing it does it to.
    Object {
        Table = "table",
        Column = "column",
        Constraint = "constraint",
        Index = "index",
        Type = "type",
        View = "view",
        Sequence = "sequence",
        Function = "function",
        Procedure = "procedure",
        Trigger = "trigger",
        Schema = "schema",
        Extension = "extension",
        Domain = "domain",
    }
}

impl Statement {
    /// All names of a `DROP` or `TRUNCATE`.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        std::iter::once(&self.name).chain(&self.others).map(String::as_str)
    }
}

/// The statements of a text, in their order.
pub fn statements(sql: &str) -> Vec<Statement> {
    let tokens = token::tokens(sql);
    let parts = tokens.split(|token| *token == Token::Mark(';')).filter(|part| !part.is_empty());
    parts.flat_map(|part| std::iter::once(statement(part)).chain(under_with(part))).collect()
}

/// What a `WITH` changes: in its parentheses and behind them.
fn under_with(part: &[Token]) -> Vec<Statement> {
    let changes = |at: &usize| {
        let is_first = matches!(part[at - 1], Token::Mark('(' | ')'));
        is_first && ["delete", "update", "insert", "merge"].iter().any(|verb| part[*at].is(verb))
    };
    let is_with = part[0].is("with");
    (1..part.len()).filter(|at| is_with && changes(at)).map(|at| statement(up_to_its_end(&part[at..]))).collect()
}

/// By how much what follows stands deeper in parentheses.
fn deeper(token: &Token) -> i32 {
    match token {
        Token::Mark('(') => 1,
        Token::Mark(')') => -1,
        _ => 0,
    }
}

/// The tokens up to the parenthesis that closes what they stand in.
fn up_to_its_end(tokens: &[Token]) -> &[Token] {
    let mut depth = 0;
    let end = tokens.iter().position(|token| {
        depth += deeper(token);
        depth < 0
    });
    &tokens[..end.unwrap_or(tokens.len())]
}

/// The first words of each statement of a text, in lower case.
pub fn leading_words(sql: &str) -> Vec<Vec<String>> {
    let tokens = token::tokens(sql);
    let parts = tokens.split(|token| *token == Token::Mark(';')).filter(|part| !part.is_empty());
    let words = |part: &[Token]| {
        let mut words = part.iter().map(|token| token.clone().into_text());
        let first: Vec<String> = words.by_ref().take(LEADING).collect();
        // A list of roles or privileges may be long, and what comes behind it counts.
        let has_a_list = first.first().is_some_and(|verb| verb == "grant" || verb == "revoke");
        if has_a_list { first.into_iter().chain(words).collect() } else { first }
    };
    parts.map(words).collect()
}

/// What a text changes that the whole server shares: one of its statements, or what a `DO` block says.
pub fn server_wide_in(sql: &str) -> Option<String> {
    let statements = leading_words(sql);
    let said = statements.iter().find_map(|words| server_wide(words));
    let is_block = || statements.iter().any(|words| words.first().is_some_and(|word| word == "do"));
    said.or_else(|| if is_block() { server_wide_in_block(sql) } else { None })
}

/// The words of a block stand in a string, so any place in it counts.
fn server_wide_in_block(sql: &str) -> Option<String> {
    let plain = sql.split_whitespace().collect::<Vec<_>>().join(" ").to_ascii_lowercase();
    let kinds = ["role", "user", "group", "database", "tablespace"];
    let pairs = kinds.into_iter().flat_map(|kind| ["create", "alter", "drop"].map(|verb| format!("{verb} {kind}")));
    let mut found = pairs.filter(|pair| plain.contains(pair.as_str()));
    found.next().map(|pair| format!("{} in a DO block", pair.to_uppercase()))
}

/// What a statement with these first words changes that the whole server shares: `DROP ROLE`, `ALTER SYSTEM`.
pub fn server_wide(words: &[String]) -> Option<String> {
    let word = |at: usize| words.get(at).map(String::as_str).unwrap_or_default();
    let is_shared = match (word(0), word(1)) {
        ("create" | "alter" | "drop", "user") => word(2) != "mapping",
        ("create" | "alter" | "drop", "role" | "group" | "database" | "tablespace") => true,
        ("alter", "system") | ("drop" | "reassign", "owned") => true,
        // A role to a role: privileges are on something.
        (verb @ ("grant" | "revoke"), _) => {
            let to = if verb == "grant" { "to" } else { "from" };
            return is_membership(&words[1..], to).then(|| format!("{} of a role", verb.to_uppercase()));
        }
        _ => false,
    };
    is_shared.then(|| format!("{} {}", word(0), word(1)).to_uppercase())
}

fn is_membership(words: &[String], to: &str) -> bool {
    words.iter().find(|word| *word == "on" || *word == to).is_some_and(|word| word == to)
}

/// Functions that give another value for each row.
const VOLATILE: [&str; 9] = [
    "random",
    "gen_random_uuid",
    "uuidv4",
    "uuidv7",
    "uuid_generate_v1",
    "uuid_generate_v4",
    "clock_timestamp",
    "timeofday",
    "nextval",
];

/// Whether an expression in SQL gives another value for each row, as far as its words tell.
pub fn is_volatile(expression: &str) -> bool {
    VOLATILE.iter().any(|name| mentions(expression, name))
}

/// As many words as say what kind of thing a statement is about.
const LEADING: usize = 8;

/// Whether a word stands in a text, as SQL reads it: outside of strings and comments, whatever its case.
pub fn mentions(sql: &str, word: &str) -> bool {
    token::tokens(sql).iter().any(|token| token.is(word) || matches!(token, Token::Quoted(name) if name == word))
}

/// Whether a word stands there in no parentheses, and as no name behind a schema.
pub fn is_said_outside(sql: &str, word: &str) -> bool {
    let (mut depth, mut is_behind_dot) = (0, false);
    token::tokens(sql).iter().any(|token| {
        let is_it = depth == 0 && !is_behind_dot && token.is(word);
        depth += deeper(token);
        is_behind_dot = *token == Token::Mark('.');
        is_it
    })
}

fn statement(tokens: &[Token]) -> Statement {
    let mut rest = Rest(tokens);
    let says = |word: &str| tokens.iter().any(|token| token.is(word));
    let first = rest.next();
    let is_merge = first.is("merge");
    let verb = match is_merge {
        // It is told by the worst that it may do.
        true if says("delete") => Verb::Delete,
        true if says("update") => Verb::Update,
        true => Verb::Insert,
        false => Verb::of(&first),
    };
    let object = match verb {
        Verb::Create | Verb::Drop | Verb::Alter => rest.object(),
        Verb::Truncate => {
            rest.skip(&["table", "only"]);
            Object::Table
        }
        Verb::Insert | Verb::Update | Verb::Delete => {
            rest.skip(&["into", "from", "only"]);
            Object::Table
        }
        _ => Object::Other,
    };
    rest.skip(&["concurrently", "if", "not", "exists", "only"]);
    // `CREATE INDEX ON t (a)` leaves the name to PostgreSQL.
    let is_nameless = object == Object::Index && rest.0.first().is_some_and(|token| token.is("on"));
    let mut full_names = vec![if is_nameless { String::new() } else { rest.full_name() }];
    let name = if is_nameless { String::new() } else { rest.name() };
    let mut others = Vec::new();
    while matches!(verb, Verb::Drop | Verb::Truncate) && rest.skip_arguments_and(',') {
        full_names.push(rest.full_name());
        others.push(rest.name());
    }
    let on = match object {
        Object::Index | Object::Trigger => rest.after("on"),
        Object::Table if verb == Verb::Create => Rest(rest.behind("partition")).after("of"),
        _ => None,
    };
    let actions = if verb == Verb::Alter && object == Object::Table { actions(&rest) } else { Vec::new() };
    let is_if_missing = tokens.windows(3).any(|it| it[0].is("if") && it[1].is("not") && it[2].is("exists"));
    Statement {
        verb,
        object,
        name,
        on,
        others,
        full_names,
        is_cascade: says("cascade"),
        actions,
        sets: if verb == Verb::Update { sets(rest) } else { Vec::new() },
        is_concurrent: says("concurrently"),
        has_where: says("where") || is_merge,
        is_if_missing,
    }
}

/// `ADD COLUMN a int, DROP CONSTRAINT b, RENAME a TO b`.
fn actions(rest: &Rest<'_>) -> Vec<Action> {
    list(rest.0).into_iter().filter_map(action).collect()
}

/// `… SET a = 1, "B" = f(x, y), (c, d) = (1, 2) WHERE …`
fn sets(rest: Rest<'_>) -> Vec<String> {
    let ends = |token: &Token| ["from", "where", "returning"].iter().any(|word| token.is(word));
    let mut columns = Vec::new();
    for part in list(rest.behind("set")) {
        let is_several = part.first() == Some(&Token::Mark('('));
        let left = part.split(|token| matches!(token, Token::Mark('=' | ')'))).next().unwrap_or_default();
        for one in left[usize::from(is_several)..].split(|token| *token == Token::Mark(',')) {
            columns.push(Rest(one).name());
        }
        let mut depth = 0;
        let is_last = part.iter().any(|token| {
            depth += deeper(token);
            depth == 0 && ends(token)
        });
        if is_last {
            break;
        }
    }
    columns.retain(|column| !column.is_empty());
    columns
}

/// The parts of a list, between the commas that are in no parentheses.
fn list(tokens: &[Token]) -> Vec<&[Token]> {
    let mut depth = 0_i32;
    let parts = tokens.split(|token| {
        match token {
            Token::Mark('(') => depth += 1,
            Token::Mark(')') => depth -= 1,
            _ => {}
        }
        depth == 0 && *token == Token::Mark(',')
    });
    parts.collect()
}

fn action(tokens: &[Token]) -> Option<Action> {
    let mut rest = Rest(tokens);
    let first = rest.next();
    let verb = match () {
        () if first.is("add") => Verb::Create,
        () if first.is("set") && rest.0.first().is_some_and(|token| token.is("schema")) => Verb::Rename,
        () => Verb::of(&first),
    };
    if verb == Verb::Other {
        return None;
    }
    let object = match rest.0.first().map_or(Object::Other, Object::of) {
        Object::Other => match rest.0.first() {
            Some(word) if ["primary", "foreign", "unique", "check", "exclude"].iter().any(|it| word.is(it)) => {
                Object::Constraint
            }
            // `RENAME TO` is about the table itself; the word COLUMN may be left out.
            Some(word) if word.is("to") => Object::Table,
            _ => Object::Column,
        },
        object => {
            rest.next();
            object
        }
    };
    rest.skip(&["if", "not", "exists", "to"]);
    let says = |word: &str| tokens.iter().any(|token| token.is(word));
    let has_value = says("default") || says("generated") || says("serial") || says("bigserial");
    let is_required = verb == Verb::Create && object == Object::Column && says("not") && says("null") && !has_value;
    let name = rest.name();
    rest.skip(&["to"]);
    let to = if verb == Verb::Rename { Rest(rest.0).name() } else { String::new() };
    let is_column = object == Object::Column;
    let becomes_required = verb == Verb::Alter
        && is_column
        && tokens.windows(3).any(|it| it[0].is("set") && it[1].is("not") && it[2].is("null"));
    let serials = ["generated", "serial", "bigserial", "smallserial"];
    let is_volatile = says("default") && VOLATILE.iter().any(|name| says(name));
    let fills_rows = verb == Verb::Create && is_column && (is_volatile || serials.iter().any(|word| says(word)));
    let retyped = if verb == Verb::Alter && is_column { retyped(rest) } else { None };
    Some(Action { verb, object, name, to, is_required, retyped, becomes_required, fills_rows })
}

/// `[SET DATA] TYPE numeric(10, 2) USING a::numeric`, behind the column's name.
fn retyped(mut rest: Rest<'_>) -> Option<Retyped> {
    rest.skip(&["set", "data"]);
    if !rest.next().is("type") {
        return None;
    }
    let ends = |token: &Token| token.is("using") || token.is("collate");
    let (kind, behind) = rest.0.split_at(rest.0.iter().position(ends).unwrap_or(rest.0.len()));
    let mut words: Vec<String> = Vec::new();
    let mut to = Rest(kind);
    while !to.0.is_empty() {
        match to.name() {
            word if !word.is_empty() => words.push(word),
            _ => drop(to.next()),
        }
    }
    let array = if kind.contains(&Token::Mark('[')) { "[]" } else { "" };
    Some(Retyped { to: words.join(" ") + array, is_computed: behind.iter().any(|token| token.is("using")) })
}

/// What is left of a statement.
struct Rest<'a>(&'a [Token]);

impl Rest<'_> {
    fn next(&mut self) -> Token {
        let (first, rest) = match self.0.split_first() {
            Some((first, rest)) => (first.clone(), rest),
            None => (Token::Mark(';'), self.0),
        };
        self.0 = rest;
        first
    }

    fn skip(&mut self, words: &[&str]) {
        while self.0.first().is_some_and(|token| words.iter().any(|word| token.is(word))) {
            self.next();
        }
    }

    /// The kind of thing: `UNIQUE INDEX`, `OR REPLACE FUNCTION`, `MATERIALIZED VIEW`.
    fn object(&mut self) -> Object {
        for _ in 0..5 {
            match Object::of(&self.next()) {
                Object::Other => {}
                object => return object,
            }
        }
        Object::Other
    }

    /// A name with its schema, which is left out.
    fn name(&mut self) -> String {
        let mut name = match self.0.first() {
            Some(Token::Word(_) | Token::Quoted(_) | Token::Hole(_)) => self.next().into_text(),
            _ => return String::new(),
        };
        while self.0.first() == Some(&Token::Mark('.')) {
            self.next();
            name = self.next().into_text();
        }
        // `ix_{table}_a`: a hole and what stands at it are one name.
        while let Some(Token::Glued(part)) = self.0.first() {
            name.push_str(part);
            self.next();
        }
        name
    }

    /// A name with its schema, without moving on.
    fn full_name(&self) -> String {
        let mut rest = Rest(self.0);
        let shown = |name: String| if name.contains('.') { ident(&name) } else { name };
        let schema = match self.0 {
            [_, Token::Mark('.'), ..] => {
                rest = Rest(&self.0[2..]);
                shown(self.0[0].clone().into_text()) + "."
            }
            _ => String::new(),
        };
        schema + &shown(rest.name())
    }

    /// What stands behind a word; nothing where the word does not stand there.
    fn behind(&self, word: &str) -> &[Token] {
        let at = self.0.iter().position(|token| token.is(word));
        at.map_or(&[], |at| &self.0[at + 1..])
    }

    /// The name behind a word.
    fn after(&mut self, word: &str) -> Option<String> {
        let at = self.0.iter().position(|token| token.is(word))?;
        let mut rest = Rest(&self.0[at + 1..]);
        rest.skip(&["only"]);
        Some(rest.name())
    }

    /// Skips the arguments of a function, if there are any, then a mark; whether the mark was there.
    fn skip_arguments_and(&mut self, mark: char) -> bool {
        if self.0.first() == Some(&Token::Mark('(')) {
            while !matches!(self.next(), Token::Mark(')' | ';')) {}
        }
        let is_there = self.0.first() == Some(&Token::Mark(mark));
        if is_there {
            self.next();
        }
        is_there
    }
}

#[cfg(test)]
mod tests;
