//! Reads the comment that says which release a script belongs to: `# Part of: 26.8.0 (main)`, and, until there is a
//! release, `# Part of: NEXT_RELEASE_VERSION`, which the release process replaces.

/// How many of the newest scripts tell what the project's habit is.
pub const NEWEST: usize = 20;
const MARK: &str = "# Part of:";

/// What a script says that it is part of.
pub fn value(text: &str) -> Option<&str> {
    text.lines().find_map(|line| line.trim_start().strip_prefix(MARK)).map(str::trim).filter(|value| !value.is_empty())
}

/// Whether a value stands for a release that is yet to come: a name, no version.
pub fn is_placeholder(value: &str) -> bool {
    let word = value.split_whitespace().next().unwrap_or_default();
    word.contains('_') && word.chars().all(|c| c.is_ascii_uppercase() || c == '_')
}

/// What a project's newest scripts have in common.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Habit {
    /// Whether most of them have the comment.
    pub is_habit: bool,
    /// The name that stands for the coming release, as the newest script that has one says it.
    pub placeholder: Option<String>,
}

impl Habit {
    /// Reads it off scripts, the newest first.
    pub fn of<'a>(newest_first: impl Iterator<Item = &'a str>) -> Habit {
        let values: Vec<Option<&str>> = newest_first.take(NEWEST).map(value).collect();
        let marked = values.iter().flatten().count();
        let placeholder = values.iter().flatten().find(|value| is_placeholder(value));
        Habit {
            is_habit: values.len() >= 5 && marked * 2 > values.len(),
            placeholder: placeholder.map(|value| value.split_whitespace().take(1).collect()),
        }
    }

    /// The comment for a new script, where it can be told.
    pub fn line(&self) -> Option<String> {
        self.placeholder.as_ref().filter(|_| self.is_habit).map(|name| format!("{MARK} {name}"))
    }
}

/// A script's text with this line above what most write it above; as it is where it has such a line, or no place for one.
pub fn marked(text: &str, line: &str) -> String {
    let starts = |name: &str| {
        text.match_indices(name).map(|(at, _)| at).find(|at| {
            let after = text[at + name.len()..].trim_start();
            (*at == 0 || text[..*at].ends_with('\n')) && after.starts_with(['=', ':'])
        })
    };
    match starts("branch_labels").or_else(|| starts("revision")) {
        Some(at) if value(text).is_none() => format!("{}{line}\n{}", &text[..at], &text[at..]),
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_put_in_once_where_others_have_it() {
        let line = "# Part of: NEXT";
        let text = "'''branch_labels'''\nrevision = 'a'\nbranch_labels = None\n";
        let now = marked(text, line);
        assert_eq!(now, "'''branch_labels'''\nrevision = 'a'\n# Part of: NEXT\nbranch_labels = None\n");
        assert_eq!(marked(&now, line), now);
        assert_eq!(marked("revision: str = 'a'\n", line), "# Part of: NEXT\nrevision: str = 'a'\n");
        assert_eq!(marked("x = 1\n", line), "x = 1\n");
    }

    #[test]
    fn the_newest_scripts_tell_the_habit() {
        let of = |values: &[&str]| {
            let texts: Vec<String> = values.iter().map(|value| format!("x = 1\n{value}\n")).collect();
            Habit::of(texts.iter().map(String::as_str))
        };
        let coming =
            of(&["", "# Part of: NEXT_RELEASE_VERSION", "# Part of: 26.9.0", "# Part of: 26.9.0", "# Part of: 26.9.0"]);
        assert_eq!(coming.line().as_deref(), Some("# Part of: NEXT_RELEASE_VERSION"));
        let versions = of(&["# Part of: 26.4.8 (backport), 26.8.0 (main)"; 6]);
        assert_eq!((versions.is_habit, versions.line()), (true, None));
        assert!(!of(&["# Part of: NEXT_RELEASE_VERSION", "", "", "", ""]).is_habit);
        assert!(!of(&["# Part of: 1.0"; 4]).is_habit, "four scripts are no habit");
        assert_eq!(of(&["# Part of: NEXT_RELEASE_VERSION", "", "", "", ""]).line(), None);
    }
}
