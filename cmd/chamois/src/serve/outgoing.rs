//! Where a member does not connect to because a URL that somebody stored says so: this host, what a cloud tells its machines
//! about themselves, and what is no single machine.

use std::io::{Error, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use tokio::net::TcpStream;

/// Where clouds answer their machines' questions about keys and passwords, beside the link-local addresses.
const METADATA_V4: [Ipv4Addr; 3] = [
    Ipv4Addr::new(100, 100, 100, 200), // Alibaba
    Ipv4Addr::new(168, 63, 129, 16),   // Azure
    Ipv4Addr::new(192, 0, 0, 192),     // Oracle
];
const METADATA_V6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254); // AWS

/// Which addresses are out of bounds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Outgoing {
    /// Whether what listens on this host alone may be told something (`api.allow-loopback-webhooks`).
    pub(super) allows_loopback: bool,
}

impl Outgoing {
    /// Connects to an address of `host` that is not out of bounds. The name is looked up once: what has been judged is what is
    /// connected to.
    ///
    /// # Errors
    /// The name has no address, none that is within bounds (which says what to do), or none that answers.
    pub(super) async fn connect(self, host: &str, port: u16) -> std::io::Result<TcpStream> {
        let mut out_of_bounds = None;
        let mut within: Vec<SocketAddr> = Vec::new();
        for address in tokio::net::lookup_host((host, port)).await? {
            match self.check(address.ip()) {
                Ok(()) => within.push(address),
                Err(problem) => out_of_bounds = Some(problem),
            }
        }
        match out_of_bounds {
            Some(problem) if within.is_empty() => Err(Error::new(ErrorKind::PermissionDenied, problem)),
            _ => TcpStream::connect(within.as_slice()).await,
        }
    }

    fn check(self, address: IpAddr) -> Result<(), &'static str> {
        let address = embedded(address.to_canonical());
        let is_link_local = match address {
            IpAddr::V4(v4) => v4.is_link_local() || METADATA_V4.contains(&v4),
            IpAddr::V6(v6) => v6.is_unicast_link_local() || v6 == METADATA_V6,
        };
        if is_link_local {
            return Err("members send nothing to link-local addresses and to those of a cloud's metadata");
        }
        if address.is_multicast() || address == IpAddr::V4(Ipv4Addr::BROADCAST) {
            return Err("members send nothing to addresses of many machines");
        }
        // nowhere is this host, too
        if (address.is_loopback() || address.is_unspecified()) && !self.allows_loopback {
            return Err(
                "members send nothing to this host itself, unless api.allow-loopback-webhooks says so",
            );
        }
        Ok(())
    }
}

/// The IPv4 address that a NAT64 translates an address to (RFC 6052, the well-known prefix `64:ff9b::/96`): it is that host that would
/// be talked to.
fn embedded(address: IpAddr) -> IpAddr {
    let IpAddr::V6(v6) = address else {
        return address;
    };
    match v6.segments() {
        [0x64, 0xff9b, 0, 0, 0, 0, ..] => {
            let [.., a, b, c, d] = v6.octets();
            IpAddr::V4(Ipv4Addr::new(a, b, c, d))
        }
        _ => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STRICT: Outgoing = Outgoing {
        allows_loopback: false,
    };
    const LENIENT: Outgoing = Outgoing {
        allows_loopback: true,
    };

    /// What a cloud tells a machine about itself, its keys among it, is no subscriber's, however the address is written.
    #[test]
    fn metadata_and_many_machines_are_out_of_bounds_always() {
        for address in [
            "169.254.169.254",
            "169.254.0.1",
            "::ffff:169.254.169.254",
            "64:ff9b::169.254.169.254",
            "64:ff9b::100.100.100.200",
            "100.100.100.200",
            "168.63.129.16",
            "192.0.0.192",
            "fe80::1",
            "fd00:ec2::254",
            "224.0.0.1",
            "255.255.255.255",
            "ff02::1",
        ] {
            let address: IpAddr = address.parse().unwrap();
            assert!(STRICT.check(address).is_err(), "{address}");
            assert!(LENIENT.check(address).is_err(), "{address}");
        }
    }

    #[test]
    fn this_host_is_out_of_bounds_unless_it_is_asked_for() {
        for address in [
            "127.0.0.1",
            "127.9.9.9",
            "::1",
            "::ffff:127.0.0.1",
            "64:ff9b::127.0.0.1",
            "0.0.0.0",
            "::",
        ] {
            let address: IpAddr = address.parse().unwrap();
            let problem = STRICT.check(address).unwrap_err();
            assert!(
                problem.contains("api.allow-loopback-webhooks"),
                "{address}: {problem}"
            );
            assert!(LENIENT.check(address).is_ok(), "{address}");
        }
    }

    /// Subscribers are in the site's own networks.
    #[test]
    fn the_sites_networks_are_within_bounds() {
        for address in [
            "10.1.1.1",
            "172.16.0.1",
            "192.168.1.1",
            "203.0.113.9",
            "fd00::1",
            "2001:db8::1",
            "64:ff9b::10.1.1.1",
        ] {
            assert!(STRICT.check(address.parse().unwrap()).is_ok(), "{address}");
        }
    }

    /// Names are judged by where they lead, and spellings of addresses by what they mean.
    #[tokio::test]
    async fn names_and_spellings_do_not_hide_an_address() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        for host in ["localhost", "127.0.0.1", "127.1", "2130706433", "0x7f000001", "0"] {
            let refused = STRICT.connect(host, port).await.unwrap_err();
            // what the resolver does not take for an address has none
            let is_out_of_bounds = refused.kind() == ErrorKind::PermissionDenied;
            assert!(
                is_out_of_bounds || host.parse::<IpAddr>().is_err(),
                "{host}: {refused}"
            );
        }
        let asked = tokio::time::timeout(std::time::Duration::from_millis(100), listener.accept());
        assert!(asked.await.is_err(), "nobody was connected to");
        assert!(LENIENT.connect("127.0.0.1", port).await.is_ok());
    }
}
