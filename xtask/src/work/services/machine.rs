//! Checks what an agent, the storage proxy and the web server need of the machine: Docker, drivers, folders.

use std::path::{Path, PathBuf};

use rustix::fs::{Access, access};

use super::{Asking, limit, no_key, without_config};
use crate::model::action::{Action, program};
use crate::model::check::Check;
use crate::sys::backend_ai::Uses;
use crate::sys::files;
use crate::sys::net::{self, Answer, Place, Trouble};
use crate::sys::run::Cmd;
use crate::ui::Ui;

pub fn docker(asking: &Asking, name: &str) -> Vec<Check> {
    let mode = asking.config().and_then(|config| config.text("agent.mode").or(config.text("agent.backend")));
    if let Some(mode) = mode.filter(|mode| *mode != "docker") {
        return vec![Check::ok(name, format!("not needed: the agent's mode is {mode}"))];
    }
    vec![daemon(&asking.ctx.ui, &asking.root, name)]
}

/// Whether the Docker daemon answers.
pub fn daemon(ui: &Ui, root: &Path, name: &str) -> Check {
    let address = address(ui, root);
    let is_tls = std::env::var_os("DOCKER_TLS_VERIFY").is_some_and(|it| !it.is_empty());
    let asked = match address.strip_prefix("unix://") {
        Some(socket) => net::get_by_socket(Path::new(socket), "/_ping", limit()),
        None => match address.strip_prefix("tcp://").and_then(Place::parse).filter(|_| !is_tls) {
            Some(place) => net::get(&place, "/_ping", limit()),
            None => return Check::skipped(name, format!("not looked at: Docker is reached by {address}")),
        },
    };
    match asked {
        Ok(Answer { status: 200, .. }) => Check::ok(name, format!("the daemon answers at {address}")),
        Ok(answer) => {
            let check =
                Check::failed(name, format!("what answers at {address} is no Docker daemon (HTTP {})", answer.status));
            check.fix("Correct DOCKER_HOST")
        }
        Err(trouble @ Trouble::NotAllowed) => Check::failed(name, trouble.words(&address))
            .fix("Join the group docker (sudo usermod -aG docker NAME), then log in anew"),
        Err(trouble @ Trouble::Silent(_)) => {
            Check::failed(name, trouble.words(&address)).fix("Start the Docker daemon anew")
        }
        Err(trouble) => {
            let fix = if cfg!(target_os = "linux") {
                Action::run("Start the daemon", program(["sudo", "systemctl", "start", "docker"]))
            } else {
                "Start Docker".into()
            };
            Check::failed(name, trouble.words(&address)).fix(fix)
        }
    }
}

/// Where the daemon is: as the environment says, at its usual place, else as the `docker` command knows it.
fn address(ui: &Ui, root: &Path) -> String {
    const USUAL: &str = "/var/run/docker.sock";
    let usual = || format!("unix://{USUAL}");
    if let Some(named) = std::env::var("DOCKER_HOST").ok().filter(|named| !named.is_empty()) {
        return named;
    }
    if Path::new(USUAL).exists() {
        return usual();
    }
    let words = ["context", "inspect", "--format", "{{.Endpoints.docker.Host}}"];
    let said = Cmd::new("docker", root).args(words).limit(limit()).read(ui);
    said.ok().map(|said| said.trim().to_owned()).filter(|said| said.contains("://")).unwrap_or_else(usual)
}

pub fn gpu(asking: &Asking, name: &str) -> Vec<Check> {
    let found = gpus(Path::new("/sys/bus/pci/devices"));
    if found.is_empty() {
        return vec![Check::ok(name, "no GPU is seen on this machine, so no driver is needed")];
    }
    let driver = |maker| match maker {
        Maker::Nvidia => nvidia(&asking.ctx.ui, &asking.root, name, "nvidia-smi"),
        Maker::Amd => amd(name, Path::new("/dev/kfd")),
    };
    found.into_iter().map(driver).collect()
}

/// Makers whose containers need a driver on the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Maker {
    Nvidia,
    Amd,
}

/// Who made the display adapters and accelerators, each maker once, by what the kernel says of its PCI devices.
fn gpus(devices: &Path) -> Vec<Maker> {
    let text = |path: PathBuf| files::read_text(&path).unwrap_or_default().trim().to_owned();
    let mut makers = Vec::new();
    for device in files::entries(devices) {
        let class = text(device.join("class"));
        let is_gpu = ["0x0300", "0x0302", "0x0380", "0x1200"].iter().any(|start| class.starts_with(start));
        let maker = match text(device.join("vendor")).as_str() {
            "0x10de" if is_gpu => Maker::Nvidia,
            "0x1002" if is_gpu => Maker::Amd,
            _ => continue,
        };
        if !makers.contains(&maker) {
            makers.push(maker);
        }
    }
    makers
}

fn nvidia(ui: &Ui, root: &Path, name: &str, program: &str) -> Check {
    match Cmd::new(program, root).arg("-L").limit(limit()).capture(ui) {
        Ok(done) if done.status.success() => {
            Check::ok(name, format!("NVIDIA: {} by its driver", count(done.stdout.lines().count())))
        }
        _ => {
            let check = Check::failed(name, "an NVIDIA GPU is in this machine, and nvidia-smi does not list it");
            check.fix("Install its driver (and nvidia-container-toolkit for containers), then: nvidia-smi -L")
        }
    }
}

fn amd(name: &str, device: &Path) -> Check {
    if device.exists() {
        return Check::ok(name, format!("AMD: {} is there", device.display()));
    }
    let why = format!("an AMD GPU is in this machine, and {} is not there", device.display());
    Check::warning(name, why).fix("Install ROCm's driver, if containers are to use it")
}

fn count(gpus: usize) -> String {
    if gpus == 1 { "1 GPU listed".to_owned() } else { format!("{gpus} GPUs listed") }
}

/// The folders that the service writes to.
pub fn folders(asking: &Asking, name: &str) -> Vec<Check> {
    let Some(config) = asking.config() else { return without_config(name) };
    let keys = asking.service.uses.iter().find_map(|uses| match uses {
        Uses::Folders(keys) => Some(*keys),
        _ => None,
    });
    let paths = keys.unwrap_or_default().iter().filter_map(|key| Some((*key, asking.root.join(config.text(key)?))));
    let paths: Vec<_> = paths.collect();
    let wrong: Vec<(&str, String)> = paths.iter().filter_map(|(key, path)| Some((*key, not_writable(path)?))).collect();
    match wrong.first() {
        Some((key, _)) => {
            let lines: Vec<String> = wrong.iter().map(|(key, why)| format!("{why} ({key})")).collect();
            let fix = format!("Make it writable for this user, or correct `{key}` in {}", config.path.display());
            vec![Check::failed(name, lines.join("\n")).fix(fix)]
        }
        None if paths.is_empty() => {
            let why = "not looked at: the config names none, and what the service takes then is not known here";
            vec![Check::skipped(name, why)]
        }
        None => vec![Check::ok(name, format!("{} can be written to", list(paths.iter().map(|(_, path)| path))))],
    }
}

fn list<'a>(paths: impl Iterator<Item = &'a PathBuf>) -> String {
    paths.map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ")
}

/// Why a folder cannot be written to, or made.
fn not_writable(path: &Path) -> Option<String> {
    let there = path.ancestors().find(|folder| folder.exists())?;
    if !there.is_dir() {
        return Some(format!("{} is no folder", there.display()));
    }
    let may = access(there, Access::WRITE_OK | Access::EXEC_OK).is_ok();
    (!may).then(|| format!("this user may not write to {}", there.display()))
}

/// The folders of the storage proxy's volumes.
pub fn volumes(asking: &Asking, name: &str) -> Vec<Check> {
    let Some(config) = asking.config() else { return without_config(name) };
    let volumes: Vec<(String, PathBuf)> = config
        .names_below("volume")
        .into_iter()
        .filter_map(|volume| Some((volume.clone(), asking.root.join(config.text(&format!("volume.{volume}.path"))?))))
        .collect();
    if volumes.is_empty() {
        return no_key(config, name, "volume.NAME.path");
    }
    let of = |(volume, path): &(String, PathBuf)| {
        if !path.exists() {
            let make = program(["mkdir", "-p", &path.display().to_string()]);
            let check = Check::failed(name, format!("{volume}: {} is not there", path.display()));
            return check.fix(Action::run("Make it, or mount it", make));
        }
        match not_writable(path) {
            Some(why) => Check::failed(name, format!("{volume}: {why}")).fix("Make it writable for this user"),
            None => Check::ok(name, format!("{volume}: {} can be written to", path.display())),
        }
    };
    volumes.iter().map(of).collect()
}

/// The page that the web server hands out.
pub fn assets(asking: &Asking, name: &str) -> Vec<Check> {
    let Some(config) = asking.config() else { return without_config(name) };
    let own = config.text("service.static-path").map(|path| asking.root.join(path));
    let source = asking.root.join("src/ai/backend/web");
    let folder = match own {
        Some(folder) => folder,
        None if source.is_dir() => source.join("static"),
        None => return vec![Check::skipped(name, "not looked at: they are in the installed package")],
    };
    let page = folder.join("index.html");
    if page.is_file() {
        return vec![Check::ok(name, format!("{} is there", page.display()))];
    }
    let check = Check::failed(name, format!("{} is not there", page.display()));
    let fix = format!("Put the built web UI there, or correct `service.static-path` in {}", config.path.display());
    vec![check.fix(fix)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::check::State;

    #[test]
    fn gpus_by_what_the_kernel_says() {
        let folder = std::env::temp_dir().join(format!("xgpu-{}", std::process::id()));
        let device = |name: &str, vendor: &str, class: &str| {
            let device = folder.join(name);
            std::fs::create_dir_all(&device).unwrap();
            std::fs::write(device.join("vendor"), format!("{vendor}\n")).unwrap();
            std::fs::write(device.join("class"), format!("{class}\n")).unwrap();
        };
        device("0", "0x8086", "0x030000");
        device("1", "0x10de", "0x040300");
        assert_eq!(gpus(&folder), []);
        device("2", "0x10de", "0x030200");
        device("3", "0x10de", "0x030200");
        device("4", "0x1002", "0x120000");
        let mut found = gpus(&folder);
        found.sort_by_key(|maker| *maker as u8);
        assert_eq!(found, [Maker::Nvidia, Maker::Amd]);
        std::fs::remove_dir_all(&folder).unwrap();
    }

    /// A driver that lists what there is, one that fails, one that is not installed.
    #[test]
    fn drivers_there_and_not() {
        use std::os::unix::fs::PermissionsExt;
        let folder = std::env::temp_dir().join(format!("xdriver-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let program = |name: &str, text: &str| {
            let path = folder.join(name);
            std::fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
            path.display().to_string()
        };
        let ui = Ui::new(crate::ui::Options::default());
        let nvidia = |program: &str| {
            let check = nvidia(&ui, &folder, "gpu", program);
            (check.state, check.detail)
        };
        let lists = program("lists", "[ \"$1\" = -L ] && echo 'GPU 0: A' && echo 'GPU 1: B'");
        assert_eq!(nvidia(&lists), (State::Ok, "NVIDIA: 2 GPUs listed by its driver".to_owned()));
        assert_eq!(nvidia(&program("fails", "exit 9")).0, State::Failed);
        assert_eq!(nvidia("no-such-program").0, State::Failed);
        assert_eq!(amd("gpu", &folder).state, State::Ok);
        let missing = amd("gpu", &folder.join("kfd"));
        assert!(missing.state == State::Warning && missing.fix.is_some(), "{missing:?}");
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
