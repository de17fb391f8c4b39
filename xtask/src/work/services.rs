//! Checks what a Backend.AI service needs before it is started: servers, other services, the machine, files that have
//! to agree. `cli-executor` checks what one service needs, `doctor` what a checkout's files say. Nothing is changed,
//! and no secret is shown.

mod command_line;
mod files;
mod infrastructure;
mod machine;
mod others;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::ctx::Ctx;
use crate::flags::duration_of;
use crate::model::action::{Own, own};
use crate::model::check::Check;
use crate::sys::backend_ai::{Service, Uses};
use crate::sys::service_config::{Missing, ServiceConfig};
use crate::sys::side_by_side::{Look, each_within};

pub use command_line::{CommandLine, Offered};
pub use files::{any_compose_file, checkout};
pub use machine::daemon as docker_daemon;

/// How long a question to a server may take. Behind a slow line it may be given more by `XTASK_CHECK_LIMIT`.
fn limit() -> Duration {
    let said = std::env::var("XTASK_CHECK_LIMIT").ok().and_then(|said| duration_of(&said));
    said.unwrap_or(Duration::from_secs(3))
}

/// How long everything that one look asks may take together.
fn altogether() -> Duration {
    limit() * 3
}

/// A service, and what is known of it before anything is asked.
pub struct Asking {
    pub ctx: Ctx,
    pub root: PathBuf,
    pub service: &'static Service,
    pub config: Result<ServiceConfig, Missing>,
    /// Whether it is about to be started.
    pub is_start: bool,
}

impl Asking {
    /// `named`: the config file that the service's command line names.
    pub fn new(ctx: Ctx, root: &Path, service: &'static Service, named: Option<&Path>, is_start: bool) -> Asking {
        let config = ServiceConfig::find(root, service.file, named);
        Asking { ctx, root: root.to_owned(), service, config, is_start }
    }

    fn config(&self) -> Option<&ServiceConfig> {
        self.config.as_ref().ok()
    }
}

type Work = fn(&Asking, &str) -> Vec<Check>;

/// Everything that the service needs, looked at side by side.
pub fn preflight(asking: Asking) -> Vec<Check> {
    let asking = Arc::new(asking);
    let mut works: Vec<(String, Work)> =
        vec![("config".to_owned(), files::config), ("command line".to_owned(), command_line::check)];
    works.extend(asking.service.uses.iter().map(|uses| (name(*uses).to_owned(), work(*uses))));
    if asking.service.migrations.is_some() {
        works.push(("migrations".to_owned(), infrastructure::migrations));
    }
    works.push(("ports".to_owned(), others::ports));
    works.push(("files".to_owned(), files::of_service));
    let looks = works.iter().map(|(name, work)| {
        let (asking, name, work) = (Arc::clone(&asking), name.clone(), *work);
        Look {
            limit: altogether(),
            work: Box::new(move || work(&asking, &name)) as Box<dyn FnOnce() -> Vec<Check> + Send>,
        }
    });
    let answers = each_within(looks.collect());
    let late = |name: &str| {
        vec![Check::failed(
            name,
            format!("no answer within {} s, so nothing is known of it", altogether().as_secs_f64()),
        )]
    };
    works.iter().zip(answers).flat_map(|((name, _), answer)| answer.unwrap_or_else(|| late(name))).collect()
}

fn name(uses: Uses) -> &'static str {
    match uses {
        Uses::Postgresql => "postgresql",
        Uses::Valkey(_) | Uses::ValkeyOfEtcd => "valkey",
        Uses::Etcd => "etcd",
        Uses::Manager | Uses::ManagerAt(_) => "manager",
        Uses::CoordinatorAt(_) => "coordinator",
        Uses::Docker => "docker",
        Uses::Gpu => "gpu",
        Uses::Folders(_) => "folders",
        Uses::Volumes => "volumes",
        Uses::Assets => "static assets",
    }
}

fn work(uses: Uses) -> Work {
    match uses {
        Uses::Postgresql => infrastructure::postgresql,
        Uses::Valkey(_) | Uses::ValkeyOfEtcd => infrastructure::valkey,
        Uses::Etcd => infrastructure::etcd,
        Uses::Manager | Uses::ManagerAt(_) => others::manager,
        Uses::CoordinatorAt(_) => others::coordinator,
        Uses::Docker => machine::docker,
        Uses::Gpu => machine::gpu,
        Uses::Folders(_) => machine::folders,
        Uses::Volumes => machine::volumes,
        Uses::Assets => machine::assets,
    }
}

/// `cargo xtask cli-executor` for a command of a service.
pub fn executor(service: &str, command: &str) -> Own {
    own("cli-executor").flag("--component", service).flag("--subcommand", command).of_no_component()
}

/// What cannot be looked at where the config cannot be read.
fn without_config(name: &str) -> Vec<Check> {
    vec![Check::skipped(name, "not looked at: no config says where it is")]
}

fn no_key(config: &ServiceConfig, name: &str, key: &str) -> Vec<Check> {
    let file = config.path.display();
    vec![Check::failed(name, format!("{file} does not say where it is")).fix(format!("Set `{key}` in {file}"))]
}
