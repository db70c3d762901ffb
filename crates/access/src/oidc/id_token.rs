//! ID tokens: OpenID Connect Core 1.0, 3.1.3.7.

use super::claims::{Claims, check_times, texts};

/// What an ID token must say.
#[derive(Clone, Copy, Debug)]
pub(super) struct Expected<'a> {
    pub(super) issuer: &'a str,
    pub(super) client_id: &'a str,
    /// Of the login that it is the answer to.
    pub(super) nonce: &'a str,
    /// Cluster time.
    pub(super) now_ms: u64,
}

/// # Errors
/// The first claim that is not as it must be.
pub(super) fn check(claims: &Claims, expected: Expected<'_>) -> Result<(), &'static str> {
    let is = |name: &str, wanted: &str| claims.get(name).and_then(|value| value.as_str()) == Some(wanted);
    if !is("iss", expected.issuer) {
        return Err("its `iss` is another issuer");
    }
    let audiences = texts(claims.get("aud"));
    if !audiences.iter().any(|audience| audience == expected.client_id) {
        return Err("its `aud` is another client");
    }
    let has_azp = claims.contains_key("azp");
    if (has_azp || audiences.len() > 1) && !is("azp", expected.client_id) {
        return Err("its `azp` is another client");
    }
    if !is("nonce", expected.nonce) {
        return Err("its `nonce` is that of another login");
    }
    check_times(claims, expected.now_ms).map(|_| ())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn with(name: &str, value: Value) -> Result<(), &'static str> {
        let mut claims = json!({
            "iss": "https://idp", "aud": "chamois", "nonce": "n", "sub": "ada", "exp": 1_000_300, "iat": 1_000_000,
        });
        match value {
            Value::Null => {
                claims.as_object_mut().unwrap().remove(name);
            }
            value => claims[name] = value,
        }
        let expected = Expected {
            issuer: "https://idp",
            client_id: "chamois",
            nonce: "n",
            now_ms: 1_000_000_000,
        };
        check(claims.as_object().unwrap(), expected)
    }

    #[test]
    fn a_token_for_this_login_is_accepted() {
        with("sub", json!("ada")).unwrap();
        with("aud", json!(["chamois"])).unwrap();
        with("azp", json!("chamois")).unwrap();
    }

    #[test]
    fn each_claim_is_compared() {
        for (name, value, problem) in [
            ("iss", json!("https://idp/"), "iss"),
            ("iss", json!(["https://idp"]), "iss"),
            ("iss", Value::Null, "iss"),
            ("aud", json!("other"), "aud"),
            ("aud", json!("chamois2"), "aud"),
            ("aud", json!([]), "aud"),
            ("aud", Value::Null, "aud"),
            ("aud", json!(["chamois", "other"]), "azp"),
            ("azp", json!("other"), "azp"),
            ("azp", json!(7), "azp"),
            ("nonce", json!("m"), "nonce"),
            ("nonce", Value::Null, "nonce"),
            ("exp", json!(999_000), "expired"),
            ("exp", json!("1000300"), "whole number"),
            ("exp", Value::Null, "exp"),
            ("iat", json!(1_000_100), "clocks"),
            ("nbf", json!(1_000_100), "clocks"),
        ] {
            let text = with(name, value.clone()).unwrap_err();
            assert!(text.contains(problem), "{name} {value}: {text}");
        }
    }

    /// Several audiences need to say which of them asked.
    #[test]
    fn with_several_audiences_this_client_is_the_one_that_asked() {
        let claims = json!({
            "iss": "https://idp", "aud": ["other", "chamois"], "azp": "chamois", "nonce": "n", "exp": 1_000_300,
            "iat": 1_000_000,
        });
        let expected = Expected {
            issuer: "https://idp",
            client_id: "chamois",
            nonce: "n",
            now_ms: 1_000_000_000,
        };
        check(claims.as_object().unwrap(), expected).unwrap();
    }
}
