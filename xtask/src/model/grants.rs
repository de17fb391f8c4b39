//! Makes the statements that restore owners and grants of objects that were dropped and made again: the server gives
//! new objects other ones than these had.

use super::catalog::{Key, Object, Snapshot};
use super::sql::{first_name, ident};

/// The statements that give the objects among `again` the owner and the grants that they have in `before`.
pub fn statements(before: &Snapshot, after: &Snapshot, again: impl Fn(&Key) -> bool) -> Vec<String> {
    let mut found = Vec::new();
    for (key, was) in before.objects() {
        let home = was.parent.as_ref().filter(|_| key.kind == "column").unwrap_or(key);
        let Some(is) = after.get(key).filter(|_| again(home)) else { continue };
        let Some(what) = what(key, home) else { continue };
        let (owner, now) = (attribute(was, "owner"), attribute(is, "owner"));
        if let Some(owner) = owner.filter(|owner| Some(*owner) != now) {
            found.push(format!("alter {} owner to {}", what.object, ident(owner)));
        }
        let (given, have) = (items(attribute(was, "privileges")), items(attribute(is, "privileges")));
        let is_owner = |item: &Item| owner.is_some_and(|owner| item.grantee == owner);
        if given == have {
            continue;
        }
        for item in have.iter().filter(|item| !is_owner(item)) {
            found.push(format!("revoke all{} on {} from {}", what.columns, what.on, item.role()));
        }
        for item in given.iter().filter(|item| !is_owner(item)) {
            found.extend(item.grants(&what));
        }
    }
    found
}

/// How statements name an object.
struct Named {
    /// After `alter`.
    object: String,
    /// After `on`.
    on: String,
    /// After each privilege, for a column.
    columns: String,
}

fn what(key: &Key, home: &Key) -> Option<Named> {
    let words = |alter: &str, on: &str| {
        let name = &home.name;
        Some(Named { object: format!("{alter} {name}"), on: format!("{on} {name}"), columns: String::new() })
    };
    match key.kind.as_str() {
        "column" => {
            let column = key.name.strip_prefix(&home.name)?.strip_prefix('.')?;
            Some(Named { columns: format!(" ({column})"), ..words("table", "table")? })
        }
        "table" | "view" | "materialized view" | "foreign table" => words(&key.kind, "table"),
        "sequence" => words("sequence", "sequence"),
        _ => None,
    }
}

fn attribute<'o>(object: &'o Object, name: &str) -> Option<&'o str> {
    object.attributes.iter().find(|(key, _)| **key == *name).map(|(_, value)| value.as_str())
}

/// `reader=r*w/owner`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Item {
    /// Empty is everybody.
    grantee: String,
    /// A letter each, with a star where it may be passed on.
    letters: String,
}

impl Item {
    fn role(&self) -> String {
        if self.grantee.is_empty() { "public".to_owned() } else { ident(&self.grantee) }
    }

    fn grants(&self, what: &Named) -> Vec<String> {
        let mut letters = self.letters.chars().peekable();
        let mut found = Vec::new();
        while let Some(letter) = letters.next() {
            let passed_on = letters.next_if_eq(&'*').is_some();
            let Some(privilege) = privilege(letter) else { continue };
            let option = if passed_on { " with grant option" } else { "" };
            found.push(format!("grant {privilege}{} on {} to {}{option}", what.columns, what.on, self.role()));
        }
        found
    }
}

fn privilege(letter: char) -> Option<&'static str> {
    Some(match letter {
        'r' => "select",
        'a' => "insert",
        'w' => "update",
        'd' => "delete",
        'D' => "truncate",
        'x' => "references",
        't' => "trigger",
        'm' => "maintain",
        'U' => "usage",
        _ => return None,
    })
}

/// What ends a role's name that has no quotes.
const ROLE_ENDS: &[char] = &['=', '/', ','];

/// A list of grants as the server writes it; nothing where only the owner may do anything.
fn items(text: Option<&str>) -> Vec<Item> {
    let mut found = Vec::new();
    let mut rest = text.unwrap_or_default();
    while let Some((grantee, after)) = first_name(rest, ROLE_ENDS) {
        let Some(after) = after.strip_prefix('=') else { break };
        let end = after.find('/').unwrap_or(after.len());
        found.push(Item { grantee, letters: after[..end].to_owned() });
        let grantor = first_name(after[end..].trim_start_matches('/'), ROLE_ENDS);
        rest = grantor.map_or("", |(_, rest)| rest).trim_start_matches([',', ' ']);
        if rest.is_empty() {
            break;
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn snapshot(objects: &[(&str, &str, &str)]) -> Snapshot {
        let mut snapshot = Snapshot::default();
        for (kind, name, privileges) in objects {
            let parent = (*kind == "column").then(|| Key::new("table", "public.t"));
            let mut attributes = vec![("owner".into(), "ann".to_owned())];
            if !privileges.is_empty() {
                attributes.push(("privileges".into(), (*privileges).to_owned()));
            }
            snapshot.insert(Key::new(*kind, *name), Object { parent, attributes });
        }
        snapshot
    }

    #[test]
    fn what_is_new_goes_and_what_was_comes() {
        let before = snapshot(&[
            ("table", "public.t", "ann=arwdDxt/ann, \"o\"\"dd, =r\"=r*w/ann, =r/ann"),
            ("column", "public.t.x", "eve=w/ann"),
            ("sequence", "public.s", ""),
            ("table", "public.other", "eve=r/ann"),
        ]);
        let after = snapshot(&[
            ("table", "public.t", "ann=arwdDxt/ann, reader=r/ann"),
            ("column", "public.t.x", ""),
            ("sequence", "public.s", "ann=rwU/ann, reader=U/ann"),
            ("table", "public.other", ""),
        ]);
        let found = statements(&before, &after, |key| key.name != "public.other");
        let expected = [
            "grant update (x) on table public.t to \"eve\"",
            "revoke all on sequence public.s from \"reader\"",
            "revoke all on table public.t from \"reader\"",
            "grant select on table public.t to \"o\"\"dd, =r\" with grant option",
            "grant update on table public.t to \"o\"\"dd, =r\"",
            "grant select on table public.t to public",
        ];
        assert_eq!(found, expected);
        assert!(statements(&before, &before, |_| true).is_empty());
    }
}
