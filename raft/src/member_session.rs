//! The session a member gives to requests that bring none, so that its own retries never apply twice.

use std::collections::BTreeSet;
use std::sync::Mutex;

use model::Rejection;
use proto::raft::v1::{self as pb, ClientSession};

use crate::sources::Sources;

/// Idle longer than this, a member takes a new id: the cluster forgets a client after an hour.
const IDLE_MS_MAX: u64 = 10 * 60 * 1000;

/// Sequence numbers between the oldest request in flight and the newest; the state keeps 1,024 outcomes of a client.
const SPAN_MAX: u64 = 512;

/// Whether the state refused a request because its session holds too many outcomes; nothing was applied then.
pub(crate) fn is_full(outcome: &pb::Outcome) -> bool {
    let Some(Rejection::Invalid { field, .. }) = state::rejection(outcome) else {
        return false;
    };
    field == "session.ack_below"
}

/// Whether the state refused a request because its session was opened more than an hour ahead of cluster time: this host's
/// clock is fast and no leader had said yet what time it is. Nothing was applied, and nothing of it ever is.
pub(crate) fn is_ahead(outcome: &pb::Outcome) -> bool {
    let Some(Rejection::Invalid { field, .. }) = state::rejection(outcome) else {
        return false;
    };
    field == "session.opened_at_ms"
}

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
        let idle = now_ms.saturating_sub(inner.last_used_ms) > IDLE_MS_MAX && inner.in_flight.is_empty();
        let oldest = inner.in_flight.first().copied().unwrap_or(inner.next_seq);
        let ahead = inner.opened_at_ms > now_ms; // opened by this host's clock, before a leader was heard
        if idle || ahead || inner.next_seq - oldest >= SPAN_MAX {
            inner.restart(self.sources.random_16(), now_ms);
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

    /// Takes a new id because the state refused the session of `ticket`, unless another request has done so already.
    pub(crate) fn renew(&self, ticket: &Ticket<'_>, now_ms: u64) {
        let mut inner = self.lock();
        if inner.client_id == ticket.session.client_id {
            inner.restart(self.sources.random_16(), now_ms);
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.inner
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Inner {
    /// Requests in flight under the old id go on there.
    fn restart(&mut self, client_id: Vec<u8>, now_ms: u64) {
        self.client_id = client_id;
        self.opened_at_ms = now_ms;
        self.next_seq = 1;
        self.in_flight.clear();
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

    /// Before a leader was heard, a session is opened by this host's clock; if that is fast, every request of the session
    /// would be refused until the hour has come.
    #[test]
    fn a_session_from_the_future_is_left() {
        let session = MemberSession::new(Sources::deterministic(1));
        let ahead = session.begin(NOW + 2 * 3_600_000).session.clone();
        let heard = session.begin(NOW).session.clone();
        assert_ne!(ahead.client_id, heard.client_id);
        assert_eq!((heard.seq, heard.opened_at_ms), (1, NOW));
        assert_eq!(session.begin(NOW + 1).session.client_id, heard.client_id);
    }

    /// The refusal comes before the leader is heard: what counts then is the time that it was refused at.
    #[test]
    fn a_session_that_was_refused_as_ahead_is_opened_at_the_time_given() {
        let session = MemberSession::new(Sources::deterministic(1));
        let fast = NOW + 2 * 3_600_000;
        let refused = session.begin(fast);
        session.renew(&refused, NOW);
        drop(refused);
        assert_eq!(session.begin(fast).session.opened_at_ms, NOW);
    }

    /// While a request is in flight its id must stay, however long it takes.
    #[test]
    fn an_id_with_requests_in_flight_is_kept() {
        let session = MemberSession::new(Sources::deterministic(1));
        let slow = session.begin(NOW);
        let later = session.begin(NOW + 10 * IDLE_MS_MAX);
        assert_eq!(slow.session.client_id, later.session.client_id);
    }

    /// One request that hangs must not fill the session for all the others.
    #[test]
    fn a_request_that_hangs_does_not_hold_the_session_back() {
        let session = MemberSession::new(Sources::deterministic(1));
        let stuck = session.begin(NOW);
        for _ in 1..SPAN_MAX {
            assert_eq!(session.begin(NOW).session.client_id, stuck.session.client_id);
        }
        let next = session.begin(NOW);
        assert_ne!(next.session.client_id, stuck.session.client_id);
        assert_eq!((next.session.seq, next.session.ack_below), (1, 1));
        drop(stuck); // an old id's end leaves the new one alone
        assert_eq!(session.begin(NOW).session.ack_below, 1);
    }

    #[test]
    fn a_full_session_is_renewed_once() {
        let session = MemberSession::new(Sources::deterministic(1));
        let (first, second) = (session.begin(NOW), session.begin(NOW));
        session.renew(&first, NOW);
        let renewed = session.begin(NOW).session.client_id.clone();
        session.renew(&second, NOW);
        assert_eq!(session.begin(NOW).session.client_id, renewed);
    }
}
