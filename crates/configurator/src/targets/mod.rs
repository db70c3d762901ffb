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
mod service_discovery;
mod slurm;
mod ssh_known_hosts;
mod warewulf;

use proto::watch::v1::object::Kind;

use crate::Target;

/// Kinds that names and addresses depend on.
const NAMES: &[Kind] = &[
    Kind::Component,
    Kind::EthernetInterface,
    Kind::RedfishEndpoint,
    Kind::Subnet,
    Kind::DhcpPolicy,
    Kind::Group,
    Kind::InstanceInfo,
    Kind::ClusterDefaults,
];
/// The same, and partitions.
const NAMES_AND_PARTITIONS: &[Kind] = &[
    Kind::Component,
    Kind::EthernetInterface,
    Kind::RedfishEndpoint,
    Kind::Subnet,
    Kind::DhcpPolicy,
    Kind::Group,
    Kind::Partition,
    Kind::InstanceInfo,
    Kind::ClusterDefaults,
];

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
