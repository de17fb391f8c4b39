//! Judges the past of a history, commit by commit of a main line: how many heads it had, which ids vanished, which
//! revisions were put below older ones, which scripts were edited, what the rules find in each commit, and which
//! findings a later commit repaired.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::graph::{Graph, Links};
use super::revision::{self, Script, Unreadable};
use super::rules::{self, Change, Check, Context, Finding, Levels, Past, Release, Source};

/// What a script's file held at some time, read once.
pub struct Text {
    text: String,
    header: Result<Script, Unreadable>,
}

impl Text {
    pub fn read(path: &Path, bytes: &[u8]) -> Text {
        let text = String::from_utf8_lossy(bytes).into_owned();
        Text { header: revision::read(path, &text), text }
    }

    fn id(&self) -> Option<&str> {
        self.header.as_ref().ok().map(|script| script.id.as_str())
    }
}

/// A commit, as it is told.
#[derive(Clone, Debug, Default)]
pub struct Commit {
    pub id: String,
    /// Seconds since 1970.
    pub time: u64,
    pub subject: String,
}

/// What a commit did.
#[derive(Clone, Debug, Default)]
pub struct Event {
    pub commit: Commit,
    /// How many revisions there were after it.
    pub revisions: usize,
    pub heads: Vec<String>,
    /// Ids that were there before and are no more.
    pub vanished: Vec<String>,
    /// Revisions that since stand below one that was there before and did not stand on them.
    pub put_below: Vec<String>,
    /// Scripts that were there before and say something else.
    pub edited: Vec<PathBuf>,
    pub findings: Vec<Told>,
}

/// A finding, and the commit that put it right.
#[derive(Clone, Debug)]
pub struct Told {
    pub finding: Finding,
    pub repaired: Option<Commit>,
}

/// What is about one commit and not about the state that it leaves: it is not repaired by the next one.
const EVENTS: [&str; 3] = ["DB301", "DB302", "DB303"];

/// Goes through the past, from the state before its first commit.
pub struct Hindsight<'a> {
    component: String,
    levels: &'a Levels,
    files: BTreeMap<PathBuf, Arc<Text>>,
    graph: Option<Graph>,
    /// What stands now, and where it was told; `None`: it stood before the first commit.
    standing: Vec<(Finding, Option<(usize, usize)>)>,
    pub events: Vec<Event>,
}

impl<'a> Hindsight<'a> {
    pub fn new(component: &str, levels: &'a Levels, files: BTreeMap<PathBuf, Arc<Text>>) -> Hindsight<'a> {
        let component = component.to_owned();
        let mut past = Hindsight { component, levels, files, graph: None, standing: Vec::new(), events: Vec::new() };
        let context = past.context(&BTreeSet::new(), &|_| true);
        past.standing = rules::check(&context, levels).into_iter().map(|finding| (finding, None)).collect();
        past.graph = context.graph.ok();
        past
    }

    /// The heads, also of a history that is not sound.
    pub fn heads(&self) -> Vec<String> {
        heads(&self.files)
    }

    /// A commit's changes: each path with what it holds since, or `None` where it is gone.
    pub fn step(&mut self, commit: Commit, parent: &str, changes: Vec<(PathBuf, Option<Arc<Text>>)>) {
        let before = self.files.clone();
        for (path, text) in changes {
            match text {
                Some(text) => self.files.insert(path, text),
                None => self.files.remove(&path),
            };
        }
        let is_other = |path: &&PathBuf| !matches!((before.get(*path), self.files.get(*path)), (Some(old), Some(new)) if Arc::ptr_eq(old, new));
        let touched: BTreeSet<PathBuf> = before.keys().chain(self.files.keys()).filter(is_other).cloned().collect();
        let mut context = self.context(&touched, &|path| before.contains_key(path));
        context.past = Some(Past {
            main: "the main line".to_owned(),
            base: parent.to_owned(),
            changes: touched.iter().filter_map(|path| self.change(&before, path)).collect(),
            merged: None,
        });
        let found = rules::check(&context, self.levels);
        let graph = context.graph.ok();
        let mut event = Event { heads: self.heads(), revisions: ids(&self.files).len(), commit, ..Event::default() };
        let now = ids(&self.files);
        event.vanished = ids(&before).into_iter().filter(|id| !now.contains(id)).map(str::to_owned).collect();
        event.put_below = put_below(&before, &self.files, self.graph.as_ref(), graph.as_ref());
        event.edited = touched
            .iter()
            .filter(|path| matches!((before.get(*path), self.files.get(*path)), (Some(old), Some(new)) if old.text != new.text))
            .cloned()
            .collect();
        self.graph = graph;
        self.tell(event, found, &touched);
    }

    fn context(&self, touched: &BTreeSet<PathBuf>, was_there: &dyn Fn(&Path) -> bool) -> Context {
        let source = |(path, text): (&PathBuf, &Arc<Text>)| {
            let mut source = Source::known(path, &text.text, &text.header);
            (source.is_checked, source.is_released) = (touched.contains(path), was_there(path));
            source
        };
        Context::new(self.files.iter().map(source).collect(), self.component.as_str())
    }

    fn change(&self, before: &BTreeMap<PathBuf, Arc<Text>>, path: &Path) -> Option<Change> {
        let old = before.get(path)?;
        // A file that only moved is known by its id.
        let moved = || {
            let same = self.files.iter().find(|(at, text)| !before.contains_key(*at) && text.id() == old.id());
            old.id().and(same).map(|(at, _)| at.clone())
        };
        let to = self.files.contains_key(path).then(|| path.to_owned()).or_else(moved);
        Some(Change { from: path.to_owned(), to, before: old.text.clone().into_bytes(), release: Release::Unknown })
    }

    /// Writes down what is new, and what is repaired.
    fn tell(&mut self, mut event: Event, found: Vec<Finding>, touched: &BTreeSet<PathBuf>) {
        let at = self.events.len();
        let identity = |finding: &Finding| (finding.code, finding.path.clone(), finding.message.clone());
        let now: HashSet<_> = found.iter().map(identity).collect();
        // What is said of one script alone is looked for again only where the script is another one.
        let looked_at = |finding: &Finding| is_together(finding) || touched.contains(&finding.path);
        let (gone, mut standing): (Vec<_>, Vec<_>) = std::mem::take(&mut self.standing)
            .into_iter()
            .partition(|(finding, _)| looked_at(finding) && !now.contains(&identity(finding)));
        let known: HashSet<_> = standing.iter().map(|(finding, _)| identity(finding)).collect();
        for finding in found.into_iter().filter(|finding| !known.contains(&identity(finding))) {
            if !EVENTS.contains(&finding.code) {
                standing.push((finding.clone(), Some((at, event.findings.len()))));
            }
            event.findings.push(Told { finding, repaired: None });
        }
        for (event_at, told) in gone.into_iter().filter_map(|(_, told)| told) {
            self.events[event_at].findings[told].repaired = Some(event.commit.clone());
        }
        self.standing = standing;
        self.events.push(event);
    }
}

fn is_together(finding: &Finding) -> bool {
    rules::find(finding.code).is_some_and(|rule| matches!(rule.check, Check::Together(_)))
}

fn ids(files: &BTreeMap<PathBuf, Arc<Text>>) -> BTreeSet<&str> {
    files.values().filter_map(|text| text.id()).collect()
}

fn heads(files: &BTreeMap<PathBuf, Arc<Text>>) -> Vec<String> {
    let scripts = || files.values().filter_map(|text| text.header.as_ref().ok());
    let followed: HashSet<&str> = scripts().flat_map(|script| script.down.iter().map(String::as_str)).collect();
    let heads: BTreeSet<&str> =
        scripts().map(|script| script.id.as_str()).filter(|id| !followed.contains(id)).collect();
    heads.into_iter().map(str::to_owned).collect()
}

/// What has come to stand below a revision that got other parents.
fn put_below(
    before: &BTreeMap<PathBuf, Arc<Text>>,
    after: &BTreeMap<PathBuf, Arc<Text>>,
    old: Option<&Graph>,
    new: Option<&Graph>,
) -> Vec<String> {
    let of = |files: &BTreeMap<PathBuf, Arc<Text>>| -> BTreeMap<String, Vec<String>> {
        let scripts = files.values().filter_map(|text| text.header.as_ref().ok());
        scripts.map(|script| (script.id.clone(), script.down.clone())).collect()
    };
    let (was, is) = (of(before), of(after));
    let moved = is.iter().filter(|(id, parents)| was.get(*id).is_some_and(|before| before != *parents));
    let mut found = BTreeSet::new();
    for (id, parents) in moved {
        let below = |graph: Option<&Graph>, parents: &[String]| -> BTreeSet<String> {
            let all =
                graph.map(|graph| graph.ancestors(&[id], Links::Parents).into_iter().map(str::to_owned).collect());
            all.filter(|all: &BTreeSet<String>| !all.is_empty()).unwrap_or_else(|| parents.iter().cloned().collect())
        };
        found.extend(below(new, parents).difference(&below(old, &was[id])).filter(|it| *it != id).cloned());
    }
    found.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(id: &str, down: &str, body: &str) -> (PathBuf, Option<Arc<Text>>) {
        let path = PathBuf::from(format!("v/{id}.py"));
        let parents: Vec<String> = down.split_whitespace().map(|id| format!("'{id}'")).collect();
        let down = if parents.is_empty() { "None".to_owned() } else { format!("({},)", parents.join(",")) };
        let text = format!(
            "revision = '{id}'\ndown_revision = {down}\ndef upgrade():\n    {body}\ndef downgrade():\n    pass\n"
        );
        let read = Text::read(&path, text.as_bytes());
        (path, Some(Arc::new(read)))
    }

    fn commit(number: u64) -> Commit {
        Commit { id: format!("c{number}"), time: number * 3600, subject: String::new() }
    }

    #[test]
    fn a_past_is_told() {
        let levels = Levels::default();
        let mut past = Hindsight::new(
            "manager",
            &levels,
            [text("a1", "", "pass")].map(|(path, text)| (path, text.unwrap())).into(),
        );
        assert_eq!(past.heads(), ["a1"]);
        past.step(commit(1), "p", vec![text("b2", "a1", "pass"), text("c3", "a1", "pass")]);
        past.step(commit(2), "p", vec![text("d4", "b2 c3", "pass")]);
        // A revision between a1 and b2, by an edit of b2; c3 goes, and d4 with it.
        past.step(
            commit(3),
            "p",
            vec![
                text("b2", "x9", "pass"),
                text("x9", "a1", "pass"),
                ("v/c3.py".into(), None),
                ("v/d4.py".into(), None),
            ],
        );
        past.step(commit(4), "p", vec![text("a1", "", "print()")]);
        let [two, one, below, edited] = &past.events[..] else { panic!() };
        assert_eq!((two.heads.len(), one.heads.len(), two.revisions), (2, 1, 3));
        let heads = two.findings.iter().find(|told| told.finding.code == "DB101").unwrap();
        assert_eq!(heads.repaired.as_ref().unwrap().id, "c2");
        assert_eq!((below.vanished.join(" "), below.put_below.join(" ")), ("c3 d4".to_owned(), "x9".to_owned()));
        assert!(below.findings.iter().any(|told| told.finding.code == "DB303"));
        assert_eq!((edited.edited.len(), edited.put_below.len()), (1, 0));
    }
}
