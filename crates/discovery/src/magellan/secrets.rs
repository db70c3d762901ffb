//! Magellan's `secrets.json`: user and password of each BMC, encrypted under a key in the environment.
//!
//! Source: `{"<id>":"<hex of nonce, ciphertext, tag>"}`, AES-256-GCM, key by HKDF-SHA256 from the master key with the id as salt
//! and no info; an id is `https://address:port` or `default` (Magellan's pkg/secrets).

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::{hkdf, rand};
use redfish::{Login, Password};
use serde::{Deserialize, Serialize};

use super::format::read;
use crate::Invalid;

const KEY_BYTES: usize = 32;

/// What `MASTER_KEY` in the environment says. It is never shown.
pub struct MasterKey([u8; KEY_BYTES]);

impl FromStr for MasterKey {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<MasterKey, Invalid> {
        let bytes = bytes_of(text.trim()).and_then(|bytes| bytes.try_into().ok());
        let problem = "write the 64 hex digits that `magellan secrets generatekey` printed";
        bytes
            .map(MasterKey)
            .ok_or_else(|| Invalid::new("MASTER_KEY", problem))
    }
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MasterKey(…)")
    }
}

/// What is encrypted.
#[derive(Serialize, Deserialize)]
struct Plain {
    #[serde(default)]
    username: String,
    #[serde(default)]
    password: String,
}

/// The logins in such a file, sorted by id.
///
/// # Errors
/// `Invalid` naming the file or the id, never what it holds: a key that is another one, a text that was changed, or something
/// else than user and password in it.
pub fn open_secrets(file: &str, key: &MasterKey) -> Result<Vec<(String, Login)>, Invalid> {
    let sealed: BTreeMap<String, String> = read("secrets.json", file)?;
    let open = |(id, sealed): (String, String)| {
        let login = opened(&id, &sealed, key)?;
        Ok((id, login))
    };
    sealed.into_iter().map(open).collect()
}

fn opened(id: &str, sealed: &str, key: &MasterKey) -> Result<Login, Invalid> {
    let refused = |problem: &str| Invalid::new(format!("secrets.json[{id}]"), problem);
    let mut bytes =
        bytes_of(sealed.trim()).ok_or_else(|| refused("it is no hex; take the file as Magellan wrote it"))?;
    let plain = decrypted(id, &mut bytes, key).ok_or_else(|| {
        refused("it cannot be decrypted: MASTER_KEY is another one, or the entry was renamed or changed")
    })?;
    let plain: Plain = serde_json::from_slice(plain).map_err(|_| {
        refused(
            "it is no JSON with username and password; store it again with `magellan secrets store -F basic`",
        )
    })?;
    Ok(Login {
        user: plain.username,
        password: Password::new(plain.password),
    })
}

fn decrypted<'a>(id: &str, bytes: &'a mut [u8], key: &MasterKey) -> Option<&'a [u8]> {
    let (nonce, sealed) = bytes.split_at_mut_checked(NONCE_LEN)?;
    let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
    let plain = cipher(id, key)
        .ok()?
        .open_in_place(nonce, Aad::empty(), sealed)
        .ok()?;
    Some(plain)
}

/// A file that Magellan reads.
///
/// # Errors
/// `Invalid` if there are no random bytes.
pub fn seal_secrets(logins: &[(String, Login)], key: &MasterKey) -> Result<String, Invalid> {
    let mut sealed: BTreeMap<&str, String> = BTreeMap::new();
    for (id, login) in logins {
        let refused = |_| {
            Invalid::new(
                format!("secrets.json[{id}]"),
                "it could not be encrypted; try again",
            )
        };
        sealed.insert(id, encrypted(id, login, key).map_err(refused)?);
    }
    Ok(super::go_json::to_string(&sealed))
}

fn encrypted(id: &str, login: &Login, key: &MasterKey) -> Result<String, Unspecified> {
    let plain = Plain {
        username: login.user.clone(),
        password: login.password.expose().to_owned(),
    };
    let mut text = serde_json::to_vec(&plain).map_err(|_| Unspecified)?;
    let mut nonce = [0; NONCE_LEN];
    rand::fill(&mut nonce)?;
    let once = Nonce::assume_unique_for_key(nonce);
    cipher(id, key)?.seal_in_place_append_tag(once, Aad::empty(), &mut text)?;
    Ok(nonce
        .iter()
        .chain(&text)
        .map(|byte| format!("{byte:02x}"))
        .collect())
}

/// Each entry has a key of its own.
fn cipher(id: &str, key: &MasterKey) -> Result<LessSafeKey, Unspecified> {
    let derived = hkdf::Salt::new(hkdf::HKDF_SHA256, id.as_bytes()).extract(&key.0);
    let derived = derived.expand(&[], &AES_256_GCM)?;
    Ok(LessSafeKey::new(UnboundKey::from(derived)))
}

fn bytes_of(hex: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> = hex
        .chars()
        .map(|c| c.to_digit(16).and_then(|digit| u8::try_from(digit).ok()))
        .collect();
    let digits = digits.filter(|digits| digits.len().is_multiple_of(2))?;
    Some(digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
    const ID: &str = "https://10.0.0.1:443";
    /// Made with Node's crypto (HKDF-SHA256, AES-256-GCM) from KEY, ID, nonce 100..111 and the login below.
    const SEALED: &str = "6465666768696a6b6c6d6e6f1bbebb9eb89f612246cf5176556aa5240c99cb7c817107217b371b2f92effe9cdbb630f2959c24b7396a41d5e8753b5100b48dad90";

    fn key() -> MasterKey {
        KEY.parse().unwrap()
    }

    fn login(user: &str, password: &str) -> Login {
        Login {
            user: user.into(),
            password: Password::new(password),
        }
    }

    /// Id, user and password of each.
    fn opened_all(file: &str, key: &MasterKey) -> Result<Vec<(String, String, String)>, String> {
        let logins = open_secrets(file, key).map_err(|invalid| invalid.to_string())?;
        let shown = |(id, login): (String, Login)| (id, login.user, login.password.expose().to_owned());
        Ok(logins.into_iter().map(shown).collect())
    }

    fn triple(id: &str, user: &str, password: &str) -> (String, String, String) {
        (id.to_owned(), user.to_owned(), password.to_owned())
    }

    #[test]
    fn what_another_implementation_encrypted_is_opened() {
        let file = format!("{{\"{ID}\": \"{SEALED}\"}}");
        assert_eq!(opened_all(&file, &key()), Ok(vec![triple(ID, "root", "p\"w")]));
    }

    #[test]
    fn what_is_sealed_is_opened_and_never_twice_the_same() {
        let logins = [
            (ID.to_owned(), login("root", "initial0")),
            ("default".to_owned(), login("admin", "\u{e4}\"\\\n")),
            ("x".to_owned(), login("", "")),
        ];
        let file = seal_secrets(&logins, &key()).unwrap();
        assert_ne!(file, seal_secrets(&logins, &key()).unwrap());
        assert!(!file.contains("initial0") && !file.contains("admin"));
        let expected = vec![
            triple("default", "admin", "\u{e4}\"\\\n"),
            triple(ID, "root", "initial0"),
            triple("x", "", ""),
        ];
        assert_eq!(opened_all(&file, &key()), Ok(expected));
    }

    #[test]
    fn what_cannot_be_opened_is_named_and_not_shown() {
        let other: MasterKey = "f".repeat(64).parse().unwrap();
        let file = |id: &str, sealed: &str| format!("{{\"{id}\": \"{sealed}\"}}");
        let changed = SEALED.replace("1bbe", "1bbf");
        for (file, key, expected) in [
            (
                file(ID, SEALED),
                &other,
                "secrets.json[https://10.0.0.1:443]: it cannot be decrypted",
            ),
            (
                file("default", SEALED),
                &key(),
                "secrets.json[default]: it cannot be decrypted",
            ),
            (
                file(ID, &changed),
                &key(),
                "secrets.json[https://10.0.0.1:443]: it cannot be decrypted",
            ),
            (
                file(ID, &SEALED[..30]),
                &key(),
                "secrets.json[https://10.0.0.1:443]: it cannot be decrypted",
            ),
            (
                file(ID, "00"),
                &key(),
                "secrets.json[https://10.0.0.1:443]: it cannot be decrypted",
            ),
            (
                file(ID, "xy"),
                &key(),
                "secrets.json[https://10.0.0.1:443]: it is no hex",
            ),
            (
                file(ID, "123"),
                &key(),
                "secrets.json[https://10.0.0.1:443]: it is no hex",
            ),
            ("[]".to_owned(), &key(), "secrets.json: "),
        ] {
            let refused = opened_all(&file, key).unwrap_err();
            assert!(
                refused.starts_with(expected) && !refused.contains("6465"),
                "{refused}"
            );
        }
    }

    #[test]
    fn a_key_that_is_none_is_refused_and_none_is_shown() {
        for wrong in [
            "",
            "00",
            &"0".repeat(63),
            &"0".repeat(66),
            &"g".repeat(64),
            &"\u{e4}".repeat(32),
        ] {
            let refused = wrong.parse::<MasterKey>().unwrap_err().to_string();
            assert!(
                refused.starts_with("MASTER_KEY: write the 64 hex digits"),
                "{refused}"
            );
        }
        assert_eq!(format!("{:?}", key()), "MasterKey(…)");
    }
}
