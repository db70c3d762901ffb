//! What cloud-init is told about one node.

use std::sync::Arc;

use model::{Rejection, Xname};
use proto::cloud_init::v1::InstanceInfo;
use proto::cloud_init::v1::cloud_init_command::DeleteInstanceInfo;
use proto::raft::v1::outcome::Applied;
use proto::raft::v1::snapshot_row::Row;

use super::fields::{check_host_name, check_instance_id, check_public_keys, check_texts, check_url};
use crate::bounds::INSTANCE_INFOS_MAX;
use crate::changes::Changes;
use crate::log_position::LogPosition;
use crate::outcome::deleted;
use crate::smd::node;
use crate::snapshot::SnapshotError;
use crate::table::{Record, Table};
use crate::{RowKey, RowKind};

/// Infos by node. Their `instance_id` is empty: it is kept as the node's `Instance`, whoever gave it.
#[derive(Clone, Default)]
pub(super) struct Infos {
    table: Table<InstanceInfo>,
}

impl Infos {
    pub(super) fn get(&self, node: &Xname) -> Option<&Arc<InstanceInfo>> {
        self.table.get(node)
    }

    /// Sorted by node.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Arc<InstanceInfo>> {
        self.table.values()
    }

    /// Creates or replaces; the node need not be a component yet.
    ///
    /// Source: OpenCHAMI/cloud-init `PUT /admin/instance-info/{id}`.
    pub(super) fn put(
        &mut self,
        node: Xname,
        given: &InstanceInfo,
        at: &LogPosition<'_>,
        changes: &mut Changes,
    ) -> Result<Applied, Rejection> {
        check(given)?;
        let before = self.get(&node).cloned();
        if before.is_none() && self.table.len() >= INSTANCE_INFOS_MAX {
            let problem = format!("{INSTANCE_INFOS_MAX} nodes have one; use cluster-defaults or a group");
            return Err(Rejection::invalid("id", problem));
        }
        let mut applied = Applied::default();
        let meta = match &before {
            Some(before) => {
                applied.updated.push(node.to_string());
                at.modified(before.meta.as_ref())
            }
            None => {
                applied.created.push(node.to_string());
                at.created()
            }
        };
        let info = InstanceInfo {
            id: node.to_string(),
            instance_id: String::new(),
            meta,
            ..given.clone()
        };
        self.table.put(node, info, changes);
        Ok(applied)
    }

    /// The node keeps its instance-id.
    pub(super) fn delete(
        &mut self,
        delete: &DeleteInstanceInfo,
        changes: &mut Changes,
    ) -> Result<Applied, Rejection> {
        let node = node("id", &delete.id)?;
        self.table
            .remove(&node, changes)
            .ok_or_else(|| Rejection::not_found("instance-info", &node))?;
        Ok(deleted(std::iter::once(node.to_string())))
    }

    pub(super) fn load(&mut self, row: InstanceInfo, changes: &mut Changes) -> Result<(), SnapshotError> {
        let key = self.table.check_load(&row, RowKind::InstanceInfo)?;
        self.table.put(key, row, changes);
        Ok(())
    }
}

fn check(info: &InstanceInfo) -> Result<(), Rejection> {
    check_instance_id("instance-id", &info.instance_id)?;
    check_host_name("local-hostname", &info.local_hostname)?;
    check_host_name("hostname", &info.hostname)?;
    check_texts(&[
        ("cluster-name", &info.cluster_name),
        ("region", &info.region),
        ("availability-zone", &info.availability_zone),
        ("cloud-provider", &info.cloud_provider),
        ("instance-type", &info.instance_type),
    ])?;
    check_url("cloud-init-base-url", &info.cloud_init_base_url)?;
    check_public_keys(&info.public_keys)
}

impl Record for InstanceInfo {
    type Key = Xname;

    fn row_key(node: &Xname) -> RowKey {
        RowKey::instance_info(node)
    }

    fn key(&self) -> Result<Xname, String> {
        crate::smd::stored_xname(&self.id)
    }

    fn into_row(self) -> Row {
        Row::InstanceInfo(self)
    }
}
