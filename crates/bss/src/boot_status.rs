//! How far the newest boots of nodes have come, and which are stuck.

use std::sync::Arc;

use model::{GroupLabel, NodeSet, Xname};
use proto::bss::v1::boot_phase::Phase;
use proto::bss::v1::{
    BootRecord, BootStatus, ListBootStatusRequest, ListBootStatusResponse, boot_status_service_server,
};
use proto::smd::v1::{Component, Group};
use raft::Store;
use rpc::{Error, page};
use state::State;
use tonic::{Request, Response, Status};

use crate::PhaseDeadlines;

/// Nodesets that one request may name.
const NODE_SETS_MAX: usize = 256;

/// Where boots stand.
#[derive(Clone, Debug)]
pub struct BootStatusService {
    store: Store,
    deadlines: PhaseDeadlines,
}

impl BootStatusService {
    /// A service that answers from `store`, and calls a node stuck that has missed one of `deadlines`.
    #[must_use]
    pub fn new(store: Store, deadlines: PhaseDeadlines) -> BootStatusService {
        BootStatusService { store, deadlines }
    }
}

#[tonic::async_trait]
impl boot_status_service_server::BootStatusService for BootStatusService {
    #[tracing::instrument(level = "debug", name = "bss.list_boot_status", skip_all)]
    async fn list_boot_status(
        &self,
        request: Request<ListBootStatusRequest>,
    ) -> Result<Response<ListBootStatusResponse>, Status> {
        let mut request = request.into_inner();
        let asked = page::Asked::take(&mut request.page_size, &mut request.page_token);
        let wanted = Wanted::parse(&request)?;
        let (state, now_ms) = (self.store.state(), self.store.cluster_time_ms());
        let page = asked.of(&request, state.cluster_id())?;
        let group = wanted.group(&state)?;
        let found = state.smd.components_after(page.after()).filter_map(|component| {
            let node: Xname = component.id.parse().ok()?;
            let is_wanted = node.is_node() && wanted.has(&node, component, group.as_deref());
            is_wanted.then_some((node, component))
        });
        let (nodes, next_page_token) = page.cut(
            found,
            |(_, component)| &component.id,
            |(node, _)| {
                let newest = state.bss.boot_records(&node);
                status(&node, newest.first(), now_ms, self.deadlines)
            },
        );
        Ok(Response::new(ListBootStatusResponse {
            nodes,
            now_ms,
            revision: state.applied_index(),
            next_page_token,
        }))
    }
}

/// The nodes that are asked for.
struct Wanted {
    sets: Vec<NodeSet>,
    group: Option<GroupLabel>,
}

impl Wanted {
    fn parse(request: &ListBootStatusRequest) -> Result<Wanted, Error> {
        let refused = |problem| rpc::invalid("nodes", problem);
        let mut sets = Vec::new();
        for text in &request.nodes {
            sets.extend(NodeSet::list(text).map_err(refused)?);
            if sets.len() > NODE_SETS_MAX {
                let problem = format!("more than {NODE_SETS_MAX} nodesets are given");
                return Err(rpc::invalid("nodes", problem));
            }
        }
        let group = match request.group.as_str() {
            "" => None,
            text => Some(text.parse().map_err(|problem| rpc::invalid("group", problem))?),
        };
        Ok(Wanted { sets, group })
    }

    fn group(&self, state: &State) -> Result<Option<Arc<Group>>, Error> {
        let Some(label) = &self.group else {
            return Ok(None);
        };
        let label = label.to_string();
        match state.smd.group(&label) {
            Some(group) => Ok(Some(group)),
            None => Err(Error::NotFound {
                kind: "group".to_owned(),
                id: label,
            }),
        }
    }

    fn has(&self, node: &Xname, component: &Component, group: Option<&Group>) -> bool {
        let is_named = self.sets.is_empty() || self.sets.iter().any(|set| set.contains(node));
        is_named && group.is_none_or(|group| is_member(group, &component.id))
    }
}

/// Members are stored sorted.
fn is_member(group: &Group, id: &str) -> bool {
    let ids = group.members.as_ref().map_or(&[][..], |members| &members.ids[..]);
    ids.binary_search_by(|member| member.as_str().cmp(id)).is_ok()
}

/// How far the boot of `newest` has come.
fn status(
    node: &Xname,
    newest: Option<&Arc<BootRecord>>,
    now_ms: u64,
    deadlines: PhaseDeadlines,
) -> BootStatus {
    let nothing = BootStatus {
        node: node.to_string(),
        ..BootStatus::default()
    };
    let Some(record) = newest else { return nothing };
    let known = BootStatus {
        boot_id: record.boot_id.clone(),
        began_at_ms: state::bss::began_ms(record),
        revision: script_revision(record),
        bytes: record.phases.iter().map(|attempt| attempt.bytes).sum(),
        ..nothing
    };
    if record.phoned_home_at_ms > 0 {
        return BootStatus {
            phase: Phase::PhonedHome.into(),
            since_ms: record.phoned_home_at_ms,
            attempts: 1,
            ..known
        };
    }
    let furthest = record.phases.iter().map(|attempt| attempt.phase).max();
    let mut attempts = record
        .phases
        .iter()
        .filter(|attempt| Some(attempt.phase) == furthest);
    let count = attempts.clone().count();
    let Some(first) = attempts.next() else {
        return known;
    };
    let due_at_ms = first
        .at_ms
        .saturating_add(deadlines.time_to_next_ms(first.phase()));
    BootStatus {
        phase: first.phase,
        since_ms: first.at_ms,
        attempts: u32::try_from(count).unwrap_or(u32::MAX),
        due_at_ms,
        stuck: now_ms > due_at_ms,
        member: first.member,
        ..known
    }
}

/// Of the script that the node has got last.
fn script_revision(record: &BootRecord) -> u64 {
    let mut attempts = record.phases.iter();
    let script = attempts.rfind(|attempt| attempt.phase() == Phase::Script);
    script.map_or(0, |script| script.revision)
}

#[cfg(test)]
mod tests {
    use proto::bss::v1::BootPhase;
    use proto::http::v1::{Change, ObjectMeta};

    use super::*;

    const NOW_MS: u64 = 10_000_000;

    fn record(attempts: &[(Phase, u64)]) -> Arc<BootRecord> {
        let phases = attempts.iter().map(|(phase, at_ms)| BootPhase {
            phase: (*phase).into(),
            at_ms: *at_ms,
            bytes: 10,
            revision: *at_ms / 1000,
            member: 1 + at_ms % 3,
            told: false,
        });
        Arc::new(BootRecord {
            boot_id: "b1".into(),
            phases: phases.collect(),
            meta: Some(ObjectMeta {
                created: Some(Change {
                    at_ms: 77,
                    ..Change::default()
                }),
                modified: None,
            }),
            ..BootRecord::default()
        })
    }

    fn of(record: &Arc<BootRecord>) -> BootStatus {
        status(
            &"x0c0s0b0n0".parse().unwrap(),
            Some(record),
            NOW_MS,
            PhaseDeadlines::default(),
        )
    }

    #[test]
    fn the_furthest_phase_counts_whatever_came_last() {
        let shown = of(&record(&[
            (Phase::Offered, 9_000_000),
            (Phase::Script, 9_001_000),
            (Phase::Script, 9_900_000),
            (Phase::MetaData, 9_950_000),
            (Phase::UserData, 9_940_000),
        ]));
        assert_eq!((shown.phase(), shown.since_ms), (Phase::UserData, 9_940_000));
        assert_eq!((shown.attempts, shown.bytes, shown.revision), (1, 50, 9900));
        assert_eq!(shown.began_at_ms, 9_000_000);
        assert!(!shown.stuck);
    }

    /// Trying again is not getting further.
    #[test]
    fn a_node_that_tries_again_and_again_is_stuck() {
        let limit = PhaseDeadlines::default().time_to_next_ms(Phase::Script);
        let stuck = of(&record(&[
            (Phase::Script, NOW_MS - limit - 1),
            (Phase::Script, NOW_MS - 1),
        ]));
        assert_eq!((stuck.stuck, stuck.attempts), (true, 2));
        assert_eq!(stuck.due_at_ms, NOW_MS - 1);
        let in_time = of(&record(&[(Phase::Script, NOW_MS - limit)]));
        assert!(!in_time.stuck);
    }

    #[test]
    fn who_is_home_is_not_stuck() {
        let mut home = record(&[(Phase::Script, 1)]).as_ref().clone();
        home.phoned_home_at_ms = 5;
        let shown = of(&Arc::new(home));
        assert_eq!((shown.phase(), shown.since_ms), (Phase::PhonedHome, 5));
        assert_eq!((shown.stuck, shown.due_at_ms), (false, 0));
    }

    #[test]
    fn of_a_node_that_never_booted_there_is_nothing_to_say() {
        let node: Xname = "x0c0s0b0n0".parse().unwrap();
        let expected = BootStatus {
            node: node.to_string(),
            ..BootStatus::default()
        };
        assert_eq!(status(&node, None, NOW_MS, PhaseDeadlines::default()), expected);
    }
}
