//! Finds out where each of a component's tenants stands, from their version tables alone: the scripts are read once,
//! and one session asks for all of them.

use anyhow::Result;

use super::look::Report;
use crate::ctx::{Ctx, version_table};
use crate::fail::from_anyhow;
use crate::model::status::Standing;
use crate::sys::project::Component;

/// A report of each; of the component itself where they cannot be asked.
pub fn look(ctx: &Ctx, component: &Component) -> Vec<Report> {
    each(ctx, component).unwrap_or_else(|error| {
        let error = Some(from_anyhow(&error).about(&component.name));
        vec![Report { error, is_one_of_several: true, ..Report::new(component.clone()) }]
    })
}

fn each(ctx: &Ctx, component: &Component) -> Result<Vec<Report>> {
    let graph = ctx.history(&ctx.config(component)?)?;
    let (mut db, names) = ctx.tenants(component, "db-status")?;
    let one = |name: &String| {
        let component = component.of_tenant(name);
        let applied = db.applied(&version_table(&component))?.revisions;
        let standing = Some(Standing::new(&graph, &applied));
        Ok(Report { standing, is_one_of_several: true, ..Report::new(component) })
    };
    names.iter().map(one).collect()
}
