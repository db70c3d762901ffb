//! Whole transitions: jobs of a store, a member that works on them, BMCs on this host.

use std::sync::Arc;
use std::time::Duration;

use jobs::Jobs;
use proto::job::v1::job_command::{CancelJob, Change, ClaimJob, ReportJob};
use proto::job::v1::job_target::State;
use proto::job::v1::{Job, JobCommand, JobTarget, job};
use proto::power::v1::PowerTransition;
use proto::raft::v1::entry::Command;
use proto::smd::v1::smd_command::set_locks::Action;
use proto::smd::v1::smd_command::{self, CreateComponents, Reserve, SetLocks};
use proto::smd::v1::{Component, SmdCommand, component};
use raft::{Committed, Store};
use rpc::Author;
use state::smd::{Grant, key_sha256};

use crate::fake_bmc::{BMC, FakeBmc, Manner, bmcs, discover};
use crate::operation::Operation;
use crate::times::tests::fast;
use crate::work::PowerWork;

/// Until the end of a transition; a machine that is busy with other tests is slow.
const AT_MOST: Duration = Duration::from_secs(60);

fn node(number: usize) -> String {
    format!("{BMC}n{number}")
}

async fn smd(store: &Store, change: smd_command::Change) -> Committed {
    let command = Command::Smd(SmdCommand { change: Some(change) });
    store.propose("user/ada", command, None).await.unwrap()
}

async fn job(store: &Store, change: Change) -> Committed {
    let command = Command::Job(JobCommand { change: Some(change) });
    store.propose("member/2", command, None).await.unwrap()
}

/// A store that knows a BMC with nodes, all of them Ready and on.
async fn scene(nodes: u32) -> (Store, FakeBmc) {
    let (store, fake) = (Store::in_memory(), FakeBmc::start(nodes).await);
    let ready = |number: usize| Component {
        id: node(number),
        state: component::State::Ready.into(),
        ..Component::default()
    };
    let create = CreateComponents {
        components: (0..nodes as usize).map(ready).collect(),
        ..CreateComponents::default()
    };
    smd(&store, smd_command::Change::CreateComponents(create)).await;
    discover(&store, BMC, &fake.address.to_string(), nodes).await;
    (store, fake)
}

fn asked(operation: Operation) -> PowerTransition {
    PowerTransition {
        operation: operation.into(),
        task_deadline_minutes: Some(0),
        ..PowerTransition::default()
    }
}

async fn start(store: &Store, asked: PowerTransition, targets: Vec<String>) -> String {
    let author = Author::of("user/ada", None);
    let work = job::Work::PowerTransition(asked);
    jobs::create(store, &author, work, targets).await.unwrap()
}

fn work(store: &Store, fake: &FakeBmc) -> Arc<PowerWork> {
    Arc::new(PowerWork {
        bmcs: bmcs(store.clone()),
        open: fake.open(),
        times: fast(),
    })
}

/// A member that works on jobs until `until` says that this one is as it should be.
async fn run(store: &Store, fake: &FakeBmc, id: &str, until: impl Fn(&Job) -> bool) -> Arc<Job> {
    let work: Arc<dyn jobs::Work> = work(store, fake);
    let member = Jobs::new(store.clone(), 1, vec![work]);
    let working = tokio::spawn(member.run(std::future::pending::<()>()));
    let seen = tokio::time::timeout(AT_MOST, async {
        loop {
            let state = store.state();
            let job = state.jobs.get(id).cloned().unwrap();
            if until(&job) {
                return job;
            }
            store
                .wait_for(state.applied_index() + 1, Duration::from_secs(1))
                .await;
        }
    });
    let seen = seen.await.unwrap();
    working.abort();
    seen
}

fn is_over(job: &Job) -> bool {
    matches!(
        job.state(),
        job::State::Succeeded | job::State::Failed | job::State::Cancelled
    )
}

async fn run_to_the_end(store: &Store, fake: &FakeBmc, id: &str) -> Arc<Job> {
    run(store, fake, id, is_over).await
}

fn targets(store: &Store, id: &str) -> Vec<(State, String)> {
    let state = store.state();
    let targets = state.jobs.targets(id);
    targets
        .map(|target| (target.state(), target.reason.clone()))
        .collect()
}

fn states(store: &Store, id: &str) -> Vec<State> {
    targets(store, id).into_iter().map(|(state, _)| state).collect()
}

fn component_state(store: &Store, number: usize) -> component::State {
    let state = store.state();
    state
        .smd
        .component(&node(number).parse().unwrap())
        .unwrap()
        .state()
}

#[tokio::test]
async fn nodes_of_one_bmc_are_told_in_order_over_one_connection() {
    let (store, fake) = scene(3).await;
    let id = start(&store, asked(Operation::Off), vec![node(0), node(1), node(2)]).await;
    let job = run_to_the_end(&store, &fake, &id).await;
    assert_eq!(job.state(), job::State::Succeeded);
    assert_eq!(fake.told(), ["1 ForceOff", "2 ForceOff", "3 ForceOff"]);
    assert_eq!(fake.connections(), 1);
    for number in 0..3 {
        assert_eq!(component_state(&store, number), component::State::Off);
    }
}

/// What there is no BMC for must not keep the others.
#[tokio::test]
async fn each_component_has_its_own_outcome() {
    let (store, fake) = scene(2).await;
    fake.behaves(1, Manner::BreaksOff);
    fake.is(2, "Off");
    let mut named = vec![node(0), node(1)];
    named.extend(["x0c0", "x5c0s0b0n0"].map(str::to_owned));
    let id = start(&store, asked(Operation::ForceOff), named).await;
    let job = run_to_the_end(&store, &fake, &id).await;
    assert_eq!(job.state(), job::State::Failed);
    let expected = [State::Unknown, State::Skipped, State::Unsupported, State::Failed];
    assert_eq!(states(&store, &id), expected, "{:?}", targets(&store, &id));
    assert_eq!(fake.told(), ["1 ForceOff"]);
    let reasons = targets(&store, &id);
    assert!(reasons[2].1.contains("Chassis"), "{reasons:?}");
}

#[tokio::test]
async fn what_is_locked_or_reserved_fails_and_its_key_opens_it() {
    let (store, fake) = scene(3).await;
    let lock = SetLocks {
        action: Action::Lock.into(),
        ids: vec![node(0)],
        ..SetLocks::default()
    };
    smd(&store, smd_command::Change::SetLocks(lock)).await;
    let reserve = |ids| {
        smd_command::Change::Reserve(Reserve {
            ids,
            minutes: 5,
            ..Reserve::default()
        })
    };
    smd(&store, reserve(vec![node(1)])).await;
    let granted: Grant = smd(&store, reserve(vec![node(2)]))
        .await
        .applied
        .value
        .parse()
        .unwrap();
    let keys = granted.keys(&node(2).parse().unwrap());
    let with_key = PowerTransition {
        reservation_key_sha256: vec![key_sha256(&keys.deputy_key)],
        ..asked(Operation::ForceOff)
    };
    let id = start(&store, with_key, vec![node(0), node(1), node(2)]).await;
    run_to_the_end(&store, &fake, &id).await;
    assert_eq!(
        states(&store, &id),
        [State::Failed, State::Failed, State::Succeeded],
        "{:?}",
        targets(&store, &id)
    );
    assert_eq!(fake.told(), ["3 ForceOff"]);
    let reasons = targets(&store, &id);
    assert_eq!(reasons[0].1, "it is locked");
    assert!(
        reasons[1].1.starts_with("it is reserved by user/ada"),
        "{reasons:?}"
    );
}

/// Two at once would undo each other's: the earlier one of the log goes on, whoever works on it.
#[tokio::test]
async fn a_node_that_an_earlier_transition_is_at_work_on_is_left_alone() {
    let (store, fake) = scene(1).await;
    let first = start(&store, asked(Operation::Off), vec![node(0)]).await;
    let second = start(&store, asked(Operation::Init), vec![node(0)]).await;
    // another member has the first
    let claim = ClaimJob {
        id: first.clone(),
        member_id: 2,
        lapse_s: 300,
    };
    job(&store, Change::ClaimJob(claim)).await;
    run_to_the_end(&store, &fake, &second).await;
    let told = targets(&store, &second);
    assert_eq!(told[0].0, State::Failed);
    assert_eq!(told[0].1, format!("transition {first} is at work on it"));
    assert!(fake.told().is_empty());
}

/// Another member had the job, wrote that it begins the first node, and is gone: nobody knows whether it was told.
async fn begun_by_another(store: &Store, id: &str, note: &str) {
    let claim = ClaimJob {
        id: id.to_owned(),
        member_id: 2,
        lapse_s: 300,
    };
    let claimed = job(store, Change::ClaimJob(claim)).await;
    let begun = JobTarget {
        place: 0,
        state: State::Running.into(),
        note: note.to_owned(),
        ..JobTarget::default()
    };
    let report = ReportJob {
        id: id.to_owned(),
        fence: claimed.applied.value.parse().unwrap(),
        lapse_s: 300,
        targets: vec![begun],
        release: true,
        reason: "it stops".to_owned(),
        ..ReportJob::default()
    };
    job(store, Change::ReportJob(report)).await;
}

#[tokio::test]
async fn after_a_takeover_what_was_begun_is_read_back_and_the_rest_is_told() {
    let (store, fake) = scene(2).await;
    fake.is(1, "Off");
    let id = start(&store, asked(Operation::Off), vec![node(0), node(1)]).await;
    begun_by_another(&store, &id, "ForceOff 1/1").await;
    let job = run_to_the_end(&store, &fake, &id).await;
    assert_eq!(job.state(), job::State::Succeeded);
    assert_eq!(fake.told(), ["2 ForceOff"], "the first is not told again");
    assert_eq!(component_state(&store, 0), component::State::Off);
}

#[tokio::test]
async fn after_a_takeover_what_was_not_done_is_unknown_and_not_told() {
    let (store, fake) = scene(1).await;
    let id = start(&store, asked(Operation::Off), vec![node(0)]).await;
    begun_by_another(&store, &id, "ForceOff 1/1").await;
    let job = run_to_the_end(&store, &fake, &id).await;
    assert_eq!(job.state(), job::State::Failed);
    assert_eq!(states(&store, &id), [State::Unknown]);
    assert!(fake.told().is_empty());
}

#[tokio::test]
async fn an_abort_leaves_what_was_not_begun() {
    let (store, fake) = scene(2).await;
    fake.behaves(1, Manner::IgnoresGrace);
    let endless = PowerTransition {
        task_deadline_minutes: Some(-1),
        ..asked(Operation::Off)
    };
    let id = start(&store, endless, vec![node(0), node(1)]).await;
    let aborting = {
        let (store, fake, id) = (store.clone(), fake.clone(), id.clone());
        tokio::spawn(async move {
            while fake.told().is_empty() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            job(&store, Change::CancelJob(CancelJob { id })).await;
        })
    };
    let job = run_to_the_end(&store, &fake, &id).await;
    aborting.await.unwrap();
    assert_eq!(job.state(), job::State::Cancelled);
    assert_eq!(fake.told(), ["1 GracefulShutdown"]);
    assert_eq!(states(&store, &id), [State::Failed, State::Skipped]);
}

/// A member that reaches one of two BMCs does what it can and leaves the rest to another.
#[tokio::test]
async fn what_is_behind_another_network_waits_for_who_reaches_it() {
    let (store, fake) = scene(1).await;
    discover(&store, "x9c0s0b0", "10.9.9.9", 1).await;
    let far = "x9c0s0b0n0".to_owned();
    let id = start(&store, asked(Operation::ForceOff), vec![far, node(0)]).await;
    let is_released = |job: &Job| {
        let done = job.counts.as_ref().map_or(0, |counts| counts.succeeded);
        job.state() == job::State::Waiting && done == 1
    };
    let job = run(&store, &fake, &id, is_released).await;
    assert!(job.claim.is_none());
    assert_eq!(states(&store, &id), [State::Waiting, State::Succeeded]);
    let open: Vec<JobTarget> = store
        .state()
        .jobs
        .targets(&id)
        .map(|target| JobTarget::clone(target))
        .collect();
    let work = work(&store, &fake);
    assert!(
        !jobs::Work::can_run(work.as_ref(), &job, &open),
        "it does not take it again"
    );
}

#[tokio::test]
async fn whoever_reaches_one_bmc_can_run_and_so_can_anybody_without_any() {
    let (store, fake) = scene(1).await;
    discover(&store, "x9c0s0b0", "10.9.9.9", 1).await;
    let work = work(&store, &fake);
    let can_run = |named: &[&str]| {
        let target = |name: &&str| JobTarget {
            target: (*name).to_owned(),
            state: State::Waiting.into(),
            ..JobTarget::default()
        };
        let targets: Vec<JobTarget> = named.iter().map(target).collect();
        jobs::Work::can_run(work.as_ref(), &Job::default(), &targets)
    };
    assert!(can_run(&["x9c0s0b0n0", "x0c0s0b0n0"]));
    assert!(!can_run(&["x9c0s0b0n0"]));
    assert!(can_run(&["x5c0s0b0n0"]), "anybody can tell that nobody knows it");
    assert!(can_run(&["x0c0"]) && can_run(&[]));
}

#[tokio::test]
async fn nodes_that_are_switched_on_come_one_after_the_other() {
    let (store, fake) = scene(3).await;
    for number in 1..=3 {
        fake.is(number, "Off");
    }
    let staggered = PowerTransition {
        stagger_ms: 100,
        ..asked(Operation::On)
    };
    let id = start(&store, staggered, vec![node(0), node(1), node(2)]).await;
    let begin = tokio::time::Instant::now();
    run_to_the_end(&store, &fake, &id).await;
    assert!(
        begin.elapsed() >= Duration::from_millis(200),
        "{:?}",
        begin.elapsed()
    );
    assert_eq!(fake.told(), ["1 On", "2 On", "3 On"]);
}
