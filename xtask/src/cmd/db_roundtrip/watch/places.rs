//! The places that a run of `--watch` can begin at: a database just below the newest revision.

use super::scripts::Known;
use crate::model::roundtrip::Point;
use crate::sys::pg::SavePoint;

/// A copy of the database just below the newest revision, and the scripts that made it.
pub struct Below {
    pub scripts: Vec<Known>,
    pub copy: SavePoint,
    pub state: Point,
}

/// What the downgrade of a revision left that the database had held from the beginning.
pub struct Lower {
    pub id: String,
    pub copy: SavePoint,
    pub state: Point,
}

pub struct Before {
    pub state: Point,
    pub note: Option<String>,
}

impl From<Point> for Before {
    fn from(state: Point) -> Before {
        Before { state, note: None }
    }
}
