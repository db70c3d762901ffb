//! What a bearer token may look like: the first byte says what the rest is. Claims that are signed, a header before claims that
//! are, a whole text, or a token that says nothing.

use std::sync::{Arc, OnceLock};

use auth::{AccessClaims, OpaqueToken, SigningPair, check_access_token, check_times, is_access_token};

const ISSUER: &str = "urn:chamois:fuzz";
const AUDIENCE: &str = "urn:chamois:fuzz:api";
/// Cluster time, milliseconds.
const NOW_MS: u64 = 1_790_000_000_000;
const NOW_S: u64 = NOW_MS / 1000;

fn key() -> &'static SigningPair {
    static KEY: OnceLock<SigningPair> = OnceLock::new();
    KEY.get_or_init(|| SigningPair::generate().expect("there are random bytes"))
}

fn good() -> AccessClaims {
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

fn checked(token: &str) -> Option<AccessClaims> {
    let published = key().public_key();
    let point = rpc::token::p256_point(&published).expect("a P-256 key");
    let known = Arc::new(auth::DecodingKey::from_ec_der(point));
    let keys = |kid: &str| (kid == key().id()).then(|| Arc::clone(&known));
    check_access_token(token, &keys, ISSUER, AUDIENCE, NOW_MS).ok()
}

/// One input; panics where the answer is wrong.
pub(crate) fn run(input: &[u8]) {
    let [how, rest @ ..] = input else { return };
    let Ok(text) = std::str::from_utf8(rest) else {
        return;
    };
    match how % 4 {
        0 => claims(text),
        1 => header(text),
        2 => whole(text),
        _ => opaque(text),
    }
}

/// Lines: issuer, audience, subject, scope, end, issued, start. Signed with the right key, so that only what they say counts.
fn claims(text: &str) {
    let lines: Vec<&str> = text.split('\n').collect();
    let line = |n: usize| lines.get(n).copied().unwrap_or_default();
    let number = |n: usize| line(n).parse().unwrap_or_default();
    let claims = AccessClaims {
        iss: line(0).into(),
        aud: line(1).into(),
        sub: line(2).into(),
        scope: Some(line(3).into()).filter(|scope: &String| !scope.is_empty()),
        exp: number(4),
        iat: number(5),
        nbf: number(6),
        ..good()
    };
    let token = key().sign(&claims).expect("claims are signed");
    let fits = (claims.iss.as_str(), claims.aud.as_str()) == (ISSUER, AUDIENCE)
        && check_times(&claims, NOW_MS).is_ok()
        && token.len() <= rpc::token::TOKEN_LENGTH_MAX;
    if fits {
        assert!(claims.exp + 60 > NOW_S && claims.iat <= NOW_S + 60 && claims.nbf <= NOW_S + 60);
        assert!(claims.exp.saturating_sub(claims.iat) <= 900);
    }
    assert_eq!(checked(&token), fits.then_some(claims));
}

/// In place of the one that was signed: nothing else is taken.
fn header(text: &str) {
    let token = key().sign(&good()).expect("claims are signed");
    let (own, rest) = token.split_once('.').expect("three parts");
    let other = format!("{text}.{rest}");
    assert_eq!(checked(&other).is_some(), text == own);
    // which part is another's is nothing to go by
    let _either = is_access_token(&other);
}

fn whole(text: &str) {
    assert_eq!(checked(text), None, "nobody has signed it");
    let _either = is_access_token(text);
}

fn opaque(text: &str) {
    if let Ok(token) = text.parse::<OpaqueToken>() {
        assert_eq!(token.to_string(), text, "a token has one spelling");
        assert_eq!(token.id().len(), 16);
        assert!(!format!("{token:?}").contains(&text[21..]));
    }
}
