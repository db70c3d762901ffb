//! The role `discovery`, its networks and `[discovery]`.

use model::IpNet;

use super::*;

/// The lines of the example's network of BMCs.
const ROLES: &str = "roles = [\"discovery\"]";
const SUBNETS: &str = "bmc-subnets = [\"10.99.0.0/16\"]";

const REFUSED: &[Case] = &[
    case(
        SUBNETS,
        "",
        &["network `bmc`, bmc-subnets: missing", "e.g. [\"10.99.0.0/16\"]"],
    ),
    case(
        ROLES,
        "",
        &[
            "network `bmc`, bmc-subnets: the network has no role `discovery`",
            "remove the key",
        ],
    ),
    case(
        SUBNETS,
        "bmc-subnets = [\"10.99.0.0/16\", \"10.99.0.0/16\"]",
        &["network `bmc`, bmc-subnets: 10.99.0.0/16 is named twice"],
    ),
    case(
        "kind = \"bmc\"",
        "kind = \"peer\"",
        &["network `bmc`, roles: `discovery` is not given to a peer network"],
    ),
    case(
        "kind = \"bmc\"",
        "kind = \"boot\"",
        &["network `bmc`, roles: `discovery` is not given to a boot network"],
    ),
    case(
        "requests-max = 512",
        "requests-max = 0",
        &["discovery.requests-max: 0; accepted are 1 to 4096"],
    ),
    case(
        "requests-max = 512",
        "requests-max = 4097",
        &["discovery.requests-max: 4097"],
    ),
    case(
        "poll-s = 30",
        "poll-s = 4",
        &["discovery.poll-s: 4; accepted are 5 to 3600"],
    ),
    case(
        "ssh-program = \"ssh\"",
        "ssh-program = \"bin/ssh\"",
        &["discovery.ssh-program: `bin/ssh`", "/usr/bin/ssh"],
    ),
    case(
        "ssh-program = \"ssh\"",
        "ssh-program = \"\"",
        &["discovery.ssh-program: ``"],
    ),
];

#[test]
fn what_cannot_be_discovered_is_refused_by_key() {
    let dir = tempfile::tempdir().unwrap();
    for case in REFUSED {
        let text = example(dir.path());
        assert!(text.contains(case.from), "{}", case.from);
        let error = verdict(&text.replacen(case.from, case.to, 1)).unwrap_err();
        for words in case.says {
            assert!(error.contains(words), "{}: {error}", case.to);
        }
    }
}

/// BMCs are behind a network of their own, or behind that of the administrators; in a demo everything is on one host.
#[test]
fn networks_of_bmcs_and_administrators_may_have_the_role_and_so_may_any_on_loopback() {
    let dir = tempfile::tempdir().unwrap();
    let text = example(dir.path());
    verdict(&text.replace("kind = \"bmc\"", "kind = \"management\"")).unwrap();
    verdict(&text.replace("ssh-program = \"ssh\"", "ssh-program = \"/usr/bin/ssh\"")).unwrap();
    let subnets = |text: &str| -> Vec<IpNet> { parse(text).unwrap().bmc_subnets().collect() };
    let net = |text: &str| -> IpNet { text.parse().unwrap() };
    assert_eq!(subnets(&text), [net("10.99.0.0/16")]);
    assert!(subnets(&text.replace(ROLES, "roles = []")).is_empty());
    let demo = cli::member_config_example(lab::claim_loopback_net().unwrap(), dir.path());
    assert_eq!(subnets(&demo), [net("127.0.0.0/8")]);
}

/// It opens no port and has no address of its own, so it needs nothing of what nodes are answered with.
#[test]
fn the_role_alone_answers_no_node() {
    let config = parse(EXAMPLE).unwrap();
    let answers: Vec<bool> = config
        .networks
        .iter()
        .map(|network| network.answers_nodes())
        .collect();
    assert_eq!(answers, [true, false]);
    assert_eq!(config.networks[1].service_address, None);
}

#[test]
fn a_text_that_is_no_network_names_its_key() {
    for (to, says) in [
        ("bmc-subnets = [\"bmcs\"]", "`bmcs` is not a network"),
        ("bmc-subnets = [\"10.99.0.1/16\"]", "network.bmc-subnets"),
    ] {
        let error = parse(&EXAMPLE.replace(SUBNETS, to)).unwrap_err().to_string();
        assert!(error.contains(says), "{to}: {error}");
    }
}
