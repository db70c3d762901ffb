//! What a token may do at most, as OAuth's `scope`: patterns of permissions with spaces between them. What is asked for can only
//! narrow what there is.

use state::auth::gives;
use state::bounds::PERMISSIONS_MAX;

/// None of what was asked for is there to be given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NothingLeft;

/// What of `asked` is within `have`; all of `have` if nothing is asked for. `None` stands for all that policies give. Words that
/// are no permissions, as `openid`, are not given.
///
/// # Errors
/// If nothing is left of it.
pub(crate) fn narrowed(asked: &str, have: Option<&[String]>) -> Result<Option<Vec<String>>, NothingLeft> {
    if asked.trim().is_empty() {
        return Ok(have.map(<[String]>::to_vec));
    }
    let within = |pattern: &&str| match have {
        Some(have) => covers(have, pattern),
        None => true,
    };
    let words = asked.split_whitespace().filter(|word| is_pattern(word));
    let mut given: Vec<String> = words.filter(within).map(str::to_owned).collect();
    given.sort_unstable();
    given.dedup();
    match given.len() {
        1..=PERMISSIONS_MAX => Ok(Some(given)),
        _ => Err(NothingLeft),
    }
}

/// Whether whatever `pattern` gives one of `have` gives, too.
pub(crate) fn covers(have: &[String], pattern: &str) -> bool {
    let is_there = |wanted: &str| have.iter().any(|pattern| pattern == wanted);
    is_there("*.*") || is_there(pattern) || (!pattern.contains('*') && gives(have, pattern))
}

/// `<area>.<access>`, each a word or `*`.
pub(crate) fn is_pattern(text: &str) -> bool {
    let is_part = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let is_word = |word: &str| {
        word == "*" || (word.starts_with(|c: char| c.is_ascii_lowercase()) && word.bytes().all(is_part))
    };
    let words = text.split_once('.').filter(|_| text.len() <= 128);
    words.is_some_and(|(area, access)| is_word(area) && is_word(access))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn list(patterns: &[&str]) -> Vec<String> {
        patterns.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn what_is_asked_for_narrows() {
        let have = list(&["smd.read", "bss.*", "*.write"]);
        for (asked, given) in [
            ("", Ok(Some(have.clone()))),
            ("smd.read", Ok(Some(list(&["smd.read"])))),
            ("bss.read bss.write", Ok(Some(list(&["bss.read", "bss.write"])))),
            ("openid smd.read smd.read", Ok(Some(list(&["smd.read"])))),
            ("dhcp.write auth.read", Ok(Some(list(&["dhcp.write"])))),
            ("*.*", Err(NothingLeft)),
            ("smd.*", Err(NothingLeft)),
            ("auth.write", Err(NothingLeft)),
            ("openid profile", Err(NothingLeft)),
        ] {
            assert_eq!(narrowed(asked, Some(&have)), given, "{asked}");
        }
        assert_eq!(narrowed(" ", None), Ok(None));
        assert_eq!(narrowed("*.*", None), Ok(Some(list(&["*.*"]))));
    }

    /// `*.read` leaves out who holds which token; a token with it must not get at that either.
    #[test]
    fn the_pattern_of_everybody_does_not_cover_rights() {
        assert!(!covers(&list(&["*.read"]), "auth.read"));
        assert!(!covers(&list(&["smd.*", "bss.*"]), "*.*"));
        assert!(!covers(&list(&["smd.read"]), "*.read"));
        assert!(covers(&list(&["*.*"]), "auth.read"));
        assert!(covers(&list(&["auth.*"]), "auth.admin"));
    }

    #[test]
    fn what_is_no_permission_is_none() {
        for wrong in [
            "", ".", "a", "a.", ".b", "a.b.c", "A.b", "*b.c", "a.b\n", "-a.b", "a/b.c",
        ] {
            assert!(!is_pattern(wrong), "{wrong:?}");
        }
        assert!(
            ["smd.read", "cloud-init.*", "*.admin", "*.*"]
                .into_iter()
                .all(is_pattern)
        );
    }

    proptest! {
        /// Whatever is asked for: no permission is given that was not there.
        #[test]
        fn nothing_is_ever_wider(
            have in prop::collection::vec("(smd|bss|auth|\\*)\\.(read|write|\\*)", 1..4),
            asked in "((smd|bss|auth|\\*)\\.(read|write|\\*) ?){0,3}",
        ) {
            if let Ok(Some(given)) = narrowed(&asked, Some(&have)) {
                for permission in ["smd.read", "smd.write", "bss.read", "auth.read", "auth.write"] {
                    prop_assert!(!gives(&given, permission) || gives(&have, permission), "{permission}");
                }
            }
        }
    }
}
