//! Known patterns behind what a round trip finds: the reason and, where there is one, the line that would put it right.
//! What is not recognised for certain gets no cause.

mod altered;

use super::catalog::{Change, What};
use super::roundtrip::{Leg, Point};
use super::sql::bare;
use altered::altered;

/// A failed step, as far as it takes part in a pattern.
#[derive(Clone, Copy, Debug, Default)]
pub struct Symptom<'a> {
    /// PostgreSQL's five characters; empty for a Python error.
    pub sqlstate: &'a str,
    /// PostgreSQL's message, or the exception's.
    pub message: &'a str,
    /// PostgreSQL's detail.
    pub detail: &'a str,
    /// The error that the script swallowed before, and where.
    pub swallowed: Option<(&'a str, Option<usize>)>,
    /// The script's `downgrade()` does nothing.
    pub empty_downgrade: bool,
    /// The step took too long while a session of the same script kept it waiting.
    pub blocks_itself: bool,
}

/// The database before and after the downgrade of the revision, as far as it was seen.
#[derive(Clone, Copy, Debug, Default)]
pub struct Seen<'a> {
    /// At the revision.
    pub upper: Option<&'a Point>,
    /// Below it.
    pub lower: Option<&'a Point>,
}

/// Why a step failed.
pub fn of_failure(leg: Leg, symptom: &Symptom<'_>, seen: Seen<'_>) -> Option<String> {
    let message = symptom.message;
    if symptom.blocks_itself {
        return Some(
            "the script opens a second connection, which waits for a lock of the first one; use op.get_bind()".into(),
        );
    }
    match symptom.sqlstate {
        "42P07" | "42710" | "42701" | "42723" | "42P06" if leg == Leg::ReUpgrade => already_there(symptom, seen.upper),
        "42703" | "42704" | "42P01" | "42883" | "3F000" => not_there(leg, symptom, seen),
        "42804" => type_change(message),
        "25P02" => symptom.swallowed.map(|(error, line)| {
            let place = line.map_or_else(String::new, |line| format!(" in line {line}"));
            format!("the script swallows an error{place}, and PostgreSQL refuses all after it: {error}")
        }),
        "2BP01" => Some(format!(
            "the order of dropping: {} first",
            dependents(symptom.detail).unwrap_or_else(|| "the dependent objects".to_owned())
        )),
        "55P04" => Some(
            "a new enum value cannot be used in the transaction that adds it; add it in \
             `with op.get_context().autocommit_block():`"
                .into(),
        ),
        "23502" if leg == Leg::Downgrade => {
            Some("the downgrade demands NOT NULL where rows hold NULL by now; fill them first".into())
        }
        "23505" if leg == Leg::ReUpgrade => {
            Some("the downgrade leaves behind the rows that the upgrade inserts; let it delete them".into())
        }
        "" => python(message),
        _ => None,
    }
}

/// Puts the cause into each difference whose pattern is known.
pub fn of_changes(changes: &mut [Change], leg: Option<Leg>, empty_downgrade: bool) {
    for change in changes.iter_mut().filter(|change| change.cause.is_none()) {
        if leg != Some(Leg::Downgrade) {
            continue;
        }
        change.cause = match (change.what, change.kind.as_str()) {
            (What::Added, "type" | "domain") => Some(left_behind(&change.kind, &change.key().name, empty_downgrade)),
            (What::Added, _) if empty_downgrade => Some("downgrade() does nothing".into()),
            (What::Added, _) => Some("left behind by the downgrade".into()),
            (What::Removed, _) => Some("not put back by the downgrade".into()),
            (What::Changed, _) => {
                change.before.as_deref().zip(change.after.as_deref()).and_then(|(b, a)| altered(b, a))
            }
        };
    }
}

fn left_behind(kind: &str, name: &str, empty: bool) -> String {
    let bare = name.rsplit('.').next().unwrap_or(name);
    if empty {
        return "downgrade() does nothing".to_owned();
    }
    if kind == "domain" {
        return format!(
            "dropping its table or column does not drop it; add op.execute('DROP DOMAIN {}')",
            in_sql(name)
        );
    }
    format!(
        "dropping its table or column does not drop it; add sa.Enum(name='{}').drop(op.get_bind()) \
         or op.execute('DROP TYPE {}')",
        bare.trim_matches('"'),
        in_sql(name)
    )
}

/// A name as SQL takes it. One with a schema or in quotes comes from the catalog, which writes it so; PostgreSQL's
/// messages have it bare.
fn in_sql(name: &str) -> String {
    let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    let is_sql = name.contains(['.', '"']) || name.chars().all(is_plain);
    if is_sql { name.to_owned() } else { format!("\"{name}\"") }
}

fn already_there(symptom: &Symptom<'_>, upper: Option<&Point>) -> Option<String> {
    let name = quoted(symptom.message)?;
    if symptom.message.starts_with("type ") {
        let is_domain = upper.is_some_and(|point| {
            point.schema.objects().any(|(key, _)| key.kind == "domain" && bare(&key.name) == name)
        });
        let kind = if is_domain { "domain" } else { "type" };
        return Some(format!("{kind} {name} is left behind: {}", left_behind(kind, name, symptom.empty_downgrade)));
    }
    let why = if symptom.empty_downgrade { "downgrade() does nothing" } else { "the downgrade leaves it behind" };
    Some(format!("{name} is there already: {why}"))
}

fn not_there(leg: Leg, symptom: &Symptom<'_>, seen: Seen<'_>) -> Option<String> {
    let name = quoted(symptom.message)?;
    let table = symptom.message.split(" of relation ").nth(1).and_then(quoted);
    match leg {
        Leg::Upgrade => None,
        Leg::ReUpgrade => Some(
            doubled(name, table, seen)
                .unwrap_or_else(|| format!("the downgrade does not put {name} back, which the upgrade needs")),
        ),
        Leg::Downgrade => {
            let is_named = ["constraint ", "index "].iter().any(|kind| symptom.message.starts_with(kind));
            let (point, table) = seen.upper.zip(table).filter(|_| is_named)?;
            let there = names_on(point, Some(table));
            if there.iter().any(|(_, _, other)| *other == name) {
                return Some(format!(
                    "{name} was there before: an earlier line of downgrade() drops it along, with its column or table"
                ));
            }
            let others: Vec<String> = there.iter().map(|(kind, _, other)| format!("{kind} {other}")).collect();
            (!others.is_empty()).then(|| format!("perhaps made under another name; {table} has {}", others.join(", ")))
        }
    }
}

/// What the downgrade has made instead: under a name that holds the right one, where a naming convention was put before
/// what followed it already.
fn doubled(name: &str, table: Option<&str>, seen: Seen<'_>) -> Option<String> {
    let (above, below) = (names_on(seen.upper?, table), names_on(seen.lower?, table));
    let (kind, table, made) = below.into_iter().find(|object| !above.contains(object) && holds(object.2, name))?;
    Some(format!(
        "probably made under another name; the downgrade gives {table} the {kind} {made}: a naming convention is put before a \
         name that follows it already; say that it is the whole name: op.f('{name}')"
    ))
}

/// Whether a name holds another one, as far as PostgreSQL (63 bytes) or SQLAlchemy (four digits of a digest at the end)
/// did not cut it.
fn holds(made: &str, name: &str) -> bool {
    const LEAST: usize = 12;
    let cut = match (made.len(), made.rsplit_once('_')) {
        (63, _) => Some(made),
        (55.., Some((rest, digest))) if digest.len() == 4 && digest.bytes().all(|byte| byte.is_ascii_hexdigit()) => {
            Some(rest)
        }
        _ => None,
    };
    let ends_with_part =
        |cut: &str| (LEAST..name.len()).any(|end| name.get(..end).is_some_and(|part| cut.ends_with(part)));
    made != name && (made.contains(name) || cut.is_some_and(ends_with_part))
}

/// The constraints and indexes of a table, or of all: kind, table, name.
fn names_on<'p>(point: &'p Point, table: Option<&str>) -> Vec<(&'p str, &'p str, &'p str)> {
    let objects = point.schema.objects().filter(|(key, _)| matches!(key.kind.as_str(), "constraint" | "index"));
    let named = objects.filter_map(|(key, object)| {
        let parent = bare(&object.parent.as_ref()?.name);
        table.is_none_or(|table| table == parent).then(|| (key.kind.as_str(), parent, bare(&key.name)))
    });
    named.collect()
}

fn type_change(message: &str) -> Option<String> {
    let column = quoted(message)?;
    if message.starts_with("default for column") {
        return Some(format!(
            "the default of {column} is in the way: drop it first (server_default=None), set it anew after the type"
        ));
    }
    message
        .contains("cannot be cast automatically")
        .then(|| format!("no cast for {column} by itself: say how with postgresql_using"))
}

/// The objects that PostgreSQL's detail lists: `view v depends on table t`, a line each.
fn dependents(detail: &str) -> Option<String> {
    let names: Vec<&str> =
        detail.lines().filter_map(|line| line.split_once(" depends on ")).map(|(name, _)| name).collect();
    (!names.is_empty()).then(|| names.join(", "))
}

fn python(message: &str) -> Option<String> {
    let unnamed = message.contains("it has no name") || message.contains("Constraint must have a name");
    if unnamed {
        return Some(
            "the constraint has no name in the script; name it, or drop it by the name PostgreSQL gave it".into(),
        );
    }
    if message.contains("ENUM type requires a name") {
        return Some("the enum has no name in the script: sa.Enum(…, name='…')".into());
    }
    let signature = message.contains("positional argument") || message.contains("unexpected keyword argument");
    (signature && (message.contains("upgrade()") || message.contains("downgrade()"))).then(|| {
        "upgrade() and downgrade() take what env.py passes to context.run_migrations(): nothing, as a rule".into()
    })
}

/// The first name in double quotes.
fn quoted(message: &str) -> Option<&str> {
    message.split('"').nth(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(leg: Leg, sqlstate: &str, message: &str) -> Option<String> {
        of_failure(leg, &Symptom { sqlstate, message, ..Symptom::default() }, Seen::default())
    }

    #[test]
    fn the_line_that_would_drop_the_type_is_named() {
        let cause = of(Leg::ReUpgrade, "42710", "type \"mood\" already exists").unwrap();
        assert!(cause.contains("sa.Enum(name='mood').drop(op.get_bind())"), "{cause}");
        assert!(cause.contains("DROP TYPE mood"), "{cause}");
    }

    #[test]
    fn the_same_error_on_the_first_upgrade_is_another_matter() {
        assert_eq!(of(Leg::Upgrade, "42710", "type \"mood\" already exists"), None);
    }

    #[test]
    fn dependents_are_listed() {
        let detail = "view v depends on table t\nconstraint c on table u depends on table t";
        let symptom = Symptom { sqlstate: "2BP01", detail, ..Symptom::default() };
        let cause = of_failure(Leg::Downgrade, &symptom, Seen::default()).unwrap();
        assert_eq!(cause, "the order of dropping: view v, constraint c on table u first");
    }

    #[test]
    fn a_default_and_a_missing_cast_are_told_apart() {
        let default =
            of(Leg::Downgrade, "42804", "default for column \"c\" cannot be cast automatically to type integer");
        assert!(default.unwrap().starts_with("the default of c is in the way"));
        let cast = of(Leg::Downgrade, "42804", "column \"c\" cannot be cast automatically to type integer");
        assert!(cast.unwrap().contains("postgresql_using"));
    }

    #[test]
    fn a_name_that_holds_another_one_even_cut() {
        let name = "ck_endpoints_route_traffic_is_either_on_or_off_and_never_both";
        for made in [
            "ck_t_ck_t_n",
            "ck_endpoints_ck_endpoints_route_traffic_is_either_on_or_off_an",
            "ck_endpoints_ck_endpoints_route_traffic_is_either_on_or_09af",
        ] {
            let name = if made.len() < 20 { "ck_t_n" } else { name };
            assert!(holds(&format!("{made}{}", if made.len() == 62 { "d" } else { "" }), name), "{made}");
        }
        for (made, name) in [("ck_t_n", "ck_t_n"), ("ck_t_m", "ck_t_n"), ("ck_endpoints_ck_endpoints_route", name)] {
            assert!(!holds(made, name), "{made}");
        }
    }

    #[test]
    fn what_is_not_known_has_no_cause() {
        assert_eq!(of(Leg::Downgrade, "22P02", "invalid input syntax for type integer: \"x\""), None);
        assert_eq!(of(Leg::Downgrade, "", "'NoneType' object has no attribute 'x'"), None);
    }
}
