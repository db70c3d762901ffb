//! Clients to the other members: how to dial is handed in at start, so that tests and simulations dial otherwise.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use proto::raft::v1::PeerHeader;
use proto::raft::v1::peer_service_client::PeerServiceClient;
use rpc::client::{Channel, ConnectError};
use rpc::tls::PinnedKeys;
use tokio::sync::Notify;

use crate::cluster_clock::ClusterClock;
use crate::known_stores::KnownStores;
use crate::type_config::MemberNode;

/// Bytes of one message between members, on both sides.
pub(crate) const PEER_MESSAGE_BYTES_MAX: usize = 16 << 20;

/// Makes a channel to a member, pinned to its key, that connects at its first call.
pub type Dial = Arc<dyn Fn(u64, &MemberNode) -> Result<Channel, ConnectError> + Send + Sync>;

/// Whom this member talks to, and as whom.
#[derive(Clone)]
pub(crate) struct Peers {
    pub(crate) member_id: u64,
    pub(crate) cluster_name: Arc<str>,
    pub(crate) stores: Arc<KnownStores>,
    /// Whose certificates and messages are accepted.
    pub(crate) pins: PinnedKeys,
    /// Cluster time as this member knows it.
    pub(crate) clock: Arc<ClusterClock>,
    levels: Arc<Mutex<BTreeMap<u64, u32>>>,
    applied: Arc<Mutex<BTreeMap<u64, u64>>>,
    commit_wanted: Arc<Mutex<BTreeMap<u64, Arc<Notify>>>>,
    dial: Dial,
    channels: Arc<Mutex<BTreeMap<u64, (MemberNode, Channel)>>>,
}

impl std::fmt::Debug for Peers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Peers of member {}", self.member_id)
    }
}

impl Peers {
    pub(crate) fn new(
        member_id: u64,
        pins: PinnedKeys,
        stores: KnownStores,
        clock: ClusterClock,
        dial: Dial,
    ) -> Peers {
        Peers {
            member_id,
            cluster_name: pins.cluster().into(),
            stores: Arc::new(stores),
            pins,
            clock: Arc::new(clock),
            levels: Arc::default(),
            applied: Arc::default(),
            commit_wanted: Arc::default(),
            dial,
            channels: Arc::default(),
        }
    }

    /// The header of a message to a member; made for each one, since the store of a member may be learned late.
    pub(crate) fn header(&self, to: u64) -> PeerHeader {
        PeerHeader {
            from: self.member_id,
            to,
            cluster_name: self.cluster_name.to_string(),
            from_store: self.stores.own().to_owned(),
            to_store: self.stores.of(to),
        }
    }

    /// Member `id` has said which feature level its version knows; those before level 2 say nothing.
    pub(crate) fn knows_level(&self, id: u64, level: u32) {
        let mut levels = self.levels.lock().unwrap_or_else(PoisonError::into_inner);
        levels.insert(id, level.max(1));
    }

    /// The highest feature level that member `id` knows, if it has said so.
    pub(crate) fn level_known_by(&self, id: u64) -> Option<u32> {
        let levels = self.levels.lock().unwrap_or_else(PoisonError::into_inner);
        levels.get(&id).copied()
    }

    /// Member `id` has just said what it has applied; 0 is nothing said. After a restart it may be less than before: until it
    /// has caught up such a member answers no node.
    pub(crate) fn has_applied(&self, id: u64, index: u64) {
        if index > 0 {
            let mut applied = self.applied.lock().unwrap_or_else(PoisonError::into_inner);
            applied.insert(id, index);
        }
    }

    /// What member `id` has said last that it has applied.
    pub(crate) fn applied_by(&self, id: u64) -> Option<u64> {
        let applied = self.applied.lock().unwrap_or_else(PoisonError::into_inner);
        applied.get(&id).copied()
    }

    /// Told when member `id` has been given an index that it waits for.
    pub(crate) fn commit_wanted_by(&self, id: u64) -> Arc<Notify> {
        let mut wanted = self.commit_wanted.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(wanted.entry(id).or_default())
    }

    /// A client on a connection of its own.
    pub(crate) fn dial(&self, to: u64, node: &MemberNode) -> Option<PeerServiceClient<Channel>> {
        self.channel(to, node).map(sized)
    }

    /// A client on the shared connection for forwarded requests.
    pub(crate) fn shared(&self, to: u64, node: &MemberNode) -> Option<PeerServiceClient<Channel>> {
        let mut channels = self.channels.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, channel)) = channels.get(&to).filter(|(known, _)| known == node) {
            return Some(sized(channel.clone()));
        }
        let channel = self.channel(to, node)?;
        channels.insert(to, (node.clone(), channel.clone()));
        Some(sized(channel))
    }

    /// An address or key that cannot be used stands in the log; it makes that member unreachable, not this one stop.
    fn channel(&self, to: u64, node: &MemberNode) -> Option<Channel> {
        (self.dial)(to, node)
            .inspect_err(|error| tracing::error!(member = to, %error, "cannot dial"))
            .ok()
    }
}

fn sized(channel: Channel) -> PeerServiceClient<Channel> {
    PeerServiceClient::new(channel)
        .max_decoding_message_size(PEER_MESSAGE_BYTES_MAX)
        .max_encoding_message_size(PEER_MESSAGE_BYTES_MAX)
}
