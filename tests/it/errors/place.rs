//! The right database: another machine, a forward to one, a pooler, a server that takes no writes, a protected name.

use std::net::UdpSocket;

use serde_json::json;
use xtask::fail::Kind;

use crate::support::door::{Door, url};
use crate::support::private::{Private, private_cluster};
use crate::support::scene::{PASSWORD, PASSWORD_IN_URL, Scene, config, wait_until};
use crate::support::{free_port, not_run};

#[test]
fn remote_database() {
    let scene = Scene::three();
    // A door that looks like another machine, and one of this machine that somebody else than PostgreSQL keeps.
    let far = (own_address(), Door::open("0.0.0.0", false).port);
    let near = ("127.0.0.1".to_owned(), Door::open("127.0.0.1", false).port);
    let by =
        |(host, port): &(String, u16)| scene.project.write("alembic.ini", &config(&url(host, *port, &scene.database)));
    by(&far);
    let failure =
        scene.fails("db-migrate", Kind::RemoteDatabase, 3, &[&format!("{} on {}:{}", scene.database, far.0, far.1)]);
    let meant = format!("If it is meant: cargo xtask db-migrate --allow-remote={}", far.0);
    assert!(failure.output.stderr.contains(&meant), "{}", failure.output);
    let _ = scene.run("db-status").code(0);
    let _ = scene.run("db-migrate --dry-run").code(0);
    let other = "--allow-remote names db.example.com, which is another one";
    scene.fails("db-migrate --allow-remote=db.example.com", Kind::RemoteDatabase, 3, &[other]);
    assert_eq!(scene.tables(), "");
    let _ = scene.run(&format!("db-migrate --target=a1 --allow-remote={}", far.0)).code(0);
    let _ = scene.run("db-migrate --target=b2 --allow-remote").code(0);
    by(&near);
    let us = "not PostgreSQL, but it-";
    let forward = format!("127.0.0.1:{} is a forward to another machine: {us}", near.1);
    scene.fails("db-migrate", Kind::RemoteDatabase, 3, &[&forward, "listens there and passes it on"]);
    scene.fails("db-roundtrip --in-place --yes", Kind::RemoteDatabase, 3, &[&forward]);
    let swap = scene.fails("db-restore --swap-back --yes", Kind::RemoteDatabase, 3, &[&forward]);
    let meant = format!("cargo xtask db-restore --swap-back --allow-remote=127.0.0.1:{}", near.1);
    assert!(swap.output.stderr.contains(&meant), "{}", swap.output);
    assert_eq!(scene.tables(), "a1 b2");
    let _ = scene.run(&format!("db-migrate --allow-remote=127.0.0.1:{}", near.1)).code(0);
    assert_eq!(scene.tables(), "a1 b2 c3");
}

#[test]
fn pooled_connection() {
    let scene = Scene::three().at("a1");
    let door = Door::open("127.0.0.1", true);
    let address = url("127.0.0.1", door.port, &scene.database);
    let scene = scene.url(&address);
    let names = [&format!("127.0.0.1:{} passes the sessions of {} on", door.port, scene.database), "port 5432"];
    scene.fails("db-migrate", Kind::PooledConnection, 3, &names);
    scene.fails("db-roundtrip", Kind::PooledConnection, 3, &names);
    let looked = scene.json("db-status");
    let component = &looked["components"][0];
    assert_eq!((&component["refuses"], &component["state"]), (&json!("pooled-connection"), &json!("behind")));
    let _ = scene.run("db-status").code(0).says("reached through a connection pooler");
    let _ = scene
        .run("doctor")
        .says("Name the server's own port: in sqlalchemy.url in the Alembic config, or once with --url=");
    // Other tests look for the password in all arguments of the machine.
    let without = address.replacen(&format!(":{PASSWORD_IN_URL}@"), "@", 1);
    let named = scene.xtask("doctor").env("PGPASSWORD", PASSWORD).arg(&format!("--url={without}")).run();
    drop(named.says("Name the server's own port: --url="));
    // Nothing was set in a session that is not ours alone.
    let sent = door.sent.lock().unwrap().clone();
    assert!(sent.contains("select version_num") && !sent.to_lowercase().contains("set "), "{sent}");
    assert_eq!(scene.versions(), ["a1"]);
}

/// The real one, where it is installed, which is let in by SCRAM, as its clients are.
#[test]
fn a_real_pgbouncer() {
    let Ok(program) = which::which_in("pgbouncer", Some("/usr/sbin:/usr/local/sbin:/usr/bin"), "/") else {
        return not_run("there is no PgBouncer: apt-get install pgbouncer");
    };
    let scene = Scene::three().at("a1");
    let server = private_cluster("password_encryption = scram-sha-256", "host all bob all scram-sha-256", &[]);
    let mut client = server.client("postgres");
    for made in ["create role bob superuser login password 'pencil'", "create database app"] {
        client.batch_execute(made).unwrap();
    }
    let made = "create table alembic_version (version_num varchar(32) primary key); \
        insert into alembic_version values ('a1'); create table t_a1 (v int)";
    server.client("app").batch_execute(made).unwrap();
    let secret: String =
        client.query_one("select rolpassword from pg_authid where rolname = 'bob'", &[]).unwrap().get(0);
    for mode in ["session", "transaction"] {
        let pooler = Pooler::start(&program, &server, mode, &secret);
        let places = [
            (format!("127.0.0.1:{}", pooler.port), format!("bob:pencil@127.0.0.1:{}/app", pooler.port)),
            (format!("{}/.s.PGSQL.{}", pooler.dir, pooler.port), {
                format!("bob:pencil@/app?host={}&port={}", pooler.dir, pooler.port)
            }),
        ];
        for (place, url) in places {
            scene.write("alembic.ini", &config(&format!("postgresql+psycopg://{url}")));
            let names = [format!("{place} passes the sessions of app on"), format!("port {}", server.port)];
            let names = names.each_ref().map(String::as_str);
            for words in ["db-migrate", "db-backup"] {
                scene.fails(words, Kind::PooledConnection, 3, &names);
            }
            let looked = scene.json("db-status");
            let component = &looked["components"][0];
            assert_eq!((&component["refuses"], &component["state"]), (&json!("pooled-connection"), &json!("behind")));
            let _ = scene.run("doctor").says("through a connection pooler: db-status looks");
        }
    }
    let at = server.client("app").query_one("select version_num from alembic_version", &[]).unwrap();
    assert_eq!(at.get::<_, String>(0), "a1");
}

/// A running PgBouncer before a server; it ends with this.
struct Pooler {
    dir: String,
    port: u16,
    child: std::process::Child,
}

impl Pooler {
    fn start(program: &std::path::Path, server: &Private, mode: &str, secret: &str) -> Pooler {
        let (dir, port) = (server.dir.join(mode), free_port());
        std::fs::create_dir(&dir).unwrap();
        let shown = dir.display().to_string();
        let ini = format!(
            "[databases]\n* = host=127.0.0.1 port={}\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\n\
             unix_socket_dir = {shown}\nauth_type = scram-sha-256\nauth_file = {shown}/users\npool_mode = {mode}\n",
            server.port
        );
        std::fs::write(dir.join("ini"), ini).unwrap();
        std::fs::write(dir.join("users"), format!("\"bob\" \"{secret}\"\n")).unwrap();
        // As the server's user: it refuses to be root.
        let mut command = server.program(program);
        server.give(&dir);
        let child = command.arg("-q").arg(dir.join("ini")).stderr(std::process::Stdio::null()).spawn().unwrap();
        wait_until("PgBouncer listens", || std::net::TcpStream::connect(("127.0.0.1", port)).is_ok());
        Pooler { dir: shown, port, child }
    }
}

impl Drop for Pooler {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn read_only_server() {
    let scene = Scene::three().at("b2");
    scene
        .client()
        .batch_execute(&format!("alter database {} set default_transaction_read_only = on", scene.database))
        .unwrap();
    let names = ["default_transaction_read_only is on", &scene.database];
    for words in ["db-migrate", "db-migrate --direction=downgrade --target=-1", "db-roundtrip --in-place --yes"] {
        scene.fails(words, Kind::ReadOnlyServer, 3, &names);
    }
    let _ = scene.run("db-migrate --dry-run").code(0);
    // A backup only reads, and its proof writes into a database of its own.
    assert_eq!(scene.json("db-backup")["proof"], "restored");
    let looked = scene.json("db-status");
    assert_eq!(looked["components"][0]["refuses"], "read-only-server");
    assert_eq!(scene.versions(), ["b2"]);
}

#[test]
fn a_protected_database_wants_its_name() {
    let scene = Scene::three().at("head");
    let protect = |is: bool| {
        let settings = format!("[workspace]\n[workspace.metadata.db.components.manager]\nprotected = {is}\n");
        scene.project.write("Cargo.toml", &settings);
    };
    protect(true);
    let names = [&format!("{} on ", scene.database), "it is protected (Cargo.toml)"];
    let ways = ["db-migrate --direction=downgrade --target=-1", "db-roundtrip --in-place", "db-restore --swap-back"];
    for words in ways {
        scene.fails(&format!("{words} --yes"), Kind::WrongDatabase, 3, &names);
    }
    assert_eq!(scene.versions(), ["c3"]);
    protect(false);
    let _ = scene.run("db-migrate --direction=downgrade --target=-1").code(0);
    // Going up takes nothing away.
    protect(true);
    let _ = scene.run("db-migrate").code(0);
}

/// This machine's own address, or its name.
fn own_address() -> String {
    // Connecting a datagram socket sends nothing; it only asks which of our addresses would be used.
    let own = UdpSocket::bind("0.0.0.0:0")
        .and_then(|socket| socket.connect("192.0.2.1:9").and_then(|()| socket.local_addr()));
    match own {
        Ok(own) if !own.ip().is_loopback() => own.ip().to_string(),
        _ => rustix::system::uname().nodename().to_string_lossy().into_owned(),
    }
}
