//! An address that goes from one node to another: neither ever gets what is the other's.

use crate::common::{FIRST, SECOND, from, seeded, service, text};
use model::BootContext;
use proto::cloud_init::v1::node_data_service_server::NodeDataService as _;
use proto::cloud_init::v1::{NodeDataRequest, PhoneHomeRequest};
use proto::raft::v1::entry::Command;
use proto::smd::v1::smd_command::{AddIpAddress, Change, DeleteIpAddress};
use proto::smd::v1::{IpAddressMapping, SmdCommand};
use raft::Store;
use tonic::{Code, Status};

const FIRST_ID: &str = "525400123456";
const SECOND_ID: &str = "525400123457";

async fn smd(store: &Store, change: Change) {
    let command = Command::Smd(SmdCommand { change: Some(change) });
    store.propose("user/test", command, None).await.unwrap();
}

/// x0c0s0b0n1 gets the address that x0c0s0b0n0 had.
async fn hand_over(store: &Store) {
    let delete = DeleteIpAddress {
        id: FIRST_ID.into(),
        ip: FIRST.into(),
        ..DeleteIpAddress::default()
    };
    smd(store, Change::DeleteIpAddress(delete)).await;
    let add = AddIpAddress {
        id: SECOND_ID.into(),
        mapping: Some(IpAddressMapping {
            ip_address: FIRST.into(),
            network: String::new(),
        }),
        ..AddIpAddress::default()
    };
    smd(store, Change::AddIpAddress(add)).await;
}

async fn meta_data(store: &Store, peer: &str, context: Option<BootContext>) -> Result<String, Status> {
    let request = NodeDataRequest {
        ctx: context.map(|context| context.to_string()).unwrap_or_default(),
        ..NodeDataRequest::default()
    };
    let answer = service(store).get_meta_data(from(peer, request)).await?;
    Ok(text(Ok(answer)))
}

#[tokio::test]
async fn whoever_has_the_address_now_gets_its_own_data() {
    let store = seeded().await;
    assert!(
        meta_data(&store, FIRST, None)
            .await
            .unwrap()
            .contains("location: x0c0s0b0n0\n")
    );
    hand_over(&store).await;
    for address in [FIRST, SECOND] {
        let document = meta_data(&store, address, None).await.unwrap();
        assert!(document.contains("location: x0c0s0b0n1\n"), "{document}");
    }
}

/// The new holder's script was made after the change, so its URLs say so: a member that has not heard of the change yet
/// would take it for the old holder, and answers neither's data.
#[tokio::test]
async fn a_member_that_has_not_heard_of_the_change_says_nothing() {
    let store = seeded().await;
    meta_data(&store, FIRST, None).await.unwrap(); // its instance-id is stored before the members part
    let behind = Store::in_memory_with(store.state().as_ref().clone());
    hand_over(&store).await;
    let context = BootContext {
        revision: store.state().applied_index(),
        boot_id: 7,
    };
    let refused = meta_data(&behind, FIRST, Some(context)).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unavailable, "{refused}");
    let document = meta_data(&store, FIRST, Some(context)).await.unwrap();
    assert!(document.contains("location: x0c0s0b0n1\n"), "{document}");
}

/// The old holder's URLs, used from the address that is another's now, tell that other's data and nobody else's.
#[tokio::test]
async fn an_old_url_does_not_bring_back_the_old_holder() {
    let store = seeded().await;
    let old = BootContext {
        revision: store.state().applied_index(),
        boot_id: 7,
    };
    hand_over(&store).await;
    let document = meta_data(&store, FIRST, Some(old)).await.unwrap();
    assert!(document.contains("location: x0c0s0b0n1\n"), "{document}");
    let home = PhoneHomeRequest {
        ctx: old.to_string(),
        id: "x0c0s0b0n0".into(),
        ..PhoneHomeRequest::default()
    };
    let refused = service(&store).phone_home(from(FIRST, home)).await.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied, "{refused}");
}
