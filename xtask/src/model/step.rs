//! One step of a migration: a script, run one way.

/// Which way a migration goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// `upgrade`.
    Up,
    /// `downgrade`.
    Down,
}

impl Direction {
    /// The other one.
    pub fn opposite(self) -> Direction {
        match self {
            Direction::Up => Direction::Down,
            Direction::Down => Direction::Up,
        }
    }

    /// `up` or `down`.
    pub fn name(self) -> &'static str {
        match self {
            Direction::Up => "up",
            Direction::Down => "down",
        }
    }

    /// The name of Alembic's command, and of the function in the script.
    pub fn function(self) -> &'static str {
        match self {
            Direction::Up => "upgrade",
            Direction::Down => "downgrade",
        }
    }
}

/// One script, run one way.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Step {
    /// Which of its functions.
    pub direction: Direction,
    /// The full revision id.
    pub revision: String,
}

impl Step {
    /// `upgrade()` of a revision.
    pub fn up(revision: impl Into<String>) -> Step {
        Step { direction: Direction::Up, revision: revision.into() }
    }

    /// `downgrade()` of a revision.
    pub fn down(revision: impl Into<String>) -> Step {
        Step { direction: Direction::Down, revision: revision.into() }
    }
}
