//! NoCloud's `meta-data`: who the node is. The shape is that of OpenCHAMI/cloud-init's `MetaData`, so that jinja
//! templates such as `{{ ds.meta_data.instance_data.v1.vendor_data.nid }}` go on working.

use std::collections::BTreeMap;
use std::net::IpAddr;

use model::{Nid, Xname};
use serde::Serialize;

/// Version of the layout below `vendor_data`.
const VENDOR_DATA_VERSION: &str = "1.0";

/// What the document says of a node.
#[derive(Clone, Debug)]
pub struct NodeFacts<'a> {
    /// The node's component.
    pub xname: &'a Xname,
    /// NID, if it has one.
    pub nid: Option<u64>,
    /// SMD role and subrole; empty for none.
    pub role: &'a str,
    /// See `role`.
    pub sub_role: &'a str,
    /// The stored instance-id.
    pub instance_id: &'a str,
    /// Address the node calls from.
    pub address: IpAddr,
    /// The cluster's name.
    pub cluster_name: &'a str,
    /// URL of the Cloud-Init service on the node's network, without a trailing slash.
    pub base_url: &'a str,
}

#[derive(Serialize)]
struct MetaData<'a> {
    #[serde(rename = "instance-id")]
    instance_id: &'a str,
    #[serde(rename = "local-hostname")]
    local_hostname: &'a str,
    hostname: &'a str,
    #[serde(rename = "cluster-name")]
    cluster_name: &'a str,
    instance_data: InstanceData<'a>,
}

#[derive(Serialize)]
struct InstanceData<'a> {
    v1: V1<'a>,
}

#[derive(Serialize)]
struct V1<'a> {
    instance_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    local_ipv4: Option<String>,
    vendor_data: VendorData<'a>,
}

#[derive(Serialize)]
struct VendorData<'a> {
    version: &'static str,
    cloud_init_base_url: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    nid: Option<u64>,
    #[serde(skip_serializing_if = "str::is_empty")]
    role: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    sub_role: &'a str,
    location: &'a str,
    cluster_name: &'a str,
    /// Templates iterate over it, so it is there even when it is empty.
    groups: BTreeMap<String, String>,
}

/// The document as YAML.
///
/// # Errors
/// Only if the YAML writer fails, which it does not for these types.
pub fn render(node: &NodeFacts<'_>) -> Result<String, serde_yaml_ng::Error> {
    let hostname = model::hostname(node.cluster_name, node.nid.map(Nid), node.xname);
    serde_yaml_ng::to_string(&MetaData {
        instance_id: node.instance_id,
        local_hostname: &hostname,
        hostname: &hostname,
        cluster_name: node.cluster_name,
        instance_data: InstanceData {
            v1: V1 {
                instance_id: node.instance_id,
                local_ipv4: node.address.is_ipv4().then(|| node.address.to_string()),
                vendor_data: VendorData {
                    version: VENDOR_DATA_VERSION,
                    cloud_init_base_url: node.base_url,
                    nid: node.nid,
                    role: node.role,
                    sub_role: node.sub_role,
                    location: node.xname.as_str(),
                    cluster_name: node.cluster_name,
                    groups: BTreeMap::new(),
                },
            },
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_facts<R>(change: impl FnOnce(&mut NodeFacts<'_>), test: impl FnOnce(&NodeFacts<'_>) -> R) -> R {
        let xname: Xname = "x1000c0s0b2n1".parse().unwrap();
        let mut facts = NodeFacts {
            xname: &xname,
            nid: Some(6),
            role: "Compute",
            sub_role: "",
            instance_id: "i-00112233445566aa",
            address: "10.97.3.4".parse().unwrap(),
            cluster_name: "demo",
            base_url: "http://10.97.0.1:8081/cloud-init",
        };
        change(&mut facts);
        test(&facts)
    }

    #[test]
    fn the_document_has_the_shape_of_the_service_it_replaces() {
        let text = with_facts(|_| (), |facts| render(facts).unwrap());
        assert_eq!(
            text,
            "instance-id: i-00112233445566aa\n\
             local-hostname: de0006\n\
             hostname: de0006\n\
             cluster-name: demo\n\
             instance_data:\n  v1:\n    instance_id: i-00112233445566aa\n    local_ipv4: 10.97.3.4\n    vendor_data:\n      \
             version: '1.0'\n      cloud_init_base_url: http://10.97.0.1:8081/cloud-init\n      nid: 6\n      role: Compute\n      \
             location: x1000c0s0b2n1\n      cluster_name: demo\n      groups: {}\n"
        );
    }

    /// Site names reach a document that other programs parse: they must come out as they went in.
    #[test]
    fn values_survive_yaml() {
        for odd in [
            "a: b",
            "yes",
            "{x}",
            "# no comment",
            "it's",
            "\"q\"",
            "1e3",
            "- item",
        ] {
            let text = with_facts(|facts| facts.role = odd, |facts| render(facts).unwrap());
            let document: serde_yaml_ng::Value = serde_yaml_ng::from_str(&text).unwrap();
            assert_eq!(
                document["instance_data"]["v1"]["vendor_data"]["role"].as_str(),
                Some(odd),
                "{text}"
            );
        }
    }
}
