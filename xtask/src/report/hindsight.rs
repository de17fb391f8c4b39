//! The past of a history as a table, as the contract's JSON and as a chart.

use serde_json::{Value, json};

use super::findings::to_json as findings_json;
use super::table::{count, cut, table};
use super::xml::escaped;
use crate::model::action::Around;
use crate::model::harmless::on_a_line;
use crate::model::hindsight::{Event, Told};
use crate::model::rules::Level;

/// How much of a subject is shown.
const SUBJECT: usize = 60;

/// One component's past.
pub struct Pasts {
    pub component: String,
    /// What was walked, in words.
    pub walked: String,
    pub events: Vec<Event>,
    /// The heads before the first commit.
    pub before: usize,
    /// As the days and moments of the report are written.
    pub day: fn(u64) -> String,
    pub moment: fn(u64) -> String,
    /// When the walk ends, in seconds since 1970.
    pub until: u64,
}

/// A time in which there were several heads.
struct Diverged<'a> {
    from: &'a Event,
    /// `None`: to the end.
    to: Option<&'a Event>,
}

impl Pasts {
    /// An item of `"history"` each.
    pub fn to_json(&self, around: &Around) -> Vec<Value> {
        let told = |told: &Told| {
            let mut finding = findings_json(std::slice::from_ref(&told.finding), around)[0].take();
            let by = told.repaired.as_ref().map(|it| json!({"commit": it.id, "time": (self.moment)(it.time)}));
            finding["repaired"] = json!(by);
            finding
        };
        let event = |event: &Event| {
            json!({
                "component": self.component,
                "commit": event.commit.id,
                "time": (self.moment)(event.commit.time),
                "subject": event.commit.subject,
                "revisions": event.revisions,
                "heads": event.heads,
                "vanished": event.vanished,
                "put_below": event.put_below,
                "edited": event.edited.iter().map(|path| path.display().to_string()).collect::<Vec<_>>(),
                "findings": event.findings.iter().map(told).collect::<Vec<_>>(),
            })
        };
        self.events.iter().map(event).collect()
    }

    /// The commits of which there is something to tell, and the sums.
    pub fn text(&self) -> String {
        let title = format!(
            "The past of {}: {} that touched scripts, {}",
            self.component,
            count(self.events.len(), "commit"),
            self.walked
        );
        let rows: Vec<Vec<String>> =
            self.events.iter().enumerate().filter_map(|(at, event)| self.row(at, event)).collect();
        let mut lines = vec![title, String::new()];
        if !rows.is_empty() {
            lines.extend([table(&["Day", "Commit", "What", "Subject"], &rows), String::new()]);
        }
        lines.extend(self.sums());
        lines.join("\n")
    }

    fn row(&self, at: usize, event: &Event) -> Option<Vec<String>> {
        let before = if at == 0 { self.before } else { self.events[at - 1].heads.len() };
        let heads = (event.heads.len() != before && event.heads.len().max(before) > 1)
            .then(|| format!("{} now", count(event.heads.len(), "head")));
        let some = |number: usize, words: &str| (number > 0).then(|| format!("{number} {words}"));
        let what = [
            heads,
            some(event.vanished.len(), "vanished"),
            some(event.put_below.len(), "put below"),
            some(event.edited.len(), "edited"),
            (errors(event).count() > 0).then(|| count(errors(event).count(), "error")),
        ];
        let what: Vec<String> = what.into_iter().flatten().collect();
        let subject = cut(&on_a_line(&event.commit.subject), Some(SUBJECT));
        let short = event.commit.id.chars().take(10).collect();
        (!what.is_empty()).then(|| vec![(self.day)(event.commit.time), short, what.join(", "), subject])
    }

    /// A line for each kind.
    fn sums(&self) -> Vec<String> {
        let diverged = self.diverged();
        let seconds =
            |it: &Diverged<'_>| it.to.map_or(self.until, |to| to.commit.time).saturating_sub(it.from.commit.time);
        let hours = |seconds: u64| (seconds + 1800) / 3600;
        let longest = hours(diverged.iter().map(seconds).max().unwrap_or(0));
        let all = hours(diverged.iter().map(seconds).sum());
        let open = if diverged.iter().any(|it| it.to.is_none()) { ", and is so at the end" } else { "" };
        let sum = |of: fn(&Event) -> usize| self.events.iter().map(of).sum::<usize>();
        let told = || self.events.iter().flat_map(errors);
        let repaired = told().filter(|told| told.repaired.is_some()).count();
        let begun = if self.before > 1 { ", and was so before the first commit" } else { "" };
        vec![
            match diverged.len() {
                0 if self.events.is_empty() => "Several heads: no commit tells".to_owned(),
                0 => "Several heads: never".to_owned(),
                times => {
                    format!(
                        "Several heads: {}, {all} h in all, {longest} h the longest{begun}{open}",
                        count(times, "time")
                    )
                }
            },
            format!("Ids that vanished: {}", sum(|event| event.vanished.len())),
            format!("Revisions put below released ones: {}", sum(|event| event.put_below.len())),
            format!(
                "Released scripts edited: {} in {}",
                sum(|event| event.edited.len()),
                count(self.events.iter().filter(|event| !event.edited.is_empty()).count(), "commit")
            ),
            format!(
                "Errors that db-check finds in what came: {}, of which {repaired} were repaired by a later commit",
                told().count()
            ),
        ]
    }

    fn diverged(&self) -> Vec<Diverged<'_>> {
        // What stood before the first commit is told from that one on.
        let stood = self.events.first().filter(|_| self.before > 1);
        let mut found: Vec<Diverged<'_>> = stood.map(|from| Diverged { from, to: None }).into_iter().collect();
        let mut is_open = stood.is_some();
        for event in &self.events {
            match (event.heads.len() > 1, is_open) {
                (true, false) => found.push(Diverged { from: event, to: None }),
                (false, true) => found.last_mut().into_iter().for_each(|last| last.to = Some(event)),
                _ => {}
            }
            is_open = event.heads.len() > 1;
        }
        found
    }

    /// One chart: how many revisions there were, when there were several heads, and what happened.
    pub fn svg(&self) -> String {
        let (from, to) = (self.events.first().map_or(0, |event| event.commit.time), self.until.max(1));
        let span = to.saturating_sub(from).max(1);
        let x = |time: u64| {
            LEFT + usize::try_from(u64::try_from(WIDE).unwrap_or(0) * time.saturating_sub(from) / span).unwrap_or(0)
        };
        let title = escaped(&format!("The past of {}, {}", self.component, self.walked));
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {0} {HIGH}\" width=\"{0}\" height=\"{HIGH}\" role=\"img\" \
             aria-labelledby=\"past\">\n<title id=\"past\">{title}</title>\n<style>{STYLE}</style>\n\
             <rect class=\"paper\" width=\"{0}\" height=\"{HIGH}\"/>\n<text class=\"title\" x=\"16\" y=\"26\">{title}</text>\n",
            LEFT + WIDE + 24
        );
        for it in self.diverged() {
            let (begin, end) = (x(it.from.commit.time), x(it.to.map_or(self.until, |to| to.commit.time)));
            svg.push_str(&format!(
                "<rect class=\"band\" x=\"{begin}\" y=\"40\" width=\"{}\" height=\"{}\"/>\n",
                (end - begin).max(2),
                HIGH - 70
            ));
        }
        svg.push_str(&self.growth(&x));
        for (at, (name, of)) in LANES.iter().enumerate() {
            let y = 150 + at * 34;
            svg.push_str(&format!(
                "<text x=\"16\" y=\"{}\">{name}</text><path class=\"rule\" d=\"M{LEFT} {y}h{WIDE}\"/>\n",
                y + 4
            ));
            for event in self.events.iter().filter(|event| of(event) > 0) {
                let words = format!(
                    "{} {}: {} {name}. {}",
                    (self.day)(event.commit.time),
                    &event.commit.id[..event.commit.id.len().min(10)],
                    of(event),
                    cut(&event.commit.subject, Some(200))
                );
                let radius = 4 + of(event).min(40) / 8;
                svg.push_str(&format!(
                    "<circle class=\"k{at}\" cx=\"{}\" cy=\"{y}\" r=\"{radius}\"><title>{}</title></circle>\n",
                    x(event.commit.time),
                    escaped(&words)
                ));
            }
        }
        for (time, anchor) in [(from, "start"), (from + span / 2, "middle"), (to, "end")] {
            svg.push_str(&format!(
                "<text class=\"soft\" text-anchor=\"{anchor}\" x=\"{}\" y=\"{}\">{}</text>\n",
                x(time),
                HIGH - 10,
                (self.day)(time)
            ));
        }
        svg.push_str("</svg>\n");
        svg
    }

    /// How many revisions there were.
    fn growth(&self, x: &dyn Fn(u64) -> usize) -> String {
        let most = self.events.iter().map(|event| event.revisions).max().unwrap_or(0).max(1);
        let point = |event: &Event| format!("{},{}", x(event.commit.time), 125 - 75 * event.revisions / most);
        let points: Vec<String> = self.events.iter().map(point).collect();
        format!(
            "<text x=\"16\" y=\"90\">{most} revisions</text>\n<polyline class=\"growth\" points=\"{}\"/>\n",
            points.join(" ")
        )
    }
}

const LEFT: usize = 150;
const WIDE: usize = 780;
const HIGH: usize = 350;

/// What is counted of a commit, with its name.
type Lane = (&'static str, fn(&Event) -> usize);

const LANES: [Lane; 5] = [
    ("several heads", |event| if event.heads.len() > 1 { event.heads.len() } else { 0 }),
    ("vanished", |event| event.vanished.len()),
    ("put below", |event| event.put_below.len()),
    ("edited", |event| event.edited.len()),
    ("errors", |event| errors(event).count()),
];

const STYLE: &str = "
:root { color-scheme: light dark }
svg { --paper: #fff; --ink: #1f2328; --soft: #59636e; --line: #8c959f; --bad: #cf222e; --warn: #9a6700; --mark: #0969da }
@media (prefers-color-scheme: dark) {
  svg { --paper: #0d1117; --ink: #e6edf3; --soft: #9198a1; --line: #484f58; --bad: #ff7b72; --warn: #d29922; --mark: #58a6ff }
}
.paper { fill: var(--paper) } text { font: 13px system-ui, sans-serif; fill: var(--ink) } .title { font-size: 16px; font-weight: 600 }
.soft { fill: var(--soft) } .rule { stroke: var(--line); stroke-width: .6 } .growth { fill: none; stroke: var(--mark); stroke-width: 2 }
.band { fill: var(--bad); opacity: .18 } circle { fill: var(--warn) } .k0, .k2, .k4 { fill: var(--bad) } .k3 { fill: var(--mark) }
";

fn errors(event: &Event) -> impl Iterator<Item = &Told> {
    event.findings.iter().filter(|told| told.finding.severity == Level::Error)
}
