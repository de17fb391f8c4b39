//! `completions` prints the script with which a shell asks this program for completions; `man` prints the manual page.
//! The scripts call the hidden `__complete`, which answers with a word a line (a tab and its help behind it), or with
//! `:files` or `:folders`, which the shell itself can offer.

use std::ffi::OsString;
use std::path::PathBuf;

use anyhow::{Context, Result};

use crate::ctx::Ctx;
use crate::fail::Exit;
use crate::flags::{COMPLETE_COMMAND, Common, Offer, ShellName, Source, man_page, offer};
use crate::model::rules;
use crate::sys::offers;
use crate::sys::run::quoted;
use crate::ui::{Options, Ui};

pub fn run(ui: &Ui, shell: ShellName) -> Result<Exit> {
    let script = match shell {
        ShellName::Bash => include_str!("completions/xtask.bash"),
        ShellName::Zsh => include_str!("completions/xtask.zsh"),
        ShellName::Fish => include_str!("completions/xtask.fish"),
    };
    let exe = std::env::current_exe().context("asking for the path of this program")?;
    let script = script.replace("@XTASK@", &quoted(&exe.display().to_string()));
    ui.exact_answer(script.replace("@COMPLETE@", COMPLETE_COMMAND).trim_end());
    Ok(Exit::Done)
}

pub fn man(ui: &Ui) -> Exit {
    ui.exact_answer(man_page().trim_end());
    Exit::Done
}

/// The hidden command. Whatever goes wrong, a shell that waits for words gets none, and no error across the line that is
/// being typed.
pub fn complete(words: &[OsString]) -> Exit {
    let words: Vec<String> = words.iter().map(|word| word.to_string_lossy().into_owned()).collect();
    let offer = offer(&words);
    let ui = Ui::new(Options { quiet: true, ..Options::default() });
    if let Ok(words) = look_up(&ui, &offer) {
        let fits = words.iter().filter(|(word, _)| word.starts_with(&offer.typed) || word.starts_with(':'));
        let lines: Vec<String> = fits.map(|(word, help)| line(&offer.before, word, help)).collect();
        if !lines.is_empty() {
            ui.answer(lines.join("\n"));
        }
    }
    Exit::Done
}

fn line(before: &str, word: &str, help: &str) -> String {
    let before = if word.starts_with(':') { "" } else { before };
    match help.lines().next() {
        Some(help) => format!("{before}{word}\t{help}"),
        None => format!("{before}{word}"),
    }
}

fn look_up(ui: &Ui, offer: &Offer) -> Result<Vec<(String, String)>> {
    let plain = |words: Vec<String>| words.into_iter().map(|word| (word, String::new())).collect();
    let ctx = |common: &Common| Ctx::new(ui.clone(), common.clone());
    Ok(match &offer.source {
        Source::Words(words) => words.clone(),
        Source::Files => plain(vec![":files".to_owned()]),
        Source::Folders => plain(vec![":folders".to_owned()]),
        Source::Nothing => Vec::new(),
        Source::Rules => rules::RULES.iter().map(|rule| (rule.code.to_owned(), rule.name.to_owned())).collect(),
        Source::Branches => {
            let folder = offer.common.project.clone().unwrap_or_else(|| PathBuf::from("."));
            plain(offers::branches(ui, &folder)?)
        }
        Source::Components => {
            let ctx = ctx(&offer.common)?;
            plain(ctx.project()?.components.iter().map(|component| component.name.clone()).collect())
        }
        Source::Revisions => {
            let ctx = ctx(&offer.common)?;
            let mut words = vec![("head".to_owned(), String::new()), ("base".to_owned(), String::new())];
            words.extend(offers::revisions(&ctx.config(ctx.component()?)?)?);
            words
        }
    })
}
