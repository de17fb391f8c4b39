//! Histories for unit tests, written as text: one revision a line, oldest first or in any order.
//!
//! `id < parent parent | dependency [label]`, for example `c3 < b1 b2 | d4 [billing]`.

use std::path::PathBuf;

use super::graph::Graph;
use super::revision::{Script, Spans};

/// The scripts of a history; line `n` is line `n` of `v/ID.py`.
pub fn scripts(text: &str) -> Vec<Script> {
    text.split(['\n', ';']).filter(|line| !line.trim().is_empty()).map(script).collect()
}

/// The graph of a sound history.
pub fn graph(text: &str) -> Graph {
    Graph::build(scripts(text)).unwrap_or_else(|problems| panic!("{problems:?}\n{text}"))
}

fn script(line: &str) -> Script {
    let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    let (line, labels) = line.split_once('[').unwrap_or((line, ""));
    let (line, depends_on) = line.split_once('|').unwrap_or((line, ""));
    let (id, down) = line.split_once('<').unwrap_or((line, ""));
    Script {
        path: PathBuf::from(format!("v/{}.py", id.trim())),
        id: id.trim().to_owned(),
        down: words(down),
        depends_on: words(depends_on),
        branch_labels: words(labels.trim_end_matches(']')),
        message: String::new(),
        unread: Vec::new(),
        spans: Spans::default(),
        line: 1,
        down_line: 2,
    }
}
