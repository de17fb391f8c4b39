//! A drawing in the languages of programs that draw: Mermaid and Graphviz. Whatever ids and messages contain stays text
//! in both.

use std::collections::HashMap;

use super::{Drawing, Node};
use crate::report::table::cut;

/// How much of a message is written.
const WIDTH: usize = 60;

impl Drawing {
    /// A Mermaid flowchart. Long straight runs are folded: GitHub draws no more than 500 arrows.
    pub fn mermaid(&self) -> String {
        let folded = self.folded();
        let mut lines = vec!["flowchart BT".to_owned()];
        for (at, node) in folded.nodes.iter().enumerate() {
            let (open, close) = if node.folded.is_some() { ("([", "])") } else { ("[", "]") };
            let text: Vec<String> = node.words().iter().map(|line| for_mermaid(line)).collect();
            lines.push(format!("  r{at}{open}\"{}\"{close}{}", text.join("<br/>"), node.class()));
        }
        for (from, to, is_parent) in folded.arrows() {
            lines.push(format!("  r{from} {} r{to}", if is_parent { "-->" } else { "-.->" }));
        }
        lines.push("  classDef current stroke:#1a7f37,stroke-width:4px".to_owned());
        lines.push("  classDef head stroke-width:3px".to_owned());
        lines.push("  classDef own stroke:#8250df,stroke-dasharray:4 2".to_owned());
        lines.join("\n")
    }

    /// A graph in the language of Graphviz, whole.
    pub fn dot(&self) -> String {
        let mut lines = vec![
            format!("digraph {} {{", for_dot(&self.title)),
            "  rankdir=BT; node [shape=box, style=rounded, fontname=\"sans-serif\", fontsize=10];".to_owned(),
        ];
        for (at, node) in self.nodes.iter().enumerate() {
            let pen = if node.is_current || node.is_head { ", penwidth=3" } else { "" };
            let color = if node.is_own { ", color=purple" } else { "" };
            lines.push(format!("  r{at} [label={}{pen}{color}];", for_dot(&node.words().join("\n"))));
        }
        for (from, to, is_parent) in self.arrows() {
            lines.push(format!("  r{from} -> r{to}{};", if is_parent { "" } else { " [style=dashed]" }));
        }
        lines.push("}".to_owned());
        lines.join("\n")
    }

    /// From child to parent, by number; the last says whether it is a parent or a dependency.
    fn arrows(&self) -> Vec<(usize, usize, bool)> {
        let number: HashMap<&str, usize> =
            self.nodes.iter().enumerate().map(|(at, node)| (node.id.as_str(), at)).collect();
        let mut arrows = Vec::new();
        for (from, node) in self.nodes.iter().enumerate() {
            let parents = node.parents.iter().map(|id| (id, true));
            for (id, is_parent) in parents.chain(node.dependencies.iter().map(|id| (id, false))) {
                arrows.extend(number.get(id.as_str()).map(|to| (from, *to, is_parent)));
            }
        }
        arrows
    }
}

impl Node {
    /// Its lines in a box.
    fn words(&self) -> Vec<String> {
        let message = cut(&self.message, Some(WIDTH));
        if self.folded.is_some() {
            return vec![message];
        }
        let marks = self.marks();
        let marks = (!marks.is_empty()).then(|| marks.join(", "));
        [Some(self.id.clone()), Some(message), marks].into_iter().flatten().filter(|line| !line.is_empty()).collect()
    }

    fn class(&self) -> &'static str {
        match self {
            node if node.is_current => ":::current",
            node if node.is_head => ":::head",
            node if node.is_own => ":::own",
            _ => "",
        }
    }
}

/// Text in a Mermaid label: whatever is no letter, digit or blank is written by its number.
fn for_mermaid(text: &str) -> String {
    let one = |c: char| match c {
        c if c.is_alphanumeric() || " _.,:()/-".contains(c) => c.to_string(),
        c if c.is_control() => " ".to_owned(),
        c => format!("#{};", u32::from(c)),
    };
    text.chars().map(one).collect()
}

/// A quoted string of Graphviz.
fn for_dot(text: &str) -> String {
    let one = |c: char| match c {
        '"' | '\\' => format!("\\{c}"),
        '\n' => "\\n".to_owned(),
        c if c.is_control() => " ".to_owned(),
        c => c.to_string(),
    };
    format!("\"{}\"", text.chars().map(one).collect::<String>())
}
