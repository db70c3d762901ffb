//! Who watches what, and how often each change is to be told.

use std::ops::Range;

use super::super::args::WatchArgs;

/// Of the watchers that do not watch everything, every so many-th watches a group.
const GROUP_EVERY: u32 = 10;

/// The same on both sides.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) watchers: u32,
    everything: u32,
    pub(super) nodes: u32,
    pub(super) groups: u32,
}

/// What one watcher watches, by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    Everything,
    Group(u32),
    Node(u32),
}

impl Plan {
    pub(super) fn of(args: &WatchArgs) -> Plan {
        Plan {
            watchers: args.watchers,
            everything: args.everything.min(args.watchers),
            nodes: args.nodes,
            groups: args.groups.min(args.nodes),
        }
    }

    /// What watcher `watcher` watches.
    pub(super) fn wanted(&self, watcher: u32) -> Wanted {
        match watcher {
            _ if watcher < self.everything => Wanted::Everything,
            _ if watcher.is_multiple_of(GROUP_EVERY) => Wanted::Group(watcher / GROUP_EVERY % self.groups),
            _ => Wanted::Node(watcher % self.nodes),
        }
    }

    /// Nodes of a group: all groups together are all nodes.
    pub(super) fn nodes_of(&self, group: u32) -> Range<u32> {
        let first = |group: u32| {
            let node = u64::from(group) * u64::from(self.nodes) / u64::from(self.groups);
            u32::try_from(node).unwrap_or(self.nodes)
        };
        first(group)..first(group + 1)
    }

    /// Which node change `change` is of: neighbours are of nodes far from each other.
    pub(super) fn node_of(&self, change: u32) -> u32 {
        (u64::from(change) * 7919 % u64::from(self.nodes)) as u32
    }

    /// How many watchers a change of each node is told to.
    pub(super) fn told_by_node(&self) -> Vec<u32> {
        let mut told = vec![0; self.nodes as usize];
        for watcher in 0..self.watchers {
            let nodes = match self.wanted(watcher) {
                Wanted::Everything => 0..self.nodes,
                Wanted::Group(group) => self.nodes_of(group),
                Wanted::Node(node) => node..node + 1,
            };
            nodes.for_each(|node| told[node as usize] += 1);
        }
        told
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan() -> Plan {
        Plan {
            watchers: 100,
            everything: 3,
            nodes: 50,
            groups: 7,
        }
    }

    #[test]
    fn groups_share_the_nodes() {
        let plan = plan();
        let all: Vec<u32> = (0..plan.groups).flat_map(|group| plan.nodes_of(group)).collect();
        assert_eq!(all, (0..50).collect::<Vec<_>>());
    }

    /// A watcher that is told of what it did not ask for must not hide one that is told of nothing.
    #[test]
    fn it_is_known_how_often_each_change_is_told() {
        let plan = plan();
        let told = plan.told_by_node();
        for node in 0..50 {
            let wants = |watcher: &u32| match plan.wanted(*watcher) {
                Wanted::Everything => true,
                Wanted::Group(group) => plan.nodes_of(group).contains(&node),
                Wanted::Node(own) => own == node,
            };
            let expected = (0..100).filter(wants).count();
            assert_eq!(told[node as usize] as usize, expected, "node {node}");
            assert!(expected >= 3);
        }
        let kinds = |wanted: fn(&Wanted) -> bool| (0..100).map(|n| plan.wanted(n)).filter(wanted).count();
        assert_eq!(kinds(|wanted| matches!(wanted, Wanted::Everything)), 3);
        assert_eq!(kinds(|wanted| matches!(wanted, Wanted::Group(_))), 9);
    }

    #[test]
    fn changes_reach_every_node() {
        let plan = plan();
        let mut nodes: Vec<u32> = (0..50).map(|change| plan.node_of(change)).collect();
        nodes.sort_unstable();
        assert_eq!(nodes, (0..50).collect::<Vec<_>>());
    }
}
