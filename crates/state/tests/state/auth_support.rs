//! Identities and rights as tests write them.

use model::Rejection;
use proto::auth::v1::auth_command::{
    AddAuthority, ApproveDevice, CreateApiToken, OpenSession, PutPolicy, PutProvider, PutRole,
    RefreshSession, Revoke, RotateSigningKey,
};
use proto::auth::v1::signing_key::Stage;
use proto::auth::v1::{
    ApiToken, CertificateAuthority, DeviceApproval, Grant, LoginSession, OidcProvider, Policy, Revocation,
    Role, SigningKey, certificate_authority,
};
use proto::cluster::v1::SealedSecret;
use proto::raft::v1::outcome;
use state::rejection;

use crate::support::{IntoCommand, Log, START_MS};

pub const MINUTE_MS: u64 = 60_000;
pub const HOUR_MS: u64 = 60 * MINUTE_MS;
pub const DAY_MS: u64 = 24 * HOUR_MS;

/// Of a token or login.
pub const ID: &str = "00c0ffee00c0ffee";

/// What all refresh tokens of a login have, as its digest.
pub const FAMILY: [u8; 32] = [0xfa; 32];

pub fn texts(list: &[&str]) -> Vec<String> {
    list.iter().map(ToString::to_string).collect()
}

pub fn put_role(name: &str, permissions: &[&str]) -> PutRole {
    let role = Role {
        name: name.into(),
        permissions: texts(permissions),
        ..Role::default()
    };
    PutRole { role: Some(role) }
}

/// Everywhere.
pub fn policy(name: &str, role: &str, principals: &[&str]) -> Policy {
    Policy {
        name: name.into(),
        role: role.into(),
        principals: texts(principals),
        ..Policy::default()
    }
}

pub fn put(policy: Policy) -> PutPolicy {
    PutPolicy { policy: Some(policy) }
}

pub fn sealed(name: &str) -> SealedSecret {
    SealedSecret {
        name: name.into(),
        version: 1,
        ciphertext: vec![7; 64],
    }
}

/// The id of a key that is named by a letter.
pub fn key_id(letter: char) -> String {
    letter.to_string().repeat(43)
}

pub fn key(letter: char, stage: Stage) -> SigningKey {
    let id = key_id(letter);
    SigningKey {
        stage: stage.into(),
        public_key: vec![4; 91],
        private_key: Some(sealed(&format!("signing-key/{id}"))),
        id,
        ..SigningKey::default()
    }
}

/// The first key and the one after it.
pub fn first_keys(first: char, next: char) -> RotateSigningKey {
    RotateSigningKey {
        first: Some(key(first, Stage::Active)),
        next: Some(key(next, Stage::Next)),
        ..RotateSigningKey::default()
    }
}

/// From a key that signs on.
pub fn rotate(active: char, next: char) -> RotateSigningKey {
    RotateSigningKey {
        next: Some(key(next, Stage::Next)),
        if_active: key_id(active),
        ..RotateSigningKey::default()
    }
}

/// For a day from the beginning of the log on.
pub fn api_token(id: &str, principal: &str) -> ApiToken {
    ApiToken {
        id: id.into(),
        secret_sha256: vec![1; 32],
        principal: principal.into(),
        permissions: texts(&["*.*"]),
        expires_at_ms: START_MS + DAY_MS,
        ..ApiToken::default()
    }
}

pub fn create_token(token: ApiToken) -> CreateApiToken {
    CreateApiToken { token: Some(token) }
}

/// For a day from the beginning of the log on.
pub fn login(id: &str, principal: &str) -> LoginSession {
    LoginSession {
        id: id.into(),
        principal: principal.into(),
        groups: texts(&["ops"]),
        client_id: "chamois".into(),
        refresh_sha256: vec![1; 32],
        family_sha256: FAMILY.to_vec(),
        expires_at_ms: START_MS + DAY_MS,
        provider: "site".into(),
        ..LoginSession::default()
    }
}

pub fn open(session: LoginSession) -> OpenSession {
    OpenSession {
        session: Some(session),
        user_code: String::new(),
    }
}

pub fn refresh(id: &str, shown: u8, new: u8) -> RefreshSession {
    RefreshSession {
        id: id.into(),
        shown_sha256: vec![shown; 32],
        new_sha256: vec![new; 32],
        family_sha256: FAMILY.to_vec(),
    }
}

/// For ten minutes from the beginning of the log on.
pub fn approve(user_code: &str, principal: &str) -> ApproveDevice {
    let approval = DeviceApproval {
        user_code: user_code.into(),
        principal: principal.into(),
        expires_at_ms: START_MS + 10 * MINUTE_MS,
        ..DeviceApproval::default()
    };
    ApproveDevice {
        approval: Some(approval),
    }
}

pub fn revoke(id: &str, before_ms: u64) -> Revoke {
    let revocation = Revocation {
        id: id.into(),
        before_ms,
        ..Revocation::default()
    };
    Revoke {
        revocation: Some(revocation),
    }
}

pub fn provider(name: &str) -> OidcProvider {
    OidcProvider {
        name: name.into(),
        issuer: format!("https://{name}.example.org"),
        client_id: "chamois".into(),
        client_secret: Some(sealed(&format!("oidc-client/{name}"))),
        ..OidcProvider::default()
    }
}

pub fn put_provider(provider: OidcProvider) -> PutProvider {
    PutProvider {
        provider: Some(provider),
        keep_client_secret: false,
    }
}

/// The three bytes 1, 2, 3 stand for a certificate, and what is said to be its digest is.
pub fn authority() -> CertificateAuthority {
    let id = "039058c6f2c0cb492c533b0a4d14ef77cc0f78abccced5287d84a1a2011cfb81".to_owned();
    CertificateAuthority {
        stage: certificate_authority::Stage::Next.into(),
        certificate_pem: "-----BEGIN CERTIFICATE-----\nAQID\n-----END CERTIFICATE-----\n".into(),
        private_key: Some(sealed(&format!("ca-key/{id}"))),
        id,
        ..CertificateAuthority::default()
    }
}

/// Another one, of the bytes 4, 5, 6.
pub fn other_authority() -> CertificateAuthority {
    let id = "787c798e39a5bc1910355bae6d0cd87a36b2e10fd0202a83e3bb6b005da83472".to_owned();
    CertificateAuthority {
        certificate_pem: "-----BEGIN CERTIFICATE-----\nBAUG\n-----END CERTIFICATE-----\n".into(),
        private_key: Some(sealed(&format!("ca-key/{id}"))),
        id,
        ..authority()
    }
}

pub fn add(authority: CertificateAuthority) -> AddAuthority {
    AddAuthority {
        authority: Some(authority),
    }
}

/// Of an access token that was issued at the beginning of the log.
pub fn grant(permission: &str, policies: &[&str]) -> Grant {
    Grant {
        permission: permission.into(),
        policies: texts(policies),
        token_id: "t1".into(),
        issued_at_ms: START_MS,
        ..Grant::default()
    }
}

/// The same change as of an administrator, but hours and days after the one before: its session is as new as it is.
pub fn later(log: &mut Log, command: impl IntoCommand) -> Result<outcome::Applied, Rejection> {
    as_said(log, "user/admin", None, command)
}

/// A change of somebody who acts by policies.
pub fn granted(
    log: &mut Log,
    principal: &str,
    grant: Grant,
    command: impl IntoCommand,
) -> Result<outcome::Applied, Rejection> {
    as_said(log, principal, Some(grant), command)
}

fn as_said(
    log: &mut Log,
    principal: &str,
    grant: Option<Grant>,
    command: impl IntoCommand,
) -> Result<outcome::Applied, Rejection> {
    let mut entry = log.entry(command);
    let now_ms = log.now_ms;
    let header = entry.header.get_or_insert_default();
    header.principal = principal.into();
    header.grant = grant;
    header.session.get_or_insert_default().opened_at_ms = now_ms;
    let outcome = log.apply_entry(&entry).outcome;
    match (rejection(&outcome), outcome.result) {
        (None, Some(outcome::Result::Applied(applied))) => Ok(applied),
        (rejection, _) => Err(rejection.unwrap()),
    }
}
