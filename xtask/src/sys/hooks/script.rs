//! The text of a hook: a small POSIX script that runs the built binary directly, since a hook must not compile. Its
//! marker line holds a digest of the rest, which shows that it is this tool's and whether somebody has edited it.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::Hook;
use crate::model::action::{Around, own};

/// The first word of the program's command line when a hook calls it; not for people.
pub const HOOK_COMMAND: &str = "__hook";

/// What the marker line begins with; the digest follows.
const MARKER: &[u8] = b"# xtask-hook ";
/// What the line begins with that names the one repository a shared hook is for.
const ONLY_FOR: &[u8] = b"# only for ";
/// What the line begins with that names the binary.
const RUNS: &[u8] = b"# runs ";
/// The ending of a hook that was there before.
const KEPT: &str = "before-xtask";

/// What a hook's script depends on besides its name.
#[derive(Clone, Debug)]
pub struct Wiring {
    /// The built binary: from the root of the work tree (each linked one has its own), or absolute.
    pub binary: PathBuf,
    /// The project, from the root of the work tree.
    pub project: PathBuf,
    /// The command that builds the binary.
    pub build: String,
    /// The repository's git folder, where the hooks' folder serves others too.
    pub only_for: Option<PathBuf>,
}

/// Whose a hook is, by its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Author {
    /// Ours, as it was written.
    Ours,
    /// Ours, in a folder that several repositories share, and for another one than is wanted.
    OursFor(PathBuf),
    /// Ours, and changed since.
    Edited,
    /// Somebody else's.
    Foreign,
}

/// The name under which a hook that was there before is kept.
pub fn kept_name(hook: Hook) -> String {
    format!("{}.{KEPT}", hook.name())
}

/// The whole script.
pub fn text(hook: Hook, wiring: &Wiring) -> Vec<u8> {
    let body = body(hook, wiring);
    let mut text = b"#!/bin/sh\n".to_vec();
    text.extend_from_slice(MARKER);
    text.extend_from_slice(digest(&body).as_bytes());
    text.push(b'\n');
    text.extend_from_slice(&body);
    text
}

/// Whose hook this is; `only_for` as in [`Wiring`].
pub fn author(text: &[u8], only_for: Option<&Path>) -> Author {
    let Some(rest) = text.strip_prefix(b"#!/bin/sh\n").and_then(|rest| rest.strip_prefix(MARKER)) else {
        // Somebody may have put lines above the marker.
        let is_marked = text.split(|&byte| byte == b'\n').any(|line| line.starts_with(MARKER));
        return if is_marked { Author::Edited } else { Author::Foreign };
    };
    let end = rest.iter().position(|&byte| byte == b'\n').unwrap_or(rest.len());
    let (said, body) = (&rest[..end], rest.get(end + 1..).unwrap_or_default());
    if said != digest(body).as_bytes() {
        return Author::Edited;
    }
    match remark(body, ONLY_FOR) {
        Some(other) if Some(&*other) != only_for => Author::OursFor(other),
        _ => Author::Ours,
    }
}

/// The binary that a hook of this tool runs, from the root of the work tree or absolute.
pub fn binary(text: &[u8]) -> Option<PathBuf> {
    remark(text, RUNS)
}

/// The rest of the line that begins so.
fn remark(text: &[u8], start: &[u8]) -> Option<PathBuf> {
    let rest = text.split(|&byte| byte == b'\n').find_map(|line| line.strip_prefix(start))?;
    Some(PathBuf::from(OsStr::from_bytes(rest)))
}

fn digest(body: &[u8]) -> String {
    Sha256::digest(body).iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

/// All below the marker line. Paths need not be UTF-8.
fn body(hook: Hook, wiring: &Wiring) -> Vec<u8> {
    let mut body = Vec::new();
    let mut say = |parts: &[&[u8]]| {
        parts.iter().for_each(|part| body.extend_from_slice(part));
        body.push(b'\n');
    };
    let name = hook.name();
    let hooks = |word: &str| own("hooks").word(word).plain().text(&Around::default());
    let (install, uninstall) = (hooks("install"), hooks("uninstall"));
    let made = format!("# Made by `{install}`, taken out by `{uninstall}`. A hook that was here before");
    say(&[made.as_bytes()]);
    say(&[
        format!("# is kept beside as {} and runs first. Lines of your own belong there.", kept_name(hook)).as_bytes()
    ]);
    say(&[RUNS, &in_one_line(&wiring.binary)]);
    if let Some(repository) = &wiring.only_for {
        say(&[ONLY_FOR, &in_one_line(repository)]);
    }
    let feed = if hook.reads_stdin() { "printf %s \"$input\" | " } else { "" };
    if hook.reads_stdin() {
        // A command substitution would drop the last line breaks.
        say(&[b"input=$(cat; printf x)\ninput=${input%x}"]);
    }
    say(&[format!("before=${{0%/*}}/{}", kept_name(hook)).as_bytes()]);
    say(&[b"if [ -f \"$before\" ] && [ -x \"$before\" ]; then"]);
    say(&[format!("    {feed}\"$before\" \"$@\" || exit $?\nfi").as_bytes()]);
    if let Some(condition) = hook.condition() {
        say(&[condition.as_bytes(), b" || exit 0"]);
    }
    if let Some(repository) = &wiring.only_for {
        let ask: &[u8] = b"[ \"$(git rev-parse --path-format=absolute --git-common-dir)\" = ";
        say(&[ask, &quoted(repository), b" ] || exit 0"]);
    }
    say(&[b"xtask=", &quoted(&wiring.binary)]);
    say(&[b"if [ ! -x \"$xtask\" ]; then"]);
    let hint = format!("xtask is not built, so {} here. {}", hook.loss(), wiring.build);
    say(&[b"    printf '%s\\n' ", &quoted(Path::new(&hint)), b" >&2\n    exit 0\nfi"]);
    let call = format!("{feed}\"$xtask\" {HOOK_COMMAND} {name} ");
    say(&[call.as_bytes(), &quoted(&wiring.project), b" \"$@\""]);
    say(&[b"# Only a finding or Ctrl-C stops git; a defect of the tool must not."]);
    say(&[b"case $? in\n    4 | 130) exit 1 ;;\nesac\nexit 0"]);
    body
}

/// A line break would end the comment.
fn in_one_line(path: &Path) -> Vec<u8> {
    path.as_os_str().as_bytes().iter().map(|&byte| if byte == b'\n' { b' ' } else { byte }).collect()
}

/// One word for a POSIX shell.
fn quoted(path: &Path) -> Vec<u8> {
    let mut word = b"'".to_vec();
    for &byte in path.as_os_str().as_bytes() {
        match byte {
            b'\'' => word.extend_from_slice(br"'\''"),
            byte => word.push(byte),
        }
    }
    word.push(b'\'');
    word
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wiring() -> Wiring {
        Wiring {
            binary: "target/debug/xtask".into(),
            project: ".".into(),
            build: "Build it: cargo build --package xtask".into(),
            only_for: None,
        }
    }

    #[test]
    fn a_pre_commit_hook_whole() {
        let expected = "#!/bin/sh
# xtask-hook DIGEST
# Made by `cargo xtask hooks install`, taken out by `cargo xtask hooks uninstall`. A hook that was here before
# is kept beside as pre-commit.before-xtask and runs first. Lines of your own belong there.
# runs target/debug/xtask
before=${0%/*}/pre-commit.before-xtask
if [ -f \"$before\" ] && [ -x \"$before\" ]; then
    \"$before\" \"$@\" || exit $?
fi
xtask='target/debug/xtask'
if [ ! -x \"$xtask\" ]; then
    printf '%s\\n' 'xtask is not built, so migration scripts are not checked here. Build it: cargo build --package xtask' >&2
    exit 0
fi
\"$xtask\" __hook pre-commit '.' \"$@\"
# Only a finding or Ctrl-C stops git; a defect of the tool must not.
case $? in
    4 | 130) exit 1 ;;
esac
exit 0
";
        let text = String::from_utf8(text(Hook::PreCommit, &wiring())).unwrap();
        let digest = text.lines().nth(1).unwrap().rsplit(' ').next().unwrap();
        assert_eq!(text.replace(digest, "DIGEST"), expected);
    }

    #[test]
    fn our_own_is_recognised_and_so_is_any_edit() {
        let ours = text(Hook::PrePush, &wiring());
        assert_eq!(author(&ours, None), Author::Ours);
        let edited = [&ours[..], b"echo more\n"].concat();
        assert_eq!(author(&edited, None), Author::Edited);
        let above = [b"#!/bin/sh\necho first\n", &ours[10..]].concat();
        assert_eq!(author(&above, None), Author::Edited);
        assert_eq!(author(&ours[..ours.len() - 1], None), Author::Edited);
        assert_eq!(author(b"#!/bin/sh\nexec cargo xtask db-check --staged\n", None), Author::Foreign);
        assert_eq!(author(b"", None), Author::Foreign);
        assert_eq!(author(b"#!/bin/sh\n# xtask-hook ", None), Author::Edited);
    }

    #[test]
    fn a_shared_hook_is_for_one_repository() {
        let shared = Wiring { only_for: Some("/a/.git".into()), ..wiring() };
        let ours = text(Hook::PreCommit, &shared);
        assert_eq!(author(&ours, Some(Path::new("/a/.git"))), Author::Ours);
        assert_eq!(author(&ours, Some(Path::new("/b/.git"))), Author::OursFor("/a/.git".into()));
    }

    #[test]
    fn no_path_ends_its_quotes() {
        let path = Path::new("it's $HOME ''`x`");
        assert_eq!(quoted(path), br"'it'\''s $HOME '\'''\''`x`'");
        assert_eq!(binary(&text(Hook::PrePush, &Wiring { binary: path.into(), ..wiring() })).unwrap(), path);
    }
}
