//! Groups: what of the source is new here, what differs, and which members cannot be.

use std::collections::{BTreeMap, BTreeSet};

use model::{GroupLabel, InvalidValue, Xname};
use proto::smd::v1::{Group, GroupMembers};

use super::diff::{Change, Diff, changed_fields, quoted};

/// HSM's `GET groups/labels` would hide a group of this name.
const RESERVED: &str = "labels";

/// In what groups and partitions differ.
pub(super) struct Rules {
    /// The collection, as places in it are named.
    pub(super) collection: &'static str,
    /// A name in normal form.
    pub(super) name: fn(&str) -> Result<String, String>,
    /// Why nothing can be a member of two of one exclusive group.
    pub(super) exclusion: fn(&Group) -> String,
}

/// Groups as HSM has them.
pub(super) const GROUPS: Rules = Rules {
    collection: "groups",
    name: |text| match label(text)? {
        name if name == RESERVED => Err(format!("no group can be called {RESERVED}; give it another name")),
        name => Ok(name),
    },
    exclusion: |group| format!("both are of the exclusive group {}", group.exclusive_group),
};

/// Compares; a group that is here takes over description, tags and members. A member that cannot be is refused by
/// itself. `components` are all that there will be.
pub(super) fn diff(
    source: &[Group],
    ours: &[Group],
    components: &BTreeSet<Xname>,
    rules: &Rules,
) -> Diff<Group> {
    let mut diff = Diff::default();
    let ours: BTreeMap<&str, &Group> = ours.iter().map(|group| (group.label.as_str(), group)).collect();
    let accepted = accept(source, &ours, rules, &mut diff);
    let mut taken: BTreeMap<(String, String), String> = BTreeMap::new();
    for group in ours.values().filter(|group| !accepted.contains_key(&group.label)) {
        take_all(group, &mut taken);
    }
    for (label, mut given) in accepted {
        let members = members_of(&given).clone();
        let mut kept = BTreeSet::new();
        for member in members {
            match refusal(&given, &member, components, &taken, rules) {
                Some(reason) => diff.refuse(format!("{label}/{}", quoted(&member)), reason),
                None => {
                    let id: Result<Xname, _> = member.parse();
                    kept.extend(id.map(|id| id.to_string()));
                }
            }
        }
        given.members = Some(GroupMembers {
            ids: kept.into_iter().collect(),
        });
        take_all(&given, &mut taken);
        match ours.get(label.as_str()) {
            None => diff.create.push(given),
            Some(before) => {
                let after = Group {
                    meta: before.meta.clone(),
                    ..given
                };
                if after == **before {
                    diff.same += 1;
                } else {
                    let before = (*before).clone();
                    diff.change.push(Change { before, after });
                }
            }
        }
    }
    diff
}

/// The groups that can be meant, by label; the others are refused.
fn accept(
    source: &[Group],
    ours: &BTreeMap<&str, &Group>,
    rules: &Rules,
    diff: &mut Diff<Group>,
) -> BTreeMap<String, Group> {
    let mut accepted = BTreeMap::new();
    for (place, given) in source.iter().enumerate() {
        let outcome = normalised(given, rules).and_then(|group| {
            if accepted.contains_key(&group.label) {
                return Err(format!("there is {} before it", group.label));
            }
            let before = ours.get(group.label.as_str());
            match before.filter(|before| before.exclusive_group != group.exclusive_group) {
                Some(before) => Err(format!(
                    "its exclusiveGroup is {} and here it is {}; delete the group here to have it made anew",
                    quoted(&group.exclusive_group),
                    quoted(&before.exclusive_group)
                )),
                None => Ok(group),
            }
        });
        match outcome {
            Ok(group) => {
                accepted.insert(group.label.clone(), group);
            }
            Err(problem) => diff.refuse(
                quoted(&given.label),
                format!("{}[{place}]: {problem}", rules.collection),
            ),
        }
    }
    accepted
}

fn label(text: &str) -> Result<String, String> {
    let parsed: Result<GroupLabel, InvalidValue> = text.parse();
    parsed.map(String::from).map_err(|problem| problem.to_string())
}

fn normalised(given: &Group, rules: &Rules) -> Result<Group, String> {
    let name = (rules.name)(&given.label)?;
    let exclusive_group = match given.exclusive_group.as_str() {
        "" => String::new(),
        exclusive => label(exclusive)?,
    };
    let tags: Result<_, String> = given.tags.iter().map(|tag| label(tag)).collect();
    Ok(Group {
        label: name,
        exclusive_group,
        tags: tags?,
        meta: None,
        ..given.clone()
    })
}

fn refusal(
    group: &Group,
    member: &str,
    components: &BTreeSet<Xname>,
    taken: &BTreeMap<(String, String), String>,
    rules: &Rules,
) -> Option<String> {
    let id: Xname = match member.parse() {
        Ok(id) => id,
        Err(problem) => return Some(InvalidValue::to_string(&problem)),
    };
    if !components.contains(&id) {
        return Some("it is no component, neither here nor in what is imported".to_owned());
    }
    let key = (group.exclusive_group.clone(), id.to_string());
    let other = taken.get(&key)?;
    Some(format!(
        "it is in {other} as well, and {}",
        (rules.exclusion)(group)
    ))
}

fn take_all(group: &Group, taken: &mut BTreeMap<(String, String), String>) {
    if group.exclusive_group.is_empty() {
        return;
    }
    for member in members_of(group) {
        let key = (group.exclusive_group.clone(), member.clone());
        taken.insert(key, group.label.clone());
    }
}

/// The members of a group.
pub(super) fn members_of(group: &Group) -> &Vec<String> {
    static NONE: Vec<String> = Vec::new();
    group.members.as_ref().map_or(&NONE, |members| &members.ids)
}

/// Members that go and members that come.
pub(super) fn moves(before: &Group, after: &Group) -> (Vec<String>, Vec<String>) {
    let before: BTreeSet<&String> = members_of(before).iter().collect();
    let after: BTreeSet<&String> = members_of(after).iter().collect();
    let cloned = |ids: Vec<&&String>| ids.into_iter().map(|id| (*id).clone()).collect();
    (
        cloned(before.difference(&after).collect()),
        cloned(after.difference(&before).collect()),
    )
}

/// What becomes of a group, in words; members are counted.
pub(super) fn changes_in_words(before: &Group, after: &Group) -> Vec<String> {
    let words = |group: &Group| serde_json::json!({ "description": group.description, "tags": group.tags });
    let mut fields = changed_fields(&words(before), &words(after), |_| false);
    let (gone, come) = moves(before, after);
    if !gone.is_empty() || !come.is_empty() {
        fields.push(format!("members: +{} -{}", come.len(), gone.len()));
    }
    fields
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(label: &str, exclusive: &str, members: &[&str]) -> Group {
        Group {
            label: label.into(),
            exclusive_group: exclusive.into(),
            members: Some(GroupMembers {
                ids: members.iter().map(|id| (*id).to_owned()).collect(),
            }),
            ..Group::default()
        }
    }

    fn components() -> BTreeSet<Xname> {
        (0..4).map(|n| format!("x0c0s{n}b0n0").parse().unwrap()).collect()
    }

    fn refused(diff: &Diff<Group>) -> Vec<(&str, &str)> {
        let refused = diff.refused.iter();
        refused
            .map(|refused| (refused.id.as_str(), refused.reason.as_str()))
            .collect()
    }

    #[test]
    fn groups_are_normalised_and_compared() {
        let source = [
            group("Compute", "", &["X0c0s1b0n0", "x0c0s0b0n0", "x0c0s1b0n0"]),
            group("io", "use", &[]),
        ];
        let ours = [group("io", "use", &[])];
        let diff = diff(&source, &ours, &components(), &GROUPS);
        assert_eq!(diff.create, [group("compute", "", &["x0c0s0b0n0", "x0c0s1b0n0"])]);
        assert_eq!((diff.same, diff.refused.len()), (1, 0));
    }

    #[test]
    fn a_group_takes_over_description_tags_and_members() {
        let source = [Group {
            description: "racks".into(),
            tags: vec!["slurm".into()],
            ..group("compute", "", &["x0c0s1b0n0", "x0c0s2b0n0"])
        }];
        let ours = [group("compute", "", &["x0c0s0b0n0", "x0c0s1b0n0"])];
        let diff = diff(&source, &ours, &components(), &GROUPS);
        let Change { before, after } = &diff.change[0];
        assert_eq!(
            moves(before, after),
            (vec!["x0c0s0b0n0".to_owned()], vec!["x0c0s2b0n0".to_owned()])
        );
        let words = changes_in_words(before, after).join("; ");
        assert_eq!(
            words,
            "description:  -> racks; tags: [] -> [\"slurm\"]; members: +1 -1"
        );
    }

    #[test]
    fn a_member_that_is_no_component_is_refused_by_itself() {
        let source = [group("a", "", &["x0c0s0b0n0", "x9c0s0b0n0", "nowhere"])];
        let diff = diff(&source, &[], &components(), &GROUPS);
        assert_eq!(members_of(&diff.create[0]), &["x0c0s0b0n0"]);
        let refused = refused(&diff);
        assert_eq!(refused[0].0, "a/x9c0s0b0n0");
        assert!(
            refused[0].1.contains("no component") && refused[1].1.contains("not an xname"),
            "{refused:?}"
        );
    }

    /// In SMD's words: one group at most of each exclusive group.
    #[test]
    fn a_member_of_two_groups_that_exclude_each_other_is_told_with_both() {
        let source = [
            group("blue", "colour", &["x0c0s0b0n0"]),
            group("red", "colour", &["x0c0s0b0n0", "x0c0s1b0n0", "x0c0s3b0n0"]),
        ];
        let ours = [group("green", "colour", &["x0c0s1b0n0"])];
        let diff = diff(&source, &ours, &components(), &GROUPS);
        let refused = refused(&diff);
        assert_eq!((refused[0].0, refused[1].0), ("red/x0c0s0b0n0", "red/x0c0s1b0n0"));
        assert!(
            refused[0].1.contains("blue") && refused[1].1.contains("green"),
            "{refused:?}"
        );
        assert_eq!(members_of(&diff.create[1]), &["x0c0s3b0n0"]);
    }

    /// Whoever moves from one group to another is no conflict.
    #[test]
    fn members_may_change_groups() {
        let source = [
            group("blue", "colour", &[]),
            group("red", "colour", &["x0c0s0b0n0"]),
        ];
        let ours = [
            group("blue", "colour", &["x0c0s0b0n0"]),
            group("red", "colour", &[]),
        ];
        let diff = diff(&source, &ours, &components(), &GROUPS);
        assert_eq!((diff.change.len(), diff.refused.len()), (2, 0));
    }

    #[test]
    fn what_can_be_no_group_is_refused_by_its_place() {
        let source = [
            group("my group", "", &[]),
            group("labels", "", &[]),
            group("a", "", &[]),
            group("A", "", &[]),
            group("b", "tall", &[]),
        ];
        let diff = diff(&source, &[group("b", "", &[])], &components(), &GROUPS);
        let refused = refused(&diff);
        for ((_, reason), text) in refused.iter().zip([
            "groups[0]: ",
            "groups[1]: no group can be called labels",
            "groups[3]: there is a before it",
            "groups[4]: its exclusiveGroup is tall and here it is (without a name)",
        ]) {
            assert!(reason.starts_with(text), "{reason}");
        }
        assert_eq!((refused.len(), diff.create.len()), (4, 1));
    }
}
