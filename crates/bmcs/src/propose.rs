//! Discovery's changes of the log.

use proto::discovery::v1::discovery_command::{Change, PutBmcs};
use proto::discovery::v1::{Bmc, DiscoveryCommand};
use proto::raft::v1::entry::Command;
use raft::{Committed, Store};
use rpc::{Author, Error};

/// Who makes the changes that nobody asked for: keys that were seen, state that a BMC told, leases that were followed.
pub(crate) const PRINCIPAL: &str = "cluster/discovery";

pub(crate) async fn propose(store: &Store, author: &Author, change: Change) -> Result<Committed, Error> {
    let command = DiscoveryCommand { change: Some(change) };
    store.propose_by(author, Command::Discovery(command)).await
}

/// The author of what nobody asked for.
pub(crate) fn cluster() -> Author {
    Author::of(PRINCIPAL, None)
}

/// What was seen of BMCs. Fields that are empty stay as they are.
pub(crate) async fn put_bmcs(store: &Store, author: &Author, bmcs: Vec<Bmc>) -> Result<Committed, Error> {
    propose(store, author, Change::PutBmcs(PutBmcs { bmcs })).await
}
