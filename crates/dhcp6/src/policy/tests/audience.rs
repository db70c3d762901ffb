//! Whom a network's rules and DHCP's policies keep from being answered; and that a network needs no subnet of IPv4.

use proto::dhcp::v1::DhcpPolicy;

use super::*;

const EVERY_TYPE: [u8; 8] = [
    SOLICIT,
    REQUEST,
    CONFIRM,
    RENEW,
    REBIND,
    RELEASE,
    DECLINE,
    INFORMATION_REQUEST,
];

/// A message of this type as the node at `fd00:97::2:1` would send it.
fn of_type(kind: u8, mac: MacAddr) -> RawMessage {
    match kind {
        INFORMATION_REQUEST => with_identifiers(kind, mac),
        _ => message(kind, mac, &["fd00:97::2:1"]),
    }
}

fn told(store: &Store, network: &Network, raw: &RawMessage, is_unicast: bool) -> String {
    let (packet, loaders) = (raw.bytes(), Loaders::default());
    let source = SOURCE.parse().unwrap();
    let request = Request::parse(&packet, Arrival { source, is_unicast }).unwrap();
    let site = Site {
        network,
        loaders: &loaders,
        now_ms: 0,
        isolated_lease_s: None,
    };
    in_words(&request, &decide(&store.state(), &request, &site))
}

#[tokio::test]
async fn only_the_components_of_the_named_groups_are_answered() {
    let store = world().await;
    create_group(&store, "moved", "x1000c0s0b0n0").await;
    create_group(&store, "other", "x1000c0s0b0n1").await;
    let network = Network {
        answer_only: vec!["moved".into(), "absent".into()],
        ..network()
    };
    for kind in EVERY_TYPE {
        let told = |mac| told(&store, &network, &of_type(kind, mac), false);
        assert!(!told(NODE).starts_with("silent"), "{kind}: {}", told(NODE));
        for mac in [NODE_ON_TWO, BMC, UNASSIGNED] {
            assert_eq!(told(mac), "silent: not_in_groups", "{kind}");
        }
        assert_eq!(told(STRANGER), "silent: unknown_mac", "{kind}");
    }
    let renewing = of_type(RENEW, NODE_ON_TWO);
    assert_eq!(
        told(&store, &network, &renewing, true),
        "silent: not_in_groups",
        "nor is it told to write to all"
    );
}

fn named(name: &str, priority: u32, policy: DhcpPolicy) -> DhcpPolicy {
    DhcpPolicy {
        name: name.into(),
        priority: Some(priority),
        ..policy
    }
}

/// A policy of this name and with these selectors, alone.
async fn ignoring(selectors: DhcpPolicy) -> Store {
    let store = world().await;
    create_group(&store, "cold", "x1000c0s0b0n0").await;
    let policy = DhcpPolicy {
        ignore: true,
        ..selectors
    };
    put_policy(&store, named("silence", 500, policy)).await;
    store
}

/// Selects by one value of one field.
fn by(field: fn(&mut DhcpPolicy) -> &mut Vec<String>, value: &str) -> DhcpPolicy {
    let mut policy = DhcpPolicy::default();
    field(&mut policy).push(value.to_owned());
    policy
}

/// NODE is at 10.97.2.1; the others have no address of IPv4, and are somewhere in the network's 10.97.0.0/16.
#[tokio::test]
async fn whom_a_policy_ignores_hears_nothing() {
    let everybody = [NODE, NODE_ON_TWO, BMC, UNASSIGNED];
    for (selectors, ignored) in [
        (by(|policy| &mut policy.groups, "cold"), &[NODE][..]),
        (by(|policy| &mut policy.hosts, "x1000c0s0b0n1"), &[NODE_ON_TWO]),
        (by(|policy| &mut policy.component_types, "NodeBMC"), &[BMC]),
        (by(|policy| &mut policy.subnets, "10.97.0.0/16"), &everybody),
        (by(|policy| &mut policy.subnets, "10.97.2.0/24"), &[NODE]),
        (by(|policy| &mut policy.subnets, "10.98.0.0/16"), &[]),
        (DhcpPolicy::default(), &everybody),
    ] {
        let store = ignoring(selectors.clone()).await;
        for (kind, mac) in EVERY_TYPE
            .into_iter()
            .flat_map(|kind| everybody.map(|mac| (kind, mac)))
        {
            let text = told(&store, &network(), &of_type(kind, mac), false);
            let is_ignored = text == "silent: ignored_by_policy";
            assert_eq!(
                is_ignored,
                ignored.contains(&mac),
                "{selectors:?} {mac} {kind}: {text}"
            );
        }
        let of_stranger = told(&store, &network(), &of_type(SOLICIT, STRANGER), false);
        assert_eq!(of_stranger, "silent: unknown_mac");
    }
}

/// The first policy that fits a client is the only one, unless it continues.
#[tokio::test]
async fn a_policy_before_the_one_that_ignores_keeps_its_nodes_answered() {
    let store = ignoring(DhcpPolicy::default()).await;
    for (continues, expected) in [
        (false, format!("ADVERTISE {GRANTED}")),
        (true, "silent: ignored_by_policy".into()),
    ] {
        let policy = DhcpPolicy {
            hosts: vec!["x1000c0s0b0n0".into()],
            mtu: 9000,
            continues,
            ..DhcpPolicy::default()
        };
        put_policy(&store, named("kept", 900, policy)).await;
        let text = told(&store, &network(), &message(SOLICIT, NODE, &[]), false);
        assert_eq!(text, expected);
        let other = told(&store, &network(), &message(SOLICIT, NODE_ON_TWO, &[]), false);
        assert_eq!(other, "silent: ignored_by_policy");
    }
}

/// Of a subnet DHCPv6 takes the lease time and the domain; the prefixes stand in the configuration.
#[tokio::test]
async fn without_a_subnet_of_ipv4_an_address_is_given_for_the_default_lease_time() {
    let network = Network {
        service_address: [192, 0, 2, 1].into(),
        ..network()
    };
    let text = told(&world().await, &network, &message(SOLICIT, NODE, &[]), false);
    assert_eq!(text, "ADVERTISE NA7(1350/2160 fd00:97::2:1 2700/3600)");
}
