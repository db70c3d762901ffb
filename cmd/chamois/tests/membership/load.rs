//! Somebody who writes all the time and hears of every write that fails: nothing between him and the members repeats one.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use proto::smd::v1::Group;
use proto::smd::v1::group_service_client::GroupServiceClient;
use rpc::client::{Channel, Credentials, Options, connect};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use tonic::{Code, Request};

use crate::grown::Grown;

/// Members that may be there.
const SLOTS: u64 = 5;
/// One attempt may take as long: an election may come in between.
const ATTEMPT_AT_MOST: Duration = Duration::from_secs(10);
/// Between two writes, so that reading all of them back stays short.
const PAUSE: Duration = Duration::from_millis(5);
/// Before a write is repeated: a member that has no leader says so at once.
const BEFORE_A_REPEAT: Duration = Duration::from_millis(500);

/// Groups `load-0`, `load-1`, … one after the other, each through the next of five members.
pub(crate) struct Load {
    stop: Arc<AtomicBool>,
    count: Arc<AtomicUsize>,
    writer: JoinHandle<Written>,
}

/// What was written.
pub(crate) struct Written {
    /// Groups whose making was acknowledged.
    pub(crate) groups: Vec<String>,
    /// What the attempts that failed were told, in order.
    pub(crate) failures: Vec<String>,
    /// Longest time between two acknowledgements.
    pub(crate) longest_pause: Duration,
}

impl Load {
    /// A write is attempted so often at most.
    pub(crate) fn start(cluster: &Grown, attempts_max: usize) -> Load {
        let channels: Vec<Channel> = (0..SLOTS).map(|first| channel(cluster, first)).collect();
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let count = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&count);
        let writer = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(write(&channels, attempts_max, &stopped, &counted))
        });
        Load { stop, count, writer }
    }

    /// Writes so far.
    pub(crate) fn count(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    /// Ends it.
    pub(crate) fn stop(self) -> Written {
        self.stop.store(true, Ordering::Relaxed);
        let written = self.writer.join().unwrap();
        println!(
            "{} writes, {} repeated, longest pause {} ms",
            written.groups.len(),
            written.failures.len(),
            written.longest_pause.as_millis()
        );
        written
    }
}

/// A channel that begins at another member: a request that has reached none goes on to the next, any other is made once.
fn channel(cluster: &Grown, first: u64) -> Channel {
    let endpoint = |n| {
        let slot = (first + n) % SLOTS + 1;
        format!("{}:7441", cluster.net.member_address(slot))
    };
    let folder = cluster.folder(1);
    let token = std::fs::read_to_string(folder.join("admin.token")).unwrap();
    let options = Options {
        endpoints: (0..SLOTS).map(endpoint).collect(),
        ca: vec![CertificateDer::from_pem_file(folder.join("ca.pem")).unwrap()],
        credentials: Credentials::Token(token.trim().to_owned()),
    };
    connect(options).unwrap()
}

async fn write(channels: &[Channel], attempts_max: usize, stop: &AtomicBool, count: &AtomicUsize) -> Written {
    let mut written = Written {
        groups: Vec::new(),
        failures: Vec::new(),
        longest_pause: Duration::ZERO,
    };
    let mut acknowledged = Instant::now();
    while !stop.load(Ordering::Relaxed) {
        let n = written.groups.len();
        let label = format!("load-{n}");
        for attempt in 0..attempts_max {
            let channel = channels[(n + attempt) % channels.len()].clone();
            let Err(error) = create(channel, &label, attempt).await else {
                break;
            };
            assert!(
                attempt + 1 < attempts_max,
                "{label} failed: {error}; before: {:?}",
                written.failures
            );
            written.failures.push(format!("{label}: {error}"));
            tokio::time::sleep(BEFORE_A_REPEAT).await;
        }
        written.longest_pause = written.longest_pause.max(acknowledged.elapsed());
        acknowledged = Instant::now();
        written.groups.push(label);
        count.store(written.groups.len(), Ordering::Relaxed);
        tokio::time::sleep(PAUSE).await;
    }
    written
}

/// One attempt. A repeat that finds the group there is told so: the attempt before it was made.
async fn create(channel: Channel, label: &str, attempt: usize) -> Result<(), String> {
    let mut request = Request::new(Group {
        label: label.to_owned(),
        ..Group::default()
    });
    request.set_timeout(ATTEMPT_AT_MOST);
    match GroupServiceClient::new(channel).create_group(request).await {
        Ok(_) => Ok(()),
        Err(status) if attempt > 0 && status.code() == Code::AlreadyExists => Ok(()),
        Err(status) => Err(format!("{status:?}")),
    }
}
