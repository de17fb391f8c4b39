//! `db-review` through the binary: a branch with revisions of each kind, what its comment and its page say, and where there
//! is nothing to compare or to show. That hostile text stays text is tested beside the writers.

use serde_json::json;
use xtask::fail::Kind;

use crate::support::private::private_cluster;
use crate::support::project::SYNC;
use crate::support::repo::git;
use crate::support::scene::{PASSWORD, PASSWORD_IN_URL, Scene, sql};

/// A statement with the database's password in it.
const ASKS: &str = "op.execute(\"select '%s'\" % op.get_bind().engine.url.password)";

/// `main` has a table; `topic` begins there.
fn branch() -> Scene {
    Scene::new().table("a1", "").on_topic()
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

/// What each statement did to tables, and that none is missing: the server's log says what it was sent.
#[test]
fn every_statement_and_what_it_did() {
    let server = private_cluster("log_statement = all\nlog_line_prefix = '%a|'", "", &[]);
    server.client("postgres").batch_execute("create database own").unwrap();
    let url = format!("postgresql+psycopg://postgres@/own?host={}&port={}", server.dir.display(), server.port);
    let named = "with engine.connect() as connection:\n        connection.exec_driver_sql(\"set application_name = 'migration'\")\n        connection.commit()";
    let env = SYNC.replace("with engine.connect() as connection:", named);
    assert_ne!(env, SYNC);
    let upgrade = "op.execute('update a1 set n = n + 10 where n < 3')\n\
         op.alter_column('a1', 'n', type_=sa.BigInteger())\n\
         op.create_index('a1_n', 'a1', ['n'])\n\
         b2 = op.create_table('b2', sa.Column('id', sa.Integer, primary_key=True), sa.Column('a', sa.Text))\n\
         op.bulk_insert(b2, [{'id': 1, 'a': 'x'}, {'id': 2, 'a': 'y'}])\n\
         op.get_bind().execute(sa.text('delete from b2 where id = :id'), {'id': 2})";
    let downgrade = "op.drop_table('b2')\nop.drop_index('a1_n')\nop.alter_column('a1', 'n', type_=sa.Integer())\n\
         op.execute('update a1 set n = n - 10 where n > 10')\nwith op.get_context().autocommit_block():\n    op.execute('vacuum a1')\n\
         op.execute('update a1 set n = n + 0')";
    let scene = branch().url(&url).env(&env);
    drop(scene.run("db-migrate -q").code(0));
    server.client("own").batch_execute("insert into a1 values (1), (2), (3)").unwrap();
    let scene = scene.revision("b2", "a1", upgrade, downgrade);
    scene.commit("topic");
    let before = server.log().len();
    let output = scene.run("db-review --json --html review.html --markdown review.md").code(0);
    let json = output.json();
    let told = &json["revisions"][0];
    let effects = &told["effects"];
    let up = json!([{"table": "public.a1", "inserted": 0, "updated": 2, "deleted": 0},
        {"table": "public.b2", "inserted": 2, "updated": 0, "deleted": 1}]);
    assert_eq!((&effects["up"]["rows"], &effects["up"]["rewritten"]), (&up, &json!(["public.a1"])), "{output}");
    let locks = effects["up"]["locks"].as_array().unwrap();
    assert_eq!(locks.iter().map(|it| it["table"].as_str().unwrap()).collect::<Vec<_>>(), ["public.a1"], "{output}");
    assert_eq!(locks[0]["mode"], "ACCESS EXCLUSIVE", "{output}");
    assert!(locks[0]["seconds"].as_f64().unwrap() > 0.0, "{output}");
    // Two before the block, and all three after it, in a transaction that begins to count anew.
    let down = json!([{"table": "public.a1", "inserted": 0, "updated": 5, "deleted": 0}]);
    assert_eq!(effects["down"]["rows"], down, "{output}");
    // What runs outside of a transaction is told as unseen, and nothing is made up.
    assert_eq!((&effects["up"]["unseen"], &effects["down"]["unseen"]), (&json!(0), &json!(1)), "{output}");
    for page in ["review.html", "review.md"] {
        let page = std::fs::read_to_string(scene.path(page)).unwrap();
        let cell = |page: String, column: &str| page.replace(&format!("<td data-column=\"{column}\">"), "| ");
        let page = ["Table", "Rows", "Lock"].into_iter().fold(page, cell).replace("</td>", " ");
        for words in ["| public.a1 | 2 updated | ACCESS EXCLUSIVE, held ", "1 statement of the downgrade"] {
            assert!(page.contains(words), "{words}: {page}");
        }
    }
    let on_page: Vec<String> = ["up", "down"]
        .iter()
        .flat_map(|way| told["sql"][way].as_array().unwrap())
        .map(|sql| without_parameters(sql.as_str().unwrap()))
        .collect();
    let log = server.log();
    let sent = statements(&log[before..]);
    assert!(sent.len() > 15, "{log}");
    for sql in sent {
        assert!(on_page.contains(&without_parameters(&sql)), "{sql:?} is not on the page: {on_page:#?}");
    }
}

/// What the log says that the migration's sessions were sent, but for transactions, looks of ours, and what Alembic and
/// SQLAlchemy ask when they begin.
fn statements(log: &str) -> Vec<String> {
    let lines = log.split("\nmigration|").skip(1).filter_map(|line| {
        let sent = line.strip_prefix("LOG:  statement: ").or_else(|| {
            line.strip_prefix("LOG:  execute ").and_then(|line| line.split_once(": ")).map(|(_, text)| text)
        })?;
        // A statement goes on in lines that begin with a tab; what else follows is another session's.
        let text: Vec<&str> = sent
            .split('\n')
            .enumerate()
            .take_while(|(at, line)| *at == 0 || line.starts_with('\t'))
            .map(|(_, line)| line)
            .collect();
        Some(text.join("\n").replace("\n\t", "\n"))
    });
    let ours = [
        "BEGIN",
        "COMMIT",
        "ROLLBACK",
        "SAVEPOINT",
        "RELEASE",
        "DEALLOCATE ALL",
        "select pg_catalog.set_config(name, value, true)",
        "\nselect pg_catalog.json_build_array",
    ];
    let alembics = ["SELECT pg_catalog.pg_class.relname", "SELECT alembic_version.version_num"];
    let sqlalchemys = ["show ", "select pg_catalog.version()", "select current_schema()"];
    let is_other = |sql: &String| !ours.iter().chain(&alembics).chain(&sqlalchemys).any(|start| sql.starts_with(start));
    lines.filter(is_other).collect()
}

/// A statement as the server and SQLAlchemy both have it: `$1` and `%(id)s` are parameters.
fn without_parameters(sql: &str) -> String {
    let (mut text, mut rest) = (String::new(), sql.trim());
    while let Some(at) = rest.find(['%', '$']) {
        text += &rest[..at];
        rest = &rest[at..];
        let end = match rest.strip_prefix("%(") {
            Some(name) => 2 + name.find(")s").unwrap() + 2,
            None => 1 + rest[1..].chars().take_while(char::is_ascii_digit).count(),
        };
        text.push('?');
        rest = &rest[end..];
    }
    text + rest
}

/// The other side has a revision, too.
#[test]
fn the_history_after_the_merge() {
    let scene = branch().table("b2", "a1");
    scene.commit("b2");
    git(scene.root(), "switch -q main");
    let scene = scene.table("q7", "a1");
    std::fs::remove_file(scene.path("migrations/versions/b2.py")).unwrap_or_default();
    scene.commit("q7");
    git(scene.root(), "switch -q topic");
    let output = scene.run("db-review --html review.html").code(4);
    drop(output.says("After the merge there are several heads").says("cargo xtask db-merge main").says("revision q7"));
    let html = std::fs::read_to_string(scene.path("review.html")).unwrap();
    let (before, after) = html.split_once("After the merge:").unwrap();
    assert!(before.contains("As main has it:") && after.matches("<svg").count() == 1, "{html}");
    assert_eq!((before.matches(">q7<").count(), after.matches(">q7<").count()), (1, 1), "{html}");
    assert_eq!((before.matches("<g><title>b2 ").count(), after.matches("<g><title>b2 ").count()), (0, 1), "{html}");
    let scene = scene.table("c3", "b2");
    drop(scene.run("db-review").code(4).says("The history after the merge is not drawn: scripts are not committed"));
}
