//! Members with `dhcp-mode = "proxy"` beside Kea, and a real guest: Kea gives OVMF's PXE client, iPXE and the system their address,
//! the members tell the first two what to boot, and neither side does the other's work.

use std::path::Path;
use std::time::{Duration, Instant};

use chaos_tests::bridge_filter::BridgeFilter;
use chaos_tests::members::{Members, MembersConfig, Node, wait, wait_at_most};
use lab::machine::{Firmware, Guest, GuestConfig, GuestImage, Network};
use serde_json::Value;

use super::kea;
use super::site::MEMBERS;

const XNAME: &str = "x1000c0s1b0n0";
const MAC: &str = "52:54:00:97:00:01";
const ADDRESS: &str = "10.97.5.1";
const TAP: &str = "tap0";
/// Bound of each part of the boot. The longest takes a fifth of it on a busy machine.
const PART_AT_MOST: Duration = Duration::from_secs(240);

/// An answer that names an address for its client: `yiaddr` is behind 8 bytes of UDP and 16 of BOOTP.
const WITH_ADDRESS: &str = "udp sport 67 @th,192,32 != 0";
const WITHOUT_ADDRESS: &str = "udp sport 67 @th,192,32 0";
const ON_PROXY_PORT: &str = "udp sport 4011";
/// Firmware, iPXE and the system ask for an address one after the other; each hears an OFFER and an ACK.
const ANSWERS_WITH_ADDRESS_MIN: u64 = 6;

#[test]
fn privileged_a_guest_boots_by_proxy_beside_another_server() {
    if !chaos_tests::privileged::is_wanted("a real boot by proxyDHCP") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let files = folder.path().join("files");
    guest_image().copy_to(&files).unwrap();
    let mut network = Network::create("p", 3).unwrap();
    network.add_tap(TAP).unwrap();
    let _kea = kea::start(&mut network, folder.path(), &[(MAC.to_owned(), ADDRESS)]);
    let config = MembersConfig {
        network_lines: format!(
            "dhcp-mode = \"proxy\"\ndhcp-other-servers = [\"{}\"]",
            kea::ADDRESS
        ),
        ..MembersConfig::default()
    };
    let members = Members::start(&network, folder.path(), &files, &config);
    let filter = BridgeFilter::new(&network, &MEMBERS);
    count_answers(&filter);
    seed(&members);
    let asked = members.wait_healthy();

    let started = Instant::now();
    let console = boot(&network, folder.path());
    println!("booted by proxy in {:.1} s", started.elapsed().as_secs_f64());
    check_console(&console);
    check_status(&members, asked);
    check_answers(&filter);
}

fn count_answers(filter: &BridgeFilter) {
    for port in MEMBERS.into_iter().chain([kea::PORT]) {
        filter.count(&format!("with-address-{port}"), port, WITH_ADDRESS);
        filter.count(&format!("without-address-{port}"), port, WITHOUT_ADDRESS);
        filter.count(&format!("proxy-port-{port}"), port, ON_PROXY_PORT);
    }
}

/// The node with the address that Kea has for it: cloud-init's data is found by it.
fn seed(members: &Members) {
    let leader = members.leader();
    members.add_subnet(leader);
    let node = Node {
        xname: XNAME.to_owned(),
        nid: 1,
        mac: MAC.to_owned(),
        address: ADDRESS.to_owned(),
    };
    members.add_node(leader, &node);
    members.add_boot(leader, MAC, "console=ttyS0");
}

/// The padding of the initramfs differs from run to run, so it is made once per target folder.
fn guest_image() -> GuestImage {
    GuestImage::build(&Path::new(env!("CARGO_TARGET_TMPDIR")).join("guest")).unwrap()
}

/// From power on to its end; its console.
fn boot(network: &Network, folder: &Path) -> String {
    let config = GuestConfig {
        firmware: Firmware::UefiPxe,
        mac: MAC.to_owned(),
        tap: TAP.to_owned(),
        console: folder.join("console.log"),
    };
    let guest = Guest::power_on(&network.bridge(), &config).unwrap();
    for mark in ["GUEST init", "GUEST done"] {
        let has_come = wait_at_most(PART_AT_MOST, || guest.console().contains(mark).then_some(()));
        assert!(
            has_come.is_some(),
            "the guest did not come to {mark:?}; its console:\n{}",
            guest.console()
        );
    }
    guest.console()
}

/// The address is Kea's, everything else the cluster's.
fn check_console(console: &str) {
    let documents = ["network-config", "meta-data", "user-data", "vendor-data"];
    let fetched = documents.map(|document| format!("GUEST fetched {document}"));
    let others = [
        format!("GUEST lease {ADDRESS} "),
        format!("server {}", kea::ADDRESS),
        "GUEST phoned home".to_owned(),
    ];
    for wanted in fetched.iter().chain(&others) {
        assert!(
            console.contains(wanted.as_str()),
            "{wanted:?} is missing:\n{console}"
        );
    }
}

/// The cluster shows the boot as it does one whose address it gave itself. What members see they tell each other every two
/// seconds.
fn check_status(members: &Members, asked: u64) {
    let status = |format: &[&str]| {
        let mut command = members.chamois(asked);
        command.args(["boot", "status", XNAME]).args(format);
        command.output().unwrap().stdout
    };
    let newest = || -> Option<Value> {
        let shown: Value = serde_json::from_slice(&status(&["-o", "json"])).ok()?;
        Some(shown["records"][0].clone())
    };
    for phase in ["OFFERED", "LOADER", "SCRIPT", "KERNEL", "INITRD", "VENDOR_DATA"] {
        let wanted = format!("PHASE_{phase}");
        wait(&wanted, || {
            let boot = newest()?;
            let mut phases = boot["phases"].as_array()?.iter();
            let is_there = phases.any(|attempt| attempt["phase"] == wanted.as_str());
            is_there.then_some(())
        });
    }
    wait("the phone-home in the status", || {
        (newest()?["phonedHomeAtMs"].as_u64() > Some(0)).then_some(())
    });
    let table = String::from_utf8_lossy(&status(&[])).into_owned();
    assert!(table.contains(ADDRESS), "boot status: {table}");
    println!("{table}");
}

/// Kea alone has given addresses; members alone have offered what to boot, and on port 4011 the firmware has asked for it.
fn check_answers(filter: &BridgeFilter) {
    let of_members = |what: &str| -> u64 {
        let ports = MEMBERS.iter();
        ports.map(|port| filter.counted(&format!("{what}-{port}"))).sum()
    };
    let by_kea = filter.counted(&format!("with-address-{}", kea::PORT));
    assert!(
        by_kea >= ANSWERS_WITH_ADDRESS_MIN,
        "Kea gave an address {by_kea} times"
    );
    assert_eq!(of_members("with-address"), 0, "a proxy has given an address");
    let offers = of_members("without-address");
    assert!(offers >= 2, "{offers} offers to firmware and iPXE");
    assert!(of_members("proxy-port") >= 1, "OVMF has not asked port 4011");
}
