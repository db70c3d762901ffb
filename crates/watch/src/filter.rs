//! What a watcher wants to see.

use std::collections::BTreeSet;
use std::sync::Arc;

use model::{GroupLabel, Xname};
use proto::smd::v1::Group;
use proto::watch::v1::WatchRequest;
use proto::watch::v1::object::Kind;
use raft::{Revision, Watch};
use rpc::Error;
use state::{Event, Object, RowKind, State};

use crate::limits::{KINDS_MAX, XNAMES_MAX};
use crate::wire;

/// The filters of one watch. They add up; an absent one selects everything.
#[derive(Clone, Debug, Default)]
pub(crate) struct Filter {
    kinds: BTreeSet<i32>,
    xnames: BTreeSet<String>,
    group: Option<Followed>,
}

/// A group whose members are watched.
#[derive(Clone, Debug)]
struct Followed {
    label: String,
    /// The group as it is at the watch's revision.
    group: Option<Arc<Group>>,
}

impl Filter {
    /// # Errors
    /// `Invalid` for a kind, an xname or a label that is none, and for too many of them.
    pub(crate) fn parse(request: &WatchRequest) -> Result<Filter, Error> {
        check_count("kinds", request.kinds.len(), KINDS_MAX)?;
        check_count("xnames", request.xnames.len(), XNAMES_MAX)?;
        let kinds = request.kinds.iter().map(|number| match Kind::try_from(*number) {
            Ok(Kind::Unspecified) | Err(_) => {
                Err(rpc::invalid("kinds", format!("{number} is no kind of object")))
            }
            Ok(_) => Ok(*number),
        });
        let xname = |text: &String| {
            text.parse::<Xname>()
                .map_err(|problem| rpc::invalid("xnames", problem))
        };
        let xnames = request.xnames.iter().map(|text| Ok(xname(text)?.to_string()));
        let group = match request.group.as_str() {
            "" => None,
            text => Some(
                text.parse::<GroupLabel>()
                    .map_err(|problem| rpc::invalid("group", problem))?,
            ),
        };
        Ok(Filter {
            kinds: kinds.collect::<Result<_, Error>>()?,
            xnames: xnames.collect::<Result<_, Error>>()?,
            group: group.map(|label| Followed {
                label: label.into(),
                group: None,
            }),
        })
    }

    /// Sets the members of the group to those of `state`.
    pub(crate) fn begin_at(&mut self, state: &State) {
        if let Some(followed) = &mut self.group {
            followed.group = state.smd.group(&followed.label);
        }
    }

    /// Sets the members of the group to those at the revision of `watch`: as they were before its next change, or as
    /// they are in `state`, which is later than `watch`, if none is ahead.
    ///
    /// # Errors
    /// As those of the watch.
    pub(crate) fn begin_before(&mut self, watch: &Watch, state: &State) -> Result<(), Error> {
        if let Some(followed) = &mut self.group {
            let ahead =
                watch.find_ahead(|event| followed.changed_by(event).map(|(before, _)| before.cloned()))?;
            followed.group = ahead.unwrap_or_else(|| state.smd.group(&followed.label));
        }
        Ok(())
    }

    /// Whether an object of the state is selected.
    pub(crate) fn selects(&self, object: &Object) -> bool {
        let groups = self.group.as_ref().and_then(|followed| followed.group.as_deref());
        self.selects_among(object, &[groups])
    }

    /// The selected events of a revision. Revisions must come in order, because the members of the group follow them;
    /// what leaves the group with a revision is still shown.
    pub(crate) fn select<'a>(&mut self, revision: &'a Revision) -> Vec<&'a Event> {
        let before = self.group.as_ref().and_then(|followed| followed.group.clone());
        if let Some(followed) = &mut self.group {
            let changed = revision
                .events
                .iter()
                .find_map(|event| followed.changed_by(event));
            if let Some((_, after)) = changed {
                followed.group = after.cloned();
            }
        }
        let after = self.group.as_ref().and_then(|followed| followed.group.as_deref());
        let members = [before.as_deref(), after];
        let selected =
            |object: Option<&Object>| object.is_some_and(|object| self.selects_among(object, &members));
        let events = revision.events.iter();
        events
            .filter(|event| selected(event.before()) || selected(event.after()))
            .collect()
    }

    fn selects_among(&self, object: &Object, groups: &[Option<&Group>]) -> bool {
        let kind: i32 = wire::kind(object.kind()).into();
        if !self.kinds.is_empty() && !self.kinds.contains(&kind) {
            return false;
        }
        if let (Some(followed), Object::Group(group)) = (&self.group, object) {
            return group.label == followed.label;
        }
        let component = object.component();
        let is_named = || component.is_some_and(|id| is_at_or_below(id, &self.xnames));
        let is_member = || component.is_some_and(|id| groups.iter().flatten().any(|group| has(group, id)));
        (self.xnames.is_empty() || is_named()) && (self.group.is_none() || is_member())
    }
}

/// A group before and after an event; none where it was created or deleted.
type BeforeAfter<'a> = (Option<&'a Arc<Group>>, Option<&'a Arc<Group>>);

impl Followed {
    /// The group before and after an event, if it is one of the group.
    fn changed_by<'a>(&self, event: &'a Event) -> Option<BeforeAfter<'a>> {
        if event.key().kind() != RowKind::Group {
            return None;
        }
        let group = |object: Option<&'a Object>| match object {
            Some(Object::Group(group)) => Some(group),
            _ => None,
        };
        let (before, after) = (group(event.before()), group(event.after()));
        let label = &before.or(after)?.label;
        (*label == self.label).then_some((before, after))
    }
}

/// Members are stored sorted.
fn has(group: &Group, id: &str) -> bool {
    let ids = group.members.as_ref().map_or(&[][..], |members| &members.ids[..]);
    ids.binary_search_by(|member| member.as_str().cmp(id)).is_ok()
}

/// Whether `xnames` holds `id` or something that it is part of: all of `x1000c0s0b0n0`, `x1000c0s0b0`, …, `s0`.
fn is_at_or_below(id: &str, xnames: &BTreeSet<String>) -> bool {
    if xnames.contains(id) {
        return true;
    }
    let above = std::iter::successors(id.parse::<Xname>().ok(), Xname::parent);
    above.into_iter().any(|xname| xnames.contains(xname.as_str()))
}

fn check_count(field: &str, given: usize, max: usize) -> Result<(), Error> {
    if given <= max {
        return Ok(());
    }
    Err(rpc::invalid(
        field,
        format!("{given} are given, at most {max} are accepted"),
    ))
}
