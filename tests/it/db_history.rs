//! `db-history` through the binary: what the list, the graph and the JSON say with git and a database, ranges and their
//! refusals, and the files and languages for programs that draw. The order and the ranges are held against Alembic in
//! `history.rs`, the drawings of other shapes are beside their code.

use std::path::Path;

use expect_test::expect;
use serde_json::json;
use xtask::fail::Kind;

use crate::support::project::Project;
use crate::support::python::{python, quiet};
use crate::support::repo::Repo;
use crate::support::scene::Scene;
use crate::support::xtask::Xtask;

#[test]
fn a_history_with_its_database() {
    let scene = Scene::three().table("d4", "b2").header("d4", "branch_labels = ('mine',)");
    let scene = scene.sql("create table alembic_version (version_num varchar(32) primary key)");
    let scene = scene.sql("insert into alembic_version values ('b2')");
    let list = scene.run("db-history").code(0);
    expect![[r#"
        ● b2 -> c3 (head), revision c3
        ● b2 -> d4 (mine) (head), revision d4
        ◉ a1 -> b2 (branchpoint) (current), revision b2
        ■ <base> -> a1, revision a1

        ◉ current   ● head   ■ base
    "#]]
    .assert_eq(&list.stdout);
    assert!(list.stderr.is_empty(), "{list}");
    let graph = scene.run("db-history --graph current:").code(0);
    expect![[r#"
        ●  c3 (head), revision c3
        │ ●  d4 (mine) (head), revision d4
        ├─╯
        ◉  b2 (branchpoint) (current), revision b2
        │
        ~

        ◉ current   ● head
    "#]]
    .assert_eq(&graph.stdout);
    let json = scene.json("db-history :current");
    assert_eq!(
        (&json["heads"], &json["bases"], &json["current"]),
        (&json!(["c3", "d4"]), &json!(["a1"]), &json!(["b2"]))
    );
    assert_eq!(json["revisions"][0]["is_current"], true);
    assert_eq!(json["revisions"].as_array().unwrap().len(), 2);
    // `-1` is a range's end, no flag; and no line-drawing where the locale has none.
    let plain = scene.xtask("db-history -1:c3").env("LC_ALL", "C").run().code(0);
    assert!(plain.stdout.starts_with("# b2 -> c3 (head), revision c3\n@ a1 -> b2"), "{plain}");
    for wrong in ["b2", "c3:a1", "+1:", "a:b:c"] {
        assert_eq!(scene.run(&format!("db-history {wrong} --json")).code(2).kind(), Kind::Usage.name(), "{wrong}");
    }
    assert_eq!(scene.run("db-history zz: --json").code(1).kind(), Kind::UnknownRevision.name());
    let _ = scene.run("db-history --graph --dot").code(2);
}

#[test]
fn who_and_when_come_from_git_and_no_database_is_no_error() {
    let repo = Repo::new();
    let project = Project::new("postgresql+psycopg://nobody@127.0.0.1:1/none").revision("a1", "", "pass", "pass");
    let text = |name: &str| std::fs::read_to_string(project.path(name)).unwrap();
    for name in ["alembic.ini", "migrations/env.py"] {
        repo.write(name, &text(name));
    }
    repo.commit("one", &[("migrations/versions/a1.py", &text("migrations/versions/a1.py"))]);
    let own = text("migrations/versions/a1.py").replace("'a1'", "'b2'").replace("None", "'a1'");
    repo.write("migrations/versions/b2.py", &own);
    let svg = repo.beside("history.svg");
    let run = |words: &str| Xtask::new(repo.root(), words).run().code(0);
    let list = run("db-history");
    let (own, released) = list.stdout.split_once('\n').unwrap();
    assert!(own.starts_with("● a1 -> b2 (head) (own), ") && !own.contains(" — "), "{list}");
    assert!(released.starts_with("■ <base> -> a1, revision a1 — ") && released.contains(", 2023-11-14\n"), "{list}");
    assert!(list.stderr.starts_with("No revision is marked as current: "), "{list}");
    let revisions = run("db-history --json").json()["revisions"].take();
    assert_eq!((&revisions[0]["is_own"], &revisions[1]["is_own"]), (&json!(true), &json!(false)));
    assert_eq!((&revisions[0]["date"], &revisions[1]["date"]), (&json!(null), &json!("2023-11-14")));
    let _ = Xtask::new(repo.root(), "db-history --quiet --svg").arg(svg.to_str().unwrap()).run().code(0);
    well_formed(&svg);
    assert!(run("db-history --mermaid").stdout.starts_with("flowchart BT\n"));
    assert!(run("db-history --dot").stdout.starts_with("digraph \"manager\" {\n"));
}

/// A real parser of XML reads it.
#[track_caller]
fn well_formed(path: &Path) {
    let program = "import sys, xml.dom.minidom as x; print(len(x.parse(sys.argv[1]).getElementsByTagName('g')))";
    let cmd = xtask::sys::run::Cmd::new(python(), path.parent().unwrap());
    let count = cmd.args(["-c", program]).arg(path).read(&quiet()).unwrap();
    assert_eq!(count.trim(), "2", "a group for each revision");
}

/// The bundled example, through the binary, as `ScriptDirectory` has it.
#[test]
fn the_example_is_as_alembic_reads_it() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/halfstack").canonicalize().unwrap();
    let mut ours = Xtask::new(&root, "db-history --quiet --json").run().code(0).json()["revisions"].take();
    let folder = Path::new(ours[0]["path"].as_str().unwrap()).ancestors().nth(2).unwrap().to_owned();
    for revision in ours.as_array_mut().unwrap() {
        let fields = revision.as_object_mut().unwrap();
        fields.retain(|key, _| !["path", "is_current", "is_own", "author", "date"].contains(&key.as_str()));
    }
    let request = json!([{"folder": root.join(folder), "sound": true, "routes": [], "ranges": [], "rows": []}]);
    assert_eq!(ours, crate::history::alembic(&request)[0]["ok"]["listed"]);
}
