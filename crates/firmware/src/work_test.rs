//! Whole rollouts: jobs of a store, a member that works on them, BMCs on this host.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use jobs::{JobKind, Jobs, Outcome, Running, Work};
use model::{NodeNetwork, NodeUrls, Xname};
use proto::firmware::v1::FirmwareUpdate;
use proto::job::v1::job_command::{CancelJob, Change, ClaimJob, ReportJob};
use proto::job::v1::job_target::State;
use proto::job::v1::{Job, JobCommand, JobTarget, job};
use proto::raft::v1::entry::Command;
use raft::{Committed, Store};
use rpc::Author;
use serde_json::json;
use tokio::sync::mpsc;

use crate::fake_bmc::{FakeBmc, Manner, TaskStep, bmcs, fast, inventory, open_by};
use crate::update::TOLD;
use crate::work::{FirmwareWork, begin};

/// Until the end of a rollout; a machine that is busy with other tests is slow.
const AT_MOST: Duration = Duration::from_secs(60);
const TASK: &str = "/redfish/v1/TaskService/Tasks/1";

fn name(slot: usize) -> String {
    format!("x0c0s{slot}b0")
}

/// A store and the BMCs that it knows.
async fn scene(bmcs: usize) -> (Store, Vec<FakeBmc>) {
    let (store, mut fakes) = (Store::in_memory(), Vec::new());
    for slot in 0..bmcs {
        let fake = FakeBmc::start().await;
        inventory(&store, &name(slot), &fake.address.to_string()).await;
        fakes.push(fake);
    }
    (store, fakes)
}

fn work(store: &Store, fakes: &[FakeBmc]) -> Arc<FirmwareWork> {
    let addresses: BTreeMap<String, _> = fakes
        .iter()
        .enumerate()
        .map(|(slot, fake)| (name(slot), fake.address))
        .collect();
    let first = fakes[0].address;
    let network = NodeNetwork {
        base: "http://10.97.0.1:8081".to_owned(),
        addresses: Vec::new(),
        subnets: Vec::new(),
    };
    Arc::new(FirmwareWork {
        bmcs: bmcs(store.clone()),
        urls: NodeUrls::new(vec![network]),
        open: open_by(|bmc: &Xname| addresses.get(bmc.as_str()).copied().unwrap_or(first)),
        times: fast(),
    })
}

fn asked(steps: &[u32], failures_max: u32) -> FirmwareUpdate {
    FirmwareUpdate {
        image_uri: "http://10.1.0.1/bios.bin".to_owned(),
        firmware_ids: vec!["BIOS".to_owned()],
        steps: steps.to_vec(),
        failures_max,
        ..FirmwareUpdate::default()
    }
}

async fn start(store: &Store, asked: FirmwareUpdate, bmcs: usize) -> String {
    let author = Author::of("user/ada", None);
    let work = job::Work::FirmwareUpdate(asked);
    let targets = (0..bmcs).map(name).collect();
    jobs::create(store, &author, work, targets).await.unwrap()
}

fn is_over(job: &Job) -> bool {
    matches!(
        job.state(),
        job::State::Succeeded | job::State::Failed | job::State::Cancelled
    )
}

async fn run(store: &Store, fakes: &[FakeBmc], id: &str, until: impl Fn(&Job) -> bool) -> Arc<Job> {
    let work: Arc<dyn jobs::Work> = work(store, fakes);
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

fn told(fakes: &[FakeBmc]) -> Vec<usize> {
    fakes.iter().map(|fake| fake.told().len()).collect()
}

async fn job(store: &Store, change: Change) -> Committed {
    let command = Command::Job(JobCommand { change: Some(change) });
    store.propose("member/2", command, None).await.unwrap()
}

#[tokio::test]
async fn all_are_updated_and_the_inventory_has_what_was_read() {
    let (store, fakes) = scene(3).await;
    let id = start(&store, asked(&[1], 0), 3).await;
    let job = run(&store, &fakes, &id, is_over).await;
    assert_eq!(job.state(), job::State::Succeeded, "{:?}", targets(&store, &id));
    assert_eq!(told(&fakes), [1, 1, 1]);
    let state = store.state();
    for slot in 0..3 {
        let bmc: Xname = name(slot).parse().unwrap();
        assert_eq!(state.discovery.firmware(&bmc).unwrap().firmware[0].version, "1.1");
    }
}

/// The point of steps: a bad image takes one BMC and not all.
#[tokio::test]
async fn one_failure_too_many_stops_the_rollout() {
    let (store, fakes) = scene(4).await;
    fakes[0].task_goes(&[TaskStep::Failed]);
    let id = start(&store, asked(&[1], 0), 4).await;
    let job = run(&store, &fakes, &id, is_over).await;
    assert_eq!(job.state(), job::State::Failed);
    assert_eq!(told(&fakes), [1, 0, 0, 0]);
    let skipped = [State::Failed, State::Skipped, State::Skipped, State::Skipped];
    assert_eq!(states(&store, &id), skipped);
    let reasons = targets(&store, &id);
    assert!(
        reasons[3].1.contains("the rollout has stopped: 1 BMCs failed"),
        "{reasons:?}"
    );
}

#[tokio::test]
async fn failures_that_are_allowed_do_not_stop_it() {
    let (store, fakes) = scene(3).await;
    fakes[0].behaves(Manner::Refuses);
    let id = start(&store, asked(&[1, 2], 1), 3).await;
    let job = run(&store, &fakes, &id, is_over).await;
    assert_eq!(job.state(), job::State::Failed, "one has failed");
    assert_eq!(
        states(&store, &id),
        [State::Failed, State::Succeeded, State::Succeeded]
    );
}

/// Each step is over before the next begins.
#[tokio::test]
async fn a_step_waits_for_the_one_before() {
    let (store, fakes) = scene(2).await;
    fakes[0].task_goes(&[TaskStep::Running(50)]);
    let id = start(&store, asked(&[1], 0), 2).await;
    let is_followed = |job: &Job| job.counts.as_ref().is_some_and(|counts| counts.running == 1);
    run(&store, &fakes, &id, is_followed).await;
    assert_eq!(told(&fakes)[1], 0);
    assert_eq!(states(&store, &id)[1], State::Waiting);
}

/// What another member has done of the job; then it is gone.
async fn done_by_another(store: &Store, id: &str, done: Vec<JobTarget>) {
    let claim = ClaimJob {
        id: id.to_owned(),
        member_id: 2,
        lapse_s: 300,
    };
    let claimed = job(store, Change::ClaimJob(claim)).await;
    let report = ReportJob {
        id: id.to_owned(),
        fence: claimed.applied.value.parse().unwrap(),
        lapse_s: 300,
        targets: done,
        release: true,
        reason: "it stops".to_owned(),
        ..ReportJob::default()
    };
    job(store, Change::ReportJob(report)).await;
}

fn target(place: u32, state: State, note: &str) -> JobTarget {
    JobTarget {
        place,
        state: state.into(),
        note: note.to_owned(),
        ..JobTarget::default()
    }
}

#[tokio::test]
async fn after_a_takeover_the_task_is_followed_and_the_rest_is_told() {
    let (store, fakes) = scene(2).await;
    fakes[0].task_begins();
    let id = start(&store, asked(&[1], 0), 2).await;
    done_by_another(&store, &id, vec![target(0, State::Running, TASK)]).await;
    let job = run(&store, &fakes, &id, is_over).await;
    assert_eq!(job.state(), job::State::Succeeded, "{:?}", targets(&store, &id));
    assert_eq!(told(&fakes), [0, 1], "the first is not told again");
}

#[tokio::test]
async fn failures_before_a_takeover_count() {
    let (store, fakes) = scene(2).await;
    let id = start(&store, asked(&[1], 0), 2).await;
    done_by_another(&store, &id, vec![target(0, State::Failed, "")]).await;
    run(&store, &fakes, &id, is_over).await;
    assert_eq!(states(&store, &id), [State::Failed, State::Skipped]);
    assert_eq!(told(&fakes), [0, 0]);
}

#[tokio::test]
async fn a_boot_file_is_told_as_a_url_of_the_network_with_nodes() {
    let (store, fakes) = scene(1).await;
    let update = FirmwareUpdate {
        image_uri: "file:bios.bin".to_owned(),
        ..asked(&[], 0)
    };
    let id = start(&store, update, 1).await;
    run(&store, &fakes, &id, is_over).await;
    let told = fakes[0].told();
    assert_eq!(told[0]["ImageURI"], json!("http://10.97.0.1:8081/files/bios.bin"));
}

/// A later step must not begin elsewhere while this one is open.
#[tokio::test]
async fn a_step_that_others_reach_is_left_to_them_and_no_later_one_begins() {
    let (store, fakes) = scene(3).await;
    inventory(&store, "x0c0s9b0", "10.9.9.9").await;
    let author = Author::of("user/ada", None);
    let work_of = job::Work::FirmwareUpdate(asked(&[2], 0));
    let named = [name(0), "x0c0s9b0".to_owned(), name(1)].into();
    let id = jobs::create(&store, &author, work_of, named).await.unwrap();
    let is_released = |job: &Job| {
        let done = job.counts.as_ref().map_or(0, |counts| counts.succeeded);
        job.state() == job::State::Waiting && done == 1
    };
    let job = run(&store, &fakes, &id, is_released).await;
    assert_eq!(
        states(&store, &id),
        [State::Succeeded, State::Waiting, State::Waiting]
    );
    let open: Vec<JobTarget> = store
        .state()
        .jobs
        .targets(&id)
        .map(|target| JobTarget::clone(target))
        .collect();
    let work = work(&store, &fakes);
    assert!(!jobs::Work::can_run(work.as_ref(), &job, &open));
    assert!(jobs::Work::can_run(work.as_ref(), &job, &[]));
}

/// Is cancelled while it waits for the log.
struct CancelledMeanwhile {
    store: Store,
    begun: mpsc::UnboundedSender<Result<(), Outcome>>,
}

impl Work for CancelledMeanwhile {
    fn kind(&self) -> JobKind {
        JobKind::FirmwareUpdate
    }

    fn can_run(&self, _: &Job, _: &[JobTarget]) -> bool {
        true
    }

    fn run(self: Arc<Self>, running: Running) -> BoxFuture<'static, ()> {
        Box::pin(async move {
            let id = running.job().id.clone();
            job(&self.store, Change::CancelJob(CancelJob { id })).await;
            for note in [TOLD, TASK] {
                let begun = begin(running.clone(), 0, note.to_owned(), Duration::from_millis(5)).await;
                self.begun.send(begun).unwrap();
            }
        })
    }
}

/// Whoever cancels it was told that nothing more is begun; a task that runs already is followed.
#[tokio::test]
async fn what_is_cancelled_while_the_log_is_away_is_not_told() {
    let (store, _fakes) = scene(1).await;
    start(&store, asked(&[], 0), 1).await;
    let (begun, mut told) = mpsc::unbounded_channel();
    let work: Arc<dyn Work> = Arc::new(CancelledMeanwhile {
        store: store.clone(),
        begun,
    });
    let member = Jobs::new(store.clone(), 1, vec![work]);
    let working = tokio::spawn(member.run(std::future::pending::<()>()));
    let first = tokio::time::timeout(AT_MOST, told.recv()).await.unwrap();
    assert!(matches!(first, Some(Err(Outcome::Skipped(_)))), "{first:?}");
    let later = tokio::time::timeout(AT_MOST, told.recv()).await.unwrap();
    assert_eq!(later, Some(Ok(())));
    working.abort();
}
