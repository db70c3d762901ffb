//! What this member says to the others about one network, and what it believes of what they say: adverts, and the
//! connections of clients.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::net::UdpSocket;
use tokio::time::Instant;

use crate::advert::{ADVERT_BYTES_MAX, Advert, AdvertError, AdvertKey, ClusterTag, NETWORK_NAME_BYTES_MAX};
use crate::client_news::{CLIENT_NEWS_BYTES_MAX, CONNECTIONS_PER_DATAGRAM_MAX, ClientNews, Connection};
use crate::freshness::{Freshness, Stale};
use crate::head::Head;
use crate::holder::{HolderConfig, HolderError};
use crate::known_clients::KnownClients;

const DATAGRAM_BYTES_MAX: usize = if ADVERT_BYTES_MAX > CLIENT_NEWS_BYTES_MAX {
    ADVERT_BYTES_MAX
} else {
    CLIENT_NEWS_BYTES_MAX
};

/// What was received and not believed, by reason; all count from the start of the holder.
#[derive(Debug, Default)]
pub struct AdvertCounters {
    /// Believed.
    pub accepted: AtomicU64,
    /// Not the layout, or too long.
    pub malformed: AtomicU64,
    /// Wrong HMAC.
    pub forged: AtomicU64,
    /// For another cluster, network or member.
    pub misdirected: AtomicU64,
    /// Replayed, late, or from a peer that has not heard this member yet.
    pub stale: AtomicU64,
    /// Datagrams that could not be sent (no route, for example).
    pub unsent: AtomicU64,
    /// Connections of clients that were not told to the others because too many waited to be.
    pub clients_untold: AtomicU64,
    /// Words of other members about connections of clients that were noted.
    pub clients_noted: AtomicU64,
    /// Such words that found no place in the table.
    pub clients_unknown: AtomicU64,
    /// Connections whose clients were to be freed.
    pub clients_asked: AtomicU64,
    /// Segments sent to clients of a former holder.
    pub probes_sent: AtomicU64,
    /// Such segments that the system did not take.
    pub probes_unsent: AtomicU64,
}

/// Who speaks, about what, and to whom.
#[derive(Clone, Debug)]
pub(crate) struct Voice {
    pub(crate) cluster: ClusterTag,
    pub(crate) network: String,
    pub(crate) member: u64,
    /// The other members; not this one.
    pub(crate) peers: BTreeMap<u64, SocketAddr>,
    pub(crate) key: AdvertKey,
}

/// The socket and everything that is known of the peers.
pub(crate) struct Exchange {
    voice: Voice,
    socket: UdpSocket,
    freshness: Freshness,
    known: KnownClients,
    counters: Arc<AdvertCounters>,
    datagram: [u8; DATAGRAM_BYTES_MAX + 1],
}

/// What was believed and is the election's business.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct HeardAdvert {
    pub(crate) from: u64,
    pub(crate) holds: bool,
    pub(crate) answers: bool,
}

type Counter = fn(&AdvertCounters) -> &AtomicU64;

impl Exchange {
    /// The exchange of a member that is configured so.
    pub(crate) fn of(
        config: &HolderConfig,
        socket: UdpSocket,
        counters: Arc<AdvertCounters>,
    ) -> Result<Exchange, HolderError> {
        if config.network.len() > NETWORK_NAME_BYTES_MAX {
            return Err(HolderError::NameTooLong(config.network.clone()));
        }
        let mut peers = config.peers.clone();
        peers.remove(&config.member);
        let voice = Voice {
            cluster: ClusterTag::of(&config.cluster),
            network: config.network.clone(),
            member: config.member,
            peers,
            key: config.key.clone(),
        };
        Ok(Exchange::new(voice, socket, config.initial_sequence, counters))
    }

    /// `initial_sequence`: see [`crate::freshness`].
    pub(crate) fn new(
        voice: Voice,
        socket: UdpSocket,
        initial_sequence: u64,
        counters: Arc<AdvertCounters>,
    ) -> Exchange {
        Exchange {
            freshness: Freshness::new(initial_sequence, voice.peers.keys().copied()),
            voice,
            socket,
            known: KnownClients::default(),
            counters,
            datagram: [0; DATAGRAM_BYTES_MAX + 1],
        }
    }

    /// Tells every peer whether this member holds the address.
    pub(crate) fn advertise(&mut self, holds: bool, answers: bool) {
        for (peer, address) in self.voice.peers.clone() {
            let head = self.head(peer);
            let advert = Advert {
                cluster: head.cluster,
                network: head.network,
                from: head.from,
                to: head.to,
                sequence: head.sequence,
                heard: head.heard,
                holds,
                answers,
            };
            self.send(&advert.encode(&self.voice.key), address);
        }
    }

    /// Tells every peer of connections: whether each is open.
    pub(crate) fn tell(&mut self, connections: &BTreeMap<Connection, bool>) {
        let all: Vec<(Connection, bool)> = connections.iter().map(|(at, open)| (*at, *open)).collect();
        for some in all.chunks(CONNECTIONS_PER_DATAGRAM_MAX) {
            let (open, ended): (Vec<_>, Vec<_>) = some.iter().partition(|(_, open)| *open);
            for (peer, address) in self.voice.peers.clone() {
                let news = ClientNews {
                    head: self.head(peer),
                    open: open.iter().map(|(connection, _)| *connection).collect(),
                    ended: ended.iter().map(|(connection, _)| *connection).collect(),
                };
                self.send(&news.encode(&self.voice.key), address);
            }
        }
    }

    /// Waits for one datagram and gives the advert in it that is believed. Connections are noted here. May be dropped
    /// while it waits.
    pub(crate) async fn hear(&mut self) -> Option<HeardAdvert> {
        // an error is an ICMP answer to something we sent: the peer is down, which its silence tells
        let (length, _) = self.socket.recv_from(&mut self.datagram).await.ok()?;
        let datagram = self.datagram;
        let bytes = &datagram[..length];
        let (counter, believed) = if ClientNews::is_named(bytes) {
            (self.note(bytes), None)
        } else {
            self.judge(bytes)
        };
        counter(&self.counters).fetch_add(1, Ordering::Relaxed);
        believed
    }

    /// The connections that other members told of and that may still be open.
    pub(crate) fn take_known(&mut self) -> Vec<Connection> {
        self.known.take(Instant::now())
    }

    fn head(&mut self, to: u64) -> Head {
        Head {
            cluster: self.voice.cluster,
            network: self.voice.network.clone(),
            from: self.voice.member,
            to,
            sequence: self.freshness.next_sequence(),
            heard: self.freshness.heard(to),
        }
    }

    /// A full buffer or a missing route loses this datagram, not the next one.
    fn send(&self, datagram: &[u8], to: SocketAddr) {
        if self.socket.try_send_to(datagram, to).is_err() {
            self.counters.unsent.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Which counter a datagram belongs to, and the advert if it is believed.
    fn judge(&mut self, bytes: &[u8]) -> (Counter, Option<HeardAdvert>) {
        let advert = match Advert::decode(bytes, &self.voice.key) {
            Ok(advert) => advert,
            Err(error) => return (counter_of(error), None),
        };
        if !self.is_for_us(advert.cluster, &advert.network, advert.to) {
            return (|counters| &counters.misdirected, None);
        }
        match self.freshness.accept(&advert) {
            Ok(()) => {
                let heard = HeardAdvert {
                    from: advert.from,
                    holds: advert.holds,
                    answers: advert.answers,
                };
                (|counters| &counters.accepted, Some(heard))
            }
            Err(stale) => (self.stale(advert.from, stale), None),
        }
    }

    /// Notes the connections of a datagram that is believed.
    fn note(&mut self, bytes: &[u8]) -> Counter {
        let news = match ClientNews::decode(bytes, &self.voice.key) {
            Ok(news) => news,
            Err(error) => return counter_of(error),
        };
        let head = &news.head;
        if !self.is_for_us(head.cluster, &head.network, head.to) {
            return |counters| &counters.misdirected;
        }
        if let Err(stale) = self.freshness.accept_from(head.from, head.sequence, head.heard) {
            return self.stale(head.from, stale);
        }
        let now = Instant::now();
        let told = (news.open.len() + news.ended.len()) as u64;
        let mut unknown = 0;
        for connection in news.open {
            unknown += u64::from(!self.known.open(connection, now));
        }
        for connection in news.ended {
            unknown += u64::from(!self.known.ended(connection, now));
        }
        let counters = &self.counters;
        counters
            .clients_noted
            .fetch_add(told - unknown, Ordering::Relaxed);
        counters.clients_unknown.fetch_add(unknown, Ordering::Relaxed);
        |counters| &counters.accepted
    }

    fn is_for_us(&self, cluster: ClusterTag, network: &str, to: u64) -> bool {
        cluster == self.voice.cluster && network == self.voice.network && to == self.voice.member
    }

    fn stale(&self, from: u64, stale: Stale) -> Counter {
        tracing::debug!(network = %self.voice.network, from, %stale, "datagram not believed");
        |counters| &counters.stale
    }
}

fn counter_of(error: AdvertError) -> Counter {
    match error {
        AdvertError::Malformed => |counters| &counters.malformed,
        AdvertError::Forged => |counters| &counters.forged,
    }
}

#[cfg(test)]
#[path = "exchange_tests.rs"]
mod tests;
