//! `db-roundtrip`.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use super::Command;
use super::spec::{Set, Spec, Word, option, step_timeout, switch, switch_by};
use super::values::{duration_text, usage, whole_number};
use crate::model::action::{Own, own};
use crate::model::route::Part;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DbRoundtrip {
    /// Which revisions.
    pub range: Range,
    pub partition: Option<Part>,
    /// The report of an earlier run, by whose times the parts are made equal.
    pub timings: Option<PathBuf>,
    /// On the component's own database.
    pub in_place: bool,
    /// Again whenever a file changes, until it is interrupted.
    pub watch: bool,
    pub junit: Option<PathBuf>,
    pub html: Option<PathBuf>,
    /// Keep the scratch database.
    pub keep: bool,
    /// A dump to make the database from, whatever else there is.
    pub baseline: Option<PathBuf>,
    /// Neither use nor keep a cached baseline.
    pub no_cache: bool,
    /// Drop the cached baselines and do nothing else.
    pub clear_cache: bool,
    /// Take over what an interrupted run has found.
    pub resume: bool,
    /// Whether pg_dump is asked, too.
    pub second_opinion: bool,
    /// How many walkers; none counts as one.
    pub jobs: usize,
    /// How long one step may take.
    pub step_timeout: Option<Duration>,
    /// Test nothing: make one report of these.
    pub merge_reports: bool,
    pub reports: Vec<PathBuf>,
}

impl DbRoundtrip {
    /// The command of the same run, to be printed. What a program has chosen itself no command line says.
    pub fn again(&self) -> Own {
        let command = match &self.range {
            Range::Head | Range::These { .. } => own("db-roundtrip"),
            Range::Since(reference) => own("db-roundtrip").flag("--since", reference),
            Range::Steps(count) => own("db-roundtrip").flag("--steps", count),
            Range::From(id) => own("db-roundtrip").flag("--from", id),
            Range::All => own("db-roundtrip").word("--all"),
        };
        let part = self.partition.map(|part| part.to_string());
        let path = |path: &Option<PathBuf>| path.as_ref().map(|path| path.display().to_string());
        let flags = [
            ("--partition", part),
            ("--timings", path(&self.timings)),
            ("--jobs", (self.jobs > 1).then(|| self.jobs.to_string())),
            ("--baseline", path(&self.baseline)),
            ("--step-timeout", self.step_timeout.map(duration_text)),
            ("--junit", path(&self.junit)),
            ("--html", path(&self.html)),
        ];
        let switches = [
            ("--merge-reports", self.merge_reports),
            ("--in-place", self.in_place),
            ("--no-cache", self.no_cache),
            ("--second-opinion", self.second_opinion),
            ("--keep", self.keep),
        ];
        let flags = flags.into_iter().filter_map(|(flag, value)| Some((flag, value?)));
        let command = flags.fold(command, |command, (flag, value)| command.flag(flag, value));
        let command = command.words(switches.into_iter().filter(|(_, is_set)| *is_set).map(|(switch, _)| switch));
        command.words(self.reports.iter().map(|path| path.display().to_string()))
    }
}

/// Which revisions `db-roundtrip` tests.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Range {
    /// What this branch adds to the main one, else the head revision (every head, if there are several).
    #[default]
    Head,
    /// What came since the work tree and this commit went apart.
    Since(String),
    /// The newest N.
    Steps(usize),
    /// From this revision up to the head, both included.
    From(String),
    /// The whole history.
    All,
    /// What the program itself found out: the ids, and in words which those are.
    These { ids: BTreeSet<String>, words: String },
}

pub static SPEC: Spec<DbRoundtrip> = Spec {
    words: &[Word {
        name: "FILE…",
        set: Set::By(|trip, text| {
            trip.reports.push(PathBuf::from(text));
            Ok(())
        }),
    }],
    words_with: Some("--merge-reports"),
    flags: &[
        option(
            "--steps",
            "N",
            "the newest N revisions",
            Set::By(|trip, text| {
                trip.range = Range::Steps(whole_number("--steps", text)?);
                Ok(())
            }),
        ),
        option(
            "--from",
            "REV",
            "from this revision up to the head, both included",
            Set::By(|trip, text| {
                trip.range = Range::From(text.to_owned());
                Ok(())
            }),
        ),
        switch_by("--all", "the whole history", |trip, _| {
            trip.range = Range::All;
            Ok(())
        }),
        option(
            "--since",
            "GITREF",
            "the revisions this branch adds; in a git checkout the default is those since the main branch, else the head",
            Set::By(|trip, text| {
                trip.range = Range::Since(text.to_owned());
                Ok(())
            }),
        ),
        option(
            "--partition",
            "K/N",
            "only the K-th of N parts, for several machines: each revision is in one of them",
            Set::By(|trip, text| {
                trip.partition = Some(Part::parse(text).ok_or_else(|| {
                    usage(format!("`--partition` does not take `{text}`"))
                        .details("It takes K/N, the K-th of N parts: 1/4, 2/4, 3/4, 4/4")
                })?);
                Ok(())
            }),
        ),
        option(
            "--timings",
            "FILE",
            "with --partition: parts that take equally long, by the `--json` of an earlier run; where there is none yet, equal in number",
            Set::Path(|trip| &mut trip.timings),
        ),
        option(
            "--jobs",
            "N",
            "N walkers side by side, each on a database and with a Python of its own (1 unless given)",
            Set::By(|trip, text| {
                trip.jobs = whole_number("--jobs", text)?;
                Ok(())
            }),
        ),
        switch(
            "--resume",
            "take over the verdicts of an interrupted run of the same revisions, test only the rest",
            |trip| &mut trip.resume,
        ),
        switch("--in-place", "on the component's own database, after a backup and a confirmation", |trip| {
            &mut trip.in_place
        }),
        switch_by(
            "--watch",
            "stay, and run the newest revision again whenever its file or what it imports changes; Ctrl-C ends it",
            |trip, _| {
                (trip.watch, trip.range) = (true, Range::Steps(1));
                Ok(())
            },
        ),
        option("--junit", "FILE", "also write the report as JUnit XML", Set::Path(|trip| &mut trip.junit)),
        option("--html", "FILE", "also write the report as one HTML page", Set::Path(|trip| &mut trip.html)),
        option(
            "--baseline",
            "FILE",
            "begin with what this dump holds (SQL text or pg_dump's own formats), not with a clone",
            Set::Path(|trip| &mut trip.baseline),
        ),
        switch("--no-cache", "make the baseline anew, and do not keep it on the server for the next run", |trip| {
            &mut trip.no_cache
        }),
        switch("--clear-cache", "drop the cached baselines on the component's server, and do nothing else", |trip| {
            &mut trip.clear_cache
        }),
        switch(
            "--second-opinion",
            "hold every comparison of schemas against pg_dump's; where only one sees a difference, say so",
            |trip| &mut trip.second_opinion,
        ),
        switch("--keep", "keep the scratch database and say how to connect", |trip| &mut trip.keep),
        step_timeout(|trip| &mut trip.step_timeout),
        switch(
            "--merge-reports",
            "test nothing: make one report of all parts of a run, whose --json each FILE holds",
            |trip| &mut trip.merge_reports,
        ),
    ],
    exclusive: &[
        &["--all", "--steps", "--from", "--since"],
        &["--in-place", "--keep"],
        &["--in-place", "--baseline"],
        &["--in-place", "--resume"],
        &["--watch", "--json"],
    ],
    // `--watch` is the newest revision, again and again: what chooses revisions, or is written or kept at the end of a
    // run, does not go with it; and JSON is one object. `--merge-reports` tests nothing.
    alone: &[
        ("--watch", &["--step-timeout", "--baseline", "--no-cache"]),
        ("--merge-reports", &["FILE…", "--junit", "--html"]),
    ],
    examples: &[
        ("The newest revision", "cargo xtask db-roundtrip"),
        ("The newest five of another component", "cargo xtask db-roundtrip -c appproxy --steps 5"),
        ("While you write a revision", "cargo xtask db-roundtrip --watch"),
        ("One report of two parts", "cargo xtask db-roundtrip --merge-reports --html all.html 1.json 2.json"),
    ],
    ..Spec::new(
        "db-roundtrip",
        "prove that revisions go up, down and up again and leave schema and rows as they were",
        "Works on a throwaway database: a clone of the component's, or one built by its baseline command, from a dump,\n\
         or from empty by upgrade; never on your own, unless --in-place says so. What took long to build stays on the\n\
         server as a template (xtask_baseline_...) until something that it was made of changes. Each revision is taken\n\
         down and up again, schema and rows are compared, and every difference is named with its object, revision and\n\
         step. Exits 4 when it found something, or when there was nothing to test.",
        finish,
    )
};

/// One walker is what there is without `--jobs`, so `--jobs 1` goes with everything.
fn finish(mut flags: DbRoundtrip) -> Result<Command, crate::fail::Fail> {
    if flags.merge_reports && flags.reports.is_empty() {
        let all = own("db-roundtrip").words(["--merge-reports", "1.json", "2.json"]).plain();
        return Err(usage("`--merge-reports` needs the files that the parts were written to").action(all));
    }
    if flags.jobs > 1 && flags.in_place {
        return Err(super::values::conflict("--in-place", "--jobs"));
    }
    if flags.jobs > 1 && flags.keep {
        return Err(super::values::conflict("--keep", "--jobs"));
    }
    flags.jobs = flags.jobs.max(1);
    Ok(Command::DbRoundtrip(flags))
}
