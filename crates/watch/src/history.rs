//! `HistoryService`: what became of one object, and by whom, as far back as is known; and the way back.

use model::{MacAddr, PartitionName, Xname};
use proto::bss::v1::{BssCommand, bss_command};
use proto::raft::v1::entry::Command;
use proto::watch::v1::object::Kind;
use proto::watch::v1::{
    ListChangesRequest, ListChangesResponse, PastChange, RollbackRequest, RollbackResponse,
    history_service_server,
};
use raft::{Past, Revision, Store};
use rpc::{Error, PageScope, invalid};
use state::cluster::FEATURE_LEVEL_BOOT;
use state::{Event, RowKind};
use tonic::{Request, Response, Status};

use crate::sight::Sight;
use crate::{versions, wire};

/// Changes of one answer, if the request names no number.
const PAGE_SIZE_DEFAULT: u32 = 100;
/// Most changes of one answer.
const PAGE_SIZE_MAX: u32 = 1000;
/// How a URL names the one object that has no name.
const DEFAULTS_ID: &str = "cluster-defaults";
/// Bytes of an id that is asked for.
const ID_BYTES_MAX: usize = 512;

/// Answers from the changes that are remembered for watches.
#[derive(Clone, Debug)]
pub struct HistoryService {
    store: Store,
}

impl HistoryService {
    /// A service that answers from `store`.
    #[must_use]
    pub fn new(store: Store) -> HistoryService {
        HistoryService { store }
    }
}

#[tonic::async_trait]
impl history_service_server::HistoryService for HistoryService {
    #[tracing::instrument(level = "debug", name = "watch.list_changes", skip_all)]
    async fn list_changes(
        &self,
        request: Request<ListChangesRequest>,
    ) -> Result<Response<ListChangesResponse>, Status> {
        let ListChangesRequest {
            kind,
            id,
            page_size,
            page_token,
        } = request.get_ref();
        let kind = row_kind(kind)?;
        let sight = Sight::of(&rpc::rights(&request))?;
        sight.check_kind(kind)?;
        let id = normal_id(kind, id)?;
        let scope = PageScope::new(
            self.store.state().cluster_id(),
            wire::name(kind).as_str(),
            id.as_bytes(),
        );
        let before = revision_of(&scope, page_token)?;
        let size = rpc::page::size(*page_size, PAGE_SIZE_DEFAULT, PAGE_SIZE_MAX)?;
        let state = self.store.state();
        if state::revisions::is_kept(kind) && state.feature_level() >= FEATURE_LEVEL_BOOT {
            sight.check_id(kind, &id)?;
            let past = versions::past(&state, kind, &id, before, size);
            let last = past.changes.last().filter(|_| past.more);
            let next_page_token = last.map(|change| scope.token(&change.revision.to_string()));
            return Ok(Response::new(ListChangesResponse {
                changes: past.changes,
                oldest_revision: past.oldest,
                next_page_token: next_page_token.unwrap_or_default(),
            }));
        }
        let is_meant = |event: &Event| {
            event.key().kind() == kind
                && event.object().is_some_and(|object| object.id() == id)
                && sight.shows_whole(event)
        };
        let past = self.store.past(before, size, is_meant).await;
        let last = past
            .changes
            .last()
            .map(|(revision, _)| scope.token(&revision.index.to_string()));
        let next_page_token = last.filter(|_| past.more).unwrap_or_default();
        let Past { changes, oldest, .. } = past;
        let changes = changes
            .iter()
            .filter_map(|(revision, event)| shown(revision, event));
        Ok(Response::new(ListChangesResponse {
            changes: changes.collect(),
            oldest_revision: oldest,
            next_page_token,
        }))
    }

    #[tracing::instrument(name = "watch.rollback", skip_all, fields(kind = ?request.get_ref().kind, id = ?request.get_ref().id))]
    async fn rollback(
        &self,
        request: Request<RollbackRequest>,
    ) -> Result<Response<RollbackResponse>, Status> {
        let author = rpc::author(&request);
        let asked = request.get_ref();
        let kind = row_kind(&asked.kind)?;
        let id = normal_id(kind, &asked.id)?;
        let command = rollback_command(kind, id, asked);
        let committed = self.store.propose_by(&author, command).await?;
        Ok(Response::new(RollbackResponse {
            revision: committed.revision,
        }))
    }
}

fn rollback_command(kind: RowKind, id: String, request: &RollbackRequest) -> Command {
    let rollback = bss_command::Rollback {
        kind: kind as u32,
        id,
        revision: request.revision,
        if_revision: request.if_revision,
    };
    Command::Bss(BssCommand {
        change: Some(bss_command::Change::Rollback(rollback)),
    })
}

fn shown(revision: &Revision, event: &Event) -> Option<PastChange> {
    let change = raft::object_change(event)?;
    Some(PastChange {
        revision: revision.index,
        at_ms: revision.at_ms,
        time: state::time_text(revision.at_ms),
        principal: revision.principal.clone(),
        change: change.change,
        fields: change.fields,
    })
}

/// # Errors
/// `Invalid` naming the kinds that there are.
fn row_kind(text: &str) -> Result<RowKind, Error> {
    let mut watched = RowKind::ALL
        .into_iter()
        .filter(|kind| wire::kind(*kind) != Kind::Unspecified);
    let found = watched
        .clone()
        .find(|kind| wire::name(*kind).eq_ignore_ascii_case(text));
    found.ok_or_else(|| {
        let first = watched.next().map_or_else(String::new, wire::name);
        let accepted = watched.fold(first, |all, kind| format!("{all}, {}", wire::name(kind)));
        invalid("kind", format!("it is no kind of object; use one of {accepted}"))
    })
}

/// The id as it is stored, from any way to write it.
///
/// # Errors
/// `Invalid` for an xname, a MAC or the name of a partition that is none.
fn normal_id(kind: RowKind, text: &str) -> Result<String, Error> {
    if text.len() > ID_BYTES_MAX {
        return Err(invalid("id", format!("it has more than {ID_BYTES_MAX} bytes")));
    }
    let wrong = |problem: model::InvalidValue| invalid("id", problem);
    match kind {
        RowKind::Component
        | RowKind::RedfishEndpoint
        | RowKind::ComponentEndpoint
        | RowKind::HardwareLocation
        | RowKind::NodeMap
        | RowKind::PowerMap
        | RowKind::FirmwareInventory
        | RowKind::Instance
        | RowKind::InstanceInfo => text.parse().map(|id: Xname| id.to_string()).map_err(wrong),
        RowKind::EthernetInterface => text.parse().map(|mac: MacAddr| mac.id()).map_err(wrong),
        RowKind::Group | RowKind::CloudInitGroup | RowKind::Profile => Ok(text.to_ascii_lowercase()),
        RowKind::BootParameters => {
            state::bss::normalise_boot_key(text).map_err(|problem| invalid("id", problem))
        }
        RowKind::ClusterDefaults if ["", DEFAULTS_ID].contains(&text) => Ok(String::new()),
        RowKind::ClusterDefaults => Err(invalid("id", format!("there is one; write `{DEFAULTS_ID}`"))),
        RowKind::Partition => text.parse().map(|name: PartitionName| name.into()).map_err(wrong),
        _ => Ok(text.to_owned()),
    }
}

fn revision_of(scope: &PageScope, token: &str) -> Result<u64, Error> {
    match token {
        "" => Ok(u64::MAX),
        token => {
            let revision = scope.key(token)?.parse();
            revision.map_err(|_| invalid("page_token", "it names no revision"))
        }
    }
}

#[cfg(test)]
mod tests {
    use proto::raft::v1::entry::Command;
    use proto::smd::v1::smd_command::{
        Change, CreateComponents, CreatePartition, DeleteComponents, PatchState,
    };
    use proto::smd::v1::{Component, Partition, SmdCommand, component};
    use proto::watch::v1::history_service_server::HistoryService as _;

    use super::*;

    const NODE: &str = "x0c0s0b0n0";

    async fn propose(store: &Store, principal: &str, change: Change) {
        let command = Command::Smd(SmdCommand { change: Some(change) });
        store.propose(principal, command, None).await.unwrap();
    }

    fn create(id: &str) -> Change {
        let component = Component {
            id: id.into(),
            state: component::State::On.into(),
            ..Component::default()
        };
        Change::CreateComponents(CreateComponents {
            components: vec![component],
            ..CreateComponents::default()
        })
    }

    fn patch(state: component::State) -> Change {
        Change::PatchState(PatchState {
            id: NODE.into(),
            state: state.into(),
            force: true,
            ..PatchState::default()
        })
    }

    /// Created at 1, patched at 3, deleted at 4; another node in between.
    async fn lived() -> Store {
        let store = Store::in_memory();
        propose(&store, "user/ada", create(NODE)).await;
        propose(&store, "user/ada", create("x0c0s1b0n0")).await;
        propose(&store, "user/bob", patch(component::State::Off)).await;
        let delete = DeleteComponents {
            ids: vec![NODE.into()],
            ..DeleteComponents::default()
        };
        propose(&store, "user/eve", Change::DeleteComponents(delete)).await;
        store
    }

    async fn list(store: &Store, request: ListChangesRequest) -> Result<ListChangesResponse, Status> {
        let service = HistoryService::new(store.clone());
        let listed = service.list_changes(Request::new(request)).await;
        listed.map(Response::into_inner)
    }

    fn asking(kind: &str, id: &str) -> ListChangesRequest {
        ListChangesRequest {
            kind: kind.into(),
            id: id.into(),
            ..ListChangesRequest::default()
        }
    }

    /// The one who deleted an object is named although the object is gone.
    #[tokio::test]
    async fn an_objects_life_is_told_backwards_with_who_did_what() {
        let listed = list(&lived().await, asking("component", "X0C0S0B0N00"))
            .await
            .unwrap();
        let told: Vec<_> = listed
            .changes
            .iter()
            .map(|change| (change.revision, change.change.as_str(), change.principal.as_str()))
            .collect();
        let expected = [
            (4, "deleted", "user/eve"),
            (3, "updated", "user/bob"),
            (1, "created", "user/ada"),
        ];
        assert_eq!(told, expected);
        assert_eq!((listed.oldest_revision, listed.next_page_token.as_str()), (0, ""));
        let patched = &listed.changes[1];
        let fields: Vec<_> = patched.fields.iter().map(|field| field.field.as_str()).collect();
        assert_eq!(fields, ["State"]);
        assert!(patched.at_ms > 0 && patched.time == state::time_text(patched.at_ms));
    }

    /// A partition's name has a normal form of its own.
    #[tokio::test]
    async fn a_partition_is_found_however_its_name_is_written() {
        let store = Store::in_memory();
        let partition = Partition {
            name: "p1".into(),
            ..Partition::default()
        };
        let create = CreatePartition {
            partition: Some(partition),
        };
        propose(&store, "user/ada", Change::CreatePartition(create)).await;
        for name in ["p1", "P1", "P01"] {
            let listed = list(&store, asking("partition", name)).await.unwrap();
            assert_eq!(listed.changes.len(), 1, "{name}");
        }
        let error = list(&store, asking("partition", "blue")).await.unwrap_err();
        assert!(error.message().starts_with("id: "), "{error}");
    }

    #[tokio::test]
    async fn pages_together_are_the_whole_life() {
        let store = lived().await;
        let (mut request, mut seen) = (asking("component", NODE), Vec::new());
        request.page_size = 2;
        loop {
            let page = list(&store, request.clone()).await.unwrap();
            seen.push(
                page.changes
                    .iter()
                    .map(|change| change.revision)
                    .collect::<Vec<_>>(),
            );
            if page.next_page_token.is_empty() {
                break;
            }
            request.page_token = page.next_page_token;
        }
        assert_eq!(seen, [vec![4, 3], vec![1]]);
        request.id = "x0c0s1b0n0".into();
        let error = list(&store, request).await.unwrap_err();
        assert!(error.message().starts_with("page_token: "), "{error}");
    }

    #[tokio::test]
    async fn what_cannot_be_meant_is_refused_by_its_field() {
        let store = Store::in_memory();
        for (request, field) in [
            (asking("session", "x"), "kind"),
            (asking("nonsense", "x"), "kind"),
            (asking("component", "nonsense"), "id"),
            (asking("ethernet_interface", "02:00"), "id"),
            (asking("group", &"g".repeat(ID_BYTES_MAX + 1)), "id"),
        ] {
            let error = list(&store, request.clone()).await.unwrap_err();
            assert!(
                error.message().starts_with(&format!("{field}: ")),
                "{request:?}: {error}"
            );
        }
        let error = list(&store, asking("nonsense", "x")).await.unwrap_err();
        assert!(
            error.message().contains("component, ethernet_interface, group"),
            "{error}"
        );
        let mut large = asking("group", "g");
        large.page_size = PAGE_SIZE_MAX + 1;
        assert!(
            list(&store, large)
                .await
                .unwrap_err()
                .message()
                .starts_with("page_size: ")
        );
        assert_eq!(list(&store, asking("group", "never")).await.unwrap().changes, []);
    }
}
