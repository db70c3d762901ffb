//! Which watches a change may concern: found by the keys of the change, not by asking every watch.

use std::collections::BTreeMap;
use std::sync::Arc;

use proto::smd::v1::Group;
use raft::Revision;
use state::{Event, Object, State};

use crate::above::and_above;
use crate::interest::{Of, group_change, has};
use crate::line::Line;
use crate::wire;

/// Lines by their number.
type Lines = BTreeMap<u64, Arc<Line>>;

/// All lines, by what they are interested in. Revisions must come in order, because the members of groups follow them.
#[derive(Debug, Default)]
pub(crate) struct Index {
    /// Of the last line that was added.
    number: u64,
    all: Lines,
    of_everything: Lines,
    of_kind: BTreeMap<i32, Lines>,
    of_xname: BTreeMap<String, Lines>,
    of_group: BTreeMap<String, Followers>,
}

/// The lines that follow one group.
#[derive(Debug, Default)]
struct Followers {
    lines: Lines,
    /// The group after the last revision, or after one that is still to come: then all lines come later, too.
    group: Option<Arc<Group>>,
    /// The group before the revision that is being routed, if that changes it.
    before: Option<Arc<Group>>,
}

impl Index {
    pub(crate) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Adds a line of a watch that needs what comes after `state`, which may be ahead of what was routed; gives its number.
    pub(crate) fn add(&mut self, line: &Arc<Line>, state: &State) -> u64 {
        self.number += 1;
        let (number, interest) = (self.number, line.interest());
        let into = |lines: &mut Lines| drop(lines.insert(number, Arc::clone(line)));
        into(&mut self.all);
        match &interest.of {
            Of::All if interest.kinds.is_empty() => into(&mut self.of_everything),
            Of::All => interest
                .kinds
                .iter()
                .for_each(|kind| into(self.of_kind.entry(*kind).or_default())),
            Of::Xnames(names) => names
                .iter()
                .for_each(|name| into(self.of_xname.entry(name.clone()).or_default())),
            Of::Group(label) => {
                let followers = self.of_group.entry(label.clone()).or_insert_with(|| Followers {
                    group: state.smd.group(label),
                    ..Followers::default()
                });
                into(&mut followers.lines);
            }
        }
        number
    }

    /// Takes a line out.
    pub(crate) fn remove(&mut self, number: u64) {
        let Some(line) = self.all.remove(&number) else {
            return;
        };
        let interest = line.interest();
        match &interest.of {
            Of::All if interest.kinds.is_empty() => drop(self.of_everything.remove(&number)),
            Of::All => interest
                .kinds
                .iter()
                .for_each(|kind| remove_from(&mut self.of_kind, kind, number)),
            Of::Xnames(names) => names
                .iter()
                .for_each(|name| remove_from(&mut self.of_xname, name, number)),
            Of::Group(label) => {
                if let Some(followers) = self.of_group.get_mut(label) {
                    followers.lines.remove(&number);
                    if followers.lines.is_empty() {
                        self.of_group.remove(label);
                    }
                }
            }
        }
    }

    /// What led to `state` is not known: every watch has to see for itself what it missed. Gives all of them.
    pub(crate) fn begin_again(&mut self, state: &State) -> Vec<Arc<Line>> {
        for (label, followers) in &mut self.of_group {
            followers.group = state.smd.group(label);
        }
        let lines: Vec<_> = self.all.values().cloned().collect();
        lines.iter().for_each(|line| line.lose());
        lines
    }

    /// Puts a revision into the lines that it may concern; adds those that are to be woken to `woken`.
    pub(crate) fn route(&mut self, revision: &Arc<Revision>, woken: &mut Vec<Arc<Line>>) {
        if self.all.is_empty() {
            return;
        }
        let changed = self.follow(revision, woken);
        let mut routing = Routing { revision, woken };
        for event in &revision.events {
            self.route_event(event, &mut routing);
        }
        for label in changed {
            if let Some(followers) = self.of_group.get_mut(label) {
                followers.before = None;
            }
        }
    }

    /// Groups that are followed change first: members before and after the revision count for all of its events, and
    /// whoever follows one hears of it whatever kinds he wants. Gives their labels.
    fn follow<'a>(&mut self, revision: &'a Arc<Revision>, woken: &mut Vec<Arc<Line>>) -> Vec<&'a str> {
        let mut changed = Vec::new();
        if self.of_group.is_empty() {
            return changed;
        }
        let mut routing = Routing { revision, woken };
        for change in revision.events.iter().filter_map(group_change) {
            if let Some(followers) = self.of_group.get_mut(change.label) {
                followers.before = change.before.cloned();
                followers.group = change.after.cloned();
                followers.lines.values().for_each(|line| routing.put(line));
                changed.push(change.label);
            }
        }
        changed
    }

    fn route_event(&self, event: &Event, routing: &mut Routing<'_>) {
        let kind: i32 = wire::kind(event.key().kind()).into();
        routing.put_all(&self.of_everything, kind);
        if let Some(lines) = self.of_kind.get(&kind) {
            routing.put_all(lines, kind);
        }
        let before = event.before().and_then(Object::component);
        let after = event.after().and_then(Object::component);
        for id in before.into_iter().chain(after.filter(|id| before != Some(*id))) {
            self.route_component(id, kind, routing);
        }
    }

    fn route_component(&self, id: &str, kind: i32, routing: &mut Routing<'_>) {
        if !self.of_xname.is_empty() {
            let found = and_above(id).filter_map(|name| self.of_xname.get(name));
            found.for_each(|lines| routing.put_all(lines, kind));
        }
        let followers = self.of_group.values().filter(|followers| followers.have(id));
        followers.for_each(|followers| routing.put_all(&followers.lines, kind));
    }
}

impl Followers {
    fn have(&self, id: &str) -> bool {
        [&self.before, &self.group]
            .into_iter()
            .flatten()
            .any(|group| has(group, id))
    }
}

/// One revision on its way.
struct Routing<'a> {
    revision: &'a Arc<Revision>,
    woken: &'a mut Vec<Arc<Line>>,
}

impl Routing<'_> {
    fn put_all(&mut self, lines: &Lines, kind: i32) {
        let wanting = lines.values().filter(|line| line.interest().wants(kind));
        wanting.for_each(|line| self.put(line));
    }

    fn put(&mut self, line: &Arc<Line>) {
        if line.put(self.revision) {
            self.woken.push(Arc::clone(line));
        }
    }
}

fn remove_from<K, Q>(lines_by: &mut BTreeMap<K, Lines>, key: &Q, number: u64)
where
    K: std::borrow::Borrow<Q> + Ord,
    Q: Ord + ?Sized,
{
    if let Some(lines) = lines_by.get_mut(key) {
        lines.remove(&number);
        if lines.is_empty() {
            lines_by.remove(key);
        }
    }
}

#[cfg(test)]
#[path = "index_tests.rs"]
mod tests;
