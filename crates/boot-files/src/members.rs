//! The other members: who they are, and channels to their peer ports.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use http::{Request, Response};
use proto::boot_file::v1::boot_file_peer_service_client::BootFilePeerServiceClient;
use raft::{Dial, MemberNode, Store};
use tonic::Status;
use tonic::body::Body;
use tower::util::BoxCloneSyncService;

/// A channel to a member's peer port; a test puts the member itself here.
pub type PeerChannel = BoxCloneSyncService<Request<Body>, Response<Body>, Status>;

/// Another member.
#[derive(Clone, Debug)]
pub struct Peer {
    /// Its id.
    pub id: u64,
    /// Whether it votes.
    pub is_voter: bool,
    /// How to reach it.
    pub channel: PeerChannel,
}

/// The members as this one knows them now.
#[derive(Clone, Debug)]
pub struct Roster {
    /// Whether this member votes.
    pub own_is_voter: bool,
    /// All others.
    pub others: Vec<Peer>,
}

/// Gives the members of the moment.
pub type Members = Arc<dyn Fn() -> Roster + Send + Sync>;

impl Peer {
    pub(crate) fn client(&self) -> BootFilePeerServiceClient<PeerChannel> {
        BootFilePeerServiceClient::new(self.channel.clone())
    }
}

/// The members of Raft's membership. `dial` makes a channel that connects at its first call; each is made once.
pub fn members(store: Store, dial: Dial) -> Members {
    let channels: Mutex<BTreeMap<u64, (String, PeerChannel)>> = Mutex::default();
    let channel = move |id: u64, address: String| {
        let mut channels = channels.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, channel)) = channels.get(&id).filter(|(known, _)| *known == address) {
            return Some(channel.clone());
        }
        let node = MemberNode {
            peer_address: address.clone(),
            ..MemberNode::default()
        };
        match dial(id, &node) {
            Ok(channel) => {
                let channel = PeerChannel::new(channel);
                channels.insert(id, (address, channel.clone()));
                Some(channel)
            }
            Err(error) => {
                tracing::error!(member = id, %error, "cannot dial");
                None
            }
        }
    };
    Arc::new(move || {
        let status = store.status();
        let own = status.member_id;
        let own_is_voter = status
            .members
            .iter()
            .any(|member| member.id == own && member.voter);
        let others = status.members.into_iter().filter(|member| member.id != own);
        let others = others.filter_map(|member| {
            Some(Peer {
                id: member.id,
                is_voter: member.voter,
                channel: channel(member.id, member.peer_address)?,
            })
        });
        Roster {
            own_is_voter,
            others: others.collect(),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A store of one process has no other members; it is its own majority.
    #[test]
    fn a_store_without_members_has_nobody_to_ask() {
        let dial: Dial = Arc::new(|_, _| panic!("nobody is dialled"));
        assert!(members(Store::in_memory(), dial)().others.is_empty());
    }
}
