//! The rules of [`super::Watcher`], without waiting: what a look sees, when a change has come to rest, what is remembered.

use std::sync::atomic::{AtomicU32, Ordering};

use super::*;

/// A folder that goes with the value.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Folder {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("xt-changes-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(path.join("versions/sql")).unwrap();
        fs::create_dir_all(path.join("models")).unwrap();
        Folder(path)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    fn write(&self, name: &str, text: &str) {
        fs::create_dir_all(self.path(name).parent().unwrap()).unwrap();
        fs::write(self.path(name), text).unwrap();
    }

    /// The scripts, one module, and the names beside it.
    fn places(&self) -> Places {
        Places {
            files: [self.path("models/user.py")].into(),
            trees: vec![self.path("versions")],
            names: [self.path("models")].into(),
        }
    }

    /// What differs between two looks, as names.
    fn differs(&self, before: &View, now: &View) -> Vec<String> {
        let changed = settled(before, &Some(now.clone()), now).unwrap_or_default();
        changed.iter().map(|path| path.strip_prefix(&self.0).unwrap().display().to_string()).collect()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A file that is not there yet, made under another name and renamed, as editors save.
fn saved(folder: &Folder, name: &str, text: &str) {
    folder.write("other/new", text);
    fs::rename(folder.path("other/new"), folder.path(name)).unwrap();
}

#[test]
fn every_way_to_change_a_file_is_seen() {
    let folder = Folder::new();
    folder.write("versions/a.py", "one");
    folder.write("versions/sql/a.sql", "select 1");
    folder.write("models/user.py", "one");
    let places = folder.places();
    let mut before = places.look();
    let mut step = |what: &str, expected: &[&str]| {
        let now = places.look();
        assert_eq!(folder.differs(&before, &now), expected, "{what}");
        before = now;
    };
    step("nothing", &[]);
    saved(&folder, "versions/a.py", "two");
    step("another inode with the same size", &["versions/a.py"]);
    folder.write("versions/sql/a.sql", "select 12");
    step("a file that a script reads", &["versions/sql/a.sql"]);
    folder.write("versions/b.py", "");
    step("a new script", &["versions/b.py"]);
    fs::remove_file(folder.path("versions/b.py")).unwrap();
    step("a script that has gone", &["versions/b.py"]);
    saved(&folder, "models/user.py", "two");
    step("a module", &["models/user.py"]);
    fs::remove_file(folder.path("models/user.py")).unwrap();
    step("a module that has gone", &["models/user.py"]);
    folder.write("models/group.py", "one");
    step("a module that may be found", &["models/group.py"]);
    saved(&folder, "models/group.py", "another");
    step("a file beside the modules that nobody has imported", &[]);
}

#[test]
fn what_editors_and_python_put_there_is_no_change() {
    let folder = Folder::new();
    let places = folder.places();
    let before = places.look();
    for name in ["versions/.a.py.swp", "versions/#a.py#", "versions/.#a.py", "versions/__pycache__/a.cpython.pyc"] {
        folder.write(name, "");
    }
    folder.write("models/__pycache__/user.pyc", "");
    folder.write("models/notes.txt", "");
    assert_eq!(places.look(), before);
}

#[test]
fn a_burst_is_one_change() {
    let folder = Folder::new();
    folder.write("versions/a.py", "");
    let places = folder.places();
    let seen = places.look();
    let mut last = None;
    for text in ["o", "on", "one"] {
        folder.write("versions/a.py", text);
        let now = places.look();
        assert_eq!(settled(&seen, &last, &now), None, "still being written: {text}");
        last = Some(now);
    }
    assert_eq!(settled(&seen, &last, &places.look()), Some([folder.path("versions/a.py")].into()));
    assert_eq!(settled(&places.look(), &last, &places.look()), None, "told once");
}

#[test]
fn new_places_forget_nothing() {
    let folder = Folder::new();
    folder.write("versions/a.py", "one");
    let trees = Places { trees: vec![folder.path("versions")], ..Places::default() };
    let mut watcher = Watcher::new(trees);
    saved(&folder, "versions/a.py", "two");
    folder.write("versions/b.py", "");
    folder.write("models/user.py", "one");
    assert_eq!(watcher.turn_to(folder.places(), SystemTime::now() + Duration::from_secs(60)), Vec::<PathBuf>::new());
    let changed = watcher.wait().unwrap();
    assert_eq!(changed, [folder.path("versions/a.py"), folder.path("versions/b.py")].into(), "the module is as it was");
    fs::remove_file(folder.path("models/user.py")).unwrap();
    watcher.turn_to(Places { files: [folder.path("models/user.py")].into(), ..Places::default() }, SystemTime::now());
    assert_eq!(watcher.wait().unwrap(), [folder.path("models/user.py")].into());
}

#[test]
fn a_module_that_is_younger_than_its_process_is_told_once() {
    let folder = Folder::new();
    let mut watcher = Watcher::new(Places::default());
    let before = SystemTime::now() - Duration::from_secs(60);
    folder.write("models/user.py", "one");
    let younger = watcher.turn_to(folder.places(), before);
    assert_eq!(younger, [folder.path("models/user.py")], "it may have been imported before it was written");
    assert_eq!(watcher.turn_to(folder.places(), before), Vec::<PathBuf>::new(), "it is known now");
}
