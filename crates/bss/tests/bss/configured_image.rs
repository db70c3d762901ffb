//! Boot configurations that name an image: the script of their nodes, what explains it, and what is refused.

use crate::common::{add_image, config, configuration, configure, from_node, seeded, xname};
use bss::{
    BootConfigurationService, BootExplainService, BootScriptService, BootServiceService, RetryDelay,
    phase_of_file,
};
use proto::boot_file::v1::Image;
use proto::bss::v1::boot_configuration_service_server::BootConfigurationService as _;
use proto::bss::v1::boot_explain_service_server::BootExplainService as _;
use proto::bss::v1::boot_phase::Phase;
use proto::bss::v1::boot_script_service_server::BootScriptService as _;
use proto::bss::v1::boot_service_service_server::BootServiceService as _;
use proto::bss::v1::{
    BootConfiguration, BootConfigurationSpec, BootConfigurationSpecPatch, BootExplanation,
    CreateBootConfigurationRequest, ExplainBootRequest, GetBootScriptRequest,
    PatchBootConfigurationResourceRequest, ReplaceBootConfigurationResourceRequest,
};
use proto::cloud_init::v1::cloud_init_command::{Change, PutProfile};
use proto::cloud_init::v1::{CloudInitCommand, Profile};
use proto::raft::v1::entry::Command;
use proto::smd::v1::component::{Arch, State};
use proto::smd::v1::{Component, smd_command};
use raft::Store;
use tonic::{Code, Request, Response, Status};

const UNSIGNED: &[&str] = &["kernel", "initrd"];
const SIGNED: &[&str] = &["kernel", "initrd", "kernel_signature", "initrd_signature"];

/// A system whose nodes all boot the image `debian` of these parts.
async fn booting(parts: &[&str]) -> Store {
    let store = seeded().await;
    let debian = Image {
        name: "debian".to_owned(),
        arch: "x86_64".to_owned(),
        params: "root=live:http://s/r console=tty0".to_owned(),
        ..Image::default()
    };
    add_image(&store, debian, parts).await;
    configure(&store, of_image("debian")).await;
    store
}

fn of_image(image: &str) -> BootConfiguration {
    BootConfiguration {
        image: image.to_owned(),
        kernel: String::new(),
        params: "console=ttyS0 debug".to_owned(),
        is_default: true,
        ..configuration("all")
    }
}

async fn script(store: &Store) -> String {
    let service = BootScriptService::new(store.clone(), config(RetryDelay::Growing));
    let request = GetBootScriptRequest {
        mac: "02:00:00:00:00:01".to_owned(),
        ..GetBootScriptRequest::default()
    };
    let answer = service
        .get_boot_script(from_node(request, "10.97.3.1", "10.97.0.1"))
        .await;
    String::from_utf8(answer.unwrap().into_inner().data).unwrap()
}

/// A golden text with this store's context.
fn golden(text: &str, store: &Store) -> String {
    let context = model::BootContext {
        revision: store.state().applied_index(),
        boot_id: crate::common::BOOT_ID,
    };
    text.replace("<ctx>", &context.to_string())
}

async fn explain(store: &Store, node: &str, arch: &str) -> BootExplanation {
    let service = BootExplainService::new(store.clone(), config(RetryDelay::Growing));
    let request = ExplainBootRequest {
        node: node.to_owned(),
        arch: arch.to_owned(),
    };
    let answer = service.explain_boot(Request::new(request)).await;
    answer.unwrap().into_inner()
}

async fn create(store: &Store, configuration: BootConfiguration) -> Result<BootConfiguration, Status> {
    let service = BootConfigurationService::new(store.clone(), config(RetryDelay::Growing));
    let request = CreateBootConfigurationRequest {
        configuration: Some(configuration),
    };
    let created = service.create_boot_configuration(Request::new(request)).await;
    created.map(Response::into_inner)
}

#[tokio::test]
async fn the_script_boots_the_image_from_the_service_address() {
    let store = booting(UNSIGNED).await;
    let expected = golden(include_str!("golden/image.txt"), &store);
    assert_eq!(script(&store).await, expected);
}

#[tokio::test]
async fn what_is_signed_is_checked_before_it_is_booted() {
    let store = booting(SIGNED).await;
    let expected = golden(include_str!("golden/signed_image.txt"), &store);
    assert_eq!(script(&store).await, expected);
}

/// Which image, what of it is checked, and which word is whose.
#[tokio::test]
async fn explain_names_the_image_and_whose_word_is_which() {
    let store = booting(SIGNED).await;
    let explained = explain(&store, &xname(0), "").await;
    assert_eq!(explained.image, "debian");
    assert_eq!(explained.verified, ["kernel", "initrd"]);
    assert_eq!(explained.kernel, "/files/debian/kernel");
    assert_eq!(explained.initrd, "/files/debian/initrd");
    let words: Vec<(&str, &str)> = explained
        .params
        .iter()
        .map(|param| (param.word.as_str(), param.from.as_str()))
        .collect();
    assert_eq!(
        words,
        [
            ("root=live:http://s/r", "image debian"),
            ("console=ttyS0", "all"),
            ("debug", "all")
        ]
    );
    assert!(
        explained.script.contains("\nimgverify kernel "),
        "{}",
        explained.script
    );
    assert_eq!(explained.image_problem, "");
    let arm = explain(&store, &xname(0), "arm64").await;
    assert_eq!(
        arm.image_problem,
        "the image debian is for x86_64, and this node is ARM"
    );
    configure(
        &store,
        BootConfiguration {
            is_default: true,
            ..configuration("all")
        },
    )
    .await;
    let plain = explain(&store, &xname(0), "arm64").await;
    assert_eq!(
        (
            plain.image.as_str(),
            plain.verified.len(),
            plain.image_problem.as_str()
        ),
        ("", 0, "")
    );
}

/// The timeline knows the kernel of an image when a node fetches it; a signature is none.
#[tokio::test]
async fn the_files_of_an_image_are_phases_of_the_boot() {
    let store = booting(SIGNED).await;
    let state = store.state();
    let phase = |path| phase_of_file(&state, &xname(0).parse().unwrap(), path);
    assert_eq!(phase("/files/debian/kernel"), Some(Phase::Kernel));
    assert_eq!(phase("/files/debian/initrd"), Some(Phase::Initrd));
    assert_eq!(phase("/files/debian/kernel_signature"), None);
}

#[tokio::test]
async fn an_image_that_is_missing_or_given_with_a_kernel_is_refused_by_its_field() {
    let store = booting(UNSIGNED).await;
    let both = BootConfiguration {
        kernel: "http://i/k".to_owned(),
        ..of_image("debian")
    };
    for wrong in [both, of_image("fedora"), of_image("a/b")] {
        let wrong = BootConfiguration {
            name: "other".to_owned(),
            ..wrong
        };
        let refused = create(&store, wrong).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument, "{refused}");
        assert!(refused.message().starts_with("image: "), "{refused}");
    }
}

/// A node that is selected and could not run it is named before it fails to boot.
#[tokio::test]
async fn an_image_for_another_architecture_than_a_selected_nodes_is_refused() {
    let store = booting(UNSIGNED).await;
    let arm = smd_command::CreateComponents {
        components: vec![Component {
            id: "x0c0s7b0n0".to_owned(),
            r#type: "Node".to_owned(),
            state: State::On.into(),
            arch: Arch::Arm.into(),
            nid: Some(70),
            ..Component::default()
        }],
        ..Default::default()
    };
    crate::common::smd(&store, smd_command::Change::CreateComponents(arm)).await;
    let other = BootConfiguration {
        name: "other".to_owned(),
        ..of_image("debian")
    };
    let refused = create(&store, other.clone()).await.unwrap_err();
    assert_eq!(
        refused.message(),
        "image: x0c0s7b0n0 is ARM, and the image debian is for x86_64; set `arch`, or select other nodes"
    );
    let of_x86 = BootConfiguration {
        arch: Arch::X86.into(),
        ..other.clone()
    };
    create(&store, of_x86).await.unwrap();
    let disabled = BootConfiguration {
        name: "off".to_owned(),
        disabled: true,
        ..other
    };
    create(&store, disabled).await.unwrap();
}

/// A test with other parameters is of the same image, signatures and all; one with another kernel is not.
#[tokio::test]
async fn a_profile_changes_parameters_of_the_image_or_takes_its_place() {
    let store = booting(SIGNED).await;
    let put = async |kernel: &str, params: &str| {
        let profile = Profile {
            name: "test".to_owned(),
            nodes: vec![xname(0)],
            kernel: kernel.to_owned(),
            params: params.to_owned(),
            ..Profile::default()
        };
        let put = PutProfile {
            profile: Some(profile),
            ..PutProfile::default()
        };
        let change = Some(Change::PutProfile(put));
        let command = Command::CloudInit(CloudInitCommand { change });
        store.propose("user/test", command, None).await.unwrap();
    };
    put("", "verbose").await;
    let text = script(&store).await;
    assert!(
        text.contains("/files/debian/kernel initrd=initrd root=live:http://s/r console=tty0 verbose "),
        "{text}"
    );
    assert!(text.contains("imgverify kernel"), "{text}");
    put("http://i/tried", "").await;
    let text = script(&store).await;
    assert!(
        text.contains(
            "kernel --name kernel http://i/tried initrd=initrd root=live:http://s/r console=ttyS0 debug "
        ),
        "{text}"
    );
    assert!(!text.contains("imgverify"), "{text}");
}

/// Clients of boot-service see the image, and one that sets a kernel sets it instead.
#[tokio::test]
async fn boot_service_shows_and_changes_the_image() {
    let store = booting(UNSIGNED).await;
    let service = BootServiceService::new(store.clone(), config(RetryDelay::Growing));
    let patch = async |patch| {
        let request = PatchBootConfigurationResourceRequest {
            uid: "all".to_owned(),
            patch: Some(patch),
            if_revision: None,
        };
        let patched = service
            .patch_boot_configuration_resource(Request::new(request))
            .await;
        patched.map(|patched| patched.into_inner().spec.unwrap())
    };
    let kernel = |image: Option<&str>| BootConfigurationSpecPatch {
        kernel: Some("http://i/k".to_owned()),
        image: image.map(str::to_owned),
        ..Default::default()
    };
    let refused = patch(kernel(None)).await.unwrap_err();
    assert!(refused.message().starts_with("image: "), "{refused}");
    let spec = patch(kernel(Some(""))).await.unwrap();
    assert_eq!((spec.image.as_str(), spec.kernel.as_str()), ("", "http://i/k"));
    let request = ReplaceBootConfigurationResourceRequest {
        uid: "all".to_owned(),
        spec: Some(BootConfigurationSpec {
            hosts: vec!["default".to_owned()],
            image: "debian".to_owned(),
            ..Default::default()
        }),
        ..Default::default()
    };
    let replaced = service
        .replace_boot_configuration_resource(Request::new(request))
        .await;
    let spec = replaced.unwrap().into_inner().spec.unwrap();
    assert_eq!((spec.image.as_str(), spec.kernel.as_str()), ("debian", ""));
    assert!(script(&store).await.contains("/files/debian/kernel"));
}
