//! What `cargo xtask` runs: the launcher, with real cargo, before a program of four lines in the tool's place.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use xtask::model::adopt::manifest_of_copy;

use crate::support::python::workspace;
use crate::support::xtask::{Folder, Output, Xtask, copy_program};

/// Says its process, its words and what it is told of a package; ends with 7.
const TOOL: &str = r#"fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    println!("ANSWER {} {words:?} {:?}", std::process::id(), std::env::var("CARGO_PKG_NAME").ok());
    std::process::exit(7);
}
"#;

struct Checkout(Folder);

impl Checkout {
    fn new() -> Checkout {
        let (folder, own) = (Folder::new(), workspace());
        let read = |path: &str| fs::read_to_string(own.join(path)).unwrap();
        let checkout = Checkout(folder);
        checkout.write("Cargo.toml", "[workspace]\nmembers = ['xtask', 'xtask/launcher']\nresolver = '3'\n");
        checkout.write(".cargo/config.toml", &read(".cargo/config.toml"));
        let manifest = manifest_of_copy(&read("xtask/launcher/Cargo.toml")).unwrap();
        checkout.write("xtask/launcher/Cargo.toml", &manifest);
        for file in ["main.rs", "key.rs"] {
            let path = format!("xtask/launcher/src/{file}");
            checkout.write(&path, &read(&path));
        }
        checkout.write("xtask/Cargo.toml", "[package]\nname = 'xtask'\nversion = '0.1.0'\nedition = '2024'\n");
        checkout.write("xtask/src/main.rs", TOOL);
        checkout
    }

    fn root(&self) -> &Path {
        self.0.path()
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.root().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// `cargo xtask WORDS`, from a folder inside; the shell says its own process before it becomes cargo.
    fn cargo_xtask(&self, words: &str, more: &[(&str, &str)]) -> Output {
        let script = format!("echo $$; exec {} xtask {words}", env!("CARGO"));
        let mut shell = Xtask::program(Path::new("/bin/sh"), &self.root().join("xtask/src"), "-c").arg(&script);
        for key in ["HOME", "CARGO_HOME", "RUSTUP_HOME", "PATH"] {
            if let Some(value) = std::env::var_os(key) {
                shell = shell.env(key, value);
            }
        }
        more.iter().fold(shell, |shell, (key, value)| shell.env(key, value)).run()
    }

    fn built(&self) -> SystemTime {
        fs::metadata(self.root().join("target/tool/xtask.key")).unwrap().modified().unwrap()
    }

    fn dev_build(&self) -> PathBuf {
        self.root().join("target/debug/xtask")
    }
}

/// The tool's answer, which must be the very process that was started, so that signals reach it.
fn answered(output: &Output, answer: &str, words: &str) {
    let mut lines = output.stdout.lines();
    let process = lines.next().unwrap();
    assert_eq!(lines.next(), Some(format!("{answer} {process} {words} None").as_str()), "{output}");
}

#[test]
fn builds_when_something_has_changed_and_becomes_the_tool() {
    let checkout = Checkout::new();
    let first = checkout.cargo_xtask("one '--two three' --help", &[]).code(7);
    answered(&first, "ANSWER", r#"["one", "--two three", "--help"]"#);
    assert!(first.stderr.contains("building the tool"), "{first}");
    assert!(!checkout.dev_build().exists(), "one build is enough");
    let built = checkout.built();
    let second = checkout.cargo_xtask("one", &[]).code(7);
    answered(&second, "ANSWER", r#"["one"]"#);
    assert_eq!((second.stderr.as_str(), checkout.built()), ("", built), "nothing was to be built");

    checkout.write("xtask/src/main.rs", &TOOL.replace("ANSWER", "ANOTHER"));
    answered(&checkout.cargo_xtask("", &[]).code(7), "ANOTHER", "[]");
    // Something else has taken the binary's place.
    let binary = checkout.root().join("target/tool/xtask");
    fs::remove_file(&binary).unwrap();
    copy_program("/bin/false", &binary);
    answered(&checkout.cargo_xtask("", &[]).code(7), "ANOTHER", "[]");

    checkout.write("xtask/src/main.rs", "fn main() { broken }\n");
    let broken = checkout.cargo_xtask("", &[]).code(101);
    assert!(broken.stderr.contains("broken") && !broken.stdout.contains("ANOTHER"), "{broken}");

    // In CI, and for what the project's developers run, the dev build.
    checkout.write("xtask/src/main.rs", TOOL);
    assert!(checkout.cargo_xtask("one", &[("CI", "true")]).code(7).stdout.contains(r#"["one"]"#));
    assert!(checkout.dev_build().exists());
}
