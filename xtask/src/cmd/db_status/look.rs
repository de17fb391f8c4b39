//! Finds out where the components' databases stand.

use crate::ctx::Ctx;
use crate::fail::{Fail, Kind, from_anyhow};
use crate::model::action::{Action, Own};
use crate::model::graph::Graph;
use crate::model::ledger::Undone;
use crate::model::status::{Revision, Standing, State};
use crate::sys::pg::Db;
use crate::sys::project::Component;
use crate::work::advice;
use crate::work::ledger::{self, Edited};
use crate::work::skipped::{self, AllSkipped};
use crate::work::standing::{Answer, read_and_ask, stands};

/// What is known of one component; `standing` is missing only where its files cannot be read.
#[derive(Clone)]
pub struct Report {
    pub component: Component,
    /// It is of one of the component's tenants.
    pub is_one_of_several: bool,
    pub standing: Option<Standing>,
    pub skipped: SkippedRevisions,
    /// What ran and the files no longer say.
    pub undone: Undone,
    /// What else than to migrate is the next thing to do.
    pub first: Option<Action>,
    /// Where the database is, and the server's version.
    pub server: Option<String>,
    /// As what every command that changes the database will refuse.
    pub takes_no_writes: Option<Kind>,
    /// Why one of the two could not be looked at.
    pub error: Option<Fail>,
}

impl Report {
    /// Of which nothing is known yet.
    pub fn new(component: Component) -> Report {
        Report {
            component,
            is_one_of_several: false,
            standing: None,
            skipped: SkippedRevisions::default(),
            undone: Undone::default(),
            first: None,
            server: None,
            takes_no_writes: None,
            error: None,
        }
    }

    /// Whether there is nothing to do about it.
    pub fn is_good(&self) -> bool {
        let Some(standing) = &self.standing else { return false };
        match standing.state {
            State::NotSetUp => true,
            State::UpToDate => self.skipped.found.is_empty() && self.undone.is_empty() && standing.overlaps.is_empty(),
            _ => false,
        }
    }

    /// The revisions that the database counts as having run and never ran, as lines, and the commands that put it right;
    /// `None` where there are none.
    pub fn never_ran(&self) -> Option<(&[String], Vec<Own>)> {
        let skipped = &self.skipped;
        (!skipped.found.is_empty()).then(|| (skipped.lines.as_slice(), skipped.found.commands(&self.component.name)))
    }
}

/// Revisions that never ran, in words that need no history any more.
#[derive(Clone, Default)]
pub struct SkippedRevisions {
    pub found: AllSkipped,
    pub lines: Vec<String>,
    /// Each of `found`, in its order.
    pub revisions: Vec<Revision>,
    /// Revisions that ran as another text than the files have now.
    pub edited: Vec<Edited>,
}

/// Looks at one component.
pub fn look(ctx: &Ctx, component: &Component) -> Report {
    let mut report = Report::new(component.clone());
    match read_and_ask(ctx, component) {
        Err(error) => report.error = Some(from_anyhow(&error).about(&component.name)),
        Ok((graph, answer)) => {
            report.standing = Some(stands(component, &graph, answer.as_ref()));
            match answer {
                Ok(answer) => report.add(ctx, &graph, answer),
                Err(_) if report.is_good() => {}
                Err(error) => report.error = Some(from_anyhow(&error).about(&component.name)),
            }
        }
    }
    report
}

fn first(ctx: &Ctx, component: &Component, graph: &Graph, standing: &Standing, db: &mut Db) -> Option<Action> {
    match standing.state {
        State::NoRevision => advice::first_step(ctx, component, graph, db),
        State::UnknownRevision => advice::deleted_here(ctx, &standing.unknown, component).map(|commit| {
            let why = format!(
                "Commit {} of this branch deleted its script: was the history squashed? If the database is as the new \
                 scripts make it, say so to Alembic",
                commit.short()
            );
            Action::run(why, advice::stamp_anew(ctx, component))
        }),
        _ => None,
    }
}

impl Report {
    /// What is known from the database's answer besides.
    fn add(&mut self, ctx: &Ctx, graph: &Graph, answer: Answer) {
        let Answer { applied, ledger, last_texts, server, takes_no_writes, db } = answer;
        (self.server, self.takes_no_writes) = (Some(server), takes_no_writes);
        if let Some(mut db) = db {
            self.first = self.standing.as_ref().and_then(|it| first(ctx, &self.component, graph, it, &mut db));
            let found = skipped::find(ctx, graph, &mut db, ledger.as_ref(), &applied);
            let revisions = found.skipped.iter().map(|it| Revision::of(graph, &it.revision)).collect();
            let edited = ledger::edited(ctx, graph, &mut db, last_texts, &applied);
            self.skipped = SkippedRevisions { lines: found.lines(graph), found, revisions, edited };
        }
        self.undone = ledger.map(|ledger| ledger.undone(graph, &applied)).unwrap_or_default();
        if let (Some(standing), false) = (&mut self.standing, self.undone.gone.is_empty()) {
            standing.state = State::UnknownRevision;
            standing.unknown.clone_from(&self.undone.gone);
        }
    }
}
