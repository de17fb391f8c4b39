//! The real Backend.AI 26.9.6, its scripts, its env.py, its command line: what db-status, db-migrate and db-roundtrip
//! say of it is held against the real alembic and against what was found by hand. Every expectation here was looked at
//! in the scripts themselves; the comments say what is to be seen there.

use serde_json::{Value, json};
use xtask::model::graph::Graph;
use xtask::model::target::{self, Direction, Target};
use xtask::sys::history::{self, Headers};
use xtask::sys::project::{AlembicConfig, Project};
use xtask::sys::python::{self, Wish};

use crate::history::describe;
use crate::support::backendai::{Checkout, configs, is_possible, manager_database};
use crate::support::pg::cluster;
use crate::support::python::quiet;
use crate::support::xtask::{Output, Xtask};

const MANAGER_HEAD: &str = "d1117da8d8bd";
const APPPROXY_HEAD: &str = "a1b2c3d4e5f6";
const ACCOUNTMGR_HEAD: &str = "1449797cc931";

/// A database name that stands for none.
const NONE: &str = "no_such_database";

fn xtask(checkout: &Checkout, words: &str) -> Output {
    Xtask::new(checkout.root(), words).run()
}

/// The version table as it stands, asked without the product.
fn versions(database: &str) -> Vec<String> {
    let rows = cluster().client(database).query("select version_num from alembic_version order by 1", &[]).unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

/// What `alembic stamp` leaves behind.
fn stamp(database: &str, revision: &str) {
    let sql = "create table if not exists alembic_version (version_num varchar(32) primary key); \
               delete from alembic_version; insert into alembic_version values";
    cluster().client(database).batch_execute(&format!("{sql} ('{revision}')")).unwrap();
}

fn ids(list: &Value) -> Vec<&str> {
    list.as_array().unwrap().iter().map(|item| item["revision"].as_str().unwrap()).collect()
}

#[test]
#[ignore = "installs 440 MB: cargo test -- --ignored, as cargo xtask ci does"]
fn status_agrees_with_alembic() {
    if !is_possible() {
        return;
    }
    let manager = manager_database();
    let (accountmgr, appproxy) = (cluster().database(), cluster().database());
    // Three states at once: four revisions behind (the last five are a chain, see the round trip), empty, at the head.
    stamp(&manager, "b8e0c1f4a276");
    stamp(&appproxy, APPPROXY_HEAD);
    let checkout = Checkout::new([&manager, &accountmgr, &appproxy]);
    let ours = xtask(&checkout, "db-status --all --json").code(0).json();
    let theirs = checkout.ask(include_str!("backendai.py"), &json!(configs()));
    let expected = [
        ("behind", 4, vec!["b8e0c1f4a276"], MANAGER_HEAD),
        // Most checkouts never set it up, so it is no alarm.
        ("not-set-up", 0, vec![], ACCOUNTMGR_HEAD),
        ("up-to-date", 0, vec![APPPROXY_HEAD], APPPROXY_HEAD),
    ];
    for (at, (state, pending, current, head)) in expected.into_iter().enumerate() {
        let ours = &ours["components"][at];
        assert_eq!(ids(&ours["current"]), current, "{ours}");
        assert_eq!((&ours["state"], ids(&ours["pending"]).len()), (&json!(state), pending), "{ours}");
        assert_eq!(ids(&ours["heads"]), [head]);
        assert_eq!(theirs[at], json!({"current": current, "heads": [head]}));
    }
}

/// Every one of the 556 + 1 + 9 scripts: id, parents, depends_on, labels, message, children, place in the order, and
/// what an upgrade from ten of them would run.
#[test]
#[ignore = "installs 440 MB: cargo test -- --ignored, as cargo xtask ci does"]
fn the_scripts_are_read_as_alembic_reads_them() {
    if !is_possible() {
        return;
    }
    let checkout = Checkout::new([NONE, NONE, NONE]);
    let ui = quiet();
    let project = Project::find(checkout.root(), None).unwrap();
    let python = python::find(&ui, &project, &Wish::default()).unwrap();
    let packages = || python::site_packages(&ui, &project, &python);
    let read = |component| AlembicConfig::read(&project, component, packages).unwrap();
    let configs: Vec<AlembicConfig> = project.components.iter().map(read).collect();
    let read = |config| history::read(&project.root, config, &Headers::new(&ui, &project, config, || None)).unwrap();
    let graphs: Vec<Graph> = configs.iter().map(read).collect();
    assert_eq!(graphs.iter().map(Graph::len).collect::<Vec<_>>(), [556, 1, 9]);
    let routes: Vec<Vec<Value>> = graphs.iter().map(questions).collect();
    let request: Vec<Value> = (configs.iter().zip(&routes))
        .map(|(config, routes)| json!({"folder": config.script_location, "sound": true, "routes": routes, "ranges": [], "rows": []}))
        .collect();
    let theirs = checkout.ask(include_str!("history.py"), &json!(request));
    for (at, graph) in graphs.iter().enumerate() {
        assert_eq!(describe(graph), theirs[at]["ok"]);
        for (question, answer) in routes[at].iter().zip(theirs[at]["routes"].as_array().unwrap()) {
            assert_eq!(json!({"ok": steps(graph, question)}), *answer, "{question}");
        }
    }
}

/// As a terminal shows it, ids alone: what is recorded is ours, the messages are not. And as a picture, folded.
#[test]
#[ignore = "installs 440 MB: cargo test -- --ignored, as cargo xtask ci does"]
fn the_whole_history_drawn() {
    if !is_possible() {
        return;
    }
    let checkout = Checkout::new([NONE, NONE, NONE]);
    let graph = xtask(&checkout, "db-history --graph").code(0).stdout;
    let (drawn, _legend) = graph.rsplit_once("\n\n").unwrap();
    let lines = drawn.lines().map(|line| line.split_once(", ").map_or(line, |(line, _)| line).trim_end());
    let drawn = lines.collect::<Vec<_>>().join("\n") + "\n";
    assert!(drawn.lines().count() > 556);
    expect_test::expect_file!["history/backend-ai-26.9.6.txt"].assert_eq(&drawn);
    let _ = xtask(&checkout, "db-history --svg history.svg").code(0);
    let svg = std::fs::read_to_string(checkout.root().join("history.svg")).unwrap();
    let (rows, folded) = (svg.matches("<g><title>").count(), svg.matches(">⋮ ").count());
    assert!(rows < 250 && folded > 20 && svg.contains("556 revisions"), "{rows} rows, {folded} folded");
}

/// Upgrades to the head from every fiftieth revision, and from none.
fn questions(graph: &Graph) -> Vec<Value> {
    let some = graph.scripts().step_by(50).map(|script| vec![script.id.clone()]);
    let all = some.chain([Vec::new()]);
    all.map(|current| json!({"up": true, "target": "heads", "current": current})).collect()
}

fn steps(graph: &Graph, question: &Value) -> Vec<String> {
    let current: Vec<String> = serde_json::from_value(question["current"].clone()).unwrap();
    let target = Target::parse("heads").unwrap();
    let route = target::resolve(graph, Direction::Up, &current, &target).unwrap();
    route.steps.into_iter().map(|step| step.revision).collect()
}

#[test]
#[ignore = "installs 440 MB: cargo test -- --ignored, as cargo xtask ci does"]
fn empty_databases_of_the_small_components_go_to_the_head() {
    if !is_possible() {
        return;
    }
    let (accountmgr, appproxy) = (cluster().database(), cluster().database());
    let checkout = Checkout::new([NONE, &accountmgr, &appproxy]);
    for (component, database, head, count) in
        [("accountmgr", accountmgr, ACCOUNTMGR_HEAD, 1), ("appproxy", appproxy, APPPROXY_HEAD, 9)]
    {
        let done = xtask(&checkout, &format!("db-migrate --json --component={component}")).code(0).json();
        assert_eq!((ids(&done["applied"]).len(), &done["before"], &done["after"]), (count, &json!([]), &json!([head])));
        assert_eq!(versions(&database), [head]);
    }
    // Again: nothing is left to do, and it is said without Python.
    let _ = xtask(&checkout, "db-migrate -c appproxy").code(0).says("Nothing to do");
    // 5c6942374c62 drops `workers` before `worker_app_filters`, whose foreign key fk_worker_app_filters_worker_workers
    // refers to it, so PostgreSQL refuses (2BP01). The eight above it go down and up again.
    let trip = xtask(&checkout, "db-roundtrip -c appproxy --all --json").code(4).json();
    assert_eq!(trip["tested"], 9);
    let failed = find(&trip, "5c6942374c62");
    assert_eq!((&failed["verdict"], &failed["step"]), (&json!("failed"), &json!("downgrade")), "{failed}");
    let error = &failed["error"];
    assert_eq!((&error["kind"], &error["sqlstate"]), (&json!("dependent-objects"), &json!("2BP01")));
    assert!(error["details"].as_str().unwrap().contains("fk_worker_app_filters_worker_workers"), "{error}");
}

#[test]
#[ignore = "installs 440 MB: cargo test -- --ignored, as cargo xtask ci does"]
fn the_manager_goes_one_down_and_up_again() {
    if !is_possible() {
        return;
    }
    let manager = manager_database();
    let checkout = Checkout::new([&manager, NONE, NONE]);
    let _ = xtask(&checkout, "db-status --check").code(0).says("✅ Database is up-to-date");
    let down = xtask(&checkout, "db-migrate --direction=downgrade --target=-1 --json").code(0).json();
    assert_eq!((ids(&down["reverted"]), &down["after"]), (vec![MANAGER_HEAD], &json!(["d17b4e9c25a8"])));
    assert!(std::fs::metadata(down["backup"].as_str().unwrap()).unwrap().len() > 100_000);
    assert_eq!(versions(&manager), ["d17b4e9c25a8"]);
    let behind = xtask(&checkout, "db-status --json --check").code(4).json();
    assert_eq!(ids(&behind["components"][0]["pending"]), [MANAGER_HEAD]);
    let _ = xtask(&checkout, "db-migrate")
        .code(0)
        .says("d17b4e9c25a8 → d1117da8d8bd: Put customized images back in personal projects");
    assert_eq!(versions(&manager), [MANAGER_HEAD]);
}

/// The component's database is not there, so the throwaway one is made as the developers make theirs.
#[test]
#[ignore = "installs 440 MB: cargo test -- --ignored, as cargo xtask ci does"]
fn the_head_goes_round_on_a_database_made_by_the_baseline_command() {
    if !is_possible() {
        return;
    }
    let checkout = Checkout::new([NONE, NONE, NONE]);
    let trip = xtask(&checkout, "db-roundtrip --json").code(0).json();
    assert_eq!(trip["baseline"], "made by `./backend.ai mgr schema oneshot -f {config}`");
    // A database that was made at once holds the revision already, and nothing says what stood below it.
    let head = find(&trip, MANAGER_HEAD);
    assert_eq!((&trip["tested"], &head["verdict"]), (&json!(1), &json!("unproven")), "{head}");
    let left = cluster().client("postgres").query("select 1 from pg_database where datname = $1", &[&NONE]).unwrap();
    assert!(left.is_empty(), "a round trip must not make the component's own database");
}

/// The last five are a chain. The fifth, b8e0c1f4a276, is broken on a database that `schema oneshot` made: its
/// `upgrade()` grants something to two role presets that it names by fixed ids, and such a database has no role presets.
/// It has never run there (the database was stamped), its `downgrade()` finds nothing to delete, and the upgrade after
/// that is refused by the foreign key (23503).
#[test]
#[ignore = "installs 440 MB: cargo test -- --ignored, as cargo xtask ci does"]
fn the_last_five_of_the_manager_and_the_defect_among_them() {
    if !is_possible() {
        return;
    }
    let manager = manager_database();
    let checkout = Checkout::new([&manager, NONE, NONE]);
    let trip = xtask(&checkout, "db-roundtrip --steps 5 --json").code(4).json();
    assert_eq!(ids(&trip["results"]), [MANAGER_HEAD, "d17b4e9c25a8", "a91c4e7d0b35", "c7a3f18d6b04", "b8e0c1f4a276"]);
    let verdicts: Vec<&Value> = trip["results"].as_array().unwrap().iter().map(|result| &result["verdict"]).collect();
    assert_eq!(verdicts, ["unproven", "unproven", "unproven", "unproven", "failed"]);
    let failed = find(&trip, "b8e0c1f4a276");
    let error = &failed["error"];
    assert_eq!((&failed["step"], &error["kind"]), (&json!("re-upgrade"), &json!("foreign-key-violation")), "{failed}");
    assert_eq!((&error["sqlstate"], &error["line"]), (&json!("23503"), &json!(58)), "{error}");
    let constraint = "fk_role_permission_presets_role_preset_id_role_presets";
    assert!(error["details"].as_str().unwrap().contains(constraint), "{error}");
    assert_eq!(versions(&manager), [MANAGER_HEAD], "the component's own database was touched");
}

/// The app proxy's models let four times be null that the migrations do not. Alembic's own `check` says the same of a
/// database at the head. What it does not compare: the enum type `proxyprotocol` lacks three labels of the models, so an
/// app with such a protocol is refused by a database that was migrated; the defaults are left over from columns that
/// were added to tables with rows.
#[test]
#[ignore = "installs 440 MB: cargo test -- --ignored, as cargo xtask ci does"]
fn model_changes_without_a_migration() {
    if !is_possible() {
        return;
    }
    let appproxy = cluster().database();
    let checkout = Checkout::new([NONE, NONE, &appproxy]);
    let _ = xtask(&checkout, "db-check --models -c accountmgr").code(0).says("✅ No model changes in accountmgr");
    let found = xtask(&checkout, "db-check --models -c appproxy --json").code(4).json();
    let columns = ["circuits.created_at", "circuits.updated_at", "workers.created_at", "workers.updated_at"];
    let messages: Vec<&str> =
        found["findings"].as_array().unwrap().iter().map(|one| one["message"].as_str().unwrap()).collect();
    assert_eq!(messages.len(), columns.len() + 1, "{found}");
    for (message, column) in messages.iter().zip(columns) {
        assert!(message.starts_with(&format!("alter_column {column}: NULL: ")), "{message}");
    }
    // What Alembic's own check does not see: the models' enum has labels that no migration adds.
    assert_eq!(messages[columns.len()], "enum type proxyprotocol: PREOPEN, VNC, RDP only in the models");
    let _ = xtask(&checkout, "db-migrate -c appproxy -q").code(0);
    let theirs = checkout.ask(ALEMBIC_CHECK, &json!(null));
    assert_eq!(theirs, json!(columns));
    // The scripts of the installed package are not to be added to: a copy of them is.
    let made = {
        let ini = checkout.root().join("alembic-appproxy.ini");
        let text = std::fs::read_to_string(&ini).unwrap();
        let _ = checkout.ask(COPY_SCRIPTS, &json!(null));
        std::fs::write(&ini, text.replace("ai.backend.appproxy.coordinator.models:alembic", "scripts")).unwrap();
        xtask(&checkout, "db-create-migration -c appproxy -m times --json --roundtrip").code(0).json()
    };
    let kinds: Vec<&Value> = made["unseen"].as_array().unwrap().iter().map(|one| &one["kind"]).collect();
    assert_eq!(kinds[0], "enum", "{made}");
    assert_eq!(made["unseen"][0]["object"], "proxyprotocol");
    let help = made["unseen"][0]["help"].as_str().unwrap();
    for label in ["PREOPEN", "VNC", "RDP"] {
        assert!(help.contains(&format!("ADD VALUE '{label}'")), "{help}");
    }
    assert!(kinds[1..].iter().all(|kind| *kind == "server-default") && kinds.len() == 6, "{made}");
    assert_eq!((&made["roundtrip"]["tested"], &made["roundtrip"]["failed"]), (&json!(1), &json!(0)), "{made}");
}

/// `alembic check`, and its findings as table and column.
const ALEMBIC_CHECK: &str = "
import json, re, sys
from alembic import command, util
from alembic.config import Config
try:
    command.check(Config('alembic-appproxy.ini', stdout=sys.stderr))
    found = []
except util.AutogenerateDiffsDetected as error:
    found = ['.'.join(pair) for pair in re.findall(r\"'modify_nullable', None, '(\\w+)', '(\\w+)'\", str(error))]
print(json.dumps(found))
";

const COPY_SCRIPTS: &str = "
import json, os, shutil
import ai.backend.appproxy.coordinator.models as models
shutil.copytree(os.path.join(models.__path__[0], 'alembic'), 'scripts')
print(json.dumps(None))
";

#[track_caller]
fn find<'a>(trip: &'a Value, revision: &str) -> &'a Value {
    let result = trip["results"].as_array().unwrap().iter().find(|result| result["revision"] == revision);
    result.unwrap_or_else(|| panic!("no result for {revision}: {trip}"))
}

/// Its own command line, behind the pre-flight: what it offers, its words, its exit code; and the words of an old document.
#[test]
#[ignore = "installs 440 MB: cargo test -- --ignored, as cargo xtask ci does"]
fn its_own_command_line() {
    if !is_possible() {
        return;
    }
    let checkout = Checkout::new([NONE, NONE, NONE]);
    let run = |component: &str, subcommand: &str| {
        let xtask = Xtask::new(checkout.root(), &format!("cli-executor --component={component} --subcommand"));
        xtask.arg(subcommand).env("XTASK_CHECK_LIMIT", "1s").run()
    };
    let offered = xtask(&checkout, "cli-executor --component=mgr --json").code(0).json();
    let names: Vec<&str> =
        offered["commands"].as_array().unwrap().iter().map(|it| it["name"].as_str().unwrap()).collect();
    for name in ["dependencies", "etcd", "fixture", "health", "schema", "start-server"] {
        assert!(names.contains(&name), "{offered}");
    }
    drop(run("mgr", "dbschema --help").code(0).says("apply-missing-revisions").says("oneshot"));
    // Without a config nothing is started, and its own check says the same as ours.
    drop(run("mgr", "start-server").code(3).complains("❌ config: there is none"));
    drop(run("mgr", "dependencies verify").code(1).says("bootstrap-config"));
    drop(run("app-proxy-coordinator", "schema --help").code(0).says("oneshot"));
    drop(xtask(&checkout, "cli-executor --component=ag").code(1).complains("No such command 'ag'"));
}
