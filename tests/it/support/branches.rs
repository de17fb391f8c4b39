//! A scene in a git repository, on branches that write migrations: one component with a database, or two. A history is
//! written as `p; a < p; m < a b`, that of two components with an `@` between them: what follows it is the second one's.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ops::Deref;
use std::path::Path;

use serde_json::Value;
use xtask::model::catalog::Snapshot;
use xtask::model::graph::Graph;
use xtask::model::revision::{self, Script};
use xtask::model::rows::Rows;
use xtask::sys::pg::catalog::{self, Options};
use xtask::sys::pg::rows;

use super::crashes::Moment;
use super::made;
pub use super::made::script;
use super::pg::cluster;
use super::project::{SYNC, config};
use super::repo::Repo;
use super::scene::{Scene, url};

/// Config and folder of each component.
const COMPONENTS: [(&str, &str); 2] = [("alembic.ini", "migrations"), ("alembic-appproxy.ini", "appproxy")];

pub struct Branches {
    scene: Scene,
    pub repo: Repo,
    /// One for each component.
    pub databases: Vec<String>,
    /// The scripts that were committed here, on whichever branch, by component and id.
    committed: RefCell<BTreeMap<(usize, String), Script>>,
}

/// What a database is, to be the same after all as before.
#[derive(Debug, PartialEq)]
pub struct Whole {
    pub schema: Snapshot,
    rows: Rows,
    heads: String,
}

/// All that taking back has to restore.
#[derive(Debug, PartialEq)]
pub struct Everything {
    pub git: String,
    pub files: BTreeMap<String, Vec<u8>>,
    pub databases: Vec<Whole>,
}

impl Deref for Branches {
    type Target = Scene;

    fn deref(&self) -> &Scene {
        &self.scene
    }
}

impl Branches {
    /// `main` with these revisions, and as many components as they name.
    pub fn new(revisions: &str) -> Branches {
        Branches::of(Scene::new(), revisions)
    }

    /// The same in a scene that there is; nothing is committed where no revision is named.
    pub fn of(scene: Scene, revisions: &str) -> Branches {
        let mut databases = vec![scene.database.clone()];
        for (ini, folder) in COMPONENTS.iter().skip(1).take(revisions.matches('@').count()) {
            let database = cluster().database();
            scene.write(ini, &config(folder, &url("psycopg", &database)));
            scene.write(&format!("{folder}/env.py"), SYNC);
            databases.push(database);
        }
        scene.write(".gitignore", "__pycache__\n.xtask\nstate\n");
        let repo = Repo::at(scene.root());
        let branches = Branches { scene, repo, databases, committed: RefCell::default() };
        branches.commit(revisions);
        branches
    }

    /// `main` has gone on with `theirs`; `feature`, which is checked out, has `mine`.
    pub fn diverged(base: &str, theirs: &str, mine: &str) -> Branches {
        Branches::new(base).diverge(theirs, mine)
    }

    /// From here, `main` goes on with `theirs`; `feature`, which is checked out, gets `mine`.
    pub fn diverge(self, theirs: &str, mine: &str) -> Branches {
        self.branch("feature", mine).switch("main").commit(theirs).switch("feature");
        self
    }

    /// With `main` merged into the branch that is checked out.
    pub fn merged(self) -> Branches {
        self.repo.merge("main");
        self
    }

    /// Commits revisions, one commit for each.
    pub fn commit(&self, revisions: &str) -> &Branches {
        for (number, (part, (_, folder))) in revisions.split('@').zip(COMPONENTS).enumerate() {
            for line in part.split(';').map(str::trim).filter(|line| !line.is_empty()) {
                let (id, down) = line.split_once('<').unwrap_or((line, ""));
                let (id, text) = (id.trim(), script(id.trim(), down));
                self.repo.commit(&format!("Add {id}"), &[(&path_in(folder, id), &text)]);
                let script = revision::read(Path::new(id), &text).unwrap();
                self.committed.borrow_mut().insert((number, id.to_owned()), script);
            }
        }
        self
    }

    /// A new branch from here, with these revisions.
    pub fn branch(&self, name: &str, revisions: &str) -> &Branches {
        self.repo.git(&["switch", "--quiet", "--create", name]);
        self.commit(revisions)
    }

    pub fn switch(&self, name: &str) -> &Branches {
        self.repo.switch(name);
        self
    }

    /// Puts the databases at these revisions, with a row in each table: `b @ p2`.
    pub fn at(self, places: &str) -> Branches {
        for (number, place) in places.split('@').enumerate() {
            let mut scripts = read(&self.files_of(number));
            let committed = self.committed.borrow();
            scripts.extend(committed.iter().filter(|((of, _), _)| *of == number).map(|(_, script)| script.clone()));
            scripts.sort_by(|one, other| one.id.cmp(&other.id));
            scripts.dedup_by(|one, other| one.id == other.id);
            made::put_at(&self.databases[number], &Graph::build(scripts).unwrap(), place);
        }
        self
    }

    /// What lies in the folders of the scripts, by path.
    pub fn files(&self) -> BTreeMap<String, Vec<u8>> {
        (0..self.databases.len()).flat_map(|number| self.files_of(number)).collect()
    }

    fn files_of(&self, number: usize) -> BTreeMap<String, Vec<u8>> {
        let folder = format!("{}/versions", COMPONENTS[number].1);
        let entries = std::fs::read_dir(self.path(&folder)).unwrap().map(|entry| entry.unwrap().path());
        let name = |path: &Path| format!("{folder}/{}", path.file_name().unwrap().to_str().unwrap());
        entries.filter(|path| path.is_file()).map(|path| (name(&path), std::fs::read(&path).unwrap())).collect()
    }

    /// The history of the first component's scripts.
    pub fn graph(&self) -> Graph {
        Graph::build(read(&self.files_of(0))).unwrap()
    }

    /// `a<r p< r<p`: every revision with its parents, component by component.
    pub fn history(&self) -> String {
        let one = |number| {
            let scripts = read(&self.files_of(number));
            let mut list: Vec<String> = scripts.iter().map(|it| format!("{}<{}", it.id, it.down.join(","))).collect();
            list.sort();
            list.join(" ")
        };
        (0..self.databases.len()).map(one).collect::<Vec<_>>().join(" @ ")
    }

    /// What the version tables hold.
    pub fn heads(&self) -> String {
        self.databases.iter().map(|database| made::heads(database)).collect::<Vec<_>>().join(" @ ")
    }

    /// The rows of every table of a component.
    pub fn rows(&self, number: usize) -> String {
        made::rows(&self.databases[number])
    }

    /// A component's database: its catalog, the digests of all rows, and the version table.
    pub fn whole(&self, number: usize) -> Whole {
        let name = &self.databases[number];
        let (mut client, options) = (cluster().client(name), Options::default());
        let rows = rows::take(&mut client, &options, None).unwrap();
        Whole { schema: catalog::take(&mut client, &options).unwrap(), rows, heads: made::heads(name) }
    }

    /// SQL in a component's database.
    pub fn sql(&self, number: usize, text: &str) {
        cluster().client(&self.databases[number]).batch_execute(text).unwrap();
    }

    /// Everything that taking back has to restore: head, index and what is in progress; scripts byte for byte;
    /// databases by catalog and rows.
    pub fn everything(&self) -> Everything {
        let git = [
            self.repo.git(&["rev-parse", "--symbolic-full-name", "HEAD"]),
            self.repo.id("HEAD"),
            self.repo.git(&["ls-files", "--stage"]),
            self.repo.git(&["status", "--porcelain"]),
            format!("merging: {}", self.path(".git/MERGE_HEAD").exists()),
        ];
        let databases = (0..self.databases.len()).map(|number| self.whole(number)).collect();
        Everything { git: git.join("\n"), files: self.files(), databases }
    }

    /// All of it as it is now, to be had again.
    pub fn moment(&self) -> Moment {
        Moment::of(self.root(), &self.databases)
    }

    /// Whether a db-merge has stopped and waits.
    pub fn is_pending(&self) -> bool {
        self.path(".xtask/journals/db-merge/journal.json").exists()
    }

    /// Nothing of the flow's own is left behind.
    #[track_caller]
    pub fn nothing_left(&self) {
        assert!(!self.is_pending());
        assert!(!self.path(".xtask/journals/db-merge/rebases").exists());
        assert!(!self.path(".xtask/journals/db-rebase/journal.json").exists());
    }
}

fn path_in(folder: &str, id: &str) -> String {
    format!("{folder}/versions/{id}.py")
}

fn read(files: &BTreeMap<String, Vec<u8>>) -> Vec<Script> {
    let script = |(path, bytes): (&String, &Vec<u8>)| {
        revision::read(Path::new(path), &String::from_utf8(bytes.clone()).unwrap()).unwrap()
    };
    files.iter().map(script).collect()
}

/// `a: p → r` for each move of a JSON answer.
pub fn moves(answer: &Value) -> Vec<String> {
    let ids = |list: &Value| {
        list.as_array().unwrap().iter().map(|id| id.as_str().unwrap().to_owned()).collect::<Vec<_>>().join("+")
    };
    let one = |it: &Value| format!("{}: {} → {}", it["revision"].as_str().unwrap(), ids(&it["from"]), ids(&it["to"]));
    answer["moved"].as_array().unwrap().iter().map(one).collect()
}

/// `git merge:ok db-status:ok …` of a JSON answer.
pub fn steps(answer: &Value) -> String {
    let steps = answer["steps"].as_array().unwrap().iter();
    let words = steps.map(|it| format!("{}:{}", it["name"].as_str().unwrap(), it["outcome"].as_str().unwrap()));
    words.collect::<Vec<_>>().join(" ")
}
