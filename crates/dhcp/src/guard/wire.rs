//! What an interface hears besides the questions: answers of other DHCP servers, and of hosts that use an address which is to be
//! offered. Needs CAP_NET_RAW; the kernel passes on nothing else, so a busy link costs nothing.

use std::future::Future;
use std::io;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::time::Duration;

use dhcproto::v4::MessageType;
use model::MacAddr;
use nix::ifaddrs::getifaddrs;
use nix::sys::socket::{LinkAddr, MsgFlags, bind, recvfrom, sendto};
use socket2::{Domain, Protocol, SockFilter, Socket, Type};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::observed::{Compared, Ours, Theirs};
use super::probe::{self, How};
use super::servers::Sign;
use super::told::Told;
use super::{GuardCount, foreign_server, is_own, ping};
use crate::counters::Count;
use crate::policy::Decision;
use crate::reply::Reply;
use crate::request::Request;
use crate::server::Server;

/// Pause before an interface that could not be listened to is tried again.
const OPEN_AGAIN: Duration = Duration::from_secs(10);
/// Longest packet read, bytes: an Ethernet frame's.
const PACKET_BYTES_MAX: usize = 1600;
const IP_HEADER_BYTES_MIN: usize = 20;
const UDP_HEADER_BYTES: usize = 8;

/// UDP from port 67, not a later fragment. Offsets are those of an IPv4 packet (classic BPF, filter.rst).
const FROM_DHCP_SERVERS: [SockFilter; 9] = [
    SockFilter::new(0x30, 0, 0, 9),      // the protocol …
    SockFilter::new(0x15, 0, 6, 17),     // … is UDP
    SockFilter::new(0x28, 0, 0, 6),      // the fragment's offset …
    SockFilter::new(0x45, 4, 0, 0x1fff), // … is 0
    SockFilter::new(0xb1, 0, 0, 0),      // behind the IP header …
    SockFilter::new(0x48, 0, 0, 0),      // … the source port …
    SockFilter::new(0x15, 0, 1, 67),     // … is 67
    SockFilter::new(0x06, 0, 0, 0xffff),
    SockFilter::new(0x06, 0, 0, 0),
];
/// ARP replies, in an Ethernet frame.
const ARP_REPLIES: [SockFilter; 4] = [
    SockFilter::new(0x28, 0, 0, 20),
    SockFilter::new(0x15, 0, 1, 2),
    SockFilter::new(0x06, 0, 0, 0xffff),
    SockFilter::new(0x06, 0, 0, 0),
];

/// The sockets on one interface.
struct Wire {
    link: LinkAddr,
    answers: AsyncFd<Socket>,
    arp: AsyncFd<Socket>,
    ping: AsyncFd<Socket>,
}

impl Server {
    /// Listens to an interface until `shutdown` resolves: for other DHCP servers, and for whoever has an address that is to be
    /// offered. Answers are given without it too: where it cannot be had (no CAP_NET_RAW) that is counted, said once, and tried
    /// again every 10 s.
    pub async fn watch_wire(&self, interface: &str, shutdown: impl Future<Output = ()>) {
        let mut shutdown = std::pin::pin!(shutdown);
        let mut is_said = false;
        loop {
            let listening = async {
                let error = match Wire::open(interface) {
                    Ok(wire) => wire.listen(self).await,
                    Err(error) => error,
                };
                self.0.guard.counters.add(GuardCount::WireFailed);
                if !std::mem::replace(&mut is_said, true) {
                    tracing::warn!(interface, %error, "dhcp: other servers and used addresses cannot be heard; it needs CAP_NET_RAW");
                }
                tokio::time::sleep(OPEN_AGAIN).await;
            };
            tokio::select! {
                () = &mut shutdown => break,
                () = listening => {}
            }
        }
        self.0.guard.prober.close();
    }

    /// Another server's answer, as an IPv4 packet.
    fn heard_answer(&self, packet: &[u8], mac: Option<MacAddr>) {
        let Some((source, message)) = udp_payload(packet) else {
            return;
        };
        let Ok(told) = Told::parse(message) else {
            return;
        };
        let server = told.server.unwrap_or(*source.ip());
        // a relay may put itself in the server's place (RFC 5107)
        if is_own(server, &self.0.network) || server == told.giaddr {
            return;
        }
        let sign = match told.message_type {
            MessageType::Offer => Sign::Offer,
            MessageType::Ack => Sign::Ack,
            MessageType::Nak => Sign::Nak,
            _ => return,
        };
        let now_ms = self.0.store.cluster_time_ms();
        self.0.guard.note_server(server, sign, mac, told.mac, now_ms);
        if self.0.guard.observes() {
            self.compare(told.mac, told.xid, server, &Theirs::Answer(&told), now_ms);
        }
    }

    /// In mode `observe`: what this member would have answered, to be compared with what another server does.
    pub(crate) fn observe(&self, request: &mut Request<'_>) -> Count {
        let (mac, xid) = (request.mac, request.xid);
        if let (Some(server), Some(address)) = (foreign_server(request, &self.0.network), request.requested) {
            let now_ms = self.0.store.cluster_time_ms();
            self.compare(mac, xid, server, &Theirs::Address(address), now_ms);
        }
        // as if it had chosen this server
        request.server_id = request.server_id.map(|_| self.0.network.service_address);
        let ours = match self.decide(request) {
            Decision::Reply(reply) | Decision::Nak(reply) => would_say(request, &reply, false),
            Decision::Offer(reply, _) => would_say(request, &reply, true),
            Decision::Silent(why) => Some(Ours::Silence(why.name())),
            Decision::Bind(_) | Decision::End(_) => None,
        };
        self.0
            .guard
            .observed
            .expect(mac, xid, ours, tokio::time::Instant::now());
        Count::Observed
    }

    fn compare(&self, mac: MacAddr, xid: u32, server: Ipv4Addr, theirs: &Theirs<'_>, now_ms: u64) {
        let guard = &self.0.guard;
        match guard.observed.compare(mac, xid, server, theirs, now_ms) {
            Compared::NothingToCompare => {}
            Compared::Same => guard.counters.add(GuardCount::ObservedSame),
            Compared::Different { is_news } => {
                guard.counters.add(GuardCount::ObservedDifferent);
                if is_news {
                    let differences = guard.observed.describe(mac);
                    tracing::warn!(%mac, %server, differences, "dhcp: the other server answers otherwise");
                }
            }
        }
    }
}

fn would_say(request: &Request<'_>, reply: &Reply, is_of_a_pool: bool) -> Option<Ours> {
    let mut message = Vec::new();
    reply.write(request, &mut message);
    let told = Box::new(Told::parse(&message).ok()?);
    Some(Ours::Answer { told, is_of_a_pool })
}

fn registered(socket: Socket) -> io::Result<AsyncFd<Socket>> {
    // SAFETY: a `Socket` owns its descriptor, and nobody takes it out of the `AsyncFd` or closes it before that is dropped.
    #[allow(unsafe_code, reason = "tokio has no type of its own for packet sockets")]
    let registered = unsafe { AsyncFd::register(socket) };
    Ok(registered?)
}

impl Wire {
    fn open(interface: &str) -> io::Result<Wire> {
        let link = link_address(interface)?;
        let ip = packet_socket(&link, Type::DGRAM, libc::ETH_P_IP, &FROM_DHCP_SERVERS)?;
        let arp = packet_socket(&link, Type::RAW, libc::ETH_P_ARP, &ARP_REPLIES)?;
        let ping = Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::ICMPV4))?;
        ping.attach_filter(&ping::ECHO_REPLIES)?;
        ping.set_nonblocking(true)?;
        Ok(Wire {
            link,
            answers: registered(ip)?,
            arp: registered(arp)?,
            ping: registered(ping)?,
        })
    }

    /// Until an error of a socket, e.g. because the interface is gone.
    async fn listen(self, server: &Server) -> io::Error {
        let wire = Arc::new(self);
        let asks = Arc::clone(&wire);
        let prober = &server.0.guard.prober;
        prober.open(move |address, how| asks.ask(address, how));
        let (mut answer, mut arp, mut ping) = (buffer(), buffer(), buffer());
        loop {
            let heard = tokio::select! {
                heard = wire.receive(&wire.answers, &mut answer) => heard.map(|heard| {
                    if let Some((len, mac)) = heard {
                        server.heard_answer(&answer[..len], mac);
                    }
                }),
                heard = wire.receive(&wire.arp, &mut arp) => heard.map(|heard| {
                    if let Some((address, mac)) = heard.and_then(|(len, _)| probe::arp_reply(&arp[..len])) {
                        prober.answered(address, Some(mac));
                    }
                }),
                heard = receive_ping(&wire.ping, &mut ping) => heard.map(|len| {
                    if let Some(address) = ping::reply(&ping[..len]) {
                        prober.answered(address, None);
                    }
                }),
            };
            if let Err(error) = heard {
                prober.close();
                return error;
            }
        }
    }

    /// A packet and its sender; `None` for one that came to another interface before this socket was bound.
    async fn receive(
        &self,
        socket: &AsyncFd<Socket>,
        packet: &mut [u8],
    ) -> io::Result<Option<(usize, Option<MacAddr>)>> {
        let receive = |socket: &Socket| Ok(recvfrom::<LinkAddr>(socket.as_raw_fd(), packet)?);
        let (len, from) = socket.async_io(Interest::READABLE, receive).await?;
        let is_here = from.is_none_or(|from| from.ifindex() == self.link.ifindex());
        Ok(is_here.then_some((len, from.and_then(|from| from.addr()).map(MacAddr))))
    }

    fn ask(&self, address: Ipv4Addr, how: How) -> io::Result<()> {
        match how {
            How::Arp => {
                let mac = self
                    .link
                    .addr()
                    .ok_or_else(|| io::Error::other("the interface has no MAC address"))?;
                // the kernel takes the interface from the link address, and everything else from the frame
                let frame = probe::arp_probe(MacAddr(mac), address);
                let socket = self.arp.get_ref().as_raw_fd();
                sendto(socket, &frame, &self.link, MsgFlags::MSG_DONTWAIT)?;
            }
            How::Ping => {
                let to = SocketAddrV4::new(address, 0).into();
                self.ping.get_ref().send_to(&ping::request(), &to)?;
            }
        }
        Ok(())
    }
}

fn buffer() -> [u8; PACKET_BYTES_MAX] {
    [0; PACKET_BYTES_MAX]
}

async fn receive_ping(socket: &AsyncFd<Socket>, packet: &mut [u8]) -> io::Result<usize> {
    let receive = |socket: &Socket| {
        Ok(nix::sys::socket::recv(
            socket.as_raw_fd(),
            packet,
            MsgFlags::empty(),
        )?)
    };
    socket.async_io(Interest::READABLE, receive).await
}

fn link_address(interface: &str) -> io::Result<LinkAddr> {
    let mut entries = getifaddrs()?.filter(|entry| entry.interface_name == interface);
    let link = entries.find_map(|entry| Some(*entry.address?.as_link_addr()?));
    link.ok_or_else(|| io::Error::from_raw_os_error(libc::ENODEV))
}

/// A socket for what the filter lets pass on an interface.
fn packet_socket(link: &LinkAddr, kind: Type, protocol: i32, filter: &[SockFilter]) -> io::Result<Socket> {
    let protocol = i32::from((protocol as u16).to_be());
    let socket = Socket::new(Domain::PACKET, kind, Some(Protocol::from(protocol)))?;
    socket.attach_filter(filter)?;
    socket.set_nonblocking(true)?;
    // the address names no protocol, so that of the socket stays
    bind(socket.as_raw_fd(), link)?;
    Ok(socket)
}

/// Sender and payload of a UDP datagram in an IPv4 packet.
fn udp_payload(packet: &[u8]) -> Option<(SocketAddrV4, &[u8])> {
    let [first, ..] = packet else { return None };
    let header_bytes = usize::from(first & 0xf) * 4;
    if first >> 4 != 4 || header_bytes < IP_HEADER_BYTES_MIN {
        return None;
    }
    let source = packet.get(12..16)?;
    let (udp, payload) = packet.get(header_bytes..)?.split_at_checked(UDP_HEADER_BYTES)?;
    let source = Ipv4Addr::new(source[0], source[1], source[2], source[3]);
    let port = u16::from_be_bytes([udp[0], udp[1]]);
    // what follows is the link's padding
    let len = usize::from(u16::from_be_bytes([udp[4], udp[5]])).checked_sub(UDP_HEADER_BYTES)?;
    Some((SocketAddrV4::new(source, port), payload.get(..len)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame;
    use proptest::prelude::*;

    #[test]
    fn a_datagram_is_found_in_its_packet_with_options_and_padding() {
        let from = SocketAddrV4::new(Ipv4Addr::new(10, 97, 9, 9), 67);
        let to = SocketAddrV4::new(Ipv4Addr::BROADCAST, 68);
        let mut packet = Vec::new();
        assert!(frame::write(&mut packet, from, to, b"answer"));
        packet.extend([0; 20]);
        assert_eq!(udp_payload(&packet), Some((from, &b"answer"[..])));
        packet[0] = 0x46;
        packet.splice(20..20, [1, 1, 1, 0]);
        assert_eq!(udp_payload(&packet), Some((from, &b"answer"[..])));
        packet[0] = 0x66;
        assert_eq!(udp_payload(&packet), None, "another version");
    }

    proptest! {
        #[test]
        fn no_packet_makes_it_panic(mut packet in proptest::collection::vec(any::<u8>(), 0..100)) {
            let _ = udp_payload(&packet);
            if let Some(first) = packet.first_mut() {
                *first = 0x45;
            }
            let _ = udp_payload(&packet);
        }
    }

    #[tokio::test]
    async fn an_interface_that_does_not_exist_is_an_error() {
        let error = Wire::open("chamois-none").err().unwrap();
        assert_eq!(error.raw_os_error(), Some(libc::ENODEV));
    }
}
