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
pub struct OauthService {
    checks: TokenChecks,
    /// `None`: no devices log in here.
    logins: Option<Logins>,
}

impl OauthService {
    pub(crate) fn new(checks: TokenChecks, logins: Option<Logins>) -> OauthService {
        OauthService { checks, logins }
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
        let asked = request.into_inner();
        if asked.grant_type == token::DEVICE_CODE {
            let given = Box::pin(token::device(&self.checks, self.logins.as_ref(), &asked));
            return Ok(answer(given.await));
        }
        Ok(answer(token::token(&self.checks, asked).await))
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
        let revoked = revoke::revoke(&self.checks, &request.get_ref().token).await;
        Ok(answer(revoked.map(|()| Nothing {})))
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
}
