//! Checks the servers that compose starts (PostgreSQL, Valkey, etcd), and whether the database is at the head of the
//! files.

use std::path::Path;

use super::{Asking, executor, limit, no_key, without_config};
use crate::fail::{Kind, from_anyhow};
use crate::model::action::{Action, own, program};
use crate::model::check::{Check, State};
use crate::model::compose;
use crate::model::status::State as Standing;
use crate::model::url::DbUrl;
use crate::report::checks;
use crate::sys::backend_ai::{COMPOSE, USUAL_COMPOSE, Uses};
use crate::sys::etcd::Etcd;
use crate::sys::files;
use crate::sys::net::{self, Place, Tls, Trouble};
use crate::sys::pg::{Db, application_name};
use crate::sys::service_config::{ServiceConfig, is_yes};
use crate::sys::valkey::{self, Master, Pong};
use crate::work::standing;

/// What starts the servers in the checkout at hand.
pub fn start(root: &Path) -> Action {
    let up = |file: &str| program(["docker", "compose", "-f", file, "up", "-d", "--wait"]).at_root();
    let is_there = |file: &str| root.join(file).is_file();
    let [current, template] = COMPOSE;
    match USUAL_COMPOSE.into_iter().find(|file| is_there(file)) {
        _ if is_there(current) => Action::run("Start the servers", up(current)),
        _ if is_there(template) => {
            let copy = program(["cp", template, current]).at_root();
            Action::run("Make the compose file, then start what it names and look again", copy)
        }
        Some(file) => Action::run("Start the servers", up(file)),
        None => "Start it, or correct the address in the config".into(),
    }
}

/// Of a server that is to be at `place`.
fn unreachable(root: &Path, name: &str, place: &Place, trouble: &Trouble) -> Vec<Check> {
    let check = Check::failed(name, trouble.words(&place.to_string()));
    let fix = match trouble {
        Trouble::Silent(_) => {
            Action::from(format!("Look at what listens at port {}, and start it anew if it hangs", place.port))
        }
        Trouble::NoTls(_) => Action::from(
            "Let this machine trust the certificate's root (SSL_CERT_FILE names one more), or correct `use_tls`",
        ),
        Trouble::Other(_) => {
            Action::from("Correct the address in the config: what listens there may be another server")
        }
        _ if !place.is_here() => {
            Action::from(format!("Check that this machine reaches {place}: network, VPN, firewall"))
        }
        _ => start(root),
    };
    vec![check.fix(fix)]
}

pub fn postgresql(asking: &Asking, name: &str) -> Vec<Check> {
    let Some(config) = asking.config() else { return without_config(name) };
    let Some(place) = config.place("db.addr") else { return no_key(config, name, "db.addr") };
    let url = match database(config, &place) {
        Ok(url) => url,
        Err(why) => return vec![Check::failed(name, format!("{}: {why}", config.path.display()))],
    };
    match Db::connect_to_look(&url, &application_name("cli-executor")) {
        Ok(db) => {
            let version = &db.server_version().text;
            vec![Check::ok(name, format!("{} on {place} (PostgreSQL {version})", url.target().database))]
        }
        Err(error) => {
            let fail = from_anyhow(&error);
            if fail.kind != Kind::ConnectionRefused || fail.sqlstate.is_some() {
                return vec![checks::of_fail(name, &fail)];
            }
            let trouble = net::knock(&place, limit()).err().unwrap_or(Trouble::Silent(limit()));
            unreachable(&asking.root, name, &place, &trouble)
        }
    }
}

fn database(config: &ServiceConfig, place: &Place) -> Result<DbUrl, String> {
    let encoded = |key: &str| {
        let text = config.text(key).unwrap_or_default();
        percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
    };
    let (user, password, name) = (encoded("db.user"), encoded("db.password"), encoded("db.name"));
    let text = format!("postgresql://{user}:{password}@{place}/{name}?connect_timeout={}", limit().as_secs().max(1));
    DbUrl::parse(&text).map_err(|error| error.to_string())
}

fn etcd_of(config: &ServiceConfig) -> Option<Etcd> {
    let text = |key: &str| config.text(key).unwrap_or_default().to_owned();
    let (user, namespace) = (text("etcd.user"), text("etcd.namespace"));
    Some(Etcd {
        place: config.place("etcd.addr")?,
        namespace: if namespace.is_empty() { "local".to_owned() } else { namespace },
        user: (!user.is_empty()).then(|| (user, text("etcd.password"))),
    })
}

pub fn etcd(asking: &Asking, name: &str) -> Vec<Check> {
    let Some(config) = asking.config() else { return without_config(name) };
    let Some(etcd) = etcd_of(config) else { return no_key(config, name, "etcd.addr") };
    match etcd.health(limit()) {
        Ok(Ok(())) => vec![Check::ok(name, format!("well, at {}, namespace {}", etcd.place, etcd.namespace))],
        Ok(Err(why)) => {
            let check = Check::failed(name, format!("{}: {why}", etcd.place));
            vec![check.fix(format!("Correct `etcd.addr` in {}, or look at etcd's log", config.path.display()))]
        }
        Err(trouble) => unreachable(&asking.root, name, &etcd.place, &trouble),
    }
}

pub fn valkey(asking: &Asking, name: &str) -> Vec<Check> {
    let Some(config) = asking.config() else { return without_config(name) };
    let key = asking.service.uses.iter().find_map(|uses| match uses {
        Uses::Valkey(key) => Some(*key),
        _ => None,
    });
    match key {
        Some(key) => in_file(asking, name, config, key),
        None => in_etcd(asking, name, config),
    }
}

/// Valkey by the address in the service's own file.
fn in_file(asking: &Asking, name: &str, config: &ServiceConfig, key: &str) -> Vec<Check> {
    let below = |part: &str| format!("{key}.{part}");
    let text = |part: &str| config.text(&below(part));
    let is_on = |part: &str| config.is_on(&below(part)).unwrap_or(false);
    let said = Said {
        addr: config.place(&below("addr")),
        sentinel: config.place(&below("sentinel")),
        service: text("service_name"),
        password: text("password"),
        sentinel_password: text("sentinel_password"),
        tls: tls(is_on("use_tls"), is_on("tls_skip_verify")),
        by: format!("by {}", shown(asking, config)),
    };
    looked_at(asking, name, &said).unwrap_or_else(|| no_key(config, name, &below("addr")))
}

/// What a config says of Valkey.
struct Said<'a> {
    addr: Option<Place>,
    sentinel: Option<Place>,
    service: Option<&'a str>,
    password: Option<&'a str>,
    sentinel_password: Option<&'a str>,
    tls: Tls,
    /// Who says it.
    by: String,
}

fn tls(is_used: bool, is_any_certificate: bool) -> Tls {
    match (is_used, is_any_certificate) {
        (false, _) => Tls::No,
        (true, false) => Tls::Verified,
        (true, true) => Tls::Unverified,
    }
}

/// `None` where no address is said.
fn looked_at(asking: &Asking, name: &str, said: &Said<'_>) -> Option<Vec<Check>> {
    let given = |password: Option<&'_ str>| password.filter(|password| !password.is_empty()).map(str::to_owned);
    let password = given(said.password);
    let place = match (&said.sentinel, said.service) {
        (Some(sentinel), Some(service)) => {
            let own = given(said.sentinel_password).or_else(|| password.clone());
            match by_sentinel(asking, name, &sentinel.clone().over(said.tls), own.as_deref(), service) {
                Ok(place) => place,
                Err(checks) => return Some(checks),
            }
        }
        _ => said.addr.clone()?.over(said.tls),
    };
    Some(pinged(asking, name, &place, password.as_deref(), &said.by))
}

fn shown(asking: &Asking, config: &ServiceConfig) -> String {
    config.path.strip_prefix(&asking.root).unwrap_or(&config.path).display().to_string()
}

/// Valkey by the address that etcd holds; the manager and the agent have no other.
fn in_etcd(asking: &Asking, name: &str, config: &ServiceConfig) -> Vec<Check> {
    let Some(etcd) = etcd_of(config) else { return without_config(name) };
    if net::knock(&etcd.place, limit()).is_err() {
        return vec![Check::skipped(name, "not looked at: its address is in etcd, which is not there")];
    }
    const KEYS: [&str; 7] = [
        "config/redis/addr",
        "config/redis/sentinel",
        "config/redis/service_name",
        "config/redis/password",
        "config/redis/sentinel_password",
        "config/redis/use_tls",
        "config/redis/tls_skip_verify",
    ];
    let told = match etcd.values(&KEYS, limit()) {
        Ok(told) => told,
        Err(why) => return vec![Check::skipped(name, format!("not looked at: its address is in etcd. {why}"))],
    };
    let [addr, sentinel, service, password, sentinel_password, use_tls, skip_verify] =
        std::array::from_fn(|at| told.get(at).and_then(Option::as_deref));
    let first = |text: &str| text.split(',').next().and_then(Place::parse);
    let said = Said {
        addr: addr.and_then(first),
        sentinel: sentinel.and_then(first),
        service,
        password,
        sentinel_password,
        tls: tls(use_tls.is_some_and(is_yes), skip_verify.is_some_and(is_yes)),
        by: "by etcd's config/redis".to_owned(),
    };
    looked_at(asking, name, &said).unwrap_or_else(|| {
        let why = format!("etcd holds no config/redis/addr in the namespace {}", etcd.namespace);
        let put = executor("mgr", &format!("etcd put config/redis/addr 127.0.0.1:{}", compose_port(asking)));
        vec![Check::failed(name, why).fix(Action::run("Say where it is", put))]
    })
}

fn compose_port(asking: &Asking) -> u16 {
    let files = COMPOSE.iter().filter_map(|file| files::read_text(&asking.root.join(file)).ok());
    files.flat_map(|text| compose::ports_to(&text, 6379)).next().unwrap_or(6379)
}

fn by_sentinel(
    asking: &Asking,
    name: &str,
    sentinel: &Place,
    password: Option<&str>,
    service: &str,
) -> Result<Place, Vec<Check>> {
    match valkey::master(sentinel, password, service, limit()) {
        Ok(Master::At(place)) => Ok(place),
        Ok(Master::Password) => {
            let which = if password.is_some() { "another" } else { "a" };
            let check = Check::failed(name, format!("the sentinel at {sentinel} wants {which} password"));
            Err(vec![check.fix("Correct `sentinel_password`, or the password beside it")])
        }
        Ok(Master::Unknown) => {
            let why = format!("the sentinel at {sentinel} knows no master of the service {service}");
            Err(vec![Check::failed(name, why).fix("Look at the sentinel's log, and at `service_name`")])
        }
        Ok(Master::SpeaksTls) => {
            let check = Check::failed(name, format!("the sentinel at {sentinel} speaks TLS, and no `use_tls` says so"));
            Err(vec![check.fix("Set `use_tls` beside the address, or correct the address")])
        }
        Err(trouble) => Err(unreachable(&asking.root, name, sentinel, &trouble)),
    }
}

fn pinged(asking: &Asking, name: &str, place: &Place, password: Option<&str>, by: &str) -> Vec<Check> {
    match valkey::ping(place, password, limit()) {
        Ok(Pong::Yes) => vec![Check::ok(name, format!("answers PING at {place}{} ({by})", place.tls.words()))],
        Ok(Pong::SpeaksTls) => {
            let check = Check::failed(name, format!("{place} speaks TLS, and no `use_tls` says so ({by})"));
            vec![check.fix("Set `use_tls` beside the address, or correct the address")]
        }
        Ok(Pong::Password) => {
            let why = format!("{place} wants {} password ({by})", if password.is_some() { "another" } else { "a" });
            vec![Check::failed(name, why).fix("Correct the password beside the address")]
        }
        Ok(Pong::Says(what)) => {
            let check = Check::failed(name, format!("{place} does not answer PING, but says: {what}"));
            vec![check.fix("Wait until it has loaded its data, or correct the address: it may be another server's")]
        }
        Err(trouble) => unreachable(&asking.root, name, place, &trouble),
    }
}

/// A warning at most: with pending migrations it starts, and may meet errors.
pub fn migrations(asking: &Asking, name: &str) -> Vec<Check> {
    let Some(component) = asking.service.migrations else { return Vec::new() };
    let project = match asking.ctx.project() {
        Ok(project) => project,
        Err(error) => return vec![Check { state: State::Warning, ..checks::of_fail(name, &from_anyhow(&error)) }],
    };
    let Some(known) = project.components.iter().find(|known| known.name == component) else {
        return vec![Check::skipped(name, format!("not looked at: there is no Alembic config of {component} here"))];
    };
    let fix = Action::run("Apply them", own("db-migrate").of(component));
    let look = Action::run("See what is to be done", own("db-status").of(component));
    let found = match standing::standing(&asking.ctx, known) {
        Ok(found) => found,
        Err(error) => {
            let fail = from_anyhow(&error);
            let first = fail.details.lines().next().unwrap_or_default();
            return vec![Check::skipped(name, format!("not looked at: {} ({first})", fail.summary))];
        }
    };
    vec![match found.state {
        Standing::UpToDate => Check::ok(name, format!("{component} is up-to-date")),
        Standing::Behind => {
            let what = match found.pending.len() {
                1 => format!("1 migration of {component} is pending"),
                count => format!("{count} migrations of {component} are pending"),
            };
            Check::warning(name, format!("{what}; starting now may meet errors")).fix(fix)
        }
        Standing::NoRevision => {
            Check::warning(name, format!("the database of {component} has no revision yet")).fix(look)
        }
        state => Check::warning(name, format!("{component} is {}", state.name())).fix(look),
    }]
}
