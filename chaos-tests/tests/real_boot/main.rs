//! A compute node boots through a three-member cluster while the member that answered it dies: real firmware
//! (QEMU, Debian's iPXE), a real kernel, real processes, one namespace each.
#![allow(clippy::unwrap_used)] // a test fails by panicking

mod loss;

use std::path::Path;

use chaos_tests::members::{Members, MembersConfig, Node, responder_of, wait};
use chaos_tests::probe::dhcp_replies::DhcpReplies;
use lab::machine::{Firmware, Guest, GuestConfig, GuestImage, Network, member_mac};
use serde_json::Value;

const XNAME: &str = "x1000c0s0b0n0";
const ADDRESS: &str = "10.97.5.1";

/// The leader holds the service address, sends the OFFER, and is killed right then. The guest must get all
/// the rest (lease, script, kernel, initramfs, four documents) and phone home, and the cluster must show it, phase by phase.
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
    let first = members.make_the_holder_lead();
    let mac = mac_answered_by(first);
    seed(&members, &mac);
    let mut replies = DhcpReplies::watch(&network.bridge(), &folder.path().join("tcpdump.log"));
    let guest = power_on(&network, folder.path(), &mac);
    // on a busy machine another member may have thought it silent and have answered beside it
    replies.wait_for_one_from(&member_mac(first));
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
    check_timeline(&members, survivor, first);
}

/// What members see reaches the others every two seconds. The OFFER may have died with the leader that sent it.
fn check_timeline(members: &Members, asked: u64, killed: u64) {
    let mut seen = Vec::new();
    for phase in [
        "ACKNOWLEDGED",
        "SCRIPT",
        "KERNEL",
        "INITRD",
        "NETWORK_CONFIG",
        "META_DATA",
        "USER_DATA",
        "VENDOR_DATA",
    ] {
        let wanted = format!("PHASE_{phase}");
        let attempt = wait(&wanted, || {
            let boot = newest_boot(members, asked);
            let phases = boot["phases"].as_array()?.clone();
            phases
                .into_iter()
                .find(|attempt| attempt["phase"] == wanted.as_str())
        });
        assert!(attempt["bytes"].as_u64() > Some(0), "{attempt}");
        seen.push(attempt);
    }
    let boot = newest_boot(members, asked);
    println!("{boot:#}");
    let times: Vec<u64> = seen
        .iter()
        .map(|attempt| attempt["atMs"].as_u64().unwrap())
        .collect();
    let (loaded, documents) = times.split_at(4);
    assert!(loaded.is_sorted(), "address, script, kernel, initrd: {times:?}");
    assert!(
        documents.iter().all(|at| *at >= loaded[3]),
        "cloud-init comes last: {times:?}"
    );
    assert!(boot["phonedHomeAtMs"].as_u64() >= documents.iter().copied().max());
    for attempt in &seen[1..] {
        assert_ne!(attempt["member"], killed, "it was dead by then: {attempt}");
    }
    assert_eq!(boot["bootId"].as_str().map(str::len), Some(16));
    assert!(
        seen[1]["revision"].as_u64() > Some(0),
        "the state that the script was made of"
    );
    let watched = members
        .chamois(asked)
        .args(["boot", "status", XNAME, "--watch", "--within", "30"])
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&watched.stdout).into_owned();
    assert!(watched.status.success() && text.contains("1 of 1 home"), "{text}");
}

/// The node's newest boot; null before there is one.
fn newest_boot(members: &Members, asked: u64) -> Value {
    let mut command = members.chamois(asked);
    let shown = command
        .args(["boot", "status", XNAME, "-o", "json"])
        .output()
        .unwrap();
    let shown: Value = serde_json::from_slice(&shown.stdout).unwrap_or_default();
    shown["records"][0].clone()
}

/// The padding of the initramfs differs from run to run, so it is made once per target folder.
fn guest_image() -> GuestImage {
    GuestImage::build(&Path::new(env!("CARGO_TARGET_TMPDIR")).join("guest")).unwrap()
}

/// A MAC whose broadcasts this member answers while all live: the one that holds the address then makes the offer, too.
fn mac_answered_by(member: u64) -> String {
    let mut macs = (1..=255).map(|last: u8| format!("52:54:00:97:00:{last:02x}"));
    macs.find(|mac| responder_of(mac) == member)
        .expect("each member has a share of the clients")
}

fn power_on(network: &Network, folder: &Path, mac: &str) -> Guest {
    let config = GuestConfig {
        firmware: Firmware::BiosIpxe,
        mac: mac.to_owned(),
        tap: "tap0".to_owned(),
        console: folder.join("console.log"),
    };
    Guest::power_on(&network.bridge(), &config).unwrap()
}

/// The node, its NIC, its network and what it boots, by the calls that today's scripts make.
fn seed(members: &Members, mac: &str) {
    let leader = members.leader();
    let node = Node {
        xname: XNAME.to_owned(),
        nid: 1,
        mac: mac.to_owned(),
        address: ADDRESS.to_owned(),
    };
    members.add_node(leader, &node);
    members.add_subnet(leader);
    members.add_boot(leader, mac, "console=ttyS0");
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
