//! Which processes of this machine listen at a port or a Unix socket, as far as this user can see: by `/proc` on Linux, by
//! `lsof` elsewhere. What a container publishes by the kernel's rules has no listener at all.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use crate::model::forward::Listener;
use crate::model::url::{Address, Endpoint};
use crate::sys::run::Cmd;
use crate::ui::Ui;

const LSOF_LIMIT: Duration = Duration::from_secs(5);

/// Who listens at an endpoint of this machine; none where that cannot be seen.
pub fn at(ui: &Ui, endpoint: &Endpoint) -> Vec<Listener> {
    if !Path::new("/proc/net/unix").is_file() {
        return by_lsof(ui, endpoint);
    }
    let sockets = match &endpoint.address {
        Address::Host(host) => by_port(host, endpoint.port),
        Address::Socket(folder) => by_path(&folder.join(format!(".s.PGSQL.{}", endpoint.port))),
    };
    owners(&sockets)
}

/// The numbers of the sockets that listen at a port. At one address the closest counts: itself before all addresses.
fn by_port(host: &str, port: u16) -> BTreeSet<String> {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let all: Vec<(IpAddr, String)> = [read("/proc/net/tcp"), read("/proc/net/tcp6")]
        .iter()
        .flat_map(|table| table.lines().filter_map(|line| listening(line, port)).collect::<Vec<_>>())
        .collect();
    let numbers = |is_meant: &dyn Fn(IpAddr) -> bool| -> BTreeSet<String> {
        all.iter().filter(|(address, _)| is_meant(*address)).map(|(_, number)| number.clone()).collect()
    };
    let exact =
        host.parse::<IpAddr>().map(|host| numbers(&|address| address == host.to_canonical())).unwrap_or_default();
    let named = if exact.is_empty() { numbers(&|address| address.is_loopback()) } else { exact };
    if named.is_empty() { numbers(&|address| address.is_unspecified()) } else { named }
}

fn listening(line: &str, port: u16) -> Option<(IpAddr, String)> {
    socket(line, port, "0A")
}

/// A line of `/proc/net/tcp` or `tcp6` for a socket at this port in this state: its address and number.
fn socket(line: &str, port: u16, state: &str) -> Option<(IpAddr, String)> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    let (address, at) = fields.get(1)?.split_once(':')?;
    let is_meant = *fields.get(3)? == state && u16::from_str_radix(at, 16) == Ok(port);
    is_meant.then_some(())?;
    // Words of four bytes, each in the machine's order.
    let words: Option<Vec<u32>> =
        (0..address.len() / 8).map(|at| u32::from_str_radix(&address[at * 8..][..8], 16).ok()).collect();
    let bytes: Vec<u8> = words?.iter().flat_map(|word| word.to_ne_bytes()).collect();
    let address = match bytes.len() {
        4 => IpAddr::from(<[u8; 4]>::try_from(bytes).ok()?),
        _ => IpAddr::from(<[u8; 16]>::try_from(bytes).ok()?).to_canonical(),
    };
    Some((address, (*fields.get(9)?).to_owned()))
}

/// The processes of this machine that hold the client's end of a connection to a server of it, by the client's port.
pub fn connected_from(ui: &Ui, port: u16) -> Vec<Listener> {
    const ESTABLISHED: &str = "01";
    if !Path::new("/proc/net/unix").is_file() {
        let lsof = Cmd::new("lsof", "/").args(["-nP", "-Fpc", "-sTCP:ESTABLISHED"]).arg(format!("-iTCP:{port}"));
        return lsof.limit(LSOF_LIMIT).capture(ui).map(|done| of_lsof(&done.stdout)).unwrap_or_default();
    }
    let tables = ["/proc/net/tcp", "/proc/net/tcp6"].map(|path| std::fs::read_to_string(path).unwrap_or_default());
    let lines = tables.iter().flat_map(|table| table.lines());
    owners(&lines.filter_map(|line| socket(line, port, ESTABLISHED)).map(|(_, number)| number).collect())
}

/// The numbers of the sockets that listen at a path.
fn by_path(path: &Path) -> BTreeSet<String> {
    const ACCEPTS: &str = "00010000";
    let same = |other: &str| {
        let folder = |path: &Path| path.parent().and_then(|folder| folder.canonicalize().ok());
        let other = Path::new(other);
        other.file_name() == path.file_name() && folder(other) == folder(path)
    };
    let table = std::fs::read_to_string("/proc/net/unix").unwrap_or_default();
    let fields = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let meant = fields.filter(|it| it.get(3) == Some(&ACCEPTS) && it.get(7).is_some_and(|path| same(path)));
    meant.filter_map(|it| it.get(6).map(|number| (*number).to_owned())).collect()
}

/// The processes that have one of these sockets open.
fn owners(sockets: &BTreeSet<String>) -> Vec<Listener> {
    if sockets.is_empty() {
        return Vec::new();
    }
    let links: BTreeSet<String> = sockets.iter().map(|number| format!("socket:[{number}]")).collect();
    let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let ids = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    ids.filter(|pid| holds(*pid, &links)).map(|pid| Listener { name: name(pid), pid }).collect()
}

fn holds(pid: u32, links: &BTreeSet<String>) -> bool {
    let open = std::fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
    open.filter_map(|file| std::fs::read_link(file.path()).ok()).any(|link| links.contains(&*link.to_string_lossy()))
}

fn name(pid: u32) -> String {
    std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default().trim().to_owned()
}

fn by_lsof(ui: &Ui, endpoint: &Endpoint) -> Vec<Listener> {
    let lsof = Cmd::new("lsof", "/").args(["-nP", "-Fpc"]);
    let lsof = match &endpoint.address {
        Address::Host(_) => lsof.args(["-sTCP:LISTEN"]).arg(format!("-iTCP:{}", endpoint.port)),
        Address::Socket(folder) => lsof.arg(folder.join(format!(".s.PGSQL.{}", endpoint.port))),
    };
    lsof.limit(LSOF_LIMIT).capture(ui).map(|done| of_lsof(&done.stdout)).unwrap_or_default()
}

/// `-F`: a line for a field, `p` the process and `c` its name.
fn of_lsof(text: &str) -> Vec<Listener> {
    let mut found: Vec<Listener> = Vec::new();
    for line in text.lines() {
        if let Some(pid) = line.strip_prefix('p').and_then(|pid| pid.parse().ok()) {
            found.push(Listener { name: String::new(), pid });
        } else if let (Some(name), Some(last)) = (line.strip_prefix('c'), found.last_mut()) {
            last.name = name.to_owned();
        }
    }
    found.retain(|it| !it.name.is_empty());
    found
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, TcpListener};
    use std::os::unix::net::UnixListener;

    use super::*;

    #[test]
    fn this_very_process_is_found() {
        let us = std::process::id();
        let here = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = here.local_addr().unwrap().port();
        let ui = Ui::new(crate::ui::Options::default());
        for host in ["127.0.0.1", "localhost"] {
            let endpoint = Endpoint { address: Address::Host(host.to_owned()), port, password: None };
            assert_eq!(at(&ui, &endpoint).iter().map(|it| it.pid).collect::<Vec<_>>(), [us], "{host}");
        }
        let folder = std::env::temp_dir().join(format!("xtl-{us}"));
        std::fs::create_dir_all(&folder).unwrap();
        let socket = UnixListener::bind(folder.join(".s.PGSQL.5432")).unwrap();
        let found = at(&ui, &Endpoint::on_socket(&folder, 5432));
        assert_eq!(found.iter().map(|it| it.pid).collect::<Vec<_>>(), [us]);
        drop((here, socket));
        std::fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn lines_of_the_kernel_and_of_lsof() {
        let line = "   1: 0100007F:1FA4 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4711 1";
        assert_eq!(listening(line, 8100), Some((IpAddr::V4(Ipv4Addr::LOCALHOST), "4711".to_owned())));
        assert_eq!(listening(line, 8101), None);
        assert_eq!(listening(&line.replace(" 0A ", " 01 "), 8100), None);
        let found = of_lsof("p812\ncssh\nf5\np900\ncpostgres\n");
        let names: Vec<&str> = found.iter().map(|it| it.name.as_str()).collect();
        assert_eq!((names, found[0].pid), (vec!["ssh", "postgres"], 812));
    }
}
