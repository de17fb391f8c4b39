//! What it costs to get going: the program itself, and `cargo xtask` round it when nothing is to be built.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::measure::{Goal, Median, Row, Rows, in_turns};
use crate::support::python::workspace;

pub fn rows() -> Rows {
    let root = workspace();
    // The profile in which a person runs it. The first call builds it if need be; the aim is about the others.
    let cargo = &mut || run(&mut command("cargo", &["xtask", "help"], &root));
    cargo();
    let dev = root.join("target/debug/xtask");
    let program = &mut || run(&mut command(dev.to_str().unwrap(), &["help"], &root));
    let [with_cargo, alone] = in_turns(11, [cargo, program]);
    let added = Median { value: with_cargo.value - alone.value, ..alone };
    Ok(vec![
        Row::alone("the program alone: `xtask help`, dev profile", alone, "ms", Goal::Known),
        Row::alone("what `cargo xtask` adds when nothing is to be built", added, "ms", Goal::Under(150.0)),
    ])
}

#[expect(clippy::disallowed_methods, reason = "nothing but the command itself is to be measured")]
fn command(program: &str, words: &[&str], folder: &Path) -> Command {
    let mut command = Command::new(program);
    command.args(words).current_dir(folder).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    // Cargo would take the benchmark's own settings for those of the build.
    for key in ["CARGO_MANIFEST_DIR", "CARGO_PKG_NAME", "CARGO_TARGET_TMPDIR"] {
        command.env_remove(key);
    }
    command
}

fn run(command: &mut Command) {
    assert!(command.status().unwrap().success(), "{command:?}");
}
