//! The workbench: an Alembic project in a git repository, on branches that write migrations.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;
use xtask::model::graph::Graph;
use xtask::model::revision;

pub use crate::support::made::script;
use crate::support::project::SYNC;
use crate::support::repo::Repo;
use crate::support::xtask::{Output, Xtask};

/// Nobody listens there.
pub const NOWHERE: &str = "postgresql+psycopg2://nobody@127.0.0.1:9/nothing";

/// The path of a revision's script.
pub fn path(id: &str) -> String {
    format!("migrations/versions/{id}.py")
}

/// A project in a repository.
pub struct Bench {
    pub repo: Repo,
}

impl Bench {
    /// With these revisions on `main`, each `id < parents`.
    pub fn new(url: &str, revisions: &str) -> Bench {
        let repo = Repo::new();
        let ini = format!("[alembic]\nscript_location = migrations\nsqlalchemy.url = {}\n", url.replace('%', "%%"));
        repo.write("alembic.ini", &ini)
            .write("migrations/env.py", SYNC)
            .write(".gitignore", "__pycache__\n.xtask\nstate\n");
        let bench = Bench { repo };
        bench.commit(revisions);
        bench
    }

    /// Commits revisions, one commit for each.
    pub fn commit(&self, revisions: &str) -> &Bench {
        for line in revisions.split(';').map(str::trim).filter(|line| !line.is_empty()) {
            let (id, down) = line.split_once('<').unwrap_or((line, ""));
            let id = id.trim();
            self.repo.commit(&format!("Add {id}"), &[(&path(id), &script(id, down))]);
        }
        self
    }

    /// A new branch from here, with these revisions.
    pub fn branch(&self, name: &str, revisions: &str) -> &Bench {
        self.repo.git(&["switch", "--quiet", "--create", name]);
        self.commit(revisions)
    }

    pub fn switch(&self, name: &str) -> &Bench {
        self.repo.switch(name);
        self
    }

    pub fn run(&self, words: &str) -> Output {
        self.xtask(words).run()
    }

    pub fn xtask(&self, words: &str) -> Xtask {
        Xtask::new(self.repo.root(), words).env("PYTHONDONTWRITEBYTECODE", "1")
    }

    pub fn root(&self) -> &Path {
        self.repo.root()
    }

    /// What the scripts are now, by name.
    pub fn files(&self) -> BTreeMap<String, Vec<u8>> {
        let folder = self.root().join("migrations/versions");
        let entries =
            std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_file());
        entries
            .map(|path| (path.file_name().unwrap().to_str().unwrap().to_owned(), std::fs::read(&path).unwrap()))
            .collect()
    }

    /// `a<p b<a,r`: every revision with its parents, by id.
    pub fn history(&self) -> String {
        let mut list: Vec<String> =
            self.graph().scripts().map(|it| format!("{}<{}", it.id, it.down.join(","))).collect();
        list.sort();
        list.join(" ")
    }

    pub fn graph(&self) -> Graph {
        let scripts = self
            .files()
            .into_iter()
            .map(|(name, bytes)| revision::read(Path::new(&name), &String::from_utf8(bytes).unwrap()).unwrap());
        Graph::build(scripts.collect()).unwrap()
    }
}

/// `a: p → r` for each move of a JSON answer.
pub fn moves(answer: &Value) -> Vec<String> {
    let ids = |list: &Value| {
        list.as_array().unwrap().iter().map(|id| id.as_str().unwrap().to_owned()).collect::<Vec<_>>().join("+")
    };
    let one = |it: &Value| format!("{}: {} → {}", it["revision"].as_str().unwrap(), ids(&it["from"]), ids(&it["to"]));
    answer["moved"].as_array().unwrap().iter().map(one).collect()
}
