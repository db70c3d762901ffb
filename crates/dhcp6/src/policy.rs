//! Who gets what answer: RFC 8415 section 18.3 for nodes whose addresses stand in SMD. Pure.

use std::net::Ipv6Addr;

use dhcp::is_held_for_another;
use dhcproto::v6::MessageType;
use model::{MacAddr, Xname};
use proto::smd::v1::EthernetInterface;
use state::State;

use crate::answer::Answer;
use crate::audience::check_is_answered;
use crate::counters::Count;
use crate::duid::server_duid;
use crate::link::Link;
use crate::network::{Network, Site};
use crate::reply::Reply;
use crate::request::Request;

/// What is done with a request.
#[derive(Clone, Debug, PartialEq)]
pub enum Decision {
    /// An answer that this member may give by itself: it only says what the member has.
    Reply(Reply),
    /// An answer that says of something that it is *not* so, hence only after a read index (design section 5); and what
    /// of it may be said without.
    Refusal(Reply, Option<Reply>),
    /// No answer, and why.
    Silent(Count),
}

/// Decides about a request from the applied state.
pub fn decide(state: &State, request: &Request<'_>, site: &Site<'_>) -> Decision {
    answer(state, request, site).unwrap_or_else(Decision::Silent)
}

/// As [`decide`], with silences as errors.
fn answer(state: &State, request: &Request<'_>, site: &Site<'_>) -> Result<Decision, Count> {
    let duid = server_duid(state.cluster_id());
    if request.server_id.is_some_and(|chosen| chosen != duid) {
        return Err(Count::OtherServer);
    }
    check_source(request, site.network)?;
    let mac = request.mac_in(state)?;
    let interface = state.smd.interface(&mac).ok_or(Count::UnknownMac)?;
    let xname = interface.component_id.parse::<Xname>().ok();
    check_is_answered(state, &interface, xname.as_ref(), site.network)?;
    let link = Link::of(request, site.network)?;
    let (held, addresses) = own_addresses(state, &interface, mac, &link, site.now_ms)?;
    let answer = Answer {
        state,
        request,
        site,
        link: &link,
        interface: &interface,
        mac,
        addresses: &addresses,
        has_held: !held.is_empty(),
        duid: &duid,
        hostname: xname.as_ref().map(|xname| state.hostname(xname)),
        boots: xname.as_ref().is_some_and(Xname::is_node),
    };
    if request.is_unicast {
        return Ok(Decision::Reply(answer.use_multicast()));
    }
    decide_by_type(&answer)
}

fn decide_by_type(answer: &Answer<'_>) -> Result<Decision, Count> {
    match answer.request.message_type {
        MessageType::Solicit | MessageType::Request | MessageType::Renew | MessageType::Rebind => {
            Ok(answer.bindings())
        }
        MessageType::Confirm => answer.confirm(),
        MessageType::Release => Ok(answer.given_back(Count::Released)),
        MessageType::Decline => Ok(answer.given_back(Count::DeclinedReservation)),
        MessageType::InformationRequest => Ok(Decision::Reply(answer.information())),
        _ => Err(Count::UnsupportedMessageType),
    }
}

/// An answer goes to where the packet says that it came from: to nobody beyond the links that are served.
fn check_source(request: &Request<'_>, network: &Network) -> Result<(), Count> {
    let is_near = request.source.is_unicast_link_local() || network.serves(request.source);
    is_near.then_some(()).ok_or(Count::SourceNotServed)
}

/// The interface's addresses on the link: those that are held for their old owners, and the others.
fn own_addresses(
    state: &State,
    interface: &EthernetInterface,
    mac: MacAddr,
    link: &Link<'_>,
    now_ms: u64,
) -> Result<(Vec<Ipv6Addr>, Vec<Ipv6Addr>), Count> {
    let reserved = link.addresses_of(interface);
    let is_twos = |address: &Ipv6Addr| is_of_another(state, interface, mac, *address);
    if reserved.iter().any(is_twos) {
        return Err(Count::AddressOfTwo);
    }
    let is_held = |address: &Ipv6Addr| is_held_for_another(state, interface, (*address).into(), now_ms);
    Ok(reserved.into_iter().partition(is_held))
}

fn is_of_another(state: &State, interface: &EthernetInterface, mac: MacAddr, address: Ipv6Addr) -> bool {
    let (mac, owner) = (mac.to_string(), &interface.component_id);
    let mut all = state.smd.interfaces_by_ip(address.into());
    all.any(|other| other.mac_address != mac && (owner.is_empty() || other.component_id != *owner))
}

#[cfg(test)]
mod tests;
