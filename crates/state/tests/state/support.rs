//! A log that applies what it is given and checks after every entry what must always hold.

use std::collections::BTreeMap;

use model::Rejection;
use proto::auth::v1::{AuthCommand, auth_command};
use proto::boot_file::v1::{BootFileCommand, boot_file_command};
use proto::bss::v1::{BssCommand, bss_command};
use proto::cloud_init::v1::{CloudInitCommand, cloud_init_command};
use proto::cluster::v1::{ClusterCommand, cluster_command};
use proto::configurator::v1::{ConfiguratorCommand, configurator_command};
use proto::dhcp::v1::{DhcpCommand, dhcp_command};
use proto::discovery::v1::{DiscoveryCommand, discovery_command};
use proto::http::v1::{Change, ObjectMeta};
use proto::job::v1::{JobCommand, job_command};
use proto::raft::v1::entry::Command;
use proto::raft::v1::outcome;
use proto::raft::v1::{ClientSession, Entry, Header, SnapshotRow};
use proto::smd::v1::{SmdCommand, smd_command};
use state::cluster::{FEATURE_LEVEL_FIRST, FEATURE_LEVEL_KNOWN};
use state::{Applied, RowKey, RowKind, State, rejection};

/// Log time of the first entry: 2025-11-25T07:35:44.123Z.
pub const START_MS: u64 = 1_764_056_144_123;
pub const START_TEXT: &str = "2025-11-25T07:35:44.123Z";

/// A state with the log position of its next entry and a checkpoint that is kept up to date from `Applied::changed`
/// alone.
#[derive(Clone)]
pub struct Log {
    pub state: State,
    pub now_ms: u64,
    index: u64,
    seq: u64,
    checkpoint: BTreeMap<RowKey, SnapshotRow>,
}

impl Log {
    pub fn new() -> Log {
        Log::at_level(FEATURE_LEVEL_FIRST)
    }

    /// A log of members that all have this version.
    pub fn latest() -> Log {
        Log::at_level(FEATURE_LEVEL_KNOWN)
    }

    pub fn at_level(level: u32) -> Log {
        Log {
            state: State::at_level(level),
            now_ms: START_MS,
            index: 0,
            seq: 0,
            checkpoint: BTreeMap::new(),
        }
    }

    /// Keys of all rows.
    pub fn keys(&self) -> impl Iterator<Item = &RowKey> {
        self.checkpoint.keys()
    }

    /// Index that the next entry gets.
    pub fn next_index(&self) -> u64 {
        self.index + 1
    }

    /// The next entry of this log's only client.
    pub fn entry(&mut self, command: impl IntoCommand) -> Entry {
        self.seq += 1;
        let session = session(7, self.seq, self.seq);
        entry(self.next_index(), self.now_ms, session, command)
    }

    pub fn apply(&mut self, command: impl IntoCommand) -> Applied {
        let entry = self.entry(command);
        self.apply_entry(&entry)
    }

    /// Applies an entry and checks that the reported changes are all there are, that the rows alone give the same
    /// state again, and that a "no" has touched nothing but header and session.
    pub fn apply_entry(&mut self, entry: &Entry) -> Applied {
        self.index += 1;
        let applied = self.state.apply(self.index, entry);
        assert!(applied.changed.is_sorted() && applied.changed.contains(&RowKey::header()));
        if rejection(&applied.outcome).is_some() || applied.replayed {
            let bookkeeping = |key: &RowKey| matches!(key.kind(), RowKind::Header | RowKind::Session);
            assert!(
                applied.changed.iter().all(bookkeeping),
                "a rejection changed {:?}",
                applied.changed
            );
        }
        for key in &applied.changed {
            match self.state.row(key) {
                Some(row) => self.checkpoint.insert(key.clone(), row),
                None => self.checkpoint.remove(key),
            };
        }
        let rows: Vec<_> = self.state.rows().collect();
        let checkpoint: Vec<_> = self.checkpoint.values().cloned().collect();
        assert_eq!(checkpoint, rows, "the checkpoint missed a change");
        assert!(
            rows.iter()
                .map(|row| RowKey::of(row).unwrap())
                .eq(self.checkpoint.keys().cloned())
        );
        let restored = State::from_rows(rows.into_iter()).unwrap();
        assert_eq!(restored.digest(), self.state.digest());
        applied
    }

    /// Applies what must succeed, many times over: without the checks of `apply_entry`, which look at all rows.
    pub fn fill(&mut self, commands: impl IntoIterator<Item = impl IntoCommand>) {
        for command in commands {
            let entry = self.entry(command);
            self.index += 1;
            let applied = self.state.apply(self.index, &entry);
            assert_eq!(rejection(&applied.outcome), None);
            let rows = applied.changed.into_iter().map(|key| (self.state.row(&key), key));
            for (row, key) in rows {
                match row {
                    Some(row) => self.checkpoint.insert(key, row),
                    None => self.checkpoint.remove(&key),
                };
            }
        }
    }

    /// Applies what must succeed.
    pub fn ok(&mut self, command: impl IntoCommand) -> outcome::Applied {
        let outcome = self.apply(command).outcome;
        match (rejection(&outcome), outcome.result) {
            (None, Some(outcome::Result::Applied(applied))) => applied,
            (rejection, _) => panic!("refused: {rejection:?}"),
        }
    }

    /// Applies what must be refused.
    pub fn refused(&mut self, command: impl IntoCommand) -> Rejection {
        let outcome = self.apply(command).outcome;
        rejection(&outcome).unwrap_or_else(|| panic!("not refused: {outcome:?}"))
    }

    /// Applies what must be refused as `Invalid`, and gives field and problem.
    pub fn invalid(&mut self, command: impl IntoCommand) -> (String, String) {
        match self.refused(command) {
            Rejection::Invalid { field, problem } => (field, problem),
            other => panic!("refused otherwise: {other}"),
        }
    }

    /// Meta of what the last entry created.
    pub fn created(&self) -> Option<ObjectMeta> {
        let change = Some(self.last_change());
        Some(ObjectMeta {
            created: change.clone(),
            modified: change,
        })
    }

    pub fn last_change(&self) -> Change {
        Change {
            revision: self.index,
            at_ms: self.now_ms,
            principal: "user/admin".into(),
        }
    }
}

pub fn session(client: u8, seq: u64, ack_below: u64) -> ClientSession {
    ClientSession {
        client_id: vec![client; 16],
        seq,
        ack_below,
        opened_at_ms: START_MS,
    }
}

pub fn entry(index: u64, now_ms: u64, session: ClientSession, command: impl IntoCommand) -> Entry {
    let header = Header {
        session: Some(session),
        proposed_at_ms: now_ms,
        principal: "user/admin".into(),
        random: (0..16)
            .map(|i| u8::try_from((index * 16 + i) % 251).unwrap())
            .collect(),
        ..Header::default()
    };
    Entry {
        header: Some(header),
        command: Some(command.into_command()),
    }
}

/// What can stand in an entry.
pub trait IntoCommand {
    fn into_command(self) -> Command;
}

impl IntoCommand for Command {
    fn into_command(self) -> Command {
        self
    }
}

macro_rules! into_command {
    ($($module:ident, $variant:ident, $command:ident: $($change:ident)*;)*) => {$(
        impl IntoCommand for $module::Change {
            fn into_command(self) -> Command {
                Command::$variant($command { change: Some(self) })
            }
        }
        $(
            impl IntoCommand for $module::$change {
                fn into_command(self) -> Command {
                    $module::Change::$change(self).into_command()
                }
            }
        )*
    )*};
}

into_command! {
    smd_command, Smd, SmdCommand: CreateComponents PatchState DeleteComponents CreateEthernetInterface
        PatchEthernetInterface DeleteEthernetInterfaces AddIpAddress PatchIpAddress DeleteIpAddress
        CreateGroup PatchGroup DeleteGroup AddGroupMember ReplaceGroupMembers RemoveGroupMember PatchComponents SetNids
        StoreDiscovery PatchRedfishEndpoint DeleteRedfishEndpoints DeleteComponentEndpoints DeleteServiceEndpoints
        RequestDiscovery SetLocks Reserve RemoveReservations ReleaseReservations RenewReservations
        CreatePartition PatchPartition DeletePartition AddPartitionMember RemovePartitionMember
        PutNodeMaps DeleteNodeMaps PutPowerMaps DeletePowerMaps
        PutScnSubscription PatchScnSubscription DeleteScnSubscriptions AdvanceScnCursors
        PutHardware DeleteHardware DeleteHardwareFrus DeleteHardwareHistory
        CreateEthernetInterfaces;
    bss_command, Bss, BssCommand: Create Replace Update Delete RecordBoot PutBootConfiguration
        DeleteBootConfiguration RecordBootPhases StartBootRollout AdvanceBootRollout ControlBootRollout
        DeleteBootRollout Put Conditional Rollback
        Together;
    cloud_init_command, CloudInit, CloudInitCommand: AssignInstanceId UpdateClusterDefaults
        PutGroup DeleteGroup PutInstanceInfo DeleteInstanceInfo RenewInstanceId PutProfile DeleteProfile
        OpenBootSession DeleteClusterDefaults PatchGroup;
    dhcp_command, Dhcp, DhcpCommand: PutSubnet DeleteSubnet BindLeases EndLease DeleteLease ConfirmHeldAddresses
        DeleteHeldAddress NoteUnknownClients PutPolicy DeletePolicy QuarantineAddress;
    boot_file_command, BootFile, BootFileCommand: PutBootFile DeleteBootFile PutImage SetImagePinned DeleteImage;
    cluster_command, Cluster, ClusterCommand: Bootstrap SetFeatureLevel CreateJoinToken AdmitMember RotateSealingKey ResealSecrets RetireSealingKey;
    auth_command, Auth, AuthCommand: PutRole DeleteRole PutPolicy DeletePolicy RotateSigningKey EndSigningKeys
        CreateApiToken DeleteApiToken Revoke OpenSession RefreshSession EndSession ApproveDevice PutProvider
        DeleteProvider AddAuthority ActivateAuthority RemoveAuthority PutAuthSecret ForgetEnded;
    job_command, Job, JobCommand: CreateJob ClaimJob ReportJob EndJob CancelJob DeleteJobs;
    discovery_command, Discovery, DiscoveryCommand: PutBmcs AssignXname TrustKey DeleteBmcs PutXnameRule
        DeleteXnameRule PutCredential DeleteCredential PutNextPassword KeepNextPassword PutFirmware;
    configurator_command, Configurator, ConfiguratorCommand: PutTemplate DeleteTemplate GrantSecrets;
}
