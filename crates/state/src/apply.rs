//! The one function that changes the state.

use model::Rejection;
use proto::bss::v1::bss_command::RecordBoot;
use proto::bss::v1::{BssCommand, bss_command};
use proto::cluster::v1::{ClusterCommand, cluster_command};
use proto::raft::v1::entry::Command;
use proto::raft::v1::{Entry, Header, Outcome, outcome};

use crate::bounds::{NAME_BYTES_MAX, check_text};
use crate::changes::Changes;
use crate::cluster::{
    FEATURE_LEVEL_AUTH, FEATURE_LEVEL_BOOT, FEATURE_LEVEL_DHCP, FEATURE_LEVEL_DISCOVERY, FEATURE_LEVEL_FIRST,
    FEATURE_LEVEL_INVENTORY,
};
use crate::log_position::LogPosition;
use crate::outcome::{applied, rejected};
use crate::session::Admission;
use crate::{
    Event, RowKey, RowKind, State, auth, boot_files, bss, cloud_init, configurator, dhcp, discovery, jobs,
    smd, together,
};

/// What became of one entry.
#[derive(Clone, Debug)]
pub struct Applied {
    /// What the proposer is told.
    pub outcome: Outcome,
    /// Rows that were created, replaced or removed (`State::row` says which), sorted, each once. The header row is
    /// always among them. Enough to keep a checkpoint up to date; indexes are rebuilt by `State::from_rows`.
    pub changed: Vec<RowKey>,
    /// What watchers see of it, sorted by key, one event for each object.
    pub events: Vec<Event>,
    /// The request was applied before and `outcome` is that of the first time.
    pub replayed: bool,
}

impl State {
    /// Applies the entry at log index `index`. Total: it always gives an outcome. A rejection changes nothing but
    /// the applied index, the time and the client's session, which remembers the "no" for a repeat. A request that
    /// is refused because of its session leaves no trace in the session either.
    ///
    /// An index that was applied already is refused as `Bug` and changes nothing at all.
    pub fn apply(&mut self, index: u64, entry: &Entry) -> Applied {
        if index <= self.applied_index {
            let detail = format!(
                "entry {index} was applied before, the state is at {}",
                self.applied_index
            );
            let outcome = rejected(self.applied_index, &Rejection::Bug { detail });
            return Applied {
                outcome,
                changed: Vec::new(),
                events: Vec::new(),
                replayed: false,
            };
        }
        let header = entry.header.clone().unwrap_or_default();
        let mut changes = Changes::default();
        let level_before = self.feature_level();
        self.skip(index);
        self.time_ms = self.time_ms.max(header.proposed_at_ms);
        self.sessions.expire(self.time_ms, &mut changes);
        let admission = self
            .sessions
            .admit(&header, self.time_ms, self.cluster.feature_level());
        let (outcome, replayed) = match admission {
            Ok(Admission::Repeat(outcome)) => (outcome, true),
            Err(rejection) => (rejected(index, &rejection), false),
            Ok(Admission::New(ticket)) => {
                let at = LogPosition::new(index, self.time_ms, &header);
                let outcome = match self.run(entry.command.as_ref(), &at, &mut changes) {
                    Ok(result) => applied(index, result),
                    Err(rejection) => rejected(index, &rejection),
                };
                self.sessions
                    .settle(&ticket, &outcome, self.time_ms, &mut changes);
                (outcome, false)
            }
        };
        changes.touch(RowKey::header());
        let (digest, mut changed, events) = changes.into_parts();
        self.digest.add(digest);
        if level_before >= FEATURE_LEVEL_BOOT {
            let mut noted = Changes::silent();
            let at = LogPosition::new(index, self.time_ms, &header);
            self.revisions.note(&events, &at, &mut noted);
            let (digest, rows, _) = noted.into_parts();
            self.digest.add(digest);
            changed.extend(rows);
            changed.sort_unstable();
        }
        self.last_changes
            .note(index, &changed, level_before, self.feature_level());
        Applied {
            outcome,
            changed,
            events,
            replayed,
        }
    }

    /// What `command` would do as the next entry, if it were one: outcome and events, and this state as it would be. For
    /// copies that are thrown away: sessions, digest and changed rows are not kept. A rejection may say more here than in the
    /// log: because of which other object it is.
    pub fn try_out(
        &mut self,
        header: &Header,
        command: &Command,
    ) -> (Result<Outcome, Rejection>, Vec<Event>) {
        let mut changes = Changes::default();
        self.skip(self.applied_index + 1);
        self.time_ms = self.time_ms.max(header.proposed_at_ms);
        let at = LogPosition::new(self.applied_index, self.time_ms, header);
        let done = self.run(Some(command), &at, &mut changes);
        let outcome = done.map(|result| applied(at.index, result));
        (outcome, changes.into_parts().2)
    }

    /// An entry without a command of ours, i.e. a blank or a membership: only the applied index (and with it the
    /// header row) moves.
    pub fn skip(&mut self, index: u64) {
        self.applied_index = self.applied_index.max(index);
    }

    /// Whether every member knows this command: before it is proposed, because a member of an older version would stop at it.
    /// The level never falls, so a state that lags behind refuses too much at worst.
    ///
    /// # Errors
    /// `FeatureLevel` with the level that is needed.
    pub fn check_level(&self, command: &Command) -> Result<(), Rejection> {
        self.cluster.need_level(feature_level(command))
    }

    fn run(
        &mut self,
        command: Option<&Command>,
        at: &LogPosition<'_>,
        changes: &mut Changes,
    ) -> Result<outcome::Applied, Rejection> {
        match at.grant {
            Some(grant) => self.change_as_granted(grant, command, at, changes),
            None => self.change(command, at, changes),
        }
    }

    /// The command and what follows from it.
    pub(crate) fn change(
        &mut self,
        command: Option<&Command>,
        at: &LogPosition<'_>,
        changes: &mut Changes,
    ) -> Result<outcome::Applied, Rejection> {
        let result = self.dispatch(command, at, changes)?;
        self.follow(at, changes);
        Ok(result)
    }

    pub(crate) fn dispatch(
        &mut self,
        command: Option<&Command>,
        at: &LogPosition<'_>,
        changes: &mut Changes,
    ) -> Result<outcome::Applied, Rejection> {
        check_text("header.principal", at.principal, NAME_BYTES_MAX)?;
        if let Some(enforcement) = at.lock_enforcement {
            self.cluster.need_level(FEATURE_LEVEL_INVENTORY)?;
            smd::check_lock_enforcement(enforcement)?;
        }
        let command = command.ok_or_else(no_command)?;
        self.cluster.need_level(feature_level(command))?;
        self.check_sealed_for(command)?;
        match command {
            Command::Smd(command) => {
                if smd::may_take_addresses(command) {
                    self.dhcp.check_room(at.time_ms)?;
                }
                self.smd.apply(command, &mut self.cluster, at, changes)
            }
            Command::Bss(BssCommand {
                change: Some(bss_command::Change::Rollback(rollback)),
            }) => {
                let back = self.command_back(rollback)?;
                self.dispatch(Some(&back), at, changes)
            }
            Command::Bss(BssCommand {
                change: Some(bss_command::Change::Together(together)),
            }) => self.together(together, at, changes),
            Command::Bss(BssCommand {
                change: Some(bss_command::Change::StartBootRollout(start)),
            }) => {
                let nodes = self.participants(start.rollout.as_ref())?;
                self.bss
                    .start_rollout(start, nodes, &self.boot_files, at, changes)
            }
            Command::Bss(command) => {
                let applied = self.bss.apply(command, &self.boot_files, at, changes)?;
                self.end_boot_session(command, at, changes);
                Ok(applied)
            }
            Command::CloudInit(command) => self.cloud_init.apply(command, &mut self.cluster, at, changes),
            Command::Dhcp(command) => {
                let level = self.cluster.feature_level();
                self.dhcp.apply(command, &self.smd, level, at, changes)
            }
            Command::BootFile(command) => self.boot_files.apply(command, &self.bss, at, changes),
            Command::Auth(command) => self.auth.apply(command, &mut self.cluster, at, changes),
            Command::Cluster(command) => match self.change_sealing(command, at, changes) {
                Some(result) => result,
                None => {
                    let applied = self.cluster.apply(command, at, changes)?;
                    self.auth.set_level(self.cluster.feature_level());
                    Ok(applied)
                }
            },
            Command::Job(command) => self.jobs.apply(command, at, changes),
            Command::Discovery(command) => self.discovery.apply(command, &mut self.cluster, at, changes),
            Command::Configurator(command) => self.configurator.apply(command, at, changes),
        }
    }
}

impl State {
    /// What follows from a change by itself, whoever made it.
    pub(crate) fn follow(&mut self, at: &LogPosition<'_>, changes: &mut Changes) {
        self.follow_interfaces(at, changes);
        if self.feature_level() >= FEATURE_LEVEL_DISCOVERY {
            self.discovery.follow(&mut self.smd, at, changes);
            self.jobs.follow(at, changes);
        }
    }

    /// DHCP holds the addresses that interfaces have lost.
    fn follow_interfaces(&mut self, at: &LogPosition<'_>, changes: &mut Changes) {
        if self.feature_level() < FEATURE_LEVEL_DHCP {
            return;
        }
        let is_interface = |event: &&Event| event.key().kind() == RowKind::EthernetInterface;
        let events: Vec<Event> = changes.events().iter().filter(is_interface).cloned().collect();
        self.dhcp.follow(&events, at, changes);
    }

    /// What is sealed lies among more than the cluster's own rows; `None`: the command is about something else.
    fn change_sealing(
        &mut self,
        command: &ClusterCommand,
        at: &LogPosition<'_>,
        changes: &mut Changes,
    ) -> Option<Result<outcome::Applied, Rejection>> {
        use cluster_command::Change;
        match command.change.as_ref()? {
            Change::RotateSealingKey(rotate) => Some(self.rotate_sealing_key(rotate, at)),
            Change::ResealSecrets(reseal) => Some(self.reseal(reseal, changes)),
            Change::RetireSealingKey(retire) => Some(self.retire_sealing_key(retire)),
            _ => None,
        }
    }

    /// A boot that phones home needs nothing secret any more.
    fn end_boot_session(&mut self, command: &BssCommand, at: &LogPosition<'_>, changes: &mut Changes) {
        let Some(bss_command::Change::RecordBoot(RecordBoot { record: Some(record) })) = &command.change
        else {
            return;
        };
        if let Ok(node) = record.node.parse() {
            self.cloud_init
                .end_boot_session(&node, &record.boot_id, at, changes);
        }
    }
}

/// From which level on the log may have this command.
fn feature_level(command: &Command) -> u32 {
    match command {
        Command::Smd(command) => smd::feature_level(command),
        Command::Bss(BssCommand {
            change: Some(bss_command::Change::Together(together)),
        }) => {
            let steps = together.steps.iter().filter_map(together::command_of);
            let level = steps.map(|step| feature_level(&step)).max();
            level.unwrap_or_default().max(FEATURE_LEVEL_BOOT)
        }
        Command::Bss(command) => bss::feature_level(command),
        Command::CloudInit(command) => cloud_init::feature_level(command),
        Command::BootFile(command) => boot_files::feature_level(command),
        Command::Dhcp(command) => dhcp::feature_level(command),
        Command::Auth(command) => auth::feature_level(command),
        Command::Job(command) => jobs::feature_level(command),
        Command::Discovery(command) => discovery::feature_level(command),
        Command::Configurator(command) => configurator::feature_level(command),
        Command::Cluster(ClusterCommand {
            change:
                Some(
                    cluster_command::Change::RotateSealingKey(_)
                    | cluster_command::Change::ResealSecrets(_)
                    | cluster_command::Change::RetireSealingKey(_),
                ),
        }) => FEATURE_LEVEL_AUTH,
        // what the cluster's other commands need is checked where they are applied, which all versions do
        Command::Cluster(_) => FEATURE_LEVEL_FIRST,
    }
}

/// An entry that says nothing. (One that says something unknown is caught by `decode_exact`.)
pub(crate) fn no_command() -> Rejection {
    Rejection::invalid("command", "the entry holds no command")
}
