//! A configuration that cannot work is refused before a port is bound, with the key's name and the remedy;
//! the examples are accepted, and show every key there is.
#![allow(
    clippy::unwrap_used,
    reason = "a test ends at the first thing that is not as expected"
)]

#[path = "config_parts/dhcp_keys.rs"]
mod dhcp_keys;

use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::path::Path;

use chamois::serve::check::{Host, Interface, Listed, check};
use chamois::serve::config::{Config, ConfigError};

const EXAMPLE: &str = include_str!("../../../deploy/examples/member-1.toml");

/// The example with its directories moved to where a test may write.
fn example(dir: &Path) -> String {
    std::fs::create_dir_all(dir.join("files")).unwrap();
    EXAMPLE.replace("/var/lib/chamois", dir.to_str().unwrap())
}

fn parse(text: &str) -> Result<Config, ConfigError> {
    Config::parse(text, Path::new("chamois.toml"))
}

/// The host of member 1 of the example.
fn host() -> Host {
    let interface = |name: &str, address| Interface {
        name: name.to_owned(),
        address,
    };
    let mask16 = Ipv4Addr::new(255, 255, 0, 0);
    Host {
        interfaces: vec![
            interface("lo", Some((Ipv4Addr::LOCALHOST, Ipv4Addr::new(255, 0, 0, 0)))),
            interface("eth1", Some((Ipv4Addr::new(10, 97, 1, 1), mask16))),
            interface("eth2", Some((Ipv4Addr::new(10, 99, 1, 1), mask16))),
            interface("eth3", None),
        ],
        without_ipv6: BTreeSet::new(),
        addresses_v6: vec![("eth1".to_owned(), "fd00:97::1:1".parse().unwrap())],
    }
}

fn listed() -> Listed {
    Listed {
        cluster: "prod".into(),
        ids: vec![1, 2, 3],
        peer_port: Some(7440),
    }
}

/// What `--check` would say about a text: the problems of parsing, or all those of checking.
fn verdict(text: &str) -> Result<(), String> {
    let config = parse(text).map_err(|error| error.to_string())?;
    check(&config, &listed(), &host()).map_err(|error| error.to_string())
}

#[test]
fn the_example_is_accepted() {
    let dir = tempfile::tempdir().unwrap();
    verdict(&example(dir.path())).unwrap();
}

/// The three files differ only in what is each host's own.
#[test]
fn the_examples_of_all_members_parse_and_agree() {
    let examples = [
        EXAMPLE,
        include_str!("../../../deploy/examples/member-2.toml"),
        include_str!("../../../deploy/examples/member-3.toml"),
    ];
    let configs: Vec<Config> = examples.iter().map(|text| parse(text).unwrap()).collect();
    for (config, id) in configs.iter().zip(1..) {
        assert_eq!(config.member.id, id);
        assert_eq!(
            config.networks[0].service_address,
            configs[0].networks[0].service_address
        );
        assert_eq!(config.networks[0].peers, configs[0].networks[0].peers);
        assert_eq!(config.networks[0].peers[&id], config.networks[0].member_address);
    }
}

/// An unknown key is answered with the list of accepted ones, so the list is asked for, section by
/// section, and looked up in the example: a key that is added to the code and not shown there fails.
#[test]
fn the_example_shows_every_key_of_every_section() {
    let mut keys = 0;
    for section in [
        "",
        "[member]",
        "[raft]",
        "[api]",
        "[boot]",
        "[bss]",
        "[dhcp]",
        "[tftp]",
        "[dns]",
        "[log]",
        "[audit]",
        "[secrets]",
        "[address]",
        "[[network]]",
    ] {
        let text = if section.is_empty() {
            format!("bogus = 1\n{EXAMPLE}")
        } else {
            EXAMPLE.replacen(section, &format!("{section}\nbogus = 1"), 1)
        };
        let error = parse(&text).unwrap_err().to_string();
        let (_, accepted) = error
            .split_once("accepted: ")
            .unwrap_or_else(|| panic!("{section}: {error}"));
        let accepted = accepted.split(". Did you mean").next().unwrap();
        let from = EXAMPLE.split_once(section).map_or(EXAMPLE, |(_, rest)| rest);
        for key in accepted.split(", ") {
            let below = format!("[{}.{key}]", section.trim_matches(['[', ']']));
            let shown = from.contains(&format!("\n{key} = "))
                || from.contains(&format!("\n# {key} = "))
                || EXAMPLE.contains(&format!("[{key}]"))
                || EXAMPLE.contains(&below);
            assert!(shown, "`{key}` of `{section}` is not in the example");
            keys += 1;
        }
    }
    assert!(
        keys > 35,
        "only {keys} keys were found: is the error still a list?"
    );
}

/// What stands in the example as a default is the default.
#[test]
fn keys_left_out_have_the_values_of_the_example() {
    let shown = parse(EXAMPLE).unwrap();
    let mut short = String::new();
    let mut skipping = false;
    for line in EXAMPLE.lines() {
        let header = line.starts_with('[');
        skipping = if header {
            [
                "[boot]",
                "[bss]",
                "[dhcp]",
                "[tftp]",
                "[dns]",
                "[log]",
                "[audit]",
                "[secrets]",
                "[address]",
            ]
            .contains(&line)
        } else {
            skipping
        };
        let default = [
            "profile",
            "snapshot-entries",
            "anonymous-legacy-reads",
            "enforce-locks",
            "connections-",
            "allow-",
        ]
        .iter()
        .any(|key| line.starts_with(key));
        if !skipping && !default {
            short += line;
            short.push('\n');
        }
    }
    let defaults = parse(&short).unwrap();
    assert_eq!(format!("{:?}", defaults.boot), format!("{:?}", shown.boot));
    assert_eq!(format!("{:?}", defaults.bss), format!("{:?}", shown.bss));
    assert_eq!(format!("{:?}", defaults.audit), format!("{:?}", shown.audit));
    assert_eq!(format!("{:?}", defaults.dhcp), format!("{:?}", shown.dhcp));
    assert_eq!(format!("{:?}", defaults.tftp), format!("{:?}", shown.tftp));
    assert_eq!(format!("{:?}", defaults.dns), format!("{:?}", shown.dns));
    assert_eq!(format!("{:?}", defaults.log), format!("{:?}", shown.log));
    assert_eq!(format!("{:?}", defaults.secrets), format!("{:?}", shown.secrets));
    assert_eq!(format!("{:?}", defaults.address), format!("{:?}", shown.address));
    assert_eq!(format!("{:?}", defaults.raft), format!("{:?}", shown.raft));
    assert_eq!(format!("{:?}", defaults.api), format!("{:?}", shown.api));
}

/// Today's clients give no keys.
#[test]
fn locks_are_enforced_only_where_it_is_asked_for() {
    let (line, asked) = ("enforce-locks = false\n", "enforce-locks = true\n");
    let enforces = |text: &str| parse(text).unwrap().api.enforce_locks;
    assert!(!enforces(EXAMPLE));
    assert!(!enforces(&EXAMPLE.replace(line, "")));
    assert!(enforces(&EXAMPLE.replace(line, asked)));
}

/// Whoever weakens TLS says so.
#[test]
fn tls_1_2_is_spoken_only_where_it_is_asked_for() {
    let allows = |text: &str| parse(text).unwrap().api.allow_tls12;
    assert!(!allows(EXAMPLE));
    assert!(!allows(&EXAMPLE.replace("allow-tls12 = false\n", "")));
    assert!(allows(
        &EXAMPLE.replace("allow-tls12 = false\n", "allow-tls12 = true\n")
    ));
}

/// The burst goes with the rate, and 0 is none.
#[test]
fn how_often_an_address_may_connect_follows_the_configuration() {
    let rate = |text: &str| parse(text).unwrap().api.connection_rate();
    let default = rate(EXAMPLE).unwrap();
    assert_eq!((default.per_second_max, default.burst_max), (500, 5000));
    let line = "connections-per-s-max = 500";
    assert!(rate(&EXAMPLE.replace(line, "connections-per-s-max = 0")).is_none());
}

/// One changed line, and the words that the answer must have: the key, what is wrong, the remedy.
struct Case {
    from: &'static str,
    to: &'static str,
    says: &'static [&'static str],
}

const fn case(from: &'static str, to: &'static str, says: &'static [&'static str]) -> Case {
    Case { from, to, says }
}

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
        &["network `bmc`, router-advertisements", "of kind bmc with 0 roles"],
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
        "kind = \"bmc\"",
        "roles = [\"dhcp\"]\ndhcp-mode = \"proxy\"\nkind = \"bmc\"",
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
            "has no roles",
        ],
    ),
    case(
        "kind = \"bmc\"",
        "service-address = \"10.99.0.1\"\nkind = \"management\"",
        &["network `bmc`, peers: member 1 is missing"],
    ),
];

/// A management network has no roles; its service address is the API's.
#[test]
fn a_management_network_may_have_a_service_address() {
    let dir = tempfile::tempdir().unwrap();
    let with = "peers = { 1 = \"10.99.1.1\", 2 = \"10.99.1.2\", 3 = \"10.99.1.3\" }\n\
                service-address = \"10.99.0.1\"\nkind = \"management\"";
    let text = example(dir.path()).replace("kind = \"bmc\"", with);
    verdict(&text).unwrap();
    let config = parse(&text).unwrap();
    let held: Vec<Ipv4Addr> = config.api_addresses().map(|(_, address)| address).collect();
    assert_eq!(held, [Ipv4Addr::new(10, 99, 0, 1)]);
    let on_loopback = verdict(&text.replace("mode = \"helper\"", "mode = \"loopback\"")).unwrap_err();
    assert!(on_loopback.contains("the API has none"), "{on_loopback}");
}

/// An optional speed-up that cannot work is said before a port is bound, not met at run time.
#[test]
fn router_advertisements_need_ipv6_on_their_interface() {
    let dir = tempfile::tempdir().unwrap();
    let config = parse(&example(dir.path())).unwrap();
    let mut host = host();
    host.without_ipv6.insert("eth1".to_owned());
    let error = check(&config, &listed(), &host).unwrap_err().to_string();
    let says = "network `boot`, router-advertisements: IPv6 is off on `eth1`";
    assert!(error.contains(says), "{error}");
}

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

/// `external`: the address may be routed. Members know each other's only for boot files that one of them has not.
#[test]
fn an_external_address_may_be_anywhere_but_not_nowhere() {
    let dir = tempfile::tempdir().unwrap();
    let external = example(dir.path()).replace("mode = \"helper\"", "mode = \"external\"");
    verdict(&external).unwrap();
    let alone = external.replace(
        "\npeers = { 1 = \"10.97.1.1\", 2 = \"10.97.1.2\", 3 = \"10.97.1.3\" }",
        "",
    );
    let error = verdict(&alone).unwrap_err();
    assert!(
        error.contains("network `boot`, peers: member 1 is missing"),
        "{error}"
    );
    verdict(
        &alone
            .replace("[\"boot\", \"dhcp\", \"tftp\", \"dns\"]", "[\"dhcp\"]")
            .replace("router-adv", "#"),
    )
    .unwrap();
    verdict(&external.replace(
        "service-address = \"10.97.0.1\"",
        "service-address = \"192.0.2.7\"",
    ))
    .unwrap();
    let none = verdict(&external.replace("\nservice-address = \"10.97.0.1\"", "")).unwrap_err();
    assert!(none.contains("service-address: missing"), "{none}");
    let on_lo = external.replace("interface = \"eth1\"", "interface = \"lo\"");
    let on_lo = verdict(&on_lo).unwrap_err();
    assert!(on_lo.contains("name the interface that nodes are on"), "{on_lo}");
}

/// The identity's list is as old as the identity: who has left since is missed by nobody.
#[test]
fn a_list_needs_this_members_address_and_no_other() {
    let dir = tempfile::tempdir().unwrap();
    let list = example(dir.path())
        .replace("mode = \"helper\"", "mode = \"list\"")
        .replace("\nservice-address = \"10.97.0.1\"", "");
    verdict(&list).unwrap();
    verdict(&list.replace(", 3 = \"10.97.1.3\"", "")).unwrap();
    let short = verdict(&list.replace("1 = \"10.97.1.1\", ", "")).unwrap_err();
    assert!(short.contains("member 1 is missing"), "{short}");
}

/// Where a member is called may change while it has a store: `chamois member set-address`.
#[test]
fn a_member_that_has_run_may_have_another_peer_port() {
    let dir = tempfile::tempdir().unwrap();
    let moved = example(dir.path()).replace("10.97.1.1:7440", "10.97.1.1:7450");
    let new = verdict(&moved).unwrap_err();
    assert!(new.contains("will call port 7440"), "{new}");
    let data = parse(&moved).unwrap().data_dir;
    std::fs::create_dir_all(data.join("log")).unwrap();
    verdict(&moved).unwrap();
}

/// One run shows everything, so that a file is not mended one error at a time.
#[test]
fn all_problems_are_shown_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let text = example(dir.path())
        .replace("\nid = 1", "\nid = 9")
        .replace("port = 69", "port = 67");
    let error = verdict(&text).unwrap_err();
    assert!(
        error.contains("member.id") && error.contains("tftp.port"),
        "{error}"
    );
}

#[test]
fn a_file_that_is_missing_or_huge_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let error = Config::load(&dir.path().join("none.toml"))
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("none.toml") && error.contains("--config"),
        "{error}"
    );
    let huge = dir.path().join("huge.toml");
    std::fs::write(&huge, vec![b'#'; 2 << 20]).unwrap();
    assert!(matches!(Config::load(&huge), Err(ConfigError::Read { .. })));
}

/// The demo writes configurations as an administrator would; the same checks read them.
#[test]
fn the_demos_configuration_is_accepted() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(dir.path().join("member-1/files")).unwrap();
    let text = cli::member_config_example(lab::claim_loopback_net().unwrap(), dir.path());
    let listed = Listed {
        cluster: "demo".into(),
        ..listed()
    };
    check(&parse(&text).unwrap(), &listed, &host()).unwrap();
}
