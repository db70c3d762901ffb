//! What the serving side tells of connections, gathered into batches for the other members.

use std::collections::BTreeMap;
use std::future::Future;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use crate::client_news::Connection;
use crate::exchange::AdvertCounters;

/// Changes that wait to be told: some batches of the fastest boot storm. Further ones are dropped and counted.
const CHANGES_WAITING_MAX: usize = 16_384;
/// Shortest pause between two batches. The first change after a pause is told at once.
const TELL_EVERY: Duration = Duration::from_millis(1);
/// What has been told is told once more after this, or with the next batch: whatever lost the first datagram is over.
const REPEAT_AFTER: Duration = Duration::from_millis(10);

/// A connection is served at the latest so long after it was accepted, told or not: its kernel acknowledges a request
/// 40 ms after it came.
const TOLD_AT_MOST: Duration = Duration::from_millis(30);

/// A connection, whether it is open, and who waits until that is told: dropping the sender says so.
#[derive(Debug)]
struct Change {
    connection: Connection,
    open: bool,
    told: Option<oneshot::Sender<()>>,
}

/// Where the serving side says which TCP connections it has accepted; cheap to clone, never waits.
#[derive(Clone, Debug)]
pub struct ClientNotes {
    service: Ipv4Addr,
    changes: mpsc::Sender<Change>,
    counters: Arc<AdvertCounters>,
}

impl ClientNotes {
    /// Notes a connection between `local` and `peer` at once, until what is returned is dropped; `None` if it is not at
    /// the service address: only such a one can be inherited. Completes when the other members were told, so that
    /// nothing is answered before: an answer acknowledges the request, and a client that then hears no more waits for ever
    /// unless somebody knows of it.
    pub fn opened(
        &self,
        local: SocketAddr,
        peer: SocketAddr,
    ) -> impl Future<Output = Option<OpenConnection>> + Send + 'static {
        let noted = self.note(local, peer);
        async move {
            let (connection, told) = noted?;
            tokio::time::timeout(TOLD_AT_MOST, told).await.ok();
            Some(connection)
        }
    }

    fn note(&self, local: SocketAddr, peer: SocketAddr) -> Option<(OpenConnection, oneshot::Receiver<()>)> {
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
        let (tell, told) = oneshot::channel();
        self.say(connection, true, Some(tell));
        let notes = self.clone();
        Some((OpenConnection { connection, notes }, told))
    }

    fn say(&self, connection: Connection, open: bool, told: Option<oneshot::Sender<()>>) {
        let change = Change {
            connection,
            open,
            told,
        };
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
        self.notes.say(self.connection, false, None);
    }
}

/// The other end: batches, each told twice because a datagram may be lost.
#[derive(Debug)]
pub(crate) struct Telling {
    changes: mpsc::Receiver<Change>,
    /// Not told yet, and told once.
    fresh: BTreeMap<Connection, bool>,
    once: BTreeMap<Connection, bool>,
    /// Who waits for what is not told yet.
    waiting: Vec<oneshot::Sender<()>>,
    last: Instant,
}

/// What is to be told now. Whoever waits for it goes on when this is dropped.
#[derive(Debug)]
pub(crate) struct Batch {
    pub(crate) connections: BTreeMap<Connection, bool>,
    _waiting: Vec<oneshot::Sender<()>>,
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
            waiting: Vec::new(),
            last: Instant::now(),
        };
        (notes, telling)
    }

    /// Completes when a batch is to be told; may be dropped and called again at any time.
    pub(crate) async fn due(&mut self) {
        if self.fresh.is_empty() {
            let (changes, has_told) = (&mut self.changes, !self.once.is_empty());
            tokio::select! {
                Some(change) = changes.recv() => self.take(change),
                () = tokio::time::sleep_until(self.last + REPEAT_AFTER), if has_told => return,
                else => std::future::pending().await, // nobody serves any more
            }
        }
        tokio::time::sleep_until(self.last + TELL_EVERY).await;
    }

    fn take(&mut self, change: Change) {
        self.fresh.insert(change.connection, change.open);
        self.waiting.extend(change.told);
    }

    /// The batch: what is new, and once more what was new in the last one.
    pub(crate) fn batch(&mut self) -> Batch {
        for _ in 0..CHANGES_WAITING_MAX {
            match self.changes.try_recv() {
                Ok(change) => self.take(change),
                Err(_) => break,
            }
        }
        self.last = Instant::now();
        let mut connections = std::mem::replace(&mut self.once, self.fresh.clone());
        connections.append(&mut self.fresh); // the newer word about a connection counts
        Batch {
            connections,
            _waiting: std::mem::take(&mut self.waiting),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SERVICE: Ipv4Addr = Ipv4Addr::new(10, 97, 0, 1);

    fn at(address: &str) -> SocketAddr {
        address.parse().unwrap()
    }

    /// A connection that is noted, without waiting.
    fn open(notes: &ClientNotes, client: &str) -> OpenConnection {
        notes.note(at("10.97.0.1:80"), at(client)).unwrap().0
    }

    /// Whoever is answered is known to the others: while a batch is being told, nobody goes on.
    #[tokio::test]
    async fn a_connection_goes_on_when_it_was_told() {
        let (notes, mut telling) = Telling::new(SERVICE, Arc::default());
        let (_first, mut told) = notes.note(at("10.97.0.1:80"), at("10.97.2.1:1")).unwrap();
        telling.due().await;
        let batch = telling.batch();
        assert_eq!(told.try_recv(), Err(oneshot::error::TryRecvError::Empty));
        drop(batch);
        assert_eq!(told.try_recv(), Err(oneshot::error::TryRecvError::Closed));
        // and where nobody tells, it is not held up for ever
        assert!(
            notes
                .opened(at("10.97.0.1:80"), at("10.97.2.1:2"))
                .await
                .is_some()
        );
    }

    #[tokio::test]
    async fn each_state_is_told_twice_and_the_newer_one_counts() {
        let (notes, mut telling) = Telling::new(SERVICE, Arc::default());
        let first = open(&notes, "10.97.2.1:1");
        telling.due().await;
        let connection = first.connection;
        assert_eq!(telling.batch().connections, BTreeMap::from([(connection, true)]));
        drop(first);
        telling.due().await;
        assert_eq!(telling.batch().connections, BTreeMap::from([(connection, false)]));
        telling.due().await;
        assert_eq!(telling.batch().connections, BTreeMap::from([(connection, false)]));
        let nothing = tokio::time::timeout(REPEAT_AFTER * 3, telling.due()).await;
        assert!(nothing.is_err(), "an idle port costs nothing");
    }

    #[tokio::test]
    async fn what_is_told_again_rides_with_what_is_new() {
        let (notes, mut telling) = Telling::new(SERVICE, Arc::default());
        let first = open(&notes, "10.97.2.1:1");
        telling.due().await;
        telling.batch();
        let second = open(&notes, "10.97.2.1:2");
        telling.due().await;
        let both = BTreeMap::from([(first.connection, true), (second.connection, true)]);
        assert_eq!(telling.batch().connections, both);
        telling.due().await;
        assert_eq!(
            telling.batch().connections,
            BTreeMap::from([(second.connection, true)])
        );
    }

    /// A connection to the member's own address stays with the member.
    #[tokio::test]
    async fn only_the_service_address_can_be_inherited() {
        let (notes, _telling) = Telling::new(SERVICE, Arc::default());
        assert!(
            notes
                .opened(at("10.97.1.1:80"), at("10.97.2.1:1"))
                .await
                .is_none()
        );
    }

    /// Whoever accepts connections must never wait for the one that tells of them.
    #[tokio::test]
    async fn what_finds_no_place_is_counted() {
        let (notes, mut telling) = Telling::new(SERVICE, Arc::default());
        let ports = 0..u16::try_from(CHANGES_WAITING_MAX + 1).unwrap();
        let open: Vec<_> = ports
            .map(|port| notes.note(at("10.97.0.1:80"), (Ipv4Addr::LOCALHOST, port).into()))
            .collect();
        assert_eq!(notes.counters.clients_untold.load(Ordering::Relaxed), 1);
        telling.due().await;
        assert!(telling.batch().connections.len() >= CHANGES_WAITING_MAX);
        drop(open);
    }
}
