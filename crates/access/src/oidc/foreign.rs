//! Access tokens of providers, as today's OpenCHAMI gives them out: accepted where the provider's resource says so, for what
//! policies give the user and his groups.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use auth::secret_digest;
use proto::auth::v1::OidcProvider;
use rpc::token::{LEEWAY_S, TOKEN_LENGTH_MAX};
use rpc::{Error, Principal};
use serde_json::Value;
use state::State;

use super::claims::{Claims, Person, check_times, person, text, texts};
use super::keys::KeyProblem;
use super::{Age, Known, Oidc, PAUSE_MS, closed};
use crate::rights::proof;
use crate::scopes::is_pattern;

/// How ids of these tokens begin: none of ours does.
const ID_PREFIX: &str = "ext-";
/// Bytes of a digest in such an id.
const ID_BYTES: usize = 16;
/// Claims that say what a token is for: RFC 8693's, and what SMD reads beside it.
const SCOPES: [&str; 2] = ["scope", "scp"];

/// Whether a token's id says that a provider has issued it; what this cluster has made of such a one has a longer id.
pub(crate) fn is_foreign(token_id: &str) -> bool {
    token_id.starts_with(ID_PREFIX) && !token_id.contains('.')
}

impl Oidc {
    /// Whom a token of a provider speaks for; `None` if no provider whose tokens are accepted has issued it. Waits for nobody.
    ///
    /// # Errors
    /// `Unauthenticated` for one that is forged, has ended or was revoked; `NotReady` while the provider's keys are being asked
    /// for, and when they are too old. The text never quotes the token.
    pub fn principal(&self, token: &str) -> Result<Option<Principal>, Error> {
        let state = self.0.store.state();
        let Some(provider) = issuer_of(&state, token) else {
            return Ok(None);
        };
        let now_ms = self.0.store.cluster_time_ms();
        let known = self.current_or_asked(&provider, now_ms)?;
        let claims = match known.keys.verified(token) {
            Ok(claims) => claims,
            Err(KeyProblem::Refused(reason)) => return Err(self.refuse(reason)),
            Err(KeyProblem::UnknownKey) if now_ms < known.fetched_at_ms + PAUSE_MS => {
                return Err(self.refuse("its `kid` names none of its issuer's keys"));
            }
            Err(KeyProblem::UnknownKey) => {
                self.ask_in_background(&provider);
                return Err(closed(&provider.name));
            }
        };
        let issued_at_s = check_times(&claims, now_ms).map_err(|reason| self.refuse(reason))?;
        let audiences = texts(claims.get("aud"));
        // what is for the client is an ID token, which anybody that it was shown to could pass on
        let is_accepted = |named: &String| *named != provider.client_id && provider.audiences.contains(named);
        if !audiences.iter().any(is_accepted) {
            return Err(self.refuse("its `aud` is none that is accepted of its issuer"));
        }
        let person = person(&claims, &provider, &state).map_err(|reason| self.refuse(&reason))?;
        let principal = principal_of(&claims, token, person, issued_at_s);
        match state.auth.revoked(&proof(&principal)) {
            None => Ok(Some(principal)),
            Some(reason) => Err(self.refuse(reason)),
        }
    }

    fn current_or_asked(&self, provider: &Arc<OidcProvider>, now_ms: u64) -> Result<Arc<Known>, Error> {
        let known = self
            .current(provider)
            .map(|known| (known.age(provider, now_ms), known));
        if !matches!(known, Some((Age::Fresh, _))) {
            self.ask_in_background(provider);
        }
        match known {
            Some((Age::Fresh | Age::Due, known)) => Ok(known),
            Some((Age::Over, _)) | None => Err(closed(&provider.name)),
        }
    }

    fn refuse(&self, reason: &str) -> Error {
        self.0.refused.fetch_add(1, Ordering::Relaxed);
        Error::Unauthenticated {
            reason: format!("the bearer token is not accepted: {reason}"),
        }
    }
}

/// The provider that a token says it is from, if its tokens are accepted. Nothing is believed yet.
fn issuer_of(state: &State, token: &str) -> Option<Arc<OidcProvider>> {
    let mut accepted = state
        .auth
        .providers()
        .filter(|provider| provider.accepts_access_tokens)
        .peekable();
    accepted.peek()?;
    // what is longer is refused by whoever is asked next
    let is_short = token.len() <= TOKEN_LENGTH_MAX;
    let claims: Claims = is_short
        .then(|| jsonwebtoken::dangerous::insecure_decode_claims(token))?
        .ok()?;
    let issuer = claims.get("iss")?.as_str()?;
    accepted.find(|provider| provider.issuer == issuer).cloned()
}

fn principal_of(claims: &Claims, token: &str, person: Person, issued_at_s: u64) -> Principal {
    let own = match text(claims, "jti") {
        Some(jti) => secret_digest(format!("{}\n{jti}", text(claims, "iss").unwrap_or_default()).as_bytes()),
        None => secret_digest(token.as_bytes()),
    };
    Principal {
        name: person.principal,
        groups: person.groups,
        permissions: permissions(claims),
        token_id: format!("{ID_PREFIX}{}", auth::hex(&own[..ID_BYTES])),
        // 0 would be an API token's
        issued_at_ms: issued_at_s.saturating_mul(1000).max(1),
        expires_at_ms: ends_at_ms(claims),
        ..Principal::default()
    }
}

/// Until when its next use is accepted: streams live longer than the token.
fn ends_at_ms(claims: &Claims) -> u64 {
    let ends_at_s = claims.get("exp").and_then(Value::as_u64).unwrap_or(0);
    ends_at_s.saturating_add(LEEWAY_S).saturating_mul(1000)
}

/// A scope that names permissions narrows; one that names none, as `openid`, says nothing.
fn permissions(claims: &Claims) -> Option<Vec<String>> {
    let said = SCOPES.iter().flat_map(|name| texts(claims.get(*name)));
    let words: Vec<String> = said
        .flat_map(|text| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
        .filter(|word| is_pattern(word))
        .collect();
    (!words.is_empty()).then_some(words)
}

#[cfg(test)]
mod tests {
    use proto::auth::v1::Revocation;
    use proto::auth::v1::auth_command::{Change, Revoke};
    use serde_json::json;

    use super::super::testing::{Site, provider};
    use super::*;

    fn accepting() -> OidcProvider {
        OidcProvider {
            accepts_access_tokens: true,
            audiences: vec!["openchami".into(), "smd".into()],
            ..provider()
        }
    }

    fn token(site: &Site, other: &Value) -> String {
        let mut claims = site.claims(&json!({"aud": "smd", "scope": ["openid", "smd.read"]}));
        for (name, value) in other.as_object().unwrap() {
            claims[name] = value.clone();
        }
        site.idp.signed(&claims)
    }

    fn refused(site: &Site, token: &str) -> String {
        match site.oidc.principal(token) {
            Err(Error::Unauthenticated { reason }) => reason,
            other => panic!("{other:?}"),
        }
    }

    /// Somebody whose keys are known.
    async fn site(put: OidcProvider) -> Site {
        let site = Site::new().await;
        let put = site.put(put).await;
        site.oidc.known(&put).await.unwrap();
        site
    }

    #[tokio::test]
    async fn a_token_of_a_provider_speaks_for_its_user_within_its_scope() {
        let site = site(accepting()).await;
        let shown = token(&site, &json!({"groups": ["hpc"], "jti": "7"}));
        let principal = site.oidc.principal(&shown).unwrap().unwrap();
        assert_eq!(principal.name, "user/ada");
        assert_eq!(principal.groups, ["hpc"]);
        assert_eq!(principal.permissions, Some(vec!["smd.read".to_owned()]));
        assert!(is_foreign(&principal.token_id) && principal.issued_at_ms > 0);
        let ends_s = site.bed.store.cluster_time_ms() / 1000 + 300 + LEEWAY_S;
        assert_eq!(
            principal.expires_at_ms / 1000,
            ends_s,
            "so that its streams end with it"
        );
        for (scope, permissions) in [
            (
                json!({"scope": "openid smd.read bss.*"}),
                Some(vec!["smd.read".to_owned(), "bss.*".to_owned()]),
            ),
            (json!({"scope": "openid profile"}), None),
            (
                json!({"scope": null, "scp": ["smd.read"]}),
                Some(vec!["smd.read".to_owned()]),
            ),
        ] {
            let principal = site.oidc.principal(&token(&site, &scope)).unwrap().unwrap();
            assert_eq!(principal.permissions, permissions, "{scope}");
        }
    }

    /// SMD asks only whether `sub`, `iss` and `aud` are there.
    #[tokio::test]
    async fn wrong_values_are_refused_where_smd_looks_for_their_presence_only() {
        let site = site(accepting()).await;
        for (wrong, problem) in [
            (json!({"aud": "another"}), "aud"),
            (json!({"aud": []}), "aud"),
            (json!({"exp": 1}), "expired"),
            (json!({"exp": "9999999999"}), "whole number"),
            (json!({"iat": null}), "whole number"),
            (json!({"preferred_username": "../admin"}), "can be no user"),
        ] {
            let text = refused(&site, &token(&site, &wrong));
            assert!(text.contains(problem), "{wrong}: {text}");
        }
        let forged = token(&site, &json!({})) + "A";
        assert!(!refused(&site, &forged).contains(&forged));
        assert!(site.oidc.refused() >= 7);
    }

    /// An ID token says who somebody is, to the one that it is for; it opens nothing.
    #[tokio::test]
    async fn an_id_token_is_no_access_token() {
        let site = site(OidcProvider {
            audiences: vec!["chamois".into(), "smd".into()],
            ..accepting()
        })
        .await;
        assert!(refused(&site, &token(&site, &json!({"aud": "chamois"}))).contains("aud"));
        let for_both = token(&site, &json!({"aud": ["chamois", "smd"]}));
        site.oidc.principal(&for_both).unwrap().unwrap();
    }

    /// Off unless somebody says otherwise.
    #[tokio::test]
    async fn a_provider_for_logins_alone_has_no_access_tokens() {
        let site = site(provider()).await;
        assert_eq!(site.oidc.principal(&token(&site, &json!({}))).unwrap(), None);
        let other = site.idp.signed(&json!({"iss": "https://other"}));
        for none in ["", "x", "a.b.c", &other, &"a".repeat(1 << 20)] {
            assert_eq!(site.oidc.principal(none).unwrap(), None);
        }
    }

    #[tokio::test]
    async fn keys_that_are_not_known_are_asked_for() {
        let site = Site::new().await;
        site.put(accepting()).await;
        let shown = token(&site, &json!({}));
        let first = site.oidc.principal(&shown);
        assert!(matches!(first, Err(Error::NotReady { .. })), "{first:?}");
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        site.oidc.principal(&shown).unwrap().unwrap();
    }

    /// The provider may have gone on to another key; only a provider that was just asked makes the answer sure.
    #[tokio::test]
    async fn an_unknown_key_is_refused_when_the_provider_was_just_asked() {
        let site = site(accepting()).await;
        let old = token(&site, &json!({}));
        site.idp.rotate();
        let new = token(&site, &json!({}));
        assert!(refused(&site, &new).contains("kid"));
        site.pass_ms(PAUSE_MS);
        let asking = site.oidc.principal(&new);
        assert!(matches!(asking, Err(Error::NotReady { .. })), "{asking:?}");
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        site.oidc.principal(&new).unwrap().unwrap();
        assert!(
            refused(&site, &old).contains("kid"),
            "the provider has it no more"
        );
    }

    /// Its last good keys count as long as it was said, and then nothing does.
    #[tokio::test]
    async fn without_the_provider_keys_count_up_to_their_age() {
        let site = site(OidcProvider {
            keys_max_age_s: 100,
            ..accepting()
        })
        .await;
        site.idp.is_down(true);
        let shown = token(&site, &json!({}));
        site.pass_ms(60_000);
        site.oidc.principal(&shown).unwrap().unwrap();
        site.pass_ms(60_000);
        let closed = site.oidc.principal(&shown);
        assert!(matches!(closed, Err(Error::NotReady { .. })), "{closed:?}");
    }

    #[tokio::test]
    async fn what_was_issued_before_a_revocation_is_refused() {
        let site = site(accepting()).await;
        let shown = token(&site, &json!({}));
        site.oidc.principal(&shown).unwrap().unwrap();
        let revocation = Some(Revocation {
            id: "principal/user/ada".into(),
            before_ms: site.bed.store.cluster_time_ms(),
            ..Revocation::default()
        });
        site.bed
            .propose(Change::Revoke(Revoke { revocation }))
            .await
            .unwrap();
        assert!(refused(&site, &shown).contains("revoked"));
    }
}
