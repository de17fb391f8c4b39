//! How often a command waits for the server: over a slow line that is what it costs, whatever the statements do.

use crate::support::door::{Door, url};
use crate::support::scene::Scene;

/// Runs a command line through the door, which may wait so often.
#[track_caller]
fn asks(scene: &Scene, door: &Door, words: &str, most: usize) {
    door.sent.lock().unwrap().clear();
    door.trips();
    let output = scene.run(words);
    let trips = door.trips();
    assert!(
        output.code == 0 && trips > 0 && trips <= most,
        "{words}: {trips}\n{output}\n{}",
        door.sent.lock().unwrap()
    );
}

#[test]
fn a_command_asks_in_few_round_trips() {
    let scene = Scene::three().at("b2");
    let door = Door::open("127.0.0.1", false);
    let address = url("127.0.0.1", door.port, &scene.database);
    let scene = scene.url(&address);
    let migrate = format!("db-migrate --allow-remote=127.0.0.1:{}", door.port);
    asks(&scene, &door, "db-status", 2);
    asks(&scene, &door, "db-roundtrip", 72);
    asks(&scene, &door, &migrate, 100);
    asks(&scene, &door, &migrate, 3);
}
