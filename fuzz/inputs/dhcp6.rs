//! A datagram on port 547 -> decision -> the answer's bytes, with the state of the crate's own tests. The first byte says
//! whether it came to this server alone.

use std::net::{Ipv6Addr, SocketAddrV6};
use std::sync::{Arc, OnceLock};

use dhcp::{Loaders, UEFI_LOADER};
use dhcp6::{Decision, Network, Reply, Request, Sender, Site, decide, destination, server_duid};
use dhcproto::v6::{DhcpOption, Message, MessageType};
use dhcproto::{Decodable, Decoder};
use state::State;

#[allow(dead_code, reason = "shared with the tests of crates/dhcp6")]
#[path = "../../crates/dhcp6/src/testing.rs"]
mod testing;

const SENDER: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0x1234, 0x5678, 0x9abc, 0xdef0);
const RELAY_REPL: u8 = 13;
const RELAY_MESSAGE: u16 = 9;
const INTERFACE_ID: u16 = 18;

/// The state, the network and its loaders; made once.
fn world() -> &'static (Arc<State>, Network, Loaders) {
    static WORLD: OnceLock<(Arc<State>, Network, Loaders)> = OnceLock::new();
    WORLD.get_or_init(|| {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .expect("a runtime");
        let store = runtime.block_on(testing::world());
        let loaders = Loaders::new([UEFI_LOADER]).and_over_http([UEFI_LOADER]);
        (store.state(), testing::network(), loaders)
    })
}

/// One input; panics where the answer is wrong.
pub(crate) fn run(input: &[u8]) {
    let (state, network, loaders) = world();
    let Some((how, packet)) = input.split_first() else {
        return;
    };
    let sender = Sender {
        address: SocketAddrV6::new(SENDER, 546, 0, 3),
        is_unicast: how & 1 == 1,
    };
    let Ok(request) = Request::parse(packet, sender.arrival()) else {
        return;
    };
    let site = Site {
        network,
        loaders,
        now_ms: 0,
        isolated_lease_s: None,
    };
    match decide(state, &request, &site) {
        Decision::Reply(reply) => check(state, &request, &reply),
        Decision::Refusal(reply, otherwise) => {
            check(state, &request, &reply);
            otherwise.iter().for_each(|reply| check(state, &request, reply));
        }
        Decision::Silent(_) => {}
    }
    let to = destination(&request, &sender);
    assert_eq!(
        (*to.ip(), to.scope_id()),
        (SENDER, 3),
        "nothing is sent to a third party"
    );
}

fn check(state: &State, request: &Request<'_>, reply: &Reply) {
    let mut message = Vec::new();
    reply.write(request, &mut message);
    let own = without_relays(request, &message);
    let read = Message::decode(&mut Decoder::new(own)).expect("the answer decodes");
    assert!(matches!(
        read.msg_type(),
        MessageType::Advertise | MessageType::Reply
    ));
    assert_eq!(read.xid(), request.xid);
    assert_eq!(
        read.opts().iter().count(),
        reply.options.len(),
        "an independent reader reads every option"
    );
    let duid = server_duid(state.cluster_id()).to_vec();
    assert!(
        read.opts()
            .iter()
            .any(|option| *option == DhcpOption::ServerId(duid.clone()))
    );
    for option in read.opts().iter() {
        let DhcpOption::IANA(ia) = option else { continue };
        for inside in ia.opts.iter() {
            let DhcpOption::IAAddr(address) = inside else {
                continue;
            };
            let mut owners = state.smd.interfaces_by_ip(address.addr.into());
            assert!(
                address.valid_life == 0 || owners.next().is_some(),
                "{}",
                address.addr
            );
            assert!(address.preferred_life <= address.valid_life);
        }
    }
}

/// The answer to the client; each relay around it gets back what it sent.
fn without_relays<'a>(request: &Request<'_>, message: &'a [u8]) -> &'a [u8] {
    let mut rest = message;
    for relay in &request.relays {
        assert_eq!(rest[..2], [RELAY_REPL, relay.hop_count]);
        assert_eq!(rest[2..18], relay.link.octets());
        assert_eq!(rest[18..34], relay.peer.octets());
        rest = &rest[34..];
        let mut interface_id = None;
        loop {
            let len = usize::from(u16::from_be_bytes([rest[2], rest[3]]));
            let (value, behind) = rest[4..].split_at(len);
            match u16::from_be_bytes([rest[0], rest[1]]) {
                RELAY_MESSAGE => {
                    assert!(behind.is_empty());
                    rest = value;
                    break;
                }
                INTERFACE_ID => interface_id = Some(value),
                _ => {}
            }
            rest = behind;
        }
        assert_eq!(interface_id, relay.interface_id);
    }
    rest
}
