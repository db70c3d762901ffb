//! This member's own view of the cluster.

use openraft::Instant as _;
use openraft::async_runtime::WatchReceiver as _;
use proto::cluster::v1::{ClusterStatus, MemberStatus};

use crate::replicated::Replicated;

impl Replicated {
    pub(crate) fn status(&self) -> ClusterStatus {
        let receiver = self.raft().metrics();
        let metrics = receiver.borrow_watched().clone();
        let state = self.published.load();
        let index = |id: Option<crate::type_config::LogId>| id.map_or(0, |id| id.index);
        let voters: Vec<u64> = metrics.membership_config.voter_ids().collect();
        let members = metrics.membership_config.nodes().map(|(id, node)| MemberStatus {
            id: *id,
            peer_address: node.peer_address.clone(),
            api_address: node.api_address.clone(),
            voter: voters.contains(id),
            kind: node.kind.into(),
            matched_index: matched_index(&metrics, *id),
            last_seen_ms: last_seen_ms(&metrics, *id),
        });
        ClusterStatus {
            cluster_name: self.peers().cluster_name.to_string(),
            cluster_id: state.cluster_id().to_owned(),
            member_id: metrics.id,
            leader_id: metrics.current_leader.unwrap_or(0),
            term: metrics.current_term,
            last_log_index: metrics.last_log_index.unwrap_or(0),
            committed_index: index(metrics.local_committed),
            applied_index: state.applied_index(),
            snapshot_index: index(metrics.snapshot),
            purged_index: index(metrics.purged),
            digest: state.digest(),
            members: members.collect(),
            held_addresses: Vec::new(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            feature_level: state.feature_level(),
        }
    }
}

pub(crate) type Metrics = openraft::RaftMetrics<crate::type_config::TypeConfig>;

/// Only a leader knows; of itself it knows without asking.
pub(crate) fn matched_index(metrics: &Metrics, id: u64) -> Option<u64> {
    let replication = metrics.replication.as_ref()?;
    if id == metrics.id {
        return metrics.last_log_index;
    }
    replication
        .get(&id)
        .map(|matched| matched.map_or(0, |id| id.index))
}

pub(crate) fn last_seen_ms(metrics: &Metrics, id: u64) -> Option<u64> {
    if id == metrics.id {
        return metrics.heartbeat.as_ref().map(|_| 0);
    }
    let seen = metrics.heartbeat.as_ref()?.get(&id)?.as_ref()?;
    u64::try_from(seen.into_inner().elapsed().as_millis()).ok()
}
