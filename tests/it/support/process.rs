//! A part of a test that needs a process of its own, to be killed, or for an environment that belongs to a process. This
//! binary runs the same test once more, which does only that part then: so the part is no test that passes by itself.

use std::process::Command;

/// What says which part of the test is wanted.
pub const PART: &str = "XTASK_TEST_PART";

/// Runs a part of a test of this binary.
#[expect(clippy::disallowed_methods)]
pub fn part(test: &str, part: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(arguments(test)).env(PART, part);
    command
}

/// The arguments that have this binary run one test.
pub fn arguments(test: &str) -> [&str; 3] {
    ["--exact", "--nocapture", test]
}

/// The part that this process is for; none in the test itself.
pub fn wanted() -> Option<String> {
    std::env::var(PART).ok()
}
