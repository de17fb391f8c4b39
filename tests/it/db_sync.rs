//! After pulling code: what is behind is migrated, and a database that ran something else than the files say is put in line
//! with them, wherever the scripts are that it ran.

use serde_json::{Value, json};

use crate::support::branches::{Branches, script, steps};
use crate::support::project::path;
use crate::support::xtask::Output;

/// On `main`, whose database has run the branch `feature` by this tool: `x < p` and `y < x`.
fn migrated_elsewhere() -> Branches {
    let scene = Branches::diverged("p", "q < p", "x < p; y < x");
    drop(scene.run("db-migrate -q").code(0));
    scene.repo.switch("main");
    scene
}

/// What it says of the lost scripts: `y: on feature (…); x: …`.
fn found(output: &Output) -> String {
    let lost = output.json()["realigned"][0]["lost"].clone();
    let one = |it: &Value| format!("{}: {}", it["revision"].as_str().unwrap(), it["found"].as_str().unwrap());
    lost.as_array().unwrap().iter().map(one).collect::<Vec<_>>().join("; ")
}

fn tables(scene: &Branches) -> String {
    let rows = scene.rows(0);
    rows.split("; ").filter_map(|it| it.strip_prefix("t_")?.split(':').next()).collect::<Vec<_>>().join(" ")
}

/// Two in a row that another branch has applied; rows are asked for; then the branch is deleted.
#[test]
fn what_another_branch_has_applied_goes_by_its_scripts() {
    let scene = migrated_elsewhere();
    scene.sql(0, "insert into t_y values (1), (2)");
    let before = scene.everything();
    let dry = scene.run("db-sync --dry-run").code(0).says("no file here has it; it is on feature (commit");
    drop(dry.says("applied on").says("to take back: y → x: Add y").says("2 rows of t_y go").says("Add q"));
    let refused = scene.run("db-sync --json").code(3).complains("2 rows of t_y go (y, migrations/versions/y.py:");
    assert_eq!(refused.kind(), "rows-at-stake", "{refused}");
    assert_eq!(scene.everything(), before);
    scene.repo.git(&["branch", "--quiet", "-D", "feature"]);
    let done = scene.run("db-sync --yes --json").code(0);
    assert!(found(&done).starts_with("y: in git's reflog alone"), "{done}");
    assert_eq!(steps(&done.json()), "db-status:ok realign:ok db-migrate:ok db-status:ok", "{done}");
    assert_eq!((scene.heads(), tables(&scene)), ("q".to_owned(), "p q".to_owned()), "{done}");
    let realigned = &done.json()["realigned"][0];
    assert_eq!((&realigned["reverted"], &realigned["kept"]), (&json!(["y", "x"]), &json!([])), "{done}");
    assert!(std::path::Path::new(realigned["backup"].as_str().unwrap()).exists(), "{done}");
    drop(scene.run("db-status --check").code(0));
    drop(scene.run("db-sync").code(0).says("✅ Nothing to do"));
    // Both steps are taken back, not the last alone.
    drop(scene.run("db-undo --yes").code(0).complains("; and applied q"));
    assert_eq!((scene.heads(), tables(&scene)), ("y".to_owned(), "p x y".to_owned()));
    assert!(scene.rows(0).contains("t_y: (1) (2)"), "{}", scene.rows(0));
    scene.drop_kept();
}

/// The script is nowhere but in one place, each in its turn. The last is the ledger, when git has forgotten all of it.
#[test]
fn a_script_that_is_in_one_place_only() {
    let scene = Branches::new("p; q < p");
    let text = script("x", "p");
    let sql = "create table t_x (v int); update alembic_version set version_num = 'x'";
    let lose = || drop(std::fs::remove_file(scene.root().join(path("x"))));
    let astray = || {
        drop(scene.run("db-migrate --direction=downgrade --target=p -q --no-backup").code(0));
        let mut client = crate::support::pg::cluster().client(&scene.databases[0]);
        client.batch_execute("drop schema if exists xtask cascade").unwrap();
        client.batch_execute(sql).unwrap();
    };
    let comes_back = |place: &str| {
        let done = scene.run("db-sync --json").code(0);
        assert!(found(&done).starts_with(&format!("x: {place}")), "{place}: {done}");
        assert_eq!((scene.heads(), tables(&scene)), ("q".to_owned(), "p q".to_owned()), "{done}");
    };
    drop(scene.run("db-migrate -q").code(0));

    astray();
    scene.repo.write(path("x"), &text).git(&["stash", "--quiet", "--include-untracked"]);
    scene.repo.write("other", "").git(&["stash", "--quiet", "--include-untracked"]);
    comes_back("in stash@{1} (commit");
    scene.repo.git(&["stash", "clear"]);

    astray();
    let tree = scene.repo.beside("tree");
    scene.repo.git(&["worktree", "add", "--quiet", "-b", "wip", tree.to_str().unwrap()]);
    std::fs::write(tree.join(path("x")), &text).unwrap();
    comes_back(&format!("in the work tree {} (branch wip), not committed", tree.display()));
    scene.repo.git(&["worktree", "remove", "--force", tree.to_str().unwrap()]);

    // Of the ledger's own accord: never committed, and gone.
    drop(scene.run("db-migrate --direction=downgrade --target=p -q --no-backup").code(0));
    std::fs::remove_file(scene.root().join(path("q"))).unwrap();
    scene.repo.write(path("x"), &text);
    drop(scene.run("db-migrate -q").code(0));
    lose();
    scene.repo.git(&["checkout", "--quiet", "--", "."]);
    comes_back("in the ledger of the database alone");

    astray();
    let fail = scene.run("db-sync --json").code(3);
    assert_eq!(fail.kind(), "unknown-revision", "{fail}");
    drop(fail.complains("its script is nowhere").complains("nearest to p").complains("stamp --purge p"));
    assert_eq!(scene.heads(), "x");

    // Where the ledger has seen the same schema, that is certain.
    let mut client = crate::support::pg::cluster().client(&scene.databases[0]);
    client.batch_execute("drop table t_x; update alembic_version set version_num = 'p'").unwrap();
    drop(scene.run("db-migrate -q").code(0));
    client.batch_execute("update alembic_version set version_num = 'nowhere'").unwrap();
    let fail = scene.run("db-sync").code(3).complains("Its whole schema is as it was when q had run here");
    drop(fail.complains("stamp --purge q"));
}

/// A merge revision and both of its sides; one side's downgrade fails after the other's: everything is as before, rows too.
#[test]
fn a_lost_merge_and_a_downgrade_that_fails() {
    let scene = Branches::diverged("p", "q < p", "x < p; y < p; m < x y");
    let env = format!("{}/migrations/env.py", scene.root().display());
    let text = std::fs::read_to_string(&env).unwrap();
    let each = text.replace("context.configure(", "context.configure(transaction_per_migration=True, ");
    assert_ne!(each, text);
    let good = script("x", "p");
    let bad = good.replace("'drop table t_x'", "'select 1 / 0'");
    scene.repo.commit("Break x", &[(&path("x"), &bad)]);
    drop(scene.run("db-migrate -q").code(0));
    let fill = "insert into t_x values (1); insert into t_y values (2); insert into t_m values (3)";
    scene.sql(0, fill);
    scene.repo.switch("main");
    scene.repo.commit("A transaction for each", &[("migrations/env.py", &each)]);
    let before = scene.everything();
    let failed = scene.run("db-sync --yes --json").code(1).complains("division by zero");
    drop(
        failed
            .complains("Everything was put back: the database is as it was before")
            .complains("migrations/versions/x.py:")
            .complains("git switch feature"),
    );
    assert_eq!(scene.everything(), before);
    let mut client = crate::support::pg::cluster().client(&scene.databases[0]);
    client.execute("update xtask.script set body = replace(body, 'select 1 / 0', 'drop table t_x')", &[]).unwrap();
    drop(client);
    let done = scene.run("db-sync --yes --json").code(0);
    assert!(found(&done).starts_with("m: on feature (commit"), "{done}");
    assert_eq!((scene.heads(), tables(&scene)), ("q".to_owned(), "p q".to_owned()), "{done}");
}

/// `git merge --abort` behind a finished db-merge: main's revision goes, the own one stays with its rows.
#[test]
fn a_merge_that_was_aborted_behind_db_merge() {
    let scene = Branches::diverged("p", "r < p", "a < p");
    drop(scene.run("db-migrate -q").code(0));
    scene.sql(0, "insert into t_a values (7)");
    drop(scene.run("db-merge main").code(0));
    scene.repo.git(&["merge", "--abort"]);
    let done = scene.run("db-sync --json").code(0);
    let realigned = &done.json()["realigned"][0];
    assert_eq!((&realigned["reverted"], &realigned["kept"]), (&json!(["r"]), &json!(["a"])), "{done}");
    assert_eq!((scene.heads(), scene.history()), ("a".to_owned(), "a<p p<".to_owned()));
    assert!(scene.rows(0).contains("t_a: (7)"), "{}", scene.rows(0));
    assert_eq!(tables(&scene), "a p");
    drop(scene.run("db-status --check").code(0));
    // That was the last thing now, not the merge; only the backup as a whole takes it back, and names that again.
    drop(scene.run("db-undo --dry-run").code(0).says("Last: db-sync brought the database in line with the files"));
    let kept = |undone: &Output| undone.json()["kept"].as_str().unwrap().to_owned();
    let undone = scene.run("db-undo --yes --json").code(0);
    assert_eq!((scene.heads(), tables(&scene)), ("a".to_owned(), "a p r".to_owned()), "{undone}");
    let again = scene.run("db-undo --yes --json").code(0);
    assert_eq!((scene.heads(), tables(&scene)), ("a".to_owned(), "a p".to_owned()), "{again}");
    let drop_it = format!("drop database \"{}\"", kept(&again));
    crate::support::pg::cluster().client("postgres").batch_execute(&drop_it).unwrap();
    drop(scene.run("db-merge main").code(0));
    assert_eq!((scene.heads(), tables(&scene)), ("a".to_owned(), "a p r".to_owned()));
}

/// Killed where the way turns: what is there and is not in the version table is known, nothing else migrates, and the next run
/// ends it.
#[test]
fn killed_between_down_and_up() {
    let scene = Branches::diverged("p", "r < p", "a < p");
    drop(scene.run("db-migrate -q").code(0));
    scene.sql(0, "insert into t_a values (7)");
    drop(scene.run("db-merge main").code(0));
    scene.repo.git(&["merge", "--abort"]);
    // Behind the five points of a backup, and the one before the way down.
    let killed = scene.xtask("db-sync -q").env("XTASK_CRASH_AT", "7").run();
    assert_ne!(killed.code, 0, "{killed}");
    assert_eq!((scene.heads(), tables(&scene)), ("p".to_owned(), "a p".to_owned()), "{killed}");
    let refused = scene
        .run("db-migrate --json")
        .code(3)
        .complains("db-sync did not end")
        .complains("Let it end: cargo xtask db-sync");
    assert_eq!(refused.kind(), "already-running", "{refused}");
    drop(scene.run("db-status").code(0).complains("db-sync did not end on this database"));
    drop(scene.run("db-sync").code(0).says("the way of a killed run is at its end (1 revision in all)"));
    assert_eq!((scene.heads(), tables(&scene)), ("a".to_owned(), "a p".to_owned()));
    assert!(scene.rows(0).contains("t_a: (7)"), "{}", scene.rows(0));
    drop(scene.run("db-status --check").code(0));
    drop(scene.run("db-sync").code(0).says("✅ Nothing to do"));
}

/// What comes with a pull is migrated; an empty database begins as its component says; a squash is told as one.
#[test]
fn a_pull_an_empty_database_and_a_squash() {
    let scene = Branches::new("p");
    scene.repo.commit("The command", &[("backend.ai", "#!/bin/sh\n")]);
    let empty = scene.run("db-sync --json").code(3).complains("schema oneshot");
    assert_eq!(empty.kind(), "wrong-database", "{empty}");
    drop(scene.run("db-migrate -q").code(0));
    let (remote, clone) = (scene.repo.beside("remote"), scene.repo.beside("clone"));
    let (remote, clone_text) = (remote.to_str().unwrap(), clone.to_str().unwrap());
    scene.repo.git(&["clone", "--quiet", "--bare", ".", remote]);
    scene.repo.git(&["remote", "add", "origin", remote]);
    scene.repo.git(&["fetch", "--quiet"]);
    scene.repo.git(&["branch", "--quiet", "--set-upstream-to=origin/main"]);
    scene.repo.git(&["clone", "--quiet", remote, clone_text]);
    scene.repo.settle(&clone);
    std::fs::write(clone.join(path("q")), script("q", "p")).unwrap();
    std::fs::write(clone.join("python.lock"), "").unwrap();
    std::fs::write(clone.join("halfstack.toml"), "[db]\npool-size = 8\n").unwrap();
    scene.repo.git_in(&clone, &["add", "--all"]);
    scene.repo.git_in(&clone, &["commit", "--quiet", "-m", "Add q"]);
    scene.repo.git_in(&clone, &["push", "--quiet"]);
    let pulled = scene.run("db-sync --pull --json").code(0);
    let expected = "git pull:ok db-status:ok realign:skipped db-migrate:ok db-status:ok";
    assert_eq!((steps(&pulled.json()).as_str(), scene.heads().as_str()), (expected, "q"), "{pulled}");
    assert_eq!(pulled.json()["restart"], json!(["backend.ai mgr"]), "{pulled}");
    let keys = json!([{"file": "halfstack.toml", "added": ["db.pool-size"], "removed": []}]);
    assert_eq!(pulled.json()["differs"], json!({"lock_files": ["python.lock"], "config_keys": keys}), "{pulled}");
    // Said again until git does something else, with nothing to do for the database as well.
    let again = scene.run("db-sync").code(0).says("✅ Nothing to do").says("as of the last pull, python.lock differs");
    drop(again.says("halfstack.toml here has db.pool-size"));
    drop(scene.run("db-sync --dry-run").code(0).says("python.lock differs"));
    scene.repo.commit("Mine", &[("mine", "")]);
    drop(scene.run("db-sync").code(0).never_says("python.lock"));

    scene.repo.git(&["rm", "--quiet", &path("p"), &path("q")]);
    scene.repo.commit("Squash", &[(&path("s"), &script("s", ""))]);
    let squashed = scene.run("db-sync --yes --json").code(3).complains("Was the history squashed?");
    assert_eq!(squashed.kind(), "unknown-revision", "{squashed}");
    assert_eq!((scene.heads(), tables(&scene)), ("q".to_owned(), "p q".to_owned()));
}

/// On the embedded server a database that is not there is made, as db-migrate makes it.
#[test]
fn a_database_of_the_embedded_server() {
    let scene = Branches::new("p");
    let done = scene.run("db-sync --server=embedded --json").code(0);
    assert_eq!(steps(&done.json()), "db-status:ok realign:skipped db-migrate:ok db-status:ok", "{done}");
}
