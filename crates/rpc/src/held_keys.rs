//! The keys of reservations that a request comes with: where locks are enforced, they let it change what is reserved.

use std::fmt;
use std::sync::Arc;

use http::HeaderMap;

use crate::{Error, invalid};

/// Metadata and HTTP header: reservation keys and deputy keys as SMD gave them, several separated by commas or given one
/// by one. Read where locks are enforced, else ignored.
pub const RESERVATION_KEY: &str = "chamois-reservation-key";

/// Bytes of one key; those that we give have 60 at most.
const KEY_BYTES_MAX: usize = 255;

/// The keys of a request whose locks are enforced; there may be none. Clones share them.
#[derive(Clone, Default)]
pub struct HeldKeys(Arc<[String]>);

impl HeldKeys {
    /// What the metadata of a call give.
    ///
    /// # Errors
    /// `Invalid` for what is no key; the text says which one by its place, and never shows it.
    pub(crate) fn read(headers: &HeaderMap) -> Result<HeldKeys, Error> {
        let mut keys = Vec::new();
        for value in headers.get_all(RESERVATION_KEY) {
            let text = value
                .to_str()
                .map_err(|_| invalid(RESERVATION_KEY, "it is not ASCII text"))?;
            for key in text.split(',').map(str::trim).filter(|key| !key.is_empty()) {
                if !is_key(key) {
                    let problem = format!(
                        "number {} is no key; write it as it was given: <xname>:rk:<uuid> or <xname>:dk:<uuid>",
                        keys.len() + 1
                    );
                    return Err(invalid(RESERVATION_KEY, problem));
                }
                keys.push(key.to_owned());
            }
        }
        Ok(HeldKeys(keys.into()))
    }

    /// Each key as it was given.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }
}

fn is_key(text: &str) -> bool {
    let parts: Vec<&str> = text.split(':').collect();
    let is_word =
        |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    match parts.as_slice() {
        [xname, kind, uuid] => {
            let is_kind = ["rk", "dk"].iter().any(|known| kind.eq_ignore_ascii_case(known));
            text.len() <= KEY_BYTES_MAX && is_kind && is_word(xname) && is_word(uuid)
        }
        _ => false,
    }
}

impl fmt::Debug for HeldKeys {
    /// How many: keys are secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} keys of reservations", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    const ONE: &str = "x0c0s0b0n0:rk:59577b4e-4b5f-4624-a6b1-4782eb1643e8";
    const OTHER: &str = "X0C0S1B0N0:DK:0a577b4e-4b5f-4624-a6b1-4782eb1643e8";

    fn read(values: &[&str]) -> Result<HeldKeys, Error> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(
                RESERVATION_KEY,
                HeaderValue::from_bytes(value.as_bytes()).unwrap(),
            );
        }
        HeldKeys::read(&headers)
    }

    #[test]
    fn keys_come_one_by_one_or_in_a_list() {
        let list = format!(" {ONE} ,, {OTHER},");
        for given in [&[ONE, OTHER][..], &[list.as_str()], &["", ONE, OTHER]] {
            let keys = read(given).unwrap();
            assert_eq!(keys.iter().collect::<Vec<_>>(), [ONE, OTHER], "{given:?}");
        }
        assert_eq!(read(&[]).unwrap().iter().count(), 0);
    }

    /// A client that has the wrong thing in its hands must hear of it, and nobody else what it was.
    #[test]
    fn what_is_no_key_is_refused_by_its_place_and_not_shown() {
        let long = format!("x0:rk:{}", "a".repeat(KEY_BYTES_MAX));
        let five = format!("{ONE}:more");
        for wrong in [
            "secret",
            "x0:pk:secret",
            "x0:rk:",
            ":rk:secret",
            "x0:rk:se cret",
            &long,
            &five,
        ] {
            let refused = read(&[ONE, wrong]).unwrap_err().to_string();
            assert!(
                refused.starts_with("chamois-reservation-key: number 2 is no key"),
                "{refused}"
            );
            assert!(!refused.contains("secret"), "{refused}");
        }
        let refused = read(&["x0:rk:\u{e4}"]).unwrap_err().to_string();
        assert!(refused.contains("not ASCII"), "{refused}");
    }

    #[test]
    fn keys_are_not_shown_by_accident() {
        assert_eq!(
            format!("{:?}", read(&[ONE, OTHER]).unwrap()),
            "2 keys of reservations"
        );
    }
}
