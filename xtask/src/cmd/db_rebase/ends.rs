//! How a rebase may end, by the words of the command that it is a part of.

use std::path::PathBuf;

/// The ends that a rebase may come to.
pub struct Ends {
    /// The command that goes on with it.
    pub resume: String,
    /// The command that takes it back.
    pub abort: String,
    /// The folder that its journal goes to when all is done; `None`: it is removed.
    pub keep: Option<PathBuf>,
}

impl Default for Ends {
    fn default() -> Ends {
        let (resume, abort) = ("cargo xtask db-rebase --resume", "cargo xtask db-rebase --abort");
        Ends { resume: resume.to_owned(), abort: abort.to_owned(), keep: None }
    }
}
