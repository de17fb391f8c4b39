//! Whether a connection pooler (PgBouncer and its like) listens at a Unix socket. There the next statement may run in another
//! session than this one, and what is set in it reaches the application. It shows before anything is set: the process that
//! the start-up announces for cancelling is not the one that the session's SQL runs in. Over TCP the connection's own
//! start-up is listened to (`door.rs`).
//!
//! The `postgres` crate does not tell the announced process, so one session of its own asks, once per server and run.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio_postgres::{Client, Config, NoTls, SimpleQueryMessage};

/// What cannot be found out in this time is not known.
const LIMIT: Duration = Duration::from_secs(5);
/// The process, and where the server itself can be reached.
const ASK: &str = "select pg_catalog.pg_backend_pid(), pg_catalog.host(pg_catalog.inet_server_addr()), \
    pg_catalog.current_setting('port')";

/// The server behind a pooler.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Behind {
    /// Its address; `None` where the pooler reaches it by a Unix socket.
    pub host: Option<String>,
    /// Its own port.
    pub port: String,
}

/// The server behind a pooler at `place`; `None` where there is no pooler, or where that cannot be found out.
pub(super) fn behind(place: &str, config: &Config) -> Option<Behind> {
    static KNOWN: Mutex<BTreeMap<String, Option<Behind>>> = Mutex::new(BTreeMap::new());
    let known = || KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(found) = known().get(place) {
        return found.clone();
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().ok()?;
    let found = runtime.block_on(async { tokio::time::timeout(LIMIT, ask(config)).await.ok()? })?;
    known().insert(place.to_owned(), found.clone());
    found
}

async fn ask(config: &Config) -> Option<Option<Behind>> {
    let (client, connection) = config.connect(NoTls).await.ok()?;
    let connection = tokio::spawn(connection);
    let announced = announced(&client).await;
    let rows = client.simple_query(ASK).await.ok()?;
    drop(client);
    // Until our side is closed, the session would count as somebody who is connected.
    let _ = connection.await;
    let row = rows.iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => Some(row),
        _ => None,
    })?;
    let works: i32 = row.get(0)?.parse().ok()?;
    let text = |at: usize| row.get(at).map(str::to_owned);
    let behind = Behind { host: text(1), port: text(2).unwrap_or_default() };
    Some((announced? != works).then_some(behind))
}

/// The process that a request to cancel would name: length, code, process, key, four bytes each.
async fn announced(client: &Client) -> Option<i32> {
    let (mut server, end) = tokio::io::duplex(64);
    client.cancel_token().cancel_query_raw(end, NoTls).await.ok()?;
    let mut request = Vec::new();
    server.read_to_end(&mut request).await.ok()?;
    let process = request.get(request.len().checked_sub(8)?..)?.first_chunk::<4>()?;
    Some(i32::from_be_bytes(*process))
}
