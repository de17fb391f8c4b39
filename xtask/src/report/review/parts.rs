//! The parts of a review's page, whatever the form in which they are written. Texts are as they came; the writers
//! escape them.

use std::collections::BTreeSet;

use super::{Review, Reviewed};
use crate::model::action::Around;
use crate::model::catalog::Change;
use crate::model::rules::Finding;
use crate::model::statement::{Effect, Lock, Statement, Touched};
use crate::report::drawing::Drawing;
use crate::report::findings;
use crate::report::table::count;

/// What the page cannot say, whatever it shows.
const NOT_SHOWN: [&str; 3] = [
    "Rows, locks and times are those of the throwaway database, with nobody else at work. On another one a table stays locked for \
     another time; and where a statement waits for its lock, everybody who comes later waits behind it.",
    "Locks that keep nobody from reading or writing are not listed, nor those of tables that the step itself makes; nor is what \
     a statement locks, touches or writes anew outside of a transaction.",
    "The SQL is what went through SQLAlchemy on the throwaway database: without the values of parameters, and without what a \
     script sends past it. Of a step that failed nothing is shown but the statement that failed.",
];

/// A part that is written as a whole or left out as a whole.
pub struct Part {
    /// Under which name it is missed where it is left out.
    pub name: String,
    pub blocks: Vec<Block>,
}

pub enum Block {
    Heading(String),
    Words(String),
    List(Vec<String>),
    Fields(Vec<(&'static str, String)>),
    Table(&'static [&'static str], Vec<Vec<String>>),
    /// Lines of a program's text, behind a word that opens them.
    Folded(String, String),
    /// Lines of a program's text.
    Lines(String),
    Graph(Drawing),
}

impl Review {
    /// In the order of the page; the title is not among them.
    pub fn parts(&self, around: &Around) -> Vec<Part> {
        let mut parts = vec![self.overview(), self.table(), self.checked(around)];
        parts.extend(self.revisions.iter().map(|one| one.part(around)));
        parts.extend(self.histories());
        let missing = Block::List(NOT_SHOWN.map(str::to_owned).to_vec());
        parts.push(part("what is not shown", vec![Block::Heading("Not shown".to_owned()), missing]));
        let repeat: Vec<String> = self.repeat.iter().map(|action| action.text(around)).collect();
        let again = vec![Block::Heading("To repeat it".to_owned()), Block::Lines(repeat.join("\n"))];
        parts.push(part("how to repeat it", again));
        parts
    }

    fn histories(&self) -> Option<Part> {
        let mut blocks = vec![Block::Heading("The history".to_owned())];
        blocks.extend(self.after_merge.clone().map(Block::Words));
        for (words, drawing) in &self.histories {
            blocks.extend([Block::Words(words.clone()), Block::Graph(drawing.clone())]);
        }
        (blocks.len() > 1).then(|| part("the history", blocks))
    }

    fn overview(&self) -> Part {
        let mut fields = self.about.clone();
        let mut blocks = vec![Block::Words(self.summary())];
        if let Some(report) = &self.report {
            fields.extend([("Baseline", report.baseline.clone()), ("Server", report.server.clone())]);
        }
        blocks.push(Block::Fields(fields));
        blocks.extend(self.report.iter().flat_map(|report| &report.notes).map(|note| Block::Words(note.clone())));
        part("what was looked at", blocks)
    }

    fn table(&self) -> Part {
        let row = |one: &Reviewed| {
            let path = one.revision.path.as_ref().map(|path| self.from_checkout.join(path).display().to_string());
            let path = path.unwrap_or_default();
            vec![one.revision.id.clone(), one.revision.title(), path, one.follows(), one.verdict(), one.proof()]
        };
        let head = &["Revision", "Message", "File", "Follows", "Round trip", "Proven by"];
        let rows: Vec<Vec<String>> = self.revisions.iter().map(row).collect();
        let body = match rows.is_empty() {
            true => Block::Words(format!("No file of a revision of {} came since {}.", self.component, self.base)),
            false => Block::Table(head, rows),
        };
        part("the table of revisions", vec![Block::Heading("Revisions".to_owned()), body])
    }

    fn checked(&self, around: &Around) -> Part {
        let line = |(finding, line): &(Finding, String)| {
            let finding = Finding { path: self.from_checkout.join(&finding.path), ..finding.clone() };
            findings::to_text(&finding, line, around, |_, word| word.to_owned())
        };
        let lines: Vec<String> = self.findings.iter().map(line).collect();
        let body = match lines.is_empty() {
            true => Block::Words(format!("Nothing was found in the scripts that changed since {}.", self.base)),
            false => Block::Lines(lines.join("\n\n")),
        };
        part("what db-check found", vec![Block::Heading("db-check".to_owned()), body])
    }
}

impl Reviewed {
    fn follows(&self) -> String {
        if self.parents.is_empty() { "nothing: a base".to_owned() } else { self.parents.join(", ") }
    }

    fn part(&self, around: &Around) -> Part {
        let mut blocks = vec![Block::Heading(self.revision.with_message())];
        let Some(result) = &self.result else {
            blocks.push(Block::Words("The round trip says nothing of it.".to_owned()));
            return part(&format!("the details of {}", self.revision.id), blocks);
        };
        let meaning = result.proof.map(|proof| format!("{}: {}", proof.name(), proof.meaning()));
        let proven = meaning.unwrap_or_else(|| "not proven".to_owned());
        blocks.push(Block::Fields(vec![("Round trip", self.verdict()), ("Proven by", proven)]));
        let lines = result.lines(around);
        if !lines.is_empty() {
            blocks.push(Block::Lines(lines.join("\n")));
        }
        blocks.push(made(result.made.as_deref()));
        for (step, ran) in [("upgrade", &result.ran_up), ("downgrade", &result.ran_down)] {
            blocks.push(sql(step, ran.as_deref()));
            blocks.extend(ran.iter().flat_map(|statements| touched(step, statements)));
        }
        part(&format!("the details of {}", self.revision.id), blocks)
    }
}

fn part(name: &str, blocks: Vec<Block>) -> Part {
    Part { name: name.to_owned(), blocks }
}

fn made(changes: Option<&[Change]>) -> Block {
    match changes {
        None => Block::Words("What the upgrade makes of the schema was not compared here.".to_owned()),
        Some([]) => Block::Words("The schema is the same before and after the upgrade.".to_owned()),
        Some(changes) => {
            let lines: Vec<String> = changes.iter().map(ToString::to_string).collect();
            Block::Folded("What the upgrade makes of the schema".to_owned(), lines.join("\n"))
        }
    }
}

fn sql(step: &str, statements: Option<&[Statement]>) -> Block {
    match statements {
        None => Block::Words(format!("No {step} of it went through here: there is no SQL of it.")),
        Some([]) => Block::Words(format!("The {step} sent nothing through SQLAlchemy.")),
        Some(statements) => {
            let lines: Vec<&str> = statements.iter().map(|statement| statement.sql.trim()).collect();
            Block::Folded(format!("SQL of the {step}: {}", count(lines.len(), "statement")), lines.join(";\n\n"))
        }
    }
}

/// What a step does to tables, one line for each.
fn touched(step: &str, statements: &[Statement]) -> Vec<Block> {
    let unseen = Statement::unseen(statements);
    let all = Effect::of_all(statements);
    let locks = || all.locks.iter().filter(|lock| !lock.mode.stops().is_empty());
    let tables: BTreeSet<&String> =
        all.rows.iter().map(|it| &it.table).chain(locks().map(|it| &it.table)).chain(&all.rewritten).collect();
    let row = |table: &&String| {
        let rows = all.rows.iter().find(|it| it.table == **table).map(Touched::words).unwrap_or_default();
        let lock = locks().find(|lock| lock.table == **table);
        let locked = |lock: &Lock| {
            let (mode, held, stops) = (lock.mode.name(), duration(lock.held), lock.mode.stops());
            format!("{mode}, held {held}: it stops {stops}")
        };
        let anew = if all.rewritten.contains(table) { "all of it" } else { "" };
        vec![(*table).clone(), rows, lock.map(locked).unwrap_or_default(), anew.to_owned()]
    };
    let head = &["Table", "Rows", "Lock", "Written anew"];
    let mut blocks = Vec::new();
    if !tables.is_empty() {
        blocks.push(Block::Words(format!("What the {step} does to tables:")));
        blocks.push(Block::Table(head, tables.iter().map(row).collect()));
    } else if unseen == 0 && !statements.is_empty() {
        let words =
            format!("No statement of the {step} touches rows, or keeps anybody from a table that was there before.");
        blocks.push(Block::Words(words));
    }
    if unseen > 0 {
        let what = count(unseen, "statement");
        blocks.push(Block::Words(format!("What {what} of the {step} did to tables could not be seen.")));
    }
    blocks
}

/// `34 ms`, `2.5 s`.
fn duration(seconds: f64) -> String {
    if seconds < 1.0 { format!("{:.0} ms", seconds * 1000.0) } else { format!("{seconds:.1} s") }
}

/// A text of that many characters at most, with words for what is not shown.
pub fn bounded(text: &str, limit: usize) -> String {
    match text.char_indices().nth(limit) {
        None => text.to_owned(),
        Some((at, _)) => {
            let (shown, rest) = text.split_at(at);
            format!("{shown}\n… {} more characters are not shown here", rest.chars().count())
        }
    }
}
