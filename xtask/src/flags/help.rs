//! Help for a person and `docs/commands.md`, both made from the definitions.

use super::spec::{CommandRow, FlagRow};
use super::{command_rows, common_rows};

/// Exit codes as the contract has them.
pub(super) const EXIT_CODES: &[(&str, &str)] = &[
    ("0", "done, or nothing to do"),
    ("1", "the operation failed; what was changed is said"),
    ("2", "the command line is wrong; nothing was changed"),
    ("3", "a pre-flight check refused; nothing was changed"),
    ("4", "a check found something, or there was nothing to test"),
    ("130", "interrupted; what was changed is said, and how to go on"),
];

/// `cargo xtask help`.
pub fn overview() -> String {
    let mut text = String::from(
        "Database workflows round Alembic, PostgreSQL and git\n\nUsage: cargo xtask COMMAND [flags]\n\nCommands:\n",
    );
    let width = command_rows().map(|row| row.name.len()).max().unwrap_or_default();
    for row in command_rows() {
        text.push_str(&format!("  {:width$} {}\n", row.name, row.summary));
    }
    text.push_str("\nCommon flags:\n");
    push_flags(&mut text, common_rows().iter());
    push_exit_codes(&mut text);
    text.push_str("\nMore on one command: cargo xtask help COMMAND");
    text
}

/// `cargo xtask help COMMAND`.
pub fn command_help(row: &CommandRow) -> String {
    let mut text = format!("cargo xtask {}: {}\n\n{}\n\nUsage: {}\n", row.name, row.summary, row.about, usage(row));
    if !row.flags.is_empty() {
        text.push_str("\nFlags:\n");
        push_flags(&mut text, row.flags.iter());
    }
    text.push_str("\nCommon flags:\n");
    push_flags(&mut text, common_rows().iter().filter(|flag| row.takes(flag)));
    if !row.examples.is_empty() {
        text.push_str("\nExamples:\n");
        for (why, line) in row.examples {
            text.push_str(&format!("  # {why}\n  {line}\n"));
        }
    }
    text.trim_end().to_owned()
}

/// `docs/commands.md`, whole.
pub fn commands_page() -> String {
    let mut text = String::from(
        "# Commands\n\n<!-- Made from xtask/src/flags/; a test compares. Rewrite it: UPDATE_EXPECT=1 cargo test commands_page -->\n\n\
         ## Common flags\n\n",
    );
    push_table(&mut text, common_rows().iter());
    text.push_str("\n## Exit codes\n\n| code | meaning |\n|---|---|\n");
    for (code, meaning) in EXIT_CODES {
        text.push_str(&format!("| {code} | {meaning} |\n"));
    }
    for row in command_rows() {
        text.push_str(&format!("\n## `{}`\n\n{}.\n\n{}\n\n    {}\n", row.name, row.summary, row.about, usage(&row)));
        if !row.flags.is_empty() {
            text.push('\n');
            push_table(&mut text, row.flags.iter());
        }
        for (why, line) in row.examples {
            text.push_str(&format!("\n{why}:\n\n    {line}\n"));
        }
    }
    text
}

pub(super) fn usage(row: &CommandRow) -> String {
    let mut text = format!("cargo xtask {}", row.name);
    for word in &row.words {
        let with = row.words_with.map(|flag| format!("{flag} ")).unwrap_or_default();
        text.push_str(&format!(" [{with}{}]", word.name));
    }
    text.push_str(" [flags]");
    text
}

fn push_flags<'a>(text: &mut String, flags: impl Iterator<Item = &'a FlagRow>) {
    for flag in flags {
        text.push_str(&format!("  {:26} {}\n", names(flag), flag.help));
    }
}

fn push_table<'a>(text: &mut String, flags: impl Iterator<Item = &'a FlagRow>) {
    text.push_str("| flag | meaning |\n|---|---|\n");
    for flag in flags {
        text.push_str(&format!("| `{}` | {} |\n", names(flag).trim_start(), flag.help));
    }
}

fn push_exit_codes(text: &mut String) {
    text.push_str("\nExit codes:\n");
    for (code, meaning) in EXIT_CODES {
        text.push_str(&format!("  {code:4} {meaning}\n"));
    }
}

/// `-c, --component NAME`; long names stand below each other.
pub(super) fn names(flag: &FlagRow) -> String {
    let short = match flag.short {
        Some(short) => format!("{short}, "),
        None if flag.long.starts_with("--") => "    ".to_owned(),
        None => String::new(),
    };
    match flag.value {
        Some(value) if flag.optional => format!("{short}{}[={value}]", flag.long),
        Some(value) => format!("{short}{} {value}", flag.long),
        None => format!("{short}{}", flag.long),
    }
}
