//! Three members in one process, or one, each on a runtime of its own, over real sockets, mTLS and disks.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use auth::pki::{CertificateAuthority, Issued};
use proto::cluster::v1::{ClusterCommand, cluster_command};
use proto::raft::v1::entry::Command;
use proto::raft::v1::peer_service_client::PeerServiceClient;
use proto::smd::v1::{Component, SmdCommand, smd_command};
use raft::wal::RealDisk;
use raft::{FoundingMembers, Member, MemberNode, MemberOptions, Profile, Snapshots, Sources, Store};
use rpc::server::PortKind;
use rpc::tls::{ClientCerts, Material, PinnedKeys};
use state::cluster::FEATURE_LEVEL_KNOWN;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio_rustls::TlsAcceptor;
use tower::Layer as _;

const CLUSTER: &str = "test";
/// Starts of members: each has randomness of its own, as processes have.
static STARTS: AtomicU64 = AtomicU64::new(0);
/// Bound of every wait for a condition.
const AT_MOST: Duration = Duration::from_secs(30);

pub(crate) struct Testbed {
    folder: TempDir,
    issued: BTreeMap<u64, Issued>,
    ca: String,
    addresses: BTreeMap<u64, SocketAddr>,
    running: BTreeMap<u64, Running>,
    snapshots: Snapshots,
    lease_reads: bool,
    profile: Profile,
    /// The level that the cluster begins with.
    feature_level: u32,
    /// How far each member's clock is ahead from its next start on, milliseconds.
    ahead_ms: BTreeMap<u64, u64>,
}

struct Running {
    runtime: Runtime,
    store: Store,
    _member: Member,
}

impl Testbed {
    /// Three members that have elected a leader.
    pub(crate) fn start() -> Testbed {
        Testbed::with_snapshots(Snapshots::default())
    }

    pub(crate) fn with_snapshots(snapshots: Snapshots) -> Testbed {
        Testbed::with(3, snapshots, Profile::Lan, false, FEATURE_LEVEL_KNOWN)
    }

    /// One member that has founded its cluster.
    pub(crate) fn alone() -> Testbed {
        Testbed::with(1, Snapshots::default(), Profile::Lan, false, FEATURE_LEVEL_KNOWN)
    }

    /// Members that answer linearizable reads by their lease.
    pub(crate) fn with_lease_reads(profile: Profile) -> Testbed {
        Testbed::with(3, Snapshots::default(), profile, true, FEATURE_LEVEL_KNOWN)
    }

    pub(crate) fn with_profile(profile: Profile) -> Testbed {
        Testbed::with(3, Snapshots::default(), profile, false, FEATURE_LEVEL_KNOWN)
    }

    /// A cluster that begins as one of an older version.
    pub(crate) fn with_feature_level(level: u32) -> Testbed {
        Testbed::with(3, Snapshots::default(), Profile::Lan, false, level)
    }

    fn with(
        members: u64,
        snapshots: Snapshots,
        profile: Profile,
        lease_reads: bool,
        feature_level: u32,
    ) -> Testbed {
        rpc::tls::install_crypto_provider();
        let ca = CertificateAuthority::generate(CLUSTER, SystemTime::now()).unwrap();
        let addresses: BTreeMap<u64, SocketAddr> = (1..=members).map(|id| (id, own_address(id))).collect();
        let issue = |id| {
            let names = vec![addresses[&id].ip().to_string()];
            (id, ca.issue_member(id, names, SystemTime::now()).unwrap())
        };
        let mut bed = Testbed {
            folder: tempfile::tempdir().unwrap(),
            issued: (1..=members).map(issue).collect(),
            ca: ca.certificate_pem().to_owned(),
            addresses,
            running: BTreeMap::new(),
            snapshots,
            lease_reads,
            profile,
            feature_level,
            ahead_ms: BTreeMap::new(),
        };
        (1..=members).for_each(|id| bed.launch(id));
        bed.wait("bootstrap", |bed| {
            bed.running.values().all(|r| r.store.is_verified()).then_some(())
        });
        bed
    }

    pub(crate) fn launch(&mut self, id: u64) {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        let options = self.options(id);
        let listener = std::net::TcpListener::bind(self.addresses[&id]).unwrap();
        listener.set_nonblocking(true).unwrap();
        let (material, pins) = (self.material(id), self.pins());
        let member = runtime.block_on(async move {
            let member = Box::pin(Member::start(options)).await.unwrap();
            let rules = rpc::Rules::from_descriptor(proto::DESCRIPTOR).unwrap();
            let guard = rpc::Guard::new(rules, None, Arc::new(member.store()));
            let service = guard.layer(tonic::service::Routes::new(member.peer_service()).prepare());
            let tls = rpc::tls::server_config(&material, ClientCerts::RequiredMembers(pins.clone())).unwrap();
            let listener = TcpListener::from_std(listener).unwrap();
            let acceptor = TlsAcceptor::from(Arc::new(tls));
            tokio::spawn(rpc::server::serve(
                listener,
                acceptor,
                service,
                PortKind::Peer(pins),
                std::future::pending(),
            ));
            member
        });
        self.running.insert(
            id,
            Running {
                runtime,
                store: member.store(),
                _member: member,
            },
        );
    }

    /// Why member `id` does not start.
    pub(crate) fn refusal(&self, id: u64) -> String {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime
            .block_on(Member::start(self.options(id)))
            .unwrap_err()
            .to_string()
    }

    /// Ends a member without a word to anyone, as a crash of the process does.
    pub(crate) fn kill(&mut self, id: u64) {
        let Running {
            runtime,
            store,
            _member,
        } = self.running.remove(&id).expect("it runs");
        drop((store, _member));
        runtime.shutdown_timeout(Duration::from_secs(10));
    }

    pub(crate) fn store(&self, id: u64) -> Store {
        self.running[&id].store.clone()
    }

    /// Waits until every running member names the same running leader.
    pub(crate) fn leader(&self) -> u64 {
        self.wait("one leader", |bed| {
            let named: Vec<u64> = bed.running.values().map(|r| r.store.status().leader_id).collect();
            let agreed = named.iter().all(|id| *id == named[0]) && bed.running.contains_key(&named[0]);
            agreed.then(|| named[0])
        })
    }

    pub(crate) fn follower(&self) -> u64 {
        let leader = self.leader();
        *self.running.keys().find(|id| **id != leader).unwrap()
    }

    /// Waits until all running members have applied the same and hold the same; gives the digest.
    pub(crate) fn same_everywhere(&self) -> String {
        self.wait("the same state everywhere", |bed| {
            let states: Vec<(u64, String)> = bed
                .running
                .values()
                .map(|r| (r.store.state().applied_index(), r.store.state().digest()))
                .collect();
            states
                .iter()
                .all(|state| *state == states[0])
                .then(|| states[0].1.clone())
        })
    }

    pub(crate) fn wait<T>(&self, what: &str, condition: impl Fn(&Testbed) -> Option<T>) -> T {
        let started = Instant::now();
        loop {
            if let Some(value) = condition(self) {
                return value;
            }
            assert!(started.elapsed() < AT_MOST, "no {what} within {AT_MOST:?}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    pub(crate) fn block_on<T>(&self, id: u64, work: impl Future<Output = T>) -> T {
        self.running[&id].runtime.block_on(work)
    }

    /// The folder of a member's log, snapshots and checkpoint.
    pub(crate) fn data_dir(&self, id: u64) -> std::path::PathBuf {
        self.folder.path().join(format!("member-{id}"))
    }

    pub(crate) fn spawn(
        &self,
        id: u64,
        work: impl Future<Output: Send> + Send + 'static,
    ) -> tokio::task::AbortHandle {
        self.running[&id].runtime.spawn(work).abort_handle()
    }

    /// Creates a component through member `id`.
    pub(crate) fn create(&self, id: u64, xname: &str) -> u64 {
        let store = self.store(id);
        self.block_on(id, store.propose("user/test", create(xname), None))
            .unwrap()
            .revision
    }

    /// A client of the peer port of member `to`, with the certificate of member `from`.
    pub(crate) fn peer_client(&self, from: u64, to: u64) -> PeerServiceClient<rpc::client::Channel> {
        let (material, address) = (self.material(from), self.addresses[&to].to_string());
        let dialler = rpc::client::tcp_dialler();
        PeerServiceClient::new(
            rpc::client::connect_to_member(&address, &material, &self.pins(), to, dialler).unwrap(),
        )
    }

    fn options(&self, id: u64) -> MemberOptions {
        let node = |id: &u64| MemberNode {
            peer_address: self.addresses[id].to_string(),
            api_address: self.addresses[id].to_string(),
            public_key: self.issued[id].public_key.clone(),
            ..MemberNode::default()
        };
        let (material, pins) = (self.material(id), self.pins());
        let dial = move |to: u64, node: &MemberNode| {
            let dialler = rpc::client::tcp_dialler();
            rpc::client::connect_to_member(&node.peer_address, &material, &pins, to, dialler)
        };
        let bootstrap = cluster_command::Bootstrap {
            cluster_name: CLUSTER.to_owned(),
            feature_level: self.feature_level,
            ..Default::default()
        };
        MemberOptions {
            member_id: id,
            pins: self.pins(),
            data_dir: self.data_dir(id),
            profile: self.profile,
            snapshots: self.snapshots,
            lease_reads: self.lease_reads,
            dial: Arc::new(dial),
            sources: Sources {
                now_ms: self.clock(id),
                ..Sources::deterministic((id << 32) + STARTS.fetch_add(1, Ordering::Relaxed))
            },
            disk: Arc::new(RealDisk),
            founding_members: FoundingMembers {
                members: self.addresses.keys().map(|id| (*id, node(id))).collect(),
                identity_dir: self.folder.path().to_owned(),
            },
            bootstrap: ClusterCommand {
                change: Some(cluster_command::Change::Bootstrap(bootstrap)),
            },
            keeps_ledger: false,
        }
    }

    /// The clock of member `id` is this far ahead from its next start on.
    pub(crate) fn set_clock_ahead(&mut self, id: u64, ms: u64) {
        self.ahead_ms.insert(id, ms);
    }

    fn clock(&self, id: u64) -> raft::NowMs {
        let (true_clock, ahead) = (
            Sources::system(no_random()).now_ms,
            self.ahead_ms.get(&id).copied().unwrap_or(0),
        );
        Arc::new(move || true_clock() + ahead)
    }

    fn material(&self, id: u64) -> Material {
        let issued = &self.issued[&id];
        let (chain, key) = (issued.certificate_pem.as_bytes(), issued.key_pem.as_bytes());
        Material::from_pem(self.ca.as_bytes(), chain, key).unwrap()
    }

    fn pins(&self) -> PinnedKeys {
        PinnedKeys::new(
            CLUSTER,
            self.issued
                .iter()
                .map(|(id, issued)| (*id, issued.public_key.clone())),
        )
    }
}

impl Drop for Testbed {
    fn drop(&mut self) {
        let ids: Vec<u64> = self.running.keys().copied().collect();
        ids.into_iter().for_each(|id| self.kill(id));
    }
}

pub(crate) fn create(xname: &str) -> Command {
    let component = Component {
        id: xname.to_owned(),
        state: proto::smd::v1::component::State::On.into(),
        ..Component::default()
    };
    let create = smd_command::CreateComponents {
        components: vec![component],
        force: false,
        ..Default::default()
    };
    Command::Smd(SmdCommand {
        change: Some(smd_command::Change::CreateComponents(create)),
    })
}

pub(crate) fn has(store: &Store, xname: &str) -> bool {
    store.state().smd.component(&xname.parse().unwrap()).is_some()
}

fn no_random() -> raft::Random {
    Arc::new(|_| {})
}

/// An address that no other bed has, on a port that no client is given: a member that comes back finds it free, however
/// many connections the beds beside it open.
fn own_address(id: u64) -> SocketAddr {
    static GIVEN: AtomicU32 = AtomicU32::new(1);
    let offset = (std::process::id() % 0x4000) << 8 | GIVEN.fetch_add(1, Ordering::Relaxed) & 0xff;
    let first = u32::from(Ipv4Addr::new(127, 64, 0, 0));
    let port = 7400 + u16::try_from(id).unwrap();
    SocketAddr::from((Ipv4Addr::from(first + offset), port))
}
