//! `db-review`.

use std::path::PathBuf;

use super::Command;
use super::spec::{Set, Spec, option};

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DbReview {
    /// What the branch is compared with; `None`: the main branch.
    pub base: Option<String>,
    pub markdown: Option<PathBuf>,
    pub html: Option<PathBuf>,
}

pub static SPEC: Spec<DbReview> = Spec {
    flags: &[
        option(
            "--base",
            "GITREF",
            "what the branch is compared with; the main branch unless given",
            Set::Text(|review| &mut review.base),
        ),
        option(
            "--markdown",
            "FILE",
            "write the Markdown there, not to the terminal; it is always under 60 kB",
            Set::Path(|review| &mut review.markdown),
        ),
        option(
            "--html",
            "FILE",
            "also write one HTML page: no script, nothing from elsewhere",
            Set::Path(|review| &mut review.html),
        ),
    ],
    examples: &[
        ("The description of a pull request", "cargo xtask db-review --base origin/main --markdown review.md"),
        ("The same as a page", "cargo xtask db-review --html review.html"),
    ],
    ..Spec::new(
        "db-review",
        "what a branch's revisions do, as a page for the pull request",
        "Takes the revisions that the branch adds through a round trip on a throwaway database, as db-roundtrip does, and\n\
         writes down for each: the verdict and how it was proven, what the upgrade makes of the schema, the SQL that ran\n\
         in both directions with the rows that it touches and the tables that it locks or writes anew, what db-check\n\
         finds; with the history before and after the merge and the commands that repeat it. What was not looked at is\n\
         said. In GitHub Actions it goes to the step summary too, and `outcome` and `revisions` to\n\
         the step's outputs. Exits 4 where a revision failed, a finding is an error, or the merge leaves several heads.",
        |review| Ok(Command::DbReview(review)),
    )
};
