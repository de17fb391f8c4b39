//! Times that are taken in turns, so that a machine which is busy for a while is busy for all sides, and rows of the
//! table with their goals.

use std::fmt;
use std::time::Instant;

/// A part of the table, or why it cannot be measured here.
pub type Rows = Result<Vec<Row>, String>;

/// What a row's ratio has to be.
#[derive(Clone, Copy)]
pub enum Goal {
    /// So many times faster than the other side.
    Faster(f64),
    /// At most so many times what the other side takes.
    AtMost(f64),
    /// Ours alone: at most so much of the unit.
    Under(f64),
    /// No aim, only worth knowing.
    Known,
}

/// The middle of what some runs gave.
#[derive(Clone, Copy)]
pub struct Median {
    /// In milliseconds, where it is a time.
    pub value: f64,
    /// How many runs.
    pub runs: usize,
}

/// A line of the table.
pub struct Row {
    what: String,
    ours: Median,
    against: Option<(String, f64)>,
    unit: &'static str,
    goal: Goal,
}

impl Row {
    /// Ours against something else, both in milliseconds.
    pub fn new(what: &str, ours: Median, against: &str, theirs: Median, goal: Goal) -> Row {
        Row { what: what.to_owned(), ours, against: Some((against.to_owned(), theirs.value)), unit: "ms", goal }
    }

    /// Ours alone.
    pub fn alone(what: &str, ours: Median, unit: &'static str, goal: Goal) -> Row {
        Row { what: what.to_owned(), ours, against: None, unit, goal }
    }

    /// Its name.
    pub fn name(&self) -> String {
        match &self.against {
            Some((against, _)) => format!("{} against {against}", self.what),
            None => self.what.clone(),
        }
    }

    /// Whether it is as it has to be.
    pub fn met(&self) -> bool {
        let theirs = self.against.as_ref().map_or(f64::NAN, |(_, theirs)| *theirs);
        match self.goal {
            Goal::Faster(times) => theirs / self.ours.value >= times,
            Goal::AtMost(times) => self.ours.value / theirs <= times,
            Goal::Under(limit) => self.ours.value <= limit,
            Goal::Known => true,
        }
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (against, ratio) = match &self.against {
            None => ("—".to_owned(), "—".to_owned()),
            Some((name, theirs)) => {
                let ratio = match self.goal {
                    Goal::AtMost(_) => self.ours.value / theirs,
                    _ => theirs / self.ours.value,
                };
                (format!("{name}: {}", number(*theirs)), format!("{}×", number(ratio)))
            }
        };
        let goal = match self.goal {
            Goal::Faster(1.0) => "faster".to_owned(),
            Goal::Faster(times) => format!("{times} times faster"),
            Goal::AtMost(times) => format!("at most {times} times"),
            Goal::Under(limit) => format!("under {limit} {}", self.unit),
            Goal::Known => "—".to_owned(),
        };
        let met = match self.goal {
            Goal::Known => "—",
            _ if self.met() => "yes",
            _ => "**no**",
        };
        let (what, ours, unit) = (&self.what, number(self.ours.value), self.unit);
        write!(f, "| {what} | {ours} {unit} | {against} | {ratio} | {} | {goal} | {met} |", self.ours.runs)
    }
}

/// Three digits are all that such a measurement holds.
fn number(value: f64) -> String {
    let digits = if value < 10.0 { 2 } else { usize::from(value < 100.0) };
    format!("{value:.digits$}")
}

/// Runs all sides in turns, `rounds` times; the median of each, in milliseconds. The first round only warms up.
pub fn in_turns<const N: usize>(rounds: usize, mut sides: [&mut dyn FnMut(); N]) -> [Median; N] {
    let mut times: [Vec<f64>; N] = std::array::from_fn(|_| Vec::new());
    for round in 0..=rounds {
        for (side, times) in sides.iter_mut().zip(&mut times) {
            let start = Instant::now();
            side();
            if round > 0 {
                times.push(start.elapsed().as_secs_f64() * 1000.0);
            }
        }
    }
    times.map(median)
}

/// The middle of some values.
pub fn median(mut values: Vec<f64>) -> Median {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    let value = if values.len() % 2 == 1 { values[middle] } else { (values[middle - 1] + values[middle]) / 2.0 };
    Median { value, runs: values.len() }
}
