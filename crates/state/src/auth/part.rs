//! The part of the system that policies select, on one state.

use std::collections::BTreeSet;
use std::sync::Arc;

use model::{NodeSet, Xname};
use proto::auth::v1::Policy;
use proto::bss::v1::BootConfiguration;
use proto::smd::v1::{Group, GroupMembers, Partition};

use super::policies::{Policies, node_sets_of, stands};
use crate::smd::Smd;
use crate::{Object, RowKind};

/// What some policies select together. What one of them gives of some kinds in one place and another of other kinds elsewhere
/// is not mixed: [`Part::covers`] and [`Part::of_kind`] look at each by itself.
#[derive(Clone, Debug, Default)]
pub struct Part {
    selections: Vec<Selection>,
}

/// What one policy selects. Members are those of the groups and partitions as they were when it was made.
#[derive(Clone, Debug, Default)]
struct Selection {
    everywhere: bool,
    node_sets: Arc<[NodeSet]>,
    labels: BTreeSet<String>,
    groups: Vec<Arc<Group>>,
    partitions: Vec<Arc<Partition>>,
    /// Empty: all.
    kinds: BTreeSet<RowKind>,
}

impl Part {
    /// `now_ms`: policies that have ended give nothing.
    pub fn of(policies: &[Arc<Policy>], smd: &Smd, now_ms: u64) -> Part {
        Part::with(policies, node_sets_of, smd, now_ms)
    }

    /// The same of stored policies, whose hosts were read before.
    pub(super) fn of_stored(stored: &Policies, policies: &[Arc<Policy>], smd: &Smd, now_ms: u64) -> Part {
        Part::with(policies, |policy| stored.node_sets(&policy.name), smd, now_ms)
    }

    fn with(
        policies: &[Arc<Policy>],
        node_sets: impl Fn(&Policy) -> Arc<[NodeSet]>,
        smd: &Smd,
        now_ms: u64,
    ) -> Part {
        let standing = policies.iter().filter(|policy| stands(policy, now_ms));
        let selections = standing.map(|policy| Selection::of(policy, node_sets(policy), smd));
        Part {
            selections: selections.collect(),
        }
    }

    /// That of who needs no policy.
    pub(super) fn everything() -> Part {
        Part {
            selections: vec![Selection {
                everywhere: true,
                ..Selection::default()
            }],
        }
    }

    /// What is selected of one kind of objects. Beside policies for some kinds only, [`Part::has_component`] of the whole says too
    /// much.
    #[must_use]
    pub fn of_kind(&self, kind: RowKind) -> Part {
        Part {
            selections: self.selections(Some(kind)).cloned().collect(),
        }
    }

    /// Whether nothing is left out.
    pub fn is_everything(&self) -> bool {
        self.selections
            .iter()
            .any(|selection| selection.everywhere && selection.kinds.is_empty())
    }

    /// Whether a component is in it, in whichever kind; by its normalised id.
    pub fn has_component(&self, id: &str) -> bool {
        self.component_in(None, id)
    }

    /// Whether a group was named, or everything, so that what is kept under its name is in it.
    pub fn has_group(&self, name: &str) -> bool {
        self.group_in(None, name)
    }

    /// Whether objects of a kind are, wherever.
    pub fn has_kind(&self, kind: RowKind) -> bool {
        self.selections(Some(kind)).next().is_some()
    }

    /// Whether an object is in it with all that it is of. Groups, partitions, roles and policies are in no part but everything:
    /// whoever could change the group that he was given, or what he was given, would give himself rights.
    pub fn covers(&self, object: &Object) -> bool {
        let kind = Some(object.kind());
        match object {
            _ if self.is_everything() => true,
            Object::Group(_) | Object::Partition(_) | Object::Role(_) | Object::Policy(_) => false,
            _ if self.selections(kind).any(|selection| selection.everywhere) => true,
            Object::CloudInitGroup(group) => self.group_in(kind, &group.name),
            Object::BootConfiguration(configuration) => self.covers_configuration(configuration),
            Object::Profile(profile) => {
                let nodes = &profile.nodes;
                !nodes.is_empty() && nodes.iter().all(|node| self.component_in(kind, node))
            }
            other => other.component().is_some_and(|id| self.component_in(kind, id)),
        }
    }

    /// Whoever it selects is in the part, now and later: nodes, nodesets, and groups that the policies name.
    fn covers_configuration(&self, configuration: &BootConfiguration) -> bool {
        let BootConfiguration {
            hosts,
            macs,
            nids,
            groups,
            roles,
            sub_roles,
            is_default,
            ..
        } = configuration;
        let kind = Some(RowKind::BootConfiguration);
        let is_wider = *is_default
            || !nids.is_empty()
            || [macs, roles, sub_roles].into_iter().any(|list| !list.is_empty());
        let selects = !hosts.is_empty() || !groups.is_empty();
        selects
            && !is_wider
            && hosts.iter().all(|host| self.host_in(kind, host))
            && groups.iter().all(|label| self.group_in(kind, label))
    }

    /// A place is in it if all that can ever be below it is; that some members are says nothing of the others.
    fn host_in(&self, kind: Option<RowKind>, host: &str) -> bool {
        let Ok(set) = host.parse::<NodeSet>() else {
            return false;
        };
        if let Some(node) = set.as_xname().filter(|xname| xname.is_node()) {
            return self.component_in(kind, node.as_str());
        }
        self.selections(kind)
            .any(|selection| selection.everywhere || selection.node_sets.iter().any(|own| set.is_within(own)))
    }

    /// Members first: they are compared as texts.
    fn component_in(&self, kind: Option<RowKind>, id: &str) -> bool {
        if self.selections(kind).any(|selection| selection.has_member(id)) {
            return true;
        }
        match id.parse::<Xname>() {
            Ok(xname) => self.selections(kind).any(|selection| selection.has_place(&xname)),
            Err(_) => false,
        }
    }

    fn group_in(&self, kind: Option<RowKind>, name: &str) -> bool {
        self.selections(kind)
            .any(|selection| selection.everywhere || selection.labels.contains(name))
    }

    /// Those that say something of a kind, or all.
    fn selections(&self, kind: Option<RowKind>) -> impl Iterator<Item = &Selection> {
        let says = move |selection: &&Selection| {
            kind.is_none_or(|kind| selection.kinds.is_empty() || selection.kinds.contains(&kind))
        };
        self.selections.iter().filter(says)
    }
}

impl Selection {
    /// What the state does not have of it, it has nothing of.
    fn of(policy: &Policy, node_sets: Arc<[NodeSet]>, smd: &Smd) -> Selection {
        let Policy {
            hosts,
            groups,
            partitions,
            kinds,
            ..
        } = policy;
        Selection {
            everywhere: hosts.is_empty() && groups.is_empty() && partitions.is_empty(),
            node_sets,
            labels: groups.iter().cloned().collect(),
            groups: groups.iter().filter_map(|label| smd.group(label)).collect(),
            partitions: partitions.iter().filter_map(|name| smd.partition(name)).collect(),
            kinds: kinds.iter().filter_map(|kind| RowKind::of_name(kind)).collect(),
        }
    }

    fn has_member(&self, id: &str) -> bool {
        let groups = self.groups.iter().map(|group| &group.members);
        let partitions = self.partitions.iter().map(|partition| &partition.members);
        self.everywhere || groups.chain(partitions).any(|members| is_member(members, id))
    }

    fn has_place(&self, xname: &Xname) -> bool {
        self.node_sets.iter().any(|set| set.contains(xname))
    }
}

/// Members are stored sorted.
fn is_member(members: &Option<GroupMembers>, id: &str) -> bool {
    let ids = members.as_ref().map_or(&[][..], |members| members.ids.as_slice());
    ids.binary_search_by(|member| member.as_str().cmp(id)).is_ok()
}
