//! How BMCs are logged in to: the user here, the password sealed among the cluster's secrets.

use std::sync::Arc;

use model::{Rejection, Xname};
use proto::cluster::v1::SealedSecret;
use proto::discovery::v1::BmcCredential;
use proto::discovery::v1::discovery_command::{DeleteCredential, PutCredential};
use proto::raft::v1::outcome::Applied;

use super::{created, forms, malformed, updated};
use crate::RowKind;
use crate::bounds::{BMC_CREDENTIALS_MAX, check_name};
use crate::changes::Changes;
use crate::cluster::{Cluster, check_secret};
use crate::log_position::LogPosition;
use crate::outcome::deleted;
use crate::smd::password_name;
use crate::snapshot::SnapshotError;
use crate::table::Table;

/// By scope.
#[derive(Clone, Default)]
pub(super) struct Credentials(Table<BmcCredential>);

/// The name of the sealed secret that is the password of a credential. That of one BMC is the password of its Redfish endpoint.
pub fn credential_secret(scope: &str) -> String {
    match forms::bmc_of_scope(scope) {
        Some(bmc) => password_name(&bmc),
        None => format!("bmc-credential/{scope}"),
    }
}

/// The name of the sealed secret that a rotation is about to set as the password of a BMC.
pub fn next_password_name(bmc: &Xname) -> String {
    format!("bmc-next/{bmc}")
}

impl Credentials {
    pub(super) fn get(&self, scope: &str) -> Option<&Arc<BmcCredential>> {
        self.0.get(&scope.to_owned())
    }

    /// Sorted by scope.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Arc<BmcCredential>> {
        self.0.values()
    }

    /// Creates or replaces one. Without a password the one that is there stays.
    pub(super) fn put(
        &mut self,
        put: &PutCredential,
        secrets: &mut Cluster,
        at: &LogPosition<'_>,
        changes: &mut Changes,
    ) -> Result<Applied, Rejection> {
        let given = put
            .credential
            .as_ref()
            .ok_or_else(|| Rejection::invalid("credential", "it is missing"))?;
        let scope = forms::scope("scope", &given.scope)?;
        check_name("user", &given.user)?;
        let secret = credential_secret(&scope);
        let password = password("password", put.password.as_ref(), &secret)?;
        if password.is_none() && secrets.secret(&secret).is_none() {
            return Err(Rejection::invalid("password", "it is missing"));
        }
        self.check_room(&scope)?;
        if let Some(password) = password {
            secrets.put_secret(password, changes);
        }
        Ok(self.store(&scope, &given.user, at, changes))
    }

    pub(super) fn check_room(&self, scope: &str) -> Result<(), Rejection> {
        if self.get(scope).is_none() && self.0.len() >= BMC_CREDENTIALS_MAX {
            let detail = format!("there are {BMC_CREDENTIALS_MAX} credentials; delete one first");
            return Err(Rejection::Conflict { detail });
        }
        Ok(())
    }

    /// It is changed with its password, too: whoever keeps a copy asks for both again.
    pub(super) fn store(
        &mut self,
        scope: &str,
        user: &str,
        at: &LogPosition<'_>,
        changes: &mut Changes,
    ) -> Applied {
        let before = self.get(scope).cloned();
        let (meta, applied) = match before {
            Some(before) => (at.modified(before.meta.as_ref()), updated(scope)),
            None => (at.created(), created(scope)),
        };
        let credential = BmcCredential {
            scope: scope.to_owned(),
            user: user.to_owned(),
            meta,
        };
        self.0.put(scope.to_owned(), credential, changes);
        applied
    }

    /// The password of a BMC goes, too, if only SMD has given it.
    pub(super) fn delete(
        &mut self,
        delete: &DeleteCredential,
        secrets: &mut Cluster,
        changes: &mut Changes,
    ) -> Result<Applied, Rejection> {
        let scope = forms::scope("scope", &delete.scope)?;
        let secret = credential_secret(&scope);
        if self.get(&scope).is_none() && secrets.secret(&secret).is_none() {
            return Err(Rejection::not_found("BMC credential", &scope));
        }
        self.0.remove(&scope, changes);
        secrets.forget_secret(&secret, changes);
        Ok(deleted(std::iter::once(scope)))
    }

    /// The user of a BMC is that of its Redfish endpoint, if it has a credential of its own.
    pub(super) fn set_user(&mut self, bmc: &str, user: &str, at: &LogPosition<'_>, changes: &mut Changes) {
        let scope = format!("bmc:{bmc}");
        let differs = self.get(&scope).is_some_and(|stored| stored.user != user);
        if differs && !user.is_empty() {
            self.store(&scope, user, at, changes);
        }
    }

    /// The BMC is gone, and its password went with it.
    pub(super) fn forget(&mut self, bmc: &str, changes: &mut Changes) {
        self.0.remove(&format!("bmc:{bmc}"), changes);
    }

    pub(super) fn load(&mut self, row: BmcCredential, changes: &mut Changes) -> Result<(), SnapshotError> {
        let key = self.0.check_load(&row, RowKind::BmcCredential)?;
        let wrong = |problem: Rejection| malformed(RowKind::BmcCredential, problem);
        let normal = forms::scope("scope", &row.scope).map_err(wrong)?;
        check_name("user", &row.user).map_err(wrong)?;
        if normal != row.scope {
            return Err(malformed(RowKind::BmcCredential, "it is not in normal form"));
        }
        self.0.put(key, row, changes);
        Ok(())
    }
}

/// A sealed password must be the one of this name: another one would open something else.
pub(super) fn password(
    field: &str,
    sealed: Option<&SealedSecret>,
    name: &str,
) -> Result<Option<SealedSecret>, Rejection> {
    let Some(sealed) = sealed else { return Ok(None) };
    check_secret(field, sealed)?;
    if sealed.name != name {
        let problem = format!("it is sealed as another one than {name}");
        return Err(Rejection::invalid(field, problem));
    }
    Ok(Some(sealed.clone()))
}
