//! Works on many files in several threads, since reading and parsing takes most of the time of a long history. Also
//! asks several questions at the same time, each with a time limit of its own.

use std::num::NonZero;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};

use crate::sys::interrupt;

/// How many files are at least worth a thread.
const SHARE: usize = 32;

/// Something to find out, and how long it may take.
pub struct Look<R> {
    pub limit: Duration,
    pub work: Box<dyn FnOnce() -> R + Send>,
}

/// Asks all of them at once, and returns the answers in their order; `None` for one that did not answer within its
/// limit. A thread that waits cannot be ended, so it is left alone: the process ends soon.
pub fn each_within<R: Send + 'static>(looks: Vec<Look<R>>) -> Vec<Option<R>> {
    let began = Instant::now();
    let asked: Vec<_> = looks
        .into_iter()
        .map(|look| {
            let (answer, answered) = mpsc::channel();
            std::thread::spawn(move || answer.send((look.work)()));
            (look.limit, answered)
        })
        .collect();
    asked.into_iter().map(|(limit, answered)| wait(&answered, began + limit)).collect()
}

/// Until the answer is there, its time is over, or somebody asked us to stop.
fn wait<R>(answered: &mpsc::Receiver<R>, until: Instant) -> Option<R> {
    const GLANCE: Duration = Duration::from_millis(20);
    loop {
        let left = until.saturating_duration_since(Instant::now());
        match answered.recv_timeout(left.min(GLANCE)) {
            Ok(answer) => return Some(answer),
            Err(mpsc::RecvTimeoutError::Timeout) if !left.is_zero() && !interrupt::requested() => {}
            Err(_) => return None,
        }
    }
}

/// Splits `items` into a share for each processor and gives every share to `work`; the answers in the order of the items.
///
/// # Errors
/// The first share's that has one; or that a thread broke off, which only a defect makes happen.
pub fn in_shares<T: Sync, R: Send>(items: &[T], work: impl Fn(&[T]) -> Result<Vec<R>> + Sync) -> Result<Vec<R>> {
    let workers = std::thread::available_parallelism().map_or(1, NonZero::get);
    let share = items.len().div_ceil(workers).max(SHARE);
    let work = &work;
    std::thread::scope(|scope| {
        let parts: Vec<_> = items.chunks(share).map(|part| scope.spawn(move || work(part))).collect();
        let mut all = Vec::with_capacity(items.len());
        for part in parts {
            all.extend(part.join().map_err(|_| anyhow!("reading the migration scripts broke off"))??);
        }
        Ok(all)
    })
}
