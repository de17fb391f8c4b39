//! URLs of every form, and what is said of those that cannot be used.

use std::path::Path;

use super::*;

fn parse(text: &str) -> DbUrl {
    DbUrl::parse(text).unwrap()
}

fn around(vars: &[(&str, &str)], pgpass: &str) -> Surroundings {
    Surroundings {
        vars: vars.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect(),
        pgpass: Some(Secret::new(pgpass)),
        os_user: Some("me".to_owned()),
    }
}

fn place(text: &str) -> String {
    let url = parse(text);
    format!("{} {}/{}", url.target().place(), url.target().user, url.target().database)
}

fn refused(text: &str) -> String {
    DbUrl::parse(text).unwrap_err().to_string()
}

fn password(url: &DbUrl) -> Option<String> {
    url.target().endpoints[0].password.as_ref().map(|password| password.expose().to_owned())
}

#[test]
fn hosts_in_every_form() {
    for (text, expected) in [
        ("postgresql+asyncpg://u@h/d", "h:5432 u/d"),
        ("postgresql+asyncpg://u@[::1]:1/d", "[::1]:1 u/d"),
        ("postgresql+asyncpg://u@/d?host=/run/pg", "/run/pg/.s.PGSQL.5432 u/d"),
        ("postgresql+asyncpg://u@:7/d?host=/run/pg", "/run/pg/.s.PGSQL.7 u/d"),
        ("postgresql+asyncpg://u@/d?host=/run/pg/.s.PGSQL.9", "/run/pg/.s.PGSQL.9 u/d"),
        ("postgresql+asyncpg://u@/d?host=a:1&host=b:2", "a:1, b:2 u/d"),
        ("postgresql+psycopg2://u@/d?host=a:1&host=b", "a:1, b:5432 u/d"),
        ("postgresql+psycopg://u@/d?host=a,b&port=1,2", "a:1, b:2 u/d"),
        ("postgresql://u@h1,h2:6/d", "h1:6, h2:6 u/d"),
        ("postgresql+psycopg://u@ignored/d?host=b&dbname=e&user=v", "b:5432 v/e"),
        ("postgresql+psycopg://u@ignored:3/d?host=b", "b:3 u/d"),
        ("postgresql+asyncpg://u@/d?host=b:8", "b:8 u/d"),
        ("postgresql+pg8000://u@/d?unix_sock=/run/pg/.s.PGSQL.5433", "/run/pg/.s.PGSQL.5433 u/d"),
        ("postgresql+pg8000://u@/d", "localhost:5432 u/d"),
        ("postgresql+psycopg_async://u@/d", "/var/run/postgresql/.s.PGSQL.5432, /tmp/.s.PGSQL.5432 u/d"),
    ] {
        assert_eq!(place(text), expected, "{text}");
    }
}

#[test]
fn what_cannot_be_used_is_said_without_the_password() {
    for (text, part) in [
        ("postgres://u:hidden@h/d", "postgresql://"),
        ("mysql+pymysql://u:hidden@h/d", "`mysql`"),
        ("sqlite:///file.db", "`sqlite`"),
        ("postgresql+odd://u:hidden@h/d", "`odd`"),
        ("", "no database URL"),
        ("host=h password=hidden", "no database URL"),
        ("postgresql://u:hid:den/x@h:99999/d", "no port"),
        ("postgresql://u:hidden@h1:1,h2:2/d", "no port"),
        ("postgresql://u:hidden@h/d?sslmode=maybe", "`maybe`"),
        ("postgresql://u:hidden@h/d?service=x", "`service`"),
        ("postgresql://u:hidden@/d?host=a,b,c&port=1,2", "2 ports do not fit 3 hosts"),
        ("postgresql://u:hidden@/d?host=a:1&host=b:2&port=3", "one of the two forms"),
        ("postgresql+pg8000://:hidden@h/d", "no user"),
        ("postgresql+pg8000://u:hidden@/d?unix_sock=/tmp/other", "`/tmp/other`"),
    ] {
        let said = refused(text);
        assert!(said.contains(part) && !said.contains("hidden"), "{text}: {said}");
    }
}

#[test]
fn nothing_shows_a_password() {
    let url = parse("postgresql+psycopg://u:p%40ss@h/d?password=qpw&sslpassword=kpw&application_name=x");
    let url = url.complete(around(&[("PGPASSWORD", "envpw")], "*:*:*:*:filepw")).unwrap();
    let shown = format!("{url} {url:?} {:?} {:?} {}", url.parts(), url.target(), url.to_sqlalchemy());
    for hidden in ["p@ss", "p%40ss", "qpw", "kpw", "envpw", "filepw"] {
        assert!(!shown.contains(hidden), "{shown}");
    }
    assert!(shown.contains("application_name=x"), "{shown}");
}

#[test]
fn the_password_comes_from_where_the_driver_takes_it() {
    let full = || around(&[("PGPASSWORD", "env")], "*:*:*:*:file");
    let file = |text: &str| around(&[], text);
    let of = |text: &str, around| password(&parse(text).complete(around).unwrap());
    assert_eq!(of("postgresql://u:url@h/d", full()).as_deref(), Some("url"));
    // SQLAlchemy leaves an empty password out, so the driver goes on looking.
    assert_eq!(of("postgresql://u:@h/d", full()).as_deref(), Some("env"));
    assert_eq!(of("postgresql+asyncpg://u@h/d", full()).as_deref(), Some("env"));
    assert_eq!(of("postgresql://u@h/d", file("*:*:*:*:file")).as_deref(), Some("file"));
    assert_eq!(of("postgresql+pg8000://u@h/d", full()), None);
    let text = "# h:5432:d:u:comment\nh:1:d:u:port\nh:5432:e:u:database\n\\*:5432:d:u:star\nh:5432:d:u:a\\:b\\\\c\n*:*:*:*:last";
    assert_eq!(of("postgresql://u@h/d", file(text)).as_deref(), Some("a:b\\c"));
    assert_eq!(of("postgresql://u@h:1/d", file(text)).as_deref(), Some("port"));
    assert_eq!(of("postgresql://u@*/d", file(text)).as_deref(), Some("star"));
    assert_eq!(of("postgresql://u@[::1]/d", file("\\:\\:1:5432:d:u:six")).as_deref(), Some("six"));
    assert_eq!(of("postgresql://u@/d", file("localhost:*:*:*:socket")).as_deref(), Some("socket"));
    assert_eq!(of("postgresql://u@/d?host=/x", file("/x:*:*:*:folder")).as_deref(), Some("folder"));
    assert_eq!(of("postgresql://u@h/d", file("h:5432:d:u")), None);
}

#[test]
fn the_environment_fills_what_is_missing() {
    let vars = [
        ("PGHOST", "eh"),
        ("PGPORT", "7"),
        ("PGUSER", "eu"),
        ("PGDATABASE", "ed"),
        ("PGSSLMODE", "verify-ca"),
        ("PGSSLROOTCERT", "/ca"),
    ];
    let url = parse("postgresql://").complete(around(&vars, "")).unwrap();
    assert_eq!(format!("{} {} {}", url.target().place(), url.target().user, url.target().database), "eh:7 eu ed");
    assert_eq!(url.target().ssl.mode, SslMode::VerifyCa);
    assert_eq!(url.target().ssl.root_cert.as_deref(), Some("/ca"));
    let url = parse("postgresql+asyncpg://u@h:1/d?ssl=require").complete(around(&vars, "")).unwrap();
    assert_eq!(format!("{} {} {}", url.target().place(), url.target().user, url.target().database), "h:1 u d");
    assert_eq!(url.target().ssl.mode, SslMode::Require);
    let url = parse("postgresql+pg8000://u@").complete(around(&vars, "")).unwrap();
    assert_eq!(
        format!("{} {} {}", url.target().place(), url.target().user, url.target().database),
        "localhost:5432 u u"
    );
    let url = parse("postgresql://h").complete(around(&[], "")).unwrap();
    assert_eq!((url.target().user.as_str(), url.target().database.as_str()), ("me", "me"));
    assert!(parse("postgresql://u@h/d").complete(around(&[("PGPORT", "x")], "")).is_err());
    assert!(parse("postgresql:///d").complete(around(&[("PGSERVICE", "x")], "")).is_err());
}

#[test]
fn written_back_it_is_the_same_url() {
    for text in [
        "postgresql+asyncpg://u:p%40s%2F%3A%25%20%2B@h:1/d?ssl=require&x=a%26b",
        "postgresql+psycopg2://:p@h/d",
        "postgresql://u@[::1]/d?host=a:1&host=b:2",
        "postgresql+pg8000://u:@/d?unix_sock=/run/pg/.s.PGSQL.5432",
        "postgresql+asyncpg://%C3%A9:%F0%9F%90%98@h/d%20x",
    ] {
        let url = parse(text);
        assert_eq!(parse(url.to_sqlalchemy().expose()), url, "{text}");
    }
}

#[test]
fn another_database_keeps_everything_else() {
    let url = parse("postgresql+psycopg://u@h:1/d?dbname=e&sslmode=require&connect_timeout=3");
    let url = url.complete(around(&[], "h:1:e:u:only for e")).unwrap().with_database("scratch");
    assert_eq!(
        url.to_sqlalchemy().expose(),
        "postgresql+psycopg://u:only%20for%20e@h:1/scratch?sslmode=require&connect_timeout=3"
    );
    assert_eq!(url.target().database, "scratch");
    assert_eq!(parse(url.to_sqlalchemy().expose()).target().database, "scratch");
}

#[test]
fn on_a_socket_in_each_drivers_form() {
    for (driver, query) in [
        ("+asyncpg", "host=/run/x&port=5433"),
        ("+psycopg", "host=/run/x&port=5433"),
        ("", "host=/run/x&port=5433"),
        ("+pg8000", "unix_sock=/run/x/.s.PGSQL.5433"),
    ] {
        let url = parse(&format!("postgresql{driver}://u:p@h:1/d?sslmode=verify-full&application_name=a"));
        let url = url.on_socket(Path::new("/run/x"), 5433, "postgres", "s");
        assert_eq!(
            url.to_sqlalchemy().expose(),
            format!("postgresql{driver}://postgres@/s?{query}&application_name=a")
        );
        let again = parse(url.to_sqlalchemy().expose());
        assert_eq!(again.target().endpoints, url.target().endpoints);
        assert!(url.is_local());
    }
}

#[test]
fn local_is_this_machine() {
    for (host, local) in [
        ("localhost", true),
        ("LOCALHOST.", true),
        ("127.0.0.1", true),
        ("127.8.8.8", true),
        ("[::1]", true),
        ("[::ffff:127.0.0.1]", true),
        ("db.localhost", true),
        ("0.0.0.0", false),
        ("10.0.0.1", false),
        ("localhost.example.org", false),
        ("db", false),
    ] {
        assert_eq!(parse(&format!("postgresql://u@{host}/d")).is_local(), local, "{host}");
    }
    assert!(!parse("postgresql://u@/d?host=localhost,db").is_local());
    assert!(parse("postgresql://u@/d?host=/tmp").is_local());
}

/// Also for whoever reads its text: libpq goes on to the next host where nobody answers, but not where the database is missing.
#[test]
fn one_of_several_servers() {
    let url = parse("postgresql+psycopg://u@/d?host=a:1&host=b:2&target_session_attrs=read-write&sslmode=disable");
    let second = url.target().endpoints[1].clone();
    let one = url.only_at(&second).with_database("x");
    assert_eq!(one.to_sqlalchemy().expose(), "postgresql+psycopg://u@b:2/x?sslmode=disable");
    assert_eq!((one.target().endpoints.len(), parse(one.to_sqlalchemy().expose()).target().endpoints[0].port), (1, 2));
    let url = parse("postgresql+psycopg2://u@/d?host=/tmp,b&port=3,4");
    let socket = url.only_at(&url.target().endpoints[0]);
    assert_eq!(parse(socket.to_sqlalchemy().expose()).target().endpoints, url.target().endpoints[..1]);
    let single = parse("postgresql://u@a/d?connect_timeout=3");
    assert_eq!(single.only_at(&single.target().endpoints[0]).to_sqlalchemy().expose(), single.to_sqlalchemy().expose());
}

/// No text, however odd, ends in a panic.
#[test]
fn odd_texts_are_answered() {
    let pieces =
        ["postgresql", "+", "://", "@", ":", "/", "?", "[", "]", "%", "%4", "é", "host=", "&", "a", "\\", "\n"];
    let mut seed = 7_u64;
    for _ in 0..20_000 {
        let mut text = String::from("postgresql://");
        for _ in 0..seed % 9 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            text.push_str(pieces[(seed >> 33) as usize % pieces.len()]);
        }
        seed = seed.wrapping_add(1);
        let _ = DbUrl::parse(&text);
    }
}
