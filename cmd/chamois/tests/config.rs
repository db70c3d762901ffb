//! A configuration that cannot work is refused before a port is bound, with the key's name and the remedy;
//! the examples are accepted, and show every key there is.
#![allow(
    clippy::unwrap_used,
    reason = "a test ends at the first thing that is not as expected"
)]

#[path = "config_parts/checks.rs"]
mod checks;
#[path = "config_parts/dhcp_keys.rs"]
mod dhcp_keys;
#[path = "config_parts/discovery_keys.rs"]
mod discovery_keys;
#[path = "config_parts/edge_keys.rs"]
mod edge_keys;
#[path = "config_parts/parser.rs"]
mod parser;

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
        "[discovery]",
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
                "[discovery]",
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
            "access-log",
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
    assert_eq!(
        format!("{:?}", defaults.discovery),
        format!("{:?}", shown.discovery)
    );
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
