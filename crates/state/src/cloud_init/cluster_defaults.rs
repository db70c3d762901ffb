//! What cloud-init is told about every node.

use std::sync::Arc;

use model::{InvalidValue, Rejection};
use proto::cloud_init::v1::ClusterDefaults;
use proto::cloud_init::v1::cloud_init_command::{DeleteClusterDefaults, UpdateClusterDefaults};
use proto::raft::v1::outcome::Applied;
use proto::raft::v1::snapshot_row::Row;

use super::fields::{check_public_keys, check_short_name, check_texts, check_url};
use crate::bounds::{NID_DIGITS_MAX, SHORT_NAME_BYTES_MAX, check_count};
use crate::changes::Changes;
use crate::event::Object;
use crate::log_position::{LogPosition, check_revision};
use crate::outcome::deleted;
use crate::snapshot::SnapshotError;
use crate::table::{Record, Table};
use crate::{RowKey, RowKind};

/// How outcomes name the one object.
const ID: &str = "cluster-defaults";
/// Fields that `clear` may name.
pub(crate) const FIELDS: [&str; 10] = [
    "cloud_provider",
    "region",
    "availability-zone",
    "cluster-name",
    "base-url",
    "boot-subnet",
    "wg-subnet",
    "short-name",
    "public-keys",
    "nid-length",
];

/// One row, or none before the first change.
#[derive(Clone, Default)]
pub(super) struct Defaults {
    table: Table<ClusterDefaults>,
}

impl Defaults {
    pub(super) fn get(&self) -> Option<&Arc<ClusterDefaults>> {
        self.table.get(&())
    }

    /// Empties the fields named in `clear`, then overwrites with those that are not empty.
    ///
    /// # Errors
    /// `Invalid` for a value that no node could use, or a name that is no field's; `RevisionMismatch`.
    ///
    /// Source: OpenCHAMI/cloud-init `POST /admin/cluster-defaults`, which cannot empty a field.
    pub(super) fn update(
        &mut self,
        update: &UpdateClusterDefaults,
        at: &LogPosition<'_>,
        changes: &mut Changes,
    ) -> Result<Applied, Rejection> {
        let given = update.defaults.clone().unwrap_or_default();
        check(&given)?;
        check_count("clear", update.clear.len(), FIELDS.len())?;
        let before = self.get().cloned();
        let meta = before.as_ref().and_then(|before| before.meta.as_ref());
        check_revision(ID, update.if_revision, meta)?;
        let mut after = before.as_deref().cloned().unwrap_or_default();
        for name in &update.clear {
            clear(&mut after, name)?;
        }
        overwrite(&mut after, given);
        let mut applied = Applied::default();
        match &before {
            Some(before) => {
                after.meta = at.modified(before.meta.as_ref());
                applied.updated.push(ID.to_owned());
            }
            None => {
                after.meta = at.created();
                applied.created.push(ID.to_owned());
            }
        }
        self.table.put((), after, changes);
        Ok(applied)
    }

    /// Nothing is set any more. What was not set is gone already.
    pub(super) fn delete(
        &mut self,
        delete: &DeleteClusterDefaults,
        changes: &mut Changes,
    ) -> Result<Applied, Rejection> {
        let meta = self.get().and_then(|before| before.meta.as_ref());
        check_revision(ID, delete.if_revision, meta)?;
        let gone = self.table.remove(&(), changes).map(|_| ID.to_owned());
        Ok(deleted(gone.into_iter()))
    }

    pub(super) fn load(&mut self, row: ClusterDefaults, changes: &mut Changes) -> Result<(), SnapshotError> {
        self.table.check_load(&row, RowKind::ClusterDefaults)?;
        self.table.put((), row, changes);
        Ok(())
    }
}

/// Whether nodes could use these values.
pub(super) fn check(given: &ClusterDefaults) -> Result<(), Rejection> {
    check_texts(&[
        ("cloud_provider", &given.cloud_provider),
        ("region", &given.region),
        ("availability-zone", &given.availability_zone),
        ("cluster-name", &given.cluster_name),
        ("boot-subnet", &given.boot_subnet),
        ("wg-subnet", &given.wg_subnet),
    ])?;
    check_url("base-url", &given.base_url)?;
    check_short_name("short-name", &given.short_name, SHORT_NAME_BYTES_MAX)?;
    check_public_keys(&given.public_keys)?;
    if given.nid_length > NID_DIGITS_MAX {
        let problem = format!("write 1 to {NID_DIGITS_MAX} digits, or 0 for four");
        return Err(Rejection::invalid("nid-length", problem));
    }
    Ok(())
}

fn texts(defaults: &mut ClusterDefaults) -> [(&'static str, &mut String); 8] {
    [
        ("cloud_provider", &mut defaults.cloud_provider),
        ("region", &mut defaults.region),
        ("availability-zone", &mut defaults.availability_zone),
        ("cluster-name", &mut defaults.cluster_name),
        ("base-url", &mut defaults.base_url),
        ("boot-subnet", &mut defaults.boot_subnet),
        ("wg-subnet", &mut defaults.wg_subnet),
        ("short-name", &mut defaults.short_name),
    ]
}

fn clear(defaults: &mut ClusterDefaults, name: &str) -> Result<(), Rejection> {
    match name {
        "public-keys" => defaults.public_keys.clear(),
        "nid-length" => defaults.nid_length = 0,
        name => {
            let field = texts(defaults).into_iter().find(|(field, _)| *field == name);
            let Some((_, text)) = field else {
                let accepted = format!("write one of {}", FIELDS.join(", "));
                let problem = InvalidValue::new("a field of the cluster's defaults", name, accepted);
                return Err(Rejection::invalid("clear", problem));
            };
            text.clear();
        }
    }
    Ok(())
}

/// Puts the fields of `given` that are not empty in the place of those of `after`.
pub(super) fn overwrite(after: &mut ClusterDefaults, mut given: ClusterDefaults) {
    for ((_, text), (_, given)) in texts(after).into_iter().zip(texts(&mut given)) {
        if !given.is_empty() {
            *text = std::mem::take(given);
        }
    }
    if !given.public_keys.is_empty() {
        after.public_keys = given.public_keys;
    }
    if given.nid_length != 0 {
        after.nid_length = given.nid_length;
    }
}

impl Record for ClusterDefaults {
    type Key = ();

    fn row_key((): &()) -> RowKey {
        RowKey::cluster_defaults()
    }

    fn key(&self) -> Result<(), String> {
        Ok(())
    }

    fn into_row(self) -> Row {
        Row::ClusterDefaults(self)
    }

    fn object(self: Arc<Self>) -> Option<Object> {
        Some(Object::ClusterDefaults(self))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A field that is forgotten in one of the lists could be set and never emptied.
    #[test]
    fn every_field_can_be_cleared() {
        let mut names: Vec<_> = texts(&mut ClusterDefaults::default())
            .map(|(name, _)| name)
            .into();
        names.extend(["public-keys", "nid-length"]);
        assert_eq!(names, FIELDS);
    }
}
