//! Nodes that cannot be booted for want of an interface, an address or a NID.

use std::collections::BTreeMap;

use proto::smd::v1::component_service_client::ComponentServiceClient;
use proto::smd::v1::ethernet_interface_service_client::EthernetInterfaceServiceClient;
use proto::smd::v1::{Component, EthernetInterface, ListComponentsRequest, ListEthernetInterfacesRequest};

use super::around::{Around, first_line};
use super::finding::Finding;
use crate::connect::ANSWER_BYTES_MAX;
use crate::error::CliError;
use crate::fold::fold;

/// Folded names that a finding shows.
const FOLDED_MAX: usize = 8;

pub(super) async fn check(around: &Around) -> Vec<Finding> {
    let connection = match around.connection() {
        Ok(connection) => connection,
        Err(note) => return vec![note],
    };
    let asked = async {
        let mut components =
            ComponentServiceClient::new(connection.clone()).max_decoding_message_size(ANSWER_BYTES_MAX);
        let mut interfaces =
            EthernetInterfaceServiceClient::new(connection).max_decoding_message_size(ANSWER_BYTES_MAX);
        let nodes = ListComponentsRequest {
            r#type: vec!["Node".into()],
            ..ListComponentsRequest::default()
        };
        let nodes = components.list_components(nodes).await?.into_inner().components;
        let interfaces = interfaces
            .list_ethernet_interfaces(ListEthernetInterfacesRequest::default())
            .await?;
        Ok::<_, CliError>(judge(&nodes, &interfaces.into_inner().interfaces))
    };
    asked
        .await
        .unwrap_or_else(|error| vec![Finding::note("the inventory", first_line(&error))])
}

fn judge(nodes: &[Component], interfaces: &[EthernetInterface]) -> Vec<Finding> {
    let mut of: BTreeMap<&str, Vec<&EthernetInterface>> = BTreeMap::new();
    for interface in interfaces {
        of.entry(&interface.component_id).or_default().push(interface);
    }
    let own = |node: &&Component| of.get(node.id.as_str()).map(Vec::as_slice).unwrap_or_default();
    let nodes = || nodes.iter().filter(|node| node.enabled != Some(false));
    let has_mac = |node: &&Component| {
        own(node)
            .iter()
            .any(|interface| !interface.mac_address.is_empty())
    };
    let has_address = |node: &&Component| {
        own(node).iter().any(|i| {
            i.ip_addresses
                .iter()
                .any(|address| !address.ip_address.is_empty())
        })
    };
    let found = [
        missing(
            "have no Ethernet interface",
            nodes().filter(|node| !has_mac(node)),
            "DHCP does not know them: `chamois discover start crawl`, or `chamois dhcp adopt` when they ask.",
        ),
        missing(
            "have no address",
            nodes().filter(|node| has_mac(node) && !has_address(node)),
            "Give their interfaces addresses, or have a subnet with a pool give them some (`chamois subnet put --pool`).",
        ),
        missing(
            "have no NID",
            nodes().filter(|node| node.nid.is_none()),
            "Names like nid0001 are made of it: give them NIDs, e.g. by `chamois discover rule`.",
        ),
    ];
    let found: Vec<Finding> = found.into_iter().flatten().collect();
    match found.is_empty() {
        true => vec![Finding::ok(
            "the inventory",
            format!("{} node(s) can be booted", nodes().count()),
        )],
        false => found,
    }
}

fn missing<'a>(what: &str, nodes: impl Iterator<Item = &'a Component>, remedy: &str) -> Option<Finding> {
    let names: Vec<&str> = nodes.map(|node| node.id.as_str()).collect();
    let mut folded = fold(names.iter().copied());
    if folded.len() > FOLDED_MAX {
        folded.truncate(FOLDED_MAX);
        folded.push("…".to_owned());
    }
    (!names.is_empty()).then(|| {
        Finding::warning(
            format!("{} node(s)", names.len()),
            format!("{what}: {}", folded.join(",")),
            remedy,
        )
    })
}

#[cfg(test)]
mod tests {
    use proto::smd::v1::IpAddressMapping;

    use super::super::around::with;
    use super::super::finding::Severity;
    use super::*;

    fn node(id: &str, nid: Option<u64>) -> Component {
        Component {
            id: id.into(),
            nid,
            ..Default::default()
        }
    }

    fn interface(node: &str, address: &str) -> EthernetInterface {
        EthernetInterface {
            component_id: node.into(),
            mac_address: "02:00:00:00:00:01".into(),
            ip_addresses: vec![IpAddressMapping {
                ip_address: address.into(),
                ..Default::default()
            }],
            ..Default::default()
        }
    }

    #[test]
    fn each_want_is_told_once_with_the_nodes_folded() {
        let nodes = [
            node("x0c0s0b0n0", Some(1)),
            node("x0c0s1b0n0", None),
            node("x0c0s2b0n0", None),
        ];
        let found = judge(&nodes, &[interface("x0c0s0b0n0", "")]);
        let of = |what: &str| found.iter().find(|f| f.what.starts_with(what)).unwrap();
        assert!(
            of("have no Ethernet interface").what.ends_with("x0c0s[1-2]b0n0"),
            "{found:?}"
        );
        assert!(of("have no address").what.ends_with("x0c0s0b0n0"), "{found:?}");
        assert_eq!(of("have no NID").subject, "2 node(s)");
        assert!(
            found
                .iter()
                .all(|f| f.severity == Severity::Warning && !f.remedy.is_empty())
        );
    }

    #[test]
    fn a_whole_node_is_well_and_a_disabled_one_wants_nothing() {
        let mut off = node("x0c0s9b0n0", None);
        off.enabled = Some(false);
        let nodes = [node("x0c0s0b0n0", Some(1)), off];
        let found = judge(&nodes, &[interface("x0c0s0b0n0", "10.9.0.5")]);
        assert_eq!((found.len(), found[0].severity), (1, Severity::Ok), "{found:?}");
    }

    #[tokio::test]
    async fn without_a_member_nothing_is_claimed() {
        assert_eq!(check(&with(Vec::new())).await[0].severity, Severity::Note);
    }
}
