//! The reading side against the original: random histories are written as script files, and the product and the real
//! alembic have to say the same about them: what each file holds, heads, bases, labels, the order of the history, the
//! steps to many targets from many states, and the rows of the version table after each step.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use xtask::model::graph::{Graph, HeadError, Links, Problem};
use xtask::model::revision::{self, Script};
use xtask::model::target::{self, Direction, Route, Step, Target, TargetError};
use xtask::sys::run::Cmd;
use xtask::ui::{Options, Ui};

use crate::support::python::python;
use crate::support::random::Random;

/// How many histories, unless `XTASK_TEST_HISTORIES` asks for more.
const HISTORIES: u64 = 120;

#[test]
fn histories_agree_with_alembic() {
    let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("history-{}", std::process::id()));
    let count = std::env::var("XTASK_TEST_HISTORIES").map_or(HISTORIES, |count| count.parse().unwrap());
    let mut cases: Vec<Case> = (0..count).map(|seed| Case::write(&root, seed)).collect();
    for case in &mut cases {
        case.ask();
    }
    let request: Vec<Value> = cases.iter().map(Case::request).collect();
    let answers = alembic(&Value::Array(request));
    let mut tally = Tally::default();
    for (case, answer) in cases.iter().zip(&answers) {
        case.compare(answer, &mut tally);
    }
    fs::remove_dir_all(&root).unwrap();
    // The comparison is worth what it has seen.
    let Tally { routes, refused, merges, rows, broken } = tally;
    assert!(routes > 10_000 && refused > 5_000 && merges > 100 && rows > 5_000 && broken > 5, "{tally:?}");
}

/// How much of each kind was compared.
#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    routes: usize,
    refused: usize,
    merges: usize,
    rows: usize,
    broken: usize,
}

fn alembic(request: &Value) -> Vec<Value> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let output = Cmd::new(python(), folder)
        .args(["-c", include_str!("history.py")])
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .stdin(request.to_string())
        .read(&Ui::new(Options::default()))
        .unwrap();
    serde_json::from_str(&output).unwrap()
}

/// A history on disk, what the product makes of it, and the questions to both.
struct Case {
    seed: u64,
    folder: PathBuf,
    graph: Result<Graph, Vec<Problem>>,
    routes: Vec<RouteQuery>,
    rows: Vec<RowQuery>,
}

struct RouteQuery {
    direction: Direction,
    target: String,
    current: Vec<String>,
}

struct RowQuery {
    step: Step,
    current: Vec<String>,
}

impl Case {
    fn write(root: &Path, seed: u64) -> Case {
        let folder = root.join(format!("{seed:03}"));
        fs::create_dir_all(folder.join("versions")).unwrap();
        let mut random = Random::new(seed);
        for draft in drafts(&mut random) {
            fs::write(folder.join("versions").join(&draft.file), draft.text(&mut random)).unwrap();
        }
        // What is in the folder, but not in the history.
        fs::write(folder.join("versions/__init__.py"), "revision = 'no'\n").unwrap();
        fs::write(folder.join("versions/.#lock.py"), "revision = 'no'\n").unwrap();
        fs::write(folder.join("versions/README"), "revision = 'no'\n").unwrap();
        let graph = Graph::build(scripts(&folder.join("versions")));
        Case { seed, folder, graph, routes: Vec::new(), rows: Vec::new() }
    }

    fn ask(&mut self) {
        let Ok(graph) = &self.graph else { return };
        let mut random = Random::new(self.seed + 1_000_000);
        for _ in 0..6 {
            let current = state(graph, &mut random);
            for target in targets(graph, &current, &mut random) {
                let direction = if random.one_in(2) { Direction::Up } else { Direction::Down };
                self.routes.push(RouteQuery { direction, target, current: current.clone() });
            }
            for (direction, target) in [(Direction::Up, "heads"), (Direction::Down, "base"), (Direction::Down, "-1")] {
                self.routes.push(RouteQuery { direction, target: target.to_owned(), current: current.clone() });
            }
        }
        for _ in 0..3 {
            self.rows.extend(zigzag(graph, &mut random));
        }
    }

    fn request(&self) -> Value {
        let up = |direction: Direction| direction == Direction::Up;
        let route = |q: &RouteQuery| json!({"up": up(q.direction), "target": q.target, "current": q.current});
        let row = |q: &RowQuery| json!({"up": up(q.step.direction), "revision": q.step.revision, "current": q.current});
        json!({
            "folder": self.folder,
            // What alembic takes for sound may still have a circle, and its walks do not end then.
            "sound": self.graph.is_ok(),
            "routes": self.routes.iter().map(route).collect::<Vec<_>>(),
            "rows": self.rows.iter().map(row).collect::<Vec<_>>(),
        })
    }

    fn compare(&self, answer: &Value, tally: &mut Tally) {
        let graph = match &self.graph {
            Ok(graph) => graph,
            Err(problems) => {
                // Of a second file with an id alembic only warns, and some cycles it does not see.
                let lenient = |p: &Problem| matches!(p, Problem::DuplicateId { .. } | Problem::Cycle { .. });
                let agreed = answer.get("error").is_some() || problems.iter().all(lenient);
                assert!(agreed, "history {}: only we refuse it: {problems:?}", self.seed);
                tally.broken += 1;
                return;
            }
        };
        assert!(answer.get("error").is_none(), "history {}: only alembic refuses it: {answer}", self.seed);
        assert_eq!(describe(graph), answer["ok"], "history {}", self.seed);
        for (query, theirs) in self.routes.iter().zip(answer["routes"].as_array().unwrap()) {
            self.compare_route(graph, query, theirs, tally);
        }
        for (query, theirs) in self.rows.iter().zip(answer["rows"].as_array().unwrap()) {
            let ours = graph.heads_after(&query.current, &query.step);
            let same = match (&ours, theirs.get("ok")) {
                (Ok(ours), Some(theirs)) => json!(ours) == *theirs,
                (ours, theirs) => ours.is_err() && theirs.is_none(),
            };
            assert!(same, "history {}: {:?} from {:?}\n{ours:?}\n{theirs}", self.seed, query.step, query.current);
            tally.rows += 1;
        }
    }

    fn compare_route(&self, graph: &Graph, query: &RouteQuery, theirs: &Value, tally: &mut Tally) {
        let RouteQuery { direction, target, current } = query;
        let ours = Target::parse(target).and_then(|target| target::resolve(graph, *direction, current, &target));
        let what = format!("history {}: {direction} {target} from {current:?}\n{ours:?}\n{theirs}", self.seed);
        tally.routes += 1;
        match (&ours, theirs.get("ok")) {
            // Several heads: alembic takes the row that comes first and warns; we have a rule.
            (Ok(route), _) if is_minus(target) && current.len() > 1 => check_single_steps(graph, query, route),
            (Ok(route), None) if theirs["error"].as_str().unwrap().contains("Ambiguous walk") => {
                assert!(*direction == Direction::Down && is_minus(target), "{what}");
                check_single_steps(graph, query, route);
                tally.merges += 1;
            }
            (Ok(route), Some(theirs)) => {
                let ours: Vec<&str> = route.steps.iter().map(|step| step.revision.as_str()).collect();
                assert_eq!(json!(ours), *theirs, "{what}");
            }
            (Err(_), None) => tally.refused += 1,
            // Alembic does not look at a label that makes no difference.
            (Err(TargetError::UnknownBranch { .. }), Some(_)) => tally.refused += 1,
            // Several heads again: alembic's one row may have more below it than ours has.
            (Err(TargetError::TooFar { .. }), Some(_)) if is_minus(target) && current.len() > 1 => {}
            _ => panic!("only one of the two refuses: {what}"),
        }
        if target == "heads" && *direction == Direction::Up && ours.is_ok() {
            assert_eq!(json!(graph.pending(current)), theirs["ok"], "{what}");
        }
    }
}

fn is_minus(target: &str) -> bool {
    target.starts_with('-')
}

/// `-N` by the rule: N steps, each from a current head, and of these the one that the history has first.
fn check_single_steps(graph: &Graph, query: &RouteQuery, route: &Route) {
    assert_eq!(route.steps.len(), query.target[1..].parse::<usize>().unwrap());
    let mut heads = query.current.clone();
    for step in &route.steps {
        let newest = graph.scripts().find(|script| heads.contains(&script.id)).unwrap();
        assert_eq!(step.revision, newest.id);
        heads = graph.heads_after(&heads, step).unwrap();
    }
    let left: BTreeSet<&String> = heads.iter().collect();
    assert_eq!(left, route.destination.iter().collect());
}

/// The whole of a history, in the form in which `history.py` tells alembic's view of it.
pub fn describe(graph: &Graph) -> Value {
    let one = |script: &Script| {
        let id = script.id.as_str();
        let mut children = graph.children(id);
        children.sort_unstable();
        let value = json!({
            "path": script.path.file_name().unwrap().to_str(),
            "parents": graph.parents(id),
            "dependencies": graph.dependencies(id),
            "children": children,
            "labels": graph.labels(id),
            "message": script.message,
            "is": [graph.is_head(id), graph.is_base(id), graph.is_branch_point(id), graph.is_merge_point(id)],
        });
        (id.to_owned(), value)
    };
    json!({
        "heads": graph.heads(),
        "effective_heads": graph.effective_heads(),
        "bases": graph.bases(),
        "order": graph.scripts().map(|script| script.id.as_str()).collect::<Vec<_>>(),
        "revisions": graph.scripts().map(one).collect::<serde_json::Map<_, _>>(),
    })
}

fn scripts(folder: &Path) -> Vec<Script> {
    let names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.filter(|name| revision::is_script_name(name)).collect();
    names.sort();
    let read = |name: &String| {
        let path = folder.join(name);
        revision::read(&path, &fs::read_to_string(&path).unwrap()).unwrap()
    };
    names.iter().map(read).collect()
}

/// A script to be written.
struct Draft {
    file: String,
    id: String,
    down: Vec<String>,
    depends_on: Vec<String>,
    labels: Vec<String>,
}

fn drafts(random: &mut Random) -> Vec<Draft> {
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
    fn text(&self, random: &mut Random) -> String {
        let message = ["Add users", "Ünïcode: rôles", "Two\nlines", ""][random.below(4)];
        let end = if random.one_in(5) { "\r\n" } else { "\n" };
        let annotation = if random.one_in(2) { ": Union[str, None]" } else { "" };
        let mut lines = vec![format!("\"\"\"{message}\n\nRevises: a lie\n\"\"\"")];
        lines.push("from typing import Union".to_owned());
        lines.push(format!("revision{} = {}", if random.one_in(2) { ": str" } else { "" }, literal(&self.id, random)));
        lines.push(format!("down_revision{annotation} = {}  # parents", list(&self.down, random)));
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
fn state(graph: &Graph, random: &mut Random) -> Vec<String> {
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
fn targets(graph: &Graph, current: &[String], random: &mut Random) -> Vec<String> {
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
fn zigzag(graph: &Graph, random: &mut Random) -> Vec<RowQuery> {
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
