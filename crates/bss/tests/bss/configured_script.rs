//! The boot script of nodes that a boot configuration selects.

use crate::common::{config, configuration, configure, cut_off, from_node, group, put, seeded, xname};
use bss::{BootScriptService, RetryDelay};
use proto::bss::v1::boot_script_service_server::BootScriptService as _;
use proto::bss::v1::{BootConfiguration, GetBootScriptRequest};
use proto::smd::v1::component::Arch;
use raft::Store;

/// What a case makes of a configuration.
type Change = fn(&mut BootConfiguration);

const MAC: &str = "02:00:00:00:00:01";
const CTX: &str = "&ctx=";

async fn ask(store: &Store, request: GetBootScriptRequest) -> String {
    let service = BootScriptService::new(store.clone(), config(RetryDelay::Growing));
    let answer = service
        .get_boot_script(from_node(request, "10.97.3.1", "10.97.0.1"))
        .await;
    String::from_utf8(answer.unwrap().into_inner().data).unwrap()
}

fn by_mac(mac: &str) -> GetBootScriptRequest {
    GetBootScriptRequest {
        mac: mac.to_owned(),
        ..GetBootScriptRequest::default()
    }
}

async fn script(store: &Store) -> String {
    ask(store, by_mac(MAC)).await
}

fn selecting(name: &str, change: fn(&mut BootConfiguration)) -> BootConfiguration {
    let mut selecting = configuration(name);
    change(&mut selecting);
    selecting
}

/// From the least specific to the most: each one that is added wins over all before.
#[tokio::test]
async fn every_class_of_selectors_boots_its_kernel() {
    let store = seeded().await;
    group(&store, "rack", &[&xname(0)]).await;
    let steps: [(&str, Change); 7] = [
        ("default", |c| c.is_default = true),
        ("role", |c| c.roles = vec!["Compute".into()]),
        ("group", |c| c.groups = vec!["rack".into()]),
        ("nodeset", |c| c.hosts = vec!["x0c0s0b0n[0-1]".into()]),
        ("nid", |c| c.nids = vec![1]),
        ("mac", |c| (c.macs, c.priority) = (vec![MAC.into()], Some(60))),
        ("xname", |c| (c.hosts, c.priority) = (vec![xname(0)], Some(70))),
    ];
    for (name, select) in steps {
        configure(&store, selecting(name, select)).await;
        let first =
            format!("#!ipxe\nkernel --name kernel http://c/{name}/k from={name} xname=x0c0s0b0n0 nid=1 ");
        for request in [by_mac(MAC), named(&xname(0)), nid("1")] {
            let text = ask(&store, request).await;
            assert!(text.starts_with(&first), "{name}: {text}");
        }
    }
    let other = ask(&store, by_mac("02:00:00:00:00:04")).await; // a Service node, in no group
    assert!(other.contains("http://c/default/k"), "{other}");
}

fn named(name: &str) -> GetBootScriptRequest {
    GetBootScriptRequest {
        name: name.to_owned(),
        ..GetBootScriptRequest::default()
    }
}

fn nid(nid: &str) -> GetBootScriptRequest {
    GetBootScriptRequest {
        nid: nid.to_owned(),
        ..GetBootScriptRequest::default()
    }
}

/// The whole text: as BSS writes it, without a referral token, and with boot files at the service address.
#[tokio::test]
async fn a_boot_file_is_fetched_from_the_service_address() {
    let store = seeded().await;
    let files = BootConfiguration {
        kernel: "/files/debian/vmlinuz".to_owned(),
        initrd: "/files/debian/initrd".to_owned(),
        params: "console=ttyS0 ds=nocloud;s=http://mine/".to_owned(),
        ..selecting("files", |c| c.is_default = true)
    };
    configure(&store, files).await;
    let text = script(&store).await;
    let (script, retry) = text.split_once(CTX).unwrap();
    assert_eq!(
        script,
        "#!ipxe\nkernel --name kernel http://10.97.0.1:8081/files/debian/vmlinuz initrd=initrd console=ttyS0 \
         ds=nocloud;s=http://mine/ xname=x0c0s0b0n0 nid=1 BOOTIF=01-02-00-00-00-00-01 || goto boot_retry\n\
         initrd --name initrd http://10.97.0.1:8081/files/debian/initrd || goto boot_retry\nboot || goto boot_retry\n\
         :boot_retry\nsleep 2\nchain http://10.97.0.1:8081/boot/v1/bootscript?mac=02:00:00:00:00:01&retry=1"
    );
    assert!(retry.ends_with(" || goto boot_retry_3\n\n"), "{retry}");
}

/// Its kernel, initrd and token are those of the entry that it merges with.
#[tokio::test]
async fn a_merge_adds_to_the_boot_parameters_of_bss() {
    let store = seeded().await;
    put(&store, "Compute", "console=ttyS0 quiet").await;
    let merging = BootConfiguration {
        kernel: String::new(),
        params: "console=ttyS1 debug".to_owned(),
        merge_params: true,
        ..selecting("mine", |c| c.nids = vec![1])
    };
    configure(&store, merging).await;
    let text = script(&store).await;
    assert!(
        text.starts_with(
            "#!ipxe\nkernel --name kernel http://i/Compute/k initrd=initrd quiet console=ttyS1 debug \
             xname=x0c0s0b0n0 nid=1 bss_referral_token="
        ),
        "{text}"
    );
    assert!(text.contains("initrd --name initrd http://i/i "), "{text}");
}

/// What `ochami bss boot params set` sets is what the node gets.
#[tokio::test]
async fn boot_parameters_of_a_node_win_a_tie() {
    let store = seeded().await;
    configure(&store, selecting("mine", |c| c.hosts = vec![xname(0)])).await;
    assert!(script(&store).await.contains("http://c/mine/k"));
    put(&store, &xname(0), "v1").await;
    assert!(
        script(&store)
            .await
            .contains("http://i/x0c0s0b0n0/k initrd=initrd v1 ")
    );
    configure(
        &store,
        selecting("mine", |c| (c.hosts, c.priority) = (vec![xname(0)], Some(51))),
    )
    .await;
    assert!(script(&store).await.contains("http://c/mine/k"));
}

/// The inventory has no architecture: the node is asked, as an unknown one is, and then it boots.
#[tokio::test]
async fn a_node_of_unknown_architecture_is_asked_for_it() {
    let store = seeded().await;
    let arm = BootConfiguration {
        arch: Arch::Arm.into(),
        ..selecting("arm", |c| c.is_default = true)
    };
    configure(&store, arm).await;
    let text = script(&store).await;
    assert!(
        text.starts_with("#!ipxe\nsleep 15\nchain ") && text.contains("&arch=${buildarch}"),
        "{text}"
    );
    let said = |arch: &str| GetBootScriptRequest {
        arch: arch.to_owned(),
        ..by_mac(MAC)
    };
    assert!(ask(&store, said("arm64")).await.contains("http://c/arm/k"));
    put(&store, "Unknown-x86_64", "discover").await;
    assert!(
        ask(&store, said("x86_64"))
            .await
            .contains("http://i/Unknown-x86_64/k")
    );
}

/// A configuration for everybody is for nodes that SMD has.
#[tokio::test]
async fn unknown_nodes_are_asked_for_their_architecture_as_before() {
    let store = seeded().await;
    configure(&store, selecting("all", |c| c.is_default = true)).await;
    configure(
        &store,
        selecting("mac", |c| c.macs = vec!["02:00:00:00:00:99".into()]),
    )
    .await;
    let text = ask(&store, by_mac("02:00:00:00:00:99")).await;
    assert!(text.contains("mac=02:00:00:00:00:99&arch=${buildarch}"), "{text}");
}

/// What a member has it says without the others.
#[tokio::test]
async fn a_configured_node_boots_without_a_majority() {
    let store = seeded().await;
    configure(&store, selecting("all", |c| c.is_default = true)).await;
    assert!(script(&cut_off(&store)).await.contains("http://c/all/k"));
}

/// Without its architecture a configuration for that alone would be passed over in silence.
#[tokio::test]
async fn a_node_is_asked_for_its_architecture_where_that_decides() {
    let store = seeded().await;
    configure(&store, selecting("default", |c| c.is_default = true)).await;
    assert!(
        script(&store).await.contains("http://c/default/k"),
        "nothing depends on it"
    );
    configure(
        &store,
        selecting("arm", |c| (c.hosts, c.arch) = (vec![xname(0)], Arch::Arm.into())),
    )
    .await;
    let text = script(&store).await;
    assert!(
        text.starts_with("#!ipxe\nsleep 15\nchain ") && text.contains("&arch=${buildarch}"),
        "{text}"
    );
    let of = |arch: &str| GetBootScriptRequest {
        arch: arch.to_owned(),
        ..by_mac(MAC)
    };
    let arm = ask(&store, of("arm64")).await;
    assert!(
        arm.contains("http://c/arm/k") && arm.contains("&retry=1&arch=arm64"),
        "{arm}"
    );
    let x86 = ask(&store, of("x86_64")).await;
    assert!(x86.contains("http://c/default/k"), "{x86}");
}
