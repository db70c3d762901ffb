//! What files of other programs say that a node boots is what its script says, for the same state.

use bss::{BootScriptService, RetryDelay};
use configurator::{Boot, Inventory, View};
use proto::boot_file::v1::Image;
use proto::bss::v1::boot_script_service_server::BootScriptService as _;
use proto::bss::v1::{BootConfiguration, GetBootScriptRequest};
use raft::Store;
use rpc::Rights;

use crate::common::{add_image, config, configuration, configure, from_node, group, put, seeded, xname};

/// Where boot files are for who asks.
const SERVICE: &str = "http://10.97.0.1:8081";

/// What `configurator` says of a node, made of what a watch would tell.
fn told(store: &Store, node: &str) -> Option<Boot> {
    let state = store.state();
    let mut inventory = Inventory::new("demo");
    let objects = watch::visible(&state, &Rights::default(), "watch.read", Inventory::KINDS).unwrap();
    objects.into_iter().for_each(|object| inventory.put(object));
    let nodes = View::of(&inventory).nodes;
    nodes.into_iter().find(|found| found.xname == node).unwrap().boot
}

/// Kernel, initrd and the kernel's command line of its script.
async fn scripted(store: &Store, node: &str) -> (String, String, String) {
    let service = BootScriptService::new(store.clone(), config(RetryDelay::Growing));
    let request = GetBootScriptRequest {
        name: node.to_owned(),
        json: "1".to_owned(),
        ..GetBootScriptRequest::default()
    };
    let answer = service
        .get_boot_script(from_node(request, "10.97.3.1", "10.97.0.1"))
        .await;
    let script: serde_json::Value = serde_json::from_slice(&answer.unwrap().into_inner().data).unwrap();
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    (
        text(&script["kernel"]["path"]),
        text(&script["initrd"]["path"]),
        text(&script["params"]),
    )
}

/// Both say the same, and it is `kernel`, `initrd` and `params` (as they are stored).
async fn check(store: &Store, node: &str, kernel: &str, initrd: &str, params: &str) {
    let boot = told(store, node).unwrap();
    let said = (boot.kernel.as_str(), boot.initrd.as_str(), boot.params.as_str());
    assert_eq!(said, (kernel, initrd, params), "{node}");
    let fetched = |url: &str| match url.starts_with("/files/") {
        true => format!("{SERVICE}{url}"),
        false => url.to_owned(),
    };
    let script = scripted(store, node).await;
    assert_eq!(script.0, fetched(kernel), "{node}");
    assert_eq!(script.1, fetched(initrd), "{node}");
    let begins = match initrd {
        "" => format!("kernel {params} xname={node} "),
        _ => format!("kernel initrd=initrd {params} xname={node} "),
    };
    assert!(script.2.starts_with(&begins), "{node}: {} {begins}", script.2);
}

/// Nodes 0 to 2 are Compute, 3 is Service. Each configuration that is added wins over those before.
#[tokio::test]
async fn the_configuration_that_wins_is_the_one_of_the_script() {
    let store = seeded().await;
    group(&store, "rack", &[&xname(0), &xname(1)]).await;
    let all = BootConfiguration {
        is_default: true,
        ..configuration("all")
    };
    configure(&store, all).await;
    check(&store, &xname(3), "http://c/all/k", "", "from=all").await;
    let of_group = BootConfiguration {
        groups: vec!["rack".to_owned()],
        initrd: "http://c/i".to_owned(),
        ..configuration("of-group")
    };
    configure(&store, of_group).await;
    let of_xname = BootConfiguration {
        hosts: vec![xname(0)],
        priority: Some(0),
        ..configuration("of-xname")
    };
    configure(&store, of_xname).await;
    check(&store, &xname(0), "http://c/of-xname/k", "", "from=of-xname").await;
    check(
        &store,
        &xname(1),
        "http://c/of-group/k",
        "http://c/i",
        "from=of-group",
    )
    .await;
    check(&store, &xname(2), "http://c/all/k", "", "from=all").await;
    put(&store, "Compute", "v1").await;
    check(&store, &xname(2), "http://i/Compute/k", "http://i/i", "v1").await;
    check(&store, &xname(3), "http://c/all/k", "", "from=all").await;
}

#[tokio::test]
async fn parameters_are_merged_as_for_the_script() {
    let store = seeded().await;
    put(&store, "Default", "console=ttyS0 quiet").await;
    let merging = BootConfiguration {
        hosts: vec!["x0c0s0b0n[0-1]".to_owned()],
        kernel: String::new(),
        params: "console=ttyS1 debug".to_owned(),
        merge_params: true,
        ..configuration("merging")
    };
    configure(&store, merging).await;
    let kernel = "http://i/Default/k";
    check(
        &store,
        &xname(0),
        kernel,
        "http://i/i",
        "quiet console=ttyS1 debug",
    )
    .await;
    check(&store, &xname(2), kernel, "http://i/i", "console=ttyS0 quiet").await;
}

#[tokio::test]
async fn an_image_is_its_parts_and_its_parameters() {
    let store = seeded().await;
    let debian = Image {
        name: "debian".to_owned(),
        arch: "x86_64".to_owned(),
        params: "root=live:http://s/r console=tty0".to_owned(),
        ..Image::default()
    };
    add_image(&store, debian, &["kernel", "initrd"]).await;
    let of_image = BootConfiguration {
        image: "debian".to_owned(),
        kernel: String::new(),
        params: "console=ttyS0".to_owned(),
        is_default: true,
        ..configuration("of-image")
    };
    configure(&store, of_image).await;
    let params = "root=live:http://s/r console=ttyS0";
    check(
        &store,
        &xname(0),
        "/files/debian/kernel",
        "/files/debian/initrd",
        params,
    )
    .await;
}

#[tokio::test]
async fn who_boots_nothing_has_nothing() {
    let store = seeded().await;
    assert_eq!(told(&store, &xname(0)), None);
    let of_other = BootConfiguration {
        nids: vec![2],
        ..configuration("other")
    };
    configure(&store, of_other).await;
    assert_eq!(told(&store, &xname(0)), None);
    check(&store, &xname(1), "http://c/other/k", "", "from=other").await;
}
