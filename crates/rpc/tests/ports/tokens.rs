//! Bearer tokens: one good one, and every way that others have been fooled.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use rcgen::{KeyPair, PublicKeyData};
use rpc::token::{TOKEN_LENGTH_MAX, Verifier, key_id};
use serde_json::{Value, json};

/// The clock of these tests, seconds since the Unix epoch.
const NOW: u64 = 1_790_000_000;

/// Who signs tokens for cluster "demo".
pub(crate) struct Issuer {
    key: KeyPair,
}

/// The claims of a good token, to be changed one at a time.
pub(crate) struct Claims(Value);

impl Default for Claims {
    fn default() -> Self {
        Self(json!({
            "sub": "admin",
            "iss": rpc::token::issuer("demo"),
            "aud": rpc::token::audience("demo"),
            "exp": NOW + 3600,
        }))
    }
}

impl Claims {
    /// Of a token that ends so many seconds from now on.
    pub(crate) fn expiring_in(seconds: i64) -> Self {
        Self::default().with("exp", json!(NOW.saturating_add_signed(seconds)))
    }

    fn with(mut self, name: &str, value: Value) -> Self {
        self.0[name] = value;
        self
    }

    fn without(mut self, name: &str) -> Self {
        self.0.as_object_mut().unwrap().remove(name);
        self
    }
}

impl Issuer {
    pub(crate) fn new() -> Self {
        Self {
            key: KeyPair::generate().unwrap(),
        }
    }

    pub(crate) fn verifier(&self) -> Verifier {
        verifier(&self.key.public_key_pem())
    }

    fn header(&self) -> Header {
        let mut header = Header::new(Algorithm::ES256);
        header.kid = Some(key_id(&self.key.subject_public_key_info()));
        header
    }

    pub(crate) fn sign(&self, claims: &Claims) -> String {
        self.sign_with(&self.header(), &claims.0)
    }

    fn sign_with(&self, header: &Header, claims: &Value) -> String {
        jsonwebtoken::encode(
            header,
            claims,
            &EncodingKey::from_ec_der(&self.key.serialize_der()),
        )
        .unwrap()
    }
}

fn verifier(pem: &str) -> Verifier {
    let (issuer, audience) = (rpc::token::issuer("demo"), rpc::token::audience("demo"));
    let now = UNIX_EPOCH + Duration::from_secs(NOW);
    Verifier::new(pem.as_bytes(), &issuer, &audience)
        .unwrap()
        .with_clock(move || now)
}

/// The reason for which `token` is refused.
fn refusal(issuer: &Issuer, token: &str) -> String {
    issuer
        .verifier()
        .verify(token)
        .map(|claims| panic!("accepted: {claims:?}"))
        .unwrap_err()
        .to_string()
}

#[test]
fn a_good_token_names_its_subject() {
    let issuer = Issuer::new();
    let claims = issuer
        .verifier()
        .verify(&issuer.sign(&Claims::default()))
        .unwrap();
    assert_eq!((claims.sub.as_str(), claims.exp), ("admin", NOW + 3600));
    let several = Claims::default().with("aud", json!(["other", rpc::token::audience("demo")]));
    issuer.verifier().verify(&issuer.sign(&several)).unwrap();
}

/// CVE-2026-25537 among them: a claim of the wrong type is as bad as none.
#[test]
fn every_claim_must_be_there_with_its_type() {
    let issuer = Issuer::new();
    for name in ["sub", "iss", "aud", "exp"] {
        refusal(&issuer, &issuer.sign(&Claims::default().without(name)));
        refusal(&issuer, &issuer.sign(&Claims::default().with(name, Value::Null)));
        refusal(&issuer, &issuer.sign(&Claims::default().with(name, json!({}))));
    }
    let later = (NOW + 3600).to_string();
    refusal(
        &issuer,
        &issuer.sign(&Claims::default().with("exp", json!(later))),
    );
    refusal(
        &issuer,
        &issuer.sign(&Claims::default().with("exp", json!(1e300))),
    );
    refusal(&issuer, &issuer.sign(&Claims::default().with("exp", json!(-1))));
    refusal(&issuer, &issuer.sign(&Claims::default().with("nbf", json!("0"))));
    refusal(&issuer, &issuer.sign(&Claims::default().with("sub", json!(5))));
}

#[test]
fn a_token_for_or_from_someone_else_is_refused() {
    let issuer = Issuer::new();
    let wrong_audience = Claims::default().with("aud", json!(rpc::token::audience("other")));
    assert!(refusal(&issuer, &issuer.sign(&wrong_audience)).contains("issued for something else"));
    let wrong_issuer = Claims::default().with("iss", json!(rpc::token::issuer("other")));
    assert!(refusal(&issuer, &issuer.sign(&wrong_issuer)).contains("issued by someone else"));
    let two_issuers = Claims::default().with("iss", json!([rpc::token::issuer("demo"), "x"]));
    refusal(&issuer, &issuer.sign(&two_issuers));
}

#[test]
fn time_counts_with_a_minute_of_leeway() {
    let issuer = Issuer::new();
    let expires = |exp: u64| issuer.sign(&Claims::default().with("exp", json!(exp)));
    assert!(refusal(&issuer, &expires(NOW - 61)).contains("expired"));
    assert!(refusal(&issuer, &expires(NOW - 60)).contains("expired"));
    issuer.verifier().verify(&expires(NOW - 59)).unwrap();
    let starts = |nbf: u64| issuer.sign(&Claims::default().with("nbf", json!(nbf)));
    assert!(refusal(&issuer, &starts(NOW + 61)).contains("not valid yet"));
    issuer.verifier().verify(&starts(NOW + 60)).unwrap();
    issuer.verifier().verify(&expires(u64::MAX)).unwrap();
}

/// `none` in every spelling, with and without a signature.
#[test]
fn the_algorithm_none_is_refused() {
    let issuer = Issuer::new();
    let good = issuer.sign(&Claims::default());
    let parts: Vec<&str> = good.split('.').collect();
    let kid = issuer.header().kid.unwrap();
    for alg in ["none", "None", "NONE", "nOnE", ""] {
        let header = URL_SAFE_NO_PAD.encode(json!({ "alg": alg, "typ": "JWT", "kid": kid }).to_string());
        refusal(&issuer, &format!("{header}.{}.", parts[1]));
        refusal(&issuer, &format!("{header}.{}.{}", parts[1], parts[2]));
    }
}

/// The classic confusion: the public key, which everyone has, taken as an HMAC secret.
#[test]
fn hs256_with_the_public_key_is_refused() {
    let issuer = Issuer::new();
    let public_pem = issuer.key.public_key_pem();
    let public_der = issuer.key.subject_public_key_info();
    for secret in [public_pem.as_bytes(), &public_der, issuer.key.public_key_raw()] {
        let header = Header {
            alg: Algorithm::HS256,
            ..issuer.header()
        };
        let token =
            jsonwebtoken::encode(&header, &Claims::default().0, &EncodingKey::from_secret(secret)).unwrap();
        assert!(refusal(&issuer, &token).contains("not signed with ES256"));
    }
}

/// A key that the token brings along, or says where to fetch, is never used.
#[test]
fn only_our_own_keys_count() {
    let (issuer, attacker) = (Issuer::new(), Issuer::new());
    let foreign = attacker.sign(&Claims::default());
    assert!(refusal(&issuer, &foreign).contains("names none of this cluster's token keys"));
    let mut header = issuer.header();
    assert!(
        refusal(&issuer, &attacker.sign_with(&header, &Claims::default().0)).contains("signature is wrong")
    );
    header.jku = Some("https://attacker.example/jwks.json".into());
    header.x5u = Some("https://attacker.example/cert.pem".into());
    refusal(&issuer, &attacker.sign_with(&header, &Claims::default().0));
    for kid in [
        None,
        Some(""),
        Some("../../dev/null"),
        Some("' OR 1=1 --"),
        Some("https://a.example/k"),
    ] {
        header.kid = kid.map(str::to_owned);
        refusal(&issuer, &issuer.sign_with(&header, &Claims::default().0));
    }
}

#[test]
fn a_changed_token_is_refused() {
    let issuer = Issuer::new();
    let good = issuer.sign(&Claims::default());
    let (head, signature) = good.rsplit_once('.').unwrap();
    let header = head.split('.').next().unwrap();
    let forged = URL_SAFE_NO_PAD.encode(Claims::default().with("sub", json!("root")).0.to_string());
    refusal(&issuer, &format!("{header}.{forged}.{signature}"));
    refusal(&issuer, &format!("{head}."));
    refusal(&issuer, head);
    for garbage in ["", ".", "..", "...", "a.b.c", "é.é.é", &format!("{good}.{good}")] {
        refusal(&issuer, garbage);
    }
}

/// A megabyte of token is refused before it is decoded.
#[test]
fn an_oversized_token_is_refused() {
    let issuer = Issuer::new();
    let long = Claims::default().with("filler", json!("a".repeat(TOKEN_LENGTH_MAX)));
    assert!(refusal(&issuer, &issuer.sign(&long)).contains("longer than 8 KiB"));
}

/// Rotation: the old and the new key are both good while both are in the file.
#[test]
fn several_keys_are_told_apart_by_their_id() {
    let (old, new) = (Issuer::new(), Issuer::new());
    let both = verifier(&format!(
        "{}{}",
        old.key.public_key_pem(),
        new.key.public_key_pem()
    ));
    for issuer in [&old, &new] {
        both.verify(&issuer.sign(&Claims::default())).unwrap();
    }
    new.verifier().verify(&old.sign(&Claims::default())).unwrap_err();
}

#[test]
fn files_without_a_usable_key_are_refused_at_start() {
    let load = |pem: &str| Verifier::new(pem.as_bytes(), "i", "a").unwrap_err().to_string();
    assert!(load("").contains("PUBLIC KEY"));
    assert!(load(&KeyPair::generate().unwrap().serialize_pem()).contains("PUBLIC KEY"));
    let ed25519 = KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
    assert!(load(&ed25519.public_key_pem()).contains("not ECDSA P-256"));
    let many: String = (0..17)
        .map(|_| KeyPair::generate().unwrap().public_key_pem())
        .collect();
    assert!(load(&many).contains("more than 16"));
}

/// Without another clock the system's counts.
#[test]
fn the_system_clock_is_the_default() {
    let issuer = Issuer::new();
    let (iss, aud) = (rpc::token::issuer("demo"), rpc::token::audience("demo"));
    let verifier = Verifier::new(issuer.key.public_key_pem().as_bytes(), &iss, &aud).unwrap();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    verifier
        .verify(&issuer.sign(&Claims::default().with("exp", json!(now + 100))))
        .unwrap();
    verifier
        .verify(&issuer.sign(&Claims::default().with("exp", json!(now - 100))))
        .unwrap_err();
}

/// Only the signature of a token is remembered: when its time is over it is refused, however often it has passed.
#[test]
fn a_token_that_has_passed_still_expires() {
    let issuer = Issuer::new();
    let token = issuer.sign(&Claims::default());
    let clock = Arc::new(AtomicU64::new(NOW));
    let hands = Arc::clone(&clock);
    let verifier = issuer
        .verifier()
        .with_clock(move || UNIX_EPOCH + Duration::from_secs(hands.load(Ordering::Relaxed)));
    for _ in 0..3 {
        assert_eq!(verifier.verify(&token).unwrap().sub, "admin");
    }
    clock.store(NOW + 3600 + rpc::token::LEEWAY_S, Ordering::Relaxed);
    let text = verifier.verify(&token).unwrap_err().to_string();
    assert!(text.contains("expired"), "{text}");
}

/// A token that differs in one character from one that has passed is another token.
#[test]
fn a_changed_copy_of_a_token_that_has_passed_is_refused() {
    let issuer = Issuer::new();
    let verifier = issuer.verifier();
    let token = issuer.sign(&Claims::default());
    verifier.verify(&token).unwrap();
    let changed = match token.strip_suffix('A') {
        Some(rest) => format!("{rest}Q"),
        None => format!("{}A", &token[..token.len() - 1]),
    };
    assert!(verifier.verify(&changed).is_err());
    assert!(verifier.verify(&token[..token.len() - 1]).is_err());
}
