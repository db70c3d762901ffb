//! The keys `group` and `partition` of HSM's component filters.

use model::GroupLabel;
use rpc::Error;
use state::State;

use crate::filter::{OneOf, bad_query};

/// HSM's word for "in none", in capitals.
const NULL: &str = "NULL";

/// Which groups and partitions a component must be in.
#[derive(Clone, Debug)]
pub(crate) struct MembershipFilter {
    group: Membership,
    partition: Membership,
}

/// What one key asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Membership {
    /// In any or none.
    Either,
    /// In none.
    None,
    /// In one at least.
    Some,
    /// In one of those wanted, if any are, and in none of those unwanted.
    OneOf(OneOf<String>),
}

impl MembershipFilter {
    /// Reads the values of both keys.
    ///
    /// # Errors
    /// `Invalid` with HSM's text for a name that is none, and for combinations that HSM refuses.
    pub(crate) fn parse(group: &[String], partition: &[String]) -> Result<MembershipFilter, Error> {
        let parsed = MembershipFilter {
            group: Membership::parse(group, "NULL and non-NULL group arguments not permitted")?,
            partition: Membership::parse(partition, "NULL and non-NULL partition arguments not permitted")?,
        };
        match (&parsed.group, &parsed.partition) {
            (Membership::Either, _) | (_, Membership::Either) => Ok(parsed),
            _ if group.len() > 1 || partition.len() > 1 => Err(bad_query(
                "group and partition cannot both have more than one value",
            )),
            (Membership::OneOf(_), Membership::None) => {
                Err(bad_query("NULL partition and non-NULL group arg not permitted"))
            }
            (Membership::None, Membership::OneOf(_)) => {
                Err(bad_query("NULL group and non-NULL partition arg not permitted"))
            }
            _ => Ok(parsed),
        }
    }

    /// Whether the component `id` is wanted. What is not asked for is not looked up.
    pub(crate) fn admits_in(&self, state: &State, id: &str) -> bool {
        let in_group = || match id.parse() {
            Ok(id) => self.group.admits(state.smd.group_labels_of(&id)),
            Err(_) => false,
        };
        let in_partition = || self.partition.admits(state.smd.partition_of(id).into_iter());
        (self.group == Membership::Either || in_group())
            && (self.partition == Membership::Either || in_partition())
    }

    /// Whether a component with these labels, in this partition, is wanted.
    pub(crate) fn admits<'a>(
        &self,
        labels: impl Iterator<Item = &'a str> + Clone,
        partition: Option<&str>,
    ) -> bool {
        self.group.admits(labels) && self.partition.admits(partition.into_iter())
    }
}

impl Membership {
    fn parse(values: &[String], mixed: &str) -> Result<Membership, Error> {
        match values {
            [] => Ok(Membership::Either),
            [only] if only == NULL => Ok(Membership::None),
            [only] if only.strip_prefix('!') == Some(NULL) => Ok(Membership::Some),
            many if many.iter().any(|value| value.trim_start_matches('!') == NULL) => Err(bad_query(mixed)),
            many => OneOf::parse(many, name).map(Membership::OneOf),
        }
    }

    fn admits<'a>(&self, mut names: impl Iterator<Item = &'a str> + Clone) -> bool {
        match self {
            Membership::Either => true,
            Membership::None => names.next().is_none(),
            Membership::Some => names.next().is_some(),
            Membership::OneOf(one_of) => {
                one_of.admits_if(|candidate| names.clone().any(|name| name == candidate))
            }
        }
    }
}

fn name(text: &str) -> Result<String, Error> {
    let parsed: Result<GroupLabel, _> = text.parse();
    parsed
        .map(String::from)
        .map_err(|_| bad_query("Argument was not valid"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(group: &[&str], partition: &[&str]) -> Result<MembershipFilter, String> {
        let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        MembershipFilter::parse(&texts(group), &texts(partition)).map_err(|error| error.to_string())
    }

    fn admits(group: &[&str], partition: &[&str], labels: &[&str]) -> bool {
        parse(group, partition)
            .unwrap()
            .admits(labels.iter().copied(), None)
    }

    fn admits_in(partition: &[&str], name: &str) -> bool {
        parse(&[], partition)
            .unwrap()
            .admits(std::iter::empty(), Some(name))
    }

    #[test]
    fn labels_are_alternatives_negated_ones_exclude_and_null_is_none() {
        let cases: [(&[&str], &[&str], bool); 12] = [
            (&[], &[], true),
            (&[], &["a"], true),
            (&["a"], &["a", "b"], true),
            (&["A"], &["a"], true),
            (&["a", "b"], &["b", "c"], true),
            (&["a", "b"], &["c"], false),
            (&["a"], &[], false),
            (&["!a"], &["b"], true),
            (&["!a"], &["a", "b"], false),
            (&["a", "!b"], &["a", "b"], false),
            (&["NULL"], &["a"], false),
            (&["!NULL"], &["a"], true),
        ];
        for (group, labels, admitted) in cases {
            assert_eq!(admits(group, &[], labels), admitted, "{group:?} {labels:?}");
        }
        assert!(admits(&["NULL"], &[], &[]) && !admits(&["!NULL"], &[], &[]));
        assert!(!admits(&["null"], &[], &[]), "a group may be called null");
    }

    #[test]
    fn a_component_is_in_one_partition_at_most() {
        assert!(admits_in(&["p1"], "p1") && admits_in(&["P2", "p1"], "p1") && admits_in(&["!p2"], "p1"));
        assert!(!admits_in(&["p2"], "p1") && !admits_in(&["!p1"], "p1"));
        assert!(admits_in(&["!NULL"], "p1") && !admits_in(&["NULL"], "p1"));
        assert!(admits(&[], &["NULL"], &["a"]) && admits(&[], &["!p1"], &["a"]));
        assert!(!admits(&[], &["p1"], &["p1"]) && !admits(&[], &["p1", "p2"], &[]));
        assert!(!admits(&[], &["!NULL"], &["a"]));
        assert!(admits(&["NULL"], &["NULL"], &[]) && !admits(&["NULL"], &["NULL"], &["a"]));
        assert!(!admits(&["a"], &["p1"], &["a"]), "in both");
    }

    #[test]
    fn what_hsm_refuses_is_refused_with_its_text() {
        let cases: [(&[&str], &[&str], &str); 8] = [
            (&["a b"], &[], "Argument was not valid"),
            (&[], &["p/1"], "Argument was not valid"),
            (
                &["NULL", "a"],
                &[],
                "NULL and non-NULL group arguments not permitted",
            ),
            (
                &["a", "!NULL"],
                &[],
                "NULL and non-NULL group arguments not permitted",
            ),
            (
                &[],
                &["p1", "NULL"],
                "NULL and non-NULL partition arguments not permitted",
            ),
            (
                &["a", "b"],
                &["p1"],
                "group and partition cannot both have more than one value",
            ),
            (
                &["a"],
                &["NULL"],
                "NULL partition and non-NULL group arg not permitted",
            ),
            (
                &["NULL"],
                &["p1"],
                "NULL group and non-NULL partition arg not permitted",
            ),
        ];
        for (group, partition, text) in cases {
            let error = parse(group, partition).unwrap_err();
            assert_eq!(
                error,
                format!("bad query param: {text}"),
                "{group:?} {partition:?}"
            );
        }
    }
}
