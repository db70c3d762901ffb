//! `chamois authz-worker`: the authority's process of `chamois bench authz`. It prints one line of JSON.

use std::error::Error;
use std::hint::black_box;
use std::time::{Duration, Instant};

use access::Authorities;
use cli::AuthzWorkerArgs;
use proto::auth::v1::auth_command::{self, PutPolicy};
use proto::auth::v1::{AuthCommand, Policy};
use proto::raft::v1::entry::Command;
use proto::smd::v1::smd_command::{self, CreateComponents, CreateGroup};
use proto::smd::v1::{Group, GroupMembers, SmdCommand};
use raft::Store;
use rpc::{Authority as _, Identity, Rules};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use crate::scale_worker::{component, xname};

/// Components of one entry.
const COMPONENTS_PER_ENTRY: u32 = 1000;
/// Members of a group.
const GROUP_MEMBERS: u32 = 100;
/// Policies of the user who asks.
const OWN_POLICIES: u32 = 4;
/// Decisions of one measurement.
const DECISIONS: u32 = 20_000;
/// What they are about.
const PERMISSIONS: [&str; 2] = ["smd.read", "bss.write"];
/// By then the authority has judged every component ahead.
const JUDGED_WITHIN: Duration = Duration::from_secs(2);

/// Measures once.
///
/// # Errors
/// What the state machine or the authority refuses: then the figures would mean nothing.
pub fn run(args: &AuthzWorkerArgs) -> Result<(), WorkerError> {
    let runtime = Runtime::new().map_err(failed)?;
    let answer = runtime.block_on(measure(args))?;
    println!("{answer}");
    Ok(())
}

/// Why nothing could be measured.
#[derive(Debug, thiserror::Error)]
#[error("decisions cannot be measured")]
pub struct WorkerError(#[source] Box<dyn Error + Send + Sync>);

/// Two ways to the same answer do not agree: a figure for either would be that of a mistake.
#[derive(Debug, thiserror::Error)]
#[error("{cold} components are in the part when each is asked for, and {judged} when all were judged ahead")]
struct Differs {
    cold: usize,
    judged: usize,
}

fn failed(error: impl Error + Send + Sync + 'static) -> WorkerError {
    WorkerError(error.into())
}

async fn measure(args: &AuthzWorkerArgs) -> Result<Value, WorkerError> {
    let rules = Rules::from_descriptor(proto::DESCRIPTOR).map_err(failed)?;
    let store = Store::in_memory();
    fill(&store, args).await?;
    let asking = Asking {
        authorities: Authorities::new(store.clone(), &rules),
        user: Identity::User { name: "bench".into() },
        ids: (0..args.nodes).map(xname).collect(),
    };
    let (list_cold_ms, in_part) = asking.list()?;
    let following = tokio::spawn(asking.authorities.clone().follow(std::future::pending()));
    tokio::time::sleep(JUDGED_WITHIN).await;
    following.abort();
    let (list_ms, again) = asking.list()?;
    if again != in_part {
        return Err(failed(Differs {
            cold: in_part,
            judged: again,
        }));
    }
    let mut decisions = asking.decisions()?;
    decisions.sort_by(f64::total_cmp);
    let p99 = decisions.get(decisions.len() * 99 / 100).copied();
    put_policy(&store, policy(args.policies, "user/late")).await?;
    let rebuilt_us = asking.decision(PERMISSIONS[0])?;
    Ok(json!({
        "decision_us": decisions.iter().sum::<f64>() / f64::from(DECISIONS),
        "decision_p99_us": p99.unwrap_or_default(),
        "rebuilt_us": rebuilt_us,
        "list_cold_ms": list_cold_ms,
        "list_ms": list_ms,
        "in_part": in_part,
    }))
}

/// Who asks, and the list.
struct Asking {
    authorities: Authorities,
    user: Identity,
    ids: Vec<String>,
}

impl Asking {
    /// Milliseconds in which every component was judged, and how many are in the part.
    fn list(&self) -> Result<(f64, usize), WorkerError> {
        let began = Instant::now();
        let access = self
            .authorities
            .access(&self.user, PERMISSIONS[0])
            .map_err(failed)?;
        let in_part = match access.scope.part() {
            None => self.ids.len(),
            Some(part) => self.ids.iter().filter(|id| part.has_component(id)).count(),
        };
        Ok((began.elapsed().as_secs_f64() * 1e3, black_box(in_part)))
    }

    /// Microseconds of each decision.
    fn decisions(&self) -> Result<Vec<f64>, WorkerError> {
        let permissions = PERMISSIONS.into_iter().cycle().take(DECISIONS as usize);
        permissions.map(|permission| self.decision(permission)).collect()
    }

    fn decision(&self, permission: &str) -> Result<f64, WorkerError> {
        let began = Instant::now();
        let access = self.authorities.access(black_box(&self.user), permission);
        let micros = began.elapsed().as_secs_f64() * 1e6;
        black_box(access).map_err(failed)?;
        Ok(micros)
    }
}

async fn fill(store: &Store, args: &AuthzWorkerArgs) -> Result<(), WorkerError> {
    for first in (0..args.nodes).step_by(COMPONENTS_PER_ENTRY as usize) {
        let nodes = first..args.nodes.min(first + COMPONENTS_PER_ENTRY);
        let create = CreateComponents {
            components: nodes.map(component).collect(),
            ..CreateComponents::default()
        };
        smd(store, smd_command::Change::CreateComponents(create)).await?;
    }
    for (number, first) in (0..).zip((0..args.nodes).step_by(GROUP_MEMBERS as usize)) {
        let nodes = first..args.nodes.min(first + GROUP_MEMBERS);
        let group = Some(Group {
            label: label(number),
            members: Some(GroupMembers {
                ids: nodes.map(xname).collect(),
            }),
            ..Group::default()
        });
        smd(store, smd_command::Change::CreateGroup(CreateGroup { group })).await?;
    }
    for number in 0..args.policies {
        let principal = match number < OWN_POLICIES {
            true => "user/bench".to_owned(),
            false => format!("user/other-{number}"),
        };
        put_policy(store, policy(number, &principal)).await?;
    }
    Ok(())
}

fn label(number: u32) -> String {
    format!("group-{number}")
}

/// For one group, and one chassis of two cabinets.
fn policy(number: u32, principal: &str) -> Policy {
    Policy {
        name: format!("policy-{number}"),
        role: "operator".to_owned(),
        principals: vec![principal.to_owned()],
        groups: vec![label(number)],
        hosts: vec![format!("x[{number}-{}]c7", number + 1)],
        ..Policy::default()
    }
}

async fn put_policy(store: &Store, policy: Policy) -> Result<(), WorkerError> {
    let policy = Some(policy);
    let change = Some(auth_command::Change::PutPolicy(PutPolicy { policy }));
    propose(store, Command::Auth(AuthCommand { change })).await
}

async fn smd(store: &Store, change: smd_command::Change) -> Result<(), WorkerError> {
    propose(store, Command::Smd(SmdCommand { change: Some(change) })).await
}

async fn propose(store: &Store, command: Command) -> Result<(), WorkerError> {
    let committed = store.propose("token/bench", command, None).await;
    committed.map(drop).map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is measured is what a caller with a part is given, and the ways to it agree.
    #[test]
    fn a_small_system_is_measured() {
        let args = AuthzWorkerArgs {
            nodes: 600,
            policies: 8,
        };
        let runtime = Runtime::new().unwrap();
        let measured = runtime.block_on(measure(&args)).unwrap();
        let in_part = measured["in_part"].as_u64().unwrap();
        assert!(
            in_part >= u64::from(OWN_POLICIES * GROUP_MEMBERS) && in_part < 600,
            "{measured}"
        );
        for key in [
            "decision_us",
            "decision_p99_us",
            "rebuilt_us",
            "list_cold_ms",
            "list_ms",
        ] {
            assert!(measured[key].as_f64().unwrap() > 0.0, "{key}: {measured}");
        }
    }
}
