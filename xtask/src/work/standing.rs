//! Finds where a component's database stands: reads its files and asks for its version table at the same time, without
//! Python.

use anyhow::{Result, anyhow};

use crate::ctx::{Ctx, Database, version_table};
use crate::fail::{Kind, from_anyhow};
use crate::model::graph::Graph;
use crate::model::ledger::Ledger;
use crate::model::status::{Standing, State};
use crate::sys::pg::{Db, LastText, Records, application_name};
use crate::sys::project::Component;
use crate::work::advice;

/// What the database answered, and the session for further questions.
#[derive(Default)]
pub struct Answer {
    /// The version table's rows.
    pub applied: Vec<String>,
    pub ledger: Option<Ledger>,
    /// What each revision's last upgrade ran.
    pub last_texts: Vec<LastText>,
    pub server: String,
    pub takes_no_writes: Option<Kind>,
    pub db: Option<Db>,
}

/// Where a component's database stands.
///
/// # Errors
/// Whatever keeps its files from being read or its database from being asked.
pub fn standing(ctx: &Ctx, component: &Component) -> Result<Standing> {
    let (graph, answer) = read_and_ask(ctx, component)?;
    let standing = stands(component, &graph, answer.as_ref());
    match answer {
        Err(error) if standing.state != State::NotSetUp => Err(error),
        _ => Ok(standing),
    }
}

pub fn stands(component: &Component, graph: &Graph, answer: Result<&Answer, &anyhow::Error>) -> Standing {
    match answer {
        Ok(answer) if component.is_often_not_set_up() && answer.applied.is_empty() => Standing::not_set_up(graph),
        Ok(answer) => Standing::new(graph, &answer.applied),
        Err(error) if is_not_set_up(component, error) => Standing::not_set_up(graph),
        Err(_) => Standing::unreachable(graph),
    }
}

/// Whether an error only means what is usual of a component: nobody has made its database, or its config.
pub fn is_not_set_up(component: &Component, error: &anyhow::Error) -> bool {
    let kind = from_anyhow(error).kind;
    component.is_often_not_set_up() && matches!(kind, Kind::DatabaseMissing | Kind::ConfigMissing)
}

/// The history, and what the database says. The server is asked while the scripts are read: letting somebody in takes
/// it nearly as long.
pub fn read_and_ask(ctx: &Ctx, component: &Component) -> Result<(Graph, Result<Answer>)> {
    let config = ctx.config(component)?;
    std::thread::scope(|scope| {
        let asking = scope.spawn(|| ctx.database(&config).map(|database| ask(&database, component)));
        let graph = ctx.history(&config);
        let answer = asking.join().map_err(|_| anyhow!("asking the database broke off"))?;
        Ok((
            graph?,
            answer.or_else(|error| if is_not_set_up(component, &error) { Ok(Err(error)) } else { Err(error) })?,
        ))
    })
}

/// The version table's rows, and the server's version for the report. On the embedded server a database that is not
/// there yet is one without a revision: the first migrate makes it.
fn ask(database: &Database, component: &Component) -> Result<Answer> {
    let connected = Db::connect_to_look(&database.url, &application_name("db-status"));
    let mut db = match connected {
        Err(error) if database.embedded && advice::is_database_missing(&error) => {
            return Ok(Answer { server: "not made yet".to_owned(), ..Answer::default() });
        }
        connected => connected?,
    };
    let table = version_table(component);
    let server = database.remark.clone().unwrap_or_else(|| format!("PostgreSQL {}", db.server_version().text));
    let server = format!("{}, {server}", database.place());
    let takes_no_writes = db.takes_no_writes();
    if db.is_pooled() {
        // Further questions would be prepared statements, which not every pooler can pass on.
        let applied = db.applied(&table)?.revisions;
        return Ok(Answer { applied, server, takes_no_writes, ..Answer::default() });
    }
    let Records { applied, ledger, last_texts } = db.records(&table)?;
    Ok(Answer { applied: applied.revisions, ledger, last_texts, server, takes_no_writes, db: Some(db) })
}
