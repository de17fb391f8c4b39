//! Completions in the shells themselves, and the manual page. bash has to be there; zsh, fish and groff are asked where they
//! are installed.

use xtask::sys::run::Cmd;

use crate::support::not_run;
use crate::support::python::quiet;
use crate::support::scene::Scene;
use crate::support::xtask::{Folder, Xtask};

/// Command lines that are being typed, and a word that must be offered.
const LINES: &[(&str, &str)] = &[
    ("cargo xtask db-mi", "db-migrate"),
    ("cargo +nightly xtask db-migrate --direction=do", "downgrade"),
    ("cargo xtask db-migrate --target b", "b2"),
    ("xtask db-status -c man", "manager"),
    ("xtask db-status --che", "--check"),
];

const BASH: &str = r#"
source <("$XTASK" completions bash)
while IFS= read -r line; do
    COMP_LINE=$line COMP_POINT=${#line}
    read -ra COMP_WORDS <<<"$line"
    COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
    if [ "${COMP_WORDS[0]}" = cargo ]; then __xtask_cargo cargo; else __xtask_itself xtask; fi
    echo "${COMPREPLY[*]}"
done
"#;

const FISH: &str = r#"
$XTASK completions fish | source
while read -l line
    echo (complete -C "$line" | string replace -r '\t.*' '' | string join ' ')
end
"#;

/// zsh completes only on a terminal: one is typed to once its prompt shows that its editor listens (what comes before is echoed
/// by the terminal itself, the mark too), and what it then shows is read up to a mark; the echo of what was typed is no command
/// that we print.
const ZSH: &str = r#"
zmodload zsh/zpty
zpty -b shell zsh -f -i
zpty -w shell "unsetopt prompt_sp; autoload -U compinit; compinit -u -D; source <($XTASK completions zsh); PS1=READ''Y"
zpty -r shell shown '*READY*'
while IFS= read -r line; do
    zpty -n -w shell "$line"$'\t''END'$'\C-u'
    zpty -r shell shown '*END*'
    print -r -- "${${${(V)shown}//$'\n'/ }//cargo xtask/}"
done
"#;

#[test]
fn shells_complete() {
    let scene = Scene::three();
    for (shell, script) in [("bash", BASH), ("zsh", ZSH), ("fish", FISH)] {
        let Ok(program) = which::which_in(shell, Some("/usr/bin:/usr/local/bin:/bin"), "/") else {
            assert_ne!(shell, "bash", "bash is needed");
            not_run(&format!("there is no {shell}: apt-get install {shell}"));
            continue;
        };
        let lines: Vec<&str> = LINES.iter().map(|(line, _)| *line).collect();
        let command =
            Xtask::program(&program, scene.root(), "-c").arg(script).env("XTASK", env!("CARGO_BIN_EXE_xtask"));
        let output = command.run_with(&format!("{}\n", lines.join("\n"))).code(0);
        let answers: Vec<&str> = output.stdout.lines().collect();
        assert_eq!(answers.len(), LINES.len(), "{shell}: {output}");
        for ((line, word), answer) in LINES.iter().zip(answers) {
            assert!(answer.contains(word), "{shell}: `{line}` completes to {answer:?}, without {word}");
        }
    }
}

#[test]
fn what_the_disk_knows_is_offered() {
    let scene = Scene::three();
    let offered = |words: &str| Xtask::new(scene.root(), words).arg("").run().code(0).stdout;
    let revisions = offered("__complete db-migrate --target");
    assert!(revisions.contains("b2\trevision b2") && revisions.contains("head\n"), "{revisions}");
    assert!(offered("__complete db-status --component").contains("manager"));
    assert!(offered("__complete db-check --explain").contains("DB101\tseveral-heads"));
    assert_eq!(offered("__complete db-roundtrip --junit"), ":files\n");
    assert_eq!(offered("__complete db-roundtrip --merge-reports 1.json"), ":files\n");
    assert!(offered("__complete db-roundtrip").contains("--all\t"));
    // Where there is no project, nothing is offered and nothing said across the line.
    let nowhere = Folder::new();
    let output = Xtask::new(nowhere.path(), "__complete db-migrate --target").arg("").run().code(0);
    assert!(output.stdout.is_empty() && output.stderr.is_empty(), "{output}");
}

#[test]
fn the_manual_page_is_one() {
    let page = xtask::flags::man_page();
    for part in [".TH XTASK 1", ".SS db\\-migrate", "\\-\\-allow\\-remote", ".SH EXIT STATUS"] {
        assert!(page.contains(part), "{part}");
    }
    if let Ok(groff) = which::which_in("groff", Some("/usr/bin"), "/") {
        let done = Cmd::new(&groff, "/").args(["-man", "-Tutf8", "-ww"]).stdin(page).capture(&quiet()).unwrap();
        assert!(done.status.success() && done.stderr.is_empty(), "{}", done.stderr);
        assert!(done.stdout.contains("db-migrate"), "{}", done.stdout);
    } else {
        not_run("there is no groff: apt-get install groff");
    }
}
