//! A drawing for a terminal: a line for each revision, before it the branches where they are wanted. The layout is
//! renderdag's, which draws the histories of Sapling and Jujutsu.

use renderdag::pipeline::{Ascii, GraphTextRenderer};
use unicode_width::UnicodeWidthStr;

use super::{Drawing, Node};
use crate::model::harmless::on_a_line;
use crate::report::table::cut;

/// How a drawing looks on a terminal.
#[derive(Clone, Copy, Debug, Default)]
pub struct Look {
    /// No line-drawing characters.
    pub plain: bool,
    /// Lines are cut off here.
    pub width: Option<usize>,
}

/// A sign, the same without line-drawing characters, and what it means. The first that fits is drawn.
type Sign = (&'static str, &'static str, &'static str, fn(&Node) -> bool);

const SIGNS: [Sign; 6] = [
    ("◉", "@", "current", |node| node.is_current),
    ("●", "#", "head", |node| node.is_head),
    ("◆", "M", "merge point", |node| node.is_merge_point),
    ("◇", "Y", "branch point", |node| node.is_branch_point),
    ("■", "=", "base", |node| node.is_base),
    ("○", "o", "", |_| true),
];

impl Drawing {
    /// A line for each revision. `paint` colours an id.
    pub fn list(&self, look: Look, paint: &dyn Fn(&Node, &str) -> String) -> String {
        let line = |node: &Node| {
            let parents: Vec<String> = node.parents.iter().map(|id| on_a_line(id).into_owned()).collect();
            let from = if parents.is_empty() { "<base>".to_owned() } else { parents.join(", ") };
            let before = format!("{} {from} -> ", node.sign(look.plain));
            painted(node, &before, look, paint)
        };
        self.nodes.iter().map(line).chain(self.legend(look)).collect::<Vec<_>>().join("\n")
    }

    /// The same with the branches drawn.
    pub fn graph(&self, look: Look, paint: &dyn Fn(&Node, &str) -> String) -> String {
        let renderer = if look.plain { GraphTextRenderer::new::<Ascii>() } else { GraphTextRenderer::default() };
        let mut renderer = renderer.configure(|options| options.min_row_height = 1);
        let mut lines = Vec::new();
        for ((at, node), links) in self.nodes.iter().enumerate().zip(self.links()) {
            // The message comes behind the graph, whose width nobody knows before: the mark is put for it.
            let drawn = renderer.next_text(at, links, node.sign(look.plain), MARK);
            for line in drawn.lines() {
                lines.push(match line.split_once(MARK) {
                    Some((before, _)) => painted(node, before, look, paint),
                    None => cut(line, look.width),
                });
            }
        }
        lines.into_iter().chain(self.legend(look)).collect::<Vec<_>>().join("\n")
    }

    /// What the signs mean that are not told apart by a glance.
    fn legend(&self, look: Look) -> Option<String> {
        let used = |sign: &&Sign| !sign.2.is_empty() && self.nodes.iter().any(|node| node.kind().2 == sign.2);
        let word = |sign: &Sign| format!("{} {}", if look.plain { sign.1 } else { sign.0 }, sign.2);
        let words: Vec<String> = SIGNS.iter().filter(used).map(word).collect();
        (!words.is_empty()).then(|| format!("\n{}", cut(&words.join("   "), look.width)))
    }
}

/// No message holds it: control characters do not stay in one.
const MARK: &str = "\u{1}";

/// The node's line, with its id in colour where it was not cut off.
fn painted(node: &Node, before: &str, look: Look, paint: &dyn Fn(&Node, &str) -> String) -> String {
    let (line, id) = (node.line(before, look), on_a_line(&node.id));
    match line.strip_prefix(before).and_then(|rest| rest.strip_prefix(&*id)) {
        Some(rest) => format!("{before}{}{rest}", paint(node, &id)),
        None => line,
    }
}

impl Node {
    fn kind(&self) -> &'static Sign {
        SIGNS.iter().find(|sign| (sign.3)(self)).unwrap_or(&SIGNS[5])
    }

    fn sign(&self, plain: bool) -> &'static str {
        let sign = self.kind();
        if plain { sign.1 } else { sign.0 }
    }

    /// Everything about it behind what stands before it. Where there is no room, who and when go first.
    fn line(&self, before: &str, look: Look) -> String {
        let marks: String = self.marks().iter().map(|mark| format!(" ({})", on_a_line(mark))).collect();
        let message = if self.message.is_empty() { String::new() } else { format!(", {}", self.message) };
        let line = format!("{before}{}{marks}{message}", on_a_line(&self.id));
        let by = self.by();
        let whole = format!("{line} — {by}");
        let whole = if look.plain { whole.replacen(" — ", " -- ", 1) } else { whole };
        let fits = look.width.is_none_or(|width| whole.width() <= width);
        if !by.is_empty() && fits { whole } else { cut(&line, look.width) }
    }
}
