//! The command line and the streams through the binary: bad input is named and changes nothing, the answer goes to
//! stdout and everything else to stderr, colour, quiet and verbose do what they say.

use std::process::Stdio;

use crate::support::project::{Project, text};
use crate::support::python::python;
use crate::support::scene::{PASSWORD, PASSWORD_IN_URL, Scene};
use crate::support::xtask::{Folder, Xtask, hermetic};

/// A wrong command line, and what must be said of it.
const WRONG: &[(&str, &[&str])] = &[
    ("db-statos", &["unknown command `db-statos`", "db-status"]),
    ("db-status --chekc", &["unknown flag `--chekc`", "--check"]),
    ("db-migrate --targte=head", &["unknown flag `--targte`", "--target"]),
    ("db-migrate --target", &["`--target` needs a value"]),
    ("db-migrate --target=", &["`--target` needs a value"]),
    ("db-migrate --target --dry-run", &["`--target` needs a value", "`--dry-run`, a flag"]),
    ("db-migrate head", &["`head` is one word too many"]),
    ("db-status a b", &["`a` is one word too many"]),
    ("db-migrate --dry-run --sql", &["`--dry-run` and `--sql` exclude each other"]),
    ("db-status --quiet --verbose", &["`--quiet` and `--verbose` exclude each other"]),
    ("db-roundtrip --steps 2 --all", &["`--all` and `--steps` exclude each other"]),
    ("db-roundtrip --steps=none", &["`--steps` does not take `none`"]),
    ("db-migrate --direction=sideways", &["`--direction` does not take `sideways`", "upgrade, downgrade"]),
    ("db-migrate --direction=downgrade", &["needs a `--target`", "--target=-1"]),
    ("db-migrate --target=-1", &["goes down, the direction is upgrade"]),
    ("db-migrate --lock-timeout=soon", &["`--lock-timeout` does not take `soon`"]),
    ("db-migrate --target a --target b", &["`--target` is given twice"]),
    ("db-status --server=mine", &["`--server` does not take `mine`", "configured, embedded"]),
    ("db-server", &["needs an action"]),
    ("", &["no command given"]),
];

#[test]
fn bad_input_is_named_and_changes_nothing() {
    let folder = Folder::new();
    for (words, said) in WRONG {
        let output = Xtask::new(folder.path(), words).run().code(2);
        assert_eq!(output.stdout, "", "{words}\n{output}");
        for text in *said {
            assert!(output.stderr.contains(text), "{words}: no {text:?}\n{output}");
        }
        let output = Xtask::new(folder.path(), words).arg("--json").run().code(2);
        let json = output.json();
        assert_eq!((&json["outcome"], &json["error"]["kind"]), (&"refused".into(), &"usage".into()), "{output}");
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn an_unknown_component_is_a_usage_error() {
    let scene = Scene::three();
    for words in ["db-status", "db-migrate", "db-roundtrip"] {
        let output = scene.run(&format!("{words} -c managre --json")).code(2).complains("--component=manager");
        assert_eq!(output.kind(), "usage");
    }
}

#[test]
fn words_that_are_not_utf_8() {
    use std::os::unix::ffi::OsStrExt;
    let folder = Folder::new();
    #[expect(clippy::disallowed_methods)]
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_xtask"));
    let done = command
        .arg("db-migrate")
        .arg(std::ffi::OsStr::from_bytes(b"--target=\xff"))
        .current_dir(folder.path())
        .output()
        .unwrap();
    assert_eq!(done.status.code(), Some(2));
    assert!(done.stdout.is_empty() && String::from_utf8_lossy(&done.stderr).contains("not UTF-8"));
}

#[test]
fn help_goes_to_stdout() {
    let folder = Folder::new();
    for words in ["help", "--help", "db-migrate --help", "help db-roundtrip", "--version"] {
        let output = Xtask::new(folder.path(), words).run().code(0);
        assert!(output.stderr.is_empty() && !output.stdout.is_empty(), "{words}\n{output}");
    }
}

#[test]
fn the_answer_on_stdout_and_progress_on_stderr() {
    let scene = Scene::three();
    let output = scene.run("db-migrate --target=a1").code(0).says("✅ Migration successful");
    assert_eq!(output.stderr, "Starting Alembic\n[1/1] <base> → a1: revision a1\n");
    assert!(!output.stdout.contains('\u{1b}') && !output.stdout.contains("[1/1]"), "{output}");
    let output = scene.run("db-migrate --json").code(0).complains("[1/2] a1 → b2: revision b2");
    assert_eq!(output.stdout.lines().count(), 1, "one object and nothing else\n{output}");
    assert_eq!(output.json()["after"][0], "c3");
}

#[test]
fn quiet_is_silent() {
    let scene = Scene::three();
    let output = scene.run("db-migrate -q").code(0).says("✅ Migration successful");
    assert_eq!(output.stderr, "");
    assert_eq!(scene.run("db-migrate --quiet --direction=downgrade --target=-1").code(0).stderr, "");
    assert_eq!(scene.run("db-roundtrip --quiet").code(0).stderr, "");
    // What went wrong is said all the same.
    let _ = scene.run("db-migrate -q --target=f00d").code(3).complains("Cannot locate revision 'f00d'");
}

#[test]
fn verbose_shows_commands_that_can_be_pasted_and_no_secret() {
    let scene = Scene::three().at("head");
    let output = scene.run("db-migrate -v --cold --direction=downgrade --target=-1").code(0);
    let output = output.never_says(PASSWORD).never_says(PASSWORD_IN_URL);
    let lines: Vec<&str> = output.stderr.lines().filter_map(|line| line.strip_prefix("$ ")).collect();
    let shown = |name: &str| lines.iter().any(|line| line.contains(name));
    assert!(shown(&python().display().to_string()) && shown("pg_dump"), "{output}");
    // The line of pg_dump, pasted into a shell, does the same: all it needs but the password is in it.
    // The last one: before it a way to compress may have been tried that this program was built without.
    let dump = lines.iter().rfind(|line| line.contains("pg_dump") && line.contains("-Fc")).unwrap();
    // But its snapshot, which is gone with the session that gave it.
    let words: Vec<&str> = dump.split(' ').filter(|word| !word.starts_with("--snapshot=")).collect();
    let pasted = words.join(" ");
    #[expect(clippy::disallowed_methods)]
    let done = std::process::Command::new("sh").arg("-c").arg(&pasted).current_dir(scene.root()).output().unwrap();
    assert!(done.status.success(), "{pasted}\n{}", String::from_utf8_lossy(&done.stderr));
}

#[test]
fn colour_when_it_is_asked_for() {
    let scene = Scene::three();
    let colourful = scene.run("db-status --color=always").code(0);
    assert!(colourful.stdout.contains("\u{1b}[33m"), "{colourful}");
    let plain = scene.run("db-status").code(0).stdout;
    let mut text = colourful.stdout.clone();
    for code in ["\u{1b}[33m", "\u{1b}[0m"] {
        text = text.replace(code, "");
    }
    assert_eq!(text, plain, "the text is the same without colour");
    let error = scene.run("db-migrate --target=f00d --color=always").code(3);
    assert!(error.stderr.contains("\u{1b}[31m❌ Error:\u{1b}[0m"), "{error}");
    let json = scene.run("db-status --json --color=always").code(0);
    assert!(!json.stdout.contains('\u{1b}'), "{json}");
}

#[test]
fn colour_on_a_terminal_unless_no_color() {
    let scene = Scene::three();
    assert!(on_a_terminal(&scene, "db-status", &[]).contains("\u{1b}[33m"));
    assert!(!on_a_terminal(&scene, "db-status", &[("NO_COLOR", "1")]).contains("\u{1b}[3"));
    assert!(!on_a_terminal(&scene, "db-status --color=never", &[]).contains("\u{1b}[3"));
    // An empty NO_COLOR says nothing, and the flag wins over the variable.
    assert!(on_a_terminal(&scene, "db-status", &[("NO_COLOR", "")]).contains("\u{1b}[33m"));
    assert!(on_a_terminal(&scene, "db-status --color=always", &[("NO_COLOR", "1")]).contains("\u{1b}[33m"));
}

/// What a run shows on a terminal, both streams.
fn on_a_terminal(scene: &Scene, words: &str, env: &[(&str, &str)]) -> String {
    #[expect(clippy::disallowed_methods)]
    let mut command = std::process::Command::new(python());
    command.args(["-c", "import pty, sys; sys.exit(pty.spawn(sys.argv[1:]) >> 8)", env!("CARGO_BIN_EXE_xtask")]);
    command.args(words.split(' ')).current_dir(scene.root()).env_clear().envs(hermetic(scene.root()));
    let done = command.env("TERM", "xterm").envs(env.iter().copied()).stdin(Stdio::null()).output().unwrap();
    String::from_utf8(done.stdout).unwrap()
}

#[test]
fn a_reader_that_goes_away_has_not_got_the_answer() {
    let scene = Scene::three();
    for words in ["db-status", "help", "db-status --json", "db-migrate --dry-run"] {
        let (code, stderr) = scene.xtask(words).run_unread();
        assert!(!stderr.contains("panicked") && code == Some(1), "{words}: {code:?}\n{stderr}");
    }
}

/// Titles and file names come from other people's branches: they show, and do nothing, in a terminal and in a CI log.
#[test]
fn what_scripts_hold_acts_on_no_terminal() {
    let project = Project::new("postgresql+psycopg://u@127.0.0.1:1/none");
    let title = "title \u{1b}]0;T\u{7}\u{1b}[2J\u{1b}[31m \u{202e}red";
    let script =
        |title: &str, id: &str, down: &str| text(title, id, down, "def upgrade():\n  pass\ndef downgrade():\n  pass\n");
    project.write("migrations/versions/n.py", &script(title, "n", ""));
    project.write("migrations/versions/p\n::error::injected.py", &script("x", "p", "n"));
    for words in ["db-check --all", "db-check --all --format github", "db-status", "db-status --color always"] {
        let output = Xtask::new(project.root(), words).run();
        let all = format!("{}{}", output.stdout, output.stderr);
        for bad in ["\u{1b}]", "\u{1b}[2J", "\u{7}", "\u{202e}", "\n::error::injected"] {
            assert!(!all.contains(bad) && !all.starts_with("::error::injected"), "{words}: {bad:?} in {all:?}");
        }
    }
}
