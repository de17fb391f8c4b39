//! A review as one HTML page that has no script and loads nothing.

use super::Review;
use super::parts::{Block, bounded};
use crate::model::action::Around;
use crate::model::harmless::{harmless, on_a_line};
use crate::report::roundtrip::STYLE;
use crate::report::table::cut;
use crate::report::xml::escaped;

/// How many characters a text in a line has.
const CELL: usize = 1_000;
/// How many characters lines have together.
const LINES: usize = 100_000;

impl Review {
    /// The whole page.
    pub fn html(&self, around: &Around) -> String {
        let title = format!("Migrations of {} since {}", inline(&self.component), inline(&self.base));
        let parts: String = self
            .parts(around)
            .iter()
            .flat_map(|part| &part.blocks)
            .enumerate()
            .map(|(at, it)| html_of(at, it))
            .collect();
        format!(
            "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width\">\n<title>{title}</title>\n<style>{STYLE}</style>\n\
             <main>\n<h1>{title}</h1>\n{parts}</main>\n</html>\n"
        )
    }
}

/// A block; `at` is its number on the page.
fn html_of(at: usize, block: &Block) -> String {
    match block {
        Block::Heading(text) => format!("<h2>{}</h2>\n", inline(text)),
        Block::Words(text) => format!("<p>{}</p>\n", inline(text)),
        Block::List(items) => {
            let items: String = items.iter().map(|item| format!("<li>{}</li>", inline(item))).collect();
            format!("<ul>{items}</ul>\n")
        }
        Block::Fields(fields) => {
            let line = |(name, value): &(_, String)| format!("<dt>{name}</dt><dd>{}</dd>", inline(value));
            format!("<dl>{}</dl>\n", fields.iter().map(line).collect::<String>())
        }
        Block::Table(head, rows) => table(head, rows),
        Block::Folded(word, text) => {
            format!("<details><summary>{}</summary>{}</details>\n", inline(word), lines(text))
        }
        Block::Lines(text) => lines(text),
        Block::Graph(drawing) => drawing.figure(&format!("graph-{at}")),
    }
}

/// A narrow window shows a row's cells below one another, and no head: each cell holds its column's name for that.
fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    let columns: String = head.iter().map(|name| format!("<th scope=\"col\">{name}</th>")).collect();
    let cell = |(name, cell): (&&str, &String)| format!("<td data-column=\"{name}\">{}</td>", inline(cell));
    let row = |row: &Vec<String>| format!("<tr>{}</tr>\n", head.iter().zip(row).map(cell).collect::<String>());
    let rows: String = rows.iter().map(row).collect();
    format!("<table><thead><tr>{columns}</tr></thead>\n<tbody>\n{rows}</tbody></table>\n")
}

fn inline(text: &str) -> String {
    escaped(&cut(&on_a_line(text), Some(CELL)))
}

fn lines(text: &str) -> String {
    let shown: Vec<String> =
        harmless(&bounded(text, LINES)).lines().map(|line| escaped(&line.replace('\t', "    "))).collect();
    format!("<pre>{}</pre>\n", shown.join("\n"))
}
