//! A compute node boots through a three-member cluster while the member that answered it dies: real firmware
//! (QEMU, Debian's iPXE), a real kernel, real processes, one namespace each.
#![allow(clippy::unwrap_used)] // a test fails by panicking

use std::path::Path;

use chaos_tests::members::{Members, MembersConfig, Node, wait};
use chaos_tests::probe::dhcp_replies::DhcpReplies;
use lab::machine::{Firmware, Guest, GuestConfig, GuestImage, Network, member_mac};

const XNAME: &str = "x1000c0s0b0n0";
const ADDRESS: &str = "10.97.5.1";
const GUEST_MAC: &str = "52:54:00:97:00:01";

/// The leader holds the service address, sends the OFFER, and is killed right then. The guest must get all
/// the rest (lease, script, kernel, initramfs, four documents) and phone home, and the cluster must show it.
#[test]
fn privileged_a_guest_boots_while_the_leader_that_answered_it_dies() {
    if !chaos_tests::privileged::is_wanted("the real boot") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let files = folder.path().join("files");
    guest_image().copy_to(&files).unwrap();
    let network = Network::create("", 3).unwrap();
    network.add_tap("tap0").unwrap();
    let mut members = Members::start(&network, folder.path(), &files, &MembersConfig::default());
    seed(&members);

    let first = members.make_the_holder_lead();
    let mut replies = DhcpReplies::watch(&network.bridge(), &folder.path().join("tcpdump.log"));
    let guest = power_on(&network, folder.path());
    assert_eq!(
        replies.next_source(),
        member_mac(first),
        "the OFFER came from the leader, which holds the address"
    );
    members.kill(first);
    println!("member {first}, leader and holder of the service address, killed after its OFFER");

    let console = wait_for_guest(&guest);
    check_console(&console);
    let survivor = 1 + first % 3;
    let shown = members
        .chamois(survivor)
        .args(["boot", "status", XNAME])
        .output()
        .unwrap();
    let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
    assert!(
        shown.contains("PHONED HOME") && shown.contains(ADDRESS),
        "boot status: {shown}"
    );
    println!("{shown}");
}

/// The padding of the initramfs differs from run to run, so it is made once per target folder.
fn guest_image() -> GuestImage {
    GuestImage::build(&Path::new(env!("CARGO_TARGET_TMPDIR")).join("guest")).unwrap()
}

fn power_on(network: &Network, folder: &Path) -> Guest {
    let config = GuestConfig {
        firmware: Firmware::BiosIpxe,
        mac: GUEST_MAC.to_owned(),
        tap: "tap0".to_owned(),
        console: folder.join("console.log"),
    };
    Guest::power_on(&network.bridge(), &config).unwrap()
}

/// The node, its NIC, its network and what it boots, by the calls that today's scripts make.
fn seed(members: &Members) {
    let leader = members.leader();
    let node = Node {
        xname: XNAME.to_owned(),
        nid: 1,
        mac: GUEST_MAC.to_owned(),
        address: ADDRESS.to_owned(),
    };
    members.add_node(leader, &node);
    members.add_subnet(leader);
    members.add_boot(leader, GUEST_MAC, "console=ttyS0");
}

/// Three waits in a row, because firmware, kernel and documents each may take one client's time-out.
fn wait_for_guest(guest: &Guest) -> String {
    for mark in ["GUEST init", "GUEST fetched meta-data", "GUEST done"] {
        wait_with_console(guest, mark);
    }
    guest.console()
}

fn wait_with_console(guest: &Guest, mark: &str) {
    let seen = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        wait(mark, || guest.console().contains(mark).then_some(()));
    }));
    assert!(
        seen.is_ok(),
        "the guest did not come to {mark:?}; its console:\n{}",
        guest.console()
    );
}

fn check_console(console: &str) {
    for document in ["network-config", "meta-data", "user-data", "vendor-data"] {
        assert!(
            console.contains(&format!("GUEST fetched {document}")),
            "{document} is missing:\n{console}"
        );
    }
    assert!(
        console.contains(&format!("GUEST lease {ADDRESS}")),
        "the lease is not the node's:\n{console}"
    );
    assert!(
        console.contains("server 10.97.0.1"),
        "the server identifier is not the service address:\n{console}"
    );
    assert!(console.contains("GUEST phoned home"), "no phone-home:\n{console}");
}
