//! How many addresses of each subnet are bound, free, held: what monitoring watches before a pool is full. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use model::Ipv4Net;
use proto::dhcp::v1::dhcp_lease::State as LeaseState;
use proto::dhcp::v1::{DhcpLease, Subnet};
use state::State;
use state::dhcp::Pools;

/// Addresses of one subnet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AddressGauges {
    /// Their clients may use them.
    pub bound: u64,
    /// Given back or taken away; kept for their clients until the leases would have ended.
    pub released: u64,
    /// Found in use by somebody else.
    pub declined: u64,
    /// Have left their node, and nobody else gets them yet.
    pub held: u64,
    /// Of the pools: nobody has them. An upper bound where routers and relays lie within a pool.
    pub free: u64,
}

impl AddressGauges {
    /// Each with the name that metrics have for it.
    pub fn all(&self) -> [(&'static str, u64); 5] {
        [
            ("bound", self.bound),
            ("released", self.released),
            ("declined", self.declined),
            ("held", self.held),
            ("free", self.free),
        ]
    }
}

/// The subnets of `state` (CIDR) with their addresses at `now_ms`, cluster time.
pub fn address_gauges(state: &State, now_ms: u64) -> Vec<(String, AddressGauges)> {
    let mut subnets: BTreeMap<Ipv4Addr, Counted> = BTreeMap::new();
    for subnet in state.dhcp.subnets() {
        if let Ok(net) = subnet.network.parse::<Ipv4Net>() {
            subnets.insert(net.network(), Counted::new(net, subnet));
        }
    }
    let mut of = |address: &str, count: &dyn Fn(&mut AddressGauges)| {
        let Ok(address) = address.parse::<Ipv4Addr>() else {
            return;
        };
        let subnet = subnets
            .range_mut(..=address)
            .next_back()
            .map(|(_, subnet)| subnet);
        if let Some(subnet) = subnet.filter(|subnet| subnet.net.contains(address)) {
            count(&mut subnet.gauges);
            subnet.take(address);
        }
    };
    let lasting = state.dhcp.leases().filter(|lease| lease.ends_at_ms > now_ms);
    for lease in lasting {
        of(&lease.address, &|gauges| *place_of(lease, gauges) += 1);
    }
    let held = state.dhcp.held_addresses();
    for held in held.filter(|held| held.ends_at_ms == 0 || held.ends_at_ms > now_ms) {
        of(&held.address, &|gauges| gauges.held += 1);
    }
    for interface in state.smd.interfaces() {
        for own in &interface.ip_addresses {
            of(&own.ip_address, &|_| {});
        }
    }
    subnets.into_values().map(Counted::finished).collect()
}

fn place_of<'a>(lease: &DhcpLease, gauges: &'a mut AddressGauges) -> &'a mut u64 {
    match lease.state() {
        LeaseState::Declined => &mut gauges.declined,
        LeaseState::Released => &mut gauges.released,
        LeaseState::Bound | LeaseState::Unspecified => &mut gauges.bound,
    }
}

/// A subnet being counted.
struct Counted {
    net: Ipv4Net,
    name: String,
    pools: Pools,
    /// Addresses of the pools that are given to nobody by configuration.
    excluded: u64,
    taken: BTreeSet<Ipv4Addr>,
    gauges: AddressGauges,
}

impl Counted {
    fn new(net: Ipv4Net, subnet: &Subnet) -> Counted {
        Counted {
            net,
            name: subnet.network.clone(),
            pools: Pools::of(subnet),
            excluded: subnet.pools.iter().map(|pool| pool.excluded.len() as u64).sum(),
            taken: BTreeSet::new(),
            gauges: AddressGauges::default(),
        }
    }

    /// An address may be taken for two reasons, and is one less all the same.
    fn take(&mut self, address: Ipv4Addr) {
        if self.pools.contains(address) {
            self.taken.insert(address);
        }
    }

    fn finished(mut self) -> (String, AddressGauges) {
        let usable = self.pools.size().saturating_sub(self.excluded);
        self.gauges.free = usable.saturating_sub(self.taken.len() as u64);
        (self.name, self.gauges)
    }
}

#[cfg(test)]
mod tests {
    use model::MacAddr;
    use proto::dhcp::v1::dhcp_command::{Change, EndLease};
    use proto::smd::v1::smd_command::{Change as SmdChange, DeleteIpAddress};

    use super::*;
    use crate::testing;

    fn mac(last: u8) -> MacAddr {
        MacAddr([2, 9, 9, 9, 9, last])
    }

    fn x(last: u8) -> Ipv4Addr {
        Ipv4Addr::new(10, 97, 200, last)
    }

    async fn end(store: &raft::Store, last: u8, declined: bool) {
        let end = EndLease {
            address: x(last).to_string(),
            mac: mac(last).to_string(),
            client_id: Vec::new(),
            declined,
        };
        testing::dhcp(store, Change::EndLease(end)).await;
    }

    /// 100 addresses, of which one is excluded, four have leases, one is a node's and one was a node's.
    #[tokio::test]
    async fn every_address_is_counted_once_and_none_is_free_twice() {
        let store = testing::world(10, 97).await;
        let mut subnet = testing::with_pool(10, 97);
        subnet.pools[0].excluded = vec![x(50).to_string()];
        testing::put_subnet(&store, subnet).await;
        for last in 1..=4 {
            testing::bind(&store, x(last), mac(last)).await;
        }
        end(&store, 3, false).await;
        end(&store, 4, true).await;
        testing::put_interface(&store, mac(99), "x1000c0s0b0n9", vec![x(60).to_string()]).await;
        testing::put_interface(&store, mac(98), "x1000c0s0b0n8", vec![x(61).to_string()]).await;
        let lose = DeleteIpAddress {
            id: mac(98).id(),
            ip: x(61).to_string(),
            ..DeleteIpAddress::default()
        };
        testing::smd(&store, SmdChange::DeleteIpAddress(lose)).await;

        let now_ms = store.cluster_time_ms();
        let gauges = address_gauges(&store.state(), now_ms);
        let names: Vec<&str> = gauges.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["10.97.0.0/16", "10.98.0.0/16", "10.99.0.0/16"]);
        let expected = AddressGauges {
            bound: 2,
            released: 1,
            declined: 1,
            held: 1,
            free: 99 - 4 - 2,
        };
        assert_eq!(gauges[0].1, expected);
        assert_eq!(gauges[1].1, AddressGauges::default());

        let later = address_gauges(&store.state(), now_ms + 3_600_000);
        let expected = AddressGauges {
            bound: 0,
            released: 0,
            free: 99 - 1 - 2,
            ..expected
        };
        assert_eq!(
            later[0].1, expected,
            "leases have ended; what is held has no end yet"
        );
    }
}
