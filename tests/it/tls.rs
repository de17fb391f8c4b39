//! TLS against a real server, and against libpq: for every `sslmode` we connect exactly when psql does, and use TLS
//! exactly when psql does.

use std::path::Path;
use std::sync::OnceLock;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use xtask::fail::{Fail, Kind};
use xtask::model::url::DbUrl;
use xtask::sys::pg::Db;

use crate::support::pg::cluster;
use crate::support::private::{Private, private_cluster};
use crate::support::{free_port, not_run};

/// Whether the PostgreSQL at hand is built with TLS, as all systems' packages are; the wheel from PyPI is not.
fn has_tls() -> bool {
    let library: String = cluster().client("postgres").query_one("show ssl_library", &[]).unwrap().get(0);
    if library.is_empty() {
        not_run("this PostgreSQL is built without TLS; with one of the system's packages it runs");
    }
    !library.is_empty()
}

/// A server for `localhost` only, with users that may come one way only.
fn server() -> &'static Private {
    static SERVER: OnceLock<Private> = OnceLock::new();
    SERVER.get_or_init(|| {
        let authority = authority("Test root");
        let (cert, key) = issued(&authority, "localhost", vec!["localhost".to_owned()]);
        let (client_cert, client_key) = issued(&authority, "certified", vec![]);
        let other = self::authority("Another root");
        let hba = "hostssl all certified all cert\nhostssl all encrypted all trust\nhostnossl all plain all trust\n\
            host all either all trust";
        let server = private_cluster(
            "ssl = on\nssl_cert_file = '../server.crt'\nssl_key_file = '../server.key'\nssl_ca_file = '../root.crt'",
            hba,
            &[
                ("server.crt", &cert),
                ("server.key", &key),
                ("root.crt", &authority.1),
                ("other.crt", &other.1),
                ("client.crt", &client_cert),
                ("client.key", &client_key),
                ("empty.crt", ""),
            ],
        );
        for role in ["certified", "encrypted", "plain", "either"] {
            server.client("postgres").batch_execute(&format!("create role {role} login")).unwrap();
        }
        server
    })
}

/// A root certificate: its issuer, and its text.
pub fn authority(name: &str) -> (Issuer<'static, KeyPair>, String) {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec![]).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let text = params.self_signed(&key).unwrap().pem();
    (Issuer::new(params, key), text)
}

pub fn issued((issuer, _): &(Issuer<'static, KeyPair>, String), name: &str, names: Vec<String>) -> (String, String) {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(names).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    (params.signed_by(&key, issuer).unwrap().pem(), key.serialize_pem())
}

fn url(user: &str, host: &str, words: &str) -> DbUrl {
    DbUrl::parse(&format!("postgresql://{user}@{host}:{}/postgres?{words}", server().port)).unwrap()
}

/// Whether the session is encrypted, or the failure.
fn connect(url: &DbUrl) -> Result<bool, Box<Fail>> {
    let mut db = Db::connect(url, "test").map_err(|error| Box::new(error.downcast::<Fail>().unwrap()))?;
    let row = db.client().query_one("select ssl from pg_stat_ssl where pid = pg_backend_pid()", &[]).unwrap();
    Ok(row.get(0))
}

/// The same asked of psql.
fn psql(user: &str, host: &str, words: &[(&str, String)]) -> Option<bool> {
    let mut command = server().tool("psql");
    let settings: Vec<String> = words.iter().map(|(key, value)| format!("{key}={value}")).collect();
    let target = format!("host={host} port={} user={user} dbname=postgres {}", server().port, settings.join(" "));
    command.args(["-XAtc", "select ssl from pg_stat_ssl where pid = pg_backend_pid()"]).arg(target);
    let output = command.env("HOME", &server().dir).output().unwrap();
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim() == "t")
}

#[test]
fn every_sslmode_does_what_libpq_does() {
    if !has_tls() {
        return;
    }
    let dir = &server().dir;
    let mut seen = std::collections::BTreeSet::new();
    for mode in ["disable", "allow", "prefer", "require", "verify-ca", "verify-full"] {
        for user in ["encrypted", "plain", "either"] {
            for host in ["localhost", "127.0.0.1"] {
                for root in [None, Some("root.crt"), Some("other.crt"), Some("server.crt"), Some("missing.crt")] {
                    let mut words = vec![("sslmode", mode.to_owned())];
                    words.extend(root.map(|root| ("sslrootcert", dir.join(root).display().to_string())));
                    let query: Vec<String> = words.iter().map(|(key, value)| format!("{key}={value}")).collect();
                    let ours = connect(&url(user, host, &query.join("&"))).ok();
                    let libpq = psql(user, host, &words);
                    // OpenSSL wants the root itself; naming the server's own certificate without being self-signed
                    // as its root is something only we let through, and then it is exactly that certificate.
                    if root != Some("server.crt") {
                        assert_eq!(ours, libpq, "{mode} {user} {host} {root:?}");
                    }
                    seen.insert((mode, ours));
                }
            }
        }
    }
    // Each mode must have been seen to do what it is there for.
    for expected in [
        ("disable", Some(false)),
        ("disable", None),
        ("allow", Some(true)),
        ("allow", Some(false)),
        ("prefer", Some(true)),
        ("prefer", Some(false)),
        ("require", Some(true)),
        ("require", None),
        ("verify-ca", Some(true)),
        ("verify-ca", None),
        ("verify-full", Some(true)),
        ("verify-full", None),
    ] {
        assert!(seen.contains(&expected), "{expected:?} never happened");
    }
}

#[test]
fn a_client_certificate_opens_the_door() {
    if !has_tls() {
        return;
    }
    let dir = server().dir.display();
    let fail = connect(&url("certified", "localhost", "sslmode=require")).unwrap_err();
    assert_eq!(fail.kind, Kind::AuthenticationFailed, "{fail:?}");
    let words = format!("sslmode=require&sslcert={dir}/client.crt&sslkey={dir}/client.key");
    assert!(connect(&url("certified", "localhost", &words)).unwrap());
}

#[test]
fn what_is_wrong_with_tls_is_said() {
    if !has_tls() {
        return;
    }
    let dir = server().dir.display();
    let fail = connect(&url("either", "localhost", &format!("sslmode=verify-full&sslrootcert={dir}/other.crt")));
    let fail = fail.unwrap_err();
    assert_eq!(fail.kind, Kind::ConnectionRefused);
    assert!(fail.details.contains("TLS") && fail.details.contains("UnknownIssuer"), "{}", fail.details);
    let fail = connect(&url("either", "127.0.0.1", &format!("sslmode=verify-full&sslrootcert={dir}/root.crt")));
    assert!(fail.unwrap_err().details.contains("not valid for name"));
    for (words, part) in [
        (format!("sslmode=verify-ca&sslrootcert={dir}/missing.crt"), "missing.crt"),
        (format!("sslmode=verify-ca&sslrootcert={dir}/empty.crt"), "empty.crt: holds no certificate"),
        (format!("sslmode=require&sslcert={dir}/client.crt&sslkey={dir}/server.key"), "does not go with its key"),
    ] {
        let fail = connect(&url("either", "localhost", &words)).unwrap_err();
        assert_eq!(fail.kind, Kind::ConfigInvalid, "{words}");
        assert!(fail.details.contains(part), "{}", fail.details);
    }
}

#[test]
fn a_server_without_tls_is_refused_where_tls_is_asked_for() {
    let plain = private_cluster("", "host all all all trust", &[]);
    let port = plain.port;
    let to = |mode: &str| {
        DbUrl::parse(&format!("postgresql+asyncpg://postgres@localhost:{port}/postgres?ssl={mode}")).unwrap()
    };
    let fail = connect(&to("require")).unwrap_err();
    assert!(fail.details.contains("does not offer it"), "{}", fail.details);
    for mode in ["disable", "allow", "prefer"] {
        assert!(!connect(&to(mode)).unwrap());
    }
}

/// Several hosts, the first of them dead: the next one is asked, with TLS and its name.
#[test]
fn the_next_host_is_asked() {
    if !has_tls() {
        return;
    }
    let dead = free_port();
    let root = Path::new(&server().dir).join("root.crt");
    let url = DbUrl::parse(&format!(
        "postgresql+psycopg://either@/postgres?host=127.0.0.1:{dead}&host=localhost:{}&sslmode=verify-full&sslrootcert={}",
        server().port,
        root.display()
    ));
    assert!(connect(&url.unwrap()).unwrap());
}
