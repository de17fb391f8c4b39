//! Where a server's files are, and which account it runs as. PostgreSQL refuses to run as root, so root hands it to an
//! unprivileged account, and puts its files where that account can read them. Folders in shared places (`/tmp`,
//! `/var/tmp`) are made by this tool or refused: no symbolic link is followed, and no folder of another user is used.

use std::fs::{self, DirBuilder, Permissions};
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt, lchown};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};

use crate::fail::{Fail, Kind};
use crate::model::action::{own, program};
use crate::sys::run::Cmd;
use crate::ui::Ui;

/// What a Unix socket's path may hold: 104 bytes on macOS, 108 on Linux, one of them the closing zero.
const SOCKET_PATH_MAX: usize = if cfg!(target_os = "macos") { 103 } else { 107 };
/// The server's only port. It names the socket file; nothing listens on the network.
pub(super) const PORT: u16 = 5432;

/// As whom the server process runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Account {
    pub(super) uid: u32,
    pub(super) gid: u32,
}

impl Account {
    /// Ourselves, or, when we are root, `postgres` if this machine has such an account, else `nobody`.
    pub(super) fn of_server() -> Result<Account> {
        if !rustix::process::geteuid().is_root() {
            return Ok(Account::ours());
        }
        let passwd = fs::read_to_string("/etc/passwd").context("reading /etc/passwd")?;
        ["postgres", "_postgres", "nobody"].iter().find_map(|name| account_in(&passwd, name)).ok_or_else(|| {
            Fail::new(Kind::PermissionDenied, "No account for the embedded PostgreSQL")
                .details("PostgreSQL refuses to run as root, and /etc/passwd has neither `postgres` nor `nobody`")
                .action("Run the command as an ordinary user")
                .run("Or make an account for it", program(["useradd", "--system", "postgres"]))
                .into()
        })
    }

    pub(super) fn ours() -> Account {
        Account { uid: rustix::process::geteuid().as_raw(), gid: rustix::process::getegid().as_raw() }
    }

    /// What `Cmd::user` takes: `None` when there is nobody to change to.
    pub(super) fn to_become(self) -> Option<(u32, u32)> {
        (self != Account::ours()).then_some((self.uid, self.gid))
    }

    /// Gives a file or folder to this account.
    pub(super) fn give(self, path: &Path) -> Result<()> {
        if self == Account::ours() {
            return Ok(());
        }
        lchown(path, Some(self.uid), Some(self.gid))
            .with_context(|| format!("changing the owner of {}", path.display()))
    }

    /// Whether the account gets into a folder. Asked by trying: access lists and mounts count as well as modes.
    fn enters(self, ui: &Ui, dir: &Path) -> Result<bool> {
        let Some(user) = self.to_become() else { return Ok(true) };
        let cmd = Cmd::new("/bin/sh", "/").args(["-c", "cd \"$0\""]).arg(dir).user(Some(user));
        Ok(cmd.capture(ui)?.status.success())
    }
}

/// The uid and gid of a name in the text of `/etc/passwd`; root is no answer.
fn account_in(passwd: &str, name: &str) -> Option<Account> {
    let line = passwd.lines().find(|line| line.split(':').next() == Some(name))?;
    let mut numbers = line.split(':').skip(2).map(id);
    let account = Account { uid: numbers.next()??, gid: numbers.next()?? };
    (account.uid != 0).then_some(account)
}

/// macOS writes the id of `nobody` as -2.
fn id(text: &str) -> Option<u32> {
    text.parse::<u32>().ok().or_else(|| text.parse::<i32>().ok().map(i32::cast_unsigned))
}

/// The folder that everything of this tool lies under: `wanted` where the server's account can reach it, else one in
/// `/var/tmp` whose name is made from it.
pub(super) fn base(ui: &Ui, wanted: &Path, account: Account) -> Result<PathBuf> {
    let wanted = std::path::absolute(wanted).with_context(|| format!("resolving {}", wanted.display()))?;
    fs::create_dir_all(&wanted).map_err(|error| cannot_make(&wanted, error))?;
    passable(&wanted, account)?;
    if account.enters(ui, &wanted)? {
        return Ok(wanted);
    }
    let name = format!("xtask-{}-{}", Account::ours().uid, digest(&[wanted.as_os_str().as_encoded_bytes()]));
    let fallback = Path::new("/var/tmp").join(name);
    make_own(&fallback, 0o711)?;
    ui.verbose(format!("{} is out of reach for uid {}: {} is used", wanted.display(), account.uid, fallback.display()));
    Ok(fallback)
}

/// A folder of a server under its base, made if need be.
pub(super) fn run_dir(base: &Path, name: &str) -> Result<PathBuf> {
    let dir = base.join(name);
    make_own(&dir, 0o711)?;
    Ok(dir)
}

/// Lets the server's account through a folder of this tool, whatever the umask was.
fn passable(dir: &Path, account: Account) -> Result<()> {
    if account == Account::ours() {
        return Ok(());
    }
    let meta = fs::metadata(dir).with_context(|| format!("looking at {}", dir.display()))?;
    if meta.uid() == Account::ours().uid && meta.mode() & 0o001 == 0 {
        let mode = (meta.mode() & 0o7777) | 0o011;
        fs::set_permissions(dir, Permissions::from_mode(mode)).with_context(|| format!("opening {}", dir.display()))?;
    }
    Ok(())
}

/// Makes a folder that belongs to us, or takes an existing one if this tool may have made it: a real folder, our own,
/// and nobody else may write in it.
fn make_own(dir: &Path, mode: u32) -> Result<()> {
    match DirBuilder::new().mode(mode).create(dir) {
        Ok(()) => fs::set_permissions(dir, Permissions::from_mode(mode)).context("setting a folder's mode"),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => is_own(dir, Account::ours()),
        Err(error) => Err(cannot_make(dir, error)),
    }
}

fn cannot_make(dir: &Path, error: std::io::Error) -> anyhow::Error {
    if error.kind() != ErrorKind::PermissionDenied {
        return anyhow::Error::from(error).context(format!("making {}", dir.display()));
    }
    let parent = dir.ancestors().skip(1).find(|parent| parent.is_dir()).unwrap_or(dir);
    Fail::new(Kind::PermissionDenied, "No place for the embedded PostgreSQL")
        .details(format!("cannot make {}: {error}", dir.display()))
        .run("See whose it is", program(["ls", "-ld"]).word(parent))
        .action("Run the command as that user, or give the folder to yourself")
        .into()
}

fn is_own(dir: &Path, owner: Account) -> Result<()> {
    let meta = fs::symlink_metadata(dir).with_context(|| format!("looking at {}", dir.display()))?;
    let wrong = if !meta.is_dir() {
        "is no folder".to_owned()
    } else if meta.uid() != owner.uid {
        format!("belongs to uid {}, not {}", meta.uid(), owner.uid)
    } else if meta.mode() & 0o022 != 0 {
        format!("may be written by others (mode {:o})", meta.mode() & 0o777)
    } else {
        return Ok(());
    };
    Err(Fail::new(Kind::PermissionDenied, "A folder of the embedded PostgreSQL is not ours")
        .details(format!("{} {wrong}", dir.display()))
        .run("Look at it", program(["ls", "-ld"]).word(dir))
        .action("If nobody needs it, remove it and run the command again")
        .related(own("db-server").word("status"))
        .into())
}

/// Where the socket's folder may be, the shortest first; the name belongs to this one server.
fn socket_dirs(run_dir: &Path) -> [PathBuf; 3] {
    let name = format!("xtask-{}", digest(&[run_dir.as_os_str().as_encoded_bytes()]));
    [PathBuf::from("/tmp"), PathBuf::from("/var/tmp"), std::env::temp_dir()].map(|parent| parent.join(&name))
}

/// Makes the private folder of the socket, in the first of the usual places where that works.
pub(super) fn make_socket_dir(run_dir: &Path, account: Account) -> Result<PathBuf> {
    let mut refused = Vec::new();
    for dir in socket_dirs(run_dir) {
        if socket_file(&dir).as_os_str().len() > SOCKET_PATH_MAX {
            refused.push(format!("{}: too long for a Unix socket", dir.display()));
            continue;
        }
        match fresh_socket_dir(&dir, account) {
            Ok(()) => return Ok(dir),
            Err(error) => refused.push(format!("{}: {error:#}", dir.display())),
        }
    }
    anyhow::bail!("no folder for the server's socket\n{}", refused.join("\n"))
}

fn fresh_socket_dir(dir: &Path, account: Account) -> Result<()> {
    remove_socket_dir(dir, account)?;
    DirBuilder::new().mode(0o700).create(dir).context("making the socket's folder")?;
    account.give(dir)
}

/// Removes the folder of a server's socket, wherever it was made. One that a stranger has put there stays.
pub(super) fn remove_socket_dirs(run_dir: &Path, account: Account) {
    for dir in socket_dirs(run_dir) {
        let _ = remove_socket_dir(&dir, account);
    }
}

/// Removes a folder if it is there and the server's (or ours, half made).
fn remove_socket_dir(dir: &Path, account: Account) -> Result<()> {
    match fs::symlink_metadata(dir) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error).with_context(|| format!("looking at {}", dir.display())),
        Ok(_) => is_own(dir, account).or_else(|_| is_own(dir, Account::ours()))?,
    }
    fs::remove_dir_all(dir).with_context(|| format!("removing {}", dir.display()))
}

/// The socket in its folder.
pub(super) fn socket_file(dir: &Path) -> PathBuf {
    dir.join(format!(".s.PGSQL.{PORT}"))
}

/// A short name for some bytes: 16 hex digits.
pub(super) fn digest(parts: &[&[u8]]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part);
        hash.update([0]);
    }
    hash.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accounts_are_read_from_passwd() {
        let text = "root:x:0:0::/root:/bin/sh\nnobody:*:-2:-2:Unprivileged:/var/empty:/usr/bin/false\npostgres:x:101:104::/:\n";
        assert_eq!(account_in(text, "postgres"), Some(Account { uid: 101, gid: 104 }));
        assert_eq!(account_in(text, "nobody"), Some(Account { uid: 4_294_967_294, gid: 4_294_967_294 }));
        assert_eq!(account_in(text, "root"), None, "root is what must be got away from");
        assert_eq!(account_in(text, "post"), None, "a name is not its beginning");
        assert_eq!(account_in("postgres:x\n", "postgres"), None);
    }

    #[test]
    fn a_symbolic_link_or_an_open_folder_is_not_ours() {
        let root = std::env::temp_dir().join(format!("xtask-own-{}", std::process::id()));
        let _ = fs::remove_dir_all(&root);
        fs::create_dir(&root).unwrap();
        let (dir, link) = (root.join("dir"), root.join("link"));
        make_own(&dir, 0o711).unwrap();
        make_own(&dir, 0o711).unwrap();
        std::os::unix::fs::symlink(&dir, &link).unwrap();
        assert!(make_own(&link, 0o711).is_err());
        assert!(remove_socket_dir(&link, Account::ours()).is_err());
        fs::set_permissions(&dir, Permissions::from_mode(0o777)).unwrap();
        assert!(make_own(&dir, 0o711).is_err());
        fs::remove_dir_all(&root).unwrap();
    }
}
