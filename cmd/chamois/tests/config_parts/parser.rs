//! What does not parse.

use super::*;

/// What the parser refuses: unknown keys, wrong types, values of the wrong form. All with the line.
const REFUSED_BY_THE_PARSER: &[Case] = &[
    case(
        "data-dir =",
        "data-dri =",
        &["line 11", "data-dri", "Did you mean `data-dir`?"],
    ),
    case(
        "[raft]\n",
        "[raft]\nheartbeat = 1\n",
        &["raft.heartbeat", "accepted: profile, peer-listen"],
    ),
    case("[tftp]\n", "[tfpt]\n", &["tfpt", "Did you mean `tftp`?"]),
    case(
        "http-port = 8081",
        "http-port = \"8081\"",
        &["boot.http-port", "expected u16"],
    ),
    case(
        "http-port = 8081",
        "http-port = 80810",
        &["boot.http-port", "expected u16"],
    ),
    case(
        "requests-per-s-max = 100",
        "requests-per-s-max = -1",
        &["boot.requests-per-s-max", "expected u32"],
    ),
    case(
        "shared-addresses = []",
        "shared-addresses = [\"10.0.0.1/8\"]",
        &["boot.shared-addresses", "10.0.0.0/8"],
    ),
    case(
        "trusted-proxies = []",
        "trusted-proxies = [\"proxy\"]",
        &["boot.trusted-proxies"],
    ),
    case("\nid = 1", "\nid = -1", &["member.id", "expected u64"]),
    case("\nid = 1", "", &["[member]", "missing field `id`"]),
    case(
        "profile = \"lan\"",
        "profile = \"lam\"",
        &[
            "raft.profile",
            "accepted: lan, fast, steady, wan",
            "Did you mean `lan`?",
        ],
    ),
    case(
        "snapshot-entries = 50000",
        "snapshot-entries = 99",
        &["raft.snapshot-entries", "100 to 10000000"],
    ),
    case(
        "mode = \"helper\"",
        "mode = \"vrrp\"",
        &["address.mode", "accepted: helper, loopback"],
    ),
    case(
        "dhcp-mode = \"answer\"",
        "dhcp-mode = \"watch\"",
        &["network.dhcp-mode", "answer, observe, proxy"],
    ),
    case(
        "dhcp-other-servers = []",
        "dhcp-other-servers = [\"dhcp1\"]",
        &["network.dhcp-other-servers", "`dhcp1` is not an IPv4 address"],
    ),
    case(
        "\"dhcp\", \"tftp\", \"dns\"]",
        "\"dhcp\", \"ntp\"]",
        &["network.roles", "`ntp`", "boot, dhcp, tftp, dns"],
    ),
    case(
        "\"10.97.1.1:7440\"",
        "\"10.97.1.1\"",
        &["raft.peer-listen", "not an address with a port", "10.97.1.1:7441"],
    ),
    case(
        "\"10.97.1.1:7441\"",
        "\"10.97.1.1:0\"",
        &["api.grpc-listen", "port 0"],
    ),
    case(
        "anonymous-legacy-reads = []",
        "anonymous-legacy-reads = [\"10.0.0.1/8\"]",
        &["api.anonymous-legacy-reads", "10.0.0.0/8"],
    ),
    case(
        "syslog = \"\"",
        "syslog = \"10.0.0.5\"",
        &["audit.syslog", "unix:/dev/log"],
    ),
    case(
        "enforce-locks = false",
        "enforce-locks = \"no\"",
        &["api.enforce-locks", "expected a boolean"],
    ),
    case(
        "allow-tls12 = false",
        "allow-tls12 = \"1.2\"",
        &["api.allow-tls12", "expected a boolean"],
    ),
    case(
        "allow-loopback-webhooks = false",
        "allow-loopback-webhooks = 1",
        &["api.allow-loopback-webhooks", "expected a boolean"],
    ),
    case(
        "connections-per-s-max = 500",
        "connections-per-s-max = -1",
        &["api.connections-per-s-max", "expected u32"],
    ),
    case(
        "kek-command = []",
        "kek-command = \"/usr/bin/vault-client kek\"",
        &["secrets.kek-command", "expected a sequence"],
    ),
    case(
        "member-address = \"10.97.1.1\"",
        "member-address = \"10.97.1\"",
        &["network.member-address", "not an IPv4 address"],
    ),
    case(
        "service-address = \"10.97.0.1\"",
        "service-address = \"fd00::1\"",
        &["network.service-address", "not an IPv4 address"],
    ),
    case(
        "peers = { 1 =",
        "peers = { one =",
        &["network.peers", "`one` is not a member id"],
    ),
    case("cluster = \"prod\"", "cluster = ", &["line 9", "cluster"]),
];

#[test]
fn what_does_not_parse_is_refused_with_line_key_and_remedy() {
    for Case { from, to, says } in REFUSED_BY_THE_PARSER {
        assert!(EXAMPLE.contains(from), "the example has no `{from}`");
        let error = parse(&EXAMPLE.replacen(from, to, 1)).expect_err(to).to_string();
        for word in *says {
            assert!(
                error.contains(word),
                "`{to}` should be answered with `{word}`:\n{error}"
            );
        }
    }
}
