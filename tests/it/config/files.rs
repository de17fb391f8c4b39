//! Files are replaced whole, keep what they were, and leave nothing beside them.

use std::os::unix::fs::{MetadataExt, PermissionsExt};

use xtask::fail::Kind;
use xtask::sys::files::{read_script, write_atomic};

use super::{Folder, failure};

fn names(folder: &Folder) -> Vec<String> {
    let entries = std::fs::read_dir(&**folder).unwrap();
    let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_replaced_file_keeps_its_mode_and_leaves_nothing_beside_it() {
    let folder = Folder::new();
    let path = folder.write("a.py", "old");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
    let before = std::fs::metadata(&path).unwrap().ino();
    write_atomic(&path, b"new").unwrap();
    let after = std::fs::metadata(&path).unwrap();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "new");
    assert_eq!(after.mode() & 0o7777, 0o640);
    assert_ne!(after.ino(), before, "written in place, so a reader can see half of it");
    assert_eq!(names(&folder), ["a.py"]);
}

#[test]
fn a_symlink_stays_one_and_its_target_is_replaced() {
    let folder = Folder::new();
    folder.write("real/a.py", "old");
    folder.link("link.py", "real/a.py");
    write_atomic(&folder.join("link.py"), b"new").unwrap();
    assert!(folder.join("link.py").is_symlink());
    assert_eq!(std::fs::read_to_string(folder.join("real/a.py")).unwrap(), "new");
}

#[test]
fn a_failed_write_leaves_the_old_file_and_nothing_else() {
    let folder = Folder::new();
    folder.write("a/b", "old");
    let error = write_atomic(&folder.join("a"), b"new").unwrap_err();
    assert!(format!("{error:#}").contains(&folder.join("a").display().to_string()), "{error:#}");
    assert!(write_atomic(&folder.join("none/c"), b"new").is_err());
    assert_eq!(names(&folder), ["a"]);
    assert_eq!(std::fs::read_to_string(folder.join("a/b")).unwrap(), "old");
}

#[test]
fn a_script_that_is_not_utf8_is_named_with_its_line() {
    let folder = Folder::new();
    let path = folder.write("latin.py", b"# fine\n# f\xfcr alle\n");
    let fail = failure(read_script(&path), Kind::MigrationFileInvalid, &["latin.py:2"]);
    assert_eq!(fail.line, Some(2));
}
