//! What can be said about migration scripts without running them: rules as values in one table, and what they find.
//!
//! A rule is a file in `rules/` and a page in `xtask/rules/`. It judges a [`Context`]: the scripts as they are in the work
//! tree or would be committed, the history they make, and what git knows of them. It never asks anything itself.

mod allowed;
mod body;
mod context;
mod finding;

mod allow;
mod application_import;
mod autocommit_late;
mod behind_main;
mod below_released;
mod commits_itself;
mod concurrently;
mod concurrently_if_missing;
mod contract_at_once;
mod downgrade_forgets;
mod downgrade_missing;
mod drops_unnamed;
mod enum_value_used;
mod interpolated_sql;
mod part_of;
mod prints_secret;
mod released_edited;
mod released_removed;
mod required_column;
mod same_table;
mod server_wide;
mod several_changes;
mod type_rewrite;
mod unbounded_insert;
mod waits_for_input;

mod conflict_marker;
mod cycle;
mod docstring;
mod duplicate_revision;
mod encoding;
mod env_logging;
mod env_transaction;
mod file_name;
mod ignored_by_git;
mod illegal_name;
mod long_id;
mod merge_of_ancestor;
mod missing_dependency;
mod missing_parent;
mod model_change;
mod no_revision;
mod not_in_git;
mod not_static;
mod several_bases;
mod several_heads;
mod syntax_error;
mod typed_id;

use std::collections::BTreeMap;
use std::num::NonZero;
use std::thread::ScopedJoinHandle;

pub use context::{Change, Context, Env, Merged, Past, Release, Sighted, Source, Tracking};
pub use finding::{Finding, Level, Sink};
pub use model_change::{Place, model_change, unseen_model_change};

use super::nearest;

pub struct Rule {
    /// Stable: `DB101`. The first digit is the group: 1 graph, 2 file, 3 history, 4 body, 5 release, 6 models, 7 env.py.
    pub code: &'static str,
    /// Stable as well, for people: `several-heads`.
    pub name: &'static str,
    /// What it is unless the project says otherwise.
    pub level: Level,
    /// Whether a released script counts, too.
    pub scope: Scope,
    /// What `--explain` prints.
    pub page: &'static str,
    /// The judgement.
    pub check: Check,
}

/// Which scripts a rule is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Every script: what it finds breaks something today.
    All,
    /// Scripts that are not released yet: a released one has done its work, and editing it would be the greater mistake.
    Unreleased,
}

/// How a rule judges.
#[derive(Clone, Copy)]
pub enum Check {
    /// Script by script.
    Each(fn(&Source, &Context, &mut Sink<'_>)),
    Together(fn(&Context, &mut Sink<'_>)),
    /// Not by the scripts at all: Alembic is asked, see [`model_change`].
    Models,
}

/// The rules that are judged by scripts and git.
pub fn of_scripts() -> Vec<&'static Rule> {
    RULES.iter().copied().filter(|rule| !matches!(rule.check, Check::Models)).collect()
}

/// The rules that `db-check --models` is about.
pub fn of_models() -> Vec<&'static Rule> {
    RULES.iter().copied().filter(|rule| matches!(rule.check, Check::Models)).collect()
}

/// All rules, in the order of their codes.
pub const RULES: &[&Rule] = &[
    &several_heads::RULE,
    &duplicate_revision::RULE,
    &missing_parent::RULE,
    &cycle::RULE,
    &merge_of_ancestor::RULE,
    &no_revision::RULE,
    &file_name::RULE,
    &several_bases::RULE,
    &missing_dependency::RULE,
    &illegal_name::RULE,
    &long_id::RULE,
    &typed_id::RULE,
    &syntax_error::RULE,
    &conflict_marker::RULE,
    &encoding::RULE,
    &not_static::RULE,
    &docstring::RULE,
    &not_in_git::RULE,
    &ignored_by_git::RULE,
    &allow::RULE,
    &released_edited::RULE,
    &released_removed::RULE,
    &below_released::RULE,
    &behind_main::RULE,
    &same_table::RULE,
    &downgrade_missing::RULE,
    &downgrade_forgets::RULE,
    &application_import::RULE,
    &waits_for_input::RULE,
    &prints_secret::RULE,
    &unbounded_insert::RULE,
    &concurrently::RULE,
    &required_column::RULE,
    &type_rewrite::RULE,
    &contract_at_once::RULE,
    &interpolated_sql::RULE,
    &several_changes::RULE,
    &autocommit_late::RULE,
    &commits_itself::RULE,
    &concurrently_if_missing::RULE,
    &drops_unnamed::RULE,
    &enum_value_used::RULE,
    &server_wide::RULE,
    &part_of::RULE,
    &model_change::SEEN,
    &model_change::UNSEEN,
    &env_logging::RULE,
    &env_transaction::RULE,
];

/// What a project says about rules, by code.
pub type Levels = BTreeMap<&'static str, Level>;

/// The rule of a code (in any case) or a name.
pub fn find(word: &str) -> Option<&'static Rule> {
    RULES.iter().copied().find(|rule| rule.code.eq_ignore_ascii_case(word) || rule.name == word)
}

/// What somebody may have meant who wrote a code or name that does not exist.
pub fn nearest(word: &str) -> Option<String> {
    let upper = word.to_uppercase();
    let by_code = nearest::nearest(&upper, RULES.iter().map(|rule| rule.code));
    let by_name = || nearest::nearest(word, RULES.iter().map(|rule| rule.name));
    by_code.into_iter().next().or_else(|| by_name().into_iter().next())
}

/// Judges scripts by every rule that is on; findings by path, line and code.
pub fn check(context: &Context, levels: &Levels) -> Vec<Finding> {
    let rules = active(levels);
    let mut findings = Vec::new();
    (0..context.sources.len()).for_each(|at| judge_one(context, &rules, at, &mut findings));
    judge_together(context, &rules, &|| true, &mut findings);
    in_order(findings)
}

/// How many scripts a processor judges at a time, and how deep they may be nested.
const SHARE: usize = 64;
const STACK: usize = 8 << 20;

/// As that, by all processors, as long as `goes_on` says so; what was found until then. What each script does is forgotten
/// once the script has been judged, or a long history would not fit into memory.
pub fn check_while(context: &mut Context, levels: &Levels, goes_on: &dyn Fn() -> bool) -> Vec<Finding> {
    let rules = active(levels);
    let mut findings = Vec::new();
    let checked: Vec<usize> = (0..context.sources.len()).filter(|at| context.sources[*at].is_checked).collect();
    let workers = std::thread::available_parallelism().map_or(1, NonZero::get);
    for round in checked.chunks(workers * SHARE).take_while(|_| goes_on()) {
        judge_round(context, &rules, round, &mut findings);
        round.iter().for_each(|at| context.sources[*at].forget_body());
    }
    judge_together(context, &rules, goes_on, &mut findings);
    in_order(findings)
}

/// The rules that are on, with what the project says about them.
fn active(levels: &Levels) -> Vec<(&'static Rule, Option<Level>)> {
    let rules = RULES.iter().map(|rule| (*rule, levels.get(rule.code).copied()));
    rules.filter(|(rule, configured)| configured.unwrap_or(rule.level) != Level::Off).collect()
}

/// Judges a share of them here, and the others in threads.
fn judge_round(context: &Context, rules: &[(&'static Rule, Option<Level>)], round: &[usize], found: &mut Vec<Finding>) {
    let judge = &|share: &[usize]| {
        let mut findings = Vec::new();
        share.iter().for_each(|at| judge_one(context, rules, *at, &mut findings));
        findings
    };
    let (here, others) = round.split_at(round.len().min(SHARE));
    std::thread::scope(|scope| {
        let begin = |share| std::thread::Builder::new().stack_size(STACK).spawn_scoped(scope, move || judge(share));
        let threads: Vec<_> = others.chunks(SHARE).map(|share| (share, begin(share))).collect();
        found.extend(judge(here));
        for (share, thread) in threads {
            match thread.map(ScopedJoinHandle::join) {
                Ok(Ok(findings)) => found.extend(findings),
                Ok(Err(panic)) => std::panic::resume_unwind(panic),
                // Where there is no thread to be had.
                Err(_) => found.extend(judge(share)),
            }
        }
    });
}

fn judge_one(context: &Context, rules: &[(&'static Rule, Option<Level>)], at: usize, findings: &mut Vec<Finding>) {
    let source = &context.sources[at];
    for (rule, configured) in rules.iter().filter(|_| source.is_checked) {
        if let (Check::Each(check), false) = (rule.check, context.spares(rule, source)) {
            check(source, context, &mut Sink::new(rule, *configured, context, findings));
        }
    }
}

fn judge_together(
    context: &Context,
    rules: &[(&'static Rule, Option<Level>)],
    goes_on: &dyn Fn() -> bool,
    findings: &mut Vec<Finding>,
) {
    for (rule, configured) in rules.iter().take_while(|_| goes_on()) {
        if let Check::Together(check) = rule.check {
            check(context, &mut Sink::new(rule, *configured, context, findings));
        }
    }
}

fn in_order(mut findings: Vec<Finding>) -> Vec<Finding> {
    findings.sort_by(|a, b| (&a.path, a.line, a.code).cmp(&(&b.path, b.line, b.code)));
    findings.dedup();
    findings
}

#[cfg(test)]
mod tests;
