//! After a start, a member tells every other one which store it has, and learns theirs. Followers hardly ever talk
//! to each other; without this they would take a member that lost its disk for a new acquaintance, and vote with it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use openraft::async_runtime::WatchReceiver as _;
use proto::raft::v1 as pb;
use state::cluster::FEATURE_LEVEL_KNOWN;
use tokio::time::timeout;

use crate::replicated::Replicated;
use crate::type_config::MemberNode;

/// Pause between two looks at who is a member and not greeted yet.
const LOOK: Duration = Duration::from_millis(500);
/// How long a member may take to answer.
const ANSWER_MAX: Duration = Duration::from_secs(3);

/// Greets every other member once, and new ones as they come. Never ends.
pub(crate) async fn introduce(replicated: Arc<Replicated>) {
    let mut greeted = BTreeSet::from([replicated.peers().member_id]);
    let mut look = tokio::time::interval(LOOK);
    loop {
        look.tick().await;
        for (id, node) in members(&replicated) {
            if !greeted.contains(&id) && greet(&replicated, id, &node).await {
                greeted.insert(id);
            }
        }
    }
}

fn members(replicated: &Replicated) -> Vec<(u64, MemberNode)> {
    let metrics = replicated.raft().metrics();
    let metrics = metrics.borrow_watched();
    let nodes = metrics.membership_config.nodes();
    nodes.map(|(id, node)| (*id, node.clone())).collect()
}

/// Whether the member has answered: with its store, or that it knows this one by another.
async fn greet(replicated: &Replicated, id: u64, node: &MemberNode) -> bool {
    let peers = replicated.peers();
    let Some(mut client) = peers.shared(id, node) else {
        return false;
    };
    let request = pb::IntroduceRequest {
        header: Some(peers.header(id)),
        feature_level_known: FEATURE_LEVEL_KNOWN,
    };
    match timeout(ANSWER_MAX, client.introduce(request)).await {
        Ok(Ok(answer)) => {
            let answer = answer.into_inner();
            peers.knows_level(id, answer.feature_level_known);
            peers.stores.meet(id, &answer.store).is_ok()
        }
        Ok(Err(status)) if status.code() == tonic::Code::FailedPrecondition => {
            tracing::error!(member = id, "refused by another member: {}", status.message());
            true
        }
        Ok(Err(_)) | Err(_) => false,
    }
}
