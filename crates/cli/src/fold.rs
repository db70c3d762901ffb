//! Many names as a few: `x1000c0s0b0n0`, `x1000c0s1b0n0`, … are `x1000c0s[0-7]b0n0`.

use model::NodeNames;

/// The names in ClusterShell's form. Each of them is in exactly one answer, and an answer of xnames is a nodeset.
pub(crate) fn fold<'a>(names: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    names.into_iter().collect::<NodeNames>().folded()
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
            ("node01 node02", "node[01-02]"),
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
