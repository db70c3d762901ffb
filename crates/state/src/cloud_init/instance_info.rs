//! What cloud-init is told about one node.

use model::Xname;
use proto::cloud_init::v1::InstanceInfo;
use proto::raft::v1::snapshot_row::Row;

use crate::RowKey;
use crate::table::Record;

impl Record for InstanceInfo {
    type Key = Xname;

    fn row_key(node: &Xname) -> RowKey {
        RowKey::instance_info(node)
    }

    fn key(&self) -> Result<Xname, String> {
        crate::smd::stored_xname(&self.id)
    }

    fn into_row(self) -> Row {
        Row::InstanceInfo(self)
    }
}
