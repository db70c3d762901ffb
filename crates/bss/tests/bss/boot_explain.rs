//! What an administrator is told of a node's boot, and that telling it changes nothing.

use crate::common::{config, configuration, configure, from_node, group, put, seeded, xname};
use bss::{BootExplainService, BootScriptService, RetryDelay};
use proto::bss::v1::boot_candidate::{Class, Verdict};
use proto::bss::v1::boot_explain_service_server::BootExplainService as _;
use proto::bss::v1::boot_script_service_server::BootScriptService as _;
use proto::bss::v1::{
    BootConfiguration, BootDocument, BootExplanation, ExplainBootRequest, GetBootScriptRequest,
};
use proto::smd::v1::component::Arch;
use raft::Store;
use tonic::{Code, Request, Status};

async fn ask(store: &Store, node: &str, arch: &str) -> Result<BootExplanation, Status> {
    let service = BootExplainService::new(store.clone(), config(RetryDelay::Growing));
    let request = ExplainBootRequest {
        node: node.to_owned(),
        arch: arch.to_owned(),
    };
    let answer = service.explain_boot(Request::new(request)).await;
    answer.map(tonic::Response::into_inner)
}

async fn explain(store: &Store, node: &str) -> BootExplanation {
    ask(store, node, "").await.unwrap()
}

/// Name, verdict and reason of each candidate.
fn told(explained: &BootExplanation) -> Vec<(&str, Verdict, &str)> {
    let candidates = explained.candidates.iter();
    candidates
        .map(|one| (one.name.as_str(), one.verdict(), one.reason.as_str()))
        .collect()
}

/// One for each thing that can become of it.
fn configurations() -> [BootConfiguration; 7] {
    [
        BootConfiguration {
            nids: vec![1],
            merge_params: true,
            kernel: String::new(),
            ..configuration("own")
        },
        BootConfiguration {
            groups: vec!["rack".into()],
            priority: Some(60),
            ..configuration("rack")
        },
        BootConfiguration {
            groups: vec!["rack".into()],
            ..configuration("rack-old")
        },
        BootConfiguration {
            roles: vec!["Compute".into()],
            ..configuration("role")
        },
        BootConfiguration {
            is_default: true,
            disabled: true,
            ..configuration("off")
        },
        BootConfiguration {
            is_default: true,
            arch: Arch::Arm.into(),
            ..configuration("arm")
        },
        BootConfiguration {
            groups: vec!["a".into(), "b".into(), "c".into(), "d".into()],
            roles: vec!["Service".into()],
            ..configuration("others")
        },
    ]
}

#[tokio::test]
async fn every_candidate_is_told_what_became_of_it() {
    let store = seeded().await;
    group(&store, "rack", &[&xname(0)]).await;
    put(&store, "Compute", "v1").await;
    put(&store, "Default", "v1").await;
    for configuration in configurations() {
        configure(&store, configuration).await;
    }
    let explained = explain(&store, &xname(0)).await;
    assert_eq!(
        told(&explained),
        [
            (
                "own",
                Verdict::Won,
                "the first match: own name, priority 50; it merges"
            ),
            (
                "rack",
                Verdict::Merged,
                "own merges its parameters with the next match"
            ),
            ("rack-old", Verdict::Lost, "priority 50 is below the 60 of rack"),
            ("Compute", Verdict::Lost, "group goes before role: rack"),
            ("role", Verdict::Lost, "group goes before role: rack"),
            (
                "Default",
                Verdict::Lost,
                "of boot parameters only the first match counts: Compute"
            ),
            (
                "arm",
                Verdict::Lost,
                "only for the architecture ARM; this node is X86"
            ),
            ("off", Verdict::Lost, "it is disabled"),
            (
                "others",
                Verdict::NotSelected,
                "it selects groups a, b, c and 1 more; roles Service"
            ),
        ]
    );
    let selectors: Vec<&str> = explained
        .candidates
        .iter()
        .map(|one| one.selector.as_str())
        .collect();
    let expected = [
        "nid1",
        "group rack",
        "group rack",
        "Compute",
        "role Compute",
        "Default",
        "every node",
        "every node",
        "",
    ];
    assert_eq!(selectors, expected);
    assert_eq!(explained.candidates[0].class(), Class::Own);
    assert_eq!(explained.candidates[8].class(), Class::Unspecified);
    let params: Vec<(&str, &str)> = explained
        .params
        .iter()
        .map(|p| (p.word.as_str(), p.from.as_str()))
        .collect();
    assert_eq!(params, [("from=own", "own")]);
    assert_eq!(explained.kernel, "http://c/rack/k");
}

/// Parameters that were stored before the node was known stay under its other names, and look as if they counted.
#[tokio::test]
async fn boot_parameters_of_a_nodes_other_names_are_told_to_have_lost() {
    let store = seeded().await;
    for key in ["nid1", "02:00:00:00:00:01", "x0c0s0b0n0"] {
        put(&store, key, "v1").await;
    }
    let explained = explain(&store, "nid1").await;
    let lost: Vec<(&str, Verdict)> = told(&explained)
        .into_iter()
        .map(|(name, verdict, _)| (name, verdict))
        .collect();
    assert_eq!(
        lost,
        [
            ("x0c0s0b0n0", Verdict::Won),
            ("02:00:00:00:00:01", Verdict::Lost),
            ("nid1", Verdict::Lost),
        ]
    );
    let (_, _, reason) = told(&explained)[1];
    assert!(
        reason.contains("the xname goes first") && reason.ends_with("x0c0s0b0n0"),
        "{reason}"
    );
    assert_eq!(explained.candidates[2].class(), Class::Own);
}

/// Cloud-Init's own function says what it would give; of no node there is nothing to give.
#[tokio::test]
async fn cloud_inits_documents_are_part_of_the_explanation() {
    let store = seeded().await;
    let documents: bss::Documents = |state, urls, node, now_ms| {
        let base = urls.base_for(["10.97.3.1".parse().unwrap()]).unwrap();
        vec![BootDocument {
            name: "meta-data".to_owned(),
            text: format!("{node} {base} {} {}", state.applied_index(), now_ms > 0),
            ..BootDocument::default()
        }]
    };
    let config = bss::Config {
        documents,
        ..config(RetryDelay::Growing)
    };
    let service = BootExplainService::new(store.clone(), config);
    let ask = async |node: &str| {
        let request = ExplainBootRequest {
            node: node.to_owned(),
            ..ExplainBootRequest::default()
        };
        let answer = service.explain_boot(Request::new(request)).await.unwrap();
        answer.into_inner()
    };
    let explained = ask("1").await;
    let expected = format!("x0c0s0b0n0 http://10.97.0.1:8081 {} true", explained.revision);
    assert_eq!(explained.documents[0].text, expected);
    assert!(ask("02:00:00:00:00:99").await.documents.is_empty());
}

/// Ties between a configuration and boot parameters, and between two configurations.
#[tokio::test]
async fn a_tie_says_what_broke_it() {
    let store = seeded().await;
    put(&store, "Default", "v1").await;
    for name in ["a", "b"] {
        configure(
            &store,
            BootConfiguration {
                is_default: true,
                ..configuration(name)
            },
        )
        .await;
    }
    let explained = explain(&store, &xname(0)).await;
    assert_eq!(
        told(&explained)[1],
        ("a", Verdict::Lost, "boot parameters win ties: Default")
    );
    configure(
        &store,
        BootConfiguration {
            is_default: true,
            priority: Some(51),
            ..configuration("a")
        },
    )
    .await;
    configure(
        &store,
        BootConfiguration {
            is_default: true,
            priority: Some(51),
            ..configuration("b")
        },
    )
    .await;
    let explained = explain(&store, &xname(0)).await;
    assert_eq!(
        told(&explained)[1],
        (
            "b",
            Verdict::Lost,
            "the same priority, and the name sorts after a"
        )
    );
}

/// Without the pauses: each boot has its own.
fn without_pauses(script: &str) -> Vec<&str> {
    script
        .lines()
        .filter(|line| !line.starts_with("sleep "))
        .collect()
}

/// The script is that of the script service, byte for byte but for the boot's id and pauses, however the node is named.
#[tokio::test]
async fn the_script_is_what_the_node_gets() {
    let store = seeded().await;
    put(&store, &xname(0), "console=ttyS0").await;
    let service = BootScriptService::new(store.clone(), config(RetryDelay::Growing));
    let request = GetBootScriptRequest {
        mac: "02:00:00:00:00:01".to_owned(),
        ..GetBootScriptRequest::default()
    };
    let served = service
        .get_boot_script(from_node(request, "10.97.3.1", "10.97.0.1"))
        .await
        .unwrap();
    let served = String::from_utf8(served.into_inner().data).unwrap();
    let revision = store.state().applied_index();
    let context = |boot_id| model::BootContext { revision, boot_id }.to_string();
    let expected = served.replace(&context(crate::common::BOOT_ID), &context(0));
    for node in [
        "x0c0s0b0n0",
        "X0C0S0B0N00",
        "02:00:00:00:00:01",
        "020000000001",
        "1",
        "nid1",
    ] {
        let shown = explain(&store, node).await.script;
        assert_eq!(without_pauses(&shown), without_pauses(&expected), "{node}");
        assert_eq!(shown.lines().count(), expected.lines().count(), "{node}");
    }
}

#[tokio::test]
async fn explaining_changes_nothing() {
    let store = seeded().await;
    put(&store, "Default", "v1").await;
    let before = (store.state().applied_index(), store.state().digest());
    let explained = explain(&store, &xname(0)).await;
    explain(&store, "02:00:00:00:00:99").await;
    assert_eq!((store.state().applied_index(), store.state().digest()), before);
    assert_eq!(
        (explained.revision, explained.instance_id.as_str()),
        (before.0, "")
    );
}

#[tokio::test]
async fn a_node_is_shown_with_its_names_and_addresses() {
    let store = seeded().await;
    group(&store, "rack", &[&xname(0)]).await;
    let explained = explain(&store, "1").await;
    assert_eq!((explained.node.as_str(), explained.nid), ("x0c0s0b0n0", Some(1)));
    assert_eq!(
        (explained.role.as_str(), &explained.groups[..]),
        ("Compute", &["rack".to_owned()][..])
    );
    assert!(!explained.hostname.is_empty());
    let interface = &explained.interfaces[0];
    assert_eq!(interface.mac, "02:00:00:00:00:01");
    let address = &interface.addresses[0];
    assert_eq!(
        (address.address.as_str(), address.subnet.as_str()),
        ("10.97.3.1", "")
    );
}

/// Why it does not boot, and what it is told instead.
#[tokio::test]
async fn a_node_that_cannot_boot_says_why() {
    let store = seeded().await;
    let nothing = explain(&store, &xname(0)).await;
    assert_eq!(
        (nothing.script.as_str(), nothing.problem.as_str()),
        ("", "nothing selects x0c0s0b0n0")
    );
    let unknown = explain(&store, "02:00:00:00:00:99").await;
    assert_eq!(
        (unknown.node.as_str(), unknown.problem.as_str()),
        ("", "SMD has no node 02:00:00:00:00:99")
    );
    put(&store, "Unknown-arm64", "discover").await;
    let arm = ask(&store, "02:00:00:00:00:99", "arm64").await.unwrap();
    assert!(arm.script.contains("http://i/Unknown-arm64/k"), "{}", arm.script);
    assert!(
        arm.problem
            .ends_with("it gets the script for unknown nodes of arm64"),
        "{}",
        arm.problem
    );
    let merging = BootConfiguration {
        is_default: true,
        merge_params: true,
        kernel: String::new(),
        ..configuration("no-kernel")
    };
    configure(&store, merging).await;
    let bare = explain(&store, &xname(0)).await;
    assert_eq!(
        bare.problem,
        "no-kernel selects x0c0s0b0n0, but there is no kernel"
    );
}

#[tokio::test]
async fn questions_that_name_nobody_are_bad_requests() {
    let store = seeded().await;
    for (node, arch) in [("", ""), ("a b", ""), ("x\nreboot", ""), ("x0c0s0b0n0", "a b")] {
        let refused = ask(&store, node, arch).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument, "{node:?} {arch:?}");
    }
}
