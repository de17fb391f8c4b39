//! Headers that only Python can tell: `branch_labels = (cli.EXPAND_BRANCH,)`. Python is asked once, where one is there,
//! and its answer is kept in the state folder by a digest of the script, as long as the project's modules that took part
//! are what they were. No Python is installed for this.

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::model::revision::{Script, Told, Unreadable, needs_python};
use crate::sys::alembic_ini::AlembicConfig;
use crate::sys::files::write_atomic;
use crate::sys::project::Project;
use crate::sys::python::Interpreter;
use crate::ui::Ui;

const SCRIPT: &str = include_str!("headers.py");
/// The scripts are run, and with them whatever they import: an application takes its time.
const LIMIT: Duration = Duration::from_secs(120);
/// More answers than this are of a history that is not looked at any more.
const MOST: usize = 5_000;

/// A script with what was read of it.
pub struct Found {
    /// Relative to the project.
    pub path: PathBuf,
    /// Kept where Python may be asked.
    pub text: Option<String>,
    /// What was read, or why nothing was.
    pub header: Result<Script, Unreadable>,
}

impl Found {
    /// Keeps the text only where Python could tell more than it does.
    pub fn new(path: PathBuf, text: String, header: Result<Script, Unreadable>) -> Found {
        let text = needs_python(&header).then_some(text);
        Found { path, text, header }
    }
}

/// What can be asked for headers.
pub struct Headers<'a> {
    ui: &'a Ui,
    project: &'a Project,
    config: &'a AlembicConfig,
    python: Box<dyn Fn() -> Option<Interpreter> + 'a>,
    memory: OnceCell<Memory>,
}

impl<'a> Headers<'a> {
    /// `python` gives the interpreter that is there; it is called only where one is needed.
    pub fn new(
        ui: &'a Ui,
        project: &'a Project,
        config: &'a AlembicConfig,
        python: impl Fn() -> Option<Interpreter> + 'a,
    ) -> Headers<'a> {
        Headers { ui, project, config, python: Box::new(python), memory: OnceCell::new() }
    }

    /// A header with what Python once said filled in, without asking it.
    pub fn remember(&self, path: &Path, text: &str, header: Result<Script, Unreadable>) -> Result<Script, Unreadable> {
        match self.memory.get_or_init(|| Memory::open(&self.project.state_dir)).get(text) {
            Some(told) => Ok(told.complete(path, text, header)),
            None => header,
        }
    }

    /// Fills in what could not be read; what Python cannot be asked about either stays as it is, and is said once.
    pub fn complete(&self, scripts: &mut [Found]) {
        if scripts.iter().all(|script| script.text.is_none()) {
            return;
        }
        let mut memory = Memory::open(&self.project.state_dir);
        fill_in(&memory, scripts);
        let open: Vec<&Found> = scripts.iter().filter(|script| script.text.is_some()).collect();
        if open.is_empty() {
            return;
        }
        let told = (self.python)().context("no Python was found").and_then(|python| self.ask(&python, &open));
        let trouble = told.and_then(|answer| memory.take(&open, &answer)).err();
        if let Err(error) = memory.save() {
            self.ui.verbose(format!("what Python said of the headers was not kept: {error:#}"));
        }
        fill_in(&memory, scripts);
        self.say(scripts, trouble);
    }

    fn ask(&self, python: &Interpreter, scripts: &[&Found]) -> Result<Value> {
        let of = |script: &&Found| json!({"path": self.project.root.join(&script.path), "text": script.text});
        let request = json!({
            "path": self.config.prepend_sys_path,
            "scripts": scripts.iter().map(of).collect::<Vec<_>>(),
        });
        let cmd = python.cmd(self.project).args(["-c", SCRIPT]).stdin(request.to_string()).limit(LIMIT);
        let done = cmd.capture(self.ui)?;
        if !done.status.success() {
            bail!("{} ended with {}: {}", python.path.display(), done.status, done.last_lines());
        }
        serde_json::from_str(&done.stdout).context("reading what Python said of the headers")
    }

    fn say(&self, scripts: &[Found], trouble: Option<anyhow::Error>) {
        let open: Vec<&Found> = scripts.iter().filter(|script| script.text.is_some()).collect();
        let Some(first) = open.first() else { return };
        let more = if open.len() > 1 { format!(" (and {} more)", open.len() - 1) } else { String::new() };
        let what = match &first.header {
            Ok(script) => script.unread.iter().map(|unread| unread.what.clone()).collect::<Vec<_>>().join(", "),
            Err(unreadable) => unreadable.what.clone(),
        };
        let why = trouble.map(|error| format!(": {error:#}")).unwrap_or_default();
        self.ui.warn(format!(
            "{}{more}: {what}; Python could not be asked{why}. Labels and dependencies of these scripts are not known here",
            first.path.display()
        ));
    }
}

fn fill_in(memory: &Memory, scripts: &mut [Found]) {
    for script in scripts {
        let Some(told) = script.text.as_ref().and_then(|text| memory.get(text)) else { continue };
        let text = script.text.take().unwrap_or_default();
        let unknown = Unreadable { path: script.path.clone(), line: None, what: String::new(), may_be_told: true };
        let read = std::mem::replace(&mut script.header, Err(unknown));
        script.header = Ok(told.complete(&script.path, &text, read));
    }
}

/// What Python has said, by the scripts' digests.
struct Memory {
    file: PathBuf,
    answers: BTreeMap<String, Value>,
}

impl Memory {
    fn open(state_dir: &Path) -> Memory {
        let file = state_dir.join("headers.json");
        let kept = fs::read_to_string(&file).ok().and_then(|text| serde_json::from_str(&text).ok());
        Memory { file, answers: kept.unwrap_or_default() }
    }

    /// What a script's header is, if the modules that it was made of are what they were.
    fn get(&self, text: &str) -> Option<Told> {
        let answer = self.answers.get(&digest(text))?;
        let is_as_it_was = |module: &Value| {
            let state = fs::metadata(module[0].as_str()?).ok()?;
            let (size, time) = (module[1].as_u64()?, module[2].as_i64()?);
            let now = state.mtime().checked_mul(1_000_000_000)?.checked_add(state.mtime_nsec())?;
            Some(size == state.size() && time == now)
        };
        let modules = answer["modules"].as_array()?;
        if !modules.iter().all(|module| is_as_it_was(module) == Some(true)) {
            return None;
        }
        told(answer)
    }

    /// Takes the answers down. The first script that Python could not load is an error, the others count all the same.
    fn take(&mut self, scripts: &[&Found], said: &Value) -> Result<()> {
        let headers = said["headers"].as_array().map(Vec::as_slice).unwrap_or_default();
        if self.answers.len() + headers.len() > MOST {
            self.answers.clear();
        }
        let mut trouble = None;
        for (script, header) in scripts.iter().zip(headers) {
            let mut answer = header.clone();
            answer["modules"] = said["modules"].clone();
            match (told(&answer), &script.text) {
                (Some(_), Some(text)) => drop(self.answers.insert(digest(text), answer)),
                _ => trouble = trouble.or(header["error"].as_str().map(str::to_owned)),
            }
        }
        trouble.map_or(Ok(()), |trouble| bail!("{trouble}"))
    }

    fn save(&self) -> Result<()> {
        let folder = self.file.parent().context("the state folder has no name")?;
        fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
        write_atomic(&self.file, json!(self.answers).to_string().as_bytes())
    }
}

fn told(answer: &Value) -> Option<Told> {
    let list = |key: &str| -> Option<Vec<String>> {
        answer[key].as_array()?.iter().map(|item| item.as_str().map(str::to_owned)).collect()
    };
    let told = Told {
        id: answer["id"].as_str()?.to_owned(),
        down: list("down")?,
        depends_on: list("depends_on")?,
        branch_labels: list("branch_labels")?,
        message: answer["message"].as_str()?.to_owned(),
    };
    told.is_sound().then_some(told)
}

fn digest(text: &str) -> String {
    Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}
