//! What it costs to get going: the program itself, and `cargo xtask` round it when nothing is to be built.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::measure::{Goal, Median, Row, Rows, in_turns};
use crate::support::python::workspace;

pub fn rows() -> Rows {
    let tool = users_binary();
    let program = &mut || run(&mut command(tool.to_str().unwrap(), &["help"]));
    let [with_cargo, alone] = in_turns(11, [&mut || cargo_xtask(&["help"]), program]);
    let added = Median { value: with_cargo.value - alone.value, ..alone };
    Ok(vec![
        Row::alone("the program alone: `xtask help`, as users get it", alone, "ms", Goal::Known),
        Row::alone("what `cargo xtask` adds when nothing is to be built", added, "ms", Goal::Under(110.0)),
    ])
}

/// The binary that `cargo xtask` runs. The first call builds it if need be; what is measured is about the others.
pub fn users_binary() -> PathBuf {
    cargo_xtask(&["help"]);
    workspace().join("target/tool/xtask")
}

/// As it is typed, in this workspace; it must go well.
pub fn cargo_xtask(words: &[&str]) {
    run(command("cargo", &["xtask"]).args(words));
}

#[expect(clippy::disallowed_methods, reason = "nothing but the command itself is to be measured")]
fn command(program: &str, words: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.args(words).current_dir(workspace()).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    // Cargo would take the benchmark's own settings for those of the build; in CI the dev build runs.
    for key in ["CARGO_MANIFEST_DIR", "CARGO_PKG_NAME", "CARGO_TARGET_TMPDIR", "CI"] {
        command.env_remove(key);
    }
    command
}

fn run(command: &mut Command) {
    assert!(command.status().unwrap().success(), "{command:?}");
}
