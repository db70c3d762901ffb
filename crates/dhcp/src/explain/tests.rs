//! Explanations of a world of nodes and pools; each is held against what the server itself decides.

use std::net::Ipv4Addr;
use std::time::Duration;

use proto::dhcp::v1::dhcp_explain_service_server::DhcpExplainService as _;
use proto::dhcp::v1::dhcp_network_answer::Turn as TurnShown;
use proto::dhcp::v1::subnet::UnknownClients;
use proto::dhcp::v1::{DhcpAnswer, DhcpNetworkAnswer, DhcpPolicy, DhcpPolicyPlace, Subnet};
use proto::smd::v1::smd_command::{Change as SmdChange, DeleteIpAddress};
use timeline::Timeline;
use tonic::Code;

use super::*;
use crate::network::{BIOS_LOADER, Loaders, Network, UEFI_LOADER};
use crate::testing::{self, BMC, NODE, NODE_ON_TWO, NODE_WITHOUT_ADDRESS};
use crate::waiting::Responder;

const STRANGER: MacAddr = MacAddr([2, 9, 9, 9, 9, 1]);
const PXE_X64: &str = "PXEClient:Arch:00007:UNDI:003016";

fn x(last: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, 97, 200, last)
}

fn server(store: &Store, turn: Responder) -> Server {
    let network = testing::network();
    let loaders = Loaders::new([BIOS_LOADER]).and_over_http([UEFI_LOADER]);
    Server::new(store.clone(), network, loaders, move || turn, Timeline::default())
}

fn service(store: &Store) -> ExplainService {
    let servers = Servers::default();
    servers.put("boot", &server(store, Responder::Own));
    ExplainService::new(store.clone(), servers)
}

/// A world with the pool `.200.1` to `.200.100`.
async fn world(unknown_clients: UnknownClients) -> Store {
    let store = testing::world(10, 97).await;
    let subnet = Subnet {
        unknown_clients: unknown_clients.into(),
        ..testing::with_pool(10, 97)
    };
    testing::put_subnet(&store, subnet).await;
    store
}

fn of(mac: MacAddr) -> ExplainDhcpRequest {
    ExplainDhcpRequest {
        mac: mac.to_string(),
        ..ExplainDhcpRequest::default()
    }
}

async fn explain(service: &ExplainService, request: ExplainDhcpRequest) -> DhcpExplanation {
    let answer = service.explain_dhcp(Request::new(request)).await;
    answer.unwrap().into_inner()
}

async fn boot(store: &Store, request: ExplainDhcpRequest) -> DhcpNetworkAnswer {
    explain(&service(store), request).await.networks.remove(0)
}

fn both(network: &DhcpNetworkAnswer) -> (&DhcpAnswer, &DhcpAnswer) {
    (
        network.discover.as_ref().unwrap(),
        network.request.as_ref().unwrap(),
    )
}

fn option(answer: &DhcpAnswer, code: u32) -> Option<&str> {
    let option = answer.options.iter().find(|option| option.code == code);
    option.map(|option| option.value.as_str())
}

#[tokio::test]
async fn a_node_is_explained_with_its_address_its_options_and_what_it_boots() {
    let store = testing::world(10, 97).await;
    let explained = explain(&service(&store), of(NODE)).await;
    let interface = explained.interface.as_ref().unwrap();
    assert_eq!(
        (interface.component_id.as_str(), interface.boots),
        ("x1000c0s0b0n0", true)
    );
    assert_eq!(interface.addresses[0].subnet, "10.97.0.0/16");
    assert_eq!(explained.revision, store.state().applied_index());
    assert!(explained.has_leader && explained.unknown.is_none() && explained.leases.is_empty());

    let pxe = ExplainDhcpRequest {
        architectures: vec![0],
        vendor_class: "PXEClient:Arch:00000:UNDI:002001".into(),
        ..of(NODE)
    };
    let network = boot(&store, pxe).await;
    assert_eq!(
        (network.network.as_str(), network.turn()),
        ("boot", TurnShown::Holder)
    );
    assert_eq!(network.subnet, "10.97.0.0/16");
    assert!(
        network.subnet_reason.contains("service address 10.97.0.1"),
        "{}",
        network.subnet_reason
    );
    let (offer, ack) = both(&network);
    assert_eq!((offer.outcome(), ack.outcome()), (Outcome::Offer, Outcome::Ack));
    for answer in [offer, ack] {
        assert_eq!(answer.address, "10.97.2.1");
        assert_eq!(
            (answer.file.as_str(), answer.next_server.as_str()),
            (BIOS_LOADER, "10.97.0.1")
        );
        assert!(answer.why.contains("x1000c0s0b0n0"), "{}", answer.why);
        assert_eq!(
            answer.boot_reason,
            "PXE, architecture 0 (BIOS x86): undionly.kpxe"
        );
        let values = [
            (54, "10.97.0.1"),
            (51, "3600 s"),
            (3, "10.97.0.254"),
            (12, "nid0001"),
            (67, BIOS_LOADER),
        ];
        for (code, value) in values {
            assert_eq!(option(answer, code), Some(value), "{code}");
        }
        assert_eq!(answer.options[0].name, "DHCP Msg Type");
    }
    assert_eq!(offer.destination, "02:00:00:00:00:a1, without ARP");
}

/// Each of them costs an administrator an hour if it is not said.
#[tokio::test]
async fn why_nothing_is_booted_is_said() {
    let store = testing::world(10, 97).await;
    let firmware = |mac, architectures: &[u32], class: &str| ExplainDhcpRequest {
        architectures: architectures.to_vec(),
        vendor_class: class.into(),
        ..of(mac)
    };
    let cases = [
        (
            firmware(NODE, &[7], PXE_X64),
            "loader_missing",
            "needs snponly.efi",
        ),
        (
            firmware(NODE, &[25], PXE_X64),
            "architecture_unknown",
            "25 (UEFI RISC-V 32)",
        ),
        (
            firmware(NODE, &[], PXE_X64),
            "architecture_unknown",
            "no architecture (option 93)",
        ),
        (firmware(NODE, &[], ""), "", "does not ask to boot"),
        (firmware(BMC, &[0], PXE_X64), "", "x1000c0s0b0 is no node"),
        (firmware(testing::UNASSIGNED, &[0], PXE_X64), "", "nobody's"),
    ];
    for (request, reason, why) in cases {
        let network = boot(&store, request).await;
        let (offer, _) = both(&network);
        assert_eq!(
            (offer.outcome(), offer.reason.as_str()),
            (Outcome::Offer, reason),
            "{why}"
        );
        assert!(offer.boot_reason.contains(why), "{why}: {}", offer.boot_reason);
        assert_eq!((offer.file.as_str(), option(offer, 67)), ("", None), "{why}");
    }
    let http = boot(&store, firmware(NODE, &[16], "HTTPClient:Arch:00016")).await;
    assert_eq!(both(&http).0.file, "http://10.97.0.1:8081/loaders/snponly.efi");
    let ipxe = ExplainDhcpRequest {
        user_class: "iPXE".into(),
        ..of(NODE)
    };
    let network = boot(&store, ipxe).await;
    let (offer, _) = both(&network);
    assert!(
        offer.file.ends_with("bootscript?mac=02:00:00:00:00:a1"),
        "{}",
        offer.file
    );
    assert_eq!(offer.boot_reason, "iPXE (option 77 or 175): its script");
}

/// The counter's name leads from here to the metric and back.
#[tokio::test]
async fn a_silence_has_the_name_of_its_counter() {
    let store = testing::world(10, 97).await;
    let through = |mac, relay: &str| ExplainDhcpRequest {
        relay: relay.into(),
        ..of(mac)
    };
    let cases = [
        (of(STRANGER), "unknown_mac", "10.97.0.0/16"),
        (of(NODE_WITHOUT_ADDRESS), "no_address_here", "10.97.0.0/16"),
        (through(NODE, "203.0.113.1"), "relay_not_served", ""),
        (through(NODE, "10.98.0.9"), "no_address_here", "10.98.0.0/16"),
    ];
    for (request, reason, subnet) in cases {
        let network = boot(&store, request).await;
        let discover = network.discover.as_ref().unwrap();
        assert_eq!(
            (discover.outcome(), discover.reason.as_str()),
            (Outcome::Silence, reason)
        );
        assert!(
            !discover.why.is_empty() && !discover.why.starts_with("Silence"),
            "{}",
            discover.why
        );
        assert_eq!(network.subnet, subnet, "{reason}");
        assert!(
            network.request.is_none(),
            "nothing is asked for that was not offered"
        );
    }
}

fn policy(name: &str, priority: u32) -> DhcpPolicy {
    DhcpPolicy {
        name: name.into(),
        priority: Some(priority),
        ..DhcpPolicy::default()
    }
}

/// Of many policies one keeps the client out; whoever looks for it needs its name.
#[tokio::test]
async fn the_policy_that_ignores_a_client_is_named_with_its_place() {
    let store = world(UnknownClients::Address).await;
    let policies = [
        DhcpPolicy {
            mtu: 1500,
            continues: true,
            ..policy("all", 900)
        },
        DhcpPolicy {
            component_types: vec!["NodeBMC".into()],
            ignore: true,
            ..policy("bmcs", 700)
        },
        DhcpPolicy {
            subnets: vec!["10.97.2.1/32".into()],
            ignore: true,
            ..policy("one-address", 700)
        },
        DhcpPolicy {
            subnets: vec!["10.97.0.0/16".into()],
            ignore: true,
            ..policy("rest", 0)
        },
    ];
    for policy in policies {
        testing::put_policy(&store, policy).await;
    }
    let cases = [
        (BMC, "bmcs", 2, 700),
        (NODE, "one-address", 3, 700),
        (NODE_ON_TWO, "rest", 4, 0),
        (NODE_WITHOUT_ADDRESS, "rest", 4, 0),
        (STRANGER, "rest", 4, 0),
    ];
    for (mac, name, place, priority) in cases {
        let network = boot(&store, of(mac)).await;
        let discover = network.discover.as_ref().unwrap();
        assert_eq!(
            (discover.outcome(), discover.reason.as_str()),
            (Outcome::Silence, "ignored_by_policy")
        );
        let expected = DhcpPolicyPlace {
            name: name.into(),
            place,
            of: 4,
            priority,
        };
        assert_eq!(discover.ignored_by.as_ref(), Some(&expected), "{mac}");
        assert_eq!(discover.why, format!("the policy {name} ignores this client"));
    }
}

#[tokio::test]
async fn only_a_client_that_is_ignored_is_told_of_a_policy() {
    let store = testing::world(10, 97).await;
    let mtu = DhcpPolicy {
        mtu: 1500,
        ..policy("all", 900)
    };
    testing::put_policy(&store, mtu).await;
    for (mac, outcome) in [(NODE, Outcome::Offer), (STRANGER, Outcome::Silence)] {
        let network = boot(&store, of(mac)).await;
        let discover = network.discover.as_ref().unwrap();
        assert_eq!(
            (discover.outcome(), &discover.ignored_by),
            (outcome, &None),
            "{mac}"
        );
    }
}

/// An administrator asks that one next.
#[tokio::test]
async fn another_member_that_answers_is_named_where_it_is_known() {
    let store = testing::world(10, 97).await;
    let cases = [
        (Some(3), 3, "member 3 answers the client"),
        (None, 0, "another member answers the client"),
    ];
    for (member, shown, why) in cases {
        let servers = Servers::default();
        servers.put("boot", &server(&store, Responder::Other { member, heard: None }));
        let explained = explain(&ExplainService::new(store.clone(), servers), of(NODE)).await;
        let network = &explained.networks[0];
        assert_eq!(
            (network.turn(), network.answering_member),
            (TurnShown::Waits, shown)
        );
        assert!(network.turn_reason.starts_with(why), "{}", network.turn_reason);
    }
    for turn in [Responder::Own, Responder::StandIn] {
        let servers = Servers::default();
        servers.put("boot", &server(&store, turn));
        let explained = explain(&ExplainService::new(store.clone(), servers), of(NODE)).await;
        assert_eq!(explained.networks[0].answering_member, 0, "{turn:?}");
    }
}

#[tokio::test]
async fn a_relay_and_the_link_that_it_names_decide_about_the_subnet() {
    let store = testing::world(10, 97).await;
    let through = ExplainDhcpRequest {
        relay: "10.98.0.9".into(),
        ..of(NODE_ON_TWO)
    };
    let network = boot(&store, through.clone()).await;
    assert_eq!(
        (network.subnet.as_str(), both(&network).0.address.as_str()),
        ("10.98.0.0/16", "10.98.2.2")
    );
    assert_eq!(network.subnet_reason, "the relay 10.98.0.9 is in it");
    assert_eq!(both(&network).0.destination, "the relay, 10.98.0.9:67");
    let named = ExplainDhcpRequest {
        link: "10.97.0.0".into(),
        ..through
    };
    let network = boot(&store, named).await;
    assert_eq!(
        (network.subnet.as_str(), both(&network).0.address.as_str()),
        ("10.97.0.0/16", "10.97.2.2")
    );
    assert!(
        network.subnet_reason.contains("82.5"),
        "{}",
        network.subnet_reason
    );
}

/// What must not happen: a lease, an offer that keeps the address from others, news of a stranger.
#[tokio::test]
async fn nothing_comes_of_an_explanation() {
    let store = world(UnknownClients::Boot).await;
    let servers = Servers::default();
    let server = server(&store, Responder::Own);
    servers.put("boot", &server);
    let service = ExplainService::new(store.clone(), servers);
    let before = store.state().applied_index();
    let first = explain(&service, of(STRANGER)).await;
    let (offer, ack) = both(&first.networks[0]);
    assert_eq!(
        (offer.outcome(), ack.outcome()),
        (Outcome::Offer, Outcome::AckAfterCommit)
    );
    assert_eq!(offer.address, ack.address);
    let lease = option(ack, 51);
    assert!(
        matches!(lease, Some("299 s" | "300 s")),
        "tried out on a copy: {lease:?}"
    );
    assert!(ack.why.contains("committed"), "{}", ack.why);
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(store.state().applied_index(), before);
    assert_eq!(store.state().dhcp.leases().count(), 0);
    assert_eq!(server.offers_outstanding(), 0);
    assert!(server.counters().all().iter().all(|(_, count)| *count == 0));
    let other = ExplainDhcpRequest {
        requested: offer.address.clone(),
        ..of(MacAddr([2, 9, 9, 9, 9, 2]))
    };
    assert_eq!(
        both(&boot(&store, other).await).0.address,
        offer.address,
        "it is kept for nobody"
    );
}

#[tokio::test]
async fn a_request_for_an_address_of_somebody_else_is_refused() {
    let store = world(UnknownClients::Address).await;
    testing::bind(&store, x(7), NODE_WITHOUT_ADDRESS).await;
    let wants = |mac| ExplainDhcpRequest {
        requested: x(7).to_string(),
        ..of(mac)
    };
    let network = boot(&store, wants(STRANGER)).await;
    let (offer, nak) = both(&network);
    assert_ne!(offer.address, x(7).to_string());
    assert_eq!((nak.outcome(), option(nak, 53)), (Outcome::Nak, Some("DHCPNAK")));
    assert!(nak.why.contains("10.97.200.7"), "{}", nak.why);
    assert!(
        offer.boot_reason.contains("an address only"),
        "{}",
        offer.boot_reason
    );

    let explained = explain(&service(&store), wants(NODE_WITHOUT_ADDRESS)).await;
    assert_eq!(explained.leases[0].address, x(7).to_string());
    let (offer, ack) = both(&explained.networks[0]);
    assert_eq!(
        (offer.address.as_str(), ack.outcome()),
        ("10.97.200.7", Outcome::Ack)
    );
    assert!(offer.why.contains("has, or had last"), "{}", offer.why);
}

#[tokio::test]
async fn an_address_that_is_held_is_named_for_both_its_owners() {
    let store = testing::world(10, 97).await;
    let lose = DeleteIpAddress {
        id: NODE.id(),
        ip: "10.97.2.1".into(),
        ..DeleteIpAddress::default()
    };
    testing::smd(&store, SmdChange::DeleteIpAddress(lose)).await;
    testing::add_address(&store, NODE_WITHOUT_ADDRESS, Ipv4Addr::new(10, 97, 2, 1), "").await;
    let service = service(&store);
    for mac in [NODE, NODE_WITHOUT_ADDRESS] {
        let explained = explain(&service, of(mac)).await;
        assert_eq!(explained.held.len(), 1, "{mac}");
        assert_eq!(explained.held[0].mac, NODE.to_string());
    }
    let network = boot(&store, of(NODE_WITHOUT_ADDRESS)).await;
    assert_eq!(network.discover.unwrap().reason, "address_held");
}

/// Nothing new and no refusal, but what is reserved or committed.
#[tokio::test]
async fn without_a_majority_the_explanation_says_what_is_left() {
    let store = world(UnknownClients::Address).await;
    testing::bind(&store, x(7), NODE_WITHOUT_ADDRESS).await;
    let cut_off = Store::in_memory_without_majority(store.state().as_ref().clone());
    let node = explain(&service(&cut_off), of(NODE)).await;
    assert!(!node.has_leader);
    assert_eq!(
        option(both(&node.networks[0]).1, 51),
        Some("300 s"),
        "isolated-lease-s"
    );
    let wrong = ExplainDhcpRequest {
        requested: "10.97.2.99".into(),
        ..of(NODE)
    };
    let network = boot(&cut_off, wrong).await;
    let (offer, request) = both(&network);
    assert_eq!(offer.outcome(), Outcome::Offer);
    let no_majority =
        |answer: &DhcpAnswer| (answer.outcome(), answer.reason.as_str()) == (Outcome::Silence, "no_majority");
    assert!(no_majority(request), "{request:?}");
    let network = boot(&cut_off, of(STRANGER)).await;
    let offer = network.discover.as_ref().unwrap();
    assert!(no_majority(offer), "nothing new: {offer:?}");
}

#[tokio::test]
async fn of_several_networks_those_are_shown_that_answer() {
    let store = testing::world(10, 97).await;
    let servers = Servers::default();
    servers.put("boot", &server(&store, Responder::StandIn));
    let elsewhere = Network {
        service_address: Ipv4Addr::new(10, 99, 0, 1),
        http_port: None,
        relayed_subnets: vec![],
        ..testing::network()
    };
    let third = Server::new(
        store.clone(),
        elsewhere,
        Loaders::default(),
        || Responder::Other {
            member: None,
            heard: None,
        },
        Timeline::default(),
    );
    servers.put("third", &third);
    let service = ExplainService::new(store.clone(), servers.clone());
    let names = async |request| {
        let networks = explain(&service, request).await.networks;
        let shown = networks
            .iter()
            .map(|network| (network.network.clone(), network.turn()));
        shown.collect::<Vec<_>>()
    };
    let (boot, third) = (
        ("boot".to_owned(), TurnShown::StandsIn),
        ("third".to_owned(), TurnShown::Waits),
    );
    assert_eq!(
        names(of(testing::NODE_ON_THIRD)).await,
        std::slice::from_ref(&third)
    );
    assert_eq!(
        names(of(STRANGER)).await,
        [boot.clone(), third.clone()],
        "none answers"
    );
    let on_third = |network: &str| ExplainDhcpRequest {
        network: network.into(),
        ..of(NODE)
    };
    assert_eq!(names(on_third("third")).await, [third]);
    let refused = service
        .explain_dhcp(Request::new(on_third("x")))
        .await
        .unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    assert!(refused.message().contains("boot, third"), "{refused:?}");
    servers.remove("third");
    assert_eq!(names(of(NODE)).await, [boot]);
    servers.remove("boot");
    let nobody = service.explain_dhcp(Request::new(of(NODE))).await.unwrap_err();
    assert_eq!(nobody.code(), Code::FailedPrecondition, "{nobody:?}");
}
