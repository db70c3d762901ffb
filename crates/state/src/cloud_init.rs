//! Cloud-Init's part of the state: the instance-id of each node.

use std::sync::Arc;

use model::{Rejection, Xname};
use proto::cloud_init::v1::cloud_init_command::{AssignInstanceId, Change};
use proto::cloud_init::v1::{CloudInitCommand, Instance};
use proto::raft::v1::outcome::Applied;
use proto::raft::v1::snapshot_row::Row;

use crate::apply::no_command;
use crate::changes::Changes;
use crate::log_position::LogPosition;
use crate::smd::{node, xname_of_key};
use crate::snapshot::SnapshotError;
use crate::table::{Record, Table};
use crate::{RowKey, RowKind};

/// Instance-ids by node. They are random and never derived, so that one is only reused on purpose.
#[derive(Clone, Default)]
pub struct CloudInit {
    instances: Table<Instance>,
}

impl CloudInit {
    /// What is stored of a node.
    pub fn instance(&self, node: &Xname) -> Option<Arc<Instance>> {
        self.instances.get(node).cloned()
    }

    pub(crate) fn apply(
        &mut self,
        command: &CloudInitCommand,
        at: &LogPosition<'_>,
        changes: &mut Changes,
    ) -> Result<Applied, Rejection> {
        match command.change.as_ref().ok_or_else(no_command)? {
            Change::AssignInstanceId(assign) => self.assign(assign, at, changes),
        }
    }

    /// The first one stays: two members may propose it for the same first request of a node.
    fn assign(
        &mut self,
        assign: &AssignInstanceId,
        at: &LogPosition<'_>,
        changes: &mut Changes,
    ) -> Result<Applied, Rejection> {
        let node = node("node", &assign.node)?;
        let id = node.to_string();
        if let Some(instance) = self.instances.get(&node) {
            let value = instance.instance_id.clone();
            return Ok(Applied {
                unchanged: vec![id],
                value,
                ..Default::default()
            });
        }
        let value = format!("i-{}", at.random_hex()?);
        let instance = Instance {
            node: id.clone(),
            instance_id: value.clone(),
            meta: at.created(),
        };
        self.instances.put(node, instance, changes);
        Ok(Applied {
            created: vec![id],
            value,
            ..Default::default()
        })
    }

    pub(crate) fn rows(&self) -> impl Iterator<Item = Row> + '_ {
        self.instances
            .values()
            .map(|instance| instance.as_ref().clone().into_row())
    }

    pub(crate) fn row(&self, key: &RowKey) -> Option<Row> {
        let node = xname_of_key(key)?;
        self.instances
            .get(&node)
            .map(|instance| instance.as_ref().clone().into_row())
    }

    pub(crate) fn load(&mut self, row: Instance, changes: &mut Changes) -> Result<(), SnapshotError> {
        let key = self.instances.check_load(&row, RowKind::Instance)?;
        self.instances.put(key, row, changes);
        Ok(())
    }
}

impl Record for Instance {
    type Key = Xname;

    fn row_key(node: &Xname) -> RowKey {
        RowKey::instance(node)
    }

    fn key(&self) -> Result<Xname, String> {
        crate::smd::stored_xname(&self.node)
    }

    fn into_row(self) -> Row {
        Row::Instance(self)
    }
}
