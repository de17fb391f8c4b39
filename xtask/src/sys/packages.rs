//! Where Python would find a package, without starting Python: regular packages, namespace packages over several
//! folders (PEP 420, `pkgutil`, `pkg_resources`), `.pth` files and editable installs, as far as they say so in plain
//! text. A finder that computes its answer is beyond this and is not guessed at.

use std::fs;
use std::path::{Path, PathBuf};

use ruff_python_ast::{Expr, Stmt};

/// Where modules are looked for, in order, and the packages that an editable install maps to a folder of its own.
#[derive(Clone, Debug, Default)]
pub struct SearchPath {
    folders: Vec<PathBuf>,
    mapped: Vec<(String, PathBuf)>,
}

impl SearchPath {
    /// A search path of plain folders.
    pub fn new(folders: impl IntoIterator<Item = PathBuf>) -> SearchPath {
        let mut path = SearchPath::default();
        folders.into_iter().for_each(|folder| path.add(folder));
        path
    }

    /// Adds site-packages folders with what their `.pth` files and editable installs add.
    pub fn add_site_packages(&mut self, folders: impl IntoIterator<Item = PathBuf>) {
        for folder in folders {
            let names = sorted_names(&folder);
            self.add(folder.clone());
            for name in names.iter().filter(|name| name.ends_with(".pth") && !name.starts_with('.')) {
                self.add_pth(&folder, name);
            }
            // setuptools writes `__editable___NAME_finder.py` beside a `.pth` file that imports it.
            for name in names.iter().filter(|name| name.starts_with("__editable__") && name.ends_with("_finder.py")) {
                self.mapped.extend(editable_mapping(&folder.join(name)));
            }
        }
    }

    /// The folders, in order.
    pub fn folders(&self) -> &[PathBuf] {
        &self.folders
    }

    /// The folders and those of the mapped packages: every place that a module may come from.
    pub fn places(&self) -> impl Iterator<Item = &PathBuf> {
        self.folders.iter().chain(self.mapped.iter().map(|(_, folder)| folder))
    }

    /// The folders of a dotted package: one for a regular package, any number for a namespace package, none if there is
    /// no such package. A module that is a file is no package.
    pub fn package(&self, dotted: &str) -> Vec<PathBuf> {
        let mut folders = self.folders.clone();
        let mut name = String::new();
        for segment in dotted.split('.') {
            if !name.is_empty() {
                name.push('.');
            }
            name.push_str(segment);
            let mapped = self.mapped.iter().filter(|(package, folder)| *package == name && folder.is_dir());
            let mapped: Vec<PathBuf> = mapped.map(|(_, folder)| folder.clone()).collect();
            // Python asks the finders of editable installs last.
            let found = portions(&folders, segment);
            folders = if found.is_empty() { mapped } else { found };
        }
        folders
    }

    /// The folder `inside` a package, as `importlib.resources` joins it: the first portion that has it.
    pub fn resource(&self, dotted: &str, inside: &[&str]) -> Option<PathBuf> {
        let joined = |folder: PathBuf| inside.iter().fold(folder, |path, part| path.join(part));
        self.package(dotted).into_iter().map(joined).find(|path| path.exists())
    }

    fn add(&mut self, folder: PathBuf) {
        if folder.is_dir() && !self.folders.contains(&folder) {
            self.folders.push(folder);
        }
    }

    fn add_pth(&mut self, folder: &Path, name: &str) {
        let Ok(text) = super::regular::read_text(&folder.join(name)) else { return };
        for line in text.lines().map(str::trim_end) {
            // Lines that begin with `import` are run by Python; what they do cannot be known from here.
            let is_code = line.starts_with("import ") || line.starts_with("import\t");
            if !line.trim().is_empty() && !line.starts_with('#') && !is_code {
                self.add(folder.join(line));
            }
        }
    }
}

/// The folders that hold a module's name: the first regular package, or else all namespace portions.
fn portions(folders: &[PathBuf], segment: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut legacy = false;
    for folder in folders {
        let path = folder.join(segment);
        let init = path.join("__init__.py");
        if init.is_file() && !legacy {
            // A regular package wins wherever it stands: portions that came before it are passed over.
            if !extends_path(&init) {
                return vec![path];
            }
            found = vec![path];
            legacy = true;
        } else if folder.join(format!("{segment}.py")).is_file() && !legacy {
            return Vec::new();
        } else if path.is_dir() {
            found.push(path);
        }
    }
    found
}

/// Whether an `__init__.py` makes its package a namespace the old way.
fn extends_path(init: &Path) -> bool {
    super::regular::read_text(init)
        .is_ok_and(|text| text.contains("extend_path(") || text.contains("declare_namespace("))
}

/// The `MAPPING = {'package': '/folder', …}` of a setuptools finder.
fn editable_mapping(finder: &Path) -> Vec<(String, PathBuf)> {
    let Ok(text) = super::regular::read_text(finder) else { return Vec::new() };
    let Ok(module) = ruff_python_parser::parse_module(&text) else { return Vec::new() };
    let mapping = module.syntax().body.iter().find_map(|statement| match statement {
        Stmt::AnnAssign(assign) if is_mapping(&assign.target) => assign.value.as_deref(),
        Stmt::Assign(assign) if assign.targets.iter().any(is_mapping) => Some(assign.value.as_ref()),
        _ => None,
    });
    let Some(Expr::Dict(dict)) = mapping else { return Vec::new() };
    let pairs = dict.items.iter().filter_map(|item| Some((string(item.key.as_ref()?)?, string(&item.value)?.into())));
    pairs.collect()
}

fn is_mapping(target: &Expr) -> bool {
    matches!(target, Expr::Name(name) if name.id.as_str() == "MAPPING")
}

fn string(expression: &Expr) -> Option<String> {
    match expression {
        Expr::StringLiteral(literal) => Some(literal.value.to_str().to_owned()),
        _ => None,
    }
}

/// The names in a folder, in the order in which Python's `site` goes through them.
fn sorted_names(folder: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut names: Vec<String> = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok()).collect();
    names.sort();
    names
}
