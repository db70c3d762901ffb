//! Calls that were refused: from the guard, through the limit, to the thread that writes.

use std::fmt;
use std::sync::atomic::AtomicU64;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use rpc::{Denials, Error, Identity};

use crate::clean::clean;
use crate::counters::{add, read};
use crate::denial_limit::DenialLimit;
use crate::record::Denial;

/// Denials that wait to be written; what does not fit is counted.
const WAITING_MAX: usize = 1024;

/// Cluster time, milliseconds since the Unix epoch.
pub(crate) type NowMs = Arc<dyn Fn() -> u64 + Send + Sync>;

/// What the guard tells of its refusals; cheap to clone.
#[derive(Clone)]
pub struct DenialLog(Arc<Shared>);

struct Shared {
    limit: Mutex<DenialLimit>,
    waiting: SyncSender<Denial>,
    now_ms: NowMs,
    refused: AtomicU64,
    left_out: AtomicU64,
}

impl fmt::Debug for DenialLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DenialLog").finish_non_exhaustive()
    }
}

impl DenialLog {
    pub(crate) fn new(now_ms: NowMs) -> (DenialLog, Receiver<Denial>) {
        let (waiting, written) = sync_channel(WAITING_MAX);
        let shared = Shared {
            limit: Mutex::new(DenialLimit::new()),
            waiting,
            now_ms,
            refused: AtomicU64::new(0),
            left_out: AtomicU64::new(0),
        };
        (DenialLog(Arc::new(shared)), written)
    }

    /// Denials, and those of them that are only counted.
    pub(crate) fn counts(&self) -> (u64, u64) {
        (read(&self.0.refused), read(&self.0.left_out))
    }

    /// One that is only counted: there were too many, or it cannot be written.
    pub(crate) fn leave_out(&self) {
        add(&self.0.left_out, 1);
    }

    /// What was done and is in no entry of the log, by root on this host by whoever has certificates signed or uses a console: a line of its
    /// own, which no limit leaves out. `outcome` is `used` or `denied` of the break-glass socket, `signed`, `shown` of passwords in
    /// files, or `opened` or `ended` of a console.
    pub fn note(&self, author: &str, method: &str, outcome: &str, reason: &str) {
        let at_ms = (self.0.now_ms)();
        self.hand_over(Denial {
            at_ms,
            time: state::time_text(at_ms),
            author: clean(author),
            method: clean(method),
            outcome: clean(outcome),
            reason: clean(reason),
            ..Denial::default()
        });
    }

    /// To be called once in a while: tells of what was left out in a window that is over.
    pub(crate) fn tick(&self, now: Instant) {
        let counts = self.limit().end_window(now);
        counts.into_iter().for_each(|count| self.hand_over(count));
    }

    fn hand_over(&self, denial: Denial) {
        if self.0.waiting.try_send(denial).is_err() {
            self.leave_out();
        }
    }

    fn limit(&self) -> MutexGuard<'_, DenialLimit> {
        self.0.limit.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Denials for DenialLog {
    fn refused(&self, denial: &rpc::Denial<'_>) {
        add(&self.0.refused, 1);
        let now = Instant::now();
        self.tick(now);
        let at_ms = (self.0.now_ms)();
        let written = written(denial, at_ms);
        let source = match denial.caller.identity {
            // whoever shows nothing good is told apart by where he comes from
            Identity::Anonymous | Identity::LegacyReader { .. } => written.address.clone(),
            _ => written.author.clone(),
        };
        let admitted = self.limit().admit(&source, written, now);
        match admitted {
            Some(denial) => self.hand_over(denial),
            None => self.leave_out(),
        }
    }
}

fn written(denial: &rpc::Denial<'_>, at_ms: u64) -> Denial {
    let outcome = match denial.error {
        Error::Unauthenticated { .. } => "unauthenticated",
        _ => "denied",
    };
    let address = denial.caller.peer.map(|peer| peer.ip().to_string());
    Denial {
        number: 0, // of whoever writes it
        at_ms,
        time: state::time_text(at_ms),
        author: clean(&denial.caller.identity.principal()),
        address: address.unwrap_or_default(),
        method: clean(denial.path),
        outcome: outcome.to_owned(),
        reason: clean(&denial.error.to_string()),
        left_out: 0,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use rpc::Caller;

    use super::*;
    use crate::denial_limit::EACH_MAX;

    fn log() -> (DenialLog, Receiver<Denial>) {
        DenialLog::new(Arc::new(|| 5000))
    }

    /// Root's doings are few, and each of them counts.
    #[test]
    fn what_is_done_past_the_guard_is_never_left_out() {
        let (log, written) = log();
        for _ in 0..EACH_MAX + 5 {
            log.note(
                "break-glass/0",
                "break-glass/token",
                "used",
                "on this host's socket",
            );
        }
        let lines: Vec<Denial> = written.try_iter().collect();
        assert_eq!(lines.len(), EACH_MAX as usize + 5);
        let first = &lines[0];
        assert_eq!(
            (
                first.author.as_str(),
                first.method.as_str(),
                first.outcome.as_str(),
                first.at_ms
            ),
            ("break-glass/0", "break-glass/token", "used", 5000)
        );
        assert_eq!(log.counts(), (0, 0), "nothing was refused");
    }

    fn refuse(log: &DenialLog, identity: Identity, peer: &str, error: &Error) {
        let caller = Caller {
            identity,
            peer: Some(peer.parse().unwrap()),
            local: None,
        };
        log.refused(&rpc::Denial {
            caller: &caller,
            path: "/chamois.smd.v1.GroupService/CreateGroup",
            error,
        });
    }

    fn denied() -> Error {
        Error::Denied {
            reason: "smd.write is needed".into(),
        }
    }

    #[test]
    fn a_denial_says_who_from_where_and_what_was_missing() {
        let (log, written) = log();
        let ada = Identity::User { name: "ada".into() };
        refuse(&log, ada, "10.0.0.1:1234", &denied());
        let denial = written.try_recv().unwrap();
        assert_eq!(
            (denial.author.as_str(), denial.address.as_str()),
            ("user/ada", "10.0.0.1")
        );
        assert_eq!(
            (denial.outcome.as_str(), denial.reason.as_str()),
            ("denied", "smd.write is needed")
        );
        assert_eq!(
            (denial.at_ms, denial.time.as_str()),
            (5000, "1970-01-01T00:00:05.000Z")
        );
    }

    /// Whoever has an address of his own must not be able to use up somebody else's number.
    #[test]
    fn strangers_are_told_apart_by_address_and_others_by_name() {
        let (log, written) = log();
        let error = Error::Unauthenticated {
            reason: "no token".into(),
        };
        for port in 1..=100 {
            refuse(&log, Identity::Anonymous, &format!("10.0.0.1:{port}"), &error);
        }
        refuse(&log, Identity::Anonymous, "10.0.0.2:1", &error);
        for host in 1..=100 {
            let bob = Identity::User { name: "bob".into() };
            refuse(&log, bob, &format!("10.0.1.{host}:1"), &denied());
        }
        let all: Vec<Denial> = written.try_iter().collect();
        let of = |author: &str, address: &str| {
            let same = |denial: &&Denial| denial.author == author && denial.address.starts_with(address);
            all.iter().filter(same).count()
        };
        assert_eq!(of("anonymous", "10.0.0.1"), EACH_MAX as usize);
        assert_eq!(of("anonymous", "10.0.0.2"), 1);
        assert_eq!(of("user/bob", "10.0.1."), EACH_MAX as usize);
        assert_eq!(log.counts(), (201, 200 - 2 * u64::from(EACH_MAX)));
    }

    #[test]
    fn a_hostile_name_and_text_are_escaped_and_cut() {
        let (log, written) = log();
        let name = "a\n{\"author\":\"user/ada\"}".repeat(1000);
        let error = Error::Denied {
            reason: "\u{1b}]0;\u{7}".into(),
        };
        refuse(&log, Identity::User { name }, "10.0.0.1:1", &error);
        let denial = written.try_recv().unwrap();
        assert!(denial.author.len() < 1100 && !denial.author.contains('\n'));
        assert_eq!(denial.reason, "\\u{1b}]0;\\u{7}");
    }

    /// A disk that stands still must not hold up a single refusal.
    #[test]
    fn what_nobody_writes_is_counted() {
        let (log, _written) = log();
        for host in 0..2 * WAITING_MAX {
            let peer = format!("10.{}.{}.1:1", host / 256, host % 256);
            let node = Identity::User {
                name: format!("u{host}"),
            };
            refuse(&log, node, &peer, &denied());
        }
        let (refused, left_out) = log.counts();
        assert_eq!(refused, 2 * WAITING_MAX as u64);
        assert!(left_out >= WAITING_MAX as u64, "{left_out}");
    }
}
