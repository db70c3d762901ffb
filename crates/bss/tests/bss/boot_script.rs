//! What `/boot/v1/bootscript` answers: whole texts, status codes, and what a member without a majority says.

use crate::common::{config, cut_off, from_node, put, seeded, smd, xname};
use bss::{BootScriptService, RetryDelay};
use model::BootContext;
use proto::bss::v1::GetBootScriptRequest;
use proto::bss::v1::boot_script_service_server::BootScriptService as _;
use proto::smd::v1::smd_command;
use raft::Store;
use tonic::{Code, Status};

const MAC: &str = "02:00:00:00:00:01";
const UNKNOWN_MAC: &str = "02:00:00:00:00:99";

async fn ask(store: &Store, delay: RetryDelay, request: GetBootScriptRequest) -> Result<String, Status> {
    let service = BootScriptService::new(store.clone(), config(delay));
    let answer = service
        .get_boot_script(from_node(request, "10.97.3.1", "10.97.0.1"))
        .await?
        .into_inner();
    Ok(String::from_utf8(answer.data).unwrap())
}

async fn script(store: &Store, request: GetBootScriptRequest) -> String {
    ask(store, RetryDelay::Growing, request).await.unwrap()
}

async fn refused(store: &Store, request: GetBootScriptRequest) -> Status {
    ask(store, RetryDelay::Growing, request).await.unwrap_err()
}

fn by_mac(mac: &str) -> GetBootScriptRequest {
    GetBootScriptRequest {
        mac: mac.to_owned(),
        ts: "1700000000".to_owned(),
        ..GetBootScriptRequest::default()
    }
}

fn by_name(name: &str) -> GetBootScriptRequest {
    GetBootScriptRequest {
        name: name.to_owned(),
        ..GetBootScriptRequest::default()
    }
}

fn by_nid(nid: &str) -> GetBootScriptRequest {
    GetBootScriptRequest {
        nid: nid.to_owned(),
        ..GetBootScriptRequest::default()
    }
}

/// A golden text with this store's context and the token of `key`.
fn golden(text: &str, store: &Store, key: &str) -> String {
    let state = store.state();
    let context = BootContext {
        revision: state.applied_index(),
        boot_id: crate::common::BOOT_ID,
    };
    let token = state
        .bss
        .entry(key)
        .map(|entry| entry.referral_token.clone())
        .unwrap_or_default();
    text.replace("<ctx>", &context.to_string())
        .replace("<token>", &token)
}

macro_rules! golden {
    ($store:expr, $key:expr, $file:literal) => {
        golden(include_str!(concat!("golden/", $file)), $store, $key)
    };
}

/// One node, asked for in each way: only the MAC of the question adds `BOOTIF`.
#[tokio::test]
async fn a_known_node_gets_its_script_however_it_is_named() {
    let store = seeded().await;
    put(&store, "x0c0s0b0n0", "console=ttyS0").await;
    let expected = golden!(&store, "x0c0s0b0n0", "by_mac.txt");
    for mac in [MAC, "02-00-00-00-00-01", "020000000001"] {
        assert_eq!(script(&store, by_mac(mac)).await, expected);
    }
    let expected = golden!(&store, "x0c0s0b0n0", "by_name.txt");
    assert_eq!(script(&store, by_name("X0C0S0B0N00")).await, expected);
    for nid in ["1", "0x1", "01", "0b1"] {
        assert_eq!(
            script(&store, by_nid(nid)).await,
            expected,
            "{nid}: BSS reads Go's numbers"
        );
    }
}

#[tokio::test]
async fn a_node_without_an_interface_comes_back_by_name() {
    let store = seeded().await;
    put(&store, "x0c0s0b0n4", "console=ttyS0").await;
    assert_eq!(
        script(&store, by_nid("5")).await,
        golden!(&store, "x0c0s0b0n4", "without_interface.txt")
    );
}

/// How it asks again is the only thing that the number of tries changes.
#[tokio::test]
async fn the_pause_grows_with_the_retries() {
    let store = seeded().await;
    put(&store, "x0c0s0b0n0", "console=ttyS0").await;
    let first = golden!(&store, "x0c0s0b0n0", "by_mac.txt");
    let (above, _) = first.split_once(":boot_retry\n").unwrap();
    for (retry, least) in [(0, 1_u32), (1, 2), (2, 4), (3, 8), (4, 10), (5, 10), (6, 10)] {
        let pause = RetryDelay::Growing.seconds(retry, crate::common::BOOT_ID);
        assert!(
            (least..=least + least.div_ceil(2)).contains(&pause),
            "{pause} s at retry {retry}"
        );
        let request = GetBootScriptRequest {
            retry: retry.to_string(),
            ..by_mac(MAC)
        };
        let text = script(&store, request).await;
        let begins = format!("{above}:boot_retry\nsleep {pause}\nchain ");
        assert!(text.starts_with(&begins), "retry {retry}: {text}");
        let chains: Vec<&str> = text.lines().filter(|line| line.starts_with("chain ")).collect();
        let next = format!("&retry={}&", retry + 1);
        assert!(chains.iter().all(|chain| chain.contains(&next)), "{chains:?}");
        assert_eq!(
            chains.len(),
            if retry < 3 { 3 } else { 5 - retry.min(4) as usize },
            "{text}"
        );
    }
    let nonsense = GetBootScriptRequest {
        retry: "-7x".to_owned(),
        ..by_mac(MAC)
    };
    assert_eq!(script(&store, nonsense).await, first);
}

#[tokio::test]
async fn a_fixed_delay_restores_the_text_of_bss() {
    let store = seeded().await;
    put(&store, "x0c0s0b0n0", "console=ttyS0").await;
    put(&store, "Unknown-x86_64", "discover").await;
    let text = ask(&store, RetryDelay::from_seconds(30), by_mac(MAC))
        .await
        .unwrap();
    assert_eq!(text, golden!(&store, "x0c0s0b0n0", "retry_delay_30.txt"));
    let unknown = GetBootScriptRequest {
        arch: "x86_64".to_owned(),
        ..by_mac(UNKNOWN_MAC)
    };
    let text = ask(&store, RetryDelay::from_seconds(30), unknown).await.unwrap();
    assert_eq!(
        text,
        golden!(&store, "Unknown-x86_64", "unknown_with_arch_delay_30.txt")
    );
}

#[tokio::test]
async fn json_is_the_same_as_an_object() {
    let store = seeded().await;
    put(&store, "x0c0s0b0n0", "console=ttyS0").await;
    let json = |request| GetBootScriptRequest {
        json: "1".to_owned(),
        ..request
    };
    assert_eq!(
        script(&store, json(by_mac(MAC))).await,
        golden!(&store, "x0c0s0b0n0", "json.txt")
    );
    assert_eq!(
        script(&store, json(by_mac(UNKNOWN_MAC))).await,
        golden!(&store, "", "json_unknown.txt")
    );
}

#[tokio::test]
async fn content_types_are_those_of_bss() {
    let store = seeded().await;
    put(&store, "Default", "d").await;
    let service = BootScriptService::new(store, config(RetryDelay::Growing));
    for (json, content_type) in [
        ("", "text/plain; charset=UTF-8"),
        ("1", "application/json; charset=UTF-8"),
    ] {
        let request = GetBootScriptRequest {
            json: json.to_owned(),
            ..by_mac(MAC)
        };
        let answer = service
            .get_boot_script(from_node(request, "10.97.3.1", "10.97.0.1"))
            .await
            .unwrap();
        assert_eq!(answer.get_ref().content_type, content_type);
    }
}

/// `&` and quotes in URLs and parameters must reach the kernel as they are.
#[tokio::test]
async fn nothing_is_escaped() {
    let store = seeded().await;
    put(&store, "Default", "root=live:http://s/i?a=1&b=<2> opt=\"q\"").await;
    let text = script(&store, by_mac(MAC)).await;
    assert!(
        text.contains(" root=live:http://s/i?a=1&b=<2> opt=\"q\" "),
        "{text}"
    );
    let json = GetBootScriptRequest {
        json: "1".to_owned(),
        ..by_mac(MAC)
    };
    assert!(script(&store, json).await.contains("http://s/i?a=1&b=<2>"));
}

/// The order of precedence, read from the top: each line removes the entry that won and asks again.
#[tokio::test]
async fn the_first_of_xname_mac_nid_role_and_default_wins_whole() {
    let store = seeded().await;
    let keys = ["Default", "Compute", "nid1", MAC, "x0c0s0b0n0"];
    let mut winners = Vec::new();
    for key in keys {
        put(&store, key, "p").await;
        for request in [by_mac(MAC), by_name("x0c0s0b0n0"), by_nid("1")] {
            let text = script(&store, request).await;
            let kernel = text
                .split("http://i/")
                .nth(1)
                .and_then(|rest| rest.split('/').next())
                .unwrap()
                .to_owned();
            winners.push(kernel);
        }
    }
    let mut expected: Vec<String> = Vec::new();
    for key in ["Default", "Compute", "nid1"] {
        expected.extend([key, key, key].map(str::to_owned));
    }
    // Both a MAC and a NID entry: the name asked with comes first, then the MAC.
    expected.extend(["020000000001", "020000000001", "nid1"].map(str::to_owned));
    expected.extend(["x0c0s0b0n0"; 3].map(str::to_owned));
    assert_eq!(winners, expected);
    assert!(
        script(&store, by_name("x0c0s0b0n3"))
            .await
            .contains("http://i/Default/"),
        "another role falls through"
    );
}

/// First the node is made to tell its architecture, then it gets the entry for that, or an honest no.
#[tokio::test]
async fn an_unknown_node_is_asked_for_its_architecture_first() {
    let store = seeded().await;
    assert_eq!(
        script(&store, by_mac(UNKNOWN_MAC)).await,
        golden!(&store, "", "unknown_without_arch.txt")
    );
    let with_arch = || GetBootScriptRequest {
        arch: "x86_64".to_owned(),
        ..by_mac(UNKNOWN_MAC)
    };
    let no = refused(&store, with_arch()).await;
    assert_eq!(no.code(), Code::NotFound);
    assert_eq!(
        no.message(),
        "Unknown MAC 02:00:00:00:00:99 architecture x86_64: this host not configured for booting."
    );
    put(&store, "Unknown-x86_64", "discover").await;
    assert_eq!(
        script(&store, with_arch()).await,
        golden!(&store, "Unknown-x86_64", "unknown_with_arch.txt")
    );
}

/// BSS counts a node without a kernel, and one whose place is empty, among the unknown.
#[tokio::test]
async fn a_node_without_a_kernel_is_unknown_too() {
    let store = seeded().await;
    let text = script(&store, by_name("x0c0s0b0n0")).await;
    assert!(
        text.contains(
            "chain http://10.97.0.1:8081/boot/v1/bootscript?mac=02:00:00:00:00:01&arch=${buildarch}"
        ),
        "{text}"
    );
    let text = script(&store, by_nid("5")).await;
    assert!(text.contains("bootscript?name=x0c0s0b0n4&arch="), "{text}");
    let text = script(&store, by_nid("77")).await;
    assert!(text.contains("bootscript?nid=77&arch="), "{text}");
    put(&store, "Default", "d").await;
    let empty = smd_command::PatchState {
        id: xname(0),
        state: proto::smd::v1::component::State::Empty.into(),
        flag: proto::smd::v1::component::Flag::Ok.into(),
        force: true,
        if_revision: None,
    };
    smd(&store, smd_command::Change::PatchState(empty)).await;
    assert!(
        script(&store, by_mac(MAC))
            .await
            .starts_with("#!ipxe\nsleep 15\nchain ")
    );
}

#[tokio::test]
async fn questions_that_name_nobody_or_nonsense_are_bad_requests() {
    let store = seeded().await;
    for request in [
        GetBootScriptRequest::default(),
        by_nid("seven"),
        by_nid("-1"),
        by_nid("08"),
    ] {
        let no = refused(&store, request).await;
        assert_eq!(
            (no.code(), no.message()),
            (Code::InvalidArgument, "Need a mac=, name=, or nid= parameter")
        );
    }
    let hostile = [
        by_mac("x\nreboot"),
        by_name("a\nreboot"),
        by_name("a b"),
        by_name(&"n".repeat(200)),
        GetBootScriptRequest {
            arch: "x86\nreboot".to_owned(),
            ..by_mac(MAC)
        },
        GetBootScriptRequest {
            arch: "a".repeat(100),
            ..by_mac(MAC)
        },
        GetBootScriptRequest {
            ctx: "latest".to_owned(),
            ..by_mac(MAC)
        },
    ];
    for request in hostile {
        let no = refused(&store, request.clone()).await;
        assert_eq!(no.code(), Code::InvalidArgument, "{request:?}");
        assert!(!no.message().contains('\n'), "{}", no.message());
    }
}

/// A retry belongs to the boot that it retries.
#[tokio::test]
async fn the_boot_id_of_the_context_is_kept() {
    let store = seeded().await;
    put(&store, "Default", "d").await;
    let revision = store.state().applied_index();
    let ctx = BootContext {
        revision: 1,
        boot_id: 0xbeef,
    }
    .to_string();
    let text = script(&store, GetBootScriptRequest { ctx, ..by_mac(MAC) }).await;
    let renewed = BootContext {
        revision,
        boot_id: 0xbeef,
    };
    assert!(text.contains(&format!("/cloud-init/b/{renewed}/")), "{text}");
    assert!(text.contains(&format!("&ctx={renewed} ")), "{text}");
}

/// A node never meets older data than it has seen: this member has not applied that revision.
#[tokio::test]
async fn a_member_that_is_behind_says_so() {
    let store = seeded().await;
    put(&store, "Default", "d").await;
    let ctx = BootContext {
        revision: store.state().applied_index() + 1,
        boot_id: 1,
    }
    .to_string();
    let no = refused(&store, GetBootScriptRequest { ctx, ..by_mac(MAC) }).await;
    assert_eq!(no.code(), Code::Unavailable);
    assert_eq!(no.metadata().get(rpc::RETRY_AFTER_S).unwrap(), "1");
}

/// Known nodes boot without a majority; what is not known here may be known elsewhere.
#[tokio::test]
async fn without_a_majority_a_no_becomes_come_back_later() {
    let store = seeded().await;
    put(&store, "x0c0s0b0n0", "console=ttyS0").await;
    let with_majority = script(&store, by_mac(MAC)).await;
    let store = cut_off(&store);
    assert_eq!(script(&store, by_mac(MAC)).await, with_majority);
    let json = GetBootScriptRequest {
        json: "1".to_owned(),
        ..by_mac(UNKNOWN_MAC)
    };
    let arch = GetBootScriptRequest {
        arch: "arm64".to_owned(),
        ..by_mac(UNKNOWN_MAC)
    };
    for request in [
        by_mac(UNKNOWN_MAC),
        arch,
        json,
        by_name("x0c0s0b0n1"),
        by_nid("99"),
    ] {
        let no = refused(&store, request).await;
        assert_eq!(no.code(), Code::Unavailable);
        assert!(no.metadata().get(rpc::RETRY_AFTER_S).is_some());
    }
}

/// Each network has its own service address, and scripts name only those.
#[tokio::test]
async fn the_urls_are_those_of_the_network_that_the_node_is_on() {
    let store = seeded().await;
    put(&store, "Default", "d").await;
    let service = BootScriptService::new(store, config(RetryDelay::Growing));
    let cases = [
        ("10.97.3.1", "10.97.1.1", "http://10.97.0.1:8081/"),
        ("10.99.3.1", "10.99.0.1", "http://10.99.0.1:8081/"),
        // An administrator, over another network: the node's own address decides.
        ("192.0.2.7", "192.0.2.1", "http://10.97.0.1:8081/"),
    ];
    for (peer, local, base) in cases {
        let answer = service
            .get_boot_script(from_node(by_mac(MAC), peer, local))
            .await
            .unwrap()
            .into_inner();
        let text = String::from_utf8(answer.data).unwrap();
        assert!(
            text.contains(&format!("\nchain {base}boot/")) && text.contains(&format!(";s={base}cloud-init/")),
            "{text}"
        );
    }
}

/// Where no service address moves, the node is told every member, and what it fetches elsewhere stays there.
#[tokio::test]
async fn without_a_service_address_a_script_names_every_member() {
    let store = seeded().await;
    put(&store, "Default", "d").await;
    let mut config = config(RetryDelay::Growing);
    let others = vec![
        "http://10.97.0.2:8081".to_owned(),
        "http://10.97.0.3:8081".to_owned(),
    ];
    let urls = config
        .urls
        .as_ref()
        .clone()
        .and_alternatives("http://10.97.0.1:8081", others);
    config.urls = std::sync::Arc::new(urls);
    let service = BootScriptService::new(store, config);
    let answer = service
        .get_boot_script(from_node(by_mac(MAC), "10.97.3.1", "10.97.0.1"))
        .await
        .unwrap()
        .into_inner();
    let text = String::from_utf8(answer.data).unwrap();
    let chains: Vec<&str> = text.lines().filter(|line| line.starts_with("chain ")).collect();
    assert_eq!(chains.len(), 3, "{text}");
    for (chain, label) in chains
        .iter()
        .zip(["boot_retry_2", "boot_retry_3", "boot_retry_3"])
    {
        let tries: Vec<&str> = chain.split(" || ").collect();
        for (tried, member) in tries.iter().zip(1..=3) {
            assert!(
                tried.starts_with(&format!("chain http://10.97.0.{member}:8081/boot/")),
                "{chain}"
            );
        }
        assert_eq!(tries[3..], [format!("goto {label}")]);
    }
    assert_eq!(
        text.matches("http://i/").count(),
        2,
        "the kernel's own host is no member: {text}"
    );
}

/// AWS's documentation has this key; the file that a secret comes from is the daemon's matter.
fn signer() -> bss::S3Signer {
    bss::S3Signer::new(
        "https://s3.example:9000",
        "us-east-1",
        "AKIAIOSFODNN7EXAMPLE",
        "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    )
    .unwrap()
}

async fn put_at_s3(store: &Store) {
    let values = proto::bss::v1::BootParametersEntry {
        params: "root=live:s3://images/root".into(),
        kernel: "s3://images/k".into(),
        initrd: "s3://images/i".into(),
        ..Default::default()
    };
    let replace = proto::bss::v1::bss_command::Replace {
        keys: vec!["Default".into()],
        values: Some(values),
    };
    let change = Some(proto::bss::v1::bss_command::Change::Replace(replace));
    let command = proto::bss::v1::BssCommand { change };
    let command = proto::raft::v1::entry::Command::Bss(command);
    store.propose("user/test", command, None).await.unwrap();
}

/// All three images, in the script and in its JSON; the secret is nowhere.
#[tokio::test]
async fn images_at_s3_are_signed_when_the_script_is_asked_for() {
    let store = seeded().await;
    put_at_s3(&store).await;
    let mut with_signer = config(RetryDelay::Growing);
    with_signer.s3 = Some(std::sync::Arc::new(signer()));
    let service = BootScriptService::new(store.clone(), with_signer);
    for json in ["", "1"] {
        let question = GetBootScriptRequest {
            json: json.to_owned(),
            ..by_mac(MAC)
        };
        let request = from_node(question, "10.97.3.1", "10.97.0.1");
        let answer = service.get_boot_script(request).await.unwrap().into_inner();
        let text = String::from_utf8(answer.data).unwrap();
        assert!(!text.contains("s3://"), "{text}");
        assert!(!text.contains("wJalrXUtnFEMI"), "{text}");
        for image in ["k", "i", "root"] {
            let url = format!("https://s3.example:9000/images/{image}?X-Amz-Algorithm=AWS4-HMAC-SHA256&");
            assert_eq!(text.matches(&url).count(), 1, "{image}: {text}");
        }
        assert_eq!(text.matches("X-Amz-Expires=86400&").count(), 3, "{text}");
    }
}

/// A URL that iPXE does not know would be a boot that fails for a reason that nobody sees.
#[tokio::test]
async fn a_member_without_credentials_sends_no_script_with_images_at_s3() {
    let store = seeded().await;
    put_at_s3(&store).await;
    let no = refused(&store, by_mac(MAC)).await;
    assert_eq!(no.code(), Code::Unavailable);
    assert!(no.message().contains("[bss.s3]"), "{no:?}");
    assert!(no.metadata().get(rpc::RETRY_AFTER_S).is_some());
}
