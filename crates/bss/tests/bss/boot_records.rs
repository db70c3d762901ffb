//! Boot records: newest first, and an honest no for a node that nobody knows.

use crate::common::seeded;
use bss::BootRecordService;
use proto::bss::v1::boot_record_service_server::BootRecordService as _;
use proto::bss::v1::{BootRecord, BssCommand, ListBootRecordsRequest, bss_command};
use proto::raft::v1::entry::Command;
use raft::Store;
use tonic::{Code, Request, Status};

async fn record(store: &Store, node: &str, boot_id: &str) {
    let record = BootRecord {
        node: node.to_owned(),
        boot_id: boot_id.to_owned(),
        ..BootRecord::default()
    };
    let change = Some(bss_command::Change::RecordBoot(bss_command::RecordBoot {
        record: Some(record),
    }));
    store
        .propose("node/test", Command::Bss(BssCommand { change }), None)
        .await
        .unwrap();
}

async fn boot_ids(store: &Store, node: &str) -> Result<Vec<String>, Status> {
    let request = ListBootRecordsRequest {
        node: node.to_owned(),
    };
    let answer = BootRecordService::new(store.clone())
        .list_boot_records(Request::new(request))
        .await?;
    Ok(answer
        .into_inner()
        .records
        .into_iter()
        .map(|record| record.boot_id)
        .collect())
}

#[tokio::test]
async fn the_newest_boot_comes_first() {
    let store = seeded().await;
    record(&store, "x0c0s0b0n0", "a").await;
    record(&store, "x0c0s0b0n1", "other").await;
    record(&store, "x0c0s0b0n0", "b").await;
    assert_eq!(boot_ids(&store, "X0c0s0b0n0").await.unwrap(), ["b", "a"]);
}

#[tokio::test]
async fn a_node_that_never_phoned_home_has_none_and_an_unknown_one_is_an_error() {
    let store = seeded().await;
    assert!(boot_ids(&store, "x0c0s0b0n0").await.unwrap().is_empty());
    assert_eq!(
        boot_ids(&store, "x9c0s0b0n0").await.unwrap_err().code(),
        Code::NotFound
    );
    assert_eq!(
        boot_ids(&store, "nonsense").await.unwrap_err().code(),
        Code::InvalidArgument
    );
}
