use proptest::prelude::*;

use super::super::testing::{assert_golden, drawn, mutated};
use super::*;

const SAMPLE: &str = include_str!("../samples/coredhcp.yaml");

fn read(text: &str) -> Result<DhcpImport, String> {
    super::read(&Source::of("config.yaml", text), &mut Files::none())
}

fn plugins(plugins: &str) -> DhcpImport {
    read(&format!("server4:\n  plugins:\n{plugins}")).unwrap()
}

#[test]
fn the_configuration_of_openchami_is_read() {
    assert_golden(&read(SAMPLE).unwrap(), include_str!("../samples/coredhcp.golden"));
}

#[test]
fn static_leases_are_read_from_their_file() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    std::fs::write(
        path("hosts"),
        "# BMCs\n02:00:00:00:00:01 10.0.0.1\n\n02:00:00:00:00:02  fd00::2 # v6\nbad\n",
    )
    .unwrap();
    std::fs::write(
        path("c.yaml"),
        "server4:\n  plugins:\n    - file: hosts autorefresh\n",
    )
    .unwrap();
    let mut files = Files::new();
    let source = files.open(&path("c.yaml")).unwrap();
    let import = super::read(&source, &mut files).unwrap();
    let places: Vec<usize> = import.reservations.iter().map(|of| of.at.line).collect();
    assert_eq!(
        (places, import.reservations[1].addresses[0].is_ipv6()),
        (vec![2, 4], true)
    );
    assert_eq!(import.wrong[0].why, "write a MAC and an address");
    assert_eq!(
        (import.wrong[0].at.line, import.not_understood[0].at.line),
        (5, 3)
    );
}

/// The old form has all settings of a plugin on one line.
#[test]
fn settings_on_one_line_are_read_too() {
    let import = plugins(
        "    - coresmd: lease_time=2h node_pattern=nid{04d} domain=a.example\n    - router: 10.0.0.1\n    - netmask: 255.0.0.0\n",
    );
    assert_eq!(
        drawn(&import),
        "  5 subnet 10.0.0.0/8 routers=10.0.0.1 domain=a.example lease=7200\n  3 rule  types=Node subnets= ids= \
         hostname=nid{04d} routers= prefix=None domain= Either"
    );
}

/// coresmd's own default; without coresmd it is that of `lease_time`.
#[test]
fn the_lease_time_is_that_of_the_plugin_that_answers() {
    let lease = |text: &str| {
        let import = plugins(&format!(
            "{text}    - server_id: 10.0.0.1\n    - netmask: 255.0.0.0\n"
        ));
        import.subnets[0].options.lease_time_s
    };
    assert_eq!(
        lease("    - coresmd: |\n        domain=a\n    - lease_time: 10m\n"),
        Some(3600)
    );
    assert_eq!(lease("    - lease_time: 10m\n"), Some(600));
}

#[test]
fn what_is_wrong_is_told_with_its_line() {
    for (text, line, why) in [
        ("    - router: gw\n", 3, "`gw` is not an IPv4 address"),
        (
            "    - sleep: 1s\n    - range: a b\n",
            4,
            "write range: FILE FIRST LAST LEASE-TIME",
        ),
        (
            "    - bootloop: |\n        ipv4_start=10.0.0.1\n",
            3,
            "write ipv4_start and ipv4_end",
        ),
        (
            "    - bootloop: |\n        lease_time=5\n",
            4,
            "`5` is no duration",
        ),
        (
            "    - bootloop: |\n        subnet_pool=10.0.0.0/24\n",
            4,
            "write subnet_pool=CIDR,FIRST,LAST",
        ),
        (
            "    - coresmd: |\n\n        hostname_by_type=Node\n",
            5,
            "write hostname_by_type=TYPE:PATTERN",
        ),
        ("    - file: hosts\n", 3, "there are more than 0 files"),
    ] {
        let import = plugins(text);
        let told = &import.wrong[0];
        assert!(
            told.at.line == line && told.why.starts_with(why),
            "{text}: {told:?}"
        );
    }
    for (text, error) in [
        ("server4: [\n", "config.yaml:2: it is no YAML"),
        (
            "server6: {}\n",
            "config.yaml:1: there is no list `plugins` in `server4`",
        ),
    ] {
        let refused = read(text).unwrap_err();
        assert!(refused.starts_with(error), "{text}: {refused}");
    }
    let nothing = plugins("    - server_id: 10.0.0.1\n");
    assert!(
        nothing
            .not_understood
            .iter()
            .any(|told| told.why.contains("add `netmask`"))
    );
}

proptest! {
    /// A file of somebody else's may hold anything.
    #[test]
    fn nothing_that_is_nearly_a_configuration_ends_the_program(
        changes in proptest::collection::vec((0..SAMPLE.len(), any::<u8>(), any::<u8>()), 1..12),
    ) {
        let _ = read(&mutated(SAMPLE, &changes)).map(|import| drawn(&import));
    }

    #[test]
    fn nor_does_any_setting(text in "(rule=|subnet_pool=|lease_time=|/\\*|\\*/|type:|subnet:|cidr:|hostname:|\\PC){0,30}") {
        let text = text.replace(['\n', '\r'], " ");
        for plugin in ["coresmd", "bootloop", "range"] {
            let _ = read(&format!("server4:\n  plugins:\n    - {plugin}: |\n        {text}\n"));
        }
    }
}
