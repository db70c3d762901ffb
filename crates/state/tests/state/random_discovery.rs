//! Random changes of what was found and of jobs, and what must hold whatever they are.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use proto::discovery::v1::discovery_command::{AssignXname, DeleteBmcs, DeleteXnameRule, PutBmcs, TrustKey};
use proto::job::v1::job::State as Stage;
use proto::job::v1::job_command::{DeleteJobs, ReportJob};
use proto::job::v1::job_target::State as Target;
use proto::job::v1::{Job, JobCommand, JobCounts, JobTarget, job_command};
use proto::raft::v1::entry::Command;
use state::State;

use crate::bmcs::seen;
use crate::jobs::{cancel, claim, end, power, report, scan};
use crate::support::{IntoCommand, Log};
use crate::{bmc_credentials, firmware, xname_rules};

/// Few BMCs and keys, so that they meet each other.
pub fn commands() -> impl Strategy<Value = Command> {
    (0..20_u8, 0..3_usize, 0..4_usize, any::<bool>()).prop_map(|(kind, who, what, flag)| {
        let bmc = format!("x0c0s{who}b0");
        let address = format!("10.1.0.{what}:443");
        match kind {
            0..=5 => job_commands(who, what, flag),
            6..=8 => {
                let mut found = seen(&address, ["ab", "cd", ""][who], &bmc);
                if flag {
                    found.xname.clear();
                }
                PutBmcs { bmcs: vec![found] }.into_command()
            }
            9 => AssignXname { address, xname: bmc }.into_command(),
            10 => TrustKey {
                address,
                key_sha256: String::new(),
            }
            .into_command(),
            11 => DeleteBmcs {
                addresses: vec![address],
            }
            .into_command(),
            12 if flag => DeleteXnameRule { name: "a".into() }.into_command(),
            12 => xname_rules::put(xname_rules::rule("a", None)).into_command(),
            13 => bmc_credentials::put(&format!("bmc:{bmc}"), ["root", "admin", "ops"][who]).into_command(),
            14 => bmc_credentials::put("default", "root").into_command(),
            15 => bmc_credentials::delete(if flag { "default" } else { "bmc:x0c0s0b0" }).into_command(),
            16 => bmc_credentials::put_next(&bmc).into_command(),
            17 if flag => bmc_credentials::keep(&bmc).into_command(),
            17 => bmc_credentials::forget(&bmc).into_command(),
            _ => firmware::put(vec![firmware::inventory(&bmc)]).into_command(),
        }
    })
}

/// Of a job that nobody knows before it is there: [`Jobs::at`] puts in which, and its fence.
fn job_commands(who: usize, what: usize, flag: bool) -> Command {
    let place = u32::try_from(who).unwrap();
    let state = [
        Target::Running,
        Target::Succeeded,
        Target::Failed,
        Target::Unspecified,
    ][what];
    match (what, flag) {
        (_, true) if who == 0 => power(&["x0c0s0b0n0", "x0c0s1b0n0"]).into_command(),
        (3, true) if who == 1 => scan().into_command(),
        (0, _) => claim("", 1).into_command(),
        (1, false) => end("", 0).into_command(),
        (2, false) => cancel("").into_command(),
        (3, false) => DeleteJobs {
            ids: vec![String::new()],
        }
        .into_command(),
        _ => {
            let found = JobTarget {
                target: format!("10.1.0.{who}:443"),
                state: Target::Succeeded.into(),
                ..JobTarget::default()
            };
            ReportJob {
                new_targets: vec![found],
                release: who == 2,
                ..report("", 0, &[(place, state)])
            }
            .into_command()
        }
    }
}

/// The job that a random log is about, and the claim to it: what is known of an entry before it is applied.
#[derive(Default)]
pub struct Jobs {
    id: String,
    fence: u64,
}

impl Jobs {
    /// The command as it is at this index of the log.
    pub fn at(&mut self, mut command: Command, index: u64) -> Command {
        use job_command::Change;
        let Command::Job(JobCommand { change: Some(change) }) = &mut command else {
            return command;
        };
        let id = self.id.clone();
        match change {
            // some are about the one before
            Change::CreateJob(_) if id.is_empty() || index.is_multiple_of(3) => self.id = id_at(index),
            Change::CreateJob(_) => {}
            Change::ClaimJob(claim) => {
                claim.id = id;
                self.fence = index;
            }
            Change::ReportJob(report) => (report.id, report.fence) = (id, self.fence),
            Change::EndJob(end) => (end.id, end.fence) = (id, self.fence),
            Change::CancelJob(cancel) => cancel.id = id,
            Change::DeleteJobs(delete) => delete.ids = vec![id],
        }
        command
    }
}

/// The id of a job that the entry at this index makes, from the random bytes of `support::entry`.
fn id_at(index: u64) -> String {
    let mut bytes: Vec<u8> = (0..16)
        .map(|i| u8::try_from((index * 16 + i) % 251).unwrap())
        .collect();
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let hex = |from: usize, to: usize| -> String {
        bytes[from..to].iter().map(|byte| format!("{byte:02x}")).collect()
    };
    [hex(0, 4), hex(4, 6), hex(6, 8), hex(8, 10), hex(10, 16)].join("-")
}

/// An xname has one BMC and is found by it; every job counts its targets, and nobody works on one that is over or waits.
pub fn check_indexes(state: &State) {
    let mut owners = BTreeMap::new();
    for bmc in state.discovery.bmcs().filter(|bmc| !bmc.xname.is_empty()) {
        assert_eq!(owners.insert(bmc.xname.clone(), bmc), None, "{}", bmc.xname);
    }
    for slot in 0..4 {
        let xname = format!("x0c0s{slot}b0");
        let found = state.discovery.bmc_of(&xname.parse().unwrap());
        assert_eq!(found, owners.get(&xname).copied(), "{xname}");
    }
    for credential in state.discovery.credentials() {
        let secret = state::discovery::credential_secret(&credential.scope);
        assert!(state.cluster.secret(&secret).is_some(), "{secret}");
    }
    state.jobs.iter().for_each(|job| check_job(state, job));
}

fn check_job(state: &State, job: &Job) {
    let mut counts = JobCounts::default();
    let mut names = BTreeSet::new();
    for (place, target) in (0..).zip(state.jobs.targets(&job.id)) {
        assert_eq!(target.place, place);
        assert!(names.insert(&target.target), "{} twice", target.target);
        counts.total += 1;
        match target.state() {
            Target::Unspecified | Target::Waiting => counts.waiting += 1,
            Target::Running => counts.running += 1,
            Target::Succeeded => counts.succeeded += 1,
            Target::Failed | Target::Unsupported => counts.failed += 1,
            Target::Unknown => counts.unknown += 1,
            Target::Skipped => counts.skipped += 1,
        }
    }
    assert_eq!(job.counts, Some(counts));
    let is_over = job.ended_at_ms > 0;
    assert!(!is_over || counts.waiting + counts.running == 0, "{job:?}");
    match job.state() {
        Stage::Running => assert!(job.claim.is_some(), "{job:?}"),
        Stage::Cancelling => assert!(!is_over, "{job:?}"),
        Stage::Waiting | Stage::Succeeded | Stage::Failed | Stage::Cancelled => {
            assert_eq!(job.claim, None, "{job:?}");
        }
        Stage::Unspecified => panic!("{job:?}"),
    }
}

#[test]
fn the_id_of_a_job_is_known_before_it_is_there() {
    let mut log = Log::latest();
    let index = log.next_index();
    assert_eq!(log.ok(scan()).value, id_at(index));
}
