//! Describes what a process inherits and cannot hand over, such as limits, rights and namespaces: where these differ, a
//! child of a warm process would behave otherwise than a process that is started.

use serde_json::{Value, json};

/// Lines of `/proc/self/status` that a child inherits.
const INHERITED: &[&str] = &[
    "Umask",
    "Uid",
    "Gid",
    "Groups",
    "NoNewPrivs",
    "Seccomp",
    "SigIgn",
    "CapInh",
    "CapPrm",
    "CapEff",
    "CapBnd",
    "CapAmb",
];
const NAMESPACES: &[&str] = &["cgroup", "ipc", "mnt", "net", "pid", "user", "uts"];

/// Rights, limits, ignored signals and namespaces of this process; `None` where the system does not tell.
pub fn world() -> Option<Value> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let inherited: Vec<&str> =
        status.lines().filter(|line| line.split_once(':').is_some_and(|(name, _)| INHERITED.contains(&name))).collect();
    let namespace =
        |name: &&str| std::fs::read_link(format!("/proc/self/ns/{name}")).ok()?.into_os_string().into_string().ok();
    let namespaces: Vec<Option<String>> = NAMESPACES.iter().map(namespace).collect();
    let limits = std::fs::read_to_string("/proc/self/limits").ok()?;
    Some(json!({"status": inherited, "namespaces": namespaces, "limits": limits}))
}

/// The mask for new files in it.
pub fn umask(world: &Value) -> u32 {
    let lines = world["status"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let mask =
        lines.filter_map(|line| line.strip_prefix("Umask:")).find_map(|mask| u32::from_str_radix(mask.trim(), 8).ok());
    mask.unwrap_or(0o022)
}
