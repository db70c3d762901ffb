//! A datagram on port 67 -> decision -> the reply's bytes, with the state of the crate's own tests.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::{Arc, OnceLock};

use dhcp::{
    BIOS_LOADER, Decision, Destination, Loaders, Network, Reply, Request, Site, UEFI_LOADER, decide,
    destination,
};
use dhcproto::v4::{Message, MessageType};
use dhcproto::{Decodable, Decoder};
use state::State;

#[allow(dead_code, reason = "shared with the tests of crates/dhcp")]
#[path = "../../crates/dhcp/src/testing.rs"]
mod testing;

const SERVER: Ipv4Addr = Ipv4Addr::new(10, 97, 0, 1);
const SENDER: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(10, 97, 7, 7), 68);
/// The pool of the second subnet.
const POOL_FIRST: Ipv4Addr = Ipv4Addr::new(10, 98, 200, 1);
const POOL_LAST: Ipv4Addr = Ipv4Addr::new(10, 98, 200, 100);
/// An Ethernet frame's worth of UDP.
const REPLY_BYTES_MAX: usize = 1472;

/// The state, the network and its loaders; made once.
fn world() -> &'static (Arc<State>, Network, Loaders) {
    static WORLD: OnceLock<(Arc<State>, Network, Loaders)> = OnceLock::new();
    WORLD.get_or_init(|| {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .expect("a runtime");
        let store = runtime.block_on(testing::world(10, 97));
        runtime.block_on(testing::put_subnet(&store, testing::with_pool(10, 98)));
        let state = store.state();
        let network = testing::network();
        let loaders = [BIOS_LOADER, UEFI_LOADER];
        (state, network, Loaders::new(loaders).and_over_http(loaders))
    })
}

/// One input; panics where the answer is wrong.
pub(crate) fn run(packet: &[u8]) {
    let (state, network, loaders) = world();
    let Ok(request) = Request::parse(packet) else {
        return;
    };
    let (reply, is_nak) = match decide(state, &request, &Site::new(network, loaders, state.time_ms())) {
        Decision::Reply(reply) | Decision::Offer(reply, _) => (reply, false),
        Decision::Nak(reply) => (reply, true),
        Decision::Bind(binding) => (binding.lost, true),
        Decision::End(_) | Decision::Silent(_) => return,
    };
    let mut message = Vec::new();
    reply.write(&request, &mut message);
    check_bytes(&request, &message, is_nak);
    check_client(state, &request, &reply, is_nak);
    match destination(&request, &reply, SENDER) {
        Destination::Unicast(to) => assert!(*to.ip() == request.giaddr || *to.ip() == request.ciaddr),
        Destination::Link { mac, .. } => assert_eq!(mac, request.mac),
        Destination::Broadcast => {}
    }
}

/// The reply is within its bounds, is DHCP to an independent reader, and gives back what it must.
fn check_bytes(request: &Request<'_>, message: &[u8], is_nak: bool) {
    let echoed = [&request.client_id, &request.machine_id, &request.relay_info];
    let echo_bytes: usize = echoed
        .into_iter()
        .flatten()
        .map(|value| value.len() + 2 * (value.len() / 255 + 1))
        .sum();
    // what a client sent itself comes back whole, whatever option 57 says
    assert!(
        message.len() <= REPLY_BYTES_MAX.max(request.message_bytes_max + echo_bytes),
        "{}",
        message.len()
    );
    let read = Message::decode(&mut Decoder::new(message)).expect("the reply decodes");
    assert_eq!(read.opts().msg_type() == Some(MessageType::Nak), is_nak);
    assert_eq!(read.xid(), request.xid);
    assert_eq!(read.chaddr(), request.mac.0);

    let mut turned = message.to_vec();
    turned[0] = 1; // our own walk reads requests
    let checked = dhcp::check(&turned).expect("the reply is whole");
    assert_eq!(
        checked.option(54).as_deref(),
        Some(&request.server_id_override.unwrap_or(SERVER).octets()[..]),
        "exactly one server identifier"
    );
    assert_eq!(checked.option(61).as_deref(), request.client_id.as_deref());
    assert_eq!(checked.option(97).as_deref(), request.machine_id.as_deref());
    assert_eq!(checked.option(82).as_deref(), request.relay_info.as_deref());
}

/// Clients that SMD knows are answered with their own address, others with one of a pool; only nodes have something to boot.
fn check_client(state: &State, request: &Request<'_>, reply: &Reply, is_nak: bool) {
    let interface = state.smd.interface(&request.mac);
    let own = |address: Ipv4Addr| {
        let mut own = interface.iter().flat_map(|interface| &interface.ip_addresses);
        own.any(|own| own.ip_address == address.to_string())
    };
    let is_of_pool = (POOL_FIRST..=POOL_LAST).contains(&reply.yiaddr);
    assert!(
        reply.yiaddr.is_unspecified() || own(reply.yiaddr) || is_of_pool,
        "{}",
        reply.yiaddr
    );
    assert!(!is_nak || reply.yiaddr.is_unspecified());
    let is_node = interface.is_some_and(|interface| interface.component_id.contains('n'));
    assert!(
        is_node || (reply.file.is_empty() && reply.siaddr.is_unspecified()),
        "{}",
        request.mac
    );
}
