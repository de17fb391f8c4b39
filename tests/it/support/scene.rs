//! A small project with a database of its own on the shared cluster, and the built binary run in it as a user would.
//! The config's URL holds a password, which every failing run is searched for.

use std::collections::{BTreeMap, HashSet};
use std::ffi::OsString;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::Child;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use postgres::Client;
use serde_json::Value;
use xtask::fail::Kind;
use xtask::model::graph::{Graph, Links};
use xtask::model::revision::{self, Script};

use super::pasted::paste_what_looks;
use super::pg::cluster;
use super::project::{self, Project};
use super::python::python;
use super::repo::git;
use super::xtask::{Output, Xtask};

/// The password of the URL as the server knows it, and as it stands in the URL.
pub const PASSWORD: &str = "S3cr@t/word";
pub const PASSWORD_IN_URL: &str = "S3cr%40t%2Fword";

/// Nobody listens there.
pub const NOWHERE: &str = "postgresql+psycopg2://nobody@127.0.0.1:9/nothing";

/// Where scenes have brought an empty database: a copy to be had again, once it was wanted twice.
static MIGRATED: Mutex<BTreeMap<String, Option<String>>> = Mutex::new(BTreeMap::new());

/// How long anything that is waited for may take.
const PATIENCE: Duration = Duration::from_secs(60);

pub struct Scene {
    pub project: Project,
    pub database: String,
}

impl Scene {
    /// A project without revisions, with a synchronous env.py.
    pub fn new() -> Scene {
        Scene::on("psycopg")
    }

    /// A project without revisions, for a database driver.
    pub fn on(driver: &str) -> Scene {
        let database = cluster().database();
        Scene { project: Project::new(&url(driver, &database)), database }
    }

    /// A project whose database nobody has.
    pub fn nowhere() -> Scene {
        Scene { project: Project::new(NOWHERE), database: String::new() }
    }

    /// `a1 -> b2 -> c3`, each with a table of its name.
    pub fn three() -> Scene {
        Scene::new().table("a1", "").table("b2", "a1").table("c3", "b2")
    }

    /// In git: all of it on `main`, and a branch `topic` checked out.
    pub fn on_topic(self) -> Scene {
        git(self.root(), "init -q -b main");
        self.commit("main");
        git(self.root(), "switch -qc topic");
        self
    }

    /// Commits whatever is there, with a message of one word.
    pub fn commit(&self, message: &str) {
        git(self.root(), "add .");
        git(self.root(), &format!("commit -qm {message}"));
    }

    /// A revision that makes a table of its name.
    pub fn table(self, id: &str, down: &str) -> Scene {
        let (up, back) = (format!("create table {id} (n int)"), format!("drop table {id}"));
        self.revision(id, down, &sql(&up), &sql(&back))
    }

    /// A revision with these bodies of its two functions.
    pub fn revision(self, id: &str, down: &str, upgrade: &str, downgrade: &str) -> Scene {
        self.project.write_revision(id, down, upgrade, downgrade);
        self
    }

    /// A line put into a revision's script before its functions: a label, an import.
    pub fn header(self, id: &str, line: &str) -> Scene {
        let path = self.project.path(&project::path(id));
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(path, text.replacen("def upgrade", &format!("{line}\ndef upgrade"), 1)).unwrap();
        self
    }

    /// Another env.py.
    pub fn env(self, text: &str) -> Scene {
        self.file("migrations/env.py", text)
    }

    /// Any file.
    pub fn file(self, name: &str, text: &str) -> Scene {
        self.write(name, text);
        self
    }

    /// Any file, written later on.
    pub fn write(&self, name: &str, text: &str) {
        self.project.write(name, text);
    }

    /// Where a file of the project is.
    pub fn path(&self, name: &str) -> PathBuf {
        self.project.path(name)
    }

    /// Another URL in the config.
    pub fn url(self, url: &str) -> Scene {
        self.file("alembic.ini", &config(url))
    }

    /// Brings the database to a revision, through the tool; an empty one only where no scene like this has been there.
    #[track_caller]
    pub fn at(self, target: &str) -> Scene {
        let key = self.is_untouched().then(|| self.key(target)).flatten();
        let known = key.as_ref().and_then(|key| MIGRATED.lock().unwrap().get(key).cloned());
        if let Some(template) = known.flatten() {
            cluster().put_in_place(&self.database, &template);
            return self;
        }
        let _ = self.run(&format!("db-migrate --target={target} -q")).code(0);
        if let Some(key) = key {
            let mut migrated = MIGRATED.lock().unwrap();
            // Most states are wanted once: only the second time one is kept.
            let is_wanted_again = migrated.contains_key(&key);
            let template = is_wanted_again.then(|| cluster().shared_clone_of(&self.database));
            migrated.insert(key, template);
        }
        self
    }

    /// Whether nothing was ever made in the database.
    fn is_untouched(&self) -> bool {
        let sql = "select not exists (select from pg_class where oid >= 16384) \
                   and not exists (select from pg_namespace where oid >= 16384)";
        self.client().query_one(sql, &[]).unwrap().get(0)
    }

    /// All that decides what a migration of an empty database makes: the scripts up to the target and what is beside
    /// them. `None` where the history cannot be read, or does not have the target.
    fn key(&self, target: &str) -> Option<String> {
        let mut files = BTreeMap::new();
        read_below(self.root(), &mut files);
        let folder = self.project.path("migrations/versions");
        let scripts: Vec<_> = files.extract_if(.., |path, _| path.parent() == Some(&folder)).collect();
        let read: Option<Vec<Script>> = scripts.iter().map(|(path, text)| revision::read(path, text).ok()).collect();
        let graph = Graph::build(read?).ok()?;
        let of = |id: &str| graph.scripts().find(|script| script.id == id);
        let heads: Vec<&str> = if target == "head" { graph.heads() } else { vec![of(target)?.id.as_str()] };
        let wanted = graph.ancestors(&heads, Links::WithDependencies);
        let paths: Vec<&PathBuf> =
            graph.scripts().filter(|it| wanted.contains(&it.id.as_str())).map(|it| &it.path).collect();
        files.extend(scripts.into_iter().filter(|(path, _)| paths.contains(&path)));
        let text = format!("{heads:?} {files:?}");
        Some(text.replace(&self.root().display().to_string(), "").replace(&self.database, ""))
    }

    /// SQL in the database.
    pub fn sql(self, text: &str) -> Scene {
        self.client().batch_execute(text).unwrap();
        self
    }

    pub fn client(&self) -> Client {
        cluster().client(&self.database)
    }

    pub fn root(&self) -> &Path {
        self.project.root()
    }

    /// A command line in the project, not yet run.
    pub fn xtask(&self, words: &str) -> Xtask {
        Xtask::new(self.root(), words).env("XTASK_PYTHON", python())
    }

    /// Runs a command line to its end.
    pub fn run(&self, words: &str) -> Output {
        self.xtask(words).run()
    }

    /// Runs with `--json`, which must go well; the object.
    #[track_caller]
    pub fn json(&self, words: &str) -> Value {
        self.run(&format!("{words} --json")).code(0).json()
    }

    /// What the version table holds, sorted.
    pub fn versions(&self) -> Vec<String> {
        let mut client = self.client();
        let table: Option<String> =
            client.query_one("select to_regclass('alembic_version')::text", &[]).unwrap().get(0);
        if table.is_none() {
            return Vec::new();
        }
        let rows = client.query("select version_num from alembic_version order by 1", &[]).unwrap();
        rows.iter().map(|row| row.get(0)).collect()
    }

    /// The tables but the version table, sorted, in one word.
    pub fn tables(&self) -> String {
        let sql = "select coalesce(string_agg(tablename::text, ' ' order by tablename), '') from pg_tables \
                   where schemaname = 'public' and tablename <> 'alembic_version'";
        self.client().query_one(sql, &[]).unwrap().get(0)
    }

    /// Whether there is a table, also the version table.
    pub fn has_table(&self, name: &str) -> bool {
        self.client().query_one("select to_regclass($1) is not null", &[&name]).unwrap().get(0)
    }

    /// Waits until a session in the database runs a statement that contains `text`.
    #[track_caller]
    pub fn wait_for_statement(&self, text: &str) {
        let mut client = self.client();
        let sql = "select count(*) from pg_stat_activity where datname = current_database() \
                   and pid <> pg_backend_pid() and query like '%' || $1 || '%' and state = 'active'";
        wait_until(text, || client.query_one(sql, &[&text]).unwrap().get::<_, i64>(0) > 0);
    }

    /// Runs a command line that must fail, and looks at both forms of its error.
    #[track_caller]
    pub fn fails(&self, words: &str, kind: Kind, exit: i32, names: &[&str]) -> Failure {
        Failure::of(self.xtask(&format!("{words} --json")), self.root(), kind, exit, names)
    }

    /// The scratch databases that a run of the tool with this process id has left.
    pub fn scratch_of(&self, pid: u32) -> Vec<String> {
        let sql = "select datname::text from pg_database where datname like 'xtask\\_scratch\\_' || $1 || '\\_%'";
        self.client().query(sql, &[&pid.to_string()]).unwrap().iter().map(|row| row.get(0)).collect()
    }

    /// Drops the databases that were put aside of this one.
    pub fn drop_kept(&self) {
        let sql = "select datname::text from pg_database where shobj_description(oid, 'pg_database') = $1";
        let mark = format!("xtask: put aside by db-restore; it was {}", self.database);
        let mut client = cluster().client("postgres");
        for row in client.query(sql, &[&mark]).unwrap() {
            client.batch_execute(&format!("drop database \"{}\"", row.get::<_, String>(0))).unwrap();
        }
    }

    /// How many sessions but this question's own are in the database.
    pub fn sessions(&self) -> i64 {
        let sql =
            "select count(*) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()";
        self.client().query_one(sql, &[]).unwrap().get(0)
    }

    /// The path of `pg_restore` and its kin.
    pub fn tool(name: &str) -> std::path::PathBuf {
        cluster().bin.join(name)
    }
}

/// A run that failed as it should.
pub struct Failure {
    pub json: Value,
    pub output: Output,
    /// The process id of the run.
    pub pid: u32,
}

impl Failure {
    /// Runs it, and asserts exit code, kind, what the details name, that the same stands on stderr in the seed's form,
    /// and that the password is nowhere: not in the output, not in a process's arguments, not in a file.
    #[track_caller]
    pub fn of(xtask: Xtask, folder: &Path, kind: Kind, exit: i32, names: &[&str]) -> Failure {
        let (output, pid) = watched(xtask);
        let output = output.code(exit);
        let json = output.json();
        let error = &json["error"];
        assert_eq!(error["kind"], kind.name(), "{output}");
        assert_eq!(json["version"], 1, "{output}");
        let outcome = if exit == 3 || exit == 2 { "refused" } else { "failed" };
        assert_eq!(json["outcome"], outcome, "{output}");
        let text = |key: &str| error[key].as_str().unwrap_or_else(|| panic!("no {key}\n{output}")).to_owned();
        let place = format!("{}:{}", error["file"].as_str().unwrap_or_default(), error["line"]);
        for name in names {
            assert!(format!("{} {} {place}", text("summary"), text("details")).contains(name), "no {name:?}\n{output}");
            assert!(output.stderr.contains(name), "stderr lacks {name:?}\n{output}");
        }
        let actions = error["actions"].as_array().unwrap();
        assert!(!actions.is_empty(), "no action\n{output}");
        for (number, action) in actions.iter().enumerate() {
            let line = format!("\n  {}. {}", number + 1, action.as_str().unwrap());
            assert!(output.stderr.contains(&line), "stderr lacks {line:?}\n{output}");
        }
        for part in [format!("❌ Error: {}", text("summary")), format!("Related command: {}", text("related"))] {
            assert!(output.stderr.contains(&part), "stderr lacks {part:?}\n{output}");
        }
        assert!(output.stderr.contains("\nDetails:\n") && text("related").starts_with("cargo xtask "), "{output}");
        let texts = actions.iter().map(|action| action.as_str().unwrap().to_owned()).chain([text("related")]);
        paste_what_looks(folder, &texts.collect::<Vec<_>>());
        no_password_in(folder);
        Failure { json, output, pid }
    }

    /// A run that was started and waited for elsewhere.
    #[track_caller]
    pub fn from(output: Output, pid: u32, kind: Kind) -> Failure {
        let output = output.never_says(PASSWORD).never_says(PASSWORD_IN_URL);
        assert_eq!(output.kind(), kind.name(), "{output}");
        Failure { json: output.json(), output, pid }
    }

    /// Asserts that the details say something about where the database stands.
    #[track_caller]
    pub fn says(self, text: &str) -> Failure {
        assert!(self.json["error"]["details"].as_str().unwrap().contains(text), "no {text:?}\n{}", self.output);
        self
    }

    /// Asserts a field of the object beside the error.
    #[track_caller]
    pub fn has(self, key: &str, value: Value) -> Failure {
        assert_eq!(self.json[key], value, "{key}\n{}", self.output);
        self
    }
}

/// Runs it to its end while the arguments of all processes that have begun since are looked at.
#[track_caller]
fn watched(xtask: Xtask) -> (Output, u32) {
    let before = processes();
    let mut child = xtask.spawn();
    let pid = child.id();
    let streams = Streams::of(&mut child);
    while child.try_wait().unwrap().is_none() {
        no_password_in_arguments(&before);
        std::thread::sleep(Duration::from_millis(15));
    }
    (streams.end(child).never_says(PASSWORD).never_says(PASSWORD_IN_URL), pid)
}

/// Reads the child's stderr until a line begins so; what follows is read and thrown away.
#[track_caller]
pub fn wait_for_line(child: &mut Child, start: &str) {
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
    let mut seen = Vec::new();
    let found = lines.by_ref().inspect(|line| seen.push(line.clone())).any(|line| line.starts_with(start));
    assert!(found, "no line begins with {start:?}:\n{}", seen.join("\n"));
    std::thread::spawn(move || lines.for_each(drop));
}

/// The two streams of a running child, read side by side so that neither fills up.
pub struct Streams(Vec<std::thread::JoinHandle<String>>);

impl Streams {
    pub fn of(child: &mut Child) -> Streams {
        let (stdout, stderr) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
        Streams(vec![read(stdout), read(stderr)])
    }

    /// Waits for the end. A death by a signal is -1.
    pub fn end(mut self, mut child: Child) -> Output {
        let code = child.wait().unwrap().code().unwrap_or(-1);
        let mut next = || self.0.remove(0).join().unwrap();
        Output::new(code, next(), next())
    }
}

fn read(mut stream: impl std::io::Read + Send + 'static) -> std::thread::JoinHandle<String> {
    std::thread::spawn(move || {
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        text
    })
}

/// The processes there are. Only Linux shows them and their arguments as files; there the test is made, and CI runs there.
fn processes() -> HashSet<OsString> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let is_number = |name: &OsString| name.as_encoded_bytes()[0].is_ascii_digit();
    entries.map(|entry| entry.file_name()).filter(is_number).collect()
}

/// No process but those has the password in its arguments.
#[track_caller]
fn no_password_in_arguments(before: &HashSet<OsString>) {
    for process in processes().difference(before) {
        let line = std::fs::read(Path::new("/proc").join(process).join("cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line).replace('\0', " ");
        assert!(!line.contains(PASSWORD) && !line.contains(PASSWORD_IN_URL), "the password is in: {line}");
    }
}

/// No file below the folder but the Alembic config itself holds the password.
#[track_caller]
pub fn no_password_in(folder: &Path) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            no_password_in(&path);
        } else if kind.is_file() && path.extension().is_none_or(|extension| extension != "ini") {
            let bytes = std::fs::read(&path).unwrap_or_default();
            let holds = |text: &str| bytes.windows(text.len()).any(|window| window == text.as_bytes());
            assert!(!holds(PASSWORD) && !holds(PASSWORD_IN_URL), "the password is in {}", path.display());
        }
    }
}

/// The project's files by path, without what the tool leaves there.
fn read_below(folder: &Path, files: &mut BTreeMap<PathBuf, String>) {
    for entry in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        let name = entry.file_name().unwrap().to_string_lossy();
        match entry.is_dir() {
            true if ["state", ".xtask", ".git", "__pycache__"].contains(&name.as_ref()) => {}
            true => read_below(&entry, files),
            false => {
                let bytes = std::fs::read(&entry).unwrap_or_default();
                files.insert(entry, String::from_utf8_lossy(&bytes).into_owned());
            }
        }
    }
}

/// Waits until something is so.
#[track_caller]
pub fn wait_until(what: &str, mut so: impl FnMut() -> bool) {
    let until = Instant::now() + PATIENCE;
    while !so() {
        assert!(Instant::now() < until, "waited too long for: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The body of a function that runs a statement.
pub fn sql(statement: &str) -> String {
    format!("op.execute(\"\"\"{statement}\"\"\")")
}

/// The URL of a database of the shared cluster, with the password.
pub fn url(driver: &str, database: &str) -> String {
    cluster().url(driver, database).replacen('@', &format!(":{PASSWORD_IN_URL}@"), 1)
}

/// An `alembic.ini` with a URL.
pub fn config(url: &str) -> String {
    project::config("migrations", url)
}
