//! Whose fault it is: what env.py does, or another script left in the process, is no verdict on a revision.

use super::ways::{roundtrip, told};
use crate::support::scene::Scene;

const TABLE: (&str, &str) = ("op.execute('create table t (id int)')", "op.execute('drop table t')");

#[test]
fn what_env_py_does_is_no_verdict_on_a_revision() {
    let scene = Scene::new().revision("a", "", TABLE.0, TABLE.1).revision("b", "a", "pass", "pass");
    let env = std::fs::read_to_string(scene.path("migrations/env.py")).unwrap();
    let early = env.replacen(
        "        context.configure(connection",
        "        connection.exec_driver_sql('select 1')\n        context.configure(connection",
        1,
    );
    let ways = [
        (format!("import no_such_package\n{env}"), "env.py cannot import no_such_package"),
        ("pass\n".to_owned(), "env.py does not run the migrations"),
        (early, "env.py does not commit the migrations"),
        (format!("{env}\nraise RuntimeError('after the migrations')\n"), "env.py raised RuntimeError"),
        ("import os\nos._exit(1)\n".to_owned(), "The Python process is gone"),
    ];
    for (text, summary) in ways {
        scene.write("migrations/env.py", &text);
        for flags in ["", "--all"] {
            let output = scene.run(&format!("db-roundtrip --json -q {flags}"));
            let report = output.code(1).json();
            assert_eq!(
                (&report["error"]["kind"], &report["error"]["summary"]),
                (&"env-failed".into(), &summary.into())
            );
            assert!(report["error"]["revision"].is_null() && report["results"].is_null(), "{report:#}");
        }
    }
}

#[test]
fn what_env_py_swallows_is_found() {
    let scene = Scene::new().revision("a", "", TABLE.0, TABLE.1).revision("b", "a", TABLE.0, "pass");
    let env = std::fs::read_to_string(scene.path("migrations/env.py")).unwrap();
    let call = "offline() if context.is_offline_mode() else online()";
    assert!(env.contains(call));
    scene.write("migrations/env.py", &env.replace(call, "try:\n    online()\nexcept Exception:\n    pass"));
    let report = roundtrip(&scene, "--all", 4);
    assert_eq!(told(&report), ["b failed upgrade", "a reversible"], "{report:#}");
}

/// `b` leaves a session open that holds a lock, `c` would wait for it, `d` leaves a table behind.
#[test]
fn a_session_that_is_left_open_accuses_nobody() {
    let left = "from settings import Session\nSession().execute(sa.text('select * from t'))";
    let scene = Scene::new()
            .revision("a", "", TABLE.0, TABLE.1)
            .revision("b", "a", left, "pass")
            .revision("c", "b", "op.execute('alter table t add n int')", "op.execute('alter table t drop n')")
            .revision("d", "c", "op.execute('create table u ()')", "pass")
            .file(
                "settings.py",
                "from alembic import context\nfrom sqlalchemy import create_engine\n\
                 from sqlalchemy.orm import scoped_session, sessionmaker\n\
                 Session = scoped_session(sessionmaker(bind=create_engine(context.config.get_main_option('sqlalchemy.url'))))\n",
            );
    let report = roundtrip(&scene, "--all", 4);
    let verdicts = told(&report);
    assert!(verdicts.contains(&"c reversible".to_owned()), "{report:#}");
    assert!(verdicts.iter().any(|verdict| verdict.starts_with("d failed")), "{report:#}");
}
