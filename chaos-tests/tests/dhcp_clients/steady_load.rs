//! Nodes that boot one after the other while the leader is killed: each of them is answered, by broadcast, without asking twice.

use std::process::{Child, Stdio};
use std::time::Duration;

use chaos_tests::members::Node;

use super::site::Site;

/// Exchanges a second, and for how many seconds.
const RATE: u32 = 150;
const SECONDS: u32 = 8;
/// The leader dies so long after the beginning.
const KILLED_AFTER: Duration = Duration::from_secs(3);
/// Nodes: none asks again before its first exchange is long over.
const NODES: u32 = 600;
/// An answer counts for so long, microseconds: a member that stands in for the dead one answers within half a second.
const ANSWERED_WITHIN_US: &str = "3000000";

/// perfdhcp asks by broadcast, as a node does, and never repeats a question: what is lost stays lost.
pub(crate) fn nobody_notices_that_the_leader_dies(site: &mut Site) {
    let leader = site.members.leader();
    add_nodes(site, leader);
    site.members.wait_healthy();
    let load = start(site);
    std::thread::sleep(KILLED_AFTER);
    site.members.kill(leader);
    let said = load.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&said.stdout).into_owned();
    for half in ["DISCOVER-OFFER", "REQUEST-ACK"] {
        let (sent, received) = counts(&said, half);
        assert!(
            sent >= RATE * SECONDS * 9 / 10,
            "{half}: only {sent} were sent:\n{said}"
        );
        assert_eq!(sent - received, 0, "{half}: lost\n{said}");
    }
    site.members.launch(leader);
    site.members.wait_healthy();
}

fn add_nodes(site: &Site, leader: u64) {
    for number in 0..NODES {
        let (third, fourth) = (64 + number / 250, number % 250 + 1);
        let [.., high, low] = number.to_be_bytes();
        site.members.add_node(
            leader,
            &Node {
                xname: format!("x{}c{}s{}b0n0", 2000 + number / 400, number / 50 % 8, number % 50),
                nid: u64::from(1000 + number),
                mac: format!("02:98:00:00:{high:02x}:{low:02x}"),
                address: format!("10.97.{third}.{fourth}"),
            },
        );
    }
}

fn start(site: &Site) -> Child {
    let (rate, nodes, seconds) = (RATE.to_string(), NODES.to_string(), SECONDS.to_string());
    let mut perfdhcp = site.load.command("perfdhcp");
    perfdhcp.args(["-4", "-l", "eth0", "-b", "mac=02:98:00:00:00:00"]);
    perfdhcp.args([
        "-r",
        &rate,
        "-R",
        &nodes,
        "-p",
        &seconds,
        "-W",
        ANSWERED_WITHIN_US,
    ]);
    perfdhcp.stdout(Stdio::piped()).stderr(Stdio::piped());
    perfdhcp.spawn().unwrap()
}

/// Packets that were sent, and answers, of one half of the exchange.
fn counts(said: &str, half: &str) -> (u32, u32) {
    let title = format!("***Statistics for: {half}***");
    let (_, section) = said
        .split_once(&title)
        .unwrap_or_else(|| panic!("no {half} in:\n{said}"));
    let number = |label: &str| {
        let (_, rest) = section.split_once(label).unwrap();
        rest.split_whitespace().next().unwrap().parse().unwrap()
    };
    (number("sent packets:"), number("received packets:"))
}
