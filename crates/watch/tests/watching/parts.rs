//! A watcher with a part of the system: what he sees is what he is given when it is told, and nothing of what is not his.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use proto::raft::v1::entry::Command;
use proto::smd::v1::smd_command::{
    Change as SmdChange, CreateEthernetInterface, PatchEthernetInterface, RemoveGroupMember,
};
use proto::smd::v1::{EthernetInterface, SmdCommand};
use proto::watch::v1::event::Change;
use proto::watch::v1::history_service_client::HistoryServiceClient;
use proto::watch::v1::object::Kind;
use proto::watch::v1::watch_response::Message;
use proto::watch::v1::watch_service_client::WatchServiceClient;
use proto::watch::v1::{ListChangesRequest, WatchRequest, WatchResponse};
use raft::Store;
use rpc::{Access, Authority, Caller, Error, Guard, Guarded, Identity, Part, Principal, Rules, Scope};
use tokio::sync::watch::{Receiver, channel};
use tonic::service::{Routes, RoutesBuilder};
use tonic::{Code, Request, Streaming};
use tower::Layer as _;

use crate::support::{boot_parameters, delete, from, group, join, put, told};
use crate::{NODE, OTHER};

const AT_MOST: Duration = Duration::from_secs(20);

/// `user/all` reads everything; everybody else watches and reads what is of the members of the group `compute`, but nothing of
/// the boot path.
struct Members(Store);

#[derive(Debug)]
struct Ids(BTreeSet<String>);

impl Part for Ids {
    fn has_component(&self, id: &str) -> bool {
        self.0.contains(id)
    }

    fn has_group(&self, name: &str) -> bool {
        name == "compute"
    }

    fn has_kind(&self, _: u32) -> bool {
        true
    }
}

impl Authority for Members {
    fn authenticate(&self, _: &str) -> Result<Option<Identity>, Error> {
        Ok(None)
    }

    fn access(&self, identity: &Identity, permission: &str) -> Result<Access, Error> {
        let group = self.0.state().smd.group("compute");
        let members = group.and_then(|group| group.members.clone()).unwrap_or_default();
        let part = || Scope::Part(Arc::new(Ids(members.ids.iter().cloned().collect())));
        let scope = match (identity.principal().as_str(), permission) {
            ("user/all", _) => Scope::Everything,
            (_, "watch.read" | "smd.read") => part(),
            (_, other) => {
                return Err(Error::Denied {
                    reason: format!("{other} is needed"),
                });
            }
        };
        Ok(Access { scope, grant: None })
    }

    fn changes(&self) -> Receiver<u64> {
        channel(0).1
    }
}

fn guarded(store: &Store) -> Guarded<Routes> {
    let mut routes = RoutesBuilder::default();
    watch::add_services(&mut routes, store, 1, std::future::pending());
    let rules = Rules::from_descriptor(proto::DESCRIPTOR).unwrap();
    let guard = Guard::new(rules, None, Arc::new(store.clone()));
    guard
        .with_authority(Arc::new(Members(store.clone())))
        .layer(routes.routes())
}

fn of<T>(name: &str, message: T) -> Request<T> {
    let principal = Principal {
        name: name.to_owned(),
        ..Principal::default()
    };
    let mut request = Request::new(message);
    request.extensions_mut().insert(Caller {
        identity: Identity::Known(Arc::new(principal)),
        ..Caller::anonymous()
    });
    request
}

/// A watch of `user/part`, from a revision on.
async fn watched(store: &Store, request: WatchRequest) -> Streaming<WatchResponse> {
    let mut client = WatchServiceClient::new(guarded(store));
    let watch = client.watch(of("user/part", request)).await;
    watch.unwrap().into_inner()
}

async fn next(stream: &mut Streaming<WatchResponse>) -> WatchResponse {
    let message = tokio::time::timeout(AT_MOST, stream.message()).await;
    message.expect("a message in time").unwrap().unwrap()
}

/// Kinds and keys of the state that a watch begins with.
async fn state(stream: &mut Streaming<WatchResponse>) -> Vec<(Kind, String)> {
    let mut seen = Vec::new();
    loop {
        match next(stream).await.message.unwrap() {
            Message::Rows(rows) => {
                let objects = rows.objects.into_iter();
                seen.extend(objects.map(|object| (object.kind(), object.key)));
            }
            Message::SnapshotEnd(_) => return seen,
            other => panic!("{other:?}"),
        }
    }
}

/// Reads until everything up to a revision has been told; gives the events.
async fn upto(stream: &mut Streaming<WatchResponse>, revision: u64) -> Vec<(u64, Change, String)> {
    let mut seen = Vec::new();
    loop {
        let response = next(stream).await;
        if let Some(Message::Events(events)) = &response.message {
            seen.extend(told(&events.events));
        }
        if response.header.unwrap().revision >= revision {
            return seen;
        }
    }
}

fn quick(revision: u64) -> WatchRequest {
    WatchRequest {
        progress_interval_ms: 100,
        ..from(revision)
    }
}

/// Two nodes with boot parameters, of which the first is in the group.
async fn site() -> Store {
    let store = Store::in_memory();
    put(&store, NODE, "").await;
    put(&store, OTHER, "").await;
    group(&store, "compute").await;
    join(&store, "compute", NODE).await;
    boot_parameters(&store, &[NODE, OTHER], "quiet").await;
    store
}

async fn change(store: &Store, change: SmdChange) -> u64 {
    let command = Command::Smd(SmdCommand { change: Some(change) });
    store.propose("user/admin", command, None).await.unwrap().revision
}

#[tokio::test]
async fn a_part_sees_its_part() {
    let store = site().await;
    let mut stream = watched(&store, quick(0)).await;
    let expected = [(Kind::Component, NODE.to_owned())];
    assert_eq!(
        state(&mut stream).await,
        expected,
        "no group, no other node, no boot path"
    );
    put(&store, OTHER, "unseen").await;
    let seen = put(&store, NODE, "seen").await;
    boot_parameters(&store, &[NODE], "unseen").await;
    let gone = delete(&store, OTHER).await;
    let events = upto(&mut stream, gone).await;
    assert_eq!(events, [(seen, Change::Updated, NODE.to_owned())]);
    // asking for more by name gives no more
    let mut asked = quick(0);
    asked.kinds = vec![Kind::BootParameters.into(), Kind::Group.into()];
    let mut stream = watched(&store, asked).await;
    assert_eq!(state(&mut stream).await, []);
}

/// From the change on that makes it a member, and until the one that ends it.
#[tokio::test]
async fn a_group_change_moves_the_part() {
    let store = site().await;
    let begin = store.state().applied_index();
    let mut stream = watched(&store, quick(begin)).await;
    let joined = join(&store, "compute", OTHER).await;
    assert_eq!(upto(&mut stream, joined).await, [], "a group is in no part");
    let seen = put(&store, OTHER, "seen").await;
    assert_eq!(
        upto(&mut stream, seen).await,
        [(seen, Change::Updated, OTHER.to_owned())]
    );
    let remove = RemoveGroupMember {
        label: "compute".to_owned(),
        ids: vec![OTHER.to_owned()],
        ..RemoveGroupMember::default()
    };
    let left = change(&store, SmdChange::RemoveGroupMember(remove)).await;
    upto(&mut stream, left).await;
    let unseen = put(&store, OTHER, "unseen").await;
    assert_eq!(upto(&mut stream, unseen).await, []);
}

/// Whoever keeps a copy must not keep what is another's by now, nor be shown whose it is.
#[tokio::test]
async fn what_leaves_the_part_is_deleted_as_it_was() {
    const MAC: &str = "02:00:00:00:00:01";
    let store = site().await;
    let interface = EthernetInterface {
        mac_address: MAC.to_owned(),
        component_id: NODE.to_owned(),
        ..EthernetInterface::default()
    };
    let create = CreateEthernetInterface {
        interface: Some(interface),
    };
    let begin = change(&store, SmdChange::CreateEthernetInterface(create)).await;
    let mut stream = watched(&store, quick(begin)).await;
    let mv = |to: &str| {
        SmdChange::PatchEthernetInterface(PatchEthernetInterface {
            id: "020000000001".to_owned(),
            component_id: Some(to.to_owned()),
            ..PatchEthernetInterface::default()
        })
    };
    let left = change(&store, mv(OTHER)).await;
    let entered = change(&store, mv(NODE)).await;
    let events = upto(&mut stream, entered).await;
    let key = "020000000001".to_owned();
    assert_eq!(
        events,
        [
            (left, Change::Deleted, key.clone()),
            (entered, Change::Created, key)
        ]
    );
}

/// The history of what is not his says nothing, whether it is there or not; of areas that he may not read he is told so.
#[tokio::test]
async fn a_history_shows_what_a_watch_would() {
    let store = site().await;
    let list = async |name: &str, kind: &str, id: &str| {
        let mut client = HistoryServiceClient::new(guarded(&store));
        let request = ListChangesRequest {
            kind: kind.to_owned(),
            id: id.to_owned(),
            ..ListChangesRequest::default()
        };
        let listed = client.list_changes(of(name, request)).await;
        listed.map(|listed| listed.into_inner().changes.len())
    };
    for (id, changes) in [(NODE, 1), (OTHER, 0), ("x0c0s9b0n0", 0)] {
        assert_eq!(list("user/part", "component", id).await.unwrap(), changes, "{id}");
    }
    assert_eq!(list("user/all", "component", OTHER).await.unwrap(), 1);
    assert_eq!(list("user/part", "group", "compute").await.unwrap(), 0);
    for id in [NODE, OTHER, "nothing"] {
        let refused = list("user/part", "boot_parameters", id).await.unwrap_err();
        assert_eq!(refused.code(), Code::PermissionDenied);
        assert_eq!(
            refused.message(),
            "bss.read is needed for what this request names"
        );
    }
    assert_eq!(list("user/all", "boot_parameters", OTHER).await.unwrap(), 1);
}
