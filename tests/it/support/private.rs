//! A cluster of a test's own, where the shared one will not do: passwords, TLS, a server that will not let anybody in.
//! Like the shared one it goes with the test process, however that ends.

use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use postgres::{Client, NoTls};

use super::pg::{cluster, memory, template};

/// An unprivileged user, for when the tests run as root.
const NOBODY: u32 = 65534;

pub struct Private {
    /// The folder of the socket, where the superuser `postgres` is trusted.
    pub dir: PathBuf,
    /// The port, on 127.0.0.1 and ::1 where there is one.
    pub port: u16,
    watchdog: Child,
}

/// Starts a cluster with these lines of configuration, these lines of pg_hba.conf for connections over TCP, and these
/// files beside its data.
pub fn private_cluster(conf: &str, hba: &str, files: &[(&str, &str)]) -> Private {
    let private = Private::launch(conf, hba, files);
    private.wait_for(|error| error.is_none());
    private
}

impl Private {
    /// Starts it without waiting.
    #[expect(clippy::disallowed_methods)]
    pub fn launch(conf: &str, hba: &str, files: &[(&str, &str)]) -> Private {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("xts-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let dir = memory().unwrap_or_else(std::env::temp_dir).join(name);
        std::fs::create_dir_all(&dir).unwrap();
        let root = rustix::process::geteuid().is_root();
        for (name, text) in files {
            let path = dir.join(name);
            std::fs::write(&path, text).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
            if root {
                chown(&path, Some(NOBODY), None).unwrap();
            }
        }
        let port = super::free_port();
        std::fs::write(dir.join("hba"), format!("local all postgres trust\n{hba}\n")).unwrap();
        std::fs::write(dir.join("conf"), format!("{conf}\nhba_file = '{}/hba'\n", dir.display())).unwrap();
        copy_template(&dir, root.then_some(NOBODY));
        let script = format!(
            "set -e; cd {dir}; PATH={bin}:$PATH; \
             cat conf >>data/postgresql.conf; [ ! -f standby ] || touch data/standby.signal; \
             postgres -D data -F -p {port} -c listen_addresses=localhost -c unix_socket_directories={dir} \
             -c autovacuum=off >>log 2>&1 & pid=$!; cat >/dev/null; kill -QUIT $pid; wait $pid || :; rm -rf {dir}",
            dir = dir.display(),
            bin = cluster().bin.display(),
        );
        let mut command = Command::new("sh");
        command.arg("-c").arg(script).stdin(Stdio::piped()).process_group(0);
        if root {
            chown(&dir, Some(NOBODY), None).unwrap();
            command.uid(NOBODY).gid(NOBODY);
        }
        Private { dir, port, watchdog: command.spawn().unwrap() }
    }

    /// Waits until connecting ends as wanted.
    pub fn wait_for(&self, wanted: impl Fn(Option<&postgres::Error>) -> bool) {
        let until = Instant::now() + Duration::from_secs(60);
        loop {
            let result = self.try_client("postgres");
            if wanted(result.as_ref().err()) {
                return;
            }
            assert!(Instant::now() < until, "the private cluster did not get there: {}", self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn try_client(&self, database: &str) -> Result<Client, postgres::Error> {
        let (dir, port) = (self.dir.display(), self.port);
        Client::connect(&format!("host={dir} port={port} user=postgres dbname={database}"), NoTls)
    }

    /// A superuser's connection, over the socket.
    pub fn client(&self, database: &str) -> Client {
        self.try_client(database).unwrap()
    }

    /// What the server has written down.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.dir.join("log")).unwrap_or_default()
    }

    /// One of the server's programs, as the server's user.
    pub fn tool(&self, name: &str) -> Command {
        self.program(&cluster().bin.join(name))
    }

    /// Gives a file or a folder to the server's user.
    pub fn give(&self, path: &Path) {
        if rustix::process::geteuid().is_root() {
            chown(path, Some(NOBODY), None).unwrap();
        }
    }

    /// Any program, as the server's user.
    #[expect(clippy::disallowed_methods)]
    pub fn program(&self, path: &Path) -> Command {
        let mut command = Command::new(path);
        command.current_dir(&self.dir);
        if rustix::process::geteuid().is_root() {
            command.uid(NOBODY).gid(NOBODY);
        }
        command
    }
}

/// The data of a new server, as `initdb` made it once for all, given to a user.
#[expect(clippy::disallowed_methods)]
fn copy_template(dir: &Path, owner: Option<u32>) {
    let mut copy = Command::new("cp");
    copy.arg("-R").arg(template()).arg(dir.join("data"));
    assert!(copy.status().unwrap().success(), "{copy:?}");
    if let Some(owner) = owner {
        let mut give = Command::new("chown");
        give.arg("-R").arg(owner.to_string()).arg(dir.join("data"));
        assert!(give.status().unwrap().success(), "{give:?}");
    }
}

impl Drop for Private {
    fn drop(&mut self) {
        drop(self.watchdog.stdin.take());
        let _ = self.watchdog.wait();
    }
}
