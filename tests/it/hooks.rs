//! `hooks`, with real git: putting in, taking out, what was there before. What the hooks do when git calls them is in
//! `hooks/commit.rs` and, with a database, in `hooks/database.rs`.

mod commit;
mod database;
mod managers;

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::support::python::python;
use crate::support::repo::Repo;
use crate::support::scene::Scene;
use crate::support::xtask::{Output, Xtask, copy_program};

/// A project that is a repository with one commit and a built binary of its own in `target/debug`.
struct Checkout {
    scene: Scene,
}

impl Checkout {
    /// `a1 -> b2 -> c3` on branch `main`.
    fn new() -> Checkout {
        Checkout::of(Scene::three())
    }

    fn of(scene: Scene) -> Checkout {
        let checkout = Checkout { scene };
        checkout.write(".gitignore", "/target\n/state\n/.cache\n__pycache__\n");
        build(checkout.root());
        init(checkout.root());
        checkout
    }

    fn root(&self) -> &Path {
        self.scene.root()
    }

    fn write(&self, name: &str, text: &str) -> &Checkout {
        self.scene.project.write(name, text);
        self
    }

    /// Runs the checkout's own binary.
    fn xtask(&self, words: &str) -> Output {
        xtask(self.root(), words)
    }

    #[track_caller]
    fn install(&self) -> &Checkout {
        drop(self.xtask("hooks install").code(0));
        self
    }

    /// Runs git, whatever comes of it; the words are split at white space.
    fn git(&self, words: &str) -> Output {
        git(self.root(), words)
    }

    /// The path of a hook.
    fn hook(&self, name: &str) -> PathBuf {
        self.root().join(".git/hooks").join(name)
    }

    /// Somebody's own hook.
    fn own(&self, name: &str, text: &str, mode: u32) -> &Checkout {
        program(&self.hook(name), text, mode);
        self
    }

    /// The state of each hook by its name.
    fn states(&self) -> Value {
        states(&self.xtask("hooks status --json").code(0).json())
    }
}

/// Puts a binary where cargo would: the real one, under another name.
fn build(root: &Path) -> PathBuf {
    let built = root.join("target/debug/xtask");
    fs::create_dir_all(built.parent().unwrap()).unwrap();
    let real = env!("CARGO_BIN_EXE_xtask");
    fs::hard_link(real, &built).unwrap_or_else(|_| copy_program(real, &built));
    built
}

fn init(root: &Path) {
    Repo::at(root).commit("one", &[]);
}

fn xtask(root: &Path, words: &str) -> Output {
    Xtask::program(&root.join("target/debug/xtask"), root, words).run()
}

/// git as a person would run it. Hooks get all the time they need: a busy machine is no reason for silence here.
fn git(root: &Path, words: &str) -> Output {
    let git = Xtask::program(Path::new("git"), root, words);
    git.env("GIT_EDITOR", ":").env("XTASK_PYTHON", python()).env("XTASK_HOOK_LIMIT", "60s").run()
}

fn program(path: &Path, text: &str, mode: u32) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

fn states(status: &Value) -> Value {
    let hooks = status["hooks"].as_array().unwrap();
    hooks.iter().map(|hook| (hook["name"].as_str().unwrap().to_owned(), hook["state"].clone())).collect()
}

/// Every file in a folder: name, kind, mode, content.
fn listing(folder: &Path) -> Vec<(PathBuf, u32, Vec<u8>)> {
    let mut all: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| {
            let path = entry.unwrap().path();
            let data = path.symlink_metadata().unwrap();
            let content = match data.is_symlink() {
                true => fs::read_link(&path).unwrap().into_os_string().into_encoded_bytes(),
                false => fs::read(&path).unwrap(),
            };
            (path, data.permissions().mode(), content)
        })
        .collect();
    all.sort();
    all
}

#[test]
fn install_says_what_it_did_and_status_what_there_is() {
    let checkout = Checkout::new();
    let none = json!({"pre-commit": "not-installed", "post-checkout": "not-installed", "post-merge": "not-installed",
                      "post-rewrite": "not-installed", "pre-push": "not-installed"});
    assert_eq!(checkout.states(), none);
    let output = checkout.xtask("hooks install").code(0).says("✅ pre-commit: installed");
    let output = output.says("pre-push: not installed: cargo xtask hooks install --pre-push\n");
    assert!(!output.stdout.contains("Warning") && output.stderr.is_empty(), "{output}");
    assert_eq!(fs::metadata(checkout.hook("pre-commit")).unwrap().permissions().mode() & 0o111, 0o111);
    let json = checkout.xtask("hooks status --json").code(0).json();
    assert_eq!(
        (&json["outcome"], &json["action"], &json["reach"]),
        (&"ok".into(), &"status".into(), &"repository".into())
    );
    assert_eq!(json["folder"], checkout.root().join(".git/hooks").to_str().unwrap());
    let binary = checkout.root().join("target/debug/xtask");
    assert_eq!(json["binary"], json!({"path": binary.to_str().unwrap(), "built": true}));
    let hook = json!({"name": "pre-commit", "state": "installed", "change": null,
                      "path": checkout.hook("pre-commit").to_str().unwrap(), "kept": null});
    assert_eq!(json["hooks"][0], hook);
    assert_eq!(checkout.states()["pre-push"], "not-installed");
    drop(checkout.xtask("hooks install --pre-push").code(0).says("pre-push: installed"));
    assert_eq!(checkout.states()["pre-push"], "installed");
    drop(checkout.xtask("hooks status --pre-push").code(2).complains("`--pre-push` goes with `install`"));
    drop(checkout.xtask("hooks").code(2).complains("install, uninstall or status"));
}

#[test]
fn installing_twice_changes_nothing() {
    let checkout = Checkout::new();
    checkout.own("pre-commit", "#!/bin/sh\ntrue\n", 0o755);
    drop(checkout.xtask("hooks install --pre-push").code(0));
    let first = listing(&checkout.root().join(".git/hooks"));
    let json = checkout.xtask("hooks install --json").code(0).json();
    assert!(json["hooks"].as_array().unwrap().iter().all(|hook| hook["change"].is_null()), "{json}");
    assert_eq!(listing(&checkout.root().join(".git/hooks")), first);
}

#[test]
fn an_outdated_hook_is_brought_up_to_date() {
    let checkout = Checkout::new();
    checkout.install();
    let release = checkout.root().join("target/release/xtask");
    fs::create_dir_all(release.parent().unwrap()).unwrap();
    fs::rename(checkout.root().join("target/debug/xtask"), &release).unwrap();
    let status = Xtask::program(&release, checkout.root(), "hooks status").run().code(0);
    let status = status.says("pre-commit: installed, not up to date: cargo xtask hooks install");
    drop(status.says("target/debug/xtask (not built)"));
    let json = Xtask::program(&release, checkout.root(), "hooks install --json").run().code(0).json();
    assert_eq!((&json["hooks"][0]["change"], &json["hooks"][0]["state"]), (&"updated".into(), &"installed".into()));
    let text = fs::read_to_string(checkout.hook("pre-commit")).unwrap();
    assert!(text.contains("xtask='target/release/xtask'") && text.contains("--package xtask --release"), "{text}");
    // What the launcher keeps, it builds.
    let kept = checkout.root().join("target/tool/xtask");
    fs::create_dir_all(kept.parent().unwrap()).unwrap();
    fs::rename(&release, &kept).unwrap();
    drop(Xtask::program(&kept, checkout.root(), "hooks install").run().code(0));
    let text = fs::read_to_string(checkout.hook("pre-commit")).unwrap();
    assert!(text.contains("xtask='target/tool/xtask'") && text.contains("--package xtask-launcher"), "{text}");
    // One that lost its mode is not called by git.
    fs::set_permissions(checkout.hook("pre-commit"), fs::Permissions::from_mode(0o644)).unwrap();
    build(checkout.root());
    assert_eq!(checkout.states()["pre-commit"], "outdated");
}

#[test]
fn uninstall_restores_what_was_byte_for_byte() {
    let checkout = Checkout::new();
    checkout.own("pre-commit", "#!/bin/sh\r\n\u{7f}no line break at the end", 0o750);
    checkout.own("post-merge", "not executable\n", 0o640);
    checkout.write("tools/hook", "#!/bin/sh\n");
    symlink("../../tools/hook", checkout.hook("post-checkout")).unwrap();
    symlink("nowhere", checkout.hook("pre-push")).unwrap();
    let before = listing(&checkout.root().join(".git/hooks"));
    let output = checkout.xtask("hooks install --pre-push").code(0);
    drop(output.says("pre-commit: installed (runs .git/hooks/pre-commit.before-xtask first)"));
    assert_eq!(checkout.states()["pre-push"], "installed");
    let json = checkout.xtask("hooks uninstall --json").code(0).json();
    assert_eq!((&json["hooks"][0]["change"], &json["hooks"][3]["change"]), (&"restored".into(), &"removed".into()));
    assert_eq!(states(&json)["pre-commit"], "foreign");
    assert_eq!(listing(&checkout.root().join(".git/hooks")), before);
    drop(checkout.xtask("hooks uninstall").code(0).says("pre-commit: not ours"));
    assert_eq!(listing(&checkout.root().join(".git/hooks")), before, "a second time there is nothing to do");
}

#[test]
fn a_hook_that_somebody_deleted_does_not_take_the_kept_one_along() {
    let checkout = Checkout::new();
    checkout.own("pre-commit", "#!/bin/sh\n", 0o755).install();
    fs::remove_file(checkout.hook("pre-commit")).unwrap();
    drop(checkout.xtask("hooks uninstall").code(0).says("pre-commit: restored"));
    assert_eq!(fs::read(checkout.hook("pre-commit")).unwrap(), b"#!/bin/sh\n");
}

#[test]
fn an_edited_hook_is_left_and_said() {
    let checkout = Checkout::new();
    checkout.install();
    let edited = fs::read_to_string(checkout.hook("pre-commit")).unwrap().replace("exit 0\n", "make lint\n");
    fs::write(checkout.hook("pre-commit"), &edited).unwrap();
    let before = listing(&checkout.root().join(".git/hooks"));
    let refused = checkout.xtask("hooks install").code(3).complains("The pre-commit hook was edited after it was");
    drop(refused.complains("pre-commit.before-xtask, which runs first"));
    assert_eq!(listing(&checkout.root().join(".git/hooks")), before, "nothing was changed");
    let output = checkout.xtask("hooks uninstall --json").code(1).complains("it was left");
    assert_eq!(output.kind(), "config-invalid");
    assert_eq!(states(&output.json())["pre-commit"], "edited");
    assert_eq!(states(&output.json())["post-merge"], "not-installed");
    assert_eq!(fs::read_to_string(checkout.hook("pre-commit")).unwrap(), edited);
}

#[test]
fn a_hook_that_was_replaced_is_left_and_said() {
    let checkout = Checkout::new();
    checkout.own("pre-commit", "#!/bin/sh\necho old\n", 0o755).install();
    checkout.own("pre-commit", "#!/bin/sh\necho new\n", 0o755);
    drop(
        checkout.xtask("hooks status").code(0).says("pre-commit: not ours (.git/hooks/pre-commit.before-xtask is from"),
    );
    drop(checkout.xtask("hooks install").code(3).complains("There are two pre-commit hooks to keep"));
    let output = checkout.xtask("hooks uninstall").code(1).complains("pre-commit was replaced");
    drop(output.complains("mv "));
    assert_eq!(fs::read(checkout.hook("pre-commit")).unwrap(), b"#!/bin/sh\necho new\n");
    assert_eq!(fs::read(checkout.hook("pre-commit.before-xtask")).unwrap(), b"#!/bin/sh\necho old\n");
    // Without a kept one, somebody else's hook is none of our business.
    let other = Checkout::new();
    other.install().own("pre-commit", "#!/bin/sh\n", 0o755);
    drop(other.xtask("hooks uninstall").code(0).says("pre-commit: not ours"));
}

#[test]
fn hooks_in_the_work_tree() {
    let checkout = Checkout::new();
    drop(checkout.git("config core.hooksPath .githooks").code(0));
    fs::create_dir(checkout.root().join("sub")).unwrap();
    let from_below =
        Xtask::program(&checkout.root().join("target/debug/xtask"), &checkout.root().join("sub"), "hooks install");
    drop(from_below.run().code(0).says("It is part of the work tree (core.hooksPath), so git sees these files"));
    assert!(checkout.root().join(".githooks/pre-commit").is_file() && !checkout.hook("pre-commit").exists());
    assert_eq!(checkout.xtask("hooks status --json").code(0).json()["reach"], "work-tree");
    commit::is_blocked(&checkout);
}

#[test]
fn hooks_outside_of_the_repository_are_shared_and_run_in_one() {
    let (checkout, other) = (Checkout::new(), Checkout::new());
    let shared = checkout.root().join("state/shared hooks");
    for it in [&checkout, &other] {
        let words = Xtask::program(Path::new("git"), it.root(), "config core.hooksPath").arg(shared.to_str().unwrap());
        drop(words.run().code(0));
    }
    // The checkout's own folder is not outside of it: from the other one it is.
    drop(other.xtask("hooks install").code(0).says("It is shared with other repositories"));
    assert_eq!(other.xtask("hooks status --json").code(0).json()["reach"], "shared");
    commit::is_blocked(&other);
    commit::passes_unchecked(&checkout);
    drop(checkout.git("config core.hooksPath /dev/null").code(0));
    drop(checkout.xtask("hooks status").code(0));
    drop(checkout.xtask("hooks install").code(3).complains("`core.hooksPath` leads to no folder"));
    drop(checkout.xtask("hooks uninstall").code(0));
}

#[test]
fn a_shared_hook_is_not_taken_from_another_repository() {
    let (first, second) = (Checkout::new(), Checkout::new());
    let outside = crate::support::xtask::Folder::new();
    for it in [&first, &second] {
        drop(it.git(&format!("config core.hooksPath {}", outside.path().display())).code(0));
    }
    first.install();
    let before = listing(outside.path());
    assert_eq!(second.states()["pre-commit"], "elsewhere");
    drop(second.xtask("hooks install").code(3).complains("serves another repository"));
    drop(second.xtask("hooks uninstall").code(0));
    assert_eq!(listing(outside.path()), before);
    assert_eq!(first.states()["pre-commit"], "installed");
}

#[test]
fn huskys_folder_is_huskys() {
    let checkout = Checkout::new();
    drop(checkout.git("config core.hooksPath .husky/_").code(0));
    let refused = checkout.xtask("hooks install").code(3).complains("The hooks of this checkout are husky's");
    drop(refused.complains("Put this line into .husky/pre-commit: cargo xtask db-check --staged"));
    assert!(!checkout.root().join(".husky").exists());
}

#[test]
fn without_git_there_is_nothing_to_install() {
    let scene = Scene::three();
    drop(scene.run("hooks install").code(2).complains("Hooks need a git checkout"));
}
