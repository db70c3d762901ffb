//! Clients that come one after the other while the leader is killed: every known node is answered, by broadcast, without asking
//! twice; of those without a reservation few have to ask again, and no lease that one of them was given is ever lost.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::time::Duration;

use serde_json::Value;

use super::perfdhcp::{HALVES, Load, SECONDS, Said, rate};
use super::site::{NETWORK, Site};

/// The leader dies so long after the beginning.
const KILLED_AFTER: Duration = Duration::from_secs(3);
/// Nodes for each question a second: none asks again before its first exchange is long over.
const NODES_PER_RATE: u32 = 4;
/// Components that are put into the inventory at once.
const COMPONENTS_MAX: usize = 200;
/// An answer to a known node counts for so long, seconds: a member that stands in for the dead one answers within half of one.
const KNOWN_ANSWERED_WITHIN_S: u32 = 1;
/// A new lease waits for a leader: as long as members wait for its commit.
const LEASE_ANSWERED_WITHIN_S: u32 = 3;
/// The longest election time-out of the members' profile, `lan`, milliseconds. Of what comes within it a member may lose all:
/// the dead leader heard it, and a lease that waits for its commit is not asked for again.
const ELECTION_TIMEOUT_MS: u32 = 600;
/// How the MACs of the pool's clients begin.
const POOL_CLIENTS: &str = "06:98:";
/// Longer than the test, seconds: no lease ends in it.
const POOL_LEASE_S: u32 = 3600;

pub(crate) fn nobody_notices_that_the_leader_dies(site: &mut Site) {
    let leader = site.members.leader();
    let nodes = rate() * NODES_PER_RATE;
    add_nodes(site, leader, nodes);
    let load = Load {
        first_mac: "02:98:00:00:00:00",
        clients: nodes,
        answered_within_s: KNOWN_ANSWERED_WITHIN_S,
    };
    let said = while_the_leader_dies(site, &load);
    for half in HALVES {
        let (sent, received) = said.counts(half);
        assert_was_sent(half, sent, &said);
        assert_eq!(sent - received, 0, "{half}: lost\n{}", said.text());
    }
}

/// Each client comes once. Whoever has heard its DHCPACK may use the address for an hour, whichever members die.
pub(crate) fn an_acknowledged_lease_outlives_the_leader_and_a_restart(site: &mut Site) {
    let leader = site.members.leader();
    put_pool(site, leader);
    let load = Load {
        first_mac: "06:98:00:00:00:00",
        clients: rate() * (SECONDS + 1),
        answered_within_s: LEASE_ANSWERED_WITHIN_S,
    };
    let said = while_the_leader_dies(site, &load);
    assert_was_sent(HALVES[0], said.counts(HALVES[0]).0, &said);
    let (drops, acknowledged) = (said.drops(), said.acknowledged());
    println!(
        "{} leases of a pool acknowledged while the leader died, {drops} questions lost",
        acknowledged.len()
    );
    let drops_max = rate() * ELECTION_TIMEOUT_MS / 1000;
    assert!(
        drops <= drops_max,
        "{drops} lost, at most {drops_max}\n{}",
        said.text()
    );
    let addresses: BTreeSet<&Ipv4Addr> = acknowledged.values().collect();
    assert_eq!(
        addresses.len(),
        acknowledged.len(),
        "an address was given to two clients"
    );

    let before = leases(site);
    assert_are_listed(&acknowledged, &before);
    for id in site.members.ids() {
        site.members.kill(id);
    }
    for id in site.members.ids() {
        site.members.launch(id);
    }
    site.members.wait_healthy();
    let after = leases(site);
    assert_are_listed(&acknowledged, &after);
    assert_eq!(before, after, "the list of leases is another one after a restart");
}

/// The members are healthy before and after it.
fn while_the_leader_dies(site: &mut Site, load: &Load) -> Said {
    site.members.wait_healthy();
    let leader = site.members.leader();
    let load = load.start(site);
    std::thread::sleep(KILLED_AFTER);
    site.members.kill(leader);
    let said = Said::by(load);
    site.members.launch(leader);
    site.members.wait_healthy();
    said
}

fn assert_was_sent(half: &str, sent: u32, said: &Said) {
    assert!(
        sent >= rate() * SECONDS * 9 / 10,
        "{half}: only {sent} were sent:\n{}",
        said.text()
    );
}

fn add_nodes(site: &Site, leader: u64, count: u32) {
    let components: Vec<String> = (0..count)
        .map(|number| {
            let (id, nid) = (xname(number), 1000 + number);
            format!(r#"{{"ID":"{id}","Type":"Node","State":"On","Role":"Compute","NID":{nid}}}"#)
        })
        .collect();
    for some in components.chunks(COMPONENTS_MAX) {
        let body = format!(r#"{{"Components":[{}]}}"#, some.join(","));
        site.members.post(leader, "/hsm/v2/State/Components", &body);
    }
    for number in 0..count {
        let (third, fourth) = (64 + number / 250, number % 250 + 1);
        let [.., high, low] = number.to_be_bytes();
        let (id, mac) = (xname(number), format!("02:98:00:00:{high:02x}:{low:02x}"));
        let body = format!(
            r#"{{"MACAddress":"{mac}","ComponentID":"{id}","IPAddresses":[{{"IPAddress":"10.97.{third}.{fourth}"}}]}}"#
        );
        site.members
            .post(leader, "/hsm/v2/Inventory/EthernetInterfaces", &body);
    }
}

fn xname(number: u32) -> String {
    let (cabinet, chassis, slot) = (2000 + number / 400, number / 50 % 8, number % 50);
    format!("x{cabinet}c{chassis}s{slot}b0n0")
}

/// Some 16,000 addresses, beside those of nodes.
fn put_pool(site: &Site, leader: u64) {
    let pool = r#"{"first":"10.97.128.1","last":"10.97.190.250"}"#;
    site.put_subnet(
        leader,
        NETWORK,
        &format!(
            r#","pools":[{pool}],"unknownClients":"UNKNOWN_CLIENTS_ADDRESS","poolLeaseTimeS":{POOL_LEASE_S}"#
        ),
    );
}

/// The bound leases of the load's clients, as an administrator sees them: the address of each MAC.
fn leases(site: &Site) -> BTreeMap<String, Ipv4Addr> {
    let mut chamois = site.members.chamois(site.members.leader());
    let output = chamois
        .args(["dhcp", "leases", "--state", "bound", "-o", "json"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let listed: Value = serde_json::from_slice(&output.stdout).unwrap();
    let text = |lease: &Value, key: &str| lease[key].as_str().unwrap().to_owned();
    let listed = listed["leases"].as_array().unwrap().iter();
    listed
        .map(|lease| {
            (
                text(lease, "mac"),
                text(lease, "address").parse::<Ipv4Addr>().unwrap(),
            )
        })
        .filter(|(mac, _)| mac.starts_with(POOL_CLIENTS))
        .collect()
}

fn assert_are_listed(acknowledged: &BTreeMap<String, Ipv4Addr>, listed: &BTreeMap<String, Ipv4Addr>) {
    let lost: Vec<_> = acknowledged
        .iter()
        .filter(|(mac, address)| listed.get(*mac) != Some(address))
        .collect();
    assert!(
        lost.is_empty(),
        "{} of {} acknowledged leases are not listed: {lost:?}",
        lost.len(),
        acknowledged.len()
    );
}
