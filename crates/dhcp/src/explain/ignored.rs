//! The policy because of which a client hears nothing. Pure.

use model::Xname;
use proto::dhcp::v1::DhcpPolicyPlace;
use state::State;
use state::bounds::DHCP_PRIORITY_DEFAULT;

use crate::link::Link;
use crate::network::Network;
use crate::request::Request;

/// The policy that ignores the client, as `policy.rs` and `pool.rs` ask for it: at its address on the link, else anywhere on it.
pub(super) fn by(state: &State, request: &Request<'_>, network: &Network) -> Option<DhcpPolicyPlace> {
    let link = Link::of(state, request, network).ok()?;
    let interface = state.smd.interface(&request.mac);
    let interface = interface.as_deref();
    let component = interface.and_then(|interface| interface.component_id.parse::<Xname>().ok());
    let place = interface.map_or(link.net, |interface| link.place_of(interface));
    let policies = state.policies_for(component.as_ref(), Some(place));
    let policy = policies.ignoring()?;
    let before = state
        .dhcp
        .policies()
        .take_while(|other| other.name != policy.name);
    let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    Some(DhcpPolicyPlace {
        name: policy.name.clone(),
        place: number(before.count() + 1),
        of: number(state.dhcp.policies().count()),
        priority: policy.priority.unwrap_or(DHCP_PRIORITY_DEFAULT),
    })
}
