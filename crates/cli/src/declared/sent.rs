//! Makes the steps: objects of a kind in one change where a method takes many, else one after the other, and an exact account of what
//! was done when something is refused.

use std::borrow::Cow;

use openapi::Catalogue;
use serde_json::{Map, Value};
use tonic::Status;

use super::cluster::{Cluster, How};
use super::kinds::Write;
use super::plan::Step;
use super::present::{self, Present};
use super::trial::Tried;
use super::written::{self, Condition, Part};

/// Objects of one request.
const OBJECTS_MAX: usize = 2000;

/// What became of the steps, by their numbers.
#[derive(Debug, Default)]
pub(super) struct Account {
    /// Requests of each step that were made.
    pub(super) made: Vec<usize>,
    /// The steps of the request that failed, and why. Everything behind it was not sent.
    pub(super) failed: Option<(Vec<usize>, Status)>,
}

/// A request for one or more steps.
struct Sent {
    steps: Vec<usize>,
    method: &'static str,
    body: Map<String, Value>,
    condition: Condition,
}

/// Makes all of them; ends at the first request that fails.
pub(super) async fn all(cluster: &impl Cluster, catalogue: &Catalogue, tried: &[Tried]) -> Account {
    let mut account = Account {
        made: vec![0; tried.len()],
        failed: None,
    };
    let mut from = 0;
    while from < tried.len() && account.failed.is_none() {
        let of = |at: usize| (tried[at].step.kind, tried[at].step.after.is_some());
        let to = (from..tried.len())
            .find(|at| of(*at) != of(from))
            .unwrap_or(tried.len());
        if let Err((steps, status)) = set(cluster, catalogue, tried, from..to, &mut account.made).await {
            account.failed = Some((steps, status));
        }
        from = to;
    }
    account
}

/// The steps of one kind.
async fn set(
    cluster: &impl Cluster,
    catalogue: &Catalogue,
    tried: &[Tried],
    range: std::ops::Range<usize>,
    made: &mut [usize],
) -> Result<(), (Vec<usize>, Status)> {
    let steps: Vec<usize> = range.collect();
    let again = match steps.iter().any(|at| needs_a_look(&tried[*at])) {
        true => look_again(cluster, catalogue, tried, &steps).await?,
        false => Vec::new(),
    };
    let mut tried = Cow::Borrowed(tried);
    for (at, moved) in again {
        tried.to_mut()[at] = moved;
    }
    let tried = &tried[..];
    let mut revisions: Vec<u64> = tried.iter().map(|one| one.step.seen()).collect();
    for mut sent in requests(tried, &steps) {
        if let (Condition::One, [only]) = (sent.condition, &sent.steps[..]) {
            sent.body.insert("if_revision".into(), revisions[*only].into());
        }
        let answer = cluster
            .call(sent.method, Value::Object(sent.body), How::Made)
            .await;
        let answer = answer.map_err(|status| (sent.steps.clone(), status))?;
        if let Some((refused, status)) = refusals(&answer.json, tried, &sent.steps) {
            let done = sent.steps.iter().filter(|at| !refused.contains(at));
            done.for_each(|at| made[*at] += 1);
            return Err((refused, status));
        }
        let revision = answer.json.get("revision").and_then(Value::as_u64);
        for at in sent.steps {
            made[at] += 1;
            revisions[at] = revision.unwrap_or(revisions[at]);
        }
    }
    Ok(())
}

/// Requests that are the same but for their lists become one; what cannot be put together keeps the order of the steps.
fn requests(tried: &[Tried], steps: &[usize]) -> Vec<Sent> {
    let mut all: Vec<(Sent, &Part)> = Vec::new();
    for at in steps {
        let Tried { step, parts } = &tried[*at];
        for part in parts {
            let body = part.at(step.seen());
            let with = all
                .iter_mut()
                .rev()
                .find(|(sent, like)| sent.steps.len() < OBJECTS_MAX && are_one(like, part));
            match with {
                Some((sent, _)) => {
                    extend(&mut sent.body, body, part.lists);
                    sent.steps.push(*at);
                }
                None => all.push((
                    Sent {
                        steps: vec![*at],
                        method: part.method,
                        body,
                        condition: part.condition,
                    },
                    part,
                )),
            }
        }
    }
    all.into_iter().map(|(sent, _)| sent).collect()
}

fn are_one(one: &Part, other: &Part) -> bool {
    let rest = |part: &Part| {
        let mut body = part.body.clone();
        body.retain(|field, _| !part.lists.contains(&field.as_str()));
        body
    };
    !one.lists.is_empty() && one.method == other.method && rest(one) == rest(other)
}

fn extend(body: &mut Map<String, Value>, more: Map<String, Value>, lists: &[&str]) {
    for (field, value) in more {
        match (body.get_mut(&field), value) {
            (Some(Value::Array(all)), Value::Array(more)) if lists.contains(&field.as_str()) => {
                all.extend(more)
            }
            _ => {} // the same in both
        }
    }
}

/// Whether what is there must be read once more: a method takes no condition, or the revision of a component says little, because it
/// moves when its node boots.
fn needs_a_look(one: &Tried) -> bool {
    let is_change = one.step.before.is_some() && one.step.after.is_some();
    let is_unguarded = one.parts.iter().any(|part| part.condition == Condition::LookedAt);
    is_unguarded || (is_change && one.step.kind.write == Write::Components)
}

/// What somebody changed since it was seen is found here, a moment before it is sent. Gives those anew that have moved by themselves,
/// by their numbers: components of which nothing changed that is declared.
async fn look_again(
    cluster: &impl Cluster,
    catalogue: &Catalogue,
    tried: &[Tried],
    steps: &[usize],
) -> Result<Vec<(usize, Tried)>, (Vec<usize>, Status)> {
    let kind = tried[steps[0]].step.kind;
    let now = present::read(cluster, catalogue, kind).await;
    let now = now.map_err(|error| (steps.to_vec(), Status::unavailable(error.to_string())))?;
    let mut moved = Vec::new();
    for at in steps {
        let one = &tried[*at];
        let is = now.get(&one.step.name);
        if is.map_or(0, |object| object.modified) != one.step.seen() {
            moved.push((
                *at,
                anew(catalogue, one, is).map_err(|status| (vec![*at], status))?,
            ));
        }
    }
    Ok(moved)
}

/// The step for an object that is at another revision now: what is observed of it is as it is now.
fn anew(catalogue: &Catalogue, one: &Tried, now: Option<&Present>) -> Result<Tried, Status> {
    let step = &one.step;
    let (Write::Components, Some(before), Some(after), Some(now)) =
        (step.kind.write, &step.before, &step.after, now)
    else {
        let is = now.map_or(0, |object| object.modified);
        let text = format!(
            "somebody else changed it: it is at revision {is}, not {}",
            step.seen()
        );
        return Err(Status::aborted(text));
    };
    let shown = |value: Option<&Value>| value.map_or_else(|| "not set".to_owned(), Value::to_string);
    let mut spec = now.spec.clone();
    for field in &step.declared {
        let (was, is) = (before.spec.get(field), now.spec.get(field));
        if was != is {
            let (was, is) = (shown(was), shown(is));
            return Err(Status::aborted(format!(
                "somebody else changed it: {field} is {is} now, and was {was}"
            )));
        }
        spec.extend(after.get(field).map(|value| (field.clone(), value.clone())));
    }
    let step = Step {
        before: Some(now.clone()),
        after: Some(spec),
        ..step.clone()
    };
    let parts = written::parts(catalogue, &step).map_err(|error| Status::internal(error.to_string()))?;
    // the trial has left out what changes nothing
    let is_tried = |part: &Part| one.parts.iter().any(|like| like.method == part.method);
    let parts = parts.into_iter().filter(is_tried).collect();
    Ok(Tried { step, parts })
}

/// HSM's bulk patches tell one by one what could not be done.
fn refusals(answer: &Value, tried: &[Tried], steps: &[usize]) -> Option<(Vec<usize>, Status)> {
    let refused = answer
        .get("refused")?
        .as_array()
        .filter(|refused| !refused.is_empty())?;
    let text = |of: &Value, field: &str| {
        of.get(field)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    let ids: Vec<String> = refused.iter().map(|one| text(one, "id")).collect();
    let steps = steps
        .iter()
        .filter(|at| ids.contains(&tried[**at].step.name))
        .copied()
        .collect();
    Some((steps, Status::failed_precondition(text(&refused[0], "reason"))))
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use tonic::Code;

    use super::super::fake::Fake;
    use super::super::kinds::find;
    use super::*;

    fn tried(kind: &str, name: &str, seen: u64, after: Option<Value>) -> Tried {
        let step = Step {
            kind: find(kind).unwrap(),
            name: name.to_owned(),
            before: (seen > 0).then(|| Present {
                spec: Map::new(),
                modified: seen,
                created: seen,
            }),
            after: after.map(|spec| spec.as_object().unwrap().clone()),
            declared: Vec::new(),
            place: None,
        };
        let catalogue = crate::api::catalogue().unwrap();
        let parts = written::parts(&catalogue, &step).unwrap();
        Tried { step, parts }
    }

    async fn sent(cluster: &Fake, steps: &[Tried]) -> Account {
        all(cluster, &crate::api::catalogue().unwrap(), steps).await
    }

    #[tokio::test]
    async fn objects_of_a_method_that_takes_many_are_one_change() {
        let cluster = Fake::default();
        let of = |name: &str| tried("BootParameters", name, 0, Some(json!({"params": name})));
        let account = sent(&cluster, &[of("x0c0s0b0n0"), of("nid7"), of("Default")]).await;
        assert_eq!((account.made, account.failed.is_none()), (vec![1, 1, 1], true));
        assert_eq!(*cluster.calls.borrow(), ["PutBootParameters"]);
        assert_eq!(cluster.names(find("BootParameters").unwrap()).len(), 3);
    }

    #[test]
    fn patches_with_other_values_are_others() {
        let is = |name: &str, role: &str| {
            let mut one = tried("Component", name, 7, Some(json!({"Role": role})));
            one.step.before.as_mut().unwrap().spec.clear();
            one
        };
        let steps = [
            is("x0c0s0b0n0", "Compute"),
            is("x0c0s1b0n0", "Service"),
            is("x0c0s2b0n0", "Compute"),
        ];
        let requests = requests(&steps, &[0, 1, 2]);
        let of: Vec<_> = requests.iter().map(|sent| sent.steps.clone()).collect();
        assert_eq!(of, [vec![0, 2], vec![1]]);
        assert_eq!(
            requests[0].body["component_ids"],
            json!(["x0c0s0b0n0", "x0c0s2b0n0"])
        );
    }

    /// What came before is done, what comes behind was not sent.
    #[tokio::test]
    async fn the_account_ends_at_what_fails() {
        let cluster = Fake::default();
        cluster.broken.borrow_mut().insert("b".to_owned());
        let of = |name: &str| tried("BootConfiguration", name, 0, Some(json!({"kernel": "/k"})));
        let account = sent(&cluster, &[of("a"), of("b"), of("c")]).await;
        assert_eq!(account.made, [1, 0, 0]);
        assert_eq!(account.failed.unwrap().0, [1]);
        assert_eq!(cluster.names(find("BootConfiguration").unwrap()), ["a"]);
    }

    #[tokio::test]
    async fn what_somebody_changed_meanwhile_is_not_overwritten() {
        for kind in ["BootConfiguration", "DhcpPolicy"] {
            let cluster = Fake::default();
            cluster.has(find(kind).unwrap(), "a", 9, json!({"description": "theirs"}));
            let account = sent(
                &cluster,
                &[tried(kind, "a", 7, Some(json!({"description": "ours"})))],
            )
            .await;
            let (steps, status) = account.failed.unwrap();
            assert_eq!((steps, status.code()), (vec![0], Code::Aborted), "{kind}");
            assert_eq!(account.made, [0], "{kind}");
        }
    }

    /// A component that was seen at revision 7, off and a compute node, and of which `declared` is to be changed.
    fn changed(declared: &Value) -> Tried {
        let seen = json!({"State": "Off", "Role": "Compute"});
        let mut after = seen.as_object().unwrap().clone();
        after.extend(declared.as_object().unwrap().clone());
        let step = Step {
            kind: find("Component").unwrap(),
            name: "x0c0s0b0n0".to_owned(),
            before: Some(Present {
                spec: seen.as_object().unwrap().clone(),
                modified: 7,
                created: 5,
            }),
            after: Some(after),
            declared: declared.as_object().unwrap().keys().cloned().collect(),
            place: None,
        };
        let parts = written::parts(&crate::api::catalogue().unwrap(), &step).unwrap();
        Tried { step, parts }
    }

    /// Nodes boot while an apply of thousands of objects is under way: that is nobody's change.
    #[tokio::test]
    async fn a_component_whose_node_boots_meanwhile_is_changed_all_the_same() {
        let (cluster, kind) = (Fake::default(), find("Component").unwrap());
        cluster.has(
            kind,
            "x0c0s0b0n0",
            9,
            json!({"State": "Ready", "Role": "Compute"}),
        );
        let account = sent(&cluster, &[changed(&json!({"Role": "Service"}))]).await;
        assert!(account.failed.is_none(), "{:?}", account.failed);
        assert_eq!(account.made, [1]);
        assert_eq!(*cluster.calls.borrow(), ["ListComponents", "BulkPatchRole"]);
        let is = cluster.spec(kind, "x0c0s0b0n0");
        assert_eq!((&is["State"], &is["Role"]), (&json!("Ready"), &json!("Service")));
    }

    /// `force` overwrites the state, too: it must be the one that the node is in now, or a node that is up would be off.
    #[tokio::test]
    async fn what_is_forced_keeps_the_state_of_now() {
        let (cluster, kind) = (Fake::default(), find("Component").unwrap());
        cluster.has(
            kind,
            "x0c0s0b0n0",
            9,
            json!({"State": "Ready", "Role": "Compute"}),
        );
        let account = sent(&cluster, &[changed(&json!({"Arch": "ARM"}))]).await;
        assert!(account.failed.is_none(), "{:?}", account.failed);
        assert_eq!(*cluster.calls.borrow(), ["ListComponents", "CreateComponents"]);
        let is = cluster.spec(kind, "x0c0s0b0n0");
        assert_eq!(
            (&is["State"], &is["Arch"]),
            (&json!("STATE_READY"), &json!("ARCH_ARM"))
        );
    }

    #[tokio::test]
    async fn what_is_declared_of_a_component_and_changed_by_somebody_else_is_not_overwritten() {
        let theirs = json!({"State": "Ready", "Role": "Storage"});
        for (there, told) in [(Some(theirs), "\"Storage\" now"), (None, "revision 0")] {
            let (cluster, kind) = (Fake::default(), find("Component").unwrap());
            if let Some(spec) = there {
                cluster.has(kind, "x0c0s0b0n0", 9, spec);
            }
            let account = sent(&cluster, &[changed(&json!({"Role": "Service"}))]).await;
            let (steps, status) = account.failed.unwrap();
            assert_eq!((steps, status.code()), (vec![0], Code::Aborted));
            assert!(status.message().contains(told), "{status:?}");
            assert_eq!((account.made, cluster.writes()), (vec![0], 0));
        }
    }
}
