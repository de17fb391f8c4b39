//! Checks the other services that have to run, and the ports on which this one is going to listen.

use std::io::ErrorKind;
use std::net::TcpListener;

use super::{Asking, executor, limit, no_key, without_config};
use crate::model::action::{Action, program};
use crate::model::check::Check;
use crate::model::url::{Address, Endpoint};
use crate::sys::backend_ai::{self, Uses};
use crate::sys::listener;
use crate::sys::net::{self, Place, Tls, Trouble};
use crate::sys::service_config::{Missing, ServiceConfig};

/// Paths that tell whether the manager is ready, the newest first: older ones lack the first.
const MANAGER: [&str; 2] = ["/health/readyz", "/health"];
const OTHERS: [&str; 1] = ["/readyz"];

pub fn manager(asking: &Asking, name: &str) -> Vec<Check> {
    let key = asking.service.uses.iter().find_map(|uses| match uses {
        Uses::ManagerAt(key) => Some(*key),
        _ => None,
    });
    match key {
        Some(key) => manager_at(asking, name, key),
        None => manager_of_file(asking, name),
    }
}

fn manager_at(asking: &Asking, name: &str, key: &str) -> Vec<Check> {
    let Some(config) = asking.config() else { return without_config(name) };
    let endpoints = config.texts(key);
    if endpoints.is_empty() {
        return no_key(config, name, key);
    }
    let table = key.rsplit_once('.').map_or("", |(table, _)| table);
    let is_any = config.is_on(&format!("{table}.ssl_verify")) == Some(false);
    let tls = if is_any { Tls::Unverified } else { Tls::Verified };
    endpoints.into_iter().map(|endpoint| by_endpoint(name, endpoint, tls, "mgr", &MANAGER)).collect()
}

/// Agent and storage proxy do not say where the manager is; the manager's own file does.
fn manager_of_file(asking: &Asking, name: &str) -> Vec<Check> {
    let file = backend_ai::SERVICES[0].file;
    let config = match ServiceConfig::find(&asking.root, file, None) {
        Ok(config) => config,
        Err(Missing::Nowhere(_)) => {
            return vec![Check::skipped(name, format!("not looked at: no {file} here says where it is"))];
        }
        Err(Missing::Broken(path, ..)) => {
            return vec![Check::skipped(name, format!("not looked at: {} cannot be read", path.display()))];
        }
    };
    let Some(place) = config.place("manager.service-addr") else {
        return no_key(&config, name, "manager.service-addr");
    };
    vec![ready(name, &place, "mgr", &MANAGER)]
}

pub fn coordinator(asking: &Asking, name: &str) -> Vec<Check> {
    let Some(config) = asking.config() else { return without_config(name) };
    let key = asking.service.uses.iter().find_map(|uses| match uses {
        Uses::CoordinatorAt(key) => Some(*key),
        _ => None,
    });
    let endpoint = key.and_then(|key| config.text(key));
    match endpoint {
        Some(endpoint) => vec![by_endpoint(name, endpoint, Tls::Verified, "app-proxy-coordinator", &OTHERS)],
        None => no_key(config, name, key.unwrap_or_default()),
    }
}

/// `tls`: how far a certificate is looked at, where the endpoint is one of https.
fn by_endpoint(name: &str, endpoint: &str, tls: Tls, service: &str, paths: &[&str]) -> Check {
    let (tls, usual) = if endpoint.starts_with("https://") { (tls, 443) } else { (Tls::No, 80) };
    let host = endpoint.split_once("://").map_or(endpoint, |(_, rest)| rest).split('/').next().unwrap_or_default();
    let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
    let place = Place::parse(endpoint).unwrap_or_else(|| Place::new(host, usual));
    ready(name, &place.over(tls), service, paths)
}

fn ready(name: &str, place: &Place, service: &str, paths: &[&str]) -> Check {
    let start = || Action::run("Start it", executor(service, "start-server"));
    for path in paths {
        match net::get(place, path, limit()) {
            Ok(answer) if (200..300).contains(&answer.status) => {
                return Check::ok(name, format!("ready at {place}{} ({path})", place.tls.words()));
            }
            Ok(answer) if answer.status == 404 => {}
            Ok(answer) if answer.status == 503 => {
                let check = Check::failed(name, format!("{place} answers, and says that it is not ready (HTTP 503)"));
                return check.fix(Action::run("See what it lacks", executor(service, "dependencies verify")));
            }
            Ok(answer) => {
                let check = Check::failed(name, format!("{place} answers {path} with HTTP {}", answer.status));
                return check.fix("Look at its log, and whether the address is another server's");
            }
            Err(trouble @ Trouble::Silent(_)) => {
                let fix = format!("Look at what listens at port {}, and start it anew if it hangs", place.port);
                return Check::failed(name, trouble.words(&place.to_string())).fix(fix);
            }
            Err(trouble @ Trouble::NoTls(_)) => {
                let fix = "Let this machine trust the certificate's root (SSL_CERT_FILE names one more), or correct the address";
                return Check::failed(name, trouble.words(&place.to_string())).fix(fix);
            }
            Err(trouble) => return Check::failed(name, trouble.words(&place.to_string())).fix(start()),
        }
    }
    let check = Check::failed(name, format!("{place} answers, and knows none of {}", paths.join(", ")));
    check.fix("Correct the address: it may be another server's")
}

/// Whether what the service listens at is free, by trying to listen there.
pub fn ports(asking: &Asking, _name: &str) -> Vec<Check> {
    let Some(config) = asking.config() else { return without_config("ports") };
    let places = asking.service.listens.iter().filter_map(|key| Some((*key, config.place(key)?)));
    let checks: Vec<Check> = places.map(|(key, place)| port(asking, config, key, &place)).collect();
    match (checks.is_empty(), asking.service.listens.first()) {
        (true, Some(key)) => no_key(config, "ports", key),
        _ => checks,
    }
}

fn port(asking: &Asking, config: &ServiceConfig, key: &str, place: &Place) -> Check {
    let name = format!("port {}", place.port);
    let host = if place.host.is_empty() { "0.0.0.0" } else { place.host.as_str() };
    match TcpListener::bind((host, place.port)) {
        Ok(_) => Check::ok(name, format!("free ({key})")),
        Err(error) if error.kind() == ErrorKind::AddrInUse => in_use(asking, config, key, host, name, place.port),
        Err(error) => {
            let check = Check::failed(name, format!("nobody can listen at {place}: {error}"));
            check.fix(format!("Correct `{key}` in {}", config.path.display()))
        }
    }
}

fn in_use(asking: &Asking, config: &ServiceConfig, key: &str, host: &str, name: String, port: u16) -> Check {
    let endpoint = Endpoint { address: Address::Host(host.to_owned()), port, password: None };
    let who = listener::at(&asking.ctx.ui, &endpoint);
    let is_backend_ai = who.first().is_some_and(|it| it.name.starts_with("backend.ai"));
    let words = match who.first() {
        Some(it) => format!("{} (process {})", it.name, it.pid),
        None => "a process that this user cannot see".to_owned(),
    };
    if is_backend_ai && !asking.is_start {
        return Check::ok(name, format!("it runs already: {words} ({key})"));
    }
    let other = format!("another port: `{key}` in {}", config.path.display());
    let fix = match who.first() {
        _ if is_backend_ai && asking.root.join("dev").is_file() => {
            Action::run("Stop it", program(["./dev", "stop", asking.service.dev]).at_root())
        }
        Some(it) => Action::run(format!("Take {other}; or end that process"), program(["kill", &it.pid.to_string()])),
        None => Action::from(format!("Take {other}; or end what listens there")),
    };
    Check::failed(name, format!("in use by {words} ({key})")).fix(fix)
}
