//! Walks along a branch's first parents, commit by commit: what each changed in some folders; a merge counts as one
//! commit.

use std::path::Path;

use anyhow::{Context, Result};

use super::{Changed, Oid, Repo, no_option, parse};

/// A commit of a main line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LineCommit {
    pub commit: Oid,
    /// Its first parent; `None` for the first commit of all, and at a cut of a shallow clone.
    pub parent: Option<Oid>,
    /// When it was committed, in seconds since 1970.
    pub time: u64,
    /// The first line of its message.
    pub subject: String,
    pub changed: Vec<Changed>,
}

impl Repo {
    /// The commits of a line that touched some folders, oldest first. `reached` is what git walks: a commit, or
    /// `FROM..TO`; with `since` (seconds since 1970) only what was committed later.
    ///
    /// # Errors
    /// A usage error where git does not know what is to be walked.
    pub fn main_line<P: AsRef<Path>>(
        &self,
        reached: &str,
        since: Option<u64>,
        folders: &[P],
    ) -> Result<Vec<LineCommit>> {
        for name in reached.split("..").filter(|name| !name.is_empty()) {
            self.commit(name)?;
        }
        let args = ["log", "--first-parent", "--diff-merges=first-parent", "--reverse", "--no-renames", "--raw", "-z"];
        let question = self.git.ask(args).args(["--no-abbrev", "--format=%x01%H%x00%P%x00%ct%x00%s"]);
        let question = match since {
            Some(seconds) => question.arg(format!("--since=@{seconds}")),
            None => question,
        };
        let question = question.arg(no_option(reached)?).paths(&self.pathspecs(folders)?);
        commits(&question.run()?.ok()?)
    }
}

/// `␁ID␀PARENTS␀1700000000␀Subject␀⏎:000000 100644 000… 870… A␀v/b.py␀`.
fn commits(output: &[u8]) -> Result<Vec<LineCommit>> {
    let text = |bytes: Option<&[u8]>| String::from_utf8_lossy(bytes.unwrap_or_default()).into_owned();
    let mut found = Vec::new();
    for part in output.split(|byte| *byte == 1).skip(1) {
        let mut fields = part.splitn(5, |byte| *byte == 0);
        let commit = parse::id("log", fields.next().unwrap_or_default())?;
        let parent = text(fields.next()).split(' ').next().and_then(Oid::parse);
        let time = text(fields.next()).trim().parse().context("`git log` names no time of a commit")?;
        let subject = text(fields.next());
        let raw = fields.next().unwrap_or_default();
        let raw = raw.strip_prefix(b"\n").unwrap_or(raw);
        let changed = parse::raw(raw)?.into_iter().map(parse::Raw::change).collect::<Result<_>>()?;
        found.push(LineCommit { commit, parent, time, subject, changed });
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commits_with_what_they_brought() {
        let (id, blob, none) = ("d".repeat(40), "8".repeat(40), "0".repeat(40));
        let one = format!("\u{1}{id}\0{id} {id}\x0020\0Add b\0\n:000000 100644 {none} {blob} A\0v/b.py\0");
        let commits = commits(one.repeat(2).as_bytes()).unwrap();
        assert_eq!((commits.len(), commits[0].time, commits[0].subject.as_str()), (2, 20, "Add b"));
        assert_eq!(commits[1].changed.len(), 1);
        assert_eq!(commits[0].parent.as_ref().map(Oid::as_str), Some(id.as_str()));
    }
}
