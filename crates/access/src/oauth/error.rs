//! What OAuth's clients are answered: `{"error":…}` with the status of RFC 6749, and never from a cache.

use std::borrow::Cow;

use proto::google::api::HttpBody;
use rpc::{Error, set_http_header, set_http_status};
use serde::Serialize;
use tonic::Response;

/// What to do instead of asking for a token without credentials, as OPAAL allowed.
pub(crate) const USE_INSTEAD: &str =
    "no token is given without credentials; use: chamois login, or chamois token create";
/// The challenge of answers with 401.
const CHALLENGE: &str = "Basic realm=\"chamois\", charset=\"UTF-8\"";
/// Seconds after which a repeat makes sense.
const RETRY_AFTER_S: u64 = 1;

/// Why a request of OAuth is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OauthError {
    status: u16,
    code: &'static str,
    description: Cow<'static, str>,
    /// When a repeat makes sense, if it does.
    retry_after_s: u64,
}

#[derive(Serialize)]
struct Shown<'a> {
    error: &'a str,
    error_description: &'a str,
}

impl OauthError {
    fn new(status: u16, code: &'static str, description: impl Into<Cow<'static, str>>) -> OauthError {
        OauthError {
            status,
            code,
            description: description.into(),
            retry_after_s: RETRY_AFTER_S,
        }
    }

    /// A parameter is missing, there twice, or means nothing.
    pub(crate) fn request(description: impl Into<Cow<'static, str>>) -> OauthError {
        OauthError::new(400, "invalid_request", description)
    }

    /// Who asks is not known.
    pub(crate) fn client(description: impl Into<Cow<'static, str>>) -> OauthError {
        OauthError::new(401, "invalid_client", description)
    }

    /// What was shown is good no more, or never was.
    pub(crate) fn grant(description: impl Into<Cow<'static, str>>) -> OauthError {
        OauthError::new(400, "invalid_grant", description)
    }

    /// This way to a token does not exist here.
    pub(crate) fn grant_type(description: impl Into<Cow<'static, str>>) -> OauthError {
        OauthError::new(400, "unsupported_grant_type", description)
    }

    /// None of what was asked for may be given.
    pub(crate) fn scope() -> OauthError {
        OauthError::new(
            400,
            "invalid_scope",
            "none of this scope is within what was shown",
        )
    }

    /// Tokens for something else are not issued.
    pub(crate) fn target() -> OauthError {
        OauthError::new(
            400,
            "invalid_target",
            "tokens are issued for this cluster's API only",
        )
    }

    pub(crate) fn denied(description: impl Into<Cow<'static, str>>) -> OauthError {
        OauthError::new(403, "access_denied", description)
    }

    /// RFC 8628 3.5: nobody has said yes yet.
    pub(crate) fn pending() -> OauthError {
        OauthError::new(
            400,
            "authorization_pending",
            "nobody has said yes to this device yet",
        )
    }

    /// RFC 8628 3.5: polls come faster than the device was told.
    pub(crate) fn slow_down() -> OauthError {
        OauthError::new(400, "slow_down", "ask again in 5 seconds")
    }

    /// RFC 8628 3.5.
    pub(crate) fn expired() -> OauthError {
        OauthError::new(400, "expired_token", "nobody said yes in time; log in again")
    }

    /// An address begins more logins than anybody needs.
    pub(crate) fn too_many() -> OauthError {
        OauthError {
            retry_after_s: 60,
            ..OauthError::new(
                429,
                "slow_down",
                "20 logins a minute can be begun; try again in a minute",
            )
        }
    }

    /// An address has shown too many things that are not good.
    pub(crate) fn too_many_failures(wait_ms: u64) -> OauthError {
        OauthError {
            retry_after_s: wait_ms.div_ceil(1000).max(1),
            ..OauthError::new(
                429,
                "slow_down",
                "too many tokens and secrets that are not good came from this address; try again in a minute, with what is good",
            )
        }
    }

    /// Whether somebody may have guessed. What is asked for is not looked at, nor that a device is too early.
    pub(crate) fn is_of_a_guess(&self) -> bool {
        ["invalid_client", "invalid_grant", "invalid_request"].contains(&self.code)
    }

    #[cfg(test)]
    pub(crate) fn code(&self) -> &'static str {
        self.code
    }
}

impl From<Error> for OauthError {
    fn from(error: Error) -> OauthError {
        let text = error.to_string();
        match error {
            Error::Unauthenticated { reason } => OauthError::grant(reason),
            Error::Denied { reason } => OauthError::denied(reason),
            Error::Invalid { .. } | Error::TooLarge { .. } => OauthError::request(text),
            Error::NoQuorum { .. }
            | Error::NotReady { .. }
            | Error::OutcomeUnknown
            | Error::Overloaded { .. }
            | Error::DeadlineExceeded { .. }
            | Error::FeatureLevel { .. } => OauthError::new(503, "temporarily_unavailable", text),
            _ => {
                tracing::error!("a token could not be handled: {text}");
                OauthError::new(500, "server_error", "the log of this member has the reason")
            }
        }
    }
}

/// The answer as HTTP, whatever it is: a refusal, too, is one that the method gives.
pub(crate) fn answer<T: Serialize>(result: Result<T, OauthError>) -> Response<HttpBody> {
    match result {
        Ok(shown) => {
            let mut response = json(&shown);
            set_http_header(response.metadata_mut(), "cache-control", "no-store");
            response
        }
        Err(error) => refused(&error),
    }
}

fn refused(error: &OauthError) -> Response<HttpBody> {
    let mut response = json(&Shown {
        error: error.code,
        error_description: &error.description,
    });
    let metadata = response.metadata_mut();
    set_http_status(metadata, error.status);
    set_http_header(metadata, "cache-control", "no-store");
    match error.status {
        401 => set_http_header(metadata, "www-authenticate", CHALLENGE),
        429 | 503 => set_http_header(metadata, "retry-after", &error.retry_after_s.to_string()),
        _ => {}
    }
    response
}

/// A JSON body.
pub(crate) fn json(shown: &impl Serialize) -> Response<HttpBody> {
    Response::new(HttpBody {
        content_type: "application/json".to_owned(),
        data: serde_json::to_vec(shown).expect("texts and numbers always have a JSON form"),
        ..HttpBody::default()
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn header<'a>(response: &'a Response<HttpBody>, name: &str) -> &'a str {
        response
            .metadata()
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }

    #[test]
    fn every_refusal_has_its_status_and_is_kept_by_nobody() {
        for (error, status, code) in [
            (OauthError::request("x"), "400", "invalid_request"),
            (OauthError::client("x"), "401", "invalid_client"),
            (OauthError::grant("x"), "400", "invalid_grant"),
            (OauthError::grant_type("x"), "400", "unsupported_grant_type"),
            (OauthError::scope(), "400", "invalid_scope"),
            (OauthError::target(), "400", "invalid_target"),
            (OauthError::denied("x"), "403", "access_denied"),
            (OauthError::pending(), "400", "authorization_pending"),
            (OauthError::slow_down(), "400", "slow_down"),
            (OauthError::expired(), "400", "expired_token"),
            (OauthError::too_many(), "429", "slow_down"),
            (OauthError::too_many_failures(1), "429", "slow_down"),
        ] {
            let response = answer::<()>(Err(error));
            assert_eq!(header(&response, rpc::HTTP_STATUS), status);
            assert_eq!(header(&response, "http-header-cache-control"), "no-store");
            let challenged = !header(&response, "http-header-www-authenticate").is_empty();
            assert_eq!(challenged, status == "401");
            let shown: serde_json::Value = serde_json::from_slice(&response.get_ref().data).unwrap();
            assert_eq!(shown["error"], code);
        }
    }

    #[test]
    fn what_may_be_better_later_says_when() {
        let later = [
            Error::NotReady {
                retry_after: Duration::from_secs(1),
                reason: "x".into(),
            },
            Error::OutcomeUnknown,
        ];
        for error in later {
            let response = answer::<()>(Err(error.into()));
            assert_eq!(header(&response, rpc::HTTP_STATUS), "503");
            assert_eq!(header(&response, "http-header-retry-after"), "1");
        }
    }

    #[test]
    fn whoever_is_sent_away_is_told_for_how_long() {
        for (wait_ms, shown) in [(0, "1"), (1, "1"), (1001, "2"), (60_000, "60")] {
            let response = answer::<()>(Err(OauthError::too_many_failures(wait_ms)));
            assert_eq!(header(&response, "http-header-retry-after"), shown);
        }
        let response = answer::<()>(Err(OauthError::too_many()));
        assert_eq!(header(&response, "http-header-retry-after"), "60");
    }

    /// What went wrong inside is nobody's business outside.
    #[test]
    fn a_cause_stays_in_the_log() {
        let error = OauthError::from(Error::Internal("/secret/path".into()));
        assert!(!format!("{error:?}").contains("secret"), "{error:?}");
    }
}
