//! A merge that has ended, taken back by `db-undo`: the files, the databases and the merge itself, committed or not.

use crate::support::branches::Branches;

#[test]
fn a_finished_merge_is_taken_back_with_its_commit() {
    for flag in ["", "--commit"] {
        let scene = Branches::diverged("p @ p2", "r < p @ r2 < p2", "a < p").at("a @ p2");
        let before = scene.everything();
        let answer = scene.run(&format!("db-merge main --json {flag}")).code(0).json();
        assert_eq!((scene.heads().as_str(), &answer["rows"][0]["kept"]), ("a @ r2", &true.into()), "{answer}");
        let plan = scene.run("db-undo --dry-run").code(0).says("Last: db-merge of main");
        drop(plan.says("manager").says("appproxy"));
        scene.sql(1, "insert into t_r2 values (1)");
        let refused = scene.run("db-undo --json").code(3);
        assert_eq!(refused.kind(), "rows-at-stake", "{refused}");
        scene.sql(1, "delete from t_r2");
        let done = scene.run("db-undo --yes --json").code(0);
        assert_eq!(scene.everything(), before, "{flag}\n{done}");
        scene.nothing_left();
        let again = scene.run("db-undo --json").code(3);
        assert_eq!(again.kind(), "backup-missing");
        drop(again.complains("cargo xtask db-merge"));
    }
}
