//! Who owns which NID, and which is free.

use std::ops::RangeInclusive;

use imbl::OrdMap;
use model::Xname;

/// Owner of each NID in use. Derived from the components.
#[derive(Clone, Default)]
pub(crate) struct Nids {
    owners: OrdMap<u64, Xname>,
    /// Every NID from 1 up to this one is in use; saves the search for a free one from starting at 1 each time.
    full_up_to: u64,
}

impl Nids {
    pub(crate) fn owner(&self, nid: u64) -> Option<&Xname> {
        self.owners.get(&nid)
    }

    /// Owners of the NIDs in a range, sorted by NID; of one whose ends are the wrong way round there are none.
    pub(crate) fn owners(&self, nids: RangeInclusive<u64>) -> impl Iterator<Item = &Xname> {
        let range = Some(nids).filter(|nids| !nids.is_empty());
        let within = range.into_iter().flat_map(|nids| self.owners.range(nids));
        within.map(|(_, owner)| owner)
    }

    /// Returns the owner that was there before.
    pub(crate) fn insert(&mut self, nid: u64, owner: Xname) -> Option<Xname> {
        let before = self.owners.insert(nid, owner);
        while let Some(next) = self
            .full_up_to
            .checked_add(1)
            .filter(|next| self.owners.contains_key(next))
        {
            self.full_up_to = next;
        }
        before
    }

    pub(crate) fn remove(&mut self, nid: u64) {
        self.owners.remove(&nid);
        if nid > 0 && nid <= self.full_up_to {
            self.full_up_to = nid - 1;
        }
    }

    /// The free NIDs from 1 on, lowest first.
    pub(crate) fn free(&self) -> impl Iterator<Item = u64> + '_ {
        let mut used = self
            .owners
            .range(self.full_up_to.saturating_add(1)..)
            .map(|(nid, _)| *nid)
            .peekable();
        (self.full_up_to.saturating_add(1)..=u64::MAX).filter(move |nid| used.next_if_eq(nid).is_none())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn owner() -> Xname {
        "x0c0s0b0n0".parse().unwrap()
    }

    fn lowest(nids: &Nids, count: usize) -> Vec<u64> {
        nids.free().take(count).collect()
    }

    #[test]
    fn the_lowest_free_nids_come_first_and_zero_is_never_given() {
        let mut nids = Nids::default();
        assert_eq!(lowest(&nids, 3), [1, 2, 3]);
        for nid in [1, 2, 4, 0, u64::MAX] {
            nids.insert(nid, owner());
        }
        assert_eq!(lowest(&nids, 3), [3, 5, 6]);
        nids.remove(1);
        assert_eq!(lowest(&nids, 3), [1, 3, 5]);
        nids.remove(0);
        assert_eq!(lowest(&nids, 1), [1]);
    }

    proptest! {
        /// The shortcut never changes the answer.
        #[test]
        fn free_nids_are_those_that_nobody_has(steps in proptest::collection::vec((any::<bool>(), 0..24_u64), 0..80)) {
            let (mut nids, mut used) = (Nids::default(), BTreeSet::new());
            for (add, nid) in steps {
                if add {
                    nids.insert(nid, owner());
                    used.insert(nid);
                } else {
                    nids.remove(nid);
                    used.remove(&nid);
                }
                let expected: Vec<u64> = (1..).filter(|nid| !used.contains(nid)).take(5).collect();
                prop_assert_eq!(lowest(&nids, 5), expected);
            }
        }
    }
}
