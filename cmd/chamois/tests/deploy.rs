//! What is shipped beside the executable: units that are hardened, and that name what exists.
#![allow(
    clippy::unwrap_used,
    reason = "a test ends at the first thing that is not as expected"
)]

use std::path::{Path, PathBuf};
use std::process::Command;

/// `systemd-analyze security` of 2.0 or less, in tenths.
const EXPOSURE_MAX: &str = "--threshold=20";

const UNITS: [&str; 3] = [
    "chamois.service",
    "chamois-address-helper.service",
    "chamois-configure.service",
];

fn unit(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../deploy/systemd")
        .join(name)
}

fn read(name: &str) -> String {
    std::fs::read_to_string(unit(name)).unwrap()
}

/// The member and the helper are separate, so that the member cannot change interfaces.
#[test]
fn only_the_helper_may_change_interfaces() {
    let member = read("chamois.service");
    let helper = read("chamois-address-helper.service");
    let capabilities = |unit: &str| {
        let line = unit
            .lines()
            .find(|line| line.starts_with("CapabilityBoundingSet="))
            .unwrap()
            .to_owned();
        line.trim_start_matches("CapabilityBoundingSet=").to_owned()
    };
    assert_eq!(capabilities(&member), "CAP_NET_BIND_SERVICE CAP_NET_RAW");
    assert_eq!(capabilities(&helper), "CAP_NET_ADMIN CAP_NET_RAW");
    for unit in [member, helper] {
        for line in [
            "NoNewPrivileges=yes",
            "ProtectSystem=strict",
            "MemoryDenyWriteExecute=yes",
            "PrivateDevices=yes",
        ] {
            assert!(unit.contains(line), "{line}");
        }
        assert!(!unit.contains("User=root") && unit.contains("User=chamois"));
    }
}

/// systemd's own score; without the tool the test says that it did not run, in `.ci/run` that is a failure.
#[test]
fn units_are_hardened_to_systemds_own_measure() {
    for name in UNITS {
        let analyzed = Command::new("systemd-analyze")
            .args(["security", "--offline=true", EXPOSURE_MAX])
            .arg(unit(name))
            .output();
        match analyzed {
            Ok(output) => {
                let text = String::from_utf8_lossy(&output.stdout);
                assert!(
                    output.status.success(),
                    "{name}: {}",
                    text.lines().last().unwrap_or_default()
                );
            }
            Err(error) if std::env::var_os("CHAMOIS_E2E").is_some() => panic!("systemd-analyze: {error}"),
            Err(error) => eprintln!("NOT RUN: systemd-analyze: {error}"),
        }
    }
}

/// DHCP asks for 8 MiB (crates/dhcp, `socket.rs`), and without CAP_NET_ADMIN gets no more than the system allows.
#[test]
fn the_system_allows_the_receive_buffer_that_dhcp_asks_for() {
    let text = read("chamois.sysctl");
    let value = text
        .lines()
        .find_map(|line| line.strip_prefix("net.core.rmem_max = "));
    assert_eq!(value.and_then(|value| value.parse().ok()), Some(8 << 20));
}

/// The options in the units are options of the executable.
#[test]
fn units_start_commands_that_parse() {
    use clap::Parser as _;
    for name in UNITS {
        let text = read(name);
        let starts = text
            .lines()
            .filter_map(|line| line.split_once('='))
            .filter(|(key, _)| key.starts_with("ExecStart"));
        let mut seen = 0;
        for (_, command) in starts {
            let command = command.replace("$ALLOW", "--allow eth1=10.97.0.1");
            cli::Cli::try_parse_from(command.split_whitespace()).unwrap();
            seen += 1;
        }
        assert!(seen > 0, "{name}");
    }
}

/// Whoever writes files of other programs for a living changes no interface, no clock and no owner.
#[test]
fn the_configurator_has_no_capability() {
    let text = read("chamois-configure.service");
    for line in [
        "CapabilityBoundingSet=",
        "NoNewPrivileges=yes",
        "ProtectSystem=strict",
        "User=chamois",
        "Type=notify",
    ] {
        assert!(text.lines().any(|found| found == line), "{line}");
    }
}

/// `systemctl reload` of a unit without it fails, and SIGHUP is what the watch listens to.
#[test]
fn a_reload_has_the_configurator_read_its_configuration_again() {
    let text = read("chamois-configure.service");
    let reload: Vec<&str> = text
        .lines()
        .filter(|line| line.starts_with("ExecReload="))
        .collect();
    assert_eq!(reload, ["ExecReload=/bin/kill -HUP $MAINPID"]);
}

/// The example is the manual: every key is in it, and it is accepted.
#[test]
fn the_configurators_example_is_accepted_as_it_is() {
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/examples/configure.toml");
    let output = Command::new(env!("CARGO_BIN_EXE_chamois"))
        .args(["configure", "check", "--offline", "--config"])
        .arg(&example)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert!(String::from_utf8_lossy(&output.stdout).contains("4 file sets"));
    let text = std::fs::read_to_string(&example).unwrap();
    for key in [
        "state-dir",
        "keep",
        "name",
        "target",
        "template",
        "into",
        "path",
        "options",
        "check",
        "check-seconds",
        "target-checks",
        "reload",
        "reload-seconds",
        "mode",
    ] {
        assert!(
            text.lines().any(|line| line.starts_with(&format!("{key} = "))),
            "{key}"
        );
    }
}

/// An alert on what nobody exports never fires, and nobody notices.
#[test]
fn alerts_name_metrics_and_reasons_that_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let text =
        |path: &str| std::fs::read_to_string(root.join(path)).unwrap_or_else(|e| panic!("{path}: {e}"));
    let rules = text("deploy/examples/prometheus/security.rules.yml");
    let sources: String = [
        "cmd/chamois/src/serve/acme/mod.rs",
        "cmd/chamois/src/serve/counters.rs",
        "cmd/chamois/src/serve/bmc_connections.rs",
        "cmd/chamois/src/serve/metrics/audit.rs",
        "cmd/chamois/src/serve/metrics/discovery.rs",
        "cmd/chamois/src/serve/metrics/tokens.rs",
        "crates/rpc/src/server/counters.rs",
        "gateway/src/port.rs",
        "crates/dhcp/src/guard/counters.rs",
    ]
    .map(text)
    .concat();
    let words = rules.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let metrics: Vec<&str> = words.filter(|word| word.starts_with("chamois_")).collect();
    assert!(metrics.len() >= 10, "{metrics:?}");
    for metric in metrics {
        assert!(sources.contains(&format!("\"{metric}\"")), "{metric}");
    }
    let reasons = rules
        .split("reason=")
        .skip(1)
        .filter_map(|rest| rest.split('"').nth(1));
    for reason in reasons.flat_map(|reasons| reasons.split('|')) {
        let named = format!("\"{}", reason.trim_end_matches(".*"));
        assert!(sources.contains(&named), "{reason}");
    }
}
