//! Creating components: defaults, `force`, NIDs.

use model::Rejection;
use proto::smd::v1::component::{Arch, Class, Flag, NetType, State};
use proto::smd::v1::smd_command::{CreateComponents, DeleteComponents};
use proto::smd::v1::{Component, NodeMap};

use crate::node_maps;
use crate::support::Log;

pub fn component(id: &str) -> Component {
    Component {
        id: id.into(),
        state: State::On.into(),
        ..Default::default()
    }
}

pub fn with_nid(id: &str, nid: u64) -> Component {
    Component {
        nid: Some(nid),
        ..component(id)
    }
}

pub fn create(components: Vec<Component>) -> CreateComponents {
    CreateComponents {
        components,
        force: false,
        ..Default::default()
    }
}

fn nid(log: &Log, id: &str) -> Option<u64> {
    log.state.smd.component(&id.parse().unwrap()).unwrap().nid
}

/// What SMD fills in, measured: type, flag OK, enabled, role Compute, a NID.
#[test]
fn a_node_gets_smds_defaults() {
    let mut log = Log::new();
    let applied = log.ok(create(vec![component("X0c0s00b0n0")]));
    assert_eq!(applied.created, ["x0c0s0b0n0"]);
    let stored = log.state.smd.component(&"x0c0s0b0n0".parse().unwrap()).unwrap();
    let expected = Component {
        id: "x0c0s0b0n0".into(),
        r#type: "Node".into(),
        state: State::On.into(),
        flag: Flag::Ok.into(),
        enabled: Some(true),
        role: "Compute".into(),
        nid: Some(1),
        meta: log.created(),
        ..Default::default()
    };
    assert_eq!(*stored, expected);
}

#[test]
fn what_is_no_node_gets_neither_role_nor_nid() {
    let mut log = Log::new();
    log.ok(create(vec![component("x0c0s0b0")]));
    let stored = log.state.smd.component(&"x0c0s0b0".parse().unwrap()).unwrap();
    assert_eq!(
        (stored.r#type.as_str(), stored.role.as_str(), stored.nid),
        ("NodeBMC", "", None)
    );
}

#[test]
fn what_is_given_is_kept_in_smds_spelling() {
    let mut log = Log::new();
    let given = Component {
        r#type: "node".into(),
        flag: Flag::Alert.into(),
        enabled: Some(false),
        software_status: "AdminStatus".into(),
        role: "mAnAgEmEnT".into(),
        sub_role: "worker".into(),
        subtype: "blade".into(),
        net_type: NetType::Sling.into(),
        arch: Arch::Arm.into(),
        class: Class::Hill.into(),
        reservation_disabled: true,
        locked: true,
        ..with_nid("x0c0s0b0n0", 4711)
    };
    log.ok(create(vec![
        given.clone(),
        Component {
            role: "Visualisation".into(),
            ..component("x0c0s1b0n0")
        },
    ]));
    let stored = log.state.smd.component(&"x0c0s0b0n0".parse().unwrap()).unwrap();
    let spelled = Component {
        r#type: "Node".into(),
        role: "Management".into(),
        sub_role: "Worker".into(),
        meta: log.created(),
        ..given
    };
    assert_eq!(*stored, spelled);
    let own = log.state.smd.component(&"x0c0s1b0n0".parse().unwrap()).unwrap();
    assert_eq!(own.role, "Visualisation", "a site's own role is kept as written");
}

/// SMD's POST of what exists: 204 and ignored, measured.
/// As a discovery leaves them; what is exported must come back the same.
#[test]
fn as_given_a_new_component_has_what_is_said_of_it_and_a_nid() {
    let bare = |id: &str| Component {
        id: id.into(),
        ..Component::default()
    };
    let as_given = |components| CreateComponents {
        as_given: true,
        ..create(components)
    };
    let mut log = Log::latest();
    log.ok(node_maps::put(vec![NodeMap {
        role: "Service".into(),
        ..node_maps::map("x0c0s0b0n0", 7)
    }]));
    log.ok(as_given(vec![bare("x0c0s0b0n0"), bare("x0c0s0b0")]));
    for (id, nid) in [("x0c0s0b0n0", Some(7)), ("x0c0s0b0", None)] {
        let stored = log.state.smd.component(&id.parse().unwrap()).unwrap();
        let expected = Component {
            r#type: stored.r#type.clone(),
            enabled: Some(true),
            nid,
            meta: log.created(),
            ..bare(id)
        };
        assert_eq!(*stored, expected);
    }
    let wrong = Component {
        state: 99,
        ..bare("x0c0s1b0n0")
    };
    assert_eq!(log.invalid(as_given(vec![wrong])).0, "components[0].state");
    let forced = CreateComponents {
        force: true,
        ..as_given(vec![bare("x0c0s0b0n0")])
    };
    assert_eq!(log.invalid(forced).0, "as_given");
    let before = Log::new().refused(as_given(vec![bare("x0c0s0b0n0")]));
    assert!(
        matches!(before, model::Rejection::FeatureLevel { needed: 3, .. }),
        "{before}"
    );
}

#[test]
fn what_exists_stays_as_it_is() {
    let mut log = Log::new();
    log.ok(create(vec![component("x0c0s0b0n0")]));
    let before = log.state.smd.component(&"x0c0s0b0n0".parse().unwrap());
    let again = Component {
        state: State::Off.into(),
        ..with_nid("x0c0s0b0n0", 9)
    };
    let applied = log.ok(create(vec![again, component("x0c0s1b0n0")]));
    assert_eq!(
        (applied.created, applied.unchanged),
        (vec!["x0c0s1b0n0".into()], vec!["x0c0s0b0n0".to_owned()])
    );
    assert_eq!(log.state.smd.component(&"x0c0s0b0n0".parse().unwrap()), before);
}

/// SMD's SQL: ON CONFLICT DO UPDATE sets six columns, never the others.
#[test]
fn force_overwrites_six_fields_and_no_more() {
    let mut log = Log::new();
    log.ok(create(vec![with_nid("x0c0s0b0n0", 5)]));
    let created = log.created().unwrap().created;
    let forced = Component {
        state: State::Ready.into(),
        flag: Flag::Warning.into(),
        subtype: "blade".into(),
        net_type: NetType::Ethernet.into(),
        arch: Arch::Arm.into(),
        class: Class::Mountain.into(),
        // None of these may arrive.
        enabled: Some(false),
        software_status: "no".into(),
        role: "Service".into(),
        sub_role: "Master".into(),
        reservation_disabled: true,
        locked: true,
        ..with_nid("x0c0s0b0n0", 99)
    };
    let applied = log.ok(CreateComponents {
        components: vec![forced.clone()],
        force: true,
        ..Default::default()
    });
    assert_eq!(applied.updated, ["x0c0s0b0n0"]);
    let stored = log.state.smd.component(&"x0c0s0b0n0".parse().unwrap()).unwrap();
    let expected = Component {
        r#type: "Node".into(),
        enabled: Some(true),
        software_status: String::new(),
        role: "Compute".into(),
        sub_role: String::new(),
        reservation_disabled: false,
        locked: false,
        nid: Some(5),
        meta: Some(proto::http::v1::ObjectMeta {
            created,
            modified: Some(log.last_change()),
        }),
        ..forced
    };
    assert_eq!(*stored, expected);
    assert_eq!(log.state.smd.component_by_nid(99), None);
}

/// SMD's own NIDs collide (reference/smd.md 0.4): ours must not, and what a client names comes before what it leaves
/// to us, even further down in the same request.
#[test]
fn implicit_nids_are_the_lowest_free_ones() {
    let mut log = Log::new();
    log.ok(create(vec![
        component("x0c0s0b0n0"),
        with_nid("x0c0s1b0n0", 1),
        component("x0c0s2b0n0v0"),
        with_nid("x0c0s3b0n0", 3),
        component("x0c0s4b0n0"),
    ]));
    let nids = [
        "x0c0s0b0n0",
        "x0c0s1b0n0",
        "x0c0s2b0n0v0",
        "x0c0s3b0n0",
        "x0c0s4b0n0",
    ]
    .map(|id| nid(&log, id));
    assert_eq!(nids, [Some(2), Some(1), Some(4), Some(3), Some(5)]);
    log.ok(DeleteComponents {
        ids: vec!["x0c0s0b0n0".into(), "x0c0s3b0n0".into()],
        all: false,
        ..Default::default()
    });
    log.ok(create(vec![component("x0c0s5b0n0")]));
    assert_eq!(
        nid(&log, "x0c0s5b0n0"),
        Some(2),
        "a NID that became free is given again"
    );
    log.ok(create(vec![component("x0c0s6b0n0"), component("x0c0s7b0n0")]));
    assert_eq!(
        (nid(&log, "x0c0s6b0n0"), nid(&log, "x0c0s7b0n0")),
        (Some(3), Some(6))
    );
}

#[test]
fn an_explicit_duplicate_nid_is_refused_and_names_both_owners() {
    let mut log = Log::new();
    log.ok(create(vec![with_nid("x0c0s0b0n0", 7)]));
    let rejection = log.refused(create(vec![component("x0c0s1b0n0"), with_nid("x0c0s2b0n0", 7)]));
    assert!(matches!(&rejection, Rejection::AlreadyExists { kind, id, .. } if kind == "NID" && id == "7"));
    let text = rejection.to_string();
    assert!(
        text.contains("x0c0s0b0n0") && text.contains("x0c0s2b0n0"),
        "{text}"
    );
    assert_eq!(log.state.smd.components().count(), 1, "all or nothing");
    let rejection = log.refused(create(vec![with_nid("x0c0s3b0n0", 8), with_nid("x0c0s4b0n0", 8)]));
    let text = rejection.to_string();
    assert!(
        text.contains("x0c0s3b0n0") && text.contains("x0c0s4b0n0"),
        "{text}"
    );
}

#[test]
fn one_wrong_component_refuses_all_and_is_named() {
    let cases: [(Component, &str, &str); 10] = [
        (component("x0c9"), "id", "`x0c9` is not an xname"),
        (component(""), "id", "x1000c0s0b0n0"),
        (
            Component {
                r#type: "NodeBMC".into(),
                ..component("x0c0s1b0n0")
            },
            "type",
            "x0c0s1b0n0 is a Node, not a NodeBMC",
        ),
        (
            Component {
                r#type: "Blade".into(),
                ..component("x0c0s1b0n0")
            },
            "type",
            "`Blade` is not an HMS type",
        ),
        (
            Component {
                state: 0,
                ..component("x0c0s1b0n0")
            },
            "state",
            "missing",
        ),
        (
            Component {
                state: 99,
                ..component("x0c0s1b0n0")
            },
            "state",
            "On",
        ),
        (
            Component {
                flag: 99,
                ..component("x0c0s1b0n0")
            },
            "flag",
            "Warning",
        ),
        (
            Component {
                arch: 99,
                ..component("x0c0s1b0n0")
            },
            "arch",
            "99",
        ),
        (
            Component {
                role: "a\nb".into(),
                ..component("x0c0s1b0n0")
            },
            "role",
            "control character",
        ),
        (
            Component {
                subtype: "x".repeat(256),
                ..component("x0c0s1b0n0")
            },
            "subtype",
            "at most 255",
        ),
    ];
    let mut log = Log::new();
    for (wrong, name, problem) in cases {
        let (field, text) = log.invalid(create(vec![component("x0c0s0b0n0"), wrong]));
        assert_eq!(field, format!("components[1].{name}"));
        assert!(text.contains(problem), "{field}: {text}");
    }
    let (field, text) = log.invalid(create(vec![component("x0c0s0b0n0"), component("X0c0s0b0n00")]));
    assert_eq!(
        (field.as_str(), text.as_str()),
        ("components[1].id", "x0c0s0b0n0 is given twice in one request")
    );
    assert_eq!(log.invalid(create(vec![])).0, "components");
    assert_eq!(log.state.smd.components().count(), 0);
}

/// SMD breaks above 4,369 components in one request; a whole machine must go in at once.
#[test]
fn ten_thousand_nodes_are_one_change() {
    let mut log = Log::new();
    let nodes: Vec<_> = (0..10_000)
        .map(|n| component(&format!("x{}c0s{}b0n0", n / 100, n % 100)))
        .collect();
    let applied = log.ok(create(nodes));
    assert_eq!(applied.created.len(), 10_000);
    assert_eq!(log.state.smd.component_by_nid(10_000).unwrap().id, "x99c0s99b0n0");
    let too_many = vec![component("x0"); state::bounds::IDS_PER_COMMAND_MAX + 1];
    assert_eq!(log.invalid(create(too_many)).0, "components");
}

/// Members of different versions must tell the same mistake of a component with several.
#[test]
fn of_several_mistakes_the_first_is_told() {
    let two = |component: Component| Component {
        flag: 99,
        ..component
    };
    for (wrong, field) in [
        (
            Component {
                net_type: 99,
                ..component("x0c0s0b0n0")
            },
            "net_type",
        ),
        (
            Component {
                class: 99,
                ..component("x0c0s0b0n0")
            },
            "class",
        ),
        (
            Component {
                role: "r".repeat(1000),
                ..component("x0c0s0b0n0")
            },
            "role",
        ),
        (component("x0c0s0b0n0"), "flag"),
    ] {
        let refused = Log::latest().refused(create(vec![two(wrong)])).to_string();
        assert!(
            refused.contains(&format!("components[0].{field}")),
            "{field}: {refused}"
        );
    }
}
