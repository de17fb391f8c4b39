//! Reads what shows that a database was written to (`model/imprint.rs`), and who else is at work in it. This takes a
//! few milliseconds, however large the database is, and leaves nothing in it.

use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, Result, bail};
use postgres::SimpleQueryRow;

use super::ask::Ask;
use super::batch::{Answer, batch};
use super::{Db, literal, sql_fail};
use crate::model::imprint::{Imprint, Relation};

/// How long a session that has ended may take to be gone, and with it what it has done to be counted.
const ENDING: Duration = Duration::from_millis(500);
/// Before PostgreSQL 15 counters are this old at most.
const OLD_COUNTERS: Duration = Duration::from_millis(600);

/// `xmin` is the transaction that wrote an entry; vacuum and analyze leave it as it is.
const RELATIONS: &str = "
select format('%I.%I', n.nspname, c.relname), coalesce(s.n_tup_ins, 0), coalesce(s.n_tup_upd, 0), coalesce(s.n_tup_del, 0),
       q.last_value,
       md5(concat_ws('|', c.oid, c.xmin,
         (select string_agg(concat(attnum, ':', xmin), ',' order by attnum) from pg_attribute where attrelid = c.oid and attnum > 0),
         (select string_agg(concat(oid, ':', xmin), ',' order by oid) from pg_constraint where conrelid = c.oid),
         (select string_agg(concat(indexrelid, ':', xmin), ',' order by indexrelid) from pg_index where indrelid = c.oid),
         (select string_agg(concat(oid, ':', xmin), ',' order by oid) from pg_trigger where tgrelid = c.oid),
         (select string_agg(concat(oid, ':', xmin), ',' order by oid) from pg_rewrite where ev_class = c.oid)))
  from pg_class c
  join pg_namespace n on n.oid = c.relnamespace
  left join pg_stat_all_tables s on s.relid = c.oid
  left join pg_sequences q on c.relkind = 'S' and q.schemaname = n.nspname and q.sequencename = c.relname
 where c.relkind in ('r', 'p', 'v', 'm', 'f', 'S') and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
    or c.oid = 'pg_catalog.pg_largeobject'::regclass";

/// Catalogs whose entries belong to no table, and what they hold in words.
const OTHERS: [(&str, &str); 8] = [
    ("pg_proc", "functions"),
    ("pg_enum", "values of enum types"),
    ("pg_namespace", "schemas"),
    ("pg_extension", "extensions"),
    ("pg_event_trigger", "event triggers"),
    ("pg_policy", "policies"),
    ("pg_foreign_server", "foreign servers"),
    ("pg_publication", "publications"),
];

/// A session of somebody else's that was at work, or may have been.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Busy {
    pub pid: i32,
    pub words: String,
}

impl Db {
    /// What shows now: the server's clock, who else is connected, and what the database holds, all of one moment.
    ///
    /// # Errors
    /// When the connection is lost.
    pub fn imprint(&mut self) -> Result<(SystemTime, Vec<Busy>, Imprint)> {
        let answers = self.looked(&format!("{};{}", busy_sql(None), imprint_sql()))?;
        let [busy, relations, others] = answers.as_slice() else { bail!("{LOOKING}: no answer") };
        let (at, busy) = busy_in(busy);
        Ok((at, busy, imprint_in(relations, others)))
    }

    /// What shows when all is counted that was done since `since` by sessions that have ended.
    ///
    /// # Errors
    /// When the connection is lost.
    pub fn imprint_after(&mut self, since: SystemTime) -> Result<Imprint> {
        let sql = format!("{};{}", newcomers_sql(since), imprint_sql());
        let answers = self.settled(&sql)?;
        let [_, relations, others] = answers.as_slice() else { bail!("{LOOKING}: no answer") };
        Ok(imprint_in(relations, others))
    }

    /// Waits until what was done since `since` by sessions that have ended is counted.
    ///
    /// # Errors
    /// When the connection is lost.
    pub fn wait_for_counters(&mut self, since: SystemTime) -> Result<()> {
        self.settled(&newcomers_sql(since)).map(drop)
    }

    /// The answers to questions of which the first is [`newcomers_sql`], when there is none left, or it has lasted too long.
    fn settled(&mut self, sql: &str) -> Result<Vec<Answer>> {
        if self.server_version().major() < 15 {
            std::thread::sleep(OLD_COUNTERS);
        }
        let until = Instant::now() + ENDING;
        loop {
            let answers = self.looked(sql)?;
            let is_settled = answers.first().and_then(|answer| answer.text(0)) == Some("f");
            if is_settled || Instant::now() > until {
                return Ok(answers);
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// The server's clock, and who else is connected to this database; `since` leaves out who was idle all the time.
    ///
    /// # Errors
    /// When the connection is lost.
    pub fn busy(&mut self, since: Option<SystemTime>) -> Result<(SystemTime, Vec<Busy>)> {
        let answers = self.looked(&busy_sql(since))?;
        answers.first().map(busy_in).context(LOOKING)
    }

    fn looked(&mut self, sql: &str) -> Result<Vec<Answer>> {
        batch(self.client(), sql).map_err(|error| sql_fail(&error, LOOKING).into())
    }

    /// The server's clock.
    ///
    /// # Errors
    /// When the connection is lost.
    pub fn now(&mut self) -> Result<SystemTime> {
        let row = self.client().ask_one("select clock_timestamp()", &[]);
        Ok(row.map_err(|error| sql_fail(&error, LOOKING))?.get(0))
    }
}

const LOOKING: &str = "looking at the component's own database";

/// Whether a session that came since is still there.
fn newcomers_sql(since: SystemTime) -> String {
    format!(
        "select exists (select from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid() \
         and backend_type = 'client backend' and backend_start > {})",
        moment(since)
    )
}

fn busy_sql(since: Option<SystemTime>) -> String {
    let ours = literal(&format!("xtask % {}", std::process::id()));
    let stirred = since.map_or_else(String::new, |since| {
        format!("and (coalesce(state, '') <> 'idle' or state_change > {})", moment(since))
    });
    format!(
        "select (extract(epoch from clock.at) * 1000000)::bigint, pid, concat_ws(', ', 'process ' || pid, \
           'user ' || usename, nullif(application_name, ''), 'from ' || coalesce(host(client_addr), 'this machine')) \
         from (select clock_timestamp() as at) clock left join pg_stat_activity on datname = current_database() \
         and pid <> pg_backend_pid() and backend_type = 'client backend' \
         and coalesce(application_name, '') not like {ours} {stirred}"
    )
}

fn busy_in(answer: &Answer) -> (SystemTime, Vec<Busy>) {
    let micros = answer.text(0).and_then(|micros| micros.parse().ok()).unwrap_or_default();
    let busy = |row: &SimpleQueryRow| {
        Some(Busy { pid: row.get(1)?.parse().ok()?, words: row.get(2).unwrap_or_default().to_owned() })
    };
    (SystemTime::UNIX_EPOCH + Duration::from_micros(micros), answer.rows.iter().filter_map(busy).collect())
}

/// A moment of the server's clock, for SQL text.
fn moment(at: SystemTime) -> String {
    let micros = at.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_micros());
    format!("(timestamptz 'epoch' + {micros} * interval '1 microsecond')")
}

fn imprint_sql() -> String {
    let other = |(catalog, words): &(&str, &str)| {
        format!(
            "select '{words}', concat(count(*), ' ', sum(hashtext(concat(oid, ':', xmin))::bigint)) \
             from pg_catalog.{catalog}"
        )
    };
    let others: Vec<String> = OTHERS.iter().map(other).collect();
    format!("{RELATIONS};{};", others.join(" union all "))
}

fn imprint_in(relations: &Answer, others: &Answer) -> Imprint {
    let mut imprint = Imprint::default();
    for row in &relations.rows {
        let text = |at: usize| row.get(at).unwrap_or_default();
        let number = |at: usize| text(at).parse().unwrap_or_default();
        let position = row.get(4).and_then(|position| position.parse().ok());
        let relation = Relation { written: [number(1), number(2), number(3)], position, shape: text(5).to_owned() };
        imprint.relations.insert(text(0).to_owned(), relation);
    }
    for row in &others.rows {
        let text = |at: usize| row.get(at).unwrap_or_default().to_owned();
        imprint.others.insert(text(0), text(1));
    }
    imprint
}
