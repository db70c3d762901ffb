//! The rules of a network, from its requests.

use std::net::Ipv4Addr;

use raft::Store;
use timeline::Timeline;

use super::*;
use crate::network::{BIOS_LOADER, Loaders, UEFI_LOADER};
use crate::testing::{self, BMC, NODE, NODE_ON_TWO, RawPacket, create_group, network};
use crate::waiting::Responder;

pub(super) const SERVICE: Ipv4Addr = Ipv4Addr::new(10, 97, 0, 1);
const ROGUE: Ipv4Addr = Ipv4Addr::new(10, 97, 9, 9);

/// Another server's answer to the usual packet.
pub(super) fn answer(message_type: u8, yiaddr: Ipv4Addr, options: &[(u8, &[u8])]) -> Vec<u8> {
    let mut packet = RawPacket::new(message_type).options(options).bytes();
    packet[0] = 2;
    packet[16..20].copy_from_slice(&yiaddr.octets());
    packet
}

pub(super) fn server(store: &Store, rules: Rules) -> Server {
    let loaders = Loaders::new([BIOS_LOADER]).and_over_http([UEFI_LOADER]);
    with_loaders(store, rules, loaders)
}

fn with_loaders(store: &Store, rules: Rules, loaders: Loaders) -> Server {
    Server::new(
        store.clone(),
        network(),
        loaders,
        || Responder::Own,
        Timeline::default(),
    )
    .guarded(rules)
}

fn decided(server: &Server, raw: &RawPacket) -> Decision {
    server.decide(&Request::parse(&raw.bytes()).unwrap())
}

fn of(mac: model::MacAddr, raw: RawPacket) -> RawPacket {
    RawPacket { mac, ..raw }
}

#[tokio::test]
async fn only_the_components_of_the_named_groups_are_answered() {
    let store = testing::world(10, 97).await;
    create_group(&store, "moved", "x1000c0s0b0n0").await;
    create_group(&store, "other", "x1000c0s0b0n1").await;
    let rules = Rules {
        answer_only: vec!["moved".into(), "absent".into()],
        ..Rules::default()
    };
    let server = server(&store, rules);
    let discover = RawPacket::discover;
    assert!(matches!(
        decided(&server, &of(NODE, discover())),
        Decision::Reply(_)
    ));
    for mac in [NODE_ON_TWO, BMC] {
        assert_eq!(
            decided(&server, &of(mac, discover())),
            Decision::Silent(Count::NotInGroups)
        );
    }
    testing::put_subnet(&store, testing::with_pool(10, 97)).await;
    let stranger = of(MacAddr([2, 9, 9, 9, 9, 9]), discover());
    assert_eq!(
        decided(&server, &stranger),
        Decision::Silent(Count::UnknownMac),
        "news, and nobody of these groups"
    );
}

fn rogue_requests(server: &Server, raw: &RawPacket) -> u64 {
    server.admit(&Request::parse(&raw.bytes()).unwrap()).unwrap();
    server.guard_counters().get(GuardCount::RogueRequests)
}

#[tokio::test]
async fn a_client_that_chooses_a_server_which_is_nobody_here_gives_it_away() {
    let store = testing::world(10, 97).await;
    let server = server(&store, Rules::default());
    let naming = |id: Ipv4Addr| RawPacket::new(3).options(&[(54, &id.octets())]);
    assert_eq!(rogue_requests(&server, &naming(SERVICE)), 0);
    assert_eq!(rogue_requests(&server, &RawPacket::new(3)), 0);
    let relayed = RawPacket {
        giaddr: ROGUE,
        ..naming(ROGUE)
    };
    assert_eq!(rogue_requests(&server, &relayed), 0, "the relay's own");
    let release = RawPacket::new(7).options(&[(54, &ROGUE.octets())]);
    assert_eq!(rogue_requests(&server, &release), 0);
    assert_eq!(rogue_requests(&server, &naming(ROGUE)), 1);
    let listed = server.0.guard.servers.list("boot");
    assert_eq!(
        (listed.len(), listed[0].address.as_str(), listed[0].requests),
        (1, "10.97.9.9", 1)
    );
}

/// Without a service address each member names itself.
#[tokio::test]
async fn other_members_are_no_rogues_and_expected_servers_neither() {
    let store = testing::world(10, 97).await;
    let network = Network {
        alternatives: vec![ROGUE],
        ..network()
    };
    let raw = RawPacket::new(3).options(&[(54, &ROGUE.octets())]).bytes();
    assert_eq!(foreign_server(&Request::parse(&raw).unwrap(), &network), None);
    let rules = Rules {
        other_servers: vec![ROGUE],
        ..Rules::default()
    };
    let server = server(&store, rules);
    server.admit(&Request::parse(&raw).unwrap()).unwrap();
    let counters = server.guard_counters();
    assert_eq!(counters.get(GuardCount::RogueRequests), 0);
    assert_eq!(counters.get(GuardCount::ExpectedServer), 1);
}

fn proxy_rules() -> Rules {
    Rules {
        mode: Mode::Proxy,
        ..Rules::default()
    }
}

fn proxy(store: &Store) -> Server {
    server(store, proxy_rules())
}

const PXE: &[(u8, &[u8])] = &[(60, b"PXEClient:Arch:00000:UNDI:002001"), (93, &[0, 0])];

fn code_and_value(reply: &crate::Reply, wanted: u8) -> Option<Vec<u8>> {
    let raw = RawPacket::discover().bytes();
    let mut message = Vec::new();
    reply.write(&Request::parse(&raw).unwrap(), &mut message);
    let checked = crate::precheck::check_reply(&message).unwrap();
    checked.option(wanted).map(std::borrow::Cow::into_owned)
}

#[tokio::test]
async fn a_proxy_offers_a_file_and_no_address() {
    let store = testing::world(10, 97).await;
    let server = proxy(&store);
    type Options = &'static [(u8, &'static [u8])];
    let clients: [(Options, &str, &[u8]); 3] = [
        (PXE, BIOS_LOADER, b"PXEClient"),
        (
            &[(60, b"HTTPClient:Arch:00016"), (93, &[0, 16])],
            "http://10.97.0.1:8081/loaders/snponly.efi",
            b"HTTPClient",
        ),
        (
            &[(77, b"iPXE")],
            "http://10.97.0.1:8081/boot/v1/bootscript?mac=02:00:00:00:00:a1",
            b"PXEClient",
        ),
    ];
    for (options, file, class) in clients {
        let Decision::Reply(reply) = decided(&server, &RawPacket::discover().options(options)) else {
            panic!("{file}")
        };
        assert_eq!(reply.message_type, MessageType::Offer);
        assert!(reply.yiaddr.is_unspecified());
        assert_eq!((reply.file.as_str(), reply.siaddr), (file, SERVICE));
        assert_eq!(code_and_value(&reply, 60).unwrap(), class);
        assert_eq!(code_and_value(&reply, 54).unwrap(), SERVICE.octets());
        for absent in [1, 3, 51, 58] {
            assert_eq!(code_and_value(&reply, absent), None, "{absent}");
        }
    }
}

/// The other server's clients are nobody's but its own.
#[tokio::test]
async fn a_proxy_is_silent_about_addresses_and_to_who_does_not_boot() {
    let store = testing::world(10, 97).await;
    testing::put_subnet(&store, testing::with_pool(10, 97)).await;
    let server = proxy(&store);
    let silent = |raw: &RawPacket| match decided(&server, raw) {
        Decision::Silent(why) => why,
        other => panic!("{other:?}"),
    };
    let booting = || RawPacket::discover().options(PXE);
    assert_eq!(silent(&RawPacket::discover()), Count::ProxyOnly);
    assert_eq!(silent(&of(BMC, booting())), Count::ProxyOnly);
    assert_eq!(
        silent(&of(MacAddr([2, 9, 9, 9, 9, 9]), booting())),
        Count::UnknownMac
    );
    let no_loader = RawPacket::discover().options(&[(60, b"PXEClient"), (93, &[0, 7])]);
    assert_eq!(silent(&no_loader), Count::LoaderMissing);
    for message_type in [3, 4, 7, 8] {
        let raw = RawPacket {
            ciaddr: Ipv4Addr::new(10, 97, 7, 7),
            ..RawPacket::new(message_type).options(PXE)
        };
        assert_eq!(silent(&raw), Count::ProxyOnly, "{message_type}");
    }
}

fn on_proxy_port(server: &Server, raw: &RawPacket) -> Decision {
    let packet = raw.bytes();
    let request = Request::parse(&packet).unwrap();
    server.with_site(|state, site| proxy::decide_on_proxy_port(state, &request, site))
}

#[tokio::test]
async fn port_4011_acknowledges_a_file_to_who_has_an_address_here() {
    let store = testing::world(10, 97).await;
    let server = proxy(&store);
    let asks = |ciaddr| RawPacket {
        ciaddr,
        ..RawPacket::new(3).options(PXE)
    };
    let own = Ipv4Addr::new(10, 97, 7, 7);
    let Decision::Reply(reply) = on_proxy_port(&server, &asks(own)) else {
        panic!()
    };
    assert_eq!(reply.message_type, MessageType::Ack);
    assert_eq!((reply.ciaddr, reply.file.as_str()), (own, BIOS_LOADER));
    assert!(reply.yiaddr.is_unspecified());
    assert_eq!(code_and_value(&reply, 43).unwrap(), PXE_BOOT_THE_FILE);
    let silent = |raw: &RawPacket| on_proxy_port(&server, raw);
    assert_eq!(
        silent(&asks(Ipv4Addr::UNSPECIFIED)),
        Decision::Silent(Count::ProxyOnly)
    );
    assert_eq!(
        silent(&asks(Ipv4Addr::new(192, 0, 2, 1))),
        Decision::Silent(Count::NoAddressAsked),
        "or anybody could have answers sent anywhere"
    );
    assert_eq!(
        silent(&RawPacket::discover().options(PXE)),
        Decision::Silent(Count::ProxyOnly)
    );
}

/// Sub-option 6 (discovery control): boot the file, ask nobody else.
const PXE_BOOT_THE_FILE: [u8; 4] = [6, 1, 8, 255];

/// EDK II until 2017 drops a proxy's offer with option 43 (issue 6944). A BIOS keeps it, and boots at once.
#[tokio::test]
async fn uefi_firmware_is_left_to_ask_port_4011() {
    let store = testing::world(10, 97).await;
    let loaders = Loaders::new([BIOS_LOADER, UEFI_LOADER]);
    let server = with_loaders(&store, proxy_rules(), loaders);
    const UEFI: &[(u8, &[u8])] = &[(60, b"PXEClient:Arch:00007:UNDI:003001"), (93, &[0, 7])];
    for (options, file, vendor) in [
        (UEFI, UEFI_LOADER, None),
        (PXE, BIOS_LOADER, Some(PXE_BOOT_THE_FILE.to_vec())),
    ] {
        let asks = RawPacket {
            ciaddr: Ipv4Addr::new(10, 97, 7, 7),
            ..RawPacket::new(3).options(options)
        };
        let offer = decided(&server, &RawPacket::discover().options(options));
        for answer in [offer, on_proxy_port(&server, &asks)] {
            let Decision::Reply(reply) = answer else {
                panic!("{file}")
            };
            assert_eq!((reply.file.as_str(), reply.siaddr), (file, SERVICE));
            assert_eq!(code_and_value(&reply, 60).unwrap(), b"PXEClient");
            assert_eq!(code_and_value(&reply, 67).unwrap(), file.as_bytes());
            assert_eq!(code_and_value(&reply, 43), vendor, "{file}");
        }
    }
}

/// What another member has leased is not asked for again, and what nobody has is.
#[tokio::test]
async fn only_addresses_that_are_new_to_their_client_are_asked_for() {
    let store = testing::world(10, 97).await;
    testing::put_subnet(&store, testing::with_pool(10, 97)).await;
    let rules = Rules {
        probe: Duration::from_millis(300),
        ..Rules::default()
    };
    let server = server(&store, rules);
    let stranger = MacAddr([2, 9, 9, 9, 9, 1]);
    let leased = Ipv4Addr::new(10, 97, 200, 7);
    let asked_for = |raw: &RawPacket| {
        let packet = raw.bytes();
        let request = Request::parse(&packet).unwrap();
        let decision = server.decide(&request);
        server
            .to_be_probed(&request, &decision)
            .map(|(address, _)| address)
    };
    let discover = of(stranger, RawPacket::discover());
    let wishes = discover.clone().options(&[(50, &leased.octets())]);
    assert_eq!(asked_for(&wishes), None, "there are no means yet");
    server.0.guard.prober.open(|_, _| Ok(()));
    assert_eq!(asked_for(&wishes), Some(leased));
    assert_eq!(asked_for(&of(NODE, RawPacket::discover())), None, "a reservation");
    let selecting = [(54, &SERVICE.octets()[..]), (50, &leased.octets())];
    let selects = of(stranger, RawPacket::new(3).options(&selecting));
    assert_eq!(asked_for(&selects), Some(leased), "another member's offer");
    let relayed = RawPacket {
        giaddr: Ipv4Addr::new(10, 97, 0, 77),
        ..selects.clone()
    };
    assert_eq!(asked_for(&relayed), None, "an answer might be the client's own");
    testing::bind(&store, leased, stranger).await;
    assert_eq!(asked_for(&discover), None, "its own");
    let renews = RawPacket {
        ciaddr: leased,
        ..of(stranger, RawPacket::new(3))
    };
    assert_eq!(asked_for(&renews), None);
}

/// Whoever looks at the packet must not see a lease or an answer come of it.
#[tokio::test]
async fn an_observer_compares_and_writes_nothing() {
    let store = testing::world(10, 97).await;
    let rules = Rules {
        mode: Mode::Observe,
        other_servers: vec![ROGUE],
        ..Rules::default()
    };
    let server = server(&store, rules);
    let before = store.state().applied_index();
    let offered = Ipv4Addr::new(10, 97, 2, 9);
    let observe = |packet: &[u8]| server.observe(&mut Request::parse(packet).unwrap());
    assert_eq!(observe(&RawPacket::discover().bytes()), Count::Observed);
    let selecting = [(54, &ROGUE.octets()[..]), (50, &offered.octets())];
    let selects = RawPacket::new(3).options(&selecting).bytes();
    assert_eq!(observe(&selects), Count::Observed);
    let listed = server.0.guard.observed.list("boot");
    assert_eq!(listed.len(), 1, "the offer went to its client alone");
    assert_eq!(
        (
            listed[0].differences[0].ours.as_str(),
            listed[0].differences[0].theirs.as_str()
        ),
        ("10.97.2.1", "10.97.2.9")
    );
    assert_eq!(store.state().applied_index(), before);
}
