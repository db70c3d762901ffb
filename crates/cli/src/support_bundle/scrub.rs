//! Takes out of any text what is a secret of this host, or looks like one. What is taken out leaves a word in its place.

use std::path::Path;

/// Stands where a secret was.
pub(super) const REMOVED: &str = "[removed]";
/// Shorter ones are found in everything.
const SECRET_BYTES_MIN: usize = 8;
/// A secret file is not larger.
const SECRET_FILE_BYTES_MAX: u64 = 64 << 10;
/// What follows one of these words and `=` or `:` is a secret, whatever it is; after an option of a command line also what follows a
/// blank.
const WORDS: [&str; 11] = [
    "password",
    "passphrase",
    "passwd",
    "signature",
    "secret",
    "token",
    "authorization",
    "api-key",
    "apikey",
    "credential",
    "cookie",
];
/// What begins so is a token: a JWT, ours that admit members, and those of API tokens.
const PREFIXES: [&str; 3] = ["eyJ", "chamois-join-", "chamois-token-"];

/// What is known to be secret here.
#[derive(Default)]
pub(super) struct Scrub {
    known: Vec<String>,
}

impl Scrub {
    /// Every line of these files is a secret, and so are these values. What cannot be read is not known, and not in a text either.
    pub(super) fn knowing<'a>(
        files: impl IntoIterator<Item = &'a Path>,
        values: impl IntoIterator<Item = String>,
    ) -> Self {
        let mut known: Vec<String> = values.into_iter().collect();
        for file in files {
            let is_small = std::fs::metadata(file).is_ok_and(|about| about.len() <= SECRET_FILE_BYTES_MAX);
            let text = is_small
                .then(|| std::fs::read_to_string(file).ok())
                .flatten()
                .unwrap_or_default();
            known.extend(
                text.lines()
                    .filter(|line| !line.starts_with("-----"))
                    .map(|line| line.trim().to_owned()),
            );
        }
        known.retain(|secret| secret.len() >= SECRET_BYTES_MIN);
        // the longest first: a part of a secret must not keep the rest of it from being found
        known.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        known.dedup();
        Self { known }
    }

    /// The text without them.
    pub(super) fn text(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for secret in &self.known {
            if text.contains(secret.as_str()) {
                text = text.replace(secret.as_str(), REMOVED);
            }
        }
        let mut clean = String::with_capacity(text.len());
        let mut in_key = false;
        for line in text.split_inclusive('\n') {
            if line.contains("-----BEGIN") && line.contains("PRIVATE KEY") {
                in_key = !line.contains("-----END");
                clean.push_str(REMOVED);
                clean.push('\n');
            } else if in_key {
                in_key = !line.contains("-----END");
            } else {
                clean.push_str(&self::line(line));
            }
        }
        clean
    }
}

/// One line without what looks like a secret.
fn line(line: &str) -> String {
    let after_words = values_of_words(line);
    let mut clean = String::with_capacity(after_words.len());
    for word in after_words.split_inclusive(is_end) {
        let (word, end) = match word.char_indices().next_back() {
            Some((at, end)) if is_end(end) => word.split_at(at),
            _ => (word, ""),
        };
        clean.push_str(&without_login(if is_token(word) { REMOVED } else { word }));
        clean.push_str(end);
    }
    clean
}

fn is_end(c: char) -> bool {
    c.is_whitespace()
        || matches!(
            c,
            '"' | '\'' | ',' | ';' | '<' | '>' | '(' | ')' | '=' | '{' | '}'
        )
}

fn is_token(word: &str) -> bool {
    let begins = PREFIXES.iter().any(|prefix| word.starts_with(prefix));
    begins && word.len() >= 20
}

/// `https://ada:secret@host/` without what stands before the host.
fn without_login(word: &str) -> String {
    let Some((scheme, rest)) = word.split_once("://") else {
        return word.to_owned();
    };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or(rest);
    match authority.rsplit_once('@') {
        Some((login, _)) => format!("{scheme}://{REMOVED}{}", &rest[login.len()..]),
        None => word.to_owned(),
    }
}

/// `password = "x"`, `"token":"x"`, `Authorization: Bearer x`, `--password x`: what comes after is gone to the end of the value.
fn values_of_words(line: &str) -> String {
    let lower = line.to_ascii_lowercase();
    let (mut clean, mut at) = (String::new(), 0);
    while let Some((begin, end)) = next_value(&lower, at) {
        clean.push_str(&line[at..begin]);
        clean.push_str(REMOVED);
        at = end;
    }
    clean.push_str(&line[at..]);
    clean
}

/// Where the next value of such a word begins and ends.
fn next_value(lower: &str, from: usize) -> Option<(usize, usize)> {
    let mut from = from;
    loop {
        let found = WORDS
            .iter()
            .filter_map(|word| Some((lower[from..].find(word)?, *word)));
        let (at, word) = found.min()?;
        let after = from + at + word.len();
        let is_option = is_option(&lower[..from + at]);
        if let Some(value) = value_after(&lower[after..], word, is_option) {
            return Some((after + value.0, after + value.1));
        }
        from = after;
    }
}

/// Whether the word after this text is the end of an option: `--`, `--client-`.
fn is_option(before: &str) -> bool {
    let piece = before.rsplit(|c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '`'));
    let name = piece.map(|piece| piece.strip_prefix("--")).next().flatten();
    name.is_some_and(|name| name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-'))
}

/// The same in what follows the word.
fn value_after(rest: &str, word: &str, is_option: bool) -> Option<(usize, usize)> {
    let assigned = rest
        .trim_start_matches(['"', '\'', ' ', '_', '-', '\\'])
        .strip_prefix(['=', ':']);
    let after = match assigned {
        Some(after) => after,
        None if is_option => rest
            .strip_prefix(char::is_whitespace)
            .filter(|after| !after.trim_start().starts_with('-'))?,
        None => return None,
    };
    let value = after.trim_start_matches([' ', '=', '\\']);
    let escapes = backslashes(&after[..after.len() - value.len()]);
    let (value, quote) = match value.chars().next() {
        Some(quote @ ('"' | '\'')) => (&value[1..], Some(quote)),
        _ => (value, None),
    };
    // a header's value is all of its line
    let is_header = word == "authorization" || value.starts_with("bearer ") || value.starts_with("basic ");
    let line = value.split('\n').next().unwrap_or_default();
    let ends = |c: char| !is_header && (c.is_whitespace() || matches!(c, ',' | '}'));
    let length = match quote {
        Some(quote) => quoted(line, quote, escapes),
        None => line.find(ends).unwrap_or(line.len()),
    };
    // a value that is empty is none
    let is_secret = length > 0 && !value.starts_with(REMOVED);
    let begin = rest.len() - value.len();
    is_secret.then_some((begin, begin + length))
}

/// How long a value is whose opening quote had so many backslashes before it: its closing one has as many.
fn quoted(line: &str, quote: char, escapes: usize) -> usize {
    let quotes = line
        .match_indices(quote)
        .map(|(at, _)| (at, backslashes(&line[..at])));
    let mut closing = quotes.filter(|(_, before)| *before == escapes);
    closing.next().map_or(line.len(), |(at, before)| at - before)
}

/// With how many backslashes the text ends.
fn backslashes(text: &str) -> usize {
    text.len() - text.trim_end_matches('\\').len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clean(text: &str) -> String {
        Scrub::default().text(text)
    }

    #[test]
    fn what_looks_like_a_secret_is_taken_out() {
        for (text, left) in [
            ("password=hunter22 host=a", "password=[removed] host=a"),
            (r#"{"token":"abc123","id":7}"#, r#"{"token":"[removed]","id":7}"#),
            ("Authorization: Bearer abc.def", "Authorization: [removed]"),
            (
                "url https://ada:hunter22@smd.example/x",
                "url https://[removed]@smd.example/x",
            ),
            (
                "got eyJhbGciOiJFUzI1NiJ9.eyJzdWIi.c2ln from a",
                "got [removed] from a",
            ),
            (
                "join --token chamois-join-1.znaqb0LXXDpewTGFqlUc now",
                "join --token [removed] now",
            ),
            (
                "client_secret: \"s3cr3t value\", b",
                "client_secret: \"[removed]\", b",
            ),
            (
                "password = /9hunter22 and path=/etc",
                "password = [removed] and path=/etc",
            ),
            (
                r#"body="{\"token\":\"ab\\\"c1\",\"id\":7}""#,
                r#"body="{\"token\":\"[removed]\",\"id\":7}""#,
            ),
            (
                "ran ipmitool --password hunter2 --client-secret 'x y' -v",
                "ran ipmitool --password [removed] --client-secret '[removed]' -v",
            ),
            (
                "passphrase: abc x-signature=9f&b",
                "passphrase: [removed] x-signature=[removed]",
            ),
        ] {
            assert_eq!(clean(text), left);
        }
    }

    #[test]
    fn what_is_none_stays() {
        for text in [
            "secret-file = \"/etc/chamois/s3.secret\"",
            "chamois_tokens_total{kind=\"login\"} 7",
            "the token has expired",
            "http://10.0.0.1:8081/files/vmlinuz",
            "token =",
            "--token-file /etc/chamois/token --secret --verbose",
        ] {
            assert_eq!(clean(text), text);
        }
    }

    #[test]
    fn a_private_key_goes_whole_and_a_certificate_stays() {
        let text = "a\n-----BEGIN PRIVATE KEY-----\nMIGHAgEA\n-----END PRIVATE KEY-----\nb\n-----BEGIN CERTIFICATE-----\nMIIB\n";
        assert_eq!(
            clean(text),
            "a\n[removed]\nb\n-----BEGIN CERTIFICATE-----\nMIIB\n"
        );
    }

    /// A secret that looks like nothing is found because this host has it in a file.
    #[test]
    fn what_this_host_knows_to_be_secret_is_found_everywhere() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("s3.secret");
        std::fs::write(&file, "correct horse battery\n").unwrap();
        let scrub = Scrub::knowing([file.as_path()], ["plain-token-value".to_owned(), "x".to_owned()]);
        let text = scrub.text("it said correct horse battery, plain-token-value and x");
        assert_eq!(text, "it said [removed], [removed] and x");
    }
}
