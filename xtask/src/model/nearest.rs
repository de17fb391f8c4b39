//! Finds the known names that are most like one that does not exist.

/// How many guesses are worth reading.
const GUESSES: usize = 3;

/// The known names nearest to a wrong one: those that it shortens or lengthens, else those that differ by a slip of the
/// finger or two. At most three, nearest first.
pub fn nearest<'a>(wrong: &str, known: impl Iterator<Item = &'a str> + Clone) -> Vec<String> {
    if wrong.is_empty() {
        return Vec::new();
    }
    // An id of four characters has hundreds of neighbours; two slips only count in a long one.
    let slips = if wrong.chars().count() < 8 { 1 } else { 2 };
    let extends = |name: &&str| name.starts_with(wrong) || (!name.is_empty() && wrong.starts_with(name));
    let mut found: Vec<(usize, &str)> = known.clone().filter(extends).map(|name| (0, name)).collect();
    if found.is_empty() {
        let distance = |name: &'a str| (strsim::osa_distance(wrong, name), name);
        found = known.map(distance).filter(|&(distance, _)| distance <= slips).collect();
    }
    found.sort_by_key(|&(distance, _)| distance);
    found.dedup();
    found.into_iter().take(GUESSES).map(|(_, name)| name.to_owned()).collect()
}

/// The one known name that is most like a wrong word of the command line or of the settings, if any is like it at all.
pub fn closest<'a>(wrong: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // The dashes that all flags begin with make none more like another.
    let bare = |name: &'a str| name.trim_start_matches('-');
    let wrong = wrong.trim_start_matches('-');
    let scored = known.into_iter().map(|name| (strsim::jaro_winkler(wrong, bare(name)), name));
    scored.filter(|(score, _)| *score > 0.75).max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::{closest, nearest};

    #[test]
    fn what_is_like_nothing_gets_no_guess() {
        let known = ["--since", "--roundtrip", "--component", "--json"];
        for (wrong, expected) in [
            ("--sinc", Some("--since")),
            ("--componnet", Some("--component")),
            ("--range", None),
            ("--dry-run", None),
            ("", None),
        ] {
            assert_eq!(closest(wrong, known), expected, "{wrong}");
        }
    }

    #[test]
    fn shortened_first_then_slips() {
        let known = ["4b7b650bc30e", "4b7b000000ab", "58a2f4d1f2b1", "beef"];
        for (wrong, expected) in [
            ("4b7b", &["4b7b650bc30e", "4b7b000000ab"][..]),
            ("58a2f4d1f2b", &["58a2f4d1f2b1"]),
            ("58a2f4d1f2bX", &["58a2f4d1f2b1"]),
            ("58a2f4d1f2b1x", &["58a2f4d1f2b1"]),
            ("85a2f4d1fb21", &["58a2f4d1f2b1"]),
            ("bef", &["beef"]),
            ("0000", &[]),
            ("", &[]),
        ] {
            assert_eq!(nearest(wrong, known.into_iter()), expected, "{wrong}");
        }
    }
}
