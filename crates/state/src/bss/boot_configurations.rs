//! Boot configurations: what some nodes boot, and which those are.

use std::sync::Arc;

use boot_choice::ConfigurationIndex;
use model::Rejection;
use proto::bss::v1::BootConfiguration;
use proto::bss::v1::bss_command::{DeleteBootConfiguration, PutBootConfiguration};
use proto::raft::v1::outcome::Applied;
use proto::raft::v1::snapshot_row::Row;

use super::configured_image::check_image_is_there;
use super::normal_configuration::normalise_boot_configuration;
use crate::boot_files::BootFiles;
use crate::bounds::BOOT_CONFIGURATIONS_MAX;
use crate::changes::Changes;
use crate::event::Object;
use crate::log_position::{LogPosition, check_revision};
use crate::outcome::deleted;
use crate::snapshot::SnapshotError;
use crate::table::{Record, Table};
use crate::{RowKey, RowKind};

/// Word for the kind in rejections.
const KIND: &str = "boot configuration";

/// Configurations by name, and by what they select.
#[derive(Clone, Default)]
pub(super) struct BootConfigurations {
    table: Table<BootConfiguration>,
    index: ConfigurationIndex,
}

impl BootConfigurations {
    pub(super) fn get(&self, name: &str) -> Option<&Arc<BootConfiguration>> {
        self.table.get(&name.to_owned())
    }

    /// Sorted by name.
    pub(super) fn after(&self, name: Option<&String>) -> impl Iterator<Item = &Arc<BootConfiguration>> {
        self.table.after(name)
    }

    pub(super) fn index(&self) -> &ConfigurationIndex {
        &self.index
    }

    /// Creates or replaces; `files` has the images.
    pub(super) fn put(
        &mut self,
        put: &PutBootConfiguration,
        files: &BootFiles,
        at: &LogPosition<'_>,
        changes: &mut Changes,
    ) -> Result<Applied, Rejection> {
        let given = put.configuration.as_ref();
        let given = given.ok_or_else(|| Rejection::invalid("configuration", "it is missing"))?;
        let mut configuration = normalise_boot_configuration(given)?;
        let before = self.get(&configuration.name).cloned();
        let meta = before.as_deref().and_then(|before| before.meta.as_ref());
        check_revision(&configuration.name, put.if_revision, meta)?;
        if put.must_be_new && before.is_some() {
            return Err(Rejection::AlreadyExists {
                kind: KIND.to_owned(),
                id: configuration.name,
                detail: "replace it, or choose another name".to_owned(),
            });
        }
        if before.is_none() && self.table.len() >= BOOT_CONFIGURATIONS_MAX {
            let problem =
                format!("there are {BOOT_CONFIGURATIONS_MAX} boot configurations; delete one first");
            return Err(Rejection::invalid("name", problem));
        }
        self.index.check_room(&configuration)?;
        check_image_is_there(&configuration, files)?;
        let names = vec![configuration.name.clone()];
        configuration.meta = match &before {
            Some(before) => at.modified(before.meta.as_ref()),
            None => at.created(),
        };
        self.store(configuration, changes);
        Ok(match before {
            Some(_) => Applied {
                updated: names,
                ..Default::default()
            },
            None => Applied {
                created: names,
                ..Default::default()
            },
        })
    }

    pub(super) fn delete(
        &mut self,
        delete: &DeleteBootConfiguration,
        changes: &mut Changes,
    ) -> Result<Applied, Rejection> {
        let before = self.get(&delete.name).cloned();
        let before = before.ok_or_else(|| Rejection::not_found(KIND, &delete.name))?;
        check_revision(&before.name, delete.if_revision, before.meta.as_ref())?;
        self.index.remove(&before);
        self.table.remove(&before.name, changes);
        Ok(deleted(std::iter::once(before.name.clone())))
    }

    /// Stores a configuration and keeps the index in step.
    fn store(&mut self, configuration: BootConfiguration, changes: &mut Changes) {
        let name = configuration.name.clone();
        if let Some(before) = self.table.put(name.clone(), configuration, changes) {
            self.index.remove(&before);
        }
        if let Some(stored) = self.table.get(&name) {
            self.index.add(stored);
        }
    }

    pub(super) fn load(
        &mut self,
        row: BootConfiguration,
        changes: &mut Changes,
    ) -> Result<(), SnapshotError> {
        self.table.check_load(&row, RowKind::BootConfiguration)?;
        self.store(row, changes);
        Ok(())
    }
}

impl Record for BootConfiguration {
    type Key = String;

    fn row_key(name: &String) -> RowKey {
        RowKey::boot_configuration(name)
    }

    fn key(&self) -> Result<String, String> {
        let normal = normalise_boot_configuration(self).map_err(|rejection| rejection.to_string())?;
        let normal = BootConfiguration {
            meta: self.meta.clone(),
            ..normal
        };
        if normal != *self {
            return Err(format!(
                "the boot configuration `{}` is not in normal form",
                self.name
            ));
        }
        Ok(normal.name)
    }

    fn into_row(self) -> Row {
        Row::BootConfiguration(self)
    }

    fn object(self: Arc<Self>) -> Option<Object> {
        Some(Object::BootConfiguration(self))
    }
}
