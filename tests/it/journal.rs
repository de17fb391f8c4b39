//! The journal, killed at each of its writes: whatever is left, the next one finds it and goes on, or takes everything
//! back byte for byte.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};

use xtask::fail::{self, Fail};
use xtask::model::action::own;
use xtask::sys::journal::{Journal, Operation, Planned, Progress, crash_point};

use crate::support::pasted::actions;
use crate::support::xtask::Folder;

const FOLDER: &str = "XTASK_TEST_JOURNAL";
/// More writes than the operation below has.
const TOO_MANY: usize = 100;

/// A folder of scripts, and what an operation makes of them: one changed, one made, one removed, one left alone.
struct Scene {
    folder: Folder,
}

impl Scene {
    fn new() -> Scene {
        let scene = Scene { folder: Folder::new() };
        fs::create_dir(scene.versions()).unwrap();
        let files: [(&str, &[u8], u32); 4] = [
            ("changed.py", b"\xef\xbb\xbfdown = 'a'\r\n\xff", 0o750),
            ("removed.py", b"going", 0o604),
            ("same.py", b"as it was", 0o644),
            ("other.py", b"nobody's", 0o600),
        ];
        for (name, bytes, mode) in files {
            let path = scene.versions().join(name);
            fs::write(&path, bytes).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        }
        scene
    }

    fn versions(&self) -> PathBuf {
        self.folder.path().join("versions")
    }

    fn journal(&self) -> PathBuf {
        journal(self.folder.path())
    }

    /// Every file with its mode and content.
    fn files(&self) -> BTreeMap<String, (u32, Vec<u8>)> {
        let entries = fs::read_dir(self.versions()).unwrap().map(|entry| entry.unwrap().path());
        let file = |path: PathBuf| {
            let mode = fs::metadata(&path).unwrap().permissions().mode() & 0o7777;
            (path.file_name().unwrap().to_string_lossy().into_owned(), (mode, fs::read(&path).unwrap()))
        };
        entries.map(file).collect()
    }

    /// Runs [`the_operation`] in a process of its own that dies at a write, and leaves the rest to the next one.
    fn run(&self, dies_at: usize, what: &str) -> ExitStatus {
        #[expect(clippy::disallowed_methods)]
        let mut child = Command::new(std::env::current_exe().unwrap());
        child.args(["--exact", "--ignored", "--quiet", what]).env(FOLDER, self.folder.path());
        child.env("XTASK_CRASH_AT", dies_at.to_string());
        child.output().unwrap().status
    }

    fn pending(&self) -> Option<Journal> {
        Journal::pending(&self.journal()).unwrap()
    }
}

fn journal(folder: &Path) -> PathBuf {
    folder.join(".xtask/journal")
}

fn operation() -> Operation {
    Operation {
        name: "db-rebase".into(),
        arguments: vec!["--onto".into(), "ab12".into()],
        resume: own("db-rebase").word("--resume").of_no_component(),
        abort: own("db-rebase").word("--abort").of_no_component(),
    }
}

fn planned(folder: &Path) -> Vec<Planned> {
    let file = |name: &str, after: Option<&[u8]>| Planned {
        path: folder.join("versions").join(name),
        after: after.map(<[u8]>::to_vec),
    };
    vec![
        file("changed.py", Some(b"\xef\xbb\xbfdown = 'b'\r\n\xff")),
        file("made.py", Some(b"new")),
        file("removed.py", None),
        file("same.py", Some(b"as it was")),
    ]
}

fn begin(folder: &Path) -> anyhow::Result<Journal> {
    let steps = ["rewrite 3 files".to_owned(), "upgrade the database".to_owned()];
    Journal::begin(&journal(folder), operation(), &steps, planned(folder))
}

/// The first step that is not done.
fn next(journal: &Journal) -> Option<usize> {
    journal.steps().iter().position(|step| step.progress != Progress::Done)
}

/// What a command does: begin, and from there what resuming does too.
fn go_on(mut journal: Journal) -> anyhow::Result<()> {
    while let Some(step) = next(&journal) {
        journal.step_started(step)?;
        match step {
            0 => journal.write_files()?,
            // The database's part.
            _ => crash_point(),
        }
        journal.step_done(step)?;
    }
    journal.finish()
}

#[test]
#[ignore = "the crash tests run it in a process of its own"]
fn the_operation() {
    let folder = PathBuf::from(std::env::var_os(FOLDER).expect("the crash tests say where"));
    go_on(begin(&folder).unwrap()).unwrap();
}

#[test]
#[ignore = "the crash tests run it in a process of its own"]
fn the_abort() {
    let folder = PathBuf::from(std::env::var_os(FOLDER).expect("the crash tests say where"));
    if let Some(mut journal) = Journal::pending(&journal(&folder)).unwrap() {
        journal.restore_files().unwrap();
        journal.finish().unwrap();
    }
}

fn died(status: ExitStatus) -> bool {
    assert!(status.success() || status.signal().is_some(), "neither ended nor died: {status}");
    !status.success()
}

/// What the files are after an operation that nobody disturbed.
fn undisturbed() -> BTreeMap<String, (u32, Vec<u8>)> {
    let scene = Scene::new();
    go_on(begin(scene.folder.path()).unwrap()).unwrap();
    scene.files()
}

#[test]
fn killed_anywhere_it_is_resumed() {
    let wanted = undisturbed();
    assert_eq!(wanted["changed.py"], (0o750, b"\xef\xbb\xbfdown = 'b'\r\n\xff".to_vec()));
    let mut kills = 0;
    for dies_at in 1..TOO_MANY {
        let scene = Scene::new();
        let before = scene.files();
        if !died(scene.run(dies_at, "journal::the_operation")) {
            break;
        }
        kills += 1;
        match scene.pending() {
            Some(journal) => {
                assert_eq!(journal.operation(), &operation());
                go_on(journal).unwrap();
                assert_eq!(scene.files(), wanted, "killed at write {dies_at}");
            }
            // Nothing was touched before the journal was there, or everything was done when it went.
            None => assert!([&before, &wanted].contains(&&scene.files()), "killed at write {dies_at}"),
        }
        assert!(scene.pending().is_none());
    }
    // The journal 6 times, the files 3 times and the database once, each at one or two points.
    assert!((12..TOO_MANY - 1).contains(&kills), "{kills} kills");
}

#[test]
fn killed_anywhere_it_is_taken_back() {
    for dies_at in 1..TOO_MANY {
        let scene = Scene::new();
        let before = scene.files();
        if !died(scene.run(dies_at, "journal::the_operation")) {
            return;
        }
        if let Some(mut journal) = scene.pending() {
            journal.restore_files().unwrap();
            journal.finish().unwrap();
            assert_eq!(scene.files(), before, "killed at write {dies_at}");
        }
    }
    panic!("it never ended");
}

#[test]
fn taking_back_may_be_killed_as_well() {
    for dies_at in 1..TOO_MANY {
        let scene = Scene::new();
        let before = scene.files();
        // All files written, the journal still there.
        let mut journal = begin(scene.folder.path()).unwrap();
        journal.write_files().unwrap();
        drop(journal);
        let is_over = !died(scene.run(dies_at, "journal::the_abort"));
        scene.run(TOO_MANY, "journal::the_abort");
        assert_eq!(scene.files(), before, "killed at write {dies_at}");
        assert!(scene.pending().is_none());
        if is_over {
            assert!(dies_at > 6, "only {dies_at} writes");
            return;
        }
    }
    panic!("it never ended");
}

fn failure<T>(result: anyhow::Result<T>) -> Fail {
    fail::from_anyhow(&result.err().expect("this was to fail"))
}

#[test]
fn what_somebody_else_changed_is_not_touched_and_nothing_else_either() {
    type Meddle = fn(&Path);
    let meddling: [(&str, Meddle); 4] = [
        ("changed.py", |path| fs::write(path, "mine").unwrap()),
        ("made.py", |path| fs::write(path, "mine").unwrap()),
        ("removed.py", |path| fs::write(path, "mine").unwrap()),
        ("same.py", |path| fs::remove_file(path).unwrap()),
    ];
    for (name, meddle) in meddling {
        let scene = Scene::new();
        let mut journal = begin(scene.folder.path()).unwrap();
        journal.write_files().unwrap();
        meddle(&scene.versions().join(name));
        let found = scene.files();
        for fail in [failure(journal.restore_files()), failure(journal.write_files())] {
            assert_eq!(fail.kind.name(), "dirty-work-tree");
            assert!(fail.details.contains(name), "{}", fail.details);
            assert_eq!(fail.details.matches("/versions/").count(), 1, "only that one: {}", fail.details);
            assert!(actions(&fail).contains(&"cargo xtask db-rebase --abort".to_owned()));
        }
        assert_eq!(scene.files(), found);
    }
}

#[test]
fn what_is_in_it_is_there_for_the_next_one() {
    let scene = Scene::new();
    assert!(scene.pending().is_none());
    let mut journal = begin(scene.folder.path()).unwrap();
    journal.step_started(0).unwrap();
    journal.step_done(0).unwrap();
    journal.step_started(1).unwrap();
    journal.note("before", serde_json::json!(["ab12"])).unwrap();
    assert!(journal.step_done(2).unwrap_err().to_string().contains("none with number 2"));
    drop(journal);
    let found = scene.pending().unwrap();
    let progress: Vec<Progress> = found.steps().iter().map(|step| step.progress).collect();
    assert_eq!(progress, [Progress::Done, Progress::Started]);
    assert_eq!((next(&found), found.steps()[1].text.as_str()), (Some(1), "upgrade the database"));
    assert_eq!(found.noted("before"), Some(&serde_json::json!(["ab12"])));
    assert_eq!(found.files().count(), 4);
    assert!(found.started() > 1_700_000_000);
}

#[test]
fn one_that_was_put_away_can_still_be_taken_back() {
    let scene = Scene::new();
    let before = scene.files();
    let mut journal = begin(scene.folder.path()).unwrap();
    journal.write_files().unwrap();
    let away = scene.folder.path().join("away/manager");
    journal.finish_into(&away).unwrap();
    assert!(scene.pending().is_none());
    let journal = Journal::pending(&away).unwrap().unwrap();
    journal.check_restorable().unwrap();
    fs::write(scene.versions().join("changed.py"), "mine").unwrap();
    assert_eq!(failure(journal.check_restorable()).kind.name(), "dirty-work-tree");
    drop(journal);
    let bytes = &planned(scene.folder.path()).into_iter().find(|it| it.path.ends_with("changed.py")).unwrap().after;
    fs::write(scene.versions().join("changed.py"), bytes.as_ref().unwrap()).unwrap();
    let mut journal = Journal::pending(&away).unwrap().unwrap();
    journal.restore_files().unwrap();
    journal.finish().unwrap();
    assert_eq!(scene.files(), before);
}

#[test]
fn a_second_operation_is_refused() {
    let scene = Scene::new();
    let journal = begin(scene.folder.path()).unwrap();
    for fail in [failure(begin(scene.folder.path())), failure(Journal::pending(&scene.journal()))] {
        assert_eq!(
            (fail.kind.name(), fail.summary.as_str()),
            ("already-running", "Another xtask is changing this project")
        );
    }
    drop(journal);
    let fail = failure(begin(scene.folder.path()));
    assert_eq!((fail.exit.code(), fail.summary.as_str()), (3, "An earlier db-rebase did not end"));
    assert_eq!(actions(&fail)[0], "cargo xtask db-rebase --resume");
    scene.pending().unwrap().finish().unwrap();
    begin(scene.folder.path()).unwrap();
}

#[test]
fn a_journal_that_cannot_be_read_is_said_and_kept() {
    let scene = Scene::new();
    drop(begin(scene.folder.path()).unwrap());
    let path = scene.journal().join("journal.json");
    fs::write(&path, "{\"version\": 99}").unwrap();
    let fail = failure(Journal::pending(&scene.journal()));
    assert!(fail.details.contains("it has version 99, known is 1"), "{}", fail.details);
    assert!(path.exists());
}

#[test]
fn through_a_link_the_file_itself_is_replaced() {
    let scene = Scene::new();
    let (real, link) = (scene.versions().join("changed.py"), scene.folder.path().join("link.py"));
    std::os::unix::fs::symlink(&real, &link).unwrap();
    let before = scene.files();
    let files = vec![Planned { path: link.clone(), after: Some(b"through the link".to_vec()) }];
    let mut journal = Journal::begin(&scene.journal(), operation(), &[], files).unwrap();
    journal.write_files().unwrap();
    assert!(link.is_symlink());
    assert_eq!(fs::read(&real).unwrap(), b"through the link");
    journal.restore_files().unwrap();
    assert_eq!(scene.files(), before);
}
