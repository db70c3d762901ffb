//! Objects of the state that files are made of, as a watch tells them.

use std::collections::BTreeMap;

use proto::cloud_init::v1::{ClusterDefaults, InstanceInfo};
use proto::configurator::v1::Template;
use proto::dhcp::v1::{DhcpPolicy, Subnet};
use proto::smd::v1::{Component, EthernetInterface, Group, Partition, RedfishEndpoint};
use proto::watch::v1::Object;
use proto::watch::v1::object::{Kind, Value};

use crate::boot_data::BootData;

/// Objects of the state that files are made of, kept current by a watch.
#[derive(Clone, Debug, Default)]
pub struct Inventory {
    pub(crate) cluster: String,
    revision: u64,
    pub(crate) components: BTreeMap<String, Component>,
    pub(crate) interfaces: BTreeMap<String, EthernetInterface>,
    pub(crate) groups: BTreeMap<String, Group>,
    pub(crate) partitions: BTreeMap<String, Partition>,
    pub(crate) endpoints: BTreeMap<String, RedfishEndpoint>,
    pub(crate) boot: BootData,
    pub(crate) subnets: BTreeMap<String, Subnet>,
    pub(crate) policies: BTreeMap<String, DhcpPolicy>,
    pub(crate) instances: BTreeMap<String, InstanceInfo>,
    pub(crate) defaults: ClusterDefaults,
    templates: BTreeMap<String, Template>,
}

impl Inventory {
    /// The kinds that it holds; a watch asks for these. The last three say what nodes are called.
    pub const KINDS: &'static [Kind] = &[
        Kind::Component,
        Kind::EthernetInterface,
        Kind::Group,
        Kind::Partition,
        Kind::RedfishEndpoint,
        Kind::BootParameters,
        Kind::BootConfiguration,
        Kind::Image,
        Kind::Subnet,
        Kind::Template,
        Kind::DhcpPolicy,
        Kind::InstanceInfo,
        Kind::ClusterDefaults,
    ];

    /// An empty one, of the cluster of that name.
    pub fn new(cluster: &str) -> Inventory {
        Inventory {
            cluster: cluster.to_owned(),
            ..Inventory::default()
        }
    }

    /// Forgets everything but the cluster's name: the state is told anew.
    pub fn clear(&mut self) {
        *self = Inventory::new(&self.cluster);
    }

    /// An object as it is now. Objects of other kinds are ignored.
    pub fn put(&mut self, object: Object) {
        let key = object.key;
        match object.value {
            Some(Value::Component(component)) => drop(self.components.insert(key, component)),
            Some(Value::EthernetInterface(interface)) => drop(self.interfaces.insert(key, interface)),
            Some(Value::Group(group)) => drop(self.groups.insert(key, group)),
            Some(Value::Partition(partition)) => drop(self.partitions.insert(key, partition)),
            Some(Value::RedfishEndpoint(endpoint)) => drop(self.endpoints.insert(key, endpoint)),
            Some(Value::BootParameters(entry)) => self.boot.put_parameters(key, entry),
            Some(Value::BootConfiguration(boot)) => self.boot.put_configuration(key, boot),
            Some(Value::Image(image)) => self.boot.put_image(key, image),
            Some(Value::Subnet(subnet)) => drop(self.subnets.insert(key, subnet)),
            Some(Value::DhcpPolicy(policy)) => drop(self.policies.insert(key, policy)),
            Some(Value::InstanceInfo(info)) => drop(self.instances.insert(key, info)),
            Some(Value::ClusterDefaults(defaults)) => self.defaults = defaults,
            Some(Value::Template(template)) => drop(self.templates.insert(key, template)),
            Some(_) | None => {}
        }
    }

    /// An object that is there no longer.
    pub fn remove(&mut self, kind: Kind, key: &str) {
        match kind {
            Kind::Component => drop(self.components.remove(key)),
            Kind::EthernetInterface => drop(self.interfaces.remove(key)),
            Kind::Group => drop(self.groups.remove(key)),
            Kind::Partition => drop(self.partitions.remove(key)),
            Kind::RedfishEndpoint => drop(self.endpoints.remove(key)),
            Kind::BootParameters => self.boot.remove_parameters(key),
            Kind::BootConfiguration => self.boot.remove_configuration(key),
            Kind::Image => self.boot.remove_image(key),
            Kind::Subnet => drop(self.subnets.remove(key)),
            Kind::DhcpPolicy => drop(self.policies.remove(key)),
            Kind::InstanceInfo => drop(self.instances.remove(key)),
            Kind::ClusterDefaults => self.defaults = ClusterDefaults::default(),
            Kind::Template => drop(self.templates.remove(key)),
            _ => {}
        }
    }

    /// The revision that it is as of.
    pub fn set_revision(&mut self, revision: u64) {
        self.revision = revision;
    }

    /// The revision that it is as of.
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// The users' templates, by name.
    pub fn templates(&self) -> impl Iterator<Item = &Template> {
        self.templates.values()
    }

    /// What nodes' names begin with: Cloud-Init's name of the cluster goes before its own.
    pub(crate) fn cluster_name(&self) -> &str {
        match self.defaults.cluster_name.as_str() {
            "" => &self.cluster,
            name => name,
        }
    }
}
