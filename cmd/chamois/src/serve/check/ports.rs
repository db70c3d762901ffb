//! Ports must not meet, and numbers must be ones that can work.

use std::net::{IpAddr, SocketAddr};

use super::Problems;
use crate::serve::config::{Config, Role};

/// A node that sleeps longer than this between tries looks dead.
const RETRY_DELAY_S_MAX: u32 = 3600;

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
    check_tcp(config, problems);
    check_udp(config, problems);
}

/// Two TCP listeners on one port of overlapping addresses cannot both be opened.
fn check_tcp(config: &Config, problems: &mut Problems) {
    let mut listeners: Vec<(String, SocketAddr)> = vec![
        ("raft.peer-listen".to_owned(), config.raft.peer_listen),
        ("api.grpc-listen".to_owned(), config.api.grpc_listen),
        ("api.https-listen".to_owned(), config.api.https_listen),
    ];
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
    let ports = [
        ("dhcp.port", config.dhcp.port),
        ("tftp.port", config.tftp.port),
        ("dns.port", config.dns.port),
        ("address.advert-port", config.address.advert_port),
    ];
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
