//! The projects: what is installed, how they are laid out, and what is particular about each.

/// A project from PyPI.
pub struct Project {
    /// Its name there; `NAME.txt` beside this file pins it and all that it needs.
    pub name: &'static str,
    /// What is particular about its migrations.
    pub habit: &'static str,
    /// Where its scripts are, as `script_location` says it.
    pub scripts: &'static str,
    /// More lines of the config's section.
    pub config: &'static str,
    pub driver: &'static str,
    /// Lines of the component's settings.
    pub settings: &'static str,
    /// A program that makes a fresh database as the project itself does; it is given a config with the database's URL.
    pub make: Option<&'static str>,
    /// Why what stands out below the table is so, as it was found in the scripts.
    pub causes: &'static str,
}

/// What every such program begins with.
pub const URL: &str = "import configparser, sys\n\
    config = configparser.RawConfigParser()\n\
    config.read(sys.argv[1])\n\
    url = config['alembic']['sqlalchemy.url'].replace('%%', '%')\n";

pub const PROJECTS: &[Project] = &[
    Project {
        name: "optuna",
        habit: "revision ids that are versions; batch mode; each script makes a session of its own",
        scripts: "optuna.storages._rdb:alembic",
        config: "",
        driver: "psycopg2",
        settings: "",
        make: None,
        causes: "Enum types are left behind by the downgrades (DB402 says so of the same scripts), and v3.0.0.c names an \
                 attribute (`FloatTypeEnum`) that its own model does not have, so nothing goes down through it.",
    },
    Project {
        name: "argilla",
        habit: "env.py takes `ARGILLA_DATABASE_URL`, of another driver than the application",
        scripts: "argilla_server:alembic",
        config: "",
        driver: "asyncpg",
        settings: "env = { ARGILLA_DATABASE_URL = \"{url}\" }\n",
        make: None,
        causes: "Two labels that an upgrade adds to an enum type stay behind (DB409 says so). Why no database to compare \
                 `3fc3c0839959` with could be made was not looked into.",
    },
    Project {
        name: "quetz",
        habit: "a merge revision; env.py takes the config's URL, or one of its own file",
        scripts: "quetz:migrations",
        config: "version_locations = quetz:migrations/versions\n",
        driver: "psycopg2",
        settings: "",
        make: None,
        causes: "Enum types are left behind by the downgrades (DB402 says so), one downgrade changes a type in a way that PostgreSQL \
                 refuses, and one forgets an enum label.",
    },
    Project {
        name: "zuul",
        habit: "env.py hands arguments to `upgrade()`, and to `downgrade()`, which takes none",
        scripts: "zuul.driver.sql:alembic",
        config: "",
        driver: "psycopg2",
        settings: "",
        make: None,
        causes: "No downgrade can run: env.py passes `table_prefix`, which they do not take. They would only raise that \
                 there is no downgrade.",
    },
    Project {
        name: "jupyterhub",
        habit: "the initial tables are made by `create_all`, and the database is stamped; a transaction for each revision",
        scripts: "jupyterhub:alembic",
        config: "",
        driver: "psycopg2",
        settings: "",
        make: Some("from jupyterhub import orm\norm.new_session_factory(url)\n"),
        causes: "From empty there is nothing to alter. On the database that the project makes, the scripts meet tables as \
                 today's models have them.",
    },
    Project {
        name: "mlflow",
        habit: "the initial tables are made by `create_all` of old models, and every revision runs on them from base",
        scripts: "mlflow.store:db_migrations",
        config: "",
        driver: "psycopg2",
        settings: "",
        make: Some(
            "import sqlalchemy\nfrom mlflow.store.tracking.dbmodels.initial_models import Base\n\
             Base.metadata.create_all(sqlalchemy.create_engine(url))\n",
        ),
        causes: "From empty there is nothing to alter. Most downgrades are empty (DB401 says so).",
    },
    Project {
        name: "prefect",
        habit: "two histories, of which one is PostgreSQL's; asyncpg; env.py takes `PREFECT_API_DATABASE_CONNECTION_URL`",
        scripts: "prefect.server.database:_migrations",
        config: "version_locations = prefect.server.database:_migrations/versions/postgresql\n",
        driver: "asyncpg",
        settings: "env = { PREFECT_API_DATABASE_CONNECTION_URL = \"{url}\" }\n",
        make: None,
        causes: "",
    },
    Project {
        name: "ckan",
        habit: "a hundred revisions, most of them SQL of 2007 to 2018; env.py takes the config's URL",
        scripts: "ckan:migration",
        config: "",
        driver: "psycopg2",
        settings: "",
        make: None,
        causes: "",
    },
];
