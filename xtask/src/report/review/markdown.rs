//! A review as a comment on a pull request. Nothing in it is more than text, whatever scripts and messages hold, and it
//! is never longer than a comment may be.

use super::Review;
use super::parts::{Block, bounded};
use crate::model::action::Around;
use crate::model::harmless::{harmless, on_a_line};
use crate::report::table::cut;

/// How many bytes the whole has at most: GitHub takes 65,536 characters.
const WHOLE: usize = 60_000;
/// How many of them are kept for the words that say what was left out.
const RESERVE: usize = 6_000;
/// How many bytes the rows of a table have.
const ROWS: usize = 15_000;
/// How many characters a text in a table or a heading has.
const CELL: usize = 200;
/// How many any other text in a line has.
const WORDS: usize = 1_000;
/// How many characters lines have together.
const LINES: usize = 6_000;
/// How many of the parts that were left out are named.
const NAMED: usize = 10;

impl Review {
    /// Under 60 kB, always; what was left out is said at its end.
    pub fn markdown(&self, around: &Around) -> String {
        let mut text = format!("## Migrations of {} since {}\n", inline(&self.component), inline(&self.base));
        let mut left_out = Vec::new();
        for part in self.parts(around) {
            let written: String = part.blocks.iter().map(|block| format!("\n{}\n", written(block))).collect();
            if text.len() + written.len() > WHOLE - RESERVE {
                left_out.push(part.name);
            } else {
                text.push_str(&written);
            }
        }
        if !left_out.is_empty() {
            let named: Vec<String> = left_out.iter().take(NAMED).map(|name| inline(&cut(name, Some(60)))).collect();
            let more = left_out.len() - named.len();
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            text.push_str(&format!(
                "\n**Left out here**, since a comment has no room for it: {}{more}. The page that `--html` writes has it.\n",
                named.join(", ")
            ));
        }
        text
    }
}

fn written(block: &Block) -> String {
    match block {
        Block::Heading(text) => format!("### {}", inline(text)),
        Block::Words(text) => words(text),
        Block::List(items) => items.iter().map(|item| format!("- {}\n", words(item))).collect(),
        Block::Fields(fields) => {
            fields.iter().map(|(name, value)| format!("- **{name}**: {}\n", words(value))).collect()
        }
        Block::Table(head, rows) => table(head, rows),
        Block::Folded(word, text) => {
            format!("<details><summary>{}</summary>\n\n{}\n\n</details>", inline(word), lines(text))
        }
        Block::Lines(text) => lines(text),
        Block::Graph(drawing) => format!("```mermaid\n{}\n```", drawing.mermaid()),
    }
}

fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
    let names: Vec<String> = head.iter().map(|name| (*name).to_owned()).collect();
    let mut text = line(&names) + &line(&vec!["---".to_owned(); head.len()]);
    for (at, row) in rows.iter().enumerate() {
        let written = line(&row.iter().map(|cell| inline(cell)).collect::<Vec<_>>());
        if text.len() + written.len() > ROWS {
            text.push_str(&format!("\n{} more rows are not shown here.", rows.len() - at));
            break;
        }
        text.push_str(&written);
    }
    text
}

fn inline(text: &str) -> String {
    plain(text, CELL)
}

fn words(text: &str) -> String {
    plain(text, WORDS)
}

/// Text in a line: no markup, no mention, no link, no reference to an issue.
fn plain(text: &str, width: usize) -> String {
    let text = cut(&on_a_line(text), Some(width));
    let one = |(at, c): (usize, char)| {
        let (before, behind) = (text[..at].chars().next_back(), text[at + c.len_utf8()..].chars().next());
        let is_inside = |it: Option<char>| it.is_some_and(char::is_alphanumeric);
        match c {
            '@' | '#' => format!("&#{};\u{200b}", u32::from(c)),
            // A list begins with a dash, a link has two slashes or `www.`; elsewhere they are only text.
            // `GH-26` is a link to an issue.
            '-' if text[..at].to_ascii_lowercase().ends_with("gh") => "-\u{200b}".to_owned(),
            '-' if at > 0 => c.to_string(),
            '/' if before != Some('/') && behind != Some('/') => c.to_string(),
            '_' if is_inside(before) && is_inside(behind) => c.to_string(),
            '.' if text[..at].to_ascii_lowercase().ends_with("www") => "&#46;".to_owned(),
            c if c.is_ascii_punctuation() && !",.():;'".contains(c) => format!("&#{};", u32::from(c)),
            c => c.to_string(),
        }
    };
    text.char_indices().map(one).collect()
}

/// Lines as they are.
fn lines(text: &str) -> String {
    let escaped = harmless(&bounded(text, LINES)).replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    format!("<pre>\n{escaped}\n</pre>")
}
