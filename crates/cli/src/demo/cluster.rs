//! The demo's cluster: keys, configurations, one process per member, and questions to them.

use std::path::Path;
use std::time::{Duration, Instant};

use proto::cluster::v1::ClusterStatus;

use super::layout::{GRPC_PORT, Layout};
use super::member_config;
use super::member_process::MemberProcess;
use super::{files, identities};
use crate::args::GlobalArgs;
use crate::cluster::status::{self, View};
use crate::connect::Target;
use crate::error::{CliError, Kind};
use crate::output;

/// From the start of the processes to a leader that all of them know. The start of a member reads its
/// log and checkpoint, both empty here; most of it is one election.
const START_MAX: Duration = Duration::from_secs(30);
/// How often the members are asked while waiting.
const POLL: Duration = Duration::from_millis(100);

/// The running members. Dropping it kills them.
pub(crate) struct Cluster {
    layout: Layout,
    members: Vec<MemberProcess>,
    target: Target,
}

impl Cluster {
    /// Writes keys, configurations and boot files, starts the members and waits until all of them follow
    /// a leader.
    pub(crate) async fn start(layout: Layout, members: u64, executable: &Path) -> Result<Self, CliError> {
        let made = identities::make(&layout, members)?;
        let mut processes = Vec::new();
        for id in 1..=members {
            let dir = layout.member_dir(id);
            files::write(&dir.join("files"))?;
            let text = member_config::render(&layout, id, members, &made.member_dir(id));
            std::fs::write(dir.join("chamois.toml"), text)
                .map_err(|e| CliError::other("cannot write a member's configuration", e))?;
            processes.push(MemberProcess::start(executable, id, &dir)?);
        }
        let endpoints = (1..=members)
            .map(|id| layout.on_member(id, GRPC_PORT).to_string())
            .collect();
        let target = Target::new(endpoints, &made.ca, made.token)?;
        let mut cluster = Self {
            layout,
            members: processes,
            target,
        };
        cluster.wait_until_led().await?;
        Ok(cluster)
    }

    /// Number of members, running or not.
    pub(crate) fn size(&self) -> usize {
        self.members.len()
    }

    /// A member beside `id`; `id` itself if there is no other.
    pub(crate) fn another(&self, id: u64) -> u64 {
        let mut ids = self.members.iter().map(MemberProcess::id);
        ids.find(|other| *other != id).unwrap_or(id)
    }

    /// Addresses and directories.
    pub(crate) fn layout(&self) -> &Layout {
        &self.layout
    }

    /// How to reach the gRPC API of all members as the administrator.
    pub(crate) fn target(&self) -> &Target {
        &self.target
    }

    /// Id and process id of every member that runs, in member order.
    pub(crate) fn processes(&self) -> Vec<(u64, u32)> {
        self.members
            .iter()
            .filter_map(|member| Some((member.id(), member.pid()?)))
            .collect()
    }

    /// Each member's own view, in member order.
    pub(crate) async fn views(&self) -> Vec<View> {
        status::ask_all(&self.target, &self.target.endpoints).await
    }

    /// The leader, as the member with the highest term knows it.
    pub(crate) async fn leader(&mut self) -> Result<u64, CliError> {
        self.find("a leader", START_MAX, |statuses| {
            let newest = statuses
                .iter()
                .filter(|status| status.leader_id != 0)
                .max_by_key(|s| s.term)?;
            Some(newest.leader_id)
        })
        .await
    }

    /// The member that holds the service address; without one, a member that does not lead: nodes use it as well as
    /// any other.
    pub(crate) async fn holder(&mut self, at_most: Duration) -> Result<u64, CliError> {
        let Some(service) = self.layout.moving().map(|service| service.to_string()) else {
            let leader = self.leader().await?;
            return Ok(if leader == 1 && self.size() > 1 { 2 } else { 1 });
        };
        self.find("a holder of the service address", at_most, move |statuses| {
            let holds = |status: &&ClusterStatus| status.held_addresses.contains(&service);
            statuses.iter().find(holds).map(|status| status.member_id)
        })
        .await
    }

    /// Waits until a restarted member has applied everything that was committed when it was asked.
    pub(crate) async fn caught_up(&mut self, id: u64, at_most: Duration) -> Result<(), CliError> {
        let mut goal = None;
        self.find("the restarted member to catch up", at_most, move |statuses| {
            let committed = statuses.iter().map(|status| status.committed_index).max()?;
            let goal = *goal.get_or_insert(committed);
            let own = statuses.iter().find(|status| status.member_id == id)?;
            (own.applied_index >= goal && own.leader_id != 0).then_some(())
        })
        .await
    }

    /// SIGKILL.
    pub(crate) async fn kill(&mut self, id: u64) -> Result<(), CliError> {
        self.member(id).kill().await
    }

    /// SIGSTOP: it keeps its sockets and answers nothing.
    pub(crate) fn freeze(&mut self, id: u64) -> Result<(), CliError> {
        self.member(id).freeze()
    }

    /// SIGCONT.
    pub(crate) fn thaw(&mut self, id: u64) -> Result<(), CliError> {
        self.member(id).thaw()
    }

    /// Waits until the watchdog of a frozen member has ended it.
    pub(crate) async fn ended_while_frozen(&mut self, id: u64, at_most: Duration) -> Result<(), CliError> {
        self.member(id).ended_while_frozen(at_most).await
    }

    /// Starts a killed member again, on its own data.
    pub(crate) fn restart(&mut self, id: u64) -> Result<(), CliError> {
        self.member(id).restart()
    }

    /// An error if a member ended that nobody killed.
    pub(crate) fn check_running(&mut self) -> Result<(), CliError> {
        self.members.iter_mut().try_for_each(MemberProcess::check_running)
    }

    /// SIGTERM to all, SIGKILL to those that do not end.
    pub(crate) async fn stop(&mut self) -> Result<(), CliError> {
        let stops = self.members.iter_mut().map(MemberProcess::stop);
        futures::future::join_all(stops).await.into_iter().collect()
    }

    async fn wait_until_led(&mut self) -> Result<(), CliError> {
        let size = self.size();
        self.find("all members to follow a leader", START_MAX, move |statuses| {
            let led = statuses
                .iter()
                .filter(|s| s.leader_id != 0 && !s.cluster_id.is_empty());
            (led.count() == size).then_some(())
        })
        .await
    }

    /// Asks all members until `pick` finds what it looks for in their answers.
    async fn find<T>(
        &mut self,
        what: &str,
        at_most: Duration,
        mut pick: impl FnMut(&[ClusterStatus]) -> Option<T>,
    ) -> Result<T, CliError> {
        let deadline = Instant::now() + at_most;
        loop {
            self.check_running()?;
            let views = self.views().await;
            let statuses: Vec<ClusterStatus> = views
                .iter()
                .filter_map(|view| view.answer.as_ref().ok().cloned())
                .collect();
            if let Some(found) = pick(&statuses) {
                return Ok(found);
            }
            if Instant::now() > deadline {
                let text = format!(
                    "waited {} s for {what}:\n{}",
                    at_most.as_secs(),
                    output::tabulated(&GlobalArgs::default(), &views, &status::VIEWS)
                );
                let logs = self.layout.dir().join("member-*/log");
                return Err(CliError::new(Kind::Unavailable, text)
                    .with_remedy(format!("The members' logs: {}", logs.display())));
            }
            tokio::time::sleep(POLL).await;
        }
    }

    fn member(&mut self, id: u64) -> &mut MemberProcess {
        let member = self.members.iter_mut().find(|member| member.id() == id);
        member.expect("ids come from the members' own answers")
    }
}
