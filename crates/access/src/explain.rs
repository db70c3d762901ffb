//! Why somebody may do something, or may not: every policy that has to do with it, and what each says.

use std::sync::Arc;

use proto::auth::v1::Policy;
use proto::auth::v1::check_access_response::Considered;
use state::auth::{Part, gives, is_for, stands};
use state::{RowKind, State};

use crate::question::{Object, Question};
use crate::table::is_everywhere;

/// Places of a policy that a reason names before it counts the rest.
const PLACES_SHOWN: usize = 4;

/// Kinds that are in no part but everything: whoever could change the group that he was given would give himself rights.
const NEVER_IN_A_PART: [RowKind; 4] = [RowKind::Group, RowKind::Partition, RowKind::Role, RowKind::Policy];

/// An answer with its reasons.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Explained {
    /// Whether at least one policy gives it.
    pub(crate) allowed: bool,
    /// Every policy that names the principal or whose role gives the permission, by name.
    pub(crate) considered: Vec<Considered>,
}

/// Judges a question by the policies of a state, at `now_ms` of cluster time.
pub(crate) fn explain(state: &State, question: &Question, now_ms: u64) -> Explained {
    let policies = state.auth.policies();
    let considered: Vec<Considered> = policies
        .filter_map(|policy| consider(state, policy, question, now_ms))
        .collect();
    Explained {
        allowed: considered.iter().any(|one| one.gives),
        considered,
    }
}

/// `None` for a policy that is for others and gives other permissions.
fn consider(state: &State, policy: &Arc<Policy>, question: &Question, now_ms: u64) -> Option<Considered> {
    let role = state.auth.role(&policy.role);
    let fits = role
        .as_ref()
        .is_some_and(|role| gives(&role.permissions, &question.permission));
    let is_named = is_for(policy, &question.principal, &question.groups);
    if !is_named && !fits {
        return None;
    }
    let against = match (is_named, role.is_some(), fits) {
        (false, _, _) => Some(not_named(question)),
        (true, false, _) => Some(format!("there is no role {}", policy.role)),
        (true, true, false) => Some(format!(
            "the role {} does not give {}",
            policy.role, question.permission
        )),
        (true, true, true) => out_of_reach(state, policy, question, now_ms),
    };
    let gives = against.is_none();
    Some(Considered {
        policy: policy.name.clone(),
        role: policy.role.clone(),
        gives,
        reason: against.unwrap_or_else(|| given(policy, question)),
    })
}

fn not_named(question: &Question) -> String {
    match question.groups.is_empty() {
        true => format!("it does not name {}", question.principal),
        false => format!("it names neither {} nor one of the groups", question.principal),
    }
}

/// Why a policy that fits does not reach what is asked for.
fn out_of_reach(state: &State, policy: &Arc<Policy>, question: &Question, now_ms: u64) -> Option<String> {
    if !stands(policy, now_ms) {
        return Some(format!("it ended at {}", state::time_text(policy.expires_at_ms)));
    }
    let whole = Part::of(std::slice::from_ref(policy), &state.smd, now_ms);
    if whole.is_everything() {
        return None;
    }
    if let Some(kind) = question.kind.filter(|kind| NEVER_IN_A_PART.contains(kind)) {
        return Some(format!(
            "objects of kind {} are in no part of the system",
            kind.name()
        ));
    }
    let part = match question.kind {
        None => whole,
        Some(kind) => whole.of_kind(kind),
    };
    let is_in = match (&question.object, question.kind) {
        (Object::Component(id), _) => part.has_component(id),
        (Object::Group(label), _) => part.has_group(label),
        (Object::Anything, Some(kind)) => part.has_kind(kind),
        (Object::Anything, None) => true,
    };
    match is_in {
        true => None,
        false => Some(format!("it holds {}", reach(policy))),
    }
}

fn given(policy: &Policy, question: &Question) -> String {
    let reach = reach(policy);
    format!("its role {} gives {} {reach}", policy.role, question.permission)
}

/// Where a policy holds, and for what.
fn reach(policy: &Policy) -> String {
    let places = match is_everywhere(policy) {
        true => "everywhere".to_owned(),
        false => {
            let lists = [
                ("hosts", &policy.hosts),
                ("groups", &policy.groups),
                ("partitions", &policy.partitions),
            ];
            let named = lists.into_iter().filter(|(_, places)| !places.is_empty());
            let named: Vec<String> = named
                .map(|(what, places)| format!("{what} {}", some_of(places)))
                .collect();
            format!("in {}", named.join(" and "))
        }
    };
    match policy.kinds.is_empty() {
        true => places,
        false => format!("{places}, for objects of kind {}", some_of(&policy.kinds)),
    }
}

fn some_of(texts: &[String]) -> String {
    let shown = texts.iter().take(PLACES_SHOWN).map(String::as_str);
    let text = shown.collect::<Vec<_>>().join(", ");
    match texts.len().saturating_sub(PLACES_SHOWN) {
        0 => text,
        more => format!("{text} and {more} more"),
    }
}

#[cfg(test)]
#[path = "explain_tests.rs"]
mod tests;
