//! The session a member gives to requests that bring none, so that its own retries never apply twice.

use std::collections::BTreeSet;
use std::sync::Mutex;

use proto::raft::v1::ClientSession;

use crate::sources::Sources;

/// Idle longer than this, a member takes a new id: the cluster forgets a client after an hour.
const IDLE_MS_MAX: u64 = 10 * 60 * 1000;

/// Hands out `(client_id, seq)` and knows which are still in flight.
#[derive(Debug)]
pub(crate) struct MemberSession {
    sources: Sources,
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    client_id: Vec<u8>,
    opened_at_ms: u64,
    last_used_ms: u64,
    next_seq: u64,
    in_flight: BTreeSet<u64>,
}

impl MemberSession {
    pub(crate) fn new(sources: Sources) -> MemberSession {
        let inner = Inner {
            client_id: sources.random_16(),
            opened_at_ms: 0,
            last_used_ms: 0,
            next_seq: 1,
            in_flight: BTreeSet::new(),
        };
        MemberSession {
            sources,
            inner: Mutex::new(inner),
        }
    }

    /// A session for one request. `now_ms` is cluster time. The request is over when the ticket drops.
    pub(crate) fn begin(&self, now_ms: u64) -> Ticket<'_> {
        let mut inner = self.lock();
        let idle = now_ms.saturating_sub(inner.last_used_ms) > IDLE_MS_MAX;
        if inner.in_flight.is_empty() && idle {
            inner.client_id = self.sources.random_16();
            inner.opened_at_ms = now_ms;
            inner.next_seq = 1;
        }
        inner.last_used_ms = now_ms;
        let seq = inner.next_seq;
        inner.next_seq += 1;
        inner.in_flight.insert(seq);
        let session = ClientSession {
            client_id: inner.client_id.clone(),
            seq,
            ack_below: inner.in_flight.first().copied().unwrap_or(seq),
            opened_at_ms: inner.opened_at_ms,
        };
        Ticket { owner: self, session }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.inner
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// One request's place in the session.
#[derive(Debug)]
pub(crate) struct Ticket<'a> {
    owner: &'a MemberSession,
    pub(crate) session: ClientSession,
}

impl Drop for Ticket<'_> {
    fn drop(&mut self) {
        let mut inner = self.owner.lock();
        if inner.client_id == self.session.client_id {
            inner.in_flight.remove(&self.session.seq);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_700_000_000_000;

    /// An outcome may only be dropped when no request that could still be retried needs it.
    #[test]
    fn ack_below_is_the_oldest_request_in_flight() {
        let session = MemberSession::new(Sources::deterministic(1));
        let first = session.begin(NOW);
        let second = session.begin(NOW);
        assert_eq!((first.session.seq, second.session.seq), (1, 2));
        assert_eq!(second.session.ack_below, 1);
        drop(first);
        assert_eq!(session.begin(NOW).session.ack_below, 2);
        drop(second);
        let next = session.begin(NOW);
        assert_eq!(next.session.ack_below, next.session.seq);
    }

    /// The cluster forgets idle clients; a member that slept must not be refused for that.
    #[test]
    fn an_idle_member_takes_a_new_id() {
        let session = MemberSession::new(Sources::deterministic(1));
        let before = session.begin(NOW).session.clone();
        let after = session.begin(NOW + IDLE_MS_MAX + 1).session.clone();
        assert_ne!(before.client_id, after.client_id);
        assert_eq!((after.seq, after.opened_at_ms), (1, NOW + IDLE_MS_MAX + 1));
    }

    /// While a request is in flight its id must stay, however long it takes.
    #[test]
    fn an_id_with_requests_in_flight_is_kept() {
        let session = MemberSession::new(Sources::deterministic(1));
        let slow = session.begin(NOW);
        let later = session.begin(NOW + 10 * IDLE_MS_MAX);
        assert_eq!(slow.session.client_id, later.session.client_id);
    }
}
