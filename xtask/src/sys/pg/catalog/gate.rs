//! The gate before a look at a schema that was looked at before: whether anything was written to the catalogs since. It
//! costs a tenth of the look, and where nothing was written the schema is what it was.
//!
//! Why that is a proof. A row of a catalog is never changed in place: every insert and update writes one with the xid of
//! its transaction in `xmin`. Transactions older than the horizon of the last look were over by then, so what they wrote
//! and is visible now was visible then. If no other row is visible now, today's rows are among those of then; if they
//! are as many, they are the same ones. What the server does change in place (`pg_index`'s flags; `relpages` and its like,
//! which no schema is made of), and what an ordinary role sees through a view only, is compared by its value.
//!
//! In a new session the gate costs as much as the look at a small schema, and most sessions look once. So there it is asked
//! from the second look on, and the third is the first that it can spare.

use std::collections::BTreeMap;

use anyhow::{Context, Result};

use super::{Options, Server, Snapshot, snapshot, values};
use crate::sys::pg::batch::Answer;
use crate::sys::pg::rows::horizon;

/// Statistics and the contents of large objects are no schema.
pub(super) const LEFT_OUT: [&str; 4] =
    ["pg_statistic", "pg_statistic_ext_data", "pg_largeobject", "pg_largeobject_metadata"];
/// Those that a schema is made of among the catalogs that all databases of the server share.
pub(super) const SHARED: [&str; 2] = ["pg_tablespace", "pg_subscription"];

/// Compared by value.
const VALUES: &str = "
union all select 'index flags', pg_catalog.sum(pg_catalog.hashtext(pg_catalog.concat(indexrelid, ' ', indisvalid, indisready,
  indislive, indisclustered, indisreplident, indisunique, indisprimary, indimmediate))::bigint)::text, null from pg_catalog.pg_index
union all select 'roles', pg_catalog.sum(pg_catalog.hashtextextended(pg_catalog.concat(oid, ' ', rolname), 0))::text, null
  from pg_catalog.pg_roles
union all select 'user mappings', pg_catalog.sum(pg_catalog.hashtextextended(m::text, 0))::text, null
  from pg_catalog.pg_user_mappings m;
";

/// What the catalogs held at the last look, and the schema that was made of it.
#[derive(Default)]
pub struct Gate {
    /// The session that the statements are prepared on.
    session: i32,
    server: Option<Server>,
    seen: Option<Seen>,
    /// What is being looked at: the catalogs as they are now, unless the next answers begin with them.
    now: Option<Moment>,
}

struct Seen {
    moment: Moment,
    schema: Snapshot,
}

/// The catalogs at one moment.
#[derive(Clone)]
struct Moment {
    database: String,
    /// Transactions before it were over.
    horizon: i64,
    /// By catalog how many rows there are, or their value.
    rows: BTreeMap<String, String>,
    /// The age of the youngest row.
    youngest: i64,
}

impl Gate {
    /// What is to be asked first.
    pub fn question(&mut self, session: i32) -> String {
        // A look that broke off may not have prepared all that it was to.
        let has_broken_off = self.now.take().is_some();
        if std::mem::replace(&mut self.session, session) != session || has_broken_off {
            self.server = None;
        }
        let before = self.seen.as_ref().map_or(0, |seen| seen.moment.horizon);
        let ask = match &mut self.server {
            Some(server) => server.gate(),
            None => Server::question(),
        };
        format!("{}{ask}", horizon(before))
    }

    /// What is to be asked next; nothing where the schema is as it was.
    pub fn script(&mut self, answers: &mut dyn Iterator<Item = Answer>) -> Result<String> {
        let horizon = answers.next().context("asking which transactions are over: no answer")?;
        let (database, before) = (horizon.text(0).unwrap_or_default().to_owned(), number(&horizon, 2)?);
        let mut moment = Moment { database, horizon: number(&horizon, 1)?, rows: BTreeMap::new(), youngest: i64::MAX };
        let mut answer = || answers.next().context("looking at the catalogs: no answer");
        let Some(server) = &mut self.server else {
            let server = self.server.insert(Server::read(&values(&answer()?))?);
            self.now = Some(moment);
            self.seen = None;
            let gate = if server.is_large { server.gate() } else { String::new() };
            return Ok(format!("{gate}{}", server.script()));
        };
        moment.add(&answer()?);
        server.know_which(&values(&answer()?));
        let is_same = |seen: &Seen| {
            let old = &seen.moment;
            old.database == moment.database && old.rows == moment.rows && moment.youngest > before
        };
        let is_as_it_was = self.seen.as_ref().is_some_and(is_same);
        self.now = Some(moment);
        Ok(if is_as_it_was {
            String::new()
        } else {
            self.seen = None;
            server.script()
        })
    }

    /// The schema, from the answers to the script.
    pub fn finish(&mut self, answers: Vec<Answer>, options: &Options) -> Result<Snapshot> {
        let mut moment = self.now.take().context("looking at the catalogs: nothing was asked")?;
        if let Some(seen) = &self.seen {
            return Ok(seen.schema.clone());
        }
        let mut answers = answers.into_iter();
        if moment.rows.is_empty() && self.server.as_ref().is_some_and(|server| server.is_large) {
            moment.add(&answers.next().context("looking at the catalogs: no answer")?);
            answers.next().context("looking at the catalogs: no answer")?;
        }
        let schema = snapshot(&answers.collect::<Vec<_>>(), options)?;
        self.seen = (!moment.rows.is_empty()).then(|| Seen { moment, schema: schema.clone() });
        Ok(schema)
    }
}

impl Moment {
    fn add(&mut self, answer: &Answer) {
        for row in &answer.rows {
            let text = |at: usize| row.get(at).unwrap_or_default();
            self.rows.insert(text(0).to_owned(), text(1).to_owned());
            self.youngest = text(2).parse().unwrap_or(i64::MAX).min(self.youngest);
        }
    }
}

impl Server {
    /// Two statements: the catalogs as they are, and which queries are worth asking.
    fn gate(&mut self) -> String {
        let of = |catalog: &String| {
            format!(
                "select '{catalog}', pg_catalog.count(*)::text, pg_catalog.min(pg_catalog.age(xmin))::text \
                 from pg_catalog.{catalog}"
            )
        };
        let catalogs = self.catalogs.iter().map(of).collect::<Vec<_>>().join(" union all\n");
        let which = format!("select {};\n", Server::which().collect::<Vec<_>>().join(", "));
        self.execute("gate", &format!("{catalogs}{VALUES}")) + &self.execute("which", &which)
    }
}

fn number(answer: &Answer, column: usize) -> Result<i64> {
    answer.text(column).and_then(|text| text.parse().ok()).context("asking which transactions are over")
}
