//! Whole answers to the clients that matter, as text files: every option, in its order, with its bytes. After a
//! wanted change write them anew with `UPDATE_GOLDEN=1` and read the difference; such a run fails, so that none passes by it.

#![allow(clippy::unwrap_used, reason = "an unwrap in a test is an assertion")]

#[allow(dead_code, reason = "shared with other tests")]
#[path = "../src/testing.rs"]
mod testing;

use std::fmt::Write;
use std::net::Ipv4Addr;
use std::path::Path;

use dhcp::{BIOS_LOADER, Decision, Loaders, Request, Site, UEFI_ARM64_LOADER, UEFI_LOADER, decide};
use model::MacAddr;
use proto::dhcp::v1::dhcp_policy::DomainAppend;
use proto::dhcp::v1::{DhcpPolicy, RawOption};
use testing::{BMC, NODE, RawPacket};

/// The parameter request list of iPXE's DHCPDISCOVER.
const IPXE_WANTS: [u8; 24] = [
    1, 3, 6, 7, 12, 15, 17, 26, 43, 60, 66, 67, 119, 128, 129, 130, 131, 132, 133, 134, 135, 175, 203, 77,
];
/// Its option 175: bus id and feature flags.
const IPXE_SELF: [u8; 15] = [177, 5, 1, 0x1a, 0xf4, 0x10, 0x00, 24, 1, 1, 17, 1, 1, 19, 1];
const GUID: [u8; 17] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16];

async fn answer_of(raw: &RawPacket, policies: &[DhcpPolicy]) -> Vec<u8> {
    let store = testing::world(10, 97).await;
    for policy in policies {
        testing::put_policy(&store, policy.clone()).await;
    }
    let network = testing::network();
    let packet = raw.bytes();
    let request = Request::parse(&packet).unwrap();
    let uefi = [UEFI_LOADER, UEFI_ARM64_LOADER];
    let loaders = Loaders::new([BIOS_LOADER].into_iter().chain(uefi)).and_over_http(uefi);
    match decide(&store.state(), &request, &Site::new(&network, &loaders, 0)) {
        Decision::Reply(reply) | Decision::Nak(reply) => {
            let mut message = Vec::new();
            assert!(reply.write(&request, &mut message), "every option fits");
            message
        }
        other => panic!("{other:?}"),
    }
}

/// The message as text; walks the options itself.
fn render(message: &[u8]) -> String {
    let mut text = String::new();
    let address = |at: usize| Ipv4Addr::new(message[at], message[at + 1], message[at + 2], message[at + 3]);
    for (name, at) in [("ciaddr", 12), ("yiaddr", 16), ("siaddr", 20), ("giaddr", 24)] {
        writeln!(text, "{name} {}", address(at)).unwrap();
    }
    for (name, field) in [("sname", &message[44..108]), ("file", &message[108..236])] {
        let end = field.iter().position(|&b| b == 0).unwrap();
        writeln!(text, "{name} {}", String::from_utf8_lossy(&field[..end])).unwrap();
    }
    let mut rest = &message[240..];
    while rest[0] != 255 {
        let (code, len) = (rest[0], usize::from(rest[1]));
        let value = &rest[2..2 + len];
        match code {
            12 | 15 | 60 | 66 | 67 => writeln!(text, "{code} {}", std::str::from_utf8(value).unwrap()),
            _ => {
                let hex: Vec<String> = value.iter().map(|b| format!("{b:02x}")).collect();
                writeln!(text, "{code} {}", hex.join(" "))
            }
        }
        .unwrap();
        rest = &rest[2 + len..];
    }
    text
}

async fn check(name: &str, raw: &RawPacket) {
    check_with(name, raw, &[]).await;
}

async fn check_with(name: &str, raw: &RawPacket, policies: &[DhcpPolicy]) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden")
        .join(name);
    let got = render(&answer_of(raw, policies).await);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, &got).unwrap();
        panic!(
            "{} was written: read the difference, then run without UPDATE_GOLDEN",
            path.display()
        );
    }
    let expected = std::fs::read_to_string(&path).unwrap();
    assert_eq!(got, expected, "{}", path.display());
}

fn client_id(mac: MacAddr) -> Vec<u8> {
    [&[1][..], &mac.0].concat()
}

fn firmware(mac: MacAddr, class: &[u8], arch: &[u8]) -> RawPacket {
    RawPacket {
        mac,
        ..RawPacket::discover()
    }
    .options(&[
        (57, &[5, 192]),
        (
            55,
            &[
                1, 2, 3, 4, 5, 6, 12, 13, 15, 17, 18, 22, 23, 28, 40, 43, 50, 51, 54, 58, 59, 60, 66, 67, 97,
            ],
        ),
        (97, &GUID),
        (94, &[1, 3, 16]),
        (93, arch),
        (60, class),
    ])
}

fn ipxe(arch: &[u8], class: &[u8], user_class: &[u8]) -> RawPacket {
    RawPacket::discover().options(&[
        (57, &[5, 192]),
        (93, arch),
        (94, &[1, 2, 1]),
        (60, class),
        (77, user_class),
        (55, &IPXE_WANTS),
        (175, &IPXE_SELF),
        (61, &client_id(NODE)),
        (97, &GUID),
    ])
}

#[tokio::test]
async fn ipxe_of_a_bios() {
    check(
        "ipxe-bios.txt",
        &ipxe(&[0, 0], b"PXEClient:Arch:00000:UNDI:002001", b"iPXE"),
    )
    .await;
}

#[tokio::test]
async fn ipxe_of_a_uefi() {
    check(
        "ipxe-efi.txt",
        &ipxe(&[0, 7], b"PXEClient:Arch:00007:UNDI:003010", b"iPXE"),
    )
    .await;
}

/// A build without option 175 whose user class has the form of RFC 3004.
#[tokio::test]
async fn rfc_3004_user_class() {
    let raw = RawPacket::discover().options(&[
        (93, &[0, 7]),
        (60, b"PXEClient:Arch:00007:UNDI:003010"),
        (77, b"\x04iPXE"),
        (61, &client_id(NODE)),
    ]);
    check("rfc3004-user-class.txt", &raw).await;
}

#[tokio::test]
async fn pxe_of_a_bios() {
    check(
        "bios-pxe.txt",
        &firmware(NODE, b"PXEClient:Arch:00000:UNDI:002001", &[0, 0]),
    )
    .await;
}

#[tokio::test]
async fn pxe_of_ovmf() {
    check(
        "ovmf-pxe.txt",
        &firmware(NODE, b"PXEClient:Arch:00007:UNDI:003016", &[0, 7]),
    )
    .await;
}

#[tokio::test]
async fn http_boot_of_ovmf() {
    check(
        "ovmf-http.txt",
        &firmware(NODE, b"HTTPClient:Arch:00016:UNDI:003016", &[0, 16]),
    )
    .await;
}

/// No firmware for it runs here: the packets are made after edk2's.
#[tokio::test]
async fn pxe_of_a_uefi_on_arm64() {
    check(
        "arm64-pxe.txt",
        &firmware(NODE, b"PXEClient:Arch:00011:UNDI:003000", &[0, 11]),
    )
    .await;
}

#[tokio::test]
async fn http_boot_of_a_uefi_on_arm64() {
    check(
        "arm64-http.txt",
        &firmware(NODE, b"HTTPClient:Arch:00019:UNDI:003000", &[0, 19]),
    )
    .await;
}

/// It asks like a PXE client, and gets an address only.
#[tokio::test]
async fn bmc() {
    check(
        "bmc.txt",
        &firmware(BMC, b"PXEClient:Arch:00000:UNDI:002001", &[0, 0]),
    )
    .await;
}

#[tokio::test]
async fn acknowledgement_through_a_relay() {
    let raw = RawPacket {
        giaddr: Ipv4Addr::new(10, 97, 9, 1),
        ..RawPacket::new(3)
    }
    .options(&[
        (54, &[10, 97, 0, 1]),
        (50, &[10, 97, 2, 1]),
        (61, &client_id(NODE)),
        (82, &[9, 2, 0xde, 0xad, 1, 4, b'e', b't', b'h', b'0', 19, 0]),
    ]);
    check("relayed-ack.txt", &raw).await;
}

#[tokio::test]
async fn refusal() {
    let raw = RawPacket::new(3).options(&[(50, &[10, 97, 2, 99]), (61, &client_id(NODE))]);
    check("nak.txt", &raw).await;
}

/// As coresmd's rules would have it, and what they cannot say.
fn policies() -> Vec<DhcpPolicy> {
    let texts = |list: &[&str]| list.iter().map(ToString::to_string).collect::<Vec<String>>();
    let bmcs = DhcpPolicy {
        name: "bmcs".into(),
        priority: Some(600),
        component_types: texts(&["NodeBMC"]),
        hostname: "{id}".into(),
        domain: "bmc.example".into(),
        domain_append: DomainAppend::PolicySubnet.into(),
        routers: texts(&["10.97.3.254"]),
        prefix_length: 24,
        lease_time_s: 86_400,
        continues: true,
        ..DhcpPolicy::default()
    };
    let option = |code, text: &str, addresses: &[&str]| RawOption {
        code,
        text: text.into(),
        addresses: texts(addresses),
        ..RawOption::default()
    };
    let all = DhcpPolicy {
        name: "all".into(),
        hostname: "nid{06d}".into(),
        dns_servers: texts(&["10.97.0.2"]),
        ntp_servers: texts(&["10.97.0.5", "10.97.0.6"]),
        mtu: 1500,
        options: vec![
            option(67, "ztp.py", &[]),
            option(101, "Europe/Bern", &[]),
            option(150, "", &["10.97.0.9"]),
        ],
        ..DhcpPolicy::default()
    };
    vec![bmcs, all]
}

/// It boots from what the cluster says, whatever file a policy names.
#[tokio::test]
async fn a_node_with_a_policy() {
    let raw = ipxe(&[0, 7], b"PXEClient:Arch:00007:UNDI:003010", b"iPXE");
    check_with("policy-node.txt", &raw, &policies()).await;
}

#[tokio::test]
async fn a_bmc_with_two_policies() {
    let raw = firmware(BMC, b"PXEClient:Arch:00000:UNDI:002001", &[0, 0]);
    check_with("policy-bmc.txt", &raw, &policies()).await;
}
