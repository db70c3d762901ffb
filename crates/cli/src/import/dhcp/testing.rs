//! How tests see what was read: one line for each subnet, host, rule and remark.

use std::fmt::Write as _;

use proto::dhcp::v1::subnet::UnknownClients;

use super::found::{DhcpImport, FoundSubnet, Told};
use super::rule::Rule;

/// Everything, without the name of the file.
pub(super) fn drawn(import: &DhcpImport) -> String {
    let mut text = String::new();
    for subnet in &import.subnets {
        let _infallible = writeln!(text, "{:>3} subnet {}", subnet.at.line, of_subnet(subnet));
    }
    for host in &import.reservations {
        let addresses: Vec<String> = host.addresses.iter().map(ToString::to_string).collect();
        let addresses = addresses.join(",");
        let _infallible = writeln!(
            text,
            "{:>3} host {} [{addresses}] {}",
            host.at.line, host.mac, host.hostname
        );
    }
    for rule in &import.rules {
        let _infallible = writeln!(text, "{:>3} rule {}", rule.at.line, of_rule(rule));
    }
    remarks(&mut text, "wrong", &import.wrong);
    remarks(&mut text, "left out", &import.not_understood);
    text.lines().map(str::trim_end).collect::<Vec<_>>().join("\n")
}

fn of_subnet(subnet: &FoundSubnet) -> String {
    let options = &subnet.options;
    let mut text = subnet.network.to_string();
    for (name, addresses) in [
        ("routers", &options.routers),
        ("dns", &options.dns_servers),
        ("ntp", &options.ntp_servers),
    ] {
        if !addresses.is_empty() {
            let addresses: Vec<String> = addresses.iter().map(ToString::to_string).collect();
            let _infallible = write!(text, " {name}={}", addresses.join(","));
        }
    }
    if let Some(domain) = &options.domain {
        let _infallible = write!(text, " domain={domain}");
    }
    for (name, number) in [
        ("mtu", options.mtu),
        ("lease", options.lease_time_s),
        ("pool-lease", subnet.pool_lease_time_s),
    ] {
        if let Some(number) = number {
            let _infallible = write!(text, " {name}={number}");
        }
    }
    for (code, value) in &options.raw {
        let _infallible = write!(text, " {code}={value:?}");
    }
    for pool in &subnet.pools {
        let _infallible = write!(text, " pool={}-{}", pool.start(), pool.end());
    }
    match subnet.unknown {
        None => {}
        Some(UnknownClients::Ignore) => text += " strangers=ignore",
        Some(UnknownClients::Address) => text += " strangers=address",
        Some(UnknownClients::Boot) => text += " strangers=boot",
        Some(UnknownClients::Unspecified) => text += " strangers=?",
    }
    text
}

fn of_rule(rule: &Rule) -> String {
    let subnets: Vec<String> = rule.subnets.iter().map(ToString::to_string).collect();
    let routers: Vec<String> = rule.routers.iter().map(ToString::to_string).collect();
    format!(
        "{} types={} subnets={} ids={} hostname={} routers={} prefix={:?} domain={} {:?}{}{}",
        rule.name,
        rule.types.join("|"),
        subnets.join("|"),
        rule.ids.join("|"),
        rule.hostname,
        routers.join("|"),
        rule.prefix_length,
        rule.domain,
        rule.append,
        if rule.continues { " continues" } else { "" },
        if rule.ignore { " ignore" } else { "" },
    )
}

fn remarks(text: &mut String, kind: &str, remarks: &[Told]) {
    for told in remarks {
        let why: String = told.why.chars().take(60).collect();
        let _infallible = writeln!(text, "{:>3} {kind} {}: {why}", told.at.line, told.what);
    }
}

/// Compares with the golden text beside a sample. What was read is printed whole if they differ.
pub(super) fn assert_golden(import: &DhcpImport, golden: &str) {
    let drawn = drawn(import);
    let golden: Vec<&str> = golden.lines().collect();
    let lines: Vec<&str> = drawn.lines().collect();
    let differs = lines
        .iter()
        .zip(&golden)
        .position(|(drawn, golden)| drawn != golden);
    let first = differs.unwrap_or(lines.len().min(golden.len()));
    assert!(
        lines == golden,
        "line {} of the golden text differs. Read was:\n{drawn}\n",
        first + 1
    );
}

/// A text that is nearly `sample`: some bytes cut out, doubled or replaced.
pub(super) fn mutated(sample: &str, changes: &[(usize, u8, u8)]) -> String {
    let mut bytes = sample.as_bytes().to_vec();
    for (place, kind, byte) in changes {
        let place = place % bytes.len().max(1);
        match kind % 4 {
            0 => bytes.truncate(place),
            1 => bytes.insert(place, *byte),
            2 => bytes
                .splice(place..(place + usize::from(*byte)).min(bytes.len()), [])
                .for_each(drop),
            _ => {
                if let Some(at) = bytes.get_mut(place) {
                    *at = *byte;
                }
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
