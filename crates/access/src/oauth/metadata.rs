//! Where OAuth's clients find what: RFC 8414, and the same for OpenID's.

use rpc::token::issuer;
use serde::Serialize;
use state::State;

use super::error::OauthError;
use super::token::{CLIENT_CREDENTIALS, DEVICE_CODE, EXCHANGE, REFRESH};
use crate::login::check_host;

#[derive(Debug, Serialize)]
pub(crate) struct Metadata {
    issuer: String,
    token_endpoint: String,
    device_authorization_endpoint: String,
    jwks_uri: String,
    introspection_endpoint: String,
    revocation_endpoint: String,
    grant_types_supported: &'static [&'static str],
    response_types_supported: &'static [&'static str],
    token_endpoint_auth_methods_supported: &'static [&'static str],
    introspection_endpoint_auth_methods_supported: &'static [&'static str],
    revocation_endpoint_auth_methods_supported: &'static [&'static str],
    id_token_signing_alg_values_supported: &'static [&'static str],
    subject_types_supported: &'static [&'static str],
}

/// As seen from `host`, by which the caller has found this member.
///
/// # Errors
/// `invalid_request` for a host that is none: it becomes part of addresses.
pub(crate) fn metadata(state: &State, host: &str) -> Result<Metadata, OauthError> {
    check_host(host)?;
    let at = |path: &str| format!("https://{host}{path}");
    Ok(Metadata {
        issuer: issuer(state.cluster_name()),
        token_endpoint: at("/oauth2/token"),
        device_authorization_endpoint: at("/oauth2/device_authorization"),
        jwks_uri: at("/keys"),
        introspection_endpoint: at("/oauth2/introspect"),
        revocation_endpoint: at("/oauth2/revoke"),
        grant_types_supported: &[CLIENT_CREDENTIALS, REFRESH, DEVICE_CODE, EXCHANGE],
        response_types_supported: &[],
        token_endpoint_auth_methods_supported: &["client_secret_basic", "client_secret_post", "none"],
        // whoever asks proves who he is, by a token or a certificate; RFC 8414 2 takes names of the types of tokens for that
        introspection_endpoint_auth_methods_supported: &["Bearer", "tls_client_auth"],
        // a token is ended by whoever has it
        revocation_endpoint_auth_methods_supported: &["none"],
        id_token_signing_alg_values_supported: &["ES256"],
        subject_types_supported: &["public"],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_begin_where_the_caller_is() {
        let metadata = metadata(&State::new(), "admin1:8443").unwrap();
        assert_eq!(metadata.token_endpoint, "https://admin1:8443/oauth2/token");
        assert_eq!(metadata.jwks_uri, "https://admin1:8443/keys");
        super::metadata(&State::new(), "[fd00::1]:8443").unwrap();
    }

    /// A client that finds no method takes `client_secret_basic`, which these two do not have.
    #[test]
    fn every_endpoint_says_how_its_clients_prove_themselves() {
        let metadata = metadata(&State::new(), "admin1:8443").unwrap();
        let shown = serde_json::to_value(&metadata).unwrap();
        for (endpoint, method) in [
            ("token", "client_secret_basic"),
            ("introspection", "Bearer"),
            ("revocation", "none"),
        ] {
            let methods = &shown[format!("{endpoint}_endpoint_auth_methods_supported")];
            let methods = methods.as_array().unwrap();
            assert!(
                methods.iter().any(|named| named == method),
                "{endpoint}: {methods:?}"
            );
            assert!(shown[format!("{endpoint}_endpoint")].is_string());
        }
        assert_eq!(shown["issuer"], "urn:chamois:");
    }

    #[test]
    fn a_host_that_is_none_is_in_no_address() {
        for wrong in ["", "a/b", "a b", "a\"b", "user@host", "a?b", &"a".repeat(260)] {
            assert_eq!(
                metadata(&State::new(), wrong).unwrap_err().code(),
                "invalid_request",
                "{wrong}"
            );
        }
    }
}
