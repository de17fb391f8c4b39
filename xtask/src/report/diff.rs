//! The lines in which two texts differ, as a person reads a patch: `-` and `+`, with a few unchanged lines round them.
//! Not for `patch(1)`: there are no line numbers.

/// Lines that stay the same and are shown before and after a change.
const CONTEXT: usize = 1;

/// The changed lines with their surroundings; nothing for equal texts. Line ends are not shown.
pub fn diff(before: &str, after: &str) -> Vec<String> {
    let (before, after): (Vec<&str>, Vec<&str>) = (before.lines().collect(), after.lines().collect());
    let head = before.iter().zip(&after).take_while(|(a, b)| a == b).count();
    let (old, new) = (&before[head..], &after[head..]);
    let tail = old.iter().rev().zip(new.iter().rev()).take_while(|(a, b)| a == b).count();
    let (old, new) = (&old[..old.len() - tail], &new[..new.len() - tail]);
    if old.is_empty() && new.is_empty() {
        return Vec::new();
    }
    let lead = before[..head].iter().rev().take(CONTEXT).rev().map(|line| format!("  {line}"));
    let rest = before[before.len() - tail..].iter().take(CONTEXT).map(|line| format!("  {line}"));
    lead.chain(middle(old, new)).chain(rest).collect()
}

/// The longest common subsequence decides what stays; a migration's changed part is a dozen lines.
fn middle(old: &[&str], new: &[&str]) -> Vec<String> {
    let mut longest = vec![vec![0; new.len() + 1]; old.len() + 1];
    for (i, a) in old.iter().enumerate().rev() {
        for (j, b) in new.iter().enumerate().rev() {
            longest[i][j] = if a == b { longest[i + 1][j + 1] + 1 } else { longest[i + 1][j].max(longest[i][j + 1]) };
        }
    }
    let (mut i, mut j, mut lines) = (0, 0, Vec::new());
    while i < old.len() || j < new.len() {
        if i < old.len() && j < new.len() && old[i] == new[j] {
            lines.push(format!("  {}", old[i]));
            (i, j) = (i + 1, j + 1);
        } else if j == new.len() || (i < old.len() && longest[i + 1][j] >= longest[i][j + 1]) {
            lines.push(format!("- {}", old[i]));
            i += 1;
        } else {
            lines.push(format!("+ {}", new[j]));
            j += 1;
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::diff;

    #[test]
    fn changed_lines_and_their_neighbours() {
        let before = "a\nb\nRevises: 1\nc\nd\ndown = '1'\ne\nf\n";
        let after = "a\nb\nRevises: 2\nc\nd\ndown = '2'\ne\nf\n";
        let expected = ["  b", "- Revises: 1", "+ Revises: 2", "  c", "  d", "- down = '1'", "+ down = '2'", "  e"];
        assert_eq!(diff(before, after), expected);
        assert_eq!(diff("a\n", "a\nb\n"), ["  a", "+ b"]);
        assert_eq!(diff("a\nb\n", "b\n"), ["- a", "  b"]);
        assert!(diff("a\r\n", "a\r\n").is_empty());
    }
}
