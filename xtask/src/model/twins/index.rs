//! Finds the revisions of a long history that may be twins of each other, without comparing every pair.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::{Revision, changes, message};

/// What more revisions than this have in common is no sign of a pair.
const MANY: usize = 50;

/// Revisions by what they change, say and name; `K` is how who asks calls them.
pub struct Index<K> {
    ids: HashMap<String, K>,
    by_change: HashMap<String, Vec<K>>,
    by_message: HashMap<String, Vec<K>>,
    /// Those whose texts name an id.
    naming: HashMap<String, Vec<K>>,
}

impl<K: Copy + Ord> Index<K> {
    /// `ids` are those of all that will be added.
    pub fn new(ids: impl IntoIterator<Item = (String, K)>) -> Index<K> {
        let (by_change, by_message, naming) = Default::default();
        Index { ids: ids.into_iter().collect(), by_change, by_message, naming }
    }

    pub fn add(&mut self, key: K, revision: &Revision<'_>) {
        for what in whats(revision) {
            self.by_change.entry(what).or_default().push(key);
        }
        if let Some(message) = message(revision.script) {
            self.by_message.entry(message).or_default().push(key);
        }
        for id in named(revision) {
            if self.ids.contains_key(id) {
                self.naming.entry(id.to_owned()).or_default().push(key);
            }
        }
    }

    /// Those that may be twins of this one, in the order of their keys; itself may be among them.
    pub fn like(&self, of: &Revision<'_>) -> BTreeSet<K> {
        let by_change = whats(of).into_iter().filter_map(|what| self.by_change.get(&what));
        let by_message = message(of.script).and_then(|message| self.by_message.get(&message));
        let naming = self.naming.get(&of.script.id);
        let alike = by_change.chain(by_message).chain(naming).filter(|keys| keys.len() <= MANY).flatten();
        let named = named(of).into_iter().filter_map(|id| self.ids.get(id));
        alike.chain(named).copied().collect()
    }
}

/// What its upgrade changes, each thing once.
fn whats(revision: &Revision<'_>) -> HashSet<String> {
    let changes = revision.body.upgrade.as_ref().map(changes).unwrap_or_default();
    changes.all.into_iter().map(|change| change.what).collect()
}

/// The words of its text, among which are the ids that it names.
fn named<'a>(revision: &Revision<'a>) -> HashSet<&'a str> {
    let is_parent = |word: &str| revision.script.down.iter().any(|parent| parent == word);
    let words = revision.text.split(|c: char| !c.is_alphanumeric() && c != '_');
    words.filter(|word| word.len() > 3 && *word != revision.script.id && !is_parent(word)).collect()
}
