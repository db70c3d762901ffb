//! What a bridge drops and counts between its ports: losses, cuts, packets held back. By nftables in the bridge's own
//! hooks, because those of IP do not see what raw sockets send and receive.
#![allow(clippy::unwrap_used, clippy::missing_panics_doc)] // for tests only

use std::fmt::Write as _;

use lab::machine::{Namespace, Network, run};
use serde_json::Value;

/// A DHCPNAK, by bits from the start of the UDP header: 8 bytes of UDP, 240 of BOOTP and cookie, then option 53, which
/// Chamois puts first.
const NAK: &str = "udp sport 67 @th,2000,8 6";
/// A DHCPREQUEST likewise: option 53 first, as udhcpc and dhclient have it, or after option 50, as dhcpcd does.
const REQUESTS: [&str; 2] = [
    "udp dport 67 @th,1984,8 53 @th,2000,8 3",
    "udp dport 67 @th,1984,16 0x3204 @th,2032,8 53 @th,2048,8 3",
];

/// The filter of the bridges of a network. Ports are named as in [`Network::plug`].
#[derive(Debug)]
pub struct BridgeFilter(Namespace);

impl BridgeFilter {
    /// A filter that only counts: DHCPNAKs by the port they come from.
    pub fn new(network: &Network, servers: &[&str]) -> BridgeFilter {
        let filter = BridgeFilter(network.bridge());
        let mut rules = String::from(
            "table bridge chamois {\n chain forward { type filter hook forward priority 0; }\n \
             chain arriving { type filter hook prerouting priority 0; }\n}\n",
        );
        for port in servers {
            writeln!(rules, "add counter bridge chamois nak-{port}").unwrap();
            writeln!(
                rules,
                "add rule bridge chamois arriving iifname {port} ether type ip {NAK} counter name nak-{port}"
            )
            .unwrap();
        }
        filter.nft(&rules);
        filter
    }

    /// Counts what a DHCP server sends from this port, whatever it is and whether it passes or not, as `answers-<port>`.
    pub fn count_answers(&self, port: &str) {
        self.count(&format!("answers-{port}"), port, "udp sport 67");
    }

    /// Counts the IPv4 packets from this port that match an expression of nftables, whether they pass or not.
    pub fn count(&self, name: &str, port: &str, matching: &str) {
        self.nft(&format!("add counter bridge chamois {name}"));
        self.nft(&format!(
            "add rule bridge chamois arriving iifname {port} ether type ip {matching} counter name {name}"
        ));
    }

    /// Nothing passes between these two sets of ports, broadcasts included.
    pub fn cut(&self, one: &[&str], other: &[&str]) {
        self.cut_one_way(one, other);
        self.cut_one_way(other, one);
    }

    /// Nothing passes from these ports to those.
    pub fn cut_one_way(&self, from: &[&str], to: &[&str]) {
        self.forward(&format!("iifname {} oifname {} drop", set(from), set(to)));
    }

    /// Each packet is lost with this probability, whoever sends it.
    pub fn lose(&self, percent: u8) {
        self.nft("add counter bridge chamois lost");
        self.forward(&format!(
            "numgen random mod 100 < {percent} counter name lost drop"
        ));
    }

    /// DHCPREQUESTs from these ports do not pass; how many were held, [`BridgeFilter::counted`] `held-<port>` says.
    pub fn hold_requests(&self, ports: &[&str]) {
        for port in ports {
            self.nft(&format!("add counter bridge chamois held-{port}"));
            for request in REQUESTS {
                self.forward(&format!(
                    "iifname {port} ether type ip {request} counter name held-{port} drop"
                ));
            }
        }
    }

    /// Everything passes again; counters stay.
    pub fn clear(&self) {
        self.nft("flush chain bridge chamois forward");
    }

    /// Packets counted so far under this name.
    pub fn counted(&self, name: &str) -> u64 {
        let mut nft = self.0.command("nft");
        let listed = run(nft.args(["-j", "list", "counters", "table", "bridge", "chamois"])).unwrap();
        let listed: Value = serde_json::from_slice(&listed.stdout).unwrap();
        let counters = listed["nftables"].as_array().unwrap().iter();
        let mut named = counters.filter(|entry| entry["counter"]["name"] == name);
        let counter = named.next().unwrap_or_else(|| panic!("no counter {name}"));
        counter["counter"]["packets"].as_u64().unwrap()
    }

    fn forward(&self, rule: &str) {
        self.nft(&format!("add rule bridge chamois forward {rule}"));
    }

    fn nft(&self, rules: &str) {
        run(self.0.command("nft").arg(rules)).unwrap();
    }
}

fn set(ports: &[&str]) -> String {
    format!("{{ {} }}", ports.join(", "))
}
