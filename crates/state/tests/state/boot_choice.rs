//! Which boot configuration, or which boot parameters, a node boots.

use std::sync::Arc;

use model::Xname;
use proptest::prelude::*;
use proto::bss::v1::{BootConfiguration, BootParametersEntry};
use proto::smd::v1::Component;
use proto::smd::v1::component::Arch;
use state::bounds::MERGED_MAX;
use state::{BootChoice, BootClass, BootMatch, BootNode, BootSource, State, choose, selection};

use crate::boot_configurations::{configuration, put};
use crate::create_components::{component, create};
use crate::ethernet_interfaces;
use crate::groups;
use crate::support::Log;

const NODE: &str = "x1000c0s0b0n0";
const MAC: &str = "02:00:00:00:00:01";

/// One node: NID 7, role Compute, subrole Worker, group gpu, X86.
fn seeded() -> Log {
    let mut log = Log::latest();
    log.ok(create(vec![Component {
        nid: Some(7),
        role: "Compute".into(),
        sub_role: "Worker".into(),
        arch: Arch::X86.into(),
        ..component(NODE)
    }]));
    log.ok(ethernet_interfaces::create(MAC, NODE, &[]));
    log.ok(groups::create(groups::group("gpu", &[NODE])));
    log
}

fn entry(key: &str, kernel: &str) -> BootParametersEntry {
    BootParametersEntry {
        key: key.into(),
        kernel: kernel.into(),
        params: "console=v1 quiet".into(),
        ..Default::default()
    }
}

fn of_v1(class: BootClass, kernel: &str) -> BootMatch {
    BootMatch::without_image(class, BootSource::Parameters(Arc::new(entry("v1", kernel))))
}

fn node_of<'a>(state: &'a State, component: &'a Component) -> BootNode<'a> {
    state.boot_node(&component.id, Some(component), Arch::Unspecified)
}

fn choice(log: &Log, parameters: Option<BootMatch>) -> Option<BootChoice> {
    let component = log.state.smd.component(&NODE.parse().unwrap()).unwrap();
    let node = node_of(&log.state, &component);
    choose(log.state.boot_matches(&node, parameters))
}

fn winner(log: &Log, parameters: Option<BootMatch>) -> Option<String> {
    choice(log, parameters).map(|choice| choice.winner.source.name().to_owned())
}

/// A configuration that selects the node in one way.
fn selecting(name: &str, by: &str) -> BootConfiguration {
    let mut selecting = configuration(name);
    match by {
        "xname" => selecting.hosts = vec![NODE.into()],
        "MAC" => selecting.macs = vec![MAC.into()],
        "NID" => selecting.nids = vec![7],
        "nodeset" => selecting.hosts = vec!["x[1000-1003]c*s*b0n0".into()],
        "place" => selecting.hosts = vec!["x1000c0".into()],
        "group" => selecting.groups = vec!["gpu".into()],
        "subrole" => selecting.sub_roles = vec!["Worker".into()],
        "role" => selecting.roles = vec!["Compute".into()],
        _ => selecting.is_default = true,
    }
    selecting
}

fn with_priority(priority: u32, configuration: BootConfiguration) -> BootConfiguration {
    BootConfiguration {
        priority: Some(priority),
        ..configuration
    }
}

const CLASSES: [(BootClass, &[&str]); 6] = [
    (BootClass::Own, &["xname", "MAC", "NID"]),
    (BootClass::NodeSet, &["nodeset", "place"]),
    (BootClass::Group, &["group"]),
    (BootClass::SubRole, &["subrole"]),
    (BootClass::Role, &["role"]),
    (BootClass::Default, &["default"]),
];

/// Every pair of ways to select a node, the less specific one with the highest priority: the class decides first.
#[test]
fn the_more_specific_selector_wins_whatever_the_priority() {
    let mut pairs = 0;
    for (at, (class, ways)) in CLASSES.iter().enumerate() {
        for (_, lesser) in &CLASSES[at + 1..] {
            for (way, less) in ways
                .iter()
                .flat_map(|way| lesser.iter().map(move |less| (way, less)))
            {
                let mut log = seeded();
                log.ok(put(with_priority(0, selecting("z", way))));
                log.ok(put(with_priority(100, selecting("a", less))));
                let chosen = choice(&log, None).unwrap();
                assert_eq!(chosen.winner.source.name(), "z", "{way} before {less}");
                assert_eq!(chosen.winner.class, *class, "{way}");
                pairs += 1;
            }
        }
    }
    assert_eq!(pairs, 32);
}

#[test]
fn in_one_class_the_priority_decides_then_the_name() {
    for (_, ways) in CLASSES {
        for (way, other) in ways
            .iter()
            .flat_map(|way| ways.iter().map(move |other| (way, other)))
        {
            let mut log = seeded();
            log.ok(put(with_priority(51, selecting("z", way))));
            log.ok(put(selecting("a", other)));
            assert_eq!(winner(&log, None).as_deref(), Some("z"), "{way}, {other}");
            log.ok(put(selecting("z", way)));
            assert_eq!(winner(&log, None).as_deref(), Some("a"), "{way}, {other}");
        }
    }
}

/// BSS v1 knows three classes; its entries have priority 50 and win ties.
#[test]
fn boot_parameters_take_part_with_priority_50_and_win_ties() {
    for (class, way) in [
        (BootClass::Own, "xname"),
        (BootClass::Role, "role"),
        (BootClass::Default, "default"),
    ] {
        let parameters = || Some(of_v1(class, "http://v1/k"));
        for (priority, expected) in [(49, "v1"), (50, "v1"), (51, "a")] {
            let mut log = seeded();
            log.ok(put(with_priority(priority, selecting("a", way))));
            assert_eq!(
                winner(&log, parameters()).as_deref(),
                Some(expected),
                "{way} {priority}"
            );
        }
    }
    let mut log = seeded();
    log.ok(put(with_priority(0, selecting("a", "group"))));
    assert_eq!(
        winner(&log, Some(of_v1(BootClass::Role, "http://v1/k"))).as_deref(),
        Some("a")
    );
    assert_eq!(
        winner(&log, Some(of_v1(BootClass::Own, "http://v1/k"))).as_deref(),
        Some("v1")
    );
}

/// BSS lets an entry without a kernel hide all others, and then the node does not boot; a configuration is meant to.
#[test]
fn boot_parameters_without_a_kernel_count_only_alone() {
    let bare = || Some(of_v1(BootClass::Own, ""));
    let mut log = seeded();
    assert_eq!(winner(&log, bare()).as_deref(), Some("v1"));
    log.ok(put(selecting("a", "default")));
    assert_eq!(winner(&log, bare()).as_deref(), Some("a"));
    log.ok(put(BootConfiguration {
        merge_params: true,
        params: "x".into(),
        ..selecting("b", "xname")
    }));
    let chosen = choice(&log, bare()).unwrap();
    assert_eq!(chosen.merged.len(), 1);
    assert_eq!(chosen.params(), "x");
}

#[test]
fn disabled_and_other_architectures_take_no_part() {
    let mut log = seeded();
    log.ok(put(BootConfiguration {
        disabled: true,
        ..selecting("a", "xname")
    }));
    log.ok(put(BootConfiguration {
        arch: Arch::Arm.into(),
        ..selecting("b", "xname")
    }));
    log.ok(put(selecting("c", "default")));
    assert_eq!(winner(&log, None).as_deref(), Some("c"));
    log.ok(put(BootConfiguration {
        arch: Arch::X86.into(),
        ..selecting("b", "xname")
    }));
    assert_eq!(winner(&log, None).as_deref(), Some("b"));
}

/// The inventory knows best; what a node says counts where the inventory has nothing.
#[test]
fn the_architecture_is_the_inventorys_else_the_nodes_word() {
    let state = State::new();
    let arch = |stored: Arch, said: Arch| {
        let component = Component {
            arch: stored.into(),
            ..component(NODE)
        };
        state.boot_node(NODE, Some(&component), said).arch
    };
    assert_eq!(arch(Arch::X86, Arch::Arm), Arch::X86);
    for nothing in [Arch::Unspecified, Arch::Unknown] {
        assert_eq!(arch(nothing, Arch::Arm), Arch::Arm);
        assert_eq!(arch(nothing, Arch::Unspecified), Arch::Unspecified);
    }
}

/// A node that is selected in two ways has the configuration once, at its closest.
#[test]
fn a_configuration_takes_part_once() {
    let mut log = seeded();
    let twice = BootConfiguration {
        macs: vec![MAC.into()],
        hosts: vec![NODE.into(), "x1000".into()],
        is_default: true,
        merge_params: true,
        params: "a".into(),
        ..configuration("twice")
    };
    log.ok(put(twice));
    log.ok(put(BootConfiguration {
        params: "b".into(),
        ..selecting("default", "default")
    }));
    let chosen = choice(&log, None).unwrap();
    assert_eq!(chosen.winner.class, BootClass::Own);
    assert_eq!(chosen.merged.len(), 1);
    assert_eq!(chosen.params(), "b a");
}

#[test]
fn merged_parameters_come_after_and_override_by_key() {
    let mut log = seeded();
    let merging = |name: &str, by: &str, params: &str| BootConfiguration {
        merge_params: true,
        kernel: String::new(),
        params: params.into(),
        ..selecting(name, by)
    };
    log.ok(put(merging("own", "xname", "console=ttyS1 debug")));
    log.ok(put(merging(
        "group",
        "group",
        "console=ttyS0 console=tty0  nid=1",
    )));
    log.ok(put(BootConfiguration {
        params: "quiet debug=0 root=live root2".into(),
        initrd: "http://i/i".into(),
        ..selecting("role", "role")
    }));
    log.ok(put(selecting("default", "default")));
    let chosen = choice(&log, Some(of_v1(BootClass::Default, "http://v1/k"))).unwrap();
    assert_eq!(chosen.params(), "quiet root=live root2 nid=1 console=ttyS1 debug");
    assert_eq!(chosen.winner.source.name(), "own");
    let merged: Vec<&str> = chosen.merged.iter().map(|part| part.source.name()).collect();
    assert_eq!(
        merged,
        ["group", "role"],
        "the first that does not merge is the last"
    );
    assert_eq!(
        (&*chosen.booted().kernel(), &*chosen.booted().initrd()),
        ("http://i/k", "http://i/i")
    );
    let from: Vec<usize> = chosen.words().iter().map(|word| word.from).collect();
    assert_eq!(from, [2, 2, 2, 1, 0, 0]);
}

#[test]
fn a_kernel_of_its_own_comes_with_its_own_initrd() {
    let mut log = seeded();
    log.ok(put(BootConfiguration {
        merge_params: true,
        kernel: "http://own/k".into(),
        params: "own".into(),
        ..selecting("own", "xname")
    }));
    let chosen = choice(&log, Some(of_v1(BootClass::Role, "http://v1/k"))).unwrap();
    assert_eq!(
        (&*chosen.booted().kernel(), &*chosen.booted().initrd()),
        ("http://own/k", "")
    );
    assert_eq!(chosen.params(), "console=v1 quiet own");
}

/// Stored parameters go out as they are: BSS's clients see their own blanks again.
#[test]
fn parameters_that_stand_alone_are_not_touched() {
    let mut log = seeded();
    log.ok(put(BootConfiguration {
        params: " a  b a".into(),
        ..selecting("own", "xname")
    }));
    assert_eq!(choice(&log, None).unwrap().params(), " a  b a");
}

#[test]
fn a_chain_of_merges_is_bounded() {
    let mut log = seeded();
    for n in 0..2 * MERGED_MAX {
        log.ok(put(BootConfiguration {
            merge_params: true,
            params: format!("p{n:02}"),
            ..selecting(&format!("c{n:02}"), "group")
        }));
    }
    let chosen = choice(&log, None).unwrap();
    assert_eq!(chosen.parts().count(), MERGED_MAX);
    assert!(
        chosen.params().starts_with("p15 ") && chosen.params().ends_with(" p00"),
        "{}",
        chosen.params()
    );
}

#[test]
fn nothing_that_selects_the_node_is_no_choice() {
    let mut log = seeded();
    assert_eq!(choice(&log, None), None);
    for other in ["x1000c1", "x1000c0s0b0n1", "x[1001-1003]c*s*b0n0"] {
        log.ok(put(BootConfiguration {
            hosts: vec![other.into()],
            ..configuration("other")
        }));
        assert_eq!(choice(&log, None), None, "{other}");
    }
}

/// What the indexes find is what a look at every configuration finds, for every node of a state.
pub fn check_index(state: &State) {
    let is_node = |component: &&Arc<Component>| component.id.parse::<Xname>().is_ok_and(|id| id.is_node());
    for component in state.smd.components().filter(is_node) {
        for said in [Arch::Unspecified, Arch::X86, Arch::Arm] {
            let node = state.boot_node(&component.id, Some(component), said);
            let found: Vec<BootMatch> = state.boot_matches(&node, None).collect();
            // a rollout may give the node something else under the same name
            let names = |all: &[BootMatch]| -> Vec<(BootClass, String)> {
                let named = all.iter().map(|one| (one.class, one.source.name().to_owned()));
                named.collect()
            };
            assert_eq!(names(&found), names(&naive(state, &node)), "{}", component.id);
        }
    }
}

fn naive(state: &State, node: &BootNode<'_>) -> Vec<BootMatch> {
    let enabled = state
        .bss
        .configurations()
        .filter(|configuration| !configuration.disabled);
    let admitted = enabled.filter(|one| one.arch() == Arch::Unspecified || one.arch() == node.arch);
    let mut all: Vec<BootMatch> = admitted
        .filter_map(|configuration| {
            let (class, _) = selection(configuration, node)?;
            let source = BootSource::Configuration(Arc::clone(configuration));
            Some(BootMatch::without_image(class, source))
        })
        .collect();
    all.sort_by(|one, other| one.order().cmp(&other.order()));
    all
}

/// Few selectors, so that configurations meet each other.
fn random_configuration() -> impl Strategy<Value = BootConfiguration> {
    let some = |texts: &'static [&'static str]| {
        let one = proptest::sample::select(texts).prop_map(str::to_owned);
        prop_oneof![2 => Just(vec![]), 1 => proptest::collection::vec(one, 1..3)]
    };
    let selectors = (
        some(&[
            "x0c0s0b0n0",
            "x0c0s1b0n0",
            "x0c0s*b0n0",
            "x0c0s[1-2]",
            "x0",
            "x1c0s0b0n0",
        ]),
        some(&["02:00:00:00:00:00", "02:00:00:00:00:01", "02:00:00:00:00:09"]),
        proptest::collection::vec(0..4_u64, 0..2),
        some(&["a", "b", "none"]),
        some(&["Compute", "Service"]),
        some(&["Worker"]),
    );
    let arch = prop_oneof![3 => Just(Arch::Unspecified), 1 => Just(Arch::X86), 1 => Just(Arch::Arm)];
    let rest = (
        0..6_u8,
        any::<bool>(),
        arch,
        48..53_u32,
        proptest::bool::weighted(0.2),
    );
    (selectors, rest).prop_map(|(selectors, (name, is_default, arch, priority, disabled))| {
        let (hosts, macs, nids, groups, roles, sub_roles) = selectors;
        BootConfiguration {
            hosts,
            macs,
            nids,
            groups,
            roles,
            sub_roles,
            is_default,
            arch: arch.into(),
            priority: Some(priority),
            disabled,
            ..configuration(&format!("c{name}"))
        }
    })
}

/// Four nodes that differ in everything that selectors look at.
fn nodes() -> Log {
    let mut log = Log::latest();
    let node = |n: u64| Component {
        nid: Some(n),
        role: if n == 2 { "Service" } else { "Compute" }.into(),
        sub_role: if n == 1 { "Worker" } else { "" }.into(),
        arch: match n {
            0 => Arch::X86,
            1 => Arch::Arm,
            2 => Arch::Unknown,
            _ => Arch::Unspecified,
        }
        .into(),
        ..component(&format!("x0c0s{n}b0n0"))
    };
    log.ok(create((0..4).map(node).collect()));
    for n in 0..2 {
        let (mac, node) = (format!("02:00:00:00:00:0{n}"), format!("x0c0s{n}b0n0"));
        log.ok(ethernet_interfaces::create(&mac, &node, &[]));
    }
    log.ok(groups::create(groups::group("a", &["x0c0s0b0n0", "x0c0s1b0n0"])));
    log.ok(groups::create(groups::group("b", &["x0c0s1b0n0", "x0c0s2b0n0"])));
    log
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_index_finds_what_a_look_at_everything_finds(
        steps in proptest::collection::vec((random_configuration(), proptest::bool::weighted(0.2)), 1..24)
    ) {
        let mut log = nodes();
        for (configuration, deletes) in steps {
            let name = configuration.name.clone();
            if deletes {
                let delete = proto::bss::v1::bss_command::DeleteBootConfiguration { name, if_revision: None };
                log.apply(delete);
            } else {
                log.apply(put(configuration));
            }
            check_index(&log.state);
        }
        check_index(&State::from_rows(log.state.rows()).unwrap());
    }
}
