//! What was seen and is not told yet, merged as the state will merge it, and bounded.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound;

use model::Xname;
use proto::bss::v1::BootPhase;
use proto::bss::v1::bss_command::BootSeen;
use state::bounds::BOOTS_SEEN_PER_COMMAND_MAX;
use state::bss::kept_phases;

/// Nodes of which something may wait to be told: some 10 MB.
const NODES_MAX: usize = 16_384;
/// Boots of one node that may wait, beside what its node has not said the boot of. A node that asks for scripts all the
/// time begins a boot with each; the oldest is let go.
const BOOTS_PER_NODE_MAX: usize = 2;

/// What waits, by node.
#[derive(Debug, Default)]
pub(crate) struct Pending {
    nodes: BTreeMap<Xname, Boots>,
    /// The last node of the entry before: the next one begins behind it, so that every node has its turn.
    last: Option<Xname>,
}

#[derive(Debug, Default)]
struct Boots {
    /// Of boots that the node has not named.
    loose: Vec<BootPhase>,
    /// By boot id, the oldest first.
    told: VecDeque<(String, Vec<BootPhase>)>,
}

impl Boots {
    fn is_empty(&self) -> bool {
        self.loose.is_empty() && self.told.is_empty()
    }

    /// How many attempts were let go.
    fn add(&mut self, boot_id: String, attempts: Vec<BootPhase>) -> usize {
        if boot_id.is_empty() {
            merge(&mut self.loose, attempts);
            return 0;
        }
        if let Some((_, known)) = self.told.iter_mut().find(|(id, _)| *id == boot_id) {
            merge(known, attempts);
            return 0;
        }
        self.told.push_back((boot_id, kept_phases(attempts)));
        match self.told.len() > BOOTS_PER_NODE_MAX {
            true => self.told.pop_front().map_or(0, |(_, gone)| gone.len()),
            false => 0,
        }
    }

    /// What one entry may tell of the node: of one boot.
    fn take(&mut self) -> (String, Vec<BootPhase>) {
        match self.loose.is_empty() {
            false => (String::new(), std::mem::take(&mut self.loose)),
            true => self.told.pop_front().unwrap_or_default(),
        }
    }
}

fn merge(known: &mut Vec<BootPhase>, more: Vec<BootPhase>) {
    let mut all = std::mem::take(known);
    all.extend(more);
    *known = kept_phases(all);
}

impl Pending {
    pub(crate) fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// Adds attempts of one boot; an empty boot id is none. Returns how many attempts there was no room for.
    pub(crate) fn add(&mut self, node: Xname, boot_id: String, attempts: Vec<BootPhase>) -> usize {
        if self.nodes.len() >= NODES_MAX && !self.nodes.contains_key(&node) {
            return attempts.len();
        }
        self.nodes.entry(node).or_default().add(boot_id, attempts)
    }

    /// Takes what the next entry tells: as many nodes as it may name, each with one boot.
    pub(crate) fn take(&mut self) -> Vec<BootSeen> {
        let after = self.last.take().map_or(Bound::Unbounded, Bound::Excluded);
        let behind = self.nodes.range((after, Bound::Unbounded));
        let mut nodes: Vec<Xname> = behind
            .take(BOOTS_SEEN_PER_COMMAND_MAX)
            .map(|(node, _)| node.clone())
            .collect();
        let first = self.nodes.keys().take(BOOTS_SEEN_PER_COMMAND_MAX - nodes.len());
        let first: Vec<Xname> = first
            .take_while(|node| Some(*node) != nodes.first())
            .cloned()
            .collect();
        nodes.extend(first);
        self.last = nodes.last().cloned();
        nodes.into_iter().filter_map(|node| self.take_of(&node)).collect()
    }

    fn take_of(&mut self, node: &Xname) -> Option<BootSeen> {
        let boots = self.nodes.get_mut(node)?;
        let (boot_id, phases) = boots.take();
        if boots.is_empty() {
            self.nodes.remove(node);
        }
        Some(BootSeen {
            node: node.to_string(),
            boot_id,
            phases,
        })
    }
}

#[cfg(test)]
mod tests {
    use proto::bss::v1::boot_phase::Phase;

    use super::*;

    fn node(number: usize) -> Xname {
        format!("x0c0s{number}b0n0").parse().unwrap()
    }

    fn attempt(at_ms: u64) -> Vec<BootPhase> {
        vec![BootPhase {
            phase: Phase::Script.into(),
            at_ms,
            ..BootPhase::default()
        }]
    }

    #[test]
    fn an_entry_names_a_node_once_and_the_rest_waits() {
        let mut pending = Pending::default();
        for boot_id in ["", "b1", "b2"] {
            assert_eq!(pending.add(node(0), boot_id.to_owned(), attempt(7)), 0);
            assert_eq!(pending.add(node(0), boot_id.to_owned(), attempt(7)), 0, "merged");
        }
        for boot_id in ["", "b1", "b2"] {
            let taken = pending.take();
            assert_eq!(taken.len(), 1);
            assert_eq!((taken[0].boot_id.as_str(), taken[0].phases.len()), (boot_id, 1));
        }
        assert!(pending.is_empty() && pending.take().is_empty());
    }

    /// One node that asks for its script in a loop must not fill the log.
    #[test]
    fn of_a_node_the_newest_boots_wait() {
        let mut pending = Pending::default();
        let dropped: usize = (0..10)
            .map(|boot| pending.add(node(0), format!("b{boot}"), attempt(boot)))
            .sum();
        assert_eq!(dropped, 8);
        assert_eq!(pending.take()[0].boot_id, "b8");
        assert_eq!(pending.take()[0].boot_id, "b9");
    }

    #[test]
    fn nodes_that_wait_are_bounded() {
        let mut pending = Pending::default();
        for number in 0..NODES_MAX {
            assert_eq!(pending.add(node(number), String::new(), attempt(1)), 0);
        }
        assert_eq!(pending.add(node(NODES_MAX), String::new(), attempt(1)), 1);
        assert_eq!(
            pending.add(node(0), "b1".to_owned(), attempt(1)),
            0,
            "it waits already"
        );
    }

    /// Whoever comes first in the order of names must not keep the others waiting.
    #[test]
    fn every_node_has_its_turn() {
        let mut pending = Pending::default();
        let count = BOOTS_SEEN_PER_COMMAND_MAX + 10;
        let mut told = BTreeMap::new();
        for _ in 0..2 {
            for number in 0..count {
                pending.add(node(number), String::new(), attempt(1));
            }
            let taken = pending.take();
            assert_eq!(taken.len(), BOOTS_SEEN_PER_COMMAND_MAX);
            for boot in taken {
                *told.entry(boot.node).or_insert(0) += 1;
            }
        }
        assert_eq!(told.len(), count);
    }
}
