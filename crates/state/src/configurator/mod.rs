//! The configurator's part of the state: templates of files. From feature level 8 on. What they say is for whoever makes the files.

mod templates;

use std::sync::Arc;

use model::Rejection;
use proto::configurator::v1::configurator_command::Change;
use proto::configurator::v1::{ConfiguratorCommand, Template};
use proto::raft::v1::outcome::Applied;
use proto::raft::v1::snapshot_row::Row;

use self::templates::Templates;
use crate::RowKey;
use crate::apply::no_command;
use crate::changes::Changes;
use crate::cluster::FEATURE_LEVEL_CONFIGURATOR;
use crate::event::Object;
use crate::log_position::LogPosition;
use crate::snapshot::SnapshotError;
use crate::table::{Record, text_record};

/// What files are made of beside what everything else stores.
#[derive(Clone, Default)]
pub struct Configurator {
    templates: Templates,
}

impl Configurator {
    /// A template by its name.
    pub fn template(&self, name: &str) -> Option<&Arc<Template>> {
        self.templates.get(name)
    }

    /// Every template, sorted by name.
    pub fn templates(&self) -> impl Iterator<Item = &Arc<Template>> {
        self.templates.iter()
    }

    pub(crate) fn apply(
        &mut self,
        command: &ConfiguratorCommand,
        at: &LogPosition<'_>,
        changes: &mut Changes,
    ) -> Result<Applied, Rejection> {
        match command.change.as_ref().ok_or_else(no_command)? {
            Change::PutTemplate(put) => self.templates.put(put, at, changes),
            Change::DeleteTemplate(delete) => self.templates.delete(delete, changes),
            Change::GrantSecrets(grant) => self.templates.grant(grant, at, changes),
        }
    }

    pub(crate) fn rows(&self) -> impl Iterator<Item = Row> + '_ {
        self.templates
            .iter()
            .map(|template| template.as_ref().clone().into_row())
    }

    pub(crate) fn row(&self, key: &RowKey) -> Option<Row> {
        let name = std::str::from_utf8(key.key()).ok()?;
        Some(self.templates.get(name)?.as_ref().clone().into_row())
    }

    /// What can be watched, as it is sorted in rows.
    pub(crate) fn objects(&self) -> impl Iterator<Item = Object> + '_ {
        self.templates.iter().cloned().map(Object::Template)
    }

    pub(crate) fn load_template(
        &mut self,
        row: Template,
        changes: &mut Changes,
    ) -> Result<(), SnapshotError> {
        self.templates.load(row, changes)
    }
}

/// From which level on the log may have this command.
pub(crate) fn feature_level(_command: &ConfiguratorCommand) -> u32 {
    FEATURE_LEVEL_CONFIGURATOR
}

text_record!(Template, name, |template| Some(Object::Template(template)));
