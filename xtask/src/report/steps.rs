//! The steps of a flow (db-merge, db-sync, db-switch), for its report and its journal: each with its outcome and its
//! time, and its part for each component.

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::roundtrip::RevisionResult;
use super::table::table;
use crate::model::action::Around;

/// How a step, or its part of one component, ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Ok,
    Skipped,
    Failed,
    Planned,
}

/// A step as it is reported.
#[derive(Clone, Debug, PartialEq)]
pub struct StepReport {
    pub name: String,
    pub outcome: Outcome,
    pub seconds: f64,
    /// What came of it, or why it was skipped.
    pub remark: String,
    pub components: Vec<ComponentReport>,
}

/// A step's part of one component.
#[derive(Clone, Debug, PartialEq)]
pub struct ComponentReport {
    pub component: String,
    pub outcome: Outcome,
    pub seconds: f64,
    pub remark: String,
    /// What a round trip found; `None` where none was run.
    pub results: Option<Vec<RevisionResult>>,
}

impl Outcome {
    const ALL: [(Outcome, &str); 4] = [
        (Outcome::Ok, "ok"),
        (Outcome::Skipped, "skipped"),
        (Outcome::Failed, "failed"),
        (Outcome::Planned, "planned"),
    ];

    /// As it stands in JSON.
    pub fn name(self) -> &'static str {
        Outcome::ALL.iter().find(|(outcome, _)| *outcome == self).map_or("", |(_, name)| name)
    }

    fn parse(value: &Value) -> Result<Outcome> {
        let found = Outcome::ALL.iter().find(|(_, name)| value == name);
        found.map(|(outcome, _)| *outcome).with_context(|| format!("the journal has the outcome {value}"))
    }
}

/// The steps as a table.
pub fn steps(steps: &[StepReport]) -> String {
    let row = |step: &StepReport| {
        vec![step.name.clone(), step.outcome.name().to_owned(), format!("{:.2} s", step.seconds), step.remark.clone()]
    };
    table(&["Step", "Outcome", "Time", "Result"], &steps.iter().map(row).collect::<Vec<_>>())
}

impl StepReport {
    /// The contract's `step`, with what came of it.
    pub fn to_json(&self, around: &Around) -> Value {
        let one = |part: &ComponentReport| {
            let mut object = json!({
                "component": part.component, "outcome": part.outcome.name(), "seconds": part.seconds,
                "remark": part.remark,
            });
            if let Some(results) = &part.results {
                object["results"] = results.iter().map(|result| result.to_json(around)).collect();
            }
            object
        };
        json!({
            "name": self.name, "outcome": self.outcome.name(), "seconds": self.seconds, "remark": self.remark,
            "components": self.components.iter().map(one).collect::<Vec<_>>(),
        })
    }

    /// From the journal.
    ///
    /// # Errors
    /// When it is not understood.
    pub fn from_json(value: &Value) -> Result<StepReport> {
        let seconds = |value: &Value| value["seconds"].as_f64().unwrap_or_default();
        let one = |it: &Value| -> Result<ComponentReport> {
            Ok(ComponentReport {
                component: text(&it["component"])?,
                outcome: Outcome::parse(&it["outcome"])?,
                seconds: seconds(it),
                remark: text(&it["remark"])?,
                // They are only shown. Those of an older version, which lack something, keep nobody from the way back.
                results: it["results"].as_array().and_then(|all| all.iter().map(RevisionResult::saved).collect()),
            })
        };
        Ok(StepReport {
            name: text(&value["name"])?,
            outcome: Outcome::parse(&value["outcome"])?,
            seconds: seconds(value),
            remark: text(&value["remark"])?,
            components: value["components"].as_array().into_iter().flatten().map(one).collect::<Result<_>>()?,
        })
    }
}

fn text(value: &Value) -> Result<String> {
    value.as_str().map(str::to_owned).with_context(|| format!("a text is missing in the journal, there is {value}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_understood_is_said() {
        let wrong = json!({"name": "x", "outcome": "well", "remark": "", "components": []});
        assert!(StepReport::from_json(&wrong).unwrap_err().to_string().contains("well"));
    }

    #[test]
    fn results_of_an_older_version_keep_nobody_from_the_way_back() {
        let part = json!({"component": "c", "outcome": "ok", "remark": "", "results": [{"revision": "ab12"}]});
        let step = json!({"name": "x", "outcome": "ok", "remark": "", "components": [part]});
        assert_eq!(StepReport::from_json(&step).unwrap().components[0].results, None);
    }
}
