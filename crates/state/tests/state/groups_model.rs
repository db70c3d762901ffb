//! Groups against a model that has no index and no shortcut.

use std::collections::{BTreeMap, BTreeSet};

use model::Rejection;
use proptest::prelude::*;
use proto::raft::v1::entry::Command;
use proto::smd::v1::smd_command::*;
use proto::smd::v1::{Group, GroupMembers};
use state::State;

use crate::create_components::component;
use crate::support::{IntoCommand, Log};

/// One change, by small numbers, so that changes meet each other.
#[derive(Clone, Debug)]
enum Step {
    CreateComponent(u8),
    DeleteComponents(Vec<u8>),
    Create(u8, Option<u8>, Vec<u8>),
    Delete(u8),
    Add(u8, u8),
    Replace(u8, Vec<u8>),
    Remove(u8, u8),
}

fn id(n: u8) -> String {
    format!("x0c0s{n}b0n0")
}

fn ids(ns: &[u8]) -> Vec<String> {
    ns.iter().map(|n| id(*n)).collect()
}

fn label(n: u8) -> String {
    format!("g{n}")
}

fn step() -> impl Strategy<Value = Step> {
    let (node, group) = (0..5_u8, 0..4_u8);
    let nodes = proptest::collection::vec(node.clone(), 0..4);
    prop_oneof![
        3 => node.clone().prop_map(Step::CreateComponent),
        1 => nodes.clone().prop_map(Step::DeleteComponents),
        3 => (group.clone(), proptest::option::of(0..2_u8), nodes.clone())
            .prop_map(|(group, exclusive, nodes)| Step::Create(group, exclusive, nodes)),
        1 => group.clone().prop_map(Step::Delete),
        3 => (group.clone(), node.clone()).prop_map(|(group, node)| Step::Add(group, node)),
        2 => (group.clone(), nodes).prop_map(|(group, nodes)| Step::Replace(group, nodes)),
        2 => (group, node).prop_map(|(group, node)| Step::Remove(group, node)),
    ]
}

impl IntoCommand for Step {
    fn into_command(self) -> Command {
        match self {
            Step::CreateComponent(n) => CreateComponents {
                components: vec![component(&id(n))],
                force: false,
                ..Default::default()
            }
            .into_command(),
            Step::DeleteComponents(ns) => DeleteComponents {
                all: ns.is_empty(),
                ids: ids(&ns),
                ..Default::default()
            }
            .into_command(),
            Step::Create(n, exclusive, members) => CreateGroup {
                group: Some(Group {
                    label: label(n),
                    exclusive_group: exclusive.map(|n| format!("e{n}")).unwrap_or_default(),
                    members: Some(GroupMembers { ids: ids(&members) }),
                    ..Default::default()
                }),
            }
            .into_command(),
            Step::Delete(n) => DeleteGroup {
                label: label(n),
                ..Default::default()
            }
            .into_command(),
            Step::Add(n, node) => AddGroupMember {
                label: label(n),
                ids: vec![id(node)],
                ..Default::default()
            }
            .into_command(),
            Step::Replace(n, members) => ReplaceGroupMembers {
                label: label(n),
                ids: ids(&members),
                ..Default::default()
            }
            .into_command(),
            Step::Remove(n, node) => RemoveGroupMember {
                label: label(n),
                ids: vec![id(node)],
                ..Default::default()
            }
            .into_command(),
        }
    }
}

/// What must be true, written down once more.
#[derive(Clone, Debug, Default)]
struct Simple {
    components: BTreeSet<u8>,
    groups: BTreeMap<u8, (Option<u8>, BTreeSet<u8>)>,
}

impl Simple {
    /// Does the step, or gives the first word of the kind of its refusal.
    fn run(&mut self, step: &Step) -> Result<(), &'static str> {
        let mut after = self.clone();
        match step.clone() {
            Step::CreateComponent(n) => drop(after.components.insert(n)),
            Step::DeleteComponents(ns) => {
                let ns = if ns.is_empty() {
                    after.components.iter().copied().collect()
                } else {
                    ns
                };
                if ns.is_empty() || ns.iter().any(|n| !self.components.contains(n)) {
                    return Err("missing");
                }
                for n in ns {
                    after.components.remove(&n);
                    for (_, members) in after.groups.values_mut() {
                        members.remove(&n);
                    }
                }
            }
            Step::Create(n, exclusive, members) => {
                let set = unique(&members)?;
                if after.groups.insert(n, (exclusive, set)).is_some() {
                    return Err("exists");
                }
            }
            Step::Delete(n) => drop(after.groups.remove(&n).ok_or("missing")?),
            Step::Add(n, node) => {
                if !after.groups.get_mut(&n).ok_or("missing")?.1.insert(node) {
                    return Err("exists");
                }
            }
            Step::Replace(n, members) => {
                let group = after.groups.get_mut(&n).ok_or("missing")?;
                group.1 = unique(&members)?;
            }
            Step::Remove(n, node) => {
                if !after.groups.get_mut(&n).ok_or("missing")?.1.remove(&node) {
                    return Err("missing");
                }
            }
        }
        after.check()?;
        *self = after;
        Ok(())
    }

    fn check(&self) -> Result<(), &'static str> {
        let mut exclusive = BTreeSet::new();
        let mut clash = false;
        for (name, members) in self.groups.values() {
            if !members.is_subset(&self.components) {
                return Err("invalid");
            }
            for member in members {
                clash |= name.is_some_and(|name| !exclusive.insert((name, *member)));
            }
        }
        if clash { Err("conflict") } else { Ok(()) }
    }

    fn agrees_with(&self, state: &State) {
        let stored: BTreeMap<String, Vec<String>> = state
            .smd
            .groups()
            .map(|group| (group.label.clone(), group.members.clone().unwrap().ids))
            .collect();
        let expected: BTreeMap<String, Vec<String>> = self
            .groups
            .iter()
            .map(|(n, (_, members))| (label(*n), members.iter().map(|n| id(*n)).collect()))
            .collect();
        assert_eq!(stored, expected);
        for node in 0..6 {
            let xname = id(node).parse().unwrap();
            let found: Vec<&str> = state.smd.group_labels_of(&xname).collect();
            let of_node = self
                .groups
                .iter()
                .filter(|(_, (_, members))| members.contains(&node));
            let expected: Vec<String> = of_node.map(|(n, _)| label(*n)).collect();
            assert_eq!(found, expected, "{xname}");
        }
    }
}

fn unique(members: &[u8]) -> Result<BTreeSet<u8>, &'static str> {
    let set: BTreeSet<u8> = members.iter().copied().collect();
    if set.len() < members.len() {
        Err("invalid")
    } else {
        Ok(set)
    }
}

fn word(rejection: &Rejection) -> &'static str {
    match rejection {
        Rejection::Invalid { .. } => "invalid",
        Rejection::NotFound { .. } => "missing",
        Rejection::AlreadyExists { .. } => "exists",
        Rejection::Conflict { .. } => "conflict",
        other => panic!("{other}"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// Every change does what the model does, or is refused for the reason that the model gives; when one command
    /// is wrong in two ways, either reason will do.
    #[test]
    fn groups_do_what_a_simple_model_does(steps in proptest::collection::vec(step(), 1..60)) {
        let (mut log, mut simple) = (Log::new(), Simple::default());
        for step in steps {
            let expected = simple.run(&step);
            let outcome = log.apply(step.clone()).outcome;
            let found = state::rejection(&outcome).map(|rejection| word(&rejection));
            match (expected, found) {
                (Ok(()), None) => {}
                (Err("invalid"), Some("conflict")) | (Err("conflict"), Some("invalid")) => {}
                (expected, found) => prop_assert_eq!(expected.err(), found, "{:?}", step),
            }
            simple.agrees_with(&log.state);
        }
        simple.agrees_with(&State::from_rows(log.state.rows()).unwrap());
    }
}
