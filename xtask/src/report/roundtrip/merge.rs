//! Makes one report of the parts of a run. Reports that are not all the parts of one run, each once, are refused.

use std::collections::{BTreeSet, HashMap};

use super::{Report, RevisionResult, Run};
use crate::fail::{Exit, Fail, Kind};
use crate::model::action::{Own, own};
use crate::model::route::Part;
use crate::report::table::cut;

/// How much of a value is shown.
const SHOWN: usize = 120;

/// A report, and the file that it was read from.
pub struct Told {
    pub file: String,
    pub report: Report,
}

/// What every part tells in the same way.
type Fact = (&'static str, fn(&Report) -> Option<String>);

const FACTS: [Fact; 8] = [
    ("version of the tool", |report| Some(report.run.tool.clone())),
    ("component", |report| Some(report.component.clone())),
    ("commit", |report| Some(report.run.commit.clone().unwrap_or_else(|| "none, without git".to_owned()))),
    ("text of the scripts", |report| Some(format!("digest {}", report.run.scripts))),
    ("number of parts", |report| Some(report.run.part().of.to_string())),
    ("choice of revisions", |report| {
        let run = &report.run;
        Some(format!("{}, {} revisions: {}", chosen(report), run.chosen.len(), run.chosen.join(", ")))
    }),
    ("baseline", |report| report.run.origin.clone()),
    // Where nothing was tested, none was asked.
    ("server", |report| report.run.origin.as_ref().map(|_| report.server.clone())),
];

/// The report of the run whose parts these are.
///
/// # Errors
/// The refusal, where they are not the parts of one run, each once.
pub fn merged(mut told: Vec<Told>) -> Result<Report, Fail> {
    FACTS.iter().try_for_each(|fact| agree(&told, fact))?;
    told.sort_by_key(|it| it.report.run.part().number);
    each_part_once(&told)?;
    each_revision_once(&told)?;
    Ok(joined(told))
}

/// The command that makes this part of the same run again.
pub fn again(report: &Report, part: Option<Part>) -> Own {
    let command = own("db-roundtrip").of(&report.component).words(report.run.flags.clone());
    let command = part.into_iter().fold(command, |command, part| command.flag("--partition", part));
    command.word("--json")
}

fn refusal(summary: &str) -> Fail {
    Fail { exit: Exit::Refused, ..Fail::new(Kind::Usage, summary) }.related(own("help").word("db-roundtrip").plain())
}

/// Every report says the same, as far as it says anything.
fn agree(told: &[Told], (name, fact): &Fact) -> Result<(), Fail> {
    let mut known = told.iter().filter_map(|it| Some((it, fact(&it.report)?)));
    let Some((first, value)) = known.next() else { return Ok(()) };
    let Some((other, its)) = known.find(|(_, its)| *its != value) else { return Ok(()) };
    let shown = |it: &Told, value: &str| format!("{}: {}", it.file, cut(value, Some(SHOWN)));
    let anew = |it: &Told| again(&it.report, it.report.run.partition);
    Err(refusal(&format!("The reports are not of one run: another {name}"))
        .details(shown(first, &value))
        .details(shown(other, &its))
        .run(format!("Make {} anew, from the same state", other.file), anew(other))
        .run(format!("Or make {} anew", first.file), anew(first)))
}

fn each_part_once(told: &[Told]) -> Result<(), Fail> {
    let Some(Told { report, .. }) = told.first() else { return Err(refusal("There is no report to merge")) };
    let of = report.run.part().of;
    let there: BTreeSet<usize> = told.iter().map(|it| it.report.run.part().number).collect();
    let missing: Vec<Part> =
        (1..=of).filter(|number| !there.contains(number)).take(10).map(|number| Part { number, of }).collect();
    let make = |fail: Fail, part: &Part| fail.run(format!("Make part {part}"), again(report, Some(*part)));
    if let Some(pair) = told.windows(2).find(|pair| pair[0].report.run.part() == pair[1].report.run.part()) {
        let fail = refusal(&format!("Two reports are of one part: {}", pair[0].report.run.part()))
            .details(format!("{} and {}", pair[0].file, pair[1].file));
        let files = told.iter().map(|it| &it.file).filter(|file| **file != pair[1].file || **file == pair[0].file);
        let files: BTreeSet<&String> = files.collect();
        let rest = own("db-roundtrip").word("--merge-reports").words(files.into_iter().cloned());
        return Err(missing.iter().fold(fail, make).run("Leave one of them out", rest));
    }
    if missing.is_empty() {
        return Ok(());
    }
    let lacking: Vec<String> = missing.iter().map(Part::to_string).collect();
    let files: Vec<&str> = told.iter().map(|it| it.file.as_str()).collect();
    let fail = refusal("A part of the run is missing")
        .details(format!("{} of {of} parts are there ({})", there.len(), files.join(", ")))
        .details(format!("Missing: {}", lacking.join(", ")));
    Err(missing.iter().fold(fail, make))
}

fn each_revision_once(told: &[Told]) -> Result<(), Fail> {
    let mut files: HashMap<&str, Vec<&str>> = HashMap::new();
    for it in told {
        it.report.results.iter().for_each(|result| files.entry(&result.revision.id).or_default().push(&it.file));
    }
    let run = &told[0].report.run;
    let whole = || again(&told[0].report, None);
    let twice = run.chosen.iter().find_map(|id| Some((id, files.get(id.as_str()).filter(|files| files.len() > 1)?)));
    if let Some((id, files)) = twice {
        return Err(refusal("The reports overlap: a revision is in two of them")
            .details(format!("{id}: {}", files.join(", ")))
            .run("Test all in one run", whole()));
    }
    let left: Vec<&str> = run.chosen.iter().map(String::as_str).filter(|id| !files.contains_key(id)).collect();
    if !left.is_empty() {
        return Err(refusal("The reports leave out revisions that were chosen")
            .details(format!("{} of {}: {}", left.len(), run.chosen.len(), cut(&left.join(", "), Some(SHOWN))))
            .run("Test all in one run", whole()));
    }
    let mut strange: Vec<&str> = files.keys().copied().filter(|id| !run.chosen.iter().any(|it| it == id)).collect();
    strange.sort_unstable();
    match strange.first() {
        Some(id) => Err(refusal("A report tells of a revision that was not chosen")
            .details(format!("{id}: {}", files[id].join(", ")))
            .run("Test all in one run", whole())),
        None => Ok(()),
    }
}

fn joined(told: Vec<Told>) -> Report {
    let reports: Vec<Report> = told.into_iter().map(|it| it.report).collect();
    let first = reports[0].clone();
    // One where something was tested, if there is any.
    let of_some = reports.iter().find(|report| report.run.origin.is_some()).unwrap_or(&first).clone();
    let same_words = reports.iter().all(|it| it.run.origin.is_none() || it.baseline == of_some.baseline);
    let baseline = if same_words { of_some.baseline } else { of_some.run.origin.clone().unwrap_or_default() };
    let mut notes: Vec<String> = Vec::new();
    for note in reports.iter().flat_map(|report| &report.notes) {
        if !notes.contains(note) {
            notes.push(note.clone());
        }
    }
    let revisions = chosen(&first).to_owned();
    let strict = reports.iter().any(|report| report.strict);
    let results = reports.into_iter().flat_map(|report| report.results);
    let mut by_id: HashMap<String, RevisionResult> =
        results.map(|result| (result.revision.id.clone(), result)).collect();
    let results = first.run.chosen.iter().filter_map(|id| by_id.remove(id)).collect();
    let run = Run { partition: None, origin: of_some.run.origin, ..first.run };
    Report {
        revisions,
        baseline,
        server: of_some.server,
        notes,
        results,
        strict,
        run,
        cache: None,
        kept: None,
        ..first
    }
}

/// How the revisions were chosen, without the part.
fn chosen(report: &Report) -> &str {
    let part = report.run.part();
    let words = report.revisions.as_str();
    words.strip_suffix(&format!(", part {} of {}", part.number, part.of)).unwrap_or(words)
}
