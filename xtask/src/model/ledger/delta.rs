//! What one run of a script changed in the schema, object by object, as seen when it ran. With the present schema it
//! shows the schema that was below a revision before anybody downgraded it.

use std::collections::BTreeMap;

use crate::model::catalog::{Key, Object, Snapshot, differing};

/// The objects that are not the same before and after, each on both sides; `None` where it is not there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Delta {
    /// By kind and name.
    pub objects: BTreeMap<Key, (Option<Object>, Option<Object>)>,
}

impl Delta {
    /// What differs between two looks.
    pub fn between(before: &Snapshot, after: &Snapshot) -> Delta {
        let both = |key: &Key| (before.get(key).cloned(), after.get(key).cloned());
        Delta { objects: differing(before, after).map(|key| (key.clone(), both(key))).collect() }
    }

    /// What stood there before the run, where `now` still has everything as the run has left it; what the run did not
    /// touch is taken as it is. `None` where something is not as the run left it.
    pub fn undone(&self, now: &Snapshot) -> Option<Snapshot> {
        let is_there = self.objects.iter().all(|(key, (_, after))| now.get(key) == after.as_ref());
        if !is_there {
            return None;
        }
        let mut below = now.clone();
        for (key, (before, _)) in &self.objects {
            match before {
                Some(object) => below.insert(key.clone(), object.clone()),
                // With what others have put on it since: an index on a table that the revision makes.
                None => below.remove(key),
            }
        }
        Some(below)
    }

    /// Whether it began where `first` began, as far as it shows: no object has another state before it.
    pub fn begins_as(&self, first: &Delta) -> bool {
        self.objects.iter().all(|(key, (before, _))| first.objects.get(key).is_some_and(|(was, _)| was == before))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn snapshot(objects: &[(&str, &str, &str)]) -> Snapshot {
        let mut snapshot = Snapshot::default();
        for (name, parent, value) in objects {
            let parent = (!parent.is_empty()).then(|| Key::new("table", *parent));
            let attributes = vec![("is".into(), (*value).to_owned())];
            let kind = if parent.is_some() { "column" } else { "table" };
            snapshot.insert(Key::new(kind, *name), Object { parent, attributes });
        }
        snapshot
    }

    #[test]
    fn what_stood_below_is_what_is_there_without_what_the_run_did() {
        let before = snapshot(&[("t", "", "a"), ("t.v", "t", "int")]);
        let after = snapshot(&[("t", "", "a"), ("t.v", "t", "text"), ("u", "", "b"), ("u.w", "u", "int")]);
        let delta = Delta::between(&before, &after);
        assert_eq!(delta.objects.len(), 3);
        assert_eq!(delta.undone(&after), Some(before.clone()));
        // Others have made something since: elsewhere it stays, on what goes it goes.
        let mut now = after.clone();
        now.insert(Key::new("table", "x"), Object::default());
        now.insert(Key::new("column", "u.more"), Object { parent: Some(Key::new("table", "u")), attributes: vec![] });
        let mut below = before.clone();
        below.insert(Key::new("table", "x"), Object::default());
        assert_eq!(delta.undone(&now), Some(below));
        // What the run left is not there any more: nothing is known.
        assert_eq!(delta.undone(&before), None);
        let other = Delta::between(&snapshot(&[("t", "", "a"), ("t.v", "t", "date")]), &after);
        assert!(delta.begins_as(&delta) && !other.begins_as(&delta));
    }
}
