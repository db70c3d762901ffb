//! The keys that open what is sealed in the state: handed to all members, changed while everything goes on, and forgotten when
//! nothing is sealed for them any more. The steps of a rotation, each of which leaves every secret readable:
//!
//! 1. whoever asks makes the key and keeps it (recovery kit); every member that can be reached writes it beside the old one;
//! 2. a log entry names it: from then on all seal for it, and who was away fetches it before anything else;
//! 3. the leader, whichever it is, seals everything anew, 64 secrets an entry;
//! 4. a log entry retires the old key, if nothing is sealed for it; each member that knows this for sure forgets it.

mod follow;
mod peer_service;
mod reseal;
mod service;

use std::time::Duration;

use auth::{KekStore, Sealer};
use boot_files::{Members, Peer, PeerChannel};
use proto::cluster::v1::secret_peer_service_client::SecretPeerServiceClient;
use proto::cluster::v1::{ListKeksRequest, ListKeksResponse, SealedSecret, UnopenedSecret};
use raft::Store;
use state::State;
use tonic::Request;

use super::drain::Drain;
use super::tasks::Tasks;

pub(super) use self::peer_service::PeerKeks;

/// A member that is there answers in less: it reads or writes one small file, or runs a command.
pub(super) const PEER_ANSWERS_AT_MOST: Duration = Duration::from_secs(20);

/// So many secrets that do not open are named.
const UNOPENED_MAX: usize = 16;
/// So many are tried to find them: what opens is sealed anew soon, so that the others are left.
const OPENED_MAX: usize = 1_000;

/// What this member knows of the keys, and how it asks the others.
#[derive(Clone)]
pub(super) struct Secrets {
    pub(super) store: Store,
    pub(super) keks: KekStore,
    pub(super) members: Members,
}

/// The key that seals, and the one before as long as something may be sealed for it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct InUse {
    active_id: String,
    /// Empty: none.
    retiring_id: String,
    /// Those for which nothing is sealed any more.
    retired_ids: Vec<String>,
    /// 0: since the cluster began.
    since_ms: u64,
}

impl Secrets {
    /// Follows the log, and does the leader's work while this member leads.
    pub(super) fn start(&self, drain: &Drain, tasks: &mut Tasks) {
        let (secrets, stop) = (self.clone(), drain.finishing());
        tasks.spawn("keys of secrets", async move {
            tokio::select! {
                () = Box::pin(follow::run(&secrets)) => {}
                () = Box::pin(reseal::run(&secrets)) => {}
                () = stop.reached() => {}
            }
            Ok(())
        });
    }

    fn in_use(&self) -> InUse {
        match self.store.state().cluster.sealing_keys() {
            Some(keys) => InUse {
                active_id: keys.active_id.clone(),
                retiring_id: keys.retiring_id.clone(),
                retired_ids: keys.retired_ids.clone(),
                since_ms: keys.since_ms,
            },
            None => InUse {
                active_id: self.keks.sealer().sealing_id(),
                ..InUse::default()
            },
        }
    }
}

impl InUse {
    fn ids(&self) -> impl Iterator<Item = &String> {
        [&self.active_id, &self.retiring_id]
            .into_iter()
            .filter(|id| !id.is_empty())
    }

    /// Those that somebody has not.
    fn missing(&self, known: &[String]) -> Vec<String> {
        self.ids().filter(|id| !known.contains(id)).cloned().collect()
    }
}

fn client(peer: &Peer) -> SecretPeerServiceClient<PeerChannel> {
    SecretPeerServiceClient::new(peer.channel.clone())
}

/// A request that ends.
fn bounded<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.set_timeout(PEER_ANSWERS_AT_MOST);
    request
}

async fn keks_of(peer: &Peer) -> Option<ListKeksResponse> {
    let mut client = client(peer);
    let listed = client.list_keks(bounded(ListKeksRequest {}));
    let listed = tokio::time::timeout(PEER_ANSWERS_AT_MOST, listed).await;
    Some(listed.ok()?.ok()?.into_inner())
}

/// What waits to be sealed anew and does not open here: some of it.
fn unopened(state: &State, sealer: &Sealer) -> impl Iterator<Item = UnopenedSecret> {
    let problem = move |sealed: &SealedSecret| {
        let error = sealer.open(sealed).err()?;
        Some(UnopenedSecret {
            name: sealed.name.clone(),
            problem: error.to_string(),
        })
    };
    let looked_at = state.to_be_resealed().take(OPENED_MAX);
    looked_at.filter_map(problem).take(UNOPENED_MAX)
}

/// What this member has; where the operator gives keys, what he has given by now. Blocks.
fn listed(keks: &KekStore) -> ListKeksResponse {
    let problem = keks.reload().err().map(|error| error.to_string());
    ListKeksResponse {
        kek_ids: keks.sealer().key_ids(),
        source: keks.source(),
        problem: problem.unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_somebody_lacks_is_named_and_no_key_that_nobody_uses() {
        let mut in_use = InUse {
            active_id: "b".into(),
            retiring_id: "a".into(),
            since_ms: 1,
            ..InUse::default()
        };
        let known = |ids: &[&str]| -> Vec<String> { ids.iter().map(ToString::to_string).collect() };
        assert_eq!(in_use.missing(&known(&["a", "c"])), ["b"]);
        assert_eq!(in_use.missing(&known(&[])), ["b", "a"]);
        in_use.retiring_id.clear();
        assert!(in_use.missing(&known(&["b"])).is_empty());
    }
}
