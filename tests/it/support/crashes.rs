//! Runs that are killed at one of their points (`XTASK_CRASH_AT`): which points, what is done about each, and how the
//! scene gets back to where it was, so that it is built once and not for each of them.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::pg::cluster;
use super::scene::Scene;
use super::xtask::Folder;

/// The points that a run passes, by what is done at each: an act is one file of the code, or one file that is written. Two
/// acts of one kind differ in what was done before them, two points of one act hardly.
pub struct Points(Vec<String>);

impl Points {
    /// Runs it to its end, and reads which points it has passed.
    #[track_caller]
    pub fn of(scene: &Scene, words: &str) -> Points {
        let list = scene.root().with_extension("points");
        let _ = scene.xtask(words).env("XTASK_CRASH_LIST", &list).run().code(0);
        let text = std::fs::read_to_string(&list).unwrap();
        std::fs::remove_file(list).unwrap();
        Points(text.lines().map(kind).collect())
    }

    /// The first and the last point, from 1, of each act of a kind.
    #[track_caller]
    pub fn acts(&self, kind: &str) -> Vec<(usize, usize)> {
        let numbered: Vec<(usize, &String)> = (1..).zip(&self.0).collect();
        let acts = numbered.chunk_by(|one, other| one.1 == other.1).filter(|act| act[0].1 == kind);
        let acts: Vec<_> = acts.map(|act| (act[0].0, act[act.len() - 1].0)).collect();
        assert!(!acts.is_empty(), "no {kind}: {:#?}", self.0);
        acts
    }

    /// Of each kind of act but the left out ones: before the first of them, behind one in the middle, behind the last.
    pub fn round_each(&self, left_out: &[&str]) -> BTreeSet<usize> {
        let three = |acts: Vec<(usize, usize)>| {
            [acts[0].0, acts[(acts.len() / 2 + seed()) % acts.len()].1, acts[acts.len() - 1].1]
        };
        self.kinds(left_out).flat_map(|kind| three(self.acts(kind))).collect()
    }

    /// Of each kind of act but the left out ones: behind the last.
    pub fn behind_each(&self, left_out: &[&str]) -> BTreeSet<usize> {
        self.kinds(left_out)
            .map(|kind| self.acts(kind))
            .map(|acts| acts[(acts.len() - 1 + seed()) % acts.len()].1)
            .collect()
    }

    fn kinds<'a>(&'a self, left_out: &'a [&str]) -> impl Iterator<Item = &'a str> {
        let kinds: BTreeSet<&str> = self.0.iter().map(String::as_str).collect();
        kinds.into_iter().filter(|kind| !left_out.iter().any(|out| kind.contains(out)))
    }

    /// Where to kill it, and in which of two ways it is ended then: at the chosen points in one by turns, or at each in both.
    #[track_caller]
    #[expect(clippy::print_stdout, reason = "shown where the test fails, and with --nocapture")]
    pub fn kills<'a>(&self, chosen: BTreeSet<usize>, two: [&'a str; 2]) -> Vec<(usize, &'a str)> {
        if std::env::var("XTASK_TEST_CRASHES").is_ok() {
            let mut all: Vec<_> = (1..=self.0.len()).flat_map(|at| two.map(|then| (at, then))).collect();
            all.dedup();
            return all;
        }
        println!("killed at {} of {} points: {chosen:?} of {:#?}", chosen.len(), self.0.len(), self.0);
        assert!(chosen.len() > 2 && self.0.len() > 10, "{chosen:?} of {:#?}", self.0);
        chosen.into_iter().enumerate().map(|(turn, at)| (at, two[(turn + seed()) % 2])).collect()
    }
}

fn seed() -> usize {
    std::env::var("XTASK_TEST_SEED").map_or(0, |seed| seed.parse().unwrap())
}

/// `sys/backup` or `db-merge/journal.json` of a line that tells a place in the code and a file, if one is written there.
fn kind(line: &str) -> String {
    let (place, file) = line.split_once('\t').unwrap();
    let names = |text: &str| text.split('/').map(str::to_owned).collect::<Vec<_>>();
    let file = names(file);
    match file.as_slice() {
        [.., folder, name] => format!("{folder}/{name}"),
        _ => names(place.rsplit("src/").next().unwrap())[..2].join("/").split(".rs").next().unwrap().to_owned(),
    }
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
