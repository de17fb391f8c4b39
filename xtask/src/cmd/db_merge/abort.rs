//! Takes a merge back, in the reverse order: it downgrades the databases with the scripts that upgraded them, puts back
//! the rows from the backups, takes back the rebases by their own journals, then the merge. Before each act it looks
//! how far things are, so that it can be repeated.

use anyhow::Result;

use super::flow::{Flow, pending};
use super::git::Where;
use super::record::{Migrated, to_abort};
use super::{preflight, show};
use crate::cmd::db_rebase;
use crate::ctx::Ctx;
use crate::fail::{Exit, Fail, Kind, from_anyhow, refuse};
use crate::flags::DbRebase;
use crate::model::action::own;
use crate::model::target::Direction;
use crate::sys::project::Component;
use crate::work::last_change::{self, What};
use crate::work::migrate::Way;

/// Takes back a merge that stopped.
///
/// # Errors
/// A usage error where there is nothing, a refusal where somebody has committed since; after that a failure, and it can
/// be repeated.
pub fn run(ctx: &Ctx, keep_database: bool) -> Result<Exit> {
    let mut flow = pending(ctx)?;
    flow.check_branch().and_then(|()| flow.check_head()).map_err(refuse)?;
    if let Err(error) = flow.take_back(keep_database) {
        let fail = from_anyhow(&error);
        let fail = if flow.record.is_taken_back { fail } else { fail.refused() };
        let fail = fail.run("Then take it back again", to_abort());
        let whole = || own("db-merge").of_no_component();
        let fail = match keep_database {
            true => fail,
            false => fail.run(
                "Or take the merge and the files back and leave the databases as they are",
                whole().word("--abort").word("--keep-database"),
            ),
        };
        let fail = fail.run("Or leave everything as it is, and forget it", whole().word("--forget"));
        ctx.ui.json("db-merge", fail.exit, show::to_json(&flow).unwrap_or_default(), Some(&fail));
        return Err(fail.into());
    }
    let report = show::to_json(&flow)?;
    let text = show::aborted(&flow, keep_database);
    flow.finish()?;
    ctx.ui.json("db-merge", Exit::Done, report, None);
    ctx.ui.answer(text);
    Ok(Exit::Done)
}

/// Forgets a merge that stopped, for when nothing else helps. Merge, files and databases stay as they are.
///
/// # Errors
/// A usage error where there is nothing to forget.
pub fn forget(ctx: &Ctx) -> Result<Exit> {
    let flow = pending(ctx)?;
    let rebase = db_rebase::is_pending(ctx)?;
    let report = show::to_json(&flow)?;
    let text = show::forgotten(&flow);
    flow.finish()?;
    if rebase {
        db_rebase::run(&ctx.for_step(ctx.ui.overheard(), None), &DbRebase::Forget)?;
    }
    ctx.ui.json("db-merge", Exit::Done, report, None);
    ctx.ui.answer(text);
    Ok(Exit::Done)
}

impl Flow<'_> {
    fn take_back(&mut self, keep_database: bool) -> Result<()> {
        let ctx = self.ctx.for_step(self.ctx.ui.clone(), None);
        self.know_committed_files()?;
        if db_rebase::is_pending(&ctx)? {
            self.note_it()?;
            db_rebase::run(&ctx.for_step(ctx.ui.overheard(), None), &DbRebase::Abort { keep_database })?;
        }
        let named = self.record.component.clone();
        let components = preflight::components(&ctx, named.as_deref())?;
        // Before the first database is touched.
        for component in &components {
            db_rebase::check_can_be_taken_back(&self.kept_folder(&component.name)?)?;
        }
        for component in components.into_iter().rev() {
            let step = ctx.for_step(ctx.ui.overheard(), Some(component));
            if !keep_database {
                self.unmigrate(&step, component)?;
            }
            if self.kept(&component.name)?.is_some() {
                self.note_it()?;
                db_rebase::take_back(&step, &self.kept_folder(&component.name)?, keep_database)?;
            }
        }
        self.note_it()?;
        self.unmerge()
    }

    /// Adds the files of the merge's own commit to the staged ones: git compares them with the work tree when the
    /// commit is removed.
    fn know_committed_files(&mut self) -> Result<()> {
        if !self.record.is_undone || self.merge_is()? != Where::Committed {
            return Ok(());
        }
        for (_, kept) in self.kept_all()? {
            let inside: Vec<_> = kept.files.iter().filter_map(|path| self.repo.relative(path).ok()).collect();
            self.record
                .staged
                .extend(inside.into_iter().filter(|path| !self.record.staged.contains(path)).collect::<Vec<_>>());
        }
        self.save()
    }

    /// Writes down that taking back has begun: the merge cannot be continued any more.
    fn note_it(&mut self) -> Result<()> {
        if self.record.is_taken_back {
            return Ok(());
        }
        self.record.is_taken_back = true;
        self.save()
    }

    /// Takes a component's database back to where it was before db-migrate.
    fn unmigrate(&mut self, ctx: &Ctx, component: &Component) -> Result<()> {
        let is_done = self.record.unmigrated.contains(&component.name);
        let migrated = self.record.migrated.iter().find(|it| it.component == component.name).cloned();
        let Some(Migrated { place: planned, start, steps, backup, end, .. }) = migrated.filter(|_| !is_done) else {
            return Ok(());
        };
        let mut own = db_rebase::claim(ctx, component)?;
        if own.place() != planned {
            let fail = Fail::new(Kind::WrongDatabase, "This is another database than the one that was migrated");
            let fail = fail.details(format!("migrated was {planned}, now it is {}", own.place()));
            return Err(fail.action("Use the same --server and --project as then").into());
        }
        self.note_it()?;
        // Where the rebase has taken a backup, its rows are put back by the rebase; rows written since are kept aside
        // before the downgrades.
        let of_rebase = self.kept(&component.name)?.and_then(|kept| kept.backup);
        let then = backup.as_ref().or(of_rebase.as_ref());
        // An earlier run that was killed may have put them back already.
        let is_put_back = then.map_or(Ok(false), |path| own.was_put_back(path))?;
        let now = then.filter(|_| !is_put_back).map(|path| own.before_putting_back(ctx, path, end)).transpose()?;
        Way { start: &start, direction: Direction::Up, ids: &steps, kept: &[] }.go_back(ctx, &mut own)?;
        if let Some(path) = &backup {
            let report = own.put_back(ctx, path, now.as_deref(), &steps)?;
            for line in report.lines() {
                ctx.ui.status(line);
            }
        }
        let what = What::Nothing("A merge was taken back last".to_owned(), vec!["db-merge".to_owned()]);
        last_change::done(ctx, &mut own, "db-merge", what);
        self.record.unmigrated.push(component.name.clone());
        self.save()?;
        own.forget_that_it_was_put_back();
        Ok(())
    }
}
