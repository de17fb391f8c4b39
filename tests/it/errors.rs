//! Every kind of error that today's commands can meet, made to happen for real through the binary: a test is called after
//! its kind. Each asserts the kind, the exit code, what the details name, and that both forms of the error say the same
//! (`Scene::fails` does). The last test here fails when a kind has no test.

mod place;
mod refusals;
mod scripts;
mod server;
mod setup;
mod sql;

use xtask::fail::Kind;

/// The kinds that no command of this version can end with, and why.
const NOT_YET: &[(Kind, &str)] = &[
    (Kind::Usage, "the command line's own tests are in cli.rs"),
    (Kind::Internal, "a defect of the tool: there is no input that leads to it"),
    (Kind::RoundtripFound, "a flow's own: db_merge/stops.rs makes it happen"),
];

const SOURCES: [&str; 6] = [
    include_str!("errors/place.rs"),
    include_str!("errors/refusals.rs"),
    include_str!("errors/scripts.rs"),
    include_str!("errors/server.rs"),
    include_str!("errors/setup.rs"),
    include_str!("errors/sql.rs"),
];

#[test]
fn every_kind_is_proved_or_cannot_happen_yet() {
    let mut wrong = Vec::new();
    for kind in Kind::ALL {
        let name = format!("#[test]\nfn {}", kind.name().replace('-', "_"));
        let proved = SOURCES.iter().any(|source| source.contains(&name) && source.contains(&format!("Kind::{kind:?}")));
        let excused = NOT_YET.iter().any(|(excused, _)| excused == kind);
        match (proved, excused) {
            (false, false) => wrong.push(format!("{kind:?}: no test makes it happen")),
            (true, true) => wrong.push(format!("{kind:?}: has a test, so it is no longer to be excused")),
            _ => {}
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}
