//! Ctrl-C, SIGTERM and SIGHUP: a flag that every loop and every wait looks at. The first signal asks politely, so that
//! scratch databases, servers and children are put away by the ordinary way out; the second one ends the process at
//! once (what it leaves behind is swept by the next run).

use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use anyhow::{Context, Result};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use crate::fail::{Fail, Kind};

static REQUESTED: OnceLock<Arc<AtomicBool>> = OnceLock::new();
/// How many [`shielded`] sections are running.
static SHIELDS: AtomicUsize = AtomicUsize::new(0);

/// Starts listening. Called once, by `main`.
pub fn listen() -> Result<()> {
    let flag = Arc::clone(REQUESTED.get_or_init(Default::default));
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        // Order matters: the second signal finds the flag set and ends the process.
        signal_hook::flag::register_conditional_shutdown(signal, 130, Arc::clone(&flag))
            .and_then(|_| signal_hook::flag::register(signal, Arc::clone(&flag)))
            .with_context(|| format!("listening for signal {signal}"))?;
    }
    Ok(())
}

/// Whether somebody asked us to stop.
pub fn requested() -> bool {
    SHIELDS.load(Ordering::Relaxed) == 0 && REQUESTED.get().is_some_and(|flag| flag.load(Ordering::Relaxed))
}

/// An `interrupted` failure if somebody asked us to stop; call it between steps.
pub fn check() -> Result<()> {
    if requested() { Err(fail().into()) } else { Ok(()) }
}

/// That somebody asked us to stop, as a failure.
pub fn fail() -> Fail {
    Fail::new(Kind::Interrupted, "Interrupted")
}

/// Runs something that has to be said or put away although somebody asked us to stop. A second signal still ends us.
pub fn shielded<T>(work: impl FnOnce() -> T) -> T {
    SHIELDS.fetch_add(1, Ordering::Relaxed);
    let result = work();
    SHIELDS.fetch_sub(1, Ordering::Relaxed);
    result
}
