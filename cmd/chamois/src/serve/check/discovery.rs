//! The role `discovery`: where it may be, which BMCs it is about, and numbers that can work.

use std::ops::RangeInclusive;
use std::path::Path;

use super::Problems;
use crate::serve::config::{Config, NetworkConfig, NetworkKind, Role};

/// What the limit of open files leaves room for.
const REQUESTS_MAX: RangeInclusive<u32> = 1..=4096;
/// More often would keep a BMC busy, and after an hour nobody calls it news.
const POLL_S: RangeInclusive<u32> = 5..=3600;

pub(super) fn check(config: &Config, problems: &mut Problems) {
    let discovery = &config.discovery;
    for (key, value, accepted) in [
        ("discovery.requests-max", discovery.requests_max, REQUESTS_MAX),
        ("discovery.poll-s", discovery.poll_s, POLL_S),
    ] {
        if !accepted.contains(&value) {
            let (first, last) = accepted.into_inner();
            problems.add(key, format_args!("{value}; accepted are {first} to {last}"));
        }
    }
    if !is_program(&discovery.ssh_program) {
        problems.add(
            "discovery.ssh-program",
            format_args!(
                "`{}` is neither a name nor a path from the root on; write e.g. ssh or /usr/bin/ssh",
                discovery.ssh_program.display()
            ),
        );
    }
    for network in &config.networks {
        check_network(network, problems);
    }
}

/// Whether it means the same program wherever the process runs.
fn is_program(path: &Path) -> bool {
    let parts = path.components().count();
    path.is_absolute() || (parts == 1 && path.file_name().is_some())
}

/// Nodes must not be on the way to a BMC, except where everything is on one host.
pub(super) fn may_have_role(network: &NetworkConfig) -> bool {
    network.is_loopback() || matches!(network.kind, NetworkKind::Bmc | NetworkKind::Management)
}

fn check_network(network: &NetworkConfig, problems: &mut Problems) {
    let key = format!("network `{}`, bmc-subnets", network.name);
    match (
        network.roles.contains(&Role::Discovery),
        network.bmc_subnets.is_empty(),
    ) {
        (true, true) => problems.add(
            &key,
            "missing; with the role `discovery`, name the networks of the BMCs, e.g. [\"10.99.0.0/16\"]",
        ),
        (false, false) => problems.add(
            &key,
            "the network has no role `discovery`; add it, or remove the key",
        ),
        (true, false) | (false, true) => {}
    }
    for (index, subnet) in network.bmc_subnets.iter().enumerate() {
        if network.bmc_subnets[..index].contains(subnet) {
            problems.add(&key, format_args!("{subnet} is named twice; once is enough"));
        }
    }
}
