//! Random logs: the same log gives the same state, and what must always hold does.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use prost::Message;
use proto::boot_file::v1::boot_file_command;
use proto::bss::v1::bss_command;
use proto::bss::v1::{BootConfiguration, BootParametersEntry, BootRollout};
use proto::cloud_init::v1::{ClusterDefaults, InstanceInfo, cloud_init_command};
use proto::cluster::v1::cluster_command;
use proto::raft::v1::entry::Command;
use proto::raft::v1::{Entry, LockEnforcement};
use proto::smd::v1::{Component, EthernetInterface, Group, GroupMembers, IpAddressMapping, smd_command};
use state::cluster::FEATURE_LEVEL_KNOWN;
use state::{RowKey, RowKind, State};

use crate::support::{IntoCommand, Log, START_MS, entry, session};
use crate::{
    boot_choice, boot_configurations, boot_records, boot_rollouts, boot_sessions, cloud_init_groups,
    cloud_init_secrets, cluster_defaults, discoveries, hardware, images, instance_info, instances,
    join_tokens, profiles, random_auth, random_dhcp, random_discovery, random_hardware, random_smd,
    redfish_endpoints, templates,
};

/// Few names, so that commands meet each other; some are wrong.
fn xname() -> impl Strategy<Value = String> + Clone {
    prop_oneof![
        8 => (0..5_u8).prop_map(|slot| format!("x0c0s{slot}b0n0")),
        1 => Just("X0c0s01b0n0".to_owned()),
        1 => Just("x0c0s0b0".to_owned()),
        1 => Just("nowhere".to_owned()),
    ]
}

fn mac() -> impl Strategy<Value = String> {
    prop_oneof![9 => (0..4_u8).prop_map(|n| format!("02:00:00:00:00:0{n}")), 1 => Just("02:00".to_owned())]
}

fn mapping() -> impl Strategy<Value = IpAddressMapping> {
    (0..7_u8, prop_oneof![Just(""), Just("blue")]).prop_map(|(n, network)| IpAddressMapping {
        ip_address: match n {
            0..=4 => format!("10.0.0.{n}"),
            _ => format!("fd00::{n}"),
        },
        network: network.into(),
    })
}

fn mappings() -> impl Strategy<Value = Vec<IpAddressMapping>> {
    proptest::collection::vec(mapping(), 0..3)
}

fn component() -> impl Strategy<Value = Component> {
    (xname(), 0..10_i32, proptest::option::of(0..5_u64)).prop_map(|(id, state, nid)| Component {
        id,
        state,
        nid,
        ..Default::default()
    })
}

fn smd() -> impl Strategy<Value = Command> {
    use smd_command::*;
    let create = (proptest::collection::vec(component(), 0..4), any::<bool>());
    let patch = (xname(), 0..9_i32, any::<bool>(), proptest::option::of(0..20_u64));
    let deletes = || proptest::collection::vec(xname(), 0..3);
    prop_oneof![
        3 => create.prop_map(|(components, force)| CreateComponents { components, force, ..Default::default() }.into_command()),
        2 => patch.prop_map(|(id, state, force, if_revision)| {
            PatchState { id, state, force, if_revision, flag: 0 }.into_command()
        }),
        1 => deletes().prop_map(|ids| DeleteComponents { all: ids.is_empty(), ids, ..Default::default() }.into_command()),
        3 => (mac(), xname(), mappings()).prop_map(|(mac_address, component_id, ip_addresses)| {
            let interface = EthernetInterface { mac_address, component_id, ip_addresses, ..Default::default() };
            CreateEthernetInterface { interface: Some(interface) }.into_command()
        }),
        2 => (proptest::collection::vec((mac(), xname(), mappings()), 0..4), any::<bool>()).prop_map(|(given, replace)| {
            let interface = |(mac_address, component_id, ip_addresses)| {
                EthernetInterface { mac_address, component_id, ip_addresses, ..Default::default() }
            };
            CreateEthernetInterfaces { interfaces: given.into_iter().map(interface).collect(), replace, ..Default::default() }.into_command()
        }),
        2 => (mac(), proptest::option::of(xname()), proptest::option::of(mappings())).prop_map(|(id, component_id, items)| {
            let ip_addresses = items.map(|items| IpAddresses { items });
            PatchEthernetInterface { id, component_id, description: None, ip_addresses, ..Default::default() }.into_command()
        }),
        1 => proptest::collection::vec(mac(), 0..2).prop_map(|ids| {
            DeleteEthernetInterfaces { all: ids.is_empty(), ids, ..Default::default() }.into_command()
        }),
        2 => (mac(), mapping()).prop_map(|(id, mapping)| AddIpAddress { id, mapping: Some(mapping), ..Default::default() }.into_command()),
        1 => (mac(), mapping()).prop_map(|(id, mapping)| {
            PatchIpAddress { id, ip: mapping.ip_address, network: mapping.network, ..Default::default() }.into_command()
        }),
        1 => (mac(), mapping()).prop_map(|(id, mapping)| DeleteIpAddress { id, ip: mapping.ip_address, ..Default::default() }.into_command()),
        6 => groups(),
    ]
}

fn endpoints() -> impl Strategy<Value = Command> {
    use smd_command::*;
    (0..10_u8, 0..4_u8, 0..4_u8, any::<bool>()).prop_map(|(kind, slot, other, update)| {
        let id = format!("x0c0s{slot}b0");
        let ids = vec![id.clone()];
        match kind {
            0..=4 => {
                let mut found = discoveries::blade(slot);
                found.hardware = vec![hardware::entry(&format!("{id}n0"), &format!("Node.{other}"))];
                found.password = update.then(|| redfish_endpoints::sealed(&id));
                if let Some(endpoint) = found.endpoint.as_mut().filter(|_| other == 0) {
                    endpoint.fqdn = "bmc0.lab".into();
                }
                let endpoints = if other == slot {
                    vec![found]
                } else {
                    vec![found, discoveries::blade(other)]
                };
                StoreDiscovery { endpoints, update }.into_command()
            }
            5 => PatchRedfishEndpoint {
                id,
                fqdn: Some(format!("bmc{other}.lab")),
                ..Default::default()
            }
            .into_command(),
            6 => DeleteRedfishEndpoints {
                ids,
                all: other == 0,
                ..Default::default()
            }
            .into_command(),
            7 => DeleteComponentEndpoints { ids, all: other == 0 }.into_command(),
            8 => DeleteServiceEndpoints {
                service: "UpdateService".into(),
                id,
                all: other == 0,
            }
            .into_command(),
            _ => RequestDiscovery { ids, all: other == 0 }.into_command(),
        }
    })
}

fn groups() -> impl Strategy<Value = Command> {
    use smd_command::*;
    let label = prop_oneof![3 => Just("red"), 3 => Just("blue"), 2 => Just("tall"), 1 => Just("Red"), 1 => Just("a b")];
    let ids = proptest::collection::vec(xname(), 0..4);
    (0..8_u8, label, ids, any::<bool>()).prop_map(|(kind, label, ids, flag)| {
        let label = label.to_owned();
        let text = if flag { "colour".to_owned() } else { String::new() };
        match kind {
            0..=2 => {
                let members = Some(GroupMembers { ids });
                let group = Group {
                    label,
                    exclusive_group: text,
                    members,
                    ..Default::default()
                };
                CreateGroup { group: Some(group) }.into_command()
            }
            3 => PatchGroup {
                label,
                description: Some(text),
                tags: None,
                ..Default::default()
            }
            .into_command(),
            4 => DeleteGroup {
                label,
                ..Default::default()
            }
            .into_command(),
            5 => AddGroupMember {
                label,
                ids,
                ..Default::default()
            }
            .into_command(),
            6 => ReplaceGroupMembers {
                label,
                ids,
                ..Default::default()
            }
            .into_command(),
            _ => RemoveGroupMember {
                label,
                ids,
                ..Default::default()
            }
            .into_command(),
        }
    })
}

fn cloud_init() -> impl Strategy<Value = Command> {
    use cloud_init_command::*;
    let name = prop_oneof![Just("compute"), Just("Compute"), Just("io"), Just("a b")];
    let revision = proptest::option::weighted(0.2, 0..40_u64);
    (0..12_u8, xname(), name, any::<bool>(), revision).prop_map(|(kind, node, name, flag, if_revision)| {
        match kind {
            0 => instances::assign(&node).into_command(),
            1 => {
                let defaults = ClusterDefaults {
                    region: name.into(),
                    ..Default::default()
                };
                cluster_defaults::update(defaults, if flag { &["region"] } else { &[] }).into_command()
            }
            2 => {
                let put = cloud_init_groups::put(cloud_init_groups::group(name));
                PutGroup {
                    must_be_new: flag,
                    ..put
                }
                .into_command()
            }
            3 => DeleteGroup {
                name: name.into(),
                ..Default::default()
            }
            .into_command(),
            4 => {
                let instance_id = if flag { name.to_owned() } else { String::new() };
                let info = InstanceInfo {
                    local_hostname: instance_id.replace(' ', ""),
                    instance_id,
                    ..instance_info::info(&node)
                };
                PutInstanceInfo {
                    info: Some(info),
                    ..Default::default()
                }
                .into_command()
            }
            5 => RenewInstanceId { node, if_revision }.into_command(),
            6 => {
                let put = profiles::put(profiles::profile(&format!("{name}-{flag}"), &[&node]));
                PutProfile { if_revision, ..put }.into_command()
            }
            7 => DeleteProfile {
                name: format!("{name}-{flag}"),
                if_revision,
            }
            .into_command(),
            8 => {
                let open = boot_sessions::open(
                    &node,
                    if flag {
                        "00000000000000b1"
                    } else {
                        "00000000000000b2"
                    },
                );
                let token_expires_at_ms = open.token_expires_at_ms + u64::from(flag);
                OpenBootSession {
                    token_expires_at_ms,
                    ..open
                }
                .into_command()
            }
            9 => DeleteClusterDefaults { if_revision }.into_command(),
            10 if flag => cloud_init_secrets::put(name, "sealed").into_command(),
            10 => PatchGroup {
                name: name.into(),
                description: Some(node),
                if_revision,
                ..Default::default()
            }
            .into_command(),
            _ => DeleteInstanceInfo {
                id: node,
                ..Default::default()
            }
            .into_command(),
        }
    })
}

fn put_configuration(
    node: String,
    boot: u8,
    kernel: String,
    initrd: String,
) -> bss_command::PutBootConfiguration {
    let is_of_image = boot == 3;
    let text = |url: String| if is_of_image { String::new() } else { url };
    boot_configurations::put(BootConfiguration {
        image: if is_of_image {
            "a".to_owned()
        } else {
            String::new()
        },
        hosts: vec![node],
        is_default: boot == 1,
        merge_params: boot == 2,
        kernel: text(kernel),
        initrd: text(initrd),
        ..boot_configurations::configuration(&format!("c{boot}"))
    })
}

/// Of boot parameters, a configuration, a group or a profile; to a version that may be kept.
fn go_back(boot: u8) -> bss_command::Rollback {
    let (kind, id) = match boot {
        0 => (RowKind::BootConfiguration, "c0"),
        1 => (RowKind::CloudInitGroup, "compute"),
        2 => (RowKind::Profile, "compute-true"),
        _ => (RowKind::BootParameters, "Default"),
    };
    bss_command::Rollback {
        kind: kind as u32,
        id: id.to_owned(),
        revision: u64::from(boot) * 7,
        if_revision: None,
    }
}

fn put_each(keys: Vec<String>, values: &BootParametersEntry, must_be_new: bool) -> bss_command::Put {
    let entry = |key: String| BootParametersEntry {
        key,
        ..values.clone()
    };
    bss_command::Put {
        if_revisions: if must_be_new {
            vec![0; keys.len()]
        } else {
            Vec::new()
        },
        entries: keys.into_iter().map(entry).collect(),
    }
}

fn bss() -> impl Strategy<Value = Command> {
    use bss_command::*;
    let key = prop_oneof![
        xname(),
        mac(),
        Just("Default".to_owned()),
        Just("nid1".to_owned()),
        Just("a b".to_owned())
    ];
    let keys = proptest::collection::vec(key, 0..3);
    let image = || {
        prop_oneof![
            Just(String::new()),
            Just("http://i/a".to_owned()),
            Just("http://i/files/vmlinuz".to_owned()),
            Just("http://i/b\n".to_owned())
        ]
    };
    let seen = crate::boot_phases::random_seen(xname());
    (0..16_u8, keys, image(), image(), xname(), 0..4_u8, seen).prop_map(
        |(kind, keys, kernel, initrd, node, boot, seen)| {
            let given = BootParametersEntry {
                kernel: kernel.clone(),
                initrd: initrd.clone(),
                ..Default::default()
            };
            let values = Some(given.clone());
            match kind {
                0 => Create { keys, values }.into_command(),
                1 => Replace { keys, values }.into_command(),
                2 => Update { keys, values }.into_command(),
                3 => Delete { keys, kernel, initrd }.into_command(),
                4 | 5 => {
                    let put = put_configuration(node, boot, kernel, initrd);
                    let must_be_new = kind == 5;
                    PutBootConfiguration { must_be_new, ..put }.into_command()
                }
                6 => DeleteBootConfiguration {
                    name: format!("c{boot}"),
                    if_revision: None,
                }
                .into_command(),
                7 | 8 => seen.into_command(),
                9 => boot_rollouts::start(BootRollout {
                    configuration: format!("c{boot}"),
                    hosts: vec!["x*".into()],
                    ..boot_rollouts::rollout()
                })
                .into_command(),
                10 => AdvanceBootRollout { name: "new".into() }.into_command(),
                11 => ControlBootRollout {
                    name: "new".into(),
                    action: i32::from(boot),
                    if_revision: None,
                }
                .into_command(),
                12 => go_back(boot).into_command(),
                13 => put_each(keys, &given, boot == 0).into_command(),
                14 => Conditional {
                    if_revision: u64::from(boot) * 5,
                    change: Some(conditional::Change::Replace(Replace { keys, values })),
                }
                .into_command(),
                _ => boot_records::command(boot_records::record(&node, &format!("00000000000000b{boot}")))
                    .into_command(),
            }
        },
    )
}

fn boot_files() -> impl Strategy<Value = Command> {
    use boot_file_command::*;
    let name = prop_oneof![Just("vmlinuz"), Just("a/initrd"), Just(".hidden")];
    let image = prop_oneof![Just("a"), Just("b"), Just("a/b")];
    let revision = proptest::option::weighted(0.2, 0..30_u64);
    (0..9_u8, name, image, 0..2_u8, revision, any::<bool>()).prop_map(
        |(kind, name, image, digit, if_revision, flag)| match kind {
            0..=2 => PutBootFile {
                file: Some(crate::boot_files::file(name, &digit.to_string())),
                if_revision,
            }
            .into_command(),
            3 => DeleteBootFile {
                name: name.to_owned(),
                if_revision,
            }
            .into_command(),
            4..=6 => {
                let mut image = images::image(image, "vmlinuz");
                image.initrd = flag.then(|| images::part(name));
                image.min_members = u32::from(digit);
                PutImage {
                    image: Some(image),
                    if_revision,
                }
                .into_command()
            }
            7 => SetImagePinned {
                name: image.to_owned(),
                pinned: flag,
                if_revision,
            }
            .into_command(),
            _ => DeleteImage {
                name: image.to_owned(),
                force: flag,
                remaining: if digit == 0 { String::new() } else { "b".to_owned() },
                if_revision,
            }
            .into_command(),
        },
    )
}

fn command() -> impl Strategy<Value = Command> {
    prop_oneof![
        10 => smd(),
        14 => random_smd::commands(xname()),
        4 => random_hardware::commands(xname()),
        2 => endpoints(),
        10 => bss(),
        3 => cloud_init(),
        6 => boot_files(),
        8 => random_dhcp::commands(),
        8 => random_auth::commands(),
        10 => random_discovery::commands(),
        2 => templates::commands(),
        1 => (any::<bool>(), 0..4_u32).prop_map(|(first, level)| {
            if first {
                join_tokens::bootstrap().into_command()
            } else if level == 0 {
                join_tokens::admit(1).into_command()
            } else {
                cluster_command::SetFeatureLevel { level }.into_command()
            }
        }),
    ]
}

/// Nothing, no keys, what is no digest, or a key that opens nothing.
fn enforcement() -> impl Strategy<Value = Option<LockEnforcement>> {
    (0..16_u8).prop_map(|kind| {
        let digests = match kind {
            0..=9 => return None,
            10..=12 => Vec::new(),
            13 => vec![vec![7; 31]],
            _ => vec![vec![7; 32]],
        };
        Some(LockEnforcement {
            reservation_key_sha256: digests,
        })
    })
}

/// Entries of three clients, some of them sent twice, over some hours; some of them enforce locks, some are by somebody who acts by
/// policies.
pub fn log() -> impl Strategy<Value = Vec<Entry>> {
    let step = (
        command(),
        1..4_u8,
        1..12_u64,
        0..3_u64,
        0..600_000_u64,
        enforcement(),
        random_auth::grant(),
    );
    proptest::collection::vec(step, 1..90).prop_map(|steps| {
        let (mut now_ms, mut jobs) = (START_MS, random_discovery::Jobs::default());
        let entry = |(index, (command, client, seq, ack, passed, enforcement, grant))| {
            now_ms += passed;
            let command = jobs.at(random_auth::at(command, now_ms), index);
            // most are new requests, some repeat one, some come late
            let seq = index / 3 + seq % 4 + 1;
            let session = session(client, seq, u64::saturating_sub(seq, ack));
            let mut entry = entry(index, now_ms, session, command);
            let header = entry.header.get_or_insert_default();
            header.lock_enforcement = enforcement;
            header.grant = grant;
            entry
        };
        (1..).zip(steps).map(entry).collect()
    })
}

fn apply_all(entries: &[Entry]) -> (State, Vec<Vec<u8>>) {
    let mut state = State::at_level(FEATURE_LEVEL_KNOWN);
    let outcomes = (1..)
        .zip(entries)
        .map(|(index, entry)| state.apply(index, entry).outcome.encode_to_vec());
    let outcomes = outcomes.collect();
    (state, outcomes)
}

fn bytes(state: &State) -> Vec<Vec<u8>> {
    state.rows().map(|row| row.encode_to_vec()).collect()
}

/// The indexes, found again by looking at every object.
fn check_indexes(state: &State) {
    let mut nids = BTreeMap::new();
    for component in state.smd.components() {
        let id = component.id.parse().unwrap();
        assert_eq!(state.smd.component(&id).as_ref(), Some(component));
        assert_eq!(
            component.nid.is_some(),
            component
                .nid
                .is_some_and(|nid| nids.insert(nid, component).is_none())
        );
    }
    for nid in 0..12 {
        assert_eq!(
            state.smd.component_by_nid(nid).as_ref(),
            nids.get(&nid).copied(),
            "NID {nid}"
        );
    }
    check_groups(state);
    check_partitions(state);
    check_endpoints(state);
    random_hardware::check(state);
    random_auth::check_indexes(state);
    random_discovery::check_indexes(state);
    boot_choice::check_index(state);
    let mut owners: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
    let mut networks = BTreeSet::new();
    let mut carried: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for interface in state.smd.interfaces() {
        carried
            .entry(&interface.component_id)
            .or_default()
            .push(&interface.id);
        for mapping in &interface.ip_addresses {
            assert!(
                networks.insert((&mapping.ip_address, &mapping.network)),
                "two owners of {mapping:?}"
            );
            owners
                .entry(mapping.ip_address.clone())
                .or_default()
                .insert(&interface.id);
        }
    }
    for n in 0..6 {
        let ip = format!("10.0.0.{n}");
        let only = owners
            .get(&ip)
            .filter(|ids| ids.len() == 1)
            .and_then(|ids| ids.first().copied());
        let found = state.smd.interface_by_ip(ip.parse().unwrap());
        assert_eq!(
            found.as_ref().map(|interface| interface.id.as_str()),
            only,
            "{ip}"
        );
    }
    for component in [
        "x0c0s0b0n0",
        "x0c0s1b0n0",
        "x0c0s2b0n0",
        "x0c0s3b0n0",
        "x0c0s4b0n0",
        "x0c0s0b0",
    ] {
        let found: Vec<_> = state
            .smd
            .interfaces_of(&component.parse().unwrap())
            .map(|i| i.id.as_str())
            .collect();
        assert_eq!(found, carried.get(component).cloned().unwrap_or_default());
    }
}

/// Every member exists and is in one group at most of each exclusive group; labels are found by member.
fn check_groups(state: &State) {
    let mut labels: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let mut exclusive = BTreeSet::new();
    for group in state.smd.groups() {
        assert_eq!(state.smd.group(&group.label).as_ref(), Some(group));
        let ids = &group.members.as_ref().unwrap().ids;
        assert!(ids.is_sorted_by(|a, b| a < b), "{ids:?}");
        for id in ids {
            labels.entry(id).or_default().push(&group.label);
            let name = &group.exclusive_group;
            assert!(
                name.is_empty() || exclusive.insert((name, id)),
                "{id} twice in {name}"
            );
            assert!(state.smd.component(&id.parse().unwrap()).is_some(), "{id}");
        }
    }
    for n in 0..6 {
        let id = format!("x0c0s{n}b0n0");
        let found: Vec<&str> = state.smd.group_labels_of(&id.parse().unwrap()).collect();
        assert_eq!(
            found,
            labels.get(id.as_str()).cloned().unwrap_or_default(),
            "{id}"
        );
    }
}

/// Every member exists and is in one partition; NIDs of maps have one owner; what is reserved is there.
fn check_partitions(state: &State) {
    let mut names: BTreeMap<&str, &str> = BTreeMap::new();
    for partition in state.smd.partitions() {
        assert_eq!(state.smd.partition(&partition.name).as_ref(), Some(partition));
        for id in &partition.members.as_ref().unwrap().ids {
            assert_eq!(names.insert(id, &partition.name), None, "{id}");
            assert!(state.smd.component(&id.parse().unwrap()).is_some(), "{id}");
        }
    }
    let mut nids = BTreeSet::new();
    assert!(state.smd.node_maps().all(|map| nids.insert(map.nid)));
    for n in 0..6 {
        let id = format!("x0c0s{n}b0n0");
        assert_eq!(
            state.smd.partition_of(&id),
            names.get(id.as_str()).copied(),
            "{id}"
        );
        let xname = id.parse().unwrap();
        let reserved = state.smd.reservation(&xname, state.time_ms()).is_some();
        assert!(!reserved || state.smd.component(&xname).is_some(), "{id}");
    }
}

/// Everything behind an endpoint is found by it, and every endpoint by its FQDN.
fn check_endpoints(state: &State) {
    let mut behind: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for endpoint in state.smd.component_endpoints() {
        let found = behind.entry(&endpoint.redfish_endpoint_id).or_default();
        found.push(&endpoint.id);
    }
    let mut fqdns = BTreeSet::new();
    for endpoint in state.smd.redfish_endpoints() {
        assert!(fqdns.insert(endpoint.fqdn.to_lowercase()), "{}", endpoint.fqdn);
        let by_fqdn = state.smd.redfish_endpoint_by_fqdn(&endpoint.fqdn);
        assert_eq!(by_fqdn.as_ref(), Some(endpoint));
        let id = endpoint.id.parse().unwrap();
        let indexed: Vec<&str> = state
            .smd
            .component_endpoints_of(&id)
            .map(|found| found.id.as_str())
            .collect();
        let of: Vec<&str> = behind.remove(endpoint.id.as_str()).unwrap_or_default();
        assert_eq!(indexed, of);
        for found in state.smd.component_endpoints_of(&id) {
            assert_eq!(found.redfish_endpoint_fqdn, endpoint.fqdn);
        }
    }
    assert!(behind.is_empty(), "{behind:?}");
}

/// Random logs among which every kind of row must be; some hundreds are enough.
const LOGS_MAX: usize = 8192;

/// A kind of row that no random log makes is a kind that none of these properties is about.
#[test]
fn random_logs_make_every_kind_of_row() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let mut kinds = BTreeSet::new();
    for _ in 0..LOGS_MAX {
        if kinds.len() == RowKind::ALL.len() {
            break;
        }
        let entries = log().new_tree(&mut runner).unwrap().current();
        let mut log = Log::latest();
        for entry in &entries {
            log.apply_entry(entry);
        }
        kinds.extend(log.keys().map(RowKey::kind));
    }
    assert_eq!(kinds, BTreeSet::from(RowKind::ALL));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    /// Two members, one of which was restored from the other's snapshot in the middle.
    #[test]
    fn the_same_log_gives_the_same_rows_digest_and_outcomes(entries in log(), cut in 0..60_usize) {
        let (first, outcomes) = apply_all(&entries);
        let cut = cut.min(entries.len());
        let (early, _) = apply_all(&entries[..cut]);
        let mut second = State::from_rows(early.rows()).unwrap();
        prop_assert_eq!(bytes(&second), bytes(&early));
        prop_assert_eq!(second.digest(), early.digest());
        for (index, entry) in (1..).zip(&entries).skip(cut) {
            let at = usize::try_from(index).unwrap() - 1;
            prop_assert_eq!(&second.apply(index, entry).outcome.encode_to_vec(), &outcomes[at]);
        }
        prop_assert_eq!(bytes(&second), bytes(&first));
        prop_assert_eq!(second.digest(), first.digest());
    }

    /// `Log::apply_entry` checks changed rows, restored state and the tracelessness of rejections after each entry.
    #[test]
    fn indexes_agree_with_the_objects_after_every_entry(entries in log()) {
        let mut log = Log::latest();
        for entry in &entries {
            let before = log.state.clone();
            let applied = log.apply_entry(entry);
            check_indexes(&log.state);
            random_dhcp::check(&before, &log.state);
            random_auth::check(&before, entry, &applied);
        }
        check_indexes(&State::from_rows(log.state.rows()).unwrap());
    }

    /// `Log::apply_entry` checks that a repeat or a refusal touches no object.
    #[test]
    fn an_entry_that_comes_twice_is_replayed_or_refused(entries in log()) {
        let mut log = Log::latest();
        for entry in &entries {
            let first = log.apply_entry(entry).outcome;
            let second = log.apply_entry(entry);
            prop_assert!(second.replayed || state::rejection(&second.outcome).is_some());
            prop_assert!(!second.replayed || second.outcome == first);
        }
    }

    #[test]
    fn what_stands_in_the_log_is_read_back(entries in log()) {
        for entry in &entries {
            let bytes = state::encode_exact(entry).unwrap();
            prop_assert_eq!(&state::decode_exact(&bytes).unwrap(), entry);
        }
    }

    #[test]
    fn hostile_bytes_never_panic(junk in proptest::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(entry) = state::decode_exact(&junk) {
            State::new().apply(1, &entry);
        }
        let _ = state::RowKey::from_bytes(&junk).map(|key| State::new().row(&key));
    }
}
