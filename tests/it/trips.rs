//! How often a command waits for the server, which over a slow line is what it costs, and how often it starts git.

use std::os::unix::fs::PermissionsExt;

use crate::support::branches::Branches;
use crate::support::door::Counted;

#[test]
fn a_command_asks_in_few_round_trips() {
    let counted = Counted::new();
    for (words, most) in counted.commands().into_iter().zip([2, 60, 62, 3]) {
        let (trips, sent) = counted.run(&words);
        assert!(trips > 0 && trips <= most, "{words}: {trips}\n{sent}");
    }
}

#[test]
fn git_is_asked_a_question_once() {
    let branches = Branches::diverged("a", "b < a", "c < a; d < c");
    branches.write(
        "migrations/versions/e_e.py",
        "revision = 'e'\ndown_revision = 'd'\ndef upgrade():\n    import models\n",
    );
    let (log, shim) = (branches.path("asked"), branches.path("bin/git"));
    let real = which::which("git").unwrap();
    branches.write("bin/git", &format!("#!/bin/sh\necho \"$*\" >>{}\nexec {} \"$@\"\n", log.display(), real.display()));
    std::fs::set_permissions(&shim, std::fs::Permissions::from_mode(0o755)).unwrap();
    let mut path = shim.parent().unwrap().as_os_str().to_owned();
    path.push(":");
    path.push(std::env::var_os("PATH").unwrap());
    let output = branches.xtask("db-check --base main").env("PATH", &path).run().code(4);
    let asked = std::fs::read_to_string(&log).unwrap();
    let mut lines: Vec<&str> = asked.lines().collect();
    assert!(lines.len() <= 16, "{}\n{asked}\n{output}", lines.len());
    // Other than what is read from stdin, no question is the same as another.
    lines.retain(|line| !line.contains("cat-file"));
    let before = lines.len();
    lines.sort_unstable();
    lines.dedup();
    assert_eq!(lines.len(), before, "{asked}");
}
