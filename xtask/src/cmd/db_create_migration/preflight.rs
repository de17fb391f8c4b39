//! Everything that is checked before a new revision is made. A check that fails refuses with exit 3.

use anyhow::Result;

use super::COMMAND;
use crate::ctx::{Ctx, Database, version_table};
use crate::fail::{Fail, Kind};
use crate::flags::DbCreateMigration;
use crate::model::action::own;
use crate::model::status::{Revision, Standing, State};
use crate::sys::alembic_ini::AlembicConfig;
use crate::sys::git::Repo;
use crate::sys::pg::{Db, application_name};
use crate::work::advice;
use crate::work::models::Subject;

/// The characters that Alembic gives a meaning of their own in a target.
const ILLEGAL: [char; 4] = ['@', '-', '+', ':'];
/// What Alembic takes for something else than an id.
const TARGETS: [&str; 4] = ["head", "heads", "base", "current"];

pub struct Facts<'a> {
    pub subject: Subject<'a>,
    pub message: String,
    /// The component's database, where its server is needed.
    pub database: Option<Database>,
    /// Whether env.py is run for an empty revision, too.
    pub runs_env: bool,
    /// The checkout, where the file is to be added to git.
    pub repo: Option<Repo>,
}

pub fn gather<'a>(ctx: &'a Ctx, flags: &DbCreateMigration) -> Result<Facts<'a>> {
    let subject = Subject::gather(ctx, ctx.component()?)?;
    if let Some(id) = &flags.rev_id {
        check_id(&subject, id)?;
    }
    check_template(&subject.config)?;
    let repo = if flags.add { Some(checkout(ctx)?) } else { None };
    let runs_env = !flags.empty || runs_env(&subject.config)?;
    ctx.python()?.require_alembic(&ctx.ui, ctx.project()?)?;
    let database = if runs_env { Some(at_head(ctx, &subject)?) } else { None };
    Ok(Facts { subject, message: flags.message.clone(), database, runs_env, repo })
}

fn check_id(subject: &Subject, id: &str) -> Result<()> {
    if let Some(script) = subject.graph.get(id) {
        return Err(Fail::new(Kind::MigrationFileInvalid, format!("The revision id '{id}' is used already"))
            .details(script.path.display().to_string())
            .at(&script.path, None)
            .action("Take another one, or leave --rev-id out: Alembic makes one")
            .related(own("db-check").word("--explain").word("DB102").plain())
            .into());
    }
    let illegal: String = id.chars().filter(|c| ILLEGAL.contains(c) || c.is_whitespace() || *c == '/').collect();
    if illegal.is_empty() && !TARGETS.contains(&id) {
        return Ok(());
    }
    let why = if illegal.is_empty() {
        "Alembic takes this word for a target".to_owned()
    } else {
        format!("It has: {illegal}")
    };
    Err(Fail::new(Kind::Usage, format!("`--rev-id` does not take `{id}`"))
        .details(why)
        .action("Take letters, digits and underscores only")
        .related(own("db-check").word("--explain").word("DB110").plain())
        .into())
}

fn check_template(config: &AlembicConfig) -> Result<()> {
    let template = config.script_location.join("script.py.mako");
    if template.is_file() {
        return Ok(());
    }
    Err(Fail::new(Kind::ConfigMissing, "The template of migration scripts is missing")
        .details(template.display().to_string())
        .action("Take Alembic's own: let `alembic init` make a folder elsewhere and copy its script.py.mako")
        .related(own("doctor"))
        .into())
}

fn checkout(ctx: &Ctx) -> Result<Repo> {
    let root = &ctx.project()?.root;
    Repo::find(&ctx.ui, root)?.ok_or_else(|| {
        Fail::new(Kind::Usage, "`--add` needs a git checkout")
            .details(format!("{} is in none", root.display()))
            .action("Leave --add out")
            .into()
    })
}

/// `revision_environment`, with the words that Alembic takes for yes.
fn runs_env(config: &AlembicConfig) -> Result<bool> {
    let word = config.option("revision_environment")?.unwrap_or_default();
    Ok(["true", "yes", "on", "y", "t", "1"].contains(&word.trim().to_ascii_lowercase().as_str()))
}

/// The component's database: at the head, or not there at all. What is measured is a throwaway one beside it; but a new
/// revision on top of migrations that were never run here would be made blindly.
fn at_head(ctx: &Ctx, subject: &Subject) -> Result<Database> {
    let database = ctx.database(&subject.config)?;
    let applied = match Db::connect(&database.url, &application_name(COMMAND)) {
        Err(error) if advice::is_database_missing(&error) => return Ok(database),
        Err(error) => return Err(error),
        Ok(mut db) => db.applied(&version_table(subject.component))?.revisions,
    };
    let standing = Standing::new(&subject.graph, &applied);
    match standing.state {
        State::UnknownRevision => Err(advice::unknown_in_database(&standing.unknown, subject.component)
            .run("Then bring it to the head", own("db-migrate"))
            .into()),
        State::Behind => {
            let at: Vec<String> = standing.current.iter().map(Revision::with_message).collect();
            let pending = standing.pending.len();
            Err(Fail::new(Kind::WrongDatabase, "The database is behind the migrations")
                .details(format!("{} is at {}, {pending} pending", database.place(), at.join(", ")))
                .details("A new revision would be made on top of migrations that were never run here")
                .run("Bring it to the head", own("db-migrate"))
                .action("Then repeat this command")
                .related(own("db-migrate"))
                .into())
        }
        _ => Ok(database),
    }
}
