//! URLs against the real thing: SQLAlchemy's own `make_url`, and each driver connecting with what we write.

use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::Value;
use xtask::model::url::DbUrl;

use crate::support::pg::{SUPERUSER, cluster};
use crate::support::private::private_cluster;
use crate::support::python::python;

/// What a URL is, part by part, for both sides to print.
const PARTS: &str = r#"
import json, sys
from sqlalchemy import make_url
for text in json.load(sys.stdin):
    try:
        u = make_url(text)
        query = {k: [v] if isinstance(v, str) else list(v) for k, v in u.query.items()}
        print(json.dumps([u.drivername, u.username, u.password, u.host, u.port or None, u.database, query]))
    except Exception as error:
        print(json.dumps(None))
"#;

/// Connects with each URL of stdin and prints where it got.
const CONNECT: &str = r#"
import asyncio, json, sys
from sqlalchemy import create_engine, make_url, text
from sqlalchemy.ext.asyncio import create_async_engine
SQL = text("select current_database(), current_user, coalesce(inet_server_port(), 0)")
async def go(url):
    engine = create_async_engine(url)
    async with engine.connect() as connection:
        row = (await connection.execute(SQL)).one()
    await engine.dispose()
    return row
for url in json.load(sys.stdin):
    driver = make_url(url).drivername
    if driver.endswith(("asyncpg", "_async")):
        row = asyncio.run(go(url))
    else:
        with create_engine(url).connect() as connection:
            row = connection.execute(SQL).one()
    print(json.dumps(list(row)))
"#;

#[expect(clippy::disallowed_methods)]
fn run(script: &str, input: &Value) -> Vec<Value> {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let name = format!("xtu-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
    let file: PathBuf = std::env::temp_dir().join(name);
    std::fs::write(&file, input.to_string()).unwrap();
    let mut command = Command::new(python());
    command.args(["-c", script]).stdin(std::fs::File::open(&file).unwrap()).env_remove("PGPASSWORD");
    let output = command.output().unwrap();
    std::fs::remove_file(&file).unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn ours(text: &str) -> Value {
    let Ok(url) = DbUrl::parse(text) else {
        return Value::Null;
    };
    let parts = url.parts();
    let query = parts.query.iter().map(|(key, values)| (key.clone(), Value::from(values.clone())));
    let password = parts.password.as_ref().map(|password| password.expose());
    let query = Value::Object(query.collect());
    serde_json::json!([parts.drivername, parts.user, password, parts.host, parts.port, parts.database, query])
}

/// URLs on which SQLAlchemy must say the same as we do.
const NASTY: &[&str] = &[
    "postgresql://",
    "postgresql:///d",
    "postgresql://h",
    "postgresql://h/",
    "postgresql://h:",
    "postgresql://h:5433",
    "postgresql://u@h/d",
    "postgresql://u:@h/d",
    "postgresql://:p@h/d",
    "postgresql://@h/d",
    "postgresql://u:p@/d",
    "postgresql+asyncpg://u:p%40%3A%2F%25@h:1/d",
    "postgresql+asyncpg://u%40x:p@h/d",
    "postgresql+asyncpg://u@x:p@h/d",
    "postgresql+asyncpg://u@x@h/d",
    "postgresql+asyncpg://u:p@x@h/d",
    "postgresql+asyncpg://u:p/q@h/d",
    "postgresql+asyncpg://u:p?q#r@h/d",
    "postgresql+asyncpg://u:p:q@h:1/d",
    "postgresql+asyncpg://u:%zz%4@h/d",
    "postgresql+asyncpg://u:%ff%fe@h/d",
    "postgresql+asyncpg://u:a+b c@h/d",
    "postgresql+asyncpg://ü:pässwörd🐘@h/d",
    "postgresql+asyncpg://u@h:5432/d?x=a@b",
    "postgresql+asyncpg://u@h/d?x=a@b",
    "postgresql+psycopg://u@[::1]:5/d",
    "postgresql+psycopg://u@[fe80::1%25eth0]/d",
    "postgresql+psycopg://u@[::1/d",
    "postgresql+psycopg://u@[]/d",
    "postgresql+psycopg://u@[::1]x:5/d",
    "postgresql+psycopg://u@h1,h2:5/d",
    "postgresql+psycopg2://u@/d?host=/run/pg",
    "postgresql+psycopg2://u@/d?host=a:1&host=b:2&host=c:3",
    "postgresql+psycopg2://u@/d?host=a,b&port=1,2",
    "postgresql+psycopg2://u@h/d?a=1&b=&c&a=2&%61=3&d=x%26y+z%2B",
    "postgresql+psycopg2://u@h/d?a=1;b=2",
    "postgresql+psycopg2://u@h/d?a=b=c&=x",
    "postgresql+psycopg2://u@h?a=1",
    "postgresql+psycopg2://u@h/d%20e/f?",
    "postgresql+psycopg2://u@h//d",
    "postgresql+psycopg2://u@h/d#e",
    "postgresql+psycopg2://u@h/d?x=1?y=2",
    "postgresql+pg8000://u:p@h/d?unix_sock=/tmp/.s.PGSQL.5432",
    "postgresql+psycopg_async://u:p@h/d",
    "postgresql://u:p@h:port/d",
    "postgresql:/u@h/d",
    "postgresql",
    "",
];

#[test]
fn parts_as_sqlalchemy_sees_them() {
    let theirs = run(PARTS, &NASTY.iter().map(|text| (*text).into()).collect::<Vec<Value>>().into());
    assert_eq!(theirs.len(), NASTY.len());
    for (text, theirs) in NASTY.iter().zip(theirs) {
        assert_eq!(ours(text), theirs, "{text}");
    }
}

/// The same over random texts of the characters that matter; what we refuse for reasons of our own is left out.
#[test]
fn random_urls_as_sqlalchemy_sees_them() {
    let pieces = ["u", ":", "@", "/", "?", "[", "]", "%40", "%", "=", "&", "h", "5", ",", "+", " ", "é", "host=a"];
    let mut seed = 11_u64;
    let mut texts = Vec::new();
    for _ in 0..4_000 {
        let mut text = String::from("postgresql://");
        for _ in 0..2 + seed % 11 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            text.push_str(pieces[(seed >> 33) as usize % pieces.len()]);
        }
        texts.push(text.trim_end().to_owned());
    }
    let theirs = run(PARTS, &texts.clone().into());
    let mut compared = 0;
    for (text, theirs) in texts.iter().zip(theirs) {
        let ours = ours(text);
        if !ours.is_null() {
            compared += 1;
            assert_eq!(ours, theirs, "{text}");
        }
    }
    assert!(compared > 2_000, "only {compared} of 4000 were comparable");
}

const DRIVERS: [&str; 6] = ["+asyncpg", "+psycopg", "+psycopg_async", "+psycopg2", "+pg8000", ""];

#[test]
fn every_driver_connects_on_a_socket() {
    let database = cluster().database();
    let urls: Vec<Value> = DRIVERS
        .iter()
        .map(|driver| DbUrl::parse(&format!("postgresql{driver}://old:pw@gone.invalid:1/old?application_name=t")))
        .map(|url| url.unwrap().on_socket(&cluster().socket_dir, 5432, SUPERUSER, &database))
        // pg8000 and asyncpg take no libpq words but their own; an application name is not one of asyncpg's.
        .map(|url| url.to_sqlalchemy().expose().to_owned())
        .map(|text| if text.contains("asyncpg") { text.replace("&application_name=t", "") } else { text }.into())
        .collect();
    for row in run(CONNECT, &urls.into()) {
        assert_eq!(row, serde_json::json!([database, SUPERUSER, 0]));
    }
}

#[test]
fn every_driver_connects_with_any_password_and_another_database() {
    let server = private_cluster("", "host all all all scram-sha-256", &[]);
    let password = "p@s:s/w%o?r#d &=+'\"\\é";
    let sql = format!("create role \"o@d:d\" login password '{}'", password.replace('\'', "''"));
    server.client("postgres").batch_execute(&sql).unwrap();
    server.client("postgres").batch_execute("create database other").unwrap();
    let word = |text: &str| text.bytes().map(|byte| format!("%{byte:02X}")).collect::<String>();
    let mut urls = Vec::new();
    for driver in DRIVERS {
        let text =
            format!("postgresql{driver}://{}:{}@localhost:{}/nowhere", word("o@d:d"), word(password), server.port);
        let url = DbUrl::parse(&text).unwrap().with_database("other");
        let mut db = xtask::sys::pg::Db::connect(&url, "test").unwrap();
        let row = db.client().query_one("select current_user::text", &[]).unwrap();
        assert_eq!(row.get::<_, String>(0), "o@d:d");
        urls.push(Value::from(url.to_sqlalchemy().expose()));
    }
    for row in run(CONNECT, &urls.into()) {
        assert_eq!(row, serde_json::json!(["other", "o@d:d", server.port]));
    }
}
