//! `cli-executor`: each line of the pre-flight red and green against real servers (PostgreSQL; Valkey or Redis and etcd where
//! the machine has them, also behind a sentinel and by TLS), servers that accept and never answer, and a command that runs in our place. Only Backend.AI's own
//! services and its command line are stand-ins.

mod files;
mod running;
mod servers;
mod tls;

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use base64::prelude::{BASE64_STANDARD, Engine};
use serde_json::{Value, json};
use xtask::sys::net::{self, Place};

use crate::support::free_port;
use crate::support::project::Project;
use crate::support::scene::wait_until;
use crate::support::xtask::{Folder, Output, Xtask};

/// Somebody who accepts connections (the kernel does) and never answers.
fn silent() -> (TcpListener, u16) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

/// A service that answers these paths with these codes, and others with 404.
fn service(codes: &[(&str, u16)]) -> u16 {
    let (listener, port) = silent();
    let codes: BTreeMap<String, u16> = codes.iter().map(|(path, code)| ((*path).to_owned(), *code)).collect();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut piece = [0; 2048];
            let count = stream.read(&mut piece).unwrap_or_default();
            let asked = String::from_utf8_lossy(&piece[..count]).into_owned();
            let code = asked.split(' ').nth(1).and_then(|path| codes.get(path)).copied().unwrap_or(404);
            let _ = write!(stream, "HTTP/1.0 {code} X\r\nContent-Length: 2\r\n\r\n{{}}");
        }
    });
    port
}

/// A server that goes with the test.
struct Server {
    child: Child,
    port: u16,
    _data: Folder,
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

/// The first of these programs that the machine has.
fn program(names: &[&str]) -> Option<PathBuf> {
    names.iter().find_map(|name| which::which(name).ok())
}

#[expect(clippy::disallowed_methods)]
fn server(program: &Path, args: &[String], data: Folder, port: u16) -> Server {
    // It ends with this process, however that ends: its end of the pipe closes then.
    let mut command = Command::new("sh");
    command.args(["-c", "\"$@\" & cat >/dev/null; kill -KILL $!", "sh"]).arg(program);
    command.args(args).current_dir(data.path()).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    let server = Server { child: command.spawn().unwrap(), port, _data: data };
    let place = Place::new("127.0.0.1", port);
    wait_until("the server to listen", || net::knock(&place, std::time::Duration::from_secs(1)).is_ok());
    server
}

fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

/// Valkey or Redis with a password; `None` where the machine has neither.
fn valkey(password: &str) -> Option<Server> {
    let program = program(&["valkey-server", "redis-server"])?;
    let (port, data) = (free_port(), Folder::new());
    let args = format!("--port {port} --bind 127.0.0.1 --save  --requirepass {password}");
    let args = args.split(' ').map(str::to_owned).collect::<Vec<_>>();
    Some(server(&program, &args, data, port))
}

/// etcd; `None` where the machine has none.
fn etcd() -> Option<Server> {
    let program = program(&["etcd"])?;
    let (port, peer, data) = (free_port(), free_port(), Folder::new());
    let args = words(&format!(
        "--data-dir d --unsafe-no-fsync --listen-client-urls http://127.0.0.1:{port} \
         --advertise-client-urls http://127.0.0.1:{port} --listen-peer-urls http://127.0.0.1:{peer} \
         --initial-advertise-peer-urls http://127.0.0.1:{peer} --initial-cluster default=http://127.0.0.1:{peer}"
    ));
    let server = server(&program, &args, data, port);
    let well = || get(port, "/health").is_some_and(|body| body.contains("true"));
    wait_until("etcd to be well", well);
    Some(server)
}

fn get(port: u16, path: &str) -> Option<String> {
    let answer = net::get(&Place::new("127.0.0.1", port), path, std::time::Duration::from_secs(5)).ok()?;
    Some(answer.body)
}

impl Server {
    /// Puts a value where Backend.AI keeps it in etcd.
    fn put(&self, key: &str, value: &str) {
        let encoded = |text: &str| BASE64_STANDARD.encode(text);
        let body = json!({"key": encoded(&format!("/sorna/local/config/redis/{key}")), "value": encoded(value)});
        let place = Place::new("127.0.0.1", self.port);
        let limit = std::time::Duration::from_secs(5);
        assert_eq!(net::post(&place, "/v3/kv/put", "", &body.to_string(), limit).unwrap().status, 200);
    }
}

/// A Backend.AI checkout whose command line is a script.
struct Checkout {
    project: Project,
    /// How long a server may take to answer.
    limit: &'static str,
}

/// A command line that says what it was asked, and a server that tells how it ended.
const SCRIPT: &str = r#"#!/bin/sh
case "$*" in
  "mgr --help") printf 'Usage: x\n\nCommands:\n  schema        Command set for managing the\n                schema.\n  start-server  Start the manager.\n';;
  *--help) echo "Error: No such command '$1'." >&2; exit 2;;
  *start-server*) trap 'echo ended >ended; exit 7' TERM; echo "started $*" >&2; while :; do sleep 0.05; done;;
  *) echo "ran $*"; cat; exit 5;;
esac
"#;

impl Checkout {
    fn new(url: &str) -> Checkout {
        use std::os::unix::fs::PermissionsExt;
        let table = |name: &str| {
            (format!("op.execute('create table {name} (v int)')"), format!("op.execute('drop table {name}')"))
        };
        let [(up, down), (then, back)] = ["a", "b"].map(table);
        let project = Project::new(url).revision("a1", "", &up, &down).revision("b1", "a1", &then, &back);
        project.write("backend.ai", SCRIPT);
        std::fs::set_permissions(project.path("backend.ai"), std::fs::Permissions::from_mode(0o755)).unwrap();
        Checkout { project, limit: "1s" }
    }

    fn xtask(&self, words: &str) -> Xtask {
        let xtask = Xtask::new(self.project.root(), &format!("cli-executor {words}"));
        xtask.env("XTASK_CHECK_LIMIT", self.limit).env("DOCKER_HOST", "unix:///nonexistent/docker.sock")
    }

    fn check(&self, service: &str) -> Checks {
        Checks(self.xtask(&format!("--component={service} --check --json")).run())
    }

    fn manager(&self, postgresql: &str, etcd: u16, ports: [u16; 2]) {
        let [service, internal] = ports;
        let text = format!(
            "[etcd]\nnamespace = 'local'\naddr = {{ host = '127.0.0.1', port = {etcd} }}\n[db]\n{postgresql}\n[manager]\n\
             service-addr = {{ host = '0.0.0.0', port = {service} }}\n\
             internal-addr = {{ host = '127.0.0.1', port = {internal} }}\n"
        );
        self.project.write("manager.toml", &text);
    }
}

/// What a pre-flight found.
struct Checks(Output);

impl Checks {
    fn all(&self) -> Vec<Value> {
        self.0.json()["checks"].as_array().unwrap().clone()
    }

    /// `config:ok postgresql:failed`.
    fn states(&self) -> String {
        let one = |it: &Value| format!("{}:{}", it["name"].as_str().unwrap(), it["state"].as_str().unwrap());
        self.all().iter().map(one).collect::<Vec<_>>().join(" ")
    }

    /// State, detail and fix of the first check of that name.
    #[track_caller]
    fn of(&self, name: &str) -> String {
        let all = self.all();
        let it = all.iter().find(|it| it["name"] == name).unwrap_or_else(|| panic!("no check {name}\n{}", self.0));
        let text = |key: &str| it[key].as_str().unwrap_or("-").to_owned();
        format!("{} | {} | {}", text("state"), text("detail"), text("fix"))
    }

    #[track_caller]
    fn has(&self, name: &str, parts: &[&str]) -> &Checks {
        let found = self.of(name);
        for part in parts {
            assert!(found.contains(part), "{name} lacks {part:?}: {found}\n{}", self.0);
        }
        self
    }
}
