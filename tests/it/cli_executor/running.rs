//! The component's own command runs in our place: its words, its exit code, its signals. What is asked before, and the words
//! of old.

use super::{Checkout, free_port};
use crate::support::scene::wait_for_line;

fn checkout() -> Checkout {
    // Nobody is silent here, and the machine may be busy.
    let checkout = Checkout { limit: "20s", ..Checkout::new("postgresql+asyncpg://u@localhost:1/backend") };
    checkout.manager("", 1, [free_port(), free_port()]);
    checkout
}

#[test]
fn a_command_runs_in_our_place() {
    let checkout = checkout();
    let run = |words: &str, subcommand: &str| checkout.xtask(words).arg(&format!("--subcommand={subcommand}")).run();
    // Its words, its stdin and its code; red lines of the pre-flight keep nothing but a server from running.
    let done = checkout.xtask("--component=mgr --subcommand").arg("etcd put a 'b c'").run_with("typed");
    assert_eq!((done.stdout.as_str(), done.code), ("ran mgr etcd put a b c\ntyped", 5), "{done}");
    drop(done.complains("❌ etcd: "));
    let json = run("-c mgr --json", "schema show").code(5);
    assert_eq!(json.json()["exit_code"], 5, "{json}");
    drop(json.complains("ran mgr schema show").complains("cargo xtask db-status"));

    // The words of an old document.
    drop(run("-c mgr -q", "dbschema show").code(5).says("ran mgr schema show"));
    drop(
        run("-c mgr", "health").code(5).says("ran mgr health check").complains("`health` is called `health check` now"),
    );
    drop(run("-c mgr", "dbschema migrate").code(2).complains("Migrate it: cargo xtask db-migrate"));
    drop(run("-c mgr", "dbschema history").code(2).complains("See it: cargo xtask db-history"));
    drop(run("-c ag", "list-slots").code(2).complains("cargo xtask cli-executor --component=ag"));
    drop(run("-c mgr", "a 'b").code(2).complains("cannot be read"));
}

#[test]
fn a_server_is_started_when_all_is_there_or_somebody_says_so() {
    let checkout = checkout();
    let start = "--component=mgr --subcommand=start-server";
    let refused = checkout.xtask(&format!("{start} --json")).run().code(3);
    assert_eq!(refused.kind(), "connection-refused", "{refused}");
    assert!(refused.json()["checks"].as_array().unwrap().len() > 5, "{refused}");
    let refused = refused.complains("mgr was not started: ");
    drop(
        refused
            .complains("cargo xtask cli-executor --component=mgr --subcommand=start-server --yes")
            .never_says("started mgr"),
    );

    // A signal reaches it, and its code is ours; also where it runs beside us.
    let begun = |flags: &str| {
        let mut child = checkout.xtask(&format!("{start} --yes {flags}")).spawn();
        wait_for_line(&mut child, "started mgr start-server");
        rustix::process::kill_process(rustix::process::Pid::from_child(&child), rustix::process::Signal::TERM).unwrap();
        child.wait_with_output().unwrap()
    };
    let (ours, beside) = (begun("-q"), begun("--json"));
    assert_eq!((ours.status.code(), beside.status.code()), (Some(7), Some(7)));
    assert!(checkout.project.path("ended").exists());
    let json: serde_json::Value = serde_json::from_slice(&beside.stdout).unwrap();
    assert_eq!((&json["exit_code"], &json["outcome"]), (&7.into(), &"failed".into()), "{json}");
}

#[test]
fn what_there_is() {
    let checkout = checkout();
    let none = checkout.xtask("").run().code(2).complains("1. mgr").complains("6. app-proxy-worker");
    drop(none.complains("cargo xtask cli-executor --component=mgr"));
    for (wrong, meant) in
        [("mrg", "mgr"), ("manager", "mgr"), ("agent", "ag"), ("coordinator", "app-proxy-coordinator")]
    {
        let answer = checkout.xtask(&format!("--component={wrong}")).run().code(2);
        drop(answer.complains(&format!("Perhaps you mean: --component={meant}\n")));
    }
    let far = checkout.xtask("--component=nope").run().code(2);
    assert!(!far.stderr.contains("Perhaps"), "{far}");
    let listed = checkout.xtask("--component=mgr").run().code(0).says("`./backend.ai mgr` offers:");
    drop(
        listed
            .says("  start-server  Start the manager.")
            .says("1. cargo xtask cli-executor --component=mgr --subcommand=start-server"),
    );
    let json = checkout.xtask("--component=mgr --json").run().code(0).json();
    assert_eq!(json["commands"][0]["name"], "schema", "{json}");
    // One that is not installed there; a checkout whose environment is not there; none at all.
    drop(checkout.xtask("--component=ag").run().code(1).complains("No such command 'ag'"));
    checkout.project.write("py", "if [ ! -d dist/export/python/virtualenvs/python-default ]; then exit 1; fi");
    checkout.check("mgr").has("command line", &["failed", "pants export"]);
    std::fs::remove_file(checkout.project.path("backend.ai")).unwrap();
    assert_eq!(checkout.xtask("--component=mgr --json").env("PATH", "/nowhere").run().code(3).kind(), "tool-missing");
}
