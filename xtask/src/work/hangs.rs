//! Watches a step while it runs. A step that waits for itself is found without `--step-timeout`; of one that only takes
//! long, it is said that it is still running.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use super::driver::session_line;
use crate::sys::alembic::Waiting;
use crate::sys::pg::Db;
use crate::ui::Ui;

/// How long a session may hold a lock idly while another one of the step waits for it. A script whose thread computes
/// for longer with a lock in its hand, and then lets it go, has not been seen yet.
const PATIENCE: Duration = Duration::from_secs(5);
/// Milliseconds that take the place of [`PATIENCE`], so that its tests need not wait for it.
const PATIENCE_VARIABLE: &str = "XTASK_TEST_PATIENCE";
/// How often a step that takes long is said to be still running.
const STILL: Duration = Duration::from_secs(60);

/// See the file's head.
pub struct HangWatch {
    ui: Ui,
    /// The step by its beginning, and how often it was said to be still running.
    told: Option<(Instant, u32)>,
    /// Whom a step was said to wait for.
    holders: BTreeSet<i32>,
}

impl HangWatch {
    /// Nothing is under way yet.
    pub fn new(ui: &Ui) -> HangWatch {
        HangWatch { ui: ui.clone(), told: None, holders: BTreeSet::new() }
    }

    /// One look, by a connection to the same database: the server processes that can never go on. `alone` says that
    /// nobody but the step is in this database; else only the driver's own sessions are looked at.
    pub fn look(&mut self, db: &mut Db, alone: bool, waiting: &Waiting<'_>) -> Vec<i32> {
        self.still_running(waiting);
        self.name_holders(db, waiting);
        let patience = patience();
        if waiting.since.elapsed() < patience {
            return Vec::new();
        }
        let ours = (!alone).then_some(waiting.backends);
        // What cannot be asked is not known; the step goes on.
        db.waits_for_itself(ours, patience).unwrap_or_default()
    }

    /// Says, while a step waits for a lock, who holds it: each holder once.
    fn name_holders(&mut self, db: &mut Db, waiting: &Waiting<'_>) {
        for session in waiting.backends.iter().flat_map(|pid| db.blockers(*pid).unwrap_or_default()) {
            if self.holders.insert(session.pid) {
                let (step, who) = (waiting.step, session_line(&session));
                let function = step.direction.function();
                self.ui.status(format!("Revision {}: {function}() waits for a lock; {who} holds it", step.revision));
            }
        }
    }

    fn still_running(&mut self, waiting: &Waiting<'_>) {
        let times = self.told.filter(|(since, _)| *since == waiting.since).map_or(0, |(_, times)| times);
        if waiting.since.elapsed() >= STILL * (times + 1) {
            self.told = Some((waiting.since, times + 1));
            let (step, seconds) = (waiting.step, waiting.since.elapsed().as_secs());
            self.ui.status(format!(
                "Revision {}: {}() is still running after {seconds} s (--step-timeout=5m would end one that takes longer)",
                step.revision,
                step.direction.function()
            ));
        }
    }
}

fn patience() -> Duration {
    let told = std::env::var(PATIENCE_VARIABLE).ok().and_then(|text| text.parse().ok());
    told.map_or(PATIENCE, Duration::from_millis)
}
