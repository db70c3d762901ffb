//! The nodes of the inventory, as requests name them.

use std::sync::Arc;

use proto::smd::v1::ethernet_interface_service_client::EthernetInterfaceServiceClient;
use proto::smd::v1::{CreateEthernetInterfaceRequest, CreateEthernetInterfacesRequest, IpAddressMapping};
use serde_json::{Value, json};

use super::super::servers::Servers;
use crate::demo::{Layout, mac, nid, xname};
use crate::error::CliError;

/// Interfaces in one request.
const INTERFACES_PER_REQUEST: usize = 2000;

/// What is asked for; cheap to clone.
#[derive(Clone)]
pub(super) struct Inventory {
    pub(super) nodes: Arc<[Node]>,
}

/// One node.
pub(super) struct Node {
    pub(super) xname: String,
    nid: u64,
    /// Lower case with colons.
    pub(super) mac: String,
    ip: String,
}

impl Inventory {
    /// Nodes 0 to `nodes`.
    pub(super) fn of(layout: &Layout, nodes: u32) -> Self {
        let node = |index| Node {
            xname: xname(index),
            nid: nid(index),
            mac: mac(index).to_string(),
            ip: layout.node(index).to_string(),
        };
        Self {
            nodes: (0..nodes).map(node).collect(),
        }
    }

    /// The body that posts all components.
    pub(super) fn components(&self) -> Value {
        let component = |node: &Node| {
            json!({
                "ID": node.xname, "NID": node.nid, "State": "On", "Enabled": true, "Role": "Compute", "Arch": "X86",
            })
        };
        json!({ "Components": self.nodes.iter().map(component).collect::<Vec<_>>() })
    }

    /// The body that sets one state for all.
    pub(super) fn all_to(&self, state: &str) -> Value {
        let ids: Vec<&str> = self.nodes.iter().map(|node| node.xname.as_str()).collect();
        json!({ "ComponentIDs": ids, "State": state })
    }

    /// Puts all interfaces in; those that are there already stay.
    pub(super) async fn put_interfaces(&self, servers: &Servers) -> Result<(), CliError> {
        let interface = |node: &Node| CreateEthernetInterfaceRequest {
            mac_address: node.mac.clone(),
            component_id: node.xname.clone(),
            description: "boot".to_owned(),
            ip_addresses: vec![IpAddressMapping {
                ip_address: node.ip.clone(),
                network: "boot".to_owned(),
            }],
        };
        let target = servers.cluster.target();
        let mut client = EthernetInterfaceServiceClient::new(target.connect_one(&target.endpoints[0])?);
        for nodes in self.nodes.chunks(INTERFACES_PER_REQUEST) {
            let request = CreateEthernetInterfacesRequest {
                interfaces: nodes.iter().map(interface).collect(),
                ..CreateEthernetInterfacesRequest::default()
            };
            client.create_ethernet_interfaces(request).await?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn every_node_is_in_the_bodies_once() {
        let layout = Layout::new(lab::claim_loopback_net().unwrap(), Path::new("/tmp"));
        let inventory = Inventory::of(&layout, 3);
        let components = inventory.components();
        assert_eq!(components["Components"][1]["ID"], "x1000c0s0b0n1");
        assert_eq!(components["Components"][1]["NID"], 2);
        let patch = inventory.all_to("Off");
        assert_eq!(patch["ComponentIDs"].as_array().unwrap().len(), 3);
        assert_eq!(
            (&patch["State"], inventory.nodes[2].mac.as_str()),
            (&"Off".into(), "02:00:00:00:00:02")
        );
    }
}
