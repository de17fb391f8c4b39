//! Checks a component: its config, its scripts, its env.py, its database, what is in the database and what lies beside
//! it.

use anyhow::{Context as _, Result};

use super::line;
use crate::ctx::{Ctx, Database, shown, version_table};
use crate::fail::{Kind, from_anyhow};
use crate::model::action::{Action, own, program};
use crate::model::check::Check;
use crate::model::env_script::follows_the_config;
use crate::model::revision::syntax_error;
use crate::model::rules::{self, Context, Env};
use crate::model::status::Standing;
use crate::report::checks as report;
use crate::sys::alembic_ini::AlembicConfig;
use crate::sys::backup::copied::left_by_dead_runs;
use crate::sys::backup::shelf;
use crate::sys::files;
use crate::sys::git::Repo;
use crate::sys::pg::parked::{Databases, Named};
use crate::sys::pg::{Db, Templates, abandoned, application_name, client_tool, own_port, swap};
use crate::sys::project::Component;
use crate::work::parked::of_today;
use crate::work::{advice, shared_tree};

pub fn checks(ctx: &Ctx, name: &str) -> Vec<Check> {
    let component = match ctx.project().and_then(|project| project.component(Some(name))) {
        Ok(component) => component,
        Err(error) => return line(name, Err(error)),
    };
    let named = |part: &str| format!("{name} {part}");
    let config = match ctx.config(component) {
        Ok(config) => config,
        Err(error) => return line(&named("config"), Err(error)),
    };
    let mut checks = vec![self::config(ctx, component, &config)];
    checks.extend(line(&named("scripts"), scripts(ctx, &named("scripts"), &config)));
    checks.extend(env(ctx, &named("env.py"), &config));
    if ctx.project().is_ok_and(|project| project.root.join(&component.config).is_file()) {
        checks.extend(database(ctx, component, &config));
    }
    checks
}

fn config(ctx: &Ctx, component: &Component, config: &AlembicConfig) -> Check {
    let name = format!("{} config", component.name);
    let is_there = config.path.is_file();
    match &component.template {
        Some(template) if !is_there => {
            let (template, file) = (template.display().to_string(), component.config.display().to_string());
            let copy = program(["cp".to_owned(), template.clone(), file.clone()]).at_root();
            let text = format!("{file} is not there; the scripts are found by {template}, the database is not known");
            let check =
                if component.is_often_not_set_up() { Check::ok(name, text) } else { Check::warning(name, text) };
            check.fix(Action::run("Make it, then correct its sqlalchemy.url", copy))
        }
        _ => {
            let path =
                ctx.project().map(|project| shown(project, &config.path)).unwrap_or_else(|_| config.path.clone());
            Check::ok(name, path.display().to_string())
        }
    }
}

fn scripts(ctx: &Ctx, name: &str, config: &AlembicConfig) -> Result<Check> {
    let graph = ctx.history(config)?;
    let heads = graph.heads().join(", ");
    let (count, plural) = (graph.len(), if graph.len() == 1 { "" } else { "s" });
    let head = if graph.heads().len() > 1 { "heads" } else { "head" };
    let text = format!("{count} revision{plural}, {head} {heads}, in {}", config.script_location.display());
    Ok(match graph.heads().len() {
        0 => Check::warning(name, format!("there is no script yet in {}", config.script_location.display())),
        1 => Check::ok(name, text),
        _ => Check::warning(name, format!("{text}: several heads")).fix(advice::one_head_again()),
    })
}

/// The traps that db-check knows of env.py, and whether it takes its database from the config.
fn env(ctx: &Ctx, name: &str, config: &AlembicConfig) -> Vec<Check> {
    let path = config.script_location.join("env.py");
    let Ok(text) = files::read_text(&path) else {
        let check = Check::failed(name, format!("{} is not there", path.display()));
        return vec![check.fix("Put it back: Alembic runs nothing without it")];
    };
    let Ok(project) = ctx.project() else { return Vec::new() };
    let path = shown(project, &path);
    if let Some(error) = syntax_error(&path, &text) {
        let check = Check::failed(name, format!("it is no Python: {error}"));
        return vec![check.fix(format!("Correct {}: Alembic runs nothing without it", path.display()))];
    }
    let follows = follows_the_config(&text);
    let locks = text.contains("advisory");
    let mut context = Context::new(Vec::new(), config.component.name.clone());
    context.env = Some(Env::new(&path, text));
    let found = rules::check(&context, &project.rules);
    let mut checks: Vec<Check> = found
        .into_iter()
        .filter(|finding| finding.path == path)
        .map(|finding| {
            let check = Check::warning(name, format!("{}:{}: {}", path.display(), finding.line, finding.message));
            Check { fix: finding.help.into_iter().next(), ..check }
        })
        .collect();
    if checks.is_empty() {
        let from = if follows { "its database is the config's" } else { "it is asked which database it takes" };
        let alone =
            if locks { "" } else { "; it takes no lock, so plain alembic can run twice at once (db-migrate cannot)" };
        checks.push(Check::ok(name, format!("{}: {from}{alone}", path.display())));
    }
    checks
}

fn database(ctx: &Ctx, component: &Component, config: &AlembicConfig) -> Vec<Check> {
    let name = format!("{} database", component.name);
    match connect(ctx, config) {
        Ok(Found::Nothing(why)) => vec![Check::ok(name, why)],
        Ok(Found::Open(database, mut db)) => {
            let version = db.server_version().text.clone();
            let place = format!("{} (PostgreSQL {version})", database.place());
            if db.is_pooled() {
                let text = format!("{place}, through a connection pooler: db-status looks, everything else is refused");
                return vec![Check::warning(name, text).fix(own_port(database.url.written_in()))];
            }
            let mut checks = vec![Check::ok(&name, place)];
            checks.extend(revisions(ctx, component, config, &mut db));
            checks.extend(pg_dump(ctx, component, &database, &db));
            checks.extend(indexes(component, &mut db));
            checks.extend(beside(ctx, component, &database));
            checks
        }
        Err(error) => {
            let fail = from_anyhow(&error);
            if component.is_often_not_set_up() && fail.kind == Kind::DatabaseMissing {
                return vec![Check::ok(name, "not set up, as in most checkouts")];
            }
            vec![report::of_fail(name, &fail.about(&component.name))]
        }
    }
}

enum Found {
    /// Nothing to connect to, and why that is right.
    Nothing(String),
    Open(Box<Database>, Box<Db>),
}

fn connect(ctx: &Ctx, config: &AlembicConfig) -> Result<Found> {
    if ctx.is_embedded_down()? {
        return Ok(Found::Nothing("on the embedded server, which is started when it is needed".to_owned()));
    }
    let database = ctx.database_of_all(config)?;
    match Db::connect_to_look(&database.url, &application_name("doctor")) {
        Err(error) if database.embedded && advice::is_database_missing(&error) => {
            Ok(Found::Nothing(format!("{}: made by the first db-migrate", database.place())))
        }
        Err(error) => Err(error),
        Ok(db) => Ok(Found::Open(database.into(), db.into())),
    }
}

/// Rows of the version table from which no command goes anywhere: of no script, of no revision, twice the same.
fn revisions(ctx: &Ctx, component: &Component, config: &AlembicConfig, db: &mut Db) -> Vec<Check> {
    let name = format!("{} revision", component.name);
    // What is wrong with the scripts has its own line.
    let Ok(graph) = ctx.history(config) else { return Vec::new() };
    let standing = match db.applied(&version_table(component)) {
        Ok(applied) => Standing::new(&graph, &applied.revisions),
        // Tenants have tables of their own.
        Err(error) if component.tenants.is_some() && from_anyhow(&error).kind != Kind::WrongDatabase => {
            return Vec::new();
        }
        Err(error) => return line(&name, Err(error)),
    };
    let text = match (standing.unknown.as_slice(), standing.overlaps.as_slice()) {
        ([], []) => return Vec::new(),
        ([], _) => advice::overlap_lines(&standing).swap_remove(0),
        (unknown, _) => format!("It holds {}, which no script here has", unknown.join(", ")),
    };
    let status = own("db-status").of(&component.name);
    vec![Check::warning(&name, text).fix(Action::run("See what that means and what puts it right", status))]
}

/// Without one that is new enough there is no backup.
fn pg_dump(ctx: &Ctx, component: &Component, database: &Database, db: &Db) -> Vec<Check> {
    let name = format!("{} pg_dump", component.name);
    let major = db.server_version().major();
    vec![match client_tool(&ctx.ui, "pg_dump", major, &database.tools) {
        Ok(path) => Check::ok(name, format!("{}, for a server of version {major}", path.display())),
        Err(error) => {
            let check = report::of_fail(name, &from_anyhow(&error));
            Check { state: crate::model::check::State::Warning, ..check }
        }
    }]
}

fn indexes(component: &Component, db: &mut Db) -> Vec<Check> {
    let name = format!("{} indexes", component.name);
    let found = match db.invalid_indexes() {
        Ok(found) => found,
        Err(error) => return line(&name, Err(error)),
    };
    let one = |index: &crate::sys::pg::InvalidIndex| {
        let unique = if index.is_unique { ", and nothing enforces that it is unique" } else { "" };
        let text = format!("{} of {} is INVALID: PostgreSQL does not use it{unique}", index.index, index.table);
        let psql = db.psql().words(["-c".to_owned(), format!("REINDEX INDEX CONCURRENTLY {}", index.index)]);
        Check::failed(&name, text).fix(Action::run("Build it anew (a unique one: mend the rows first)", psql))
    };
    found.iter().map(one).collect()
}

/// What stands beside the component's database: cached baselines, databases that restores put aside, parked ones, scratch
/// databases of dead runs.
fn beside(ctx: &Ctx, component: &Component, database: &Database) -> Vec<Check> {
    let mut lines = Vec::new();
    let megabytes = |sizes: &[u64]| sizes.iter().sum::<u64>() >> 20;
    let all = Templates::open(database.maker()).and_then(|mut templates| templates.list()).unwrap_or_default();
    let cached: Vec<u64> = all.iter().filter(|one| one.component == component.name).map(|one| one.bytes).collect();
    if !cached.is_empty() {
        let name = format!("{} baselines", component.name);
        let drop = own("db-roundtrip").of(&component.name).word("--clear-cache");
        let text = format!("{} cached for round trips, {} MB", cached.len(), megabytes(&cached));
        lines.push(Check::ok(name, text).fix(Action::run("If the room is needed", drop)));
    }
    let aside = swap::kept(&database.url).unwrap_or_default();
    if !aside.is_empty() {
        let sizes: Vec<u64> = aside.iter().filter_map(|it| it.bytes).collect();
        let text = format!("{} put aside by restores, {} MB", aside.len(), megabytes(&sizes));
        let list = own("db-backup").of(&component.name).word("--list");
        lines.push(
            Check::ok(format!("{} put aside", component.name), text)
                .fix(Action::run("Which, and how to drop them", list)),
        );
    }
    lines.extend(
        parked(ctx, component, database)
            .unwrap_or_else(|error| line(&format!("{} parked", component.name), Err(error))),
    );
    lines.extend(sharers(ctx, component, database));
    let mut left = abandoned(database.maker()).unwrap_or_default();
    let folder = ctx.project().map(|project| shelf::folder(&project.root));
    let copies = folder.and_then(|folder| left_by_dead_runs(&database.url, &folder)).unwrap_or_default();
    left.extend(copies.into_iter().map(|(copy, _)| copy));
    if !left.is_empty() {
        let check =
            Check::warning(format!("{} scratch", component.name), format!("left by dead runs: {}", left.join(", ")));
        lines.push(check.fix(Action::run("Drop them", own("doctor").word("--fix"))));
    }
    lines
}

/// Linked work trees with a branch each and one database for all of them.
fn sharers(ctx: &Ctx, component: &Component, database: &Database) -> Vec<Check> {
    let repo = ctx.project().and_then(|project| Repo::find(&ctx.ui, &project.root));
    let Ok(Some(repo)) = repo else { return Vec::new() };
    let one = |sharer: shared_tree::Sharer| {
        let name = format!("{} work trees", component.name);
        let text = format!("{} uses the same database {}", sharer.words(), database.url.target().database);
        let config = component.config.display();
        Check::warning(name, text).fix(format!("Give it one of its own: another name in its {config}"))
    };
    shared_tree::sharers(ctx, &repo, component, database).into_iter().map(one).collect()
}

/// Databases of branches; one whose branch is gone may hold rows that nobody looks for any more.
fn parked(ctx: &Ctx, component: &Component, database: &Database) -> Result<Vec<Check>> {
    let admin = ctx.admin_url(database)?;
    let mut databases = Databases::open(&admin, &database.url.target().database)?;
    let list: Vec<_> = databases.list()?.into_iter().filter(|it| !it.active).collect();
    if list.is_empty() {
        return Ok(Vec::new());
    }
    let repo = Repo::find(&ctx.ui, &ctx.project()?.root)?.context("no git")?;
    let list = of_today(&repo, list, &[])?;
    let branches: Vec<&str> = list.iter().map(|it| it.branch.as_deref().unwrap_or_default()).collect();
    let tips = repo.commits_of_places(&branches)?;
    let gone: Vec<&str> = branches.iter().zip(tips).filter(|(_, tip)| tip.is_none()).map(|(it, _)| *it).collect();
    let mut size =
        |named: &Named| u64::try_from(databases.bytes(&named.database).unwrap_or_default()).unwrap_or_default();
    let sizes: Vec<u64> = list.iter().map(&mut size).collect();
    let name = format!("{} parked", component.name);
    let text = format!("{} of other branches, {} MB", list.len(), sizes.iter().sum::<u64>() >> 20);
    Ok(vec![match gone.first() {
        None => Check::ok(name, text),
        Some(first) => {
            let drop = own("db-switch").words(["--drop", *first]).of_no_component();
            let check = Check::warning(name, format!("{text}; the branch is gone of: {}", gone.join(", ")));
            check.fix(Action::run("Drop it, if its rows may go", drop))
        }
    }])
}
