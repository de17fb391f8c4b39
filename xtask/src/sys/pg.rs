//! PostgreSQL: the only user of the `postgres` crate. Connections and what can go wrong with them, the version table,
//! locks and other people's sessions, scratch databases. The catalog is read in `pg/catalog.rs`.

mod ask;
pub mod catalog;
mod closed;
mod connect;
mod copy;
mod count;
pub mod dumped;
mod errors;
mod frozen;
mod hang;
mod imprint;
mod indexes;
mod ledger;
pub mod mend;
pub mod models;
pub mod parked;
mod pooler;
mod roles;
pub mod rows;
mod runs;
mod scratch;
mod script;
mod session;
pub mod shared;
pub mod since;
mod surroundings;
pub mod swap;
mod sweep;
mod template;
mod tls;
mod tools;
mod violation;
mod written;

pub use crate::model::sql::ident;
pub use closed::is_closed;
pub use connect::{Db, Here, ServerVersion};
pub use copy::dump_to;
pub use count::{Counted, MOST_COUNTED};
pub use errors::{kind_of, sql_fail};
pub use frozen::{Frozen, Identity};
pub use imprint::Busy;
pub use indexes::InvalidIndex;
pub use ledger::{SCHEMA, TABLE, Writing};
pub use roles::{ensure_database, ensure_role};
pub use runs::{LastText, Script};
pub use scratch::{Kept, Making, SavePoint, Scratch, may_not_create};
pub use script::Refused;
pub use session::{Applied, MigrationLock, OtherSession, Prepared, VersionTable};
pub use surroundings::{application_name, complete};
pub use sweep::{abandoned, new_name, sweep};
pub use template::{Key, Limits, Template, Templates};
pub use tools::{Tool, client_tool, client_tools, database_argument, for_libpq};
pub use violation::{Rows, Violation};

/// A string for SQL text, quoted; right whatever `standard_conforming_strings` says.
pub fn literal(text: &str) -> String {
    let quoted = text.replace('\'', "''");
    if quoted.contains('\\') { format!("E'{}'", quoted.replace('\\', "\\\\")) } else { format!("'{quoted}'") }
}
