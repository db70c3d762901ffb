//! Discovery's part of the state: BMCs that were found, which xnames they get, how they are logged in to, and the firmware behind them.
//! From feature level 7 on. What is in a BMC is SMD's inventory.

mod bmcs;
mod credentials;
mod firmware;
mod forms;
mod passwords;
mod xname_rules;

use std::sync::Arc;

use model::{Rejection, Xname};
use proto::discovery::v1::discovery_command::Change;
use proto::discovery::v1::{Bmc, BmcCredential, DiscoveryCommand, FirmwareInventory, XnameRule};
use proto::raft::v1::entry::Command;
use proto::raft::v1::outcome::Applied;
use proto::raft::v1::snapshot_row::Row;

pub use self::credentials::{credential_secret, next_password_name};
pub(crate) use self::forms::scope as credential_scope;

use self::bmcs::Bmcs;
use self::credentials::Credentials;
use self::firmware::Firmwares;
use self::xname_rules::XnameRules;
use crate::apply::no_command;
use crate::changes::Changes;
use crate::cluster::{Cluster, FEATURE_LEVEL_DISCOVERY};
use crate::event::{Event, Object};
use crate::log_position::LogPosition;
use crate::smd::Smd;
use crate::snapshot::SnapshotError;
use crate::table::{Record, text_record};
use crate::{RowKey, RowKind};

/// What was found, and how it is called and reached.
#[derive(Clone, Default)]
pub struct Discovery {
    bmcs: Bmcs,
    rules: XnameRules,
    credentials: Credentials,
    firmwares: Firmwares,
}

impl Discovery {
    /// A BMC by its address, `10.1.0.7:443`.
    pub fn bmc(&self, address: &str) -> Option<&Arc<Bmc>> {
        self.bmcs.get(address)
    }

    /// Every BMC that was found, sorted by address.
    pub fn bmcs(&self) -> impl Iterator<Item = &Arc<Bmc>> {
        self.bmcs.iter()
    }

    /// The BMC that has an xname. One look-up, however many there are.
    pub fn bmc_of(&self, xname: &Xname) -> Option<&Arc<Bmc>> {
        self.bmcs.of(xname)
    }

    /// A rule by its name.
    pub fn rule(&self, name: &str) -> Option<&Arc<XnameRule>> {
        self.rules.get(name)
    }

    /// Every rule, as they are looked at: by priority, the highest first, then by name.
    pub fn rules(&self) -> impl Iterator<Item = &Arc<XnameRule>> {
        self.rules.in_order()
    }

    /// A credential by its scope, without the password: that is the sealed secret [`credential_secret`].
    pub fn credential(&self, scope: &str) -> Option<&Arc<BmcCredential>> {
        self.credentials.get(scope)
    }

    /// Every credential, sorted by scope.
    pub fn credentials(&self) -> impl Iterator<Item = &Arc<BmcCredential>> {
        self.credentials.iter()
    }

    /// The firmware behind a BMC.
    pub fn firmware(&self, bmc: &Xname) -> Option<&Arc<FirmwareInventory>> {
        self.firmwares.get(bmc.as_str())
    }

    /// The firmware of every BMC that was read, sorted by xname.
    pub fn firmwares(&self) -> impl Iterator<Item = &Arc<FirmwareInventory>> {
        self.firmwares.iter()
    }

    /// `secrets` holds the passwords.
    pub(crate) fn apply(
        &mut self,
        command: &DiscoveryCommand,
        secrets: &mut Cluster,
        at: &LogPosition<'_>,
        changes: &mut Changes,
    ) -> Result<Applied, Rejection> {
        match command.change.as_ref().ok_or_else(no_command)? {
            Change::PutBmcs(put) => self.bmcs.put(put, at, changes),
            Change::AssignXname(assign) => self.bmcs.assign(assign, at, changes),
            Change::TrustKey(trust) => self.bmcs.trust(trust, at, changes),
            Change::DeleteBmcs(delete) => self.bmcs.delete(delete, changes),
            Change::PutXnameRule(put) => self.rules.put(put, at, changes),
            Change::DeleteXnameRule(delete) => self.rules.delete(delete, changes),
            Change::PutCredential(put) => self.credentials.put(put, secrets, at, changes),
            Change::DeleteCredential(delete) => self.credentials.delete(delete, secrets, changes),
            Change::PutNextPassword(put) => passwords::put_next(put, secrets, changes),
            Change::KeepNextPassword(keep) => {
                passwords::keep_next(keep, &mut self.credentials, secrets, at, changes)
            }
            Change::PutFirmware(put) => self.firmwares.put(put, at, changes),
        }
    }

    /// A Redfish endpoint and the credential of its BMC have one user, and what is gone has neither credential nor firmware. Whether its
    /// BMC was found is another question.
    pub(crate) fn follow(&mut self, smd: &mut Smd, at: &LogPosition<'_>, changes: &mut Changes) {
        let follows = |event: &&Event| {
            matches!(
                event.key().kind(),
                RowKind::RedfishEndpoint | RowKind::BmcCredential
            )
        };
        let events: Vec<Event> = changes.events().iter().filter(follows).cloned().collect();
        for event in &events {
            match (event.before(), event.after()) {
                (_, Some(Object::BmcCredential(credential))) => {
                    if let Some(bmc) = forms::bmc_of_scope(&credential.scope) {
                        smd.set_endpoint_user(&bmc, &credential.user, at, changes);
                    }
                }
                (_, Some(Object::RedfishEndpoint(endpoint))) => {
                    self.credentials
                        .set_user(&endpoint.id, &endpoint.user, at, changes);
                }
                (Some(Object::RedfishEndpoint(gone)), None) => {
                    self.credentials.forget(&gone.id, changes);
                    self.firmwares.forget(&gone.id, changes);
                }
                _ => {}
            }
        }
    }
}

impl Discovery {
    pub(crate) fn rows(&self) -> impl Iterator<Item = Row> + '_ {
        rows_of(self.bmcs.iter())
            .chain(rows_of(self.rules.iter()))
            .chain(rows_of(self.credentials.iter()))
            .chain(rows_of(self.firmwares.iter()))
    }

    pub(crate) fn row(&self, key: &RowKey) -> Option<Row> {
        let text = std::str::from_utf8(key.key()).ok()?;
        match key.kind() {
            RowKind::Bmc => row_of(self.bmcs.get(text)),
            RowKind::XnameRule => row_of(self.rules.get(text)),
            RowKind::BmcCredential => row_of(self.credentials.get(text)),
            RowKind::FirmwareInventory => row_of(self.firmwares.get(text)),
            _ => None,
        }
    }

    /// What can be watched, as it is sorted in rows.
    pub(crate) fn objects(&self) -> impl Iterator<Item = Object> + '_ {
        let bmcs = self.bmcs.iter().cloned().map(Object::Bmc);
        let rules = self.rules.iter().cloned().map(Object::XnameRule);
        let credentials = self.credentials.iter().cloned().map(Object::BmcCredential);
        let firmwares = self.firmwares.iter().cloned().map(Object::FirmwareInventory);
        bmcs.chain(rules).chain(credentials).chain(firmwares)
    }

    pub(crate) fn load_bmc(&mut self, row: Bmc, changes: &mut Changes) -> Result<(), SnapshotError> {
        self.bmcs.load(row, changes)
    }

    pub(crate) fn load_rule(&mut self, row: XnameRule, changes: &mut Changes) -> Result<(), SnapshotError> {
        self.rules.load(row, changes)
    }

    pub(crate) fn load_credential(
        &mut self,
        row: BmcCredential,
        changes: &mut Changes,
    ) -> Result<(), SnapshotError> {
        self.credentials.load(row, changes)
    }

    pub(crate) fn load_firmware(
        &mut self,
        row: FirmwareInventory,
        changes: &mut Changes,
    ) -> Result<(), SnapshotError> {
        self.firmwares.load(row, changes)
    }
}

/// From which level on the log may have this command.
pub(crate) fn feature_level(_command: &DiscoveryCommand) -> u32 {
    FEATURE_LEVEL_DISCOVERY
}

/// The component whose password a command changes, where nothing that can be watched changes with it.
pub(crate) fn changes_unseen(command: Option<&Command>) -> Option<&str> {
    let Some(Command::Discovery(command)) = command else {
        return None;
    };
    match command.change.as_ref()? {
        Change::PutNextPassword(put) => Some(&put.xname),
        Change::KeepNextPassword(keep) => Some(&keep.xname),
        Change::PutCredential(put) => put.credential.as_ref()?.scope.strip_prefix("bmc:"),
        Change::DeleteCredential(delete) => delete.scope.strip_prefix("bmc:"),
        _ => None,
    }
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

fn unchanged(key: &str) -> Applied {
    Applied {
        unchanged: vec![key.to_owned()],
        ..Applied::default()
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

text_record!(Bmc, address, |bmc| Some(Object::Bmc(bmc)));
text_record!(XnameRule, name, |rule| Some(Object::XnameRule(rule)));
text_record!(BmcCredential, scope, |credential| Some(Object::BmcCredential(
    credential
)));
text_record!(FirmwareInventory, id, |firmware| Some(Object::FirmwareInventory(
    firmware
)));
