//! Exactly once: what became of each client's requests.

use std::sync::Arc;

use imbl::{OrdMap, OrdSet};
use model::Rejection;
use prost::Message;
use proto::raft::v1::{ClientSession, Header, Outcome, SessionRow, StoredOutcome};

use crate::bounds::{
    CLIENTS_MAX, IDEMPOTENCY_KEY_LAPSE_MS, IDEMPOTENCY_KEYS_MAX, NEW_SESSION_AGE_MS,
    OUTCOME_BYTES_PER_CLIENT_MAX, OUTCOMES_PER_CLIENT_MAX, REQUEST_DIGEST_BYTES, SESSION_LAPSE_MS,
};
use crate::changes::Changes;
use crate::cluster::FEATURE_LEVEL_REQUESTS;
use crate::snapshot::SnapshotError;
use crate::{RowKey, RowKind};

type ClientId = [u8; 16];

/// All clients with a live session. An outcome leaves only when its client has acknowledged it (`ack_below`) or with
/// the whole session; a request whose outcome may have left is refused, never run again.
#[derive(Clone, Default)]
pub(crate) struct Sessions {
    clients: OrdMap<ClientId, Session>,
    /// By the log time at which they lapse.
    by_lapse: OrdSet<(u64, ClientId)>,
    /// How many of them are those of idempotency keys.
    keys: usize,
}

#[derive(Clone, Default)]
struct Session {
    last_used_ms: u64,
    ack_below: u64,
    outcomes: OrdMap<u64, Arc<StoredOutcome>>,
    outcome_bytes: usize,
    keyed: bool,
}

/// Whether a request is to be run.
pub(crate) enum Admission {
    /// It was run before; this was the outcome.
    Repeat(Outcome),
    /// It is new; its outcome is stored under the ticket.
    New(Ticket),
}

/// A request that was admitted.
pub(crate) struct Ticket {
    client_id: ClientId,
    seq: u64,
    ack_below: u64,
    opened_at_ms: u64,
    request_digest: Vec<u8>,
    keyed: bool,
}

impl Sessions {
    /// Decides about the request with this header at log time `time_ms` and feature level `level`. Changes nothing.
    ///
    /// # Errors
    /// `SessionExpired` if the request may have been run before, `RequestDiffers` if another one was run in its place,
    /// `Invalid` if it names no request or its client keeps too many outcomes.
    pub(crate) fn admit(&self, header: &Header, time_ms: u64, level: u32) -> Result<Admission, Rejection> {
        let ticket = Ticket::read(header, time_ms)?;
        let Some(known) = self.clients.get(&ticket.client_id) else {
            return self.admit_client(ticket, time_ms, level);
        };
        if let Some(stored) = known.outcomes.get(&ticket.seq) {
            return ticket.repeat(stored);
        }
        if ticket.seq < known.ack_below {
            return Err(Rejection::SessionExpired);
        }
        known.check_window(&ticket)?;
        Ok(Admission::New(ticket))
    }

    /// An unknown client is new only as long as a session that it had could not have lapsed.
    fn admit_client(&self, ticket: Ticket, time_ms: u64, level: u32) -> Result<Admission, Rejection> {
        let new_for_ms = match ticket.keyed {
            true => IDEMPOTENCY_KEY_LAPSE_MS,
            false if level < FEATURE_LEVEL_REQUESTS => SESSION_LAPSE_MS,
            false => NEW_SESSION_AGE_MS,
        };
        if ticket.opened_at_ms.saturating_add(new_for_ms) <= time_ms {
            return Err(Rejection::SessionExpired);
        }
        if ticket.keyed && self.keys >= IDEMPOTENCY_KEYS_MAX {
            let detail = format!(
                "{IDEMPOTENCY_KEYS_MAX} requests of the last 24 hours had an idempotency key, more are not kept; \
                 send this one without"
            );
            return Err(Rejection::Conflict { detail });
        }
        if !ticket.keyed && self.clients.len() - self.keys >= CLIENTS_MAX {
            let problem =
                format!("{CLIENTS_MAX} clients have sessions; one lapses an hour after its last request");
            return Err(Rejection::invalid("session.client_id", problem));
        }
        Ok(Admission::New(ticket))
    }

    /// Stores the outcome of an admitted request and drops those that its client has acknowledged.
    pub(crate) fn settle(&mut self, ticket: &Ticket, outcome: &Outcome, time_ms: u64, changes: &mut Changes) {
        let client_id = ticket.client_id;
        let mut session = self.take(&client_id, changes);
        session.last_used_ms = session.last_used_ms.max(time_ms).max(ticket.opened_at_ms);
        session.ack_below = session.ack_below.max(ticket.ack_below);
        session.keyed |= ticket.keyed;
        while let Some((seq, dropped)) = session
            .outcomes
            .get_min()
            .filter(|(seq, _)| *seq < session.ack_below)
            .cloned()
        {
            session.remove_outcome(&client_id, seq, &dropped, changes);
        }
        let stored = StoredOutcome {
            seq: ticket.seq,
            outcome: Some(outcome.clone()),
            request_digest: ticket.request_digest.clone(),
        };
        session.add_outcome(&client_id, stored, changes);
        self.store(client_id, session, changes);
    }

    /// Drops the sessions that have lapsed at `time_ms`.
    pub(crate) fn expire(&mut self, time_ms: u64, changes: &mut Changes) {
        while let Some((_, client_id)) = self
            .by_lapse
            .get_min()
            .filter(|(lapse, _)| *lapse <= time_ms)
            .copied()
        {
            let session = self.take(&client_id, changes);
            for stored in session.outcomes.values() {
                hash(&client_id, Some(stored), None, changes);
            }
        }
    }

    /// Takes a client's session out, or a new one; its outcomes stay in the digest.
    fn take(&mut self, client_id: &ClientId, changes: &mut Changes) -> Session {
        let Some(session) = self.clients.remove(client_id) else {
            return Session::default();
        };
        self.by_lapse.remove(&(session.lapse(), *client_id));
        self.keys -= usize::from(session.keyed);
        changes.record(RowKey::session(client_id), Some(&session.head(client_id)), None);
        session
    }

    fn store(&mut self, client_id: ClientId, session: Session, changes: &mut Changes) {
        changes.record(RowKey::session(&client_id), None, Some(&session.head(&client_id)));
        self.by_lapse.insert((session.lapse(), client_id));
        self.keys += usize::from(session.keyed);
        self.clients.insert(client_id, session);
    }

    pub(crate) fn rows(&self) -> impl Iterator<Item = SessionRow> + '_ {
        self.clients
            .iter()
            .map(|(client_id, session)| session.row(client_id))
    }

    pub(crate) fn row(&self, client_id: &[u8]) -> Option<SessionRow> {
        let client_id: ClientId = client_id.try_into().ok()?;
        self.clients
            .get(&client_id)
            .map(|session| session.row(&client_id))
    }

    pub(crate) fn load(&mut self, row: SessionRow, changes: &mut Changes) -> Result<(), SnapshotError> {
        let malformed = |problem: &str| SnapshotError::Malformed {
            kind: RowKind::Session,
            problem: problem.into(),
        };
        let client_id: ClientId = row
            .client_id
            .as_slice()
            .try_into()
            .map_err(|_| malformed("a client id has 16 bytes"))?;
        if self.clients.contains_key(&client_id) {
            return Err(SnapshotError::Duplicate {
                key: RowKey::session(&client_id),
            });
        }
        let mut session = Session {
            last_used_ms: row.last_used_ms,
            ack_below: row.ack_below,
            keyed: row.keyed,
            ..Default::default()
        };
        for stored in row.outcomes {
            if stored.outcome.is_none() {
                return Err(malformed("an outcome is missing"));
            }
            if session.outcomes.contains_key(&stored.seq) {
                return Err(malformed("two outcomes have the same seq"));
            }
            session.add_outcome(&client_id, stored, changes);
        }
        self.store(client_id, session, changes);
        Ok(())
    }
}

impl Session {
    /// Room for one more outcome, once those that the request acknowledges are gone.
    fn check_window(&self, ticket: &Ticket) -> Result<(), Rejection> {
        let settled = self.outcomes.range(..ticket.ack_below.max(self.ack_below));
        let (count, bytes) = settled.fold((0, 0), |(n, bytes), (_, stored)| {
            (n + 1, bytes + outcome_bytes(stored))
        });
        if self.outcomes.len() - count >= OUTCOMES_PER_CLIENT_MAX
            || self.outcome_bytes - bytes >= OUTCOME_BYTES_PER_CLIENT_MAX
        {
            let problem = format!(
                "{} outcomes ({} bytes) are not acknowledged, at most {OUTCOMES_PER_CLIENT_MAX} \
                 ({OUTCOME_BYTES_PER_CLIENT_MAX} bytes) are kept; raise ack_below and repeat",
                self.outcomes.len() - count,
                self.outcome_bytes - bytes,
            );
            return Err(Rejection::invalid("session.ack_below", problem));
        }
        Ok(())
    }

    fn add_outcome(&mut self, client_id: &ClientId, stored: StoredOutcome, changes: &mut Changes) {
        hash(client_id, None, Some(&stored), changes);
        self.outcome_bytes += outcome_bytes(&stored);
        self.outcomes.insert(stored.seq, Arc::new(stored));
    }

    fn remove_outcome(
        &mut self,
        client_id: &ClientId,
        seq: u64,
        stored: &StoredOutcome,
        changes: &mut Changes,
    ) {
        hash(client_id, Some(stored), None, changes);
        self.outcome_bytes -= outcome_bytes(stored);
        self.outcomes.remove(&seq);
    }

    /// The log time from which on it is forgotten.
    fn lapse(&self) -> u64 {
        lapse(self.last_used_ms, self.keyed)
    }

    /// The row without its outcomes, which are hashed one by one: a request must not cost the whole window.
    fn head(&self, client_id: &ClientId) -> SessionRow {
        SessionRow {
            client_id: client_id.to_vec(),
            last_used_ms: self.last_used_ms,
            outcomes: Vec::new(),
            ack_below: self.ack_below,
            keyed: self.keyed,
        }
    }

    fn row(&self, client_id: &ClientId) -> SessionRow {
        SessionRow {
            outcomes: self
                .outcomes
                .values()
                .map(|stored| stored.as_ref().clone())
                .collect(),
            ..self.head(client_id)
        }
    }
}

impl Ticket {
    fn read(header: &Header, time_ms: u64) -> Result<Ticket, Rejection> {
        let session = header.session.as_ref().ok_or_else(|| {
            Rejection::invalid(
                "header.session",
                "it is missing; the proposer must name every request",
            )
        })?;
        let client_id = session.client_id.as_slice().try_into().map_err(|_| {
            let problem = format!(
                "it has {} bytes, 16 random ones are needed",
                session.client_id.len()
            );
            Rejection::invalid("session.client_id", problem)
        })?;
        if session.seq == 0 || session.ack_below > session.seq {
            let problem = "requests are numbered from 1, and only smaller ones may be acknowledged";
            return Err(Rejection::invalid("session.seq", problem));
        }
        if session.opened_at_ms > time_ms.saturating_add(SESSION_LAPSE_MS) {
            let problem =
                "it is more than an hour ahead of the cluster's time; use the time that a member told";
            return Err(Rejection::invalid("session.opened_at_ms", problem));
        }
        let digest_bytes = header.request_digest.len();
        if digest_bytes != 0 && digest_bytes != REQUEST_DIGEST_BYTES {
            let problem = format!("it has {digest_bytes} bytes instead of {REQUEST_DIGEST_BYTES} or none");
            return Err(Rejection::invalid("header.request_digest", problem));
        }
        let ClientSession {
            seq,
            ack_below,
            opened_at_ms,
            ..
        } = *session;
        Ok(Ticket {
            client_id,
            seq,
            ack_below,
            opened_at_ms,
            request_digest: header.request_digest.clone(),
            keyed: header.keyed,
        })
    }

    /// The answer to a request whose number has an outcome. Who does not know the digest of his request is believed.
    fn repeat(&self, stored: &StoredOutcome) -> Result<Admission, Rejection> {
        let (one, other) = (&self.request_digest, &stored.request_digest);
        if !one.is_empty() && !other.is_empty() && one != other {
            return Err(Rejection::RequestDiffers);
        }
        Ok(Admission::Repeat(stored.outcome.clone().unwrap_or_default()))
    }
}

fn lapse(since_ms: u64, keyed: bool) -> u64 {
    let after_ms = if keyed {
        IDEMPOTENCY_KEY_LAPSE_MS
    } else {
        SESSION_LAPSE_MS
    };
    since_ms.saturating_add(after_ms)
}

/// Hashes an outcome before and after. One without a digest of its request counts as it did before there were any.
fn hash(
    client_id: &ClientId,
    before: Option<&StoredOutcome>,
    after: Option<&StoredOutcome>,
    changes: &mut Changes,
) {
    let Some(seq) = before.or(after).map(|stored| stored.seq) else {
        return;
    };
    let key = RowKey::session_outcome(client_id, seq);
    let with_digest = |stored: &&StoredOutcome| !stored.request_digest.is_empty();
    changes.hash(&key, before.filter(with_digest), after.filter(with_digest));
    let alone = |stored: Option<&StoredOutcome>| {
        stored
            .filter(|stored| !with_digest(stored))
            .and_then(|stored| stored.outcome.clone())
    };
    changes.hash(&key, alone(before).as_ref(), alone(after).as_ref());
}

fn outcome_bytes(stored: &StoredOutcome) -> usize {
    stored.outcome.as_ref().map_or(0, Message::encoded_len)
}
