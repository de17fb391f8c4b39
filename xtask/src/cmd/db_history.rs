//! `db-history`: the migration history as a list, a graph or a picture. It reads files, asks git who added which
//! revision, and asks the database where it stands, unless a server would have to be started for that; it changes
//! nothing.

mod gather;

use anyhow::Result;
use serde_json::json;

use crate::ctx::Ctx;
use crate::fail::{Exit, Fail, Kind};
use crate::flags::{DbHistory, Drawn};
use crate::model::action::{Action, own};
use crate::model::graph::Graph;
use crate::model::target::{Range, TargetError};
use crate::report::drawing::{Drawing, Look, Node};
use crate::report::history;
use crate::report::table::count;
use crate::sys::files;
use crate::ui::Paint;
use crate::work::advice;

/// # Errors
/// What keeps the files from being read, a range that there is not, and for one that names `current` whatever keeps the
/// database from being asked.
pub fn run(ctx: &Ctx, flags: &DbHistory) -> Result<Exit> {
    let component = ctx.component()?;
    let range = flags.range.as_deref().map(Range::parse).transpose();
    let refused = |error: &TargetError| refused(ctx, error, flags.range.as_deref().unwrap_or_default());
    let range = range.map_err(|error| refused(&error))?;
    let needs_current = range.as_ref().is_some_and(Range::needs_current);
    let (graph, known) = gather::gather(ctx, component, needs_current)?;
    let ids = match range {
        None => graph.scripts().map(|script| script.id.as_str()).collect(),
        Some(range) => {
            range.select(&graph, known.current.as_deref().unwrap_or_default()).map_err(|error| refused(&error))?
        }
    };
    let mut fields = history::to_json(&graph, &ids, &known);
    fields["component"] = json!(component.name);
    let drawing = Drawing::new(&graph, &ids, component.name.as_str(), &known);
    show(ctx, flags, &graph, &drawing)?;
    ctx.ui.json("db-history", Exit::Done, fields, None);
    Ok(Exit::Done)
}

fn show(ctx: &Ctx, flags: &DbHistory, graph: &Graph, drawing: &Drawing) -> Result<()> {
    let paint = |node: &Node, id: &str| match node {
        node if node.is_current => ctx.ui.paint(Paint::Good, id),
        node if node.is_own => ctx.ui.paint(Paint::Warn, id),
        _ => ctx.ui.paint(Paint::Bold, id),
    };
    let look = |plain: bool| Look { plain: plain || !ctx.ui.is_unicode(), width: ctx.ui.width() };
    match &flags.drawn {
        Drawn::Mermaid => ctx.ui.exact_answer(drawing.mermaid()),
        Drawn::Dot => ctx.ui.exact_answer(drawing.dot()),
        Drawn::Svg(path) => {
            files::write_atomic(path, drawing.svg().as_bytes())?;
            ctx.ui.answer(format!("Wrote {}: {}", path.display(), count(drawing.revisions, "revision")));
        }
        _ if drawing.nodes.is_empty() && graph.is_empty() => ctx.ui.answer("No revision: there is no script yet."),
        _ if drawing.nodes.is_empty() => ctx.ui.answer("No revision in this range."),
        Drawn::List => ctx.ui.answer(drawing.list(look(false), &paint)),
        Drawn::Graph { plain } => ctx.ui.answer(drawing.graph(look(*plain), &paint)),
    }
    Ok(())
}

/// A range that is none is wrong on the command line; one whose ends are not there is about revisions.
fn refused(ctx: &Ctx, error: &TargetError, text: &str) -> anyhow::Error {
    let whole = || Action::run("The whole history", own("db-history"));
    if let TargetError::Invalid { .. } | TargetError::NotBelow { .. } | TargetError::WrongDirection { .. } = error {
        let fail = Fail::new(Kind::Usage, format!("`{text}` is no range of the history"));
        return fail.details(error.to_string()).action(whole()).related(own("db-history")).into();
    }
    match ctx.component() {
        Ok(component) => advice::target(ctx, error, text, component).action(whole()).into(),
        Err(error) => error,
    }
}
