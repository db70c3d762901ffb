//! Tokens of boots in scripts, and what a profile puts in their place.

use crate::common::{BOOT_ID, config, from_node, put, seeded, tokens};
use auth::Boot;
use bss::{BootParametersService, BootScriptService, RetryDelay};
use proto::bss::v1::boot_parameters_service_server::BootParametersService as _;
use proto::bss::v1::boot_script_service_server::BootScriptService as _;
use proto::bss::v1::{BootParameters, GetBootScriptRequest};
use proto::cloud_init::v1::cloud_init_command::{Change, PutGroup, PutProfile};
use proto::cloud_init::v1::{CloudInitCommand, Group, Profile};
use proto::raft::v1::entry::Command;
use raft::Store;
use state::cloud_init::{BOOT_TOKEN_KEY, group_secret};

const OWN: &str = "http://10.97.0.1:8081/cloud-init/b/";

async fn cloud_init(store: &Store, change: Change) {
    let command = Command::CloudInit(CloudInitCommand { change: Some(change) });
    store.propose("user/test", command, None).await.unwrap();
}

/// A cluster with something secret, so that it has the key of tokens.
async fn with_key() -> Store {
    let store = seeded().await;
    put(&store, "Default", "quiet").await;
    let group = Group {
        name: "munge".to_owned(),
        secret: true,
        ..Group::default()
    };
    let put = PutGroup {
        group: Some(group),
        sealed: Some(tokens().sealer().seal(&group_secret("munge"), 1, b"x").unwrap()),
        token_key: Some(tokens().new_key(BOOT_TOKEN_KEY).unwrap()),
        ..PutGroup::default()
    };
    cloud_init(&store, Change::PutGroup(put)).await;
    store
}

/// The script of 02:00:00:00:00:01 (x0c0s0b0n0, 10.97.3.1) as whoever is at `peer` gets it.
async fn script(store: &Store, peer: &str) -> String {
    let service = BootScriptService::new(store.clone(), config(RetryDelay::Growing)).with_tokens(tokens());
    let asked = GetBootScriptRequest {
        mac: "02:00:00:00:00:01".to_owned(),
        ..GetBootScriptRequest::default()
    };
    let answer = service.get_boot_script(from_node(asked, peer, "10.97.0.1")).await;
    String::from_utf8(answer.unwrap().into_inner().data).unwrap()
}

fn data_source(script: &str) -> &str {
    script.split(' ').find(|word| word.starts_with("ds=")).unwrap()
}

#[tokio::test]
async fn the_node_at_its_own_address_is_given_a_token() {
    let store = with_key().await;
    let text = script(&store, "10.97.3.1").await;
    let word = data_source(&text);
    let token = word.trim_end_matches('/').rsplit_once("/t/").unwrap().1;
    assert!(
        word.starts_with(&format!("ds=nocloud-net;s={OWN}")) && word.ends_with('/'),
        "{word}"
    );
    let boot = Boot {
        xname: "x0c0s0b0n0",
        mac: [2, 0, 0, 0, 0, 1],
        address: "10.97.3.1".parse().unwrap(),
        boot_id: BOOT_ID,
    };
    let key = store.state().cluster.secret(BOOT_TOKEN_KEY).unwrap();
    tokens()
        .verify(&key, &boot, token, store.cluster_time_ms())
        .unwrap();
    assert_eq!(
        text.matches(token).count(),
        1,
        "the URL of the next try has none: {text}"
    );
}

/// Whoever asks for the script of another node may read it, and gets nothing that opens its secrets.
#[tokio::test]
async fn nobody_else_is_given_one() {
    let store = with_key().await;
    for peer in ["10.97.3.2", "10.97.3.200", "127.0.0.1"] {
        let text = script(&store, peer).await;
        assert!(!data_source(&text).contains("/t/"), "{peer}: {text}");
    }
    let store = seeded().await;
    put(&store, "Default", "quiet").await;
    let text = script(&store, "10.97.3.1").await;
    assert!(!data_source(&text).contains("/t/"), "nothing is secret: {text}");
}

#[tokio::test]
async fn an_explicit_data_source_of_ours_gets_the_token_and_another_does_not() {
    let store = with_key().await;
    put(
        &store,
        "x0c0s0b0n0",
        "ds=nocloud;s=http://10.97.0.1:8081/cloud-init ro",
    )
    .await;
    let text = script(&store, "10.97.3.1").await;
    assert!(
        text.contains(&format!(" ds=nocloud;s={OWN}")) && text.contains("/t/"),
        "{text}"
    );
    assert_eq!(text.matches("ds=").count(), 1, "{text}");
    let text = script(&store, "10.97.3.2").await;
    assert!(
        text.contains(" ds=nocloud;s=http://10.97.0.1:8081/cloud-init ro"),
        "{text}"
    );
    put(&store, "x0c0s0b0n0", "ds=nocloud;s=http://elsewhere/ ro").await;
    let text = script(&store, "10.97.3.1").await;
    assert!(
        text.contains(" ds=nocloud;s=http://elsewhere/ ro") && !text.contains("/t/"),
        "{text}"
    );
}

#[tokio::test]
async fn parameters_that_send_nodes_elsewhere_are_stored_with_a_warning() {
    let urls = config(RetryDelay::Growing).urls;
    let service = BootParametersService::new(seeded().await, None).with_urls(urls);
    let warning = async |params: &str| {
        let body = BootParameters {
            hosts: vec!["x0c0s0b0n0".to_owned()],
            params: params.to_owned(),
            kernel: "http://i/k".to_owned(),
            ..BootParameters::default()
        };
        let answer = service
            .replace_boot_parameters(from_node(body, "127.0.0.1", "127.0.0.1"))
            .await;
        let answer = answer.unwrap();
        let value = answer.metadata().get("http-header-warning");
        value.map(|value| value.to_str().unwrap().to_owned())
    };
    let elsewhere = warning("ds=nocloud;s=http://elsewhere/").await.unwrap();
    assert!(elsewhere.starts_with("299 chamois \"ds= "), "{elsewhere}");
    for fine in ["quiet", "ds=nocloud;s=http://10.97.0.1:8081/cloud-init/"] {
        assert_eq!(warning(fine).await, None, "{fine}");
    }
}

/// Only what the profile names differs, and only for its nodes.
#[tokio::test]
async fn a_profile_changes_the_script_of_its_nodes() {
    let store = seeded().await;
    put(&store, "Default", "quiet").await;
    let before = script(&store, "10.97.3.1").await;
    let profile = |nodes: &[&str], kernel: &str| Profile {
        name: "test".to_owned(),
        nodes: nodes.iter().map(ToString::to_string).collect(),
        kernel: kernel.to_owned(),
        ..Profile::default()
    };
    let put_profile = |profile| {
        Change::PutProfile(PutProfile {
            profile: Some(profile),
            ..PutProfile::default()
        })
    };
    let without_context = |text: &str| {
        let words = text
            .split([' ', '&'])
            .filter(|word| !word.contains("/b/") && !word.starts_with("ctx="));
        words.collect::<Vec<_>>().join(" ")
    };
    cloud_init(&store, put_profile(profile(&["x0c0s0b0n0"], "http://i/tried"))).await;
    let tried = script(&store, "10.97.3.1").await;
    assert_eq!(
        without_context(&tried),
        without_context(&before.replace("http://i/Default/k", "http://i/tried"))
    );
    cloud_init(&store, put_profile(profile(&["x0c0s0b0n1"], "http://i/tried"))).await;
    assert_eq!(
        without_context(&script(&store, "10.97.3.1").await),
        without_context(&before)
    );
}
