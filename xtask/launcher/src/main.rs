//! What `cargo xtask` runs. A dev build of the tool takes twice as long to answer as an optimised one, and cargo takes 50 ms
//! to look at all that it is made of. So the alias leads here, to a program without dependencies: where nothing has changed
//! that the optimised binary was built from (`key.rs`), this program becomes it; otherwise cargo builds it first.
//!
//! In CI, where a command runs once, and for the commands by which this project tests itself, the dev build runs: it takes
//! less time to build, and the tests need it as well.

mod key;

use std::ffi::{OsStr, OsString};
use std::io::{Error, IsTerminal};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use key::Key;

/// The profile's name, and that of its folder below `target`.
const PROFILE: &str = "tool";
/// What it is made of. It stands here and not in a `Cargo.toml`, since a checkout's own is not ours; the figures are in
/// docs/benchmarks.md.
const SETTINGS: [&str; 8] = [
    "inherits='dev'",
    "opt-level=1",
    "debug=false",
    "debug-assertions=false",
    "overflow-checks=false",
    "lto='off'",
    "package.'*'.opt-level=0",
    // Where there are fewer units than modules, rustc merges them by size, and one more line regroups half of the program.
    "package.xtask.codegen-units=4000",
];
/// The dependencies in which the time goes.
const HOT: [&str; 6] = ["ruff_python_parser", "ruff_python_ast", "ruff_text_size", "memchr", "compact_str", "sha2"];
/// Commands for the developers of this project.
const OF_THE_PROJECT: [&str; 2] = ["ci", "compat"];

fn main() -> ExitCode {
    let words: Vec<OsString> = std::env::args_os().skip(1).collect();
    match run(&words) {
        Ok(code) => code,
        Err((program, error)) => failed(&program, &error),
    }
}

/// Returns only where the tool could not be built, or a program could not be started.
fn run(words: &[OsString]) -> Result<ExitCode, (PathBuf, Error)> {
    if wants_dev_build(words) {
        return Err(become_it(cargo("run").args(["--quiet", "--"]).args(words)));
    }
    let own = std::env::current_exe().map_err(|error| ("the path of this program".into(), error))?;
    // Beside the folder of the profile that this program is in, wherever cargo puts its targets.
    let target = own.ancestors().nth(2).unwrap_or(Path::new("target"));
    let binary = target.join(PROFILE).join("xtask");
    let key = Key::look(root(), &[&SETTINGS[..], &HOT[..]].concat());
    if !key.is_of(&binary) {
        let mut build = build(words, binary.exists());
        let status = build.status().map_err(|error| (build.get_program().into(), error))?;
        if !status.success() {
            return Ok(ExitCode::from(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(101)));
        }
        key.keep(&binary);
    }
    Err(become_it(program(&binary).args(words)))
}

fn wants_dev_build(words: &[OsString]) -> bool {
    let is_of_the_project = |word: &OsString| OF_THE_PROJECT.iter().any(|name| word == name);
    words.first().is_some_and(is_of_the_project) || std::env::var_os("CI").is_some_and(|value| !value.is_empty())
}

/// Cargo's way to an optimised binary, with its progress where somebody looks on.
fn build(words: &[OsString], is_there: bool) -> Command {
    let is_quiet = words.iter().take_while(|word| *word != "--").any(|word| word == "-q" || word == "--quiet");
    if !is_there && !is_quiet {
        say("building the tool, once for each version of its source (a minute or two the first time)");
    }
    let mut build = cargo("build");
    build.args(["--profile", PROFILE]).stdin(Stdio::null());
    let hot = HOT.map(|name| format!("package.{name}.opt-level=2"));
    for setting in SETTINGS.into_iter().chain(hot.iter().map(String::as_str)) {
        build.arg("--config").arg(format!("profile.{PROFILE}.{setting}"));
    }
    if is_quiet || !std::io::stderr().is_terminal() {
        build.arg("--quiet");
    }
    build
}

/// The cargo that has started this program, for the tool in the same workspace.
fn cargo(word: &str) -> Command {
    let mut cargo = program(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.arg(word).arg("--manifest-path").arg(root().join("Cargo.toml")).args([
        "--package",
        "xtask",
        "--bin",
        "xtask",
    ]);
    cargo
}

/// The folder of the workspace: this package is in `xtask/launcher`.
fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap_or(Path::new("/"))
}

/// A program without the variables that tell one of the package it was run from. Some build scripts watch them, and would be
/// run again by each cargo that finds others.
#[expect(clippy::disallowed_methods, reason = "this one becomes the program")]
fn program(name: impl AsRef<OsStr>) -> Command {
    let is_of_a_package = |name: &OsStr| {
        let name = name.to_string_lossy();
        ["CARGO_MANIFEST_", "CARGO_PKG_", "CARGO_CRATE_", "CARGO_BIN_"].iter().any(|start| name.starts_with(start))
    };
    let mut program = Command::new(name);
    for (name, _) in std::env::vars_os().filter(|(name, _)| is_of_a_package(name)) {
        program.env_remove(name);
    }
    program
}

/// Replaces this program, so that signals and the exit code are the other one's.
fn become_it(program: &mut Command) -> (PathBuf, Error) {
    let error = program.exec();
    (program.get_program().into(), error)
}

fn failed(program: &Path, error: &Error) -> ExitCode {
    say(&format!("cannot start {}: {error}", program.display()));
    ExitCode::FAILURE
}

#[expect(clippy::print_stderr, reason = "it has no other voice")]
fn say(what: &str) {
    eprintln!("cargo xtask: {what}");
}
