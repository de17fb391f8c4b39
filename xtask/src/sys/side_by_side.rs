//! Work on many files at once: reading and parsing them is most of what a look at a long history takes.

use std::num::NonZero;

use anyhow::{Result, anyhow};

/// How many files are at least worth a thread.
const SHARE: usize = 32;

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
