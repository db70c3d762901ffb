//! NoCloud's `meta-data`: who the node is. The shape is that of OpenCHAMI/cloud-init's `MetaData`, so that jinja
//! templates such as `{{ ds.meta_data.instance_data.v1.vendor_data.nid }}` go on working.

use std::collections::BTreeMap;
use std::net::IpAddr;

use model::Xname;
use proto::cloud_init::v1::{ClusterDefaults, InstanceInfo};
use serde::Serialize;
use serde_yaml_ng::Value;

/// Version of the layout below `vendor_data`.
const VENDOR_DATA_VERSION: &str = "1.0";

/// What the document says of a node. Of what an administrator may set, the node's own goes before the cluster's.
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
    /// What DHCP calls it too: `State::hostname`.
    pub local_hostname: &'a str,
    /// Address the node calls from.
    pub address: Option<IpAddr>,
    /// The cluster's own name.
    pub cluster_name: &'a str,
    /// URL of the Cloud-Init service on the node's network, without a trailing slash.
    pub base_url: &'a str,
    /// What is set for the node.
    pub info: &'a InstanceInfo,
    /// What is set for every node.
    pub defaults: &'a ClusterDefaults,
    /// The groups that the node is in, with what they tell it.
    pub groups: BTreeMap<String, BTreeMap<String, Value>>,
    /// What is set for the node alone, free-form.
    pub instance: BTreeMap<String, Value>,
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
    #[serde(skip_serializing_if = "str::is_empty")]
    availability_zone: &'a str,
    instance_id: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    instance_type: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    region: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    local_ipv4: Option<String>,
    #[serde(skip_serializing_if = "str::is_empty")]
    cloud_provider: &'a str,
    /// Templates write it into user accounts, so it is there even when it is empty.
    public_keys: Vec<&'a str>,
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
    groups: &'a BTreeMap<String, BTreeMap<String, Value>>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    instance: &'a BTreeMap<String, Value>,
}

/// The document as YAML.
///
/// # Errors
/// Only if the YAML writer fails, which it does not for these types.
pub fn render(node: &NodeFacts<'_>) -> Result<String, serde_yaml_ng::Error> {
    let (info, defaults) = (node.info, node.defaults);
    let cluster_name = first([&info.cluster_name, &defaults.cluster_name, node.cluster_name]);
    crate::yaml::to_string(&MetaData {
        instance_id: node.instance_id,
        local_hostname: node.local_hostname,
        hostname: first([&info.hostname, node.local_hostname]),
        cluster_name,
        instance_data: InstanceData {
            v1: V1 {
                availability_zone: first([&info.availability_zone, &defaults.availability_zone]),
                instance_id: node.instance_id,
                instance_type: &info.instance_type,
                region: first([&info.region, &defaults.region]),
                local_ipv4: node
                    .address
                    .filter(IpAddr::is_ipv4)
                    .map(|address| address.to_string()),
                cloud_provider: first([&info.cloud_provider, &defaults.cloud_provider]),
                public_keys: public_keys(defaults, info),
                vendor_data: VendorData {
                    version: VENDOR_DATA_VERSION,
                    cloud_init_base_url: node.base_url,
                    nid: node.nid,
                    role: node.role,
                    sub_role: node.sub_role,
                    location: node.xname.as_str(),
                    cluster_name,
                    groups: &node.groups,
                    instance: &node.instance,
                },
            },
        },
    })
}

/// The first that is set.
fn first<const N: usize>(texts: [&str; N]) -> &str {
    texts
        .into_iter()
        .find(|text| !text.is_empty())
        .unwrap_or_default()
}

/// The cluster's keys and the node's own, each once: a node's keys add to the cluster's.
fn public_keys<'a>(defaults: &'a ClusterDefaults, info: &'a InstanceInfo) -> Vec<&'a str> {
    let mut keys: Vec<&str> = defaults.public_keys.iter().map(String::as_str).collect();
    for key in &info.public_keys {
        if !keys.contains(&key.as_str()) {
            keys.push(key);
        }
    }
    keys
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rendered(
        change: impl FnOnce(&mut NodeFacts<'_>),
        info: &InstanceInfo,
        defaults: &ClusterDefaults,
    ) -> String {
        let xname: Xname = "x1000c0s0b2n1".parse().unwrap();
        let mut facts = NodeFacts {
            xname: &xname,
            nid: Some(6),
            role: "Compute",
            sub_role: "",
            instance_id: "i-00112233445566aa",
            local_hostname: "de0006",
            address: Some("10.97.3.4".parse().unwrap()),
            cluster_name: "demo",
            base_url: "http://10.97.0.1:8081/cloud-init",
            info,
            defaults,
            groups: BTreeMap::new(),
            instance: BTreeMap::new(),
        };
        change(&mut facts);
        render(&facts).unwrap()
    }

    fn plain(change: impl FnOnce(&mut NodeFacts<'_>)) -> String {
        rendered(change, &InstanceInfo::default(), &ClusterDefaults::default())
    }

    #[test]
    fn the_document_has_the_shape_of_the_service_it_replaces() {
        assert_eq!(
            plain(|_| ()),
            "instance-id: i-00112233445566aa\n\
             local-hostname: de0006\n\
             hostname: de0006\n\
             cluster-name: demo\n\
             instance_data:\n  v1:\n    instance_id: i-00112233445566aa\n    local_ipv4: \"10.97.3.4\"\n    \
             public_keys: []\n    vendor_data:\n      \
             version: \"1.0\"\n      cloud_init_base_url: http://10.97.0.1:8081/cloud-init\n      nid: 6\n      role: Compute\n      \
             location: x1000c0s0b2n1\n      cluster_name: demo\n      groups: {}\n"
        );
    }

    /// Node before cluster before built-in; keys add up.
    #[test]
    fn what_is_set_for_the_node_goes_before_what_is_set_for_all() {
        let defaults = ClusterDefaults {
            cloud_provider: "openchami".into(),
            region: "west".into(),
            availability_zone: "a".into(),
            cluster_name: "hill".into(),
            public_keys: vec!["ssh-rsa A".into(), "ssh-rsa B".into()],
            ..ClusterDefaults::default()
        };
        let all = rendered(|_| (), &InstanceInfo::default(), &defaults);
        assert!(
            all.contains("\nhostname: de0006\ncluster-name: hill\n")
                && all.contains(
                    "v1:\n    availability_zone: a\n    instance_id: i-00112233445566aa\n    region: west\n    \
                     local_ipv4: \"10.97.3.4\"\n    cloud_provider: openchami\n    public_keys:\n    - ssh-rsa A\n    - \
                     ssh-rsa B\n    vendor_data:\n"
                ),
            "{all}"
        );
        let info = InstanceInfo {
            hostname: "login.hill.example".into(),
            cluster_name: "dale".into(),
            region: "east".into(),
            instance_type: "large".into(),
            cloud_provider: "site".into(),
            public_keys: vec!["ssh-rsa B".into(), "ssh-rsa C".into()],
            ..InstanceInfo::default()
        };
        let own = rendered(|_| (), &info, &defaults);
        assert!(
            own.contains("local-hostname: de0006\nhostname: login.hill.example\ncluster-name: dale\n")
                && own.contains(
                    "v1:\n    availability_zone: a\n    instance_id: i-00112233445566aa\n    instance_type: large\n    \
                     region: east\n    local_ipv4: \"10.97.3.4\"\n    cloud_provider: site\n    public_keys:\n    - ssh-rsa \
                     A\n    - ssh-rsa B\n    - ssh-rsa C\n"
                )
                && own.contains("      cluster_name: dale\n"),
            "{own}"
        );
    }

    #[test]
    fn groups_stand_by_their_labels() {
        let fields = BTreeMap::from([("Description".to_owned(), Value::from("all"))]);
        let text = plain(|facts| facts.groups = BTreeMap::from([("compute".to_owned(), fields)]));
        assert!(
            text.ends_with("      groups:\n        compute:\n          Description: all\n"),
            "{text}"
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
            let text = plain(|facts| facts.role = odd);
            let document: serde_yaml_ng::Value = serde_yaml_ng::from_str(&text).unwrap();
            assert_eq!(
                document["instance_data"]["v1"]["vendor_data"]["role"].as_str(),
                Some(odd),
                "{text}"
            );
        }
    }
}
