//! The workbench: one or two components, each with a database, in a git repository with two branches; and all that taking
//! back has to leave as it was, in one value.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::Value;
use xtask::model::catalog::Snapshot;
use xtask::model::graph::Graph;
use xtask::model::revision;
use xtask::sys::pg::catalog;

use crate::support::crashes::Moment;
use crate::support::made::{self, script};
use crate::support::pg::cluster;
use crate::support::project::SYNC;
use crate::support::python::python;
use crate::support::repo::Repo;
use crate::support::xtask::{Output, Xtask};

/// Name, config, folder of the scripts.
const COMPONENTS: [(&str, &str, &str); 2] =
    [("manager", "alembic.ini", "migrations"), ("appproxy", "alembic-appproxy.ini", "appproxy")];

/// One branch of two components is written as `a < p; @ a2 < p2`: what follows an `@` is the second one's.
pub struct Scene {
    pub repo: Repo,
    pub databases: Vec<String>,
}

/// All that taking back has to restore.
#[derive(Debug, PartialEq)]
pub struct Everything {
    pub git: String,
    pub files: BTreeMap<String, Vec<u8>>,
    pub databases: Vec<(Snapshot, String)>,
}

impl Scene {
    /// `main` with these revisions, and as many components as they name.
    pub fn new(revisions: &str) -> Scene {
        let repo = Repo::new();
        repo.write(".gitignore", "__pycache__\n.xtask\nstate\n");
        let count = 1 + revisions.matches('@').count();
        let databases: Vec<String> = (0..count).map(|_| cluster().database()).collect();
        for ((_, ini, folder), database) in COMPONENTS.iter().zip(&databases) {
            let url = cluster().url("psycopg2", database).replace('%', "%%");
            repo.write(ini, &format!("[alembic]\nscript_location = {folder}\nsqlalchemy.url = {url}\n"));
            repo.write(format!("{folder}/env.py"), SYNC);
        }
        let scene = Scene { repo, databases };
        scene.commit(revisions);
        scene
    }

    /// `main` has gone on with `theirs`, `feature`, which is checked out, has `mine`.
    pub fn diverged(base: &str, theirs: &str, mine: &str) -> Scene {
        let scene = Scene::new(base);
        scene.repo.git(&["switch", "--quiet", "--create", "feature"]);
        scene.commit(mine);
        scene.repo.switch("main");
        scene.commit(theirs);
        scene.repo.switch("feature");
        scene
    }

    pub fn commit(&self, revisions: &str) -> &Scene {
        for (part, (_, _, folder)) in revisions.split('@').zip(COMPONENTS) {
            for line in part.split(';').map(str::trim).filter(|line| !line.is_empty()) {
                let (id, down) = line.split_once('<').unwrap_or((line, ""));
                let id = id.trim();
                self.repo.commit(&format!("Add {id}"), &[(&path_in(folder, id), &script(id, down))]);
            }
        }
        self
    }

    /// Puts the databases at these revisions, with a row in each table: `b @ p2`.
    pub fn at(self, places: &str) -> Scene {
        for (number, place) in places.split('@').enumerate() {
            self.repo.switch("feature");
            let mut scripts = self.scripts(number);
            self.repo.switch("main");
            scripts.extend(self.scripts(number));
            self.repo.switch("feature");
            made::put_at(&self.databases[number], &graph(&scripts), place);
        }
        self
    }

    pub fn root(&self) -> &Path {
        self.repo.root()
    }

    pub fn xtask(&self, words: &str) -> Xtask {
        Xtask::new(self.root(), words).env("PYTHONDONTWRITEBYTECODE", "1").env("XTASK_PYTHON", python())
    }

    pub fn run(&self, words: &str) -> Output {
        self.xtask(words).run()
    }

    /// The scripts of a component, by path.
    fn scripts(&self, number: usize) -> BTreeMap<String, Vec<u8>> {
        let folder = format!("{}/versions", COMPONENTS[number].2);
        let entries = fs::read_dir(self.root().join(&folder)).unwrap().map(|entry| entry.unwrap().path());
        let files = entries.filter(|path| path.is_file());
        files
            .map(|path| (format!("{folder}/{}", path.file_name().unwrap().to_str().unwrap()), fs::read(path).unwrap()))
            .collect()
    }

    /// `a<r p< r<p`: every revision with its parents, component by component.
    pub fn history(&self) -> String {
        let one = |number| {
            let graph = graph(&self.scripts(number));
            let mut list: Vec<String> = graph.scripts().map(|it| format!("{}<{}", it.id, it.down.join(","))).collect();
            list.sort();
            list.join(" ")
        };
        (0..self.databases.len()).map(one).collect::<Vec<_>>().join(" @ ")
    }

    /// What the version tables hold.
    pub fn heads(&self) -> String {
        self.databases.iter().map(|database| made::heads(database)).collect::<Vec<_>>().join(" @ ")
    }

    /// The rows of every table, component by component.
    pub fn rows(&self, number: usize) -> String {
        made::rows(&self.databases[number])
    }

    /// Everything that taking back has to restore: head, index and what is in progress; scripts byte for byte;
    /// databases by catalog and rows.
    pub fn everything(&self) -> Everything {
        let git = [
            self.repo.git(&["symbolic-ref", "-q", "HEAD"]),
            self.repo.id("HEAD"),
            self.repo.git(&["ls-files", "--stage"]),
            self.repo.git(&["status", "--porcelain"]),
            format!("merging: {}", self.root().join(".git/MERGE_HEAD").exists()),
        ];
        let files = (0..self.databases.len()).flat_map(|number| self.scripts(number)).collect();
        let options = catalog::Options { version_tables: vec!["alembic_version".to_owned()] };
        let databases = self.databases.iter().enumerate();
        let databases = databases
            .map(|(number, name)| (catalog::take(&mut cluster().client(name), &options).unwrap(), self.rows(number)))
            .collect();
        Everything { git: git.join("\n"), files, databases }
    }

    /// All of it as it is now, to be had again.
    pub fn moment(&self) -> Moment {
        Moment::of(self.root(), &self.databases)
    }

    /// Whether a db-merge has stopped and waits.
    pub fn is_pending(&self) -> bool {
        self.root().join(".xtask/journals/db-merge/journal.json").exists()
    }

    /// Nothing of the flow's own is left behind.
    #[track_caller]
    pub fn nothing_left(&self) {
        assert!(!self.is_pending());
        assert!(!self.root().join(".xtask/journals/db-merge/rebases").exists());
        assert!(!self.root().join(".xtask/journals/db-rebase/journal.json").exists());
    }
}

/// The path of a revision's script of the first component.
pub fn path(id: &str) -> String {
    path_in(COMPONENTS[0].2, id)
}

fn path_in(folder: &str, id: &str) -> String {
    format!("{folder}/versions/{id}.py")
}

fn graph(files: &BTreeMap<String, Vec<u8>>) -> Graph {
    let script = |(path, bytes): (&String, &Vec<u8>)| {
        revision::read(Path::new(path), &String::from_utf8(bytes.clone()).unwrap()).unwrap()
    };
    Graph::build(files.iter().map(script).collect()).unwrap()
}

/// `git merge:ok db-status:ok …` of a JSON answer.
pub fn steps(answer: &Value) -> String {
    let steps = answer["steps"].as_array().unwrap().iter();
    let words = steps.map(|it| format!("{}:{}", it["name"].as_str().unwrap(), it["outcome"].as_str().unwrap()));
    words.collect::<Vec<_>>().join(" ")
}
