//! `OauthService`: tokens as OAuth's and OpenID's clients, OPAAL's and tokensmith's expect them. Refusals are answers with a status
//! of their own, because those clients read `{"error":…}`.

mod error;
mod exchange;
mod introspect;
mod keys;
mod metadata;
mod refresh;
mod revoke;
mod token;

use std::net::SocketAddr;
use std::sync::Arc;

use proto::auth::v1::{
    ExchangeRequest, GetKeysRequest, GetMetadataRequest, GetTokenRequest, IntrospectRequest, RevokeRequest,
    TokenRequest, oauth_service_server,
};
use proto::google::api::HttpBody;
use serde::Serialize;
use tonic::{Request, Response, Status};

use self::error::USE_INSTEAD;
pub(crate) use self::error::{OauthError, answer};
pub(crate) use self::token::TokenAnswer;
use crate::TokenChecks;
use crate::login::Logins;
use crate::rates::{MINUTE_MS, Rates, network_of};

/// How much that is not good is listened to from one address.
const FAILURES_A_MINUTE_MAX: u32 = 30;

/// Bytes of what strangers say that are logged.
const LOGGED_BYTES_MAX: usize = 64;

/// The beginning of a text that anybody may send, for a log line.
fn brief(text: &str) -> &str {
    let longest = text.len().min(LOGGED_BYTES_MAX);
    let end = (0..=longest).rev().find(|end| text.is_char_boundary(*end));
    &text[..end.unwrap_or_default()]
}

/// The answer that has no content.
#[derive(Serialize)]
struct Nothing {}

/// One file each says what is done.
#[derive(Clone, Debug)]
pub(crate) struct OauthService {
    checks: TokenChecks,
    /// What strangers have shown that was not good, by address.
    failures: Arc<Rates>,
    /// `None`: no devices log in here.
    logins: Option<Logins>,
}

impl OauthService {
    pub(crate) fn new(checks: TokenChecks, logins: Option<Logins>) -> OauthService {
        OauthService {
            checks,
            failures: Arc::new(Rates::new(FAILURES_A_MINUTE_MAX, MINUTE_MS)),
            logins,
        }
    }

    /// What a stranger is answered: too many of those who guess from one address are not listened to for a while, whatever they show.
    async fn to_stranger<T>(
        &self,
        peer: Option<SocketAddr>,
        given: impl Future<Output = Result<T, OauthError>>,
    ) -> Result<T, OauthError> {
        let network = network_of(peer);
        let now_ms = || self.checks.store().cluster_time_ms();
        if let Some(wait_ms) = self.failures.wait_ms(&network, now_ms()) {
            return Err(OauthError::too_many_failures(wait_ms));
        }
        let given = given.await;
        if given.as_ref().is_err_and(OauthError::is_of_a_guess) {
            self.failures.count(&network, now_ms());
        }
        given
    }

    /// # Errors
    /// As RFC 6749 5.2 names them.
    async fn given(&self, asked: TokenRequest) -> Result<TokenAnswer, OauthError> {
        match asked.grant_type == token::DEVICE_CODE {
            true => Box::pin(token::device(&self.checks, self.logins.as_ref(), &asked)).await,
            false => token::token(&self.checks, asked).await,
        }
    }

    /// # Errors
    /// `invalid_grant` for what was never a token, which is not told; `temporarily_unavailable` if it cannot be done now.
    async fn revoked(&self, token: &str) -> Result<(), OauthError> {
        let is_known = revoke::is_known(&self.checks, token);
        revoke::revoke(&self.checks, token).await?;
        match is_known {
            true => Ok(()),
            false => Err(OauthError::grant("it is no token")),
        }
    }
}

#[tonic::async_trait]
impl oauth_service_server::OauthService for OauthService {
    #[tracing::instrument(level = "debug", name = "oauth.metadata", skip_all)]
    async fn get_metadata(&self, request: Request<GetMetadataRequest>) -> Result<Response<HttpBody>, Status> {
        let state = self.checks.store().state();
        Ok(answer(metadata::metadata(&state, &request.get_ref().host)))
    }

    #[tracing::instrument(level = "debug", name = "oauth.keys", skip_all)]
    async fn get_keys(&self, _: Request<GetKeysRequest>) -> Result<Response<HttpBody>, Status> {
        Ok(keys::keys(&self.checks.store().state()))
    }

    #[tracing::instrument(name = "oauth.token", skip_all, fields(grant_type = ?brief(&request.get_ref().grant_type)))]
    async fn token(&self, request: Request<TokenRequest>) -> Result<Response<HttpBody>, Status> {
        let peer = rpc::caller(&request).peer;
        let given = self.given(request.into_inner());
        Ok(answer(self.to_stranger(peer, given).await))
    }

    #[tracing::instrument(level = "debug", name = "oauth.get_token", skip_all)]
    async fn get_token(&self, _: Request<GetTokenRequest>) -> Result<Response<HttpBody>, Status> {
        Ok(answer::<Nothing>(Err(OauthError::client(USE_INSTEAD))))
    }

    #[tracing::instrument(name = "oauth.exchange", skip_all, fields(target = ?brief(&request.get_ref().target_service)))]
    async fn exchange(&self, request: Request<ExchangeRequest>) -> Result<Response<HttpBody>, Status> {
        let caller = &rpc::caller(&request).identity;
        let exchanged = exchange::of_caller(&self.checks, caller, request.get_ref()).await;
        Ok(answer(exchanged))
    }

    #[tracing::instrument(level = "debug", name = "oauth.introspect", skip_all)]
    async fn introspect(&self, request: Request<IntrospectRequest>) -> Result<Response<HttpBody>, Status> {
        Ok(answer(introspect::introspect(
            &self.checks,
            &request.get_ref().token,
        )))
    }

    #[tracing::instrument(name = "oauth.revoke", skip_all)]
    async fn revoke(&self, request: Request<RevokeRequest>) -> Result<Response<HttpBody>, Status> {
        let peer = rpc::caller(&request).peer;
        let names_one = !request.get_ref().token.is_empty();
        let revoked = self.revoked(&request.get_ref().token);
        let revoked = self.to_stranger(peer, revoked).await;
        // RFC 7009 2.2: what is no token is answered as one that was ended just now; that none is named is a mistake
        let told = match revoked {
            Err(error) if names_one && error.is_of_a_guess() => Ok(()),
            told => told,
        };
        Ok(answer(told.map(|()| Nothing {})))
    }
}

#[cfg(test)]
mod tests {
    use proto::auth::v1::oauth_service_server::OauthService as _;

    use super::*;
    use crate::token_testing::Bed;

    fn status(response: &Response<HttpBody>) -> &str {
        let status = response.metadata().get(rpc::HTTP_STATUS);
        status.map_or("", |status| status.to_str().unwrap())
    }

    #[test]
    fn what_strangers_say_is_logged_in_short() {
        assert_eq!(brief("refresh_token"), "refresh_token");
        assert_eq!(brief(&"x".repeat(1_000_000)).len(), LOGGED_BYTES_MAX);
        assert_eq!(
            brief(&format!("x{}", "é".repeat(100))).len(),
            LOGGED_BYTES_MAX - 1
        );
    }

    /// OPAAL gave one to whoever came by.
    #[tokio::test]
    async fn get_token_names_the_command_to_use() {
        let service = OauthService::new(Bed::new().await.checks, None);
        let by_get = service.get_token(Request::new(GetTokenRequest {})).await.unwrap();
        let by_post = service
            .token(Request::new(TokenRequest::default()))
            .await
            .unwrap();
        for response in [by_get, by_post] {
            assert_eq!(status(&response), "401");
            assert!(response.metadata().contains_key("http-header-www-authenticate"));
            let text = String::from_utf8(response.into_inner().data).unwrap();
            assert!(
                text.contains("chamois login") && text.contains("chamois token create"),
                "{text}"
            );
        }
    }

    #[tokio::test]
    async fn a_revocation_is_answered_alike_whatever_was_shown() {
        let bed = Bed::new().await;
        let session = bed.session("user/ada", &[], &[]).await;
        let service = OauthService::new(bed.checks.clone(), None);
        for token in [session.to_string(), "x".to_owned()] {
            let asked = RevokeRequest {
                token,
                ..RevokeRequest::default()
            };
            let response = service.revoke(Request::new(asked)).await.unwrap();
            assert_eq!(
                (status(&response), response.get_ref().data.as_slice()),
                ("", &b"{}"[..])
            );
        }
    }

    /// A client that forgets it must not believe that anything was ended.
    #[tokio::test]
    async fn a_revocation_names_a_token() {
        let service = OauthService::new(Bed::new().await.checks, None);
        let response = service
            .revoke(Request::new(RevokeRequest::default()))
            .await
            .unwrap();
        assert_eq!(status(&response), "400");
        let text = String::from_utf8(response.into_inner().data).unwrap();
        assert!(text.contains("invalid_request"), "{text}");
    }

    fn from<T>(peer: &str, message: T) -> Request<T> {
        let mut request = Request::new(message);
        request.extensions_mut().insert(rpc::Caller {
            peer: Some(peer.parse().unwrap()),
            ..rpc::Caller::anonymous()
        });
        request
    }

    /// Whoever guesses secrets is stopped by his address, and so is the good one that he may have found; others are not.
    #[tokio::test]
    async fn an_address_that_guesses_is_not_listened_to() {
        let bed = Bed::new().await;
        let secret = bed.api_token("service/cron", &["smd.read"]).await;
        let service = OauthService::new(bed.checks.clone(), None);
        let ask = async |peer: &str, secret: &str| {
            let asked = TokenRequest {
                grant_type: token::CLIENT_CREDENTIALS.into(),
                client_secret: secret.into(),
                ..TokenRequest::default()
            };
            service.token(from(peer, asked)).await.unwrap()
        };
        let (good, wrong) = (secret.to_string(), "openchami");
        assert_eq!(status(&ask("10.97.9.9:1", &good).await), "");
        for guess in 0..FAILURES_A_MINUTE_MAX {
            let peer = format!("10.97.9.9:{}", 2 + guess);
            assert_eq!(status(&ask(&peer, wrong).await), "401", "{guess}");
        }
        for shown in [wrong, good.as_str()] {
            let refused = ask("10.97.9.9:7", shown).await;
            assert_eq!(status(&refused), "429");
            let wait_s = refused.metadata().get("http-header-retry-after").unwrap();
            let wait_s: u64 = wait_s.to_str().unwrap().parse().unwrap();
            assert!((1..=60).contains(&wait_s), "{wait_s}");
        }
        assert_eq!(status(&ask("10.97.9.8:1", &good).await), "");
        let revoke = RevokeRequest {
            token: good.clone(),
            ..RevokeRequest::default()
        };
        let refused = service.revoke(from("10.97.9.9:8", revoke)).await.unwrap();
        assert_eq!(status(&refused), "429", "nor to what he would end");
    }

    /// A revocation is answered alike whatever is shown; that it was nothing is counted all the same.
    #[tokio::test]
    async fn revocations_of_nothing_are_counted() {
        let service = OauthService::new(Bed::new().await.checks, None);
        let mut statuses = Vec::new();
        for _ in 0..=FAILURES_A_MINUTE_MAX {
            let asked = RevokeRequest {
                token: "x".into(),
                ..RevokeRequest::default()
            };
            let response = service.revoke(from("10.97.9.9:1", asked)).await.unwrap();
            statuses.push(status(&response).to_owned());
        }
        assert_eq!(statuses.pop().unwrap(), "429");
        assert!(statuses.iter().all(String::is_empty), "{statuses:?}");
    }
}
