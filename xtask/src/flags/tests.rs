//! The command line, word by word: each way to be right once, each way to be wrong by name.

use std::ffi::OsString;

use super::{Command, Range, Show, Way, parse};
use crate::model::action::Around;

fn words(line: &str) -> Vec<OsString> {
    line.split_whitespace().map(OsString::from).collect()
}

fn wrong(line: &str) -> String {
    let fail = parse(words(line)).expect_err(line);
    assert_eq!(fail.exit.code(), 2, "{line}");
    let actions = fail.shown_actions(&Around::default());
    let mut text = fail.summary;
    for more in std::iter::once(fail.details).chain(actions).filter(|more| !more.is_empty()) {
        text.push_str(" | ");
        text.push_str(&more);
    }
    text
}

fn migrate(line: &str) -> super::DbMigrate {
    match parse(words(line)).expect(line).1 {
        Command::DbMigrate(flags) => flags,
        other => panic!("{line}: {other:?}"),
    }
}

/// What an interrupted round trip prints to be gone on with says all that its own command line said.
#[test]
fn a_round_trip_says_its_own_command() {
    for line in [
        "db-roundtrip",
        "db-roundtrip --all --jobs=3 --step-timeout=90s --junit=a.xml --html=b.html --no-cache --second-opinion",
        "db-roundtrip --steps=4 --baseline=x.dump --step-timeout=5m --keep",
        "db-roundtrip --since=main --partition=2/3 --step-timeout=1500ms",
        "db-roundtrip --from=ab12 --step-timeout=2h --in-place",
        "db-roundtrip --html=c.html --merge-reports a.json b.json",
    ] {
        let Command::DbRoundtrip(flags) = parse(words(line)).expect(line).1 else { panic!("{line}") };
        assert_eq!(flags.again().text(&Around::default()), format!("cargo xtask {line}"));
    }
}

#[test]
fn both_forms_of_an_option_and_flags_before_the_command() {
    let flags = migrate("db-migrate --direction=downgrade --target -1");
    assert_eq!((flags.way, flags.target.as_deref()), (Way::Downgrade, Some("-1")));
    let flags = migrate("db-migrate --direction downgrade --target=-12 --no-backup");
    assert_eq!((flags.target.as_deref(), flags.no_backup), (Some("-12"), true));
    let (common, _) = parse(words("--project /somewhere -v db-status -c appproxy")).unwrap();
    assert_eq!(common.component.as_deref(), Some("appproxy"));
    assert_eq!(common.project.unwrap().to_str(), Some("/somewhere"));
    assert!(common.output.verbose);
    assert_eq!(migrate("db-migrate --target=a1+2 --dry-run").show, Some(Show::Plan));
    assert_eq!(migrate("db-migrate --step-timeout 2m").step_timeout.unwrap().as_secs(), 120);
    let (common, _) = parse(words("db-status -x tenant=a -x=b=c --url=env:URL --strict --cold")).unwrap();
    assert_eq!((common.x, common.url.as_deref()), (vec!["tenant=a".to_owned(), "b=c".to_owned()], Some("env:URL")));
    assert!(common.strict && common.cold);
    assert_eq!(migrate("db-migrate --lock-timeout=500ms").lock_timeout.unwrap().as_millis(), 500);
}

#[test]
fn roundtrip_ranges() {
    let range = |line: &str| match parse(words(line)).expect(line).1 {
        Command::DbRoundtrip(flags) => flags.range,
        other => panic!("{line}: {other:?}"),
    };
    assert_eq!(range("db-roundtrip"), Range::Head);
    assert_eq!(range("db-roundtrip --steps 5"), Range::Steps(5));
    assert_eq!(range("db-roundtrip --from=abc"), Range::From("abc".into()));
    assert_eq!(range("db-roundtrip --all"), Range::All);
}

#[test]
fn wrong_words_are_named_with_the_nearest_known() {
    for (line, said) in [
        ("db-statos", "unknown command `db-statos` | Perhaps you mean: cargo xtask db-status"),
        ("db-status --chekc", "unknown flag `--chekc` for `db-status` | Perhaps you mean: --check"),
        ("db-migrate --target", "`--target` needs a value: --target T"),
        ("db-migrate --target --dry-run", "The next word is `--dry-run`, a flag"),
        ("db-migrate --target --dry-run head", "The next word is `--dry-run`, a flag"),
        ("db-migrate --target=", "`--target` needs a value"),
        ("db-migrate head", "`head` is one word too many"),
        ("db-migrate --dry-run --sql", "`--dry-run` and `--sql` exclude each other"),
        ("db-migrate --dry-run=yes", "`--dry-run` does not take `yes` | It takes: exact"),
        ("db-migrate --sql=yes", "`--sql` takes no value"),
        ("db-migrate --target a --target b", "`--target` is given twice"),
        ("db-migrate --direction sideways", "`--direction` does not take `sideways` | It takes: upgrade, downgrade"),
        ("db-migrate --direction downgrade", "needs a `--target`"),
        ("db-migrate --target -1", "goes down, the direction is upgrade"),
        ("db-migrate --direction downgrade --target +1", "goes up, the direction is downgrade"),
        ("db-migrate --lock-timeout soon", "A duration is a whole number over 0"),
        ("db-migrate --lock-timeout 0s", "A duration is a whole number over 0"),
        ("db-migrate -z", "unknown flag `-z`"),
        ("db-migrate -x", "`-x` needs a value: -x KEY=VALUE"),
        ("db-rebase --abort --no-db", "`--abort` and `--no-db` exclude each other"),
        ("db-merge main --continue", "`--continue` and `BRANCH` exclude each other"),
        ("db-roundtrip --watch --junit f", "`--watch` and `--junit` exclude each other"),
        ("completions tcsh", "`completions` does not take `tcsh` | It takes: bash, zsh, fish"),
        ("man -x a=b", "unknown flag `-x` for `man`"),
        ("db-status -q -v", "`--quiet` and `--verbose` exclude each other"),
        ("db-status --color sometimes", "It takes: auto, always, never"),
        ("db-roundtrip --steps 0", "a whole number, 1 or more"),
        ("db-roundtrip --steps 2 --from x", "`--steps` and `--from` exclude each other"),
        ("db-roundtrip --all --steps 2", "`--all` and `--steps` exclude each other"),
        ("db-create-migration --empty", "needs a message: -m TEXT"),
        ("db-create-migration -m --empty", "The next word is `--empty`, a flag"),
        ("db-check --models --staged", "`--models` and `--staged` exclude each other"),
        ("db-server", "needs an action"),
        ("db-server stat", "Perhaps you mean: cargo xtask db-server"),
        ("help db-statsu", "Perhaps you mean: cargo xtask db-status"),
        ("doctor --component x", "unknown flag `--component` for `doctor`"),
        ("--json", "`--json` stands alone"),
        ("", "no command given"),
    ] {
        let text = wrong(line);
        assert!(text.contains(said), "{line}: {text}");
    }
}

#[test]
fn help_in_every_form() {
    for line in ["help", "--help", "-h", "help db-migrate", "db-migrate --help", "db-migrate -h", "--version"] {
        assert!(matches!(parse(words(line)).expect(line).1, Command::Help(_)), "{line}");
    }
}
