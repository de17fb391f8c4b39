//! The one expression that PostgreSQL words another way once it has read its own words again: `x in ('a', 'b')` on a
//! `varchar` column is `(ARRAY['a'::character varying, …])::text[]` where it was written, and
//! `ARRAY[('a'::character varying)::text, …]` in a database that was restored from a dump (PostgreSQL 10 to 18).

/// Whether two definitions are the same but for that wording.
pub fn is_same(one: &str, other: &str) -> bool {
    one == other || (one.contains(ARRAY) || other.contains(ARRAY)) && reread(one) == reread(other)
}

const ARRAY: &str = "(ARRAY[";

/// A definition as it is worded in a restored database.
fn reread(text: &str) -> String {
    let mut done = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(ARRAY) {
        let (before, array) = rest.split_at(at);
        done.push_str(before);
        match cast_of_each(&array[ARRAY.len()..]) {
            Some((worded, after)) => {
                done.push_str(&worded);
                rest = after;
            }
            None => {
                done.push_str(ARRAY);
                rest = &array[ARRAY.len()..];
            }
        }
    }
    done + rest
}

/// What follows `(ARRAY[`: with the cast of the whole at each element, and the text behind it.
fn cast_of_each(text: &str) -> Option<(String, &str)> {
    let (elements, after) = elements(text)?;
    let after = after.strip_prefix(")::")?;
    let end = after.find("[]")?;
    let (kind, after) = (&after[..end], &after[end + 2..]);
    let is_name = kind.chars().all(|letter| letter.is_alphanumeric() || " _.\"".contains(letter));
    let each: Vec<String> = elements.iter().map(|element| format!("({element})::{kind}")).collect();
    is_name.then(|| (format!("ARRAY[{}]", each.join(", ")), after))
}

/// The elements up to the bracket that closes, and the text behind it.
fn elements(text: &str) -> Option<(Vec<&str>, &str)> {
    let (mut depth, mut quoted, mut start, mut found) = (0, None, 0, Vec::new());
    for (at, letter) in text.char_indices() {
        match (quoted, letter) {
            (Some(quote), _) if letter == quote => quoted = None,
            (Some(_), _) => {}
            (None, '\'' | '"') => quoted = Some(letter),
            (None, '(' | '[') => depth += 1,
            (None, ']') if depth == 0 => {
                found.push(text[start..at].trim());
                return Some((found, &text[at + 1..]));
            }
            (None, ')' | ']') => depth -= 1,
            (None, ',') if depth == 0 => {
                found.push(text[start..at].trim());
                start = at + 1;
            }
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::is_same;

    /// Both sides as PostgreSQL 15 gave them, before and after a dump was restored.
    #[test]
    fn a_cast_of_the_whole_and_of_each() {
        let was =
            "CHECK (((s)::text = ANY ((ARRAY['a'::character varying, 'it''s, [x]'::character varying])::text[])))";
        let is = "CHECK (((s)::text = ANY (ARRAY[('a'::character varying)::text, ('it''s, [x]'::character varying)::text])))";
        assert!(is_same(was, is) && is_same(is, was) && is_same(was, was));
        for other in [is.replace("'a'", "'b'"), is.replace(")::text,", ")::name,"), is.replace("ANY", "ALL")] {
            assert!(!is_same(was, &other), "{other}");
        }
    }

    #[test]
    fn what_is_no_such_array_stays() {
        for (was, is) in [
            ("CHECK ((n = ANY (ARRAY[1, 2])))", "CHECK ((n = ANY (ARRAY[1, 3])))"),
            ("(ARRAY[1, 2])[1]", "ARRAY[1, 2][1]"),
            ("(ARRAY['a", "ARRAY['a"),
        ] {
            assert!(!is_same(was, is), "{was}");
        }
    }
}
