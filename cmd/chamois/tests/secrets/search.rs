//! Looks for secrets in every form in which they get into files, logs and answers.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};

/// Shorter ones are found everywhere by chance.
const NEEDLE_BYTES_MIN: usize = 8;

/// One secret, and what it may look like.
pub(crate) struct Secret {
    pub(crate) name: String,
    forms: Vec<(&'static str, Vec<u8>)>,
}

impl Secret {
    pub(crate) fn new(name: &str, secret: &[u8]) -> Secret {
        assert!(
            secret.len() >= NEEDLE_BYTES_MIN,
            "{name} is too short to be looked for"
        );
        let mut forms = vec![
            ("raw", secret.to_vec()),
            ("hex", hex(secret, false)),
            ("HEX", hex(secret, true)),
            ("URL-encoded", url_encoded(secret)),
        ];
        if let Ok(text) = std::str::from_utf8(secret) {
            let json = serde_json::Value::from(text).to_string();
            let inner = json[1..json.len() - 1].to_owned();
            // a log in JSON that quotes an answer in JSON
            let twice = serde_json::Value::from(inner.as_str()).to_string();
            forms.push(("JSON", inner.into_bytes()));
            forms.push(("JSON in JSON", twice.as_bytes()[1..twice.len() - 1].to_vec()));
            forms.push(("debug", format!("{text:?}").trim_matches('"').as_bytes().to_vec()));
        }
        for begin in 0..3 {
            forms.push(("base64", base64_within(secret, begin, false)));
            forms.push(("base64url", base64_within(secret, begin, true)));
        }
        // `[1, 2, 3]`, as bytes are shown by `Debug`
        let numbers: Vec<String> = secret.iter().map(u8::to_string).collect();
        forms.push(("numbers", numbers.join(", ").into_bytes()));
        forms.retain(|(_, form)| form.len() >= NEEDLE_BYTES_MIN);
        Secret {
            name: name.to_owned(),
            forms,
        }
    }
}

/// All that is looked for at once: a log of everything is large.
pub(crate) struct Search<'a> {
    /// Name, form and what it looks like, by the first two bytes.
    by_beginning: Vec<Vec<(&'a str, &'static str, &'a [u8])>>,
}

impl<'a> Search<'a> {
    pub(crate) fn of(secrets: &'a [Secret]) -> Search<'a> {
        let mut by_beginning = vec![Vec::new(); 1 << 16];
        for secret in secrets {
            for (form, bytes) in &secret.forms {
                by_beginning[beginning(bytes)].push((secret.name.as_str(), *form, bytes.as_slice()));
            }
        }
        Search { by_beginning }
    }

    /// Each secret that is there once, with its form.
    pub(crate) fn within(&self, content: &[u8]) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        for at in 0..content.len().saturating_sub(1) {
            let rest = &content[at..];
            for (name, form, bytes) in &self.by_beginning[beginning(rest)] {
                if rest.starts_with(bytes) {
                    found.insert(format!("{name} as {form}"));
                }
            }
        }
        found
    }
}

/// Of at least two bytes.
fn beginning(bytes: &[u8]) -> usize {
    (usize::from(bytes[0]) << 8) | usize::from(bytes[1])
}

fn hex(bytes: &[u8], upper: bool) -> Vec<u8> {
    let mut text = String::new();
    for byte in bytes {
        match upper {
            true => write!(text, "{byte:02X}").unwrap(),
            false => write!(text, "{byte:02x}").unwrap(),
        }
    }
    text.into_bytes()
}

fn url_encoded(bytes: &[u8]) -> Vec<u8> {
    let mut text = String::new();
    for byte in bytes {
        match byte.is_ascii_alphanumeric() || b"-._~".contains(byte) {
            true => text.push(char::from(*byte)),
            false => write!(text, "%{byte:02X}").unwrap(),
        }
    }
    text.into_bytes()
}

/// What base64 makes of the secret within something longer that it begins in at `begin` (modulo 3): the characters that depend on
/// nothing else.
fn base64_within(secret: &[u8], begin: usize, for_urls: bool) -> Vec<u8> {
    let skipped = (3 - begin) % 3;
    let whole = secret.get(skipped..).unwrap_or_default();
    let whole = &whole[..whole.len() / 3 * 3];
    let text = match for_urls {
        true => URL_SAFE_NO_PAD.encode(whole),
        false => STANDARD_NO_PAD.encode(whole),
    };
    text.into_bytes()
}

/// The search itself must find what is there, in each form and at each alignment, and nothing else.
#[test]
fn what_is_there_is_found_in_each_form() {
    let text = "p4ss/w\"örd+1\\x";
    let secrets = [Secret::new("password", text.as_bytes())];
    let search = Search::of(&secrets);
    let json = serde_json::json!({"password": text}).to_string();
    for begin in ["", "a", "ab"] {
        let longer = format!("{begin}{text} and more");
        let contents = [
            longer.clone().into_bytes(),
            STANDARD_NO_PAD.encode(&longer).into_bytes(),
            URL_SAFE_NO_PAD.encode(&longer).into_bytes(),
            hex(longer.as_bytes(), false),
            hex(longer.as_bytes(), true),
            url_encoded(longer.as_bytes()),
            json.clone().into_bytes(),
            serde_json::json!({ "body": json }).to_string().into_bytes(),
            format!("{:?}", longer.as_bytes()).into_bytes(),
            format!("{longer:?}").into_bytes(),
        ];
        for content in contents {
            let shown = String::from_utf8_lossy(&content).into_owned();
            assert!(!search.within(&content).is_empty(), "{shown}");
        }
    }
    let other = "p4ss/w\"örd+2\\x";
    for content in [other.to_owned(), STANDARD_NO_PAD.encode(other), String::new()] {
        assert!(search.within(content.as_bytes()).is_empty(), "{content}");
    }
}
