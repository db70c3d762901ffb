//! What cloud-init is told about one node.

use std::sync::Arc;

use imbl::{OrdMap, OrdSet};
use model::{Rejection, Xname};
use proto::cloud_init::v1::InstanceInfo;
use proto::cloud_init::v1::cloud_init_command::{DeleteInstanceInfo, PutInstanceInfo};
use proto::raft::v1::outcome::Applied;
use proto::raft::v1::snapshot_row::Row;

use super::fields::{check_host_name, check_instance_id, check_public_keys, check_texts, check_url};
use super::groups::check_meta_data;
use super::secrets::{Part, Sealed, check_is_brought, check_stays_secret, instance_secret};
use crate::bounds::{INSTANCE_INFOS_MAX, INSTANCE_META_DATA_BYTES_MAX};
use crate::changes::Changes;
use crate::cluster::Cluster;
use crate::event::Object;
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
    /// The node of every `local-hostname`, which is in lower case; several only in what an earlier release has stored.
    hostnames: OrdMap<String, OrdSet<Xname>>,
}

impl Infos {
    pub(super) fn get(&self, node: &Xname) -> Option<&Arc<InstanceInfo>> {
        self.table.get(node)
    }

    /// Sorted by node.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Arc<InstanceInfo>> {
        self.table.values()
    }

    /// Whose `local-hostname` it is, in any case of the letters; sorted.
    pub(super) fn named(&self, hostname: &str) -> impl Iterator<Item = &Xname> {
        let owners = self.hostnames.get(&hostname.to_ascii_lowercase());
        owners.into_iter().flatten()
    }

    /// Creates or replaces; the node need not be a component yet. `secrets` holds the meta-data of a secret one.
    ///
    /// Source: OpenCHAMI/cloud-init `PUT /admin/instance-info/{id}`.
    pub(super) fn put(
        &mut self,
        node: Xname,
        put: &PutInstanceInfo,
        secrets: &mut Cluster,
        at: &LogPosition<'_>,
        changes: &mut Changes,
    ) -> Result<Applied, Rejection> {
        let given = put.info.as_ref();
        let given = given.ok_or_else(|| Rejection::invalid("info", "it is missing"))?;
        check(given)?;
        let part = Part {
            field: "sealed",
            sealed: put.sealed.as_ref(),
            name: instance_secret(&node),
        };
        let sealed = Sealed {
            parts: [part],
            token_key: put.token_key.as_ref(),
        };
        sealed.check(given.secret)?;
        self.check_free(&node, &given.local_hostname)?;
        let before = self.get(&node).cloned();
        if before.is_none() && self.table.len() >= INSTANCE_INFOS_MAX {
            let problem = format!("{INSTANCE_INFOS_MAX} nodes have one; use cluster-defaults or a group");
            return Err(Rejection::invalid("id", problem));
        }
        let was_secret = before.as_ref().is_some_and(|before| before.secret);
        check_stays_secret("instance-info", node.as_str(), was_secret, given.secret)?;
        if given.secret {
            let is_public = |before: &Arc<InstanceInfo>| !before.secret && before.meta_data.is_some();
            let is_public = before.as_ref().is_some_and(is_public);
            check_is_brought("meta-data", is_public, put.sealed.as_ref())?;
        }
        sealed.store(given.secret, secrets, changes);
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
        self.store(node, info, changes);
        Ok(applied)
    }

    /// Two nodes of one name would take each other's place in DNS and in the logs.
    fn check_free(&self, node: &Xname, hostname: &str) -> Result<(), Rejection> {
        let owners = self.hostnames.get(&hostname.to_ascii_lowercase());
        match owners.and_then(|owners| owners.iter().find(|owner| *owner != node)) {
            None => Ok(()),
            Some(owner) => {
                let taken = Rejection::AlreadyExists {
                    kind: "local-hostname".to_owned(),
                    id: hostname.to_owned(),
                    detail: format!("it is that of {owner}, and was meant for {node}"),
                };
                Err(taken.of_another("instance-info", owner))
            }
        }
    }

    fn store(&mut self, node: Xname, info: InstanceInfo, changes: &mut Changes) {
        if let Some(before) = self.get(&node).cloned() {
            self.free(&node, &before.local_hostname);
        }
        if !info.local_hostname.is_empty() {
            let name = info.local_hostname.to_ascii_lowercase();
            self.hostnames.entry(name).or_default().insert(node.clone());
        }
        self.table.put(node, info, changes);
    }

    fn free(&mut self, node: &Xname, hostname: &str) {
        let name = hostname.to_ascii_lowercase();
        if let Some(owners) = self.hostnames.get_mut(&name) {
            owners.remove(node);
            if owners.is_empty() {
                self.hostnames.remove(&name);
            }
        }
    }

    /// The node keeps its instance-id.
    pub(super) fn delete(
        &mut self,
        delete: &DeleteInstanceInfo,
        secrets: &mut Cluster,
        changes: &mut Changes,
    ) -> Result<Applied, Rejection> {
        let node = node("id", &delete.id)?;
        let before = self
            .table
            .remove(&node, changes)
            .ok_or_else(|| Rejection::not_found("instance-info", &node))?;
        self.free(&node, &before.local_hostname);
        secrets.forget_secret(&instance_secret(&node), changes);
        Ok(deleted(std::iter::once(node.to_string())))
    }

    pub(super) fn load(&mut self, row: InstanceInfo, changes: &mut Changes) -> Result<(), SnapshotError> {
        let key = self.table.check_load(&row, RowKind::InstanceInfo)?;
        self.store(key, row, changes);
        Ok(())
    }
}

/// Whether a node could use these values; secret ones must have been taken out and sealed.
pub(super) fn check(info: &InstanceInfo) -> Result<(), Rejection> {
    if let Some(meta_data) = &info.meta_data {
        check_meta_data(meta_data, INSTANCE_META_DATA_BYTES_MAX)?;
        if info.secret {
            let problem = "meta-data of a secret info must be sealed before it is stored";
            return Err(Rejection::invalid("secret", problem));
        }
    }
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

    fn object(self: Arc<Self>) -> Option<Object> {
        Some(Object::InstanceInfo(self))
    }
}
