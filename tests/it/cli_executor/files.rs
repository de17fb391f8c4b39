//! What the files of a checkout say: none, broken, not the same; ports that are taken.

use std::net::TcpListener;

use super::{Checkout, free_port};

#[test]
fn configs_that_are_not_there_or_do_not_agree() {
    let checkout = Checkout::new("postgresql+asyncpg://u@localhost:8101/backend");
    let project = &checkout.project;
    project.write("configs/manager/halfstack.toml", "");
    let none = checkout.check("mgr");
    none.has(
        "config",
        &["failed | there is none; looked for", "manager.toml", "cp configs/manager/halfstack.toml manager.toml"],
    );
    none.has("postgresql", &["skipped"]).has("ports", &["skipped"]);
    none.has("files agree", &["skipped | nothing to compare"]);
    std::fs::create_dir(project.path("manager.toml")).unwrap();
    checkout.check("mgr").has("config", &["failed", "manager.toml is a folder", "rmdir "]);
    std::fs::remove_dir(project.path("manager.toml")).unwrap();
    project.write("manager.toml", "[db]\npassword = hidden\n");
    let broken = checkout.check("mgr");
    broken.has("config", &["failed", "manager.toml:2 cannot be read"]);
    assert!(!broken.0.stdout.contains("hidden"), "{}", broken.0);

    // The ports and the databases of several files.
    let db = |port: u16, name: &str| format!("addr = {{ host = 'localhost', port = {port} }}\nname = '{name}'");
    checkout.manager(&db(8101, "backend"), 8121, [free_port(), free_port()]);
    checkout.check("mgr").has("files agree", &["ok | PostgreSQL at port 8101 (in 2 files)"]);
    project.write("docker-compose.halfstack.current.yml", "    ports:\n      - \"8100:5432\"\n");
    checkout.check("mgr").has("files agree", &["failed", "current.yml 8100, manager.toml 8101, alembic.ini 8101"]);
    project.write("docker-compose.halfstack.current.yml", "");
    project.write("agent.toml", "[etcd]\naddr = { host = '127.0.0.1', port = 2379 }\n");
    checkout.manager(&db(8101, "other"), 8121, [free_port(), free_port()]);
    let wrong = checkout.check("mgr");
    wrong.has(
        "files agree",
        &["etcd's port: manager.toml 8121, agent.toml 2379", "the database: manager.toml other, alembic.ini backend"],
    );
    // A server elsewhere may be another one.
    project.write("agent.toml", "[etcd]\naddr = { host = 'etcd.example.com', port = 2379 }\n");
    checkout.manager(&db(8101, "backend"), 8121, [free_port(), free_port()]);
    checkout.check("mgr").has("files agree", &["ok"]);
}

#[test]
fn secrets_folders_in_the_place_of_files_and_ports_that_are_taken() {
    let checkout = Checkout::new("postgresql+asyncpg://u@localhost:8101/backend");
    let project = &checkout.project;
    let secrets = |jwt: &str| {
        format!("[secrets]\napi_secret = 'hidden-a'\njwt_secret = '{jwt}'\n[permit_hash]\nsecret = 'hidden-c'\n")
    };
    project.write("app-proxy-coordinator.toml", &secrets("hidden-b"));
    checkout.check("app-proxy-coordinator").has("secrets agree", &["skipped | not looked at"]);
    project.write("app-proxy-worker.toml", &secrets("hidden-b"));
    checkout.check("app-proxy-worker").has("secrets agree", &["ok"]);
    project.write("app-proxy-worker.toml", &secrets("hidden-x"));
    let wrong = checkout.check("app-proxy-coordinator");
    wrong.has("secrets agree", &["failed", "app-proxy-worker.toml: secrets.jwt_secret |"]);
    assert!(!wrong.0.stdout.contains("hidden"), "{}", wrong.0);

    let compose = "configs:\n  p:\n    file: ./prometheus.yaml\n  q:\n    file: ./gateway.config.ts\n";
    project.write("docker-compose.halfstack.current.yml", compose);
    project.write("configs/prometheus/prometheus.yaml", "right");
    project.write("gateway.config.ts", "");
    let missing = checkout.check("app-proxy-worker");
    missing.has(
        "mounted files",
        &["warning | prometheus.yaml is not there", "cp configs/prometheus/prometheus.yaml prometheus.yaml"],
    );
    std::fs::create_dir(project.path("prometheus.yaml")).unwrap();
    let folder = checkout.check("app-proxy-worker");
    folder.has("mounted files", &["failed | prometheus.yaml is a folder", "rmdir prometheus.yaml && cp"]);
    // What is printed works.
    #[expect(clippy::disallowed_methods)]
    let mut shell = std::process::Command::new("sh");
    let fix = folder.of("mounted files");
    let line = fix.rsplit("anew: ").next().unwrap();
    assert!(shell.arg("-c").arg(line).current_dir(project.root()).status().unwrap().success(), "{line}");
    checkout.check("app-proxy-worker").has("mounted files", &["ok | all 2 files"]);

    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    checkout.manager("", 1, [port, free_port()]);
    let name = format!("port {port}");
    let us = std::process::id().to_string();
    checkout.check("mgr").has(&name, &["failed | in use by", &format!("(process {us})"), &format!("kill {us}")]);
    drop(taken);
    checkout.check("mgr").has(&name, &["ok | free (manager.service-addr)"]);
    checkout.project.write("manager.toml", "[manager]\nservice-addr = { host = '192.0.2.1', port = 8091 }\n");
    checkout.check("mgr").has("port 8091", &["failed | nobody can listen at 192.0.2.1:8091", "manager.service-addr"]);
}
