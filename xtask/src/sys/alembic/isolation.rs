//! Starts a process without network, for a driver that works over the embedded server's Unix socket: then nothing gets
//! out that the wall in Python does not stop. It uses `unshare`, where the kernel permits it.

use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::Duration;

use crate::sys::run::Cmd;
use crate::ui::Ui;

/// As root; as anybody, where the kernel has namespaces for users.
const WAYS: [&[&str]; 2] = [&["--net"], &["--user", "--map-current-user", "--net"]];
const LIMIT: Duration = Duration::from_secs(5);

/// The program that runs another one without network, with its first words; `None` where there is none that may.
pub fn without_network(ui: &Ui) -> Option<&'static (PathBuf, &'static [&'static str])> {
    static FOUND: OnceLock<Option<(PathBuf, &[&str])>> = OnceLock::new();
    FOUND
        .get_or_init(|| {
            let program = which::which("unshare").ok()?;
            let works = |words: &&&[&str]| {
                let tried = Cmd::new(&program, "/").args(**words).arg("true").limit(LIMIT).capture(ui);
                tried.is_ok_and(|done| done.status.success())
            };
            let words = WAYS.iter().find(works)?;
            Some((program.clone(), *words))
        })
        .as_ref()
}
