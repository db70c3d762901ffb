//! The relay through which all nodes ask for their addresses: one socket, answers told apart by their xid.

use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::UdpSocket;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::dhcp_packet::{self, Answer};
use crate::rng::Rng;

/// Answers of one xid that may wait; a server sends one to each packet.
const ANSWERS_WAITING_MAX: usize = 8;
/// A power-on of thousands at once must not overflow the socket: the kernel grants what it allows of this.
const RECEIVE_BUFFER_BYTES: usize = 8 << 20;

type Waiting = BTreeMap<u32, mpsc::Sender<Answer>>;

/// The relay. Dropping it ends its reader.
#[derive(Debug)]
pub(crate) struct Relay {
    socket: Arc<UdpSocket>,
    address: Ipv4Addr,
    servers: Vec<Ipv4Addr>,
    passed_to: Vec<SocketAddrV4>,
    shared: Arc<Mutex<Shared>>,
    reader: JoinHandle<()>,
}

#[derive(Debug)]
struct Shared {
    waiting: Waiting,
    xids: Rng,
}

impl Relay {
    /// A relay at `address`, on a port that is not 67, that passes each question on to all of `passed_to` and takes
    /// answers that name one of `servers`.
    pub(crate) fn open(
        address: Ipv4Addr,
        servers: Vec<Ipv4Addr>,
        passed_to: Vec<SocketAddrV4>,
        seed: u64,
    ) -> io::Result<Relay> {
        let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP))?;
        socket.set_recv_buffer_size(RECEIVE_BUFFER_BYTES)?;
        socket.set_nonblocking(true)?;
        socket.bind(&SocketAddr::from((address, 0)).into())?;
        let socket = Arc::new(UdpSocket::from_std(socket.into())?);
        let shared = Arc::new(Mutex::new(Shared {
            waiting: Waiting::new(),
            xids: Rng::new(seed),
        }));
        let reader = tokio::spawn(read(Arc::clone(&socket), Arc::clone(&shared)));
        Ok(Relay {
            socket,
            address,
            servers,
            passed_to,
            shared,
            reader,
        })
    }

    /// The address that questions carry as `giaddr`.
    pub(crate) fn address(&self) -> Ipv4Addr {
        self.address
    }

    /// Whether `address` is one of the servers', which are also their identities (option 54).
    pub(crate) fn serves(&self, address: Ipv4Addr) -> bool {
        self.servers.contains(&address)
    }

    /// The servers' addresses, for messages.
    pub(crate) fn server_names(&self) -> String {
        let names: Vec<String> = self.servers.iter().map(Ipv4Addr::to_string).collect();
        names.join(", ")
    }

    /// Begins an exchange under an xid of its own.
    pub(crate) fn exchange(&self) -> Exchange<'_> {
        let (sender, answers) = mpsc::channel(ANSWERS_WAITING_MAX);
        let mut shared = lock(&self.shared);
        let xid = loop {
            let xid = u32::try_from(shared.xids.next() >> 32).expect("32 bits remain");
            if !shared.waiting.contains_key(&xid) {
                break xid;
            }
        };
        shared.waiting.insert(xid, sender);
        Exchange {
            relay: self,
            xid,
            answers,
        }
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

/// Nothing panics while it holds the lock; if it did, the map would still be whole.
fn lock(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn read(socket: Arc<UdpSocket>, shared: Arc<Mutex<Shared>>) {
    let mut packet = [0; 2048];
    loop {
        // an error is an ICMP answer to something sent while nobody held the address
        let Ok((length, _)) = socket.recv_from(&mut packet).await else {
            continue;
        };
        let Some(xid) = dhcp_packet::xid(&packet[..length]) else {
            continue;
        };
        let waiting = lock(&shared).waiting.get(&xid).cloned();
        let (Some(waiting), Some(answer)) = (waiting, Answer::decode(&packet[..length])) else {
            continue;
        };
        let _ = waiting.try_send(answer); // more answers than anyone waits for are dropped
    }
}

/// One xid's questions and answers; dropping it forgets the xid.
#[derive(Debug)]
pub(crate) struct Exchange<'a> {
    relay: &'a Relay,
    pub(crate) xid: u32,
    answers: mpsc::Receiver<Answer>,
}

impl Exchange<'_> {
    /// Sends a question. That it could not be sent is a loss like any other on the way.
    pub(crate) async fn send(&self, packet: &[u8]) {
        for server in &self.relay.passed_to {
            let _ = self.relay.socket.send_to(packet, server).await;
        }
    }

    /// Waits for the next answer under this xid.
    pub(crate) async fn answer(&mut self) -> Answer {
        match self.answers.recv().await {
            Some(answer) => answer,
            None => std::future::pending().await, // the relay is gone: so is every answer
        }
    }
}

impl Drop for Exchange<'_> {
    fn drop(&mut self) {
        lock(&self.relay.shared).waiting.remove(&self.xid);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dhcp_packet::{Kind, Question};
    use model::MacAddr;
    use std::time::Duration;
    use tokio::time::timeout;

    async fn server_and_relay() -> (UdpSocket, Relay) {
        let server = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let SocketAddr::V4(address) = server.local_addr().unwrap() else {
            unreachable!()
        };
        let relay = Relay::open(Ipv4Addr::LOCALHOST, vec![*address.ip()], vec![address], 1);
        (server, relay.unwrap())
    }

    fn question(exchange: &Exchange<'_>, last_byte: u8) -> Vec<u8> {
        let mac = MacAddr([2, 0, 0, 0, 0, last_byte]);
        let relay = Ipv4Addr::LOCALHOST;
        Question {
            kind: Kind::Discover,
            xid: exchange.xid,
            secs: 0,
            mac,
            relay,
            selected: None,
        }
        .encode()
    }

    /// Answers in the wrong order still reach the one who asked.
    #[tokio::test]
    async fn answers_find_their_exchange_by_xid() {
        let (server, relay) = server_and_relay().await;
        let (mut first, mut second) = (relay.exchange(), relay.exchange());
        assert_ne!(first.xid, second.xid);
        first.send(&question(&first, 1)).await;
        second.send(&question(&second, 2)).await;
        let mut packets = Vec::new();
        let mut from = None;
        for _ in 0..2 {
            let mut packet = vec![0; 2048];
            let (length, sender) = server.recv_from(&mut packet).await.unwrap();
            packet.truncate(length);
            (packet[0], packet[242]) = (2, 2);
            packets.push(packet);
            from = Some(sender);
        }
        for packet in packets.iter().rev() {
            server.send_to(packet, from.unwrap()).await.unwrap();
        }
        let bound = Duration::from_secs(10);
        assert_eq!(timeout(bound, first.answer()).await.unwrap().mac.0[5], 1);
        assert_eq!(timeout(bound, second.answer()).await.unwrap().mac.0[5], 2);
        drop((first, second));
        assert!(
            lock(&relay.shared).waiting.is_empty(),
            "ended exchanges are forgotten"
        );
    }
}
