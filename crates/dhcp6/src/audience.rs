//! Who is answered at all, of those that SMD knows: the groups of `dhcp-answer-only` and policies that ignore a client hold for
//! DHCPv6 as they do for DHCPv4. Pure.

use std::net::Ipv4Addr;

use dhcp::ipv4_addresses;
use model::{Ipv4Net, Xname};
use proto::smd::v1::EthernetInterface;
use state::State;

use crate::counters::Count;
use crate::network::Network;

/// Whether the client with this interface is answered. `component` is whose interface it is.
///
/// # Errors
/// `NotInGroups` where only others are (`dhcp-answer-only`), `IgnoredByPolicy` where a policy says so.
pub(crate) fn check_is_answered(
    state: &State,
    interface: &EthernetInterface,
    component: Option<&Xname>,
    network: &Network,
) -> Result<(), Count> {
    if !dhcp::is_answered(state, component, &network.answer_only) {
        return Err(Count::NotInGroups);
    }
    let place = place(state, interface, network.service_address);
    if state.policies_for(component, place).ignores() {
        return Err(Count::IgnoredByPolicy);
    }
    Ok(())
}

/// Where policies for some networks of IPv4 see the client: at the interface's address in the subnet around the service
/// address, else at its first one; without any in that subnet.
fn place(state: &State, interface: &EthernetInterface, service: Ipv4Addr) -> Option<Ipv4Net> {
    let subnet = state.dhcp.subnet_of(service);
    let subnet = subnet.and_then(|subnet| subnet.network.parse::<Ipv4Net>().ok());
    let is_here = |address: &Ipv4Addr| subnet.is_some_and(|subnet| subnet.contains(*address));
    let own = ipv4_addresses(interface).find(is_here);
    let own = own.or_else(|| ipv4_addresses(interface).next());
    own.map(Ipv4Net::host).or(subnet)
}

#[cfg(test)]
mod tests {
    use proto::smd::v1::IpAddressMapping;

    use super::*;
    use crate::testing::world;

    const SERVICE: Ipv4Addr = Ipv4Addr::new(10, 97, 0, 1);
    /// No subnet is around it.
    const ELSEWHERE: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);

    #[tokio::test]
    async fn a_client_is_where_it_has_an_address_on_the_network_or_any_or_on_the_network() {
        let state = world().await.state();
        let text = |addresses: &[&str], service| {
            let mapping = |address: &&str| IpAddressMapping {
                ip_address: (*address).to_owned(),
                ..IpAddressMapping::default()
            };
            let interface = EthernetInterface {
                ip_addresses: addresses.iter().map(mapping).collect(),
                ..EthernetInterface::default()
            };
            place(&state, &interface, service).map(|net| net.to_string())
        };
        for (addresses, service, expected) in [
            (
                &["fd00:97::1", "10.98.2.1", "10.97.2.1"][..],
                SERVICE,
                Some("10.97.2.1/32"),
            ),
            (&["fd00:97::1", "10.98.2.1"], SERVICE, Some("10.98.2.1/32")),
            (&["fd00:97::1"], SERVICE, Some("10.97.0.0/16")),
            (&["10.97.2.1"], ELSEWHERE, Some("10.97.2.1/32")),
            (&["fd00:97::1"], ELSEWHERE, None),
        ] {
            let place = text(addresses, service);
            assert_eq!(place.as_deref(), expected, "{addresses:?} at {service}");
        }
    }
}
