//! Goes through a function's statements in their order, and into the helpers that it calls.

use ruff_python_ast::visitor::{Visitor, walk_expr, walk_stmt};
use ruff_python_ast::{Expr, ExprCall, Stmt, StmtFunctionDef, StmtIf, StmtWith};
use ruff_text_size::Ranged;

use super::dialect::on_postgres;
use super::operation::Operation;
use super::scope::Scope;
use super::value::{Text, Value};
use super::{Found, Import, Lines};

/// No script that was written by hand has more calls than this.
const MOST_CALLS: usize = 5_000;
/// How many helpers deep.
const DEEPEST: usize = 8;
/// What executes SQL, and at which position it takes it.
const EXECUTES: &[&str] = &["execute", "exec_driver_sql", "scalar", "scalars"];

pub(super) struct Walk<'a, 'b> {
    module: &'b Scope<'a>,
    scope: Scope<'a>,
    lines: &'b Lines,
    pub(super) found: Vec<Found>,
    pub(super) is_cut: bool,
    pub(super) is_partly_foreign: bool,
    /// Whether the function has ended: a `return` stands above, and not under a condition.
    is_over: bool,
    inside: Vec<&'a str>,
    loops: usize,
    conditions: usize,
    autocommits: usize,
    /// `with ….execution_options(isolation_level="AUTOCOMMIT") as own`: the names.
    own_connections: Vec<&'a str>,
    /// `with op.batch_alter_table("t") as batch_op`: the name and the table.
    batches: Vec<(&'a str, Option<Text>)>,
}

impl<'a, 'b> Walk<'a, 'b> {
    pub(super) fn new(module: &'b Scope<'a>, lines: &'b Lines) -> Walk<'a, 'b> {
        Walk {
            module,
            scope: module.clone(),
            lines,
            found: Vec::new(),
            is_cut: false,
            is_partly_foreign: false,
            is_over: false,
            inside: Vec::new(),
            loops: 0,
            conditions: 0,
            autocommits: 0,
            own_connections: Vec::new(),
            batches: Vec::new(),
        }
    }

    pub(super) fn function(&mut self, function: &'a StmtFunctionDef) {
        self.inside.push(function.name.as_str());
        self.statements(&function.body);
        self.inside.pop();
    }

    pub(super) fn statements(&mut self, body: &'a [Stmt]) {
        let outer = std::mem::replace(&mut self.is_over, false);
        body.iter().for_each(|stmt| self.visit_stmt(stmt));
        self.is_over = outer;
    }

    /// A helper of the file, with its parameters bound as far as they are given by position or by name.
    fn helper(&mut self, function: &'a StmtFunctionDef, call: &super::Call) {
        if self.inside.contains(&function.name.as_str()) || self.inside.len() > DEEPEST {
            self.is_cut = true;
            return;
        }
        // What is defined in a function sees what that function knows.
        let is_of_module = self.module.functions.contains_key(function.name.as_str());
        let mut scope = if is_of_module { self.module.clone() } else { self.scope.clone() };
        scope.bind_parameters(function, call);
        let outer = std::mem::replace(&mut self.scope, scope);
        self.function(function);
        self.scope = outer;
    }

    fn call(&mut self, expr: &'a ExprCall) {
        if self.found.len() >= MOST_CALLS {
            self.is_cut = true;
            return;
        }
        let call = self.scope.call(expr);
        if let Some(&function) = self.scope.functions.get(call.name.as_str()) {
            return self.helper(function, &call);
        }
        // `connection.run_sync(do_run_migrations)` calls what it is given.
        if call.last() == "run_sync"
            && let Some(Value::Name(name)) = call.args.first()
            && let Some(&function) = self.scope.functions.get(name.as_str())
        {
            return self.helper(function, &super::Call { args: Vec::new(), is_open: true, ..call });
        }
        let batch = call.name.split_once('.').and_then(|(front, _)| {
            self.batches.iter().rev().find(|(name, _)| *name == front).map(|(_, table)| table.clone())
        });
        let front = call.name.split_once('.').map(|(front, _)| front);
        let is_operation = front.is_some_and(|front| self.scope.operations.contains(front));
        let operation = match batch {
            Some(table) => Operation::in_batch(&call, table),
            None if is_operation => Operation::of(&call),
            None => None,
        };
        // Also where a helper gets it as a parameter.
        let receiver = match &call.receiver {
            Some(Value::Name(name)) => name.split('.').next(),
            _ => None,
        };
        let is_own = |name: &str| self.own_connections.contains(&name);
        let on_own_connection = front.is_some_and(is_own) || receiver.is_some_and(is_own);
        let sql = EXECUTES.contains(&call.last()).then(|| call.arg(0, "sqltext").and_then(Value::text).cloned());
        self.found.push(Found {
            line: self.lines.of(expr.start().to_usize()),
            range: expr.start().to_usize()..expr.end().to_usize(),
            in_loop: self.loops > 0,
            is_conditional: self.conditions > 0,
            in_autocommit: self.autocommits > 0,
            on_own_connection,
            operation,
            sql: sql.flatten(),
            call,
        });
    }

    /// The branches that PostgreSQL may take. One that it takes in any case stands under no condition.
    fn branches(&mut self, stmt: &'a StmtIf) {
        let first = (Some(&*stmt.test), &stmt.body);
        let others = stmt.elif_else_clauses.iter().map(|clause| (clause.test.as_ref(), &clause.body));
        let mut is_open = false;
        for (test, body) in std::iter::once(first).chain(others) {
            let truth = match test {
                Some(test) => {
                    self.conditions += 1;
                    self.visit_expr(test);
                    self.conditions -= 1;
                    on_postgres(&self.scope.evaluate(test))
                }
                None => Some(true),
            };
            if truth == Some(false) {
                self.is_partly_foreign = true;
                continue;
            }
            let is_sure = truth == Some(true) && !is_open;
            self.conditions += usize::from(!is_sure);
            body.iter().for_each(|stmt| self.visit_stmt(stmt));
            self.conditions -= usize::from(!is_sure);
            if is_sure {
                return;
            }
            is_open = true;
        }
    }

    fn with(&mut self, with: &'a StmtWith) {
        let mut autocommits = 0;
        let batches = self.batches.len();
        let own_connections = self.own_connections.len();
        for item in &with.items {
            self.visit_expr(&item.context_expr);
            let Expr::Call(call) = &item.context_expr else { continue };
            let call = self.scope.call(call);
            match call.last() {
                "autocommit_block" => autocommits += 1,
                // A connection of its own, in no transaction.
                _ if call.get("isolation_level").and_then(Value::str) == Some("AUTOCOMMIT") => {
                    if let Some(Expr::Name(name)) = item.optional_vars.as_deref() {
                        self.own_connections.push(name.id.as_str());
                    }
                }
                "batch_alter_table" => {
                    if let Some(Expr::Name(name)) = item.optional_vars.as_deref() {
                        let table = call.arg(0, "table_name").and_then(Value::text).cloned();
                        self.batches.push((name.id.as_str(), table));
                    }
                }
                _ => {}
            }
        }
        self.autocommits += autocommits;
        with.body.iter().for_each(|stmt| self.visit_stmt(stmt));
        self.autocommits -= autocommits;
        self.batches.truncate(batches);
        self.own_connections.truncate(own_connections);
    }
}

impl<'a> Visitor<'a> for Walk<'a, '_> {
    fn visit_stmt(&mut self, stmt: &'a Stmt) {
        if self.is_over {
            return;
        }
        match stmt {
            Stmt::With(with) => return self.with(with),
            Stmt::If(branches) => return self.branches(branches),
            // What is only defined does not happen.
            Stmt::FunctionDef(function) => {
                self.scope.functions.insert(function.name.as_str(), function);
                return;
            }
            Stmt::ClassDef(_) => return,
            _ => {}
        }
        let is_loop = matches!(stmt, Stmt::For(_) | Stmt::While(_));
        let is_condition = matches!(stmt, Stmt::Try(_) | Stmt::Match(_));
        self.loops += usize::from(is_loop);
        self.conditions += usize::from(is_condition);
        if is_loop {
            self.scope.assign(stmt);
        }
        walk_stmt(self, stmt);
        if !is_loop {
            self.scope.assign(stmt);
        }
        self.loops -= usize::from(is_loop);
        self.conditions -= usize::from(is_condition);
        self.is_over |= matches!(stmt, Stmt::Return(_) | Stmt::Raise(_)) && self.conditions == 0 && self.loops == 0;
    }

    fn visit_expr(&mut self, expr: &'a Expr) {
        let is_loop = matches!(expr, Expr::ListComp(_) | Expr::SetComp(_) | Expr::DictComp(_) | Expr::Generator(_));
        self.loops += usize::from(is_loop);
        if let Expr::Call(call) = expr {
            self.call(call);
        }
        walk_expr(self, expr);
        self.loops -= usize::from(is_loop);
    }
}

/// Finds imports at any depth.
pub(super) struct Imports<'b> {
    pub(super) lines: &'b Lines,
    pub(super) found: Vec<Import>,
}

impl<'a> Visitor<'a> for Imports<'_> {
    fn visit_stmt(&mut self, stmt: &'a Stmt) {
        let line = self.lines.of(stmt.start().to_usize());
        match stmt {
            Stmt::Import(import) => {
                let modules = import.names.iter().map(|alias| alias.name.to_string());
                self.found.extend(modules.map(|module| Import { module, names: Vec::new(), line }));
            }
            Stmt::ImportFrom(import) => {
                let dots = ".".repeat(import.level as usize);
                let module = import.module.as_ref().map_or("", |name| name.as_str());
                let names = import.names.iter().map(|alias| alias.name.to_string()).collect();
                self.found.push(Import { module: format!("{dots}{module}"), names, line });
            }
            _ => walk_stmt(self, stmt),
        }
    }

    // Imports are statements; no expression holds one.
    fn visit_expr(&mut self, _: &'a Expr) {}
}
