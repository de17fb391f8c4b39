//! git's output, parsed: bytes in, values out, nothing else. Each parser quotes a line of what it reads; what does not
//! look like that is an error that shows it, never an empty answer. `␀` stands for a zero byte.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};

use super::answer::{Changed, Conflict, File, Head, Oid, State, path_of};

/// An option that `rev-parse` does not know and therefore repeats: it marks where one path ends and the next begins,
/// since a folder's name may have line breaks in it.
pub(super) const FIELD: &str = "--xtask-field";

/// The answer of [`found`].
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) root: PathBuf,
    pub(super) git_dir: PathBuf,
    pub(super) common_dir: PathBuf,
    pub(super) hooks: PathBuf,
    pub(super) is_shallow: bool,
    pub(super) object_format: String,
}

/// `git rev-parse`, fields between lines of [`FIELD`]: `true`, then `sha1` and `false` (shallow), then the git folder,
/// the common one, the hooks' one and the root.
pub(super) fn found(output: &[u8]) -> Result<Found> {
    let separator = format!("\n{FIELD}\n");
    let body = output.strip_suffix(b"\n").unwrap_or(output);
    let [inside, facts, git_dir, common_dir, hooks, root] = fields(body, separator.as_bytes())[..] else {
        return unknown("rev-parse", output);
    };
    let facts = String::from_utf8_lossy(facts);
    let (Some((format, shallow)), b"true") = (facts.split_once('\n'), inside) else {
        return unknown("rev-parse", output);
    };
    let is_shallow = match shallow {
        "true" => true,
        "false" => false,
        _ => return unknown("rev-parse", output),
    };
    let [git_dir, common_dir, hooks, root] = [git_dir, common_dir, hooks, root].map(path_of);
    Ok(Found { root, git_dir, common_dir, hooks, is_shallow, object_format: format.to_owned() })
}

fn fields<'a>(mut rest: &'a [u8], separator: &[u8]) -> Vec<&'a [u8]> {
    let mut fields = Vec::new();
    while let Some(at) = rest.windows(separator.len()).position(|window| window == separator) {
        fields.push(&rest[..at]);
        rest = &rest[at + separator.len()..];
    }
    fields.push(rest);
    fields
}

/// `git version 2.47.3`, `git version 2.39.3 (Apple Git-146)`.
pub(super) fn version(output: &[u8]) -> Result<(String, (u32, u32))> {
    let text = String::from_utf8_lossy(output);
    let version = text.strip_prefix("git version ").and_then(|rest| rest.split_whitespace().next());
    let mut numbers = version.unwrap_or_default().split('.').map(str::parse::<u32>);
    match (version, numbers.next(), numbers.next()) {
        (Some(version), Some(Ok(major)), Some(Ok(minor))) => Ok((version.to_owned(), (major, minor))),
        _ => unknown("version", output),
    }
}

/// `# branch.oid d579cd95927778c56eb7b9e68265d6eb8647007d␀# branch.head main␀`; `(initial)` before the first commit,
/// `(detached)` without a branch. Other records are of no interest here.
pub(super) fn head(output: &[u8]) -> Result<Head> {
    let value = |key: &str| {
        let mut records = records(output);
        let found = records.find_map(|record| record.strip_prefix(key.as_bytes()));
        found.map(|value| String::from_utf8_lossy(value).into_owned())
    };
    let (Some(oid), Some(branch)) = (value("# branch.oid "), value("# branch.head ")) else {
        return unknown("status --branch", output);
    };
    let commit = if oid == "(initial)" { None } else { Some(id("status --branch", oid.as_bytes())?) };
    Ok(Head { branch: (branch != "(detached)").then_some(branch), commit })
}

/// One line for each line asked: `d00491fd7e5bb6fa28c517a0bb32b8b506539d4d blob`, or what was asked with ` missing` or
/// ` ambiguous` behind it.
pub(super) fn batch_check(output: &[u8], asked: usize) -> Result<Vec<Option<Oid>>> {
    let mut answers = Vec::with_capacity(asked);
    for line in lines(output) {
        if line.ends_with(b" missing") || line.ends_with(b" ambiguous") {
            answers.push(None);
            continue;
        }
        let digits = line.split(|&byte| byte == b' ').next().unwrap_or_default();
        answers.push(Some(id("cat-file --batch-check", line_id(digits, line))?));
    }
    if answers.len() != asked {
        return unknown("cat-file --batch-check", output);
    }
    Ok(answers)
}

/// The digits if they are an id, the whole line otherwise, so that the error shows it.
fn line_id<'a>(digits: &'a [u8], line: &'a [u8]) -> &'a [u8] {
    if matches!(digits.len(), 40 | 64) { digits } else { line }
}

/// For each object asked: `d00491fd7e5bb6fa28c517a0bb32b8b506539d4d blob 2`, the content and a line break; or
/// `d00491fd7e5bb6fa28c517a0bb32b8b506539d4d missing`. `None` for what is missing.
pub(super) fn batch(output: &[u8], asked: &[Oid]) -> Result<Vec<Option<Vec<u8>>>> {
    let mut rest = output;
    let mut contents = Vec::with_capacity(asked.len());
    for oid in asked {
        let Some(end) = rest.iter().position(|&byte| byte == b'\n') else { return unknown("cat-file --batch", rest) };
        let line = String::from_utf8_lossy(&rest[..end]);
        rest = &rest[end + 1..];
        let content = match line.split(' ').collect::<Vec<_>>()[..] {
            [name, "missing"] if name == oid.as_str() => None,
            [name, "blob", size] if name == oid.as_str() => {
                let Some((content, after)) = size.parse().ok().and_then(|size| rest.split_at_checked(size)) else {
                    return unknown("cat-file --batch", line.as_bytes());
                };
                rest = after.strip_prefix(b"\n").context("`git cat-file --batch` stopped in the middle")?;
                Some(content.to_owned())
            }
            _ => return unknown("cat-file --batch", line.as_bytes()),
        };
        contents.push(content);
    }
    if rest.is_empty() { Ok(contents) } else { unknown("cat-file --batch", rest) }
}

/// `100644 blob d00491fd7e5bb6fa28c517a0bb32b8b506539d4d⇥v/a.py␀`. Submodules (`160000 commit …`) are left out.
pub(super) fn ls_tree(output: &[u8]) -> Result<Vec<File>> {
    let mut files = Vec::new();
    for record in records(output) {
        let Some((words, path)) = cut(record, b'\t') else { return unknown("ls-tree", record) };
        match words.split(|&byte| byte == b' ').collect::<Vec<_>>()[..] {
            [mode, b"blob", oid] => {
                files.push(File { path: path_of(path), blob: id("ls-tree", oid)?, mode: octal("ls-tree", mode)? });
            }
            [_, b"commit", _] => {}
            _ => return unknown("ls-tree", record),
        }
    }
    Ok(files)
}

/// `:100644 100755 d00491fd7e5bb6fa28c517a0bb32b8b506539d4d 8b137891791fe96927ad78e64b0aad7bded08bdc M␀v/a.py␀`; with
/// `R086` or `C075` two paths follow, old and new.
pub(super) fn raw(output: &[u8]) -> Result<Vec<Raw>> {
    let mut records = records(output);
    let mut changes = Vec::new();
    while let Some(record) = records.next() {
        let words: Vec<&[u8]> = record.split(|&byte| byte == b' ').collect();
        let (&[old_mode, new_mode, old, new, letter], Some(first)) = (&words[..], records.next()) else {
            return unknown("diff --raw", record);
        };
        let has_two = matches!(letter.first(), Some(b'R' | b'C'));
        let second =
            if has_two { Some(records.next().context("`git diff --raw` stopped in the middle")?) } else { None };
        octal("diff --raw", old_mode.strip_prefix(b":").unwrap_or(record))?;
        changes.push(Raw {
            letter: *letter.first().context("`git diff --raw` says nothing about a file")?,
            mode: octal("diff --raw", new_mode)?,
            old: object("diff --raw", old)?,
            new: object("diff --raw", new)?,
            from: second.map(|_| path_of(first)),
            path: path_of(second.unwrap_or(first)),
        });
    }
    Ok(changes)
}

/// One record of [`raw`].
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Raw {
    pub(super) letter: u8,
    pub(super) mode: u32,
    pub(super) old: Option<Oid>,
    pub(super) new: Option<Oid>,
    pub(super) from: Option<PathBuf>,
    pub(super) path: PathBuf,
}

impl Raw {
    /// What happened to the file.
    pub(super) fn change(self) -> Result<Changed> {
        let Raw { letter, old, new, from, path, .. } = self;
        let needed = || format!("`git diff --raw` names no object for {}", path.display());
        Ok(match (letter, from) {
            (b'A', None) => Changed::Added { path, blob: new },
            (b'D', None) => Changed::Deleted { blob: old.with_context(needed)?, path },
            (b'M' | b'T', None) => Changed::Modified { before: old.with_context(needed)?, after: new, path },
            (b'R', Some(from)) => Changed::Renamed { before: old.with_context(needed)?, from, path, after: new },
            (b'C', Some(_)) => Changed::Added { path, blob: new },
            (b'U', None) => Changed::Unmerged { path },
            (letter, _) => bail!("`git diff --raw` says `{}` of {}", char::from(letter), path.display()),
        })
    }
}

/// `100644 933ea649d2ba55a572d3c6111209578dcd55b9b0 2⇥v/a.py␀`: stage 1 is the common ancestor, 2 "ours", 3 "theirs".
pub(super) fn unmerged(output: &[u8]) -> Result<Vec<Conflict>> {
    let mut conflicts: Vec<Conflict> = Vec::new();
    for record in records(output) {
        let Some((words, path)) = cut(record, b'\t') else { return unknown("ls-files --unmerged", record) };
        let &[_, oid, stage] = &words.split(|&byte| byte == b' ').collect::<Vec<_>>()[..] else {
            return unknown("ls-files --unmerged", record);
        };
        let (path, oid) = (path_of(path), id("ls-files --unmerged", oid)?);
        if conflicts.last().is_none_or(|last| last.path != path) {
            conflicts.push(Conflict { path, base: None, ours: None, theirs: None });
        }
        let last = conflicts.last_mut().context("one was put there just now")?;
        match stage {
            b"1" => last.base = Some(oid),
            b"2" => last.ours = Some(oid),
            b"3" => last.theirs = Some(oid),
            _ => return unknown("ls-files --unmerged", record),
        }
    }
    Ok(conflicts)
}

/// `1 .M N... 100644 100644 100644 d00491… d00491… v/a.py␀` (tracked: index, then work tree; `.` says unchanged),
/// `u UU N... 100644 100644 100644 100644 d00491… 933ea6… a46007… v/a.py␀` (conflict), `? t.py␀` (untracked),
/// `! ig/x.py␀` (ignored).
pub(super) fn status(output: &[u8]) -> Result<Vec<(PathBuf, State)>> {
    let mut entries = Vec::new();
    for record in records(output) {
        let (state, path) = match record {
            [b'?', b' ', path @ ..] => (State::Untracked, path),
            [b'!', b' ', path @ ..] => (State::Ignored, path),
            [b'u', b' ', ..] => (State::Conflicted, nth_word(record, 10)?),
            [b'1', b' ', index, tree, b' ', ..] => {
                let changed = |letter: u8| letter != b'.';
                let state = State::Changed { staged: changed(*index), unstaged: changed(*tree) };
                (state, nth_word(record, 8)?)
            }
            _ => return unknown("status", record),
        };
        entries.push((path_of(path), state));
    }
    Ok(entries)
}

/// What follows the first `n` words.
fn nth_word(record: &[u8], n: usize) -> Result<&[u8]> {
    match record.splitn(n + 1, |&byte| byte == b' ').nth(n) {
        Some(rest) => Ok(rest),
        None => unknown("status", record),
    }
}

/// Lines that are an id each: `d00491fd7e5bb6fa28c517a0bb32b8b506539d4d`.
pub(super) fn ids(what: &str, output: &[u8]) -> Result<Vec<Oid>> {
    lines(output).map(|line| id(what, line)).collect()
}

/// `8ef2…\0both\0v/a.py\0`: the tree that a merge would leave, and the files in conflict.
pub(super) fn merge_tree(output: &[u8]) -> Result<(Oid, Vec<PathBuf>)> {
    let mut records = records(output);
    let tree = id("merge-tree", records.next().unwrap_or_default())?;
    Ok((tree, records.filter(|path| !path.is_empty()).map(path_of).collect()))
}

/// The files that git's refusal names, one to a line behind a tab:
/// `error: Your local changes to the following files would be overwritten by merge:`, `⇥v/a.py`.
pub(super) fn in_the_way(stderr: &str) -> Vec<String> {
    if !stderr.contains("would be overwritten by") && !stderr.contains("would lose") {
        return Vec::new();
    }
    stderr.lines().filter_map(|line| line.strip_prefix('\t')).map(str::to_owned).collect()
}

/// Records that end in a zero byte.
pub(super) fn records(output: &[u8]) -> impl Iterator<Item = &[u8]> {
    let body = output.strip_suffix(b"\0").unwrap_or(output);
    body.split(|&byte| byte == 0).filter(move |_| !output.is_empty())
}

/// Lines, the last one with or without its break.
pub(super) fn lines(output: &[u8]) -> impl Iterator<Item = &[u8]> {
    let body = output.strip_suffix(b"\n").unwrap_or(output);
    body.split(|&byte| byte == b'\n').filter(move |_| !output.is_empty())
}

fn cut(record: &[u8], at: u8) -> Option<(&[u8], &[u8])> {
    let end = record.iter().position(|&byte| byte == at)?;
    Some((&record[..end], &record[end + 1..]))
}

/// An id that must be one.
pub(super) fn id(what: &str, digits: &[u8]) -> Result<Oid> {
    match std::str::from_utf8(digits).ok().and_then(Oid::parse) {
        Some(oid) => Ok(oid),
        None => unknown(what, digits),
    }
}

/// An id, or zeros for none.
fn object(what: &str, digits: &[u8]) -> Result<Option<Oid>> {
    Ok(Some(id(what, digits)?).filter(|oid| !oid.is_zero()))
}

fn octal(what: &str, digits: &[u8]) -> Result<u32> {
    let mode = std::str::from_utf8(digits).ok().and_then(|digits| u32::from_str_radix(digits, 8).ok());
    match mode {
        Some(mode) => Ok(mode),
        None => unknown(what, digits),
    }
}

/// git said something that this version of the tool does not know.
pub(super) fn unknown<T>(what: &str, output: &[u8]) -> Result<T> {
    const SHOWN: usize = 200;
    let shown = &output[..output.len().min(SHOWN)];
    bail!("cannot read what `git {what}` says: `{}`", shown.escape_ascii())
}

#[cfg(test)]
#[path = "parse_tests.rs"]
mod tests;
