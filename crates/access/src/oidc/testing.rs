//! A provider for tests: keys that are made here, and whatever it is told to say.

use std::sync::{Arc, Mutex, MutexGuard};

use auth::{PublicJwk, SigningPair};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use jsonwebtoken::{EncodingKey, Header};
use proto::auth::v1::OidcProvider;
use proto::auth::v1::auth_command::{Change, PutProvider};
use serde_json::{Value, json};

use super::{Ask, Fetch, Fetched, Oidc};
use crate::token_testing::Bed;

pub(crate) const ISSUER: &str = "https://idp.example.org";
/// Of RFC 7517, A.1.
pub(crate) const RSA_JWK: &str = r#"{"kty":"RSA","kid":"2011-04-29","alg":"RS256","e":"AQAB","n":"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw"}"#;

pub(crate) fn metadata(issuer: &str) -> Value {
    json!({
        "issuer": issuer,
        "authorization_endpoint": format!("{issuer}/auth"),
        "token_endpoint": format!("{issuer}/token"),
        "jwks_uri": format!("{issuer}/jwks"),
        "authorization_response_iss_parameter_supported": true,
    })
}

pub(crate) fn ok(body: &Value) -> Fetched {
    Fetched {
        status: 200,
        body: body.to_string().into_bytes(),
    }
}

/// For logins, as a public client.
pub(crate) fn provider() -> OidcProvider {
    OidcProvider {
        name: "idp".into(),
        user_claim: "preferred_username".into(),
        issuer: ISSUER.into(),
        client_id: "chamois".into(),
        logins: true,
        ..OidcProvider::default()
    }
}

/// The provider itself. Clones are the same one.
#[derive(Clone)]
pub(crate) struct Idp(Arc<Mutex<Inner>>);

struct Inner {
    pair: SigningPair,
    is_down: bool,
    refuses: bool,
    promises_iss: bool,
    claims: Value,
    asked: Vec<String>,
    last: Ask,
}

impl Idp {
    pub(crate) fn new() -> Idp {
        rpc::tls::install_crypto_provider();
        Idp(Arc::new(Mutex::new(Inner {
            pair: SigningPair::generate().unwrap(),
            is_down: false,
            refuses: false,
            promises_iss: true,
            claims: json!({}),
            asked: Vec::new(),
            last: Ask::default(),
        })))
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap()
    }

    pub(crate) fn is_down(&self, is_down: bool) {
        self.inner().is_down = is_down;
    }

    /// The next codes are good for an ID token that says so.
    pub(crate) fn will_say(&self, claims: &Value) {
        self.inner().claims = claims.clone();
    }

    /// The next codes are good for nothing.
    pub(crate) fn will_refuse(&self) {
        self.inner().refuses = true;
    }

    /// Whether it says that its answers say whose they are.
    pub(crate) fn promises_iss(&self, promises: bool) {
        self.inner().promises_iss = promises;
    }

    /// Another key, and the one before is gone.
    pub(crate) fn rotate(&self) {
        self.inner().pair = SigningPair::generate().unwrap();
    }

    pub(crate) fn kid(&self) -> String {
        self.inner().pair.id().to_owned()
    }

    pub(crate) fn jwks(&self) -> Value {
        self.inner().jwks()
    }

    /// Paths that were asked for, in order.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.inner().asked.clone()
    }

    pub(crate) fn last_form(&self) -> String {
        self.inner().last.form.clone().unwrap_or_default()
    }

    pub(crate) fn last_authorization(&self) -> String {
        self.inner().last.authorization.clone()
    }

    pub(crate) fn signed(&self, claims: &Value) -> String {
        self.inner().signed(claims)
    }

    pub(crate) fn signed_as(&self, header: &Value, claims: &Value) -> String {
        self.inner().signed_as(header, claims)
    }

    /// With a signature that is none.
    pub(crate) fn forged(&self, header: &Value, claims: &Value) -> String {
        let encoded = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signature = URL_SAFE_NO_PAD.encode([7_u8; 64]);
        format!("{}.{}.{signature}", encoded(header), encoded(claims))
    }
}

impl Inner {
    fn jwks(&self) -> Value {
        let key = PublicJwk::of(&self.pair.public_key()).unwrap();
        json!({ "keys": [key] })
    }

    fn signed(&self, claims: &Value) -> String {
        self.signed_as(
            &json!({"alg": "ES256", "typ": "JWT", "kid": self.pair.id()}),
            claims,
        )
    }

    fn signed_as(&self, header: &Value, claims: &Value) -> String {
        let header: Header = serde_json::from_value(header.clone()).unwrap();
        let key = EncodingKey::from_ec_der(self.pair.pkcs8_der());
        jsonwebtoken::encode(&header, claims, &key).unwrap()
    }

    fn answer(&mut self, ask: Ask) -> Result<Fetched, String> {
        let path = ask.url.strip_prefix(ISSUER).unwrap_or(&ask.url).to_owned();
        self.asked.push(path.clone());
        self.last = ask;
        if self.is_down {
            return Err("no connection".to_owned());
        }
        Ok(match path.as_str() {
            "/.well-known/openid-configuration" => {
                let mut says = metadata(ISSUER);
                says["authorization_response_iss_parameter_supported"] = self.promises_iss.into();
                ok(&says)
            }
            "/jwks" => ok(&self.jwks()),
            "/token" if self.refuses => Fetched {
                status: 400,
                body: br#"{"error":"invalid_grant"}"#.to_vec(),
            },
            "/token" => {
                let id_token = self.signed(&self.claims);
                ok(&json!({"access_token": "opaque", "token_type": "Bearer", "id_token": id_token}))
            }
            other => panic!("{other}"),
        })
    }
}

impl Fetch for Idp {
    fn fetch(&self, ask: Ask) -> BoxFuture<'static, Result<Fetched, String>> {
        let answer = self.inner().answer(ask);
        async move { answer }.boxed()
    }
}

/// A cluster and its provider.
pub(crate) struct Site {
    pub(crate) bed: Bed,
    pub(crate) idp: Idp,
    pub(crate) oidc: Oidc,
}

impl Site {
    pub(crate) async fn new() -> Site {
        let (bed, idp) = (Bed::new().await, Idp::new());
        let oidc = Oidc::new(bed.store.clone(), bed.sealer.clone(), Arc::new(idp.clone()));
        Site { bed, idp, oidc }
    }

    pub(crate) async fn put(&self, provider: OidcProvider) -> Arc<OidcProvider> {
        let name = provider.name.clone();
        let put = PutProvider {
            provider: Some(provider),
            keep_client_secret: false,
        };
        self.bed.propose(Change::PutProvider(put)).await.unwrap();
        self.bed.store.state().auth.provider(&name).unwrap()
    }

    pub(crate) async fn put_with_secret(&self, provider: OidcProvider, secret: &str) -> Arc<OidcProvider> {
        let name = format!("oidc-client/{}", provider.name);
        let sealed = self.bed.sealer.seal(&name, 1, secret.as_bytes()).unwrap();
        self.put(OidcProvider {
            client_secret: Some(sealed),
            ..provider
        })
        .await
    }

    /// What an ID token says for the nonce `n`, and `other`.
    pub(crate) fn claims(&self, other: &Value) -> Value {
        let now_s = self.bed.store.cluster_time_ms() / 1000;
        let mut claims = json!({
            "iss": ISSUER, "aud": "chamois", "nonce": "n", "sub": "1f2e", "preferred_username": "ada",
            "iat": now_s, "exp": now_s + 300,
        });
        for (name, value) in other.as_object().unwrap() {
            claims[name] = value.clone();
        }
        claims
    }

    /// Each look at this store's clock is a millisecond.
    pub(crate) fn pass_ms(&self, ms: u64) {
        let begun_ms = self.bed.store.cluster_time_ms();
        while self.bed.store.cluster_time_ms() < begun_ms + ms {}
    }
}
