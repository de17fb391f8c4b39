//! The reading side against the original: random histories are written as script files, and the product and the real
//! alembic have to say the same about them: what each file holds, heads, bases, labels, the order of the history, the
//! steps to many targets from many states, and the rows of the version table after each step.

mod generate;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use xtask::model::graph::{Graph, Problem};
use xtask::model::revision::{self, Script};
use xtask::model::target::{self, Direction, Range, Route, Step, Target, TargetError};
use xtask::report::{drawing::Known, history};
use xtask::sys::run::Cmd;
use xtask::ui::{Options, Ui};

use generate::{drafts, ranges, state, targets, zigzag};

use crate::support::python::python;
use crate::support::random::Random;

/// How many histories, unless `XTASK_TEST_HISTORIES` asks for more.
const HISTORIES: u64 = 50;

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
    let Tally { routes, refused, merges, rows, broken, ranges, lenient } = tally;
    assert!(routes > 4_000 && refused > 2_000 && merges > 40 && rows > 2_000 && broken > 2, "{tally:?}");
    assert!(ranges > 400 && lenient > 8, "{tally:?}");
}

/// How much of each kind was compared.
#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    routes: usize,
    refused: usize,
    merges: usize,
    rows: usize,
    broken: usize,
    ranges: usize,
    /// Ranges that only alembic refuses.
    lenient: usize,
}

pub fn alembic(request: &Value) -> Vec<Value> {
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
    ranges: Vec<RangeQuery>,
    rows: Vec<RowQuery>,
}

struct RangeQuery {
    range: String,
    current: Vec<String>,
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
        Case { seed, folder, graph, routes: Vec::new(), ranges: Vec::new(), rows: Vec::new() }
    }

    fn ask(&mut self) {
        let Ok(graph) = &self.graph else { return };
        let mut random = Random::new(self.seed + 1_000_000);
        for round in 0..6 {
            let current = state(graph, &mut random);
            for target in targets(graph, &current, &mut random) {
                let direction = if random.one_in(2) { Direction::Up } else { Direction::Down };
                self.routes.push(RouteQuery { direction, target, current: current.clone() });
            }
            let of = |range| RangeQuery { range, current: current.clone() };
            // Alembic needs longer for these than for all else.
            let ranges = if round == 0 { ranges(graph, &current, &mut random) } else { Vec::new() };
            self.ranges.extend(ranges.into_iter().map(of));
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
            "ranges": self.ranges.iter().map(|q| json!({"range": q.range, "current": q.current})).collect::<Vec<_>>(),
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
        for (query, theirs) in self.ranges.iter().zip(answer["ranges"].as_array().unwrap()) {
            self.compare_range(graph, query, theirs, tally);
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

    /// Whatever alembic answers is the answer; some of what it refuses has one here.
    fn compare_range(&self, graph: &Graph, query: &RangeQuery, theirs: &Value, tally: &mut Tally) {
        let ours = Range::parse(&query.range).and_then(|range| range.select(graph, &query.current));
        let what = format!("history {}: {} at {:?}\n{ours:?}\n{theirs}", self.seed, query.range, query.current);
        match (&ours, theirs.get("ok")) {
            (Ok(ours), Some(theirs)) => assert_eq!(json!(ours), *theirs, "{what}"),
            (Err(_), Some(_)) => panic!("only we refuse it: {what}"),
            (Ok(_), None) => tally.lenient += 1,
            (Err(_), None) => {}
        }
        tally.ranges += 1;
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
        "listed": listed(graph),
        "revisions": graph.scripts().map(one).collect::<serde_json::Map<_, _>>(),
    })
}

/// What `db-history --json` says, without what git and the database say besides.
fn listed(graph: &Graph) -> Value {
    let ids: Vec<&str> = graph.scripts().map(|script| script.id.as_str()).collect();
    let mut listed = history::to_json(graph, &ids, &Known::default())["revisions"].take();
    for revision in listed.as_array_mut().unwrap() {
        let fields = revision.as_object_mut().unwrap();
        fields.retain(|key, _| !["path", "is_current", "is_own", "author", "date"].contains(&key.as_str()));
    }
    listed
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
