//! What is secret reaches the node that holds its boot's token, and is found nowhere else.

use crate::common::{FIRST, SECOND, add_to_group, cut_off, from, group, seeded, service, text, tokens, urls};
use auth::{Boot, BootTokens, Sealer};
use cloud_init::{GroupService, ImpersonationService, InstanceInfoService, NodeDataService};
use model::BootContext;
use prost::Message as _;
use prost_types::{Struct, Value, value::Kind};
use proto::bss::v1::{BootRecord, BssCommand, bss_command};
use proto::cloud_init::v1::group_service_server::GroupService as _;
use proto::cloud_init::v1::impersonation_service_server::ImpersonationService as _;
use proto::cloud_init::v1::instance_info_service_server::InstanceInfoService as _;
use proto::cloud_init::v1::node_data_service_server::NodeDataService as _;
use proto::cloud_init::v1::*;
use proto::google::api::HttpBody;
use proto::raft::v1::entry::Command;
use raft::Store;
use state::cloud_init::BOOT_TOKEN_KEY;
use tonic::{Code, Request, Response, Status};

/// What is looked for.
const CANARY: &str = "c4n4ry-of-a-group";
/// As it comes out of base64.
const CONFIG: &str = "#cloud-config\npassword: c4n4ry-of-a-group\n";
const BOOT_ID: u64 = 0xbeef;
/// An hour, as a script's token has.
const VALID_FOR_MS: u64 = 60 * 60 * 1000;

fn data(key: &str) -> Option<Struct> {
    let kind = Some(Kind::StringValue(CANARY.to_owned()));
    Some(Struct {
        fields: [(key.to_owned(), Value { kind })].into(),
    })
}

fn secret_group() -> Group {
    Group {
        meta_data: data("group-key"),
        secret: true,
        ..group("compute", CONFIG)
    }
}

fn put() -> Request<PutGroupRequest> {
    from(
        FIRST,
        PutGroupRequest {
            name: "compute".to_owned(),
            group: Some(secret_group()),
            ..PutGroupRequest::default()
        },
    )
}

fn info() -> Request<PutInstanceInfoRequest> {
    let info = InstanceInfo {
        meta_data: data("own-key"),
        secret: true,
        ..InstanceInfo::default()
    };
    from(
        FIRST,
        PutInstanceInfoRequest {
            id: "x0c0s0b0n0".to_owned(),
            info: Some(info),
            ..PutInstanceInfoRequest::default()
        },
    )
}

/// x0c0s0b0n0 is in the secret group `compute`, and has a secret of its own.
async fn with_secrets() -> Store {
    let store = seeded().await;
    add_to_group(&store, "compute").await;
    GroupService::new(store.clone(), tokens().sealer())
        .put_group(put())
        .await
        .unwrap();
    let infos = InstanceInfoService::new(store.clone(), tokens().sealer());
    infos.put_instance_info(info()).await.unwrap();
    store
}

fn token_of(store: &Store, boot_id: u64, expires_at_ms: u64) -> String {
    let key = store.state().cluster.secret(BOOT_TOKEN_KEY).unwrap();
    let boot = Boot {
        xname: "x0c0s0b0n0",
        mac: [0x52, 0x54, 0x00, 0x12, 0x34, 0x56],
        address: FIRST.parse().unwrap(),
        boot_id,
    };
    tokens().mint(&key, &boot, expires_at_ms).unwrap()
}

/// The token of x0c0s0b0n0's boot, as its script has it.
fn token(store: &Store) -> String {
    token_of(store, BOOT_ID, store.cluster_time_ms() + VALID_FOR_MS)
}

fn ctx() -> String {
    BootContext {
        revision: 1,
        boot_id: BOOT_ID,
    }
    .to_string()
}

fn asked(token: &str) -> NodeDataRequest {
    NodeDataRequest {
        ctx: ctx(),
        token: token.to_owned(),
    }
}

fn asked_file(token: &str) -> GroupDataRequest {
    GroupDataRequest {
        ctx: ctx(),
        file: "compute.yaml".to_owned(),
        token: token.to_owned(),
    }
}

type Answer = Result<Response<HttpBody>, Status>;

/// meta-data, vendor-data, the secret file.
async fn documents(store: &Store, peer: &str, token: &str) -> [Answer; 3] {
    let service = service(store);
    [
        service.get_meta_data(from(peer, asked(token))).await,
        service.get_vendor_data(from(peer, asked(token))).await,
        service.get_group_data(from(peer, asked_file(token))).await,
    ]
}

#[tokio::test]
async fn the_holder_of_the_boots_token_is_given_what_is_secret() {
    let store = with_secrets().await;
    let token = token(&store);
    let before = store.state().applied_index();
    for _ in 0..2 {
        let [meta_data, vendor_data, file] = documents(&store, FIRST, &token).await.map(text);
        assert!(
            meta_data.contains("group-key: c4n4ry-of-a-group\n"),
            "{meta_data}"
        );
        assert!(
            meta_data.contains("instance:\n        own-key: c4n4ry-of-a-group\n"),
            "{meta_data}"
        );
        let url = format!("/t/{token}/compute.yaml\n");
        assert!(
            vendor_data.contains(&url) && !vendor_data.contains(CANARY),
            "{vendor_data}"
        );
        let phone_home = vendor_data
            .lines()
            .find(|line| line.contains("phone-home"))
            .unwrap();
        assert!(
            !phone_home.contains(&token),
            "it is written to the node's disk: {phone_home}"
        );
        assert_eq!(file, CONFIG);
    }
    assert_eq!(
        store.state().applied_index(),
        before + 2,
        "a session and an instance-id; a retry writes nothing"
    );
}

/// cloud-init of a node without a token still gets what is not secret, and no URL that would cost it ten tries.
#[tokio::test]
async fn without_a_token_the_rest_is_served() {
    let store = with_secrets().await;
    let [meta_data, vendor_data, file] = documents(&store, FIRST, "").await;
    let (meta_data, vendor_data) = (text(meta_data), text(vendor_data));
    assert!(
        meta_data.contains("groups:\n        compute:\n") && !meta_data.contains(CANARY),
        "{meta_data}"
    );
    assert_eq!(
        meta_data.matches("withheld: it was asked for without").count(),
        2,
        "{meta_data}"
    );
    assert!(!vendor_data.contains("compute.yaml"), "{vendor_data}");
    let no = file.unwrap_err();
    assert_eq!(no.code(), Code::PermissionDenied);
    assert!(no.message().contains("token"), "{}", no.message());
}

#[tokio::test]
async fn no_other_token_peer_or_boot_is_given_anything_secret() {
    let store = with_secrets().await;
    let good = token(&store);
    let now = store.cluster_time_ms();
    let another_boot = token_of(&store, BOOT_ID + 1, now + VALID_FOR_MS);
    let expired = token_of(&store, BOOT_ID, now);
    for bad in ["nonsense", &good[..good.len() - 1], &another_boot, &expired] {
        let [meta_data, vendor_data, file] = documents(&store, FIRST, bad).await;
        let no = file.unwrap_err();
        assert_eq!(no.code(), Code::PermissionDenied, "{bad}: {no:?}");
        let (meta_data, vendor_data) = (text(meta_data), text(vendor_data));
        assert!(meta_data.contains("withheld: ") && !vendor_data.contains("compute.yaml"));
        for told in [no.message(), &meta_data, &vendor_data] {
            assert!(!told.contains(bad) && !told.contains(CANARY), "{told}");
        }
    }
    assert_eq!(
        store
            .state()
            .cloud_init
            .boot_session(&"x0c0s0b0n0".parse().unwrap()),
        None
    );
    // another node with the stolen URL: it has no secrets of its own, and is no member
    let [meta_data, vendor_data, file] = documents(&store, SECOND, &good).await;
    assert!(!text(meta_data).contains(CANARY) && !text(vendor_data).contains("compute.yaml"));
    assert_eq!(file.unwrap_err().code(), Code::NotFound);
}

/// The token itself is good for longer.
#[tokio::test]
async fn a_boot_that_has_phoned_home_is_given_nothing_more() {
    let store = with_secrets().await;
    let token = token(&store);
    text(service(&store).get_meta_data(from(FIRST, asked(&token))).await);
    let record = BootRecord {
        node: "x0c0s0b0n0".to_owned(),
        boot_id: format!("{BOOT_ID:016x}"),
        address: FIRST.to_owned(),
        ..BootRecord::default()
    };
    let change = bss_command::Change::RecordBoot(bss_command::RecordBoot { record: Some(record) });
    let command = Command::Bss(BssCommand { change: Some(change) });
    store.propose("node/x0c0s0b0n0", command, None).await.unwrap();
    let [meta_data, _, file] = documents(&store, FIRST, &token).await;
    let no = file.unwrap_err();
    assert_eq!(no.code(), Code::PermissionDenied);
    assert!(no.message().contains("phoned home"), "{}", no.message());
    let meta_data = text(meta_data);
    assert!(
        meta_data.contains("phoned home") && !meta_data.contains(CANARY),
        "cloud-init that runs once more still finds the node's name: {meta_data}"
    );
}

/// The first use must be known to all members; what is not secret needs nobody.
#[tokio::test]
async fn without_a_majority_the_secret_part_is_503_and_the_rest_is_served() {
    let store = with_secrets().await;
    let token = token(&store);
    text(service(&store).get_meta_data(from(FIRST, asked(""))).await); // it has an instance-id
    let alone = cut_off(&store);
    let [meta_data, vendor_data, file] = documents(&alone, FIRST, &token).await;
    let no = file.unwrap_err();
    assert_eq!(no.code(), Code::Unavailable, "{no:?}");
    assert!(no.metadata().get(rpc::RETRY_AFTER_S).is_some());
    let meta_data = text(meta_data);
    assert!(
        meta_data.contains("withheld: this boot could not be made known")
            && meta_data.contains("local-hostname"),
        "{meta_data}"
    );
    assert!(text(vendor_data).contains("compute.yaml"));
    let service = service(&alone);
    text(service.get_network_config(from(FIRST, asked(&token))).await);
    text(service.get_user_data(from(FIRST, asked(&token))).await);
    text(service.get_meta_data(from(FIRST, asked(""))).await);
    // a session that a majority knows of goes on without it
    text(
        crate::common::service(&store)
            .get_meta_data(from(FIRST, asked(&token)))
            .await,
    );
    let alone = cut_off(&store);
    assert!(
        text(
            crate::common::service(&alone)
                .get_meta_data(from(FIRST, asked(&token)))
                .await
        )
        .contains(CANARY)
    );
}

/// A member that was not granted the key says so, and another one answers.
#[tokio::test]
async fn a_member_without_the_private_key_sends_the_node_elsewhere() {
    let store = with_secrets().await;
    let without = NodeDataService::new(
        store.clone(),
        urls(),
        BootTokens::new(tokens().sealer().seal_only()),
    );
    let token = token(&store);
    let no = without
        .get_group_data(from(FIRST, asked_file(&token)))
        .await
        .unwrap_err();
    assert_eq!(no.code(), Code::Unavailable);
    assert!(no.metadata().get(rpc::RETRY_AFTER_S).is_some());
    let meta_data = text(without.get_meta_data(from(FIRST, asked(&token))).await);
    assert!(
        meta_data.contains("withheld: the member that was asked"),
        "{meta_data}"
    );
    let vendor_data = text(without.get_vendor_data(from(FIRST, asked(&token))).await);
    assert!(
        vendor_data.contains("compute.yaml"),
        "another member will open it: {vendor_data}"
    );
}

/// What an administrator reads, changes and writes back is all there afterwards.
#[tokio::test]
async fn what_is_read_changed_and_written_back_loses_nothing() {
    let store = with_secrets().await;
    let service = GroupService::new(store.clone(), tokens().sealer());
    let get = || {
        Request::new(GetGroupRequest {
            name: "compute".to_owned(),
        })
    };
    let shown = service.get_group(get()).await.unwrap().into_inner();
    assert_eq!(shown.sealed, ["meta-data", "file"]);
    let write = async |group: Group| {
        let request = PutGroupRequest {
            name: "compute".to_owned(),
            group: Some(group),
            ..PutGroupRequest::default()
        };
        service.put_group(from(FIRST, request)).await
    };
    write(Group {
        description: "all of them".to_owned(),
        ..shown.clone()
    })
    .await
    .unwrap();
    // the file alone: the meta-data stay
    let file = "#cloud-config\n# another\n";
    write(Group {
        secret: true,
        ..group("compute", file)
    })
    .await
    .unwrap();
    let [meta_data, _, served] = documents(&store, FIRST, &token(&store)).await.map(text);
    assert!(
        meta_data.contains("group-key: c4n4ry-of-a-group\n"),
        "{meta_data}"
    );
    assert_eq!(served, file);
    let mut renamed = shown;
    renamed.file.as_mut().unwrap().filename = "other.yaml".to_owned();
    let no = write(renamed).await.unwrap_err();
    assert!(no.message().starts_with("file.content: "), "{}", no.message());
}

/// It would go into the log as it is, even though it is refused there.
#[tokio::test]
async fn a_patch_of_what_is_secret_is_refused_before_it_is_proposed() {
    let store = with_secrets().await;
    let service = GroupService::new(store.clone(), tokens().sealer());
    let before = store.state().applied_index();
    let patch = PatchGroupRequest {
        name: "Compute".to_owned(),
        meta_data: data("group-key"),
        ..PatchGroupRequest::default()
    };
    let no = service.patch_group(from(FIRST, patch)).await.unwrap_err();
    assert!(no.message().contains("put it"), "{}", no.message());
    assert_eq!(store.state().applied_index(), before);
}

#[tokio::test]
async fn an_administrator_is_shown_that_it_is_secret_and_not_what() {
    let store = with_secrets().await;
    let service = ImpersonationService::new(store.clone(), urls());
    let shown = async |document: &str| {
        let asked = GetNodeDataRequest {
            id: "x0c0s0b0n0".to_owned(),
            document: document.to_owned(),
            ..GetNodeDataRequest::default()
        };
        service.get_node_data(Request::new(asked)).await
    };
    let meta_data = text(shown("meta-data").await);
    assert!(
        meta_data.contains("withheld: it is given to the node alone") && !meta_data.contains(CANARY),
        "{meta_data}"
    );
    assert!(!text(shown("vendor-data").await).contains("compute.yaml"));
    assert_eq!(
        shown("compute.yaml").await.unwrap_err().code(),
        Code::PermissionDenied
    );
}

#[tokio::test]
async fn what_could_not_be_served_is_refused_before_it_is_sealed() {
    let store = seeded().await;
    let service = GroupService::new(store.clone(), tokens().sealer());
    let put = async |file: GroupFile| {
        let group = Group {
            file: Some(file),
            ..secret_group()
        };
        let request = PutGroupRequest {
            name: "compute".to_owned(),
            group: Some(group),
            ..PutGroupRequest::default()
        };
        service.put_group(from(FIRST, request)).await
    };
    let file = |content: &str, encoding: &str| GroupFile {
        content: content.to_owned(),
        encoding: encoding.to_owned(),
        ..GroupFile::default()
    };
    for wrong in [
        file("#cloud", "base64"),
        file("x", "gzip"),
        file(&"x".repeat(64 << 10), "plain"),
    ] {
        let no = put(wrong).await.unwrap_err();
        assert_eq!(no.code(), Code::InvalidArgument, "{no:?}");
        assert_eq!(no.metadata().get(rpc::HTTP_STATUS).unwrap(), "422");
    }
    put(file("I2Nsb3VkLWNvbmZpZwo=", "base64")).await.unwrap();
}

fn has_canary(bytes: &[u8]) -> bool {
    bytes
        .windows(CANARY.len())
        .any(|window| window == CANARY.as_bytes())
}

/// Rows are what log, snapshot and checkpoint hold; events what watchers are told.
#[tokio::test]
async fn a_secret_is_found_nowhere_and_opens_with_the_key() {
    let store = seeded().await;
    add_to_group(&store, "compute").await;
    let (_, mut watch) = store.watch();
    let groups = GroupService::new(store.clone(), tokens().sealer());
    let infos = InstanceInfoService::new(store.clone(), tokens().sealer());
    let mut seen = Vec::new();
    seen.extend(format!("{:?} {:?} {:?}", put(), info(), secret_group()).into_bytes());
    seen.extend(groups.put_group(put()).await.unwrap().get_ref().encode_to_vec());
    let again = groups
        .create_group(from(FIRST, secret_group()))
        .await
        .unwrap_err();
    seen.extend(format!("{again:?}").into_bytes());
    seen.extend(
        infos
            .put_instance_info(info())
            .await
            .unwrap()
            .get_ref()
            .encode_to_vec(),
    );
    let list = groups
        .list_groups(Request::new(ListGroupsRequest {}))
        .await
        .unwrap();
    seen.extend(list.get_ref().encode_to_vec());
    let get = GetGroupRequest {
        name: "compute".to_owned(),
    };
    seen.extend(
        groups
            .get_group(Request::new(get))
            .await
            .unwrap()
            .get_ref()
            .encode_to_vec(),
    );
    let list = infos
        .list_instance_info(Request::new(ListInstanceInfoRequest::default()))
        .await
        .unwrap();
    assert!(list.get_ref().items[0].secret);
    seen.extend(list.get_ref().encode_to_vec());
    let no = service(&store)
        .get_group_data(from(FIRST, asked_file("x")))
        .await
        .unwrap_err();
    seen.extend(format!("{no:?}").into_bytes());
    seen.extend(text(service(&store).get_meta_data(from(FIRST, asked("x"))).await).into_bytes());
    let node = "x0c0s0b0n0".parse().unwrap();
    let explained = cloud_init::documents(&store.state(), &urls(), &node, store.cluster_time_ms());
    seen.extend(format!("{explained:?}").into_bytes());
    text(
        service(&store)
            .get_meta_data(from(FIRST, asked(&token(&store))))
            .await,
    );
    for row in store.state().rows() {
        seen.extend(row.encode_to_vec());
        seen.extend(format!("{row:?}").into_bytes());
    }
    // until the last thing that was done: the node's instance-id
    loop {
        let told = format!("{:?}", watch.next().await.unwrap());
        seen.extend(told.as_bytes());
        if told.contains("instance_id: \"i-") {
            break;
        }
    }
    assert!(!has_canary(&seen));
    assert!(
        has_canary(&secret_group().encode_to_vec()),
        "what is looked for is found where it is"
    );
    let sealed = store.state().cluster.secret("cloud-init/group/compute").unwrap();
    assert!(has_canary(tokens().sealer().open(&sealed).unwrap().bytes()));
    let others = Sealer::generate().unwrap();
    assert!(others.open(&sealed).is_err());
}
