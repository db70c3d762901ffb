//! Real clients that SMD does not know, one of them behind a relay: each has an address of its network's pool at once, is
//! listed, and moves to its own when it has been adopted.

use std::net::Ipv4Addr;
use std::time::Duration;

use chaos_tests::dhcp_clients::{Event, Kind};
use chaos_tests::members::wait;

use super::site::{NETWORK, RACK_2, Site, mac};

/// The shortest that Chamois accepts, so that a renewal comes soon.
const POOL_LEASE_S: u32 = 20;

/// What becomes of one of the site's newcomers.
struct Plan {
    network: (&'static str, &'static str),
    pool: (Ipv4Addr, Ipv4Addr),
    xname: &'static str,
    nid: &'static str,
    own: Ipv4Addr,
}

/// In the order of the site's newcomers: udhcpc on the members' network, dhclient in rack 2.
const PLANS: [Plan; 2] = [
    Plan {
        network: NETWORK,
        pool: (Ipv4Addr::new(10, 97, 200, 1), Ipv4Addr::new(10, 97, 200, 50)),
        xname: "x1001c0s0b0n0",
        nid: "901",
        own: Ipv4Addr::new(10, 97, 6, 1),
    },
    Plan {
        network: RACK_2,
        pool: (Ipv4Addr::new(10, 102, 200, 1), Ipv4Addr::new(10, 102, 200, 50)),
        xname: "x1001c0s1b0n0",
        nid: "902",
        own: Ipv4Addr::new(10, 102, 6, 1),
    },
];

pub(crate) fn have_an_address_of_a_pool_until_they_are_adopted(site: &mut Site) {
    site.members.wait_healthy();
    let leader = site.members.leader();
    for (at, plan) in PLANS.iter().enumerate() {
        let (first, last) = plan.pool;
        let pool = format!(
            r#","pools":[{{"first":"{first}","last":"{last}"}}],"unknownClients":"UNKNOWN_CLIENTS_ADDRESS","poolLeaseTimeS":{POOL_LEASE_S}"#
        );
        site.put_subnet(leader, plan.network, &pool);
        site.let_in(at, &[first..=last, plan.own..=plan.own]);
    }
    let since = site.now();
    for newcomer in &mut site.newcomers {
        newcomer.client.start();
    }
    for (at, plan) in PLANS.iter().enumerate() {
        let (first, last) = plan.pool;
        wait_for_address(site, at, since, |address| (first..=last).contains(&address));
    }
    adopt(site, leader);
    // udhcpc is told to renew, dhclient does when half of its lease is over
    let since = site.now();
    for newcomer in &mut site.newcomers {
        if newcomer.client.kind() == Kind::Udhcpc {
            newcomer.client.renew();
        }
    }
    for (at, plan) in PLANS.iter().enumerate() {
        wait_for_address(site, at, since, |address| address == plan.own);
    }
    site.judge();
    for newcomer in &mut site.newcomers {
        newcomer.client.power_off();
    }
}

/// Waits until a newcomer has written down a lease of such an address.
fn wait_for_address(site: &Site, at: usize, since: usize, is_it: impl Fn(Ipv4Addr) -> bool) {
    let client = &site.newcomers[at].client;
    let has_it = |event: &Event| {
        event.client == client.name() && event.lease.as_ref().is_some_and(|lease| is_it(lease.address))
    };
    let what = format!("address for {:?} {}", client.kind(), client.name());
    let found = chaos_tests::members::wait_at_most(Duration::from_secs(60), || {
        site.events(since).iter().any(has_it).then_some(())
    });
    assert!(found.is_some(), "no {what}; it said:\n{}", client.said());
}

/// As an administrator does it: what `chamois dhcp unknown` lists is adopted.
fn adopt(site: &Site, leader: u64) {
    for (newcomer, plan) in site.newcomers.iter().zip(&PLANS) {
        let mac = mac(newcomer.number);
        wait(&format!("{mac} among the unknown clients"), || {
            let output = site.members.chamois(leader).args(["dhcp", "unknown"]).output();
            String::from_utf8_lossy(&output.unwrap().stdout)
                .contains(&mac)
                .then_some(())
        });
        let own = plan.own.to_string();
        let adopted = site
            .members
            .chamois(leader)
            .args(["dhcp", "adopt", &mac, "--xname", plan.xname])
            .args(["--nid", plan.nid, "--ip", &own])
            .output()
            .unwrap();
        assert!(adopted.status.success(), "{adopted:?}");
    }
}
