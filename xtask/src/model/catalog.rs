//! A schema as a value that compares: every object of a database under its kind and name, with its attributes as text.
//! The queries that fill a [`Snapshot`] decide which attributes there are; here they are only compared and described.
//!
//! The order of a table's columns is kept apart: a column that was dropped and made again is the last one, which no
//! migration can avoid, so that it is a note and not a difference.

use std::cell::LazyCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::sync::Arc;

mod change;
mod reworded;
pub use change::{AttributeChange, Change, What, without};

/// What names an object: its kind and its schema-qualified name, quoted as in SQL where it must be.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// `table`, `column`, `index`, `function`…
    pub kind: String,
    /// `public.users`, `public.users.email`, `public.f(integer)`…
    pub name: String,
}

impl Key {
    /// A key of its two parts.
    pub fn new(kind: impl Into<String>, name: impl Into<String>) -> Key {
        Key { kind: kind.into(), name: name.into() }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind, self.name)
    }
}

/// One object: where it belongs and what it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Object {
    /// What it goes with: the table of a column, an index or a trigger, the domain of a constraint.
    pub parent: Option<Key>,
    /// What it is, in the order in which it is told. An attribute with its default is left out.
    pub attributes: Vec<(Arc<str>, String)>,
}

impl Object {
    fn get(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(key, _)| **key == *name).map(|(_, value)| value.as_str())
    }
}

/// A database's schema at one moment. Two are equal when [`diff`] finds nothing; the order of columns does not count.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    // A look shares with the one before what did not change: all of it, or object by object.
    objects: Arc<BTreeMap<Arc<Key>, Arc<Object>>>,
    /// Per table the column names by position.
    columns: Arc<BTreeMap<Key, Arc<BTreeMap<u32, String>>>>,
}

impl PartialEq for Snapshot {
    fn eq(&self, other: &Snapshot) -> bool {
        Arc::ptr_eq(&self.objects, &other.objects) || self.objects == other.objects
    }
}

impl Snapshot {
    /// Puts an object in; a second one under the same key replaces the first.
    pub fn insert(&mut self, key: Key, object: Object) {
        Arc::make_mut(&mut self.objects).insert(Arc::new(key), Arc::new(object));
    }

    /// Says at which position a column stands in its table.
    pub fn place(&mut self, table: &Key, position: u32, column: &str) {
        let all = Arc::make_mut(&mut self.columns);
        match all.get_mut(table) {
            Some(columns) => Arc::make_mut(columns).insert(position, column.to_owned()),
            None => Arc::make_mut(all.entry(table.clone()).or_default()).insert(position, column.to_owned()),
        };
    }

    /// Takes an object out, with everything that belongs to it.
    pub fn remove(&mut self, key: &Key) {
        Arc::make_mut(&mut self.objects).remove(key);
        Arc::make_mut(&mut self.columns).remove(key);
        let children: Vec<Key> = self.children(key).map(|(child, _)| child.clone()).collect();
        for child in children {
            self.remove(&child);
        }
    }

    /// Every object, by kind and name.
    pub fn objects(&self) -> impl Iterator<Item = (&Key, &Object)> {
        self.objects.iter().map(|(key, object)| (&**key, &**object))
    }

    pub fn get(&self, key: &Key) -> Option<&Object> {
        self.objects.get(key).map(|object| &**object)
    }

    /// How many objects there are.
    pub fn len(&self) -> usize {
        self.objects.len()
    }

    /// True for a database without any object.
    pub fn is_empty(&self) -> bool {
        self.objects.is_empty()
    }

    fn children<'a>(&'a self, key: &'a Key) -> impl Iterator<Item = (&'a Key, &'a Object)> {
        self.objects().filter(move |(_, object)| object.parent.as_ref() == Some(key))
    }

    /// What belongs to each object, but for columns.
    fn parts(&self) -> HashMap<&Key, Vec<&Key>> {
        let mut parts: HashMap<&Key, Vec<&Key>> = HashMap::new();
        for (key, object) in self.objects().filter(|(key, _)| key.kind != "column") {
            if let Some(parent) = &object.parent {
                parts.entry(parent).or_default().push(key);
            }
        }
        parts
    }
}

/// What differs, grouped by table and sorted. A column, index or constraint of a table that came or went is told with
/// the table and not again by itself.
pub fn diff(before: &Snapshot, after: &Snapshot) -> Vec<Change> {
    let mut changes = Vec::new();
    let (gone, come) = (LazyCell::new(|| before.parts()), LazyCell::new(|| after.parts()));
    let differing: BTreeSet<&Key> = differing(before, after).collect();
    for key in differing {
        match (before.get(key), after.get(key)) {
            (Some(old), Some(new)) => changes.push(changed(key, old, new)),
            (Some(old), None) if whole(old, after) => {
                changes.push(one_sided(What::Removed, key, old, (before, &gone)));
            }
            (None, Some(new)) if whole(new, before) => changes.push(one_sided(What::Added, key, new, (after, &come))),
            _ => {}
        }
    }
    changes.sort_by(|a, b| a.place().cmp(&b.place()));
    name_renames(before, after, &mut changes);
    changes
}

/// The objects that are not the same on both sides, each by itself: also the parts of a table that came or went.
pub fn differing<'s>(before: &'s Snapshot, after: &'s Snapshot) -> impl Iterator<Item = &'s Key> {
    let is_shared = Arc::ptr_eq(&before.objects, &after.objects);
    let differs = move |one: &'s Snapshot, other: &'s Snapshot| {
        // Both are sorted, so one walk along the other finds each key's counterpart.
        let mut there = other.objects.iter().peekable();
        let keys = one.objects.iter().filter(move |(key, object)| {
            while there.next_if(|(other, _)| other < key).is_some() {}
            there.peek().is_none_or(|(other, is)| other != key || is != object)
        });
        keys.map(|(key, _)| &**key)
    };
    let both = (!is_shared).then(|| differs(before, after).chain(differs(after, before)));
    both.into_iter().flatten()
}

/// Where only the order of columns differs: one sentence per table. Columns that are not in both are left aside.
pub fn order_notes(before: &Snapshot, after: &Snapshot) -> Vec<String> {
    let mut notes = Vec::new();
    for (table, old) in before.columns.iter() {
        let Some(new) = after.columns.get(table).filter(|new| !Arc::ptr_eq(old, new)) else { continue };
        let in_both = |a: &BTreeMap<u32, String>, b: &BTreeMap<u32, String>| -> Vec<String> {
            let other: BTreeSet<&String> = b.values().collect();
            a.values().filter(|name| other.contains(name)).cloned().collect()
        };
        let (was, is) = (in_both(old, new), in_both(new, old));
        if was != is {
            notes.push(format!("column order of {table}: {} -> {}", was.join(", "), is.join(", ")));
        }
    }
    notes
}

/// Whether an object that is on one side only is to be told by itself: its parent is on the other side too, or it has
/// none.
fn whole(object: &Object, other: &Snapshot) -> bool {
    object.parent.as_ref().is_none_or(|parent| other.objects.contains_key(parent))
}

fn changed(key: &Key, old: &Object, new: &Object) -> Change {
    let mut names: Vec<&Arc<str>> = old.attributes.iter().map(|(name, _)| name).collect();
    names.extend(new.attributes.iter().map(|(name, _)| name).filter(|name| old.get(name).is_none()));
    let attributes = names
        .into_iter()
        .filter(|name| old.get(name) != new.get(name))
        .map(|name| AttributeChange {
            name: name.to_string(),
            before: old.get(name).map(str::to_owned),
            after: new.get(name).map(str::to_owned),
        })
        .collect();
    Change::new(What::Changed, key, old.parent.clone(), attributes)
}

fn one_sided<'s>(
    what: What,
    key: &Key,
    object: &Object,
    (side, parts): (&Snapshot, &HashMap<&'s Key, Vec<&'s Key>>),
) -> Change {
    let mut told: Vec<(String, String)> =
        object.attributes.iter().map(|(name, value)| (name.to_string(), value.clone())).collect();
    let mut children: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for child in parts.get(key).into_iter().flatten() {
        children.entry(&child.kind).or_default().push(last_part(&child.name));
    }
    if let Some(columns) = side.columns.get(key) {
        told.insert(0, ("columns".to_owned(), columns.values().cloned().collect::<Vec<_>>().join(", ")));
    }
    told.extend(children.into_iter().map(|(kind, names)| (kind.to_owned(), names.join(", "))));
    let attributes = told.into_iter().map(|(name, value)| AttributeChange::one_sided(what, name, value)).collect();
    Change::new(what, key, object.parent.clone(), attributes)
}

/// The last part of a dotted name, quoted parts respected.
fn last_part(name: &str) -> &str {
    let mut quoted = false;
    let mut start = 0;
    for (at, c) in name.char_indices() {
        match c {
            '"' => quoted = !quoted,
            '.' if !quoted => start = at + 1,
            // The types of a function's arguments belong to its last part.
            '(' if !quoted => break,
            _ => {}
        }
    }
    &name[start..]
}

/// Marks each pair of an object that went and one that came with the same definition, where there is only one such.
fn name_renames(before: &Snapshot, after: &Snapshot, changes: &mut [Change]) {
    let mut groups: BTreeMap<String, (Vec<usize>, Vec<usize>)> = BTreeMap::new();
    for (index, change) in changes.iter().enumerate() {
        let (side, is_new) = match change.what {
            What::Removed => (before, false),
            What::Added => (after, true),
            What::Changed => continue,
        };
        let Some(object) = side.get(change.key()) else { continue };
        let print = format!("{} {:?} {:?}", change.kind, object.parent, object.attributes);
        let pair = groups.entry(print).or_default();
        if is_new { pair.1.push(index) } else { pair.0.push(index) }
    }
    for (gone, came) in groups.into_values() {
        if let ([gone], [came]) = (gone.as_slice(), came.as_slice()) {
            let (old, new) = (changes[*gone].key().name.clone(), changes[*came].key().name.clone());
            changes[*gone].cause = Some(format!("came back under another name: {new}"));
            changes[*came].cause = Some(format!("came back under another name: was {old}"));
        }
    }
}

#[cfg(test)]
mod tests;
