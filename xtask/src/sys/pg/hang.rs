//! Finds a session that waits forever: it waits for a lock that another session of the same work holds, and that one is
//! idle in an open transaction. PostgreSQL sees no deadlock there, since the circle closes in the client.

use std::time::Duration;

use anyhow::Result;

use super::ask::Ask;
use super::{Db, sql_fail};

impl Db {
    /// The server processes in this database that wait for locks which only sessions of `ours` (`None`: all but this
    /// one) hold, all of them idle in a transaction for `patience` by now (or prepared transactions, which hold on to
    /// their locks by themselves), while none of the others is at work. Empty as long as anything may still go on.
    ///
    /// A client that works on (a thread that computes, say, and commits later) cannot be seen from here; that is what
    /// `patience` is for.
    ///
    /// # Errors
    /// When the connection is lost.
    pub fn waits_for_itself(&mut self, ours: Option<&[i32]>, patience: Duration) -> Result<Vec<i32>> {
        const SQL: &str = "with here as (select pid, state, state_change, query_start, \
                coalesce(wait_event_type = 'Lock', false) as waits from pg_stat_activity \
                where datname = current_database() and backend_type = 'client backend' \
                and pid <> pg_backend_pid() and ($1::int[] is null or pid = any ($1))), \
            waiting as (select h.pid, h.query_start, pg_blocking_pids(h.pid) as blockers from here h where h.waits) \
            select w.pid from waiting w where cardinality(w.blockers) > 0 \
                and clock_timestamp() - w.query_start > $2::float8 * interval '1 second' \
                and not exists (select from here h where h.state = 'active' and not h.waits) \
                and not exists (select from unnest(w.blockers) b left join here h on h.pid = b where b <> 0 and not \
                    coalesce(h.state like 'idle in transaction%' \
                    and clock_timestamp() - h.state_change > $2::float8 * interval '1 second', false)) \
            order by 1";
        let rows = self.client().ask(SQL, &[&ours, &patience.as_secs_f64()]);
        let rows = rows.map_err(|error| sql_fail(&error, "asking who waits for a lock"))?;
        Ok(rows.iter().map(|row| row.get(0)).collect())
    }
}
