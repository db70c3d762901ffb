//! A compute node boots through a three-member cluster while the member that answered it dies: real firmware
//! (QEMU, Debian's iPXE), a real kernel, real processes, one namespace each.
#![allow(clippy::unwrap_used)] // a test fails by panicking

mod guest;
mod members;
mod network;

use std::path::Path;

use guest::{DhcpReplies, GUEST_MAC, Guest};
use members::{Members, wait};
use network::{Network, member_mac};

const XNAME: &str = "x1000c0s0b0n0";
const ADDRESS: &str = "10.97.5.1";

/// The leader holds the service address, sends the OFFER, and is killed right then. The guest must get all
/// the rest (lease, script, kernel, initramfs, four documents) and phone home, and the cluster must show it.
#[test]
fn privileged_a_guest_boots_while_the_leader_that_answered_it_dies() {
    if !chaos_tests::privileged::is_wanted("the real boot") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let files = folder.path().join("files");
    build_guest(&files);
    let _network = Network::create(3);
    let mut members = Members::start(folder.path(), &files);
    seed(&members);

    let first = members.make_the_holder_lead();
    let mut replies = DhcpReplies::watch(&folder.path().join("tcpdump.log"));
    let guest = Guest::power_on(folder.path().join("console.log"));
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
fn build_guest(files: &Path) {
    let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("guest");
    guest::build(&cache);
    std::fs::create_dir_all(files).unwrap();
    for name in ["vmlinuz", "initrd"] {
        std::fs::copy(cache.join(name), files.join(name)).unwrap();
    }
}

/// The node, its NIC, its network and what it boots, by the calls that today's scripts make.
fn seed(members: &Members) {
    let leader = members.leader();
    members.post(
        leader,
        "/hsm/v2/State/Components",
        &format!(
            r#"{{"Components":[{{"ID":"{XNAME}","Type":"Node","State":"On","Role":"Compute","NID":1}}]}}"#
        ),
    );
    members.post(
        leader,
        "/hsm/v2/Inventory/EthernetInterfaces",
        &format!(
            r#"{{"MACAddress":"{GUEST_MAC}","ComponentID":"{XNAME}","IPAddresses":[{{"IPAddress":"{ADDRESS}"}}]}}"#
        ),
    );
    members.post(leader, "/chamois/v1/subnets", r#"{"network":"10.97.0.0/16"}"#);
    members.post(
        leader,
        "/boot/v1/bootparameters",
        &format!(
            r#"{{"macs":["{GUEST_MAC}"],"params":"console=ttyS0","kernel":"http://10.97.0.1:8081/files/vmlinuz","initrd":"http://10.97.0.1:8081/files/initrd"}}"#
        ),
    );
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
