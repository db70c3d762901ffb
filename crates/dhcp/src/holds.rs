//! The end of holds: an address that has left its node, or a subnet that was deleted, is held until every member has heard of it, and then for one lease more.

use std::time::Duration;

use proto::dhcp::v1::dhcp_command::{Change, ConfirmHeldAddresses};
use raft::Store;

use crate::binder::propose;

/// Pause between two looks. An address is held for a lease at least, so that a second more is nothing.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// While this member leads, tells the log how far all members have come. Never ends. All members count, whatever their roles:
/// the leader does not know who answers DHCP, and one that is down may come back as one that does. Who is gone for good is to
/// be removed.
pub async fn confirm_held_addresses(store: Store) {
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        confirm(&store).await;
    }
}

/// Confirms what all members have heard of, if there is such a thing.
async fn confirm(store: &Store) {
    if !store.leads() {
        return;
    }
    let oldest = store.state().dhcp.unconfirmed_since();
    let Some((oldest, through_revision)) = oldest.zip(store.applied_by_all()) else {
        return;
    };
    if through_revision < oldest {
        return;
    }
    let confirm = Change::ConfirmHeldAddresses(ConfirmHeldAddresses { through_revision });
    if let Err(error) = propose(store, confirm).await {
        tracing::debug!(%error, "dhcp: held addresses were not confirmed");
    }
}

#[cfg(test)]
mod tests {
    use proto::dhcp::v1::dhcp_command::DeleteSubnet;
    use proto::smd::v1::smd_command::{Change as SmdChange, DeleteIpAddress};

    use super::*;
    use crate::testing::{self, NODE};

    #[tokio::test]
    async fn what_all_have_heard_of_is_confirmed_once() {
        let store = testing::world(10, 97).await;
        confirm(&store).await;
        let before = store.state().applied_index();
        let delete = DeleteIpAddress {
            id: NODE.id(),
            ip: "10.97.2.1".into(),
            ..DeleteIpAddress::default()
        };
        testing::smd(&store, SmdChange::DeleteIpAddress(delete)).await;
        assert_eq!(
            store.state().applied_index(),
            before + 1,
            "nothing was to be confirmed before"
        );
        confirm(&store).await;
        let state = store.state();
        let held = state.dhcp.held("10.97.2.1".parse().unwrap(), 0).unwrap();
        assert_eq!(held.ends_at_ms, state.time_ms() + 3_600_000);
        confirm(&store).await;
        assert_eq!(store.state().applied_index(), before + 2);
    }

    /// What leaves its node later is held for as long as leases of the subnet run.
    #[tokio::test]
    async fn a_deleted_subnet_is_confirmed_too() {
        let store = testing::world(10, 97).await;
        let network = "10.97.0.0/16".into();
        testing::dhcp(&store, Change::DeleteSubnet(DeleteSubnet { network })).await;
        assert!(store.state().dhcp.unconfirmed_since().is_some());
        confirm(&store).await;
        assert_eq!(store.state().dhcp.unconfirmed_since(), None);
    }

    #[tokio::test]
    async fn without_a_majority_nothing_is_confirmed() {
        let store = testing::world(10, 97).await;
        let all = DeleteIpAddress {
            id: NODE.id(),
            ip: "10.97.2.1".into(),
            ..DeleteIpAddress::default()
        };
        testing::smd(&store, SmdChange::DeleteIpAddress(all)).await;
        let cut_off = Store::in_memory_without_majority(store.state().as_ref().clone());
        confirm(&cut_off).await;
        assert!(cut_off.state().dhcp.unconfirmed_since().is_some());
    }
}
