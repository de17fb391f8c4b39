//! Checks that it is the right database: one that takes writes, on this machine or on the one that was named. Where
//! something is taken away and the database is protected or looks like production, its name has to be typed.

use anyhow::Result;

use super::{OwnDatabase, Refusal};
use crate::ctx::Ctx;
use crate::fail::{Fail, Kind};
use crate::model::action::{Action, Own, own};
use crate::model::forward::{self, Way};
use crate::model::url::{Address, Endpoint};
use crate::sys::listener;

/// How a command lets a database on another machine pass.
pub struct Remote<'r> {
    /// The command that does so by `--allow-remote`.
    pub command: Own,
    /// The value of that flag where it was given; empty: whichever machine it is.
    pub allowed: Option<&'r str>,
}

/// A database that is not on this machine.
struct Elsewhere {
    /// What says so.
    why: String,
    /// Each server that has to be named, by its names; the first is the one to print.
    servers: Vec<Vec<String>>,
}

impl OwnDatabase<'_> {
    /// Refuses a server that takes no writes, and a database on another machine that was not named.
    ///
    /// # Errors
    /// `read-only-server`, `remote-database`.
    pub fn require_right(&mut self, ctx: &Ctx, refusal: Refusal, remote: Option<Remote<'_>>) -> Result<()> {
        self.require_writable()?;
        let Some(elsewhere) = self.elsewhere(ctx) else { return Ok(()) };
        let allowed = remote.as_ref().and_then(|it| it.allowed);
        if allowed.is_some_and(|hosts| elsewhere.is_named(hosts)) {
            return Ok(());
        }
        let fail = Fail::new(Kind::RemoteDatabase, "The database is not on this machine");
        let mut fail = fail.details(self.place()).details(&elsewhere.why).details(refusal.why);
        if let Some(hosts) = allowed {
            fail = fail.details(format!("--allow-remote names {hosts}, which is another one"));
        }
        let fail = refusal.instead.into_iter().fold(fail, Fail::action);
        let names: Vec<&str> = elsewhere.servers.iter().filter_map(|names| names.first()).map(String::as_str).collect();
        let allow = remote.map(|it| Action::run("If it is meant", it.command.flag("--allow-remote", names.join(","))));
        Err(allow.into_iter().fold(fail, Fail::action).related(own("db-status")).refused().into())
    }

    /// Claims the database for downgrades: it has to be the right one, it is locked, nobody else may be connected, and
    /// the user has to mean it. `elsewhere` is the refusal of a database on another machine (`remote` lets one pass),
    /// `others` the refusal where somebody is connected.
    ///
    /// # Errors
    /// `read-only-server`, `remote-database`, `already-running`, `active-connections`, `wrong-database`.
    pub fn claim(&mut self, ctx: &Ctx, elsewhere: Refusal, remote: Option<Remote<'_>>, others: Refusal) -> Result<()> {
        self.require_right(ctx, elsewhere, remote)?;
        self.lock(ctx, None)?;
        self.require_alone(ctx, others)?;
        self.require_meant(ctx)
    }

    /// That the server takes writes.
    ///
    /// # Errors
    /// `read-only-server`.
    pub fn require_writable(&self) -> Result<()> {
        let here = self.db.here();
        if !here.is_standby && !here.is_read_only {
            return Ok(());
        }
        let fail = Fail::new(Kind::ReadOnlyServer, "The server takes no writes").details(self.place());
        let fail = if here.is_standby {
            let fail = fail.details(format!("{} is a standby: it only follows its primary", self.db.endpoint()));
            fail.action(format!("Name the primary ({}, or once with --url)", self.db.url().written_in())).action(
                "With several hosts in the URL: add target_session_attrs=read-write, which passes a standby over",
            )
        } else {
            let ask = "select coalesce(d.datname, 'all databases'), coalesce(r.rolname, 'all roles'), setconfig from \
                       pg_db_role_setting s left join pg_database d on d.oid = setdatabase left join pg_roles r on \
                       r.oid = setrole";
            fail.details("default_transaction_read_only is on for the server, the database, the role or the connection")
                .run("See where it is set", self.db.psql().words(["-c", ask]))
                .action("Take it away there, or connect as a role that may write")
        };
        Err(fail.related(own("db-status")).refused().into())
    }

    fn elsewhere(&self, ctx: &Ctx) -> Option<Elsewhere> {
        let far: Vec<&Endpoint> =
            self.db.url().target().endpoints.iter().filter(|endpoint| !endpoint.is_local()).collect();
        if !far.is_empty() {
            let hosts: Vec<String> = far.iter().map(|endpoint| endpoint.to_string()).collect();
            let why = format!("{} is another machine", hosts.join(", "));
            return Some(Elsewhere { why, servers: far.into_iter().map(names).collect() });
        }
        if self.database.embedded {
            return None;
        }
        let endpoint = self.db.endpoint();
        let port = matches!(endpoint.address, Address::Host(_)).then_some(endpoint.port);
        let server = self.db.here().address;
        let why = forward::elsewhere(&Way { port, listeners: &listener::at(&ctx.ui, endpoint), server })?;
        let there = server.map(|(address, _)| address.to_string());
        let names = names(endpoint).into_iter().rev().chain(there).collect();
        Some(Elsewhere { why: format!("{endpoint} is a forward to another machine: {why}"), servers: vec![names] })
    }

    /// Before anything goes down: where the settings protect the database, or its name looks like production, its name has to
    /// be typed. `--yes` is no answer to that.
    ///
    /// # Errors
    /// `wrong-database`.
    pub fn require_meant(&self, ctx: &Ctx) -> Result<()> {
        let Some(why) = self.needs_its_name() else { return Ok(()) };
        let name = self.db.database();
        let question = format!("{}: {why}. To go on, type the name of the database: ", self.place());
        match ctx.ui.ask(&question) {
            Some(answer) if answer == name => Ok(()),
            answer => {
                let typed = if answer.is_some() { "was not typed" } else { "can only be typed at a terminal" };
                Err(Fail::new(Kind::WrongDatabase, format!("The name of the database {typed}, and something would go"))
                    .details(format!("{}: {why}", self.place()))
                    .action(format!("If {name} is meant: run the command at a terminal and type its name"))
                    .action(format!(
                        "If it is no such database: `protected = false` in \
                         [workspace.metadata.db.components.{}] of Cargo.toml",
                        self.component.name
                    ))
                    .related(own("db-status"))
                    .refused()
                    .into())
            }
        }
    }

    fn needs_its_name(&self) -> Option<String> {
        let looks =
            |name: &str| forward::looks_like_production(name).then(|| format!("`{name}` looks like production"));
        match self.component.protected {
            Some(protected) => protected.then(|| "it is protected (Cargo.toml)".to_owned()),
            None if self.database.embedded => None,
            None => looks(self.db.database()).or_else(|| match &self.db.endpoint().address {
                Address::Host(host) => looks(host),
                Address::Socket(_) => None,
            }),
        }
    }
}

/// As a host alone, and with its port.
fn names(endpoint: &Endpoint) -> Vec<String> {
    vec![endpoint.address.to_string(), endpoint.to_string()]
}

impl Elsewhere {
    fn is_named(&self, hosts: &str) -> bool {
        let given: Vec<&str> = hosts.split(',').map(str::trim).collect();
        hosts.is_empty() || self.servers.iter().all(|names| names.iter().any(|name| given.contains(&name.as_str())))
    }
}
