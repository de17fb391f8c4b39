//! Which database is meant: by the config, by env.py, by `--url` and the settings; and what env.py is told.

use crate::support::pg::cluster;
use crate::support::scene::{PASSWORD, PASSWORD_IN_URL, Scene};
use crate::support::xtask::{Folder, Output, Xtask};

/// env.py as many projects have it: DATABASE_URL goes before the ini.
fn from_variable(scene: &Scene) {
    let env = std::fs::read_to_string(scene.project.path("migrations/env.py")).unwrap();
    let line = "import os\ntry:\n    os.environ[b'DATABASE_URL']\nexcept TypeError:\n    pass\nif os.environ.get('DATABASE_URL'):\n    config.set_main_option('sqlalchemy.url', os.environ['DATABASE_URL'].replace('%', '%%'))\n";
    scene.project.write("migrations/env.py", &env.replacen("target_metadata", &format!("{line}target_metadata"), 1));
}

fn run(command: Xtask) -> Output {
    command.run().never_says(PASSWORD).never_says(PASSWORD_IN_URL)
}

#[test]
fn what_env_py_takes() {
    let scene = Scene::three();
    from_variable(&scene);
    let url = crate::support::scene::url("psycopg", &scene.database);
    scene.project.write("alembic.ini", "[alembic]\nscript_location = migrations\nprepend_sys_path = .\nsqlalchemy.url = driver://user:pass@localhost/db\n");
    let with = |words: &str| scene.xtask(words).env("DATABASE_URL", &url);
    let nothing = run(scene.xtask("db-status")).code(1);
    assert!(nothing.stderr.contains("The database is not known") && nothing.stderr.contains("--url="), "{nothing}");
    // Asked once; what is remembered holds no password, and no Python is started for it.
    let first = run(with("db-status -v")).code(0).complains("wanted.py");
    assert!(first.stdout.contains("c3"), "{first}");
    let second = run(with("db-status -v")).code(0);
    assert!(!second.stderr.contains("wanted.py"), "{second}");
    let kept: Vec<String> = std::fs::read_dir(scene.root().join("state"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_file())
        .map(|path| std::fs::read_to_string(path).unwrap_or_default())
        .collect();
    assert!(kept.iter().any(|text| text.contains("DATABASE_URL")), "{kept:?}");
    assert!(!kept.iter().any(|text| text.contains(PASSWORD_IN_URL) || text.contains(PASSWORD)), "{kept:?}");
    // Everything that runs env.py is told the database at hand: the throwaway one, too.
    let _ = run(with("db-roundtrip --all")).code(0).says("3");
    let _ = run(with("db-migrate")).code(0);
    let _ = run(with("db-roundtrip")).code(0);
    assert_eq!(scene.versions(), ["c3"]);
    // Another file, another answer.
    scene.project.write("migrations/env.py", "raise RuntimeError('no application')\n");
    let raised = run(with("db-status")).code(1);
    assert!(raised.stderr.contains("RuntimeError: no application"), "{raised}");
}

/// env.py has the URL from a settings class: a variable, else a file that lies outside the project, else its own code.
#[test]
fn an_answer_holds_until_what_it_came_from_changes() {
    let scene = Scene::three().at("head");
    let (outside, other) = (Folder::new(), cluster().database());
    let secret = outside.path().join("url");
    let [own, elsewhere] = [&scene.database, &other].map(|name| crate::support::scene::url("psycopg", name));
    let env = std::fs::read_to_string(scene.project.path("migrations/env.py")).unwrap();
    let lines = format!(
        "import os, pathlib\ntaken = dict(os.environ.items())\nfile = pathlib.Path({secret:?})\n\
         url = taken.get('APP_DB_URL') or (file.read_text() if file.exists() else '{own}')\n\
         config.set_main_option('sqlalchemy.url', url.strip().replace('%', '%%'))\n\
         from sqlalchemy import engine, event\n@event.listens_for(engine.Engine, 'connect')\ndef seen(raw, _record):\n    \
         pathlib.Path('seen').write_text(str(raw.info.get_parameters()))\n"
    );
    scene.project.write("migrations/env.py", &env.replacen("target_metadata", &format!("{lines}target_metadata"), 1));
    let status = |database: &str| run(scene.xtask("db-status -v")).code(0).says(&format!("Database: {database} "));
    drop(status(&scene.database));
    std::fs::write(&secret, format!("{elsewhere}\n")).unwrap();
    drop(status(&other));
    assert!(!status(&other).stderr.contains("wanted.py"), "the password is read where it stands");
    std::fs::write(&secret, format!("{own}\n")).unwrap();
    drop(status(&scene.database));
    let set = scene.xtask("db-status").env("APP_DB_URL", &elsewhere);
    drop(run(set).code(0).says(&format!("Database: {other} ")));
    // No variable tells env.py of the throwaway database: it is led there, with what its own URL says of TLS.
    let sign = if own.contains('?') { '&' } else { '?' };
    std::fs::write(&secret, format!("{own}{sign}sslmode=allow\n")).unwrap();
    drop(run(scene.xtask("db-roundtrip --all")).code(0).says("Tested 3 revisions: 3 reversible"));
    assert_eq!((scene.versions(), scene.tables().as_str()), (vec!["c3".to_owned()], "a1 b2 c3"));
    let seen = std::fs::read_to_string(scene.project.path("seen")).unwrap();
    assert!(seen.contains("'sslmode': 'allow'") && seen.contains("'dbname': 'xtask_scratch"), "{seen}");
    let missing = "import os\nraise RuntimeError('APP_URL is not set' if 'APP_URL' not in os.environ else '')\n";
    scene.project.write("migrations/env.py", missing);
    scene.project.write("alembic.ini", "[alembic]\nscript_location = migrations\n");
    drop(run(scene.xtask("db-status")).code(1).complains("export APP_URL=postgresql"));
}

#[test]
fn another_database_than_the_config_names_is_said() {
    let scene = Scene::three().at("head");
    from_variable(&scene);
    let other = cluster().database();
    let url = crate::support::scene::url("psycopg", &other);
    let _ = run(scene.xtask("db-status")).code(0).says("up-to-date");
    for words in ["db-status", "db-migrate --dry-run"] {
        let output = run(scene.xtask(words).env("DATABASE_URL", &url)).code(0);
        assert!(output.stderr.contains(&other) && output.stderr.contains(&scene.database), "{output}");
        assert!(output.stdout.contains("c3"), "the other database holds nothing yet: {output}");
    }
    // An announced database goes before both, and env.py follows.
    let own = crate::support::scene::url("psycopg", &scene.database);
    let flag = || scene.xtask("db-status").env("DATABASE_URL", &url).arg(&format!("--url={own}"));
    let _ = run(flag()).code(0).says("up-to-date");
    let back = scene.xtask("db-migrate --direction=downgrade --target=-1 --url=env:MINE").env("MINE", &own);
    let _ = run(back.env("DATABASE_URL", &own)).code(0);
    assert_eq!(scene.versions(), ["b2"]);
    let _ = run(scene.xtask("db-status --url=env:MINE")).code(1).complains("MINE");
    // Where nobody answers, what is to be looked at is where the URL came from.
    let nobody = "postgresql+psycopg://me@127.0.0.1:1/db";
    let variable = scene.xtask("db-status").env("DATABASE_URL", nobody);
    let _ = run(variable).code(1).complains("Verify database configuration (DATABASE_URL in the environment)");
    let flag = scene.xtask("db-status").arg(&format!("--url={nobody}"));
    let _ = run(flag).code(1).complains("Verify database configuration (--url)");
}

/// env.py knows nothing of the config, and the settings say how it is told of it.
#[test]
fn a_config_that_is_handed_on() {
    let scene = Scene::three().at("head");
    let env = std::fs::read_to_string(scene.project.path("migrations/env.py")).unwrap();
    let line = "import os\nconfig.set_main_option('sqlalchemy.url', os.environ.get('APP_DB', 'sqlite:///app.db').replace('%', '%%'))\n";
    scene.project.write("migrations/env.py", &env.replacen("target_metadata", &format!("{line}target_metadata"), 1));
    let declared = "[workspace]\n[workspace.metadata.db.components.app]\nconfig = \"alembic.ini\"\n";
    scene.project.write("Cargo.toml", declared);
    let _ = run(scene.xtask("db-status")).code(1).complains("env.py connects to sqlite");
    scene.project.write("Cargo.toml", &format!("{declared}env = {{ APP_DB = \"{{url}}\" }}\n"));
    let _ = run(scene.xtask("db-migrate --direction=downgrade --target=-1 --yes")).code(0);
    let _ = run(scene.xtask("db-roundtrip --all")).code(0);
    assert_eq!(scene.versions(), ["b2"]);
    // Whoever exports it has told env.py himself.
    let other = cluster().database();
    let exported = scene.xtask("db-status").env("APP_DB", crate::support::scene::url("psycopg", &other));
    let _ = run(exported).code(0).says("Database has no revision yet").complains(&other);
    // A PostgreSQL that env.py finds without that variable goes before the config's, and that is said.
    let found = env.replacen(
        "target_metadata",
        &format!("{}target_metadata", line.replace("sqlite:///app.db", &crate::support::scene::url("psycopg", &other))),
        1,
    );
    scene.project.write("migrations/env.py", &found);
    let status = run(scene.xtask("db-status")).code(0).says("Database has no revision yet");
    let _ = status.complains("env.py's counts");
}

#[test]
fn what_alembic_is_given_besides() {
    let scene = Scene::three();
    let env = std::fs::read_to_string(scene.project.path("migrations/env.py")).unwrap();
    let line = "assert context.get_x_argument(as_dictionary=True).get('tenant') == 't1', 'pass -x tenant=t1'\n\
                assert config.config_ini_section == 'billing', config.config_ini_section\n";
    scene.project.write("migrations/env.py", &env.replacen("target_metadata", &format!("{line}target_metadata"), 1));
    let ini = std::fs::read_to_string(scene.project.path("alembic.ini")).unwrap();
    scene.project.write(
        "alembic.ini",
        &format!("{}[alembic]\nscript_location = nowhere\n", ini.replace("[alembic]", "[billing]")),
    );
    let declared =
        "[workspace]\n[workspace.metadata.db.components.billing]\nconfig = \"alembic.ini\"\nsection = \"billing\"\n";
    scene.project.write("Cargo.toml", declared);
    let _ = run(scene.xtask("db-status")).code(0).says("billing");
    let _ = run(scene.xtask("db-migrate --target=a1 -x tenant=t2")).code(1).complains("pass -x tenant=t1");
    let _ = run(scene.xtask("db-migrate --target=a1 -x tenant=t1")).code(0);
    scene.project.write("Cargo.toml", &format!("{declared}x = [\"tenant=t1\"]\n"));
    let _ = run(scene.xtask("db-migrate")).code(0);
    assert_eq!(scene.versions(), ["c3"]);
}

/// Where `alembic` without `-c` finds its config, and where Flask-Migrate keeps it: env.py is run inside the application.
#[test]
fn a_config_elsewhere_and_an_application_round_env_py() {
    let scene = Scene::three().at("b2");
    let ini = std::fs::read_to_string(scene.project.path("alembic.ini")).unwrap();
    std::fs::remove_file(scene.project.path("alembic.ini")).unwrap();
    scene.project.write("conf.ini", &ini);
    // No checkout of Backend.AI, where the components are built in.
    let _ = std::fs::remove_dir_all(scene.project.path("src"));
    let _ = run(scene.xtask("db-status").env("ALEMBIC_CONFIG", "conf.ini")).code(0).says("Head Revision: c3");
    let _ = run(scene.xtask("db-status")).code(1).complains("No Alembic project found");
    scene.project.write("migrations/alembic.ini", "[alembic]\n");
    let env = std::fs::read_to_string(scene.project.path("migrations/env.py")).unwrap();
    let line =
        "from flask import current_app\nconfig.set_main_option('sqlalchemy.url', current_app.url.replace('%', '%%'))\n";
    scene.project.write("migrations/env.py", &env.replacen("target_metadata", &format!("{line}target_metadata"), 1));
    // As much of Flask as `flask db` would go through.
    scene.project.write("flask/__init__.py", "class Current:\n    pass\n\n\ncurrent_app = Current()\n");
    scene.project.write("flask/helpers.py", "def get_load_dotenv():\n    return True\n");
    let cli = "import importlib, os\n\n\ndef load_dotenv():\n    os.environ['FLASK_APP'] = open('.flaskenv').read()\n\n\n\
               class ScriptInfo:\n    def __init__(self, name):\n        self.name = name\n\n    \
               def load_app(self):\n        return importlib.import_module(self.name).app\n";
    scene.project.write("flask/cli.py", cli);
    scene.project.write(".flaskenv", "service");
    let url = crate::support::scene::url("psycopg", &scene.database);
    let service = format!(
        "import flask\n\n\nclass Application:\n    def app_context(self):\n        return self\n\n    \
         def push(self):\n        flask.current_app.url = {url:?}\n\n\napp = Application()\n"
    );
    scene.project.write("service.py", &service);
    let inside = |words: &str| run(scene.xtask(words).env("PYTHONPATH", scene.root()));
    let _ = inside("db-status").code(0).says("Head Revision: c3");
    let _ = inside("db-roundtrip").code(0).says("1 reversible");
    let _ = inside("db-migrate").code(0);
    assert_eq!(scene.versions(), ["c3"]);
}
