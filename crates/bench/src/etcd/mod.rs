//! etcd as Debian has it, three members on loopback: the peer of our core.
//!
//! Everything that can be alike is: members of one cluster on the same disk, the same certificates for clients and
//! peers, the same client. Its timers are its defaults: heartbeat 100 ms, election 1,000 ms. It compacts old revisions
//! and may grow to 8 GiB, as whoever runs it for long has to say: at its default of 2 GiB it would refuse writes.

mod kv;
mod metrics;
mod watch;

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use bytes::Bytes;
use rpc::client::{Channel, tcp_dialler};
use rustls_pki_types::CertificateDer;
use tokio::process::Command;

pub use self::kv::Kv;
pub use self::metrics::Counts;
pub use self::watch::{Watched, Watches};
use crate::tools::{ETCD, find};
use crate::{BenchError, Child};

const CLIENT_PORT: u16 = 2379;
const PEER_PORT: u16 = 2380;
const METRICS_PORT: u16 = 2381;
/// From the start of the processes to a leader.
const START_MAX: Duration = Duration::from_secs(20);
const POLL: Duration = Duration::from_millis(100);
/// A member that takes longer for one answer has not caught up.
const ANSWER_MAX: Duration = Duration::from_secs(1);
/// A key that nobody puts.
const NO_KEY: Bytes = Bytes::from_static(b"-");
/// Largest database, the most that etcd recommends.
const QUOTA_BYTES: u64 = 8 << 30;
/// Revisions that compaction leaves: one for each key that is written.
const REVISIONS_KEPT: u32 = 10_000;

/// Where one member is, and with which keys.
#[derive(Clone, Debug)]
pub struct Member {
    /// Its own loopback address.
    pub address: Ipv4Addr,
    /// Its certificate for clients and peers, PEM; it must name the address and 127.0.0.1, from where peers dial.
    pub certificate: PathBuf,
    /// The certificate's key, PEM.
    pub key: PathBuf,
}

/// One member with its process, unless that was killed.
#[derive(Debug)]
struct Running {
    member: Member,
    child: Option<Child>,
    name: String,
    program: PathBuf,
    arguments: Vec<String>,
    log: PathBuf,
}

impl Running {
    fn start(&mut self) -> Result<(), BenchError> {
        let mut command = Command::new(&self.program);
        command.args(&self.arguments);
        self.child = Some(Child::start(&self.name, command, self.log.clone())?);
        Ok(())
    }

    fn child(&mut self) -> Result<&mut Child, BenchError> {
        let name = &self.name;
        let killed = || BenchError::Connect(format!("{name} was killed"));
        self.child.as_mut().ok_or_else(killed)
    }
}

/// A running cluster. Dropping it kills the members.
#[derive(Debug)]
pub struct Cluster {
    members: Vec<Running>,
    ca: Vec<CertificateDer<'static>>,
    version: String,
}

impl Cluster {
    /// Starts `members` with their data below `dir` and waits for a leader.
    ///
    /// # Errors
    /// `Missing` without etcd on this host; `Ended` with the log of a member that would not run.
    pub async fn start(
        members: Vec<Member>,
        ca_file: &Path,
        ca: Vec<CertificateDer<'static>>,
        dir: &Path,
    ) -> Result<Cluster, BenchError> {
        let program = find(ETCD)?;
        let version = version_of(&program).await?;
        let all: Vec<String> = (1..)
            .zip(&members)
            .map(|(id, m)| format!("m{id}={}", peer_url(m)))
            .collect();
        let all = all.join(",");
        let mut running = Vec::new();
        for (id, member) in (1..).zip(members) {
            let data = dir.join(format!("etcd-{id}"));
            let mut started = Running {
                child: None,
                name: format!("etcd {id}"),
                program: program.clone(),
                arguments: arguments(id, &member, &all, ca_file, &data),
                log: dir.join(format!("etcd-{id}.log")),
                member,
            };
            started.start()?;
            running.push(started);
        }
        let mut cluster = Cluster {
            members: running,
            ca,
            version,
        };
        cluster.wait_for_leader().await?;
        Ok(cluster)
    }

    /// `etcd 3.4.23`.
    pub fn name(&self) -> &str {
        &self.version
    }

    /// Process ids of all members.
    ///
    /// # Errors
    /// `Ended` if one runs no more.
    pub fn pids(&mut self) -> Result<Vec<u32>, BenchError> {
        self.members
            .iter_mut()
            .map(|running| running.child()?.running_pid())
            .collect()
    }

    /// Process id of a member, an index.
    ///
    /// # Errors
    /// `Ended` if it runs no more.
    pub fn pid(&mut self, member: usize) -> Result<u32, BenchError> {
        self.members[member].child()?.running_pid()
    }

    /// Number of members, running or not.
    pub fn size(&self) -> usize {
        self.members.len()
    }

    /// SIGKILL to a member, an index.
    ///
    /// # Errors
    /// If it runs no more.
    pub async fn kill(&mut self, member: usize) -> Result<(), BenchError> {
        self.members[member].child()?.running_pid()?;
        if let Some(child) = self.members[member].child.take() {
            child.kill().await;
        }
        Ok(())
    }

    /// Starts a killed member again, on its own data.
    ///
    /// # Errors
    /// If it cannot be started.
    pub fn restart(&mut self, member: usize) -> Result<(), BenchError> {
        self.members[member].start()
    }

    /// Waits until every member follows the leader.
    ///
    /// # Errors
    /// `TimedOut`, `Ended`.
    pub async fn wait_until_whole(&mut self) -> Result<(), BenchError> {
        let deadline = Instant::now() + START_MAX;
        for member in 0..self.members.len() {
            while !self.answers(member).await? {
                if Instant::now() > deadline {
                    return Err(BenchError::TimedOut {
                        what: format!("member {} of etcd to follow its leader", member + 1),
                        seconds: START_MAX.as_secs(),
                    });
                }
                tokio::time::sleep(POLL).await;
            }
        }
        Ok(())
    }

    /// Whether a member answers a linearizable read, as only one does that has caught up with a leader.
    async fn answers(&mut self, member: usize) -> Result<bool, BenchError> {
        self.members[member].child()?.check_running()?;
        let mut kv = Kv::new(self.connect(member)?);
        let answer = tokio::time::timeout(ANSWER_MAX, kv.get(NO_KEY, false)).await;
        Ok(matches!(answer, Ok(Err(status)) if status.code() == tonic::Code::NotFound))
    }

    /// What it was told beyond its defaults, for people.
    pub fn settings() -> String {
        format!(
            "quota of {} GiB, revisions compacted to the newest {REVISIONS_KEPT}",
            QUOTA_BYTES >> 30
        )
    }

    /// A channel to `member` (an index), with a connection of its own.
    ///
    /// # Errors
    /// If the TLS configuration cannot be made.
    pub fn connect(&self, member: usize) -> Result<Channel, BenchError> {
        let unusable = |error: &dyn std::fmt::Display| BenchError::Connect(format!("etcd: {error}"));
        let tls = rpc::tls::api_client_config(&self.ca, None).map_err(|error| unusable(&error))?;
        let endpoint = format!("{}:{CLIENT_PORT}", self.members[member].member.address);
        Channel::new(&[endpoint], tls, tcp_dialler()).map_err(|error| unusable(&error))
    }

    /// The index of the member that leads now.
    ///
    /// # Errors
    /// `TimedOut` if nobody does.
    pub async fn leader(&mut self) -> Result<usize, BenchError> {
        let deadline = Instant::now() + START_MAX;
        loop {
            for index in 0..self.members.len() {
                let Some(child) = &mut self.members[index].child else {
                    continue;
                };
                child.check_running()?;
                let status = tokio::time::timeout(START_MAX, kv::leads(self.connect(index)?)).await;
                if let Ok(Ok(true)) = status {
                    return Ok(index);
                }
            }
            if Instant::now() > deadline {
                return Err(BenchError::TimedOut {
                    what: "a leader of etcd".to_owned(),
                    seconds: START_MAX.as_secs(),
                });
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// What all members have counted since they started, added up.
    ///
    /// # Errors
    /// If a member does not answer.
    pub async fn counts(&self) -> Result<Counts, BenchError> {
        let mut sum = Counts::default();
        for running in &self.members {
            sum = sum + metrics::read((running.member.address, METRICS_PORT).into()).await?;
        }
        Ok(sum)
    }

    /// Ends all members.
    pub async fn stop(self) {
        for running in self.members {
            if let Some(child) = running.child {
                child.stop().await;
            }
        }
    }

    async fn wait_for_leader(&mut self) -> Result<(), BenchError> {
        self.leader().await.map(drop)
    }
}

fn client_url(member: &Member) -> String {
    format!("https://{}:{CLIENT_PORT}", member.address)
}

fn peer_url(member: &Member) -> String {
    format!("https://{}:{PEER_PORT}", member.address)
}

fn arguments(id: u64, member: &Member, all: &str, ca: &Path, data: &Path) -> Vec<String> {
    let text = |path: &Path| path.display().to_string();
    let (certificate, key, ca) = (text(&member.certificate), text(&member.key), text(ca));
    let metrics = format!("http://{}:{METRICS_PORT}", member.address);
    let pairs = [
        ("--name", format!("m{id}")),
        ("--data-dir", text(data)),
        ("--logger", "zap".to_owned()),
        ("--listen-client-urls", client_url(member)),
        ("--advertise-client-urls", client_url(member)),
        ("--listen-peer-urls", peer_url(member)),
        ("--initial-advertise-peer-urls", peer_url(member)),
        ("--initial-cluster", all.to_owned()),
        ("--initial-cluster-state", "new".to_owned()),
        ("--cert-file", certificate.clone()),
        ("--key-file", key.clone()),
        ("--peer-cert-file", certificate),
        ("--peer-key-file", key),
        ("--peer-trusted-ca-file", ca),
        ("--listen-metrics-urls", metrics),
        ("--quota-backend-bytes", QUOTA_BYTES.to_string()),
        ("--auto-compaction-mode", "revision".to_owned()),
        ("--auto-compaction-retention", REVISIONS_KEPT.to_string()),
    ];
    let mut arguments: Vec<String> = pairs
        .into_iter()
        .flat_map(|(name, value)| [name.to_owned(), value])
        .collect();
    arguments.push("--peer-client-cert-auth".to_owned());
    arguments
}

async fn version_of(program: &Path) -> Result<String, BenchError> {
    let output = Command::new(program).arg("--version").output().await;
    let output = output.map_err(BenchError::step("cannot run etcd"))?;
    version_in(&String::from_utf8_lossy(&output.stdout)).ok_or(BenchError::Output {
        program: "etcd",
        problem: "no `etcd Version:` in what --version prints".to_owned(),
    })
}

fn version_in(text: &str) -> Option<String> {
    let version = text.lines().find_map(|line| line.strip_prefix("etcd Version:"))?;
    Some(format!("etcd {}", version.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(last: u8) -> Member {
        Member {
            address: Ipv4Addr::new(127, 9, 1, last),
            certificate: "/keys/member.pem".into(),
            key: "/keys/member.key".into(),
        }
    }

    fn value(name: &str) -> String {
        let arguments = arguments(2, &member(2), "m2=x", Path::new("/ca.pem"), Path::new("/data"));
        let at = arguments.iter().position(|argument| argument == name).unwrap();
        arguments.get(at + 1).cloned().unwrap_or_default()
    }

    /// Without TLS among the peers etcd would have it easier than we have.
    #[test]
    fn clients_and_peers_are_under_tls() {
        assert_eq!(value("--listen-client-urls"), "https://127.9.1.2:2379");
        assert_eq!(value("--listen-peer-urls"), "https://127.9.1.2:2380");
        assert_eq!(value("--cert-file"), value("--peer-cert-file"));
        assert_eq!(value("--peer-trusted-ca-file"), "/ca.pem");
        assert_eq!(value("--peer-client-cert-auth"), "", "a flag, and the last");
    }

    /// A peer that runs full in the middle of a run would make us look good.
    #[test]
    fn it_is_set_up_to_run_for_long() {
        assert_eq!(value("--quota-backend-bytes"), "8589934592");
        assert_eq!(value("--auto-compaction-mode"), "revision");
        assert_eq!(value("--auto-compaction-retention"), "10000");
        assert!(Cluster::settings().starts_with("quota of 8 GiB"));
    }

    #[test]
    fn the_version_is_what_it_says_itself() {
        let text = "etcd Version: 3.4.23\nGit SHA: Not provided\nGo Version: go1.19.8\n";
        assert_eq!(version_in(text).as_deref(), Some("etcd 3.4.23"));
        assert_eq!(version_in("usage:"), None);
    }
}
