//! Random histories, states of a database, targets and walks, the same for the same seed.

use std::collections::BTreeSet;

use xtask::model::graph::{Graph, HeadError, Links};
use xtask::model::target::{Direction, Step};

use super::RowQuery;
use crate::support::random::Random;

/// Ranges with ends of every kind.
pub fn ranges(graph: &Graph, current: &[String], random: &mut Random) -> Vec<String> {
    let ids: Vec<&str> = graph.scripts().map(|script| script.id.as_str()).collect();
    let labels: Vec<&String> = ids.iter().flat_map(|id| graph.labels(id)).collect();
    let mut end = |is_lower: bool| match random.below(9) {
        0 => String::new(),
        1 => "current".to_owned(),
        2 if is_lower => "base".to_owned(),
        2 => ["head", "heads"][random.below(2)].to_owned(),
        3 if is_lower => format!("-{}", 1 + random.below(4)),
        3 => format!("+{}", 1 + random.below(3)),
        4 => random.pick(&ids).chars().take(4 + random.below(4)).collect(),
        5 if !is_lower => format!("{}{}{}", random.pick(&ids), ["+", "-"][random.below(2)], 1 + random.below(3)),
        6 if !labels.is_empty() => format!("{}@{}", random.pick(&labels), if is_lower { "base" } else { "head" }),
        _ => (*random.pick(&ids)).to_owned(),
    };
    let mut ranges: Vec<String> = (0..8).map(|_| format!("{}:{}", end(true), end(false))).collect();
    ranges.extend(["-3:current", "current:", ":current", "-2:"].map(str::to_owned));
    // One of the two ends may not be the database's where alembic's answer is another one for an empty table.
    ranges.retain(|range| !current.is_empty() || !range.contains("current"));
    ranges
}

/// A script to be written.
pub struct Draft {
    pub file: String,
    id: String,
    down: Vec<String>,
    depends_on: Vec<String>,
    labels: Vec<String>,
}

pub fn drafts(random: &mut Random) -> Vec<Draft> {
    let count = if random.one_in(40) { 60 } else { 1 + random.below(24) };
    let mut drafts: Vec<Draft> = Vec::new();
    for number in 0..count {
        let id = fresh_id(&drafts, number, random);
        let down = parents(&drafts, random);
        let mut depends_on = Vec::new();
        while !drafts.is_empty() && random.one_in(6) {
            let on = random.pick(&drafts);
            depends_on.push(if random.one_in(3) { on.labels.first().unwrap_or(&on.id) } else { &on.id }.clone());
        }
        let labels = (0..2).filter(|_| random.one_in(8)).map(|n| format!("lab{number}_{n}")).collect();
        // The order of loading has nothing to do with the order of the history.
        let file = format!("{:04x}_{number}.py", random.below(0x1_0000));
        drafts.push(Draft { file, id, down, depends_on, labels });
    }
    if random.one_in(12) {
        break_one(&mut drafts, random);
    }
    drafts
}

fn fresh_id(drafts: &[Draft], number: usize, random: &mut Random) -> String {
    let id = match random.below(6) {
        // Ids that begin alike, and ids that are too short to be shortened.
        0 if !drafts.is_empty() => format!("{}{number}", &random.pick(drafts).id),
        1 => format!("{number:x}"),
        2 => format!("rev_{number}"),
        _ => format!("{:06x}{:06x}", random.below(0x100_0000), random.below(0x100_0000)),
    };
    if drafts.iter().any(|draft| draft.id == id) { format!("{id}x{number}") } else { id }
}

fn parents(drafts: &[Draft], random: &mut Random) -> Vec<String> {
    if drafts.is_empty() || random.one_in(10) {
        return Vec::new();
    }
    let heads: Vec<&Draft> =
        drafts.iter().filter(|draft| !drafts.iter().any(|other| other.down.contains(&draft.id))).collect();
    let wanted = if random.one_in(4) { 2 + random.below(3) } else { 1 };
    let mut down: Vec<String> = Vec::new();
    for _ in 0..wanted {
        // Off the heads as a rule, so that lines grow; sometimes anywhere, so that they fork.
        let parent = if random.one_in(4) { random.pick(drafts) } else { random.pick(&heads) };
        if !down.contains(&parent.id) {
            down.push(parent.id.clone());
        }
    }
    down
}

/// One thing that neither side may accept (or that alembic only warns of).
fn break_one(drafts: &mut [Draft], random: &mut Random) {
    let at = random.below(drafts.len());
    let (first, last) = (drafts[0].id.clone(), drafts[drafts.len() - 1].id.clone());
    match random.below(7) {
        0 => drafts[at].down.push("nowhere".to_owned()),
        1 => drafts[at].depends_on.push("nowhere".to_owned()),
        2 => drafts[at].down = vec![drafts[at].id.clone()],
        3 => {
            drafts[0].down = vec![last];
            // Alembic follows a label round a circle for ever.
            drafts.iter_mut().for_each(|draft| draft.labels.clear());
        }
        4 => drafts[at].labels = vec![first],
        5 => drafts[at].id.push_str("-1"),
        _ => drafts[at].down = vec![String::new()],
    }
}

impl Draft {
    pub fn text(&self, random: &mut Random) -> String {
        let message = ["Add users", "Ünïcode: rôles", "Two\nlines", "", "\n \nBelow\n \nmore"][random.below(5)];
        let end = if random.one_in(5) { "\r\n" } else { "\n" };
        let annotation = if random.one_in(2) { ": Union[str, None]" } else { "" };
        let mut lines = vec![format!("\"\"\"{message}\n\nRevises: a lie\n\"\"\"")];
        lines.push("from typing import Union".to_owned());
        let (id, down) = (literal(&self.id, random), list(&self.down, random));
        match random.below(6) {
            // A tuple without brackets ends where the next value begins.
            0 if !down.contains(',') || down.starts_with(['(', '[']) => {
                lines.push(format!("revision, down_revision = {id}, {down}"));
            }
            1 => lines.push(format!("revision = down_revision = None\ndown_revision = {down}\nrevision = {id}")),
            _ => {
                lines.push(format!("revision{} = {id}", if random.one_in(2) { ": str" } else { "" }));
                lines.push(format!("down_revision{annotation} = {down}  # parents"));
            }
        }
        if !self.labels.is_empty() || random.one_in(2) {
            lines.push(format!("branch_labels = {}", list(&self.labels, random)));
        }
        if !self.depends_on.is_empty() || random.one_in(2) {
            lines.push(format!("depends_on = {}", list(&self.depends_on, random)));
        }
        lines.push("\ndef upgrade():\n    revision = 1\n\n\ndef downgrade():\n    pass\n".to_owned());
        lines.join("\n").replace('\n', end)
    }
}

fn list(items: &[String], random: &mut Random) -> String {
    let texts: Vec<String> = items.iter().map(|item| literal(item, random)).collect();
    match (&texts[..], random.below(3)) {
        ([], 0) => "()".to_owned(),
        ([], _) => "None".to_owned(),
        ([one], 0) => one.clone(),
        ([one], 1) => format!("({one},)"),
        ([one], _) => format!("(\n    {one}  # one\n)"),
        (several, 0) => format!("[{}]", several.join(", ")),
        (several, 1) => several.join(", "),
        (several, _) => format!("(\n    {},\n)", several.join(",\n    ")),
    }
}

fn literal(text: &str, random: &mut Random) -> String {
    match random.below(5) {
        0 => format!("'{text}'"),
        1 => format!("r'{text}'"),
        2 => format!("'{}' \"{}\"", &text[..text.len() / 2], &text[text.len() / 2..]),
        3 => format!("'''{text}'''"),
        _ => format!("\"{text}\""),
    }
}

/// The rows of a version table: a set of revisions none of which implies another; now and then one that does.
pub fn state(graph: &Graph, random: &mut Random) -> Vec<String> {
    let ids: Vec<&str> = graph.scripts().map(|script| script.id.as_str()).collect();
    let count = if random.one_in(2) { 1 } else { random.below(5) };
    let picked: Vec<&str> = (0..count).map(|_| *random.pick(&ids)).collect();
    if random.one_in(20) {
        return picked.into_iter().collect::<BTreeSet<_>>().into_iter().map(str::to_owned).collect();
    }
    let implied = |id: &str| {
        let others: Vec<&str> = picked.iter().copied().filter(|&other| other != id).collect();
        graph.ancestors(&others, Links::WithDependencies).contains(&id)
    };
    let mut current: Vec<String> = Vec::new();
    for id in picked.iter().filter(|id| !implied(id)) {
        if !current.iter().any(|known| known == id) {
            current.push((*id).to_owned());
        }
    }
    if random.one_in(40) {
        current.push("feedfacefeed".to_owned());
    }
    current
}

/// Targets of every form, most of them about revisions that exist.
pub fn targets(graph: &Graph, current: &[String], random: &mut Random) -> Vec<String> {
    let ids: Vec<&str> = graph.scripts().map(|script| script.id.as_str()).collect();
    let labels: BTreeSet<&str> = ids.iter().flat_map(|id| graph.labels(id)).map(String::as_str).collect();
    let mut labels: Vec<&str> = labels.into_iter().chain(["nosuch"]).collect();
    labels.extend((0..3).map(|_| *random.pick(&ids)));
    let mut targets: Vec<String> =
        ["head", "heads", "base", "+1", "+2", "-2", "-3", "+0", "-0"].map(str::to_owned).into();
    for _ in 0..6 {
        let id =
            if random.one_in(3) && !current.is_empty() { random.pick(current).as_str() } else { random.pick(&ids) };
        let short = &id[..1 + random.below(id.len())];
        let (label, number) = (*random.pick(&labels), random.below(4));
        targets.extend([id.to_owned(), short.to_owned(), label.to_owned()]);
        targets.extend([format!("{id}+{number}"), format!("{id}-{number}"), format!("{short}-1")]);
        targets.extend([format!("{label}@head"), format!("{label}@heads"), format!("{label}@base")]);
        targets.extend([format!("{label}@{id}"), format!("{label}@{short}")]);
        targets.extend([format!("{label}@+{number}"), format!("{label}@-{number}")]);
        targets.extend([format!("{label}@{id}+{number}"), format!("{label}@{id}-{number}")]);
        targets.extend([format!("{label}+1"), format!("head-{number}"), format!("base+{number}")]);
    }
    targets.push("0000@head".to_owned());
    targets
}

/// A walk up and down from an empty version table, step by step, with wrong steps in between that nobody takes.
pub fn zigzag(graph: &Graph, random: &mut Random) -> Vec<RowQuery> {
    let mut queries = Vec::new();
    let ids: Vec<&str> = graph.scripts().map(|script| script.id.as_str()).collect();
    let below = |id: &str| [graph.parents(id), graph.dependencies(id)].concat();
    let mut applied: BTreeSet<&str> = BTreeSet::new();
    let mut current: Vec<String> = Vec::new();
    for _ in 0..40 {
        let wrong = Step {
            direction: if random.one_in(2) { Direction::Up } else { Direction::Down },
            revision: (*random.pick(&ids)).to_owned(),
        };
        queries.push(RowQuery { step: wrong, current: current.clone() });
        let direction = if random.below(3) > 0 { Direction::Up } else { Direction::Down };
        let possible: Vec<&str> = match direction {
            Direction::Up => {
                let ready = |id: &&str| !applied.contains(id) && below(id).iter().all(|below| applied.contains(below));
                ids.iter().copied().filter(ready).collect()
            }
            Direction::Down => {
                let free = |id: &&str| applied.contains(id) && !applied.iter().any(|above| below(above).contains(id));
                ids.iter().copied().filter(free).collect()
            }
        };
        if possible.is_empty() {
            continue;
        }
        let id = *random.pick(&possible);
        let step = Step { direction, revision: id.to_owned() };
        queries.push(RowQuery { step: step.clone(), current: current.clone() });
        match graph.heads_after(&current, &step) {
            Ok(rows) => current = rows,
            // Alembic cannot record a merge of three with one an ancestor of another; the comparison sees whether it can.
            Err(HeadError::MissingRow { .. }) => continue,
            Err(error) => panic!("{step:?} from {current:?}: {error}"),
        }
        match direction {
            Direction::Up => applied.insert(id),
            Direction::Down => applied.remove(id),
        };
    }
    queries
}
