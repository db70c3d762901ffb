//! The inventory, put in through the API that OpenCHAMI's clients use, and the subnet that only Chamois has.

use std::ops::Range;

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
    progress.note(format_args!("seeding {nodes} nodes through /hsm/v2 and /boot/v1"));
    subnet(cluster).await?;
    with_parameters(cluster, nodes, "/hsm/v2/State/Components", components).await?;
    interfaces(cluster, nodes, Interfaces::New).await
}

/// What an administrator decides before the hardware is there: the subnet, which NID and role each node will have, and what it boots.
pub(crate) async fn plans(cluster: &Cluster, nodes: u32) -> Result<(), CliError> {
    subnet(cluster).await?;
    with_parameters(cluster, nodes, "/hsm/v2/Defaults/NodeMaps", node_maps).await
}

/// Posts what SMD is to know of the nodes, and what they boot.
async fn with_parameters(
    cluster: &Cluster,
    nodes: u32,
    path: &str,
    known: fn(Range<u32>) -> Value,
) -> Result<(), CliError> {
    let layout = cluster.layout();
    let mut client = LegacyClient::connect(cluster.target(), layout.on_member(1, HTTPS_PORT)).await?;
    for some in parts(nodes) {
        client.send(Method::POST, path, &known(some.clone())).await?;
        let parameters = boot_parameters(layout, some);
        client
            .send(Method::POST, "/boot/v1/bootparameters", &parameters)
            .await?;
    }
    Ok(())
}

/// Gives the boot NICs that were discovered their addresses.
pub(crate) async fn addresses(cluster: &Cluster, nodes: u32) -> Result<(), CliError> {
    interfaces(cluster, nodes, Interfaces::Discovered).await
}

async fn subnet(cluster: &Cluster) -> Result<(), CliError> {
    let layout = cluster.layout();
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

    Ok(())
}

/// The nodes in parts of a size that one request may have.
fn parts(nodes: u32) -> impl Iterator<Item = Range<u32>> {
    let firsts = (0..nodes).step_by(COMPONENTS_PER_POST as usize);
    firsts.map(move |first| first..nodes.min(first + COMPONENTS_PER_POST))
}

/// Whether boot NICs are known.
#[derive(Clone, Copy)]
enum Interfaces {
    /// They are created.
    New,
    /// A crawl has found them.
    Discovered,
}

async fn interfaces(cluster: &Cluster, nodes: u32, known: Interfaces) -> Result<(), CliError> {
    let lanes = (0..CONNECTIONS.min(nodes)).map(|lane| lane_of_interfaces(cluster, lane, nodes, known));
    try_join_all(lanes).await?;
    Ok(())
}

async fn lane_of_interfaces(
    cluster: &Cluster,
    lane: u32,
    nodes: u32,
    known: Interfaces,
) -> Result<(), CliError> {
    let member = 1 + u64::from(lane) % cluster.size() as u64;
    let address = cluster.layout().on_member(member, HTTPS_PORT);
    let mut client = LegacyClient::connect(cluster.target(), address).await?;
    let all = "/hsm/v2/Inventory/EthernetInterfaces";
    for index in (lane..nodes).step_by(CONNECTIONS as usize) {
        let body = interface(cluster.layout(), index);
        match known {
            Interfaces::New => client.send(Method::POST, all, &body).await?,
            Interfaces::Discovered => {
                let body = json!({"IPAddresses": body["IPAddresses"]});
                let path = format!("{all}/{}", mac(index).id());
                client.send(Method::PATCH, &path, &body).await?;
            }
        }
    }
    Ok(())
}

fn node_maps(nodes: Range<u32>) -> Value {
    let one = |index| json!({"ID": xname(index), "NID": nid(index), "Role": "Compute"});
    json!({ "NodeMaps": nodes.map(one).collect::<Vec<_>>() })
}

fn components(nodes: Range<u32>) -> Value {
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

fn boot_parameters(layout: &Layout, nodes: Range<u32>) -> Value {
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

    /// SMD gives a component that a crawl creates what its map says.
    #[test]
    fn maps_name_what_the_judge_expects() {
        let maps = node_maps(4..6);
        assert_eq!(maps["NodeMaps"][0]["ID"], xname(4));
        assert_eq!(maps["NodeMaps"][1]["NID"], nid(5));
    }

    #[test]
    fn parts_cover_every_node_once() {
        let parts: Vec<Range<u32>> = parts(2500).collect();
        assert_eq!(parts, [0..1000, 1000..2000, 2000..2500]);
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
