//! Makes all checks before a new revision is made. A check that fails refuses with exit 3.

use anyhow::Result;

use super::COMMAND;
use crate::ctx::{Ctx, Database, version_table};
use crate::fail::{Fail, Kind};
use crate::flags::DbCreateMigration;
use crate::model::action::{own, program};
use crate::model::status::{Revision, Standing, State};
use crate::model::target::{self, Direction, Target};
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
    let subject = match &flags.head {
        Some(head) => on_a_line(ctx, head, flags.splice)?,
        None => with_one_head(Subject::gather(ctx, ctx.component()?)?)?,
    };
    if subject.config.component.database.is_some() {
        return Err(Fail::new(Kind::Usage, "A migration of several databases is written by Alembic's own command")
            .details("The config names several, and one run of env.py writes it for all of them")
            .run("Write it", program(["alembic", "-c"]).word(&subject.config.path).word("revision"))
            .related(own("db-check"))
            .into());
    }
    for revision in &flags.depends_on {
        located(ctx, &subject, revision)?;
    }
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

fn with_one_head(subject: Subject<'_>) -> Result<Subject<'_>> {
    let (name, heads) = (&subject.component.name, subject.graph.heads());
    if heads.len() < 2 {
        return Ok(subject);
    }
    let fail = Fail::new(Kind::MultipleHeads, "There are several lines, so one has to be named")
        .details(format!("{name} has {} heads on purpose: {}", heads.len(), heads.join(", ")))
        .action("Say which one the new revision follows: --head=LABEL@head");
    Err(fail.run("Look at them", own("db-status")).related(own("db-status")).into())
}

/// The history, several heads or not, where it is said which of them the new revision follows.
fn on_a_line<'a>(ctx: &'a Ctx, head: &str, splice: bool) -> Result<Subject<'a>> {
    let subject = Subject::with_all_heads(ctx, ctx.component()?)?;
    let found = located(ctx, &subject, head)?;
    match found.iter().find(|id| !subject.graph.is_head(id)) {
        Some(id) if !splice => {
            Err(Fail::new(Kind::MultipleHeads, format!("{id} is no head, so a second one would come of it"))
                .details(format!("Heads: {}", subject.graph.heads().join(", ")))
                .action("If that is what you want, add --splice")
                .action("Else name a head, or leave --head out")
                .related(own("db-status"))
                .into())
        }
        _ => Ok(subject),
    }
}

/// The revisions that a word of the command line names.
fn located(ctx: &Ctx, subject: &Subject, word: &str) -> Result<Vec<String>> {
    let route = Target::parse(word).and_then(|it| target::resolve(&subject.graph, Direction::Up, &[], &it));
    Ok(route.map_err(|error| advice::target(ctx, &error, word, subject.component))?.destination)
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
