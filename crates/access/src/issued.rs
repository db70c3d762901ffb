//! Access tokens that this member signs: for ten minutes, and never for longer or for more than what they are given for.

use auth::{AccessClaims, TokenError};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rpc::Error;
use rpc::token::{TOKEN_LENGTH_MAX, audience, issuer};
use state::State;

use crate::TokenChecks;

/// How long an access token is good, seconds.
pub(crate) const ACCESS_TOKEN_S: u64 = 600;
/// The leader's clock may be behind this member's, milliseconds: what lasts as long as it can must not be a moment too long.
pub(crate) const CLOCKS_MS: u64 = 2000;
/// Random bytes of a token's id.
const ID_BYTES: usize = 16;

/// Whom an access token is for, and what it is given for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Grantee {
    /// `user/<name>` or `service/<name>`.
    pub(crate) principal: String,
    pub(crate) groups: Vec<String>,
    /// `None`: all that policies give.
    pub(crate) permissions: Option<Vec<String>>,
    pub(crate) client_id: String,
    /// Login or API token that it ends with; may be empty.
    pub(crate) session_id: String,
    /// SHA-256 of the certificate (DER) that it ends with; empty without one.
    pub(crate) certificate_sha256: Vec<u8>,
    /// Of the access token that it is made from: what is exchanged again and again still ends ten minutes after the first.
    /// 0: now.
    pub(crate) issued_at_ms: u64,
    /// The id of that access token, or of the first of its chain; empty without one. What is revoked by it takes what was made of it
    /// along.
    pub(crate) origin_token_id: String,
    /// When what it is given for ends, cluster time.
    pub(crate) ends_at_ms: u64,
}

/// A signed access token.
#[derive(Clone)]
pub(crate) struct Issued {
    pub(crate) token: String,
    pub(crate) expires_in_s: u64,
    /// As the answer names it; `None`: all that policies give.
    pub(crate) scope: Option<String>,
}

impl TokenChecks {
    /// Signs a token.
    ///
    /// # Errors
    /// As [`TokenChecks::signing_pair`]; `Unauthenticated` if what it is given for has ended; `TooLarge` if it is longer than a
    /// token may be.
    pub(crate) fn issue(&self, to: &Grantee) -> Result<Issued, Error> {
        let pair = self.signing_pair()?;
        let state = self.store().state();
        let now_ms = self.store().cluster_time_ms();
        let now_s = now_ms / 1000;
        let iat = match to.issued_at_ms / 1000 {
            0 => now_s.max(begin_s(&state, &to.principal, now_ms)),
            first => first.min(now_s),
        };
        let exp = (iat + ACCESS_TOKEN_S).min(to.ends_at_ms / 1000);
        if exp <= now_s {
            return Err(Error::Unauthenticated {
                reason: "what this token would be given for has ended; log in again".to_owned(),
            });
        }
        let scope = to.permissions.as_ref().map(|permissions| permissions.join(" "));
        let name = state.cluster_name();
        let claims = AccessClaims {
            iss: issuer(name),
            sub: to.principal.clone(),
            aud: audience(name),
            exp,
            iat,
            nbf: iat,
            jti: chained(&to.origin_token_id, new_id()?),
            client_id: to.client_id.clone(),
            scope: scope.clone(),
            groups: named_groups(&state, &to.groups),
            sid: to.session_id.clone(),
            certificate: URL_SAFE_NO_PAD.encode(&to.certificate_sha256),
        };
        let token = pair.sign(&claims).map_err(|error| internal(&error))?;
        if token.len() > TOKEN_LENGTH_MAX {
            return Err(Error::TooLarge {
                what: "an access token with these groups and this scope".to_owned(),
                limit: "8 KiB; ask for a smaller scope".to_owned(),
            });
        }
        Ok(Issued {
            token,
            expires_in_s: exp - now_s,
            scope,
        })
    }
}

/// When what is issued to a principal now may have been issued at the earliest, seconds. Tokens say seconds and revocations
/// milliseconds: one that is issued in the second of a revocation, but after it, would be refused as one from before. It is dated to the
/// next second, which every member's leeway accepts.
fn begin_s(state: &State, principal: &str, now_ms: u64) -> u64 {
    let revocation = state.auth.revocation(&format!("principal/{principal}"));
    let before_ms = revocation.map_or(0, |revocation| revocation.before_ms);
    // what is revoked beyond now is refused, as it is meant
    match before_ms <= now_ms.saturating_add(1) {
        true => before_ms.div_ceil(1000),
        false => 0,
    }
}

/// The id of a token: `<that of the first of its chain>.<its own>`, see `state::auth::Auth::revoked`.
fn chained(origin: &str, own: String) -> String {
    match origin.split('.').next().unwrap_or_default() {
        "" => own,
        first => format!("{first}.{own}"),
    }
}

/// The groups that any policy names: of what gives nothing a token need not tell every service.
fn named_groups(state: &State, groups: &[String]) -> Vec<String> {
    let named = groups.iter().filter(|group| is_named(state, group));
    named.cloned().collect()
}

/// Whether any policy names a group, which stands without `group/`.
pub(crate) fn is_named(state: &State, group: &str) -> bool {
    let principal = format!("group/{group}");
    let mut policies = state.auth.policies();
    policies.any(|policy| policy.principals.contains(&principal))
}

fn new_id() -> Result<String, Error> {
    let id: [u8; ID_BYTES] = auth::random().map_err(|error| internal(&error))?;
    Ok(auth::hex(&id))
}

/// No key, signature or random bytes: nothing that a caller could do otherwise.
pub(crate) fn internal(error: &TokenError) -> Error {
    Error::Internal(error.to_string())
}

#[cfg(test)]
impl Grantee {
    /// Somebody, for all that policies give and without an end.
    pub(crate) fn of(principal: &str) -> Grantee {
        Grantee {
            principal: principal.to_owned(),
            ends_at_ms: u64::MAX,
            ..Grantee::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use proto::auth::v1::{Revocation, auth_command};

    use super::*;
    use crate::token_testing::Bed;

    fn expires_at_ms(bed: &Bed, token: &str) -> u64 {
        bed.checks.checked(token).unwrap().unwrap().expires_at_ms
    }

    #[tokio::test]
    async fn a_token_is_good_for_ten_minutes() {
        let bed = Bed::new().await;
        let issued = bed.checks.issue(&Grantee::of("user/ada")).unwrap();
        assert_eq!((issued.expires_in_s, issued.scope), (600, None));
        let left = expires_at_ms(&bed, &issued.token) - bed.store.cluster_time_ms();
        assert!((590_000..=600_000).contains(&left), "{left}");
    }

    /// An exchange of an exchange of an exchange would never end otherwise.
    #[tokio::test]
    async fn what_is_made_of_a_token_lives_no_longer() {
        let bed = Bed::new().await;
        let now_ms = bed.store.cluster_time_ms();
        let again = Grantee {
            issued_at_ms: now_ms - 599_000,
            ..Grantee::of("user/ada")
        };
        let issued = bed.checks.issue(&again).unwrap();
        assert!(issued.expires_in_s <= 2, "{}", issued.expires_in_s);
        let over = Grantee {
            issued_at_ms: now_ms - 601_000,
            ..Grantee::of("user/ada")
        };
        assert!(matches!(
            bed.checks.issue(&over),
            Err(Error::Unauthenticated { .. })
        ));
        let soon = Grantee {
            ends_at_ms: now_ms + 5_000,
            ..Grantee::of("user/ada")
        };
        let issued = bed.checks.issue(&soon).unwrap();
        assert!(issued.expires_in_s <= 5, "{}", issued.expires_in_s);
        let future = Grantee {
            issued_at_ms: now_ms + 3_600_000,
            ..Grantee::of("user/ada")
        };
        assert_eq!(bed.checks.issue(&future).unwrap().expires_in_s, 600);
    }

    /// Whoever logs out everywhere and in again at once must not be locked out until his token has ended.
    #[tokio::test]
    async fn a_token_of_the_second_of_a_revocation_stands_if_it_came_after_it() {
        let bed = Bed::new().await;
        let before = bed.checks.issue(&Grantee::of("user/ada")).unwrap().token;
        let revocation = Some(Revocation {
            id: "principal/user/ada".into(),
            before_ms: bed.store.cluster_time_ms() + 1,
            ..Revocation::default()
        });
        let revoke = auth_command::Change::Revoke(auth_command::Revoke { revocation });
        bed.propose(revoke).await.unwrap();
        let after = bed.checks.issue(&Grantee::of("user/ada")).unwrap();
        assert!(after.expires_in_s <= 601, "{}", after.expires_in_s);
        bed.checks.principal(&after.token).unwrap().unwrap();
        assert!(bed.checks.principal(&before).is_err());
    }

    #[test]
    fn the_first_token_of_a_chain_is_named_by_all() {
        assert_eq!(chained("", "b".into()), "b");
        assert_eq!(chained("a", "b".into()), "a.b");
        assert_eq!(chained("a.b", "c".into()), "a.c");
    }

    #[tokio::test]
    async fn a_token_that_nobody_would_accept_is_not_made() {
        let bed = Bed::new().await;
        let long = Grantee {
            permissions: Some(vec!["smd.read".into(); 1000]),
            ..Grantee::of("user/ada")
        };
        assert!(matches!(bed.checks.issue(&long), Err(Error::TooLarge { .. })));
    }

    #[tokio::test]
    async fn without_a_key_or_the_means_to_open_it_the_caller_is_sent_on() {
        let bed = Bed::without_keys();
        let none = bed
            .checks
            .issue(&Grantee::of("user/ada"))
            .map(|issued| issued.token);
        assert!(matches!(none, Err(Error::NotReady { .. })), "{none:?}");
        let bed = Bed::new().await;
        let sealed = TokenChecks::new(bed.store.clone(), bed.sealer.seal_only());
        let none = sealed.issue(&Grantee::of("user/ada")).map(|issued| issued.token);
        assert!(matches!(none, Err(Error::NotReady { .. })), "{none:?}");
    }
}
