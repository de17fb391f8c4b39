//! A project that is edited at random: what a command says with a warm Python is what it says with a fresh one. Six edits
//! unless `XTASK_TEST_EDITS` says how many; `XTASK_TEST_SEED` chooses them.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use super::{forked_from, warm};
use crate::support::project::SYNC;
use crate::support::python::{python, say};
use crate::support::random::Random;
use crate::support::scene::Scene;
use crate::support::xtask::{Folder, Output, Xtask};

/// A project whose one answer is made of everything that may be edited.
pub(super) struct Shop {
    pub(super) scene: Scene,
    pub(super) folder: Folder,
    packages: Folder,
    /// `SHOP_MODE`.
    mode: Option<String>,
}

const SCRIPT: &str = "from alembic import context, op
import extra
from shop import models, settings, word
revision = 'a1'
down_revision = None
def upgrade():
    ini = context.config.get_section_option('shop', 'word')
    parts = ['TEXT', models.VALUE, models.DATA, settings.MODE, word.FLAVOUR, extra.NAME, ini]
    op.execute(\"select '%s'\" % ' '.join(parts))
def downgrade():
    pass
";

impl Shop {
    pub(super) fn new() -> Shop {
        let shop = Shop { scene: Scene::new(), folder: Folder::new(), packages: Folder::new(), mode: None };
        environment(shop.packages.path());
        shop.package("extra.py", "NAME = 'e'");
        shop.write("shop/__init__.py", "");
        shop.write("shop/settings.py", "import os\nMODE = os.environ.get('SHOP_MODE', 's')");
        shop.write("shop/word.py", "FLAVOUR = 'w'");
        shop.models("m");
        shop.write("shop/data.json", "\"d\"");
        shop.env("v");
        shop.write("migrations/versions/a1.py", SCRIPT);
        shop.plain("b1", "a1", "b");
        shop
    }

    fn write(&self, name: &str, text: &str) {
        self.scene.project.write(name, text);
    }

    fn models(&self, value: &str) {
        let data = "open(__file__.replace('models.py', 'data.json'))";
        self.write("shop/models.py", &format!("import json\nVALUE = '{value}'\nDATA = json.load({data})"));
    }

    fn env(&self, flavour: &str) {
        self.write("migrations/env.py", &format!("from shop import models, word\nword.FLAVOUR = '{flavour}'\n{SYNC}"));
    }

    fn plain(&self, id: &str, down: &str, text: &str) {
        self.scene.project.write_revision(id, down, &format!("op.execute(\"select '{text}'\")"), "pass");
    }

    fn site(&self) -> PathBuf {
        site(self.packages.path())
    }

    fn package(&self, name: &str, text: &str) {
        let path = self.site().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    pub(super) fn command(&self, words: &str) -> Xtask {
        let ini = self.scene.project.path("alembic.ini");
        let text = std::fs::read_to_string(&ini).unwrap();
        if !text.contains("[shop]") {
            std::fs::write(ini, text + "\n[shop]\nword = i\n").unwrap();
        }
        let command = warm(&self.scene, &self.folder, words).env("XTASK_WARM", "1");
        let command = command.env("XTASK_PYTHON", self.packages.path().join("bin/python"));
        match &self.mode {
            Some(mode) => command.env("SHOP_MODE", mode),
            None => command,
        }
    }

    /// One of the things that developers do between two commands; what it was.
    fn edit(&mut self, random: &mut Random, count: usize) -> String {
        let kind = random.below(16);
        let new = format!("{}{count}", (b'a' + u8::try_from(random.below(26)).unwrap()) as char);
        match kind {
            0 => self.models(&new),
            1 => self.write("shop/settings.py", &format!("import os\nMODE = os.environ.get('SHOP_MODE', '{new}')")),
            2 => self.env(&new),
            3 => self.ini(&new),
            4 => self.write("shop/data.json", &format!("\"{new}\"")),
            5 => self.mode = random.one_in(2).then(|| new.clone()),
            6 => self.write("migrations/versions/a1.py", &SCRIPT.replace("TEXT", &new)),
            7 => self.plain("b1", "a1", &new),
            8 => self.plain(&format!("c{count}"), "b1", &new),
            9 => self.package("extra.py", &format!("NAME = '{new}'")),
            10 => self.path_file(&new),
            11 => self.shadow(&new),
            12 => self.same_size_and_time(),
            13 => self.write("shop/models.py", "VALUE ="),
            14 => {
                self.write("migrations/versions/a1.py", &SCRIPT.replace("word.FLAVOUR", "'none'").replace(", word", ""))
            }
            _ => {}
        }
        format!("edit {count}: kind {kind}, {new}")
    }

    fn ini(&self, word: &str) {
        let path = self.scene.project.path("alembic.ini");
        let text = std::fs::read_to_string(&path).unwrap();
        let before = text.split_once("\n[shop]").map_or(text.as_str(), |(before, _)| before);
        std::fs::write(&path, format!("{before}\n[shop]\nword = {word}\n")).unwrap();
    }

    /// A line of a `.pth` file that puts another package before those of the environment.
    fn path_file(&self, name: &str) {
        self.package("other/extra.py", &format!("NAME = '{name}'"));
        let other = self.site().join("other");
        self.package("a.pth", &format!("import sys; sys.path.insert(0, {other:?})\n"));
    }

    /// A module of the project that hides a package, or no longer does.
    fn shadow(&self, name: &str) {
        let path = self.scene.project.path("extra.py");
        if path.exists() {
            std::fs::remove_file(path).unwrap();
        } else {
            self.write("extra.py", &format!("NAME = '{name}'"));
        }
    }

    /// Python's own bytecode cache does not notice this one; so its file goes along.
    fn same_size_and_time(&self) {
        let path = self.scene.project.path("shop/word.py");
        let before = std::fs::metadata(&path).unwrap().modified().unwrap();
        let _ = std::fs::remove_dir_all(self.scene.project.path("shop/__pycache__"));
        let flip = if std::fs::read_to_string(&path).unwrap().contains("'w'") { "x" } else { "w" };
        std::fs::write(&path, format!("FLAVOUR = '{flip}'")).unwrap();
        std::fs::File::options().write(true).open(&path).unwrap().set_modified(before).unwrap();
    }
}

/// An environment like the tests' own, whose packages it has, and with a folder for more.
fn environment(folder: &Path) {
    let base = python().canonicalize().unwrap();
    std::fs::create_dir_all(folder.join("bin")).unwrap();
    symlink(&base, folder.join("bin/python")).unwrap();
    std::fs::write(folder.join("pyvenv.cfg"), format!("home = {}\n", base.parent().unwrap().display())).unwrap();
    std::fs::create_dir_all(site(folder)).unwrap();
    let whole = site(python().parent().unwrap().parent().unwrap());
    std::fs::write(site(folder).join("whole.pth"), format!("{}\n", whole.display())).unwrap();
}

fn site(environment: &Path) -> PathBuf {
    let library = std::fs::read_dir(python().parent().unwrap().join("../lib")).unwrap();
    let version =
        library.map(|entry| entry.unwrap().file_name()).find(|name| name.to_string_lossy().starts_with("python"));
    environment.join("lib").join(version.unwrap()).join("site-packages")
}

/// What it says, without the lines that say how Python came to be.
fn said(output: &Output) -> String {
    let of_python = |line: &&str| !line.starts_with('#') && !line.starts_with('$');
    let complaint: Vec<&str> = output.stderr.lines().filter(of_python).collect();
    format!("{}\n{}\n{}", output.code, output.stdout, complaint.join("\n"))
}

#[test]
fn random_edits() {
    let count = std::env::var("XTASK_TEST_EDITS").map_or(6, |count| count.parse().unwrap());
    let seed = std::env::var("XTASK_TEST_SEED").map_or(1, |seed| seed.parse().unwrap());
    let (mut random, mut shop) = (Random::new(seed), Shop::new());
    let (mut with_project, mut with_packages) = (0, 0);
    let words = "db-migrate --sql";
    for round in 0..count {
        let edit = if round == 0 { "nothing edited".to_owned() } else { shop.edit(&mut random, round) };
        let cold = said(&shop.command(&format!("{words} --cold")).run());
        for turn in 0..2 {
            let output = shop.command(words).run();
            assert_eq!(said(&output), cold, "{edit} (seed {seed}), turn {turn}\n{output}");
            with_project += usize::from(forked_from(&output) == Some("this project"));
            with_packages += usize::from(forked_from(&output) == Some("Alembic"));
            shop.wait_for_parents();
        }
    }
    say(&format!("{count} edits, {with_project} commands with the project, {with_packages} with packages"));
    assert!(with_project * 6 >= count, "{with_project} of {count} edits had a warm project");
}

impl Shop {
    /// Gives what a command has left a moment to get ready; some leave nothing.
    fn wait_for_parents(&self) {
        let place = self.folder.path().join(format!("xtask-warm-{}", rustix::process::geteuid().as_raw()));
        for _ in 0..40 {
            let names = std::fs::read_dir(&place).into_iter().flatten().flatten().map(|entry| entry.file_name());
            if names.filter(|name| name.to_string_lossy().ends_with(".project")).count() > 0 {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(25));
        }
    }
}
