//! For tests of this crate, of dhcp6 and of dns: what their worlds are made of. Each change is proposed as a user's.

use model::MacAddr;
use proto::dhcp::v1::{DhcpCommand, DhcpPolicy, Subnet, dhcp_command};
use proto::raft::v1::entry::Command;
use proto::smd::v1::component::State;
use proto::smd::v1::smd_command::{
    AddIpAddress, Change, CreateComponents, CreateEthernetInterface, CreateGroup,
};
use proto::smd::v1::{Component, EthernetInterface, Group, GroupMembers, IpAddressMapping, SmdCommand};
use raft::Store;

/// Applies a change.
pub(crate) async fn propose(store: &Store, command: Command) {
    let proposed = store.propose("user/test", command, None).await;
    proposed.expect("the change is legal");
}

/// Applies a change of DHCP's.
pub(crate) async fn dhcp(store: &Store, change: dhcp_command::Change) {
    propose(store, Command::Dhcp(DhcpCommand { change: Some(change) })).await;
}

/// Applies a change of SMD's.
pub(crate) async fn smd(store: &Store, change: Change) {
    propose(store, Command::Smd(SmdCommand { change: Some(change) })).await;
}

/// Adds or replaces a subnet.
pub(crate) async fn put_subnet(store: &Store, subnet: Subnet) {
    let put = dhcp_command::PutSubnet { subnet: Some(subnet) };
    dhcp(store, dhcp_command::Change::PutSubnet(put)).await;
}

/// Adds or replaces a policy.
pub(crate) async fn put_policy(store: &Store, policy: DhcpPolicy) {
    let put = dhcp_command::PutPolicy { policy: Some(policy) };
    dhcp(store, dhcp_command::Change::PutPolicy(put)).await;
}

/// Adds the nodes x1000c0s0b0n0 and n1, with the NIDs 1 and 2, and their BMC.
pub(crate) async fn create_components(store: &Store) {
    let component = |id: &str, nid| Component {
        id: id.into(),
        nid,
        state: State::On.into(),
        ..Component::default()
    };
    let create = CreateComponents {
        components: vec![
            component("x1000c0s0b0n0", Some(1)),
            component("x1000c0s0b0n1", Some(2)),
            component("x1000c0s0b0", None),
        ],
        ..CreateComponents::default()
    };
    smd(store, Change::CreateComponents(create)).await;
}

/// Adds an ethernet interface whose addresses are all in `network`, which may be empty.
pub(crate) async fn create_interface(
    store: &Store,
    mac: MacAddr,
    owner: &str,
    network: &str,
    addresses: impl IntoIterator<Item = impl Into<String>>,
) {
    let addresses = addresses.into_iter();
    let interface = EthernetInterface {
        id: mac.id(),
        mac_address: mac.to_string(),
        component_id: owner.into(),
        ip_addresses: addresses.map(|address| mapping(address, network)).collect(),
        ..EthernetInterface::default()
    };
    let create = CreateEthernetInterface {
        interface: Some(interface),
    };
    smd(store, Change::CreateEthernetInterface(create)).await;
}

/// Gives an interface one more address.
pub(crate) async fn add_address(store: &Store, mac: MacAddr, address: &str, network: &str) {
    let add = AddIpAddress {
        id: mac.id(),
        mapping: Some(mapping(address, network)),
        ..AddIpAddress::default()
    };
    smd(store, Change::AddIpAddress(add)).await;
}

/// Adds a group of SMD with one member.
pub(crate) async fn create_group(store: &Store, label: &str, member: &str) {
    let members = GroupMembers {
        ids: vec![member.into()],
    };
    let group = Group {
        label: label.into(),
        members: Some(members),
        ..Group::default()
    };
    smd(store, Change::CreateGroup(CreateGroup { group: Some(group) })).await;
}

fn mapping(address: impl Into<String>, network: &str) -> IpAddressMapping {
    IpAddressMapping {
        ip_address: address.into(),
        network: network.to_owned(),
    }
}
