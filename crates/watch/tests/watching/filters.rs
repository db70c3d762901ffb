//! A watcher sees what it asked for, and everything of it.

use proto::bss::v1::BssCommand;
use proto::raft::v1::entry::Command;
use proto::watch::v1::WatchRequest;
use proto::watch::v1::event::Change;
use proto::watch::v1::object::Kind;
use raft::Store;
use tonic::Code;

use crate::support::{Client, boot_parameters, delete, from, group, join, put, service, told};
use crate::{NODE, OTHER};

/// A store with two nodes, a group with the first, and boot parameters of both; nothing of it in revision 1.
async fn site() -> (Store, u64) {
    let store = Store::in_memory();
    let refused = Command::Bss(BssCommand { change: None });
    store.propose("user/admin", refused, None).await.unwrap_err();
    put(&store, NODE, "").await;
    put(&store, OTHER, "").await;
    group(&store, "compute").await;
    join(&store, "compute", NODE).await;
    let last = boot_parameters(&store, &[NODE, OTHER, "Default"], "quiet").await;
    (store, last)
}

/// Kinds and keys that a watch with this filter shows of the site; the same whether it begins with the state or with
/// the changes.
async fn selected(request: WatchRequest) -> Vec<(Kind, String)> {
    let (store, last) = site().await;
    let service = service(&store);
    let request = WatchRequest {
        progress_interval_ms: 100,
        ..request
    };
    let mut by_state = Client::begin(&service, request.clone()).await.unwrap();
    by_state.state().await;
    let request = WatchRequest {
        from_revision: 1,
        ..request
    };
    let mut by_events = Client::begin(&service, request).await.unwrap();
    by_events.upto(last).await;
    assert_eq!(by_events.copy, by_state.copy);
    let keys = by_state.copy.into_keys();
    keys.map(|(kind, key)| (Kind::try_from(kind).unwrap(), key))
        .collect()
}

fn keys(of: &[(Kind, &str)]) -> Vec<(Kind, String)> {
    of.iter().map(|(kind, key)| (*kind, (*key).to_owned())).collect()
}

#[tokio::test]
async fn without_a_filter_everything_is_shown() {
    assert_eq!(selected(WatchRequest::default()).await.len(), 6);
}

#[tokio::test]
async fn kinds_are_alternatives() {
    let request = WatchRequest {
        kinds: vec![Kind::Group.into(), Kind::Component.into(), Kind::Subnet.into()],
        ..WatchRequest::default()
    };
    let expected = [
        (Kind::Component, NODE),
        (Kind::Component, OTHER),
        (Kind::Group, "compute"),
    ];
    assert_eq!(selected(request).await, keys(&expected));
}

/// An xname stands for all that is at or below it, and `x0c0s1` is not above `x0c0s10`.
#[tokio::test]
async fn xnames_select_a_place_and_everything_in_it() {
    for (xname, expected) in [
        (OTHER, &[OTHER][..]),
        ("x0c0s1b0", &[OTHER]),
        ("X000c0", &[NODE, OTHER]),
        ("s0", &[NODE, OTHER]),
        ("x0c0s10", &[]),
        ("x1", &[]),
    ] {
        let request = WatchRequest {
            xnames: vec![xname.to_owned()],
            ..WatchRequest::default()
        };
        let of = |kind| expected.iter().map(move |id| (kind, *id));
        let expected: Vec<_> = of(Kind::Component).chain(of(Kind::BootParameters)).collect();
        assert_eq!(selected(request).await, keys(&expected), "{xname}");
    }
    let both = WatchRequest {
        xnames: vec!["x0c0s0".into(), "x0c0s1".into(), "x7".into()],
        kinds: vec![Kind::BootParameters.into()],
        ..WatchRequest::default()
    };
    let expected = [(Kind::BootParameters, NODE), (Kind::BootParameters, OTHER)];
    assert_eq!(selected(both).await, keys(&expected));
}

/// What is of the members of a group, from when they join to when they leave.
#[tokio::test]
async fn the_members_of_a_group_are_followed() {
    let (store, last) = site().await;
    let service = service(&store);
    let request = WatchRequest {
        group: "compute".into(),
        progress_interval_ms: 100,
        ..from(0)
    };
    let mut client = Client::begin(&service, request.clone()).await.unwrap();
    assert_eq!(
        client.state().await.len(),
        3,
        "the node, its parameters and the group"
    );
    put(&store, OTHER, "unseen").await;
    let joined = join(&store, "compute", OTHER).await;
    let seen = put(&store, OTHER, "seen").await;
    let gone = delete(&store, NODE).await;
    let expected = [
        (joined, Change::Updated, "compute".to_owned()),
        (seen, Change::Updated, OTHER.to_owned()),
        (gone, Change::Deleted, NODE.to_owned()),
        (gone, Change::Updated, "compute".to_owned()),
    ];
    assert_eq!(told(&client.upto(gone).await), expected);
    // A watch that goes on knows who was a member at its revision, not who is now.
    let request = WatchRequest {
        from_revision: last,
        ..request
    };
    let mut again = Client::begin(&service, request).await.unwrap();
    again.copy = client_copy_at(&service, last, &store).await;
    assert_eq!(told(&again.upto(gone).await), expected);
}

/// What a client knew of the node before the changes, so that its copy can be checked.
async fn client_copy_at(
    service: &watch::Service,
    revision: u64,
    store: &Store,
) -> std::collections::BTreeMap<crate::support::Key, proto::watch::v1::Object> {
    let mut client = Client::begin(service, from(1)).await.unwrap();
    let known = client.upto(store.state().applied_index()).await;
    let before = known.into_iter().filter(|event| event.revision <= revision);
    let objects = before.filter_map(|event| event.object);
    objects
        .map(|object| (crate::support::key(&object), object))
        .collect()
}

/// A mistake in a filter must not look like a quiet cluster.
#[tokio::test]
async fn a_filter_that_cannot_be_meant_is_refused() {
    let store = Store::in_memory();
    let service = service(&store);
    for (field, request) in [
        (
            "kinds",
            WatchRequest {
                kinds: vec![99],
                ..from(0)
            },
        ),
        (
            "kinds",
            WatchRequest {
                kinds: vec![0],
                ..from(0)
            },
        ),
        (
            "kinds",
            WatchRequest {
                kinds: vec![2],
                ..from(0)
            },
        ),
        (
            "kinds",
            WatchRequest {
                kinds: vec![10; 65],
                ..from(0)
            },
        ),
        (
            "xnames",
            WatchRequest {
                xnames: vec!["node1".into()],
                ..from(0)
            },
        ),
        (
            "xnames",
            WatchRequest {
                xnames: vec![NODE.into(); watch::XNAMES_MAX + 1],
                ..from(0)
            },
        ),
        (
            "group",
            WatchRequest {
                group: "no label".into(),
                ..from(0)
            },
        ),
        (
            "progress_interval_ms",
            WatchRequest {
                progress_interval_ms: 99,
                ..from(0)
            },
        ),
        (
            "progress_interval_ms",
            WatchRequest {
                progress_interval_ms: 60_001,
                ..from(0)
            },
        ),
    ] {
        let status = Client::begin(&service, request).await.err().unwrap();
        assert_eq!(status.code(), Code::InvalidArgument, "{status:?}");
        assert!(status.message().starts_with(field), "{status:?}");
    }
}
