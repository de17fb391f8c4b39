//! Changes a text by byte ranges, all at once. A deletion also removes blanks and a line that are empty then; line
//! breaks that other text needs stay.

use std::ops::Range;

/// Changes to a text, collected and then made at once.
pub(super) struct Edits<'a> {
    text: &'a str,
    /// The end of the opening bracket: what follows it is the first on its line.
    start: usize,
    replaced: Vec<(Range<usize>, String)>,
    deleted: Vec<Range<usize>>,
}

impl<'a> Edits<'a> {
    pub(super) fn new(text: &'a str, start: usize) -> Edits<'a> {
        Edits { text, start, replaced: Vec::new(), deleted: Vec::new() }
    }

    pub(super) fn replace(&mut self, range: Range<usize>, new: String) {
        self.replaced.push((range, new));
    }

    pub(super) fn insert(&mut self, at: usize, new: String) {
        self.replaced.push((at..at, new));
    }

    pub(super) fn delete(&mut self, range: Range<usize>) {
        self.deleted.push(range);
    }

    pub(super) fn apply(mut self) -> String {
        for run in self.runs() {
            let run = self.with_blanks(run);
            self.replaced.push((run, String::new()));
        }
        // Stable: what was put in at the same place stays in its order.
        self.replaced.sort_by_key(|(range, _)| (range.start, range.end));
        let (mut new, mut at) = (String::new(), 0);
        for (range, replacement) in &self.replaced {
            new.push_str(self.text.get(at..range.start).unwrap_or_default());
            new.push_str(replacement);
            at = at.max(range.end);
        }
        new + self.text.get(at..).unwrap_or_default()
    }

    /// Deleted tokens with nothing but blanks between them, as one each.
    fn runs(&mut self) -> Vec<Range<usize>> {
        self.deleted.sort_by_key(|range| range.start);
        let mut runs: Vec<Range<usize>> = Vec::new();
        for range in &self.deleted {
            match runs.last_mut() {
                Some(last) if self.text[last.end..range.start].chars().all(is_blank) => last.end = range.end,
                _ => runs.push(range.clone()),
            }
        }
        runs
    }

    /// A deletion with the blanks that nobody needs any more: the whole line if nothing else is on it; else those behind
    /// it at the beginning of a line, those in front of it elsewhere.
    fn with_blanks(&self, run: Range<usize>) -> Range<usize> {
        let before = self.text[self.start..run.start].trim_end_matches(is_blank).len() + self.start;
        let behind = self.text.len() - self.text[run.end..].trim_start_matches(is_blank).len();
        let is_first = before == self.start || self.text[..before].ends_with(['\n', '\r']);
        if !is_first {
            return before..run.end;
        }
        let rest = &self.text[behind..];
        let line_break =
            rest.len() - rest.strip_prefix("\r\n").or(rest.strip_prefix(['\n', '\r'])).unwrap_or(rest).len();
        let has_bracket = self.start > 0;
        if line_break == 0 || (before == self.start && has_bracket) {
            return run.start..behind;
        }
        if before == self.start {
            // The value's first line, whose indentation is not ours: the next line moves up to it.
            let next = &rest[line_break..];
            return run.start..self.text.len() - next.trim_start_matches(is_blank).len();
        }
        before..behind + line_break
    }
}

/// White space within a line.
pub(super) fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\u{c}')
}
