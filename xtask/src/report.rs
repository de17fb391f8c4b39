//! Values to text, tables and JSON. Nothing in here asks or decides anything.

pub mod diff;
pub mod json;
pub mod table;
