//! The inventory, put in through the API that OpenCHAMI's clients use, and the subnet that only Chamois has.

use futures::future::try_join_all;
use http::Method;
use proto::dhcp::v1::subnet_service_client::SubnetServiceClient;
use proto::dhcp::v1::{PutSubnetRequest, Subnet};
use serde_json::{Value, json};

use super::cluster::Cluster;
use super::files::{INITRD, KERNEL};
use super::layout::{HTTP_PORT, HTTPS_PORT, Layout, mac, nid, xname};
use super::legacy_http::LegacyClient;
use super::progress::Progress;
use crate::error::CliError;

/// Components in one POST; the API takes them in bulk.
const COMPONENTS_PER_POST: u32 = 1000;
/// Interfaces go one by one, as the API wants it, over this many connections, spread over the members.
const CONNECTIONS: u32 = 24;
/// Long enough that no lease runs out in a demo.
const LEASE_TIME_S: u32 = 3600;

/// Creates subnet, components, boot parameters and Ethernet interfaces.
pub(crate) async fn subnet_and_nodes(
    cluster: &Cluster,
    nodes: u32,
    progress: &Progress,
) -> Result<(), CliError> {
    let layout = cluster.layout();
    progress.note(format_args!("seeding {nodes} nodes through /hsm/v2 and /boot/v1"));
    let endpoints = &cluster.target().endpoints;
    let connection = cluster.target().connect_one(&endpoints[0])?;
    let subnet = Subnet {
        network: layout.network(),
        lease_time_s: LEASE_TIME_S,
        ..Subnet::default()
    };
    SubnetServiceClient::new(connection)
        .put_subnet(PutSubnetRequest { subnet: Some(subnet) })
        .await?;

    let mut client = LegacyClient::connect(cluster.target(), layout.on_member(1, HTTPS_PORT)).await?;
    for first in (0..nodes).step_by(COMPONENTS_PER_POST as usize) {
        let last = nodes.min(first + COMPONENTS_PER_POST);
        client
            .send(Method::POST, "/hsm/v2/State/Components", &components(first..last))
            .await?;
        let parameters = boot_parameters(layout, first..last);
        client
            .send(Method::POST, "/boot/v1/bootparameters", &parameters)
            .await?;
    }
    let lanes = (0..CONNECTIONS.min(nodes)).map(|lane| interfaces(cluster, lane, nodes));
    try_join_all(lanes).await?;
    Ok(())
}

async fn interfaces(cluster: &Cluster, lane: u32, nodes: u32) -> Result<(), CliError> {
    let member = 1 + u64::from(lane) % cluster.size() as u64;
    let address = cluster.layout().on_member(member, HTTPS_PORT);
    let mut client = LegacyClient::connect(cluster.target(), address).await?;
    for index in (lane..nodes).step_by(CONNECTIONS as usize) {
        let body = interface(cluster.layout(), index);
        client
            .send(Method::POST, "/hsm/v2/Inventory/EthernetInterfaces", &body)
            .await?;
    }
    Ok(())
}

fn components(nodes: std::ops::Range<u32>) -> Value {
    let one = |index| {
        json!({
            "ID": xname(index),
            "NID": nid(index),
            "State": "On",
            "Enabled": true,
            "Role": "Compute",
            "Arch": "X86",
        })
    };
    json!({ "Components": nodes.map(one).collect::<Vec<_>>() })
}

fn boot_parameters(layout: &Layout, nodes: std::ops::Range<u32>) -> Value {
    // without a service address any member will do: the script names them all
    let host = layout.moving().unwrap_or_else(|| layout.member(1));
    let files = format!("http://{host}:{HTTP_PORT}/files");
    json!({
        "hosts": nodes.map(xname).collect::<Vec<_>>(),
        "params": "console=ttyS0 ip=dhcp",
        "kernel": format!("{files}/{KERNEL}"),
        "initrd": format!("{files}/{INITRD}"),
    })
}

fn interface(layout: &Layout, index: u32) -> Value {
    json!({
        "MACAddress": mac(index).to_string(),
        "ComponentID": xname(index),
        "Description": "boot",
        "IPAddresses": [{ "IPAddress": layout.node(index).to_string(), "Network": "boot" }],
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    /// The bodies are those of HSM v2 and BSS v1, key for key.
    #[test]
    fn bodies_are_what_todays_clients_send() {
        let layout = Layout::new(lab::claim_loopback_net().unwrap(), Path::new("/tmp"));
        let components = components(0..2);
        assert_eq!(components["Components"][1]["ID"], "x1000c0s0b0n1");
        let parameters = boot_parameters(&layout, 0..3);
        assert_eq!(parameters["hosts"].as_array().unwrap().len(), 3);
        assert_eq!(
            parameters["kernel"],
            format!("http://{}:8081/files/vmlinuz", layout.moving().unwrap())
        );
        let interface = interface(&layout, 1);
        assert_eq!(interface["MACAddress"], "02:00:00:00:00:01");
        assert_eq!(
            interface["IPAddresses"][0]["IPAddress"],
            layout.node(1).to_string()
        );
    }

    /// Every node's interface is posted exactly once, whatever the number of lanes.
    #[test]
    fn lanes_cover_every_node_once() {
        for nodes in [1_u32, 23, 24, 25, 1000] {
            let mut seen: Vec<u32> = (0..CONNECTIONS.min(nodes))
                .flat_map(|lane| (lane..nodes).step_by(CONNECTIONS as usize))
                .collect();
            seen.sort_unstable();
            assert_eq!(seen, (0..nodes).collect::<Vec<_>>());
        }
    }
}
