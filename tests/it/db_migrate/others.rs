//! Who else is at the database: what holds locks without a session, what reads along, a server that only follows another,
//! and somebody who writes between the backup and the try that gets through.

use std::process::{Child, Stdio};

use xtask::fail::Kind;

use crate::support::free_port;
use crate::support::pg::cluster;
use crate::support::private::{Private, private_cluster};
use crate::support::scene::{Scene, Streams, sql, wait_until};

/// A standby of a server; it ends with the value.
struct Standby {
    port: u16,
    server: Child,
}

impl Standby {
    fn of(primary: &Private) -> Standby {
        let port = free_port();
        let (socket, from) = (primary.dir.display().to_string(), primary.port.to_string());
        let mut copy = primary.tool("pg_basebackup");
        copy.args(["-h", &socket, "-p", &from, "-U", "postgres", "-D", "standby", "-R", "-c", "fast"]);
        assert!(copy.status().unwrap().success(), "{copy:?}");
        // It ends with this process, however that ends: its end of the pipe closes then.
        let mut server = primary.tool("/bin/sh");
        server.args(["-c", "\"$@\" & cat >/dev/null; kill -QUIT $!; wait", "sh"]).arg(cluster().bin.join("postgres"));
        server.stdin(Stdio::piped()).args([
            "-D",
            "standby",
            "-p",
            &port.to_string(),
            "-c",
            "listen_addresses=localhost",
        ]);
        server.args(["-c", &format!("unix_socket_directories={socket}")]).stdout(Stdio::null()).stderr(Stdio::null());
        Standby { port, server: server.spawn().unwrap() }
    }
}

impl Drop for Standby {
    fn drop(&mut self) {
        drop(self.server.stdin.take());
        let _ = self.server.wait();
    }
}

fn url(port: u16) -> String {
    format!("postgresql+psycopg://postgres@localhost:{port}/postgres")
}

#[test]
fn a_prepared_transaction_a_slot_and_a_standby() {
    let conf = "max_prepared_transactions = 2\nwal_level = logical";
    let hba = "local replication postgres trust\nhost all all all trust\nhost replication all all trust";
    let server = private_cluster(conf, hba, &[]);
    let scene = Scene::three().url(&url(server.port));
    assert_eq!(scene.run("db-migrate --target=b2 -q").code, 0);
    let standby = Standby::of(&server);
    let mut client = server.client("postgres");
    client.batch_execute("select pg_create_logical_replication_slot('reader', 'pgoutput')").unwrap();
    client.batch_execute("begin; insert into a1 values (1); prepare transaction 'it''s mine'").unwrap();
    drop(client);
    let refused = scene.fails(
        "db-migrate --direction=downgrade --target=a1 --yes",
        Kind::ActiveConnections,
        3,
        &["A prepared transaction is open in the database", "it's mine"],
    );
    let actions = refused.json["error"]["actions"].to_string();
    assert!(actions.contains("rollback prepared") && actions.contains("mine"), "{actions}");
    let _ = scene.run("db-migrate -q").code(0).complains("reader").complains("it's mine");
    // The standby says itself that it is one.
    let scene = scene.url(&url(standby.port));
    wait_until("the standby answers", || scene.run("db-status --json").code == 0);
    let _ =
        scene.fails("db-migrate --direction=downgrade --target=a1 --yes", Kind::ReadOnlyServer, 3, &["is a standby"]);
    let _ = scene.fails("db-backup", Kind::BackupFailed, 1, &["is a standby: what it holds may be old"]);
}

/// The backup is of before the row; the way down gets its lock when that is committed.
#[test]
fn a_row_that_comes_between_the_backup_and_the_second_try() {
    let scene = Scene::three().at("b2").revision("c3", "b2", &sql("drop table b2"), &sql("create table b2 (n int)"));
    let scene = scene.sql("insert into b2 values (1)");
    let mut writer = scene.client();
    writer.batch_execute("begin; insert into b2 values (2)").unwrap();
    let mut child = scene.xtask("db-migrate --lock-timeout=1s --json").spawn();
    let mut locked = scene.client();
    let waits = "select exists (select from pg_locks where not granted \
        and database = (select oid from pg_database where datname = current_database()))";
    wait_until("it waits for the lock", || locked.query_one(waits, &[]).unwrap().get(0));
    wait_until("it gives up", || !locked.query_one(waits, &[]).unwrap().get::<_, bool>(0));
    writer.batch_execute("commit").unwrap();
    let done = Streams::of(&mut child).end(child).code(0).complains("it is taken again");
    assert!(done.json()["backup"].is_string(), "{done}");
    drop((writer, locked));
    let _ = scene.run("db-undo --yes").code(0);
    let rows: i64 = scene.client().query_one("select count(*) from b2", &[]).unwrap().get(0);
    assert_eq!(rows, 2, "{done}");
}
