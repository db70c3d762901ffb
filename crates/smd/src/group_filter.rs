//! The filters of HSM's GET groups.

use model::GroupLabel;
use proto::smd::v1::{Group, GroupMembers, ListGroupsRequest};
use rpc::Error;
use state::smd::Smd;

use crate::filter::OneOf;

/// Which groups are wanted: every key must admit one.
#[derive(Clone, Debug)]
pub(crate) struct GroupFilter {
    group: OneOf<String>,
    tag: OneOf<String>,
}

/// Which members of a group are shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ShownMembers {
    /// All.
    All,
    /// Those that are in no partition.
    InNone,
    /// Those that are in this partition.
    In(String),
}

impl GroupFilter {
    /// Reads the filter; labels and tags match in any case, a leading `!` negates.
    ///
    /// # Errors
    /// `Invalid` with HSM's text and what is accepted.
    pub(crate) fn parse(request: &ListGroupsRequest) -> Result<GroupFilter, Error> {
        Ok(GroupFilter {
            group: OneOf::parse(&request.group, label)?,
            tag: OneOf::parse(&request.tag, tag)?,
        })
    }

    /// Whether `group` is wanted.
    pub(crate) fn admits(&self, group: &Group) -> bool {
        self.group.admits(&group.label) && self.tag.admits_if(|tag| group.tags.contains(tag))
    }
}

impl ShownMembers {
    /// Reads the key `partition`; empty means all, `NULL` those in none.
    ///
    /// # Errors
    /// `Invalid` with HSM's text for a name that is none.
    pub(crate) fn parse(partition: &str) -> Result<ShownMembers, Error> {
        match partition {
            "" => Ok(ShownMembers::All),
            "NULL" => Ok(ShownMembers::InNone),
            other => name("Invalid partition name", other).map(ShownMembers::In),
        }
    }

    /// The members of `group` that are shown.
    pub(crate) fn of(&self, group: &Group, smd: &Smd) -> GroupMembers {
        let members = group.members.clone().unwrap_or_default();
        let wanted = match self {
            ShownMembers::All => return members,
            ShownMembers::InNone => None,
            ShownMembers::In(partition) => Some(partition.as_str()),
        };
        let ids = members.ids.into_iter();
        GroupMembers {
            ids: ids.filter(|id| smd.partition_of(id) == wanted).collect(),
        }
    }

    /// `group` with the members that are shown.
    pub(crate) fn of_group(&self, group: &Group, smd: &Smd) -> Group {
        Group {
            label: group.label.clone(),
            description: group.description.clone(),
            exclusive_group: group.exclusive_group.clone(),
            tags: group.tags.clone(),
            members: Some(self.of(group, smd)),
            meta: group.meta.clone(),
        }
    }
}

/// The label that a URL or a query means.
///
/// # Errors
/// `Invalid` with HSM's text and what is accepted.
pub(crate) fn label(text: &str) -> Result<String, Error> {
    name("Invalid group label", text)
}

/// The tag that a query means.
///
/// # Errors
/// `Invalid` with HSM's text and what is accepted.
pub(crate) fn tag(text: &str) -> Result<String, Error> {
    name("Invalid tag", text)
}

fn name(problem: &str, text: &str) -> Result<String, Error> {
    let parsed: Result<GroupLabel, _> = text.parse();
    parsed.map(String::from).map_err(|e| rpc::invalid(problem, e))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group() -> Group {
        Group {
            label: "compute".into(),
            tags: vec!["slurm".into(), "rack1".into()],
            members: Some(GroupMembers {
                ids: vec!["x0c0s0b0n0".into()],
            }),
            ..Group::default()
        }
    }

    fn parse(group: &[&str], tag: &[&str]) -> Result<GroupFilter, String> {
        let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        let request = ListGroupsRequest {
            group: texts(group),
            tag: texts(tag),
            partition: String::new(),
            ..Default::default()
        };
        GroupFilter::parse(&request).map_err(|error| error.to_string())
    }

    #[test]
    fn labels_and_tags_are_alternatives_and_keys_add_up() {
        let cases: [(&[&str], &[&str], bool); 9] = [
            (&[], &[], true),
            (&["Compute"], &[], true),
            (&["io", "compute"], &[], true),
            (&["io"], &[], false),
            (&["!io"], &[], true),
            (&[], &["SLURM"], true),
            (&[], &["other", "rack1"], true),
            (&[], &["!rack1"], false),
            (&["compute"], &["other"], false),
        ];
        for (labels, tags, admitted) in cases {
            assert_eq!(
                parse(labels, tags).unwrap().admits(&group()),
                admitted,
                "{labels:?} {tags:?}"
            );
        }
    }

    #[test]
    fn a_name_that_is_none_gets_the_text_of_hsm_and_what_is_accepted() {
        let label = parse(&["a b"], &[]).unwrap_err();
        let tag = parse(&[], &["!a/b"]).unwrap_err();
        let partition = ShownMembers::parse("p 1").unwrap_err().to_string();
        for (text, begin) in [
            (label, "Invalid group label"),
            (tag, "Invalid tag"),
            (partition, "Invalid partition name"),
        ] {
            assert!(
                text.starts_with(begin) && text.contains("letters, digits and -:._"),
                "{text}"
            );
        }
    }

    #[test]
    fn without_partitions_no_member_is_in_one() {
        let smd = Smd::default();
        let shown = |partition| ShownMembers::parse(partition).unwrap().of_group(&group(), &smd);
        assert_eq!(shown(""), group());
        assert_eq!(shown("NULL"), group());
        let none = shown("p1");
        assert_eq!(
            (none.tags.len(), none.members),
            (2, Some(GroupMembers::default()))
        );
    }
}
