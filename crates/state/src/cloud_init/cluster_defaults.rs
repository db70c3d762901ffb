//! What cloud-init is told about every node.

use proto::cloud_init::v1::ClusterDefaults;
use proto::raft::v1::snapshot_row::Row;

use crate::RowKey;
use crate::table::Record;

impl Record for ClusterDefaults {
    type Key = ();

    fn row_key((): &()) -> RowKey {
        RowKey::cluster_defaults()
    }

    fn key(&self) -> Result<(), String> {
        Ok(())
    }

    fn into_row(self) -> Row {
        Row::ClusterDefaults(self)
    }
}
