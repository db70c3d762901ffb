//! Permissions, `<area>.<access>`, and the patterns that give them.

use model::Rejection;

use crate::bounds::PERMISSIONS_MAX;
use crate::selectors;

/// The areas of identities and rights themselves, of what everybody has done, and of passwords that are written into files.
const BY_NAME_ONLY: [&str; 3] = ["audit", "auth", "configurator-secret"];
/// Bytes of an area or an access.
const WORD_BYTES_MAX: usize = 64;

/// Whether one of the patterns gives the permission. `*` stands for every area or every access; but of `auth`, where it
/// says who may do what and who holds which token, only `auth.…` and `*.*` give anything, and of `audit`, where it says who has done
/// what, only `audit.…` and `*.*`: who may read everything else may not read that. The same goes for `configurator-secret`, whose
/// `read` shows passwords.
pub fn gives(patterns: &[String], permission: &str) -> bool {
    let Some((area, access)) = permission.split_once('.') else {
        return false;
    };
    let matches = |pattern: &String| match pattern.split_once('.') {
        Some(("*", "*")) => true,
        Some(("*", given)) => given == access && !BY_NAME_ONLY.contains(&area),
        Some((given, "*")) => given == area,
        Some((one, other)) => (one, other) == (area, access),
        None => false,
    };
    patterns.iter().any(matches)
}

/// Patterns sorted, each once.
pub(super) fn normalised(field: &str, given: &[String]) -> Result<Vec<String>, Rejection> {
    selectors::normalised(field, given, PERMISSIONS_MAX, |pattern| {
        check_pattern(field, pattern)?;
        Ok(pattern.clone())
    })
}

/// As [`normalised`], and at least one.
pub(super) fn some(field: &str, given: &[String]) -> Result<Vec<String>, Rejection> {
    if given.is_empty() {
        let problem = "none is given; write at least one, e.g. smd.read";
        return Err(Rejection::invalid(field, problem));
    }
    normalised(field, given)
}

fn check_pattern(field: &str, pattern: &str) -> Result<(), Rejection> {
    match pattern.split_once('.') {
        Some((area, access)) if is_word(area) && is_word(access) => Ok(()),
        _ => {
            let problem =
                format!("{pattern:?} is none; write <area>.<access>, e.g. smd.read, bss.* or *.read");
            Err(Rejection::invalid(field, problem))
        }
    }
}

fn is_word(text: &str) -> bool {
    let is_part = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let begins = text.starts_with(|c: char| c.is_ascii_lowercase());
    text == "*" || (begins && text.len() <= WORD_BYTES_MAX && text.bytes().all(is_part))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(patterns: &[&str], permission: &str) -> bool {
        let patterns: Vec<String> = patterns.iter().map(ToString::to_string).collect();
        gives(&patterns, permission)
    }

    #[test]
    fn a_pattern_gives_what_it_names() {
        for (pattern, permission, expected) in [
            ("smd.read", "smd.read", true),
            ("smd.read", "smd.write", false),
            ("smd.*", "smd.write", true),
            ("smd.*", "bss.write", false),
            ("*.read", "cloud-init.read", true),
            ("*.read", "cluster.admin", false),
            ("*.*", "cluster.admin", true),
            ("smd", "smd.read", false),
            ("smd.read", "smd", false),
            ("smd.read", "", false),
        ] {
            assert_eq!(
                given(&[pattern], permission),
                expected,
                "{pattern} gives {permission}"
            );
        }
        assert!(given(&["bss.*", "smd.read"], "smd.read") && !given(&[], "smd.read"));
    }

    /// Whoever may read everything else must not learn who holds which token, nor may who writes everything else make one.
    #[test]
    fn rights_are_given_by_name_or_with_everything() {
        for permission in ["auth.read", "auth.write"] {
            assert!(
                !given(&["*.read", "*.write", "smd.*"], permission),
                "{permission}"
            );
            assert!(given(&["auth.*"], permission) && given(&["*.*"], permission));
            assert!(given(&[permission], permission));
        }
        assert!(
            !given(&["*.read", "auth.*"], "audit.read"),
            "nor what everybody has done"
        );
        assert!(given(&["audit.read"], "audit.read") && given(&["*.*"], "audit.read"));
        for permission in ["configurator-secret.read", "configurator-secret.write"] {
            assert!(
                !given(&["*.read", "*.write", "configurator.*"], permission),
                "nor the passwords in files: {permission}"
            );
            assert!(given(&["configurator-secret.*"], permission) && given(&["*.*"], permission));
        }
    }

    #[test]
    fn patterns_are_sorted_and_checked() {
        let texts = |texts: &[&str]| -> Vec<String> { texts.iter().map(ToString::to_string).collect() };
        let normal = normalised("permissions", &texts(&["smd.read", "*.read", "smd.read"]));
        assert_eq!(normal, Ok(texts(&["*.read", "smd.read"])));
        for wrong in [
            "",
            ".",
            "smd",
            "smd.",
            ".read",
            "smd.read.x",
            "Smd.read",
            "smd.re ad",
            "sm*.read",
            "1.read",
        ] {
            let refused = normalised("permissions", &texts(&[wrong]))
                .unwrap_err()
                .to_string();
            assert!(refused.contains("<area>.<access>"), "{wrong:?}: {refused}");
        }
        assert!(some("permissions", &[]).is_err());
        assert!(normalised("permissions", &[]).is_ok());
    }
}
