//! How long a step may take: up to a time limit, or until a look at its sessions shows that it can never end.

use std::time::{Duration, Instant};

use anyhow::Result;

use super::process::Process;
use super::protocol::Event;
use super::trouble::{Trouble, TroubleKind};
use crate::model::target::Step;

/// How often somebody looks on.
const LOOK: Duration = Duration::from_secs(1);

/// A step under way, for the function that watches it.
pub struct Waiting<'s> {
    pub step: &'s Step,
    /// Since when: its start, or the last thing that was heard of it.
    pub since: Instant,
    /// See [`super::Driver::backends`].
    pub backends: &'s [i32],
}

/// Looks at a step that is under way; gives the server processes that wait for the step itself, so that it can never
/// end, or none.
pub type Watch<'w> = &'w mut dyn FnMut(&Waiting<'_>) -> Vec<i32>;

/// When a step is given up. `None` and `Some(limit)` turn into one that nobody watches.
pub struct Patience<'w> {
    /// How long it may take.
    pub limit: Option<Duration>,
    /// Called about once a second while a step runs.
    pub watch: Option<Watch<'w>>,
}

impl From<Option<Duration>> for Patience<'_> {
    fn from(limit: Option<Duration>) -> Self {
        Patience { limit, watch: None }
    }
}

impl Patience<'_> {
    /// The next event of a process that runs `step`. `Ok(Err(…))` is the process's trouble, as there.
    pub(super) fn next_event(
        &mut self,
        process: &mut Process,
        step: &Step,
        backends: &[i32],
    ) -> Result<Result<Event, Trouble>> {
        let since = Instant::now();
        let until = self.limit.map(|limit| since + limit);
        loop {
            let Some(watch) = &mut self.watch else { return process.next_event(until) };
            let next = Instant::now() + LOOK;
            let event = process.next_event(Some(until.map_or(next, |until| until.min(next))))?;
            let still_running = matches!(&event, Err(trouble) if trouble.kind == TroubleKind::Timeout);
            if !still_running || until.is_some_and(|until| Instant::now() >= until) {
                return Ok(event);
            }
            let waits = watch(&Waiting { step, since, backends });
            if !waits.is_empty() {
                return Ok(Err(Trouble { waits, ..Trouble::new(TroubleKind::Timeout) }));
            }
        }
    }
}
