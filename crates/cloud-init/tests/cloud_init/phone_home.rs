//! Phone-home: an acknowledged write of the caller's own boot record, and nothing else.

use crate::common::{FIRST, NOBODY, SECOND, cut_off, from, seeded, service};
use model::{BootContext, Xname};
use proto::cloud_init::v1::node_data_service_server::NodeDataService as _;
use proto::cloud_init::v1::{NodeDataRequest, PhoneHomeRequest};
use raft::Store;
use tonic::{Code, Status};

fn form(id: &str) -> PhoneHomeRequest {
    PhoneHomeRequest {
        id: id.to_owned(),
        instance_id: "i-00112233445566aa".to_owned(),
        hostname: "de0001".to_owned(),
        pub_key_ed25519: "ssh-ed25519 AAAA root@de0001\n".to_owned(),
        pub_key_rsa: "N/A".to_owned(),
        ..PhoneHomeRequest::default()
    }
}

async fn phone_home(store: &Store, peer: &str, form: PhoneHomeRequest) -> Result<(), Status> {
    service(store).phone_home(from(peer, form)).await.map(|_| ())
}

fn xname() -> Xname {
    "x0c0s0b0n0".parse().unwrap()
}

#[tokio::test]
async fn the_record_is_stored_and_the_component_is_not_touched() {
    let store = seeded().await;
    let component = store.state().smd.component(&xname()).unwrap();
    let context = BootContext {
        revision: 1,
        boot_id: 0xa1,
    };
    phone_home(
        &store,
        FIRST,
        PhoneHomeRequest {
            ctx: context.to_string(),
            ..form("x0c0s0b0n0")
        },
    )
    .await
    .unwrap();
    let state = store.state();
    let records = state.bss.boot_records(&xname());
    let record = &records[0];
    assert_eq!(
        (record.node.as_str(), record.boot_id.as_str()),
        ("x0c0s0b0n0", "00000000000000a1")
    );
    assert_eq!(
        (record.hostname.as_str(), record.address.as_str()),
        ("de0001", FIRST)
    );
    assert_eq!(record.host_keys.len(), 1);
    assert!(record.phoned_home_at_ms > 0);
    let created = record
        .meta
        .as_ref()
        .and_then(|meta| meta.created.as_ref())
        .unwrap();
    assert_eq!(
        (created.principal.as_str(), created.revision),
        ("node/10.97.3.1", state.applied_index())
    );
    assert_eq!(state.smd.component(&xname()).unwrap(), component);
}

/// cloud-init repeats the post until it is answered.
#[tokio::test]
async fn a_repeat_of_the_same_boot_is_one_record() {
    let store = seeded().await;
    let with = |boot_id| PhoneHomeRequest {
        ctx: BootContext { revision: 1, boot_id }.to_string(),
        ..form("x0c0s0b0n0")
    };
    for boot_id in [1, 1, 2] {
        phone_home(&store, FIRST, with(boot_id)).await.unwrap();
    }
    assert_eq!(store.state().bss.boot_records(&xname()).len(), 2);
}

#[tokio::test]
async fn a_node_may_name_itself_by_its_instance_id() {
    let store = seeded().await;
    service(&store)
        .get_meta_data(from(FIRST, NodeDataRequest::default()))
        .await
        .unwrap();
    let instance_id = store
        .state()
        .cloud_init
        .instance(&xname())
        .unwrap()
        .instance_id
        .clone();
    phone_home(&store, FIRST, form(&instance_id)).await.unwrap();
    let other = phone_home(&store, SECOND, form(&instance_id)).await.unwrap_err();
    assert_eq!(other.code(), Code::PermissionDenied);
}

#[tokio::test]
async fn a_node_cannot_report_for_another() {
    let store = seeded().await;
    for id in ["x0c0s0b0n1", "i-0000000000000000", "nonsense", ""] {
        let no = phone_home(&store, FIRST, form(id)).await.unwrap_err();
        assert_eq!(no.code(), Code::PermissionDenied, "{id}");
        assert!(no.message().contains("x0c0s0b0n0"), "{}", no.message());
    }
    assert_eq!(
        phone_home(&store, NOBODY, form("x0c0s0b0n0"))
            .await
            .unwrap_err()
            .code(),
        Code::NotFound
    );
    assert!(store.state().bss.boot_records(&xname()).is_empty());
}

#[tokio::test]
async fn hostile_values_are_refused() {
    let store = seeded().await;
    let hostile = PhoneHomeRequest {
        hostname: "a\nb".to_owned(),
        ..form("x0c0s0b0n0")
    };
    assert_eq!(
        phone_home(&store, FIRST, hostile).await.unwrap_err().code(),
        Code::InvalidArgument
    );
    let huge = PhoneHomeRequest {
        pub_key_rsa: "k".repeat(1 << 20),
        ..form("x0c0s0b0n0")
    };
    assert_eq!(
        phone_home(&store, FIRST, huge).await.unwrap_err().code(),
        Code::InvalidArgument
    );
}

/// The node tries again; it is never told that its record is stored when it is not.
#[tokio::test]
async fn without_a_majority_nothing_is_acknowledged() {
    let store = cut_off(&seeded().await);
    for id in ["x0c0s0b0n0", "i-0000000000000000"] {
        let no = phone_home(&store, FIRST, form(id)).await.unwrap_err();
        assert_eq!(no.code(), Code::Unavailable, "{id}");
    }
}
