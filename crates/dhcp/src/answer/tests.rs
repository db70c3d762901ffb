//! What counts of an option: what a policy says, else the subnet, else what the server has by itself.

use dhcproto::v4::OptionCode;
use model::MacAddr;
use proto::dhcp::v1::dhcp_policy::DomainAppend;
use proto::dhcp::v1::{DhcpPolicy, RawOption, Subnet};
use raft::Store;

use super::*;
use crate::counters::Count;
use crate::network::{BIOS_LOADER, Loaders};
use crate::policy::{Decision, decide};
use crate::testing::{self, BMC, NODE, NODE_WITHOUT_ADDRESS, RawPacket, UNASSIGNED};

const SERVER: Ipv4Addr = Ipv4Addr::new(10, 97, 0, 1);
const STRANGER: MacAddr = MacAddr([2, 9, 9, 9, 9, 1]);
const BROADCAST_ADDRESS: u8 = 28;

/// The world, with these policies.
async fn world(policies: impl IntoIterator<Item = DhcpPolicy>) -> Store {
    let store = testing::world(10, 97).await;
    for policy in policies {
        testing::put_policy(&store, policy).await;
    }
    store
}

fn policy(name: &str) -> DhcpPolicy {
    DhcpPolicy {
        name: name.into(),
        ..DhcpPolicy::default()
    }
}

fn texts(list: &[&str]) -> Vec<String> {
    list.iter().map(ToString::to_string).collect()
}

fn hex(code: u32, hex: &str) -> RawOption {
    RawOption {
        code,
        hex: hex.into(),
        ..RawOption::default()
    }
}

fn text(code: u32, text: &str) -> RawOption {
    RawOption {
        code,
        text: text.into(),
        ..RawOption::default()
    }
}

fn raw(option: RawOption) -> DhcpPolicy {
    DhcpPolicy {
        options: vec![option],
        ..policy("raw")
    }
}

fn decided(store: &Store, raw: &RawPacket, isolated_lease_s: Option<u32>) -> Decision {
    let packet = raw.bytes();
    let network = testing::network();
    let loaders = Loaders::new([BIOS_LOADER]);
    let site = Site {
        isolated_lease_s,
        ..Site::new(&network, &loaders, store.cluster_time_ms())
    };
    decide(&store.state(), &Request::parse(&packet).unwrap(), &site)
}

fn reply(store: &Store, raw: &RawPacket) -> Reply {
    match decided(store, raw, None) {
        Decision::Reply(reply) | Decision::Offer(reply, _) => reply,
        other => panic!("{other:?}"),
    }
}

fn from(mac: MacAddr) -> RawPacket {
    RawPacket {
        mac,
        ..RawPacket::discover()
    }
}

/// Every option of an answer by its code, as it would be sent.
fn sent(store: &Store, raw: &RawPacket) -> Vec<(u8, Vec<u8>)> {
    use dhcproto::{Encodable, Encoder};
    let encoded = reply(store, raw).options.into_iter().map(|option| {
        let mut bytes = Vec::new();
        option.encode(&mut Encoder::new(&mut bytes)).unwrap();
        (bytes[0], bytes.split_off(2))
    });
    encoded.collect()
}

fn value(store: &Store, raw: &RawPacket, code: u8) -> Option<Vec<u8>> {
    let mut found = sent(store, raw).into_iter().filter(|(of, _)| *of == code);
    let value = found.next().map(|(_, value)| value);
    assert_eq!(found.next(), None, "option {code} once");
    value
}

#[tokio::test]
async fn a_policy_counts_more_than_the_subnet_for_each_option() {
    let address = |d| vec![10, 97, 9, d];
    let own = |d| texts(&[&format!("10.97.9.{d}")]);
    for (said, code, expected) in [
        (
            DhcpPolicy {
                hostname: "n{02d}".into(),
                ..policy("a")
            },
            12,
            b"n01".to_vec(),
        ),
        (
            DhcpPolicy {
                domain: "own.example".into(),
                ..policy("a")
            },
            15,
            b"own.example".to_vec(),
        ),
        (
            DhcpPolicy {
                routers: own(1),
                ..policy("a")
            },
            3,
            address(1),
        ),
        (
            DhcpPolicy {
                dns_servers: own(2),
                ..policy("a")
            },
            6,
            address(2),
        ),
        (
            DhcpPolicy {
                ntp_servers: own(3),
                ..policy("a")
            },
            42,
            address(3),
        ),
        (
            DhcpPolicy {
                mtu: 1400,
                ..policy("a")
            },
            26,
            vec![5, 120],
        ),
        (
            DhcpPolicy {
                lease_time_s: 7200,
                ..policy("a")
            },
            51,
            vec![0, 0, 28, 32],
        ),
        (
            DhcpPolicy {
                prefix_length: 24,
                ..policy("a")
            },
            1,
            vec![255, 255, 255, 0],
        ),
        (
            DhcpPolicy {
                prefix_length: 24,
                ..policy("a")
            },
            BROADCAST_ADDRESS,
            vec![10, 97, 2, 255],
        ),
        (
            raw(hex(28, "0a61ffff")),
            BROADCAST_ADDRESS,
            vec![10, 97, 255, 255],
        ),
        (raw(text(100, "CET-1")), 100, b"CET-1".to_vec()),
    ] {
        let plain = world([]).await;
        let store = world([said.clone()]).await;
        let discover = RawPacket::discover();
        assert_eq!(value(&store, &discover, code), Some(expected), "{said:?}");
        let others = |store: &Store| -> Vec<_> {
            let all = sent(store, &discover).into_iter();
            // T1 and T2 follow the lease, the broadcast address the mask
            all.filter(|(of, _)| *of != code && ![58, 59, 28, 1].contains(of))
                .collect()
        };
        assert_eq!(others(&store), others(&plain), "{said:?}");
    }
}

#[tokio::test]
async fn a_subnet_counts_more_than_what_the_server_has_and_a_policy_more_than_both() {
    let store = world([]).await;
    let subnet = Subnet {
        network: "10.97.0.0/16".into(),
        ntp_servers: texts(&["10.97.0.5"]),
        options: vec![hex(28, "0a610001"), text(100, "CET-1"), text(101, "Europe/Bern")],
        ..Subnet::default()
    };
    testing::put_subnet(&store, subnet).await;
    let discover = RawPacket::discover();
    assert_eq!(value(&store, &discover, 28), Some(vec![10, 97, 0, 1]));
    assert_eq!(value(&store, &discover, 42), Some(vec![10, 97, 0, 5]));
    let codes: Vec<u8> = sent(&store, &discover)
        .into_iter()
        .map(|(code, _)| code)
        .collect();
    assert_eq!(
        codes,
        [54, 51, 58, 59, 1, 12, 28, 42, 100, 101],
        "of no need come last"
    );
    testing::put_policy(&store, raw(text(101, "Europe/Berlin"))).await;
    assert_eq!(value(&store, &discover, 100), Some(b"CET-1".to_vec()));
    assert_eq!(value(&store, &discover, 101), Some(b"Europe/Berlin".to_vec()));
}

#[tokio::test]
async fn the_name_of_option_12_is_followed_by_the_domains_that_are_said() {
    let name = async |said: DhcpPolicy| {
        let store = world([said]).await;
        String::from_utf8(value(&store, &RawPacket::discover(), 12).unwrap()).unwrap()
    };
    let append = |append: DomainAppend| DhcpPolicy {
        domain: "own.example".into(),
        domain_append: append.into(),
        ..policy("a")
    };
    assert_eq!(name(append(DomainAppend::None)).await, "nid0001");
    assert_eq!(name(append(DomainAppend::Either)).await, "nid0001.own.example");
    assert_eq!(name(append(DomainAppend::Subnet)).await, "nid0001.demo.example");
    let both = append(DomainAppend::PolicySubnet);
    assert_eq!(name(both).await, "nid0001.own.example.demo.example");
}

/// What SMD says may have changed elsewhere, whatever a policy grants.
#[tokio::test]
async fn a_member_without_a_leader_grants_a_short_lease_only() {
    let store = world([DhcpPolicy {
        lease_time_s: 7200,
        ..policy("a")
    }])
    .await;
    let Decision::Reply(offer) = decided(&store, &RawPacket::discover(), Some(300)) else {
        panic!("no offer")
    };
    assert_eq!(offer.options[1], DhcpOption::AddressLeaseTime(300));
}

#[tokio::test]
async fn whoever_is_ignored_hears_nothing() {
    let bmcs = DhcpPolicy {
        component_types: texts(&["NodeBMC"]),
        ignore: true,
        ..policy("bmcs")
    };
    let store = world([bmcs]).await;
    testing::put_subnet(&store, testing::with_pool(10, 97)).await;
    for message_type in [1, 3, 4, 7, 8] {
        let raw = RawPacket {
            mac: BMC,
            ciaddr: Ipv4Addr::new(10, 97, 3, 1),
            ..RawPacket::new(message_type)
        };
        let ignored = Decision::Silent(Count::IgnoredByPolicy);
        assert_eq!(decided(&store, &raw, None), ignored, "{message_type}");
    }
    for other in [NODE, NODE_WITHOUT_ADDRESS, STRANGER, UNASSIGNED] {
        reply(&store, &from(other));
    }
    let nodes = DhcpPolicy {
        hosts: texts(&["x1000c0s0b0n2"]),
        ignore: true,
        ..policy("node")
    };
    testing::put_policy(&store, nodes).await;
    let of_a_pool = decided(&store, &from(NODE_WITHOUT_ADDRESS), None);
    assert_eq!(of_a_pool, Decision::Silent(Count::IgnoredByPolicy));
    let here = DhcpPolicy {
        subnets: texts(&["10.97.0.0/16"]),
        ignore: true,
        ..policy("here")
    };
    testing::put_policy(&store, here).await;
    let unknown = decided(&store, &from(STRANGER), None);
    assert_eq!(unknown, Decision::Silent(Count::IgnoredByPolicy));
}

/// How long an address of a pool is whose is in the log.
#[tokio::test]
async fn clients_of_pools_are_told_the_options_but_keep_to_the_pools_lease() {
    let here = DhcpPolicy {
        subnets: texts(&["10.97.0.0/16"]),
        hostname: "{id}".into(),
        lease_time_s: 7200,
        mtu: 1400,
        ..policy("here")
    };
    let store = world([here]).await;
    testing::put_subnet(&store, testing::with_pool(10, 97)).await;
    for mac in [STRANGER, NODE_WITHOUT_ADDRESS] {
        assert_eq!(value(&store, &from(mac), 26), Some(vec![5, 120]));
        assert_eq!(value(&store, &from(mac), 51), Some(vec![0, 0, 1, 44]));
        assert_eq!(value(&store, &from(mac), 12), None);
    }
    let part = DhcpPolicy {
        subnets: texts(&["10.97.3.0/24"]),
        mtu: 1300,
        priority: Some(900),
        ..policy("part")
    };
    testing::put_policy(&store, part).await;
    assert_eq!(
        value(&store, &from(STRANGER), 26),
        Some(vec![5, 120]),
        "it may get another address"
    );
    assert_eq!(value(&store, &from(BMC), 26), Some(vec![5, 20]));
}

#[tokio::test]
async fn an_inform_is_answered_with_the_policys_options() {
    let store = world([DhcpPolicy {
        mtu: 1400,
        prefix_length: 24,
        ..policy("a")
    }])
    .await;
    let inform = RawPacket {
        ciaddr: Ipv4Addr::new(10, 97, 2, 1),
        ..RawPacket::new(8)
    };
    assert_eq!(value(&store, &inform, 26), Some(vec![5, 120]));
    assert_eq!(value(&store, &inform, 28), Some(vec![10, 97, 2, 255]));
}

#[tokio::test]
async fn a_network_boot_keeps_what_it_needs() {
    let ztp = DhcpPolicy {
        options: vec![
            text(66, "10.97.0.9"),
            text(67, "ztp.py"),
            hex(43, "0104"),
            text(60, "Own"),
            hex(150, "01"),
        ],
        ..policy("ztp")
    };
    let store = world([ztp]).await;
    let pxe = [(60, &b"PXEClient:Arch:00000:UNDI:002001"[..]), (93, &[0, 0])];
    let boots = reply(&store, &RawPacket::discover().options(&pxe));
    assert_eq!((boots.siaddr, boots.file.as_str()), (SERVER, BIOS_LOADER));
    let has = |code: OptionCode, reply: &Reply| {
        let own = reply
            .options
            .iter()
            .filter(|option| OptionCode::from(*option) == code);
        own.count()
    };
    for code in [
        OptionCode::ClassIdentifier,
        OptionCode::BootfileName,
        OptionCode::VendorExtensions,
    ] {
        assert_eq!(has(code, &boots), 1, "{code:?}");
    }
    assert!(
        boots
            .options
            .contains(&DhcpOption::BootfileName(BIOS_LOADER.into()))
    );
    assert_eq!(
        value(&store, &RawPacket::discover().options(&pxe), 150),
        Some(vec![1])
    );
    // a BMC asks like a PXE client and is given nothing to boot
    let bmc = reply(&store, &from(BMC).options(&pxe));
    assert_eq!(bmc.siaddr, Ipv4Addr::new(10, 97, 0, 9));
    assert_eq!((bmc.sname.as_str(), bmc.file.as_str()), ("10.97.0.9", "ztp.py"));
    let options = sent(&store, &from(BMC).options(&pxe));
    for expected in [
        (66, &b"10.97.0.9"[..]),
        (67, b"ztp.py"),
        (43, &[1, 4]),
        (60, b"Own"),
    ] {
        assert!(
            options.contains(&(expected.0, expected.1.to_vec())),
            "{expected:?}"
        );
    }
}

/// RFC 3396.
#[tokio::test]
async fn a_long_option_is_split_and_one_without_room_left_out() {
    let long = RawOption {
        code: 125,
        hex: "ab".repeat(300),
        ..RawOption::default()
    };
    let store = world([raw(long)]).await;
    let write = |options: &[(u8, &[u8])]| {
        let packet = RawPacket::discover().options(options).bytes();
        let request = Request::parse(&packet).unwrap();
        let mut message = Vec::new();
        let complete = reply(&store, &RawPacket::discover()).write(&request, &mut message);
        message[0] = 1; // the reader under test reads requests
        let value = crate::precheck::check(&message).unwrap();
        (complete, value.option(125).map(std::borrow::Cow::into_owned))
    };
    assert_eq!(write(&[(57, &[5, 220])]), (true, Some(vec![0xab; 300])));
    assert_eq!(write(&[]), (false, None), "576 bytes have no room for it");
}
