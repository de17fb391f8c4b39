//! Judges whether a port of this machine leads to a server on this machine or elsewhere (ssh, kubectl, a cloud's
//! proxy), by the process that listens there and by what the server says about itself. A container of this machine
//! counts as this machine.

use std::net::IpAddr;

/// A process that listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    pub name: String,
    pub pid: u32,
}

/// What is known of a connection to a name or address of this machine.
#[derive(Clone, Copy, Debug)]
pub struct Way<'a> {
    /// The port that was dialled; `None` for a Unix socket.
    pub port: Option<u16>,
    /// The processes that listen there; empty where they cannot be seen.
    pub listeners: &'a [Listener],
    /// What the server says that it was reached at; `None` for a Unix socket.
    pub server: Option<(IpAddr, u16)>,
}

/// Why a way does not end on this machine; `None` where it does, or where nothing speaks against it.
pub fn elsewhere(way: &Way) -> Option<String> {
    let passes_on = way.listeners.iter().find(|it| !is_server(&it.name) && !is_container(&it.name));
    if let Some(Listener { name, pid }) = passes_on {
        return Some(format!("not PostgreSQL, but {name} (process {pid}) listens there and passes it on"));
    }
    let port = way.port.filter(|_| way.listeners.is_empty())?;
    match way.server {
        None => Some("it is passed on: the server was reached by a Unix socket".to_owned()),
        Some((address, there)) if address.is_loopback() && there == port => None,
        Some((address, there)) if address.is_loopback() => {
            Some(format!("it is passed on: the server was reached at port {there} of its own machine"))
        }
        Some((address, _)) if is_container_network(address) => None,
        Some((address, there)) => Some(format!("it is passed on: the server was reached at {address}, port {there}")),
    }
}

fn is_server(process: &str) -> bool {
    ["postgres", "postmaster", "edb-postgres"].iter().any(|name| process.starts_with(name))
}

/// What publishes the port of a container; Linux keeps 15 characters of a name, and macOS shows as few.
fn is_container(process: &str) -> bool {
    const NAMES: [&str; 14] = [
        "docker-proxy",
        "dockerd",
        "com.docke",
        "Docker",
        "vpnkit",
        "rootlesskit",
        "rootlessport",
        "slirp4netns",
        "pasta",
        "podman",
        "conmon",
        "containerd",
        "OrbStack",
        "gvproxy",
    ];
    NAMES.iter().any(|name| process.starts_with(name))
}

/// The networks that Docker and Podman take for containers unless they are told otherwise.
fn is_container_network(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => match address.octets() {
            [172, second, ..] => (16..32).contains(&second),
            [192, 168, ..] | [10, 88, ..] | [10, 0, 2, _] => true,
            _ => false,
        },
        IpAddr::V6(address) => address.segments()[0] & 0xfe00 == 0xfc00,
    }
}

/// Whether a database's or host's name says that it is the one in production.
pub fn looks_like_production(name: &str) -> bool {
    const YES: [&str; 4] = ["prod", "production", "prd", "live"];
    const NO: [&str; 10] = ["test", "tests", "dev", "local", "staging", "stage", "copy", "clone", "sandbox", "ci"];
    let words = name.split(|c: char| !c.is_ascii_alphanumeric()).map(str::to_ascii_lowercase);
    let words: Vec<String> = words.map(|word| word.trim_end_matches(|c: char| c.is_ascii_digit()).to_owned()).collect();
    let any = |known: &[&str]| words.iter().any(|word| known.contains(&word.as_str()));
    any(&YES) && !any(&NO)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(name: &str, server: Option<(&str, u16)>) -> Option<String> {
        let listeners: Vec<Listener> =
            (!name.is_empty()).then(|| Listener { name: name.to_owned(), pid: 7 }).into_iter().collect();
        let server = server.map(|(address, port)| (address.parse().unwrap(), port));
        elsewhere(&Way { port: Some(8100), listeners: &listeners, server })
    }

    #[test]
    fn who_listens_and_what_the_server_says() {
        // (who listens, what the server says, whether that is elsewhere)
        let cases = [
            ("postgres", Some(("127.0.0.1", 8100)), false),
            ("docker-proxy", Some(("172.18.0.3", 5432)), false),
            ("com.docker.backe", Some(("172.17.0.2", 5432)), false),
            ("rootlessport", Some(("10.0.2.100", 5432)), false),
            // Another user's process is not seen, nor one that the kernel's rules stand for.
            ("", Some(("127.0.0.1", 8100)), false),
            ("", Some(("::1", 8100)), false),
            ("", Some(("172.18.0.3", 5432)), false),
            ("", Some(("127.0.0.1", 5432)), true),
            ("", Some(("10.20.0.5", 5432)), true),
            ("", None, true),
            // The same port on both sides: only the listener tells.
            ("ssh", Some(("127.0.0.1", 8100)), true),
            ("kubectl", Some(("127.0.0.1", 5432)), true),
            ("cloud-sql-proxy", Some(("10.20.0.5", 5432)), true),
            ("python3", None, true),
        ];
        for (name, server, elsewhere) in cases {
            assert_eq!(found(name, server).is_some(), elsewhere, "{name} {server:?}: {:?}", found(name, server));
        }
        let socket = Way { port: None, listeners: &[], server: None };
        assert_eq!(elsewhere(&socket), None);
        let ssh = [Listener { name: "ssh".to_owned(), pid: 7 }];
        assert!(elsewhere(&Way { listeners: &ssh, ..socket }).unwrap().contains("ssh (process 7)"));
    }

    #[test]
    fn names_of_production() {
        for name in ["prod", "backend_prod", "prod-db.example.com", "PRODUCTION", "app_live2", "prd.db"] {
            assert!(looks_like_production(name), "{name}");
        }
        for name in ["backend", "product", "products_dev", "reproduction", "delivery", "alive", "nonprod", "prod_copy"]
        {
            assert!(!looks_like_production(name), "{name}");
        }
    }
}
