//! Finds a server's own processes before they are signalled. The pid file proves nothing: the server's account writes
//! it and could name any process in it, which root would then end. Only the server's own processes have its lock as
//! standard input.

use std::path::Path;

use rustix::process::Signal;

/// Signals the server: of the processes that hold its lock, those whose parent does not.
#[cfg(target_os = "linux")]
pub(super) fn signal(lock: &Path, _pid_file: &Path, signal: Signal) {
    use rustix::process::{Pid, PidfdFlags, pidfd_open, pidfd_send_signal};

    let Some(lock) = linux::inode(lock) else { return };
    let holders: Vec<i32> = linux::processes().filter(|pid| linux::holds(*pid, lock)).collect();
    for pid in holders.iter().filter(|pid| linux::parent(**pid).is_none_or(|parent| !holders.contains(&parent))) {
        let handle = Pid::from_raw(*pid).and_then(|pid| pidfd_open(pid, PidfdFlags::empty()).ok());
        // Looked at again behind the handle: by now the number may be another process's.
        if let Some(handle) = handle.filter(|_| linux::holds(*pid, lock)) {
            let _ = pidfd_send_signal(handle, signal);
        }
    }
}

/// Elsewhere the process that the pid file names is signalled if it is a server on these data.
#[cfg(not(target_os = "linux"))]
pub(super) fn signal(_lock: &Path, pid_file: &Path, signal: Signal) {
    use crate::sys::run::Cmd;
    use crate::ui::{Options, Ui};

    let Some(data) = pid_file.parent() else { return };
    let text = std::fs::read_to_string(pid_file).unwrap_or_default();
    let Some(pid) = text.lines().next().and_then(|line| line.trim().parse().ok()).filter(|pid| *pid > 0) else {
        return;
    };
    let ps = Cmd::new("ps", "/").args(["-ww", "-o", "command=", "-p"]).arg(pid.to_string());
    let command = ps.read(&Ui::new(Options::default())).unwrap_or_default();
    if command.contains("postgres") && command.contains(&*data.to_string_lossy()) {
        let _ = rustix::process::Pid::from_raw(pid).map(|pid| rustix::process::kill_process(pid, signal));
    }
}

#[cfg(target_os = "linux")]
mod linux {
    use std::fs;
    use std::os::unix::fs::MetadataExt;
    use std::path::Path;

    pub(super) fn inode(path: impl AsRef<Path>) -> Option<(u64, u64)> {
        fs::metadata(path).ok().map(|metadata| (metadata.dev(), metadata.ino()))
    }

    pub(super) fn processes() -> impl Iterator<Item = i32> {
        let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
        entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
    }

    pub(super) fn holds(pid: i32, lock: (u64, u64)) -> bool {
        inode(format!("/proc/{pid}/fd/0")) == Some(lock)
    }

    /// The fourth field of `stat`; the second, the name, may hold spaces and brackets.
    pub(super) fn parent(pid: i32) -> Option<i32> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()
    }
}
