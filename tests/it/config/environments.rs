//! Which Python is chosen, where it keeps its packages, and the environment that we make.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use serde_json::Value;
use xtask::fail::Kind;
use xtask::sys::environments::Places;
use xtask::sys::project::{Project, Server};
use xtask::sys::python::{Interpreter, Origin, Wish, find, managed, site_packages};
use xtask::sys::run::Cmd;

use super::{Folder, ask, failure, pythons};
use crate::support::python::{python, quiet};

fn project(folder: &Folder) -> Project {
    folder.write("alembic.ini", "[alembic]\n");
    let mut project = Project::find(folder, Some(folder)).unwrap();
    project.state_dir = folder.join("state");
    project
}

fn path() -> OsString {
    std::env::var_os("PATH").unwrap()
}

fn chosen(path: &Path, origin: Origin) -> Interpreter {
    Interpreter { path: path.to_owned(), origin, managed: None }
}

#[test]
fn packages_are_where_python_says_without_starting_it() {
    let code = "import json, site, sys\nfolders = site.getsitepackages() + [site.getusersitepackages()] * \
                bool(site.ENABLE_USER_SITE)\nprint(json.dumps([folder for folder in sys.path if folder in folders]))";
    let folder = Folder::new();
    let project = project(&folder);
    let inherits = folder.join("venv");
    let made = xtask::sys::run::Cmd::new(python(), &*folder)
        .args(["-m", "venv", "--without-pip", "--system-site-packages"])
        .arg(&inherits);
    made.read(&quiet()).unwrap();
    let inherits = inherits.join("bin/python");
    for python in pythons().iter().map(|(_, path)| path).chain([&inherits]) {
        let theirs = ask(python, &folder, code, &Value::Null);
        let theirs: Vec<PathBuf> = serde_json::from_value(theirs).unwrap();
        let mut ours = site_packages(&quiet(), &project, &chosen(python, Origin::Flag)).unwrap();
        // An environment that inherits has the user's folder in another place in the order.
        ours.sort();
        let mut theirs: Vec<PathBuf> = theirs.into_iter().filter(|folder| folder.is_dir()).collect();
        theirs.sort();
        assert_eq!(ours, theirs, "{}", python.display());
    }
}

#[test]
fn a_script_in_pythons_place_is_asked_once() {
    let folder = Folder::new();
    let project = project(&folder);
    folder.write("src/app/__init__.py", "");
    let script = |comment: &str| {
        format!("#!/bin/sh\n# {comment}\necho x >>calls\nPYTHONPATH=src exec {} \"$@\"\n", python().display())
    };
    let py = folder.program("py", &script("one"));
    let interpreter = find(&quiet(), &project, &Wish { path: path(), ..Wish::default() }).unwrap();
    assert_eq!((interpreter.path.as_path(), interpreter.origin), (py.as_path(), Origin::Project));
    let calls = || std::fs::read_to_string(folder.join("calls")).unwrap_or_default().len() / 2;
    assert_eq!(calls(), 0, "choosing an interpreter must not start it");
    for _ in 0..3 {
        let folders = site_packages(&quiet(), &project, &interpreter).unwrap();
        assert!(folders.contains(&folder.join("src")), "{folders:?}");
        interpreter.require_alembic(&quiet(), &project).unwrap();
        assert_eq!(calls(), 1);
    }
    folder.program("py", &script("a changed script is asked anew"));
    site_packages(&quiet(), &project, &interpreter).unwrap();
    assert_eq!(calls(), 2);
    folder.program("py", "#!/bin/sh\necho 'The exported virtualenv does not exist.' >&2\nexit 1\n");
    let result = site_packages(&quiet(), &project, &interpreter);
    failure(result, Kind::PythonMissing, &["The exported virtualenv does not exist.", "--python=PATH"]);
}

#[test]
fn the_first_that_exists_in_the_contracts_order() {
    let folder = Folder::new();
    let project = project(&folder);
    let bin = python().parent().unwrap();
    let program = |name: &str| folder.program(name, "#!/bin/sh\nexit 1\n");
    let mut wish = Wish { path: bin.into(), ..Wish::default() };
    let origin = |wish: &Wish| {
        let interpreter = find(&quiet(), &project, wish).unwrap();
        (interpreter.origin, interpreter.path)
    };
    assert_eq!(origin(&wish), (Origin::Path, bin.join("python3")));
    let dot_venv = program(".venv/bin/python");
    assert_eq!(origin(&wish), (Origin::DotVenv, dot_venv));
    wish.virtual_env = Some(folder.join("gone"));
    assert_eq!(origin(&wish).0, Origin::DotVenv, "an active environment that is gone is passed over");
    let active = program("active/bin/python");
    wish.virtual_env = Some(folder.join("active"));
    assert_eq!(origin(&wish), (Origin::VirtualEnv, active));
    folder.write("py", "not to be run");
    assert_eq!(origin(&wish).0, Origin::VirtualEnv, "a ./py that cannot be run is none");
    let py = program("py");
    assert_eq!(origin(&wish), (Origin::Project, py));
    wish.variable = Some(program("variable"));
    assert_eq!(origin(&wish), (Origin::Variable, folder.join("variable")));
    wish.flag = Some("python3".into());
    assert_eq!(origin(&wish), (Origin::Flag, bin.join("python3")));
    wish.flag = Some(folder.join("nope"));
    failure(find(&quiet(), &project, &wish), Kind::PythonMissing, &["nope", "--python"]);
    wish.flag = None;
    wish.variable = Some(folder.join("nope"));
    failure(find(&quiet(), &project, &wish), Kind::PythonMissing, &["nope", "XTASK_PYTHON"]);
}

#[test]
fn what_other_tools_keep_for_the_project() {
    let folder = Folder::new();
    std::fs::create_dir_all(folder.join(".git")).unwrap();
    folder.write("members/one/alembic.ini", "[alembic]\n");
    let root = folder.join("members/one");
    let project = Project::find(&root, None).unwrap();
    let environment = python().parent().unwrap().parent().unwrap().to_str().unwrap();
    let wish = |conda: Option<&str>| Wish {
        places: Places { home: folder.join("home"), conda: conda.map(|name| folder.join(name)), ..Places::default() },
        ..Wish::default()
    };
    let origin = |wish: &Wish| find(&quiet(), &project, wish).unwrap().origin;
    // As poetry names it: NAME-DIGEST-pyVERSION, the digest that of the folder.
    let digest = "import hashlib, base64, sys; print(base64.urlsafe_b64encode(hashlib.sha256(sys.argv[1].encode()).digest()).decode()[:8])";
    let asked = Cmd::new(python(), "/").args(["-c", digest]).arg(&root).read(&quiet()).unwrap();
    folder.link(&format!("home/.cache/pypoetry/virtualenvs/one-{}-py3.13", asked.trim()), environment);
    assert_eq!(origin(&wish(None)), Origin::Elsewhere("poetry"));
    // Where its cache was set elsewhere, that one counts; the project may be a folder below its pyproject.toml.
    let mut moved = wish(None);
    moved.places.poetry = Some(folder.join("cache"));
    failure(find(&quiet(), &project, &moved), Kind::PythonMissing, &["No Python found"]);
    folder.write("uv.lock", "");
    failure(find(&quiet(), &project, &moved), Kind::PythonMissing, &["uv sync --all-packages"]);
    folder.write("members/one/poetry.lock", "");
    failure(find(&quiet(), &project, &moved), Kind::PythonMissing, &["poetry install"]);
    let above = Cmd::new(python(), "/").args(["-c", digest]).arg(folder.join("members")).read(&quiet()).unwrap();
    folder.link(&format!("cache/one-{}-py3.13", above.trim()), environment);
    assert_eq!(origin(&moved), Origin::Elsewhere("poetry"));
    moved.places.uv = Some("made".into());
    folder.link("made", environment);
    assert_eq!(origin(&moved), Origin::Elsewhere("$UV_PROJECT_ENVIRONMENT"));
    folder.link("conda", environment);
    assert_eq!(origin(&wish(Some("conda"))), Origin::Elsewhere("$CONDA_PREFIX"));
    folder.link(".pixi/envs/default", environment);
    assert_eq!(origin(&wish(Some("conda"))), Origin::Elsewhere("pixi"));
    folder.link("dist/export/python/virtualenvs/python-default/3.13.1", environment);
    assert_eq!(origin(&wish(None)), Origin::Elsewhere("pants export"));
    folder.link(".venv", environment);
    assert_eq!(origin(&wish(None)), Origin::Elsewhere("the workspace's .venv"));
    // One without Alembic is passed over.
    folder.program("members/.venv/bin/python", "#!/bin/sh\nexit 1\n");
    assert_eq!(origin(&wish(None)), Origin::Elsewhere("the workspace's .venv"));
}

#[test]
fn without_python_or_alembic_it_says_so() {
    let folder = Folder::new();
    let project = project(&folder);
    let empty = folder.join("empty").into_os_string();
    let wish = Wish { path: empty, ..Wish::default() };
    failure(find(&quiet(), &project, &wish), Kind::PythonMissing, &["No Python found", "XTASK_PYTHON", "--yes"]);
    // Agreed, but nothing to make one from.
    let agreed = Wish { agreed: true, ..wish.clone() };
    failure(find(&quiet(), &project, &agreed), Kind::PythonMissing, &["3.11", "apt-get install python3 python3-venv"]);
    let embedded = Wish { server: Server::Embedded, ..wish };
    failure(find(&quiet(), &project, &embedded), Kind::PythonMissing, &["3.11", "brew install python"]);
    // A Python without Alembic, and one that does not start.
    let bare = folder.join("bare");
    let venv = xtask::sys::run::Cmd::new(python(), &*folder).args(["-m", "venv", "--without-pip"]).arg(&bare);
    venv.read(&quiet()).unwrap();
    folder.program("broken/python3", "#!/bin/sh\nexit 127\n");
    let search = std::env::join_paths([folder.join("broken"), bare.join("bin")]).unwrap();
    let wish = Wish { path: search, ..Wish::default() };
    let place = bare.join("bin/python3");
    failure(
        find(&quiet(), &project, &wish),
        Kind::AlembicMissing,
        &[place.to_str().unwrap(), "-m pip install alembic"],
    );
    // A Python without venv, as Debian's is without python3-venv.
    let text = "#!/bin/sh\necho 3.12\necho \"ModuleNotFoundError: No module named 'ensurepip'\" >&2\nexit 1\n";
    folder.program("debian/python3", text);
    let requirements = folder.write("requirements.txt", "");
    let result = managed(&quiet(), &project.state_dir, &requirements, folder.join("debian").as_os_str());
    failure(result, Kind::PythonMissing, &["debian/python3", "3.12", "apt-get install python3-venv"]);
}

#[test]
fn the_environment_is_made_once_and_made_again_when_it_is_not_whole() {
    let folder = Folder::new();
    let state = folder.join("state");
    folder.write("more.txt", "# nothing\n");
    let requirements = folder.write("requirements.txt", "-r more.txt\n");
    let make = |search: OsString| managed(&quiet(), &state, &requirements, &search);
    let both = std::thread::scope(|scope| {
        let threads = [scope.spawn(|| make(path()).unwrap()), scope.spawn(|| make(path()).unwrap())];
        threads.map(|thread| thread.join().unwrap())
    });
    assert_eq!(both[0], both[1]);
    let environment = both[0].parent().unwrap().parent().unwrap().to_owned();
    let count = || std::fs::read_dir(&state).unwrap().flatten().filter(|entry| entry.path().is_dir()).count();
    // The link counts as a folder, too.
    assert_eq!(count(), 2, "one environment for both");
    assert_eq!(state.join("python").canonicalize().unwrap(), environment.canonicalize().unwrap());

    let nothing = folder.join("empty").into_os_string();
    assert_eq!(make(nothing.clone()).unwrap(), both[0], "the second run needs neither a Python nor the network");
    // With declared requirements the environment comes first, and the project's ./py is told of it.
    let project = Project { requirements: Some(requirements.clone()), ..project(&folder) };
    folder.program("py", "#!/bin/sh\nexec \"$XTASK_MANAGED_PYTHON\" \"$@\"\n");
    let interpreter = find(&quiet(), &project, &Wish { path: path(), ..Wish::default() }).unwrap();
    let prefix = interpreter.cmd(&project).args(["-c", "import sys; print(sys.prefix)"]).read(&quiet()).unwrap();
    assert_eq!(Path::new(prefix.trim()), environment);
    let missing = interpreter.require_alembic(&quiet(), &project);
    failure(missing, Kind::AlembicMissing, &["the project's ./py", "pip install"]);

    // As a killed run leaves it.
    std::fs::remove_file(environment.join("complete")).unwrap();
    let stray = folder.write(environment.join("stray").to_str().unwrap(), "");
    failure(make(nothing.clone()), Kind::PythonMissing, &[]);
    assert_eq!(make(path()).unwrap(), both[0]);
    assert!(!stray.exists());
    // What an included file says counts.
    folder.write("more.txt", "# something\n");
    failure(make(nothing), Kind::PythonMissing, &[]);
}

#[test]
fn what_pip_says_is_shown_and_nothing_is_left() {
    let folder = Folder::new();
    let state = folder.join("state");
    let requirements = folder.write("requirements.txt", "--no-index\nno-such-package-anywhere==1\n");
    let result = managed(&quiet(), &state, &requirements, &path());
    failure(result, Kind::AlembicMissing, &["no-such-package-anywhere", "requirements.txt", "PIP_INDEX_URL"]);
    let left = std::fs::read_dir(&state).unwrap().flatten().filter(|entry| entry.path().is_dir());
    assert_eq!(left.count(), 0);
    let result = managed(&quiet(), &state, &folder.join("gone.txt"), &path());
    failure(result, Kind::ConfigInvalid, &["gone.txt", "`requirements`"]);
}
