//! Finds who else uses the database: sessions, including a pooler's idle ones, prepared transactions, replication
//! slots. A downgrade is refused while there is anybody; before an upgrade, sessions that hold locks are named.

use std::time::{Duration, Instant};

use anyhow::Result;

use super::{OwnDatabase, Refusal};
use crate::ctx::Ctx;
use crate::fail::{Fail, Kind, from_anyhow};
use crate::model::action::{Action, own};
use crate::sys::alembic::Driver;
use crate::sys::interrupt;
use crate::sys::listener;
use crate::sys::pg::{MigrationLock, OtherSession, Prepared, application_name, literal};
use crate::work::driver;

/// How many other sessions are listed before they are only counted.
const LISTED: usize = 5;
/// How often somebody who waits for another migration asks.
const ASKING: Duration = Duration::from_millis(250);
/// Connection poolers, by the names of their processes.
const POOLERS: [&str; 5] = ["pgbouncer", "odyssey", "pgcat", "pgpool", "supavisor"];

impl OwnDatabase<'_> {
    /// Keeps other migrations out, as long as this lives; waits so long for one that is running.
    ///
    /// # Errors
    /// `already-running`.
    pub fn lock(&mut self, ctx: &Ctx, wait: Option<Duration>) -> Result<()> {
        let until = wait.map(|wait| Instant::now() + wait);
        let mut told = false;
        loop {
            match MigrationLock::take(&self.database.url, self.command) {
                Ok(lock) => {
                    self.lock = Some(lock);
                    return Ok(());
                }
                Err(error) => {
                    let fail = from_anyhow(&error);
                    if fail.kind != Kind::AlreadyRunning || until.is_none_or(|until| Instant::now() >= until) {
                        return Err(error);
                    }
                    if !std::mem::replace(&mut told, true) {
                        ctx.ui.status(format!("Waiting: {}", fail.details));
                    }
                }
            }
            std::thread::sleep(ASKING);
            interrupt::check()?;
        }
    }

    /// Refuses where anybody else is connected, or a prepared transaction lies in the database.
    ///
    /// # Errors
    /// `active-connections`, with who it is.
    pub fn require_alone(&mut self, ctx: &Ctx, refusal: Refusal) -> Result<()> {
        let others = self.others()?;
        let prepared = self.db.prepared()?;
        if others.is_empty() && prepared.is_empty() {
            return Ok(());
        }
        let summary = if others.is_empty() {
            "A prepared transaction is open in the database"
        } else {
            "Other sessions are connected to the database"
        };
        let fail = Fail::new(Kind::ActiveConnections, summary).details(refusal.why).related(own("db-status"));
        let poolers: Vec<Option<String>> = others.iter().map(|session| pooler(ctx, session)).collect();
        let lines = others.iter().zip(&poolers).map(|(session, pooler)| line(session, pooler.as_deref()));
        let lines: Vec<String> = lines.chain(prepared.iter().map(Prepared::to_string)).collect();
        let mut fail = lines.iter().take(LISTED).fold(fail, Fail::details);
        if lines.len() > LISTED {
            fail = fail.details(format!("… and {} more", lines.len() - LISTED));
        }
        let fail = self.how_to_be_alone(fail, &others, &poolers, &prepared);
        Err(refusal.instead.into_iter().fold(fail, Fail::action).refused().into())
    }

    fn how_to_be_alone(
        &self,
        mut fail: Fail,
        others: &[OtherSession],
        poolers: &[Option<String>],
        prepared: &[Prepared],
    ) -> Fail {
        if others.len() > poolers.iter().flatten().count() {
            let services = &self.component.services;
            let stop = if services.is_empty() { String::new() } else { format!(": {}", services.join(", ")) };
            fail = fail.action(format!("Stop the services that use it{stop}"));
        }
        if let Some(pooler) = poolers.iter().flatten().next() {
            let name = self.db.database();
            fail = fail.action(format!(
                "Empty the pool: on the admin console of {pooler}, PAUSE {name}; afterwards, RESUME {name}"
            ));
        }
        match prepared.first() {
            None => fail,
            Some(first) => {
                let end = format!("rollback prepared {}", literal(&first.gid));
                let why = "End the prepared transaction (commit prepared keeps what it did)";
                fail.action(Action::run(why, self.db.psql().words(["-c".to_owned(), end])))
            }
        }
    }

    /// Says, before a walk that does not ask to be alone, who holds locks that it may have to wait for, and what else reads
    /// the database.
    ///
    /// # Errors
    /// When the connection is lost.
    pub fn warn_of_others(&mut self, ctx: &Ctx) -> Result<()> {
        let (pids, name) = self.ours();
        let holders = self.db.lock_holders(&pids, &name)?;
        for (session, tables) in holders.iter().take(LISTED) {
            let who = line(session, pooler(ctx, session).as_deref());
            ctx.ui.warn(format!("Locks are held on {tables}, and a revision may have to wait for them: {who}"));
        }
        for prepared in &self.db.prepared()? {
            ctx.ui.warn(format!("{prepared}; it keeps its locks until it is committed or rolled back"));
        }
        for slot in self.db.replication_slots()? {
            ctx.ui.warn(format!("{slot} reads this database: changes of tables are not in what it passes on"));
        }
        Ok(())
    }

    /// Who holds locks beside us and the driver: `users, by process 4711, …`. What cannot be asked is left out.
    pub fn lock_holders(&mut self, driver: &Driver) -> Vec<String> {
        let (mut pids, name) = self.ours();
        pids.extend(driver.backends());
        let holders = self.db.lock_holders(&pids, &name).unwrap_or_default();
        let lines = holders.iter().map(|(session, tables)| format!("{tables} by {}", driver::session_line(session)));
        let prepared = self.db.prepared().unwrap_or_default();
        lines.chain(prepared.iter().map(|it| format!("what it has touched by {it}"))).take(LISTED).collect()
    }

    fn others(&mut self) -> Result<Vec<OtherSession>> {
        let (pids, name) = self.ours();
        self.db.other_sessions(&pids, &[&name])
    }

    /// Our own sessions: the lock's, and whatever has our name.
    fn ours(&self) -> (Vec<i32>, String) {
        (self.lock.iter().map(MigrationLock::backend_pid).collect(), application_name(self.command))
    }
}

fn line(session: &OtherSession, pooler: Option<&str>) -> String {
    let line = driver::session_line(session);
    match pooler {
        Some(pooler) => format!("{line} (an idle server session of {pooler})"),
        None => line,
    }
}

/// The pooler whose idle server session this is: by the process of this machine that holds its other end, or by the last
/// statement, with which PgBouncer gives sessions back.
fn pooler(ctx: &Ctx, session: &OtherSession) -> Option<String> {
    if session.state.as_deref() != Some("idle") {
        return None;
    }
    let port = session.client_port.filter(|_| session.is_of_this_machine());
    let holders = port.map(|port| listener::connected_from(&ctx.ui, port)).unwrap_or_default();
    let found = holders.into_iter().find(|it| POOLERS.iter().any(|pooler| it.name.starts_with(pooler)));
    let gave_back = || session.statement.as_deref().is_some_and(|it| it.trim().eq_ignore_ascii_case("discard all"));
    found
        .map(|it| format!("{} (process {})", it.name, it.pid))
        .or_else(|| gave_back().then(|| "PgBouncer, as it seems".to_owned()))
}
