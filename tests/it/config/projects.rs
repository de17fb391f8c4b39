//! Where the project is, and what `[workspace.metadata.db]` says of it.

use std::path::Path;

use xtask::fail::Kind;
use xtask::sys::project::{AlembicConfig, Baseline, Project, Seed, Server, VersionTable};

use super::{Folder, failure};

fn names(project: &Project) -> Vec<&str> {
    project.components.iter().map(|component| component.name.as_str()).collect()
}

#[test]
fn a_backend_ai_checkout_needs_no_configuration() {
    let folder = Folder::new();
    for name in ["alembic-appproxy.ini", "alembic.ini"] {
        folder.write(name, "[alembic]\n");
    }
    folder.program("backend.ai", "#!/bin/sh\n");
    // The files alone are anybody's.
    let anybody = Project::find(&folder, None).unwrap();
    assert_eq!(names(&anybody), ["default"]);
    let only = anybody.component(None).unwrap();
    assert_eq!((&only.baseline, only.services.len(), only.section.as_str()), (&None, 0, "alembic"));
    std::fs::create_dir_all(folder.join("src/ai/backend/manager")).unwrap();
    let project = Project::find(&folder.join("src/ai/backend"), None).unwrap();
    assert_eq!(project.root, *folder);
    assert_eq!(names(&project), ["manager", "appproxy"]);
    assert_eq!((project.server, &project.requirements), (Server::Configured, &None));
    let manager = project.component(None).unwrap();
    assert_eq!(manager.config, Path::new("alembic.ini"));
    let oneshot = "./backend.ai mgr schema oneshot -f {config}".split(' ').map(str::to_owned).collect();
    assert_eq!(manager.baseline, Some(Baseline::Command { words: oneshot, from_models: true }));
    assert_eq!(project.component(Some("appproxy")).unwrap().baseline, None);
    failure(
        project.component(Some("accountmgr")),
        Kind::ConfigMissing,
        &["accountmgr", folder.join("alembic-accountmgr.ini").to_str().unwrap(), "--project=DIR", "manager"],
    );
    failure(project.component(Some("appproxi")), Kind::Usage, &["appproxi", "manager", "--component=appproxy"]);
    failure(project.component(Some("zzz")), Kind::Usage, &["'zzz'", "manager, appproxy, accountmgr"]);
    assert!(!folder.join("target").exists(), "finding a project must not make folders");
    // What is declared is all there is, and keeps what it does not say.
    folder.write("Cargo.toml", "[workspace.metadata.db.components.appproxy]\n");
    let declared = Project::find(&folder, None).unwrap();
    assert_eq!(names(&declared), ["appproxy"]);
    let appproxy = declared.component(None).unwrap();
    assert_eq!((appproxy.config.to_str().unwrap(), appproxy.services.len()), ("alembic-appproxy.ini", 2));
}

const EVERY_KEY: &str = r#"
[workspace]
members = []
[workspace.metadata.other]
db = 1
[workspace.metadata.db]
project = "database"
server = "embedded"
strict = true
warm = true
requirements = "requirements.txt"
main = "origin/develop"
[workspace.metadata.db.components.billing]
config = "conf/billing.ini"
baseline = ["./make", "{config}"]
services = ["billing serve"]
seed = ["one.sql", "two.sql"]
version_table = "meta.versions"
section = "billing"
x = ["tenant=t1"]
url = "env:BILLING"
env = { BILLING_DB = "{url}" }
protected = true
[workspace.metadata.db.components.manager]
config = "alembic.ini"
[workspace.metadata.db.components.audit]
config = "audit.ini"
version_table = "v"
seed = { ab12 = "ab12.sql" }
"#;

#[test]
fn the_section_says_everything() {
    let folder = Folder::new();
    folder.write("Cargo.toml", EVERY_KEY);
    folder.write("database/alembic.ini", "[alembic]\n");
    std::fs::create_dir_all(folder.join("crates/x")).unwrap();
    for from in ["", "crates/x", "database"] {
        let project = Project::find(&folder.join(from), None).unwrap();
        assert_eq!(project.root, folder.join("database"), "from {from:?}");
        assert_eq!(project.workspace.as_deref(), Some(&*folder.0));
        assert_eq!((project.server, project.main.as_deref()), (Server::Embedded, Some("origin/develop")));
        assert_eq!(project.requirements.as_deref(), Some(&*folder.join("database/requirements.txt")));
        assert_eq!(names(&project), ["manager", "audit", "billing"]);
        let manager = project.component(None).unwrap();
        assert_eq!((manager.config.to_str().unwrap(), manager.services.len()), ("alembic.ini", 0));
        assert!(project.strict && project.warm);
        let billing = project.component(Some("billing")).unwrap();
        assert_eq!((billing.section.as_str(), billing.url.as_deref()), ("billing", Some("env:BILLING")));
        assert_eq!(
            (&billing.x[..], &billing.env[..]),
            (&["tenant=t1".to_owned()][..], &[("BILLING_DB".to_owned(), "{url}".to_owned())][..])
        );
        let words = ["./make", "{config}"].map(str::to_owned).to_vec();
        assert_eq!(billing.baseline, Some(Baseline::Command { words, from_models: false }));
        let seed = |file: &str| Seed { revision: None, file: file.into() };
        assert_eq!(billing.seed, [seed("one.sql"), seed("two.sql")]);
        let table = VersionTable { schema: Some("meta".into()), table: "versions".into() };
        assert_eq!(billing.version_table, Some(table));
        let audit = project.component(Some("audit")).unwrap();
        assert_eq!(audit.seed, [Seed { revision: Some("ab12".into()), file: "ab12.sql".into() }]);
        assert_eq!(audit.version_table, Some(VersionTable { schema: None, table: "v".into() }));
    }
}

#[test]
fn another_projects_settings_do_not_apply() {
    let folder = Folder::new();
    folder.write("Cargo.toml", "[workspace.metadata.db]\nproject = \"example\"\nserver = \"embedded\"\n");
    folder.write("example/alembic.ini", "[alembic]\n");
    folder.write("other/alembic.ini", "[alembic]\n");
    assert_eq!(Project::find(&folder, None).unwrap().server, Server::Embedded);
    let other = Project::find(&folder, Some(Path::new("other"))).unwrap();
    assert_eq!((other.server, other.root), (Server::Configured, folder.join("other")));
}

#[test]
fn one_component_need_not_be_named() {
    let folder = Folder::new();
    let section = "[workspace.metadata.db.components.NAME]\nconfig = \"NAME.ini\"\n";
    folder.write("Cargo.toml", section.replace("NAME", "billing"));
    let project = Project::find(&folder, None).unwrap();
    assert_eq!(project.component(None).unwrap().name, "billing");
    folder.write("Cargo.toml", section.replace("NAME", "billing") + &section.replace("NAME", "audit"));
    let project = Project::find(&folder, None).unwrap();
    failure(project.component(None), Kind::Usage, &["several components", "audit, billing", "--component=audit"]);
}

#[test]
fn no_project_says_where_was_looked() {
    let folder = Folder::new();
    let here = folder.to_str().unwrap();
    failure(Project::find(&folder, None), Kind::ConfigMissing, &[here, "alembic.ini", "--project=DIR"]);
    failure(Project::find(&folder, Some(Path::new("nope"))), Kind::ConfigMissing, &["nope", "does not exist"]);
    folder.write("file", "");
    failure(Project::find(&folder, Some(Path::new("file"))), Kind::ConfigMissing, &["is not a folder"]);
    folder.write("Cargo.toml", "[workspace.metadata.db]\nproject = \"gone\"\n");
    failure(Project::find(&folder, None), Kind::ConfigInvalid, &["Cargo.toml", "gone"]);
    // A named folder without configs is a project without components.
    std::fs::create_dir(folder.join("empty")).unwrap();
    let empty = Project::find(&folder, Some(Path::new("empty"))).unwrap();
    failure(empty.component(None), Kind::ConfigMissing, &[folder.join("empty/alembic.ini").to_str().unwrap()]);
}

#[test]
fn a_wrong_section_is_refused_by_file_line_and_key() {
    let cases: &[(&str, usize, &[&str])] = &[
        ("projet = \".\"", 2, &["`projet`", "did you mean `project`"]),
        ("xyzzy = 1", 2, &["`xyzzy`", "known are project, server"]),
        ("project = 5", 2, &["`project`", "string"]),
        ("project = \"\"", 2, &["`project`"]),
        ("\nserver = \"docker\"", 3, &["`server`", "embedded"]),
        ("components = []", 2, &["`components`", "table"]),
        ("components.x = 1", 2, &["`components.x`", "table"]),
        ("[workspace.metadata.db.components.x]\nconfg = \"a\"", 3, &["`components.x.confg`", "`config`"]),
        ("components.x.baseline = \"make\"", 2, &["`components.x.baseline`", "array"]),
        ("components.x.services = [1]", 2, &["`components.x.services`"]),
        ("components.x.seed = 1", 2, &["`components.x.seed`"]),
        ("components.x.seed = { a = 1 }", 2, &["`components.x.seed.a`"]),
        ("components.x.env = { A = 1 }", 2, &["`components.x.env.A`"]),
        ("components.x.protected = \"yes\"", 2, &["`components.x.protected`", "true or false"]),
        ("components.x.version_table = \"a.b.c\"", 2, &["`components.x.version_table`", "schema.table"]),
        ("project = ", 2, &[]),
    ];
    for (text, line, names) in cases {
        let folder = Folder::new();
        let path = folder.write("Cargo.toml", format!("[workspace.metadata.db]\n{text}\n"));
        let place = format!("{}:{line}", path.display());
        let names: Vec<&str> = names.iter().copied().chain([place.as_str()]).collect();
        let fail = failure(Project::find(&folder, None), Kind::ConfigInvalid, &names);
        assert_eq!(fail.line, Some(*line), "{text}");
    }
    let folder = Folder::new();
    folder.write("Cargo.toml", "[workspace.metadata]\ndb = true\n");
    failure(Project::find(&folder, None), Kind::ConfigInvalid, &["`db`", "table"]);
    folder.write("Cargo.toml", "[workspace.metadata.db.components]\nx = {}\ny = { config = \"y.ini\" }\n");
    failure(Project::find(&folder, None), Kind::ConfigInvalid, &["components.x.config", "alembic-x.ini"]);
}

#[test]
fn a_checkout_without_configs_has_its_templates() {
    let folder = Folder::new();
    std::fs::create_dir_all(folder.join("src/ai/backend/manager")).unwrap();
    let nothing = Project::find(&folder, None).unwrap();
    failure(nothing.all(), Kind::ConfigMissing, &["nothing to look at"]);
    folder.write(
        "configs/manager/halfstack.alembic.ini",
        "[alembic]\nscript_location = %(here)s/m\nsqlalchemy.url = x\n",
    );
    folder.write("m/env.py", "");
    let project = Project::find(&folder.join("src"), None).unwrap();
    assert_eq!((names(&project), &*project.root), (vec!["manager"], &*folder.0));
    let manager = project.component(None).unwrap();
    let config = AlembicConfig::read(&project, manager, || Ok(Vec::new())).unwrap();
    assert_eq!(config.script_location, folder.join("m"));
    let made = "cp ";
    failure(config.url(), Kind::ConfigMissing, &["manager", "halfstack.alembic.ini", made, "--url="]);
}

#[test]
fn where_alembic_itself_would_look() {
    let of = |files: &[(&str, &str)]| {
        let folder = Folder::new();
        files.iter().for_each(|(name, text)| drop(folder.write(name, text)));
        let project = Project::find(&folder, None).unwrap();
        let component = project.component(None).unwrap().clone();
        let config = AlembicConfig::read(&project, &component, || Ok(Vec::new())).unwrap();
        let here = config.script_location.strip_prefix(&*folder).unwrap().display().to_string();
        (component.name, component.config.display().to_string(), here, config.implied_location)
    };
    let own =
        |config: &str, place: &str, implied: bool| ("default".to_owned(), config.to_owned(), place.to_owned(), implied);
    let toml = "[tool.alembic]\nscript_location = \"%(here)s/m\"\n";
    assert_eq!(of(&[("pyproject.toml", toml), ("m/env.py", "")]), own("pyproject.toml", "m", false));
    let ini = "[alembic]\nsqlalchemy.url = x\n";
    assert_eq!(of(&[("pyproject.toml", toml), ("alembic.ini", ini), ("m/env.py", "")]), own("alembic.ini", "m", false));
    // Flask-Migrate's layout: nothing says where the scripts are.
    let flask = [("migrations/alembic.ini", "[alembic]\n"), ("migrations/env.py", "")];
    assert_eq!(of(&flask), own("migrations/alembic.ini", "migrations", true));
    // A section of its own, in a component that is declared without a file.
    let declared = "[workspace.metadata.db.components.one]\nsection = \"two\"\n";
    let ini = "[one]\nscript_location = a\n[two]\nscript_location = b\n";
    let (name, _, place, _) = of(&[("Cargo.toml", declared), ("alembic.ini", ini), ("a/x", ""), ("b/x", "")]);
    assert_eq!((name.as_str(), place.as_str()), ("one", "b"));
}
