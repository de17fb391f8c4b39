//! Ratios, measured in one run on one machine, medians of runs that take turns: this tool against the real Alembic, on
//! the real Backend.AI, on the bundled example and on generated histories. `cargo bench` runs it (some minutes, the first
//! time also an install from PyPI) and prints what stands under "Measured" in `docs/benchmarks.md`; `cargo bench -- NAME…`
//! runs the parts with such a name, `cargo bench -- --list` names them. No test runs it, and it asserts no times.
#![allow(clippy::unwrap_used, reason = "a benchmark that cannot go on has nothing to say")]
#![allow(clippy::print_stdout, reason = "its answer is the table")]

mod backendai;
mod backup;
mod check;
mod example;
mod floor;
mod generated;
mod hooks;
mod machine;
mod measure;
mod memory;
mod pytest_alembic;
mod rebase;
mod start;
#[allow(dead_code, reason = "what tests stand on; a benchmark needs some of it")]
#[path = "../../../tests/it/support/mod.rs"]
mod support;
mod switch;

use measure::{Row, Rows};
use support::python::say;

/// What `cargo bench -- NAME` asks for, and what measures it.
type Part = (&'static str, fn() -> Rows);

/// The parts of the table, in its order.
const PARTS: [Part; 17] = [
    ("start", start::rows),
    ("generated", generated::rows),
    ("rebase", rebase::rows),
    ("status", backendai::status),
    ("check", check::rows),
    ("hooks", hooks::rows),
    ("switch", switch::rows),
    ("backup", backup::rows),
    ("what-will-go", backup::what_will_go),
    ("migrate", backendai::migrate),
    ("roundtrip", backendai::roundtrip),
    ("pytest-alembic", pytest_alembic::rows),
    ("floor", floor::rows),
    ("snapshot", backendai::snapshot),
    ("round-trips", backendai::trips),
    ("memory-status", memory::status),
    ("memory-roundtrip", memory::roundtrip),
];

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let names: Vec<&str> = words.iter().map(String::as_str).filter(|word| !word.starts_with("--")).collect();
    let has = |flag: &str| words.iter().any(|word| word == flag);
    // A part's whole name means that one; part of a name, all that have it.
    let is_whole = |name: &str| PARTS.iter().any(|(part, _)| *part == name);
    let is_meant = |name: &str, part: &str| if is_whole(name) { part == name } else { part.contains(name) };
    let wanted = |part: &str| names.is_empty() || names.iter().any(|name| is_meant(name, part));
    let parts = || PARTS.iter().filter(|(name, _)| wanted(name));
    if has("--list") || parts().next().is_none() {
        println!("Parts: {}", PARTS.map(|(name, _)| name).join(", "));
    } else if has("--bench") {
        measure_parts(parts());
    } else {
        // `cargo test --all-targets` runs benchmarks too, without that word.
        println!("the benchmarks run with `cargo bench`");
    }
}

fn measure_parts<'a>(parts: impl Iterator<Item = &'a Part>) {
    let before = machine::load();
    let (mut rows, mut left_out) = (Vec::new(), Vec::new());
    for (name, measured) in parts {
        say(&format!("measuring: {name}"));
        // One that breaks off takes nothing of the others along.
        let found = std::panic::catch_unwind(measured);
        match found.unwrap_or_else(|_| Err("it broke off, for the reason above".to_owned())) {
            Ok(found) => rows.extend(found),
            Err(why) => left_out.push(format!("* {name}: {why}")),
        }
    }
    println!("{}\n", machine::words(&before));
    println!("| what | ours | against | ratio | runs | goal | met |\n|---|--:|--:|--:|--:|---|---|");
    rows.iter().for_each(|row| println!("{row}"));
    let missed = rows.iter().filter(|row| !row.met()).map(Row::name).collect::<Vec<_>>();
    list("Missed", &missed.iter().map(|name| format!("* {name}")).collect::<Vec<_>>());
    list("Not measured", &left_out);
}

fn list(title: &str, lines: &[String]) {
    if !lines.is_empty() {
        println!("\n{title}:\n\n{}", lines.join("\n"));
    }
}
