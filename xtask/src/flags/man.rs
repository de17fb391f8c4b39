//! The manual page, in roff, made from the definitions.

use super::help::{EXIT_CODES, names, usage};
use super::spec::FlagRow;
use super::{command_rows, common_rows};

/// `xtask(1)`, whole.
pub fn man_page() -> String {
    let mut page = format!(
        ".TH XTASK 1 \"\" \"xtask {}\"\n.SH NAME\nxtask \\- database workflows round Alembic, PostgreSQL and git\n\
         .SH SYNOPSIS\n.B cargo xtask\n.I COMMAND\n[flags]\n.SH COMMANDS\n",
        env!("CARGO_PKG_VERSION")
    );
    for row in command_rows() {
        page.push_str(&format!(
            ".SS {}\n{}.\n.PP\n{}\n.PP\n.nf\n{}\n.fi\n",
            roff(row.name),
            roff(row.summary),
            roff(row.about),
            roff(&usage(&row))
        ));
        push_flags(&mut page, row.flags.iter());
        for (why, line) in row.examples {
            page.push_str(&format!(".PP\n{}:\n.PP\n.nf\n    {}\n.fi\n", roff(why), roff(line)));
        }
    }
    page.push_str(".SH COMMON FLAGS\n");
    push_flags(&mut page, common_rows().iter());
    page.push_str(".SH EXIT STATUS\n");
    for (code, meaning) in EXIT_CODES {
        page.push_str(&format!(".TP\n.B {code}\n{}\n", roff(meaning)));
    }
    page
}

fn push_flags<'a>(page: &mut String, flags: impl Iterator<Item = &'a FlagRow>) {
    for flag in flags {
        page.push_str(&format!(".TP\n.B {}\n{}\n", roff(names(flag).trim_start()), roff(flag.help)));
    }
}

/// A backslash, a dash, and a dot or quote at a line's beginning mean something to roff.
fn roff(text: &str) -> String {
    let line = |line: &str| {
        let line = line.replace('\\', "\\e").replace('-', "\\-").replace('`', "\\(ga").replace('…', "...");
        if line.starts_with(['.', '\'']) { format!("\\&{line}") } else { line }
    };
    text.lines().map(line).collect::<Vec<_>>().join("\n")
}
