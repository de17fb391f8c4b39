//! Why an object differs after the downgrade, where the two texts of the catalog show it.

/// The reason, from the attributes that differ as [`crate::model::catalog::Change`] shows them.
pub fn altered(before: &str, after: &str) -> Option<String> {
    if let (Some(before), Some(after)) = (before.strip_prefix("labels: "), after.strip_prefix("labels: ")) {
        return other_labels(&quoted(before), &quoted(after));
    }
    let is_expression = before.starts_with("definition: ") && !before.contains('\n');
    (is_expression && without_casts(before) == without_casts(after)).then(|| {
        "the same expression, only its casts are written otherwise: PostgreSQL keeps it as it was parsed, and the types \
         were others then"
            .to_owned()
    })
}

fn other_labels(before: &[&str], after: &[&str]) -> Option<String> {
    let (kept, more) = after.split_at_checked(before.len())?;
    if kept == before {
        return Some(format!(
            "ALTER TYPE … ADD VALUE has no opposite: {} stays; where that matters, make the type anew without it",
            more.join(", ")
        ));
    }
    let sorted = |labels: &[&str]| {
        let mut labels: Vec<String> = labels.iter().map(|&label| label.to_owned()).collect();
        labels.sort_unstable();
        labels
    };
    (sorted(before) == sorted(after))
        .then(|| "the same labels in another order, and the order decides how values compare and sort".to_owned())
}

/// The labels in a list like `'a', 'it''s'`, with their quotes.
fn quoted(list: &str) -> Vec<&str> {
    let mut labels = Vec::new();
    let mut rest = list;
    while let Some(start) = rest.find('\'') {
        let text = &rest[start..];
        let mut end = 1;
        loop {
            match text[end..].find('\'') {
                Some(at) if text[end + at + 1..].starts_with('\'') => end += at + 2,
                Some(at) => break end += at + 1,
                None => return labels,
            }
        }
        labels.push(&text[..end]);
        rest = &text[end..];
    }
    labels
}

/// An expression without `::type` and without the brackets that only held what was cast. Strings stay as they are.
fn without_casts(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    // Where each open bracket stands in `plain`, and whether it holds more than one operand.
    let mut open: Vec<(usize, bool)> = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let mut taken = first.len_utf8();
        match first {
            '\'' => {
                taken = quoted(rest).first().map_or(1, |label| label.len());
                plain.push_str(&rest[..taken]);
            }
            ':' if rest.starts_with("::") => taken = 2 + type_name(&rest[2..]),
            '(' | '[' => {
                // What a name or `[` stands before is a call or a subscript, never a bracket to leave out.
                let called = first == '[' || plain.ends_with(|c: char| c.is_alphanumeric() || "_\"]".contains(c));
                open.push((plain.len(), called));
                plain.push(first);
            }
            ')' | ']' => {
                plain.push(first);
                if let Some((at, false)) = open.pop() {
                    plain.remove(at);
                    plain.pop();
                }
            }
            _ => {
                if let Some((_, holds_more)) = open.last_mut() {
                    *holds_more |= first == ' ' || first == ',';
                }
                plain.push(first);
            }
        }
        rest = &rest[taken..];
    }
    plain
}

/// How long the type's name is that a text starts with: `character varying(64)[]`, `public.mood`, `"Mood"`.
fn type_name(text: &str) -> usize {
    const SEVERAL_WORDS: [&str; 6] = [
        "character varying",
        "double precision",
        "bit varying",
        "timestamp with time zone",
        "timestamp without time zone",
        "time without time zone",
    ];
    let word = SEVERAL_WORDS.iter().find(|words| text.starts_with(**words)).map(|words| words.len());
    let simple = || text.find(|c: char| !c.is_alphanumeric() && !"_.\"".contains(c)).unwrap_or(text.len());
    let mut length = word.unwrap_or_else(simple);
    if let Some(size) = text[length..].strip_prefix('(').and_then(|rest| rest.split_once(')')).map(|(size, _)| size)
        && size.bytes().all(|byte| byte.is_ascii_digit() || byte == b',')
    {
        length += size.len() + 2;
    }
    while text[length..].starts_with("[]") {
        length += 2;
    }
    length
}

#[cfg(test)]
mod tests {
    use super::altered;

    #[test]
    fn a_label_that_stays() {
        let cause = altered("labels: 'a', 'it''s, so'", "labels: 'a', 'it''s, so', 'c'").unwrap();
        assert!(cause.starts_with("ALTER TYPE … ADD VALUE has no opposite: 'c' stays"), "{cause}");
    }

    #[test]
    fn the_order_of_labels() {
        let cause = altered("labels: 'a', 'b'", "labels: 'b', 'a'").unwrap();
        assert!(cause.contains("another order"), "{cause}");
        assert_eq!(altered("labels: 'a', 'b'", "labels: 'a', 'c'"), None);
        assert_eq!(altered("labels: 'a', 'b'", "labels: 'a'"), None);
    }

    #[test]
    fn casts_alone() {
        let before = "definition: CREATE INDEX ON t USING btree (a) WHERE ((s)::text <> ALL ((ARRAY['E'::character \
                      varying, 'T'::character varying(64)])::text[]))";
        let after = "definition: CREATE INDEX ON t USING btree (a) WHERE ((s)::text <> ALL (ARRAY[('E'::character \
                     varying)::text, ('T'::character varying)::text]))";
        assert!(altered(before, after).unwrap().contains("only its casts"));
        // A string is not an expression, whatever is in it.
        assert_eq!(altered(&before.replace("'E'", "'E::a'"), &after.replace("'E'", "'E::b'")), None);
        assert_eq!(altered(before, &after.replace("'T'", "'C'")), None);
        assert_eq!(altered(before, &after.replace("<> ALL", "= ANY")), None);
        // Brackets that say what belongs together are no matter of writing.
        let (one, other) = ("definition: CHECK ((a AND (b OR c)))", "definition: CHECK (((a AND b) OR c))");
        assert_eq!(altered(one, other), None);
        assert!(altered("definition: CHECK ((f((a)::text) = 1))", "definition: CHECK ((f(a) = 1))").is_some());
    }
}
