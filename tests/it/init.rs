//! `init`: a copy in somebody's checkout, with real git and, for what it leaves, real cargo.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::support::repo::Repo;
use crate::support::xtask::{Output, Xtask};

const RECORD: &str = "xtask/init.json";

/// A Python project with linters, whose `.gitignore` fits a file of ours.
fn checkout() -> Repo {
    let repo = Repo::new();
    repo.commit(
        "begin",
        &[
            ("pants.toml", "[GLOBAL]\n"),
            ("pyproject.toml", "[tool.ruff]\n"),
            (".gitignore", "*.pyc\nadopt.rs\n"),
            (".cargo/config.toml", "[net]\nretry = 3\n"),
        ],
    );
    repo
}

fn init(repo: &Repo, words: &str) -> Output {
    Xtask::new(repo.root(), &format!("init {words}")).run()
}

/// The changes of a run, but for the files of the copy, which are counted.
fn changes(output: Output) -> Value {
    let answer = output.code(0).json();
    let changes = answer["changes"].as_array().unwrap();
    let is_copy = |change: &&Value| change["path"].as_str().unwrap().starts_with("xtask/");
    let own: Vec<String> = changes
        .iter()
        .filter(|change| !is_copy(change))
        .map(|change| format!("{} {}", change["path"].as_str().unwrap(), change["change"].as_str().unwrap()))
        .collect();
    json!([changes.iter().filter(is_copy).count() > 100, own])
}

fn write(repo: &Repo, path: &str, text: &str) {
    fs::write(repo.root().join(path), text).unwrap();
}

fn read(repo: &Repo, path: &str) -> String {
    fs::read_to_string(repo.root().join(path)).unwrap()
}

#[test]
fn in_again_and_out() {
    let repo = checkout();
    let all = json!([
        true,
        ["Cargo.lock added", "Cargo.toml added", ".cargo/config.toml lines-added", ".gitignore lines-added"]
    ]);
    assert_eq!(changes(init(&repo, "--dry-run --json")), all);
    assert_eq!(repo.git(&["status", "--short"]), "", "a dry run");
    assert_eq!(changes(init(&repo, "--json")), all);
    assert_eq!(
        repo.git(&["status", "--short"]).trim_end(),
        " M .cargo/config.toml\n M .gitignore\n?? Cargo.lock\n?? Cargo.toml\n?? xtask/"
    );
    assert!(read(&repo, ".cargo/config.toml").starts_with("[net]\nretry = 3\n"));
    // What the checkout's patterns fit is there for git all the same, and its linters have nothing to do there.
    repo.git(&["add", "."]);
    let known = repo.git(&["ls-files", "xtask"]);
    for file in ["src/model/adopt.rs", "rules/DB101.md", "BUILD", "ruff.toml", "LICENSE-MIT", "init.json"] {
        assert!(known.lines().any(|line| line == format!("xtask/{file}")), "{file}");
    }
    let again = init(&repo, "").code(0);
    assert!(again.stdout.contains("nothing was changed"), "{}", again.stdout);
    cargo_takes_it(repo.root());
    // From a folder inside, the copy is found.
    let undone = Xtask::new(&repo.root().join("xtask/src"), "init --undo").run().code(0);
    assert!(undone.stdout.contains("no longer in"), "{}", undone.stdout);
    repo.git(&["add", "."]);
    assert_eq!(repo.git(&["status", "--short"]), "", "everything is as it was");
    drop(init(&repo, "--undo").code(2));
}

/// What the checkout had and would not need is there again: a list without members, a table without anything.
#[test]
fn out_again_as_it_was() {
    let repo = Repo::new();
    for text in ["[workspace]\nmembers = []\n", "# ours\n[workspace]\n"] {
        repo.commit("begin", &[("Cargo.toml", text), (".cargo/config.toml", "[alias]\n")]);
        let _ = init(&repo, "").code(0);
        assert_ne!(read(&repo, "Cargo.toml"), text);
        let _ = init(&repo, "").code(0);
        let _ = init(&repo, "--undo").code(0);
        assert_eq!(repo.git(&["status", "--short"]), "", "{text}");
    }
}

/// The manifests are whole, and the versions are those that this program was built with.
fn cargo_takes_it(root: &Path) {
    let mut cargo =
        Xtask::program(Path::new(env!("CARGO")), root, "metadata --offline --locked --format-version=1 --no-deps");
    for key in ["HOME", "CARGO_HOME", "RUSTUP_HOME", "PATH"] {
        if let Some(value) = std::env::var_os(key) {
            cargo = cargo.env(key, value);
        }
    }
    let metadata = cargo.run().code(0).stdout;
    let metadata: Value = serde_json::from_str(&metadata).unwrap();
    let names: Vec<&Value> = metadata["packages"].as_array().unwrap().iter().map(|package| &package["name"]).collect();
    assert_eq!(names, ["xtask", "xtask-launcher"]);
}

/// As it would be after a newer version: two files are another's, one has gone, one has come.
#[test]
fn an_older_copy_and_an_edited_one() {
    let repo = checkout();
    drop(init(&repo, "").code(0));
    let fresh = read(&repo, "xtask/src/main.rs");
    let digest_of = |text: &str| xtask::sys::adoption::digest(text.as_bytes());
    let mut record: Value = serde_json::from_str(&read(&repo, RECORD)).unwrap();
    write(&repo, "xtask/src/main.rs", "fn main() {}\n");
    write(&repo, "xtask/src/gone.rs", "// gone\n");
    record["files"]["xtask/src/main.rs"] = json!(digest_of("fn main() {}\n"));
    record["files"]["xtask/src/gone.rs"] = json!(digest_of("// gone\n"));
    write(&repo, RECORD, &record.to_string());
    fs::remove_file(repo.root().join("xtask/src/lib.rs")).unwrap();
    // Nor had it a launcher.
    write(&repo, "Cargo.toml", &read(&repo, "Cargo.toml").replace(", \"xtask/launcher\"", ""));
    let alias = read(&repo, ".cargo/config.toml").replace("xtask-launcher", "xtask --bin xtask");
    write(&repo, ".cargo/config.toml", &alias);
    let changed = init(&repo, "--json").code(0).json()["changes"].clone();
    let change = |path: &str, change: &str| json!({"path": path, "change": change});
    let expected = [
        ("xtask/src/lib.rs", "added"),
        ("xtask/src/main.rs", "updated"),
        ("xtask/src/gone.rs", "removed"),
        ("Cargo.toml", "lines-added"),
        (".cargo/config.toml", "lines-added"),
    ];
    assert_eq!(changed, json!(expected.map(|(path, how)| change(path, how))));
    assert_eq!(read(&repo, "xtask/src/main.rs"), fresh);
    assert!(read(&repo, RECORD).contains("Cargo.lock"), "so that it is taken out, too");

    // What cargo does to its lock file, and what the project says of itself, is no edit of the copy.
    write(&repo, "Cargo.lock", "version = 4\n");
    write(&repo, "Cargo.toml", &format!("{}\n[workspace.metadata.db]\nstrict = true\n", read(&repo, "Cargo.toml")));
    assert_eq!(init(&repo, "--json").code(0).json()["changes"], json!([]));
    write(&repo, "xtask/src/main.rs", "// mine\n");
    for words in ["", "--undo"] {
        let refused = init(&repo, words).code(3);
        assert!(refused.stderr.contains("xtask/src/main.rs"), "{}", refused.stderr);
    }
    assert_eq!(read(&repo, "xtask/src/main.rs"), "// mine\n");
    fs::remove_file(repo.root().join("xtask/src/main.rs")).unwrap();
    drop(init(&repo, "--undo").code(0));
    assert!(read(&repo, "Cargo.toml").contains("[workspace.metadata.db]"), "what is the project's stays");
    assert!(!repo.root().join("xtask").exists());
    // Neither the newer version's lines nor those of the older one are left: their folder is not there.
    for path in ["Cargo.toml", ".cargo/config.toml"] {
        let text = fs::read_to_string(repo.root().join(path)).unwrap_or_default();
        assert!(!text.contains("\"xtask\"") && !text.contains("xtask ="), "{path}: {text}");
    }
}

#[test]
fn what_contradicts_is_refused_whole() {
    let repo = checkout();
    write(&repo, ".cargo/config.toml", "[alias]\nxtask = 'run -p tasks --'\n");
    write(&repo, "Cargo.toml", "[workspace]\nexclude = ['xtask']\n");
    let refused = init(&repo, "").code(3);
    for part in ["run -p tasks", "workspace.exclude", "cargo install --path"] {
        assert!(refused.stderr.contains(part), "{part}: {}", refused.stderr);
    }
    assert!(!repo.root().join("xtask").exists());
    repo.git(&["checkout", ".cargo"]);
    write(&repo, "Cargo.toml", "[workspace]\nmembers = ['crates/*']\n");
    fs::create_dir_all(repo.root().join("xtask/src")).unwrap();
    write(&repo, "xtask/Cargo.toml", "[package]\nname = \"xtask\"\n");
    let refused = init(&repo, "").code(3);
    assert!(refused.stderr.contains("is there already"), "{}", refused.stderr);
    // A workspace with crates of its own keeps its versions.
    fs::remove_dir_all(repo.root().join("xtask")).unwrap();
    assert_eq!(
        changes(init(&repo, "--json")),
        json!([true, ["Cargo.toml lines-added", ".cargo/config.toml lines-added", ".gitignore lines-added"]])
    );
    assert_eq!(read(&repo, "Cargo.toml"), "[workspace]\nmembers = ['crates/*', \"xtask\", \"xtask/launcher\"]\n");
    // A file where a folder has to be, and the other way round: nothing is begun.
    drop(init(&repo, "--undo").code(0));
    fs::remove_dir_all(repo.root().join(".cargo")).unwrap();
    fs::remove_file(repo.root().join("Cargo.toml")).unwrap();
    write(&repo, ".cargo", "");
    fs::create_dir(repo.root().join("Cargo.toml")).unwrap();
    let refused = init(&repo, "").code(3);
    assert!(
        refused.stderr.contains(".cargo: it is no folder") && refused.stderr.contains("Cargo.toml: it is a folder"),
        "{}",
        refused.stderr
    );
    assert!(!repo.root().join("xtask").exists());
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    assert!(Xtask::new(own, "init").run().code(2).stderr.contains("own repository"));
    drop(init(&repo, "--into nowhere").code(2));
}
