//! Members and tags, as groups and partitions have them: what joins, what leaves.

use std::collections::BTreeSet;

use model::{GroupLabel, Rejection, Xname};

use crate::bounds::{MEMBERS_PER_GROUP_MAX, TAGS_PER_GROUP_MAX, check_count, check_ids};

/// Those of `given` that join the members `old` of `name`, and all members then; both sorted. Source: SMD
/// `POST /groups/{label}/members` and `POST /partitions/{name}/members`: one that is a member already is a conflict.
pub(super) fn joined(
    kind: &str,
    name: &str,
    old: &[String],
    given: &[String],
) -> Result<(Vec<String>, Vec<String>), Rejection> {
    let new = some_members(given)?;
    if let Some(id) = new.iter().find(|id| old.binary_search(id).is_ok()) {
        return Err(Rejection::AlreadyExists {
            kind: "member".into(),
            id: id.clone(),
            detail: format!("operation would conflict with an existing member in the same {kind}, {name}"),
        });
    }
    check_count("members.ids", old.len() + new.len(), MEMBERS_PER_GROUP_MAX)?;
    let mut ids = [old, &new].concat();
    ids.sort_unstable();
    Ok((new, ids))
}

/// Those of `given` that leave the members `old` of `name`, and who is left; both sorted. Source: SMD
/// `DELETE /groups/{label}/members/{xname}` and the same of partitions, for several at once.
pub(super) fn parted(
    kind: &str,
    name: &str,
    old: &[String],
    given: &[String],
) -> Result<(Vec<String>, Vec<String>), Rejection> {
    let gone = some_members(given)?;
    if let Some(id) = gone.iter().find(|id| old.binary_search(id).is_err()) {
        return Err(Rejection::not_found(&format!("member of {kind} {name}"), id));
    }
    let stays = |id: &&String| gone.binary_search(id).is_err();
    let ids = old.iter().filter(stays).cloned().collect();
    Ok((gone, ids))
}

/// Sorted; none may be given twice.
pub(super) fn normalise_members(field: &str, given: &[String]) -> Result<Vec<String>, Rejection> {
    check_count(field, given.len(), MEMBERS_PER_GROUP_MAX)?;
    let mut ids = BTreeSet::new();
    for text in given {
        let id = member(field, text)?;
        if let Some(twice) = ids.replace(id.to_string()) {
            return Err(Rejection::invalid(
                field,
                format!("{twice} is given twice; name each member once"),
            ));
        }
    }
    Ok(ids.into_iter().collect())
}

/// In the order given.
pub(super) fn normalise_tags(given: &[String]) -> Result<Vec<String>, Rejection> {
    check_count("tags", given.len(), TAGS_PER_GROUP_MAX)?;
    given.iter().map(|tag| word("tags", tag)).collect()
}

/// A label, a tag or an exclusive group, in lower case.
pub(super) fn word(field: &str, text: &str) -> Result<String, Rejection> {
    let parsed: Result<GroupLabel, _> = text.parse();
    parsed.map(String::from).map_err(|e| Rejection::invalid(field, e))
}

/// Where a member is.
pub(super) fn member(field: &str, text: &str) -> Result<Xname, Rejection> {
    text.parse().map_err(|e| Rejection::invalid(field, e))
}

/// One at least.
fn some_members(given: &[String]) -> Result<Vec<String>, Rejection> {
    check_ids("id", given.len())?;
    normalise_members("id", given)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids<const N: usize>(nodes: [u32; N]) -> Vec<String> {
        nodes.map(|node| format!("x0c0s{node}b0n0")).into()
    }

    #[test]
    fn who_joins_is_put_in_order_among_the_others() {
        let (new, all) = joined("group", "compute", &ids([1, 3]), &ids([4, 2])).unwrap();
        assert_eq!((new, all), (ids([2, 4]), ids([1, 2, 3, 4])));
    }

    #[test]
    fn a_member_cannot_join_again() {
        let refused = joined("partition", "p1", &ids([1]), &ids([2, 1])).unwrap_err();
        let Rejection::AlreadyExists { kind, id, detail } = refused else {
            panic!("{refused:?}");
        };
        assert_eq!((kind.as_str(), id), ("member", ids([1]).remove(0)));
        assert!(detail.ends_with("in the same partition, p1"), "{detail}");
    }

    #[test]
    fn who_is_no_member_cannot_leave() {
        let (gone, left) = parted("group", "compute", &ids([1, 2, 3]), &ids([3, 1])).unwrap();
        assert_eq!((gone, left), (ids([1, 3]), ids([2])));
        let refused = parted("group", "compute", &ids([1]), &ids([1, 2])).unwrap_err();
        assert!(matches!(refused, Rejection::NotFound { .. }), "{refused:?}");
    }

    #[test]
    fn nobody_and_somebody_twice_are_refused() {
        for given in [vec![], ids([1, 1])] {
            for refused in [
                joined("group", "g", &[], &given),
                parted("group", "g", &ids([1]), &given),
            ] {
                assert!(refused.is_err(), "{given:?}");
            }
        }
        assert!(normalise_members("members.ids", &[]).unwrap().is_empty());
    }
}
