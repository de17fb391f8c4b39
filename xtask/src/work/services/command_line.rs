//! Finds Backend.AI's own command line, what it offers, and whether it can run.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Result;

use super::Asking;
use crate::ctx::Ctx;
use crate::fail::{Fail, Kind};
use crate::model::action::{Action, own, program};
use crate::model::check::Check;
use crate::sys::files;
use crate::sys::run::{Cmd, Done};

const NAME: &str = "backend.ai";
/// A cold start of Python that imports its modules.
const HELP_LIMIT: Duration = Duration::from_secs(60);
/// What a checkout's `./py` does not run without.
const EXPORTED: &str = "dist/export/python/virtualenvs/python-default";

/// The command, and the folder that it runs in.
pub struct CommandLine {
    program: PathBuf,
    root: PathBuf,
}

/// A command that it has, and a line about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offered {
    pub name: String,
    pub help: String,
}

impl CommandLine {
    /// The checkout's own, else the one beside the project's Python, else the one on `PATH`.
    ///
    /// # Errors
    /// `tool-missing`.
    pub fn find(ctx: &Ctx, root: &Path) -> Result<CommandLine> {
        let beside = || Some(ctx.python_that_is_there(ctx.project().ok()?)?.path.parent()?.join(NAME));
        let own = root.join(NAME);
        let found = [Some(own), beside()].into_iter().flatten().find(|path| path.is_file());
        let program = found.or_else(|| which::which(NAME).ok()).ok_or_else(|| missing(root))?;
        Ok(CommandLine { program, root: root.to_owned() })
    }

    /// A command of a service, not yet started.
    pub fn command(&self, service: &str, words: &[String]) -> Cmd {
        Cmd::new(&self.program, &self.root).arg(service).args(words)
    }

    /// As a person types it in the project's folder.
    pub fn shown(&self) -> String {
        match self.program.strip_prefix(&self.root) {
            Ok(inside) => Path::new(".").join(inside).display().to_string(),
            Err(_) => self.program.display().to_string(),
        }
    }

    /// What a service offers, asked of the command itself.
    ///
    /// # Errors
    /// `tool-missing` where it does not run, or does not know the service.
    pub fn offered(&self, ctx: &Ctx, service: &str) -> Result<Vec<Offered>> {
        let _task = ctx.ui.task(format!("Asking {} what it offers", self.shown()));
        let done = self.command(service, &["--help".to_owned()]).limit(HELP_LIMIT).capture(&ctx.ui)?;
        if !done.status.success() {
            return Err(self.does_not_run(service, &done).into());
        }
        Ok(commands(&done.stdout))
    }

    fn does_not_run(&self, service: &str, done: &Done) -> Fail {
        let said = format!("{}\n{}", done.stdout.trim(), done.last_lines());
        let fail = Fail::new(Kind::ToolMissing, format!("`{} {service}` does not run", self.shown()));
        let fail = fail.details(said.trim());
        let fail = match self.lacks() {
            Some(fix) => fail.action(fix),
            None => fail.action("Install the packages of this service into the same environment"),
        };
        fail.related(own("doctor"))
    }

    /// What its script needs and does not find, as it says itself.
    fn lacks(&self) -> Option<Action> {
        let py = files::read_text(&self.root.join("py")).unwrap_or_default();
        let is_own = self.program.starts_with(&self.root) && py.contains(EXPORTED);
        let is_lacking = is_own && !self.root.join(EXPORTED).is_dir();
        is_lacking.then(|| {
            Action::run("Make the virtual environment that ./py runs in", program(["pants", "export"]).at_root())
        })
    }
}

fn missing(root: &Path) -> Fail {
    Fail::new(Kind::ToolMissing, format!("Backend.AI's command line ({NAME}) is not there"))
        .details(format!("Looked for {}, beside the project's Python, and on PATH", root.join(NAME).display()))
        .action("Name the Python of the environment that it is installed in: --python=PATH")
        .action("Or name the checkout's folder: --project=DIR")
        .related(own("doctor"))
        .refused()
}

pub fn check(asking: &Asking, name: &str) -> Vec<Check> {
    vec![match CommandLine::find(&asking.ctx, &asking.root) {
        Err(error) => crate::report::checks::of_fail(name, &crate::fail::from_anyhow(&error)),
        Ok(found) => match found.lacks() {
            Some(fix) => Check::failed(name, format!("./py does not run: {EXPORTED} is not there")).fix(fix),
            None => Check::ok(name, found.shown()),
        },
    }]
}

/// The list under `Commands:`; a line that goes on is not needed.
fn commands(help: &str) -> Vec<Offered> {
    let lines = help.lines().skip_while(|line| line.trim() != "Commands:").skip(1);
    let lines = lines.take_while(|line| line.starts_with(' ') || line.is_empty());
    lines
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
        .filter_map(|line| {
            let (name, help) = line.trim().split_once(' ').unwrap_or((line.trim(), ""));
            (!name.is_empty()).then(|| Offered { name: name.to_owned(), help: help.trim().to_owned() })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn what_its_help_lists() {
        let help = "Usage: x\n\nOptions:\n  -h, --help  Show\n\nCommands:\n  agent         Command set for\n                more.\n  \
                    start-server  Start it.\n";
        let found: Vec<String> =
            super::commands(help).into_iter().map(|it| format!("{}: {}", it.name, it.help)).collect();
        assert_eq!(found, ["agent: Command set for", "start-server: Start it."]);
    }
}
