//! Random histories of up to 200 revisions with random branches: after a rebase there is one head, no revision is lost,
//! nothing released is touched, a second plan is empty, Alembic reads the same graph as we do, and a fresh upgrade runs.

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use xtask::model::edit::{Places, repoint};
use xtask::model::graph::{Graph, Links};
use xtask::model::rebase::{Change, Wish, plan};
use xtask::model::revision::{self, Script};
use xtask::sys::run::Cmd;
use xtask::ui::{Options, Ui};

use crate::support::branches::script;
use crate::support::pg::cluster;
use crate::support::project::SYNC;
use crate::support::python::python;
use crate::support::random::Random;

const HISTORIES: u64 = 40;

/// Reads every folder and answers with its heads and everybody's parents.
const ALEMBIC: &str = "
import json, sys, warnings
from alembic.script import ScriptDirectory
warnings.simplefilter('error')
answers = []
for folder in json.load(sys.stdin):
    script = ScriptDirectory(folder)
    parents = {r.revision: sorted(r._versioned_down_revisions) for r in script.walk_revisions()}
    answers.append({'heads': sorted(script.get_heads()), 'parents': parents})
json.dump(answers, sys.stdout)
";

/// Of how many histories one is run in PostgreSQL.
const EVERY: usize = 8;

const UPGRADE: &str = "
import json, sys
from alembic import command
from alembic.config import Config
for job in json.load(sys.stdin):
    config = Config()
    config.set_main_option('script_location', job['folder'])
    config.set_main_option('sqlalchemy.url', job['url'].replace('%', '%%'))
    command.upgrade(config, 'head')
";

/// The texts of a history by id, and which ids are released.
fn history(random: &mut Random) -> (BTreeMap<String, String>, HashSet<String>) {
    let size = 3 + random.below(198);
    let shared = 1 + random.below(size);
    let (mut texts, mut released) = (BTreeMap::new(), HashSet::new());
    let mut ids: Vec<(String, bool)> = Vec::new();
    let mut below: BTreeMap<String, HashSet<String>> = BTreeMap::new();
    let mut tip = String::new();
    for number in 0..size {
        let id = format!("r{number:03}");
        // Released ones are one line with a diamond here and there; own ones branch off anywhere.
        let is_released = number < shared || random.one_in(4);
        let pool: Vec<String> = ids.iter().filter(|(_, it)| !is_released || *it).map(|(id, _)| id.clone()).collect();
        let mut down = if is_released { vec![tip.clone()] } else { vec![random.pick(&pool).clone()] };
        if !is_released && random.one_in(4) {
            let other = random.pick(&pool).clone();
            // A parent that is below the other one is no history that Alembic would make.
            let apart = !below[&down[0]].contains(&other) && !below[&other].contains(&down[0]);
            down.extend(apart.then_some(other));
        }
        down.retain(|id| !id.is_empty());
        let mut under: HashSet<String> = down.iter().flat_map(|id| below[id].iter().cloned()).collect();
        under.insert(id.clone());
        below.insert(id.clone(), under);
        let mut text = script(&id, &down.join(" "));
        if random.one_in(8) && !pool.is_empty() {
            text = text.replace("depends_on = None", &format!("depends_on = '{}'", random.pick(&pool)));
        }
        if is_released {
            tip.clone_from(&id);
            released.insert(id.clone());
        }
        texts.insert(id.clone(), text);
        ids.push((id, is_released));
    }
    (texts, released)
}

fn read(texts: &BTreeMap<String, String>) -> Vec<Script> {
    texts.iter().map(|(id, text)| revision::read(Path::new(&format!("{id}.py")), text).unwrap()).collect()
}

/// No parent is an ancestor of another one.
fn is_sensible(graph: &Graph) -> bool {
    graph.scripts().all(|script| {
        script.down.iter().all(|one| {
            let others: Vec<&String> = script.down.iter().filter(|it| *it != one).collect();
            !graph.ancestors(&others, Links::Parents).contains(&one.as_str())
        })
    })
}

#[test]
fn random_histories_get_one_head_and_alembic_agrees() {
    let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("rebase-{}", std::process::id()));
    let (mut folders, mut graphs, mut moved_count, mut seed) = (Vec::new(), Vec::new(), 0, 0);
    while (folders.len() as u64) < HISTORIES {
        seed += 1;
        let mut random = Random::new(seed);
        let (mut texts, released) = history(&mut random);
        let before = Graph::build(read(&texts)).unwrap();
        assert!(is_sensible(&before));
        if before.heads().len() < 2 {
            continue;
        }
        let made = plan(&before, &released, &Wish::Usual).unwrap_or_else(|refusal| panic!("{seed}: {refusal}"));
        let Change::Move(moved) = &made.change else { panic!("history {seed}: {made:?}") };
        for moved in moved {
            assert!(!released.contains(&moved.revision), "history {seed}: {moved} is released");
            let text = &texts[&moved.revision];
            let script = before.get(&moved.revision).unwrap();
            let spans = script.spans.clone();
            let others = [spans.revision, spans.depends_on].into_iter().flatten().collect();
            let places = Places { down_revision: spans.down_revision.unwrap(), docstring: spans.docstring, others };
            texts.insert(moved.revision.clone(), repoint(text, &places, &moved.to).unwrap());
        }
        let after = Graph::build(read(&texts)).unwrap_or_else(|problems| panic!("history {seed}: {problems:?}"));
        assert_eq!(after.heads().len(), 1, "history {seed}");
        assert_eq!(after.len(), before.len(), "history {seed}");
        let whole = after.ancestors(&after.heads(), Links::Parents);
        assert_eq!(whole.len(), before.len(), "history {seed}: a revision is off the way");
        assert!(is_sensible(&after), "history {seed}: a parent is an ancestor of another one");
        let again = plan(&after, &released, &Wish::Usual).unwrap();
        assert_eq!(again.change, Change::Nothing, "history {seed}");
        moved_count += moved.len();
        let folder = root.join(format!("{seed:04}"));
        fs::create_dir_all(folder.join("versions")).unwrap();
        for (id, text) in &texts {
            fs::write(folder.join("versions").join(format!("{id}.py")), text).unwrap();
        }
        folders.push(folder);
        graphs.push(after);
    }
    assert!(moved_count > 400, "only {moved_count} revisions moved");
    let output = Cmd::new(python(), Path::new(env!("CARGO_MANIFEST_DIR")))
        .args(["-c", ALEMBIC])
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .stdin(json!(folders).to_string())
        .read(&Ui::new(Options::default()))
        .unwrap();
    let answers: Vec<Value> = serde_json::from_str(&output).unwrap();
    for (graph, answer) in graphs.iter().zip(&answers) {
        assert_eq!(json!(graph.heads()), answer["heads"]);
        for script in graph.scripts() {
            let mut parents = script.down.clone();
            parents.sort();
            assert_eq!(json!(parents), answer["parents"][&script.id], "{}", script.id);
        }
    }
    upgrade_fresh(&folders, &graphs);
    fs::remove_dir_all(&root).unwrap();
}

/// A fresh database for some of the histories, upgraded by Alembic itself in one process: every revision runs.
fn upgrade_fresh(folders: &[PathBuf], graphs: &[Graph]) {
    let chosen: Vec<usize> = (0..folders.len()).step_by(EVERY).collect();
    let databases: Vec<String> = chosen.iter().map(|_| cluster().database()).collect();
    let mut jobs = Vec::new();
    for (&at, database) in chosen.iter().zip(&databases) {
        fs::write(folders[at].join("env.py"), SYNC).unwrap();
        jobs.push(json!({"folder": folders[at], "url": cluster().url("psycopg2", database)}));
    }
    let _ = Cmd::new(python(), Path::new(env!("CARGO_MANIFEST_DIR")))
        .args(["-c", UPGRADE])
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .stdin(Value::from(jobs).to_string())
        .read(&Ui::new(Options::default()))
        .unwrap();
    for (&at, database) in chosen.iter().zip(&databases) {
        let mut client = cluster().client(database);
        let rows = client.query("select version_num::text from alembic_version", &[]).unwrap();
        let heads: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
        assert_eq!(heads, graphs[at].heads(), "{}", folders[at].display());
        let count = "select count(*) from pg_tables where tablename like 't\\_r%'";
        let tables: i64 = client.query_one(count, &[]).unwrap().get(0);
        assert_eq!(tables as usize, graphs[at].len(), "{}", folders[at].display());
    }
}
