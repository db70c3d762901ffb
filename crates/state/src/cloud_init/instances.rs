//! The instance-id of each node.

use std::sync::Arc;

use model::{Rejection, Xname};
use proto::cloud_init::v1::Instance;
use proto::cloud_init::v1::cloud_init_command::{AssignInstanceId, RenewInstanceId};
use proto::raft::v1::outcome::Applied;
use proto::raft::v1::snapshot_row::Row;

use crate::RowKey;
use crate::RowKind;
use crate::bounds::{INSTANCES_GIVEN_MAX, INSTANCES_MAX};
use crate::changes::Changes;
use crate::event::Object;
use crate::log_position::{LogPosition, check_revision};
use crate::smd::node;
use crate::snapshot::SnapshotError;
use crate::table::{Record, Table};

/// Instance-ids by node. They are random and never derived, so that one is only reused on purpose.
#[derive(Clone, Default)]
pub(super) struct Instances {
    instances: Table<Instance>,
}

impl Instances {
    pub(super) fn get(&self, node: &Xname) -> Option<&Arc<Instance>> {
        self.instances.get(node)
    }

    /// Sorted by node.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Arc<Instance>> {
        self.instances.values()
    }

    /// The first one stays: two members may propose it for the same first request of a node.
    pub(super) fn assign(
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
        self.check_room()?;
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

    /// Another one, because an administrator wants the node to be taken for a new one; or its first.
    ///
    /// # Errors
    /// `Invalid` for what is no node, `RevisionMismatch`.
    pub(super) fn renew(
        &mut self,
        renew: &RenewInstanceId,
        at: &LogPosition<'_>,
        changes: &mut Changes,
    ) -> Result<Applied, Rejection> {
        let node = node("node", &renew.node)?;
        let id = node.to_string();
        let before = self.instances.get(&node).cloned();
        let meta = before.as_ref().and_then(|before| before.meta.as_ref());
        check_revision(&id, renew.if_revision, meta)?;
        if before.is_none() {
            self.check_room()?;
        }
        let value = format!("i-{}", at.random_hex()?);
        let mut applied = Applied {
            value: value.clone(),
            ..Default::default()
        };
        let meta = match &before {
            Some(before) => {
                applied.updated.push(id.clone());
                at.modified(before.meta.as_ref())
            }
            None => {
                applied.created.push(id.clone());
                at.created()
            }
        };
        let instance = Instance {
            node: id,
            instance_id: value,
            meta,
        };
        self.instances.put(node, instance, changes);
        Ok(applied)
    }

    fn check_room(&self) -> Result<(), Rejection> {
        if self.instances.len() < INSTANCES_MAX {
            return Ok(());
        }
        let problem = format!("{INSTANCES_MAX} nodes have an instance-id, which is all that are kept");
        Err(Rejection::invalid("node", problem))
    }

    /// Whether there is room for an instance-id that an administrator gives.
    pub(super) fn check_given(&self, node: &Xname, given: &str) -> Result<(), Rejection> {
        let is_new = !given.is_empty() && self.instances.get(node).is_none();
        if is_new && self.instances.len() >= INSTANCES_GIVEN_MAX {
            let problem =
                format!("{INSTANCES_GIVEN_MAX} nodes have one; leave it out, and the node gets one");
            return Err(Rejection::invalid("instance-id", problem));
        }
        Ok(())
    }

    /// The instance-id that an administrator gave counts if the node has none: one that it has been told stays, or
    /// cloud-init would take it for a new node. Gives the one in force, empty for none.
    pub(super) fn give(
        &mut self,
        node: &Xname,
        given: &str,
        at: &LogPosition<'_>,
        changes: &mut Changes,
    ) -> String {
        if let Some(instance) = self.instances.get(node) {
            return instance.instance_id.clone();
        }
        if !given.is_empty() {
            let instance = Instance {
                node: node.to_string(),
                instance_id: given.to_owned(),
                meta: at.created(),
            };
            self.instances.put(node.clone(), instance, changes);
        }
        given.to_owned()
    }

    pub(super) fn load(&mut self, row: Instance, changes: &mut Changes) -> Result<(), SnapshotError> {
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

    fn object(self: Arc<Self>) -> Option<Object> {
        Some(Object::Instance(self))
    }
}
