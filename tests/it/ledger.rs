//! The silent skip: a database that holds a revision which was given other parents counts as having run what is below it
//! now. It is found by the ledger, or by git and what the database lacks, and the commands that are printed put it right.
//! As important: nobody is accused wrongly. Real git, real PostgreSQL, real Alembic.

use std::fs;

use serde_json::Value;
use xtask::model::catalog::Snapshot;
use xtask::model::url::DbUrl;
use xtask::sys::pg::{Db, VersionTable};
use xtask::sys::run::Cmd;

use crate::support::branches::{Branches, script};
use crate::support::pg::cluster;
use crate::support::project::SYNC;
use crate::support::project::path;
use crate::support::python::{python, quiet};
use crate::support::scene::{Scene, sql};
use crate::support::xtask::Output;

/// On `feature`: p, then a and b; the database is brought to b by this tool. Then main, with r and s on p, is merged.
fn migrated() -> Branches {
    let case = before_merge();
    let _ = case.run("db-migrate").code(0);
    case.repo.merge("main");
    case
}

/// As that, with nothing migrated and nothing merged yet.
fn before_merge() -> Branches {
    Branches::diverged("p", "r < p; s < r", "a < p; b < a")
}

/// What `db-status` says of the one component.
fn status(case: &Branches) -> Value {
    case.run("db-status --json").code(0).json()["components"][0].clone()
}

fn implied(case: &Branches) -> String {
    let found = status(case);
    found["implied"].as_array().unwrap().iter().map(|it| it["revision"].as_str().unwrap()).collect::<Vec<_>>().join(" ")
}

/// Puts `a` on `s` as one would with an editor.
fn by_hand(case: &Branches) {
    case.repo.write(path("a"), &script("a", "s"));
}

fn alembic(case: &Branches, words: &str) -> String {
    let cmd = Cmd::new(python(), case.root()).args(["-m", "alembic"]).args(words.split(' '));
    cmd.env("PYTHONDONTWRITEBYTECODE", "1").read(&quiet()).unwrap()
}

/// Runs the commands that `db-status` prints, word for word.
fn put_right(case: &Branches) -> Vec<Output> {
    let commands = status(case)["put_right"].clone();
    let commands: Vec<&str> = commands.as_array().unwrap().iter().map(|it| it.as_str().unwrap()).collect();
    assert_eq!(commands.len(), 2);
    commands.iter().map(|command| case.run(command.strip_prefix("cargo xtask ").unwrap()).code(0)).collect()
}

/// Everything ran once and only once, and there is nothing more to say.
fn is_right(case: &Branches) {
    let _ = case.run("db-status --check").code(0);
    let tables = case.rows(0);
    for id in ["p", "r", "s", "a", "b"] {
        assert!(tables.contains(&format!("t_{id}:")), "{id} never ran: {tables}");
    }
    assert_eq!((case.heads().as_str(), implied(case).as_str()), ("b", ""));
}

#[test]
fn a_rebase_without_the_database_is_found_and_the_commands_put_it_right() {
    let case = migrated();
    let _ = case.run("db-rebase --no-db").code(0);
    let text = case.run("db-status").code(0);
    for part in [
        "❌ Database has skipped migrations",
        "  - s (Add s): a was put from p on s",
        "  1. cargo xtask db-migrate --direction=downgrade --target=p\n  2. cargo xtask db-migrate\n",
        "  1. Run what this prints, without its lines about the version table: ",
        " -m alembic -c alembic.ini upgrade p:s --sql\n",
    ] {
        assert!(text.stdout.contains(part), "{part:?}\n{text}");
    }
    let found = status(&case);
    assert_eq!(found["state"], "up-to-date", "as Alembic sees it");
    assert_eq!(found["implied"][0]["told_by"], "ledger");
    assert_eq!(found["implied"][0]["because"], serde_json::json!({"revision": "a", "from": ["p"], "to": ["s"]}));
    assert_eq!(implied(&case), "s r");
    let _ = case.run("db-status --check").code(4);
    let _ = case.run("db-status --all --check").code(4).says("up-to-date, 2 never ran");
    let idle = case.run("db-migrate").code(0).says("Nothing to do").complains("having run s, r, and never did");
    let _ = idle.complains("  1. cargo xtask db-migrate --direction=downgrade --target=p");
    let outputs = put_right(&case);
    assert!(
        outputs[0].stdout.contains("s → r: Add s (never ran: there is nothing to undo) (reverted)"),
        "{}",
        outputs[0]
    );
    is_right(&case);
}

#[test]
fn an_edit_by_hand_is_found_also_when_more_was_applied_since() {
    let case = before_merge();
    let _ = case.run("db-migrate --target=a").code(0);
    case.repo.merge("main");
    by_hand(&case);
    assert_eq!(implied(&case), "s r");
    let _ = case.run("db-migrate").code(0).complains("counts as having run s, r, and never did");
    assert_eq!(case.heads(), "b");
    assert_eq!(implied(&case), "s r", "what is known stays known");
    let _ = case.run("db-rebase --onto=r --json").code(3);
    let dry = case.run("db-migrate --direction=downgrade --target=p --dry-run").code(0);
    assert!(dry.stdout.contains("s → r: Add s (never ran"), "{dry}");
    put_right(&case);
    is_right(&case);
}

#[test]
fn a_round_trip_in_place_leaves_what_never_ran_alone_and_the_ledger_whole() {
    let case = migrated();
    by_hand(&case);
    case.sql(0, "create table t_s (v int); insert into t_s select generate_series(1, 5)");
    let before = case.rows(0);
    let refused = case.run("db-roundtrip --in-place --yes --all --json").code(3);
    assert_eq!(refused.kind(), "wrong-database");
    assert!(refused.stderr.contains("s (Add s): a was put from p on s"), "{refused}");
    let _ = case.run("db-roundtrip --in-place --yes --steps 1").code(0);
    assert_eq!((case.rows(0), implied(&case).as_str()), (before, "s r"), "what is known stays known");
}

#[test]
fn half_of_the_way_back_is_still_known() {
    let case = migrated();
    by_hand(&case);
    let _ = case.run("db-migrate --direction=downgrade --target=s").code(0);
    assert_eq!((case.heads().as_str(), implied(&case).as_str()), ("s", "s r"));
    put_right(&case);
    is_right(&case);
}

#[test]
fn a_rebase_is_refused_on_top_of_it() {
    let case = migrated();
    by_hand(&case);
    case.repo.git(&["commit", "--quiet", "--all", "-m", "by hand"]);
    case.branch("more", "c < b").switch("main").commit("u < s").switch("more").repo.merge("main");
    let before = case.files();
    let output = case.run("db-rebase --json").code(3);
    assert_eq!(output.kind(), "wrong-database");
    assert!(output.stderr.contains("--direction=downgrade --target=p"), "{output}");
    assert_eq!(case.files(), before);
}

#[test]
fn without_a_ledger_git_and_the_database_tell_it() {
    let case = before_merge();
    alembic(&case, "upgrade head");
    case.repo.merge("main");
    by_hand(&case);
    let found = status(&case);
    assert_eq!(found["implied"][0]["told_by"], "database");
    assert_eq!(found["implied"][0]["lacks"], serde_json::json!(["table t_s"]));
    assert_eq!(implied(&case), "s r");
    // Also after git has forgotten it but for the reflog.
    case.repo.git(&["commit", "--quiet", "--all", "-m", "by hand"]);
    let files = case.files();
    case.repo.git(&["reset", "--quiet", "--hard", "main"]);
    for (path, bytes) in &files {
        case.repo.write(path, &String::from_utf8_lossy(bytes));
    }
    assert_eq!(implied(&case), "s r");
    put_right(&case);
    is_right(&case);
}

#[test]
fn what_plain_alembic_did_properly_is_not_accused() {
    let case = before_merge();
    alembic(&case, "upgrade head");
    assert_eq!(implied(&case), "");
    case.repo.merge("main");
    alembic(&case, "downgrade p");
    by_hand(&case);
    alembic(&case, "upgrade head");
    is_right(&case);
    // One that takes away again what it made, and one that nobody can tell.
    for (id, upgrade) in [("r", "pass"), ("s", "op.execute('create table t_s (v int)'); op.drop_table('t_s')")] {
        let text = fs::read_to_string(case.root().join(path(id))).unwrap();
        let line = format!("op.execute('create table t_{id} (v int)')");
        case.repo.write(path(id), &text.replace(&line, upgrade));
    }
    case.sql(0, "drop table t_r");
    assert_eq!(implied(&case), "");
}

#[test]
fn what_the_ledger_cannot_know_is_not_accused() {
    // Somebody else took the database down and up again, under the new parents.
    let case = migrated();
    alembic(&case, "downgrade p");
    by_hand(&case);
    alembic(&case, "upgrade head");
    is_right(&case);
    // The next walk begins the ledger anew.
    let _ = case.run("db-migrate --direction=downgrade --target=a").code(0);
    let _ = case.run("db-migrate").code(0);
    is_right(&case);
}

#[test]
fn a_stamp_is_somebodys_word() {
    let case = migrated();
    by_hand(&case);
    alembic(&case, "stamp p");
    assert_eq!(implied(&case), "");
    case.sql(0, "drop table t_a; drop table t_b");
    let _ = case.run("db-migrate").code(0);
    is_right(&case);
}

#[test]
fn a_proper_rebase_a_merge_revision_and_a_way_down_and_up_leave_nothing_to_say() {
    let case = migrated();
    let _ = case.run("db-rebase").code(0);
    is_right(&case);
    let _ = case.run("db-migrate --direction=downgrade --target=base").code(0);
    let _ = case.run("db-migrate").code(0);
    is_right(&case);
    let merged = migrated();
    let _ = merged.run("db-rebase --merge").code(0);
    assert_eq!(implied(&merged), "");
    let _ = merged.run("db-migrate").code(0);
    assert_eq!(implied(&merged), "");
    assert!(merged.rows(0).contains("t_s:"), "{}", merged.rows(0));
}

#[test]
fn both_sides_applied_and_then_put_in_a_line_is_no_skip() {
    let case = migrated();
    let _ = case.run("db-migrate --target=heads").code(0);
    by_hand(&case);
    assert_eq!(implied(&case), "");
}

#[test]
fn a_revision_that_does_nothing_cannot_be_missed() {
    let case = migrated();
    let _ = case.run("db-migrate --target=heads").code(0);
    let nothing = script("m", "p s").replace("op.execute('create table t_m (v int)')", "pass");
    case.repo.write(path("m"), &nothing).write(path("a"), &script("a", "m"));
    assert_eq!(implied(&case), "");
    case.repo.write(path("m"), &script("m", "p s"));
    assert_eq!(implied(&case), "m");
}

#[test]
fn a_clone_knows_what_its_original_knows_and_a_dropped_ledger_nothing() {
    let case = migrated();
    by_hand(&case);
    let clone = cluster().clone_of(&case.database);
    let ini = fs::read_to_string(case.root().join("alembic.ini")).unwrap();
    case.repo.write("alembic.ini", &ini.replace(&case.database, &clone));
    assert_eq!(status(&case)["implied"][0]["told_by"], "ledger");
    let sql = |text: &str| cluster().client(&clone).batch_execute(text).unwrap();
    sql("drop schema xtask cascade");
    assert_eq!(status(&case)["implied"][0]["told_by"], "database", "the tables are missing all the same");
    sql("create table t_r (v int); create table t_s (v int)");
    assert_eq!(implied(&case), "", "and nothing is known once somebody has made them");
}

#[test]
fn the_ledger_says_what_ran_when_and_by_what() {
    let case = migrated();
    let rows = "select string_agg(concat_ws(' ', version_table, revision, array_to_string(parents, '+'), how, \
                length(digest), written_by, mark is not null), '; ' order by revision) from xtask.ledger \
                where written_at > now() - interval '1 hour'";
    let said: String = case.client().query_one(rows, &[]).unwrap().get(0);
    let by = format!("xtask {}, db-migrate", env!("CARGO_PKG_VERSION"));
    let row = |id: &str, parents: &str, head: &str| {
        let parents = if parents.is_empty() { String::new() } else { format!("{parents} ") };
        // An empty array has no text.
        let parents = if parents.is_empty() { " ".to_owned() } else { parents };
        format!("public.alembic_version {id} {parents}ran 64 {by} {head}")
    };
    let expected = [row("a", "p", "f"), row("b", "a", "t"), row("p", "", "f")].join("; ");
    assert_eq!(said, expected);
    let _ = case.run("db-migrate --direction=downgrade --target=base").code(0);
    let left = case.client().query_one("select count(*) from xtask.ledger", &[]).unwrap();
    assert_eq!(left.get::<_, i64>(0), 0);
}

/// What stood below a revision, as the ledger knows it.
fn below(case: &Branches, id: &str) -> Option<Snapshot> {
    let mut db = Db::connect(&DbUrl::parse(&cluster().url("psycopg2", &case.database)).unwrap(), "test").unwrap();
    let now = case.whole(0).schema;
    xtask::work::ledger::recorded_below(&mut db, &VersionTable::default(), id, &now)
}

#[test]
fn what_stood_below_a_revision_is_known_from_when_it_was_applied() {
    let case = before_merge();
    let _ = case.run("db-migrate --target=a").code(0);
    let at_a = case.whole(0).schema;
    // It brings back another type than there was, and leaves a table behind.
    let body = script("b", "a")
        .replace("'create table t_b (v int)'", "'alter table t_a alter v type bigint using v::bigint'")
        .replace("'drop table t_b'", "'alter table t_a alter v type text; create table left_behind ()'");
    case.repo.write(path("b"), &body);
    let _ = case.run("db-migrate").code(0);
    assert_eq!(below(&case, "b"), Some(at_a.clone()));
    assert!(below(&case, "p").is_some(), "it ran with another one in one transaction, which was looked into");
    // What its own downgrade left is no reference; what stood there before it is.
    let _ = case.run("db-migrate --direction=downgrade --target=a").code(0);
    case.repo.write(path("b"), &body.replace("create table left_behind ()", "drop table left_behind"));
    let _ = case.run("db-migrate").code(0);
    assert_eq!(below(&case, "b").unwrap().len(), at_a.len() + 1, "the left table counts as somebody's");
    case.sql(0, "drop table left_behind");
    assert_eq!(below(&case, "b"), Some(at_a));
    case.sql(0, "alter table t_a alter v type text");
    assert_eq!(below(&case, "b"), None, "the database has not kept what it made");
}

#[test]
fn each_revision_is_seen_where_it_is_committed_by_itself_and_an_older_ledger_is_brought_up_to_date() {
    let case = before_merge();
    let per_migration = SYNC.replace("target_metadata=target_metadata)", "transaction_per_migration=True)");
    case.repo.write("migrations/env.py", &per_migration);
    let _ = case.run("db-migrate --target=p").code(0);
    case.sql(0, "drop table xtask.run; drop table xtask.script; update xtask.ledger set how = 'implied'");
    assert_eq!(implied(&case), "p", "the word of older versions");
    case.sql(0, "update xtask.ledger set how = 'ran'");
    let _ = case.run("db-migrate").code(0);
    let at_b = case.whole(0).schema;
    let below_b = below(&case, "b").unwrap();
    assert_eq!(below_b.len() + 2, at_b.len(), "a table and its column");
    assert!(below(&case, "a").is_some());
    assert_eq!(below(&case, "p"), None, "from before");
    let said = "select string_agg(concat_ws(' ', r.revision, r.direction, s.path, position(r.revision in s.body) > 0), \
                '; ' order by r.revision) from xtask.run r join xtask.script s using (digest)";
    let said: String = case.client().query_one(said, &[]).unwrap().get(0);
    assert_eq!(said, "a up migrations/versions/a.py t; b up migrations/versions/b.py t");
}

#[test]
fn a_script_that_was_edited_since_it_ran_is_told() {
    let case = before_merge();
    let _ = case.run("db-migrate").code(0);
    let comment =
        format!("# A comment, and another way down.\n{}", script("a", "p").replace("drop table", "drop  table"));
    case.repo.write(path("a"), &comment);
    assert_eq!(status(&case)["edited"], serde_json::json!([]), "what an upgrade does is the same");
    case.repo.write(path("a"), &script("a", "p").replace("(v int)", "(v int, w int)"));
    let edited = &status(&case)["edited"];
    assert_eq!((&edited[0]["revision"], &edited[0]["differs"]), (&"a".into(), &serde_json::json!(["upgrade()"])));
    let _ = case.run("db-status").code(0).says("  - a (upgrade()), which ran on 20");
    let _ = case.run("db-migrate --direction=downgrade --target=p").code(0);
    let _ = case.run("db-migrate").code(0);
    assert_eq!(status(&case)["edited"], serde_json::json!([]), "it has run");
}

const MAKO: &str = "revision = ${repr(up_revision)}\ndown_revision = ${repr(down_revision)}\n\n\
                    def upgrade():\n    ${upgrades if upgrades else 'pass'}\n";

/// env.py with more in `configure`, and a model of nothing.
fn env_with(more: &str) -> String {
    SYNC.replace("target_metadata = None", "import sqlalchemy\ntarget_metadata = sqlalchemy.MetaData()")
        .replace("target_metadata=target_metadata)", &format!("target_metadata=target_metadata, {more})"))
}

#[test]
fn autogenerate_never_proposes_to_drop_it() {
    let named = "include_schemas=True, include_name=lambda name, kind, parents: kind != 'schema' or name != 'xtask'";
    let thing =
        "include_schemas=True, include_object=lambda thing, name, kind, *_: getattr(thing, 'schema', '') != 'xtask'";
    for (more, is_made) in [("", true), ("include_schemas=True", false), (named, true), (thing, true)] {
        let case = before_merge();
        case.repo.write("migrations/env.py", &env_with(more)).write("migrations/script.py.mako", MAKO);
        let output = case.run("db-migrate --verbose").code(0);
        let there = case.client().query_one("select to_regclass('xtask.ledger') is not null", &[]);
        assert_eq!(there.unwrap().get::<_, bool>(0), is_made, "{more}");
        assert_eq!(output.stderr.contains("no ledger is made"), !is_made, "{more}: {output}");
        alembic(&case, "revision --autogenerate --rev-id zz -m zz");
        let folder = case.root().join("migrations/versions");
        let text = fs::read_to_string(folder.join("zz_zz.py")).unwrap();
        assert!(text.contains("drop_table('t_p')"), "autogenerate has looked\n{text}");
        assert!(!text.contains("ledger") && !text.contains("xtask"), "{more}\n{text}");
    }
}

#[test]
fn a_role_that_may_not_make_it_migrates_without() {
    let case = before_merge();
    let role = format!("r_{}", case.database);
    case.sql(0, &format!("create role {role} login; grant all on schema public to {role}"));
    let ini = fs::read_to_string(case.root().join("alembic.ini")).unwrap();
    let user = format!("//{}:", crate::support::pg::SUPERUSER);
    case.repo.write("alembic.ini", &ini.replace(&user, &format!("//{role}:")));
    let output = case.run("db-migrate --verbose").code(0).complains("the ledger could not be written");
    assert!(output.stderr.contains("permission denied"), "{output}");
    let _ = case.run("db-migrate --direction=downgrade --target=a").code(0);
    let _ = case.run("db-status").code(0);
    let ordinary = case.run("db-migrate").code(0);
    assert!(!ordinary.stderr.contains("ledger"), "{ordinary}");
}

#[test]
fn a_failed_walk_records_what_stayed() {
    let case = before_merge();
    let broken = script("b", "a").replace("create table t_b", "create table t_a");
    let per_migration = SYNC.replace("target_metadata=target_metadata)", "transaction_per_migration=True)");
    case.repo.write(path("b"), &broken).write("migrations/env.py", &per_migration);
    // The ledger is first made by a walk that went well.
    let _ = case.run("db-migrate --target=p").code(0);
    let _ = case.run("db-migrate").code(1);
    assert_eq!(case.heads(), "a");
    case.repo.write(path("b"), &script("b", "a"));
    case.repo.commit("mend", &[]);
    case.repo.merge("main");
    by_hand(&case);
    assert_eq!((implied(&case).as_str(), status(&case)["implied"][0]["told_by"].as_str()), ("s r", Some("ledger")));
}

/// A backport by Backend.AI's rule: `d` goes in below `b`, its idempotent twin on top, for databases that are past `b`.
#[test]
fn a_skipped_revision_whose_twin_does_the_same_is_no_alarm() {
    let scene = Scene::three().at("head");
    let add = sql("alter table a1 add column if not exists note text");
    let drop_note = sql("alter table a1 drop column if exists note");
    let scene = scene.revision("d4", "a1", &add, &drop_note).table("b2", "d4");
    let status = |code: i32| scene.run("db-status --check --json").code(code).json()["components"][0].clone();
    assert_eq!(status(4)["implied"][0]["revision"], "d4", "without a twin it is one");
    // Words alone make no twin.
    scene.project.write_revision("e5", "c3", &sql("create table e5 (n int)"), &sql("drop table e5"));
    assert_eq!(status(4)["implied"][0]["revision"], "d4");
    scene.project.write_revision("e5", "c3", &add, "pass");
    let waiting = status(4);
    assert_eq!((&waiting["state"], &waiting["implied"]), (&"behind".into(), &serde_json::json!([])), "{waiting}");
    let healed = |is_pending: bool| serde_json::json!([{"revision": "d4", "twin": "e5", "is_pending": is_pending, "is_tried": false}]);
    assert_eq!(waiting["healed"], healed(true));
    let migrated = scene.run("db-migrate").code(0);
    assert!(!migrated.stderr.contains("never did"), "{migrated}");
    let done = status(0);
    assert_eq!((&done["state"], &done["healed"]), (&"up-to-date".into(), &healed(false)));
    let text = scene.run("db-status").code(0).says("✅ Database is up-to-date");
    drop(text.says(
        "Note: d4 was put in below and never ran here; its twin e5 ran and did the same (by their texts; a round trip of e5 tries it).",
    ));
    // A round trip tries it, on a database where d4 never ran and on one where it has.
    let report = scene.run("db-roundtrip --json").code(0).json();
    let notes = report["results"][0]["notes"].to_string();
    assert!(notes.contains("e5 is a twin of d4, tried: it runs where d4 has run"), "{report:#}");
    assert_eq!(status(0)["healed"][0]["is_tried"], true);
    // By the texts e5 does all of it here, too: one does everything that the other does, and the other does more.
    let (more, back) = (format!("{add}\n{}", sql("create table more (n int)")), sql("drop table more"));
    let other = scene.revision("d4", "a1", &more, &format!("{back}\n{drop_note}"));
    let report = other.run("db-roundtrip --json -q").json();
    let notes = report["results"][0]["notes"].to_string();
    assert!(notes.contains("does not make up for it") && notes.contains("table public.more"), "{report:#}");
    let scene = other.revision("d4", "a1", &add, &drop_note);
    // Somebody has taken it away again: the twin's word is not enough.
    let scene = scene.sql("alter table a1 drop column note");
    assert_eq!(scene.run("db-status --check --json").code(4).json()["components"][0]["implied"][0]["revision"], "d4");
}
