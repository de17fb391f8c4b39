//! The transcripts of README.md and of the guides: what a console block of a page shows is what its commands say, run one
//! after the other in a scene of the page's own. `UPDATE_EXPECT=1 cargo test guides` writes down what they say now.
//!
//! A block that shows no answer is not run. A comment `<!-- $ git switch -q main -->` is run, and no reader sees what it says. Times,
//! sizes, ids of commits and versions of servers are another each time, and count as the same.

use std::fs;
use std::path::Path;

use crate::support::branches::Branches;
use crate::support::pg::cluster;
use crate::support::project::text;
use crate::support::python::{python, workspace};
use crate::support::scene::{Scene, sql};
use crate::support::xtask::Xtask;

/// The pages with a transcript, each with a test below.
const PAGES: [&str; 8] = [
    "README.md",
    "docs/ci.md",
    "docs/guides/after-a-pull.md",
    "docs/guides/backups.md",
    "docs/guides/before-a-migration.md",
    "docs/guides/branches.md",
    "docs/guides/hooks.md",
    "docs/guides/merging.md",
];

#[test]
fn readme() {
    holds("README.md", &careless());
}

#[test]
fn in_ci() {
    holds("docs/ci.md", &careless());
}

#[test]
fn after_a_pull() {
    holds("docs/guides/after-a-pull.md", &behind());
}

#[test]
fn taken_back() {
    holds("docs/guides/backups.md", &up_to_date());
}

#[test]
fn before_a_migration() {
    holds("docs/guides/before-a-migration.md", &about_to_lose());
}

#[test]
fn a_database_per_branch() {
    holds("docs/guides/branches.md", &diverged());
}

#[test]
fn hooks() {
    holds("docs/guides/hooks.md", &begun());
}

#[test]
fn merging() {
    holds("docs/guides/merging.md", &diverged());
}

/// Every page with a transcript is in the table. (That every command in a page can be pasted is looked at in `tidy`.)
#[test]
fn every_page() {
    let guides = fs::read_dir(workspace().join("docs/guides")).unwrap();
    let guides = guides.map(|entry| format!("docs/guides/{}", entry.unwrap().file_name().to_str().unwrap()));
    let others = ["README.md", "docs/ci.md", "docs/benchmarks.md"].map(str::to_owned);
    for page in guides.chain(others) {
        let text = fs::read_to_string(workspace().join(&page)).unwrap();
        let shows = parts(&text).iter().any(|part| matches!(part, Part::Command { is_shown: true, .. }));
        assert_eq!(shows, PAGES.contains(&page.as_str()), "{page}: has it a transcript, and is it in PAGES?");
    }
}

// The scenes. All have a main branch with two revisions, whose database has run them.

fn begun() -> Branches {
    let scene = Branches::of(Scene::new(), "");
    let users = "create table users (id int primary key, name text not null, email varchar(64) not null)";
    add(&scene, "b1e5c0a47d21", "", "Create users", users, "drop table users");
    let sessions = "create table sessions (id int primary key, user_id int not null references users)";
    add(&scene, "2f80c6d19e54", "b1e5c0a47d21", "Create sessions", sessions, "drop table sessions");
    scene
}

fn ran() -> Branches {
    let scene = begun();
    let _ = scene.run("db-migrate -q").code(0);
    scene.sql(0, "insert into users values (1, 'Ada', 'ada@example.com'), (2, 'Bo', 'bo@example.com')");
    scene
}

fn add_quota(scene: &Branches, down: &str) {
    let (up, back) = ("alter table users add quota int", "alter table users drop quota");
    add(scene, "7c2f19d0e3b8", down, "Give users a quota", up, back);
}

fn add_notes(scene: &Branches, down: &str) {
    let up = "create table notes (id int primary key, session_id int references sessions, text text)";
    add(scene, "e4a8d6b90f15", down, "Keep notes on sessions", up, "drop table notes");
}

fn fill_notes(scene: &Branches) {
    scene.sql(0, "insert into sessions values (1, 1); insert into notes values (1, 1, 'slow'), (2, 1, 'better')");
}

/// A downgrade that brings a column back as another one.
fn careless() -> Branches {
    let scene = begun();
    let up = "alter table users drop email";
    add(&scene, "9d3b7a52c8e0", "2f80c6d19e54", "Drop the email of users", up, "alter table users add email text");
    add_quota(&scene, "9d3b7a52c8e0");
    scene
}

/// `main` has gone on where it came from; a branch has gone on from there.
fn behind() -> Branches {
    let scene = ran();
    let origin = scene.repo.beside("origin.git");
    scene.repo.git(&["clone", "--quiet", "--bare", ".", origin.to_str().unwrap()]);
    scene.repo.git(&["remote", "add", "origin", origin.to_str().unwrap()]);
    add_quota(&scene, "2f80c6d19e54");
    scene.repo.git(&["push", "--quiet", "--set-upstream", "origin", "main"]);
    scene.repo.git(&["switch", "--quiet", "--create", "notes"]);
    add_notes(&scene, "7c2f19d0e3b8");
    scene.repo.switch("main");
    scene.repo.git(&["reset", "--quiet", "--hard", "HEAD~1"]);
    scene
}

/// `main` and a branch of one's own have a revision each; the database has run the branch's.
fn diverged() -> Branches {
    let scene = ran();
    scene.repo.git(&["switch", "--quiet", "--create", "notes"]);
    add_notes(&scene, "2f80c6d19e54");
    let _ = scene.run("db-migrate -q").code(0);
    fill_notes(&scene);
    scene.repo.switch("main");
    add_quota(&scene, "2f80c6d19e54");
    scene.repo.switch("notes");
    scene
}

/// Everything has run, and there are rows in what ran last.
fn up_to_date() -> Branches {
    let scene = ran();
    add_notes(&scene, "2f80c6d19e54");
    let _ = scene.run("db-migrate -q").code(0);
    fill_notes(&scene);
    scene
}

/// What is pending takes values away.
fn about_to_lose() -> Branches {
    let scene = ran();
    let (up, back) = ("alter table users drop email", "alter table users add email varchar(64) not null default ''");
    add(&scene, "9d3b7a52c8e0", "2f80c6d19e54", "Drop the email of users", up, back);
    scene
}

/// A commit with a revision.
fn add(scene: &Branches, id: &str, down: &str, message: &str, up: &str, back: &str) {
    let rest = format!("\n\ndef upgrade():\n    {}\n\n\ndef downgrade():\n    {}\n", sql(up), sql(back));
    let path = format!("migrations/versions/{id}_{}.py", message.to_lowercase().replace(' ', "_"));
    scene.repo.commit(message, &[(&path, &text(message, id, down, &rest))]);
}

// The pages.

/// A piece of a page.
enum Part<'a> {
    /// Lines that stay as they are.
    Words(&'a str),
    /// A line that is run, and what it answers.
    Command { line: &'a str, command: &'a str, answer: Vec<&'a str>, is_shown: bool },
}

/// Holds a page against what its commands say.
#[track_caller]
fn holds(page: &str, scene: &Branches) {
    let path = workspace().join(page);
    let before = fs::read_to_string(&path).unwrap();
    let mut after = String::new();
    for part in parts(&before) {
        match part {
            Part::Words(line) => after += line,
            Part::Command { line, command, answer, is_shown } => {
                after += line;
                let said = answer_of(command, scene);
                let is_same = masked(&said) == masked(&answer.concat());
                after += &if is_same || !is_shown { answer.concat() } else { said };
            }
        }
    }
    if before == after {
        return;
    }
    match std::env::var_os("UPDATE_EXPECT") {
        Some(_) => fs::write(&path, after).unwrap(),
        None => {
            panic!("{page} does not say what its commands say. Read the difference, then UPDATE_EXPECT=1.\n{after}")
        }
    }
}

fn parts(page: &str) -> Vec<Part<'_>> {
    let mut parts = Vec::new();
    let mut lines = page.split_inclusive('\n').peekable();
    let mut is_console = false;
    while let Some(line) = lines.next() {
        let hidden = line.strip_prefix("<!-- $ ").and_then(|rest| rest.trim_end().strip_suffix(" -->"));
        match (hidden, line.strip_prefix("$ ").filter(|_| is_console)) {
            (Some(command), _) => parts.push(Part::Command { line, command, answer: Vec::new(), is_shown: false }),
            (None, Some(command)) => {
                let mut answer = Vec::new();
                while let Some(next) = lines.next_if(|next| !next.starts_with("$ ") && !next.starts_with("```")) {
                    answer.push(next);
                }
                parts.push(Part::Command { line, command: command.trim_end(), answer, is_shown: true });
            }
            (None, None) => {
                is_console = line.starts_with("```console");
                parts.push(Part::Words(line));
            }
        }
    }
    without_silent_blocks(parts)
}

/// Blocks of which no command has an answer are words.
fn without_silent_blocks(parts: Vec<Part<'_>>) -> Vec<Part<'_>> {
    let is_shown = |part: &Part<'_>| matches!(part, Part::Command { is_shown: true, .. });
    let mut done = Vec::new();
    for block in parts.chunk_by(|one, next| is_shown(one) && is_shown(next)) {
        let speaks = block.iter().any(|part| matches!(part, Part::Command { answer, .. } if !answer.is_empty()));
        for part in block {
            match part {
                Part::Command { line, is_shown: true, .. } if !speaks => done.push(Part::Words(line)),
                Part::Command { line, command, answer, is_shown } => {
                    done.push(Part::Command { line, command, answer: answer.clone(), is_shown: *is_shown });
                }
                Part::Words(line) => done.push(Part::Words(line)),
            }
        }
    }
    done
}

/// What a shell says to a line in the scene, both streams without progress, with the names of this run as a reader would
/// have them.
fn answer_of(command: &str, scene: &Branches) -> String {
    let program = format!("{} --quiet", env!("CARGO_BIN_EXE_xtask"));
    let line = format!("{{ {command}; }} 2>&1").replace("cargo xtask", &program);
    let shell = Xtask::program(Path::new("/bin/sh"), scene.root(), "-c").arg(&line).env("XTASK_PYTHON", python());
    let said = shell.run().stdout;
    let root = scene.root().display().to_string();
    let lines = said.lines().map(|line| format!("{}\n", line.trim_end()));
    let said = lines.collect::<String>().replace(&root, "~/service").replace(&scene.databases[0], "service");
    let said = said.replace(env!("CARGO_BIN_EXE_xtask"), "~/.cargo/bin/xtask");
    said.replace(&cluster().socket_dir.display().to_string(), "/var/run/postgresql")
}

/// The same for what is another each time: one word for white space, times, sizes, dates, commits and servers.
fn masked(text: &str) -> String {
    let text = without_version(text);
    let words: Vec<&str> = text.split_whitespace().collect();
    let units = ["s", "ms", "min", "kB", "MB", "GB", "KiB", "MiB", "GiB", "bytes"];
    let mut masked = Vec::new();
    for (at, word) in words.iter().enumerate() {
        let next = words.get(at + 1).map_or("", |next| next.trim_end_matches(|c: char| !c.is_alphanumeric()));
        let is_number = word.starts_with(|c: char| c.is_ascii_digit() || c == '(') && units.contains(&next);
        masked.push(if is_number { "N".to_owned() } else { masked_word(word) });
    }
    masked.join(" ")
}

fn masked_word(word: &str) -> String {
    let is_commit = |part: &str| {
        [7, 10, 40].contains(&part.len())
            && part.bytes().all(|c| c.is_ascii_hexdigit())
            && part.bytes().any(|c| c.is_ascii_digit())
    };
    let digits = |part: &str| part.bytes().filter(u8::is_ascii_digit).count();
    // `2026`, `20261127T222137Z`.
    let is_moment =
        |part: &str| digits(part) >= 4 && part.trim_end_matches('Z').bytes().all(|c| c.is_ascii_digit() || c == b'T');
    let parts: Vec<&str> = word.split(|c: char| !c.is_alphanumeric()).collect();
    let is_clock =
        word.contains(':') && parts.iter().filter(|part| part.len() == 2 && part.parse::<u8>().is_ok()).count() > 1;
    let has_date = parts.iter().any(|part| is_moment(part));
    let masked = word.split_inclusive(|c: char| !c.is_alphanumeric()).map(|part| {
        let bare = part.trim_end_matches(|c: char| !c.is_alphanumeric());
        let is_number = !bare.is_empty() && (is_moment(bare) || bare.bytes().all(|c| c.is_ascii_digit()));
        if is_commit(bare) || (is_number && (is_clock || has_date)) { part.replace(bare, "N") } else { part.to_owned() }
    });
    masked.collect()
}

/// `PostgreSQL 15.18 (Debian 15.18-0+deb12u1)` without its version.
fn without_version(text: &str) -> String {
    let mut pieces = text.split("PostgreSQL ");
    let mut masked = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let rest = piece.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
        let named = rest.strip_prefix(" (").and_then(|rest| rest.split_once(')'));
        masked += "PostgreSQL ";
        masked += named.map_or(rest, |(_, rest)| rest);
    }
    masked
}

#[test]
fn what_is_another_each_time_is_masked_and_nothing_else() {
    let same = [
        ("git pull    ok  0.41 s  now at 4d3c0f51ab", "git pull ok 12.00 s now at 0000000001"),
        ("down 34 ms, up 16 ms", "down 1 ms, up 200 ms"),
        ("6 s   9 KiB", "10 s  10 KiB"),
        ("PostgreSQL 15.18 (Debian 15.18-0+deb12u1)\nx", "PostgreSQL 17.2\nx"),
        ("at 2026-11-27 21:28:57 UTC", "at 2027-01-02 00:00:01 UTC"),
        ("manager-20261127T222137Z-e4a8d6b90f15.dump", "manager-20270102T000001Z-e4a8d6b90f15.dump"),
    ];
    same.iter().for_each(|(one, other)| assert_eq!(masked(one), masked(other)));
    for (one, other) in [
        ("2 rows of notes", "3 rows of notes"),
        ("e4a8d6b90f15", "e4a8d6b90f16"),
        ("✅ a", "❌ a"),
        ("step 1 of 2", "step 1 of 3"),
    ] {
        assert_ne!(masked(one), masked(other));
    }
}
