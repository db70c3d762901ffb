//! The pinned keys follow the membership: whoever joins is let in, whoever is removed is not.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use openraft::async_runtime::WatchReceiver as _;

use crate::replicated::Replicated;

/// How often a member that is not verified yet looks whether it is.
const LOOK: Duration = Duration::from_millis(200);

/// Keeps the pins up to date. Never ends while Raft runs.
///
/// As long as this member has not heard of a commit index since its start, its membership may be an old one in which
/// today's leader does not stand: until then the keys that its identity lists count as well.
pub(crate) async fn follow(replicated: Arc<Replicated>) {
    let pins = &replicated.peers().pins;
    let mut metrics = replicated.raft().server_metrics();
    let listed = pins.all();
    loop {
        let mut keys = members(&replicated);
        let settled = replicated.is_verified() && !keys.is_empty();
        if !settled {
            for (id, key) in &listed {
                keys.entry(*id).or_insert_with(|| key.clone());
            }
        }
        pins.replace(keys);
        let changed = metrics.changed();
        let stopped = match settled {
            true => changed.await.is_err(),
            false => matches!(tokio::time::timeout(LOOK, changed).await, Ok(Err(_))),
        };
        if stopped {
            return;
        }
    }
}

fn members(replicated: &Replicated) -> BTreeMap<u64, Vec<u8>> {
    let metrics = replicated.raft().server_metrics();
    let membership = Arc::clone(&metrics.borrow_watched().membership_config);
    let nodes = membership.nodes();
    nodes.map(|(id, node)| (*id, node.public_key.clone())).collect()
}
