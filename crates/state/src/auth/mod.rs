//! Identities and rights: roles and policies, what proves who somebody is, and what of that was taken back. From feature
//! level 6 on.

mod api_tokens;
mod areas;
mod authorities;
mod devices;
mod forms;
mod grants;
mod normal_policy;
mod own;
mod part;
mod permissions;
mod policies;
mod providers;
mod revocations;
mod roles;
mod sessions;
mod signing_keys;

use std::sync::Arc;

use model::Rejection;
use proto::auth::v1::auth_command::{Change, DeleteApiToken, PutAuthSecret};
use proto::auth::v1::{
    ApiToken, AuthCommand, CertificateAuthority, DeviceApproval, LoginSession, OidcProvider, Policy,
    Revocation, Role, SigningKey,
};
use proto::cluster::v1::SealedSecret;
use proto::cluster::v1::cluster_command::reseal_secrets::Resealed;
use proto::raft::v1::StateHeader;
use proto::raft::v1::outcome::Applied;
use proto::raft::v1::snapshot_row::Row;

pub use self::areas::{area_of, area_of_job};
pub use self::devices::{USER_CODE_ALPHABET, USER_CODE_CHARS};
pub use self::grants::policies_for;
pub use self::part::Part;
pub use self::permissions::gives;
pub use self::policies::{everyone_like, is_for, stands};
pub use self::revocations::Proof;
pub use self::roles::shipped_roles;
pub use self::sessions::REPLAYED;

use self::api_tokens::ApiTokens;
use self::authorities::Authorities;
use self::devices::Devices;
use self::policies::Policies;
use self::providers::Providers;
use self::revocations::Revocations;
use self::roles::Roles;
use self::sessions::LoginSessions;
use self::signing_keys::SigningKeys;
use crate::apply::no_command;
use crate::bounds::ENDED_FORGOTTEN_MAX;
use crate::changes::Changes;
use crate::cluster::{Cluster, FEATURE_LEVEL_AUTH, check_secret};
use crate::event::Object;
use crate::log_position::LogPosition;
use crate::snapshot::SnapshotError;
use crate::table::{Record, Table, text_record};
use crate::{RowKey, RowKind};

/// Name of the secret that logins in progress are authenticated with.
pub const LOGIN_KEY: &str = "login-key";

/// Who may do what, and what proves who somebody is.
#[derive(Clone, Default)]
pub struct Auth {
    /// See [`Auth::has_policies`].
    policies_decide: bool,
    roles: Roles,
    policies: Policies,
    keys: SigningKeys,
    tokens: ApiTokens,
    sessions: LoginSessions,
    devices: Devices,
    revocations: Revocations,
    providers: Providers,
    authorities: Authorities,
}

impl Auth {
    /// A role by its name, shipped ones too.
    pub fn role(&self, name: &str) -> Option<Arc<Role>> {
        self.roles.get(name).cloned()
    }

    /// The shipped roles, then those that are stored, by name.
    pub fn roles(&self) -> impl Iterator<Item = Arc<Role>> {
        self.roles.shipped().iter().chain(self.roles.in_use()).cloned()
    }

    /// Which level the shipped roles are of: the cluster's.
    pub(crate) fn set_level(&mut self, feature_level: u32) {
        self.roles.set_level(feature_level);
    }

    /// A policy by its name, also one that has ended.
    pub fn policy(&self, name: &str) -> Option<Arc<Policy>> {
        self.policies.get(name).cloned()
    }

    /// Every policy, by name.
    pub fn policies(&self) -> impl Iterator<Item = &Arc<Policy>> {
        self.policies.iter()
    }

    /// Whether any policy was ever stored: from then on a user's certificate alone gives nothing, also when the last policy is gone.
    /// Deleting it, or its end, must make nobody an administrator.
    pub fn has_policies(&self) -> bool {
        self.policies_decide
    }

    /// Every key that signs access tokens, did, or will, by id; retired ones, too.
    pub fn signing_keys(&self) -> impl Iterator<Item = &Arc<SigningKey>> {
        self.keys.iter()
    }

    /// The key that signs; `None` before the first rotation.
    pub fn active_key(&self) -> Option<Arc<SigningKey>> {
        self.keys.active().cloned()
    }

    /// A token for a machine, also one that has ended.
    pub fn api_token(&self, id: &str) -> Option<Arc<ApiToken>> {
        self.tokens.get(id).cloned()
    }

    /// Every token for a machine, by id.
    pub fn api_tokens(&self) -> impl Iterator<Item = &Arc<ApiToken>> {
        self.tokens.iter()
    }

    /// A login, also one that has ended by its time.
    pub fn session(&self, id: &str) -> Option<Arc<LoginSession>> {
        self.sessions.get(id).cloned()
    }

    /// Every login, by id.
    pub fn sessions(&self) -> impl Iterator<Item = &Arc<LoginSession>> {
        self.sessions.iter()
    }

    /// Every yes to a device, by its user code.
    pub fn device_approvals(&self) -> impl Iterator<Item = &Arc<DeviceApproval>> {
        self.devices.iter()
    }

    /// A person's yes to a device, also one that has ended.
    pub fn device_approval(&self, user_code: &str) -> Option<Arc<DeviceApproval>> {
        self.devices.get(user_code).cloned()
    }

    /// What was taken back under an id, e.g. `principal/user/ada`, and is not forgotten.
    pub fn revocation(&self, id: &str) -> Option<Arc<Revocation>> {
        self.revocations.get(id).cloned()
    }

    /// What was taken back and is not forgotten, by id.
    pub fn revocations(&self) -> impl Iterator<Item = &Arc<Revocation>> {
        self.revocations.iter()
    }

    /// An OIDC provider by its name.
    pub fn provider(&self, name: &str) -> Option<Arc<OidcProvider>> {
        self.providers.get(name).cloned()
    }

    /// Every OIDC provider, by name.
    pub fn providers(&self) -> impl Iterator<Item = &Arc<OidcProvider>> {
        self.providers.iter()
    }

    /// Every CA, by id.
    pub fn authorities(&self) -> impl Iterator<Item = &Arc<CertificateAuthority>> {
        self.authorities.iter()
    }

    /// Private keys and client secrets.
    pub(crate) fn sealed(&self) -> impl Iterator<Item = &SealedSecret> {
        let keys = self.keys.iter().filter_map(|key| key.private_key.as_ref());
        let providers = self.providers.iter();
        let clients = providers.filter_map(|provider| provider.client_secret.as_ref());
        let authorities = self.authorities.iter();
        let authorities = authorities.filter_map(|authority| authority.private_key.as_ref());
        keys.chain(clients).chain(authorities)
    }

    /// Whether it was one of these secrets, and was still the same.
    pub(crate) fn reseal(&mut self, resealed: &Resealed, changes: &mut Changes) -> bool {
        let Some((kind, id)) = resealed
            .sealed
            .as_ref()
            .and_then(|sealed| sealed.name.split_once('/'))
        else {
            return false;
        };
        match kind {
            "signing-key" => self.keys.reseal(id, resealed, changes),
            "oidc-client" => self.providers.reseal(id, resealed, changes),
            "ca-key" => self.authorities.reseal(id, resealed, changes),
            _ => false,
        }
    }

    /// Whether what proves a principal was taken back, and how it is called; `None`: it stands.
    pub fn revoked(&self, proof: &Proof<'_>) -> Option<&'static str> {
        self.revocations.revoked(proof, &self.tokens)
    }

    /// `cluster` keeps the login key.
    pub(crate) fn apply(
        &mut self,
        command: &AuthCommand,
        cluster: &mut Cluster,
        at: &LogPosition<'_>,
        changes: &mut Changes,
    ) -> Result<Applied, Rejection> {
        match command.change.as_ref().ok_or_else(no_command)? {
            Change::PutRole(put) => self.roles.put(put, at, changes),
            Change::DeleteRole(delete) => self.roles.delete(delete, &self.policies, changes),
            Change::PutPolicy(put) => {
                let applied = self.policies.put(put, at, changes)?;
                self.policies_decide = true;
                Ok(applied)
            }
            Change::DeletePolicy(delete) => self.policies.delete(delete, changes),
            Change::RotateSigningKey(rotate) => self.keys.rotate(rotate, at, changes),
            Change::EndSigningKeys(_) => Ok(self.keys.end(at, changes)),
            Change::CreateApiToken(create) => self.tokens.create(create, at, changes),
            Change::DeleteApiToken(delete) => self.delete_token(delete, at, changes),
            Change::Revoke(revoke) => {
                let noted = self.revocations.revoke(revoke, at, changes)?;
                self.end_revoked(&noted, changes);
                Ok(noted.outcome)
            }
            Change::OpenSession(open) => {
                let Auth {
                    sessions,
                    devices,
                    revocations,
                    ..
                } = self;
                sessions.open(open, devices, revocations, at, changes)
            }
            Change::RefreshSession(refresh) => {
                self.sessions.refresh(refresh, &mut self.revocations, at, changes)
            }
            Change::EndSession(end) => self.sessions.end(end, &mut self.revocations, at, changes),
            Change::ApproveDevice(approve) => self.devices.approve(approve, at, changes),
            Change::PutProvider(put) => self.providers.put(put, at, changes),
            Change::DeleteProvider(delete) => self.providers.delete(delete, changes),
            Change::AddAuthority(add) => self.authorities.add(add, at, changes),
            Change::ActivateAuthority(activate) => self.authorities.activate(activate, at, changes),
            Change::RemoveAuthority(remove) => self.authorities.remove(remove, changes),
            Change::PutAuthSecret(put) => put_secret(put, cluster, changes),
            Change::ForgetEnded(_) => Ok(self.forget_ended(at.time_ms, changes)),
        }
    }

    /// A token for machines goes with the access tokens that it was shown for: they are those of a login of its id.
    fn delete_token(
        &mut self,
        delete: &DeleteApiToken,
        at: &LogPosition<'_>,
        changes: &mut Changes,
    ) -> Result<Applied, Rejection> {
        let applied = self.tokens.delete(delete, changes)?;
        let refused = self.revocations.note_session(&delete.id, at, changes);
        Ok(Applied {
            refused_count: u64::from(refused.is_some()),
            refused: refused.into_iter().collect(),
            ..applied
        })
    }

    /// The rows that a revocation means go at once, so that nothing of them comes back when it is forgotten.
    fn end_revoked(&mut self, noted: &revocations::Noted, changes: &mut Changes) {
        match &noted.what {
            revocations::What::Session(id) => self.sessions.drop(id, changes),
            revocations::What::Principal(principal, before_ms) => {
                self.sessions.drop_of(principal, *before_ms, changes);
                self.tokens.drop_of(principal, *before_ms, changes);
            }
            revocations::What::Other => {}
        }
    }

    /// At most so many rows as one entry may take away.
    fn forget_ended(&mut self, now_ms: u64, changes: &mut Changes) -> Applied {
        let mut gone = self.tokens.forget(now_ms, ENDED_FORGOTTEN_MAX, changes);
        gone += self.sessions.forget(now_ms, ENDED_FORGOTTEN_MAX - gone, changes);
        gone += self.devices.forget(now_ms, ENDED_FORGOTTEN_MAX - gone, changes);
        gone += self
            .revocations
            .forget(now_ms, ENDED_FORGOTTEN_MAX - gone, changes);
        Applied {
            deleted_count: gone as u64,
            ..Applied::default()
        }
    }

    /// In another cluster no token of this one is good, and nobody is logged in. Certificates may be, so what was revoked
    /// stays so; policies and whose logins are believed stay, too.
    pub(crate) fn become_another(&mut self, changes: &mut Changes) {
        self.keys.clear(changes);
        self.tokens.clear(changes);
        self.sessions.clear(changes);
        self.devices.clear(changes);
    }
}

impl Auth {
    pub(crate) fn rows(&self) -> impl Iterator<Item = Row> + '_ {
        rows_of(self.roles.stored())
            .chain(rows_of(self.policies.iter()))
            .chain(rows_of(self.keys.iter()))
            .chain(rows_of(self.tokens.iter()))
            .chain(rows_of(self.sessions.iter()))
            .chain(rows_of(self.devices.iter()))
            .chain(rows_of(self.revocations.iter()))
            .chain(rows_of(self.providers.iter()))
            .chain(rows_of(self.authorities.iter()))
    }

    /// What can be watched, as it is sorted in rows.
    pub(crate) fn objects(&self) -> impl Iterator<Item = Object> + '_ {
        let roles = self.roles.stored().cloned().map(Object::Role);
        roles.chain(self.policies.iter().cloned().map(Object::Policy))
    }

    pub(crate) fn row(&self, key: &RowKey) -> Option<Row> {
        let name = std::str::from_utf8(key.key()).ok()?;
        match key.kind() {
            RowKind::Role => row_of(self.roles.stored_as(name)),
            RowKind::Policy => row_of(self.policies.get(name)),
            RowKind::SigningKey => row_of(self.keys.get(name)),
            RowKind::ApiToken => row_of(self.tokens.get(name)),
            RowKind::LoginSession => row_of(self.sessions.get(name)),
            RowKind::DeviceApproval => row_of(self.devices.get(name)),
            RowKind::Revocation => row_of(self.revocations.get(name)),
            RowKind::OidcProvider => row_of(self.providers.get(name)),
            RowKind::CertificateAuthority => row_of(self.authorities.get(name)),
            _ => None,
        }
    }

    pub(crate) fn load_role(&mut self, row: Role, changes: &mut Changes) -> Result<(), SnapshotError> {
        self.roles.load(row, changes)
    }

    pub(crate) fn load_header(&mut self, header: &StateHeader) {
        self.policies_decide |= header.policies_decide;
    }

    pub(crate) fn load_policy(&mut self, row: Policy, changes: &mut Changes) -> Result<(), SnapshotError> {
        self.policies.load(row, changes)
    }

    pub(crate) fn load_signing_key(
        &mut self,
        row: SigningKey,
        changes: &mut Changes,
    ) -> Result<(), SnapshotError> {
        self.keys.load(row, changes)
    }

    pub(crate) fn load_api_token(
        &mut self,
        row: ApiToken,
        changes: &mut Changes,
    ) -> Result<(), SnapshotError> {
        self.tokens.load(row, changes)
    }

    pub(crate) fn load_login_session(
        &mut self,
        row: LoginSession,
        changes: &mut Changes,
    ) -> Result<(), SnapshotError> {
        self.sessions.load(row, changes)
    }

    pub(crate) fn load_device_approval(
        &mut self,
        row: DeviceApproval,
        changes: &mut Changes,
    ) -> Result<(), SnapshotError> {
        self.devices.load(row, changes)
    }

    pub(crate) fn load_revocation(
        &mut self,
        row: Revocation,
        changes: &mut Changes,
    ) -> Result<(), SnapshotError> {
        self.revocations.load(row, changes)
    }

    pub(crate) fn load_oidc_provider(
        &mut self,
        row: OidcProvider,
        changes: &mut Changes,
    ) -> Result<(), SnapshotError> {
        self.providers.load(row, changes)
    }

    pub(crate) fn load_certificate_authority(
        &mut self,
        row: CertificateAuthority,
        changes: &mut Changes,
    ) -> Result<(), SnapshotError> {
        self.authorities.load(row, changes)
    }
}

/// Whether tokens and logins may speak for a principal: `user/<name>` or `service/<name>`, in the form that policies name.
pub fn is_person(principal: &str) -> bool {
    forms::check_person("principal", principal).is_ok()
}

/// From which level on the log may have this command.
pub(crate) fn feature_level(_command: &AuthCommand) -> u32 {
    FEATURE_LEVEL_AUTH
}

/// Several members may make one at once; the log orders them and the first one counts.
fn put_secret(
    put: &PutAuthSecret,
    cluster: &mut Cluster,
    changes: &mut Changes,
) -> Result<Applied, Rejection> {
    let secret = put
        .secret
        .as_ref()
        .ok_or_else(|| Rejection::invalid("secret", "it is missing"))?;
    check_secret("secret", secret)?;
    if secret.name != LOGIN_KEY {
        let problem = format!("only `{LOGIN_KEY}` is kept this way");
        return Err(Rejection::invalid("secret.name", problem));
    }
    if cluster.secret(LOGIN_KEY).is_some() {
        return Ok(Applied {
            unchanged: vec![LOGIN_KEY.to_owned()],
            ..Applied::default()
        });
    }
    cluster.put_secret(secret.clone(), changes);
    Ok(created(LOGIN_KEY))
}

fn created(key: &str) -> Applied {
    Applied {
        created: vec![key.to_owned()],
        ..Applied::default()
    }
}

fn updated(key: &str) -> Applied {
    Applied {
        updated: vec![key.to_owned()],
        ..Applied::default()
    }
}

/// Keys of what is over, the first of them.
fn over<R: Record<Key = String>>(
    table: &Table<R>,
    is_over: impl Fn(&R) -> bool,
    at_most: usize,
) -> Vec<String> {
    let over = table.values().filter(|row| is_over(row));
    over.take(at_most).filter_map(|row| row.key().ok()).collect()
}

fn remove_all<R: Record<Key = String>>(table: &mut Table<R>, keys: &[String], changes: &mut Changes) {
    for key in keys {
        table.remove(key, changes);
    }
}

/// Room for one more row: where there is none, what is over goes.
///
/// # Errors
/// `Conflict` if nothing is over, and nothing has changed then.
fn make_room<R: Record<Key = String>>(
    table: &mut Table<R>,
    rows_max: usize,
    is_over: impl Fn(&R) -> bool,
    changes: &mut Changes,
) -> Result<(), Rejection> {
    if table.len() < rows_max {
        return Ok(());
    }
    let gone = over(table, is_over, ENDED_FORGOTTEN_MAX);
    if gone.is_empty() {
        return Err(full(rows_max));
    }
    remove_all(table, &gone, changes);
    Ok(())
}

fn full(rows_max: usize) -> Rejection {
    Rejection::Conflict {
        detail: format!("there are {rows_max} already, more are not kept; end or delete one first"),
    }
}

fn malformed(kind: RowKind, problem: impl std::fmt::Display) -> SnapshotError {
    SnapshotError::Malformed {
        kind,
        problem: problem.to_string(),
    }
}

fn rows_of<'a, R: Record + 'a>(objects: impl Iterator<Item = &'a Arc<R>>) -> impl Iterator<Item = Row> {
    objects.map(|object| object.as_ref().clone().into_row())
}

fn row_of<R: Record>(object: Option<&Arc<R>>) -> Option<Row> {
    object.map(|object| object.as_ref().clone().into_row())
}

text_record!(Role, name, |role| Some(Object::Role(role)));
text_record!(Policy, name, |policy| Some(Object::Policy(policy)));
// Nobody watches what opens something.
text_record!(SigningKey, id, |_| None);
text_record!(ApiToken, id, |_| None);
text_record!(LoginSession, id, |_| None);
text_record!(DeviceApproval, user_code, |_| None);
text_record!(Revocation, id, |_| None);
text_record!(OidcProvider, name, |_| None);
text_record!(CertificateAuthority, id, |_| None);
