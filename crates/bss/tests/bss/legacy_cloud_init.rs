//! BSS's own cloud-init: what nodes are told of boot parameters' data, and what their phone-home leaves.

use crate::common::{cut_off, from_node, seeded};
use bss::LegacyCloudInitService;
use prost_types::value::Kind;
use prost_types::{Struct, Value};
use proto::bss::v1::legacy_cloud_init_service_server::LegacyCloudInitService as _;
use proto::bss::v1::{
    BootParametersEntry, BssCommand, CloudInit, LegacyMetaDataRequest, LegacyPhoneHomeRequest,
    LegacyUserDataRequest, bss_command,
};
use proto::google::api::HttpBody;
use proto::raft::v1::entry::Command;
use raft::Store;
use tonic::{Code, Request, Response, Status};

/// x0c0s0b0n0, role Compute, no subrole.
const NODE: &str = "10.97.3.1";

fn text(text: &str) -> Value {
    Value {
        kind: Some(Kind::StringValue(text.to_owned())),
    }
}

fn object<const N: usize>(fields: [(&str, Value); N]) -> Struct {
    Struct {
        fields: fields.map(|(key, value)| (key.to_owned(), value)).into(),
    }
}

fn nested<const N: usize>(fields: [(&str, Value); N]) -> Value {
    Value {
        kind: Some(Kind::StructValue(object(fields))),
    }
}

async fn put(store: &Store, key: &str, meta_data: Option<Struct>, user_data: Option<Struct>) {
    let cloud_init = CloudInit {
        meta_data,
        user_data,
        phone_home: None,
    };
    let values = BootParametersEntry {
        cloud_init: Some(cloud_init),
        ..BootParametersEntry::default()
    };
    let replace = bss_command::Replace {
        keys: vec![key.to_owned()],
        values: Some(values),
    };
    let change = Some(bss_command::Change::Replace(replace));
    let command = Command::Bss(BssCommand { change });
    store.propose("user/test", command, None).await.unwrap();
}

fn of<T>(peer: &str, message: T) -> Request<T> {
    from_node(message, peer, "10.97.0.1")
}

fn shown(answer: Result<Response<HttpBody>, Status>) -> (String, String) {
    let body = answer.unwrap().into_inner();
    (body.content_type, String::from_utf8(body.data).unwrap())
}

async fn meta_data(store: &Store, key: &[&str]) -> Result<Response<HttpBody>, Status> {
    let asked = LegacyMetaDataRequest {
        key: key.iter().map(ToString::to_string).collect(),
    };
    LegacyCloudInitService::new(store.clone())
        .get_meta_data(of(NODE, asked))
        .await
}

#[tokio::test]
async fn meta_data_is_the_entrys_with_global_and_a_stable_instance_id() {
    let store = seeded().await;
    put(&store, "Global", Some(object([("ntp", text("10.97.0.2"))])), None).await;
    put(
        &store,
        "Compute",
        Some(object([("rack", nested([("name", text("r1"))]))])),
        None,
    )
    .await;
    let (kind, first) = shown(meta_data(&store, &[]).await);
    let state = store.state();
    let instance = state.cloud_init.instance(&"x0c0s0b0n0".parse().unwrap()).unwrap();
    let expected = format!(
        "{{\"Global\":{{\"ntp\":\"10.97.0.2\"}},\"instance-id\":\"{}\",\"local-hostname\":\"x0c0s0b0n0\",\
         \"rack\":{{\"name\":\"r1\"}},\"shasta-role\":\"\",\"shasta-type\":\"Compute\"}}\n",
        instance.instance_id
    );
    assert_eq!(
        (kind.as_str(), first.as_str()),
        ("application/json", expected.as_str())
    );
    assert_eq!(
        shown(meta_data(&store, &[]).await).1,
        first,
        "BSS makes up another id each time"
    );
    assert_eq!(shown(meta_data(&cut_off(&store), &[]).await).1, first);
    assert_eq!(
        shown(meta_data(&store, &["Global.ntp", "rack"]).await).1,
        "\"10.97.0.2\"\n"
    );
    assert_eq!(shown(meta_data(&store, &["rack"]).await).1, "{\"name\":\"r1\"}\n");
    for missing in ["Global.dns", "rack.name.first", "nothing", ""] {
        let no = meta_data(&store, &[missing]).await.unwrap_err();
        assert_eq!(
            (no.code(), no.message()),
            (Code::NotFound, "Not Found"),
            "{missing}"
        );
    }
}

#[tokio::test]
async fn user_data_is_a_cloud_config_that_every_reader_reads_alike() {
    let store = seeded().await;
    let answer = async |store: &Store| {
        let service = LegacyCloudInitService::new(store.clone());
        shown(service.get_user_data(of(NODE, LegacyUserDataRequest {})).await)
    };
    assert_eq!(
        answer(&store).await,
        (
            "text/yaml".to_owned(),
            "#cloud-config\n\"local-hostname\": \"x0c0s0b0n0\"\n".to_owned()
        )
    );
    let data = object([
        ("ntp", nested([("enabled", text("no"))])),
        ("local-hostname", text("n1")),
    ]);
    put(&store, "x0c0s0b0n0", None, Some(data)).await;
    assert_eq!(
        answer(&store).await.1,
        "#cloud-config\n\"local-hostname\": \"n1\"\n\"ntp\": {\"enabled\":\"no\"}\n"
    );
}

#[tokio::test]
async fn phone_home_is_stored_as_a_boot_record() {
    let store = seeded().await;
    let form = LegacyPhoneHomeRequest {
        hostname: "n1".to_owned(),
        pub_key_rsa: "ssh-rsa AAAA root@n1\n".to_owned(),
        pub_key_dsa: "N/A".to_owned(),
        ..LegacyPhoneHomeRequest::default()
    };
    let service = LegacyCloudInitService::new(store.clone());
    let (kind, answer) = shown(service.phone_home(of(NODE, form.clone())).await);
    assert_eq!(kind, "application/json; charset=UTF-8");
    assert!(
        answer.contains("\"hosts\":[\"x0c0s0b0n0\"]") && answer.contains("\"hostname\":\"n1\""),
        "{answer}"
    );
    let records = store.state().bss.boot_records(&"x0c0s0b0n0".parse().unwrap());
    let [record] = records.as_slice() else {
        panic!("{records:?}")
    };
    assert_eq!((record.hostname.as_str(), record.address.as_str()), ("n1", NODE));
    let keys: Vec<&str> = record.host_keys.iter().map(|key| key.name.as_str()).collect();
    assert_eq!(keys, ["pub_key_rsa"]);
    let alone = LegacyCloudInitService::new(cut_off(&store));
    assert_eq!(
        alone.phone_home(of(NODE, form)).await.unwrap_err().code(),
        Code::Unavailable
    );
}

/// BSS gives a stranger the data of `Default`, and takes X-Forwarded-For for the peer.
#[tokio::test]
async fn strangers_get_nothing_whatever_they_forward() {
    let store = seeded().await;
    let service = LegacyCloudInitService::new(store.clone());
    let mut asked = of("10.97.3.77", LegacyMetaDataRequest::default());
    asked
        .metadata_mut()
        .insert("x-forwarded-for", NODE.parse().unwrap());
    let no = service.get_meta_data(asked).await.unwrap_err();
    assert_eq!(no.code(), Code::NotFound);
    assert!(no.message().contains("10.97.3.77"), "{}", no.message());
    let alone = LegacyCloudInitService::new(cut_off(&store));
    let unknown = alone
        .get_user_data(of("10.97.3.77", LegacyUserDataRequest {}))
        .await
        .unwrap_err();
    assert_eq!(unknown.code(), Code::Unavailable);
}
