//! What names, ids, digests and ends of identities look like.

use model::{Rejection, Xname};
use proto::cluster::v1::SealedSecret;

use crate::bounds::{AUTH_LABEL_BYTES_MAX, NAME_BYTES_MAX, SESSION_GROUPS_MAX, check_count, check_text};
use crate::cluster::check_secret;
use crate::selectors::{parsed, sorted};

/// Hex digits of the id of a token or login.
const ID_DIGITS: usize = 16;
/// Bytes of a SHA-256.
const DIGEST_BYTES: usize = 32;
/// Bytes of a user's or service's name.
const PERSON_BYTES_MAX: usize = 128;
/// What a user's or service's name may have beside letters and digits: what e-mail addresses and subjects of providers have.
const PERSON_MARKS: &str = "-_.@+:=|~";

/// The id of a token or login, as members make them.
pub(super) fn check_id(field: &str, id: &str) -> Result<(), Rejection> {
    let hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    match id.len() == ID_DIGITS && id.bytes().all(hex) {
        true => Ok(()),
        false => Err(Rejection::invalid(
            field,
            format!("it has {ID_DIGITS} lower-case hex digits"),
        )),
    }
}

pub(super) fn check_digest(field: &str, digest: &[u8]) -> Result<(), Rejection> {
    match digest.len() == DIGEST_BYTES {
        true => Ok(()),
        false => Err(Rejection::invalid(
            field,
            format!("it has {DIGEST_BYTES} bytes, a SHA-256"),
        )),
    }
}

/// The name of a role or of a provider.
pub(super) fn check_label(field: &str, name: &str) -> Result<(), Rejection> {
    let is_part = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let begins = name.starts_with(|c: char| c.is_ascii_lowercase());
    match begins && name.len() <= AUTH_LABEL_BYTES_MAX && name.bytes().all(is_part) {
        true => Ok(()),
        false => {
            let problem = format!(
                "write 1 to {AUTH_LABEL_BYTES_MAX} lower-case letters, digits and -, of which the first is a letter"
            );
            Err(Rejection::invalid(field, problem))
        }
    }
}

/// In the future, and not further ahead than is accepted.
pub(super) fn check_end(field: &str, ends_at_ms: u64, now_ms: u64, ms_max: u64) -> Result<(), Rejection> {
    match ends_at_ms > now_ms && ends_at_ms - now_ms <= ms_max {
        true => Ok(()),
        false => {
            let problem = format!(
                "it is a time from now on and {} minutes ahead at most, in milliseconds of cluster time",
                ms_max / 60_000
            );
            Err(Rejection::invalid(field, problem))
        }
    }
}

/// Whom a token or login speaks for: `user/<name>` or `service/<name>`.
pub(super) fn check_person(field: &str, principal: &str) -> Result<(), Rejection> {
    match principal.split_once('/') {
        Some(("user" | "service", name)) if is_person_name(name) => Ok(()),
        _ => Err(Rejection::invalid(
            field,
            format!("{principal:?} is none; {}", person_forms()),
        )),
    }
}

fn person_forms() -> String {
    format!(
        "write user/<name> or service/<name>, with 1 to {PERSON_BYTES_MAX} letters, digits and {PERSON_MARKS} of which the \
         first is a letter or a digit"
    )
}

fn is_person_name(name: &str) -> bool {
    let is_part = |c: char| c.is_ascii_alphanumeric() || PERSON_MARKS.contains(c);
    let begins = name.starts_with(|c: char| c.is_ascii_alphanumeric());
    begins && name.len() <= PERSON_BYTES_MAX && name.chars().all(is_part)
}

/// Whom a policy is for, in normal form. Members and the cluster's offline tokens need no policy, so none can name them.
pub(super) fn policy_principal(field: &str, text: &str) -> Result<String, Rejection> {
    match text.split_once('/') {
        Some(("user" | "service", "*")) => Ok(text.to_owned()),
        Some(("user" | "service", name)) if is_person_name(name) => Ok(text.to_owned()),
        Some(("node", xname)) => node_principal(field, xname),
        Some(("group", group)) => {
            check_group(field, group)?;
            Ok(text.to_owned())
        }
        _ => Err(Rejection::invalid(
            field,
            format!(
                "{text:?} is none; {}, or user/*, service/*, node/<xname>, group/<name>",
                person_forms()
            ),
        )),
    }
}

fn node_principal(field: &str, text: &str) -> Result<String, Rejection> {
    let xname: Xname = parsed(field, text)?;
    match xname.is_node() {
        true => Ok(format!("node/{xname}")),
        false => Err(Rejection::invalid(
            field,
            format!("node/{xname} is no node; write e.g. node/x1000c0s0b0n0"),
        )),
    }
}

/// A group as a provider names it, without `group/`: whatever is one line.
fn check_group(field: &str, group: &str) -> Result<(), Rejection> {
    if group.is_empty() || group == "*" {
        return Err(Rejection::invalid(
            field,
            "a group is named as the OIDC provider names it; each by itself",
        ));
    }
    check_text(field, group, NAME_BYTES_MAX)
}

/// Groups of a principal, sorted, each once.
pub(super) fn groups(field: &str, given: &[String]) -> Result<Vec<String>, Rejection> {
    check_count(field, given.len(), SESSION_GROUPS_MAX)?;
    for group in given {
        check_group(field, group)?;
    }
    Ok(sorted(given.to_vec()))
}

/// A secret that is sealed under the name that opens it for this purpose alone.
pub(super) fn check_sealed(field: &str, secret: &SealedSecret, name: &str) -> Result<(), Rejection> {
    check_secret(field, secret)?;
    match secret.name == name {
        true => Ok(()),
        false => Err(Rejection::invalid(
            &format!("{field}.name"),
            format!("it is sealed under `{}`, not under `{name}`", secret.name),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn principals_of_policies_have_one_spelling() {
        for (given, normal) in [
            ("user/ada@example.org", "user/ada@example.org"),
            ("user/*", "user/*"),
            ("service/*", "service/*"),
            ("service/prometheus-1", "service/prometheus-1"),
            ("node/X01c0s0b0n0", "node/x1c0s0b0n0"),
            ("group/HPC Admins", "group/HPC Admins"),
            ("group//site/admins", "group//site/admins"),
        ] {
            assert_eq!(policy_principal("principals", given).as_deref(), Ok(normal));
        }
    }

    /// What a claim brings must not become somebody who needs no policy.
    #[test]
    fn nobody_else_can_be_named() {
        let long = format!("user/{}", "a".repeat(PERSON_BYTES_MAX + 1));
        for wrong in [
            "",
            "ada",
            "user",
            "user/",
            "user//",
            "user/../admin",
            "user/a/b",
            "user/a b",
            "user/a\n",
            "user/-a",
            "user/*a",
            "service/ä",
            "node/*",
            "node/x1",
            "node/y",
            "group/",
            "group/*",
            "group/a\nb",
            "token/admin",
            "member/1",
            "User/ada",
            "anonymous",
            &long,
        ] {
            let refused = policy_principal("principals", wrong).unwrap_err().to_string();
            assert!(refused.starts_with("principals: "), "{wrong:?}: {refused}");
        }
        for wrong in [
            "user/*",
            "service/*",
            "node/x1c0s0b0n0",
            "group/a",
            "token/a",
            "member/1",
        ] {
            assert!(check_person("principal", wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn names_of_roles_are_short_words() {
        for right in ["a", "boot-admin", "r2d2", &"a".repeat(AUTH_LABEL_BYTES_MAX)] {
            assert_eq!(check_label("name", right), Ok(()), "{right}");
        }
        for wrong in [
            "",
            "A",
            "2a",
            "-a",
            "a_b",
            "a b",
            "ä",
            &"a".repeat(AUTH_LABEL_BYTES_MAX + 1),
        ] {
            assert!(check_label("name", wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn an_end_is_ahead_but_not_too_far() {
        for (end, fits) in [
            (0, false),
            (100, false),
            (101, true),
            (150, true),
            (151, false),
            (u64::MAX, false),
        ] {
            assert_eq!(check_end("expires_at_ms", end, 100, 50).is_ok(), fits, "{end}");
        }
    }

    #[test]
    fn groups_are_sorted_and_few() {
        let given = ["b", "a", "b"].map(str::to_owned);
        assert_eq!(groups("groups", &given), Ok(vec!["a".to_owned(), "b".to_owned()]));
        assert!(groups("groups", &vec!["a".to_owned(); SESSION_GROUPS_MAX + 1]).is_err());
        assert!(groups("groups", &[String::new()]).is_err());
    }
}
