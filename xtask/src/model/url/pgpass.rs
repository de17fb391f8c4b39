//! The password file: `host:port:database:user:password`, a star for any, a backslash before `:` and `\`. The first
//! line that fits counts.

use super::Secret;

/// The password of the first line that fits.
pub(super) fn find(text: &str, wanted: [&str; 4]) -> Option<Secret> {
    text.lines().filter(|line| !line.starts_with('#')).find_map(|line| {
        let fields = fields(line);
        let (password, keys) = fields.split_last()?;
        let fits = keys.len() == 4 && keys.iter().zip(wanted).all(|(key, wanted)| key.fits(wanted));
        fits.then(|| Secret(password.text.clone()))
    })
}

struct Field {
    text: String,
    star: bool,
}

impl Field {
    fn fits(&self, wanted: &str) -> bool {
        self.star || self.text == wanted
    }
}

/// The five fields; what follows a fifth colon is dropped, as libpq does.
fn fields(line: &str) -> Vec<Field> {
    let mut raw = vec![String::new()];
    let mut plain = vec![String::new()];
    let mut escaped = false;
    for c in line.chars() {
        if c == ':' && !escaped {
            if raw.len() == 5 {
                break;
            }
            raw.push(String::new());
            plain.push(String::new());
            continue;
        }
        let last = raw.len() - 1;
        raw[last].push(c);
        escaped = c == '\\' && !escaped;
        if !escaped {
            plain[last].push(c);
        }
    }
    // `\*` is a star that means itself.
    raw.iter().zip(plain).map(|(raw, text)| Field { star: raw == "*", text }).collect()
}
