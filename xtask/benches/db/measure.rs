//! Times that are taken in turns, so that a machine which is busy for a while is busy for all sides, and rows of the
//! table with what is to be reached.

use std::fmt;
use std::time::Instant;

/// What a row's ratio has to be.
#[derive(Clone, Copy)]
pub enum Reach {
    /// So many times faster than the other side.
    Faster(f64),
    /// At most so many times what the other side takes.
    AtMost(f64),
    /// Ours alone: at most so much of the unit.
    Under(f64),
    /// No aim, only worth knowing.
    Known,
}

/// A line of the table.
pub struct Row {
    what: String,
    ours: f64,
    against: Option<(String, f64)>,
    unit: &'static str,
    reach: Reach,
}

impl Row {
    /// Ours against something else, both in milliseconds.
    pub fn new(what: &str, ours: f64, against: &str, theirs: f64, reach: Reach) -> Row {
        Row { what: what.to_owned(), ours, against: Some((against.to_owned(), theirs)), unit: "ms", reach }
    }

    /// Ours alone.
    pub fn alone(what: &str, ours: f64, unit: &'static str, reach: Reach) -> Row {
        Row { what: what.to_owned(), ours, against: None, unit, reach }
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
        match self.reach {
            Reach::Faster(times) => theirs / self.ours >= times,
            Reach::AtMost(times) => self.ours / theirs <= times,
            Reach::Under(limit) => self.ours <= limit,
            Reach::Known => true,
        }
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (against, ratio) = match &self.against {
            None => ("—".to_owned(), "—".to_owned()),
            Some((name, theirs)) => {
                let ratio = match self.reach {
                    Reach::AtMost(_) => self.ours / theirs,
                    _ => theirs / self.ours,
                };
                (format!("{name}: {}", number(*theirs)), format!("{}×", number(ratio)))
            }
        };
        let reach = match self.reach {
            Reach::Faster(times) => format!("{times} times faster"),
            Reach::AtMost(times) => format!("at most {times} times"),
            Reach::Under(limit) => format!("under {limit} {}", self.unit),
            Reach::Known => "—".to_owned(),
        };
        let met = match self.reach {
            Reach::Known => "—",
            _ if self.met() => "yes",
            _ => "**no**",
        };
        let (what, ours, unit) = (&self.what, number(self.ours), self.unit);
        write!(f, "| {what} | {ours} {unit} | {against} | {ratio} | {reach} | {met} |")
    }
}

/// Three digits are all that such a measurement holds.
fn number(value: f64) -> String {
    let digits = if value < 10.0 { 2 } else { usize::from(value < 100.0) };
    format!("{value:.digits$}")
}

/// Runs all sides in turns, `rounds` times; the median of each, in milliseconds. The first round only warms up.
pub fn in_turns<const N: usize>(rounds: usize, mut sides: [&mut dyn FnMut(); N]) -> [f64; N] {
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

/// The middle of some times.
pub fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    let middle = times.len() / 2;
    if times.len() % 2 == 1 { times[middle] } else { (times[middle - 1] + times[middle]) / 2.0 }
}

/// What the machine has to do beside us, where that can be known.
pub fn load() -> String {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().filter(|word| !word.is_empty()).unwrap_or("unknown").to_owned()
}
