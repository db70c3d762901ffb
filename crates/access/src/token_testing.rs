//! What tests of tokens begin with: a store with keys, and an authority that says what it was told.

use std::sync::Arc;

use auth::{OpaqueKind, OpaqueToken, Sealer};
use proto::auth::v1::auth_command::{Change, CreateApiToken, OpenSession, PutPolicy};
use proto::auth::v1::{ApiToken, AuthCommand, LoginSession, Policy};
use proto::raft::v1::entry::Command;
use raft::{Committed, Store};
use rpc::{Access, Authority, Caller, Error, Identity, Part, Principal, Rules, Scope};
use tokio::sync::watch;
use tonic::Request;

use crate::TokenChecks;
use crate::rights::{Rights, denied};
use crate::signing_keys::{Rotation, rotation};

const HOUR_MS: u64 = 3_600_000;

/// A store at the newest level, and what checks tokens by it.
pub(crate) struct Bed {
    pub(crate) store: Store,
    pub(crate) sealer: Sealer,
    pub(crate) checks: TokenChecks,
}

impl Bed {
    /// Without a key that signs.
    pub(crate) fn without_keys() -> Bed {
        rpc::tls::install_crypto_provider();
        let (store, sealer) = (Store::in_memory(), Sealer::generate().unwrap());
        let checks = TokenChecks::new(store.clone(), sealer.clone());
        Bed {
            store,
            sealer,
            checks,
        }
    }

    pub(crate) async fn new() -> Bed {
        let bed = Bed::without_keys();
        bed.rotate(false, false).await;
        bed
    }

    pub(crate) async fn propose(&self, change: Change) -> Result<Committed, Error> {
        let command = Command::Auth(AuthCommand { change: Some(change) });
        self.store.propose("token/test", command, None).await
    }

    pub(crate) async fn rotate(&self, urgent: bool, distrust_active: bool) {
        let how = Rotation {
            urgent,
            distrust_active,
        };
        let rotate = rotation(&self.store.state(), &self.sealer, how).unwrap();
        self.propose(Change::RotateSigningKey(rotate)).await.unwrap();
    }

    pub(crate) async fn api_token(&self, principal: &str, permissions: &[&str]) -> OpaqueToken {
        let token = OpaqueToken::generate(OpaqueKind::Api).unwrap();
        let create = CreateApiToken {
            token: Some(ApiToken {
                id: token.id(),
                secret_sha256: token.secret_sha256().to_vec(),
                principal: principal.to_owned(),
                permissions: permissions.iter().map(ToString::to_string).collect(),
                expires_at_ms: self.store.cluster_time_ms() + HOUR_MS,
                ..ApiToken::default()
            }),
        };
        self.propose(Change::CreateApiToken(create)).await.unwrap();
        token
    }

    /// Its refresh token.
    pub(crate) async fn session(
        &self,
        principal: &str,
        groups: &[&str],
        permissions: &[&str],
    ) -> OpaqueToken {
        let session = LoginSession {
            principal: principal.to_owned(),
            groups: groups.iter().map(ToString::to_string).collect(),
            permissions: permissions.iter().map(ToString::to_string).collect(),
            ..LoginSession::default()
        };
        self.open(session).await
    }

    /// The refresh token of a login through a provider.
    pub(crate) async fn session_by(&self, provider: &str, principal: &str) -> OpaqueToken {
        let session = LoginSession {
            principal: principal.to_owned(),
            provider: provider.to_owned(),
            ..LoginSession::default()
        };
        self.open(session).await
    }

    async fn open(&self, session: LoginSession) -> OpaqueToken {
        let token = OpaqueToken::generate(OpaqueKind::Refresh).unwrap();
        let open = OpenSession {
            session: Some(LoginSession {
                id: token.id(),
                client_id: "cli".to_owned(),
                refresh_sha256: token.secret_sha256().to_vec(),
                family_sha256: token.family_sha256().to_vec(),
                expires_at_ms: self.store.cluster_time_ms() + HOUR_MS,
                ..session
            }),
            user_code: String::new(),
        };
        self.propose(Change::OpenSession(open)).await.unwrap();
        token
    }

    pub(crate) async fn policy(&self, name: &str, role: &str, principals: &[&str]) {
        let policy = Policy {
            name: name.to_owned(),
            role: role.to_owned(),
            principals: principals.iter().map(ToString::to_string).collect(),
            ..Policy::default()
        };
        let put = PutPolicy { policy: Some(policy) };
        self.propose(Change::PutPolicy(put)).await.unwrap();
    }
}

/// Gives everybody the same.
#[derive(Debug)]
pub(crate) struct FakeAuthority {
    permissions: Vec<String>,
    is_part: bool,
}

impl FakeAuthority {
    pub(crate) fn nobody() -> FakeAuthority {
        FakeAuthority::everything(&[])
    }

    /// These permissions on everything.
    pub(crate) fn everything(permissions: &[&str]) -> FakeAuthority {
        FakeAuthority {
            permissions: permissions.iter().map(ToString::to_string).collect(),
            is_part: false,
        }
    }

    /// These permissions on nothing in particular.
    pub(crate) fn part(permissions: &[&str]) -> FakeAuthority {
        FakeAuthority {
            is_part: true,
            ..FakeAuthority::everything(permissions)
        }
    }
}

#[derive(Debug)]
struct Nothing;

impl Part for Nothing {
    fn has_component(&self, _: &str) -> bool {
        false
    }

    fn has_group(&self, _: &str) -> bool {
        false
    }

    fn has_kind(&self, _: u32) -> bool {
        false
    }
}

impl Authority for FakeAuthority {
    fn authenticate(&self, _: &str) -> Result<Option<Identity>, Error> {
        Ok(None)
    }

    fn access(&self, _: &Identity, permission: &str) -> Result<Access, Error> {
        if !self.permissions.iter().any(|given| given == permission) {
            return Err(denied(permission));
        }
        let scope = match self.is_part {
            true => Scope::Part(Arc::new(Nothing)),
            false => Scope::Everything,
        };
        Ok(Access { scope, grant: None })
    }

    fn changes(&self) -> watch::Receiver<u64> {
        watch::channel(0).1
    }
}

pub(crate) fn rights(authority: FakeAuthority) -> Rights {
    let rules = Rules::from_descriptor(proto::DESCRIPTOR).unwrap();
    Rights::new(Arc::new(authority), &rules)
}

pub(crate) fn user(name: &str) -> Identity {
    Identity::User {
        name: name.to_owned(),
    }
}

/// Whoever shows a token with these permissions.
pub(crate) fn token_of(principal: &str, permissions: Option<&[&str]>) -> Identity {
    let permissions = permissions.map(|given| given.iter().map(ToString::to_string).collect());
    Identity::Known(Arc::new(Principal {
        name: principal.to_owned(),
        permissions,
        token_id: "0123456789abcdef0123456789abcdef".to_owned(),
        issued_at_ms: 1_700_000_000_000,
        ..Principal::default()
    }))
}

/// A request of somebody, as the guard passes it on.
pub(crate) fn request_of<T>(identity: &Identity, message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.extensions_mut().insert(Caller {
        identity: identity.clone(),
        ..Caller::anonymous()
    });
    request
}
