//! A script's bytes as text. Python reads UTF-8 unless one of the first two lines declares something else (PEP 263).

/// A text, and what is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decoded {
    /// The text; what is not UTF-8 is replaced.
    pub text: String,
    /// The first line (from 1) with bytes that Python does not take.
    pub broken_line: Option<usize>,
}

/// Decodes a script. Of other encodings than UTF-8 only what is ASCII is read: ids and code are.
pub fn decode(bytes: Vec<u8>) -> Decoded {
    match String::from_utf8(bytes) {
        Ok(text) => Decoded { text, broken_line: None },
        Err(error) => {
            let good = &error.as_bytes()[..error.utf8_error().valid_up_to()];
            let line = 1 + good.iter().filter(|&&byte| byte == b'\n').count();
            let is_declared = declared_encoding(error.as_bytes()).is_some_and(|name| !is_utf8(&name));
            let text = String::from_utf8_lossy(error.as_bytes()).into_owned();
            Decoded { text, broken_line: (!is_declared).then_some(line) }
        }
    }
}

/// Whether a declared encoding is UTF-8.
pub(in crate::model) fn is_utf8(name: &str) -> bool {
    matches!(name, "utf-8" | "utf8" | "utf_8" | "utf-8-sig")
}

/// The encoding that one of the first two lines declares, as Python finds it (PEP 263): `# -*- coding: latin-1 -*-`.
pub fn declared_encoding(bytes: &[u8]) -> Option<String> {
    let declaration = |line: &[u8]| {
        let line = String::from_utf8_lossy(line).into_owned();
        let comment = line.trim_start_matches(['\u{feff}', ' ', '\t', '\u{c}']).strip_prefix('#')?.to_owned();
        let after = comment.split_once("coding").map(|(_, rest)| rest)?;
        let name = after.strip_prefix([':', '='])?.trim_start_matches([' ', '\t']);
        let name: String = name.chars().take_while(|c| c.is_alphanumeric() || "-_.".contains(*c)).collect();
        (!name.is_empty()).then(|| name.to_ascii_lowercase())
    };
    bytes.split(|&byte| byte == b'\n').take(2).find_map(declaration)
}
