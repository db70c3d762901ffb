//! Where a reply goes (RFC 2131 section 4.1; RFC 8357 for relays that do not listen on port 67). Pure.

use std::net::SocketAddrV4;

use dhcproto::v4::MessageType;
use model::MacAddr;

use crate::reply::Reply;
use crate::request::Request;

const SERVER_PORT: u16 = 67;
const CLIENT_PORT: u16 = 68;

/// The receiver of a reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Destination {
    /// A relay, or a client that has its address and answers ARP.
    Unicast(SocketAddrV4),
    /// Everyone on the link: the client takes nothing else.
    Broadcast,
    /// A client that does not have its address yet: by MAC, without ARP.
    Link {
        /// The client.
        mac: MacAddr,
        /// The address it is about to get.
        to: SocketAddrV4,
    },
}

/// The receiver of `reply`, given the packet's sender.
pub fn destination(request: &Request<'_>, reply: &Reply, sender: SocketAddrV4) -> Destination {
    if request.is_relayed() {
        let port = if request.relay_source_port {
            sender.port()
        } else {
            SERVER_PORT
        };
        return Destination::Unicast(SocketAddrV4::new(request.giaddr, port));
    }
    if reply.message_type == MessageType::Nak {
        return Destination::Broadcast;
    }
    if !request.ciaddr.is_unspecified() {
        return Destination::Unicast(SocketAddrV4::new(request.ciaddr, CLIENT_PORT));
    }
    // a proxy's offer names no address
    if request.wants_broadcast() || reply.yiaddr.is_unspecified() {
        return Destination::Broadcast;
    }
    Destination::Link {
        mac: request.mac,
        to: SocketAddrV4::new(reply.yiaddr, CLIENT_PORT),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::RawPacket;
    use std::net::Ipv4Addr;

    const RELAY: Ipv4Addr = Ipv4Addr::new(10, 98, 0, 1);
    const ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 97, 2, 1);
    const SENDER: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(10, 98, 0, 9), 40_067);

    fn route(raw: &RawPacket, message_type: MessageType) -> Destination {
        let mut reply = Reply::new(message_type);
        reply.yiaddr = ADDRESS;
        destination(&Request::parse(&raw.bytes()).unwrap(), &reply, SENDER)
    }

    fn unicast(address: Ipv4Addr, port: u16) -> Destination {
        Destination::Unicast(SocketAddrV4::new(address, port))
    }

    #[test]
    fn a_relay_is_answered_at_its_address_on_the_server_port() {
        let relayed = RawPacket {
            giaddr: RELAY,
            ciaddr: ADDRESS,
            flags: 0x8000,
            ..RawPacket::discover()
        };
        assert_eq!(route(&relayed, MessageType::Offer), unicast(RELAY, 67));
        assert_eq!(route(&relayed, MessageType::Nak), unicast(RELAY, 67));
    }

    #[test]
    fn a_relay_that_asks_for_it_is_answered_on_the_port_it_sent_from() {
        let relayed = RawPacket {
            giaddr: RELAY,
            ..RawPacket::discover()
        };
        let with_port = relayed.clone().options(&[(82, &[1, 1, b'x', 19, 0])]);
        assert_eq!(route(&with_port, MessageType::Offer), unicast(RELAY, 40_067));
        let torn = relayed.options(&[(82, &[1, 9, b'x', 19, 0])]);
        assert_eq!(route(&torn, MessageType::Offer), unicast(RELAY, 67));
    }

    /// Else a client could have answers sent to a port of its choice without any relay.
    #[test]
    fn the_port_sub_option_means_nothing_without_a_relay() {
        let direct = RawPacket::discover().options(&[(82, &[19, 0])]);
        assert!(matches!(
            route(&direct, MessageType::Offer),
            Destination::Link { .. }
        ));
    }

    #[test]
    fn a_client_with_an_address_is_answered_there() {
        let renewing = RawPacket {
            ciaddr: ADDRESS,
            ..RawPacket::new(3)
        };
        assert_eq!(route(&renewing, MessageType::Ack), unicast(ADDRESS, 68));
    }

    #[test]
    fn a_refusal_is_broadcast_even_to_a_client_with_an_address() {
        let renewing = RawPacket {
            ciaddr: ADDRESS,
            ..RawPacket::new(3)
        };
        assert_eq!(route(&renewing, MessageType::Nak), Destination::Broadcast);
    }

    #[test]
    fn a_client_without_an_address_is_reached_by_mac_unless_it_wants_broadcast() {
        let to = SocketAddrV4::new(ADDRESS, 68);
        assert_eq!(
            route(&RawPacket::discover(), MessageType::Offer),
            Destination::Link {
                mac: RawPacket::MAC,
                to
            }
        );
        let broadcast = RawPacket {
            flags: 0x8000,
            ..RawPacket::discover()
        };
        assert_eq!(route(&broadcast, MessageType::Offer), Destination::Broadcast);
    }
}
