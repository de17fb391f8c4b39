//! Knows what is special to Backend.AI: its components, which need not be declared in its checkout, its services, and
//! how its manager makes a fresh database. A checkout is recognised by its packages, not by the name of a file.

use std::path::Path;

/// A component that a Backend.AI checkout has without saying so.
pub struct BuiltIn {
    pub name: &'static str,
    /// Its Alembic config, which git ignores there.
    pub config: &'static str,
    /// What the config is made from.
    pub template: &'static str,
    pub services: &'static [&'static str],
    /// Most checkouts never set it up.
    pub is_often_left_out: bool,
}

/// In Backend.AI's own order; the first is the default.
pub const COMPONENTS: [BuiltIn; 3] = [
    BuiltIn {
        name: "manager",
        config: "alembic.ini",
        template: "configs/manager/halfstack.alembic.ini",
        services: &["backend.ai mgr"],
        is_often_left_out: false,
    },
    BuiltIn {
        name: "accountmgr",
        config: "alembic-accountmgr.ini",
        template: "configs/account-manager/halfstack.alembic.ini",
        services: &[],
        is_often_left_out: true,
    },
    BuiltIn {
        name: "appproxy",
        config: "alembic-appproxy.ini",
        template: "configs/app-proxy-coordinator/halfstack.alembic.ini",
        services: &["backend.ai app-proxy-coordinator", "backend.ai app-proxy-worker"],
        is_often_left_out: false,
    },
];

/// The packages that have migrations there.
const PACKAGES: [&str; 3] = ["manager", "account_manager", "appproxy"];

pub fn is_checkout(root: &Path) -> bool {
    PACKAGES.iter().any(|package| root.join("src/ai/backend").join(package).is_dir())
}

/// The built-in component of that name, in a checkout.
pub fn built_in(root: &Path, name: &str) -> Option<&'static BuiltIn> {
    COMPONENTS.iter().find(|known| known.name == name).filter(|_| is_checkout(root))
}

/// How the manager's database is made in a checkout: its history does not run from base.
pub fn oneshot(root: &Path, component: &str) -> Option<Vec<String>> {
    let here = component == "manager" && is_checkout(root) && root.join("backend.ai").is_file();
    let words = ["./backend.ai", "mgr", "schema", "oneshot", "-f", "{config}"];
    here.then(|| words.map(str::to_owned).to_vec())
}

/// A service that Backend.AI's command line starts.
#[derive(Debug, PartialEq, Eq)]
pub struct Service {
    /// As the command line calls it.
    pub name: &'static str,
    pub about: &'static str,
    /// Its config file, which git ignores.
    pub file: &'static str,
    /// What developers make it from.
    pub sample: &'static str,
    /// As `./dev` calls it.
    pub dev: &'static str,
    /// The component whose migrations it needs.
    pub migrations: Option<&'static str>,
    /// The keys of the addresses that it listens at; `host` or `ip` and `port` below them, or in one text.
    pub listens: &'static [&'static str],
    pub uses: &'static [Uses],
}

/// What a service needs around it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Uses {
    Postgresql,
    /// By the address in its own file, under this key.
    Valkey(&'static str),
    /// By the address that etcd has.
    ValkeyOfEtcd,
    Etcd,
    /// The manager, as `manager.toml` has it.
    Manager,
    /// The manager, by the addresses under this key.
    ManagerAt(&'static str),
    /// The coordinator, by the address under this key.
    CoordinatorAt(&'static str),
    Docker,
    Gpu,
    /// Folders that it writes to, under these keys.
    Folders(&'static [&'static str]),
    /// The folders of its volumes.
    Volumes,
    /// The files of the web page.
    Assets,
}

/// In the order in which they are started; manager, storage and agent need what compose starts, the others the manager.
pub const SERVICES: [Service; 6] = [
    Service {
        name: "mgr",
        about: "the manager",
        file: "manager.toml",
        sample: "configs/manager/halfstack.toml",
        dev: "mgr",
        migrations: Some("manager"),
        listens: &["manager.service-addr", "manager.internal-addr"],
        uses: &[Uses::Postgresql, Uses::Etcd, Uses::ValkeyOfEtcd],
    },
    Service {
        name: "ag",
        about: "an agent, which runs the containers",
        file: "agent.toml",
        sample: "configs/agent/halfstack.toml",
        dev: "agent",
        migrations: None,
        listens: &["agent.rpc-listen-addr", "agent.service-addr"],
        uses: &[
            Uses::Etcd,
            Uses::ValkeyOfEtcd,
            Uses::Manager,
            Uses::Docker,
            Uses::Gpu,
            Uses::Folders(&["agent.var-base-path", "agent.ipc-base-path", "container.scratch-root"]),
        ],
    },
    Service {
        name: "storage",
        about: "the storage proxy",
        file: "storage-proxy.toml",
        sample: "configs/storage-proxy/halfstack.toml",
        dev: "storage",
        migrations: None,
        listens: &["api.client.service-addr", "api.manager.service-addr"],
        uses: &[Uses::Etcd, Uses::Manager, Uses::Volumes],
    },
    Service {
        name: "web",
        about: "the web server",
        file: "webserver.conf",
        sample: "configs/webserver/halfstack.conf",
        dev: "web",
        migrations: None,
        listens: &["service"],
        uses: &[Uses::ManagerAt("api.endpoint"), Uses::Valkey("session.redis"), Uses::Assets],
    },
    Service {
        name: "app-proxy-coordinator",
        about: "the application proxy's coordinator",
        file: "app-proxy-coordinator.toml",
        sample: "configs/app-proxy-coordinator/halfstack.toml",
        dev: "proxy-coordinator",
        migrations: Some("appproxy"),
        listens: &["proxy_coordinator.bind_addr"],
        uses: &[Uses::Postgresql, Uses::Valkey("redis")],
    },
    Service {
        name: "app-proxy-worker",
        about: "a worker of the application proxy",
        file: "app-proxy-worker.toml",
        sample: "configs/app-proxy-worker/halfstack.toml",
        dev: "proxy-worker",
        migrations: None,
        listens: &["proxy_worker.api_bind_addr"],
        uses: &[Uses::CoordinatorAt("proxy_worker.coordinator_endpoint"), Uses::Valkey("redis")],
    },
];

/// The account manager's config, which no service here reads.
pub const ACCOUNT_MANAGER_FILE: &str = "account-manager.toml";

/// The compose file in use, and what it is made from.
pub const COMPOSE: [&str; 2] = ["docker-compose.halfstack.current.yml", "docker-compose.halfstack-main.yml"];

/// What compose looks for where no file is named.
pub const USUAL_COMPOSE: [&str; 4] = ["compose.yaml", "compose.yml", "docker-compose.yaml", "docker-compose.yml"];

pub fn service(name: &str) -> Option<&'static Service> {
    SERVICES.iter().find(|service| service.name == name)
}
