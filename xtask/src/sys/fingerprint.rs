//! A digest of everything on disk that decides what a program of the project makes of an empty database: the project's
//! files and the interpreter's packages. Each counts with its path, size, inode and its times of change; what is in it
//! is not read. The time of the last status change (ctime) cannot be set back by an edit, a checkout or a `touch`, so
//! what has changed is always seen; what was only rewritten counts as changed too.
//!
//! Left out: `.git` and other hidden folders, caches (`CACHEDIR.TAG`, `__pycache__`, `node_modules`), virtual
//! environments as such (their packages are asked for by name), and in folders that git ignores whatever is not code.

use std::collections::HashSet;
use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};

/// More than this is no project that a digest says anything about.
const MOST_FILES: usize = 400_000;
/// Folders that hold nothing which a program reads as its own.
const PASSED_OVER: &[&str] = &["__pycache__", "node_modules"];
/// What counts even where git ignores it: code and configuration that a build or a person has put there.
const CODE: &[&str] = &["py", "pyi", "so", "sql", "toml", "ini", "cfg", "json", "yaml", "yml", "mako", "env", "pth"];

/// What is looked at.
#[derive(Clone, Debug, Default)]
pub struct Tree {
    /// Files, and folders with all that is in them.
    pub roots: Vec<PathBuf>,
    /// Folders and files in them that do not count.
    pub without: HashSet<PathBuf>,
    /// Folders in them of which only code counts.
    pub only_code: HashSet<PathBuf>,
}

/// Every file with its state, in a fixed order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fingerprint {
    files: Vec<(PathBuf, [u64; 6])>,
}

impl Tree {
    /// Looks at the files as they are now.
    ///
    /// # Errors
    /// When there are too many. A folder or file that we may not read counts as not there: the program that we start
    /// may not read it either.
    pub fn look(&self) -> Result<Fingerprint> {
        let mut walk = Walk { tree: self, seen: HashSet::new(), files: Vec::new() };
        for root in &self.roots {
            walk.folder(root, false)?;
        }
        walk.files.sort_unstable();
        walk.files.dedup();
        Ok(Fingerprint { files: walk.files })
    }
}

impl Fingerprint {
    /// The digest, in hexadecimal digits.
    pub fn digest(&self) -> String {
        let mut hasher = Sha256::new();
        for (path, state) in &self.files {
            hasher.update(path.as_os_str().as_encoded_bytes());
            for number in state {
                hasher.update(number.to_le_bytes());
            }
        }
        hex(&hasher.finalize())
    }

    /// A file that is not as it was in `before`.
    pub fn first_change<'a>(&'a self, before: &'a Fingerprint) -> Option<&'a Path> {
        let here: HashSet<_> = self.files.iter().collect();
        let there: HashSet<_> = before.files.iter().collect();
        here.symmetric_difference(&there).map(|(path, _)| path.as_path()).min()
    }
}

/// The digest of some bytes, in hexadecimal digits.
pub fn digest(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// The digest of what is in a file, or in all files of a folder.
pub fn digest_of_contents(path: &Path) -> Result<String> {
    let mut hasher = Sha256::new();
    if path.is_dir() {
        let mut entries: Vec<PathBuf> =
            fs::read_dir(path)?.map(|entry| entry.map(|entry| entry.path())).collect::<Result<_, _>>()?;
        entries.sort_unstable();
        for entry in entries {
            hasher.update(entry.file_name().unwrap_or_default().as_encoded_bytes());
            hasher.update(digest_of_contents(&entry)?);
        }
    } else {
        let mut file = fs::File::open(path).with_context(|| format!("reading {}", path.display()))?;
        std::io::copy(&mut file, &mut Sink(&mut hasher)).with_context(|| format!("reading {}", path.display()))?;
    }
    Ok(hex(&hasher.finalize()))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

struct Sink<'a>(&'a mut Sha256);

impl std::io::Write for Sink<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

struct Walk<'a> {
    tree: &'a Tree,
    /// Device and inode of the folders that were entered: a root may lie in another, a link may lead back.
    seen: HashSet<(u64, u64)>,
    files: Vec<(PathBuf, [u64; 6])>,
}

impl Walk<'_> {
    fn folder(&mut self, folder: &Path, only_code: bool) -> Result<()> {
        let Ok(metadata) = fs::metadata(folder) else { return Ok(()) };
        if metadata.is_file() {
            self.files.push((folder.to_owned(), state(&metadata)));
            return Ok(());
        }
        if !self.seen.insert((metadata.dev(), metadata.ino())) {
            return Ok(());
        }
        let only_code = only_code || self.tree.only_code.contains(folder);
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if self.tree.without.contains(&path) {
                continue;
            }
            // Links are followed: what they lead to is what a program reads.
            let Ok(metadata) = fs::metadata(&path) else { continue };
            if metadata.is_dir() {
                if !is_passed_over(&path) {
                    self.folder(&path, only_code)?;
                }
            } else if metadata.is_file() && counts(&path, only_code) {
                self.files.push((path, state(&metadata)));
            }
        }
        if self.files.len() > MOST_FILES {
            bail!("more than {MOST_FILES} files, the last of them in {}", folder.display());
        }
        Ok(())
    }
}

fn is_passed_over(folder: &Path) -> bool {
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    name.starts_with('.')
        || PASSED_OVER.contains(&name.as_ref())
        || folder.join("CACHEDIR.TAG").is_file()
        || folder.join("pyvenv.cfg").is_file()
}

fn counts(file: &Path, only_code: bool) -> bool {
    let suffix = file.extension().unwrap_or_default().to_string_lossy();
    suffix != "pyc" && (!only_code || CODE.contains(&suffix.as_ref()))
}

fn state(metadata: &Metadata) -> [u64; 6] {
    [
        metadata.size(),
        metadata.ino(),
        metadata.mtime().cast_unsigned(),
        metadata.mtime_nsec().cast_unsigned(),
        metadata.ctime().cast_unsigned(),
        metadata.ctime_nsec().cast_unsigned(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder that goes with the value.
    struct Folder(PathBuf);

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn folder(name: &str) -> Folder {
        let path = std::env::temp_dir().join(format!("xtask-fingerprint-{}-{name}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Folder(path)
    }

    fn write(folder: &Folder, name: &str, text: &str) -> PathBuf {
        let path = folder.0.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }

    fn tree(folder: &Folder) -> Tree {
        Tree { roots: vec![folder.0.clone()], ..Tree::default() }
    }

    #[test]
    fn an_edit_is_seen_whatever_its_size_and_time() {
        let folder = folder("edit");
        let file = write(&folder, "package/models.py", "one");
        let before = tree(&folder).look().unwrap();
        let times = fs::metadata(&file).unwrap();
        fs::write(&file, "two").unwrap();
        let set = fs::FileTimes::new().set_modified(times.modified().unwrap());
        fs::File::options().write(true).open(&file).unwrap().set_times(set).unwrap();
        assert_eq!(fs::metadata(&file).unwrap().modified().unwrap(), times.modified().unwrap());
        let after = tree(&folder).look().unwrap();
        assert_ne!(after.digest(), before.digest());
        assert_eq!(after.first_change(&before), Some(file.as_path()));
        assert_eq!(tree(&folder).look().unwrap().digest(), after.digest());
    }

    #[test]
    fn files_that_come_and_go_are_seen_and_caches_are_not() {
        let folder = folder("come");
        write(&folder, "a.py", "");
        let before = tree(&folder).look().unwrap();
        for name in
            [".git/HEAD", "p/__pycache__/a.pyc", "a.pyc", "node_modules/x.js", "target/CACHEDIR.TAG", "venv/pyvenv.cfg"]
        {
            write(&folder, name, "x");
        }
        write(&folder, "target/x.py", "x");
        assert_eq!(tree(&folder).look().unwrap().first_change(&before), None);
        let new = write(&folder, "p/data.csv", "x");
        assert_eq!(tree(&folder).look().unwrap().first_change(&before), Some(new.as_path()));
        fs::remove_file(new).unwrap();
        assert_eq!(tree(&folder).look().unwrap(), before);
    }

    #[test]
    fn what_is_set_apart() {
        let folder = folder("apart");
        write(&folder, "data/16384", "x");
        let code = write(&folder, "data/x.py", "x");
        let apart = write(&folder, "versions/c3.py", "x");
        let tree = Tree { without: [apart.clone()].into(), only_code: [folder.0.join("data")].into(), ..tree(&folder) };
        let before = tree.look().unwrap();
        write(&folder, "data/16384", "yy");
        fs::write(&apart, "yy").unwrap();
        assert_eq!(tree.look().unwrap(), before);
        fs::write(&code, "yy").unwrap();
        assert_ne!(tree.look().unwrap(), before);
    }

    #[test]
    fn links_that_lead_back_are_no_endless_way() {
        let folder = folder("links");
        write(&folder, "p/a.py", "");
        std::os::unix::fs::symlink("..", folder.0.join("p/up")).unwrap();
        assert_eq!(tree(&folder).look().unwrap().files.len(), 1);
    }

    #[test]
    fn contents_of_files_and_folders() {
        let folder = folder("contents");
        write(&folder, "d/toc.dat", "x");
        let before = digest_of_contents(&folder.0.join("d")).unwrap();
        write(&folder, "d/toc.dat", "x");
        assert_eq!(digest_of_contents(&folder.0.join("d")).unwrap(), before);
        write(&folder, "d/toc.dat", "y");
        assert_ne!(digest_of_contents(&folder.0.join("d")).unwrap(), before);
        assert_eq!(digest(b""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    }
}
