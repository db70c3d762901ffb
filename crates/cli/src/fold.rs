//! Many names as a few: `x1000c0s0b0n0`, `x1000c0s1b0n0`, … are `x1000c0s[0-7]b0n0`.

use std::collections::BTreeMap;

/// A piece of a name.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Piece {
    /// Everything that is no plain number: letters, separators, numbers with leading zeros.
    Text(String),
    /// Numbers that stand here, sorted.
    Numbers(Vec<u64>),
}

/// Longest number that is folded; a longer one is text.
const DIGITS_MAX: usize = 18;

/// The names, folded by one number after the other from the last to the first, sorted. Each of them is in exactly one answer, and
/// an answer of xnames is a nodeset.
pub(crate) fn fold<'a>(names: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    let mut folded: Vec<Vec<Piece>> = names.into_iter().map(pieces).collect();
    let places = folded.iter().map(Vec::len).max().unwrap_or(0);
    for place in (0..places).rev() {
        folded = folded_at(folded, place);
    }
    folded.iter().map(|name| shown(name)).collect()
}

fn pieces(name: &str) -> Vec<Piece> {
    let mut found = Vec::new();
    let mut rest = name;
    while let Some(first) = rest.chars().next() {
        let is_digit = first.is_ascii_digit();
        let end = rest.find(|c: char| c.is_ascii_digit() != is_digit);
        let (piece, after) = rest.split_at(end.unwrap_or(rest.len()));
        let is_plain = is_digit && piece.len() <= DIGITS_MAX && (piece == "0" || !piece.starts_with('0'));
        found.push(match piece.parse() {
            Ok(number) if is_plain => Piece::Numbers(vec![number]),
            _ => Piece::Text(piece.to_owned()),
        });
        rest = after;
    }
    found
}

/// Names that differ at `place` only become one.
fn folded_at(names: Vec<Vec<Piece>>, place: usize) -> Vec<Vec<Piece>> {
    let mut by_rest: BTreeMap<Vec<Piece>, Vec<u64>> = BTreeMap::new();
    let mut others = Vec::new();
    for mut name in names {
        match name.get_mut(place) {
            Some(Piece::Numbers(numbers)) => {
                let numbers = std::mem::take(numbers);
                by_rest.entry(name).or_default().extend(numbers);
            }
            Some(Piece::Text(_)) | None => others.push(name),
        }
    }
    let joined = by_rest.into_iter().map(|(mut name, mut numbers)| {
        numbers.sort_unstable();
        numbers.dedup();
        name[place] = Piece::Numbers(numbers);
        name
    });
    others.extend(joined);
    others.sort();
    others.dedup();
    others
}

fn shown(name: &[Piece]) -> String {
    let piece = |piece: &Piece| match piece {
        Piece::Text(text) => text.clone(),
        Piece::Numbers(numbers) => match numbers.as_slice() {
            [one] => one.to_string(),
            many => format!("[{}]", ranges(many)),
        },
    };
    name.iter().map(piece).collect()
}

/// `0-3,7`.
fn ranges(numbers: &[u64]) -> String {
    let mut found: Vec<(u64, u64)> = Vec::new();
    for number in numbers {
        match found.last_mut() {
            Some((_, last)) if last.checked_add(1) == Some(*number) => *last = *number,
            _ => found.push((*number, *number)),
        }
    }
    let range = |(from, to): &(u64, u64)| match from == to {
        true => from.to_string(),
        false => format!("{from}-{to}"),
    };
    found.iter().map(range).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use model::{NodeSet, Xname};
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_that_differ_by_numbers_are_one() {
        for (names, expected) in [
            ("x1000c0s0b0n0 x1000c0s1b0n0 x1000c0s2b0n0", "x1000c0s[0-2]b0n0"),
            ("x0c0s0b0n0 x0c0s2b0n0", "x0c0s[0,2]b0n0"),
            (
                "x0c0s0b0n0 x0c0s0b0n1 x0c0s1b0n0 x0c0s1b0n1",
                "x0c0s[0-1]b0n[0-1]",
            ),
            ("10.1.0.9:443 10.1.0.10:443", "10.1.0.[9-10]:443"),
            ("x0c0s0b0 x0c0s0b0n0", "x0c0s0b0 x0c0s0b0n0"),
            ("a a", "a"),
            ("node01 node02", "node01 node02"),
            ("", ""),
        ] {
            assert_eq!(fold(names.split_whitespace()).join(" "), expected);
        }
    }

    proptest! {
        /// What is shown of nodes can be typed as a nodeset, and means the same nodes.
        #[test]
        fn each_node_is_in_one_nodeset(places in prop::collection::btree_set((0_u8..3, 0_u8..6, 0_u8..2), 1..20)) {
            let names: Vec<String> =
                places.iter().map(|(c, s, n)| format!("x1c{c}s{s}b0n{n}")).collect();
            let sets = fold(names.iter().map(String::as_str));
            let sets: Vec<NodeSet> = sets.iter().map(|set| set.parse().unwrap()).collect();
            for (c, s, n) in (0..3_u8).flat_map(|c| (0..6_u8).flat_map(move |s| (0..2_u8).map(move |n| (c, s, n)))) {
                let node: Xname = format!("x1c{c}s{s}b0n{n}").parse().unwrap();
                let count = sets.iter().filter(|set| set.contains(&node)).count();
                prop_assert_eq!(count, usize::from(places.contains(&(c, s, n))));
            }
        }
    }
}
