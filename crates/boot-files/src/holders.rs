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

/// What one member has of what it was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Holder {
    pub(crate) id: u64,
    pub(crate) has: BTreeSet<Sha256>,
    /// Whether nodes boot from it; `None`: it did not answer.
    pub(crate) serves_boot: Option<bool>,
}

/// Asks all of `peers` at once; who does not answer in time has nothing.
pub(crate) async fn ask(peers: &[Peer], wanted: &BTreeSet<Sha256>) -> Holding {
    let mut holding = Holding::new();
    for Holder { id, has, .. } in ask_each(peers, wanted).await {
        for sha256 in has {
            holding.entry(sha256).or_default().push(id);
        }
    }
    holding
}

/// The same by member, sorted by id.
pub(crate) async fn ask_each(peers: &[Peer], wanted: &BTreeSet<Sha256>) -> Vec<Holder> {
    let answers: FuturesUnordered<_> = peers.iter().map(|peer| ask_one(peer, wanted)).collect();
    let mut holders: Vec<Holder> = answers.collect().await;
    holders.sort_unstable_by_key(|holder| holder.id);
    holders
}

async fn ask_one(peer: &Peer, wanted: &BTreeSet<Sha256>) -> Holder {
    let mut request = tonic::Request::new(HasContentsRequest {
        sha256: wanted.iter().map(Sha256::to_string).collect(),
    });
    request.set_timeout(ANSWER_AT_MOST);
    let mut client = peer.client();
    let answer = match tokio::time::timeout(ANSWER_AT_MOST, client.has_contents(request)).await {
        Ok(Ok(answer)) => Some(answer.into_inner()),
        Ok(Err(error)) => {
            tracing::debug!(member = peer.id, %error, "did not say which contents it has");
            None
        }
        Err(_) => None,
    };
    let serves_boot = answer.as_ref().map(|answer| answer.serves_boot);
    let has = answer.into_iter().flat_map(|answer| answer.sha256);
    let has = has.filter_map(|text| text.parse().ok());
    Holder {
        id: peer.id,
        has: has.filter(|sha256| wanted.contains(sha256)).collect(),
        serves_boot,
    }
}
