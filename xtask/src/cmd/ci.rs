//! `cargo xtask ci`: what CI runs, as named and timed sections. Whatever can be a test is a test (layering, freshness
//! of generated pages), so that `cargo test` alone finds nearly everything.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::Result;
use xshell::cmd;

use crate::fail::{Exit, Fail, Kind};
use crate::model::action::own;
use crate::sys::run::shell;
use crate::ui::{Paint, Ui};

/// The variable by which the test harness is told how many tests to run at once.
const THREADS: &str = "RUST_TEST_THREADS";

/// The tests in which it may matter whether a Python was started or forked: signals, what env.py meets, what a process
/// leaves behind. Further on the two do the same, and the tests of breakdowns start afresh each Python that they hit.
const FRESH: [&str; 5] = ["driver::env::", "driver::fresh::", "driver::guard::", "driver::wall::", "interrupts::"];

/// Runs every section, the later ones too when an earlier one failed, and says at the end which did.
///
/// # Errors
/// When a section failed, or the project's own source is not where this binary was built from.
pub fn run(ui: &Ui) -> Result<Exit> {
    let (shell, cargo, threads) = (shell(&source_root()?)?, cargo(), threads());
    let sections = [
        ("format", cmd!(shell, "{cargo} fmt --all --check")),
        ("clippy", cmd!(shell, "{cargo} clippy --workspace --all-targets --quiet -- -D warnings")),
        // With the tests that `cargo test` leaves out, since they install a lot.
        ("test", cmd!(shell, "{cargo} test --workspace -- --include-ignored").env(THREADS, &threads)),
        // The tests above share a warm Python.
        (
            "fresh Pythons",
            cmd!(shell, "{cargo} test --test it -- {FRESH...}").env("XTASK_WARM", "0").env(THREADS, &threads),
        ),
    ];
    let mut failed = Vec::new();
    for (name, cmd) in sections {
        ui.status(format!("── {name}: {cmd}"));
        let started = Instant::now();
        let good = alike(cmd).quiet().run().is_ok();
        let (paint, word) = if good { (Paint::Good, "ok") } else { (Paint::Bad, "FAILED") };
        ui.status(format!("── {name}: {} in {:.1} s", ui.paint(paint, word), started.elapsed().as_secs_f64()));
        if !good {
            failed.push(name);
        }
    }
    if failed.is_empty() {
        return Ok(Exit::Done);
    }
    Err(Fail::new(Kind::Internal, format!("CI found something in: {}", failed.join(", ")))
        .run("Read the section's output above, repair, then run", own("ci"))
        .into())
}

/// Runs the look at real projects (`tests/compat`), those with one of these names or all of them.
///
/// # Errors
/// When something is not as it is written down.
pub fn compat(ui: &Ui, names: &[String]) -> Result<Exit> {
    let (root, cargo) = (source_root()?, cargo());
    let shell = shell(&root)?;
    let pip = root.join("target/compat/pip");
    let cmd = cmd!(shell, "{cargo} test --quiet --package xtask --test compat -- {names...}");
    ui.status(format!("── compat: {cmd}"));
    match alike(cmd).quiet().env("PIP_CACHE_DIR", pip).run() {
        Ok(()) => Ok(Exit::Done),
        Err(_) => Err(Fail::new(Kind::Internal, "What is said of a real project is not as it is written down")
            .run("Read the output above; where the new answer is right, run it with UPDATE_EXPECT=1", own("compat"))
            .related(own("ci"))
            .into()),
    }
}

/// Half as many more tests than processors: each waits for processes now and then.
fn threads() -> OsString {
    let at_once = || std::thread::available_parallelism().map_or(1, |cores| cores.get() + cores.get().div_ceil(2));
    std::env::var_os(THREADS).unwrap_or_else(|| at_once().to_string().into())
}

/// Without what cargo has told this program of its package: some build scripts watch these variables, and half of the
/// dependencies would be built again.
fn alike(cmd: xshell::Cmd<'_>) -> xshell::Cmd<'_> {
    let names = std::env::vars_os().map(|(name, _)| name);
    let of_a_package = names.filter(|name| {
        let name = name.to_string_lossy();
        ["CARGO_MANIFEST_", "CARGO_PKG_", "CARGO_BIN_"].iter().any(|start| name.starts_with(start))
    });
    of_a_package.fold(cmd, xshell::Cmd::env_remove)
}

fn cargo() -> PathBuf {
    std::env::var_os("CARGO").map_or_else(|| PathBuf::from("cargo"), PathBuf::from)
}

fn source_root() -> Result<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    root.canonicalize().map_err(|_| {
        Fail::new(Kind::ConfigMissing, "The project's source is not where this program was built")
            .details(format!("Looked for {}", root.display()))
            .run("Run it from the checkout", own("ci"))
            .into()
    })
}
