//! `cargo xtask ci`: what CI runs, as named and timed sections. Everything that can be a test is one (formatting of the
//! docs, layering, freshness of generated pages), so `cargo test` alone tells a developer nearly everything.

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::Result;

use crate::fail::{Exit, Fail, Kind};
use crate::sys::run::Cmd;
use crate::ui::{Paint, Ui};

/// Name and arguments of each section; all are cargo's.
const SECTIONS: &[(&str, &[&str])] = &[
    ("format", &["fmt", "--all", "--check"]),
    ("clippy", &["clippy", "--workspace", "--all-targets", "--quiet", "--", "-D", "warnings"]),
    ("test", &["test", "--workspace"]),
];

/// Runs every section, the later ones too when an earlier one failed, and says at the end which did.
///
/// # Errors
/// When a section failed, or the project's own source is not where this binary was built from.
pub fn run(ui: &Ui) -> Result<Exit> {
    let root = source_root()?;
    let mut failed = Vec::new();
    for (name, args) in SECTIONS {
        ui.status(format!("── {name}: cargo {}", args.join(" ")));
        let started = Instant::now();
        let done = Cmd::new(cargo(), &root).args(*args).interactive(ui)?;
        let (paint, word) = if done.success() { (Paint::Good, "ok") } else { (Paint::Bad, "FAILED") };
        ui.status(format!("── {name}: {} in {:.1} s", ui.paint(paint, word), started.elapsed().as_secs_f64()));
        if !done.success() {
            failed.push(*name);
        }
    }
    if failed.is_empty() {
        return Ok(Exit::Done);
    }
    Err(Fail::new(Kind::Internal, format!("CI found something in: {}", failed.join(", ")))
        .action("Read the section's output above, repair, run: cargo xtask ci")
        .into())
}

fn cargo() -> PathBuf {
    std::env::var_os("CARGO").map_or_else(|| PathBuf::from("cargo"), PathBuf::from)
}

fn source_root() -> Result<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    root.canonicalize().map_err(|_| {
        Fail::new(Kind::ConfigMissing, "The project's source is not where this program was built")
            .details(format!("Looked for {}", root.display()))
            .action("Run it from the checkout: cargo xtask ci")
            .into()
    })
}
