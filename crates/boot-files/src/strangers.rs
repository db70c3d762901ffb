//! Files that were put by hand into the folder of another member: the others are asked by name before a node is told
//! that there is no such file, and their answers are remembered for a moment.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use proto::boot_file::v1::HasFileRequest;
use rpc::Error;
use tokio::sync::OnceCell;
use tokio::time::Instant;

use crate::members::{Members, Peer};

/// How long a member may take to answer; a node waits for it.
const ANSWER_AT_MOST: Duration = Duration::from_millis(300);
/// How long the answers about a name count.
const FRESH_AT_MOST: Duration = Duration::from_secs(2);
/// Names that the others are asked about in that time: a storm of names that nobody has must not reach them.
const NAMES_MAX: usize = 512;

/// The members that have a file of some name; asked once, whoever else wants to know waits for the answer.
type Answer = Arc<OnceCell<Vec<u64>>>;

/// What the others said lately.
#[derive(Debug, Default)]
pub(crate) struct Strangers(Mutex<Option<Answers>>);

#[derive(Debug)]
struct Answers {
    since: Instant,
    by_name: BTreeMap<String, Answer>,
}

impl Strangers {
    /// The other members that have a file of that name in their folder; those that do not answer have none.
    ///
    /// # Errors
    /// `NotReady` when too many names have been asked about just now.
    pub(crate) async fn with(&self, name: &str, members: &Members) -> Result<Vec<u64>, Error> {
        let others = members().others;
        if others.is_empty() {
            return Ok(Vec::new());
        }
        let Some(answer) = self.answer(name) else {
            let reason = format!("it has asked the others about {NAMES_MAX} unknown files just now");
            let retry_after = FRESH_AT_MOST;
            return Err(Error::NotReady { retry_after, reason });
        };
        let ids = answer.get_or_init(|| ask(others, name)).await;
        Ok(ids.clone())
    }

    /// Where the answer about `name` is or will be, if there is room for it.
    fn answer(&self, name: &str) -> Option<Answer> {
        let mut answers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = answers
            .take()
            .filter(|known| known.since.elapsed() < FRESH_AT_MOST);
        let known = answers.insert(fresh.unwrap_or_else(|| Answers {
            since: Instant::now(),
            by_name: BTreeMap::new(),
        }));
        if let Some(answer) = known.by_name.get(name) {
            return Some(Arc::clone(answer));
        }
        if known.by_name.len() >= NAMES_MAX {
            return None;
        }
        Some(Arc::clone(known.by_name.entry(name.to_owned()).or_default()))
    }
}

async fn ask(peers: Vec<Peer>, name: &str) -> Vec<u64> {
    let mut answers: FuturesUnordered<_> = peers.iter().map(|peer| ask_one(peer, name)).collect();
    let mut ids = Vec::new();
    while let Some(answer) = answers.next().await {
        ids.extend(answer);
    }
    ids.sort_unstable();
    ids
}

async fn ask_one(peer: &Peer, name: &str) -> Option<u64> {
    let mut request = tonic::Request::new(HasFileRequest {
        name: name.to_owned(),
    });
    request.set_timeout(ANSWER_AT_MOST);
    let mut client = peer.client();
    match tokio::time::timeout(ANSWER_AT_MOST, client.has_file(request)).await {
        Ok(Ok(answer)) => answer.into_inner().is_here.then_some(peer.id),
        Ok(Err(error)) => {
            tracing::debug!(member = peer.id, %error, "did not say whether it has a file");
            None
        }
        Err(_) => None,
    }
}
