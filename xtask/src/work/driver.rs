//! Sets the driver up for commands, ends it when it is interrupted or hangs, and makes a failure of its trouble that
//! also says where the database stands now.

use std::io::ErrorKind;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;

use crate::ctx::{Ctx, Database, shown};
use crate::fail::{Fail, Kind};
use crate::model::action::{Action, own, program};
use crate::model::url::{Address, DbUrl};
use crate::sys::alembic::{self, Driver, Expect, Launch, Names, OwnDatabase, Trouble};
use crate::sys::alembic_ini::AlembicConfig;
use crate::sys::pg::{Db, OtherSession, application_name};
use crate::sys::project::Component;
use crate::sys::python::MANAGED_VARIABLE;
use crate::sys::regular::expect_regular;
use crate::sys::settings::Server;
use crate::sys::warm::Warmth;
use crate::work::backup;

/// How long the server may take to end a session that we asked it to end.
const ENDING: Duration = Duration::from_secs(10);

/// `on` lets a driver on the embedded server have the network, which it has not elsewhere.
const NETWORK_VARIABLE: &str = "XTASK_NETWORK";

/// What stands in the pasteable commands of a component's errors.
pub struct Labels {
    component: String,
    verbose: bool,
    config: String,
    python: String,
    project: PathBuf,
}

impl Labels {
    /// Asks the context; the interpreter must be known by then.
    pub fn new(ctx: &Ctx, component: &Component) -> Result<Labels> {
        let project = ctx.project()?;
        let python = shown(project, &ctx.python()?.path);
        let python = if python.is_absolute() { python } else { PathBuf::from(".").join(python) };
        Ok(Labels {
            component: component.name.clone(),
            verbose: ctx.common.output.verbose,
            config: component.config.display().to_string(),
            python: python.display().to_string(),
            project: project.root.clone(),
        })
    }

    /// A text with the files of the project named relative to it.
    pub fn shortened(&self, text: &str) -> String {
        let root = self.project.canonicalize().unwrap_or_else(|_| self.project.clone());
        text.replace(&format!("{}/", root.display()), "")
    }

    /// For the driver.
    pub fn names(&self) -> Names<'_> {
        Names {
            component: &self.component,
            config: &self.config,
            python: &self.python,
            rows: None,
            verbose: self.verbose,
            project: &self.project,
        }
    }
}

/// What the driver needs to work on the database that `db` is connected to, and on no other. On a database of another
/// machine only a fresh Python works.
pub fn launch(ctx: &Ctx, config: &AlembicConfig, db: &mut Db, command: &str) -> Result<Launch> {
    let launch = launch_on(ctx, config, database(db)?, command)?;
    Ok(if db.url().is_local() { launch } else { Launch { warmth: Warmth::Cold, ..launch } })
}

/// What the driver needs to work on this throwaway database: what its scripts open leads to no other.
pub fn launch_throwaway(ctx: &Ctx, config: &AlembicConfig, db: &mut Db, command: &str) -> Result<Launch> {
    Ok(walled(ctx, config, launch_on(ctx, config, database(db)?, command)?))
}

/// What the driver needs where env.py is not run: every connection is refused.
pub fn launch_without(ctx: &Ctx, config: &AlembicConfig, command: &str) -> Result<Launch> {
    // No server has this name, and no database the empty one.
    let expect = Expect { database: String::new(), servers: vec![("none.invalid".to_owned(), 0)], identity: None };
    launch_on(ctx, config, alembic::Database { url: None, expect }, command)
}

/// What the driver needs to start on a throwaway database that does not exist yet, so that the application is imported
/// while the database is made. It may connect to nothing before it is told which database; `url` is where that will be.
pub fn launch_ahead(ctx: &Ctx, config: &AlembicConfig, url: &DbUrl, command: &str) -> Result<Launch> {
    let nowhere = Expect { database: String::new(), servers: Vec::new(), identity: Some("not made yet".to_owned()) };
    let database = alembic::Database { url: Some(url.to_sqlalchemy()), expect: nowhere };
    Ok(walled(ctx, config, launch_on(ctx, config, database, command)?))
}

fn walled(ctx: &Ctx, config: &AlembicConfig, launch: Launch) -> Launch {
    let own = ctx.own_databases(config).iter().map(own_database).collect();
    let is_embedded = ctx.server().is_ok_and(|server| server == Server::Embedded);
    let keeps_network = std::env::var_os(NETWORK_VARIABLE).is_some_and(|value| value == "on");
    Launch { throwaway: Some(own), network: !is_embedded || keeps_network, ..launch }
}

fn own_database(url: &DbUrl) -> OwnDatabase {
    let target = url.target();
    OwnDatabase {
        database: target.database.clone(),
        servers: servers(url),
        user: target.user.clone(),
        password: target.single_password().cloned(),
    }
}

/// Python would read a FIFO or a device in its place for ever.
fn look_at_env_py(config: &AlembicConfig) -> Result<()> {
    let path = config.script_location.join("env.py");
    match expect_regular(&path) {
        Err(error) if error.kind() == ErrorKind::InvalidInput => {
            Err(Fail::new(Kind::EnvFailed, "env.py cannot be read")
                .details(format!("{}: {error}", path.display()))
                .run("See what it is", program(["ls", "-l"]).word(&path))
                .related(own("doctor"))
                .into())
        }
        _ => Ok(()),
    }
}

fn launch_on(ctx: &Ctx, config: &AlembicConfig, database: alembic::Database, command: &str) -> Result<Launch> {
    let project = ctx.project()?;
    look_at_env_py(config)?;
    let python = ctx.python()?;
    let env = python.managed.iter().map(|path| (MANAGED_VARIABLE.to_owned(), path.display().to_string())).collect();
    Ok(Launch {
        python: python.path.clone(),
        project: project.root.clone(),
        config: config.path.clone(),
        options: ctx.alembic_options(config),
        told_by: ctx.told_by(config)?,
        script_location: config.implied_location.then(|| config.script_location.clone()),
        section: config.component.database.clone(),
        versions: Vec::new(),
        database,
        throwaway: None,
        effects: false,
        network: true,
        warmth: Warmth::wanted(ctx.common.cold, project.warm),
        lock_timeout: None,
        state_dir: project.state_dir.clone(),
        application_name: application_name(command),
        env,
    })
}

/// Saves a database, which holds these revisions, into a file that was proven. `instead` is what to do where that cannot be
/// had.
pub fn backup(
    ctx: &Ctx,
    component: &Component,
    database: &Database,
    db: &mut Db,
    applied: &[String],
    instead: &Action,
) -> Result<PathBuf> {
    let lock_wait = backup::LOCK_WAIT;
    let wanted = backup::Wanted { component, database, applied, verify: true, lock_wait, instead };
    Ok(backup::take_or_copy(ctx, db, (&mut None, "db-merge"), &wanted)?.path().to_owned())
}

/// The announced database: its URL for SQLAlchemy, and how the driver knows it from every other one.
pub fn database(db: &mut Db) -> Result<alembic::Database> {
    let identity = db.text(alembic::IDENTITY_SQL, "asking the database who it is")?;
    let url = db.url();
    Ok(alembic::Database {
        url: Some(url.to_sqlalchemy()),
        expect: Expect { database: db.database().to_owned(), servers: servers(url), identity: Some(identity) },
    })
}

fn servers(url: &DbUrl) -> Vec<(String, u16)> {
    let name = |address: &Address| match address {
        Address::Host(host) => host.clone(),
        Address::Socket(folder) => folder.display().to_string(),
    };
    url.target().endpoints.iter().map(|endpoint| (name(&endpoint.address), endpoint.port)).collect()
}

/// The sessions that keep a step waiting which took too long; nobody where it failed otherwise.
pub fn blockers(db: &mut Db, driver: &Driver, trouble: &Trouble) -> Vec<OtherSession> {
    if trouble.kind != alembic::TroubleKind::Timeout {
        return Vec::new();
    }
    // A connection that a script opens past SQLAlchemy is not among the driver's.
    let others = trouble.waits.iter().filter(|pid| !driver.backends().contains(pid));
    // What cannot be asked is left out: the timeout itself is the news.
    driver.backends().iter().chain(others).flat_map(|pid| db.blockers(*pid).unwrap_or_default()).collect()
}

/// One session in one line: process id, who, from where, since when, doing what.
pub fn session_line(session: &OtherSession) -> String {
    if session.pid == 0 {
        return session.to_string();
    }
    let mut line = format!("process {}", session.pid);
    let mut add = |label: &str, value: &Option<String>| {
        if let Some(value) = value.as_deref().filter(|value| !value.is_empty()) {
            line.push_str(&format!(", {label}{value}"));
        }
    };
    add("user ", &session.user);
    add("", &session.application);
    add("from ", &Some(session.client.clone()));
    add("", &session.state);
    add("since ", &session.since);
    add("", &session.statement.as_ref().map(|statement| format!("`{}`", statement.trim())));
    line
}

/// Ends what the driver has left running on the server, so that nothing of it is still at work when we say where the
/// database stands.
pub fn end_sessions(db: &mut Db, driver: &Driver) {
    for pid in driver.backends() {
        let _ = db.terminate(*pid);
    }
    for pid in driver.backends() {
        let _ = db.wait_gone(*pid, ENDING);
    }
}

/// A trouble as a failure, with who blocks it where it hangs.
pub fn to_fail(trouble: &Trouble, labels: &Labels, db: &mut Db, driver: &Driver) -> Fail {
    let rows = trouble.violation().and_then(|violation| db.rows_in_the_way(&violation));
    blocked(trouble, &Names { rows: rows.as_ref(), ..labels.names() }, &blockers(db, driver, trouble))
}

/// The same where the blockers are known.
pub fn to_fail_blocked(trouble: &Trouble, labels: &Labels, blockers: &[OtherSession]) -> Fail {
    blocked(trouble, &labels.names(), blockers)
}

fn blocked(trouble: &Trouble, names: &Names, blockers: &[OtherSession]) -> Fail {
    let fail = trouble.to_fail(names);
    if trouble.kind == alembic::TroubleKind::Timeout && blockers.is_empty() {
        return fail.details("No session blocks it: the step itself is slow, or waits for something else");
    }
    blockers.iter().fold(fail, |fail, session| fail.details(format!("Blocked by {}", session_line(session))))
}
