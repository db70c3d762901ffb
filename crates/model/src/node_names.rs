//! Sets of names, sorted and folded as ClusterShell does: `x1000c0s[0-7]b0n0,nid[001-128]`.

mod fold;
mod index;
mod merge;
mod name;

use std::collections::BTreeSet;

use name::Name;

pub(crate) use index::Index;

/// Names in natural order: by what they are without their numbers, then by their numbers, so that `n9` stands before
/// `n10`.
///
/// Source: ClusterShell 1.9 `NodeSet`, `RangeSet`: `n1` and `n01` are two names, shorter numbers stand first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeNames(BTreeSet<Name>);

impl NodeNames {
    /// In natural order.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(Name::text)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether this name, letter by letter, is one of them.
    pub fn contains(&self, name: &str) -> bool {
        self.0.contains(&Name::new(name))
    }

    /// All as one text that means the same names: what `nodeset --fold` of ClusterShell prints.
    pub fn fold(&self) -> String {
        self.folded().join(",")
    }

    /// The parts of [`fold`](Self::fold): each name is in exactly one.
    pub fn folded(&self) -> Vec<String> {
        fold::folded(&self.0)
    }

    /// Those of both.
    #[must_use]
    pub fn union(mut self, other: NodeNames) -> NodeNames {
        match self.0.len() < other.0.len() {
            true => other.union(self),
            false => {
                self.0.extend(other.0);
                self
            }
        }
    }

    /// Those that are not in `other`.
    #[must_use]
    pub fn difference(mut self, other: &NodeNames) -> NodeNames {
        for name in &other.0 {
            self.0.remove(name);
        }
        self
    }

    /// Those that are in `other`, too.
    #[must_use]
    pub fn intersection(self, mut other: NodeNames) -> NodeNames {
        other.0.retain(|name| self.0.contains(name));
        other
    }

    /// Those that are in exactly one of both.
    #[must_use]
    pub fn symmetric_difference(mut self, other: NodeNames) -> NodeNames {
        for name in other.0 {
            if !self.0.remove(&name) {
                self.0.insert(name);
            }
        }
        self
    }
}

impl<S: AsRef<str>> FromIterator<S> for NodeNames {
    fn from_iter<I: IntoIterator<Item = S>>(names: I) -> Self {
        Self(names.into_iter().map(|name| Name::new(name.as_ref())).collect())
    }
}

impl<S: AsRef<str>> Extend<S> for NodeNames {
    fn extend<I: IntoIterator<Item = S>>(&mut self, names: I) {
        self.0
            .extend(names.into_iter().map(|name| Name::new(name.as_ref())));
    }
}

/// Names as one text: each is in it once, in ClusterShell's own form.
pub fn fold_names<S: AsRef<str>>(names: impl IntoIterator<Item = S>) -> String {
    names.into_iter().collect::<NodeNames>().fold()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str) -> NodeNames {
        text.split_whitespace().collect()
    }

    fn listed(names: &NodeNames) -> String {
        names.iter().collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn numbers_count_as_numbers_and_shorter_ones_stand_first() {
        let text = "n10 n9 n09 n1 a x10c2 x9c10 x9c9 n n1-ib";
        assert_eq!(listed(&names(text)), "a n n1 n9 n09 n10 n1-ib x9c9 x9c10 x10c2");
    }

    #[test]
    fn a_name_is_there_once_and_found_letter_by_letter() {
        let set = names("n1 n01 n1");
        assert_eq!(set.len(), 2);
        assert!(set.contains("n01") && !set.contains("n001") && !set.contains("N1"));
        assert!(names("").is_empty());
    }

    #[test]
    fn sets_are_joined_cut_and_taken_away() {
        let (left, right) = (names("a1 a2 b"), names("a2 a3 b c"));
        assert_eq!(listed(&left.clone().union(right.clone())), "a1 a2 a3 b c");
        assert_eq!(listed(&left.clone().difference(&right)), "a1");
        assert_eq!(listed(&left.clone().intersection(right.clone())), "a2 b");
        assert_eq!(listed(&left.symmetric_difference(right)), "a1 a3 c");
    }
}
