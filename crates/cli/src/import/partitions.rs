//! Partitions: compared as groups that exclude each other, because a component is in one of them at most.

use std::collections::BTreeSet;

use model::{InvalidValue, PartitionName, Xname};
use proto::smd::v1::{Group, Partition};

use super::diff::Diff;
use super::groups::{self, Rules};

/// What they would share if they were groups.
const EXCLUSIVE: &str = "partition";

/// Partitions as HSM has them.
const PARTITIONS: Rules = Rules {
    collection: "partitions",
    name: |text| {
        let parsed: Result<PartitionName, InvalidValue> = text.parse();
        parsed.map(String::from).map_err(|problem| problem.to_string())
    },
    exclusion: |_| "a component is in one partition at most".to_owned(),
};

/// As for groups.
pub(super) fn diff(source: &[Partition], ours: &[Partition], components: &BTreeSet<Xname>) -> Diff<Group> {
    let as_groups = |partitions: &[Partition]| partitions.iter().map(as_group).collect::<Vec<_>>();
    groups::diff(&as_groups(source), &as_groups(ours), components, &PARTITIONS)
}

fn as_group(partition: &Partition) -> Group {
    Group {
        label: partition.name.clone(),
        description: partition.description.clone(),
        exclusive_group: EXCLUSIVE.to_owned(),
        tags: partition.tags.clone(),
        members: Some(partition.members.clone().unwrap_or_default()),
        meta: partition.meta.clone(),
    }
}

/// A new partition as it is sent.
pub(super) fn of_group(group: Group) -> Partition {
    Partition {
        name: group.label,
        description: group.description,
        tags: group.tags,
        members: group.members,
        meta: None,
    }
}

#[cfg(test)]
mod tests {
    use proto::smd::v1::GroupMembers;

    use super::*;

    fn partition(name: &str, members: &[&str]) -> Partition {
        Partition {
            name: name.into(),
            members: Some(GroupMembers {
                ids: members.iter().map(|id| (*id).to_owned()).collect(),
            }),
            ..Partition::default()
        }
    }

    #[test]
    fn partitions_are_compared_by_their_own_names() {
        let components: BTreeSet<Xname> = [0, 1].map(|n| format!("x0c0s{n}b0n0").parse().unwrap()).into();
        let source = [
            partition("P01", &["x0c0s0b0n0"]),
            partition("p2", &["x0c0s0b0n0", "x0c0s1b0n0"]),
            partition("rack", &[]),
        ];
        let diff = diff(&source, &[partition("p1", &["x0c0s0b0n0"])], &components);
        assert_eq!(diff.same, 1);
        assert_eq!(of_group(diff.create[0].clone()), partition("p2", &["x0c0s1b0n0"]));
        let reasons: Vec<_> = diff
            .refused
            .iter()
            .map(|refused| refused.reason.as_str())
            .collect();
        assert!(
            reasons[0].starts_with("partitions[2]: ") && reasons[0].contains("p1.2"),
            "{reasons:?}"
        );
        assert!(
            reasons[1].contains("in p1 as well") && reasons[1].contains("one partition"),
            "{reasons:?}"
        );
    }
}
