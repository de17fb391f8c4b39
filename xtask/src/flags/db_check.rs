//! `db-check`.

use std::path::PathBuf;
use std::time::Duration;

use super::Command;
use super::spec::{Set, Spec, option, switch, switch_by};
use super::values::usage;
use crate::fail::Fail;
use crate::model::action::own;

#[derive(Clone, Debug, Default)]
pub struct DbCheck {
    /// Every component.
    pub all: bool,
    /// Compare the models with the migrations instead of reading scripts.
    pub models: bool,
    pub look: Look,
    /// Look at released scripts with every rule.
    pub released: bool,
    /// `--json` is the same as `--format json`.
    pub format: Format,
    /// Print a rule's page instead of checking.
    pub explain: Option<String>,
    /// The past of the scripts instead of the scripts.
    pub history: Option<Span>,
    /// With `history`: a chart of it.
    pub svg: Option<PathBuf>,
}

/// A part of a repository's past.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Span {
    /// The last year, the last 30 days.
    Last(Duration),
    /// `FROM..TO`.
    Commits(String),
}

/// What `db-check` looks at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Look {
    /// The files as they lie there.
    #[default]
    WorkTree,
    /// What would be committed, compared with the last commit.
    Staged,
    /// The files as they lie there, compared with a commit.
    Since(String),
}

/// How `db-check` reports.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    #[default]
    Text,
    Json,
    /// GitHub's workflow commands.
    Github,
    Junit,
    /// SARIF 2.1.0.
    Sarif,
}

pub static SPEC: Spec<DbCheck> = Spec {
    flags: &[
        switch("--all", "every component (with --staged and --base that is so unless one is named)", |check| {
            &mut check.all
        }),
        switch_by(
            "--staged",
            "what would be committed, and of that only what the last commit did not have",
            |check, _| {
                check.look = Look::Staged;
                Ok(())
            },
        ),
        option(
            "--base",
            "GITREF",
            "only what is new since a branch, tag or commit",
            Set::By(|check, text| {
                check.look = Look::Since(text.to_owned());
                Ok(())
            }),
        ),
        switch(
            "--models",
            "only this: does a migration lack for what the models say? Needs Python and a server",
            |check| &mut check.models,
        ),
        switch("--released", "rules of taste, too, on scripts that are on the main branch already", |check| {
            &mut check.released
        }),
        option(
            "--format",
            "FORMAT",
            "text (default), json, github (annotations), junit, sarif",
            Set::OneOf(&[
                ("text", |check| check.format = Format::Text),
                ("json", |check| check.format = Format::Json),
                ("github", |check| check.format = Format::Github),
                ("junit", |check| check.format = Format::Junit),
                ("sarif", |check| check.format = Format::Sarif),
            ]),
        ),
        option(
            "--history",
            "RANGE",
            "only this: what became of the scripts, commit by commit of the main line: 1y, 6mo, 30d, or REV..REV",
            Set::By(|check, text| {
                check.history = Some(span(text)?);
                Ok(())
            }),
        ),
        option("--svg", "FILE", "with --history: also write it as a chart", Set::Path(|check| &mut check.svg)),
        option("--explain", "CODE", "all about one rule, by its code or name", Set::Text(|check| &mut check.explain)),
    ],
    without: &["--yes"],
    exclusive: &[
        &["--staged", "--base"],
        &["--models", "--staged"],
        &["--models", "--explain"],
        &["--models", "--released"],
        &["--history", "--staged"],
        &["--history", "--base"],
        &["--history", "--models"],
        &["--history", "--explain"],
        &["--history", "--format"],
    ],
    examples: &[
        ("Before a commit", "cargo xtask db-check --staged"),
        ("In CI, on a pull request", "cargo xtask db-check --base origin/main --format github"),
        ("Is there a change of the models without a migration?", "cargo xtask db-check --models"),
        ("What went wrong in the last year, before you adopt this", "cargo xtask db-check --history 1y --svg past.svg"),
        ("What is this about?", "cargo xtask db-check --explain DB101"),
    ],
    ..Spec::new(
        "db-check",
        "static checks of the migration scripts; needs no Python and no database",
        "Reads the scripts and asks git, and names for each finding what is wrong, why it bites and the fix. Rules and\n\
         their codes are in xtask/rules/; a project sets their weight in [workspace.metadata.db.rules], one script\n\
         switches a rule off by a comment: # xtask: allow CODE: reason. Rules of taste say nothing about scripts that\n\
         are on the main branch already. Exits 4 when there is an error; warnings alone exit 0.\n\
         With --models it answers another question instead: is there a change of the models without a migration? That\n\
         does take Python, and a throwaway database that the migrations have made.\n\
         With --history it tells the past: when the main line had several heads and for how long, ids that vanished,\n\
         revisions put below released ones, released scripts edited, findings and which were repaired. It exits 0.",
        |flags| match (&flags.svg, &flags.history) {
            (Some(_), None) => Err(usage("`--svg` goes with `--history`")
                .run("The history itself as a picture", own("db-history").flag("--svg", "FILE").plain())),
            _ => Ok(Command::DbCheck(flags)),
        },
    )
};

fn span(text: &str) -> Result<Span, Fail> {
    if text.contains("..") && !text.starts_with('-') {
        return Ok(Span::Commits(text.to_owned()));
    }
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, unit) = text.split_at(digits);
    let days = match unit {
        "d" => Some(1),
        "w" => Some(7),
        "mo" => Some(30),
        "y" => Some(365),
        _ => None,
    };
    let seconds = number.parse::<u64>().ok().zip(days).and_then(|(number, days)| number.checked_mul(days * 86_400));
    seconds.filter(|seconds| *seconds > 0).map(|seconds| Span::Last(Duration::from_secs(seconds))).ok_or_else(|| {
        usage(format!("`--history` does not take `{text}`"))
            .details("It takes a time (30d, 8w, 6mo, 1y) or a range of commits (v1.0..main, v1.0..)")
    })
}
