//! Looks at the components' own databases before and after scripts run on a throwaway one. Not everything that a script
//! may do can be prevented, so a change there is reported; who made it is not known, and nobody is accused.

use std::time::SystemTime;

use anyhow::Result;

use crate::ctx::Ctx;
use crate::fail::{Kind, from_anyhow};
use crate::model::imprint::Imprint;
use crate::model::url::DbUrl;
use crate::sys::alembic_ini::AlembicConfig;
use crate::sys::pg::{Busy, Db, application_name};

/// How many changes are named.
const NAMED: usize = 3;

/// The databases as they were at the beginning.
pub struct Bystanders {
    command: String,
    seen: Vec<Seen>,
}

struct Seen {
    url: DbUrl,
    at: SystemTime,
    imprint: Imprint,
    others: Vec<Busy>,
}

/// What has changed in one of them.
pub struct Touched {
    database: String,
    changes: Vec<String>,
    /// Sessions of others that were at work there meanwhile, or may have been.
    others: Vec<String>,
}

impl Bystanders {
    /// Looks at what can be reached. With the embedded server a database on another machine is not: nobody has asked for
    /// that, and the scripts have no network there where the kernel can take it away.
    pub fn look(ctx: &Ctx, config: &AlembicConfig, embedded: bool, command: &str) -> Bystanders {
        let urls = ctx.own_databases(config);
        let near = urls.into_iter().filter(|url| !embedded || url.is_local());
        Bystanders { seen: near.filter_map(|url| Seen::now(url, command).ok()).collect(), command: command.to_owned() }
    }

    /// The other ones, where this one is worked on itself.
    pub fn beside(self, worked_on: &DbUrl) -> Bystanders {
        let is_it = |seen: &Seen| {
            let (it, other) = (worked_on.target(), seen.url.target());
            it.database == other.database && it.endpoints == other.endpoints
        };
        Bystanders { seen: self.seen.into_iter().filter(|seen| !is_it(seen)).collect(), ..self }
    }

    /// Says what has changed since: for commands that try something on a copy and give no verdict.
    pub fn warn(&self, ctx: &Ctx) {
        self.touched().iter().for_each(|it| ctx.ui.warn(it.words()));
    }

    /// What has changed since.
    pub fn touched(&self) -> Vec<Touched> {
        let one = |seen: &Seen| seen.touched(&self.command).unwrap_or_else(|error| seen.gone(&error));
        self.seen.iter().filter_map(one).collect()
    }
}

impl Seen {
    fn now(url: DbUrl, command: &str) -> Result<Seen> {
        let mut db = Db::connect(&url, &application_name(command))?;
        // Whoever comes after this and writes is seen at the end.
        let (at, others, imprint) = db.imprint()?;
        Ok(Seen { at, imprint, others, url })
    }

    fn touched(&self, command: &str) -> Result<Option<Touched>> {
        let mut db = Db::connect(&self.url, &application_name(command))?;
        let changes = db.imprint_after(self.at)?.since(&self.imprint);
        if changes.is_empty() {
            return Ok(None);
        }
        let there: Vec<i32> = db.busy(None)?.1.iter().map(|busy| busy.pid).collect();
        let left = self.others.iter().filter(|busy| !there.contains(&busy.pid)).cloned();
        let others = db.busy(Some(self.at))?.1.into_iter().chain(left).map(|busy| busy.words).collect();
        Ok(Some(Touched { database: self.url.target().database.clone(), changes, others }))
    }

    /// What can no longer be asked was not found unchanged: dropped, renamed, closed to us.
    fn gone(&self, error: &anyhow::Error) -> Option<Touched> {
        let fail = from_anyhow(error);
        let changes = vec![format!("it cannot be looked at any more ({})", fail.summary)];
        let database = self.url.target().database.clone();
        (fail.kind != Kind::Interrupted).then(|| Touched { database, changes, others: Vec::new() })
    }
}

impl Touched {
    /// Whether somebody else was there who may have done it.
    pub fn is_explained(&self) -> bool {
        !self.others.is_empty()
    }

    /// What is said of it.
    pub fn words(&self) -> String {
        let mut changes = self.changes.iter().take(NAMED).cloned().collect::<Vec<_>>().join(", ");
        if self.changes.len() > NAMED {
            changes.push_str(&format!(" and {} more", self.changes.len() - NAMED));
        }
        let guess = match self.others.first() {
            Some(other) => format!("Others are at work there ({other}), so it may have been theirs"),
            None => {
                "No session of others is known to have done it; a script may have, past the wall round the throwaway \
                     database"
                    .to_owned()
            }
        };
        format!("{}, the component's own database, changed meanwhile: {changes}. {guess}", self.database)
    }
}
