//! What a person or a script sees: the answer on stdout, everything else on stderr. Colour, progress, `--quiet`,
//! `--verbose` and `--json` are decided here once. No other module writes to a stream.

use std::io::{self, IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::{Map, Value};

use crate::fail::{Exit, Fail, Kind};
use crate::model::action::{Action, Around, own};
use crate::model::harmless::{harmless, in_colour, no_commands};

/// How long something may take before a spinner shows.
const PROGRESS_AFTER: Duration = Duration::from_millis(500);

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Color {
    /// Colour on a terminal, unless `NO_COLOR` is set.
    #[default]
    Auto,
    /// Colour always.
    Always,
    /// Colour never.
    Never,
}

/// What the common flags say about output.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// One JSON object on stdout, nothing else there.
    pub json: bool,
    /// No progress.
    pub quiet: bool,
    /// Every command run is shown.
    pub verbose: bool,
    pub color: Color,
}

/// The two streams and how to write to them. Cheap to clone; clones share the progress display.
#[derive(Clone)]
pub struct Ui {
    options: Options,
    color_out: bool,
    color_err: bool,
    progress: Arc<MultiProgress>,
    terminal: bool,
    answered: Arc<AtomicBool>,
    overheard: Option<Arc<Mutex<Said>>>,
    strict: Arc<AtomicBool>,
    /// What was not looked at, a sentence each; clones and steps of a flow share it.
    gaps: Arc<Mutex<Vec<String>>>,
    around: Arc<Around>,
    /// Why the answer could not be written.
    lost: Arc<OnceLock<io::Error>>,
}

/// What a command that ran as a step of another one would have printed.
#[derive(Clone, Debug, Default)]
pub struct Said {
    /// Its answer.
    pub text: String,
    /// The fields of its JSON object.
    pub fields: Value,
}

/// The colours that are used, by meaning.
#[derive(Clone, Copy)]
pub enum Paint {
    /// Done, up to date, added.
    Good,
    /// Failed, removed.
    Bad,
    /// Look here: behind, changed.
    Warn,
    /// Less important.
    Dim,
    /// A headline.
    Bold,
}

impl Ui {
    /// Decides colour and progress from the options, the environment and the two streams.
    pub fn new(options: Options) -> Ui {
        let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let wants = |terminal: bool| match options.color {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => terminal && !no_color,
        };
        let terminal = io::stderr().is_terminal();
        let target =
            if terminal && !options.quiet { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        Ui {
            options,
            color_out: wants(io::stdout().is_terminal()) && !options.json,
            color_err: wants(terminal),
            progress: Arc::new(MultiProgress::with_draw_target(target)),
            terminal,
            answered: Arc::default(),
            overheard: None,
            strict: Arc::default(),
            gaps: Arc::default(),
            around: Arc::default(),
            lost: Arc::default(),
        }
    }

    /// The same; what is printed to be pasted fits this command line and folder.
    pub fn surrounded(self, around: Around) -> Ui {
        Ui { around: around.into(), ..self }
    }

    /// The same; with `strict`, what was not looked at ([`Ui::not_looked_at`]) is no success.
    pub fn strict(self, strict: bool) -> Ui {
        self.strict.fetch_or(strict, Ordering::Relaxed);
        self
    }

    /// Says that a check looked at less than its user would think; said once, under `--quiet` too.
    pub fn not_looked_at(&self, what: impl Into<String>) {
        let what = what.into();
        let mut gaps = self.gaps.lock().unwrap_or_else(PoisonError::into_inner);
        if !gaps.contains(&what) {
            self.warn(format!("Not looked at: {what}"));
            gaps.push(what);
        }
    }

    /// How a run ends that came to this: under `--strict`, what was not looked at counts as a finding.
    pub fn settled(&self, exit: Exit) -> Exit {
        let is_whole = self.gaps().is_empty();
        if exit == Exit::Done && self.strict.load(Ordering::Relaxed) && !is_whole { Exit::Findings } else { exit }
    }

    /// What was not looked at so far.
    pub fn gaps(&self) -> Vec<String> {
        self.gaps.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How many columns the answer has: those of the terminal, where it goes to one.
    pub fn width(&self) -> Option<usize> {
        let stdout = io::stdout();
        let columns = || std::env::var("COLUMNS").ok()?.parse().ok();
        let asked = || rustix::termios::tcgetwinsize(&stdout).ok().map(|size| usize::from(size.ws_col));
        stdout.is_terminal().then(|| columns().or_else(asked)).flatten().filter(|width| *width > 0)
    }

    /// Whether line-drawing characters show: not where the locale names another set of characters.
    pub fn is_unicode(&self) -> bool {
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"]
            .into_iter()
            .find_map(|key| std::env::var(key).ok().filter(|it| !it.is_empty()));
        locale.is_none_or(|locale| locale.to_lowercase().replace('-', "").contains("utf8"))
    }

    /// What printed commands depend on.
    pub fn around(&self) -> &Around {
        &self.around
    }

    /// An action, or a command, as it is printed.
    pub fn shown(&self, action: impl Into<Action>) -> String {
        action.into().text(&self.around)
    }

    /// The `error` object of the contract's JSON.
    pub fn error_json(&self, fail: &Fail) -> Value {
        fail.to_json(&self.around)
    }

    /// For a command that runs as a step of another: its answer, its JSON and the errors it prints are kept for the
    /// caller; progress and warnings are shown as ever.
    pub fn overheard(&self) -> Ui {
        Ui { overheard: Some(Arc::default()), ..self.clone() }
    }

    /// What was kept so far; nothing where this is no [`Ui::overheard`] one.
    pub fn said(&self) -> Said {
        let kept = self.overheard.as_ref().map(|said| said.lock().unwrap_or_else(PoisonError::into_inner).clone());
        kept.unwrap_or_default()
    }

    fn keep(&self, keep: impl FnOnce(&mut Said)) -> bool {
        let Some(said) = &self.overheard else { return false };
        keep(&mut said.lock().unwrap_or_else(PoisonError::into_inner));
        true
    }

    /// Writes a line (or several) of the answer to stdout; with `--json` the text answer is left out.
    pub fn answer(&self, text: impl AsRef<str>) {
        let line = text.as_ref();
        if !self.keep(|said| said.text.push_str(&format!("{line}\n"))) && !self.options.json {
            self.write_out(line);
        }
    }

    /// Writes the answer in a form that other programs read: as it is, to the byte.
    pub fn exact_answer(&self, text: impl AsRef<str>) {
        let text = text.as_ref();
        if !self.keep(|said| said.text.push_str(&format!("{text}\n"))) && !self.options.json {
            self.write_exactly(text);
        }
    }

    /// Why the answer did not get out: a full disk, a reader that went away.
    pub fn lost(&self) -> Option<&io::Error> {
        self.lost.get()
    }

    /// Says that the answer did not get out; not to a reader that has seen enough (`| head`).
    pub fn error_of_answer(&self, error: &io::Error) {
        if error.kind() == io::ErrorKind::BrokenPipe {
            return;
        }
        let kind = if error.kind() == io::ErrorKind::StorageFull { Kind::DiskFull } else { Kind::Internal };
        let fail = Fail::new(kind, "The answer could not be written").details(format!("stdout: {error}"));
        self.error(&fail.action("Write it to where there is room").related(own("doctor")));
    }

    /// Writes the one JSON object: `version`, `command`, `outcome`, then `fields`, then `error` if there is one.
    /// Does nothing without `--json`.
    pub fn json(&self, command: &str, exit: Exit, fields: Value, error: Option<&Fail>) {
        if self.keep(|said| said.fields.clone_from(&fields)) || !self.options.json {
            return;
        }
        let mut object = Map::new();
        object.insert("version".into(), Value::from(1));
        object.insert("command".into(), Value::from(command));
        object.insert("outcome".into(), Value::from(self.settled(exit).outcome()));
        if let Value::Object(fields) = fields {
            object.extend(fields);
        }
        let gaps = self.gaps();
        if !gaps.is_empty() {
            object.insert("not_looked_at".into(), gaps.into());
        }
        if let Some(fail) = error {
            object.insert("error".into(), self.error_json(fail));
        }
        self.answered.store(true, Ordering::Relaxed);
        self.write_exactly(&Value::Object(object).to_string());
    }

    /// As [`Ui::json`], unless the command has printed its object already: there is one object on stdout, always.
    pub fn json_once(&self, command: &str, exit: Exit, fields: Value, error: Option<&Fail>) {
        if !self.answered.load(Ordering::Relaxed) {
            self.json(command, exit, fields, error);
        }
    }

    /// A line of progress on stderr; silent under `--quiet`.
    pub fn status(&self, text: impl AsRef<str>) {
        if !self.options.quiet {
            self.write_err(text.as_ref());
        }
    }

    /// A warning on stderr; said under `--quiet` too.
    pub fn warn(&self, text: impl AsRef<str>) {
        let sign = self.paint_err(Paint::Warn, "⚠️  Warning:");
        self.write_err(&format!("{sign} {}", text.as_ref()));
    }

    /// Text on stderr that is shown with `--verbose` only: a command that is run, what a child prints.
    pub fn verbose(&self, text: impl AsRef<str>) {
        if self.options.verbose {
            self.write_err(&self.paint_err(Paint::Dim, text.as_ref()));
        }
    }

    /// Prints an error, the only place that does: the form that all reports share on stderr.
    pub fn error(&self, fail: &Fail) {
        let text = self.render_error(fail);
        if !self.keep(|said| said.text.push_str(&format!("{text}\n"))) {
            self.write_err(&text);
        }
    }

    /// A step that may take long: a spinner after half a second on a terminal, one plain line otherwise.
    pub fn task(&self, what: impl Into<String>) -> Task {
        let what = harmless(&what.into()).into_owned();
        if !self.terminal {
            self.status(&what);
        }
        Task::start(&self.progress, what, None)
    }

    /// A series of `total` steps: a bar on a terminal, one plain line per step otherwise.
    pub fn steps(&self, what: impl Into<String>, total: usize) -> Steps {
        let bar = Task::start(&self.progress, harmless(&what.into()).into_owned(), Some(total as u64));
        Steps { ui: self.clone(), bar, total, at: 0 }
    }

    /// Asks a yes/no question on the terminal; `None` where there is nobody to ask.
    pub fn confirm(&self, question: &str) -> Option<bool> {
        let answer = self.ask(&format!("{question} [y/N] "))?;
        Some(matches!(answer.to_ascii_lowercase().as_str(), "y" | "yes"))
    }

    /// Asks for a word on the terminal; `None` where there is nobody to ask.
    pub fn ask(&self, question: &str) -> Option<String> {
        if !self.terminal || !io::stdin().is_terminal() {
            return None;
        }
        let mut stderr = io::stderr();
        let _ = write!(stderr, "{}", harmless(question));
        let _ = stderr.flush();
        let mut line = String::new();
        io::stdin().read_line(&mut line).ok()?;
        Some(line.trim().to_owned())
    }

    /// Colours a piece of the answer.
    pub fn paint(&self, paint: Paint, text: &str) -> String {
        colored(self.color_out, paint, text)
    }

    fn paint_err(&self, paint: Paint, text: &str) -> String {
        colored(self.color_err, paint, text)
    }

    fn render_error(&self, fail: &Fail) -> String {
        let mut text = format!("{} {}", self.paint_err(Paint::Bad, "❌ Error:"), fail.summary);
        let place = place(fail);
        if !fail.details.is_empty() || !place.is_empty() {
            text.push_str("\n\nDetails:");
            for line in fail.details.lines().chain(place.iter().map(String::as_str)) {
                text.push_str("\n  ");
                text.push_str(line);
            }
        }
        if !fail.actions.is_empty() {
            text.push_str("\n\nRecommended actions:");
            for (number, action) in fail.shown_actions(&self.around).iter().enumerate() {
                text.push_str(&format!("\n  {}. {action}", number + 1));
            }
        }
        if let Some(related) = fail.shown_related(&self.around) {
            text.push_str(&format!("\n\nRelated command: {related}"));
        }
        text
    }

    fn write_out(&self, text: &str) {
        self.write_exactly(&for_people(self.color_out, text));
    }

    fn write_exactly(&self, text: &str) {
        let written = self.progress.suspend(|| {
            let mut stdout = io::stdout().lock();
            writeln!(stdout, "{text}").and_then(|()| stdout.flush())
        });
        if let Err(error) = written {
            let _ = self.lost.set(error);
        }
    }

    fn write_err(&self, text: &str) {
        let text = for_people(self.color_err, text);
        self.progress.suspend(|| {
            let _ = writeln!(io::stderr().lock(), "{text}");
        });
    }
}

/// Where it happened, as lines for the details, unless the details say it already.
fn place(fail: &Fail) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(file) = &fail.file {
        let place = match fail.line {
            Some(line) => format!("{file}:{line}"),
            None => file.clone(),
        };
        if !fail.details.contains(&place) {
            lines.push(format!("at {place}"));
        }
    }
    if let Some(code) = fail.sqlstate.as_ref().filter(|code| !fail.details.contains(code.as_str())) {
        lines.push(format!("SQLSTATE {code}"));
    }
    lines
}

/// The one place through which text for people goes: whatever names and messages hold, it only shows.
fn for_people(color: bool, text: &str) -> String {
    let text = if color { in_colour(text, &COLOURS) } else { harmless(text).into_owned() };
    no_commands(&text).into_owned()
}

const COLOURS: [&str; 6] = ["\u{1b}[32m", "\u{1b}[31m", "\u{1b}[33m", "\u{1b}[2m", "\u{1b}[1m", "\u{1b}[0m"];

fn colored(on: bool, paint: Paint, text: &str) -> String {
    let text = harmless(text);
    if !on {
        return text.into_owned();
    }
    let code = match paint {
        Paint::Good => "32",
        Paint::Bad => "31",
        Paint::Warn => "33",
        Paint::Dim => "2",
        Paint::Bold => "1",
    };
    format!("\u{1b}[{code}m{text}\u{1b}[0m")
}

/// A spinner or bar that goes away when dropped. It shows itself only after half a second.
pub struct Task {
    bar: ProgressBar,
}

impl Task {
    fn start(progress: &MultiProgress, what: String, total: Option<u64>) -> Task {
        let (bar, template) = match total {
            Some(total) => (ProgressBar::new(total), "  {spinner} [{bar:24}] {pos}/{len} {msg}"),
            None => (ProgressBar::new_spinner(), "  {spinner} {msg} ({elapsed})"),
        };
        let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_spinner());
        bar.set_style(style.progress_chars("=> "));
        bar.set_message(what);
        let task = Task { bar: bar.clone() };
        let progress = progress.clone();
        std::thread::spawn(move || {
            std::thread::sleep(PROGRESS_AFTER);
            if !bar.is_finished() {
                let bar = progress.add(bar);
                bar.enable_steady_tick(Duration::from_millis(100));
            }
        });
        task
    }

    /// Says what is being done now.
    pub fn message(&self, text: impl Into<String>) {
        self.bar.set_message(harmless(&text.into()).into_owned());
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// A bar over a known number of steps.
pub struct Steps {
    ui: Ui,
    bar: Task,
    total: usize,
    at: usize,
}

impl Steps {
    /// The next step begins; `what` names it.
    pub fn next(&mut self, what: impl AsRef<str>) {
        let what = what.as_ref();
        self.at += 1;
        if self.ui.terminal {
            self.bar.message(what);
            self.bar.bar.set_position(self.at.saturating_sub(1) as u64);
        } else {
            self.ui.status(format!("[{}/{}] {what}", self.at, self.total));
        }
    }
}
