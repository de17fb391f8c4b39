//! Reads what shows that a database was written to (`model/imprint.rs`), and who else is at work in it. This takes a
//! few milliseconds, however large the database is, and leaves nothing in it.

use std::time::{Duration, Instant, SystemTime};

use anyhow::{Result, bail};

use super::ask::Ask;
use super::batch::batch;
use super::{Db, sql_fail};
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
    /// What shows now. Who has written just now and gone away is waited for, so that it counts.
    ///
    /// # Errors
    /// When the connection is lost.
    pub fn imprint(&mut self) -> Result<Imprint> {
        let other = |(catalog, words): &(&str, &str)| {
            format!(
                "select '{words}', concat(count(*), ' ', sum(hashtext(concat(oid, ':', xmin))::bigint)) \
                 from pg_catalog.{catalog}"
            )
        };
        let others: Vec<String> = OTHERS.iter().map(other).collect();
        let sql = format!("{RELATIONS};{};", others.join(" union all "));
        let answers = batch(self.client(), &sql).map_err(|error| sql_fail(&error, LOOKING))?;
        let mut imprint = Imprint::default();
        let [relations, others] = answers.as_slice() else { bail!("{LOOKING}: no answer") };
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
        Ok(imprint)
    }

    /// Waits until what was done since `since` by sessions that have ended is counted.
    ///
    /// # Errors
    /// When the connection is lost.
    pub fn wait_for_counters(&mut self, since: SystemTime) -> Result<()> {
        if self.server_version().major() < 15 {
            std::thread::sleep(OLD_COUNTERS);
        }
        let sql = "select exists (select from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid() \
                   and backend_type = 'client backend' and backend_start > $1)";
        let until = Instant::now() + ENDING;
        loop {
            let row = self.client().ask_one(sql, &[&since]).map_err(|error| sql_fail(&error, LOOKING))?;
            if !row.get::<_, bool>(0) || Instant::now() > until {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// The server's clock, and who else is connected to this database; `since` leaves out who was idle all the time.
    ///
    /// # Errors
    /// When the connection is lost.
    pub fn busy(&mut self, since: Option<SystemTime>) -> Result<(SystemTime, Vec<Busy>)> {
        let ours = format!("xtask % {}", std::process::id());
        let sql = "select clock.at, pid, concat_ws(', ', 'process ' || pid, 'user ' || usename, nullif(application_name, ''), \
                     'from ' || coalesce(host(client_addr), 'this machine')) \
                   from (select clock_timestamp() as at) clock left join pg_stat_activity on datname = current_database() and pid <> pg_backend_pid() \
                   and backend_type = 'client backend' and coalesce(application_name, '') not like $1 \
                   and ($2::timestamptz is null or coalesce(state, '') <> 'idle' or state_change > $2)";
        let rows = self.client().ask(sql, &[&ours, &since]).map_err(|error| sql_fail(&error, LOOKING))?;
        let now = rows.first().map_or(SystemTime::UNIX_EPOCH, |row| row.get(0));
        let busy = |row: &postgres::Row| Some(Busy { pid: row.get::<_, Option<i32>>(1)?, words: row.get(2) });
        Ok((now, rows.iter().filter_map(busy).collect()))
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
