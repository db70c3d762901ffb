//! Router Advertisements that say "no router here" (RFC 4861: router lifetime 0, no prefix), on networks that ask for
//! them. iPXE waits some 13 s for an advertisement before it uses the address that it has long had from DHCP; this one
//! lets it go on at once, and gives no host an address, a route or a name server.

use std::future::Future;
use std::io::{self, IoSliceMut};
use std::net::{Ipv6Addr, SocketAddrV6};
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use model::Ipv6Net;
use nix::net::if_::if_nametoindex;
use nix::sys::socket::{ControlMessageOwned, MsgFlags, SockaddrIn6, recvmsg, setsockopt, sockopt};
use socket2::{Domain, Protocol, SockAddr, SockRef, Socket, Type};
use tokio::io::Interest;
use tokio::net::UdpSocket;
use tokio::time::Instant;

/// Pause between advertisements that nobody asked for. They expire nothing: lifetime 0 has nothing to renew.
const UNASKED_EVERY: Duration = Duration::from_secs(60);
/// Shortest pause between two advertisements, so that a power-on storm draws two in a second, not thousands. RFC 4861
/// says 3 s for routers, which would be 3 s more of a node's boot; RFC 6275 7.5 goes as low as 30 ms.
const PAUSE_MIN: Duration = Duration::from_millis(500);
/// Pause after an advertisement that could not be sent: at start the link-local address is not usable yet.
const FAILED_PAUSE: Duration = Duration::from_secs(1);
/// Pause before an interface on which there was no IPv6 is tried again.
const OPEN_AGAIN: Duration = Duration::from_secs(10);
/// Pause after an error of the socket, so that a lasting one does not spin.
const SOCKET_ERROR_PAUSE: Duration = Duration::from_millis(100);
/// Longest packet read, bytes: an Ethernet frame's.
const PACKET_BYTES_MAX: usize = 1500;

const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
const ALL_ROUTERS: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 2);
/// No router lowers it, so a packet that has it comes from this very link.
const HOP_LIMIT: i32 = 255;
const SOLICITATION: u8 = 133;
const SOLICITATION_BYTES: usize = 8;
const SOURCE_LINK_LAYER_ADDRESS: u8 = 1;

/// Type 134, code 0, a checksum that the kernel fills in; then hop limit, flags, router lifetime, reachable time and
/// retransmission timer: 0 in each means "not said", and for the lifetime "not a router" (RFC 4861 section 4.2).
const ADVERTISEMENT: [u8; 16] = [134, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
/// Where the flags stand.
const FLAGS_AT: usize = 5;
/// Addresses (M) and the rest (O) come by DHCPv6.
const BY_DHCP: u8 = 0xc0;
/// A prefix information option of four times eight bytes.
const PREFIX_INFORMATION: [u8; 2] = [3, 4];
/// What is in the prefix is on this link (L); nobody makes an address of it (A is not set).
const ON_LINK: u8 = 0x80;
/// How long a prefix is valid and preferred, seconds: RFC 4861 section 6.2.1.
const PREFIX_VALID_S: u32 = 30 * 86_400;
const PREFIX_PREFERRED_S: u32 = 7 * 86_400;

/// What is advertised: no router, and where there is DHCPv6 (`prefixes` of the link) that addresses come by it.
fn advertisement(prefixes: &[Ipv6Net]) -> Vec<u8> {
    let mut message = ADVERTISEMENT.to_vec();
    if !prefixes.is_empty() {
        message[FLAGS_AT] = BY_DHCP;
    }
    for prefix in prefixes {
        message.extend_from_slice(&PREFIX_INFORMATION);
        message.extend_from_slice(&[prefix.prefix_len(), ON_LINK]);
        message.extend_from_slice(&PREFIX_VALID_S.to_be_bytes());
        message.extend_from_slice(&PREFIX_PREFERRED_S.to_be_bytes());
        message.extend_from_slice(&[0; 4]);
        message.extend_from_slice(&prefix.network().octets());
    }
    message
}

/// What happened; cheap to share, never reset.
#[derive(Debug, Default)]
pub struct RouterAdvertCounters {
    solicitations: AtomicU64,
    malformed: AtomicU64,
    sent: AtomicU64,
    send_failed: AtomicU64,
    receive_failed: AtomicU64,
    not_opened: AtomicU64,
}

impl RouterAdvertCounters {
    /// Every counter with its name, for metrics.
    pub fn all(&self) -> [(&'static str, u64); 6] {
        [
            ("solicitations", &self.solicitations),
            ("malformed_solicitations", &self.malformed),
            ("advertisements", &self.sent),
            ("send_failed", &self.send_failed),
            ("receive_failed", &self.receive_failed),
            ("not_opened", &self.not_opened),
        ]
        .map(|(name, count)| (name, count.load(Ordering::Relaxed)))
    }
}

/// Sends the advertisements of one interface. Every member of a network does, whoever holds the service address: the
/// message names nothing that dies with a member, so a second one is harmless, and none waits for a takeover.
#[derive(Debug)]
pub struct RouterAdverts {
    /// A raw ICMPv6 socket: only the calls are those of UDP.
    socket: UdpSocket,
    message: Vec<u8>,
    to: SockAddr,
    counters: Arc<RouterAdvertCounters>,
}

/// Advertises on an interface until `shutdown` resolves. Nodes boot without it too, only later: where it cannot be had
/// (no IPv6 there, no CAP_NET_RAW) that is counted, said once, and tried again every 10 s. `prefixes` are those of the link
/// whose addresses come by DHCPv6; none where there is no DHCPv6.
pub async fn advertise_no_router(
    interface: &str,
    prefixes: &[Ipv6Net],
    counters: Arc<RouterAdvertCounters>,
    shutdown: impl Future<Output = ()>,
) {
    let mut shutdown = std::pin::pin!(shutdown);
    let mut is_said = false;
    loop {
        match RouterAdverts::open(interface, prefixes, Arc::clone(&counters)) {
            Ok(adverts) => return adverts.run(shutdown).await,
            Err(error) => {
                add(&counters.not_opened);
                if !std::mem::replace(&mut is_said, true) {
                    tracing::warn!(interface, %error, "no router advertisements; they need IPv6 on the interface and CAP_NET_RAW");
                }
            }
        }
        tokio::select! {
            () = &mut shutdown => return,
            () = tokio::time::sleep(OPEN_AGAIN) => {}
        }
    }
}

impl RouterAdverts {
    /// Hears the solicitations on an interface, and on no other. Call it within a tokio runtime.
    ///
    /// # Errors
    /// No such interface, no IPv6 on it, or CAP_NET_RAW is missing.
    pub fn on_interface(interface: &str) -> io::Result<RouterAdverts> {
        Self::open(interface, &[], Arc::default())
    }

    fn open(
        interface: &str,
        prefixes: &[Ipv6Net],
        counters: Arc<RouterAdvertCounters>,
    ) -> io::Result<RouterAdverts> {
        let index = if_nametoindex(interface)?;
        let socket = Socket::new(Domain::IPV6, Type::RAW, Some(Protocol::ICMPV6))?;
        socket.bind_device(Some(interface.as_bytes()))?;
        socket.set_multicast_hops_v6(HOP_LIMIT.unsigned_abs())?;
        socket.set_multicast_loop_v6(false)?;
        socket.join_multicast_v6(&ALL_ROUTERS, index)?;
        socket.set_nonblocking(true)?;
        setsockopt(&socket, sockopt::Ipv6RecvHopLimit, &true)?;
        Ok(RouterAdverts {
            socket: UdpSocket::from_std(socket.into())?,
            message: advertisement(prefixes),
            to: SocketAddrV6::new(ALL_NODES, 0, 0, index).into(),
            counters,
        })
    }

    /// What happened so far.
    pub fn counters(&self) -> Arc<RouterAdvertCounters> {
        Arc::clone(&self.counters)
    }

    /// Advertises until `shutdown` resolves: at once, then when asked and every 60 s, always to all nodes (one by one
    /// they would overflow the kernel's table of neighbours). Errors of the socket are counted and outlived.
    pub async fn run(&self, shutdown: impl Future<Output = ()>) {
        let mut schedule = Schedule::new(Instant::now());
        let mut is_failing = false;
        let mut shutdown = std::pin::pin!(shutdown);
        loop {
            tokio::select! {
                () = &mut shutdown => return,
                () = tokio::time::sleep_until(schedule.due) => {
                    let sent = self.advertise(&mut is_failing);
                    schedule.tried(sent, Instant::now());
                }
                heard = self.solicited() => match heard {
                    Ok(true) => schedule.solicited(Instant::now()),
                    Ok(false) => {}
                    Err(error) => {
                        tracing::debug!(%error, "router advertisements: the socket failed");
                        add(&self.counters.receive_failed);
                        tokio::time::sleep(SOCKET_ERROR_PAUSE).await;
                    }
                }
            }
        }
    }

    /// Sends one; an administrator reads of the first failure, not of each.
    fn advertise(&self, is_failing: &mut bool) -> bool {
        match SockRef::from(&self.socket).send_to(&self.message, &self.to) {
            Ok(_) => {
                add(&self.counters.sent);
                *is_failing = false;
            }
            Err(error) => {
                add(&self.counters.send_failed);
                if !std::mem::replace(is_failing, true) {
                    tracing::warn!(%error, "router advertisements cannot be sent yet; trying each second");
                }
            }
        }
        !*is_failing
    }

    /// Waits for a packet; whether it asks for an advertisement.
    async fn solicited(&self) -> io::Result<bool> {
        let mut packet = [0; PACKET_BYTES_MAX];
        let receive = || receive(&self.socket, &mut packet);
        let arrival = self.socket.async_io(Interest::READABLE, receive).await?;
        let packet = &packet[..arrival.len];
        if packet.first() != Some(&SOLICITATION) {
            return Ok(false); // the socket hears all of ICMPv6
        }
        let valid = arrival.hop_limit == Some(HOP_LIMIT) && is_solicitation(packet, arrival.source);
        add(if valid {
            &self.counters.solicitations
        } else {
            &self.counters.malformed
        });
        Ok(valid)
    }
}

fn add(count: &AtomicU64) {
    count.fetch_add(1, Ordering::Relaxed);
}

struct Arrival {
    len: usize,
    source: Ipv6Addr,
    hop_limit: Option<i32>,
}

fn receive(socket: &UdpSocket, packet: &mut [u8]) -> io::Result<Arrival> {
    let mut control = nix::cmsg_space!(i32);
    let mut parts = [IoSliceMut::new(packet)];
    let flags = MsgFlags::MSG_DONTWAIT;
    let message = recvmsg::<SockaddrIn6>(socket.as_raw_fd(), &mut parts, Some(&mut control), flags)?;
    let hop_limit = message.cmsgs()?.find_map(|control| match control {
        ControlMessageOwned::Ipv6HopLimit(limit) => Some(limit),
        _ => None,
    });
    Ok(Arrival {
        len: message.bytes,
        source: message
            .address
            .map_or(Ipv6Addr::UNSPECIFIED, |address| address.ip()),
        hop_limit,
    })
}

/// RFC 4861 section 6.1.1, beyond what the kernel has checked (the checksum) and the caller (type and hop limit).
fn is_solicitation(packet: &[u8], source: Ipv6Addr) -> bool {
    let Some((header, mut options)) = packet.split_at_checked(SOLICITATION_BYTES) else {
        return false;
    };
    while let [kind, eights, ..] = options {
        let anonymous_with_address = source.is_unspecified() && *kind == SOURCE_LINK_LAYER_ADDRESS;
        let Some((_, rest)) = options.split_at_checked(usize::from(*eights) * 8) else {
            return false;
        };
        if *eights == 0 || anonymous_with_address {
            return false;
        }
        options = rest;
    }
    header[1] == 0 && options.is_empty()
}

/// When the next advertisement goes out.
#[derive(Debug)]
struct Schedule {
    due: Instant,
    last: Option<Instant>,
}

impl Schedule {
    fn new(now: Instant) -> Schedule {
        Schedule { due: now, last: None }
    }

    /// Somebody asks: at once, unless the last one is too near.
    fn solicited(&mut self, now: Instant) {
        let earliest = self.last.map_or(now, |last| now.max(last + PAUSE_MIN));
        self.due = self.due.min(earliest);
    }

    fn tried(&mut self, sent: bool, now: Instant) {
        self.last = Some(now);
        self.due = now + if sent { UNASKED_EVERY } else { FAILED_PAUSE };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An optional speed-up: its want ends nothing, and shows in the metrics.
    #[tokio::test]
    async fn where_it_cannot_be_had_that_is_counted_and_nothing_ends() {
        let counters = Arc::<RouterAdvertCounters>::default();
        let adverts = advertise_no_router("no-such-if", &[], Arc::clone(&counters), std::future::pending());
        let goes_on = tokio::time::timeout(Duration::from_millis(50), adverts).await;
        assert!(goes_on.is_err(), "it ended");
        assert!(counters.all().contains(&("not_opened", 1)));
        advertise_no_router("no-such-if", &[], counters, async {}).await;
    }

    const NODE: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0xa1);
    /// As iPXE sends it: its MAC in a source link-layer address option.
    const OF_IPXE: [u8; 16] = [133, 0, 0, 0, 0, 0, 0, 0, 1, 1, 2, 0, 0, 0, 0, 0xa1];

    #[test]
    fn the_advertisement_makes_nobody_a_router() {
        assert_eq!(ADVERTISEMENT[0], 134);
        assert_eq!(advertisement(&[]), ADVERTISEMENT);
        assert_eq!(ADVERTISEMENT[1..], [0; 15], "lifetime 0, no flags, no option");
    }

    /// Where there is DHCPv6: still no router, and no address that a node makes for itself.
    #[test]
    fn with_prefixes_it_sends_nodes_to_dhcpv6() {
        let message = advertisement(&["fd00:97::/64".parse().unwrap(), "fd00:98::/56".parse().unwrap()]);
        assert_eq!(message[..8], [134, 0, 0, 0, 0, 0xc0, 0, 0], "M and O, lifetime 0");
        assert_eq!(message[8..16], [0; 8]);
        let prefix = [0xfd, 0, 0, 0x97, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        let lifetimes = [0, 0x27, 0x8d, 0, 0, 9, 0x3a, 0x80, 0, 0, 0, 0];
        let expected = [&[3, 4, 64, 0x80][..], &lifetimes, &prefix].concat();
        assert_eq!(message[16..48], expected, "on-link, not autonomous");
        assert_eq!((message[50], message.len()), (56, 80));
    }

    #[test]
    fn a_solicitation_may_come_with_and_without_options() {
        assert!(is_solicitation(&OF_IPXE, NODE));
        assert!(is_solicitation(&OF_IPXE[..8], NODE));
        assert!(is_solicitation(&OF_IPXE[..8], Ipv6Addr::UNSPECIFIED));
        let unknown = [&OF_IPXE[..], &[14, 2], &[7; 14]].concat();
        assert!(is_solicitation(&unknown, NODE), "unknown options are skipped");
    }

    /// The table of RFC 4861 section 6.1.1, and cuts at every length.
    #[test]
    fn what_the_rfc_forbids_is_no_solicitation() {
        assert!(!is_solicitation(&OF_IPXE, Ipv6Addr::UNSPECIFIED));
        let changed = |at: usize, value: u8| {
            let mut packet = OF_IPXE;
            packet[at] = value;
            packet
        };
        assert!(!is_solicitation(&changed(1, 1), NODE), "a code");
        assert!(
            !is_solicitation(&changed(9, 0), NODE),
            "an option without length would be read for ever"
        );
        assert!(!is_solicitation(&changed(9, 2), NODE), "an option beyond the end");
        for len in (0..16).filter(|len| *len != 8) {
            assert!(!is_solicitation(&OF_IPXE[..len], NODE), "{len}");
        }
    }

    #[test]
    fn who_asks_is_answered_at_once_and_a_storm_twice_a_second() {
        let start = Instant::now();
        let mut schedule = Schedule::new(start);
        assert_eq!(schedule.due, start, "the first one needs no question");
        schedule.tried(true, start);
        assert_eq!(schedule.due, start + UNASKED_EVERY);
        let later = start + Duration::from_secs(5);
        schedule.solicited(later);
        assert_eq!(schedule.due, later);
        schedule.tried(true, later);
        for millis in [1, 100, 499] {
            schedule.solicited(later + Duration::from_millis(millis));
            assert_eq!(schedule.due, later + PAUSE_MIN);
        }
    }

    /// A second question must not put off the answer to the first.
    #[test]
    fn questions_only_bring_an_advertisement_forward() {
        let start = Instant::now();
        let mut schedule = Schedule::new(start);
        schedule.solicited(start + Duration::from_secs(1));
        assert_eq!(schedule.due, start);
        schedule.tried(false, start);
        assert_eq!(schedule.due, start + FAILED_PAUSE);
        schedule.solicited(start + Duration::from_millis(900));
        assert_eq!(schedule.due, start + Duration::from_millis(900));
    }

    #[tokio::test]
    async fn an_interface_that_does_not_exist_is_an_error() {
        let error = RouterAdverts::on_interface("chamois-none").unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::ENODEV));
    }
}
