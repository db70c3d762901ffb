//! Keys of DHCP, over IPv6 too.

use super::*;

/// DHCPv6 where there is a link with IPv6 and an address on it, and its port is nobody else's.
#[test]
fn prefixes_of_ipv6_need_a_link_that_has_it() {
    let dir = tempfile::tempdir().unwrap();
    let with_v6 = example(dir.path()).replace("\nprefixes-v6 = []", "\nprefixes-v6 = [\"fd00:97::/64\"]");
    verdict(&with_v6).unwrap();
    let mut without = host();
    without.without_ipv6.insert("eth1".to_owned());
    let config = parse(&with_v6).unwrap();
    let error = check(&config, &listed(), &without).unwrap_err().to_string();
    assert!(
        error.contains("network `boot`, prefixes-v6: IPv6 is off on `eth1`"),
        "{error}"
    );
    let on_loopback = verdict(&with_v6.replace("mode = \"helper\"", "mode = \"loopback\"")).unwrap_err();
    assert!(
        on_loopback.contains("prefixes-v6: loopback has no IPv6 link"),
        "{on_loopback}"
    );
    let taken = verdict(&with_v6.replace("port = 69", "port = 547")).unwrap_err();
    assert!(
        taken.contains("tftp.port: UDP port 547 is also taken by `network.prefixes-v6`"),
        "{taken}"
    );
    verdict(&example(dir.path()).replace("port = 69", "port = 547")).unwrap();
    let external = with_v6
        .replace("mode = \"helper\"", "mode = \"external\"")
        .replace(
            "\nprefixes-v6",
            "\nservice-address-v6 = \"fd00:77::1\"\nprefixes-v6",
        );
    verdict(&external).unwrap();
}

#[test]
fn a_text_that_is_no_address_or_prefix_names_its_key() {
    for (from, to, says) in [
        (
            "\nprefixes-v6 = []",
            "\nprefixes-v6 = [\"10.97.0.0/16\"]",
            "network.prefixes-v6",
        ),
        (
            "\nprefixes-v6 = []",
            "\nprefixes-v6 = [\"fd00:97::1/64\"]",
            "write fd00:97::/64",
        ),
        (
            "dns-servers-v6 = []",
            "dns-servers-v6 = [\"10.97.0.53\"]",
            "network.dns-servers-v6",
        ),
        (
            "# service-address-v6 = \"fd00:97::1\"",
            "service-address-v6 = \"x\"",
            "`x` is not an IPv6 address",
        ),
    ] {
        assert!(EXAMPLE.contains(from), "{from}");
        let error = parse(&EXAMPLE.replace(from, to)).unwrap_err().to_string();
        assert!(error.contains(says), "{to}: {error}");
    }
}

/// Port 4011 is taken only where nodes are to ask there.
#[test]
fn a_proxy_needs_its_port_for_itself() {
    let dir = tempfile::tempdir().unwrap();
    let moved = example(dir.path()).replace("advert-port = 7442", "advert-port = 4011");
    verdict(&moved).unwrap();
    let proxy = |text: &str| text.replace("dhcp-mode = \"answer\"", "dhcp-mode = \"proxy\"");
    verdict(&proxy(&example(dir.path()))).unwrap();
    let error = verdict(&proxy(&moved)).unwrap_err();
    let says = "address.advert-port: UDP port 4011 is also taken by `dhcp-mode = \"proxy\"`";
    assert!(error.contains(says), "{error}");
}

/// Before the move is over nothing is bound over IPv6, and what is configured for afterwards is accepted.
#[test]
fn a_network_that_does_not_answer_leaves_the_port_of_dhcpv6_free() {
    let dir = tempfile::tempdir().unwrap();
    let with_v6 = example(dir.path()).replace("\nprefixes-v6 = []", "\nprefixes-v6 = [\"fd00:97::/64\"]");
    let on_its_port = with_v6.replace("advert-port = 7442", "advert-port = 547");
    let taken = verdict(&on_its_port).unwrap_err();
    assert!(taken.contains("address.advert-port: UDP port 547"), "{taken}");
    for mode in ["observe", "proxy"] {
        let mode = format!("dhcp-mode = \"{mode}\"");
        verdict(&with_v6.replace("dhcp-mode = \"answer\"", &mode)).unwrap();
        verdict(&on_its_port.replace("dhcp-mode = \"answer\"", &mode)).unwrap();
    }
}
