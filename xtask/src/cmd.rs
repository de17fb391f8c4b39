//! One file per command. Each gathers, plans, shows and applies; none prints but through `ui`.

pub mod db_server;
