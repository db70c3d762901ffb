//! The journals of a store in memory: written, stopped, begun again, asked.

use std::path::Path;

use proto::audit::v1::audit_service_server::AuditService as _;
use proto::audit::v1::{AuditFilter, FollowAuditRecordsRequest, ListAuditRecordsRequest, ListDenialsRequest};
use proto::raft::v1::entry::Command;
use proto::smd::v1::smd_command::{Change, CreateGroup};
use proto::smd::v1::{Group, SmdCommand};
use raft::Store;
use rpc::{Caller, Denials as _, Error, Identity};
use state::State;
use state::cluster::FEATURE_LEVEL_KNOWN;
use tokio_stream::StreamExt as _;
use tonic::Request;

use super::*;
use crate::export::JsonLinesTarget;
use crate::service::Service;

/// Stands in what is set, and must stand in no journal.
const CANARY: &str = "c4n4ry-of-audit";

fn store() -> Store {
    Store::in_memory_recording(State::at_level(FEATURE_LEVEL_KNOWN))
}

fn options(folder: &Path) -> Options {
    Options {
        folder: folder.to_owned(),
        member_id: 2,
        host: "admin2".into(),
        keep_days: 1,
        size_mib_max: 16,
        syslog: None,
        json_lines: Some(JsonLinesTarget::File(folder.join("export.jsonl"))),
    }
}

fn start(store: &Store, folder: &Path) -> Audit {
    let now_ms = {
        let store = store.clone();
        move || store.cluster_time_ms()
    };
    Audit::start(&options(folder), store.ledger().unwrap(), now_ms).unwrap()
}

fn service(store: &Store, audit: &Audit) -> Service {
    Service::new(store.clone(), audit, std::future::pending())
}

async fn create(store: &Store, author: &str, label: &str) {
    let group = Group {
        label: label.to_owned(),
        description: CANARY.to_owned(),
        ..Group::default()
    };
    let create = CreateGroup { group: Some(group) };
    let change = Some(Change::CreateGroup(create));
    let command = Command::Smd(SmdCommand { change });
    store.propose(author, command, None).await.unwrap();
}

fn asked(filter: AuditFilter) -> Request<ListAuditRecordsRequest> {
    Request::new(ListAuditRecordsRequest {
        filter: Some(filter),
        ..ListAuditRecordsRequest::default()
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn an_acknowledged_change_is_in_the_answer() {
    let (folder, store) = (tempfile::tempdir().unwrap(), store());
    let audit = start(&store, folder.path());
    let service = service(&store, &audit);
    for (number, author) in ["user/ada", "user/bob", "user/ada"].into_iter().enumerate() {
        create(&store, author, &format!("group-{number}")).await;
        let filter = AuditFilter {
            object: format!("group-{number}"),
            ..AuditFilter::default()
        };
        let answer = service
            .list_audit_records(asked(filter))
            .await
            .unwrap()
            .into_inner();
        assert_eq!(answer.records.len(), 1, "{answer:?}");
        let record = &answer.records[0];
        assert_eq!(
            (record.author.as_str(), record.command.as_str()),
            (author, "smd.create-group")
        );
        assert_eq!(record.revision, store.state().applied_index());
        assert_eq!(answer.newest_revision, record.revision);
        assert_eq!(answer.member_id, 2);
    }
    audit.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn pages_go_on_where_they_were() {
    let (folder, store) = (tempfile::tempdir().unwrap(), store());
    let audit = start(&store, folder.path());
    let service = service(&store, &audit);
    for number in 0..5 {
        create(&store, "user/ada", &format!("group-{number}")).await;
    }
    let (mut seen, mut token) = (Vec::new(), String::new());
    loop {
        let request = ListAuditRecordsRequest {
            page_size: 2,
            page_token: token,
            ..ListAuditRecordsRequest::default()
        };
        let answer = service
            .list_audit_records(Request::new(request))
            .await
            .unwrap()
            .into_inner();
        seen.extend(answer.records.iter().map(|record| record.revision));
        token = answer.next_page_token;
        if token.is_empty() {
            break;
        }
    }
    assert_eq!(seen, [5, 4, 3, 2, 1]);
    let wrong = ListAuditRecordsRequest {
        page_token: "00".into(),
        ..ListAuditRecordsRequest::default()
    };
    service.list_audit_records(Request::new(wrong)).await.unwrap_err();
    let large = ListAuditRecordsRequest {
        page_size: 1001,
        ..ListAuditRecordsRequest::default()
    };
    service.list_audit_records(Request::new(large)).await.unwrap_err();
    audit.stop().await;
}

/// What is told and written is names; what was set is in neither file.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn what_was_set_is_in_no_file() {
    let (folder, store) = (tempfile::tempdir().unwrap(), store());
    let audit = start(&store, folder.path());
    create(&store, "user/ada", "gpu").await;
    let counters = audit.counters();
    audit.stop().await;
    let end = Instant::now() + Duration::from_secs(20);
    while counters().exports[0].sent == 0 {
        assert!(Instant::now() < end, "{:?}", counters());
        thread::sleep(Duration::from_millis(10));
    }
    let files: Vec<String> = std::fs::read_dir(folder.path())
        .unwrap()
        // how far exports are is written beside and renamed
        .map(|entry| std::fs::read_to_string(entry.unwrap().path()).unwrap_or_default())
        .collect();
    let with_group = files.iter().filter(|text| text.contains("\"object\":\"gpu\""));
    assert_eq!(
        with_group.count(),
        2,
        "the journal and what is exported: {files:?}"
    );
    assert!(files.iter().all(|text| !text.contains(CANARY)), "{files:?}");
}

/// The state goes on, the journal does as well; what happened while nobody wrote is a gap in every answer.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn what_nobody_has_written_is_told_as_a_gap() {
    let (folder, before) = (tempfile::tempdir().unwrap(), store());
    let audit = start(&before, folder.path());
    create(&before, "user/ada", "one").await;
    audit.stop().await;
    create(&before, "user/ada", "two").await; // and the process ends before it is written

    let store = Store::in_memory_recording((*before.state()).clone());
    let audit = start(&store, folder.path());
    create(&store, "user/bob", "three").await;
    let answer = service(&store, &audit)
        .list_audit_records(asked(AuditFilter::default()))
        .await
        .unwrap()
        .into_inner();
    let revisions: Vec<u64> = answer.records.iter().map(|record| record.revision).collect();
    assert_eq!(revisions, [3, 1]);
    assert_eq!(answer.gaps.len(), 1);
    let gap = &answer.gaps[0];
    assert_eq!(
        (gap.after_revision, gap.upto_revision, gap.reason.as_str()),
        (1, 2, "start")
    );
    assert_eq!(audit.counters()().gaps, 1);
    audit.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn who_follows_is_told_what_comes() {
    let (folder, store) = (tempfile::tempdir().unwrap(), store());
    let audit = start(&store, folder.path());
    create(&store, "user/ada", "one").await;
    create(&store, "user/ada", "two").await;
    let filter = AuditFilter {
        after_revision: 1,
        ..AuditFilter::default()
    };
    let request = FollowAuditRecordsRequest { filter: Some(filter) };
    let stream = service(&store, &audit)
        .follow_audit_records(Request::new(request))
        .await;
    let mut stream = stream.unwrap().into_inner();
    create(&store, "user/bob", "three").await;
    let mut seen = Vec::new();
    while seen.len() < 2 {
        let message = tokio::time::timeout(Duration::from_secs(20), stream.next()).await;
        let message = message.unwrap().unwrap().unwrap();
        seen.extend(
            message
                .records
                .into_iter()
                .map(|record| (record.revision, record.author)),
        );
    }
    assert_eq!(seen, [(2, "user/ada".to_owned()), (3, "user/bob".to_owned())]);
    audit.stop().await;
}

/// The guard refuses somebody something.
fn refuse(audit: &Audit, name: &str) {
    let caller = Caller {
        identity: Identity::User {
            name: name.to_owned(),
        },
        ..Caller::anonymous()
    };
    let error = Error::Denied {
        reason: "smd.write is needed".to_owned(),
    };
    audit.denials().refused(&rpc::Denial {
        caller: &caller,
        path: "/a/b",
        error: &error,
    });
}

/// It was handed over, and is in no file: the count must say so.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_denial_that_cannot_be_written_is_counted() {
    let (folder, store) = (tempfile::tempdir().unwrap(), store());
    let journals = folder.path().join("audit");
    let audit = start(&store, &journals);
    std::fs::remove_dir_all(&journals).unwrap();
    std::fs::write(&journals, "in its place").unwrap();
    refuse(&audit, "eve");
    let end = Instant::now() + Duration::from_secs(20);
    while audit.counters()().denials_left_out == 0 {
        assert!(Instant::now() < end, "{:?}", audit.counters()());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(audit.counters()().write_errors > 0);
    audit.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_denial_is_listed_and_numbered_on_after_a_restart() {
    let (folder, store) = (tempfile::tempdir().unwrap(), store());
    let audit = start(&store, folder.path());
    refuse(&audit, "eve");
    audit.stop().await;
    let audit = start(&store, folder.path());
    refuse(&audit, "mallory");
    let service = service(&store, &audit);
    let end = Instant::now() + Duration::from_secs(20);
    let authors = loop {
        let request = Request::new(ListDenialsRequest::default());
        let answer = service.list_denials(request).await.unwrap().into_inner();
        if answer.denials.len() == 2 {
            break answer
                .denials
                .into_iter()
                .map(|denial| denial.author)
                .collect::<Vec<_>>();
        }
        assert!(Instant::now() < end, "{answer:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    assert_eq!(authors, ["user/mallory", "user/eve"]);
    assert_eq!(audit.counters()().denials, 1);
    audit.stop().await;
}

/// A full disk holds up nobody, and what fits is written when there is room again.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_disk_that_refuses_is_tried_again() {
    let (folder, store) = (tempfile::tempdir().unwrap(), store());
    let journals = folder.path().join("journals");
    let audit = start(&store, &journals);
    std::fs::remove_dir_all(&journals).unwrap();
    std::fs::write(&journals, "in its place").unwrap();
    create(&store, "user/ada", "one").await;
    let counters = audit.counters();
    let end = Instant::now() + Duration::from_secs(20);
    while counters().write_errors == 0 {
        assert!(Instant::now() < end, "{:?}", counters());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    std::fs::remove_file(&journals).unwrap();
    std::fs::create_dir(&journals).unwrap();
    while counters().revision == 0 {
        assert!(Instant::now() < end, "{:?}", counters());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!((counters().revision, counters().gaps), (1, 0));
    audit.stop().await;
}
