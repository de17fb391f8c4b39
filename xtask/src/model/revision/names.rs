//! What the names at the top level of a script are bound to when it has been executed, as far as that can be said
//! without executing it: the last plain assignment counts, anything else makes the name opaque.

use std::collections::HashMap;
use std::ops::Range;

use ruff_python_ast::visitor::{self, Visitor};
use ruff_python_ast::{Alias, Comprehension, ExceptHandler, Expr, ExprContext, Pattern, Stmt};
use ruff_text_size::Ranged;

/// A value that stands in the file.
#[derive(Clone, Debug)]
pub(super) enum Value {
    Str(String),
    None,
    /// A tuple, list or set of strings and `None`.
    Seq(Vec<Option<String>>),
    /// Not to be read off the text: why, as the rest of a sentence that begins with the name.
    Opaque(String),
}

/// A value and where it stands.
#[derive(Clone, Debug)]
pub(super) struct Binding {
    pub(super) value: Value,
    pub(super) range: Range<usize>,
}

/// The names of a script.
pub(super) struct Names<'a>(HashMap<&'a str, Binding>);

impl<'a> Names<'a> {
    /// Goes through the statements in order.
    pub(super) fn collect(body: &'a [Stmt]) -> Names<'a> {
        let mut names = Names(HashMap::new());
        for stmt in body {
            names.execute(stmt);
        }
        names
    }

    /// What a name is bound to in the end.
    pub(super) fn get(&self, name: &str) -> Option<&Binding> {
        self.0.get(name)
    }

    fn execute(&mut self, stmt: &'a Stmt) {
        match stmt {
            Stmt::Assign(assign) => {
                // Python evaluates all of the right side before it binds anything.
                let mut bound = Vec::new();
                assign.targets.iter().for_each(|target| self.pair(target, &assign.value, &mut bound));
                self.bind_opaquely(stmt, "is not assigned on its own");
                self.0.extend(bound);
            }
            Stmt::AnnAssign(assign) => {
                let Some(expr) = &assign.value else { return };
                let mut bound = Vec::new();
                self.pair(&assign.target, expr, &mut bound);
                self.bind_opaquely(stmt, "is not assigned on its own");
                self.0.extend(bound);
            }
            Stmt::FunctionDef(_) | Stmt::ClassDef(_) => self.bind_opaquely(stmt, "is a function or a class"),
            Stmt::Import(_) | Stmt::ImportFrom(_) => self.bind_opaquely(stmt, "is imported"),
            Stmt::AugAssign(_) => self.bind_opaquely(stmt, "is changed by an augmented assignment"),
            Stmt::Delete(_) => self.bind_opaquely(stmt, "is deleted"),
            Stmt::If(_) => self.bind_opaquely(stmt, "is assigned inside an `if`"),
            Stmt::Try(_) => self.bind_opaquely(stmt, "is assigned inside a `try`"),
            Stmt::With(_) => self.bind_opaquely(stmt, "is assigned by or inside a `with`"),
            Stmt::For(_) | Stmt::While(_) => self.bind_opaquely(stmt, "is assigned by or inside a loop"),
            Stmt::Match(_) => self.bind_opaquely(stmt, "is assigned by or inside a `match`"),
            _ => self.bind_opaquely(stmt, "is assigned inside another expression"),
        }
    }

    /// The names that `target = expr` binds. `revision, down_revision = "a", None` binds each name to its own value; a
    /// sequence that does not stand there item by item binds nothing that can be read.
    fn pair(&self, target: &'a Expr, expr: &Expr, bound: &mut Vec<(&'a str, Binding)>) {
        if let Expr::Name(name) = target {
            let binding = Binding { value: self.evaluate(expr), range: expr.range().to_std_range() };
            bound.push((name.id.as_str(), binding));
            return;
        }
        let (Some(targets), Some(values)) = (items(target), items(expr)) else { return };
        let is_starred = targets.iter().chain(values).any(Expr::is_starred_expr);
        if targets.len() != values.len() || is_starred {
            return;
        }
        for (target, value) in targets.iter().zip(values) {
            // Brackets in brackets would be a way to the end of our stack, and nobody writes them here.
            if target.is_name_expr() {
                self.pair(target, value, bound);
            }
        }
    }

    fn bind_opaquely(&mut self, stmt: &'a Stmt, why: &str) {
        let mut bound = Bound(Vec::new());
        bound.visit_stmt(stmt);
        for (name, range) in bound.0 {
            self.0.insert(name, Binding { value: Value::Opaque(why.to_owned()), range });
        }
    }

    fn evaluate(&self, expr: &Expr) -> Value {
        let items = match expr {
            Expr::StringLiteral(literal) => return Value::Str(literal.value.to_str().to_owned()),
            Expr::NoneLiteral(_) => return Value::None,
            Expr::Name(name) => return self.follow(name.id.as_str()),
            Expr::Tuple(tuple) => &tuple.elts,
            Expr::List(list) => &list.elts,
            Expr::Set(set) => &set.elts,
            _ => return Value::Opaque(format!("is {}, not a literal", kind_of(expr))),
        };
        let mut values = Vec::with_capacity(items.len());
        for item in items {
            match item {
                // Looked at here and not by `evaluate`: brackets in brackets would be a way to the end of our stack.
                Expr::Tuple(_) | Expr::List(_) | Expr::Set(_) => {
                    return Value::Opaque("holds a sequence inside a sequence".to_owned());
                }
                item => match self.evaluate(item) {
                    Value::Str(text) => values.push(Some(text)),
                    Value::None => values.push(None),
                    Value::Seq(_) => return Value::Opaque("holds a sequence inside a sequence".to_owned()),
                    Value::Opaque(why) => return Value::Opaque(format!("has an element that {why}")),
                },
            }
        }
        Value::Seq(values)
    }

    fn follow(&self, name: &str) -> Value {
        match self.0.get(name).map(|binding| &binding.value) {
            Some(Value::Opaque(why)) => Value::Opaque(format!("is the name `{name}`, which {why}")),
            Some(value) => value.clone(),
            None => Value::Opaque(format!("is the name `{name}`, which this file does not set before")),
        }
    }
}

/// The items of a tuple or a list.
fn items(expr: &Expr) -> Option<&[Expr]> {
    match expr {
        Expr::Tuple(tuple) => Some(&tuple.elts),
        Expr::List(list) => Some(&list.elts),
        _ => None,
    }
}

fn kind_of(expr: &Expr) -> &'static str {
    match expr {
        Expr::Call(_) => "a call",
        Expr::FString(_) | Expr::TString(_) => "an f-string",
        Expr::BytesLiteral(_) => "a bytes literal",
        Expr::NumberLiteral(_) | Expr::BooleanLiteral(_) => "a number or a truth value",
        Expr::If(_) => "a conditional expression",
        Expr::Attribute(_) => "an attribute of something",
        Expr::Starred(_) => "an unpacked sequence",
        Expr::Dict(_) => "a dict",
        _ => "an expression",
    }
}

/// Every name that a statement binds in the module's own scope.
struct Bound<'a>(Vec<(&'a str, Range<usize>)>);

impl<'a> Bound<'a> {
    fn add(&mut self, name: &'a str, at: &impl Ranged) {
        self.0.push((name, at.range().to_std_range()));
    }
}

impl<'a> Visitor<'a> for Bound<'a> {
    fn visit_stmt(&mut self, stmt: &'a Stmt) {
        match stmt {
            // Their bodies are scopes of their own.
            Stmt::FunctionDef(def) => self.add(def.name.as_str(), &def.name),
            Stmt::ClassDef(def) => self.add(def.name.as_str(), &def.name),
            _ => visitor::walk_stmt(self, stmt),
        }
    }

    fn visit_expr(&mut self, expr: &'a Expr) {
        match expr {
            Expr::Lambda(_) => {}
            Expr::Name(name) if !matches!(name.ctx, ExprContext::Load) => self.add(name.id.as_str(), name),
            _ => visitor::walk_expr(self, expr),
        }
    }

    fn visit_comprehension(&mut self, comprehension: &'a Comprehension) {
        // The target belongs to the comprehension.
        self.visit_expr(&comprehension.iter);
        for condition in &comprehension.ifs {
            self.visit_expr(condition);
        }
    }

    fn visit_alias(&mut self, alias: &'a Alias) {
        let name = alias.asname.as_ref().unwrap_or(&alias.name);
        self.add(name.split('.').next().unwrap_or(name), name);
    }

    fn visit_except_handler(&mut self, handler: &'a ExceptHandler) {
        let ExceptHandler::ExceptHandler(inner) = handler;
        if let Some(name) = &inner.name {
            self.add(name.as_str(), name);
        }
        visitor::walk_except_handler(self, handler);
    }

    fn visit_pattern(&mut self, pattern: &'a Pattern) {
        let name = match pattern {
            Pattern::MatchAs(inner) => inner.name.as_ref(),
            Pattern::MatchStar(inner) => inner.name.as_ref(),
            Pattern::MatchMapping(inner) => inner.rest.as_ref(),
            _ => None,
        };
        if let Some(name) = name {
            self.add(name.as_str(), name);
        }
        visitor::walk_pattern(self, pattern);
    }
}
