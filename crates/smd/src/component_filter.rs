//! The filters and projections of HSM's GET State/Components.

use std::collections::BTreeMap;
use std::sync::Arc;

use model::{HmsType, NodeState, Xname, canonical_role, canonical_sub_role};
use proto::smd::v1::{Component, ListComponentsRequest, component};
use rpc::Error;
use state::State;

use crate::filter::{OneOf, bad_query, parse_bool};
use crate::membership_filter::MembershipFilter;

/// Which components are wanted: every key must admit one.
#[derive(Clone, Debug)]
pub(crate) struct ComponentFilter {
    id: OneOf<String>,
    nid: OneOf<u64>,
    nid_start: Option<u64>,
    nid_end: Option<u64>,
    hms_type: OneOf<String>,
    state: OneOf<i32>,
    flag: OneOf<i32>,
    enabled: OneOf<bool>,
    software_status: OneOf<String>,
    role: OneOf<String>,
    sub_role: OneOf<String>,
    subtype: OneOf<String>,
    arch: OneOf<i32>,
    class: OneOf<i32>,
    locked: OneOf<bool>,
    reservation_disabled: OneOf<bool>,
    membership: MembershipFilter,
}

/// Which fields of a component are wanted beside ID and Type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Projection {
    /// All.
    Whole,
    /// State and Flag.
    State,
    /// Flag.
    Flag,
    /// Role and SubRole.
    Role,
    /// NID.
    Nid,
}

impl ComponentFilter {
    /// Reads the filter; names match in any case, as HSM's do.
    ///
    /// # Errors
    /// `Invalid` with HSM's text for a value that is none.
    pub(crate) fn parse(request: &ListComponentsRequest) -> Result<ComponentFilter, Error> {
        let text = |text: &str| Ok(text.to_owned());
        Ok(ComponentFilter {
            id: OneOf::parse(&request.id, xname)?,
            nid: OneOf::parse(&request.nid, nid)?,
            nid_start: bound(&request.nid_start)?,
            nid_end: bound(&request.nid_end)?,
            hms_type: OneOf::parse(&request.r#type, hms_type)?,
            state: OneOf::parse(&request.state, state)?,
            flag: OneOf::parse(&request.flag, flag)?,
            enabled: OneOf::parse(&request.enabled, parse_bool)?,
            software_status: OneOf::parse(&request.software_status, text)?,
            role: OneOf::parse(&request.role, |role| {
                Ok(canonical_role(role).unwrap_or(role).to_owned())
            })?,
            sub_role: OneOf::parse(&request.sub_role, |role| {
                Ok(canonical_sub_role(role).unwrap_or(role).to_owned())
            })?,
            subtype: OneOf::parse(&request.subtype, text)?,
            arch: OneOf::parse(&request.arch, arch)?,
            class: OneOf::parse(&request.class, class)?,
            locked: OneOf::parse(&request.locked, parse_bool)?,
            reservation_disabled: OneOf::parse(&request.reservation_disabled, parse_bool)?,
            membership: MembershipFilter::parse(&request.group, &request.partition)?,
        })
    }

    /// The components that the filter names by xname or NID, sorted by xname, each once: no other can be admitted, and
    /// `admits` decides about them. `None` if it names none: any may be.
    pub(crate) fn named(&self, state: &State) -> Option<Vec<Arc<Component>>> {
        let found: BTreeMap<String, Arc<Component>> = if !self.id.wanted().is_empty() {
            let ids = self.id.wanted().iter().filter_map(|id| id.parse().ok());
            let found = ids.filter_map(|id: Xname| state.smd.component(&id));
            found.map(|component| (component.id.clone(), component)).collect()
        } else if !self.nid.wanted().is_empty() {
            let nids = self.nid.wanted().iter();
            let found = nids.filter_map(|nid| state.smd.component_by_nid(*nid));
            found.map(|component| (component.id.clone(), component)).collect()
        } else if self.nid_start.is_some() || self.nid_end.is_some() {
            let range = self.nid_start.unwrap_or(0)..=self.nid_end.unwrap_or(u64::MAX);
            let found = state.smd.components_by_nids(range);
            found
                .map(|component| (component.id.clone(), Arc::clone(component)))
                .collect()
        } else {
            return None;
        };
        Some(found.into_values().collect())
    }

    /// Whether `component`, a member of the groups `labels` and in `partition`, is wanted. One without a NID lies in no
    /// range of NIDs.
    pub(crate) fn admits<'a>(
        &self,
        component: &Component,
        labels: impl Iterator<Item = &'a str> + Clone,
        partition: Option<&str>,
    ) -> bool {
        self.membership.admits(labels, partition) && self.admits_fields(component)
    }

    /// As [`ComponentFilter::admits`], with the groups and partitions that `state` knows.
    pub(crate) fn admits_in(&self, state: &State, component: &Component) -> bool {
        self.admits_fields(component) && self.membership.admits_in(state, &component.id)
    }

    fn admits_fields(&self, component: &Component) -> bool {
        self.id.admits(&component.id)
            && self.admits_nid(component.nid)
            && self.hms_type.admits(&component.r#type)
            && self.state.admits(&component.state)
            && self.flag.admits(&component.flag)
            && self.enabled.admits(&component.enabled.unwrap_or(true))
            && self.software_status.admits(&component.software_status)
            && self.role.admits(&component.role)
            && self.sub_role.admits(&component.sub_role)
            && self.subtype.admits(&component.subtype)
            && self.arch.admits(&component.arch)
            && self.class.admits(&component.class)
            && self.locked.admits(&component.locked)
            && self.reservation_disabled.admits(&component.reservation_disabled)
    }

    fn admits_nid(&self, nid: Option<u64>) -> bool {
        let start = self
            .nid_start
            .is_none_or(|start| nid.is_some_and(|nid| nid >= start));
        let end = self.nid_end.is_none_or(|end| nid.is_some_and(|nid| nid <= end));
        start && end && self.nid.admits_if(|candidate| Some(*candidate) == nid)
    }
}

impl Projection {
    /// The first that is asked for, in HSM's order.
    pub(crate) fn of(request: &ListComponentsRequest) -> Projection {
        match (
            request.state_only,
            request.flag_only,
            request.role_only,
            request.nid_only,
        ) {
            (true, ..) => Projection::State,
            (_, true, ..) => Projection::Flag,
            (_, _, true, _) => Projection::Role,
            (_, _, _, true) => Projection::Nid,
            _ => Projection::Whole,
        }
    }

    /// `component` with the wanted fields only.
    pub(crate) fn of_component(self, component: &Component) -> Component {
        let bare = || Component {
            id: component.id.clone(),
            r#type: component.r#type.clone(),
            ..Component::default()
        };
        match self {
            Projection::Whole => component.clone(),
            Projection::State => Component {
                state: component.state,
                flag: component.flag,
                ..bare()
            },
            Projection::Flag => Component {
                flag: component.flag,
                ..bare()
            },
            Projection::Role => Component {
                role: component.role.clone(),
                sub_role: component.sub_role.clone(),
                ..bare()
            },
            Projection::Nid => Component {
                nid: component.nid,
                ..bare()
            },
        }
    }
}

fn xname(text: &str) -> Result<String, Error> {
    let parsed: Result<Xname, _> = text.parse();
    parsed
        .map(|xname| xname.to_string())
        .map_err(|_| bad_query("Argument was not a valid xname ID"))
}

fn nid(text: &str) -> Result<u64, Error> {
    text.parse()
        .map_err(|_| bad_query("a required argument was not an integer"))
}

fn bound(text: &str) -> Result<Option<u64>, Error> {
    if text.is_empty() {
        Ok(None)
    } else {
        nid(text).map(Some)
    }
}

fn hms_type(text: &str) -> Result<String, Error> {
    let parsed: Result<HmsType, _> = text.parse();
    parsed
        .map(|hms_type| hms_type.as_str().to_owned())
        .map_err(|_| bad_query("Argument was not a valid HMS Type"))
}

fn state(text: &str) -> Result<i32, Error> {
    let parsed: Result<NodeState, _> = text.parse();
    parsed
        .map(|state| state as i32)
        .map_err(|_| bad_query("Argument was not a valid HMS State"))
}

/// HSM takes `warn` for `Warning`.
fn flag(text: &str) -> Result<i32, Error> {
    use component::Flag;
    let names = [
        ("unknown", Flag::Unknown),
        ("ok", Flag::Ok),
        ("warning", Flag::Warning),
        ("warn", Flag::Warning),
        ("alert", Flag::Alert),
        ("locked", Flag::Locked),
    ];
    named(text, names).ok_or_else(|| bad_query("Argument was not a valid HMS Flag"))
}

fn arch(text: &str) -> Result<i32, Error> {
    use component::Arch;
    let names = [
        ("x86", Arch::X86),
        ("arm", Arch::Arm),
        ("unknown", Arch::Unknown),
        ("other", Arch::Other),
    ];
    named(text, names).ok_or_else(|| bad_query("Argument was not a valid HMS Arch"))
}

fn class(text: &str) -> Result<i32, Error> {
    use component::Class;
    let names = [
        ("river", Class::River),
        ("mountain", Class::Mountain),
        ("hill", Class::Hill),
    ];
    named(text, names).ok_or_else(|| bad_query("Argument was not a valid HMS Class"))
}

fn named<T: Into<i32>, const N: usize>(text: &str, names: [(&str, T); N]) -> Option<i32> {
    names
        .into_iter()
        .find(|(name, _)| name.eq_ignore_ascii_case(text))
        .map(|(_, value)| value.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node() -> Component {
        Component {
            id: "x0c0s0b0n0".into(),
            r#type: "Node".into(),
            state: component::State::Ready.into(),
            flag: component::Flag::Ok.into(),
            enabled: Some(true),
            software_status: "Admin".into(),
            role: "Compute".into(),
            sub_role: "Worker".into(),
            nid: Some(7),
            subtype: "S".into(),
            arch: component::Arch::X86.into(),
            class: component::Class::River.into(),
            locked: true,
            ..Component::default()
        }
    }

    fn admits(change: impl FnOnce(&mut ListComponentsRequest)) -> bool {
        let mut request = ListComponentsRequest::default();
        change(&mut request);
        ComponentFilter::parse(&request)
            .unwrap()
            .admits(&node(), ["blue", "tall"].into_iter(), Some("p2"))
    }

    fn list(text: &str) -> Vec<String> {
        text.split(',').map(str::to_owned).collect()
    }

    type Set = fn(&mut ListComponentsRequest, &str);

    /// One line per key: what it must admit, what not, in every spelling that HSM takes.
    #[test]
    fn each_key_admits_its_values_and_no_others() {
        let keys: [(&str, Set, &[&str], &[&str]); 17] = [
            (
                "id",
                |r, v| r.id = list(v),
                &["X0C0S0B0N00", "x1,x0c0s0b0n0", "!x1"],
                &["x1", "!x0c0s0b0n0"],
            ),
            ("nid", |r, v| r.nid = list(v), &["7", "1,7", "!8"], &["8", "!7"]),
            ("nid_start", |r, v| r.nid_start = v.into(), &["7", "1"], &["8"]),
            ("nid_end", |r, v| r.nid_end = v.into(), &["7", "9"], &["6"]),
            (
                "type",
                |r, v| r.r#type = list(v),
                &["node", "NodeBMC,Node", "!NodeBMC"],
                &["NodeBMC", "!Node"],
            ),
            (
                "state",
                |r, v| r.state = list(v),
                &["ready", "!off"],
                &["Off", "!Ready"],
            ),
            (
                "flag",
                |r, v| r.flag = list(v),
                &["OK", "!warn"],
                &["warning", "!ok"],
            ),
            (
                "enabled",
                |r, v| r.enabled = list(v),
                &["true", "!false"],
                &["false"],
            ),
            (
                "softwarestatus",
                |r, v| r.software_status = list(v),
                &["Admin"],
                &["admin", "!Admin"],
            ),
            (
                "role",
                |r, v| r.role = list(v),
                &["compute", "!Service", "own,Compute"],
                &["Service", "!compute"],
            ),
            ("subrole", |r, v| r.sub_role = list(v), &["worker"], &["Master"]),
            ("subtype", |r, v| r.subtype = list(v), &["S"], &["T", ""]),
            ("arch", |r, v| r.arch = list(v), &["x86", "!ARM"], &["arm"]),
            ("class", |r, v| r.class = list(v), &["river"], &["Hill", "!River"]),
            (
                "locked",
                |r, v| r.locked = list(v),
                &["true", "1"],
                &["false", "!true"],
            ),
            (
                "group",
                |r, v| r.group = list(v),
                &["Blue", "red,tall", "!red", "!NULL"],
                &["red", "!blue", "NULL"],
            ),
            (
                "partition",
                |r, v| r.partition = list(v),
                &["P2", "p1,p2", "!p1", "!NULL"],
                &["p1", "!p2", "NULL"],
            ),
        ];
        for (key, set, admitted, refused) in keys {
            for value in admitted {
                assert!(admits(|request| set(request, value)), "{key}={value}");
            }
            for value in refused {
                assert!(!admits(|request| set(request, value)), "{key}={value}");
            }
        }
    }

    #[test]
    fn keys_add_up() {
        assert!(admits(|r| (r.role, r.state) = (list("Compute"), list("Ready"))));
        assert!(!admits(|r| (r.role, r.state) = (list("Compute"), list("Off"))));
        assert!(admits(|r| (r.nid_start, r.nid_end) = ("7".into(), "7".into())));
    }

    /// HSM lists a node without a role under `role=!Compute`, and none without a NID in a range.
    #[test]
    fn an_absent_value_is_not_a_negated_one_and_lies_in_no_range() {
        let bare = Component {
            id: "x0c0s0b0n1".into(),
            r#type: "Node".into(),
            ..Component::default()
        };
        let filter = |request: ListComponentsRequest| ComponentFilter::parse(&request).unwrap();
        assert!(
            filter(ListComponentsRequest {
                role: list("!Compute"),
                ..Default::default()
            })
            .admits_fields(&bare)
        );
        assert!(
            !filter(ListComponentsRequest {
                nid_start: "0".into(),
                ..Default::default()
            })
            .admits_fields(&bare)
        );
        assert!(
            filter(ListComponentsRequest {
                nid: list("!7"),
                ..Default::default()
            })
            .admits_fields(&bare)
        );
        assert!(
            filter(ListComponentsRequest {
                enabled: list("true"),
                ..Default::default()
            })
            .admits_fields(&bare)
        );
    }

    #[test]
    fn bad_values_get_the_texts_of_hsm() {
        let cases: [(Set, &str, &str); 10] = [
            (|r, v| r.id = list(v), "foo", "Argument was not a valid xname ID"),
            (
                |r, v| r.nid = list(v),
                "x",
                "a required argument was not an integer",
            ),
            (
                |r, v| r.nid_end = v.into(),
                "-1",
                "a required argument was not an integer",
            ),
            (
                |r, v| r.r#type = list(v),
                "foo",
                "Argument was not a valid HMS Type",
            ),
            (
                |r, v| r.state = list(v),
                "!foo",
                "Argument was not a valid HMS State",
            ),
            (
                |r, v| r.flag = list(v),
                "foo",
                "Argument was not a valid HMS Flag",
            ),
            (
                |r, v| r.arch = list(v),
                "foo",
                "Argument was not a valid HMS Arch",
            ),
            (
                |r, v| r.class = list(v),
                "foo",
                "Argument was not a valid HMS Class",
            ),
            (|r, v| r.locked = list(v), "foo", "Argument was not valid"),
            (|r, v| r.group = list(v), "a b", "Argument was not valid"),
        ];
        for (set, value, text) in cases {
            let mut request = ListComponentsRequest::default();
            set(&mut request, value);
            let error = ComponentFilter::parse(&request).unwrap_err();
            assert_eq!(error.to_string(), format!("bad query param: {text}"));
        }
    }

    #[test]
    fn a_projection_keeps_id_type_and_its_own_fields() {
        let bare = || Component {
            id: "x0c0s0b0n0".into(),
            r#type: "Node".into(),
            ..Component::default()
        };
        let node = node();
        type Ask = fn(&mut ListComponentsRequest);
        let cases: [(Ask, Component); 5] = [
            (|_| (), node.clone()),
            (
                |r| r.state_only = true,
                Component {
                    state: node.state,
                    flag: node.flag,
                    ..bare()
                },
            ),
            (
                |r| r.flag_only = true,
                Component {
                    flag: node.flag,
                    ..bare()
                },
            ),
            (
                |r| r.role_only = true,
                Component {
                    role: "Compute".into(),
                    sub_role: "Worker".into(),
                    ..bare()
                },
            ),
            (
                |r| r.nid_only = true,
                Component {
                    nid: Some(7),
                    ..bare()
                },
            ),
        ];
        for (change, expected) in cases {
            let mut request = ListComponentsRequest::default();
            change(&mut request);
            assert_eq!(Projection::of(&request).of_component(&node), expected);
        }
    }
}
