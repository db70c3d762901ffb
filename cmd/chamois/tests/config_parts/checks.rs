//! What parses and cannot work.

use super::*;

/// What parses and cannot work: against itself, the member list, this host.
const REFUSED_BY_THE_CHECKS: &[Case] = &[
    case(
        "kek-credential = \"\"\n",
        "kek-credential = \"../kek\"\n",
        &["secrets.kek-credential", "`../kek`", "chamois-kek"],
    ),
    case(
        "kek-command = []",
        "kek-command = [\"vault-client\", \"kek\"]",
        &[
            "secrets.kek-command",
            "not an absolute path",
            "/usr/bin/vault-client",
        ],
    ),
    case(
        "kek-command-timeout-s = 10",
        "kek-command-timeout-s = 0",
        &["secrets.kek-command-timeout-s", "1 to 15"],
    ),
    case(
        "cluster = \"prod\"",
        "cluster = \"test\"",
        &["cluster: `test`", "was made for `prod`"],
    ),
    case("\nid = 1", "\nid = 4", &["member.id: 4 is not listed", "1, 2, 3"]),
    case(
        "10.97.1.1:7440",
        "10.97.1.1:7450",
        &["raft.peer-listen: port 7450", "will call port 7440"],
    ),
    case(
        "10.97.1.1:8443",
        "10.97.1.1:7441",
        &["api.https-listen", "also taken by `api.grpc-listen`"],
    ),
    case(
        "10.97.1.1:7441",
        "0.0.0.0:7440",
        &["api.grpc-listen", "also taken by `raft.peer-listen`"],
    ),
    case(
        "10.97.1.1:8443",
        "10.97.1.1:8081",
        &["boot.http-port", "also taken by `api.https-listen`"],
    ),
    case(
        "http-port = 8081",
        "http-port = 0",
        &["boot.http-port", "0 is not a port"],
    ),
    case(
        "dhcp-deadline-s = 60",
        "dhcp-deadline-s = 0",
        &["boot.dhcp-deadline-s", "1 to 86400"],
    ),
    case(
        "phone-home-deadline-s = 1800",
        "phone-home-deadline-s = 86401",
        &["boot.phone-home-deadline-s", "1 to 86400"],
    ),
    case(
        "keep-days = 365",
        "keep-days = 0",
        &["audit.keep-days", "1 to 36500"],
    ),
    case(
        "size-mib-max = 1024",
        "size-mib-max = 15",
        &["audit.size-mib-max", "16 to 1048576"],
    ),
    case(
        "json-lines = \"\"",
        "json-lines = \"audit.jsonl\"",
        &["audit.json-lines", "from the root on"],
    ),
    case(
        "requests-burst-max = 1000",
        "requests-burst-max = 49",
        &["boot.requests-burst-max", "49 is less", "50 and more"],
    ),
    case(
        "connections-max = 4096",
        "connections-max = 63",
        &["api.connections-max: 63; accepted are 64 to 65536"],
    ),
    case(
        "connections-per-address-max = 1024",
        "connections-per-address-max = 15",
        &["api.connections-per-address-max: 15; accepted are 16", "4096"],
    ),
    case(
        "connections-per-address-max = 1024",
        "connections-per-address-max = 4097",
        &[
            "api.connections-per-address-max",
            "16 to connections-max, which is 4096",
        ],
    ),
    case(
        "client-packets-burst-max = 20",
        "client-packets-burst-max = 9",
        &["dhcp.client-packets-burst-max", "9 is less", "10 and more"],
    ),
    case(
        "probe-ms = 300",
        "probe-ms = 501",
        &["dhcp.probe-ms", "0 (no probe) to 500"],
    ),
    case(
        "dhcp-other-servers = []",
        "dhcp-other-servers = [\"10.97.0.1\"]",
        &[
            "network `boot`, dhcp-other-servers: 10.97.0.1",
            "name other servers alone",
        ],
    ),
    case(
        "dhcp-answer-only = []",
        "dhcp-answer-only = [\"\"]",
        &["network `boot`, dhcp-answer-only: an empty label"],
    ),
    case(
        "isolated-lease-s = 300",
        "isolated-lease-s = 59",
        &["dhcp.isolated-lease-s", "at least 60"],
    ),
    case(
        "port = 69",
        "port = 67",
        &["tftp.port", "also taken by `dhcp.port`"],
    ),
    case(
        "port = 53",
        "port = 69",
        &["dns.port", "also taken by `tftp.port`"],
    ),
    case(
        "port = 53",
        "port = 8081",
        &["dns.port", "also taken by `boot.http-port`"],
    ),
    case(
        "advert-port = 7442",
        "advert-port = 67",
        &["address.advert-port", "also taken by `dhcp.port`"],
    ),
    case(
        "retry-delay-s = 0",
        "retry-delay-s = 4000",
        &["bss.retry-delay-s", "0 to 3600"],
    ),
    case(
        "retry-delay-s = 0",
        "s3 = { endpoint = \"https://s3\", access-key = \"a\", secret-file = \"/nowhere/secret\" }",
        &["bss.s3: secret-file", "/nowhere/secret"],
    ),
    case("/data\"", "/nowhere/deeper/data\"", &["data-dir", "create it"]),
    case(
        "/files\"",
        "/nofiles\"",
        &["boot.files-dir", "create it or name another"],
    ),
    case(
        "interface = \"eth1\"",
        "interface = \"eth7\"",
        &["network `boot`, interface", "this host has eth1, eth2, eth3, lo"],
    ),
    case(
        "interface = \"eth1\"",
        "interface = \"eth3\"",
        &["network `boot`, member-address", "which has none"],
    ),
    case(
        "member-address = \"10.97.1.1\"",
        "member-address = \"10.97.1.9\"",
        &["member-address", "not an address of `eth1`, which has 10.97.1.1"],
    ),
    case(
        "\nservice-address = \"10.97.0.1\"",
        "",
        &["network `boot`, service-address: missing"],
    ),
    case(
        "service-address = \"10.97.0.1\"",
        "service-address = \"10.96.0.1\"",
        &[
            "network `boot`, service-address",
            "outside the network of 10.97.1.1",
        ],
    ),
    case(
        "service-address = \"10.97.0.1\"",
        "service-address = \"10.97.1.2\"",
        &["service-address", "a member's own address"],
    ),
    case(
        "peers = { 1 = \"10.97.1.1\", ",
        "peers = { ",
        &["network `boot`, peers", "member 1 is missing"],
    ),
    case(
        ", 3 = \"10.97.1.3\"",
        ", 3 = \"10.97.1.3\", 0 = \"10.97.1.4\"",
        &["member 0 is not in cluster.toml"],
    ),
    case(
        "{ 1 = \"10.97.1.1\"",
        "{ 1 = \"10.97.1.7\"",
        &["member 1 is this one", "member-address 10.97.1.1"],
    ),
    case(
        "kind = \"boot\"",
        "kind = \"bmc\"",
        &["`boot` is not given to a bmc network"],
    ),
    case(
        "kind = \"boot\"",
        "kind = \"management\"",
        &["`dhcp` is not given to a management network"],
    ),
    case(
        "[\"boot\", \"dhcp\", \"tftp\", \"dns\"]",
        "[\"boot\", \"boot\"]",
        &["`boot` is named twice"],
    ),
    case("name = \"bmc\"", "name = \"boot\"", &["name: used twice"]),
    case(
        "mode = \"helper\"",
        "mode = \"loopback\"",
        &["outside 127.0.0.0/8", "it is `lo`"],
    ),
    case(
        "mode = \"helper\"",
        "mode = \"list\"",
        &[
            "service-address: 10.97.0.1 would never be used",
            "remove it, or use mode `helper` or `external`",
        ],
    ),
    case(
        "mode = \"helper\"",
        "mode = \"anycast\"",
        &[
            "`anycast` is not a value here",
            "helper, loopback, external, list",
        ],
    ),
    case(
        "[\"10.98.0.0/16\"]",
        "[\"10.98.0.0/16\", \"10.98.7.0/24\"]",
        &["relayed-subnets", "10.98.7.0/24 overlaps 10.98.0.0/16"],
    ),
    case(
        "kind = \"bmc\"",
        "router-advertisements = true\nkind = \"bmc\"",
        &["network `bmc`, router-advertisements", "of kind bmc"],
    ),
    case(
        "mode = \"helper\"",
        "mode = \"loopback\"",
        &["router-advertisements: loopback has no IPv6 link"],
    ),
    case(
        "prefixes-v6 = []",
        "prefixes-v6 = [\"fd00:77::/64\"]",
        &["network `boot`, prefixes-v6: `eth1` has no address in fd00:77::/64"],
    ),
    case(
        "prefixes-v6 = []",
        "prefixes-v6 = [\"fd00:97::/64\", \"fe80::/10\"]",
        &["nodes have no addresses of their own in fe80::/10"],
    ),
    case(
        "prefixes-v6 = []\n# The same",
        "prefixes-v6 = [\"fd00:97::/64\", \"fd00:97::/80\"]\n# The same",
        &["network `boot`, prefixes-v6: fd00:97::/80 overlaps fd00:97::/64 of network `boot`"],
    ),
    case(
        "relayed-prefixes-v6 = []",
        "relayed-prefixes-v6 = [\"fd00:98::/64\"]",
        &["network `boot`, relayed-prefixes-v6: nothing is served over IPv6 without `prefixes-v6`"],
    ),
    case(
        "dns-servers-v6 = []",
        "dns-servers-v6 = [\"fd00:97::53\"]",
        &["network `boot`, dns-servers-v6: nothing is served"],
    ),
    case(
        "prefixes-v6 = []",
        "service-address-v6 = \"fd00:97::1\"\nprefixes-v6 = [\"fd00:97::/64\"]",
        &[
            "network `boot`, service-address-v6",
            "only with `address.mode = \"external\"`",
        ],
    ),
    case(
        "kind = \"bmc\"",
        "prefixes-v6 = [\"fd00:99::/64\"]\nkind = \"bmc\"",
        &[
            "network `bmc`, prefixes-v6",
            "give the network the role `dhcp`",
            "`eth2` has no address",
        ],
    ),
    case(
        "kind = \"bmc\"",
        "dhcp-mode = \"observe\"\nkind = \"bmc\"",
        &["network `bmc`, dhcp-mode: the network has no role `dhcp`"],
    ),
    case(
        "kind = \"bmc\"",
        "dhcp-answer-only = [\"moved\"]\nkind = \"bmc\"",
        &["network `bmc`, dhcp-answer-only: the network has no role `dhcp`"],
    ),
    case(
        "roles = [\"discovery\"]",
        "roles = [\"dhcp\"]\ndhcp-mode = \"proxy\"",
        &[
            "network `bmc`, dhcp-mode: `proxy` tells nodes what to boot",
            "use `observe`",
        ],
    ),
    case(
        "kind = \"bmc\"",
        "service-address = \"10.97.0.1\"\nkind = \"bmc\"",
        &["is also that of network `boot`"],
    ),
    case(
        "kind = \"bmc\"",
        "service-address = \"10.99.0.1\"\nkind = \"bmc\"",
        &[
            "network `bmc`, service-address: nothing would answer on it",
            "has no role for nodes",
        ],
    ),
    case(
        "kind = \"bmc\"",
        "service-address = \"10.99.0.1\"\nkind = \"management\"",
        &["network `bmc`, peers: member 1 is missing"],
    ),
];

#[test]
fn what_cannot_work_is_refused_with_key_and_remedy() {
    let dir = tempfile::tempdir().unwrap();
    let good = example(dir.path());
    for Case { from, to, says } in REFUSED_BY_THE_CHECKS {
        assert!(good.contains(from), "the example has no `{from}`");
        let error = verdict(&good.replacen(from, to, 1)).expect_err(to);
        for word in *says {
            assert!(
                error.contains(word),
                "`{to}` should be answered with `{word}`:\n{error}"
            );
        }
    }
}
