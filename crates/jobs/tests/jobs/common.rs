//! What the tests of jobs share: works that do as they are told, and a clock that is moved by hand.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures::future::BoxFuture;
use jobs::{JobKind, Jobs, Outcome, Pace, Running, Work};
use proto::discovery::v1::Crawl;
use proto::job::v1::{Job, JobTarget, job};
use raft::Store;
use rpc::{Author, Caller, Identity};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tonic::Request;

/// As fast as tests want it; claims are good for the least that the log allows.
pub const PACE: Pace = Pace {
    look: Duration::from_millis(20),
    look_pause: Duration::from_millis(1),
    report: Duration::from_millis(20),
    lapse: Duration::from_secs(5),
    backoff_first: Duration::from_millis(10),
    backoff_max: Duration::from_millis(40),
    jobs_max: 2,
};
/// Nothing here takes longer.
pub const AT_MOST: Duration = Duration::from_secs(10);

type Doing = dyn Fn(Running) -> BoxFuture<'static, ()> + Send + Sync;

/// A work that does what a test says.
pub struct Told {
    pub kind: JobKind,
    pub can_run: bool,
    pub doing: Box<Doing>,
    pub begun: AtomicUsize,
}

impl Told {
    pub fn crawl<F>(doing: impl Fn(Running) -> F + Send + Sync + 'static) -> Arc<Told>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        Arc::new(Told {
            kind: JobKind::Crawl,
            can_run: true,
            doing: Box::new(move |running: Running| -> BoxFuture<'static, ()> { Box::pin(doing(running)) }),
            begun: AtomicUsize::new(0),
        })
    }

    pub fn begun(&self) -> usize {
        self.begun.load(Ordering::SeqCst)
    }
}

impl Work for Told {
    fn kind(&self) -> JobKind {
        self.kind
    }

    fn can_run(&self, _: &Job, _: &[JobTarget]) -> bool {
        self.can_run
    }

    fn run(self: Arc<Self>, job: Running) -> BoxFuture<'static, ()> {
        self.begun.fetch_add(1, Ordering::SeqCst);
        (self.doing)(job)
    }
}

/// All that wait succeed.
pub async fn succeed(running: Running) {
    for target in running.targets() {
        running.report(target.place, Outcome::Succeeded("found".to_owned()));
    }
}

/// A member with one work, until it is told to stop or is dropped.
pub struct Member {
    pub task: JoinHandle<()>,
    stop: Option<oneshot::Sender<()>>,
}

impl Member {
    pub fn start(store: &Store, id: u64, work: Arc<dyn Work>) -> Member {
        let (stop, stopped) = oneshot::channel::<()>();
        let jobs = Jobs::new(store.clone(), id, vec![work]).with_pace(PACE);
        let task = tokio::spawn(jobs.run(async move {
            let _ = stopped.await;
        }));
        Member {
            task,
            stop: Some(stop),
        }
    }

    /// As a power failure does it.
    pub async fn kill(self) {
        self.task.abort();
        let _ = self.task.await;
    }

    pub async fn stop(mut self) {
        drop(self.stop.take());
        tokio::time::timeout(AT_MOST, self.task).await.unwrap().unwrap();
    }
}

pub fn admin<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    let identity = Identity::User {
        name: "admin".to_owned(),
    };
    request.extensions_mut().insert(Caller {
        identity,
        peer: None,
        local: None,
    });
    request
}

/// A crawl of so many BMCs.
pub async fn crawl(store: &Store, targets: usize) -> String {
    let targets = (0..targets).map(|n| format!("x{n}c0s0b0")).collect();
    let author = Author::of("user/admin", None);
    jobs::create(store, &author, job::Work::Crawl(Crawl::default()), targets)
        .await
        .unwrap()
}

pub fn job_of(store: &Store, id: &str) -> Job {
    store.state().jobs.get(id).unwrap().as_ref().clone()
}

pub fn targets(store: &Store, id: &str) -> Vec<JobTarget> {
    let state = store.state();
    state
        .jobs
        .targets(id)
        .map(|target| target.as_ref().clone())
        .collect()
}

/// Waits until the job is as `is_so` wants it.
pub async fn until(store: &Store, id: &str, is_so: impl Fn(&Job) -> bool) -> Job {
    let waiting = async {
        loop {
            let job = job_of(store, id);
            if is_so(&job) {
                return job;
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    let waited = tokio::time::timeout(AT_MOST, waiting).await;
    waited.unwrap_or_else(|_| panic!("{:?}", job_of(store, id)))
}

pub async fn over(store: &Store, id: &str) -> Job {
    let is_over = |job: &Job| {
        matches!(
            job.state(),
            job::State::Succeeded | job::State::Failed | job::State::Cancelled
        )
    };
    until(store, id, is_over).await
}

/// Every question for the time moves the clock of a store in memory by a millisecond.
pub fn let_claims_lapse(store: &Store) {
    (0..6000).for_each(|_| {
        store.cluster_time_ms();
    });
}
