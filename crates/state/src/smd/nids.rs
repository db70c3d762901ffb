//! Who owns which NID, and which is free.

use std::ops::RangeInclusive;

use imbl::OrdMap;
use model::Xname;

/// Owner of each NID in use. Derived from the components, or from what promises NIDs to nodes.
#[derive(Clone, Default)]
pub(crate) struct Nids {
    owners: OrdMap<u64, Xname>,
    /// The NIDs that have an owner, as first and last of each block without a gap: NIDs are mostly given one after another, so
    /// that whoever looks for a free one passes few blocks, however many NIDs there are.
    blocks: OrdMap<u64, u64>,
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
        if before.is_none() {
            let below = nid.checked_sub(1).and_then(|below| self.block_with(below));
            let first = below.map_or(nid, |(first, _)| first);
            let above = nid.checked_add(1).and_then(|above| self.blocks.remove(&above));
            self.blocks.insert(first, above.unwrap_or(nid));
        }
        before
    }

    pub(crate) fn remove(&mut self, nid: u64) {
        if self.owners.remove(&nid).is_none() {
            return;
        }
        let Some((first, last)) = self.block_with(nid) else {
            return;
        };
        self.blocks.remove(&first);
        if first < nid {
            self.blocks.insert(first, nid - 1);
        }
        if nid < last {
            self.blocks.insert(nid + 1, last);
        }
    }

    /// The NIDs from 1 on that neither these nor `others` have, lowest first.
    pub(crate) fn free<'a>(&'a self, others: &'a Nids) -> impl Iterator<Item = u64> + 'a {
        let from = move |mut nid: u64| {
            while let Some((_, last)) = self.block_with(nid).or_else(|| others.block_with(nid)) {
                nid = last.checked_add(1)?;
            }
            Some(nid)
        };
        std::iter::successors(from(1), move |nid| from(nid.checked_add(1)?))
    }

    /// First and last of the block that a NID is in.
    fn block_with(&self, nid: u64) -> Option<(u64, u64)> {
        let (first, last) = self.blocks.range(..=nid).next_back()?;
        (*last >= nid).then_some((*first, *last))
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
        nids.free(&Nids::default()).take(count).collect()
    }

    fn of(all: impl IntoIterator<Item = u64>) -> Nids {
        let mut nids = Nids::default();
        all.into_iter().for_each(|nid| {
            nids.insert(nid, owner());
        });
        nids
    }

    #[test]
    fn the_lowest_free_nids_come_first_and_zero_is_never_given() {
        let mut nids = of([]);
        assert_eq!(lowest(&nids, 3), [1, 2, 3]);
        for nid in [1, 2, 4, 0, u64::MAX] {
            nids.insert(nid, owner());
        }
        assert_eq!(lowest(&nids, 3), [3, 5, 6]);
        nids.remove(1);
        assert_eq!(lowest(&nids, 3), [1, 3, 5]);
        nids.remove(0);
        assert_eq!(lowest(&nids, 1), [1]);
        let last = of([u64::MAX - 1, u64::MAX]);
        assert_eq!(last.block_with(u64::MAX), Some((u64::MAX - 1, u64::MAX)));
    }

    #[test]
    fn what_others_have_is_not_free() {
        let (own, others) = (of([1, 4]), of([2, 3, 6]));
        assert_eq!(own.free(&others).take(3).collect::<Vec<_>>(), [5, 7, 8]);
        assert_eq!(own.owner(2), None);
    }

    /// Whoever changes the NID of one component must not pass all the others, nor who looks for a free one: with a walk
    /// over all NIDs this takes hours.
    #[test]
    fn a_change_of_a_low_nid_passes_blocks_and_not_nids() {
        let mut nids = of(1..=50_000);
        let promised = of(50_001..=100_000);
        for _ in 0..50_000 {
            nids.remove(1);
            assert_eq!(nids.free(&promised).next(), Some(1));
            nids.insert(1, owner());
            assert_eq!(nids.free(&promised).next(), Some(100_001));
        }
        assert_eq!((nids.blocks.len(), promised.blocks.len()), (1, 1));
    }

    proptest! {
        /// Blocks never change the answer.
        #[test]
        fn free_nids_are_those_that_nobody_has(steps in proptest::collection::vec((0..3_u8, 0..24_u64), 0..80)) {
            let (mut own, mut others, mut used) = (Nids::default(), Nids::default(), [BTreeSet::new(), BTreeSet::new()]);
            for (kind, nid) in steps {
                match kind {
                    0 => {
                        own.insert(nid, owner());
                        used[0].insert(nid);
                    }
                    1 => {
                        others.insert(nid, owner());
                        used[1].insert(nid);
                    }
                    _ => {
                        own.remove(nid);
                        used[0].remove(&nid);
                    }
                }
                let is_free = |nid: &u64| !used.iter().any(|used| used.contains(nid));
                let expected: Vec<u64> = (1..).filter(is_free).take(5).collect();
                prop_assert_eq!(own.free(&others).take(5).collect::<Vec<_>>(), expected);
                let gaps = used[0].iter().filter(|nid| !used[0].contains(&(*nid + 1))).count();
                prop_assert_eq!(own.blocks.len(), gaps);
            }
        }
    }
}
