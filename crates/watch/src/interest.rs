//! What may concern a watch, told by a few keys: enough to leave alone every watch that a change says nothing to.

use std::collections::BTreeSet;
use std::sync::Arc;

use proto::smd::v1::Group;
use state::{Event, Object, RowKind};

/// Whatever a watch is told is in here; not all that is in here is told.
#[derive(Clone, Debug, Default)]
pub(crate) struct Interest {
    /// Numbers of kinds as they are sent; empty: all. Changes of the group that is followed come whatever it says.
    pub(crate) kinds: BTreeSet<i32>,
    pub(crate) of: Of,
}

/// Whose objects.
#[derive(Clone, Debug, Default)]
pub(crate) enum Of {
    #[default]
    All,
    /// Those of these components and of what is below them.
    Xnames(Arc<BTreeSet<String>>),
    /// Those of the members of the group with this label, and the group.
    Group(String),
}

impl Interest {
    /// Whether objects of a kind are wanted.
    pub(crate) fn wants(&self, kind: i32) -> bool {
        self.kinds.is_empty() || self.kinds.contains(&kind)
    }
}

/// A group before and after an event; none where it was created or deleted.
pub(crate) struct GroupChange<'a> {
    pub(crate) label: &'a str,
    pub(crate) before: Option<&'a Arc<Group>>,
    pub(crate) after: Option<&'a Arc<Group>>,
}

/// What an event does to a group, if it is about one.
pub(crate) fn group_change(event: &Event) -> Option<GroupChange<'_>> {
    if event.key().kind() != RowKind::Group {
        return None;
    }
    let (before, after) = (
        event.before().and_then(as_group),
        event.after().and_then(as_group),
    );
    let label = before.or(after)?.label.as_str();
    Some(GroupChange { label, before, after })
}

fn as_group(object: &Object) -> Option<&Arc<Group>> {
    match object {
        Object::Group(group) => Some(group),
        _ => None,
    }
}

/// Whether a component is a member. Members are stored sorted.
pub(crate) fn has(group: &Group, id: &str) -> bool {
    let ids = group.members.as_ref().map_or(&[][..], |members| &members.ids[..]);
    ids.binary_search_by(|member| member.as_str().cmp(id)).is_ok()
}
