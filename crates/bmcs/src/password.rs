//! New passwords, as BMCs take them.

use aws_lc_rs::rand;
use redfish::Password;
use rpc::Error;

/// IPMI takes 20 at most, some BMCs 16.
const LENGTH: usize = 16;
/// Without those that look alike. 16 of 58 are 93 bits.
const LETTERS: &[u8; 58] = b"abcdefghijkmnopqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789_";

/// A random password with what BMCs ask for: small and capital letters, a digit and another character.
///
/// # Errors
/// `Internal` if the system gives no random bytes.
pub(crate) fn random() -> Result<Password, Error> {
    loop {
        let text = letters()?;
        if is_accepted(&text) {
            return Ok(Password::new(text));
        }
    }
}

fn letters() -> Result<String, Error> {
    let mut text = String::with_capacity(LENGTH);
    while text.len() < LENGTH {
        let mut bytes = [0; LENGTH];
        rand::fill(&mut bytes).map_err(|_| Error::Internal("the system gives no random bytes".to_owned()))?;
        // What is beyond the last whole row would make the first letters likelier.
        let rows = usize::from(u8::MAX) / LETTERS.len() * LETTERS.len();
        let fair = bytes
            .iter()
            .map(|byte| usize::from(*byte))
            .filter(|byte| *byte < rows);
        text.extend(
            fair.map(|byte| char::from(LETTERS[byte % LETTERS.len()]))
                .take(LENGTH - text.len()),
        );
    }
    Ok(text)
}

fn is_accepted(text: &str) -> bool {
    let has = |is_one: fn(&char) -> bool| text.chars().any(|c| is_one(&c));
    has(char::is_ascii_lowercase)
        && has(char::is_ascii_uppercase)
        && has(char::is_ascii_digit)
        && has(|c| *c == '_')
        && !text.starts_with('_')
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn passwords_have_what_bmcs_ask_for_and_no_two_are_the_same() {
        let mut seen = BTreeSet::new();
        for _ in 0..200 {
            let password = random().unwrap();
            assert_eq!(password.expose().len(), LENGTH);
            assert!(is_accepted(password.expose()));
            assert!(seen.insert(password.expose().to_owned()));
        }
    }

    #[test]
    fn one_that_lacks_a_kind_of_character_is_not_taken() {
        assert!(is_accepted("aB3_aaaaaaaaaaaa"));
        for wrong in [
            "aB33aaaaaaaaaaaa",
            "ab3_aaaaaaaaaaaa",
            "aBb_aaaaaaaaaaaa",
            "_aB3aaaaaaaaaaaa",
        ] {
            assert!(!is_accepted(wrong), "{wrong}");
        }
    }

    #[test]
    fn no_letter_stands_there_twice() {
        let letters: BTreeSet<u8> = LETTERS.iter().copied().collect();
        assert_eq!(letters.len(), LETTERS.len());
    }
}
