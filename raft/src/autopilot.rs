//! What a leader does about the members by itself: learners that have caught up become voters, two at a time so that
//! the number of voters stays odd; a change of voters that was left half done is finished; a removed member is told until it
//! has heard; a voter that is gone is reported; the feature level rises when every version knows it; a witness hands
//! leadership on.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use proto::cluster::v1::{ClusterCommand, cluster_command, member_kind};
use proto::raft::v1::entry::Command;
use proto::raft::v1::membership_change::Change;
use proto::raft::v1::{Entry, Header, MembershipChange};
use state::cluster::FEATURE_LEVEL_KNOWN;

use crate::cluster_clock::OFF_MS_MAX;
use crate::membership_view::{LAG_MAX, View};
use crate::replicated::Replicated;
use crate::type_config::LogId;

/// How often it looks.
const LOOK: Duration = Duration::from_secs(1);
/// Looks in a row at which a learner must have caught up.
const STEADY_LOOKS: u32 = 3;
/// Looks in a row at which a change of voters stands half done until nobody can be waiting for it any more: an attempt
/// takes 3 s at most.
const HALF_DONE_LOOKS: u32 = 5;
/// More voters than this make every write wait for more disks and add no safety that anyone needs.
const VOTERS_MAX: usize = 5;
/// A voter that has been silent for longer is reported, milliseconds.
const SILENT_MS_MAX: u64 = 10_000;

/// What is remembered between two looks.
#[derive(Debug, Default)]
struct Memory {
    steady: BTreeMap<u64, u32>,
    reported: BTreeSet<u64>,
    /// The first half of a change of voters, and at how many looks it was the newest.
    half_done: Option<(LogId, u32)>,
    clock_reported: bool,
    leads: bool,
}

/// A member as the leader sees it.
#[derive(Clone, Copy, Debug)]
struct Seen {
    id: u64,
    kind: member_kind::Kind,
    voter: bool,
    there: bool,
    lag: u64,
    silent_ms: Option<u64>,
}

/// Looks every second for as long as this member leads. Never ends.
pub(crate) async fn run(replicated: Arc<Replicated>) {
    let mut look = tokio::time::interval(LOOK);
    let mut memory = Memory::default();
    loop {
        look.tick().await;
        let view = replicated.view();
        if view.metrics.current_leader != Some(view.metrics.id) || !replicated.has_majority() {
            memory = Memory::default();
            continue;
        }
        if !std::mem::replace(&mut memory.leads, true) {
            tracing::info!(term = view.metrics.current_term, "this member leads");
        }
        let members: Vec<Seen> = view
            .nodes()
            .map(|(id, node)| seen(&view, id, node.kind))
            .collect();
        memory.report(&members);
        if view.is_joint() {
            memory.finish_change(&replicated, &view).await;
        } else {
            memory.half_done = None;
            memory.promote(&replicated, &view, &members).await;
        }
        replicated.say_farewells();
        replicated.cluster_time_ms(); // heartbeats carry it, also while nobody writes
        memory
            .hand_over_with_a_wrong_clock(&replicated, &view, &members)
            .await;
        hand_over_as_witness(&replicated, &view, &members).await;
        raise_level(&replicated, &members).await;
    }
}

fn seen(view: &View, id: u64, kind: member_kind::Kind) -> Seen {
    Seen {
        id,
        kind,
        voter: view.is_voter(id),
        there: view.is_there(id),
        lag: view.lag(id),
        silent_ms: view.seen_ms(id),
    }
}

impl Memory {
    async fn finish_change(&mut self, replicated: &Replicated, view: &View) {
        let half = *view.metrics.membership_config.log_id();
        if self.is_left_half_done(half)
            && let Err(status) = replicated.finish_change().await
        {
            tracing::warn!(
                reason = status.message(),
                "a change of the voters is half done still"
            );
        }
    }

    /// Whether the change whose first half is `half` has stood for longer than whoever asked for it waits.
    fn is_left_half_done(&mut self, half: Option<LogId>) -> bool {
        self.half_done = match (half, self.half_done) {
            (Some(half), Some((before, looks))) if half == before => Some((half, looks + 1)),
            (half, _) => half.map(|half| (half, 1)),
        };
        self.half_done.is_some_and(|(_, looks)| looks >= HALF_DONE_LOOKS)
    }

    async fn promote(&mut self, replicated: &Replicated, view: &View, members: &[Seen]) {
        let promoted = self.take_ready(members);
        if !promoted.is_empty()
            && let Err(status) = replicated.promote(view, promoted).await
        {
            tracing::warn!(reason = status.message(), "learners could not become voters yet");
        }
    }

    /// The learners that become voters now.
    fn take_ready(&mut self, members: &[Seen]) -> BTreeSet<u64> {
        let waiting = members
            .iter()
            .filter(|m| !m.voter && m.kind != member_kind::Kind::Learner && m.there && m.lag <= LAG_MAX);
        let before = std::mem::take(&mut self.steady);
        self.steady = waiting
            .map(|m| (m.id, before.get(&m.id).map_or(1, |looks| looks + 1)))
            .collect();
        let ready = self.steady.iter().filter(|(_, looks)| **looks >= STEADY_LOOKS);
        let ready: Vec<u64> = ready.map(|(id, _)| *id).collect();
        let voters: Vec<&Seen> = members.iter().filter(|m| m.voter).collect();
        let wanted = 1 + voters.len() % 2;
        // with a voter missing, more voters would need more of those that are left
        if voters.iter().any(|m| !m.there) || voters.len() + wanted > VOTERS_MAX || ready.len() < wanted {
            return BTreeSet::new();
        }
        ready.into_iter().take(wanted).collect()
    }

    /// Says once that a voter is gone, and what to do; and once that it is back.
    fn report(&mut self, members: &[Seen]) {
        for member in members.iter().filter(|m| m.voter) {
            let silent = member.silent_ms.is_none_or(|ms| ms > SILENT_MS_MAX);
            if silent && self.reported.insert(member.id) {
                let id = member.id;
                tracing::error!(
                    member = id,
                    "a voter has not answered for 10 s; if it does not come back: `chamois member add`, join a new one, \
                     then `chamois member replace {id} --with <its id>`"
                );
            } else if !silent && self.reported.remove(&member.id) {
                tracing::info!(member = member.id, "the voter answers again");
            }
        }
    }

    /// A leader whose clock is off steps down for one whose clock is not; it says so once either way.
    async fn hand_over_with_a_wrong_clock(&mut self, replicated: &Replicated, view: &View, members: &[Seen]) {
        let own = view.metrics.id;
        let voters: Vec<u64> = view.voters().collect();
        let deviation = replicated.peers().clock.deviation(own, &voters);
        let Some((ahead, agree)) = deviation.filter(|(ahead, _)| ahead.unsigned_abs() > OFF_MS_MAX) else {
            self.clock_reported = false;
            return;
        };
        if !std::mem::replace(&mut self.clock_reported, true) {
            tracing::error!(
                seconds = ahead / 1000,
                "this host's clock differs from the median of the voters' clocks; set it (is NTP running?), then restart \
                 this member; until then another one leads"
            );
        }
        let heir = members
            .iter()
            .find(|m| m.voter && m.id != own && m.there && m.lag <= LAG_MAX && agree.contains(&m.id));
        if let Some(heir) = heir {
            hand_over(replicated, heir.id, "this host's clock is wrong").await;
        }
    }
}

async fn hand_over(replicated: &Replicated, to: u64, why: &'static str) {
    let change = MembershipChange {
        change: Some(Change::TransferLeader(to)),
    };
    if let Err(status) = replicated.change_membership_as_leader(&change).await {
        tracing::warn!(
            reason = status.message(),
            why,
            "leadership could not be handed on"
        );
    }
}

async fn hand_over_as_witness(replicated: &Replicated, view: &View, members: &[Seen]) {
    let own = members.iter().find(|m| m.id == view.metrics.id);
    let is_witness = own.is_some_and(|m| m.kind == member_kind::Kind::Witness);
    let heir = members
        .iter()
        .find(|m| m.voter && m.kind != member_kind::Kind::Witness && m.there && m.lag <= LAG_MAX);
    if let (true, Some(heir)) = (is_witness, heir) {
        hand_over(replicated, heir.id, "a witness leads").await;
    }
}

/// One step at a time, when every member's version knows the next level.
async fn raise_level(replicated: &Replicated, members: &[Seen]) {
    let state = replicated.published.load();
    let next = state.feature_level() + 1;
    let own = replicated.peers().member_id;
    let known = |id: u64| match id == own {
        true => Some(FEATURE_LEVEL_KNOWN),
        false => replicated.peers().level_known_by(id),
    };
    let everyone = members
        .iter()
        .all(|m| known(m.id).is_some_and(|level| level >= next));
    if next > FEATURE_LEVEL_KNOWN || !everyone || state.cluster_id().is_empty() {
        return;
    }
    let raise = cluster_command::SetFeatureLevel { level: next };
    let entry = Entry {
        header: Some(Header {
            principal: format!("member/{own}"),
            ..Header::default()
        }),
        command: Some(Command::Cluster(ClusterCommand {
            change: Some(cluster_command::Change::SetFeatureLevel(raise)),
        })),
    };
    let outcome = replicated.propose(entry).await;
    match outcome.and_then(|outcome| state::rejection(&outcome).map_or(Ok(()), |why| Err(why.into()))) {
        Ok(()) => tracing::info!(
            level = next,
            "the feature level was raised: every member knows it"
        ),
        Err(error) => tracing::warn!(%error, level = next, "the feature level could not be raised yet"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(id: u64, voter: bool) -> Seen {
        Seen {
            id,
            kind: member_kind::Kind::Voter,
            voter,
            there: true,
            lag: 0,
            silent_ms: Some(0),
        }
    }

    /// What is promoted at the third look.
    fn promoted(members: &[Seen]) -> Vec<u64> {
        let mut memory = Memory::default();
        assert!(memory.take_ready(members).is_empty(), "the first look");
        assert!(memory.take_ready(members).is_empty(), "the second look");
        memory.take_ready(members).into_iter().collect()
    }

    /// Two voters survive no loss and need both for every write: worse than one.
    #[test]
    fn voters_come_in_pairs_and_an_even_number_is_mended_by_one() {
        let (one, two, three) = (member(1, true), member(2, false), member(3, false));
        assert!(promoted(&[one, two]).is_empty());
        assert_eq!(promoted(&[one, two, three]), [2, 3]);
        assert_eq!(promoted(&[one, member(2, true), three, member(4, false)]), [3]);
    }

    #[test]
    fn no_more_than_five_vote() {
        let five: Vec<Seen> = (1..=5).map(|id| member(id, true)).collect();
        let more = [five, vec![member(6, false), member(7, false)]].concat();
        assert!(promoted(&more).is_empty());
    }

    #[test]
    fn who_is_behind_silent_or_a_learner_for_good_is_not_promoted() {
        let (one, two) = (member(1, true), member(2, false));
        let behind = Seen {
            lag: LAG_MAX + 1,
            ..member(3, false)
        };
        let silent = Seen {
            there: false,
            ..member(3, false)
        };
        let learner = Seen {
            kind: member_kind::Kind::Learner,
            ..member(3, false)
        };
        for third in [behind, silent, learner] {
            assert!(promoted(&[one, two, third]).is_empty(), "{third:?}");
        }
    }

    /// Three voters of which one is dead tolerate no more loss; five of which one is dead would need three of four.
    #[test]
    fn with_a_voter_missing_nobody_is_added() {
        let dead = Seen {
            there: false,
            ..member(3, true)
        };
        assert!(
            promoted(&[
                member(1, true),
                member(2, true),
                dead,
                member(4, false),
                member(5, false)
            ])
            .is_empty()
        );
    }

    /// A learner that flaps is not steady.
    #[test]
    fn looks_count_only_in_a_row() {
        let (one, two, three) = (member(1, true), member(2, false), member(3, false));
        let gone = Seen {
            there: false,
            ..three
        };
        let mut memory = Memory::default();
        for third in [three, three, gone, three, three] {
            assert!(memory.take_ready(&[one, two, third]).is_empty());
        }
        assert_eq!(memory.take_ready(&[one, two, three]).len(), 2);
    }

    /// Whoever asked for it may be about to write the second half.
    #[test]
    fn only_a_change_that_stands_still_is_finished() {
        use crate::type_config::LeaderId;
        let half = |index| Some(LogId::new(LeaderId { term: 1, node_id: 1 }, index));
        let mut memory = Memory::default();
        for _ in 1..HALF_DONE_LOOKS {
            assert!(!memory.is_left_half_done(half(7)));
        }
        assert!(!memory.is_left_half_done(half(9)), "another one");
        for _ in 2..HALF_DONE_LOOKS {
            assert!(!memory.is_left_half_done(half(9)));
        }
        assert!(memory.is_left_half_done(half(9)));
    }

    #[test]
    fn a_silent_voter_is_reported_once() {
        let silent = Seen {
            silent_ms: Some(SILENT_MS_MAX + 1),
            ..member(3, true)
        };
        let mut memory = Memory::default();
        memory.report(&[silent]);
        assert!(memory.reported.contains(&3));
        memory.report(&[member(3, true)]);
        assert!(memory.reported.is_empty());
    }
}
