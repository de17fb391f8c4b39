//! Asks a script in the interpreter's place (a project's `./py`, a pyenv shim) which Python it starts, and in which
//! environment.

use std::path::Path;
use std::time::Duration;

use serde_json::{Map, Value};

use crate::sys::run::Cmd;
use crate::ui::Ui;

const LIMIT: Duration = Duration::from_secs(20);
const QUESTION: &str = "import json, os, sys; \
     print(json.dumps([[sys.executable, sys.version, sys.prefix, repr(sys.flags), sys.warnoptions, repr(sys._xoptions)], \
     dict(os.environ)]))";

pub struct Asked {
    /// The interpreter, and with which options it was started.
    pub key: String,
    pub environment: Map<String, Value>,
}

/// Asks it; `None` where it cannot say.
pub fn ask(ui: &Ui, script: &Path, folder: &Path, env: &[(String, String)]) -> Option<Asked> {
    let mut cmd = Cmd::new(script, folder).args(["-I", "-S", "-c", QUESTION]).limit(LIMIT);
    for (name, value) in env {
        cmd = cmd.env(name, value);
    }
    let answer: Value = serde_json::from_str(&cmd.read(ui).ok()?).ok()?;
    let environment = answer[1].as_object()?.clone();
    Some(Asked { key: answer[0].to_string(), environment })
}
