//! Starting a member: open the log, load the state, start Raft, form the cluster if it is new.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use openraft::async_runtime::WatchReceiver as _;
use openraft::{Raft, async_runtime};
use proto::cluster::v1::ClusterCommand;
use proto::raft::v1::peer_service_server::PeerServiceServer;
use rpc::tls::PinnedKeys;

use crate::background::Background;
use crate::checkpointer::Checkpointer;
use crate::cluster_clock::ClusterClock;
use crate::founded::{Founding, FoundingMembers};
use crate::known_stores::KnownStores;
use crate::log_store::LogStore;
use crate::member_tasks::MemberTasks;
use crate::metrics::{Counters, Metrics};
use crate::network::Network;
use crate::peer_service::PeerPort;
use crate::peers::{Dial, PEER_MESSAGE_BYTES_MAX, Peers};
use crate::profile::{Profile, Snapshots};
use crate::published::Published;
use crate::read_index::ReadIndexes;
use crate::removed::Removed;
use crate::replicated::{Replicated, Timing};
use crate::sources::Sources;
use crate::state_machine::{Start, StateMachine, Unsaved};
use crate::store::Store;
use crate::type_config::TypeConfig;
use crate::wal::{self, Disk, Wal};
use crate::{leader_gone, membership_view, newest_state, store_header};

/// How often it is looked at whether Raft has stopped: its metrics change with every batch of entries, and waking a task
/// for each of them costs a busy leader more than it tells.
const FAILURE_LOOK: Duration = Duration::from_millis(100);

/// What a member needs to start.
pub struct MemberOptions {
    /// This member's id; never reused in a cluster.
    pub member_id: u64,
    /// The cluster's name, and the keys of the members that were known when this one was made; from then on the
    /// membership keeps them up to date.
    pub pins: PinnedKeys,
    /// Folder of the log, the snapshots and the checkpoint; made if absent.
    pub data_dir: PathBuf,
    /// Timers.
    pub profile: Profile,
    /// When snapshot files are written.
    pub snapshots: Snapshots,
    /// Whether a leader answers linearizable reads by its lease: correct only where no member's monotonic clock stands
    /// still while another's runs.
    pub lease_reads: bool,
    /// How to reach the other members.
    pub dial: Dial,
    /// Time and randomness.
    pub sources: Sources,
    /// The log's disk.
    pub disk: Arc<dyn Disk>,
    /// The members of a new cluster; an existing store ignores them.
    pub founding_members: FoundingMembers,
    /// First entry of a new cluster.
    pub bootstrap: ClusterCommand,
    /// Whether what is applied is recorded for a journal, which must then be written ([`Store::ledger`]).
    pub keeps_ledger: bool,
}

/// A running member. Dropping it does not stop Raft; [`Member::shutdown`] does.
#[derive(Debug)]
pub struct Member {
    store: Store,
    replicated: Arc<Replicated>,
    peer_port: PeerPort,
    checkpointer: Checkpointer,
    background: Background,
    metrics: Metrics,
}

impl Member {
    /// Starts Raft on the current runtime; it should be one of its own.
    ///
    /// # Errors
    /// A folder of another member, an empty one where a cluster was founded before, a damaged log (the text says how to
    /// rejoin), a disk that fails.
    pub async fn start(options: MemberOptions) -> io::Result<Member> {
        let founding_members = options.founding_members.clone();
        let (cluster, data_dir) = (options.pins.cluster(), &options.data_dir);
        let founding = Founding::of(founding_members, options.member_id, cluster, data_dir);
        if !store_header::is_there(data_dir)? {
            founding.check()?; // before anything is written in the place of a disk that is not mounted
        }
        let Opened {
            stores,
            log,
            start,
            mut checkpointer,
        } = open_off_the_runtime(&options).await?;
        let pristine = log.is_pristine();
        let published = match options.keeps_ledger {
            true => Published::recording(start.state.clone()),
            false => Published::new(start.state.clone()),
        };
        let ledger = published.ledger().cloned();
        let unsaved = Arc::new(Mutex::new(Unsaved::default()));
        let counters = Arc::new(Counters::default());
        let snapshots = options.data_dir.join("snapshots");
        let machine = StateMachine::new(
            start,
            snapshots.clone(),
            log.clone(),
            Arc::clone(&published),
            Arc::clone(&unsaved),
            Arc::clone(&counters),
        );
        let peers = Peers::new(
            options.member_id,
            options.pins.clone(),
            stores,
            ClusterClock::new(Arc::clone(&options.sources.now_ms)),
            Arc::clone(&options.dial),
        );
        let config = options
            .profile
            .raft_config(options.pins.cluster(), options.snapshots)
            .map_err(io::Error::other)?;
        let network = Network {
            peers: peers.clone(),
            counters: Arc::clone(&counters),
            appended: log.appended(),
        };
        let raft = Raft::new(options.member_id, config, network, log.clone(), machine);
        let raft: Raft<TypeConfig, StateMachine> = Box::pin(raft).await.map_err(io::Error::other)?;
        match pristine {
            true => founding.carry_out(&raft).await?,
            false => founding.done()?,
        }
        let (read_indexes, requests) = ReadIndexes::new();
        let replicated = Arc::new(Replicated::new(
            raft,
            peers,
            Timing {
                profile: options.profile,
                lease_reads: options.lease_reads,
            },
            options.sources,
            published,
            read_indexes,
            Removed::new(&options.data_dir),
        ));
        let store = Store::replicated(Arc::clone(&replicated), Arc::clone(&counters));
        checkpointer.run(unsaved, ledger)?;
        let (stream_ends, ends) = leader_gone::channel();
        let background = MemberTasks {
            replicated: Arc::clone(&replicated),
            store: store.clone(),
            counters: Arc::clone(&counters),
            log: log.clone(),
            log_bytes: options.snapshots.log_bytes,
            lease_reads: options.lease_reads,
            bootstrap: options.bootstrap,
            read_index_requests: requests,
            stream_ends: ends,
        }
        .start();
        let metrics = Metrics {
            member: Arc::clone(&replicated),
            counters,
            log,
            snapshots: snapshots.clone(),
        };
        let peer_port = PeerPort::new(Arc::clone(&replicated), snapshots, stream_ends);
        Ok(Member {
            store,
            replicated,
            peer_port,
            checkpointer,
            background,
            metrics,
        })
    }

    /// What monitoring reads of this member.
    pub fn metrics(&self) -> Metrics {
        self.metrics.clone()
    }

    /// The handle that services hold.
    pub fn store(&self) -> Store {
        self.store.clone()
    }

    /// The service of the peer port.
    pub fn peer_service(&self) -> PeerServiceServer<PeerPort> {
        PeerServiceServer::new(self.peer_port.clone())
            .max_decoding_message_size(PEER_MESSAGE_BYTES_MAX)
            .max_encoding_message_size(PEER_MESSAGE_BYTES_MAX)
    }

    /// Returns when Raft or a task of this member has stopped by itself, with the reason: the process must end
    /// and restart.
    pub async fn failed(&self) -> String {
        tokio::select! {
            reason = self.raft_failed() => reason,
            reason = self.background.failed() => reason,
            reason = self.replicated.removed().declared() => reason,
        }
    }

    async fn raft_failed(&self) -> String {
        let mut metrics = self.replicated.raft().metrics();
        loop {
            if let Err(fatal) = &metrics.borrow_watched().running_state {
                return fatal.to_string();
            }
            if async_runtime::WatchReceiver::changed(&mut metrics).await.is_err() {
                return "Raft's task has ended".to_owned();
            }
            tokio::time::sleep(FAILURE_LOOK).await;
        }
    }

    /// Hands leadership to the member that is furthest, if this one leads; used before a planned stop.
    pub async fn hand_over(&self) {
        let raft = self.replicated.raft();
        let metrics = raft.metrics().borrow_watched().clone();
        if let Some(to) = membership_view::heir(&metrics)
            && let Err(error) = raft.trigger().transfer_leader(to).await
        {
            tracing::warn!(%error, to, "could not hand over leadership");
        }
    }

    /// Stops Raft and stores the checkpoint.
    pub async fn shutdown(self) {
        drop(self.background);
        if let Err(error) = self.replicated.raft().shutdown().await {
            tracing::warn!(%error, "Raft did not stop cleanly");
        }
        self.checkpointer.stop().await;
    }
}

struct Opened {
    stores: KnownStores,
    log: LogStore,
    start: Start,
    checkpointer: Checkpointer,
}

/// Opens the data folder where blocking is allowed.
async fn open_off_the_runtime(options: &MemberOptions) -> io::Result<Opened> {
    let (folder, disk) = (options.data_dir.clone(), Arc::clone(&options.disk));
    let (cluster, member) = (options.pins.cluster().to_owned(), options.member_id);
    let log_options = wal::Options::new(options.sources.random_u64());
    let fresh_store_id = format!("{:016x}", options.sources.random_u64());
    let opened = tokio::task::spawn_blocking(move || {
        open(&folder, disk, log_options, &cluster, member, &fresh_store_id)
    });
    opened.await.map_err(io::Error::other)?
}

/// Opens everything of a data folder: header, log, then the newest state that fits the log.
fn open(
    folder: &Path,
    disk: Arc<dyn Disk>,
    log_options: wal::Options,
    cluster: &str,
    member: u64,
    fresh_store_id: &str,
) -> io::Result<Opened> {
    let snapshots = folder.join("snapshots");
    std::fs::create_dir_all(&snapshots)?;
    Removed::new(folder).check()?;
    let store = store_header::claim(folder, cluster, member, fresh_store_id)?;
    let stores = KnownStores::open(folder, store)?;
    let (wal, recovered) = Wal::open(&folder.join("log"), disk, log_options).map_err(io::Error::other)?;
    if recovered.cut_off_bytes > 0 {
        tracing::info!(
            bytes = recovered.cut_off_bytes,
            "a torn tail that nobody was told of was cut off the log"
        );
    }
    let log = LogStore::new(wal, recovered)?;
    let (start, checkpointer) = newest_state::load(folder, &log)?;
    Ok(Opened {
        stores,
        log,
        start,
        checkpointer,
    })
}
