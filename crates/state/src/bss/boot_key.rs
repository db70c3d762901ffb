//! What boot parameters can be bound to.

use model::{MacAddr, Nid, Rejection, Xname};

use crate::bounds::check_name;

/// The key of an entry in the one way it is stored: a normalised xname, a lower-case MAC with colons, `nid` and a
/// number, or any other word (a role, `Default`, `Global`, `Unknown-x86_64`) as it is written.
///
/// # Errors
/// `Invalid` for the field `key`: empty, too long, or with blanks or control characters.
pub fn normalise_boot_key(text: &str) -> Result<String, Rejection> {
    check_name("key", text)?;
    if text.contains(char::is_whitespace) {
        let problem = format!(
            "`{}` holds a blank; write an xname, a MAC, nid<N>, a role or Default",
            text
        );
        return Err(Rejection::invalid("key", problem));
    }
    if let Ok(mac) = text.parse::<MacAddr>() {
        return Ok(mac.to_string());
    }
    if let Ok(xname) = text.parse::<Xname>() {
        return Ok(xname.to_string());
    }
    match text.strip_prefix("nid").map(str::parse::<Nid>) {
        Some(Ok(nid)) => Ok(format!("nid{nid}")),
        Some(Err(_)) | None => Ok(text.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_thing_has_one_key() {
        let cases = [
            ("X01000c0s00b0n0", "x1000c0s0b0n0"),
            ("02-00-00-00-00-A1", "02:00:00:00:00:a1"),
            ("0200000000A1", "02:00:00:00:00:a1"),
            ("nid007", "nid7"),
            ("nid", "nid"),
            ("nidus", "nidus"),
            ("Compute", "Compute"),
            ("Default", "Default"),
            ("Unknown-x86_64", "Unknown-x86_64"),
        ];
        for (given, key) in cases {
            assert_eq!(normalise_boot_key(given).as_deref(), Ok(key));
            assert_eq!(normalise_boot_key(key).as_deref(), Ok(key), "keys are stable");
        }
    }

    #[test]
    fn what_could_hide_or_forge_is_refused() {
        for wrong in ["", " ", "Default ", "a b", "a\u{a0}b", "x0\n", &"r".repeat(256)] {
            assert!(
                matches!(normalise_boot_key(wrong), Err(Rejection::Invalid { .. })),
                "{wrong:?}"
            );
        }
    }
}
