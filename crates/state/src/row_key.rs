//! The name of one snapshot row.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};

use model::{InvalidValue, Ipv4Net, MacAddr, Xname};

/// Kinds of rows; the numbers are the field numbers of `chamois.raft.v1.SnapshotRow`, and so is their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum RowKind {
    /// Applied index, time and identity of the cluster; one row.
    Header = 1,
    /// A client's stored outcomes.
    Session = 2,
    /// A sealed secret.
    Secret = 3,
    /// A token for members that join.
    JoinToken = 4,
    /// A component.
    Component = 10,
    /// An Ethernet interface.
    EthernetInterface = 11,
    /// A group of components.
    Group = 12,
    /// A Redfish endpoint.
    RedfishEndpoint = 13,
    /// How a component is reached through its Redfish endpoint.
    ComponentEndpoint = 14,
    /// A Redfish service of an endpoint.
    ServiceEndpoint = 15,
    /// A place that hardware is in.
    HardwareLocation = 16,
    /// A field-replaceable unit.
    HardwareFru = 17,
    /// A partition of the system.
    Partition = 18,
    /// What a node is given at its creation.
    NodeMap = 19,
    /// The boot parameters of one key.
    BootParameters = 20,
    /// One boot of a node.
    BootRecord = 21,
    /// A boot configuration.
    BootConfiguration = 22,
    /// A change of a boot configuration, step by step.
    BootRollout = 24,
    /// An object of the boot path as it was.
    ObjectRevision = 25,
    /// A node that takes part in a change of a boot configuration.
    BootRolloutNode = 26,
    /// A node's instance-id.
    Instance = 30,
    /// What cloud-init is told about every node; one row.
    ClusterDefaults = 31,
    /// What cloud-init gives the members of a group.
    CloudInitGroup = 32,
    /// What cloud-init is told about one node.
    InstanceInfo = 33,
    /// What some nodes boot with for a while.
    Profile = 34,
    /// The last boot of a node that has used its token.
    BootSession = 35,
    /// A subnet.
    Subnet = 40,
    /// An address of a pool that a client has.
    DhcpLease = 41,
    /// An address that nobody is given yet.
    HeldAddress = 42,
    /// A MAC that has asked for an address and that SMD does not know.
    UnknownClient = 43,
    /// What DHCP tells some clients, and what they are called.
    DhcpPolicy = 44,
    /// A subnet that was deleted, as long as leases of it may run.
    DeletedSubnet = 45,
    /// A boot file of the catalogue.
    BootFile = 50,
    /// A kernel and what boots with it.
    Image = 51,
    /// Where a component gets its power from.
    PowerMap = 60,
    /// A component that is reserved.
    ComponentReservation = 61,
    /// Who is told of state changes.
    ScnSubscription = 62,
    /// What happened to the hardware of a place.
    HardwareHistory = 63,
    /// Permissions under one name.
    Role = 70,
    /// Who has a role, and where.
    Policy = 71,
    /// A key that signs access tokens.
    SigningKey = 72,
    /// A token for a machine.
    ApiToken = 73,
    /// A login that refreshes its access tokens.
    LoginSession = 74,
    /// A person's yes to a device.
    DeviceApproval = 75,
    /// What is refused though it has not ended.
    Revocation = 76,
    /// Whose logins are believed.
    OidcProvider = 77,
    /// A CA that signs certificates.
    CertificateAuthority = 78,
    /// A BMC that was found.
    Bmc = 80,
    /// Which xname a BMC gets.
    XnameRule = 81,
    /// How BMCs are logged in to.
    BmcCredential = 82,
    /// The firmware behind one BMC.
    FirmwareInventory = 83,
    /// Work that takes long.
    Job = 84,
    /// What became of one target of it.
    JobTarget = 85,
    /// A template of a file.
    Template = 90,
}

impl RowKind {
    /// Every kind, in the order of the rows.
    pub const ALL: [RowKind; 54] = [
        RowKind::Header,
        RowKind::Session,
        RowKind::Secret,
        RowKind::JoinToken,
        RowKind::Component,
        RowKind::EthernetInterface,
        RowKind::Group,
        RowKind::RedfishEndpoint,
        RowKind::ComponentEndpoint,
        RowKind::ServiceEndpoint,
        RowKind::HardwareLocation,
        RowKind::HardwareFru,
        RowKind::Partition,
        RowKind::NodeMap,
        RowKind::BootParameters,
        RowKind::BootRecord,
        RowKind::BootConfiguration,
        RowKind::BootRollout,
        RowKind::ObjectRevision,
        RowKind::BootRolloutNode,
        RowKind::Instance,
        RowKind::ClusterDefaults,
        RowKind::CloudInitGroup,
        RowKind::InstanceInfo,
        RowKind::Profile,
        RowKind::BootSession,
        RowKind::Subnet,
        RowKind::DhcpLease,
        RowKind::HeldAddress,
        RowKind::UnknownClient,
        RowKind::DhcpPolicy,
        RowKind::DeletedSubnet,
        RowKind::BootFile,
        RowKind::Image,
        RowKind::PowerMap,
        RowKind::ComponentReservation,
        RowKind::ScnSubscription,
        RowKind::HardwareHistory,
        RowKind::Role,
        RowKind::Policy,
        RowKind::SigningKey,
        RowKind::ApiToken,
        RowKind::LoginSession,
        RowKind::DeviceApproval,
        RowKind::Revocation,
        RowKind::OidcProvider,
        RowKind::CertificateAuthority,
        RowKind::Bmc,
        RowKind::XnameRule,
        RowKind::BmcCredential,
        RowKind::FirmwareInventory,
        RowKind::Job,
        RowKind::JobTarget,
        RowKind::Template,
    ];

    /// The kind of this number, as [`RowKind`] has it.
    pub fn of_number(number: u32) -> Option<RowKind> {
        RowKind::ALL.into_iter().find(|kind| *kind as u32 == number)
    }

    /// The kind of this name, as `chamois.raft.v1.SnapshotRow` has it, e.g. `boot_configuration`.
    pub fn of_name(name: &str) -> Option<RowKind> {
        RowKind::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// Its name in `chamois.raft.v1.SnapshotRow`: that of the variant in lower case, words parted by `_`.
    pub fn name(self) -> String {
        let mut name = String::new();
        for letter in format!("{self:?}").chars() {
            if letter.is_ascii_uppercase() && !name.is_empty() {
                name.push('_');
            }
            name.push(letter.to_ascii_lowercase());
        }
        name
    }
}

/// Names one row of a snapshot, e.g. in a checkpoint. Keys sort as the rows of a snapshot do, and so do their bytes.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RowKey {
    kind: RowKind,
    key: Vec<u8>,
}

impl RowKey {
    /// What kind of row it names.
    pub fn kind(&self) -> RowKind {
        self.kind
    }

    /// One byte of kind, then the key.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(1 + self.key.len());
        bytes.push(self.kind as u8);
        bytes.extend_from_slice(&self.key);
        bytes
    }

    /// Reads what `to_bytes` wrote.
    ///
    /// # Errors
    /// An empty text or an unknown kind. Whether a row of that key exists is another question: `State::row`.
    pub fn from_bytes(bytes: &[u8]) -> Result<RowKey, InvalidValue> {
        let known = bytes.split_first().and_then(|(kind, key)| {
            let kind = RowKind::ALL.into_iter().find(|known| *known as u8 == *kind)?;
            Some(RowKey {
                kind,
                key: key.to_vec(),
            })
        });
        known.ok_or_else(|| {
            let given = bytes.escape_ascii().to_string();
            InvalidValue::new(
                "the key of a row",
                &given,
                "the first byte must be a known kind of row",
            )
        })
    }

    /// The header row.
    pub fn header() -> RowKey {
        RowKey {
            kind: RowKind::Header,
            key: Vec::new(),
        }
    }

    pub(crate) fn session(client_id: &[u8; 16]) -> RowKey {
        RowKey {
            kind: RowKind::Session,
            key: client_id.to_vec(),
        }
    }

    /// An outcome is hashed under this key; it is part of its session's row.
    pub(crate) fn session_outcome(client_id: &[u8; 16], seq: u64) -> RowKey {
        RowKey {
            kind: RowKind::Session,
            key: [&client_id[..], &seq.to_be_bytes()].concat(),
        }
    }

    pub(crate) fn secret(name: &str) -> RowKey {
        RowKey {
            kind: RowKind::Secret,
            key: name.into(),
        }
    }

    pub(crate) fn join_token(id: &str) -> RowKey {
        RowKey {
            kind: RowKind::JoinToken,
            key: id.into(),
        }
    }

    pub(crate) fn component(id: &Xname) -> RowKey {
        RowKey {
            kind: RowKind::Component,
            key: id.as_str().into(),
        }
    }

    pub(crate) fn ethernet_interface(mac: &MacAddr) -> RowKey {
        RowKey {
            kind: RowKind::EthernetInterface,
            key: mac.id().into_bytes(),
        }
    }

    pub(crate) fn group(label: &str) -> RowKey {
        RowKey {
            kind: RowKind::Group,
            key: label.into(),
        }
    }

    pub(crate) fn redfish_endpoint(id: &Xname) -> RowKey {
        RowKey {
            kind: RowKind::RedfishEndpoint,
            key: id.as_str().into(),
        }
    }

    pub(crate) fn component_endpoint(id: &Xname) -> RowKey {
        RowKey {
            kind: RowKind::ComponentEndpoint,
            key: id.as_str().into(),
        }
    }

    pub(crate) fn service_endpoint(endpoint: &Xname, service: &str) -> RowKey {
        // The zero sorts an endpoint's services before those of a longer name, as the table does.
        let key = [endpoint.as_str().as_bytes(), &[0], service.as_bytes()].concat();
        RowKey {
            kind: RowKind::ServiceEndpoint,
            key,
        }
    }

    pub(crate) fn partition(name: &str) -> RowKey {
        RowKey {
            kind: RowKind::Partition,
            key: name.into(),
        }
    }

    pub(crate) fn node_map(node: &Xname) -> RowKey {
        RowKey {
            kind: RowKind::NodeMap,
            key: node.as_str().into(),
        }
    }

    pub(crate) fn power_map(id: &Xname) -> RowKey {
        RowKey {
            kind: RowKind::PowerMap,
            key: id.as_str().into(),
        }
    }

    pub(crate) fn component_reservation(id: &Xname) -> RowKey {
        RowKey {
            kind: RowKind::ComponentReservation,
            key: id.as_str().into(),
        }
    }

    pub(crate) fn scn_subscription(id: u64) -> RowKey {
        RowKey {
            kind: RowKind::ScnSubscription,
            key: id.to_be_bytes().to_vec(),
        }
    }

    pub(crate) fn hardware_location(place: &Xname) -> RowKey {
        RowKey {
            kind: RowKind::HardwareLocation,
            key: place.as_str().into(),
        }
    }

    pub(crate) fn hardware_fru(fru_id: &str) -> RowKey {
        RowKey {
            kind: RowKind::HardwareFru,
            key: fru_id.into(),
        }
    }

    pub(crate) fn hardware_history(place: &Xname) -> RowKey {
        RowKey {
            kind: RowKind::HardwareHistory,
            key: place.as_str().into(),
        }
    }

    pub(crate) fn boot_parameters(key: &str) -> RowKey {
        RowKey {
            kind: RowKind::BootParameters,
            key: key.into(),
        }
    }

    /// `revision` is that of the record's creation.
    pub(crate) fn boot_record(node: &Xname, revision: u64) -> RowKey {
        // The zero sorts a node's records before those of a longer name, as the table does.
        let key = [node.as_str().as_bytes(), &[0], &revision.to_be_bytes()].concat();
        RowKey {
            kind: RowKind::BootRecord,
            key,
        }
    }

    pub(crate) fn boot_configuration(name: &str) -> RowKey {
        RowKey {
            kind: RowKind::BootConfiguration,
            key: name.into(),
        }
    }

    pub(crate) fn boot_rollout(name: &str) -> RowKey {
        RowKey {
            kind: RowKind::BootRollout,
            key: name.into(),
        }
    }

    pub(crate) fn boot_rollout_node(rollout: &str, node: &str) -> RowKey {
        // The zero sorts a rollout's nodes before those of a longer name, as the table does.
        let key = [rollout.as_bytes(), &[0], node.as_bytes()].concat();
        RowKey {
            kind: RowKind::BootRolloutNode,
            key,
        }
    }

    /// `kind` is the object's, `revision` that of the change that made it so.
    pub(crate) fn object_revision(kind: u8, id: &str, revision: u64) -> RowKey {
        // The zero sorts an object's versions before those of a longer id, as the table does.
        let key = [&[kind], id.as_bytes(), &[0], &revision.to_be_bytes()].concat();
        RowKey {
            kind: RowKind::ObjectRevision,
            key,
        }
    }

    pub(crate) fn instance(node: &Xname) -> RowKey {
        RowKey {
            kind: RowKind::Instance,
            key: node.as_str().into(),
        }
    }

    pub(crate) fn cluster_defaults() -> RowKey {
        RowKey {
            kind: RowKind::ClusterDefaults,
            key: Vec::new(),
        }
    }

    pub(crate) fn cloud_init_group(name: &str) -> RowKey {
        RowKey {
            kind: RowKind::CloudInitGroup,
            key: name.into(),
        }
    }

    pub(crate) fn instance_info(node: &Xname) -> RowKey {
        RowKey {
            kind: RowKind::InstanceInfo,
            key: node.as_str().into(),
        }
    }

    pub(crate) fn profile(name: &str) -> RowKey {
        RowKey {
            kind: RowKind::Profile,
            key: name.into(),
        }
    }

    pub(crate) fn boot_session(node: &Xname) -> RowKey {
        RowKey {
            kind: RowKind::BootSession,
            key: node.as_str().into(),
        }
    }

    pub(crate) fn boot_file(name: &str) -> RowKey {
        RowKey {
            kind: RowKind::BootFile,
            key: name.into(),
        }
    }

    pub(crate) fn image(name: &str) -> RowKey {
        RowKey {
            kind: RowKind::Image,
            key: name.into(),
        }
    }

    pub(crate) fn subnet(network: &Ipv4Net) -> RowKey {
        RowKey {
            kind: RowKind::Subnet,
            key: network_key(network),
        }
    }

    pub(crate) fn deleted_subnet(network: &Ipv4Net) -> RowKey {
        RowKey {
            kind: RowKind::DeletedSubnet,
            key: network_key(network),
        }
    }

    pub(crate) fn dhcp_lease(address: Ipv4Addr) -> RowKey {
        RowKey {
            kind: RowKind::DhcpLease,
            key: address.octets().to_vec(),
        }
    }

    /// The version comes first: addresses are sorted by it.
    pub(crate) fn held_address(address: IpAddr) -> RowKey {
        let key = match address {
            IpAddr::V4(address) => [&[4_u8][..], &address.octets()].concat(),
            IpAddr::V6(address) => [&[6_u8][..], &address.octets()].concat(),
        };
        RowKey {
            kind: RowKind::HeldAddress,
            key,
        }
    }

    pub(crate) fn unknown_client(mac: &MacAddr) -> RowKey {
        RowKey {
            kind: RowKind::UnknownClient,
            key: mac.id().into(),
        }
    }

    pub(crate) fn dhcp_policy(name: &str) -> RowKey {
        RowKey {
            kind: RowKind::DhcpPolicy,
            key: name.into(),
        }
    }

    /// Of identities and rights, discovery and jobs: each of these kinds is keyed by one text.
    pub(crate) fn text(kind: RowKind, key: &str) -> RowKey {
        RowKey {
            kind,
            key: key.into(),
        }
    }

    /// `place` is that of the target in its job.
    pub(crate) fn job_target(job: &str, place: u32) -> RowKey {
        // The zero sorts a job's targets before those of a longer id, as the table does.
        let key = [job.as_bytes(), &[0], &place.to_be_bytes()].concat();
        RowKey {
            kind: RowKind::JobTarget,
            key,
        }
    }

    /// The key without its kind; `snapshot.rs` reads it back.
    pub(crate) fn key(&self) -> &[u8] {
        &self.key
    }
}

fn network_key(network: &Ipv4Net) -> Vec<u8> {
    [&network.network().octets()[..], &[network.prefix_len()]].concat()
}

impl fmt::Debug for RowKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}({})", self.kind, self.key.escape_ascii())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys() -> Vec<RowKey> {
        let (short, long): (Xname, Xname) = ("x0c0s0b0n1".parse().unwrap(), "x0c0s0b0n10".parse().unwrap());
        vec![
            RowKey::header(),
            RowKey::session(&[7; 16]),
            RowKey::secret("advert"),
            RowKey::join_token("00c0ffee00c0ffee"),
            RowKey::component(&short),
            RowKey::component(&long),
            RowKey::ethernet_interface(&MacAddr([2, 0, 0, 0, 0, 9])),
            RowKey::ethernet_interface(&MacAddr([2, 0, 0, 0, 0, 10])),
            RowKey::group("compute"),
            RowKey::redfish_endpoint(&short.parent().unwrap()),
            RowKey::component_endpoint(&short),
            RowKey::service_endpoint(&short.parent().unwrap(), "EventService"),
            RowKey::service_endpoint(&short.parent().unwrap(), "UpdateService"),
            RowKey::hardware_location(&short),
            RowKey::hardware_fru("Node.HPE.7"),
            RowKey::partition("p1"),
            RowKey::node_map(&short),
            RowKey::boot_parameters("Default"),
            RowKey::boot_record(&short, 3),
            RowKey::boot_record(&short, 256),
            RowKey::boot_record(&long, 1),
            RowKey::boot_configuration("compute"),
            RowKey::boot_rollout("new-kernel"),
            RowKey::object_revision(RowKind::BootParameters as u8, "Default", 256),
            RowKey::object_revision(RowKind::BootParameters as u8, "Default2", 1),
            RowKey::object_revision(RowKind::ClusterDefaults as u8, "", 3),
            RowKey::boot_rollout_node("a", "x0c0s0b0n0"),
            RowKey::boot_rollout_node("a.b", "x0c0s0b0n0"),
            RowKey::instance(&short),
            RowKey::cluster_defaults(),
            RowKey::cloud_init_group("compute"),
            RowKey::instance_info(&short),
            RowKey::profile("test-1"),
            RowKey::boot_session(&short),
            RowKey::subnet(&"9.0.0.0/8".parse().unwrap()),
            RowKey::subnet(&"10.97.0.0/16".parse().unwrap()),
            RowKey::dhcp_lease(Ipv4Addr::new(9, 0, 0, 1)),
            RowKey::dhcp_lease(Ipv4Addr::new(10, 97, 0, 1)),
            RowKey::held_address(IpAddr::from([9, 0, 0, 1])),
            RowKey::held_address(IpAddr::from([10, 97, 0, 1])),
            RowKey::held_address("::1".parse().unwrap()),
            RowKey::held_address("fd00::1".parse().unwrap()),
            RowKey::unknown_client(&"02:00:00:00:00:01".parse().unwrap()),
            RowKey::dhcp_policy("a"),
            RowKey::dhcp_policy("a-b"),
            RowKey::deleted_subnet(&"9.0.0.0/8".parse().unwrap()),
            RowKey::deleted_subnet(&"10.97.0.0/16".parse().unwrap()),
            RowKey::boot_file("debian/vmlinuz"),
            RowKey::image("debian"),
            RowKey::power_map(&short),
            RowKey::component_reservation(&long),
            RowKey::scn_subscription(9),
            RowKey::scn_subscription(256),
            RowKey::hardware_history(&short),
            RowKey::text(RowKind::Role, "boot"),
            RowKey::text(RowKind::Policy, "a"),
            RowKey::text(RowKind::Policy, "a-b"),
            RowKey::text(RowKind::SigningKey, "k"),
            RowKey::text(RowKind::ApiToken, "00c0ffee00c0ffee"),
            RowKey::text(RowKind::LoginSession, "00c0ffee00c0ffee"),
            RowKey::text(RowKind::DeviceApproval, "BCDFGHJK"),
            RowKey::text(RowKind::Revocation, "jti/a"),
            RowKey::text(RowKind::OidcProvider, "site"),
            RowKey::text(RowKind::CertificateAuthority, "00"),
            RowKey::text(RowKind::Bmc, "10.1.0.7:443"),
            RowKey::text(RowKind::Bmc, "[fd00::7]:443"),
            RowKey::text(RowKind::XnameRule, "rack"),
            RowKey::text(RowKind::BmcCredential, "default"),
            RowKey::text(RowKind::FirmwareInventory, "x0c0s0b0"),
            RowKey::text(RowKind::Job, "a"),
            RowKey::job_target("a", 3),
            RowKey::job_target("a", 256),
            RowKey::job_target("a-b", 1),
            RowKey::text(RowKind::Template, "motd"),
        ]
    }

    /// A checkpoint stores rows under these bytes and reads them back in byte order.
    #[test]
    fn bytes_are_read_back_and_sort_like_the_keys() {
        let keys = keys();
        assert!(keys.is_sorted());
        assert!(keys.iter().map(RowKey::to_bytes).is_sorted());
        for key in &keys {
            assert_eq!(&RowKey::from_bytes(&key.to_bytes()).unwrap(), key);
        }
    }

    /// Policies name kinds; a name that is spelled otherwise than its field would never be found in the documents.
    #[test]
    fn a_kind_is_called_as_its_field() {
        for (kind, name) in [
            (RowKind::Component, "component"),
            (RowKind::BootConfiguration, "boot_configuration"),
            (RowKind::HardwareFru, "hardware_fru"),
            (RowKind::CloudInitGroup, "cloud_init_group"),
            (RowKind::OidcProvider, "oidc_provider"),
            (RowKind::XnameRule, "xname_rule"),
            (RowKind::JobTarget, "job_target"),
            (RowKind::Template, "template"),
        ] {
            assert_eq!((kind.name().as_str(), RowKind::of_name(name)), (name, Some(kind)));
        }
        assert_eq!(RowKind::of_name("Component"), None);
        assert!(
            RowKind::ALL
                .into_iter()
                .all(|kind| RowKind::of_name(&kind.name()) == Some(kind))
        );
    }

    #[test]
    fn other_bytes_are_refused() {
        assert!(RowKey::from_bytes(&[]).is_err());
        assert!(RowKey::from_bytes(&[0]).is_err());
        assert!(RowKey::from_bytes(&[99, b'x']).is_err());
    }
}
