//! `AlembicConfig` and the list of scripts against Alembic itself: the same folders, the same scripts, the same order.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Mutex, PoisonError};

use serde_json::{Value, json};
use xtask::fail::Kind;
use xtask::sys::files::scripts;
use xtask::sys::project::{AlembicConfig, Project};

use super::{Folder, failure};
use crate::support::python::python;

/// What Alembic makes of `alembic.ini` in a folder, with `site` as a site-packages folder: for one folder after the other, each
/// in a fork, where nothing was imported but Alembic.
const ORACLE: &str = r#"
import json, os, site, sys, traceback, warnings
from alembic.config import Config
from alembic.script import ScriptDirectory
def answer(folder):
    warnings.simplefilter("ignore")
    os.chdir(folder)
    sys.path.insert(0, os.path.join(folder, "src"))
    sys.path.insert(0, folder)
    site.addsitedir(os.path.join(folder, "site"))
    config = Config("alembic.ini")
    scripts = ScriptDirectory.from_config(config)
    return {
        "dir": os.path.abspath(scripts.dir),
        "locations": list(scripts._version_locations),
        "files": [script.path for script in scripts._load_revisions()],
        "template": scripts.file_template,
        "slug": scripts.truncate_slug_length,
        "url": config.get_main_option("sqlalchemy.url"),
    }
for line in sys.stdin:
    if os.fork() == 0:
        try:
            said = answer(json.loads(line))
        except BaseException:
            said = traceback.format_exc()
        print(json.dumps(said), flush=True)
        os._exit(0)
    os.wait()
"#;

/// Asks it. The process is shared by all tests here, and ends with them.
#[expect(clippy::zombie_processes, reason = "it is needed until this process ends")]
fn alembic_says(folder: &Path) -> Value {
    static ASKED: Mutex<Option<(ChildStdin, BufReader<ChildStdout>)>> = Mutex::new(None);
    let mut asked = ASKED.lock().unwrap_or_else(PoisonError::into_inner);
    let (question, answers) = asked.get_or_insert_with(|| {
        #[expect(clippy::disallowed_methods)]
        let mut command = Command::new(python());
        let mut child = command.args(["-c", ORACLE]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()))
    });
    writeln!(question, "{}", json!(folder)).unwrap();
    let mut line = String::new();
    answers.read_line(&mut line).unwrap();
    serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:?}"))
}

/// Writes a project: an ini, then files by name; those that end in `.py` in a versions folder get a revision.
fn project(ini: &str, files: &[&str]) -> Folder {
    let folder = Folder::new();
    folder.write("alembic.ini", format!("[alembic]\n{ini}\n"));
    for name in files {
        let stem = Path::new(name).file_stem().unwrap().to_str().unwrap().replace(|c: char| !c.is_alphanumeric(), "");
        let text = if name.contains("version") {
            format!("revision = '{stem}{}'\ndown_revision = None\n", name.len())
        } else {
            String::new()
        };
        folder.write(name, text);
    }
    folder
}

fn read(folder: &Folder) -> anyhow::Result<AlembicConfig> {
    let project = Project::find(folder, Some(folder))?;
    AlembicConfig::read(&project, project.component(None)?, || Ok(vec![folder.join("site")]))
}

/// Asserts that we see what Alembic sees, and gives it.
fn same(folder: &Folder) -> AlembicConfig {
    let config = read(folder).unwrap();
    let paths = |paths: &[PathBuf]| json!(paths);
    let ours = json!({
        "dir": config.script_location,
        "locations": paths(&config.version_locations),
        "files": paths(&scripts(&config).unwrap()),
        "template": config.file_template,
        "slug": config.truncate_slug_length,
        "url": config.url().ok(),
    });
    let theirs = alembic_says(folder);
    assert_eq!(ours, theirs, "{}", std::fs::read_to_string(folder.join("alembic.ini")).unwrap());
    config
}

#[test]
fn a_plain_folder() {
    let config = same(&project("script_location = migrations\nsqlalchemy.url = a%%b", &["migrations/versions/a.py"]));
    assert_eq!(config.url().unwrap(), "a%b");
    same(&project("script_location = %(here)s/migrations", &["migrations/versions/a.py"]));
    same(&project("script_location = ./x/../m/", &["x/note.txt", "m/versions/a.py"]));
    same(&project(
        "script_location = m\nfile_template = %%(year)d_%%(rev)s\ntruncate_slug_length = 12",
        &["m/versions/a.py"],
    ));
    same(&project("script_location = m\ntruncate_slug_length = 0", &["m/env.py"]));
}

#[test]
fn only_what_alembic_takes_for_a_script() {
    let files = [
        "m/versions/b.py",
        "m/versions/a.py",
        "m/versions/B.py",
        "m/versions/.hidden.py",
        "m/versions/.#lock.py",
        "m/versions/__init__.py",
        "m/versions/__init__x.py",
        "m/versions/a.py~",
        "m/versions/#a.py#",
        "m/versions/c.pyc",
        "m/versions/note.txt",
        "m/versions/é.py",
        "m/versions/sub/d.py",
        "m/versions/sub/a/e.py",
        "m/versions/sub-z/f.py",
        "m/versions/__pycache__/g.py",
        "m/versions/x__pycache__/h.py",
    ];
    for recursive in ["", "\nrecursive_version_locations = true", "\nrecursive_version_locations = True"] {
        let folder = project(&format!("script_location = m{recursive}"), &files);
        std::fs::create_dir_all(folder.join("m/versions/folder.py")).unwrap();
        folder.write("elsewhere/version_real.py", "revision = 'real'\ndown_revision = None\n");
        folder.write("elsewhere/version.txt", "");
        folder.link("m/versions/link.py", "../../elsewhere/version_real.py");
        folder.link("m/versions/twice.py", "a.py");
        folder.link("m/versions/text.py", "../../elsewhere/version.txt");
        folder.link("m/versions/linked", "../../elsewhere");
        same(&folder);
    }
}

#[test]
fn several_version_locations() {
    let files =
        ["m/env.py", "m/versions/a.py", "other/versions/b.py", "with space/versions/c.py", "pkg/x/versions/d.py"];
    let cases = [
        "version_locations = m/versions other/versions",
        "version_locations = m/versions, other/versions,  pkg/x/versions",
        "version_locations = %(here)s/m/versions:%(here)s/other/versions\nversion_path_separator = os",
        "version_locations = m/versions:with space/versions\nversion_path_separator = :",
        "version_locations = m/versions;with space/versions; other/versions\nversion_path_separator = ;",
        "version_locations = m/versions  other/versions\nversion_path_separator = space",
        "version_locations =\n  m/versions\n  with space/versions\nversion_path_separator = newline",
        "version_locations = other/versions gone/versions m/versions",
        "version_locations = m/versions m/../m/versions",
        "version_locations = pkg.x:versions m/versions",
        "version_locations =",
    ];
    for case in cases {
        same(&project(&format!("script_location = m\n{case}"), &files));
    }
    let config = read(&project("script_location = m\npath_separator = os\nversion_locations = a:b", &["m/x"])).unwrap();
    assert_eq!(config.version_locations.len(), 2, "Alembic 1.16's word for it");
}

#[test]
fn a_package_wherever_python_finds_it() {
    let cases: &[(&str, &[&str])] = &[
        ("script_location = app:migrations", &["app/__init__.py", "app/migrations/versions/a.py"]),
        ("script_location = app.db:migrations", &["app/db/__init__.py", "app/db/migrations/versions/a.py"]),
        ("script_location = app:db:migrations", &["app/__init__.py", "app/db/migrations/versions/a.py"]),
        ("script_location = app:migrations", &["src/app/__init__.py", "src/app/migrations/versions/a.py"]),
        (
            "script_location = app:m\nprepend_sys_path = . lib",
            &["lib/app/__init__.py", "lib/app/m/versions/a.py", "site/app/__init__.py", "site/app/m/versions/b.py"],
        ),
        ("script_location = ai.backend.manager:alembic", &["src/ai/backend/manager/alembic/versions/a.py"]),
        // A namespace over two folders: the portion that has the rest counts.
        (
            "script_location = ai.backend.manager:alembic",
            &[
                "src/ai/backend/common/__init__.py",
                "site/ai/backend/manager/__init__.py",
                "site/ai/backend/manager/alembic/versions/a.py",
            ],
        ),
        ("script_location = app:m", &["site/app/__init__.py", "site/app/m/versions/a.py"]),
        // A regular package wins over a namespace portion, wherever it stands.
        ("script_location = app:m", &["app/note.txt", "site/app/__init__.py", "site/app/m/versions/a.py"]),
    ];
    for (ini, files) in cases {
        let folder = project(ini, files);
        std::fs::create_dir_all(folder.join("site")).unwrap();
        let config = same(&folder);
        assert!(!scripts(&config).unwrap().is_empty(), "{ini}: Alembic saw no script, which proves nothing");
    }
}

#[test]
fn pth_files_editable_installs_and_the_old_namespaces() {
    let files = ["elsewhere/app/__init__.py", "elsewhere/app/m/versions/a.py", "site/__init__.py"];
    let folder = project("script_location = app:m", &files);
    let path = folder.join("elsewhere");
    folder.write("site/x.pth", format!("# comment\n\nimport os\n{}\n/no/such/folder\n", path.display()));
    same(&folder);

    // What setuptools leaves behind for an editable install that is not a plain folder, in our own words.
    let folder = project("script_location = app:m", &files);
    folder.write("site/__editable__.app-1.pth", "import __editable___app_1_finder");
    let finder = format!(
        "import sys\nfrom importlib.util import spec_from_file_location\nMAPPING: dict[str, str] = {{'app': {:?}}}\n\
         class Finder:\n    @classmethod\n    def find_spec(cls, name, path=None, target=None):\n        \
         if name in MAPPING:\n            return spec_from_file_location(name, MAPPING[name] + '/__init__.py')\n\
         sys.meta_path.append(Finder)\n",
        folder.join("elsewhere/app").display()
    );
    folder.write("site/__editable___app_1_finder.py", finder);
    same(&folder);

    let legacy = "__path__ = __import__('pkgutil').extend_path(__path__, __name__)\n";
    let folder = project("script_location = app.b:m", &["src/app/a/__init__.py", "site/app/b/m/versions/a.py"]);
    folder.write("site/app/b/__init__.py", "");
    folder.write("src/app/__init__.py", legacy);
    folder.write("site/app/__init__.py", legacy);
    same(&folder);
}

/// Alembic 1.16 and later; the one that the tests run with is older, so what it would say is written out here.
#[test]
fn pyproject_says_what_the_ini_does_not() {
    let files = ["m/versions/a.py", "n/versions/b.py", "lib/p/__init__.py", "lib/p/versions/c.py"];
    let look = |ini: &str, toml: &str| {
        let folder = project(ini, &files);
        folder.write("pyproject.toml", format!("[project]\nname = \"x\"\n[tool.alembic]\n{toml}"));
        let config = read(&folder).unwrap();
        let names = |paths: &[PathBuf]| {
            let short = paths.iter().map(|path| path.strip_prefix(&folder.0).unwrap().display().to_string());
            short.collect::<Vec<_>>().join(" ")
        };
        let template = (config.file_template.clone(), config.truncate_slug_length);
        (names(&config.version_locations), names(&scripts(&config).unwrap()), template)
    };
    let template = |text: &str, slug: usize| (text.to_owned(), slug);
    let (locations, found, how) = look(
        "sqlalchemy.url = x\nfile_template = %%(rev)s",
        "script_location = \"%(here)s/m\"\nfile_template = \"x\"\ntruncate_slug_length = 12\n",
    );
    assert_eq!((&*locations, &*found, how), ("m/versions", "m/versions/a.py", template("%(rev)s", 12)));
    let two = "script_location = \"m\"\nversion_locations = [\"%(here)s/n/versions\", \"m/versions\"]\n";
    assert_eq!(look("a = 1", two).1, "n/versions/b.py m/versions/a.py");
    let package = "script_location = \"n\"\nprepend_sys_path = [\"lib\"]\nversion_locations = [\"p:versions\"]\n";
    assert_eq!(look("a = 1", package).1, "lib/p/versions/c.py");
    let recursive = "script_location = \".\"\nrecursive_version_locations = true\nversion_locations = [\"m\"]\n";
    assert_eq!(look("a = 1", recursive).1, "m/versions/a.py");
    // What the ini says goes before it.
    let both = look("script_location = m\nversion_locations = n/versions", two);
    assert_eq!(both.0, "n/versions");
    let folder = project("script_location = m", &files);
    folder.write("pyproject.toml", "[tool.alembic\n");
    failure(read(&folder), Kind::ConfigInvalid, &["pyproject.toml:1"]);
}

#[test]
fn the_interpreter_is_not_asked_for_what_the_project_has() {
    let folder = project("script_location = app:m", &["src/app/m/versions/a.py"]);
    let project = Project::find(&folder, Some(&folder)).unwrap();
    let never = || -> anyhow::Result<Vec<PathBuf>> { panic!("asked for site-packages") };
    AlembicConfig::read(&project, project.component(None).unwrap(), never).unwrap();
}

#[test]
fn a_config_that_cannot_be_used_is_named_with_its_line() {
    let cases: &[(&str, &[&str])] = &[
        ("a = 1", &["script_location", "not set"]),
        ("script_location =", &["script_location", "alembic.ini:2"]),
        ("script_location = gone", &["alembic.ini:2", "/gone does not exist"]),
        ("a = 1\nscript_location = no.such:m", &["alembic.ini:3", "no Python package `no.such`", "/src"]),
        ("script_location = app:gone", &["package `app` has no folder gone", "/src/app"]),
        ("script_location = %(nope)s", &["alembic.ini:2", "`%(nope)s`"]),
        ("script_location = src\ntruncate_slug_length = long", &["alembic.ini:3", "'long'"]),
        ("script_location = src\nversion_locations = a\nversion_path_separator = |", &["alembic.ini:4", "'|'"]),
        ("script_location = src\nversion_locations = x.y:z", &["alembic.ini:3", "`x.y`"]),
        ("script_location = src\nscript_location = src", &["alembic.ini:3", "second time"]),
        ("word", &["alembic.ini:2", "name = value"]),
    ];
    for (ini, names) in cases {
        failure(read(&project(ini, &["src/app/__init__.py"])), Kind::ConfigInvalid, names);
    }
    let folder = project("", &[]);
    folder.write("alembic.ini", "[other]\n");
    failure(read(&folder), Kind::ConfigInvalid, &["[alembic]"]);
    folder.write("alembic.ini", b"[alembic]\nx = \xff\n");
    failure(read(&folder), Kind::ConfigInvalid, &["alembic.ini:2", "UTF-8"]);
    std::fs::remove_file(folder.join("alembic.ini")).unwrap();
    folder.write("Cargo.toml", "[workspace.metadata.db.components.manager]\n");
    failure(read(&folder), Kind::ConfigMissing, &[folder.join("alembic.ini").to_str().unwrap()]);
}

#[test]
fn a_missing_url_is_a_failure_only_when_it_is_asked_for() {
    let config = read(&project("script_location = m", &["m/env.py"])).unwrap();
    failure(config.url(), Kind::ConfigInvalid, &["sqlalchemy.url", "alembic.ini"]);
    let config = read(&project("script_location = m\nsqlalchemy.url = pg://u:geheim%40@h/d", &["m/env.py"])).unwrap();
    let fail = failure(config.url(), Kind::ConfigInvalid, &["alembic.ini:3", "%%"]);
    assert!(!format!("{fail:?}").contains("geheim"), "{fail:?}");
}
