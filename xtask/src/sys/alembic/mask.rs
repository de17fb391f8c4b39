//! Removes passwords from texts that others have written: exception messages, tracebacks, the output of scripts.

use crate::model::url::Secret;

/// What stands in a password's place.
const MASK: &str = "***";
/// A password shorter than this is masked only where its place gives it away: as a mere word it would mask half the
/// text and tell by that what it is.
const SHORTEST: usize = 6;

/// Knows the passwords of this run.
#[derive(Clone, Debug, Default)]
pub struct Mask {
    passwords: Vec<Secret>,
}

impl Mask {
    /// Learns the password of a URL, as it stands there and decoded.
    pub fn learn(&mut self, url: &str) {
        let Some((user, password)) = userinfo(url) else { return };
        let decoded = percent_encoding::percent_decode_str(password).decode_utf8_lossy().into_owned();
        for word in [password.to_owned(), decoded] {
            let telling = word.len() >= SHORTEST && word != user && !url.ends_with(&format!("/{word}"));
            if telling && !self.passwords.iter().any(|known| known.expose() == word) {
                self.passwords.push(Secret::new(word));
            }
        }
    }

    /// The text without passwords: known ones, those in URLs, and `password=…` in any spelling.
    pub fn apply(&self, text: &str) -> String {
        let mut text = mask_urls(text);
        for password in &self.passwords {
            text = text.replace(password.expose(), MASK);
        }
        mask_keyword(&text)
    }
}

/// User and password of a URL, as they stand there.
fn userinfo(url: &str) -> Option<(&str, &str)> {
    let rest = url.split_once("://")?.1;
    let authority = &rest[..rest.rfind('@')?];
    authority.split_once(':')
}

fn mask_urls(text: &str) -> String {
    let mut done = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let (before, after) = rest.split_at(at + 3);
        done.push_str(before);
        let word = &after[..after.find(|c: char| c.is_whitespace() || "'\"<>".contains(c)).unwrap_or(after.len())];
        rest = after;
        if let Some(end) = word.rfind('@')
            && let Some((user, _)) = word[..end].split_once(':')
        {
            done.push_str(user);
            done.push(':');
            done.push_str(MASK);
            rest = &after[end..];
        }
    }
    done.push_str(rest);
    done
}

/// `password=x`, `password = 'x'`, `'password': 'x'`, in any case.
fn mask_keyword(text: &str) -> String {
    const KEY: &str = "password";
    let mut done = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.to_ascii_lowercase().find(KEY) {
        let (before, after) = rest.split_at(at + KEY.len());
        done.push_str(before);
        rest = after;
        let value = after.trim_start_matches(['\'', '"', ' ']);
        let Some(value) = value.strip_prefix(['=', ':']).map(|value| value.trim_start_matches(' ')) else { continue };
        let quote = value.chars().next().filter(|c| "'\"".contains(*c));
        let inner = &value[quote.map_or(0, char::len_utf8)..];
        let end = inner.find(|c: char| quote.map_or(c.is_whitespace() || ",;)}&".contains(c), |quote| c == quote));
        done.push_str(&after[..after.len() - inner.len()]);
        done.push_str(MASK);
        rest = &inner[end.unwrap_or(inner.len())..];
    }
    done.push_str(rest);
    done
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &str) {
        let mut mask = Mask::default();
        mask.learn("postgresql+asyncpg://admin:s%40crets@db:5432/app");
        assert_eq!(mask.apply(text), expected);
    }

    #[test]
    fn passwords_go_wherever_they_stand() {
        check("the word s@crets and s%40crets", "the word *** and ***");
        check("to postgresql://u:p@host/db failed", "to postgresql://u:***@host/db failed");
        check("url='postgresql://u:p@q@host/db'", "url='postgresql://u:***@host/db'");
        check("{'user': 'u', 'password': 'x y', 'host': 1}", "{'user': 'u', 'password': '***', 'host': 1}");
        check("host=a PASSWORD=x dbname=b", "host=a PASSWORD=*** dbname=b");
    }

    #[test]
    fn other_text_stays() {
        for text in [
            "password authentication failed for user \"admin\"",
            "see https://sqlalche.me/e/20/f405",
            "no URL here: ://",
            "column \"password\" of relation \"users\"",
            "",
        ] {
            check(text, text);
        }
    }

    #[test]
    fn a_short_password_is_not_hunted_through_the_text() {
        let mut mask = Mask::default();
        mask.learn("postgresql://app:app@h/app");
        assert_eq!(mask.apply("role app, postgresql://app:app@h/app"), "role app, postgresql://app:***@h/app");
    }
}
