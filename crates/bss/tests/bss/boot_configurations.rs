//! Boot configurations as a resource: stored, listed, replaced, deleted, refused.

use std::sync::Arc;

use crate::common::{configuration, cut_off, seeded};
use bss::{BootConfigurationService, Config, RetryDelay};
use proto::bss::v1::boot_configuration_service_server::BootConfigurationService as _;
use proto::bss::v1::{
    BootConfiguration, CreateBootConfigurationRequest, DeleteBootConfigurationRequest,
    GetBootConfigurationRequest, ListBootConfigurationsRequest, ReplaceBootConfigurationRequest,
};
use proto::smd::v1::Component;
use proto::smd::v1::component::Arch;
use proto::smd::v1::smd_command;
use raft::Store;
use tonic::{Code, Request, Response, Status};

/// What a case makes of a configuration.
type Change = fn(&mut BootConfiguration);

fn service(store: &Store) -> BootConfigurationService {
    BootConfigurationService::new(store.clone(), crate::common::config(RetryDelay::Growing))
}

fn default(name: &str) -> BootConfiguration {
    BootConfiguration {
        is_default: true,
        ..configuration(name)
    }
}

async fn create(store: &Store, configuration: BootConfiguration) -> Result<BootConfiguration, Status> {
    let request = CreateBootConfigurationRequest {
        configuration: Some(configuration),
    };
    let created = service(store)
        .create_boot_configuration(Request::new(request))
        .await;
    created.map(Response::into_inner)
}

async fn replace(
    store: &Store,
    name: &str,
    configuration: BootConfiguration,
    if_revision: Option<u64>,
) -> Result<BootConfiguration, Status> {
    let request = ReplaceBootConfigurationRequest {
        name: name.to_owned(),
        configuration: Some(configuration),
        if_revision,
    };
    let replaced = service(store)
        .replace_boot_configuration(Request::new(request))
        .await;
    replaced.map(Response::into_inner)
}

async fn get(store: &Store, name: &str) -> Result<BootConfiguration, Status> {
    let request = GetBootConfigurationRequest {
        name: name.to_owned(),
    };
    let got = service(store).get_boot_configuration(Request::new(request)).await;
    got.map(Response::into_inner)
}

async fn delete(store: &Store, name: &str, if_revision: Option<u64>) -> Result<u64, Status> {
    let request = DeleteBootConfigurationRequest {
        name: name.to_owned(),
        if_revision,
    };
    let deleted = service(store)
        .delete_boot_configuration(Request::new(request))
        .await;
    deleted.map(|deleted| deleted.into_inner().revision)
}

fn revision(configuration: &BootConfiguration) -> u64 {
    let meta = configuration.meta.as_ref().unwrap();
    meta.modified.as_ref().unwrap().revision
}

/// What is answered is what is stored, in its normal form.
#[tokio::test]
async fn a_configuration_lives_from_create_to_delete() {
    let store = seeded().await;
    let given = BootConfiguration {
        hosts: vec!["X0C0S0B0N00".to_owned()],
        ..default("c")
    };
    let created = create(&store, given).await.unwrap();
    assert_eq!(created.hosts, ["x0c0s0b0n0"]);
    assert_eq!(created.priority, Some(50));
    assert_eq!(get(&store, "c").await.unwrap(), created);
    let replaced = replace(&store, "c", default(""), None).await.unwrap();
    assert!(replaced.hosts.is_empty() && revision(&replaced) > revision(&created));
    assert!(delete(&store, "c", None).await.unwrap() > revision(&replaced));
    assert_eq!(get(&store, "c").await.unwrap_err().code(), Code::NotFound);
    assert_eq!(
        delete(&store, "c", None).await.unwrap_err().code(),
        Code::NotFound
    );
}

#[tokio::test]
async fn a_created_configuration_says_where_it_is() {
    let store = seeded().await;
    let request = CreateBootConfigurationRequest {
        configuration: Some(default("c")),
    };
    let created = service(&store)
        .create_boot_configuration(Request::new(request))
        .await
        .unwrap();
    let header = format!("{}location", rpc::HTTP_HEADER_PREFIX);
    assert_eq!(
        created.metadata().get(header).unwrap(),
        "/chamois/v1/boot-configurations/c"
    );
}

#[tokio::test]
async fn a_condition_that_does_not_hold_changes_nothing() {
    let store = seeded().await;
    let created = create(&store, default("c")).await.unwrap();
    assert_eq!(
        create(&store, default("c")).await.unwrap_err().code(),
        Code::AlreadyExists
    );
    let stale = Some(revision(&created) - 1);
    assert_eq!(
        replace(&store, "c", default("c"), stale)
            .await
            .unwrap_err()
            .code(),
        Code::Aborted
    );
    assert_eq!(
        delete(&store, "c", stale).await.unwrap_err().code(),
        Code::Aborted
    );
    assert_eq!(
        replace(&store, "d", default("d"), Some(7))
            .await
            .unwrap_err()
            .code(),
        Code::Aborted
    );
    assert_eq!(get(&store, "c").await.unwrap(), created);
    let current = Some(revision(&created));
    replace(&store, "c", default("c"), current).await.unwrap();
    let renamed = replace(&store, "c", default("d"), None).await.unwrap_err();
    assert_eq!(renamed.code(), Code::InvalidArgument);
    assert!(renamed.message().starts_with("name: "), "{renamed}");
}

#[tokio::test]
async fn pages_together_are_the_list() {
    let store = seeded().await;
    for name in ["d", "b", "a", "c", "e"] {
        create(&store, default(name)).await.unwrap();
    }
    let (mut names, mut sizes, mut request) =
        (Vec::new(), Vec::new(), ListBootConfigurationsRequest::default());
    request.page_size = 2;
    loop {
        let page = service(&store)
            .list_boot_configurations(Request::new(request.clone()))
            .await;
        let page = page.unwrap().into_inner();
        sizes.push(page.configurations.len());
        names.extend(
            page.configurations
                .into_iter()
                .map(|configuration| configuration.name),
        );
        if page.next_page_token.is_empty() {
            break;
        }
        request.page_token = page.next_page_token;
    }
    assert_eq!(names, ["a", "b", "c", "d", "e"]);
    assert_eq!(sizes, [2, 2, 1]);
    let whole = service(&store)
        .list_boot_configurations(Request::new(Default::default()))
        .await;
    assert_eq!(whole.unwrap().into_inner().configurations.len(), 5);
}

/// Refused before it is proposed: without a majority a "no" is still a "no".
#[tokio::test]
async fn what_is_wrong_is_refused_by_its_field_and_never_proposed() {
    let store = cut_off(&seeded().await);
    let cases: [(&str, Change); 8] = [
        ("name", |c| c.name = "../c".into()),
        ("hosts", |c| c.is_default = false),
        ("hosts", |c| c.hosts = vec!["nowhere".into()]),
        ("macs", |c| c.macs = vec!["02:00".into()]),
        ("groups", |c| c.groups = vec!["a b".into()]),
        ("priority", |c| c.priority = Some(101)),
        ("kernel", |c| c.kernel = "http://i/k || reboot".into()),
        ("params", |c| c.params = "a\nreboot".into()),
    ];
    for (field, change) in cases {
        let mut wrong = default("c");
        change(&mut wrong);
        let refused = create(&store, wrong).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument, "{field}: {refused}");
        assert!(
            refused.message().starts_with(&format!("{field}: ")),
            "{field}: {refused}"
        );
        assert!(!refused.message().contains('\n'), "{refused}");
    }
    let request = CreateBootConfigurationRequest::default();
    let refused = service(&store)
        .create_boot_configuration(Request::new(request))
        .await
        .unwrap_err();
    assert!(refused.message().starts_with("configuration: "), "{refused}");
    assert_eq!(
        create(&store, default("c")).await.unwrap_err().code(),
        Code::Unavailable
    );
}

async fn arm_node(store: &Store) {
    let arm = Component {
        id: "x9c0s0b0n0".to_owned(),
        r#type: "Node".to_owned(),
        state: proto::smd::v1::component::State::On.into(),
        flag: proto::smd::v1::component::Flag::Ok.into(),
        arch: Arch::Arm.into(),
        ..Component::default()
    };
    let create = smd_command::CreateComponents {
        components: vec![arm],
        ..Default::default()
    };
    crate::common::smd(store, smd_command::Change::CreateComponents(create)).await;
}

/// A node whose firmware finds no loader never asks for its script, and nobody would know why.
#[tokio::test]
async fn nodes_without_a_loader_for_their_architecture_are_refused() {
    let store = seeded().await;
    arm_node(&store).await;
    let with = |architectures: Option<&[Arch]>| {
        let config = Config {
            architectures: architectures.map(Arc::from),
            ..crate::common::config(RetryDelay::Growing)
        };
        BootConfigurationService::new(store.clone(), config)
    };
    let put = |configuration: BootConfiguration| {
        Request::new(ReplaceBootConfigurationRequest {
            name: configuration.name.clone(),
            configuration: Some(configuration),
            if_revision: None,
        })
    };
    let only_x86 = with(Some(&[Arch::X86]));
    let refused = only_x86
        .replace_boot_configuration(put(default("c")))
        .await
        .unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    let text = refused.message();
    assert!(
        text.starts_with("arch: x9c0s0b0n0 is ARM") && text.contains("loaders-dir"),
        "{text}"
    );
    let accepted = [
        BootConfiguration {
            arch: Arch::X86.into(),
            ..default("c")
        },
        BootConfiguration {
            disabled: true,
            ..default("c")
        },
        BootConfiguration {
            hosts: vec!["x0".to_owned()],
            ..configuration("c")
        },
    ];
    for configuration in accepted {
        only_x86
            .replace_boot_configuration(put(configuration))
            .await
            .unwrap();
    }
    for served in [None, Some(&[Arch::X86, Arch::Arm][..])] {
        with(served)
            .replace_boot_configuration(put(default("c")))
            .await
            .unwrap();
    }
}
