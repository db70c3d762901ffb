//! How this member reaches the others' peer ports: over `rpc`'s channel, which only the member dialled can
//! answer.

use std::sync::Arc;

use raft::Dial;
use rpc::client::{connect_to_member, tcp_dialler};
use rpc::tls::{Material, PinnedKeys};

use super::peer_traffic::PeerTraffic;

/// A dialler that shows `material` and accepts only the key that the membership has for the member dialled; where a
/// caller knows only its address, the key that is pinned for it. It counts into `traffic`.
pub(super) fn dialler(material: Material, pins: PinnedKeys, traffic: PeerTraffic) -> Dial {
    Arc::new(move |id, node| {
        let pins = match node.public_key.is_empty() {
            true => pins.clone(),
            false => PinnedKeys::new(pins.cluster(), [(id, node.public_key.clone())]),
        };
        let dialler = traffic.counting(id, tcp_dialler());
        connect_to_member(&node.peer_address, &material, &pins, id, dialler)
    })
}
