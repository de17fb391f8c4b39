//! How actions become text.

use super::{Action, Around, git, own, program, shell_word};

fn around(typed: &[(&str, &str)], folder: &str) -> Around {
    let around = Around {
        typed: typed.iter().map(|(flag, value)| ((*flag).to_owned(), (*value).to_owned())).collect(),
        takes: |command, flag| !(command == "doctor" && flag == "--component"),
        folder: folder.into(),
        ..Around::default()
    };
    around.root.set("/src/shop".into()).unwrap();
    around.default_component.set("manager".to_owned()).unwrap();
    around
}

#[test]
fn own_commands_repeat_what_was_typed() {
    let around = around(&[("--component", "appproxy"), ("--server", "embedded")], "/src/shop");
    for (command, text) in [
        (own("db-migrate"), "db-migrate --component=appproxy --server=embedded"),
        (own("db-migrate").flag("--target", "-1"), "db-migrate --component=appproxy --server=embedded --target=-1"),
        (own("db-migrate").of("billing"), "db-migrate --component=billing --server=embedded"),
        (own("db-migrate").of("manager"), "db-migrate --server=embedded"),
        (own("db-migrate").flag("--component", "a"), "db-migrate --server=embedded --component=a"),
        (own("db-roundtrip").flag("--server", "configured"), "db-roundtrip --component=appproxy --server=configured"),
        (own("db-status").word("--all").of_no_component(), "db-status --server=embedded --all"),
        (own("doctor"), "doctor --server=embedded"),
        (own("db-check").flag("--explain", "DB101").plain(), "db-check --explain=DB101"),
    ] {
        assert_eq!(command.text(&around), format!("cargo xtask {text}"));
    }
    let typed = Action::from(own("db-status")).or_of("billing");
    assert_eq!(typed.text(&around), "cargo xtask db-status --component=billing --server=embedded");
}

#[test]
fn other_programs_run_where_their_paths_are_right() {
    let alembic = program(["./py", "-m", "alembic", "-c", "alembic.ini", "history"]).inside("/src/shop");
    let status = git(["status"]);
    let diff = git(["diff", "a b.py"]).inside("/src/shop");
    for (folder, texts) in [
        ("/src/shop", ["./py -m alembic -c alembic.ini history", "git status", "git diff 'a b.py'"]),
        (
            "/src/shop/sub",
            [
                "(cd /src/shop && ./py -m alembic -c alembic.ini history)",
                "git status",
                "git -C /src/shop diff 'a b.py'",
            ],
        ),
        (
            "/src",
            ["(cd shop && ./py -m alembic -c alembic.ini history)", "git -C shop status", "git -C shop diff 'a b.py'"],
        ),
        ("", ["./py -m alembic -c alembic.ini history", "git status", "git diff 'a b.py'"]),
    ] {
        let around = around(&[], folder);
        assert_eq!([&alembic, &status, &diff].map(|program| program.text(&around)), texts, "in {folder}");
    }
}

#[test]
fn a_command_stands_at_the_end_of_its_line() {
    let nowhere = Around::default();
    assert_eq!(Action::run("Look again", own("db-status")).text(&nowhere), "Look again: cargo xtask db-status");
    assert_eq!(Action::from("Wait").text(&nowhere), "Wait");
}

#[test]
fn words_are_quoted_for_a_shell() {
    for (word, text) in [
        ("plain", "plain"),
        ("", "''"),
        ("it's", r"'it'\''s'"),
        ("--project=/a b", "--project='/a b'"),
        ("--target=-1", "--target=-1"),
        ("a b=c", "'a b=c'"),
        ("/tmp/100%", "/tmp/100%"),
    ] {
        assert_eq!(shell_word(word), text);
    }
}
