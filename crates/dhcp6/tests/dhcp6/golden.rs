//! Whole answers to the clients that matter, as text files: every option, in its order, with its bytes. After a
//! wanted change write them anew with `UPDATE_GOLDEN=1` and read the difference; such a run fails, so that none passes by it.

use std::fmt::Write;
use std::net::Ipv6Addr;
use std::path::Path;

use dhcp::{BIOS_LOADER, Loaders, UEFI_ARM64_LOADER, UEFI_LOADER};
use dhcp6::{Arrival, Decision, Request, Site, decide, server_duid};

use crate::testing::{
    BMC, NODE, NODE_ON_TWO, RawMessage, UNASSIGNED, duid_ll, duid_llt, ia_addresses, network, relayed,
    vendor_class, world,
};

/// What iPXE wants: DNS, the domain list, a boot file and its parameters.
const IPXE_WANTS: [u8; 8] = [0, 23, 0, 24, 0, 59, 0, 60];
/// What UEFI wants.
const UEFI_WANTS: [u8; 6] = [0, 59, 0, 60, 0, 23];

async fn answer_of(packet: &[u8]) -> Vec<u8> {
    let (store, network) = (world().await, network());
    let loaders = [BIOS_LOADER, UEFI_LOADER, UEFI_ARM64_LOADER];
    let loaders = Loaders::new(loaders).and_over_http(loaders);
    let arrival = Arrival::multicast("fe80::1234:5678:9abc:def0".parse().unwrap());
    let request = Request::parse(packet, arrival).unwrap();
    let site = Site {
        network: &network,
        loaders: &loaders,
        now_ms: 0,
        isolated_lease_s: None,
    };
    match decide(&store.state(), &request, &site) {
        Decision::Reply(reply) | Decision::Refusal(reply, _) => {
            let mut message = Vec::new();
            reply.write(&request, &mut message);
            message
        }
        Decision::Silent(why) => panic!("{why:?}"),
    }
}

/// The message as text; walks the options itself.
fn render(message: &[u8], indent: &str, text: &mut String) {
    match message {
        [13, hops, rest @ ..] => {
            let address = |at: usize| Ipv6Addr::from(<[u8; 16]>::try_from(&rest[at..at + 16]).unwrap());
            writeln!(
                text,
                "{indent}RELAY-REPL hops {hops} link {} peer {}",
                address(0),
                address(16)
            )
            .unwrap();
            options(&rest[32..], &format!("{indent}  "), text);
        }
        [kind, a, b, c, rest @ ..] => {
            writeln!(text, "{indent}type {kind} xid {a:02x}{b:02x}{c:02x}").unwrap();
            options(rest, &format!("{indent}  "), text);
        }
        short => panic!("{short:?}"),
    }
}

fn options(mut rest: &[u8], indent: &str, text: &mut String) {
    while let [code_high, code, len_high, len, behind @ ..] = rest {
        let code = u16::from_be_bytes([*code_high, *code]);
        let (value, behind) = behind.split_at(u16::from_be_bytes([*len_high, *len]).into());
        let hex: Vec<String> = value.iter().map(|byte| format!("{byte:02x}")).collect();
        let address = |value: &[u8]| Ipv6Addr::from(<[u8; 16]>::try_from(value).unwrap());
        let number = |at: usize| u32::from_be_bytes(value[at..at + 4].try_into().unwrap());
        match code {
            3 => writeln!(
                text,
                "{indent}3 iaid {} t1 {} t2 {}",
                number(0),
                number(4),
                number(8)
            ),
            5 => writeln!(
                text,
                "{indent}5 {} {}/{}",
                address(&value[..16]),
                number(16),
                number(20)
            ),
            9 => writeln!(text, "{indent}9"),
            13 => writeln!(
                text,
                "{indent}13 {} {}",
                value[1],
                String::from_utf8_lossy(&value[2..])
            ),
            23 => writeln!(text, "{indent}23 {}", address(value)),
            59 => writeln!(text, "{indent}59 {}", String::from_utf8_lossy(value)),
            _ => writeln!(text, "{indent}{code} {}", hex.join(" ")),
        }
        .unwrap();
        let inner = format!("{indent}  ");
        match code {
            3 => options(&value[12..], &inner, text),
            9 => render(value, &inner, text),
            _ => {}
        }
        rest = behind;
    }
    assert!(rest.is_empty());
}

async fn check(name: &str, packet: &[u8]) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/dhcp6/golden");
    let path = folder.join(name);
    let mut got = String::new();
    render(&answer_of(packet).await, "", &mut got);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(&path, &got).unwrap();
        panic!(
            "{} was written: read the difference, then run without UPDATE_GOLDEN",
            path.display()
        );
    }
    let expected = std::fs::read_to_string(&path).unwrap();
    assert_eq!(got, expected, "{}", path.display());
}

fn ipxe(kind: u8) -> RawMessage {
    let class = vendor_class(343, b"PXEClient:Arch:00007:UNDI:003010");
    RawMessage::new(kind).options(&[
        (1, &duid_ll(NODE)),
        (3, &ia_addresses(0xa1, &[])),
        (6, &IPXE_WANTS),
        (15, b"\0\x04iPXE"),
        (16, &class),
        (61, &[0, 7]),
        (62, &[1, 3, 16]),
    ])
}

fn firmware(mac: model::MacAddr, class: &[u8], architecture: u8) -> RawMessage {
    RawMessage::new(1).options(&[
        (1, &duid_llt(mac)),
        (3, &ia_addresses(1, &[])),
        (8, &[0, 0]),
        (6, &UEFI_WANTS),
        (16, &vendor_class(343, class)),
        (61, &[0, architecture]),
        (62, &[1, 3, 16]),
    ])
}

#[tokio::test]
async fn ipxe_that_solicits() {
    check("ipxe-advertise.txt", &ipxe(1).bytes()).await;
}

#[tokio::test]
async fn ipxe_that_requests() {
    let request = ipxe(3).options(&[(2, &server_duid(""))]);
    check("ipxe-reply.txt", &request.bytes()).await;
}

#[tokio::test]
async fn ipxe_that_has_an_address_and_asks_for_the_rest() {
    let raw = RawMessage::new(11).options(&[(1, &duid_ll(NODE)), (6, &IPXE_WANTS), (15, b"\0\x04iPXE")]);
    check("ipxe-information.txt", &raw.bytes()).await;
}

#[tokio::test]
async fn pxe_of_ovmf() {
    check(
        "ovmf-pxe.txt",
        &firmware(NODE, b"PXEClient:Arch:00007:UNDI:003016", 7).bytes(),
    )
    .await;
}

#[tokio::test]
async fn http_boot_of_ovmf() {
    check(
        "ovmf-http.txt",
        &firmware(NODE, b"HTTPClient:Arch:00016:UNDI:003016", 16).bytes(),
    )
    .await;
}

#[tokio::test]
async fn http_boot_of_arm64() {
    check(
        "arm64-http.txt",
        &firmware(NODE, b"HTTPClient:Arch:00019:UNDI:003016", 19).bytes(),
    )
    .await;
}

/// It asks like a PXE client, and gets an address only.
#[tokio::test]
async fn bmc() {
    check(
        "bmc.txt",
        &firmware(BMC, b"PXEClient:Arch:00007:UNDI:003016", 7).bytes(),
    )
    .await;
}

/// As the BMC.
#[tokio::test]
async fn unassigned_interface() {
    check(
        "unassigned.txt",
        &firmware(UNASSIGNED, b"PXEClient:Arch:00007:UNDI:003016", 7).bytes(),
    )
    .await;
}

/// As isc-dhclient does it: names, no classes.
#[tokio::test]
async fn operating_system_with_rapid_commit() {
    let raw = RawMessage::new(1).options(&[
        (1, &duid_llt(NODE)),
        (14, &[]),
        (6, &[0, 23, 0, 24, 0, 39, 0, 31]),
        (39, b"\0\x04host\0"),
        (3, &ia_addresses(1, &[])),
    ]);
    check("dhclient-rapid.txt", &raw.bytes()).await;
}

#[tokio::test]
async fn stateless_client_that_asks_when_to_ask_again() {
    let raw = RawMessage::new(11).options(&[(1, &duid_llt(NODE)), (6, &[0, 23, 0, 32])]);
    check("information-refresh.txt", &raw.bytes()).await;
}

#[tokio::test]
async fn node_behind_two_relays() {
    let raw = RawMessage::new(1).options(&[(1, &duid_llt(NODE_ON_TWO)), (3, &ia_addresses(1, &[]))]);
    let inner = relayed(
        &raw.bytes(),
        0,
        "fd00:98::1",
        "fe80::a2",
        &[(18, &[0xde, 0xad, 0, 0xff])],
    );
    let outer = relayed(
        &inner,
        1,
        "::",
        "fd00:98::1",
        &[(37, &[0, 0, 0, 9, 1]), (18, b"vlan7"), (135, &[0, 0])],
    );
    check("relayed.txt", &outer).await;
}

#[tokio::test]
async fn refusal() {
    let raw = RawMessage::new(4).options(&[(1, &duid_llt(NODE)), (3, &ia_addresses(1, &["fd00:99::1"]))]);
    check("not-on-link.txt", &raw.bytes()).await;
}
