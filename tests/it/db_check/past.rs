//! `--history` in a real repository: what is told of which commit of the main line, merges as a whole.

use serde_json::{Value, json};

use super::check;
use crate::support::project::Project;
use crate::support::repo::Repo;

/// A script of the folder that the config names.
fn script(repo: &Repo, id: &str, down: &str, body: &str) {
    let down = if down.is_empty() { "None".to_owned() } else { format!("'{down}'") };
    let text = format!(
        "'''Add {id}\n\nRevision ID: {id}\nRevises: {down}\n'''\nfrom alembic import op\nrevision = '{id}'\ndown_revision = {down}\n\
         def upgrade():\n    op.execute('{body}')\ndef downgrade():\n    op.execute('select 1')\n"
    );
    repo.write(format!("migrations/versions/{id}_x.py"), &text);
}

#[test]
fn a_year_of_a_repository() {
    let project = Project::new("postgresql+psycopg://nobody@127.0.0.1:1/none");
    let repo = Repo::new();
    for name in ["alembic.ini", "migrations/env.py"] {
        repo.write(name, &std::fs::read_to_string(project.path(name)).unwrap());
    }
    script(&repo, "a1b2c3d4e5f6", "", "create table a (n int)");
    repo.commit("first", &[]).branch("mine");
    script(&repo, "b1b2c3d4e5f6", "a1b2c3d4e5f6", "create table b (n int)");
    repo.commit("theirs", &[]).switch("mine");
    script(&repo, "c1b2c3d4e5f6", "a1b2c3d4e5f6", "create table c (n int)");
    repo.commit("mine", &[]).switch("main").merge("mine");
    // Somebody puts it right by putting the one below the other, and edits what ran.
    script(&repo, "b1b2c3d4e5f6", "c1b2c3d4e5f6", "create table b (n bigint)");
    repo.commit("repair", &[]);
    repo.commit("nothing of ours", &[("README", "x")]);
    std::fs::remove_file(repo.root().join("migrations/versions/b1b2c3d4e5f6_x.py")).unwrap();
    repo.commit("away", &[]);
    let run = |words: &str| crate::support::xtask::Xtask::new(repo.root(), words).run();
    let chart = repo.beside("past.svg");
    let text = run(&format!("db-check --history HEAD~4.. --svg {}", chart.display())).code(0);
    for line in [
        "The past of manager: 3 commits that touched scripts, HEAD~4..",
        "Several heads: 1 time, 0 h in all, 0 h the longest",
        "Ids that vanished: 1",
        "Revisions put below released ones: 1",
        "Released scripts edited: 1 in 1 commit",
    ] {
        assert!(text.stdout.contains(&format!("{line}\n")), "{line}\n{text}");
    }
    assert!(std::fs::read_to_string(chart).unwrap().ends_with("</svg>\n"));
    let json = run("db-check --history HEAD~4.. --json").code(0).json();
    let of = |key: &str| json["history"].as_array().unwrap().iter().map(|it| it[key].clone()).collect::<Vec<Value>>();
    assert_eq!(
        of("heads"),
        [json!(["b1b2c3d4e5f6", "c1b2c3d4e5f6"]), json!(["b1b2c3d4e5f6"]), json!(["c1b2c3d4e5f6"])]
    );
    assert_eq!(of("vanished"), [json!([]), json!([]), json!(["b1b2c3d4e5f6"])]);
    assert_eq!(of("put_below"), [json!([]), json!(["c1b2c3d4e5f6"]), json!([])]);
    assert_eq!(of("edited"), [json!([]), json!(["migrations/versions/b1b2c3d4e5f6_x.py"]), json!([])]);
    let findings = of("findings");
    let two_heads = findings[0].as_array().unwrap().iter().find(|it| it["code"] == "DB101").unwrap();
    assert_eq!(two_heads["repaired"]["commit"], of("commit")[1], "{two_heads}");
    assert!(findings[1].to_string().contains("DB301") && findings[2].to_string().contains("DB302"), "{findings:?}");
    // The repository's dates lie years back.
    assert!(run("db-check --history 1w").code(0).stdout.contains("0 commits that touched scripts"));
    for wrong in ["--history 1x", "--history nowhere..", "--svg x.svg", "--history 1y --staged"] {
        let _ = run(&format!("db-check {wrong}")).code(2);
    }
    let nowhere = check(&super::project(), "--history 1y").code(2);
    assert!(nowhere.stderr.contains("needs a git checkout"), "{nowhere}");
}
