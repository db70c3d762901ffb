//! Access tokens of RFC 9068: what they say, and how they are checked. Which keys count and what was taken back the caller
//! knows.

use std::sync::Arc;

use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use rpc::token::{LEEWAY_S, TOKEN_LENGTH_MAX};
use serde::{Deserialize, Serialize};

/// The header's `typ`: no other JWT of ours, and no ID token, has it.
pub(crate) const TYPE: &str = "at+jwt";
/// The same as RFC 9068 lets others write it.
const TYPE_LONG: &str = "application/at+jwt";
/// Longest life of an access token that is accepted, seconds.
const ACCESS_TOKEN_LIFE_S_MAX: u64 = 15 * 60;

/// The claims of an access token. Each of them is one text or whole number: a list or a float is no token of ours.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
pub struct AccessClaims {
    /// Who issued it.
    pub iss: String,
    /// Whom it speaks for: `user/<name>` or `service/<name>`.
    pub sub: String,
    /// What it is for, exactly.
    pub aud: String,
    /// End, seconds since the Unix epoch, cluster time.
    pub exp: u64,
    /// When the first token of the chain that it comes from was issued: what is narrowed or exchanged lives no longer.
    pub iat: u64,
    /// Start.
    pub nbf: u64,
    /// Its own id.
    pub jti: String,
    /// What asked for it: a client's name, or the id of the API token that it was given for.
    pub client_id: String,
    /// What it may do at most, patterns with spaces between them; `None`: all that policies give.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    /// As the provider named them, without `group/`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<String>,
    /// The login that it belongs to.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub sid: String,
    /// SHA-256 of the certificate (DER) that it was given for, base64url; with that it is revoked.
    #[serde(default, rename = "x5t#S256", skip_serializing_if = "String::is_empty")]
    pub certificate: String,
}

/// Why an access token is not accepted. Never quotes it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AccessTokenError {
    /// Its key is none that the caller knows; it may have been made a moment ago.
    #[error("its `kid` names no key that signs or has just signed")]
    UnknownKey {
        /// The `kid`, 128 bytes at most.
        kid: String,
    },
    /// A check has failed.
    #[error("{0}")]
    Refused(&'static str),
}

/// Longest `kid` that is looked up, bytes; ours have 43.
const KID_LENGTH_MAX: usize = 128;

/// Whether a text says that it is an access token of RFC 9068. Whether it is one, [`check`] tells.
pub fn is_access_token(token: &str) -> bool {
    let header = (token.len() <= TOKEN_LENGTH_MAX).then(|| jsonwebtoken::decode_header(token));
    header
        .and_then(Result::ok)
        .is_some_and(|header| is_type(header.typ.as_deref()))
}

fn is_type(typ: Option<&str>) -> bool {
    let is = |name: &str| typ.is_some_and(|typ| typ.eq_ignore_ascii_case(name));
    is(TYPE) || is(TYPE_LONG)
}

/// The claims of `token` if one of `keys` has signed it, for `audience` and as `issuer`, and it is good at `now_ms`, cluster
/// time.
///
/// # Errors
/// The first check that fails.
pub fn check(
    token: &str,
    keys: &dyn Fn(&str) -> Option<Arc<DecodingKey>>,
    issuer: &str,
    audience: &str,
    now_ms: u64,
) -> Result<AccessClaims, AccessTokenError> {
    use AccessTokenError::Refused;
    if token.len() > TOKEN_LENGTH_MAX {
        return Err(Refused("it is longer than 8 KiB"));
    }
    let header = jsonwebtoken::decode_header(token).map_err(|_| Refused("it is not an ES256 JWT"))?;
    if !is_type(header.typ.as_deref()) {
        return Err(Refused("its `typ` is not at+jwt"));
    }
    if header.crit.is_some() {
        return Err(Refused("its header has `crit`"));
    }
    // Only the key id counts; `jku`, `jwk`, `x5u` and `x5c` are never looked at.
    let kid = header.kid.filter(|kid| kid.len() <= KID_LENGTH_MAX);
    let kid = kid.ok_or(Refused("it has no `kid`, or one that is too long"))?;
    let key = keys(&kid).ok_or(AccessTokenError::UnknownKey { kid })?;
    let decoded = jsonwebtoken::decode::<AccessClaims>(token, &key, &validation(issuer, audience));
    let claims = decoded.map_err(|error| Refused(problem_of(error.kind())))?.claims;
    check_times(&claims, now_ms)?;
    Ok(claims)
}

fn validation(issuer: &str, audience: &str) -> Validation {
    let mut validation = Validation::new(Algorithm::ES256);
    validation.set_required_spec_claims(&["sub", "iss", "aud", "exp", "nbf"]);
    validation.set_issuer(&[issuer]);
    validation.set_audience(&[audience]);
    // Times are checked against cluster time, and on integers only.
    validation.validate_exp = false;
    validation
}

/// Whether a token with these claims is good at `now_ms`, cluster time. A token that has passed [`check`] once may be kept, and
/// only this be asked again.
///
/// # Errors
/// Which of its times is wrong.
pub fn check_times(claims: &AccessClaims, now_ms: u64) -> Result<(), AccessTokenError> {
    let now = now_ms / 1000;
    let latest = now.saturating_add(LEEWAY_S);
    let problem = if claims.exp.saturating_add(LEEWAY_S) <= now {
        "it has expired"
    } else if claims.nbf > latest || claims.iat > latest {
        "it is not valid yet; compare the clocks"
    } else if claims.exp.saturating_sub(claims.iat) > ACCESS_TOKEN_LIFE_S_MAX {
        "it is good for longer than access tokens are"
    } else {
        return Ok(());
    };
    Err(AccessTokenError::Refused(problem))
}

fn problem_of(kind: &jsonwebtoken::errors::ErrorKind) -> &'static str {
    use jsonwebtoken::errors::ErrorKind;
    match kind {
        ErrorKind::InvalidSignature => "its signature is wrong",
        ErrorKind::InvalidAlgorithm => "it is not signed with ES256",
        ErrorKind::InvalidIssuer => "it was issued by someone else",
        ErrorKind::InvalidAudience => "it was issued for something else",
        _ => "it is malformed, or a claim is missing or not of its type",
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use jsonwebtoken::{EncodingKey, Header};
    use proptest::prelude::*;
    use rpc::token::p256_point;

    use super::*;
    use crate::SigningPair;

    const NOW_S: u64 = 1_790_000_000;
    const ISSUER: &str = "urn:chamois:demo";
    const AUDIENCE: &str = "urn:chamois:demo:api";

    fn claims() -> AccessClaims {
        AccessClaims {
            iss: ISSUER.into(),
            sub: "user/ada".into(),
            aud: AUDIENCE.into(),
            exp: NOW_S + 600,
            iat: NOW_S,
            nbf: NOW_S,
            jti: "1".into(),
            client_id: "cli".into(),
            ..AccessClaims::default()
        }
    }

    fn checked(key: &SigningPair, token: &str) -> Result<AccessClaims, AccessTokenError> {
        checked_at(key, token, NOW_S)
    }

    fn checked_at(key: &SigningPair, token: &str, now_s: u64) -> Result<AccessClaims, AccessTokenError> {
        let public = key.public_key();
        let known = Arc::new(DecodingKey::from_ec_der(p256_point(&public).unwrap()));
        let keys = |kid: &str| (kid == key.id()).then(|| Arc::clone(&known));
        check(token, &keys, ISSUER, AUDIENCE, now_s * 1000 + 999)
    }

    /// Signed with the right key, whatever header and claims are.
    fn signed(key: &SigningPair, header: &str, claims: &str) -> String {
        let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
        let message = format!("{}.{}", part(header), part(claims));
        let encoding = EncodingKey::from_ec_der(key.pkcs8_der());
        let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &encoding, Algorithm::ES256).unwrap();
        format!("{message}.{signature}")
    }

    fn header(key: &SigningPair) -> String {
        format!(r#"{{"alg":"ES256","typ":"at+jwt","kid":"{}"}}"#, key.id())
    }

    #[test]
    fn what_was_signed_is_read_back() {
        let key = SigningPair::generate().unwrap();
        let full = AccessClaims {
            scope: Some("smd.read bss.*".into()),
            groups: vec!["HPC Admins".into()],
            sid: "0123456789abcdef".into(),
            certificate: "x".into(),
            ..claims()
        };
        for claims in [claims(), full] {
            let token = key.sign(&claims).unwrap();
            assert!(is_access_token(&token));
            assert_eq!(checked(&key, &token), Ok(claims));
        }
    }

    #[test]
    fn times_are_those_of_the_cluster_with_a_minutes_leeway() {
        let key = SigningPair::generate().unwrap();
        let token = key.sign(&claims()).unwrap();
        for (now_s, fits) in [
            (NOW_S - 61, false),
            (NOW_S - 60, true),
            (NOW_S + 659, true),
            (NOW_S + 660, false),
            (u64::MAX / 1000 - 1, false),
        ] {
            assert_eq!(checked_at(&key, &token, now_s).is_ok(), fits, "{now_s}");
        }
        for wrong in [
            AccessClaims {
                nbf: NOW_S + 61,
                ..claims()
            },
            AccessClaims {
                iat: NOW_S + 61,
                ..claims()
            },
            AccessClaims {
                exp: NOW_S + 901,
                ..claims()
            },
            AccessClaims {
                exp: u64::MAX,
                ..claims()
            },
            AccessClaims { exp: 0, ..claims() },
        ] {
            let refused = checked(&key, &key.sign(&wrong).unwrap());
            assert!(matches!(refused, Err(AccessTokenError::Refused(_))), "{wrong:?}");
        }
    }

    #[test]
    fn issuer_and_audience_are_exact() {
        let key = SigningPair::generate().unwrap();
        for wrong in [
            AccessClaims {
                iss: format!("{ISSUER}/"),
                ..claims()
            },
            AccessClaims {
                iss: String::new(),
                ..claims()
            },
            AccessClaims {
                aud: "urn:chamois:other:api".into(),
                ..claims()
            },
            AccessClaims {
                aud: format!("{AUDIENCE} "),
                ..claims()
            },
        ] {
            let refused = checked(&key, &key.sign(&wrong).unwrap());
            assert!(matches!(refused, Err(AccessTokenError::Refused(_))), "{wrong:?}");
        }
    }

    /// Each of them has been a hole somewhere: lists of audiences, `exp` as a text (CVE-2026-25537), missing claims.
    #[test]
    fn claims_of_another_form_are_refused_though_the_signature_is_right() {
        let key = SigningPair::generate().unwrap();
        let right = format!(
            r#"{{"iss":"{ISSUER}","sub":"user/a","aud":"{AUDIENCE}","exp":{},"iat":{NOW_S},"nbf":{NOW_S},"jti":"1","client_id":"c"}}"#,
            NOW_S + 600
        );
        assert!(checked(&key, &signed(&key, &header(&key), &right)).is_ok());
        let exp = format!(r#""exp":{}"#, NOW_S + 600);
        let aud = format!(r#""aud":"{AUDIENCE}""#);
        for (from, to) in [
            (exp.as_str(), format!(r#""exp":"{}""#, NOW_S + 600)),
            (&exp, format!(r#""exp":{}.5"#, NOW_S + 600)),
            (&exp, r#""exp":-1"#.to_owned()),
            (&exp, r#""exp":18446744073709551616"#.to_owned()),
            (&exp, r#""x":0"#.to_owned()),
            (&aud, format!(r#""aud":["{AUDIENCE}","x"]"#)),
            (&aud, format!(r#""aud":["{AUDIENCE}"]"#)),
            (&aud, r#""x":0"#.to_owned()),
            (r#""sub":"user/a""#, r#""sub":["user/a"]"#.to_owned()),
            (r#""jti":"1""#, r#""x":0"#.to_owned()),
            (&right, "[]".to_owned()),
        ] {
            let wrong = right.replace(from, &to);
            assert_ne!(wrong, right);
            let refused = checked(&key, &signed(&key, &header(&key), &wrong));
            assert!(
                matches!(refused, Err(AccessTokenError::Refused(_))),
                "{wrong}: {refused:?}"
            );
        }
    }

    /// The key decides about the algorithm, never the header; and nothing in the header is fetched or believed.
    #[test]
    fn headers_of_attackers_are_refused() {
        let key = SigningPair::generate().unwrap();
        let stranger = SigningPair::generate().unwrap();
        let right = key.sign(&claims()).unwrap();
        let (message, signature) = right.rsplit_once('.').unwrap();
        let body = message.split_once('.').unwrap().1;
        let kid = key.id();
        let with = |header: &str| format!("{}.{body}.{signature}", URL_SAFE_NO_PAD.encode(header));
        for wrong in [
            format!(r#"{{"alg":"none","typ":"at+jwt","kid":"{kid}"}}"#),
            format!(r#"{{"alg":"nOnE","typ":"at+jwt","kid":"{kid}"}}"#),
            format!(r#"{{"alg":"RS256","typ":"at+jwt","kid":"{kid}"}}"#),
            format!(r#"{{"alg":"ES384","typ":"at+jwt","kid":"{kid}"}}"#),
            r#"{"alg":"ES256","typ":"at+jwt"}"#.to_owned(),
            format!(r#"{{"alg":"ES256","typ":"JWT","kid":"{kid}"}}"#),
            format!(r#"{{"alg":"ES256","typ":"at+jwt","kid":"{}"}}"#, "k".repeat(129)),
            "{}".to_owned(),
        ] {
            let refused = checked(&key, &with(&wrong));
            assert!(
                matches!(refused, Err(AccessTokenError::Refused(_))),
                "{wrong}: {refused:?}"
            );
        }
        // HS256 with the public key as the secret
        let mut hs256 = Header::new(Algorithm::HS256);
        (hs256.typ, hs256.kid) = (Some(TYPE.into()), Some(kid.into()));
        let secret = EncodingKey::from_secret(&key.public_key());
        let confused = jsonwebtoken::encode(&hs256, &claims(), &secret).unwrap();
        assert_eq!(
            checked(&key, &confused),
            Err(AccessTokenError::Refused("it is not signed with ES256"))
        );
        // another's key under our id, and `crit` that we do not understand
        let header = |rest: &str| format!(r#"{{"alg":"ES256","typ":"at+jwt","kid":"{kid}"{rest}}}"#);
        let text = format!(
            r#"{{"iss":"{ISSUER}","sub":"user/a","aud":"{AUDIENCE}","exp":{},"iat":{NOW_S},"nbf":{NOW_S},"jti":"1","client_id":"c"}}"#,
            NOW_S + 600
        );
        for extra in ["", r#","jku":"https://evil/keys""#, r#","x5u":"https://evil/c""#] {
            let forged = signed(&stranger, &header(extra), &text);
            assert_eq!(
                checked(&key, &forged),
                Err(AccessTokenError::Refused("its signature is wrong")),
                "{extra}"
            );
        }
        let critical = signed(&key, &header(r#","crit":["b64"]"#), &text);
        assert_eq!(
            checked(&key, &critical),
            Err(AccessTokenError::Refused("its header has `crit`"))
        );
    }

    /// It may have been made a moment ago on another member: the caller asks before it says no.
    #[test]
    fn an_unknown_key_is_told_from_what_is_refused() {
        let (key, other) = (SigningPair::generate().unwrap(), SigningPair::generate().unwrap());
        let kid = other.id().to_owned();
        assert_eq!(
            checked(&key, &other.sign(&claims()).unwrap()),
            Err(AccessTokenError::UnknownKey { kid })
        );
        for kid in ["../../etc/passwd", "' OR 1=1 --", "https://evil/k"] {
            let header = format!(r#"{{"alg":"ES256","typ":"at+jwt","kid":"{kid}"}}"#);
            let refused = checked(&key, &signed(&other, &header, "{}"));
            assert_eq!(refused, Err(AccessTokenError::UnknownKey { kid: kid.into() }));
        }
    }

    #[test]
    fn what_is_too_long_is_not_decoded() {
        let key = SigningPair::generate().unwrap();
        let long = "a".repeat(1 << 20);
        assert!(!is_access_token(&long));
        assert_eq!(
            checked(&key, &long),
            Err(AccessTokenError::Refused("it is longer than 8 KiB"))
        );
    }

    proptest! {
        #[test]
        fn any_text_is_only_refused(text in ".{0,200}") {
            let key = SigningPair::generate().unwrap();
            prop_assert!(!is_access_token(&text));
            prop_assert!(checked(&key, &text).is_err());
        }
    }
}
