//! A database per branch: rows typed on a branch are there when one comes back, whatever ends a switch in the middle.

use serde_json::{Value, json};

use crate::support::branches::{Branches, script, steps};
use crate::support::pg::cluster;
use crate::support::random::Random;

/// Whether what takes long is done as well.
fn is_all() -> bool {
    std::env::var("XTASK_TEST_CRASHES").is_ok_and(|value| value == "all")
}

/// `feature` with `x`, `main` with `q`; the database is feature's, with a row in each table.
fn scene() -> Branches {
    let scene = Branches::diverged("p", "q < p", "x < p");
    drop(scene.run("db-migrate -q").code(0));
    sql(&scene, "insert into t_p values (1); insert into t_x values (2)");
    scene
}

fn sql(scene: &Branches, text: &str) {
    scene.sql(0, text);
}

fn branch(scene: &Branches) -> String {
    scene.repo.git(&["branch", "--show-current"]).trim().to_owned()
}

/// The databases of a component but the one in use, and what throwaway ones this machine's runs have left for it.
fn beside(scene: &Branches, number: usize) -> Vec<String> {
    let sql = "select datname::text from pg_database where starts_with(datname::text, $1) order by 1";
    let name = format!("{}@", scene.databases[number]);
    let rows = cluster().client("postgres").query(sql, &[&name]).unwrap();
    rows.iter().map(|row| row.get::<_, String>(0).replacen(&scene.databases[number], "db", 1)).collect()
}

/// `main in use, feature parked`, as `--list` has it.
fn listed(scene: &Branches) -> String {
    let list = scene.run("db-switch --list --json").code(0).json();
    let one = |it: &Value| {
        let how = if it["active"] == true { "in use" } else { "parked" };
        let gone = if it["branch_exists"] == true { "" } else { " (gone)" };
        format!("{}{gone} {how} at {}", it["branch"].as_str().unwrap(), it["revision"][0].as_str().unwrap())
    };
    list["databases"].as_array().unwrap().iter().map(one).collect::<Vec<_>>().join(", ")
}

/// Rows stay with their branch; catalog, rows and branch are as they were after many switches; the hook says it.
#[test]
fn there_and_back() {
    let scene = scene();
    let before = scene.everything();
    drop(scene.run("db-switch main --dry-run").code(0).says("a clone of").says("(feature) takes the place of"));
    assert_eq!(scene.everything(), before);
    let first = scene.run("db-switch main --json").code(0);
    assert_eq!(
        steps(&first.json()),
        "clone:ok git switch:ok swap:ok db-status:ok realign:ok db-migrate:ok db-status:ok",
        "{first}"
    );
    assert_eq!((branch(&scene), scene.heads()), ("main".to_owned(), "q".to_owned()), "{first}");
    assert_eq!(scene.rows(0), "alembic_version: (q); t_p: (1); t_q: ", "{first}");
    assert_eq!(beside(&scene, 0), ["db@feature"]);
    sql(&scene, "insert into t_q values (3)");
    let main = scene.everything();
    let rounds = if is_all() { 25 } else { 2 };
    for _ in 0..rounds {
        let back = scene.run("db-switch feature --json").code(0);
        assert_eq!(back.json()["databases"][0]["way"], "parked", "{back}");
        assert_eq!(scene.everything(), before, "{back}");
        drop(scene.run("db-switch main").code(0));
        assert_eq!(scene.everything(), main);
    }
    assert_eq!(listed(&scene), "main in use at q, feature parked at x");

    // By git alone, and the database brought along afterwards.
    scene.repo.switch("feature");
    let hook = "__hook post-checkout . 1 2 1";
    let said = scene.xtask(hook).env("XTASK_HOOK_LIMIT", "30s").run().code(0);
    drop(said.complains("feature has its own: cargo xtask db-switch --here=feature"));
    drop(scene.run("db-switch --here=feature").code(0).says("The databases of feature are in use here"));
    assert_eq!(scene.everything(), before);
    scene.repo.git(&["branch", "--quiet", "-D", "main"]);
    assert_eq!(listed(&scene), "feature in use at x, main (gone) parked at q");
    drop(scene.run("db-switch --list").code(0).says("main (gone or renamed)"));
    assert_eq!(scene.run("db-switch --drop=main --json").code(3).kind(), "rows-at-stake");
    drop(scene.run("db-switch --drop=main --yes").code(0));
    assert!(beside(&scene, 0).is_empty());

    // No migration differs: git alone.
    scene.repo.git(&["branch", "other"]);
    let quick = scene.run("db-switch other --json").code(0);
    assert_eq!((steps(&quick.json()), branch(&scene)), ("git switch:ok".to_owned(), "other".to_owned()));
    drop(scene.run("db-switch nosuch").code(2));
}

/// What keeps a switch from being done leaves everything as it was: files in the way, sessions, a migration that fails.
#[test]
fn refused_or_failed_everything_is_as_before() {
    let scene = Branches::diverged("p @ p2", "q < p @ q2 < p2", "x < p @ x2 < p2");
    scene.repo.switch("main");
    let bad = script("r2", "q2").replace("'create table t_r2 (v int)'", "'select 1 / 0'");
    scene.repo.commit("Break it", &[("appproxy/versions/r2.py", &bad), ("notes", "main's")]);
    scene.repo.switch("feature");
    for component in ["manager", "appproxy"] {
        drop(scene.run(&format!("db-migrate -q --component={component}")).code(0));
    }
    sql(&scene, "insert into t_x values (2)");
    scene.repo.write("notes", "mine");
    let before = scene.everything();
    let refused = scene.run("db-switch main --json").code(3).complains("in the way: notes");
    assert_eq!(refused.kind(), "dirty-work-tree", "{refused}");
    assert_eq!(scene.everything(), before);
    std::fs::remove_file(scene.root().join("notes")).unwrap();
    let before = scene.everything();

    let mut other = cluster().client(&scene.databases[1]);
    let refused = scene.run("db-switch main --json").code(3).complains("--end-connections");
    assert_eq!(refused.kind(), "active-connections", "{refused}");
    assert_eq!(scene.everything(), before);

    // The second component's migration fails: both databases and the branch are back.
    let failed = scene.run("db-switch main --end-connections --json").code(1).complains("division by zero");
    drop(failed.complains("Everything was put back: feature is checked out, with its databases"));
    assert!(other.simple_query("select 1").is_err());
    assert_eq!(scene.everything(), before);
    assert!(beside(&scene, 0).is_empty() && beside(&scene, 1).is_empty());
    assert!(!scene.root().join(".xtask/journals/db-switch/journal.json").exists());

    // The same with the one database taken down and up: its rows come back.
    let failed = scene.run("db-switch main --migrate --yes --json").code(1).complains("division by zero");
    assert_eq!(scene.everything(), before, "{failed}");
}

/// Killed at any write: the next run puts it right, no row is lost and nothing is left over.
#[test]
fn killed_in_the_middle() {
    let scene = scene();
    drop(scene.run("db-switch main -q").code(0));
    sql(&scene, "insert into t_q values (3)");
    let main = scene.everything();
    drop(scene.run("db-switch feature -q").code(0));
    let feature = scene.everything();
    let mut random = Random::new(15);
    let all = is_all();
    let mut killed = 0;
    for number in 0..if all { 200 } else { 8 } {
        let to = if branch(&scene) == "main" { "feature" } else { "main" };
        // There are six such places on a way between two databases that are there.
        let at = if all { random.below(7) + 1 } else { number % 6 + 1 };
        let done = scene.xtask(&format!("db-switch {to} -q")).env("XTASK_CRASH_AT", at.to_string()).run();
        killed += usize::from(done.code != 0);
        drop(scene.run("db-switch --list").code(0));
        let now = if branch(&scene) == "main" { &main } else { &feature };
        assert_eq!(&scene.everything(), now, "killed at {at} on the way to {to}");
        assert_eq!(beside(&scene, 0).len(), 1, "killed at {at} on the way to {to}");
    }
    assert!(killed >= 6, "{killed}");

    // On a first visit: the clone is not in the way, and the second attempt comes to the end.
    scene.repo.switch("main");
    drop(scene.run("db-switch --here=main").code(0));
    scene.repo.git(&["switch", "--quiet", "--create", "third"]);
    scene.commit("z < q");
    scene.repo.switch("main");
    for at in [2, 3, 4, 5] {
        let _ = scene.xtask("db-switch third -q").env("XTASK_CRASH_AT", at.to_string()).run();
        drop(scene.run("db-switch main -q").code(0));
        assert_eq!(scene.everything().databases, main.databases, "killed at {at}");
    }
    drop(scene.run("db-switch third -q").code(0));
    assert_eq!(scene.rows(0), "alembic_version: (z); t_p: (1); t_q: (3); t_z: ");
}

/// A role that may not create databases, as Backend.AI's `appproxy`: down and up, with what goes told before; or by an
/// `admin_url`.
#[test]
fn a_role_that_may_not_create_databases() {
    let scene = scene();
    let (database, role) = (&scene.databases[0], format!("limited_{}", scene.databases[0]));
    let owns = format!(
        "create role {role} login; alter database {database} owner to {role}; grant all on schema public to {role}; \
         grant create on database {database} to {role}; \
         alter table t_p owner to {role}; alter table t_x owner to {role}; alter table alembic_version owner to {role}; \
         alter schema xtask owner to {role}; alter table xtask.ledger owner to {role}; \
         alter table xtask.run owner to {role}; alter table xtask.script owner to {role};"
    );
    sql(&scene, &owns);
    let ini = scene.root().join("alembic.ini");
    let text = std::fs::read_to_string(&ini).unwrap();
    let admin = cluster().url("psycopg2", database);
    std::fs::write(&ini, text.replacen("://postgres", &format!("://{role}"), 1)).unwrap();
    scene.repo.git(&["update-index", "--assume-unchanged", "alembic.ini"]);
    let before = scene.everything();
    let refused = scene.run("db-switch main --json").code(3).complains("1 row of t_x goes");
    assert_eq!((refused.kind(), branch(&scene)), ("rows-at-stake".to_owned(), "feature".to_owned()), "{refused}");
    assert_eq!(scene.everything(), before);
    let by_admin = scene.xtask("db-switch main --json").env("XTASK_ADMIN_URL", &admin).run().code(0);
    assert_eq!(by_admin.json()["databases"][0]["way"], "clone", "{by_admin}");
    let owner = "select pg_get_userbyid(datdba)::text from pg_database where datname = current_database()";
    assert_eq!(cluster().client(database).query_one(owner, &[]).unwrap().get::<_, String>(0), role);
    // Whoever could come in by PostgreSQL's defaults still can.
    let open = "select has_database_privilege('public', current_database(), 'connect, temporary')";
    assert!(cluster().client(database).query_one(open, &[]).unwrap().get::<_, bool>(0));
    drop(scene.xtask("db-switch -").env("XTASK_ADMIN_URL", &admin).run().code(0));
    drop(scene.run("db-switch featur").code(2).complains("cargo xtask db-switch feature\n"));
    assert_eq!(scene.everything(), before);
    let done = scene.run("db-switch main --yes --json").code(0);
    assert_eq!(done.json()["databases"][0]["way"], "down-and-up", "{done}");
    assert_eq!((scene.heads(), scene.rows(0).contains("t_x")), ("q".to_owned(), false), "{done}");
    assert_eq!(json!(branch(&scene)), "main");
}

/// git alone says that a name is none: nobody waits for a server that does not answer.
#[test]
fn a_name_that_git_does_not_know_needs_no_database() {
    let scene = Branches::diverged("p", "q < p", "x < p");
    let mute = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    mute.set_nonblocking(true).unwrap();
    let url = format!("postgresql+psycopg2://nobody@{}/nothing", mute.local_addr().unwrap());
    for words in ["db-switch nowhere", "db-switch -", "db-switch --detach nowhere"] {
        drop(scene.run(&format!("{words} --url {url}")).code(2));
        assert!(mute.accept().is_err(), "{words} has asked the database");
    }
}

/// A branch that was renamed finds its database; a tag is no branch; a rebase that is under way is told as such.
#[test]
fn names_of_branches() {
    let scene = scene();
    drop(scene.run("db-switch main -q").code(0));
    scene.repo.git(&["branch", "-m", "feature", "Ren/amed"]);
    scene.repo.git(&["tag", "feature", "main"]);
    assert_eq!(listed(&scene), "main in use at q, Ren/amed parked at x");
    drop(scene.run("db-switch --list").code(0).says("Ren/amed (was feature)"));
    drop(scene.run("db-switch feature").code(2).complains("git knows no branch `feature`"));
    let back = scene.run("db-switch Ren/amed --json").code(0);
    assert_eq!(back.json()["databases"][0]["way"], "parked", "{back}");
    assert!(scene.rows(0).contains("t_x: (2)"), "{}", scene.rows(0));
    assert_eq!(listed(&scene), "Ren/amed in use at x, main parked at q");

    scene.repo.commit("Mine", &[("notes", "mine")]);
    scene.repo.switch("main");
    scene.repo.commit("Theirs", &[("notes", "theirs")]);
    scene.repo.switch("Ren/amed");
    let before = scene.rows(0);
    assert_ne!(scene.repo.rebase("main"), crate::support::repo::Outcome::Clean);
    drop(scene.run("db-switch main").code(2).complains("A rebase is in progress").complains("git rebase --continue"));
    drop(scene.run("db-sync --dry-run").code(0));
    drop(scene.run("db-sync").complains("in the middle of a rebase"));
    scene.repo.git(&["rebase", "--abort"]);
    assert_eq!(scene.rows(0), before);
}

/// On no branch: the database is that of the branch that the head was taken off, or the commit's.
#[test]
fn a_detached_head() {
    let scene = scene();
    let tip = |name: &str| scene.repo.id(name)[..10].to_owned();
    let before = scene.rows(0);
    // git alone has taken the head off the branch: the database is the branch's still.
    scene.repo.git(&["switch", "--quiet", "--detach", "feature"]);
    drop(scene.run("db-switch main --json").code(0));
    assert_eq!(
        (branch(&scene), listed(&scene)),
        ("main".to_owned(), "main in use at q, feature parked at x".to_owned())
    );
    // Back at the commit, and on to the branch itself.
    drop(scene.run("db-switch -").code(0).says(&format!("Switched to {}", tip("feature"))));
    assert_eq!((scene.rows(0), branch(&scene)), (before.clone(), String::new()));
    drop(scene.run("db-switch feature").code(0).says("stays: it is that branch's own"));
    assert_eq!(listed(&scene), "feature in use at x, main parked at q");

    // A commit of no branch, with a migration of its own, has a database by its short id.
    drop(scene.run("db-switch v1 --dry-run").code(2).complains("git knows no branch `v1`"));
    scene.repo.git(&["tag", "v1"]);
    drop(scene.run("db-switch v1").code(2).complains("cargo xtask db-switch --detach v1"));
    let first = scene.run("db-switch --detach v1 --json").code(0);
    assert_eq!(first.json()["databases"][0]["way"], "stays", "{first}");
    drop(scene.run("db-switch --detach v1").code(0).says(&format!("Nothing to do: {} is checked out", tip("v1"))));
    scene.commit("y < x");
    drop(scene.run("db-migrate -q").code(0));
    sql(&scene, "insert into t_y values (5)");
    let (own, alone) = (scene.everything(), tip("HEAD"));
    drop(scene.run("db-switch feature").code(0));
    assert_eq!((branch(&scene), scene.rows(0)), ("feature".to_owned(), before.clone()));
    assert_eq!(listed(&scene), format!("feature in use at x, {alone} parked at y, main parked at q"));
    assert_eq!(beside(&scene, 0), [format!("db@{alone}"), "db@main".to_owned()]);
    // By git alone, the hook says that there is one.
    scene.repo.git(&["switch", "--quiet", "--detach", &alone]);
    let hook = scene.xtask("__hook post-checkout . 1 2 1").env("XTASK_HOOK_LIMIT", "30s").run().code(0);
    drop(hook.complains(&format!("cargo xtask db-switch --here={alone}")));
    scene.repo.switch("feature");
    let mut killed = 0;
    for at in 1..=6 {
        let done = scene.xtask("db-switch - -q").env("XTASK_CRASH_AT", at.to_string()).run();
        killed += usize::from(done.code != 0);
        drop(scene.run("db-switch --list").code(0));
        if branch(&scene).is_empty() {
            assert_eq!(scene.everything(), own, "killed at {at}");
            drop(scene.run("db-switch feature").code(0));
        }
        assert_eq!(scene.rows(0), before, "killed at {at}");
    }
    assert!(killed >= 4, "killed at {killed} points");
    let back = scene.run("db-switch - --json").code(0);
    assert_eq!(back.json()["databases"][0]["way"], "parked", "{back}");
    assert_eq!(scene.everything(), own, "{back}");
    drop(scene.run("db-switch -").code(0).says("Switched to feature"));

    // In the middle of a bisect it is git's.
    scene.repo.git(&["bisect", "start", "HEAD", "HEAD~1"]);
    scene.repo.git(&["switch", "--quiet", "--detach", "HEAD~1"]);
    drop(scene.run("db-switch main").code(2).complains("git bisect reset"));
}

/// A linked work tree that names the same database is told of; a database without a revision stays, and is told as such.
#[test]
fn work_trees_that_share_and_a_database_without_a_revision() {
    let scene = scene();
    let other = scene.repo.beside("linked");
    let shown = other.display().to_string();
    scene.repo.git(&["worktree", "add", "--quiet", "-b", "linked", &shown, "main"]);
    let switch = "db-switch main --dry-run";
    let config = scene.root().join("alembic.ini");
    let copy = other.join("alembic.ini");
    if !copy.exists() {
        std::fs::copy(&config, &copy).unwrap();
    }
    crate::support::xtask::as_backend_ai(&other);
    let told = format!("{shown} (branch linked) uses the same database {}", scene.databases[0]);
    drop(scene.run(switch).code(0).complains(&told));
    let text = std::fs::read_to_string(&config).unwrap();
    std::fs::write(&copy, text.replace(&scene.databases[0], "another")).unwrap();
    drop(scene.run(switch).code(0).never_says("uses the same database"));
    drop(
        scene.run("db-switch linked").code(2).complains("linked is checked out in another work tree").complains(&shown),
    );

    sql(&scene, "delete from alembic_version");
    drop(scene.run(switch).code(0).says("stays: it holds no revision yet"));
    drop(scene.run("db-switch main").code(0));
    assert_eq!(branch(&scene), "main");
}
