//! Compares a checkout's files with each other: a config has to exist and be readable, the files that compose mounts
//! have to exist, and ports, databases and secrets have to be the same in several files.

use std::path::{Path, PathBuf};

use super::Asking;
use crate::ctx::Ctx;
use crate::model::action::{Action, program};
use crate::model::check::{Check, State};
use crate::model::compose;
use crate::sys::backend_ai::{self, COMPOSE, Service, USUAL_COMPOSE, Uses};
use crate::sys::files;
use crate::sys::service_config::{Missing, ServiceConfig};
use crate::sys::settings::Server;

pub fn config(asking: &Asking, name: &str) -> Vec<Check> {
    vec![match &asking.config {
        Ok(config) => Check::ok(name, config.path.display().to_string()),
        Err(missing) => no_config(&asking.root, name, asking.service, missing),
    }]
}

fn no_config(root: &Path, name: &str, service: &Service, missing: &Missing) -> Check {
    match missing {
        Missing::Broken(path, line, why) => {
            let at = line.map(|line| format!(":{line}")).unwrap_or_default();
            let check = Check::failed(name, format!("{}{at} cannot be read: {why}", path.display()));
            check.fix(format!("Correct {}{at}", path.display()))
        }
        Missing::Nowhere(places) if places.iter().any(|path| path.is_dir()) => {
            let folder =
                places.iter().find(|path| path.is_dir()).map(|path| path.display().to_string()).unwrap_or_default();
            let check = Check::failed(name, format!("{folder} is a folder, and a file is to be there"));
            check.fix(Action::run(
                "Remove it (it has to be empty), then look again",
                program(["rmdir", folder.as_str()]),
            ))
        }
        Missing::Nowhere(places) => {
            let places: Vec<String> = places.iter().map(|path| path.display().to_string()).collect();
            let check = Check::failed(name, format!("there is none; looked for {}", places.join(", ")));
            if root.join(service.sample).is_file() {
                let copy = program(["cp", service.sample, service.file]).at_root();
                check.fix(Action::run("Make it, then correct its ports and secrets", copy))
            } else {
                check.fix("Make it, or name it: BACKEND_CONFIG_FILE")
            }
        }
    }
}

/// What a service's pre-flight looks at in the files of its checkout.
pub fn of_service(asking: &Asking, _name: &str) -> Vec<Check> {
    let uses = |wanted: fn(&Uses) -> bool| asking.service.uses.iter().any(wanted);
    let servers = [
        uses(|it| matches!(it, Uses::Postgresql)),
        uses(|it| matches!(it, Uses::Valkey(_) | Uses::ValkeyOfEtcd)),
        uses(|it| matches!(it, Uses::Etcd)),
    ];
    let wanted = |server: &&ServerKind| servers[**server as usize];
    let kinds: Vec<ServerKind> = ServerKind::ALL.iter().filter(wanted).copied().collect();
    let mut checks = mounted(&asking.root);
    checks.push(agreement(&asking.ctx, &asking.root, &kinds));
    if asking.service.name.starts_with("app-proxy") {
        checks.push(secrets(&asking.root));
    }
    checks
}

/// The same of everything that is in a checkout; nothing where it is none of Backend.AI's.
pub fn checkout(ctx: &Ctx, root: &Path) -> Vec<Check> {
    let is_one = backend_ai::is_checkout(root) || backend_ai::SERVICES.iter().any(|it| root.join(it.file).is_file());
    if !is_one {
        return Vec::new();
    }
    let mut checks = mounted(root);
    let broken = |it: &Service| {
        let path = root.join(it.file);
        let missing = path.is_file().then(|| ServiceConfig::read(&path).err()).flatten()?;
        Some(no_config(root, it.file, it, &missing))
    };
    checks.extend(backend_ai::SERVICES.iter().filter_map(broken));
    // Doctor looks at what is there; that one file alone cannot disagree is no news.
    checks.extend(Some(agreement(ctx, root, &ServerKind::ALL)).filter(|check| check.state != State::Skipped));
    if SHARING.iter().any(|file| root.join(file).is_file()) {
        checks.push(secrets(root));
    }
    checks
}

/// The compose file that is in use, else what it is made from.
fn compose_file(root: &Path) -> Option<&'static str> {
    COMPOSE.into_iter().find(|file| root.join(file).is_file())
}

/// A compose file of whatever project.
pub fn any_compose_file(root: &Path) -> Option<&'static str> {
    let usual = USUAL_COMPOSE.into_iter().find(|file| root.join(file).is_file());
    compose_file(root).or(usual)
}

/// Files that compose mounts. Docker makes a folder of one that is missing, and then no copy helps any more.
fn mounted(root: &Path) -> Vec<Check> {
    const NAME: &str = "mounted files";
    let Some(compose) = compose_file(root) else { return Vec::new() };
    let Ok(text) = files::read_text(&root.join(compose)) else { return Vec::new() };
    let all = compose::mounted_files(&text);
    let mut checks: Vec<Check> = Vec::new();
    for path in &all {
        let full = root.join(path);
        let shown = path.display();
        if full.is_dir() {
            let check = Check::failed(
                NAME,
                format!(
                    "{shown} is a folder, and {compose} mounts it as a file: it was made when the file was missing"
                ),
            );
            checks.push(check.fix(replace(root, path)));
        } else if !full.exists() && compose == COMPOSE[0] {
            let check = Check::warning(NAME, format!("{shown} is not there, and {compose} mounts it"));
            checks.push(match source(root, path) {
                Some(source) => {
                    let copy = program(["cp".to_owned(), source, shown.to_string()]).at_root();
                    check.fix(Action::run("Make it before the servers are started", copy))
                }
                None => check.fix("Make it before the servers are started: Docker makes a folder in its place"),
            });
        }
    }
    if checks.is_empty() && !all.is_empty() && compose == COMPOSE[0] {
        checks.push(Check::ok(NAME, format!("all {} files that {compose} mounts are there", all.len())));
    }
    checks
}

fn replace(root: &Path, path: &Path) -> Action {
    let name = path.display();
    match source(root, path) {
        Some(source) => {
            let line = format!("rmdir {name} && cp {source} {name}");
            let both = program(["sh".to_owned(), "-c".to_owned(), line]).at_root();
            Action::run(
                "Put the file in its place (with sudo if the folder is root's), then start the servers anew",
                both,
            )
        }
        None => {
            Action::run("Remove the folder, put the file in its place", program(["rmdir", &name.to_string()]).at_root())
        }
    }
}

/// What a mounted file is copied from.
fn source(root: &Path, path: &Path) -> Option<String> {
    let name = path.file_name()?;
    let mut folders = files::entries(&root.join("configs"));
    folders.push(root.join("docs/manager/graphql-reference"));
    folders.sort();
    let found = folders.into_iter().map(|folder| folder.join(name)).find(|file| file.is_file())?;
    Some(found.strip_prefix(root).ok()?.display().to_string())
}

/// The servers whose address stands in several files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ServerKind {
    Postgresql,
    Valkey,
    Etcd,
}

/// What a file says.
struct Said {
    file: String,
    port: u16,
    database: Option<String>,
}

impl ServerKind {
    const ALL: [ServerKind; 3] = [ServerKind::Postgresql, ServerKind::Valkey, ServerKind::Etcd];

    fn name(self) -> &'static str {
        match self {
            ServerKind::Postgresql => "PostgreSQL",
            ServerKind::Valkey => "Valkey",
            ServerKind::Etcd => "etcd",
        }
    }

    fn inside(self) -> u16 {
        match self {
            ServerKind::Postgresql => 5432,
            ServerKind::Valkey => 6379,
            ServerKind::Etcd => 2379,
        }
    }

    /// The files of services that name it, and the key.
    fn named_in(self) -> &'static [(&'static str, &'static str)] {
        match self {
            ServerKind::Postgresql => &[
                ("manager.toml", "db.addr"),
                (backend_ai::ACCOUNT_MANAGER_FILE, "db.addr"),
                ("app-proxy-coordinator.toml", "db.addr"),
            ],
            ServerKind::Valkey => &[
                ("app-proxy-coordinator.toml", "redis.addr"),
                ("app-proxy-worker.toml", "redis.addr"),
                ("webserver.conf", "session.redis.addr"),
            ],
            ServerKind::Etcd => {
                &[("manager.toml", "etcd.addr"), ("agent.toml", "etcd.addr"), ("storage-proxy.toml", "etcd.addr")]
            }
        }
    }
}

/// Files that name servers of this machine have to mean the same one, and compose has to publish it; a service and its
/// migrations have to mean the same database.
fn agreement(ctx: &Ctx, root: &Path, kinds: &[ServerKind]) -> Check {
    const NAME: &str = "files agree";
    let (mut agreed, mut wrong) = (Vec::new(), Vec::new());
    for kind in kinds {
        let said = said(ctx, root, *kind);
        let published = compose_file(root).filter(|file| *file == COMPOSE[0]).and_then(|file| {
            let ports = compose::ports_to(&files::read_text(&root.join(file)).ok()?, kind.inside());
            (!ports.is_empty()).then_some((file, ports))
        });
        let Some(first) = said.first() else { continue };
        let places = said.len() + usize::from(published.is_some());
        let is_same = said.iter().all(|it| it.port == first.port);
        let is_published = published.as_ref().is_none_or(|(_, ports)| said.iter().all(|it| ports.contains(&it.port)));
        if is_same && is_published && places > 1 {
            agreed.push(format!("{} at port {} (in {places} files)", kind.name(), first.port));
        } else if !is_same || !is_published {
            let mut all: Vec<String> = published
                .iter()
                .map(|(file, ports)| {
                    format!("{file} {}", ports.iter().map(u16::to_string).collect::<Vec<_>>().join("/"))
                })
                .collect();
            all.extend(said.iter().map(|it| format!("{} {}", it.file, it.port)));
            wrong.push(format!("{}'s port: {}", kind.name(), all.join(", ")));
        }
        wrong.extend(databases(&said));
    }
    match (wrong.is_empty(), agreed.is_empty()) {
        (false, _) => {
            let check = Check::failed(NAME, format!("they do not mean the same:\n{}", wrong.join("\n")));
            check.fix("Correct the files that do not have what compose publishes, or what the service uses")
        }
        (true, true) => {
            Check::skipped(NAME, "nothing to compare: no two files here name the same server of this machine")
        }
        (true, false) => Check::ok(NAME, agreed.join(", ")),
    }
}

/// A service's file, and the Alembic config of its migrations.
const PAIRS: [(&str, &str); 3] = [
    ("manager.toml", "alembic.ini"),
    (backend_ai::ACCOUNT_MANAGER_FILE, "alembic-accountmgr.ini"),
    ("app-proxy-coordinator.toml", "alembic-appproxy.ini"),
];

fn databases(said: &[Said]) -> Vec<String> {
    let of = |file: &str| said.iter().find(|it| it.file == file).and_then(|it| it.database.clone());
    let pairs = PAIRS.iter().filter_map(|(service, config)| Some((service, of(service)?, config, of(config)?)));
    let differing = pairs.filter(|(_, one, _, other)| one != other);
    differing.map(|(service, one, config, other)| format!("the database: {service} {one}, {config} {other}")).collect()
}

fn said(ctx: &Ctx, root: &Path, kind: ServerKind) -> Vec<Said> {
    let mut all = Vec::new();
    for (file, key) in kind.named_in() {
        let Ok(config) = ServiceConfig::read(&root.join(file)) else { continue };
        if let Some(place) = config.place(key).filter(|place| place.is_here()) {
            let database = config.text("db.name").filter(|_| kind == ServerKind::Postgresql).map(str::to_owned);
            all.push(Said { file: (*file).to_owned(), port: place.port, database });
        }
    }
    if kind == ServerKind::Postgresql {
        all.extend(by_alembic(ctx));
    }
    all
}

/// What the Alembic configs say of PostgreSQL.
fn by_alembic(ctx: &Ctx) -> Vec<Said> {
    let Ok(project) = ctx.project() else { return Vec::new() };
    if !matches!(ctx.server(), Ok(Server::Configured)) {
        return Vec::new();
    }
    let of = |component: &crate::sys::project::Component| {
        let there = project.root.join(&component.config).is_file();
        let url = there.then(|| ctx.database(&ctx.config(component).ok()?).ok()).flatten()?.url;
        let endpoint = url.target().endpoints.first()?.clone();
        let file = component.config.display().to_string();
        endpoint.is_local().then(|| Said { file, port: endpoint.port, database: Some(url.target().database.clone()) })
    };
    project.components.iter().filter_map(of).collect()
}

/// The configs of coordinator and worker.
const SHARING: [&str; 2] = ["app-proxy-coordinator.toml", "app-proxy-worker.toml"];

/// Secrets that both must have; only whether they are the same is told.
fn secrets(root: &Path) -> Check {
    const NAME: &str = "secrets agree";
    const KEYS: [&str; 3] = ["secrets.api_secret", "secrets.jwt_secret", "permit_hash.secret"];
    let files = SHARING;
    let read = files.map(|file| ServiceConfig::find(root, file, None));
    let [Ok(coordinator), Ok(worker)] = read else {
        return Check::skipped(NAME, format!("not looked at: {} are not both here", files.join(" and ")));
    };
    let is_other = |key: &&&str| coordinator.text(key).is_none() || coordinator.text(key) != worker.text(key);
    let wrong: Vec<&str> = KEYS.iter().filter(is_other).copied().collect();
    if wrong.is_empty() {
        return Check::ok(NAME, format!("{} are the same in {}", KEYS.join(", "), files.join(" and ")));
    }
    let check = Check::failed(NAME, format!("not the same in {}: {}", files.join(" and "), wrong.join(", ")));
    check.fix(format!("Copy them from {} to {}", shown(root, &coordinator.path), shown(root, &worker.path)))
}

fn shown(root: &Path, path: &Path) -> String {
    path.strip_prefix(root).map_or(path.to_owned(), PathBuf::from).display().to_string()
}
