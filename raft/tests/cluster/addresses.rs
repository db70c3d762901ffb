//! What DHCP builds on: an address that was acknowledged has one owner, whoever dies, and the leader knows what all have heard.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use model::MacAddr;
use proto::dhcp::v1::dhcp_command::{Bind, BindLeases, Change, PutSubnet};
use proto::dhcp::v1::{AddressPool, DhcpCommand, Subnet};
use proto::raft::v1::entry::Command;
use raft::Store;
use state::dhcp::{LeaseClient, is_of};

use crate::testbed::Testbed;

/// Clients that each member serves at most, and addresses of the pool: `10.97.128.1` and on.
const CLIENTS_MAX: u16 = 30_000;

fn dhcp(change: Change) -> Command {
    Command::Dhcp(DhcpCommand { change: Some(change) })
}

fn address(n: u16) -> Ipv4Addr {
    Ipv4Addr::from(u32::from(Ipv4Addr::new(10, 97, 128, 1)) + u32::from(n))
}

fn put_pool(bed: &Testbed) {
    let pool = AddressPool {
        first: address(0).to_string(),
        last: address(CLIENTS_MAX).to_string(),
        excluded: Vec::new(),
    };
    let subnet = Some(Subnet {
        network: "10.97.0.0/16".into(),
        pools: vec![pool],
        ..Subnet::default()
    });
    let (leader, put) = (bed.leader(), dhcp(Change::PutSubnet(PutSubnet { subnet })));
    bed.block_on(leader, bed.store(leader).propose("user/test", put, None))
        .unwrap();
}

/// What clients were told, in order.
type Acknowledged = Arc<Mutex<Vec<(Ipv4Addr, MacAddr)>>>;

/// Clients that come through one member, each with another address in mind, and all members begin with the same: acknowledged
/// is, as by a DHCP server, what is committed and stands in the state.
async fn serve(store: Store, member: u8, acknowledged: Acknowledged) {
    for n in 0..CLIENTS_MAX {
        let [high, low] = n.to_be_bytes();
        let (address, mac) = (address(n), MacAddr([2, 0, 0, member, high, low]));
        let lease = Bind {
            address: address.to_string(),
            mac: mac.to_string(),
            ..Bind::default()
        };
        let leases = vec![lease];
        let bind = dhcp(Change::BindLeases(BindLeases { leases }));
        if store.propose("member/1", bind, None).await.is_err() {
            continue;
        }
        let lease = store.state().dhcp.lease(address);
        if lease.is_some_and(|lease| is_of(&lease, &LeaseClient::new(mac, &[]))) {
            acknowledged.lock().unwrap().push((address, mac));
        }
    }
}

/// Two members serve clients for the same addresses, while the third, which leads, dies and comes back.
#[test]
fn no_address_is_acknowledged_twice_when_the_leader_dies() {
    let mut bed = Testbed::start();
    put_pool(&bed);
    let acknowledged = Acknowledged::default();
    let leader = bed.leader();
    let serving: Vec<_> = (1..=3)
        .filter(|id| *id != leader)
        .map(|id| {
            let member = u8::try_from(id).unwrap();
            bed.spawn(id, serve(bed.store(id), member, Arc::clone(&acknowledged)))
        })
        .collect();
    let count = || acknowledged.lock().unwrap().len();
    bed.wait("some leases", |_| (count() >= 20).then_some(()));
    bed.kill(leader);
    let before = count();
    bed.wait("leases under another leader", |_| {
        (count() >= before + 20).then_some(())
    });
    bed.launch(leader);
    bed.wait("leases beside the one that came back", |_| {
        (count() >= before + 40).then_some(())
    });
    serving.iter().for_each(tokio::task::AbortHandle::abort);
    let acknowledged = acknowledged.lock().unwrap().clone();
    let mut owners = BTreeMap::new();
    for (address, mac) in &acknowledged {
        let owner = owners.insert(address, mac);
        assert!(owner.is_none(), "{address} was given to {owner:?} and to {mac}");
    }
    bed.same_everywhere();
    for id in 1..=3 {
        let state = bed.store(id).state();
        for (address, mac) in &acknowledged {
            let lease = state.dhcp.lease(*address).unwrap();
            assert_eq!(
                lease.mac,
                mac.to_string(),
                "member {id} has lost the lease of {address}"
            );
        }
    }
}

/// An address is held as long as a member may grant it that has not heard of its move.
#[test]
fn the_leader_knows_what_every_member_has_applied_and_waits_for_one_that_is_down() {
    let mut bed = Testbed::start();
    let (leader, follower) = (bed.leader(), bed.follower());
    let by_all = |bed: &Testbed| bed.store(leader).applied_by_all().unwrap_or(0);
    let first = bed.create(leader, "x0c0s0b0n0");
    bed.wait("all to have applied the first", |bed| {
        (by_all(bed) >= first).then_some(())
    });
    assert_eq!(
        bed.store(follower).applied_by_all(),
        None,
        "only the leader is told"
    );
    bed.kill(follower);
    let second = bed.create(leader, "x0c0s1b0n0");
    // some heartbeats of those that are there
    std::thread::sleep(Duration::from_secs(1));
    assert!(by_all(&bed) < second, "member {follower} has not heard of it");
    bed.launch(follower);
    bed.wait("all to have applied the second", |bed| {
        (by_all(bed) >= second).then_some(())
    });
}
