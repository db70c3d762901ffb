//! An authorization code against an ID token, and that against a person.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use proto::auth::v1::OidcProvider;
use rpc::Error;
use serde::Deserialize;

use super::claims::person;
use super::discovery::is_inside;
use super::fetch::body;
use super::id_token::{self, Expected};
use super::keys::KeyProblem;
use super::{Ask, Known, Oidc, Person};

/// What a browser has come back with, and what it was sent with.
#[derive(Clone, Copy)]
pub(crate) struct Code<'a> {
    pub(crate) code: &'a str,
    pub(crate) verifier: &'a str,
    pub(crate) nonce: &'a str,
    pub(crate) redirect_uri: &'a str,
}

#[derive(Deserialize)]
struct Tokens {
    id_token: String,
}

/// What the token endpoint says of a code that it does not take.
#[derive(Deserialize)]
struct Refused {
    error: String,
}

impl Oidc {
    /// Whom a code is for.
    ///
    /// # Errors
    /// `Unauthenticated` for a code or token that does not count, without either; `NotReady` if the provider does not answer.
    pub(crate) async fn person(&self, provider: &Arc<OidcProvider>, code: Code<'_>) -> Result<Person, Error> {
        let known = self.known(provider).await?;
        let id_token = self.exchange(provider, &known, code).await?;
        let claims = match known.keys.verified(&id_token) {
            // it may have begun to sign with it a moment ago
            Err(KeyProblem::UnknownKey) => {
                let now_ms = self.0.store.cluster_time_ms();
                self.ask(provider, now_ms).await;
                let anew = self.current(provider).unwrap_or(known);
                anew.keys.verified(&id_token)
            }
            checked => checked,
        };
        let claims = claims.map_err(|problem| match problem {
            KeyProblem::UnknownKey => refused("its `kid` names none of the provider's keys"),
            KeyProblem::Refused(reason) => refused(reason),
        })?;
        let expected = Expected {
            issuer: &provider.issuer,
            client_id: &provider.client_id,
            nonce: code.nonce,
            now_ms: self.0.store.cluster_time_ms(),
        };
        id_token::check(&claims, expected).map_err(refused)?;
        person(&claims, provider, &self.0.store.state()).map_err(|reason| Error::Unauthenticated { reason })
    }

    async fn exchange(
        &self,
        provider: &OidcProvider,
        known: &Known,
        code: Code<'_>,
    ) -> Result<String, Error> {
        let ask = self.code_request(provider, known, code)?;
        let answer = self.0.fetch.fetch(ask).await.map_err(|problem| {
            tracing::warn!(
                provider = provider.name,
                problem,
                "the token endpoint does not answer"
            );
            super::closed(&provider.name)
        })?;
        match body(&answer) {
            Ok(tokens) => match serde_json::from_slice::<Tokens>(tokens) {
                Ok(tokens) => Ok(tokens.id_token),
                Err(_) => Err(refused("the provider has answered without one")),
            },
            Err(problem) => {
                let said: Option<Refused> = serde_json::from_slice(&answer.body).ok();
                let error = said.map_or(problem, |said| said.error);
                tracing::warn!(
                    provider = provider.name,
                    ?error,
                    "a login ended at the token endpoint"
                );
                Err(Error::Unauthenticated {
                    reason: "the provider does not take this login's code: it was used before, or is too old; log in again"
                        .to_owned(),
                })
            }
        }
    }

    /// The client proves itself as RFC 6749, 2.3.1 has it.
    fn code_request(&self, provider: &OidcProvider, known: &Known, code: Code<'_>) -> Result<Ask, Error> {
        let secret = self.client_secret(provider)?;
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.append_pair("grant_type", "authorization_code")
            .append_pair("code", code.code)
            .append_pair("redirect_uri", code.redirect_uri)
            .append_pair("code_verifier", code.verifier);
        let mut authorization = String::new();
        match secret {
            Some(secret) if known.metadata.wants_secret_in_form() => {
                form.append_pair("client_id", &provider.client_id)
                    .append_pair("client_secret", &secret);
            }
            Some(secret) => {
                let pair = format!("{}:{}", encoded(&provider.client_id), encoded(&secret));
                authorization = format!("Basic {}", STANDARD.encode(pair));
            }
            None => {
                form.append_pair("client_id", &provider.client_id);
            }
        }
        let url = known.metadata.token_endpoint.clone();
        Ok(Ask {
            is_inside: is_inside(&url, &provider.issuer),
            url,
            ca_pem: provider.ca_pem.clone(),
            form: Some(form.finish()),
            authorization,
        })
    }

    fn client_secret(&self, provider: &OidcProvider) -> Result<Option<String>, Error> {
        let Some(sealed) = &provider.client_secret else {
            return Ok(None);
        };
        let opened = self.0.sealer.open(sealed).map_err(|error| {
            tracing::warn!(provider = provider.name, %error, "its client secret cannot be opened");
            Error::NotReady {
                retry_after: super::RETRY_AFTER,
                reason: "it cannot open the provider's client secret; ask another member".to_owned(),
            }
        })?;
        Ok(Some(String::from_utf8_lossy(opened.bytes()).into_owned()))
    }
}

fn encoded(text: &str) -> String {
    form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

fn refused(reason: &'static str) -> Error {
    Error::Unauthenticated {
        reason: format!("the provider's ID token is not accepted: {reason}"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::testing::{Site, provider};
    use super::*;

    const CODE: Code<'static> = Code {
        code: "c0d3",
        verifier: "verifier",
        nonce: "n",
        redirect_uri: "https://m1:8443/oidc/callback",
    };

    async fn login(site: &Site, claims: Value) -> Result<Person, Error> {
        let state = site.bed.store.state();
        let provider = state.auth.provider("idp").unwrap();
        site.idp.will_say(&claims);
        site.oidc.person(&provider, CODE).await
    }

    fn reason(result: Result<Person, Error>) -> String {
        match result {
            Err(Error::Unauthenticated { reason }) => reason,
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test]
    async fn a_code_is_good_for_the_person_that_it_is_for() {
        let site = Site::new().await;
        site.put(provider()).await;
        let person = login(&site, site.claims(&json!({"groups": ["hpc"]})))
            .await
            .unwrap();
        assert_eq!(
            (person.principal.as_str(), &person.groups[..]),
            ("user/ada", &["hpc".to_owned()][..])
        );
        let form = site.idp.last_form();
        for part in [
            "code=c0d3",
            "code_verifier=verifier",
            "grant_type=authorization_code",
            "client_id=chamois",
        ] {
            assert!(form.contains(part), "{part}: {form}");
        }
    }

    #[tokio::test]
    async fn a_token_for_another_login_client_or_issuer_is_refused() {
        let site = Site::new().await;
        site.put(provider()).await;
        for (other, problem) in [
            (json!({"iss": "https://evil"}), "iss"),
            (json!({"aud": "other"}), "aud"),
            (json!({"azp": "other"}), "azp"),
            (json!({"nonce": "m"}), "nonce"),
            (json!({"exp": 1}), "expired"),
        ] {
            let text = reason(login(&site, site.claims(&other)).await);
            assert!(text.contains(problem), "{other}: {text}");
        }
        let nobody = reason(login(&site, site.claims(&json!({"preferred_username": "a/b"}))).await);
        assert!(nobody.contains("can be no user"), "{nobody}");
    }

    #[tokio::test]
    async fn a_code_that_the_provider_does_not_take_ends_the_login() {
        let site = Site::new().await;
        site.put(provider()).await;
        site.idp.will_refuse();
        let text = reason(login(&site, site.claims(&json!({}))).await);
        assert!(text.contains("used before") && !text.contains("c0d3"), "{text}");
    }

    /// The provider has moved on to a key that nobody has asked for yet.
    #[tokio::test]
    async fn a_new_key_of_the_provider_is_asked_for() {
        let site = Site::new().await;
        let put = site.put(provider()).await;
        site.oidc.known(&put).await.unwrap();
        site.idp.rotate();
        site.pass_ms(super::super::PAUSE_MS);
        login(&site, site.claims(&json!({}))).await.unwrap();
    }

    #[tokio::test]
    async fn a_client_secret_is_in_the_header_and_nowhere_else() {
        let site = Site::new().await;
        site.put_with_secret(provider(), "s3cr:t").await;
        login(&site, site.claims(&json!({}))).await.unwrap();
        assert_eq!(
            site.idp.last_authorization(),
            format!("Basic {}", STANDARD.encode("chamois:s3cr%3At"))
        );
        assert!(!site.idp.last_form().contains("client_"));
    }
}
