//! One file for each target.

mod ansible;
mod chrony;
mod clustershell;
mod conman;
mod coredhcp;
mod dns;
mod dnsmasq;
mod hosts;
mod http_sd;
mod kea;
mod powerman;
mod prometheus;
mod rsyslog;
mod slurm;
mod ssh_known_hosts;
mod warewulf;

use crate::Target;

/// All of them, sorted by name.
pub(crate) const TARGETS: &[Target] = &[
    ansible::TARGET,
    chrony::TARGET,
    clustershell::TARGET,
    conman::TARGET,
    coredhcp::TARGET,
    dns::TARGET,
    dnsmasq::TARGET,
    hosts::TARGET,
    http_sd::TARGET,
    kea::TARGET,
    powerman::TARGET,
    prometheus::TARGET,
    rsyslog::TARGET,
    slurm::TARGET,
    ssh_known_hosts::TARGET,
    warewulf::TARGET,
];
