//! Database workflows with Alembic, PostgreSQL and git. `docs/architecture.md` is the map; start there.
//!
//! It is a library with a thin `main.rs`, so that the test binary and the benchmarks can use its parts.

pub mod cmd;
pub mod ctx;
pub mod fail;
pub mod flags;
pub mod model;
pub mod report;
pub mod sys;
pub mod ui;
pub mod work;

use std::ffi::OsString;

use anyhow::Result;
use serde_json::json;

use ctx::Ctx;
use fail::Exit;
use flags::{Command, Common};
use ui::Ui;

/// Runs one command line (without the program's name): parse, build the context, dispatch, report.
pub fn run(words: Vec<OsString>) -> Exit {
    if let Some((first, rest)) = words.split_first() {
        if first == sys::hooks::HOOK_COMMAND {
            return cmd::hooks::called(rest);
        }
        if first == flags::COMPLETE_COMMAND {
            return cmd::completions::complete(rest);
        }
    }
    let json = flags::wants_json(&words);
    let named = flags::command_names().find(|name| words.iter().any(|word| word == name)).unwrap_or("xtask");
    let (common, command) = match flags::parse(words) {
        Ok(parsed) => parsed,
        Err(fail) => {
            let ui = Ui::new(ui::Options { json, ..ui::Options::default() });
            ui.json(named, fail.exit, json!({}), Some(&fail));
            ui.error(&fail);
            return fail.exit;
        }
    };
    let ui = Ui::new(common.output).surrounded(ctx::surroundings(&common)).strict(ctx::is_strict(&common));
    match work(&ui, common, &command) {
        Ok(exit) => written(&ui, ui.settled(exit)),
        Err(error) => {
            let fail = fail::from_anyhow(&error);
            // A command that has more to say than the error has printed its own object already.
            ui.json_once(command.name(), fail.exit, json!({}), Some(&fail));
            ui.error(&fail);
            fail.exit
        }
    }
}

/// An answer that did not get out is no success.
fn written(ui: &Ui, exit: Exit) -> Exit {
    match ui.lost() {
        Some(error) if exit == Exit::Done => {
            ui.error_of_answer(error);
            Exit::Failed
        }
        _ => exit,
    }
}

fn work(ui: &Ui, common: Common, command: &Command) -> Result<Exit> {
    sys::interrupt::listen()?;
    cmd::run(&Ctx::new(ui.clone(), common)?, command)
}
