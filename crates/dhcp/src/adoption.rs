//! What makes an unknown client a node or a BMC: its component, if SMD has none, and its interface, in one entry. Pure.

use std::net::Ipv4Addr;

use model::{MacAddr, Xname};
use proto::bss::v1::bss_command::{Step, Together, step};
use proto::dhcp::v1::AdoptUnknownClientRequest;
use proto::smd::v1::smd_command::{Change, CreateComponents, CreateEthernetInterfaces};
use proto::smd::v1::{Component, EthernetInterface, IpAddressMapping, SmdCommand, component};
use rpc::Error;
use state::State;
use state::dhcp::LeaseClient;

/// The steps that adopt a client.
///
/// # Errors
/// `Invalid` with the field, `NotFound` for a MAC that nobody has seen, `AlreadyExists` for one that SMD has given to a component.
pub(crate) fn adopt(state: &State, request: &AdoptUnknownClientRequest) -> Result<Together, Error> {
    let mac: MacAddr = request.mac.parse().map_err(|e| rpc::invalid("mac", e))?;
    let owner: Xname = request.xname.parse().map_err(|e| rpc::invalid("xname", e))?;
    check_unknown(state, &mac)?;
    let mut steps = Vec::new();
    match state.smd.component(&owner) {
        None => steps.push(create_component(&owner, request.nid)),
        Some(known) if request.nid.is_some() && known.nid != request.nid => {
            let has = known
                .nid
                .map_or_else(|| "no NID".to_owned(), |nid| format!("NID {nid}"));
            let problem = format!("{owner} is there already and has {has}; leave the NID out to keep it so");
            return Err(rpc::invalid("nid", problem));
        }
        Some(_) => {}
    }
    steps.push(create_interface(&mac, &owner, address(&request.ip_address)?));
    Ok(Together { steps })
}

/// A slip in a MAC would make an interface that no host has.
fn check_unknown(state: &State, mac: &MacAddr) -> Result<(), Error> {
    let owner = state
        .smd
        .interface(mac)
        .map(|interface| interface.component_id.clone());
    if let Some(owner) = owner.as_ref().filter(|owner| !owner.is_empty()) {
        return Err(Error::AlreadyExists {
            kind: "ethernet interface".to_owned(),
            id: mac.to_string(),
            detail: format!("it is {owner}'s"),
        });
    }
    let is_seen = owner.is_some()
        || state.dhcp.unknown_client(mac).is_some()
        || state
            .dhcp
            .leases_of(&LeaseClient::new(*mac, &[]))
            .next()
            .is_some();
    match is_seen {
        true => Ok(()),
        false => Err(Error::NotFound {
            kind: "unknown client".to_owned(),
            id: mac.to_string(),
        }),
    }
}

fn address(text: &str) -> Result<Option<Ipv4Addr>, Error> {
    if text.is_empty() {
        return Ok(None);
    }
    let problem = || format!("`{}` is not an IPv4 address, e.g. 10.97.2.1", text.escape_debug());
    text.parse()
        .map(Some)
        .map_err(|_| rpc::invalid("ip_address", problem()))
}

fn create_component(owner: &Xname, nid: Option<u64>) -> Step {
    let component = Component {
        id: owner.to_string(),
        nid,
        // nobody has looked yet
        state: component::State::Unknown.into(),
        enabled: Some(true),
        ..Component::default()
    };
    smd(Change::CreateComponents(CreateComponents {
        components: vec![component],
        if_revisions: vec![0],
        ..CreateComponents::default()
    }))
}

fn create_interface(mac: &MacAddr, owner: &Xname, address: Option<Ipv4Addr>) -> Step {
    let mapping = |address: Ipv4Addr| IpAddressMapping {
        ip_address: address.to_string(),
        network: String::new(),
    };
    let interface = EthernetInterface {
        id: mac.id(),
        mac_address: mac.to_string(),
        component_id: owner.to_string(),
        ip_addresses: address.map(mapping).into_iter().collect(),
        ..EthernetInterface::default()
    };
    smd(Change::CreateEthernetInterfaces(CreateEthernetInterfaces {
        interfaces: vec![interface],
        replace: true,
        if_revisions: Vec::new(),
    }))
}

fn smd(change: Change) -> Step {
    let command = SmdCommand { change: Some(change) };
    Step {
        change: Some(step::Change::Smd(command)),
    }
}
