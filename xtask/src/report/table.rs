//! A plain table: columns as wide as their widest cell, with two blanks between them, without lines and colours, so
//! that it can be piped.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// How many characters a column of a terminal holds at most: accents, joined emoji. More of them are no text.
const IN_A_COLUMN: usize = 8;

/// A line that is no wider than that on a terminal; what was cut off shows as `…`.
pub fn cut(line: &str, width: Option<usize>) -> String {
    let is_too_long = |width: &usize| line.chars().nth(IN_A_COLUMN * width).is_some() || line.width() > *width;
    let Some(width) = width.filter(is_too_long) else { return line.to_owned() };
    let mut room = width.saturating_sub(1);
    let fits = |c: &char| {
        let wide = c.width().unwrap_or(0);
        let fits = wide <= room;
        room -= wide.min(room);
        fits
    };
    line.chars().take_while(fits).chain(['…']).take(width).collect()
}

/// Lays out rows under a heading; the last column is not padded.
pub fn table(heading: &[&str], rows: &[Vec<String>]) -> String {
    let columns = heading.len();
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.width());
        cells.chain([heading[column].width()]).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let heading: Vec<String> = heading.iter().map(|cell| (*cell).to_owned()).collect();
    let line = |row: &Vec<String>| {
        let padded = row.iter().enumerate().map(|(at, cell)| {
            let fill = widths.get(at).copied().unwrap_or(0).saturating_sub(cell.width());
            format!("{cell}{}", " ".repeat(fill))
        });
        padded.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    std::iter::once(&heading).chain(rows).map(line).collect::<Vec<_>>().join("\n")
}

/// `1 head`, `2 heads`.
pub fn count(count: usize, word: &str) -> String {
    format!("{count} {word}{}", if count == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    #[test]
    fn wide_characters_are_cut_where_the_terminal_ends() {
        let cut = |width| super::cut("한글 message", Some(width));
        assert_eq!([cut(0), cut(1), cut(3), cut(4), cut(6), cut(12)].join("|"), "|…|한…|한…|한글 …|한글 message");
        assert_eq!(super::cut("한글", None), "한글");
        // What has no width has a bound all the same.
        assert!(super::cut(&"\u{200b}".repeat(1_000_000), Some(10)).chars().count() <= 10);
        assert_eq!(super::cut("👩‍👩‍👧", Some(6)), "👩‍👩‍👧");
    }

    #[test]
    fn columns_line_up() {
        let rows = [vec!["a".into(), "long cell".into()], vec!["한글".into(), "ü".into()], vec!["longer".into()]];
        let text = super::table(&["one", "two"], &rows);
        assert_eq!(text, "one     two\na       long cell\n한글    ü\nlonger");
    }
}
