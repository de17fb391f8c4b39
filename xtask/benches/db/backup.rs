//! What is done before a database is changed: a backup, its proof, what a downgrade will take away; and the way back, where
//! two databases change names.

use xtask::sys::run::Cmd;

use crate::backendai::{Manager, QUICK};
use crate::measure::{Goal, Row, Rows, in_turns, median};
use crate::memory::watched;
use crate::support::pg::{SUPERUSER, cluster};
use crate::support::python::quiet;
use crate::support::scene::Scene;

const ROUNDS: usize = 3;
/// Rows of about a kilobyte: 1 GB.
const ROWS: usize = 900_000;
/// How many revisions of Backend.AI's manager are gone down.
const STEPS: usize = 20;

/// `db-backup` of 1 GB against `pg_dump` alone, both with the fastest compression of PostgreSQL 15's.
pub fn rows() -> Rows {
    let scene = Scene::new().table("a1", "").at("head");
    let fill = format!("create table big as select g, repeat(md5(g::text), 30) as t from generate_series(1, {ROWS}) g");
    cluster().client(&scene.database).batch_execute(&fill).unwrap();
    let file = scene.root().join("alone.dump");
    let alone = || {
        let socket = cluster().socket_dir.display().to_string();
        let cmd =
            Cmd::new(cluster().bin.join("pg_dump"), scene.root()).args(["-Fc", "-Z1", "-h", &socket, "-U", SUPERUSER]);
        cmd.args(["-d", &scene.database, "-f"]).arg(&file).read(&quiet()).unwrap();
    };
    let backup = |words: &str| drop(scene.xtask(words).run().code(0));
    let [dump, read, proven] =
        in_turns(ROUNDS, [&mut || alone(), &mut || backup("db-backup --no-verify -q"), &mut || backup("db-backup -q")]);
    let peak = median((0..ROUNDS).map(|_| watched(scene.xtask("db-backup -q").spawn())).collect());
    backup("db-restore --yes -q");
    let [back] = in_turns(QUICK, [&mut || backup("db-restore --swap-back --yes -q")]);
    Ok(vec![
        Row::new("db-backup --no-verify of 1 GB, rows counted", read, "`pg_dump`", dump, Goal::AtMost(1.1)),
        Row::new(
            "db-backup of 1 GB, which is read and not restored: over 512 MiB",
            proven,
            "`pg_dump`",
            dump,
            Goal::Known,
        ),
        Row::alone("db-backup of 1 GB: peak memory", peak, "MiB", Goal::Under(64.0)),
        Row::alone("db-restore --swap-back, two databases of 1 GB", back, "ms", Goal::Under(100.0)),
    ])
}

/// What a downgrade of Backend.AI's manager would take away.
pub fn what_will_go() -> Rows {
    let manager = Manager::new()?;
    let words = format!("db-migrate --direction downgrade --target=-{STEPS} --dry-run");
    let [ours] = in_turns(QUICK, [&mut || manager.xtask(&words)]);
    let what = format!("db-migrate --dry-run, {STEPS} revisions down, 105 tables: what will go");
    Ok(vec![Row::alone(&what, ours, "ms", Goal::Under(200.0))])
}
