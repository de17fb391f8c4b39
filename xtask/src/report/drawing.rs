//! A history as it is drawn: its revisions with all that a drawing tells of them. `text.rs` draws it for a terminal,
//! `svg.rs` as a picture, `languages.rs` writes it for programs that draw; `fold.rs` makes long straight runs short first.

mod fold;
mod languages;
mod svg;
mod text;

#[cfg(test)]
mod tests;

use std::collections::{HashMap, HashSet};

use renderdag::Ancestor;

use crate::model::graph::{Graph, Links};
use crate::model::harmless::on_a_line;
use crate::model::revision::one_line;
use crate::model::roundtrip::Verdict;
use crate::report::table::cut;

pub use text::Look;

/// How much of a message is drawn, however much room there is.
const MESSAGE: usize = 1000;

/// What is known of revisions besides their scripts, by id.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// The rows of the version table; `None` where the database was not asked.
    pub current: Option<Vec<String>>,
    /// What is one's own and not released; `None` where nobody can tell.
    pub own: Option<HashSet<String>>,
    /// Who added each, and on which day.
    pub added: HashMap<String, (String, String)>,
    /// What a round trip found.
    pub verdicts: HashMap<String, Verdict>,
}

/// The revisions of a drawing, newest first.
#[derive(Clone, Debug, Default)]
pub struct Drawing {
    pub title: String,
    pub nodes: Vec<Node>,
    /// How many revisions it stands for.
    pub revisions: usize,
}

/// A revision, or a run of revisions that is drawn as one.
#[derive(Clone, Debug, Default)]
pub struct Node {
    pub id: String,
    /// The message on one line.
    pub message: String,
    pub parents: Vec<String>,
    /// What it depends on besides.
    pub dependencies: Vec<String>,
    pub labels: Vec<String>,
    pub is_current: bool,
    pub is_head: bool,
    pub is_base: bool,
    pub is_branch_point: bool,
    pub is_merge_point: bool,
    pub is_own: bool,
    /// Where there are several heads: the number of the only head that has this one below it.
    pub side: Option<usize>,
    pub added: Option<(String, String)>,
    pub verdict: Option<Verdict>,
    /// How many revisions are folded into this one, and the oldest of them.
    pub folded: Option<(usize, String)>,
}

impl Drawing {
    /// Of these revisions, which come newest first.
    pub fn new(graph: &Graph, ids: &[&str], title: impl Into<String>, known: &Known) -> Drawing {
        let sides = sides(graph);
        let node = |id: &&str| node(graph, id, known, &sides);
        Drawing { title: title.into(), nodes: ids.iter().map(node).collect(), revisions: ids.len() }
    }

    /// A history before and after something: these revisions, and what they stand on in either.
    pub fn pair(graphs: [&Graph; 2], about: &HashSet<&str>, title: &str, known: &Known) -> [Drawing; 2] {
        let below: HashSet<&str> =
            graphs.iter().flat_map(|graph| about.iter().flat_map(|id| graph.parents(id))).collect();
        graphs.map(|graph| {
            let ids = graph.scripts().map(|script| script.id.as_str());
            let ids: Vec<&str> = ids.filter(|id| about.contains(id) || below.contains(id)).collect();
            Drawing::new(graph, &ids, title, known)
        })
    }

    /// A merge revision on top that no file has yet.
    pub fn join(&mut self, id: &str, parents: &[String]) {
        let node = Node {
            id: id.to_owned(),
            parents: parents.to_vec(),
            is_head: true,
            is_merge_point: true,
            is_own: true,
            ..Node::default()
        };
        self.nodes.iter_mut().for_each(|node| (node.is_head, node.side) = (false, None));
        self.nodes.insert(0, node);
        self.revisions += 1;
    }

    /// For each node the nodes that it leads to, as the layout wants them: by number, and one that stands for all that are
    /// not drawn.
    fn links(&self) -> Vec<Vec<Ancestor<usize>>> {
        let number: HashMap<&str, usize> =
            self.nodes.iter().enumerate().map(|(at, node)| (node.id.as_str(), at)).collect();
        let of = |node: &Node| {
            let parents = node.parents.iter().filter_map(|id| number.get(id.as_str())).map(|at| Ancestor::Parent(*at));
            let on =
                node.dependencies.iter().filter_map(|id| number.get(id.as_str())).map(|at| Ancestor::Ancestor(*at));
            let goes_on = node.parents.iter().any(|id| !number.contains_key(id.as_str()));
            parents.chain(on).chain(goes_on.then_some(Ancestor::Anonymous)).collect()
        };
        self.nodes.iter().map(of).collect()
    }
}

fn node(graph: &Graph, id: &str, known: &Known, sides: &HashMap<String, usize>) -> Node {
    let owned = |ids: Vec<&str>| -> Vec<String> { ids.into_iter().map(str::to_owned).collect() };
    let script = graph.get(id);
    let parents = owned(graph.parents(id));
    let dependencies = owned(graph.dependencies(id)).into_iter().filter(|id| !parents.contains(id)).collect();
    Node {
        id: id.to_owned(),
        message: script.map(|script| cut(&on_a_line(&one_line(&script.message)), Some(MESSAGE))).unwrap_or_default(),
        dependencies,
        labels: script.map(|script| script.branch_labels.clone()).unwrap_or_default(),
        is_current: known.current.as_ref().is_some_and(|current| current.iter().any(|row| row == id)),
        is_head: graph.is_head(id),
        is_base: graph.is_base(id),
        is_branch_point: graph.is_branch_point(id),
        is_merge_point: graph.is_merge_point(id),
        is_own: known.own.as_ref().is_some_and(|own| own.contains(id)),
        side: sides.get(id).copied(),
        added: known.added.get(id).cloned(),
        verdict: known.verdicts.get(id).copied(),
        folded: None,
        parents,
    }
}

/// The revisions that only one of several heads has below it, with that head's number.
fn sides(graph: &Graph) -> HashMap<String, usize> {
    let heads = graph.heads();
    let mut sides: HashMap<String, Option<usize>> = HashMap::new();
    for (number, head) in heads.iter().enumerate().filter(|_| heads.len() > 1) {
        for id in graph.ancestors(&[head], Links::Parents) {
            sides.entry(id.to_owned()).and_modify(|side| *side = None).or_insert(Some(number));
        }
    }
    sides.into_iter().filter_map(|(id, side)| Some((id, side?))).collect()
}

impl Node {
    /// What is to be said of it in brackets, in Alembic's words and order.
    pub fn marks(&self) -> Vec<String> {
        let labels = (!self.labels.is_empty()).then(|| self.labels.join(", "));
        let words = [
            (self.is_head, "head"),
            (self.is_branch_point, "branchpoint"),
            (self.is_merge_point, "mergepoint"),
            (self.is_current, "current"),
            (self.is_own, "own"),
        ];
        let words = words.into_iter().filter(|(is, _)| *is).map(|(_, word)| word.to_owned());
        let verdict = self.verdict.map(|verdict| verdict.name().to_owned());
        labels.into_iter().chain(words).chain(verdict).collect()
    }

    /// Who added it, and when.
    fn by(&self) -> String {
        self.added.as_ref().map(|(author, day)| format!("{}, {day}", on_a_line(author))).unwrap_or_default()
    }
}
