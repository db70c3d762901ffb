//! What watchers see of a change: the objects before and after it. Both are shared with the state, so an event costs
//! a key and two pointers.

use std::mem::size_of;
use std::sync::Arc;

use model::Xname;
use prost::Message;
use proto::auth::v1::{Policy, Role};
use proto::boot_file::v1::{BootFile, Image};
use proto::bss::v1::{BootConfiguration, BootParametersEntry, BootRecord, BootRollout};
use proto::cloud_init::v1::{ClusterDefaults, Group as CloudInitGroup, Instance, InstanceInfo, Profile};
use proto::configurator::v1::Template;
use proto::dhcp::v1::{DhcpLease, DhcpPolicy, HeldAddress, Subnet, UnknownClient};
use proto::discovery::v1::{Bmc, BmcCredential, FirmwareInventory, XnameRule};
use proto::http::v1::Change;
use proto::job::v1::{Job, JobTarget};
use proto::smd::v1::{
    Component, ComponentEndpoint, EthernetInterface, Group, HardwareFruRecord, HardwareLocationRecord,
    NodeMap, Partition, PowerMap, RedfishEndpoint, ServiceEndpoint,
};

use crate::log_position::created_revision;
use crate::{RowKey, RowKind, State};

/// A stored object that may be watched: everything but the header, sessions, secrets, tokens and keys, sessions of boots,
/// reservations, subscriptions and the history of hardware.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)] // the names are those of `RowKind`
pub enum Object {
    Component(Arc<Component>),
    EthernetInterface(Arc<EthernetInterface>),
    Group(Arc<Group>),
    RedfishEndpoint(Arc<RedfishEndpoint>),
    ComponentEndpoint(Arc<ComponentEndpoint>),
    ServiceEndpoint(Arc<ServiceEndpoint>),
    Partition(Arc<Partition>),
    NodeMap(Arc<NodeMap>),
    HardwareLocation(Arc<HardwareLocationRecord>),
    HardwareFru(Arc<HardwareFruRecord>),
    BootParameters(Arc<BootParametersEntry>),
    BootRecord(Arc<BootRecord>),
    BootConfiguration(Arc<BootConfiguration>),
    BootRollout(Arc<BootRollout>),
    Instance(Arc<Instance>),
    ClusterDefaults(Arc<ClusterDefaults>),
    CloudInitGroup(Arc<CloudInitGroup>),
    InstanceInfo(Arc<InstanceInfo>),
    Profile(Arc<Profile>),
    Subnet(Arc<Subnet>),
    DhcpLease(Arc<DhcpLease>),
    HeldAddress(Arc<HeldAddress>),
    UnknownClient(Arc<UnknownClient>),
    DhcpPolicy(Arc<DhcpPolicy>),
    BootFile(Arc<BootFile>),
    Image(Arc<Image>),
    PowerMap(Arc<PowerMap>),
    Role(Arc<Role>),
    Policy(Arc<Policy>),
    Bmc(Arc<Bmc>),
    XnameRule(Arc<XnameRule>),
    BmcCredential(Arc<BmcCredential>),
    FirmwareInventory(Arc<FirmwareInventory>),
    Job(Arc<Job>),
    JobTarget(Arc<JobTarget>),
    Template(Arc<Template>),
}

impl Object {
    /// What kind of object it is.
    pub fn kind(&self) -> RowKind {
        match self {
            Object::Component(_) => RowKind::Component,
            Object::EthernetInterface(_) => RowKind::EthernetInterface,
            Object::Group(_) => RowKind::Group,
            Object::RedfishEndpoint(_) => RowKind::RedfishEndpoint,
            Object::ComponentEndpoint(_) => RowKind::ComponentEndpoint,
            Object::ServiceEndpoint(_) => RowKind::ServiceEndpoint,
            Object::Partition(_) => RowKind::Partition,
            Object::NodeMap(_) => RowKind::NodeMap,
            Object::HardwareLocation(_) => RowKind::HardwareLocation,
            Object::HardwareFru(_) => RowKind::HardwareFru,
            Object::BootParameters(_) => RowKind::BootParameters,
            Object::BootRecord(_) => RowKind::BootRecord,
            Object::BootConfiguration(_) => RowKind::BootConfiguration,
            Object::BootRollout(_) => RowKind::BootRollout,
            Object::Instance(_) => RowKind::Instance,
            Object::ClusterDefaults(_) => RowKind::ClusterDefaults,
            Object::CloudInitGroup(_) => RowKind::CloudInitGroup,
            Object::InstanceInfo(_) => RowKind::InstanceInfo,
            Object::Profile(_) => RowKind::Profile,
            Object::Subnet(_) => RowKind::Subnet,
            Object::DhcpLease(_) => RowKind::DhcpLease,
            Object::HeldAddress(_) => RowKind::HeldAddress,
            Object::UnknownClient(_) => RowKind::UnknownClient,
            Object::DhcpPolicy(_) => RowKind::DhcpPolicy,
            Object::BootFile(_) => RowKind::BootFile,
            Object::Image(_) => RowKind::Image,
            Object::PowerMap(_) => RowKind::PowerMap,
            Object::Role(_) => RowKind::Role,
            Object::Policy(_) => RowKind::Policy,
            Object::Bmc(_) => RowKind::Bmc,
            Object::XnameRule(_) => RowKind::XnameRule,
            Object::BmcCredential(_) => RowKind::BmcCredential,
            Object::FirmwareInventory(_) => RowKind::FirmwareInventory,
            Object::Job(_) => RowKind::Job,
            Object::JobTarget(_) => RowKind::JobTarget,
            Object::Template(_) => RowKind::Template,
        }
    }

    /// What it is found by, as its service writes it; unique in its kind.
    pub fn id(&self) -> String {
        match self {
            Object::Component(object) => object.id.clone(),
            Object::EthernetInterface(object) => object.id.clone(),
            Object::Group(object) => object.label.clone(),
            Object::RedfishEndpoint(object) => object.id.clone(),
            Object::ComponentEndpoint(object) => object.id.clone(),
            Object::ServiceEndpoint(object) => {
                format!("{}/{}", object.redfish_endpoint_id, object.redfish_type)
            }
            Object::Partition(object) => object.name.clone(),
            Object::NodeMap(object) => object.id.clone(),
            Object::HardwareLocation(object) => object.id.clone(),
            Object::HardwareFru(object) => object.fru_id.clone(),
            Object::BootParameters(object) => object.key.clone(),
            Object::BootRecord(object) => {
                format!("{}/{}", object.node, created_revision(object.meta.as_ref()))
            }
            Object::BootConfiguration(object) => object.name.clone(),
            Object::BootRollout(object) => object.name.clone(),
            Object::Instance(object) => object.node.clone(),
            Object::ClusterDefaults(_) => String::new(),
            Object::CloudInitGroup(object) => object.name.clone(),
            Object::InstanceInfo(object) => object.id.clone(),
            Object::Profile(object) => object.name.clone(),
            Object::Subnet(object) => object.network.clone(),
            Object::DhcpLease(object) => object.address.clone(),
            Object::HeldAddress(object) => object.address.clone(),
            Object::UnknownClient(object) => object.mac.clone(),
            Object::DhcpPolicy(object) => object.name.clone(),
            Object::BootFile(object) => object.name.clone(),
            Object::Image(object) => object.name.clone(),
            Object::PowerMap(object) => object.id.clone(),
            Object::Role(object) => object.name.clone(),
            Object::Policy(object) => object.name.clone(),
            Object::Bmc(object) => object.address.clone(),
            Object::XnameRule(object) => object.name.clone(),
            Object::BmcCredential(object) => object.scope.clone(),
            Object::FirmwareInventory(object) => object.id.clone(),
            Object::Job(object) => object.id.clone(),
            Object::JobTarget(object) => format!("{}/{}", object.job, object.place),
            Object::Template(object) => object.name.clone(),
        }
    }

    /// Whether file or meta-data of it are sealed.
    pub(crate) fn is_secret(&self) -> bool {
        match self {
            Object::CloudInitGroup(object) => object.secret,
            Object::InstanceInfo(object) => object.secret,
            _ => false,
        }
    }

    /// The component that it is of, normalised; `None` for what is of many or of none.
    pub fn component(&self) -> Option<&str> {
        let id = match self {
            Object::Component(object) => object.id.as_str(),
            Object::EthernetInterface(object) => object.component_id.as_str(),
            Object::RedfishEndpoint(object) => object.id.as_str(),
            Object::ComponentEndpoint(object) => object.id.as_str(),
            Object::ServiceEndpoint(object) => object.redfish_endpoint_id.as_str(),
            Object::HardwareLocation(object) => object.id.as_str(),
            Object::BootParameters(object) if object.key.parse::<Xname>().is_ok() => object.key.as_str(),
            Object::BootRecord(object) => object.node.as_str(),
            Object::Instance(object) => object.node.as_str(),
            Object::InstanceInfo(object) => object.id.as_str(),
            Object::NodeMap(object) => object.id.as_str(),
            Object::PowerMap(object) => object.id.as_str(),
            Object::Bmc(object) => object.xname.as_str(),
            Object::BmcCredential(object) => object.scope.strip_prefix("bmc:").unwrap_or_default(),
            Object::FirmwareInventory(object) => object.id.as_str(),
            Object::JobTarget(object) if object.target.parse::<Xname>().is_ok() => object.target.as_str(),
            Object::BootParameters(_)
            | Object::BootConfiguration(_)
            | Object::BootRollout(_)
            | Object::Group(_)
            | Object::Partition(_)
            | Object::HardwareFru(_)
            | Object::ClusterDefaults(_)
            | Object::CloudInitGroup(_)
            | Object::Profile(_)
            | Object::Subnet(_)
            | Object::DhcpLease(_)
            | Object::HeldAddress(_)
            | Object::UnknownClient(_)
            | Object::DhcpPolicy(_)
            | Object::BootFile(_)
            | Object::Role(_)
            | Object::Policy(_)
            | Object::XnameRule(_)
            | Object::Job(_)
            | Object::JobTarget(_)
            | Object::Template(_)
            | Object::Image(_) => "",
        };
        Some(id).filter(|id| !id.is_empty())
    }

    /// When it was last changed and by whom, as it says itself; the target of a job does not.
    pub fn modified(&self) -> Option<Change> {
        let meta = match self {
            Object::Component(object) => &object.meta,
            Object::EthernetInterface(object) => &object.meta,
            Object::Group(object) => &object.meta,
            Object::RedfishEndpoint(object) => &object.meta,
            Object::ComponentEndpoint(object) => &object.meta,
            Object::ServiceEndpoint(object) => &object.meta,
            Object::Partition(object) => &object.meta,
            Object::NodeMap(object) => &object.meta,
            Object::HardwareLocation(object) => &object.meta,
            Object::HardwareFru(object) => &object.meta,
            Object::BootParameters(object) => &object.meta,
            Object::BootRecord(object) => &object.meta,
            Object::BootConfiguration(object) => &object.meta,
            Object::BootRollout(object) => &object.meta,
            Object::Instance(object) => &object.meta,
            Object::ClusterDefaults(object) => &object.meta,
            Object::CloudInitGroup(object) => &object.meta,
            Object::InstanceInfo(object) => &object.meta,
            Object::Profile(object) => &object.meta,
            Object::Subnet(object) => &object.meta,
            Object::DhcpLease(object) => &object.meta,
            Object::HeldAddress(object) => &object.meta,
            Object::UnknownClient(object) => &object.meta,
            Object::DhcpPolicy(object) => &object.meta,
            Object::BootFile(object) => &object.meta,
            Object::Image(object) => &object.meta,
            Object::PowerMap(object) => &object.meta,
            Object::Role(object) => &object.meta,
            Object::Policy(object) => &object.meta,
            Object::Bmc(object) => &object.meta,
            Object::XnameRule(object) => &object.meta,
            Object::BmcCredential(object) => &object.meta,
            Object::FirmwareInventory(object) => &object.meta,
            Object::Job(object) => &object.meta,
            Object::JobTarget(_) => return None,
            Object::Template(object) => &object.meta,
        };
        meta.as_ref()?.modified.clone()
    }

    /// The object as its proto message, encoded.
    pub fn encode(&self) -> Vec<u8> {
        match self {
            Object::Component(object) => object.encode_to_vec(),
            Object::EthernetInterface(object) => object.encode_to_vec(),
            Object::Group(object) => object.encode_to_vec(),
            Object::RedfishEndpoint(object) => object.encode_to_vec(),
            Object::ComponentEndpoint(object) => object.encode_to_vec(),
            Object::ServiceEndpoint(object) => object.encode_to_vec(),
            Object::Partition(object) => object.encode_to_vec(),
            Object::NodeMap(object) => object.encode_to_vec(),
            Object::HardwareLocation(object) => object.encode_to_vec(),
            Object::HardwareFru(object) => object.encode_to_vec(),
            Object::BootParameters(object) => object.encode_to_vec(),
            Object::BootRecord(object) => object.encode_to_vec(),
            Object::BootConfiguration(object) => object.encode_to_vec(),
            Object::BootRollout(object) => object.encode_to_vec(),
            Object::Instance(object) => object.encode_to_vec(),
            Object::ClusterDefaults(object) => object.encode_to_vec(),
            Object::CloudInitGroup(object) => object.encode_to_vec(),
            Object::InstanceInfo(object) => object.encode_to_vec(),
            Object::Profile(object) => object.encode_to_vec(),
            Object::Subnet(object) => object.encode_to_vec(),
            Object::DhcpLease(object) => object.encode_to_vec(),
            Object::HeldAddress(object) => object.encode_to_vec(),
            Object::UnknownClient(object) => object.encode_to_vec(),
            Object::DhcpPolicy(object) => object.encode_to_vec(),
            Object::BootFile(object) => object.encode_to_vec(),
            Object::Image(object) => object.encode_to_vec(),
            Object::PowerMap(object) => object.encode_to_vec(),
            Object::Role(object) => object.encode_to_vec(),
            Object::Policy(object) => object.encode_to_vec(),
            Object::Bmc(object) => object.encode_to_vec(),
            Object::XnameRule(object) => object.encode_to_vec(),
            Object::BmcCredential(object) => object.encode_to_vec(),
            Object::FirmwareInventory(object) => object.encode_to_vec(),
            Object::Job(object) => object.encode_to_vec(),
            Object::JobTarget(object) => object.encode_to_vec(),
            Object::Template(object) => object.encode_to_vec(),
        }
    }

    /// Bytes of memory that it takes, roughly: its fields, and what they point to.
    fn bytes(&self) -> usize {
        fn of<M: Message>(object: &Arc<M>) -> usize {
            size_of::<M>() + object.encoded_len()
        }
        match self {
            Object::Component(object) => of(object),
            Object::EthernetInterface(object) => of(object),
            Object::Group(object) => of(object),
            Object::RedfishEndpoint(object) => of(object),
            Object::ComponentEndpoint(object) => of(object),
            Object::ServiceEndpoint(object) => of(object),
            Object::Partition(object) => of(object),
            Object::NodeMap(object) => of(object),
            Object::HardwareLocation(object) => of(object),
            Object::HardwareFru(object) => of(object),
            Object::BootParameters(object) => of(object),
            Object::BootRecord(object) => of(object),
            Object::BootConfiguration(object) => of(object),
            Object::BootRollout(object) => of(object),
            Object::Instance(object) => of(object),
            Object::ClusterDefaults(object) => of(object),
            Object::CloudInitGroup(object) => of(object),
            Object::InstanceInfo(object) => of(object),
            Object::Profile(object) => of(object),
            Object::Subnet(object) => of(object),
            Object::DhcpLease(object) => of(object),
            Object::HeldAddress(object) => of(object),
            Object::UnknownClient(object) => of(object),
            Object::DhcpPolicy(object) => of(object),
            Object::BootFile(object) => of(object),
            Object::Image(object) => of(object),
            Object::PowerMap(object) => of(object),
            Object::Role(object) => of(object),
            Object::Policy(object) => of(object),
            Object::Bmc(object) => of(object),
            Object::XnameRule(object) => of(object),
            Object::BmcCredential(object) => of(object),
            Object::FirmwareInventory(object) => of(object),
            Object::Job(object) => of(object),
            Object::JobTarget(object) => of(object),
            Object::Template(object) => of(object),
        }
    }
}

/// What one entry did to one object. At least one of `before` and `after` is there.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    key: RowKey,
    before: Option<Object>,
    after: Option<Object>,
}

impl Event {
    pub(crate) fn new(key: RowKey, before: Option<Object>, after: Option<Object>) -> Event {
        Event { key, before, after }
    }

    /// The row that was changed.
    pub fn key(&self) -> &RowKey {
        &self.key
    }

    /// The object that it is about, as it is after the change; of what was deleted, as it was before.
    pub fn object(&self) -> Option<&Object> {
        self.after.as_ref().or(self.before.as_ref())
    }

    /// The object before; `None` if it was created.
    pub fn before(&self) -> Option<&Object> {
        self.before.as_ref()
    }

    /// The object after; `None` if it was deleted.
    pub fn after(&self) -> Option<&Object> {
        self.after.as_ref()
    }

    /// Bytes of memory that keeping this event costs, roughly. The object after it is the state's own, or the one
    /// before a later event, and not counted twice.
    pub fn bytes(&self) -> usize {
        size_of::<Event>() + self.key.key().len() + self.before.as_ref().map_or(0, Object::bytes)
    }
}

/// Events of one entry, sorted by key, those of one object made one. What was created and deleted again is left out, and
/// so is what must not be shown.
pub(crate) fn merged(mut events: Vec<Event>) -> Vec<Event> {
    events.sort_by(|one, other| one.key.cmp(&other.key)); // stable: those of one key stay in order
    events.dedup_by(|later, earlier| {
        let same = later.key == earlier.key;
        if same {
            earlier.after = later.after.take();
        }
        same
    });
    events.retain(|event| event.before.is_some() || event.after.is_some());
    events
}

impl State {
    /// Everything that can be watched, sorted by kind and key.
    pub fn objects(&self) -> impl Iterator<Item = Object> + '_ {
        self.smd
            .objects()
            .chain(self.bss.objects())
            .chain(self.cloud_init.objects())
            .chain(self.dhcp.objects())
            .chain(self.boot_files.iter().cloned().map(Object::BootFile))
            .chain(self.boot_files.images().cloned().map(Object::Image))
            .chain(self.smd.power_maps().cloned().map(Object::PowerMap))
            .chain(self.auth.objects())
            .chain(self.discovery.objects())
            .chain(self.jobs.objects())
            .chain(self.configurator.objects())
    }
}
