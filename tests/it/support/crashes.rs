//! Runs that are killed at one of their points (`XTASK_CRASH_AT`): which points, what is done about each, and how the
//! scene gets back to where it was, so that it is built once and not for each of them.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::pg::cluster;
use super::xtask::Folder;

/// Whether each point is wanted, in both ways: `XTASK_TEST_CRASHES=all`. It takes minutes.
fn is_everything_wanted() -> bool {
    std::env::var("XTASK_TEST_CRASHES").is_ok()
}

/// The points to kill at: each `stride`-th, from one that `XTASK_TEST_SEED` chooses. They have no end; a run that is not
/// killed has.
pub fn points(stride: usize) -> impl Iterator<Item = usize> {
    let stride = if is_everything_wanted() { 1 } else { stride };
    let seed = std::env::var("XTASK_TEST_SEED").map_or(0, |seed| seed.parse().unwrap());
    (1 + seed % stride..).step_by(stride)
}

/// How many of `all` points [`points`] gives at least.
pub fn at_least(all: usize, stride: usize) -> usize {
    if is_everything_wanted() { all } else { all / stride }
}

/// What is done after the so-manieth kill: one of the two by turns.
pub fn ways<'a>(kill: usize, two: &'a [&'a str; 2]) -> &'a [&'a str] {
    if is_everything_wanted() { two } else { std::slice::from_ref(&two[kill % 2]) }
}

/// A folder and databases as they were, to be had again as often as wanted, in the same place and under the same names.
pub struct Moment {
    folder: PathBuf,
    copy: Folder,
    databases: Vec<(String, String)>,
}

impl Moment {
    /// As they are now. Nobody may be connected to the databases.
    pub fn of(folder: &Path, databases: &[String]) -> Moment {
        let copy = Folder::new();
        copy_into(folder, copy.path());
        let databases = databases.iter().map(|name| (name.clone(), cluster().clone_of(name))).collect();
        Moment { folder: folder.to_owned(), copy, databases }
    }

    /// Puts them back.
    pub fn again(&self) {
        put_in_place(self.copy.path(), &self.folder);
        for (name, copy) in &self.databases {
            cluster().put_in_place(name, copy);
        }
    }
}

/// A copy of a folder in the place of another one.
pub fn put_in_place(from: &Path, folder: &Path) {
    std::fs::remove_dir_all(folder).unwrap();
    std::fs::create_dir(folder).unwrap();
    copy_into(from, folder);
    know_again(folder);
}

/// Git knows files by their inodes too, and takes copies for changed ones until it has looked into them.
#[expect(clippy::disallowed_methods)]
fn know_again(folder: &Path) {
    let mut refresh = Command::new("git");
    refresh.args(["update-index", "-q", "--refresh"]).current_dir(folder);
    // It fails where a file has really been changed.
    let _ = refresh.output().unwrap();
}

#[expect(clippy::disallowed_methods)]
fn copy_into(from: &Path, to: &Path) {
    let mut copy = Command::new("cp");
    copy.arg("-Rp").arg(from.join(".")).arg(to);
    assert!(copy.status().unwrap().success(), "{copy:?}");
}
