//! Where the tools that Python projects are kept with (uv, poetry, hatch, pants, pixi, conda) put their environments, and
//! the commands that make these. Only the disk is looked at: asking the tools would take a second each time.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::model::action::{Program, program};

/// What the environment says of them.
#[derive(Clone, Debug, Default)]
pub struct Places {
    /// `HOME`.
    pub home: PathBuf,
    /// `CONDA_PREFIX`.
    pub conda: Option<PathBuf>,
    /// `UV_PROJECT_ENVIRONMENT`.
    pub uv: Option<PathBuf>,
    /// `POETRY_VIRTUALENVS_PATH`, or the folder of that name in `POETRY_CACHE_DIR`.
    pub poetry: Option<PathBuf>,
}

impl Places {
    /// As this process was given it.
    pub fn of_process() -> Places {
        let path = |key: &str| std::env::var_os(key).filter(|value| !value.is_empty()).map(PathBuf::from);
        let cache = || Some(path("POETRY_CACHE_DIR")?.join("virtualenvs"));
        Places {
            home: path("HOME").unwrap_or_default(),
            conda: path("CONDA_PREFIX"),
            uv: path("UV_PROJECT_ENVIRONMENT"),
            poetry: path("POETRY_VIRTUALENVS_PATH").or_else(cache),
        }
    }

    /// The folders that may be environments of a project, with the tool; the likeliest first.
    pub fn environments(&self, root: &Path) -> Vec<(PathBuf, &'static str)> {
        let mut folders: Vec<(PathBuf, &'static str)> = Vec::new();
        let above = self.up_to_the_checkout(root);
        for &folder in &above {
            folders.extend(self.uv.iter().map(|uv| (folder.join(uv), "$UV_PROJECT_ENVIRONMENT")));
            if folder != root {
                folders.push((folder.join(".venv"), "the workspace's .venv"));
            }
            folders.extend(newest(folder.join("dist/export/python/virtualenvs"), 2).map(|path| (path, "pants export")));
            folders.push((folder.join(".pixi/envs/default"), "pixi"));
        }
        folders.extend(self.conda.iter().map(|folder| (folder.clone(), "$CONDA_PREFIX")));
        folders.extend(above.iter().flat_map(|folder| self.of_poetry(folder)).map(|path| (path, "poetry")));
        let hatch = root.file_name().map(|name| self.home.join(".local/share/hatch/env/virtual").join(name));
        folders.extend(hatch.into_iter().flat_map(|folder| newest(folder, 2)).map(|path| (path, "hatch")));
        let mut seen = HashSet::new();
        folders.retain(|(folder, _)| seen.insert(folder.clone()));
        folders
    }

    /// What makes the environment of a project that is kept with one of these tools.
    pub fn maker(&self, root: &Path) -> Option<Program> {
        self.up_to_the_checkout(root).into_iter().find_map(|folder| {
            let has = |name: &str| folder.join(name).is_file();
            let text = fs::read_to_string(folder.join("pyproject.toml")).unwrap_or_default();
            let words: &[&str] = match () {
                () if has("uv.lock") || text.contains("[tool.uv") => &["uv", "sync", "--all-packages"],
                () if has("poetry.lock") || text.contains("[tool.poetry") => &["poetry", "install"],
                () if has("pdm.lock") => &["pdm", "install"],
                () if has("pixi.lock") => &["pixi", "install"],
                () if has("Pipfile.lock") => &["env", "PIPENV_VENV_IN_PROJECT=1", "pipenv", "sync"],
                () => return None,
            };
            Some(program(words.iter().copied()).inside(folder))
        })
    }

    /// A workspace of uv, or a monorepo, has one environment above its members; above the checkout nothing is the project's.
    fn up_to_the_checkout<'r>(&self, root: &'r Path) -> Vec<&'r Path> {
        let is_top = |folder: &Path| folder.join(".git").exists() || folder == self.home;
        let mut folders = Vec::new();
        for folder in root.ancestors().filter(|folder| folder.parent().is_some()) {
            folders.push(folder);
            if is_top(folder) {
                break;
            }
        }
        folders
    }

    /// Poetry names an environment after the project and a digest of where its `pyproject.toml` is.
    fn of_poetry(&self, folder: &Path) -> Vec<PathBuf> {
        let digest = Sha256::digest(folder.as_os_str().as_encoded_bytes());
        let mark = format!("-{}-py", base64_url(&digest[..6]));
        let caches = match &self.poetry {
            Some(set) => vec![set.clone()],
            None => [".cache", "Library/Caches"].map(|it| self.home.join(it).join("pypoetry/virtualenvs")).to_vec(),
        };
        let is_its = |path: &PathBuf| path.file_name().is_some_and(|name| name.to_string_lossy().contains(&mark));
        caches.into_iter().flat_map(|cache| newest(cache, 1)).filter(is_its).collect()
    }
}

/// The folders `depth` levels below this one, the newest first.
fn newest(folder: PathBuf, depth: usize) -> impl Iterator<Item = PathBuf> {
    let mut level = vec![folder];
    for _ in 0..depth {
        let entries = level.iter().flat_map(|folder| fs::read_dir(folder).into_iter().flatten().flatten());
        level = entries.map(|entry| entry.path()).filter(|path| path.is_dir()).collect();
    }
    level.sort_by_key(|path| std::cmp::Reverse(fs::metadata(path).and_then(|metadata| metadata.modified()).ok()));
    level.into_iter()
}

/// Six bytes are eight characters, without padding.
fn base64_url(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let group = |three: &[u8]| {
        let bits = three.iter().fold(0_usize, |bits, byte| bits << 8 | usize::from(*byte));
        [18, 12, 6, 0].map(|shift| char::from(LETTERS[bits >> shift & 63]))
    };
    bytes.chunks_exact(3).flat_map(group).collect()
}
