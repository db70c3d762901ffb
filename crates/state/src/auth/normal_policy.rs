//! A policy in the one way it is stored, or why it is refused.

use model::{GroupLabel, NodeSet, PartitionName, Rejection};
use proto::auth::v1::Policy;

use super::forms::{check_label, policy_principal};
use crate::RowKind;
use crate::bounds::{
    DESCRIPTION_BYTES_MAX, POLICY_NAME_BYTES_MAX, POLICY_PRINCIPALS_MAX, POLICY_SELECTORS_MAX, check_count,
    check_text,
};
use crate::selectors::{self, check_object_name, parsed, sorted};

/// Principals and selectors in normal form, sorted, each once. Its meta is not the client's to give. Role, groups and
/// partitions need not exist yet.
pub(super) fn normalised(given: &Policy) -> Result<Policy, Rejection> {
    check_object_name(&given.name, POLICY_NAME_BYTES_MAX)?;
    check_text("description", &given.description, DESCRIPTION_BYTES_MAX)?;
    check_label("role", &given.role)?;
    let policy = Policy {
        principals: selectors::normalised("principals", &given.principals, POLICY_PRINCIPALS_MAX, |text| {
            policy_principal("principals", text)
        })?,
        hosts: hosts(&given.hosts)?,
        groups: selectors("groups", &given.groups, |text| {
            Ok(parsed::<GroupLabel>("groups", text)?.into())
        })?,
        partitions: selectors("partitions", &given.partitions, |text| {
            Ok(parsed::<PartitionName>("partitions", text)?.into())
        })?,
        kinds: selectors("kinds", &given.kinds, |text| kind(text))?,
        meta: None,
        ..given.clone()
    };
    if policy.principals.is_empty() {
        let problem = "none is given; name at least one, e.g. user/ada or group/operators";
        return Err(Rejection::invalid("principals", problem));
    }
    Ok(policy)
}

fn selectors(
    field: &str,
    given: &[String],
    normal: impl Fn(&String) -> Result<String, Rejection>,
) -> Result<Vec<String>, Rejection> {
    selectors::normalised(field, given, POLICY_SELECTORS_MAX, normal)
}

/// The nodesets; a list is taken apart.
fn hosts(given: &[String]) -> Result<Vec<String>, Rejection> {
    check_count("hosts", given.len(), POLICY_SELECTORS_MAX)?;
    let mut hosts = Vec::new();
    for text in given {
        let sets = NodeSet::list(text).map_err(|problem| Rejection::invalid("hosts", problem))?;
        hosts.extend(sets.iter().map(NodeSet::to_string));
    }
    check_count("hosts", hosts.len(), POLICY_SELECTORS_MAX)?;
    Ok(sorted(hosts))
}

fn kind(text: &str) -> Result<String, Rejection> {
    match RowKind::of_name(text) {
        Some(kind) => Ok(kind.name()),
        None => {
            let all: Vec<String> = RowKind::ALL.into_iter().map(RowKind::name).collect();
            let problem = format!("{text:?} is none of {}", all.join(", "));
            Err(Rejection::invalid("kinds", problem))
        }
    }
}
