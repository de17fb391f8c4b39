//! Valkey and a manager behind TLS, and Valkey by a sentinel: there, not there, another password, another certificate.

use std::io::{Read, Write};
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::{Checkout, Checks, Server, etcd, free_port, program, server, silent};
use crate::support::not_run;
use crate::support::xtask::Folder;
use crate::tls::{authority, issued};

/// Files of a root certificate, and of what it has issued for this machine.
struct Certificates {
    folder: Folder,
    cert: String,
    key: String,
}

fn certificates() -> Certificates {
    let root = authority("Test root");
    let (cert, key) = issued(&root, "localhost", vec!["localhost".to_owned(), "127.0.0.1".to_owned()]);
    let folder = Folder::new();
    for (name, text) in [("root.crt", &root.1), ("server.crt", &cert), ("server.key", &key)] {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    Certificates { folder, cert, key }
}

impl Certificates {
    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }
}

/// Redis or Valkey by these words; `None` where there is neither.
fn redis(words: &str, port: u16, config: Option<&str>) -> Option<Server> {
    let program = program(&["valkey-server", "redis-server"])?;
    let data = Folder::new();
    let mut args: Vec<String> = words.split(' ').map(str::to_owned).collect();
    if let Some(text) = config {
        std::fs::write(data.path().join("sentinel.conf"), text).unwrap();
        args = vec!["sentinel.conf".to_owned(), "--sentinel".to_owned()];
    }
    Some(server(&program, &args, data, port))
}

fn worker(checkout: &Checkout, redis: &str) {
    let port = free_port();
    let text = format!(
        "[redis]\n{redis}\n[proxy_worker]\ncoordinator_endpoint = 'http://127.0.0.1:1'\n\
         api_bind_addr = {{ host = '127.0.0.1', port = {port} }}\n"
    );
    checkout.project.write("app-proxy-worker.toml", &text);
}

#[test]
fn valkey_by_tls_and_by_a_sentinel() {
    let files = certificates();
    let (port, plain) = (free_port(), free_port());
    let Some(_redis) = redis_by_tls(&files, port, plain) else { return not_run("there is neither Valkey nor Redis") };
    let checkout = Checkout::new("postgresql+asyncpg://u@localhost:1/d");
    let trusting = |root: &str| {
        let run = checkout.xtask("--component=app-proxy-worker --check --json").env("SSL_CERT_FILE", files.path(root));
        Checks(run.run())
    };
    let at = |port: u16| format!("addr = {{ host = '127.0.0.1', port = {port} }}\npassword = 'hidden-valkey'\n");
    worker(&checkout, &(at(port) + "use_tls = true"));
    trusting("root.crt").has("valkey", &["ok | answers PING at 127.0.0.1:", "by TLS (by app-proxy-worker.toml)"]);
    // Nobody vouches for it; then nobody asks who does.
    let unknown = checkout.check("app-proxy-worker");
    unknown.has("valkey", &["failed", "is to be reached by TLS, and that fails", "UnknownIssuer", "SSL_CERT_FILE"]);
    worker(&checkout, &(at(port) + "use_tls = true\ntls_skip_verify = true"));
    checkout.check("app-proxy-worker").has("valkey", &["ok", "its certificate not looked at"]);
    worker(&checkout, &at(port));
    checkout.check("app-proxy-worker").has("valkey", &["failed", "speaks TLS, and no `use_tls` says so"]);
    worker(&checkout, &(at(plain) + "use_tls = true"));
    checkout.check("app-proxy-worker").has("valkey", &["failed", "by TLS, and that fails: it answers without TLS"]);
    let (_silent, nobody) = silent();
    worker(&checkout, &(at(nobody) + "use_tls = true"));
    checkout.check("app-proxy-worker").has("valkey", &["failed", "accepts connections and does not answer"]);

    let sentinel_port = free_port();
    let config = format!(
        "port {sentinel_port}\nbind 127.0.0.1\nrequirepass hidden-sentinel\nsentinel monitor mine 127.0.0.1 {plain} 1\n"
    );
    let Some(_sentinel) = redis("", sentinel_port, Some(&config)) else { panic!("it was there a moment ago") };
    let by = |port: u16, service: &str, more: &str| {
        let text = format!("sentinel = '127.0.0.1:{port}'\nservice_name = '{service}'\npassword = 'hidden-valkey'\n");
        worker(&checkout, &(text + more));
        checkout.check("app-proxy-worker")
    };
    let good = "sentinel_password = 'hidden-sentinel'";
    by(sentinel_port, "mine", good).has("valkey", &["ok | answers PING at 127.0.0.1:", &plain.to_string()]);
    by(sentinel_port, "other", good).has("valkey", &["failed", "knows no master of the service other"]);
    let wrong = by(sentinel_port, "mine", "");
    wrong.has("valkey", &["failed", "the sentinel at 127.0.0.1:", "wants another password"]);
    assert!(!format!("{}{}", wrong.0.stdout, wrong.0.stderr).contains("hidden"), "{}", wrong.0);
    by(free_port(), "mine", good).has("valkey", &["failed | Nobody listens at"]);
    by(nobody, "mine", good).has("valkey", &["failed", "accepts connections and does not answer"]);
}

/// A sentinel that speaks TLS itself, and the manager's Valkey, of which etcd says whether it does.
#[test]
fn a_sentinel_behind_tls_and_the_keys_of_etcd() {
    let files = certificates();
    let port = free_port();
    let Some(_redis) = redis_by_tls(&files, port, 0) else { return not_run("there is neither Valkey nor Redis") };
    let checkout = Checkout::new("postgresql+asyncpg://u@localhost:1/d");
    let trusting = |service: &str| {
        let run = checkout.xtask(&format!("--component={service} --check --json"));
        Checks(run.env("SSL_CERT_FILE", files.path("root.crt")).run())
    };
    let secure = sentinel_by_tls(&files, port);
    let by = |more: &str| {
        let sentinel =
            format!("sentinel = '127.0.0.1:{}'\nservice_name = 'mine'\npassword = 'hidden-valkey'\n", secure.port);
        worker(&checkout, &(sentinel + more));
        trusting("app-proxy-worker")
    };
    by("use_tls = true").has("valkey", &["ok | answers PING at 127.0.0.1:", &port.to_string(), "by TLS"]);
    checkout.check("app-proxy-worker").has("valkey", &["failed", "UnknownIssuer"]);
    by("").has("valkey", &["failed", "the sentinel at 127.0.0.1:", "speaks TLS, and no `use_tls` says so"]);

    let Some(etcd) = etcd() else { return not_run("there is no etcd: apt-get install etcd-server") };
    checkout.manager("", etcd.port, [free_port(), free_port()]);
    etcd.put("addr", &format!("127.0.0.1:{port}"));
    etcd.put("password", "hidden-valkey");
    trusting("mgr").has("valkey", &["failed", "speaks TLS, and no `use_tls` says so (by etcd's config/redis)"]);
    etcd.put("use_tls", "true");
    trusting("mgr").has("valkey", &["ok | answers PING at", "by TLS (by etcd's config/redis)"]);
    etcd.put("tls_skip_verify", "true");
    checkout.check("mgr").has("valkey", &["ok", "its certificate not looked at"]);
}

/// Valkey or Redis that speaks TLS at `port`, and plainly at another one (0: nowhere).
fn redis_by_tls(files: &Certificates, port: u16, plain: u16) -> Option<Server> {
    let words = format!(
        "--port {plain} --tls-port {port} --bind 127.0.0.1 --save  --requirepass hidden-valkey --tls-auth-clients no \
         --tls-cert-file {} --tls-key-file {} --tls-ca-cert-file {}",
        files.path("server.crt"),
        files.path("server.key"),
        files.path("root.crt"),
    );
    redis(&words, port, None)
}

/// A sentinel that speaks TLS alone, of a Valkey that does.
fn sentinel_by_tls(files: &Certificates, valkey: u16) -> Server {
    let port = free_port();
    let config = format!(
        "port 0\ntls-port {port}\nbind 127.0.0.1\ntls-auth-clients no\ntls-replication yes\ntls-cert-file {}\n\
         tls-key-file {}\ntls-ca-cert-file {}\nsentinel monitor mine 127.0.0.1 {valkey} 1\n",
        files.path("server.crt"),
        files.path("server.key"),
        files.path("root.crt"),
    );
    redis("", port, Some(&config)).expect("it was there a moment ago")
}

/// A manager that is ready, by https.
fn ready_by_tls(files: &Certificates) -> u16 {
    let (listener, port) = silent();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let cert = CertificateDer::from_pem_slice(files.cert.as_bytes()).unwrap();
    let key = PrivateKeyDer::from_pem_slice(files.key.as_bytes()).unwrap();
    let config = Arc::new(builder.with_no_client_auth().with_single_cert(vec![cert], key).unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let mut stream = StreamOwned::new(ServerConnection::new(Arc::clone(&config)).unwrap(), stream);
            let _ = stream.read(&mut [0; 2048]);
            let _ = write!(stream, "HTTP/1.0 200 X\r\nContent-Length: 2\r\n\r\n{{}}");
        }
    });
    port
}

#[test]
fn a_manager_by_https() {
    let files = certificates();
    let port = ready_by_tls(&files);
    let checkout = Checkout::new("postgresql+asyncpg://u@localhost:1/d");
    let web = |endpoint: &str, more: &str| {
        let own = free_port();
        let text = format!("[service]\nip = '127.0.0.1'\nport = {own}\n[api]\nendpoint = '{endpoint}'\n{more}\n");
        checkout.project.write("webserver.conf", &text);
        checkout.xtask("--component=web --check --json")
    };
    let at = format!("https://localhost:{port}");
    let good = Checks(web(&at, "").env("SSL_CERT_FILE", files.path("root.crt")).run());
    good.has("manager", &["ok | ready at localhost:", "by TLS (/health/readyz)"]);
    let unknown = Checks(web(&at, "").run());
    unknown.has("manager", &["failed", "by TLS, and that fails", "UnknownIssuer", "SSL_CERT_FILE"]);
    Checks(web(&at, "ssl_verify = false").run()).has("manager", &["ok", "its certificate not looked at"]);
    let plain = super::service(&[("/health/readyz", 200)]);
    Checks(web(&format!("https://127.0.0.1:{plain}"), "").run()).has("manager", &["failed", "by TLS, and that fails"]);
    Checks(web(&format!("https://127.0.0.1:{}", free_port()), "").run())
        .has("manager", &["failed | Nobody listens at"]);
}
