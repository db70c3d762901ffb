//! openraft's own conformance suite for storage, over the real write-ahead log.

use std::sync::{Arc, Mutex};

use openraft::StorageError;
use openraft::testing::log::{StoreBuilder, Suite};
use tempfile::TempDir;

use crate::log_store::LogStore;
use crate::published::Published;
use crate::state_machine::{Start, StateMachine, Unsaved};
use crate::type_config::TypeConfig;
use crate::wal::{Options, RealDisk, Wal};

struct Builder;

impl StoreBuilder<TypeConfig, LogStore, StateMachine, TempDir> for Builder {
    async fn build(&self) -> Result<(TempDir, LogStore, StateMachine), StorageError<TypeConfig>> {
        let folder = tempfile::tempdir().unwrap();
        let (wal, recovered) =
            Wal::open(&folder.path().join("log"), Arc::new(RealDisk), Options::new(1)).unwrap();
        let log = LogStore::new(wal, recovered).unwrap();
        let start = Start::default();
        let published = Published::new(start.state.clone());
        let unsaved = Arc::new(Mutex::new(Unsaved::default()));
        let machine = StateMachine::new(
            start,
            folder.path().to_owned(),
            log.clone(),
            published,
            unsaved,
            Arc::default(),
        );
        Ok((folder, log, machine))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn openrafts_storage_suite_passes() {
    Box::pin(Suite::test_all(Builder)).await.unwrap();
}
