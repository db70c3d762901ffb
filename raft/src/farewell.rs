//! The leader tells a removed member, which hears of its removal from nobody else, and repeats it until it is answered: a
//! member that was down or cut off would otherwise ask for votes for ever. A leader knows those that it has removed itself.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use proto::raft::v1 as pb;
use tokio::time::Instant;

use crate::membership_view::View;
use crate::peers::Peers;
use crate::type_config::MemberNode;

/// How long a removed member may take to hear of it.
const FAREWELL_AT_MOST: Duration = Duration::from_secs(3);
/// Pause after the first attempt; each next one is twice as long, up to the longest.
const PAUSE_FIRST: Duration = Duration::from_secs(4);
const PAUSE_MAX: Duration = Duration::from_secs(300);
/// About a day.
const ATTEMPTS_MAX: u32 = 300;
/// Removed members that are remembered.
const REMEMBERED_MAX: usize = 64;

/// The members that this one has removed since its start.
#[derive(Clone, Debug, Default)]
pub(crate) struct Farewells {
    removed: Arc<Mutex<BTreeMap<u64, Farewell>>>,
}

#[derive(Debug)]
struct Farewell {
    node: MemberNode,
    attempts: u32,
    next: Instant,
    heard: bool,
}

impl Farewells {
    /// Member `id` is about to be removed, or somebody has asked for it once more: the next farewell is due at once. `node` is
    /// none for a member that is gone.
    pub(crate) fn begin(&self, id: u64, node: Option<MemberNode>) {
        let mut removed = self.lock();
        if let Some(known) = removed.get_mut(&id) {
            (known.attempts, known.next) = (0, Instant::now());
        } else if let Some(node) = node {
            if removed.len() >= REMEMBERED_MAX {
                removed.pop_first();
            }
            let farewell = Farewell {
                node,
                attempts: 0,
                next: Instant::now(),
                heard: false,
            };
            removed.insert(id, farewell);
        }
    }

    /// The highest id among them, 0 if there are none.
    pub(crate) fn highest(&self) -> u64 {
        self.lock().last_key_value().map_or(0, |(id, _)| *id)
    }

    /// Whether member `id` is one of them.
    pub(crate) fn knows(&self, id: u64) -> bool {
        self.lock().contains_key(&id)
    }

    /// Tells those that are gone by now and have not answered; in the background.
    pub(crate) fn say(&self, peers: &Peers, view: &View) {
        for (id, node) in self.due(Instant::now(), |id| view.node(id).is_none()) {
            let Some(mut client) = peers.shared(id, &node) else {
                continue;
            };
            let request = pb::FarewellRequest {
                header: Some(peers.header(id)),
            };
            let farewells = self.clone();
            tokio::spawn(async move {
                let told = tokio::time::timeout(FAREWELL_AT_MOST, client.farewell(request)).await;
                let heard = matches!(told, Ok(Ok(_)));
                if heard {
                    farewells.heard(id);
                }
                tracing::info!(member = id, told = heard, "removed from the cluster");
            });
        }
    }

    /// Whom to tell `now`; the next attempt follows after a pause.
    fn due(&self, now: Instant, is_gone: impl Fn(u64) -> bool) -> Vec<(u64, MemberNode)> {
        let mut due = Vec::new();
        for (id, farewell) in self.lock().iter_mut() {
            let waits = farewell.heard || farewell.attempts >= ATTEMPTS_MAX || farewell.next > now;
            if !waits && is_gone(*id) {
                farewell.next = now + pause_after(farewell.attempts);
                farewell.attempts += 1;
                due.push((*id, farewell.node.clone()));
            }
        }
        due
    }

    fn heard(&self, id: u64) {
        if let Some(farewell) = self.lock().get_mut(&id) {
            farewell.heard = true;
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<u64, Farewell>> {
        self.removed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn pause_after(attempts: u32) -> Duration {
    PAUSE_FIRST.saturating_mul(1 << attempts.min(16)).min(PAUSE_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn due(farewells: &Farewells, now: Instant) -> Vec<u64> {
        farewells
            .due(now, |_| true)
            .into_iter()
            .map(|(id, _)| id)
            .collect()
    }

    fn begun(ids: impl IntoIterator<Item = u64>) -> (Farewells, Instant) {
        let farewells = Farewells::default();
        for id in ids {
            farewells.begin(id, Some(MemberNode::default()));
        }
        (farewells, Instant::now())
    }

    /// It may be down for hours; the leader must neither give up nor call it all the time.
    #[test]
    fn a_farewell_is_repeated_at_growing_pauses_until_it_is_heard() {
        let (farewells, begun) = begun([4]);
        assert_eq!(due(&farewells, begun), [4]);
        let seconds = (1..=3600).map(|second| begun + Duration::from_secs(second));
        let said = 1 + seconds.map(|now| due(&farewells, now).len()).sum::<usize>();
        assert!((15..=25).contains(&said), "{said} in an hour");
        farewells.heard(4);
        assert!(due(&farewells, begun + 100 * PAUSE_MAX).is_empty());
        assert!(farewells.knows(4), "its id stays taken");
    }

    #[test]
    fn attempts_end() {
        let (farewells, begun) = begun([4]);
        let looks = (0..2 * ATTEMPTS_MAX).map(|look| begun + look * PAUSE_MAX);
        let said: usize = looks.map(|now| due(&farewells, now).len()).sum();
        assert_eq!(said, usize::try_from(ATTEMPTS_MAX).unwrap());
        farewells.begin(4, None);
        assert_eq!(due(&farewells, Instant::now()), [4], "asked for once more");
    }

    /// The removal may fail, or be half done.
    #[test]
    fn a_member_that_is_there_hears_nothing() {
        let (farewells, begun) = begun([4]);
        assert!(farewells.due(begun, |id| id != 4).is_empty());
        assert_eq!(due(&farewells, begun), [4]);
    }

    #[test]
    fn no_more_than_64_are_remembered() {
        let (farewells, begun) = begun(1..=65);
        assert!(!farewells.knows(1));
        assert_eq!(due(&farewells, begun).len(), REMEMBERED_MAX);
        assert_eq!(farewells.highest(), 65);
    }
}
