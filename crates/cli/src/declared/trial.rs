//! Before anything is made, the cluster is asked about every step (`validate_only`): all that would be refused is told at once, and
//! what would change nothing is no step.

use futures::{StreamExt as _, TryStreamExt as _, stream};
use openapi::Catalogue;
use rpc::client::ClientError;
use serde_json::Value;
use tonic::{Code, Status};

use super::cluster::{Cluster, How};
use super::kinds::Write;
use super::plan::{Plan, Step};
use super::written::{self, Part};
use crate::dry_run;
use crate::error::{CliError, Kind as Class};

/// Requests on their way at once.
const REQUESTS_AT_ONCE: usize = 16;

/// A step with the requests that it needs.
#[derive(Clone, Debug)]
pub(super) struct Tried {
    pub(super) step: Step,
    /// Those that change something.
    pub(super) parts: Vec<Part>,
}

/// What all steps would do, in their order; what the cluster finds unchanged is counted as such.
///
/// # Errors
/// `Conflict` or `Usage` with everything that would be refused; when the cluster cannot be asked.
pub(super) async fn all(
    cluster: &impl Cluster,
    catalogue: &Catalogue,
    plan: &mut Plan,
) -> Result<Vec<Tried>, CliError> {
    let steps = std::mem::take(&mut plan.steps);
    let asked = steps.iter().map(|step| one(cluster, catalogue, step, &steps));
    let answers: Vec<Answer> = stream::iter(asked)
        .buffered(REQUESTS_AT_ONCE)
        .try_collect()
        .await?;
    let mut tried = Vec::new();
    let mut refused = Vec::new();
    for (step, answer) in steps.iter().zip(answers) {
        match answer {
            Answer::Refused(reason) => refused.push((step, reason)),
            Answer::Parts(parts) if parts.is_empty() => plan.unchanged += 1,
            Answer::Parts(parts) => tried.push(Tried {
                step: step.clone(),
                parts,
            }),
        }
    }
    plan.steps = tried.iter().map(|one| one.step.clone()).collect();
    match refused.is_empty() {
        true => Ok(tried),
        false => Err(told(&refused)),
    }
}

enum Answer {
    Parts(Vec<Part>),
    Refused(Status),
}

async fn one(
    cluster: &impl Cluster,
    catalogue: &Catalogue,
    step: &Step,
    all: &[Step],
) -> Result<Answer, CliError> {
    let mut parts = Vec::new();
    for part in written::parts(catalogue, step)? {
        let body = Value::Object(part.at(step.seen()));
        match cluster.call(part.method, body, How::TriedOut).await {
            Ok(answer) => {
                let mut changes = answer.would_change.changes.iter();
                let changes = changes.any(dry_run::is_change) || answer.would_change.left_out > 0;
                let is_refused = answer.json.get("refusedCount").is_some();
                if changes || is_refused {
                    parts.push(part);
                }
            }
            // it is made again with the others that it waits for, and judged then
            Err(status) if waits(&status, step, all) => parts.push(part),
            // its node boots: before it is sent, what is declared of it is compared with what is there
            Err(status) if status.code() == Code::Aborted && is_component(step) => parts.push(part),
            Err(status) if is_judgement(&status) => return Ok(Answer::Refused(status)),
            Err(status) => return Err(status.into()),
        }
    }
    Ok(Answer::Parts(parts))
}

/// Whether it is refused because of another object that is made, changed or deleted before it or with it: a member that is not there
/// yet, a NID that another one gives up. What comes later helps nobody. The words of a refusal say nothing: objects may be called so.
fn waits(status: &Status, step: &Step, all: &[Step]) -> bool {
    let told = ClientError::of(status);
    let Some((word, id)) = told.other().or_else(|| told.kind().zip(told.id())) else {
        return false;
    };
    let is_itself = |other: &Step| (other.kind, &other.name) == (step.kind, &step.name);
    let mut meant = all
        .iter()
        .filter(|other| other.name == id && other.kind.is_called(word));
    meant.any(|other| !is_itself(other) && comes_first(other, step))
}

/// Whether `other` is made before `step` or in one change with it: objects of a kind are, and deletions come last.
fn comes_first(other: &Step, step: &Step) -> bool {
    match (&other.after, &step.after) {
        (Some(_), Some(_)) => other.kind.rank() <= step.kind.rank(),
        (None, None) => other.kind.rank() >= step.kind.rank(),
        (Some(_), None) => true,
        (None, Some(_)) => false,
    }
}

/// Whether a component is changed, whose revision moves by itself.
fn is_component(step: &Step) -> bool {
    step.kind.write == Write::Components && step.before.is_some() && step.after.is_some()
}

/// Whether the object itself would be refused; everything else says nothing of it.
fn is_judgement(status: &Status) -> bool {
    matches!(
        status.code(),
        Code::InvalidArgument
            | Code::AlreadyExists
            | Code::FailedPrecondition
            | Code::NotFound
            | Code::Aborted
    )
}

fn told(refused: &[(&Step, Status)]) -> CliError {
    let mut text = format!(
        "{} of the objects would be refused; nothing was changed",
        refused.len()
    );
    for (step, status) in refused {
        let place = step
            .place
            .as_ref()
            .map(|place| format!(" ({place})"))
            .unwrap_or_default();
        text += &format!("\n  {}{place}: {}", step.title(), status.message().escape_debug());
    }
    let is_usage = refused
        .iter()
        .all(|(_, status)| status.code() == Code::InvalidArgument);
    CliError::new(if is_usage { Class::Usage } else { Class::Conflict }, text)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::fake::Fake;
    use super::super::kinds::find;
    use super::super::present::Present;
    use super::*;

    fn steps(names: &[&str]) -> Plan {
        let step = |name: &&str| Step {
            kind: find("BootConfiguration").unwrap(),
            name: (*name).to_owned(),
            before: None,
            after: json!({"kernel": "/k"}).as_object().cloned(),
            declared: Vec::new(),
            place: None,
        };
        Plan {
            steps: names.iter().map(step).collect(),
            unchanged: 0,
        }
    }

    #[tokio::test]
    async fn everything_that_would_be_refused_is_told_and_nothing_is_written() {
        let catalogue = crate::api::catalogue().unwrap();
        let cluster = Fake::default();
        cluster
            .refused
            .borrow_mut()
            .extend(["a".to_owned(), "c".to_owned()]);
        let error = all(&cluster, &catalogue, &mut steps(&["a", "b", "c"]))
            .await
            .unwrap_err();
        let text = error.to_string();
        assert_eq!(error.kind(), Class::Usage);
        assert!(
            text.contains("BootConfiguration a: a: refused") && text.contains("BootConfiguration c"),
            "{text}"
        );
        assert!(
            !text.contains("BootConfiguration b") && text.contains("nothing was changed"),
            "{text}"
        );
        assert_eq!(cluster.writes(), 0);
    }

    #[tokio::test]
    async fn what_would_be_done_is_kept_in_its_order() {
        let catalogue = crate::api::catalogue().unwrap();
        let cluster = Fake::default();
        let mut plan = steps(&["b", "a"]);
        let tried = all(&cluster, &catalogue, &mut plan).await.unwrap();
        let names: Vec<_> = tried.iter().map(|one| one.step.name.as_str()).collect();
        assert_eq!((names, cluster.writes()), (vec!["b", "a"], 0));
    }

    /// A revision that has moved says nothing of a component: `sent.rs` looks at what has changed. Of anything else it says all.
    #[tokio::test]
    async fn a_component_whose_node_boots_is_not_refused() {
        let catalogue = crate::api::catalogue().unwrap();
        for (kind, name, is_refused) in [
            ("Component", "x0c0s0b0n0", false),
            ("BootConfiguration", "c", true),
        ] {
            let kind = find(kind).unwrap();
            let cluster = Fake::default();
            cluster.has(kind, name, 9, json!({}));
            let mut plan = steps(&[name]);
            plan.steps[0].kind = kind;
            plan.steps[0].before = Some(Present {
                spec: serde_json::Map::new(),
                modified: 7,
                created: 5,
            });
            plan.steps[0].after = match is_refused {
                true => json!({"kernel": "/k"}),
                false => json!({"Arch": "ARM"}),
            }
            .as_object()
            .cloned();
            let tried = all(&cluster, &catalogue, &mut plan).await;
            assert_eq!(tried.is_err(), is_refused, "{}", kind.name);
            let parts = tried.map_or(0, |tried| tried[0].parts.len());
            assert_eq!(parts, usize::from(!is_refused), "{}", kind.name);
        }
    }

    fn of(kind: &str, name: &str, is_made: bool) -> Step {
        Step {
            kind: find(kind).unwrap(),
            name: name.to_owned(),
            before: None,
            after: is_made.then(serde_json::Map::new),
            declared: Vec::new(),
            place: None,
        }
    }

    fn because_of(kind: &str, id: &str, error: rpc::Error) -> Status {
        Status::from(rpc::Error::OfAnother {
            error: Box::new(error),
            kind: kind.to_owned(),
            id: id.to_owned(),
        })
    }

    #[test]
    fn a_refusal_because_of_another_object_of_the_set_waits_for_it() {
        let (zero, one) = ("x0c0s0b0n0", "x0c0s0b0n1");
        let all = [
            of("Component", zero, true),
            of("Component", one, true),
            of("Group", "blue", true),
        ];
        let missing = |id: &str| because_of("component", id, rpc::invalid("members.ids", "create it first"));
        assert!(waits(&missing(one), &all[2], &all));
        assert!(!waits(&missing("x0c0s0b0n11"), &all[2], &all), "another one");
        let taken = |kind: &str, id: &str| {
            let error = rpc::Error::AlreadyExists {
                kind: "NID".to_owned(),
                id: "7".to_owned(),
                detail: format!("it belongs to {id}"),
            };
            because_of(kind, id, error)
        };
        assert!(waits(&taken("component", one), &all[0], &all));
        assert!(!waits(&taken("component", zero), &all[0], &all), "it is itself");
        assert!(
            !waits(&taken("cloud-init group", "blue"), &all[0], &all),
            "another kind"
        );
        let gone = Status::from(rpc::Error::NotFound {
            kind: "component".to_owned(),
            id: one.to_owned(),
        });
        assert!(waits(&gone, &all[2], &all));
    }

    /// An apply that began with what is sure to be refused would end half done.
    #[test]
    fn words_of_a_refusal_are_not_waited_for() {
        let all = [
            of("Group", "blue", true),
            of("Component", "x0c0s0b0n1", true),
            of("Role", "component", true),
        ];
        for refused in [
            Status::invalid_argument("members.ids: x0c0s0b0n1 is no component"),
            Status::from(rpc::invalid("members.ids", "x0c0s0b0n1 is no component")),
            Status::unavailable("x0c0s0b0n1"),
        ] {
            assert!(!waits(&refused, &all[0], &all), "{refused:?}");
        }
    }

    #[test]
    fn what_comes_later_is_not_waited_for() {
        let waits_for = |step: &Step, word: &str, other: &Step| {
            let detail = "the other one stands in the way".to_owned();
            let status = because_of(word, &other.name, rpc::Error::Conflict { detail });
            waits(&status, step, &[step.clone(), other.clone()])
        };
        let (component, group) = (of("Component", "x0c0s0b0n0", true), of("Group", "blue", true));
        assert!(waits_for(&group, "component", &component) && !waits_for(&component, "group", &group));
        let gone = of("Component", "x0c0s1b0n0", false);
        assert!(!waits_for(&component, "component", &gone), "deletions come last");
        assert!(waits_for(&gone, "group", &group));
        let old = of("Group", "old", false);
        assert!(waits_for(&gone, "group", &old) && !waits_for(&old, "component", &gone));
    }
}
