//! The keys of a TOML file, each with its tables: `db.addr.port`. A file that cannot be read has none.

use toml::de::{DeTable, DeValue};

/// In the file's order.
pub fn of(text: &str) -> Vec<String> {
    let mut keys = Vec::new();
    if let Ok(root) = DeTable::parse(text) {
        collect(root.get_ref(), "", &mut keys);
    }
    keys
}

fn collect(table: &DeTable<'_>, before: &str, keys: &mut Vec<String>) {
    for (name, value) in table {
        let key = format!("{before}{}", name.get_ref());
        match value.get_ref() {
            DeValue::Table(inner) => collect(inner, &format!("{key}."), keys),
            _ => keys.push(key),
        }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn with_their_tables() {
        assert_eq!(super::of("a = 1\n[db]\nb = 2\naddr = { port = 3 }\n"), ["a", "db.addr.port", "db.b"]);
        assert!(super::of("no toml").is_empty());
    }
}
