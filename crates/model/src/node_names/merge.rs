//! Names with several numbers as few boxes: `x[0-1]c[0-7]`.
//!
//! ClusterShell's `RangeSetND._fold_multivariate_merge`, which boxes are found first included, as the same set has to
//! be the same text. Its last passes compare each box with each; here an index finds what a box can be joined with.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use super::Index;

/// One set of numbers per place of the pattern, by its id in the place's [`Column`]; it means all combinations.
type Cuboid = Vec<u32>;

/// The sets of numbers that stand at one place of the pattern.
struct Column {
    sets: Vec<Vec<Index>>,
    /// Ids of those with several numbers.
    ids: BTreeMap<Vec<Index>, u32>,
}

impl Column {
    /// Of single numbers; their ids stand in the order of their texts.
    fn of(numbers: impl Iterator<Item = Index>) -> Column {
        let mut numbers: Vec<Index> = numbers.collect();
        numbers.sort_unstable_by_key(|number| number.text_order());
        numbers.dedup();
        Column {
            sets: numbers.into_iter().map(|number| vec![number]).collect(),
            ids: BTreeMap::new(),
        }
    }

    /// Only before others are joined.
    fn id_of_one(&self, number: Index) -> u32 {
        let order = number.text_order();
        let at = self.sets.partition_point(|set| set[0].text_order() < order);
        u32::try_from(at).unwrap_or(u32::MAX)
    }

    fn set(&self, id: u32) -> &[Index] {
        &self.sets[id as usize]
    }

    fn id_of(&mut self, mut members: Vec<Index>) -> u32 {
        members.sort_unstable();
        let next = u32::try_from(self.sets.len()).unwrap_or(u32::MAX);
        let id = *self.ids.entry(members.clone()).or_insert(next);
        if id == next {
            self.sets.push(members);
        }
        id
    }
}

/// The rows, sorted and without doubles, as sets of numbers for each place: each row is in exactly one answer.
pub(super) fn merged(rows: &[Vec<Index>]) -> Vec<Vec<Vec<Index>>> {
    let places = rows.first().map_or(0, Vec::len);
    let mut columns: Vec<Column> = (0..places)
        .map(|place| Column::of(rows.iter().map(|row| row[place])))
        .collect();
    let ids = |row: &Vec<Index>| -> Cuboid {
        let columns = columns.iter().zip(row);
        columns
            .map(|(column, number)| column.id_of_one(*number))
            .collect()
    };
    let mut all: Vec<Cuboid> = rows.iter().map(ids).collect();
    all.sort_unstable();
    let mut is_thorough = false;
    loop {
        let before = all.len();
        all = match is_thorough {
            false => neighbours_joined(all, &mut columns),
            true => all_joined(all, &mut columns),
        };
        match (all.len() < before, is_thorough) {
            (true, _) => {}
            (false, false) => is_thorough = true,
            (false, true) => break,
        }
        all.sort_by_cached_key(|cuboid| order(cuboid, &columns));
    }
    let sets = |cuboid: &Cuboid| -> Vec<Vec<Index>> {
        let columns = columns.iter().zip(cuboid);
        columns.map(|(column, id)| column.set(*id).to_vec()).collect()
    };
    all.iter().map(sets).collect()
}

/// What orders one set of numbers: the larger first, then by the texts of its first and last number.
type SetOrder = (Reverse<usize>, (u64, u8), (u64, u8));

/// The larger first.
fn order(cuboid: &Cuboid, columns: &[Column]) -> (Reverse<u128>, Vec<SetOrder>) {
    let sets = || columns.iter().zip(cuboid).map(|(column, id)| column.set(*id));
    let size = sets().fold(1, |size: u128, set| size.saturating_mul(set.len() as u128));
    let keys = sets().map(|set| {
        let text_order = |number: Option<&Index>| number.map_or((0, 0), |number| number.text_order());
        (
            Reverse(set.len()),
            text_order(set.first()),
            text_order(set.last()),
        )
    });
    (Reverse(size), keys.collect())
}

/// The place at which two differ, if it is one.
fn only_difference(one: &Cuboid, other: &Cuboid) -> Option<usize> {
    let mut places = (0..one.len()).filter(|place| one[*place] != other[*place]);
    let place = places.next()?;
    places.next().is_none().then_some(place)
}

/// Each is joined with those that follow it, as long as they can be.
fn neighbours_joined(all: Vec<Cuboid>, columns: &mut [Column]) -> Vec<Cuboid> {
    let mut found = Vec::new();
    let mut rest = all.into_iter().peekable();
    while let Some(mut one) = rest.next() {
        while let Some(place) = rest.peek().and_then(|next| only_difference(&one, next)) {
            // all that differ there at once, as a set that grows by one is a new set each time
            let mut members = columns[place].set(one[place]).to_vec();
            while let Some(next) = rest.next_if(|next| only_difference(&one, next) == Some(place)) {
                members.extend_from_slice(columns[place].set(next[place]));
            }
            one[place] = columns[place].id_of(members);
        }
        found.push(one);
    }
    found
}

/// Where those stand that differ at one place only, by everything else: for each place.
type Alike = Vec<BTreeMap<Cuboid, Vec<usize>>>;

fn without(cuboid: &Cuboid, place: usize) -> Cuboid {
    let mut rest = cuboid.clone();
    rest[place] = 0;
    rest
}

/// Each is joined with all that stand behind it and can be, in their order.
fn all_joined(mut all: Vec<Cuboid>, columns: &mut [Column]) -> Vec<Cuboid> {
    let mut alike: Alike = vec![BTreeMap::new(); columns.len()];
    for (place, alike) in alike.iter_mut().enumerate() {
        for (at, cuboid) in all.iter().enumerate() {
            alike
                .entry(without(cuboid, place))
                .or_insert_with(Vec::new)
                .push(at);
        }
    }
    let mut is_gone = vec![false; all.len()];
    for at in 0..all.len() {
        if is_gone[at] {
            continue;
        }
        let mut behind = at;
        while let Some((next, place)) = next_alike(&all[at], behind, &alike, &is_gone) {
            let mut members = columns[place].set(all[at][place]).to_vec();
            members.extend_from_slice(columns[place].set(all[next][place]));
            all[at][place] = columns[place].id_of(members);
            is_gone[next] = true;
            behind = next;
        }
    }
    let mut gone = is_gone.into_iter();
    all.retain(|_| gone.next() == Some(false));
    all
}

/// The first behind `behind` that differs from `one` at one place only, and the place.
fn next_alike(one: &Cuboid, behind: usize, alike: &Alike, is_gone: &[bool]) -> Option<(usize, usize)> {
    let first = |(place, alike): (usize, &BTreeMap<Cuboid, Vec<usize>>)| {
        let at = alike.get(&without(one, place))?;
        let later = &at[at.partition_point(|at| *at <= behind)..];
        let next = later.iter().find(|at| !is_gone[**at])?;
        Some((*next, place))
    };
    alike.iter().enumerate().filter_map(first).min()
}

#[cfg(test)]
mod tests {
    use crate::fold_names;

    /// Each answer is what ClusterShell 1.9.1 printed.
    #[test]
    fn several_numbers_are_folded_as_clustershell_does() {
        for (names, expected) in [
            ("x0c0 x0c1 x1c0 x1c1", "x[0-1]c[0-1]"),
            ("x0c0 x0c1 x1c0", "x0c[0-1],x1c0"),
            ("x0c0 x1c1", "x0c0,x1c1"),
            ("x0c0s0 x0c0s1 x0c1s0 x1c0s0", "x0c0s[0-1],x0c1s0,x1c0s0"),
            ("a1b9 a1b10 a2b10 a2b9 a3b10", "a[1-2]b[9-10],a3b10"),
            ("a01b1 a1b1 a02b1", "a[1,01-02]b1"),
        ] {
            assert_eq!(fold_names(names.split(' ')), expected, "{names}");
        }
    }

    /// The last passes compare what is left with all that is left: an index must find it in time.
    #[test]
    fn many_names_that_are_no_boxes_are_folded_in_a_moment() {
        let names = (0..20_000_u64).map(|n| {
            let mixed = n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
            format!("x{}c{}s{}", mixed % 53, (mixed >> 16) % 47, (mixed >> 32) % 43)
        });
        let folded = fold_names(names);
        assert!(folded.len() > 10_000);
    }
}
