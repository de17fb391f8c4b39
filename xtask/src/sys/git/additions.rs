//! Finds who added each file, and when, in one walk through the past of HEAD.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};

use super::answer::path_of;
use super::{Repo, parse};

/// The commit that brought a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Addition {
    pub author: String,
    /// When it was written, by the author's clock.
    pub time: SystemTime,
}

impl Repo {
    /// The newest commit that added each file under some folders, as far back as history is here. What a merge commit
    /// itself brought (a merge revision is mostly made in one) counts as added by it.
    pub fn additions<P: AsRef<Path>>(&self, folders: &[P]) -> Result<HashMap<PathBuf, Addition>> {
        let args = ["log", "-c", "--no-renames", "--diff-filter=A", "--name-only", "-z", "--format=%x01%an%x00%at"];
        let answer = self.git.ask(args).paths(&self.pathspecs(folders)?).run()?;
        // A repository without a commit has no history to ask for.
        if answer.code() == Some(128) && self.commits(&["HEAD"])?.pop().flatten().is_none() {
            return Ok(HashMap::new());
        }
        additions(&answer.ok()?)
    }
}

/// `␁Ada␀1700000000␀⏎v/a.py␀v/b.py␀␁…`.
fn additions(output: &[u8]) -> Result<HashMap<PathBuf, Addition>> {
    let mut records = parse::records(output);
    let (mut found, mut now) = (HashMap::new(), None);
    while let Some(record) = records.next() {
        if let Some(author) = record.strip_prefix(b"\x01") {
            let seconds = records.next().and_then(|text| std::str::from_utf8(text).ok()?.trim().parse().ok());
            let seconds: u64 = seconds.context("`git log` names no time of a commit")?;
            let author = String::from_utf8_lossy(author).into_owned();
            now = Some(Addition { author, time: UNIX_EPOCH + Duration::from_secs(seconds) });
            continue;
        }
        let path = record.strip_prefix(b"\n").unwrap_or(record);
        let now = now.as_ref().context("`git log` names a file before a commit")?;
        if !path.is_empty() {
            found.entry(path_of(path)).or_insert_with(|| now.clone());
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_addition_counts() {
        let found = additions(b"\x01Ada\x0020\0\nv/a.py\0v/b.py\0\x01Bob\x0010\0\nv/a.py\0").unwrap();
        let of = |path: &str| found[Path::new(path)].author.as_str();
        assert_eq!((found.len(), of("v/a.py"), of("v/b.py")), (2, "Ada", "Ada"));
        assert!(additions(b"").unwrap().is_empty() && additions(b"x\0").is_err());
    }
}
