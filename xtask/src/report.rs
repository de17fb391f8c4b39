//! Makes text, tables and JSON of values. Nothing in here asks or decides anything.

pub mod autogenerate;
pub mod checks;
pub mod diff;
pub mod drawing;
pub mod findings;
pub mod github;
pub mod hindsight;
pub mod history;
pub mod json;
pub mod junit;
pub mod moved;
pub mod review;
pub mod roundtrip;
pub mod sarif;
pub mod steps;
pub mod table;
pub mod xml;
