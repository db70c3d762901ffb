//! What a watcher wants to see.

use std::collections::BTreeSet;
use std::sync::Arc;

use model::{GroupLabel, Xname};
use proto::smd::v1::Group;
use proto::watch::v1::WatchRequest;
use proto::watch::v1::object::Kind;
use raft::{Revision, Watch};
use rpc::Error;
use state::{Event, Object, State};

use crate::above::and_above;
use crate::interest::{GroupChange, Interest, Of, group_change, has};
use crate::limits::{KINDS_MAX, XNAMES_MAX};
use crate::wire;

/// The filters of one watch. They add up; an absent one selects everything.
#[derive(Clone, Debug, Default)]
pub(crate) struct Filter {
    kinds: BTreeSet<i32>,
    xnames: Arc<BTreeSet<String>>,
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
            xnames: Arc::new(xnames.collect::<Result<_, Error>>()?),
            group: group.map(|label| Followed {
                label: label.into(),
                group: None,
            }),
        })
    }

    /// What no change that this filter selects, and none of its group, is outside of.
    pub(crate) fn interest(&self) -> Interest {
        let of = match &self.group {
            Some(followed) => Of::Group(followed.label.clone()),
            None if self.xnames.is_empty() => Of::All,
            None => Of::Xnames(Arc::clone(&self.xnames)),
        };
        Interest {
            kinds: self.kinds.clone(),
            of,
        }
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
                watch.find_ahead(|event| followed.changed_by(event).map(|change| change.before.cloned()))?;
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
            if let Some(change) = changed {
                followed.group = change.after.cloned();
            }
        }
        let after = self.group.as_ref().and_then(|followed| followed.group.as_deref());
        let members = [before.as_deref(), after];
        let events = revision.events.iter();
        events
            .filter(|event| self.selects_event(event, &members))
            .collect()
    }

    /// Whether the object before or after an event is selected; what cannot differ between the two is asked once.
    fn selects_event(&self, event: &Event, groups: &[Option<&Group>]) -> bool {
        match (event.before(), event.after()) {
            (Some(before), Some(after)) => {
                let moved = before.component() != after.component();
                self.selects_among(before, groups) || (moved && self.selects_among(after, groups))
            }
            (Some(object), None) | (None, Some(object)) => self.selects_among(object, groups),
            (None, None) => false,
        }
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

impl Followed {
    /// What an event does to the group, if it is about it.
    fn changed_by<'a>(&self, event: &'a Event) -> Option<GroupChange<'a>> {
        group_change(event).filter(|change| change.label == self.label)
    }
}

/// Whether `xnames` holds `id` or something that it is part of.
fn is_at_or_below(id: &str, xnames: &BTreeSet<String>) -> bool {
    and_above(id).any(|name| xnames.contains(name))
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
