//! The servers and services that another one needs: there, not there, refusing, silent.

use std::io::{Read, Write};
use std::os::unix::net::UnixListener;

use super::{Checkout, etcd, free_port, service, silent, valkey};
use crate::support::not_run;
use crate::support::private::private_cluster;

const DB: &str = "user = 'owner'\nname = 'backend'\n";

fn db(port: u16, password: &str) -> String {
    format!("{DB}addr = {{ host = 'localhost', port = {port} }}\npassword = '{password}'")
}

/// All that the manager needs is there; then each of it is wrong in turn.
#[test]
fn what_the_manager_needs() {
    let server = private_cluster("", "host all owner all scram-sha-256", &[]);
    let sql = "create role owner login password 'hidden-pg'";
    server.client("postgres").batch_execute(sql).unwrap();
    server.client("postgres").batch_execute("create database backend owner owner").unwrap();
    let url = format!("postgresql+asyncpg://owner:hidden-pg@localhost:{}/backend", server.port);
    // Nobody is silent here, and the machine may be busy.
    let checkout = Checkout { limit: "20s", ..Checkout::new(&url) };
    let ports = [free_port(), free_port()];
    let (Some(etcd), Some(valkey)) = (etcd(), valkey("hidden-valkey")) else {
        return not_run("there is no etcd, or neither Valkey nor Redis: apt-get install etcd-server redis-server");
    };
    etcd.put("addr", &format!("127.0.0.1:{}", valkey.port));
    etcd.put("password", "hidden-valkey");
    checkout.manager(&db(server.port, "hidden-pg"), etcd.port, ports);
    let compose =
        format!("services:\n  db:\n    ports:\n      - \"{}:5432\"\n      - \"{}:2379\"\n", server.port, etcd.port);
    checkout.project.write("docker-compose.halfstack.current.yml", &compose);

    let good = checkout.check("mgr");
    let [one, other] = ports;
    let expected = format!(
        "config:ok command line:ok postgresql:ok etcd:ok valkey:ok migrations:warning port {one}:ok port {other}:ok files agree:ok"
    );
    assert_eq!((good.states(), good.0.code), (expected, 0), "{}", good.0);
    good.has("migrations", &["the database of manager has no revision yet", "cargo xtask db-status"]);
    good.has("valkey", &["answers PING at 127.0.0.1:", "by etcd's config/redis"]);
    good.has("files agree", &["PostgreSQL at port", "etcd at port"]);
    let sql = "create table alembic_version (version_num text); insert into alembic_version values ('a1'); \
               grant select on alembic_version to owner";
    server.client("backend").batch_execute(sql).unwrap();
    checkout.check("mgr").has("migrations", &["1 migration of manager is pending", "cargo xtask db-migrate"]);
    server.client("backend").batch_execute("update alembic_version set version_num = 'b1'").unwrap();
    checkout.check("mgr").has("migrations", &["ok | manager is up-to-date"]);

    // A password that is another one, here and there; a key that is not there.
    checkout.manager(&db(server.port, "hidden-wrong"), etcd.port, ports);
    etcd.put("password", "hidden-other");
    let wrong = checkout.check("mgr");
    assert_eq!(wrong.0.code, 4);
    wrong.has("postgresql", &["failed | The database server refuses the user"]);
    wrong.has("valkey", &["failed", "wants another password"]);
    for checks in [&good, &wrong] {
        assert!(!format!("{}{}", checks.0.stdout, checks.0.stderr).contains("hidden"), "{}", checks.0);
    }
    etcd.put("addr", &format!("127.0.0.1:{}", free_port()));
    checkout.manager(&db(server.port, "hidden-pg"), etcd.port, ports);
    checkout
        .check("mgr")
        .has("valkey", &["failed | Nobody listens at", "docker compose -f docker-compose.halfstack.current.yml up -d"]);
    // What answers there is another server.
    etcd.put("addr", &format!("127.0.0.1:{}", etcd.port));
    etcd.put("password", "");
    checkout.check("mgr").has("valkey", &["failed", "does not answer PING, but says"]);
    checkout.manager(&db(server.port, "hidden-pg"), valkey.port, ports);
    checkout
        .check("mgr")
        .has("etcd", &["failed", "closed without an answer", "may be another server"])
        .has("valkey", &["skipped | not looked at"]);
}

/// Nobody there; somebody who never answers.
#[test]
fn servers_that_are_not_there_or_never_answer() {
    let checkout = Checkout::new("postgresql+asyncpg://owner@localhost:1/backend");
    let ports = [free_port(), free_port()];
    let published = free_port();
    let compose = format!("services:\n  db:\n    ports:\n      - \"{published}:5432\"\n");
    checkout.project.write("docker-compose.halfstack.current.yml", &compose);
    checkout.manager(&db(free_port(), "hidden-pg"), free_port(), ports);
    let down = checkout.check("mgr");
    down.has("postgresql", &["failed | Nobody listens at localhost:", "up -d --wait"])
        .has("etcd", &["failed | Nobody listens at"]);
    down.has("valkey", &["skipped | not looked at: its address is in etcd, which is not there"]);
    down.has("files agree", &["failed", "PostgreSQL's port: docker-compose.halfstack.current.yml"]);
    let (_one, one) = silent();
    let (_other, other) = silent();
    checkout.manager(&db(one, "hidden-pg"), other, ports);
    let silent = checkout.check("mgr");
    silent.has("postgresql", &["failed", "accepts connections and does not answer", "start it anew if it hangs"]);
    silent.has("etcd", &["failed", "accepts connections and does not answer"]).has("valkey", &["skipped"]);
}

/// An empty etcd says nothing of Valkey; a service that has Valkey's address itself needs none.
#[test]
fn valkey_by_etcd_and_by_a_file() {
    let checkout = Checkout::new("postgresql+asyncpg://u@localhost:1/d");
    let worker = |port: u16, coordinator: u16| {
        let text = format!(
            "[redis]\naddr = {{ host = '127.0.0.1', port = {port} }}\n[proxy_worker]\n\
             coordinator_endpoint = 'http://127.0.0.1:{coordinator}'\napi_bind_addr = {{ host = '127.0.0.1', port = {} }}\n",
            free_port()
        );
        checkout.project.write("app-proxy-worker.toml", &text);
    };
    worker(free_port(), service(&[("/readyz", 200)]));
    let down = checkout.check("app-proxy-worker");
    down.has("valkey", &["failed | Nobody listens at"]).has("coordinator", &["ok | ready at", "(/readyz)"]);
    let (_silent, silent) = silent();
    worker(silent, service(&[("/readyz", 503)]));
    let waiting = checkout.check("app-proxy-worker");
    waiting.has("valkey", &["failed", "accepts connections and does not answer (waited 1 s)"]);
    waiting.has("coordinator", &["failed", "not ready (HTTP 503)", "--component=app-proxy-coordinator"]);
    worker(silent, free_port());
    checkout.check("app-proxy-worker").has("coordinator", &["failed | Nobody listens at", "--subcommand=start-server"]);

    let Some(etcd) = etcd() else { return not_run("there is no etcd: apt-get install etcd-server") };
    checkout.manager(&db(1, "x"), etcd.port, [free_port(), free_port()]);
    let empty = checkout.check("mgr");
    empty.has("valkey", &["failed | etcd holds no config/redis/addr", "etcd put config/redis/addr 127.0.0.1:6379"]);
}

/// A manager that is ready, not ready, older, silent, gone.
#[test]
fn what_the_web_server_needs() {
    let checkout = Checkout::new("postgresql+asyncpg://u@localhost:1/d");
    let (_silent, silent) = silent();
    let web = |endpoint: &str| {
        let text = format!(
            "[service]\nip = '127.0.0.1'\nport = {}\n[api]\nendpoint = '{endpoint}'\n[session.redis]\naddr = 'localhost:{silent}'\n",
            free_port()
        );
        checkout.project.write("webserver.conf", &text);
        checkout.check("web")
    };
    let at = |port: u16| format!("http://127.0.0.1:{port}");
    let found = web(&at(service(&[("/health/readyz", 200)])));
    found.has("manager", &["ok | ready at", "(/health/readyz)"]).has("static assets", &["skipped"]);
    checkout.project.write("src/ai/backend/web/x.py", "");
    let found = web(&at(service(&[("/health", 200)])));
    found.has("manager", &["ok", "(/health)"]).has("static assets", &["failed", "index.html is not there"]);
    checkout.project.write("src/ai/backend/web/static/index.html", "");
    let found = web(&at(service(&[("/health/readyz", 503)])));
    found.has("manager", &["failed", "HTTP 503", "dependencies verify"]).has("static assets", &["ok"]);
    web(&at(service(&[]))).has("manager", &["failed", "knows none of"]);
    web(&at(service(&[("/health/readyz", 500)]))).has("manager", &["failed", "HTTP 500"]);
    web(&at(silent)).has("manager", &["failed", "accepts connections and does not answer"]);
    let gone = web(&at(free_port()));
    gone.has(
        "manager",
        &["failed | Nobody listens at", "cargo xtask cli-executor --component=mgr --subcommand=start-server"],
    );
}

/// The agent's manager is where manager.toml says; Docker, folders and volumes are the machine's.
#[test]
fn what_agent_and_storage_need() {
    let checkout = Checkout::new("postgresql+asyncpg://u@localhost:1/d");
    let root = checkout.project.root().to_owned();
    let agent = "[etcd]\naddr = { host = '127.0.0.1', port = 1 }\n[agent]\nmode = 'docker'\nvar-base-path = './var'\n\
                 rpc-listen-addr = 'x'\n[container]\nscratch-root = './taken'\n";
    checkout.project.write("agent.toml", agent);
    checkout.project.write("taken", "a file");
    let agent = checkout.check("ag");
    agent
        .has("manager", &["skipped | not looked at: no manager.toml"])
        .has("docker", &["failed | Nobody listens at unix:"]);
    agent.has("folders", &["failed", "taken is no folder (container.scratch-root)"]).has("gpu", &[""]);
    agent.has("ports", &["failed", "agent.rpc-listen-addr"]);
    std::fs::remove_file(root.join("taken")).unwrap();
    checkout.manager(&db(1, "x"), 1, [service(&[("/health/readyz", 200)]), free_port()]);
    let docker = |address: &str| {
        let run = checkout.xtask("--component=ag --check --json").env("DOCKER_HOST", address);
        super::Checks(run.run())
    };
    let hung = root.join("hung.sock");
    let _hung = UnixListener::bind(&hung).unwrap();
    docker(&format!("unix://{}", hung.display()))
        .has("docker", &["failed", "accepts connections and does not answer", "Start the Docker daemon anew"]);
    let other = service(&[]);
    docker(&format!("tcp://127.0.0.1:{other}")).has("docker", &["failed", "is no Docker daemon (HTTP 404)"]);
    docker("ssh://me@host").has("docker", &["skipped | not looked at: Docker is reached by ssh://me@host"]);
    let socket = root.join("docker.sock");
    let daemon = UnixListener::bind(&socket).unwrap();
    std::thread::spawn(move || {
        for mut stream in daemon.incoming().flatten() {
            let _ = stream.read(&mut [0; 1024]);
            let _ = stream.write_all(b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nOK");
        }
    });
    let agent = docker(&format!("unix://{}", socket.display()));
    agent.has("docker", &["ok | the daemon answers"]).has("folders", &["ok"]).has("manager", &["ok | ready at"]);

    let storage = |path: &str| {
        let text = format!(
            "[etcd]\naddr = {{ host = '127.0.0.1', port = 1 }}\n[volume.one]\nbackend = 'vfs'\npath = '{path}'\n\
             [api.client]\nservice-addr = {{ host = '127.0.0.1', port = {} }}\n",
            free_port()
        );
        checkout.project.write("storage-proxy.toml", &text);
        checkout.check("storage")
    };
    storage("vf/one").has("volumes", &["failed | one: ", "is not there", "mkdir -p"]);
    std::fs::create_dir_all(root.join("vf/one")).unwrap();
    storage("vf/one").has("volumes", &["ok | one: "]).has("manager", &["ok"]);
    checkout.project.write("vf/two", "a file");
    storage("vf/two").has("volumes", &["failed", "is no folder"]);
}
