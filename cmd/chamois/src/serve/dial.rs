//! How this member reaches the others' peer ports: over `rpc`'s channel, which only the member dialled can
//! answer.

use std::sync::Arc;

use raft::Dial;
use rpc::client::{connect_to_member, tcp_dialler};
use rpc::tls::{Material, PinnedKeys};

/// A dialler that shows `material` and accepts only the key pinned for the member dialled.
pub(super) fn dialler(material: Material, pins: PinnedKeys) -> Dial {
    Arc::new(move |id, node| connect_to_member(&node.peer_address, &material, &pins, id, tcp_dialler()))
}
