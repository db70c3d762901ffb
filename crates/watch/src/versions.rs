//! The changes of an object whose versions are part of the state.

use proto::raft::v1::ObjectRevision;
use proto::watch::v1::PastChange;
use state::{RowKind, State};

/// Changes of one object, newest first.
pub(crate) struct Past {
    pub(crate) changes: Vec<PastChange>,
    /// Changes up to this revision are not kept; 0: all there were are.
    pub(crate) oldest: u64,
    /// There are earlier ones.
    pub(crate) more: bool,
}

/// Up to `count` changes of an object before the revision `before`.
pub(crate) fn past(state: &State, kind: RowKind, id: &str, before: u64, count: usize) -> Past {
    let versions: Vec<&ObjectRevision> = state.revisions.of(kind, id).map(AsRef::as_ref).collect();
    let oldest = match versions.last() {
        Some(oldest) if oldest.created => 0,
        Some(oldest) => revision(oldest),
        // not changed since versions are kept, or not there at all
        None => state.live_revision(kind, id),
    };
    let earlier = versions.iter().skip(1).map(|version| Some(*version));
    let pairs = versions.iter().zip(earlier.chain([None]));
    // what the oldest version was made of is not known, unless it was made of nothing
    let mut told = pairs
        .filter(|(version, earlier)| earlier.is_some() || version.created)
        .filter(|(version, _)| revision(version) < before);
    let changes = told
        .by_ref()
        .take(count)
        .map(|(version, earlier)| change_of(version, earlier))
        .collect();
    Past {
        changes,
        oldest,
        more: told.next().is_some(),
    }
}

fn change_of(version: &ObjectRevision, earlier: Option<&ObjectRevision>) -> PastChange {
    let bytes = |version: &'_ ObjectRevision| (!version.deleted).then(|| version.object.clone());
    let (before, after) = (earlier.and_then(bytes), bytes(version));
    let change = rpc::object_change(
        version.kind,
        version.id.clone(),
        before.as_deref(),
        after.as_deref(),
    );
    let when = version.change.clone().unwrap_or_default();
    PastChange {
        revision: when.revision,
        at_ms: when.at_ms,
        time: state::time_text(when.at_ms),
        principal: when.principal,
        change: change.change,
        fields: change.fields,
    }
}

fn revision(version: &ObjectRevision) -> u64 {
    version.change.as_ref().map_or(0, |change| change.revision)
}

#[cfg(test)]
mod tests {
    use proto::bss::v1::bss_command::{Change, Delete, Replace};
    use proto::bss::v1::{BootParametersEntry, BssCommand};
    use proto::raft::v1::entry::Command;
    use proto::watch::v1::history_service_server::HistoryService as _;
    use proto::watch::v1::{ListChangesRequest, RollbackRequest};
    use raft::Store;
    use tonic::{Code, Request};

    use super::*;
    use crate::HistoryService;

    async fn propose(store: &Store, principal: &str, change: Change) {
        let command = Command::Bss(BssCommand { change: Some(change) });
        store.propose(principal, command, None).await.unwrap();
    }

    fn replace(kernel: &str) -> Change {
        Change::Replace(Replace {
            keys: vec!["Default".into()],
            values: Some(BootParametersEntry {
                kernel: kernel.into(),
                ..BootParametersEntry::default()
            }),
        })
    }

    /// Created at 1, changed at 2 and 3, deleted at 4.
    async fn lived() -> Store {
        let store = Store::in_memory();
        propose(&store, "user/ada", replace("http://s/1")).await;
        propose(&store, "user/bob", replace("http://s/2")).await;
        propose(&store, "user/bob", replace("http://s/3")).await;
        let delete = Delete {
            keys: vec!["Default".into()],
            ..Delete::default()
        };
        propose(&store, "user/eve", Change::Delete(delete)).await;
        store
    }

    /// The kernel before and after, as a value shows itself.
    fn kernels(change: &PastChange) -> (String, String) {
        let field = change
            .fields
            .iter()
            .find(|field| field.field == "kernel")
            .unwrap();
        (format!("{:?}", field.before), format!("{:?}", field.after))
    }

    #[tokio::test]
    async fn each_change_says_what_it_was_before_and_after() {
        let state = lived().await.state();
        let told = past(&state, RowKind::BootParameters, "Default", u64::MAX, 100);
        assert_eq!((told.oldest, told.more), (0, false));
        let who: Vec<_> = told
            .changes
            .iter()
            .map(|change| (change.revision, change.change.as_str(), change.principal.as_str()))
            .collect();
        let expected = [
            (4, "deleted", "user/eve"),
            (3, "updated", "user/bob"),
            (2, "updated", "user/bob"),
            (1, "created", "user/ada"),
        ];
        assert_eq!(who, expected);
        let (before, after) = kernels(&told.changes[0]);
        assert!(
            before.contains("http://s/3") && after == "None",
            "{before} {after}"
        );
        let (before, after) = kernels(&told.changes[2]);
        assert!(
            before.contains("http://s/1") && after.contains("http://s/2"),
            "{before} {after}"
        );
        let (before, after) = kernels(&told.changes[3]);
        assert!(
            before == "None" && after.contains("http://s/1"),
            "{before} {after}"
        );
    }

    #[tokio::test]
    async fn pages_together_are_all_changes() {
        let store = lived().await;
        let service = HistoryService::new(store);
        let mut request = ListChangesRequest {
            kind: "boot_parameters".into(),
            id: "Default".into(),
            page_size: 3,
            ..ListChangesRequest::default()
        };
        let first = service
            .list_changes(Request::new(request.clone()))
            .await
            .unwrap()
            .into_inner();
        request.page_token = first.next_page_token;
        let second = service
            .list_changes(Request::new(request))
            .await
            .unwrap()
            .into_inner();
        assert_eq!((first.changes.len(), second.changes.len()), (3, 1));
        assert_eq!(second.next_page_token, "");
    }

    #[tokio::test]
    async fn an_object_goes_back_and_says_so() {
        let store = lived().await;
        let service = HistoryService::new(store.clone());
        let mut request = RollbackRequest {
            kind: "boot_parameters".into(),
            id: "Default".into(),
            revision: 2,
            if_revision: Some(3),
        };
        let refused = service.rollback(Request::new(request.clone())).await.unwrap_err();
        assert_eq!(
            refused.code(),
            Code::Aborted,
            "it is deleted, which is revision 0"
        );
        request.if_revision = Some(0);
        let back = service.rollback(Request::new(request.clone())).await.unwrap();
        let entry = store.state().bss.entry("Default").unwrap();
        assert_eq!(entry.kernel, "http://s/2");
        assert_eq!(back.into_inner().revision, store.state().applied_index());
        request = RollbackRequest {
            kind: "component".into(),
            id: "x0c0s0b0n0".into(),
            ..request
        };
        let refused = service.rollback(Request::new(request)).await.unwrap_err();
        assert!(refused.message().starts_with("kind: "), "{refused}");
    }
}
