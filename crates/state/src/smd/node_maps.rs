//! What nodes are given when their components are created: NID, role, subrole.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use model::{Rejection, Xname, canonical_role, canonical_sub_role};
use prost::Message;
use prost_types::{Struct, Value};
use proto::raft::v1::outcome::Applied;
use proto::raft::v1::snapshot_row::Row;
use proto::smd::v1::NodeMap;
use proto::smd::v1::smd_command::{DeleteNodeMaps, PutNodeMaps};

use super::nids::Nids;
use super::{ids_to_delete, node, stored_xname};
use crate::bounds::{
    CLOUD_INIT_DEPTH_MAX, NAME_BYTES_MAX, NODE_INFO_BYTES_MAX, NODE_MAPS_MAX, check_ids, check_names_one,
    check_one_each, check_text,
};
use crate::bss::depth;
use crate::changes::Changes;
use crate::event::Object;
use crate::log_position::{LogPosition, check_revision};
use crate::outcome::deleted;
use crate::snapshot::SnapshotError;
use crate::table::{Record, Table};
use crate::{RowKey, RowKind};

/// Word for the kind in rejections.
const KIND: &str = "node map";

/// Maps by node, and the node of each NID.
#[derive(Clone, Default)]
pub(super) struct NodeMaps {
    table: Table<NodeMap>,
    nids: Nids,
}

impl NodeMaps {
    pub(super) fn get(&self, node: &Xname) -> Option<&Arc<NodeMap>> {
        self.table.get(node)
    }

    /// Sorted by xname.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Arc<NodeMap>> {
        self.table.values()
    }

    pub(super) fn after(&self, node: Option<&Xname>) -> impl Iterator<Item = &Arc<NodeMap>> {
        self.table.after(node)
    }

    /// The node that is given this NID at its creation.
    pub(super) fn owner(&self, nid: u64) -> Option<&Xname> {
        self.nids.owner(nid)
    }

    /// The NIDs that nodes are given at their creation.
    pub(super) fn nids(&self) -> &Nids {
        &self.nids
    }

    /// Creates or replaces. Nodes of one command may swap their NIDs.
    ///
    /// Source: SMD `POST /Defaults/NodeMaps`, `PUT /Defaults/NodeMaps/{xname}`.
    pub(super) fn put_all(
        &mut self,
        put: &PutNodeMaps,
        at: &LogPosition<'_>,
        changes: &mut Changes,
    ) -> Result<Applied, Rejection> {
        check_ids("maps", put.maps.len())?;
        check_one_each(&put.if_revisions, put.maps.len())?;
        let mut given = BTreeMap::new();
        for (position, map) in put.maps.iter().enumerate() {
            let (id, map) = normalised(map, &format!("maps[{position}]"))?;
            let before = self.get(&id).and_then(|before| before.meta.as_ref());
            check_revision(id.as_str(), put.if_revisions.get(position).copied(), before)?;
            if given.insert(id.clone(), map).is_some() {
                let problem = format!("{id} is given twice in one request");
                return Err(Rejection::invalid(&format!("maps[{position}].id"), problem));
            }
        }
        self.check_nids(&given)?;
        let new = given.keys().filter(|id| self.get(id).is_none()).count();
        if self.table.len() + new > NODE_MAPS_MAX {
            let problem = format!("at most {NODE_MAPS_MAX} nodes have one; delete those that are not needed");
            return Err(Rejection::invalid("maps", problem));
        }
        for id in given.keys() {
            self.release_nid(id);
        }
        let mut applied = Applied::default();
        for (id, mut map) in given {
            let before = self.get(&id).cloned();
            let list = match before.as_deref() {
                Some(before) => {
                    map.meta.clone_from(&before.meta);
                    if map == *before {
                        self.nids.insert(map.nid, id);
                        applied.unchanged.push(map.id);
                        continue;
                    }
                    map.meta = at.modified(before.meta.as_ref());
                    &mut applied.updated
                }
                None => {
                    map.meta = at.created();
                    &mut applied.created
                }
            };
            list.push(map.id.clone());
            self.put(id, map, changes);
        }
        Ok(applied)
    }

    /// Each NID has one node, among those given and those that stay as they are.
    fn check_nids(&self, given: &BTreeMap<Xname, NodeMap>) -> Result<(), Rejection> {
        let mut claimed: BTreeMap<u64, &Xname> = BTreeMap::new();
        for (id, map) in given {
            let stays = self.owner(map.nid).filter(|owner| !given.contains_key(owner));
            if let Some(owner) = stays.or(claimed.get(&map.nid).copied()) {
                let detail = format!(
                    "operation would conflict with an existing xname ID that has the same NID: it is {owner}'s, \
                     so {id} cannot have it"
                );
                return Err(Rejection::AlreadyExists {
                    kind: "NID".into(),
                    id: map.nid.to_string(),
                    detail,
                });
            }
            claimed.insert(map.nid, id);
        }
        Ok(())
    }

    /// Source: SMD `DELETE /Defaults/NodeMaps[/{xname}]`.
    pub(super) fn delete(
        &mut self,
        delete: &DeleteNodeMaps,
        changes: &mut Changes,
    ) -> Result<Applied, Rejection> {
        let ids: BTreeSet<Xname> = ids_to_delete(KIND, &delete.ids, delete.all, &self.table)?;
        check_names_one(delete.if_revision, ids.len())?;
        for map in ids.iter().filter_map(|id| self.get(id)) {
            check_revision(&map.id, delete.if_revision, map.meta.as_ref())?;
        }
        for id in &ids {
            self.release_nid(id);
            self.table.remove(id, changes);
        }
        Ok(deleted(ids.iter().map(Xname::to_string)))
    }

    fn release_nid(&mut self, id: &Xname) {
        if let Some(before) = self.table.get(id) {
            self.nids.remove(before.nid);
        }
    }

    fn put(&mut self, id: Xname, map: NodeMap, changes: &mut Changes) {
        self.nids.insert(map.nid, id.clone());
        self.table.put(id, map, changes);
    }

    pub(super) fn load(&mut self, row: NodeMap, changes: &mut Changes) -> Result<(), SnapshotError> {
        let id = self.table.check_load(&row, RowKind::NodeMap)?;
        if let Some(owner) = self.owner(row.nid) {
            return Err(SnapshotError::Malformed {
                kind: RowKind::NodeMap,
                problem: format!("{id} and {owner} have the same NID"),
            });
        }
        self.put(id, row, changes);
        Ok(())
    }
}

/// The map as it is stored, without its meta.
fn normalised(given: &NodeMap, place: &str) -> Result<(Xname, NodeMap), Rejection> {
    let field = |name: &str| format!("{place}.{name}");
    let id = node(&field("id"), &given.id)?;
    if given.nid == 0 {
        return Err(Rejection::invalid(
            &field("nid"),
            "NID '0' is out of range; write 1 or more",
        ));
    }
    check_text(&field("role"), &given.role, NAME_BYTES_MAX)?;
    check_text(&field("sub_role"), &given.sub_role, NAME_BYTES_MAX)?;
    check_info(&field("node_info"), given.node_info.as_ref())?;
    let map = NodeMap {
        id: id.to_string(),
        nid: given.nid,
        role: canonical_role(&given.role).unwrap_or(&given.role).to_owned(),
        sub_role: canonical_sub_role(&given.sub_role)
            .unwrap_or(&given.sub_role)
            .to_owned(),
        node_info: given.node_info.clone(),
        meta: None,
    };
    Ok((id, map))
}

fn check_info(field: &str, info: Option<&Value>) -> Result<(), Rejection> {
    let Some(info) = info else { return Ok(()) };
    if info.encoded_len() > NODE_INFO_BYTES_MAX {
        let problem = format!(
            "it has {} bytes, at most {NODE_INFO_BYTES_MAX} are accepted",
            info.encoded_len()
        );
        return Err(Rejection::invalid(field, problem));
    }
    let whole = Struct {
        fields: [(String::new(), info.clone())].into(),
    };
    if depth(&whole, CLOUD_INIT_DEPTH_MAX) > CLOUD_INIT_DEPTH_MAX {
        let problem = format!("it nests deeper than {CLOUD_INIT_DEPTH_MAX} levels");
        return Err(Rejection::invalid(field, problem));
    }
    Ok(())
}

impl Record for NodeMap {
    type Key = Xname;

    fn row_key(node: &Xname) -> RowKey {
        RowKey::node_map(node)
    }

    fn key(&self) -> Result<Xname, String> {
        stored_xname(&self.id)
    }

    fn into_row(self) -> Row {
        Row::NodeMap(self)
    }

    fn object(self: Arc<Self>) -> Option<Object> {
        Some(Object::NodeMap(self))
    }
}
