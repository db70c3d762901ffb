//! Who calls: the node that holds the caller's address. No header is ever looked at.

use std::net::IpAddr;
use std::sync::Arc;

use model::{MacAddr, Xname};
use proto::smd::v1::Component;
use raft::Store;
use rpc::{Caller, Error, Identity};
use state::State;

/// A node, found by its address.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    /// Its xname.
    pub(crate) xname: Xname,
    /// MAC of the interface that holds the address.
    pub(crate) mac: MacAddr,
    /// The address.
    pub(crate) address: IpAddr,
    /// Its component.
    pub(crate) component: Arc<Component>,
}

impl Node {
    /// The node that calls, and the state it was found in.
    ///
    /// An address that nobody holds here may be held by a node that another member knows already; so a "no" is
    /// only said after a read index.
    ///
    /// # Errors
    /// `NotFound` for an address of no node, `NoQuorum` if that cannot be known.
    pub(crate) async fn of_caller(store: &Store, caller: &Caller) -> Result<(Node, Arc<State>), Error> {
        let address = address_of(caller)?;
        let state = store.state();
        if let Some(node) = Node::at(&state, address) {
            return Ok((node, state));
        }
        store.linearize().await?;
        let state = store.state();
        match Node::at(&state, address) {
            Some(node) => Ok((node, state)),
            None => Err(Error::NotFound {
                kind: "node with the address".to_owned(),
                id: format!("{address}; an EthernetInterface of a Node must carry it"),
            }),
        }
    }

    fn at(state: &State, address: IpAddr) -> Option<Node> {
        let interface = state.smd.interface_by_ip(address)?;
        let xname: Xname = interface.component_id.parse().ok()?;
        let component = state.smd.component(&xname).filter(|_| xname.is_node())?;
        Some(Node {
            mac: interface.mac_address.parse().ok()?,
            xname,
            address,
            component,
        })
    }
}

/// The xname of a node that an administrator names.
///
/// # Errors
/// `Invalid` for anything that does not boot.
pub(crate) fn node_of(id: &str) -> Result<Xname, Error> {
    let xname: Xname = id.parse().map_err(|error| rpc::invalid("id", error))?;
    match xname.is_node() {
        true => Ok(xname),
        false => Err(rpc::invalid(
            "id",
            format!(
                "{xname} is a {}, not a node; write e.g. x1000c0s0b0n0",
                xname.hms_type()
            ),
        )),
    }
}

/// The address of the TCP peer. On the nodes' port the accept loop has already called it the identity.
fn address_of(caller: &Caller) -> Result<IpAddr, Error> {
    let address = match &caller.identity {
        Identity::Node { address } => Some(*address),
        _ => caller.peer.map(|peer| peer.ip()),
    };
    address
        .map(|address| address.to_canonical())
        .ok_or_else(|| Error::Denied {
            reason: "nodes are known by the address they call from, and this call came without one"
                .to_owned(),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caller(identity: Identity, peer: Option<&str>) -> Caller {
        Caller {
            identity,
            peer: peer.map(|peer| peer.parse().unwrap()),
            local: None,
        }
    }

    #[test]
    fn a_node_is_the_address_that_the_accept_loop_saw() {
        let node = Identity::Node {
            address: "10.97.3.4".parse().unwrap(),
        };
        assert_eq!(
            address_of(&caller(node, Some("127.0.0.1:9")))
                .unwrap()
                .to_string(),
            "10.97.3.4"
        );
        let admin = Identity::User { name: "admin".into() };
        assert_eq!(
            address_of(&caller(admin, Some("10.97.3.5:9")))
                .unwrap()
                .to_string(),
            "10.97.3.5"
        );
    }

    /// A dual-stack socket reports IPv4 peers as mapped addresses; interfaces hold the plain ones.
    #[test]
    fn a_mapped_address_is_the_ipv4_address() {
        let address = address_of(&caller(Identity::Anonymous, Some("[::ffff:10.97.3.4]:9"))).unwrap();
        assert_eq!(address.to_string(), "10.97.3.4");
    }

    #[test]
    fn a_call_without_an_address_is_denied() {
        assert!(matches!(
            address_of(&Caller::anonymous()),
            Err(Error::Denied { .. })
        ));
    }
}
