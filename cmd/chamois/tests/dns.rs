//! `dig` as it is in Debian asks a member that runs. Needs `apt-get install bind9-dnsutils`; runs with CHAMOIS_E2E=1.
#![allow(
    clippy::unwrap_used,
    reason = "a test ends at the first thing that is not as expected"
)]

mod common;

use std::net::Ipv4Addr;
use std::process::Command;

use common::Single;
use common::http::Administrator;

/// What dig prints of an answer.
fn dig(server: Ipv4Addr, arguments: &[&str]) -> String {
    let mut command = Command::new("dig");
    let at = [
        format!("@{server}"),
        "-p".to_owned(),
        common::dns::DNS_PORT.to_string(),
    ];
    command.args(at).args(["+tries=1", "+time=5"]).args(arguments);
    let output = command
        .output()
        .expect("dig is installed (apt-get install bind9-dnsutils)");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn short(server: Ipv4Addr, arguments: &[&str]) -> String {
    dig(server, &[arguments, &["+short"]].concat()).trim().to_owned()
}

/// A node at two addresses of IPv4 and IPv6, and a BMC.
fn seed(site: &Single) {
    let network = site.net.subnet().to_string();
    let (code, _, err) = site.ask(&["subnet", "put", &network, "--domain", "demo.example"]);
    assert_eq!(code, 0, "{err}");
    let administrator = Administrator::new(&site.dir.path().join("identities"));
    let post = |path: &str, body: &str| {
        let answer = administrator.send(site.own(), "POST", path, body);
        assert!((200..300).contains(&answer.status), "{path}: {answer:?}");
    };
    post(
        "/hsm/v2/State/Components",
        r#"{"Components":[{"ID":"x1000c0s0b0n0","State":"On","NID":1},{"ID":"x1000c0s0b0","State":"On"}]}"#,
    );
    let (node, bmc) = (
        site.net.node_address(0).unwrap(),
        site.net.node_address(1).unwrap(),
    );
    for (mac, xname, addresses) in [
        (
            "01",
            "x1000c0s0b0n0",
            format!(r#"{{"IPAddress":"{node}"}},{{"IPAddress":"fd00::11"}}"#),
        ),
        ("02", "x1000c0s0b0", format!(r#"{{"IPAddress":"{bmc}"}}"#)),
    ] {
        let interface = format!(
            r#"{{"MACAddress":"02:00:00:00:00:{mac}","ComponentID":"{xname}","IPAddresses":[{addresses}]}}"#
        );
        post("/hsm/v2/Inventory/EthernetInterfaces", &interface);
    }
}

#[test]
fn dig_finds_nodes_and_bmcs_by_name_and_address() {
    if std::env::var_os("CHAMOIS_E2E").is_none() {
        println!("NOT RUN: dig_finds_nodes_and_bmcs_by_name_and_address: set CHAMOIS_E2E=1 (bind9-dnsutils)");
        return;
    }
    let site = Single::prepare();
    let mut member = site.start();
    seed(&site);
    let (server, node) = (site.net.service_address(), site.net.node_address(0).unwrap());
    member.until("DNS answers", || {
        !short(server, &["demo.example", "SOA"]).is_empty()
    });

    for name in [
        "te0001.demo.example",
        "nid0001.demo.example",
        "X1000c0s0b0n0.Demo.Example",
    ] {
        for transport in ["+notcp", "+tcp"] {
            assert_eq!(
                short(server, &[transport, name, "A"]),
                node.to_string(),
                "{name} {transport}"
            );
        }
        assert_eq!(short(server, &[name, "AAAA"]), "fd00::11");
    }
    assert_eq!(short(server, &["-x", &node.to_string()]), "te0001.demo.example.");
    assert_eq!(short(server, &["-x", "fd00::11"]), "te0001.demo.example.");
    let bmc = site.net.node_address(1).unwrap().to_string();
    assert_eq!(short(server, &["x1000c0s0b0.demo.example"]), bmc);
    assert_eq!(short(server, &["ns.demo.example"]), server.to_string());

    let status = |arguments: &[&str]| {
        let text = dig(server, arguments);
        let (_, after) = text.split_once("status: ").unwrap_or_else(|| panic!("{text}"));
        let flags = text.split_once("flags: ").unwrap().1.split(';').next().unwrap();
        assert!(!flags.contains("ra"), "no recursion: {text}");
        (after.split(',').next().unwrap().to_owned(), flags.contains("aa"))
    };
    assert_eq!(status(&["nid0009.demo.example"]), ("NXDOMAIN".to_owned(), true));
    assert_eq!(
        status(&["nid0001.demo.example", "MX"]),
        ("NOERROR".to_owned(), true)
    );
    assert_eq!(status(&["www.example.org"]), ("REFUSED".to_owned(), false));
    assert!(dig(server, &["demo.example", "AXFR"]).contains("Transfer failed"));

    // the serial is a revision: a change of names makes it greater
    let serial = || -> u64 {
        let soa = short(server, &["demo.example", "SOA"]);
        soa.split(' ').nth(2).unwrap().parse().unwrap()
    };
    let before = serial();
    let network = site.net.subnet().to_string();
    let (code, ..) = site.ask(&[
        "subnet",
        "put",
        &network,
        "--domain",
        "demo.example",
        "--mtu",
        "9000",
    ]);
    assert_eq!(code, 0);
    member.until("the serial rises", || serial() > before);
    assert!(member.log().contains("opening the node ports"));
}
