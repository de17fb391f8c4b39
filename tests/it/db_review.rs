//! `db-review` through the binary: a branch with revisions of each kind, what its comment and its page say, and where there
//! is nothing to compare or to show. That hostile text stays text is tested beside the writers.

use serde_json::json;
use xtask::fail::Kind;

use crate::support::repo::git;
use crate::support::scene::{PASSWORD, PASSWORD_IN_URL, Scene, sql};

/// A statement with the database's password in it.
const ASKS: &str = "op.execute(\"select '%s'\" % op.get_bind().engine.url.password)";

/// `main` has a table; `topic` begins there.
fn branch() -> Scene {
    let scene = Scene::new().table("a1", "");
    git(scene.root(), "init -q -b main");
    git(scene.root(), "add .");
    git(scene.root(), "commit -qm main");
    git(scene.root(), "switch -qc topic");
    scene
}

#[test]
fn a_branch_with_a_good_an_irreversible_and_a_failing_revision() {
    let good = ("create table b2 (n int)", "drop table b2");
    let scene = branch()
        .revision("b2", "a1", &format!("{}\n{ASKS}", sql(good.0)), &sql(good.1))
        .revision("c3", "b2", &sql("alter table b2 add c3 text"), "raise NotImplementedError('one <way>')")
        .revision("d4", "c3", &sql("create table d4 (n int)"), &sql("drop table d5"));
    let (summary, outputs) = (scene.path("summary.md"), scene.path("outputs"));
    let run = scene.xtask("db-review --markdown review.md --html review.html --json");
    let run = run.env("GITHUB_STEP_SUMMARY", &summary).env("GITHUB_OUTPUT", &outputs);
    let output = run.run().code(4).never_says(PASSWORD).never_says(PASSWORD_IN_URL);
    let json = output.json();
    let told: Vec<_> =
        json["revisions"].as_array().unwrap().iter().map(|it| (&it["revision"], &it["verdict"])).collect();
    assert_eq!(json!(told), json!([["d4", "failed"], ["c3", "irreversible"], ["b2", "reversible"]]), "{json}");
    let b2 = &json["revisions"][2];
    assert_eq!((&b2["parents"], &b2["proof"]), (&json!(["a1"]), &json!("climbed")), "{json}");
    assert_eq!(b2["sql"]["up"][0], good.0, "{b2}");
    assert_eq!(b2["sql"]["down"][0], good.1, "{b2}");
    assert!(b2["upgrade_makes"][0]["object"].as_str().unwrap().contains("b2"), "{b2}");
    // What was not run is not told as if it had been.
    assert_eq!(json["revisions"][1]["sql"]["down"], json!(null), "{json}");
    assert!(json["revisions"][1]["upgrade_makes"].to_string().contains("c3"), "{json}");
    assert_eq!(json["revisions"][0]["sql"]["down"], json!(null), "{json}");

    let read = |name: &str| std::fs::read_to_string(scene.path(name)).unwrap();
    let (markdown, html) = (read("review.md"), read("review.html"));
    assert_eq!(std::fs::read_to_string(summary).unwrap(), markdown);
    assert_eq!(std::fs::read_to_string(outputs).unwrap(), "outcome=findings\nrevisions=d4 c3 b2\n");
    for text in [&markdown, &html] {
        assert!(text.contains("select &#39;***&#39;") || text.contains("select '***'"), "{text}");
        assert!(!text.contains(PASSWORD) && !text.contains(PASSWORD_IN_URL), "{text}");
        for words in
            ["✅ reversible", "❌ failed in the downgrade", "⚠️ irreversible", "create table b2 (n int)", "Not shown"]
        {
            assert!(text.contains(words), "{words}: {text}");
        }
        assert!(text.contains("No downgrade of it went through here"), "{text}");
    }
    assert!(markdown.contains("\n```mermaid\nflowchart BT\n") && markdown.contains("one &lt;way&gt;"), "{markdown}");
    assert!(html.contains("<svg") && html.contains("one &lt;way&gt;") && !html.contains("http"), "{html}");
    // The command that the page gives for repeating it is the same run.
    assert!(markdown.contains("cargo xtask db-review --base=main"), "{markdown}");
}

#[test]
fn nothing_to_show_or_to_compare_with() {
    let scene = branch();
    scene.run("db-review").code(0).says("The branch adds no revision of manager to main.");
    let json = scene.json("db-review --base main");
    assert_eq!((&json["revisions"], &json["findings"]), (&json!([]), &json!([])), "{json}");
    let none = scene.run("db-review --base nowhere --json").code(2);
    assert_eq!(none.kind(), Kind::Usage.name());
    git(scene.root(), "branch -qm main trunk");
    let none = scene.run("db-review --json").code(3);
    assert!(none.stderr.contains("--base"), "{none}");
    let bare = Scene::new().table("a1", "");
    let none = bare.run("db-review --json").code(2).complains("db-review needs a git checkout");
    assert!(none.stderr.contains("cargo xtask db-roundtrip"), "{none}");
}
