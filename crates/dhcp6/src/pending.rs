//! Refusals wait for the majority, each in a task of its own, so that nobody waits behind them.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;

use crate::counters::{Count, Counters};
use crate::policy::Decision;
use crate::request::Request;
use crate::server::Server;
use crate::socket::{Sender, Socket};

/// Refusals that may wait at a time, per socket.
const REFUSALS_MAX: usize = 64;
/// Longest wait: after that the client has asked again.
const WAIT_MAX: Duration = Duration::from_secs(3);

/// A packet that waits, with what its answer needs.
pub(crate) struct Pending {
    pub(crate) server: Server,
    pub(crate) socket: Arc<Socket>,
    pub(crate) packet: Vec<u8>,
    pub(crate) sender: Sender,
}

/// The tasks of one socket.
pub(crate) struct PendingTasks {
    counters: Arc<Counters>,
    refusals: JoinSet<()>,
}

impl PendingTasks {
    pub(crate) fn new(counters: Arc<Counters>) -> PendingTasks {
        PendingTasks {
            counters,
            refusals: JoinSet::new(),
        }
    }

    /// Refuses, if the majority agrees. `None`: it is counted when that is known.
    pub(crate) fn refuse(&mut self, pending: Pending) -> Option<Count> {
        while let Some(ended) = self.refusals.try_join_next() {
            if ended.is_err() {
                self.counters.add(Count::Panicked);
            }
        }
        if self.refusals.len() >= REFUSALS_MAX {
            return Some(Count::TooManyRefusals);
        }
        let counters = Arc::clone(&self.counters);
        self.refusals
            .spawn(async move { counters.add(pending.refuse().await) });
        None
    }
}

impl Pending {
    /// Asks the majority, then decides again: by now the answer may be another one.
    async fn refuse(&self) -> Count {
        let confirmed = tokio::time::timeout(WAIT_MAX, self.server.0.store.linearize()).await;
        let is_confirmed = matches!(confirmed, Ok(Ok(())));
        let request = match Request::parse(&self.packet, self.sender.arrival()) {
            Ok(request) => request,
            Err(why) => return why,
        };
        let (reply, count) = match (self.server.decide(&request), is_confirmed) {
            (Decision::Reply(reply), _) => (reply, None),
            (Decision::Refusal(reply, _), true) => (reply, Some(Count::Refusals)),
            // what this member has it may say all the same
            (Decision::Refusal(_, Some(reply)), false) => (reply, None),
            (Decision::Refusal(_, None), false) => return Count::NoMajority,
            (Decision::Silent(why), _) => return why,
        };
        let said = self.server.send(&self.socket, &request, &reply, &self.sender);
        match count {
            Some(count) if said != Count::SendFailed => count,
            _ => said,
        }
    }
}
