//! Which of the other members have a content: asked, and remembered for a moment.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use model::Sha256;
use proto::boot_file::v1::HasContentsRequest;
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::members::{Members, Peer};

/// How long a member may take to say what it has; one that is down costs this once per [`FRESH_AT_MOST`].
const ANSWER_AT_MOST: Duration = Duration::from_millis(500);
/// How long an answer counts: a boot storm on a member without a file must not become one on the others.
const FRESH_AT_MOST: Duration = Duration::from_secs(2);

/// Contents with the ids of the members that have them.
pub(crate) type Holding = BTreeMap<Sha256, Vec<u64>>;

/// What the others said last.
#[derive(Debug, Default)]
pub(crate) struct Holders(Mutex<Option<Answers>>);

#[derive(Debug)]
struct Answers {
    at: Instant,
    asked: BTreeSet<Sha256>,
    holding: Holding,
}

impl Holders {
    /// The members that have `sha256`. When the last answers are old or were about others, everybody is asked about
    /// all of `missing`; meanwhile later callers wait for those answers.
    pub(crate) async fn of(
        &self,
        sha256: Sha256,
        missing: impl FnOnce() -> BTreeSet<Sha256>,
        members: &Members,
    ) -> Vec<u64> {
        let mut answers = self.0.lock().await;
        let fresh = answers
            .as_ref()
            .filter(|answers| answers.at.elapsed() < FRESH_AT_MOST);
        if let Some(answers) = fresh.filter(|answers| answers.asked.contains(&sha256)) {
            return answers.holding.get(&sha256).cloned().unwrap_or_default();
        }
        let mut asked = missing();
        asked.insert(sha256);
        let holding = ask(&members().others, &asked).await;
        let held = holding.get(&sha256).cloned().unwrap_or_default();
        *answers = Some(Answers {
            at: Instant::now(),
            asked,
            holding,
        });
        held
    }
}

/// Asks all of `peers` at once; who does not answer in time has nothing.
pub(crate) async fn ask(peers: &[Peer], wanted: &BTreeSet<Sha256>) -> Holding {
    let mut answers: FuturesUnordered<_> = peers.iter().map(|peer| ask_one(peer, wanted)).collect();
    let mut holding = Holding::new();
    while let Some((id, has)) = answers.next().await {
        for sha256 in has {
            holding.entry(sha256).or_default().push(id);
        }
    }
    holding.values_mut().for_each(|ids| ids.sort_unstable());
    holding
}

async fn ask_one(peer: &Peer, wanted: &BTreeSet<Sha256>) -> (u64, Vec<Sha256>) {
    let mut request = tonic::Request::new(HasContentsRequest {
        sha256: wanted.iter().map(Sha256::to_string).collect(),
    });
    request.set_timeout(ANSWER_AT_MOST);
    let mut client = peer.client();
    let answer = match tokio::time::timeout(ANSWER_AT_MOST, client.has_contents(request)).await {
        Ok(Ok(answer)) => answer.into_inner().sha256,
        Ok(Err(error)) => {
            tracing::debug!(member = peer.id, %error, "did not say which contents it has");
            Vec::new()
        }
        Err(_) => Vec::new(),
    };
    let has = answer.iter().filter_map(|text| text.parse().ok());
    (peer.id, has.filter(|sha256| wanted.contains(sha256)).collect())
}
