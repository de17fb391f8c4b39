//! Components that serve several tenants: one config, and a schema with a version table for each.

use anyhow::Result;

use super::Ctx;
use crate::fail::{Fail, Kind};
use crate::model::action::{own, quoted};
use crate::sys::pg::Db;
use crate::sys::project::Component;
use crate::sys::settings::Tenants;

/// That one of them has to be named.
pub(super) fn which(component: &Component) -> Fail {
    let name = component.name.clone();
    let fail = Fail::new(Kind::Usage, format!("{name} has several tenants, so one has to be named"))
        .details("Each has a schema and a version table of its own in one database")
        .run("See where each stands", own("db-status").of(&name));
    match component.x_of("NAME") {
        Some(pair) => fail.action(format!("Name one: -x {}", quoted(&pair))),
        None => fail,
    }
}

/// The names of a component's tenants; none where it has none. A query is run by its database in a transaction that
/// cannot write.
///
/// # Errors
/// `config-invalid` for a query that the database refuses, or that gives nothing.
fn names(component: &Component, db: &mut Db) -> Result<Vec<String>> {
    let names = match &component.tenants {
        None => return Ok(Vec::new()),
        Some(Tenants::List(names)) => names.clone(),
        Some(Tenants::Query(sql)) => db.texts(sql).map_err(|why| wrong(component, &why))?,
    };
    if names.is_empty() {
        return Err(wrong(component, "it names none, so nothing would be looked at").into());
    }
    Ok(names)
}

fn wrong(component: &Component, why: &str) -> Fail {
    Fail::new(Kind::ConfigInvalid, format!("Cannot use `tenants` of component '{}'", component.name))
        .details(why)
        .action("Correct it in the workspace's Cargo.toml: an array of names, or a query that gives one column of them")
        .related(own("doctor"))
}

impl Ctx {
    /// Connects to the database that a component's tenants share, and asks who they are.
    ///
    /// # Errors
    /// What reading the config and connecting may meet, and as [`names`].
    pub fn tenants(&self, component: &Component, command: &str) -> Result<(Db, Vec<String>)> {
        let database = self.database_of_all(&self.config(component)?)?;
        let mut db = Db::connect_to_look(&database.url, &crate::sys::pg::application_name(command))?;
        let names = names(component, &mut db)?;
        Ok((db, names))
    }
}
