//! Whether the built tool is that of the source as it is now. Every file that goes into it counts with its path, size, inode
//! and times of change (what is in it is not read), so do cargo's settings, the toolchain, and the variables that change
//! what is built.

use std::env;
use std::fs::{self, Metadata};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// From the workspace's root: files, and folders with all that is in them.
const BUILT_FROM: [&str; 6] =
    ["xtask/src", "xtask/rules", "xtask/Cargo.toml", "Cargo.toml", "Cargo.lock", "rust-toolchain.toml"];
/// What the names of the variables begin with that count.
const VARIABLES: [&str; 7] = [
    "RUSTC",
    "RUSTFLAGS",
    "CARGO_ENCODED_RUSTFLAGS",
    "CARGO_INCREMENTAL",
    "CARGO_BUILD_",
    "CARGO_PROFILE_",
    "CARGO_TARGET_",
];

pub struct Key(u64);

impl Key {
    /// Looks at everything now. An edit during the build is seen by the next look.
    pub fn look(root: &Path, settings: &[&str]) -> Key {
        let mut hasher = DefaultHasher::new();
        settings.hash(&mut hasher);
        let mut paths: Vec<PathBuf> = BUILT_FROM.iter().map(|path| root.join(path)).collect();
        paths.extend(root.ancestors().map(|folder| folder.join(".cargo/config.toml")));
        let home = env::var_os("CARGO_HOME").map(PathBuf::from);
        let home = home.or_else(|| Some(PathBuf::from(env::var_os("HOME")?).join(".cargo")));
        paths.extend(home.map(|home| home.join("config.toml")));
        if let Some(cargo) = env::var_os("CARGO").map(PathBuf::from) {
            paths.push(cargo.with_file_name("rustc"));
            paths.push(cargo);
        }
        paths.iter().for_each(|path| add(path, &mut hasher));
        let mut variables: Vec<_> = env::vars_os().filter(|(name, _)| counts(&name.to_string_lossy())).collect();
        variables.sort();
        variables.hash(&mut hasher);
        Key(hasher.finish())
    }

    /// Whether this binary was built from what was looked at.
    pub fn is_of(&self, binary: &Path) -> bool {
        self.line(binary).is_some_and(|line| fs::read_to_string(beside(binary)).is_ok_and(|kept| kept == line))
    }

    /// Writes it down for the next look. Where that fails, the next run asks cargo again.
    pub fn keep(&self, binary: &Path) {
        if let Some(line) = self.line(binary) {
            // Half a line fits nothing.
            let _ = fs::write(beside(binary), line);
        }
    }

    /// With the binary's own state: another build may have taken its place.
    fn line(&self, binary: &Path) -> Option<String> {
        let state = state(&fs::metadata(binary).ok()?);
        Some(format!("{:016x} {state:?}\n", self.0))
    }
}

fn beside(binary: &Path) -> PathBuf {
    binary.with_extension("key")
}

fn counts(variable: &str) -> bool {
    VARIABLES.iter().any(|start| variable.starts_with(start))
}

/// A file, or all below a folder in a fixed order; nothing where there is nothing.
fn add(path: &Path, hasher: &mut DefaultHasher) {
    let Ok(metadata) = fs::metadata(path) else { return };
    if !metadata.is_dir() {
        (path, state(&metadata)).hash(hasher);
        return;
    }
    let mut below: Vec<PathBuf> =
        fs::read_dir(path).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    below.sort_unstable();
    below.iter().for_each(|path| add(path, hasher));
}

fn state(metadata: &Metadata) -> [i64; 6] {
    let [size, inode] = [metadata.size(), metadata.ino()].map(u64::cast_signed);
    [size, inode, metadata.mtime(), metadata.mtime_nsec(), metadata.ctime(), metadata.ctime_nsec()]
}
