//! How a repeat of a request is recognised: by the session and number that its client gives it, or by its
//! idempotency key. The guard reads both once; `raft::Store` makes the log's session of them.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_lc_rs::digest::{Context, SHA256};
use http::HeaderMap;
use proto::auth::v1::Grant;
use proto::http::v1::ObjectMeta;
use proto::raft::v1::ClientSession;

use crate::{Caller, Error, HeldKeys, RESERVATION_KEY, Trial, invalid};

/// Metadata: the client's session, 32 hex digits of its own choice (16 random bytes).
pub const CLIENT_ID: &str = "chamois-client-id";
/// Metadata: the number of the request in its session, from 1 on. A repeat has the number of the first.
pub const SEQ: &str = "chamois-seq";
/// Metadata: requests with a smaller number will not be repeated; their outcomes may be forgotten.
pub const ACK_BELOW: &str = "chamois-ack-below";
/// Metadata: how long ago the client opened its session, milliseconds by its own clock. A session that is half an hour old
/// and unknown has lapsed: its requests are refused, because they may have been made.
pub const SESSION_AGE_MS: &str = "chamois-session-age-ms";
/// Metadata and HTTP header: a name for this one request, 1 to 255 visible characters; a repeat within 24 hours gets the
/// outcome of the first, another request under the same name is refused.
pub const IDEMPOTENCY_KEY: &str = "idempotency-key";

/// Bytes of an idempotency key.
const KEY_BYTES_MAX: usize = 255;
/// Hex digits of a client's id.
const CLIENT_ID_DIGITS: usize = 32;
/// Bytes of ids and digests in the log.
const ID_BYTES: usize = 16;

/// Who asks for a change, and how a repeat of the request is recognised.
#[derive(Clone, Debug)]
pub struct Author {
    principal: String,
    request: Option<Arc<RequestId>>,
    trial: Option<Trial>,
    held_keys: Option<HeldKeys>,
    grant: Option<Arc<Grant>>,
}

/// The author of a gRPC request; call it before the message is taken out.
pub fn author<T>(request: &tonic::Request<T>) -> Author {
    Author {
        principal: crate::caller(request).identity.principal(),
        request: request.extensions().get::<Arc<RequestId>>().cloned(),
        trial: request.extensions().get::<Trial>().cloned(),
        held_keys: request.extensions().get::<HeldKeys>().cloned(),
        grant: request.extensions().get::<Arc<Grant>>().cloned(),
    }
}

impl Author {
    /// Who once asked for work that goes on after the request: its changes are theirs, and judged by what gave them the right
    /// then. A job's repeats are told apart by its claim, so there is no session.
    #[must_use]
    pub fn of(principal: &str, grant: Option<Grant>) -> Author {
        Author {
            principal: principal.to_owned(),
            request: None,
            trial: None,
            held_keys: None,
            grant: grant.map(Arc::new),
        }
    }

    /// The same, whose changes are only tried out, and what they would have changed.
    #[must_use]
    pub fn trying_out(&self) -> (Author, Trial) {
        let trial = Trial::default();
        let author = Author {
            request: None,
            trial: Some(trial.clone()),
            ..self.clone()
        };
        (author, trial)
    }

    /// As logs, audit and `Change.principal` name it.
    pub fn principal(&self) -> &str {
        &self.principal
    }

    /// Where changes are recorded that are only to be tried out; `None` if they are meant.
    pub fn trial(&self) -> Option<&Trial> {
        self.trial.as_ref()
    }

    /// The keys of reservations that the request came with; `None` where locks are not enforced.
    pub fn held_keys(&self) -> Option<&HeldKeys> {
        self.held_keys.as_ref()
    }

    /// What gives the author the right, so that `apply` can judge it; `None` for who needs no policy.
    pub fn grant(&self) -> Option<&Grant> {
        self.grant.as_deref()
    }

    /// What the request asks for, without its password: another message under the same number or key is refused. For
    /// methods that take a password; of the others the guard has seen every byte.
    pub fn asks(&self, without_password: &impl prost::Message) {
        if let Some(request) = &self.request {
            request.see(&without_password.encode_to_vec());
        }
    }

    /// The meta of an object in the answer to this request. What is only tried out is at no revision: the one that it would
    /// get will be that of a real change.
    pub fn told_meta(&self, meta: Option<ObjectMeta>) -> Option<ObjectMeta> {
        match self.trial {
            None => meta,
            Some(_) => meta.map(|meta| ObjectMeta {
                modified: None,
                ..meta
            }),
        }
    }

    /// The session of the next change that this request makes; `None` if its repeats are not recognised. The changes of
    /// one request have sessions of their own, the same with each repeat. `now_ms` is cluster time.
    pub fn session(&self, now_ms: u64) -> Option<RequestSession> {
        let request = self.request.as_ref()?;
        let nth = request.changes.fetch_add(1, Ordering::Relaxed);
        let client_id = match nth {
            0 => request.client_id.to_vec(),
            _ => sha256(&[&request.client_id, &nth.to_be_bytes()]).to_vec(),
        };
        Some(RequestSession {
            session: ClientSession {
                client_id,
                seq: request.seq,
                ack_below: request.ack_below,
                opened_at_ms: now_ms.saturating_sub(millis(request.age)),
            },
            digest: request.body.finish().to_vec(),
            keyed: request.keyed,
        })
    }
}

/// A change's place in the log's sessions.
#[derive(Clone, Debug, PartialEq)]
pub struct RequestSession {
    /// Whose change it is, and its number.
    pub session: ClientSession,
    /// 16 bytes of the SHA-256 of method, reservation keys and message (without a password): another request under the same number is refused.
    pub digest: Vec<u8>,
    /// The session is that of an idempotency key: of one request, kept for a day.
    pub keyed: bool,
}

/// What a request says about itself.
#[derive(Debug)]
pub(crate) struct RequestId {
    client_id: [u8; ID_BYTES],
    seq: u64,
    ack_below: u64,
    age: Duration,
    keyed: bool,
    body: BodyDigest,
    changes: AtomicU32,
}

impl RequestId {
    /// What the metadata of a call of `path` by `caller` says; `None` if they say nothing.
    ///
    /// # Errors
    /// `Invalid` naming what cannot be meant.
    pub(crate) fn read(path: &str, caller: &Caller, headers: &HeaderMap) -> Result<Option<RequestId>, Error> {
        let client = text(headers, CLIENT_ID)?;
        let key = text(headers, IDEMPOTENCY_KEY)?;
        let principal = caller.identity.principal();
        let mut id = match (client, key) {
            (None, None) => return Ok(None),
            (Some(_), Some(_)) => {
                let problem = format!("it cannot be given together with {CLIENT_ID}");
                return Err(invalid(IDEMPOTENCY_KEY, problem));
            }
            (Some(client), None) => RequestId::of_session(client, headers)?,
            (None, Some(key)) => RequestId::of_key(key)?,
        };
        // Nobody gets at another's outcomes, whatever he sends.
        let kind: &[u8] = if id.keyed { b"key" } else { b"session" };
        id.client_id = sha256(&[
            kind,
            b"\0",
            principal.as_bytes(),
            b"\0",
            client.or(key).unwrap_or_default().as_bytes(),
        ]);
        id.body.update(path.as_bytes());
        id.body.update(b"\0");
        // What was refused for want of a key is another request with it.
        for key in headers.get_all(RESERVATION_KEY) {
            id.body.update(key.as_bytes());
            id.body.update(b"\0");
        }
        Ok(Some(id))
    }

    fn of_session(client: &str, headers: &HeaderMap) -> Result<RequestId, Error> {
        if client.len() != CLIENT_ID_DIGITS || !client.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return Err(invalid(
                CLIENT_ID,
                format!("{CLIENT_ID_DIGITS} hex digits are needed"),
            ));
        }
        let seq = number(headers, SEQ)?;
        let ack_below = number(headers, ACK_BELOW)?;
        if seq == 0 || ack_below > seq {
            let problem = format!("requests are numbered from 1, and {ACK_BELOW} is not above {SEQ}");
            return Err(invalid(SEQ, problem));
        }
        Ok(RequestId {
            seq,
            ack_below,
            age: Duration::from_millis(number(headers, SESSION_AGE_MS)?),
            ..RequestId::empty()
        })
    }

    fn of_key(key: &str) -> Result<RequestId, Error> {
        let is_visible = key.bytes().all(|byte| byte.is_ascii_graphic());
        if key.is_empty() || key.len() > KEY_BYTES_MAX || !is_visible {
            let problem = format!("1 to {KEY_BYTES_MAX} visible ASCII characters are needed");
            return Err(invalid(IDEMPOTENCY_KEY, problem));
        }
        Ok(RequestId {
            keyed: true,
            ..RequestId::empty()
        })
    }

    fn empty() -> RequestId {
        RequestId {
            client_id: [0; ID_BYTES],
            seq: 1,
            ack_below: 1,
            age: Duration::ZERO,
            keyed: false,
            body: BodyDigest::default(),
            changes: AtomicU32::new(0),
        }
    }

    /// Adds bytes of the request's body as they come in.
    pub(crate) fn see(&self, bytes: &[u8]) {
        self.body.update(bytes);
    }
}

/// The digest of a request: the same for a repeat.
struct BodyDigest(Mutex<Context>);

impl Default for BodyDigest {
    fn default() -> BodyDigest {
        BodyDigest(Mutex::new(Context::new(&SHA256)))
    }
}

impl std::fmt::Debug for BodyDigest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("BodyDigest")
    }
}

impl BodyDigest {
    fn update(&self, bytes: &[u8]) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .update(bytes);
    }

    fn finish(&self) -> [u8; ID_BYTES] {
        let context = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        first_bytes(context.finish().as_ref())
    }
}

fn sha256(parts: &[&[u8]]) -> [u8; ID_BYTES] {
    let mut context = Context::new(&SHA256);
    parts.iter().for_each(|part| context.update(part));
    first_bytes(context.finish().as_ref())
}

fn first_bytes(digest: &[u8]) -> [u8; ID_BYTES] {
    let mut first = [0; ID_BYTES];
    first.copy_from_slice(&digest[..ID_BYTES]);
    first
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Result<Option<&'a str>, Error> {
    let Some(value) = headers.get(name) else {
        return Ok(None);
    };
    let text = value
        .to_str()
        .map_err(|_| invalid(name, "it is not ASCII text"))?;
    Ok(Some(text))
}

fn number(headers: &HeaderMap, name: &str) -> Result<u64, Error> {
    let text =
        text(headers, name)?.ok_or_else(|| invalid(name, format!("it is missing beside {CLIENT_ID}")))?;
    text.parse()
        .map_err(|_| invalid(name, "a whole number is needed"))
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;
    use crate::Identity;

    const NOW_MS: u64 = 1_800_000_000_000;
    const ID: &str = "00112233445566778899aabbccddeeff";

    fn headers(given: &[(&'static str, &str)]) -> HeaderMap {
        let pair = |(name, value): &(&'static str, &str)| {
            (
                http::HeaderName::from_static(name),
                HeaderValue::from_str(value).unwrap(),
            )
        };
        given.iter().map(pair).collect()
    }

    fn caller(name: &str) -> Caller {
        Caller {
            identity: Identity::User {
                name: name.to_owned(),
            },
            ..Caller::anonymous()
        }
    }

    fn author(path: &str, name: &str, given: &[(&'static str, &str)], body: &[u8]) -> Author {
        let request = RequestId::read(path, &caller(name), &headers(given))
            .unwrap()
            .unwrap();
        request.see(body);
        Author {
            principal: name.to_owned(),
            request: Some(Arc::new(request)),
            trial: None,
            held_keys: None,
            grant: None,
        }
    }

    /// `apply` judges by what the guard has found, and by nothing that a request can say.
    #[test]
    fn the_grant_is_the_guards() {
        let mut request = tonic::Request::new(());
        assert_eq!(super::author(&request).grant(), None);
        let grant = Grant {
            permission: "smd.write".to_owned(),
            policies: vec!["ops".to_owned()],
            ..Grant::default()
        };
        request.extensions_mut().insert(Arc::new(grant.clone()));
        assert_eq!(super::author(&request).grant(), Some(&grant));
    }

    /// A job's changes are those of whoever asked for it, long after the request is gone.
    #[test]
    fn an_author_of_old_has_principal_and_grant_and_no_session() {
        let grant = Grant {
            permission: "discovery.write".to_owned(),
            ..Grant::default()
        };
        let author = Author::of("user/ada", Some(grant.clone()));
        assert_eq!((author.principal(), author.grant()), ("user/ada", Some(&grant)));
        assert!(author.session(NOW_MS).is_none());
        assert!(author.trial().is_none() && author.held_keys().is_none());
        assert!(Author::of("member/1", None).grant().is_none());
    }

    /// What is planned is judged by the same rights as what is done.
    #[test]
    fn trying_out_keeps_who_it_is() {
        let meant = author("/a", "ada", &in_session("3"), b"x");
        let (tried, trial) = meant.trying_out();
        assert_eq!(tried.principal(), "ada");
        assert!(tried.trial().is_some() && tried.session(NOW_MS).is_none());
        assert!(meant.trial().is_none());
        assert!(trial.would_change().changes.is_empty());
    }

    fn in_session(seq: &str) -> Vec<(&'static str, &str)> {
        vec![
            (CLIENT_ID, ID),
            (SEQ, seq),
            (ACK_BELOW, "2"),
            (SESSION_AGE_MS, "5000"),
        ]
    }

    #[test]
    fn a_session_is_that_of_the_metadata() {
        let session = author("/a", "ada", &in_session("3"), b"x")
            .session(NOW_MS)
            .unwrap();
        let ClientSession {
            seq,
            ack_below,
            opened_at_ms,
            ..
        } = session.session;
        assert_eq!((seq, ack_below, session.keyed), (3, 2, false));
        assert_eq!(opened_at_ms, NOW_MS - 5000);
        let again = author("/a", "ada", &in_session("3"), b"x")
            .session(NOW_MS + 9)
            .unwrap();
        assert_eq!(session.session.client_id, again.session.client_id);
        assert_eq!(session.digest, again.digest);
    }

    /// A key or an id that somebody has seen must not give his outcomes away.
    #[test]
    fn callers_with_the_same_words_are_still_two() {
        let key = [(IDEMPOTENCY_KEY, "k1")];
        let of = |name: &str, given: &[(&'static str, &str)]| {
            author("/a", name, given, b"x")
                .session(NOW_MS)
                .unwrap()
                .session
                .client_id
        };
        assert_ne!(of("ada", &key), of("bob", &key));
        assert_ne!(of("ada", &in_session("3")), of("bob", &in_session("3")));
        let same_words = [(IDEMPOTENCY_KEY, ID)];
        assert_ne!(of("ada", &same_words), of("ada", &in_session("3")));
    }

    #[test]
    fn another_method_or_body_is_another_request() {
        let key = [(IDEMPOTENCY_KEY, "k1")];
        let of = |path: &str, body: &[u8]| author(path, "ada", &key, body).session(NOW_MS).unwrap();
        let first = of("/a", b"x");
        assert!(first.keyed);
        for other in [of("/a", b"y"), of("/b", b"x"), of("/a", b"")] {
            assert_eq!(first.session.client_id, other.session.client_id);
            assert_ne!(first.digest, other.digest);
        }
        assert_eq!(first, of("/a", b"x"));
    }

    /// Else the refusal for want of a key would be repeated to whoever has it.
    #[test]
    fn the_same_message_with_a_reservation_key_is_another_request() {
        let digest =
            |given: &[(&'static str, &str)]| author("/a", "ada", given, b"x").session(NOW_MS).unwrap().digest;
        let key = (IDEMPOTENCY_KEY, "k1");
        let with = |held: &'static str| digest(&[key, (RESERVATION_KEY, held)]);
        assert_ne!(digest(&[key]), with("x0:rk:1"));
        assert_ne!(with("x0:rk:2"), with("x0:rk:1"));
        assert_eq!(with("x0:rk:1"), with("x0:rk:1"));
    }

    /// A second change of one request must not be taken for a repeat of the first.
    #[test]
    fn every_change_of_a_request_has_its_own_session() {
        let request = author("/a", "ada", &in_session("3"), b"x");
        let repeat = author("/a", "ada", &in_session("3"), b"x");
        let sessions: Vec<_> = (0..3).map(|_| request.session(NOW_MS).unwrap()).collect();
        assert_ne!(sessions[0].session.client_id, sessions[1].session.client_id);
        assert_ne!(sessions[1].session.client_id, sessions[2].session.client_id);
        assert_eq!(
            sessions,
            (0..3)
                .map(|_| repeat.session(NOW_MS).unwrap())
                .collect::<Vec<_>>()
        );
    }

    #[test]
    fn what_cannot_be_meant_is_refused_by_name() {
        let long = "k".repeat(KEY_BYTES_MAX + 1);
        let without = |name: &str| {
            in_session("3")
                .into_iter()
                .filter(|(given, _)| *given != name)
                .collect()
        };
        for (field, given) in [
            (IDEMPOTENCY_KEY, vec![(IDEMPOTENCY_KEY, "")]),
            (IDEMPOTENCY_KEY, vec![(IDEMPOTENCY_KEY, "two words")]),
            (IDEMPOTENCY_KEY, vec![(IDEMPOTENCY_KEY, long.as_str())]),
            (
                IDEMPOTENCY_KEY,
                [in_session("3"), vec![(IDEMPOTENCY_KEY, "k")]].concat(),
            ),
            (CLIENT_ID, vec![(CLIENT_ID, "0011")]),
            (CLIENT_ID, vec![(CLIENT_ID, "zz112233445566778899aabbccddeeff")]),
            (SEQ, in_session("0")),
            (SEQ, in_session("1")), // below what is acknowledged
            (SEQ, in_session("-1")),
            (SEQ, without(SEQ)),
            (ACK_BELOW, without(ACK_BELOW)),
            (SESSION_AGE_MS, without(SESSION_AGE_MS)),
        ] {
            let refused = RequestId::read("/a", &caller("ada"), &headers(&given)).unwrap_err();
            assert!(refused.to_string().starts_with(field), "{given:?}: {refused}");
        }
        let none = RequestId::read("/a", &caller("ada"), &HeaderMap::new()).unwrap();
        assert!(none.is_none());
    }
}
