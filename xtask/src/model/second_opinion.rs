//! A schema as `pg_dump` writes it, as a value that can be compared, and whether it shows the same differences as the
//! catalog.

use std::collections::BTreeMap;

/// The statements of a dump, and how often each stands in it: their order depends on object ids.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dumped {
    statements: BTreeMap<String, usize>,
}

impl Dumped {
    /// Reads a dump's text. Comments and what `pg_dump` sets for the session say nothing of the schema.
    pub fn of(text: &str) -> Dumped {
        let says = |line: &&str| {
            let noise = ["--", "SET ", "SELECT pg_catalog.set_config", "\\restrict", "\\unrestrict"];
            !noise.iter().any(|start| line.starts_with(start))
        };
        let text: Vec<&str> = text.lines().filter(says).collect();
        let mut statements = BTreeMap::new();
        for statement in text.join("\n").split("\n\n").map(str::trim).filter(|it| !it.is_empty()) {
            *statements.entry(statement.to_owned()).or_default() += 1;
        }
        Dumped { statements }
    }

    /// The statements that are on one side only: with a minus those that went, with a plus those that came.
    pub fn differences(&self, after: &Dumped) -> Vec<String> {
        let only = |one: &Dumped, other: &Dumped, sign: char| -> Vec<String> {
            let gone = one.statements.iter().filter(|(text, count)| other.statements.get(*text) != Some(count));
            gone.map(|(text, _)| format!("{sign} {}", text.lines().next().unwrap_or_default())).collect()
        };
        [only(self, after, '-'), only(after, self, '+')].concat()
    }
}

/// What the second observer says of a comparison, where it does not say the same as we.
pub fn disagreement(before: &Dumped, after: &Dumped, we_see: usize, order_only: bool) -> Option<String> {
    let seen = before.differences(after);
    match (we_see, seen.as_slice()) {
        // For this tool another order of columns is a note; for pg_dump it is a difference.
        (0, [_, ..]) if !order_only => Some(format!("pg_dump alone sees a difference: {}", seen.join("; "))),
        (1.., []) => Some(format!("pg_dump sees none of the {we_see} differences")),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_side_only_is_a_disagreement() {
        let one = Dumped::of("-- x\nSET a = 1;\n\nCREATE TABLE t (\n    a integer\n);\n\nCREATE TABLE u (\n);\n");
        let same = Dumped::of("CREATE TABLE u (\n);\n\n--\nCREATE TABLE t (\n    a integer\n);\n");
        let other = Dumped::of("CREATE TABLE t (\n    a text\n);\n\nCREATE TABLE u (\n);\n");
        assert_eq!(disagreement(&one, &same, 0, false), None);
        assert_eq!(disagreement(&one, &other, 1, false), None);
        assert_eq!(disagreement(&one, &other, 0, true), None);
        assert!(disagreement(&one, &other, 0, false).unwrap().contains("CREATE TABLE t ("));
        assert!(disagreement(&one, &same, 2, false).unwrap().contains("none of the 2"));
    }
}
