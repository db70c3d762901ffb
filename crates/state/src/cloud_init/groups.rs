//! What cloud-init gives the members of a group.

use proto::cloud_init::v1::Group;
use proto::raft::v1::snapshot_row::Row;

use crate::RowKey;
use crate::table::Record;

impl Record for Group {
    type Key = String;

    fn row_key(name: &String) -> RowKey {
        RowKey::cloud_init_group(name)
    }

    fn key(&self) -> Result<String, String> {
        Ok(self.name.clone())
    }

    fn into_row(self) -> Row {
        Row::CloudInitGroup(self)
    }
}
