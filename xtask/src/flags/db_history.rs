//! `db-history`.

use std::path::PathBuf;

use super::Command;
use super::spec::{Set, Spec, Word, option, optional, switch_by};
use super::values::usage;

#[derive(Clone, Debug, Default)]
pub struct DbHistory {
    /// As Alembic has it; `None`: all of it.
    pub range: Option<String>,
    pub drawn: Drawn,
}

/// In which form the history is shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Drawn {
    /// A line for each revision.
    #[default]
    List,
    /// The same with its branches before it.
    Graph {
        /// No line-drawing characters.
        plain: bool,
    },
    Mermaid,
    Dot,
    Svg(PathBuf),
}

pub static SPEC: Spec<DbHistory> = Spec {
    words: &[Word { name: "RANGE", set: Set::Text(|history| &mut history.range) }],
    flags: &[
        optional(option(
            "--graph",
            "LOOK",
            "draw the branches, as git log --graph does; plain: with letters and slashes alone",
            Set::By(|history, text| {
                let plain = match text {
                    "" => false,
                    "plain" => true,
                    _ => return Err(usage(format!("`--graph` does not take `{text}`")).details("It takes: plain")),
                };
                history.drawn = Drawn::Graph { plain };
                Ok(())
            }),
        )),
        option(
            "--svg",
            "FILE",
            "write a picture: one file, nothing from elsewhere; long straight runs are folded",
            Set::By(|history, text| {
                history.drawn = Drawn::Svg(PathBuf::from(text));
                Ok(())
            }),
        ),
        switch_by("--mermaid", "print it as a Mermaid flowchart, which GitHub and GitLab draw", |history, _| {
            history.drawn = Drawn::Mermaid;
            Ok(())
        }),
        switch_by("--dot", "print it in the language of Graphviz", |history, _| {
            history.drawn = Drawn::Dot;
            Ok(())
        }),
    ],
    without: &["--yes"],
    exclusive: &[
        &["--graph", "--svg", "--mermaid", "--dot"],
        &["--graph", "--json"],
        &["--mermaid", "--json"],
        &["--dot", "--json"],
    ],
    examples: &[
        ("What came last, and what the database has of it", "cargo xtask db-history -3:"),
        ("From where the database is", "cargo xtask db-history current: --graph"),
        ("A picture of all of it", "cargo xtask db-history --svg history.svg"),
        ("For a description on GitHub", "cargo xtask db-history --mermaid"),
    ],
    ..Spec::new(
        "db-history",
        "the migration history: as a list, a graph or a picture; needs no Python",
        "Reads the scripts and shows the history, newest first: each revision with what it follows, its message, who\n\
         added it and when (from git), and whether it is a head, a base, a branch point or a merge point. Where the\n\
         database can be asked at once, the revisions that it is at are marked as current; no server is started for it.\n\
         RANGE is as in `alembic history`: REV:REV, REV:, :REV, -3:current, current:; both ends are shown.",
        |history| Ok(Command::DbHistory(history)),
    )
};
