//! What is Backend.AI's own and nobody else's: its components, which need not be declared in its checkout, and how its
//! manager makes a fresh database. A checkout is told by its packages, not by the name of a file.

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
