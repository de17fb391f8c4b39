//! The commands that end a rebase: its own, or those of the flow that it is a step of.

use std::path::PathBuf;

use crate::model::action::{Own, own};

/// The ends that a rebase may come to.
pub struct Ends {
    /// The command that goes on with it.
    pub resume: Own,
    /// The command that takes it back.
    pub abort: Own,
    /// The folder that its journal goes to when all is done; `None`: it is removed.
    pub keep: Option<PathBuf>,
}

impl Default for Ends {
    fn default() -> Ends {
        let rebase = || own("db-rebase").of_no_component();
        Ends { resume: rebase().word("--resume"), abort: rebase().word("--abort"), keep: None }
    }
}
