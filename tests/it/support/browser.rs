//! A real Chromium without a window, told what to do by its DevTools protocol over two pipes: how a page looks at some width,
//! what it says on its console, and what happens when somebody presses a key.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use base64::Engine;
use serde_json::{Value, json};

use super::xtask::Folder;

/// The names under which distributions have it.
const NAMES: [&str; 3] = ["chromium", "chromium-browser", "google-chrome"];

pub struct Browser {
    process: Child,
    commands: ChildStdin,
    messages: BufReader<ChildStdout>,
    asked: u64,
    session: String,
    /// What pages have complained of since somebody last asked.
    complaints: Vec<String>,
    // Its profile.
    _folder: Folder,
}

impl Browser {
    /// `None` where this machine has no Chromium.
    pub fn start() -> Option<Browser> {
        let program = NAMES.iter().find_map(|name| which::which(name).ok())?;
        let folder = Folder::new();
        // It reads commands from descriptor 3 and writes messages to 4.
        let line = "exec \"$0\" \"$@\" 3<&0 4>&1 </dev/null >/dev/null 2>&1";
        #[expect(clippy::disallowed_methods)]
        let mut command = Command::new("sh");
        command.args(["-c", line]).arg(program).args(["--headless=new", "--remote-debugging-pipe", "--no-sandbox"]);
        command.args(["--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--hide-scrollbars"]);
        command.arg(format!("--user-data-dir={}", folder.path().join("profile").display())).arg("about:blank");
        command.env("HOME", folder.path()).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = command.spawn().unwrap();
        let (commands, messages) = (process.stdin.take().unwrap(), BufReader::new(process.stdout.take().unwrap()));
        let (session, complaints) = (String::new(), Vec::new());
        let mut browser = Browser { process, commands, messages, asked: 0, session, complaints, _folder: folder };
        let page = browser.tell("Target.createTarget", json!({"url": "about:blank"}))["targetId"].clone();
        let session = browser.tell("Target.attachToTarget", json!({"targetId": page, "flatten": true}));
        browser.session = session["sessionId"].as_str().unwrap().to_owned();
        for domain in ["Page", "Runtime", "Log", "Network"] {
            browser.tell(&format!("{domain}.enable"), json!({}));
        }
        Some(browser)
    }

    /// Opens a file in a window of this size, light or dark, as a screen or on paper.
    pub fn open(&mut self, file: &Path, (width, height): (u32, u32), scheme: &str, medium: &str) {
        let size = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": false});
        self.tell("Emulation.setDeviceMetricsOverride", size);
        let features = json!([{"name": "prefers-color-scheme", "value": scheme}]);
        self.tell("Emulation.setEmulatedMedia", json!({"media": medium, "features": features}));
        self.tell("Page.navigate", json!({"url": format!("file://{}", file.display())}));
        self.read_until(|message| message["method"] == "Page.loadEventFired");
    }

    /// What a line of JavaScript comes to on the page; of a promise, what it is kept with.
    pub fn ask(&mut self, script: &str) -> Value {
        let how = json!({"expression": script, "returnByValue": true, "awaitPromise": true});
        let answer = self.tell("Runtime.evaluate", how);
        assert!(answer.get("exceptionDetails").is_none(), "{script}: {answer}");
        answer["result"]["value"].clone()
    }

    /// Presses a key and lets go of it.
    pub fn press(&mut self, key: &str) {
        let (code, number, text) = match key {
            "Tab" => ("Tab", 9, ""),
            "Enter" => ("Enter", 13, "\r"),
            " " => ("Space", 32, " "),
            "ArrowRight" => ("ArrowRight", 39, ""),
            other => panic!("no key {other}"),
        };
        for kind in ["keyDown", "keyUp"] {
            let text = if kind == "keyDown" { text } else { "" };
            let event = json!({"type": kind, "key": key, "code": code, "windowsVirtualKeyCode": number, "text": text});
            self.tell("Input.dispatchKeyEvent", event);
        }
    }

    /// The whole page as a picture.
    pub fn picture(&mut self) -> Vec<u8> {
        let answer = self.tell("Page.captureScreenshot", json!({"format": "png", "captureBeyondViewport": true}));
        base64::engine::general_purpose::STANDARD.decode(answer["data"].as_str().unwrap()).unwrap()
    }

    /// What the pages have complained of: errors on the console, scripts, and whatever they wanted from elsewhere.
    pub fn complaints(&mut self) -> Vec<String> {
        // What came before an answer has been read with it.
        self.ask("0");
        std::mem::take(&mut self.complaints)
    }

    fn tell(&mut self, method: &str, parameters: Value) -> Value {
        self.asked += 1;
        let asked = self.asked;
        let mut message = json!({"id": asked, "method": method, "params": parameters});
        if !self.session.is_empty() {
            message["sessionId"] = json!(self.session);
        }
        self.commands.write_all(format!("{message}\0").as_bytes()).unwrap();
        let answer = self.read_until(|message| message["id"] == asked);
        assert!(answer.get("error").is_none(), "{method}: {answer}");
        answer["result"].clone()
    }

    fn read_until(&mut self, is_it: impl Fn(&Value) -> bool) -> Value {
        loop {
            let mut bytes = Vec::new();
            self.messages.read_until(0, &mut bytes).unwrap();
            assert!(bytes.pop() == Some(0), "Chromium has ended");
            let message: Value = serde_json::from_slice(&bytes).unwrap();
            let told = &message["params"];
            let is_complaint = match message["method"].as_str() {
                Some("Runtime.exceptionThrown" | "Runtime.consoleAPICalled" | "Log.entryAdded") => true,
                Some("Network.requestWillBeSent") => {
                    !told["request"]["url"].as_str().is_some_and(|url| url.starts_with("file://"))
                }
                _ => false,
            };
            if is_complaint {
                self.complaints.push(told.to_string());
            }
            if is_it(&message) {
                return message;
            }
        }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
