//! What the serving side tells of connections, gathered into batches for the other members.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::client_news::Connection;
use crate::exchange::AdvertCounters;

/// Changes that wait to be told: some batches of the fastest boot storm. Further ones are dropped and counted.
const CHANGES_WAITING_MAX: usize = 16_384;
/// Shortest pause between two batches. The first change after a pause is told at once.
const TELL_EVERY: Duration = Duration::from_millis(10);

type Change = (Connection, bool);

/// Where the serving side says which TCP connections it has accepted; cheap to clone, never waits.
#[derive(Clone, Debug)]
pub struct ClientNotes {
    service: Ipv4Addr,
    changes: mpsc::Sender<Change>,
    counters: Arc<AdvertCounters>,
}

impl ClientNotes {
    /// Notes a connection between `local` and `peer`, until what is returned is dropped; `None` if it is not at the
    /// service address: only such a one can be inherited.
    pub fn opened(&self, local: SocketAddr, peer: SocketAddr) -> Option<OpenConnection> {
        let (SocketAddr::V4(local), SocketAddr::V4(client)) = (local, peer) else {
            return None;
        };
        if *local.ip() != self.service {
            return None;
        }
        let connection = Connection {
            client,
            port: local.port(),
        };
        self.say((connection, true));
        Some(OpenConnection {
            connection,
            notes: self.clone(),
        })
    }

    fn say(&self, change: Change) {
        if self.changes.try_send(change).is_err() {
            self.counters.clients_untold.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// A connection that was noted; dropping it notes its end.
#[derive(Debug)]
pub struct OpenConnection {
    connection: Connection,
    notes: ClientNotes,
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.notes.say((self.connection, false));
    }
}

/// The other end: batches, each told twice because a datagram may be lost.
#[derive(Debug)]
pub(crate) struct Telling {
    changes: mpsc::Receiver<Change>,
    /// Not told yet, and told once.
    fresh: BTreeMap<Connection, bool>,
    once: BTreeMap<Connection, bool>,
    next: Instant,
}

impl Telling {
    /// Both ends, for the connections of `service`.
    pub(crate) fn new(service: Ipv4Addr, counters: Arc<AdvertCounters>) -> (ClientNotes, Telling) {
        let (sender, changes) = mpsc::channel(CHANGES_WAITING_MAX);
        let notes = ClientNotes {
            service,
            changes: sender,
            counters,
        };
        let telling = Telling {
            changes,
            fresh: BTreeMap::new(),
            once: BTreeMap::new(),
            next: Instant::now(),
        };
        (notes, telling)
    }

    /// Completes when a batch is to be told; may be dropped and called again at any time.
    pub(crate) async fn due(&mut self) {
        if self.fresh.is_empty() && self.once.is_empty() {
            match self.changes.recv().await {
                Some((connection, open)) => self.fresh.insert(connection, open),
                None => std::future::pending().await, // nobody serves any more
            };
        }
        tokio::time::sleep_until(self.next).await;
    }

    /// The batch: what is new, and once more what was new in the last one.
    pub(crate) fn batch(&mut self) -> BTreeMap<Connection, bool> {
        for _ in 0..CHANGES_WAITING_MAX {
            match self.changes.try_recv() {
                Ok((connection, open)) => self.fresh.insert(connection, open),
                Err(_) => break,
            };
        }
        self.next = Instant::now() + TELL_EVERY;
        let mut batch = std::mem::replace(&mut self.once, self.fresh.clone());
        batch.append(&mut self.fresh); // the newer word about a connection counts
        batch
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SERVICE: Ipv4Addr = Ipv4Addr::new(10, 97, 0, 1);

    fn at(address: &str) -> SocketAddr {
        address.parse().unwrap()
    }

    #[tokio::test]
    async fn each_state_is_told_twice_and_the_newer_one_counts() {
        let (notes, mut telling) = Telling::new(SERVICE, Arc::default());
        let first = notes.opened(at("10.97.0.1:80"), at("10.97.2.1:1")).unwrap();
        telling.due().await;
        let connection = first.connection;
        assert_eq!(telling.batch(), BTreeMap::from([(connection, true)]));
        drop(first);
        telling.due().await;
        assert_eq!(telling.batch(), BTreeMap::from([(connection, false)]));
        telling.due().await;
        assert_eq!(telling.batch(), BTreeMap::from([(connection, false)]));
        let nothing = tokio::time::timeout(TELL_EVERY * 3, telling.due()).await;
        assert!(nothing.is_err(), "an idle port costs nothing");
    }

    /// A connection to the member's own address stays with the member.
    #[tokio::test]
    async fn only_the_service_address_can_be_inherited() {
        let (notes, _telling) = Telling::new(SERVICE, Arc::default());
        assert!(notes.opened(at("10.97.1.1:80"), at("10.97.2.1:1")).is_none());
    }

    /// Whoever accepts connections must never wait for the one that tells of them.
    #[tokio::test]
    async fn what_finds_no_place_is_counted() {
        let (notes, mut telling) = Telling::new(SERVICE, Arc::default());
        let ports = 0..u16::try_from(CHANGES_WAITING_MAX + 1).unwrap();
        let open: Vec<_> = ports
            .map(|port| notes.opened(at("10.97.0.1:80"), (Ipv4Addr::LOCALHOST, port).into()))
            .collect();
        assert_eq!(notes.counters.clients_untold.load(Ordering::Relaxed), 1);
        telling.due().await;
        assert!(telling.batch().len() >= CHANGES_WAITING_MAX);
        drop(open);
    }
}
