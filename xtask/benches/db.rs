//! Ratios, measured in one run on one machine, medians of runs that take turns: this tool against the real Alembic, on
//! the real Backend.AI and on generated histories. `cargo bench` runs it (some minutes, the first time also an install
//! from PyPI) and prints the table that `docs/benchmarks.md` holds. No test runs it, and it asserts no times.
#![allow(clippy::unwrap_used, reason = "a benchmark that cannot go on has nothing to say")]
#![allow(clippy::print_stdout, reason = "its answer is the table")]

#[path = "db/backendai.rs"]
mod backendai;
#[path = "db/generated.rs"]
mod generated;
#[path = "db/measure.rs"]
mod measure;
#[path = "db/memory.rs"]
mod memory;
#[path = "db/start.rs"]
mod start;
#[allow(dead_code, reason = "what tests stand on; a benchmark needs some of it")]
#[path = "../../tests/it/support/mod.rs"]
mod support;

use measure::{Row, load};

fn main() {
    // `cargo test --all-targets` runs benchmarks too, without this word.
    if !std::env::args().any(|word| word == "--bench") {
        println!("the benchmarks run with `cargo bench`");
        return;
    }
    let before = load();
    let mut rows = start::rows();
    rows.extend(generated::rows());
    rows.extend(memory::rows());
    match backendai::rows() {
        Some(found) => rows.extend(found),
        None => println!("without CPython 3.13 there is no real Backend.AI to measure on: those rows are left out"),
    }
    println!("| what | ours | against | ratio | reach | met |\n|---|--:|--:|--:|---|---|");
    for row in &rows {
        println!("{row}");
    }
    println!("\nLoad average {before} before, {} after, on {} cores.", load(), cores());
    let missed = rows.iter().filter(|row| !row.met()).map(Row::name).collect::<Vec<_>>();
    if !missed.is_empty() {
        println!("Not reached: {}", missed.join("; "));
    }
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}
