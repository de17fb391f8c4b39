//! What PostgreSQL says about rows, without what the rows hold: names of tables, keys and types stay. Messages may be in any language, so what is cut is found by its place, not by its words.

/// In the place of values that `--verbose` shows.
pub const FOR_VERBOSE: &str = "(its values: --verbose)";
/// In the place of values that are not shown.
pub const LEFT_OUT: &str = "(its values are left out)";

/// A message, by its SQLSTATE: `invalid input syntax for type integer: "4711"`.
pub fn message_without(sqlstate: &str, message: &str, instead: &str) -> String {
    match sqlstate {
        // The value stands behind a colon, or in quotes: `value "4711" is out of range for type smallint`.
        "22P02" | "22003" | "22007" | "22008" | "22021" => match message.split_once(": ") {
            Some((what, _)) => format!("{what} {instead}"),
            None => without_quoted(message, instead),
        },
        // `character with byte sequence 0xe2 0x82 0xac in encoding "UTF8" has no equivalent in …`
        "22P05" => without_bytes(message, instead),
        _ => message.to_owned(),
    }
}

/// A detail: `Key (a, b)=(1, 2) already exists.`, `Failing row contains (1, 2).`, `Token "x" is invalid.`
pub fn detail_without(sqlstate: &str, detail: &str, instead: &str) -> String {
    let after: &[&str] = match sqlstate {
        "23503" => &[") is not present in", ") is still referenced"],
        "23505" => &[") already exists", ") is duplicated"],
        _ => &[],
    };
    if let (Some((what, _)), "23502" | "23514") = (detail.split_once('('), sqlstate) {
        return format!("{what}(…) {instead}");
    }
    if sqlstate.starts_with("22") {
        return without_quoted(detail, instead);
    }
    let Some((key, values)) = detail.split_once(")=(").filter(|_| sqlstate.starts_with("23")) else {
        return detail.to_owned();
    };
    // A value may hold these words as well: the last ones are the server's.
    let rest = after.iter().filter_map(|after| values.rfind(after)).max().map_or("", |at| &values[at + 1..]);
    format!("{key}){} {instead}", rest.trim_end_matches('.'))
}

/// Without what stands between the first quote and the last one, whatever a language takes for them.
pub fn without_quoted(text: &str, instead: &str) -> String {
    const QUOTES: &[char] = &['"', '»', '«', '„', '“', '”', '「', '」', '›', '‹'];
    match (text.find(QUOTES), text.rfind(QUOTES)) {
        (Some(first), Some(last)) if first < last => {
            let after = text[last..].chars().skip(1).collect::<String>();
            format!("{}…{} {instead}", &text[..first], after.trim_end_matches('.'))
        }
        _ => text.to_owned(),
    }
}

fn without_bytes(message: &str, instead: &str) -> String {
    let Some(first) = message.find("0x") else { return message.to_owned() };
    let rest = message[first..].split(' ').skip_while(|word| word.starts_with("0x")).collect::<Vec<_>>().join(" ");
    format!("{}… {rest} {instead}", &message[..first])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_and_values_go() {
        for (state, message, detail) in [
            ("22P02", "invalid input syntax for type integer: \"geheim\"", ""),
            ("22P02", "ungültige Eingabesyntax für Typ integer: »geheim«", ""),
            ("22P02", "invalid input value for enum mood: \"ge: \"heim\"\"", ""),
            ("22P02", "invalid input syntax for type json", "Token \"geheim\" is invalid."),
            (
                "22P02",
                "malformed array literal: \"geheim\"",
                "Array value must start with \"{\" or dimension information.",
            ),
            ("22003", "value \"geheim\" is out of range for type smallint", ""),
            ("22007", "invalid input syntax for type date: \"geheim\"", ""),
            ("22008", "date/time field value out of range: \"geheim\"", ""),
            (
                "22P05",
                "character with byte sequence 0xe2 0x82 0xac in encoding \"UTF8\" has no equivalent in encoding \"LATIN1\"",
                "",
            ),
            ("22021", "invalid byte sequence for encoding \"UTF8\": 0xe2 0x82", ""),
            ("23514", "new row violates", "Failing row contains (1, geheim, (x))."),
            ("23514", "", "Fehlgeschlagene Zeile enthält (1, geheim)."),
            ("23514", "no partition", "Partition key of the failing row contains (a) = (geheim)."),
            ("23514", "", "Failing row contains (1, geheim) = (x)."),
            ("23505", "", "Key (a)=(x) is not present in geheim) already exists."),
            ("23P01", "", "Key (a)=([1,2)) conflicts with existing key (a)=(geheim) conflicts with)."),
            ("23505", "", "Schlüssel »(a)=(geheim)« existiert bereits."),
            ("23503", "", "Key (a)=(ge) already exists heim) is not present in table \"t\"."),
        ] {
            let shown = format!(
                "{} {}",
                message_without(state, message, FOR_VERBOSE),
                detail_without(state, detail, FOR_VERBOSE)
            );
            assert!(!["geheim", "heim)", "0xe2", "»geheim"].iter().any(|it| shown.contains(it)), "{shown}");
            assert!(shown.contains("--verbose"), "{shown}");
        }
        let kept =
            message_without("22P05", "character with byte sequence 0xe2 0x82 in encoding \"UTF8\" has no", FOR_VERBOSE);
        assert_eq!(kept, "character with byte sequence … in encoding \"UTF8\" has no (its values: --verbose)");
        let kept = detail_without("23503", "Key (a)=(7) is not present in table \"t\".", LEFT_OUT);
        assert_eq!(kept, "Key (a) is not present in table \"t\" (its values are left out)");
        for (state, text) in [("22003", "integer out of range"), ("42703", "column \"a\" does not exist")] {
            assert_eq!(message_without(state, text, LEFT_OUT), text);
            assert_eq!(detail_without(state, text, LEFT_OUT), text);
        }
    }
}
