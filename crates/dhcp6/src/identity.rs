//! Which MAC a client has. DHCPv6 does not say it, and a client is known here by nothing else.
//!
//! In the order of trust:
//! 1. what the relay nearest to the client saw in its frame (option 79, RFC 6939): the client has no part in it. Where a
//!    relay says it, nothing else is looked at;
//! 2. the link-local address that the client sends from, if it is made of the MAC (EUI-64): it names the interface that
//!    asks, and the answer goes there;
//! 3. a DUID of the kinds that hold a MAC (DUID-LLT, DUID-LL): it names the host, by any one of its interfaces.
//!
//! The first of these that SMD knows counts, so that a node whose address comes from a bridge or a bond of its own is
//! found by its DUID.

use std::net::Ipv6Addr;

use model::MacAddr;

use crate::request::Request;

const DUID_LLT: u16 = 1;
const DUID_LL: u16 = 3;
const ETHERNET: u16 = 1;
/// Seconds since 2000, in a DUID-LLT before the MAC.
const TIME_BYTES: usize = 4;

/// The MACs that a client may have, the most trusted first.
pub(crate) fn macs(request: &Request<'_>) -> Vec<MacAddr> {
    let nearest = request.relays.last();
    if let Some(seen) = nearest.and_then(|relay| relay.client_mac) {
        return vec![seen];
    }
    let of_address = of_link_local(sender(request));
    let of_duid = request.client_id.and_then(of_duid);
    of_address.into_iter().chain(of_duid).collect()
}

/// The address that the client itself asks from.
pub(crate) fn sender(request: &Request<'_>) -> Ipv6Addr {
    request.relays.last().map_or(request.source, |relay| relay.peer)
}

/// `fe80::` and a MAC with `ff:fe` in its middle and its second bit turned (RFC 4291, appendix A).
fn of_link_local(address: Ipv6Addr) -> Option<MacAddr> {
    let [a, b, c, 0xff, 0xfe, d, e, f] = *address.octets().last_chunk::<8>()? else {
        return None;
    };
    address
        .is_unicast_link_local()
        .then_some(MacAddr([a ^ 2, b, c, d, e, f]))
}

fn of_duid(duid: &[u8]) -> Option<MacAddr> {
    let (&[kind, ind, hardware, type_], rest) = duid.split_first_chunk::<4>()?;
    let rest = match u16::from_be_bytes([kind, ind]) {
        DUID_LLT => rest.get(TIME_BYTES..)?,
        DUID_LL => rest,
        _ => return None,
    };
    let is_ethernet = u16::from_be_bytes([hardware, type_]) == ETHERNET;
    let mac: [u8; 6] = rest.try_into().ok()?;
    is_ethernet.then_some(MacAddr(mac))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::Arrival;
    use crate::testing::{BMC, NODE, NODE_ON_TWO, RawMessage, duid_ll, duid_llt, relayed};

    const STABLE_PRIVATE: &str = "fe80::1234:5678:9abc:def0";
    const OF_NODE: &str = "fe80::ff:fe00:a1";
    const OF_BMC: &str = "fe80::ff:fe00:b1";

    fn macs_of(packet: &[u8], source: &str) -> Vec<MacAddr> {
        let arrival = Arrival::multicast(source.parse().unwrap());
        macs(&Request::parse(packet, arrival).unwrap())
    }

    fn solicit(duid: &[u8]) -> Vec<u8> {
        RawMessage::new(1).options(&[(1, duid)]).bytes()
    }

    #[test]
    fn a_link_local_address_of_the_usual_form_holds_the_mac() {
        assert_eq!(of_link_local(OF_NODE.parse().unwrap()), Some(NODE));
        for other in [STABLE_PRIVATE, "fd00:97::ff:fe00:a1", "::", "fe80::1"] {
            assert_eq!(of_link_local(other.parse().unwrap()), None, "{other}");
        }
    }

    #[test]
    fn duids_of_two_kinds_hold_a_mac() {
        assert_eq!(of_duid(&duid_ll(NODE)), Some(NODE));
        assert_eq!(of_duid(&duid_llt(NODE)), Some(NODE));
        let uuid = [&[0, 4][..], &[7; 16]].concat();
        let infiniband = [&[0, 3, 0, 32][..], &[7; 6]].concat();
        let longer = [&duid_ll(NODE)[..], &[0]].concat();
        for other in [&uuid[..], &infiniband, &longer, &[0, 1, 0, 1, 0], &[0, 3], &[]] {
            assert_eq!(of_duid(other), None, "{other:?}");
        }
    }

    #[test]
    fn the_address_that_asks_goes_before_the_duid_of_the_host() {
        let packet = solicit(&duid_ll(NODE));
        assert_eq!(macs_of(&packet, OF_BMC), [BMC, NODE]);
        assert_eq!(macs_of(&packet, STABLE_PRIVATE), [NODE]);
        assert_eq!(macs_of(&solicit(&[0, 4, 1]), STABLE_PRIVATE), []);
    }

    /// A client could put anything into its DUID; behind a relay that looks, that counts for nothing.
    #[test]
    fn what_the_nearest_relay_saw_goes_before_everything() {
        let seen = [&[0, 1][..], &NODE_ON_TWO.0].concat();
        let packet = relayed(&solicit(&duid_ll(NODE)), 0, "fd00:98::1", OF_BMC, &[(79, &seen)]);
        assert_eq!(macs_of(&packet, OF_NODE), [NODE_ON_TWO]);
        let outer = relayed(&solicit(&duid_ll(NODE)), 0, "fd00:98::1", OF_BMC, &[]);
        let outer = relayed(&outer, 1, "::", "fd00:98::1", &[(79, &seen)]);
        assert_eq!(
            macs_of(&outer, OF_NODE),
            [BMC, NODE],
            "that is the inner relay's MAC"
        );
    }
}
