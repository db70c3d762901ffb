//! perfdhcp as many clients that come one after the other, at a steady rate. It asks by broadcast, as a node does, and never
//! repeats a question: what is lost stays lost.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::process::{Child, Stdio};

use chaos_tests::privileged;

use super::site::Site;

/// Exchanges a second; the long tier asks for more.
const RATE: u32 = 150;
/// For so long.
pub(crate) const SECONDS: u32 = 8;
/// Both halves of an exchange, as perfdhcp names them.
pub(crate) const HALVES: [&str; 2] = ["DISCOVER-OFFER", "REQUEST-ACK"];

/// Exchanges a second of this run.
pub(crate) fn rate() -> u32 {
    privileged::count_from("CHAMOIS_DHCP_RATE", RATE)
}

/// Who asks, and how patiently.
pub(crate) struct Load {
    /// MAC of the first client; the others follow it.
    pub(crate) first_mac: &'static str,
    /// After the last of so many the first comes again.
    pub(crate) clients: u32,
    /// An answer that comes later is none, seconds.
    pub(crate) answered_within_s: u32,
}

impl Load {
    pub(crate) fn start(&self, site: &Site) -> Child {
        let mut perfdhcp = site.load.command("perfdhcp");
        perfdhcp.args(["-4", "-l", "eth0", "-b", &format!("mac={}", self.first_mac)]);
        perfdhcp.args(["-r", &rate().to_string(), "-p", &SECONDS.to_string()]);
        perfdhcp.args(["-R", &self.clients.to_string()]);
        // -d is the limit of each answer, -W how long it stays for those of the last questions, microseconds
        perfdhcp.args(["-d", &self.answered_within_s.to_string()]);
        perfdhcp.args(["-W", &(self.answered_within_s * 1_000_000).to_string()]);
        // the leases, one a line
        perfdhcp.args(["-x", "l"]);
        perfdhcp.stdout(Stdio::piped()).stderr(Stdio::piped());
        perfdhcp.spawn().unwrap()
    }
}

/// What perfdhcp said at its end.
pub(crate) struct Said(String);

impl Said {
    /// Waits for that.
    pub(crate) fn by(load: Child) -> Said {
        let said = load.wait_with_output().unwrap();
        Said(String::from_utf8_lossy(&said.stdout).into_owned())
    }

    /// For a failure's text.
    pub(crate) fn text(&self) -> &str {
        self.0.split("***Leases for").next().unwrap_or_default()
    }

    /// Packets that were sent, and answers, of one half of the exchange.
    pub(crate) fn counts(&self, half: &str) -> (u32, u32) {
        let section = self.behind(&format!("***Statistics for: {half}***"));
        let number = |label: &str| {
            let (_, rest) = section.split_once(label).unwrap();
            rest.split_whitespace().next().unwrap().parse().unwrap()
        };
        (number("sent packets:"), number("received packets:"))
    }

    /// Questions without an answer, of both halves.
    pub(crate) fn drops(&self) -> u32 {
        let dropped = |half: &&str| {
            let (sent, received) = self.counts(half);
            sent - received
        };
        HALVES.iter().map(dropped).sum()
    }

    /// The clients that were acknowledged an address, by their MACs.
    pub(crate) fn acknowledged(&self) -> BTreeMap<String, Ipv4Addr> {
        let section = self.behind("***Leases for REQUEST-ACK***");
        let mut lines = section.trim_start().lines();
        assert_eq!(lines.next(), Some("client_id,adrress,prefix"));
        lines.map_while(lease).collect()
    }

    fn behind(&self, title: &str) -> &str {
        let (_, section) = self
            .0
            .split_once(title)
            .unwrap_or_else(|| panic!("no {title} in:\n{}", self.0));
        section
    }
}

/// `01069800000000,10.97.128.1,`: hardware type and MAC, then the address.
fn lease(line: &str) -> Option<(String, Ipv4Addr)> {
    let (client, rest) = line.strip_prefix("01")?.split_once(',')?;
    let bytes: Vec<&str> = (0..client.len() / 2)
        .map(|at| &client[2 * at..2 * at + 2])
        .collect();
    let address = rest.split(',').next()?.parse().ok()?;
    Some((bytes.join(":"), address))
}

#[test]
fn what_perfdhcp_prints_is_read() {
    let said = Said(
        "***Statistics for: DISCOVER-OFFER***\nsent packets: 40\nreceived packets: 39\ndrops: 1\n\
         ***Statistics for: REQUEST-ACK***\nsent packets: 39\nreceived packets: 37\n\
         ***Leases for DISCOVER-OFFER***\nclient_id,adrress,prefix\n01069800000000,10.97.128.9,\n\n\
         ***Leases for REQUEST-ACK***\nclient_id,adrress,prefix\n01069800000000,10.97.128.1,\n\
         0106980000ff01,10.97.128.2,\n\n\n"
            .to_owned(),
    );
    assert_eq!((said.counts(HALVES[0]), said.drops()), ((40, 39), 3));
    let acknowledged: Vec<(String, Ipv4Addr)> = said.acknowledged().into_iter().collect();
    let expected = [("06:98:00:00:00:00", 1), ("06:98:00:00:ff:01", 2)];
    assert_eq!(
        acknowledged,
        expected.map(|(mac, last)| (mac.to_owned(), Ipv4Addr::new(10, 97, 128, last)))
    );
    assert!(!said.text().contains("client_id"));
}
