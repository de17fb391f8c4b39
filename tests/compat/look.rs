//! What the commands say of one component, as a record that is the same on every machine.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Value, json};

use crate::support::xtask::{Output, Xtask};

/// How it is said that a way ended before its end.
pub const ENDS: &str = "ends at";

/// A component of a project that is laid out.
pub struct Subject<'a> {
    pub root: &'a Path,
    /// `--component`.
    pub component: &'a str,
    /// The range of the round trip.
    pub range: &'a str,
    /// What makes the config name a database that is not there, so that a round trip makes its own.
    pub before_roundtrip: &'a dyn Fn(),
}

impl Subject<'_> {
    fn run(&self, words: &str) -> Output {
        Xtask::new(self.root, &format!("{words} --component={} --json", self.component)).run()
    }

    /// All of it, one command after another.
    pub fn look(&self) -> Value {
        let history = self.run("db-history").json();
        let revisions = history["revisions"].as_array().cloned().unwrap_or_default();
        let merges = revisions.iter().filter(|it| it["is_merge_point"] == true).count();
        let status = self.run("db-status").json();
        let component = &status["components"][0];
        let pending = component["pending"].as_array().map_or(0, Vec::len);
        let check = self.checked();
        let up = self.walked("db-migrate --direction=upgrade");
        let steps = steps_through_a_merge(&revisions);
        let (down, again) = match up.contains(ENDS) {
            true => ("not run".to_owned(), "not run".to_owned()),
            false => (
                self.walked(&format!("db-migrate --direction=downgrade --target=-{steps} --no-backup --yes")),
                self.walked("db-migrate --direction=upgrade"),
            ),
        };
        (self.before_roundtrip)();
        let trip = self.run(&format!("db-roundtrip {} --yes", self.range)).json();
        json!({
            "revisions": revisions.len(),
            "merges": merges,
            "status": format!("{}, {pending} pending", component["state"].as_str().unwrap_or("?")),
            "check": check,
            "up from empty": up,
            "down": format!("{steps}: {down}"),
            "up again": again,
            "round trip": verdicts(&trip),
            "stands out": standing_out(&trip),
        })
    }

    /// How often each rule found something.
    fn checked(&self) -> Value {
        let report = self.run("db-check").json();
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for finding in report["findings"].as_array().into_iter().flatten() {
            *counts.entry(finding["code"].as_str().unwrap_or("?")).or_default() += 1;
        }
        json!(counts)
    }

    /// How many revisions were walked, or where it ended.
    fn walked(&self, words: &str) -> String {
        let output = self.run(words);
        let said = output.json();
        let done = said["applied"].as_array().or(said["reverted"].as_array()).map_or(0, Vec::len);
        match said["error"].as_object() {
            None => format!("{done} revisions"),
            Some(_) => format!("{ENDS} {}", failure(&said["error"])),
        }
    }
}

/// How far down it goes from the head to be through a merge; one step where there is none.
fn steps_through_a_merge(revisions: &[Value]) -> usize {
    let merge = revisions.iter().position(|it| it["is_merge_point"] == true);
    merge.map_or(1, |before| before + 1)
}

/// `4b1: duplicate-object: type "x" already exists`.
fn failure(error: &Value) -> String {
    let text = |key: &str| error[key].as_str().unwrap_or_default();
    let said = text("details").lines().find_map(|line| line.trim().strip_prefix("PostgreSQL: "));
    let why = said.unwrap_or_else(|| text("summary"));
    let revision = error["revision"].as_str().map(|revision| format!("{revision}: ")).unwrap_or_default();
    format!("{revision}{}: {why}", text("kind"))
}

fn verdicts(trip: &Value) -> Value {
    if !trip["error"].is_null() {
        return json!({"refused": failure(&trip["error"])});
    }
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for result in results(trip) {
        *counts.entry(result["verdict"].as_str().unwrap_or("?")).or_default() += 1;
    }
    json!(counts)
}

fn results(trip: &Value) -> impl Iterator<Item = &Value> {
    trip["results"].as_array().into_iter().flatten()
}

/// What did not pass, with what is told of it; of what is skipped for something below it only that.
fn standing_out(trip: &Value) -> Vec<String> {
    let is_quiet = |it: &&Value| {
        let reason = it["reason"].as_str().unwrap_or_default();
        it["verdict"] == "reversible" || it["verdict"] == "skipped" && reason.contains(", below it, ")
    };
    results(trip).filter(|it| !is_quiet(it)).map(in_words).collect()
}

fn in_words(result: &Value) -> String {
    let text = |key: &str| result[key].as_str().unwrap_or_default();
    let step = result["step"].as_str().map(|step| format!(" in the {step}")).unwrap_or_default();
    let changes = result["schema_changes"].as_array().into_iter().flatten();
    let rows = result["data_changes"].as_array().into_iter().flatten();
    let tables = rows.filter_map(|change| Some(format!("rows of {}", change["table"].as_str()?)));
    let objects = changes.filter_map(|change| Some(change["object"].as_str()?.to_owned()));
    let changed: Vec<String> = objects.chain(tables).take(3).collect();
    let why = match (result["error"].as_object(), changed.as_slice()) {
        (Some(_), _) => {
            let mut error = result["error"].clone();
            error["revision"] = Value::Null;
            failure(&error)
        }
        (None, []) => text("reason").to_owned(),
        (None, changed) => changed.join(", "),
    };
    let why = if why.is_empty() { String::new() } else { format!(": {}", why.replace('\n', " ")) };
    format!("{} {}{step}{why}", text("revision"), text("verdict"))
}
