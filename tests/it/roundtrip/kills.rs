//! SIGKILL at random moments: the next command sweeps, nothing of the dead run is left, and the verdicts are right.
//! `XTASK_TEST_KILLS=100` makes it a hundred; the moments are the same in every run as far as the machine allows.

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::ways::told;
use crate::interrupts::runs_in;
use crate::support::pg::cluster;
use crate::support::random::Random;
use crate::support::scene::{Scene, Streams, sql, wait_until};

/// Six revisions with a verdict of every sort.
fn scene() -> Scene {
    let scene = Scene::new().table("a", "").table("b", "a");
    let scene = scene.revision("c", "b", &sql("alter table a add m text"), &sql("alter table a drop m"));
    let scene = scene.revision("d", "c", &sql("create type mood as enum ()"), "pass");
    scene.revision("e", "d", "pass", "raise NotImplementedError").table("f", "e")
}

const FROM_EMPTY: [&str; 6] =
    ["f reversible", "e irreversible", "d failed re-upgrade", "c reversible", "b reversible", "a reversible"];
const ON_A_CLONE: [&str; 6] = [
    "f reversible",
    "e irreversible",
    FROM_EMPTY[2],
    "c data-lost re-upgrade",
    "b reversible",
    "a data-lost re-upgrade",
];

/// How long a run takes, as long as none has told.
const GUESS: Duration = Duration::from_secs(1);

fn kills() -> usize {
    std::env::var("XTASK_TEST_KILLS").map_or(4, |count| count.parse().unwrap())
}

#[test]
fn at_random_moments() {
    let fresh = scene();
    let clone = scene().at("head").sql("insert into a values (1, 'x')");
    let mut random = Random::new(4711);
    for (scene, expected, count) in [(&fresh, FROM_EMPTY, kills() - kills() / 2), (&clone, ON_A_CLONE, kills() / 2)] {
        let mut whole = GUESS;
        for round in 0..count {
            let words = *random.pick(&["db-roundtrip --all", "db-roundtrip --all --jobs 2"]);
            let pid = killed(scene, words, moment(&mut random, whole));
            let next = *random.pick(&["db-roundtrip --all", "db-roundtrip --all --resume", "db-roundtrip --steps 6"]);
            let next = if next.ends_with("--resume") && ledgers(scene) == 0 { "db-roundtrip --all" } else { next };
            let began = Instant::now();
            assert_eq!(verdicts(scene, next), expected, "round {round}: {words}, then {next}");
            whole = began.elapsed();
            assert_eq!(scene.scratch_of(pid), Vec::<String>::new(), "round {round}: {words}");
        }
        assert_eq!(left_in(&scene.project.path("state")), Vec::<String>::new());
    }
}

#[test]
fn with_an_own_server() {
    let scene = scene();
    let mut random = Random::new(4712);
    let words = "db-roundtrip --all --server=embedded --cold";
    let mut whole = GUESS;
    for round in 0..kills().div_ceil(5) {
        killed(&scene, words, moment(&mut random, whole));
        wait_until("the server of the killed run is gone", || !runs_in(scene.root()));
        let began = Instant::now();
        assert_eq!(verdicts(&scene, words), FROM_EMPTY, "round {round}");
        whole = began.elapsed();
        wait_until("the server is gone", || !runs_in(scene.root()));
        assert_eq!(sockets(&scene.project.path("state")), 0, "round {round}");
    }
}

/// Some moment of a run that takes so long as a whole.
fn moment(random: &mut Random, whole: Duration) -> Duration {
    whole.mul_f64(random.below(1000) as f64 / 1000.0)
}

/// Starts it and kills it; its process id. Whoever comes next does not come at once: its sessions end and its Python goes.
fn killed(scene: &Scene, words: &str, after: Duration) -> u32 {
    let mut child = scene.xtask(words).spawn();
    let (streams, pid) = (Streams::of(&mut child), child.id());
    std::thread::sleep(after);
    child.kill().unwrap();
    let _ = streams.end(child);
    let mut client = cluster().client("postgres");
    let ours = format!("xtask% {pid}");
    let sessions = "select count(*) from pg_stat_activity where application_name like $1";
    wait_until("its sessions end", || client.query_one(sessions, &[&ours]).unwrap().get::<_, i64>(0) == 0);
    pid
}

fn verdicts(scene: &Scene, words: &str) -> Vec<String> {
    let report: Value = scene.run(&format!("{words} --json")).code(4).json();
    told(&report)
}

fn ledgers(scene: &Scene) -> usize {
    let files = std::fs::read_dir(scene.project.path(".xtask/roundtrip")).into_iter().flatten().flatten();
    files.filter(|file| std::fs::read_to_string(file.path()).unwrap().lines().count() > 1).count()
}

/// What a run should not leave beside its ready-made driver.
fn left_in(state: &Path) -> Vec<String> {
    let names = std::fs::read_dir(state).into_iter().flatten().flatten();
    let names = names.map(|entry| entry.file_name().into_string().unwrap());
    names.filter(|name| name.starts_with("baseline") || name.ends_with(".tmp")).collect()
}

fn sockets(folder: &Path) -> usize {
    use std::os::unix::fs::FileTypeExt;
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .map(|entry| match entry.file_type() {
            Ok(kind) if kind.is_dir() => sockets(&entry.path()),
            Ok(kind) => usize::from(kind.is_socket()),
            Err(_) => 0,
        })
        .sum()
}
