//! What a provider's token claims, and whom it names by that.

use proto::auth::v1::OidcProvider;
use rpc::token::LEEWAY_S;
use serde_json::{Map, Value};
use state::State;
use state::auth::is_person;
use state::bounds::{NAME_BYTES_MAX, SESSION_GROUPS_MAX};

use crate::issued::is_named;

/// The claim that names a person if the provider's resource says none: the only one that a provider never gives to somebody else.
/// Source: OpenID Connect Core 1.0, 5.7.
const USER_CLAIM: &str = "sub";
/// Anybody may write an address into his profile; the provider says whether it has asked there.
const EMAIL: (&str, &str) = ("email", "email_verified");
/// The claim that has groups if the provider's resource says none.
const GROUPS_CLAIM: &str = "groups";
/// Texts of one claim that are looked at.
const TEXTS_MAX: usize = 10_000;

pub(crate) type Claims = Map<String, Value>;

/// Whom a token names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Person {
    /// `user/<name>`: whatever a token claims, it is never a service, a node, a member or the cluster's own key.
    pub(crate) principal: String,
    /// Without `group/`, sorted, each once.
    pub(crate) groups: Vec<String>,
}

/// By one claim and never by another one in its place: a user without it could be called as somebody else's `sub` is.
///
/// # Errors
/// If the claim names nobody, or what is named can be no user.
pub(crate) fn person(claims: &Claims, provider: &OidcProvider, state: &State) -> Result<Person, String> {
    let claim = match provider.user_claim.as_str() {
        "" => USER_CLAIM,
        claim => claim,
    };
    let name = text(claims, claim)
        .ok_or_else(|| format!("the provider's token has no claim {claim} that is a text"))?;
    if claim == EMAIL.0 && claims.get(EMAIL.1) != Some(&Value::Bool(true)) {
        return Err(format!(
            "the provider's token does not say `{}: true`: {claim} could be anybody's",
            EMAIL.1
        ));
    }
    let principal = format!("user/{name}");
    if !is_person(&principal) {
        return Err(format!(
            "{name:?} can be no user here: 128 letters, digits and -_.@+:=|~ are accepted, of which the first is a letter or a digit"
        ));
    }
    Ok(Person {
        principal,
        groups: groups(claims, provider, state)?,
    })
}

/// What can be no group is named by no policy, so it is left out. Of very many those count that a policy names.
fn groups(claims: &Claims, provider: &OidcProvider, state: &State) -> Result<Vec<String>, String> {
    let claim = match provider.groups_claim.as_str() {
        "" => GROUPS_CLAIM,
        claim => claim,
    };
    let is_group = |group: &String| {
        let fits = !group.is_empty() && group.len() <= NAME_BYTES_MAX;
        fits && group != "*" && !group.contains(char::is_control)
    };
    let mut groups: Vec<String> = texts(found(claims, claim)).into_iter().filter(is_group).collect();
    groups.sort_unstable();
    groups.dedup();
    if groups.len() > SESSION_GROUPS_MAX {
        groups.retain(|group| is_named(state, group));
    }
    match groups.len() {
        0..=SESSION_GROUPS_MAX => Ok(groups),
        many => Err(format!(
            "policies name {many} of this user's groups, and {SESSION_GROUPS_MAX} are accepted"
        )),
    }
}

/// A claim by its name; where none has it, by its path, as Keycloak's `realm_access.roles`.
fn found<'c>(claims: &'c Claims, name: &str) -> Option<&'c Value> {
    if let Some(value) = claims.get(name) {
        return Some(value);
    }
    let mut parts = name.split('.');
    let first = claims.get(parts.next()?)?;
    parts.try_fold(first, |value, part| value.get(part))
}

pub(crate) fn text<'c>(claims: &'c Claims, name: &str) -> Option<&'c str> {
    found(claims, name)?.as_str().filter(|text| !text.is_empty())
}

/// A text, or the texts of a list; of anything else none.
pub(crate) fn texts(value: Option<&Value>) -> Vec<String> {
    match value {
        Some(Value::String(text)) => vec![text.clone()],
        Some(Value::Array(list)) => {
            let texts = list.iter().filter_map(Value::as_str);
            texts.take(TEXTS_MAX).map(str::to_owned).collect()
        }
        _ => Vec::new(),
    }
}

/// When a token was issued, seconds since the Unix epoch, if it is good at `now_ms`, cluster time.
///
/// # Errors
/// Which of its times is missing or wrong; a time is a whole number and nothing else.
pub(crate) fn check_times(claims: &Claims, now_ms: u64) -> Result<u64, &'static str> {
    let time = |name: &str| match claims.get(name) {
        None => Ok(None),
        Some(value) => value.as_u64().map(Some).ok_or("a time in it is no whole number"),
    };
    let now_s = now_ms / 1000;
    let latest = now_s.saturating_add(LEEWAY_S);
    let exp = time("exp")?.ok_or("it has no `exp`")?;
    let iat = time("iat")?.ok_or("it has no `iat`")?;
    if exp.saturating_add(LEEWAY_S) <= now_s {
        return Err("it has expired");
    }
    match iat > latest || time("nbf")?.is_some_and(|nbf| nbf > latest) {
        true => Err("it is not valid yet; compare the clocks"),
        false => Ok(iat),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::token_testing::Bed;

    #[expect(
        clippy::needless_pass_by_value,
        reason = "a value is made where it is asked about"
    )]
    fn claims(value: Value) -> Claims {
        value.as_object().unwrap().clone()
    }

    fn named(value: Value, provider: &OidcProvider) -> Result<Person, String> {
        person(&claims(value), provider, &State::new())
    }

    #[test]
    fn a_person_is_named_by_the_claim_that_was_put() {
        let default = OidcProvider::default();
        let by = |user_claim: &str| OidcProvider {
            user_claim: user_claim.into(),
            ..OidcProvider::default()
        };
        let both = json!({
            "sub": "1f-2e", "preferred_username": "ada", "email": "ada@example.org", "email_verified": true, "a": {"b": "nested"},
        });
        for (provider, principal) in [
            (&default, "user/1f-2e"),
            (&by("sub"), "user/1f-2e"),
            (&by("preferred_username"), "user/ada"),
            (&by("email"), "user/ada@example.org"),
            (&by("a.b"), "user/nested"),
        ] {
            assert_eq!(named(both.clone(), provider).unwrap().principal, principal);
        }
        assert_eq!(named(json!({"sub": "7"}), &default).unwrap().principal, "user/7");
        assert!(named(both, &by("upn")).unwrap_err().contains("upn"));
        assert!(
            named(json!({"sub": 7}), &default)
                .unwrap_err()
                .contains("no claim")
        );
    }

    /// Who leaves out the claim that was put is nobody, and not whoever his `sub` is called like.
    #[test]
    fn no_other_claim_takes_the_place_of_the_one_that_was_put() {
        let by = |user_claim: &str| OidcProvider {
            user_claim: user_claim.into(),
            ..OidcProvider::default()
        };
        for (claim, value) in [
            ("preferred_username", json!({"sub": "root"})),
            ("sub", json!({"preferred_username": "root"})),
            (
                "preferred_username",
                json!({"sub": "root", "preferred_username": ""}),
            ),
        ] {
            let refused = named(value, &by(claim)).unwrap_err();
            assert!(refused.contains(&format!("no claim {claim} ")), "{refused}");
        }
    }

    /// Where people write their own addresses, any of them could be somebody else's.
    #[test]
    fn an_address_counts_that_the_provider_has_asked_at() {
        let provider = OidcProvider {
            user_claim: "email".into(),
            ..OidcProvider::default()
        };
        let with = |verified: Value| {
            let value = json!({"sub": "7", "email": "root@example.org", "email_verified": verified});
            named(value, &provider)
        };
        assert_eq!(with(json!(true)).unwrap().principal, "user/root@example.org");
        for wrong in [json!(false), json!("true"), json!(1), json!(null)] {
            let refused = with(wrong.clone()).unwrap_err();
            assert!(refused.contains("email_verified"), "{wrong}: {refused}");
        }
        named(json!({"email": "root@example.org"}), &provider).unwrap_err();
    }

    /// Whoever is named so would need no policy, or be somebody else.
    #[test]
    fn no_claim_makes_anybody_but_a_user() {
        for name in [
            "../admin",
            "a/b",
            "a\nb",
            "*",
            "",
            "-x",
            "ä",
            "a b",
            &"a".repeat(129),
        ] {
            assert!(
                named(json!({"sub": name}), &OidcProvider::default()).is_err(),
                "{name:?}"
            );
        }
        for name in ["token", "member", "admin"] {
            let person = named(json!({"sub": name}), &OidcProvider::default()).unwrap();
            assert_eq!(person.principal, format!("user/{name}"));
        }
    }

    #[test]
    fn groups_are_a_text_or_texts_of_the_claim_that_was_put() {
        let by = |groups_claim: &str| OidcProvider {
            groups_claim: groups_claim.into(),
            ..OidcProvider::default()
        };
        let value = json!({
            "sub": "ada", "groups": ["b", "a", "b", 7, "", "*", "x\ny"], "role": "one",
            "realm_access": {"roles": ["hpc"]}, "https://x.org/roles": ["dotted"],
        });
        for (provider, groups) in [
            (by(""), vec!["a", "b"]),
            (by("role"), vec!["one"]),
            (by("realm_access.roles"), vec!["hpc"]),
            (by("https://x.org/roles"), vec!["dotted"]),
            (by("nothing.here"), vec![]),
        ] {
            assert_eq!(named(value.clone(), &provider).unwrap().groups, groups);
        }
    }

    /// Directories give thousands of groups; what no policy names gives nothing.
    #[tokio::test]
    async fn of_many_groups_those_count_that_policies_name() {
        let bed = Bed::new().await;
        bed.policy("hpc", "viewer", &["group/g500"]).await;
        let many: Vec<String> = (0..1000).map(|number| format!("g{number}")).collect();
        let many = claims(json!({"sub": "ada", "groups": many}));
        let person = person(&many, &OidcProvider::default(), &bed.store.state()).unwrap();
        assert_eq!(person.groups, ["g500"]);
    }

    #[test]
    fn times_are_whole_numbers_within_a_minute() {
        let now_ms = 1_000_000_000;
        let at = |exp: Value, iat: Value| check_times(&claims(json!({"exp": exp, "iat": iat})), now_ms);
        assert_eq!(at(json!(1_000_100), json!(999_990)), Ok(999_990));
        assert_eq!(at(json!(999_941), json!(999_000)), Ok(999_000));
        for (exp, iat) in [
            (json!(999_940), json!(999_000)),
            (json!("1000100"), json!(999_990)),
            (json!(1_000_100.5), json!(999_990)),
            (json!(-1), json!(999_990)),
            (json!(1e30), json!(999_990)),
            (json!(null), json!(999_990)),
            (json!(1_000_100), json!(1_000_061)),
            (json!(1_000_100), json!("999990")),
        ] {
            assert!(at(exp.clone(), iat.clone()).is_err(), "{exp} {iat}");
        }
        for missing in [json!({"exp": 1_000_100}), json!({"iat": 999_990})] {
            check_times(&claims(missing), now_ms).unwrap_err();
        }
        let early = json!({"exp": 1_000_100, "iat": 999_990, "nbf": 1_000_061});
        check_times(&claims(early), now_ms).unwrap_err();
    }
}
