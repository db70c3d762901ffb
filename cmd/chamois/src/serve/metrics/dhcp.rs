//! What monitoring sees of DHCP beside the reasons of silence: messages, waits, addresses, clients that SMD does not know.

use ::dhcp::{Servers, address_gauges};
use raft::Store;

use super::exposition::{Exposition, Kind};

/// Where the figures come from.
#[derive(Clone)]
pub(in crate::serve) struct DhcpPage {
    pub(in crate::serve) store: Store,
    pub(in crate::serve) servers: Servers,
}

impl DhcpPage {
    /// Adds the families of the servers, where this member has any, and those of the replicated state.
    pub(super) fn add_to(&self, page: &mut Exposition) {
        let servers = self.servers.all();
        if !servers.is_empty() {
            let help = "DHCP messages by direction and type; what became of those received is in chamois_dhcp_packets_total.";
            let mut family = page.family("chamois_dhcp_messages_total", Kind::Counter, help);
            for (network, server) in &servers {
                for (direction, kind, count) in server.messages() {
                    let labels = [
                        ("network", network.as_str()),
                        ("direction", direction),
                        ("type", kind),
                    ];
                    family.sample(&labels, count);
                }
            }
            let help = "Time from a DHCPDISCOVER to its DHCPOFFER, or from a DHCPREQUEST to its DHCPACK, until the answer is \
                        ready, seconds; addresses of pools (`pool`) may wait for a majority, those of SMD (`known`) do not.";
            let mut family = page.family("chamois_dhcp_answer_duration_seconds", Kind::Histogram, help);
            for (network, server) in &servers {
                for (answer, client, wait) in server.waits() {
                    let labels = [
                        ("network", network.as_str()),
                        ("answer", answer),
                        ("client", client),
                    ];
                    family.histogram(&labels, &wait);
                }
            }
            let help = "Addresses of pools that were offered in the last seconds and not asked for yet.";
            let mut family = page.family("chamois_dhcp_offers_outstanding", Kind::Gauge, help);
            for (network, server) in &servers {
                family.sample(&[("network", network)], server.offers_outstanding());
            }
        }
        self.add_state(page);
    }

    /// The same on every member, but for how far it is.
    fn add_state(&self, page: &mut Exposition) {
        let (state, now_ms) = (self.store.state(), self.store.cluster_time_ms());
        let subnets = address_gauges(&state, now_ms);
        if !subnets.is_empty() {
            let help = "Addresses by subnet: leases of pools (`bound`, `released`, `declined`), addresses that have left their \
                        node (`held`), addresses of pools that nobody has (`free`).";
            let mut family = page.family("chamois_dhcp_addresses", Kind::Gauge, help);
            for (subnet, gauges) in &subnets {
                for (state, count) in gauges.all() {
                    family.sample(&[("subnet", subnet), ("state", state)], count);
                }
            }
        }
        page.gauge(
            "chamois_dhcp_unknown_clients",
            "MACs that have asked for an address and that SMD does not know.",
            state.dhcp.unknown_clients().count(),
        );
    }
}
