//! The migration scripts on disk, listed as Alembic lists them and read side by side, and the only way files are
//! replaced: atomically.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs::{self, DirBuilder, File, Permissions};
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::SystemTime;

use anyhow::{Context, Result};

use crate::fail::{Fail, Kind};
use crate::model::action::{own, program};
use crate::model::revision;
use crate::sys::alembic_ini::AlembicConfig;
use crate::sys::interrupt;
pub use crate::sys::regular::read_regular;
use crate::sys::side_by_side::in_shares;

/// The scripts of a config's version locations, absolute, in Alembic's order: location by location, folder by folder,
/// by name. A file that is reached twice counts once. Folders that do not exist hold nothing, as for Alembic.
/// Bytecode without source (`sourceless`) is left out: it cannot be read.
pub fn scripts(config: &AlembicConfig) -> Result<Vec<PathBuf>> {
    scripts_in(&config.version_locations, config.recursive)
}

/// The same of some folders.
pub fn scripts_in(locations: &[PathBuf], recursive: bool) -> Result<Vec<PathBuf>> {
    let mut list = Listing { recursive, seen: HashSet::new(), scripts: Vec::new() };
    for location in locations {
        if location.is_dir() {
            // Resolved once here, so that the files in it need not be resolved one by one.
            let folder = location.canonicalize().with_context(|| format!("resolving {}", location.display()))?;
            list.folder(&folder)?;
        }
    }
    Ok(list.scripts)
}

/// What `read` makes of each path, in the order given. Many are read side by side, since parsing them is most of what a
/// look at a long history takes.
///
/// # Errors
/// When somebody asks us to stop, and when `read` panics.
pub fn side_by_side<T: Send>(paths: &[PathBuf], read: impl Fn(&Path) -> T + Sync) -> Result<Vec<T>> {
    in_shares(paths, |share| {
        let read = |path: &PathBuf| interrupt::check().map(|()| read(path));
        share.iter().map(read).collect()
    })
}

/// Why a script cannot be read from the disk.
#[derive(Debug)]
pub enum Unread {
    /// It is not there, may not be read, or is no regular file.
    Io(std::io::Error),
    /// It is not in the encoding that Python reads it in.
    Encoding {
        /// The line, from 1.
        line: usize,
    },
}

/// The text of a script, or why there is none.
pub fn script_text(path: &Path) -> Result<String, Unread> {
    let decoded = revision::decode(read_regular(path).map_err(Unread::Io)?);
    match decoded.broken_line {
        None => Ok(decoded.text),
        Some(line) => Err(Unread::Encoding { line }),
    }
}

/// The text of a script.
///
/// # Errors
/// `migration-file-invalid` for one that Alembic could not read either.
pub fn read_script(path: &Path) -> Result<String> {
    script_text(path).map_err(|unread| unread.fail(path).into())
}

impl Unread {
    fn fail(&self, path: &Path) -> Fail {
        let shown = path.display();
        let fail = match self {
            Unread::Encoding { line } => Fail::new(Kind::MigrationFileInvalid, "A migration script is not UTF-8")
                .details(format!("{shown}:{line}: bytes that are no UTF-8"))
                .at(path, Some(*line))
                .action(format!("Save {shown} as UTF-8")),
            Unread::Io(error) => Fail::new(Kind::MigrationFileInvalid, "A migration script cannot be read")
                .details(format!("{shown}: {error}; Alembic reads all scripts or none"))
                .at(path, None)
                .run("See what it is", program(["ls", "-l"]).word(path))
                .action("Mend it, or move it out of the folder of the versions"),
        };
        fail.related(own("db-status"))
    }
}

/// What lies in a folder; nothing where it cannot be listed.
pub fn entries(folder: &Path) -> Vec<PathBuf> {
    fs::read_dir(folder).into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path())).collect()
}

/// When a file was last written, where it is there and the file system says so.
pub fn modified(path: &Path) -> Option<SystemTime> {
    fs::metadata(path).and_then(|file| file.modified()).ok()
}

/// The bytes of a file.
///
/// # Errors
/// When it is not there or cannot be read.
pub fn read(path: &Path) -> Result<Vec<u8>> {
    super::regular::read_regular(path).with_context(|| format!("reading {}", path.display()))
}

/// The text of a file.
///
/// # Errors
/// When it is not there, cannot be read, or is not UTF-8.
pub fn read_text(path: &Path) -> Result<String> {
    super::regular::read_text(path).with_context(|| format!("reading {}", path.display()))
}

/// What tells a file from a later one at the same place without reading it.
pub fn size_and_time(path: &Path) -> Option<(u64, Option<std::time::SystemTime>)> {
    fs::metadata(path).ok().map(|meta| (meta.len(), meta.modified().ok()))
}

/// Writes a file that only we may read, in a folder that is made if it is not there.
///
/// # Errors
/// When it cannot be written.
pub fn write_private(path: &Path, content: &[u8]) -> Result<()> {
    let writing = || format!("writing {}", path.display());
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).with_context(writing)?;
    }
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    options.open(path).and_then(|mut file| file.write_all(content)).with_context(writing)
}

/// Removes a file that nobody needs any more. One that stays does no harm.
pub fn remove(path: &Path) {
    let _ = fs::remove_file(path);
}

/// A folder of this tool in a project (`.xtask/backups`), readable by the user alone and ignored by git, even if it
/// existed before.
pub fn own_folder(project_root: &Path, relative: &str) -> Result<PathBuf> {
    let folder = project_root.join(relative);
    let making = || format!("making {}", folder.display());
    // A repository may bring a link that leads out of itself.
    for part in folder.ancestors().take_while(|part| *part != project_root) {
        anyhow::ensure!(!part.is_symlink(), "{} is a symbolic link, and those are not followed here", part.display());
    }
    DirBuilder::new().recursive(true).mode(0o700).create(&folder).with_context(making)?;
    fs::set_permissions(&folder, Permissions::from_mode(0o700)).with_context(making)?;
    let ignore = folder.join(".gitignore");
    if !ignore.exists() {
        fs::write(&ignore, "*\n").with_context(|| format!("writing {}", ignore.display()))?;
    }
    Ok(folder)
}

/// A text as a part of a file's name.
pub fn plain(text: &str) -> String {
    let keep = |c: char| c.is_ascii_alphanumeric() || "._-+".contains(c);
    // Sixty characters name eleven heads no worse than all of them would, and file systems end at 255.
    text.chars().map(|c| if keep(c) { c } else { '_' }).take(60).collect()
}

/// Removes what Python compiled from scripts and modules that were changed: a same-length edit within a second leaves
/// bytecode that Python takes for fresh.
///
/// # Errors
/// When a file that is there cannot be removed.
pub fn remove_bytecode(changed: impl Iterator<Item = PathBuf>) -> Result<()> {
    for script in changed {
        let (Some(folder), Some(stem)) = (script.parent(), script.file_stem().and_then(|stem| stem.to_str())) else {
            continue;
        };
        let Ok(entries) = fs::read_dir(folder.join("__pycache__")) else { continue };
        for entry in entries {
            let path = entry.with_context(|| format!("listing {}", folder.display()))?.path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            if name.strip_prefix(stem).is_some_and(|rest| rest.starts_with('.') && rest.ends_with(".pyc")) {
                fs::remove_file(&path).with_context(|| format!("removing {}", path.display()))?;
            }
        }
    }
    Ok(())
}

/// Replaces a file, or makes it: the new content is written beside it, synced, and renamed over it, so that a reader and
/// a crash see the old file or the new one whole. Mode and owner stay; a symlink stays one and its target is replaced.
pub fn write_atomic(path: &Path, content: &[u8]) -> Result<()> {
    let path = match path.canonicalize() {
        Ok(real) => real,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => path.to_owned(),
        Err(error) => return Err(error).with_context(|| format!("resolving {}", path.display())),
    };
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let temporary = folder.join(temporary_name(&path));
    let written = write_synced(&temporary, content, fs::metadata(&path).ok())
        .and_then(|()| fs::rename(&temporary, &path))
        // The rename itself is on disk only when the folder is.
        .and_then(|()| File::open(folder)?.sync_all());
    written.map_err(|error| {
        let _ = fs::remove_file(&temporary);
        anyhow::Error::from(error).context(format!("writing {}", path.display()))
    })
}

/// Adds to the end of a file that may be there already.
///
/// # Errors
/// What the file system may meet.
pub fn append(path: &Path, content: &[u8]) -> Result<()> {
    let opened = File::options().create(true).append(true).open(path);
    let written = opened.and_then(|mut file| file.write_all(content));
    written.with_context(|| format!("writing {}", path.display()))
}

fn write_synced(path: &Path, content: &[u8], like: Option<fs::Metadata>) -> std::io::Result<()> {
    let mut file = File::create_new(path)?;
    if let Some(old) = like {
        let new = file.metadata()?;
        if (new.uid(), new.gid()) != (old.uid(), old.gid()) {
            // Only root may give files away; for anybody else the new file is the writer's own.
            let _ = std::os::unix::fs::fchown(&file, Some(old.uid()), Some(old.gid()));
        }
        file.set_permissions(old.permissions())?;
    }
    file.write_all(content)?;
    file.sync_all()
}

/// A name beside a file that no two writers share, threads neither, and that Alembic does not take for a script.
pub fn temporary_name(path: &Path) -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let name = path.file_name().unwrap_or(OsStr::new("file")).to_string_lossy();
    format!(".{name}.{}-{count}.tmp", std::process::id())
}

struct Listing {
    recursive: bool,
    seen: HashSet<PathBuf>,
    scripts: Vec<PathBuf>,
}

impl Listing {
    /// Alembic's `Script._list_py_dir` and the first half of `_from_filename`. `folder` has no symlinks in it.
    fn folder(&mut self, folder: &Path) -> Result<()> {
        if folder.as_os_str().as_bytes().ends_with(b"__pycache__") {
            return Ok(());
        }
        let reading = || format!("listing {}", folder.display());
        let mut entries = Vec::new();
        for entry in fs::read_dir(folder).with_context(reading)? {
            let entry = entry.with_context(reading)?;
            entries.push((entry.file_name(), entry.file_type().with_context(reading)?));
        }
        entries.sort_by(|a, b| a.0.cmp(&b.0));
        for (name, kind) in entries.iter().filter(|(_, kind)| !kind.is_dir()) {
            self.file(folder.join(name), kind.is_symlink());
        }
        // Symlinks to folders are not followed: `os.walk` does not.
        let folders = entries.iter().filter(|(_, kind)| self.recursive && kind.is_dir());
        for name in folders.map(|(name, _)| name).collect::<Vec<_>>() {
            self.folder(&folder.join(name))?;
        }
        Ok(())
    }

    fn file(&mut self, path: PathBuf, is_symlink: bool) {
        let mut path = path;
        if is_symlink {
            // Alembic goes by the name of what the link leads to. A dangling link is listed: reading it says so.
            path = path.canonicalize().unwrap_or(path);
            if path.is_dir() {
                return;
            }
        }
        if path.file_name().is_some_and(|name| revision::is_script_name(&name.to_string_lossy()))
            && self.seen.insert(path.clone())
        {
            self.scripts.push(path);
        }
    }
}
