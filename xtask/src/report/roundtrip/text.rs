//! The report of a round trip as text: a line per revision, what was found below it, the count at the end.

use super::{Report, RevisionResult};
use crate::fail::Fail;
use crate::model::action::Around;
use crate::model::roundtrip::Verdict;
use crate::model::rows::DataChange;

/// What a word is to be coloured for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    Good,
    Bad,
    Warn,
    Headline,
}

impl Report {
    /// The whole text. `paint` colours a word, or leaves it as it is.
    pub fn text(&self, around: &Around, paint: &dyn Fn(Tone, &str) -> String) -> String {
        let mut lines = vec![
            paint(Tone::Headline, "Round trip: down, up again, compared with what was there before"),
            String::new(),
            format!("Component: {}", self.component),
            format!("Revisions: {}", self.revisions),
            format!("Baseline: {}", self.baseline),
            format!("Server: {}", self.server),
        ];
        lines.extend(self.notes.iter().map(|note| format!("Note: {note}")));
        lines.push(String::new());
        lines.extend(self.results.iter().flat_map(|result| result.text(around, paint)));
        lines.extend([String::new(), self.summary()]);
        if let Some(kept) = &self.kept {
            lines.push(String::new());
            lines.push(format!("The scratch database {} was kept: {}", kept.database, kept.psql));
            lines.push(format!("Drop it when you are done: {}", kept.drop));
        }
        lines.join("\n")
    }

    /// `Tested 3 revisions: 2 reversible, 1 unproven.`
    pub fn summary(&self) -> String {
        let counted = Verdict::ALL.iter().map(|verdict| (self.count(*verdict), verdict.name()));
        let counted: Vec<String> =
            counted.filter(|(count, _)| *count > 0).map(|(count, name)| format!("{count} {name}")).collect();
        let counted = if counted.is_empty() { "none".to_owned() } else { counted.join(", ") };
        let tested = self.tested();
        let plural = if tested == 1 { "" } else { "s" };
        let before = match self.taken_over() {
            0 => String::new(),
            count => format!(" {count} of these verdicts were found before the interruption."),
        };
        let has_gap = self.results.iter().any(|result| result.verdict.is_gap());
        let strict = if self.strict && has_gap { " With --strict, what is not proven fails." } else { "" };
        format!("Tested {tested} revision{plural}: {counted}.{before}{strict}")
    }
}

impl RevisionResult {
    /// One result: a line, and what was found below it.
    pub fn text(&self, around: &Around, paint: &dyn Fn(Tone, &str) -> String) -> Vec<String> {
        let (tone, sign) = match self.verdict {
            Verdict::Reversible => (Tone::Good, "✅"),
            verdict if verdict.is_finding() => (Tone::Bad, "❌"),
            _ => (Tone::Warn, "⚠️ "),
        };
        let word = paint(tone, &self.verdict_words());
        let bare = if self.without_rows { "  (no rows in the tables it touches)" } else { "" };
        let before = if self.taken_over { "  (found before the interruption)" } else { "" };
        let first = format!("{sign} {}: {word}{}{bare}{before}", self.revision.with_message(), self.brackets());
        let mut lines = vec![first];
        lines.extend(self.lines(around).iter().map(|line| format!("     {line}")));
        lines
    }

    /// `  (climbed; down 3 ms, up 4 ms)`, or a part of it.
    fn brackets(&self) -> String {
        let proof = self.proof.map(|proof| proof.name().to_owned());
        let times = self.down.zip(self.up);
        let times = times.map(|(down, up)| format!("down {:.0} ms, up {:.0} ms", down * 1000.0, up * 1000.0));
        let parts: Vec<String> = proof.into_iter().chain(times).collect();
        if parts.is_empty() { String::new() } else { format!("  ({})", parts.join("; ")) }
    }

    /// What was found, without the indentation: the same lines in every form that is read by a person.
    pub fn lines(&self, around: &Around) -> Vec<String> {
        let mut lines = Vec::new();
        lines.extend(self.reason.clone());
        let path = self.revision.path.as_ref().filter(|_| self.verdict.is_finding());
        lines.extend(path.map(|path| path.display().to_string()));
        lines.extend(
            self.schema_changes
                .iter()
                .flat_map(|change| change.to_string().lines().map(str::to_owned).collect::<Vec<_>>()),
        );
        lines.extend(self.data_changes.iter().flat_map(rows));
        lines.extend(self.error.iter().flat_map(error));
        lines.extend(self.cause.iter().map(|cause| format!("cause: {cause}")));
        lines.extend(self.notes.iter().map(|note| format!("note: {note}")));
        let says = self.second_opinion.iter().flatten();
        lines.extend(says.map(|says| format!("second opinion: {says} (a defect of this tool: please report it)")));
        lines.extend(self.to_prove.iter().map(|action| format!("to prove it: {}", action.text(around))));
        lines
    }
}

/// What became of a table's rows.
pub fn rows(change: &DataChange) -> Vec<String> {
    let count = |rows: Option<u64>| rows.map_or_else(|| "no table".to_owned(), |rows| format!("{rows} rows"));
    let mut lines = Vec::new();
    if change.before_rows != change.after_rows {
        let (before, after) = (count(change.before_rows), count(change.after_rows));
        lines.push(format!("~ rows of {}: {before} -> {after}", change.table));
    }
    for column in &change.columns_lost {
        let what = if column.same_count_but_different {
            format!("{} values, other ones than before", column.before_values)
        } else {
            format!("{} values -> {}", column.before_values, column.after_values)
        };
        lines.push(format!("~ values of {}.{}: {what}", change.table, column.column));
    }
    if change.is_its_own && change.is_loss() {
        lines.push("    (the revision itself makes what they stood in: every downgrade takes them along)".to_owned());
    }
    lines
}

fn error(fail: &Fail) -> Vec<String> {
    let mut lines = vec![format!("{} ({})", fail.summary, fail.kind.name())];
    lines.extend(fail.details.lines().map(|line| format!("  {line}")));
    lines
}
