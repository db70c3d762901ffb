//! Three real `chamois serve` with nothing but the core: started, killed, frozen, mended, asked.
//!
//! For tests only: what cannot be done panics, as a test's assertion would.
#![allow(clippy::unwrap_used, clippy::missing_panics_doc)] // see above

mod caller;
mod ledger;
mod place;
pub mod registers;
mod writers;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::Duration;

use lab::machine::{Process, run};
use nix::sys::signal::Signal;
use proto::cluster::v1::ClusterStatus;
use tokio::runtime::Runtime;

pub use caller::{Caller, Read, Written};
pub use ledger::Ledger;
pub use place::Place;
pub use registers::Registers;
pub use writers::Writers;

use crate::members::{executable, wait_at_most};

/// Members of every cluster here.
pub const MEMBERS: u64 = 3;
/// Bound of every wait for the cluster.
pub const AT_MOST: Duration = Duration::from_secs(60);
/// How long a member may take to answer about itself.
const STATUS_AT_MOST: Duration = Duration::from_secs(2);

/// What a test sets of its members.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// `raft.snapshot-entries`; `None` leaves the default.
    pub snapshot_entries: Option<u64>,
    /// Where members keep their data, if not in the cluster's folder.
    pub data_dirs: BTreeMap<u64, PathBuf>,
    /// `[address]`, `[[network]]` and further tables of a member that answers nodes; `{id}` stands for each one's id. `None`:
    /// nothing but the core.
    pub tables: Option<String>,
    /// Environment of the members' processes; `{id}` stands for each one's id.
    pub environment: BTreeMap<String, String>,
}

/// The members, running or not. Dropping it kills them.
#[derive(Debug)]
pub struct Cluster {
    folder: PathBuf,
    place: Place,
    settings: Settings,
    serving: BTreeMap<u64, Process>,
    frozen: BTreeSet<u64>,
    callers: BTreeMap<u64, Caller>,
    runtime: Runtime,
}

impl Cluster {
    /// Identities and configurations in `folder`; nothing is started. The calling thread, and what it starts, is from
    /// now on where the administrator is.
    pub fn prepare(place: Place, folder: &Path, settings: Settings) -> Cluster {
        place.enter();
        make_identities(&place, folder, "identities");
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        let mut cluster = Cluster {
            folder: folder.to_owned(),
            place,
            settings,
            serving: BTreeMap::new(),
            frozen: BTreeSet::new(),
            callers: BTreeMap::new(),
            runtime,
        };
        for id in 1..=MEMBERS {
            fs::create_dir_all(cluster.folder.join(format!("files-{id}"))).unwrap();
            fs::write(
                cluster.config_file(id),
                cluster.configuration(id, &cluster.data_dir(id)),
            )
            .unwrap();
            cluster.callers.insert(id, cluster.caller(&[id]));
        }
        cluster
    }

    /// [`Cluster::prepare`], and all members started; returns when they agree.
    pub fn start(place: Place, folder: &Path, settings: Settings) -> Cluster {
        let mut cluster = Cluster::prepare(place, folder, settings);
        for id in 1..=MEMBERS {
            cluster.launch(id);
        }
        cluster.wait_until_agreed();
        cluster
    }

    /// Where the members are.
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// What runs the callers.
    pub fn runtime(&self) -> &Runtime {
        &self.runtime
    }

    /// A file in the cluster's folder.
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Where member `id` keeps log, snapshots and checkpoint.
    pub fn data_dir(&self, id: u64) -> PathBuf {
        let given = self.settings.data_dirs.get(&id).cloned();
        given.unwrap_or_else(|| self.folder.join(format!("data-{id}")))
    }

    /// The file that [`Cluster::launch`] starts member `id` from.
    pub fn config_file(&self, id: u64) -> PathBuf {
        self.folder.join(format!("member-{id}.toml"))
    }

    /// What member `id` has logged in all its lives.
    pub fn log(&self, id: u64) -> String {
        fs::read_to_string(self.folder.join(format!("log-{id}"))).unwrap_or_default()
    }

    /// A configuration of member `id` with its data in `data_dir`.
    pub fn configuration(&self, id: u64, data_dir: &Path) -> String {
        let (own, folder) = (self.place.address(id), self.folder.display());
        let snapshots = self
            .settings
            .snapshot_entries
            .map(|entries| format!("snapshot-entries = {entries}\n"))
            .unwrap_or_default();
        let tables = self
            .settings
            .tables
            .as_deref()
            .unwrap_or("[address]\nmode = \"list\"\n");
        let tables = tables.replace("{id}", &id.to_string());
        format!(
            "cluster = \"chaos\"\ndata-dir = {data_dir:?}\nidentity-dir = \"{folder}/identities/member-{id}\"\n\
             [member]\nid = {id}\n[raft]\npeer-listen = \"{own}:7440\"\n{snapshots}\
             [api]\ngrpc-listen = \"{own}:7441\"\nhttps-listen = \"{own}:8443\"\n\
             [boot]\nfiles-dir = \"{folder}/files-{id}\"\n{tables}"
        )
    }

    /// Starts `chamois serve` of a member that does not run.
    pub fn launch(&mut self, id: u64) {
        let process = self.spawn(id, &self.config_file(id));
        self.serving.insert(id, process);
        // what was connected to the life before would be found dead only by its next call
        self.callers.insert(id, self.caller(&[id]));
    }

    /// A process with the configuration `config`; what it logs goes to that of member `id`.
    pub fn spawn(&self, id: u64, config: &Path) -> Process {
        let log = File::options()
            .append(true)
            .create(true)
            .open(self.folder.join(format!("log-{id}")))
            .unwrap();
        let of_id = |value: &String| value.replace("{id}", &id.to_string());
        let environment = self
            .settings
            .environment
            .iter()
            .map(|(name, value)| (name, of_id(value)));
        let mut command = self.place.command(id, &executable());
        command
            .args(["serve", "--log-format", "text", "--config"])
            .arg(config)
            .envs(environment)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log);
        Process::new(command.spawn().unwrap())
    }

    /// The process of a running member.
    pub fn process(&mut self, id: u64) -> &mut Process {
        self.serving.get_mut(&id).expect("it runs")
    }

    /// Takes the process of a member away from this, for whoever ends it.
    pub fn take(&mut self, id: u64) -> Process {
        self.frozen.remove(&id);
        self.serving.remove(&id).expect("it runs")
    }

    /// SIGKILL, without a word to anyone.
    pub fn kill(&mut self, id: u64) {
        drop(self.take(id));
    }

    /// SIGSTOP: the process holds its sockets and answers nothing.
    pub fn freeze(&mut self, id: u64) {
        self.serving[&id].signal(Signal::SIGSTOP).unwrap();
        self.frozen.insert(id);
    }

    /// SIGCONT.
    pub fn thaw(&mut self, id: u64) {
        self.serving[&id].signal(Signal::SIGCONT).unwrap();
        self.frozen.remove(&id);
    }

    /// SIGTERM, and its end; its exit status.
    pub fn stop(&mut self, id: u64) -> ExitStatus {
        self.serving[&id].signal(Signal::SIGTERM).unwrap();
        self.wait_for_end(id, AT_MOST).expect("it ends when asked to")
    }

    /// How a member ends by itself within `at_most`; after that it does not run. `None` if it goes on.
    pub fn wait_for_end(&mut self, id: u64, at_most: Duration) -> Option<ExitStatus> {
        let status = wait_at_most(at_most, || self.process(id).ended().unwrap())?;
        self.serving.remove(&id);
        Some(status)
    }

    /// The members that run and are not frozen.
    pub fn running(&self) -> Vec<u64> {
        let serving = self.serving.keys().copied();
        serving.filter(|id| !self.frozen.contains(id)).collect()
    }

    /// A client of these members, in this order.
    pub fn caller(&self, ids: &[u64]) -> Caller {
        let endpoints = ids.iter().map(|id| format!("{}:7441", self.place.address(*id)));
        Caller::new(endpoints.collect(), &self.folder.join("identities"))
    }

    /// What member `id` says of itself.
    pub fn status(&self, id: u64) -> Option<ClusterStatus> {
        self.runtime.block_on(self.callers[&id].status(STATUS_AT_MOST))
    }

    /// What the running members say of themselves, if all answer.
    pub fn statuses(&self) -> Option<Vec<ClusterStatus>> {
        self.running().into_iter().map(|id| self.status(id)).collect()
    }

    /// The leader that all running members name, if they do.
    pub fn agreed_leader(&self) -> Option<u64> {
        let statuses = self.statuses()?;
        let leader = statuses.first()?.leader_id;
        let agreed = statuses.iter().all(|status| status.leader_id == leader);
        (agreed && self.running().contains(&leader)).then_some(leader)
    }

    /// The leader; waits for one.
    pub fn leader(&self) -> u64 {
        wait_at_most(AT_MOST, || self.agreed_leader())
            .unwrap_or_else(|| panic!("no leader: {}", self.describe()))
    }

    /// Waits until all running members name one leader and have applied the same entries to the same state.
    ///
    /// # Errors
    /// A member that ended by itself, states that differ, or no agreement within [`AT_MOST`].
    pub fn agree(&mut self) -> Result<ClusterStatus, String> {
        let mut ended = None;
        let found = wait_at_most(AT_MOST, || {
            ended = self.ended_by_themselves();
            if ended.is_some() {
                return Some(Err(String::new()));
            }
            self.agreed_leader()?;
            same_place(&self.statuses()?).map(Ok)
        });
        match (ended, found) {
            (Some(text), _) => Err(text),
            (None, Some(Ok(statuses))) => one_digest(&statuses),
            (None, _) => Err(format!("no agreement within {AT_MOST:?}: {}", self.describe())),
        }
    }

    /// [`Cluster::agree`] that must succeed.
    pub fn wait_until_agreed(&mut self) -> ClusterStatus {
        self.agree().unwrap_or_else(|problem| panic!("{problem}"))
    }

    fn ended_by_themselves(&mut self) -> Option<String> {
        let ids: Vec<u64> = self.serving.keys().copied().collect();
        ids.into_iter().find_map(|id| {
            let status = self.process(id).ended().unwrap()?;
            let log = self.log(id);
            let last: Vec<&str> = log.lines().rev().take(5).collect();
            Some(format!("member {id} ended by itself ({status}): {last:#?}"))
        })
    }

    /// What every member says, for a failure's text.
    pub fn describe(&self) -> String {
        let mut text = String::new();
        for id in self.serving.keys() {
            match self.status(*id) {
                Some(s) => writeln!(
                    text,
                    "member {id}: leader {} term {} applied {} committed {} last {} snapshot {} purged {} digest {}",
                    s.leader_id,
                    s.term,
                    s.applied_index,
                    s.committed_index,
                    s.last_log_index,
                    s.snapshot_index,
                    s.purged_index,
                    s.digest
                ),
                None => writeln!(text, "member {id}: no answer"),
            }
            .unwrap();
        }
        text
    }
}

/// The statuses, if all are at one index.
fn same_place(statuses: &[ClusterStatus]) -> Option<Vec<ClusterStatus>> {
    let applied: BTreeSet<u64> = statuses.iter().map(|status| status.applied_index).collect();
    (applied.len() == 1).then(|| statuses.to_vec())
}

fn one_digest(statuses: &[ClusterStatus]) -> Result<ClusterStatus, String> {
    let digests: BTreeSet<&str> = statuses.iter().map(|status| status.digest.as_str()).collect();
    match (statuses.first(), digests.len()) {
        (Some(first), 1) => Ok(first.clone()),
        _ => Err(format!("the states differ at one index: {statuses:#?}")),
    }
}

/// `chamois init` for the members at `place`, into `folder`/`name`.
pub fn make_identities(place: &Place, folder: &Path, name: &str) {
    let mut list = String::from("cluster = \"chaos\"\n");
    for id in 1..=MEMBERS {
        let own = place.address(id);
        writeln!(
            list,
            "[[member]]\nid = {id}\naddress = \"{own}:7440\"\napi-address = \"{own}:7441\""
        )
        .unwrap();
    }
    let file = folder.join(format!("{name}.toml"));
    fs::write(&file, list).unwrap();
    let mut init = Command::new(executable());
    init.args(["init", "--static"])
        .arg(file)
        .arg("--out")
        .arg(folder.join(name));
    run(&mut init).unwrap();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(applied_index: u64, digest: &str) -> ClusterStatus {
        ClusterStatus {
            applied_index,
            digest: digest.to_owned(),
            ..Default::default()
        }
    }

    /// Members that are on their way may differ; members at one place may not.
    #[test]
    fn digests_are_compared_at_one_index_only() {
        assert_eq!(same_place(&[status(4, "a"), status(5, "b")]), None);
        let arrived = same_place(&[status(5, "a"), status(5, "b")]).unwrap();
        assert!(one_digest(&arrived).unwrap_err().contains("differ"));
        assert!(one_digest(&[status(5, "a"), status(5, "a")]).is_ok());
    }
}
