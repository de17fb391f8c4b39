//! A merge that has ended, taken back by `db-undo`: the files, the databases and the merge itself, committed or not.

use super::scene::Scene;
use crate::support::pg::cluster;

#[test]
fn a_finished_merge_is_taken_back_with_its_commit() {
    for flag in ["", "--commit"] {
        let scene = Scene::diverged("p @ p2", "r < p @ r2 < p2", "a < p").at("a @ p2");
        let before = scene.everything();
        let answer = scene.run(&format!("db-merge main --json {flag}")).code(0).json();
        assert_eq!((scene.heads().as_str(), &answer["rows"][0]["kept"]), ("a @ r2", &true.into()), "{answer}");
        let plan = scene.run("db-undo --dry-run").code(0).says("Last: db-merge of main");
        drop(plan.says("manager").says("appproxy"));
        cluster().client(&scene.databases[1]).batch_execute("insert into t_r2 values (1)").unwrap();
        let refused = scene.run("db-undo --json").code(3);
        assert_eq!(refused.kind(), "rows-at-stake", "{refused}");
        cluster().client(&scene.databases[1]).batch_execute("delete from t_r2").unwrap();
        let done = scene.run("db-undo --yes --json").code(0);
        assert_eq!(scene.everything(), before, "{flag}\n{done}");
        scene.nothing_left();
        let again = scene.run("db-undo --json").code(3);
        assert_eq!(again.kind(), "backup-missing");
        drop(again.complains("cargo xtask db-merge"));
    }
}
