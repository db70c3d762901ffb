//! What can have one owner only: NIDs, and addresses within a network.

use std::collections::{BTreeMap, BTreeSet};

/// Who cannot have what it wants, and who has it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Lost<K, I> {
    pub(super) key: K,
    pub(super) owner: I,
}

/// Decides who gets what. `wanted` has each object of the import with what it is to have; `held` what objects of ours
/// have now. Whoever is not imported keeps what it holds; so does whoever loses. Of several that want the same, the one
/// that holds it already gets it, or else the first.
pub(super) fn losers<K, I>(
    wanted: &BTreeMap<I, Vec<K>>,
    held: &BTreeMap<I, Vec<K>>,
) -> BTreeMap<I, Lost<K, I>>
where
    K: Clone + Ord,
    I: Clone + Ord,
{
    let mut deciding = Deciding {
        held,
        claims: BTreeMap::new(),
        lost: BTreeMap::new(),
        kept: Vec::new(),
    };
    for (id, keys) in wanted {
        for key in keys {
            deciding.claims.entry(key).or_default().insert(id);
        }
    }
    for (id, keys) in held.iter().filter(|(id, _)| !wanted.contains_key(id)) {
        deciding.kept.extend(keys.iter().map(|key| (key, id)));
    }
    deciding.settle();
    let keys: Vec<&K> = deciding.claims.keys().copied().collect();
    for key in keys {
        if let Some(owner) = deciding.owner_in_import(key) {
            deciding.give(key, owner);
            deciding.settle();
        }
    }
    let lost = deciding.lost.into_iter();
    lost.map(|(id, lost)| (id.clone(), lost)).collect()
}

struct Deciding<'a, K, I> {
    held: &'a BTreeMap<I, Vec<K>>,
    /// Who wants a key.
    claims: BTreeMap<&'a K, BTreeSet<&'a I>>,
    lost: BTreeMap<&'a I, Lost<K, I>>,
    /// Keys that stay where they are, and whose claimants have not been told yet.
    kept: Vec<(&'a K, &'a I)>,
}

impl<'a, K: Clone + Ord, I: Clone + Ord> Deciding<'a, K, I> {
    /// Tells the claimants of everything that stays where it is.
    fn settle(&mut self) {
        while let Some((key, owner)) = self.kept.pop() {
            self.give(key, owner);
        }
    }

    /// `owner` has `key`: nobody else gets it. Who loses by that keeps what it holds.
    fn give(&mut self, key: &'a K, owner: &'a I) {
        for id in self.claims.get(key).cloned().unwrap_or_default() {
            if id == owner || self.lost.contains_key(id) {
                continue;
            }
            let because = Lost {
                key: key.clone(),
                owner: owner.clone(),
            };
            self.lost.insert(id, because);
            let holds = self.held.get(id).into_iter().flatten();
            self.kept.extend(holds.map(|key| (key, id)));
        }
    }

    fn owner_in_import(&self, key: &K) -> Option<&'a I> {
        let claimants = || {
            let ids = self.claims.get(key).into_iter().flatten();
            ids.copied().filter(|id| !self.lost.contains_key(id))
        };
        let holds = |id: &&I| self.held.get(*id).is_some_and(|keys| keys.contains(key));
        claimants().find(holds).or_else(|| claimants().next())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    type Of = BTreeMap<&'static str, Vec<u64>>;

    fn of(all: &[(&'static str, &[u64])]) -> Of {
        all.iter().map(|(id, keys)| (*id, keys.to_vec())).collect()
    }

    fn lost(
        wanted: &[(&'static str, &[u64])],
        held: &[(&'static str, &[u64])],
    ) -> Vec<(&'static str, u64, &'static str)> {
        let losers = losers(&of(wanted), &of(held));
        losers
            .into_iter()
            .map(|(id, lost)| (id, lost.key, lost.owner))
            .collect()
    }

    /// SMD gives NID 1 to the first node of each BMC.
    #[test]
    fn of_several_in_the_import_the_first_gets_it() {
        let wanted: &[(&'static str, &[u64])] = &[("a", &[1]), ("b", &[1]), ("c", &[2]), ("d", &[1])];
        assert_eq!(lost(wanted, &[]), [("b", 1, "a"), ("d", 1, "a")]);
    }

    /// The same import again must not move anything.
    #[test]
    fn whoever_has_it_already_keeps_it() {
        let wanted: &[(&'static str, &[u64])] = &[("a", &[1]), ("b", &[1])];
        assert_eq!(lost(wanted, &[("b", &[1])]), [("a", 1, "b")]);
        assert_eq!(lost(wanted, &[("z", &[1])]), [("a", 1, "z"), ("b", 1, "z")]);
    }

    #[test]
    fn what_is_given_up_in_the_import_is_free() {
        assert_eq!(lost(&[("a", &[2]), ("b", &[1])], &[("a", &[1]), ("b", &[2])]), []);
        assert_eq!(lost(&[("a", &[]), ("b", &[1])], &[("a", &[1])]), []);
    }

    /// `a` cannot have 9, so it keeps 1, so `b` cannot have 1.
    #[test]
    fn who_loses_keeps_what_it_has() {
        let wanted: &[(&'static str, &[u64])] = &[("a", &[9]), ("b", &[1])];
        let held: &[(&'static str, &[u64])] = &[("a", &[1]), ("z", &[9])];
        assert_eq!(lost(wanted, held), [("a", 9, "z"), ("b", 1, "a")]);
    }

    proptest! {
        /// Whatever is asked for, in the end nothing has two owners.
        #[test]
        fn nothing_has_two_owners(
            wanted in proptest::collection::btree_map(0..8_u8, proptest::collection::btree_set(0..6_u8, 0..3), 0..8),
            holders in proptest::collection::btree_map(0..6_u8, 0..10_u8, 0..6),
        ) {
            let wanted: BTreeMap<u8, Vec<u8>> =
                wanted.into_iter().map(|(id, keys)| (id, keys.into_iter().collect())).collect();
            let mut held: BTreeMap<u8, Vec<u8>> = BTreeMap::new();
            for (key, id) in holders {
                held.entry(id).or_default().push(key);
            }
            let lost = losers(&wanted, &held);
            let mut after = held;
            after.extend(wanted.into_iter().filter(|(id, _)| !lost.contains_key(id)));
            let mut seen = BTreeSet::new();
            for key in after.values().flatten() {
                prop_assert!(seen.insert(key), "{key} has two owners: {after:?}");
            }
        }
    }
}
