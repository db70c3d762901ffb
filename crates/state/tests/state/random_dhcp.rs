//! Random DHCP commands, and what must hold whatever they are: an address has one owner.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};

use proptest::prelude::*;
use proto::dhcp::v1::DhcpPolicy;
use proto::dhcp::v1::dhcp_command::{
    Bind, BindLeases, ConfirmHeldAddresses, DeleteHeldAddress, DeleteLease, DeleteSubnet, EndLease,
};
use proto::dhcp::v1::{AddressPool, Subnet};
use proto::raft::v1::entry::Command;
use state::State;
use state::cluster::FEATURE_LEVEL_DHCP;
use state::dhcp::{LeaseClient, is_of};

use crate::support::IntoCommand;
use crate::{dhcp_policies, subnets, unknown_clients};

/// Few addresses, which SMD gives to nodes, too.
fn address() -> impl Strategy<Value = String> {
    prop_oneof![12 => (0..6_u8).prop_map(|n| format!("10.0.0.{n}")), 1 => Just("10.0".to_owned())]
}

fn mac() -> impl Strategy<Value = String> {
    (0..6_u8).prop_map(|n| format!("02:00:00:00:00:0{n}"))
}

fn client_id() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![3 => Just(vec![]), 1 => Just(vec![1, 2, 0, 0, 0, 0, 0]), 1 => Just(vec![255, 1])]
}

fn subnet() -> impl Strategy<Value = Command> {
    let network = prop_oneof![
        6 => Just("10.0.0.0/8"),
        1 => Just("10.1.0.0/16"),
        1 => Just("10.2.0.0/16"),
        1 => Just("10.2.0.1/16")
    ];
    (0..8_u8, network).prop_map(|(kind, network)| match kind {
        0 => DeleteSubnet {
            network: network.into(),
        }
        .into_command(),
        1 => subnets::put(subnets::subnet(network)).into_command(),
        _ => {
            let pool = AddressPool {
                first: "10.0.0.1".into(),
                last: format!("10.0.0.{kind}"),
                excluded: vec![],
            };
            let lease_time_s = if kind == 2 { 60 } else { 0 };
            subnets::put(Subnet {
                pools: vec![pool],
                lease_time_s,
                ..subnets::subnet(network)
            })
            .into_command()
        }
    })
}

/// Few names and patterns, some of them wrong; one lease is longer than any subnet's.
fn policy() -> impl Strategy<Value = Command> {
    let hostname = prop_oneof![
        Just("n{02d}"),
        Just("{id}-x"),
        Just("x{id}"),
        Just("{d}"),
        Just("")
    ];
    (0..4_u8, hostname, 0..1200_u32, any::<bool>()).prop_map(|(name, hostname, priority, longer)| {
        let name = format!("p{name}");
        if priority < 100 {
            return dhcp_policies::delete(&name).into_command();
        }
        let policy = DhcpPolicy {
            hostname: hostname.into(),
            priority: Some(priority),
            continues: priority % 2 == 0,
            subnets: if longer {
                vec![]
            } else {
                vec!["10.0.0.0/24".into()]
            },
            lease_time_s: if longer { 9000 } else { 0 },
            ..dhcp_policies::policy(&name)
        };
        dhcp_policies::put(policy).into_command()
    })
}

/// Subnets with pools, and all that happens to their addresses.
pub fn commands() -> impl Strategy<Value = Command> {
    let bind = || {
        (address(), mac(), client_id()).prop_map(|(address, mac, client_id)| Bind {
            address,
            mac,
            client_id,
            ..Bind::default()
        })
    };
    prop_oneof![
        3 => subnet(),
        2 => policy(),
        6 => proptest::collection::vec(bind(), 0..4).prop_map(|leases| BindLeases { leases }.into_command()),
        2 => (bind(), any::<bool>()).prop_map(|(Bind { address, mac, client_id, .. }, declined)| {
            EndLease { address, mac, client_id, declined }.into_command()
        }),
        1 => (address(), any::<bool>()).prop_map(|(address, force)| DeleteLease { address, force }.into_command()),
        1 => (0..80_u64).prop_map(|through_revision| ConfirmHeldAddresses { through_revision }.into_command()),
        1 => prop_oneof![3 => address(), 1 => Just("fd00::5".to_owned())]
            .prop_map(|address| DeleteHeldAddress { address }.into_command()),
        1 => mac().prop_map(|mac| unknown_clients::note(&[unknown_clients::seen(&mac)]).into_command()),
    ]
}

/// What each interface has, by MAC.
fn reserved(state: &State) -> BTreeMap<String, BTreeSet<IpAddr>> {
    let of = |interface: &std::sync::Arc<proto::smd::v1::EthernetInterface>| {
        let addresses = interface.ip_addresses.iter();
        let addresses = addresses.filter_map(|mapping| mapping.ip_address.parse().ok());
        (interface.mac_address.clone(), addresses.collect())
    };
    state.smd.interfaces().map(of).collect()
}

/// What one applied entry may have done.
pub fn check(before: &State, after: &State) {
    let now_ms = after.time_ms();
    for lease in after.dhcp.leases() {
        let address: Ipv4Addr = lease.address.parse().unwrap();
        let client = LeaseClient::new(lease.mac.parse().unwrap(), &lease.client_id);
        assert!(after.dhcp.leases_of(&client).any(|of| of == lease), "{lease:?}");
        let was = before.dhcp.lease(address);
        if let Some(was) = was.as_ref().filter(|was| !is_of(was, &client)) {
            assert!(was.ends_at_ms <= now_ms, "{address} was taken from {was:?}");
        }
        let is_given = was.is_none_or(|was| was.ends_at_ms < lease.ends_at_ms);
        if is_given && lease.state() == proto::dhcp::v1::dhcp_lease::State::Bound {
            assert_eq!(after.smd.interfaces_by_ip(address.into()).count(), 0, "{lease:?}");
            assert_eq!(after.dhcp.held(address.into(), now_ms), None, "{lease:?}");
        }
    }
    let has = reserved(after);
    for (mac, addresses) in reserved(before) {
        let kept = has.get(&mac).cloned().unwrap_or_default();
        for lost in addresses.difference(&kept) {
            let is_served = match lost {
                IpAddr::V4(lost) => after.dhcp.subnet_of(*lost).is_some(),
                IpAddr::V6(_) => true,
            };
            // whoever it was held for has it again: nobody else has been granted it since
            let held = before.dhcp.held(*lost, now_ms);
            let is_back = held.is_some_and(|held| has.get(&held.mac).is_some_and(|own| own.contains(lost)));
            let is_held = after.dhcp.held(*lost, now_ms).is_some();
            assert!(!is_served || is_held || is_back, "{lost} is free at once");
        }
    }
    let longest = |state: &State| state.dhcp.policies().map(|policy| policy.lease_time_s).max();
    for subnet in after
        .dhcp
        .subnets()
        .filter(|_| after.feature_level() >= FEATURE_LEVEL_DHCP)
    {
        // the only policies with a lease are for all networks
        assert!(
            subnet.longest_lease_time_s >= longest(after).unwrap_or_default(),
            "{subnet:?}"
        );
    }
    for component in after.smd.components() {
        let xname = component.id.parse().unwrap();
        let name = after.hostname(&xname);
        let first = after.called(&name);
        assert!(
            name == component.id || first.is_some_and(|first| first <= xname),
            "{name} of {xname}"
        );
    }
    for known in after.smd.interfaces() {
        let mac = known.mac_address.parse().unwrap();
        assert_eq!(after.dhcp.unknown_client(&mac), None);
    }
}
