//! `init`.

use std::path::PathBuf;

use super::Command;
use super::spec::{Set, Spec, option, switch};

#[derive(Clone, Debug, Default)]
pub struct Init {
    /// The checkout; else the one that one stands in.
    pub into: Option<PathBuf>,
    pub dry_run: bool,
    /// Take it out again.
    pub undo: bool,
}

pub static SPEC: Spec<Init> = Spec {
    flags: &[
        option("--into", "DIR", "the checkout's root; else the copy that one stands in, or the working directory", {
            Set::Path(|init| &mut init.into)
        }),
        switch("--dry-run", "say what would be changed, and change nothing", |init| &mut init.dry_run),
        switch("--undo", "take the copy and the lines out again", |init| &mut init.undo),
    ],
    without: &["--component", "--project", "--python", "--server", "--url", "-x", "--strict", "--cold", "--yes"],
    examples: &[
        ("What would it change?", "cargo xtask init --into ../backend.ai --dry-run"),
        ("Put it in, or bring its copy up to date", "cargo xtask init --into ../backend.ai"),
        ("Take it out again", "cargo xtask init --into ../backend.ai --undo"),
    ],
    ..Spec::new(
        "init",
        "puts this tool into a checkout, or brings its copy there up to date",
        "Copies the crate that this program was built from into the checkout's xtask/, and puts what cargo and git need into\n\
         its own files: a member of the workspace in Cargo.toml, the alias in .cargo/config.toml, target/ in .gitignore.\n\
         What stands there already stays; what contradicts is refused before anything is changed. A second run changes\n\
         nothing, one of a newer version brings the copy up to date, and files of it that were edited are never overwritten.\n\
         docs/guides/adoption.md has the other way, without a copy: cargo install.",
        |flags| Ok(Command::Init(flags)),
    )
};
