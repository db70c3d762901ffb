//! Answers are cut to what a part of the system has, and to nothing less.

use std::sync::LazyLock;

use proptest::prelude::*;
use proto::bss::v1::{NodeResource, NodeSpec};
use proto::smd::v1::{
    Component, CreateComponentsResponse, EthernetInterface, Group, GroupMembers, HardwareFru,
    HardwareLocation, ListComponentsResponse, ListGroupsResponse, LockResponse, LockedIds,
};

use super::*;
use crate::Rules;

const MINE: &str = "x0c0s0b0n0";
const THEIRS: &str = "x0c0s1b0n0";

/// The part that has the components whose ids are named.
#[derive(Debug)]
struct Named(BTreeSet<String>);

impl Part for Named {
    fn has_component(&self, id: &str) -> bool {
        self.0.contains(id)
    }

    fn has_group(&self, _: &str) -> bool {
        false
    }

    fn has_kind(&self, _: u32) -> bool {
        true
    }
}

fn mine() -> Named {
    Named(BTreeSet::from([MINE.to_owned()]))
}

static RULES: LazyLock<Rules> = LazyLock::new(|| Rules::from_descriptor(proto::DESCRIPTOR).unwrap());

fn rules() -> &'static Rules {
    &RULES
}

/// What is left of the answer of a method; `None`: nothing.
fn left<M: prost::Message + Default>(path: &str, answer: &M, part: &dyn Part) -> Option<M> {
    let plan = rules()
        .plan(path)
        .unwrap_or_else(|| panic!("{path} cannot be cut"));
    let bytes = answer.encode_to_vec();
    let filtered = plan.filter(&bytes, part)?;
    Some(M::decode(filtered.as_ref()).unwrap())
}

fn component(id: &str) -> Component {
    Component {
        id: id.to_owned(),
        role: "Compute".to_owned(),
        nid: Some(7),
        ..Component::default()
    }
}

fn list(ids: &[&str]) -> ListComponentsResponse {
    ListComponentsResponse {
        components: ids.iter().map(|id| component(id)).collect(),
        revision: 9,
        ..ListComponentsResponse::default()
    }
}

const LIST: &str = "/chamois.smd.v1.ComponentService/ListComponents";

#[test]
fn a_list_loses_the_messages_of_others_and_nothing_else() {
    for (listed, expected) in [
        (&[MINE, THEIRS][..], &[MINE][..]),
        (&[THEIRS, MINE, THEIRS], &[MINE]),
        (&[THEIRS], &[]),
        (&[MINE], &[MINE]),
        (&[], &[]),
        (&[""], &[]),
    ] {
        assert_eq!(
            left(LIST, &list(listed), &mine()),
            Some(list(expected)),
            "{listed:?}"
        );
    }
}

#[test]
fn an_answer_about_another_component_is_none() {
    let get = "/chamois.smd.v1.ComponentService/GetComponent";
    assert_eq!(left(get, &component(MINE), &mine()), Some(component(MINE)));
    for other in [THEIRS, ""] {
        assert_eq!(left(get, &component(other), &mine()), None, "{other:?}");
    }
    let interface = EthernetInterface {
        mac_address: "02:00:00:00:00:01".to_owned(),
        ..EthernetInterface::default()
    };
    let get = "/chamois.smd.v1.EthernetInterfaceService/GetEthernetInterface";
    assert_eq!(
        left(get, &interface, &mine()),
        None,
        "an interface of nobody is not mine"
    );
}

/// What a message within says goes for the whole where there is only one.
#[test]
fn a_message_within_decides_for_what_it_is_in() {
    let get = path_ending("/GetNodeResource");
    let node = |xname: &str| NodeResource {
        kind: "Node".to_owned(),
        spec: Some(NodeSpec {
            xname: xname.to_owned(),
            ..NodeSpec::default()
        }),
        ..NodeResource::default()
    };
    assert_eq!(left(&get, &node(MINE), &mine()), Some(node(MINE)));
    assert_eq!(left(&get, &node(THEIRS), &mine()), None);
}

/// The path of the method whose name is so.
fn path_ending(end: &str) -> String {
    let mut found = rules()
        .iter()
        .map(|(path, _)| path)
        .filter(|path| path.ends_with(end));
    found.next().unwrap().to_owned()
}

#[test]
fn texts_of_a_list_are_left_out_one_by_one() {
    let group = |ids: &[&str]| Group {
        label: "compute".to_owned(),
        members: Some(GroupMembers {
            ids: ids.iter().map(|id| (*id).to_owned()).collect(),
        }),
        ..Group::default()
    };
    let groups = |ids: &[&str]| ListGroupsResponse {
        groups: vec![group(ids), group(&[])],
        ..ListGroupsResponse::default()
    };
    let path = "/chamois.smd.v1.GroupService/ListGroups";
    let seen = left(path, &groups(&[THEIRS, MINE]), &mine());
    assert_eq!(seen, Some(groups(&[MINE])));
    let created = |ids: &[&str]| CreateComponentsResponse {
        revision: 3,
        unchanged: ids.iter().map(|id| (*id).to_owned()).collect(),
        ..CreateComponentsResponse::default()
    };
    let path = "/chamois.smd.v1.ComponentService/CreateComponents";
    assert_eq!(
        left(path, &created(&[MINE, THEIRS]), &mine()),
        Some(created(&[MINE]))
    );
}

/// An answer without any of its components is still an answer.
#[test]
fn a_list_within_may_become_empty() {
    let answer = |ids: &[&str]| LockResponse {
        success: Some(LockedIds {
            component_ids: ids.iter().map(|id| (*id).to_owned()).collect(),
        }),
        ..LockResponse::default()
    };
    let path = "/chamois.smd.v1.LockService/LockComponents";
    assert_eq!(left(path, &answer(&[THEIRS]), &mine()), Some(answer(&[])));
}

/// A type that contains itself: what is in a place is hidden by itself, what is in another's place with it.
#[test]
fn places_within_places_are_cut_at_any_depth() {
    let place = |id: &str, nodes: Vec<HardwareLocation>| HardwareLocation {
        id: id.to_owned(),
        nodes,
        populated_fru: Some(HardwareFru {
            fru_id: format!("fru.{id}"),
            ..HardwareFru::default()
        }),
        ..HardwareLocation::default()
    };
    let path = "/chamois.smd.v1.HardwareService/GetHardware";
    let whole = place(
        MINE,
        vec![place(THEIRS, vec![]), place(MINE, vec![place(THEIRS, vec![])])],
    );
    let expected = place(MINE, vec![place(MINE, vec![])]);
    assert_eq!(left(path, &whole, &mine()), Some(expected));
    assert_eq!(
        left(path, &place(THEIRS, vec![place(MINE, vec![])]), &mine()),
        None
    );
}

/// What is not a message as the descriptor says is shown to nobody.
#[test]
fn bytes_that_are_no_message_are_not_passed_on() {
    let plan = rules().plan(LIST).unwrap();
    for bytes in [
        &[0x0a][..],         // a key without its field
        &[0x0a, 0x05, 0x01], // shorter than it says
        &[0x08, 0x01],       // a number where components are
        &[0x0b, 0x0c],       // a group
        &[0x0a, 0x02, 0x08], // a component cut off
        &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01],
    ] {
        assert!(plan.filter(bytes, &mine()).is_none(), "{bytes:02x?}");
    }
}

/// Whoever adds a method whose answer shows components finds it here, and looks at what else its answer shows.
#[test]
fn the_answers_that_are_cut_are_known() {
    let cut = |end: &str| rules().plan(&path_ending(end)).is_some();
    for method in [
        "/ListComponents",
        "/ListEthernetInterfaces",
        "/ListRedfishEndpoints",
        "/ListComponentEndpoints",
        "/ListServiceEndpoints",
        "/ListHardware",
        "/ListNodeMaps",
        "/ListPowerMaps",
        "/ListMemberships",
        "/ListGroupMembers",
        "/QueryLockStatus",
        "/CheckServiceReservations",
        "/ListBootRecords",
        "/ListBootStatus",
        "/ListHosts",
        "/ListInstanceInfo",
        "/GetInstance",
        "/ExplainBoot",
    ] {
        assert!(cut(method), "{method}");
    }
    for method in [
        "/DumpState",
        "/ListProfiles",
        "/GetProfile",
        "/ListBootConfigurations",
        "/ListBootParameters",
        "/ListDhcpLeases",
        "/CreateReservations",
        "/GetMetrics",
        "/Watch",
        "/GetNodeData",
        "/GetBootScript",
        "/SaveSnapshot",
        "/ListImages",
    ] {
        assert!(!cut(method), "{method}");
    }
}

/// Policies may hold for some kinds of objects only.
#[test]
fn a_read_says_which_kinds_it_may_show() {
    let kinds = |end: &str| rules().kinds_shown(&path_ending(end)).to_vec();
    assert_eq!(kinds("/ListComponents"), [10]);
    assert_eq!(kinds("/ListEthernetInterfaces"), [11]);
    assert_eq!(kinds("/ListMemberships"), [10, 12, 18], "by what it is made of");
    assert_eq!(kinds("/ListImages"), [51]);
    assert!(
        kinds("/ListBootStatus").len() > 30,
        "it says nothing, so it may be anything"
    );
    for none in ["/DeleteComponents", "/ListChanges", "/GetMetrics", "/Watch"] {
        assert_eq!(kinds(none), [0_u32; 0], "{none}");
    }
    assert_eq!(rules().kinds_shown("/no.Such/Method"), [0_u32; 0]);
}

fn any_component() -> impl Strategy<Value = Component> {
    let id = prop_oneof![
        Just(MINE.to_owned()),
        Just(THEIRS.to_owned()),
        "x[0-9]{0,2}",
        Just(String::new())
    ];
    (
        id,
        "[a-zé]{0,12}",
        any::<Option<u64>>(),
        any::<Option<bool>>(),
        0..9_i32,
    )
        .prop_map(|(id, role, nid, enabled, state)| Component {
            id,
            role,
            nid,
            enabled,
            state,
            ..Component::default()
        })
}

proptest! {
    /// The same as whoever decodes the answer, leaves out what is not in the part, and encodes what is left.
    #[test]
    fn a_cut_answer_is_what_decoding_would_leave(
        components in prop::collection::vec(any_component(), 0..20),
        part in prop::collection::btree_set(prop_oneof![Just(MINE.to_owned()), "x[0-9]{0,2}"], 0..6),
        revision in any::<u64>(),
        next_page_token in "[0-9a-f]{0,8}",
    ) {
        let answer = ListComponentsResponse { components, revision, next_page_token };
        let mut expected = answer.clone();
        expected.components.retain(|component| !component.id.is_empty() && part.contains(&component.id));
        prop_assert_eq!(left(LIST, &answer, &Named(part)), Some(expected));
    }

    /// Whatever bytes come, nothing panics and nothing grows.
    #[test]
    fn no_bytes_are_too_strange(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let plan = rules().plan(LIST).unwrap();
        let left = plan.filter(&bytes, &mine()).map_or(0, |left| left.len());
        prop_assert!(left <= bytes.len() + 16);
    }
}
