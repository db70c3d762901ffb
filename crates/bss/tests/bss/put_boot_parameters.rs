//! Boot parameters, many at once and conditional: each entry has values and a revision of its own, and nobody's change
//! is lost.

use crate::common::{cut_off, http_status, seeded};
use bss::BootParametersService;
use proto::bss::v1::boot_parameters_service_server::BootParametersService as _;
use proto::bss::v1::{
    BootParameters, GetBootParametersRequest, PutBootParametersRequest, PutBootParametersResponse,
};
use raft::Store;
use tonic::{Code, Request, Status};

const MAC: &str = "02:00:00:00:00:01";

fn service(store: &Store) -> BootParametersService {
    BootParametersService::new(store.clone(), None)
}

fn host(key: &str, params: &str) -> BootParameters {
    BootParameters {
        hosts: vec![key.to_owned()],
        params: params.to_owned(),
        kernel: "http://i/k".to_owned(),
        ..BootParameters::default()
    }
}

async fn put(
    store: &Store,
    entries: Vec<BootParameters>,
    if_revisions: Vec<u64>,
) -> Result<PutBootParametersResponse, Status> {
    let request = PutBootParametersRequest {
        entries,
        if_revisions,
    };
    let answer = service(store).put_boot_parameters(Request::new(request)).await?;
    Ok(answer.into_inner())
}

async fn get(store: &Store, key: &str) -> Result<BootParameters, Status> {
    let request = GetBootParametersRequest { key: key.to_owned() };
    Ok(service(store)
        .get_boot_parameters(Request::new(request))
        .await?
        .into_inner())
}

fn revision(of: &BootParameters) -> u64 {
    of.meta.as_ref().unwrap().modified.as_ref().unwrap().revision
}

fn revision_expected(no: &Status) -> (Code, Option<&str>) {
    let actual = no.metadata().get(rpc::REVISION);
    (no.code(), actual.map(|actual| actual.to_str().unwrap()))
}

/// The same request again changes nothing: no revision, no token.
#[tokio::test]
async fn entries_are_put_with_values_of_their_own_and_only_once() {
    let store = seeded().await;
    let by_mac = BootParameters {
        macs: vec![MAC.to_owned()],
        hosts: Vec::new(),
        ..host("", "by mac")
    };
    let entries = vec![host("Default", "all"), host("x0c0s0b0n1", "one"), by_mac];
    let first = put(&store, entries.clone(), Vec::new()).await.unwrap();
    assert_eq!(first.created, ["Default", "x0c0s0b0n0", "x0c0s0b0n1"]);
    assert_eq!(get(&store, "x0c0s0b0n0").await.unwrap().params, "by mac");
    let token = store.state().bss.entry("Default").unwrap().referral_token.clone();
    let again = put(&store, entries, Vec::new()).await.unwrap();
    assert_eq!(again.unchanged, ["Default", "x0c0s0b0n0", "x0c0s0b0n1"]);
    assert!(again.created.is_empty() && again.updated.is_empty());
    assert_eq!(revision(&get(&store, "default").await.unwrap()), first.revision);
    assert_eq!(store.state().bss.entry("Default").unwrap().referral_token, token);
    let changed = put(
        &store,
        vec![host("Default", "all"), host("x0c0s0b0n1", "new")],
        Vec::new(),
    )
    .await
    .unwrap();
    assert_eq!(
        (changed.unchanged, changed.updated),
        (vec!["Default".to_owned()], vec!["x0c0s0b0n1".to_owned()])
    );
}

#[tokio::test]
async fn each_entry_names_one_node_and_a_bad_one_refuses_them_all() {
    let store = seeded().await;
    let two = BootParameters {
        nids: vec![1],
        ..host("Default", "")
    };
    let none = BootParameters {
        hosts: Vec::new(),
        ..host("", "")
    };
    let broken = host("x0c0s0b0n1", "a\nreboot");
    let at_s3 = BootParameters {
        kernel: "s3://a/k".to_owned(),
        ..host("x0c0s0b0n1", "")
    };
    for (bad, field) in [
        (two, "entries[1].hosts: 2 "),
        (none, "entries[1].hosts: 0 "),
        (broken, "entries[1].params: "),
        (at_s3, "entries[1].kernel: it is at s3://"),
        (host("Default", "b"), "entries[1].key: "),
    ] {
        let no = put(&store, vec![host("Default", "a"), bad], Vec::new())
            .await
            .unwrap_err();
        assert_eq!(no.code(), Code::InvalidArgument);
        assert!(no.message().starts_with(field), "{no:?}");
        assert_eq!(store.state().bss.entries().count(), 0, "{no:?}");
    }
}

/// Each condition is that of its own entry; one that does not hold refuses them all.
#[tokio::test]
async fn conditions_are_checked_entry_by_entry() {
    let store = seeded().await;
    let first = put(
        &store,
        vec![host("Default", "a"), host("Compute", "a")],
        vec![0, 0],
    )
    .await
    .unwrap();
    let at = first.revision;
    let stale = put(
        &store,
        vec![host("Default", "b"), host("Compute", "b")],
        vec![at, at + 1],
    )
    .await
    .unwrap_err();
    assert_eq!(
        revision_expected(&stale),
        (Code::Aborted, Some(at.to_string().as_str()))
    );
    assert_eq!(http_status(&stale).as_deref(), Some("412"));
    assert_eq!(get(&store, "Default").await.unwrap().params, "a");
    let exists = put(&store, vec![host("Default", "b")], vec![0])
        .await
        .unwrap_err();
    assert_eq!(exists.code(), Code::Aborted);
    let uneven = put(&store, vec![host("Default", "b")], vec![at, at])
        .await
        .unwrap_err();
    assert_eq!(uneven.code(), Code::InvalidArgument);
    put(
        &store,
        vec![host("Default", "b"), host("Compute", "b")],
        vec![at, at],
    )
    .await
    .unwrap();
    assert_eq!(get(&store, "Compute").await.unwrap().params, "b");
}

/// Two administrators read the same revision; the second one's change must not undo the first one's.
#[tokio::test]
async fn replace_update_and_delete_respect_the_revision_that_was_seen() {
    let store = seeded().await;
    let service = service(&store);
    put(&store, vec![host("Default", "a")], Vec::new()).await.unwrap();
    let seen = revision(&get(&store, "Default").await.unwrap());
    let at = |if_revision, params: &str| BootParameters {
        if_revision: Some(if_revision),
        ..host("Default", params)
    };
    service
        .replace_boot_parameters(Request::new(at(seen, "b")))
        .await
        .unwrap();
    let now = revision(&get(&store, "Default").await.unwrap());
    for no in [
        service
            .replace_boot_parameters(Request::new(at(seen, "c")))
            .await
            .unwrap_err(),
        service
            .update_boot_parameters(Request::new(at(seen, "c")))
            .await
            .unwrap_err(),
        service
            .delete_boot_parameters(Request::new(BootParameters {
                kernel: String::new(),
                ..at(seen, "")
            }))
            .await
            .unwrap_err(),
    ] {
        assert_eq!(
            revision_expected(&no),
            (Code::Aborted, Some(now.to_string().as_str()))
        );
    }
    assert_eq!(get(&store, "Default").await.unwrap().params, "b");
    service
        .update_boot_parameters(Request::new(at(now, "d")))
        .await
        .unwrap();
    let now = revision(&get(&store, "Default").await.unwrap());
    let kernel_too = service
        .delete_boot_parameters(Request::new(at(now, "")))
        .await
        .unwrap_err();
    assert!(
        kernel_too.message().contains("may be in many"),
        "a kernel is in more than one entry: {kernel_too:?}"
    );
    let delete = BootParameters {
        kernel: String::new(),
        ..at(now, "")
    };
    service
        .delete_boot_parameters(Request::new(delete))
        .await
        .unwrap();
    assert_eq!(get(&store, "Default").await.unwrap_err().code(), Code::NotFound);
}

#[tokio::test]
async fn a_revision_is_that_of_one_entry_that_exists() {
    let store = seeded().await;
    let service = service(&store);
    let two = BootParameters {
        hosts: vec!["Default".into(), "Compute".into()],
        if_revision: Some(1),
        ..host("", "a")
    };
    let no = service
        .replace_boot_parameters(Request::new(two))
        .await
        .unwrap_err();
    assert!(no.message().contains("2 are named"), "{no:?}");
    let create = BootParameters {
        if_revision: Some(1),
        ..host("x0c0s0b0n0", "a")
    };
    let no = service
        .create_boot_parameters(Request::new(create))
        .await
        .unwrap_err();
    assert_eq!(no.code(), Code::InvalidArgument, "{no:?}");
    assert_eq!(store.state().bss.entries().count(), 0);
}

#[tokio::test]
async fn without_a_majority_nothing_is_put() {
    let store = cut_off(&seeded().await);
    let no = put(&store, vec![host("Default", "a")], Vec::new())
        .await
        .unwrap_err();
    assert_eq!(no.code(), Code::Unavailable);
}
