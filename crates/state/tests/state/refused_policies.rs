//! DHCP policies that cannot work: each is refused with its field and the reason, and nothing is stored.

use proto::dhcp::v1::dhcp_command::PutPolicy;
use proto::dhcp::v1::dhcp_policy::DomainAppend;
use proto::dhcp::v1::{DhcpPolicy, RawOption};

use crate::dhcp_policies::{hex, policy, put, texts};
use crate::support::Log;

/// A policy that is taken, but for one change; the field that is named then, and a part of the reason.
type Case = (DhcpPolicy, &'static str, &'static str);

fn with(change: impl FnOnce(&mut DhcpPolicy)) -> DhcpPolicy {
    let mut changed = policy("a");
    change(&mut changed);
    changed
}

fn option(option: RawOption) -> DhcpPolicy {
    with(|p| p.options = vec![option])
}

fn are_refused(cases: impl IntoIterator<Item = Case>) {
    let mut log = Log::latest();
    for (policy, field, reason) in cases {
        let (named, problem) = log.invalid(put(policy.clone()));
        assert_eq!(named, field, "{problem}: {policy:?}");
        assert!(problem.contains(reason), "{problem}: {policy:?}");
    }
    assert_eq!(log.state.dhcp.policies().count(), 0);
}

#[test]
fn names_and_what_is_said_beside_them() {
    are_refused([
        (policy(""), "name", "missing"),
        (policy("a b"), "name", "letters"),
        (policy("a\nb"), "name", "control"),
        (policy(&"a".repeat(129)), "name", "1 to 128"),
        (with(|p| p.description = "a\nb".into()), "description", "control"),
        (with(|p| p.priority = Some(1001)), "priority", "0 to 1000"),
    ]);
    assert_eq!(Log::latest().invalid(PutPolicy { policy: None }).0, "policy");
}

#[test]
fn selectors_that_no_client_can_fit() {
    let network = |network: &str, times| with(|p| p.subnets = vec![network.to_owned(); times]);
    are_refused([
        (
            with(|p| p.component_types = texts(&["Blade"])),
            "component_types",
            "Blade",
        ),
        (network("10.97.0.1/16", 1), "subnets", "10.97.0.0/16"),
        (network("10.97.0.0/16", 65), "subnets", "at most 64"),
        (with(|p| p.hosts = texts(&["c1"])), "hosts", "c1"),
        (with(|p| p.groups = texts(&["a b"])), "groups", "a b"),
        (with(|p| p.roles = texts(&["a b"])), "roles", "blank"),
        (with(|p| p.sub_roles = texts(&[""])), "sub_roles", "missing"),
    ]);
}

/// A name that is no pattern is one component's, so that no two are called alike.
#[test]
fn host_names_that_no_component_or_several_would_have() {
    let named = |hostname: &str, hosts: &[&str]| {
        with(|p| {
            p.hostname = hostname.into();
            p.hosts = texts(hosts);
        })
    };
    let mut nodes_of_a_bmc = named("login", &["x0c0s0b0"]);
    nodes_of_a_bmc.component_types = texts(&["Node"]);
    are_refused([
        (named("nid{d}", &[]), "hostname", "{d}"),
        (named("a\n{id}", &[]), "hostname", "write letters"),
        (named("login", &[]), "hostname", "every component"),
        (
            named("login", &["x0c0s0b0n0", "x0c0s0b0n1"]),
            "hostname",
            "every component",
        ),
        (named("login", &["x0c*s0b0n0"]), "hostname", "`login`"),
        (nodes_of_a_bmc, "hostname", "every component"),
    ]);
}

#[test]
fn domains_that_are_none() {
    let append = |append: i32| with(|p| p.domain_append = append);
    are_refused([
        (with(|p| p.domain = "a b".into()), "domain", "labels"),
        (append(7), "domain_append", "7 is none"),
        (
            append(DomainAppend::Policy.into()),
            "domain_append",
            "give `domain`",
        ),
    ]);
}

#[test]
fn addresses_and_numbers_that_no_client_can_use() {
    let elsewhere = with(|p| {
        p.routers = texts(&["10.98.0.1"]);
        p.subnets = texts(&["10.97.0.0/16"]);
    });
    are_refused([
        (with(|p| p.routers = texts(&["gw"])), "routers", "gw"),
        (elsewhere, "routers", "10.98.0.1 is in none of 10.97.0.0/16"),
        (with(|p| p.prefix_length = 33), "prefix_length", "1 to 32"),
        (
            with(|p| p.dns_servers = texts(&["9.9.9.9"; 17])),
            "dns_servers",
            "at most 16",
        ),
        (with(|p| p.ntp_servers = texts(&["ntp"])), "ntp_servers", "ntp"),
        (with(|p| p.lease_time_s = 59), "lease_time_s", "at least 60"),
        (with(|p| p.mtu = 67), "mtu", "68"),
    ]);
}

#[test]
fn policies_that_do_nothing_or_contradict_themselves() {
    let nothing_after = with(|p| {
        p.hostname.clear();
        p.ignore = true;
        p.continues = true;
    });
    are_refused([
        (with(|p| p.hostname.clear()), "policy", "does nothing"),
        (with(|p| p.ignore = true), "ignore", "told nothing"),
        (nothing_after, "continues", "nothing comes after"),
    ]);
}

#[test]
fn options_that_have_a_field_or_that_the_server_gives_itself() {
    are_refused([
        (option(hex(0, "01")), "options[0]", "ends or fills"),
        (option(RawOption::default()), "options[0]", "ends or fills"),
        (option(hex(255, "01")), "options[255]", "ends or fills"),
        (option(hex(256, "01")), "options[256]", "1 to 254"),
        (option(hex(1, "01")), "options[1]", "prefix_length"),
        (option(hex(3, "01")), "options[3]", "`routers`"),
        (option(hex(6, "01")), "options[6]", "`dns_servers`"),
        (option(hex(12, "01")), "options[12]", "`hostname`"),
        (option(hex(15, "01")), "options[15]", "`domain`"),
        (option(hex(26, "01")), "options[26]", "`mtu`"),
        (option(hex(42, "01")), "options[42]", "`ntp_servers`"),
        (option(hex(51, "01")), "options[51]", "`lease_time_s`"),
    ]);
    let mut log = Log::latest();
    for code in (50..60).chain([61, 82, 97]).filter(|code| *code != 51) {
        let (_, problem) = log.invalid(put(option(hex(code, "01"))));
        assert!(problem.contains("the server answers"), "{code}: {problem}");
    }
}

#[test]
fn options_whose_value_is_none() {
    let text = |hexadecimal: &str, text: &str| {
        option(RawOption {
            text: text.into(),
            ..hex(43, hexadecimal)
        })
    };
    let addresses = option(RawOption {
        addresses: texts(&["x"]),
        ..hex(150, "")
    });
    are_refused([
        (option(hex(43, "010")), "options[43]", "is not hex"),
        (option(hex(43, "0g")), "options[43]", "is not hex"),
        (option(hex(43, ":")), "options[43]", "is not hex"),
        (option(hex(43, "")), "options[43]", "one of"),
        (text("00", "a"), "options[43]", "one of"),
        (text("", "a\nb"), "options[43]", "control"),
        (addresses, "options[150]", "`x` is not"),
    ]);
}

#[test]
fn options_that_are_too_many_or_too_long() {
    let numbered = |codes: std::ops::Range<u32>, bytes: usize| {
        with(|p| p.options = codes.map(|code| hex(code, &"00".repeat(bytes))).collect())
    };
    let twice = with(|p| p.options = vec![hex(43, "00"), hex(43, "01")]);
    are_refused([
        (twice, "options[43]", "once"),
        (numbered(43..44, 1025), "options[43]", "at most 1024"),
        (numbered(70..135, 1), "options", "at most 64"),
        (numbered(70..75, 1000), "options", "at most 4096"),
    ]);
}
