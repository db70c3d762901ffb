//! What a provider says of itself: OpenID Connect Discovery 1.0, and only what a login needs of it.

use std::net::IpAddr;

use percent_encoding::percent_decode_str;
use serde::Deserialize;

use super::fetch::{Fetched, body};

/// Where each provider says it, below its issuer.
const PATH: &str = "/.well-known/openid-configuration";
/// Longest address that is used, bytes.
const URL_BYTES_MAX: usize = 2048;

/// A provider's addresses, checked.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Metadata {
    issuer: String,
    pub(crate) authorization_endpoint: String,
    pub(crate) token_endpoint: String,
    pub(crate) jwks_uri: String,
    #[serde(default)]
    token_endpoint_auth_methods_supported: Vec<String>,
    #[serde(default)]
    pub(crate) authorization_response_iss_parameter_supported: bool,
}

pub(super) fn url(issuer: &str) -> String {
    format!("{}{PATH}", issuer.trim_end_matches('/'))
}

impl Metadata {
    /// # Errors
    /// If it is of another issuer, or names an address that is not to be asked.
    pub(super) fn read(answer: &Fetched, issuer: &str) -> Result<Metadata, String> {
        let read = serde_json::from_slice::<Metadata>(body(answer)?);
        let metadata = read.map_err(|error| format!("its discovery document cannot be read: {error}"))?;
        if metadata.issuer != issuer {
            return Err(format!(
                "its discovery document is of issuer {:?}, and it was put as {issuer:?}; they are compared byte by byte",
                metadata.issuer
            ));
        }
        for (name, url) in [
            ("authorization_endpoint", &metadata.authorization_endpoint),
            ("token_endpoint", &metadata.token_endpoint),
            ("jwks_uri", &metadata.jwks_uri),
        ] {
            check_url(url, issuer).map_err(|problem| format!("{name}: {problem}"))?;
        }
        Ok(metadata)
    }

    /// Whether the client's secret goes into the form because the header is not understood.
    pub(super) fn wants_secret_in_form(&self) -> bool {
        let methods = &self.token_endpoint_auth_methods_supported;
        let has = |name: &str| methods.iter().any(|method| method == name);
        has("client_secret_post") && !has("client_secret_basic")
    }
}

/// An address that is asked is the provider's own or on the network: never this machine's, never one of the kind that clouds
/// answer with secrets, never without TLS; unless the provider itself is on this machine.
fn check_url(url: &str, issuer: &str) -> Result<(), String> {
    let refused = |why: &str| Err(format!("{url:?} is not asked: {why}"));
    if url.len() > URL_BYTES_MAX || url.contains(|c: char| c.is_control() || c.is_whitespace() || c == '\\') {
        return refused("it is too long or holds blanks");
    }
    let (Some(asked), Some(own)) = (Authority::of(url), Authority::of(issuer)) else {
        return refused("it is no https URL with a host");
    };
    if !asked.is_tls && (own.is_tls || asked.host != own.host) {
        return refused("it is not https");
    }
    if asked.host != own.host && asked.is_inside() {
        return refused("it is an address of this machine or of its link");
    }
    Ok(())
}

/// Whether a URL that [`check_url`] takes leads to this machine, because the provider was put there.
pub(super) fn is_inside(url: &str, issuer: &str) -> bool {
    let (asked, own) = (Authority::of(url), Authority::of(issuer));
    own.is_some_and(|own| own.is_inside() && asked.is_some_and(|asked| asked.host == own.host))
}

/// Where a URL leads.
#[derive(Debug, PartialEq, Eq)]
struct Authority {
    is_tls: bool,
    /// Lower case, without a port and without brackets.
    host: String,
}

impl Authority {
    fn of(url: &str) -> Option<Authority> {
        let (is_tls, rest) = match (url.strip_prefix("https://"), url.strip_prefix("http://")) {
            (Some(rest), _) => (true, rest),
            (None, Some(rest)) => (false, rest),
            (None, None) => return None,
        };
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        if authority.contains('@') {
            return None;
        }
        let host = match authority.strip_prefix('[') {
            Some(rest) => rest.split(']').next()?,
            None => authority.split(':').next()?,
        };
        let host = percent_decode_str(host).decode_utf8().ok()?.to_ascii_lowercase();
        (!host.is_empty()).then_some(Authority { is_tls, host })
    }

    fn is_inside(&self) -> bool {
        if self.host == "localhost" || self.host.ends_with(".localhost") {
            return true;
        }
        match self.host.parse::<IpAddr>().map(|ip| ip.to_canonical()) {
            Ok(IpAddr::V4(ip)) => ip.is_loopback() || ip.is_link_local() || ip.is_unspecified(),
            Ok(IpAddr::V6(ip)) => ip.is_loopback() || ip.is_unspecified() || ip.is_unicast_link_local(),
            Err(_) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::testing::{metadata, ok};
    use super::*;

    const ISSUER: &str = "https://idp.example.org";

    #[test]
    fn only_what_was_put_on_this_machine_is_asked_there() {
        for (url, issuer, expected) in [
            ("http://127.0.0.1:8080/jwks", "http://127.0.0.1:8080", true),
            ("http://localhost/jwks", "http://localhost:8080", true),
            ("https://[::1]/jwks", "https://[::1]", true),
            ("https://keys.example.org/jwks", "http://127.0.0.1:8080", false),
            ("https://idp.example.org/jwks", ISSUER, false),
            ("https://127.0.0.1/jwks", ISSUER, false),
            ("", "", false),
        ] {
            assert_eq!(is_inside(url, issuer), expected, "{url} of {issuer}");
        }
    }

    #[test]
    fn a_document_is_found_below_the_issuer() {
        for issuer in ["https://idp/realms/hpc", "https://idp/realms/hpc/"] {
            assert_eq!(url(issuer), format!("https://idp/realms/hpc{PATH}"));
        }
        let read = Metadata::read(&ok(&metadata(ISSUER)), ISSUER).unwrap();
        assert_eq!(read.token_endpoint, "https://idp.example.org/token");
        assert!(!read.wants_secret_in_form());
    }

    /// Another issuer's document would send logins, and the client's secret, to another.
    #[test]
    fn the_issuer_is_the_one_that_was_put_byte_by_byte() {
        for other in [
            "https://idp.example.org/",
            "https://IDP.example.org",
            "https://evil.example.org",
        ] {
            let error = Metadata::read(&ok(&metadata(other)), ISSUER).unwrap_err();
            assert!(error.contains("byte by byte"), "{error}");
        }
        for broken in [&b"{}"[..], b"<html>", b"[]", b""] {
            let answer = Fetched {
                status: 200,
                body: broken.to_vec(),
            };
            Metadata::read(&answer, ISSUER).unwrap_err();
        }
    }

    #[test]
    fn addresses_that_are_not_asked_are_named() {
        for target in [
            "file:///etc/passwd",
            "http://idp.example.org/jwks",
            "https://169.254.169.254/latest/meta-data",
            "https://127.0.0.1/jwks",
            "https://localhost:7441/jwks",
            "https://[::1]/jwks",
            "https://[fe80::1]/jwks",
            "https://[::ffff:127.0.0.1]/jwks",
            "https://0.0.0.0/jwks",
            "https://a@idp.example.org/jwks",
            "https:///jwks",
            "https://idp.example.org/\u{a0}x",
            "gopher://idp.example.org",
            "",
        ] {
            let mut document = metadata(ISSUER);
            document["jwks_uri"] = json!(target);
            let error = Metadata::read(&ok(&document), ISSUER).unwrap_err();
            assert!(error.starts_with("jwks_uri: "), "{target}: {error}");
        }
        for target in ["https://keys.example.org/x?y", "https://10.0.0.7/jwks"] {
            let mut document = metadata(ISSUER);
            document["jwks_uri"] = json!(target);
            Metadata::read(&ok(&document), ISSUER).unwrap();
        }
    }

    /// A provider beside the member, as in a test: what it names is on this machine, too, and of one host.
    #[test]
    fn a_provider_on_this_machine_may_do_without_tls() {
        let issuer = "http://127.0.0.1:9000";
        Metadata::read(&ok(&metadata(issuer)), issuer).unwrap();
        let mut document = metadata(issuer);
        document["token_endpoint"] = json!("http://10.0.0.7/token");
        Metadata::read(&ok(&document), issuer).unwrap_err();
    }

    #[test]
    fn the_secret_goes_into_the_form_only_where_the_header_does_not_do() {
        for (methods, in_form) in [
            (json!(["client_secret_post"]), true),
            (json!(["client_secret_post", "client_secret_basic"]), false),
            (json!([]), false),
        ] {
            let mut document = metadata(ISSUER);
            document["token_endpoint_auth_methods_supported"] = methods;
            let read = Metadata::read(&ok(&document), ISSUER).unwrap();
            assert_eq!(read.wants_secret_in_form(), in_form);
        }
    }
}
