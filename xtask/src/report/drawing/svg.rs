//! A drawing as a picture: one SVG file that loads nothing, light or dark as its reader's system is. Long straight runs
//! are folded. The layout is the one of the terminal (renderdag's), so that both show the same lanes.

use renderdag::pipeline::GraphRowShaper;
use renderdag::pipeline::types::GraphRowShape;
use renderdag::{LinkLine, NodeLine, PadLine};
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::{Drawing, Node};
use crate::model::harmless::on_a_line;
use crate::model::roundtrip::Verdict;
use crate::report::table::{count, cut};
use crate::report::xml::escaped;

/// How high a row is: its node, and what leads to the next one.
const NODE: usize = 16;
const LINK: usize = 12;
const ROW: usize = NODE + LINK;
/// How wide a lane is.
const LANE: usize = 20;
const TOP: usize = 70;
const LEFT: usize = 24;
/// How many characters of a message are shown; all of it, as far as it is sane, shows when one points at it.
const WIDTH: usize = 72;
const POINTED_AT: usize = 1000;
/// About how wide a character is in words of our own.
const LETTER: usize = 8;

/// About how many pixels a text takes, in no font that a reader may have.
fn pixels(text: &str) -> usize {
    let one = |c: char| match c {
        'm' | 'w' | 'M' | 'W' | '@' | '%' | '—' => 12,
        'i' | 'j' | 'l' | 't' | 'f' | 'r' | ' ' | '.' | ',' | ':' | ';' | '\'' | '|' | '(' | ')' => 6,
        c => 8 * c.width().unwrap_or(0),
    };
    text.chars().map(one).sum()
}

const STYLE: &str = "
:root { color-scheme: light dark }
svg { --paper: #fff; --ink: #1f2328; --soft: #59636e; --line: #8c959f; --mark: #ddf4ff; --good: #116329; --bad: #cf222e;
  --warn: #7d4e00; --own: #8250df; --s0: #0969da; --s1: #bc4c00; --s2: #1a7f37; --s3: #bf3989; --s4: #4d2d00; --s5: #0a6c74 }
@media (prefers-color-scheme: dark) {
  svg { --paper: #0d1117; --ink: #e6edf3; --soft: #9198a1; --line: #6e7681; --mark: #12324f; --good: #3fb950; --bad: #ff7b72;
    --warn: #d29922; --own: #a371f7; --s0: #58a6ff; --s1: #f0883e; --s2: #56d364; --s3: #f778ba; --s4: #e3b341; --s5: #39c5cf }
}
.paper { fill: var(--paper) }
text { font: 13px system-ui, sans-serif; fill: var(--ink) }
.id { font: 12px ui-monospace, monospace } .soft, .soft text { fill: var(--soft) } .title { font-size: 16px; font-weight: 600 }
.edge { fill: none; stroke: var(--line); stroke-width: 1.6 } .on { stroke-dasharray: 3 3 }
.node { fill: var(--paper); stroke: var(--ink); stroke-width: 1.6 } .released { fill: var(--line); stroke: var(--line) }
.own { fill: var(--paper); stroke: var(--own); stroke-width: 2.4 } .current { stroke: var(--good); stroke-width: 3.4 }
.tag { fill: var(--mark) } .good { fill: var(--good) } .bad { fill: var(--bad) } .warn { fill: var(--warn) }
";

impl Drawing {
    /// The whole file.
    pub fn svg(&self) -> String {
        self.named("history-title", " xmlns=\"http://www.w3.org/2000/svg\"")
    }

    /// A part of a page, which may have several, each with an id of its own: one that scrolls where there is no room for it.
    pub fn figure(&self, id: &str) -> String {
        let name = self.name();
        format!(
            "<div class=\"graph\" tabindex=\"0\" role=\"group\" aria-label=\"{name}\">\n{}</div>\n",
            self.named(id, "")
        )
    }

    /// The title as it may stand in a picture.
    fn name(&self) -> String {
        escaped(&cut(&on_a_line(&self.title), Some(POINTED_AT)))
    }

    /// One file of several, one below the other.
    pub fn stacked(drawings: &[Drawing]) -> String {
        let sizes: Vec<(usize, usize)> = drawings.iter().map(|it| it.folded().size()).collect();
        let width = sizes.iter().map(|size| size.0).max().unwrap_or(0);
        let height: usize = sizes.iter().map(|size| size.1).sum();
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\">\n"
        );
        let mut y = 0;
        for (at, (drawing, size)) in drawings.iter().zip(&sizes).enumerate() {
            svg.push_str(&drawing.named(&format!("history-{at}"), &format!(" y=\"{y}\"")));
            y += size.1;
        }
        svg.push_str("</svg>\n");
        svg
    }

    /// Width and height in pixels, of one that is folded.
    fn size(&self) -> (usize, usize) {
        let widest = self.nodes.iter().map(Node::text_width).max().unwrap_or(0);
        ((text_at(&self.rows()) + widest + 24).max(520), TOP + self.nodes.len() * ROW + 16)
    }

    fn rows(&self) -> Vec<GraphRowShape<usize>> {
        let mut shaper = GraphRowShaper::new();
        self.links().into_iter().enumerate().map(|(at, links)| shaper.next_row_shape(at, links)).collect()
    }

    fn named(&self, id: &str, attributes: &str) -> String {
        let folded = self.folded();
        let rows = folded.rows();
        let (text_at, (width, height)) = (text_at(&rows), folded.size());
        let name = self.name();
        let mut svg = format!(
            "<svg{attributes} viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\" \
             role=\"img\" aria-labelledby=\"{id}\">\n<title id=\"{id}\">{name}: {}</title>\n\
             <style>{STYLE}</style>\n<rect class=\"paper\" width=\"{width}\" height=\"{height}\"/>\n",
            count(self.revisions, "revision")
        );
        svg.push_str(&folded.headline(self.revisions));
        for (at, (row, node)) in rows.iter().zip(&folded.nodes).enumerate() {
            let y = TOP + at * ROW;
            svg.push_str(&edges(row, y));
            svg.push_str(&node.drawn(middle(row.node_column), y + NODE / 2, text_at));
        }
        svg.push_str("</svg>\n");
        svg
    }

    /// The title, and what the signs mean.
    fn headline(&self, revisions: usize) -> String {
        let heads = self.nodes.iter().filter(|node| node.is_head).count();
        let title = format!("{}: {}, {}", self.name(), count(revisions, "revision"), count(heads, "head"));
        let mut svg = format!("<text class=\"title\" x=\"{LEFT}\" y=\"28\">{title}</text>\n");
        let mut x = LEFT;
        type Sign = (&'static str, &'static str, fn(&Node) -> bool);
        let signs: [Sign; 4] = [
            ("node current", "current", |node| node.is_current),
            ("node own", "own, not released", |node| node.is_own),
            ("node released", "revision", |node| !node.is_own && node.folded.is_none()),
            ("", "⋮ folded run", |node| node.folded.is_some()),
        ];
        for (class, word, _) in signs.into_iter().filter(|(_, _, is)| self.nodes.iter().any(is)) {
            if !class.is_empty() {
                svg.push_str(&format!("<circle class=\"{class}\" cx=\"{}\" cy=\"48\" r=\"5\"/>", x + 5));
                x += 16;
            }
            svg.push_str(&format!("<text class=\"soft\" x=\"{x}\" y=\"52\">{word}</text>\n"));
            x += word.width() * LETTER + 20;
        }
        svg
    }
}

/// Where the texts begin, behind all lanes.
fn text_at(rows: &[GraphRowShape<usize>]) -> usize {
    let lanes = rows.iter().map(|row| row.node_line.len().max(row.ancestry_line.len())).max().unwrap_or(1);
    middle(lanes) + 8
}

fn middle(lane: usize) -> usize {
    LEFT + lane * LANE
}

fn line(path: &str, is_dependency: bool) -> String {
    let class = if is_dependency { "edge on" } else { "edge" };
    format!("<path class=\"{class}\" d=\"{path}\"/>\n")
}

/// What leads past a node, from it and to the next row.
fn edges(row: &GraphRowShape<usize>, y: usize) -> String {
    let mut svg = String::new();
    for (lane, what) in row.node_line.iter().enumerate() {
        let x = middle(lane);
        let (from, to) = match what {
            NodeLine::Blank => continue,
            NodeLine::Parent | NodeLine::Ancestor => (y, y + NODE),
            NodeLine::Node if row.is_head && row.is_root => continue,
            NodeLine::Node if row.is_head => (y + NODE / 2, y + NODE),
            NodeLine::Node if row.is_root => (y, y + NODE / 2),
            NodeLine::Node => (y, y + NODE),
        };
        svg.push_str(&line(&format!("M{x} {from}V{to}"), *what == NodeLine::Ancestor));
    }
    let y = y + NODE;
    match &row.link_line {
        Some(cells) => cells.iter().enumerate().for_each(|(lane, cell)| svg.push_str(&link(*cell, middle(lane), y))),
        None => {
            for (lane, what) in row.ancestry_line.iter().enumerate().filter(|(_, what)| **what != PadLine::Blank) {
                svg.push_str(&line(&format!("M{} {y}v{LINK}", middle(lane)), *what == PadLine::Ancestor));
            }
        }
    }
    // A line that goes on where nothing is drawn any more.
    for (lane, ends) in row.term_line.iter().flatten().enumerate() {
        if *ends {
            svg.push_str(&format!("<text class=\"soft\" x=\"{}\" y=\"{}\">⋮</text>\n", middle(lane) - 2, y + LINK));
        }
    }
    svg
}

/// One lane's part of the way to the next row: straight down, across, and quarter turns.
fn link(cell: LinkLine, x: usize, y: usize) -> String {
    let (half, turn, bottom) = (LANE / 2, y + LINK / 2, y + LINK);
    let (left, right) = (x - half, x + half);
    let parts = [
        (LinkLine::VERT_PARENT, LinkLine::VERT_ANCESTOR, format!("M{x} {y}V{bottom}")),
        (LinkLine::HORIZ_PARENT, LinkLine::HORIZ_ANCESTOR, format!("M{left} {turn}H{right}")),
        (LinkLine::LEFT_FORK_PARENT, LinkLine::LEFT_FORK_ANCESTOR, format!("M{left} {turn}Q{x} {turn} {x} {bottom}")),
        (
            LinkLine::RIGHT_FORK_PARENT,
            LinkLine::RIGHT_FORK_ANCESTOR,
            format!("M{right} {turn}Q{x} {turn} {x} {bottom}"),
        ),
        (LinkLine::LEFT_MERGE_PARENT, LinkLine::LEFT_MERGE_ANCESTOR, format!("M{x} {y}Q{x} {turn} {left} {turn}")),
        (LinkLine::RIGHT_MERGE_PARENT, LinkLine::RIGHT_MERGE_ANCESTOR, format!("M{x} {y}Q{x} {turn} {right} {turn}")),
    ];
    let drawn = parts.iter().filter(|(parent, ancestor, _)| cell.intersects(*parent | *ancestor));
    drawn.map(|(parent, _, path)| line(path, !cell.intersects(*parent))).collect()
}

impl Node {
    /// About how many pixels its text is wide.
    fn text_width(&self) -> usize {
        let marks: usize = self.marks().iter().map(|mark| pixels(mark) + 16).sum();
        let shown = |text: &str| pixels(&cut(text, Some(WIDTH)));
        let by = if self.by().is_empty() { 0 } else { shown(&self.by()) + 24 };
        cut(&self.id, Some(WIDTH)).width() * LETTER + marks + shown(&self.message) + by + 16
    }

    fn drawn(&self, x: usize, y: usize, text_at: usize) -> String {
        let pointed_at = format!("{} {}", self.id, cut(&self.message, Some(POINTED_AT)));
        let mut svg = format!("<g><title>{}</title>\n", escaped(&pointed_at));
        if self.folded.is_some() {
            svg.push_str(&format!(
                "<rect class=\"node\" x=\"{}\" y=\"{}\" width=\"8\" height=\"12\" rx=\"2\"/>",
                x - 4,
                y - 6
            ));
            svg.push_str(&format!(
                "<text class=\"soft\" x=\"{text_at}\" y=\"{}\">⋮ {}</text></g>\n",
                y + 4,
                escaped(&self.message)
            ));
            return svg;
        }
        svg.push_str(&self.shape(x, y));
        let mut at = text_at;
        let id = cut(&self.id, Some(WIDTH));
        let color = self.side.map(|side| format!(" style=\"fill: var(--s{})\"", side % 6)).unwrap_or_default();
        svg.push_str(&format!("<text class=\"id\" x=\"{at}\" y=\"{}\"{color}>{}</text>\n", y + 4, escaped(&id)));
        at += id.width() * LETTER + 8;
        for mark in self.marks() {
            let wide = pixels(&mark);
            let class = self.verdict.filter(|verdict| verdict.name() == mark).map_or("", Verdict::tone);
            svg.push_str(&format!(
                "<rect class=\"tag\" x=\"{at}\" y=\"{}\" width=\"{}\" height=\"18\" rx=\"9\"/>",
                y - 9,
                wide + 10
            ));
            svg.push_str(&format!(
                "<text class=\"{class}\" text-anchor=\"middle\" x=\"{}\" y=\"{}\">{}</text>\n",
                at + (wide + 10) / 2,
                y + 4,
                escaped(&mark)
            ));
            at += wide + 16;
        }
        let by = cut(&self.by(), Some(WIDTH));
        let by = if by.is_empty() { by } else { format!("<tspan class=\"soft\"> — {}</tspan>", escaped(&by)) };
        let message = escaped(&cut(&self.message, Some(WIDTH)));
        svg.push_str(&format!("<text x=\"{at}\" y=\"{}\">{message}{by}</text></g>\n", y + 4));
        svg
    }

    fn shape(&self, x: usize, y: usize) -> String {
        let kind = if self.is_own { "own" } else { "released" };
        let current = if self.is_current { " current" } else { "" };
        let color = match self.side {
            Some(side) if !self.is_own => format!(" style=\"fill: var(--s{})\"", side % 6),
            _ => String::new(),
        };
        let class = format!("class=\"node {kind}{current}\"{color}");
        if self.is_merge_point {
            return format!("<path {class} d=\"M{x} {}l6 6l-6 6l-6 -6z\"/>\n", y - 6);
        }
        if self.is_base {
            return format!("<rect {class} x=\"{}\" y=\"{}\" width=\"10\" height=\"10\"/>\n", x - 5, y - 5);
        }
        let radius = if self.is_head { 7 } else { 5 };
        format!("<circle {class} cx=\"{x}\" cy=\"{y}\" r=\"{radius}\"/>\n")
    }
}
