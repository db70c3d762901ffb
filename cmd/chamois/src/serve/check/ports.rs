//! Ports must not meet, and numbers must be ones that can work.

use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;

use super::Problems;
use crate::serve::config::{Config, DhcpMode, NetworkConfig, Role};
use crate::serve::legacy_ports;

/// A node that sleeps longer than this between tries looks dead.
const RETRY_DELAY_S_MAX: u32 = 3600;
/// A node that is not further after a day is stuck, whatever it does.
const DEADLINE_S_MAX: u32 = 86_400;
/// A boot has some thirty requests, and one that is tried again may have more.
const REQUESTS_BURST_MIN: u32 = 50;
/// What a few clients of one site have open, and what the limit of open files leaves room for.
const CONNECTIONS_MAX: RangeInclusive<u32> = 64..=65_536;
/// One client of ours has a few, and there are several of them on a host.
const CONNECTIONS_PER_ADDRESS_MIN: u32 = 16;
/// Below it nodes would do nothing but renew.
const LEASE_S_MIN: u32 = 60;
/// Firmware, loader and system ask twice each in a boot, and repeat themselves.
const CLIENT_PACKETS_BURST_MIN: u32 = 10;
/// iPXE asks again after a second.
const PROBE_MS_MAX: u64 = 500;

pub(super) fn check(config: &Config, problems: &mut Problems) {
    for (key, port) in [
        ("boot.http-port", config.boot.http_port),
        ("dhcp.port", config.dhcp.port),
        ("tftp.port", config.tftp.port),
        ("dns.port", config.dns.port),
        ("address.advert-port", config.address.advert_port),
    ] {
        if port == 0 {
            problems.add(
                key,
                "0 is not a port that anybody can call; leave the key out for its default",
            );
        }
    }
    if config.bss.retry_delay_s > RETRY_DELAY_S_MAX {
        problems.add(
            "bss.retry-delay-s",
            format_args!(
                "{} s; accepted are 0 to {RETRY_DELAY_S_MAX}",
                config.bss.retry_delay_s
            ),
        );
    }
    check_deadlines(config, problems);
    if config.boot.requests_burst_max < REQUESTS_BURST_MIN {
        problems.add(
            "boot.requests-burst-max",
            format_args!(
                "{} is less than a boot may need; accepted are {REQUESTS_BURST_MIN} and more (for no limit: \
                 requests-per-s-max = 0)",
                config.boot.requests_burst_max
            ),
        );
    }
    check_connections(config, problems);
    check_dhcp(config, problems);
    if config.dhcp.isolated_lease_s < LEASE_S_MIN {
        problems.add(
            "dhcp.isolated-lease-s",
            format_args!(
                "{} s; at least {LEASE_S_MIN} are accepted",
                config.dhcp.isolated_lease_s
            ),
        );
    }
    check_tcp(config, problems);
    check_udp(config, problems);
}

/// With a deadline of 0 every node would be stuck.
fn check_deadlines(config: &Config, problems: &mut Problems) {
    let boot = &config.boot;
    for (key, seconds) in [
        ("boot.dhcp-deadline-s", boot.dhcp_deadline_s),
        ("boot.loader-deadline-s", boot.loader_deadline_s),
        ("boot.kernel-deadline-s", boot.kernel_deadline_s),
        ("boot.system-deadline-s", boot.system_deadline_s),
        ("boot.cloud-init-deadline-s", boot.cloud_init_deadline_s),
        ("boot.phone-home-deadline-s", boot.phone_home_deadline_s),
    ] {
        if !(1..=DEADLINE_S_MAX).contains(&seconds) {
            problems.add(
                key,
                format_args!("{seconds} s; accepted are 1 to {DEADLINE_S_MAX}"),
            );
        }
    }
}

/// Numbers that would lock out whoever is to be served, or keep open more than a process may.
fn check_connections(config: &Config, problems: &mut Problems) {
    let (all, one) = (config.api.connections_max, config.api.connections_per_address_max);
    if !CONNECTIONS_MAX.contains(&all) {
        let (least, most) = CONNECTIONS_MAX.into_inner();
        problems.add(
            "api.connections-max",
            format_args!("{all}; accepted are {least} to {most}"),
        );
    }
    if !(CONNECTIONS_PER_ADDRESS_MIN..=all).contains(&one) {
        problems.add(
            "api.connections-per-address-max",
            format_args!(
                "{one}; accepted are {CONNECTIONS_PER_ADDRESS_MIN} to connections-max, which is {all}"
            ),
        );
    }
}

fn check_dhcp(config: &Config, problems: &mut Problems) {
    let burst = config.dhcp.client_packets_burst_max;
    if burst < CLIENT_PACKETS_BURST_MIN {
        problems.add(
            "dhcp.client-packets-burst-max",
            format_args!(
                "{burst} is less than a boot may need; accepted are {CLIENT_PACKETS_BURST_MIN} and more (for no limit: \
                 client-packets-per-s-max = 0)"
            ),
        );
    }
    if config.dhcp.probe_ms > PROBE_MS_MAX {
        problems.add(
            "dhcp.probe-ms",
            format_args!(
                "{} ms; accepted are 0 (no probe) to {PROBE_MS_MAX}: clients ask again soon",
                config.dhcp.probe_ms
            ),
        );
    }
}

/// Two TCP listeners on one port of overlapping addresses cannot both be opened.
fn check_tcp(config: &Config, problems: &mut Problems) {
    let mut listeners: Vec<(String, SocketAddr)> = vec![
        ("raft.peer-listen".to_owned(), config.raft.peer_listen),
        ("api.grpc-listen".to_owned(), config.api.grpc_listen),
        ("api.https-listen".to_owned(), config.api.https_listen),
    ];
    if let Some(acme) = &config.api.acme {
        listeners.push(("api.acme.http-listen".to_owned(), acme.http_listen));
    }
    for (key, address) in legacy_ports::listens(&config.api) {
        if address.ip().is_unspecified() {
            let problem = "plain HTTP is not served on all interfaces; name one address, e.g. 127.0.0.1";
            problems.add(key, problem);
        }
        listeners.push((key.to_owned(), address));
    }
    for (role, key, port) in [
        (Role::Boot, "boot.http-port", config.boot.http_port),
        (Role::Dns, "dns.port", config.dns.port),
    ] {
        let with_role = config.networks.iter().filter(|n| n.roles.contains(&role));
        let addresses = with_role.flat_map(|n| [Some(n.member_address), n.service_address]);
        for address in addresses.flatten() {
            listeners.push((key.to_owned(), SocketAddr::new(address.into(), port)));
        }
    }
    for (index, (key, address)) in listeners.iter().enumerate() {
        let earlier = listeners[..index].iter();
        for (other_key, _) in earlier.filter(|(other, at)| other != key && meet(*at, *address)) {
            problems.add(
                key,
                format_args!("{address} is also taken by `{other_key}`; use another port"),
            );
        }
    }
}

/// DHCP, TFTP, DNS and adverts share the members' addresses.
fn check_udp(config: &Config, problems: &mut Problems) {
    let mut ports = vec![
        ("dhcp.port", config.dhcp.port),
        ("tftp.port", config.tftp.port),
        ("dns.port", config.dns.port),
        ("address.advert-port", config.address.advert_port),
    ];
    if config.networks.iter().any(NetworkConfig::serves_ipv6) {
        ports.insert(0, ("network.prefixes-v6", dhcp6::PORT));
    }
    if config.has_dhcp_mode(DhcpMode::Proxy) {
        ports.insert(0, ("dhcp-mode = \"proxy\"", dhcp::PROXY_PORT));
    }
    for (index, (key, port)) in ports.iter().enumerate() {
        if let Some((other, _)) = ports[..index].iter().find(|(_, taken)| taken == port) {
            problems.add(
                key,
                format_args!("UDP port {port} is also taken by `{other}`; use another"),
            );
        }
    }
}

fn meet(a: SocketAddr, b: SocketAddr) -> bool {
    let any = |ip: IpAddr| ip.is_unspecified();
    a.port() == b.port() && (a.ip() == b.ip() || any(a.ip()) || any(b.ip()))
}
